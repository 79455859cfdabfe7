"""Statistics of calls: how many, how long, how large, by method, peer, object or user. Knows no table and no screen.

Its memory is bounded: groups beyond the first ones are one group, and the times of a large group are counted and not
kept.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.notes import Cached, Ended, Exported
from pbshell.trace.values import identity
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message

__all__ = ["BY", "OTHERS", "Durations", "Row", "Statistics"]

#: What calls can be grouped by.
BY = ("method", "peer", "object", "user")
#: The group of all calls that came when there were too many groups.
OTHERS = "(others)"

#: groups, and characters of a name
_GROUPS, _NAME = 10_000, 120
#: times of one group that are kept one by one
_EXACT = 1_024
#: relative error of a quantile behind that, and the times (seconds) between which it holds
_ERROR, _LEAST, _MOST = 0.01, 1e-6, 1e6
#: the ratio of two neighbouring buckets
_RATIO = math.log((1 + _ERROR) / (1 - _ERROR))
_BUCKETS = math.ceil(math.log(_MOST / _LEAST) / _RATIO) + 2


class Durations:
    """Durations in seconds, and their quantiles: exact for the first 1,024, and within 1 percent for more.

    More than these are counted in buckets, each 2 percent wider than the one before, so that the memory is bounded and
    the result depends on nothing but the durations (the idea is that of DDSketch). `longest` is always exact.
    """

    __slots__ = ("_buckets", "_kept", "count", "longest", "total")

    def __init__(self) -> None:
        self.count = 0
        #: all of them together (seconds)
        self.total = 0.0
        self.longest = 0.0
        self._kept = array("d")
        self._buckets: array[int] | None = None

    @property
    def is_exact(self) -> bool:
        """Whether quantiles are what they would be if all durations were kept, which they are."""
        return self._buckets is None

    def add(self, seconds: float) -> None:
        """Count one more; clocks that were set back make it 0."""
        seconds = max(seconds, 0.0)
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        if self._buckets is not None:
            self._buckets[_bucket(seconds)] += 1
            return
        self._kept.append(seconds)
        if len(self._kept) > _EXACT:
            self._buckets = array("Q", bytes(8 * _BUCKETS))
            for each in self._kept:
                self._buckets[_bucket(each)] += 1
            self._kept = array("d")

    def quantile(self, fraction: float) -> float | None:
        """The smallest duration that this *fraction* of them does not exceed; None where there are none."""
        if not self.count:
            return None
        rank = max(math.ceil(fraction * self.count), 1)
        if self._buckets is None:
            return sorted(self._kept)[rank - 1]
        # The sum reaches every rank up to the count, so that the search ends before the buckets do.
        number = -1
        while rank > 0:
            number += 1
            rank -= self._buckets[number]
        return min(_middle(number), self.longest)


def _bucket(seconds: float) -> int:
    """The number of the bucket for a duration; what is too short or too long goes to the first or the last one."""
    if seconds <= _LEAST:
        return 0
    return min(math.ceil(math.log(seconds / _LEAST) / _RATIO), _BUCKETS - 1)


def _middle(number: int) -> float:
    """A duration that differs from all in the bucket by no more than the error."""
    return _LEAST * math.exp(number * _RATIO) * (1 - _ERROR) if number else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """The calls of one group.

    *key* is its name. *unanswered* are calls whose answer did not come, or not yet; *errors* are among the answers.
    *p50*, *p90*, *p99* and *longest* are seconds from a call to its answer, None where there was no answer; *total*
    is all of them together, and *exact* is whether the quantiles are (otherwise they are within 1 percent). *bytes*
    are those of calls and answers; *references* counts the objects that were not lent before and were in these.
    """

    key: str
    count: int
    errors: int
    unanswered: int
    total: float
    p50: float | None
    p90: float | None
    p99: float | None
    longest: float | None
    bytes: int
    references: int
    exact: bool


class _Group:
    """What is counted of one group."""

    __slots__ = ("bytes", "count", "durations", "errors", "references", "unanswered")

    def __init__(self) -> None:
        self.count = self.errors = self.unanswered = self.bytes = self.references = 0
        self.durations = Durations()

    def row(self, key: str, waiting: _Waiting) -> Row:
        times = self.durations
        return Row(
            key=key,
            count=self.count + waiting.count,
            errors=self.errors,
            unanswered=self.unanswered + waiting.count,
            total=times.total,
            p50=times.quantile(0.5),
            p90=times.quantile(0.9),
            p99=times.quantile(0.99),
            longest=times.longest if times.count else None,
            bytes=self.bytes + waiting.bytes,
            references=self.references + waiting.references,
            exact=times.is_exact,
        )


class _Waiting:
    """Calls that wait at the moment."""

    __slots__ = ("bytes", "count", "references")

    def __init__(self) -> None:
        self.count = self.bytes = self.references = 0

    def add(self, call: Dissection) -> None:
        self.count += 1
        self.bytes += call.size
        self.references += _lent_in(call)


class Statistics:
    """Counts calls by one of BY. A call is counted when it is answered, or when it is certain that it will not be.

    *select* says which calls are counted: those of which it is true for the call or for its answer.
    """

    def __init__(
        self,
        by: str = "method",
        select: Callable[[Dissection, Conversation], bool] | None = None,
        *,
        most: int = _GROUPS,
    ) -> None:
        self.by = by
        self._key = _KEYS[by]
        self._select = select
        self._most = most
        self._groups: dict[str, _Group] = {}
        self._ended: Conversation | None = None

    def see(self, dissection: Dissection, conversation: Conversation) -> None:
        """Count what *dissection*, a part of *conversation*, completes. To be called for each, in order."""
        what = dissection.what
        call = dissection.call
        if isinstance(what, (Message, CacheMessage)):
            if not what.wants_answer and self._wants(dissection, None, conversation):
                self._count(dissection, conversation)
        elif call is not None and isinstance(what, (Answer, ErrorAnswer)):
            if self._wants(call, dissection, conversation):
                self._answered(call, dissection, conversation)
        else:
            for note in dissection.notes:
                if isinstance(note, Ended):
                    self._end(note, conversation)

    def rows(self, conversations: Iterable[Conversation] = ()) -> list[Row]:
        """All groups, the one with the longest total time first; of *conversations*, the calls that wait as well."""
        waiting: dict[str, _Waiting] = {}
        for conversation in conversations:
            # The dissector has the one that ended last still in its list; that one's calls have been counted.
            if conversation is not self._ended:
                for call in _pending(conversation):
                    if self._wants(call, None, conversation):
                        waiting.setdefault(self._name(call, conversation), _Waiting()).add(call)
        names = [*self._groups, *(key for key in waiting if key not in self._groups)]
        rows = [self._groups.get(key, _Group()).row(key, waiting.get(key, _Waiting())) for key in names]
        return sorted(rows, key=lambda row: (-row.total, -row.count, row.key))

    def _wants(self, call: Dissection, answer: Dissection | None, conversation: Conversation) -> bool:
        select = self._select
        if select is None:
            return True
        return select(call, conversation) or (answer is not None and select(answer, conversation))

    def _name(self, call: Dissection, conversation: Conversation) -> str:
        key = self._key(call, conversation)
        return key if key in self._groups or len(self._groups) < self._most else OTHERS

    def _count(self, call: Dissection, conversation: Conversation) -> _Group:
        group = self._groups.setdefault(self._name(call, conversation), _Group())
        group.count += 1
        group.bytes += call.size
        group.references += _lent_in(call)
        return group

    def _answered(self, call: Dissection, answer: Dissection, conversation: Conversation) -> None:
        group = self._count(call, conversation)
        group.bytes += answer.size
        group.references += _lent_in(answer)
        group.errors += isinstance(answer.what, ErrorAnswer)
        # Of a call that was made before the capture began nobody knows when.
        if call.number:
            group.durations.add(answer.at - call.at)

    def _end(self, note: Ended, conversation: Conversation) -> None:
        self._ended = conversation
        for call in note.unanswered:
            if self._wants(call, None, conversation):
                self._count(call, conversation).unanswered += 1


def _pending(conversation: Conversation) -> Iterator[Dissection]:
    return (call for side in Side for call in conversation.ledgers[side].pending.values())


def _lent_in(dissection: Dissection) -> int:
    """How many objects *dissection* lends that were not lent before."""
    return sum(isinstance(note, (Exported, Cached)) and note.count == 1 for note in dissection.notes)


def _method(call: Dissection, conversation: Conversation) -> str:
    assert isinstance(call.what, (Message, CacheMessage))
    return visible(call.what.method, _NAME)


def _peer(call: Dissection, conversation: Conversation) -> str:
    host, _, port = conversation.client.rpartition(":")
    return visible(host if port.isdecimal() else conversation.client, _NAME) or "(unknown)"


def _object(call: Dissection, conversation: Conversation) -> str:
    lent = call.target
    if lent is None:
        return "(unknown)"
    return visible(lent.name or lent.type, _NAME) or identity(lent.owner, lent.luid)


def _user(call: Dissection, conversation: Conversation) -> str:
    return visible(conversation.user, _NAME) or "(nobody)"


_KEYS: dict[str, Callable[[Dissection, Conversation], str]] = {
    "method": _method,
    "peer": _peer,
    "object": _object,
    "user": _user,
}
