"""A workbench connected to a small server in the same loop. Knows what the tests of the workbench share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pbshell import pb
from pbshell.cred import InMemoryUsernamePasswordDatabaseDontUse, Portal, realm
from pbshell.defer import Deferred
from pbshell.workbench.workbench import Workbench


class Pond(pb.Cacheable):
    """Ducks."""

    def __init__(self) -> None:
        self.ducks = ["one duck"]
        self.observers = pb.Observers()

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
        self.observers.add(observer)
        return {"ducks": self.ducks}


class PondCopy(pb.RemoteCache):
    """What a Pond becomes."""

    ducks: list[str]

    def observe_add(self, duck: str) -> None:
        self.ducks.append(duck)


class Thing(pb.Referenceable):
    """Something to be lent."""

    def remote_name(self) -> str:
        return "a thing"


class Board(pb.Viewable):
    """Knows who looks."""


class Server(pb.Root):
    """What the tests call."""

    def __init__(self) -> None:
        self.pond = Pond()
        self.kept: list[Any] = []

    def remote_echo(self, value: Any) -> Any:
        return value

    def remote_thing(self) -> Thing:
        return Thing()

    def remote_board(self) -> Board:
        return Board()

    def remote_keep(self, value: Any) -> None:
        self.kept.append(value)

    async def remote_poke(self) -> None:
        """Call the last of what was kept together."""
        await self.kept[-2][1].callRemote("ping")

    def remote_let_go(self, count: int) -> None:
        del self.kept[:count]

    def remote_pond(self) -> Pond:
        return self.pond

    async def remote_add(self, duck: str) -> None:
        await self.pond.observers.callRemote("add", duck)

    def remote_fail(self, text: str) -> None:
        raise ValueError(text)

    def remote_never(self) -> Deferred[None]:
        return Deferred()

    def remote_leave(self) -> Deferred[None]:
        connection = pb.current_connection()
        assert isinstance(connection, pb.Connection)
        connection.close()
        return Deferred()


class Person(pb.Avatar):
    """Somebody who has logged in."""

    def __init__(self, mind: Any) -> None:
        self.mind = mind

    async def perspective_tell(self, *args: Any, **kwargs: Any) -> Any:
        return await self.mind.callRemote(*args, **kwargs)


pb.setUnjellyableForClass(Pond, PondCopy)


def portal() -> Portal:
    """A gate with an account for alice."""
    checker = InMemoryUsernamePasswordDatabaseDontUse(alice="wonderland")
    return Portal(realm(lambda name, mind: Person(mind)), [checker])


class Notes:
    """What the workbench told, and the traffic it showed."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.traffic: list[str] = []


@asynccontextmanager
async def connected(root: Any = None, **options: Any) -> AsyncIterator[tuple[Workbench, Notes]]:
    """A workbench with one connection, to a Server or to *root*; *options* are those of `Workbench.connect`."""
    notes = Notes()
    bench = Workbench(notes.told.append)
    bench.tracer.show = notes.traffic.append
    async with pb.serve(Server() if root is None else root, "tcp:0") as server:
        try:
            await bench.connect(f"127.0.0.1:{server.port}", **options)
            yield bench, notes
        finally:
            await bench.close()
