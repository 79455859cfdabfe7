"""The packets in a pcap or pcapng file, from a pipe too. Knows how they lie there; knows nothing of what they are.

Records and blocks are framed here. dpkt's readers would allocate whatever length a file claims to have, hand out a
packet that is cut as if it were whole, and read no second interface; dpkt serves for the headers inside the packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct, unpack, unpack_from
from typing import BinaryIO, NamedTuple

from pbshell.errors import CaptureError
from pbshell.trace.packets.headers import LINKS

__all__ = ["Cut", "Frame", "frames", "is_pcap"]

#: How a pcap file begins: its byte order, and the nanoseconds in a unit of its fractions.
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
#: How a section of a pcapng file begins in either byte order, and what tells the order behind the length.
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

#: types of blocks
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
#: options of an interface
_NO_MORE, _RESOLUTION, _OFFSET = 0, 9, 14

#: bytes of a packet, bytes of a block, interfaces of a section
_PACKET_SIZE, _BLOCK_SIZE, _INTERFACES = 1 << 20, 64 << 20, 65_536
#: bytes that are asked for at once
_READ = 1 << 18
_SECOND = 1_000_000_000


class Frame(NamedTuple):
    """A packet as a *link* (see `LINKS`) carried it.

    *time* is in nanoseconds since 1970, None where the file does not tell. *size* is that of the packet when it was
    sent, *data* as much of it as was captured.
    """

    time: int | None
    link: int
    size: int
    data: bytes


class Cut(Exception):
    """The file ends in the middle of something."""


def is_pcap(head: bytes) -> bool:
    """Whether a file that begins with *head*, four bytes or more, is a pcap or pcapng file."""
    return head[:4] == _PCAPNG or head[:4] in _PCAP


def frames(file: BinaryIO, notes: list[str]) -> Iterator[Frame]:
    """The packets in *file*, each as soon as it is there. What is left out is told in *notes*.

    Raises Cut where the file ends inside a packet, CaptureError where it is damaged or if it is something else.
    """
    source = _Source(file)
    head = source.take(4)
    if head in _PCAP:
        return _pcap(source, *_PCAP[head])
    if head == _PCAPNG:
        return _Pcapng(source, notes).frames()
    if not head:
        raise CaptureError("the file is empty, and a pcap or pcapng file is due")
    hint = "unpack it first" if head[:2] == b"\x1f\x8b" else "tcpdump -w and Wireshark make such"
    raise CaptureError(f"the file begins with {head!r}, so it is no pcap or pcapng file: {hint}")


class _Source:
    """The bytes of a file, as they come."""

    def __init__(self, file: BinaryIO) -> None:
        # read1 gives what is there, where read would wait until a pipe has brought as much as was asked for.
        self._read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        self._buffer = b""
        self._position = 0
        self._before = 0

    @property
    def place(self) -> int:
        """Bytes that have been taken."""
        return self._before + self._position

    def take(self, size: int) -> bytes:
        """The next *size* bytes; fewer at the end of the file."""
        end = self._position + size
        if end > len(self._buffer):
            self._fill(size)
            end = size
        data = self._buffer[self._position : end]
        self._position += len(data)
        return data

    def need(self, size: int, what: str, number: int) -> bytes:
        """The next *size* bytes, in the packet or block of this *number*. Raises Cut if they are not there."""
        data = self.take(size)
        if len(data) < size:
            raise Cut(f"the file ends inside {what} {number:,}: {len(data):,} of {size:,} bytes are there")
        return data

    def _fill(self, size: int) -> None:
        """Read until *size* bytes are there, and count positions anew. Needs room for what comes, not for *size*."""
        parts = [self._buffer[self._position :]]
        count = len(parts[0])
        while count < size and (data := self._read(_READ)):
            parts.append(data)
            count += len(data)
        self._buffer = b"".join(parts)
        self._before += self._position
        self._position = 0


def _pcap(source: _Source, order: str, unit: int) -> Iterator[Frame]:
    """The packets of a pcap file whose first four bytes have been taken."""
    head = source.take(20)
    if len(head) < 20:
        raise Cut("the file ends inside its header")
    major, link = unpack(f"{order}H14xI", head)
    if major != 2:
        raise CaptureError(f"the file is pcap of version {major}, and version 2 is what can be read")
    # The upper half tells of checksums behind the packets; IP's own length leaves them aside.
    link &= 0xFFFF
    if link not in LINKS:
        raise CaptureError(f"the file was captured on {_unread(link)}")
    header = Struct(f"{order}4I")
    number = 1
    while head := source.take(16):
        if len(head) < 16:
            raise Cut(f"the file ends inside the header of packet {number:,}")
        seconds, fraction, captured, size = header.unpack(head)
        if captured > _PACKET_SIZE:
            raise CaptureError(
                f"packet {number:,} at byte {source.place - 16:,} is damaged: it says to have {captured:,} bytes, "
                f"and no packet has more than {_PACKET_SIZE:,}"
            )
        data = source.need(captured, "packet", number)
        yield Frame(seconds * _SECOND + fraction * unit, link, size, data)
        number += 1


def _unread(link: int) -> str:
    return f"a link of type {link}; Ethernet, Linux cooked, loopback and raw IP are what can be read"


@dataclass(frozen=True, slots=True)
class _Interface:
    """Where packets were captured: the type of its *link*, and how its packets are to be read.

    Of each packet *snaplen* bytes were captured, or all if that is 0. Its clock makes *ticks* per second, and was at
    zero *offset* seconds after 1970 began.
    """

    link: int
    snaplen: int
    ticks: int
    offset: int

    def time(self, high: int, low: int) -> int:
        """Nanoseconds since 1970."""
        return ((high << 32) + low) * _SECOND // self.ticks + self.offset * _SECOND


class _Pcapng:
    """Reads a pcapng file whose first four bytes have been taken, block by block."""

    def __init__(self, source: _Source, notes: list[str]) -> None:
        self._source = source
        self._notes = notes
        self._has_unread = False
        self._order = "<"
        self._interfaces: list[_Interface] = []
        # Of the block that is being read.
        self._number = 0
        self._place = 0

    def frames(self) -> Iterator[Frame]:
        """The packets of all sections and interfaces, but for those on links that cannot be read."""
        head = _PCAPNG
        while head:
            self._number += 1
            self._place = self._source.place - len(head)
            frame = self._frame(*self._block(head))
            if frame is not None:
                yield frame
            head = self._source.take(4)

    def _block(self, head: bytes) -> tuple[int, bytes]:
        """Type and body of the block that begins with *head*."""
        if head == _PCAPNG:
            # Its length can be read only when the bytes behind it have told how.
            head += self._need(8)
            self._begin_section(head[8:])
        else:
            head += self._need(8 - len(head))
        kind, length = unpack_from(f"{self._order}II", head)
        # Some writers do not count the bytes that fill up the last four.
        rest = (length + 3 & ~3) - len(head)
        if rest < 4 or length > _BLOCK_SIZE:
            raise self._damaged(f"it says to have {length:,} bytes")
        body = head[8:] + self._need(rest)
        (again,) = unpack_from(f"{self._order}I", body, len(body) - 4)
        if again != length:
            raise self._damaged(f"it says to have {length:,} bytes, and {again:,} at its end")
        return kind, body[:-4]

    def _frame(self, kind: int, body: bytes) -> Frame | None:
        """The packet in a block, if there is one."""
        if kind == _PACKET:
            return self._packet("5I", body)
        if kind == _OLD_PACKET:
            return self._packet("H2x4I", body)
        if kind == _SIMPLE_PACKET:
            return self._simple_packet(body)
        if kind == _INTERFACE:
            self._interface(body)
        elif kind == _SECTION:
            self._version(body)
        return None

    def _packet(self, layout: str, body: bytes) -> Frame | None:
        interface, high, low, captured, size = self._unpack(layout, body)
        if captured > len(body) - 20:
            raise self._damaged(f"it says to hold a packet of {captured:,} bytes, and has room for {len(body) - 20:,}")
        origin = self._origin(interface)
        if origin.link not in LINKS:
            return None
        return Frame(origin.time(high, low), origin.link, size, body[20 : 20 + captured])

    def _simple_packet(self, body: bytes) -> Frame | None:
        (size,) = self._unpack("I", body)
        origin = self._origin(0)
        if origin.link not in LINKS:
            return None
        return Frame(None, origin.link, size, body[4 : 4 + min(size, origin.snaplen or size)])

    def _origin(self, interface: int) -> _Interface:
        if interface >= len(self._interfaces):
            raise self._damaged(f"its packet is of interface {interface:,}, which has not been described")
        return self._interfaces[interface]

    def _begin_section(self, mark: bytes) -> None:
        if mark not in _ORDERS:
            raise self._damaged(f"its byte order is told by {mark!r}")
        self._order = _ORDERS[mark]
        self._interfaces = []

    def _version(self, body: bytes) -> None:
        _, major = self._unpack("IH", body)
        if major != 1:
            raise CaptureError(f"the file is pcapng of version {major}, and version 1 is what can be read")

    def _interface(self, body: bytes) -> None:
        link, snaplen = self._unpack("H2xI", body)
        if len(self._interfaces) >= _INTERFACES:
            raise self._damaged(f"it describes one interface more than {_INTERFACES:,}")
        ticks, offset = 1_000_000, 0
        for code, value in self._options(body[8:]):
            if code == _RESOLUTION and len(value) == 1:
                ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
            elif code == _OFFSET and len(value) == 8:
                (offset,) = unpack(f"{self._order}q", value)
        self._interfaces.append(_Interface(link, snaplen, ticks, offset))
        if link not in LINKS and not self._has_unread:
            self._has_unread = True
            self._notes.append(f"packets were left out that were captured on {_unread(link)}")

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Numbers and values. What is wrong ends them: a packet can be read without."""
        place = 0
        while place + 4 <= len(data):
            code, length = unpack_from(f"{self._order}HH", data, place)
            if code == _NO_MORE:
                return
            yield code, data[place + 4 : place + 4 + length]
            place += 4 + (length + 3 & ~3)

    def _unpack(self, layout: str, body: bytes) -> tuple[int, ...]:
        header = Struct(self._order + layout)
        if len(body) < header.size:
            raise self._damaged(f"it has {len(body) + 12:,} bytes, too few for one of its type")
        return header.unpack_from(body)

    def _need(self, size: int) -> bytes:
        return self._source.need(size, "block", self._number)

    def _damaged(self, how: str) -> CaptureError:
        return CaptureError(f"block {self._number:,} at byte {self._place:,} is damaged: {how}")
