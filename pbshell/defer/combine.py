"""Deferreds out of plain values, coroutines and generators, and one Deferred out of many.

Knows how to wait for several things and how to run a function that waits; does not know what the functions do.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import Any, ParamSpec, TypeVar

from pbshell.defer.deferred import LOOKS, WAITING, Deferred, adopt, future_of, is_deferred, look
from pbshell.defer.failure import Failure, as_failure, caught
from pbshell.errors import PBError, UsageError

__all__ = [
    "FAILURE",
    "SUCCESS",
    "DeferredList",
    "FirstError",
    "ensureDeferred",
    "fail",
    "gatherResults",
    "inlineCallbacks",
    "maybeDeferred",
    "succeed",
]

T = TypeVar("T")
P = ParamSpec("P")

#: What the first half of a pair in a DeferredList's result says.
SUCCESS = True
FAILURE = False


class FirstError(PBError):
    """The first failure among several Deferreds: *subFailure*, of the one at *index* (counted from 0)."""

    def __init__(self, subFailure: Failure, index: int) -> None:
        self.subFailure = subFailure
        self.index = index
        super().__init__(subFailure, index)
        self.__cause__ = subFailure.value

    def __str__(self) -> str:
        return f"number {self.index} failed with {self.subFailure}"


class DeferredList(Deferred[Any]):
    """Fires when all *deferreds* have, with a list of ``(True, result)`` or ``(False, Failure)`` in their order.

    The results are what each Deferred had come to when the list was made. It never fails of itself, and failures go on
    to be reported by their own Deferreds, but for these flags:

    - *fireOnOneCallback*: fires with ``(result, index)`` at the first result;
    - *fireOnOneErrback*: fails with FirstError at the first failure;
    - *consumeErrors*: failures end here, each Deferred goes on with None.

    Coroutines and other awaitables are taken too. To cancel the list is to cancel everything in it.
    Raises UsageError for no Deferreds and *fireOnOneCallback*, which would never fire.
    """

    __slots__ = ("_consume", "_members", "_missing", "_on_callback", "_on_errback", "_outcomes")

    def __init__(
        self,
        deferreds: Iterable[Awaitable[Any]],
        fireOnOneCallback: bool = False,
        fireOnOneErrback: bool = False,
        consumeErrors: bool = False,
    ) -> None:
        super().__init__(_cancel_members)
        self._members: list[Any] = [each if is_deferred(each) else ensureDeferred(each) for each in deferreds]
        self._missing = len(self._members)
        self._outcomes: list[tuple[bool, Any]] = [(FAILURE, None)] * self._missing
        self._on_callback = fireOnOneCallback
        self._on_errback = fireOnOneErrback
        self._consume = consumeErrors
        if not self._members:
            if fireOnOneCallback:
                raise UsageError("a DeferredList of nothing with fireOnOneCallback would never fire")
            self.callback([])
        for index, member in enumerate(self._members):
            member.addCallbacks(self._one, self._one, (index, SUCCESS), None, (index, FAILURE))

    def _one(self, result: Any, index: int, success: bool) -> Any:
        outcome = result if success else as_failure(result)
        self._outcomes[index] = (success, outcome)
        self._missing -= 1
        if not self.called:
            if success and self._on_callback:
                self.callback((outcome, index))
            elif not success and self._on_errback:
                failure = Failure(FirstError(outcome, index))
                failure.quiet = outcome.quiet
                self.errback(failure)
            elif not self._missing:
                self.callback(self._outcomes)
        return None if self._consume and not success else result


def _cancel_members(deferreds: Any) -> None:
    for each in deferreds._members:
        each.cancel()


def gatherResults(deferreds: Iterable[Awaitable[T]], consumeErrors: bool = False) -> Deferred[list[T]]:
    """Fires with the list of all results, in order of *deferreds*; fails with FirstError at the first failure."""
    return DeferredList(deferreds, fireOnOneErrback=True, consumeErrors=consumeErrors).addCallback(_values)


def _values(outcomes: list[tuple[bool, T]]) -> list[T]:
    return [value for _, value in outcomes]


def succeed(result: T) -> Deferred[T]:
    """A Deferred that has fired with *result*."""
    deferred: Deferred[T] = Deferred()
    deferred.callback(result)
    return deferred


def fail(reason: BaseException | Failure | None = None) -> Deferred[Any]:
    """A Deferred that has failed with *reason*: an exception, a Failure, or by default the exception being handled."""
    deferred: Deferred[Any] = Deferred()
    deferred.errback(reason)
    return deferred


def maybeDeferred(function: Callable[P, Any], *args: P.args, **keywords: P.kwargs) -> Deferred[Any]:
    """Call *function*; what it returns or raises, now or later, comes through the Deferred.

    It may return a value, a Deferred, a coroutine or any awaitable.
    """
    try:
        result = function(*args, **keywords)
    except Exception as error:  # noqa: BLE001 - the Deferred tells it
        return fail(caught(error))
    if isinstance(result, Failure):
        return fail(result)
    deferred = _deferred_of(result)
    return succeed(result) if deferred is None else deferred


def ensureDeferred(awaitable: Awaitable[T]) -> Deferred[T]:
    """A Deferred that fires with what a coroutine, a future or any awaitable comes to; a Deferred is returned as it is.

    Under asyncio a task runs it. Without a loop it is run here and now, and may await Deferreds alone.
    Raises TypeError if it cannot be awaited.
    """
    deferred = _deferred_of(awaitable)
    if deferred is None:
        raise TypeError(f"{type(awaitable).__name__} is neither a Deferred nor awaitable")
    return deferred


def inlineCallbacks(function: Callable[P, Generator[Any, Any, T]]) -> Callable[P, Deferred[T]]:
    """Make a generator function return a Deferred: each ``yield`` waits, and gives the result or raises the failure.

    It may yield Deferreds, coroutines, other awaitables and plain values, which come back at once. What it returns is
    the result. To cancel the Deferred is to cancel what the generator waits for.
    Raises TypeError when it is called, if it is no generator function.
    """

    @functools.wraps(function)
    def start(*args: P.args, **keywords: P.kwargs) -> Deferred[T]:
        generator = function(*args, **keywords)
        if not isinstance(generator, Generator):
            raise TypeError(f"{function!r} has no yield: inlineCallbacks takes generator functions")
        return _start(generator)

    return start


def _deferred_of(value: Any) -> Deferred[Any] | None:
    """A Deferred for whatever can be waited for; None for a plain value."""
    if is_deferred(value):
        return adopt(value)
    if not hasattr(type(value), "__await__"):
        return None
    future = future_of(value)
    return _start(_awaiting(value)) if future is None else Deferred.fromFuture(future)


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _start(generator: Generator[Any, Any, T] | Coroutine[Any, Any, T]) -> Deferred[T]:
    running = _Running(generator)
    running.advance(None)
    return running


class _Running(Deferred[T]):
    """What a generator or a coroutine comes to, and the running of it: from one thing it waits for to the next."""

    __slots__ = ("_awaits", "_generator")

    def __init__(self, generator: Generator[Any, Any, T] | Coroutine[Any, Any, T]) -> None:
        super().__init__(_cancel_awaited)
        self._generator = generator
        self._awaits: Deferred[Any] | None = None

    def advance(self, result: Any) -> None:
        """Send or throw *result*, and go on while what is yielded is there already: a loop, so no chain is too long.

        Leaves the steps to the caller.
        """
        while True:
            try:
                if isinstance(result, Failure):
                    yielded = result.throwExceptionIntoGenerator(self._generator)
                else:
                    yielded = self._generator.send(result)
            except StopIteration as stop:
                self._settle(stop.value)
                return
            except (KeyboardInterrupt, SystemExit) as error:
                self.errback(caught(error))
                raise
            except BaseException as error:  # noqa: BLE001 - that is what a Deferred is for
                failure = caught(error)
                # A cancellation that was asked for and went through: still nothing to report.
                failure.quiet = isinstance(result, Failure) and result.quiet and result.value is error
                self._settle(failure)
                return
            deferred = _deferred_of(yielded)
            result = yielded if deferred is None else look(deferred)
            if deferred is not None and result is WAITING:
                self._awaits = deferred
                deferred._push(LOOKS, self._go_on)
                return

    def _go_on(self, result: Any, deferred: Deferred[Any]) -> Deferred[Any] | None:
        self._awaits = None
        if isinstance(result, Failure):
            deferred._hand_over(result)
        self.advance(result)
        return self._ready()


def _cancel_awaited(running: Any) -> None:
    if running._awaits is not None:
        running._awaits.cancel()
