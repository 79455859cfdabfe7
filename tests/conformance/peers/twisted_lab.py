"""The Twisted servers that our clients visit. `lab.py`, one folder up, is the same laboratory on pbshell.

Knows what a peer may want to try; knows nothing of the tests that try it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.cred import checkers, portal
from twisted.internet import defer, reactor, task
from twisted.spread import pb, util
from zope.interface import implementer


class Events:
    """What happened at this end, for those who wait for it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._waiting: list[tuple[str, int, defer.Deferred[None]]] = []

    def note(self, text: str) -> None:
        self.texts.append(text)
        for waiting in self._waiting[:]:
            wanted, count, deferred = waiting
            if wanted == text and self.texts.count(text) >= count:
                self._waiting.remove(waiting)
                deferred.callback(None)

    def when(self, text: str, count: int) -> defer.Deferred[None]:
        """Fires as soon as *text* has been noted *count* times."""
        if self.texts.count(text) >= count:
            return defer.succeed(None)
        deferred: defer.Deferred[None] = defer.Deferred()
        self._waiting.append((text, count, deferred))
        return deferred


EVENTS = Events()


def named(cls: Any) -> Any:
    """Give a class the module name under which both laboratories send it."""
    cls.__module__ = "lab"
    cls.__qualname__ = cls.__name__
    return cls


@named
class Quiet(pb.Error):
    """A pb.Error of one's own."""


@named
class Quieter(Quiet):
    """A subclass of it."""


@named
class Spill(pb.Error, pb.Copyable):
    """An exception that travels as itself."""


@named
class Secret(pb.Copyable):
    """A Copyable that nobody has registered."""


@named
class Parcel(pb.Copyable):
    """A Copyable that is registered at both ends."""


@named
class ParcelCopy(pb.RemoteCopy):
    """What a Parcel becomes."""


@named
class Crate(pb.Copyable):
    """A Copyable with a tag of its own and a state of its own."""

    def getTypeToCopy(self) -> bytes:
        return b"lab-crate"

    def getStateToCopyFor(self, perspective: Any) -> dict[str, Any]:
        return {"content": self.content, "perspective": type(perspective).__name__}


class CrateCopy(pb.RemoteCopy):
    """What a Crate becomes."""


def make_crate(state: dict[str, Any]) -> CrateCopy:
    crate = CrateCopy()
    crate.setCopyableState(state)
    return crate


@named
class Pond(pb.Cacheable):
    """A Cacheable: a list of ducks."""

    def __init__(self) -> None:
        self.ducks = ["one duck", "two duck"]
        self.observers: list[Any] = []

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> dict[str, Any]:
        self.observers.append(observer)
        return {"ducks": self.ducks}

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.observers.remove(observer)
        EVENTS.note(f"unobserved, {len(self.observers)} left")

    def add(self, duck: str) -> Any:
        self.ducks.append(duck)
        return defer.gatherResults([observer.callRemote("added", duck) for observer in self.observers])

    def spoil(self) -> Any:
        return self.observers[0].callRemote("spoiled")


class PondCopy(pb.RemoteCache):
    """What a Pond becomes."""

    def observe_added(self, duck: str) -> int:
        self.ducks.append(duck)
        return len(self.ducks)

    def observe_spoiled(self) -> None:
        raise ValueError("the pond is dry")


