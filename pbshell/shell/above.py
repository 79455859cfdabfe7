"""Lines above the prompt while somebody types. Knows batches and bounds; does not know what the lines say.

Not by prompt_toolkit's `run_in_terminal`: that gives the terminal back for the time of each print, so that what is
typed meanwhile is echoed, and Ctrl-C is a signal.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prompt_toolkit.application import Application

__all__ = ["Above"]

#: seconds for which lines are collected: each printing redraws the prompt
DELAY = 0.05
#: lines of one printing, and lines that wait for theirs; beyond that the oldest are left out
BATCH, WAITING = 1000, 10_000
#: of escape sequences a terminal gets those for colours only, whoever has made the line
_DISOBEYED = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


class Above:
    """Prints through *app*, which draws the prompt, or below it when it does not run."""

    def __init__(self, app: Application[Any]) -> None:
        self._app = app
        self._lines: deque[str] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0
        #: lines that nobody has seen since the last printing: more came than a terminal takes
        self.left_out = 0

    def add(self, text: str) -> None:
        """Print *text*, which may be coloured, soon."""
        self._lines.append(text)
        if len(self._lines) > WAITING:
            self._lines.popleft()
            self.left_out += 1
        if self._timer is None:
            self._wait(DELAY)

    def show(self, text: str) -> None:
        """Print *text* now, behind what is waiting."""
        self._lines.append(text)
        self.flush()

    def flush(self) -> None:
        """Print all that is waiting, now."""
        self._stop()
        while self._lines and not self._is_held():
            self._print()
        if self._lines:
            self._wait(DELAY)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Print nothing within: the terminal shows something else."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self.flush()

    @contextmanager
    def through(self, app: Application[Any]) -> Iterator[None]:
        """Within, it is *app* that draws what is typed."""
        before, self._app = self._app, app
        try:
            yield
        finally:
            self._app = before

    def _is_held(self) -> bool:
        # An editor, or the browser of the history, has the terminal; or a line is taken, and still to be drawn so.
        app = self._app
        return self._held > 0 or app._running_in_terminal or (app.is_running and app.is_done)

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        pause = DELAY
        if not self._is_held():
            loop = asyncio.get_running_loop()
            began = loop.time()
            self._print()
            # A terminal that is slow must not take more than half of the time from whoever types.
            pause = max(DELAY, loop.time() - began)
        if self._lines:
            self._wait(pause)

    def _print(self) -> None:
        """One batch."""
        lines = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
        if self.left_out:
            lines.insert(0, f"... {self.left_out:,} line{'s' if self.left_out > 1 else ''} left out: too many at once")
            self.left_out = 0
        text = _DISOBEYED.sub("?", "\n".join(lines)).replace("\n", "\r\n")
        output = self._app.output
        if not self._app.is_running:
            output.write_raw(f"{text}\r\n")
            output.flush()
            return
        self._app.renderer.erase()
        output.write_raw(f"{text}\r\n")
        output.flush()
        # At once: until it is drawn, the terminal does not tell a paste from what is typed.
        self._app._redraw()
