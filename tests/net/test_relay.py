"""relay(): what one side says and how it ends is what the other side gets, and the tap is told of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from pbshell.errors import UsageError
from pbshell.net import pairs
from pbshell.net.backlog import Backlog
from pbshell.net.client import connect
from pbshell.net.endpoints import ConnectTCP, ListenTCP, ListenUnix
from pbshell.net.relay import Relay, relay
from pbshell.net.server import serve
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from tests.conformance.peers.processes import Peer
from tests.net.clock import Clock, turns, until
from tests.net.ends import Echo, Recorder, free_port, warnings_of

MEBIBYTE = 1024 * 1024
CLIENT, SERVER = Side.CLIENT, Side.SERVER


class Talker:
    """One end of a connection, as bytes, and how it ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        writer.transport.set_write_buffer_limits(high=0)

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def hear_all(self) -> int:
        """The bytes that come before a reset."""
        size = 0
        try:
            while data := await self.reader.read(65536):
                size += len(data)
        except ConnectionResetError:
            return size
        raise AssertionError("it ended in good order")

    async def end(self) -> str:
        """How it ends, and what is said before: ``fin b'...'`` or ``reset``."""
        try:
            return f"fin {await self.reader.read()!r}"
        except ConnectionResetError:
            return "reset"

    def say_no_more(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()

    def drop(self) -> None:
        """Leave nothing of it, whatever has become of it."""
        with contextlib.suppress(AttributeError):  # asyncio's, when it had been closed with something left to send
            self.writer.transport.abort()


class Place:
    """Where the relay leads to: a server whose connections a test plays itself."""

    def __init__(self) -> None:
        self.come: asyncio.Queue[Talker] = asyncio.Queue()
        self.all: list[Talker] = []
        self.to = ""

    def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.all.append(Talker(reader, writer))
        self.come.put_nowait(self.all[-1])


@asynccontextmanager
async def place(port: int = 0, **options: Any) -> AsyncIterator[Place]:
    """A target on loopback."""
    there = Place()
    server = await asyncio.start_server(there.met, "127.0.0.1", port, **options)
    there.to = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield there
    finally:
        server.close()
        for talker in there.all:
            talker.drop()


async def caller(running: Relay, **options: Any) -> Talker:
    """A client of the relay."""
    return Talker(*await asyncio.open_connection("127.0.0.1", running.port, **options))


async def meet(running: Relay, there: Place, **options: Any) -> tuple[Talker, Talker]:
    """A client of the relay, and the server's end, once they can speak."""
    client = await caller(running, **options)
    server = await there.come.get()
    await until(lambda: all(pair.server.transport for pair in running.connections))
    return client, server


async def how_it_ends(running: Relay) -> str:
    """What becomes of one more client, that says nothing."""
    client = await caller(running)
    try:
        return await client.end()
    finally:
        client.close()


class Line:
    """A client, the relay, the target, and what the tap was told."""

    def __init__(self, running: Relay, client: Talker, server: Talker, tap: Recorder) -> None:
        self.relay = running
        self.client = client
        self.server = server
        self.tap = tap

    def side(self, side: Side) -> Talker:
        return self.client if side is CLIENT else self.server

    async def over(self) -> None:
        await until(lambda: self.tap.events[-1].kind == "closed" and not self.relay.connections)

    @property
    def story(self) -> list[tuple[str, Side | None]]:
        return [(event.kind, event.by) for event in self.tap.events]


@asynccontextmanager
async def line(**settings: Any) -> AsyncIterator[Line]:
    """A client and a server that speak through a relay."""
    tap = Recorder()
    settings.setdefault("tap", tap)
    async with place() as there, relay("tcp:0", there.to, **settings) as running:
        client, server = await meet(running, there)
        try:
            yield Line(running, client, server, tap)
        finally:
            client.drop()
            server.drop()


both_sides = pytest.mark.parametrize("side", [CLIENT, SERVER], ids=["client", "server"])


# What is said


async def test_what_each_side_says_arrives_and_is_told() -> None:
    async with line() as it:
        it.server.say(b"hello")
        assert await it.client.hear(5) == b"hello"
        it.client.say(b"good day")
        assert await it.server.hear(8) == b"good day"
        it.client.close()
        assert await it.server.end() == "fin b''"
        it.server.close()
        await it.over()
        opened = it.tap.events[0]
        chunks = [(chunk.sender, chunk.data, chunk.connection) for chunk in it.tap.chunks]
        assert chunks == [(SERVER, b"hello", 1), (CLIENT, b"good day", 1)]
        assert it.story == [("opened", CLIENT), ("half_closed", CLIENT), ("half_closed", SERVER), ("closed", CLIENT)]
        assert opened.detail.startswith("127.0.0.1:")
        assert opened.detail.endswith(f" to {it.relay.target}".replace("tcp:", ""))
        assert it.tap.events[-1].detail == "fin: the client closed the connection"
        times = [item.at for item in it.tap.items]
        assert times == sorted(times)
        assert 0 <= asyncio.get_running_loop().time() - times[0] < 30


async def test_bytes_are_passed_on_before_they_are_looked_at() -> None:
    waiting: list[int] = []

    class Looking(Recorder):
        def __call__(self, item: Piece) -> None:
            super().__call__(item)
            if isinstance(item, Chunk):
                waiting.append(len(theirs.recv(100, socket.MSG_PEEK)))

    async with place() as there, relay("tcp:0", there.to, tap=Looking()) as running:
        client, server = await meet(running, there)
        theirs = server.writer.get_extra_info("socket").dup()
        client.say(b"at once")
        await until(lambda: waiting)
        theirs.close()
        assert waiting == [7]
        client.close()


async def test_the_connections_of_a_relay_are_counted_from_1() -> None:
    for _ in range(2):
        async with line() as it:
            another = await caller(it.relay)
            await until(lambda: len(it.tap.events) == 2)
            assert [event.connection for event in it.tap.events] == [1, 2]
            assert [pair.number for pair in it.relay.connections] == [1, 2]
            assert str(it.relay.connections[0]) == it.tap.events[0].detail
            assert it.relay.connections[0].addresses[1] == str(it.relay.target).removeprefix("tcp:")
            assert repr(it.relay.connections[0]) == f"<Pair 1 of {it.tap.events[0].detail}, open>"
            another.close()


async def test_without_a_tap_bytes_go_through_all_the_same() -> None:
    async with line(tap=None) as it:
        it.client.say(b"x" * MEBIBYTE)
        assert await it.server.hear(MEBIBYTE) == b"x" * MEBIBYTE


PUMP = """
import hashlib, random, socket, sys, threading
role, port = sys.argv[1], int(sys.argv[2])
if role == "server":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    sock, _ = listening.accept()
else:
    sock = socket.create_connection(("127.0.0.1", port))
source = random.Random(role)
said, heard = hashlib.sha256(), hashlib.sha256()
def say():
    left = int(sys.argv[3])
    while left:
        data = source.randbytes(min(left, source.randrange(1, 200_000)))
        left -= len(data)
        said.update(data)
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
saying = threading.Thread(target=say)
saying.start()
size = 0
while data := sock.recv(150_000):
    heard.update(data)
    size += len(data)
saying.join()
print(said.hexdigest(), heard.hexdigest(), size, flush=True)
"""


async def pump(role: str, port: int, size: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUMP, role, str(port), str(size), stdout=subprocess.PIPE
    )


async def test_64_mebibytes_both_ways_at_once_arrive_byte_for_byte() -> None:
    size = 64 * MEBIBYTE
    heard = {side: hashlib.sha256() for side in Side}
    sizes = dict.fromkeys(Side, 0)

    def tap(piece: Any) -> None:
        if isinstance(piece, Chunk):
            heard[piece.sender].update(piece.data)
            sizes[piece.sender] += len(piece.data)

    server = await pump("server", 0, size)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    async with relay("tcp:0", f"127.0.0.1:{port}", tap=tap) as running:
        client = await pump("client", running.port or 0, size)
        outputs = [(await each.communicate())[0].decode().split() for each in (client, server)]
    (client_said, client_heard, client_got), (server_said, server_heard, server_got) = outputs
    assert (client_heard, server_heard) == (server_said, client_said)
    assert int(client_got) == int(server_got) == size
    assert {side: digest.hexdigest() for side, digest in heard.items()} == {CLIENT: client_said, SERVER: server_said}
    assert sizes == {CLIENT: size, SERVER: size}


async def test_a_hundred_connections_at_once_are_kept_apart() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def converse(running: Relay, number: int) -> None:
        client = await caller(running)
        data = random.Random(number).randbytes(50_000 + number)
        client.say(data)
        client.say_no_more()
        assert await client.reader.read() == data
        client.close()

    tap = Recorder()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with relay("tcp:0", f"127.0.0.1:{server.sockets[0].getsockname()[1]}", tap=tap) as running:
        await asyncio.gather(*(converse(running, number) for number in range(100)))
        await until(lambda: not running.connections)
    server.close()
    for number in range(1, 101):
        items = [item for item in tap.items if item.connection == number]
        kinds = [item.kind for item in items if isinstance(item, LinkEvent)]
        assert kinds == ["opened", "half_closed", "half_closed", "closed"]
        said = [b"".join(item.data for item in items if isinstance(item, Chunk) and item.sender is s) for s in Side]
        assert said[0] == said[1] != b""


async def test_nothing_is_sent_late_and_the_system_looks_for_who_has_vanished() -> None:
    async with line(keepalive=45) as it:
        (pair,) = it.relay.connections
        for end in (pair.client, pair.server):
            assert end.transport is not None
            sock = end.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if sys.platform == "linux":
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 45
                # A program that is stopped in a debugger may leave bytes unread for as long as it likes.
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
    async with line(keepalive=None) as it:
        (pair,) = it.relay.connections
        assert pair.client.transport is not None
        assert not pair.client.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# Who does not read


async def fill(talker: Talker) -> int:
    """Say as much as goes, until nothing has gone for many turns. Returns bytes."""
    total = 0
    transport = talker.writer.transport
    stuck = 0
    while stuck < 50:
        if transport.get_write_buffer_size() == 0:
            talker.say(bytes(MEBIBYTE))
            total += MEBIBYTE
            stuck = 0
        await asyncio.sleep(0)
        stuck += 1
    return total


@both_sides
async def test_who_does_not_read_is_not_read_for_and_memory_stays_bounded(side: Side) -> None:
    async with line() as it:
        (pair,) = it.relay.connections
        slow, quick = it.side(side), it.side(side.other)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads, too
        total = await fill(quick)
        end = pair.client if side is CLIENT else pair.server
        assert end.waiting() <= pairs.HIGH_WATER + 64 * 1024
        # What was not read is not told either.
        assert len(it.tap.said(side.other)) < total
        slow.say(b"still speaking")
        assert await quick.hear(14) == b"still speaking"
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert await slow.hear(total) == bytes(total)
        assert len(it.tap.said(side.other)) == total
        assert "stalled" not in [event.kind for event in it.tap.events]


@both_sides
async def test_who_does_not_read_for_a_second_is_told_as_stalled_once(side: Side) -> None:
    clock = Clock()
    async with line() as it:
        slow, quick = it.side(side), it.side(side.other)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        total = await fill(quick)
        await clock.advance(0.9)
        assert len(it.tap.events) == 1
        for _ in range(3):
            await clock.advance(0.2)
        stalled = it.tap.events[-1]
        assert it.story == [("opened", CLIENT), ("stalled", side)]
        assert stalled.detail.endswith("bytes wait to be sent")
        assert stalled.at == pytest.approx(clock.now - 0.4)
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await slow.hear(total)
        assert it.story[2:] == [("resumed", side)]
        # A new pause begins anew.
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await fill(quick)
        await clock.advance(1.1)
        assert it.story[3:] == [("stalled", side)]


async def test_many_short_pauses_are_no_stall() -> None:
    clock = Clock()
    async with line() as it:
        (pair,) = it.relay.connections
        for _ in range(5):
            pair.server.pause_writing()
            await clock.advance(0.6)
            pair.server.resume_writing()
            await clock.advance(0.1)
        pair.server.pause_writing()
        await clock.advance(0.8)
        assert it.story == [("opened", CLIENT)]
        pair.server.resume_writing()
        await clock.advance(2)
        assert it.story == [("opened", CLIENT)]
        it.client.say(b"x")
        assert await it.server.hear(1) == b"x"


# How it ends


@both_sides
async def test_the_end_of_one_direction_is_passed_on_and_the_other_direction_lives(side: Side) -> None:
    async with line() as it:
        one, other = it.side(side), it.side(side.other)
        one.say(b"all I had")
        one.say_no_more()
        assert await other.end() == "fin b'all I had'"
        await turns()
        assert len(it.relay.connections) == 1
        other.say(b"an answer" * 100_000)
        assert await one.hear(900_000) == b"an answer" * 100_000
        other.close()
        assert await one.end() == "fin b''"
        await it.over()
        assert it.story[1:] == [("half_closed", side), ("half_closed", side.other), ("closed", side)]
        assert it.tap.events[-1].detail == f"fin: the {side.value} closed the connection"


@both_sides
async def test_what_is_on_its_way_arrives_before_the_end(side: Side) -> None:
    async with line() as it:
        one, other = it.side(side), it.side(side.other)
        other.writer.transport.pause_reading()  # type: ignore[attr-defined]
        total = await fill(one)
        one.say(b"the end")
        one.close()
        await turns()
        other.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert await other.hear(total) == bytes(total)
        assert await other.end() == "fin b'the end'"
        other.close()
        await it.over()


async def test_an_end_that_was_told_is_not_told_again_after_a_pause() -> None:
    async with line() as it:
        it.client.say_no_more()
        assert await it.server.end() == "fin b''"
        it.client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        total = await fill(it.server)
        it.client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await it.client.hear(total)
        await turns()
        assert it.story == [("opened", CLIENT), ("half_closed", CLIENT)]


@both_sides
async def test_a_reset_is_passed_on_as_a_reset(side: Side) -> None:
    async with line() as it:
        it.client.say(b"x")
        await it.server.hear(1)
        it.side(side).reset()
        assert await it.side(side.other).end() == "reset"
        await it.over()
        assert it.story[1:] == [("closed", side)]
        assert it.tap.events[-1].detail == f"reset: {os.strerror(104)}"


@both_sides
async def test_a_reset_behind_the_end_of_one_direction_is_a_reset(side: Side) -> None:
    async with line() as it:
        it.side(side.other).say_no_more()
        assert await it.side(side).end() == "fin b''"
        it.side(side).reset()
        assert await it.side(side.other).end() == "reset"
        await it.over()
        assert it.story[1:] == [("half_closed", side.other), ("closed", side)]


@both_sides
async def test_what_came_before_a_reset_arrives_also_when_it_shows_in_writing(side: Side) -> None:
    """When a write fails, asyncio does not read what is left."""
    async with line() as it:
        one, other = it.side(side), it.side(side.other)
        await turns()
        # All before the relay's next turn: it is about to write to one who is gone, and has left a word.
        with other.writer.get_extra_info("socket").dup() as sock:
            sock.send(b"are you there?")
        with one.writer.get_extra_info("socket").dup() as sock:
            sock.send(b"good-bye")
        one.reset()
        assert await other.reader.readexactly(8) == b"good-bye"
        assert await other.end() == "reset"
        await it.over()
        assert it.tap.said(side) == b"good-bye"
        assert it.story[-1] == ("closed", side)


async def test_a_side_that_vanishes_is_a_timeout() -> None:
    async with line() as it:
        (pair,) = it.relay.connections
        assert pair.server.transport is not None
        pair.server.transport._force_close(TimeoutError(110, "Connection timed out"))  # type: ignore[attr-defined]
        assert await it.client.end() == "reset"
        await it.over()
        assert it.story[1:] == [("closed", SERVER)]
        assert it.tap.events[-1].detail == "timeout: Connection timed out"


@both_sides
async def test_a_side_that_never_takes_what_came_before_a_reset_is_cut_off(side: Side) -> None:
    clock = Clock()
    async with line(close_timeout=5) as it:
        one, other = it.side(side), it.side(side.other)
        (pair,) = it.relay.connections
        other.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await fill(one)
        end = pair.client if side is CLIENT else pair.server
        assert end.transport is not None
        end.transport._force_close(ConnectionResetError(104, "Connection reset by peer"))  # type: ignore[attr-defined]
        await clock.advance(4)
        assert len(it.relay.connections) == 1
        while it.relay.connections:  # the system may still have taken something on the other's account
            await clock.advance(2)
        assert it.story[-1] == ("closed", side)


@both_sides
async def test_what_was_passed_on_before_a_reset_arrives_before_it(side: Side) -> None:
    async with line() as it:
        one, other = it.side(side), it.side(side.other)
        (pair,) = it.relay.connections
        other.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await fill(one)
        end = pair.client if side is CLIENT else pair.server
        assert end.transport is not None
        end.transport._force_close(ConnectionResetError(104, "Connection reset by peer"))  # type: ignore[attr-defined]
        await turns()
        assert end.other.waiting()
        # Not all of it: what the system holds is lost in a reset, as it is without us.
        other.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert await other.hear_all() > 0
        await it.over()
        assert it.story[-1] == ("closed", side)


@both_sides
async def test_who_closes_while_the_other_breaks_has_met_a_reset(side: Side) -> None:
    async with line() as it:
        one, other = it.side(side), it.side(side.other)
        await turns()
        with one.writer.get_extra_info("socket").dup() as sock:
            sock.shutdown(socket.SHUT_WR)
        other.reset()
        assert await one.end() == "reset"
        await it.over()
        assert it.story[1:] == [("half_closed", side), ("closed", side.other)]


@both_sides
async def test_who_is_stopped_in_a_debugger_finds_all_when_it_goes_on(side: Side) -> None:
    clock = Clock()
    async with line(close_timeout=5) as it:
        one, other = it.side(side), it.side(side.other)
        (pair,) = it.relay.connections
        other.writer.transport.pause_reading()  # type: ignore[attr-defined]
        other.say_no_more()
        await fill(one)
        end = pair.client if side is CLIENT else pair.server
        end.eof_received()  # as if it had been read just now
        for _ in range(100):
            await clock.advance(6)
        assert end.transport is None
        assert end.other.waiting()
        other.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await other.reader.read()) == len(it.tap.said(side))
        await it.over()


