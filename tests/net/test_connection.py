"""Connection: asyncio's Link. Bytes to the Broker and back, when and how much, and how it all ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pbshell.broker.broker import current_connection
from pbshell.broker.flavors import Referenceable, Root
from pbshell.cred import AllowAnonymousAccess, Anonymous, Portal, realm
from pbshell.errors import (
    BananaError,
    ConnectionGone,
    DeadReferenceError,
    DialectError,
    LimitExceeded,
    PBConnectionLost,
    UsageError,
)
from pbshell.net.client import connect
from pbshell.net.connection import READ_SIZE, Connection
from pbshell.net.server import serve
from pbshell.trace import Dissector, Undecodable, Unseen
from pbshell.trace.notes import Odd
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, Piece, Seed, Side
from pbshell.wire.limits import Limits
from tests.net.clock import Clock, turns, until
from tests.net.ends import CHOICE, OFFER, TIGHT, VERSION, Callee, Echo, Peer, Recorder, link, listening, warnings_of

PING = [b"message", 1, b"root", b"echo", 1, [b"tuple", b"x"], [b"dictionary"]]


# Bytes in, bytes out


async def test_the_server_speaks_first() -> None:
    async with link() as (connection, peer):
        assert await peer.reader.readexactly(len(OFFER)) == OFFER
        assert not connection.ready


async def test_what_one_batch_causes_is_written_at_once() -> None:
    tap = Recorder()
    async with link(tap=tap) as (_, peer):
        assert await peer.read() == [b"pb", b"none"]
        peer.send(CHOICE, peer.call(1, b"echo", 7), peer.call(2, b"echo", 8))
        assert [await peer.read() for _ in range(3)] == [[b"version", 6], [b"answer", 1, 7], [b"answer", 2, 8]]
    assert [chunk.sender for chunk in tap.chunks] == [Side.SERVER, Side.CLIENT, Side.SERVER]


async def test_bytes_may_come_one_by_one() -> None:
    async with link() as (_, peer):
        assert await peer.read() == [b"pb", b"none"]
        for byte in CHOICE + peer.call(1, b"echo", 7):
            peer.send(bytes([byte]))
            await turns(4)
        assert [await peer.read() for _ in range(2)] == [[b"version", 6], [b"answer", 1, 7]]


async def test_calls_made_in_one_turn_are_written_at_once() -> None:
    tap = Recorder()
    async with link(side=Side.CLIENT) as (connection, peer):
        peer.send(OFFER, dialect=None)
        root = await connection.getRootObject()
        connection.set_tap(tap)
        answers = [root.callRemote("echo", number) for number in range(100)]
        await until(lambda: tap.chunks)
        await turns()
        assert len(tap.chunks) == 1
    for each in answers:
        with pytest.raises(PBConnectionLost):
            await each


async def test_what_is_asked_before_the_handshake_goes_with_its_end() -> None:
    """As a Twisted client does: choice, version and first call in one segment."""
    tap = Recorder()
    async with link(side=Side.CLIENT, tap=tap) as (connection, peer):
        answer = connection.getRootObject().addCallback(lambda root: root.callRemote("echo", b"x"))
        await turns()
        peer.send(OFFER)
        assert await peer.reader.readexactly(len(CHOICE)) == CHOICE
        peer.send(VERSION, [b"answer", 1, 5])
        assert await answer == 5
    assert [chunk.data for chunk in tap.chunks if chunk.sender is Side.CLIENT] == [CHOICE + encode(PING, PB)]


async def test_all_connections_of_a_loop_read_into_the_same_bytes() -> None:
    async with link() as (one, _), link() as (other, _):
        assert isinstance(one.get_buffer(-1), memoryview)
        assert one.get_buffer(-1) is other.get_buffer(-1)
        assert len(one.get_buffer(-1)) == READ_SIZE


async def test_a_thousand_calls_in_flight_are_answered_each_with_its_own() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        calls = [root.callRemote("echo", number) for number in range(1000)]
        assert len(connection.pending) == 1000
        assert await asyncio.gather(*calls) == list(range(1000))
        assert connection.pending == ()


async def test_long_arguments_and_results_arrive_whole() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        values = [bytes([number]) * 600_000 for number in range(10)]
        assert await asyncio.gather(*(root.callRemote("echo", value) for value in values)) == values


# Threads and loops


async def test_a_call_from_a_foreign_thread_is_refused_and_has_changed_nothing() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        sent = connection.sent
        refused: list[BaseException] = []

        def foreign() -> None:
            for attempt in (lambda: root.callRemote("echo", 1), connection.close, connection.abort):
                try:
                    attempt()
                except UsageError as error:
                    refused.append(error)

        thread = threading.Thread(target=foreign)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(refused) == 3
        assert "asyncio.run_coroutine_threadsafe" in str(refused[0])
        assert connection.pending == ()
        await turns()
        assert connection.sent == sent
        assert await root.callRemote("echo", 2) == 2


async def test_a_reference_that_dies_in_a_foreign_thread_is_given_back() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        lent = [await root.callRemote("lend")]
        (there,) = server.connections
        assert len(connection.imports) == 1
        await asyncio.to_thread(lent.clear)
        await until(lambda: len(there.exports) == 1)  # root alone
        assert not connection.imports


def test_a_reference_may_die_after_its_loop_was_closed() -> None:
    kept: list[Any] = []

    async def lend() -> None:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        _, server = await loop.create_connection(lambda: Connection(_Keeper(Side.SERVER)), sock=ours)
        _, client = await loop.create_connection(lambda: Connection(_Keeper(Side.CLIENT)), sock=theirs)
        root = await client.getRootObject()
        kept.extend([await root.callRemote("lend"), root, server, client])

    with asyncio.Runner() as runner:
        runner.run(lend())
    lent, root, server, client = kept
    kept.clear()
    with pytest.raises(DeadReferenceError, match="loop of the connection to unix is closed"):
        root.callRemote("echo", 1)
    with pytest.raises(DeadReferenceError):
        root.callRemote("echo", 1)
    del lent
    gc.collect()
    client.wake_threadsafe()
    for each in (server, client):
        each._transport._sock.close()
        each._transport._sock = None


class _Keeper:
    def __init__(self, side: Side) -> None:
        from pbshell.net.connection import Settings

        self.settings = Settings(side=side, root=Echo() if side is Side.SERVER else None, open_timeout=None)

    def made(self, connection: Connection) -> None:
        return None

    def ready(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection, reason: BaseException) -> None: ...


def test_a_call_may_be_made_while_the_loop_does_not_run() -> None:
    """As programs do that run the loop for one thing after another."""
    loop = asyncio.new_event_loop()
    try:
        server = loop.run_until_complete(_awaited(serve(Echo(), "tcp:0")))
        connection = loop.run_until_complete(_awaited(connect(f"127.0.0.1:{server.port}")))
        root = loop.run_until_complete(connection.getRootObject())
        answer = root.callRemote("echo", 5)
        assert loop.run_until_complete(answer) == 5
        connection.close()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.run_until_complete(connection.wait_closed())
    finally:
        loop.close()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


# What the peer does not read


async def test_a_server_reads_no_more_calls_from_a_peer_that_does_not_read() -> None:
    tap = Recorder()
    echo = Echo()
    async with link(echo, small=True, limits=TIGHT, tap=tap) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        calls = 100
        peer.send(*(peer.call(number, b"big", 60_000) for number in range(calls)))
        for number in range(calls, 2 * calls):
            peer.send(peer.call(number, b"big", 60_000))
            await turns(2)
        await turns(100)
        # One read of calls was begun when the buffer was empty; what came behind it is not read.
        answered = connection.broker.theirs.pending
        assert answered == {}
        assert connection.sent < 1.5 * calls * 60_000
        assert tap.events[-1].kind == "stalled"
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        answers = [await peer.read() for _ in range(2 * calls)]
        assert [answer[1] for answer in answers] == list(range(2 * calls))
    assert "resumed" in [event.kind for event in tap.events]


async def test_both_ends_may_send_more_than_fits_at_the_same_time() -> None:
    """If both waited for the other to read, both would wait for ever."""
    size, count = 300_000, 40
    limits = Limits(send_buffer=1024 * 1024)
    echo = Echo()
    async with (
        serve(echo, "tcp:0", limits=limits) as server,
        connect(f"127.0.0.1:{server.port}", limits=limits) as connection,
    ):
        callee = Callee()
        root = await connection.getRootObject()
        await root.callRemote("keep", callee)
        (reference,) = echo.kept
        value = bytes(size)
        there = [reference.callRemote("echo", value) for _ in range(count)]
        here = [root.callRemote("echo", value) for _ in range(count)]
        await asyncio.gather(*there, *here)
        assert len(callee.got) == len(echo.got) == count
        del reference
        echo.kept.clear()


async def test_a_client_ends_with_a_server_that_calls_and_does_not_read() -> None:
    async with link(side=Side.CLIENT, small=True, limits=TIGHT) as (connection, peer):
        peer.send(OFFER)
        await connection.getRootObject()
        connection.broker.books.lend(Callee())
        await peer.reader.readexactly(len(CHOICE))
        peer.send(VERSION)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        number = 0
        while not connection.closed:
            number += 1
            peer.send(peer.call(number, b"echo", bytes(20_000), target=1))
            await turns(2)
        assert isinstance(connection.reason, LimitExceeded)
        assert connection.reason.limit == "send_buffer"
        assert "does not read" in str(connection.reason)


async def test_drain_waits_until_the_peer_has_read() -> None:
    async with link(side=Side.CLIENT, small=True, limits=TIGHT) as (connection, peer):
        peer.send(OFFER)
        root = await connection.getRootObject()
        await asyncio.wait_for(connection.drain(), 5)  # nothing waits
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(10):
            root.callRemote("take", bytes(50_000), pbanswer=False)
        drained = asyncio.create_task(connection.drain())
        await turns(100)
        assert not drained.done()
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        reading = asyncio.create_task(peer.end())
        await drained
        connection.close()
        await reading


async def test_what_the_transport_knows_can_be_asked_for_until_it_is_gone() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        assert connection.get_extra_info("socket").getpeername()[1] == server.port
        assert connection.unsent == 0
        connection.close()
        await connection.wait_closed()

        assert connection.get_extra_info("socket") is None
        assert connection.unsent == 0


async def test_drain_gives_way_to_others() -> None:
    async with link(side=Side.CLIENT) as (connection, _):
        turned: list[int] = []
        asyncio.get_running_loop().call_soon(turned.append, 1)
        await connection.drain()
        assert turned


async def test_drain_ends_with_the_connection() -> None:
    async with link(side=Side.CLIENT, small=True, limits=TIGHT) as (connection, peer):
        peer.send(OFFER)
        root = await connection.getRootObject()
        root.callRemote("take", bytes(500_000), pbanswer=False)
        drained = asyncio.create_task(connection.drain())
        await turns()
        assert not drained.done()
        connection.abort()
        with pytest.raises(ConnectionGone, match="aborted on this side"):
            await drained


# How it ends


async def test_closing_sends_what_is_left_first() -> None:
    async with link(small=True) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"big", 600_000))
        await until(lambda: connection.sent > 600_000)
        connection.close()
        answer = await peer.read()
        assert len(answer[2]) == 600_000
        with pytest.raises(EOFError):
            await peer.read()
        await connection.wait_closed()
        assert connection.closed
        assert str(connection.reason) == "closed on this side"


async def test_a_method_that_closes_is_answered_and_so_is_what_came_with_it() -> None:
    class Closing(Root):
        def remote_close(self) -> str:
            current_connection().close()
            return "closing"

    async with link(Closing()) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"close"))
        assert await peer.read() == [b"answer", 1, [b"unicode", b"closing"]]
        with pytest.raises(EOFError):
            await peer.read()
        await connection.wait_closed()


async def test_a_peer_that_does_not_take_what_is_left_is_dropped_after_a_while() -> None:
    clock = Clock()
    async with link(small=True, close_timeout=5) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(peer.call(1, b"big", 600_000))
        await until(lambda: connection.sent > 600_000)
        connection.close()
        await turns()
        await clock.advance(4.9)
        assert not connection.closed
        await clock.advance(0.2)
        assert connection.closed


async def test_a_peer_that_takes_what_is_left_slowly_gets_it() -> None:
    clock = Clock()
    async with link(small=True, close_timeout=5) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(peer.call(1, b"big", 600_000))
        await until(lambda: connection.sent > 600_000)
        connection.close()
        raw = peer.writer.get_extra_info("socket")
        await turns()
        for _ in range(5):
            await clock.advance(4.9)
            assert not connection.closed
            assert socket.socket.recv(raw._sock, 65536)
            await turns()


async def test_what_the_peer_closes_is_gone_for_everybody() -> None:
    told: list[str] = []
    async with link(side=Side.CLIENT) as (connection, peer):
        peer.send(OFFER)
        root = await connection.getRootObject()
        connection.notifyOnDisconnect(lambda: told.append("first"))
        forgotten = lambda: told.append("forgotten")  # noqa: E731
        connection.notifyOnDisconnect(forgotten)
        connection.notifyOnDisconnect(lambda: told.append("second"))
        connection.dontNotifyOnDisconnect(forgotten)
        pending = [root.callRemote("echo", number) for number in range(3)]
        waiting = [asyncio.create_task(connection.wait_closed()) for _ in range(2)]
        await turns()
        peer.writer.close()
        for each in pending:
            with pytest.raises(PBConnectionLost, match="3 calls unanswered: the peer closed the connection"):
                await each
        await asyncio.gather(*waiting)
        assert told == ["first", "second"]
        with pytest.raises(DeadReferenceError):
            root.callRemote("echo", 1)
        with pytest.raises(DeadReferenceError):
            await connection.getRootObject()
        await connection.wait_closed()  # at once


async def test_a_reset_is_the_reason() -> None:
    async def reset(peer: Peer) -> None:
        peer.send(OFFER)
        await peer.read()
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()

    async with listening(reset) as port:
        tap = Recorder()
        connection = await connect(f"127.0.0.1:{port}", tap=tap)
        await connection.wait_closed()
        assert isinstance(connection.reason, ConnectionResetError)
        assert tap.events[-1].kind == "closed"
        assert tap.events[-1].detail.startswith("reset: ")


async def test_a_violation_closes_behind_the_answers_before_it(caplog: pytest.LogCaptureFixture) -> None:
    async with link() as (connection, peer):
        await peer.shake_hands()
        good = peer.call(1, b"echo", 7)
        peer.send(good, b"\x99", peer.call(2, b"echo", 8))
        assert await peer.read() == [b"answer", 1, 7]
        with pytest.raises(EOFError):
            await peer.read()
        await connection.wait_closed()
        assert isinstance(connection.reason, BananaError)
    lines = warnings_of(caplog)
    place = len(CHOICE + good)
    assert lines == [f"unix: connection closed: type byte 0x99 does not exist in banana (at byte {place})"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "an HTTP request (GET / HTTP/1.1)"),
        (b"SSH-2.0-x\r\n", "an SSH banner (SSH-2.0-x)"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS client hello"),
    ],
)
async def test_another_protocol_is_named_in_one_line_and_closed(
    said: bytes, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(Echo(), "tcp:0") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(said)
        assert await reader.read() == OFFER
        host, port = writer.get_extra_info("sockname")
        writer.close()
    lines = warnings_of(caplog)
    assert lines == [f"{host}:{port}: connection closed: the peer does not speak Perspective Broker; this is {name}"]


async def test_another_protocol_is_named_also_when_it_comes_byte_by_byte() -> None:
    async with link() as (connection, peer):
        for byte in b"SSH-2.0-OpenSSH_9.6\r\n":
            if connection.closed:
                break
            peer.send(bytes([byte]))
            await turns(4)
        assert isinstance(connection.reason, DialectError)
        assert "SSH" in str(connection.reason)


async def test_what_is_no_protocol_at_all_is_a_violation_with_its_place() -> None:
    async with link() as (connection, peer):
        peer.send(b"\x01\x02\x99")
        await connection.wait_closed()
        assert isinstance(connection.reason, BananaError)


async def test_aborting_drops_what_is_left() -> None:
    async with link(small=True) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"big", 600_000))
        await until(lambda: connection.sent > 600_000)
        connection.abort()
        await connection.wait_closed()
        assert str(connection.reason) == "aborted on this side"
        connection.abort()
        connection.close()


async def test_a_root_that_cannot_be_made_closes_that_connection_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fickle(Echo):
        made = 0

        def rootObject(self, broker: Any) -> Root:
            self.made += 1
            if self.made == 1:
                raise RuntimeError("not today")
            return self

    async with serve(Fickle(), "tcp:0") as server:
        with pytest.raises(ConnectionGone, match="before the handshake was over"):
            await connect(f"127.0.0.1:{server.port}")
        assert [line.split(": ", 1)[1] for line in warnings_of(caplog)] == [
            "rootObject raised",
            "refused: there is no root object for it",
        ]
        async with connect(f"127.0.0.1:{server.port}") as connection:
            assert connection.ready


async def test_failed_logins_close_the_connection_and_are_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Portal(realm(lambda name, mind: Echo())), "tcp:0") as server:
        connection = await connect(f"127.0.0.1:{server.port}")
        for _ in range(6):
            with pytest.raises(Exception, match="No checker"):
                await connection.login(Anonymous())
        await connection.wait_closed()
        await until(lambda: not server.connections)
    assert "connection closed: too many failed logins" in warnings_of(caplog)[-1]


async def test_a_login_that_succeeds_while_the_connection_closes_does_not_keep_it() -> None:
    clock = Clock()
    gate = asyncio.Event()

    async def slow(name: str | None, mind: Any) -> Echo:
        await gate.wait()
        return Echo()

    limits = Limits(send_buffer=1)
    async with link(Portal(realm(slow), [AllowAnonymousAccess()]), small=True, limits=limits) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"loginAnonymous", [b"None"]))
        await until(lambda: connection.broker.theirs.pending)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        assert connection._transport is not None
        connection._transport.write(bytes(600_000))  # something that is not taken
        connection.close()
        await turns()
        gate.set()
        await turns()
        await clock.advance(6)
        assert connection.closed


async def test_what_runs_when_the_peer_leaves_runs_on() -> None:
    done: list[str] = []

    class Slow(Root):
        async def remote_slow(self) -> None:
            await gate.wait()
            done.append("done")

    gate = asyncio.Event()
    async with link(Slow()) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"slow"))
        await until(lambda: connection.broker.theirs.pending)
        peer.writer.close()
        await connection.wait_closed()
        gc.collect()
        gate.set()
        await until(lambda: done)


# Silence


async def test_a_stranger_who_is_silent_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    async with link(open_timeout=30) as (connection, peer):
        await clock.advance(29)
        assert not connection.closed
        await clock.advance(2)
        await connection.wait_closed()
        assert isinstance(connection.reason, TimeoutError)
        await peer.end()
    assert warnings_of(caplog) == [
        "unix: connection closed: the handshake is not over 30 seconds after the connection opened"
    ]


async def test_a_peer_that_has_shaken_hands_may_be_silent() -> None:
    clock = Clock()
    async with link(open_timeout=30) as (connection, peer):
        await peer.shake_hands()
        await clock.advance(1000)
        assert not connection.closed


def portal() -> Portal:
    return Portal(realm(lambda name, mind: Echo()), [AllowAnonymousAccess()])


async def test_where_a_login_is_asked_for_a_stranger_has_to_log_in_in_time() -> None:
    clock = Clock()
    async with link(portal(), open_timeout=30) as (connection, peer):
        await peer.shake_hands()
        await clock.advance(29)
        assert not connection.closed
        await clock.advance(2)
        await connection.wait_closed()
        assert str(connection.reason) == "nobody has logged in 30 seconds after the connection opened"


async def test_who_has_logged_in_may_be_silent() -> None:
    clock = Clock()
    async with link(portal(), open_timeout=30) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"loginAnonymous", [b"None"]))
        assert (await peer.read())[0] == b"answer"
        await clock.advance(1000)
        assert not connection.closed


async def test_silence_is_broken_by_the_version_once_more() -> None:
    clock = Clock()
    async with link(keepalive=60) as (connection, peer):
        await peer.shake_hands()
        sent = connection.sent
        await clock.advance(59)
        peer.send(peer.call(1, b"echo", 7))
        assert await peer.read() == [b"answer", 1, 7]
        sent = connection.sent
        await clock.advance(59)
        assert connection.sent == sent
        await clock.advance(2)
        assert await peer.read() == [b"version", 6]
        await clock.advance(60)
        assert await peer.read() == [b"version", 6]


async def test_without_keepalive_nothing_is_said() -> None:
    clock = Clock()
    async with link(keepalive=None) as (connection, peer):
        await peer.shake_hands()
        sent = connection.sent
        await clock.advance(10_000)
        assert connection.sent == sent


async def test_a_peer_that_takes_nothing_for_long_is_given_up() -> None:
    clock = Clock()
    async with link(small=True, limits=TIGHT, keepalive=60) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(peer.call(1, b"big", 600_000))
        await until(lambda: connection.sent > 600_000)
        for _ in range(3):
            await clock.advance(60)
            assert not connection.closed
        await clock.advance(60)
        assert connection.closed
        assert str(connection.reason) == "for 180 seconds the peer has taken nothing of what waits"


async def test_a_peer_that_takes_a_little_is_not_given_up() -> None:
    clock = Clock()
    async with link(small=True, limits=TIGHT, keepalive=60) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(peer.call(1, b"big", 600_000))
        await until(lambda: connection.sent > 600_000)
        raw = peer.writer.get_extra_info("socket")
        for _ in range(8):
            await clock.advance(60)
            assert not connection.closed
            assert socket.socket.recv(raw._sock, 4096)
            await turns()


# Deadlines


async def test_a_call_without_an_answer_in_time_fails_and_the_connection_lives() -> None:
    clock = Clock()
    async with link(side=Side.CLIENT, call_timeout=5) as (connection, peer):
        peer.send(OFFER)
        root = await connection.getRootObject()
        late = root.callRemote("late")
        in_time = root.callRemote("in_time")
        silent = root.callRemote("no_answer", pbanswer=False)
        await clock.advance(4)
        peer.send(VERSION, [b"answer", 2, 7])
        assert await in_time == 7
        assert await silent is None
        await clock.advance(2)
        with pytest.raises(TimeoutError, match="5 seconds"):
            await late
        assert len(connection.pending) == 1  # until its late answer
        peer.send([b"answer", 1, [b"remote", 1]])
        await until(lambda: not connection.pending)
        assert connection.imports == ()
        assert not connection.closed


# Tracing


async def test_a_tap_gets_all_bytes_of_both_sides_and_what_the_link_did() -> None:
    tap = Recorder()
    async with link(tap=tap) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"echo", 7))
        await peer.read()
        number = connection.number
    assert tap.said(Side.SERVER) == OFFER + VERSION + encode([b"answer", 1, 7], PB)
    assert tap.said(Side.CLIENT) == CHOICE + encode([*PING[:5], [b"tuple", 7], PING[6]], PB)
    assert [event.kind for event in tap.events] == ["opened", "closed"]
    assert tap.events[1].by is Side.SERVER
    assert tap.events[1].detail == "us: aborted on this side"
    assert {item.connection for item in tap.items} == {number}
    times = [item.at for item in tap.items]
    assert times == sorted(times)


async def test_a_peer_that_closes_is_seen_to_close() -> None:
    tap = Recorder()
    async with link(tap=tap) as (connection, peer):
        await peer.shake_hands()
        peer.writer.close()
        await connection.wait_closed()
    assert [(event.kind, event.by, event.detail) for event in tap.events[1:]] == [
        ("half_closed", Side.CLIENT, ""),
        ("closed", Side.CLIENT, "fin: the peer closed the connection"),
    ]


async def test_a_tap_switched_on_in_mid_frame_begins_with_what_has_not_been_acted_upon() -> None:
    tap = Recorder()
    async with link() as (connection, peer):
        await peer.shake_hands()
        call = peer.call(1, b"echo", 7)
        peer.send(call[:9])
        await until(lambda: connection.broker.rest)
        connection.set_tap(tap, 42)
        peer.send(call[9:])
        await peer.read()
    seed = tap.items[0]
    assert isinstance(seed, Seed)
    assert (seed.connection, seed.dialect, seed.lent) == (42, b"pb", ())
    assert tap.chunks[0] == Chunk(tap.chunks[0].at, 42, Side.CLIENT, call[:9])
    assert tap.said(Side.CLIENT) == call
    assert tap.said(Side.SERVER) == encode([b"answer", 1, 7], PB)
    assert connection.number == 42


async def test_a_tap_may_be_switched_on_in_a_method_amid_a_batch() -> None:
    tap = Recorder()

    class Tapping(Root):
        def remote_tap(self) -> None:
            current_connection().set_tap(tap)

        def remote_echo(self, value: int) -> int:
            return value

    async with link(Tapping()) as (_, peer):
        await peer.shake_hands()
        behind = peer.call(3, b"echo", 9)
        peer.send(peer.call(1, b"echo", 7), peer.call(2, b"tap"), behind)
        answers = [await peer.read() for _ in range(3)]
        assert answers[0] == [b"answer", 1, 7]
    assert tap.said(Side.CLIENT) == behind
    assert tap.said(Side.SERVER) == encode([b"answer", 2, [b"None"]], PB) + encode([b"answer", 3, 9], PB)


class Swapper(Root):
    """Keeps what it is given, and lends something for it."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then
        self.kept: list[Any] = []

    def remote_swap(self, thing: Any) -> Referenceable:
        self.kept.append(thing)
        self.then()
        return Referenceable()


