"""Statistics as a table for people. Knows columns and bars; counts nothing, and prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from pbshell.shell.render import has_colours
from pbshell.trace.forms.columns import columns, cut_middle, pad
from pbshell.trace.forms.wording import amount, counted, duration
from pbshell.trace.studies.stats import Row

__all__ = ["has_blocks", "table"]

#: columns that the names keep at least, and as many as they are worth; columns of a bar, and between two columns
_LEAST, _KEY, _BAR, _GAP = 12, 40, 12, 2
_BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class _Column:
    """*rank* is the order in which columns are left out where there is no room: the highest goes first."""

    head: str
    text: Callable[[Row], str]
    rank: int


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


_COLUMNS = (
    _Column("CALLS", lambda row: f"{row.count:,}", 0),
    _Column("ERRORS", lambda row: f"{row.errors:,}" if row.errors else "-", 2),
    _Column("NO ANSWER", lambda row: f"{row.unanswered:,}" if row.unanswered else "-", 4),
    _Column("TOTAL", lambda row: _time(row.total if row.p50 is not None else None), 1),
    _Column("", lambda row: "", 3),  # the bar, which repeats what stands on its left
    _Column("P50", lambda row: _time(row.p50), 5),
    _Column("P90", lambda row: _time(row.p90), 9),
    _Column("P99", lambda row: _time(row.p99), 7),
    _Column("MAX", lambda row: _time(row.longest), 6),
    _Column("BYTES", lambda row: amount(row.bytes), 8),
    _Column("LENT", lambda row: f"{row.references:,}" if row.references else "-", 10),
)
_BARS = 4


def has_blocks(stream: TextIO) -> bool:
    """Whether *stream* is a terminal that draws parts of a block."""
    return has_colours(stream) and (stream.encoding or "").lower().replace("-", "") == "utf8"


def table(rows: Sequence[Row], by: str, width: int, *, blocks: bool = False) -> str:
    """*rows* by method, peer, object or user as a table of at most *width* columns, and what is left out.

    The bars show the share of the longest total time, or of the highest count where no time is known; with *blocks*
    they are drawn in eighths of a column.
    """
    if not rows:
        return "no calls"
    most = max(row.total for row in rows)
    values = [row.total if most > 0 else row.count for row in rows]
    most = max(values)
    bars = [_bar(value / most, blocks=blocks) for value in values]
    cells = [[column.head, *map(column.text, rows)] for column in _COLUMNS]
    cells[_BARS] = ["".ljust(_BAR), *bars]
    widths = [max(map(len, column)) for column in cells]
    names = [by.upper(), *(row.key for row in rows)]
    kept = _kept(widths, width, min(max(map(columns, names)), max(width * 3 // 10, _LEAST), _KEY))
    room = max(min(max(map(columns, names)), width - _taken(widths, kept)), 1)
    lines = []
    for number, name in enumerate(names):
        parts = [pad(cut_middle(name, room), room)]
        for column in kept:
            text = cells[column][number]
            parts.append(text.ljust(widths[column]) if column == _BARS else text.rjust(widths[column]))
        lines.append((" " * _GAP).join(parts).rstrip())
    return "\n".join([*lines, *_below(rows, cells, widths, kept, names)])


def _bar(share: float, *, blocks: bool) -> str:
    """A bar for a *share* of the longest one; what is more than nothing can be seen."""
    if not blocks:
        return "#" * (max(round(share * _BAR), 1) if share > 0 else 0)
    eighths = max(round(share * _BAR * 8), 1) if share > 0 else 0
    return _BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def _taken(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[column] + _GAP for column in kept)


def _kept(widths: Sequence[int], width: int, first: int) -> list[int]:
    """The columns that fit beside a *first* one of so many."""
    kept = list(range(len(_COLUMNS)))
    while kept and first + _taken(widths, kept) > width:
        kept.remove(max(kept, key=lambda column: _COLUMNS[column].rank))
    return kept


def _below(
    rows: Sequence[Row],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    kept: Sequence[int],
    names: Sequence[str],
) -> list[str]:
    """What there is to say of all rows, and of what is not shown."""
    calls, errors, waiting = (
        sum(values) for values in zip(*((r.count, r.errors, r.unanswered) for r in rows), strict=True)
    )
    said = [counted(calls, "call"), counted(errors, "error")]
    if waiting:
        said.append(f"{waiting:,} without an answer")
    lines = ["", ", ".join(said)]
    if not all(row.exact for row in rows):
        lines.append("P50, P90 and P99 of more than 1,024 calls are within 1 percent")
    hidden = len(_COLUMNS) - len(kept)
    if hidden:
        everything = _taken(widths, range(len(_COLUMNS))) + min(max(map(columns, names)), _KEY)
        lines.append(f"{counted(hidden, 'column')} hidden, --width {everything} or --json")
    return lines
