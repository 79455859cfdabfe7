"""Deferreds out of values, coroutines and generators, and one out of many. Needs no loop but where it says so."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Generator
from typing import Any

import pytest

from pbshell.defer import (
    FAILURE,
    SUCCESS,
    CancelledError,
    Deferred,
    DeferredList,
    Failure,
    FirstError,
    ensureDeferred,
    fail,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    succeed,
)
from pbshell.errors import PBError, UsageError

DEPTH = 50_000


def nothing(_: object) -> None:
    """Handle a failure."""


@pytest.fixture
def unhandled(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The messages of the reports so far, after everything collectable was collected."""
    gc.collect()
    caplog.clear()

    def messages() -> list[str]:
        gc.collect()
        return [record.getMessage() for record in caplog.records if record.name == "pbshell.defer"]

    return messages


# succeed, fail, maybeDeferred


def test_succeed_and_fail_give_deferreds_that_have_fired() -> None:
    """Behaviour 189."""
    assert succeed(1).called
    assert succeed(1).result == 1
    d = fail(ValueError())
    assert d.called
    assert d.addErrback(lambda failure: failure.trap(ValueError)).result is ValueError


def test_fail_without_a_reason_takes_the_exception_being_handled() -> None:
    try:
        raise KeyError("this")
    except KeyError:
        d = fail()
    assert d.addErrback(Failure.getErrorMessage).result == "'this'"


def test_maybeDeferred_makes_values_deferreds_and_exceptions_alike() -> None:
    """Behaviour 190."""
    waiting: Deferred[int] = Deferred()
    failure = Failure(KeyError())

    def refuse() -> None:
        raise ValueError("refused")

    assert maybeDeferred(lambda a, b: a + b, 1, b=2).result == 3
    assert maybeDeferred(lambda: waiting) is waiting
    refused = maybeDeferred(refuse)
    assert refused.result.getErrorMessage() == "refused"
    assert maybeDeferred(lambda: failure).addErrback(lambda seen: seen is failure).result is True
    refused.addErrback(nothing)


def test_maybeDeferred_shows_where_the_exception_is_from_and_not_itself() -> None:
    def refuse() -> None:
        raise ValueError("refused")

    d = maybeDeferred(refuse)
    assert d.result.getBriefTraceback().splitlines()[1].endswith(":refuse")
    d.addErrback(nothing)


async def test_maybeDeferred_takes_coroutines_and_other_awaitables() -> None:
    async def late() -> str:
        await asyncio.sleep(0)
        return "late"

    future = asyncio.get_running_loop().create_future()
    future.set_result("future")
    assert await maybeDeferred(late) == "late"
    assert await maybeDeferred(lambda: future) == "future"


def test_maybeDeferred_takes_whatever_has_addCallbacks() -> None:
    class Foreign:
        def addCallbacks(self, callback: Callable[[str], object], errback: object) -> None:
            callback("foreign")

    assert maybeDeferred(Foreign).result == "foreign"


# DeferredList


def test_a_list_gives_pairs_in_the_order_of_its_input() -> None:
    """Behaviour 191."""
    ds: list[Deferred[str]] = [Deferred() for _ in range(3)]
    dl = DeferredList(ds, consumeErrors=True)
    ds[2].callback("three")
    ds[1].errback(ValueError("bang!"))
    assert not dl.called
    ds[0].callback("one")

    (first, second, third) = dl.result
    assert (first, third) == ((SUCCESS, "one"), (SUCCESS, "three"))
    assert second[0] is FAILURE
    assert second[1].getErrorMessage() == "bang!"


def test_a_list_has_what_a_deferred_had_come_to_when_the_list_was_made() -> None:
    """Behaviour 192."""
    before: Deferred[str] = Deferred()
    after: Deferred[str] = Deferred()
    before.addCallback(lambda result: f"{result} ten")
    dl = DeferredList([before, after])
    after.addCallback(lambda result: f"{result} ten")
    before.callback("one")
    after.callback("two")
    assert dl.result == [(True, "one ten"), (True, "two")]
    assert after.result == "two ten"


