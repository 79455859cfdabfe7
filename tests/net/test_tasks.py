"""An awaitable's first step is taken at once, in a real task and its own context, on every Python."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Generator
from typing import Any

import pytest

from pbshell.defer import Deferred, Failure, succeed
from pbshell.net import tasks
from tests.net.clock import Clock, turns, until

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


def start(awaitable: Any, owner: object = None) -> Deferred[Any]:
    return tasks.start(awaitable, contextvars.copy_context(), owner)


def failure_of(deferred: Deferred[Any]) -> BaseException:
    """What *deferred* has failed with; nobody need be told of it any more."""
    caught: list[Failure] = []
    deferred.addErrback(caught.append)
    return caught[0].value


# The first step


async def test_what_needs_one_step_has_answered_when_start_returns() -> None:
    async def method() -> int:
        return 5

    assert start(method()).result == 5


async def test_an_exception_in_the_first_step_is_there_at_once() -> None:
    async def method() -> None:
        raise ValueError("no")

    assert isinstance(failure_of(start(method())), ValueError)
    await turns()  # and asyncio does not report it as one that nobody has seen


async def test_calls_start_in_order_of_arrival_whatever_they_are_made_of() -> None:
    order: list[str] = []

    async def asynchronous() -> None:
        order.append("first")
        await asyncio.sleep(0)
        order.append("third")

    deferred = start(asynchronous())
    order.append("second")
    await deferred
    assert order == ["first", "second", "third"]


async def test_the_first_step_runs_in_the_same_task_as_the_others() -> None:
    seen: list[Any] = []

    async def method() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    here = asyncio.current_task()
    deferred = start(method())
    assert asyncio.current_task() is here
    await deferred
    assert isinstance(seen[0], asyncio.Task)
    assert seen[0] is seen[1] is not here


async def test_the_first_step_may_start_another() -> None:
    seen: list[Any] = []

    async def inner() -> str:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        return "inner"

    async def outer() -> Any:
        mine = asyncio.current_task()
        deferred = start(inner())
        assert asyncio.current_task() is mine
        seen.append(mine)
        return await deferred

    assert await start(outer()) == "inner"
    assert seen[0] is not seen[1]


async def test_it_can_be_started_outside_of_any_task() -> None:
    """As when bytes arrive: in a callback of the loop."""
    done = asyncio.get_running_loop().create_future()

    async def method() -> Any:
        task = asyncio.current_task()
        await asyncio.sleep(0)
        return task

    def arrived() -> None:
        start(method()).addCallback(done.set_result)
        assert asyncio.current_task() is None

    asyncio.get_running_loop().call_soon(arrived)
    assert isinstance(await done, asyncio.Task)


async def test_a_variable_set_by_a_call_stays_with_that_call() -> None:
    seen: list[str] = []

    async def method(value: str) -> None:
        seen.append(name.get())
        name.set(value)
        await asyncio.sleep(0)
        seen.append(name.get())

    await asyncio.gather(start(method("ada")), start(method("grace")))
    assert seen == ["nobody", "nobody", "ada", "grace"]
    assert name.get() == "nobody"


async def test_the_callbacks_of_what_ends_later_run_in_its_context() -> None:
    seen: list[str] = []

    async def method() -> None:
        name.set("ada")
        await asyncio.sleep(0)

    deferred = start(method()).addCallback(lambda _: seen.append(name.get()))
    await until(lambda: deferred.called)
    assert seen == ["ada"]


async def test_sleep_zero_is_one_turn_of_the_loop() -> None:
    order: list[str] = []

    async def method() -> None:
        await asyncio.sleep(0)
        order.append("method")

    deferred = start(method())
    asyncio.get_running_loop().call_soon(order.append, "behind")
    await deferred
    assert order == ["method", "behind"]


@pytest.mark.parametrize("steps_before", [0, 1])
async def test_a_timeout_begun_in_any_step_expires(steps_before: int) -> None:
    clock = Clock()

    async def method() -> str:
        for _ in range(steps_before):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return "expired"
        return "never"

    deferred = start(method())
    await turns()
    await clock.advance(4)
    assert not deferred.called
    await clock.advance(1)
    assert await deferred == "expired"


async def test_a_task_group_may_begin_in_the_first_step() -> None:
    async def part(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def method() -> int:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(part(number)) for number in (1, 2)]
        return sum(each.result() for each in parts)

    assert await start(method()) == 3


# The steps behind it


async def test_a_result_that_comes_later_fires_the_deferred() -> None:
    future = asyncio.get_running_loop().create_future()

    async def method() -> str:
        return f"got {await future}"

    deferred = start(method())
    assert not deferred.called
    future.set_result(1)
    assert await deferred == "got 1"


async def test_an_exception_that_comes_later_fails_the_deferred() -> None:
    async def method() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        await start(method())


async def test_a_task_that_only_its_future_knows_is_not_collected() -> None:
    async def method() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "alive"

    deferred = start(method())
    gc.collect()
    assert await deferred == "alive"


async def test_a_step_that_yields_nonsense_fails_as_in_any_task() -> None:
    class Nonsense:
        def __await__(self) -> Generator[Any, Any, None]:
            yield "nonsense"

    async def method() -> None:
        await Nonsense()

    with pytest.raises(RuntimeError, match="bad yield"):
        await start(method())


async def test_the_task_shows_the_method_it_runs() -> None:
    async def a_method_of_mine() -> None:
        await asyncio.sleep(0)

    owner = object()
    deferred = start(a_method_of_mine(), owner)
    assert "a_method_of_mine" in repr(tasks.running(owner)[0])
    await deferred


# Cancelling


async def test_cancelling_the_deferred_cancels_what_the_first_step_waits_for() -> None:
    future = asyncio.get_running_loop().create_future()
    ends: list[str] = []

    async def method() -> None:
        try:
            await future
        finally:
            ends.append("cleaned up")

    deferred = start(method())
    deferred.cancel()
    assert isinstance(failure_of(deferred), asyncio.CancelledError)
    await until(lambda: ends)
    assert future.cancelled()


async def test_cancelling_after_the_task_has_gone_on_works_too() -> None:
    future = asyncio.get_running_loop().create_future()
    ends: list[str] = []

    async def method() -> None:
        try:
            await future
        finally:
            ends.append("cleaned up")

    deferred = start(method())
    await turns()
    deferred.cancel()
    assert isinstance(failure_of(deferred), asyncio.CancelledError)
    await until(lambda: ends)
    assert future.cancelled()


async def test_a_cancellation_reaches_what_waits_for_one_turn() -> None:
    ends: list[str] = []

    async def method() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    deferred = start(method())
    deferred.cancel()
    assert isinstance(failure_of(deferred), asyncio.CancelledError)
    await until(lambda: ends)


async def test_a_cancellation_reaches_what_waits_for_a_future_that_is_done() -> None:
    future = asyncio.get_running_loop().create_future()
    ends: list[str] = []

    async def method() -> None:
        try:
            await future
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    owner = object()
    deferred = start(method(), owner)
    future.set_result(None)
    tasks.cancel(owner)
    await until(lambda: deferred.called)
    assert isinstance(failure_of(deferred), asyncio.CancelledError)
    assert ends == ["cancelled"]


async def test_a_method_may_cancel_itself_in_its_first_step() -> None:
    async def method() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(asyncio.CancelledError):
        await start(method()).asFuture()


async def test_a_method_that_raises_the_cancellation_itself_has_failed_with_it() -> None:
    async def method() -> None:
        raise asyncio.CancelledError

    assert isinstance(failure_of(start(method())), asyncio.CancelledError)


async def test_a_method_may_clean_up_slowly_and_give_a_result_after_all() -> None:
    async def method() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "finished all the same"

    owner = object()
    deferred = start(method(), owner)
    tasks.cancel(owner)
    assert await deferred == "finished all the same"


async def test_an_owner_cancels_what_runs_on_its_account_and_no_more() -> None:
    async def method() -> None:
        await asyncio.get_running_loop().create_future()

    mine, yours = object(), object()
    of_mine, of_yours = start(method(), mine), start(method(), yours)
    assert len(tasks.running(mine)) == 1
    left = tasks.cancel(mine)
    await asyncio.wait(left)
    assert isinstance(failure_of(of_mine), asyncio.CancelledError)
    assert tasks.running(mine) == []
    assert not of_yours.called
    await asyncio.wait(tasks.cancel(yours))
    failure_of(of_yours)


async def test_what_stops_the_loop_is_not_swallowed() -> None:
    async def method() -> None:
        raise KeyboardInterrupt

    # Since 3.12 asyncio adds that nobody has looked at the task.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        start(method())
    await turns()


# Other things that can be awaited


async def test_a_deferred_is_given_back() -> None:
    deferred = succeed(1)
    assert start(deferred) is deferred


async def test_another_librarys_deferred_counts_as_one() -> None:
    class Other:
        cancelled = False

        def addCallbacks(self, callback: Any, errback: Any) -> None:
            self.callback, self.errback = callback, errback

        def cancel(self) -> None:
            self.cancelled = True

    other = Other()
    deferred = start(other)
    assert not deferred.called
    other.callback(3)
    assert deferred.result == 3
    other = Other()
    failure_of_cancelled = start(other)
    failure_of_cancelled.cancel()
    failure_of(failure_of_cancelled)
    assert other.cancelled


async def test_a_future_that_is_done_is_answered_in_order() -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_result("there")
    assert start(future).result == "there"


async def test_a_future_is_followed_and_cancelled() -> None:
    future = asyncio.get_running_loop().create_future()
    deferred = start(future)
    future.set_exception(ValueError("late"))
    with pytest.raises(ValueError, match="late"):
        await deferred
    other = asyncio.get_running_loop().create_future()
    cancelled = start(other)
    cancelled.cancel()
    failure_of(cancelled)
    assert other.cancelled()


async def test_anything_else_that_can_be_awaited_is() -> None:
    class Later:
        def __await__(self) -> Generator[Any, Any, str]:
            yield from asyncio.sleep(0).__await__()
            return "later"

    deferred = start(Later())
    assert not deferred.called
    assert await deferred == "later"
