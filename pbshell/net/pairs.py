"""Pairs: a client and the connection made for it, each handed what the other says. Know bytes, and how they end.

A byte is passed on before it is looked at, and a connection ends for one side as it ended for the other: what was said
before arrives, then the end of one direction, or of both, or a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import cast

from pbshell.net.backlog import Backlog
from pbshell.net.client import Connecting
from pbshell.net.connection import READ_SIZE, Settings
from pbshell.net.endpoints import ConnectEndpoint, ConnectUnix
from pbshell.net.sockets import address_of, prepare
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side, Tap
from pbshell.wire.text import visible

__all__ = ["HIGH_WATER", "STALL", "Hub", "Pair"]

log = logging.getLogger("pbshell.net")

#: Bytes that may wait for one side before the other is no longer read.
HIGH_WATER = 256 * 1024

#: Seconds after which a side that does not take what it is sent counts as stalled.
STALL = 1.0

#: What makes a close a reset: linger, for 0 seconds.
_AT_ONCE = struct.pack("ii", 1, 0)


class Hub:
    """Makes the pairs of one relay, and holds what they have in common."""

    def __init__(
        self,
        settings: Settings,
        target: ConnectEndpoint,
        tell: Callable[[str], None] | None,
        max_connections: int | None,
        tls: bool | ssl.SSLContext | None,
        tls_name: str | None,
    ) -> None:
        self.settings = settings
        self.target = target
        self.tell = tell or _log
        self.watch(settings.tap)
        self.max_connections = max_connections
        #: whether none is wanted any more
        self.closing = False
        #: a dict for its order
        self.connections: dict[Pair, None] = {}
        #: each read, one at a time, lands here; see net/connection.py for why it is a memoryview
        self.buffer = memoryview(bytearray(READ_SIZE))
        self._tls_name = tls_name
        self._connecting = self._to_connect(tls)
        #: whether the target is spoken to in TLS
        self.to_tls = self._connecting.is_tls()
        self._number = 0

    def __call__(self) -> _End:
        """The client's end of one more pair."""
        return Pair(self).client

    def next_number(self) -> int:
        """The number of one more pair."""
        self._number += 1
        return self._number

    async def prepare(self) -> None:
        """Read the files for TLS, once. Raises OSError."""
        if self.to_tls:
            context = await asyncio.get_running_loop().run_in_executor(None, self._connecting.context)
            self._connecting = self._to_connect(context)

    def _to_connect(self, tls: bool | ssl.SSLContext | None) -> Connecting:
        return Connecting(self.target, self.settings, open_timeout=None, tls=tls, tls_name=self._tls_name, sock=None)

    async def connect(self, end: _End) -> None:
        """Give *end* a transport to the target. Raises OSError."""
        # It asks of what makes its connection only that it can be called.
        await self._connecting.open_transport(lambda: end)

    def watch(self, tap: Tap | None) -> None:
        """From now on *tap* is told."""
        self._tap = tap
        #: what is told of a chunk, or None; a backlog need not have one made of it in the midst of the traffic
        self.carried: Callable[[float, int, Side, bytes], object] | None
        if tap is None:
            self.carried = None
        elif isinstance(tap, Backlog):
            self.carried = tap.carried
        else:
            self.carried = lambda at, number, side, data: tap(Chunk(at, number, side, data))

    def report(self, piece: Piece) -> None:
        """Hand *piece* to the tap, if there is one."""
        if self._tap is not None:
            try:
                self._tap(piece)
            except Exception as error:  # noqa: BLE001 - the relay lives on, and `dismiss` logs it
                self.dismiss(error)

    def dismiss(self, error: Exception) -> None:
        """The tap has raised *error*: it is told no more."""
        self.watch(None)
        log.error("the tap raised and is removed; the relay lives", exc_info=error)
        self.tell(f"watching has ended: {type(error).__name__}: {visible(str(error), 200)}; the relay goes on")


