"""Two captures of the same calls: which calls only one of them has, and which answers have changed.

A call is the same in both if the same side makes it, of an object of the same birth, by the same method, with the same
arguments; luids and request numbers say nothing. Knows no file and no screen.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.forms.naming import request_of
from pbshell.trace.forms.wording import duration
from pbshell.trace.notes import Ended
from pbshell.trace.studies.alignment import aligned, paired
from pbshell.trace.studies.births import Births, Born, digest, first_difference, inside, shown
from pbshell.trace.values import failure
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message

__all__ = ["IGNORABLE", "Difference", "Recorded", "differences"]

#: What differs between any two runs, and is ignored unless somebody wants to know.
IGNORABLE = ("time", "req", "luid")

#: calls of one capture that are compared, and differences in the order of one side's calls that are looked through
_CALLS, _EDITS = 100_000, 1_000
#: bytes of one value, and of all values of one capture, that are kept to be looked into
_VALUE, _VALUES = 65_536, 8 * 1024 * 1024
#: characters of a call, of an outcome, and of one that is not kept
_CALL, _OUTCOME, _GLIMPSE = 160, 400, 200
#: what another time is: so many seconds more or less, and so many times as long
_SECONDS, _TIMES = 0.001, 2.0


@dataclass(frozen=True, slots=True)
class Difference:
    """What has become of one call between the captures A and B.

    *kind* is one of KINDS. *connection* counts from 1 in the order of the captures; *sender* is who makes the call,
    and *call* what it is. *before* and *after* are its outcomes in A and in B, or what else is different, and *where*
    is the first thing that differs in them. *frame_a* and *frame_b* are the numbers of the answers, or of the call.
    """

    kind: str
    connection: int
    sender: Side
    call: str
    before: str = ""
    after: str = ""
    where: str = ""
    frame_a: int | None = None
    frame_b: int | None = None

    KINDS = (
        "only in A",
        "only in B",
        "arguments",
        "result",
        "error",
        "became an error",
        "became a result",
        "answered in A only",
        "answered in B only",
        "time",
        "req",
    )


# ------------------------------------------------------------------------------------------------ what is compared


@dataclass(frozen=True, slots=True)
class _Value:
    """A settled value: its *digest*, and itself if there is room for it, else how it begins."""

    digest: bytes
    kept: Expression
    glimpse: str = ""


@dataclass(slots=True)
class _Call:
    """One call: *key* is the same for the same call, *alike* for one with other arguments. *outcome* is its answer."""

    key: bytes
    alike: bytes
    sender: Side
    text: str
    number: int
    request: str
    args: _Value
    outcome: _Value | None = None
    is_error: bool = False
    answer: int | None = None
    took: float = 0.0


@dataclass(slots=True)
class _Connection:
    """The calls of one connection, by who makes them; those that wait for answers, by their numbers."""

    births: Births
    calls: dict[Side, list[_Call]] = field(default_factory=lambda: {side: [] for side in Side})
    waiting: dict[int, tuple[_Call | None, Born]] = field(default_factory=dict)


class Recorded:
    """The calls of one capture, which is to be compared; its secrets are covered already.

    *ignore* are those of IGNORABLE that do not count. At most *most* calls are kept: `left_out` are the others.
    """

    def __init__(self, ignore: Collection[str] = IGNORABLE, *, most: int = _CALLS) -> None:
        self._luids = "luid" not in ignore
        self._room = most
        self._bytes = _VALUES
        self._open: dict[int, _Connection] = {}
        #: the connections in the order in which they began
        self.connections: list[_Connection] = []
        #: calls that are not compared, because there are too many
        self.left_out = 0

    @property
    def count(self) -> int:
        """The calls that are compared."""
        return sum(len(calls) for each in self.connections for calls in each.calls.values())

    def see(self, dissection: Dissection, conversation: Conversation) -> None:
        """Remember what *dissection*, a part of *conversation*, says. To be called for each, in order."""
        connection = self._open.get(conversation.number)
        if connection is None:
            connection = self._open[conversation.number] = _Connection(Births(luids=self._luids))
            self.connections.append(connection)
        what = dissection.what
        if isinstance(what, (Message, CacheMessage)):
            self._called(dissection, what, connection)
        elif isinstance(what, (Answer, ErrorAnswer)) and dissection.call is not None:
            self._answered(dissection, what, dissection.call, connection)
        elif any(isinstance(note, Ended) for note in dissection.notes):
            del self._open[conversation.number]
            connection.waiting.clear()
            connection.births = Births()

    def _called(self, call: Dissection, what: Message | CacheMessage, connection: _Connection) -> None:
        sender, births = call.sender, connection.births
        assert sender is not None
        is_update = isinstance(what, CacheMessage)
        target = (
            births.of(sender, what.cache) if isinstance(what, CacheMessage) else births.of(sender.other, what.object)
        )
        method = visible(what.method, 60)
        alike = digest([b"~" if is_update else b".", target, what.method])
        lent = ((what.args, " args"), (what.kwargs, " kwargs"))
        births.lend(call.notes, lent, sender, Born(f"{method}()", alike))
        args = births.settled([b"list", what.args, what.kwargs], sender)
        text = f"{method}({inside(args[1], args[2], sender, _CALL)})"
        born = Born(text, digest([alike, args]))
        text = text if target.text == "root" else f"{target.text}.{text}"
        made = None
        if self._room:
            self._room -= 1
            kept = self._kept(args, call.size, lambda: text)
            made = _Call(born.digest, alike, sender, text, call.number, request_of(call), kept)
            connection.calls[sender].append(made)
        else:
            self.left_out += 1
        if what.wants_answer:
            connection.waiting[call.number] = made, born

    def _answered(
        self, answer: Dissection, what: Answer | ErrorAnswer, call: Dissection, connection: _Connection
    ) -> None:
        sender = answer.sender
        # A call that was made before the capture began is in no list.
        made, born = connection.waiting.pop(call.number, (None, Born("(called before)", b"")))
        assert sender is not None
        value = what.result if isinstance(what, Answer) else what.failure
        connection.births.lend(answer.notes, ((value, ""),), sender, born)
        if made is None:
            return
        made.answer = answer.number
        made.took = answer.at - call.at
        made.is_error = isinstance(what, ErrorAnswer)
        settled = connection.births.settled(value, sender)
        if made.is_error:
            # Its traceback has places of files in it; what is told to people is its class and its text.
            text = failure(settled, sender, _VALUE).encode("utf-8", "backslashreplace")
            made.outcome = self._kept(text, answer.size, lambda: visible(text, _GLIMPSE))
        else:
            made.outcome = self._kept(settled, answer.size, lambda: shown(settled, sender, _GLIMPSE))

    def _kept(self, value: Expression, size: int, glimpse: Callable[[], str]) -> _Value:
        if size > min(_VALUE, self._bytes):
            return _Value(digest(value), None, glimpse())
        self._bytes -= size
        return _Value(digest(value), value)


# ------------------------------------------------------------------------------------------------ comparing

#: A call in A and what is laid beside it in B; one of them may be missing.
_Pair: TypeAlias = tuple[_Call | None, _Call | None]


def differences(a: Recorded, b: Recorded, ignore: Collection[str] = IGNORABLE) -> Iterator[Difference]:
    """What differs between *a* and *b*, in the order of *a*. Connections are compared in the order they began in."""
    for position in range(max(len(a.connections), len(b.connections))):
        of_a, of_b = (each.connections[position] if position < len(each.connections) else None for each in (a, b))
        found = []
        for side in Side:
            calls_a, calls_b = ([] if each is None else each.calls[side] for each in (of_a, of_b))
            found += _ordered(_pairs(calls_a, calls_b))
        found.sort(key=lambda each: each[0])
        for _, one, other in found:
            yield from _compared(position + 1, one, other, ignore)


def _pairs(a: Sequence[_Call], b: Sequence[_Call]) -> list[_Pair]:
    """The calls of both, the same ones together, and those that differ in their arguments where the order tells."""
    keys_a, keys_b = [call.key for call in a], [call.key for call in b]
    same = aligned(keys_a, keys_b, _EDITS)
    in_order = same is not None
    same = paired(keys_a, keys_b) if same is None else same
    pairs: list[_Pair] = [(a[x], b[y]) for x, y in same]
    rest_a, rest_b = _rest(a, [x for x, _ in same], in_order), _rest(b, [y for _, y in same], in_order)
    waiting: dict[tuple[int, bytes], deque[_Call]] = defaultdict(deque)
    for gap, call in rest_b:
        waiting[gap, call.alike].append(call)
    for gap, call in rest_a:
        others = waiting.get((gap, call.alike))
        pairs.append((call, others.popleft() if others else None))
    pairs += [(None, call) for others in waiting.values() for call in others]
    return pairs


def _rest(calls: Sequence[_Call], taken: Sequence[int], in_order: bool) -> list[tuple[int, _Call]]:
    """The calls that are not *taken*, each with the number of those before it that are, or 0 where no order is."""
    done, gone = 0, set(taken)
    found = []
    for position, call in enumerate(calls):
        if position in gone:
            done += in_order
        else:
            found.append((done, call))
    return found


def _ordered(pairs: Sequence[_Pair]) -> list[tuple[tuple[float, int, int], _Call | None, _Call | None]]:
    """*pairs* with keys that sort them in the order of A; what only B has comes before what it precedes there."""
    found: list[tuple[tuple[float, int, int], _Call | None, _Call | None]] = []
    following = float("inf")
    for one, other in sorted(pairs, key=lambda pair: 0 if pair[1] is None else -pair[1].number):
        if one is not None:
            following = following if other is None else one.number
            found.append(((one.number, 1, 0), one, other))
        else:
            assert other is not None
            found.append(((following, 0, other.number), one, other))
    return found


def _compared(connection: int, one: _Call | None, other: _Call | None, ignore: Collection[str]) -> Iterator[Difference]:
    """What differs between a call and the one that is laid beside it."""
    call = one or other
    assert call is not None

    def different(kind: str, before: str = "", after: str = "", where: str = "") -> Difference:
        frames = [None if each is None else each.answer or each.number for each in (one, other)]
        return Difference(kind, connection, call.sender, call.text, before, after, where, frames[0], frames[1])

    if one is None or other is None:
        kind = "only in B" if one is None else "only in A"
        yield different(kind, *((_said(each) if each else "") for each in (one, other)))
        return
    if one.key != other.key:
        where = _where(one.args, other.args, call.sender)
        yield different("arguments", one.text, other.text, _of_arguments(where))
        return
    kind = _changed(one, other)
    if kind:
        where = ""
        if one.outcome is not None and other.outcome is not None and one.is_error == other.is_error:
            where = _where(one.outcome, other.outcome, call.sender.other)
        yield different(kind, _said(one), _said(other), where)
    if "time" not in ignore and one.answer and other.answer and _takes_other_time(one.took, other.took):
        yield different("time", duration(one.took), duration(other.took))
    if "req" not in ignore and one.request != other.request:
        yield different("req", one.request, other.request)


def _changed(one: _Call, other: _Call) -> str:
    """The kind of the difference between the answers to the same call; nothing if they are the same."""
    if one.outcome is None or other.outcome is None:
        if one.outcome is other.outcome:
            return ""
        return "answered in B only" if one.outcome is None else "answered in A only"
    if one.is_error != other.is_error:
        return "became a result" if one.is_error else "became an error"
    if one.outcome.digest == other.outcome.digest:
        return ""
    return "error" if one.is_error else "result"


def _takes_other_time(before: float, after: float) -> bool:
    less, more = sorted((before, after))
    return more - less >= _SECONDS and more >= _TIMES * less


def _said(call: _Call) -> str:
    """The outcome of a call as it is shown."""
    outcome = call.outcome
    if outcome is None:
        return "no answer"
    if outcome.kept is None:
        text = outcome.glimpse
    elif call.is_error:
        text = visible(outcome.kept, _OUTCOME)
    else:
        text = shown(outcome.kept, call.sender.other, _OUTCOME)
    return f"{'!' if call.is_error else '='} {text}"


def _where(before: _Value, after: _Value, sender: Side) -> str:
    """The first difference in two values; nothing where all that there is to see is shown anyway."""
    if before.kept is None or after.kept is None:
        return "too long to be looked into"
    where = first_difference(before.kept, after.kept, sender)
    is_all = where == f"{shown(before.kept, sender, _OUTCOME)} -> {shown(after.kept, sender, _OUTCOME)}"
    return "" if is_all else where


def _of_arguments(where: str) -> str:
    """A difference in the list of arguments and keyword arguments, as one in a call."""
    for before, after in (("[0]", "args"), ("[1]", "kwargs")):
        if where.startswith(before):
            return after + where.removeprefix(before)
    return where
