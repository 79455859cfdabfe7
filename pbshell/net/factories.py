"""PBServerFactory and PBClientFactory: what ``loop.create_server`` and ``loop.create_connection`` take.

Know roots, portals and who waits for a connection; do not know how one comes about, but for `connectTCP`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pbshell.broker.flavors import Referenceable
from pbshell.broker.security import SecurityOptions
from pbshell.cred.login import PortalRoot, login
from pbshell.cred.portal import Portal
from pbshell.defer import Deferred
from pbshell.errors import ConnectionGone, UsageError, dotted_name
from pbshell.net.connection import Connection, Settings
from pbshell.net.sockets import dial
from pbshell.wire.chunk import Side
from pbshell.wire.limits import DEFAULT_LIMITS, Limits

__all__ = ["PBClientFactory", "PBServerFactory", "connectTCP", "root_of"]

log = logging.getLogger("pbshell.net")

#: Attempts of connectTCP under way. The loop holds tasks only weakly.
_attempts: set[asyncio.Task[None]] = set()


class PBServerFactory:
    """Makes the server's end of each connection, which offers a root object, or asks for a login first.

    Give it to ``loop.create_server``; `serve` does it for you.
    """

    def __init__(
        self,
        root_or_portal: Any,
        unsafeTracebacks: bool = False,
        security: SecurityOptions | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Offer *root_or_portal*: a Root, or anything with ``rootObject(broker)``, or a Portal to log in at.

        *unsafeTracebacks* shows a peer where an exception came from. Raises UsageError for what cannot be a root.
        """
        root = root_of(root_or_portal)
        self.settings = Settings(
            side=Side.SERVER,
            root=root,
            asks_for_login=isinstance(root, PortalRoot),
            unsafeTracebacks=unsafeTracebacks,
            security=security,
            limits=limits,
        )
        #: the connections that are open
        self.connections: set[Connection] = set()
        #: how many there may be; None for any number
        self.max_connections: int | None = None
        #: whether none is wanted any more
        self.closing = False

    def __call__(self) -> Connection:
        """The protocol of one more connection."""
        return Connection(self)

    def made(self, connection: Connection) -> str | None:
        """*connection* has a transport. Returns None, or why it is not wanted."""
        if self.closing:
            return "the server is closing"
        most = self.max_connections
        if most is not None and len(self.connections) >= most:
            return f"{most:,} connections are open, and max_connections={most} grants no more"
        self.connections.add(connection)
        return None

    def ready(self, connection: Connection) -> None:
        """The handshake of *connection* is over."""

    def lost(self, connection: Connection, reason: BaseException) -> None:
        """*connection* is gone because of *reason*."""
        self.connections.discard(connection)


class PBClientFactory:
    """Makes the client's end of a connection, and lets others wait for what it leads to.

    Give it to ``loop.create_connection`` or `connectTCP`. With `connect` it is not needed.
    """

    def __init__(
        self,
        unsafeTracebacks: bool = False,
        security: SecurityOptions | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """*unsafeTracebacks* shows the server where an exception of ours came from, when it calls us."""
        self.settings = Settings(side=Side.CLIENT, unsafeTracebacks=unsafeTracebacks, security=security, limits=limits)
        #: the connection made last, while it is there
        self.connection: Connection | None = None
        self._waiting: list[Deferred[Any]] = []

    def __call__(self) -> Connection:
        """The protocol of one more connection."""
        return Connection(self)

    def getRootObject(self) -> Deferred[Any]:
        """A reference to the server's root object: now, or when a connection has been made.

        Fails with the reason when the connection that is awaited fails, or ends before the handshake is over.
        """
        root: Deferred[Any] = Deferred()
        if self.connection is not None and self.connection.ready:
            root.callback(self.connection.broker.root_reference())
        else:
            self._waiting.append(root)
        return root

    def login(self, credentials: Any, client: object = None) -> Deferred[Any]:
        """Log in with *credentials*, now or when a connection has been made; fires with a reference to the avatar.

        *client* is the mind: a Referenceable by which the server can call back, or None.
        Fails with LoginFailed when the server does not let us in, else as `getRootObject`.
        """
        return self.getRootObject().addCallback(login, credentials, client)

    def disconnect(self) -> None:
        """Close the connection, if there is one; who waits for one waits on."""
        if self.connection is not None:
            self.connection.close()

    def clientConnectionFailed(self, reason: BaseException) -> None:
        """No connection came about, because of *reason*: whoever waits is told. To be overridden, to try again."""
        self._fail(reason)

    def clientConnectionLost(self, connection: Connection, reason: BaseException) -> None:
        """*connection* is gone because of *reason*. To be overridden, to connect again; does nothing itself."""

    def made(self, connection: Connection) -> str | None:
        """*connection* has a transport."""
        self.connection = connection
        return None

    def ready(self, connection: Connection) -> None:
        """The handshake of *connection* is over: whoever waits gets its root, in the order in which they asked."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(connection.broker.root_reference())

    def lost(self, connection: Connection, reason: BaseException) -> None:
        """*connection* is gone because of *reason*: whoever still waited for it is told."""
        if self.connection is connection:
            self.connection = None
            self._fail(reason)
        self.clientConnectionLost(connection, reason)

    def _fail(self, reason: BaseException) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(reason)


def connectTCP(host: str, port: int, factory: PBClientFactory, timeout: float = 30) -> asyncio.Task[None]:
    """Connect *factory* to *port* of *host*, for at most *timeout* seconds.

    Never raises: that it failed reaches everyone who waits for `getRootObject` or `login`, as OSError or TimeoutError.
    Returns the attempt, which may be cancelled, and need not be awaited. Raises UsageError where no loop runs.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError("connectTCP needs a running loop: call it in a coroutine that asyncio.run runs") from None
    attempt = loop.create_task(_attempt(host, port, factory, timeout))
    _attempts.add(attempt)
    attempt.add_done_callback(_attempts.discard)
    return attempt


async def _attempt(host: str, port: int, factory: PBClientFactory, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().create_connection(factory, sock=await dial(host, port))
    except asyncio.CancelledError:
        factory.clientConnectionFailed(ConnectionGone(f"the attempt to connect to {host}:{port} was cancelled"))
        raise
    except TimeoutError as error:
        reason = error if error.args else TimeoutError(f"no connection to {host}:{port} within {timeout:g} seconds")
        factory.clientConnectionFailed(reason)
    except Exception as error:  # noqa: BLE001 - also a host that is no name, a port that is no number: who waits is told
        factory.clientConnectionFailed(error)


def root_of(root_or_portal: Any) -> Any:
    """The object with ``rootObject(broker)`` that *root_or_portal* stands for. Raises UsageError."""
    if isinstance(root_or_portal, Portal):
        return PortalRoot(root_or_portal)
    if isinstance(root_or_portal, type):
        raise UsageError(f"the root is an object, not a class: write {root_or_portal.__name__}(...)")
    if callable(getattr(root_or_portal, "rootObject", None)):
        return root_or_portal
    name = dotted_name(type(root_or_portal))
    if isinstance(root_or_portal, Referenceable):
        raise UsageError(f"{name} is a Referenceable and no Root, so not for everyone: subclass pb.Root")
    raise UsageError(f"{name} cannot be the root: give an object of a subclass of pb.Root, or a Portal")
