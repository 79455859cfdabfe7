"""A capture as one page of HTML, to be attached to a bug report. Knows what is worth telling; knows no file.

What is kept is bounded, however long the capture is. `page` is what makes HTML of it.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pbshell.trace.dissector import Conversation, Dissection, Undecodable
from pbshell.trace.explain import says
from pbshell.trace.forms.naming import call_text, error_text, result_text
from pbshell.trace.forms.wording import ended, happened, oddities
from pbshell.trace.notes import Ended
from pbshell.trace.studies.stats import Row, Statistics
from pbshell.trace.tables import Held, caches, references
from pbshell.trace.verdict import SEVERITIES, Verdict
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message

__all__ = ["Connection", "Facts", "Frame", "Report", "Slow"]

#: connections, verdicts, slow calls, calls without an answer, and rows of the tables of references
_CONNECTIONS, _VERDICTS, _SLOW, _WAITING, _HELD = 500, 200, 20, 50, 300
#: dissections that a late verdict can still name, those that every connection begins with, and connections of which
#: these are kept
_RECENT, _FIRST, _BEGUN = 5_000, 40, 100
#: dissections that are shown because they are the last ones, and in the chart
_LAST, _CHART = 100, 200
#: characters of what a dissection says
_ROOM = 110


@dataclass(frozen=True, slots=True)
class Frame:
    """One dissection in words. *ordinal* counts from 1 on its connection; *at* is in seconds since the capture began.

    *kind* is call, answer, error, link or other, *took* are the seconds from the call to an answer, and *call* is the
    number of that call.
    """

    number: int
    ordinal: int
    at: float
    connection: int
    sender: Side | None
    kind: str
    text: str
    size: int
    took: float | None = None
    call: int | None = None


@dataclass(slots=True)
class Connection:
    """One connection as it was when it ended, or is at the end. Times are in seconds since the capture began."""

    number: int
    began: float
    name: str = ""
    user: str = ""
    client: str = ""
    server: str = ""
    dialect: str = ""
    ended: str = ""
    last: float = 0.0
    calls: int = 0
    errors: int = 0
    unanswered: int = 0
    frames: int = 0
    bytes: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    first: list[Frame] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slow:
    """A call that took *took* seconds, or has no answer (then *outcome* is empty, and it has waited so long)."""

    took: float
    number: int
    connection: int
    call: str
    outcome: str = ""
    answer: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a page tells. *verdicts* are the worst first; *chart* are the frames of *charted*, a connection.

    *held* says who holds what, for each connection at its end or at that of the capture. *others* counts the
    connections that are left out, *more_held* the rows, and *more_verdicts* the verdicts.
    """

    verdicts: tuple[Verdict, ...]
    connections: tuple[Connection, ...]
    charted: Connection | None
    chart: tuple[Frame, ...]
    slow: tuple[Slow, ...]
    waiting: tuple[Slow, ...]
    methods: tuple[Row, ...]
    objects: tuple[Row, ...]
    held: tuple[tuple[Connection, Held], ...]
    frames: tuple[Frame, ...]
    count: int
    others: int
    more_held: int
    more_verdicts: int
    more_waiting: int


