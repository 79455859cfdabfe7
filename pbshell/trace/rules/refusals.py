"""Calls that failed for a reason that has a remedy: a class without a registration, a full table, a dead object.

Knows what Twisted says then; each reason is said once for each connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.explain import duration
from pbshell.trace.notes import Odd
from pbshell.trace.rules.failures import is_full, refused_class
from pbshell.trace.rules.phrases import call_of, fact, unseen
from pbshell.trace.rules.rule import Rule
from pbshell.trace.values import identity
from pbshell.trace.verdict import Verdict
from pbshell.wire.tags import TAGS
from pbshell.wire.text import visible
from pbshell.wire.verbs import CacheMessage, ErrorAnswer, Message, is_luid

__all__ = ["Refusals"]

#: different reasons that are said of one connection
_MOST = 32
#: Tags that stand for code.
_CODE = frozenset((b"class", b"module", b"function", b"method", b"instance"))


class Refusals(Rule):
    """What makes calls fail that could go through, by what the errors say and by what is missing between the calls."""

    of = (Message, CacheMessage, ErrorAnswer)

    def __init__(self) -> None:
        #: by connection, and by reason: the verdict, and how often it was due
        self._said: dict[int, dict[object, tuple[Verdict, int]]] = {}

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        """What this call or error shows."""
        what = dissection.what
        if type(what) is ErrorAnswer:
            return self._once(_in_error(dissection, what, conversation))
        for note in dissection.notes:
            if type(note) is Odd:
                return self._once(_in_call(dissection, note, conversation))
        return ()

    def verdicts(self, now: float, conversation: Conversation) -> Iterator[Verdict]:
        """What was said of *conversation*, with how often it has happened."""
        for verdict, count in self._said.get(conversation.number, {}).values():
            again = (f"this happened {count:,} times so far",) if count > 1 else ()
            yield replace(verdict, evidence=(*verdict.evidence, *again))

    def forget(self, number: int) -> None:
        """The connection *number* has ended."""
        self._said.pop(number, None)

    def _once(self, found: tuple[object, Verdict] | None) -> tuple[Verdict, ...]:
        """The verdict that was *found*, if nothing was said for its reason yet."""
        if found is None:
            return ()
        reason, verdict = found
        said = self._said.setdefault(verdict.connection, {})
        known = said.get(reason)
        if known is not None:
            said[reason] = (known[0], known[1] + 1)
            return ()
        if len(said) >= _MOST:
            return ()
        said[reason] = (verdict, 1)
        return (verdict,)


def _in_error(said: Dissection, what: ErrorAnswer, conversation: Conversation) -> tuple[object, Verdict] | None:
    """What the error *said* is the remedy of."""
    call = said.call
    assert said.sender is not None
    if call is None:
        return None
    here, there = said.sender.value, said.sender.other.value
    name = refused_class(what.failure)
    if name:
        text = f"the {here} refused {call_of(call, short=True)} because it carries {_unknown(name, here)}"
        return (said.sender, name), _verdict("class refused", "error", text, (call, said), conversation)
    full = is_full(what.failure)
    if full:
        text = (
            f"{call_of(call, short=True)} failed because the {here} lends as many {_THINGS[full]} as it may (1,024, "
            "twisted.spread.pb.MAX_BROKER_REFS), and it closes the connection the fourth time: drop some at the "
            f"{there}, or raise the limit at the {here}"
        )
        return (said.sender, full), _verdict("references", "error", text, (call, said), conversation)
    return None


def _unknown(name: str, here: str) -> str:
    """What is not known *here*, with what makes it known."""
    tag = name.encode()
    if tag in _CODE:
        return (
            f"code (a {name}), which stock PB does not take: send an instance of a pb.Copyable or a name, or allow it "
            f"in the SecurityOptions of the {here}"
        )
    if tag in TAGS:
        return (
            f"jelly's {name!r}, which the SecurityOptions of the {here} do not allow: call their allowTypes({name!r})"
        )
    line = f"add pb.setUnjellyableForClass({name!r}, ...) at the {here}"
    return f"an instance of {name}, for which no class is registered there: {line}"


_THINGS = {"reference": "objects", "cache": "cached objects"}


def _in_call(call: Dissection, note: Odd, conversation: Conversation) -> tuple[object, Verdict] | None:
    """What is odd about *call*, by *note*."""
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    assert call.sender is not None
    here = call.sender.value
    if note.kind == "request never sent":
        text = (
            f"{note.text}: the {here} could not encode what was to go there (a string or a list beyond 655,360, an "
            "integer beyond 448 bits, or a value that Banana has no type for), and the call raised a BananaError "
            "there"
        )
        return (call.sender, note.kind), _verdict("call not sent", "warning", text, (call,), conversation)
    if note.kind != "unknown luid" or not is_luid(luid := what.object if isinstance(what, Message) else what.cache):
        return None
    owner = call.sender.other if isinstance(what, Message) else call.sender
    tomb = conversation.tombs[owner].get(luid)
    since = "has never lent"
    if tomb is not None:
        since = f"lends no more since {duration(call.at - tomb.at)}, when its last receipt came back (#{tomb.number})"
    text = (
        f"the {here} called {visible(what.method, 60)} of {identity(owner, luid)}, which the {owner.value} {since}: "
        "keep the reference for as long as it is called"
    )
    return (call.sender, luid), _verdict("unknown object", "warning", text, (call,), conversation)


def _verdict(
    kind: str, severity: str, text: str, frames: tuple[Dissection, ...], conversation: Conversation
) -> Verdict:
    facts = tuple(fact(each, conversation) for each in frames)
    numbers = tuple(each.number for each in frames)
    return Verdict(conversation.number, kind, severity, text, facts, unseen(conversation), numbers)
