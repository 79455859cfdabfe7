"""What a capture is made of: who sent which bytes when, and what the link did. Knows nothing of their meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["Awaited", "Chunk", "LinkEvent", "Piece", "Seed", "Seeded", "Side", "Tap"]


class Side(Enum):
    """One of the two peers. The client opened the connection; the server speaks first."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """The peer of this side."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


@dataclass(frozen=True, slots=True)
class Chunk:
    """*sender* sent *data* on *connection* at *at* (seconds on the link's monotonic clock).

    Where one chunk ends carries no meaning: a stream cut anywhere explains identically.
    """

    at: float
    connection: int
    sender: Side
    data: bytes


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """The link of *connection* did something at *at* (seconds on the link's monotonic clock).

    *kind* is opened, half_closed, closed, stalled, resumed or gap; *by* is the side that caused it, or None where
    nobody can tell; *detail* is text for people. A source that cannot see an event leaves it out.

    The *detail* of opened is ``CLIENT to SERVER``, both addresses as endpoints write them, and behind a comma ``tls``
    where the bytes were taken out of TLS. That of closed begins with fin, reset, timeout or us, and perhaps a colon
    and the reason. *by* of a gap is the side whose bytes are missing, and of stalled the side that does not
    acknowledge what it is sent.
    """

    at: float
    connection: int
    kind: str
    by: Side | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Seeded:
    """*owner* had lent *luid*, and *count* receipts of it were out. *what* is its class, where that was known.

    Of a *cache* the other side holds a copy in step.
    """

    owner: Side
    luid: int | float | bytes
    count: int
    what: str = ""
    cache: bool = False


@dataclass(frozen=True, slots=True)
class Awaited:
    """*caller* was waiting for the answer to its call *request*, of *method*."""

    caller: Side
    request: int | float | bytes
    method: str = ""


@dataclass(frozen=True, slots=True)
class Seed:
    """The capture of *connection* begins in its middle, at *at* (seconds on its clock): what the books said then.

    *dialect* is the one agreed upon, None during the handshake, of which the sides in *begun* had said their word.
    """

    at: float
    connection: int
    dialect: bytes | None
    begun: tuple[Side, ...] = ()
    lent: tuple[Seeded, ...] = ()
    awaited: tuple[Awaited, ...] = ()


#: What a capture is a list of. A connection's seed, if it has one, stands before its chunks.
Piece = Chunk | LinkEvent | Seed

#: What tracing hands to a connection: it is called with every piece, and must not block.
Tap = Callable[[Piece], object]
