"""The workbench: connections by name, one namespace, and a line of input at a time.

Knows what a line means; shows nothing, and needs no terminal.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from pbshell import pb
from pbshell.errors import ConnectionGone, UsageError
from pbshell.net.client import connect
from pbshell.net.connection import Connection
from pbshell.net.endpoints import ConnectEndpoint
from pbshell.net.server import Server
from pbshell.trace import Conversation
from pbshell.trace.forms.naming import label_of
from pbshell.wire.chunk import LinkEvent, Piece, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Luid
from pbshell.workbench import commands
from pbshell.workbench.books.histories import Histories
from pbshell.workbench.forms.pipes import Render
from pbshell.workbench.known.knowledge import Knowledge
from pbshell.workbench.known.placeholders import Lenient
from pbshell.workbench.problems import reason_of
from pbshell.workbench.reaching.plan import NAME, Plan, check_name
from pbshell.workbench.settings import Settings
from pbshell.workbench.traffic.memory import Memory
from pbshell.workbench.traffic.pulse import Pulse
from pbshell.workbench.traffic.showing import Showing
from pbshell.workbench.traffic.sources import Sources
from pbshell.workbench.traffic.tracer import Tracer
from pbshell.workbench.typed.calls import Calls
from pbshell.workbench.typed.evaluation import Leaving, Python
from pbshell.workbench.typed.logins import new_logins, users_of
from pbshell.workbench.typed.mind import Heard, Mind
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.typed.sugar import R

__all__ = ["Ask", "Hosted", "Line", "Opened", "Plan", "Workbench"]

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection with a name. *root* is the server's root object or, after a login, the avatar of *user*.

    *seconds* is how long it took, the login included. *mind* is what the server can call; it knows what was called.
    It was made by *plan*. *began* and *ended* are in seconds on the loop's clock.
    """

    name: str
    target: str
    connection: Connection
    root: Any
    user: str
    seconds: float
    mind: Any
    plan: Plan
    began: float = 0.0
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Hosted:
    """A server of ours with a name: what *served* names, on *server*, since *began* (seconds on the loop's clock)."""

    name: str
    served: str
    server: Server
    began: float = 0.0


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


class Ask(Protocol):
    """Asks whoever is there for a line."""

    async def __call__(self, words: str, *, secret: bool = True) -> str:
        """The line that is typed behind *words*; a *secret* is not shown meanwhile.

        Raises EOFError at Ctrl-D; at Ctrl-C what asks is cancelled, or KeyboardInterrupt is raised.
        """


