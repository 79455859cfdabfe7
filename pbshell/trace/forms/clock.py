"""Times as a trace shows them: by the clock on the wall, or in seconds. Knows time zones; asks no clock."""

from __future__ import annotations

import time

__all__ = ["TIMES", "Clock"]

#: How a line tells its time: hour of the day, seconds since the line before, seconds since the trace began.
TIMES = ("clock", "delta", "rel")

#: Units of a short time, and the seconds in them.
_UNITS = (("s", 1), ("h", 3_600), ("d", 86_400))


class Clock:
    """Writes times, which are given in seconds on a link's clock.

    *times* is one of TIMES. *zero* is when that clock was 0, in seconds since 1970; while it is not known, a time of
    day is not known either, and seconds since the beginning stand in its place. *began* is when the trace began;
    otherwise that is the first time that is written. The time zone is that of the process.
    """

    def __init__(self, times: str = "clock", zero: float | None = None, began: float | None = None) -> None:
        self.times = "rel" if times == "clock" and zero is None else times
        self._zero = 0.0 if zero is None else zero
        self._began = began
        self._last = began
        self._second = 0
        self._shown = ""

    @property
    def width(self) -> int:
        """The columns that a time takes, as long as a trace goes on for less than a day."""
        return 12 if self.times == "clock" else 10

    def begin(self, at: float) -> None:
        """The trace began at *at*, unless that is known."""
        if self._began is None:
            self._began = self._last = at

    def text(self, at: float) -> str:
        """*at* for the next line: ``14:02:11.031``, ``+1.355``."""
        if self.times == "clock":
            return self._of_day(at)
        return f"{self._seconds(at):+.3f}"

    def short(self, at: float) -> str:
        """*at* for the next line in at most seven columns, in seconds whatever the style: ``+1.4s``."""
        seconds = self._seconds(at)
        unit, amount = next(
            ((unit, seconds / size) for unit, size in _UNITS if abs(seconds) < size * 9_999), ("d", seconds / 86_400)
        )
        return f"{amount:+.1f}{unit}" if abs(amount) < 999.95 else f"{amount:+.0f}{unit}"

    def _seconds(self, at: float) -> float:
        self.begin(at)
        last, self._last = self._last, at
        since = last if self.times == "delta" else self._began
        assert since is not None
        return at - since

    def _of_day(self, at: float) -> str:
        second, millisecond = divmod(round((self._zero + at) * 1000), 1000)
        if second != self._second or not self._shown:
            self._second, self._shown = second, time.strftime("%H:%M:%S", time.localtime(second))
        return f"{self._shown}.{millisecond:03}"
