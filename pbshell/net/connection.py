"""Connection: asyncio's Link, one Broker on one transport. Knows bytes, times and addresses; no call and no object.

What arrives goes to the Broker at once, and what the Broker has to say is written once per batch. This is the only
place where tracing touches the traffic.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

from pbshell.broker.broker import Broker
from pbshell.broker.security import SecurityOptions
from pbshell.cred.login import login
from pbshell.defer import Deferred, fail
from pbshell.errors import ConnectionGone, DeadReferenceError, DialectError, LimitExceeded, PeerError, UsageError
from pbshell.net import tasks
from pbshell.net.sockets import address_of, prepare
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side, Tap
from pbshell.wire.foreign import recognise
from pbshell.wire.ledger import Entry
from pbshell.wire.limits import DEFAULT_LIMITS, Limits
from pbshell.wire.text import visible

__all__ = ["Connection", "Keeper", "Settings", "check_seconds"]

log = logging.getLogger("pbshell.net")

#: Bytes of one read: few enough that what they cause does not hold the loop for long.
READ_SIZE = 64 * 1024

#: What a peer may leave unread, in keepalive periods, before the connection counts as dead.
STALL_PERIODS = 3

#: Answers that may wait for a peer that calls and does not read, in send buffers.
PATIENCE = 16

#: Numbers by which captures tell connections apart.
_numbers = itertools.count(1)

#: Each loop's reads, one at a time, land in the same bytes: they are copied out before the next begins. A memoryview
#: and never a bytearray, because under TLS asyncio slices what it is given to read on, and the slice of a bytearray
#: is a copy. uvloop calls get_buffer right before each read too, except on Windows, where it does not run.
_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all connections of one maker have in common. Times in seconds; None is for ever, or not at all."""

    side: Side
    #: what is offered to the peer: an object with ``rootObject(broker)``
    root: Any = None
    #: whether the root is only to be reached by a login; then the time to open includes it
    asks_for_login: bool = False
    unsafeTracebacks: bool = False
    security: SecurityOptions | None = None
    limits: Limits = DEFAULT_LIMITS
    #: for the handshake
    open_timeout: float | None = 30.0
    #: for the answer to each call
    call_timeout: float | None = None
    #: of silence, until something is said so that the other end, and what lies between, can be seen to live
    keepalive: float | None = 60.0
    #: for the peer to take what is still to be sent when the connection is closed
    close_timeout: float = 5.0
    tap: Tap | None = None

    def __post_init__(self) -> None:
        for name in ("open_timeout", "call_timeout", "keepalive", "close_timeout"):
            check_seconds(name, getattr(self, name))


def check_seconds(name: str, value: float | None) -> None:
    """Raise UsageError unless *value*, the setting *name*, is a time that can pass, or None."""
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"{name}={value!r}: seconds above 0, or None for no limit")


class Keeper(Protocol):
    """Whoever makes connections and wants to know what becomes of them."""

    @property
    def settings(self) -> Settings:
        """What its connections have in common."""

    def made(self, connection: Connection) -> str | None:
        """*connection* has a transport. Returns None, or why it is not wanted."""

    def ready(self, connection: Connection) -> None:
        """The handshake of *connection* is over."""

    def lost(self, connection: Connection, reason: BaseException) -> None:
        """*connection* is gone."""


