"""Deferred: a result that is not there yet, and what is to be done with it.

Knows callbacks, chains and how to be awaited; does not know what it waits for, nor any clock or socket.

A Deferred fires once, with a result or with a Failure. Its steps run in the order they were added, each with what the
last one returned; one that raises switches to the errbacks, an errback that returns switches back. One that returns a
Deferred makes the rest wait for it.

A Deferred is also a coroutine to asyncio. ``await`` looks at the result and takes nothing: it may be awaited twice, or
given callbacks afterwards. To cancel the task that awaits it is to cancel it; `asyncio.shield` prevents that.

Deferreds are not thread-safe: fire, cancel and extend them in the thread of their loop (`loop.call_soon_threadsafe`).
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from pbshell.defer.failure import Failure, as_failure, caught, harmless
from pbshell.errors import UsageError

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "LOOKS",
    "WAITING",
    "AlreadyCalledError",
    "Deferred",
    "adopt",
    "asyncio_module",
    "future_of",
    "is_deferred",
    "look",
]

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")

#: Types that are neither Deferreds nor Failures. To look that up costs a callback less than to find it out again.
_plain: set[type] = {type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset}

#: So many types are remembered; no more, as the set keeps them alive.
_KNOWN = 100

#: Steps are pairs (callback, errback), None to pass on. This in a callback's place marks one that only looks, for
#: somebody who waits: (LOOKS, function), called as function(result, deferred). It returns a Deferred that can run its
#: steps now, or None; the loop runs them, where a call of ``callback`` would have to recurse.
LOOKS: Any = object()

#: Said by `look` of a Deferred without a result.
WAITING: Any = object()

#: The longest traceback that is logged, in characters: a peer may send one of any length.
_LOGGED = 20_000

_logger = logging.getLogger("pbshell.defer")


class AlreadyCalledError(UsageError):
    """A Deferred was given a second result."""


class Deferred(Coroutine[Any, Any, T]):
    """A result that comes later. *canceller* is called by `cancel` with the Deferred, to stop what would have fired it.

    *called* is true once it has fired; *result* exists from then on and is what the last step returned.
    Not thread-safe: everything happens in the thread of its loop.
    """

    __slots__ = (
        "__weakref__",
        "_canceller",
        "_done",
        "_drivers",
        "_expects_late",
        "_holds",
        "_report",
        "_steps",
        "_waits_for",
        "called",
        "paused",
        "result",
    )

    called: bool
    paused: int
    result: Any  # each step may change the type
    _steps: list[tuple[Any, Any]] | None
    _drivers: dict[object, Generator[Any, Any, T]] | None

    def __init__(self, canceller: Callable[[Deferred[T]], object] | None = None) -> None:
        self._canceller = canceller
        self.called = False
        self.paused = 0
        # Reasons why no step may run now: not fired yet, each pause, waiting for another Deferred, running already.
        self._holds = 1
        self._steps = None
        self._done = 0  # of _steps: those in front are over
        self._waits_for: Deferred[Any] | None = None
        self._expects_late = False
        self._report: _Report | None = None
        self._drivers = None

    # -- adding steps ---------------------------------------------------------------------------------------------

    def addCallbacks(
        self,
        callback: Callable[..., Any],
        errback: Callable[..., Any] | None = None,
        callbackArgs: tuple[Any, ...] = (),
        callbackKeywords: Mapping[str, Any] | None = None,
        errbackArgs: tuple[Any, ...] = (),
        errbackKeywords: Mapping[str, Any] | None = None,
    ) -> Deferred[Any]:
        """Add *callback* for a result and *errback* for a Failure, side by side: neither sees what the other raises.

        Each is called with the result, then its own arguments and keywords; at once, if the Deferred has fired.
        Returns this Deferred.
        """
        if callback is None:
            raise TypeError("a callback cannot be None: use addErrback")
        if callbackArgs or callbackKeywords:
            callback = _bound(callback, callbackArgs, callbackKeywords)
        if errbackArgs or errbackKeywords:
            errback = _bound(errback, errbackArgs, errbackKeywords)
        if self._steps is None:
            self._steps = [(callback, errback)]
        else:
            self._steps.append((callback, errback))
        if not self._holds:
            _run(self)
        return self

    if TYPE_CHECKING:

        @overload
        def addCallback(
            self, callback: Callable[Concatenate[T, P], Deferred[U]], *args: P.args, **keywords: P.kwargs
        ) -> Deferred[U]: ...
        @overload
        def addCallback(
            self, callback: Callable[Concatenate[T, P], U], *args: P.args, **keywords: P.kwargs
        ) -> Deferred[U]: ...

    def addCallback(self, callback: Callable[..., Any], *args: Any, **keywords: Any) -> Deferred[Any]:
        """Add *callback* for a result; a Failure goes past it. Returns this Deferred."""
        if callback is None:
            raise TypeError("a callback cannot be None: use addErrback")
        if args or keywords:
            callback = _bound(callback, args, keywords)
        if self._steps is None:
            self._steps = [(callback, None)]
        else:
            self._steps.append((callback, None))
        if not self._holds:
            _run(self)
        return self

    if TYPE_CHECKING:

        @overload
        def addErrback(
            self, errback: Callable[Concatenate[Failure, P], Deferred[U]], *args: P.args, **keywords: P.kwargs
        ) -> Deferred[T | U]: ...
        @overload
        def addErrback(
            self, errback: Callable[Concatenate[Failure, P], U], *args: P.args, **keywords: P.kwargs
        ) -> Deferred[T | U]: ...

    def addErrback(self, errback: Callable[..., Any], *args: Any, **keywords: Any) -> Deferred[Any]:
        """Add *errback* for a Failure; a result goes past it. Returns this Deferred."""
        return self._add(None, errback, args, keywords)

    if TYPE_CHECKING:

        @overload
        def addBoth(
            self, callback: Callable[Concatenate[T | Failure, P], Deferred[U]], *args: P.args, **keywords: P.kwargs
        ) -> Deferred[U]: ...
        @overload
        def addBoth(
            self, callback: Callable[Concatenate[T | Failure, P], U], *args: P.args, **keywords: P.kwargs
        ) -> Deferred[U]: ...

    def addBoth(self, callback: Callable[..., Any], *args: Any, **keywords: Any) -> Deferred[Any]:
        """Add *callback* for a result and for a Failure: a ``finally``. Returns this Deferred."""
        return self._add(callback, callback, args, keywords)

    def chainDeferred(self, other: Deferred[T]) -> Deferred[None]:
        """Fire *other* with what this Deferred comes to here; what is added here later does not reach *other*."""
        self.addCallbacks(other._settle, other._settle)
        self._push(LOOKS, lambda _result, _self: other._ready())
        if not self._holds:
            _run(self)
        return self  # type: ignore[return-value]  # what follows gets what `other.callback` returned: None

    def _add(self, callback: Any, errback: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Deferred[Any]:
        if callback is errback is None:
            raise TypeError("an errback cannot be None")
        if args or keywords:
            callback, errback = _bound(callback, args, keywords), _bound(errback, args, keywords)
        if self._steps is None:
            self._steps = [(callback, errback)]
        else:
            self._steps.append((callback, errback))
        if not self._holds:
            _run(self)
        return self

    # -- firing ---------------------------------------------------------------------------------------------------

    def callback(self, result: T) -> None:
        """Fire with *result*. Raises AlreadyCalledError the second time, but for one result that follows a `cancel`."""
        if self.called:
            self._late()
            return
        self.called = True
        self.result = result
        self._holds -= 1
        if self._steps is not None and not self._holds:
            _run(self)

    def errback(self, reason: BaseException | Failure | None = None) -> None:
        """Fire with a failure: an exception, a Failure, or by default the exception being handled.

        Raises AlreadyCalledError like `callback`, and UsageError if there is no exception.
        """
        if self.called:
            self._late()
            return
        self.result = failure = as_failure(reason)
        self.called = True
        self._holds -= 1
        if self._steps is not None and not self._holds:
            _run(self)
        else:
            self._book(failure)

    def _settle(self, result: Any) -> None:
        """Fire with *result* or a Failure, and leave the steps to the caller."""
        if self.called:
            self._late()
            return
        self.called = True
        self.result = result
        self._holds -= 1
        if isinstance(result, Failure):
            self._book(result)

    def _ready(self) -> Deferred[Any] | None:
        return None if self._holds or self._steps is None else self

    def _late(self) -> None:
        if not self._expects_late:
            raise AlreadyCalledError(f"a second result for {self!r}")
        self._expects_late = False

    def cancel(self) -> None:
        """Give up waiting: the canceller is called, and unless that fires the Deferred, it fails with CancelledError.

        What comes afterwards, once, is swallowed. If the Deferred waits for another one, that is cancelled; if its
        result is there, nothing happens. A canceller that raises fails the Deferred with what it raised.
        """
        if self.called:
            if self._waits_for is not None:
                self._waits_for.cancel()
            return
        failure = None
        if self._canceller is not None:
            try:
                self._canceller(self)
            except Exception as error:  # noqa: BLE001 - the application's code; the failure shows it
                failure = caught(error)
        if not self.called:
            self._expects_late = True
            self.errback(failure or _cancellation())
        elif failure is not None:
            _log_unhandled(failure)

    def pause(self) -> None:
        """Run no step until `unpause` was called as often as this."""
        self.paused += 1
        self._holds += 1

    def unpause(self) -> None:
        """Undo one `pause`; the last one runs what has gathered. Raises UsageError if there was none."""
        if not self.paused:
            raise UsageError(f"unpause without pause: {self!r}")
        self.paused -= 1
        self._holds -= 1
        if self._steps is not None and not self._holds:
            _run(self)

    def addTimeout(self, seconds: float, clock: Any = None) -> Deferred[T]:
        """Cancel after *seconds*, and fail with TimeoutError in place of the CancelledError. Returns this Deferred.

        *clock* is anything with ``call_later`` or ``callLater`` (seconds, function); by default the running loop.
        Raises RuntimeError if that is needed and no loop runs.
        """
        if clock is None:
            clock = asyncio_module().get_running_loop()
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            self.cancel()

        def settle(result: Any) -> Any:
            if not expired:
                timer.cancel()
            elif isinstance(result, Failure) and isinstance(result.value, asyncio_module().CancelledError):
                return Failure(TimeoutError(f"no result within {seconds:g} seconds"))
            return result

        call_later = clock.call_later if hasattr(clock, "call_later") else clock.callLater
        timer = call_later(seconds, expire)
        return self.addBoth(settle)

    # -- asyncio --------------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the result and look at it; a Failure raises its exception and counts as handled.

        Outside asyncio it can be awaited in what `ensureDeferred` runs.
        """
        if not self._holds:
            result = self.result
        elif (future := _future_here()) is not None:
            self._push(LOOKS, functools.partial(_wake, future))
            try:
                # One generator and no other beneath it: this is what an awaited call costs.
                result = yield from future
            except asyncio_module().CancelledError:
                # Unless the result has come, and the task was cancelled before it could take its next step.
                if future.cancel() or future.cancelled():
                    self.cancel()
                raise
        elif (result := (yield self)) is self:
            raise UsageError("a Deferred is awaited, but neither asyncio nor ensureDeferred runs the coroutine")
        if isinstance(result, Failure):
            self._hand_over(result)
            try:
                raise result.value.with_traceback(result.traceback)
            finally:
                # The new traceback holds this frame: without this, exception and Deferred would hold each other.
                del self, result
        return result  # type: ignore[no-any-return]  # the type of what the last step returned

    def send(self, value: Any) -> Any:
        """Go on, as asyncio asks of a coroutine. Each task that drives this Deferred waits on its own."""
        if self._drivers is None:
            self._drivers = {}
        task = _current_task()
        driver = self._drivers.get(task)
        if driver is None:
            driver = self._drivers[task] = self.__await__()
        try:
            return driver.send(value)
        except BaseException:
            del self._drivers[task]
            raise

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Any:
        """Raise an exception where the current task waits. A cancellation cancels, even before the task began."""
        error = _exception(typ, val, tb)
        driver = self._drivers.pop(_current_task(), None) if self._drivers else None
        if driver is not None:
            return driver.throw(error)
        if isinstance(error, asyncio_module().CancelledError):
            self.cancel()
        raise error

    def close(self) -> None:
        """Stop waiting in the current task; nothing is cancelled."""
        super().close()

    def asFuture(self, loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Future[T]:
        """A future of *loop* (the running one) that looks at the result; to cancel it is to cancel this Deferred.

        A Failure counts as handled: the future has it now. Raises RuntimeError if there is no loop.
        """
        aio = asyncio_module()
        future: asyncio.Future[T] = (loop or aio.get_running_loop()).create_future()

        def cancel(_: object) -> None:
            if future.cancelled():
                self.cancel()

        def settle(result: Any) -> Any:
            if not future.done():
                future.remove_done_callback(cancel)
                if isinstance(result, Failure):
                    self._hand_over(result)
                    _fail(future, result.value)
                else:
                    future.set_result(result)
            return result

        future.add_done_callback(cancel)
        self.addBoth(settle)
        return future

    @classmethod
    def fromFuture(cls, future: asyncio.Future[U]) -> Deferred[U]:
        """A Deferred that fires with what an asyncio future or task comes to; to cancel it is to cancel the future."""
        deferred: Deferred[U] = Deferred(lambda _: future.cancel())

        def done(future: asyncio.Future[U]) -> None:
            if future.cancelled():
                deferred.errback(_cancellation())
            elif (error := future.exception()) is not None:
                deferred.errback(error)
            else:
                deferred.callback(future.result())

        future.add_done_callback(done)
        return deferred

    # -- books ----------------------------------------------------------------------------------------------------

    def _push(self, callback: Any, errback: Any) -> None:
        if self._steps is None:
            self._steps = []
        self._steps.append((callback, errback))

    def _book(self, failure: Failure | None) -> None:
        """Note what is to be reported when this Deferred is collected: *failure*, unless somebody has seen it."""
        report = self._report
        if report is None:
            report = self._report = _Report()
        report.failure = None if failure is None or failure.quiet or failure is report.seen else failure

    def _hand_over(self, failure: Failure) -> None:
        """Note that somebody else has *failure* now: it is no longer ours to report."""
        report = self._report
        if report is None:
            report = self._report = _Report()
        report.failure = None
        report.seen = failure

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._state()}>"

    def _state(self) -> str:
        if not self.called:
            return "not fired"
        if self._waits_for is not None:
            return f"waiting for another at {id(self._waits_for):#x}"
        if isinstance(self.result, Failure):
            return f"failed: {self.result}"
        return f"fired: {type(self.result).__name__}"


