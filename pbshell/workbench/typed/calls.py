"""Calls: those that wait, those that have ended of late, and those that were made at the prompt.

Knows what the tracer has seen and what the Broker tells of our own calls; makes none but those that are repeated.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RemoteCacheObserver, RemoteReference
from pbshell.defer import Deferred, Failure
from pbshell.errors import DeadReferenceError, RemoteError, UsageError
from pbshell.trace import Conversation, Dissection, duration
from pbshell.trace.filters import Filter
from pbshell.trace.forms.naming import call_text, error_text, labelled, request_of, result_text
from pbshell.trace.notes import Ended
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message
from pbshell.workbench.forms.rows import shown
from pbshell.workbench.typed.statements import KEPT, Statement, Statements, here

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Line, Opened, Workbench

__all__ = ["CallRow", "Calls", "Made", "MadeRow"]

#: calls that have ended and are remembered; those of them that are listed unasked
REMEMBERED, LISTED = 1_000, 10
#: seconds after which a call of which nothing else is known counts as stuck
STUCK = 30.0
#: characters of a call, of its result, and of one argument
_WHAT, _RESULT, _ARGUMENT = 160, 120, 40
#: bytes of a call and its answer from which on their texts are kept in their place
_LARGE = 4_096
#: what a login calls, whose arguments are secrets
_LOGIN = ("login", "loginAnonymous", "respond")


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call, or a job. *id* is c#7 (of the client), s#7 (of the server), or d1.

    *direction* is > from client to server, < the other way.
    *state* is waiting, stuck, done, error, cancelled (nobody here waits for its answer), lost (with its connection),
    or background for a job. *seconds* is how long it has waited, or took. *waits* says who waits for it. *result* is
    what came of it, cut, and *verdict* why it is stuck. *frame* is the number of its message, 0 if that was not seen.
    """

    id: str
    connection: str
    direction: str
    call: str
    state: str
    seconds: float
    waits: str
    result: str = ""
    verdict: str = ""
    frame: int = 0


@dataclass(frozen=True, slots=True)
class MadeRow:
    """A call that was made at the prompt: *number* is what ``:again`` takes. *seconds* is None while it waits."""

    number: int
    id: str
    connection: str
    call: str
    state: str
    seconds: float | None


@dataclass(slots=True)
class _Over:
    """A call that has ended *at* then (seconds), by *answer*, or with its connection.

    *what* and *result* are its texts where the dissections were too large to be kept.
    """

    conversation: Conversation
    call: Dissection
    answer: Dissection | None
    at: float
    cancelled: bool
    what: str = ""
    result: str = ""

    def row(self, name: str) -> CallRow:
        """It as a row; *name* is that of its connection."""
        call = self.call
        state = "lost" if self.answer is None else "done"
        if self.answer is not None and isinstance(self.answer.what, ErrorAnswer):
            state = "error"
        if self.cancelled:
            state = "cancelled"
        what = self.what or call_text(call, self.conversation, _WHAT)
        result = self.result or _result(self.answer, self.conversation)
        return CallRow(
            request_of(call), name, _arrow(call), what, state, self.at - call.at, "", result, frame=call.number
        )


