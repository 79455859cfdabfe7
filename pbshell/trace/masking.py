"""Pieces in, the same pieces out, the bytes of their secrets overwritten by as many stars, so that all still decodes.

Covers what `redact` calls a secret, and what nobody can read; knows no files and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from pbshell.errors import ProtocolError
from pbshell.trace.overwriting import blot, overwrite
from pbshell.trace.redact import Path, Redactor
from pbshell.trace.streams import TRACE_LIMITS, Choice, Offer, Stream, Streams, Stretch
from pbshell.wire.banana import NONE, Expression
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
    """The chunks of a *stream* that wait. *data* is their bytes, which may be overwritten, *begin* what was let go.

    *calls* are the beginnings of this side's calls that are not answered, by request.
    """

    __slots__ = ("begin", "calls", "chunks", "data", "other", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.other = self
        self.calls: dict[Request, Sequence[Expression]] = {}
        self.chunks: deque[Chunk] = deque()
        self.data = bytearray()
        self.begin = 0

    def copy(self, start: int, size: int) -> bytes:
        """The *size* bytes behind the first *start*, all of which are held."""
        return bytes(self.data[start - self.begin : start - self.begin + size])

    def paint(self, start: int, data: bytes) -> None:
        """Put *data* in the place of the bytes behind the first *start*."""
        self.data[start - self.begin : start - self.begin + len(data)] = data

    def let_go(self, upto: int) -> list[Piece]:
        """The chunks that end at *upto* or before; one that goes on is cut there."""
        gone: list[Piece] = []
        while self.begin < upto:
            chunk = self.chunks.popleft()
            size = len(chunk.data)
            if size > upto - self.begin:
                size = upto - self.begin
                self.chunks.appendleft(replace(chunk, data=chunk.data[size:]))
                chunk = replace(chunk, data=chunk.data[:size])
            # What is not painted stays the chunk that came.
            gone.append(chunk if self.data.startswith(chunk.data) else replace(chunk, data=bytes(self.data[:size])))
            del self.data[:size]
            self.begin += size
        return gone


class _Connection:
    """Both streams of a connection, and what is held of them."""

    def __init__(self, level: str, limits: Limits) -> None:
        self._redactor = Redactor(level)
        self._streams = Streams(limits)
        self._client, self._server = _Held(self._streams.client), _Held(self._streams.server)
        self._client.other, self._server.other = self._server, self._client

    # ------------------------------------------------------------------------------------ what comes in

    def chunk(self, chunk: Chunk) -> list[Piece]:
        """What *chunk* completes."""
        if not chunk.data:
            return [chunk]
        held = self._client if chunk.sender is Side.CLIENT else self._server
        if held.stream.ended:
            chunk = replace(chunk, data=b"*" * len(chunk.data))
        held.chunks.append(chunk)
        held.data += chunk.data
        return self._follow(self._streams.take(chunk.sender, chunk.data), held)

    def plant(self, seed: Seed) -> None:
        """Begin with what the books of the Broker said."""
        self._streams.opened = True
        self._streams.plant(seed)
        for call in seed.awaited:
            # Only root has a login that matters here.
            target = b"root" if call.method == "login" else b""
            held = self._client if call.caller is Side.CLIENT else self._server
            held.calls[call.request] = (b"message", call.request, target, call.method.encode("utf-8", "replace"))

    def happened(self, event: LinkEvent) -> list[Piece]:
        """What is to be kept before *event*."""
        if event.kind == "opened":
            self._streams.opened = True
        return self._follow(self._streams.gap(event.by), self._client) if event.kind == "gap" else []

    def finish(self) -> list[Piece]:
        """All that is held back: nothing follows it."""
        gone = self._follow(chain(self._streams.finish(), self._streams.leftovers()), self._client)
        for held in (self._client, self._server):
            gone += held.let_go(held.begin + len(held.data))
        return gone

    def _follow(self, stretches: Iterable[Stretch], held: _Held) -> list[Piece]:
        """Cover what is to be covered in *stretches*, the first perhaps what is *held*, and let go what was read.

        Where the other side goes on, whose words may have waited, what was read comes before them.
        """
        gone: list[Piece] = []
        first = held
        for stretch in stretches:
            if stretch.stream is not held.stream:
                gone += self._let_go(held)
                held = held.other
            self._cover(held, stretch)
        gone += self._let_go(held)
        return gone if held is first else gone + self._let_go(first)

    def _let_go(self, held: _Held) -> list[Piece]:
        """What has been read, and what never will be."""
        upto = held.stream.offset
        joining = held.stream.joining
        if joining is not None and joining.skipped:
            self._blank(held, upto)
        return held.let_go(upto)

    # ------------------------------------------------------------------------------------ covering

    def _cover(self, held: _Held, stretch: Stretch) -> None:
        start, size, expression = stretch.offset, stretch.size, stretch.expression
        if expression is not None:
            paths = self._secrets(held, expression) if stretch.what is None else _in_handshake(stretch)
            if paths:
                held.paint(start, overwrite(held.copy(start, size), expression, paths))
        elif held.stream.joining is not None:
            self._blank(held, start + size)
        else:
            rest = held.copy(start, size)
            kept = 0 if held.stream.begun else _telling(rest)
            held.paint(start, rest[:kept] + blot(rest, self._streams.dialect or NONE)[kept:])

    def _blank(self, held: _Held, upto: int) -> None:
        """Cover all that is held before *upto*, but for what tells that a stream is no PB at all."""
        size = upto - held.begin
        if size > 0:
            kept = _telling(held.copy(held.begin, size), least=0) if not held.begin else 0
            held.paint(held.begin + kept, b"*" * (size - kept))

    def _secrets(self, held: _Held, expression: Expression) -> list[Path]:
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
                held.calls[request] = expression[:4]
                if len(held.calls) > _PENDING:
                    del held.calls[next(iter(held.calls))]
        elif word == b"answer" or word == b"error":
            call = held.other.calls.pop(expression[1], None)
        return self._redactor.secrets(held.stream.side, expression, call)


def _in_handshake(stretch: Stretch) -> list[Path]:
    """Nothing of a word of the handshake; all of what stands in its place."""
    what = stretch.what
    if isinstance(what, Offer) or (isinstance(what, Choice) and len(what.dialect) <= _NAME):
        return []
    return [()] if stretch.stream.side is Side.CLIENT else _behind_its_word(stretch.expression)


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
