"""Work on a connection that is open: at the prompt, by statements, or by lines from a pipe. Only chooses."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

from pbshell.cli.objects import Objects
from pbshell.cli.output import ask, error_line, say, show, width
from pbshell.errors import ConnectionGone, UsageError
from pbshell.shell.interrupts import Interrupts
from pbshell.shell.plain import Plain, Typing, each, lines_of, statements
from pbshell.shell.render import Renderer, has_colours
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.wire.verbs import PB_VERSION
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.known.knowledge import known_methods
from pbshell.workbench.problems import Problem, cannot_connect
from pbshell.workbench.settings import Settings
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.workbench import Opened, Workbench

__all__ = ["Manner", "again", "problem_of", "tell", "work"]

T = TypeVar("T")

#: seconds between two attempts: the first, and the longest
FIRST_PAUSE, LONGEST_PAUSE = 1, 30


@dataclass(frozen=True, slots=True)
class Manner:
    """How a session goes.

    *commands* are statements in place of a prompt, *beginning* those in front of all others. *timeout* (seconds) is
    for each of them. *columns* are None for those that there are. *history* is the file of what is typed.
    *redact* is None for what the settings say.
    """

    commands: Sequence[str] | None = None
    beginning: Sequence[str] = ()
    timeout: float | None = None
    keep_going: bool = False
    json: bool = False
    quiet: bool = False
    plain: bool = False
    columns: int | None = None
    history: Path | None = None
    redact: str | None = None

    @classmethod
    def of(cls, options: argparse.Namespace, **more: Any) -> Manner:
        """As *options* want it; some commands lack some of them."""
        if getattr(options, "no_color", False):
            # Where the prompt's library, rich and we ourselves look.
            os.environ["NO_COLOR"] = "1"
        names = ("commands", "keep_going", "json", "quiet", "plain", "redact")
        given = {name: getattr(options, name) for name in names if hasattr(options, name)}
        return cls(**given, columns=getattr(options, "width", None), **more)

    def renderer(self, *, colours: bool = False, screen: bool = False) -> Renderer:
        """What makes text of results."""
        if self.json:
            return Objects()
        return Renderer(width=self.columns or width(), colours=colours, screen=screen, plain=self.plain)

    def runner(self, bench: Workbench, interrupts: Interrupts | None = None) -> Plain:
        """What runs statements without an editor, typed ones with *interrupts*. For programs all it says is data."""
        return Plain(
            bench,
            _show_lines if self.json else show,
            _show_lines if self.json else say,
            renderer=self.renderer(),
            timeout=self.timeout,
            interrupts=interrupts,
            at_prompt=interrupts is not None,
        )


def _show_lines(text: str) -> None:
    """Data that may have no line: for programs no rows are nothing."""
    if text:
        show(text)


def problem_of(error: BaseException, target: str, *, json: bool = False) -> int:
    """Say why there is no connection to *target*. Returns the exit code."""
    return tell(cannot_connect(error, target), json=json)


def tell(problem: Problem, *, json: bool = False) -> int:
    """Say what went wrong. Returns the exit code."""
    if json:
        show(error_line(problem.code, problem.text, problem.hint, problem.details))
    else:
        say(_words().problem(problem, "pbshell: "))
    return int(problem.code)


def _words() -> Renderer:
    """What makes text for stderr."""
    return Renderer(width=width(), screen=sys.stderr is not None and sys.stderr.isatty())


async def again(
    attempt: Callable[[], Awaitable[T]],
    target: str,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> T:
    """What *attempt* gives when it works at last; each time that it does not is told.

    Raises what it raises, if another time it would be the same.
    """
    said = False
    for pause in _pauses():
        try:
            return await attempt()
        except (OSError, ConnectionGone) as error:
            text = f"pbshell: {cannot_connect(error, target).text}; next attempt in {pause} s"
            say(_words().prose(text if said else f"{text}, and so on until Ctrl-C", "  "))
            said = True
        await sleep(pause)
    raise AssertionError("there is always another pause")


def _pauses() -> Iterator[int]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)


async def work(bench: Workbench, opened: Opened, manner: Manner) -> int:
    """Run the statements, or what is typed or piped in. Returns the exit code. Raises UsageError."""
    if isinstance(sys.stdout, TextIOWrapper):
        # What a statement prints is there when it is printed, and not when somebody shows something.
        sys.stdout.reconfigure(line_buffering=True)
    bench.render = lambda value, columns: Renderer(width=columns, plain=manner.plain).value(value)
    # stdin is None when it was closed before we began.
    typed = manner.commands is None and sys.stdin is not None and sys.stdin.isatty()
    if typed and manner.json:
        raise UsageError("--json is for statements of -c or from a pipe")
    if typed:
        # A script does the same for everybody, whatever he has set.
        _heed(bench, manner)
    plain = manner.runner(bench)
    code = await plain.run(each(manner.beginning), go_on=manner.keep_going or typed)
    if code and not (manner.keep_going or typed):
        return code
    if manner.commands is not None:
        return await plain.run(each(manner.commands), go_on=manner.keep_going) or code
    if not typed:
        return await plain.run(statements(lines_of(0)), go_on=manner.keep_going) or code
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return await _line_by_line(bench, opened, manner)
    return await _prompt(bench, opened, manner)


def _heed(bench: Workbench, manner: Manner) -> None:
    """Take what the user has set, but for what the command line says."""
    settings = bench.part(Settings)
    for wrong in settings.load(COMMANDS):
        say(f"pbshell: {wrong}")
    if manner.redact is not None:
        settings.set("redact", manner.redact)


async def _line_by_line(bench: Workbench, opened: Opened, manner: Manner) -> int:
    """For a terminal that can do nothing, and for somebody who keeps the results in a file."""
    if not manner.quiet:
        say(banner(bench, opened, manner.columns or width()))
    typing = Typing(ask, lambda: f"pb:{bench.label}> " if bench.label else "pb> ")
    with Interrupts(typing.drop, bench.part(Statements).detach) as interrupts:
        plain = manner.runner(bench, interrupts)
        plain.at_prompt = True
        await plain.run(statements(lines_of(0, typing.prompt), typing), go_on=True)
    return 0


async def _prompt(bench: Workbench, opened: Opened, manner: Manner) -> int:
    from pbshell.shell.repl import PBRepl

    renderer = manner.renderer(colours=has_colours(sys.stdout), screen=True)
    repl = PBRepl(bench, renderer=renderer, columns=manner.columns, history=manner.history)
    if not manner.quiet:
        repl.above.show(banner(bench, opened, renderer.width))
    return await repl.run_until_left()


def banner(bench: Workbench, opened: Opened, columns: int) -> str:
    """Where we are, who can read along, and who we are; and what to do next."""
    dialect = opened.connection.broker.dialect
    facts = (
        f"connected to {visible(str(opened.connection), 100)} in {opened.seconds * 1000:.0f} ms",
        f"PB v{PB_VERSION}, dialect {dialect.name.decode() if dialect else 'unknown'}, {_privacy(opened)}",
        f"logged in as {visible(opened.user, 40)}" if opened.user else "not logged in",
        _root(bench, opened),
    )
    keys = ("Type Python, or :help.", "Tab completes.", "F7 trace.", "Ctrl-C cancels a call, Ctrl-D leaves.")
    return "\n".join([*_grouped(facts, columns), *_filled(keys, "  ", columns)])


def _grouped(facts: Sequence[str], columns: int) -> list[str]:
    """All *facts* in a line, or two in each, or one: not as many as fit, which a millisecond more would change."""
    for count in (len(facts), 2, 1):
        lines = ["   ".join(facts[start : start + count]) for start in range(0, len(facts), count)]
        if all(len(line) < columns for line in lines):
            break
    return lines


def _filled(parts: Sequence[str], between: str, columns: int) -> list[str]:
    """The *parts* in lines, as many in each as there is room for; none is broken."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}{between}{part}"
        if lines[-1] and len(longer) >= columns:
            lines.append(part)
        else:
            lines[-1] = longer if lines[-1] else part
    return lines


def _root(bench: Workbench, opened: Opened) -> str:
    kind = "perspective" if opened.user else "root object"
    known = len(known_methods(bench, opened.root))
    return f"root: {kind}, {counted(known, 'method')} known" if known else f"root: {kind}"


def _privacy(opened: Opened) -> str:
    """Who can read along."""
    if opened.target.startswith("unix:"):
        return "unix socket"
    if opened.target.startswith("tls:"):
        return "TLS"
    return f"cleartext{' (loopback)' if _is_loopback(opened.connection.peer) else ''}"


def _is_loopback(peer: str) -> bool:
    return peer.startswith(("127.", "[::1]", "::1"))


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
