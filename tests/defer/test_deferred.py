"""Deferred by itself: callbacks, chains, pauses, cancelling, reports. Needs no loop."""

from __future__ import annotations

import gc
import itertools
import logging
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell import defer
from pbshell.defer import AlreadyCalledError, CancelledError, Deferred, Failure, fail, succeed
from pbshell.defer.deferred import _Report
from pbshell.errors import RemoteError, UsageError

DEPTH = 50_000


class Seen(list[Any]):
    """A callback that notes what it was given, and returns it."""

    def __call__(self, result: Any, *args: Any, **keywords: Any) -> Any:
        self.append((result, *args, *sorted(keywords.items())) if args or keywords else result)
        return result


def boom(result: object) -> Any:
    raise ValueError(f"boom {result}")


def never(*_: object) -> Any:
    raise AssertionError("this must not be called")


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


# Callbacks and errbacks


def test_callbacks_run_in_order_and_each_gets_the_previous_result() -> None:
    """Behaviour 175."""
    d: Deferred[int] = Deferred()
    seen = Seen()
    d.addCallback(lambda n: n + 1).addCallback(seen).addCallback(lambda n: n * 10).addCallback(seen)
    d.callback(1)
    assert seen == [2, 20]


def test_an_exception_in_a_callback_switches_to_the_next_errback() -> None:
    """Behaviour 176."""
    seen = Seen()
    d = succeed(1)
    d.addCallback(boom).addCallback(never).addErrback(seen).addErrback(nothing)
    assert seen[0].getErrorMessage() == "boom 1"


def test_an_errback_that_returns_a_value_switches_to_the_next_callback() -> None:
    """Behaviour 177."""
    seen = Seen()
    fail(ValueError()).addErrback(lambda _: "mended").addErrback(never).addCallback(seen)
    assert seen == ["mended"]


def test_an_errback_that_returns_a_failure_does_not_switch() -> None:
    """Behaviour 177."""
    seen = Seen()
    other = Failure(KeyError())
    fail(ValueError()).addErrback(lambda _: other).addCallback(never).addErrback(seen).addErrback(nothing)
    assert seen == [other]


def test_an_errback_that_returns_nothing_gives_None_to_the_next_callback() -> None:
    """Behaviours 98 and 178."""
    seen = Seen()
    fail(ValueError()).addErrback(nothing).addCallback(seen)
    assert seen == [None]


def test_a_failed_start_skips_callbacks_up_to_the_first_errback() -> None:
    """Behaviours 101 and 179: an error never reaches a callback, not even one that takes no argument."""
    seen = Seen()
    d: Deferred[Any] = Deferred()
    d.addCallbacks(lambda: None).addCallback(never).addErrback(seen).addErrback(nothing)
    d.errback(ValueError("first"))
    assert seen[0].getErrorMessage() == "first"


def test_the_errback_of_a_pair_does_not_see_the_errors_of_its_callback() -> None:
    """Behaviour 180."""
    seen = Seen()
    succeed(1).addCallbacks(boom, never).addErrback(seen).addErrback(nothing)
    assert seen[0].check(ValueError)


def test_an_errback_behind_a_callback_sees_its_errors() -> None:
    """Behaviour 180."""
    seen = Seen()
    succeed(1).addCallback(boom).addErrback(seen).addErrback(nothing)
    assert seen[0].check(ValueError)


def test_what_is_added_to_both_runs_in_both_cases() -> None:
    """Behaviour 181: and an error that is passed through goes on."""
    seen = Seen()
    succeed(1).addBoth(seen)
    fail(ValueError()).addBoth(seen).addCallback(never).addErrback(nothing)
    assert seen[0] == 1
    assert seen[1].check(ValueError)


def test_what_adds_returns_the_deferred() -> None:
    """Behaviour 182."""
    d: Deferred[int] = Deferred()
    assert d.addCallback(Seen()) is d
    assert d.addErrback(Seen()) is d
    assert d.addBoth(Seen()) is d
    assert d.addCallbacks(Seen(), Seen()) is d
    assert d.chainDeferred(Deferred()) is d  # type: ignore[comparison-overlap]
    assert d.addTimeout(1, Clock()) is d


@pytest.mark.parametrize("add", ["addCallback", "addBoth", "addCallbacks", "addErrback"])
def test_what_is_added_after_firing_runs_at_once(add: str) -> None:
    """Behaviour 183."""
    seen = Seen()
    d: Deferred[Any] = fail(ValueError()) if add == "addErrback" else succeed(1)
    getattr(d, add)(seen)
    assert len(seen) == 1
    d.addErrback(nothing)


