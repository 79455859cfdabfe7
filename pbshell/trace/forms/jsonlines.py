"""`-o json`: one JSON object for each dissection, for programs. Knows the schema; leaves nothing out, makes no objects.

Source: docs/reference/trace-json.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.notes import Cached, Decached, Ended, Exported, Large, Lent, Note, Odd, Released, Uncached
from pbshell.trace.redact import SECRET
from pbshell.trace.values import is_tagged
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import LinkEvent, Seed, Side
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.verbs import (
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Luid,
    Message,
    Uncache,
    Version,
    is_luid,
)

__all__ = ["SCHEMA", "Json", "to_json"]

#: The version of the schema.
SCHEMA = 1

#: whole numbers up to here are the same in every reader of JSON
_WHOLE = 1 << 53
#: bits of an integer that Python will still write in decimal
_BITS = 4096


class Json:
    """`-o json`: every dissection as one ASCII line. *zero* is when its clock was 0, in seconds since 1970.

    A line is as long as it has to be, and its times are what they are: *width* and *times* are those of the others.
    """

    def __init__(
        self, width: int | None = None, times: str = "rel", zero: float | None = None, *, began: float | None = None
    ) -> None:
        self._zero = zero

    def header(self) -> str:
        """What stands above the lines: nothing."""
        return ""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """The object of *dissection*."""
        return [_object(_members(dissection, conversation, self._zero))]

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """Nothing becomes due."""
        return []

    def finish(self, now: float) -> list[str]:
        """Nothing is kept back."""
        return []


# ------------------------------------------------------------------------------------------------ members

#: A name and JSON that is written already.
_Member = tuple[str, str]


def _object(members: Iterator[_Member] | list[_Member]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in members) + "}"


def _list(items: Iterator[str] | list[str]) -> str:
    return f"[{', '.join(items)}]"


def _members(dissection: Dissection, conversation: Conversation, zero: float | None) -> Iterator[_Member]:
    yield "v", str(SCHEMA)
    yield "n", str(dissection.number)
    yield "at", _float(dissection.at)
    wall = None if zero is None else _wall(zero + dissection.at)
    if wall is not None:
        yield "wall", _text(wall)
    yield "conn", str(dissection.connection)
    if conversation.name:
        yield "name", _text(conversation.name)
    if dissection.sender is not None:
        yield "by", _text(dissection.sender.value)
    yield "kind", _text(_kind(dissection))
    if dissection.sender is not None and not isinstance(dissection.what, LinkEvent):
        yield "size", str(dissection.size)
        yield "offset", str(dissection.offset)
    yield from _SAID[type(dissection.what)](dissection)
    notes = [_object(_note(note)) for note in dissection.notes if not isinstance(note, Odd)]
    if notes:
        yield "notes", _list(notes)
    odd = [note for note in dissection.notes if isinstance(note, Odd)]
    if odd:
        yield "odd", _list([_object([("kind", _text(note.kind)), ("text", _text(note.text))]) for note in odd])


def _kind(dissection: Dissection) -> str:
    what = dissection.what
    if isinstance(what, LinkEvent):
        return what.kind
    return "error" if isinstance(what, ErrorAnswer) else type(what).__name__.lower()


def _wall(at: float) -> str | None:
    """*at* in seconds since 1970 as a date and time, if there is one."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    except (OverflowError, ValueError, OSError):
        return None


# ------------------------------------------------------------------------------------------------ what was said


def _call(dissection: Dissection) -> Iterator[_Member]:
    what, sender = dissection.what, _sender(dissection)
    assert isinstance(what, (Message, CacheMessage))
    yield "request", to_json(what.request, sender)
    owner, luid = (sender.other, what.object) if isinstance(what, Message) else (sender, what.cache)
    yield "target", _target(dissection, owner, luid)
    yield "method", _bytes_as_text(what.method)
    yield "wants_answer", "true" if what.wants_answer else "false"
    if is_tagged(what.args, b"tuple", b"list"):
        yield "args", _list([to_json(item, sender) for item in what.args[1:]])
    else:
        yield "raw_args", to_json(what.args, sender)
    named = _by_name(what.kwargs)
    if named is None:
        yield "raw_kwargs", to_json(what.kwargs, sender)
    else:
        yield "kwargs", "{" + ", ".join(f"{_text(name)}: {to_json(item, sender)}" for name, item in named.items()) + "}"


