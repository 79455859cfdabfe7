"""Pieces in, the same pieces out, the bytes of their secrets overwritten by as many stars, so that all still decodes.

Knows where expressions begin and end, and covers what `redact` calls a secret; knows no files and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pbshell.errors import PeerError, ProtocolError
from pbshell.trace.dissector import TRACE_LIMITS
from pbshell.trace.joining import Joined, Joining, begins_with_choice, begins_with_offer
from pbshell.trace.overwriting import blot, overwrite
from pbshell.trace.redact import Path, Redactor
from pbshell.wire.banana import DIALECTS, NONE, Decoder, Dialect, Expression
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Seed, Side
from pbshell.wire.foreign import recognise
from pbshell.wire.limits import Limits
from pbshell.wire.verbs import Request, form_of, is_luid

__all__ = ["Masker"]

#: bytes that are kept of a stream that never was PB, unless fewer tell what it is
_GLIMPSE = 8
#: calls of each side that are remembered until they are answered
_PENDING = 65_536
#: bytes of the name of a dialect
_NAME = 64


class Masker:
    """Covers the secrets of any number of connections, at the *level* of a `Redactor`.

    *limits* are what one expression may be. What comes out is what went in, in its order, but that the beginning of an
    expression waits for its end, and is then cut off from what has gone before.
    """

    def __init__(self, level: str = "strict", limits: Limits = TRACE_LIMITS) -> None:
        Redactor(level)  # which refuses a level that does not exist
        self.level = level
        self._limits = limits
        self._connections: dict[int, _Connection] = {}

    def feed(self, piece: Piece) -> list[Piece]:
        """What may be kept now. Raises nothing, whatever the bytes are."""
        if self.level == "off":
            return [piece]
        if isinstance(piece, Chunk):
            return self._of(piece.connection).chunk(piece)
        if isinstance(piece, Seed):
            before = self._forget(piece.connection)
            self._of(piece.connection).plant(piece)
            return [*before, piece]
        if piece.kind == "closed":
            return [*self._forget(piece.connection), piece]
        return [*self._of(piece.connection).happened(piece), piece]

    def finish(self) -> list[Piece]:
        """What is held back, covered: nothing comes behind it."""
        return [piece for number in list(self._connections) for piece in self._forget(number)]

    def _of(self, number: int) -> _Connection:
        connection = self._connections.get(number)
        if connection is None:
            connection = self._connections[number] = _Connection(self.level, self._limits)
        return connection

    def _forget(self, number: int) -> list[Piece]:
        connection = self._connections.pop(number, None)
        return [] if connection is None else connection.finish()


class _Held:
    """A chunk that waits, and its bytes, which may be overwritten."""

    __slots__ = ("chunk", "data")

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.data: bytes | bytearray = chunk.data

    def let_go(self) -> Chunk:
        return self.chunk if self.data is self.chunk.data else replace(self.chunk, data=bytes(self.data))


class _Stream:
    """What one *side* sends, from the byte *begin* on, which is the first that has not been let go.

    *begun* is whether it has said its word of the handshake, *head* what has come while that cannot be told, *joining*
    the search for a place to read from, *ended* whether nothing can be read any more. *base* counts the bytes before
    the decoder's own. *calls* are the beginnings of this side's calls that are not answered, by request.
    """

    __slots__ = ("base", "begin", "begun", "calls", "decoder", "ended", "head", "held", "joining", "other", "side")

    def __init__(self, side: Side, limits: Limits) -> None:
        self.side = side
        self.other = self
        self.calls: dict[Request, Sequence[Expression]] = {}
        self.decoder = Decoder(NONE, limits)
        self.base = 0
        self.begin = 0
        self.begun = False
        self.head = b""
        self.joining: Joining | None = None
        self.ended = False
        self.held: deque[_Held] = deque()

    def pieces(self, start: int, size: int) -> Iterator[tuple[_Held, int, int]]:
        """Where the *size* bytes from *start* on are: what holds them, and from where to where in it."""
        at = self.begin
        stop = start + size
        for held in self.held:
            after = at + len(held.data)
            if after > start:
                yield held, max(start - at, 0), min(stop - at, len(held.data))
            if after >= stop:
                return
            at = after

    def copy(self, start: int, size: int) -> bytes:
        """The *size* bytes from *start* on, all of which are held."""
        return b"".join(held.data[first:last] for held, first, last in self.pieces(start, size))

    def paint(self, start: int, data: bytes) -> None:
        """Put *data* in the place of the bytes from *start* on."""
        used = 0
        for held, first, last in self.pieces(start, len(data)):
            if not isinstance(held.data, bytearray):
                held.data = bytearray(held.data)
            held.data[first:last] = data[used : used + last - first]
            used += last - first

    def let_go(self, upto: int) -> list[Piece]:
        """The chunks that end at *upto* or before; one that goes on is cut there."""
        gone: list[Piece] = []
        while self.held and self.begin < upto:
            first = self.held[0]
            size = len(first.data)
            if self.begin + size <= upto:
                gone.append(self.held.popleft().let_go())
                self.begin += size
                continue
            cut = upto - self.begin
            gone.append(replace(first.chunk, data=bytes(first.data[:cut])))
            self.held[0] = _Held(replace(first.chunk, data=bytes(first.data[cut:])))
            self.begin = upto
        return gone

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return sum(len(held.data) for held in self.held)


class _Connection:
    """Both streams of a connection, read as the dissector reads them."""

    def __init__(self, level: str, limits: Limits) -> None:
        self._limits = limits
        self._redactor = Redactor(level)
        # Not in a dict by side, whose lookup would be the dearest part of a small message.
        self._client, self._server = self._streams = tuple(_Stream(side, limits) for side in Side)
        self._client.other, self._server.other = self._server, self._client
        self._dialect: Dialect | None = None
        self._opened = False
        self._offered = False
        self._gone: list[Piece] = []  # what has been let go in the middle of a chunk

    # ------------------------------------------------------------------------------------ what comes in

    def chunk(self, chunk: Chunk) -> list[Piece]:
        """What *chunk* completes."""
        stream = self._client if chunk.sender is Side.CLIENT else self._server
        if stream.ended or not chunk.data:
            stream.begin += len(chunk.data)
            return [replace(chunk, data=b"*" * len(chunk.data))]
        stream.held.append(_Held(chunk))
        self._take(stream, chunk.data)
        gone = self._let_go(stream)
        if self._gone:
            gone = self._gone + gone
            self._gone = []
        return gone

    def plant(self, seed: Seed) -> None:
        """Begin with what the books of the Broker said."""
        self._opened = True
        if seed.dialect is not None:
            self._speak(DIALECTS.get(seed.dialect, NONE))
        for stream in self._streams:
            stream.begun = seed.dialect is not None or stream.side in seed.begun
        for call in seed.awaited:
            # Only root has a login that matters here.
            target = b"root" if call.method == "login" else b""
            stream = self._client if call.caller is Side.CLIENT else self._server
            stream.calls[call.request] = (b"message", call.request, target, call.method.encode("utf-8", "replace"))

    def happened(self, event: LinkEvent) -> list[Piece]:
        """What is to be kept before *event*."""
        if event.kind == "opened":
            self._opened = True
        if event.kind != "gap":
            return []
        return [piece for each in self._streams if event.by in (None, each.side) for piece in self._interrupted(each)]

    def finish(self) -> list[Piece]:
        """All that is held back: nothing follows it."""
        for stream in self._streams:
            if stream.head:
                self._join(stream)
            joined = stream.joining.finish() if stream.joining is not None else None
            if joined is not None:
                self._arrived(stream, joined)
        for stream in self._streams:
            self._gone += self._give_up(stream)
        return self._gone

    # ------------------------------------------------------------------------------------ reading

    def _take(self, stream: _Stream, data: bytes) -> None:
        """Give *data* to whoever reads what this side sends at the moment."""
        if stream.joining is not None:
            joined = stream.joining.feed(data)
            if joined is not None:
                self._arrived(stream, joined)
            return
        if not stream.begun and not self._opened and not (stream is self._client and self._offered):
            stream.head += data
            is_handshake = begins_with_offer(stream.head) if stream is self._server else begins_with_choice(stream.head)
            if is_handshake is None:
                return
            if not is_handshake:
                self._join(stream)
                return
            data, stream.head = stream.head, b""
        stream.decoder.feed(data)
        self._read(stream)

    def _read(self, stream: _Stream) -> None:
        decoder = stream.decoder
        if stream.joining is not None:
            return
        # The server's words behind its offer wait for the client's choice.
        while self._dialect is not None or stream is self._client or not stream.begun:
            start = decoder.offset
            try:
                expression = next(decoder, None)
            except PeerError:
                stream.ended = True
                return
            if expression is None:
                return
            waited = self._dialect is None
            self._understand(stream, expression, stream.base + start, decoder.offset - start)
            if waited and self._dialect is not None:
                self._let_other_speak(stream)
            if not decoder.unread:
                return

    def _join(self, stream: _Stream) -> None:
        """What has come is no beginning: look for a place to read from."""
        stream.begun = True
        stream.joining = Joining(self._limits, self._dialect)
        data, stream.head = stream.head, b""
        self._take(stream, data)

    def _arrived(self, stream: _Stream, joined: Joined) -> None:
        stream.joining = None
        stream.decoder = joined.decoder
        self._blank(stream, stream.base + joined.skipped)
        stream.base += joined.skipped
        self._speak(joined.dialect)
        self._understand(stream, joined.expression, stream.base, joined.decoder.offset)
        self._let_other_speak(stream)
        self._read(stream)

    def _interrupted(self, stream: _Stream) -> list[Piece]:
        """Bytes are missing: what is half said is lost, and what follows is to be found again."""
        gone = self._give_up(stream)
        stream.base = stream.begin
        stream.decoder = Decoder(self._dialect or NONE, self._limits)
        stream.head = b""
        stream.ended = False
        stream.begun = True
        stream.joining = Joining(self._limits, self._dialect)
        return gone

    def _let_other_speak(self, stream: _Stream) -> None:
        """The dialect is known, for which the other side may have waited: its words come here."""
        other = stream.other
        if other.held:
            self._gone += stream.let_go(stream.base + stream.decoder.offset)
            self._read(other)
            self._gone += self._let_go(other)

    # ------------------------------------------------------------------------------------ letting go

    def _let_go(self, stream: _Stream) -> list[Piece]:
        """What has been read, and what never will be."""
        if stream.ended:
            return self._give_up(stream)
        if stream.joining is not None:
            upto = stream.base + stream.joining.skipped
            self._blank(stream, upto)
            return stream.let_go(upto)
        return stream.let_go(stream.base + stream.decoder.offset)

    def _give_up(self, stream: _Stream) -> list[Piece]:
        """All that is held: what has been read, and the rest covered."""
        end = stream.begin + stream.size
        if stream.joining is not None:
            self._blank(stream, end)
            return stream.let_go(end)
        read = stream.base + stream.decoder.offset
        rest = stream.copy(read, end - read)
        covered = blot(rest, self._dialect or NONE)
        if not stream.begun:
            kept = _telling(rest)
            covered = rest[:kept] + covered[kept:]
        stream.paint(read, covered)
        return stream.let_go(end)

    def _blank(self, stream: _Stream, upto: int) -> None:
        """Cover all that is held before *upto*, but for what tells that a stream is no PB at all."""
        size = upto - stream.begin
        if size > 0:
            kept = _telling(stream.copy(stream.begin, size), least=0) if not stream.begin else 0
            stream.paint(stream.begin + kept, b"*" * (size - kept))

    # ------------------------------------------------------------------------------------ understanding

    def _understand(self, stream: _Stream, expression: Expression, start: int, size: int) -> None:
        if stream.begun:
            paths = self._secrets(stream, expression)
        else:
            stream.begun = True
            paths = self._handshake(stream, expression)
        if paths:
            stream.paint(start, overwrite(stream.copy(start, size), expression, paths))

    def _handshake(self, stream: _Stream, expression: Expression) -> list[Path]:
        if stream is self._server:
            is_offer = type(expression) is list and all(type(name) is bytes for name in expression)
            self._offered = is_offer
            return [] if is_offer else _behind_its_word(expression)
        is_name = type(expression) is bytes
        self._speak(DIALECTS.get(expression, NONE) if is_name else NONE)
        return [] if is_name and len(expression) <= _NAME else [()]

    def _speak(self, dialect: Dialect) -> None:
        self._dialect = dialect
        for stream in self._streams:
            stream.decoder.dialect = dialect

    def _secrets(self, stream: _Stream, expression: Expression) -> list[Path]:
        try:
            form = form_of(expression)
            if form is None:
                return _behind_its_word(expression)
            form.check(expression)
        except ProtocolError:
            return _behind_its_word(expression)
        word = form.word
        call = None
        if word == b"message" or word == b"cachemessage":
            request = expression[1]
            if expression[4] and is_luid(request):
                stream.calls[request] = expression[:4]
                if len(stream.calls) > _PENDING:
                    del stream.calls[next(iter(stream.calls))]
        elif word == b"answer" or word == b"error":
            call = stream.other.calls.pop(expression[1], None)
        return self._redactor.secrets(stream.side, expression, call)


def _behind_its_word(expression: Expression) -> list[Path]:
    """All of what is no verb of PB, but for its first word: it is what there is to say about it."""
    if type(expression) is not list:
        return [()]
    has_word = bool(expression) and type(expression[0]) is bytes
    return [(position,) for position in range(1 if has_word else 0, len(expression))]


def _telling(head: bytes, least: int = _GLIMPSE) -> int:
    """How many bytes of *head*, the beginning of a stream, tell which protocol it is; or the *least* that are kept.

    No more: behind them may be what somebody else's protocol calls a password.
    """
    foreign = recognise(head)
    if foreign is None:
        return min(least, len(head))
    return next(
        size for size in range(1, len(head) + 1) if (known := recognise(head[:size])) and known.name == foreign.name
    )
