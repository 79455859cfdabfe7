"""``pbshell connect``: a prompt on a server, statements from the command line or a pipe, or the bare traffic."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbshell.cli.arguments import add_common, add_screen, add_target
from pbshell.cli.tracing import add_file_options

if TYPE_CHECKING:
    import asyncio

    from pbshell.cli.output import Frames
    from pbshell.cli.session import Manner
    from pbshell.workbench.reaching.plan import Plan
    from pbshell.workbench.reaching.profiles import Profile
    from pbshell.workbench.workbench import Opened, Workbench


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `connect`."""
    add_target(parser)
    parser.add_argument(
        "-c", dest="commands", metavar="CMD", action="append", help="run this Python or :command and leave; repeatable"
    )
    parser.add_argument("--keep-going", action="store_true", help="go on behind a statement that fails")
    parser.add_argument("--as", dest="as_name", metavar="NAME", help="what the connection is called at the prompt")
    parser.add_argument("--quiet", action="store_true", help="say nothing before the first prompt")
    parser.add_argument("--dump", action="store_true", help="write the traffic to stdout, no prompt, until the end")
    add_screen(parser)
    add_common(parser)
    add_file_options(parser)


def run(options: argparse.Namespace) -> int:
    """Connect, and do what is asked for. Raises UsageError."""
    import logging

    from pbshell.cli.output import log_to_stderr
    from pbshell.cli.target import profile_of
    from pbshell.cli.tracing import NoCapture
    from pbshell.errors import UsageError
    from pbshell.shell import loop

    if options.json and options.dump:
        raise UsageError("--dump is for people; for programs: pbshell trace proxy -o json")
    # What goes wrong with the one connection is said anyway; the log would say it twice.
    log_to_stderr(options.verbose, logging.ERROR, options.log)
    profile = profile_of(options)
    options.trace = profile.trace
    try:
        return loop.run(_session(options, profile))
    except NoCapture as error:
        raise UsageError(str(error)) from None


async def _session(options: argparse.Namespace, profile: Profile) -> int:
    from pbshell.cli.output import Frames, say
    from pbshell.cli.target import plan_of
    from pbshell.cli.tracing import recorded, traced
    from pbshell.workbench.workbench import Workbench

    frames = Frames() if options.dump else None
    tracer = traced(options, frames or say)
    bench = Workbench(lambda text: say(f"pbshell: {text}"), tracer)
    plan = await plan_of(profile, bench.namespace)
    async with recorded(options, tracer):
        return await _connected(options, profile, plan, bench, frames)


async def _connected(
    options: argparse.Namespace, profile: Profile, plan: Plan, bench: Workbench, frames: Frames | None
) -> int:
    from pbshell.cli.session import Manner, work
    from pbshell.cli.target import history_of

    manner = Manner.of(options, beginning=profile.commands, history=history_of(profile), timeout=profile.timeout)
    name = profile.as_name or profile.name
    try:
        opened = await open_by(plan, bench, name, options, frames)
        if isinstance(opened, int):
            return opened
        if frames is not None:
            return await frames.until(_dump(bench, opened, manner))
        return await work(bench, opened, manner)
    finally:
        await bench.close()


async def open_by(
    plan: Plan, bench: Workbench, name: str, options: argparse.Namespace, frames: Frames | None = None
) -> Opened | int:
    """Connect by *plan*, once or until it works. The connection, or the exit code if there is none: then it is told."""
    from pbshell.cli.session import again, problem_of

    target = str(plan.target).removeprefix("tcp:")
    notice = _if_it_takes_long(target)
    try:
        if options.retry:
            notice.cancel()
            return await again(lambda: bench.open(plan, name), target)
        return await bench.open(plan, name)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is why there is no connection)
        if frames is not None:
            frames.write()
        # Which is said in a moment, and need not be said twice.
        bench.tracer.on = False
        return problem_of(error, target, json=options.json)
    finally:
        notice.cancel()


def _if_it_takes_long(target: str) -> asyncio.TimerHandle:
    """Tell whoever sits there what he is waiting for; not at once, because most servers are there at once."""
    import asyncio

    from pbshell.cli.output import say
    from pbshell.wire.text import visible

    def tell() -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            say(f"pbshell: connecting to {visible(target, 100)}; Ctrl-C gives up")

    return asyncio.get_running_loop().call_later(1.0, tell)


async def _dump(bench: Workbench, opened: Opened, manner: Manner) -> int:
    """Run the statements, if there are any, else wait until the server hangs up. Only the traffic is shown."""
    from pbshell.cli.output import say
    from pbshell.shell.plain import Plain, each

    if manner.commands is None and not manner.beginning:
        await opened.connection.wait_closed()
        return 0
    plain = Plain(bench, lambda text: None, say, timeout=manner.timeout)
    code = await plain.run(each([*manner.beginning, *(manner.commands or ())]), go_on=manner.keep_going)
    if not code and manner.commands is None:
        await opened.connection.wait_closed()
    await bench.close()
    return code
