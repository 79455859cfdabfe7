"""Why nothing comes: calls without an answer on a connection that is open, sides that are silent, rhythms that stopped.

Knows who owes what since when; knows no bytes, and nothing of what a method does.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from pbshell.trace.dissector import Conversation, Dissection, Undecodable
from pbshell.trace.forms.wording import counted, duration
from pbshell.trace.notes import Large, Odd
from pbshell.trace.rules.phrases import called, request_of, unseen
from pbshell.trace.rules.rhythms import Rhythm, Rhythms, shortened
from pbshell.trace.rules.rule import Rule
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, Decref, ErrorAnswer, Message, Version

__all__ = ["Hangs"]

#: seconds, and times what is usual for its method, after which a call without an answer is worth a word; seconds after
#: which the silence behind a method of which nothing is usual is more than a note
_PATIENCE, _UNUSUAL, _LONG = 5.0, 20, 30.0
#: Seconds after a call within which what comes from the other side may have been under way already.
_CROSSING = 1.0
#: methods that are remembered of a connection, and answers of each by which it is told what is usual
_METHODS, _ANSWERS = 256, 32
#: calls without an answer that are looked at, that get a verdict of their own, and that are named as evidence
_LOOKED_AT, _SAID, _NAMED = 2_000, 8, 8
#: a string of an answer from which on the next one may be too long to be sent (bytes)
_NEARLY = DEFAULT_LIMITS.string * 4 // 5
#: characters of a method and of a detail
_METHOD, _DETAIL = 60, 120

# What a detail says may be anybody's, so no number is longer than one can be.
_NUMBER = r"(\d[\d,]{0,15}(?:\.\d{1,9})?)"
_UNACKNOWLEDGED = re.compile(rf"(.+) unacknowledged for {_NUMBER} s", re.ASCII)
_WINDOW = re.compile(rf"its receive window is closed(?: for {_NUMBER} s)?", re.ASCII)
_BYTES = re.compile(r"(\d[\d,]{0,15}) bytes?", re.ASCII)
_NO_TCP = "whether its system still acknowledges what it is sent: a capture of packets tells"


class _Usual:
    """How the answers to one method were: how many, how long the *recent* ones took (seconds), the longest string.

    *middle* is the median of that, as far as it was asked for.
    """

    __slots__ = ("count", "longest", "middle", "recent")

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0
        self.recent: deque[float] = deque(maxlen=_ANSWERS)
        self.middle: float | None = None

    @property
    def median(self) -> float:
        """Seconds that an answer took of late."""
        if self.middle is None:
            self.middle = statistics.median(self.recent)
        return self.middle

    def __str__(self) -> str:
        return f"usually {duration(self.median)}, {counted(self.count, 'time')}"


@dataclass(frozen=True, slots=True)
class _Stall:
    """A side takes nothing *since* then (seconds); *event* says why, *number* is its dissection.

    *sent* are the bytes that the other side had sent then.
    """

    event: LinkEvent
    number: int
    since: float
    sent: int


class _Link:
    """What is remembered of one connection.

    *methods* has what is usual, by caller and method; *answered* has, by side, the last call that it has answered: the
    numbers of both, request id and method. By side, too: *stalls* is why it takes nothing, *ended* when it said its
    last byte, *gaps* when bytes of it were lost to the capture; *unread* are those whose bytes cannot be read any more.
    """

    __slots__ = ("answered", "ended", "gaps", "methods", "rhythms", "stalls", "unread")

    def __init__(self) -> None:
        # Of the client's calls and of the server's: as part of a key the side would be hashed for every message.
        self.methods: tuple[OrderedDict[bytes, _Usual], ...] = (OrderedDict(), OrderedDict())
        self.rhythms = Rhythms()
        self.answered: list[tuple[int, int, Hashable, bytes] | None] = [None, None]
        self.stalls: dict[Side, _Stall] = {}
        self.ended: dict[Side, float] = {}
        self.gaps: dict[Side, float] = {}
        self.unread: set[Side] = set()

    def usual(self, call: Dissection) -> _Usual | None:
        """What is usual for the method of *call*."""
        return self.methods[call.sender is Side.SERVER].get(_method(call))

    def heard(self, side: Side, conversation: Conversation) -> float:
        """When the last byte came from *side*, or would have been seen."""
        return max(conversation.heard.get(side, conversation.first), self.gaps.get(side, conversation.first))

    def is_overdue(self, call: Dissection, now: float) -> bool:
        """Whether *call* waits for longer than is usual."""
        age = now - call.at
        if age < _PATIENCE:
            return False
        usual = self.usual(call)
        return usual is None or age >= _UNUSUAL * usual.median


class Hangs(Rule):
    """Says of each call that waits too long what is known of the other side, and of each rhythm that it stopped."""

    of: ClassVar[tuple[type, ...]] = (
        Message,
        CacheMessage,
        Answer,
        ErrorAnswer,
        Decref,
        Version,
        Undecodable,
        LinkEvent,
    )

    def __init__(self) -> None:
        self._links: dict[int, _Link] = {}

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        """Remember it. This runs for every message."""
        link = self._links.get(dissection.connection)
        if link is None:
            link = self._links[dissection.connection] = _Link()
        what = dissection.what
        if link.unread and dissection.sender is not None:
            link.unread.discard(dissection.sender)
        if type(what) is Message or type(what) is CacheMessage:
            link.rhythms.called(dissection, what)
        elif type(what) is Answer or type(what) is ErrorAnswer:
            if dissection.call is not None:
                _answered(link, dissection, dissection.call)
        elif type(what) is Decref:
            link.rhythms.given_back(dissection)
        elif type(what) is Version:
            link.rhythms.said(dissection)
        elif type(what) is Undecodable:
            if dissection.sender is not None and not any(type(note) is Odd for note in dissection.notes):
                link.unread.add(dissection.sender)
        else:
            assert isinstance(what, LinkEvent)
            _happened(link, dissection, what, conversation)
        return ()

    def forget(self, number: int) -> None:
        """The connection *number* has ended."""
        self._links.pop(number, None)

    def verdicts(self, now: float, conversation: Conversation) -> Iterable[Verdict]:
        """What waits, and what has stopped, at *now* (seconds)."""
        link = self._links.get(conversation.number)
        if link is None:
            return
        told: set[int] = set()
        yield from _circles(link, now, conversation, told)
        for side in Side:
            yield from _owed(link, side, now, conversation, told)
        for rhythm in link.rhythms:
            yield from _stopped(link, rhythm, now, conversation)


def _method(call: Dissection) -> bytes:
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    return what.method[:_METHOD]


def _answered(link: _Link, dissection: Dissection, call: Dissection) -> None:
    link.rhythms.answered(dissection, call)
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    key, by_server = what.method[:_METHOD], call.sender is Side.SERVER
    methods = link.methods[by_server]
    usual = methods.get(key)
    if usual is None:
        usual = methods[key] = _Usual()
        if len(methods) > _METHODS:
            methods.popitem(last=False)
    else:
        methods.move_to_end(key)
    usual.count += 1
    usual.recent.append(dissection.at - call.at)
    usual.middle = None
    for note in dissection.notes:
        if type(note) is Large:
            usual.longest = max(usual.longest, note.string)
    known = link.answered[not by_server]
    if known is None or call.number >= known[0]:
        request = what.request if type(what.request) is int else shortened(what.request)
        link.answered[not by_server] = (call.number, dissection.number, request, key)


def _happened(link: _Link, dissection: Dissection, event: LinkEvent, conversation: Conversation) -> None:
    for side in Side if event.by is None else (event.by,):
        if event.kind == "stalled":
            link.stalls[side] = _Stall(event, dissection.number, _since(event), conversation.bytes[side.other])
        elif event.kind == "resumed":
            link.stalls.pop(side, None)
        elif event.kind == "gap":
            link.gaps[side] = event.at
        elif event.kind == "half_closed":
            link.ended[side] = event.at


def _since(event: LinkEvent) -> float:
    """When what *event* tells began (seconds); the words of those who cannot say it begin with the event."""
    found = _UNACKNOWLEDGED.match(event.detail) or _WINDOW.match(event.detail)
    seconds = found[found.re.groups] if found else None
    return event.at - float((seconds or "0").replace(",", ""))


# ------------------------------------------------------------------------------------------------ who owes an answer


def _owed(link: _Link, side: Side, now: float, conversation: Conversation, told: set[int]) -> Iterator[Verdict]:
    """What *side* owes the other one, and why it does not come. Calls in *told* are explained already."""
    pending = conversation.ledgers[side.other].pending
    calls = list(itertools.islice(pending.values(), _LOOKED_AT))
    waiting = [call for call in calls if link.is_overdue(call, now) and (not call.number or call.number not in told)]
    stall = link.stalls.get(side)
    if stall is not None and now - stall.since >= _PATIENCE:
        yield _stalled(link, stall, side, now, conversation)
        return
    if side in link.ended:
        if waiting:
            yield _deaf(link, side, waiting, now, conversation)
        return
    if side in link.unread:
        return
    heard = link.heard(side, conversation)
    missed = [each for each in link.rhythms if each.who is side and _is_missed(link, each, now, conversation)]
    missed.sort(key=lambda each: not each.is_sign)
    unheard = [call for call in waiting if call.at >= heard]
    if unheard or missed:
        yield _silent(link, side, waiting, unheard, missed, now, conversation)
        return
    for call in waiting[:_SAID]:
        yield _slow(link, side, call, now, conversation)
    if len(waiting) > _SAID:
        more = waiting[_SAID:]
        text = (
            f"{_some(len(waiting), _SAID)} more call{'' if len(more) == 1 else 's'} {_wait(len(more))} for the "
            f"{side.value}, the oldest for {_age(more[0], now)}"
        )
        evidence = _listed(link, more, now)
        yield Verdict(
            conversation.number, f"slow {side.value}", "note", text, evidence, unseen(conversation), _frames(more)
        )


def _stalled(link: _Link, stall: _Stall, side: Side, now: float, conversation: Conversation) -> Verdict:
    """*side* takes nothing of what it is sent."""
    me, other = side.value, side.other.value
    pending = conversation.ledgers[side.other].pending
    waiting = list(itertools.islice(pending.values(), _NAMED))
    calls = f", and {counted(len(pending), 'call')} {_wait(len(pending))}" if pending else ""
    lasts = duration(now - stall.since)
    still = conversation.heard.get(side, stall.since) > stall.since + _CROSSING
    detail = visible(stall.event.detail, _DETAIL)
    hidden, kind = "", f"unread {me}"
    unacknowledged = _UNACKNOWLEDGED.match(stall.event.detail)
    if unacknowledged:
        kind = f"half-open {me}"
        what = _bytes(unacknowledged[1], stall, side, conversation)
        text = f"the link is silently half-open: {what} from the {other} unacknowledged for {lasts}{calls}: "
        text += (
            f"what is sent to the {me} is lost on its way, though its own bytes still come"
            if still
            else f"the {me}'s machine, or the way to it or back, is gone"
        )
        text += (
            f", and the {other}'s system may take a quarter of an hour to give up (net.ipv4.tcp_retries2 of Linux, "
            "or TCP_USER_TIMEOUT of the socket)"
        )
    elif _WINDOW.match(stall.event.detail):
        text = (
            f"the {me} reads nothing: its receive window has been closed for {lasts}{calls}: its system is alive, and "
            f"its process {'has stopped reading' if still else 'is stopped or blocked'}"
        )
    else:
        hidden = _NO_TCP
        cause = (
            "it has stopped reading, though its own bytes still come"
            if still
            else "its process is stopped or blocked, or the link is half-open"
        )
        text = f"the {me} has not taken what it is sent for {lasts}{calls}: {cause}"
    evidence = (f"#{stall.number} said: {detail or 'stalled'}", *_listed(link, waiting, now))
    heard = conversation.heard.get(side)
    if heard is not None:
        evidence += (f"the {me}'s last bytes came {duration(now - heard)} ago",)
    frames = (stall.number, *_frames(waiting))
    return Verdict(
        conversation.number, kind, "error", text, evidence, unseen(conversation, *filter(None, [hidden])), frames
    )


def _bytes(what: str, stall: _Stall, side: Side, conversation: Conversation) -> str:
    """*what* was not acknowledged, with what was sent since."""
    since = conversation.bytes[side.other] - stall.sent
    size = _BYTES.fullmatch(what)
    return counted(int(size[1].replace(",", "")) + since, "byte") if size else visible(what, _DETAIL)


def _deaf(link: _Link, side: Side, waiting: list[Dissection], now: float, conversation: Conversation) -> Verdict:
    """*side* has said its last byte, and so it cannot answer."""
    text = (
        f"{counted(len(waiting), 'call')} {_wait(len(waiting))} in vain for the {side.value}, which closed its "
        f"direction of the connection {duration(now - link.ended[side])} ago: no answer can come, and it is for the "
        f"{side.other.value} to close the rest"
    )
    evidence = _listed(link, waiting, now)
    kind = f"half-closed {side.value}"
    return Verdict(conversation.number, kind, "error", text, evidence, unseen(conversation), _frames(waiting))


def _silent(
    link: _Link,
    side: Side,
    waiting: list[Dissection],
    unheard: list[Dissection],
    missed: list[Rhythm],
    now: float,
    conversation: Conversation,
) -> Verdict:
    """Nothing comes from *side*: it has not reacted to the calls *unheard*, and the rhythms *missed* have stopped."""
    reasons = []
    if waiting:
        oldest = f"{_shown(waiting[0])}, called {_age(waiting[0], now)} ago"
        count = f"{_some(len(waiting))} answers, the oldest one" if len(waiting) > 1 else "the answer"
        reasons.append(f"it owes {count} to {oldest}")
    if missed:
        came = "was called by it" if missed[0].is_callback else "came from it"
        reasons.append(f"{missed[0].name} {came} every {duration(missed[0].period)}")
    # One method may run for long. Several at a time, or one that never did, are more than that.
    methods = {_method(call) for call in unheard}
    is_certain = len(methods) > 1 or any(link.usual(call) is not None for call in unheard)
    silence = duration(now - link.heard(side, conversation))
    cause = "its process is stopped or blocked, or the link is half-open"
    severity = "error"
    if unheard and not is_certain:
        cause = f"the method still runs, {cause}"
        severity = "warning" if now - unheard[0].at >= _LONG else "note"
    elif not unheard:
        cause = cause if missed[0].is_lazy else f"it has ended that, {cause}"
        severity = "warning" if missed[0].is_sign else "note"
    text = f"nothing has come from the {side.value} for {silence}, though {' and '.join(reasons)}: {cause}"
    evidence = _listed(link, waiting, now) + tuple(
        f"{each.name} came {counted(each.beats, 'time')}, the last one {duration(now - each.last)} ago (#{each.number})"
        for each in missed[:_NAMED]
    )
    frames = (*_frames(waiting), *(each.number for each in missed[:_NAMED]))
    hidden = unseen(conversation, _NO_TCP)
    return Verdict(conversation.number, f"silent {side.value}", severity, text, evidence, hidden, frames)


def _slow(link: _Link, side: Side, call: Dissection, now: float, conversation: Conversation) -> Verdict:
    """*side* was heard since, but it has not answered *call*."""
    usual = link.usual(call)
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    heard = link.heard(side, conversation)
    known = link.answered[side is Side.SERVER]
    evidence, more = _listed(link, [call], now), []
    silence = duration(now - heard)
    is_alive = True
    lives = "lives and " if now - heard < _PATIENCE else ""
    if known is not None and known[0] > call.number:
        name = f"{request_of(side.other, known[2])} {visible(known[3])}"
        alive = f"which {lives}has answered {name} since (#{known[1]})"
        evidence += (f"the {side.value}'s last bytes came {silence} ago",)
    elif heard > call.at + _CROSSING:
        alive = f"which {lives}has said other things since, the last one {silence} ago"
    else:
        is_alive = False
        alive = f"which has been asked nothing since it was heard last, {silence} ago"
        more = [f"whether the {side.value} is still alive"]
    cause = "its method still runs, or waits for what never comes"
    if usual is not None and usual.longest >= _NEARLY and type(what) is Message:
        cause = (
            f"its method still runs, or has returned more than {DEFAULT_LIMITS.string:,} bytes in one string, which "
            "Twisted drops with no more than a line in its log (banana.SIZE_LIMIT)"
        )
        evidence += (f"an answer to this method had a string of {usual.longest:,} bytes",)
    text = f"{_shown(call)} has waited {_age(call, now)} for the {side.value}, {alive}: {cause}"
    if usual is not None:
        text += f" ({usual})"
    severity = "warning" if usual is not None and is_alive else "note"
    if link.gaps.get(side, call.at) > call.at:
        severity = "note"
    kind = f"slow {request_of(side.other, what.request)}"
    return Verdict(conversation.number, kind, severity, text, evidence, unseen(conversation, *more), _frames([call]))


# ------------------------------------------------------------------------------------------------ circles


def _circles(link: _Link, now: float, conversation: Conversation, told: set[int]) -> Iterator[Verdict]:
    """Calls that wait for calls back. Who has called them is in *told* then.

    That the first waits for the second is not said on the wire. But the second came while the first was waiting, and
    it is of something that the first has lent.
    """
    outer: dict[int, Dissection] = {}
    inner: list[Dissection] = []
    for side in Side:
        for call in itertools.islice(conversation.ledgers[side].pending.values(), _LOOKED_AT):
            found = _occasion(link, call, conversation)
            if found is not None and link.is_overdue(call, now):
                outer[call.number] = found
                inner.append(call)
    waited_for = {each.number for each in outer.values()}
    for call in inner:
        if call.number not in waited_for:
            chain = [call]
            while chain[-1].number in outer:
                chain.append(outer[chain[-1].number])
            told.update(each.number for each in chain)
            yield _circle(link, chain, now, conversation)


def _occasion(link: _Link, call: Dissection, conversation: Conversation) -> Dissection | None:
    """The call, still waiting, that lent what *call* calls."""
    occasion = link.rhythms.occasions.get(call.number)
    if occasion is None:
        return None
    caller, request, number = occasion
    found = conversation.ledgers[caller].pending.get(request)
    return found if found is not None and found.number == number else None


def _circle(link: _Link, chain: list[Dissection], now: float, conversation: Conversation) -> Verdict:
    """The first call in *chain* waits, and so does each for which it was made."""
    call, before = chain[0], chain[1]
    assert call.sender is not None
    me, other = call.sender.other, call.sender.value
    first = before.what
    assert isinstance(first, (Message, CacheMessage))
    text = (
        f"{_shown(before)} probably waits for {_shown(call)}, which the {other} called back and the {me.value} has not "
        f"answered for {_age(call, now)}: if the {me.value} answers it only after "
        f"{request_of(me, first.request)}, both wait for ever (a lock, or a call that blocks)"
    )
    heard = link.heard(me, conversation)
    spoke = f"the {me.value}'s last bytes came {duration(now - heard)} ago, "
    spoke += "after it was called back" if heard > call.at else "before it was called back"
    evidence = (*_listed(link, chain, now), spoke)
    kind = f"circle {request_of(me, first.request)}"
    return Verdict(conversation.number, kind, "warning", text, evidence, unseen(conversation), _frames(chain))


# ------------------------------------------------------------------------------------------------ rhythms


def _is_missed(link: _Link, rhythm: Rhythm, now: float, conversation: Conversation) -> bool:
    """Whether *rhythm* has stopped because nothing at all comes from its side."""
    patience = rhythm.patience
    heard = link.heard(rhythm.who, conversation)
    # Of other calls it is no wonder that they end, and then a side may have nothing to say.
    if not (rhythm.is_sign or rhythm.is_callback):
        return False
    if rhythm.is_lazy:
        heard = max(heard, link.heard(rhythm.who.other, conversation))
    elif heard > rhythm.last + 1.5 * rhythm.period:
        return False
    return patience is not None and now - heard >= patience and rhythm.outcome != "waiting"


def _stopped(link: _Link, rhythm: Rhythm, now: float, conversation: Conversation) -> Iterator[Verdict]:
    """Whether *rhythm* has stopped although its side goes on to speak."""
    patience, who = rhythm.patience, rhythm.who
    heard, since = link.heard(who, conversation), now - rhythm.last
    if rhythm.is_lazy or patience is None or since < patience or heard <= rhythm.last + 1.5 * rhythm.period:
        return
    # A call that waits is told as such, and what is in a gap nobody knows.
    if rhythm.outcome == "waiting" or who in link.ended or who in link.unread or link.gaps.get(who, 0) > rhythm.last:
        return
    often = f"every {duration(rhythm.period)}, {counted(rhythm.beats, 'time')}"
    failed = "" if rhythm.outcome == "answered" else rhythm.outcome
    if rhythm.is_callback:
        begin = (
            f"{rhythm.name} was called by the {who.value} {often}, and not for {duration(since)} while the link lives: "
        )
        cause = (
            f"the {who.value} has probably lost its observer (an error in what calls it, or a timer that has stopped)"
        )
        kind, severity = "callback", "warning"
    else:
        begin = (
            f"{rhythm.name} came from the {who.value} {often}, and not for {duration(since)}, while it goes on to say "
            "other things: "
        )
        cause = "its timer has probably stopped"
        kind = "keepalive"
        severity = "warning" if rhythm.is_sign else "note"
    if failed:
        severity = "warning"
        cause = (
            f"the last one was answered with {failed}, which has probably ended it (a LoopingCall of Twisted stops at "
            "the first failure)"
        )
    evidence = (
        f"the last one, {request_of(who, rhythm.request)}, was #{rhythm.number}",
        f"the {who.value}'s last bytes came {duration(now - heard)} ago",
    )
    yield Verdict(
        conversation.number,
        f"{kind} {rhythm.key}",
        severity,
        begin + cause,
        evidence,
        unseen(conversation),
        (rhythm.number,),
    )


# ------------------------------------------------------------------------------------------------ words


def _shown(call: Dissection) -> str:
    """*call* with the number that its caller gave it."""
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    assert call.sender is not None
    return f"{request_of(call.sender, what.request)} {called(call)}"


def _age(call: Dissection, now: float) -> str:
    """How long *call* has waited; what was called before the capture began has waited for longer."""
    return f"{'' if call.number else 'at least '}{duration(now - call.at)}"


def _some(count: int, without: int = 0) -> str:
    """So many of the calls that were looked at, *without* some, as a number; there may be more than were looked at."""
    return f"{'at least ' if count == _LOOKED_AT else ''}{count - without:,}"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _listed(link: _Link, calls: list[Dissection], now: float) -> tuple[str, ...]:
    """A line for each of the first *calls*: since when it waits, and what is usual."""
    lines = []
    for call in calls[:_NAMED]:
        usual = link.usual(call)
        number = f" (#{call.number})" if call.number else ""
        lines.append(f"{_shown(call)}{number} has waited {_age(call, now)}{f', {usual}' if usual else ''}")
    return tuple(lines)


def _frames(calls: list[Dissection]) -> tuple[int, ...]:
    return tuple(call.number for call in calls if call.number)[:64]
