"""What the kernel's socket tables say of the peers of one port: who does not read, who does not answer, who is stuck.

Judges rows of `pbshell.net.socket_tables`, taken twice: what is there once may be under way, what stays hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pbshell.net.socket_tables import Address, Process, TCPSocket
from pbshell.trace.forms.wording import amount, counted, duration

__all__ = ["Judgement", "is_suspicious", "judge", "pairs", "program_of"]

_ENDING = {
    "FIN_WAIT1": "closed here; the peer has not acknowledged the end",
    "CLOSING": "closed on both sides at once; the peer has not acknowledged the end",
    "LAST_ACK": "closed on both sides; the peer has not acknowledged the end",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A *kind* for programs, a *severity* (ok, note, warning, error), and a sentence about the peer."""

    kind: str
    severity: str
    text: str


def program_of(process: Process | None) -> str:
    """A process in words: ``python3 master.py (pid 812)``."""
    return "" if process is None else f"{process.program or 'a process'} (pid {process.pid})"


def is_suspicious(row: TCPSocket) -> bool:
    """Whether *row* is worth a second look: it may be under way, or hang."""
    if row.state == "LISTEN":
        return bool(row.unread)
    if row.state in ("TIME_WAIT", "FIN_WAIT2", "CLOSE"):
        return False
    return row.state != "ESTABLISHED" or bool(row.unread or row.unacknowledged or row.unanswered or not row.inode)


def judge(row: TCPSocket, before: TCPSocket | None, seconds: float, *, server: bool = True) -> Judgement:
    """What *row* means, if it was *before* so many *seconds* ago; None if it was not looked at.

    It is a connection of the *server* that is examined, else one of a client of this machine.
    """
    rules: Sequence[Callable[[], Judgement | None]] = (
        lambda: _beginning(row, server=server),
        lambda: _silent_peer(row),
        lambda: _full_peer(row),
        lambda: _unread(row, before, seconds, server=server),
        lambda: _ending(row, before, seconds, server=server),
        lambda: _slow_peer(row, before, seconds),
    )
    for rule in rules:
        found = rule()
        if found is not None:
            return found
    return Judgement("ok", "ok", _well(row))


def _beginning(row: TCPSocket, *, server: bool) -> Judgement | None:
    """A connection that does not come about."""
    if row.state == "SYN_RECV":
        tried = f", answered {counted(row.retransmits + 1, 'time')}" if row.retransmits else ""
        return Judgement("half open", "warning", f"its SYN was answered, and it has not gone on{tried}")
    if row.state == "SYN_SENT":
        text = f"no answer to the SYN, which was sent {counted(row.retransmits + 1, 'time')}: a firewall drops it, "
        return Judgement("no answer", "error", f"{text}or the server's backlog is full")
    if row.state == "ESTABLISHED" and not row.inode and server:
        return Judgement("not accepted", "error", "connected, and the server has not accepted it")
    return None


def _silent_peer(row: TCPSocket) -> Judgement | None:
    """Sent again and again, or probed, without an answer."""
    backoff = row.details.backoff if row.details else 0
    tries = max(row.retransmits, backoff)
    if row.timer == "retransmit" and tries and row.state != "SYN_SENT":
        silent = _ago(row.details.acknowledged) if row.details else ""
        since = f", nothing acknowledged for {silent}" if silent else ""
        text = f"does not acknowledge {amount(row.unacknowledged)}: sent again {counted(tries, 'time')}{since}, "
        return Judgement(
            "silent", "error", f"{text}next in {duration(row.due)}: the peer is gone, or the way to it is cut"
        )
    if row.timer == "keepalive" and row.unanswered:
        return Judgement(
            "silent", "error", f"{counted(row.unanswered, 'keepalive probe')} without an answer: the peer is gone"
        )
    return None


def _full_peer(row: TCPSocket) -> Judgement | None:
    """A window that is closed: the peer is there and does not read."""
    if row.timer != "probe" or not row.unacknowledged:
        return None
    tries = max(row.retransmits, row.unanswered, row.details.backoff if row.details else 0)
    probes = f" ({counted(tries, 'probe')} so far)" if tries else ""
    return Judgement(
        "peer does not read",
        "error",
        f"the peer does not read: {amount(row.unacknowledged)} wait here, and its window is closed{probes}",
    )


def _unread(row: TCPSocket, before: TCPSocket | None, seconds: float, *, server: bool) -> Judgement | None:
    """Bytes that have arrived, and that the process does not take."""
    unread = row.unread - (row.state == "CLOSE_WAIT")  # the end of the stream counts as a byte
    if unread <= 0:
        return None
    who = "the server" if server else "this end"
    if before is not None and before.unread and row.unread >= before.unread and not _has_read(row, before):
        text = f"{who} has read nothing for {duration(seconds)}: {amount(unread)} from the peer wait"
        return Judgement("unread", "error", text)
    return Judgement("reading", "note", f"{amount(unread)} from the peer are not read yet")


def _has_read(row: TCPSocket, before: TCPSocket) -> bool:
    """Whether the process has taken something between the two looks; only ss knows, if the queue has not shrunk."""
    now, then = row.details, before.details
    if now is None or then is None or now.taken is None or then.taken is None:
        return False
    return now.taken - row.unread > then.taken - before.unread


def _ending(row: TCPSocket, before: TCPSocket | None, seconds: float, *, server: bool) -> Judgement | None:
    """A connection that one side has closed."""
    if row.state in _ENDING:
        return Judgement("ending", "warning", _ENDING[row.state])
    if row.state == "FIN_WAIT2":
        return Judgement("ending", "ok", "closed here, and the peer has not closed")
    if row.state != "CLOSE_WAIT":
        return None
    who = "the server" if server else "this end"
    if before is None or before.state != "CLOSE_WAIT":
        return Judgement("ending", "note", "the peer has just hung up")
    if row.unread or not row.inode:
        return Judgement("unread", "error", f"the peer has hung up, and {who} has not noticed for {duration(seconds)}")
    return Judgement("not closed", "error", f"the peer has hung up, {who} knows it and does not close: a leak")


def _slow_peer(row: TCPSocket, before: TCPSocket | None, seconds: float) -> Judgement | None:
    if not row.unacknowledged:
        return None
    if before is not None and before.unacknowledged and row.unacknowledged >= before.unacknowledged:
        text = f"{amount(row.unacknowledged)} unacknowledged, and no fewer than {duration(seconds)} ago"
        return Judgement("slow", "warning", f"{text}: the peer or the way to it is slow")
    return Judgement("under way", "note", f"{amount(row.unacknowledged)} are under way")


def _well(row: TCPSocket) -> str:
    if row.state == "TIME_WAIT":
        return "over"
    return "nothing is unread, nothing waits"


def _ago(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _key(row: TCPSocket) -> tuple[Address, Address]:
    return row.local, row.remote


def pairs(now: Iterable[TCPSocket], then: Iterable[TCPSocket]) -> Iterable[tuple[TCPSocket, TCPSocket | None]]:
    """Each row of *now* with what it was *then*."""
    known = {_key(row): row for row in then}
    return ((row, known.get(_key(row))) for row in now)
