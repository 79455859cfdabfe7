"""A Twisted server as its manual would have it: a root, accounts, a mind that is called, a group, a pond.

Run as a program. It prints the port of the root and the port of the portal, and ends when stdin does. It knows
nothing of pbshell.
"""

# mypy: ignore-errors
# Twisted's reactor is a module without types.

from __future__ import annotations

from typing import Any

from twisted.cred import checkers, portal
from twisted.internet import defer, reactor, stdio
from twisted.internet.protocol import Protocol
from twisted.spread import pb
from zope.interface import implementer

#: What a terminal would obey: another title, red letters, a line that overwrites another, one written backwards.
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\r\nspoof\x9b2J\u202e\u2066[red]gone[/red]"


class Pond(pb.Cacheable):
    """Ducks, and those who watch them."""

    def __init__(self) -> None:
        self.ducks = ["one duck", "two duck"]
        self.observers: list[Any] = []

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> dict[str, Any]:
        self.observers.append(observer)
        return {"ducks": self.ducks}

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.observers.remove(observer)

    def add(self, duck: str) -> None:
        self.ducks.append(duck)
        for observer in self.observers:
            observer.callRemote("add", duck)


class Duck(pb.Referenceable):
    """Quacks."""

    def remote_quack(self) -> str:
        return "quack"


class Feather(pb.Copyable):
    """A copy."""

    def __init__(self) -> None:
        self.colour = HOSTILE


class HostileError(pb.Error):
    """An exception whose name is harmless and whose text is not."""


class Root(pb.Root):
    """What can be tried without a login."""

    pond = Pond()

    def remote_echo(self, value: Any) -> Any:
        return value

    def remote_duck(self) -> Duck:
        return Duck()

    def remote_pond(self) -> Pond:
        return self.pond

    def remote_add(self, duck: str) -> None:
        self.pond.add(duck)

    def remote_feather(self) -> Feather:
        return Feather()

    def remote_hostile(self) -> Any:
        return [HOSTILE, {HOSTILE: HOSTILE.encode()}]

    def remote_refuse(self) -> None:
        raise HostileError(HOSTILE)

    def remote_fail(self) -> None:
        raise ValueError("no such step")

    def remote_never(self) -> Any:
        return defer.Deferred()

    def remote_call(self, reference: Any, name: str, *args: Any) -> Any:
        return reference.callRemote(name, *args)

    def remote_leave(self) -> Any:
        reactor.callLater(0, BROKERS[-1].transport.loseConnection)
        return defer.Deferred()


class User(pb.Avatar):
    """Somebody who has logged in."""

    def __init__(self, name: str, mind: Any) -> None:
        self.name, self.mind = name, mind

    def perspective_whoami(self) -> str:
        return self.name

    def perspective_callMe(self, *args: Any) -> Any:
        return self.mind.callRemote(*args)

    def perspective_group(self) -> Group:
        return Group()


class Group(pb.Viewable):
    """Knows who calls."""

    def view_send(self, perspective: User, text: str) -> str:
        return f"{perspective.name}: {text}"


@implementer(portal.IRealm)
class Realm:
    """Gives everybody a User."""

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        name = avatarId.decode() if isinstance(avatarId, bytes) else "anonymous"
        return pb.IPerspective, User(name, mind), lambda: None


BROKERS: list[pb.Broker] = []


class Broker(pb.Broker):
    """Can be found by those who want to hang up."""

    def connectionMade(self) -> None:
        BROKERS.append(self)
        super().connectionMade()


class UntilTheEnd(Protocol):
    """Stops the reactor when stdin ends."""

    def connectionLost(self, reason: Any = None) -> None:
        reactor.stop()


def listen(factory: pb.PBServerFactory) -> int:
    factory.protocol = Broker
    return reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port


if __name__ == "__main__":
    accounts = checkers.InMemoryUsernamePasswordDatabaseDontUse(alice=b"wonderland")
    gate = portal.Portal(Realm(), [accounts, checkers.AllowAnonymousAccess()])
    print(listen(pb.PBServerFactory(Root())), listen(pb.PBServerFactory(gate)), flush=True)
    stdio.StandardIO(UntilTheEnd())
    reactor.run()
