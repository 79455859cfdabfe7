"""The Broker: bytes in, methods called, bytes out. The only writer of the books; knows no sockets and no clock.

The whole calling convention: down come `receive_data`, `data_to_send`, `connection_lost`; up go `Link.wake`,
`Link.wake_threadsafe`, `Link.start`; aside, objects use `call`, `give_back`, `notifyOnDisconnect`.
Why it is so: docs/explanation/architecture.md.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from pbshell.broker.books import Books
from pbshell.broker.caller import Caller, settle
from pbshell.broker.calls import Call, Running
from pbshell.broker.dispatcher import Dispatcher, current_connection
from pbshell.broker.flavors import Referenceable
from pbshell.broker.outbox import Outbox
from pbshell.broker.references import RemoteCacheObserver, RemoteReference
from pbshell.broker.security import SecurityOptions, globalSecurity
from pbshell.broker.snapshot import seed_of
from pbshell.defer import Deferred, Failure
from pbshell.errors import DeadReferenceError, DialectError, PeerError, ProtocolError
from pbshell.wire.banana import DIALECTS, NONE, Decoder, Dialect, Expression
from pbshell.wire.chunk import Seed, Side
from pbshell.wire.ledger import Ledger
from pbshell.wire.limits import DEFAULT_LIMITS, Limits
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import PB_VERSION, Luid, form_of

__all__ = ["Broker", "Link", "current_connection"]

log = logging.getLogger("pbshell.broker")

#: Oddities of a peer that are worth a line each; beyond, they are only counted.
_TOLD_ODDITIES = 3
#: What the handshake may take: it is a list of a few names.
_HANDSHAKE = Limits(expression=4_096, items=256, depth=4)
#: Bytes of a verb that we do not know and name in our answer.
_LONGEST_WORD = 1_000


class Link(Protocol):
    """Whatever carries a Broker's bytes: a connection of asyncio, or a test."""

    def wake(self) -> None:
        """Something is about to be ready to send. Never delivers from inside; raises UsageError in a foreign thread."""

    def wake_threadsafe(self) -> None:
        """The same, from any thread and at any time. Never raises: finalizers call it."""

    def start(self, awaitable: Awaitable[Any], context: contextvars.Context) -> Deferred[Any]:
        """Take the first step of *awaitable* now, in *context*, and go on with it."""


class Called(Protocol):
    """Whoever wants to hear of each call that is made through a reference or an observer. It must not raise."""

    def __call__(
        self,
        callee: RemoteReference | RemoteCacheObserver,
        name: str | bytes,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        deferred: Deferred[Any],
    ) -> object:
        """*callee* was called; *deferred* is what its caller gets, and has fired if the call could not be sent."""


