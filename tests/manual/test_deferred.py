"""The manual on Deferreds: callbacks, errbacks, chains, lists; and on what asyncio's own timers are for."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pbshell.defer import (
    FAILURE,
    SUCCESS,
    AlreadyCalledError,
    Deferred,
    DeferredList,
    Failure,
    FirstError,
    ensureDeferred,
    fail,
    gatherResults,
    maybeDeferred,
    succeed,
)


class Tape:
    """Callbacks and errbacks that say on *lines* that they ran."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def callback(self, name: str) -> Callable[[Any], str]:
        return lambda result: self.say(f"{name}({result})", f"{result}>{name}")

    def errback(self, name: str, gives: Any = "mended") -> Callable[[Failure], Any]:
        return lambda reason: self.say(f"{name}!{reason.getErrorMessage()}", gives)

    def say(self, line: str, gives: Any) -> Any:
        self.lines.append(line)
        return gives


def bang(_: object = None) -> Any:
    raise ValueError("bang")


def outcome(deferred: Deferred[Any]) -> Any:
    """The value or Failure of a Deferred that has one."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    return got[0]


def collected(caplog: pytest.LogCaptureFixture) -> int:
    """How many unhandled failures have been reported so far."""
    gc.collect()
    return sum("Unhandled error in Deferred" in record.getMessage() for record in caplog.records)


def test_callbacks_run_in_order_each_with_the_result_of_the_one_before() -> None:
    """B175."""
    tape = Tape()
    deferred: Deferred[Any] = Deferred()
    for name in "abc":
        deferred.addCallback(tape.callback(name))
    deferred.callback("0")

    assert tape.lines == ["a(0)", "b(0>a)", "c(0>a>b)"]


def test_an_exception_in_a_callback_goes_to_the_next_errback() -> None:
    """B176."""
    tape = Tape()
    succeed("0").addCallback(bang).addCallback(tape.callback("skipped")).addErrback(tape.errback("caught"))

    assert tape.lines == ["caught!bang"]


def test_an_errback_that_returns_goes_on_with_the_callbacks() -> None:
    """B177."""
    tape = Tape()
    fail(ValueError("bang")).addErrback(tape.errback("caught", "mended")).addCallbacks(
        tape.callback("next"), tape.errback("skipped")
    )
    assert tape.lines == ["caught!bang", "next(mended)"]

    tape = Tape()
    fail(ValueError("bang")).addErrback(lambda reason: reason).addErrback(tape.errback("again"))
    assert tape.lines == ["again!bang"]


def test_an_errback_that_returns_nothing_gives_none_to_the_next_callback() -> None:
    """B178."""
    got: list[Any] = []
    fail(ValueError("bang")).addErrback(lambda reason: None).addCallback(got.append)

    assert got == [None]


def test_a_failure_at_the_start_skips_to_the_first_errback() -> None:
    """B179."""
    tape = Tape()
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(tape.callback("a")).addCallback(tape.callback("b")).addErrback(tape.errback("c"))
    deferred.errback(ValueError("bang"))

    assert tape.lines == ["c!bang"]


def test_two_callbacks_side_by_side_do_not_see_each_others_errors() -> None:
    """B180."""
    beside, behind = Tape(), Tape()

    left = succeed("0").addCallbacks(bang, beside.errback("e"))
    right = succeed("0").addCallback(bang).addErrback(behind.errback("e"))

    assert beside.lines == []
    assert isinstance(outcome(left), Failure)
    assert behind.lines == ["e!bang"]
    assert outcome(right) == "mended"


def test_addBoth_runs_either_way_and_may_pass_the_error_on() -> None:
    """B181."""
    seen: list[str] = []

    def both(result: Any) -> Any:
        seen.append(type(result).__name__)
        return result

    assert outcome(succeed("fine").addBoth(both)) == "fine"
    assert isinstance(outcome(fail(ValueError("bang")).addBoth(both)), Failure)
    assert seen == ["str", "Failure"]


def test_adding_gives_the_deferred_back() -> None:
    """B182."""
    deferred: Deferred[Any] = Deferred()

    def same(x: Any) -> Any:
        return x

    assert deferred.addCallback(same) is deferred
    assert deferred.addErrback(same) is deferred
    assert deferred.addBoth(same) is deferred
    assert deferred.addCallbacks(same, same) is deferred


def test_what_is_added_after_firing_runs_at_once() -> None:
    """B183."""
    tape = Tape()
    deferred = succeed("0")
    deferred.addCallback(tape.callback("now"))

    assert tape.lines == ["now(0)"]


def test_a_deferred_fires_once() -> None:
    """B184."""
    deferred = succeed("0")

    with pytest.raises(AlreadyCalledError):
        deferred.callback("1")
    with pytest.raises(AlreadyCalledError):
        deferred.errback(ValueError())
    assert outcome(deferred) == "0"


def test_a_callback_that_returns_a_deferred_makes_the_rest_wait_for_it() -> None:
    """B185."""
    tape = Tape()
    inner: Deferred[Any] = Deferred()
    inner.addCallback(tape.callback("inner"))
    outer = succeed("0").addCallback(lambda _: inner).addCallback(tape.callback("after"))
    assert tape.lines == []

    inner.callback("1")
    assert tape.lines == ["inner(1)", "after(1>inner)"]
    assert outcome(outer) == "1>inner>after"

    failing = succeed("0").addCallback(lambda _: fail(ValueError("bang"))).addErrback(tape.errback("caught"))
    assert outcome(failing) == "mended"


def test_chaining_passes_results_and_errors_and_nothing_that_is_added_later() -> None:
    """B186."""
    for fire, expected in (("callback", "0>before"), ("errback", "bang")):
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred()
        first.addCallback(Tape().callback("before"))
        first.chainDeferred(second)
        first.addCallback(Tape().callback("later"))
        getattr(first, fire)("0" if fire == "callback" else ValueError("bang"))
        got = outcome(second)
        assert (got.getErrorMessage() if isinstance(got, Failure) else got) == expected


def test_pause_stops_and_unpause_runs_what_has_gathered() -> None:
    """B187."""
    tape = Tape()
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(tape.callback("a"))
    deferred.pause()
    deferred.callback("0")
    deferred.addCallback(tape.callback("b"))
    assert tape.lines == []

    deferred.unpause()
    assert tape.lines == ["a(0)", "b(0>a)"]


def test_an_unhandled_failure_is_reported_when_it_is_collected_and_not_while_it_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """B188."""
    kept = fail(ValueError("bang"))
    assert collected(caplog) == 0

    del kept
    assert collected(caplog) == 1


def test_succeed_and_fail_give_deferreds_that_have_fired() -> None:
    """B189."""
    good, bad = succeed(9), fail(ValueError("bang"))

    assert (good.called, bad.called) == (True, True)
    assert outcome(good) == 9
    assert outcome(bad).check(ValueError)


@pytest.mark.parametrize("kind", ["value", "deferred", "coroutine", "exception", "failed deferred"])
def test_maybeDeferred_makes_values_deferreds_and_exceptions_alike(kind: str) -> None:
    """B190."""

    def function(x: int, *, y: int) -> Any:
        async def coroutine() -> int:
            return x + y

        if kind == "exception":
            bang()
        if kind == "failed deferred":
            return fail(ValueError("bang"))
        return {"value": x + y, "deferred": succeed(x + y), "coroutine": None}[kind] or coroutine()

    got = outcome(maybeDeferred(function, 4, y=5))
    assert got.check(ValueError) if "exception" in kind or "failed" in kind else got == 9


def test_a_DeferredList_gives_success_and_value_in_the_order_of_the_list() -> None:
    """B191."""
    first: Deferred[Any] = Deferred()
    second: Deferred[Any] = Deferred()
    third: Deferred[Any] = Deferred()
    together = DeferredList([first, second, third], consumeErrors=True)
    third.callback("three")
    second.errback(Exception("bang!"))
    first.callback("one")

    (one, two, three) = outcome(together)
    assert (one, three) == ((SUCCESS, "one"), (SUCCESS, "three"))
    assert two[0] is FAILURE
    assert two[1].getErrorMessage() == "bang!"


def test_a_DeferredList_takes_what_each_had_come_to_when_the_list_was_made() -> None:
    """B192."""

    def add_ten(result: str) -> str:
        return result + " ten"

    for before, expected in ((True, "one ten"), (False, "one")):
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred()
        if before:
            first.addCallback(add_ten)
        together = DeferredList([first, second])
        if not before:
            first.addCallback(add_ten)
        first.callback("one")
        second.callback("two")
        assert outcome(together) == [(True, expected), (True, "two")]


def test_a_DeferredList_may_fire_early_but_fires_once() -> None:
    """B193."""
    first: Deferred[Any] = Deferred()
    second: Deferred[Any] = Deferred()
    early = DeferredList([first, second], fireOnOneCallback=True)
    second.callback("two")
    assert outcome(early) == ("two", 1)
    first.callback("one")

    first, second = Deferred(), Deferred()
    early = DeferredList([first, second], fireOnOneErrback=True, consumeErrors=True)
    second.errback(ValueError("bang"))
    reason = outcome(early)
    assert reason.check(FirstError)
    assert reason.value.index == 1
    first.errback(ValueError("too late to matter"))
    assert (outcome(first), outcome(second)) == (None, None)


def test_a_plain_DeferredList_never_fails_and_leaves_failures_to_be_reported(caplog: pytest.LogCaptureFixture) -> None:
    """B194."""
    for consume, reported in ((False, 1), (True, 1)):
        members = [fail(ValueError("bang")), succeed("fine")]
        outcomes = outcome(DeferredList(members, consumeErrors=consume))
        assert [success for success, _ in outcomes] == [FAILURE, SUCCESS]
        members.clear()
        del outcomes
        assert collected(caplog) == reported


def test_gatherResults_waits_for_all_and_gives_their_results() -> None:
    """B195."""
    first: Deferred[Any] = Deferred()
    second: Deferred[Any] = Deferred()
    together = gatherResults([first, second])
    second.callback("two")
    assert not together.called

    first.callback("one")
    assert outcome(together) == ["one", "two"]


def test_a_deferred_makes_nothing_asynchronous_that_is_not() -> None:
    """B196."""
    ran_in: list[int] = []

    def computation() -> int:
        ran_in.append(threading.get_ident())
        return 9

    deferred = maybeDeferred(computation)
    assert ran_in == [threading.get_ident()]
    assert deferred.called


async def test_calling_later_is_asyncios_own_and_can_be_cancelled() -> None:
    """B197: in place of reactor.callLater."""
    loop = asyncio.get_running_loop()
    ran: Deferred[str] = Deferred()
    unwanted = loop.call_later(0, ran.errback, AssertionError("cancelled, and yet it ran"))
    loop.call_later(0, ran.callback, "ran")
    unwanted.cancel()

    assert await ran == "ran"


async def test_what_is_computed_later_comes_through_a_deferred() -> None:
    """B198: a coroutine that sleeps first, in place of task.deferLater."""

    async def later(seconds: float, function: Callable[[], Any]) -> Any:
        await asyncio.sleep(seconds)
        return function()

    deferred = ensureDeferred(later(0, lambda: "computed"))
    assert not deferred.called
    assert await deferred == "computed"

    unwanted = ensureDeferred(later(3600, bang))
    unwanted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unwanted


async def test_what_is_repeated_is_a_task_that_is_cancelled_to_stop() -> None:
    """B199: in place of task.LoopingCall."""
    times: list[int] = []
    thrice: Deferred[None] = Deferred()

    async def repeat(interval: float, function: Callable[[], object]) -> None:
        while True:
            function()
            await asyncio.sleep(interval)

    def tick() -> None:
        times.append(len(times))
        if len(times) == 3:
            thrice.callback(None)

    repeating = asyncio.create_task(repeat(0, tick))
    await thrice
    repeating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await repeating
    assert times == [0, 1, 2]


def test_callbacks_take_arguments_of_their_own_and_errbacks_theirs() -> None:
    """B200."""
    seen: list[Any] = []

    def note(result: Any, *args: Any, **keywords: Any) -> None:
        seen.append((type(result).__name__, args, keywords))

    for deferred in (succeed("0"), fail(ValueError("bang"))):
        deferred.addCallbacks(note, note, ("c",), {"callback": 1}, ("e",), {"errback": 2})
    succeed("0").addCallback(note, "all", three=3)

    assert seen == [
        ("str", ("c",), {"callback": 1}),
        ("Failure", ("e",), {"errback": 2}),
        ("str", ("all",), {"three": 3}),
    ]
