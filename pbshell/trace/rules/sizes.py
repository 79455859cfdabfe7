"""Strings that come near the size that a stock peer takes. Knows sizes and times; knows no contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.explain import duration
from pbshell.trace.notes import Large
from pbshell.trace.rules.phrases import fact, unseen, was_said
from pbshell.trace.rules.rule import Rule
from pbshell.trace.verdict import Verdict
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message

__all__ = ["Sizes"]

_MOST = DEFAULT_LIMITS.string
#: the part of the limit that is worth a word
_NEAR = 0.8
#: strings of growing length after which that is called growth
_GROWS = 3


class _Large:
    """The largest string of one connection, the message that has it, and how it came to that."""

    __slots__ = ("count", "first_at", "first_size", "said", "size")

    def __init__(self, said: Dissection, size: int) -> None:
        self.first_at, self.first_size = said.at, size
        self.said, self.size, self.count = said, size, 1

    def grow(self, said: Dissection, size: int) -> None:
        """A larger one has come."""
        self.said, self.size = said, size
        self.count += 1


class Sizes(Rule):
    """Says once for each connection that a string fills most of the limit; and, asked later, how it stands."""

    of = (Message, CacheMessage, Answer, ErrorAnswer)

    def __init__(self) -> None:
        self._largest: dict[int, _Large] = {}
        self._told: set[int] = set()

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        """Measure a long message."""
        for note in dissection.notes:
            if type(note) is Large:
                return self._measured(dissection, note.string, conversation)
        return ()

    def verdicts(self, now: float, conversation: Conversation) -> Iterator[Verdict]:
        """How near the largest string so far has come."""
        large = self._largest.get(conversation.number)
        if large is not None and large.size >= _NEAR * _MOST:
            yield _verdict(large, conversation)

    def forget(self, number: int) -> None:
        """The connection *number* has ended."""
        self._largest.pop(number, None)
        self._told.discard(number)

    def _measured(self, said: Dissection, size: int, conversation: Conversation) -> tuple[Verdict, ...]:
        number = conversation.number
        large = self._largest.get(number)
        if large is None:
            large = self._largest[number] = _Large(said, size)
        elif size > large.size:
            large.grow(said, size)
        # What is beyond the limit ends the connection, or passes because the limit was raised.
        if size != large.size or not _NEAR * _MOST <= size <= _MOST or number in self._told:
            return ()
        self._told.add(number)
        return (_verdict(large, conversation),)


def _verdict(large: _Large, conversation: Conversation) -> Verdict:
    carrier = was_said(large.said)
    if large.size > _MOST:
        text = (
            f"{carrier} carries a string of {large.size:,} bytes, more than the {_MOST:,} of a stock Twisted peer: it "
            "passes only while banana.SIZE_LIMIT is raised on both sides"
        )
    else:
        text = (
            f"{carrier} carries a string of {large.size:,} bytes, {large.size / _MOST:.0%} of what a stock Twisted "
            f"peer takes ({_MOST:,}, banana.SIZE_LIMIT){_growth(large)}: raise it on both sides or send less at a time"
        )
    return Verdict(
        conversation.number,
        "near a limit",
        "note" if large.size > _MOST else "warning",
        text,
        (fact(large.said, conversation),),
        unseen(conversation),
        (large.said.number,),
    )


def _growth(large: _Large) -> str:
    """When the limit will be met, if they grow as they did."""
    took, grown = large.said.at - large.first_at, large.size - large.first_size
    if large.count < _GROWS or took <= 0:
        return ""
    return f", and meets that in {duration((_MOST - large.size) / (grown / took))} if it grows on as it did"
