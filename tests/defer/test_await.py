"""Deferred as a coroutine: every way that asyncio has to wait, and every way to be cancelled there."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import sys
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, assert_type

import pytest

from pbshell.defer import CancelledError, Deferred, Failure, fail, succeed
from pbshell.errors import RemoteError, UsageError


def nothing(_: object) -> None:
    """Handle a failure."""


def soon(deferred: Deferred[Any], result: object = 5) -> Deferred[Any]:
    """Fire *deferred* in the loop's next turn."""
    loop = asyncio.get_running_loop()
    if isinstance(result, BaseException):
        loop.call_soon(deferred.errback, result)
    else:
        loop.call_soon(deferred.callback, result)
    return deferred


async def turns(count: int = 3) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def unhandled(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The messages of the reports so far, after everything collectable was collected."""
    gc.collect()
    caplog.clear()

    def messages() -> list[str]:
        gc.collect()
        return [record.getMessage() for record in caplog.records if record.name == "pbshell.defer"]

    return messages


# Looking at the result


async def test_a_fired_deferred_is_awaited_without_a_turn_of_the_loop() -> None:
    async def first_step() -> int:
        return await succeed(5)

    with pytest.raises(StopIteration) as done:
        first_step().send(None)
    assert done.value.value == 5


async def test_a_pending_deferred_is_waited_for() -> None:
    assert await soon(Deferred()) == 5


async def test_awaiting_takes_nothing() -> None:
    seen: list[int] = []
    d: Deferred[int] = soon(Deferred())
    assert [await d, await d] == [5, 5]
    d.addCallback(seen.append)
    assert seen == [5]


async def test_those_who_await_see_what_the_deferred_had_come_to_where_they_began() -> None:
    """As a DeferredList does: a callback that is added behind them changes nothing for them."""
    d: Deferred[Any] = Deferred()
    d.addCallback(lambda n: n + 1)
    waiting = asyncio.ensure_future(d)
    await turns()
    d.addCallback(lambda n: n * 100)
    d.callback(1)
    assert await waiting == 2
    assert await d == 200


async def test_a_failure_is_raised_with_its_traceback_however_often_it_is_awaited() -> None:
    def origin(_: object) -> None:
        raise ValueError("from the origin")

    d: Deferred[Any] = Deferred()
    d.addCallback(origin)
    soon(d)
    for _ in range(3):
        with pytest.raises(ValueError, match="from the origin") as caught:
            await d
        assert [entry.name for entry in caught.traceback][1:] == ["__await__", "origin"]


async def test_a_remote_failure_is_raised_as_a_remote_error() -> None:
    with pytest.raises(RemoteError, match="boom") as caught:
        await fail(RemoteError("x.MyError", "boom"))
    assert caught.value.remoteType == "x.MyError"


async def test_an_awaited_failure_counts_as_handled(unhandled: Callable[[], list[str]]) -> None:
    for d in (fail(KeyError()), soon(Deferred(), KeyError())):
        with pytest.raises(KeyError):
            await d
    del d
    assert unhandled() == []


async def test_an_awaited_failure_stays_handled_when_callbacks_are_added(unhandled: Callable[[], list[str]]) -> None:
    d = fail(LookupError())
    with pytest.raises(LookupError):
        await d
    d.addCallback(nothing)
    del d
    assert unhandled() == []


async def test_an_awaited_failure_is_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        d = fail(KeyError())
        gone = weakref.ref(d)
        with contextlib.suppress(KeyError):
            await d
        del d
        assert gone() is None
    finally:
        gc.enable()


async def test_a_failure_behind_the_one_that_was_awaited_is_reported(unhandled: Callable[[], list[str]]) -> None:
    def again(failure: Failure) -> None:
        raise KeyError("another")

    d = fail(LookupError())
    with pytest.raises(LookupError):
        await d
    d.addErrback(again)
    del d
    assert unhandled() == ["Unhandled error in Deferred: builtins.KeyError: 'another'"]


async def test_a_paused_deferred_is_waited_for_until_its_pause_ends() -> None:
    d = succeed(5)
    d.pause()
    asyncio.get_running_loop().call_soon(d.unpause)
    assert await d == 5


async def test_a_chain_is_waited_for_to_its_end() -> None:
    inner: Deferred[str] = Deferred()
    d = succeed(1).addCallback(lambda _: inner)
    soon(inner, "inner")
    assert await d == "inner"


# A coroutine to asyncio and to type checkers


def test_a_deferred_is_a_coroutine() -> None:
    d: Deferred[int] = Deferred()
    assert asyncio.iscoroutine(d)
    assert inspect.isawaitable(d)
    assert isinstance(d, Coroutine)
    assert isinstance(d, Awaitable)


async def test_type_checkers_know_the_type_of_the_result() -> None:
    async def number() -> int:
        return 1

    d = succeed(5)
    assert_type(d, Deferred[int])
    assert_type(await d, int)
    assert_type(d.addCallback(str), Deferred[str])
    assert_type(d.addErrback(nothing), Deferred[int | None])
    assert_type(await asyncio.gather(succeed(5), number()), tuple[int, int])
    assert_type(await succeed(5).addCallback(succeed), int)


def test_asyncio_run_runs_a_deferred() -> None:
    assert asyncio.run(succeed(5)) == 5
    with pytest.raises(KeyError):
        asyncio.run(fail(KeyError()))


async def test_gather_waits_for_deferreds() -> None:
    results: list[int] = await asyncio.gather(*[soon(Deferred(), n) for n in range(3)])
    assert results == [0, 1, 2]


async def test_gather_raises_what_a_deferred_failed_with() -> None:
    with pytest.raises(ValueError, match="bang!"):
        await asyncio.gather(soon(Deferred(), ValueError("bang!")), soon(Deferred()))


async def test_wait_for_gives_the_result_in_time() -> None:
    assert await asyncio.wait_for(soon(Deferred()), 10) == 5


async def test_wait_for_cancels_the_deferred_when_time_is_up() -> None:
    d: Deferred[int] = Deferred()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(d, 0.001)
    assert d.result.check(CancelledError)


async def test_wait_for_no_time_at_all_cancels_the_deferred_too() -> None:
    """Its task is cancelled before it has made a step."""
    d: Deferred[int] = Deferred()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(d, 0)
    assert d.result.check(CancelledError)


async def test_timeout_cancels_the_deferred_when_time_is_up() -> None:
    d: Deferred[int] = Deferred()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await d
    assert d.result.check(CancelledError)


async def test_timeout_lets_a_result_in_time_pass() -> None:
    async with asyncio.timeout(10):
        assert await soon(Deferred()) == 5


async def test_shield_keeps_the_deferred_from_being_cancelled() -> None:
    d: Deferred[int] = Deferred()
    waiting = asyncio.ensure_future(asyncio.shield(d))
    await turns()
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    assert not d.called
    d.callback(5)
    assert await d == 5


async def test_a_task_group_takes_deferreds_as_tasks() -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(soon(Deferred(), n)) for n in range(3)]
    assert [task.result() for task in tasks] == [0, 1, 2]


async def test_a_task_group_cancels_the_other_deferreds_when_one_fails() -> None:
    other: Deferred[int] = Deferred()

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(other)
            group.create_task(soon(Deferred(), ValueError("bang!")))

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    assert caught.group_contains(ValueError, match="bang!")
    assert other.result.check(CancelledError)


async def test_tasks_show_their_deferreds() -> None:
    task = asyncio.ensure_future(soon(Deferred()))
    assert "Deferred" in repr(task)
    await task


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no eager tasks before 3.12")
async def test_an_eager_task_drives_a_deferred() -> None:
    make: Any = asyncio.eager_task_factory  # type: ignore[attr-defined,unused-ignore]
    loop = asyncio.get_running_loop()
    assert make(loop, succeed(5)).result() == 5
    d: Deferred[int] = Deferred()
    task = make(loop, d)
    d.callback(6)
    assert await task == 6


async def test_asyncio_debug_mode_makes_no_difference() -> None:
    asyncio.get_running_loop().set_debug(True)
    results: list[int] = await asyncio.gather(*[soon(Deferred(), 1), succeed(2)])
    assert results == [1, 2]


# Cancelling


async def test_to_cancel_the_task_is_to_cancel_the_deferred() -> None:
    seen: list[object] = []
    d: Deferred[int] = Deferred(seen.append)
    d.addErrback(lambda failure: seen.append(failure.trap(CancelledError)))

    async def wait() -> None:
        await d

    task = asyncio.ensure_future(wait())
    await turns()
    task.cancel()
    with pytest.raises(CancelledError):
        await task
    assert task.cancelled()
    assert seen == [d, CancelledError]
    d.callback(5)


@pytest.mark.parametrize("steps", [0, 1])
async def test_to_cancel_a_task_made_of_a_deferred_cancels_it_however_early(steps: int) -> None:
    d: Deferred[int] = Deferred()
    task = asyncio.get_running_loop().create_task(d)
    await turns(steps)
    task.cancel()
    with pytest.raises(CancelledError):
        await task
    assert d.result.check(CancelledError)


async def test_a_cancellation_is_not_reported(unhandled: Callable[[], list[str]]) -> None:
    d: Deferred[int] = Deferred()
    task = asyncio.get_running_loop().create_task(d)
    await turns()
    task.cancel()
    with pytest.raises(CancelledError):
        await task
    del d, task
    await turns()
    assert unhandled() == []


async def test_awaiting_a_cancelled_deferred_makes_a_cancelled_task() -> None:
    d: Deferred[int] = Deferred()
    task = asyncio.ensure_future(d)
    await turns()
    d.cancel()
    with pytest.raises(CancelledError):
        await task
    assert task.cancelled()


async def test_a_task_cancelled_after_the_result_came_leaves_the_deferred_alone() -> None:
    """Its result is there, and what a later callback waits for is nobody else's to cancel."""
    inner: Deferred[int] = Deferred()
    d: Deferred[Any] = Deferred()
    task = asyncio.ensure_future(d)
    await turns()
    d.addCallback(lambda _: inner)
    d.callback(5)
    task.cancel()
    with pytest.raises(CancelledError):
        await task
    assert not inner.called
    inner.callback(6)
    assert await d == 6


async def test_a_result_that_comes_between_a_cancellation_and_its_step_is_kept() -> None:
    d: Deferred[int] = Deferred()
    task = asyncio.ensure_future(d)
    await turns()
    task.cancel()
    d.callback(5)
    with pytest.raises(CancelledError):
        await task
    assert await d == 5


async def test_a_failure_that_comes_between_a_cancellation_and_its_step_is_reported(
    unhandled: Callable[[], list[str]],
) -> None:
    """The task did not see it."""
    d: Deferred[int] = Deferred()
    task = asyncio.ensure_future(d)
    await turns()
    task.cancel()
    d.errback(ValueError("unseen"))
    with pytest.raises(CancelledError):
        await task
    del d, task
    # The loop still has the task in its hands, to wake this one.
    await turns()
    assert unhandled() == ["Unhandled error in Deferred: builtins.ValueError: unseen"]


async def test_two_tasks_may_drive_one_deferred() -> None:
    d: Deferred[int] = Deferred()
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(d), loop.create_task(d)]
    await turns()
    d.callback(5)
    assert await asyncio.gather(*tasks) == [5, 5]


