"""The books of connections as plain rows: the Broker's own, with what the tracer has seen of each object.

Reads; changes nothing and calls nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import AsReferenceable, ViewPoint
from pbshell.errors import dotted_name
from pbshell.trace.notes import Lent
from pbshell.trace.tables import Select
from pbshell.trace.values import identity
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.text import visible
from pbshell.wire.verbs import CacheMessage
from pbshell.workbench.books.histories import Histories, Update
from pbshell.workbench.books.holders import Held, held_by_name
from pbshell.workbench.books.leaks import suspicion
from pbshell.workbench.books.ledgers import LedgerRow, ledger_of
from pbshell.workbench.books.spelling import attributes_of
from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.wire.ledger import Entry
    from pbshell.wire.verbs import Luid
    from pbshell.workbench.workbench import Line, Workbench

__all__ = [
    "CacheRow",
    "Head",
    "Look",
    "ReferenceRow",
    "References",
    "caches",
    "class_of",
    "clock",
    "head",
    "references",
]


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """An object that is lent across *connection*.

    *side* is ours or theirs: who lends it; *id* carries the owner's letter. *count* is how many receipts are out,
    None for what has a name instead of a count. *what* is its class, which only its owner knows, and *birth* the call
    that made it. *born* is the frame that lent it first (0: not seen). *used* counts its calls, the last one of
    *method*, *idle* seconds ago; *age* is in seconds, too, and None is what nobody has seen. *held_by* says who holds
    it. *leak* is why it may be leaked, or empty.
    """

    connection: str
    side: str
    id: str
    count: int | None
    what: str
    birth: str
    born: int
    age: float | None
    used: int | None
    method: str
    idle: float | None
    held_by: str
    leak: str


@dataclass(frozen=True, slots=True)
class CacheRow:
    """An object of which the other side of *connection* holds a copy in step.

    *side* is ours or theirs: whose object it is. *what* is its class, as it was sent where that was seen. *handles*
    is how many receipts are out. *age* and *idle* (since the last update) are in seconds, *updates* so many and so
    many *bytes*, *rate* of them in a second, None what nobody has seen. *last* is the last update. *frame* is the one
    up to which the copy is in step (0: not seen), *unanswered* the updates that the holder has not answered yet.
    *attributes* are those of the object or of the copy here as text, but for those that begin with an underscore.
    """

    connection: str
    side: str
    id: str
    what: str
    handles: int
    age: float | None
    updates: int | None
    rate: float
    last: str
    idle: float | None
    bytes: int
    frame: int
    unanswered: int
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the rows of *connection*: whose it is, *up* for so many seconds, and how full its tables are.

    *ours* and *theirs* count objects without root, *leaks* those of them that may be leaked, *most_ours* and
    *most_theirs* are the limits. *ledgers* are those of both sides. *whole* is whether its rows are worth reading one
    by one: it is the one in use, it is the only one, or something is wrong with it.
    """

    connection: str
    number: int
    user: str
    peer: str
    up: float | None
    ours: int
    theirs: int
    most_ours: int
    most_theirs: int
    leaks_ours: int
    leaks_theirs: int
    ledgers: tuple[LedgerRow, ...]
    whole: bool


class References(Rows[ReferenceRow]):
    """Rows of references, and the *heads* of their connections. With *everything* nothing is to be folded."""

    def __init__(
        self,
        rows: Iterable[ReferenceRow] = (),
        heads: Iterable[Head] = (),
        *,
        everything: bool = False,
        empty: str = "no references",
    ) -> None:
        super().__init__(ReferenceRow, rows, empty)
        self.heads = list(heads)
        self.everything = everything


class Look:
    """One look at the connections of *bench*: what all rows of a table have in common."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.now = clock(bench)
        self.histories = bench.part(Histories)
        self.doctor = bench.tracer.doctor
        self.names: Mapping[Held, str] = held_by_name(bench)


def clock(bench: Workbench) -> float:
    """Seconds on the link's clock; without a loop, when the last bytes came."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return bench.tracer.now


# ------------------------------------------------------------------------------------------------ references


def references(look: Look, line: Line, select: Select | None = None) -> Iterator[ReferenceRow]:
    """What is lent over *line* and *select* takes: ours, then theirs."""
    broker = line.connection.broker
    for side, ledger in (("ours", broker.ours), ("theirs", broker.theirs)):
        for luid, entry in list(ledger.exports.items()):
            row = _reference(look, line, side, luid, entry, select)
            if row is not None:
                yield row


def _reference(
    look: Look, line: Line, side: str, luid: Luid, entry: Entry[Any], select: Select | None
) -> ReferenceRow | None:
    broker, conversation = line.connection.broker, line.conversation
    owner = broker.side if side == "ours" else broker.side.other
    lent = None if conversation is None else conversation.lent(owner, luid)
    what = class_of(entry.thing) if side == "ours" else ""
    if select is not None and not _takes(select, lent, line, Lent(owner, luid), what):
        return None
    number = line.connection.number
    leak = ""
    if lent is not None and not entry.pinned:
        receipts = look.histories.receipts(number, owner, luid)
        leak = suspicion(lent, entry.count, receipts, look.doctor, number, look.now)
    if side == "ours":
        held_by = "the broker" if entry.pinned else "peer"
    else:
        held_by = look.names.get((id(broker), luid), "somebody here")
    known = lent is not None and not entry.pinned
    return ReferenceRow(
        connection=line.name,
        side=side,
        id=identity(owner, luid),
        count=None if entry.pinned else entry.count,
        what=what or (lent.type if lent is not None and known else ""),
        birth=lent.name if lent is not None and known else "",
        born=lent.born if lent is not None else 0,
        age=_since(look.now, line.conversation.first if entry.pinned and line.conversation else _born(lent)),
        used=None if lent is None else lent.used,
        method="" if lent is None else lent.method,
        idle=None if lent is None else _since(look.now, lent.used_at),
        held_by=held_by,
        leak=leak,
    )


