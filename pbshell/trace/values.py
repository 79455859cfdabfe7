"""Jelly as a person would write the value in Python. Knows tags; makes no objects, and reads no more than it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from pbshell.trace import payloads
from pbshell.trace.redact import SECRET
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.tags import Values, shape_of
from pbshell.wire.text import visible
from pbshell.wire.verbs import Luid

__all__ = ["Names", "arguments", "failure", "identity", "is_tagged", "plain", "spell", "whole"]

#: Says how an object is called that this side lends under this luid, as `identity` does.
Names: TypeAlias = Callable[[Side, Luid], str]

#: characters of one text, bytes of one byte string
_TEXT, _BYTES = 80, 32
#: lists inside lists that are shown
_DEPTH = 12
#: bits of an integer that Python will still write in decimal
_BITS = 4096


def identity(owner: Side, luid: Luid) -> str:
    """The name of an object that *owner* lends: ``c3``, ``s3``, ``root``."""
    if luid == b"root":
        return "root"
    letter = "c" if owner is Side.CLIENT else "s"
    if isinstance(luid, int) and luid.bit_length() > _BITS:
        return f"{letter}<int of {luid.bit_length():,} bits>"
    return f"{letter}{visible(repr(luid), 40)}"


def spell(value: Expression, sender: Side, room: int = 200, *, names: Names = identity) -> str:
    """*value*, which *sender* has jellied, in about *room* characters; what is cut tells its length.

    *names* says how references are called.
    """
    speller = _Speller(sender, room, names)
    speller.value(value)
    return speller.text()


def arguments(args: Expression, kwargs: Expression, sender: Side, room: int = 200, *, names: Names = identity) -> str:
    """The arguments of a call as they stand between its parentheses."""
    speller = _Speller(sender, room, names)
    speller.arguments(args, kwargs)
    return speller.text()


def failure(value: Expression, sender: Side, room: int = 200, *, names: Names = identity) -> str:
    """A failure as ``type: text``, or whatever else came in its place."""
    state = _state(value)
    if b"type" not in state or b"value" not in state:
        return spell(value, sender, room, names=names)
    kind, text = (visible(plain(state[key]), room) for key in (b"type", b"value"))
    return f"{kind}: {text}" if text else kind


def _state(value: Expression) -> dict[bytes, Expression]:
    """The attributes of a copied object, by name."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], list):
        return {}
    pairs = (pair for pair in value[1][1:] if isinstance(pair, list) and len(pair) == 2)
    return {key: item for name, item in pairs if isinstance(key := plain(name), bytes)}


def plain(value: Expression) -> Expression:
    """The bytes of a jellied text, or of a plain string; none of anything else."""
    if isinstance(value, list) and len(value) == 2 and value[0] == b"unicode":
        value = value[1]
    return value if isinstance(value, bytes) else b""


