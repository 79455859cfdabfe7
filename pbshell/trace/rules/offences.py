"""What one side said that the other closes the connection for. Knows what a stock Twisted peer takes, and its reasons.

All of it was seen with Twisted 26: an exception while it reads ends the connection at once, without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pbshell.trace.dissector import Conversation, Dissection, Undecodable
from pbshell.trace.explain import duration
from pbshell.trace.notes import Cached, Odd
from pbshell.trace.rules.failures import FAILURE
from pbshell.trace.rules.phrases import beginning, is_cut_off, request_of, was_said
from pbshell.trace.values import identity, spell
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.text import visible
from pbshell.wire.verbs import (
    PB_VERSION,
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

__all__ = ["Offence", "classes_in", "is_handshake", "offence"]

#: What a dissector says of a limit: what was met, how much of it, and the field of Limits.
_EXCEEDS = re.compile(r"(an? [a-z]+) of ([\d,]+) ([a-z ]+) exceeds [\d,]+(?: \(at byte [\d,]+\))?: Limits\((\w+)=")
#: The limits that a stock Twisted peer has, and what sets them.
_STOCK = {"string": "banana.SIZE_LIMIT", "list": "banana.SIZE_LIMIT", "prefix": "Banana.prefixLimit"}
#: classes that are named
_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Offence:
    """*cause* can stand behind "because", *cure* behind a colon. *kind* is that of the verdict.

    It is *certain* if every stock Twisted peer closes the connection for it.
    """

    kind: str
    cause: str
    cure: str
    certain: bool = True


def offence(said: Dissection, conversation: Conversation) -> Offence | None:
    """What is wrong with *said*, which the other side may have closed the connection for; None if nothing is."""
    what, side = said.what, said.sender
    assert side is not None
    if isinstance(what, Undecodable):
        return _unreadable(said, what, side, conversation)
    if isinstance(what, Version):
        shown = spell(what.number, side, 20)
        cause = f"the {side.value} speaks version {shown} of PB, and {PB_VERSION} is the only one that there is"
        return Offence("version", cause, f"replace the {side.value}'s program")
    for note in said.notes:
        if isinstance(note, Odd):
            found = _odd(said, note, side, conversation)
            if found is not None:
                return found
        elif isinstance(note, Cached) and not note.first and note.count == 1:
            return _poisoned(said, note, side)
    return _too_large(said)


# ------------------------------------------------------------------------------------ sizes


def _too_large(said: Dissection) -> Offence | None:
    """A message that came whole, and has a string or a list beyond the limits."""
    what = said.what
    parts: tuple[Expression, ...] = ()
    if isinstance(what, (Message, CacheMessage)):
        parts = (what.args, what.kwargs)
    elif isinstance(what, Answer):
        parts = (what.result,)
    elif isinstance(what, ErrorAnswer):
        parts = (what.failure,)
    elif isinstance(what, DidNotUnderstand):
        parts = (what.word,)
    string, items = _largest(parts)
    if string > DEFAULT_LIMITS.string:
        return _beyond(was_said(said), "a string", f"{string:,}", "bytes", "string")
    if items > DEFAULT_LIMITS.list:
        return _beyond(was_said(said), "a list", f"{items:,}", "items", "list")
    return None


def _largest(parts: Iterable[Expression]) -> tuple[int, int]:
    """Bytes of the longest string in *parts*, and items of the longest list."""
    string = items = 0
    stack = [parts]
    while stack:
        for item in stack.pop():
            if type(item) is bytes:
                string = max(string, len(item))
            elif type(item) is list:
                items = max(items, len(item))
                stack.append(item)
    return string, items


def _beyond(carrier: str, what: str, size: str, unit: str, limit: str) -> Offence:
    most = f"{getattr(DEFAULT_LIMITS, limit):,}"
    setting = _STOCK.get(limit)
    if setting is None:
        cause = f"{carrier} has {what} of {size} {unit}, and a pbshell peer takes {most} (Twisted has no such limit)"
        return Offence("limit", cause, f"raise Limits({limit}=...) there, or send less at a time", certain=False)
    cure = "raise it on both sides or send less at a time"
    if limit == "prefix":
        cure = "it is no PB, or an integer of more than 448 bits, which has to be sent as text"
    return Offence(
        "limit", f"{carrier} carries {what} of {size} {unit} and a stock Twisted peer takes {most} ({setting})", cure
    )


def _unreadable(said: Dissection, what: Undecodable, side: Side, conversation: Conversation) -> Offence | None:
    """Bytes that are no PB, or the beginning of too much of it."""
    match = _EXCEEDS.match(what.exceeds)
    if match is not None:
        return _beyond(beginning(side, conversation), *match.groups())
    if is_cut_off(what):
        return None
    cause = f"the {side.value} sent what is no Perspective Broker at byte {said.offset:,} ({visible(what.reason, 120)})"
    return Offence("not understood", cause, "something else writes into its connection, or its library is broken")


# ------------------------------------------------------------------------------------ books


def _odd(said: Dissection, note: Odd, side: Side, conversation: Conversation) -> Offence | None:
    what = said.what
    other = side.other
    if isinstance(what, (Answer, ErrorAnswer)) and note.kind == "answer without call":
        cause = (
            f"the {side.value} answered {request_of(other, what.request)}, which waits for no answer (it was answered "
            "before, or never made)"
        )
        return Offence("unknown request", cause, "Twisted takes that for an error (KeyError)")
    if isinstance(what, (Decref, Decache, Uncache)) and note.kind.startswith("surplus"):
        luid = what.object if isinstance(what, Decref) else what.cache
        owner = side if isinstance(what, Uncache) else other
        cause = f"the {side.value} gave back {identity(owner, luid)}, which {_buried(said, owner, luid, conversation)}"
        if isinstance(what, Uncache):
            cause = f"the {side.value} freed its cached object {identity(owner, luid)}, which was not given back"
        return Offence(
            "unknown object", cause, f"Twisted takes that for an error (KeyError), and the {side.value} counts wrongly"
        )
    return None


def _buried(said: Dissection, owner: Side, luid: Luid, conversation: Conversation) -> str:
    """What became of the object that *owner* does not lend."""
    tomb = conversation.tombs[owner].get(luid) if is_luid(luid) else None
    if tomb is None:
        return f"the {owner.value} has never lent" if luid != b"root" else f"the {owner.value} lends without counting"
    since = duration(said.at - tomb.at)
    return f"the {owner.value} had freed {since} before, when its last receipt came back (#{tomb.number})"


def _poisoned(said: Dissection, note: Cached, side: Side) -> Offence:
    cause = f"{was_said(said)} names the cached object {identity(side, note.lent.luid)}, whose state was never sent"
    cure = (
        f"probably its getStateToCacheAndObserveFor failed before, for Twisted marks it as sent first: see the "
        f"{side.value}'s log"
    )
    return Offence("unknown object", cause, cure)


# ------------------------------------------------------------------------------------ classes


def classes_in(value: Expression) -> list[str]:
    """The first few classes in *value* that its receiver has to be registered for. Does not recurse."""
    found: dict[str, None] = {}
    stack = [value]
    while stack and len(found) < _CLASSES:
        item = stack.pop()
        if type(item) is not list or not item:
            continue
        tag, shape = item[0], shape_of(item)
        if type(tag) is bytes and tag not in TAGS and tag != FAILURE and shape.values is Values.LAST:
            found[visible(tag, 80)] = None
        if shape.values is Values.ALL:
            stack.extend(reversed(item[1:]))
        elif shape.values is Values.PAIRS:
            stack.extend(part for pair in reversed(item[1:]) if type(pair) is list for part in reversed(pair))
        elif shape.values is Values.LAST:
            stack.append(item[-1])
    return list(found)


def is_handshake(side: Side, data: bytes) -> bool:
    """Whether *data*, with which *side* begins, looks like PB: a list from the server, a string from the client."""
    return data[1:2] == (b"\x80" if side is Side.SERVER else b"\x82")