async def test_while_somebody_takes_what_is_left_we_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    waiting = [300, 200, 100, 100]
    async with line(close_timeout=5) as it:
        (pair,) = it.relay.connections
        monkeypatch.setattr(pairs.Pair, "_waiting", lambda _: waiting[0])
        pair.close()
        for _ in range(2):
            del waiting[0]
            await clock.advance(5.1)
            assert not pair.closed
        await clock.advance(5.1)
        assert pair.closed


# Where it leads


async def test_a_target_that_is_down_is_told_in_one_line_and_tried_afresh() -> None:
    lines: list[str] = []
    tap = Recorder()
    port = free_port()
    async with relay("tcp:0", f"127.0.0.1:{port}", tap=tap, tell=lines.append) as running:
        for number in (1, 2):
            client = await caller(running)
            assert await client.end() == "fin b''"
            client.close()
            await until(lambda: not running.connections)
            address = tap.events[-2].detail
            assert lines[number - 1] == f"connection {number} from {address}: the target refused the connection"
        assert [(event.kind, event.by, event.detail) for event in tap.events if event.kind != "opened"] == [
            ("closed", None, "us: the target refused the connection")
        ] * 2
        assert [event.kind for event in tap.events] == ["opened", "closed"] * 2
        async with place(port) as there:
            client, server = await meet(running, there)
            client.say(b"at last")
            assert await server.hear(7) == b"at last"
            client.close()
    assert len(lines) == 2