class Workbench:
    """What a shell works on.

    In the namespace are ``pb``, ``asyncio``, ``sh`` (the commands as functions), ``conns`` (all connections by name),
    ``connection``, ``root`` and ``mind`` of the one that is in use, and the last result as ``_``. *tell* takes notices
    for people, a line each: a connection that is lost, a call of the mind.
    """

    def __init__(self, tell: Callable[[str], None] | None = None, tracer: Tracer | None = None) -> None:
        self.tell = tell
        self.tracer = tracer or Tracer()
        #: None where nobody can be asked
        self.ask: Ask | None = None
        #: makes text of data, for files; None where nobody shows anything
        self.render: Render | None = None
        #: those that are open, by name; and the ones that have ended, the last one last
        self.connections: dict[str, Opened] = {}
        self.ended: dict[str, Opened] = {}
        #: the name of the connection that is in use, whether it is still open or not; empty before the first
        self.current = ""
        self.servers: dict[str, Hosted] = {}
        self.namespace: dict[str, Any] = {
            "__name__": "__pbshell__",
            "asyncio": asyncio,
            "exit": Leaving(),
            "quit": Leaving(),
            "conns": MappingProxyType(self.connections),
            "pb": pb,
            "R": R,
            "sh": commands.Sh(self),
        }
        self._parts: dict[type, Any] = {}
        self._python = Python(self.namespace)
        # From the beginning: it remembers what has ended.
        self._calls = self.part(Calls)
        self.part(Histories)
        self.part(Memory)
        self.part(Pulse)
        self.part(Showing)
        self.part(Knowledge)
        self.part(Settings).watch("autoawait", lambda value: setattr(self._python, "autoawait", value))
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
        if name:
            self.check_name(name)
        loop = asyncio.get_running_loop()
        began = loop.time()
        options = {"security": self.part(Lenient), **plan.options}
        connection = await connect(plan.target, open_timeout=plan.timeout, tap=self.tracer.tap, **options)
        mind = Mind(lambda heard: self._heard(connection, heard), plan.mind)
        try:
            async with asyncio.timeout_at(None if plan.timeout is None else began + plan.timeout):
                root = await connection.getRootObject()
                if plan.credentials is not None:
                    root = await connection.login(plan.credentials, client=mind)
            # Another one may have taken it meanwhile.
            name = self.check_name(name) if name else self.free_name(_name_of(plan.user) or "main")
        except BaseException as error:
            connection.abort()
            await connection.wait_closed()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"{connection} did not answer the login within {plan.timeout:g} seconds") from None
            raise
        target = str(plan.target).removeprefix("tcp:")
        now = loop.time()
        opened = Opened(name, target, connection, root, plan.user, now - began, mind, plan, now)
        self.ended.pop(name, None)
        self.connections[name] = opened
        self._christen(connection, name)
        connection.broker.describe = lambda luid: self._birth(connection, luid)
        self.use(name)
        connection.notifyOnDisconnect(lambda: self._lost(name, connection))
        return opened

    def check_name(self, name: str) -> str:
        """*name*, if a connection can be called so. Raises UsageError."""
        if name in self.connections:
            raise UsageError(f"there is a connection {name!r} already")
        return check_name(name)

    def use(self, name: str) -> Opened:
        """Work on the connection *name*: root, connection and mind are its own. Raises UsageError."""
        opened = self.connections.get(name)
        if name in self.ended:
            raise UsageError(f"the connection {name!r} has ended: :reconnect {name} makes a new one")
        if opened is None:
            there = ", ".join(visible(each, 30) for each in self.connections) or "none is open"
            raise UsageError(f"there is no open connection {visible(name, 30)!r}: {there}")
        self.current = name
        self.namespace |= {"connection": opened.connection, "root": opened.root, "mind": opened.mind}
        return opened

    async def login(self, name: str, credentials: Any, user: str) -> Opened:
        """Log in on the open connection *name*: its root becomes the avatar. Raises as `Connection.login`."""
        opened = self.connections[name]
        async with asyncio.timeout(opened.plan.timeout):
            root = await opened.connection.login(credentials, client=opened.mind)
        plan = replace(opened.plan, credentials=credentials, user=user)
        return self._entered(replace(opened, root=root, user=user, plan=plan))

    async def reconnect(self, name: str) -> Opened:
        """Make the connection *name* once more, whether it has ended or not. Raises as `open`; then it has ended."""
        opened = self.connections.get(name) or self.ended[name]
        if name in self.connections:
            del self.connections[name]
            self.ended[name] = replace(opened, ended=asyncio.get_running_loop().time())
            await _closed(opened.connection)
        return await self.open(opened.plan, name)

    async def forget(self, name: str) -> None:
        """Close the connection *name*, if it is open, and know no more of it."""
        self.ended.pop(name, None)
        opened = self.connections.pop(name, None)
        if name == self.current:
            self.current = ""
            for key in ("connection", "root", "mind"):
                self.namespace.pop(key, None)
        if opened is not None:
            await _closed(opened.connection)

    @property
    def label(self) -> str:
        """What the prompt says of where we are: the connection's name, unless there is only one and it is ``main``.

        Behind it stands the capture that was loaded, in brackets.
        """
        loaded = self.part(Sources).loaded
        looking = f" [{loaded.name.rpartition('/')[2]}]" if loaded is not None else ""
        if self.current in self.ended:
            return f"{self.current} (ended){looking}"
        is_plain = self.current == "main" and len(self.connections) == 1 and not self.ended
        return looking.strip() if is_plain else f"{self.current}{looking}"

    @property
    def logged_in(self) -> bool:
        """Whether somebody is logged in on a connection of ours."""
        return any(opened.user for opened in self.connections.values())

    def host(self, name: str, served: str, server: Server) -> Hosted:
        """There is one more *server*, called *name*; the tap of its connections is to be that of `tap_for`."""
        hosted = self.servers[name] = Hosted(name, served, server, asyncio.get_running_loop().time())
        return hosted

    def tap_for(self, server: str) -> Callable[[Piece], None]:
        """The tap of what the *server* of that name accepts: the tracer's, which learns the names of connections."""

        def tap(piece: Piece) -> None:
            self.tracer.tap(piece)
            if type(piece) is LinkEvent and piece.kind == "opened":
                conversation = self.tracer.dissector.connections.get(piece.connection)
                if conversation is not None:
                    conversation.name = f"{server}#{piece.connection}"

        return tap

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
        users = users_of(self)
        try:
            with self.part(Statements).begin(line):
                value = await self._evaluate(line)
            for opened in new_logins(self, users, value):
                self._entered(opened)
            return value
        except ConnectionGone:
            # The error says it already; of several it says one.
            if len(self._lost_meanwhile) == 1:
                self._lost_meanwhile.clear()
            raise
        finally:
            while self._lost_meanwhile:
                self.say(self._lost_meanwhile.pop(0))

    async def _evaluate(self, line: str) -> Any:
        self._calls.listen()
        stripped = line.strip()
        if stripped.startswith(":"):
            return await commands.perform(self, stripped[1:])
        try:
            value = await self._python.run(line)
        except SystemExit as error:
            if isinstance(error.code, str):
                self.say(visible(error.code))
            raise commands.Leave(error.code if isinstance(error.code, int) else int(error.code is not None)) from None
        if type(value) is Leaving:
            # ``exit`` without parentheses.
            raise commands.Leave
        self.part(Statements).keep(value)
        return value

    async def close(self) -> None:
        """Close all connections and servers, and wait until they are."""
        await self.part(Statements).close()
        self._calls.abandon()
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

    def free_name(self, name: str) -> str:
        """*name*, or with a number behind it if there is a connection of that name."""
        number, free = 1, name
        while free in self.connections:
            number += 1
            free = f"{name}{number}"
        return free

    def _christen(self, connection: Connection, name: str) -> None:
        """The trace calls *connection* so as well."""
        conversation = self.tracer.dissector.connections.get(connection.number)
        if conversation is not None:
            conversation.name = name

    def _birth(self, connection: Connection, luid: Luid) -> str:
        """The call that the server's object *luid* came from, if the tracer has seen it."""
        conversation = self.tracer.dissector.connections.get(connection.number)
        lent = None if conversation is None else conversation.lent(Side.SERVER, luid)
        return "" if lent is None else label_of(lent)

    def _heard(self, connection: Connection, heard: Heard) -> None:
        """Tell a call of a mind, and of which one where there are several."""
        name = next((name for name, each in self.connections.items() if each.connection is connection), "")
        self.say(f"{name}: {heard}" if name and len(self.connections) > 1 else str(heard))

    def _entered(self, opened: Opened) -> Opened:
        """*opened* takes the place of what it was before a login."""
        if opened.name in self.connections:
            self.connections[opened.name] = opened
            if opened.name == self.current:
                self.use(opened.name)
        return opened

    def _lost(self, name: str, connection: Connection) -> None:
        opened = self.connections.get(name)
        if opened is None or opened.connection is not connection:
            return
        del self.connections[name]
        self.ended[name] = replace(opened, ended=asyncio.get_running_loop().time())
        reason = reason_of(connection.reason) if connection.reason else "closed"
        which = f"{name}: " if len(self.connections) + len(self.ended) > 1 else ""
        again = ":reconnect" if name == self.current else f":reconnect {name}"
        self._lost_meanwhile.append(
            f"{which}the connection to {visible(opened.target, 100)} has ended: {reason}; {again} makes a new one"
        )
        if not self.part(Statements).running:
            self.say(self._lost_meanwhile.pop())


def _name_of(user: str) -> str:
    """A name for the connection of *user*; empty for one of which nothing can be made."""
    name = re.sub(r"[^\w.@-]+", "_", user)[:40]
    return name if NAME.fullmatch(name) else ""


async def _closed(connection: Connection) -> None:
    connection.close()
    await connection.wait_closed()