def _answer(dissection: Dissection) -> Iterator[_Member]:
    what, sender = dissection.what, _sender(dissection)
    assert isinstance(what, (Answer, ErrorAnswer))
    yield "request", to_json(what.request, sender)
    call = dissection.call
    if call is not None and isinstance(call.what, (Message, CacheMessage)):
        if call.number:
            yield "call", str(call.number)
        yield "took", _float(round(dissection.at - call.at, 9))
        yield "method", _bytes_as_text(call.what.method)
    if isinstance(what, Answer):
        yield "result", to_json(what.result, sender)
    else:
        yield "error", _object(_failure(what.failure, sender))


def _failure(value: Expression, sender: Side) -> Iterator[_Member]:
    state = _attributes(value)
    kind, text = state.get(b"type"), state.get(b"value")
    if kind is None or text is None:
        yield "raw", to_json(value, sender)
    else:
        yield "type", _bytes_as_text(kind)
        yield "text", _bytes_as_text(text)


def _returned(dissection: Dissection) -> Iterator[_Member]:
    what, sender = dissection.what, _sender(dissection)
    assert isinstance(what, (Decref, Decache, Uncache))
    owner = sender if isinstance(what, Uncache) else sender.other
    yield "target", _target(dissection, owner, what.object if isinstance(what, Decref) else what.cache)


def _offer(dissection: Dissection) -> Iterator[_Member]:
    assert isinstance(dissection.what, Offer)
    yield "dialects", _list([_bytes_as_text(name) for name in dissection.what.dialects])


def _choice(dissection: Dissection) -> Iterator[_Member]:
    assert isinstance(dissection.what, Choice)
    yield "dialect", _bytes_as_text(dissection.what.dialect)


def _version(dissection: Dissection) -> Iterator[_Member]:
    assert isinstance(dissection.what, Version)
    yield "version", to_json(dissection.what.number, _sender(dissection))


def _not_understood(dissection: Dissection) -> Iterator[_Member]:
    assert isinstance(dissection.what, DidNotUnderstand)
    yield "word", to_json(dissection.what.word, _sender(dissection))


def _undecodable(dissection: Dissection) -> Iterator[_Member]:
    what = dissection.what
    assert isinstance(what, Undecodable)
    yield "reason", _text(what.reason)
    if what.exceeds:
        yield "exceeds", _text(what.exceeds)
    if what.data:
        yield "data", _text(what.data.hex())


def _unseen(dissection: Dissection) -> Iterator[_Member]:
    what = dissection.what
    assert isinstance(what, Unseen)
    yield "reason", _text(what.why)
    if what.data:
        yield "data", _text(what.data.hex())


def _event(dissection: Dissection) -> Iterator[_Member]:
    assert isinstance(dissection.what, LinkEvent)
    yield "detail", _text(dissection.what.detail)


def _seed(dissection: Dissection) -> Iterator[_Member]:
    what = dissection.what
    assert isinstance(what, Seed)
    if what.dialect is not None:
        yield "dialect", _bytes_as_text(what.dialect)
    lent = (
        [("id", _id(each.owner, each.luid)), ("count", str(each.count)), ("class", _text(each.what))]
        + ([("cache", "true")] if each.cache else [])
        for each in what.lent
    )
    yield "lent", _list([_object(each) for each in lent])
    awaited = (
        [
            ("by", _text(each.caller.value)),
            ("request", to_json(each.request, each.caller)),
            ("method", _text(each.method)),
        ]
        for each in what.awaited
    )
    yield "awaited", _list([_object(each) for each in awaited])


_SAID: dict[type, Callable[[Dissection], Iterator[_Member]]] = {
    **dict.fromkeys((Message, CacheMessage), _call),
    **dict.fromkeys((Answer, ErrorAnswer), _answer),
    **dict.fromkeys((Decref, Decache, Uncache), _returned),
    Offer: _offer,
    Choice: _choice,
    Version: _version,
    DidNotUnderstand: _not_understood,
    Undecodable: _undecodable,
    Unseen: _unseen,
    LinkEvent: _event,
    Seed: _seed,
}


