"""A terminal with a pbshell in it, as the tests of the shell use it. Knows keys and a screen."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pexpect
import pyte

from tests.pond.running import environment

#: seconds for what the screen must come to show
PATIENCE = 20.0
COLUMNS, LINES = 100, 50


class Terminal:
    """A terminal with a pbshell in it."""

    def __init__(self, child: pexpect.spawn, columns: int = COLUMNS, lines: int = LINES) -> None:
        self._child = child
        self.screen = pyte.HistoryScreen(columns, lines, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        # What the program asks of a terminal, above all where the cursor is, has to be answered.
        self.screen.write_process_input = child.send  # type: ignore[method-assign]  # how pyte has it

    @property
    def text(self) -> str:
        """The screen, without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait(self, words: str, behind: str = "") -> None:
        """Wait until *words* stand on the screen, behind the last *behind*."""

        def there() -> bool:
            _, found, rest = self.text.rpartition(behind) if behind else ("", "yes", self.text)
            return bool(found) and words in rest

        self._until(there, words)

    def wait_for_prompt(self) -> None:
        """Wait until a line can be typed."""
        self._until(lambda: re.fullmatch(r"pb(:.+)?>", self.line) is not None, "a prompt")

    def wait_for_line(self, line: str) -> None:
        """Wait until the cursor is in this *line*."""
        self._until(lambda: self.line == line, line)

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal as large as that."""
        self.screen.resize(lines, columns)
        self._child.setwinsize(lines, columns)

    @property
    def line(self) -> str:
        """The line with the cursor in it."""
        return str(self.screen.display[self.screen.cursor.y]).rstrip()

    @property
    def below(self) -> str:
        """The line below that; empty at the end of the screen."""
        return "".join(self.screen.display[self.screen.cursor.y + 1 : self.screen.cursor.y + 2]).rstrip()

    def _until(self, there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not there():
            try:
                self._stream.feed(self._child.read_nonblocking(65536, max(deadline - time.monotonic(), 0)))
            except (pexpect.TIMEOUT, pexpect.EOF):
                raise AssertionError(f"{what!r} did not come to stand on the screen:\n{self.text}") from None

    def type(self, line: str, words: str = "") -> None:
        """Type *line* and Enter, and wait until behind it *words* and a new prompt stand on the screen."""
        self._child.send(line)
        self.wait(line)
        self._child.send("\r")
        self.wait(words, behind=line)
        self.wait_for_prompt()

    def send(self, keys: str) -> None:
        self._child.send(keys)

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal makes a signal of it."""
        self._child.sendintr()

    def end(self) -> int:
        """Wait until the program has ended; its exit code."""
        self._child.expect(pexpect.EOF)
        self._stream.feed(self._child.before)
        self._child.wait()
        return int(self._child.exitstatus)


@contextmanager
def terminal(*words: str, columns: int = COLUMNS, lines: int = LINES, **env: str) -> Iterator[Terminal]:
    """Run pbshell with these *words* in a terminal of so many *columns* and *lines*."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "pbshell", *words],
        env=environment(**{"TERM": "xterm-256color", **env}),
        dimensions=(lines, columns),
        timeout=PATIENCE,
    )
    try:
        yield Terminal(child, columns, lines)
    finally:
        child.close(force=True)
