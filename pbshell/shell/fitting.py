"""Rows as a table that fits its width, a line each: what is long is cut, then columns are left out, and that is told.

Knows columns; does not know what they say, and prints nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pbshell.trace.forms.columns import columns, cut, cut_middle, pad
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.workbench.forms.rows import Rows

__all__ = ["fitted"]

_GAP = 2


def fitted(
    rows: Rows[Any],
    width: int,
    *,
    long: Mapping[str, int],
    least: Sequence[str],
    left_out: Sequence[str] = (),
    more: str = "--width {} or -o json",
    heads: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """*rows* in at most *width* columns, or their word for none.

    *long* are the columns that give way, in this order, and how narrow each may become; then those of *least*, which
    tell the least, are left out, in this order. Nobody misses those of *left_out*. *more* says how one
    gets all, in so many columns. *heads* stand above columns in place of their names.
    """
    if not rows:
        return rows.empty
    names = [field.name for field in dataclasses.fields(rows.kind) if field.name not in left_out]
    cells = {name: [heads.get(name, name.upper()), *(_cell(getattr(row, name)) for row in rows)] for name in names}
    numeric = {name for name in names if any(isinstance(getattr(row, name), int) for row in rows)}
    natural = {name: max(map(columns, texts)) for name, texts in cells.items()}
    giving = {name: kept for name, kept in long.items() if name in natural}
    widths, hidden = _fit(natural, width, giving, [name for name in least if name in natural])
    lines = []
    for number in range(len(rows) + 1):
        texts = [_placed(cells[name][number], room, right=name in numeric) for name, room in widths.items()]
        lines.append(cut((" " * _GAP).join(texts).rstrip(), width))
    if hidden:
        missing = ", ".join(heads.get(name, name).lower() for name in hidden)
        lines.append(f"{counted(len(hidden), 'column')} hidden ({missing}): {more.format(_taken(natural))}")
    return "\n".join(lines)


def _fit(
    natural: Mapping[str, int], width: int, long: Mapping[str, int], least: Sequence[str]
) -> tuple[dict[str, int], list[str]]:
    """The columns that are shown, with their widths, and the names of those that are not."""
    widths = dict(natural)
    hidden: list[str] = []
    for name, kept in long.items():
        over = max(_taken(widths) - width, 0)
        widths[name] = max(widths[name] - over, min(widths[name], kept))
    for name in least:
        if _taken(widths) > width:
            del widths[name]
            hidden.append(name)
    # What was cut for the sake of a column that is not shown now may have its place.
    for name in reversed(tuple(long)):
        spare = width - _taken(widths)
        if name in widths and spare > 0:
            widths[name] = min(natural[name], widths[name] + spare)
    return widths, hidden


def _taken(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _placed(text: str, room: int, *, right: bool) -> str:
    text = cut_middle(text, room)
    return " " * (room - columns(text)) + text if right else pad(text, room)


def _cell(value: object) -> str:
    return "-" if value is None else visible(str(value))
