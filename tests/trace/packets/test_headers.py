"""Packet headers: the TCP segment is found whatever it is wrapped in, and nothing else is."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.errors import CaptureError
from pbshell.trace.packets.headers import LINKS, Headers
from pbshell.trace.packets.tcp import Segment
from pbshell.wire.chunk import Side
from tests.trace.made_packets import Talk, ethernet, ip4, ip6

HELLO = Talk().segment(Side.CLIENT, 0, b"hello", acked=7)
LONG = Talk(client=(b"\x20" * 16, 40000), server=(b"\x21" * 16, 8789)).segment(Side.CLIENT, 0, b"hello", acked=7)
DAMAGED = "a packet whose headers are cut off or damaged was left out"
FRAGMENTED = "a fragmented packet was left out"

HOP_BY_HOP = (0, b"\x00" + bytes(6))
ROUTING = (43, b"\x00" + bytes(6))
OPTIONS = (60, b"\x01\x01\x0c" + bytes(12))
AUTHENTICATION = (51, b"\x01" + bytes(10))


def fragment_header(offset: int, more: int) -> tuple[int, bytes]:
    return (44, b"\x00" + struct.pack(">HI", offset << 3 | more, 9))


def read(packet: bytes, link: int = 1, size: int | None = None) -> tuple[Segment | None, list[str]]:
    """The segment in *packet*, and the notes."""
    notes: list[str] = []
    return Headers(notes).segment(link, packet, len(packet) if size is None else size), notes


@pytest.mark.parametrize(
    ("link", "header"),
    [
        (0, struct.pack("<I", 2)),
        (0, struct.pack(">I", 2)),
        (108, struct.pack(">I", 2)),
        (1, bytes(12) + b"\x08\x00"),
        (12, b""),
        (14, b""),
        (101, b""),
        (228, b""),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
    ],
)
def test_a_segment_is_found_on_each_link(link: int, header: bytes) -> None:
    assert read(header + ip4(HELLO), link) == (HELLO, [])


@pytest.mark.parametrize(
    ("link", "header"),
    [
        (0, struct.pack("<I", 10)),
        (0, struct.pack("<I", 24)),
        (0, struct.pack(">I", 28)),
        (0, struct.pack("<I", 30)),
        (108, struct.pack(">I", 24)),
        (1, bytes(12) + b"\x86\xdd"),
        (101, b""),
        (229, b""),
        (113, bytes(14) + b"\x86\xdd"),
        (276, b"\x86\xdd" + bytes(18)),
    ],
)
def test_a_segment_of_version_6_is_found_on_each_link(link: int, header: bytes) -> None:
    assert read(header + ip6(LONG), link) == (LONG, [])


def test_each_link_is_tried_here() -> None:
    assert set(LINKS) == {0, 1, 12, 14, 101, 108, 113, 228, 229, 276}


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100), (0x88A8, 0x8100, 0x8100)])
def test_a_segment_is_found_in_a_virtual_network(tags: tuple[int, ...]) -> None:
    assert read(ethernet(ip4(HELLO), *tags)) == (HELLO, [])


@pytest.mark.parametrize(("link", "header"), [(113, bytes(14) + b"\x81\x00"), (276, b"\x81\x00" + bytes(18))])
def test_a_segment_is_found_in_a_virtual_network_on_a_cooked_link(link: int, header: bytes) -> None:
    assert read(header + b"\x00\x2a\x08\x00" + ip4(HELLO), link) == (HELLO, [])


def test_options_are_skipped() -> None:
    assert read(ethernet(ip4(HELLO, options=b"\x01" * 12))) == (HELLO, [])
    assert read(ethernet(ip4(HELLO, tcp_options=b"\x01" * 12))) == (HELLO, [])


def test_padding_behind_a_short_packet_is_no_data() -> None:
    assert read(ethernet(ip4(HELLO)) + bytes(20)) == (HELLO, [])


@pytest.mark.parametrize(
    "extensions",
    [
        (HOP_BY_HOP,),
        (HOP_BY_HOP, ROUTING, OPTIONS),
        (AUTHENTICATION,),
        (OPTIONS, OPTIONS),
        (fragment_header(0, 0),),
    ],
)
def test_extension_headers_are_skipped(extensions: tuple[tuple[int, bytes], ...]) -> None:
    assert read(ethernet(ip6(LONG, extensions=extensions))) == (LONG, [])


def test_a_packet_without_a_length_is_as_long_as_it_was_on_the_link() -> None:
    """A network card that cuts packets up by itself is handed them like this."""
    assert read(ethernet(ip4(HELLO, length=0))) == (HELLO, [])
    assert read(ethernet(ip6(LONG, length=0))) == (LONG, [])


def test_of_a_packet_that_was_cut_inside_its_options_the_size_is_known() -> None:
    packet = ethernet(ip4(HELLO, tcp_options=b"\x01" * 12))

    assert read(packet[:-9], size=len(packet)) == (HELLO._replace(data=b""), [])


def test_of_a_packet_that_was_cut_the_size_is_known() -> None:
    packet = ethernet(ip4(HELLO))

    assert read(packet[:-3], size=len(packet)) == (HELLO._replace(data=b"he"), [])
    assert read(packet[:-5], size=len(packet)) == (HELLO._replace(data=b""), [])


def test_a_packet_that_was_cut_inside_its_headers_is_left_out_and_told_once() -> None:
    notes: list[str] = []
    headers = Headers(notes)
    for packet in (ethernet(ip4(HELLO)), ethernet(ip6(LONG))):
        assert headers.segment(1, packet[:-6], len(packet)) is None
        assert headers.segment(1, packet[:20], len(packet)) is None

    assert notes == [DAMAGED]


@pytest.mark.parametrize(
    "packet",
    [
        ethernet(b"\x41" + ip4(HELLO)[1:]),
        ethernet(ip4(HELLO, length=39)),
        ethernet(ip4(HELLO)[:32] + b"\x40" + ip4(HELLO)[33:]),
        ethernet(ip4(HELLO)[:32] + b"\xf0" + ip4(HELLO)[33:]),
        ethernet(ip6(LONG, length=19)),
        ethernet(ip6(LONG, extensions=((60, b"\xff" + bytes(6)),))),
    ],
)
def test_damaged_headers_are_told(packet: bytes) -> None:
    assert read(packet) == (None, [DAMAGED])


@pytest.mark.parametrize("fragment", [0x2000, 0x2003, 0x0003])
def test_fragments_are_left_out_and_told(fragment: int) -> None:
    assert read(ethernet(ip4(HELLO, fragment=fragment))) == (None, [FRAGMENTED])


def test_a_packet_that_must_not_be_fragmented_is_whole() -> None:
    assert read(ethernet(ip4(HELLO, fragment=0x4000))) == (HELLO, [])


@pytest.mark.parametrize(
    "extensions",
    [(fragment_header(0, 1),), (fragment_header(5, 0),), (HOP_BY_HOP, fragment_header(5, 1))],
)
def test_fragments_of_version_6_are_left_out_and_told(extensions: tuple[tuple[int, bytes], ...]) -> None:
    assert read(ethernet(ip6(LONG, extensions=extensions))) == (None, [FRAGMENTED])


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ethernet(b""),
        ethernet(b"\x00" * 28, kind=0x0806),
        ethernet(b"\x50" + bytes(40)),
        ethernet(ip4(HELLO, protocol=17)),
        ethernet(ip4(HELLO, protocol=17, fragment=0x2000)),
        ethernet(ip4(HELLO, protocol=4)),
        ethernet(ip6(LONG, last=17)),
        ethernet(ip6(LONG, last=59)),
        ethernet(ip6(LONG, extensions=((50, bytes(9)),))),
        ethernet(ip4(HELLO), kind=0x8847),
    ],
)
def test_what_is_no_tcp_is_left_out_without_a_word(packet: bytes) -> None:
    assert read(packet) == (None, [])


@given(st.sampled_from(sorted(LINKS)), st.binary(max_size=120), st.integers(0, 2**32 - 1))
def test_no_packet_is_too_strange(link: int, packet: bytes, size: int) -> None:
    read(packet, link, size)


@given(
    st.sampled_from([ip4(HELLO), ip6(LONG, extensions=(HOP_BY_HOP, ROUTING, OPTIONS, AUTHENTICATION))]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
def test_no_header_is_too_damaged(packet: bytes, changes: list[tuple[int, int]], end: int) -> None:
    damaged = bytearray(packet[: end or None])
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value

    found, _ = read(bytes(damaged), 101)

    assert found is None or len(found.data) <= found.size


def test_a_long_chain_of_headers_is_read() -> None:
    packet = ip6(LONG, extensions=(ROUTING,) * 8000, length=0)

    assert read(packet, 101) == (LONG, [])


def test_without_dpkt_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dpkt", None)

    with pytest.raises(CaptureError, match=r"^reading pcap files takes dpkt: pip install 'pbshell\[pcap\]'$"):
        Headers([])
