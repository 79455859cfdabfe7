"""Pieces in, dissections out: what each side said, which answer belongs to which call, and what is lent.

Knows the wire and keeps books of its own, for both peers; knows no Broker, no clock, and not how to say it to a person.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from pbshell.errors import LimitExceeded, PeerError, ProtocolError
from pbshell.trace.joining import Joined, Joining, begins_with_choice, begins_with_offer
from pbshell.trace.notes import (
    Cached,
    Decached,
    Ended,
    Exported,
    Large,
    Lent,
    Note,
    Odd,
    Released,
    Tombstone,
    Uncached,
)
from pbshell.trace.places import Place, lends, places, text_of
from pbshell.trace.redact import Redactor
from pbshell.trace.values import arguments
from pbshell.wire.banana import DIALECTS, NONE, Decoder, Dialect, Expression
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.foreign import recognise
from pbshell.wire.ledger import Ledger
from pbshell.wire.limits import DEFAULT_LIMITS, Limits
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import (
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Luid,
    Message,
    Request,
    Uncache,
    Verb,
    Version,
    is_luid,
    parse,
)

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

#: What traffic between others may be: they may have raised their limits, and what exceeds a stock peer's is to be seen.
TRACE_LIMITS = Limits(string=1 << 28, list=1 << 24, depth=200, expression=1 << 29, items=1 << 24)

#: bytes of a foreign stream that are kept to be looked at, and bytes of a message whose strings are measured
_GLIMPSE, _LARGE = 64, 65_536
#: objects of which it is remembered that they were lent, for each side
_TOMBS = 256
#: objects met in mid-connection, and logins under way, that are remembered for each side
_STRANGERS, _LOGINS = 16_384, 64
#: characters of a name, and of the arguments in it
_NAME, _ARGUMENTS = 120, 40


@dataclass(frozen=True, slots=True)
class Offer:
    """The server's first word: the dialects it speaks, the best first."""

    dialects: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The client's first word: the dialect that both speak from here on."""

    dialect: bytes


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Bytes that are no PB. *reason* says what is wrong with them.

    *data* is how a stream began that never was PB (at most 64 bytes), and empty for one that was. *exceeds* is the
    limit of a stock peer that they are beyond, in words, where that is what ended the stream.
    """

    reason: str
    data: bytes = b""
    exceeds: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Bytes whose beginning was not captured: the stream is met in its middle, or behind a gap.

    *why* says which; *data* is how they began (at most 64 bytes) where nothing readable came behind them.
    """

    why: str
    data: bytes = b""


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


