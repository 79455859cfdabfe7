"""Where in a value an object is lent: the place that gives it its name. Knows jelly's positions; makes no objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from pbshell.wire.banana import Expression
from pbshell.wire.grammar import Loan
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.text import visible
from pbshell.wire.verbs import is_luid

__all__ = ["Place", "lends", "places", "text_of"]

#: a loan, where it stands, and the list that makes it
Place: TypeAlias = tuple[Loan, str, Expression]

_LOANS = frozenset((b"remote", b"local", b"cached", b"lcache"))
#: characters of a key or an attribute in a place
_KEY = 20


def lends(values: Iterable[Expression]) -> bool:
    """Whether there may be a loan in *values*: quick, and never wrong when it denies."""
    stack = [values]
    while stack:
        for item in stack.pop():
            if type(item) is list and item:
                tag = item[0]
                if type(tag) is bytes and (tag in _LOANS or (len(item) == 3 and tag not in TAGS)):
                    return True
                if len(item) > 2 or tag != b"unicode":
                    stack.append(item)
    return False


def places(value: Expression, place: str = "") -> Iterator[Place]:
    """Every loan in *value*, which stands at *place*, where it stands, and the list that makes it; in wire order.

    A place is written as in Python: ``[1]``, ``['key']``, ``.attribute``. Does not recurse.
    """
    stack: list[Iterator[tuple[Expression, str]]] = [iter(((value, place),))]
    while stack:
        for item, where in stack[-1]:
            if type(item) is not list or not item:
                continue
            tag = item[0]
            if type(tag) is bytes and tag in _LOANS:
                if len(item) == 2 and is_luid(item[1]):
                    yield Loan(tag, item[1]), where, item
                continue
            shape = shape_of(item)
            if shape.values is Values.ALL:
                stack.append(_items(item, where))
            elif shape.values is Values.PAIRS:
                stack.append(_pairs(item, where))
            elif shape.values is Values.LAST and len(item) > 1:
                if len(item) == 3 and tag not in TAGS:
                    yield Loan(b"cached", item[1], first=True), where, item
                if tag != b"reference" and type(item[-1]) is list and item[-1][:1] == [b"dictionary"]:
                    stack.append(_pairs(item[-1], where, attributes=True))
                else:
                    stack.append(iter(((item[-1], where),)))
            else:
                continue
            break
        else:
            stack.pop()


def _items(value: list[Expression], where: str) -> Iterator[tuple[Expression, str]]:
    return ((item, f"{where}[{position}]") for position, item in enumerate(value[1:]))


def _pairs(value: list[Expression], where: str, *, attributes: bool = False) -> Iterator[tuple[Expression, str]]:
    for pair in value[1:]:
        if type(pair) is list:
            inside = f"{where}{_spelled(pair[0], attributes=attributes)}" if pair else where
            for position, part in enumerate(pair):
                yield part, inside if position else where


def text_of(value: Expression) -> bytes:
    """The bytes of a jellied text or byte string; of anything else none."""
    if type(value) is list and len(value) == 2 and value[0] == b"unicode":
        value = value[1]
    return value if type(value) is bytes else b""


def _spelled(key: Expression, *, attributes: bool) -> str:
    if type(key) is list and len(key) == 2 and key[0] == b"unicode":
        key = key[1]
        if type(key) is bytes and not attributes:
            return f"[{visible(repr(key[:_KEY].decode('utf-8', 'backslashreplace')))}]"
    if type(key) is bytes:
        return f".{visible(key[:_KEY])}" if attributes else f"[{visible(repr(key[:_KEY]))}]"
    return f"[{visible(repr(key), _KEY)}]" if type(key) in (int, float) else "[..]"
