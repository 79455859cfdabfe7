"""The way to a server: name, addresses, socket in the file system. Knows the system's errors; speaks to nobody."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pbshell.net.sockets import address_of
from pbshell.trace.forms.wording import duration
from pbshell.wire.text import visible
from pbshell.workbench.doctor.steps import FAILED, OK, WARNING, Step
from pbshell.workbench.exitcodes import ExitCode

__all__ = ["Failure", "Place", "dial", "look_up", "reach", "reach_unix"]

#: family, and address as the system takes it
Place: TypeAlias = tuple[int, Any]
#: seconds that the other addresses of a host are given when one has answered
_GRACE = 1.0
#: addresses that are tried, and told
_MOST = 16

_REFUSED, _FILTERED, _UNREACHABLE, _FORBIDDEN = "refused", "filtered", "unreachable", "forbidden"
_KINDS = {
    errno.ECONNREFUSED: _REFUSED,
    errno.ETIMEDOUT: _FILTERED,
    errno.EHOSTUNREACH: _UNREACHABLE,
    errno.ENETUNREACH: _UNREACHABLE,
    errno.EADDRNOTAVAIL: _UNREACHABLE,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
}


class Failure(Exception):
    """The step that failed, and what follows: a sentence, the next thing to do, and an exit code."""

    def __init__(self, step: Step, text: str, hint: str = "", code: ExitCode = ExitCode.NO_CONNECTION) -> None:
        super().__init__(text)
        self.step = step
        self.text = text
        self.hint = hint
        self.code = code


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of one address: a socket or an error, after *seconds*."""

    place: Place
    seconds: float
    sock: socket.socket | None = None
    error: OSError | None = None

    @property
    def kind(self) -> str:
        """What the error means; empty if there is none."""
        if self.error is None:
            return ""
        return _KINDS.get(self.error.errno or 0, _UNREACHABLE)

    def __str__(self) -> str:
        where = visible(address_of(self.place[1]), 80)
        if self.error is None:
            return f"{where} is open"
        if self.kind == _REFUSED:
            return f"{where} refuses"
        if self.kind == _FILTERED:
            return f"{where} does not answer ({duration(self.seconds)})"
        return f"{where} cannot be reached: {visible(self.error.strerror or str(self.error), 100)}"