async def test_without_somebody_to_tell_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with relay("tcp:0", f"127.0.0.1:{free_port()}") as running:
        assert await how_it_ends(running) == "fin b''"
    assert len(warnings_of(caplog)) == 1
    assert warnings_of(caplog)[0].endswith(": the target refused the connection")


class Slow:
    """Connections to the target come about when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = asyncio.Event()
        self.tried = 0
        self.cancelled = 0
        self.error: Exception | None = None
        dial = pairs.Hub.connect

        async def connect(hub: pairs.Hub, end: Any) -> None:
            self.tried += 1
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            if self.error is not None:
                raise self.error
            await dial(hub, end)

        monkeypatch.setattr(pairs.Hub, "connect", connect)


async def test_what_the_client_says_while_we_connect_waits_and_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    tap = Recorder()
    async with place() as there, relay("tcp:0", there.to, tap=tap) as running:
        client = await caller(running)
        total = await fill(client)
        client.say_no_more()
        await turns()
        # At most one read of it is in memory.
        assert 0 < len(tap.said(CLIENT)) <= 64 * 1024
        slow.gate.set()
        server = await there.come.get()
        assert await server.hear(total) == bytes(total)
        assert await server.end() == "fin b''"
        server.say(b"got it")
        assert await client.hear(6) == b"got it"
        assert tap.said(CLIENT) == bytes(total)
        server.close()
        client.close()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_hangs_up_while_we_connect_ends_the_attempt(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    slow = Slow(monkeypatch)
    tap = Recorder()
    lines: list[str] = []
    async with relay("tcp:0", "127.0.0.1:1", tap=tap, tell=lines.append) as running:
        client = await caller(running)
        await until(lambda: slow.tried)
        getattr(client, how)()
        await until(lambda: not running.connections)
        assert slow.cancelled == 1
        assert lines == []
        assert (tap.events[-1].kind, tap.events[-1].by) == ("closed", CLIENT)
        assert tap.events[-1].detail.startswith("fin: the client" if how == "close" else "reset: ")


async def test_a_client_that_is_gone_before_the_attempt_begins() -> None:
    tap = Recorder()
    async with place() as there, relay("tcp:0", there.to, tap=tap) as running:
        for _ in range(20):
            sock = socket.create_connection(("127.0.0.1", running.port or 0))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            await asyncio.sleep(0)
        await until(lambda: not running.connections)
        kinds = [event.kind for event in tap.events]
        assert kinds.count("opened") == kinds.count("closed")


@pytest.mark.parametrize("spoken", [b"", b"x", b"x" * 300_000], ids=["silent", "a word", "a lot"])
@pytest.mark.parametrize("how", ["close", "reset", "say_no_more"])
@pytest.mark.parametrize("after", range(6))
async def test_a_client_may_hang_up_at_every_stage(how: str, after: int, spoken: bytes) -> None:
    tap = Recorder()
    async with place() as there, relay("tcp:0", there.to, tap=tap) as running:
        client = await caller(running)
        if spoken:
            client.say(spoken)
        await turns(after)
        getattr(client, how)()
        await until(lambda: "closed" in [event.kind for event in tap.events] or there.all)
        if there.all:
            server = there.all[0]
            await server.end()
            server.close()
        await until(lambda: not running.connections)
        client.close()
        kinds = [event.kind for event in tap.events]
        assert (kinds[0], kinds[-1], kinds.count("closed")) == ("opened", "closed", 1)


async def test_a_target_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    Slow(monkeypatch)
    clock = Clock()
    tap = Recorder()
    lines: list[str] = []
    async with relay("tcp:0", "192.0.2.1:8787", open_timeout=10, tap=tap, tell=lines.append) as running:
        client = await caller(running)
        await until(lambda: tap.events)
        await clock.advance(11)
        assert await client.end() == "fin b''"
        client.close()
        await until(lambda: not running.connections)
        assert tap.events[-1].detail == "us: no connection to the target within 10 seconds"
        assert len(lines) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "whatever", "/nowhere"), "No such file or directory"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "a certificate\nof nobody"), r"a certificate\nof nobody"),
        (ValueError("a host that is no name"), "a host that is no name"),
        (TimeoutError(), "TimeoutError"),
    ],
)
async def test_whatever_keeps_us_from_the_target_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    slow = Slow(monkeypatch)
    slow.error = error
    slow.gate.set()
    lines: list[str] = []
    async with relay("tcp:0", "127.0.0.1:1", tell=lines.append) as running:
        assert await how_it_ends(running) == "fin b''"
    assert len(lines) == 1
    assert "no connection to the target: " in lines[0]
    assert words in lines[0]
    assert "\n" not in lines[0]


async def test_a_target_that_comes_too_late_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that answers in the very turn in which the client hangs up."""
    async with place() as there, relay("tcp:0", there.to) as running:
        client = await caller(running)
        await until(lambda: running.connections)
        (pair,) = running.connections
        pair.close()
        late = socket.create_connection(("127.0.0.1", int(there.to.rpartition(":")[2])))
        await asyncio.get_running_loop().create_connection(lambda: pair.server, sock=late)
        client.close()
        await until(lambda: not running.connections)
        assert pair.server.transport is None


