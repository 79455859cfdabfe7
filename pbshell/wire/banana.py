"""Banana: s-expressions to bytes and back. Knows nothing of objects, calls or sockets.

An s-expression is an int, a float, a byte string, or a list of s-expressions. Each element is a *prefix*, a number
in base 128 with the least significant digit first, and a *delimiter*, the first byte with the high bit set.
Source: docs/reference/wire.md#banana.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pbshell.errors import BananaError, CannotEncode, DialectError, LimitExceeded, PeerError
from pbshell.wire.limits import DEFAULT_LIMITS, Limits

__all__ = ["DIALECTS", "NONE", "PB", "WORDS", "Decoder", "Dialect", "Expression", "encode"]

LIST, INT, STRING, NEG, FLOAT, LONGINT, LONGNEG, VOCAB = range(0x80, 0x88)

#: An s-expression. Any, because lists nest without end: int | float | bytes | list[Expression].
Expression = Any

#: The words of dialect ``pb``, in the order of their numbers, which begin at 1.
_WORDS = """
    None class dereference reference dictionary function instance list module persistent tuple unpersistable
    copy cache cached remote local lcache version login password challenge logged_in not_logged_in
    cachemessage message answer error decref decache uncache
"""
WORDS = tuple(_WORDS.encode().split())
_LONGEST_WORD = max(map(len, WORDS))


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What both sides agreed upon: *words* by number, *codes* the same words as they are sent."""

    name: bytes
    words: Mapping[int, bytes]
    codes: Mapping[bytes, bytes]

    def __repr__(self) -> str:
        return f"<dialect {self.name.decode()}>"


NONE = Dialect(b"none", {}, {})
PB = Dialect(
    b"pb",
    dict(enumerate(WORDS, 1)),
    {word: bytes((number, VOCAB)) for number, word in enumerate(WORDS, 1)},
)
#: In the order in which a server offers them.
DIALECTS: Mapping[bytes, Dialect] = {b"pb": PB, b"none": NONE}


# ------------------------------------------------------------------------------------------------ encoding

_DIGITS = tuple(bytes((digit,)) for digit in range(128))
_INTS = tuple(bytes((number, INT)) for number in range(128))
_STRINGS = tuple(bytes((number, STRING)) for number in range(128))
_LISTS = tuple(bytes((number, LIST)) for number in range(128))
_pack_float = struct.Struct(">Bd").pack


def _prefixed(number: int, delimiter: int) -> bytes:
    """*number*, least significant digit first, and *delimiter*."""
    if number < 0x80:
        return bytes((number, delimiter))
    digits = bytearray()
    while number:
        digits.append(number & 0x7F)
        number >>= 7
    digits.append(delimiter)
    return bytes(digits)