class Connection(asyncio.BufferedProtocol):
    """A connection to a peer that speaks PB.

    `getRootObject` and `login` begin; `close`, `wait_closed` end. A client gets one from `connect`, a server has them
    in ``Server.connections``, and in a method `current_connection` is the one that the call came by.
    """

    __slots__ = (
        "__weakref__",
        "_addresses",
        "_buffer",
        "_ended",
        "_how",
        "_keeper",
        "_last",
        "_loop",
        "_over",
        "_owed",
        "_paused",
        "_reason",
        "_scheduled",
        "_taken",
        "_tap",
        "_thread",
        "_timer",
        "_transport",
        "_waiting",
        "broker",
        "number",
        "received",
        "sent",
    )

    broker: Broker
    _loop: asyncio.AbstractEventLoop
    _buffer: memoryview
    _thread: int

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        #: the number by which a capture knows this connection
        self.number = next(_numbers)
        self._tap = keeper.settings.tap
        self._addresses: tuple[str, str] | None = None  # ours and the peer's, once the transport is gone
        self._waiting: list[asyncio.Future[None]] | None = None  # for room to write
        self._over: list[asyncio.Future[None]] | None = None  # for the end
        self._scheduled = True  # whether a flush is due; the first is connection_made's
        self._how = ""  # how the end began: fin, us, timeout; from then on nothing is written
        self._paused = False  # whether the peer is to read first
        self._reason: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0  # when something was last read or written
        #: bytes, since the connection opened
        self._ended = False  # whether the peer has sent its last byte
        self.received = 0
        self.sent = 0
        self._taken = (0, 0)  # bytes that the peer had taken when we last looked, and how often it had taken nothing
        self._owed = (0, 0)  # bytes of answers that the peer has yet to take, and what it had taken when we last looked

    # ------------------------------------------------------------------------------------ for the program

    def getRootObject(self) -> Deferred[Any]:
        """A reference to the peer's root object, as soon as the handshake is over.

        Fails with the reason when the connection ends before, with DeadReferenceError when it has ended.
        """
        if self.closed:
            return fail(DeadReferenceError(f"the connection to {self} is gone: {self._reason}"))
        return self.broker.ready.addCallback(Broker.root_reference)

    def login(self, credentials: Any, client: object = None) -> Deferred[Any]:
        """Log in with *credentials*: the Deferred gets a reference to the avatar.

        *client* is the mind: a Referenceable by which the server can call back, or None.
        Fails with LoginFailed when the server does not let us in, else as `getRootObject`.
        """
        return self.getRootObject().addCallback(login, credentials, client)

    def notifyOnDisconnect(self, callback: Callable[[], object]) -> None:
        """Call *callback* when the connection is gone. Raises DeadReferenceError when it is gone already."""
        self.broker.notifyOnDisconnect(callback)

    def dontNotifyOnDisconnect(self, callback: Callable[[], object]) -> None:
        """Take back one `notifyOnDisconnect`."""
        self.broker.dontNotifyOnDisconnect(callback)

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what we send; at least one turn of the loop.

        Raises ConnectionGone if the connection is, or goes.
        """
        self._check_thread()
        # What was just called is written in this turn of the loop, so in the next one it is known whether it fits.
        await asyncio.sleep(0)
        while self._paused:
            room = self._loop.create_future()
            self._waiting = [*(self._waiting or ()), room]
            try:
                await room
            finally:
                self._waiting = _without(self._waiting, room)
        if self._transport is None:
            raise ConnectionGone(f"the connection to {self} is gone: {self._reason}")

    def close(self) -> None:
        """End the connection in good order: what is written so far is sent first.

        In a method, the answers to all calls that arrived together with this one are sent as well. Calls without an
        answer fail with PBConnectionLost.
        """
        if self._transport is not None:
            self.wake()
            self.broker.close(ConnectionGone("closed on this side"))

    def abort(self) -> None:
        """End the connection at once; what is not sent yet is lost."""
        self._check_thread()
        self._abort("us", ConnectionGone("aborted on this side"))

    async def wait_closed(self) -> None:
        """Wait for the end of the connection, whoever brings it about."""
        if not self.closed:
            over = self._loop.create_future()
            self._over = [*(self._over or ()), over]
            try:
                await over
            finally:
                self._over = _without(self._over, over)

    @property
    def ready(self) -> bool:
        """Whether the handshake is over."""
        # asyncio may show a connection that it has not made yet, as one whose TLS handshake failed.
        broker = getattr(self, "broker", None)
        return broker is not None and broker.dialect is not None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._transport is None and self._reason is not None

    @property
    def reason(self) -> BaseException | None:
        """Why the connection has ended, or is about to: OSError, TimeoutError, PeerError, or ConnectionGone."""
        return self._reason

    @property
    def local(self) -> str:
        """The address of this end, as text."""
        return self._both_addresses()[0]

    @property
    def peer(self) -> str:
        """The address of the other end, as text."""
        return self._both_addresses()[1]

    @property
    def exports(self) -> tuple[Entry[Any], ...]:
        """What we lend to the peer."""
        return tuple(self.broker.ours.exports.values())

    @property
    def imports(self) -> tuple[Entry[Any], ...]:
        """What the peer lends to us."""
        return tuple(self.broker.theirs.exports.values())

    @property
    def caches(self) -> tuple[Entry[Any], ...]:
        """What is cached across the connection: of ours by the peer, then of the peer's by us."""
        return (*self.broker.ours.caches.values(), *self.broker.theirs.caches.values())

    @property
    def pending(self) -> tuple[Any, ...]:
        """Our calls that the peer has not answered."""
        return tuple(self.broker.ours.pending.values())

    @property
    def unsent(self) -> int:
        """Bytes that wait here because the system takes no more of them."""
        return self._unsent()

    def get_extra_info(self, name: str) -> Any:
        """What asyncio's transport has by this *name*: ``socket``, ``ssl_object``, ``cipher``; None when it is gone."""
        return self._transport.get_extra_info(name) if self._transport is not None else None

    def set_tap(self, tap: Tap | None, number: int | None = None) -> None:
        """From now on hand every chunk and link event to *tap*, as connection *number*; None ends that.

        May be called at any moment, also in a method. What was to be sent before is sent first; then the tap gets the
        connection's seed, and the bytes that have arrived and have not been acted upon are the first chunk.
        A tap that raises is logged and removed.
        """
        self._check_thread()
        if self._transport is not None:
            self._write()
        self._tap = tap
        if number is not None:
            self.number = number
        if tap is None or self._transport is None:
            return
        now = self._loop.time()
        self._report(self.broker.snapshot(now, self.number))
        rest = self.broker.rest
        if rest:
            self._report(Chunk(now, self.number, self._other, rest))

    def __str__(self) -> str:
        return self.peer

    def __repr__(self) -> str:
        if self._transport is None and self._reason is None:
            return f"<Connection {self.number}, not connected yet>"
        if self.closed:
            state = f"ended: {visible(str(self._reason), 200)}"
        else:
            state = "closing" if self._how else "open" if self.ready else "in the handshake"
        return f"<Connection {self.number} from {self.local} to {self.peer}, {state}>"

    # ------------------------------------------------------------------------------------ for the Broker

    def wake(self) -> None:
        """Something is about to be ready to send. Raises UsageError, before anything is done, in a foreign thread."""
        if threading.get_ident() != self._thread:
            raise self._foreign_thread()
        if not self._scheduled:
            self._scheduled = True
            try:
                self._loop.call_soon(self._flush)
            except RuntimeError:
                self._scheduled = False
                raise DeadReferenceError(f"the loop of the connection to {self} is closed") from None

    def wake_threadsafe(self) -> None:
        """The same for finalizers: on any thread, at any time, also when the loop is closed."""
        if self._scheduled:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._flush)
        except RuntimeError:
            # The loop is closed: nobody is left whom it would concern.
            self._scheduled = False

    def start(self, awaitable: Awaitable[Any], context: Context) -> Deferred[Any]:
        """Begin what a method gave back, now. Methods run on when the peer leaves; a server ends them when it ends."""
        return tasks.start(awaitable, context, self._keeper)

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise self._foreign_thread()

    def _foreign_thread(self) -> UsageError:
        return UsageError(
            f"the connection to {self} belongs to another thread's loop: use asyncio.run_coroutine_threadsafe there"
        )

    # ------------------------------------------------------------------------------------ for asyncio: bytes

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes shall be put."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """*nbytes* bytes have arrived: act upon them, then send what came of it, all at once."""
        data = self._buffer[:nbytes].tobytes()
        self._last = now = self._loop.time()
        self.received += nbytes
        if self._tap is not None:
            self._report(Chunk(now, self.number, self._other, data))
        self._act(data)

    def _act(self, data: bytes) -> None:
        self._scheduled = True
        try:
            if not self.ready:
                self._refuse_foreign(data)
            self.broker.receive_data(data)
        except PeerError as error:
            # What was answered before is sent, unlike with Twisted, where it is lost.
            self._scheduled = False
            self._close("us", error)
            return
        except BaseException:
            # A method wants to end the program; until it does, the connection goes on.
            self._loop.call_soon(self._flush)
            raise
        self._scheduled = False
        paused = self._paused
        written = self._write()
        if paused:
            self._bound(written)
        if self.broker.behind and not self._paused:
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Act upon what was left because its answers would not have fitted into the send buffer."""
        if self._transport is not None and not self._paused and self.broker.behind:
            self._act(b"")
            if self._ended and not self.broker.behind:
                self._close("fin", self._gone())

    def _flush(self) -> None:
        # Before draining: what a finalizer on another thread appends is sent now, or schedules a flush of its own.
        self._scheduled = False
        paused = self._paused
        written = self._write()
        if paused:
            self._bound(written)

    def _write(self) -> int:
        """Send what the Broker has to say, and close if it says so. Returns bytes."""
        if self._transport is None or self._how:
            return 0
        broker = self.broker
        data = broker.data_to_send()
        self._send(data)
        if broker.closing is not None:
            self._close("us", broker.closing)
        return len(data)

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._last = now = self._loop.time()
            self.sent += len(data)
            if self._tap is not None:
                self._report(Chunk(now, self.number, self._side, data))
            self._transport.write(data)

    def _refuse_foreign(self, data: bytes) -> None:
        """Raise DialectError if what has arrived so far is another protocol.

        Banana alone would not tell: what is no error in it, as a banner that is too short to be one, would be waited
        on, and what is one would be a sentence about digits.
        """
        # The Broker grants the handshake a few kilobytes, so that this never looks at more.
        foreign = recognise(self.broker.rest + data)
        if foreign is not None:
            raise DialectError(f"the peer does not speak Perspective Broker; this is {foreign}")

    # ------------------------------------------------------------------------------------ for asyncio: the link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there: begin the handshake."""
        settings = self._keeper.settings
        self._loop = loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._transport = there = cast(asyncio.Transport, transport)
        buffer = _buffers.get(loop)
        if buffer is None:
            buffer = _buffers[loop] = memoryview(bytearray(READ_SIZE))
        self._buffer = buffer
        there.set_write_buffer_limits(high=settings.limits.send_buffer)
        patience = settings.keepalive and settings.keepalive * STALL_PERIODS
        prepare(there.get_extra_info("socket"), settings.keepalive, patience)
        self._last = loop.time()
        refusal: str | None = None
        try:
            self.broker = _broker(settings, self, loop)
        except Exception:
            log.exception("%s: rootObject raised", self)
            refusal = "there is no root object for it"
            self.broker = _broker(replace(settings, root=None), self, loop)
        # If it never is, `connection_lost` tells.
        self.broker.ready.addCallbacks(self._became_ready, lambda _: None)
        self._event("opened", Side.CLIENT, self._description())
        refusal = refusal or self._keeper.made(self)
        if refusal is not None:
            log.warning("%s: refused: %s", self, refusal)
            self._abort("us", ConnectionGone(f"refused: {refusal}"))
            return
        if settings.open_timeout is not None:
            self._set_timer(settings.open_timeout, self._must_be_open)
        self._flush()

    def pause_writing(self) -> None:
        """The peer does not read what we send: hold back those who would send more.

        A server stops reading as well, because each call it reads may mean more to send. A client must not: if both
        sides waited for the other to read, they would wait for ever.
        """
        self._paused = True
        self._taken = (self._bytes_taken(), 0)
        self._owed = (0, self._bytes_taken())
        if self._transport is not None:
            self._event("stalled", self._other, f"{self._unsent():,} bytes wait to be sent")
            if self._side is Side.SERVER:
                self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer has read."""
        self._paused = False
        if self._transport is not None:
            self._event("resumed", self._other)
            if self._side is Side.SERVER:
                self._transport.resume_reading()
            if self.broker.behind:
                self._loop.call_soon(self._go_on)
        waiting, self._waiting = self._waiting, None
        _release(waiting)

    def eof_received(self) -> bool | None:
        """The peer will send nothing more: half a connection is no use to PB, so send what is left, and close."""
        self._event("half_closed", self._other)
        if self.broker.behind and self._transport is not None and not self._transport.get_extra_info("ssl_object"):
            # What came before the end is still to be acted upon. Under TLS a transport does not wait.
            self._ended = True
            return True
        self._close("fin", self._gone())
        return None

    def connection_lost(self, exc: BaseException | None) -> None:
        """The transport is gone: tell everybody."""
        self._set_timer(None, None)
        how = self._how or ("fin" if exc is None else "timeout" if isinstance(exc, TimeoutError) else "reset")
        reason = self._reason or exc or self._gone()
        by = {"us": self._side, "timeout": None}.get(how, self._other)
        self._event("closed", by, f"{how}: {reason}")
        self._addresses = self._both_addresses()
        self._reason = reason
        self._transport = None
        log.debug("%s: connection ended: %s", self, visible(str(reason), 500))
        self.broker.connection_lost(reason)
        self._keeper.lost(self, reason)
        self._paused = False
        for futures in (self._waiting, self._over):
            _release(futures)
        self._waiting = self._over = None

    def _gone(self) -> ConnectionGone:
        when = "" if self.ready else " before the handshake was over"
        return ConnectionGone(f"the peer closed the connection{when}")

    # ------------------------------------------------------------------------------------ the handshake

    def _became_ready(self, _: Broker) -> None:
        if not self._keeper.settings.asks_for_login:
            self._became_open()
        self._keeper.ready(self)

    def _became_open(self) -> None:
        """The handshake is over, and someone has logged in where that is asked for: the connection may now be idle."""
        if not self._how:
            self._set_timer(None, None)
            self._keep_alive()

    def _must_be_open(self) -> None:
        self._timer = None
        missing = "nobody has logged in" if self.ready else "the handshake is not over"
        seconds = self._keeper.settings.open_timeout
        self._close("timeout", TimeoutError(f"{missing} {seconds:g} seconds after the connection opened"))

    # ------------------------------------------------------------------------------------ signs of life

    def _keep_alive(self) -> None:
        """Look again when the connection may have been silent for long enough."""
        keepalive = self._keeper.settings.keepalive
        if keepalive:
            self._set_timer(self._last + keepalive - self._loop.time(), self._sign_of_life)

    def _sign_of_life(self) -> None:
        """Say something after a silence: a peer that has vanished is found out by the bytes it does not take."""
        self._timer = None
        keepalive = self._keeper.settings.keepalive or 0.0
        now = self._loop.time()
        if self._paused:
            self._last = now
            if self._takes_nothing() > STALL_PERIODS:
                seconds = STALL_PERIODS * keepalive
                self._abort(
                    "timeout", TimeoutError(f"for {seconds:g} seconds the peer has taken nothing of what waits")
                )
                return
        elif now - self._last >= 0.99 * keepalive:  # clocks are not exact
            self._last = now
            self.broker.keepalive()
            self._write()
        self._keep_alive()

    def _takes_nothing(self) -> int:
        """How many looks in a row the peer has taken nothing."""
        before, looks = self._taken
        taken = self._bytes_taken()
        self._taken = (max(taken, before), looks + 1 if taken <= before else 0)
        return self._taken[1]

    def _bytes_taken(self) -> int:
        return self.sent - self._unsent()

    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _bound(self, answers: int) -> None:
        """Book *answers*, bytes, on top of a full buffer; abort when the peer goes on calling and does not read them.

        What the peer takes meanwhile is to its credit, whatever it was. One that reads at all is far from the limit.
        """
        owed, before = self._owed
        taken = self._bytes_taken()
        owed = max(0, owed - (taken - before)) + answers
        self._owed = (owed, taken)
        limit = self._keeper.settings.limits.send_buffer
        if owed > PATIENCE * limit:
            message = f"the peer does not read: {owed:,} bytes wait for it"
            self._abort("us", LimitExceeded(message, limit="send_buffer", value=limit))

    def _set_timer(self, seconds: float | None, callback: Callable[[], None] | None) -> None:
        """Call *callback* after *seconds*, and not what was to be called before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or callback is None else self._loop.call_later(seconds, callback)

    # ------------------------------------------------------------------------------------ how it ends

    def _close(self, how: str, reason: BaseException) -> None:
        """Send what is left, then close because of *reason*; abort if the peer does not take it."""
        transport = self._transport
        if transport is None or self._how:
            return
        self._reason = reason
        self._log_reason()
        self._send(self.broker.data_to_send())
        self._how = how
        transport.close()
        self._taken = (self._bytes_taken(), 0)
        self._set_timer(self._keeper.settings.close_timeout, self._must_be_closed)

    def _must_be_closed(self) -> None:
        """Wait on while the peer takes what is left, unless he has lost the right to it."""
        self._timer = None
        if self._takes_nothing() or not isinstance(self._reason, ConnectionGone):
            self._abort(self._how, ConnectionGone("the peer did not take what was left"))
        else:
            self._set_timer(self._keeper.settings.close_timeout, self._must_be_closed)

    def _abort(self, how: str, reason: BaseException) -> None:
        if self._transport is None:
            return
        if self._reason is None:
            self._reason = reason
            self._log_reason()
        self._how = self._how or how
        self._transport.abort()

    def _log_reason(self) -> None:
        if isinstance(self._reason, ConnectionGone):
            return
        # A client in its handshake has a caller, who is told.
        level = logging.DEBUG if self._side is Side.CLIENT and not self.ready else logging.WARNING
        log.log(level, "%s: connection closed: %s", self, visible(str(self._reason), 500))

    # ------------------------------------------------------------------------------------ for tracing and people

    def _event(self, kind: str, by: Side | None, detail: str = "") -> None:
        if self._tap is not None:
            self._report(LinkEvent(self._loop.time(), self.number, kind, by, detail))

    def _report(self, item: Piece) -> None:
        tap = self._tap
        if tap is None:
            return
        try:
            tap(item)
        except Exception:
            self._tap = None
            log.exception("%s: the tap raised and is removed; the connection lives", self)

    def _description(self) -> str:
        here, there = self._both_addresses()
        client, server = (here, there) if self._side is Side.CLIENT else (there, here)
        tls = self._transport is not None and self._transport.get_extra_info("ssl_object") is not None
        return f"{client} to {server}{', tls' if tls else ''}"

    @property
    def _side(self) -> Side:
        return self._keeper.settings.side

    @property
    def _other(self) -> Side:
        return self._keeper.settings.side.other

    def _both_addresses(self) -> tuple[str, str]:
        if self._addresses is not None:
            return self._addresses
        if self._transport is None:
            return "nowhere", "nobody"
        find = self._transport.get_extra_info
        here, there = address_of(find("sockname")), address_of(find("peername"))
        # One end of a unix socket has no name of its own.
        return here or there or "unix", there or here or "unix"


