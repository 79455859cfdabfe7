"""The PB manual on roots, connecting and calling."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest

from pbshell import pb
from pbshell.defer import Deferred, Failure
from pbshell.net.connection import Connection
from pbshell.testing import loopback
from pbshell.wire.chunk import Side
from tests.manual.talk import failure, outcome, result, said


class Two(pb.Referenceable):
    def remote_three(self, number: int) -> int:
        return number * 3


class One(pb.Root):
    """A root with a bit of everything; it counts what it is asked."""

    attribute = "not for strangers"

    def __init__(self) -> None:
        self.two = Two()
        self.calls: list[tuple[Any, ...]] = []
        self.friend: Any = None
        self.waiting: list[Deferred[Any]] = []

    def remote_echo(self, *args: Any, **kwargs: Any) -> list[Any]:
        self.calls.append((args, kwargs))
        return [list(args), kwargs]

    def remote_getTwo(self) -> Two:
        return self.two

    def remote_boom(self) -> None:
        raise pb.Error("boom")

    def remote_nothing(self) -> None:
        self.calls.append(("nothing",))

    def remote_later(self) -> Deferred[Any]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def remote_takeFriend(self, friend: pb.RemoteReference) -> None:
        self.friend = friend

    def remote_callFriend(self) -> Deferred[Any]:
        answer: Deferred[Any] = self.friend.callRemote("three", 12)
        return answer

    def local(self) -> str:
        return "not for strangers either"

    def perspective_secret(self) -> str:
        return "secret"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_server_factory_makes_for_each_connection_a_protocol_that_speaks_pb() -> None:
    """B45."""
    factory = pb.PBServerFactory(One())
    first, second = factory(), factory()

    assert isinstance(first, Connection)
    assert isinstance(first, asyncio.BaseProtocol)
    assert first is not second


async def test_the_object_given_to_the_server_is_the_root_that_clients_obtain() -> None:
    """B46."""
    root = One()
    async with pb.serve(root, "tcp:0") as server, pb.connect(f"127.0.0.1:{server.port}") as connection:
        reference = await connection.getRootObject()
        await reference.callRemote("nothing")

    assert root.calls == [("nothing",)]


@pytest.mark.parametrize("unfit", [pb.Referenceable(), pb.Viewable(), object(), One, "root"])
def test_only_what_can_be_a_root_may_be_given_to_a_server(unfit: object) -> None:
    """B47."""
    with pytest.raises(pb.UsageError, match=r"pb\.Root|not a class"):
        pb.PBServerFactory(unfit)


def test_a_referenceable_that_is_no_root_can_be_called_once_it_was_given_out() -> None:
    """B48."""
    loop = loopback(One())
    two = result(loop, loop.root.callRemote("getTwo"))

    assert result(loop, two.callRemote("three", 4)) == 12


async def test_the_root_takes_a_connection_so_it_comes_through_a_deferred() -> None:
    """B49: unlike what the manual says, nothing is asked of the server: the root has a fixed name."""
    async with pb.serve(One(), "tcp:0") as server:
        factory = pb.PBClientFactory()
        root = factory.getRootObject()
        assert isinstance(root, Deferred)
        assert not root.called

        assert server.port is not None
        await pb.connectTCP("127.0.0.1", server.port, factory)
        await root
        factory.disconnect()


async def test_what_the_callback_gets_is_a_reference_to_the_root() -> None:
    """B50."""
    async with pb.serve(One(), "tcp:0") as server:
        factory = pb.PBClientFactory()
        got: list[Any] = []
        done = factory.getRootObject().addCallback(got.append)
        assert server.port is not None
        await pb.connectTCP("127.0.0.1", server.port, factory)
        await done

        assert type(got[0]) is pb.RemoteReference
        assert await got[0].callRemote("echo") == [[], {}]
        factory.disconnect()


async def test_the_errback_of_the_root_hears_of_a_refused_connection() -> None:
    """B51."""
    factory = pb.PBClientFactory()
    got: list[Failure] = []
    done = factory.getRootObject().addErrback(got.append)
    await pb.connectTCP("127.0.0.1", free_port(), factory)
    await done

    assert got[0].check(ConnectionRefusedError)


async def test_the_errback_of_the_root_hears_of_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """B51."""

    async def nobody(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
    factory = pb.PBClientFactory()
    waiting = [factory.getRootObject(), factory.getRootObject()]
    await pb.connectTCP("no-such-host.invalid", 8789, factory)

    for each in waiting:
        with pytest.raises(socket.gaierror):
            await each


async def test_the_errback_of_the_root_hears_of_a_server_that_hangs_up() -> None:
    """B51."""

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        factory = pb.PBClientFactory()
        root = factory.getRootObject()
        await pb.connectTCP("127.0.0.1", server.sockets[0].getsockname()[1], factory)
        with pytest.raises(pb.ConnectionGone):
            await root


def test_a_callback_gets_the_extra_arguments_it_was_added_with() -> None:
    """B52."""
    loop = loopback(One())
    got: list[Any] = []

    def callback(reference: Any, *more: Any, **named: Any) -> None:
        got.extend([reference, more, named])

    loop.root.callRemote("getTwo").addCallback(callback, 1, two=2)
    loop.run()

    assert isinstance(got[0], pb.RemoteReference)
    assert got[1:] == [(1,), {"two": 2}]


def test_calling_a_name_runs_the_remote_method_of_that_name() -> None:
    """B53."""
    loop = loopback(One())

    assert failure(loop, loop.root.callRemote("boom")).getErrorMessage() == "boom"


def test_a_call_always_gives_a_deferred() -> None:
    """B54."""
    loop = loopback(One())
    calls = [
        loop.root.callRemote("nothing"),
        loop.root.callRemote("no_such_method"),
        loop.root.callRemote("echo", object()),
        loop.root.callRemote("nothing", pbanswer=False),
    ]

    assert all(isinstance(call, Deferred) for call in calls)
    for call in calls:
        outcome(loop, call)


def test_the_deferred_fires_with_what_the_method_returned() -> None:
    """B55."""
    loop = loopback(One())

    assert result(loop, loop.root.callRemote("echo", "x")) == [["x"], {}]


def test_the_method_runs_as_if_it_had_been_called_here_with_these_arguments() -> None:
    """B56."""
    here, there = One(), One()
    here.remote_echo(1, "two", three=[3, None])

    loop = loopback(there)
    result(loop, loop.root.callRemote("echo", 1, "two", three=[3, None]))

    assert there.calls == here.calls


def test_an_unknown_method_is_an_exception_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    """B57."""
    loop = loopback(One())
    with caplog.at_level(logging.ERROR):
        reason = failure(loop, loop.root.callRemote("dance"))

    assert reason.check(pb.NoSuchMethod)
    assert reason.check(AttributeError)
    assert "remote_dance" in reason.getErrorMessage()
    assert "remote_dance" in caplog.text


def test_only_references_have_callRemote() -> None:
    """B58."""
    assert hasattr(pb.RemoteReference, "callRemote")
    assert not any(hasattr(kind, "callRemote") for kind in (pb.Root, pb.Referenceable, pb.Viewable, pb.Avatar))
    assert One().remote_echo("direct") == [["direct"], {}]


@pytest.mark.parametrize("name", ["attribute", "local", "remote_echo", "two", "__class__", "__init__", "", "echo.x"])
def test_nothing_of_a_referenceable_is_reachable_but_its_remote_methods(name: str) -> None:
    """B59."""
    loop = loopback(root := One())

    assert failure(loop, loop.root.callRemote(name)).check(pb.NoSuchMethod)
    assert root.calls == []


def test_the_other_prefixes_are_reachable_through_their_own_flavors_only() -> None:
    """B60."""

    class Everything(pb.Avatar, pb.Viewable):
        def remote_me(self) -> str:
            return "remote"

        def perspective_me(self) -> str:
            return "perspective"

        def view_me(self, perspective: object) -> str:
            return "view"

    everything = Everything()
    reached = [
        pb.AsReferenceable(everything, "remote").methodFor("me")[0](),
        everything.methodFor("me")[0](),
        pb.ViewPoint("ada", everything).methodFor("me")[0]("ada"),
    ]
    assert reached == ["remote", "perspective", "view"]

    loop = loopback(One())
    assert failure(loop, loop.root.callRemote("secret")).check(pb.NoSuchMethod)


def test_a_method_may_return_a_reference_to_any_other_object_which_can_then_be_called() -> None:
    """B61."""
    loop = loopback(One())
    two = result(loop, loop.root.callRemote("getTwo"))

    assert type(two) is pb.RemoteReference
    assert result(loop, two.callRemote("three", 12)) == 36


def test_a_call_on_a_reference_whose_connection_is_gone_raises_at_once() -> None:
    """B62."""
    loop = loopback(One())
    two = result(loop, loop.root.callRemote("getTwo"))
    loop.lose()

    with pytest.raises(pb.DeadReferenceError):
        two.callRemote("three", 12)


def test_all_calls_that_wait_when_the_connection_goes_are_told_later() -> None:
    """B63."""
    loop = loopback(One())
    calls = [loop.root.callRemote("later") for _ in range(3)]
    loop.run()
    assert not any(call.called for call in calls)

    loop.lose(ConnectionResetError("cut"))

    reasons = [failure(loop, call) for call in calls]
    assert all(reason.check(pb.PBConnectionLost) for reason in reasons)
    assert "cut" in str(reasons[0].value)


async def test_nothing_is_tried_again_because_nobody_can_know_whether_the_call_has_run() -> None:
    """B64."""
    arrived = asyncio.Event()

    class Slow(One):
        def remote_later(self) -> Deferred[Any]:
            arrived.set()
            return super().remote_later()

    root = Slow()
    async with pb.serve(root, "tcp:0") as server:
        async with pb.connect(f"127.0.0.1:{server.port}") as first:
            answered = (await first.getRootObject()).callRemote("later")
            await arrived.wait()
            unsent = (await first.getRootObject()).callRemote("nothing")
            first.abort()
            await first.wait_closed()
        errors = []
        for call in (answered, unsent):
            with pytest.raises(pb.PBConnectionLost) as caught:
                await call
            errors.append(type(caught.value))
        assert errors[0] is errors[1]

        async with pb.connect(f"127.0.0.1:{server.port}") as second:
            assert await (await second.getRootObject()).callRemote("echo") == [[], {}]
    assert len(root.waiting) == 1
    assert root.calls == [((), {})]


def test_a_client_may_hand_over_an_object_of_its_own_for_the_server_to_call() -> None:
    """B65."""
    loop = loopback(One())
    result(loop, loop.root.callRemote("takeFriend", Two()))

    assert result(loop, loop.root.callRemote("callFriend")) == 36


def test_once_connected_both_sides_have_the_same_rights() -> None:
    """B66: but for the root, which the server alone offers."""
    loop = loopback(server := One())
    result(loop, loop.root.callRemote("takeFriend", client := One()))
    friend = server.friend

    assert result(loop, friend.callRemote("echo", 1)) == [[1], {}]
    two = result(loop, friend.callRemote("getTwo"))
    assert result(loop, two.callRemote("three", 2)) == 6
    assert failure(loop, friend.callRemote("boom")).getErrorMessage() == "boom"
    assert client.calls == [((1,), {})]

    theirs = pb.RemoteReference(None, loop.server, b"root", owed=0)
    assert failure(loop, theirs.callRemote("echo")).getErrorMessage() == "Invalid Object ID"


def test_a_method_may_return_a_deferred_and_is_answered_when_that_fires() -> None:
    """B67."""
    loop = loopback(root := One())
    call = loop.root.callRemote("later")
    loop.run()
    assert not call.called

    root.waiting[0].callback("at last")
    assert result(loop, call) == "at last"


def test_several_services_share_one_connection() -> None:
    """B68."""

    class Services(pb.Root):
        def __init__(self) -> None:
            self.services = {"one": One(), "two": Two()}

        def remote_get(self, name: str) -> Any:
            return self.services[name]

    loop = loopback(Services())
    one = result(loop, loop.root.callRemote("get", "one"))
    two = result(loop, loop.root.callRemote("get", "two"))

    assert result(loop, one.callRemote("echo", 1)) == [[1], {}]
    assert result(loop, two.callRemote("three", 1)) == 3


def test_a_method_that_is_added_while_the_server_runs_can_be_called_at_once() -> None:
    """B69."""

    class Growing(pb.Root):
        pass

    loop = loopback(Growing())
    assert failure(loop, loop.root.callRemote("grow")).check(pb.NoSuchMethod)

    Growing.remote_grow = lambda self: "grown"  # type: ignore[attr-defined]
    assert result(loop, loop.root.callRemote("grow")) == "grown"


def test_what_is_written_for_references_works_on_local_objects_too() -> None:
    """B70."""

    def triple(reference: Any, number: int) -> Deferred[Any]:
        answer: Deferred[Any] = reference.callRemote("three", number)
        return answer.addErrback(lambda reason: reason.getErrorMessage())

    loop = loopback(One())
    remote, local = result(loop, loop.root.callRemote("getTwo")), pb.LocalReference(Two())

    for reference in (remote, local):
        assert result(loop, triple(reference, 5)) == 15
    for reference in (loop.root, pb.LocalReference(One())):
        assert failure(loop, reference.callRemote("boom")).check(pb.Error)
        assert failure(loop, reference.callRemote("dance")).check(pb.NoSuchMethod)


def test_none_is_a_result_like_any_other() -> None:
    """B71."""
    loop = loopback(One())

    assert result(loop, loop.root.callRemote("nothing")) is None
    assert said(loop, Side.SERVER)[-1] == [b"answer", 1, [b"None"]]
