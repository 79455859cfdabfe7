"""The pbshell servers that Twisted's clients visit. peers/twisted_lab.py is the same laboratory on Twisted.

Knows what a peer may want to try; knows nothing of the tests that try it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable
from typing import Any

from pbshell import cred, defer, pb
from pbshell.broker.registry import GLOBAL, Registry
from pbshell.broker.security import SecurityOptions


class Events:
    """What happened at this end, for those who wait for it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._changed = asyncio.Event()

    def note(self, text: str) -> None:
        self.texts.append(text)
        self._changed.set()

    async def when(self, text: str, count: int = 1) -> None:
        """Return as soon as *text* has been noted *count* times."""
        while self.texts.count(text) < count:
            self._changed.clear()
            await self._changed.wait()


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

    where: str


@named
class Secret(pb.Copyable):
    """A Copyable that nobody has registered."""


@named
class Parcel(pb.Copyable):
    """A Copyable that is registered at both ends."""

    other: Any
    label: Any
    inside: Any


@named
class ParcelCopy(pb.RemoteCopy):
    """What a Parcel becomes."""

    other: Any


@named
class Crate(pb.Copyable):
    """A Copyable with a tag of its own and a state of its own."""

    content: Any

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


class SpillCopy(pb.RemoteCopy, pb.Error):
    """What a Spill becomes at a client."""

    where: str


@named
class Pond(pb.Cacheable):
    """A Cacheable: a list of ducks."""

    def __init__(self, events: Events | None = None) -> None:
        self.ducks = ["one duck", "two duck"]
        self.observers: list[Any] = []
        self.events = events

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> dict[str, Any]:
        self.observers.append(observer)
        return {"ducks": self.ducks}

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.observers.remove(observer)
        if self.events is not None:
            self.events.note(f"unobserved, {len(self.observers)} left")

    def add(self, duck: str) -> Any:
        self.ducks.append(duck)
        return defer.gatherResults([observer.callRemote("added", duck) for observer in self.observers])

    def spoil(self) -> Any:
        return self.observers[0].callRemote("spoiled")


class PondCopy(pb.RemoteCache):
    """What a Pond becomes."""

    ducks: list[str]

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
        pb.StringPager(collector, blob(size), 1000)


class Board(pb.Viewable):
    """A Viewable that tells who looks at it."""

    def view_who(self, perspective: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [getattr(perspective, "name", None), list(args), kwargs]

    def view_fail(self, perspective: Any, how: str) -> Any:
        return fail(how)


class Mind(pb.Referenceable):
    """What a client gives to its avatar."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def remote_hear(self, *args: Any) -> str:
        self.heard.append(list(args))
        return "heard"


def blob(size: int) -> bytes:
    """*size* bytes that no two places share."""
    return b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(size // 32 + 1))[:size]


def weigh(data: bytes) -> list[Any]:
    return [len(data), hashlib.sha256(data).hexdigest()]


FAILURES: dict[str, Callable[[], Exception]] = {
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
        return later(fail, kind)
    if when == "async":
        return fail_in_coroutine(kind)
    error = FAILURES[how]()
    if isinstance(error, Spill):
        error.where = "on the floor"
    raise error


async def fail_in_coroutine(how: str) -> Any:
    return fail(how)


def later(function: Callable[..., Any], *args: Any) -> Any:
    """A Deferred that fires with what *function* gives in the loop's next turn."""
    deferred: defer.Deferred[Any] = defer.Deferred()
    deferred.addCallback(lambda _: function(*args))
    asyncio.get_running_loop().call_soon(deferred.callback, None)
    return deferred


class Lab(pb.Root):
    """Something to try for everything that PB can do."""

    def __init__(self, events: Events | None = None) -> None:
        self.events = events or Events()
        self.thing = Thing("the thing")
        self.pond = Pond(self.events)
        self.board = Board()
        self.kept: list[Any] = []
        self.pushed: list[Any] = []
        self.never: list[defer.Deferred[Any]] = []
        self.broker: Any = None

    def rootObject(self, broker: Any) -> Lab:
        """One laboratory for each connection."""
        lab = Lab(self.events)
        lab.broker = broker
        return lab

    # values
    def remote_echo(self, value: Any) -> Any:
        return value

    def remote_echoLater(self, value: Any) -> Any:
        return later(lambda: value)

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
        self.events.note("never was called")
        return self.never[-1]

    def remote_atLast(self, value: Any) -> int:
        for deferred in self.never:
            deferred.callback(value)
        return len(self.never)

    def remote_fail(self, how: str) -> Any:
        return fail(how)

    def remote_unencodable(self, how: str) -> Any:
        value = b"x" * 700_000
        return value if how == "now" else later(lambda: value)

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

    def remote_root(self) -> Any:
        """Ask for the root that a client does not have."""
        return self.broker.root_reference().callRemote("anything")

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
        ducks: list[Any] = pond.ducks
        return ducks

    def remote_sameDucks(self, one: Any, other: Any) -> bool:
        return one.ducks is other.ducks

    # pages
    def remote_pages(self, collector: Any, size: int, chunk: int) -> None:
        pb.StringPager(collector, blob(size), chunk, self.events.note, f"paged {size}")

    def remote_filePages(self, collector: Any, size: int) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the pager closes it)
        file.write(blob(size))
        file.seek(0)
        pb.FilePager(collector, file)

    def remote_collect(self, reference: Any, size: int) -> Any:
        return pb.getAllPages(reference, "feed", size).addCallback(lambda pages: weigh(b"".join(pages)))

    # goodbye
    def remote_leave(self, how: str) -> str:
        if how == "close":
            self.broker.link.close()
        else:
            self.broker.link.abort()
        return "goodbye"


class User(pb.Avatar):
    """One who has logged in."""

    def __init__(self, name: str, mind: Any, board: Board) -> None:
        self.name, self.mind, self.board = name, mind, board

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


class Realm:
    """Notes who comes and goes."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.board = Board()

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        name = avatarId.decode() if isinstance(avatarId, bytes) else "anonymous"
        self.events.note(f"login {name}")
        return pb.IPerspective, User(name, mind, self.board), lambda: self.events.note(f"logout {name}")


def passwords() -> Any:
    checker = cred.InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(b"ada", b"lovelace")
    checker.addUser(b"bob", b"builder")
    return checker


GATES: dict[str, tuple[Callable[[], Any], ...]] = {
    "gate/passwords": (passwords,),
    "gate/anonymous": (cred.AllowAnonymousAccess,),
    "gate/both": (passwords, cred.AllowAnonymousAccess),
}


def root_or_portal(what: str, events: Events) -> Any:
    """What the server *what* offers: the laboratory, or a gate to avatars."""
    if what in GATES:
        return cred.Portal(Realm(events), [kind() for kind in GATES[what]])
    return Lab(events)


def known_classes(**more: Any) -> SecurityOptions:
    """What both laboratories register, for one connection; *more* are further classes of module lab."""
    registry = Registry(GLOBAL)
    registry.setUnjellyableForClass("lab.Parcel", ParcelCopy)
    registry.setUnjellyableFactoryForClass("lab-crate", make_crate)
    registry.setUnjellyableForClass("lab.Pond", PondCopy)
    for name, cls in more.items():
        registry.setUnjellyableForClass(f"lab.{name}", cls)
    return SecurityOptions(registry=registry)
