"""The books of a connection as plain rows. Reads the ledgers of its Broker; changes nothing and calls nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pbshell.broker import Broker
from pbshell.broker.flavors import ViewPoint
from pbshell.errors import dotted_name
from pbshell.trace.values import identity
from pbshell.wire.text import visible
from pbshell.workbench.rows import shown

__all__ = ["CacheRow", "ReferenceRow", "caches", "references"]

#: characters of a state
_STATE = 200


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """An object that is lent across *connection*.

    *side* is ours or theirs: who lends it; *id* carries the owner's letter. *count* is how many receipts are out,
    None for what has a name instead of a count. *what* is its class, which only its owner knows.
    """

    connection: str
    side: str
    id: str
    count: int | None
    what: str


@dataclass(frozen=True, slots=True)
class CacheRow:
    """An object of which the other side of *connection* holds a copy in step.

    *side* is ours or theirs: whose object it is. *what* is its class, and *state* its attributes as they are here,
    but for those that begin with an underscore.
    """

    connection: str
    side: str
    id: str
    count: int
    what: str
    state: str


def references(name: str, broker: Broker) -> Iterator[ReferenceRow]:
    """What is lent over the connection *name*: ours, then theirs."""
    for side, owner, ledger in (("ours", broker.side, broker.ours), ("theirs", broker.side.other, broker.theirs)):
        for luid, entry in ledger.exports.items():
            what = _class_of(entry.thing) if side == "ours" else ""
            yield ReferenceRow(name, side, identity(owner, luid), None if entry.pinned else entry.count, what)


def caches(name: str, broker: Broker) -> Iterator[CacheRow]:
    """What is cached over the connection *name*: ours at the peer, then theirs here."""
    for luid, entry in broker.ours.caches.items():
        thing = entry.thing.object
        yield CacheRow(name, "ours", identity(broker.side, luid), entry.count, _class_of(thing), _state(thing))
    for luid, entry in broker.theirs.caches.items():
        copy = broker.books.copies.get(luid)
        row = identity(broker.side.other, luid), entry.count, _class_of(copy) if copy else "", _state(copy)
        yield CacheRow(name, "theirs", *row)


def _class_of(thing: Any) -> str:
    if isinstance(thing, ViewPoint):
        return f"{_class_of(thing.object)} as {_class_of(thing.perspective)} sees it"
    return visible(dotted_name(type(thing)), 80)


def _state(thing: Any) -> str:
    attributes = getattr(thing, "__dict__", {})
    return shown({name: value for name, value in attributes.items() if not str(name).startswith("_")}, _STATE)