async def test_of_two_tasks_that_drive_one_deferred_either_cancels_it() -> None:
    d: Deferred[int] = Deferred()
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(d), loop.create_task(d)]
    await turns()
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [CancelledError] * 2


async def test_a_task_forgets_the_deferred_it_has_driven() -> None:
    d: Deferred[int] = Deferred()
    task = asyncio.get_running_loop().create_task(d)
    await turns()
    assert d._drivers
    d.callback(5)
    await task
    assert not d._drivers


# Driving it by hand


def test_a_fired_deferred_can_be_driven_without_a_loop() -> None:
    with pytest.raises(StopIteration) as done:
        succeed(5).send(None)
    assert done.value.value == 5


def test_a_pending_deferred_awaited_outside_asyncio_says_what_is_missing() -> None:
    """Whoever drives it sent back what it was given, as for a plain value."""

    async def wait() -> None:
        await Deferred()

    coroutine = wait()
    given = coroutine.send(None)
    with pytest.raises(UsageError, match="neither asyncio nor ensureDeferred"):
        coroutine.send(given)


async def test_what_is_thrown_in_before_the_first_step_is_raised() -> None:
    d: Deferred[int] = Deferred()
    with pytest.raises(KeyError):
        d.throw(KeyError())
    assert not d.called


@pytest.mark.parametrize(
    "thrown",
    [(KeyError("why"),), (KeyError, KeyError("why")), (KeyError, "why"), (KeyError, "why", None)],
)
async def test_the_old_forms_of_throw_mean_the_same(thrown: tuple[Any, ...]) -> None:
    with pytest.raises(KeyError, match="why"):
        Deferred().throw(*thrown)


