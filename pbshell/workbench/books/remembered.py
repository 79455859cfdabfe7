"""What the trace remembers, as the tables need it: frames by their numbers, and the tables at a moment of the past.

Knows where to ask; remembers nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from pbshell.errors import UsageError
from pbshell.trace.explain import says
from pbshell.trace.explainers import Explainers
from pbshell.trace.tables import Changed, Held, Moment, caches, difference, moments, references
from pbshell.wire.chunk import Side
from pbshell.workbench.books.inspection import clock
from pbshell.workbench.books.moments import tables_at
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.traffic.memory import Memory

if TYPE_CHECKING:
    from pbshell.trace.tables import Select
    from pbshell.workbench.workbench import Workbench

__all__ = ["Glimpse", "glimpses", "tables_of"]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The frame *number* came *age* seconds ago and says *what*; None and empty where it is remembered no more."""

    number: int
    age: float | None
    what: str


def glimpses(bench: Workbench, numbers: Iterable[int], now: float) -> Iterator[Glimpse]:
    """What is remembered of the frames *numbers*, at *now* (seconds on the link's clock)."""
    memory = bench.part(Memory)
    for number in numbers:
        frame = memory.get(number)
        if frame is None:
            yield Glimpse(number, None, "")
        else:
            dissection, _ = frame
            sign = ">" if dissection.sender is Side.CLIENT else "<"
            yield Glimpse(number, round(max(now - dissection.at, 0.0), 3), f"{sign} {says(dissection)}")


def tables_of(
    bench: Workbench, kind: str, text: str, side: str = "", select: Select | None = None
) -> Rows[Held] | Rows[Changed]:
    """The table of *kind* (references, caches) at the moment *text*, or what has changed between two of them.

    *side* is ours, theirs, or empty for both. Raises UsageError for what is no moment, and for one that lies before
    what is remembered or has not come yet.
    """
    memory = bench.part(Memory)
    pieces = list(memory.pieces())
    if not pieces:
        raise UsageError("nothing is remembered yet: the tables of a moment are made of the traffic before it")
    today = datetime.now().astimezone()
    now = clock(bench)
    began = today - timedelta(seconds=now - pieces[0].at)
    wanted = moments(text, began)
    _check(wanted, memory, now - pieces[0].at, began)
    table = references if kind == "references" else caches
    chosen = table if select is None else partial(table, select=select)
    level = bench.tracer.dissector.redact
    found, _ = tables_at(pieces, wanted, chosen, Explainers(), redact=level, first=memory.numbered)
    names = {str(line.connection.number): (line.name, line.connection.broker.side) for line in bench.lines()}
    mine = [[each for row in rows for each in _seen_from(names, row, side)] for rows in found]
    if len(mine) > 1:
        return Rows(Changed, difference(*mine), "nothing has changed between these moments")
    return Rows(Held, mine[0], "nothing was lent" if kind == "references" else "nothing was cached")


def _seen_from(names: dict[str, tuple[str, Side]], row: Held, side: str) -> Iterator[Held]:
    """*row* with our names in it, if it is of *side*. Of a connection that has ended the number stays its name."""
    name, ours = names.get(row.connection, (row.connection, None))
    shown = row.side if ours is None else "ours" if row.side == ours.value else "theirs"
    if side in ("", shown):
        yield replace(row, connection=name, side=shown)


def _check(wanted: Sequence[Moment], memory: Memory, seconds: float, began: datetime) -> None:
    """Raise UsageError for moments in the wrong order, or outside of the *seconds* that are remembered."""
    first, second = wanted[0], wanted[-1]
    for one, other in ((first.number, second.number), (first.at, second.at)):
        if one is not None and other is not None and one > other:
            raise UsageError("the first moment lies behind the second: write them the other way round")
    for each in wanted:
        if each.number is not None and not memory.numbered <= each.number <= memory.latest:
            raise UsageError(f"#{each.number} is not remembered: frames #{memory.first} to #{memory.latest} are")
        if each.at is not None and not 0 <= each.at <= seconds:
            since = f"from {began:%H:%M:%S} on, {seconds:.1f} seconds"
            raise UsageError(f"that moment is not remembered, or has not come yet: what is remembered is {since}")
