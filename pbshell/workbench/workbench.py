"""The workbench: connections by name, one namespace, and a line of input at a time.

Knows what a line means; shows nothing, and needs no terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pbshell import pb
from pbshell.errors import ConnectionGone, UsageError
from pbshell.net.client import connect
from pbshell.net.connection import Connection
from pbshell.net.endpoints import ConnectEndpoint
from pbshell.wire.text import visible
from pbshell.workbench import commands
from pbshell.workbench.evaluation import Python
from pbshell.workbench.mind import Mind
from pbshell.workbench.problems import reason_of
from pbshell.workbench.tracer import Tracer

__all__ = ["Opened", "Workbench"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection with a name. *root* is the server's root object or, after a login, the avatar of *user*.

    *seconds* is how long it took, the login included.
    """

    name: str
    target: str
    connection: Connection
    root: Any
    user: str
    seconds: float


class Workbench:
    """What a shell works on.

    In the namespace are ``pb``, ``asyncio``, ``sh`` (the commands as functions), for the connection that was opened
    last ``connection``, ``root`` and ``mind``, and the last result as ``_``. *tell* takes notices for people, a line
    each: a connection that is lost, a call of the mind.
    """

    def __init__(self, tell: Callable[[str], None] | None = None, tracer: Tracer | None = None) -> None:
        self.tell = tell
        self.tracer = tracer or Tracer()
        self.connections: dict[str, Opened] = {}
        self.namespace: dict[str, Any] = {
            "__name__": "__pbshell__",
            "asyncio": asyncio,
            "pb": pb,
            "sh": commands.Sh(self),
        }
        self._python = Python(self.namespace)
        self._evaluating = 0
        self._lost_meanwhile: list[str] = []

    async def connect(
        self,
        target: str | ConnectEndpoint,
        *,
        name: str = "main",
        credentials: Any = None,
        user: str = "",
        timeout: float | None = 10.0,
        **options: Any,
    ) -> Opened:
        """Connect to *target* and, with *credentials*, log in; within *timeout* seconds altogether.

        *options* are those of `pb.connect`. Raises what that raises, LoginFailed, TimeoutError, and UsageError when
        the *name* is taken.
        """
        if name in self.connections:
            raise UsageError(f"there is a connection {visible(name, 30)!r} already")
        loop = asyncio.get_running_loop()
        began = loop.time()
        mind = Mind(lambda heard: self.say(str(heard)))
        connection = await connect(target, open_timeout=timeout, tap=self.tracer.tap, **options)
        try:
            async with asyncio.timeout_at(None if timeout is None else began + timeout):
                root = await connection.getRootObject()
                if credentials is not None:
                    root = await connection.login(credentials, client=mind)
        except BaseException as error:
            connection.abort()
            await connection.wait_closed()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"{connection} did not answer the login within {timeout:g} seconds") from None
            raise
        opened = Opened(name, str(target).removeprefix("tcp:"), connection, root, user, loop.time() - began)
        self.connections[name] = opened
        self.namespace |= {"connection": connection, "root": root, "mind": mind}
        connection.notifyOnDisconnect(lambda: self._lost(opened))
        return opened

    @property
    def logged_in(self) -> bool:
        """Whether a login was made when a connection was opened."""
        return any(opened.user for opened in self.connections.values())

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
            return commands.perform(self, stripped[1:])
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
        """Close all connections and wait until they are."""
        closing = [opened.connection for opened in self.connections.values()]
        # What we end ourselves is no news.
        self.connections.clear()
        for connection in closing:
            connection.close()
        for connection in closing:
            await connection.wait_closed()

    def say(self, text: str) -> None:
        """Tell whoever is there."""
        if self.tell is not None:
            self.tell(text)

    def _lost(self, opened: Opened) -> None:
        if self.connections.pop(opened.name, None) is not None:
            reason = reason_of(opened.connection.reason) if opened.connection.reason else "closed"
            self._lost_meanwhile.append(f"the connection to {visible(opened.target, 100)} has ended: {reason}")
            if not self._evaluating:
                self.say(self._lost_meanwhile.pop())
