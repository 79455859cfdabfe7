"""The peer's calls: object, then perspective, then arguments, then method, then the answer.

Knows what a call means here; does not know where its bytes came from.
"""

from __future__ import annotations

import contextvars
import logging
import weakref
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from pbshell.broker.calls import Running
from pbshell.broker.failures import failure_expression
from pbshell.broker.flavors import Callee, Jellyable
from pbshell.broker.jelly import Jellier, plain
from pbshell.broker.unjelly import Unjellier
from pbshell.defer import Failure
from pbshell.defer.failure import as_failure
from pbshell.errors import (
    CannotEncode,
    CannotJelly,
    ConnectionGone,
    Error,
    ForeignReference,
    LimitExceeded,
    LoginFailed,
    NoSuchMethod,
    PeerError,
    ProtocolError,
    RefusedClass,
    RemoteError,
)
from pbshell.wire.banana import Expression
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import Request

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker

__all__ = ["Dispatcher", "current_connection"]

log = logging.getLogger("pbshell.broker")

_current: contextvars.ContextVar[Any] = contextvars.ContextVar("pbshell_connection")
#: What a method may return that needs no look: it is answered as it is.
_PLAIN = frozenset((type(None), bool, int, float, bytes, str, list, tuple, dict, set, frozenset))
_TUPLE: list[Expression] = [b"tuple"]
_NO_KEYWORDS: list[Expression] = [b"dictionary"]
_LARGEST = 2**60
_LONGEST_REQUEST = 1_000
#: Characters of one line in the log that a peer can fill.
_LONGEST_LINE = 1_000
_MOST_LINES = 200
#: Lines of our own refusals that one connection may cause; beyond, they are only counted.
_TOLD_REFUSALS = 20
#: Send buffers that answers may fill before anything of them has been written.
_BACKLOG = 16
_HIDDEN = "the server's log has the text"


def current_connection() -> Any:
    """The connection whose call is being run, or None outside of one."""
    reference = _current.get(None)
    return None if reference is None else reference()


