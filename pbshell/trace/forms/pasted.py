"""Bytes without a story, as somebody pasted them: one frame or a whole stream, explained as far as they go.

Knows neither who sent them nor what came before; a whole capture is the business of the dissector.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pbshell.errors import PeerError, ProtocolError
from pbshell.trace import payloads
from pbshell.trace.dissector import TRACE_LIMITS
from pbshell.trace.forms.tree import dump, payload_tree, value_tree, verb_tree
from pbshell.trace.joining import Joining
from pbshell.trace.values import identity
from pbshell.wire.banana import DIALECTS, PB, Decoder, Expression
from pbshell.wire.chunk import Side
from pbshell.wire.foreign import recognise
from pbshell.wire.limits import Limits
from pbshell.wire.text import visible
from pbshell.wire.verbs import Luid, parse

__all__ = ["explain_bytes"]

#: lines of one explanation
_LINES = 4_000
#: bytes that are shown on each side of what is wrong; bytes of a row in a dump, and columns before its first byte
_WINDOW, _ROW, _MARGIN = 32, 16, 8
#: bytes that are searched for a place to read on, and how often that is done
_SEARCHED, _SEARCHES = 8 * 1024, 4
#: bytes that may be missing at the end, and still be counted
_MISSING = 1024 * 1024
#: dialects that an offer names in its line, and characters of a dialect
_DIALECTS, _NAME = 8, 20


def explain_bytes(data: bytes, limits: Limits = TRACE_LIMITS) -> Iterator[str]:
    """What *data* says, in at most some 4,000 lines: each expression with its place and size in bytes, and its tree.

    Then what is left: how many bytes are missing, or what is wrong and where. Words of the dialect pb are read
    wherever they stand. Other protocols, pickles and zlib are named. Raises nothing, whatever the bytes are. Secrets
    are not covered: without the conversation around them they cannot be told from anything else.
    """
    lines = _explain(data, limits)
    yield from islice(lines, _LINES)
    if next(lines, None) is not None:
        yield f"... and more: {len(data):,} bytes in all"


def _explain(data: bytes, limits: Limits) -> Iterator[str]:
    payload = payloads.recognise(data)
    foreign = recognise(data)
    if payload is not None:
        yield f"no PB, but this: {payload}"
        yield from (f"  {line}" for line in payload_tree(data, payload))
    elif foreign is not None:
        yield f"this is {foreign}: {foreign.advice}"
        yield from (f"  {row}" for row in dump(data))
    elif data:
        yield from _Stream(data, limits).explain()
    else:
        yield "there are no bytes"


class _Stream:
    """What one side has sent, or a piece of it."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        #: who has sent it: only a word of the handshake tells
        self._sender: Side | None = None

    def explain(self) -> Iterator[str]:
        """Expression by expression; from what cannot be read on to the next verb."""
        place = 0
        for _ in range(_SEARCHES):
            decoder = Decoder(PB, self._limits)
            decoder.feed(self._data[place:])
            try:
                yield from self._read(decoder, place)
            except PeerError as error:
                stopped = place + (error.offset or 0)
                yield f"at byte {stopped:,} it cannot be read: {visible(error.message)}"
                yield from _window(self._data, stopped)
                found = self._search(stopped + 1)
            else:
                stopped = place + decoder.offset
                if stopped == len(self._data):
                    return
                # What is met in its middle may look like the beginning of something long.
                found = None if decoder.offset else self._search(place + 1)
                if found is None:
                    yield from _incomplete(self._data[stopped:], stopped, self._limits)
                    return
            if found is None:
                place = stopped
                break
            yield f"at byte {found:,} it can be read again, {found - place - decoder.offset:,} bytes are passed over"
            place = found
        yield f"... {len(self._data) - place:,} bytes from there on are not read"

    def _read(self, decoder: Decoder, place: int) -> Iterator[str]:
        """All that *decoder*, whose bytes begin at *place*, makes of them. Raises PeerError."""
        offset = 0
        for expression in decoder:
            words, tree = self._expression(expression, first=place + offset == 0)
            yield f"at byte {place + offset:,}, {decoder.offset - offset:,} B: {words}"
            yield from tree
            offset = decoder.offset

    def _expression(self, expression: Expression, *, first: bool) -> tuple[str, Iterator[str]]:
        """In a few words, and in full."""
        if first and isinstance(expression, bytes) and expression in DIALECTS:
            self._sender = Side.CLIENT
            return f"the client chooses the dialect {expression.decode()}", iter(())
        if first and _is_offer(expression):
            self._sender = Side.SERVER
            names = ", ".join(visible(name, _NAME) for name in expression[:_DIALECTS])
            return f"the server offers the dialects {names}", iter(())
        side = self._sender or Side.CLIENT
        try:
            verb = parse(expression)
        except ProtocolError as error:
            return f"no verb: {visible(error.message)}", value_tree(expression, side, names=self._name)
        return expression[0].decode(), verb_tree(verb, side, names=self._name)

    def _name(self, owner: Side, luid: Luid) -> str:
        name = identity(owner, luid)
        if self._sender is not None or name == "root":
            return name
        # Everything is read as if the client had said it.
        return f"{'sender' if owner is Side.CLIENT else 'receiver'}'s {name[1:]}"

    def _search(self, place: int) -> int | None:
        """Where, from *place* on, a verb begins."""
        found = []
        for dialect in DIALECTS.values():
            joining = Joining(self._limits, dialect)
            joined = joining.feed(self._data[place : place + _SEARCHED]) or joining.finish()
            found += [] if joined is None else [place + joined.skipped]
        return min(found, default=None)


def _is_offer(expression: Expression) -> bool:
    if not isinstance(expression, list) or not all(isinstance(name, bytes) for name in expression):
        return False
    return any(name in DIALECTS for name in expression)


def _incomplete(rest: bytes, place: int, limits: Limits) -> Iterator[str]:
    missing = _missing(rest, limits)
    yield f"at byte {place:,}, {len(rest):,} B: an expression begins that is not complete, {missing} are missing"
    yield from (f"  {row}" for row in dump(rest, place))


def _missing(rest: bytes, limits: Limits) -> str:
    """How many bytes the expression needs that *rest* begins: as many as the shortest that complete it."""
    decoder = Decoder(PB, limits)
    decoder.feed(rest)
    # Each is the number 0, and each is a byte of a string or of a float.
    decoder.feed(b"\x81" * _MISSING)
    try:
        found = next(decoder, None)
    except PeerError:
        return "more bytes than an expression may have"
    return f"over {_MISSING:,} bytes" if found is None else f"at least {decoder.offset - len(rest):,} bytes"


def _window(data: bytes, bad: int) -> Iterator[str]:
    """The bytes around the one at *bad*, and a mark below that."""
    start = max(bad - _WINDOW, 0) // _ROW * _ROW
    for row, line in enumerate(dump(data[start : bad + _WINDOW], start)):
        yield f"  {line}"
        if row == (bad - start) // _ROW:
            yield " " * (2 + _MARGIN + 3 * ((bad - start) % _ROW)) + "^^"
