"""Marks: the tables as they stood when somebody asked to remember them, and what has grown since.

Counts objects by their class and by the call that made them; knows no single one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbshell.errors import UsageError
from pbshell.trace.forms.wording import counted, duration
from pbshell.wire.text import visible
from pbshell.workbench.books.inspection import class_of, clock
from pbshell.workbench.books.spelling import without_arguments
from pbshell.workbench.forms.rows import Notice, Rows

if TYPE_CHECKING:
    from pbshell.trace.notes import Lent
    from pbshell.workbench.workbench import Line, Workbench

__all__ = ["GrowthRow", "Marked", "Marks"]

#: marks that are kept, and characters of a name
_MARKS, _NAME = 20, 40

#: Number of a connection, side, whether it is a cache, class, birth.
_Group = tuple[int, str, bool, str, str]


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """How many objects of one class and one birth are lent: *before*, at the mark, and *now*; *more* is the difference.

    *table* is references or caches. *receipts* is by how much the count of all of them has changed, *used* how often
    they were called since.
    """

    connection: str
    side: str
    table: str
    what: str
    birth: str
    before: int
    now: int
    more: int
    receipts: int
    used: int


@dataclass(frozen=True, slots=True)
class Marked(Notice):
    """The tables are remembered as *name*: so many *references* and *caches* over so many *connections*."""

    name: str
    references: int
    caches: int
    connections: int

    def __str__(self) -> str:
        tables = f"{counted(self.references, 'reference')} and {counted(self.caches, 'cached object')}"
        growth = f":growth {self.name}" if self.name else ":growth"
        return f"marked {tables} over {counted(self.connections, 'connection')}; {growth} shows what grows from here"


@dataclass(slots=True)
class _Count:
    objects: int = 0
    receipts: int = 0
    used: int = 0


@dataclass(slots=True)
class _Tables:
    """All tables at *at* (seconds on the link's clock), by group."""

    at: float
    groups: dict[_Group, _Count] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


class Marks:
    """The marks of *bench* by name."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._marks: dict[str, _Tables] = {}

    def set(self, name: str) -> Marked:
        """Remember the tables as they are, instead of what was remembered under *name* before."""
        self._marks.pop(name, None)
        self._marks[name] = tables = self._tables()
        if len(self._marks) > _MARKS:
            del self._marks[next(iter(self._marks))]
        kinds: Counter[bool] = Counter()
        for (_, _, cache, _, _), count in tables.groups.items():
            kinds[cache] += count.objects
        return Marked(name, kinds[False], kinds[True], len(tables.names))

    def growth(self, name: str) -> Rows[GrowthRow]:
        """What has changed since the mark *name*, what has grown most first. Raises UsageError."""
        before = self._marks.get(name)
        if before is None:
            raise UsageError(self._unknown(name))
        now = self._tables()
        rows = [
            self._row(group, before.groups.get(group, _Count()), now.groups.get(group, _Count()), now)
            for group in {**before.groups, **now.groups}
            # What belonged to a connection that has ended is no leak any more.
            if group[0] in now.names
        ]
        grown = sorted((row for row in rows if row.more or row.receipts), key=lambda row: (-row.more, -row.receipts))
        since = f"the mark{f' {name}' if name else ''}, {duration(max(now.at - before.at, 0.0))} ago"
        return Rows(GrowthRow, grown, f"nothing has grown since {since}")

    def _unknown(self, name: str) -> str:
        if not self._marks:
            return "there is no mark yet: :mark sets one, and :growth shows what has grown since"
        known = ", ".join(visible(each, _NAME) or "the one without a name" for each in self._marks)
        return f"there is no mark {visible(name, _NAME)!r}; there is {known}"

    def _row(self, group: _Group, before: _Count, now: _Count, tables: _Tables) -> GrowthRow:
        number, side, cache, what, birth = group
        table = "caches" if cache else "references"
        more, receipts = now.objects - before.objects, now.receipts - before.receipts
        used = max(now.used - before.used, 0)
        name = tables.names[number]
        return GrowthRow(name, side, table, what, birth, before.objects, now.objects, more, receipts, used)

    def _tables(self) -> _Tables:
        tables = _Tables(clock(self._bench))
        for line in self._bench.lines():
            tables.names[line.connection.number] = line.name
            self._count(line, tables)
        return tables

    def _count(self, line: Line, tables: _Tables) -> None:
        broker, number = line.connection.broker, line.connection.number
        doctor = self._bench.tracer.doctor
        for side, ledger in (("ours", broker.ours), ("theirs", broker.theirs)):
            owner = broker.side if side == "ours" else broker.side.other
            for cache, table in ((False, ledger.exports), (True, ledger.caches)):
                for luid, entry in table.items():
                    if entry.pinned:
                        continue
                    lent = None if line.conversation is None else line.conversation.lent(owner, luid)
                    thing = getattr(entry.thing, "object", entry.thing) if cache else entry.thing
                    what = class_of(thing) if side == "ours" else (lent.type if lent is not None else "")
                    born = None if lent is None else doctor.birth(number, lent)
                    birth = born.name if born is not None else _family(lent)
                    count = tables.groups.setdefault((number, side, cache, what, birth), _Count())
                    count.objects += 1
                    count.receipts += entry.count
                    count.used += 0 if lent is None else lent.used


def _family(lent: Lent | None) -> str:
    """The birth of *lent* as far as all have it that the same call made."""
    return "" if lent is None else without_arguments(lent.name)
