"""The screens of the pages on tracing: every command in them is run, and shows what stands below it.

A block of the language `console` that begins with ``$ pbshell`` is run in the folder of the project, without a
terminal. After a change that is meant, write what it shows anew, and read the difference:

UPDATE_GOLDEN=1 python -m pytest tests/cli/test_sessions.py

Blocks below ``<!-- terminal: NAME -->`` are played in terminals, one for each name, in the order of the page.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pexpect
import pytest

from tests.pond.running import environment

ROOT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/howto/read-a-tcpdump.md")
TUTORIAL = ROOT / "docs/tutorial/first-trace.md"

#: seconds for what a terminal must come to show
PATIENCE = 20.0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `pbshell` is the one that is tested."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "pbshell"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pbshell "$@"\n')
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


# --------------------------------------------------------------------------------------- without a terminal


SCREEN = re.compile(r"(^```console\n\$ ([^\n]*pbshell trace read [^\n]*)\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)


def screens() -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        for match in SCREEN.finditer((ROOT / page).read_text(encoding="utf-8")):
            yield page, match[2], match[3]


def shown(line: str, path: str) -> str:
    """What a shell in the folder of the project shows for *line*."""
    command = ["sh", "-c", line]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(PATH=path, TZ="UTC"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(("page", "line", "expected"), list(screens()))
def test_a_command_of_the_page_shows_what_stands_below_it(page: str, line: str, expected: str, programs: str) -> None:
    found = shown(line, programs)
    if os.environ.get("UPDATE_GOLDEN"):
        text = (ROOT / page).read_text(encoding="utf-8")
        before = f"```console\n$ {line}\n"
        (ROOT / page).write_text(text.replace(f"{before}{expected}```", f"{before}{found}```"), encoding="utf-8")
        return

    assert found == expected


def test_each_page_has_screens() -> None:
    assert {page for page, _, _ in screens()} == set(PAGES)


# --------------------------------------------------------------------------------------- in terminals


PROMPT = "pb:alice> "
BLOCK = re.compile(r"^<!-- terminal: (\w+) -->\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Terminal:
    """A terminal without colours or an editor, 100 columns wide, in which one program runs after another."""

    def __init__(self, folder: Path, path: str) -> None:
        self._folder = folder
        self._env = environment(PATH=path, TERM="dumb", TZ="UTC")
        self._child: pexpect.spawn[str] | None = None
        self._text = ""
        self._seen = 0  # lines

    def play(self, lines: list[str]) -> list[str]:
        """Type what is typed in *lines*, and give back as many lines as they are."""
        for number, line in enumerate(lines, 1):
            if line.startswith("$ "):
                self._start(line)
            elif line.startswith(PROMPT):
                self._until(lambda: self._text.endswith(PROMPT))
                self._running.sendline(line.removeprefix(PROMPT))
            elif line == "^C":
                self._running.sendintr()
            wanted = self._seen + number
            self._until(lambda wanted=wanted: len(self._lines()) >= wanted)  # type: ignore[misc]
        found = self._lines()[self._seen :]
        self._seen += len(lines)
        return found[: len(lines)]

    def end(self) -> list[str]:
        """End what still runs, and give back the lines that nobody has seen."""
        if self._child is not None and self._child.isalive():
            self._child.sendintr()
            self._drain()
        return self._lines()[self._seen :]

    def close(self) -> None:
        if self._child is not None:
            self._child.close(force=True)

    @property
    def _running(self) -> pexpect.spawn[str]:
        assert self._child is not None
        return self._child

    def _lines(self) -> list[str]:
        """The whole lines. The terminal writes ^C where it stands, and what comes behind it goes on in that line."""
        text = re.sub(r"^\^C(?!\n)", "^C\n", self._text, flags=re.MULTILINE)
        return text.split("\n")[:-1]

    def _start(self, line: str) -> None:
        if self._child is not None:
            self._drain()
        self._text += f"{line}\n"
        self._child = pexpect.spawn(
            "sh",
            ["-c", line.removeprefix("$ ")],
            cwd=str(self._folder),
            env=self._env,
            dimensions=(50, 100),
            timeout=PATIENCE,
            encoding="utf-8",
        )

    def _drain(self) -> None:
        """Read until the program has ended."""
        self._running.expect(pexpect.EOF)
        self._text += self._running.before.replace("\r\n", "\n")
        self._running.close()

    def _until(self, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not there():
            try:
                read = self._running.read_nonblocking(65536, max(deadline - time.monotonic(), 0))
            except (pexpect.TIMEOUT, pexpect.EOF):
                raise AssertionError(f"something is missing behind:\n{self._text}") from None
            self._text += read.replace("\r\n", "\n")


def blocks() -> Iterator[tuple[str, list[str]]]:
    for match in BLOCK.finditer(TUTORIAL.read_text(encoding="utf-8")):
        yield match[1], match[2].splitlines()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def alike(lines: list[str]) -> list[str]:
    """*lines* without what differs from run to run: times, ports, numbers within the handshake, and so columns."""
    return [_alike(line) for line in lines]


def _alike(line: str) -> str:
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    line = re.sub(r"\b\d\d:\d\d:\d\d\.\d{3}|\+\d+\.\d{3}", "T", line)
    line = re.sub(r"[\d.]+ m?s\b", "N s", line)
    line = re.sub(r"^ *\d+ T", "N T", re.sub(r"#\d+", "#N", line))
    line = re.sub(r"[\d,]+ bytes", "N bytes", line)
    return re.sub(r" +", " ", line).rstrip()


def test_the_terminals_of_the_tutorial_show_what_the_page_shows(tmp_path: Path, programs: str) -> None:
    server, relay = str(free_port()), str(free_port())
    with ExitStack() as stack:
        terminals = {}
        for name, expected in blocks():
            if name not in terminals:
                terminals[name] = Terminal(tmp_path, programs)
                stack.callback(terminals[name].close)
            typed = [line.replace("8789", server).replace("8790", relay) for line in expected]
            found = terminals[name].play(typed)
            assert alike(found) == alike(typed)
        rest = {name: terminal.end() for name, terminal in terminals.items()}

    assert rest["relay"] == []
    assert rest["client"] == []
