"""What is typed while it runs, what came of it, and what was sent to the background. Knows tasks and names.

Does not know what a statement means, and shows nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench.forms.rows import Notice, shown
from pbshell.workbench.problems import Interrupted, Leave, what_happened

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

__all__ = ["KEPT", "Detached", "Job", "Statement", "Statements", "here"]

#: results with a number, and jobs that are over, that are kept: they keep the peer's objects alive
KEPT = 100
#: seconds that a job has to end when the shell does
_LAST = 1.0
#: characters of a source and of a result in a notice
_SOURCE, _RESULT = 60, 100

_here: ContextVar[Statement | None] = ContextVar("_here", default=None)


@dataclass(eq=False, slots=True)
class Statement:
    """A line that is evaluated: *source*, in *task*, since *since* (seconds of the loop); *job* once it is detached."""

    source: str
    task: asyncio.Task[Any] | None
    since: float
    runs: bool = True
    job: Job | None = None


def here() -> Statement | None:
    """The statement in whose course this is asked, if it runs and is not detached; what it has started counts too."""
    statement = _here.get()
    return statement if statement is not None and statement.runs else None


@dataclass(frozen=True, slots=True)
class Detached(Notice):
    """A statement goes on in the background as *job*."""

    job: str
    source: str

    def __str__(self) -> str:
        return f"{self.job} runs in the background: {self.source}   (:calls lists it, :cancel {self.job} ends it)"


class Job:
    """A statement in the background, by *name* (d1). To await it is to wait for its result, and does not end it."""

    def __init__(self, name: str, source: str, task: asyncio.Task[Any], since: float) -> None:
        self.name = name
        #: what was typed
        self.source = source
        #: when it was begun, and when it ended (seconds of the loop)
        self.since = since
        self.until: float | None = None
        self._task = task

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._task.done()

    @property
    def state(self) -> str:
        """background, done, error or cancelled."""
        if not self._task.done():
            return "background"
        if self._task.cancelled():
            return "cancelled"
        return "done" if self._task.exception() is None else "error"

    @property
    def result(self) -> Any:
        """What came of it. Raises what it raised, and UsageError while it runs."""
        if not self._task.done():
            raise UsageError(f"{self.name} has no result yet: await {self.name} waits for it")
        if self._task.cancelled():
            raise Interrupted(f"{self.name} was cancelled")
        return self._task.result()

    def cancel(self) -> None:
        """End it, as Ctrl-C would have: a method that it has called may run on at the server."""
        self._task.cancel()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        # Whoever gives up waiting does not end it.
        await asyncio.wait({self._task})
        return self.result

    def outcome(self) -> str:
        """What came of it, in a few words; nothing while it runs."""
        if self.state == "done":
            return shown(self._task.result(), _RESULT)
        if self.state == "error":
            error = self._task.exception()
            assert error is not None
            return what_happened(error).text
        return ""

    def __repr__(self) -> str:
        return f"<{self.name}, {self.state}: {_short(self.source)}>"


@dataclass(slots=True)
class _Numbers:
    results: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    jobs: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class Statements:
    """The statements of *bench*: those that run, the jobs among them, and the names of what came of the others."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._numbers = _Numbers()
        #: those that the prompt waits for, the outermost first
        self.running: list[Statement] = []
        #: those in the background, and the last ones that were, by name
        self.jobs: dict[str, Job] = {}
        self._is_closing = False
        self._by_task: dict[asyncio.Task[Any], Job] = {}
        self._statements: dict[asyncio.Task[Any], Statement] = {}

    @contextmanager
    def begin(self, source: str) -> Iterator[Statement]:
        """*source* is evaluated inside; what goes wrong there becomes ``_err``."""
        task = asyncio.current_task()
        statement = Statement(source, task, asyncio.get_running_loop().time())
        if task in self._by_task:
            statement.job = self._by_task[task]
        else:
            self.running.append(statement)
        if task is not None:
            self._statements[task] = statement
        token = _here.set(statement)
        try:
            yield statement
        except Exception as error:
            # What was typed wrongly is no result, and who has it cannot do much with it.
            if statement.job is None and not isinstance(error, (Leave, Interrupted)):
                self._bench.namespace["_err"] = error
            raise
        finally:
            _here.reset(token)
            statement.runs = False
            if statement in self.running:
                self.running.remove(statement)
            if task is not None:
                self._statements.pop(task, None)

    def keep(self, value: Any) -> None:
        """*value* is what the statement in whose course this is called has given: ``_``, and the next number.

        The last hundred are kept. That of a job is asked of the job.
        """
        statement = here()
        if value is None or (statement is not None and statement.job is not None):
            return
        number = next(self._numbers.results)
        self._bench.namespace |= {"_": value, f"_{number}": value}
        self._bench.namespace.pop(f"_{number - KEPT}", None)

    # ------------------------------------------------------------------------------------ the background

    def start(self, source: str) -> Job:
        """Evaluate *source* in the background from the beginning."""
        task = asyncio.ensure_future(self._bench.evaluate(source))
        return self._book(source, task, asyncio.get_running_loop().time())

    def detach(self, task: asyncio.Task[Any]) -> Detached:
        """The statement that runs in *task* goes on in the background."""
        statement = self._statements.get(task)
        source = "" if statement is None else statement.source
        since = asyncio.get_running_loop().time() if statement is None else statement.since
        job = self._book(source, task, since)
        if statement is not None:
            statement.job = job
            if statement in self.running:
                self.running.remove(statement)
        return Detached(job.name, _short(source))

    async def close(self) -> None:
        """End what is in the background, and wait until it has; what will not end is left to the end of the loop."""
        tasks = set(self._by_task)
        # What we end ourselves is no news.
        self._is_closing = True
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST)

    def _book(self, source: str, task: asyncio.Task[Any], since: float) -> Job:
        name = f"d{next(self._numbers.jobs)}"
        while name in self._bench.namespace:
            name = f"d{next(self._numbers.jobs)}"
        job = self.jobs[name] = self._bench.namespace[name] = Job(name, source.strip(), task, since)
        self._by_task[task] = job
        task.add_done_callback(self._over)
        return job

    def _over(self, task: asyncio.Task[Any]) -> None:
        job = self._by_task.pop(task)
        job.until = task.get_loop().time()
        self._forget()
        # Asked for its outcome, so that nobody complains that it was not.
        outcome = job.outcome()
        if job.state == "error" and isinstance(task.exception(), Leave):
            outcome = "it wanted to leave the shell: Ctrl-D leaves"
        if self._is_closing:
            return
        words = {"done": "is done", "error": "failed", "cancelled": "was cancelled"}[job.state]
        colon = f": {outcome}" if outcome else ""
        self._bench.say(f"{job.name} {words}{colon}   ({_short(job.source)})")

    def _forget(self) -> None:
        over = [job for job in self.jobs.values() if job.done]
        for job in over[:-KEPT]:
            del self.jobs[job.name]
            if self._bench.namespace.get(job.name) is job:
                del self._bench.namespace[job.name]


def _short(source: str) -> str:
    return visible(" ".join(source.split()), _SOURCE)
