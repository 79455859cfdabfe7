"""Packets and capture files made by hand. Knows the formats; knows nothing of the code under test but its types."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pbshell.trace.packets.tcp import ACK, SYN, Endpoint, Reassembler, Segment
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Seed, Side

CLIENT: Endpoint = (b"\x7f\x00\x00\x01", 40000)
SERVER: Endpoint = (b"\x7f\x00\x00\x01", 8789)
ENDS = "127.0.0.1:40000 to 127.0.0.1:8789"
OPENED = f"opened client {ENDS}"

#: options of a pcapng interface: microseconds are what is meant when nothing is said
NANOSECONDS, HALVES = b"\x09\x00\x01\x00\x09\x00\x00\x00", b"\x09\x00\x01\x00\x81\x00\x00\x00"


def brief(pieces: Iterable[Piece]) -> list[str]:
    """The pieces as lines, without times and numbers: ``client b'hello'``, ``gap client 3 bytes were not captured``."""
    return [_brief(piece) for piece in pieces]


def _brief(piece: Piece) -> str:
    assert not isinstance(piece, Seed)
    if isinstance(piece, Chunk):
        return f"{piece.sender.value} {piece.data!r}"
    return f"{piece.kind} {piece.by.value if piece.by else 'nobody'} {piece.detail}".rstrip()


def said(pieces: Iterable[Piece], side: Side = Side.CLIENT) -> bytes:
    """All bytes that *side* sent."""
    return b"".join(piece.data for piece in pieces if isinstance(piece, Chunk) and piece.sender is side)


def events(pieces: Iterable[Piece]) -> list[str]:
    """What the link did, in lines."""
    return brief(piece for piece in pieces if isinstance(piece, LinkEvent))


class Talk:
    """One connection, told by places in its two streams: place 0 is the first byte behind the SYN."""

    def __init__(
        self,
        reassembler: Reassembler | None = None,
        client: Endpoint = CLIENT,
        server: Endpoint = SERVER,
        *,
        numbers: tuple[int, int] = (1000, 5000),
    ) -> None:
        self.reassembler = reassembler or Reassembler()
        self.ends = {Side.CLIENT: client, Side.SERVER: server}
        #: the sequence number of place 0
        self.numbers = dict(zip(Side, numbers, strict=True))

    def segment(
        self,
        side: Side,
        place: int,
        data: bytes = b"",
        flags: int = ACK,
        *,
        acked: int = 0,
        window: int = 1000,
        size: int | None = None,
    ) -> Segment:
        """*side* sends *data* from *place* on, and has received the other's bytes up to *acked*."""
        return Segment(
            self.ends[side],
            self.ends[side.other],
            (self.numbers[side] + place) % 2**32,
            (self.numbers[side.other] + acked) % 2**32 if flags & ACK else 0,
            flags,
            window,
            data,
            len(data) if size is None else size,
        )

    def say(
        self,
        side: Side,
        place: int,
        data: bytes = b"",
        flags: int = ACK,
        *,
        acked: int = 0,
        window: int = 1000,
        size: int | None = None,
        at: float = 0.0,
    ) -> list[str]:
        """The same, and what comes of it."""
        segment = self.segment(side, place, data, flags, acked=acked, window=window, size=size)
        return brief(self.reassembler.feed(at, segment))

    def handshake(self) -> list[Segment]:
        """The three segments before the first byte."""
        return [
            self.segment(Side.CLIENT, -1, flags=SYN),
            self.segment(Side.SERVER, -1, flags=SYN | ACK),
            self.segment(Side.CLIENT, 0),
        ]

    def open(self) -> list[str]:
        """Shake hands."""
        return brief(piece for each in self.handshake() for piece in self.reassembler.feed(0.0, each))


# Packets


