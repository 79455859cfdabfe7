"""Both streams of a connection: where each expression begins and ends, and which bytes cannot be read.

Knows the handshake, gaps, and streams that are met in their middle; knows no verb, keeps no books, and has no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pbshell.errors import LimitExceeded, PeerError
from pbshell.trace.joining import Joined, Joining, begins_with_choice, begins_with_offer
from pbshell.wire.banana import DIALECTS, NONE, Decoder, Dialect, Expression
from pbshell.wire.chunk import Seed, Side
from pbshell.wire.foreign import recognise
from pbshell.wire.limits import DEFAULT_LIMITS, Limits

__all__ = ["TRACE_LIMITS", "Choice", "Offer", "Stream", "Streams", "Stretch", "Undecodable", "Unseen"]

#: What traffic between others may be: they may have raised their limits, and what exceeds a stock peer's is to be seen.
TRACE_LIMITS = Limits(string=1 << 28, list=1 << 24, depth=200, expression=1 << 29, items=1 << 24)

#: bytes of a foreign stream that are kept to be looked at
_GLIMPSE = 64


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


@dataclass(slots=True)
class Stretch:
    """The next *size* bytes of *stream*, behind *offset* others: one *expression*, or, if it is None, less than one.

    *what* they are is told of the words of the handshake, and of what cannot be read; of any other expression it is
    None. Unseen of no bytes stands where nothing was lost.
    """

    stream: Stream
    offset: int
    size: int
    expression: Expression = None
    what: Offer | Choice | Undecodable | Unseen | None = None


class Stream:
    """What one *side* sends.

    *begun* is whether it has said its word of the handshake, *head* what came of that while it cannot be told whether
    it is one, *joining* the search for a place to read from, *ended* whether nothing can be read any more. *base*
    counts the bytes before the decoder's own.
    """

    __slots__ = ("base", "begun", "decoder", "ended", "head", "joining", "other", "side")

    def __init__(self, side: Side, limits: Limits) -> None:
        self.side = side
        self.other = self
        self.decoder = Decoder(NONE, limits)
        self.begun = False
        self.head = b""
        self.joining: Joining | None = None
        self.ended = False
        self.base = 0

    @property
    def offset(self) -> int:
        """Bytes before the next expression, or before where it is looked for."""
        return self.base + (self.decoder.offset if self.joining is None else self.joining.skipped)

    @property
    def rest(self) -> bytes:
        """The bytes that are no whole expression yet; none where nothing is read."""
        return self.head or self.decoder.rest

    def drop(self, base: int) -> None:
        """Read no further: *base* bytes have come."""
        self.base = base
        self.decoder = Decoder()
        self.head = b""


class Streams:
    """What both sides send, of which each expression may be what *limits* say. To be read; others write *opened* only.

    *opened* is whether the connection is known to begin where its streams do, *joined* whether one of them was met in
    its middle. *gaps* counts the places where bytes are missing. *dialect* is the one that both speak, None while it
    is not known.
    What comes out comes out in the order in which it can be read, and goes on with what is asked for only.
    """

    def __init__(self, limits: Limits) -> None:
        # Not in a dict by side, whose lookup would be the dearest part of a small message.
        self.client, self.server = self.both = tuple(Stream(side, limits) for side in Side)
        self.client.other, self.server.other = self.server, self.client
        self.dialect: Dialect | None = None
        self.opened = False
        self.joined = False
        self.gaps = 0
        self._offered = False
        self._limits = limits

    @property
    def partial(self) -> bool:
        """Whether something was said that did not come here."""
        return self.joined or self.gaps > 0

    def of(self, side: Side) -> Stream:
        """The stream of *side*."""
        return self.client if side is Side.CLIENT else self.server

    # ------------------------------------------------------------------------------------ what comes in

    def take(self, sender: Side, data: bytes) -> Iterable[Stretch]:
        """What *data* completes. Is to be used up before anything else comes in."""
        stream = self.client if sender is Side.CLIENT else self.server
        if stream.ended:
            stream.base += len(data)
            return ()
        if stream.joining is not None:
            joined = stream.joining.feed(data)
            return () if joined is None else self._arrived(stream, joined)
        if not stream.begun and not self.opened and not (stream is self.client and self._offered):
            stream.head += data
            is_handshake = begins_with_offer(stream.head) if stream is self.server else begins_with_choice(stream.head)
            if is_handshake is None:
                return ()
            if not is_handshake:
                return self._join(stream)
            data, stream.head = stream.head, b""
        stream.decoder.feed(data)
        return self._read(stream)

    def gap(self, by: Side | None) -> Iterator[Stretch]:
        """Bytes of one side, or of both, are missing: what is half said is lost; what follows is to be found again."""
        self.gaps += 1
        for stream in self.both:
            if by is None or by is stream.side:
                if stream.joining is not None:
                    lost = self._unseen(stream, stream.joining.size)
                else:
                    why = "the rest of it is in a gap"
                    lost = Stretch(stream, stream.offset, len(stream.rest), what=Unseen(why))
                yield lost
                stream.drop(lost.offset + lost.size)
                stream.ended = False
                self._look(stream)

    def plant(self, seed: Seed) -> None:
        """Begin with what the Broker knew."""
        for stream in self.both:
            stream.begun = seed.dialect is not None or stream.side in seed.begun
        if seed.dialect is not None:
            self._speak(DIALECTS.get(seed.dialect, NONE))

    def finish(self) -> Iterator[Stretch]:
        """What is readable only because nothing follows it."""
        for stream in self.both:
            if stream.head:
                yield from self._join(stream)
            if stream.joining is not None:
                joined = stream.joining.finish()
                if joined is not None:
                    yield from self._arrived(stream, joined)
                elif stream.joining.size:
                    yield self._unseen(stream, stream.joining.size)
                    stream.base += stream.joining.size
                    stream.joining = None
                    stream.ended = True

    def leftovers(self) -> Iterator[Stretch]:
        """What has begun and will never be completed; to be asked for when nothing more can be read."""
        for stream in self.both:
            rest = stream.rest
            if rest:
                reason = f"the stream ends inside an expression, {len(rest):,} bytes of it are here"
                yield _half(stream, reason, _beyond(rest, self.dialect))

    # ------------------------------------------------------------------------------------ reading

    def _read(self, stream: Stream) -> Iterator[Stretch]:
        if stream.ended or stream.joining is not None:
            return
        decoder = stream.decoder
        # The server's words behind its offer wait for the client's choice.
        while self.dialect is not None or stream is self.client or not stream.begun:
            start = decoder.offset
            try:
                expression = next(decoder, None)
            except PeerError as error:
                yield self._broken(stream, error)
                return
            if expression is None:
                return
            what = None if stream.begun else self._handshake(stream, expression)
            yield Stretch(stream, stream.base + start, decoder.offset - start, expression, what)
            if what is not None and stream is self.client:
                yield from self._read(self.server)
            if not decoder.unread:
                return

    def _broken(self, stream: Stream, error: PeerError) -> Stretch:
        lost = _half(stream, str(error), str(error) if isinstance(error, LimitExceeded) else "")
        # Nobody reads what follows, so nobody keeps it: it may be another protocol, and go on for ever.
        stream.ended = True
        stream.drop(lost.offset + lost.size)
        return lost

    def _handshake(self, stream: Stream, expression: Expression) -> Offer | Choice | Undecodable:
        stream.begun = True
        if stream is self.server:
            if not isinstance(expression, list) or not all(isinstance(name, bytes) for name in expression):
                return Undecodable("the server did not begin with a list of dialects")
            self._offered = True
            return Offer(tuple(expression))
        # Whatever came: nobody will choose again, and what follows may still be readable.
        self._speak(DIALECTS.get(expression, NONE) if isinstance(expression, bytes) else NONE)
        if not isinstance(expression, bytes):
            return Undecodable("the client did not begin with the name of a dialect")
        return Choice(expression)

    def _speak(self, dialect: Dialect) -> None:
        self.dialect = dialect
        for stream in self.both:
            stream.decoder.dialect = dialect

    # ------------------------------------------------------------------------------------ joining in the middle

    def _join(self, stream: Stream) -> Iterable[Stretch]:
        """What has come is no beginning."""
        self.joined = True
        self._look(stream)
        data, stream.head = stream.head, b""
        return self.take(stream.side, data)

    def _look(self, stream: Stream) -> None:
        """Look for a place to read from."""
        stream.begun = True
        stream.joining = Joining(self._limits, self.dialect)

    def _arrived(self, stream: Stream, joined: Joined) -> Iterator[Stretch]:
        yield self._unseen(stream, joined.skipped)
        stream.joining = None
        stream.decoder = joined.decoder
        stream.base += joined.skipped
        self._speak(joined.dialect)
        yield Stretch(stream, stream.base, joined.decoder.offset, joined.expression)
        # The other side may have waited for a dialect.
        yield from self._read(stream.other)
        yield from self._read(stream)

    def _unseen(self, stream: Stream, size: int) -> Stretch:
        assert stream.joining is not None
        why = "their beginning is in a gap" if self.gaps else "the capture begins in their middle"
        # What never becomes readable may be another protocol; else it may hold the secrets of a login.
        glimpse = stream.joining.glimpse
        data = glimpse if size == stream.joining.size and recognise(glimpse) else b""
        return Stretch(stream, stream.base, size, what=Unseen(why, data))


def _half(stream: Stream, reason: str, exceeds: str) -> Stretch:
    """All that is no whole expression."""
    rest = stream.rest
    what = Undecodable(reason, b"" if stream.begun else rest[:_GLIMPSE], exceeds)
    return Stretch(stream, stream.offset, len(rest), what=what)


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
