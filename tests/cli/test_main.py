"""The command line as a whole: help at once, one sentence for what is wrong, quiet when nobody listens any more."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pbshell as package
from pbshell.cli.main import COMMANDS, DOORS, main, parser_of
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


def test_without_a_word_there_are_the_doors_on_a_small_screen() -> None:
    outcome = pbshell()

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == DOORS
    assert len(DOORS.splitlines()) < 24
    assert max(map(len, DOORS.splitlines())) <= 60


def test_each_door_can_be_pasted() -> None:
    lines = [shlex.split(line)[1:] for line in DOORS.splitlines() if line.startswith("  pbshell ")]

    commands = [words[0] if words[0] in COMMANDS else "connect" for words in lines]
    assert set(commands) == {"demo", "connect", "call", "serve", "trace", "doctor"}
    for words, command in zip(lines, commands, strict=True):
        rest = words[1:] if words[0] == command else words
        parser_of(command, rest).parse_args(rest)


def test_what_shows_the_doors_imports_nothing_heavy() -> None:
    program = "import sys\nfrom pbshell.cli.main import main\nmain([])\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert {name for name in done.stderr.split() if name.startswith("pbshell.")} == {"pbshell.cli", "pbshell.cli.main"}
    assert not set(done.stderr.split()) & HEAVY


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands that run in this process say where the log goes; no other test shall hear of that."""
    root, ours = logging.getLogger(), logging.getLogger("pbshell")
    handlers, level = list(root.handlers), ours.level
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        *([name, "--help"] for name in COMMANDS if name != "serve"),
        ["trace", "read", "--help"],
    ],
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
        "pbshell.workbench",
        "pbshell.workbench.forms",
        "pbshell.workbench.forms.durations",
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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["connect", "localhost:1", "--frobnicate"], "pbshell connect: unrecognized arguments: --frobnicate\n"),
        (
            ["localhost:1", "--annonymous"],
            "pbshell connect: unrecognized arguments: --annonymous; did you mean --anonymous?\n",
        ),
        # What another way takes is not what was meant.
        (["profile", "rm", "x", "--name"], "pbshell profile: unrecognized arguments: --name\n"),
        (["connect"], "pbshell connect: the following arguments are required: TARGET\n"),
        (["completion", "sh"], "pbshell completion: argument SHELL: invalid choice: 'sh' (choose from "),
        (["profile", "lst"], "pbshell profile: argument list|show|add|rm|test: invalid choice: 'lst' (choose from "),
        (["call", "localhost:1", "echo", "--width", "3"], "pbshell call: argument --width: '3' is no width: "),
    ],
)
def test_wrong_words_are_one_sentence_and_where_more_is_said(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert said.splitlines()[1:] == [f"  `{said.partition(': ')[0]} --help` says more"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["connect", "localhost:1", "--json", "--nope"], "unrecognized arguments: --nope"),
        (["call", "--json", "localhost:port", "echo"], "endpoint 'localhost:port': the port is a number"),
        (["@nobody", "--json", "-c", "1"], "there is no profile @nobody; "),
        (["frobnicate", "--json"], "there is no command 'frobnicate'; "),
    ],
)
def test_for_programs_wrong_words_are_an_object(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    code = main(words)
    told = capsys.readouterr()

    (line,) = told.out.splitlines()
    error = json.loads(line)
    assert (code, error["v"], error["kind"], error["code"]) == (2, 1, "error", 2)
    assert error["text"].startswith(sentence)
    assert told.err == ""


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
