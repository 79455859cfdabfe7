"""`-o calls`: one line for each call when it is answered, and for whatever else happens. Knows no colours.

``>`` is a call of the client, ``<`` one of the server, ``~`` tells a cached copy of a change, ``-`` gives back what was
lent, ``x`` is the connection; ``=`` a result, ``!`` an error, ``?`` a call without an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.forms.clock import Clock
from pbshell.trace.forms.columns import columns, cut
from pbshell.trace.forms.layout import Fit, Layout, Row
from pbshell.trace.forms.naming import call_text, error_text, labelled, request, request_of, result_text
from pbshell.trace.forms.wording import amount, duration, ended, glimpse, happened, left, oddities, seeded, unread
from pbshell.trace.notes import Decached, Ended, Released, Uncached
from pbshell.trace.values import identity, spell
from pbshell.wire.banana import DIALECTS
from pbshell.wire.chunk import LinkEvent, Seed, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import (
    PB_VERSION,
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Message,
    Uncache,
    Version,
)

__all__ = ["Calls"]

#: seconds after which is shown what still waits for its end
_PATIENCE = 1.0


@dataclass(slots=True)
class _Greeting:
    """A handshake under way: what of it was *first*, and what is known so far. *told* is whether that was shown."""

    first: Dissection
    conversation: Conversation
    opened: LinkEvent | None = None
    choice: Choice | None = None
    size: int = 0
    told: bool = False


class Calls:
    """`-o calls`: lines of at most *width* columns (None: of any length).

    A call has its line when it is answered; if it waits for longer than a second, one more before. *times*, *zero* and
    *began* say how a line tells its time, see `Clock`: it is the time of the answer, not of the call. `tick` is to be
    called a few times in a second, by the clock of the capture.
    """

    def __init__(
        self, width: int | None = None, times: str = "clock", zero: float | None = None, *, began: float | None = None
    ) -> None:
        self._clock = Clock(times, zero, began)
        self._layout = Layout(width, self._clock)
        # What may still be told in one line with its end, by its number: calls, beginnings and half ends.
        self._held: dict[int, tuple[Dissection, Conversation]] = {}
        self._greetings: dict[int, _Greeting] = {}
        self._last = float("-inf")

    def resize(self, width: int | None) -> None:
        """Lines have at most *width* columns from here on."""
        if width != self._layout.width:
            self._layout = Layout(width, self._clock)

    def header(self) -> str:
        """The names of the columns."""
        return self._layout.header()

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """The lines that are due when *dissection* was said."""
        self._clock.begin(conversation.first)
        self._last = dissection.at
        return [self._layout.line(row) for row in self._rows(dissection, conversation)]

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """The lines that are due at *now* (seconds) if nothing has happened. *conversations* are those that go on."""
        if not self._held and not self._greetings:
            return []
        alive = {each.number: each for each in conversations}
        for number in [number for number in self._greetings if number not in alive]:
            self._held.pop(self._greetings.pop(number).first.number, None)
        return [self._layout.line(row) for row in self._overdue(now, alive)]

    def finish(self, now: float) -> list[str]:
        """The lines of what has no end at *now* (seconds), when the trace ends."""
        held, self._held = self._held, {}
        return [self._layout.line(self._unfinished(*each, max(now, self._last))) for each in held.values()]

    # ------------------------------------------------------------------------------------ what waits

    def _overdue(self, now: float, alive: Mapping[int, Conversation]) -> Iterator[Row]:
        while self._held:
            number = next(iter(self._held))
            dissection, conversation = self._held[number]
            if dissection.at + _PATIENCE > now:
                return
            del self._held[number]
            # Not before a line that is there already: times go forwards.
            self._last = max(dissection.at + _PATIENCE, self._last)
            row = self._unfinished(dissection, conversation, self._last)
            if _is_over(dissection, conversation, alive):
                # Its answer was not for our eyes, so that nobody can say what it was.
                row = replace(row, result=None)
            yield row

    def _unfinished(self, dissection: Dissection, conversation: Conversation, now: float) -> Row:
        what = dissection.what
        if isinstance(what, (Message, CacheMessage)):
            state = f"? waiting {duration(now - dissection.at)}, {request_of(dissection)}"
            return _unanswered(dissection, conversation, now, state)
        if isinstance(what, LinkEvent) and what.kind == "half_closed":
            return _event(dissection, what)
        greeting = self._greetings[dissection.connection]
        greeting.told = True
        return _greeted(greeting, now)

    # ------------------------------------------------------------------------------------ what was said

    def _rows(self, dissection: Dissection, conversation: Conversation) -> Iterator[Row]:
        what = dissection.what
        if isinstance(what, (Offer, Choice)) or (isinstance(what, LinkEvent) and what.kind == "opened"):
            self._begin(dissection, what, conversation)
            return
        greeting = self._greetings.pop(dissection.connection, None)
        if isinstance(what, Version):
            yield from self._versions(dissection, what, greeting)
            return
        if greeting is not None and (not greeting.told or greeting.choice is not None):
            self._held.pop(greeting.first.number, None)
            yield _greeted(greeting, dissection.at)
        if isinstance(what, (Message, CacheMessage)) and what.wants_answer:
            self._held[dissection.number] = dissection, conversation
        elif isinstance(what, (Answer, ErrorAnswer)):
            if dissection.call is not None:
                self._held.pop(dissection.call.number, None)
            yield _finished(dissection, conversation)
        elif isinstance(what, LinkEvent):
            yield from self._happened(dissection, what, conversation)
        else:
            yield _said(dissection, conversation)

    def _begin(self, dissection: Dissection, what: Offer | Choice | LinkEvent, conversation: Conversation) -> None:
        greeting = self._greetings.get(dissection.connection)
        if greeting is None:
            greeting = self._greetings[dissection.connection] = _Greeting(dissection, conversation)
            self._held[dissection.number] = dissection, conversation
        greeting.size += dissection.size
        if isinstance(what, LinkEvent):
            greeting.opened = what
        elif isinstance(what, Choice):
            greeting.choice = what

    def _versions(self, dissection: Dissection, what: Version, greeting: _Greeting | None) -> Iterator[Row]:
        """The first version ends the handshake; the other side's, and later ones, say nothing new if they are right."""
        if greeting is not None:
            self._held.pop(greeting.first.number, None)
            greeting.size += dissection.size
            yield _greeted(greeting, dissection.at, what)
        elif what.number != PB_VERSION:
            call = partial(cut, f"version {spell(what.number, Side.CLIENT, 20)}")
            firm = partial(cut, f"! only {PB_VERSION} exists")
            yield _row(dissection, _arrow(dissection.sender), call, firm=firm)

    def _happened(self, dissection: Dissection, what: LinkEvent, conversation: Conversation) -> Iterator[Row]:
        if what.kind == "half_closed":
            self._held[dissection.number] = dissection, conversation
            return
        if what.kind == "closed":
            mine = [number for number, (each, _) in self._held.items() if each.connection == dissection.connection]
            for each, _ in [self._held.pop(number) for number in mine]:
                if isinstance(each.what, (Message, CacheMessage)):
                    state = f"? never answered, {request_of(each)}"
                    yield _unanswered(each, conversation, dissection.at, state)
        yield _event(dissection, what)