async def look_up(host: str, port: int, seconds: float) -> tuple[Step, list[Place]]:
    """The addresses of *host*, all there are, in the system's order. Raises Failure."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    name = visible(host, 100)
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        step = Step("dns", FAILED, f"no answer for {name}", loop.time() - began)
        text = f"the name {name} was not looked up within {seconds:g} s: the name server does not answer"
        raise Failure(step, text, "try an address in place of the name", ExitCode.TIMEOUT) from None
    except (OSError, UnicodeError) as error:
        step = Step("dns", FAILED, f"{name} has no address", loop.time() - began)
        temporary = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        text = f"the name {name} cannot be looked up: {visible(getattr(error, 'strerror', '') or str(error), 200)}"
        hint = "does this machine reach its name server?" if temporary else "is it spelled so? an address would do"
        raise Failure(step, text, hint) from None
    places = list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))
    addresses = list(dict.fromkeys(str(address[0]) for _, address in places))
    told = " and ".join(addresses[:_MOST]) + (f" and {len(addresses) - _MOST} more" if len(addresses) > _MOST else "")
    if addresses == [host]:
        return Step("dns", OK, f"{name} is an address"), places
    return Step("dns", OK, f"{name} is {told}", loop.time() - began), places[:_MOST]


async def reach(places: Sequence[Place], seconds: float) -> tuple[Step, socket.socket, Place]:
    """A socket that is connected to the first of *places* that answers; the others are tried, too. Raises Failure."""
    tasks = [asyncio.ensure_future(_try(place, seconds)) for place in places]
    try:
        pending: set[asyncio.Future[_Tried]] = set(tasks)
        while pending and not any(task.done() and task.result().sock for task in tasks):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending:
            await asyncio.wait(pending, timeout=min(_GRACE, seconds))
    finally:
        late = [task for task in tasks if task.cancel()]
        await asyncio.gather(*late, return_exceptions=True)
    return _chosen([task.result() for task in tasks if not task.cancelled()], [*places], seconds)


def _chosen(tried: Sequence[_Tried], places: Sequence[Place], seconds: float) -> tuple[Step, socket.socket, Place]:
    known = {each.place: each for each in tried}
    all_tried = [known.get(place) or _Tried(place, _GRACE, error=OSError(errno.ETIMEDOUT, "")) for place in places]
    opened = [each for each in all_tried if each.sock is not None]
    text = "; ".join(map(str, all_tried))
    for each in opened[1:]:
        assert each.sock is not None
        each.sock.close()
    if opened:
        first = opened[0]
        assert first.sock is not None
        # A client that tries this address first waits a long time for nothing.
        hangs = [each for each in all_tried if each.kind == _FILTERED]
        where = " and ".join(visible(address_of(each.place[1]), 80) for each in hangs)
        hint = f"clients may try {where} first, and wait: does the name have an address too many?" if hangs else ""
        return Step("tcp", WARNING if hangs else OK, text, first.seconds, hint), first.sock, first.place
    raise _unreached(all_tried, text, seconds)


def _unreached(tried: Sequence[_Tried], text: str, seconds: float) -> Failure:
    """What it means that nobody answered: the error that tells the most decides."""
    kinds = {each.kind: each for each in reversed(tried)}
    longest = max(each.seconds for each in tried)
    step = Step("tcp", FAILED, text, longest)
    for kind in (_REFUSED, _FORBIDDEN, _FILTERED):
        if kind in kinds:
            where = visible(address_of(kinds[kind].place[1]), 80)
            break
    else:
        why = next((each.error.strerror for each in tried if each.error is not None), "") or "there is no way"
        return Failure(
            step, f"there is no way to it: {visible(why, 100)}", "is this machine in a network that has one?"
        )
    if kind == _REFUSED:
        return Failure(
            step,
            f"nothing listens at {where}: the machine is there, and refuses the connection",
            "is the server up, and is that its port and address? on its machine: pbshell doctor "
            f":{kinds[kind].place[1][1]}",
        )
    if kind == _FORBIDDEN:
        return Failure(step, f"the connection to {where} is forbidden on this machine", "look at its firewall rules")
    return Failure(
        step,
        f"{where} did not answer within {seconds:g} s: a firewall drops it, or the machine is off",
        "try from the server's own machine; a server that is blocked for long does not answer either",
        ExitCode.TIMEOUT,
    )


async def _try(place: Place, seconds: float) -> _Tried:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(seconds):
            sock = await dial(place)
    except OSError as error:
        failed = OSError(errno.ETIMEDOUT, "") if isinstance(error, TimeoutError) else error
        return _Tried(place, loop.time() - began, error=failed)
    return _Tried(place, loop.time() - began, sock)


async def dial(place: Place) -> socket.socket:
    """A socket that is connected to *place*. Raises OSError."""
    family, address = place
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


# ------------------------------------------------------------------------------------------------ unix sockets


async def reach_unix(path: str, seconds: float) -> tuple[Step, socket.socket, Place]:
    """A socket that is connected to the one at *path*. Raises Failure."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    name = visible(path, 200)
    place: Place = (int(socket.AF_UNIX), path)
    try:
        async with asyncio.timeout(seconds):
            sock = await dial(place)
        return Step("path", OK, f"{name} is open", loop.time() - began), sock, place
    except OSError as error:
        text, hint = _no_unix(path, error)
        code = ExitCode.TIMEOUT if isinstance(error, TimeoutError | BlockingIOError) else ExitCode.NO_CONNECTION
        raise Failure(Step("path", FAILED, name, loop.time() - began), text, hint, code) from None


def _no_unix(path: str, error: OSError) -> tuple[str, str]:
    """What it means, and what to do."""
    name = visible(path, 200)
    if isinstance(error, FileNotFoundError):
        return f"there is no {name}", "is the server up, and does it make its socket there?"
    if isinstance(error, TimeoutError | BlockingIOError):
        return f"the server of {name} accepts nobody: its backlog is full", "it is blocked: look what it does"
    try:
        found = Path(path).lstat()
    except OSError:
        return f"{name} cannot be opened: {visible(error.strerror or str(error), 100)}", ""
    if isinstance(error, PermissionError):
        return f"{name} may not be opened by this user", f"its owner may: sudo -u '#{found.st_uid}' pbshell doctor ..."
    if not (stat.S_ISSOCK(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        return f"{name} is no socket", ""
    if isinstance(error, ConnectionRefusedError):
        return f"the socket {name} is left over: nobody listens on it any more", "start the server again"
    return f"{name} cannot be opened: {visible(error.strerror or os.strerror(error.errno or 0), 100)}", ""