async def test_throw_of_a_class_makes_the_exception_and_takes_a_traceback() -> None:
    try:
        raise ValueError
    except ValueError as error:
        trace = error.__traceback__
    with pytest.raises(KeyError) as caught:
        Deferred().throw(KeyError, None, trace)
    assert caught.value.args == ()
    assert caught.value.__traceback__ is not None
    assert caught.traceback[-1].lineno == trace.tb_lineno - 1  # type: ignore[union-attr]


async def test_another_exception_thrown_into_a_wait_cancels_nothing() -> None:
    d: Deferred[int] = Deferred()
    d.send(None)
    with pytest.raises(KeyError):
        d.throw(KeyError())
    assert not d.called
    d.callback(5)
    assert await d == 5


async def test_close_ends_the_wait_and_cancels_nothing() -> None:
    d: Deferred[int] = Deferred()
    d.close()
    d.send(None)
    d.close()
    assert not d.called
    assert not d._drivers
    d.callback(5)


def test_a_deferred_that_fires_after_the_loop_of_its_task_has_closed_is_silent() -> None:
    d: Deferred[int] = Deferred()

    async def wait() -> None:
        await d

    loop = asyncio.new_event_loop()
    task = loop.create_task(wait())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    d.callback(5)
    assert d.result == 5
    # Nobody will tell the task: it is given up, as the loop was.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task.get_coro().close()


