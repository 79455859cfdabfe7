"""Work on a connection that is open: at the prompt, by statements, or by lines from a pipe. Only chooses."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from pbshell.cli.output import ask, say, show, width
from pbshell.shell.interrupts import Interrupts
from pbshell.shell.plain import Plain, each, lines_of, statements
from pbshell.shell.render import Renderer, has_colours
from pbshell.wire.text import visible
from pbshell.wire.verbs import PB_VERSION
from pbshell.workbench.problems import Problem, cannot_connect
from pbshell.workbench.workbench import Opened, Workbench

__all__ = ["problem_of", "tell", "work"]


def problem_of(error: BaseException, target: str) -> int:
    """Say why there is no connection to *target*. Returns the exit code."""
    problem = cannot_connect(error, target)
    return tell(problem)


def tell(problem: Problem) -> int:
    """Say what went wrong. Returns the exit code."""
    screen = sys.stderr is not None and sys.stderr.isatty()
    say(Renderer(width=width(), screen=screen).problem(problem, "pbshell: "))
    return int(problem.code)


async def work(bench: Workbench, opened: Opened, commands: Sequence[str] | None, timeout: float | None) -> int:
    """Run *commands*, or what is typed or piped in. Returns the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        # What a statement prints is there when it is printed, and not when somebody shows something.
        sys.stdout.reconfigure(line_buffering=True)
    plain = Plain(bench, show, say, renderer=Renderer(width=width()), timeout=timeout)
    if commands is not None:
        return await plain.run(each(commands))
    # None when it was closed before we began.
    if sys.stdin is None or not sys.stdin.isatty():
        return await plain.run(statements(lines_of(0)))
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return await _line_by_line(bench, opened, timeout)
    return await _prompt(bench, opened)


async def _line_by_line(bench: Workbench, opened: Opened, timeout: float | None) -> int:
    """For a terminal that can do nothing, and for somebody who keeps the results in a file."""
    say(_banner(opened))
    with Interrupts(lambda: ask("\npb> ")) as interrupts:
        plain = Plain(bench, show, say, renderer=Renderer(width=width()), timeout=timeout, interrupts=interrupts)
        await plain.run(statements(lines_of(0, lambda: ask("pb> "))), go_on=True)
    return 0


async def _prompt(bench: Workbench, opened: Opened) -> int:
    from pbshell.shell.repl import PBRepl

    renderer = Renderer(width=width(), colours=has_colours(sys.stdout), screen=True)
    repl = PBRepl(bench, renderer=renderer, label=bench.label)
    repl.above.show(_banner(opened))
    return await repl.run_until_left()


def _banner(opened: Opened) -> str:
    """Where we are, who can read along, and who we are; a line for each where one is too short for all."""
    dialect = opened.connection.broker.dialect
    facts = (
        f"connected to {visible(str(opened.connection), 100)} in {opened.seconds * 1000:.0f} ms",
        f"PB v{PB_VERSION}, dialect {dialect.name.decode() if dialect else 'unknown'}, {_privacy(opened.target)}",
        f"logged in as {visible(opened.user, 40)}" if opened.user else "not logged in",
    )
    line = "   ".join(facts)
    line = line if len(line) < width() else "\n".join(facts)
    return f"{line}\nType Python, with await, or :help.  Ctrl-C cancels a call, Ctrl-D leaves."


def _privacy(target: str) -> str:
    """Who can read along."""
    if target.startswith("unix:"):
        return "unix socket"
    return "TLS" if target.startswith("tls:") else "cleartext"


async def tour(bench: Workbench, commands: Sequence[str]) -> int:
    """Type *commands* for somebody who looks on; errors are part of what there is to see. Returns 0."""
    bench.tell = lambda text: show(f"* {text}")
    bench.tracer.show = show
    plain = Plain(bench, show, show, renderer=Renderer(width=width()))
    for command in commands:
        show(f"\npb:alice> {command}")
        problem = await plain.perform(command)
        if problem is not None:
            show(Renderer(width=width()).problem(problem))
    return 0
