"""The TCP segment in a captured packet. Knows link, IP and TCP headers; knows no files and no streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbshell.errors import CaptureError
from pbshell.trace.packets.tcp import Segment

__all__ = ["LINKS", "Headers"]

_TCP = 6
#: types of Ethernet: IP, and tags for virtual networks, which stand before the type of what they carry
_IP, _TAGS = (0x0800, 0x86DD), (0x8100, 0x88A8, 0x9100)

_FRAGMENTED = "a fragmented packet was left out"
_DAMAGED = "a packet whose headers are cut off or damaged was left out"


def _ethernet(packet: bytes) -> int:
    return _behind_tags(packet, _number(packet, 12), 14)


def _cooked(packet: bytes) -> int:
    return _behind_tags(packet, _number(packet, 14), 16)


def _cooked_2(packet: bytes) -> int:
    return _behind_tags(packet, _number(packet, 0), 20)


def _loopback(packet: bytes) -> int:
    # The four bytes are an address family, in the byte order and by the numbers of the system that captured it.
    # What is no IP has another version behind them, or another protocol behind that.
    return 4


def _raw(packet: bytes) -> int:
    return 0


#: Where the IP header begins, for each type of link that is read.
LINKS: dict[int, Callable[[bytes], int]] = {
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: _cooked,
    228: _raw,
    229: _raw,
    276: _cooked_2,
}


class Headers:
    """Reads the headers of packets, and tells in *notes*, once each, what it has to leave out.

    Raises CaptureError when dpkt is not installed.
    """

    def __init__(self, notes: list[str]) -> None:
        try:
            from dpkt import UnpackError
            from dpkt.ip import IP
            from dpkt.ip6 import IP6
            from dpkt.tcp import TCP
        except ImportError:
            raise CaptureError("reading pcap files takes dpkt: pip install 'pbshell[pcap]'") from None
        # Of what is inside IP, dpkt shall read TCP alone: that is quicker, and its readers for some fifty other
        # protocols would be at the mercy of every packet.
        inside = {"_protosw": {_TCP: TCP}}
        self._ip4: Callable[[memoryview], Any] = type("IP", (IP,), inside)
        self._ip6: Callable[[memoryview], Any] = type("IP6", (IP6,), inside)
        self._tcp: Any = TCP
        self._error: Any = UnpackError
        self._notes = notes

    def segment(self, link: int, packet: bytes, size: int) -> Segment | None:
        """The segment in *packet*, captured on a link of type *link*; None if there is none, or no whole header.

        *size* is that of the packet when it was sent, in bytes; less of it may have been captured.
        """
        # The link's header is read here: dpkt's Ethernet recurses on some packets, and raises IndexError on others.
        start = LINKS[link](packet)
        view = memoryview(packet)[start:]
        version = view[0] >> 4 if view else 0
        try:
            if version == 4:
                return self._in_ip4(view, size - start)
            if version == 6:
                return self._in_ip6(view, size - start)
        except self._error:
            self._note(_DAMAGED)
        return None

    def _in_ip4(self, view: memoryview, size: int) -> Segment | None:
        ip = self._ip4(view)
        if ip.p != _TCP:
            return None
        if ip.mf or ip.offset:
            self._note(_FRAGMENTED)
            return None
        # A card that cuts large packets up by itself is handed them without a length.
        return self._in_tcp(ip, (ip.len or size) - ip.hl * 4)

    def _in_ip6(self, view: memoryview, size: int) -> Segment | None:
        ip = self._ip6(view)
        # dpkt knows no protocol behind encryption.
        if getattr(ip, "p", None) != _TCP:
            return None
        if any(getattr(each, "frag_off", 0) or getattr(each, "m_flag", 0) for each in ip.all_extension_headers):
            self._note(_FRAGMENTED)
            return None
        return self._in_tcp(ip, (ip.plen or size - 40) - sum(each.length for each in ip.all_extension_headers))

    def _in_tcp(self, ip: Any, room: int) -> Segment | None:
        """What is in the *room* bytes behind the headers of *ip*, of which not all need have been captured."""
        tcp = ip.data
        if not isinstance(tcp, self._tcp):
            self._note(_DAMAGED)
            return None
        size = room - tcp.off * 4
        if size < 0:
            self._note(_DAMAGED)
            return None
        return Segment(
            (ip.src, tcp.sport),
            (ip.dst, tcp.dport),
            tcp.seq,
            tcp.ack,
            tcp.flags,
            tcp.win,
            bytes(tcp.data[:size]),
            size,
        )

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)


def _number(packet: bytes, place: int) -> int:
    """The two bytes at *place*, most significant first."""
    return int.from_bytes(packet[place : place + 2], "big")


def _behind_tags(packet: bytes, kind: int, start: int) -> int:
    """Where IP begins in a packet that carries something of *kind* at *start*; its end if that is no IP."""
    while kind in _TAGS:
        kind = _number(packet, start + 2)
        start += 4
    return start if kind in _IP else len(packet)