def test_a_list_may_fire_at_the_first_result() -> None:
    """Behaviour 193: once, and what comes later is ignored."""
    ds: list[Deferred[str]] = [Deferred() for _ in range(3)]
    dl = DeferredList(ds, fireOnOneCallback=True, consumeErrors=True)
    ds[0].errback(ValueError())
    assert not dl.called
    ds[2].callback("third")
    assert dl.result == ("third", 2)
    ds[1].callback("second")
    assert dl.result == ("third", 2)


def test_a_list_that_waits_for_one_result_and_gets_none_has_the_failures() -> None:
    ds: list[Deferred[str]] = [Deferred() for _ in range(2)]
    dl = DeferredList(ds, fireOnOneCallback=True, consumeErrors=True)
    for d in ds:
        d.errback(ValueError())
    assert [success for success, _ in dl.result] == [FAILURE, FAILURE]


def test_a_list_may_fail_at_the_first_failure() -> None:
    """Behaviour 193: once, and what comes later is ignored."""
    ds: list[Deferred[str]] = [Deferred() for _ in range(3)]
    dl = DeferredList(ds, fireOnOneErrback=True, consumeErrors=True)
    ds[0].callback("fine")
    ds[2].errback(ValueError("bang!"))
    ds[1].errback(KeyError())

    error = dl.result.value
    assert isinstance(error, FirstError)
    assert isinstance(error, PBError)
    assert error.index == 2
    assert error.subFailure.getErrorMessage() == "bang!"
    assert error.__cause__ is error.subFailure.value
    assert str(error) == "number 2 failed with builtins.ValueError: bang!"
    dl.addErrback(nothing)


def test_consumed_errors_end_in_the_list(unhandled: Callable[[], list[str]]) -> None:
    """Behaviour 193."""
    d: Deferred[str] = Deferred()
    dl = DeferredList([d], consumeErrors=True)
    d.errback(ValueError())
    assert d.result is None
    del d, dl
    assert unhandled() == []


def test_a_list_does_not_fail_and_the_failures_it_does_not_consume_are_reported(
    unhandled: Callable[[], list[str]],
) -> None:
    """Behaviour 194."""
    d: Deferred[str] = Deferred()
    dl = DeferredList([d])
    d.errback(ValueError("still mine"))
    assert dl.result[0][0] is FAILURE
    del d, dl
    assert unhandled() == ["Unhandled error in Deferred: builtins.ValueError: still mine"]


def test_a_list_of_nothing_fires_at_once() -> None:
    assert DeferredList([]).result == []


def test_a_list_of_nothing_that_waits_for_one_result_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="would never fire"):
        DeferredList([], fireOnOneCallback=True)


def test_to_cancel_a_list_is_to_cancel_everything_in_it() -> None:
    ds: list[Deferred[str]] = [Deferred() for _ in range(2)]
    dl = DeferredList(ds)
    dl.cancel()
    assert [outcome.check(CancelledError) for _, outcome in dl.result] == [CancelledError] * 2
    assert all(d.result.check(CancelledError) for d in ds)


def test_a_cancelled_gathering_is_not_reported(unhandled: Callable[[], list[str]]) -> None:
    ds: list[Deferred[int]] = [Deferred(), Deferred()]
    d = gatherResults(ds)
    d.cancel()
    assert d.result.value.subFailure.check(CancelledError)
    del d, ds
    assert unhandled() == []


def test_a_list_takes_whatever_has_addCallbacks() -> None:
    class Foreign:
        def addCallbacks(self, callback: Any, errback: Any, *args: Any) -> None:
            errback(ValueError("foreign"), *args[2])

    (outcome,) = DeferredList([Foreign()]).result  # type: ignore[list-item]
    assert outcome[1].getErrorMessage() == "foreign"


async def test_a_list_takes_coroutines() -> None:
    async def number(n: int) -> int:
        await asyncio.sleep(0)
        return n

    assert await DeferredList([number(1), number(2)]) == [(True, 1), (True, 2)]


def test_gathered_results_are_a_list_of_all_results() -> None:
    """Behaviour 195."""
    ds: list[Deferred[int]] = [Deferred() for _ in range(3)]
    d = gatherResults(ds)
    for n, each in reversed(list(enumerate(ds))):
        assert not d.called
        each.callback(n)
    assert d.result == [0, 1, 2]