# Whom it lets in, and how it ends


async def test_more_than_max_connections_are_refused_with_one_line() -> None:
    lines: list[str] = []
    tap = Recorder()
    async with place() as there, relay("tcp:0", there.to, max_connections=1, tap=tap, tell=lines.append) as running:
        first, server = await meet(running, there)
        assert await how_it_ends(running) == "fin b''"
        assert len(lines) == 1
        assert lines[0].endswith(": 1 connections are open, and max_connections=1 grants no more")
        await until(lambda: len(running.connections) == 1)
        assert tap.events[-1].connection == 2
        assert tap.events[-1].detail == "us: 1 connections are open, and max_connections=1 grants no more"
        first.close()
        server.close()
        await until(lambda: not running.connections)
        for each in await meet(running, there):
            each.close()


async def test_to_close_is_to_end_all_in_good_order() -> None:
    tap = Recorder()
    async with place() as there:
        running = await relay("tcp:0", there.to, tap=tap)
        client, server = await meet(running, there)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        total = await fill(server)
        told = len(tap.said(SERVER))
        running.close()
        await turns()
        assert "closing" in repr(running.connections[0])
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await client.reader.read()) == told <= total
        client.close()
        server.close()
        await running.wait_closed()
        assert running.connections == ()
        assert (tap.events[-1].kind, tap.events[-1].by, tap.events[-1].detail) == (
            "closed",
            None,
            "us: the relay was closed",
        )
        with pytest.raises(ConnectionRefusedError):
            await caller(running)


