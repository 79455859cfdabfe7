"""dial(): the addresses of a host one beside the other, the first that answers, and no socket left over."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from pbshell.net.sockets import STAGGER, dial
from tests.net.clock import Clock, turns, until

V4, V6 = socket.AF_INET, socket.AF_INET6


class Net:
    """Stands for the system: a host's addresses, and what becomes of each attempt to connect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *places: tuple[int, str]) -> None:
        self.tried: list[str] = []
        self.attempts: dict[str, asyncio.Future[None]] = {}
        self.sockets: dict[str, socket.socket] = {}
        self._found = [
            (family, socket.SOCK_STREAM, 6, "", (address, 1) if family == V4 else (address, 1, 0, 0))
            for family, address in places
        ]
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)
        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", self._sock_connect)

    def _getaddrinfo(self, host: str, port: int, *args: Any, flags: int = 0, **kwargs: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror
        return self._found

    async def _sock_connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.tried.append(address[0])
        self.sockets[address[0]] = sock
        self.attempts[address[0]] = asyncio.get_running_loop().create_future()
        await self.attempts[address[0]]

    async def begin(self) -> asyncio.Task[socket.socket]:
        dialing = asyncio.create_task(dial("host", 1))
        await until(lambda: self.tried)  # the look-up is done by another thread
        await turns()
        return dialing

    @property
    def open(self) -> list[str]:
        return [address for address, sock in self.sockets.items() if sock.fileno() >= 0]


async def test_the_next_address_is_tried_beside_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    net = Net(monkeypatch, (V6, "::a"), (V6, "::b"), (V4, "1"), (V4, "2"))
    dialing = await net.begin()
    assert net.tried == ["::a"]
    await clock.advance(STAGGER)
    assert net.tried == ["::a", "1"]  # the families take turns
    await clock.advance(STAGGER)
    assert net.tried == ["::a", "1", "::b"]
    net.attempts["1"].set_result(None)
    sock = await dialing
    await turns()
    assert sock is net.sockets["1"]
    assert net.open == ["1"]
    sock.close()


async def test_the_next_address_is_tried_at_once_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock()
    net = Net(monkeypatch, (V6, "::a"), (V4, "1"))
    dialing = await net.begin()
    net.attempts["::a"].set_exception(OSError(101, "Network is unreachable"))
    await turns()
    assert net.tried == ["::a", "1"]
    net.attempts["1"].set_exception(ConnectionRefusedError(111, "refused"))
    with pytest.raises(ConnectionRefusedError):
        await dialing
    assert net.open == []


async def test_when_all_are_under_way_the_first_that_answers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    net = Net(monkeypatch, (V6, "::a"), (V4, "1"))
    dialing = await net.begin()
    await clock.advance(STAGGER)
    await clock.advance(STAGGER)
    net.attempts["1"].set_exception(ConnectionRefusedError(111, "refused"))
    await turns()
    net.attempts["::a"].set_result(None)
    assert await dialing is net.sockets["::a"]
    assert net.open == ["::a"]
    net.sockets["::a"].close()


async def test_of_two_that_answer_at_once_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    net = Net(monkeypatch, (V6, "::a"), (V4, "1"))
    dialing = await net.begin()
    await clock.advance(STAGGER)
    for attempt in net.attempts.values():
        attempt.set_result(None)
    sock = await dialing
    assert len(net.open) == 1
    sock.close()


async def test_to_give_up_closes_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    net = Net(monkeypatch, (V6, "::a"), (V4, "1"))
    dialing = await net.begin()
    await clock.advance(STAGGER)
    assert len(net.open) == 2
    dialing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialing
    await turns()
    assert net.open == []


async def test_a_host_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    Net(monkeypatch)
    with pytest.raises(socket.gaierror, match="host has no address"):
        await dial("host", 1)


@pytest.mark.parametrize(("host", "port"), [("a" * 100 + ".invalid", 80), ("\udcff", 80), ("127.0.0.1", 2**70)])
async def test_what_is_no_address(host: str, port: int) -> None:
    with pytest.raises(OSError, match=r"no address|not known|service|port"):
        await dial(host, port)