def _note(note: Note) -> Iterator[_Member]:
    if isinstance(note, Ended):
        yield "note", '"ended"'
        yield "unanswered", _list([str(call.number) for call in note.unanswered])
        yield "references", str(note.references)
        yield "caches", str(note.caches)
    elif isinstance(note, Large):
        yield "note", '"large"'
        yield "string", str(note.string)
    else:
        assert isinstance(note, (Exported, Released, Cached, Decached, Uncached))
        yield "note", _text(_NOTES[type(note)])
        yield "id", _id(note.lent.owner, note.lent.luid)
        yield "name", _text(note.lent.name)
        if not isinstance(note, Uncached):
            yield "count", str(note.count)
        if isinstance(note, Cached):
            yield "first", "true" if note.first else "false"


_NOTES = {Exported: "lent", Released: "released", Cached: "cached", Decached: "decached", Uncached: "uncached"}


def _sender(dissection: Dissection) -> Side:
    assert dissection.sender is not None
    return dissection.sender


# ------------------------------------------------------------------------------------------------ names


def _target(dissection: Dissection, owner: Side, luid: Expression) -> str:
    if not is_luid(luid):
        return _object([("raw", to_json(luid, owner))])
    lent: Lent | None = dissection.target
    return _object([("id", _id(owner, luid)), ("name", _text("" if lent is None else lent.name))])


def _id(owner: Side, luid: Luid) -> str:
    """The name of an object as everywhere, but never cut."""
    return '"root"' if luid == b"root" else _text(f"{'c' if owner is Side.CLIENT else 's'}{luid!r}")


def _attributes(value: Expression) -> dict[bytes, bytes]:
    """The attributes of a copied object that are text, by name; the last one of a name counts."""
    if type(value) is not list or len(value) != 2 or not is_tagged(value[1], b"dictionary"):
        return {}
    pairs = [(_plain(pair[0]), _plain(pair[1])) for pair in value[1][1:] if type(pair) is list and len(pair) == 2]
    return {name: item for name, item in pairs if name is not None and item is not None}


def _plain(value: Expression) -> bytes | None:
    """The bytes of a jellied text, or of a byte string."""
    if type(value) is list and len(value) == 2 and value[0] == b"unicode":
        value = value[1]
    return value if type(value) is bytes else None


def _by_name(kwargs: Expression) -> dict[str, Expression] | None:
    """Keyword arguments by name; None for what has no names, or one of them twice."""
    if not is_tagged(kwargs, b"dictionary"):
        return None
    found: dict[str, Expression] = {}
    for pair in kwargs[1:]:
        name = _plain(pair[0]) if type(pair) is list and len(pair) == 2 else None
        text = None if name is None else name.decode("utf-8", "backslashreplace")
        if text is None or text in found:
            return None
        found[text] = pair[1]
    return found


# ------------------------------------------------------------------------------------------------ values


def to_json(value: Expression, sender: Side) -> str:
    """*value*, which *sender* has jellied, as JSON. Does not recurse, so that no peer chooses our depth."""
    written: list[str] = []
    stack: list[Any] = [_Jelly(value)]
    while stack:
        item = stack.pop()
        if type(item) is str:
            written.append(item)
        else:
            stack.extend(reversed(item.parts(sender)))
    return "".join(written)


class _Jelly:
    """A value that is still to be written."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value

    def parts(self, sender: Side) -> list[Any]:
        """What it is written as: JSON, and values in it that are still to be written."""
        value = self.value
        if type(value) is list:
            return _tagged(value, sender) if value and type(value[0]) is bytes else _raw(value)
        if value is SECRET:
            return ['{"secret": "***"}']
        return [_scalar(value)]


class _Raw(_Jelly):
    """A value that is no jelly: lists are lists, whatever they begin with."""

    __slots__ = ()

    def parts(self, sender: Side) -> list[Any]:
        return _between("[", map(_Raw, self.value), "]") if type(self.value) is list else super().parts(sender)


def _scalar(value: Expression) -> str:
    if type(value) is bytes:
        return f'{{"bytes": "{value.hex()}"}}'
    if type(value) is float:
        return _float(value) if math.isfinite(value) else f'{{"float": "{value!r}"}}'
    if -_WHOLE < value < _WHOLE:
        return str(value)
    return f'{{"int": "{value if value.bit_length() <= _BITS else hex(value)}"}}'


def _raw(value: list[Expression]) -> list[Any]:
    return ['{"raw": ', _Raw(value), "}"]


def _between(opening: str, items: Any, closing: str) -> list[Any]:
    parts: list[Any] = [opening]
    for item in items:
        parts += (item, ", ")
    if len(parts) > 1:
        parts.pop()
    return [*parts, closing]


def _tagged(value: list[Expression], sender: Side) -> list[Any]:
    tag = value[0]
    writer = _WRITERS.get(tag)
    if writer is not None:
        return writer(value, sender) or _raw(value)
    if tag in TAGS:
        return _atom(value)
    shape = shape_of(value)
    if shape.values is not Values.LAST:
        return _raw(value)
    cache = f'"cache": {_id(sender, value[1])}, ' if len(value) == 3 else ""
    return [f'{{{cache}"class": {_bytes_as_text(tag)}, "state": ', _Jelly(value[-1]), "}"]


def _atom(value: list[Expression]) -> list[Any]:
    """A list under its tag: times, numbers, and what names a thing of the sender's. Byte strings in it are words."""
    items: list[Any] = [_bytes_as_text(item) if type(item) is bytes else _Raw(item) for item in value[1:]]
    if shape_of(value).values is Values.LAST and len(value) > 1:
        items[-1] = _Jelly(value[-1])
    return _between(f'{{"{value[0].decode()}": [', items, "]}")


