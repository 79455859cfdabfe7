"""The two ends of a link, for tests: objects to serve, and a peer that is nothing but bytes.

Knows how to be what a test needs; judges nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pbshell.broker.flavors import Referenceable, Root
from pbshell.broker.references import RemoteReference
from pbshell.net.connection import Connection, Settings
from pbshell.net.factories import PBClientFactory, PBServerFactory
from pbshell.wire.banana import NONE, PB, Decoder, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from pbshell.wire.limits import Limits

#: What a server says first, and what a client answers.
OFFER = encode([b"pb", b"none"])
CHOICE = encode(b"pb", NONE) + encode([b"version", 6], PB)
VERSION = encode([b"version", 6], PB)


class Echo(Root):
    """A root that gives back what it gets, and lends, keeps and holds up things."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.kept: list[Any] = []
        self.gate = asyncio.Event()

    def remote_echo(self, value: Any) -> Any:
        self.got.append(value)
        return value

    def remote_lend(self) -> Referenceable:
        return Referenceable()

    def remote_keep(self, thing: Any) -> None:
        self.kept.append(thing)

    def remote_big(self, size: int) -> bytes:
        return bytes(size)

    def remote_fail(self) -> None:
        raise ValueError("as asked")

    async def remote_wait(self) -> str:
        await self.gate.wait()
        return "waited"

    def remote_call_back(self, thing: RemoteReference, *args: Any) -> Any:
        return thing.callRemote("echo", *args)


class Callee(Referenceable):
    """Something a client lends."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def remote_echo(self, value: Any) -> Any:
        self.got.append(value)
        return value


class Peer:
    """The other end of a connection, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._decoder = Decoder(NONE)

    def send(self, *expressions: Any, dialect: Any = PB) -> None:
        """Send *expressions*, or bytes as they are, in one segment."""
        self.writer.write(b"".join(each if isinstance(each, bytes) else encode(each, dialect) for each in expressions))

    def call(self, request: int, method: bytes, *args: Any, target: Any = b"root", answer: int = 1) -> bytes:
        """The bytes of a call."""
        return encode([b"message", request, target, method, answer, [b"tuple", *args], [b"dictionary"]], PB)

    async def read(self) -> Any:
        """The next expression that comes; the dialect changes behind the first."""
        while True:
            for expression in self._decoder:
                self._decoder.dialect = PB
                return expression
            data = await self.reader.read(65536)
            if not data:
                raise EOFError
            self._decoder.feed(data)

    async def shake_hands(self) -> None:
        """Be the client of a handshake."""
        assert await self.read() == [b"pb", b"none"]
        self.send(CHOICE)
        assert await self.read() == [b"version", 6]

    async def end(self) -> None:
        """Read to the end of what comes."""
        while await self.reader.read(65536):
            pass


@asynccontextmanager
async def link(
    root: Any = None, *, side: Side = Side.SERVER, small: bool = False, **settings: Any
) -> AsyncIterator[tuple[Connection, Peer]]:
    """A Connection of ours on one end of a socket pair, and a Peer on the other.

    *root* may be a Portal. *settings* are those of the Connection; *small* makes the system's own buffers small.
    """
    factory: PBServerFactory | PBClientFactory
    factory = PBServerFactory(root or Echo()) if side is Side.SERVER else PBClientFactory()
    factory.settings = replace(factory.settings, **settings)
    loop = asyncio.get_running_loop()
    mine, theirs = socket.socketpair()
    if small:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader, writer = await asyncio.open_connection(sock=theirs)
    _, connection = await loop.create_connection(factory, sock=mine)
    try:
        yield connection, Peer(reader, writer)
    finally:
        connection.abort()
        await connection.wait_closed()
        writer.close()


@asynccontextmanager
async def listening(behave: Any) -> AsyncIterator[int]:
    """A server on loopback that does with each client what *behave(peer)* does, and closes; gives its port."""
    running: set[asyncio.Task[Any]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await behave(Peer(reader, writer))
        except asyncio.CancelledError:
            pass  # the test is over; asyncio 3.11 would report it
        finally:
            writer.close()
            running.discard(task)

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Recorder:
    """A tap that keeps what it gets."""

    def __init__(self) -> None:
        self.items: list[Piece] = []

    def __call__(self, item: Piece) -> None:
        self.items.append(item)

    @property
    def chunks(self) -> list[Chunk]:
        return [item for item in self.items if isinstance(item, Chunk)]

    @property
    def events(self) -> list[LinkEvent]:
        return [item for item in self.items if isinstance(item, LinkEvent)]

    def said(self, side: Side) -> bytes:
        """All that *side* sent."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.sender is side)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What we have logged for people to see."""
    records = [record for record in caplog.records if record.name.startswith("pbshell")]
    return [record.getMessage() for record in records if record.levelno >= logging.WARNING]


#: So small that a test fills it quickly.
TIGHT = Limits(send_buffer=64 * 1024)

__all__ = [
    "CHOICE",
    "OFFER",
    "TIGHT",
    "VERSION",
    "Callee",
    "Connection",
    "Echo",
    "Peer",
    "Recorder",
    "Settings",
    "free_port",
    "link",
    "listening",
    "warnings_of",
]
