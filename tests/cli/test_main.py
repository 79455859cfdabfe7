"""The command line as a whole: help at once, one sentence for what is wrong, quiet when nobody listens any more."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pbshell as package
from pbshell.cli.main import COMMANDS, main
from tests.pond.running import environment, pbshell

#: what help has no use for: a loop, the library, screens, and what looks for plugins
HEAVY = {
    "asyncio",
    "importlib.metadata",
    "jedi",
    "json",
    "platformdirs",
    "prompt_toolkit",
    "ptpython",
    "rich",
    "socket",
}


def test_help_names_every_command() -> None:
    outcome = pbshell("--help")

    assert outcome.code == 0
    assert outcome.err == ""
    assert "tcpdump and telnet for Perspective Broker." in outcome.out
    for name, does in COMMANDS.items():
        assert name in outcome.out
        assert does in outcome.out


def test_without_a_word_there_is_help() -> None:
    assert pbshell() == pbshell("--help")


@pytest.mark.parametrize(
    "words",
    [["--help"], *([name, "--help"] for name in ("connect", "demo", "plugins", "decode")), ["trace", "read", "--help"]],
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\nfrom pbshell.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(done.stderr.split())
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("pbshell.")} <= {
        "pbshell.cli",
        "pbshell.cli.main",
        "pbshell.cli.arguments",
        "pbshell.cli.reading",
        "pbshell.cli.tracing",
        f"pbshell.cli.{words[0]}",
    }


def test_the_version_is_told() -> None:
    assert pbshell("--version").out == f"pbshell {package.__version__}\n"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("plugin", "pbshell: there is no command 'plugin'; did you mean `pbshell plugins`?"),
        ("localhost", "pbshell: there is no command 'localhost'; a target is HOST:PORT; see `pbshell --help`"),
        ("\x1b[2J", "pbshell: there is no command '\\x1b[2J'; a target is HOST:PORT; see `pbshell --help`"),
    ],
)
def test_what_is_neither_command_nor_target_is_one_sentence(
    word: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 2
    assert capsys.readouterr().err == f"{sentence}\n"


def test_an_unknown_option_is_usage() -> None:
    outcome = pbshell("connect", "localhost:1", "--frobnicate")

    assert outcome.code == 2
    assert "unrecognized arguments: --frobnicate" in outcome.err


def test_who_reads_no_more_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pbshell", "plugins"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (0, "")
