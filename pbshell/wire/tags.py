"""Jelly's tags: how an object is written as an s-expression. Knows positions, makes no objects.

Read by whoever unjellies, by the grammar, and by the reference. Source: docs/reference/wire.md#jelly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from pbshell.wire.banana import Expression
from pbshell.wire.verbs import is_luid

__all__ = ["TAGS", "Shape", "Values", "shape_of"]


class Values(Enum):
    """Which items behind a tag are jellied values themselves."""

    NONE = "none: they are plain bytes and numbers"
    ALL = "all of them"
    PAIRS = "each is an untagged pair, key and value"
    LAST = "the last one"


@dataclass(frozen=True, slots=True)
class Shape:
    """A tag's *values*, the fewest and most items behind it (*most* None: any number), and what it *means*."""

    values: Values
    fewest: int
    most: int | None
    means: str


_ATOM, _ALL, _PAIRS, _LAST = Values.NONE, Values.ALL, Values.PAIRS, Values.LAST

TAGS: Mapping[bytes, Shape] = {
    b"None": Shape(_ATOM, 0, None, "None"),
    b"boolean": Shape(_ATOM, 1, None, "True or False, spelled true and false"),
    b"unicode": Shape(_ATOM, 1, None, "text, as UTF-8"),
    b"decimal": Shape(_ATOM, 2, None, "an integer and the power of ten to multiply it with"),
    b"datetime": Shape(_ATOM, 1, None, "year month day hour minute second microsecond, as decimal text"),
    b"date": Shape(_ATOM, 1, None, "year month day, as decimal text"),
    b"time": Shape(_ATOM, 1, None, "hour minute second microsecond, as decimal text"),
    b"timedelta": Shape(_ATOM, 1, None, "days seconds microseconds, as decimal text"),
    b"list": Shape(_ALL, 0, None, "a list"),
    b"tuple": Shape(_ALL, 0, None, "a tuple"),
    b"set": Shape(_ALL, 0, None, "a set"),
    b"frozenset": Shape(_ALL, 0, None, "a frozenset"),
    b"dictionary": Shape(_PAIRS, 0, None, "a dict, in order of insertion"),
    b"reference": Shape(_LAST, 2, 2, "a value that is met again, under a number"),
    b"dereference": Shape(_ATOM, 1, 1, "the value of that number"),
    b"class": Shape(_ATOM, 1, None, "a class, by its dotted name"),
    b"module": Shape(_ATOM, 1, None, "a module, by its name"),
    b"function": Shape(_ATOM, 1, None, "a function, by its dotted name"),
    b"method": Shape(_ATOM, 3, None, "a bound method"),
    b"instance": Shape(_LAST, 2, 2, "an instance as old peers write it: class, state"),
    b"unpersistable": Shape(_ATOM, 1, None, "something the sender could not send, and why"),
    b"persistent": Shape(_ATOM, 1, None, "something kept elsewhere, by its id"),
    b"remote": Shape(_ATOM, 1, 1, "an object of the sender, lent once more"),
    b"local": Shape(_ATOM, 1, 1, "an object of the receiver, coming home"),
    b"cached": Shape(_ATOM, 1, 1, "a cached object of the sender, lent once more"),
    b"lcache": Shape(_ATOM, 1, 1, "a cached object of the receiver, coming home"),
}

_COPY = Shape(_LAST, 1, 1, "a Copyable: its state")
_CACHE = Shape(_LAST, 2, 2, "a Cacheable, lent for the first time: luid, state")
_OTHER = Shape(_ATOM, 0, None, "an object that writes itself")


def shape_of(expression: list[Expression]) -> Shape:
    """The shape of a tagged list, by its tag or, for a class, by its length."""
    tag = expression[0]
    if type(tag) is not bytes:
        return _OTHER
    if tag in TAGS:
        return TAGS[tag]
    if len(expression) == 2:
        return _COPY
    if len(expression) == 3 and is_luid(expression[1]):
        return _CACHE
    return _OTHER