def tcp(segment: Segment, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    fields = (segment.source[1], segment.destination[1], segment.sequence, segment.acknowledged)
    header = struct.pack(">HHIIHHHH", *fields, words << 12 | segment.flags, segment.window, 0, 0)
    return header + options + segment.data


def ip4(
    segment: Segment,
    *,
    options: bytes = b"",
    tcp_options: bytes = b"",
    fragment: int = 0,
    protocol: int = 6,
    length: int = -1,
) -> bytes:
    """*length* is what the header says, -1: the truth."""
    inside = tcp(segment, tcp_options)
    if length < 0:
        length = 40 + len(options + tcp_options) + segment.size
    words = 5 + len(options) // 4
    header = struct.pack(">BBHHHBBH", 0x40 | words, 0, length, 7, fragment, 64, protocol, 0)
    return header + segment.source[0] + segment.destination[0] + options + inside


def ip6(segment: Segment, *, extensions: tuple[tuple[int, bytes], ...] = (), last: int = 6, length: int = -1) -> bytes:
    """*extensions* are headers, each with its number, without the first byte, which names the next one."""
    numbers = [number for number, _ in extensions] + [last]
    headers = b"".join(bytes([following]) + rest for following, (_, rest) in zip(numbers[1:], extensions, strict=True))
    if length < 0:
        length = len(headers) + 20 + segment.size
    header = struct.pack(">IHBB", 0x60000000, length, numbers[0], 64)
    return header + segment.source[0] + segment.destination[0] + headers + tcp(segment)


def ethernet(packet: bytes, *tags: int, kind: int | None = None) -> bytes:
    """A frame, with a virtual network's tag of each of the types *tags*."""
    if kind is None:
        kind = 0x86DD if packet[:1] == b"\x60" else 0x0800
    return bytes(12) + b"".join(struct.pack(">HH", tag, 42) for tag in tags) + struct.pack(">H", kind) + packet


def frame(segment: Segment) -> bytes:
    """*segment* as it crosses a loopback Ethernet."""
    return ethernet(ip4(segment))


# Files


def pcap(
    *packets: bytes, link: int = 1, order: str = "<", nano: bool = False, times: Iterable[float] = (), cut: int = 0
) -> bytes:
    """A pcap file. Its packets lie a second apart, unless *times* has others; *cut* is its snapshot length."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, cut or 262144, link)]
    clock = list(times) or [1_700_000_000 + number for number in range(len(packets))]
    for time, packet in zip(clock, packets, strict=True):
        kept = packet[:cut] if cut else packet
        fraction = round(time % 1 * (10**9 if nano else 10**6))
        parts += [struct.pack(f"{order}4I", int(time), fraction, len(kept), len(packet)), kept]
    return b"".join(parts)


def block(kind: int, body: bytes = b"", order: str = "<", *, length: int = -1, again: int = -1) -> bytes:
    """A pcapng block. *length* and *again* are what it says of its length, -1: the truth."""
    body += bytes(-len(body) % 4)
    length = len(body) + 12 if length < 0 else length
    again = length if again < 0 else again
    return struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", again)


def section(order: str = "<", major: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, major, 0, -1), order)


def interface(link: int = 1, order: str = "<", *, options: bytes = b"", cut: int = 0) -> bytes:
    return block(1, struct.pack(f"{order}HHI", link, 0, cut) + options, order)


def enhanced(packet: bytes, time: int = 0, order: str = "<", *, origin: int = 0, size: int = -1) -> bytes:
    """A packet at *time* ticks of interface *origin*; *size* is what it had when it was sent, -1: the same."""
    size = len(packet) if size < 0 else size
    return block(6, struct.pack(f"{order}5I", origin, time >> 32, time & 0xFFFFFFFF, len(packet), size) + packet, order)


def simple(packet: bytes, order: str = "<", *, size: int = -1) -> bytes:
    """A packet without a time."""
    return block(3, struct.pack(f"{order}I", len(packet) if size < 0 else size) + packet, order)


def obsolete(packet: bytes, time: int = 0, order: str = "<") -> bytes:
    """A packet as early pcapng files have it."""
    fields = (0, 0, time >> 32, time & 0xFFFFFFFF, len(packet), len(packet))
    return block(2, struct.pack(f"{order}HH4I", *fields) + packet, order)