def test_arguments_of_callback_and_errback_are_passed_separately() -> None:
    """Behaviour 200."""
    seen, failed = Seen(), Seen()
    ways = {
        "callbackArgs": (2, 3),
        "callbackKeywords": {"a": 4},
        "errbackArgs": (5,),
        "errbackKeywords": {"b": 6},
    }
    succeed(1).addCallbacks(seen, failed, **ways)  # type: ignore[arg-type]
    fail(ValueError()).addCallbacks(seen, failed, **ways).addErrback(nothing)  # type: ignore[arg-type]

    assert seen == [(1, 2, 3, ("a", 4))]
    assert failed[0][1:] == (5, ("b", 6))


def test_what_adds_one_callback_takes_its_arguments_as_they_are() -> None:
    """Behaviour 200."""
    seen = Seen()
    succeed(1).addCallback(seen, 2, a=3).addBoth(seen, 4)
    fail(ValueError()).addErrback(seen, 5, b=6).addErrback(nothing)

    assert seen[:2] == [(1, 2, ("a", 3)), (1, 4)]
    assert seen[2][1:] == (5, ("b", 6))


@pytest.mark.parametrize("add", ["addCallback", "addErrback", "addBoth", "addCallbacks"])
def test_None_in_a_callbacks_place_is_refused_at_once(add: str) -> None:
    """The usual mistake is to add the result of a call in place of the function."""
    with pytest.raises(TypeError, match="cannot be None"):
        getattr(Deferred(), add)(None)


def test_a_callback_may_add_callbacks_and_they_run_behind_those_that_are_there() -> None:
    seen = Seen()
    d: Deferred[int] = Deferred()

    def add(n: int) -> int:
        d.addCallback(seen, "added")
        return n

    d.addCallback(add)
    d.addCallback(seen, "there")
    d.callback(1)
    assert seen == [(1, "there"), (1, "added")]


def test_a_deferred_does_not_make_blocking_code_asynchronous() -> None:
    """Behaviour 196: who computes before it returns has fired before anybody can add a callback."""
    order = []

    def large() -> Deferred[int]:
        d: Deferred[int] = Deferred()
        order.append("computed")
        d.callback(6)
        return d

    d = large()
    order.append("returned")
    d.addCallback(lambda _: order.append("called back"))
    assert order == ["computed", "returned", "called back"]


# Firing


def test_a_second_result_is_an_error() -> None:
    """Behaviour 184."""
    d: Deferred[int] = Deferred()
    d.callback(1)
    with pytest.raises(AlreadyCalledError, match="fired: int"):
        d.callback(2)
    with pytest.raises(AlreadyCalledError):
        d.errback(ValueError())
    assert d.result == 1


def test_an_errback_without_a_reason_takes_the_exception_being_handled() -> None:
    seen = Seen()
    d: Deferred[int] = Deferred()
    d.addErrback(seen).addErrback(nothing)
    error = ValueError()
    try:
        raise error
    except ValueError:
        d.errback()
    assert seen[0].value is error


def test_an_errback_without_any_exception_is_a_usage_error_and_fires_nothing() -> None:
    d: Deferred[int] = Deferred()
    with pytest.raises(UsageError):
        d.errback()
    assert not d.called


def test_an_errback_takes_a_failure_as_it_is() -> None:
    failure = Failure(ValueError())
    assert fail(failure).addErrback(lambda seen: seen is failure).result is True


def test_a_callback_given_a_failure_fails() -> None:
    d: Deferred[Any] = Deferred()
    d.addCallbacks(never, nothing)
    d.callback(Failure(ValueError()))
    assert d.result is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_wish_to_leave_fails_the_deferred_and_is_raised_when_its_steps_have_run(error: type[BaseException]) -> None:
    seen = Seen()
    d: Deferred[int] = Deferred()

    def leave(_: object) -> None:
        raise error

    d.addCallback(leave).addErrback(seen).addErrback(nothing)
    with pytest.raises(error):
        d.callback(1)
    assert seen[0].check(error)
    assert d.result is None


def test_the_states_show_in_repr() -> None:
    inner: Deferred[int] = Deferred()
    d: Deferred[Any] = Deferred()
    assert repr(d).startswith("<Deferred at 0x")
    assert repr(d).endswith(" not fired>")
    d.addCallback(lambda _: inner)
    d.callback(1)
    assert repr(d).endswith(f" waiting for another at {id(inner):#x}>")
    inner.callback(2)
    assert repr(d).endswith(" fired: int>")
    d.addCallback(boom)
    assert repr(d).endswith(" failed: builtins.ValueError: boom 2>")
    d.addErrback(nothing)


