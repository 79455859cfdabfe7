"""Capture files: the packets of each format come as they were captured, and a broken file says where it is broken."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
from contextlib import suppress
from itertools import accumulate
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.errors import CaptureError
from pbshell.trace.packets.frames import Cut, Frame, frames, is_pcap
from tests.trace.made_packets import (
    HALVES,
    NANOSECONDS,
    block,
    enhanced,
    interface,
    obsolete,
    pcap,
    section,
    simple,
)

SECOND = 10**9
ORDERS = ["<", ">"]


def read(data: bytes) -> tuple[list[Frame], list[str]]:
    """All packets, and the notes. Raises Cut and CaptureError."""
    notes: list[str] = []
    return list(frames(io.BytesIO(data), notes)), notes


def broken(data: bytes) -> tuple[list[bytes], str]:
    """What is in the packets before the end, and what is said of that."""
    found: list[Frame] = []
    with pytest.raises((Cut, CaptureError)) as caught:
        found.extend(frames(io.BytesIO(data), []))
    return [frame.data for frame in found], str(caught.value)


# pcap


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("nano", [False, True])
def test_packets_of_pcap_are_read_in_either_byte_order_and_resolution(order: str, nano: bool) -> None:
    data = pcap(b"one", b"second", order=order, nano=nano, times=(5.25, 6.5))

    assert read(data) == (
        [Frame(5 * SECOND + SECOND // 4, 1, 3, b"one"), Frame(6 * SECOND + SECOND // 2, 1, 6, b"second")],
        [],
    )


def test_nanoseconds_are_not_rounded() -> None:
    data = pcap(nano=True) + struct.pack("<4I", 1_700_000_000, 123_456_789, 1, 1) + b"x"

    assert read(data)[0][0].time == 1_700_000_000_123_456_789


def test_of_a_packet_that_was_cut_short_both_sizes_are_told() -> None:
    assert read(pcap(b"captured", cut=3, times=[1]))[0] == [Frame(SECOND, 1, 8, b"cap")]


def test_a_pcap_file_without_packets_has_none() -> None:
    assert read(pcap()) == ([], [])


def test_the_upper_half_of_the_link_type_is_something_else() -> None:
    """It may tell of checksums behind each packet."""
    assert read(pcap(b"x", link=0x5400_0001))[0][0].link == 1


def test_a_link_that_cannot_be_read_is_told_at_once() -> None:
    assert broken(pcap(b"x", link=105)) == (
        [],
        "the file was captured on a link of type 105; Ethernet, Linux cooked, loopback and raw IP are what can be read",
    )


def test_another_version_of_pcap_is_refused() -> None:
    data = bytearray(pcap(b"x"))
    data[4] = 3

    assert broken(bytes(data)) == ([], "the file is pcap of version 3, and version 2 is what can be read")


def test_a_length_that_no_packet_has_is_damage() -> None:
    data = pcap(b"one") + struct.pack("<4I", 0, 0, 1_048_577, 60) + bytes(100)

    assert broken(data) == (
        [b"one"],
        "packet 2 at byte 43 is damaged: it says to have 1,048,577 bytes, and no packet has more than 1,048,576",
    )


def test_the_largest_packet_is_read() -> None:
    assert len(read(pcap(bytes(1 << 20)))[0][0].data) == 1 << 20


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (4, "the file ends inside its header"),
        (23, "the file ends inside its header"),
        (25, "the file ends inside the header of packet 1"),
        (39, "the file ends inside the header of packet 1"),
        (40, "the file ends inside packet 1: 0 of 3 bytes are there"),
        (42, "the file ends inside packet 1: 2 of 3 bytes are there"),
        (44, "the file ends inside the header of packet 2"),
        (60, "the file ends inside packet 2: 1 of 6 bytes are there"),
    ],
)
def test_a_cut_pcap_file_says_where(left: int, sentence: str) -> None:
    assert broken(pcap(b"one", b"second")[:left]) == ([b"one"] if left > 43 else [], sentence)


# pcapng


@pytest.mark.parametrize("order", ORDERS)
def test_packets_of_pcapng_are_read_in_either_byte_order(order: str) -> None:
    data = section(order) + interface(113, order) + enhanced(b"packet", 5_250_000, order, size=99)

    assert read(data) == ([Frame(5 * SECOND + SECOND // 4, 113, 99, b"packet")], [])


@pytest.mark.parametrize("order", ORDERS)
def test_obsolete_packet_blocks_are_read(order: str) -> None:
    data = section(order) + interface(1, order) + obsolete(b"packet", 1 << 33, order)

    assert read(data)[0] == [Frame((1 << 33) * 1000, 1, 6, b"packet")]


def test_each_interface_has_a_link_and_a_clock() -> None:
    offset = struct.pack("<HHq", 14, 8, 100)
    comment = struct.pack("<HH", 1, 3) + b"hi!\x00"
    data = (
        section()
        + interface(1)
        + interface(101, options=NANOSECONDS)
        + interface(276, options=comment + HALVES + offset + bytes(4) + NANOSECONDS)
        + enhanced(b"a", 7, origin=1)
        + enhanced(b"b", 7, origin=2)
        + enhanced(b"c", 7, origin=0)
    )

    assert read(data)[0] == [
        Frame(7, 101, 1, b"a"),
        Frame(103 * SECOND + SECOND // 2, 276, 1, b"b"),
        Frame(7000, 1, 1, b"c"),
    ]


def test_an_offset_may_be_before_1970() -> None:
    offset = struct.pack(">HHq", 14, 8, -100)

    assert read(section(">") + interface(1, ">", options=offset) + enhanced(b"a", 0, ">"))[0][0].time == -100 * SECOND


@pytest.mark.parametrize(
    "options", [b"\x09\x00", b"\x09\x00\xff\xff\x09", b"\x09\x00\x02\x00\x09\x09", b"\x0e\x00\x04\x00\x01\x00\x00\x00"]
)
def test_options_that_are_wrong_are_as_if_they_were_not_there(options: bytes) -> None:
    assert read(section() + interface(1, options=options) + enhanced(b"a", 7))[0][0].time == 7000


def test_simple_packets_have_no_time_and_are_cut_as_the_interface_says() -> None:
    data = section() + interface(1, cut=4) + simple(b"pack", size=6) + simple(b"pa")

    assert read(data)[0] == [Frame(None, 1, 6, b"pack"), Frame(None, 1, 2, b"pa")]


def test_simple_packets_of_an_interface_that_cuts_nothing_are_whole() -> None:
    assert read(section() + interface(1) + simple(b"packet"))[0] == [Frame(None, 1, 6, b"packet")]


def test_unknown_blocks_are_skipped() -> None:
    data = section() + block(0x0BAD, b"x" * 1000) + interface() + block(5, b"statistics") + enhanced(b"a")

    assert [frame.data for frame in read(data)[0]] == [b"a"]


def test_a_new_section_has_interfaces_and_a_byte_order_of_its_own() -> None:
    data = section("<") + interface(1) + enhanced(b"a") + section(">") + interface(101, ">") + enhanced(b"b", 0, ">")

    assert [(frame.link, frame.data) for frame in read(data)[0]] == [(1, b"a"), (101, b"b")]
    assert broken(section() + interface() + section() + enhanced(b"a"))[1] == (
        "block 4 at byte 76 is damaged: its packet is of interface 0, which has not been described"
    )


def test_interfaces_that_cannot_be_read_are_left_out_and_told_once() -> None:
    data = (
        section()
        + interface(105)
        + interface(1)
        + interface(127)
        + enhanced(b"wireless")
        + simple(b"wireless")
        + enhanced(b"a", origin=1)
        + enhanced(b"radio", origin=2)
    )

    found, notes = read(data)

    assert [frame.data for frame in found] == [b"a"]
    assert len(notes) == 1
    assert notes[0].startswith("packets were left out that were captured on a link of type 105; Ethernet,")


def test_a_length_that_does_not_count_the_filling_is_understood() -> None:
    packet = struct.pack("<5I", 0, 0, 7, 3, 3) + b"abc"

    assert read(section() + interface() + block(6, packet, length=35) + enhanced(b"d"))[0] == [
        Frame(7000, 1, 3, b"abc"),
        Frame(0, 1, 1, b"d"),
    ]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (block(6, length=8), "it says to have 8 bytes"),
        (block(6, length=0), "it says to have 0 bytes"),
        (block(6, length=0xFFFFFFFF), "it says to have 4,294,967,295 bytes"),
        (block(6, length=(64 << 20) + 4), "it says to have 67,108,868 bytes"),
        (block(9, again=16), "it says to have 12 bytes, and 16 at its end"),
        (block(6, bytes(16)), "it has 28 bytes, too few for one of its type"),
        (block(2, bytes(16)), "it has 28 bytes, too few for one of its type"),
        (block(3), "it has 12 bytes, too few for one of its type"),
        (block(1, bytes(4)), "it has 16 bytes, too few for one of its type"),
        (
            block(6, struct.pack("<5I", 0, 0, 0, 5, 5) + b"four"),
            "it says to hold a packet of 5 bytes, and has room for 4",
        ),
        (enhanced(b"a", origin=1), "its packet is of interface 1, which has not been described"),
        (block(0x0A0D0D0A, b"\x2b\x1a\x4d\x3c"), "its byte order is told by b'+\\x1aM<'"),
        (block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a"), "it has 16 bytes, too few for one of its type"),
        (block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a", length=12), "it says to have 12 bytes"),
    ],
)
def test_a_damaged_block_is_told_behind_the_packets_before_it(damage: bytes, sentence: str) -> None:
    assert broken(section() + interface() + enhanced(b"a") + damage + bytes(8)) == (
        [b"a"],
        f"block 4 at byte 84 is damaged: {sentence}",
    )


def test_a_simple_packet_without_an_interface_is_damage() -> None:
    assert "interface 0, which has not been described" in broken(section() + simple(b"a"))[1]


def test_another_version_of_pcapng_is_refused() -> None:
    assert broken(section(major=2)) == ([], "the file is pcapng of version 2, and version 1 is what can be read")


def test_the_interfaces_of_a_section_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.trace.packets.frames._INTERFACES", 3)

    assert read(section() + interface() * 3 + section() + interface() * 3) == ([], [])
    assert broken(section() + interface() * 4)[1] == (
        "block 5 at byte 88 is damaged: it describes one interface more than 3"
    )


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (4, "the file ends inside block 1: 0 of 8 bytes are there"),
        (13, "the file ends inside block 1: 1 of 16 bytes are there"),
        (30, "the file ends inside block 2: 0 of 6 bytes are there"),
        (49, "the file ends inside block 3: 0 of 7 bytes are there"),
        (60, "the file ends inside block 3: 4 of 28 bytes are there"),
    ],
)
def test_a_cut_pcapng_file_says_where(left: int, sentence: str) -> None:
    assert broken((section() + interface() + enhanced(b"abcd"))[:left]) == ([], sentence)


# What is neither


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty, and a pcap or pcapng file is due"),
        (b"\xd4\xc3", "the file begins with b'\\xd4\\xc3', so it is no pcap or pcapng file: tcpdump -w and"),
        (b"GIF89a", "begins with b'GIF8', so it is no pcap or pcapng file: tcpdump -w and Wireshark make such"),
        (b"\x1f\x8b\x08\x00\x00", "so it is no pcap or pcapng file: unpack it first"),
    ],
)
def test_another_file_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    assert sentence in broken(data)[1]


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_the_first_four_bytes_tell_a_capture(order: str, nano: bool) -> None:
    assert is_pcap(pcap(order=order, nano=nano)[:4])
    assert is_pcap(section(order))
    assert not is_pcap(b"")
    assert not is_pcap(b"\xd4\xc3\xb2")
    assert not is_pcap(b'{"v": 1')


# Where the bytes come from


class Drops(io.RawIOBase):
    """A pipe that brings *drops*, one for each time it is asked, and counts those times."""

    def __init__(self, drops: list[bytes]) -> None:
        self.drops = drops
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self.drops:
            return 0
        self.taken += 1
        drop = self.drops.pop(0)
        view[: len(drop)] = drop
        return len(drop)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 1000])
def test_it_does_not_matter_in_which_pieces_a_file_comes(size: int) -> None:
    for data in (pcap(b"one", b"second"), section() + interface() + enhanced(b"one") + enhanced(b"second")):
        drops = Drops([data[place : place + size] for place in range(0, len(data), size)])

        assert list(frames(cast(BinaryIO, drops), [])) == read(data)[0]


@pytest.mark.parametrize("buffered", [False, True])
def test_a_packet_comes_as_soon_as_it_is_complete(buffered: bool) -> None:
    for drops in (
        [pcap(), struct.pack("<4I", 0, 0, 3, 3), b"one", struct.pack("<4I", 0, 0, 3, 3), b"two"],
        [section(), interface(), enhanced(b"one"), enhanced(b"two")],
    ):
        pipe = Drops(list(drops))
        found = frames(cast(BinaryIO, io.BufferedReader(pipe) if buffered else pipe), [])

        assert next(found).data == b"one"
        assert pipe.taken == 3
        assert next(found).data == b"two"
        assert pipe.drops == []


def test_a_real_pipe_is_read_while_it_is_written() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        writer.write(pcap(b"one"))
        found = frames(reader, [])
        assert next(found).data == b"one"
        writer.write(pcap(b"second")[24:])
        assert next(found).data == b"second"
        writer.close()
        assert list(found) == []


def test_a_length_takes_no_room_before_its_bytes_have_come() -> None:
    """Both claim the most that is allowed."""
    promises = [
        pcap() + struct.pack("<4I", 0, 0, 1 << 20, 60) + bytes(10),
        section() + struct.pack("<2I", 9, 64 << 20) + bytes(10),
    ]
    tracemalloc.start()
    for promise in promises:
        broken(promise)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 700_000


# Anything at all

#: files in parts: what stands before the packets, and each packet
SAMPLES = [
    [pcap(), *(pcap(each)[24:] for each in (b"one", b"second", b"third"))],
    [pcap(order=">", nano=True), *(pcap(each, order=">")[24:] for each in (b"one", b"second"))],
    [section() + interface(options=NANOSECONDS), enhanced(b"one"), simple(b"two"), obsolete(b"three")],
    [section(">") + interface(1, ">"), enhanced(b"one", 5, ">"), section() + interface() + enhanced(b"two")],
]


@pytest.mark.parametrize("parts", SAMPLES)
def test_wherever_a_file_is_cut_its_whole_packets_are_read(parts: list[bytes]) -> None:
    ends = list(accumulate(map(len, parts)))
    data = b"".join(parts)
    whole, _ = read(data)
    assert len(whole) == len(parts) - 1

    for left in range(4, len(data)):
        found: list[Frame] = []
        with suppress(Cut):
            found.extend(frames(io.BytesIO(data[:left]), []))
        assert found == whole[: sum(end <= left for end in ends[1:])]


@given(
    st.sampled_from([b"".join(parts) for parts in SAMPLES]),
    st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), max_size=6),
    st.integers(0, 250),
)
def test_whatever_is_damaged_only_cut_and_capture_error_are_raised(
    sample: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    damaged = bytearray(sample[: end or None])
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    said = ""
    try:
        read(bytes(damaged))
    except (Cut, CaptureError) as error:
        said = str(error)

    assert said.isprintable()
