"""What went wrong at the prompt, with the next step that this workbench knows. Knows the calls; shows nothing.

`problems` knows the sentence of each exception; here it learns what the exception came of.
"""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from pbshell.broker.references import RemoteReference
from pbshell.errors import ConnectionGone, DeadReferenceError, NoSuchMethod, RemoteError
from pbshell.trace import duration
from pbshell.trace.values import identity
from pbshell.wire.text import visible
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.known.knowledge import known_methods
from pbshell.workbench.problems import Interrupted, Problem, lacking, reason_of, what_happened
from pbshell.workbench.typed.calls import Calls, Made

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Opened, Workbench

__all__ = ["problem_at"]


def problem_at(bench: Workbench, error: BaseException) -> Problem:
    """Why a statement of somebody who sits at the prompt of *bench* has failed, and what to type next."""
    problem = what_happened(error, logged_in=bench.logged_in)
    if isinstance(error, Interrupted):
        return _given_up(bench, problem)
    if isinstance(error, RemoteError):
        made = next((each for each in reversed(bench.part(Calls).journal) if each.has_failed_with(error)), None)
        return problem if made is None else _remote(bench, error, made, problem)
    if isinstance(error, ConnectionGone):
        opened = _ended(bench, error)
        return problem if opened is None else _gone(error, opened, problem)
    return problem


def _given_up(bench: Workbench, problem: Problem) -> Problem:
    """The calls that were cancelled with the statement: they are the last ones."""
    journal = bench.part(Calls).journal
    if not journal or journal[-1].state != "cancelled" or not problem.text.startswith("cancelled"):
        return problem
    made = journal[-1]
    return replace(problem, hint=f"{made.id} {made.text()}: its answer will be dropped")


def _remote(bench: Workbench, error: RemoteError, made: Made, problem: Problem) -> Problem:
    missing = lacking(error) or ("a method" if isinstance(error, NoSuchMethod) else "")
    if missing:
        near = _near(bench, made)
        return problem if not near else replace(problem, hint=f"did you mean {near}?")
    steps = " ".join(f"  {step}" for step in _steps(made)).strip()
    if not steps:
        return problem
    told = f"{problem.hint}; " if problem.hint else ""
    return replace(problem, hint=f"{told}try  {steps}")


def _near(bench: Workbench, made: Made) -> str:
    """The methods of the same object that are known, and are called nearly so."""
    callee = made.callee()
    known = known_methods(bench, callee) if callee is not None else []
    # What was called and has always failed may be missing too.
    names = [each.name for each in known if each.seen == 0 or each.errors < each.seen]
    return " or ".join(visible(name, 60) for name in difflib.get_close_matches(made.method, names, 2))


def _steps(made: Made) -> list[str]:
    """What shows more of *made*: its answer, its object, and whether it fails again."""
    steps = []
    answer, callee = made.answer(), made.callee()
    if answer is not None and "show" in COMMANDS:
        steps.append(f":show {answer.number}")
    if isinstance(callee, RemoteReference) and "follow" in COMMANDS:
        steps.append(f":follow {identity(callee.broker.side.other, callee.luid)}")
    return [*steps, ":again"]


def _ended(bench: Workbench, error: ConnectionGone) -> Opened | None:
    """The connection whose end *error* tells, as far as its words say: the last one that ended so."""
    text = str(error)
    for opened in reversed(bench.ended.values()):
        reason = opened.connection.broker.lost
        if reason is not None and (error is reason or str(reason) in text):
            return opened
    return None


def _gone(error: ConnectionGone, opened: Opened, problem: Problem) -> Problem:
    """Which connection, when and why; and how to get another."""
    name = visible(opened.name, 40)
    now = asyncio.get_running_loop().time()
    when = "" if opened.ended is None else f" {duration(now - opened.ended)} ago"
    why = reason_of(opened.connection.broker.lost or error)
    if isinstance(error, DeadReferenceError):
        text = f"the connection {name} has ended{when}: {why}; what came over it is dead"
        return replace(problem, text=text, hint=f":reconnect {name}, then fetch the object again")
    text = f"{problem.text}; whether the method has run cannot be known"
    return replace(problem, text=text, hint=f":reconnect {name}, then :again")