# Chains


def test_a_returned_deferred_is_waited_for_and_its_result_goes_on() -> None:
    """Behaviour 185."""
    seen = Seen()
    inner: Deferred[str] = Deferred()
    d: Deferred[int] = Deferred()
    d.addCallback(seen).addCallback(lambda _: inner).addCallback(seen)
    d.callback(1)
    assert seen == [1]
    inner.callback("inner")
    assert seen == [1, "inner"]


def test_a_returned_deferred_that_has_fired_holds_nothing_up() -> None:
    """Behaviour 185."""
    seen = Seen()
    succeed(1).addCallback(lambda _: succeed(2)).addCallback(seen)
    assert seen == [2]


def test_the_failure_of_a_returned_deferred_goes_on_in_the_outer_one() -> None:
    """Behaviour 185."""
    inner: Deferred[int] = Deferred()
    seen = Seen()
    succeed(1).addCallback(lambda _: inner).addCallback(never).addErrback(seen).addErrback(nothing)
    inner.errback(ValueError("inner"))
    succeed(1).addCallback(lambda _: fail(KeyError())).addCallback(never).addErrback(seen).addErrback(nothing)
    assert [each.type for each in seen] == ["builtins.ValueError", "builtins.KeyError"]


def test_a_deferred_that_was_returned_still_has_its_result() -> None:
    """It may have been kept for others: what one chain has seen is not lost to the next."""
    seen = Seen()
    root: Deferred[str] = Deferred()
    first = succeed(1).addCallback(lambda _: root)
    root.callback("root")
    succeed(2).addCallback(lambda _: root).addCallback(seen)
    assert seen == ["root"]
    assert first.result == "root"


def test_those_that_wait_go_on_before_what_was_added_behind_them() -> None:
    order: list[str] = []
    inner: Deferred[int] = Deferred()
    outers = [
        succeed(name).addCallback(lambda _: inner).addCallback(lambda _, n: order.append(n), name) for name in "ab"
    ]
    inner.addCallback(lambda _: order.append("inner"))
    inner.callback(1)
    assert order == ["a", "b", "inner"]
    assert all(outer.result is None for outer in outers)


def test_a_deferred_returned_from_its_own_callback_fails() -> None:
    d: Deferred[int] = Deferred()
    seen = Seen()
    d.addCallback(lambda _: d).addErrback(seen).addErrback(nothing)
    d.callback(1)
    assert seen[0].check(UsageError)
    assert "wait for itself" in seen[0].getErrorMessage()


def test_a_deferred_that_is_running_can_be_waited_for() -> None:
    seen = Seen()
    inner: Deferred[int] = Deferred()
    outer: Deferred[int] = Deferred()
    outer.addCallback(lambda _: inner).addCallback(seen)

    def fire_outer(result: int) -> int:
        outer.callback(0)
        assert seen == []
        return result + 1

    inner.addCallback(fire_outer)
    inner.callback(1)
    assert seen == [2]


class Foreign:
    """A Deferred of another library: what is returned from a callback need only have this much."""

    def __init__(self) -> None:
        self.cancelled = False
        self.waiting: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []

    def addCallbacks(self, callback: Callable[[Any], Any], errback: Callable[[Any], Any]) -> None:
        self.waiting.append((callback, errback))

    def cancel(self) -> None:
        self.cancelled = True
        self.waiting[0][1](RuntimeError("cancelled in another language"))


def test_whatever_has_addCallbacks_is_waited_for() -> None:
    seen = Seen()
    foreign = Foreign()
    succeed(1).addCallback(lambda _: foreign).addCallback(seen)
    assert seen == []
    foreign.waiting[0][0]("foreign")
    assert seen == ["foreign"]


def test_the_failure_of_a_foreign_deferred_is_ours() -> None:
    foreign = Foreign()
    d = succeed(1).addCallback(lambda _: foreign).addErrback(lambda failure: failure.trap(KeyError))
    foreign.waiting[0][1](KeyError())
    assert d.result is KeyError


def test_to_cancel_cancels_the_foreign_deferred_that_is_waited_for() -> None:
    foreign = Foreign()
    d = succeed(1).addCallback(lambda _: foreign)
    d.cancel()
    assert foreign.cancelled
    assert d.result.check(CancelledError)


def test_a_foreign_deferred_that_cannot_be_cancelled_is_left_alone() -> None:
    class Stubborn:
        def addCallbacks(self, callback: object, errback: object) -> None: ...

    d = succeed(1).addCallback(lambda _: Stubborn())
    d.cancel()
    assert d.result.check(CancelledError)


