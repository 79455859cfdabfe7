"""Commands about calls: ``:calls``, ``:again``, ``:cancel``, ``:bg`` and ``:call``."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbshell.errors import UsageError
from pbshell.trace.filters import parse
from pbshell.wire.text import visible
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.rows import Notice, Rows
from pbshell.workbench.typed.calls import CallRow, Calls, MadeRow
from pbshell.workbench.typed.guided import guided
from pbshell.workbench.typed.statements import Detached, Statements

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

_WHICH = {
    "": "no call waits, and none has ended",
    "stuck": "no call is stuck",
    "done": "no call has ended",
    "err": "no call has failed",
}


@dataclass(frozen=True, slots=True)
class GivenUp(Notice):
    """A call or a job was cancelled; *text* says what that means."""

    text: str

    def __str__(self) -> str:
        return self.text


@command(
    "calls",
    "[stuck|done|err|mine] [FILTER]",
    "calls that wait, and those that have ended of late; why they are stuck",
    raw=True,
    first=True,
)
def calls(bench: Workbench, words: str = "") -> Rows[CallRow] | Rows[MadeRow]:
    """The calls on all connections that *words*, a kind and a filter, select. Raises UsageError."""
    which, _, rest = words.strip().partition(" ")
    if which == "mine" and not rest.strip():
        made = [each.row() for each in bench.part(Calls).journal]
        return Rows(MadeRow, made, "nothing was called at the prompt")
    if which not in _WHICH:
        which, rest = "", words
    select = parse(rest) if rest.strip() else None
    return Rows(CallRow, bench.part(Calls).rows(which, select), _WHICH[which])


@command("again", "[NUMBER]", "repeat the last call of the prompt, or that of this number in :calls mine")
def again(bench: Workbench, number: str | int = "") -> Awaitable[Any]:
    """What a call of the journal gives when it is made once more. Raises UsageError, and what the call raises."""
    if number != "" and not str(number).isdecimal():
        raise UsageError(f"{visible(str(number), 30)} is no number of a call: :calls mine lists them")
    return bench.part(Calls).made(int(number) if number != "" else None).again()


@command("cancel", "JOB|CALL [CONN]", "end a job (d1), or give up waiting for a call of ours (c#7)")
def cancel(bench: Workbench, identity: str | int, connection: str = "") -> GivenUp:
    """Cancel the job or the call *identity*; the *connection* tells two of one number apart. Raises UsageError."""
    job = bench.part(Statements).jobs.get(str(identity))
    if job is None:
        return GivenUp(bench.part(Calls).cancel(str(identity), connection))
    if job.done:
        raise UsageError(f"{job.name} is over: {job.outcome() or job.state}")
    job.cancel()
    return GivenUp(f"{job.name} is being cancelled; a method that it has called may still be running at the server")


@command("bg", "STATEMENT", "run Python or a command in the background, as Ctrl-Z would have sent it there", raw=True)
def background(bench: Workbench, source: str) -> Detached:
    """Evaluate *source* as a job. Raises UsageError when there is none."""
    if not source.strip():
        raise UsageError("write what is to run in the background: :bg await root.callRemote('NAME')")
    job = bench.part(Statements).start(source)
    return Detached(job.name, visible(" ".join(source.split()), 60))


@command("call", "REF METHOD", "call a method, and be asked for its arguments one by one")
async def call(bench: Workbench, reference: str, method: str) -> Any:
    """What *method* gives, called with what somebody is asked for. Raises UsageError where nobody can be asked."""
    return await guided(bench, reference, method)