def _log_unhandled(failure: Failure) -> None:
    if not _logger.isEnabledFor(logging.ERROR):
        return
    try:
        text = failure.getTraceback()
    except ImportError:
        # Python is shutting down, and cannot read source files any more.
        text = failure.getBriefTraceback()
    if len(text) > _LOGGED:
        text = f"{text[:_LOGGED]}\n... ({len(text):,} characters)"
    error = (type(failure.value), failure.value, failure.traceback)
    message = "Unhandled error in Deferred: %s"
    record = _logger.makeRecord(_logger.name, logging.ERROR, __file__, 0, message, (str(failure),), error)
    # Written beforehand, as a formatter would write a peer's text as it came; no line of it begins a line of the log.
    record.exc_text = "\n".join(f"  | {line}" for line in harmless(text).splitlines())
    _logger.handle(record)


class _Report:
    """The failure that nobody has handled, told when its Deferred is collected.

    Apart from Deferred, so that those that succeed (nearly all) have no finalizer to pay for.
    """

    __slots__ = ("failure", "seen")

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.seen: Failure | None = None

    # What it needs are its defaults, as the names of a module may be gone before the last Deferred is.
    def __del__(
        self,
        log: Callable[[Failure], None] = _log_unhandled,
        is_finalizing: Callable[[], bool] = sys.is_finalizing,
    ) -> None:
        if self.failure is None:
            return
        try:
            log(self.failure)
        except Exception:
            # Late in the shutdown of Python logging does not work any more, and nobody would read it.
            if not is_finalizing():
                raise


