"""A dissection with everything in it: its line, and below it each value with what its tag means, as a tree.

Knows tags and how much one person reads; makes no objects, and loads nothing of what a byte string carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from pbshell.trace import payloads, pickles
from pbshell.trace.dissector import Conversation, Dissection, Undecodable, Unseen
from pbshell.trace.explain import Frames, explain
from pbshell.trace.forms.naming import names
from pbshell.trace.redact import SECRET
from pbshell.trace.values import Names, identity, is_tagged, plain, spell
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.foreign import recognise
from pbshell.wire.tags import TAGS, Shape, Values, shape_of
from pbshell.wire.text import visible
from pbshell.wire.verbs import VERBS, Verb, is_luid

__all__ = ["Full", "contents", "dump", "payload_tree", "tree", "value_tree", "verb_tree"]

#: lines of one tree, and lists inside lists that are gone into
_LINES, _DEPTH = 400, 32
#: characters of a value in its line, of a name, of a text in one piece, and of one in all
_ROOM, _NAME, _LINE, _TEXT = 120, 60, 100, 4_000
#: bytes that still stand in their line; bytes of a dump, and of one row of it
_SHORT, _DUMP, _ROW = 64, 256, 16
#: items that are counted, where they are not shown
_MANY = 10_000
#: lines of a disassembly, and opcodes read to say what a pickle is
_ASSEMBLY, _OPCODES = 100, 20_000


class Full:
    """`-o full`: every dissection with all that is in it. Lines are as long as they have to be.

    *times*, *zero* and *began* say how the first line of each tells its time, see `Clock`; *width* is that of others.
    """

    def __init__(
        self, width: int | None = None, times: str = "rel", zero: float | None = None, *, began: float | None = None
    ) -> None:
        self._frames = Frames(None, times, zero, began=began)

    def header(self) -> str:
        """What stands above the trees: nothing."""
        return ""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """The tree of *dissection*."""
        inside = contents(dissection, names=names(conversation, dissection.number))
        return [*self._frames.see(dissection, conversation), *inside]

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """Nothing becomes due."""
        return []

    def finish(self, now: float) -> list[str]:
        """Nothing is kept back."""
        return []


def tree(dissection: Dissection, began: float = 0.0, *, names: Names = identity) -> Iterator[str]:
    """*dissection* in full: its line, with the seconds since *began*, and at most 400 lines about what is in it.

    *names* says how references are called.
    """
    yield explain(dissection, began)
    yield from contents(dissection, names=names)


def contents(dissection: Dissection, *, names: Names = identity) -> Iterator[str]:
    """What is in *dissection*, at most 400 lines; *names* says how references are called."""
    what = dissection.what
    if isinstance(what, (Undecodable, Unseen)):
        foreign = recognise(what.data)
        if foreign is not None:
            yield f"  this is {foreign}: {foreign.advice}"
        yield from (f"  {row}" for row in dump(what.data))
    elif type(what) in _FORMS and dissection.sender is not None:
        yield from verb_tree(what, dissection.sender, names=names)  # type: ignore[arg-type]  # those are the verbs


def verb_tree(verb: Verb, sender: Side, *, names: Names = identity) -> Iterator[str]:
    """The fields of *verb*, which *sender* has sent, at most 400 lines."""
    gardener = _Gardener(sender, names)
    return gardener.grow((field, gardener.field(verb, field)) for field in _FORMS[type(verb)].fields)


def value_tree(value: Expression, sender: Side, *, names: Names = identity) -> Iterator[str]:
    """The jellied *value*, which *sender* has sent, at most 400 lines."""
    return _Gardener(sender, names).grow([("value", value)])


def payload_tree(data: bytes, payload: payloads.Payload) -> Iterator[str]:
    """What *data*, which is *payload*, carries: a pickle in at most 100 opcodes, anything else as a dump."""
    if isinstance(payload, pickles.Pickle):
        return pickles.disassembly(data, _ASSEMBLY)
    return dump(payload.content) if payload.pickle is None else pickles.disassembly(payload.content, _ASSEMBLY)


def dump(data: bytes, start: int = 0, most: int = _DUMP) -> Iterator[str]:
    """*data* in hexadecimal and ASCII, 16 bytes a row, at most *most* bytes; *start* is the offset of the first."""
    for at in range(0, min(len(data), most), _ROW):
        row = data[at : min(at + _ROW, most)]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{start + at:06x}  {row.hex(' '):<47}  |{text}|"
    if len(data) > most:
        yield f"... {len(data) - most:,} more bytes"


_FORMS = {form.make: form for form in VERBS.values()}

#: The fields that name an object, and whether its owner is the sender.
_OBJECTS = {
    (b"message", "object"): False,
    (b"cachemessage", "cache"): True,
    (b"decref", "object"): False,
    (b"decache", "cache"): False,
    (b"uncache", "cache"): True,
}

_Child = tuple[str, Expression]


@dataclass(frozen=True, slots=True)
class _Branch:
    """What is shown of one value: its *line*, more lines *below* it, and the values *inside* with their labels."""

    line: str
    below: Iterable[str] = ()
    inside: Iterable[_Child] = ()


class _Gardener:
    """Makes the branches of one tree."""

    def __init__(self, sender: Side, names: Names) -> None:
        self._sender = sender
        self._names = names

    def grow(self, roots: Iterable[_Child]) -> Iterator[str]:
        """All branches from *roots* on, while there are lines left. Does not recurse."""
        left = _LINES
        stack = [iter(roots)]
        while stack:
            for label, value in stack[-1]:
                if left <= 0:
                    rest = chain.from_iterable([[(label, value)], *stack[::-1]])
                    yield f"  ... {_leaves(rest)} more items"
                    return
                branch = value if isinstance(value, _Branch) else self.branch(value)
                indent = "  " * len(stack)
                yield f"{indent}{label}: {branch.line}"
                left -= 1
                for line in islice(branch.below, left):
                    yield f"{indent}  {line}"
                    left -= 1
                if len(stack) >= _DEPTH:
                    branch = _Branch("", inside=_summary(branch.inside))
                stack.append(iter(branch.inside))
                break
            else:
                stack.pop()

    def field(self, verb: Verb, field: str) -> Expression:
        """A field of *verb*; one that names an object or a method is a branch already."""
        value = getattr(verb, field)
        if field == "method":
            return _Branch(visible(value, _NAME))
        of_sender = _OBJECTS.get((_FORMS[type(verb)].word, field))
        if of_sender is None or not is_luid(value):
            return value
        owner = self._sender if of_sender else self._sender.other
        return _Branch(f"{visible(self._names(owner, value))}  (lent by the {'sender' if of_sender else 'receiver'})")

    def branch(self, value: Expression) -> _Branch:
        if value is SECRET:
            return _Branch("***  (a secret, covered)")
        if isinstance(value, bytes):
            return _bytes(value)
        if not isinstance(value, list):
            return _Branch(f"{self._spell(value)}  ({type(value).__name__})")
        prefix = ""
        if _is_shared(value):
            prefix, value = f"&{value[1]} = ", value[2]
        branch = self._list(value) if isinstance(value, list) else self.branch(value)
        return _Branch(prefix + branch.line, branch.below, branch.inside)

    def _list(self, value: list[Expression]) -> _Branch:
        if not value or not isinstance(value[0], bytes):
            return _raw(value)
        shape = shape_of(value)
        count = len(value) - 1
        if count < shape.fewest or (shape.most is not None and count > shape.most):
            return _raw(value)
        if shape.values is Values.ALL:
            return _Branch(f"{shape.means}, {_counted(count, 'item')}", inside=_numbered(value, 1))
        if shape.values is Values.PAIRS:
            return _Branch(f"{shape.means}, {_counted(count, 'pair')}", inside=self._pairs(value))
        if shape.values is Values.LAST:
            return self._object(value, shape)
        return self._atom(value, shape)

    def _atom(self, value: list[Expression], shape: Shape) -> _Branch:
        more = _numbered(value, 1 + shape.fewest)
        if value[0] not in TAGS:
            return _Branch(f"{visible(value[0], _NAME)}  ({shape.means})", inside=more)
        if value[0] == b"unicode" and isinstance(value[1], bytes):
            return _text(value[1].decode("utf-8", "backslashreplace"), shape.means, more)
        spelled = self._spell(value)
        if spelled.startswith("<no jelly"):
            return _raw(value)
        return _Branch(spelled if spelled == shape.means else f"{spelled}  ({shape.means})", inside=more)

    def _object(self, value: list[Expression], shape: Shape) -> _Branch:
        """A copy with its attributes, one a line; the class of an instance is a value of its own."""
        kind, state = value[0], value[-1]
        if kind in TAGS:
            return _Branch(shape.means, inside=_numbered(value, 1))
        cache = f"cache {visible(self._names(self._sender, value[1]))} " if len(value) == 3 else ""
        attributes = self._attributes(state) if is_tagged(state, b"dictionary") else iter([("state", state)])
        return _Branch(f"{cache}{visible(kind, _NAME)}  ({shape.means})", inside=attributes)

    def _pairs(self, value: list[Expression]) -> Iterator[_Child]:
        for pair in value[1:]:
            if isinstance(pair, list) and len(pair) == 2:
                yield self._spell(pair[0], _NAME), pair[1]
            else:
                yield "no pair", pair

    def _attributes(self, state: list[Expression]) -> Iterator[_Child]:
        for pair, (label, value) in zip(state[1:], self._pairs(state), strict=True):
            name = plain(pair[0]) if isinstance(pair, list) and pair else b""
            named = name.isascii() and name.decode("latin-1").isidentifier()
            yield f".{name.decode()}" if named else label, value

    def _spell(self, value: Expression, room: int = _ROOM) -> str:
        return spell(value, self._sender, room, names=self._names)


def _bytes(value: bytes) -> _Branch:
    payload = payloads.recognise(value, _OPCODES)
    if payload is not None:
        return _Branch(f"<{payload}>", payload_tree(value, payload))
    if len(value) <= _SHORT:
        return _Branch(f"{value!r}  (bytes, {len(value):,} B)")
    return _Branch(f"bytes, {len(value):,} B", dump(value))


def _text(text: str, means: str, more: Iterable[_Child]) -> _Branch:
    if len(text) <= _LINE and text.isprintable():
        return _Branch(f"{text!r}  ({means})", inside=more)
    return _Branch(f"{len(text):,} characters  ({means})", _pieces(text), more)


def _pieces(text: str) -> Iterator[str]:
    """*text* line by line, long lines in pieces, each behind a bar."""
    for line in text[:_TEXT].removesuffix("\n").split("\n"):
        for at in range(0, max(len(line), 1), _LINE):
            yield f"| {visible(line[at : at + _LINE])}"
    if len(text) > _TEXT:
        yield f"... {len(text) - _TEXT:,} more characters"


def _raw(value: list[Expression]) -> _Branch:
    """No jelly that we know: as it came."""
    return _Branch(f"no jelly, {_counted(len(value), 'item')}", inside=_numbered(value))


def _is_shared(value: list[Expression]) -> bool:
    number = value[1] if len(value) == 3 and value[0] == b"reference" else None
    return isinstance(number, int) and number.bit_length() <= 64


def _numbered(values: list[Expression], start: int = 0) -> Iterator[_Child]:
    """The *values* from *start* on, numbered from 0."""
    return ((str(position), value) for position, value in enumerate(islice(values, start, None)))


def _summary(inside: Iterable[_Child]) -> Iterator[_Child]:
    """What is too deep to be shown."""
    deeper = _leaves(inside)
    if deeper != "0":
        yield "...", _Branch(f"{deeper} items deeper inside")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _leaves(children: Iterable[_Child]) -> str:
    """How many items with none inside are in *children*, up to as many as anybody would count. Does not recurse."""
    found = 0
    stack: list[Iterator[Expression]] = [(value for _, value in children)]
    while stack:
        for value in stack[-1]:
            if isinstance(value, list):
                stack.append(iter(value))
                break
            found += 1
            if found >= _MANY:
                return f"over {_MANY:,}"
        else:
            stack.pop()
    return f"{found:,}"
