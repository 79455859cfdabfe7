"""TCP put back in order: segments in, chunks and link events out. Knows sequence numbers; knows no headers, no files.

The first copy of a byte counts. What the peer has acknowledged and the capture does not hold is a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection
from ipaddress import ip_address
from math import inf
from typing import NamedTuple, TypeAlias

from pbshell.trace.packets.stalls import Stall, Told
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side

__all__ = ["ACK", "FIN", "RST", "SYN", "Endpoint", "Reassembler", "Segment"]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

#: Packed address and port.
Endpoint: TypeAlias = tuple[bytes, int]

#: sequence numbers there are
_NUMBERS = 1 << 32
#: connections that are followed, and that are remembered to be over
_OPEN, _OVER = 10_000, 1_024
#: bytes that wait for others before them, of one connection and of all; each piece of them takes some more
_HELD, _HELD_BY_ALL, _PIECE = 4 << 20, 64 << 20, 256
#: seconds within which two copies are one packet that was captured twice, on two interfaces
_SAME = 0.01


class Segment(NamedTuple):
    """A TCP segment: what its header says, and of its *size* bytes those that were captured."""

    source: Endpoint
    destination: Endpoint
    sequence: int
    acknowledged: int
    flags: int
    window: int
    data: bytes
    size: int


class Reassembler:
    """Follows any number of connections, which count from 1 in order of appearance.

    With *ports* or *hosts*, only connections are followed of which one end is among them; and where the beginning
    was not seen, the end with one of the *ports* is the server. Hosts are addresses, raises ValueError for others.
    """

    def __init__(self, *, ports: Collection[int] = (), hosts: Collection[str] = ()) -> None:
        self._ports = frozenset(ports)
        self._hosts = frozenset(ip_address(host).packed for host in hosts)
        self._count = 0
        self._held = 0
        self._streams: dict[tuple[Endpoint, Endpoint], _Stream] = {}
        # The one that has been idle longest stands first.
        self._open: OrderedDict[int, _Connection] = OrderedDict()
        self._over: OrderedDict[frozenset[Endpoint], None] = OrderedDict()

    def feed(self, at: float, segment: Segment) -> list[Piece]:
        """What *segment*, captured at *at* (seconds), completes."""
        if (self._ports or self._hosts) and not self._wants(segment):
            return []
        stream = self._streams.get((segment.source, segment.destination))
        before: list[Piece] = []
        if stream is not None and segment.flags & SYN and stream.is_another(segment.sequence):
            how = "fin" if stream.ended or stream.peer.ended else "reset"
            before = self._lose(at, stream.connection, f"{how}: its end was not captured, a new connection followed")
            stream = None
        if stream is None:
            stream = self._meet(segment)
            if stream is None:
                return before
            if len(self._open) > _OPEN:
                before += self._forget(at)
        connection = stream.connection
        self._open.move_to_end(connection.number)
        held = stream.room + stream.peer.room
        connection.feed(at, stream, segment)
        if held or stream.room:
            self._bound(at, connection, held)
        if connection.is_over:
            self._leave(connection)
        return before + connection.taken() if before else connection.taken()

    def finish(self, at: float) -> list[Piece]:
        """What waited for bytes that do not come any more: the capture ends. Nothing is closed by that."""
        pieces: list[Piece] = []
        for _, connection in sorted(self._open.items()):
            connection.flush(at)
            pieces += connection.taken()
        return pieces

    def ends(self, number: int) -> str:
        """``CLIENT to SERVER`` of a connection that is open, also of one that was joined in its middle; else empty."""
        return self._open[number].ends if number in self._open else ""

    def _bound(self, at: float, connection: _Connection, held: int) -> None:
        """Let *connection*, which held *held* bytes before, not hold more than it may."""
        if connection.held > _HELD or self._held - held + connection.held > _HELD_BY_ALL:
            connection.flush(at)
        self._held += connection.held - held

    def _wants(self, segment: Segment) -> bool:
        ends = (segment.source, segment.destination)
        return (not self._ports or any(port in self._ports for _, port in ends)) and (
            not self._hosts or any(host in self._hosts for host, _ in ends)
        )

    def _meet(self, segment: Segment) -> _Stream | None:
        """A connection that was not followed so far; None if there is none to be followed."""
        ends = frozenset((segment.source, segment.destination))
        if segment.flags & RST or (ends in self._over and not segment.flags & SYN):
            return None
        self._over.pop(ends, None)
        self._count += 1
        sender = self._side(segment)
        client, server = segment.source, segment.destination
        if sender is Side.SERVER:
            client, server = server, client
        connection = _Connection(self._count, client, server, joined=not segment.flags & SYN)
        self._open[connection.number] = connection
        self._streams[client, server] = connection.client
        self._streams[server, client] = connection.server
        return connection.client if sender is Side.CLIENT else connection.server

    def _side(self, segment: Segment) -> Side:
        """Which side sent *segment*, the first of its connection that was captured."""
        if segment.flags & SYN:
            return Side.SERVER if segment.flags & ACK else Side.CLIENT
        source, destination = segment.source[1], segment.destination[1]
        if (source in self._ports) != (destination in self._ports):
            return Side.SERVER if source in self._ports else Side.CLIENT
        return Side.SERVER if source < destination else Side.CLIENT

    def _forget(self, at: float) -> list[Piece]:
        """Give up the connection that has been idle longest."""
        connection = next(iter(self._open.values()))
        pieces = self._lose(at, connection, f"timeout: forgotten while idle, as {_OPEN:,} others were open")
        # If it says something more, it is joined again.
        self._over.popitem()
        return pieces

    def _lose(self, at: float, connection: _Connection, why: str) -> list[Piece]:
        """Close *connection*, whose end nobody saw."""
        self._held -= connection.held
        connection.lose(at, why)
        self._leave(connection)
        return connection.taken()

    def _leave(self, connection: _Connection) -> None:
        """Free what is over; remember it, as some of its packets may still come."""
        client, server = connection.client.sender, connection.server.sender
        del self._open[connection.number]
        del self._streams[client, server]
        # A connection of an endpoint with itself has but one.
        self._streams.pop((server, client), None)
        self._over[frozenset((client, server))] = None
        if len(self._over) > _OVER:
            self._over.popitem(last=False)


class _Stream:
    """What one side sends. Places count from 0 for its first byte; the SYN stands at -1."""

    __slots__ = (
        "acked",
        "connection",
        "ended",
        "fin",
        "held",
        "origin",
        "peer",
        "place",
        "room",
        "sender",
        "sent",
        "sent_at",
        "side",
        "since",
        "stall",
    )

    # Set by the connection as soon as both exist.
    peer: _Stream

    def __init__(self, connection: _Connection, side: Side, sender: Endpoint) -> None:
        self.connection = connection
        self.side = side
        self.sender = sender
        #: the sequence number of place 0
        self.origin: int | None = None
        #: what lies before it has been handed on, or is a gap
        self.place = 0
        #: begin, end and bytes of what came too early, in order; no bytes where they were not captured
        self.held: list[tuple[int, int, bytes | None]] = []
        self.room = 0
        #: place of the FIN, and whether all before it has been handed on
        self.fin: int | None = None
        self.ended = False
        #: end of what was sent, and of what the peer has acknowledged
        self.sent = self.acked = 0
        #: when something was sent last, and when what is not acknowledged began not to be; seconds
        self.sent_at = self.since = 0.0
        #: whether this side takes what the other sends
        self.stall = Stall()

    def is_another(self, sequence: int) -> bool:
        """Whether a SYN of *sequence* begins another stream than this one."""
        return self.origin is not None and (sequence + 1) % _NUMBERS != self.origin

    def begin(self, sequence: int) -> None:
        """This side's SYN came, for the first time or again."""
        if self.origin is None:
            self.origin = (sequence + 1) % _NUMBERS
            self.sent = self.acked = -1

    def find(self, sequence: int) -> int:
        """The place of *sequence*: of all that it can mean, the one nearest to where we are."""
        assert self.origin is not None
        ahead = (sequence - self.origin - self.place) % _NUMBERS
        return self.place + (ahead if ahead < _NUMBERS // 2 else ahead - _NUMBERS)

    def hold(self, start: int, data: bytes, end: int) -> None:
        """Keep *data*, and behind it the hole up to *end*, until what is before them has come."""
        captured = start + len(data)
        self._hold(start, captured, data)
        self._hold(captured, end, None)

    def _hold(self, start: int, end: int, data: bytes | None) -> None:
        origin = start
        index = bisect_right(self.held, start, key=_begin)
        start = max(start, self.place, self.held[index - 1][1] if index else start)
        while start < end:
            following = self.held[index] if index < len(self.held) else None
            upto = end if following is None else min(end, following[0])
            if start < upto:
                self.held.insert(index, (start, upto, None if data is None else data[start - origin : upto - origin]))
                self.room += _PIECE + (0 if data is None else upto - start)
                index += 1
            start = end if following is None else max(upto, following[1])
            index += 1

    def release(self) -> list[tuple[int, int, bytes | None]]:
        """What waits no longer, as it is in order now. The place is behind it."""
        count = 0
        for start, end, data in self.held:
            if start > self.place:
                break
            self.place = end
            self.room -= _PIECE + len(data or b"")
            count += 1
        released = self.held[:count]
        del self.held[:count]
        return released

    def drop(self) -> None:
        """Wait for nothing more."""
        self.held.clear()
        self.room = 0

    def waiting(self) -> str:
        """What has not been acknowledged."""
        size = (self.sent if self.fin is None else min(self.sent, self.fin)) - max(self.acked, 0)
        if size > 0:
            return f"{size:,} byte{'s' if size > 1 else ''}"
        return "the handshake" if self.acked < 0 else "the end of the stream"


class _Connection:
    """Both streams of a connection, and the pieces that they make."""

    def __init__(self, number: int, client: Endpoint, server: Endpoint, *, joined: bool) -> None:
        self.number = number
        self.ends = f"{_written(client)} to {_written(server)}"
        self.client = _Stream(self, Side.CLIENT, client)
        self.server = _Stream(self, Side.SERVER, server)
        self.client.peer, self.server.peer = self.server, self.client
        self.is_over = False
        self._joined = joined
        self._is_open = joined
        self._first: Side | None = None
        self._pieces: list[Piece] = []

    @property
    def held(self) -> int:
        """Bytes that wait for others before them."""
        return self.client.room + self.server.room

    def taken(self) -> list[Piece]:
        """The pieces that have been made since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def feed(self, at: float, mine: _Stream, segment: Segment) -> None:
        """*segment* came, from the side of *mine*."""
        flags, theirs = segment.flags, mine.peer
        if flags & RST:
            self._reset(at, mine)
            return
        if flags & SYN:
            mine.begin(segment.sequence)
        elif mine.origin is None:
            mine.origin = segment.sequence
        if not self._is_open and not (flags & SYN and mine.side is Side.CLIENT):
            self._is_open = True
            self._tell(at, Side.CLIENT, ("opened", self.ends))
            self._deliver(at, self.client)
        if flags & ACK:
            self._acknowledge(at, theirs, segment.acknowledged)
            if self.is_over:
                return
        if segment.window == 0:
            self._tell(at, mine.side, mine.stall.window_closed(at))
        elif mine.stall.shut <= at:
            self._tell(at, mine.side, mine.stall.window_open(at))
        if segment.size or flags & (SYN | FIN):
            self._take(at, mine, segment)

    def flush(self, at: float) -> None:
        """Wait no longer for what is missing."""
        for stream in (self.client, self.server):
            self._give_up(at, stream, inf)

    def lose(self, at: float, why: str) -> None:
        """This connection is over, but nobody saw how."""
        self.flush(at)
        if not self.is_over:
            self._close(at, None, why)

    def _tell(self, at: float, by: Side | None, told: Told) -> None:
        if told is not None:
            self._pieces.append(LinkEvent(at, self.number, told[0], by, told[1]))

    def _acknowledge(self, at: float, stream: _Stream, number: int) -> None:
        """The peer of *stream* has received what lies before *number*."""
        if stream.origin is None:
            stream.origin = number
        upto = stream.find(number)
        if upto <= stream.acked:
            return
        if self._joined and not stream.sent and not stream.held:
            # Nothing of this stream was seen so far: it begins here.
            stream.origin = number
            return
        stream.acked = upto
        stream.sent = max(stream.sent, upto)
        self._tell(at, stream.peer.side, stream.peer.stall.acknowledged(at, stream.since))
        stream.since = at
        if stream.held or stream.fin is not None:
            self._give_up(at, stream, upto)

    def _take(self, at: float, mine: _Stream, segment: Segment) -> None:
        """The bytes of *segment*, and its SYN or FIN, which take a sequence number each."""
        begin = mine.find(segment.sequence)
        start = begin + 1 if segment.flags & SYN else begin
        end = start + segment.size
        data = segment.data
        if mine.fin is not None and end > mine.fin:
            # Nothing comes behind a FIN.
            end = mine.fin
            data = data[: max(end - start, 0)]
        if not segment.flags & FIN:
            self._sent(at, mine, begin, end)
        else:
            if mine.fin is None and end >= mine.place:
                mine.fin = end
            self._sent(at, mine, begin, end + 1)
        if start == mine.place and not mine.held and len(data) == end - start and self._is_open:
            # What nearly all segments are.
            if data:
                mine.place = end
                self._pieces.append(Chunk(at, self.number, mine.side, data))
            if mine.fin is not None:
                self._deliver(at, mine)
            return
        mine.hold(start, data, end)
        self._deliver(at, mine)
        if mine.held and mine.acked > mine.place:
            self._give_up(at, mine, mine.acked)

    def _sent(self, at: float, mine: _Stream, begin: int, end: int) -> None:
        """*mine* has sent from *begin* to *end*, perhaps once more."""
        if end > mine.sent:
            if mine.acked == mine.sent:
                mine.since = at
            mine.sent, mine.sent_at = end, at
        elif end > mine.acked and not mine.held and at - mine.sent_at >= _SAME:
            # While something is held, it may be the first copy of what is missing.
            mine.sent_at = at
            self._tell(at, mine.peer.side, mine.peer.stall.sent_again(at, begin, mine.since, mine.waiting()))

    def _deliver(self, at: float, stream: _Stream) -> None:
        """Hand on what is in order."""
        if not self._is_open:
            return
        for start, end, data in stream.release():
            if data is None:
                self._gap(at, stream, end - start)
            else:
                self._pieces.append(Chunk(at, self.number, stream.side, data))
        if stream.fin is not None and stream.place >= stream.fin and not stream.ended:
            self._end(at, stream)

    def _give_up(self, at: float, stream: _Stream, upto: float) -> None:
        """Wait no longer for what is missing before *upto*, if something behind it came."""
        if not self._is_open:
            return
        while stream.held and stream.held[0][0] <= upto:
            self._gap(at, stream, stream.held[0][0] - stream.place)
            stream.place = stream.held[0][0]
            self._deliver(at, stream)
        if stream.fin is not None and not stream.held and stream.place < stream.fin < upto:
            self._gap(at, stream, stream.fin - stream.place)
            stream.place = stream.fin
            self._deliver(at, stream)

    def _gap(self, at: float, stream: _Stream, size: int) -> None:
        self._tell(at, stream.side, ("gap", f"{size:,} byte{'s were' if size > 1 else ' was'} not captured"))

    def _end(self, at: float, stream: _Stream) -> None:
        """All that *stream* will ever bring has been handed on."""
        stream.ended = True
        stream.drop()
        if self._first is None:
            self._first = stream.side
            self._tell(at, stream.side, ("half_closed", ""))
        else:
            self._close(at, self._first, "fin")

    def _reset(self, at: float, mine: _Stream) -> None:
        if not self._is_open and mine.side is Side.SERVER:
            # There was no connection, so nothing else has told between whom.
            self._close(at, mine.side, f"reset: the connection was refused, {self.ends}")
            return
        self.flush(at)
        if not self.is_over:
            self._close(at, mine.side, "reset")

    def _close(self, at: float, by: Side | None, detail: str) -> None:
        self.is_over = True
        self.client.drop()
        self.server.drop()
        self._tell(at, by, ("closed", detail))


def _begin(piece: tuple[int, int, bytes | None]) -> int:
    return piece[0]


def _written(endpoint: Endpoint) -> str:
    """An endpoint as people write it: ``127.0.0.1:8789``, ``[::1]:8789``."""
    address, port = ip_address(endpoint[0]), endpoint[1]
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
