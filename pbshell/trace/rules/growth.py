"""What only grows on a connection: objects that are lent and never given back, and calls that wait.

Knows counts, rates and the limits of a stock peer; does not know what an object is for.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import ClassVar

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.forms.naming import labelled
from pbshell.trace.forms.wording import counted, duration
from pbshell.trace.notes import Cached, Decached, Exported, Lent, Released
from pbshell.trace.rules.phrases import request_of, unseen
from pbshell.trace.rules.rule import Rule
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Side
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, Decache, Decref, ErrorAnswer, Luid, Message

__all__ = ["Birth", "Growth"]

#: objects that a stock Twisted server lends at most, and the part of them from which on that is worth a word
_MOST, _NEARLY = DEFAULT_LIMITS.exports, 0.8
#: growth that is worth a word before that: objects of one birth, in how many messages, and how many of them unreturned
_LEAK, _MESSAGES = 100, 20
#: receipts of one object, none given back and it never called, that are worth a word
_RECEIPTS = 100
#: times the usual distance, and seconds, after which what grew counts as grown
_PAUSE, _GROWN = 10, 60.0
#: calls that wait, and how many more than so many seconds ago, that are worth a word
_PENDING, _MORE, _WINDOW = 100, 50, 30
#: births that are told apart on each side, objects whose birth is remembered, and characters of a birth
_BIRTHS, _OBJECTS, _NAME = 128, 8_192, 100
#: growing messages by which a rate is told, waiting calls that are looked at, and objects that are named
_STEPS, _LOOKED_AT, _NAMED = 64, 1_000, 3


class Birth:
    """Objects that the same call has made: *live* are still lent, *returned* are not; *used* counts their calls.

    They were lent in so many *messages*, from *first* to *last* (seconds), the last one the dissection *number*.
    """

    __slots__ = ("first", "last", "live", "messages", "name", "number", "returned", "used")

    def __init__(self, name: str, at: float) -> None:
        self.name = name
        self.live = self.returned = self.messages = self.number = self.used = 0
        self.first = self.last = at

    def is_leak(self, now: float) -> bool:
        """Whether they only become more, and still do."""
        if self.live < _LEAK or self.returned or self.messages < _MESSAGES:
            return False
        distance = (self.last - self.first) / (self.messages - 1)
        return now - self.last <= max(_PAUSE * distance, _GROWN)


class _Lender:
    """What one side lends of one kind, references or caches.

    *births* has them by how they came about, *of* the birth of each; *partly* are objects of which a receipt came back.
    *steps* has when there were more than ever before, and how many.
    """

    __slots__ = ("births", "of", "partly", "peak", "steps")

    def __init__(self) -> None:
        self.births: dict[str, Birth] = {}
        self.of: dict[Luid, Birth] = {}
        self.partly: set[Luid] = set()
        self.steps: deque[tuple[float, int]] = deque(maxlen=_STEPS)
        self.peak = 0

    def birth(self, name: str, at: float) -> Birth:
        """Where what has this *name* is counted; births beyond the first ones are counted together."""
        found = self.births.get(name)
        if found is None:
            if len(self.births) >= _BIRTHS:
                name = "others"
            found = self.births.setdefault(name, Birth(name, at))
        return found

    def lent(self, lent: Lent, birth: Birth, dissection: Dissection) -> None:
        """One object more."""
        birth.live += 1
        if birth.number != dissection.number:
            birth.messages += 1
            birth.number = dissection.number
            birth.last = dissection.at
        if len(self.of) < _OBJECTS:
            self.of[lent.luid] = birth

    def returned(self, lent: Lent) -> None:
        """One object less."""
        birth = self.of.pop(lent.luid, None)
        self.partly.discard(lent.luid)
        if birth is not None:
            birth.live -= 1
            birth.returned += 1

    def measured(self, at: float, count: int) -> None:
        """There are *count* of them."""
        if count > self.peak:
            self.peak = count
            self.steps.append((at, count))
        elif count < self.peak // 2:
            # What comes now is another growth.
            self.peak = count
            self.steps.clear()

    def rate(self, now: float, count: int) -> float:
        """How many more there are each second."""
        if len(self.steps) < 2:
            return 0.0
        (begin, before), (end, _) = self.steps[0], self.steps[-1]
        if now - end > max(_PAUSE * (end - begin) / (len(self.steps) - 1), _GROWN):
            return 0.0
        return max(count - before, 0) / max(now - begin, 1.0)


class _Load:
    """Calls of one side and answers to them: *seconds* has (second, calls, answers, waiting when it began)."""

    __slots__ = ("answers", "calls", "second", "seconds", "waiting")

    def __init__(self) -> None:
        self.second = 0
        self.calls = self.answers = self.waiting = 0
        self.seconds: deque[tuple[int, int, int, int]] = deque(maxlen=_WINDOW)

    def turn(self, at: float, waiting: int) -> None:
        """It is *at* (seconds), and so many calls are *waiting*: close the second before."""
        if self.calls or self.answers:
            self.seconds.append((self.second, self.calls, self.answers, self.waiting))
        self.second, self.calls, self.answers, self.waiting = int(at), 0, 0, waiting


class _Link:
    """What is remembered of one connection: *loads* are those of the client's calls and of the server's.

    *lenders* are the client's of references and of caches, and the server's. Keys would be hashed for every message.
    """

    __slots__ = ("lenders", "loads")

    def __init__(self) -> None:
        self.lenders = (_Lender(), _Lender(), _Lender(), _Lender())
        self.loads = (_Load(), _Load())

    def lender(self, side: Side, *, cache: bool) -> _Lender:
        """What *side* lends of one kind."""
        return self.lenders[2 * (side is Side.SERVER) + cache]


class Growth(Rule):
    """Warns of what will hit a limit, and says who makes it grow and who lets it."""

    of: ClassVar[tuple[type, ...]] = (Message, CacheMessage, Answer, ErrorAnswer, Decref, Decache)

    def __init__(self) -> None:
        self._links: dict[int, _Link] = {}

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        """Count it. This runs for every message."""
        link = self._links.get(dissection.connection)
        if link is None:
            link = self._links[dissection.connection] = _Link()
        side, what = dissection.sender, dissection.what
        assert side is not None
        if type(what) is Message or type(what) is CacheMessage:
            load = link.loads[side is Side.SERVER]
            if dissection.at >= load.second + 1:
                load.turn(dissection.at, len(conversation.ledgers[side].pending))
            load.calls += 1
            target = dissection.target
            birth = None if target is None else link.lender(target.owner, cache=target.cache).of.get(target.luid)
            if birth is not None:
                birth.used += 1
        elif type(what) is Answer or type(what) is ErrorAnswer:
            load = link.loads[side is Side.CLIENT]
            if dissection.at >= load.second + 1:
                load.turn(dissection.at, len(conversation.ledgers[side.other].pending))
            load.answers += 1
        if dissection.notes:
            _noted(link, side, dissection, conversation)
        return ()

    def birth(self, number: int, lent: Lent) -> Birth | None:
        """Those that were born with *lent* on the connection *number*; None if it is not counted."""
        link = self._links.get(number)
        return None if link is None else link.lender(lent.owner, cache=lent.cache).of.get(lent.luid)

    def rate(self, conversation: Conversation, side: Side, now: float, *, cache: bool = False) -> float:
        """How many objects more *side* lends each second, at *now* (seconds), while they become more; else 0."""
        link = self._links.get(conversation.number)
        if link is None:
            return 0.0
        return link.lender(side, cache=cache).rate(now, _count(conversation, side, cache=cache))

    def forget(self, number: int) -> None:
        """The connection *number* has ended."""
        self._links.pop(number, None)

    def verdicts(self, now: float, conversation: Conversation) -> Iterable[Verdict]:
        """What grows, at *now* (seconds)."""
        link = self._links.get(conversation.number)
        if link is None:
            return
        for side in Side:
            for cache in (False, True):
                lender = link.lender(side, cache=cache)
                yield from _lending(lender, side, now, conversation, cache=cache)
                yield from _receipts(lender, side, now, conversation, cache=cache)
            yield from _piling(link.loads[side is Side.SERVER], side, now, conversation)


def _count(conversation: Conversation, side: Side, *, cache: bool) -> int:
    """How many objects *side* lends, without its root."""
    ledger = conversation.ledgers[side]
    return len(ledger.caches) if cache else len(ledger.exports) - 1


def _noted(link: _Link, side: Side, dissection: Dissection, conversation: Conversation) -> None:
    births: dict[bool, Birth] = {}
    for note in dissection.notes:
        if isinstance(note, (Exported, Cached)) and note.count == 1:
            cache = type(note) is Cached
            lender = link.lender(side, cache=cache)
            birth = births.get(cache)
            if birth is None:
                birth = births[cache] = lender.birth(_birth_of(link, note.lent, dissection), dissection.at)
                lender.measured(dissection.at, _count(conversation, side, cache=cache))
            lender.lent(note.lent, birth, dissection)
        elif isinstance(note, (Released, Decached)):
            cache = type(note) is Decached
            lender = link.lender(side.other, cache=cache)
            if not note.count:
                lender.returned(note.lent)
                lender.measured(dissection.at, _count(conversation, side.other, cache=cache))
            elif note.lent.luid in lender.of:
                lender.partly.add(note.lent.luid)


def _birth_of(link: _Link, lent: Lent, dissection: Dissection) -> str:
    """What made *lent*, the same for all that the same call made: its name without arguments."""
    call = dissection.call if isinstance(dissection.what, (Answer, ErrorAnswer)) else dissection
    what = None if call is None else call.what
    if not isinstance(what, (Message, CacheMessage)) or call is None:
        return "calls that were not seen"
    if call is not dissection and "(" not in lent.name:
        return visible(lent.name, _NAME)  # who has logged in
    target = call.target
    before = ""
    if target is not None and target.luid != b"root":
        birth = link.lender(target.owner, cache=target.cache).of.get(target.luid)
        before = f"{labelled(target) if birth is None else birth.name}."
    where = "" if call is not dissection else ", as arguments"
    return f"{visible(before + visible(what.method, _NAME), _NAME)}(..){where}"


def _lending(lender: _Lender, side: Side, now: float, conversation: Conversation, *, cache: bool) -> Iterator[Verdict]:
    """How many objects *side* lends, and whether they become more."""
    count, limit = _count(conversation, side, cache=cache), _limit(side, cache=cache)
    most = max(lender.births.values(), key=lambda birth: birth.live, default=None)
    if most is None or most.live == 0 or not (most.is_leak(now) or count >= limit * _NEARLY):
        return
    kind = "cached objects" if cache else "objects"
    rate = lender.rate(now, count)
    often = f", {_rate(rate, 'more ')}" if rate else ""
    stock = f"the {limit:,} {kind} that a stock Twisted {side.value} lends at most (twisted.spread.pb.MAX_BROKER_REFS)"
    if count > limit:
        fill = f"the {side.value} lends {count:,} {kind}{often}; its limit is not the {limit:,} of a stock Twisted peer"
    elif count == limit:
        fill = f"the {side.value} lends all of {stock}, so it can lend no other"
    else:
        full = f", full in {duration((limit - count) / rate)}" if rate else ""
        fill = f"the {side.value} lends {count:,} of {stock}{often}{full}"
    returned = f"has given back {most.returned:,} others" if most.returned else "has given back none"
    text = f"{fill}: {most.live:,} of them were born of {most.name}, of which the {side.other.value} {returned}"
    since = duration(now - most.first)
    made = f"{counted(most.live + most.returned, 'object')} in {counted(most.messages, 'message')}"
    evidence = [
        f"{most.name} has made {made} within {since}, the last one is #{most.number}",
        f"they were called {counted(most.used, 'time')}",
    ]
    others = sorted((each for each in lender.births.values() if each is not most), key=lambda each: -each.live)
    evidence += [f"{each.live:,} were born of {each.name}" for each in others[:_NAMED] if each.live]
    severity = "error" if count == limit else "warning"
    word = "caches" if cache else "references"
    hidden = unseen(conversation)
    yield Verdict(conversation.number, f"{word} {side.value}", severity, text, tuple(evidence), hidden, (most.number,))


def _limit(side: Side, *, cache: bool) -> int:
    """Objects that a stock *side* lends at most: one more than its limit says, and a server's root is one of them."""
    return _MOST if side is Side.SERVER and not cache else _MOST + 1


