"""serve(): endpoints that are listened on, and the connections that come in. Knows when it all ends; no calls."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

from pbshell.broker.security import SecurityOptions
from pbshell.errors import UsageError
from pbshell.net import tasks
from pbshell.net.client import readable
from pbshell.net.connection import Connection
from pbshell.net.endpoints import ListenEndpoint, ListenSSL, ListenTCP, ListenUnix, parse_listen
from pbshell.net.factories import PBServerFactory
from pbshell.net.sockets import listening_unix, remove
from pbshell.net.starting import Starting
from pbshell.wire.chunk import Tap
from pbshell.wire.limits import DEFAULT_LIMITS, Limits

__all__ = ["Server", "Serving", "serve"]

log = logging.getLogger("pbshell.net")


def serve(
    root_or_portal: Any,
    *targets: str | ListenEndpoint,
    max_connections: int | None = None,
    close_timeout: float = 5,
    open_timeout: float | None = 30,
    call_timeout: float | None = None,
    keepalive: float | None = 60,
    tls: ssl.SSLContext | None = None,
    unsafeTracebacks: bool = False,
    security: SecurityOptions | None = None,
    limits: Limits = DEFAULT_LIMITS,
    tap: Tap | None = None,
    sock: socket.socket | None = None,
) -> Serving:
    """Offer *root_or_portal* at each of *targets*: ``tcp:8789``, ``ssl:8790:privateKey=...``, ``unix:/run/echo``...

    ``await`` it for a Server, or use it with ``async with`` to have that closed at the end.

    *max_connections* is for all targets together; who comes beyond is refused. Times are in seconds, None is for
    ever: a stranger has *open_timeout* for the handshake, and to log in where that is asked for; when the server ends,
    its peers have *close_timeout* to take what is left. *tls* is a context for all ``tcp:`` and ``unix:`` targets.
    *sock* is a listening socket, to be used beside the targets. The rest is as in `connect`.

    Raises OSError when one of the targets cannot be had, and then none is; UsageError, before anything is done, for a
    target that is none, or what cannot be a root.
    """
    if not targets and sock is None:
        raise UsageError("serve needs a place to listen: serve(root, 'tcp:8789')")
    if max_connections is not None and max_connections < 1:
        raise UsageError(f"max_connections={max_connections}: a number from 1, or None for any number")
    endpoints = [parse_listen(target) if isinstance(target, str) else target for target in targets]
    factory = PBServerFactory(root_or_portal, unsafeTracebacks, security, limits=limits)
    factory.max_connections = max_connections
    factory.settings = replace(
        factory.settings,
        open_timeout=open_timeout,
        call_timeout=call_timeout,
        keepalive=keepalive,
        close_timeout=close_timeout,
        tap=tap,
    )
    return Serving(factory, endpoints, tls, sock)


class Serving(Starting["Server"]):
    """A server that is to be started: what `serve` gives."""

    def __init__(
        self,
        factory: PBServerFactory,
        endpoints: list[ListenEndpoint],
        tls: ssl.SSLContext | None,
        sock: socket.socket | None,
    ) -> None:
        self._factory = factory
        self._endpoints = endpoints
        self._tls = tls
        self._sock = sock
        super().__init__(self._start)

    async def _start(self) -> Server:
        server = Server(self._factory)
        try:
            for endpoint in self._endpoints:
                await server.listen(endpoint, self._tls)
            if self._sock is not None:
                await server.listen_on(self._sock, self._tls)
        except BaseException:
            server.close()
            await server.wait_closed()
            raise
        return server


class Server:
    """Listens, and keeps its connections until it is closed."""

    def __init__(self, factory: PBServerFactory) -> None:
        self.factory = factory
        self._loop = asyncio.get_running_loop()
        self._listening: list[tuple[asyncio.Server, ListenEndpoint]] = []
        self._paths: list[tuple[str, int]] = []  # sockets of ours in the file system: path and inode
        self._ending = asyncio.Event()
        self._end: asyncio.Task[None] | None = None

    @property
    def endpoints(self) -> tuple[ListenEndpoint, ...]:
        """What is listened on, with the ports that were chosen; ``str`` of one is its endpoint string."""
        return tuple(endpoint for _, endpoint in self._listening)

    @property
    def port(self) -> int | None:
        """The port of the first endpoint that has one."""
        return next((each.port for each in self.endpoints if not isinstance(each, ListenUnix)), None)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that are open."""
        return tuple(self.factory.connections)

    # ------------------------------------------------------------------------------------ beginning

    async def listen(self, endpoint: ListenEndpoint, tls: ssl.SSLContext | None = None) -> None:
        """Listen on *endpoint* too. Raises OSError."""
        if isinstance(endpoint, ListenUnix):
            sock = listening_unix(endpoint.path, endpoint.mode)
            self._paths.append((endpoint.path, os.lstat(endpoint.path).st_ino))
            await self.listen_on(sock, tls, endpoint)
        else:
            if isinstance(endpoint, ListenSSL):
                tls = await self._loop.run_in_executor(None, _context, endpoint)
            place = (endpoint.interface, endpoint.port)
            server = await self._loop.create_server(self.factory, *place, start_serving=False, **self._options(tls))
            await self._add(server, endpoint)

    async def listen_on(
        self, sock: socket.socket, tls: ssl.SSLContext | None = None, endpoint: ListenEndpoint | None = None
    ) -> None:
        """Listen on *sock*, which is bound, too; *endpoint* is how it is shown. Raises OSError."""
        options = self._options(tls)
        if sock.family == getattr(socket, "AF_UNIX", None):
            server = await self._loop.create_unix_server(self.factory, sock=sock, start_serving=False, **options)
            await self._add(server, endpoint or ListenUnix(sock.getsockname()))
        else:
            server = await self._loop.create_server(self.factory, sock=sock, start_serving=False, **options)
            await self._add(server, endpoint or ListenTCP(0))

    def _options(self, tls: ssl.SSLContext | None) -> dict[str, Any]:  # Any: asyncio's own mixture
        if tls is None:
            return {}
        settings = self.factory.settings
        return {
            "ssl": tls,
            "ssl_handshake_timeout": settings.open_timeout,
            "ssl_shutdown_timeout": settings.close_timeout,
        }

    async def _add(self, server: asyncio.Server, endpoint: ListenEndpoint) -> None:
        # In the books before it serves: a cancellation in between must not leave a port open that nobody knows of.
        for sock in server.sockets:
            if isinstance(endpoint, ListenUnix):
                self._listening.append((server, endpoint))
            else:
                address, port = sock.getsockname()[:2]
                self._listening.append((server, replace(endpoint, port=port, interface=address)))
        await server.start_serving()

    # ------------------------------------------------------------------------------------ ending

    async def serve_forever(self) -> None:
        """Wait until the server has ended; to cancel this is to close it."""
        try:
            await self._ending.wait()
        finally:
            self.close()
            await self.wait_closed()

    def close(self) -> None:
        """Stop listening, close the connections in good order, and end the methods that still run."""
        if self._end is None:
            self.factory.closing = True
            for server, _ in self._listening:
                server.close()
            for path, inode in self._paths:
                remove(path, inode)
            self._ending.set()
            self._end = self._loop.create_task(self._finish())

    async def wait_closed(self) -> None:
        """Wait until a server that was closed has ended: no connection, no method, no socket is left."""
        await self._ending.wait()
        if self._end is not None:
            await asyncio.shield(self._end)

    async def _finish(self) -> None:
        timeout = self.factory.settings.close_timeout
        for connection in self.connections:
            connection.close()
        await self._wait_for_connections(timeout)
        for connection in self.connections:
            connection.abort()
        await self._wait_for_connections(timeout)
        left = tasks.cancel(self.factory)
        if left:
            _, unended = await asyncio.wait(left, timeout=timeout)
            for task in unended:
                log.error("a method does not end when it is cancelled: %r", task)

    async def _wait_for_connections(self, timeout: float) -> None:
        waiting = [self._loop.create_task(connection.wait_closed()) for connection in self.connections]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout)
            for task in late:
                task.cancel()


def _context(endpoint: ListenSSL) -> ssl.SSLContext:
    """The TLS context of *endpoint*. Raises OSError for a file that cannot be used; it is named."""
    readable(endpoint.privateKey)
    readable(endpoint.certKey)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(endpoint.certKey, endpoint.privateKey)
    if endpoint.caCertsDir is not None:
        # Read one by one: OpenSSL itself looks only for files that are named after hashes.
        certificates = sorted(Path(endpoint.caCertsDir).glob("*.pem"))
        if not certificates:
            raise FileNotFoundError(errno.ENOENT, "there is no *.pem file in", endpoint.caCertsDir)
        for each in certificates:
            context.load_verify_locations(each)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