class Report:
    """Sees a capture from its beginning to its end, and keeps what is worth telling."""

    def __init__(self) -> None:
        self._methods = Statistics("method")
        self._objects = Statistics("object")
        self._began: float | None = None
        self._open: dict[int, Connection] = {}
        self._connections: list[Connection] = []
        self._others = 0
        self._recent: deque[Frame] = deque(maxlen=_RECENT)
        self._named: dict[int, Frame] = {}
        self._slow: list[tuple[float, int, Slow]] = []
        self._waiting: list[tuple[float, int, Slow]] = []
        self._more_waiting = 0
        self._held: list[tuple[Connection, Held]] = []
        self._more_held = 0
        self._count = 0

    def see(self, dissection: Dissection, conversation: Conversation) -> None:
        """Take *dissection*, a part of *conversation*. To be called for each, in order."""
        if self._began is None:
            self._began = dissection.at
        self._count += 1
        self._methods.see(dissection, conversation)
        self._objects.see(dissection, conversation)
        connection = self._connection(conversation)
        connection.frames += 1
        frame = _frame(dissection, conversation, connection.frames, dissection.at - self._began)
        self._recent.append(frame)
        if len(connection.first) < _FIRST and len(self._connections) <= _BEGUN:
            connection.first.append(frame)
        connection.calls += frame.kind == "call"
        connection.errors += frame.kind == "error"
        call, what = dissection.call, dissection.what
        if frame.took is not None and call is not None and call.number:
            self._took(frame, call, conversation)
        if isinstance(what, LinkEvent) and what.kind == "closed":
            self._end(connection, conversation, dissection)

    def judged(self, verdict: Verdict) -> None:
        """Keep what *verdict* names, as far as it is still known."""
        wanted = {number for number in verdict.frames if number not in self._named}
        if wanted and len(self._named) < _RECENT:
            self._named.update((frame.number, frame) for frame in self._recent if frame.number in wanted)

    def facts(self, verdicts: Iterable[Verdict], alive: Collection[Conversation], now: float) -> Facts:
        """What there is to tell, with all *verdicts* and the connections that are *alive* at *now* (seconds)."""
        judged = _worst_first(verdicts)
        for verdict in judged[:_VERDICTS]:
            self.judged(verdict)
        for conversation in alive:
            connection = self._open.get(conversation.number)
            if connection is not None:
                self._describe(connection, conversation, now)
                pending = [call for ledger in conversation.ledgers.values() for call in ledger.pending.values()]
                self._unanswered(connection, pending, conversation, now)
        charted = _charted(judged, self._connections)
        return Facts(
            count=self._count,
            verdicts=tuple(judged[:_VERDICTS]),
            more_verdicts=max(len(judged) - _VERDICTS, 0),
            connections=tuple(self._connections),
            others=self._others,
            charted=charted,
            chart=() if charted is None else tuple(self._chart(charted)),
            slow=tuple(each for _, _, each in sorted(self._slow, reverse=True)),
            waiting=tuple(each for _, _, each in sorted(self._waiting, reverse=True)),
            more_waiting=self._more_waiting,
            methods=tuple(self._methods.rows(alive)),
            objects=tuple(self._objects.rows(alive)),
            held=tuple(self._held),
            more_held=self._more_held,
            frames=tuple(self._frames()),
        )

    # ------------------------------------------------------------------------------------ connections

    def _connection(self, conversation: Conversation) -> Connection:
        connection = self._open.get(conversation.number)
        if connection is None:
            connection = Connection(conversation.number, conversation.first - (self._began or 0.0))
            self._open[conversation.number] = connection
            if len(self._connections) < _CONNECTIONS:
                self._connections.append(connection)
            else:
                self._others += 1
        return connection

    def _end(self, connection: Connection, conversation: Conversation, dissection: Dissection) -> None:
        assert isinstance(dissection.what, LinkEvent)
        del self._open[conversation.number]
        self._describe(connection, conversation, dissection.at)
        connection.ended = happened(dissection.what)
        calls = [call for note in dissection.notes if isinstance(note, Ended) for call in note.unanswered]
        self._unanswered(connection, calls, conversation, dissection.at)

    def _describe(self, connection: Connection, conversation: Conversation, now: float) -> None:
        """Write down what *conversation* is at *now* (seconds), and who holds what there."""
        connection.name, connection.user = conversation.name, conversation.user
        connection.client, connection.server = conversation.client, conversation.server
        connection.dialect = "" if conversation.dialect is None else visible(conversation.dialect, 20)
        connection.last = now - (self._began or 0.0)
        connection.bytes = dict(conversation.bytes)
        for held in itertools.chain(references(conversation, now), caches(conversation, now)):
            if len(self._held) < _HELD:
                self._held.append((connection, held))
            else:
                self._more_held += 1

    # ------------------------------------------------------------------------------------ calls

    def _took(self, frame: Frame, call: Dissection, conversation: Conversation) -> None:
        assert frame.took is not None
        if len(self._slow) < _SLOW or frame.took > self._slow[0][0]:
            text = call_text(call, conversation, _ROOM)
            slow = Slow(frame.took, call.number, frame.connection, text, frame.text, frame.number)
            _keep(self._slow, (frame.took, -call.number, slow), _SLOW)

    def _unanswered(
        self, connection: Connection, calls: Collection[Dissection], conversation: Conversation, now: float
    ) -> None:
        connection.unanswered = len(calls)
        for call in calls:
            text = call_text(call, conversation, _ROOM)
            waits = Slow(now - call.at, call.number, connection.number, text)
            self._more_waiting += len(self._waiting) >= _WAITING
            _keep(self._waiting, (waits.took, -call.number, waits), _WAITING)

    # ------------------------------------------------------------------------------------ frames

    def _frames(self) -> Iterator[Frame]:
        """What the verdicts name, what the chart and the slow calls link to if it is known, and the last ones."""
        last = list(self._recent)[-_LAST:]
        found = {**self._named, **{frame.number: frame for frame in last}}
        return iter(sorted(found.values(), key=lambda frame: frame.number))

    def _chart(self, connection: Connection) -> Iterator[Frame]:
        """The beginning of *connection*, what verdicts name of it, and its last frames."""
        mine = [frame for frame in self._recent if frame.connection == connection.number]
        named = [frame for frame in self._named.values() if frame.connection == connection.number]
        found = {frame.number: frame for frame in (*connection.first, *named)}
        for frame in reversed(mine):
            if len(found) >= _CHART:
                break
            found[frame.number] = frame
        return iter(sorted(found.values(), key=lambda frame: frame.number))


