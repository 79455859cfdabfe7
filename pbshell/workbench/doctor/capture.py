"""The doctor for a capture file: what it is, whether it is whole, what is wrong in it, and how to go on.

Knows what `pbshell.workbench.traffic.captures` reads; shows nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pbshell.trace.explainers import Explainers
from pbshell.trace.studies.report import Connection, Facts, Report
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.workbench.exitcodes import ExitCode
from pbshell.workbench.traffic.captures import Progress, Reading, read

__all__ = ["CaptureReport", "NextCommand", "Spoken", "examine_capture"]

#: what a file begins with, and what it is
_KINDS = (
    (b"{", "a capture of pbshell"),
    (b"\x0a\x0d\x0d\x0a", "packets of Wireshark (pcapng)"),
    (b"\xa1\xb2", "packets of tcpdump (pcap)"),
    (b"\xd4\xc3\xb2\xa1", "packets of tcpdump (pcap)"),
    (b"\x4d\x3c\xb2\xa1", "packets of tcpdump (pcap)"),
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A connection of a capture; *began* and *last* are in seconds since the capture began.

    *ended* says how it ended, and is empty if it had not. *sent* and *received* are bytes of the client and of the
    server. *severity* is that of its worst verdict, or empty.
    """

    connection: int
    client: str
    server: str
    user: str
    dialect: str
    began: float
    last: float
    ended: str
    calls: int
    errors: int
    unanswered: int
    sent: int
    received: int
    severity: str


@dataclass(frozen=True, slots=True)
class NextCommand:
    """A *command* for a shell, and what it *shows*."""

    command: str
    shows: str


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """What there is to say of the file *name*, which is of this *kind*.

    *began* is in seconds since 1970 (0: not known), *seconds* how long it lasts. *notes* say what is missing in it,
    *damage* why it could not be read to its end. *others* counts the connections that are left out.
    """

    name: str
    kind: str
    began: float
    seconds: float
    frames: int
    notes: tuple[str, ...]
    damage: str
    connections: tuple[Spoken, ...]
    others: int
    verdicts: tuple[Verdict, ...]
    commands: tuple[NextCommand, ...]
    code: ExitCode

    def objects(self) -> Iterator[dict[str, Any]]:
        """The file, then one object for each connection, verdict and command."""
        whole = not self.damage and not self.notes
        lacks = {"notes": list(self.notes), "damage": self.damage, "complete": whole}
        facts = {"name": self.name, "format": self.kind, "began": self.began, "seconds": self.seconds}
        yield {"kind": "capture", **facts, "frames": self.frames, **lacks}
        yield from ({"kind": "connection", **asdict(each)} for each in self.connections)
        for verdict in self.verdicts:
            # A verdict has a kind of its own.
            yield {**asdict(verdict), "kind": "verdict", "about": verdict.kind}
        yield from ({"kind": "next", **asdict(each)} for each in self.commands)


def examine_capture(
    path: str, *, explainers: Explainers | None = None, progress: Progress | None = None
) -> CaptureReport:
    """Read the capture at *path* to its end. Raises CaptureError for what is none."""
    kind = _kind_of(path)
    report = Report()
    reading = read(path, report.see, judged=report.judged, explainers=explainers, progress=progress)
    facts = report.facts(reading.verdicts, reading.open, reading.last)
    code = ExitCode.BAD_FILE if reading.damage else ExitCode.OK
    return CaptureReport(
        name=reading.name,
        kind=kind,
        began=reading.began and reading.began + reading.first,
        seconds=reading.last - reading.first,
        frames=facts.count,
        notes=reading.notes,
        damage=reading.damage,
        connections=tuple(_spoken(each, facts.verdicts) for each in facts.connections),
        others=facts.others,
        verdicts=facts.verdicts,
        commands=tuple(_commands(path, reading, facts)),
        code=code,
    )


def _kind_of(path: str) -> str:
    head = b""
    with suppress(OSError, ValueError), Path(path).open("rb") as file:
        head = file.read(4)
    return next((kind for magic, kind in _KINDS if head.startswith(magic)), "a capture")


def _spoken(each: Connection, verdicts: Sequence[Verdict]) -> Spoken:
    worst = next((verdict.severity for verdict in verdicts if verdict.connection == each.number), "")
    return Spoken(
        connection=each.number,
        client=visible(each.client, 100),
        server=visible(each.server, 100),
        user=visible(each.user or each.name, 60),
        dialect=each.dialect,
        began=each.began,
        last=each.last,
        ended=each.ended,
        calls=each.calls,
        errors=each.errors,
        unanswered=each.unanswered,
        sent=each.bytes[Side.CLIENT],
        received=each.bytes[Side.SERVER],
        severity=worst,
    )


def _commands(path: str, reading: Reading, facts: Facts) -> Iterator[NextCommand]:
    """What to do with it next, the most telling first."""
    name = shlex.quote(visible(os.fspath(path), 300))
    connections = facts.connections
    if facts.verdicts:
        yield NextCommand(f"pbshell trace read {name} --why", "the verdicts, and what they rest on")
    worst = next((verdict for verdict in facts.verdicts if verdict.frames and verdict.severity != "note"), None)
    if worst is not None:
        first, last = max(min(worst.frames) - 10, 1), max(worst.frames) + 5
        shows = "what was said around the worst one"
        yield NextCommand(f"pbshell trace read {name} -o frames -F '~f {first}-{last}'", shows)
    if sum(each.errors for each in connections):
        yield NextCommand(f"pbshell trace read {name} -F '~e'", "the calls that failed")
    if sum(each.unanswered for each in connections):
        yield NextCommand(f"pbshell trace read {name} -F '~n'", "the calls without an answer")
    if sum(each.calls for each in connections):
        yield NextCommand(f"pbshell stats {name}", "which methods take how long")
        yield NextCommand(f"pbshell report {name} -o report.html", "all of it on one page, to be sent to somebody")
    elif not facts.verdicts:
        yield NextCommand(f"pbshell trace read {name} -o frames", "all that is in it")
