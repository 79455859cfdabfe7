"""What goes where: data to stdout, words for people to stderr. Knows streams; does not know what they say."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import shutil
import sys
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = ["Frames", "Unwritable", "ask", "error_line", "log_to_stderr", "say", "show", "width"]


T = TypeVar("T")


class Unwritable(Exception):
    """Data has no place to go to: the text says why."""


def say(text: str) -> None:
    """Words for people, if there is a place for them."""
    if sys.stderr is None:
        return
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def ask(prompt: str) -> None:
    """The beginning of a line that somebody else goes on with."""
    sys.stderr.write(prompt)
    sys.stderr.flush()


def show(text: str) -> None:
    """Data. Raises BrokenPipeError when nobody reads it any more, Unwritable when it cannot be written at all."""
    if sys.stdout is None:
        raise Unwritable("it is closed")
    encoding = sys.stdout.encoding or "utf-8"
    # A stream that has no letter for it gets its number, as stderr does by itself.
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritable(error.strerror) from None


def error_line(code: int, text: str, hint: str = "", details: Sequence[str] = ()) -> str:
    """An error as an object on one line: what ``--json`` writes in place of words."""
    told = {"v": 1, "kind": "error", "code": int(code), "text": text}
    more = {"hint": hint, "details": list(details)}
    line = json.dumps(told | {name: value for name, value in more.items() if value})
    # DEL is the one character that json leaves as it is and a terminal does not.
    return line.replace("\x7f", "\\u007f")


def width() -> int:
    """Columns: what COLUMNS says, else the terminal's, else 100."""
    return shutil.get_terminal_size((100, 24)).columns


def log_to_stderr(verbosity: int, level: int = logging.WARNING, file: str | None = None) -> None:
    """Show our log records from *level* on; with *verbosity* 1 information too, with 2 everything.

    With a *file* they are written behind what is in it, with information, and not shown. Raises UsageError.
    """
    handler: logging.Handler = _Handler() if file is None else _File(file)
    when = "" if file is None else "%(asctime)s %(levelname)s "
    handler.setFormatter(logging.Formatter(f"{when}%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    verbosity = max(verbosity, int(file is not None))
    logging.getLogger("pbshell").setLevel((level, logging.INFO, logging.DEBUG)[min(verbosity, 2)])


class _Handler(logging.Handler):
    """Writes to whatever is stderr at the moment, which the prompt replaces, and nothing that a terminal obeys."""

    def emit(self, record: logging.LogRecord) -> None:
        say(_harmless(self.format(record)))


class _File(logging.FileHandler):
    """Writes to a file that nobody else may read, as what a peer says may be in it; and nothing for a terminal."""

    def __init__(self, path: str) -> None:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no name of a file"
            raise UsageError(f"the log {visible(path, 200)} cannot be written: {reason}") from None

    def format(self, record: logging.LogRecord) -> str:
        return _harmless(super().format(record))


def _harmless(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))


#: Bytes that a pipe takes whole if it takes any, lines that wait for a reader, and seconds between two looks at it.
_PIECE, _WAITING, _LOOK = 4096, 50_000, 0.05


class Frames:
    """Lines that come faster than a pipe takes them, perhaps: collected, and written to stdout as it takes them.

    An instance is called with each line. What writing raises comes out of `until`, and not of whoever called. A reader
    that does not read holds up nobody: beyond 50,000 lines they are left out, and counted.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._news = asyncio.Event()
        #: lines that nobody took
        self.left_out = 0

    def __call__(self, line: str) -> None:
        if len(self._lines) < _WAITING:
            self._lines.append(line)
        else:
            self.left_out += 1
        self._news.set()

    async def until(self, end: Coroutine[Any, Any, T]) -> T:
        """Write what comes until *end*; what that gives. Raises what it raises, and BrokenPipeError."""
        ending, writing = asyncio.ensure_future(end), asyncio.ensure_future(self._write_on())
        try:
            await asyncio.wait({ending, writing}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            for task in (ending, writing):
                task.cancel()
            await asyncio.wait({ending, writing})
        self.write()
        return ending.result()

    async def _write_on(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while not self.write():  # noqa: ASYNC110 (nothing tells when a pipe takes more)
                await asyncio.sleep(_LOOK)

    def write(self) -> bool:
        """Write what is waiting, as far as it is taken. Returns whether it was all. Raises BrokenPipeError."""
        while self._lines:
            if not _takes_more():
                return False
            piece = [self._lines.popleft()]
            size = len(piece[0]) + 1
            while self._lines and size + len(self._lines[0]) < _PIECE:
                piece.append(self._lines.popleft())
                size += len(piece[-1]) + 1
            show("\n".join(piece))
        return True


def _takes_more() -> bool:
    """Whether stdout takes something without waiting. What cannot tell does."""
    try:
        return bool(select.select([], [sys.stdout], [], 0)[1])
    except (OSError, ValueError, AttributeError, TypeError):
        return True
