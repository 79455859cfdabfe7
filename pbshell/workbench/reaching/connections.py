"""How the connections stand: a row for each, the worst first, and all about one. Reads; calls nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pbshell.net.kernel import unacknowledged
from pbshell.trace import Conversation, Dissection
from pbshell.trace.forms.naming import call_text, request_of
from pbshell.trace.verdict import SEVERITIES, Verdict
from pbshell.wire.chunk import Side
from pbshell.wire.ledger import Ledger
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.workbench.books.inspection import clock
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.problems import reason_of

if TYPE_CHECKING:
    from pbshell.net.connection import Connection
    from pbshell.workbench.workbench import Line, Opened, Workbench

__all__ = ["ConnDetail", "ConnRow", "Connections", "WaitingCall", "connections", "detail"]

#: rows on a screen from which on healthy ones are folded, objects from which on a rate is one, calls that are listed
_MANY, _FEW, _LISTED = 20, 20, 10
#: characters of a call
_TEXT = 200


@dataclass(frozen=True, slots=True)
class ConnRow:
    """A connection by its *name*, to or from *address*; *used* if the prompt works on it. *server* has accepted it.

    *state* is open, or ended. Times are in seconds: *up* so long it was open, *ended*, *last_in* and *last_out* so
    long ago. *unacknowledged* bytes are with the system, *unsent* ones still here. So many calls wait, the oldest for
    so long. *ours* are the objects that we lend, of *ours_limit*, *ours_rate* more each second, full in *ours_full*;
    *theirs* are those of the peer, whose limit is taken for that of a stock one. *verdict* is the worst that the
    diagnosis says, of that *severity*, or why it has ended. None is what cannot be known.
    """

    name: str
    address: str
    tls: bool
    user: str
    used: bool
    server: str
    state: str
    up: float | None
    ended: float | None
    last_in: float | None
    last_out: float | None
    unacknowledged: int | None
    unsent: int
    our_calls: int
    our_oldest: float | None
    their_calls: int
    their_oldest: float | None
    ours: int
    ours_limit: int
    ours_rate: float
    ours_full: float | None
    theirs: int
    theirs_limit: int
    theirs_rate: float
    theirs_full: float | None
    severity: str
    verdict: str

    @property
    def healthy(self) -> bool:
        """Whether nothing is to be said of it."""
        return self.state == "open" and self.severity not in ("error", "warning")


class Connections(Rows[ConnRow]):
    """Rows of connections. With *folded*, a screen has the healthy ones in one line where there are many."""

    def __init__(self, rows: Iterable[ConnRow], *, folded: bool = False) -> None:
        rows = list(rows)
        super().__init__(ConnRow, rows, "no connections; :connect TARGET makes one")
        self.folded = folded and len(rows) > _MANY


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call by its *id* that is not answered for so many *seconds*; *ours* if we wait for it."""

    id: str
    what: str
    ours: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class ConnDetail:
    """All about one connection. *number* is what the trace calls it, *local* our address, *target* what was asked for.

    *cipher* is the version of TLS and what it ciphers with, or empty. *our_cached* objects the peer has cached, and
    *their_cached* we. *received* and *sent* are bytes, *heard* calls of our mind. *waiting* are the oldest calls,
    *verdicts* have their severity in front.
    """

    row: ConnRow
    number: int
    local: str
    target: str
    dialect: str
    cipher: str
    received: int
    sent: int
    our_cached: int
    their_cached: int
    heard: int
    waiting: tuple[WaitingCall, ...]
    verdicts: tuple[str, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object, with the fields of the row."""
        said = asdict(self)
        yield {**said.pop("row"), **said}


def connections(bench: Workbench) -> list[ConnRow]:
    """All that are open, ours and those that our servers have accepted, and ours that have ended; the worst first."""
    now = clock(bench)
    worst = _worst(bench.tracer.why(now))
    rows = [_open(bench, line, now, worst) for line in bench.lines()]
    rows += [_ended(bench, opened, now, worst) for opened in bench.ended.values()]
    return sorted(rows, key=_rank)


def detail(bench: Workbench, line: Line) -> ConnDetail:
    """All about *line*, which is open."""
    now = clock(bench)
    number = line.connection.number
    verdicts = [each for each in bench.tracer.why(now) if each.connection == number]
    row = _open(bench, line, now, _worst(verdicts))
    ledgers = line.connection.broker.ours, line.connection.broker.theirs
    opened = line.opened
    return ConnDetail(
        row=row,
        number=number,
        local=line.connection.local,
        target="" if opened is None else opened.target,
        dialect=_dialect(line.connection),
        cipher=_cipher(line.connection),
        received=line.connection.received,
        sent=line.connection.sent,
        our_cached=len(ledgers[0].caches),
        their_cached=len(ledgers[1].caches),
        heard=0 if opened is None else len(opened.mind.heard),
        waiting=tuple(_waiting(line, now)),
        verdicts=tuple(f"{each.severity}: {each.text}" for each in verdicts),
    )


def detail_of_ended(bench: Workbench, opened: Opened) -> ConnDetail:
    """What is left of one that has ended."""
    now = clock(bench)
    connection = opened.connection
    verdicts = [each for each in bench.tracer.why(now) if each.connection == connection.number]
    row = _ended(bench, opened, now, _worst(verdicts))
    return ConnDetail(
        row=row,
        number=connection.number,
        local=connection.local,
        target=opened.target,
        dialect=_dialect(connection),
        cipher="",
        received=connection.received,
        sent=connection.sent,
        our_cached=0,
        their_cached=0,
        heard=len(opened.mind.heard),
        waiting=(),
        verdicts=tuple(f"{each.severity}: {each.text}" for each in verdicts),
    )


def _worst(verdicts: Iterable[Verdict]) -> dict[int, Verdict]:
    """The first verdict of each connection: the worst, because so they are sorted."""
    found: dict[int, Verdict] = {}
    for each in verdicts:
        found.setdefault(each.connection, each)
    return found


def _rank(row: ConnRow) -> tuple[object, ...]:
    severities = (*SEVERITIES[:2], "")
    severity = row.severity if row.severity in severities else ""
    return (severities.index(severity), row.state == "open", not row.used, -(row.our_oldest or 0), bool(row.server))


def _open(bench: Workbench, line: Line, now: float, worst: dict[int, Verdict]) -> ConnRow:
    connection, conversation, opened = line.connection, line.conversation, line.opened
    broker = connection.broker
    side = broker.side
    verdict = worst.get(connection.number)
    began = opened.began if opened is not None else None if conversation is None else conversation.first
    user = "" if conversation is None else conversation.user
    heard = {} if conversation is None else conversation.heard
    calls, their_calls = _calls(conversation, side), _calls(conversation, side.other)
    ours, theirs = (_lent(each) for each in (broker.ours, broker.theirs))
    # The peer's own limit is not known here; of Twisted it cannot be changed without a patch.
    limits = broker.limits.exports, DEFAULT_LIMITS.exports
    rates = [_rate(bench, conversation, each, count, now) for each, count in ((side, ours), (side.other, theirs))]
    return ConnRow(
        name=line.name,
        address=connection.peer,
        tls=connection.get_extra_info("ssl_object") is not None,
        user=opened.user if opened is not None and opened.user else user,
        used=opened is not None and opened.name == bench.current,
        server="" if line.hosted is None else line.hosted.name,
        state="open",
        up=None if began is None else now - began,
        ended=None,
        last_in=_ago(now, heard.get(side.other)),
        last_out=_ago(now, heard.get(side)),
        unacknowledged=unacknowledged(connection.get_extra_info("socket")),
        unsent=connection.unsent,
        our_calls=len(calls),
        our_oldest=_oldest(calls, now),
        their_calls=len(their_calls),
        their_oldest=_oldest(their_calls, now),
        ours=ours,
        ours_limit=limits[0],
        ours_rate=rates[0],
        ours_full=_full(ours, limits[0], rates[0]),
        theirs=theirs,
        theirs_limit=limits[1],
        theirs_rate=rates[1],
        theirs_full=_full(theirs, limits[1], rates[1]),
        severity="" if verdict is None else verdict.severity,
        verdict="" if verdict is None else verdict.text,
    )


def _ended(bench: Workbench, opened: Opened, now: float, worst: dict[int, Verdict]) -> ConnRow:
    """An ended connection has no books; what it has is a reason."""
    connection = opened.connection
    verdict = worst.get(connection.number)
    told = reason_of(connection.reason) if connection.reason else "closed"
    at = now if opened.ended is None else opened.ended
    return ConnRow(
        name=opened.name,
        address=connection.peer,
        tls=opened.target.startswith("tls:"),
        user=opened.user,
        used=opened.name == bench.current,
        server="",
        state="ended",
        up=at - opened.began,
        ended=now - at,
        last_in=None,
        last_out=None,
        unacknowledged=None,
        unsent=0,
        our_calls=0,
        our_oldest=None,
        their_calls=0,
        their_oldest=None,
        ours=0,
        ours_limit=connection.broker.limits.exports,
        ours_rate=0.0,
        ours_full=None,
        theirs=0,
        theirs_limit=DEFAULT_LIMITS.exports,
        theirs_rate=0.0,
        theirs_full=None,
        severity="error" if verdict is None else verdict.severity,
        verdict=told if verdict is None else verdict.text,
    )


def _lent(ledger: Ledger[Any, Any]) -> int:
    """How many objects; nobody lends a root."""
    return sum(not entry.pinned for entry in ledger.exports.values())


def _calls(conversation: Conversation | None, side: Side) -> list[Dissection]:
    """The calls of *side* that wait for an answer."""
    return [] if conversation is None else list(conversation.ledgers[side].pending.values())


def _oldest(calls: list[Dissection], now: float) -> float | None:
    return max((now - each.at for each in calls), default=None)


def _ago(now: float, at: float | None) -> float | None:
    return None if at is None else max(now - at, 0.0)


def _rate(bench: Workbench, conversation: Conversation | None, side: Side, count: int, now: float) -> float:
    """Objects more each second. That of a few, which a connection begins with, tells nothing."""
    if conversation is None or count < _FEW:
        return 0.0
    return bench.tracer.doctor.rate(conversation, side, now)


def _full(count: int, limit: int, rate: float) -> float | None:
    """Seconds."""
    return max(limit - count, 0) / rate if rate else None


def _waiting(line: Line, now: float) -> Iterator[WaitingCall]:
    conversation = line.conversation
    if conversation is None:
        return
    side = line.connection.broker.side
    calls = [(call.at, each, call) for each in Side for call in conversation.ledgers[each].pending.values()]
    for at, sender, call in sorted(calls, key=lambda each: each[0])[:_LISTED]:
        yield WaitingCall(request_of(call), call_text(call, conversation, _TEXT), sender is side, now - at)


def _dialect(connection: Connection) -> str:
    dialect = connection.broker.dialect
    return dialect.name.decode("ascii", "replace") if dialect else ""


def _cipher(connection: Connection) -> str:
    """Version and cipher, as OpenSSL has them."""
    ssl = connection.get_extra_info("ssl_object")
    cipher = ssl.cipher() if ssl is not None else None
    return f"{ssl.version()} with {cipher[0]}" if cipher else ""
