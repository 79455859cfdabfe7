"""How a verdict speaks of calls, sides and times. Knows words; reaches no verdict."""

from __future__ import annotations

from pbshell.errors import PeerError
from pbshell.trace.dissector import Conversation, Dissection, Undecodable
from pbshell.trace.explain import explain
from pbshell.trace.forms.wording import counted
from pbshell.trace.notes import Lent
from pbshell.trace.values import arguments, identity
from pbshell.wire.banana import DIALECTS, NONE, Decoder
from pbshell.wire.chunk import Side
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message, is_luid

__all__ = [
    "beginning",
    "call_of",
    "called",
    "fact",
    "host",
    "is_cut_off",
    "request_of",
    "unseen",
    "was_said",
]

#: characters of arguments that are shown, and of a method
_ARGUMENTS, _METHOD = 30, 60
#: bytes of a message that is not complete within which its method stands
_HEAD = 256
#: how a call and an answer begin, and the same list with nothing behind what names it
_FEWER = {b"\x07\x80": b"\x04\x80", b"\x03\x80": b"\x02\x80"}


def called(call: Dissection, *, short: bool = False) -> str:
    """*call* as ``build('linux')``, with its target in front if that is not root; *short*: as ``build(...)``."""
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    empty = what.args in ([b"tuple"], [b"list"]) and what.kwargs == [b"dictionary"]
    inside = "" if empty else "..."
    if not short and not empty and call.sender is not None:
        inside = arguments(what.args, what.kwargs, call.sender, _ARGUMENTS)
    return f"{_target(call.sender, what, call.target)}{visible(what.method, _METHOD)}({inside})"


def _target(caller: Side | None, what: Message | CacheMessage, target: Lent | None) -> str:
    luid = what.object if isinstance(what, Message) else what.cache
    # A call from before the capture has no target.
    if luid in (b"root", b"") or not is_luid(luid) or caller is None:
        return ""
    owner = caller.other if isinstance(what, Message) else caller
    return f"{identity(owner, luid)}{f':{target.label}' if target is not None and target.label else ''}."


def call_of(call: Dissection, *, short: bool = False) -> str:
    """*call* with its caller: ``the client's call build('linux')``."""
    return f"the {_side(call.sender)}'s call {called(call, short=short)}"


def was_said(said: Dissection) -> str:
    """What *said* is, with who said it: a call, an answer or an error."""
    what = said.what
    if isinstance(what, (Message, CacheMessage)):
        return call_of(said, short=True)
    word = "error" if isinstance(what, ErrorAnswer) else "answer"
    if isinstance(what, (Answer, ErrorAnswer)) and said.call is not None:
        return f"the {_side(said.sender)}'s {word} to {called(said.call, short=True)}"
    if isinstance(what, (Answer, ErrorAnswer)):
        return f"the {_side(said.sender)}'s {word} to a call that was not seen"
    return f"what the {_side(said.sender)} sent"


def request_of(caller: Side, request: object) -> str:
    """The request id of a call by *caller*: ``c#7``."""
    shown = request if isinstance(request, int) and request.bit_length() < 100 else visible(repr(request), 20)
    return f"{'c' if caller is Side.CLIENT else 's'}#{shown}"


def fact(dissection: Dissection, conversation: Conversation) -> str:
    """*dissection* as a line of evidence: its number, seconds since the connection was first seen, and what it says."""
    return "#" + explain(dissection, conversation.first, 60).lstrip()


def host(address: str) -> str:
    """The host of an address as captures write it; a unix socket has none but itself."""
    head, colon, _ = address.rpartition(":")
    return head if colon else address


def unseen(conversation: Conversation, *more: str) -> str:
    """What the capture does not show of *conversation*, and *more* that this verdict misses."""
    parts = ["what was said before the capture began"] if conversation.joined or conversation.seeded else []
    if conversation.gaps:
        parts.append(f"what is in {counted(conversation.gaps, 'gap')} of the capture")
    return "; ".join([*parts, *more])


def is_cut_off(what: Undecodable) -> bool:
    """Whether the stream has ended inside an expression that was in order so far."""
    return what.reason.startswith("the stream ends inside an expression")


def beginning(side: Side, conversation: Conversation) -> str:
    """What the message is that *side* has begun and not completed, with who said it.

    Its list is read as if it ended behind what names it, which the first few bytes hold.
    """
    rest = conversation.unread(side)[:_HEAD]
    fewer = _FEWER.get(rest[:2])
    if fewer is not None:
        decoder = Decoder(DIALECTS.get(conversation.dialect or b"", NONE), DEFAULT_LIMITS)
        decoder.feed(fewer + rest[2:])
        try:
            found = next(decoder, None)
        except PeerError:
            found = None
        if type(found) is list and len(found) == 4 and type(found[3]) is bytes:
            call = Message(found[1], found[2], found[3], 1, None, None)
            return f"the {side.value}'s call {_target(side, call, None)}{visible(call.method, _METHOD)}(...)"
        if type(found) is list and len(found) == 2 and type(found[1]) is not list:
            asked = conversation.ledgers[side.other].pending.get(found[1])
            if asked is not None:
                word = "error" if found[0] == b"error" else "answer"
                return f"the {side.value}'s {word} to {called(asked, short=True)}"
    return f"what the {side.value} sent"


def _side(side: Side | None) -> str:
    return "peer" if side is None else side.value
