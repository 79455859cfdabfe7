"""How far a long file has been read, on a terminal. It appears when that takes a while, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pbshell.wire.text import visible

__all__ = ["progress"]

#: seconds before it appears, and between two looks at it
_PATIENCE, _BETWEEN = 0.5, 0.1


@contextmanager
def progress(
    what: str, stream: TextIO | None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int], None] | None]:
    """To be told how many bytes of how many have been read of *what*; None where *stream* is no terminal."""
    if stream is None or not stream.isatty():
        yield None
        return
    bar = _Bar(what, stream, clock)
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """Draws nothing before its time."""

    def __init__(self, what: str, stream: TextIO, clock: Callable[[], float]) -> None:
        self._what = what
        self._stream = stream
        self._clock = clock
        self._due = clock() + _PATIENCE
        self._drawn: _Drawn | None = None

    def __call__(self, done: int, size: int) -> None:
        now = self._clock()
        if now < self._due:
            return
        self._due = now + _BETWEEN
        if self._drawn is None:
            self._drawn = _Drawn(self._what, self._stream)
        self._drawn.update(done, size)

    def close(self) -> None:
        if self._drawn is not None:
            self._drawn.close()


class _Drawn:
    """The bar as rich draws it, in this thread and only when it is told to."""

    def __init__(self, what: str, stream: TextIO) -> None:
        # Half of what rich has is loaded by it, and most files are read before it is needed.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream, markup=False, emoji=False, highlight=False),
            transient=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task(f"reading {visible(what, 40)}", total=None)
        self._progress.start()

    def update(self, done: int, size: int) -> None:
        self._progress.update(self._task, completed=done, total=size)
        self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()