def _keep(heap: list[tuple[float, int, Slow]], item: tuple[float, int, Slow], most: int) -> None:
    """Put *item* into *heap*, which keeps its largest ones."""
    if len(heap) < most:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)


def _worst_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Each sentence once, as it was said last; the worst first, and those in the order in which they were said."""
    by_text = {(verdict.connection, verdict.kind, verdict.text): verdict for verdict in verdicts}
    return sorted(by_text.values(), key=lambda verdict: SEVERITIES.index(verdict.severity))


def _charted(verdicts: Sequence[Verdict], connections: Sequence[Connection]) -> Connection | None:
    """The connection that the worst verdict is about, or else the one on which most was said."""
    for verdict in verdicts:
        for connection in connections:
            if connection.number == verdict.connection:
                return connection
    return max(connections, key=lambda each: (each.frames, -each.number), default=None)


def _frame(dissection: Dissection, conversation: Conversation, ordinal: int, at: float) -> Frame:
    what = dissection.what
    took = None
    if isinstance(what, (Message, CacheMessage)):
        kind, text = "call", call_text(dissection, conversation, _ROOM)
    elif isinstance(what, (Answer, ErrorAnswer)):
        took = dissection.elapsed
        if isinstance(what, Answer):
            kind, text = "answer", f"= {result_text(dissection, conversation, _ROOM)}"
        else:
            kind, text = "error", f"! {error_text(dissection, _ROOM)}"
    elif isinstance(what, LinkEvent):
        kind, text = "link", happened(what)
        left = "; ".join(ended(note) for note in dissection.notes if isinstance(note, Ended))
        text = f"{text}; {left}" if left else text
    else:
        kind, text = "error" if isinstance(what, Undecodable) else "other", says(dissection, _ROOM)
    odd = oddities(dissection.notes)
    return Frame(
        number=dissection.number,
        ordinal=ordinal,
        at=at,
        connection=dissection.connection,
        sender=dissection.sender,
        kind="error" if odd else kind,
        text=f"{text}  {odd}" if odd else text,
        size=dissection.size,
        took=took,
        call=None if dissection.call is None else dissection.call.number,
    )
