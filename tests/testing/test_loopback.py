"""Two Brokers joined in memory, as users of the kit see it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from pbshell import pb
from pbshell.broker.security import SecurityOptions
from pbshell.defer import Deferred, Failure
from pbshell.errors import ConnectionGone, LimitExceeded, PBConnectionLost, ProtocolError, RemoteError
from pbshell.testing import Loopback, loopback
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from pbshell.wire.limits import Limits


class Echoer(pb.Root):
    """The smallest of all servers, and what else a test of the kit needs."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def remote_echo(self, value: Any) -> Any:
        return value

    def remote_keep(self, thing: Any) -> None:
        self.kept.append(thing)

    def remote_long(self, size: int) -> bytes:
        return b"x" * size

    def remote_fail(self) -> None:
        raise ValueError("bad")

    async def remote_wait(self, deferred: Any = None) -> str:
        await self.kept[0]
        return "waited"

    def remote_end(self) -> None:
        pair = self.kept[0]
        pair.lose()


def came_to(deferred: Deferred[Any]) -> Any:
    """The result, or the exception."""
    seen: list[Any] = []
    deferred.addBoth(seen.append)
    assert seen, "it has not fired"
    return seen[0].value if isinstance(seen[0], Failure) else seen[0]


def by_bytes(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


CUTS: dict[str, Callable[[bytes], Iterable[bytes]]] = {
    "whole": lambda data: (data,),
    "byte by byte": by_bytes,
    "in threes": lambda data: (data[at : at + 3] for at in range(0, len(data), 3)),
    "with nothing between": lambda data: (b"", data[:5], b"", data[5:], b""),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_call_is_answered_however_the_bytes_are_cut(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    pair = loopback(Echoer(), cut=cut)
    result = pair.root.callRemote("echo", ["hello", {"network": 1}])
    failed = pair.root.callRemote("fail")
    assert not result.called
    assert not pair.quiet
    pair.run()

    assert came_to(result) == ["hello", {"network": 1}]
    assert isinstance(came_to(failed), RemoteError)
    assert pair.quiet


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_an_echoed_reference_is_the_object_itself(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    """Between two Twisted peers it comes home as None."""
    me = pb.Referenceable()
    pair = loopback(Echoer(), cut=cut)
    result = pair.root.callRemote("echo", me)
    pair.run()

    assert came_to(result) is me
    assert pair.client.ours.exports.counts() == {}


def test_two_roots_may_call_each_other() -> None:
    class Shy(pb.Referenceable):
        def remote_name(self) -> str:
            return "client"

    server = Echoer()
    pair = loopback(server)
    pair.root.callRemote("keep", Shy())
    pair.run()
    named = server.kept[0].callRemote("name")
    pair.run()

    assert came_to(named) == "client"
    assert pair.client.ours.exports.counts() == pair.server.theirs.exports.counts() == {1: 1}


def test_without_a_handshake_not_a_byte_has_been_exchanged() -> None:
    pair = loopback(Echoer(), handshake=False)

    assert pair.sent == {Side.CLIENT: b"", Side.SERVER: b""}
    assert pair.client.dialect is None
    assert pair.step(Side.SERVER)
    assert pair.client.dialect is not None
    assert pair.server.dialect is None
    assert pair.run() is pair
    assert pair.server.dialect is pair.client.dialect


def test_what_was_sent_is_kept_for_both_sides() -> None:
    pair = loopback(Echoer())

    assert pair.sent[Side.SERVER] == b"\x02\x80\x02\x82pb\x04\x82none" + b"\x02\x80\x13\x87\x06\x81"
    assert pair.sent[Side.CLIENT] == b"\x02\x82pb" + b"\x02\x80\x13\x87\x06\x81"


def test_a_step_delivers_what_one_side_has_ready() -> None:
    pair = loopback(Echoer())
    result = pair.root.callRemote("echo", 5)

    assert not pair.step(Side.SERVER)
    assert pair.step(Side.CLIENT)
    assert not result.called
    assert pair.step(Side.SERVER)
    assert came_to(result) == 5
    assert not pair.step(Side.SERVER)
    assert not pair.step(Side.CLIENT)


def test_each_side_is_a_broker_and_knows_its_link_by_name() -> None:
    pair = loopback(Echoer())

    assert pair.broker(Side.CLIENT) is pair.client
    assert pair.broker(Side.SERVER) is pair.server
    assert (str(pair.client.link), str(pair.server.link)) == ("client", "server")
    assert isinstance(pair, Loopback)


def test_time_passes_when_it_is_told_to() -> None:
    pair = loopback(Echoer())
    pair.advance(2.5)
    pair.root.callRemote("echo", 5)
    pair.advance(1)
    pair.root.callRemote("echo", 5)

    assert [call.since for call in pair.client.ours.pending.values()] == [2.5, 3.5]


def test_a_tap_sees_every_chunk_and_the_end() -> None:
    seen: list[Piece] = []
    pair = loopback(Echoer(), tap=seen.append)
    pair.advance(1.5)
    pair.root.callRemote("echo", 5)
    pair.run()
    pair.lose(ConnectionResetError("cut here"))

    chunks = [each for each in seen if isinstance(each, Chunk)]
    for side in Side:
        assert b"".join(chunk.data for chunk in chunks if chunk.sender is side) == pair.sent[side]
    assert {chunk.connection for chunk in chunks} == {1}
    assert seen[-1] == LinkEvent(1.5, 1, "closed", None, "cut here")


@pytest.mark.parametrize("reason", [None, ConnectionResetError("by me")])
def test_the_end_is_the_end_of_both_sides(reason: BaseException | None) -> None:
    pair = loopback(Echoer())
    result = pair.root.callRemote("echo", 5)
    pair.lose(reason)
    error = came_to(result)

    assert isinstance(error, PBConnectionLost)
    assert str(error.reason) == ("the loopback was cut" if reason is None else "by me")
    assert pair.client.lost is pair.server.lost is error.reason
    assert not pair.step(Side.CLIENT)
    assert not pair.step(Side.SERVER)
    pair.run()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_what_a_broker_refuses_ends_the_connection_after_its_answers(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    pair = loopback(Echoer(), cut=cut)
    result = pair.root.callRemote("echo", 5)
    pair.client.outbox.say(b"version", 7)
    behind = pair.root.callRemote("echo", 6)
    pair.run()

    assert came_to(result) == 5
    assert isinstance(came_to(behind), PBConnectionLost)
    assert isinstance(pair.server.lost, ProtocolError)
    assert pair.client.lost is pair.server.lost


def test_a_refusal_may_be_answered_by_a_refusal() -> None:
    pair = loopback(Echoer())
    pair.client.outbox.say(b"version", 7)
    pair.server.outbox.say(b"version", 8)
    pair.run()

    assert isinstance(pair.client.lost, ProtocolError)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_broker_that_closes_is_answered_no_more(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    pair = loopback(Echoer(), cut=cut)
    before = pair.root.callRemote("echo", 5)
    pair.step(Side.CLIENT)
    pair.server.close(ConnectionGone("enough"))
    after = pair.root.callRemote("echo", 6)
    pair.run()

    assert came_to(before) == 5
    assert isinstance(came_to(after), PBConnectionLost)
    assert str(pair.client.lost) == "enough"


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_method_may_end_the_connection(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    server = Echoer()
    pair = loopback(server, cut=cut)
    server.kept.append(pair)
    results = [pair.root.callRemote("end"), pair.root.callRemote("keep", 5)]
    pair.run()

    assert [type(came_to(result)) for result in results] == [PBConnectionLost] * 2
    assert server.kept == [pair]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_long_answers_to_short_calls_arrive_in_order(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    """The server stops reading while more is ready than its send buffer holds."""
    pair = loopback(Echoer(), cut=cut, limits=Limits(send_buffer=100), client_limits=Limits())
    results = [pair.root.callRemote("long", size) for size in range(60, 70)]
    pair.run()

    assert [len(came_to(result)) for result in results] == list(range(60, 70))


def test_the_connection_may_end_while_long_answers_wait() -> None:
    server = Echoer()
    pair = loopback(server, limits=Limits(send_buffer=100))
    results = [pair.root.callRemote("long", 90) for _ in range(5)]
    results[1].addCallback(lambda _: pair.lose())
    pair.run()

    assert len(came_to(results[0])) == 90
    assert isinstance(came_to(results[4]), PBConnectionLost)


def test_each_side_may_have_limits_and_security_of_its_own() -> None:
    narrow = SecurityOptions(types=["tuple", "dictionary", "unicode"])
    pair = loopback(
        Echoer(),
        limits=Limits(string=3_000),
        client_limits=Limits(string=4_000),
        client_security=narrow,
        unsafeTracebacks=True,
    )
    listed = pair.root.callRemote("echo", [])
    shown = pair.root.callRemote("fail")
    pair.run()

    assert pair.client.security is narrow
    assert pair.server.security is not narrow
    assert "of class list" in str(came_to(listed))
    assert "remote_fail" in came_to(shown).remoteTraceback
    too_long = pair.root.callRemote("echo", b"x" * 3_500)
    pair.run()
    assert isinstance(came_to(too_long), PBConnectionLost)
    assert isinstance(pair.server.lost, LimitExceeded)


def test_a_stranger_may_send_less() -> None:
    pair = loopback(Echoer(), limits=Limits(expression_before_login=500), untrusted=True)
    pair.root.callRemote("echo", b"x" * 600).addErrback(lambda _: None)
    pair.run()

    assert isinstance(pair.server.lost, LimitExceeded)


def test_a_coroutine_may_wait_for_deferreds_without_a_loop() -> None:
    server = Echoer()
    waiting: Deferred[None] = Deferred()
    server.kept.append(waiting)
    pair = loopback(server)
    result = pair.root.callRemote("wait")
    pair.run()
    assert not result.called
    waiting.callback(None)
    pair.run()

    assert came_to(result) == "waited"


async def test_what_runs_coroutines_may_be_ones_own() -> None:
    started: list[Any] = []

    def start(awaitable: Awaitable[Any], context: contextvars.Context) -> Deferred[Any]:
        started.append(pb.current_connection.__module__ and context.run(pb.current_connection))
        return Deferred.fromFuture(asyncio.ensure_future(awaitable))

    server = Echoer()
    server.kept.append(asyncio.sleep(0))
    pair = loopback(server, start=start)
    result = pair.root.callRemote("wait")
    pair.run()
    while not result.called:
        await asyncio.sleep(0)
        pair.run()

    assert await result == "waited"
    assert started == [pair.server.link]
