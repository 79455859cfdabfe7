"""Sockets: how one is connected, made, tuned and named. Knows addresses and the system; speaks to nobody."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import stat
from pathlib import Path
from typing import Any

from pbshell.wire.text import visible

__all__ = ["address_of", "dial", "listening_unix", "prepare", "remove"]

#: Seconds after which the next address of a host is tried beside the one before (RFC 8305).
STAGGER = 0.25


async def dial(host: str, port: int) -> socket.socket:
    """A socket that is connected to *port* of *host*; the addresses of a host are tried one beside the other.

    asyncio's own way makes of several failures one error that has no type, and leaves the sockets to the collector.
    Raises OSError: that of the address which failed last, as those that cannot even be reached fail at once.
    """
    if not 0 < port < 65_536:  # the C library would take it modulo 65,536
        raise OSError(errno.EINVAL, f"{port} is no port: ports go from 1 to 65535")
    attempts: dict[asyncio.Task[socket.socket], None] = {}
    error: OSError | None = None
    try:
        for family, address in await _addresses(host, port):
            attempts[asyncio.ensure_future(_connected(family, address))] = None
            sock, error = await _first(attempts, STAGGER, error)
            if sock is not None:
                return sock
        while attempts:
            sock, error = await _first(attempts, None, error)
            if sock is not None:
                return sock
    finally:
        for attempt in attempts:
            attempt.cancel()
        for attempt in attempts:
            attempt.add_done_callback(_drop)
    raise error or socket.gaierror(socket.EAI_NONAME, f"{host} has no address")


async def _first(
    attempts: dict[asyncio.Task[socket.socket], None], seconds: float | None, error: OSError | None
) -> tuple[socket.socket | None, OSError | None]:
    """Wait until one of *attempts* is over, at most *seconds*: the socket that is connected, and the latest error."""
    done, _ = await asyncio.wait(attempts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    connected: socket.socket | None = None
    for attempt in done:
        del attempts[attempt]
        try:
            sock = attempt.result()
        except OSError as failed:
            error = failed
            continue
        if connected is None:
            connected = sock
        else:
            sock.close()
    return connected, error


async def _connected(family: int, address: object) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)  # type: ignore[arg-type]  # as getaddrinfo gave it
    except BaseException:
        sock.close()
        raise
    return sock


def _drop(attempt: asyncio.Task[socket.socket]) -> None:
    """Close what came too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _addresses(host: str, port: int) -> list[tuple[int, object]]:
    """Family and address of each place to try; the families take turns, in the system's order. Raises OSError."""
    try:
        try:
            # Without a thread, for what needs no look-up.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (UnicodeError, OverflowError) as error:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r}, {port!r} is no address: {error}") from None
    families: dict[int, list[tuple[int, object]]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*families.values())
    return [each for turn in turns for each in turn if each is not None]


def listening_unix(path: str, mode: int) -> socket.socket:
    """A socket that is bound to *path*, with the permissions *mode*; a dead one that lies there is removed.

    Raises OSError, also when a living one is there.
    """
    _remove_dead(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(OSError):  # where the system can, the file is born with its mode
            os.fchmod(sock.fileno(), mode)
        sock.bind(path)
        # Nobody can connect before `listen`, so it is not too late.
        Path(path).chmod(mode)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror or str(error), path) from None
    return sock


def _remove_dead(path: str) -> None:
    """Remove a socket that nobody listens on. Raises OSError if somebody does."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        return  # bind will say that it is in use
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            remove(path, found.st_ino)
            return
        except BlockingIOError:
            pass  # so many are waiting that no more fit: it lives
    raise OSError(errno.EADDRINUSE, "a server is listening there", path)


def remove(path: str, inode: int) -> None:
    """Remove the file at *path* unless another one has taken its place."""
    with contextlib.suppress(OSError):
        if os.lstat(path).st_ino == inode:
            Path(path).unlink()


def prepare(sock: socket.socket | None, keepalive: float | None, patience: float | None) -> None:
    """Let small calls go out at once, and have the system find out about a peer that has vanished.

    *keepalive* is the seconds of silence after which it looks for the peer, *patience* those that bytes may stay
    unacknowledged; None leaves that to the system.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    options = [(socket.IPPROTO_TCP, "TCP_NODELAY", 1)]
    if keepalive and patience:
        # What the system takes at most, in seconds and milliseconds.
        seconds = max(1, round(min(keepalive, 32_767)))
        options += [
            (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
            (socket.IPPROTO_TCP, "TCP_KEEPIDLE", seconds),
            (socket.IPPROTO_TCP, "TCP_KEEPALIVE", seconds),  # what macOS calls it
            (socket.IPPROTO_TCP, "TCP_KEEPINTVL", max(1, seconds // 3)),
            (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
            (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", round(1000 * min(patience, 1_000_000))),
        ]
    for level, name, value in options:
        option = getattr(socket, name, None)
        if option is not None:
            # An option is an improvement; a system that refuses one still carries the connection.
            with contextlib.suppress(OSError):
                sock.setsockopt(level, option, value)


def address_of(name: Any) -> str:
    """A socket's name, whatever its family, as text; empty if it has none."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    return f"unix:{visible(name)}" if name else ""