def _run(current: Deferred[Any]) -> None:
    """Run the steps of *current*, and of those that wait for it: one loop, so that no chain is too long for the stack.

    KeyboardInterrupt and SystemExit are failures like all others, and are raised when all steps have run.
    """
    unfinished: list[Deferred[Any]] | None = None
    leaving: BaseException | None = None
    current._holds = 1
    while True:
        steps: Any = current._steps or ()
        count = len(steps)
        done = current._done
        result = current.result
        failed = isinstance(result, Failure)
        resumed = None
        # A hold beside our own: a step has paused the Deferred, or returned another one that has not fired.
        while done < count and current._holds == 1:
            callback, errback = steps[done]
            done += 1
            function = errback if failed else callback
            if function is None:
                continue
            try:
                if callback is LOOKS:
                    resumed = errback(result, current)
                    if resumed is None:
                        continue
                    break
                result = function(result)
                if type(result) in _plain:
                    failed = False
                else:
                    result, failed = _examined(current, result)
            except BaseException as error:  # noqa: BLE001 - that is what a Deferred is for
                if callback is LOOKS or isinstance(error, KeyboardInterrupt | SystemExit):
                    leaving = error
                if callback is LOOKS:
                    continue
                if isinstance(result, Failure) and error is result.value:
                    # `trap` let it pass. The Failure stays the same, and what it knows of its origin.
                    error.__traceback__ = result.traceback
                else:
                    result = caught(error)
                    failed = True
            count = len(steps)
        if done == count:
            current._steps = None
            done = 0
        current._done = done
        current.result = result
        if resumed is not None:
            # Those that waited go first. What is left of this one comes behind them; until then it counts as running.
            if unfinished is None:
                unfinished = []
            unfinished.append(current)
            current = resumed
            current._holds = 1
            continue
        current._holds -= 1
        if done * 2 > count:
            # Forget steps, but not each time: that would be quadratic. Never, and steps that add steps would pile up.
            del steps[:done]
            current._done = 0
        if failed or current._report is not None:
            current._book(result if failed else None)
        if not unfinished:
            break
        current = unfinished.pop()
    if leaving is not None:
        raise leaving


