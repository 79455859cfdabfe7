"""The factories, as PB's manual has them: with the loop's own calls, and Deferreds that wait for a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pbshell.broker.flavors import Referenceable, Root
from pbshell.cred import InMemoryUsernamePasswordDatabaseDontUse, Portal, UsernamePassword, realm
from pbshell.defer import Deferred, Failure
from pbshell.errors import ConnectionGone, DialectError, PBConnectionLost, UnauthorizedLogin, UsageError
from pbshell.net import tasks
from pbshell.net.connection import Connection
from pbshell.net.factories import PBClientFactory, PBServerFactory, connectTCP
from tests.net.clock import Clock, turns, until
from tests.net.ends import Callee, Echo, Peer, free_port, listening


@asynccontextmanager
async def serving(root: Any) -> AsyncIterator[int]:
    """A server made with asyncio's own call; gives its port."""
    factory = PBServerFactory(root)
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(factory.connections):
            connection.abort()
            await connection.wait_closed()
        await asyncio.gather(*tasks.cancel(factory), return_exceptions=True)


def reason(deferred: Deferred[Any]) -> BaseException:
    caught: list[Failure] = []
    deferred.addErrback(caught.append)
    return caught[0].value


async def end(factory: PBClientFactory) -> None:
    connection = factory.connection
    assert connection is not None
    factory.disconnect()
    await connection.wait_closed()


# What a server can offer


def test_a_plain_referenceable_is_refused_as_a_root() -> None:
    with pytest.raises(UsageError, match=r"ends.Callee is a Referenceable and no Root.*subclass pb.Root"):
        PBServerFactory(Callee())


@pytest.mark.parametrize("thing", [None, 5, "root", object()], ids=repr)
def test_anything_else_is_refused_as_a_root(thing: Any) -> None:
    with pytest.raises(UsageError, match=r"cannot be the root: give an object of a subclass of pb\.Root, or a Portal"):
        PBServerFactory(thing)


def test_a_class_is_refused_as_a_root() -> None:
    with pytest.raises(UsageError, match="the root is an object, not a class: write Echo"):
        PBServerFactory(Echo)


async def test_what_has_a_root_object_for_each_connection_may_be_a_root() -> None:
    class Numbered(Root):
        def __init__(self, number: int) -> None:
            self.number = number

        def remote_number(self) -> int:
            return self.number

    class Counter:
        count = 0

        def rootObject(self, broker: Any) -> Numbered:
            self.count += 1
            return Numbered(self.count)

    async with serving(Counter()) as port:
        for number in (1, 2):
            factory = PBClientFactory()
            connectTCP("127.0.0.1", port, factory)
            root = await factory.getRootObject()
            assert await root.callRemote("number") == number
            await end(factory)


async def test_a_referenceable_can_be_called_once_it_was_lent() -> None:
    class Lender(Root):
        def remote_lend(self) -> Referenceable:
            return Callee()

    async with serving(Lender()) as port:
        factory = PBClientFactory()
        connectTCP("127.0.0.1", port, factory)
        callee = await (await factory.getRootObject()).callRemote("lend")
        assert await callee.callRemote("echo", 1) == 1
        del callee
        await end(factory)


# Waiting for a connection


async def test_the_manuals_own_way_on_asyncios_own_calls() -> None:
    async with serving(Echo()) as port:
        factory = PBClientFactory()
        await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", port)
        printed: list[Any] = []
        d = factory.getRootObject()
        d.addCallback(lambda root: root.callRemote("echo", "hello network"))
        d.addCallbacks(printed.append, lambda reason: printed.append(("error:", reason.value)))
        await d
        assert printed == ["hello network"]
        await end(factory)


async def test_who_asks_before_there_is_a_connection_waits_for_it_in_order() -> None:
    order: list[int] = []
    async with serving(Echo()) as port:
        factory = PBClientFactory()
        waiting = [factory.getRootObject() for _ in range(3)]
        for number, each in enumerate(waiting):
            each.addCallback(lambda root, number: order.append(number), number)
        connectTCP("127.0.0.1", port, factory)
        await asyncio.gather(*waiting)
        assert order == [0, 1, 2]
        at_once = factory.getRootObject()
        assert at_once.called
        assert await at_once == await factory.getRootObject()
        await end(factory)


async def test_a_call_may_be_chained_to_a_connection_that_is_still_to_come() -> None:
    async with serving(Echo()) as port:
        factory = PBClientFactory()
        echoed = factory.getRootObject().addCallback(lambda root: root.callRemote("echo", [1, 2]))
        connectTCP("127.0.0.1", port, factory)
        assert await echoed == [1, 2]
        await end(factory)


async def test_who_gives_up_waiting_does_not_disturb_the_others() -> None:
    async with serving(Echo()) as port:
        factory = PBClientFactory()
        gone, stays = factory.getRootObject(), factory.getRootObject()
        gone.cancel()
        assert isinstance(reason(gone), asyncio.CancelledError)
        connectTCP("127.0.0.1", port, factory)
        assert await (await stays).callRemote("echo", 1) == 1
        await end(factory)


