"""Values in which objects are called by their births, so that two runs can be compared. Knows no call and no capture.

Luids are numbered anew in each run; what has lent an object first, and where in it, is the same in both.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from pbshell.trace.notes import Cached, Exported, Lent, Note
from pbshell.trace.places import lends, places, text_of
from pbshell.trace.redact import SECRET
from pbshell.trace.values import arguments, identity, is_tagged, spell
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.text import visible
from pbshell.wire.verbs import Luid, is_luid

__all__ = ["Births", "Born", "digest", "first_difference", "inside", "shown"]

#: objects of one connection whose births are known, and characters of a birth
_BORN, _NAME = 65_536, 120
#: characters of a text that are shown on both sides of the first difference
_AROUND = 30


class Born:
    """Stands where a luid stood: *text* is the birth of the object, and *digest* is equal for equal births."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str, digest: bytes) -> None:
        self.text = text
        self.digest = digest

    def __repr__(self) -> str:
        return self.text


class Births:
    """The births of the objects that are lent on one connection. With *luids* two are only equal if these are, too."""

    def __init__(self, *, luids: bool = False) -> None:
        self._luids = luids
        self._born: OrderedDict[tuple[Side, Luid], Born] = OrderedDict()

    def of(self, owner: Side, luid: Expression) -> Born:
        """The birth of what *owner* lends under *luid*."""
        born = self._born.get((owner, luid)) if is_luid(luid) else None
        if born is not None:
            return born
        name = identity(owner, luid)
        return Born(name, digest([owner.value.encode(), luid if self._luids or luid == b"root" else b"?"]))

    def lend(self, notes: Iterable[Note], values: Iterable[tuple[Expression, str]], sender: Side, call: Born) -> None:
        """*sender* lends what *notes* say in *values*, each with its place, which belong to what is called *call*."""
        new = {note.lent.luid: note.lent for note in notes if isinstance(note, (Exported, Cached)) and note.count == 1}
        for value, where in values if new else ():
            for loan, place, _ in places(value, where):
                if loan.kind in (b"remote", b"cached") and loan.luid in new:
                    self._bear(sender, new.pop(loan.luid), place, call)

    def _bear(self, sender: Side, lent: Lent, place: str, call: Born) -> None:
        # The dissector's own names have luids in them, where the arguments had any.
        is_named = bool(lent.name) and "(" not in lent.name
        is_labelled = bool(lent.label) and "(" not in lent.label
        text = lent.label if is_labelled else f"{call.text}{place}"
        text = text if len(text) <= _NAME else f"{text[: _NAME - 3]}..."
        parts: Expression = [lent.name.encode("utf-8", "backslashreplace")]
        if not is_named:
            parts = [call.digest, place.encode("utf-8", "backslashreplace")]
        self._born[sender, lent.luid] = Born(text, digest([parts, lent.luid] if self._luids else [parts]))
        self._born.move_to_end((sender, lent.luid))
        if len(self._born) > _BORN:
            self._born.popitem(last=False)

    def settled(self, value: Expression, sender: Side) -> Expression:
        """*value*, which *sender* has jellied, with births where luids stood."""
        if not lends([value]):
            return value
        found = {}
        for loan, _, item in places(value):
            owner = sender if loan.kind in (b"remote", b"cached") else sender.other
            found[id(item)] = self.of(owner, loan.luid)
        return _settled(value, found)


def _settled(value: Expression, found: dict[int, Born]) -> Expression:
    # The decoder has bounded the depth.
    if type(value) is not list:
        return value
    made = [_settled(item, found) for item in value]
    born = found.get(id(value))
    if born is not None:
        made[1] = born
    return made


def digest(value: Expression) -> bytes:
    """16 bytes that are equal for equal settled values, and for no others that anybody could find."""
    state = hashlib.blake2b(digest_size=16)
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is list:
            state.update(b"l%d," % len(item))
            stack.extend(reversed(item))
        elif kind is bytes:
            state.update(b"b%d," % len(item))
            state.update(item)
        elif kind is Born:
            state.update(b"n" + item.digest)
        elif item is SECRET:
            state.update(b"*")
        else:
            # Not in decimal: Python refuses that for a large number.
            state.update((f"i{item:x}," if kind is int else f"f{item!r},").encode())
    return state.digest()


# ------------------------------------------------------------------------------------------------ what is shown


def shown(value: Expression, sender: Side, room: int) -> str:
    """A settled *value* in about *room* characters, see `spell`."""
    return spell(value, sender, room, names=_named)


def inside(args: Expression, kwargs: Expression, sender: Side, room: int) -> str:
    """Settled arguments as they stand between parentheses."""
    return arguments(args, kwargs, sender, room, names=_named)


def _named(owner: Side, luid: Expression) -> str:
    return luid.text if isinstance(luid, Born) else identity(owner, luid)


def first_difference(before: Expression, after: Expression, sender: Side, place: str = "") -> str:
    """The first thing that differs in two settled values at *place*: where it stands, what it was and what it is."""
    while (deeper := _into(before, after)) is not None:
        step, before, after = deeper
        place += step
    was, now = _leaves(before, after, sender)
    return f"{place}: {was} -> {now}" if place else f"{was} -> {now}"


def _into(before: Expression, after: Expression) -> tuple[str, Expression, Expression] | None:
    """The first pair of values inside two of one shape that differ, and the step to them; None if they are leaves."""
    if type(before) is not list or type(after) is not list or not before or before[:1] != after[:1]:
        return None
    values = shape_of(before).values
    if values is Values.LAST and len(before) == len(after) and len(before) > 1:
        step = "" if before[0] in TAGS or is_tagged(before[-1], b"dictionary") else ".state"
        return None if _same(before[-1], after[-1]) else (step, before[-1], after[-1])
    if values not in (Values.ALL, Values.PAIRS):
        return None
    for number, (one, other) in enumerate(zip(before[1:], after[1:], strict=False)):
        if _same(one, other):
            continue
        if values is Values.ALL:
            return f"[{number}]", one, other
        if _is_pair(one) and _is_pair(other) and _same(one[0], other[0]):
            return f"[{shown(one[0], Side.CLIENT, 40)}]", one[1], other[1]
        return None
    return None


def _is_pair(value: Expression) -> bool:
    return type(value) is list and len(value) == 2


def _same(one: Expression, other: Expression) -> bool:
    return digest(one) == digest(other)


def _leaves(before: Expression, after: Expression, sender: Side) -> tuple[str, str]:
    """Two values that differ, as they are shown: of long texts what is around the first difference."""
    one, other = text_of(before), text_of(after)
    if one and other and max(len(one), len(other)) > 2 * _AROUND:
        same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        if same > _AROUND:
            return _around(one, same), _around(other, same)
    if (
        is_tagged(before, b"list", b"tuple", b"dictionary")
        and is_tagged(after, before[0])
        and len(before) != len(after)
    ):
        return f"{len(before) - 1:,} items", f"{len(after) - 1:,} items"
    return shown(before, sender, 2 * _AROUND), shown(after, sender, 2 * _AROUND)


def _around(text: bytes, position: int) -> str:
    """What stands around a *position* (bytes) of *text*."""
    begin, end = max(position - _AROUND, 0), position + _AROUND
    dots = "..." if end < len(text) else ""
    part = text[begin:end].decode("utf-8", "backslashreplace")
    return f"...{visible(repr(part))}{dots} (at byte {position:,} of {len(text):,})"