def _items(opening: str, closing: str) -> Callable[[list[Expression], Side], list[Any]]:
    return lambda value, sender: _between(opening, map(_Jelly, value[1:]), closing)


def _dictionary(value: list[Expression], sender: Side) -> list[Any]:
    """An object if all keys are different texts, else pairs in a list."""
    pairs = value[1:]
    if not all(type(pair) is list and len(pair) == 2 for pair in pairs):
        return []
    keys = [_unicode_of(pair[0]) for pair in pairs]
    if None in keys or len(set(keys)) < len(keys):
        inside: list[Any] = []
        for pair in pairs:
            inside += (", ", "[", _Jelly(pair[0]), ", ", _Jelly(pair[1]), "]")
        return ['{"pairs": [', *inside[1:], "]}"]
    inside = []
    for key, pair in zip(keys, pairs, strict=True):
        inside += (", ", f"{_text(key or '')}: ", _Jelly(pair[1]))
    return ['{"dict": {', *inside[1:], "}}"]


def _unicode_of(value: Expression) -> str | None:
    """A jellied text that can be read."""
    if type(value) is not list or len(value) != 2 or value[0] != b"unicode" or type(value[1]) is not bytes:
        return None
    try:
        return value[1].decode()
    except UnicodeDecodeError:
        return None


def _unicode(value: list[Expression], sender: Side) -> list[Any]:
    text = _unicode_of(value)
    if text is not None:
        return [_text(text)]
    return [f'{{"unicode": "{value[1].hex()}"}}'] if len(value) == 2 and type(value[1]) is bytes else []


def _none(value: list[Expression], sender: Side) -> list[Any]:
    return ["null"] if len(value) == 1 else []


def _boolean(value: list[Expression], sender: Side) -> list[Any]:
    return [value[1].decode()] if len(value) == 2 and value[1] in (b"true", b"false") else []


def _loan(value: list[Expression], sender: Side) -> list[Any]:
    if len(value) != 2 or not is_luid(value[1]):
        return []
    owner = sender if value[0] in (b"remote", b"cached") else sender.other
    kind = "cache" if value[0] in (b"cached", b"lcache") else "ref"
    return [f'{{"{kind}": {_id(owner, value[1])}}}']


def _reference(value: list[Expression], sender: Side) -> list[Any]:
    if len(value) != 3:
        return []
    return ['{"share": ', _Raw(value[1]), ', "value": ', _Jelly(value[2]), "}"]


def _dereference(value: list[Expression], sender: Side) -> list[Any]:
    return ['{"shared": ', _Raw(value[1]), "}"] if len(value) == 2 else []


#: One writer for each tag that means a value. What it cannot write it leaves to be written as it came.
_WRITERS: dict[bytes, Callable[[list[Expression], Side], list[Any]]] = {
    b"None": _none,
    b"boolean": _boolean,
    b"unicode": _unicode,
    b"list": _items("[", "]"),
    b"tuple": _items('{"tuple": [', "]}"),
    b"set": _items('{"set": [', "]}"),
    b"frozenset": _items('{"frozenset": [', "]}"),
    b"dictionary": _dictionary,
    b"reference": _reference,
    b"dereference": _dereference,
    **dict.fromkeys((b"remote", b"local", b"cached", b"lcache"), _loan),
}

_text = json.JSONEncoder(ensure_ascii=True).encode


def _bytes_as_text(value: bytes) -> str:
    return _text(value.decode("utf-8", "backslashreplace"))


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"
