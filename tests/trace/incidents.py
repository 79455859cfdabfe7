"""Incidents: a real Twisted server and a real Twisted client, each in a process, and a relay that records between them.

Knows how to bring them about, and how to ask for a diagnosis; does not know what is to be said.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from pbshell.net.relay import relay
from pbshell.trace.diagnosis import Doctor
from pbshell.trace.dissector import Dissector
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import LinkEvent, Piece
from tests.conformance.peers.processes import Peer

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"

#: One side of a conversation that a test plays itself.
Script: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


class Desk(Peer):
    """A Twisted reactor in its own process that serves or visits on request; see programs/desk.py."""

    def __init__(self) -> None:
        super().__init__()
        self.path = PROGRAMS / "desk.py"
        self._served: dict[str, int] = {}

    def serve(self, what: str) -> int:
        """The port on 127.0.0.1 of the service *what*; it is started if need be."""
        if what not in self._served:
            self._served[what] = self.ask("serve", what=what)
        return self._served[what]


class Record:
    """What a relay records; *ended* is set at each end of a connection."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._ended = asyncio.Semaphore(0)

    def tap(self, piece: Piece) -> None:
        self.pieces.append(piece)
        if isinstance(piece, LinkEvent) and piece.kind == "closed":
            self._ended.release()

    async def end(self) -> None:
        """Wait for the end of one more connection."""
        await self._ended.acquire()


@contextlib.asynccontextmanager
async def recorded(port: int) -> AsyncIterator[tuple[int, Record]]:
    """A relay to *port*: its own port, and what it records."""
    record = Record()
    async with relay("tcp:0:interface=127.0.0.1", f"tcp:127.0.0.1:{port}", tap=record.tap) as running:
        assert running.port is not None
        yield running.port, record


async def incident(server: Desk, client: Desk, what: str, who: str, times: int = 1) -> list[Piece]:
    """All that is recorded while *who* visits *what*, so many times, until the last connection has ended."""
    return await visited(client, who, server.serve(what), times)


async def visited(client: Desk, who: str, port: int, times: int = 1) -> list[Piece]:
    """The same with whatever listens on *port*."""
    async with recorded(port) as (near, record):
        for _ in range(times):
            await client.ask_meanwhile("visit", what=who, port=near)
            await record.end()
    return record.pieces


async def played(port: int, script: Script) -> list[Piece]:
    """All that is recorded while *script* is the client of the server on *port*, until the connection has ended."""
    async with recorded(port) as (near, record):
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        await _play(script, reader, writer)
        await record.end()
    return record.pieces


async def hosted(client: Desk, who: str, script: Script) -> list[Piece]:
    """All that is recorded while *who* visits a server that *script* plays."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _play(script, reader, writer)

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server:
        return await visited(client, who, server.sockets[0].getsockname()[1])


async def _play(script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await script(reader, writer)
        await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def diagnosed(pieces: Iterable[Piece], now: float | None = None) -> list[Verdict]:
    """What the doctor says while *pieces* come; with *now* (seconds) how it stands then, and nothing before."""
    dissector, doctor = Dissector(), Doctor()
    said = [
        verdict
        for piece in pieces
        for found in dissector.feed(piece)
        for verdict in doctor.see(found, dissector.connections[found.connection])
    ]
    if now is None:
        return said
    standing = doctor.verdicts(now, dissector.connections.values())
    assert standing == doctor.verdicts(now, dissector.connections.values())
    return standing


def steady(text: str) -> str:
    """*text* with what no two runs have in common taken away: how long something took, the number of a port."""
    return re.sub(r"(127\.0\.0\.1):\d+", r"\1", re.sub(r"(?:\d+ m )?\d+(?:\.\d)? m?s\b", "TIME", text))


def ends(verdicts: Iterable[Verdict]) -> list[str]:
    """The verdicts as severity and sentence, steady."""
    return [f"{verdict.severity}: {steady(verdict.text)}" for verdict in verdicts]


def _sentences() -> dict[str, list[str]]:
    """What is to be said, by the name of the incident: see sentences.txt."""
    found: dict[str, list[str]] = {}
    for line in (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = found[line[1:-1]] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


SENTENCES = _sentences()


def check(name: str, verdicts: Iterable[Verdict]) -> None:
    """Assert that *verdicts* say what sentences.txt has for the incident *name*, each in one sentence of one line."""
    assert ends(verdicts) == SENTENCES[name]
