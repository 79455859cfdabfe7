"""What comes in a rhythm on one connection: signs of life, and calls of what was lent as an argument.

Knows when something should have come again; does not know why it did not.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import NamedTuple, TypeAlias

from pbshell.trace.dissector import Dissection
from pbshell.trace.forms.naming import labelled
from pbshell.trace.notes import Exported, Lent, Released
from pbshell.trace.rules.phrases import called
from pbshell.trace.values import failure, identity, plain
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import CacheMessage, ErrorAnswer, Luid, Message, Request

__all__ = ["Callback", "Rhythm", "Rhythms", "shortened"]


class _Rule(NamedTuple):
    """So many *beats* make a rhythm if their period is not below *shortest* (seconds).

    Each may be *off* by that part of the period; and after so many *periods* without one it has stopped.
    """

    beats: int
    shortest: float
    off: float
    periods: int


#: for signs of life, and for what is called back
_PULSE = _Rule(4, 0.5, 0.2, 3)
_CALLBACK = _Rule(5, 0.05, 0.5, 20)
#: seconds within which nothing has stopped
_PATIENCE = 5.0
#: kinds of calls that are watched, objects lent as arguments, and bytes of a call that may be a sign of life
_PULSES, _CALLBACKS, _SMALL = 256, 1_024, 256
#: beats over which a period is averaged
_AVERAGED = 8
#: what signs of life are called
_SIGN = re.compile("alive|heart|beat|ping", re.IGNORECASE)
#: characters of a method, of a failure, and of a text that tells calls of one method apart
_METHOD, _FAILURE, _WORD = 60, 80, 40


class Rhythm:
    """Calls of one kind by *who*. *name* is what they are called, *key* the same in a word or two for programs.

    *beats* came in a row, *period* seconds apart, the last one, the dissection *number*, at *last* (seconds).
    *outcome* is what became of that one: nothing yet (``waiting``), an answer (``answered``), or the failure in words.
    """

    __slots__ = ("beats", "key", "last", "name", "number", "outcome", "period", "request", "rule", "who")

    def __init__(self, who: Side, *, is_callback: bool = False) -> None:
        self.who = who
        self.rule = _CALLBACK if is_callback else _PULSE
        self.name = self.key = ""
        self.beats = 0
        self.period = 0.0
        self.last = 0.0
        self.number = 0
        self.request: object = None
        self.outcome = ""

    @property
    def is_sign(self) -> bool:
        """Whether it is there to show that its side lives, as far as its name tells."""
        return self.is_lazy or _SIGN.search(self.name) is not None

    def beat(self, dissection: Dissection, request: object, outcome: str) -> None:
        """It came once more."""
        gap = dissection.at - self.last
        if self.beats >= 2 and abs(gap - self.period) <= self.rule.off * self.period:
            self.beats += 1
            self.period += (gap - self.period) / min(self.beats - 1, _AVERAGED)
        else:
            self.beats = min(self.beats, 1) + 1
            self.period = gap if self.beats == 2 else 0.0
        self.last = dissection.at
        self.number = dissection.number
        self.request = request
        self.outcome = outcome

    @property
    def patience(self) -> float | None:
        """Seconds without a beat after which it has stopped; None if it is no rhythm."""
        rule = self.rule
        if self.beats < rule.beats or self.period < rule.shortest:
            return None
        return max(rule.periods * self.period, _PATIENCE)

    @property
    def is_callback(self) -> bool:
        """Whether these are the calls of what was lent as an argument."""
        return self.rule is _CALLBACK

    @property
    def is_lazy(self) -> bool:
        """Whether it comes only when nothing else is said: pbshell tells its version anew in a silence."""
        return self.request is None


class Callback:
    """*lent* was lent last as an argument of the call *number*, with this *request*; *rhythm* is how it is called."""

    __slots__ = ("lent", "number", "request", "rhythm")

    def __init__(self, lent: Lent) -> None:
        self.lent = lent
        self.number = 0
        self.request: Hashable = None
        self.rhythm: Rhythm | None = None


#: Which object, which method, and with which words.
_Key: TypeAlias = tuple[Luid, bytes, tuple[bytes, ...]]
_NO_ARGUMENTS = ([b"tuple"], [b"dictionary"])


class Rhythms:
    """All rhythms of one connection. What was lent as an argument is one, whatever is called of it.

    *occasions* has, by the number of a call back that waits, which call lent what it calls: the caller of that one, its
    request id and its number.
    """

    __slots__ = ("_callbacks", "_pulses", "_unanswered", "occasions")

    def __init__(self) -> None:
        self.occasions: dict[int, tuple[Side, Hashable, int]] = {}
        # Of the client and of the server: as part of a key the side would be hashed for every message.
        self._callbacks: tuple[OrderedDict[Luid, Callback], ...] = (OrderedDict(), OrderedDict())
        self._pulses: tuple[OrderedDict[_Key, Rhythm], ...] = (OrderedDict(), OrderedDict())
        self._unanswered: dict[int, Rhythm] = {}

    def __iter__(self) -> Iterator[Rhythm]:
        """What is, or was, a rhythm: signs of life, then callbacks."""
        for pulses in self._pulses:
            yield from (pulse for pulse in pulses.values() if pulse.patience is not None)
        for callbacks in self._callbacks:
            rhythms = [callback.rhythm for callback in callbacks.values() if callback.rhythm is not None]
            yield from (rhythm for rhythm in rhythms if rhythm.patience is not None)

    def said(self, dissection: Dissection) -> None:
        """The sender told its version: after the first time, a sign of life."""
        assert dissection.sender is not None
        pulse = self._pulse(dissection.sender, (b"", b"", ()))
        pulse.key, pulse.name = dissection.sender.value, "[version 6]"
        pulse.beat(dissection, None, "answered")

    def called(self, dissection: Dissection, what: Message | CacheMessage) -> None:
        """A call. What it lends may be called back."""
        if dissection.notes:
            for note in dissection.notes:
                if type(note) is Exported:
                    self._lend(note.lent, dissection.number, what.request)
        target = dissection.target
        if target is None:
            return
        callback = self._callbacks[target.owner is Side.SERVER].get(target.luid)
        outcome = "waiting" if what.wants_answer else "answered"
        if callback is not None:
            self._called_back(callback, dissection, what, outcome)
        # A mind is for all that a server has to say, and so it has no rhythm, but its calls may.
        if callback is not None and not callback.lent.name.endswith(".mind"):
            rhythm = callback.rhythm
            if rhythm is None:
                rhythm = callback.rhythm = Rhythm(callback.lent.owner.other, is_callback=True)
        elif dissection.size <= _SMALL and type(what) is Message:
            who = dissection.sender
            assert who is not None
            words = () if (what.args, what.kwargs) == _NO_ARGUMENTS else _words(what)
            rhythm = self._pulse(who, (target.luid, what.method[:_METHOD], words))
            if rhythm.beats == _PULSE.beats - 1:
                rhythm.key = f"{identity(who.other, target.luid)}.{visible(what.method, _METHOD)}"
                # Numbers may be others each time.
                rhythm.name = called(dissection, short=not words)
        else:
            return
        # Only the last one matters: it tells why no other followed.
        self._unanswered.pop(rhythm.number, None)
        rhythm.beat(dissection, what.request if type(what.request) is int else shortened(what.request), outcome)
        if outcome == "waiting":
            self._unanswered[dissection.number] = rhythm

    def _called_back(
        self, callback: Callback, dissection: Dissection, what: Message | CacheMessage, outcome: str
    ) -> None:
        lent, rhythm = callback.lent, callback.rhythm
        # A peer that gives a cache and a reference one number calls back in the very message that lends it.
        if outcome == "waiting" and callback.number != dissection.number and len(self.occasions) < _CALLBACKS:
            # Who calls back may have dropped the object by the time that this is looked at.
            self.occasions[dissection.number] = (lent.owner, callback.request, callback.number)
        if rhythm is not None and rhythm.beats == _CALLBACK.beats - 1:
            rhythm.key, rhythm.name = identity(lent.owner, lent.luid), labelled(lent)

    def answered(self, dissection: Dissection, call: Dissection) -> None:
        """An answer to *call*, or an error."""
        what = dissection.what
        self.occasions.pop(call.number, None)
        rhythm = self._unanswered.pop(call.number, None)
        if rhythm is not None:
            assert dissection.sender is not None
            rhythm.outcome = "answered"
            if type(what) is ErrorAnswer:
                rhythm.outcome = failure(what.failure, dissection.sender, _FAILURE)

    def given_back(self, dissection: Dissection) -> None:
        """A receipt came back; of what is lent no more no call is awaited."""
        for note in dissection.notes:
            if type(note) is Released and not note.count:
                self._forget(self._callbacks[note.lent.owner is Side.SERVER].pop(note.lent.luid, None))

    def _lend(self, lent: Lent, number: int, request: Request) -> None:
        callbacks = self._callbacks[lent.owner is Side.SERVER]
        callback = callbacks.get(lent.luid)
        if callback is None:
            callback = callbacks[lent.luid] = Callback(lent)
            if len(callbacks) > _CALLBACKS:
                self._forget(callbacks.popitem(last=False)[1])
        callback.number = number
        callback.request = shortened(request)

    def _forget(self, callback: Callback | None) -> None:
        if callback is not None and callback.rhythm is not None:
            self._unanswered.pop(callback.rhythm.number, None)

    def _pulse(self, who: Side, key: _Key) -> Rhythm:
        pulses = self._pulses[who is Side.SERVER]
        pulse = pulses.get(key)
        if pulse is not None:
            pulses.move_to_end(key)
            return pulse
        pulse = pulses[key] = Rhythm(who)
        if len(pulses) > _PULSES:
            _, old = pulses.popitem(last=False)
            self._unanswered.pop(old.number, None)
        return pulse


def shortened(request: Request) -> Hashable:
    """A request id that may be remembered: a list cannot be answered, and a string may be of any length."""
    return b"" if type(request) is list or (type(request) is bytes and len(request) > _WORD) else request


def _words(what: Message) -> tuple[bytes, ...]:
    """The short texts among the arguments: a sign of life is told from other calls of its method by them."""
    found: list[bytes] = []
    for given in (what.args, what.kwargs):
        for item in given[1:] if type(given) is list else ():
            _collect(item, found)
    return tuple(found)


def _collect(item: Expression, found: list[bytes]) -> None:
    """Put what is text in *item*, an argument or a keyword with its value, behind *found*."""
    if type(item) is not list or len(item) != 2:
        return
    for part in item if type(item[0]) is list else (item,):
        if text := plain(part) if type(part) is list else b"":
            found.append(text[:_WORD])  # noqa: PERF401 (no clearer)
