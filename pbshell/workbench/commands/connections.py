"""Commands about connections: ``:conns :connect :use :close :reconnect :login :mind``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbshell.errors import LoginFailed, NoSuchMethod, UsageError
from pbshell.wire.text import visible
from pbshell.workbench.books.inspection import clock
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.durations import seconds_of
from pbshell.workbench.forms.rows import Notice, Rows
from pbshell.workbench.problems import Told, cannot_connect
from pbshell.workbench.reaching.connections import ConnDetail, Connections, connections, detail, detail_of_ended
from pbshell.workbench.reaching.targets import asked, plan_of, profile_of
from pbshell.workbench.reaching.words import Words, named
from pbshell.workbench.traffic.showing import Showing

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Opened, Workbench

_LOGIN = "[--password-env VARIABLE|--password-file FILE]"
_CONNECT = (
    f"TARGET [as NAME] [--user USER|--anonymous] {_LOGIN} [--tls-ca FILE] [--tls-cert FILE] [--tls-key FILE] "
    "[--tls-name HOST] [--mind EXPR] [--timeout TIME]"
)


@dataclass(frozen=True, slots=True)
class Connected(Notice):
    """The connection *name* to *address* was made in so many *seconds*, and is in use; *again* if not the first time.

    *user* has logged in, if that is not empty.
    """

    name: str
    address: str
    tls: bool
    user: str
    seconds: float
    again: bool = False

    def __str__(self) -> str:
        who = f"logged in as {self.user}" if self.user else "not logged in"
        how = "TLS" if self.tls else "unix socket" if self.address.startswith("unix:") else "cleartext"
        made = f"{self.name}: connected{' again' if self.again else ''} to {self.address}"
        told = f"{made} in {self.seconds * 1000:.0f} ms, {how}, {who}"
        return f"{told}; root is a new one, and references from before are dead" if self.again else told


@dataclass(frozen=True, slots=True)
class InUse(Notice):
    """The prompt works on the connection *name*, to *address*."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name}: root, connection and mind are those of {self.address}"


@dataclass(frozen=True, slots=True)
class Closed(Notice):
    """The connection *name* is closed and forgotten; the prompt works on *used* now, if that is not empty."""

    name: str
    used: str

    def __str__(self) -> str:
        return f"{self.name} is closed" + (f"; {self.used} is in use now" if self.used else "")


@dataclass(frozen=True, slots=True)
class LoggedIn(Notice):
    """*user* has logged in on the connection *name*."""

    name: str
    user: str

    def __str__(self) -> str:
        return f"{self.name}: logged in as {visible(self.user, 40)}; root is the perspective now"


@dataclass(frozen=True, slots=True)
class MindRow:
    """The server at the other end of *connection* has called *method* of our mind, so many seconds *ago*."""

    connection: str
    ago: float | None
    method: str
    call: str


@command("conns", "[all|CONN]", "every connection and how it is, the worst first; or all about one", first=True)
def conns(bench: Workbench, which: str = "") -> Connections | ConnDetail:
    """The connections, those of the server *which*, or all about the one *which*. Raises UsageError."""
    if which in ("", "all"):
        return Connections(connections(bench), folded=not which)
    if which in bench.ended:
        return detail_of_ended(bench, bench.ended[which])
    for line in bench.lines():
        if line.name == which:
            return detail(bench, line)
    if which in bench.servers:
        return Connections(row for row in connections(bench) if row.server == which)
    raise UsageError(f"there is no connection {visible(which, 40)!r}: {_there(bench)}")


@command("connect", _CONNECT, "one more connection; it is in use from then on")
async def connect(bench: Workbench, target: str, *words: str, **given: Any) -> Connected:
    """Connect to *target*; in a program ``await sh.connect("host:port", name="x", user="alice", password_env="PW")``.

    Raises UsageError, Told.
    """
    rest, name = named((target, *words))
    options = _options(rest[1:], given)
    profile = profile_of(target, options)
    name = options["name"] or name
    if name:
        bench.check_name(name)
    elif profile.name:
        name = bench.free_name(profile.as_name or profile.name)
    mind = options["mind_object"]
    plan = await plan_of(profile, bench.ask, bench.namespace, credentials=options["credentials"], mind=mind)
    if profile.trace:
        bench.part(Showing).turn_on()
    if profile.commands:
        bench.say(f"the commands of @{profile.name} are not performed by :connect")
    try:
        return _connected(await bench.open(plan, name))
    except UsageError:
        raise
    except Exception as error:
        raise Told(cannot_connect(error, str(plan.target).removeprefix("tcp:"))) from error


@command("use", "CONN", "work on another connection: root, connection and mind become its own")
def use(bench: Workbench, name: str) -> InUse:
    """Work on the connection *name*. Raises UsageError."""
    opened = bench.use(name)
    return InUse(opened.name, opened.target)