class Dispatcher:
    """Runs what the peer of one Broker calls, each call in its own copy of the context."""

    __slots__ = ("_broker", "_context", "_refusals", "_repeats")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._context = contextvars.copy_context()
        # Weakly: what a method leaves running in its context must not keep a connection that has ended.
        self._context.run(_current.set, weakref.ref(broker.link))
        self._repeats = 0
        self._refusals = 0

    # ------------------------------------------------------------------------------------ a call comes in

    def message(
        self,
        request: Request,
        luid: Expression,
        method: bytes,
        wants_answer: Expression,
        args: Expression,
        kwargs: Expression,
    ) -> None:
        """``[message ...]``: for an object that we lent, or root."""
        entry = self._broker.books.ours.exports.get(luid) if type(luid) is not list else None
        target: Callee | None = None if entry is None else entry.thing
        self._dispatch(b"message", request, luid, target, method, bool(wants_answer), args, kwargs)

    def cachemessage(
        self,
        request: Request,
        luid: Expression,
        method: bytes,
        wants_answer: Expression,
        args: Expression,
        kwargs: Expression,
    ) -> None:
        """``[cachemessage ...]``: for our copy of what the peer keeps."""
        target: Callee | None = self._broker.books.copies.get(luid) if type(luid) is not list else None
        self._dispatch(b"cachemessage", request, luid, target, method, bool(wants_answer), args, kwargs)

    def _dispatch(
        self,
        verb: bytes,
        request: Request,
        luid: Expression,
        target: Callee | None,
        method: bytes,
        wants_answer: bool,
        args: Expression,
        kwargs: Expression,
    ) -> None:
        """Run it; the result is answered now, or when it is there."""
        broker = self._broker
        try:
            name = method.decode()
        except UnicodeDecodeError:
            raise ProtocolError(f"a method name is not UTF-8: {visible(method, 60)}") from None
        running = broker.books.theirs.pending
        key = self._key(request, running)
        running[key] = Running(request, verb, luid, name, broker.clock())
        try:
            if target is None:
                broker.outbox.refund((), args, kwargs)
                raise Error("Invalid Object ID")
            if len(running) > broker.limits.pending:
                broker.outbox.refund((), args, kwargs)
                raise LimitExceeded(f"{len(running):,} calls run here", limit="pending", value=broker.limits.pending)
            perspective = target.perspectiveFor()
            positional, named = self._arguments(args, kwargs, perspective)
            function, leading = target.methodFor(name)
            context = self._context.copy()
            result = context.run(function, *leading, *positional, **named)
            if type(result) not in _PLAIN:  # the type is asked, for the attributes of a copy are the peer's
                if hasattr(type(result), "__await__") and not hasattr(type(result), "addCallbacks"):
                    result = broker.link.start(result, context)
                if hasattr(type(result), "addCallbacks"):
                    self._answer_later(key, request, wants_answer, result, perspective)
                    return
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the application's code, and this is where it is caught
            _forget_dispatch(error)
            self._fail(key, request, wants_answer, Failure(error))
            return
        self._answer(key, request, wants_answer, result, perspective)

    def _key(self, request: Request, running: Container[Any]) -> Any:
        """What *request* is entered under: any banana value may be a request id, and may come again."""
        key: Any = request if type(request) is int else repr(request)
        # Larger ints share hashes as a peer likes, longer texts would not fit into an answer.
        if -_LARGEST < request < _LARGEST if type(request) is int else len(key) <= _LONGEST_REQUEST:
            if key in running:
                self._repeats += 1
                key = (key, self._repeats)
            return key
        raise ProtocolError(f"a request id is a number below 2 ** 60 or short, not {brief(request)}")

    def _arguments(self, args: Expression, kwargs: Expression, perspective: Any) -> tuple[Any, dict[str, Any]]:
        """Both, unjellied. Positional and keyword arguments are two runs: what they share was sent twice."""
        broker = self._broker
        if (
            kwargs == _NO_KEYWORDS
            and type(args) is list
            and args[:1] == _TUPLE
            and list not in map(type, args)
            and broker.security.isTypeAllowed(b"tuple")
        ):
            return args[1:], {}  # nothing but numbers and bytes: the common call
        unjellier = Unjellier(broker, perspective)
        path = "args"
        try:
            positional = unjellier.run(args)
            path = "kwargs"
            named = unjellier.run(kwargs)
            if type(positional) not in (tuple, list) or type(named) is not dict:
                raise ProtocolError("a call carries a tuple and a dictionary")
            if any(type(word) is not str for word in named):
                named = {_keyword(word): value for word, value in named.items()}
        except BaseException as error:
            if isinstance(error, RefusedClass):
                error.path = path + error.path
            broker.outbox.refund(unjellier.claimed, args, kwargs)
            raise
        if not unjellier.complete:
            broker.outbox.refund(unjellier.claimed, args, kwargs)
        return positional, named

    # ------------------------------------------------------------------------------------ the answer goes out

    def _answer_later(self, key: Any, request: Request, wants_answer: bool, result: Any, perspective: Any) -> None:
        result.addCallbacks(
            lambda value: self._answer(key, request, wants_answer, value, perspective),
            lambda failure: self._fail(key, request, wants_answer, failure),
        )

    def _answer(self, key: Any, request: Request, wants_answer: bool, result: Any, perspective: Any) -> None:
        if self._over(key, request, wants_answer):
            return
        outbox = self._broker.outbox

        def send() -> None:
            try:
                scalar = plain(result)
                if scalar is not None:
                    outbox.pay()
                    data = outbox.encode([b"answer", request, scalar])
                else:
                    data = outbox.message(perspective, lambda jellier: [b"answer", request, _jelly(jellier, result)])
            except Exception as error:  # noqa: BLE001 - what cannot be sent becomes an error that can
                self._fail(key, request, wants_answer, Failure(error))
            else:
                self._append(key, data)

        outbox.in_order(send)

    def _fail(self, key: Any, request: Request, wants_answer: bool, failure: Any) -> None:
        failure = as_failure(failure)  # another library's Deferred gives another Failure
        told = self._log(failure, wants_answer)
        if self._over(key, request, wants_answer):
            return
        broker, value = self._broker, failure.value

        def send() -> None:
            if isinstance(value, Jellyable) or broker.security.isClassAllowed(type(value)):
                try:
                    data = broker.outbox.message(None, lambda jellier: [b"error", request, jellier.jelly(value)])
                except Exception:
                    log.exception("%s: an exception that writes itself could not be sent", broker.link)
                else:
                    self._append(key, data)
                    return
            broker.outbox.pay()
            try:
                payload = failure_expression(failure, unsafeTracebacks=broker.unsafeTracebacks, told=told)
                data = broker.outbox.encode([b"error", request, payload])
            except CannotEncode as error:
                payload = failure_expression(Failure(error), told="the error is longer than the limits allow")
                data = broker.outbox.encode([b"error", request, payload])
            self._append(key, data)

        broker.outbox.in_order(send)

    def _over(self, key: Any, request: Request, wants_answer: bool) -> bool:
        """Whether there is nobody to answer; if there is, the link is told that something is coming."""
        broker = self._broker
        if broker.lost is not None:
            log.debug("%s: answer to call %r dropped: peer gone", broker.link, request)
            return True
        broker.link.wake()
        if not wants_answer:
            broker.books.theirs.pending.pop(key, None)
        return not wants_answer

    def _append(self, key: Any, data: bytes) -> None:
        broker = self._broker
        if broker.lost is not None:  # a hook may have ended the connection
            return
        broker.books.theirs.pending.pop(key, None)
        most = _BACKLOG * broker.limits.send_buffer
        if broker.outbox.size > most:
            # Answers that became ready together, faster than the link could know that nobody reads them.
            message = f"answers of {broker.outbox.size:,} bytes wait to be sent"
            broker.close(LimitExceeded(message, limit="send_buffer", value=broker.limits.send_buffer))
        else:
            broker.outbox.append(data)

    def _log(self, failure: Failure, wants_answer: bool) -> str | None:
        """Log what a method raised, unless it is an application's own quiet Error; what the peer is told instead."""
        value, broker = failure.value, self._broker
        if broker.lost is not None and (failure.quiet or isinstance(value, ConnectionGone)):
            return None  # cancelled because the server ends, or waiting for the peer who left
        if isinstance(value, (Error, LoginFailed)):  # of a failed login, the login itself says a line
            return None
        hidden = broker.security.errors == "type"
        if type(value).__module__.startswith("pbshell.") and not isinstance(value, RemoteError):
            # Ours: the sentence says it, and the frames are not the application's.
            self._refusals += 1
            if self._refusals <= _TOLD_REFUSALS:
                more = " (more of its kind will not be told)" if self._refusals == _TOLD_REFUSALS else ""
                text = visible(failure.getErrorMessage(), _LONGEST_LINE)
                log.error("%s: a call was refused: %s%s", broker.link, text, more)
            return _HIDDEN if hidden and not isinstance(value, (PeerError, NoSuchMethod)) else None
        if hidden:
            number = f"{id(failure) & 0xFFFFFF:06x}"
            log.error("%s: error %s, of which the peer is told this number:\n%s", broker.link, number, _trace(failure))
            return f"error {number}: the server's log has the text"
        answers = wants_answer and broker.lost is None
        heading = "Peer will receive following PB traceback" if answers else "a method failed, and no answer is due"
        log.error("%s: %s:\n%s", broker.link, heading, _trace(failure))
        return None


def _jelly(jellier: Jellier, result: Any) -> Expression:
    try:
        return jellier.jelly(result)
    except (CannotJelly, ForeignReference) as error:
        error.path = f"the result{error.path}"
        raise


def _keyword(word: Any) -> str:
    if isinstance(word, str):
        return word
    if isinstance(word, bytes):  # as Python 2 writes it
        try:
            return word.decode()
        except UnicodeDecodeError:
            pass
    raise ProtocolError(f"a keyword is text, not {brief(word)}")


def _forget_dispatch(error: BaseException) -> None:
    """Leave the application's frames in the traceback of *error*: ours tell nothing, and hold the arguments."""
    trace = error.__traceback__
    if trace is not None and trace.tb_next is not None:
        error.__traceback__ = trace.tb_next


def _trace(failure: Failure) -> str:
    """The traceback for our log. No line begins where a line of the log does, for its text may be the peer's."""
    lines = failure.getTraceback().splitlines()
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES // 2 : -_MOST_LINES // 2] = ["..."]
    return "\n".join(f"  | {visible(line, _LONGEST_LINE)}" for line in lines)