class Made:
    """A call that was made at the prompt. `again` makes it once more.

    It holds the arguments, and neither the reference nor the result: those may be given back meanwhile.
    """

    def __init__(
        self, calls: Calls, opened: Opened, callee: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.number = 0
        self.connection = opened.name
        self.method = method
        self.args = args
        self.kwargs = kwargs
        #: c#7; empty if it was not sent
        self.id = ""
        #: waiting, done, error, cancelled, or sent if no answer was wanted
        self.state = "waiting"
        #: seconds that it took; None while it waits
        self.seconds: float | None = None
        self._calls = calls
        self._number = opened.connection.number
        self._error: weakref.ref[BaseException] | None = None
        self._is_root = isinstance(callee, RemoteReference) and callee == opened.root
        self._callee: weakref.ref[Any] | RemoteCacheObserver = (
            weakref.ref(callee) if isinstance(callee, RemoteReference) else callee
        )
        self.target = _target(callee, opened, calls)

    def again(self) -> Deferred[Any]:
        """The same call on the same object, or on the root that stands in its place when one has connected anew.

        Raises DeadReferenceError when neither is there.
        """
        opened = self._calls.bench.connections.get(self.connection)
        if self._is_root and opened is not None:
            return self._call(opened.root)
        callee = self.callee()
        if callee is None:
            raise DeadReferenceError(
                f"{self.target} was given back: fetch it again, and call {self.method} of what you get"
            )
        if callee.broker.lost is not None:
            connect = f":reconnect {self.connection}, then " if self.connection in self._calls.bench.ended else ""
            fetch = ":again" if self._is_root else "fetch it again"
            raise DeadReferenceError(
                f"the connection {self.connection}, over which {self.target} came, has ended: {connect}{fetch}"
            )
        return self._call(callee)

    def _call(self, callee: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = callee.callRemote(self.method, *self.args, **self.kwargs)
        return deferred

    def callee(self) -> Any:
        """Whom it called, None if that was given back."""
        return self._callee() if isinstance(self._callee, weakref.ref) else self._callee

    def settled(self, result: Any, seconds: float) -> None:
        """*result*, or a Failure, came after *seconds*."""
        self.seconds = seconds
        self.state = "done"
        if isinstance(result, Failure):
            self.state = "cancelled" if isinstance(result.value, asyncio.CancelledError) else "error"
            # An exception of Python's own cannot be referred to weakly, and is none that a peer has sent.
            if isinstance(result.value, RemoteError):
                self._error = weakref.ref(result.value)

    def has_failed_with(self, error: BaseException) -> bool:
        """Whether it is the call that *error*, which is the peer's, came of."""
        return self._error is not None and self._error() is error

    def answer(self) -> Dissection | None:
        """What answered it, if that was seen and is remembered."""
        return self._calls.answer_to(self._number, self.id)

    def text(self) -> str:
        """It as one would write it."""
        words = [shown(each, _ARGUMENT) for each in self.args]
        words += [f"{visible(name, 40)}={shown(each, _ARGUMENT)}" for name, each in self.kwargs.items()]
        return f"{self.target}.{visible(self.method, 60)}({', '.join(words)})"

    def row(self) -> MadeRow:
        """It as a row of the journal."""
        return MadeRow(self.number, self.id, self.connection, self.text(), self.state, self.seconds)

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {duration(self.seconds)}"
        identity = f"{self.id} " if self.id else ""
        return f"<call {identity}{self.text()}, {self.state}{took}>"


class Calls:
    """The calls on all connections of *bench*. It must be there before the first of them to have seen them all."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        #: the calls that were made at the prompt, the last hundred
        self.journal: deque[Made] = deque(maxlen=KEPT)
        #: says what time it is (seconds of the loop)
        self.clock: Callable[[], float] = lambda: asyncio.get_running_loop().time()
        self._numbers = itertools.count(1)
        self._over: deque[_Over] = deque(maxlen=REMEMBERED)
        self._cancelled: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._callers: weakref.WeakKeyDictionary[Deferred[Any], Statement] = weakref.WeakKeyDictionary()
        bench.tracer.watchers.append(self._watch)

    # ------------------------------------------------------------------------------------ what is heard

    def listen(self) -> None:
        """Hear of our calls on each connection that is open now."""
        for opened in self.bench.connections.values():
            broker = opened.connection.broker
            if broker.called is None:
                broker.called = functools.partial(self._called, opened)

    def _called(
        self,
        opened: Opened,
        callee: Any,
        name: str | bytes,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        deferred: Deferred[Any],
    ) -> None:
        statement = here()
        method = name if isinstance(name, str) else name.decode("utf-8", "replace")
        if statement is None or method in _LOGIN:
            return
        self._callers[deferred] = statement
        if statement.job is not None:
            # It would be the last call in the middle of whatever is typed meanwhile.
            return
        made = Made(self, opened, callee, method, args, kwargs)
        made.number = next(self._numbers)
        made.id = _id_of(opened, deferred)
        self.journal.append(made)
        self.bench.namespace["_call"] = made
        if deferred.called and not isinstance(deferred.result, Failure):
            made.state = "sent"
            return
        deferred.addBoth(self._answered, made, opened.connection.number, self.clock())

    def _answered(self, result: Any, made: Made, connection: int, since: float) -> Any:
        made.settled(result, self.clock() - since)
        if made.state == "cancelled" and made.id:
            self._cancelled[connection, made.id] = None
            if len(self._cancelled) > REMEMBERED:
                self._cancelled.popitem(last=False)
        return result

    def _watch(self, dissection: Dissection, conversation: Conversation) -> None:
        """This runs for every message."""
        if dissection.call is not None:
            self._end(conversation, dissection.call, dissection, dissection.at)
        elif isinstance(dissection.what, LinkEvent):
            for note in dissection.notes:
                if isinstance(note, Ended):
                    for call in note.unanswered:
                        self._end(conversation, call, None, dissection.at)

    def _end(self, conversation: Conversation, call: Dissection, answer: Dissection | None, at: float) -> None:
        if not isinstance(call.what, (Message, CacheMessage)):
            return
        cancelled = bool(self._cancelled) and (conversation.number, request_of(call)) in self._cancelled
        if cancelled:
            del self._cancelled[conversation.number, request_of(call)]
        over = _Over(conversation, call, answer, at, cancelled)
        if call.size + (answer.size if answer is not None else 0) > _LARGE:
            over.what = call_text(call, conversation, _WHAT)
            over.result = _result(answer, conversation)
            over.call = _without_arguments(call)
            over.answer = None if answer is None else _without_result(answer, over.call)
        self._over.append(over)

    # ------------------------------------------------------------------------------------ what is asked

    def rows(self, which: str = "", select: Filter | None = None) -> list[CallRow]:
        """The calls that wait, the oldest first, the jobs, then those that have ended, the last one first.

        *which* is empty for all that wait and the last ten that have ended, stuck, done, or err.
        """
        now = self.clock()
        rows: list[CallRow] = []
        if which in ("", "stuck"):
            waiting = [(call.at, row) for call, row in self._waiting(now, select)]
            rows = [row for _, row in sorted(waiting, key=lambda each: each[0])]
            if which == "stuck":
                return [row for row in rows if row.state == "stuck"]
            if select is None:
                rows += self._jobs(now)
        return rows + self._ended(which, select)

    def made(self, number: int | None = None) -> Made:
        """The call *number* of the journal, by default the last one. Raises UsageError."""
        if not self.journal:
            raise UsageError("nothing was called at the prompt: root.callRemote('NAME') calls")
        if number is None:
            return self.journal[-1]
        for made in self.journal:
            if made.number == number:
                return made
        first, last = self.journal[0].number, self.journal[-1].number
        raise UsageError(f"there is no call {number} in the journal, which has {first} to {last}: :calls mine lists it")

    def answer_to(self, connection: int, identity: str) -> Dissection | None:
        """What has answered the call *identity* on the connection of this number."""
        for over in reversed(self._over):
            if over.conversation.number == connection and request_of(over.call) == identity:
                return over.answer
        return None

    def cancel(self, identity: str, connection: str = "") -> str:
        """Give up waiting for our call *identity* (c#7, or 7); a sentence about it. Raises UsageError."""
        found = [each for each in self._pending() if each[0].name == (connection or each[0].name)]
        found = [each for each in found if identity in (request_of(each[1]), request_of(each[1]).partition("#")[2])]
        # A bare number is a call of ours.
        ours = [each for each in found if each[1].sender is each[0].connection.broker.side]
        inuse = [each for each in ours if each[0].name == self.bench.current]
        if len(ours) > 1 and not inuse:
            names = ", ".join(each[0].name for each in ours)
            raise UsageError(f"there is a call {identity} on {names}: name the connection, :cancel {identity} NAME")
        if not ours:
            if found and "#" in identity:
                raise UsageError(
                    f"{identity} is a call of the peer's: only the peer can give it up, or a method of ours end it"
                )
            raise UsageError(f"no call {visible(identity, 30)} waits for an answer: :calls lists those that do")
        line, call = (inuse or ours)[0]
        return self._give_up(line, call)

    def _give_up(self, line: Line, call: Dissection) -> str:
        assert isinstance(call.what, (Message, CacheMessage))
        assert line.conversation is not None
        entry = line.connection.broker.ours.pending.get(call.what.request)
        if entry is None or entry.deferred.called:
            raise UsageError(f"nobody waits for {request_of(call)} any more: its answer will be dropped when it comes")
        entry.deferred.cancel()
        return (
            f"{request_of(call)} is given up: {call_text(call, line.conversation, _WHAT)} may still be running at the "
            "peer, and its answer will be dropped"
        )

    def abandon(self) -> None:
        """Give up every call that waits: the connections are about to be closed, and that is no news to anybody."""
        for line in self.bench.lines():
            for entry in list(line.connection.broker.ours.pending.values()):
                entry.deferred.cancel()

    # ------------------------------------------------------------------------------------ rows

    def _pending(self) -> Iterator[tuple[Line, Dissection]]:
        for line in self.bench.lines():
            if line.conversation is not None:
                for side in Side:
                    for call in line.conversation.ledgers[side].pending.values():
                        yield line, call

    def _waiting(self, now: float, select: Filter | None) -> Iterator[tuple[Dissection, CallRow]]:
        verdicts = self._verdicts(now)
        for line, call in self._pending():
            if select is None or select(call, line.conversation):
                yield call, self._row(line, call, now, verdicts.get((call.connection, call.number)))

    def _verdicts(self, now: float) -> dict[tuple[int, int], Verdict]:
        """By connection and frame, the worst that there is to say of each call that waits."""
        found: dict[tuple[int, int], Verdict] = {}
        for verdict in self.bench.tracer.why(now):
            for frame in verdict.frames:
                found.setdefault((verdict.connection, frame), verdict)
        return found

    def _row(self, line: Line, call: Dissection, now: float, verdict: Verdict | None) -> CallRow:
        assert isinstance(call.what, (Message, CacheMessage))
        assert line.conversation is not None
        assert call.sender is not None
        broker, age, said = line.connection.broker, now - call.at, ""
        state, waits = "waiting", call.sender.value
        if call.sender is broker.side:
            entry = broker.ours.pending.get(call.what.request)
            if entry is None or entry.deferred.called:
                state, waits = "cancelled", "nobody"
            else:
                waits = self._who(entry.deferred)
        if state == "waiting" and (verdict is not None or age >= STUCK):
            state = "stuck"
            said = verdict.text if verdict is not None else f"it has waited for {duration(age)}"
        what = call_text(call, line.conversation, _WHAT)
        return CallRow(request_of(call), line.name, _arrow(call), what, state, age, waits, "", said, call.number)

    def _who(self, deferred: Deferred[Any]) -> str:
        """Who waits for *deferred*: a job, a name of the namespace, the prompt, or code that was not typed."""
        statement = self._callers.get(deferred)
        if statement is not None and statement.job is not None:
            return statement.job.name
        for name, value in list(self.bench.namespace.items()):
            if value is deferred and not name.startswith("_"):
                return visible(name, 40)
        return "the prompt" if statement is not None else "the program"

    def _jobs(self, now: float) -> Iterator[CallRow]:
        for job in self.bench.part(Statements).jobs.values():
            if not job.done:
                source = visible(" ".join(job.source.split()), _WHAT)
                yield CallRow(job.name, "", "", source, job.state, now - job.since, "")

    def _ended(self, which: str, select: Filter | None) -> list[CallRow]:
        names = {opened.connection.number: name for name, opened in self.bench.ended.items()}
        names |= {line.connection.number: line.name for line in self.bench.lines()}
        rows: list[CallRow] = []
        for over in reversed(self._over):
            if select is not None and not select(over.answer or over.call, over.conversation):
                continue
            row = over.row(names.get(over.conversation.number, f"#{over.conversation.number}"))
            if which == "err" and row.state not in ("error", "lost"):
                continue
            rows.append(row)
            if not which and len(rows) == LISTED:
                break
        return rows


def _arrow(call: Dissection) -> str:
    return ">" if call.sender is Side.CLIENT else "<"


def _result(answer: Dissection | None, conversation: Conversation) -> str:
    if answer is None:
        return "the connection ended"
    if isinstance(answer.what, ErrorAnswer):
        return error_text(answer, _RESULT)
    return result_text(answer, conversation, _RESULT)


def _without_arguments(call: Dissection) -> Dissection:
    assert isinstance(call.what, (Message, CacheMessage))
    return replace(call, what=replace(call.what, args=[b"tuple"], kwargs=[b"dictionary"]), notes=())


def _without_result(answer: Dissection, call: Dissection) -> Dissection:
    if isinstance(answer.what, Answer):
        return replace(answer, what=replace(answer.what, result=[b"None"]), call=call, notes=())
    # A failure is as long as a traceback.
    return replace(answer, call=call, notes=())


def _id_of(opened: Opened, deferred: Deferred[Any]) -> str:
    """The request id under which the call of *deferred* was just entered; nothing if it was not."""
    broker = opened.connection.broker
    for request, entry in itertools.islice(reversed(broker.ours.pending.items()), 1):
        if entry.deferred is deferred:
            return f"{'c' if broker.side is Side.CLIENT else 's'}#{request}"
    return ""


def _target(callee: Any, opened: Opened, calls: Calls) -> str:
    """What the callee is called: its id, and its birth where that was seen."""
    if not isinstance(callee, RemoteReference):
        return "observer"
    broker = opened.connection.broker
    conversation = calls.bench.tracer.dissector.connections.get(opened.connection.number)
    lent = None if conversation is None else conversation.lent(broker.side.other, callee.luid)
    return broker.name_of(callee.luid) if lent is None else labelled(lent)
