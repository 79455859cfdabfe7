"""Values as short text, without running code of anybody: no ``repr()`` but of plain values, no properties.

Knows Python's plain values and references; an object of any other class is its class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pbshell.broker.references import RemoteReference
from pbshell.errors import dotted_name
from pbshell.wire.text import visible

__all__ = ["Attributes", "attributes_of", "own_attributes", "spelled", "without_arguments"]

#: What `attributes_of` gives: names and spelled values.
Attributes = dict[str, str]

#: attributes that are looked at, characters of a name and of a value, and of one string
_ATTRIBUTES, _NAME, _VALUE, _STRING = 50, 60, 200, 80
#: lists inside lists that are shown, and bits of an integer that Python will write in decimal
_DEPTH, _BITS = 6, 4096
_PARENTHESES = re.compile(r"\([^()]*\)")
_PLAIN = (type(None), bool, int, float, complex)
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}


def spelled(value: Any, room: int = _VALUE) -> str:
    """*value* in about *room* characters; what is cut tells its length."""
    parts: list[str] = []
    _spell(value, room, 0, parts)
    return visible("".join(parts))


def attributes_of(thing: Any) -> Attributes:
    """The attributes of *thing* that stand in its dictionary and do not begin with an underscore: at most fifty."""
    found = own_attributes(thing)
    names = [name for name in found if type(name) is str and not name.startswith("_")]
    return {visible(name, _NAME): spelled(found[name]) for name in names[:_ATTRIBUTES]}


def own_attributes(thing: Any) -> dict[Any, Any]:
    """The dictionary of *thing*, empty if it has none. Not a copy."""
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def without_arguments(birth: str) -> str:
    """The name of a *birth*, ``getBuilder('linux')``, as far as others share it: ``getBuilder(..)``."""
    before = None
    while birth != before:
        before, birth = birth, _PARENTHESES.sub("\0", birth)
    return birth.replace("\0", "(..)")


def _spell(value: Any, room: int, depth: int, parts: list[str]) -> int:
    """Write *value* behind *parts*; returns how much room is left."""
    kind = type(value)
    if kind in _BRACKETS and depth < _DEPTH:
        return _spell_items(value, room, depth, parts)
    if kind is int and value.bit_length() > _BITS:
        text = f"<int of {value.bit_length():,} bits>"
    elif kind in _PLAIN or issubclass(kind, RemoteReference):
        text = repr(value)
    elif kind in (str, bytes):
        text = repr(value[:_STRING])
        if len(value) > _STRING:
            text += f"... ({len(value):,} {'characters' if kind is str else 'bytes'})"
    elif kind in _BRACKETS:
        text = "..."
    else:
        text = f"<{dotted_name(kind)}>"
    parts.append(text)
    return room - len(text)


def _spell_items(value: Any, room: int, depth: int, parts: list[str]) -> int:
    kind: type = type(value)
    opening, closing = _BRACKETS[kind]
    items: Iterable[Any] = value.items() if type(value) is dict else value
    parts.append(opening)
    room -= 2
    for position, item in enumerate(items):
        if position:
            parts.append(", ")
            room -= 2
        if room <= 0:
            parts.append(f"... ({len(value):,} items)")
            break
        if type(value) is dict:
            room = _spell(item[0], room, depth + 1, parts)
            parts.append(": ")
            room = _spell(item[1], room - 2, depth + 1, parts)
        else:
            room = _spell(item, room, depth + 1, parts)
    parts.append(",)" if type(value) is tuple and len(value) == 1 else closing)
    return room