def _rate(rate: float, more: str = "") -> str:
    """*rate* (each second) in the unit that makes a number of it, with *more* behind that."""
    for seconds, unit in ((1, "second"), (60, "minute")):
        if rate * seconds >= 1:
            return f"{rate * seconds:,.0f} {more}a {unit}"
    return f"{rate * 3_600:,.1f} {more}an hour"


def _receipts(lender: _Lender, side: Side, now: float, conversation: Conversation, *, cache: bool) -> Iterator[Verdict]:
    """The object that was lent most often, if nobody gives it back or calls it."""
    ledger = conversation.ledgers[side]
    table = ledger.caches if cache else ledger.exports
    found = [
        entry
        for entry in table.values()
        if entry.count >= _RECEIPTS
        and not entry.thing.used
        and entry.luid in lender.of
        and entry.luid not in lender.partly
    ]
    if not found:
        return
    entry = max(found, key=lambda each: each.count)
    lent = entry.thing
    text = (
        f"{labelled(lent)} was lent {entry.count:,} times in {duration(now - lent.at)}, never called and never given "
        f"back: the {side.other.value} keeps a reference of its own for each time"
    )
    evidence: tuple[str, ...] = (f"it was born in #{lent.born}, the last message that has it is #{lent.touched[-1]}",)
    if len(found) > 1:
        evidence += (f"so it is with {counted(len(found) - 1, 'other object')}",)
    kind = f"receipts {side.value}"
    yield Verdict(
        conversation.number, kind, "note", text, evidence, unseen(conversation), tuple(lent.touched)[-_NAMED:]
    )