class _Speller:
    """Writes values until the room is used up. One is used for one line."""

    def __init__(self, sender: Side, room: int, names: Names) -> None:
        self._sender = sender
        self._room = room
        self._names = names
        self._parts: list[str] = []
        self._depth = 0

    def text(self) -> str:
        return "".join(self._parts)

    def write(self, text: str) -> None:
        self._parts.append(text)
        self._room -= len(text)

    def arguments(self, args: Expression, kwargs: Expression) -> None:
        """Positional arguments, then those by name; what is neither a tuple nor a dictionary behind its stars."""
        some = not is_tagged(args, b"tuple", b"list") or len(args) > 1
        if is_tagged(args, b"tuple", b"list"):
            self._items("", args[1:], "")
        else:
            self.write("*")
            self.value(args)
        if not is_tagged(kwargs, b"dictionary"):
            self.write(", **" if some else "**")
            self.value(kwargs)
            return
        for position, pair in enumerate(kwargs[1:]):
            if position or some:
                self.write(", ")
            if self._room <= 0:
                self.write(f"... ({len(kwargs) - 1:,} by name)")
                break
            self._keyword(pair)

    def _keyword(self, pair: Expression) -> None:
        name = plain(pair[0]) if isinstance(pair, list) and len(pair) == 2 else b""
        if name and name.isascii() and name.decode().isidentifier():
            self.write(f"{name.decode()}=")
            self.value(pair[1])
        else:
            self.write("**")
            self._items("{", [pair], "}", self._pair)

    def value(self, value: Expression) -> None:
        if value is SECRET:
            self.write("***")
        elif isinstance(value, bytes):
            self._bytes(value)
        elif isinstance(value, list):
            self._list(value)
        elif isinstance(value, int) and value.bit_length() > _BITS:
            self.write(f"<int of {value.bit_length():,} bits>")
        else:
            self.write(repr(value))

    def _bytes(self, value: bytes) -> None:
        payload = payloads.recognise(value)
        if payload is None:
            self._string(value, _BYTES, "bytes")
        else:
            self.write(f"<{payload}>")

    def _string(self, value: bytes | str, most: int, unit: str) -> None:
        # visible() is for the day on which repr() shows what a terminal obeys; today it changes nothing.
        self.write(visible(repr(value[:most])))
        if len(value) > most:
            self.write(f"... ({len(value):,} {unit})")

    def _list(self, value: list[Expression]) -> None:
        if self._depth >= _DEPTH:
            self.write("...")
            return
        self._depth += 1
        if value and isinstance(value[0], bytes):
            writer = _WRITERS.get(value[0], _Speller._object)
            try:
                writer(self, value)
            except (AttributeError, IndexError, TypeError, ValueError):
                self._raw(value)
        else:
            self._raw(value)
        self._depth -= 1

    def _raw(self, value: list[Expression]) -> None:
        """No jelly that we know: as it came."""
        self._items("<no jelly: [", value, "]>")

    def _items(
        self,
        opening: str,
        items: Sequence[Expression],
        closing: str,
        write: Callable[[Expression], None] | None = None,
    ) -> None:
        self.write(opening)
        for position, item in enumerate(items):
            if position:
                self.write(", ")
            if self._room <= 0:
                self.write(f"... ({len(items):,} items)")
                break
            (write or self.value)(item)
        self.write(closing)

    def _pair(self, pair: Expression) -> None:
        if not isinstance(pair, list) or len(pair) != 2:
            self.value(pair)
            return
        self.value(pair[0])
        self.write(": ")
        self.value(pair[1])

    # One writer for each tag. What is no such value they refuse before they have written anything.

    def _none(self, value: list[Expression]) -> None:
        self.write("None")

    def _boolean(self, value: list[Expression]) -> None:
        self.write({b"true": "True", b"false": "False"}.get(value[1]) or f"<boolean {spell(value[1], self._sender)}>")

    def _unicode(self, value: list[Expression]) -> None:
        text = value[1].decode("utf-8", "backslashreplace") if isinstance(value[1], bytes) else None
        if text is None:
            raise TypeError("text is bytes")
        self._string(text, _TEXT, "characters")

    def _sequence(self, value: list[Expression]) -> None:
        opening, closing = _BRACKETS[value[0]]
        if value[0] == b"tuple" and len(value) == 2:
            closing = ",)"
        elif value[0] in (b"set", b"frozenset") and len(value) == 1:
            opening, closing = f"{value[0].decode()}(", ")"
        self._items(opening, value[1:], closing)

    def _dictionary(self, value: list[Expression]) -> None:
        self._items("{", value[1:], "}", self._pair)

    def _decimal(self, value: list[Expression]) -> None:
        self.write(f"Decimal('{whole(value[1])}E{whole(value[2])}')")

    def _moment(self, value: list[Expression]) -> None:
        fields = ", ".join(str(int(field)) for field in value[1].split()[:7])
        self.write(f"{value[0].decode()}({fields})")

    def _reference(self, value: list[Expression]) -> None:
        """A value that is met again: C's sign for "the place of", because Python has none."""
        number, content = whole(value[1]), value[2]
        self.write(f"&{number}=")
        self.value(content)

    def _dereference(self, value: list[Expression]) -> None:
        self.write(f"*{whole(value[1])}")

    def _loan(self, value: list[Expression]) -> None:
        owner = self._sender if value[0] in (b"remote", b"cached") else self._sender.other
        if isinstance(value[1], list):
            raise TypeError("a luid is no list")
        cache = "cache " if value[0] in (b"cached", b"lcache") else ""
        self.write(f"{cache}{self._name(owner, value[1])}")

    def _name(self, owner: Side, luid: Luid) -> str:
        return visible(self._names(owner, luid))

    def _named(self, value: list[Expression]) -> None:
        self._items(f"<{value[0].decode()} ", value[1:], ">")

    def _object(self, value: list[Expression]) -> None:
        """A Copyable or a Cacheable: its class, and its state."""
        shape = shape_of(value)
        if shape.values is not Values.LAST:
            raise TypeError("no object")
        if len(value) == 3:
            self.write(f"cache {self._name(self._sender, value[1])} ")
        self._items(f"<{visible(value[0], 60)} ", value[-1:], ">")


_BRACKETS = {b"list": ("[", "]"), b"tuple": ("(", ")"), b"set": ("{", "}"), b"frozenset": ("frozenset({", "})")}

_WRITERS: dict[bytes, Callable[[_Speller, list[Expression]], None]] = {
    b"None": _Speller._none,
    b"boolean": _Speller._boolean,
    b"unicode": _Speller._unicode,
    b"dictionary": _Speller._dictionary,
    b"decimal": _Speller._decimal,
    b"reference": _Speller._reference,
    b"dereference": _Speller._dereference,
    **dict.fromkeys(_BRACKETS, _Speller._sequence),
    **dict.fromkeys((b"datetime", b"date", b"time", b"timedelta"), _Speller._moment),
    **dict.fromkeys((b"remote", b"local", b"cached", b"lcache"), _Speller._loan),
    **dict.fromkeys(
        (b"class", b"module", b"function", b"method", b"instance", b"unpersistable", b"persistent"), _Speller._named
    ),
}


def is_tagged(value: Expression, *tags: bytes) -> bool:
    """Whether *value* is a list that begins with one of *tags*."""
    return isinstance(value, list) and bool(value) and value[0] in tags


def whole(value: Expression) -> int:
    """*value*, if it is an integer that can be written. Raises TypeError otherwise."""
    if not isinstance(value, int) or value.bit_length() > _BITS:
        raise TypeError("an integer was due")
    return value