def test_a_gathering_fails_with_the_first_failure() -> None:
    ds: list[Deferred[int]] = [Deferred() for _ in range(2)]
    d = gatherResults(ds, consumeErrors=True)
    ds[1].errback(ValueError("bang!"))
    assert d.result.value.index == 1
    d.addErrback(nothing)


# ensureDeferred


def test_a_deferred_is_ensured_already() -> None:
    d: Deferred[int] = Deferred()
    assert ensureDeferred(d) is d


def test_what_cannot_be_awaited_cannot_be_ensured() -> None:
    with pytest.raises(TypeError, match="int is neither a Deferred nor awaitable"):
        ensureDeferred(5)  # type: ignore[arg-type]


async def test_under_asyncio_a_task_runs_the_coroutine() -> None:
    tasks = []

    async def late(result: int) -> int:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        return result

    assert await ensureDeferred(late(1)) == 1
    assert tasks[0] is not asyncio.current_task()


async def test_a_coroutine_that_raises_fails_its_deferred() -> None:
    async def broken() -> None:
        await asyncio.sleep(0)
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        await ensureDeferred(broken())


async def test_to_cancel_the_deferred_is_to_cancel_the_coroutine() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    d = ensureDeferred(endless())
    await asyncio.sleep(0)
    d.cancel()
    assert d.result.check(CancelledError)
    await ended.wait()


def test_without_a_loop_a_coroutine_runs_at_once_and_waits_for_deferreds() -> None:
    """So that what is written with `await` can be tried in memory."""
    first: Deferred[int] = Deferred()

    async def add() -> int:
        return await first + await succeed(2)

    d = ensureDeferred(add())
    assert not d.called
    first.callback(1)
    assert d.result == 3


def test_without_a_loop_failures_are_raised_where_they_are_awaited(unhandled: Callable[[], list[str]]) -> None:
    first: Deferred[int] = Deferred()

    async def mend(first: Deferred[int]) -> str:
        try:
            await first
        except ValueError as error:
            return f"mended {error}"
        return "nothing to mend"

    d = ensureDeferred(mend(first))
    first.errback(ValueError("this"))
    assert d.result == "mended this"
    del first, d
    assert unhandled() == []


def test_without_a_loop_a_coroutine_may_come_to_a_failure() -> None:
    async def broken() -> int:
        await fail(KeyError("broken"))
        return 1

    d = ensureDeferred(broken())
    assert d.result.check(KeyError)
    d.addErrback(nothing)


def test_a_coroutine_that_began_without_a_loop_goes_on_within_one() -> None:
    first: Deferred[int] = Deferred()

    async def add() -> int:
        result = await first
        await asyncio.sleep(0)
        return result + 1

    d = ensureDeferred(add())

    async def main() -> int:
        first.callback(1)
        return await d

    assert asyncio.run(main()) == 2


# inlineCallbacks


def test_a_generator_waits_at_each_yield() -> None:
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()

    @inlineCallbacks
    def add(more: int) -> Generator[Deferred[int], int, int]:
        """Add."""
        a = yield first
        b = yield second
        return a + b + more

    d = add(more=100)
    second.callback(20)
    assert not d.called
    first.callback(3)
    assert d.result == 123
    assert (add.__name__, add.__doc__) == ("add", "Add.")


def test_a_plain_value_comes_back_at_once() -> None:
    @inlineCallbacks
    def plain() -> Generator[Any, Any, list[Any]]:
        return [(yield 1), (yield None), (yield "x")]

    assert plain().result == [1, None, "x"]


def test_a_failure_is_raised_at_the_yield(unhandled: Callable[[], list[str]]) -> None:
    waiting: Deferred[int] = Deferred()

    @inlineCallbacks
    def mend(waiting: Deferred[int]) -> Generator[Deferred[int], int, list[str]]:
        mended = []
        for d in (fail(ValueError("fired")), waiting):
            try:
                yield d
            except ValueError as error:
                mended.append(str(error))
        return mended

    d = mend(waiting)
    waiting.errback(ValueError("waiting"))
    assert d.result == ["fired", "waiting"]
    del waiting, d
    assert unhandled() == []