@command("close", "[CONN]", "close a connection, the one in use if none is named, and forget it")
async def close(bench: Workbench, name: str = "") -> Closed:
    """Close the connection *name*, which may be one that a server of ours has accepted. Raises UsageError."""
    name = name or _in_use(bench)
    if name in bench.connections or name in bench.ended:
        was_used = name == bench.current
        await bench.forget(name)
        if was_used and bench.connections:
            bench.use(next(reversed(bench.connections)))
        return Closed(name, bench.current if was_used else "")
    for line in bench.lines():
        if line.name == name:
            line.connection.close()
            await line.connection.wait_closed()
            return Closed(name, "")
    raise UsageError(f"there is no connection {visible(name, 40)!r}: {_there(bench)}")


@command("reconnect", "[CONN]", "make a connection once more, as it was made; root is a new one")
async def reconnect(bench: Workbench, name: str = "") -> Connected:
    """Make the connection *name* anew, whether it has ended or not. Raises UsageError, Told."""
    name = name or bench.current or next(reversed(bench.ended), "") or _in_use(bench)
    if name not in bench.connections and name not in bench.ended:
        raise UsageError(f"there is no connection {visible(name, 40)!r} of ours: {_there(bench)}")
    try:
        return _connected(await bench.reconnect(name), again=True)
    except Exception as error:
        raise Told(cannot_connect(error, bench.ended[name].target)) from error


@command("login", f"USER|--anonymous {_LOGIN}", "log in on the connection in use; root becomes the perspective")
async def login(bench: Workbench, *words: str) -> LoggedIn:
    """Log in on the connection in use. Raises UsageError, NoPassword, Told."""
    parser = Words("login")
    parser.add_argument("user", nargs="?", default="")
    parser.add_argument("--anonymous", action="store_true")
    _add_password(parser)
    options = parser.read(words)
    if bool(options.user) == options.anonymous:
        parser.error("say who logs in")
    opened = bench.use(_in_use(bench))
    profile = profile_of("", vars(options))
    credentials = await asked(profile, bench.ask)
    user = options.user or "anonymous"
    try:
        await bench.login(opened.name, credentials, user)
    except (LoginFailed, NoSuchMethod) as error:
        raise Told(cannot_connect(error, opened.target)) from error
    return LoggedIn(opened.name, user)


@command("mind", "[CONN]", "what servers have called of our minds, the last call last")
def mind(bench: Workbench, name: str = "") -> Rows[MindRow]:
    """The last calls of the minds of all connections, or of the one called *name*. Raises UsageError."""
    every = {**bench.ended, **bench.connections}
    if name and name not in every:
        raise UsageError(f"there is no connection {visible(name, 40)!r} of ours: {_there(bench)}")
    now = clock(bench)
    rows = [
        MindRow(each.name, None if heard.at is None else now - heard.at, heard.method, str(heard))
        for each in every.values()
        if name in ("", each.name)
        for heard in tuple(each.mind.heard)
    ]
    rows.sort(key=lambda row: -(row.ago or 0.0))
    return Rows(MindRow, rows, "no server has called a mind; one gets it when you log in")


def _connected(opened: Opened, *, again: bool = False) -> Connected:
    tls = opened.connection.get_extra_info("ssl_object") is not None
    return Connected(opened.name, opened.target, tls, opened.user, opened.seconds, again)


def _in_use(bench: Workbench) -> str:
    if not bench.current:
        raise UsageError(f"no connection is in use: {_there(bench)}")
    return bench.current


def _there(bench: Workbench) -> str:
    """Which connections there are, in words."""
    names = [line.name for line in bench.lines()] + [f"{name} (ended)" for name in bench.ended]
    if not names:
        return "there is none; :connect TARGET makes one"
    more = f" and {len(names) - 10:,} others" if len(names) > 10 else ""
    return f"there {'are' if len(names) > 1 else 'is'} {', '.join(names[:10])}{more}"


def _add_password(parser: argparse.ArgumentParser) -> None:
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--password-env")
    secret.add_argument("--password-file")
    secret.add_argument("--ask", action="store_true")


def _options(words: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What *words*, and in a program the *given* arguments, say. Raises UsageError."""
    parser = Words("connect")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", default="")
    who.add_argument("--anonymous", action="store_true")
    _add_password(parser)
    for name in ("--tls-ca", "--tls-cert", "--tls-key", "--tls-name", "--mind", "--timeout"):
        parser.add_argument(name, default="")
    parser.add_argument("--as", dest="name", default="")
    parser.add_argument("--trace", action="store_true")
    parser.set_defaults(credentials=None, mind_object=None)
    options = vars(parser.read(words))
    for name, value in given.items():
        if name not in options:
            parser.error(f"there is no option {visible(name, 40)}")
        options[name] = value
    if not isinstance(options["mind"], str):
        options |= {"mind": "", "mind_object": options["mind"]}
    if options["timeout"]:
        seconds = seconds_of(str(options["timeout"]))
        if seconds is None:
            parser.error(f"{visible(str(options['timeout']), 40)!r} is no time: write 10s, 500ms or 2m")
        options["timeout"] = seconds
    return options
