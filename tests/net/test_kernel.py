"""What the kernel tells of a socket: bytes that are not acknowledged, and nothing where it does not tell."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import Any

import pytest

from pbshell.net.kernel import unacknowledged


@pytest.mark.skipif(sys.platform != "linux", reason="it is asked as Linux is asked")
def test_what_the_peer_has_no_room_for_is_unacknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert unacknowledged(client) == 0
        client.setblocking(False)
        sent = 0
        with suppress(BlockingIOError):
            while True:
                sent += client.send(bytes(1 << 20))

        waiting = unacknowledged(client)
        assert waiting is not None
        assert 0 < waiting < sent


def test_without_a_tcp_socket_nothing_is_known() -> None:
    assert unacknowledged(None) is None
    if hasattr(socket, "AF_UNIX"):
        here, there = socket.socketpair()
        with here, there:
            assert unacknowledged(here) is None


def test_of_a_socket_that_is_closed_nothing_is_known() -> None:
    sock = socket.socket()
    sock.close()

    assert unacknowledged(sock) is None


class Mac:
    """A socket of macOS."""

    family = socket.AF_INET

    def getsockopt(self, level: int, option: int) -> Any:
        assert (level, option) == (socket.SOL_SOCKET, 0x1024)
        return 17


@pytest.mark.parametrize(("system", "bytes_"), [("darwin", 17), ("win32", None)])
def test_each_system_is_asked_in_its_own_way(system: str, bytes_: int | None) -> None:
    assert unacknowledged(Mac(), system) == bytes_