# ------------------------------------------------------------------------------------------------ rows


def _arrow(sender: Side | None) -> str:
    return "x" if sender is None else ">" if sender is Side.CLIENT else "<"


def _row(
    dissection: Dissection,
    sign: str,
    call: Fit,
    *,
    result: Fit | None = None,
    firm: Fit | None = None,
    answer: Dissection | None = None,
) -> Row:
    """The row of *dissection*, or of that call and its *answer*."""
    number, connection = dissection.number, dissection.connection
    at, took, size = dissection.at, None, dissection.size
    if answer is not None:
        at, took, size = answer.at, answer.elapsed, size + answer.size
    return Row(number, at, connection, sign, call, result, firm, took, size)


def _shortest(*texts: str) -> Fit:
    """The first of *texts* that fits, else the last one, cut."""

    def fit(room: int) -> str:
        return next((text for text in texts if columns(text) <= room), cut(texts[-1], room))

    return fit


def _odd(*dissections: Dissection) -> str:
    return oddities(note for each in dissections for note in each.notes)


def _sign_of(call: Dissection) -> str:
    return _arrow(call.sender) + ("~" if isinstance(call.what, CacheMessage) else "")


def _finished(answer: Dissection, conversation: Conversation) -> Row:
    """A call with its answer, or an answer to a call that nobody has seen."""
    call, what = answer.call, answer.what
    assert answer.sender is not None
    assert isinstance(what, (Answer, ErrorAnswer))
    odd = _odd(answer) if call is None else _odd(call, answer)
    result: Fit | None = partial(_result, answer, conversation)
    firm: Fit | None = partial(cut, odd) if odd else None
    if isinstance(what, ErrorAnswer):
        result, firm = None, partial(_error, answer, odd)
    if call is None:
        of = request(answer.sender.other, what.request)
        text = _shortest(f"answer to {of}, not seen", of)
        return _row(answer, _arrow(answer.sender.other), text, result=result, firm=firm)
    return _row(call, _sign_of(call), partial(_call, call, conversation), result=result, firm=firm, answer=answer)


def _call(call: Dissection, conversation: Conversation, room: int) -> str:
    return call_text(call, conversation, room)


def _result(answer: Dissection, conversation: Conversation, room: int) -> str:
    return cut(f"= {result_text(answer, conversation, max(room - 2, 1))}", room)


def _error(answer: Dissection, odd: str, room: int) -> str:
    if odd:
        return cut(f"! {error_text(answer, room)}  {odd}", room)
    return cut(f"! {error_text(answer, max(room - 2, 1))}", room)


