"""One of two Twisted ends whose books are read in its own process. Run as ``shadowed.py server``, or ``client PORT``.

Each line on stdin is a word, a thing to do; each gets one line on stdout, its outcome as JSON. ``tables`` gives what
the Broker's tables say. The server prints its port first. The program ends when stdin does.
"""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

from twisted.cred import checkers, credentials, portal
from twisted.internet import defer, reactor, stdio
from twisted.protocols.basic import LineReceiver
from twisted.spread import pb
from zope.interface import implementer

BROKERS: list[Any] = []


class Broker(pb.Broker):
    def connectionReady(self) -> None:
        BROKERS.append(self)
        super().connectionReady()


class Thing(pb.Referenceable):
    def remote_ping(self, *things: Any) -> Any:
        return things


class Unsendable:
    """No flavor at all."""


class Pond(pb.Cacheable):
    def __init__(self) -> None:
        self.ducks = 0
        self.observers: dict[Any, None] = {}

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> dict[str, int]:
        self.observers[observer] = None
        return {"ducks": self.ducks}

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.observers.pop(observer, None)

    def grow(self) -> Any:
        self.ducks += 1
        return defer.gatherResults([each.callRemote("grow", self.ducks) for each in self.observers])


class PondCopy(pb.RemoteCache):
    def observe_grow(self, ducks: int) -> None:
        self.ducks = ducks


Pond.__module__ = PondCopy.__module__ = "shadowed"
pb.setUnjellyableForClass("shadowed.Pond", PondCopy)


class Avatar(pb.Avatar):
    def __init__(self, mind: Any) -> None:
        self.mind = mind
        self.things = [Thing() for _ in range(3)]
        self.pond = Pond()
        self.kept: list[Any] = []

    def perspective_echo(self, *things: Any) -> Any:
        return things

    def perspective_lend(self) -> Any:
        return self.things

    def perspective_again(self) -> Any:
        return {"again": [self.things[0], self.things[0]], "new": Thing()}

    def perspective_keep(self, *things: Any) -> None:
        self.kept.extend(things)

    def perspective_drop(self) -> None:
        self.kept.clear()

    def perspective_fail(self, *things: Any) -> None:
        raise ValueError("the server does not like it")

    def perspective_unsendable(self) -> Any:
        return [Thing(), Unsendable()]

    def perspective_pond(self) -> Any:
        return self.pond

    def perspective_grow(self) -> Any:
        return self.pond.grow()

    def perspective_back(self, thing: Any) -> Any:
        return self.mind.callRemote("ping", thing, self.things[1])

    def perspective_wait(self) -> Any:
        return defer.Deferred()


@implementer(portal.IRealm)
class Realm:
    def requestAvatar(self, name: Any, mind: Any, *interfaces: Any) -> Any:
        return pb.IPerspective, Avatar(mind), lambda: None


class Client:
    """What the client does, a method for each word."""

    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self.mind = Thing()
        self.mine = [Thing() for _ in range(2)]
        self.held: list[Any] = []
        self.avatar: Any = None

    async def login(self) -> None:
        self.avatar = await self.factory.login(credentials.UsernamePassword(b"ada", b"lovelace"), self.mind)

    async def login_wrongly(self) -> None:
        await self.factory.login(credentials.UsernamePassword(b"ada", b"wrong"), self.mind)

    async def echo(self) -> None:
        await self.avatar.callRemote("echo", 1)

    async def lend(self) -> None:
        self.held.append(await self.avatar.callRemote("lend"))

    async def again(self) -> None:
        self.held.append(await self.avatar.callRemote("again"))

    async def home(self) -> None:
        """Send to the server what is its own, and what is ours, and get both back."""
        self.held.append(await self.avatar.callRemote("echo", self.held, self.mine))

    async def keep(self) -> None:
        await self.avatar.callRemote("keep", *self.mine, self.mine[0])

    async def forget(self) -> None:
        await self.avatar.callRemote("drop")

    async def drop(self) -> None:
        self.held.clear()

    async def fail(self) -> None:
        await self.avatar.callRemote("fail", *self.mine)

    async def nosuch(self) -> None:
        await self.avatar.callRemote("nosuch", *self.mine)

    async def unsendable(self) -> None:
        await self.avatar.callRemote("unsendable")

    async def refused(self) -> None:
        await self.avatar.callRemote("keep", self.mine[1], Unsendable())

    async def huge(self) -> None:
        await self.avatar.callRemote("keep", b"x" * 700_000)

    async def pond(self) -> None:
        self.held.append(await self.avatar.callRemote("pond"))

    async def grow(self) -> None:
        await self.avatar.callRemote("grow")

    async def back(self) -> None:
        self.held.append(await self.avatar.callRemote("back", self.mine[1]))

    async def wait(self) -> None:
        self.avatar.callRemote("wait").addErrback(lambda reason: None)

    async def leave(self) -> None:
        self.factory.disconnect()


def tables() -> Any:
    """What the Broker's tables say, a count for each luid."""
    gc.collect()
    broker = BROKERS[-1]
    if broker.localObjects is None:
        return None
    return {
        "exports": {str(luid): each.refcount for luid, each in broker.localObjects.items() if luid != b"root"},
        "caches": {str(luid): each.refcount for luid, each in broker.remotelyCachedObjects.items()},
        "pending": sorted(broker.waitingForAnswers),
        "held caches": sorted(broker.locallyCachedObjects),
    }


class Words(LineReceiver):
    delimiter = b"\n"

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def lineReceived(self, line: bytes) -> None:
        defer.ensureDeferred(self.perform(line.decode())).addCallback(
            lambda outcome: self.sendLine(json.dumps(outcome).encode())
        )

    async def perform(self, word: str) -> Any:
        if word == "tables":
            return tables()
        try:
            await getattr(self.actor, word)()
        except Exception as error:
            return str(error)
        return "done"

    def connectionLost(self, reason: Any = None) -> None:
        reactor.stop()


def main(side: str, *port: str) -> None:
    if side == "server":
        checker = checkers.InMemoryUsernamePasswordDatabaseDontUse(ada=b"lovelace")
        factory: Any = pb.PBServerFactory(portal.Portal(Realm(), [checker]))
        factory.protocol = Broker
        print(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port, flush=True)
        stdio.StandardIO(Words(None))
    else:
        factory = pb.PBClientFactory()
        factory.protocol = Broker
        reactor.connectTCP("127.0.0.1", int(port[0]), factory)
        stdio.StandardIO(Words(Client(factory)))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
