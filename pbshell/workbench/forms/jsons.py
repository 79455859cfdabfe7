"""Data as JSON: what commands and statements give, for programs. Knows values and rows; writes to no stream.

Source: docs/reference/json.md.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pbshell.broker.references import RemoteCopy, RemoteReference
from pbshell.errors import dotted_name
from pbshell.trace.values import identity
from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import own_attributes
from pbshell.workbench.forms.rows import Notice, Rows, shown

__all__ = ["SCHEMA", "kind_of", "lines", "objects", "plain"]

#: the version of the schema
SCHEMA = 1

#: whole numbers up to here are the same in every reader of JSON; bits of one that Python will write in decimal
_WHOLE, _BITS = 1 << 53, 4096
#: lists inside lists, and values in all; the peer decides how many there are, and can send one many times
_DEPTH, _VALUES = 100, 1_000_000
#: characters of what only has a repr()
_SHOWN = 2000


def lines(value: object) -> Iterator[str]:
    """*value* as ASCII lines, one for each of its `objects`."""
    for each in objects(value):
        # DEL is the one character that json leaves as it is and a terminal does not.
        yield json.dumps({"v": SCHEMA, **each}).replace("\x7f", "\\u007f")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """*value* as objects of JSON: one for each of its rows, else one. Each has a ``kind``.

    What has a method ``objects()`` says itself how it is written.
    """
    if isinstance(value, Rows):
        yield from map(_row, value)
    elif isinstance(value, Notice):
        yield {"kind": "notice", "text": str(value), **_without(_fields(value), "kind", "text")}
    elif hasattr(type(value), "objects") and not isinstance(value, RemoteCopy):
        yield from (_members(each) for each in value.objects())
    elif _is_row(value):
        yield _row(value)
    else:
        yield {"kind": "value", "value": plain(value)}


def kind_of(row: type) -> str:
    """What a row is called in JSON: ``reference`` for a ReferenceRow."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", row.__name__.removesuffix("Row") or row.__name__)
    return name.lower()


def plain(value: Any) -> Any:
    """*value* as what JSON has: None, bool, numbers, text, lists, and dictionaries with text for keys.

    What JSON has no word for is an object that says what it is, such as ``{"bytes": "ff"}``. No code is run for it but
    the ``repr()`` of a class that PB does not know.
    """
    return _Plain().value(value, 0)


def _row(row: Any) -> dict[str, Any]:
    fields = _fields(row)
    if "kind" in fields:
        fields["about"] = fields.pop("kind")
    return {"kind": kind_of(type(row)), **fields}


def _is_row(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _fields(row: Any) -> dict[str, Any]:
    if not _is_row(row):
        return {"value": plain(row)}
    return {field.name: plain(getattr(row, field.name)) for field in dataclasses.fields(row)}


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def _members(given: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in given.items()}


class _Plain:
    """Writes one value."""

    def __init__(self) -> None:
        self._left = _VALUES
        # Those that we are inside of.
        self._path: set[int] = set()

    def value(self, value: Any, depth: int) -> Any:
        kind = type(value)
        # A long text may stand in as many places as a short one.
        is_text = kind in (str, bytes)
        self._left -= 1 + (len(value) >> 6 if is_text else 0)
        if self._left < 0 and is_text:
            return {"cut": f"it has more than {_VALUES:,} values"}
        if value is None or kind in (bool, str):
            return value
        if isinstance(value, (int, float)):
            return _number(value)
        if isinstance(value, (bytes, bytearray)):
            return {"bytes": value.hex()}
        if isinstance(value, str):
            return str.__str__(value)
        if depth > _DEPTH or self._left < 0:
            return {"cut": "it is nested too deeply" if depth > _DEPTH else f"it has more than {_VALUES:,} values"}
        if id(value) in self._path:
            return {"cut": "it contains itself"}
        self._path.add(id(value))
        try:
            return self._compound(value, depth + 1)
        finally:
            self._path.discard(id(value))

    def _compound(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return self._dict(value, depth)
        if isinstance(value, (list, tuple)):
            return [self.value(each, depth) for each in value]
        if isinstance(value, (set, frozenset)):
            return {"set": [self.value(each, depth) for each in value]}
        if _is_row(value):
            return {each.name: self.value(getattr(value, each.name), depth) for each in dataclasses.fields(value)}
        if isinstance(value, RemoteReference):
            return {"ref": identity(value.broker.side.other, value.luid), "text": shown(value, _SHOWN)}
        name = visible(dotted_name(type(value)), 200)
        if isinstance(value, RemoteCopy):
            return {"class": name, "state": self._dict(public(value), depth)}
        return {"class": name, "text": shown(value, _SHOWN)}

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        if all(type(key) is str for key in value):
            return {key: self.value(each, depth) for key, each in value.items()}
        return {"pairs": [[self.value(key, depth), self.value(each, depth)] for key, each in value.items()]}


def public(copy: Any) -> dict[Any, Any]:
    """The attributes of a copy but for those of its own class, which begin with an underscore."""
    attributes = own_attributes(copy).items()
    return {name: each for name, each in attributes if not (isinstance(name, str) and str.startswith(name, "_"))}


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if abs(value) < _WHOLE:
        return int(value)
    return {"int": str(int(value)) if value.bit_length() <= _BITS else hex(value)}
