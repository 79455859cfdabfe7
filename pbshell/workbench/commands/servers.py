"""Commands about servers of ours: ``:serve :servers :stop``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.errors import UsageError
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.workbench.books.inspection import clock
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.rows import Notice, Rows
from pbshell.workbench.known.placeholders import Lenient
from pbshell.workbench.problems import Told, cannot_be_made, cannot_serve
from pbshell.workbench.reaching.hosting import find, place_of, start
from pbshell.workbench.reaching.plan import check_name
from pbshell.workbench.reaching.words import Words, named

if TYPE_CHECKING:
    from pbshell.plugin import ServerPlugin
    from pbshell.workbench.workbench import Workbench

_SERVE = "PLUGIN|MODULE:CLASS [as NAME] [--listen ENDPOINT] [--OPTION VALUE]..."


@dataclass(frozen=True, slots=True)
class Serving(Notice):
    """The server *name* offers what *served* names, at *endpoints*; *banner* is what its plugin has to say."""

    name: str
    served: str
    endpoints: tuple[str, ...]
    banner: str

    def __str__(self) -> str:
        told = f"{self.name}: serving {self.served} on {' and '.join(self.endpoints)}"
        return f"{told}; {self.banner}" if self.banner else told


@dataclass(frozen=True, slots=True)
class Stopped(Notice):
    """The server *name* serves no more; so many *connections* were closed."""

    name: str
    connections: int

    def __str__(self) -> str:
        return f"{self.name} has stopped; {counted(self.connections, 'connection')} closed"


@dataclass(frozen=True, slots=True)
class ServerRow:
    """The server *name*, *up* for so many seconds, with so many *connections*."""

    name: str
    served: str
    endpoints: tuple[str, ...]
    connections: int
    up: float


@command("serve", _SERVE, "a server in this process; its connections stand in :conns, :refs and the trace")
async def serve(bench: Workbench, what: str, *words: str) -> Serving:
    """Serve the plugin *what*, or MODULE:CLASS, on a free port of this machine or at each ``--listen``.

    Raises UsageError, Told.
    """
    rest, name = named((what, *words))
    plugin = find(rest[0])
    options = _options(plugin, rest)
    name = _name(bench, name or options.pb_name, rest[0])
    try:
        server = await start(plugin, options, options.pb_listen or (), bench.tap_for(name), bench.part(Lenient))
    except UsageError:
        raise
    except OSError as error:
        raise Told(cannot_serve(error, rest[0])) from error
    except (Exception, SystemExit) as error:
        raise Told(cannot_be_made(error, rest[0])) from error
    bench.host(name, rest[0], server)
    places = tuple(place_of(each) for each in server.endpoints)
    return Serving(name, rest[0], places, visible(plugin.banner(), 500))


@command("servers", "", "the servers in this process")
def servers(bench: Workbench) -> Rows[ServerRow]:
    """One row for each."""
    now = clock(bench)
    rows = [
        ServerRow(
            name, each.served, tuple(map(str, each.server.endpoints)), len(each.server.connections), now - each.began
        )
        for name, each in bench.servers.items()
    ]
    return Rows(ServerRow, rows, "no servers; :serve NAME starts one, as :serve echo")


@command("stop", "SERVER", "end a server, and its connections")
async def stop(bench: Workbench, name: str) -> Stopped:
    """Close the server *name*, and wait until it is. Raises UsageError."""
    if name not in bench.servers:
        there = ", ".join(bench.servers) or "there is none"
        raise UsageError(f"there is no server {visible(name, 40)!r}: {there}")
    server = bench.servers.pop(name).server
    count = len(server.connections)
    server.close()
    await server.wait_closed()
    return Stopped(name, count)


def _options(plugin: ServerPlugin, words: list[str]) -> argparse.Namespace:
    """What the *words* say, for *plugin* and for us. Raises UsageError."""
    parser = Words("serve")
    # Ours are kept under names that a plugin does not use.
    parser.add_argument("pb_what")
    parser.add_argument("--listen", dest="pb_listen", action="append")
    parser.add_argument("--as", dest="pb_name", default="")
    try:
        plugin.add_options(parser)
    except Exception as error:
        raise Told(cannot_be_made(error, words[0])) from error
    return parser.read(words)


def _name(bench: Workbench, name: str, what: str) -> str:
    """*name*, or a free one after *what* is served. Raises UsageError."""
    if name:
        if name in bench.servers:
            raise UsageError(f"there is a server {name!r} already")
        return check_name(name)
    base = what.rpartition(":")[2].rpartition(".")[2] if ":" in what else what
    free, number = base, 1
    while free in bench.servers:
        number += 1
        free = f"{base}{number}"
    return free