@pytest.mark.parametrize("when", ["before a call", "in a call", "behind a loan"])
async def test_what_a_seed_begins_with_is_understood_to_the_end(when: str) -> None:
    """The dissector's books are the Broker's, as if it had been there from the beginning."""
    tap = Recorder()
    root = Swapper(lambda: connection.set_tap(tap) if when == "in a call" and not tap.items else None)
    async with serve(root, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        far = await connection.getRootObject()
        if when == "before a call":
            connection.set_tap(tap)
        mine = Callee()
        lent = await far.callRemote("swap", mine)
        if when == "behind a loan":
            connection.set_tap(tap)
        lent_again = await far.callRemote("swap", mine)
        dissector = Dissector()
        found = [each for item in tap.items for each in dissector.feed(item)]

        assert not [each for each in found if isinstance(each.what, Undecodable | Unseen)]
        books = dissector.connections[connection.number].ledgers
        assert books[Side.CLIENT].exports.counts() == connection.broker.ours.exports.counts() != {}
        assert books[Side.SERVER].exports.counts() == connection.broker.theirs.exports.counts() != {}
        assert not [note for each in found for note in each.notes if isinstance(note, Odd)]
    del lent, lent_again


async def test_a_tap_can_be_switched_off() -> None:
    tap = Recorder()
    async with link(tap=tap) as (connection, peer):
        await peer.shake_hands()
        connection.set_tap(None)
        before = len(tap.items)
        peer.send(peer.call(1, b"echo", 7))
        await peer.read()
    assert len(tap.items) == before


async def test_a_tap_that_raises_is_removed_and_the_connection_lives(caplog: pytest.LogCaptureFixture) -> None:
    def tap(item: Piece) -> None:
        if isinstance(item, Chunk) and item.sender is Side.CLIENT:
            raise RuntimeError("disk full")

    async with link(tap=tap) as (connection, peer):
        await peer.shake_hands()
        peer.send(peer.call(1, b"echo", 7))
        assert await peer.read() == [b"answer", 1, 7]
        assert not connection.closed
    assert warnings_of(caplog) == ["unix: the tap raised and is removed; the connection lives"]


# What it shows


async def test_the_rows_are_those_of_the_books() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        lent = await root.callRemote("lend")
        callee = Callee()
        await root.callRemote("keep", callee)
        waiting = root.callRemote("wait")
        assert [row.luid for row in connection.imports] == [lent.luid]
        assert [row.thing for row in connection.exports] == [callee]
        assert [row.method for row in connection.pending] == ["wait"]
        assert connection.caches == ()
        (there,) = server.connections
        assert there.peer == connection.local
        assert there.local == connection.peer == f"127.0.0.1:{server.port}"
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting.asFuture()
        assert len(connection.pending) == 1


async def test_a_cancelled_call_is_dropped_when_its_answer_comes() -> None:
    echo = Echo()
    async with serve(echo, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(root.callRemote("wait"), 0.01)
        echo.gate.set()
        await until(lambda: not connection.pending)
        assert await root.callRemote("echo", "alive") == "alive"


async def test_it_says_what_it_is() -> None:
    async with serve(Echo(), "tcp:0") as server:
        connection = await connect(f"127.0.0.1:{server.port}")
        shown = repr(connection)
        assert shown.endswith(f"from {connection.local} to 127.0.0.1:{server.port}, open>")
        assert str(connection) == f"127.0.0.1:{server.port}"
        connection.close()
        await connection.wait_closed()
        assert repr(connection).endswith(f"to 127.0.0.1:{server.port}, ended: closed on this side>")
        assert str(connection) == f"127.0.0.1:{server.port}"


async def test_small_calls_do_not_wait_for_each_other_and_the_system_watches_the_link() -> None:
    async with (
        serve(Echo(), "tcp:0", keepalive=30) as server,
        connect(f"127.0.0.1:{server.port}", keepalive=30) as connection,
    ):
        await (await connection.getRootObject()).callRemote("echo", 1)
        for each in (connection, *server.connections):
            assert each._transport is not None
            sock = each._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 90_000


async def test_a_call_knows_the_connection_it_came_by() -> None:
    class Who(Root):
        async def remote_who(self) -> str:
            await asyncio.sleep(0)
            return str(current_connection())

    async with serve(Who(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        assert await root.callRemote("who") == connection.local
    assert contextvars.copy_context().run(current_connection) is None


async def test_the_peer_of_a_server_has_no_root_but_can_lend() -> None:
    echo = Echo()
    async with serve(echo, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        assert await root.callRemote("call_back", Callee(), 5) == 5
        (there,) = server.connections
        peer_root = await there.getRootObject()
        with pytest.raises(Exception, match="Invalid Object ID"):
            await peer_root.callRemote("echo", 1)


async def test_anonymous_login_over_a_connection() -> None:
    async with serve(portal(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        avatar = await connection.login(Anonymous())
        assert await avatar.callRemote("echo", 3) == 3
