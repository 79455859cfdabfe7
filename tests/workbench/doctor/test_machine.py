"""What this machine has, and what to do about what it lacks."""

from __future__ import annotations

import io
import shutil
import tomllib
from pathlib import Path

import platformdirs
import pytest

from pbshell import __version__
from pbshell.workbench.doctor import machine
from pbshell.workbench.doctor.machine import EXTRAS, examine_machine
from pbshell.workbench.doctor.steps import Checkup, Step
from pbshell.workbench.exitcodes import ExitCode

ROOT = Path(__file__).parents[3]


class Screen(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8", *, terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("config", "state"):
        monkeypatch.setattr(platformdirs, f"user_{name}_path", lambda _, name=name: tmp_path / name)
    return tmp_path


def steps(checkup: Checkup) -> dict[str, Step]:
    return {step.name: step for step in checkup.steps}


def test_every_extra_that_can_be_installed_is_looked_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert set(EXTRAS) == set(extras) - {"test"}


def test_a_machine_tells_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    found = examine_machine(Screen(), {"TERM": "xterm-256color"})

    assert found.code == ExitCode.OK
    assert steps(found)["pbshell"].text.startswith(__version__)
    assert steps(found)["terminal"] == Step("terminal", "ok", "xterm-256color, 120 columns, colours")
    assert steps(found)["letters"].text == "utf-8"
    assert "which will be made when it is needed" in steps(found)["config"].text


def test_an_extra_that_is_missing_can_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    found = examine_machine(Screen(), {})

    assert steps(found)["pcap"] == Step(
        "pcap", "warning", "missing: captures of tcpdump and Wireshark", hint="pip install 'pbshell[pcap]'"
    )
    assert "what could be better: keyring, pcap" in found.text


@pytest.mark.parametrize(
    ("out", "environ", "columns", "name", "hint"),
    [
        (Screen("latin-1"), {"TERM": "xterm"}, "100", "letters", "export LANG=C.UTF-8"),
        (Screen(), {"TERM": "dumb"}, "100", "terminal", "set TERM"),
        (Screen(), {"TERM": "xterm"}, "60", "terminal", "from 80 columns on"),
    ],
)
def test_a_terminal_that_can_do_little_is_told(
    out: Screen, environ: dict[str, str], columns: str, name: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    found = steps(examine_machine(out, environ))[name]

    assert found.state == "warning"
    assert hint in found.hint


def test_where_there_is_no_terminal_nothing_is_asked_of_one() -> None:
    found = steps(examine_machine(Screen(terminal=False), {}))

    assert found["terminal"].state == "ok"
    assert found["terminal"].text.startswith("none")


def test_a_folder_that_others_can_write_is_told(home: Path) -> None:
    (home / "state").mkdir()
    (home / "state").chmod(0o777)
    (home / "config").mkdir(mode=0o700)
    found = steps(examine_machine(Screen(), {}))

    assert found["config"] == Step("config", "ok", str(home / "config"))
    assert (found["state"].state, found["state"].hint) == ("warning", f"chmod go-w {home / 'state'}")


def test_a_system_without_tables_or_ss_has_other_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert steps(examine_machine(Screen(), {}))["sockets"].state == "warning"

    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert "lsof -nP" in steps(examine_machine(Screen(), {}))["sockets"].hint
