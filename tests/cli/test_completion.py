"""`pbshell completion`: a real bash completes what is there; zsh and fish read theirs where they are installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from pbshell.cli.main import COMMANDS
from pbshell.cli.shape import forms
from tests.pond.running import environment, pbshell

Complete = Callable[[str], str]


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {shell: pbshell("completion", shell).out for shell in ("bash", "zsh", "fish")}


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, scripts: dict[str, str]) -> Iterator[Complete]:
    """What a line has become when somebody has pressed Tab behind it, in a folder with some files and profiles."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    program = home / "bin/pbshell"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pbshell "$@"\n')
    program.chmod(0o755)
    (home / "pbshell").mkdir()
    (home / "pbshell/profiles.toml").write_text('[prod]\ntarget = "h:1"\n[stage]\ntarget = "h:2"\n')
    (home / "trouble one.pbt").touch()
    (home / "other.pbt").touch()
    env = environment(
        PATH=f"{home}/bin{os.pathsep}{os.environ['PATH']}", XDG_CONFIG_HOME=str(home), TERM="dumb", INPUTRC="/dev/null"
    )
    # A key that shows the line as it stands, so that nothing has to be run.
    key = """bind -x '"\\C-t": printf "\\nLINE<%s>END\\n" "$READLINE_LINE"'"""
    (home / "start").write_text(f"bind 'set bell-style none'\n{key}\n{scripts['bash']}\nPS1='READY '\n")
    words = ["--noprofile", "--rcfile", str(home / "start"), "-i"]
    bash = pexpect.spawn(
        "bash", words, env=env, cwd=str(home), encoding="utf-8", dimensions=(50, 200), timeout=20, echo=False
    )
    bash.expect_exact("READY ")

    def press_tab(line: str) -> str:
        bash.send(f"{line}\t\x14")
        bash.expect("LINE<(.*?)>END")
        found = bash.match.group(1)
        bash.send("\x15")
        return str(found)

    yield press_tab
    bash.close(force=True)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("comp", "completion "),
        ("profile sh", "profile show "),
        ("trace r", "trace read "),
        ("localhost:1 --anon", "localhost:1 --anonymous "),
        ("stats x --by me", "stats x --by method "),
        ("trace read --redact=s", "trace read --redact=strict "),
        ("completion f", "completion fish "),
        ("@p", "@prod "),
        ("call @s", "call @stage "),
        ("--user ada @st", "--user ada @stage "),
        ("profile rm st", "profile rm stage "),
        ("serve ech", "serve echo "),
        ("decode oth", "decode other.pbt "),
        ("diff other.pbt tr", "diff other.pbt trouble\\ one.pbt "),
        ("serve echo --listen un", "serve echo --listen unix:"),
        ("serve echo --listen unix:oth", "serve echo --listen unix:other.pbt "),
        # Where nothing can be known, nothing is made up.
        ("connect h:1 --user al", "connect h:1 --user al"),
        ("man x", "man x"),
    ],
)
def test_bash_completes(complete: Complete, typed: str, completed: str) -> None:
    assert complete(f"pbshell {typed}") == f"pbshell {completed}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_has_every_command_way_option_and_choice(scripts: dict[str, str], shell: str) -> None:
    script = scripts[shell]

    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", script)
    for form in forms():
        assert " ".join(form.words) in script
        for option in form.options:
            for name in option.names:
                written = {"fish": f" -{'l' if name.startswith('--') else 's'} {name.lstrip('-')} "}.get(shell, name)
                assert written in script, (form.words, name)
            assert " ".join(option.choices) in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_finds_nothing_wrong(scripts: dict[str, str], shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(scripts[shell])
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
