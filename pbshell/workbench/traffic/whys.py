"""Why connections have ended, calls hang, and references are dead: verdicts, and the facts around them.

Knows where to look, and says where it has looked; reaches no verdict itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RemoteReference
from pbshell.errors import UsageError
from pbshell.trace import Conversation, Dissection
from pbshell.trace.explain import duration
from pbshell.trace.forms.naming import call_text, error_text, labelled, request_of, result_text
from pbshell.trace.forms.wording import counted, happened
from pbshell.trace.notes import Lent
from pbshell.trace.values import identity
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import LinkEvent
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, ErrorAnswer
from pbshell.workbench.books.finding import find
from pbshell.workbench.traffic.pointing import Pointer, is_call, is_object, lent_in
from pbshell.workbench.traffic.verdicts import as_object

if TYPE_CHECKING:
    from pbshell.workbench.traffic.sources import Source
    from pbshell.workbench.workbench import Workbench

__all__ = ["Why", "why"]

#: characters of a call, and of its outcome
_CALL, _OUTCOME = 120, 200


@dataclass(frozen=True, slots=True)
class Why:
    """What there is to say about *about*: the *facts*, a sentence each, and the *verdicts*, the worst first."""

    about: str
    facts: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object with the facts, and one for each verdict, see docs/reference/trace-json.md."""
        yield {"kind": "why", "about": self.about, "facts": list(self.facts)}
        yield from map(as_object, self.verdicts)


def why(bench: Workbench, source: Source, word: Any, now: float) -> Why:
    """Why it is so with *word*: a call, a connection, an object; or with everything, if it is empty.

    *now* is in seconds on the clock of *source*. Raises UsageError.
    """
    asked = _Asked(bench, source, now)
    if word == "":
        return asked.everything()
    if is_call(word):
        return asked.call(word)
    conversation = None if is_object(word) else asked.pointer.connection(word)
    if conversation is not None:
        return asked.connection(conversation)
    if str(word).lstrip("#").isdecimal():
        return asked.call(word)
    return asked.reference(word)