def test_a_foreign_deferred_that_breaks_fails_the_chain() -> None:
    class Broken:
        def addCallbacks(self, callback: object, errback: object) -> None:
            raise KeyError("broken")

    d = succeed(1).addCallback(lambda _: Broken()).addErrback(lambda failure: failure.trap(KeyError))
    assert d.result is KeyError


def test_a_deferred_of_twisted_is_waited_for() -> None:
    twisted = pytest.importorskip("twisted.internet.defer")
    good, bad, cancelled = twisted.Deferred(), twisted.Deferred(), twisted.Deferred()
    results = [succeed(1).addCallback(lambda _, t: t, each) for each in (good, bad, cancelled)]
    good.callback("good")
    bad.errback(KeyError("bad"))
    results[2].cancel()

    assert results[0].result == "good"
    assert results[1].result.trap(KeyError) is KeyError
    assert results[2].result.trap(CancelledError) is CancelledError
    for each in results[1:]:
        each.addErrback(nothing)


def test_chaining_passes_on_the_result_and_what_is_added_later_does_not() -> None:
    """Behaviour 186."""
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    first.addCallback(lambda n: n + 1).chainDeferred(second)
    first.addCallback(lambda n: [n, "later"])
    first.callback(1)
    assert second.result == 2
    assert first.result == [None, "later"]


def test_chaining_passes_on_failures() -> None:
    """Behaviour 186."""
    seen = Seen()
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    second.addErrback(seen).addErrback(nothing)
    first.chainDeferred(second)
    first.errback(ValueError())
    assert seen[0].check(ValueError)
    assert first.result is None


def test_a_fired_deferred_chains_at_once() -> None:
    second: Deferred[int] = Deferred()
    succeed(1).chainDeferred(second)
    assert second.result == 1


def test_chaining_to_one_that_has_fired_fails_the_first() -> None:
    first = succeed(1)
    first.chainDeferred(succeed(2))
    assert first.result.check(AlreadyCalledError)
    first.addErrback(nothing)


def test_chaining_to_a_paused_one_leaves_its_callbacks_waiting() -> None:
    seen = Seen()
    second: Deferred[int] = Deferred()
    second.addCallback(seen)
    second.pause()
    succeed(1).chainDeferred(second)
    assert seen == []
    second.unpause()
    assert seen == [1]


# No chain is too long


def test_as_many_callbacks_as_one_likes() -> None:
    d: Deferred[int] = Deferred()
    for _ in range(DEPTH):
        d.addCallback(lambda n: n + 1)
    d.callback(0)
    assert d.result == DEPTH


def test_as_many_nested_deferreds_as_one_likes() -> None:
    """Each waits for the next: the innermost fires, and all go on in one loop."""
    ds: list[Deferred[int]] = [Deferred() for _ in range(DEPTH)]
    for outer, inner in itertools.pairwise(ds):
        outer.addCallback(lambda _, inner: inner, inner)
    for outer in ds[:-1]:
        outer.callback(0)
    ds[-1].callback(7)
    assert ds[0].result == 7


def test_as_many_fired_deferreds_as_one_likes() -> None:
    d: Deferred[int] = Deferred()
    for n in range(DEPTH):
        d.addCallback(lambda _, n: succeed(n), n)
    d.callback(0)
    assert d.result == DEPTH - 1


def test_as_many_chained_deferreds_as_one_likes() -> None:
    ds: list[Deferred[int]] = [Deferred() for _ in range(DEPTH)]
    for first, second in itertools.pairwise(ds):
        first.chainDeferred(second)
    ds[0].callback(7)
    assert ds[-1].result == 7


def test_as_many_may_wait_for_one_deferred_as_like() -> None:
    inner: Deferred[int] = Deferred()
    outers = [succeed(0).addCallback(lambda _: inner) for _ in range(DEPTH)]
    inner.callback(7)
    assert {outer.result for outer in outers} == {7}


def test_a_deferred_may_wait_as_often_as_it_likes() -> None:
    inners: list[Deferred[int]] = [Deferred() for _ in range(DEPTH)]
    d = succeed(0)
    for inner in inners:
        d.addCallback(lambda _, inner: inner, inner)
    for n, inner in enumerate(inners):
        inner.callback(n)
    assert d.result == DEPTH - 1


def test_steps_that_are_over_are_forgotten() -> None:
    """A Deferred that never ends, as each of its steps adds the next, does not grow."""
    gone = []
    waiting: list[Deferred[None]] = []

    class Step:
        def __call__(self, _: object) -> Deferred[None]:
            waiting.append(Deferred())
            step = Step()
            gone.append(weakref.ref(step))
            d.addCallback(step)
            return waiting[-1]

    d: Deferred[Any] = Deferred()
    d.addCallback(Step())
    d.callback(None)
    for _ in range(100):
        waiting.pop().callback(None)
    gc.collect()
    assert sum(ref() is not None for ref in gone) < 5