async def test_who_does_not_end_when_the_relay_does_is_cut_off() -> None:
    clock = Clock()
    async with place() as there:
        running = await relay("tcp:0", there.to, close_timeout=5)
        client, server = await meet(running, there)
        (pair,) = running.connections
        running.close()
        await turns()
        assert len(running.connections) == 1
        await clock.advance(6)
        await running.wait_closed()
        assert pair.closed
        assert "closed" in repr(pair)
        await pair.wait_closed()
        assert [await client.end(), await server.end()] == ["fin b''", "fin b''"]
        client.close()


async def test_a_relay_that_is_closed_while_it_connects_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    running = await relay("tcp:0", "127.0.0.1:1")
    client = await caller(running)
    await until(lambda: slow.tried)
    running.close()
    await running.wait_closed()
    assert slow.cancelled == 1
    assert await client.end() == "fin b''"
    client.close()


async def test_a_pair_can_be_broken_off() -> None:
    async with line() as it:
        (pair,) = it.relay.connections
        pair.abort()
        assert [await it.client.end(), await it.server.end()] == ["reset", "reset"]
        await it.over()
        assert it.tap.events[-1].detail == "us: the relay broke it off"
        pair.abort()
        pair.close()
        assert len(it.tap.events) == 2


async def test_who_comes_when_the_relay_closes_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    async with place() as there, relay("tcp:0", there.to, tell=lines.append) as running:
        hub = running._hub
        hub.closing = True
        assert await how_it_ends(running) == "fin b''"
        assert lines[0].endswith(": the relay is closing")


