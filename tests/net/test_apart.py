"""relay_apart(): what relay() does, from a process that ends with us."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import Any

import pytest

from pbshell.errors import UsageError
from pbshell.net import apart
from pbshell.net.apart import ApartRelay, relay_apart
from pbshell.net.client import connect
from pbshell.net.endpoints import ListenTCP, ListenUnix
from pbshell.net.server import serve
from pbshell.wire.chunk import Chunk, Side
from tests.net.clock import until
from tests.net.ends import Echo, Recorder, free_port, warnings_of


async def echo(running: ApartRelay, value: Any) -> Any:
    async with connect(f"127.0.0.1:{running.port}") as connection:
        return await (await connection.getRootObject()).callRemote("echo", value)


async def test_what_is_said_goes_through_and_is_told() -> None:
    tap = Recorder()
    straight = Recorder()
    async with serve(Echo(), "tcp:0", tap=straight) as server:
        async with relay_apart("tcp:0", f"127.0.0.1:{server.port}", tap=tap) as running:
            assert running.endpoints == (ListenTCP(running.port or 0),)
            assert running.pid != os.getpid()
            assert await echo(running, "x" * 300_000) == "x" * 300_000
            await until(lambda: tap.events and tap.events[-1].kind == "closed")
        for side in Side:
            assert tap.said(side) == straight.said(side) != b""
    assert [event.kind for event in tap.events] == ["opened", "half_closed", "half_closed", "closed"]
    assert tap.events[-1].detail == "fin: the client closed the connection"
    # One clock for all processes of this machine.
    assert 0 <= asyncio.get_running_loop().time() - tap.items[0].at < 30


async def test_what_was_said_before_the_end_is_told_before_the_end() -> None:
    tap = Recorder()
    async with serve(Echo(), "tcp:0") as server:
        running = await relay_apart("tcp:0", f"127.0.0.1:{server.port}", tap=tap)
        async with connect(f"127.0.0.1:{running.port}") as connection:
            await (await connection.getRootObject()).callRemote("echo", "the last word")
            running.close()
            running.close()
            await running.wait_closed()
            assert b"the last word" in tap.said(Side.CLIENT)
            assert tap.events[-1].detail == "us: the relay was closed"
            await connection.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port or 0))


async def test_what_is_told_to_people_comes_through(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    for tell in (lines.append, None):
        async with relay_apart("tcp:0", f"127.0.0.1:{free_port()}", tell=tell) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            assert await reader.read() == b""
            writer.close()
            await until(lambda: lines)
    await until(lambda: warnings_of(caplog))
    for line in (*lines, *warnings_of(caplog)):
        assert line.endswith(": the target refused the connection")


async def test_a_unix_socket(tmp_path: Any) -> None:
    async with (
        serve(Echo(), "tcp:0") as server,
        relay_apart(f"unix:{tmp_path}/s", f"127.0.0.1:{server.port}") as running,
        connect(f"unix:{tmp_path}/s") as connection,
    ):
        assert running.endpoints == (ListenUnix(f"{tmp_path}/s"),)
        assert running.port is None
        assert await (await connection.getRootObject()).callRemote("echo", 1) == 1
    assert not (tmp_path / "s").exists()


async def test_what_keeps_it_from_listening_is_raised_here() -> None:
    with pytest.raises(UsageError, match="write tcp:PORT"):
        relay_apart("tcp:x", "127.0.0.1:1")
    port = free_port()
    with pytest.raises(UsageError, match="would connect to itself"):
        await relay_apart(f"tcp:{port}", f"127.0.0.1:{port}")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await relay_apart(f"tcp:{taken.getsockname()[1]}", "127.0.0.1:1")
    with pytest.raises(FileNotFoundError, match=r"/nowhere\.pem"):
        await relay_apart("tcp:0", "tls:localhost:1:ca=/nowhere.pem")


async def test_a_process_that_cannot_begin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="the process of the relay ended before it began"):
        await relay_apart("tcp:0", "127.0.0.1:1")


async def test_a_process_that_is_killed_is_told() -> None:
    lines: list[str] = []
    async with relay_apart("tcp:0", "127.0.0.1:1", tell=lines.append) as running:
        serving = asyncio.ensure_future(running.serve_forever())
        os.kill(running.pid, signal.SIGKILL)
        await serving
    assert lines == ["the process of the relay has ended: its connections are gone"]


async def test_a_process_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(apart, "_END", 0.0)
    running = await relay_apart("tcp:0", "127.0.0.1:1", close_timeout=0.01)
    os.kill(running.pid, signal.SIGSTOP)
    running.close()
    await running.wait_closed()
    assert "does not end, and is killed" in caplog.text


async def test_serving_for_ever_ends_when_it_is_cancelled() -> None:
    running = await relay_apart("tcp:0", "127.0.0.1:1")
    serving = asyncio.ensure_future(running.serve_forever())
    await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port or 0))


async def test_a_tap_that_raises_is_told_once_and_removed_and_the_relay_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[str] = []
    tap = Recorder()

    def bad(piece: Any) -> None:
        raise ValueError("no room\nleft")

    async with serve(Echo(), "tcp:0") as server:
        target = f"127.0.0.1:{server.port}"
        async with relay_apart("tcp:0", target, tap=bad, tell=lines.append) as running:
            assert await echo(running, 1) == 1
            await until(lambda: lines)
            assert await echo(running, 2) == 2
            running.set_tap(tap)
            assert await echo(running, 3) == 3
            await until(lambda: tap.items)
    assert lines == [r"watching has ended: ValueError: no room\nleft; the relay goes on"]
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_a_tap_that_takes_its_time_holds_up_neither_the_relay_nor_its_own_loop() -> None:
    tap = Recorder()
    clock = asyncio.get_running_loop().time

    def slow(piece: Any) -> None:
        until_then = clock() + 0.002
        while clock() < until_then:
            pass
        tap(piece)

    async with serve(Echo(), "tcp:0") as server:
        async with relay_apart("tcp:0", f"127.0.0.1:{server.port}", tap=slow) as running:
            async with connect(f"127.0.0.1:{running.port}") as connection:
                root = await connection.getRootObject()
                for number in range(300):
                    assert await root.callRemote("echo", number) == number
                told = len(tap.items)
            await until(lambda: tap.events and tap.events[-1].kind == "closed")
        assert told < len(tap.items)
        assert len([item for item in tap.items if isinstance(item, Chunk)]) >= 600


async def test_when_too_much_waits_for_the_tap_a_gap_is_told_and_the_relay_goes_on() -> None:
    tap = Recorder()
    lines: list[str] = []
    async with serve(Echo(), "tcp:0") as server:
        target = f"127.0.0.1:{server.port}"
        async with relay_apart("tcp:0", target, tap=tap, tell=lines.append, most=100_000) as running:
            assert running._reading is not None
            reader = running._process.stdout
            assert reader is not None
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # it looks elsewhere
            async with connect(f"127.0.0.1:{running.port}") as connection:
                root = await connection.getRootObject()
                for _ in range(4):
                    assert await root.callRemote("echo", b"x" * 500_000) == b"x" * 500_000
                reader._transport.resume_reading()  # type: ignore[attr-defined]
                await until(lambda: lines)
            await until(lambda: tap.events and tap.events[-1].kind == "closed")
    assert "bytes wait to be recorded" in lines[0]
    gaps = [event for event in tap.events if event.kind == "gap"]
    assert gaps
    for side in Side:
        missing = sum(int(gap.detail.split()[0].replace(",", "")) for gap in gaps if gap.by is side)
        assert missing + len(tap.said(side)) > 2_000_000