# As Twisted's


#: What a step does with its result: (as callback, as errback), each a word or the number of a Deferred to return.
DEEDS = st.sampled_from(["pass", "raise", "value"])
COUNT = 4


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[list[tuple[Any, Any]]], list[tuple[str, int]]]:
    """The steps of some Deferreds, of which those in front may wait for those behind, and what happens to them."""
    steps = [draw(st.lists(st.tuples(DEEDS, DEEDS), max_size=4)) for _ in range(COUNT)]
    plan: list[list[tuple[Any, Any]]] = [list(each) for each in steps]
    for inner in range(1, COUNT):
        outer = draw(st.integers(0, inner - 1))
        if plan[outer]:
            at = draw(st.integers(0, len(plan[outer]) - 1))
            plan[outer][at] = (inner, plan[outer][at][1]) if draw(st.booleans()) else (plan[outer][at][0], inner)
    deeds = st.sampled_from(["callback", "errback", "pause", "unpause"])
    return plan, draw(st.lists(st.tuples(deeds, st.integers(0, COUNT - 1)), max_size=12))


def played(
    make: Callable[[], Any], is_failure: Callable[[Any], bool], plan: list[list[tuple[Any, Any]]], deeds: list[Any]
) -> list[Any]:
    """What each step saw, and when, if *make* makes the Deferreds."""
    log: list[Any] = []
    ds = [make() for _ in plan]
    paused = [0] * len(ds)

    def shown(result: Any) -> Any:
        return ("failed", result.getErrorMessage()) if is_failure(result) else result

    def step(result: Any, number: tuple[int, int], deed: Any) -> Any:
        log.append((number, shown(result)))
        if deed == "raise":
            raise ValueError(f"raised by {number}")
        return result if deed == "pass" else f"value of {number}" if deed == "value" else ds[deed]

    for d, steps in enumerate(plan):
        for n, (good, bad) in enumerate(steps):
            ds[d].addCallbacks(step, step, ((d, n), good), None, ((d, n), bad))
    for turn, (deed, d) in enumerate(deeds):
        log.append((deed, d))
        if deed == "callback" and not ds[d].called:
            ds[d].callback(f"result {turn}")
        elif deed == "errback" and not ds[d].called:
            ds[d].errback(ValueError(f"error {turn}"))
        elif deed == "pause":
            paused[d] += 1
            ds[d].pause()
        elif deed == "unpause" and paused[d]:
            paused[d] -= 1
            ds[d].unpause()
    ds[0].addBoth(lambda result: log.append(("end", shown(result))))
    seen = list(log)
    # No error is left to a collector: what it logs in the middle of an import breaks CPython 3.11's compiler.
    for d, pauses in zip(ds, paused, strict=True):
        for _ in range(pauses):
            d.unpause()
        if not d.called:
            d.callback(None)
        d.addErrback(nothing)
    return seen


@given(programs())
def test_every_step_sees_what_it_would_see_with_twisted_and_in_the_same_order(
    program: tuple[list[list[tuple[Any, Any]]], list[tuple[str, int]]],
) -> None:
    twisted = pytest.importorskip("twisted.internet.defer")
    failures = pytest.importorskip("twisted.python.failure")
    ours = played(Deferred, lambda result: isinstance(result, Failure), *program)
    theirs = played(twisted.Deferred, lambda result: isinstance(result, failures.Failure), *program)
    assert ours == theirs


# Pauses


def test_a_pause_stops_and_its_end_runs_what_has_gathered() -> None:
    """Behaviour 187."""
    seen = Seen()
    d: Deferred[int] = Deferred()
    d.addCallback(seen, "first")
    d.pause()
    d.callback(1)
    d.addCallback(seen, "second")
    assert seen == []
    d.unpause()
    assert seen == [(1, "first"), (1, "second")]
    d.addCallback(seen, "third")
    assert seen[2:] == [(1, "third")]


def test_each_pause_needs_its_own_end() -> None:
    seen = Seen()
    d = succeed(1)
    d.pause()
    d.pause()
    d.addCallback(seen)
    d.unpause()
    assert (seen, d.paused) == ([], 1)
    d.unpause()
    assert (seen, d.paused) == ([1], 0)


def test_a_pause_before_firing_may_end_before_firing() -> None:
    seen = Seen()
    d: Deferred[int] = Deferred()
    d.addCallback(seen)
    d.pause()
    d.unpause()
    assert seen == []
    d.callback(1)
    assert seen == [1]