class Broker:
    """One end of a connection.

    *root* is an object with ``rootObject(broker)``, or None on a client. *untrusted* narrows what one expression may
    be until `trusted` is called. *clock* gives seconds; its zero does not matter.
    """

    __slots__ = (
        "__weakref__",
        "_caller",
        "_decoder",
        "_dispatcher",
        "_granted",
        "_notify",
        "_ready",
        "behind",
        "books",
        "called",
        "clock",
        "closing",
        "deadline",
        "describe",
        "dialect",
        "limits",
        "link",
        "lost",
        "oddities",
        "outbox",
        "security",
        "side",
        "unsafeTracebacks",
    )

    def __init__(
        self,
        side: Side,
        link: Link,
        *,
        root: Any = None,
        unsafeTracebacks: bool = False,
        security: SecurityOptions | None = None,
        limits: Limits = DEFAULT_LIMITS,
        untrusted: bool = False,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.side = side
        self.link = link
        self.security = security or globalSecurity
        self.limits = limits
        self.unsafeTracebacks = unsafeTracebacks
        self.clock = clock
        #: the dialect agreed upon; None during the handshake
        self.dialect: Dialect | None = None
        #: why the connection is gone; None while it is there
        self.lost: BaseException | None = None
        #: why the link shall close when it has written what is left; None as long as it shall not
        self.closing: BaseException | None = None
        #: whether `receive_data` stopped before the end: call it with nothing when what is ready has been taken
        self.behind = False
        #: called with the Deferred of each call, to put a deadline on it
        self.deadline: Callable[[Deferred[Any]], object] | None = None
        #: called with each call of ours: who is called, the name, the arguments, and the Deferred; see `Called`
        self.called: Called | None = None
        #: what the peer's object of a luid is, in a few words, for whoever looks at a reference
        self.describe: Callable[[Luid], str] | None = None
        #: what the peer did that a correct peer does not: answers without a call, surplus decrefs, unknown verbs
        self.oddities = 0
        self.books = Books(self)
        self.outbox = Outbox(self)
        self._caller = Caller(self)
        self._dispatcher = Dispatcher(self)
        self._decoder = Decoder(NONE, _HANDSHAKE)
        self._granted = limits.before_login() if untrusted else limits
        self._ready: list[Deferred[Broker]] = []
        self._notify: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        if root is not None:
            self.books.ours.exports.pin(b"root", root.rootObject(self))
        if side is Side.SERVER:
            self.outbox.say(*DIALECTS)

    # ------------------------------------------------------------------------------------ down: the link calls

    def receive_data(self, data: bytes) -> None:
        """Act upon all that is complete with *data*. Raises PeerError: write what is left, then close.

        Stops, *behind*, when more is ready to be sent than the send buffer holds: short calls may have long answers.
        """
        if self.lost is not None or self.closing is not None:
            return
        decoder = self._decoder
        decoder.feed(data)
        self.behind = decoder.unread and self.outbox.size > self.limits.send_buffer
        if self.behind:
            return
        offset = decoder.offset
        try:
            for expression in decoder:
                if self.dialect is None:
                    self._shake_hands(expression)
                else:
                    # One expression and all its consequences, then the next: it may change what the next may be.
                    self._act(expression)
                if self.lost is not None or self.closing is not None:
                    break
                offset = decoder.offset
                if self.outbox.size > self.limits.send_buffer:
                    self.behind = decoder.unread
                    break
        except PeerError as error:
            if error.offset is None:
                error.offset = offset
            raise

    def data_to_send(self) -> bytes:
        """The bytes that are ready, each once. Pays what finalizers owe."""
        return self.outbox.take()

    def connection_lost(self, reason: BaseException) -> None:
        """The link is gone: each waiting call fails once, everything lent is freed, and who asked is told."""
        if self.lost is not None:
            return
        self.lost = reason
        self.behind = False
        try:
            ready, self._ready = self._ready, []
            for deferred in ready:
                settle(deferred, Failure(reason))
            self._caller.lost(reason)
        finally:  # a callback may want to end the program
            self.books.close()
            self.outbox.clear()
        notify, self._notify = self._notify, []
        for callback, args in notify:
            try:
                callback(*args)
            except Exception:
                log.exception("a callback for the end of the connection raised")

    # ------------------------------------------------------------------------------------ what it shows

    @property
    def ours(self) -> Ledger[Any, Call]:
        """What we lend, and our calls that wait for an answer. Read only."""
        return self.books.ours

    @property
    def theirs(self) -> Ledger[Any, Running]:
        """What the peer lends us, and its calls that run here. Read only."""
        return self.books.theirs

    @property
    def ready(self) -> Deferred[Broker]:
        """A Deferred of this Broker for when the handshake is done; it fails when the connection ends before."""
        deferred: Deferred[Broker] = Deferred()
        if self.lost is not None:
            deferred.errback(self.lost)
        elif self.dialect is not None:
            deferred.callback(self)
        else:
            self._ready.append(deferred)
        return deferred

    @property
    def rest(self) -> bytes:
        """The bytes that came and have not been acted upon."""
        return self._decoder.rest

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to be sent, given back or answered on this side."""
        return self.outbox.empty and not (self.books.ours.pending or self.books.theirs.pending)

    def name_of(self, luid: Luid) -> str:
        """How people call the peer's object *luid*: its owner's letter and the number, and what is known of it."""
        if isinstance(luid, bytes):
            return visible(luid, 40)
        name = f"{'s' if self.side is Side.CLIENT else 'c'}{luid}"
        return name if self.describe is None else f"{name} {self.describe(luid)}".rstrip()

    def snapshot(self, at: float, connection: int) -> Seed:
        """What a capture of *connection* begins with, if it begins now, at *at* (seconds): see `seed_of`."""
        return seed_of(self, at, connection)

    # ------------------------------------------------------------------------------------ aside: objects call

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
        return self._caller.call(verb, target, name, args, kwargs, perspective)

    @property
    def caller(self) -> Caller:
        """Our calls."""
        return self._caller

    def root_reference(self) -> RemoteReference:
        """The peer's root. Nothing is owed for it, and nobody asks the peer."""
        return RemoteReference(None, self, b"root", owed=0)

    def give_back(self, verb: bytes, luid: Luid) -> None:
        """One receipt is owed no longer. Finalizers call it, on any thread; it never raises."""
        if self.lost is None:
            self.outbox.owe(verb, luid)
            self.link.wake_threadsafe()

    def notifyOnDisconnect(self, callback: Callable[..., object], *args: Any) -> None:
        """Call *callback* with *args* when the connection is gone; callbacks run in the order of registration.

        Raises DeadReferenceError when it is gone already.
        """
        if self.lost is not None:
            raise DeadReferenceError(f"the connection is gone already: {self.lost}")
        self._notify.append((callback, args))

    def dontNotifyOnDisconnect(self, callback: Callable[..., object], *args: Any) -> None:
        """Take back one `notifyOnDisconnect` with the same arguments; one that is not there is no error."""
        if (callback, args) in self._notify:
            self._notify.remove((callback, args))

    def whenFreed(self, thing: Referenceable, callback: Callable[[], object]) -> None:
        """Call *callback* once, when the peer holds *thing* no more or the connection is lost."""
        self.books.when_freed(thing, callback)

    def trusted(self) -> None:
        """A login succeeded: from the next expression on the full limits hold."""
        self._decoder.limits = self.limits

    def close(self, reason: BaseException) -> None:
        """Have the link closed for *reason*, behind what is ready to be sent. Nothing more is received."""
        self.link.wake()
        self.behind = False
        if self.closing is None:
            self.closing = reason

    def keepalive(self) -> None:
        """Send a sign of life: the version once more, which any peer takes without a word."""
        if self.dialect is not None and self.lost is None:
            self.link.wake()
            self.outbox.say(b"version", PB_VERSION)

    def odd(self, what: str) -> None:
        """The peer did *what* a correct peer does not; it is harmless, so the connection goes on."""
        self.oddities += 1
        if self.oddities <= _TOLD_ODDITIES:
            more = " (more of its kind will only be counted)" if self.oddities == _TOLD_ODDITIES else ""
            log.warning("%s: %s%s", self.link, what, more)

    # ------------------------------------------------------------------------------------ what comes in

    def _shake_hands(self, expression: Expression) -> None:
        """The server offers its dialects in order of preference; the client takes the first that it knows."""
        if self.side is Side.CLIENT:
            offered = expression if type(expression) is list else []
            name = next((each for each in offered if type(each) is bytes and each in DIALECTS), None)
            if name is None:
                raise DialectError(f"the server offers {_spoken(expression)}, and this end speaks pb and none")
            self.outbox.append(self.outbox.encode(name))
        else:
            name = expression if type(expression) is bytes and expression in DIALECTS else None
            if name is None:
                raise DialectError(f"the client chose {_spoken(expression)}, and pb and none were offered")
        self.dialect = self._decoder.dialect = DIALECTS[name]
        self._decoder.limits = self._granted
        self.outbox.say(b"version", PB_VERSION)
        ready, self._ready = self._ready, []
        for deferred in ready:
            settle(deferred, self)

    def _act(self, expression: Expression) -> None:
        form = form_of(expression)
        if form is None:
            if len(expression[0]) > _LONGEST_WORD:
                raise ProtocolError(f"a verb of {len(expression[0]):,} bytes came: {visible(expression[0], 40)}")
            self.odd(f"verb {visible(expression[0], 60)} is none of PB's, and the peer has been told")
            self.outbox.say(b"didNotUnderstand", expression[0])
            return
        form.check(expression)
        _ACTIONS[form.word](self, *expression[1:])

    def _on_message(self, *fields: Expression) -> None:
        self._dispatcher.message(*fields)

    def _on_cachemessage(self, *fields: Expression) -> None:
        self._dispatcher.cachemessage(*fields)

    def _on_answer(self, *fields: Expression) -> None:
        self._caller.answered(*fields)

    def _on_error(self, *fields: Expression) -> None:
        self._caller.failed(*fields)

    def _on_version(self, number: Expression) -> None:
        if number != PB_VERSION:
            raise ProtocolError(f"the peer speaks version {brief(number)} of PB, and this end version 6")

    def _on_did_not_understand(self, word: Expression) -> None:
        self.odd(f"the peer did not understand {brief(word, 60)}")

    def _on_decref(self, luid: Luid) -> None:
        if not self.books.returned(luid):
            self.odd(f"decref of {brief(luid)}, which is not lent")

    def _on_decache(self, luid: Luid) -> None:
        entry = self.books.cache_returned(luid)
        if entry is None:
            self.odd(f"decache of {brief(luid)}, which is not cached")
        elif not entry.count:
            self.outbox.say(b"uncache", luid)

    def _on_uncache(self, luid: Luid) -> None:
        if not self.books.uncached(luid):
            self.odd(f"uncache of {brief(luid)}, which was not given back")


_ACTIONS: Mapping[bytes, Callable[..., None]] = {
    b"version": Broker._on_version,
    b"message": Broker._on_message,
    b"cachemessage": Broker._on_cachemessage,
    b"answer": Broker._on_answer,
    b"error": Broker._on_error,
    b"decref": Broker._on_decref,
    b"decache": Broker._on_decache,
    b"uncache": Broker._on_uncache,
    b"didNotUnderstand": Broker._on_did_not_understand,
}


def _spoken(expression: Expression) -> str:
    names = expression if type(expression) is list else [expression]
    return ", ".join(visible(each, 40) if isinstance(each, bytes) else brief(each) for each in names[:5]) or "nothing"
