"""How the doctor's findings look: steps, the peers of a port, a capture, conclusions. Knows lines; judges nothing."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from pbshell.trace.forms.wording import amount, counted, duration
from pbshell.wire.text import visible
from pbshell.workbench.doctor.capture import CaptureReport, Spoken
from pbshell.workbench.doctor.port import Listener, Peer, PortReport
from pbshell.workbench.doctor.steps import FAILED, OK, SKIPPED, Checkup, Step

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["capture", "checkup", "conclusion", "port", "step"]

#: columns of a state and of the name of a step
_STATE, _NAME = 7, 10
#: peers of one kind, and connections and verdicts of a capture, that are shown on a screen
_PEERS, _CONNECTIONS, _VERDICTS = 5, 12, 12
_LEAST = 40


def checkup(value: Checkup, renderer: Renderer) -> str:
    """All steps, and what follows."""
    lines = [step(each, renderer) for each in value.steps]
    return "\n".join([*(line for line in lines if line), conclusion(value, renderer)])


def step(value: Step, renderer: Renderer) -> str:
    """One step, in a line or more; nothing for one that was not come to."""
    if value.state == SKIPPED and not value.text:
        return ""
    took = f" ({duration(value.seconds)})" if value.seconds is not None else ""
    head = f"{value.state:{_STATE}}  {value.name:{_NAME}}  "
    lines = _wrapped(head + visible(value.text) + took, len(head), renderer)
    # Of a step that failed, the conclusion has it.
    if value.hint and value.state != FAILED:
        lines += _wrapped(" " * len(head) + f"-> {visible(value.hint)}", len(head) + 3, renderer)
    return "\n".join(lines)


def conclusion(value: Checkup, renderer: Renderer) -> str:
    """What follows from the steps, behind an empty line."""
    return "\n".join(["", *_said(value.text, value.hint, renderer)])


def _said(text: str, hint: str, renderer: Renderer) -> list[str]:
    lines = _wrapped(visible(text), 0, renderer)
    return lines + (_wrapped(f"  {visible(hint)}", 2, renderer) if hint else [])


def _wrapped(line: str, indent: int, renderer: Renderer) -> list[str]:
    """*line* in pieces that fit, for a screen; whoever reads a pipe breaks lines by himself."""
    if not renderer.screen:
        return [line.rstrip()]
    width = max(renderer.width, _LEAST)
    margin = " " * min(indent, width // 2)
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=margin,
        drop_whitespace=True,
        replace_whitespace=False,
        break_long_words=True,
        break_on_hyphens=False,
    ) or [""]


# ------------------------------------------------------------------------------------------------ a port


def port(value: PortReport, renderer: Renderer, *, every: bool = False) -> str:
    """Who listens, the peers that hang, and what follows; *every* peer if asked for."""
    lines = [line for each in value.listeners for line in _listener(each, renderer)]
    for kind, group in groupby(value.peers, key=lambda peer: (peer.severity, peer.kind)):
        peers = list(group)
        if kind[0] == OK and not every:
            continue
        most = len(peers) if every or not renderer.screen else _PEERS
        for peer in peers[:most]:
            lines += _peer(peer, renderer)
        if len(peers) > most:
            lines.append(f"         {counted(len(peers) - most, 'more peer')} like this (--all shows them)")
    lines += [] if every else _healthy(value, renderer)
    for each in value.conclusions:
        lines += ["", *_said(each.text, each.hint, renderer)]
    if value.peers and not value.details:
        lines += [
            "",
            *_wrapped("without ss (iproute2) nobody knows round trips, and when something last came", 0, renderer),
        ]
    return "\n".join(lines).removeprefix("\n")


def _listener(value: Listener, renderer: Renderer) -> list[str]:
    who = f"{value.program or 'a process'} (pid {value.pid})" if value.pid else "a process of another user"
    room = f" of {value.room:,} that may" if value.room is not None else ""
    wait = "waits" if value.waiting == 1 else "wait"
    waiting = f"{value.waiting:,}{room} {wait} to be accepted" if value.waiting else "nobody waits to be accepted"
    return _wrapped(f"{value.address}  {visible(who)} listens; {waiting}", 2, renderer)


def _peer(value: Peer, renderer: Renderer) -> list[str]:
    facts = [value.state, f"unread {amount(value.unread)}", f"unacknowledged {amount(value.unacknowledged)}"]
    if value.retransmits:
        facts.append(f"again {value.retransmits}x")
    if value.round_trip is not None:
        facts.append(f"rtt {duration(value.round_trip)}")
    facts += [
        f"{word} {duration(seconds)} ago"
        for word, seconds in (("in", value.last_in), ("out", value.last_out))
        if seconds
    ]
    who = f"{value.peer} {visible(value.program)}".rstrip()
    head = _wrapped(f"{value.severity:{_STATE}}  {who}  {'  '.join(facts)}", _STATE + 2, renderer)
    return [*head, *_wrapped(" " * (_STATE + 2) + visible(value.text), _STATE + 2, renderer)]


def _healthy(value: PortReport, renderer: Renderer) -> Iterator[str]:
    states = Counter(peer.state for peer in value.peers if peer.severity == OK)
    if not states:
        return
    count = sum(states.values())
    other = ", ".join(f"{number} {state}" for state, number in states.items() if state != "ESTABLISHED")
    text = f"{counted(count, 'peer')}: nothing is unread, and nothing hangs" + (f" ({other})" if other else "")
    yield from _wrapped(f"{OK:{_STATE}}  {text}", _STATE + 2, renderer)


# ------------------------------------------------------------------------------------------------ a capture


def capture(value: CaptureReport, renderer: Renderer) -> str:
    """What the file is, its connections, what is wrong, and how to go on."""
    lines = [*_wrapped(_what(value), 2, renderer)]
    for note in (*value.notes, *((value.damage,) if value.damage else ())):
        lines += _wrapped(f"  {visible(note)}", 4, renderer)
    most = _CONNECTIONS if renderer.screen else len(value.connections)
    shown = sorted(value.connections, key=lambda each: not each.severity)[:most]
    lines.append("")
    for each in sorted(shown, key=lambda each: each.connection):
        lines += _wrapped(_spoken(each), 4, renderer)
    left = len(value.connections) - len(shown) + value.others
    if left:
        lines.append(f"  {counted(left, 'more connection')}")
    lines += ["", *_verdicts(value, renderer), ""]
    for command in value.commands:
        # Never broken: it is to be pasted.
        lines += [command.command, f"    {visible(command.shows)}"]
    return "\n".join(lines).rstrip("\n")


def _what(value: CaptureReport) -> str:
    began = ""
    if value.began:
        began = f", from {datetime.fromtimestamp(value.began).astimezone():%Y-%m-%d %H:%M:%S}"
    whole = "damaged" if value.damage else "with something missing" if value.notes else "complete"
    count = len(value.connections) + value.others
    frames = f"{counted(value.frames, 'frame')} on {counted(count, 'connection')}"
    return f"{visible(value.name)}: {value.kind}, {whole}; {frames} in {duration(value.seconds)}{began}"


def _spoken(value: Spoken) -> str:
    ends = f"{value.client or 'a client'} to {value.server or 'a server'}"
    user = f", {value.user}" if value.user else ""
    facts = [counted(value.calls, "call")]
    facts += [counted(value.errors, "error")] if value.errors else []
    facts += [f"{value.unanswered:,} unanswered"] if value.unanswered else []
    ended = visible(value.ended) if value.ended else "open at the end"
    return f"  {value.connection}  {ends}{user}: {', '.join(facts)}, {amount(value.sent + value.received)}; {ended}"


def _verdicts(value: CaptureReport, renderer: Renderer) -> Iterator[str]:
    if not value.verdicts:
        yield "nothing stands out in it"
        return
    most = _VERDICTS if renderer.screen else len(value.verdicts)
    for verdict in value.verdicts[:most]:
        yield from _wrapped(verdict.line(), 2, renderer)
    if len(value.verdicts) > most:
        yield f"{counted(len(value.verdicts) - most, 'more verdict')}"
