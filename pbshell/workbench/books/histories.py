"""What the books do not keep: how often an object was lent and given back, the updates of cached copies, and peaks.

Told by the tracer, from when it is made. Looks into copies of ours, and runs no code of theirs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pbshell.trace import Conversation, Dissection
from pbshell.trace.notes import Cached, Decached, Exported, Released
from pbshell.trace.values import arguments
from pbshell.wire.chunk import LinkEvent, Piece, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import CacheMessage, Luid, Message
from pbshell.workbench.books.spelling import Attributes, attributes_of

if TYPE_CHECKING:
    from pbshell.net.connection import Connection
    from pbshell.workbench.workbench import Workbench

__all__ = ["Change", "Histories", "Receipts", "Update", "Updates"]

#: counts of one object, updates of one copy, and times of updates that are remembered
_STEPS, _UPDATES, _TIMES = 32, 32, 64
#: seconds over which a rate is taken, and characters of an update's arguments
_RATE, _ARGUMENTS = 60.0, 60


@dataclass(slots=True)
class Receipts:
    """The last *steps* of an object that was lent more than once: (number of the dissection, seconds, count then).

    *returned* counts the receipts that have come back.
    """

    steps: deque[tuple[int, float, int]] = field(default_factory=lambda: deque(maxlen=_STEPS))
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """The attribute *name* was *before* an update and is *after* it, as text; None where it was or is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Update:
    """What came at *at* (seconds): *count* updates in the dissections *first* to *last*, the last one ``method(args)``.

    *changes* is what they did to the copy that is held here, None for an object of ours, which the peer has copied.
    Updates that arrive together are one, because nobody can see what is between them.
    """

    first: int
    last: int
    at: float
    count: int
    method: str
    args: str
    changes: tuple[Change, ...] | None


@dataclass(slots=True)
class Updates:
    """All updates of one cached object: how many, how many *bytes*, the last *times* (seconds), and the last ones."""

    count: int = 0
    bytes: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_TIMES))
    last: deque[Update] = field(default_factory=lambda: deque(maxlen=_UPDATES))

    def rate(self, now: float, age: float) -> float:
        """Updates per second over the last minute, or over its *age* (seconds) if it is younger."""
        recent = [at for at in self.times if at >= now - _RATE]
        span = min(_RATE, age) if len(recent) < _TIMES else now - recent[0]
        return len(recent) / max(span, 1.0)


@dataclass(slots=True)
class _Open:
    """Updates of *copy* that have arrived and are being acted upon; *before* is what it was."""

    into: Updates
    copy: Any
    before: Attributes
    update: Update


@dataclass(slots=True)
class _Link:
    """What is remembered of one connection. *peaks* has the most there ever was, by side and name of a table."""

    receipts: dict[tuple[Side, Luid], Receipts] = field(default_factory=dict)
    updates: dict[tuple[Side, Luid], Updates] = field(default_factory=dict)
    peaks: dict[tuple[Side, str], int] = field(default_factory=dict)

    def peak(self, side: Side, what: str, size: int) -> None:
        """There are *size* of it now."""
        if size > self.peaks.get((side, what), 0):
            self.peaks[side, what] = size


