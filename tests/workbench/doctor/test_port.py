"""Who listens at a port, and which of its peers hang: with real sockets, and with tables as they were recorded."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pbshell.net.socket_tables import NoTables, Process, TCPSocket, read_tables
from pbshell.workbench.doctor import port as module
from pbshell.workbench.doctor.port import Look, examine_port, no_tables, report, why_silent
from pbshell.workbench.exitcodes import ExitCode

LINUX = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")
pytestmark = LINUX


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["with ss", "without ss"])
def ss(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether ss is there: all has to be found without, too."""
    if request.param == "with ss":
        if shutil.which("ss") is None:
            pytest.skip("this machine has no ss")
        return True
    monkeypatch.setattr(module, "ask_ss", lambda port: "")
    return False


def listening(stack: ExitStack, backlog: int = 128, host: str = "127.0.0.1") -> tuple[socket.socket, int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = stack.enter_context(socket.create_server((host, 0), family=family, backlog=backlog))
    return listener, listener.getsockname()[1]


def peer_of(stack: ExitStack, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A client's end, and the server's."""
    client = stack.enter_context(socket.create_connection(listener.getsockname()[:2]))
    return client, stack.enter_context(listener.accept()[0])


async def at_once(seconds: float) -> None:
    """The pause between two looks: whatever hangs in a test hangs at once."""


def until(condition: Callable[[TCPSocket], bool]) -> Callable[[float], Awaitable[None]]:
    """The same until some socket fulfils *condition*: the kernel does what it does, and tells nobody."""

    async def wait(seconds: float) -> None:
        while not any(map(condition, read_tables())):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    return wait


async def test_of_eighty_peers_the_one_that_is_not_read_stands_first(stack: ExitStack, ss: bool) -> None:
    listener, port = listening(stack)
    ends = [peer_of(stack, listener) for _ in range(80)]
    client, server = ends[40]
    client.sendall(b"x" * 50)
    server.recv(50, socket.MSG_PEEK | socket.MSG_WAITALL)

    found = await examine_port(port, pause=at_once)

    assert (found.role, found.code, len(found.peers)) == ("server", ExitCode.RAISED, 80)
    first = found.peers[0]
    assert (first.kind, first.severity, first.unread) == ("unread", "error", 50)
    assert first.peer == f"127.0.0.1:{client.getsockname()[1]}"
    assert f"(pid {os.getpid()})" in first.program
    assert {peer.severity for peer in found.peers[1:]} == {"ok"}
    assert found.listeners[0].pid == os.getpid()
    assert "does not read" in found.conclusions[0].text
    assert f"py-spy dump --pid {os.getpid()}" in found.conclusions[0].hint
    assert (first.last_in is not None) == found.details
    assert ss or not found.details


async def test_a_blocked_server_lets_its_clients_wait(stack: ExitStack, ss: bool) -> None:
    listener, port = listening(stack, backlog=1)
    for _ in range(2):
        stack.enter_context(socket.create_connection(listener.getsockname()))

    found = await examine_port(port, pause=at_once)

    assert (found.code, found.listeners[0].waiting) == (ExitCode.RAISED, 2)
    assert {peer.kind for peer in found.peers} == {"not accepted"}
    assert "is blocked: 2 connections" in found.conclusions[0].text
    # Only ss knows how many may wait.
    assert any("its backlog is full" in each.text for each in found.conclusions) == found.details


async def test_a_peer_that_does_not_read_is_told(stack: ExitStack, ss: bool) -> None:
    listener, port = listening(stack)
    _, server = peer_of(stack, listener)
    server.setblocking(False)
    with suppress(BlockingIOError):
        while server.send(b"x" * 65_536):
            pass
    here = server.getsockname()

    found = await examine_port(port, pause=until(lambda row: row.local == here and row.timer == "probe"))

    (peer,) = found.peers
    assert (peer.kind, peer.severity, peer.timer) == ("peer does not read", "error", "probe")
    assert peer.unacknowledged > 65_536
    assert found.conclusions[0].text == "1 peer does not read what it is sent"


async def test_a_peer_that_has_hung_up_and_is_not_closed_is_told(stack: ExitStack) -> None:
    listener, port = listening(stack)
    client, server = peer_of(stack, listener)
    client.close()
    assert server.recv(1) == b""

    found = await examine_port(port, pause=at_once)

    assert found.peers[0].kind == "not closed"


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
async def test_a_server_on_ipv6_is_found(stack: ExitStack) -> None:
    listener, port = listening(stack, host="::1")
    client, _ = peer_of(stack, listener)

    found = await examine_port(port, pause=at_once)

    assert (found.code, found.seconds) == (ExitCode.OK, 0.0)
    assert found.listeners[0].address == f"[::1]:{port}"
    assert found.peers[0].peer == f"[::1]:{client.getsockname()[1]}"


async def test_where_nobody_listens_the_ports_are_told_that_somebody_does(stack: ExitStack) -> None:
    listener, port = listening(stack)
    listener.close()

    found = await examine_port(port, pause=at_once)

    assert (found.code, found.peers, found.listeners) == (ExitCode.NO_CONNECTION, (), ())
    assert found.conclusions[0].text.startswith(f"nobody listens on port {port} of this machine")
    assert "nsenter" in found.conclusions[0].hint


async def test_a_client_is_examined_where_the_server_is_elsewhere(stack: ExitStack) -> None:
    """As on a worker's machine: the master's port is that of another one."""
    ours, theirs = ("192.0.2.1", 40_000), ("192.0.2.9", 9989)
    row = TCPSocket(ours, theirs, "SYN_SENT", 1, 0, "retransmit", 8.0, 3, inode=5)
    seen = Look((row,), {5: Process(7, "python3 worker.py", "S")})

    found = await examine_port(9989, look=lambda port: seen, pause=at_once)
    assert (found.role, found.code) == ("client", ExitCode.RAISED)
    assert found.peers[0].text.startswith("no answer to the SYN, which was sent 4 times")
    assert any("nobody listens on port 9989 of this machine; it has 1 connection" in c.text for c in found.conclusions)


def look(*rows: TCPSocket, state: str = "S") -> Look:
    listener = TCPSocket(("0.0.0.0", 9989), ("0.0.0.0", 0), "LISTEN", unread=1, inode=3)
    return Look((listener, *rows), {3: Process(812, "python3 master.py", state)})


GONE = TCPSocket(("192.0.2.1", 9989), ("192.0.2.7", 51234), "ESTABLISHED", 12_345, 0, "retransmit", 12.0, 5, inode=4)


def test_a_server_that_is_stopped_is_told_to_go_on() -> None:
    found = report(9989, look(GONE, state="T"), look(GONE, state="T"), 1.0)

    assert found.conclusions[0].text == "python3 master.py (pid 812) is stopped, as by Ctrl-Z or a debugger"
    assert found.conclusions[0].hint == "let it go on: kill -CONT 812"


def test_a_peer_that_is_gone_is_told_of_a_recorded_table() -> None:
    found = report(9989, look(GONE), None, 0.0)

    assert found.peers[0].kind == "silent"
    assert found.conclusions[0].text == "1 peer does not acknowledge what it is sent"


def test_what_is_found_is_data_for_a_program() -> None:
    objects = list(report(9989, look(GONE), None, 0.0).objects())

    assert [each["kind"] for each in objects] == ["listener", "peer", "conclusion"]
    assert (objects[1]["about"], objects[1]["unacknowledged"], objects[1]["due"]) == ("silent", 12_345, 12.0)
    assert objects[2]["code"] == ExitCode.RAISED


def test_a_system_without_tables_has_other_tools() -> None:
    told = no_tables(NoTables("there is no /proc/net/tcp here"), 9989)

    assert "netstat -an -p tcp | grep 9989" in told
    assert "lsof -nP -iTCP:9989" in told


def test_why_a_server_of_this_machine_says_nothing(stack: ExitStack) -> None:
    listener, _ = listening(stack)
    client = stack.enter_context(socket.create_connection(listener.getsockname()))
    ours, theirs = client.getsockname(), client.getpeername()

    found = why_silent(ours, theirs)

    assert found is not None
    assert f"(pid {os.getpid()}) has not accepted the connection: its event loop is blocked" in found[0]
    with listener.accept()[0]:
        assert why_silent(ours, theirs) is None
    assert why_silent(("192.0.2.1", 1), ("192.0.2.2", 2)) is None

    def none() -> list[TCPSocket]:
        raise NoTables

    assert why_silent(ours, theirs, none) is None