def _takes(select: Select, lent: Lent | None, line: Line, unseen: Lent, what: str) -> bool:
    """Whether a filter takes what is *lent*, whose class is *what*: it may ask for that as for a birth."""
    if line.conversation is None:
        # The filter asks the conversation only where it is there.
        return select(replace(unseen, name=what), line.conversation)  # type: ignore[arg-type]
    asked = lent or unseen
    return select(replace(asked, name=f"{asked.name} {what}") if what else asked, line.conversation)


def head(look: Look, line: Line, rows: Iterable[ReferenceRow]) -> Head:
    """What stands above *rows*, which are those of *line*."""
    connection, conversation = line.connection, line.conversation
    broker = connection.broker
    leaks = [row.side for row in rows if row.leak]
    ledgers = tuple(ledger_of(line.name, side, broker, conversation) for side in ("ours", "theirs"))
    in_use = line.opened is not None and line.name == look.bench.current
    return Head(
        connection=line.name,
        number=connection.number,
        user=(line.opened.user if line.opened else "") or (conversation.user if conversation else ""),
        peer=connection.peer,
        up=None if conversation is None else _since(look.now, conversation.first),
        ours=sum(not entry.pinned for entry in broker.ours.exports.values()),
        theirs=sum(not entry.pinned for entry in broker.theirs.exports.values()),
        most_ours=broker.limits.exports,
        # A stock peer lends no more, which is less than we would take.
        most_theirs=min(broker.limits.imports, DEFAULT_LIMITS.exports),
        leaks_ours=leaks.count("ours"),
        leaks_theirs=leaks.count("theirs"),
        ledgers=ledgers,
        whole=in_use or bool(leaks) or any(each.wrong for each in ledgers),
    )


# ------------------------------------------------------------------------------------------------ cached copies


def caches(look: Look, line: Line) -> Iterator[CacheRow]:
    """What is cached over *line*: ours at the peer, then theirs here."""
    broker = line.connection.broker
    for side, ledger in (("ours", broker.ours), ("theirs", broker.theirs)):
        owner = broker.side if side == "ours" else broker.side.other
        waiting = _unanswered(line, side)
        for luid, entry in list(ledger.caches.items()):
            thing = entry.thing.object if side == "ours" else broker.books.copies.get(luid)
            lent = None if line.conversation is None else line.conversation.lent(owner, luid)
            updates = look.histories.updates(line.connection.number, owner, luid)
            age = _since(look.now, _born(lent))
            last = updates.last[-1] if updates and updates.last else None
            yield CacheRow(
                connection=line.name,
                side=side,
                id=identity(owner, luid),
                what=(lent.type if lent is not None else "") or ("" if thing is None else class_of(thing)),
                handles=entry.count,
                age=age,
                updates=None if lent is None else lent.used,
                rate=0.0 if updates is None or age is None else round(updates.rate(look.now, age), 2),
                last=_called(last) if last else ("" if lent is None else lent.method),
                idle=None if lent is None else _since(look.now, lent.used_at),
                bytes=0 if updates is None else updates.bytes,
                frame=last.last if last else (0 if lent is None else lent.born),
                unanswered=waiting.get(luid, 0),
                attributes=attributes_of(thing),
            )


def _called(update: Update) -> str:
    return f"{update.method}({update.args})"


def _unanswered(line: Line, side: str) -> dict[Any, int]:
    """By luid, the updates of *side* that are not answered."""
    broker = line.connection.broker
    counts: dict[Any, int] = {}
    if side == "theirs":
        for running in broker.theirs.pending.values():
            if running.verb == b"cachemessage" and type(running.luid) is not list:
                counts[running.luid] = counts.get(running.luid, 0) + 1
    elif line.conversation is not None:
        for call in line.conversation.ledgers[broker.side].pending.values():
            if isinstance(call.what, CacheMessage) and call.target is not None:
                counts[call.target.luid] = counts.get(call.target.luid, 0) + 1
    return counts


# ------------------------------------------------------------------------------------------------ words


def class_of(thing: Any) -> str:
    """The class of an object of ours, as a caller knows it."""
    if isinstance(thing, ViewPoint):
        return f"{class_of(thing.object)} as {class_of(thing.perspective)} sees it"
    if isinstance(thing, AsReferenceable):
        return class_of(thing.object)
    return visible(dotted_name(type(thing)), 80)


def _born(lent: Lent | None) -> float | None:
    return None if lent is None else lent.at


def _since(now: float, at: float | None) -> float | None:
    return None if at is None else round(max(now - at, 0.0), 3)