class _Stream:
    """What one side sends.

    *begun* is whether it has said its word of the handshake, *head* what came of that while it cannot be told whether
    it is one, *joining* the search for a place to read from, *ended* whether nothing can be read any more. *base*
    counts the bytes before the decoder's own.
    """

    __slots__ = ("base", "begun", "decoder", "ended", "head", "joining", "last_request")

    def __init__(self, limits: Limits) -> None:
        self.decoder = Decoder(NONE, limits)
        self.begun = False
        self.head = b""
        self.joining: Joining | None = None
        self.ended = False
        self.base = 0
        self.last_request: int | None = 0

    @property
    def offset(self) -> int:
        """Bytes before the next expression."""
        return self.base + self.decoder.offset


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
        self.user = ""
        self.opened: LinkEvent | None = None
        self.joined = False
        self.seeded = False
        self.gaps = 0
        self.ledgers: dict[Side, Ledger[Lent, Dissection]] = {side: Ledger() for side in Side}
        self.tombs: dict[Side, OrderedDict[Luid, Tombstone]] = {side: OrderedDict() for side in Side}
        self.strangers: dict[Side, dict[Luid, Lent]] = {side: {} for side in Side}
        self.heard: dict[Side, float] = {}
        self.bytes: dict[Side, int] = dict.fromkeys(Side, 0)
        self._offered = False
        self._dialect: Dialect | None = None
        self._dissector = dissector
        self._streams = {side: _Stream(dissector.limits) for side in Side}
        self._redactor = Redactor(dissector.redact)
        self._users: OrderedDict[tuple[Side, Luid], str] = OrderedDict()  # of challengers, until they are answered
        for side in Side:
            self.ledgers[side].exports.pin(b"root", Lent(side, b"root", "root", "root"))

    @property
    def dialect(self) -> bytes | None:
        """The name of the dialect that both speak; None while it is not known."""
        return None if self._dialect is None else self._dialect.name

    @property
    def client(self) -> str:
        """The client's address, if the capture tells."""
        return self._addresses()[0]

    @property
    def server(self) -> str:
        """The server's address, if the capture tells."""
        return self._addresses()[1]

    @property
    def partial(self) -> bool:
        """Whether something was said that the capture does not have."""
        return self.joined or self.gaps > 0

    def lent(self, owner: Side, luid: Luid) -> Lent | None:
        """The object that *owner* lends under *luid*, if it is known."""
        ledger = self.ledgers[owner]
        entry = ledger.exports.get(luid) or ledger.caches.get(luid)
        return entry.thing if entry is not None else self.strangers[owner].get(luid)

    def unread(self, side: Side) -> bytes:
        """The bytes that *side* has sent last and that are no whole expression yet."""
        stream = self._streams[side]
        return b"" if stream.ended or stream.joining is not None else stream.head or stream.decoder.rest

    def resumed(self, at: float) -> tuple[Piece, ...]:
        """What a capture begins with that goes on from here, at *at* (seconds): the books, and what is half said.

        Nothing where a stream cannot be read at the moment: then the capture is met in its middle.
        """
        unreadable = any(stream.ended or stream.joining is not None for stream in self._streams.values())
        if self._dialect is None or unreadable:
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
        seed = Seed(at, self.number, self._dialect.name, tuple(Side), tuple(lent), awaited)
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
        yield from self._take(side, chunk.data, chunk.at)

    def happened(self, event: LinkEvent) -> Iterator[Dissection]:
        """What *event* ends, then the event itself."""
        if event.kind == "opened":
            self.opened = event
        if event.kind == "gap":
            self.gaps += 1
            for side in Side if event.by is None else (event.by,):
                yield from self._interrupted(side, event.at)
        notes: tuple[Note, ...] = ()
        if event.kind == "closed":
            # Nothing comes behind it, so what is half said stays half said.
            yield from self.finish(event.at)
            yield from self._leftovers(event.at)
            notes = (self._end(),)
        yield self._made(event.at, event.by, event, notes=notes)

    def plant(self, seed: Seed) -> Dissection:
        """Begin with what the books of the Broker said."""
        self.seeded = True
        for side in seed.begun:
            self._streams[side].begun = True
        if seed.dialect is not None:
            self._speak(DIALECTS.get(seed.dialect, NONE))
            for stream in self._streams.values():
                stream.begun = True
                stream.last_request = None
        for each in seed.lent:
            ledger = self.ledgers[each.owner]
            what = visible(each.what, 80)
            lent = Lent(each.owner, each.luid, type=what, label=what.rpartition(".")[2], cache=each.cache)
            lent.at = seed.at
            table = ledger.caches if each.cache else ledger.exports
            if each.luid not in table:
                table.lend(each.luid, lent).count = each.count
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
        return self._made(seed.at, None, seed)

    def finish(self, at: float) -> Iterator[Dissection]:
        """What is readable only because nothing follows it."""
        for side, stream in self._streams.items():
            if stream.head:
                yield from self._join(side, at)
            if stream.joining is not None:
                joined = stream.joining.finish()
                if joined is not None:
                    yield from self._arrived(side, joined, at)
                elif stream.joining.size:
                    yield self._unseen(side, stream.joining, stream.joining.size, at)
                    stream.joining = None
                    stream.ended = True

    def _leftovers(self, at: float) -> Iterator[Dissection]:
        """What has begun and will never be completed."""
        for side, stream in self._streams.items():
            rest = stream.decoder.rest
            if rest and not stream.ended and stream.joining is None:
                exceeds = _beyond(rest, self._dialect)
                reason = f"the stream ends inside an expression, {len(rest):,} bytes of it are here"
                what = Undecodable(reason, b"" if stream.begun else rest[:_GLIMPSE], exceeds)
                yield self._made(at, side, what, len(rest), stream.offset)

    def _take(self, side: Side, data: bytes, at: float) -> Iterator[Dissection]:
        """Give *data* to whoever reads what *side* sends at the moment."""
        stream = self._streams[side]
        if stream.ended:
            stream.base += len(data)
            return
        if stream.joining is not None:
            joined = stream.joining.feed(data)
            if joined is not None:
                yield from self._arrived(side, joined, at)
            return
        if not stream.begun and self.opened is None and not (side is Side.CLIENT and self._offered):
            stream.head += data
            is_handshake = begins_with_offer(stream.head) if side is Side.SERVER else begins_with_choice(stream.head)
            if is_handshake is None:
                return
            if not is_handshake:
                yield from self._join(side, at)
                return
            data, stream.head = stream.head, b""
        stream.decoder.feed(data)
        yield from self._read(side, at)

    def _read(self, side: Side, at: float) -> Iterator[Dissection]:
        stream = self._streams[side]
        decoder = stream.decoder
        if stream.joining is not None:
            return
        while not stream.ended:
            if side is Side.SERVER and stream.begun and self._dialect is None:
                return
            offset = decoder.offset
            try:
                expression = next(decoder, None)
            except PeerError as error:
                stream.ended = True
                rest = decoder.rest
                reason = str(error)
                what = Undecodable(
                    reason, b"" if stream.begun else rest[:_GLIMPSE], reason if isinstance(error, LimitExceeded) else ""
                )
                yield self._made(at, side, what, len(rest), stream.base + offset)
                # Nobody reads what follows, so nobody keeps it: it may be another protocol, and go on for ever.
                stream.base += offset + len(rest)
                stream.decoder = Decoder(NONE, self._dissector.limits)
                return
            if expression is None:
                return
            waited = self._dialect is None
            yield self._understand(side, stream, expression, decoder.offset - offset, stream.base + offset, at)
            if waited and self._dialect is not None:
                # The server's words behind its offer may have waited for the client's choice.
                yield from self._read(side.other, at)

    # ------------------------------------------------------------------------------------ joining in the middle

    def _interrupted(self, side: Side, at: float) -> Iterator[Dissection]:
        """Bytes of *side* are missing: what is half said is lost, and what follows is to be found again."""
        stream = self._streams[side]
        if stream.joining is None and not stream.ended:
            rest = stream.head or stream.decoder.rest
            if rest:
                yield self._made(at, side, Unseen("the rest of it is in a gap"), len(rest), stream.offset)
            stream.base = stream.offset + len(rest)
            stream.decoder = Decoder(self._dialect or NONE, self._dissector.limits)
            stream.head = b""
        elif stream.joining is not None:
            size = stream.joining.size
            if size:
                yield self._unseen(side, stream.joining, size, at)
            stream.base += size
        stream.ended = False
        stream.begun = True
        stream.last_request = None
        stream.joining = Joining(self._dissector.limits, self._dialect)

    def _join(self, side: Side, at: float) -> Iterator[Dissection]:
        """What has come of *side* is no beginning: look for a place to read from."""
        stream = self._streams[side]
        self.joined = True
        stream.begun = True
        stream.last_request = None
        stream.joining = Joining(self._dissector.limits, self._dialect)
        data, stream.head = stream.head, b""
        yield from self._take(side, data, at)

    def _arrived(self, side: Side, joined: Joined, at: float) -> Iterator[Dissection]:
        stream = self._streams[side]
        assert stream.joining is not None
        if joined.skipped:
            yield self._unseen(side, stream.joining, joined.skipped, at)
        stream.joining = None
        stream.decoder = joined.decoder
        stream.base += joined.skipped
        self._speak(joined.dialect)
        size = joined.decoder.offset
        yield self._understand(side, stream, joined.expression, size, stream.base, at)
        # The other side may have waited for a dialect.
        yield from self._read(side.other, at)
        yield from self._read(side, at)

    def _unseen(self, side: Side, joining: Joining, size: int, at: float) -> Dissection:
        stream = self._streams[side]
        why = "their beginning is in a gap" if self.gaps else "the capture begins in their middle"
        # What never becomes readable may be another protocol; else it may hold the secrets of a login.
        data = joining.glimpse if size == joining.size and recognise(joining.glimpse) else b""
        return self._made(at, side, Unseen(why, data), size, stream.base)

    # ------------------------------------------------------------------------------------ what it means

    def _understand(
        self, side: Side, stream: _Stream, expression: Expression, size: int, offset: int, at: float
    ) -> Dissection:
        try:
            if not stream.begun:
                stream.begun = True
                return self._made(at, side, self._handshake(side, expression), size, offset)
            verb = parse(expression)
        except ProtocolError as error:
            odd = (Odd("unknown verb", str(error)),) if _is_tagged(expression) else ()
            return self._made(at, side, Undecodable(str(error)), size, offset, notes=odd)
        call = None
        if isinstance(verb, (Answer, ErrorAnswer)):
            call = self.ledgers[side.other].pending.pop(verb.request, None)
        verb = self._redactor.cover(side, verb, call.what if call else None)
        number = self._dissector.number()
        target, notes = self._book(number, at, side, verb, call)
        if size > _LARGE:
            notes = (*notes, Large(_longest(expression)))
        made = Dissection(number, at, self.number, side, verb, size, offset, call, target, notes)
        if isinstance(verb, (Message, CacheMessage)) and verb.wants_answer:
            request = _key(verb.request)
            if request is not None:
                self.ledgers[side].pending[request] = made
        return made

    def _handshake(self, side: Side, expression: Expression) -> Offer | Choice:
        if side is Side.SERVER:
            if not isinstance(expression, list) or not all(isinstance(name, bytes) for name in expression):
                raise ProtocolError("the server did not begin with a list of dialects")
            self._offered = True
            return Offer(tuple(expression))
        # Whatever came: nobody will choose again, and what follows may still be readable.
        self._speak(DIALECTS.get(expression, NONE) if isinstance(expression, bytes) else NONE)
        if not isinstance(expression, bytes):
            raise ProtocolError("the client did not begin with the name of a dialect")
        return Choice(expression)

    def _speak(self, dialect: Dialect) -> None:
        self._dialect = dialect
        for stream in self._streams.values():
            stream.decoder.dialect = dialect

    def _made(
        self,
        at: float,
        sender: Side | None,
        what: What,
        size: int = 0,
        offset: int = 0,
        notes: tuple[Note, ...] = (),
    ) -> Dissection:
        return Dissection(self._dissector.number(), at, self.number, sender, what, size, offset, notes=notes)

    # ------------------------------------------------------------------------------------ the books

    def _known(self, owner: Side, luid: Expression) -> Lent | None:
        return self.lent(owner, luid) if is_luid(luid) else None

    def _book(
        self, number: int, at: float, side: Side, verb: Verb, call: Dissection | None
    ) -> tuple[Lent | None, tuple[Note, ...]]:
        """The target of *verb*, and what it changes in the books. A call is entered later, when it is a dissection."""
        if isinstance(verb, (Message, CacheMessage)):
            return self._book_call(number, at, side, verb)
        if isinstance(verb, (Answer, ErrorAnswer)):
            return None, self._book_answer(number, at, side, verb, call)
        if isinstance(verb, (Version, DidNotUnderstand)):
            return None, ()
        notes = self._book_return(number, at, side, verb)
        return next((note.lent for note in notes if isinstance(note, (Released, Decached, Uncached))), None), notes

    def _book_call(
        self, number: int, at: float, side: Side, verb: Message | CacheMessage
    ) -> tuple[Lent | None, tuple[Note, ...]]:
        owner, luid = (side, verb.cache) if isinstance(verb, CacheMessage) else (side.other, verb.object)
        odd = self._requested(side, verb.request)
        lent = self._known(owner, luid)
        if lent is None:
            odd += self._stranger(owner, luid, at, cache=isinstance(verb, CacheMessage))
            lent = self._known(owner, luid)
        if lent is not None:
            lent.used += 1
            lent.used_at = at
            lent.method = visible(verb.method, 60)
            lent.touched.append(number)
        if not lends((verb.args, verb.kwargs)):
            return lent, odd
        name, label = self._name_of_call(side, lent, verb, short=True)
        user = self._users.get((owner, luid), "") if is_luid(luid) else ""
        found = itertools.chain(places(verb.args, " args"), _of_keywords(verb.kwargs))
        return lent, odd + tuple(self._lend_all(number, at, side, found, name, label, user))

    def _book_answer(
        self, number: int, at: float, side: Side, verb: Answer | ErrorAnswer, call: Dissection | None
    ) -> tuple[Note, ...]:
        odd: tuple[Note, ...] = ()
        if call is None and not self.partial:
            odd = (Odd("answer without call", f"no call {brief(verb.request)} waits for an answer"),)
        value = verb.result if isinstance(verb, Answer) else verb.failure
        name = label = self._logged_in(side, verb, call)
        if not lends((value,)):
            return odd
        if not name and call is not None and isinstance(call.what, (Message, CacheMessage)):
            name, label = self._name_of_call(side.other, call.target, call.what)
        notes = tuple(self._lend_all(number, at, side, places(value), name, label))
        self._begin_login(side, call, value)
        return odd + notes

    def _lend_all(
        self,
        number: int,
        at: float,
        side: Side,
        found: Iterable[Place],
        name: str,
        label: str,
        user: str = "",
    ) -> Iterator[Note]:
        """Book each loan in *found*, which *side* has sent in what is called *name*, the login of *user* perhaps."""
        for loan, place, item in found:
            if loan.kind in (b"local", b"lcache"):
                home = self.lent(side.other, loan.luid)
                if home is not None:
                    home.touched.append(number)
                continue
            cache = loan.kind == b"cached"
            table = self.ledgers[side].caches if cache else self.ledgers[side].exports
            entry = table.get(loan.luid)
            if entry is not None and entry.pinned:
                continue
            lent = entry.thing if entry is not None else self._newly_lent(number, at, side, loan.luid, cache=cache)
            if loan.first:
                lent.type = visible(item[0], 80)
            if not lent.name and name:
                self._christen(lent, name, label, place, user)
            count = table.lend(loan.luid, lent).count
            lent.touched.append(number)
            yield Cached(lent, count, loan.first) if cache else Exported(lent, count)

    def _christen(self, lent: Lent, name: str, label: str, place: str, user: str) -> None:
        if user and place == " args[1]":
            lent.name, lent.label = f"{user}.mind", "mind"
            return
        lent.name = _cut(name + place)
        # A cached object is known by its class, as soon as that was sent.
        lent.label = lent.type.rpartition(".")[2] or _cut(label + place)

    def _newly_lent(self, number: int, at: float, side: Side, luid: Luid, *, cache: bool) -> Lent:
        self.tombs[side].pop(luid, None)
        stranger = self.strangers[side].pop(luid, None)
        if stranger is not None and stranger.cache == cache:
            return stranger
        return Lent(side, luid, cache=cache, born=number, at=at)

    def _book_return(self, number: int, at: float, side: Side, verb: Decref | Decache | Uncache) -> tuple[Note, ...]:
        if isinstance(verb, Uncache):
            tomb = self.tombs[side].get(verb.cache) if is_luid(verb.cache) else None
            if tomb is not None:
                tomb.lent.touched.append(number)
                return (Uncached(tomb.lent),)
            if self.partial or self.seeded:
                return ()
            return (Odd("surplus uncache", f"uncache of {brief(verb.cache)}, which was not given back"),)
        cache = isinstance(verb, Decache)
        owner, luid = side.other, verb.cache if isinstance(verb, Decache) else verb.object
        table = self.ledgers[owner].caches if cache else self.ledgers[owner].exports
        entry = table.give_back(luid) if is_luid(luid) else None
        if entry is None:
            stranger = self.strangers[owner].pop(luid, None) if is_luid(luid) else None
            if stranger is not None:
                return (Released(stranger, 0),)
            if self.partial:
                return ()
            word, state = ("decache", "cached") if cache else ("decref", "lent")
            return (Odd(f"surplus {word}", f"{word} of {self._shown(owner, luid)}, which is not {state}"),)
        lent = entry.thing
        lent.touched.append(number)
        if not entry.count:
            self._bury(Tombstone(lent, at, number, "its holder dropped it"))
        return (Decached(lent, entry.count) if cache else Released(lent, entry.count),)

    def _bury(self, tomb: Tombstone) -> None:
        tombs = self.tombs[tomb.lent.owner]
        tombs[tomb.lent.luid] = tomb
        if len(tombs) > _TOMBS:
            tombs.popitem(last=False)

    def _end(self) -> Ended:
        """The connection is gone: all that is lent is free, and no call will be answered."""
        unanswered = [call for ledger in self.ledgers.values() for call in ledger.pending.values()]
        references = sum(not entry.pinned for ledger in self.ledgers.values() for entry in ledger.exports.values())
        caches = sum(len(ledger.caches) for ledger in self.ledgers.values())
        unanswered.sort(key=lambda call: call.number)
        return Ended(tuple(unanswered), references, caches)

    def _requested(self, side: Side, request: Request) -> tuple[Note, ...]:
        """What is odd about the number of a call: PB counts from 1, and leaves out what it could not send."""
        stream = self._streams[side]
        last = stream.last_request
        if type(request) is not int:
            stream.last_request = None
            return ()
        stream.last_request = request
        if request in self.ledgers[side].pending:
            return (Odd("request used twice", f"call {request} waits for an answer already"),)
        if last is None or request <= last + 1 or request - last > 1_000:
            return ()
        which = f"request {last + 1}" if request == last + 2 else f"requests {last + 1} to {request - 1}"
        return (Odd("request never sent", f"{which} {'was' if request == last + 2 else 'were'} never sent"),)

    def _stranger(self, owner: Side, luid: Expression, at: float, *, cache: bool) -> tuple[Note, ...]:
        """Nobody has seen *luid* being lent."""
        if not self.partial:
            text = f"{self._shown(owner, luid)} is not lent"
            tomb = self.tombs[owner].get(luid) if is_luid(luid) else None
            if tomb is not None:
                text = f"{text} any more: {tomb.reason} (#{tomb.number})"
            return (Odd("unknown luid", text),)
        if is_luid(luid) and len(self.strangers[owner]) < _STRANGERS:
            self.strangers[owner][luid] = Lent(owner, luid, cache=cache, at=at)
        return ()

    def _shown(self, owner: Side, luid: Expression) -> str:
        if isinstance(luid, bytes):
            return brief(luid)
        return f"{'c' if owner is Side.CLIENT else 's'}{brief(luid)}"

    # ------------------------------------------------------------------------------------ names

    def _name_of_call(
        self, caller: Side, target: Lent | None, verb: Message | CacheMessage, *, short: bool = False
    ) -> tuple[str, str]:
        """What is called as a name, behind the name of its target, and alone. *short*: without the arguments."""
        inside = "" if short else arguments(verb.args, verb.kwargs, caller, _ARGUMENTS)
        label = f"{visible(verb.method, 60)}({inside})"
        before = "" if target is None or target.luid == b"root" else target.name
        return (f"{before}.{label}" if before else label), label

    def _begin_login(self, side: Side, call: Dissection | None, value: Expression) -> None:
        """An answer to ``root.login(name)`` lends a challenger, whose ``respond`` ends the login."""
        what = call.what if call is not None else None
        if not isinstance(what, Message) or what.object != b"root" or what.method != b"login":
            return
        user = _user_of(what.args)
        for loan, _, _ in places(value):
            if loan.kind == b"remote":
                self._users[side, loan.luid] = user
                if len(self._users) > _LOGINS:
                    self._users.popitem(last=False)

    def _logged_in(self, side: Side, verb: Answer | ErrorAnswer, call: Dissection | None) -> str:
        """Who is logged in by this answer, or nobody."""
        what = call.what if call is not None else None
        if not isinstance(what, Message) or not isinstance(verb, Answer):
            return ""
        user = ""
        if what.method == b"respond" and is_luid(what.object):
            user = self._users.pop((side, what.object), "")
        elif what.object == b"root" and what.method == b"loginAnonymous":
            user = "anonymous"
        if user:
            self.user = user
        return user


