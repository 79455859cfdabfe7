"""``pbshell demo``: the bundled demo server in this process, and a prompt on it, or a tour that needs no terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pbshell.cli.arguments import add_common

#: What the tour types. Each line shows one thing, and none of them waits for long.
TOUR = (
    "await root.callRemote('whoami')",
    "builder = await root.callRemote('getBuilder', 'linux')",
    "builder",
    "await builder.callRemote('start', {'revision': 'abc'})",
    ":refs",
    "await builder.callRemote('explode')",
    "await root.callRemote('callMe', 'hello')",
    "mind.heard[-1]",
    "group = await root.callRemote('joinGroup', 'lobby')",
    "await group.callRemote('send', 'hi there')",
    "await root.callRemote('getStatus')",
    "clock = await root.callRemote('getClock')",
    "await clock.next()",
    ":cached",
    "await asyncio.wait_for(builder.callRemote('never'), 0.2)",
    ":trace on",
    "await root.callRemote('echo', [1, 'two', 3.0])",
    ":trace off",
)


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `demo`."""
    parser.add_argument("--tour", action="store_true", help="show what can be done, without a terminal, and leave")
    add_common(parser)


def run(options: argparse.Namespace) -> int:
    """Serve and connect."""
    import asyncio
    import logging

    from pbshell.cli.output import log_to_stderr

    # The server's log would stand among the client's results, and says what they say.
    log_to_stderr(options.verbose, logging.CRITICAL)
    return asyncio.run(_demo(options))


async def _demo(options: argparse.Namespace) -> int:
    from pbshell import pb
    from pbshell.cli.output import say
    from pbshell.cli.session import tour, work
    from pbshell.cred import UsernamePassword
    from pbshell.workbench.workbench import Workbench
    from pbshell_plugins.demo import make_portal, new_accounts

    accounts = new_accounts()
    bench = Workbench(tell=lambda text: say(f"pbshell: {text}"))
    bench.tracer.on = options.trace
    bench.tracer.show = say
    async with pb.serve(make_portal(accounts), "tcp:0") as server:
        try:
            credentials = UsernamePassword("alice", accounts["alice"])
            opened = await bench.connect(f"127.0.0.1:{server.port}", credentials=credentials, user="alice")
            if options.tour:
                return await tour(bench, TOUR)
            return await work(bench, opened, None, None)
        finally:
            await bench.close()
