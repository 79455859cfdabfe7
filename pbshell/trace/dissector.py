"""Pieces in, dissections out: what each side said, which answer belongs to which call, and what is lent.

Knows the wire and keeps books of its own, for both peers; knows no Broker, no clock, and not how to say it to a person.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from pbshell.errors import ProtocolError
from pbshell.trace.books import Books
from pbshell.trace.notes import Large, Lent, Note, Odd
from pbshell.trace.redact import Redactor
from pbshell.trace.streams import TRACE_LIMITS, Choice, Offer, Streams, Stretch, Undecodable, Unseen
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.limits import Limits
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Luid, Message, Request, Verb, parse

__all__ = [
    "TRACE_LIMITS",
    "Choice",
    "Conversation",
    "Dissection",
    "Dissector",
    "Offer",
    "Undecodable",
    "Unseen",
    "What",
]

#: bytes of a message whose strings are measured
_LARGE = 65_536

What: TypeAlias = Verb | Offer | Choice | Undecodable | Unseen | LinkEvent | Seed


@dataclass(frozen=True, slots=True)
class Dissection:
    """One thing that was said, or that the link did.

    *number* counts from 1 over all connections; *at* is in seconds on the link's clock, when its last byte came;
    *sender* is who said it, for a link event who caused it, or None. *size* is in bytes; *offset* counts the bytes
    that its sender had sent before. An answer has the *call* that it answers, if that was seen. *target* is the
    object that is called, given back or freed, if it is known; *notes* say what changed in the books.
    """

    number: int
    at: float
    connection: int
    sender: Side | None
    what: What
    size: int = 0
    offset: int = 0
    call: Dissection | None = None
    target: Lent | None = None
    notes: tuple[Note, ...] = ()

    @property
    def elapsed(self) -> float | None:
        """Seconds from the call to this answer; None for what is no answer."""
        return None if self.call is None else self.at - self.call.at


class Dissector:
    """Explains any number of connections, from their beginnings or from where the capture meets them.

    *limits* are what one expression may be; the default is far beyond a stock peer's. *redact* is off, auth (the
    secrets of logins are covered in all that comes out) or strict (also what is named like a secret). *first* is the
    number of the first dissection.
    `connections` has those that have not ended; the conversation of one that ends stays until the next piece.
    """

    def __init__(self, limits: Limits = TRACE_LIMITS, *, redact: str = "auth", first: int = 1) -> None:
        self.limits = limits
        self.redact = redact
        self.connections: dict[int, Conversation] = {}
        self._numbers = itertools.count(first)
        self._ended: list[int] = []

    def feed(self, piece: Piece) -> list[Dissection]:
        """What *piece* completes. Raises nothing, whatever the bytes are."""
        return list(self.walk(piece))

    def walk(self, piece: Piece) -> Iterator[Dissection]:
        """The same one by one, each while the books are as it has left them. Goes on with what is asked for only."""
        for number in self._ended:
            self.connections.pop(number, None)
        self._ended.clear()
        conversation = self.connections.get(piece.connection)
        if conversation is None or isinstance(piece, Seed):
            conversation = self.connections[piece.connection] = Conversation(self, piece)
        if isinstance(piece, Chunk):
            yield from conversation.feed(piece)
        elif isinstance(piece, Seed):
            yield conversation.plant(piece)
        else:
            if piece.kind == "closed":
                self._ended.append(piece.connection)
            yield from conversation.happened(piece)

    def finish(self, at: float) -> list[Dissection]:
        """The capture ends at *at* (seconds): what is readable only because nothing follows it."""
        return [found for each in self.connections.values() for found in each.finish(at)]

    def number(self) -> int:
        """The number of the next dissection."""
        return next(self._numbers)


class Conversation:
    """One connection: both streams, and the books of both sides. To be read; only the dissector writes.

    *ledgers* has, by side, what it lends (*exports* and *caches*, whose things are `Lent`) and the calls of which it
    awaits an answer (*pending*, by request id). *tombs* has what was lent and is no more. *strangers* are objects of
    a side that were met in mid-connection, so that nobody knows how often they are lent. *name* is what explainers
    call the connection, *user* who logged in last. *heard* is when each side's last bytes came (seconds).
    """

    def __init__(self, dissector: Dissector, piece: Piece) -> None:
        self.number = piece.connection
        self.first = piece.at
        self.name = ""
        self.opened: LinkEvent | None = None
        self.heard: dict[Side, float] = {}
        self.bytes: dict[Side, int] = dict.fromkeys(Side, 0)
        self._dissector = dissector
        self._redactor = Redactor(dissector.redact)
        self._streams = Streams(dissector.limits)
        self._books = Books(self._streams)
        self.ledgers, self.tombs, self.strangers = self._books.ledgers, self._books.tombs, self._books.strangers

    @property
    def user(self) -> str:
        """Who logged in last."""
        return self._books.user

    @property
    def dialect(self) -> bytes | None:
        """The name of the dialect that both speak; None while it is not known."""
        return None if self._streams.dialect is None else self._streams.dialect.name

    @property
    def client(self) -> str:
        """The client's address, if the capture tells."""
        return self._addresses()[0]

    @property
    def server(self) -> str:
        """The server's address, if the capture tells."""
        return self._addresses()[1]

    @property
    def joined(self) -> bool:
        """Whether a stream was met in its middle."""
        return self._streams.joined

    @property
    def gaps(self) -> int:
        """How many gaps the capture has."""
        return self._streams.gaps

    @property
    def partial(self) -> bool:
        """Whether something was said that the capture does not have."""
        return self._streams.partial

    @property
    def seeded(self) -> bool:
        """Whether the capture began with the books of a Broker."""
        return self._books.seeded

    def lent(self, owner: Side, luid: Luid) -> Lent | None:
        """The object that *owner* lends under *luid*, if it is known."""
        return self._books.lent(owner, luid)

    def unread(self, side: Side) -> bytes:
        """The bytes that *side* has sent last and that are no whole expression yet."""
        return self._streams.of(side).rest

    def resumed(self, at: float) -> tuple[Piece, ...]:
        """What a capture begins with that goes on from here, at *at* (seconds): the books, and what is half said.

        Nothing where a stream cannot be read at the moment: then the capture is met in its middle.
        """
        unreadable = any(stream.ended or stream.joining is not None for stream in self._streams.both)
        if self.dialect is None or unreadable:
            return ()
        lent = [
            Seeded(side, luid, entry.count, entry.thing.type or entry.thing.name, cache=entry.thing.cache)
            for side in Side
            for table in (self.ledgers[side].exports, self.ledgers[side].caches)
            for luid, entry in table.items()
            if not entry.pinned
        ]
        lent += [
            Seeded(side, luid, 1, cache=each.cache) for side in Side for luid, each in self.strangers[side].items()
        ]
        awaited = tuple(
            Awaited(side, call.what.request, visible(call.what.method, 60))
            for side in Side
            for call in self.ledgers[side].pending.values()
            if isinstance(call.what, (Message, CacheMessage)) and not isinstance(call.what.request, list)
        )
        seed = Seed(at, self.number, self.dialect, tuple(Side), tuple(lent), awaited)
        opened = () if self.opened is None else (replace(self.opened, at=at),)
        rests = (Chunk(at, self.number, side, self.unread(side)) for side in Side if self.unread(side))
        return (seed, *opened, *rests)

    def _addresses(self) -> tuple[str, str]:
        client, _, server = ("" if self.opened is None else self.opened.detail).partition(" to ")
        return client, server.partition(",")[0]

    # ------------------------------------------------------------------------------------ what comes in

    def feed(self, chunk: Chunk) -> Iterator[Dissection]:
        """What *chunk* completes."""
        side = chunk.sender
        self.heard[side] = chunk.at
        self.bytes[side] += len(chunk.data)
        return self._dissected(self._streams.take(side, chunk.data), chunk.at)

    def happened(self, event: LinkEvent) -> Iterator[Dissection]:
        """What *event* ends, then the event itself."""
        notes: tuple[Note, ...] = ()
        if event.kind == "opened":
            self.opened = event
            self._streams.opened = True
        elif event.kind == "gap":
            yield from self._dissected(self._streams.gap(event.by), event.at)
        elif event.kind == "closed":
            # Nothing comes behind it, so what is half said stays half said.
            yield from self.finish(event.at)
            yield from self._dissected(self._streams.leftovers(), event.at)
            notes = (self._books.end(),)
        yield Dissection(self._dissector.number(), event.at, self.number, event.by, event, notes=notes)

    def plant(self, seed: Seed) -> Dissection:
        """Begin with what the books of the Broker said."""
        self._streams.plant(seed)
        self._books.plant(seed)
        for call in seed.awaited:
            # Only root has a login, whose answer is a secret.
            target = b"root" if call.method == "login" else b""
            self.ledgers[call.caller].pending[call.request] = Dissection(
                0,
                seed.at,
                self.number,
                call.caller,
                Message(call.request, target, call.method.encode("utf-8", "replace"), 1, [b"tuple"], [b"dictionary"]),
            )
        return Dissection(self._dissector.number(), seed.at, self.number, None, seed)

    def finish(self, at: float) -> Iterator[Dissection]:
        """What is readable only because nothing follows it."""
        return self._dissected(self._streams.finish(), at)

    # ------------------------------------------------------------------------------------ what it means

    def _dissected(self, stretches: Iterable[Stretch], at: float) -> Iterator[Dissection]:
        for stretch in stretches:
            what = stretch.what
            if what is None:
                yield self._understood(stretch, at)
                continue
            if isinstance(what, Unseen):
                self._books.missed(stretch.stream.side)
            if stretch.size:
                yield self._strange(stretch, what, at)

    def _strange(self, stretch: Stretch, what: What, at: float) -> Dissection:
        """A word of the handshake, or what is no verb."""
        notes: tuple[Note, ...] = ()
        if isinstance(what, Undecodable) and _is_tagged(stretch.expression):
            notes = (Odd("unknown verb", what.reason),)
        number, side = self._dissector.number(), stretch.stream.side
        return Dissection(number, at, self.number, side, what, stretch.size, stretch.offset, notes=notes)

    def _understood(self, stretch: Stretch, at: float) -> Dissection:
        side, expression = stretch.stream.side, stretch.expression
        try:
            verb = parse(expression)
        except ProtocolError as error:
            return self._strange(stretch, Undecodable(str(error)), at)
        call = None
        if isinstance(verb, (Answer, ErrorAnswer)):
            call = self.ledgers[side.other].pending.pop(verb.request, None)
        verb = self._redactor.cover(side, verb, call.what if call else None)
        number = self._dissector.number()
        target, notes = self._books.book(number, at, side, verb, call)
        if stretch.size > _LARGE:
            notes = (*notes, Large(_longest(expression)))
        made = Dissection(number, at, self.number, side, verb, stretch.size, stretch.offset, call, target, notes)
        if isinstance(verb, (Message, CacheMessage)) and verb.wants_answer:
            request = _key(verb.request)
            if request is not None:
                self.ledgers[side].pending[request] = made
        return made


def _is_tagged(expression: Expression) -> bool:
    return type(expression) is list and bool(expression) and type(expression[0]) is bytes


def _longest(expression: Expression) -> int:
    """Bytes of the longest string in *expression*."""
    longest = 0
    stack = [expression]
    while stack:
        for item in stack.pop():
            if type(item) is bytes:
                longest = max(longest, len(item))
            elif type(item) is list:
                stack.append(item)
    return longest


def _key(request: Request) -> Hashable | None:
    """A request id as the key it is answered by; a list cannot be answered."""
    return None if isinstance(request, list) else request