def _piling(load: _Load, side: Side, now: float, conversation: Conversation) -> Iterator[Verdict]:
    """Whether *side* calls faster than it is answered."""
    pending = conversation.ledgers[side].pending
    recent = [each for each in load.seconds if each[0] >= now - _WINDOW]
    more = len(pending) - (recent[0][3] if recent else len(pending))
    if len(pending) < _PENDING or more < _MORE:
        return
    calls = sum(each[1] for each in recent) + load.calls
    answers = sum(each[2] for each in recent) + load.answers
    span = max(now - recent[0][0], 1.0)
    methods = Counter(
        call.what.method
        for call in itertools.islice(pending.values(), _LOOKED_AT)
        if isinstance(call.what, (Message, CacheMessage))
    )
    method, count = methods.most_common(1)[0]
    oldest = next(iter(pending.values()))
    assert isinstance(oldest.what, (Message, CacheMessage))
    text = (
        f"the {side.value} calls faster than the {side.other.value} answers, {_rate(calls / span)} against "
        f"{_rate(answers / span) if answers else 'none'}: {len(pending):,} calls wait, {more:,} more than "
        f"{duration(span)} ago, and nothing in PB limits them"
    )
    looked_at = min(len(pending), _LOOKED_AT)
    evidence = (
        f"{count:,} of the first {looked_at:,} are calls of {visible(method, 60)}",
        f"the oldest is {request_of(side, oldest.what.request)} (#{oldest.number}), {duration(now - oldest.at)} ago",
    )
    kind = f"piling {side.value}"
    frames = (oldest.number,) if oldest.number else ()
    yield Verdict(conversation.number, kind, "warning", text, evidence, unseen(conversation), frames)