async def test_serving_for_ever_ends_when_it_is_cancelled() -> None:
    running = await relay("tcp:0", f"127.0.0.1:{free_port()}")
    serving = asyncio.ensure_future(running.serve_forever())
    await turns()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(ConnectionRefusedError):
        await caller(running)


# Who watches


async def test_a_tap_that_raises_is_told_once_and_removed_and_the_relay_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[str] = []
    calls: list[Any] = []

    def tap(piece: Any) -> None:
        calls.append(piece)
        if isinstance(piece, Chunk):
            raise ValueError("no room\nleft")

    async with line(tap=tap, tell=lines.append) as it:
        for word in (b"one", b"two"):
            it.client.say(word)
            assert await it.server.hear(3) == word
        assert len(calls) == 2
        assert lines == [r"watching has ended: ValueError: no room\nleft; the relay goes on"]
        assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_a_tap_that_raises_at_the_very_first_is_removed_too() -> None:
    lines: list[str] = []

    def tap(piece: Any) -> None:
        raise ValueError("not today")

    async with line(tap=tap, tell=lines.append) as it:
        it.client.say(b"x")
        assert await it.server.hear(1) == b"x"
        assert lines == ["watching has ended: ValueError: not today; the relay goes on"]


async def test_a_backlog_is_a_tap() -> None:
    got: list[Any] = []
    backlog = Backlog(got.extend)
    async with line(tap=backlog) as it:
        it.client.say(b"x")
        assert await it.server.hear(1) == b"x"
        backlog.flush()
        opened, chunk = got
        assert (opened.kind, chunk) == ("opened", Chunk(chunk.at, 1, CLIENT, b"x"))


async def test_a_tap_set_later_is_told_what_it_has_missed() -> None:
    tap = Recorder()
    async with line(tap=None) as it:
        it.client.say(b"before")
        await it.server.hear(6)
        it.relay.set_tap(tap)
        it.client.say(b"after")
        await it.server.hear(5)
        it.relay.set_tap(None)
        it.client.say(b"beyond")
        await it.server.hear(6)
        assert [(event.kind, event.by) for event in tap.events] == [("gap", CLIENT), ("gap", SERVER)]
        assert tap.said(CLIENT) == b"after"


# What is refused before anything is done


@pytest.mark.parametrize(
    ("listen", "to"),
    [("tcp:x", "127.0.0.1:1"), ("tcp:0", "127.0.0.1"), ("127.0.0.1:0", "127.0.0.1:1"), ("tcp:0", "unix:")],
)
def test_what_is_no_place_is_refused(listen: str, to: str) -> None:
    with pytest.raises(UsageError):
        relay(listen, to)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="max_connections=0"):
        relay("tcp:0", "127.0.0.1:1", max_connections=0)
    with pytest.raises(UsageError, match="open_timeout=-1"):
        relay("tcp:0", "127.0.0.1:1", open_timeout=-1)
    with pytest.raises(UsageError, match="says TLS and tls=False says none"):
        relay("tcp:0", "tls:localhost:1", to_tls=False)


