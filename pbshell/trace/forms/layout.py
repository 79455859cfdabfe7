"""The columns of `-o calls`: where they stand at a width, and what gives way where a line is too long.

Knows rows and columns; does not know what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from pbshell.trace.forms.clock import Clock
from pbshell.trace.forms.columns import columns, cut, pad
from pbshell.trace.forms.wording import amount, duration

__all__ = ["Fit", "Layout", "Row"]

#: A text in at most so many columns.
Fit: TypeAlias = Callable[[int], str]

#: columns of a call and of a result where no width is to be kept, and what their texts are cut to there
_CALL, _RESULT, _ROOM = 58, 17, 1_000
#: columns that a call keeps beside an error that is cut, that it keeps beside one that is not, and without which a
#: result is left out beside one
_KEPT, _LEAST = 12, 10
#: widths from which on there is room for wide columns, the size, a long time, the duration, and number and time
_ROOMY, _SIZE, _TIME, _TOOK, _HEAD = 118, 80, 72, 50, 34


@dataclass(frozen=True, slots=True)
class Row:
    """What stands in one line: *number* and *at* (seconds) in front, *took* (seconds) and *size* (bytes) behind.

    *sign* is the direction, and *call* what the line is about. *result* gives way before the call does; *firm*, an
    error or what is odd, is only cut when hardly anything is left of the call.
    """

    number: int
    at: float
    connection: int
    sign: str
    call: Fit
    result: Fit | None = None
    firm: Fit | None = None
    took: float | None = None
    size: int = 0


class Layout:
    """Lines of at most *width* columns (None: of any length), whose times *clock* writes."""

    def __init__(self, width: int | None, clock: Clock) -> None:
        self.width = width
        self._width = None if width is None else max(width, 1)
        self._clock = clock
        wide = _ROOMY if width is None else width
        self._short = wide < _TIME
        self._head = (4, 7 if self._short else clock.width) if wide >= _HEAD else ()
        self._connection, self._sign, last = (4, 3, 8) if wide >= _ROOMY else (1, 2, 7)
        self._tail = tuple(last for least in (_TOOK, _SIZE) if wide >= least)
        # Where results begin, two columns behind the longest calls that they need not make way for.
        head = sum(self._head) + len(self._head) + self._connection + self._sign + 2
        room = wide - head - sum(self._tail) - len(self._tail)
        self._calls = _CALL if width is None else max(room - max(_RESULT, room // 3) - 2, 1)

    def header(self) -> str:
        """The names of the columns."""
        words = [f"{'#':>{self._head[0]}}", f"{'time':>{self._head[1]}}"] if self._head else []
        words += ["conn", "dir"] if self._connection > 1 else ["conn"]
        tail = "".join(f" {word:>{wide}}" for word, wide in zip(("took", "size"), self._tail, strict=False))
        return self._line(" ".join(words) + " ", lambda room: f"{'what':<{self._calls}}  result", tail)

    def line(self, row: Row) -> str:
        """*row* as a line."""
        head, tail = self._before(row), self._behind(row)
        if row.firm is not None and self._width is not None:
            # An error takes the place of the size, and then of the duration.
            wanted = columns(row.call(_ROOM)) + 2 + columns(row.firm(_ROOM))
            room = self._width - len(head) - wanted
            tails = (tail, self._behind(replace(row, size=0)))
            tail = next((each for each in tails if len(each) <= room), "")
        return self._line(head, lambda room: self._middle(row, room), tail)

    def _line(self, head: str, middle: Callable[[int], str], tail: str) -> str:
        if self._width is None:
            return (head + pad(middle(_ROOM), _CALL + 2 + _RESULT) + tail).rstrip()
        room = max(self._width - len(head) - len(tail), 1)
        return cut((head + pad(middle(room), room) + tail).rstrip(), self._width)

    def _before(self, row: Row) -> str:
        connection = f"{row.connection:<{self._connection}} {row.sign:<{self._sign}} "
        if not self._head:
            return connection
        time = self._clock.short(row.at) if self._short else self._clock.text(row.at)
        number, wide = self._head
        return f"{row.number:>{number}} {time:>{wide}} {connection}"

    def _behind(self, row: Row) -> str:
        took = "" if row.took is None else duration(row.took)
        size = amount(row.size) if row.size else ""
        cells = list(zip((took, size), self._tail, strict=False))
        return "".join(f" {cell:>{wide}}" for cell, wide in cells) if any(cell for cell, _ in cells) else ""

    def _middle(self, row: Row, room: int) -> str:
        """The call and what came of it, in *room* columns."""
        call, result, firm = (fit(room) if fit is not None else "" for fit in (row.call, row.result, row.firm))
        behind = _joined(result, firm)
        if not behind:
            return call
        if columns(call) + 2 + columns(behind) > room:
            behind = _shortened(row, room - 2, call, result, firm)
            call = row.call(max(room - 2 - columns(behind), 0))
        return f"{pad(call, min(self._calls, room - 2 - columns(behind)))}  {behind}"


def _shortened(row: Row, room: int, call: str, result: str, firm: str) -> str:
    """The result and what is firm, where they do not fit in *room* columns together with the call."""
    if row.firm is None:
        assert row.result is not None
        half = max(room // 2, min(_RESULT, room - _KEPT))
        return row.result(max(room - columns(call), min(columns(result), half), 0))
    if columns(firm) > room - min(columns(call), _LEAST):
        return row.firm(max(room - columns(row.call(_KEPT)), 0))
    left = room - columns(firm) - columns(call) - 2
    if row.result is None or left < min(columns(result), _LEAST):
        return firm
    return _joined(row.result(left), firm)


def _joined(result: str, firm: str) -> str:
    return f"{result}  {firm}" if result and firm else result or firm
