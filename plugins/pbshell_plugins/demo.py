"""A server to try everything on: a login, a mind, a group, a builder, copies, errors, and methods that take their time.

Knows what a person at a shell wants to see for the first time; is no example of how to store accounts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pbshell import pb
from pbshell.cred import InMemoryUsernamePasswordDatabaseDontUse, Portal, realm
from pbshell.defer import Deferred
from pbshell.plugin import ServerPlugin

#: who has an account
USERS = ("alice", "bob")
#: seconds between two ticks of the clock
TICK = 0.5


class Status(pb.Copyable):
    """How the server is: copied to whoever asks. The other side registers a class for it."""

    def __init__(self, users: list[str], ticks: int) -> None:
        self.users = users
        self.ticks = ticks


class StatusCopy(pb.RemoteCopy):
    """What a Status becomes at the other side."""

    def __repr__(self) -> str:
        return f"<Status {vars(self)}>"


class Clock(pb.Cacheable):
    """Counts as long as somebody looks: everyone who holds a copy sees it change by itself."""

    def __init__(self, seconds: float = TICK) -> None:
        self.ticks = 0
        self._seconds = seconds
        self._observers = pb.Observers()
        self._task: asyncio.Task[None] | None = None

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> dict[str, Any]:
        """The number of ticks. From now on *observer* is told each of them."""
        self._observers.add(observer)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return {"ticks": self.ticks}

    def stoppedObserving(self, perspective: Any, observer: pb.RemoteCacheObserver) -> None:
        """Nobody looks, nobody counts."""
        self._observers.discard(observer)
        if not self._observers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            self.ticks += 1
            self._observers.callRemote("tick", self.ticks)


class ClockCopy(pb.RemoteCache):
    """What a Clock becomes at the other side. ``await clock.next()`` waits for the next tick."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[int]] = []

    def setCopyableState(self, state: dict[str, Any]) -> None:
        """Take the number of ticks."""
        self.ticks: int = state["ticks"]

    def observe_tick(self, ticks: int) -> None:
        """The clock of the server has ticked."""
        self.ticks = ticks
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(ticks)

    def next(self) -> Deferred[int]:
        """Fires with the number of the next tick."""
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def __repr__(self) -> str:
        return f"<Clock at {self.ticks} ticks>"


pb.setUnjellyableForClass(Status, StatusCopy)
pb.setUnjellyableForClass(Clock, ClockCopy)


class Builder(pb.Referenceable):
    """Builds, or says that it does. An object that stays at the server: the client gets a reference."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._started: list[Any] = []

    def remote_start(self, build: Any) -> str:
        """Queue *build*, whatever describes it."""
        self._started.append(build)
        return "queued"

    def remote_started(self) -> list[Any]:
        """The builds that were queued."""
        return self._started

    def remote_explode(self) -> None:
        """Raise ValueError, which is a mistake of this server's: it is in its log."""
        raise ValueError("no such step")

    async def remote_slow(self, seconds: float = 2.0) -> str:
        """Take so many seconds."""
        await asyncio.sleep(seconds)
        return f"built for {self._platform} in {seconds:g} s"

    def remote_never(self) -> Deferred[None]:
        """Never answer: a call to practise Ctrl-C on."""
        return Deferred()