class Histories:
    """Watches all connections of *bench*."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._links: dict[int, _Link] = {}
        self._connections: dict[int, Connection] = {}
        # By copy. The bytes of an update are seen before it is acted upon, and that is over when others come.
        self._open: dict[int, _Open] = {}
        bench.tracer.tapped.append(self._piece)
        bench.tracer.watchers.append(self._see)

    def receipts(self, number: int, owner: Side, luid: Luid) -> Receipts | None:
        """How the count of what *owner* lends on connection *number* went; None if it was never more than 1."""
        link = self._links.get(number)
        return None if link is None else link.receipts.get((owner, luid))

    def updates(self, number: int, owner: Side, luid: Luid) -> Updates | None:
        """The updates of what *owner* has lent to be cached on connection *number*; None if none was seen."""
        self._settle()
        link = self._links.get(number)
        return None if link is None else link.updates.get((owner, luid))

    def peak(self, number: int, side: Side, what: str) -> int:
        """The most that *side* had on connection *number* of *what*: exports, caches, pending, expression (bytes)."""
        link = self._links.get(number)
        return 0 if link is None else link.peaks.get((side, what), 0)

    # ------------------------------------------------------------------------------------ what the tracer tells

    def _piece(self, piece: Piece) -> None:
        if self._open:
            self._settle()

    def _see(self, dissection: Dissection, conversation: Conversation) -> None:
        link = self._links.get(dissection.connection)
        if link is None:
            link = self._links[dissection.connection] = _Link()
        side, what = dissection.sender, dissection.what
        if isinstance(what, LinkEvent):
            if what.kind == "closed":
                self._forget(dissection.connection)
            return
        if side is None:
            return
        link.peak(side, "expression", dissection.size)
        if type(what) is Message or type(what) is CacheMessage:
            link.peak(side, "pending", len(conversation.ledgers[side].pending))
        if dissection.notes:
            _noted(link, dissection, conversation)
        if type(what) is CacheMessage and dissection.target is not None:
            self._updated(link, side, dissection, what)

    def _forget(self, number: int) -> None:
        self._links.pop(number, None)
        self._connections.pop(number, None)

    # ------------------------------------------------------------------------------------ updates

    def _updated(self, link: _Link, owner: Side, dissection: Dissection, what: CacheMessage) -> None:
        assert dissection.target is not None
        luid = dissection.target.luid
        into = link.updates.get((owner, luid))
        if into is None:
            into = link.updates[owner, luid] = Updates()
        into.count += 1
        into.bytes += dissection.size
        into.times.append(dissection.at)
        number, method = dissection.number, visible(what.method, 60)
        args = visible(arguments(what.args, what.kwargs, owner, _ARGUMENTS), 2 * _ARGUMENTS)
        copy = self._copy(dissection.connection, owner, luid)
        if copy is None:
            into.last.append(Update(number, number, dissection.at, 1, method, args, None))
            return
        began = self._open.get(id(copy))
        if began is None:
            update = Update(number, number, dissection.at, 1, method, args, ())
            self._open[id(copy)] = _Open(into, copy, attributes_of(copy), update)
        else:
            first, count = began.update.first, began.update.count + 1
            began.update = Update(first, number, dissection.at, count, method, args, ())

    def _settle(self) -> None:
        """What came last was acted upon: see what has become of the copies."""
        while self._open:
            _, each = self._open.popitem()
            old = each.update
            changes = _difference(each.before, attributes_of(each.copy))
            update = Update(old.first, old.last, old.at, old.count, old.method, old.args, changes)
            each.into.last.append(update)

    def _copy(self, number: int, owner: Side, luid: Luid) -> Any:
        """The copy that we hold of what *owner* has lent; None if it is the peer who holds one."""
        connection = self._connections.get(number)
        if connection is None:
            found = (line.connection for line in self._bench.lines() if line.connection.number == number)
            connection = next(found, None)
            if connection is None:
                return None
            self._connections[number] = connection
        broker = connection.broker
        return None if broker.side is owner else broker.books.copies.get(luid)


def _noted(link: _Link, dissection: Dissection, conversation: Conversation) -> None:
    for note in dissection.notes:
        if isinstance(note, (Exported, Cached)):
            lent = note.lent
            cache = isinstance(note, Cached)
            if note.count == 1:
                ledger = conversation.ledgers[lent.owner]
                size = len(ledger.caches) if cache else len(ledger.exports) - 1
                link.peak(lent.owner, "caches" if cache else "exports", size)
            elif not cache:
                _step(link, dissection, lent.owner, lent.luid, note.count, 0)
        elif isinstance(note, Released):
            if note.count:
                _step(link, dissection, note.lent.owner, note.lent.luid, note.count, 1)
            else:
                link.receipts.pop((note.lent.owner, note.lent.luid), None)
        elif isinstance(note, Decached) and not note.count:
            link.updates.pop((note.lent.owner, note.lent.luid), None)


def _step(link: _Link, dissection: Dissection, owner: Side, luid: Luid, count: int, returned: int) -> None:
    receipts = link.receipts.get((owner, luid))
    if receipts is None:
        receipts = link.receipts[owner, luid] = Receipts()
    receipts.steps.append((dissection.number, dissection.at, count))
    receipts.returned += returned


def _difference(before: Attributes, after: Attributes) -> tuple[Change, ...]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(Change(name, was, now) for name, was, now in pairs if was != now)
