"""Whether one side of a TCP connection takes what it is sent. Knows times and copies; knows no bytes."""

from __future__ import annotations

from math import inf
from typing import TypeAlias

__all__ = ["Stall", "Told"]

#: The kind and the detail of a link event, or nothing that is worth one.
Told: TypeAlias = tuple[str, str] | None

#: sendings of the same bytes that make a stall: the first, and two in vain
_SENDINGS = 3
#: seconds for which a window may be closed without a word, once it has been told
_BRIEF = 0.2
#: seconds after a closed window in which brief ones are not told again
_QUIET = 10.0
#: seconds after which a window that stays closed is told again
_AGAIN = 1.0


class Stall:
    """Why one side takes nothing: it does not acknowledge, or its window is closed. Times are in seconds.

    One event tells a stall, and another one only when it has doubled.
    """

    __slots__ = ("_edge", "_quiet", "_silent", "_silent_due", "_times", "_windowless", "_windowless_due", "shut")

    def __init__(self) -> None:
        #: since when the window is closed; inf: it is open
        self.shut = inf
        self._windowless = False
        self._windowless_due = 0.0
        self._quiet = 0.0
        self._silent = False
        self._silent_due = _SENDINGS
        self._edge = 0
        self._times = 0

    def sent_again(self, at: float, start: int, since: float, what: str) -> Told:
        """*what*, which begins at *start* and has not been acknowledged *since*, was sent once more."""
        if self._times and start == self._edge:
            self._times += 1
        else:
            self._edge, self._times = start, 2
        if self._times < self._silent_due or self._windowless:
            return None
        self._silent = True
        self._silent_due = self._times * 2
        return "stalled", f"{what} unacknowledged for {at - since:,.1f} s, sent {self._times} times"

    def acknowledged(self, at: float, since: float) -> Told:
        """This side has acknowledged something; before it had not done so *since*."""
        was_silent, self._silent = self._silent, False
        self._silent_due, self._times = _SENDINGS, 0
        if not was_silent or self._windowless:
            return None
        return "resumed", f"acknowledged after {at - since:,.1f} s"

    def window_closed(self, at: float) -> Told:
        """This side says that it has no room."""
        if self.shut > at:
            self.shut = at
            self._windowless_due = 0.0 if at >= self._quiet else _BRIEF
        elapsed = at - self.shut
        if elapsed < self._windowless_due:
            return None
        self._windowless = True
        self._windowless_due = max(_AGAIN, elapsed * 2)
        return "stalled", "its receive window is closed" + (f" for {elapsed:,.1f} s" if elapsed else "")

    def window_open(self, at: float) -> Told:
        """This side says that it has room, after it had none."""
        elapsed, self.shut = at - self.shut, inf
        was_windowless, self._windowless = self._windowless, False
        if not was_windowless:
            return None
        self._quiet = at + _QUIET
        return None if self._silent else ("resumed", f"its receive window is open again after {elapsed:,.1f} s")