@pytest.mark.parametrize(
    ("listen", "to"),
    [
        ("tcp:{}", "127.0.0.1:{}"),
        ("tcp:{}", "localhost:{}"),
        ("tcp:{}", "0.0.0.0:{}"),
        ("tcp:{}", "[::ffff:127.0.0.1]:{}"),
        ("tcp:{}:interface=0.0.0.0", "127.0.0.5:{}"),
        ("ssl:{}:privateKey=k:certKey=c", "tcp:127.0.0.1:{}"),
        ("tcp:{}", "tls:127.0.0.1:{}"),
    ],
)
async def test_a_relay_to_itself_is_refused_with_one_sentence(listen: str, to: str) -> None:
    port = free_port()
    with pytest.raises(UsageError, match="would connect to itself: give another place to listen at"):
        await relay(listen.format(port), to.format(port))


async def test_a_relay_to_its_own_unix_socket_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="would connect to itself"):
        await relay(f"unix:{tmp_path}/s", f"unix:{tmp_path}/link/s")


async def test_a_port_that_was_chosen_and_is_the_targets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr("pbshell.net.server.replace", lambda place, **_: ListenTCP(port))
    with pytest.raises(UsageError, match="would connect to itself"):
        await relay("tcp:0", f"127.0.0.1:{port}")


@pytest.mark.parametrize("to", ["127.0.0.2:{}", "192.0.2.1:{}", "[2001:db8::1]:{}", "{host}.invalid:{}"])
async def test_the_same_port_of_another_place_is_not_the_relay_itself(to: str) -> None:
    port = free_port()
    async with relay(f"tcp:{port}", to.format(port, host="a" * 70)) as running:
        assert running.endpoints == (ListenTCP(port),)
        assert running.port == port


async def test_all_addresses_of_this_machine_are_not_those_of_others() -> None:
    port = free_port()
    async with relay(f"tcp:{port}:interface=0.0.0.0", f"192.0.2.1:{port}") as running:
        assert running.target == ConnectTCP("192.0.2.1", port)


# Unix sockets


async def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    tap = Recorder()
    echo = Echo()
    async with (
        serve(echo, f"unix:{tmp_path}/there"),
        relay(f"unix:{tmp_path}/here", f"unix:{tmp_path}/there", tap=tap) as running,
    ):
        assert running.port is None
        assert running.endpoints == (ListenUnix(f"{tmp_path}/here"),)
        async with connect(f"unix:{tmp_path}/here") as connection:
            assert await (await connection.getRootObject()).callRemote("echo", "x" * 300_000) == "x" * 300_000
        await until(lambda: not running.connections)
    assert tap.events[0].detail == f"unix:{tmp_path}/here to unix:{tmp_path}/there"
    assert tap.events[-1].detail == "fin: the client closed the connection"
    assert not (tmp_path / "here").exists()


async def test_a_unix_socket_to_listen_at_and_a_port_to_connect_to(tmp_path: Path) -> None:
    lines: list[str] = []
    async with (
        serve(Echo(), "tcp:0") as server,
        relay(f"unix:{tmp_path}/s", f"127.0.0.1:{server.port}"),
        connect(f"unix:{tmp_path}/s") as connection,
    ):
        assert await (await connection.getRootObject()).callRemote("echo", 1) == 1
    async with relay("tcp:0", f"unix:{tmp_path}/gone", tell=lines.append) as running:
        assert await how_it_ends(running) == "fin b''"
    assert lines[0].endswith(f"to unix:{tmp_path}/gone: no connection to the target: No such file or directory")


# TLS


