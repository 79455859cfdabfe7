"""The doctor for ``:PORT``: who listens there on this machine, and how each of its peers is. Asks the kernel only.

Nothing is installed in the server and nothing is sent to it. Knows what the kernel's tables say; shows nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pbshell.net.socket_tables import (
    Address,
    NoTables,
    Process,
    TCPSocket,
    ask_ss,
    owners,
    parse_ss,
    read_tables,
    with_details,
    written,
)
from pbshell.trace.forms.wording import counted, duration
from pbshell.workbench.doctor.sockets import is_suspicious, judge, pairs, program_of
from pbshell.workbench.exitcodes import ExitCode

__all__ = ["Conclusion", "Listener", "Look", "Peer", "PortReport", "examine_port", "look_at", "no_tables", "why_silent"]

#: seconds between two looks, and ports that are named where nobody listens
PAUSE, _PORTS = 1.0, 12
SEVERITIES = ("error", "warning", "note", "ok")
_CONTAINER = "is it in a container? its sockets are in another namespace: sudo nsenter -t PID -n pbshell doctor"


@dataclass(frozen=True, slots=True)
class Look:
    """What the tables said of the sockets with the port at one end, and which ports of this machine are *open*."""

    sockets: tuple[TCPSocket, ...]
    owners: dict[int, Process]
    open: tuple[int, ...] = ()
    details: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens: *waiting* connections are not accepted yet, of *room* that may (None: not known).

    *pid*, *program* and *state* (the letter of ps) are None and empty if that may not be looked into.
    """

    address: str
    waiting: int
    room: int | None
    pid: int | None
    program: str
    state: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A connection. *unread* bytes have arrived and are not read here, *unacknowledged* are not taken by the peer.

    *round_trip*, *last_in* and *last_out* are in seconds, None if not known (only ss tells them), and so is *due*, when
    it is tried again. *program* is the peer's, if it runs on this machine and may be looked into.
    """

    peer: str
    local: str
    state: str
    kind: str
    severity: str
    text: str
    unread: int
    unacknowledged: int
    retransmits: int
    timer: str
    due: float
    round_trip: float | None
    last_in: float | None
    last_out: float | None
    program: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What follows: a *severity*, a sentence, and the next thing to do."""

    severity: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PortReport:
    """What there is to say of *port*. *peers* are the worst first, and so are the *conclusions*.

    *role* is server, or client where nobody listens and the connections go to that port of another machine.
    *seconds* passed between the two looks, 0 if one was enough. *details* is whether ss was there.
    """

    port: int
    role: str
    listeners: tuple[Listener, ...]
    peers: tuple[Peer, ...]
    conclusions: tuple[Conclusion, ...]
    seconds: float
    details: bool
    code: ExitCode

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each row, then the conclusions."""
        yield from ({"kind": "listener", "port": self.port, **asdict(row)} for row in self.listeners)
        for peer in self.peers:
            # A peer has a kind of its own.
            yield {**asdict(peer), "kind": "peer", "port": self.port, "about": peer.kind}
        for row in self.conclusions:
            yield {"kind": "conclusion", "port": self.port, "code": int(self.code), **asdict(row)}


def look_at(port: int) -> Look:
    """Ask the kernel now. Raises NoTables."""
    rows = read_tables()
    sockets = [row for row in rows if port in (row.local[1], row.remote[1])]
    said = parse_ss(ask_ss(port))
    if said:
        sockets = with_details(sockets, said)
    open_ports = sorted({row.local[1] for row in rows if row.state == "LISTEN"})
    return Look(tuple(sockets), owners({row.inode for row in sockets}), tuple(open_ports), bool(said))


def no_tables(error: NoTables, port: int) -> str:
    """What to do on a system that has no such tables, in one sentence."""
    return f"{error}: netstat -an -p tcp | grep {port}, and lsof -nP -iTCP:{port}, show the same (macOS, BSD)"


async def examine_port(
    port: int,
    *,
    look: Callable[[int], Look] = look_at,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> PortReport:
    """Look once, and a second time a second later if something may hang. Raises NoTables."""
    loop = asyncio.get_running_loop()
    first = await loop.run_in_executor(None, look, port)
    mine = [row for row in first.sockets if row.local[1] == port] or first.sockets
    if not any(map(is_suspicious, mine)):
        return report(port, first, None, 0.0)
    began = loop.time()
    await pause(PAUSE)
    second = await loop.run_in_executor(None, look, port)
    return report(port, second, first, max(loop.time() - began, PAUSE))


def report(port: int, now: Look, before: Look | None, seconds: float) -> PortReport:
    """What two looks say together; *before* is None if one was enough."""
    listening = [row for row in now.sockets if row.state == "LISTEN" and row.local[1] == port]
    here = [row for row in now.sockets if row.state != "LISTEN" and row.local[1] == port and row.remote[1]]
    role = "server" if listening or here else "client"
    rows = here if role == "server" else [row for row in now.sockets if row.remote[1] == port]
    peers = _peers(rows, now, before, seconds, server=role == "server")
    listeners = tuple(_listener(row, now) for row in listening)
    conclusions = _conclusions(port, role, listeners, peers, now, _waited(listening, before), seconds)
    worst = conclusions[0].severity
    code = ExitCode.OK if worst in ("ok", "note", "warning") else ExitCode.RAISED
    if not listeners and not peers:
        code = ExitCode.NO_CONNECTION
    return PortReport(port, role, listeners, peers, conclusions, seconds, now.details, code)


def _listener(row: TCPSocket, look: Look) -> Listener:
    owner = look.owners.get(row.inode)
    room = row.details.room if row.details else None
    pid, program, state = (owner.pid, owner.program, owner.state) if owner else (None, "", "")
    return Listener(written(row.local), row.unread, room, pid, program, state)


def _waited(listening: Sequence[TCPSocket], before: Look | None) -> bool:
    """Whether connections waited to be accepted in both looks."""
    then = {row.local: row.unread for row in before.sockets if row.state == "LISTEN"} if before else {}
    return any(row.unread and then.get(row.local) for row in listening)


def _peers(
    rows: Sequence[TCPSocket], now: Look, before: Look | None, seconds: float, *, server: bool
) -> tuple[Peer, ...]:
    """How each of them is, the worst first; what is over is left out."""
    other_ends = {(row.local, row.remote): row for row in now.sockets}
    found = []
    for row, then in pairs(rows, before.sockets if before else ()):
        if row.state in ("TIME_WAIT", "CLOSE"):
            continue
        judged = judge(row, then, seconds, server=server)
        details = row.details
        other = other_ends.get((row.remote, row.local))
        peer = Peer(
            peer=written(row.remote),
            local=written(row.local),
            state=row.state,
            kind=judged.kind,
            severity=judged.severity,
            text=judged.text,
            # The end of the stream counts as a byte.
            unread=row.unread - (row.state == "CLOSE_WAIT" and row.unread > 0),
            unacknowledged=row.unacknowledged,
            retransmits=max(row.retransmits, details.backoff if details else 0),
            timer=row.timer,
            due=row.due,
            round_trip=details.rtt if details else None,
            last_in=details.received if details else None,
            last_out=details.sent if details else None,
            program=program_of(now.owners.get(other.inode)) if other is not None else "",
        )
        found.append(peer)
    return tuple(sorted(found, key=lambda peer: (SEVERITIES.index(peer.severity), peer.kind, -peer.unacknowledged)))


# ------------------------------------------------------------------------------------------------ what follows


def _conclusions(
    port: int,
    role: str,
    listeners: Sequence[Listener],
    peers: Sequence[Peer],
    look: Look,
    waited: bool,
    seconds: float,
) -> tuple[Conclusion, ...]:
    found: list[Conclusion] = []
    if not listeners:
        found.append(_nobody(port, role, peers, look))
    found += _blocked(listeners, peers, waited, seconds)
    found += _kinds(
        peers, {peer.kind for peer in peers} - ({"unread", "not accepted"} if found and listeners else set())
    )
    if not found:
        how = f"{counted(len(peers), 'peer')}, none of which hangs" if peers else "nobody is connected"
        found.append(Conclusion("ok", f"the kernel sees nothing wrong: {how}", f"pbshell doctor localhost:{port}"))
    return tuple(sorted(found, key=lambda each: SEVERITIES.index(each.severity)))


def _nobody(port: int, role: str, peers: Sequence[Peer], look: Look) -> Conclusion:
    if peers and role == "client":
        where = counted(len(peers), "connection")
        return Conclusion(
            "note", f"nobody listens on port {port} of this machine; it has {where} to that port elsewhere"
        )
    if peers:
        text = (
            f"nobody listens on port {port} any more: new clients are refused, and {counted(len(peers), 'peer')} remain"
        )
        return Conclusion("error", text, "the server has stopped listening, or is about to end: see its log")
    text = f"nobody listens on port {port} of this machine"
    if not look.open:
        return Conclusion("error", text, f"is the server up? {_CONTAINER} :{port}")
    ports = ", ".join(map(str, look.open[:_PORTS])) + (", ..." if len(look.open) > _PORTS else "")
    return Conclusion("error", f"{text}; there are {ports}", f"is the server up? {_CONTAINER} :{port}")


def _blocked(
    listeners: Sequence[Listener], peers: Sequence[Peer], waited: bool, seconds: float
) -> Iterator[Conclusion]:
    """A server that does nothing for anybody."""
    unread = [peer for peer in peers if peer.kind == "unread"]
    waiting = sum(each.waiting for each in listeners)
    if not listeners or not (waited or unread):
        return
    first = max(listeners, key=lambda each: each.waiting)
    who = f"{first.program or 'the server'} (pid {first.pid})" if first.pid else "the server"
    if first.state == "T":
        yield Conclusion(
            "error", f"{who} is stopped, as by Ctrl-Z or a debugger", f"let it go on: kill -CONT {first.pid}"
        )
        return
    symptoms = []
    if waited:
        room = f" (of {first.room} that may)" if first.room else ""
        wait = "waits" if waiting == 1 else "wait"
        symptoms.append(f"{counted(waiting, 'connection')}{room} {wait} to be accepted")
    if unread:
        symptoms.append(f"of {counted(len(unread), 'peer')} it has read nothing for {duration(seconds)}")
    trace = f"py-spy dump --pid {first.pid}" if first.pid else "py-spy dump --pid PID"
    hint = f"see what it does: {trace}; the usual cause is a call that waits (time.sleep, a database, a lock)"
    if waited:
        yield Conclusion("error", f"the event loop of {who} is blocked: {', and '.join(symptoms)}", hint)
    else:
        others = (
            "" if len(unread) == len(peers) else f", while {counted(len(peers) - len(unread), 'other')} may be well"
        )
        yield Conclusion("error", f"{who} does not read: {symptoms[0]}{others}", hint)
    if first.room and waiting > first.room:
        yield Conclusion("error", "its backlog is full: new clients get no answer and run into their timeouts")


_WHAT = {
    "silent": (
        "does not acknowledge what it is sent",
        "do not acknowledge what they are sent",
        "is it up, and is the way to it? Its socket ends when the kernel gives up",
    ),
    "peer does not read": (
        "does not read what it is sent",
        "do not read what they are sent",
        "look at the programs there: they are blocked, or stopped",
    ),
    "unread": (
        "has sent what is not read here",
        "have sent what is not read here",
        "see what this end does: py-spy dump --pid PID",
    ),
    "not accepted": ("waits to be accepted", "wait to be accepted", ""),
    "not closed": (
        "has hung up and is not closed here",
        "have hung up and are not closed here",
        "the server forgets to close them, and runs out of descriptors",
    ),
    "no answer": (
        "has not answered the SYN",
        "have not answered the SYN",
        "pbshell doctor HOST:PORT tells which step fails",
    ),
    "half open": (
        "has not finished connecting",
        "have not finished connecting",
        "answers get lost on the way, or it is a SYN scan",
    ),
    "ending": ("has not acknowledged the end", "have not acknowledged the end", ""),
    "slow": (
        "is slow to take what it is sent",
        "are slow to take what they are sent",
        "look again: pbshell doctor once more tells whether it moves",
    ),
}


def _kinds(peers: Sequence[Peer], kinds: Collection[str]) -> Iterator[Conclusion]:
    """One conclusion for each sort of trouble."""
    counts = Counter((peer.kind, peer.severity) for peer in peers if peer.severity in ("error", "warning"))
    for (kind, severity), count in counts.items():
        if kind in kinds and kind in _WHAT:
            one, many, hint = _WHAT[kind]
            yield Conclusion(severity, f"{counted(count, 'peer')} {one if count == 1 else many}", hint)


# ------------------------------------------------------------------------------------------------ for another step


def why_silent(
    ours: Address, theirs: Address, tables: Callable[[], list[TCPSocket]] = read_tables
) -> tuple[str, str] | None:
    """Why the server at *theirs* says nothing to *ours*, and what to do, if it is on this machine and the kernel knows.

    None if it does not: then the server has accepted the connection, or is elsewhere.
    """
    try:
        rows = tables()
    except NoTables:
        return None
    for row in rows:
        if (row.local, row.remote) == (theirs, ours) and not row.inode:
            break
    else:
        return None
    listening = [row for row in rows if row.state == "LISTEN" and row.local[1] == theirs[1]]
    found = owners([row.inode for row in listening])
    owner = next(iter(found.values()), None)
    who = program_of(owner) or "the server"
    if owner is not None and owner.state == "T":
        return f"{who} is stopped, as by Ctrl-Z or a debugger", f"let it go on: kill -CONT {owner.pid}"
    trace = f"py-spy dump --pid {owner.pid}" if owner else f"pbshell doctor :{theirs[1]}"
    return f"{who} has not accepted the connection: its event loop is blocked", f"see what it does: {trace}"