def _examined(current: Deferred[Any], result: Any) -> tuple[Any, bool]:
    """What *current* goes on with after a step returned *result*, and whether that is a failure."""
    if isinstance(result, Failure):
        return result, True
    if is_deferred(result):
        result = _join(current, result)
        return result, isinstance(result, Failure)
    if len(_plain) < _KNOWN:
        _plain.add(type(result))
    return result, False


def _join(outer: Deferred[Any], inner: Any) -> Any:
    """The result of *inner*; None, and *outer* has to wait, if it has not fired."""
    if inner is outer:
        return Failure(UsageError(f"a callback returned its own Deferred, which would wait for itself: {outer!r}"))
    inner = adopt(inner)
    if not inner._holds:
        return look(inner)
    inner._push(LOOKS, functools.partial(_resume, outer))
    outer._waits_for = inner
    outer._holds += 1
    return None


def _resume(outer: Deferred[Any], result: Any, inner: Deferred[Any]) -> Deferred[Any] | None:
    """*inner*, returned by one of *outer*'s callbacks, has come to *result*."""
    if isinstance(result, Failure):
        inner._hand_over(result)
    outer._waits_for = None
    outer.result = result
    outer._holds -= 1
    return None if outer._holds else outer


def _wake(future: asyncio.Future[Any], result: Any, deferred: Deferred[Any]) -> None:
    """*deferred*, awaited by the task that waits for *future*, has come to *result*."""
    if future.done():
        return
    if isinstance(result, Failure):
        deferred._hand_over(result)
    try:
        future.set_result(result)
    except RuntimeError:
        # Nobody waits in a loop that is closed. Otherwise we are in a thread that is not the loop's.
        if not future.get_loop().is_closed():
            raise