def test_the_end_of_a_pause_with_nothing_gathered_is_nothing() -> None:
    d = succeed(1)
    d.pause()
    d.unpause()
    assert d.result == 1


def test_a_callback_may_pause_its_own_deferred() -> None:
    seen = Seen()
    d: Deferred[int] = Deferred()

    def pause(n: int) -> int:
        d.pause()
        return n

    d.addCallback(pause).addCallback(seen).addCallback(seen)
    d.callback(1)
    assert seen == []
    d.unpause()
    assert seen == [1, 1]


def test_a_paused_deferred_goes_on_when_both_its_pause_and_its_wait_are_over() -> None:
    seen = Seen()
    inner: Deferred[int] = Deferred()
    d = succeed(1).addCallback(lambda _: inner).addCallback(seen)
    d.pause()
    inner.callback(2)
    assert seen == []
    d.unpause()
    assert seen == [2]


def test_one_that_waits_may_pause_the_deferred_it_waited_for() -> None:
    seen = Seen()
    inner: Deferred[int] = Deferred()
    succeed(1).addCallback(lambda _: inner).addCallback(lambda _: inner.pause())
    inner.addCallback(seen)
    inner.callback(2)
    assert seen == []
    inner.unpause()
    assert seen == [2]


def test_a_failure_that_was_paused_by_one_that_waited_for_it_is_not_lost() -> None:
    seen = Seen()
    inner: Deferred[int] = Deferred()
    succeed(1).addCallback(lambda _: inner).addErrback(lambda _: inner.pause())
    inner.addErrback(seen).addErrback(nothing)
    inner.errback(ValueError())
    assert seen == []
    inner.unpause()
    assert seen[0].check(ValueError)


def test_an_end_without_a_pause_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unpause without pause"):
        Deferred().unpause()


# Cancelling


def test_cancelling_fails_at_once_with_asyncios_cancelled_error() -> None:
    import asyncio

    seen = Seen()
    d: Deferred[int] = Deferred()
    d.addErrback(seen).addErrback(nothing)
    d.cancel()
    assert type(seen[0].value) is asyncio.CancelledError is CancelledError


def test_one_late_result_is_swallowed() -> None:
    d: Deferred[int] = Deferred()
    d.addErrback(nothing)
    d.cancel()
    d.callback(1)
    with pytest.raises(AlreadyCalledError):
        d.callback(2)


def test_one_late_failure_is_swallowed(unhandled: Callable[[], list[str]]) -> None:
    d: Deferred[int] = Deferred()
    d.cancel()
    d.errback(ValueError())
    del d
    assert unhandled() == []


def test_a_canceller_may_give_the_result() -> None:
    d: Deferred[str] = Deferred(lambda d: d.callback("partial"))
    d.cancel()
    assert d.result == "partial"
    with pytest.raises(AlreadyCalledError):
        d.callback("late")


def test_a_canceller_that_gives_no_result_leaves_the_cancelled_error() -> None:
    seen = Seen()
    d: Deferred[int] = Deferred(seen)
    d.cancel()
    assert seen == [d]
    assert d.result.check(CancelledError)


def test_a_canceller_that_raises_fails_the_deferred_with_what_it_raised() -> None:
    d: Deferred[int] = Deferred(boom)
    d.cancel()
    assert d.result.check(ValueError)
    d.addErrback(nothing)


def test_a_canceller_that_raises_after_it_gave_the_result_is_reported(unhandled: Callable[[], list[str]]) -> None:
    def both(d: Deferred[int]) -> None:
        d.callback(1)
        raise ValueError("behind")

    d: Deferred[int] = Deferred(both)
    d.cancel()
    assert d.result == 1
    assert unhandled() == ["Unhandled error in Deferred: builtins.ValueError: behind"]


def test_cancelling_one_that_waits_cancels_what_it_waits_for() -> None:
    seen = Seen()
    inner: Deferred[int] = Deferred(seen)
    d = succeed(1).addCallback(lambda _: inner)
    d.cancel()
    assert seen == [inner]
    assert d.result.check(CancelledError)


def test_cancelling_one_that_has_its_result_does_nothing() -> None:
    d = succeed(1)
    d.cancel()
    assert d.result == 1


# Time


class Timer:
    def __init__(self, clock: Clock, when: float, function: Callable[[], object]) -> None:
        self.clock, self.when, self.function = clock, when, function

    def cancel(self) -> None:
        self.clock.timers.remove(self)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        self.timers.append(Timer(self, self.now + seconds, function))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.when <= self.now]:
            self.timers.remove(timer)
            timer.function()


