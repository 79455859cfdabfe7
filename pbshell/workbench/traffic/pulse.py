"""How busy the connections are: calls, errors and bytes of the last seconds, the slowest calls and those that wait.

Counts what the tracer tells; knows no clock but the link's, and no screen.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pbshell.trace import Conversation, Dissection
from pbshell.trace.forms.naming import call_text, request_of
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import LinkEvent
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message
from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Line, Workbench

__all__ = ["Pulse", "Top", "TopCall", "TopConnection"]

#: seconds over which a rate is taken, and for which a slow call is remembered
_RATE, _SLOW = 5, 60
#: calls that are listed of each sort, ended calls that are remembered, and characters of one
_LISTED, _REMEMBERED, _TEXT = 10, 5_000, 200


@dataclass(frozen=True, slots=True)
class TopConnection:
    """How busy *name* is: *calls*, *errors* (of both sides) and *bytes* in a second, over the last five seconds.

    *waiting* calls have no answer, the *oldest* for so many seconds. *lent* objects are out, of both sides, cached
    copies included. *verdict* is the worst that the diagnosis says of it, or empty. *up* is in seconds.
    """

    name: str
    peer: str
    user: str
    up: float
    calls: float
    errors: float
    bytes: float
    waiting: int
    oldest: float | None
    lent: int
    verdict: str


@dataclass(frozen=True, slots=True)
class TopCall:
    """A call of *connection*: by its *id*, *what* it is, and how it stands: waiting, done or error, for *seconds*."""

    connection: str
    id: str
    what: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Top:
    """What the connections do at *at* (seconds on the link's clock): the busiest, what waits longest, the slowest."""

    at: float
    connections: Rows[TopConnection]
    waiting: Rows[TopCall]
    slowest: Rows[TopCall]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each row."""
        for kind, rows in (("connection", self.connections), ("waiting", self.waiting), ("slowest", self.slowest)):
            for row in rows:
                yield {"kind": kind, **asdict(row)}


class Pulse:
    """Counts on the connections of *bench*, from when it is made."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        # By connection and second: calls, errors and bytes. Seconds that no rate needs are forgotten.
        self._seconds: dict[int, dict[int, Counter[str]]] = {}
        self._ended: deque[tuple[float, int, TopCall]] = deque(maxlen=_REMEMBERED)
        bench.tracer.watchers.append(self._see)

    def _see(self, dissection: Dissection, conversation: Conversation) -> None:
        seconds = self._seconds.setdefault(dissection.connection, {})
        second = int(dissection.at)
        counts = seconds.get(second)
        if counts is None:
            counts = seconds[second] = Counter()
            for old in [each for each in seconds if each < second - _RATE]:
                del seconds[old]
        what = dissection.what
        counts["bytes"] += dissection.size
        if isinstance(what, (Message, CacheMessage)):
            counts["calls"] += 1
        elif isinstance(what, (Answer, ErrorAnswer)):
            counts["errors"] += isinstance(what, ErrorAnswer)
            if dissection.call is not None and dissection.call.number:
                # Its text, and not the call: an answer may have sixteen megabytes.
                call = dissection.call
                state = "error" if isinstance(what, ErrorAnswer) else "done"
                row = TopCall("", _id(call), call_text(call, conversation, _TEXT), state, dissection.elapsed or 0.0)
                self._ended.append((dissection.at, dissection.connection, row))
        elif isinstance(what, LinkEvent) and what.kind == "closed":
            self._seconds.pop(dissection.connection, None)

    def top(self, now: float) -> Top:
        """How it stands at *now* (seconds on the link's clock)."""
        lines = [each for each in self._bench.lines() if each.conversation is not None]
        verdicts: dict[int, Verdict] = {}
        for verdict in self._bench.tracer.why(now):
            if verdict.severity != "note":
                verdicts.setdefault(verdict.connection, verdict)
        rows = [self._connection(each, now, verdicts) for each in lines]
        rows.sort(key=lambda row: (not row.verdict, -row.calls, -row.waiting))
        names = {each.connection.number: each.name for each in lines}
        # What has ended meanwhile counts for nobody any more.
        self._seconds = {number: each for number, each in self._seconds.items() if number in names}
        return Top(
            now,
            Rows(TopConnection, rows, "no connections"),
            Rows(TopCall, self._waiting(lines, now), "no calls wait"),
            Rows(TopCall, self._slowest(names, now), f"no calls in the last {_SLOW} s"),
        )

    def _connection(self, line: Line, now: float, verdicts: dict[int, Verdict]) -> TopConnection:
        conversation, number = line.conversation, line.connection.number
        assert conversation is not None
        counts: Counter[str] = Counter()
        for second, each in self._seconds.get(number, {}).items():
            if second > now - _RATE:
                counts.update(each)
        calls = _pending(conversation)
        ledgers = conversation.ledgers.values()
        verdict = verdicts.get(number)
        return TopConnection(
            name=line.name,
            peer=str(line.connection),
            user=conversation.user,
            up=now - conversation.first,
            calls=counts["calls"] / _RATE,
            errors=counts["errors"] / _RATE,
            bytes=counts["bytes"] / _RATE,
            waiting=len(calls),
            oldest=max((now - each.at for each in calls), default=None),
            lent=sum(len(each.exports) - 1 + len(each.caches) for each in ledgers),
            verdict="" if verdict is None else verdict.text,
        )

    def _waiting(self, lines: list[Line], now: float) -> list[TopCall]:
        calls = [(each.at, line, each) for line in lines if line.conversation for each in _pending(line.conversation)]
        oldest = heapq.nsmallest(_LISTED, calls, key=lambda found: found[0])
        return [
            TopCall(line.name, _id(call), call_text(call, line.conversation, _TEXT), "waiting", now - call.at)
            for _, line, call in oldest
            if line.conversation is not None
        ]

    def _slowest(self, names: dict[int, str], now: float) -> list[TopCall]:
        while self._ended and self._ended[0][0] < now - _SLOW:
            self._ended.popleft()
        slow = heapq.nlargest(_LISTED, self._ended, key=lambda found: found[2].seconds)
        return [replace(row, connection=names.get(number, str(number))) for _, number, row in slow]


def _pending(conversation: Conversation) -> list[Dissection]:
    return [call for ledger in conversation.ledgers.values() for call in ledger.pending.values()]


def _id(call: Dissection) -> str:
    return request_of(call)