class Papers:
    """The files of an authority and of a server it has signed, and contexts that use them."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        self.folder = folder
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        issued.private_key_pem.write_to_path(folder / "key")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(folder / "crt", append=True)
        self.listen = f"ssl:0:privateKey={folder}/key:certKey={folder}/crt"
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued.configure_cert(self.server)
        self.client = ssl.create_default_context(cafile=self.ca)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@asynccontextmanager
async def tls_line(papers: Papers, where: str, **settings: Any) -> AsyncIterator[Line]:
    """A line with TLS towards the client, the server, or both."""
    tap = Recorder()
    inwards, outwards = where in ("client", "both"), where in ("server", "both")
    listen = papers.listen if inwards else "tcp:0"
    async with place(ssl=papers.server if outwards else None) as there:
        port = there.to.rpartition(":")[2]
        to = f"tls:localhost:{port}:ca={papers.ca}" if outwards else there.to
        options = {"ssl": papers.client, "server_hostname": "localhost"} if inwards else {}
        async with relay(listen, to, tap=tap, **settings) as running:
            client, server = await meet(running, there, **options)
            try:
                yield Line(running, client, server, tap)
            finally:
                client.drop()
                server.drop()


where_tls = pytest.mark.parametrize("where", ["client", "server", "both"])


@where_tls
async def test_tls_is_taken_off_and_put_on(papers: Papers, where: str) -> None:
    async with tls_line(papers, where) as it:
        data = random.Random(where).randbytes(3 * MEBIBYTE)
        for one, other in ((it.client, it.server), (it.server, it.client)):
            one.say(data)
            assert await other.hear(len(data)) == data
        assert it.tap.said(CLIENT) == it.tap.said(SERVER) == data
        assert it.tap.events[0].detail.endswith(", tls")


@where_tls
@both_sides
async def test_the_end_is_passed_on_through_tls(papers: Papers, where: str, side: Side) -> None:
    async with tls_line(papers, where) as it:
        one, other = it.side(side), it.side(side.other)
        one.say(b"the end")
        one.close()
        assert await other.end() == "fin b'the end'"
        other.close()
        await it.over()
        assert it.story[-1] == ("closed", side)
        assert it.tap.events[-1].detail.startswith("fin: ")
        assert ("half_closed", side) in it.story


@where_tls
@both_sides
async def test_what_is_on_its_way_arrives_before_the_end_of_tls(papers: Papers, where: str, side: Side) -> None:
    async with tls_line(papers, where) as it:
        one, other = it.side(side), it.side(side.other)
        other.writer.transport.pause_reading()  # type: ignore[attr-defined]
        data = random.Random(where).randbytes(8 * MEBIBYTE)
        one.say(data)
        await turns(200)
        other.writer.transport.resume_reading()  # type: ignore[attr-defined]
        reading = asyncio.ensure_future(other.reader.read())
        await one.writer.drain()  # as a TLS connection of asyncio's own is not closed well before
        one.close()
        assert await reading == data
        other.close()
        await it.over()


@where_tls
@both_sides
async def test_a_reset_is_passed_on_through_tls(papers: Papers, where: str, side: Side) -> None:
    async with tls_line(papers, where) as it:
        it.client.say(b"x")
        await it.server.hear(1)
        it.side(side).reset()
        end = await it.side(side.other).end()
        assert end == "reset"
        await it.over()
        assert it.story[-1] == ("closed", side)
        assert it.tap.events[-1].detail.startswith("reset: ")


async def test_who_ends_tls_without_a_word_has_ended(papers: Papers) -> None:
    async with tls_line(papers, "client") as it:
        it.client.writer.transport.abort()
        assert await it.server.end() == "fin b''"
        it.server.close()
        await it.over()
        assert it.story[1:] == [("half_closed", CLIENT), ("half_closed", SERVER), ("closed", CLIENT)]


async def test_who_has_no_tls_is_not_kept_waiting_for_who_has(papers: Papers) -> None:
    """The server does not end, although it was told to; after a while nobody waits for it."""
    clock = Clock()
    async with tls_line(papers, "client", close_timeout=5) as it:
        it.client.close()
        assert await it.server.end() == "fin b''"
        it.server.say(b"nobody is left to hear this")
        await until(lambda: it.tap.said(SERVER))
        assert len(it.relay.connections) == 1
        await clock.advance(6)
        await it.over()
        assert it.tap.events[-1].detail == "fin: the client closed the connection"


async def test_a_certificate_of_nobody_known_is_told_and_the_client_let_go(papers: Papers) -> None:
    lines: list[str] = []
    async with place(ssl=papers.server) as there:
        port = there.to.rpartition(":")[2]
        async with relay("tcp:0", f"tls:localhost:{port}", tell=lines.append) as running:
            assert await how_it_ends(running) == "fin b''"
    assert len(lines) == 1
    assert "certificate" in lines[0].lower()


async def test_contexts_of_ones_own(papers: Papers) -> None:
    async with place(ssl=papers.server) as there:
        name = "localhost"
        async with relay("tcp:0", there.to, tls=papers.server, to_tls=papers.client, to_tls_name=name) as running:
            client = await caller(running, ssl=papers.client, server_hostname=name)
            client.say(b"x")
            assert await (await there.come.get()).hear(1) == b"x"
            client.close()


async def test_a_file_that_is_not_there_is_told_at_the_start(papers: Papers) -> None:
    with pytest.raises(FileNotFoundError, match=r"/nowhere\.pem"):
        await relay("tcp:0", "tls:localhost:1:ca=/nowhere.pem")
    with pytest.raises(FileNotFoundError, match=r"/nowhere\.key"):
        await relay(f"ssl:0:privateKey=/nowhere.key:certKey={papers.folder}/crt", "localhost:1")


# Twisted on both sides


@pytest.fixture(scope="module")
def twisted() -> Iterator[tuple[Peer, Peer]]:
    """Two Twisted processes: one is the client, one the server."""
    with Peer() as client, Peer() as server:
        yield client, server


@pytest.mark.parametrize("dialect", ["pb", "none"])
@pytest.mark.parametrize("what", ["values", "calls", "references", "copies", "caches", "pages", "large", "flight"])
async def test_twisteds_client_and_server_cannot_tell_that_they_speak_through_two_relays(
    twisted: tuple[Peer, Peer], what: str, dialect: str
) -> None:
    client, server = twisted
    port = server.port("lab", dialect)
    straight = await client.ask_meanwhile("visit", what=what, port=port, dialect=dialect)
    near, far = Recorder(), Recorder()
    async with (
        relay("tcp:0", f"127.0.0.1:{port}", tap=far) as second,
        relay("tcp:0", f"127.0.0.1:{second.port}", tap=near) as first,
    ):
        steps = await client.ask_meanwhile("visit", what=what, port=first.port, dialect=dialect)
        await until(lambda: not first.connections and not second.connections)
    assert steps == straight
    for side in Side:
        assert near.said(side) == far.said(side) != b""
    assert near.events[-1].detail == far.events[-1].detail == "fin: the client closed the connection"