class TwistedClock(Clock):
    """The same by Twisted's name for it."""

    call_later = None  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> Any:
        if name == "call_later":
            raise AttributeError(name)
        if name == "callLater":
            return lambda *args: Clock.call_later(self, *args)
        return super().__getattribute__(name)


@pytest.fixture(params=[Clock, TwistedClock])
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    made: Clock = request.param()
    yield made
    assert made.timers == []


def test_a_deferred_that_takes_too_long_fails_with_a_timeout(clock: Clock) -> None:
    seen = Seen()
    d: Deferred[int] = Deferred()
    d.addTimeout(2.5, clock).addErrback(seen).addErrback(nothing)
    clock.advance(2.4)
    assert seen == []
    clock.advance(0.2)
    assert type(seen[0].value) is TimeoutError
    assert seen[0].getErrorMessage() == "no result within 2.5 seconds"
    d.callback(1)


def test_a_result_in_time_ends_the_timer(clock: Clock) -> None:
    d: Deferred[int] = Deferred()
    d.addTimeout(2, clock)
    d.callback(1)
    assert clock.timers == []
    assert d.result == 1


def test_a_timeout_on_one_that_has_fired_ends_at_once(clock: Clock) -> None:
    assert succeed(1).addTimeout(2, clock).result == 1


def test_a_canceller_that_gives_a_result_is_no_timeout(clock: Clock) -> None:
    d: Deferred[str] = Deferred(lambda d: d.callback("partial"))
    d.addTimeout(2, clock)
    clock.advance(3)
    assert d.result == "partial"


def test_a_canceller_that_fails_otherwise_is_no_timeout(clock: Clock) -> None:
    d: Deferred[str] = Deferred(lambda d: d.errback(KeyError()))
    d.addTimeout(2, clock).addErrback(lambda failure: failure.trap(KeyError))
    clock.advance(3)
    assert d.result is KeyError


def test_a_cancellation_in_time_stays_one(clock: Clock) -> None:
    d: Deferred[str] = Deferred()
    d.addTimeout(2, clock)
    d.cancel()
    assert d.result.check(CancelledError)


def test_a_timeout_without_a_clock_and_a_loop_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Deferred().addTimeout(1)


# trap in a chain


def test_what_trap_does_not_take_reaches_the_next_errback() -> None:
    """Behaviours 95 and 97: one set for each errback, further sets behind it."""
    failure = Failure(RemoteError("x.MyOtherError", "text", "", ["x.MyOtherError", "x.MyError"]))
    seen = Seen()
    d = fail(failure)
    d.addErrback(lambda f: f.trap(KeyError, ValueError)).addErrback(seen)
    d.addErrback(lambda f: f.trap("x.Nothing", "x.MyError"))
    assert seen == [failure]
    assert d.result == "x.MyError"


def test_a_failure_that_trap_lets_pass_keeps_its_traceback() -> None:
    d = succeed(1).addCallback(boom)
    before = d.result.getTraceback()
    d.addErrback(lambda f: f.trap(KeyError))
    assert d.result.getTraceback() == before
    assert "in boom" in before
    assert "in _run" not in before
    d.addErrback(nothing)


def test_an_exception_from_a_builtin_has_no_frames() -> None:
    d = succeed("x").addCallback(int)
    assert d.result.getTraceback() == "ValueError: invalid literal for int() with base 10: 'x'\n"
    d.addErrback(nothing)


# Reports


