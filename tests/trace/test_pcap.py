"""Captures of tcpdump and Wireshark: from the file to the pieces, and from the pieces to what was said."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.errors import CaptureError
from pbshell.trace import Dissector
from pbshell.trace.packets.tcp import ACK, FIN
from pbshell.trace.pcap import Packets, is_pcap
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from pbshell.wire.verbs import Message
from tests.trace.made_packets import (
    ENDS,
    OPENED,
    SERVER,
    Talk,
    brief,
    enhanced,
    ethernet,
    events,
    frame,
    interface,
    ip4,
    pcap,
    said,
    section,
    simple,
)

C, S = Side.CLIENT, Side.SERVER
FOLDER = Path(__file__).parent.parent / "captures"
FILES = sorted(path.name for path in FOLDER.glob("*.pcap*"))


def conversation(talk: Talk | None = None) -> list[bytes]:
    """The packets of a connection in which each side says a word."""
    talk = talk or Talk()
    return [
        frame(segment)
        for segment in (
            *talk.handshake(),
            talk.segment(C, 0, b"hello"),
            talk.segment(S, 0, b"world", acked=5),
            talk.segment(C, 5, flags=FIN | ACK, acked=5),
            talk.segment(S, 5, flags=FIN | ACK, acked=6),
            talk.segment(C, 6, acked=6),
        )
    ]


SPOKEN = [OPENED, "client b'hello'", "server b'world'", "half_closed client", "closed client fin"]


def read(data: bytes, *, ports: tuple[int, ...] = (), hosts: tuple[str, ...] = ()) -> tuple[list[Piece], Packets]:
    packets = Packets(io.BytesIO(data), ports=ports, hosts=hosts)
    return list(packets), packets


def test_a_conversation_is_read_from_pcap() -> None:
    pieces, packets = read(pcap(*conversation()))

    assert brief(pieces) == SPOKEN
    assert (packets.notes, packets.truncated) == ([], "")


def test_a_conversation_is_read_from_pcapng() -> None:
    data = section() + interface() + b"".join(enhanced(packet) for packet in conversation())

    assert brief(read(data)[0]) == SPOKEN


def test_times_are_seconds_since_the_first_packet() -> None:
    talk = Talk()
    stranger = ethernet(b"", kind=0x0806)
    data = pcap(stranger, frame(talk.segment(C, 0, b"hello")), times=(1_700_000_000.5, 1_700_000_002.75))

    pieces, packets = read(data)

    assert pieces == [Chunk(2.25, 1, C, b"hello")]
    assert packets.began == 1_700_000_000.5


def test_the_time_of_zero_is_known_with_the_first_piece() -> None:
    packets = Packets(io.BytesIO(pcap(*conversation())))
    assert packets.began == 0.0

    next(iter(packets))

    assert packets.began == 1_700_000_000.0


def test_times_never_run_backwards() -> None:
    talk = Talk()
    data = pcap(*(frame(talk.segment(C, place, b"x")) for place in range(3)), times=(10.0, 11.0, 10.5))

    pieces, packets = read(data)

    assert [piece.at for piece in pieces] == [0.0, 1.0, 1.0]
    assert packets.notes == []


def test_a_clock_that_was_set_back_is_told_once() -> None:
    talk = Talk()
    data = pcap(*(frame(talk.segment(C, place, b"x")) for place in range(4)), times=(100.0, 101.0, 50.0, 51.0))

    pieces, packets = read(data)

    assert [piece.at for piece in pieces] == [0.0, 1.0, 1.0, 1.0]
    assert packets.notes == ["the clock was set back during the capture, so some of its times are wrong"]


def test_a_time_that_cannot_be_is_that_of_the_packet_before_and_is_told_once() -> None:
    """No clock could show it."""
    talk = Talk()
    packets_of = [
        enhanced(frame(talk.segment(C, place, b"x")), time) for place, time in enumerate((0, 2**62, 2**63, 5))
    ]
    pieces, packets = read(section() + interface() + b"".join(packets_of))

    assert [round(piece.at, 6) for piece in pieces] == [0.0, 0.0, 0.0, 0.000005]
    assert packets.notes == ["some packets tell a time that cannot be, and have that of the packet before"]


def test_packets_without_a_time_have_that_of_the_one_before() -> None:
    talk = Talk()
    first, second, third = (frame(talk.segment(C, place, b"x")) for place in range(3))
    data = section() + interface() + simple(first) + enhanced(second, 5_000_000) + enhanced(third, 7_000_000)

    pieces, packets = read(data + simple(frame(talk.segment(C, 3, b"x"))))

    assert [piece.at for piece in pieces] == [0.0, 0.0, 2.0, 2.0]
    assert packets.began == 5.0


def test_packets_that_were_cut_short_leave_gaps() -> None:
    talk = Talk()
    packets = [frame(each) for each in talk.handshake()] + [frame(talk.segment(C, 0, b"hello, world"))]

    assert brief(read(pcap(*packets, cut=14 + 20 + 20 + 5))[0]) == [
        OPENED,
        "client b'hello'",
        "gap client 7 bytes were not captured",
    ]


def test_only_what_was_asked_for_is_read() -> None:
    packets = conversation() + conversation(Talk(server=(SERVER[0], 9999)))

    assert {piece.connection for piece in read(pcap(*packets))[0]} == {1, 2}
    assert brief(read(pcap(*packets), ports=(8789,))[0]) == SPOKEN
    assert read(pcap(*packets), ports=(1,))[0] == []
    assert brief(read(pcap(*packets), ports=(8789, 1), hosts=("127.0.0.1",))[0]) == SPOKEN
    assert read(pcap(*packets), hosts=("127.0.0.2",))[0] == []


def test_the_ends_of_a_joined_connection_can_be_asked_for() -> None:
    packets = Packets(io.BytesIO(pcap(frame(Talk().segment(S, 7, b"world")))))
    (piece,) = packets

    assert packets.ends(piece.connection) == ENDS
    assert packets.ends(2) == ""


def test_fragments_are_told() -> None:
    talk = Talk()
    fragment = ethernet(ip4(talk.segment(C, 0, b"hello"), fragment=0x2000))

    pieces, packets = read(pcap(fragment, fragment, frame(talk.segment(C, 5, b"!"))))

    assert brief(pieces) == ["client b'!'"]
    assert packets.notes == ["a fragmented packet was left out"]


def test_what_waited_is_told_at_the_end() -> None:
    talk = Talk()
    packets = [frame(each) for each in talk.handshake()] + [frame(talk.segment(C, 5, b"world"))]

    assert brief(read(pcap(*packets))[0]) == [OPENED, "gap client 5 bytes were not captured", "client b'world'"]


def test_of_a_cut_file_all_is_told_that_is_there_and_that_it_is_cut() -> None:
    talk = Talk()
    data = pcap(frame(talk.segment(C, 0, b"hello")), frame(talk.segment(C, 10, b"world")), frame(talk.segment(C, 5)))

    pieces, packets = read(data[:-1])

    assert said(pieces) == b"helloworld"
    assert packets.truncated == "the file ends inside packet 3: 53 of 54 bytes are there"


def test_of_a_damaged_file_all_is_told_that_comes_before() -> None:
    talk = Talk()
    data = pcap(frame(talk.segment(C, 0, b"hello")), frame(talk.segment(C, 10, b"world"))) + b"\xff" * 16
    packets = Packets(io.BytesIO(data))
    pieces: list[Piece] = []

    with pytest.raises(CaptureError, match=r"^packet 3 at byte 174 is damaged"):
        pieces.extend(packets)

    assert said(pieces) == b"helloworld"


def test_a_file_that_is_no_capture_raises_before_the_first_piece() -> None:
    with pytest.raises(CaptureError, match="no pcap or pcapng file"):
        next(iter(Packets(io.BytesIO(b"#!/bin/sh"))))


def test_a_capture_is_read_once() -> None:
    packets = Packets(io.BytesIO(pcap(*conversation())))

    assert next(iter(packets)).at == 1.0
    assert brief(packets) == SPOKEN[1:]
    assert list(packets) == []


def test_a_pipe_brings_each_piece_as_soon_as_it_is_complete() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        data = pcap(*conversation())
        writer.write(data[:24])
        pieces = iter(Packets(reader))
        place = 24
        for packet, expected in zip(conversation(), ["", OPENED, "", *SPOKEN[1:], ""], strict=True):
            writer.write(data[place : place + 16 + len(packet)])
            place += 16 + len(packet)
            if expected:
                assert brief([next(pieces)]) == [expected]
        writer.close()
        assert list(pieces) == []


# Real captures: see tests/captures/README.md. What each side said was taken out of them by tshark, too.

STREAMS = {
    "twisted-login.pcap": {
        C: (368, "c06bfae34f50b28d"),
        S: (852, "14588c4756d45888"),
    },
    "twisted-stalled.pcap": {
        C: (645, "184fa167575ad188"),
        S: (587, "fc441791ed36a9d6"),
    },
    "twisted-two-three.pcapng": {
        C: (73, "09930cd057caeb8a"),
        S: (38, "66e1b8674df7a218"),
    },
}


def captured(name: str) -> tuple[list[Piece], Packets]:
    return read((FOLDER / name).read_bytes())


@pytest.mark.parametrize("name", STREAMS)
def test_of_a_real_capture_each_stream_is_read(name: str) -> None:
    pieces, packets = captured(name)

    for side, (size, digest) in STREAMS[name].items():
        stream = said(pieces, side)
        assert (len(stream), hashlib.sha256(stream).hexdigest()[:16]) == (size, digest)
    assert (packets.notes, packets.truncated) == ([], "")


@pytest.mark.parametrize("name", STREAMS)
def test_of_a_real_capture_each_word_is_understood(name: str) -> None:
    dissector = Dissector()
    found = [each for piece in captured(name)[0] for each in dissector.feed(piece)]

    assert {type(each.what).__name__ for each in found} & {"Undecodable", "Unseen"} == set()
    assert [each for each in found if isinstance(each.what, Message)]


def test_a_real_login_opens_and_closes() -> None:
    assert events(captured("twisted-login.pcap")[0]) == [
        "opened client 127.0.0.1:33718 to 127.0.0.1:34043",
        "half_closed client",
        "closed client fin",
    ]


def test_a_link_that_really_broke_for_three_seconds_is_a_stall() -> None:
    pieces, _ = captured("twisted-stalled.pcap")

    assert events(pieces) == [
        "opened client 10.9.0.1:35372 to 10.9.0.2:8789",
        "stalled server 542 bytes unacknowledged for 0.4 s, sent 3 times",
        "stalled server 542 bytes unacknowledged for 3.3 s, sent 6 times",
        "resumed server acknowledged after 3.3 s",
        "half_closed client",
        "closed client fin",
    ]


def test_a_server_that_really_did_not_read_is_a_stall_and_a_refused_connection_is_closed() -> None:
    pieces, _ = captured("window-closed.pcap")
    told = events(pieces)

    assert [each for each in told if not each.startswith("gap")] == [
        "opened client 127.0.0.1:32930 to 127.0.0.1:47123",
        "stalled server its receive window is closed",
        "stalled server its receive window is closed for 1.5 s",
        "resumed server its receive window is open again after 2.5 s",
        "half_closed client",
        "closed client fin",
        "closed server reset: the connection was refused, 127.0.0.1:56952 to 127.0.0.1:47123",
    ]
    missing = sum(int(each.split()[2].replace(",", "")) for each in told if each.startswith("gap"))
    assert len(said(pieces)) + missing == 60_000


@pytest.mark.parametrize("name", FILES)
def test_a_real_capture_is_recognised(name: str) -> None:
    assert is_pcap((FOLDER / name).read_bytes()[:4])


@pytest.mark.parametrize("name", FILES)
def test_wherever_a_real_capture_is_cut_it_can_be_read(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    whole = brief(read(data)[0])
    for left in range(4, len(data), len(data) // 300):
        pieces, _ = read(data[:left])
        assert brief(pieces) == whole[: len(pieces)]


@given(st.data())
def test_of_a_damaged_capture_nothing_but_capture_error_is_raised(data: st.DataObject) -> None:
    sample = bytearray((FOLDER / data.draw(st.sampled_from(FILES))).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        sample[data.draw(st.integers(0, len(sample) - 1))] = data.draw(st.integers(0, 255))
    packets = Packets(io.BytesIO(bytes(sample)))
    pieces: list[Piece] = []
    with suppress(CaptureError):
        pieces.extend(packets)

    assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)
    assert all(isinstance(piece, (Chunk, LinkEvent)) for piece in pieces)
