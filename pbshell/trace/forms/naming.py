"""What calls and objects are called, and what a call and its answer say, in as many columns as there are.

Knows labels and columns; knows no lines.
"""

from __future__ import annotations

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.forms.columns import columns, cut, cut_middle
from pbshell.trace.notes import Cached, Lent
from pbshell.trace.values import Names, arguments, failure, identity, spell
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Luid, Message, Request

__all__ = ["call_text", "error_text", "label_of", "labelled", "names", "request", "request_of", "result_text"]

#: characters of a label, of a method, and of an error
_LABEL, _METHOD, _ERROR = 160, 60, 2_000
#: columns that arguments keep beside a long name, that a shortened name needs to be recognised, and from which on a
#: result tells the length of what is left out
_ARGUMENTS, _NAME, _LENGTH = 12, 9, 40

# ------------------------------------------------------------------------------------------------ names


def labelled(lent: Lent) -> str:
    """What an object is called wherever it is met: its id, and the last part of its birth if that was seen."""
    shown = identity(lent.owner, lent.luid)
    return f"{shown}:{label}" if (label := label_of(lent)) else shown


def label_of(lent: Lent) -> str:
    """The last part of the birth of *lent*; nothing if that was not seen, and for root, whose id says it all."""
    return "" if lent.luid == b"root" else visible(lent.label, _LABEL)


def names(conversation: Conversation, number: int) -> Names:
    """How references are called in the dissection of this *number*: with their labels, but for what is born in it."""

    def name(owner: Side, luid: Luid) -> str:
        tomb = conversation.tombs[owner].get(luid)
        for lent in (conversation.lent(owner, luid), None if tomb is None else tomb.lent):
            if lent is not None and lent.born < number:
                return labelled(lent)
        return identity(owner, luid)

    return name


def request(caller: Side, number: Request) -> str:
    """What the call of *caller* with this request id is called: ``c#7``, ``s#7``."""
    return f"{'c' if caller is Side.CLIENT else 's'}#{spell(number, caller, 20)}"


def request_of(call: Dissection) -> str:
    """What *call* is called, see `request`."""
    assert call.sender is not None
    assert isinstance(call.what, (Message, CacheMessage))
    return request(call.sender, call.what.request)


# ------------------------------------------------------------------------------------------------ calls


def call_text(call: Dissection, conversation: Conversation, room: int) -> str:
    """A call as ``s3:getBuilder('linux').start({'rev': 'abc'})`` in *room* columns.

    What is too long loses the end of its arguments, then the middle of its target's name.
    """
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    if not call.number:
        return cut_middle(f"{visible(what.method, _METHOD)}(..), called before", room)
    assert call.sender is not None
    shown, label = _target(call, what, call.sender)
    method = f".{visible(what.method, _METHOD)}"
    for known in (names(conversation, call.number), identity):
        inside = arguments(what.args, what.kwargs, call.sender, max(room, 1), names=known)
        text = f"{shown}{label}{method}({inside})"
        if columns(text) <= room:
            return text
    left = room - columns(shown) - columns(method) - 2
    if left < min(columns(inside), 2):
        return cut(shown + method, room)
    label = _shortened(label, left - min(columns(inside), _ARGUMENTS))
    inside = cut(inside, max(left - columns(label), 2)) if inside else ""
    return cut_middle(f"{shown}{label}{method}({inside})", room)


def result_text(answer: Dissection, conversation: Conversation, room: int) -> str:
    """The result in an answer in *room* columns; of a cached object that is lent for the first time the class."""
    what = answer.what
    assert isinstance(what, Answer)
    assert answer.sender is not None
    first = next((note.lent for note in answer.notes if isinstance(note, Cached) and note.first), None)
    value = what.result
    if first is not None and type(value) is list and len(value) == 3 and value[1] == first.luid:
        return cut(f"cache {identity(first.owner, first.luid)} {first.type.rpartition('.')[2]}", room)
    for known in (names(conversation, answer.number), identity):
        text = spell(value, answer.sender, max(room, 1), names=known)
        if columns(text) <= room:
            return text
    # What is left out tells its length, if there is room for that.
    return cut(spell(value, answer.sender, room - 20) if room >= _LENGTH else text, room)


def error_text(answer: Dissection, room: int) -> str:
    """The class of an error without its module, and its text, in *room* columns; what is cut tells its length."""
    what = answer.what
    assert isinstance(what, ErrorAnswer)
    assert answer.sender is not None
    text = failure(what.failure, answer.sender, _ERROR)
    kind, colon, rest = text.partition(":")
    if kind.replace(".", "").isidentifier():
        text = f"{kind.rpartition('.')[2]}{colon}{rest}"
    if columns(text) <= room:
        return text
    length = text[text.rindex("(") + 1 :].split()[0] if len(text) > _ERROR else f"{len(text):,}"
    told = f"... ({length})"
    return cut(text, room) if room < 3 * len(told) else cut(text, room - len(told) + 3)[:-3] + told


def _target(call: Dissection, what: Message | CacheMessage, sender: Side) -> tuple[str, str]:
    """The id of the object that is called, and its label behind a colon."""
    if call.target is not None:
        label = label_of(call.target)
        return identity(call.target.owner, call.target.luid), f":{label}" if label else ""
    return identity(sender.other, what.object) if isinstance(what, Message) else identity(sender, what.cache), ""


def _shortened(label: str, room: int) -> str:
    """A label without its middle; nothing at all where so little would be left that nobody recognises it."""
    if columns(label) <= room:
        return label
    return cut_middle(label, room) if room >= _NAME else ""
