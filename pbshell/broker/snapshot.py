"""What the books say at this moment: how a capture begins that meets a connection in its middle. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import ViewPoint
from pbshell.errors import dotted_name
from pbshell.wire.chunk import Awaited, Seed, Seeded, Side
from pbshell.wire.text import visible

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker

__all__ = ["seed_of"]


def seed_of(broker: Broker, at: float, connection: int) -> Seed:
    """The seed of *connection*, whose Broker is *broker*, at *at* (seconds on the link's clock).

    Take it when all that is ready has been sent: what is sent then, and what has arrived and was not acted upon, is
    what the capture goes on with.
    """
    if broker.dialect is None:
        # A server has said its word as soon as there is a connection; a client's completes the handshake.
        begun = (Side.SERVER,) if broker.side is Side.SERVER else ()
        return Seed(at, connection, None, begun)
    ours, theirs = broker.side, broker.side.other
    lent = (*_lent(broker, ours), *_lent(broker, theirs))
    awaited = (
        *(Awaited(ours, call.request, _text(call.method)) for call in broker.ours.pending.values()),
        *(Awaited(theirs, call.request, _text(call.method)) for call in broker.theirs.pending.values()),
    )
    return Seed(at, connection, broker.dialect.name, tuple(Side), lent, awaited)


def _lent(broker: Broker, owner: Side) -> Iterator[Seeded]:
    ledger: Any = broker.ours if owner is broker.side else broker.theirs
    for luid, entry in ledger.exports.items():
        if not entry.pinned:
            yield Seeded(owner, luid, entry.count, _class_of(entry.thing))
    for luid, entry in ledger.caches.items():
        thing = entry.thing.object if owner is broker.side else broker.books.copies.get(luid)
        yield Seeded(owner, luid, entry.count, _class_of(thing), cache=True)


def _class_of(thing: Any) -> str:
    """The class of what we have; of what only the peer has, nothing."""
    if isinstance(thing, ViewPoint):
        thing = thing.object
    return "" if thing is None else dotted_name(type(thing))


def _text(method: str | bytes) -> str:
    return visible(method, 60)
