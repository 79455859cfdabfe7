"""serve(): where it listens, whom it lets in, and that nothing is left when it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from pbshell.broker.flavors import Referenceable, Root
from pbshell.errors import ConnectionGone, PBConnectionLost, UsageError
from pbshell.net.client import connect
from pbshell.net.endpoints import ListenTCP, ListenUnix
from pbshell.net.server import serve
from tests.net.clock import Clock, turns, until
from tests.net.ends import CHOICE, Echo, Recorder, free_port, warnings_of

# Where


async def test_port_0_is_chosen_and_told() -> None:
    async with serve(Echo(), "tcp:0") as server:
        assert server.port
        assert server.endpoints == (ListenTCP(server.port, "127.0.0.1"),)
        assert str(server.endpoints[0]) == f"tcp:{server.port}"


async def test_without_an_interface_only_this_machine_can_connect() -> None:
    async with serve(Echo(), ListenTCP(0)) as server:
        assert server.endpoints[0] == ListenTCP(server.port or 0, "127.0.0.1")


async def test_several_places_lead_to_the_same_root(tmp_path: Path) -> None:
    path = f"{tmp_path}/echo.sock"
    echo = Echo()
    async with serve(echo, "tcp:0", f"unix:{path}", "tcp:0") as server:
        assert [type(each) for each in server.endpoints] == [ListenTCP, ListenUnix, ListenTCP]
        ports = {each.port for each in server.endpoints if isinstance(each, ListenTCP)}
        for target in (f"unix:{path}", *(f"127.0.0.1:{port}" for port in ports)):
            async with connect(target) as connection:
                await (await connection.getRootObject()).callRemote("echo", target)
        assert len(echo.got) == 3


async def test_it_can_be_awaited() -> None:
    server = await serve(Echo(), "tcp:0")
    async with connect(f"127.0.0.1:{server.port}") as connection:
        assert len(server.connections) == 1
    await until(lambda: connection.closed and not server.connections)
    server.close()
    await server.wait_closed()


async def test_a_listening_socket_of_ones_own(tmp_path: Path) -> None:
    tcp = socket.create_server(("127.0.0.1", 0))
    async with serve(Echo(), sock=tcp) as server:
        assert server.port == tcp.getsockname()[1]
        async with connect(f"127.0.0.1:{server.port}") as connection:
            assert connection.ready
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(f"{tmp_path}/s")
    async with serve(Echo(), sock=unix) as server:
        assert server.port is None
        assert server.endpoints == (ListenUnix(f"{tmp_path}/s"),)
        async with connect(f"unix:{tmp_path}/s") as connection:
            assert connection.ready


@pytest.mark.parametrize("targets", [(), ("tcp",), ("8789",), ("tcp:0", "tcp:x")])
def test_what_is_no_place_is_refused_before_anything_is_done(targets: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        serve(Echo.__new__(Echo), *targets)


def test_a_server_that_lets_nobody_in_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="max_connections=0"):
        serve(Root(), "tcp:0", max_connections=0)


def test_what_is_no_root_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match=r"subclass pb\.Root"):
        serve(Referenceable(), "tcp:0")


async def test_when_one_place_cannot_be_had_none_is() -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve(Echo(), f"tcp:{first}", f"tcp:{taken.getsockname()[1]}")
    with pytest.raises(ConnectionRefusedError):
        await connect(f"127.0.0.1:{first}")


# Unix sockets


async def test_a_unix_socket_is_for_its_owner_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    async with serve(Echo(), f"unix:{path}"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_unix_socket_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    before = os.umask(0o077)
    try:
        async with serve(Echo(), f"unix:{path}:mode=666"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
    finally:
        os.umask(before)


async def test_a_dead_socket_in_the_way_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serve(Echo(), f"unix:{path}"), connect(f"unix:{path}") as connection:
        assert connection.ready


async def test_a_living_socket_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    async with serve(Echo(), f"unix:{path}"):
        with pytest.raises(OSError, match=rf"a server is listening there: '{path}'"):
            await serve(Echo(), f"unix:{path}")
        async with connect(f"unix:{path}") as connection:
            assert connection.ready


async def test_a_living_socket_that_is_overrun_is_left_alone_too(tmp_path: Path) -> None:
    path = str(tmp_path / "busy.sock")
    callers = []
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        full = False
        while not full:
            caller = socket.socket(socket.AF_UNIX)
            callers.append(caller)
            caller.setblocking(False)
            try:
                caller.connect(path)
            except BlockingIOError:
                full = True
        with pytest.raises(OSError, match="a server is listening there"):
            await serve(Echo(), f"unix:{path}")
        for caller in callers:
            caller.close()


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(OSError, match=f"in use: '{path}'"):
        await serve(Echo(), f"unix:{path}")
    assert path.read_text() == "data"


async def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(OSError, match=f"too long.*'{path}'"):
        await serve(Echo(), f"unix:{path}")


async def test_a_socket_that_took_the_place_of_ours_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    async with serve(Echo(), f"unix:{path}"):
        path.unlink()
        path.write_text("of somebody else")
    assert path.read_text() == "of somebody else"


async def test_an_empty_directory_of_authorities_is_named(tmp_path: Path) -> None:
    for name in ("key", "crt"):
        (tmp_path / name).write_text("")
    target = f"ssl:0:privateKey={tmp_path}/key:certKey={tmp_path}/crt:caCertsDir={tmp_path}"
    with pytest.raises(OSError):  # noqa: PT011 - an empty certificate is OpenSSL's to refuse
        await serve(Echo(), target)
    with pytest.raises(FileNotFoundError, match=r"/nowhere\.key"):
        await serve(Echo(), f"ssl:0:privateKey=/nowhere.key:certKey={tmp_path}/crt")


# Whom it lets in


async def test_more_than_max_connections_are_refused_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Echo(), "tcp:0", max_connections=2) as server:
        target = f"127.0.0.1:{server.port}"
        async with connect(target) as one, connect(target):
            with pytest.raises(ConnectionGone, match="before the handshake was over"):
                await connect(target)
            assert len(warnings_of(caplog)) == 1
            assert warnings_of(caplog)[0].endswith(
                "refused: 2 connections are open, and max_connections=2 grants no more"
            )
            assert await (await one.getRootObject()).callRemote("echo", 1) == 1
        await until(lambda: not server.connections)
        async with connect(target) as another:
            assert another.ready


async def test_hundreds_of_silent_strangers_do_not_keep_others_out() -> None:
    clock = Clock()
    async with serve(Echo(), "tcp:0", open_timeout=30) as server:
        strangers = []
        for _ in range(300):
            strangers.append(socket.create_connection(("127.0.0.1", server.port or 0)))
            await turns(1)
        await until(lambda: len(server.connections) == 300)
        async with connect(f"127.0.0.1:{server.port}") as connection:
            assert await (await connection.getRootObject()).callRemote("echo", 1) == 1
        await clock.advance(31)
        await until(lambda: not server.connections)
        for each in strangers:
            each.close()


async def test_the_tap_of_a_server_sees_all_connections() -> None:
    tap = Recorder()
    async with serve(Echo(), "tcp:0", tap=tap) as server:
        for _ in range(2):
            async with connect(f"127.0.0.1:{server.port}"):
                pass
        await until(lambda: not server.connections)
    assert [event.kind for event in tap.events if event.kind in ("opened", "closed")] == ["opened", "closed"] * 2
    assert len({item.connection for item in tap.items}) == 2


# The end


async def test_the_end_of_a_server_is_the_end_of_its_connections() -> None:
    async with serve(Echo(), "tcp:0") as server:
        connection = await connect(f"127.0.0.1:{server.port}")
        pending = (await connection.getRootObject()).callRemote("wait")
        await turns()
    with pytest.raises(PBConnectionLost):
        await pending
    await connection.wait_closed()
    assert server.connections == ()
    with pytest.raises(ConnectionRefusedError):
        await connect(f"127.0.0.1:{server.port}")


async def test_what_is_answered_is_sent_before_the_end() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        answers = [root.callRemote("big", 600_000) for _ in range(20)]
        (there,) = server.connections
        await until(lambda: there.sent > 600_000 * 20)
        server.close()
        assert [len(each) for each in await asyncio.gather(*answers)] == [600_000] * 20
        await server.wait_closed()


async def test_methods_that_still_run_are_cancelled_and_waited_for() -> None:
    ends: list[str] = []

    class Slow(Root):
        async def remote_slow(self) -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0)
                ends.append("cleaned up")

    async with serve(Slow(), "tcp:0") as server:
        async with connect(f"127.0.0.1:{server.port}") as connection:
            root = await connection.getRootObject()
            root.callRemote("slow", pbanswer=False)
            root.callRemote("slow", pbanswer=False)
            await until(lambda: connection.sent and len(asyncio.all_tasks()) >= 3)
        assert ends == []
    assert ends == ["cleaned up"] * 2


async def test_a_method_that_does_not_end_is_named(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()
    running = asyncio.Event()

    class Stubborn(Root):
        async def remote_stay(self) -> None:
            running.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    clock = Clock()
    server = await serve(Stubborn(), "tcp:0")
    async with connect(f"127.0.0.1:{server.port}") as connection:
        (await connection.getRootObject()).callRemote("stay", pbanswer=False)
        await running.wait()
    server.close()
    await turns()
    await clock.advance(6)
    await server.wait_closed()
    assert any("a method does not end when it is cancelled" in line and "stay" in line for line in warnings_of(caplog))
    release.set()


async def test_a_peer_that_does_not_read_does_not_hold_up_the_end() -> None:
    clock = Clock()
    async with serve(Echo(), "tcp:0", close_timeout=5) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(CHOICE)
        from pbshell.wire.banana import PB, encode

        for number in range(1, 21):
            writer.write(encode([b"message", number, b"root", b"big", 1, [b"tuple", 600_000], [b"dictionary"]], PB))
        await until(lambda: server.connections and server.connections[0].sent > 4 * 1024 * 1024)
        server.close()
        ending = asyncio.ensure_future(server.wait_closed())
        await turns()
        assert not ending.done()
        await clock.advance(6)
        await ending
        writer.close()
        assert reader is not None


async def test_it_serves_until_it_is_closed_or_cancelled() -> None:
    for end in ("close", "cancel"):
        server = await serve(Echo(), "tcp:0")
        forever = asyncio.ensure_future(server.serve_forever())
        await turns()
        assert not forever.done()
        if end == "close":
            server.close()
            await forever
        else:
            forever.cancel()
            with pytest.raises(asyncio.CancelledError):
                await forever
        with pytest.raises(ConnectionRefusedError):
            await connect(f"127.0.0.1:{server.port}")


async def test_to_wait_for_the_end_is_to_wait_until_it_is_closed() -> None:
    server = await serve(Echo(), "tcp:0")
    waiting: asyncio.Future[Any] = asyncio.ensure_future(server.wait_closed())
    await turns()
    assert not waiting.done()
    server.close()
    server.close()
    await waiting
    await server.wait_closed()


async def test_who_comes_while_it_closes_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Echo(), "tcp:0") as server:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        server.close()
        _, late = await loop.create_connection(server.factory, sock=ours)
        await late.wait_closed()
        assert str(late.reason) == "refused: the server is closing"
        theirs.close()


async def test_the_deadline_of_a_servers_own_calls() -> None:
    clock = Clock()
    echo = Echo()

    class Silent(Referenceable):
        async def remote_echo(self, value: Any) -> Any:
            await release.wait()
            return value

    release = asyncio.Event()
    async with (
        serve(echo, "tcp:0", call_timeout=5) as server,
        connect(f"127.0.0.1:{server.port}") as connection,
    ):
        calling = (await connection.getRootObject()).callRemote("call_back", Silent(), 1)
        await until(lambda: server.connections[0].pending)
        await clock.advance(6)
        with pytest.raises(Exception, match="no result within 5 seconds"):
            await calling
        release.set()
        await turns()
