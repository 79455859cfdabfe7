"""A jellied value as Python's own data, for programs that look into it. Makes no object of any class that is named."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.verbs import Luid, is_luid

__all__ = ["Reference", "plain"]

#: lists inside lists; what is deeper is left out
_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that *owner* lends under *luid*."""

    owner: Side
    luid: Luid


# Any: a peer sends what it likes, and whoever asks looks at what came.
def plain(value: Expression, sender: Side) -> Any:
    """*value*, which *sender* has jellied, as Python's own data, and a `Reference` for each object that is lent.

    Everything else is None: instances and their like, what is no jelly, a secret that is covered, what is too deep.
    Of a dict the pairs are left out whose key is a container.
    """
    return _Reader(sender).read(value)


class _Reader:
    """Reads one value."""

    def __init__(self, sender: Side) -> None:
        self._sender = sender
        self._depth = 0
        self._met: dict[int, Any] = {}

    def read(self, value: Expression) -> Any:
        if type(value) in (int, float, bytes):
            return value
        if type(value) is not list or not value or type(value[0]) is not bytes or self._depth >= _DEPTH:
            return None
        self._depth += 1
        try:
            return self._tagged(value[0], value[1:])
        finally:
            self._depth -= 1

    def _tagged(self, tag: bytes, items: list[Expression]) -> Any:
        if tag == b"dictionary":
            return self._dictionary(items)
        if tag in (b"tuple", b"list"):
            made = [self.read(item) for item in items]
            return tuple(made) if tag == b"tuple" else made
        if tag in (b"remote", b"local") and len(items) == 1 and is_luid(items[0]):
            return Reference(self._sender if tag == b"remote" else self._sender.other, items[0])
        if tag in (b"reference", b"dereference") and items and type(items[0]) is int:
            if len(items) == 2:
                self._met[items[0]] = self.read(items[1])
            return self._met.get(items[0])
        if not items or type(items[0]) is not bytes:
            return None
        if tag == b"unicode":
            return items[0].decode("utf-8", "backslashreplace")
        return items[0] == b"true" if tag == b"boolean" else None

    def _dictionary(self, pairs: list[Expression]) -> dict[Any, Any]:
        made = {}
        for pair in pairs:
            if type(pair) is list and len(pair) == 2:
                key = self.read(pair[0])
                # A tuple looks hashable, and is not if a list is inside.
                if isinstance(key, Hashable) and type(key) is not tuple:
                    made[key] = self.read(pair[1])
        return made