async def test_a_deferred_that_is_fired_in_a_foreign_thread_says_so_in_debug_mode() -> None:
    asyncio.get_running_loop().set_debug(True)
    d: Deferred[int] = Deferred()
    d.send(None).add_done_callback(nothing)
    with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
        await asyncio.to_thread(d.callback, 5)
    assert d.result == 5
    d.close()


# Futures


async def test_a_future_of_a_deferred_looks_at_the_result() -> None:
    d: Deferred[int] = Deferred()
    future = d.asFuture()
    assert asyncio.isfuture(future)
    soon(d)
    assert await future == 5
    assert await d == 5


async def test_a_future_of_a_deferred_has_its_failure(unhandled: Callable[[], list[str]]) -> None:
    d = fail(ValueError("bang!"))
    with pytest.raises(ValueError, match="bang!"):
        await d.asFuture(asyncio.get_running_loop())
    del d
    assert unhandled() == []


async def test_a_future_of_a_cancelled_deferred_is_cancelled() -> None:
    d: Deferred[int] = Deferred()
    inner: Deferred[int] = Deferred()
    future = d.asFuture()
    d.addErrback(lambda _: inner)
    d.cancel()
    assert future.cancelled()
    await turns()
    assert not inner.called


async def test_a_future_that_somebody_else_has_answered_cancels_nothing() -> None:
    d: Deferred[int] = Deferred()
    d.asFuture().set_result(1)
    await turns()
    assert not d.called


async def test_to_cancel_the_future_is_to_cancel_the_deferred() -> None:
    d: Deferred[int] = Deferred()
    future = d.asFuture()
    future.cancel()
    await turns()
    assert d.result.check(CancelledError)


async def test_a_deferred_that_fires_with_its_cancelled_future_is_left_alone() -> None:
    d: Deferred[int] = Deferred()
    d.asFuture().cancel()
    d.callback(5)
    await turns()
    assert await d == 5


async def test_a_stop_iteration_reaches_who_waits_as_an_error() -> None:
    """A future refuses it, and where a coroutine raises it, it would look like a result."""
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        await fail(StopIteration(1)).asFuture()
    assert isinstance(caught.value.__cause__, StopIteration)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await fail(StopIteration(1))


def test_there_is_no_future_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Deferred().asFuture()


async def test_wait_takes_the_futures_of_deferreds() -> None:
    """`asyncio.wait` refuses coroutines, and so Deferreds."""
    futures = [soon(Deferred(), n).asFuture() for n in range(3)]
    done, pending = await asyncio.wait(futures)
    assert {future.result() for future in done} == {0, 1, 2}
    assert not pending


async def test_a_deferred_of_a_future_has_its_result() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    d = Deferred.fromFuture(future)
    future.set_result(5)
    assert await d == 5


async def test_a_deferred_of_a_future_has_its_exception() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    d = Deferred.fromFuture(future)
    future.set_exception(KeyError())
    with pytest.raises(KeyError):
        await d


async def test_a_deferred_of_a_cancelled_future_is_cancelled_and_not_reported(
    unhandled: Callable[[], list[str]],
) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    d = Deferred.fromFuture(future)
    future.cancel()
    await turns()
    assert d.result.check(CancelledError)
    del d
    assert unhandled() == []


async def test_to_cancel_the_deferred_is_to_cancel_its_future() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    d = Deferred.fromFuture(future)
    d.cancel()
    assert future.cancelled()
    assert d.result.check(CancelledError)
    await turns()


# Time


async def test_a_timeout_without_a_clock_uses_the_loops() -> None:
    d: Deferred[int] = Deferred()
    with pytest.raises(TimeoutError, match=r"no result within 0\.001 seconds"):
        await d.addTimeout(0.001)
