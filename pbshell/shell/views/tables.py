"""How `:refs`, `:cached` and what belongs to them look: grouped by connection, folded, cut to fit.

Knows columns and words; decides nothing about what is lent or leaked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbshell.shell.fitting import fitted
from pbshell.shell.views.durations import short
from pbshell.trace.forms.columns import columns, cut
from pbshell.trace.forms.wording import amount, counted
from pbshell.trace.tables import Changed, Held
from pbshell.wire.text import visible
from pbshell.workbench.books.inspection import CacheRow, Head, ReferenceRow, References
from pbshell.workbench.books.marks import GrowthRow
from pbshell.workbench.books.spelling import without_arguments
from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["cached", "changed", "fit", "growth", "held", "reference_lines", "references"]

#: columns of whatever has no screen
_ENDLESS = 10_000
#: rows of one birth from which on most of them are folded, those that are left, and connections told by a line
_MANY, _LEFT, _HEADS = 8, 3, 12
#: columns below which a suspicion stands in the place of the holder
_NARROW = 120
#: how one gets the columns that are left out
_MORE = "| json has them"
_NAMES = re.compile(r" \(.*\)")
_WARNING, _END = "\x1b[33m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class _Reference:
    """A row of references as it is shown."""

    side: str
    id: str
    count: int | None
    class_birth: str
    age: str
    used: int | None
    last_call: str
    held_by: str


@dataclass(frozen=True, slots=True)
class _Cached:
    """A row of cached copies as it is shown."""

    conn: str
    side: str
    id: str
    class_: str
    handles: int
    age: str
    updates: int | None
    rate: str
    last: str
    bytes: str
    state: str


@dataclass(frozen=True, slots=True)
class _Held:
    """A row of a moment as it is shown."""

    conn: str
    side: str
    id: str
    count: int | None
    birth: str
    age: str
    used: int
    last: str


# ------------------------------------------------------------------------------------------------ references


def references(value: Rows[ReferenceRow], renderer: Renderer) -> str:
    """`:refs`. Rows that a pipe has chosen have no heads."""
    width = _width(renderer)
    if not isinstance(value, References):
        return "\n".join(_marked(value, reference_lines(value, width), renderer)) if value else value.empty
    if not value and not any(head.ours or head.theirs for head in value.heads):
        heads = [] if not value.heads else _ends(value.heads, value, width)
        return "\n".join([value.empty, *heads])
    folds = renderer.screen and not value.everything
    whole = [each for each in value.heads if each.whole or not folds or len(value.heads) == 1]
    rest = [each for each in value.heads if each not in whole]
    by_connection: dict[str, list[ReferenceRow]] = {}
    for row in value:
        by_connection.setdefault(row.connection, []).append(row)
    lines: list[str] = []
    for head in whole:
        rows = by_connection.get(head.connection, [])
        lines += [*_head(head, width), *_group(rows, width, renderer, folds=folds), *_ledger(head, width)]
    lines += _others(rest, width)
    return "\n".join([*lines, *_next_steps(value, whole, width)])


def reference_lines(rows: Sequence[ReferenceRow], width: int) -> list[str]:
    """A head, and a line for each of *rows*; one more where columns are left out."""
    shown = Rows(_Reference, (_reference(row, brief=width < _NARROW) for row in rows))
    long = {"held_by": 24 if any(row.leak for row in rows) else 12, "class_birth": 14, "last_call": 10}
    text = fit(shown, width, long, _LEAST)
    first, *lines = text.split("\n")
    return [first.replace("CLASS_BIRTH", "CLASS/BIRTH").replace("_", " "), *lines]


_LEAST = ("last_call", "age", "used", "count")


def _reference(row: ReferenceRow, *, brief: bool) -> _Reference:
    name = row.what.rpartition(".")[2] if " " not in row.what else row.what
    called = "never" if row.used == 0 else ""
    if row.idle is not None and row.method:
        called = f"{row.method} {short(row.idle)}"
    return _Reference(
        side=f"{row.side}!" if row.leak else row.side,
        id=row.id,
        count=row.count,
        class_birth="  ".join(filter(None, (name, row.birth))),
        age="-" if row.age is None else short(row.age),
        used=row.used,
        last_call=called,
        held_by=row.leak if row.leak and brief else "; ".join(filter(None, (row.held_by, row.leak))),
    )


def _group(rows: list[ReferenceRow], width: int, renderer: Renderer, *, folds: bool) -> list[str]:
    """The table of one connection."""
    if not rows:
        return []
    kept, folded = _folded(rows) if folds else (rows, {})
    lines = [f" {line}" for line in _marked(kept, reference_lines(kept, width - 1), renderer)]
    for position in sorted(folded, reverse=True):
        side, family, count = folded[position]
        more = f" {side:7} ... {count:,} more of {family or 'no birth that was seen'}: :refs all shows them"
        lines.insert(position + 1, cut(more, width))
    return lines


def _folded(rows: Sequence[ReferenceRow]) -> tuple[list[ReferenceRow], dict[int, tuple[str, str, int]]]:
    """*rows* with the first ones only of those of one birth; and behind which position how many are left out."""
    kinds: dict[tuple[str, str, str, bool], list[ReferenceRow]] = {}
    for row in rows:
        kinds.setdefault((row.side, row.what, without_arguments(row.birth), bool(row.leak)), []).append(row)
    kept: list[ReferenceRow] = []
    folded: dict[int, tuple[str, str, int]] = {}
    for (side, what, family, leaks), same in kinds.items():
        shown = same if len(same) <= _MANY else same[:_LEFT]
        kept += shown
        if len(shown) < len(same):
            name = "  ".join(filter(None, (what.rpartition(".")[2], family)))
            folded[len(kept)] = (f"{side}!" if leaks else side, name, len(same) - len(shown))
    return kept, folded


def _marked(rows: Sequence[ReferenceRow], lines: list[str], renderer: Renderer) -> list[str]:
    """*lines* with those of suspects in colour; the word beside them says the same."""
    if not renderer.colours:
        return lines
    first, *rest = lines
    marked = [f"{_WARNING}{line}{_END}" if row.leak else line for row, line in zip(rows, rest, strict=False)]
    return [first, *marked, *rest[len(marked) :]]


def _head(head: Head, width: int) -> list[str]:
    """What stands above the rows of a connection: one line, or two where that is too long."""
    who = f"{visible(head.user, 30)} at " if head.user not in ("", head.connection) else ""
    up = "" if head.up is None else f"  up {short(head.up)}"
    left = f"{visible(head.connection, 30)}  {who}{visible(head.peer, 50)}{up}"
    ours = _fill("ours", head.ours, head.most_ours, head.leaks_ours)
    right = f"{ours}   {_fill('theirs', head.theirs, head.most_theirs, head.leaks_theirs)}"
    gap = width - columns(left) - columns(right)
    if gap < 3:
        return [cut(left, width), cut(f" {right}", width)]
    return [left + " " * (3 if width == _ENDLESS else gap) + right]


def _fill(side: str, count: int, most: int, leaks: int) -> str:
    return f"{side} {count:,} of {most:,}" + (f" ({leaks:,} leaking?)" if leaks else "")


def _ledger(head: Head, width: int) -> Iterator[str]:
    for each in head.ledgers:
        if not each.lent and not each.wrong:
            continue
        word, verb = ("got", "lent") if each.side == "ours" else ("sent", "got")
        sums = f"{verb} {each.lent:,}, {word} {counted(each.returned, 'decref')}"
        sign = "=" if each.held == each.expected else "and not"
        yield cut(f" ledger {each.side}: {sums}, {each.held:,} held {sign} {each.expected:,} expected", width)
        for wrong in each.wrong:
            yield cut(f" ! the books of {each.side} disagree: {wrong}", width)


def _others(heads: Sequence[Head], width: int) -> Iterator[str]:
    """Connections with which nothing is wrong, a line each; of many the first ones."""
    for head in heads[:_HEADS]:
        yield from _head(head, width)
    if len(heads) > _HEADS:
        left = heads[_HEADS:]
        sums = f"ours {sum(each.ours for each in left):,}   theirs {sum(each.theirs for each in left):,}"
        yield cut(f"{counted(len(left), 'more connection')}   {sums}", width)
    if heads:
        yield cut(" :refs all shows the rows of all connections", width)


def _ends(heads: Sequence[Head], value: References, width: int) -> list[str]:
    """What there is to say of connections that lend nothing."""
    return [line for head in heads for line in _ledger(head, width)]


def _next_steps(value: References, whole: Sequence[Head], width: int) -> list[str]:
    leak = next((row for row in value if row.leak), None)
    wanted = [row for row in value if row.side == "theirs" and row.held_by != "root"]
    theirs = next((row for row in wanted if row.held_by == "somebody here"), wanted[0] if wanted else None)
    steps = []
    if leak is not None and (leak.count or 0) > 1:
        steps.append(f":ref {_called(leak, value)} shows the {leak.count:,} frames that sent it")
    elif leak is not None:
        steps.append(f":ref {_called(leak, value)} shows what touched it")
    if theirs is not None:
        steps.append(f":who {_called(theirs, value)} shows what keeps it alive here")
    line = f" {';  '.join(steps)}"
    if columns(line) <= width:
        return [line] if steps else []
    return [cut(f" {step}", width) for step in steps]


def _called(row: ReferenceRow, value: References) -> str:
    return f"{row.connection}:{row.id}" if len(value.heads) > 1 else row.id


# ------------------------------------------------------------------------------------------------ cached copies


def cached(value: Rows[CacheRow], renderer: Renderer) -> str:
    """`:cached`."""
    text = _table(
        Rows(_Cached, map(_copy, value), value.empty),
        renderer,
        {"class_": 8, "conn": 6, "last": 16, "state": 26},
        ("bytes", "rate", "age", "handles", "conn", "last", "updates"),
        left_out=_one_connection(value),
    )
    return text.replace("CLASS_", "CLASS ", 1)


def _copy(row: CacheRow) -> _Cached:
    last = "never" if row.idle is None else f"{row.last} {short(row.idle)}"
    return _Cached(
        conn=row.connection,
        side=row.side,
        id=row.id,
        class_=row.what.rpartition(".")[2],
        handles=row.handles,
        age="-" if row.age is None else short(row.age),
        updates=row.updates,
        rate=f"{row.rate:.1f}/s",
        last=last,
        bytes=amount(row.bytes),
        state=_state(row),
    )


def _state(row: CacheRow) -> str:
    if row.unanswered:
        updates = counted(row.unanswered, "update")
        return f"peer slow: {updates} unanswered" if row.side == "ours" else f"{updates} at work here"
    return f"in step with frame {row.frame}" if row.frame else "in step"


# ------------------------------------------------------------------------------------------------ the past, growth


def held(value: Rows[Held], renderer: Renderer) -> str:
    """The table of a moment."""
    long, least = {"birth": 16, "last": 10, "conn": 6}, ("used", "conn", "last", "count")
    return _table(Rows(_Held, map(_was, value), value.empty), renderer, long, least)


def _was(row: Held) -> _Held:
    last = "never" if row.idle is None else f"{row.method} {short(row.idle)}"
    return _Held(row.connection, row.side, row.id, row.count, row.name, short(row.age), row.used, last)


def changed(value: Rows[Changed], renderer: Renderer) -> str:
    """What differs between two moments."""
    return _table(value, renderer, {"name": 16, "what": 20, "connection": 10}, ("side", "connection"))


def growth(value: Rows[GrowthRow], renderer: Renderer) -> str:
    """What has grown since a mark."""
    long = {"birth": 16, "what": 12, "connection": 8}
    return _table(
        value, renderer, long, ("used", "table", "before", "receipts", "connection"), left_out=_one_connection(value)
    )


# ------------------------------------------------------------------------------------------------ all of them


def _width(renderer: Renderer) -> int:
    return renderer.width if renderer.screen else _ENDLESS


def _one_connection(rows: Iterable[Any]) -> tuple[str, ...]:
    """The column that tells nothing where all rows are of one connection."""
    names = {row.connection for row in rows}
    return ("conn", "connection") if len(names) < 2 else ()


def _table(
    rows: Rows[Any], renderer: Renderer, long: Mapping[str, int], least: Sequence[str], left_out: Sequence[str] = ()
) -> str:
    return fit(rows, _width(renderer), long, least, left_out)


def fit(
    rows: Rows[Any], width: int, long: Mapping[str, int], least: Sequence[str], left_out: Sequence[str] = ()
) -> str:
    """*rows* as `fitted` has them at a prompt: where columns are left out, their names only if there is room."""
    text = fitted(rows, width, long=long, least=least, left_out=left_out, more=_MORE)
    before, newline, last = text.rpartition("\n")
    if not last.endswith(_MORE) or columns(last) <= width:
        return text
    return f"{before}{newline}{cut(_NAMES.sub('', last), width)}"
