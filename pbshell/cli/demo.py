"""``pbshell demo``: the bundled demo server in this process, and a prompt on it, or a tour that needs no terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pbshell.cli.arguments import add_common, add_screen

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
    parser.add_argument(
        "-c", dest="commands", metavar="CMD", action="append", help="run this Python or :command and leave; repeatable"
    )
    add_screen(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> int:
    """Serve and connect."""
    import logging

    from pbshell.cli.output import log_to_stderr
    from pbshell.shell import loop

    # The server's log would stand among the client's results, and says what they say.
    log_to_stderr(options.verbose, logging.CRITICAL, options.log)
    return loop.run(_demo(options))


async def _demo(options: argparse.Namespace) -> int:
    from pbshell import pb
    from pbshell.cli.output import say
    from pbshell.cli.session import Manner, tour, work
    from pbshell.cli.target import history_of
    from pbshell.cred import UsernamePassword
    from pbshell.workbench.known.knowledge import Knowledge
    from pbshell.workbench.reaching.profiles import Profile
    from pbshell.workbench.traffic.showing import Showing
    from pbshell.workbench.workbench import Workbench
    from pbshell_plugins import demo

    accounts = demo.new_accounts()
    bench = Workbench(tell=lambda text: say(f"pbshell: {text}"))
    bench.tracer.show = say
    if options.trace:
        bench.part(Showing).turn_on()
    # Its source is at hand, and so are its methods for Tab and :methods.
    bench.part(Knowledge).use(demo)
    async with pb.serve(demo.make_portal(accounts), "tcp:0") as server:
        try:
            credentials = UsernamePassword("alice", accounts["alice"])
            opened = await bench.connect(f"127.0.0.1:{server.port}", credentials=credentials, user="alice")
            if options.tour:
                return await tour(bench, TOUR)
            return await work(bench, opened, Manner.of(options, history=history_of(Profile("demo"))))
        finally:
            await bench.close()