def _unanswered(call: Dissection, conversation: Conversation, at: float, state: str) -> Row:
    odd = _odd(call)

    def text(room: int) -> str:
        return f"{call_text(call, conversation, max(room - 4, 1))} ..."

    short = state.partition(",")[0]
    row = _row(call, _sign_of(call), text, result=_shortest(state, short), firm=partial(cut, odd) if odd else None)
    return replace(row, at=at)


def _greeted(greeting: _Greeting, at: float, version: Version | None = None) -> Row:
    """What came of a handshake so far."""
    opened, choice = greeting.opened, greeting.choice
    word = "opened" if opened is not None and not (greeting.told and version) else "handshake"
    who = "" if opened is None else visible(opened.detail, 200)
    parts = [f"PB {spell(version.number, Side.CLIENT, 20)}"] if version is not None else []
    parts += [f"dialect {visible(choice.dialect, 20)}"] if choice is not None else ["not a word of PB yet"]
    said = ", ".join(parts)
    wrong = []
    if choice is not None and choice.dialect not in DIALECTS:
        wrong.append("never heard of that dialect")
    if version is not None and version.number != PB_VERSION:
        wrong.append(f"only version {PB_VERSION} exists")
    texts = [f"{word}: {who}, {said}", f"{word}: {who}", f"{word}: {said}"] if who else [f"{word}: {said}"]
    first = greeting.first
    return Row(
        first.number,
        at,
        first.connection,
        "x",
        _shortest(*texts),
        firm=partial(cut, f"! {', '.join(wrong)}") if wrong else None,
        took=at - first.at if version is not None else None,
        size=greeting.size,
    )


def _event(dissection: Dissection, what: LinkEvent) -> Row:
    """What the link did, and what a connection leaves behind."""
    text = happened(what)
    short = text.removesuffix(" the connection")
    rest = next((note for note in dissection.notes if isinstance(note, Ended)), None)
    texts = [text, short]
    if rest is not None and ended(rest):
        texts = [f"{text}   {ended(rest)}", *(f"{short}   {ended(rest, listed)}" for listed in (5, 4, 1, 0))]
    return _row(dissection, "x", _shortest(*texts))


def _said(dissection: Dissection, conversation: Conversation) -> Row:
    """Whatever needs no answer."""
    what, sender = dissection.what, dissection.sender
    arrow, odd = _arrow(sender), _odd(dissection)
    firm = partial(cut, odd) if odd else None
    if isinstance(what, Seed):
        text = f"traced from here on: {seeded(what)}"
        return _row(dissection, arrow, _shortest(text, seeded(what)))
    if isinstance(what, Unseen):
        text = f"{what.why}: {amount(dissection.size)} not seen{glimpse(what.data)}"
        return _row(dissection, arrow, partial(cut, visible(text)))
    if isinstance(what, Undecodable):
        text = f"not understood{glimpse(what.data)}"
        return _row(dissection, arrow, partial(cut, text), firm=partial(cut, f"! {unread(what)}"))
    if isinstance(what, DidNotUnderstand):
        error = partial(cut, f"! no verb {spell(what.word, Side.CLIENT, 60)}")
        return _row(dissection, arrow, partial(cut, "did not understand"), firm=error)
    if isinstance(what, (Decref, Decache, Uncache)):
        return _returned(dissection, what, firm)
    call = partial(_call, dissection, conversation)
    return _row(dissection, _sign_of(dissection), call, result=_shortest("no answer wanted", "none"), firm=firm)


def _returned(dissection: Dissection, what: Decref | Decache | Uncache, firm: Fit | None) -> Row:
    """A receipt that came back, and how many are left."""
    sender, lent = dissection.sender, dissection.target
    assert sender is not None
    # A holder gives back what the other side lends; an owner takes back what it lends itself.
    owner = sender if isinstance(what, Uncache) else sender.other
    luid = what.object if isinstance(what, Decref) else what.cache
    name = labelled(lent) if lent is not None else identity(owner, luid)
    note = next((note for note in dissection.notes if isinstance(note, (Released, Decached, Uncached))), None)
    rest = left(note) if note is not None else ""
    call = partial(cut, f"{type(what).__name__.lower()} {name}")
    return _row(dissection, "-", call, result=partial(cut, rest) if rest else None, firm=firm)


def _is_over(dissection: Dissection, conversation: Conversation, alive: Mapping[int, Conversation]) -> bool:
    """Whether a call that was not seen to be answered is answered, or its connection has ended."""
    what = dissection.what
    if not isinstance(what, (Message, CacheMessage)):
        return False
    if alive.get(dissection.connection) is not conversation:
        return True
    assert dissection.sender is not None
    pending = conversation.ledgers[dissection.sender].pending
    return not isinstance(what.request, list) and pending.get(what.request) is not dissection