def test_a_generator_looks_at_the_result_and_takes_nothing() -> None:
    """As `await` does: what it waited for may have been kept for others."""
    shared: Deferred[int] = Deferred()

    @inlineCallbacks
    def look() -> Generator[Deferred[int], int, int]:
        return (yield shared)

    ds = [look(), look()]
    shared.callback(5)
    assert [d.result for d in [*ds, shared]] == [5, 5, 5]


def test_a_generator_that_raises_fails_its_deferred_with_its_traceback(unhandled: Callable[[], list[str]]) -> None:
    @inlineCallbacks
    def broken() -> Generator[Deferred[int], int, int]:
        yield succeed(1)
        raise KeyError("broken")

    d = broken()
    assert d.result.check(KeyError)
    assert "in broken" in d.result.getTraceback()
    assert "in advance" not in d.result.getTraceback()
    del d
    assert unhandled() == ["Unhandled error in Deferred: builtins.KeyError: 'broken'"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_wish_to_leave_is_raised_as_well(error: type[BaseException]) -> None:
    seen = []
    waiting: Deferred[int] = Deferred()

    @inlineCallbacks
    def leave() -> Generator[Deferred[int], int, None]:
        yield waiting
        raise error

    d = leave()
    d.addErrback(lambda failure: seen.append(failure.check(error)))
    with pytest.raises(error):
        waiting.callback(1)
    assert seen == [error]
    assert waiting.result == 1


async def test_a_generator_waits_for_coroutines_and_futures_too() -> None:
    async def late() -> int:
        await asyncio.sleep(0)
        return 1

    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 2)

    @inlineCallbacks
    def both() -> Generator[Any, int, list[int]]:
        return [(yield late()), (yield future)]

    assert await both() == [1, 2]


def test_to_cancel_is_to_cancel_what_the_generator_waits_for(unhandled: Callable[[], list[str]]) -> None:
    cancelled: list[Deferred[int]] = []
    waiting: Deferred[int] = Deferred(cancelled.append)

    @inlineCallbacks
    def wait(waiting: Deferred[int]) -> Generator[Deferred[int], int, None]:
        yield waiting

    d = wait(waiting)
    d.cancel()
    assert cancelled == [waiting]
    assert d.result.check(CancelledError)
    del waiting, d
    cancelled.clear()
    assert unhandled() == []


def test_a_generator_may_go_on_after_a_cancellation_but_nobody_waits_for_it() -> None:
    more: Deferred[int] = Deferred()
    after = []

    @inlineCallbacks
    def stubborn() -> Generator[Deferred[int], int, str]:
        try:
            yield Deferred()
        except CancelledError:
            after.append((yield more))
        return "late"

    d = stubborn()
    d.cancel()
    assert d.result.check(CancelledError)
    more.callback(1)
    assert after == [1]
    assert d.result.check(CancelledError)


def test_a_generator_cancelled_while_it_runs_fails_at_once() -> None:
    ds: list[Deferred[None]] = []
    waiting: Deferred[int] = Deferred()

    @inlineCallbacks
    def selfish() -> Generator[Deferred[int], int, None]:
        yield waiting
        ds[0].cancel()

    ds.append(selfish())
    waiting.callback(1)
    assert ds[0].result.check(CancelledError)


def test_a_function_without_yield_is_refused_when_it_is_called() -> None:
    @inlineCallbacks  # type: ignore[arg-type]
    def plain() -> int:
        return 1

    with pytest.raises(TypeError, match="has no yield"):
        plain()


def test_as_many_fired_deferreds_as_one_likes_may_be_yielded() -> None:
    @inlineCallbacks
    def count() -> Generator[Deferred[int], int, int]:
        total = 0
        for _ in range(DEPTH):
            total += yield succeed(1)
        return total

    assert count().result == DEPTH


def test_as_many_generators_as_one_likes_may_wait_for_each_other() -> None:
    @inlineCallbacks
    def following(before: Deferred[int]) -> Generator[Deferred[int], int, int]:
        return (yield before) + 1

    first: Deferred[int] = Deferred()
    last = first
    for _ in range(DEPTH):
        last = following(last)
    first.callback(0)
    assert last.result == DEPTH
