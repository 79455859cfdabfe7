"""The doctor for a connection that is open at the prompt: link, TLS, user, limits, waiting calls, verdicts.

Sends nothing: what it tells is known here, and in the kernel's tables.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from pbshell.net.connection import Connection
from pbshell.net.kernel import unacknowledged
from pbshell.net.socket_tables import Address, NoTables, TCPSocket, read_tables
from pbshell.trace import Conversation
from pbshell.trace.forms.wording import counted, duration
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import PB_VERSION
from pbshell.workbench.doctor.sockets import Judgement, judge
from pbshell.workbench.doctor.steps import FAILED, OK, SKIPPED, WARNING, Checkup, Step

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Line, Workbench

__all__ = ["examine_line"]

#: the part of a limit from which on it is worth a word
_FULL = 0.8
_STATES = {"error": FAILED, "warning": WARNING, "note": OK, "ok": OK}


def examine_line(bench: Workbench, line: Line) -> Checkup:
    """What there is to say of the connection *line* now."""
    connection, conversation = line.connection, line.conversation
    now = asyncio.get_running_loop().time()
    verdicts = [each for each in bench.tracer.why(now) if each.connection == connection.number]
    steps = [
        *_link(connection),
        _tls(connection),
        _dialect(connection),
        _user(line, conversation),
        *_traffic(conversation, connection, now, ours=line.opened is not None),
        _limits(connection),
    ]
    if conversation is not None:
        steps.append(_calls(conversation, now, Side.CLIENT if line.opened is not None else Side.SERVER))
    shown = {"error": FAILED, "warning": WARNING}
    steps += [Step("verdict", shown.get(each.severity, OK), visible(each.text, 500)) for each in verdicts]
    bad = [step for step in steps if step.state in (FAILED, WARNING)]
    bad.sort(key=lambda step: step.state != FAILED)
    name = visible(line.name, 40)
    if not bad:
        return Checkup(name, tuple(steps), f"nothing is wrong with {name}")
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return Checkup(name, tuple(steps), f"{bad[0].name}: {bad[0].text}{more}", bad[0].hint)


# ------------------------------------------------------------------------------------------------ the link


def _link(connection: Connection) -> list[Step]:
    ours, theirs = _address(connection.local), _address(connection.peer)
    if ours is None or theirs is None:
        return [Step("link", SKIPPED, f"{visible(str(connection), 100)} has no row in the kernel's TCP tables")]
    try:
        rows = {(row.local, row.remote): row for row in read_tables()}
    except NoTables:
        hint = f"netstat -an -p tcp | grep {ours[1]}"
        waiting = unacknowledged(connection.get_extra_info("socket"))
        if waiting is not None:
            return [Step("link", OK, f"{waiting:,} B unacknowledged; more this system does not tell", hint=hint)]
        return [Step("link", SKIPPED, "this system has no table that can be read", hint=hint)]
    steps = []
    mine = rows.get((ours, theirs))
    if mine is not None:
        steps.append(_judged("link", mine, judge(mine, None, 0.0, server=False)))
    # The other end, if it is on this machine.
    other = rows.get((theirs, ours))
    if other is not None:
        steps.append(_judged("other end", other, judge(other, None, 0.0)))
    return steps or [Step("link", WARNING, "the kernel no longer knows the connection")]


def _judged(name: str, row: TCPSocket, found: Judgement) -> Step:
    facts = f"{row.state.lower()}, {row.unacknowledged:,} B unacknowledged, {row.unread:,} B unread"
    return Step(name, _STATES[found.severity], facts if found.severity == "ok" else f"{facts}: {found.text}")


def _address(text: str) -> Address | None:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or text.startswith("unix:"):
        return None
    return host.strip("[]"), int(port)


def _tls(connection: Connection) -> Step:
    speaker: ssl.SSLObject | None = connection.get_extra_info("ssl_object")
    if speaker is not None:
        cipher = speaker.cipher()
        return Step("tls", OK, f"{speaker.version()}, {cipher[0] if cipher else 'no cipher'}")
    return Step("tls", SKIPPED, "none: cleartext")


def _dialect(connection: Connection) -> Step:
    spoken = connection.broker.dialect
    if spoken is None:
        return Step("dialect", WARNING, "the handshake is not over")
    return Step("dialect", OK, f"{spoken.name.decode()}, PB {PB_VERSION}")


# ------------------------------------------------------------------------------------------------ what is said


def _user(line: Line, conversation: Conversation | None) -> Step:
    user = (line.opened.user if line.opened is not None else "") or (conversation.user if conversation else "")
    return Step("login", OK if user else SKIPPED, f"as {visible(user, 60)}" if user else "nobody has logged in")


def _traffic(conversation: Conversation | None, connection: Connection, now: float, *, ours: bool) -> list[Step]:
    if conversation is None:
        return [Step("traffic", OK, f"{connection.received:,} B in, {connection.sent:,} B out")]
    here, there = (Side.CLIENT, Side.SERVER) if ours else (Side.SERVER, Side.CLIENT)
    parts = [f"up {duration(max(now - conversation.first, 0.0))}"]
    for word, side, count in (("in", there, connection.received), ("out", here, connection.sent)):
        at = conversation.heard.get(side)
        parts.append(
            f"{count:,} B {word}" + (f", the last {duration(max(now - at, 0.0))} ago" if at is not None else "")
        )
    return [Step("traffic", OK, "; ".join(parts))]


def _limits(connection: Connection) -> Step:
    """How full the tables are, the fullest first."""
    limits, broker = connection.broker.limits, connection.broker
    counts = (
        ("lent by us", len(connection.exports), limits.exports, "exports"),
        ("lent to us", len(connection.imports), limits.imports, "imports"),
        ("our calls", len(broker.ours.pending), limits.pending, "pending"),
        ("their calls", len(broker.theirs.pending), limits.pending, "pending"),
    )
    ranked = sorted(counts, key=lambda each: each[1] / each[2], reverse=True)
    text = ", ".join(f"{what} {count:,} of {most:,}" for what, count, most, _ in ranked)
    _, count, most, name = ranked[0]
    if count < _FULL * most:
        return Step("limits", OK, text)
    hint = f"something leaks, or Limits({name}=...) is too low; :refs shows what is lent"
    return Step("limits", FAILED if count >= most else WARNING, text, hint=hint)


def _calls(conversation: Conversation, now: float, here: Side) -> Step:
    parts = []
    for word, side in (("ours", here), ("theirs", here.other)):
        pending = conversation.ledgers[side].pending.values()
        if pending:
            oldest = max(now - call.at for call in pending)
            parts.append(f"{counted(len(pending), 'call')} of {word}, the oldest for {duration(max(oldest, 0.0))}")
    return Step("waiting", OK, "; ".join(parts) or "no call waits for an answer")
