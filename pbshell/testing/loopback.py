"""Two Brokers joined in memory: no network, no loop, no waiting. Delivers when told to, in any pieces."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from pbshell.broker.broker import Broker
from pbshell.broker.references import RemoteReference
from pbshell.broker.security import SecurityOptions
from pbshell.defer import Deferred, ensureDeferred
from pbshell.errors import PeerError
from pbshell.wire.chunk import Chunk, LinkEvent, Side, Tap
from pbshell.wire.limits import DEFAULT_LIMITS, Limits

__all__ = ["Loopback", "loopback"]

Start = Callable[[Awaitable[Any], contextvars.Context], Deferred[Any]]


def _start(awaitable: Awaitable[Any], context: contextvars.Context) -> Deferred[Any]:
    return context.run(ensureDeferred, awaitable)


class _End:
    """The Link of one Broker."""

    def __init__(self, name: str, start: Start) -> None:
        self.name = name
        self._start = start

    def wake(self) -> None:
        """Nothing to do: `Loopback.run` asks for what is ready."""

    def wake_threadsafe(self) -> None:
        """The same."""

    def start(self, awaitable: Awaitable[Any], context: contextvars.Context) -> Deferred[Any]:
        """Run *awaitable* by what the loopback was given."""
        return self._start(awaitable, context)

    def __str__(self) -> str:
        return self.name


class Loopback:
    """Two connected Brokers, *client* and *server*; *now* is their clock, in seconds."""

    client: Broker
    server: Broker

    def __init__(self, cut: Callable[[bytes], Iterable[bytes]], tap: Tap | None) -> None:
        self.now = 0.0
        self.sent: dict[Side, bytes] = {Side.CLIENT: b"", Side.SERVER: b""}
        self._cut = cut
        self._tap = tap

    def broker(self, side: Side) -> Broker:
        """The Broker of *side*."""
        return self.client if side is Side.CLIENT else self.server

    @property
    def root(self) -> RemoteReference:
        """The client's reference to the server's root."""
        return self.client.root_reference()

    def run(self) -> Loopback:
        """Deliver until nothing is left to deliver. What a Broker refuses ends the connection, as a link would."""
        moved = True
        while moved:
            moved = False
            for side in (Side.SERVER, Side.CLIENT):
                moved = self.step(side) or moved
        return self

    def step(self, sender: Side) -> bool:
        """Deliver what *sender* has ready. False when that was nothing."""
        broker, peer = self.broker(sender), self.broker(sender.other)
        if broker.lost is not None:
            return False
        data = broker.data_to_send()
        if data:
            self.sent[sender] += data
            if self._tap is not None:
                self._tap(Chunk(self.now, 1, sender, data))
            try:
                for piece in self._cut(data):
                    peer.receive_data(piece)
                while peer.behind:  # until it has said all, or the connection ends
                    self.step(sender.other)
                    peer.receive_data(b"")
            except PeerError as error:
                self.step(sender.other)
                self.lose(error)
                return True
        if broker.closing is not None:
            self.lose(broker.closing)
            return True
        return bool(data)

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds

    def lose(self, reason: BaseException | None = None) -> None:
        """End the connection on both sides. What was ready and not delivered is lost."""
        reason = reason or ConnectionResetError("the loopback was cut")
        if self._tap is not None:
            self._tap(LinkEvent(self.now, 1, "closed", None, str(reason)))
        for broker in (self.client, self.server):
            broker.connection_lost(reason)

    @property
    def quiet(self) -> bool:
        """Whether both sides have nothing left to send, to pay or to answer."""
        return self.client.quiet and self.server.quiet


def whole(data: bytes) -> Iterable[bytes]:
    """What was sent at once arrives at once."""
    return (data,)


def loopback(
    root: Any = None,
    *,
    cut: Callable[[bytes], Iterable[bytes]] = whole,
    tap: Tap | None = None,
    start: Start = _start,
    limits: Limits = DEFAULT_LIMITS,
    client_limits: Limits | None = None,
    security: SecurityOptions | None = None,
    client_security: SecurityOptions | None = None,
    unsafeTracebacks: bool = False,
    untrusted: bool = False,
    handshake: bool = True,
) -> Loopback:
    """A Loopback whose server offers *root* (an object with rootObject, or None).

    *cut* says in which pieces bytes arrive, *start* runs what methods return as awaitables. Without *handshake* not a
    byte has been exchanged.
    """
    pair = Loopback(cut, tap)

    def clock() -> float:
        return pair.now

    pair.client = Broker(
        Side.CLIENT,
        _End("client", start),
        security=client_security,
        limits=client_limits or limits,
        clock=clock,
    )
    pair.server = Broker(
        Side.SERVER,
        _End("server", start),
        root=root,
        security=security,
        limits=limits,
        unsafeTracebacks=unsafeTracebacks,
        untrusted=untrusted,
        clock=clock,
    )
    return pair.run() if handshake else pair