class _Asked:
    """Answers one question about *source*."""

    def __init__(self, bench: Workbench, source: Source, now: float) -> None:
        self.pointer = Pointer(bench, source)
        self._bench = bench
        self._source = source
        self._now = now
        self._found = source.why(now)

    def everything(self) -> Why:
        alive, source = self._source.alive(), self._source
        waiting = sum(len(ledger.pending) for each in alive for ledger in each.ledgers.values())
        looked = f"{counted(len(source.conversations()), 'connection')}, {counted(waiting, 'waiting call')}, "
        looked += counted(len(source.past), "frame")
        facts = [] if self._is_wrong(self._found) else [f"{_well(self._found)}; looked at: {looked}"]
        return Why("everything", (*facts, *filter(None, (source.missing, *source.notes))), tuple(self._found))

    def connection(self, conversation: Conversation, first: tuple[str, ...] = (), about: str = "") -> Why:
        number = conversation.number
        verdicts = [each for each in self._found if each.connection == number]
        name = conversation.name or f"connection {number}"
        addresses = f", {conversation.client} to {conversation.server}" if conversation.client else ""
        facts = [f"{visible(name, 60)}{addresses}: {self._state(conversation)}"]
        frames = sum(each is conversation for _, each in self._source.past.frames())
        if not self._is_wrong(verdicts):
            waiting = sum(len(ledger.pending) for ledger in conversation.ledgers.values())
            waits = "" if self._end(conversation) is not None else f", {counted(waiting, 'waiting call')}"
            facts.append(f"{_well(verdicts)} with it; looked at: {counted(frames, 'frame')}{waits}")
        return Why(about or visible(name, 60), (*first, *facts), tuple(verdicts))

    def call(self, word: Any) -> Why:
        call, conversation = self.pointer.call(word)
        name = conversation.name or str(call.connection)
        said = f"{request_of(call)}  {call_text(call, conversation, _CALL)}"
        facts = [f"{said}  (frame #{call.number}, {visible(name, 60)})"]
        answer = next((each for each, _ in self._source.past.frames() if each.call is call), None)
        frames = {call.number}
        end = self._end(conversation)
        if answer is not None:
            frames.add(answer.number)
            facts.append(f"it was answered {self._answer(answer, conversation)}")
        elif end is not None:
            facts.append(f"it was never answered: {self._state(conversation)}")
            frames.add(end.number)
        elif any(each is call for ledger in conversation.ledgers.values() for each in ledger.pending.values()):
            facts.append(f"it has been waiting for its answer for {duration(max(self._now - call.at, 0.0))}")
        else:
            facts.append("it wants no answer, or its answer is not remembered")
        mine = [each for each in self._found if each.connection == call.connection]
        verdicts = [each for each in mine if frames & set(each.frames)]
        if not self._is_wrong(verdicts):
            facts.append("nothing that is wrong with the connection has to do with it")
        return Why(request_of(call), tuple(facts), tuple(verdicts))

    def reference(self, word: Any) -> Why:
        lent, conversation = self._lent(word)
        shown = labelled(lent)
        birth = f", born in frame #{lent.born}" if lent.born else ""
        tomb = conversation.tombs[lent.owner].get(lent.luid)
        name = visible(conversation.name or f"connection {conversation.number}", 60)
        if self._end(conversation) is not None:
            first = f"{shown} is dead: it was lent over {name}{birth}, and a reference ends with its connection"
            return self.connection(conversation, (first,), identity(lent.owner, lent.luid))
        if tomb is not None and tomb.lent is lent:
            ago = duration(max(self._now - tomb.at, 0.0))
            first = f"{shown} is dead: it was lent over {name}{birth}, and {tomb.reason} (#{tomb.number}, {ago} ago)"
        else:
            first = f"{shown} is alive: it is lent over {name}{birth}"
        return self.connection(conversation, (first,), identity(lent.owner, lent.luid))

    # ------------------------------------------------------------------------------------ facts

    def _lent(self, word: Any) -> tuple[Lent, Conversation]:
        """What is or was lent as *word*; also that of a reference whose connection has ended."""
        value = self._bench.namespace.get(word) if isinstance(word, str) and not is_object(word) else word
        if isinstance(value, RemoteReference) and not self._source.name:
            for opened in (*self._bench.connections.values(), *self._bench.ended.values()):
                if opened.connection.broker is value.broker:
                    for each in self._source.conversations():
                        lent = lent_in(each, value.broker.side.other, value.luid)
                        if each.number == opened.connection.number and lent is not None:
                            return lent, each
        if isinstance(word, str) and not is_object(word) and word not in self._bench.namespace:
            raise UsageError(
                f"{visible(word, 40)!r} is no call (c#7), no connection, no object (s3), and no name of Python here"
            )
        if is_object(word):
            return self.pointer.object(word)
        find(self._bench, word)  # which says what is wrong with it
        return self.pointer.object(word)

    def _end(self, conversation: Conversation) -> Dissection | None:
        """What ended *conversation*, if that is remembered; None while it goes on."""
        if any(each is conversation for each in self._source.alive()):
            return None
        for dissection, each in reversed(list(self._source.past.frames())):
            if each is conversation and isinstance(dissection.what, LinkEvent) and dissection.what.kind == "closed":
                return dissection
        return None

    def _state(self, conversation: Conversation) -> str:
        end = self._end(conversation)
        if end is not None:
            assert isinstance(end.what, LinkEvent)
            return f"ended {self._when(end.at)}, {happened(end.what)} (#{end.number})"
        if any(each is conversation for each in self._source.alive()):
            if self._source.ended is not None:
                return "open when the capture ended"
            return f"open for {duration(max(self._now - conversation.first, 0.0))}"
        return "ended"

    def _when(self, at: float) -> str:
        if self._source.began is None:
            return f"{max(self._now - at, 0.0):.1f} s ago"
        when = datetime.fromtimestamp(self._source.began + at).astimezone()
        return f"at {when:%H:%M:%S}" + ("" if self._source.ended is not None else f" ({duration(self._now - at)} ago)")

    def _answer(self, answer: Dissection, conversation: Conversation) -> str:
        took = "" if answer.elapsed is None else f"after {duration(answer.elapsed)} "
        if isinstance(answer.what, ErrorAnswer):
            return f"{took}with an error: {error_text(answer, _OUTCOME)} (#{answer.number})"
        assert isinstance(answer.what, Answer)
        return f"{took}with {result_text(answer, conversation, _OUTCOME)} (#{answer.number})"

    def _is_wrong(self, verdicts: list[Verdict]) -> bool:
        return any(each.severity != "note" for each in verdicts)


def _well(notes: list[Verdict]) -> str:
    """What is said where no verdict is worse than a note; the notes themselves may be about what somebody asks for."""
    return "nothing is known to be wrong" if notes else "nothing is wrong"
