"""``pbshell serve``: a plugin, or a class of one's own, at an endpoint until somebody stops it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pbshell.cli.arguments import add_common
from pbshell.cli.tracing import add_file_options

if TYPE_CHECKING:
    from pbshell.cli.output import Frames
    from pbshell.net.server import Server
    from pbshell.plugin import ServerPlugin
    from pbshell.workbench.problems import Problem
    from pbshell.workbench.traffic.tracer import Tracer


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `serve`, and those of the plugin that *words* name."""
    parser.add_argument("name", metavar="NAME", help="a plugin (see `pbshell plugins`), or MODULE:CLASS")
    _add_options(parser)
    ahead = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    ahead.add_argument("name", nargs="?")
    _add_options(ahead)
    try:
        name = ahead.parse_known_args(words)[0].name
    except argparse.ArgumentError:
        return  # the real parser will say it
    if name is not None:
        plugin = _find(name, parser)
        plugin.add_options(parser)
        parser.set_defaults(plugin=plugin)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="ENDPOINT",
        action="append",
        help="tcp:PORT, ssl:PORT:privateKey=F:certKey=F or unix:PATH; repeatable; "
        "by default a free port of 127.0.0.1, which is told",
    )
    parser.add_argument("--port-file", metavar="FILE", type=Path, help="write the port here when it is open")
    parser.add_argument("--dump", action="store_true", help="write the traffic of all connections to stdout")
    add_common(parser)
    add_file_options(parser)


def _find(name: str, parser: argparse.ArgumentParser) -> ServerPlugin:
    """The plugin called *name*. Ends the process when there is none, or it is broken."""
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible
    from pbshell.workbench.reaching.hosting import find

    try:
        return find(name)
    except UsageError as error:
        parser.error(visible(str(error), 500))


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM, or Ctrl-C."""
    import asyncio

    from pbshell.cli.output import log_to_stderr, say
    from pbshell.cli.tracing import NoCapture

    log_to_stderr(options.verbose, file=options.log)
    try:
        return asyncio.run(_traced(options))
    except NoCapture as error:
        say(f"pbshell: {error}")
        return 2


async def _traced(options: argparse.Namespace) -> int:
    from pbshell.cli.output import Frames, say
    from pbshell.cli.tracing import recorded, traced

    frames = Frames() if options.dump else None
    tracer = traced(options, frames or say)
    async with recorded(options, tracer):
        return await _serve(options, tracer, frames)


async def _serve(options: argparse.Namespace, tracer: Tracer, frames: Frames | None) -> int:
    from pbshell.cli.output import say
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible
    from pbshell.workbench.problems import cannot_be_made, cannot_serve
    from pbshell.workbench.reaching.hosting import start

    try:
        tap = tracer.tap if tracer.on else tracer.record
        server = await start(options.plugin, options, options.listen or (), tap)
    except UsageError as error:
        say(f"pbshell: {visible(str(error), 500)}")
        return 2
    except OSError as error:
        return _say(cannot_serve(error, options.name))
    except (Exception, SystemExit) as error:  # noqa: BLE001 (code of the user's, and this is where it begins)
        return _say(cannot_be_made(error, options.name))
    try:
        try:
            _tell(options, server)
        except OSError as error:
            say(f"pbshell: the port file {visible(str(options.port_file), 100)} cannot be written: {error.strerror}")
            return 3
        ending = _until_stopped(server)
        return await (ending if frames is None else frames.until(ending))
    finally:
        server.close()
        await server.wait_closed()
        if options.port_file is not None:
            options.port_file.unlink(missing_ok=True)


def _say(problem: Problem) -> int:
    # What draws on screens is not imported for a server that runs.
    from pbshell.cli.session import tell

    return tell(problem)


def _tell(options: argparse.Namespace, server: Server) -> None:
    """Say where it listens, and write the port file: behind that the server can be reached."""
    from pbshell.cli.output import say
    from pbshell.wire.text import visible
    from pbshell.workbench.reaching.hosting import place_of

    for endpoint in server.endpoints:
        say(f"pbshell: serving {visible(options.name, 60)} on {place_of(endpoint)}")
    banner = options.plugin.banner()
    if banner:
        say(f"pbshell: {visible(banner, 500)}")
    if options.port_file is not None:
        write_port(options.port_file, server.port, server.endpoints[0])


def write_port(path: Path, port: int | None, endpoint: object) -> None:
    """The *port*, or else the *endpoint*, in the file *path*: all at once, so that nobody reads half of it."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(f"{endpoint if port is None else port}\n", encoding="ascii")
    unfinished.replace(path)


async def _until_stopped(server: Server) -> int:
    """Wait for SIGTERM, which is the polite way to end a server. Ctrl-C cancels the waiting."""
    import asyncio
    import signal

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    return 0
