"""Where a stream that is met in its middle can be read from. Knows how PB's expressions begin; keeps no books."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pbshell.errors import PeerError
from pbshell.wire.banana import DIALECTS, NONE, PB, Decoder, Dialect, Expression
from pbshell.wire.limits import Limits
from pbshell.wire.tags import TAGS
from pbshell.wire.verbs import VERBS, parse

__all__ = ["Joined", "Joining", "begins_with_choice", "begins_with_offer"]

#: fields that a verb's list has, its word included, for the verbs that are looked for
_LENGTHS = {word: form.length for word, form in VERBS.items() if word != b"didNotUnderstand"}


def _head(word: bytes, dialect: Dialect) -> bytes:
    """How the verb *word* begins: the length of its list, and the word."""
    return bytes((_LENGTHS[word], 0x80)) + (dialect.codes.get(word) or bytes((len(word), 0x82)) + word)


def _any_of(heads: Iterable[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(re.escape, heads)))


_HEADS = {dialect: [_head(word, dialect) for word in _LENGTHS] for dialect in (PB, NONE)}
_PATTERNS = {dialect: _any_of(heads) for dialect, heads in _HEADS.items()}
_EITHER = _any_of([*_HEADS[PB], *_HEADS[NONE]])
#: bytes of the longest head, less one: what of the end may be the beginning of one
_OVERLAP = max(len(head) for heads in _HEADS.values() for head in heads) - 1

#: candidates that may fail, and bytes that count as one more: each costs a reading, and a stream that is made of them
#: is nobody's
_DECOYS, _READ = 1_000, 16_384

#: what the words of the handshake are followed by where nobody saw the connection open, for each dialect
_CHOICES = tuple(
    bytes((len(name), 0x82)) + name + b"\x02\x80" + (dialect.codes.get(b"version") or b"\x07\x82version")
    for name, dialect in DIALECTS.items()
)
#: what an offer may be
_OFFER = Limits(expression=512, items=64, depth=1)


class Joined:
    """A stream is readable from here: *skipped* bytes came before, *expression* is the first.

    *decoder* holds what follows. *dialect* is the one that both sides speak.
    """

    __slots__ = ("decoder", "dialect", "expression", "skipped")

    def __init__(self, skipped: int, dialect: Dialect, expression: Expression, decoder: Decoder) -> None:
        self.skipped = skipped
        self.dialect = dialect
        self.expression = expression
        self.decoder = decoder


class Joining:
    """Looks for the first expression that is a verb, decodes, and is followed by another.

    *skipped* counts the bytes that have been given up; *glimpse* is how the stream began, at most 64 bytes.
    """

    def __init__(self, limits: Limits, dialect: Dialect | None = None) -> None:
        self.skipped = 0
        self.glimpse = b""
        self._limits = limits
        self._dialect = dialect
        self._buffer = bytearray()  # from the candidate on, or what may be the beginning of one
        self._decoder: Decoder | None = None  # reads the candidate
        self._expression: Expression = None
        self._complete = False
        self._candidates = 0

    @property
    def size(self) -> int:
        """Bytes that have come so far."""
        return self.skipped + len(self._buffer)

    def feed(self, data: bytes) -> Joined | None:
        """Look further, with *data*."""
        if len(self.glimpse) < 64:
            self.glimpse += data[: 64 - len(self.glimpse)]
        self._buffer += data
        if self._decoder is not None:
            self._decoder.feed(data)
        while self._decoder is not None or self._find():
            joined = self._try()
            if joined is not None:
                return joined
            if self._decoder is not None:
                return None  # bytes are missing
        return None

    def finish(self) -> Joined | None:
        """No more bytes come: an expression that is complete needs no other behind it."""
        if not self._complete or self._decoder is None:
            return None
        rest = self._decoder.rest
        return self._found() if any(head.startswith(rest) for head in _HEADS[self._decoder.dialect]) else None

    def _find(self) -> bool:
        """Set out from the next candidate."""
        pattern = _EITHER if self._dialect is None else _PATTERNS[self._dialect]
        match = pattern.search(self._buffer) if self._candidates < _DECOYS else None
        if match is None:
            # The end may be the beginning of a head.
            self._skip(max(len(self._buffer) - _OVERLAP, 0))
            return False
        dialect = self._dialect or (PB if _PATTERNS[PB].match(match.group()) else NONE)
        self._skip(match.start())
        self._candidates += 1
        self._decoder = Decoder(dialect, self._limits)
        self._decoder.feed(bytes(self._buffer))
        self._complete = False
        return True

    def _try(self) -> Joined | None:
        """The candidate, if it stands. A candidate that has failed is given up, and has no decoder any more."""
        decoder = self._decoder
        assert decoder is not None
        if not self._complete:
            try:
                expression = next(decoder, None)
                if expression is None:
                    return None
                parse(expression)
            except PeerError as error:
                self._give_up(max(decoder.offset, getattr(error, "offset", None) or 0))
                return None
            self._expression = expression
            self._complete = True
        heads, rest = _HEADS[decoder.dialect], decoder.rest
        if any(rest.startswith(head) for head in heads):
            return self._found()
        if not any(head.startswith(rest) for head in heads):
            self._give_up(decoder.offset)
        return None

    def _found(self) -> Joined:
        assert self._decoder is not None
        return Joined(self.skipped, self._decoder.dialect, self._expression, self._decoder)

    def _give_up(self, read: int) -> None:
        """The candidate is none, of which *read* bytes were read."""
        self._candidates += read // _READ
        self._decoder = None
        self._complete = False
        self._skip(1)

    def _skip(self, count: int) -> None:
        self.skipped += count
        del self._buffer[:count]


def begins_with_offer(head: bytes) -> bool | None:
    """Whether a server's stream that begins with *head* begins with its offer; None while it cannot be told."""
    decoder = Decoder(NONE, _OFFER)
    decoder.feed(head)
    try:
        expression = next(decoder, None)
    except PeerError:
        return False
    if expression is None:
        return None if len(head) < _OFFER.expression else False
    return (
        type(expression) is list
        and all(type(name) is bytes for name in expression)
        and not DIALECTS.keys().isdisjoint(expression)
        and expression[0] not in TAGS
    )


def begins_with_choice(head: bytes) -> bool | None:
    """Whether a client's stream that begins with *head* begins with its choice; None while it cannot be told."""
    if any(head.startswith(choice) for choice in _CHOICES):
        return True
    return None if any(choice.startswith(head) for choice in _CHOICES) else False