class Group(pb.Viewable):
    """People who talk. A Viewable: its methods are told who calls, and nobody can pretend to be another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._members: list[Person] = []

    def join(self, person: Person) -> None:
        """*person* hears what is said from now on."""
        if person not in self._members:
            self._members.append(person)

    def leave(self, person: Person) -> None:
        """*person* hears nothing more."""
        with contextlib.suppress(ValueError):
            self._members.remove(person)

    def view_send(self, perspective: Person, text: str) -> int:
        """Say *text* to everybody; returns to how many."""
        return sum(member.tell(f"<{self.name}> {perspective.name}: {text}") for member in self._members)

    def view_members(self, perspective: Person) -> list[str]:
        """Who is here."""
        return sorted(member.name for member in self._members)


class Office:
    """What all who are logged in share."""

    def __init__(self, tick: float = TICK) -> None:
        self.clock = Clock(tick)
        self.groups: dict[str, Group] = {}
        self.people: list[Person] = []

    def enter(self, name: str | None, mind: Any) -> Person:
        """The avatar of the user *name*."""
        person = Person(self, name or "somebody", mind)
        self.people.append(person)
        return person


class Person(pb.Avatar):
    """What somebody who is logged in can do: each `perspective_` method."""

    def __init__(self, office: Office, name: str, mind: Any) -> None:
        self.name = name
        self._office = office
        self._mind = mind

    def tell(self, text: str) -> bool:
        """Call the user's own object, if he gave us one; returns whether he did."""
        if self._mind is None:
            return False
        self._mind.callRemote("print", text).addErrback(lambda reason: None)
        return True

    def logout(self) -> None:
        """He has gone."""
        self._office.people.remove(self)
        for group in self._office.groups.values():
            group.leave(self)

    def perspective_whoami(self) -> str:
        """The name you logged in by."""
        return self.name

    def perspective_echo(self, value: Any) -> Any:
        """*value*, whatever it is."""
        return value

    def perspective_callMe(self, text: str) -> bool:
        """Call ``print`` of the object that you gave at the login; returns whether you gave one."""
        return self.tell(text)

    def perspective_getBuilder(self, platform: str) -> Builder:
        """A reference to a builder of your own."""
        return Builder(platform)

    def perspective_getStatus(self) -> Status:
        """How the server is, as a copy."""
        return Status(sorted(person.name for person in self._office.people), self._office.clock.ticks)

    def perspective_getClock(self) -> Clock:
        """A clock that goes on ticking in your copy."""
        return self._office.clock

    def perspective_joinGroup(self, name: str) -> Group:
        """The group of that name, which you belong to from now on."""
        if len(self._office.groups) >= 100 and name not in self._office.groups:
            raise pb.Error("there are groups enough")
        group = self._office.groups.setdefault(name, Group(name))
        group.join(self)
        return group

    def perspective_refuse(self) -> None:
        """Raise pb.Error: the quiet kind, which the caller is told and the log is not."""
        raise pb.Error("this is refused, and that is no mistake")


def new_accounts() -> dict[str, str]:
    """Every user, with a password that nobody can guess."""
    return {name: secrets.token_urlsafe(9) for name in USERS}


def make_portal(accounts: Mapping[str, str], tick: float = TICK) -> Portal:
    """The server for these *accounts*, name to password; the clock ticks every *tick* seconds."""
    return Portal(realm(Office(tick).enter), [InMemoryUsernamePasswordDatabaseDontUse(**accounts)])


def read_accounts(path: Path) -> dict[str, str]:
    """The accounts in the file at *path*, ``name:password`` in each line; made anew when there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        accounts = new_accounts()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Ours alone from the first byte on, and never somebody else's file.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{name}:{password}\n" for name, password in accounts.items())
        return accounts
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name: password for name, _, password in pairs if name and password}


class DemoPlugin(ServerPlugin):
    """Makes the demo server, with its accounts in a file of the user's."""

    description = "a server to try everything on, with accounts for alice and bob"

    def __init__(self) -> None:
        self._path: Path | None = None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Where the accounts are, and how fast the clock ticks."""
        parser.add_argument("--accounts", metavar="FILE", type=Path, help="name:password in each line; made if missing")
        parser.add_argument("--tick", metavar="SECONDS", type=float, default=TICK, help="of the clock (%(default)s)")

    def make(self, options: argparse.Namespace) -> Portal:
        """The portal. Raises OSError when the accounts can be neither read nor written."""
        self._path = options.accounts or _default_path()
        return make_portal(read_accounts(self._path), options.tick)

    def banner(self) -> str:
        """Where the passwords are; never what they are."""
        return f"accounts and passwords in {self._path}"


def _default_path() -> Path:
    import platformdirs  # noqa: PLC0415 (a library may be imported without what only this default needs)

    return platformdirs.user_state_path("pbshell") / "demo.auth"


plugin = DemoPlugin()