def look(deferred: Deferred[Any]) -> Any:
    """The result, a failure counting as handed over; WAITING while there are steps that may still change it."""
    if deferred._holds:
        return WAITING
    if isinstance(deferred.result, Failure):
        deferred._hand_over(deferred.result)
    return deferred.result


def is_deferred(value: object) -> bool:
    """Whether *value* counts as a Deferred: its class has ``addCallbacks``, as Twisted's own has."""
    return hasattr(type(value), "addCallbacks")


def adopt(value: Any) -> Deferred[Any]:
    """*value* itself if it is a Deferred; else one that fires with what another library's comes to, and cancels it."""
    if isinstance(value, Deferred):
        return value

    def cancel(deferred: Deferred[Any]) -> None:
        # First, as the other library has a CancelledError of its own, which would mean nothing to asyncio.
        deferred._expects_late = True
        deferred.errback(_cancellation())
        if hasattr(value, "cancel"):
            value.cancel()

    deferred: Deferred[Any] = Deferred(cancel)
    value.addCallbacks(deferred.callback, deferred.errback)
    return deferred


def _bound(function: Any, args: tuple[Any, ...], keywords: Mapping[str, Any] | None) -> Any:
    if function is None:
        return None
    if keywords:
        return lambda result: function(result, *args, **keywords)
    return lambda result: function(result, *args)