def encode(value: Expression, dialect: Dialect = NONE, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """*value* as banana.

    Tuples are sent as lists, bools as 0 and 1. All or nothing: a value refused somewhere deep yields no bytes.
    Raises CannotEncode for a value without a type byte (text, None, dict, ...) or beyond *limits*.
    Source: docs/reference/wire.md#which-delimiter-an-encoder-uses.
    """
    codes = dialect.codes
    string_limit, items_left = limits.string, limits.items
    short_string, short_list = min(string_limit, 0x7F), min(limits.list, 0x7F)
    short_word = min(string_limit, _LONGEST_WORD)
    bytes_left = limits.expression  # of strings, which may be met many times and be long
    parts: list[bytes] = []
    write = parts.append
    outer: list[Iterator[Expression]] = []  # the lists that are open; a stack, because depth is the caller's choice
    inner: Iterator[Expression] = iter((value,))
    while True:
        for item in inner:
            kind = type(item)
            if kind is bytes:
                length = len(item)
                bytes_left -= length
                if length <= short_word:
                    write(codes.get(item) or _STRINGS[length] + item)
                elif length <= short_string:
                    write(_STRINGS[length] + item)
                elif item in codes:  # longer than the limit, which a word is not sent as
                    write(codes[item])
                elif length > string_limit:
                    raise _too_large("a string", length, "bytes", "string", string_limit)
                elif bytes_left < 0:
                    raise _too_large(
                        "a message", limits.expression - bytes_left, "bytes", "expression", limits.expression
                    )
                else:
                    write(_prefixed(length, STRING))
                    write(item)
            elif kind is int:
                if 0 <= item < 0x80:
                    write(_INTS[item])
                elif 0 < item < 0x4000:
                    write(_DIGITS[item & 0x7F] + _INTS[item >> 7])
                elif 0 < item < 0x200000:
                    write(_DIGITS[item & 0x7F] + _DIGITS[item >> 7 & 0x7F] + _INTS[item >> 14])
                else:
                    write(_encode_int(item, limits.prefix))
            elif kind is float:
                write(_pack_float(FLOAT, item))
            elif kind is list or kind is tuple or isinstance(item, (list, tuple)):
                length = len(item)
                if length <= short_list:
                    write(_LISTS[length])
                elif length <= limits.list:
                    write(_prefixed(length, LIST))
                else:
                    raise _too_large("a list", length, "items", "list", limits.list)
                if not length:
                    continue
                items_left -= length
                outer.append(inner)
                if len(outer) > limits.depth:
                    raise _too_large("a value", len(outer), "lists deep", "depth", limits.depth)
                if items_left < 0:
                    raise _too_large("a message", limits.items - items_left, "items", "items", limits.items)
                inner = iter(item)
                break
            else:
                write(_encode_unusual(item, dialect, limits))
        else:
            if not outer:
                break
            inner = outer.pop()
    data = b"".join(parts)
    if len(data) > limits.expression:
        raise _too_large("a message", len(data), "bytes", "expression", limits.expression)
    return data


def _encode_int(number: int, digits: int) -> bytes:
    if abs(number) >> (7 * digits):
        raise _too_large("an integer", (number.bit_length() + 6) // 7, "digits of 7 bits", "prefix", digits)
    if number >= 0:
        return _prefixed(number, INT if number < 0x80000000 else LONGINT)
    return _prefixed(-number, NEG if number >= -0x80000000 else LONGNEG)


def _encode_unusual(value: object, dialect: Dialect, limits: Limits) -> bytes:
    """Subclasses travel as what they inherit from, as banana has always done it; anything else is refused."""
    if isinstance(value, int):
        return _encode_int(int(value), limits.prefix)
    if isinstance(value, float):
        return _pack_float(FLOAT, value)
    if isinstance(value, bytes):
        return encode(bytes(value), dialect, limits)
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    raise CannotEncode(f"banana has no type byte for {name}: send int, float, bytes or a list of them")


def _too_large(what: str, size: int, unit: str, limit: str, value: int) -> CannotEncode:
    return CannotEncode(
        f"{what} of {size:,} {unit} exceeds {value:,}: send less at a time, or raise Limits({limit}=...) on both sides",
        size=size,
        limit=limit,
        value=value,
    )


# ------------------------------------------------------------------------------------------------ decoding


class Decoder:
    """Bytes in, in any pieces; s-expressions out, one at a time and only when asked for.

    Iterating yields the expressions that are complete and stops where bytes are missing; after the next `feed` it
    goes on. *dialect* and *limits* may be changed between two expressions, because an expression may change what
    the next may be. Nothing is read twice, nothing recurses, nothing is allocated from a length whose bytes have
    not arrived.

    Raises BananaError, LimitExceeded or DialectError, and then again at each further use.
    """

    __slots__ = (
        "_append",
        "_bounds",
        "_data",
        "_error",
        "_held",
        "_held_size",
        "_incoming",
        "_incoming_size",
        "_items_left",
        "_limits",
        "_missing",
        "_need",
        "_position",
        "_stack",
        "_top",
        "dialect",
        "offset",
    )

    def __init__(self, dialect: Dialect = NONE, limits: Limits = DEFAULT_LIMITS) -> None:
        self.dialect = dialect
        #: bytes consumed since the stream began, up to the last boundary between two expressions
        self.offset = 0
        self._error: PeerError | None = None
        self._data = b""  # bytes being read; those before _position have been
        self._position = 0
        self._incoming: list[bytes] = []  # bytes fed behind _data, joined to it when _need bytes are there
        self._incoming_size = 0
        self._need = 1
        self._held: list[bytes] = []  # tokens read in earlier pieces, of an expression that is not complete
        self._held_size = 0
        self._top: list[Expression] = []  # the expression, once it is complete
        # Where the next item of the innermost open list goes, and how many that list misses; then of those around it.
        self._append: Callable[[Expression], None] = self._top.append
        self._missing = 1
        self._stack: list[tuple[Callable[[Expression], None], int]] = []
        self.limits = limits

    @property
    def limits(self) -> Limits:
        """What an expression may be."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self._bounds = (limits.string, limits.list, limits.depth, limits.expression)
        self._items_left = limits.items

    @property
    def rest(self) -> bytes:
        """The bytes fed behind `offset`: exactly what no expression has accounted for."""
        return b"".join((*self._held, self._data[self._position :], *self._incoming))

    @property
    def unread(self) -> bool:
        """Whether there are bytes behind the last expression, whatever they will turn out to be."""
        return self._position < len(self._data) or bool(self._incoming or self._held)

    def feed(self, data: bytes) -> None:
        """Add *data* to what is to be read."""
        if self._position < len(self._data) or self._incoming:
            self._incoming.append(data)
            self._incoming_size += len(data)
        else:
            self._data = data
            self._position = 0

    def __iter__(self) -> Decoder:
        return self

    def __next__(self) -> Expression:
        """The next complete expression.

        The loop holds its state in locals, because every token passes here; running off the end of the bytes is how
        it notices that some are missing, and then the state is parked at the last token boundary.
        """
        if self._error is not None:
            raise self._error
        if self._incoming:
            if len(self._data) - self._position + self._incoming_size < self._need:
                raise StopIteration
            self._data = b"".join((self._data[self._position :], *self._incoming))
            self._position = 0
            self._incoming.clear()
            self._incoming_size = 0
        data = self._data
        words = self.dialect.words
        string_limit, list_limit, depth_limit, expression_limit = self._bounds
        stack, missing = self._stack, self._missing
        append = self._append
        items_left = self._items_left
        text = 0
        position = start = self._position
        need = 0
        try:
            while True:
                start = position
                byte = data[position]
                if byte < 0x80:
                    number = byte
                    byte = data[position + 1]
                    position += 2
                    if byte < 0x80:
                        number |= byte << 7
                        byte = data[position]
                        position += 1
                        if byte < 0x80:
                            number |= byte << 14
                            byte = data[position]
                            position += 1
                            if byte < 0x80:
                                number, byte, position = self._long_prefix(data, start)
                else:
                    number = 0
                    position += 1
                if byte == INT:
                    append(number)
                elif byte == VOCAB:
                    word = words.get(number)
                    if word is None:
                        raise self._no_such_word(number, start)
                    append(word)
                elif byte == LIST:
                    if number:
                        left = items_left - number
                        if number > list_limit or left < 0 or len(stack) >= depth_limit:
                            raise self._list_too_much(number, left, len(stack) + 1, start)
                        size = 0x80
                        if number == 2 and data.startswith(_TEXT, position):
                            # Most lists of PB are a short text, which is read in one step if it is all there.
                            size = data[position + _TEXT_SIZE]
                            text = position + _TEXT_SIZE + 2
                        if (
                            size < 0x80
                            and size <= string_limit
                            and data[text - 1] == STRING
                            and text + size <= len(data)
                        ):
                            position = text + size
                            append([b"unicode", data[text:position]])
                            items_left = left
                        else:
                            child: list[Expression] = []
                            append(child)
                            stack.append((append, missing - 1))
                            append = child.append
                            missing = number
                            items_left = left
                            continue
                    else:
                        append([])
                elif byte == STRING:
                    if number > string_limit:
                        raise self._too_much("a string", number, "bytes", "string", start)
                    stop = position + number
                    if stop > len(data):
                        need = stop - start
                        break
                    append(data[position:stop])
                    position = stop
                elif byte == FLOAT:
                    append(_FLOAT.unpack_from(data, position)[0])
                    position += 8
                elif byte == LONGINT:
                    append(number)
                elif byte == NEG or byte == LONGNEG:
                    append(-number)
                else:
                    raise BananaError(f"type byte 0x{byte:02x} does not exist in banana", offset=self._offset_of(start))
                missing -= 1
                if not missing:
                    while stack:
                        append, missing = stack.pop()
                        if missing:
                            break
                    else:
                        break
        except (IndexError, struct.error):
            need = len(data) - start + 1
        except PeerError as error:
            self._error = error
            raise
        size = self._held_size + (start + need if need else position) - self._position
        if size > expression_limit:
            self._error = self._too_much("an expression", size, "bytes", "expression", self._position - self._held_size)
            raise self._error
        if need:
            self._append, self._missing, self._need, self._items_left = append, missing, need, items_left
            if start > self._position:
                self._held.append(data[self._position : start])
                self._held_size += start - self._position
                self._position = start
            raise StopIteration
        self.offset += size
        self._position = position
        if self._held_size:
            self._held.clear()
            self._held_size = 0
        top = self._top
        expression = top.pop()
        self._append = top.append
        self._missing = self._need = 1
        self._items_left = self._limits.items
        return expression

    def _long_prefix(self, data: bytes, start: int) -> tuple[int, int, int]:
        """The number whose first digit is at *start*: (number, delimiter, position behind it).

        Raises IndexError while bytes are missing, LimitExceeded as soon as a digit too many is there: no honest
        peer sends more.
        """
        most = self._limits.prefix
        number = shift = 0
        for position in range(start, start + most + 1):
            byte = data[position]
            if byte >= 0x80:
                return number, byte, position + 1
            number |= byte << shift
            shift += 7
        raise self._too_much("a prefix", most + 1, "digits", "prefix", start)

    def _offset_of(self, start: int) -> int:
        return self.offset + self._held_size + start - self._position

    def _too_much(self, what: str, size: int, unit: str, limit: str, start: int) -> LimitExceeded:
        value = getattr(self._limits, limit)
        message = f"{what} of {size:,} {unit} exceeds {value:,}"
        return LimitExceeded(message, limit=limit, value=value, offset=self._offset_of(start))

    def _list_too_much(self, count: int, items_left: int, depth: int, start: int) -> LimitExceeded:
        if count > self._limits.list:
            return self._too_much("a list", count, "items", "list", start)
        if items_left < 0:
            return self._too_much("an expression", self._limits.items - items_left, "items", "items", start)
        return self._too_much("an expression", depth, "lists deep", "depth", start)

    def _no_such_word(self, number: int, start: int) -> PeerError:
        at = self._offset_of(start)
        if self.dialect.words:
            hint = "; the number comes before 0x87, not behind it" if number == 0 else ""
            return BananaError(f"dialect {self.dialect.name.decode()} has no word {number}{hint}", offset=at)
        return DialectError(f"word {number} came, and the dialect agreed upon has no words", offset=at)


_FLOAT = struct.Struct(">d")
#: The beginning of a text behind its list's head: the word, as a string.
_TEXT = b"\x07\x82unicode"
_TEXT_SIZE = len(_TEXT)
