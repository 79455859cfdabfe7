"""``pbshell connect``: a prompt on a server, statements from the command line or a pipe, or the bare traffic."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pbshell.cli.arguments import add_common, duration
from pbshell.cli.tracing import add_file_options

if TYPE_CHECKING:
    import asyncio

    from pbshell.cli.output import Frames
    from pbshell.workbench.workbench import Opened, Workbench


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `connect`."""
    parser.add_argument("target", metavar="TARGET", help="HOST:PORT, tls:HOST:PORT or unix:PATH")
    parser.add_argument(
        "-c", dest="commands", metavar="CMD", action="append", help="run this Python or :command and leave; repeatable"
    )
    parser.add_argument("--dump", action="store_true", help="write the traffic to stdout, no prompt, until the end")
    login = parser.add_argument_group("login")
    who = login.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="NAME", help="log in by this name")
    who.add_argument("--anonymous", action="store_true", help="log in without a name")
    secret = login.add_mutually_exclusive_group()
    secret.add_argument("--password-env", metavar="VARIABLE", help="the password is in this environment variable")
    secret.add_argument("--password-file", metavar="FILE", help="the password is the first line of this file")
    secret.add_argument("--ask", action="store_true", help="ask for the password (so it is done at a terminal)")
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--tls-ca", metavar="FILE", help="who may sign the server's certificate")
    tls.add_argument("--tls-cert", metavar="FILE", help="a certificate to show to the server")
    tls.add_argument("--tls-key", metavar="FILE", help="its private key")
    tls.add_argument("--tls-name", metavar="HOST", help="the name that the server's certificate must have")
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=duration,
        help="for connection and login (10s), and for each statement that is not typed at the prompt (no limit)",
    )
    add_common(parser)
    add_file_options(parser)


def run(options: argparse.Namespace) -> int:
    """Connect, and do what is asked for."""
    import asyncio
    import logging

    from pbshell.cli.output import log_to_stderr, say
    from pbshell.cli.passwords import NoPassword, credentials_of
    from pbshell.cli.tracing import NoCapture

    # What goes wrong with the one connection is said anyway; the log would say it twice.
    log_to_stderr(options.verbose, logging.ERROR)
    try:
        credentials = credentials_of(options)
    except NoPassword as error:
        say(f"pbshell: {error}")
        return 2
    try:
        return asyncio.run(_session(options, credentials))
    except NoCapture as error:
        say(f"pbshell: {error}")
        return 2


async def _session(options: argparse.Namespace, credentials: Any) -> int:
    from pbshell.cli.output import Frames, say
    from pbshell.cli.tracing import recorded, traced
    from pbshell.workbench.workbench import Workbench

    frames = Frames() if options.dump else None
    tracer = traced(options, frames or say)
    bench = Workbench(lambda text: say(f"pbshell: {text}"), tracer)
    async with recorded(options, tracer):
        return await _connected(options, credentials, bench, frames)


async def _connected(options: argparse.Namespace, credentials: Any, bench: Workbench, frames: Frames | None) -> int:
    from pbshell.cli.session import problem_of, work

    notice = _if_it_takes_long(options.target)
    try:
        try:
            opened = await bench.connect(
                endpoint_of(options),
                credentials=credentials,
                user=options.user or ("anonymous" if options.anonymous else ""),
                timeout=options.timeout or 10.0,
                tls_name=options.tls_name,
            )
        except Exception as error:  # noqa: BLE001 (whatever it is, it is why there is no connection)
            if frames is not None:
                frames.write()
            # Which is said in a moment, and need not be said twice.
            bench.tracer.on = False
            return problem_of(error, options.target)
        finally:
            notice.cancel()
        if frames is not None:
            return await frames.until(_dump(bench, opened, options))
        return await work(bench, opened, options.commands, options.timeout)
    finally:
        await bench.close()


def _if_it_takes_long(target: str) -> asyncio.TimerHandle:
    """Tell whoever sits there what he is waiting for; not at once, because most servers are there at once."""
    import asyncio

    from pbshell.cli.output import say
    from pbshell.wire.text import visible

    def tell() -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            say(f"pbshell: connecting to {visible(target, 100)}; Ctrl-C gives up")

    return asyncio.get_running_loop().call_later(1.0, tell)


async def _dump(bench: Workbench, opened: Opened, options: argparse.Namespace) -> int:
    """Run the statements, if there are any, else wait until the server hangs up. Only the traffic is shown."""
    from pbshell.cli.output import say
    from pbshell.shell.plain import Plain, each

    if options.commands is None:
        await opened.connection.wait_closed()
        return 0
    code = await Plain(bench, lambda text: None, say, timeout=options.timeout).run(each(options.commands))
    await bench.close()
    return code


def endpoint_of(options: argparse.Namespace) -> Any:
    """The endpoint to connect to. Raises UsageError for a target that is none, or has no TLS to be set."""
    from dataclasses import replace

    from pbshell.errors import UsageError
    from pbshell.net.endpoints import ConnectTCP, ConnectTLS, parse_connect

    endpoint = parse_connect(options.target)
    settings = {"ca": options.tls_ca, "cert": options.tls_cert, "key": options.tls_key}
    given = {name: value for name, value in settings.items() if value is not None}
    if not given and options.tls_name is None:
        return endpoint
    if (options.tls_cert is None) != (options.tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    if isinstance(endpoint, ConnectTCP):
        endpoint = ConnectTLS(endpoint.host, endpoint.port)
    if not isinstance(endpoint, ConnectTLS):
        raise UsageError("the --tls options are for HOST:PORT and tls:HOST:PORT")
    return replace(endpoint, **given)