async def test_a_login_waits_too_and_the_mind_can_be_called() -> None:
    minds: list[Any] = []

    def make(name: str | None, mind: Any) -> Any:
        minds.append(mind)
        return Echo()

    checker = InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser("ada", "lovelace")
    async with serving(Portal(realm(make), [checker])) as port:
        factory = PBClientFactory()
        mind = Callee()
        login = factory.login(UsernamePassword("ada", "lovelace"), client=mind)
        wrong = factory.login(UsernamePassword("ada", "byron"))
        connectTCP("127.0.0.1", port, factory)
        avatar = await login
        assert await avatar.callRemote("echo", 1) == 1
        assert await minds[0].callRemote("echo", "called back") == "called back"
        assert (await wrong.addErrback(lambda failure: failure.check(UnauthorizedLogin))) is UnauthorizedLogin
        del avatar
        minds.clear()
        await end(factory)


# When there is no connection


async def test_a_refused_port_reaches_everyone_who_waits() -> None:
    factory = PBClientFactory()
    waiting = [factory.getRootObject(), factory.getRootObject(), factory.login(UsernamePassword("ada", "lovelace"))]
    await connectTCP("127.0.0.1", free_port(), factory)
    for each in waiting:
        assert isinstance(reason(each), ConnectionRefusedError)


async def test_an_unknown_host_reaches_everyone_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    factory = PBClientFactory()
    waiting = [factory.getRootObject(), factory.getRootObject()]
    await connectTCP("host.invalid", 8787, factory)
    for each in waiting:
        assert isinstance(reason(each), socket.gaierror)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", -1), ("a" * 100 + ".invalid", 80), ("\udcff", 80)]
)
async def test_an_address_that_is_none_reaches_who_waits(host: str, port: int) -> None:
    factory = PBClientFactory()
    waiting = factory.getRootObject()
    await connectTCP(host, port, factory)
    assert isinstance(reason(waiting), Exception)


async def test_a_host_that_does_not_answer_in_time_reaches_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    factory = PBClientFactory()
    waiting = factory.getRootObject()

    async def never(*args: Any, **kwargs: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    connectTCP("192.0.2.1", 8787, factory, timeout=5)
    await turns()
    await clock.advance(4)
    assert not waiting.called
    await clock.advance(2)
    failed = reason(waiting)
    assert isinstance(failed, TimeoutError)
    assert str(failed) == "no connection to 192.0.2.1:8787 within 5 seconds"


async def test_a_server_that_hangs_up_in_the_handshake_reaches_everyone_who_waits() -> None:
    async def hang_up(peer: Peer) -> None:
        pass

    async with listening(hang_up) as port:
        factory = PBClientFactory()
        waiting = [factory.getRootObject(), factory.login(UsernamePassword("ada", "lovelace"))]
        connectTCP("127.0.0.1", port, factory)
        await until(lambda: waiting[1].called)
        for each in waiting:
            failed = reason(each)
            assert isinstance(failed, ConnectionGone)
            assert str(failed) == "the peer closed the connection before the handshake was over"


async def test_a_server_that_is_none_reaches_everyone_who_waits() -> None:
    async def banner(peer: Peer) -> None:
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        await peer.end()

    async with listening(banner) as port:
        factory = PBClientFactory()
        waiting = [factory.getRootObject(), factory.getRootObject()]
        connectTCP("127.0.0.1", port, factory)
        await until(lambda: waiting[1].called)
        for each in waiting:
            failed = reason(each)
            assert isinstance(failed, DialectError)
            assert "an SSH banner (SSH-2.0-OpenSSH_9.6)" in str(failed)
        await until(lambda: factory.connection is None)


async def test_an_attempt_that_is_cancelled_reaches_who_waits() -> None:
    factory = PBClientFactory()
    waiting = factory.getRootObject()
    attempt = connectTCP("127.0.0.1", free_port(), factory)
    await asyncio.sleep(0)
    attempt.cancel()
    await asyncio.wait([attempt])
    assert isinstance(reason(waiting), ConnectionGone)


def test_connecting_needs_a_loop() -> None:
    with pytest.raises(UsageError, match="connectTCP needs a running loop"):
        connectTCP("127.0.0.1", 8787, PBClientFactory())


# When there was one


async def test_after_a_disconnection_a_new_request_waits_for_the_next_connection() -> None:
    async with serving(Echo()) as port:
        factory = PBClientFactory()
        connectTCP("127.0.0.1", port, factory)
        root = await factory.getRootObject()
        pending = root.callRemote("wait")
        await turns()
        await end(factory)
        with pytest.raises(PBConnectionLost):
            await pending
        next_root = factory.getRootObject()
        await turns()
        assert not next_root.called
        connectTCP("127.0.0.1", port, factory)
        assert await (await next_root).callRemote("echo", 2) == 2
        await end(factory)


async def test_to_disconnect_without_a_connection_is_nothing() -> None:
    factory = PBClientFactory()
    waiting = factory.getRootObject()
    factory.disconnect()
    assert not waiting.called


async def test_a_factory_may_try_again_in_place_of_telling() -> None:
    failures: list[BaseException] = []
    losses: list[tuple[Connection, BaseException]] = []

    class Patient(PBClientFactory):
        def clientConnectionFailed(self, reason: BaseException) -> None:
            failures.append(reason)
            connectTCP("127.0.0.1", port, self)

        def clientConnectionLost(self, connection: Connection, reason: BaseException) -> None:
            losses.append((connection, reason))

    factory = Patient()
    root = factory.getRootObject()
    async with serving(Echo()) as port:
        connectTCP("127.0.0.1", free_port(), factory)
        assert await (await root).callRemote("echo", 3) == 3
        connection = factory.connection
        await end(factory)
    assert [type(each) for each in failures] == [ConnectionRefusedError]
    assert [(each, str(why)) for each, why in losses] == [(connection, "closed on this side")]
