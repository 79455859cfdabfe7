"""The workbench: connections by name, one namespace, and a line of input at a time.

Knows what a line means; shows nothing, and needs no terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pbshell import pb
from pbshell.errors import ConnectionGone, UsageError
from pbshell.net.client import connect
from pbshell.net.connection import Connection
from pbshell.net.endpoints import ConnectEndpoint
from pbshell.net.server import Server
from pbshell.trace import Conversation
from pbshell.wire.text import visible
from pbshell.workbench import commands
from pbshell.workbench.evaluation import Python
from pbshell.workbench.mind import Mind
from pbshell.workbench.problems import reason_of
from pbshell.workbench.tracer import Tracer

__all__ = ["Hosted", "Line", "Opened", "Plan", "Workbench"]

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a connection is made: all that it takes to make it once more.

    *credentials* are None for no login, *user* is who that logs in. *mind* is given to the server at a login, by
    default one that tells its calls. *timeout* (seconds) is for connection and login together. *options* are those
    of `pb.connect`.
    """

    target: str | ConnectEndpoint
    credentials: Any = None
    user: str = ""
    timeout: float | None = 10.0
    mind: Any = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection with a name. *root* is the server's root object or, after a login, the avatar of *user*.

    *seconds* is how long it took, the login included. *mind* is what the server can call. It was made by *plan*.
    """

    name: str
    target: str
    connection: Connection
    root: Any
    user: str
    seconds: float
    mind: Any
    plan: Plan


@dataclass(frozen=True, slots=True)
class Hosted:
    """A server of ours with a name: what *served* names, on *server*."""

    name: str
    served: str
    server: Server


@dataclass(frozen=True, slots=True)
class Line:
    """Any connection that is open: by *name*; *opened* for one that we have made, *hosted* for one we have accepted.

    *conversation* is what the tracer has seen of it, None if it has seen nothing.
    """

    name: str
    connection: Connection
    conversation: Conversation | None
    opened: Opened | None = None
    hosted: Hosted | None = None


class Workbench:
    """What a shell works on.

    In the namespace are ``pb``, ``asyncio``, ``sh`` (the commands as functions), ``connection``, ``root`` and ``mind``
    of the connection that is in use, and the last result as ``_``. *tell* takes notices for people, a line each: a
    connection that is lost, a call of the mind.
    """

    def __init__(self, tell: Callable[[str], None] | None = None, tracer: Tracer | None = None) -> None:
        self.tell = tell
        self.tracer = tracer or Tracer()
        #: those that are open, by name; and the ones that have ended, the last one last
        self.connections: dict[str, Opened] = {}
        self.ended: dict[str, Opened] = {}
        #: the name of the connection that is in use, whether it is still open or not; empty before the first
        self.current = ""
        self.servers: dict[str, Hosted] = {}
        self.namespace: dict[str, Any] = {
            "__name__": "__pbshell__",
            "asyncio": asyncio,
            "pb": pb,
            "sh": commands.Sh(self),
        }
        self._parts: dict[type, Any] = {}
        self._python = Python(self.namespace)
        self._evaluating = 0
        self._lost_meanwhile: list[str] = []

    def part(self, kind: type[P]) -> P:
        """The one *kind* of this workbench, made with the workbench when it is asked for first.

        So a command keeps what it must remember: marks, detached calls, settings.
        """
        if kind not in self._parts:
            self._parts[kind] = kind(self)  # type: ignore[call-arg]  # each takes the workbench
        found: P = self._parts[kind]
        return found

    async def connect(
        self,
        target: str | ConnectEndpoint,
        *,
        name: str = "",
        credentials: Any = None,
        user: str = "",
        timeout: float | None = 10.0,
        mind: Any = None,
        **options: Any,
    ) -> Opened:
        """Connect to *target* and, with *credentials*, log in; see `Plan`. The connection is in use from then on.

        Without a *name* it is called after the *user*, else ``main``. Raises what `pb.connect` raises, LoginFailed,
        TimeoutError, and UsageError when the *name* is taken.
        """
        return await self.open(Plan(target, credentials, user, timeout, mind, options), name)

    async def open(self, plan: Plan, name: str = "") -> Opened:
        """The same by a *plan*."""
        if name in self.connections:
            raise UsageError(f"there is a connection {visible(name, 30)!r} already")
        loop = asyncio.get_running_loop()
        began = loop.time()
        mind = plan.mind if plan.mind is not None else Mind(lambda heard: self.say(str(heard)))
        connection = await connect(plan.target, open_timeout=plan.timeout, tap=self.tracer.tap, **plan.options)
        try:
            async with asyncio.timeout_at(None if plan.timeout is None else began + plan.timeout):
                root = await connection.getRootObject()
                if plan.credentials is not None:
                    root = await connection.login(plan.credentials, client=mind)
        except BaseException as error:
            connection.abort()
            await connection.wait_closed()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"{connection} did not answer the login within {plan.timeout:g} seconds") from None
            raise
        name = name or self._free_name(plan.user or "main")
        target = str(plan.target).removeprefix("tcp:")
        opened = Opened(name, target, connection, root, plan.user, loop.time() - began, mind, plan)
        self.ended.pop(name, None)
        self.connections[name] = opened
        self.use(name)
        connection.notifyOnDisconnect(lambda: self._lost(opened))
        return opened

    def use(self, name: str) -> Opened:
        """Work on the connection *name*: root, connection and mind are its own. Raises UsageError."""
        opened = self.connections.get(name)
        if opened is None:
            there = ", ".join(visible(each, 30) for each in self.connections) or "none is open"
            raise UsageError(f"there is no open connection {visible(name, 30)!r}: {there}")
        self.current = name
        self.namespace |= {"connection": opened.connection, "root": opened.root, "mind": opened.mind}
        return opened

    @property
    def label(self) -> str:
        """What the prompt says of where we are: the connection's name, or nothing if it has none of its own."""
        return "" if self.current == "main" else self.current

    @property
    def logged_in(self) -> bool:
        """Whether a login was made when a connection was opened."""
        return any(opened.user for opened in self.connections.values())

    def lines(self) -> Iterator[Line]:
        """All connections that are open: those that we have made, then those that our servers have accepted."""
        seen = self.tracer.dissector.connections
        for name, opened in self.connections.items():
            yield Line(name, opened.connection, seen.get(opened.connection.number), opened=opened)
        for name, hosted in self.servers.items():
            for connection in sorted(hosted.server.connections, key=lambda each: each.number):
                conversation = seen.get(connection.number)
                yield Line(f"{name}#{connection.number}", connection, conversation, hosted=hosted)

    async def evaluate(self, line: str) -> Any:
        """What *line*, a command behind a colon or else Python, gives; None for what gives nothing.

        Raises whatever went wrong, and Leave when somebody wants to leave.
        """
        self._evaluating += 1
        try:
            return await self._evaluate(line)
        except ConnectionGone:
            # The error says it already.
            self._lost_meanwhile.clear()
            raise
        finally:
            self._evaluating -= 1
            while self._lost_meanwhile:
                self.say(self._lost_meanwhile.pop(0))

    async def _evaluate(self, line: str) -> Any:
        stripped = line.strip()
        if stripped.startswith(":"):
            return await commands.perform(self, stripped[1:])
        try:
            value = await self._python.run(line)
        except SystemExit as error:
            if isinstance(error.code, str):
                self.say(visible(error.code))
            raise commands.Leave(error.code if isinstance(error.code, int) else int(error.code is not None)) from None
        if type(value).__name__ == "Quitter":
            # ``exit`` without parentheses: site's object only says how to leave.
            raise commands.Leave
        if value is not None:
            self.namespace["_"] = value
        return value

    async def close(self) -> None:
        """Close all connections and servers, and wait until they are."""
        closing = [opened.connection for opened in self.connections.values()]
        servers = [hosted.server for hosted in self.servers.values()]
        # What we end ourselves is no news.
        self.connections.clear()
        self.servers.clear()
        ending: tuple[Connection | Server, ...] = (*closing, *servers)
        for each in ending:
            each.close()
        for each in ending:
            await each.wait_closed()

    def say(self, text: str) -> None:
        """Tell whoever is there."""
        if self.tell is not None:
            self.tell(text)

    def _free_name(self, name: str) -> str:
        number, free = 1, name
        while free in self.connections:
            number += 1
            free = f"{name}{number}"
        return free

    def _lost(self, opened: Opened) -> None:
        if self.connections.pop(opened.name, None) is not None:
            self.ended[opened.name] = opened
            reason = reason_of(opened.connection.reason) if opened.connection.reason else "closed"
            self._lost_meanwhile.append(f"the connection to {visible(opened.target, 100)} has ended: {reason}")
            if not self._evaluating:
                self.say(self._lost_meanwhile.pop())
