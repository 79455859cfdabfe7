"""All that is known of one object: where it was born, how its count went, what touched it, what became of a copy.

Knows books and histories; finds nothing that they do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pbshell.workbench.books.histories import Update
from pbshell.workbench.books.holders import unwrapped
from pbshell.workbench.books.inspection import CacheRow, Look, ReferenceRow, caches, references
from pbshell.workbench.books.referrers import paths_to, standing_for
from pbshell.workbench.books.remembered import Glimpse, glimpses
from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.workbench.books.finding import Target
    from pbshell.workbench.workbench import Workbench

__all__ = ["CacheStory", "ChangeRow", "Holders", "ReferenceStory", "Step", "changes", "story", "who"]


@dataclass(frozen=True, slots=True)
class Step:
    """With *frame* the count of an object became *count*, *age* seconds ago."""

    frame: int
    age: float
    count: int


@dataclass(frozen=True, slots=True)
class ReferenceStory:
    """A reference: its *row*, the *frames* that touched it, and how its count went: *steps*, *returned* receipts."""

    row: ReferenceRow
    frames: tuple[Glimpse, ...]
    steps: tuple[Step, ...]
    returned: int

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object with all of it."""
        yield {"kind": "reference-story", **asdict(self)}


@dataclass(frozen=True, slots=True)
class CacheStory:
    """A cached object: its *row*, the last *updates* of it, and the *frames* that touched it."""

    row: CacheRow
    updates: tuple[Update, ...]
    frames: tuple[Glimpse, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object with all of it."""
        yield {"kind": "cache-story", **asdict(self)}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """An update has changed *attribute* of the copy *id* from *before* to *after*; None is where there was none.

    It came *age* seconds ago in the frames *first* to *last*, as *updates* calls of observe_*method*.
    """

    connection: str
    id: str
    attribute: str
    before: str | None
    after: str | None
    first: int
    last: int
    method: str
    updates: int
    age: float


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds *id*: on this side by *paths*, and how many *receipts* of it the one who does not own it has.

    *what* is its class or its birth; *standing* is how many objects here stand for it, where it is the peer's.
    """

    connection: str
    side: str
    id: str
    what: str
    cache: bool
    receipts: int | None
    standing: int
    paths: tuple[str, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object with all of it."""
        yield {"kind": "holders", **asdict(self)}


def story(bench: Workbench, target: Target) -> ReferenceStory | CacheStory:
    """What is known of *target*."""
    look = Look(bench)
    line, luid = target.line, target.entry.luid
    number, conversation = line.connection.number, line.conversation
    lent = None if conversation is None else conversation.lent(target.owner, luid)
    touched = () if lent is None else tuple(dict.fromkeys((*((lent.born,) if lent.born else ()), *lent.touched)))
    frames = tuple(glimpses(bench, touched, look.now))
    if target.cache:
        cached = next(row for row in caches(look, line) if row.id == target.id)
        updates = look.histories.updates(number, target.owner, luid)
        return CacheStory(cached, () if updates is None else tuple(updates.last), frames)
    row = next(row for row in references(look, line) if row.id == target.id)
    receipts = look.histories.receipts(number, target.owner, luid)
    steps = [] if receipts is None else [Step(frame, _age(look, at), count) for frame, at, count in receipts.steps]
    if lent is not None and lent.born and (not steps or steps[0].count == 2):
        steps.insert(0, Step(lent.born, _age(look, lent.at), 1))
    return ReferenceStory(row, frames, tuple(steps), 0 if receipts is None else receipts.returned)


def changes(bench: Workbench, target: Target) -> Rows[ChangeRow]:
    """What the last updates have changed in the copy *target*, the oldest first."""
    look = Look(bench)
    updates = look.histories.updates(target.line.connection.number, target.owner, target.entry.luid)
    rows = [
        ChangeRow(
            target.line.name,
            target.id,
            change.name,
            change.before,
            change.after,
            update.first,
            update.last,
            update.method,
            update.count,
            _age(look, update.at),
        )
        for update in (() if updates is None else updates.last)
        for change in update.changes or ()
    ]
    if updates is None or not updates.count:
        return Rows(ChangeRow, rows, f"no update has come since {target.id} was watched")
    return Rows(ChangeRow, rows, f"no update has changed an attribute: :cached {target.id} shows what came")


def who(bench: Workbench, target: Target) -> Holders:
    """Who holds *target*. This walks through memory."""
    line, entry = target.line, target.entry
    broker = line.connection.broker
    lent = None if line.conversation is None else line.conversation.lent(target.owner, entry.luid)
    what = (lent.name or lent.type) if lent is not None else ""
    things: list[Any]
    if target.side == "theirs":
        things = standing_for(broker, entry.luid)
        standing = len(things)
    else:
        standing = 0
        things = [entry.thing.object if target.cache else unwrapped(entry.thing)]
        what = f"{type(things[0]).__name__}  {what}".strip()
    ignored = [entry, entry.thing, bench, bench.connections, *bench.connections.values(), bench.namespace.get("sh")]
    paths = paths_to(things, bench.namespace, ignored) if things else []
    count = None if entry.pinned else entry.count
    return Holders(line.name, target.side, target.id, what, target.cache, count, standing, tuple(paths))


def _age(look: Look, at: float) -> float:
    return round(max(look.now - at, 0.0), 3)