def _is_tagged(expression: Expression) -> bool:
    return type(expression) is list and bool(expression) and type(expression[0]) is bytes


def _beyond(rest: bytes, dialect: Dialect | None) -> str:
    """The limit of a stock peer that the unfinished expression *rest* is beyond, in words, if it is."""
    decoder = Decoder(dialect or NONE, DEFAULT_LIMITS)
    decoder.feed(rest)
    try:
        next(decoder, None)
    except LimitExceeded as error:
        return str(error)
    except PeerError:
        pass
    return ""


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


def _of_keywords(kwargs: Expression) -> Iterator[Place]:
    """The loans in keyword arguments; the place is the name of the argument."""
    if type(kwargs) is not list or kwargs[:1] != [b"dictionary"]:
        yield from places(kwargs, " kwargs")
        return
    for pair in kwargs[1:]:
        if type(pair) is list:
            for position, part in enumerate(pair):
                yield from places(part, f" {visible(text_of(pair[0]), 20)}=" if position else " kwargs")


def _user_of(args: Expression) -> str:
    """The name that a login is for."""
    name = text_of(args[1]) if type(args) is list and len(args) > 1 else b""
    return visible(name, 40) or "somebody"


def _cut(name: str) -> str:
    """*name* with its middle left out, if it is too long."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}..{name[-_NAME // 2 + 2 :]}"


def _key(request: Request) -> Hashable | None:
    """A request id as the key it is answered by; a list cannot be answered."""
    return None if isinstance(request, list) else request