def test_a_failure_nobody_handles_is_reported_when_the_deferred_is_collected(
    unhandled: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Behaviours 99, 100 and 188: to the log, with the traceback."""
    d = succeed(1).addCallback(boom)
    assert unhandled() == []
    del d
    assert unhandled() == ["Unhandled error in Deferred: builtins.ValueError: boom 1"]
    record = caplog.records[0]
    assert (record.name, record.levelno) == ("pbshell.defer", logging.ERROR)
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError
    assert "in boom" in caplog.text


def test_a_failure_that_was_never_raised_is_reported_without_the_garbage_collector(
    unhandled: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    gc.disable()
    try:
        fail(ValueError("at once"))
        assert len(caplog.records) == 1
    finally:
        gc.enable()
    assert len(unhandled()) == 1


def test_a_reference_that_is_kept_hides_the_failure(unhandled: Callable[[], list[str]]) -> None:
    """Behaviour 188."""
    d = fail(ValueError())
    assert unhandled() == []
    d.addErrback(nothing)


def test_nothing_is_reported_when_the_log_is_discarded(
    unhandled: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Behaviour 100."""
    with caplog.at_level(logging.CRITICAL, "pbshell.defer"):
        fail(ValueError())
        gc.collect()
    assert unhandled() == []


def test_a_handled_failure_is_not_reported(unhandled: Callable[[], list[str]]) -> None:
    fail(ValueError()).addErrback(nothing)
    d: Deferred[int] = Deferred()
    d.errback(ValueError())
    d.addErrback(nothing)
    del d
    assert unhandled() == []


def test_a_failure_is_reported_while_a_pause_holds_its_errbacks(unhandled: Callable[[], list[str]]) -> None:
    d: Deferred[int] = Deferred()
    d.addErrback(nothing)
    d.pause()
    d.errback(ValueError())
    del d
    assert unhandled() == ["Unhandled error in Deferred: builtins.ValueError"]


def test_a_failure_that_an_outer_deferred_has_taken_is_reported_by_that_one_alone(
    unhandled: Callable[[], list[str]],
) -> None:
    def waiting() -> Deferred[int]:
        inner: Deferred[int] = Deferred()
        outer = succeed(1).addCallback(lambda _: inner)
        inner.errback(ValueError("once"))
        return outer

    outer = waiting()
    assert unhandled() == []
    del outer
    assert unhandled() == ["Unhandled error in Deferred: builtins.ValueError: once"]


def test_a_handled_failure_of_a_returned_deferred_is_not_reported(unhandled: Callable[[], list[str]]) -> None:
    succeed(1).addCallback(lambda _: fail(ValueError())).addErrback(nothing)
    inner: Deferred[int] = Deferred()
    succeed(1).addCallback(lambda _, inner: inner, inner).addErrback(nothing)
    inner.errback(ValueError())
    del inner
    assert unhandled() == []


def test_a_cancellation_is_not_reported(unhandled: Callable[[], list[str]]) -> None:
    """It was asked for."""
    d: Deferred[int] = Deferred()
    d.cancel()
    del d
    assert unhandled() == []


def test_a_report_of_remote_text_is_harmless_and_of_bounded_length(
    unhandled: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    fail(RemoteError("x.Evil", "\x1b[2J\nERROR all is well", "y" * 100_000 + "\x07"))
    assert unhandled() == ["Unhandled error in Deferred: x.Evil: \\x1b[2J\\nERROR all is well"]
    assert len(caplog.text) < 25_000
    assert all(line.isprintable() for line in caplog.text.split("\n"))


def test_a_report_that_cannot_read_source_files_names_the_lines(
    unhandled: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """So it is while Python shuts down."""

    class Late(Failure):
        def getTraceback(self) -> str:
            raise ImportError("sys.meta_path is None, Python is likely shutting down")

    try:
        boom(1)
    except ValueError as error:
        fail(Late(error))
    assert len(unhandled()) == 1
    assert f"{__file__}:" in caplog.text
    assert ":boom\n" in caplog.text


def test_a_log_that_has_gone_already_is_silence_when_python_shuts_down() -> None:
    def gone(_: Failure) -> None:
        raise TypeError("'NoneType' object is not callable")

    report = _Report()
    report.failure = Failure(ValueError())
    report.__del__(gone, lambda: True)
    with pytest.raises(TypeError):
        report.__del__(gone, lambda: False)
    report.failure = None


@pytest.mark.parametrize("kept", ["d", "logging.d", "sys.d", "Failure.d"])
def test_a_failure_kept_until_python_shuts_down_makes_no_other_noise(kept: str) -> None:
    program = f"""
        import logging, sys
        logging.basicConfig(format="%(message)s")
        from pbshell.defer import Deferred, Failure, succeed
        def boom(_):
            raise ValueError("last words")
        {kept} = succeed(1).addCallback(boom)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True
    ).stderr
    assert said == "" or said.startswith("Unhandled error in Deferred: builtins.ValueError: last words\n")
    assert kept != "d" or said
    assert "Exception ignored" not in said


def test_a_deferred_that_succeeds_has_no_finalizer() -> None:
    d = succeed(1).addCallback(Seen())
    assert d._report is None


# The module


def test_the_module_has_asyncios_cancelled_error_and_no_other_surprises() -> None:
    import asyncio

    assert defer.CancelledError is asyncio.CancelledError
    assert set(defer.__all__) <= set(dir(defer))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        defer.Nonsense  # noqa: B018


def test_types_beyond_those_remembered_are_looked_at_each_time() -> None:
    """The memory is bounded: it keeps the classes alive."""
    for n in range(200):
        made = type(f"Made{n}", (), {})()
        assert succeed(1).addCallback(lambda _, made: made, made).result is made