class Pair:
    """A client, and the connection to the target that was made for it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        #: the number by which a capture knows it; 0 until the client is there
        self.number = 0
        self.client = _End(self, hub, Side.CLIENT)
        self.server = _End(self, hub, Side.SERVER)
        self.client.other, self.server.other = self.server, self.client
        self.client.forward = self._hold
        self._held = b""  # what the client said before the target was there
        self._attempt: asyncio.Task[None] | None = None
        self._linked = False  # whether the target was there
        self._deadline: asyncio.Timeout | None = None
        self._addresses = ("", "")
        self._how: tuple[str, Side | None, str] | None = None  # how the end began, who began it, and why
        self._closing = False  # whether nothing is passed on any more, in one direction at least
        self._left = 0  # bytes that waited for the two when we last looked
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    def __str__(self) -> str:
        client, server = self._addresses
        return f"{client} to {server}"

    def __repr__(self) -> str:
        state = "closed" if self._over.is_set() else "closing" if self._closing else "open"
        return f"<Pair {self.number} of {self}, {state}>"

    @property
    def addresses(self) -> tuple[str, str]:
        """The addresses of the client and of the target, as text."""
        return self._addresses

    @property
    def closed(self) -> bool:
        """Whether both connections have ended."""
        return self._over.is_set()

    def close(self) -> None:
        """End both connections in good order: what is on its way to a side is sent first."""
        self._note("us", None, "the relay was closed")
        self._give_up()
        for end in self._ends:
            end.leave()
        self._begin_to_close()

    def abort(self) -> None:
        """End both connections at once; what is not sent yet is lost."""
        self._note("us", None, "the relay broke it off")
        self._begin_to_close()
        self._give_up()
        for end in self._ends:
            end.break_off()

    async def wait_closed(self) -> None:
        """Wait for the end of both connections, whoever brings it about."""
        await self._over.wait()

    def event(self, kind: str, by: Side | None, detail: str = "") -> None:
        """Tell the tap of what happened."""
        self._hub.report(LinkEvent(self._loop.time(), self.number, kind, by, detail))

    # ------------------------------------------------------------------------------------ how it begins

    def joined(self, end: _End) -> None:
        """*end* has its transport."""
        if end is self.client:
            self._meet()
        elif self._closing:
            end.break_off()
        else:
            self._link()

    def _meet(self) -> None:
        """The client is there."""
        hub = self._hub
        self.number = hub.next_number()
        target = hub.target
        there = address_of(target.path if isinstance(target, ConnectUnix) else (target.host, target.port))
        self._addresses = self.client.address() or "unix", there
        most = hub.max_connections
        refusal = ""
        if hub.closing:
            refusal = "the relay is closing"
        elif most is not None and sum(not pair._closing for pair in hub.connections) >= most:
            refusal = f"{most:,} connections are open, and max_connections={most} grants no more"
        hub.connections[self] = None
        self.event("opened", Side.CLIENT, f"{self}{', tls' if self.client.tls or hub.to_tls else ''}")
        if refusal:
            self._refuse(refusal)
        else:
            self._attempt = self._loop.create_task(self._connect())
            self._attempt.add_done_callback(self._attempted)

    async def _connect(self) -> None:
        timeout = self._hub.settings.open_timeout
        try:
            async with asyncio.timeout(timeout) as self._deadline:
                await self._hub.connect(self.server)
        except Exception as error:  # noqa: BLE001 - whatever it was, the client must not wait for it
            late = self._deadline is not None and self._deadline.expired()
            self._refuse(f"no connection to the target within {timeout:g} seconds" if late else _spoken(error))

    def _attempted(self, attempt: asyncio.Task[None]) -> None:
        self._attempt = self._deadline = None
        self._end_if_gone()

    def _link(self) -> None:
        """The target is there as well: let them speak."""
        assert self._deadline is not None
        self._deadline.reschedule(None)
        self._linked = True
        self.client.link()
        self.server.link()
        held, self._held = self._held, b""
        if held:
            self.client.forward(held)
        self.client.resume()

    def _hold(self, data: bytes) -> None:
        """Keep what the client says before there is anybody to say it to, and read no more."""
        self._held += data
        self.client.pause()

    def _refuse(self, why: str) -> None:
        """There is nobody for the client to speak to."""
        self._note("us", None, why)
        self._begin_to_close()
        self.client.shut()
        self.server.break_off()
        self._hub.tell(f"connection {self.number} from {self._addresses[0]} to {self._addresses[1]}: {why}")

    def _give_up(self) -> None:
        """Wait no more for the target."""
        if self._attempt is not None and not self._linked:
            self._attempt.cancel()
            self.client.shut()

    # ------------------------------------------------------------------------------------ how it ends

    @property
    def _ends(self) -> tuple[_End, _End]:
        return self.client, self.server

    def eof(self, end: _End) -> None:
        """*end* has sent its last byte: so has the other side, as far as this one can tell it."""
        self.event("half_closed", end.side)
        self._note("fin", end.side, f"the {end.side.value} closed the connection")
        if not self._linked:
            self._closing = True
            self._give_up()
            return
        other = end.other
        other.leave()
        if end.tls or end.left:
            end.leave()
        if end.tls or other.tls:
            # TLS ends in both directions at once, here, so that something may be left that nobody can be told.
            self._begin_to_close()

    def lost(self, end: _End, error: BaseException | None) -> None:
        """The transport of *end* is gone."""
        if error is None or self._closing or (end.tls and end.left):
            end.other.leave()
        else:
            self._how = None  # though one direction may have ended well before
            how = "timeout" if isinstance(error, TimeoutError) else "reset"
            self._note(how, end.side, visible(getattr(error, "strerror", None) or str(error), 200))
            self._give_up()
            end.other.when_drained(end.other.break_off)
        self._begin_to_close()
        self._end_if_gone()

    def _note(self, how: str, by: Side | None, why: str) -> None:
        if self._how is None:
            self._how = how, by, why

    def _begin_to_close(self) -> None:
        """From now on the two have *close_timeout*, and longer while they take what is left."""
        self._closing = True
        if self._timer is None and not self._over.is_set():
            self._left = self._waiting()
            self._timer = self._loop.call_later(self._hub.settings.close_timeout, self._must_be_closed)

    def _must_be_closed(self) -> None:
        self._timer = None
        waiting = self._waiting()
        # What one side has sent before it closed, the other may leave unread for as long as it likes, as without us.
        in_good_order = self._how is not None and self._how[0] == "fin"
        if waiting < self._left or (waiting and in_good_order):
            self._begin_to_close()
        else:
            for end in self._ends:
                end.break_off()

    def _waiting(self) -> int:
        """Bytes that are still to be sent."""
        return sum(end.waiting() for end in self._ends)

    def _end_if_gone(self) -> None:
        if self._over.is_set() or self._attempt is not None or any(end.transport is not None for end in self._ends):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._over.set()
        how, by, why = self._how or ("us", None, "the relay broke it off")
        self._hub.connections.pop(self, None)
        self.event("closed", by, f"{how}: {why}")


class _End(asyncio.BufferedProtocol):
    """One of the two connections of a pair: the one with *side*. Hands on to *other* what it reads."""

    __slots__ = (
        "_buffer",
        "_drained",
        "_full_since",
        "_hub",
        "_loop",
        "_stalled",
        "_timer",
        "ended",
        "forward",
        "full",
        "left",
        "other",
        "pair",
        "side",
        "tls",
        "transport",
    )

    other: _End

    def __init__(self, pair: Pair, hub: Hub, side: Side) -> None:
        self.pair = pair
        self.side = side
        self.transport: asyncio.Transport | None = None
        #: whether it has sent its last byte
        self.ended = False
        #: whether it has been told that nothing more will be sent to it
        self.left = False
        #: whether it is to read before more is sent to it
        self.full = False
        self.tls = False
        #: where the bytes go that come from it
        self.forward: Callable[[bytes], None] = _nowhere
        self._hub = hub
        self._loop = pair._loop
        self._buffer = hub.buffer
        self._full_since = 0.0
        self._stalled = False
        self._timer: asyncio.TimerHandle | None = None
        self._drained: Callable[[], None] | None = None  # what is to be done when all is sent

    # ------------------------------------------------------------------------------------ for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self.transport = there = cast(asyncio.Transport, transport)
        self.tls = there.get_extra_info("ssl_object") is not None
        there.set_write_buffer_limits(high=HIGH_WATER)
        _tune(there.get_extra_info("socket"), self._hub.settings.keepalive)
        self.pair.joined(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes shall be put."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """*nbytes* bytes have arrived: send them on, and then look."""
        data = self._buffer[:nbytes].tobytes()
        now = self._loop.time()
        self.forward(data)
        carried = self._hub.carried
        if carried is not None:
            try:
                carried(now, self.pair.number, self.side, data)
            except Exception as error:  # noqa: BLE001 - the same
                self._hub.dismiss(error)

    def eof_received(self) -> bool:
        """No more bytes will come. Returns whether the transport stays open for what goes the other way."""
        self.ended = True
        self.pair.eof(self)
        return not self.tls

    def pause_writing(self) -> None:
        """This side does not read what it is sent: send no more, and so read no more from the other."""
        self.full = True
        if not self.left:
            self.other.pause()
        self._full_since = self._loop.time()
        # One timer for all the pauses of a second: in a large transfer there are thousands.
        if self._timer is None:
            self._timer = self._loop.call_later(STALL, self._look)

    def resume_writing(self) -> None:
        """It has read."""
        self.full = False
        if self._stalled:
            self._stalled = False
            self.pair.event("resumed", self.side)
        if self._drained is None:
            self.other.resume()
        elif not self.waiting():
            # Not now: a transport that is closed while it says that there is room again is lost twice.
            self._loop.call_soon(self._drained)
            self._drained = None

    def connection_lost(self, error: BaseException | None) -> None:
        """The transport is gone."""
        if error is not None and not self.ended and not self.tls:
            self._read_rest()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.transport = None
        self.other.forward = _nowhere
        self.full = False
        self.other.resume()  # so that its end can be seen
        self.pair.lost(self, error)

    def _read_rest(self) -> None:
        """Read what had come before the connection broke.

        When it breaks while something is written to it, asyncio does not.
        """
        assert self.transport is not None
        with contextlib.suppress(OSError), self.transport.get_extra_info("socket").dup() as sock:
            while size := sock.recv_into(self._buffer):
                self.buffer_updated(size)

    def _look(self) -> None:
        """See whether it has been full for so long that it is worth a word."""
        self._timer = None
        if not self.full or self._stalled:
            return
        seconds = self._loop.time() - self._full_since
        if seconds < STALL:
            self._timer = self._loop.call_later(STALL - seconds, self._look)
        else:
            self._stalled = True
            self.pair.event("stalled", self.side, f"{self.waiting():,} bytes wait to be sent")

    # ------------------------------------------------------------------------------------ for the pair

    def address(self) -> str:
        """The address of this side; of a unix socket that has no name, that of ours."""
        assert self.transport is not None
        find = self.transport.get_extra_info
        return address_of(find("peername")) or address_of(find("sockname"))

    def link(self) -> None:
        """From now on pass on what comes."""
        assert self.other.transport is not None
        self.forward = self.other.transport.write

    def pause(self) -> None:
        """Read no more for now."""
        # A transport whose end was read would, after a pause, read it once more.
        if self.transport is not None and not self.ended:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read, unless the other side has to do so first."""
        if self.transport is not None and not self.ended and (self.other.left or not self.other.full):
            self.transport.resume_reading()

    def leave(self) -> None:
        """Send what is left for this side, and then the end: nothing more is sent to it.

        It may have more to say nevertheless, which is read, as closing a connection before that would be a reset.
        """
        self.left = True
        self.other.forward = _nowhere
        self.other.resume()
        if self.transport is None:
            return
        if self.tls or self.ended:
            self.when_drained(self.shut)
        else:
            # If it has just broken, that will be seen when it is read.
            with contextlib.suppress(OSError):
                self.transport.write_eof()

    def shut(self) -> None:
        """Send what is left, and close."""
        self.left = True
        # Of TLS, asyncio takes a second close for permission to forget all, and to wait for ever.
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()

    def break_off(self) -> None:
        """Close at once, so that this side sees a reset."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()

    def when_drained(self, action: Callable[[], None]) -> None:
        """Call *action* when all that was to be sent to this side is sent."""
        if self.waiting():
            assert self.transport is not None
            self._drained = action
            self.transport.set_write_buffer_limits(high=0)
        else:
            action()

    def waiting(self) -> int:
        """Bytes that are still to be sent."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()


def _nowhere(data: bytes) -> None:
    """Where bytes go that nobody is left to take."""


def _log(line: str) -> None:
    log.warning("%s", line)


def _tune(sock: socket.socket | None, keepalive: float | None) -> None:
    """Let small calls go out at once, and have the system find out about a side that has vanished.

    Unlike with a connection of our own, one that lives may leave bytes unread for as long as it likes: a program that
    is stopped in a debugger does, and its peer would wait.
    """
    prepare(sock, None, None)
    if sock is None or keepalive is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    seconds = max(1, round(min(keepalive, 32_767)))
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", seconds),
        (socket.IPPROTO_TCP, "TCP_KEEPALIVE", seconds),  # what macOS calls it
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", max(1, seconds // 3)),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                sock.setsockopt(level, getattr(socket, name), value)


def _spoken(error: Exception) -> str:
    """Why there is no connection to the target."""
    if isinstance(error, ConnectionRefusedError):
        return "the target refused the connection"
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    text = str(error) if number is None or number <= 0 else os.strerror(number)  # the look-up's own are below 0
    return f"no connection to the target: {visible(text, 200) or type(error).__name__}"