class Thing(pb.Referenceable):
    """An object with a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def remote_name(self) -> str:
        return self.name

    def remote_double(self, number: int) -> int:
        return 2 * number

    def remote_fail(self, how: str) -> Any:
        return fail(how)

    def remote_feed(self, collector: Any, size: int) -> None:
        util.StringPager(collector, blob(size), 1000)


class Board(pb.Viewable):
    """A Viewable that tells who looks at it."""

    def view_who(self, perspective: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [getattr(perspective, "name", None), list(args), kwargs]

    def view_fail(self, perspective: Any, how: str) -> Any:
        return fail(how)


def blob(size: int) -> bytes:
    """*size* bytes that no two places share."""
    return b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(size // 32 + 1))[:size]


def weigh(data: bytes) -> list[Any]:
    return [len(data), hashlib.sha256(data).hexdigest()]


FAILURES: dict[str, Callable[[], BaseException]] = {
    "pb.Error": lambda: pb.Error("a quiet text"),
    "Quiet": lambda: Quiet("a quiet text"),
    "Quieter": lambda: Quieter("a quiet text"),
    "ValueError": lambda: ValueError("a loud text"),
    "KeyError": lambda: KeyError("key"),
    "textless": RuntimeError,
    "Spill": lambda: Spill("a text that is not sent"),
}


def fail(how: str) -> Any:
    """Fail as told: a key of FAILURES, at once, or behind "deferred ", "later " or "async "."""
    when, _, kind = how.partition(" ")
    if when == "deferred":
        return defer.maybeDeferred(fail, kind)
    if when == "later":
        return task.deferLater(reactor, 0, fail, kind)
    if when == "async":
        return defer.ensureDeferred(fail_in_coroutine(kind))
    error = FAILURES[how]()
    if isinstance(error, Spill):
        error.where = "on the floor"
    raise error


async def fail_in_coroutine(how: str) -> Any:
    return fail(how)


class Lab(pb.Root):
    """Something to try for everything that PB can do."""

    def __init__(self) -> None:
        self.thing = Thing("the thing")
        self.pond = Pond()
        self.board = Board()
        self.kept: list[Any] = []
        self.pushed: list[Any] = []
        self.never: list[defer.Deferred[Any]] = []
        self.broker: Any = None

    def rootObject(self, broker: Any) -> Lab:
        """One laboratory for each connection."""
        lab = Lab()
        lab.broker = broker
        return lab

    # values
    def remote_echo(self, value: Any) -> Any:
        return value

    def remote_echoLater(self, value: Any) -> Any:
        return task.deferLater(reactor, 0, lambda: value)

    def remote_everything(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    def remote_identity(self, value: list[Any]) -> list[bool]:
        return [value[0] is value[1], value[2][0] is value[2]]

    def remote_weigh(self, data: bytes) -> list[Any]:
        return weigh(data)

    def remote_blob(self, size: int) -> bytes:
        return blob(size)

    # calls
    def remote_push(self, value: Any) -> None:
        self.pushed.append(value)

    def remote_pushed(self) -> list[Any]:
        return self.pushed

    def remote_never(self) -> Any:
        self.never.append(defer.Deferred())
        EVENTS.note("never was called")
        return self.never[-1]

    def remote_atLast(self, value: Any) -> int:
        for deferred in self.never:
            deferred.callback(value)
        return len(self.never)

    def remote_fail(self, how: str) -> Any:
        return fail(how)

    def remote_unencodable(self, how: str) -> Any:
        value = b"x" * 700_000
        return value if how == "now" else task.deferLater(reactor, 0, lambda: value)

    def remote_unregistered(self) -> Any:
        return Secret()

    # references
    def remote_lend(self) -> Thing:
        return self.thing

    def remote_lendTwice(self) -> list[Thing]:
        return [self.thing, self.thing]

    def remote_lendNew(self, count: int) -> list[Thing]:
        return [Thing(str(number)) for number in range(count)]

    def remote_isThing(self, value: Any) -> bool:
        return value is self.thing

    def remote_isLab(self, value: Any) -> bool:
        return value is self

    def remote_keep(self, reference: Any) -> None:
        self.kept.append(reference)

    def remote_kept(self) -> Any:
        return self.kept[-1]

    def remote_drop(self) -> None:
        self.kept.clear()

    def remote_equal(self, one: Any, other: Any) -> list[bool]:
        return [one is other, one == other]

    def remote_call(self, reference: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return reference.callRemote(name, *args, **kwargs)

    def remote_trap(self, reference: Any, how: str) -> Any:
        """What Twisted's own trap makes of a failure of the peer's object."""
        called = reference.callRemote("fail", how)

        def judge(failure: Any) -> list[Any]:
            try:
                trapped = failure.trap(pb.Error).__name__
            except Exception:
                trapped = None
            kind = failure.type.decode() if isinstance(failure.type, bytes) else str(failure.type)
            return [trapped, kind, str(failure.value), bool(failure.check("builtins.ValueError"))]

        return called.addErrback(judge)

    def remote_callMissing(self, reference: Any) -> Any:
        return reference.callRemote("missing").addErrback(lambda failure: [failure.type.decode(), failure.parents])

    def remote_root(self) -> Any:
        """Ask for the root that a client does not have."""
        return pb.RemoteReference(None, self.broker, b"root", 0).callRemote("anything")

    def remote_board(self) -> Board:
        return self.board

    # copies
    def remote_parcel(self) -> Parcel:
        parcel = Parcel()
        parcel.__dict__.update(label="fragile", weight=3, inside=[1, (2, b"3"), None])
        return parcel

    def remote_crate(self) -> Crate:
        crate = Crate()
        crate.content = ["straw", b"\x00\x01"]
        return crate

    def remote_twice(self) -> list[Any]:
        parcel = self.remote_parcel()
        return [parcel, parcel, {"again": parcel}]

    def remote_circle(self) -> Parcel:
        one, other = Parcel(), Parcel()
        one.other, other.other = other, one
        return one

    def remote_unpack(self, copy: Any) -> list[Any]:
        return [type(copy).__name__, vars(copy)]

    def remote_isCircle(self, copy: Any) -> bool:
        return copy.other.other is copy

    # caches
    def remote_pond(self) -> Pond:
        return self.pond

    def remote_addDuck(self, duck: str) -> Any:
        return self.pond.add(duck)

    def remote_spoilPond(self) -> Any:
        return self.pond.spoil()

    def remote_observers(self) -> int:
        return len(self.pond.observers)

    def remote_isPond(self, value: Any) -> bool:
        return value is self.pond

    def remote_ducks(self, pond: Any) -> list[Any]:
        self.kept.append(pond)
        return pond.ducks

    def remote_sameDucks(self, one: Any, other: Any) -> bool:
        return one.ducks is other.ducks

    # pages
    def remote_pages(self, collector: Any, size: int, chunk: int) -> None:
        util.StringPager(collector, blob(size), chunk, EVENTS.note, f"paged {size}")

    def remote_filePages(self, collector: Any, size: int) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the pager closes it)
        file.write(blob(size))
        file.seek(0)
        util.FilePager(collector, file)

    def remote_collect(self, reference: Any, size: int) -> Any:
        return util.getAllPages(reference, "feed", size).addCallback(lambda pages: weigh(b"".join(pages)))

    # goodbye
    def remote_leave(self, how: str) -> str:
        if how == "close":
            self.broker.transport.loseConnection()
        else:
            self.broker.transport.abortConnection()
        return "goodbye"


class User(pb.Avatar):
    """One who has logged in."""

    def __init__(self, name: str, mind: Any) -> None:
        self.name, self.mind = name, mind
        self.board = BOARD

    def perspective_whoami(self) -> str:
        return self.name

    def perspective_echo(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    def perspective_board(self) -> Board:
        return self.board

    def perspective_isBoard(self, view: Any) -> list[Any]:
        return [type(view).__name__, view.object is self.board, view.perspective is self]

    def perspective_crate(self) -> Crate:
        crate = Crate()
        crate.content = []
        return crate

    def perspective_tell(self, *args: Any) -> Any:
        return self.mind.callRemote("hear", *args)

    def perspective_hasMind(self) -> bool:
        return self.mind is not None

    def perspective_fail(self, how: str) -> Any:
        return fail(how)


BOARD = Board()


@implementer(portal.IRealm)
class Realm:
    """Notes who comes and goes."""

    def requestAvatar(self, avatar_id: Any, mind: Any, *interfaces: Any) -> Any:
        name = avatar_id.decode() if isinstance(avatar_id, bytes) else "anonymous"
        EVENTS.note(f"login {name}")
        return pb.IPerspective, User(name, mind), lambda: EVENTS.note(f"logout {name}")


def passwords() -> Any:
    checker = checkers.InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(b"ada", b"lovelace")
    checker.addUser(b"bob", b"builder")
    return checker


def gate(*kinds: Any) -> Callable[[], pb.PBServerFactory]:
    return lambda: pb.PBServerFactory(portal.Portal(Realm(), [kind() for kind in kinds]))


pb.setUnjellyableForClass(Parcel, ParcelCopy)
pb.setUnjellyableFactoryForClass(b"lab-crate", make_crate)
pb.setUnjellyableForClass(Pond, PondCopy)

SERVERS: dict[str, Callable[[], pb.PBServerFactory]] = {
    "lab": lambda: pb.PBServerFactory(Lab()),
    "lab/unsafe": lambda: pb.PBServerFactory(Lab(), unsafeTracebacks=True),
    "gate/passwords": gate(passwords),
    "gate/anonymous": gate(checkers.AllowAnonymousAccess),
    "gate/both": gate(passwords, checkers.AllowAnonymousAccess),
}