def _cancellation() -> Failure:
    """A CancelledError that need not be reported: it was asked for."""
    failure = Failure(asyncio_module().CancelledError())
    failure.quiet = True
    return failure


def _exception(
    typ: type[BaseException] | BaseException, value: object, traceback: TracebackType | None
) -> BaseException:
    """What ``throw(typ, value, traceback)`` is to raise: the form with three arguments is still in use."""
    if isinstance(typ, BaseException):
        error = typ
    elif isinstance(value, BaseException):
        error = value
    else:
        error = typ() if value is None else typ(value)
    return error if traceback is None else error.with_traceback(traceback)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if isinstance(error, asyncio_module().CancelledError):
        future.cancel()
    elif isinstance(error, StopIteration):
        # A future refuses it: where it is awaited, it would look like a result.
        substitute = RuntimeError("a Deferred failed with StopIteration")
        substitute.__cause__ = error
        future.set_exception(substitute)
    else:
        future.set_exception(error)


@functools.cache
def asyncio_module() -> Any:
    """asyncio, imported by the first Deferred that is awaited, cancelled or timed: what is below this knows no loop."""
    import asyncio  # noqa: PLC0415

    return asyncio


def future_of(awaitable: Any) -> asyncio.Future[Any] | None:
    """The future or task by which asyncio runs *awaitable*; None if no loop runs that could."""
    aio = asyncio_module()
    if aio.isfuture(awaitable):
        return awaitable  # type: ignore[no-any-return]
    try:
        return aio.ensure_future(awaitable, loop=aio.get_running_loop())  # type: ignore[no-any-return]
    except RuntimeError:
        return None


def _future_here() -> Any:
    """A new future of the running loop; None if there is none."""
    try:
        return asyncio_module().get_running_loop().create_future()
    except RuntimeError:
        return None


def _current_task() -> object:
    try:
        return asyncio_module().current_task()
    except RuntimeError:
        return None
