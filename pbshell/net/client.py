"""connect(): one connection, or one after another. Knows endpoints, TLS, deadlines and back-off; no calls."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from pbshell.broker.security import SecurityOptions
from pbshell.errors import UsageError
from pbshell.net.connection import Connection, Settings, check_seconds
from pbshell.net.endpoints import ConnectEndpoint, ConnectTLS, ConnectUnix, parse_connect
from pbshell.net.sockets import dial
from pbshell.wire.chunk import Side, Tap
from pbshell.wire.limits import DEFAULT_LIMITS, Limits
from pbshell.wire.text import visible

__all__ = ["Connecting", "connect"]

log = logging.getLogger("pbshell.net")

#: Seconds between two attempts: the first, the longest, and how long a connection must live to begin anew.
FIRST_DELAY, LONGEST_DELAY, STEADY = 1.0, 60.0, 10.0


def connect(
    target: str | ConnectEndpoint | None,
    *,
    open_timeout: float | None = 10,
    call_timeout: float | None = None,
    keepalive: float | None = 60,
    tls: bool | ssl.SSLContext | None = None,
    tls_name: str | None = None,
    unsafeTracebacks: bool = False,
    security: SecurityOptions | None = None,
    limits: Limits = DEFAULT_LIMITS,
    tap: Tap | None = None,
    sock: socket.socket | None = None,
) -> Connecting:
    """Connect to the PB server at *target*: ``HOST:PORT``, ``tls:HOST:PORT``, ``unix:PATH``...

    ``await`` it for a Connection, use it with ``async with`` to have that closed at the end, or with ``async for`` to
    get one Connection after another: a new one each time the body has done with the last, with growing pauses while
    the server cannot be reached.

    Times are in seconds, None is for ever. *open_timeout* is for everything up to the end of the handshake,
    *call_timeout* for each answer. *keepalive* seconds of silence are followed by a sign of life. *tls* is True or a
    context of your own, *tls_name* the name that the certificate must have, if not that of the host. *tap* is handed
    all traffic. *sock* is a connected socket, in place of a target.

    Raises OSError, TimeoutError, PeerError; UsageError, before anything is done, for a target that is none.
    """
    endpoint = parse_connect(target) if isinstance(target, str) else target
    if (endpoint is None) == (sock is None):
        raise UsageError("connect needs a target, as localhost:8789, or a connected socket: connect(None, sock=...)")
    check_seconds("open_timeout", open_timeout)
    settings = Settings(
        side=Side.CLIENT,
        unsafeTracebacks=unsafeTracebacks,
        security=security,
        limits=limits,
        open_timeout=None,  # Connecting sees to it, for it includes what comes before the transport
        call_timeout=call_timeout,
        keepalive=keepalive,
        tap=tap,
    )
    return Connecting(endpoint, settings, open_timeout=open_timeout, tls=tls, tls_name=tls_name, sock=sock)


class Connecting:
    """A connection that is to be made: what `connect` gives."""

    def __init__(
        self,
        endpoint: ConnectEndpoint | None,
        settings: Settings,
        *,
        open_timeout: float | None,
        tls: bool | ssl.SSLContext | None,
        tls_name: str | None,
        sock: socket.socket | None,
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint
        #: what `async for` waits with between two attempts, and by which it knows how long one lasted
        self.sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
        self._open_timeout = open_timeout
        self._tls = tls
        self._tls_name = tls_name
        self._sock = sock
        self._entered: Connection | None = None
        if isinstance(endpoint, ConnectUnix) and tls and tls_name is None:
            raise UsageError(f"TLS over {endpoint} needs tls_name=, the name that the certificate must have")
        if isinstance(endpoint, ConnectTLS) and tls is False:
            raise UsageError(f"{endpoint} says TLS and tls=False says none: write tcp: in place of tls:")

    def __str__(self) -> str:
        return str(self.endpoint) if self.endpoint is not None else "the socket given"

    # ------------------------------------------------------------------------------------ what it can be used as

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._open().__await__()

    async def __aenter__(self) -> Connection:
        self._entered = await self._open()
        return self._entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._entered is not None:
            await _end(self._entered)

    async def __aiter__(self) -> AsyncIterator[Connection]:
        """One connection after another, each closed when the body asks for the next.

        OSError and TimeoutError are logged and tried again; PeerError is raised, because who does not speak PB will
        not learn it.
        """
        if self._sock is not None:
            raise UsageError("a socket serves for one connection: without sock= there can be one after another")
        loop = asyncio.get_running_loop()
        delays = _delays()
        while True:
            began = loop.time()
            try:
                connection = await self._open()
            except OSError as error:  # TimeoutError is one
                log.warning("%s: %s: %s", self, type(error).__name__, visible(str(error), 500))
            else:
                try:
                    yield connection
                finally:
                    await _end(connection)
                log.info("%s: connection ended: %s", self, visible(str(connection.reason), 500))
                if loop.time() - began >= STEADY:
                    delays = _delays()
            delay = next(delays)
            log.info("%s: next attempt in %.1f seconds", self, delay)
            await self.sleep(delay)

    # ------------------------------------------------------------------------------------ how it is done

    async def _open(self) -> Connection:
        """Transport and handshake, all in *open_timeout*."""
        attempt = _Attempt(self.settings)
        try:
            async with asyncio.timeout(self._open_timeout) as deadline:
                connection: Connection = await self.open_transport(attempt)
                await connection.getRootObject()
        except TimeoutError as error:
            attempt.give_up()
            if not deadline.expired():
                raise  # the system's own, which says more
            raise TimeoutError(self._too_late(attempt.connection)) from error
        except BaseException:
            attempt.give_up()
            raise
        return connection

    def _too_late(self, connection: Connection | None) -> str:
        seconds = f"{self._open_timeout:g} seconds"
        if connection is None:
            return f"no connection to {self} within {seconds}"
        if connection.received:
            return f"{self} accepted the connection, and the handshake was not over within {seconds}"
        hint = "" if self.is_tls() else ": is it a PB server, and does it not expect TLS?"
        return f"{self} accepted the connection and said nothing within {seconds}{hint}"

    async def open_transport(self, attempt: Callable[[], Any]) -> Any:
        """What *attempt* makes, once it has a transport. Raises OSError."""
        loop = asyncio.get_running_loop()
        endpoint = self.endpoint
        options: dict[str, Any] = {}  # Any: asyncio's own mixture
        if self.is_tls():
            options = {
                "ssl": await loop.run_in_executor(None, self.context),
                "server_hostname": self._tls_name or getattr(endpoint, "host", ""),
                "ssl_handshake_timeout": 86_400.0,  # open_timeout is what counts
                "ssl_shutdown_timeout": self.settings.close_timeout,
            }
        if isinstance(endpoint, ConnectUnix):
            _, connection = await loop.create_unix_connection(attempt, endpoint.path, **options)
        else:
            sock = self._sock
            if endpoint is not None:
                sock = await dial(endpoint.host, endpoint.port)
            _, connection = await loop.create_connection(attempt, sock=sock, **options)
        return connection

    def is_tls(self) -> bool:
        """Whether the connection is to be TLS."""
        return isinstance(self.endpoint, ConnectTLS) or self._tls not in (None, False)

    def context(self) -> ssl.SSLContext:
        """The TLS context to use. Raises OSError for a file that cannot be used; it is named."""
        endpoint = self.endpoint
        if isinstance(self._tls, ssl.SSLContext):
            return self._tls
        if not isinstance(endpoint, ConnectTLS):
            return ssl.create_default_context()
        for name in (endpoint.ca, endpoint.cert, endpoint.key):
            if name is not None:
                readable(name)
        context = ssl.create_default_context(cafile=endpoint.ca)
        if endpoint.cert is not None:
            context.load_cert_chain(endpoint.cert, endpoint.key)
        return context


class _Attempt:
    """Makes the one connection of one attempt, and gives it up."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: the connection, once it has a transport
        self.connection: Connection | None = None

    def __call__(self) -> Connection:
        return Connection(self)

    def made(self, connection: Connection) -> str | None:
        """*connection* has a transport."""
        self.connection = connection
        return None

    def ready(self, connection: Connection) -> None:
        """The handshake of *connection* is over."""

    def lost(self, connection: Connection, reason: BaseException) -> None:
        """*connection* is gone because of *reason*."""

    def give_up(self) -> None:
        """Let nothing be left of the connection."""
        if self.connection is not None:
            self.connection.abort()


def readable(name: str) -> None:
    """Raise the OSError that names the file if *name* cannot be read; ssl's own would not."""
    with Path(name).open("rb"):
        pass


async def _end(connection: Connection) -> None:
    connection.close()
    await connection.wait_closed()


def _delays() -> Iterator[float]:
    """Seconds before each attempt: doubled up to a bound, and spread, so that not all clients come at once."""
    delay = FIRST_DELAY
    while True:
        yield delay * random.uniform(0.5, 1.0)
        delay = min(delay * 2, LONGEST_DELAY)