class _LoginBroker(Broker):
    """The Broker of a connection that may not be idle until someone has logged in."""

    __slots__ = ()

    def trusted(self) -> None:
        super().trusted()
        cast(Connection, self.link)._became_open()


def _broker(settings: Settings, link: Connection, loop: asyncio.AbstractEventLoop) -> Broker:
    broker = (_LoginBroker if settings.asks_for_login else Broker)(
        settings.side,
        link,
        root=settings.root,
        unsafeTracebacks=settings.unsafeTracebacks,
        security=settings.security,
        limits=settings.limits,
        untrusted=settings.asks_for_login,
        clock=loop.time,
    )
    seconds = settings.call_timeout
    if seconds is not None:
        # The call stays in the books: its late answer is read, what it lends is given back, and it is dropped.
        broker.deadline = lambda answer: answer.addTimeout(seconds, loop)
    return broker


def _without(
    futures: list[asyncio.Future[None]] | None, gone: asyncio.Future[None]
) -> list[asyncio.Future[None]] | None:
    """*futures* but *gone*, whose waiter gave up or has had it."""
    return [each for each in futures or () if each is not gone] or None


def _release(futures: list[asyncio.Future[None]] | None) -> None:
    for future in futures or ():
        if not future.done():
            future.set_result(None)
