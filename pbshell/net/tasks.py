"""An awaitable's first step now. Knows tasks and contexts; does not know what the awaitable computes.

Calls must start in order of arrival, whatever their methods are made of: a plain method that follows an ``async def``
must find what that one did before its first ``await``. `asyncio.create_task` breaks this promise, because it begins
in the loop's next turn. Since Python 3.12 `asyncio.eager_task_factory` gives the first step; on 3.11 it is taken by
hand, inside a real task, so that `asyncio.current_task` and `asyncio.timeout` work in it as in any other.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, cast

from pbshell.defer import Deferred, Failure, fail, succeed
from pbshell.defer.deferred import adopt, is_deferred

__all__ = ["cancel", "running", "start"]

T = TypeVar("T")

#: Tasks that are not done, and on whose account they run. The loop itself holds tasks only weakly.
_RUNNING: dict[asyncio.Future[Any], object] = {}


def start(awaitable: Awaitable[T], context: Context, owner: object = None) -> Deferred[T]:
    """Begin *awaitable* in *context* and give its outcome as a Deferred.

    The first step of a coroutine is taken before this returns; if that was all, the Deferred has fired. Cancelling the
    Deferred cancels the task. A Deferred, or another library's, is given back as one, and a Future is followed.
    *owner* is whoever may `cancel` what is left. *context* must not have been entered.

    Raises what the first step raised only if that is KeyboardInterrupt or SystemExit.
    """
    if is_deferred(awaitable):
        return adopt(awaitable)
    if asyncio.isfuture(awaitable):
        return _follow(awaitable, context, None)
    coroutine = awaitable if asyncio.iscoroutine(awaitable) else _waiting_for(awaitable)
    return _begin(coroutine, context, owner)


def running(owner: object) -> list[asyncio.Future[Any]]:
    """The tasks that run on account of *owner*, in the order in which they began."""
    return [task for task, account in list(_RUNNING.items()) if account is owner]


def cancel(owner: object) -> list[asyncio.Future[Any]]:
    """Cancel what runs on account of *owner*; returns these tasks, to be waited for."""
    left = running(owner)
    for task in left:
        task.cancel()
    return left


async def _waiting_for(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _follow(future: asyncio.Future[T], context: Context, owner: object) -> Deferred[T]:
    """A Deferred of what *future* gives: fired already, if that is known."""
    deferred: Deferred[T] = Deferred(lambda _: future.cancel())
    if future.done():
        _settle(deferred, future)
    else:
        if isinstance(future, asyncio.Task):
            _RUNNING[future] = owner
        future.add_done_callback(partial(_settle, deferred), context=context)
    return deferred


def _settle(deferred: Deferred[T], future: asyncio.Future[T]) -> None:
    _RUNNING.pop(future, None)
    try:
        result = future.result()
    except BaseException as error:  # noqa: BLE001 - whatever a method raises, CancelledError too, is its outcome
        failure = Failure(error)
        # Somebody here has asked for it.
        failure.quiet = future.cancelled()
        deferred.errback(failure)
    else:
        deferred.callback(result)


if sys.version_info >= (3, 12):

    def _begin(coroutine: Coroutine[Any, Any, T], context: Context, owner: object) -> Deferred[T]:
        # The factory enters the context itself; to enter it here as well would corrupt the current task.
        task = asyncio.eager_task_factory(asyncio.get_running_loop(), coroutine, context=context)
        return _follow(task, context, owner)

else:

    def _begin(coroutine: Coroutine[Any, Any, T], context: Context, owner: object) -> Deferred[T]:
        """Take the first step inside a new task, and leave the others to the task.

        asyncio documents ``_enter_task`` and ``_leave_task`` for those who extend it. A task that is running here, as
        when two brokers of one process call each other, is left for the time of the step.
        """
        loop = asyncio.get_running_loop()
        begun = _Begun(coroutine)
        task = asyncio.Task(begun, loop=loop, context=context)
        outer = asyncio.current_task(loop)
        if outer is not None:
            asyncio.tasks._leave_task(loop, outer)
        asyncio.tasks._enter_task(loop, task)
        try:
            context.run(begun.take_first_step)
        finally:
            asyncio.tasks._leave_task(loop, task)
            if outer is not None:
                asyncio.tasks._enter_task(loop, outer)
        if begun.error is not None:
            task.add_done_callback(_look_at)
            return fail(begun.error)
        if begun.over:
            return succeed(cast(T, begun.result))
        return _follow(task, context, owner)

    def _look_at(task: asyncio.Task[Any]) -> None:
        """Tell asyncio that the exception of *task* has been seen: the Deferred carries it."""
        if not task.cancelled():
            task.exception()

    class _Begun(Coroutine[Any, Any, T]):
        """A coroutine whose first step has been taken, for a task that has yet to take its first.

        That task then finds what the step left behind: a result, an exception, or a future to wait for. It is an
        object and not an ``async def``, because a task that is cancelled before its first step throws into what it
        was given, and an ``async def`` that has not begun would not pass that on.
        """

        __slots__ = ("_coroutine", "_waits_for", "error", "over", "result")

        def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
            self._coroutine = coroutine
            self._waits_for: Any = None  # what the first step yielded: a future, or None for one turn of the loop
            self.over = False
            self.result: T | None = None
            self.error: BaseException | None = None

        def take_first_step(self) -> None:
            """Run the coroutine up to its first ``await`` that waits, or to its end."""
            try:
                self._waits_for = self._coroutine.send(None)
            except StopIteration as stop:
                self.over, self.result = True, stop.value
            except (KeyboardInterrupt, SystemExit):
                self.over = True  # quietly: it stops the loop from here, and not once more from the task
                raise
            except BaseException as error:  # noqa: BLE001 - the method's outcome, CancelledError too
                self.over, self.error = True, error

        def send(self, value: Any) -> Any:
            """The task's next step; its first only hands over what the coroutine waits for already."""
            if self.over:
                self._finish()
            waits_for, self._waits_for = self._waits_for, None
            # After ``sleep(0)`` this is the turn that it asked for.
            return self._coroutine.send(value) if waits_for is None else waits_for

        def throw(self, *error: Any) -> Any:
            """What the task throws, a cancellation, goes to what the coroutine waits for, or else into it."""
            if self.over:
                self._finish()
            waits_for, self._waits_for = self._waits_for, None
            if asyncio.isfuture(waits_for):
                if waits_for.cancel():
                    return waits_for
                waits_for._asyncio_future_blocking = False
            return self._coroutine.throw(*error)

        def close(self) -> None:
            self._coroutine.close()

        def _finish(self) -> None:
            if self.error is not None:
                raise self.error
            raise StopIteration(self.result)

        def __await__(self) -> Any:
            return self

        def __getattr__(self, name: str) -> Any:
            """Names, frames and code are the coroutine's: this is what a debugger and repr(task) look at."""
            return getattr(self._coroutine, name)
