"""relay(): whoever connects here is connected there, and what the two say can be watched. Knows no Perspective Broker.

How a connection is passed on is in net/pairs.py; here is where they come from, and where they go.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from pbshell.errors import UsageError
from pbshell.net.connection import Settings
from pbshell.net.endpoints import (
    ConnectEndpoint,
    ConnectUnix,
    ListenEndpoint,
    ListenUnix,
    parse_connect,
    parse_listen,
)
from pbshell.net.pairs import Hub, Pair
from pbshell.net.server import Server
from pbshell.net.starting import Starting
from pbshell.wire.chunk import Side, Tap

__all__ = ["Relay", "Relaying", "relay"]


def relay(
    listen: str | ListenEndpoint,
    to: str | ConnectEndpoint,
    *,
    tap: Tap | None = None,
    tell: Callable[[str], None] | None = None,
    max_connections: int | None = None,
    close_timeout: float = 5,
    open_timeout: float | None = 10,
    keepalive: float | None = 60,
    tls: ssl.SSLContext | None = None,
    to_tls: bool | ssl.SSLContext | None = None,
    to_tls_name: str | None = None,
) -> Relaying:
    """Listen at *listen*, and connect each client that comes to *to*, which nothing that is said can change.

    ``await`` it for a Relay, or use it with ``async with`` to have that closed at the end.

    *tap* is handed each chunk and link event after it was acted upon; it must not block. *tell* is called with one
    line for what a person should know, as that the target is down; without it these lines are logged. *tls* is for a
    ``tcp:`` or ``unix:`` place to listen, *to_tls* and *to_tls_name* are for the target, as in `connect`.

    Times are in seconds, None is for ever: *open_timeout* is for the connection to the target, *close_timeout* is what
    the two sides get to take what is left when nothing more can be passed on, and after *keepalive* of silence the
    system looks whether they are still there.

    Raises OSError when the place or a file for TLS cannot be had; UsageError for what is none, and when the two are
    the same place. A target that is down is no error: it is tried anew for each client.
    """
    settings = Settings(
        side=Side.SERVER, open_timeout=open_timeout, close_timeout=close_timeout, keepalive=keepalive, tap=tap
    )
    if max_connections is not None and max_connections < 1:
        raise UsageError(f"max_connections={max_connections}: a number from 1, or None for any number")
    place = parse_listen(listen) if isinstance(listen, str) else listen
    target = parse_connect(to) if isinstance(to, str) else to
    hub = Hub(settings, target, tell, max_connections, to_tls, to_tls_name)
    return Relaying(hub, place, tls)


class Relaying(Starting["Relay"]):
    """A relay that is to be started: what `relay` gives."""

    def __init__(self, hub: Hub, place: ListenEndpoint, tls: ssl.SSLContext | None) -> None:
        self._hub = hub
        self._place = place
        self._tls = tls
        super().__init__(self._start)

    async def _start(self) -> Relay:
        await _refuse_circle(self._place, self._hub.target)
        await self._hub.prepare()
        # It asks of what makes its connections only what a Hub has.
        server = Server(cast(Any, self._hub))
        relay = Relay(self._hub, server)
        try:
            await server.listen(self._place, self._tls)
            for place in server.endpoints:  # with the port that was chosen
                await _refuse_circle(place, self._hub.target)
        except BaseException:
            relay.close()
            await relay.wait_closed()
            raise
        return relay


class Relay:
    """Listens, and keeps its pairs until it is closed."""

    def __init__(self, hub: Hub, server: Server) -> None:
        self._hub = hub
        self._server = server

    @property
    def endpoints(self) -> tuple[ListenEndpoint, ...]:
        """What is listened on, with the port that was chosen; ``str`` of one is its endpoint string."""
        return self._server.endpoints

    @property
    def port(self) -> int | None:
        """The port of the first endpoint that has one."""
        return self._server.port

    @property
    def target(self) -> ConnectEndpoint:
        """Where the clients are connected to."""
        return self._hub.target

    @property
    def connections(self) -> tuple[Pair, ...]:
        """The pairs of a client and its connection to the target, in the order in which they came."""
        return tuple(self._hub.connections)

    def set_tap(self, tap: Tap | None) -> None:
        """From now on hand every chunk and link event to *tap*; None ends that.

        Of the connections that are open, what was said before is told as a gap of each side.
        """
        self._hub.watch(tap)
        for pair in self.connections:
            for side in Side:
                pair.event("gap", side, "what was said before was not watched")

    async def serve_forever(self) -> None:
        """Wait until the relay has ended; to cancel this is to close it."""
        await self._server.serve_forever()

    def close(self) -> None:
        """Stop listening, and close all connections: what is on its way to a side is sent first."""
        self._server.close()

    async def wait_closed(self) -> None:
        """Wait until a relay that was closed has ended."""
        await self._server.wait_closed()


async def _refuse_circle(place: ListenEndpoint, target: ConnectEndpoint) -> None:
    """Raise UsageError if who connects to *target* comes out at *place*: the relay would connect to itself for ever."""
    if isinstance(place, ListenUnix):
        same = isinstance(target, ConnectUnix) and _is_same_file(place.path, target.path)
    elif isinstance(target, ConnectUnix):
        same = False
    else:
        same = place.port == target.port and await _leads_to(target.host, place.interface)
    if same:
        raise UsageError(f"a relay from {place} to {target} would connect to itself: give another place to listen at")


async def _leads_to(host: str, interface: str) -> bool:
    """Whether a connection to *host* arrives at *interface* of this machine."""
    listening = await _numbers(interface)
    for number in await _numbers(host):
        # The system takes a connection to no address for one to this machine.
        place = _LOOPBACK[number.version] if number.is_unspecified else number
        for own in listening:
            if place == own or (own.is_unspecified and own.version == place.version and _is_own(place)):
                return True
    return False


def _is_same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


_Number: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_LOOPBACK: dict[int, _Number] = {4: ipaddress.IPv4Address("127.0.0.1"), 6: ipaddress.IPv6Address("::1")}


async def _numbers(host: str) -> set[_Number]:
    """The addresses of *host*; none if it is not known, which others will tell."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    numbers = {ipaddress.ip_address(address[0]) for _, _, _, _, address in found}
    return {getattr(number, "ipv4_mapped", None) or number for number in numbers}


def _is_own(number: _Number) -> bool:
    """Whether *number* is an address of this machine: then a socket can be bound to it."""
    with socket.socket(socket.AF_INET if number.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((str(number), 0))
        except OSError:
            return False
    return True
