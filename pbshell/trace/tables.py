"""The tables of a connection as they stood at one moment, as plain rows. Reads the books; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pbshell.errors import UsageError
from pbshell.trace.dissector import Conversation
from pbshell.trace.notes import Lent
from pbshell.trace.values import identity
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible

__all__ = ["Changed", "Held", "Moment", "Select", "caches", "difference", "moments", "references"]


#: Whether a row is wanted: what a filter is for tables.
Select: TypeAlias = Callable[[Lent, Conversation], bool]


def _everything(lent: Lent, conversation: Conversation) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Held:
    """An object that *side* (client or server) lends over *connection*, and the other side holds.

    *id* carries the owner's letter. *count* is how many receipts are out, None where nobody has seen them all.
    *name* is its birth, for a cache behind its class. *born* is the dissection that lent it first (0: not seen);
    *age* and *idle* are in seconds, idle since the last call, of *method*; *idle* is None where it was never called.
    *used* counts its calls, for a cache its updates.
    """

    connection: str
    side: str
    id: str
    count: int | None
    name: str
    born: int
    age: float
    used: int
    method: str
    idle: float | None


@dataclass(frozen=True, slots=True)
class Changed:
    """*what* has become of *id* between two moments: lent, gone, or more, less and used while it was lent."""

    connection: str
    side: str
    id: str
    name: str
    what: str


def references(conversation: Conversation, now: float, select: Select = _everything) -> Iterator[Held]:
    """What both sides lend and *select* takes, the client's first; not the root, because nobody lends it."""
    for side in Side:
        lent = [(entry.thing, entry.count) for entry in conversation.ledgers[side].exports.values() if not entry.pinned]
        strangers = [(each, None) for each in conversation.strangers[side].values() if not each.cache]
        yield from _rows(conversation, now, select, [*lent, *strangers])


def caches(conversation: Conversation, now: float, select: Select = _everything) -> Iterator[Held]:
    """What both sides have cached of each other and *select* takes, the client's objects first."""
    for side in Side:
        lent = [(entry.thing, entry.count) for entry in conversation.ledgers[side].caches.values()]
        strangers = [(each, None) for each in conversation.strangers[side].values() if each.cache]
        yield from _rows(conversation, now, select, [*lent, *strangers])


def _rows(
    conversation: Conversation, now: float, select: Select, lent: Iterable[tuple[Lent, int | None]]
) -> Iterator[Held]:
    return (_held(conversation, each, count, now) for each, count in lent if select(each, conversation))


def _held(conversation: Conversation, lent: Lent, count: int | None, now: float) -> Held:
    return Held(
        connection=conversation.name or str(conversation.number),
        side=lent.owner.value,
        id=identity(lent.owner, lent.luid),
        count=count,
        name=f"{lent.type} {lent.name}".strip() if lent.cache else lent.name or lent.type,
        born=lent.born,
        age=max(now - lent.at, 0.0),
        used=lent.used,
        method=lent.method,
        idle=None if lent.used_at is None else max(now - lent.used_at, 0.0),
    )


def difference(before: Sequence[Held], after: Sequence[Held]) -> list[Changed]:
    """What differs between two tables: what was lent in between, what is gone, and what was used or counted."""
    old = {(row.connection, row.side, row.id, row.born): row for row in before}
    new = {(row.connection, row.side, row.id, row.born): row for row in after}
    found = [_changed(row, "gone") for key, row in old.items() if key not in new]
    for key, row in new.items():
        was = old.get(key)
        if was is None:
            found.append(_changed(row, "lent"))
            continue
        what = []
        if was.count is not None and row.count is not None and was.count != row.count:
            what.append(f"count {was.count} -> {row.count}")
        if row.used > was.used:
            what.append(f"used {row.used - was.used}x, last {row.method}")
        if what:
            found.append(_changed(row, ", ".join(what)))
    return found


def _changed(row: Held, what: str) -> Changed:
    return Changed(row.connection, row.side, row.id, row.name, what)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of a capture: behind the dissection *number*, or at *at* (seconds since the capture began)."""

    number: int | None = None
    at: float | None = None

    def lies_before(self, seconds: float) -> bool:
        """Whether what comes *seconds* after the beginning of the capture comes after this moment."""
        return self.at is not None and seconds > self.at

    def is_at(self, number: int) -> bool:
        """Whether this is the moment behind dissection *number*, or one that is past by then."""
        return self.number is not None and number >= self.number


def moments(text: str, wall: datetime | None = None) -> tuple[Moment, ...]:
    """One moment, or two with ``..`` between them: ``#120``, ``12.5`` or ``+12.5`` seconds, ``14:02:31[.5]``.

    *wall* is when the capture began by the clock; times of day need it. Raises UsageError.
    """
    words = text.split("..")
    if len(words) > 2:
        raise UsageError(f"{visible(text, 40)!r} is more than two moments: write one, or FIRST..SECOND")
    return tuple(_moment(word.strip(), wall) for word in words)


def _moment(word: str, wall: datetime | None) -> Moment:
    try:
        if word.startswith("#"):
            return Moment(number=int(word[1:]))
        if ":" in word:
            return Moment(at=_time_of_day(word, wall))
        seconds = float(word.removesuffix("s"))
        if seconds == seconds and abs(seconds) != float("inf"):
            return Moment(at=seconds)
    except ValueError:
        pass
    raise UsageError(f"{visible(word, 40)!r} is no moment: write #FRAME, seconds such as +12.5, or a time as 14:02:31")


def _time_of_day(word: str, wall: datetime | None) -> float:
    """Seconds from *wall* to the next time that the clock shows *word*. Raises ValueError, UsageError."""
    if wall is None:
        raise UsageError("this capture does not tell the time of day: write #FRAME, or seconds such as +12.5")
    hours, minutes, seconds = (*word.split(":"), "0")[:3]
    since_midnight = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    began = wall.hour * 3600 + wall.minute * 60 + wall.second + wall.microsecond / 1e6
    return (since_midnight - began) % 86_400
