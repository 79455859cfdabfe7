"""The bytes of an expression, with what is secret in them overwritten. Knows how elements are spelled; decides nothing.

Nothing moves: every element is as long as before, and of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from pbshell.trace.redact import Path
from pbshell.wire.banana import FLOAT, LIST, STRING, VOCAB, Dialect, Expression
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.verbs import is_luid

__all__ = ["blot", "overwrite"]

_STAR = 0x2A
#: digits of a length that are kept in what does not decode; more of them may be a text
_DIGITS = 5
_ELEMENT = re.compile(rb"([\x00-\x7f]*)[\x80-\x87]")
_LIST = bytes((LIST,))

# How a part of an expression is covered: but for what is below, or whole, as a jellied value, as an untagged pair of
# them, or as bytes and numbers.
_Below: TypeAlias = "dict[int, _Below | str]"
_VALUE, _PAIR, _RAW = "value", "pair", "raw"
_PARTS = {Values.ALL: _VALUE, Values.PAIRS: _PAIR}
_NOTHING: _Below = {}


def overwrite(raw: bytes, expression: Expression, paths: Sequence[Path]) -> bytes:
    """*raw*, the bytes of *expression*, with all that stands at *paths* overwritten: as long as before, and decodable.

    Strings become stars and numbers zero; a word of the dialect becomes its first one. Lists stay, and so do their
    tags and the classes of copies.
    """
    data = bytearray(raw)
    position = 0
    stack = [iter([(expression, _tree(paths))])]
    while stack:
        for item, how in stack[-1]:
            start = position
            while data[position] < 0x80:
                position += 1
            kind = data[position]
            position += 1
            if kind == LIST:
                stack.append(iter(_inside(item, how)))
                break
            size = len(item) if kind == STRING else 8 if kind == FLOAT else 0
            if isinstance(how, str):
                # A number that cannot be a luid stays one, so that nothing looks lent that was not.
                zero = 0 if type(item) is not int or is_luid(item) else _STAR
                _cover(data, start, position, position + size, zero)
            position += size
        else:
            stack.pop()
    return bytes(data)


def _tree(paths: Sequence[Path]) -> _Below | str:
    """The same *paths* as a tree."""
    top: _Below = {}
    for path in paths:
        if not path:
            return _VALUE
        below = top
        for position in path[:-1]:
            below = below.setdefault(position, {})  # type: ignore[assignment]  # no path leads into another one
        below[path[-1]] = _VALUE
    return top


def _inside(item: list[Expression], how: _Below | str) -> Iterable[tuple[Expression, _Below | str]]:
    """The items of a list, and how each is covered."""
    if isinstance(how, dict):
        return ((part, how.get(position, _NOTHING)) for position, part in enumerate(item))
    if how == _VALUE and item:
        shape, tag = shape_of(item), item[0]
        is_copy = shape.values is Values.LAST and type(item[-1]) is list
        if is_copy or (type(tag) is bytes and tag in TAGS):
            inner: list[_Below | str] = [_PARTS.get(shape.values, _RAW)] * len(item)
            inner[-1] = _VALUE if shape.values is Values.LAST else inner[-1]
            if tag in (b"reference", b"dereference") and len(item) == shape.fewest + 1:
                # The number of a value that is met again.
                inner[1] = _NOTHING
            inner[0] = _NOTHING
            return zip(item, inner, strict=True)
    return ((part, _VALUE if how == _PAIR else _RAW) for part in item)


def _cover(data: bytearray, start: int, behind: int, end: int, zero: int = 0) -> None:
    """Cover the element whose prefix is at *start* and whose payload is what stands *behind* it, up to the *end*.

    The digits of a number become *zero*.
    """
    kind = data[behind - 1]
    digits = behind - 1 - start
    if kind == STRING:
        data[behind:end] = b"*" * (end - behind)
    elif kind == VOCAB:
        data[start : behind - 1] = b"\x01" + bytes(digits - 1)
    else:
        data[start : behind - 1] = bytes((zero,)) * digits
        data[behind:end] = bytes(end - behind)


def blot(rest: bytes, dialect: Dialect) -> bytes:
    """*rest*, the beginning of an expression that is not complete or no banana, covered behind its first word.

    It is as long as before, and what is wrong with it stays wrong; what follows that is covered byte by byte.
    """
    data = bytearray(rest)
    position = element = 0
    while True:
        match = _ELEMENT.match(data, position)
        if match is None:
            break
        behind = match.end()
        kind, digits = data[behind - 1], match[1]
        number = sum(digit << 7 * place for place, digit in enumerate(digits[: _DIGITS + 1]))
        if kind in (LIST, STRING) and len(digits) > _DIGITS:
            break
        if kind == VOCAB and number not in dialect.words:
            break
        end = min(behind + (number if kind == STRING else 8 if kind == FLOAT else 0), len(data))
        is_word = element == 1 and data[:position].endswith(_LIST)
        if kind != LIST and not is_word:
            _cover(data, position, behind, end)
        position = end
        element += 1
    wrong = next((at for at in range(position, len(data)) if data[at] >= 0x80), len(data))
    for at in range(position, len(data)):
        if at != wrong:
            data[at] = _STAR
    return bytes(data)
