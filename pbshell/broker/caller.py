"""Our calls: jellied, entered, sent; and what comes back for them. Knows no method and no object of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pbshell.broker.calls import Call
from pbshell.broker.jelly import Jellier, plain_tuple
from pbshell.broker.references import RemoteCacheObserver
from pbshell.broker.unjelly import Unjellier
from pbshell.defer import Deferred, Failure
from pbshell.errors import (
    CannotEncode,
    CannotJelly,
    DeadReferenceError,
    ForeignReference,
    PBConnectionLost,
    PeerError,
    RefusedClass,
    RemoteError,
    UsageError,
    dotted_name,
)
from pbshell.wire.banana import Expression
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import Luid, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from pbshell.broker.broker import Broker

__all__ = ["Caller"]

_NO_KEYWORDS: list[Expression] = [b"dictionary"]
#: Four zeros as they are encoded: they stand for the tail of a call, so that its head counts them.
_TAIL_OF_ZEROS = 8


class Caller:
    """The calls of one Broker. Request ids are numbered from 1."""

    __slots__ = ("_broker", "_next_request")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._next_request = 1

    # ------------------------------------------------------------------------------------ calls go out

    def call(
        self,
        verb: bytes,
        target: Any,
        name: str | bytes,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        perspective: Any,
    ) -> Deferred[Any]:
        """Send a call: a message to the peer's object *target* (a luid), or a cachemessage about our *target*.

        Raises DeadReferenceError and UsageError (foreign thread), and then nothing has happened.
        """
        deferred = self._begin()
        wants_answer = not kwargs or bool(kwargs.pop("pbanswer", True))
        outbox = self._broker.outbox

        def compose(luid: Luid) -> bytes:
            method, answer = _method(name), 1 if wants_answer else 0
            scalars = None if kwargs else plain_tuple(args)
            if scalars is not None:
                outbox.pay()
                return outbox.encode([verb, self._next_request, luid, method, answer, scalars, _NO_KEYWORDS])

            def write(jellier: Jellier) -> list[Expression]:
                positional, named = _jelly_arguments(jellier, args, kwargs)
                return [verb, self._next_request, luid, method, answer, positional, named]

            return outbox.message(perspective, write)

        outbox.in_order(lambda: self._send(deferred, wants_answer, verb, target, name, perspective, compose))
        return deferred

    def tell(self, observer: RemoteCacheObserver, name: str | bytes, tail: bytes) -> Deferred[Any]:
        """A cachemessage whose *tail* (see `plain_tail`) was encoded for several observers. Raises as `call` does."""
        deferred = self._begin()
        outbox, verb = self._broker.outbox, b"cachemessage"

        def compose(luid: Luid) -> bytes:
            outbox.pay()
            return outbox.encode([verb, self._next_request, luid, 0, 0, 0, 0])[:-_TAIL_OF_ZEROS] + tail

        outbox.in_order(lambda: self._send(deferred, True, verb, observer.cached, name, observer.perspective, compose))
        return deferred

    def plain_tail(self, name: str | bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
        """Method, truth value and arguments, encoded, if they are the same for whoever gets them; else None."""
        if "pbanswer" in kwargs or self._broker.dialect is None:
            return None
        try:
            tail = [_method(name), 1, *_jelly_arguments(Jellier(security=self._broker.security), args, kwargs)]
            return self._broker.outbox.encode(tail)[2:]
        except Exception:  # noqa: BLE001 - hooks are the application's
            return None  # each observer finds out for itself, and its Deferred says so

    def _begin(self) -> Deferred[Any]:
        broker = self._broker
        if broker.lost is not None:
            raise DeadReferenceError(f"the connection to the owner of this reference is gone: {broker.lost}")
        broker.link.wake()
        return Deferred()

    def _send(
        self,
        deferred: Deferred[Any],
        wants_answer: bool,
        verb: bytes,
        target: Any,
        name: str | bytes,
        perspective: Any,
        compose: Callable[[Luid], bytes],
    ) -> None:
        """Encode, enter, append. What hinders a call comes through its Deferred; nothing of it has been sent.

        The request id is taken when the message has been encoded, and not before.
        """
        broker = self._broker
        try:
            if broker.dialect is None:
                raise UsageError("the handshake is not over yet: wait for broker.ready, or for getRootObject")
            pending = broker.books.ours.pending
            if len(pending) >= broker.limits.pending:
                raise _too_many(len(pending), broker.limits.pending)
            luid = broker.books.luid_of_cache(target) if verb == b"cachemessage" else target
            data = compose(luid)
            if len(data) > broker.limits.expression:  # only where head and tail were encoded apart
                raise CannotEncode(
                    f"a call of {len(data):,} bytes exceeds Limits(expression={broker.limits.expression})",
                    size=len(data),
                    limit="expression",
                    value=broker.limits.expression,
                )
            if broker.lost is not None:  # a hook may have ended the connection
                raise PBConnectionLost(broker.lost)
        except Exception as error:  # noqa: BLE001 - hooks are the application's; its Deferred says what they raised
            deferred.errback(error)
            return
        request = self._next_request
        self._next_request = request + 1
        broker.outbox.append(data)
        if not wants_answer:
            deferred.callback(None)
            return
        pending[request] = Call(request, verb, luid, name, deferred, perspective, broker.clock())
        if broker.deadline is not None:
            broker.deadline(deferred)

    # ------------------------------------------------------------------------------------ answers come in

    def answered(self, request: Request, result: Expression) -> None:
        """``[answer request result]``."""
        call = self._settled(request, result)
        if call is not None:
            settle(call.deferred, self._value(result, "the answer"))

    def failed(self, request: Request, payload: Expression) -> None:
        """``[error request failure]``."""
        call = self._settled(request, payload)
        if call is not None:
            settle(call.deferred, _as_failure(self._value(payload, "the error")))

    def _settled(self, request: Request, payload: Expression) -> Call | None:
        broker = self._broker
        call = broker.books.ours.pending.pop(request, None)
        if call is None:
            broker.outbox.refund((), payload)
            broker.odd(f"an answer to call {brief(request)}, which does not wait for one")
        return call

    def _value(self, expression: Expression, path: str) -> Any:
        """The value; or, when it cannot be read, a Failure that says why. The connection goes on either way."""
        if type(expression) is not list:
            return expression
        outbox, unjellier = self._broker.outbox, Unjellier(self._broker, None)
        try:
            value = unjellier.run(expression)
        except Exception as error:  # noqa: BLE001 - hooks are the application's; the Deferred says what they raised
            if isinstance(error, RefusedClass):
                error.path = path + error.path
            if isinstance(error, PeerError):
                error.__traceback__ = None  # its frames hold references that are to go back at once
            outbox.refund(unjellier.claimed, expression)
            return Failure(error)
        if not unjellier.complete:
            outbox.refund(unjellier.claimed, expression)
        return value

    def lost(self, reason: BaseException) -> None:
        """No answer will come: every call fails, in the order in which they were made."""
        pending = self._broker.books.ours.pending
        calls = list(pending.values())
        pending.clear()
        for call in calls:  # an exception each: who awaits it adds his own frames
            settle(call.deferred, Failure(PBConnectionLost(reason, len(calls))))


def settle(deferred: Deferred[Any], value: Any) -> None:
    """Give *deferred* its result; one that was cancelled has had it, and swallows this one."""
    if isinstance(value, Failure):
        deferred.errback(value)
    else:
        deferred.callback(value)


def _too_many(size: int, most: int) -> CannotEncode:
    message = f"{size:,} calls wait for an answer, and Limits(pending={most}) grants no more"
    return CannotEncode(message, size=size + 1, limit="pending", value=most)


def _method(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


def _jelly_arguments(jellier: Jellier, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Expression, Expression]:
    for word in ("pbcallback", "pberrback"):
        if word in kwargs:
            raise UsageError(f"{word} is gone from PB: add a callback to what callRemote returns")
    path = "args"
    try:
        positional = jellier.jelly(args)
        jellier.again()
        path = "kwargs"
        return positional, jellier.jelly(kwargs)
    except (CannotJelly, ForeignReference) as error:
        error.path = path + error.path
        raise


def _as_failure(value: Any) -> Failure:
    """A peer's failure is a copy of one, an exception that was copied itself, or, from strangers, any value."""
    if isinstance(value, Failure):
        return value
    if isinstance(value, BaseException):
        return Failure(value)
    name = dotted_name(type(value))
    # Nothing but text is shown: the repr of what a peer has built may raise, or be as long as it likes.
    text = visible(value, 1_000) if isinstance(value, (str, bytes)) else f"the error is no exception, but a {name}"
    return Failure(RemoteError(name, text, "", (name,)))
