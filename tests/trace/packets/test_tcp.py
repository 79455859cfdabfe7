"""TCP put back in order: whatever happens to segments on their way, each side's bytes come once and in order."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace.packets import tcp
from pbshell.trace.packets.tcp import ACK, FIN, RST, SYN, Reassembler
from pbshell.wire.chunk import Chunk, LinkEvent, Side
from tests.trace.made_packets import CLIENT, ENDS, OPENED, SERVER, Talk, brief, events, said

C, S = Side.CLIENT, Side.SERVER


@pytest.fixture
def talk() -> Talk:
    """A connection behind its handshake."""
    talk = Talk()
    assert talk.open() == [OPENED]
    return talk


# How connections begin


def test_a_connection_opens_when_its_syn_is_answered() -> None:
    talk = Talk()
    reassembler = talk.reassembler
    syn, answer, acknowledgement = talk.handshake()

    assert reassembler.feed(1.0, syn) == []
    assert reassembler.feed(1.5, answer) == [LinkEvent(1.5, 1, "opened", C, ENDS)]
    assert reassembler.feed(2.0, acknowledgement) == []


def test_addresses_of_version_6_stand_in_brackets() -> None:
    talk = Talk(client=(bytes(15) + b"\x01", 1), server=(b"\xfe\x80" + bytes(13) + b"\x02", 2))

    assert talk.open() == ["opened client [::1]:1 to [fe80::2]:2"]


def test_connections_are_numbered_in_order_of_appearance(talk: Talk) -> None:
    other = Talk(talk.reassembler, client=(CLIENT[0], 40001))
    other.open()

    assert talk.reassembler.feed(0.0, other.segment(C, 0, b"two")) == [Chunk(0.0, 2, C, b"two")]
    assert talk.reassembler.feed(0.0, talk.segment(C, 0, b"one")) == [Chunk(0.0, 1, C, b"one")]


def test_data_in_the_syn_comes_when_the_connection_is_open() -> None:
    talk = Talk()

    assert talk.say(C, -1, b"early", SYN) == []
    assert talk.say(S, -1, b"", SYN | ACK, acked=5) == [OPENED, "client b'early'"]
    assert talk.say(C, 5, b" bird") == ["client b' bird'"]


def test_data_in_the_syn_that_the_server_does_not_take_comes_once() -> None:
    talk = Talk()
    talk.say(C, -1, b"early", SYN)
    talk.say(S, -1, b"", SYN | ACK)

    assert talk.say(C, 0, b"early bird") == ["client b' bird'"]


def test_a_connection_whose_syn_was_not_captured_opens_by_the_answer() -> None:
    talk = Talk()

    assert talk.say(S, -1, flags=SYN | ACK) == [OPENED]
    assert talk.say(C, -1, flags=SYN) == []
    assert talk.say(C, 0, b"hello") == ["client b'hello'"]


def test_a_connection_whose_answer_was_not_captured_opens_by_what_follows() -> None:
    talk = Talk()
    talk.say(C, -1, flags=SYN)

    assert talk.say(C, 0) == [OPENED]


def test_a_server_that_speaks_first_opens_a_connection_whose_answer_was_not_captured() -> None:
    talk = Talk()
    talk.say(C, -1, flags=SYN)

    assert talk.say(S, 0, b"welcome") == [OPENED, "server b'welcome'"]


def test_a_connection_that_both_sides_open_at_once_is_one_connection() -> None:
    talk = Talk()
    talk.say(C, -1, flags=SYN)

    assert talk.say(S, -1, flags=SYN) == [OPENED]
    assert talk.say(C, 0, b"hello") == ["client b'hello'"]
    assert talk.say(S, 0, b"hello") == ["server b'hello'"]


def test_a_connection_of_a_port_with_itself_can_be_read() -> None:
    talk = Talk(server=CLIENT, numbers=(1000, 1000))
    talk.say(C, -1, flags=SYN)

    assert talk.say(C, -1, flags=SYN | ACK) == ["opened client 127.0.0.1:40000 to 127.0.0.1:40000"]
    assert talk.say(C, 0, flags=RST) == ["closed server reset"]


# Joined in the middle


def test_a_connection_joined_in_its_middle_tells_no_opening() -> None:
    talk = Talk()

    assert talk.say(C, 70, b"hello", acked=30) == ["client b'hello'"]
    assert talk.say(S, 30, b"world", acked=75) == ["server b'world'"]


@pytest.mark.parametrize("first", [C, S])
def test_in_the_middle_the_lower_port_is_taken_for_the_server(first: Side) -> None:
    talk = Talk()
    talk.say(first, 0, b"hello")

    assert talk.reassembler.ends(1) == ENDS


@pytest.mark.parametrize("first", [C, S])
def test_in_the_middle_a_port_that_was_asked_for_is_the_server(first: Side) -> None:
    talk = Talk(Reassembler(ports=[50000]), server=(SERVER[0], 50000))
    talk.say(first, 0, b"hello")

    assert talk.reassembler.ends(1) == "127.0.0.1:40000 to 127.0.0.1:50000"


def test_when_both_ports_were_asked_for_the_lower_one_is_the_server() -> None:
    talk = Talk(Reassembler(ports=[CLIENT[1], SERVER[1]]))
    talk.say(S, 0, b"hello")

    assert talk.reassembler.ends(1) == ENDS


def test_what_was_acknowledged_before_anything_was_seen_is_no_gap() -> None:
    talk = Talk()
    # A keepalive: it repeats a byte that the server has.
    talk.say(C, 69)

    assert talk.say(S, 30, b"", acked=70) == []
    assert talk.say(C, 70, b"hello") == ["client b'hello'"]


def test_the_ends_of_a_connection_are_told_as_long_as_it_is_open(talk: Talk) -> None:
    assert talk.reassembler.ends(1) == ENDS
    talk.say(C, 0, flags=RST)

    assert talk.reassembler.ends(1) == ""


def test_a_reset_of_an_unknown_connection_is_none() -> None:
    assert Talk().say(C, 0, flags=RST) == []


# Order


def test_a_segment_that_comes_too_early_waits(talk: Talk) -> None:
    assert talk.say(C, 5, b"world") == []
    assert talk.say(C, 0, b"hello", at=2.0) == ["client b'hello'", "client b'world'"]


def test_what_waited_has_the_time_at_which_it_was_complete(talk: Talk) -> None:
    talk.reassembler.feed(1.0, talk.segment(C, 5, b"world"))

    assert [piece.at for piece in talk.reassembler.feed(2.0, talk.segment(C, 0, b"hello"))] == [2.0, 2.0]


def test_a_retransmitted_segment_comes_once(talk: Talk) -> None:
    assert talk.say(C, 0, b"hello") == ["client b'hello'"]
    assert talk.say(C, 0, b"hello") == []


def test_of_a_retransmitted_segment_with_more_behind_only_that_comes(talk: Talk) -> None:
    talk.say(C, 0, b"hello")

    assert talk.say(C, 0, b"hello world") == ["client b' world'"]


def test_the_first_copy_of_a_byte_counts(talk: Talk) -> None:
    talk.say(C, 2, b"CD")
    talk.say(C, 6, b"GH")
    talk.say(C, 1, b"-----f---j")
    talk.say(C, 7, b"+")

    assert talk.say(C, 0, b"a==") == [
        "client b'a'",
        "client b'-'",
        "client b'CD'",
        "client b'--'",
        "client b'GH'",
        "client b'--j'",
    ]


def test_sequence_numbers_begin_anew_after_the_last() -> None:
    talk = Talk(numbers=(2**32 - 3, 2**32 - 1))
    talk.open()

    assert talk.say(C, 4, b"o world") == []
    assert talk.say(C, 0, b"hell", acked=0) == ["client b'hell'", "client b'o world'"]
    assert talk.say(S, 0, b"ok", acked=11) == ["server b'ok'"]
    assert talk.say(C, 11, b"!", acked=2) == ["client b'!'"]


def test_a_keepalive_probe_changes_nothing(talk: Talk) -> None:
    talk.say(C, 0, b"hello")
    talk.say(S, 0, acked=5)

    assert talk.say(C, 4, b"\x00", at=60.0) == []
    assert talk.say(C, 4, at=70.0) == []
    assert talk.say(C, 5, b"!", at=80.0) == ["client b'!'"]


@given(
    data=st.binary(min_size=1, max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=12),
    number=st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 300, 2**32 - 1)),
    random=st.randoms(use_true_random=False),
)
def test_whatever_the_network_does_the_bytes_come_once_and_in_order(
    data: bytes, cuts: list[int], number: int, random: Random
) -> None:
    """Cut anywhere, out of order within a window, sent twice, overlapping: what comes is what was sent."""
    talk = Talk(numbers=(number, 0))
    talk.open()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    sent = [(index + random.random() * 4, begin, end) for index, (begin, end) in enumerate(pairwise(edges))]
    sent += [
        (when + random.random() * 4, max(0, begin - random.randrange(9)), min(len(data), end + random.randrange(9)))
        for when, begin, end in sent
        if random.random() < 0.4
    ]
    pieces = []
    for _, begin, end in sorted(sent):
        pieces += talk.reassembler.feed(0.0, talk.segment(C, begin, data[begin:end]))

    assert said(pieces) == data
    assert events(pieces) == []


# What was not captured


def test_what_the_peer_acknowledged_and_nobody_saw_is_a_gap(talk: Talk) -> None:
    talk.say(C, 0, b"hello")
    assert talk.say(C, 8, b"world") == []

    assert talk.say(S, 0, b"ok", acked=13) == [
        "gap client 3 bytes were not captured",
        "client b'world'",
        "server b'ok'",
    ]
    assert talk.say(C, 13, b"!") == ["client b'!'"]


def test_a_gap_of_one_byte_is_told_in_the_singular(talk: Talk) -> None:
    talk.say(C, 1, b"ello")

    assert talk.say(S, 0, acked=5)[0] == "gap client 1 byte was not captured"


def test_a_gap_that_was_acknowledged_before_shows_with_what_follows(talk: Talk) -> None:
    assert talk.say(S, 0, acked=3) == []
    assert talk.say(C, 3, b"lo") == ["gap client 3 bytes were not captured", "client b'lo'"]


def test_a_hole_that_is_acknowledged_in_part_is_no_gap_yet(talk: Talk) -> None:
    talk.say(C, 4, b"o")

    assert talk.say(S, 0, acked=3) == []
    assert talk.say(C, 0, b"hell") == ["client b'hell'", "client b'o'"]


def test_a_hole_that_is_filled_in_part_is_a_gap_before_that(talk: Talk) -> None:
    talk.say(C, 4, b"o")
    talk.say(S, 0, acked=2)

    assert talk.say(C, 2, b"ll") == ["gap client 2 bytes were not captured", "client b'll'", "client b'o'"]


def test_several_gaps_are_told_one_by_one(talk: Talk) -> None:
    talk.say(C, 2, b"c")
    talk.say(C, 5, b"f")
    talk.say(C, 9, b"j")

    assert talk.say(S, 0, acked=6) == [
        "gap client 2 bytes were not captured",
        "client b'c'",
        "gap client 2 bytes were not captured",
        "client b'f'",
    ]


def test_what_the_capture_cut_off_a_packet_is_a_gap(talk: Talk) -> None:
    assert talk.say(C, 0, b"hello", size=12) == ["client b'hello'", "gap client 7 bytes were not captured"]
    assert talk.say(C, 12, b"!") == ["client b'!'"]


def test_a_packet_that_was_cut_and_came_too_early_waits_with_its_gap(talk: Talk) -> None:
    talk.say(C, 1, b"el", size=4)

    assert talk.say(C, 0, b"h") == ["client b'h'", "client b'el'", "gap client 2 bytes were not captured"]


def test_at_the_end_of_the_capture_what_waited_is_told(talk: Talk) -> None:
    talk.say(C, 3, b"lo")

    assert brief(talk.reassembler.finish(9.0)) == ["gap client 3 bytes were not captured", "client b'lo'"]


def test_at_the_end_of_the_capture_nothing_is_closed(talk: Talk) -> None:
    talk.say(C, 0, b"hello")

    assert talk.reassembler.finish(9.0) == []


def test_at_the_end_of_the_capture_a_connection_that_never_opened_says_nothing() -> None:
    talk = Talk()
    talk.say(C, -1, b"early", SYN)

    assert talk.reassembler.finish(9.0) == []


@given(
    data=st.binary(min_size=1, max_size=200),
    cuts=st.sets(st.integers(1, 199), max_size=12),
    lost=st.sets(st.integers(0, 12)),
    acked=st.lists(st.integers(0, 200), max_size=12),
    random=st.randoms(use_true_random=False),
)
def test_whatever_was_not_captured_the_gaps_say_how_much(
    data: bytes, cuts: set[int], lost: set[int], acked: list[int], random: Random
) -> None:
    """Chunks and gaps together are as long as what was sent, and each chunk stands where it was sent."""
    talk = Talk()
    talk.open()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    spans = [span for index, span in enumerate(pairwise(edges)) if index not in lost]
    sent = [
        (index + random.random() * 3, talk.segment(C, begin, data[begin:end]))
        for index, (begin, end) in enumerate(spans)
    ]
    sent += [(random.random() * len(spans), talk.segment(S, 0, acked=min(place, len(data)))) for place in acked]
    sent.append((inf, talk.segment(C, len(data), flags=FIN | ACK)))
    pieces = [piece for _, segment in sorted(sent) for piece in talk.reassembler.feed(0.0, segment)]
    pieces += talk.reassembler.finish(1.0)

    place = 0
    for piece in pieces[:-1]:
        if isinstance(piece, Chunk):
            assert piece.data == data[place : place + len(piece.data)]
            place += len(piece.data)
        else:
            assert isinstance(piece, LinkEvent)
            assert piece.kind == "gap"
            place += int(piece.detail.split()[0])
    assert place == len(data)
    assert brief(pieces[-1:]) == ["half_closed client"]


# How connections end


def test_one_side_closes_half_and_the_other_the_rest(talk: Talk) -> None:
    assert talk.say(C, 0, b"bye", FIN | ACK) == ["client b'bye'", "half_closed client"]
    assert talk.say(S, 0, b"see you", acked=4) == ["server b'see you'"]
    assert talk.say(S, 7, flags=FIN | ACK, acked=4) == ["closed client fin"]


def test_the_last_acknowledgement_makes_no_new_connection(talk: Talk) -> None:
    talk.say(S, 0, flags=FIN | ACK)
    assert talk.say(C, 0, flags=FIN | ACK, acked=1) == ["closed server fin"]

    assert talk.say(S, 1, acked=1) == []
    assert talk.say(C, 0, flags=FIN | ACK, acked=1) == []
    assert talk.say(S, 1, flags=RST) == []


def test_data_behind_the_fin_is_ignored(talk: Talk) -> None:
    talk.say(C, 0, b"bye", FIN | ACK)

    assert talk.say(C, 3, b"!") == []
    assert talk.say(C, 4, b"!") == []
    assert talk.say(C, 0, b"bye!", FIN | ACK) == []


def test_a_fin_that_comes_too_early_waits(talk: Talk) -> None:
    assert talk.say(C, 3, flags=FIN | ACK) == []
    assert talk.say(C, 1, b"ye!!") == []
    assert talk.say(C, 0, b"b") == ["client b'b'", "client b'ye'", "half_closed client"]


def test_a_fin_in_the_past_is_ignored(talk: Talk) -> None:
    talk.say(C, 0, b"hello")

    assert talk.say(C, 2, flags=FIN | ACK) == []
    assert talk.say(C, 5, b"!") == ["client b'!'"]


def test_what_is_missing_before_an_acknowledged_fin_is_a_gap(talk: Talk) -> None:
    talk.say(C, 3, flags=FIN | ACK)

    assert talk.say(S, 0, acked=3) == []
    assert talk.say(S, 0, acked=4) == ["gap client 3 bytes were not captured", "half_closed client"]


def test_the_second_fin_may_be_reached_by_a_gap(talk: Talk) -> None:
    talk.say(S, 0, flags=FIN | ACK)
    talk.say(C, 3, flags=FIN | ACK, acked=1)

    assert talk.say(S, 1, b"late", acked=4, window=0) == ["gap client 3 bytes were not captured", "closed server fin"]


def test_a_reset_closes(talk: Talk) -> None:
    assert talk.say(S, 0, flags=RST | ACK) == ["closed server reset"]


def test_a_reset_closes_what_is_half_closed(talk: Talk) -> None:
    talk.say(C, 0, flags=FIN | ACK)

    assert talk.say(S, 0, flags=RST) == ["closed server reset"]


def test_a_reset_tells_what_waited(talk: Talk) -> None:
    talk.say(C, 3, b"lo")

    assert talk.say(S, 0, flags=RST) == [
        "gap client 3 bytes were not captured",
        "client b'lo'",
        "closed server reset",
    ]


def test_a_reset_behind_two_fins_that_waited_does_not_close_twice(talk: Talk) -> None:
    talk.say(S, 0, flags=FIN | ACK)
    talk.say(C, 3, flags=FIN | ACK)

    assert talk.say(S, 1, flags=RST) == ["gap client 3 bytes were not captured", "closed server fin"]


def test_a_syn_answered_by_a_reset_is_a_refused_connection() -> None:
    talk = Talk()
    talk.say(C, -1, b"early", flags=SYN)

    assert talk.say(S, -1, flags=RST | ACK) == [f"closed server reset: the connection was refused, {ENDS}"]


def test_a_client_that_resets_before_the_answer_was_not_refused() -> None:
    talk = Talk()
    talk.say(C, -1, flags=SYN)

    assert talk.say(C, 0, flags=RST) == ["closed client reset"]


def test_after_a_refused_connection_the_next_try_is_another_one() -> None:
    talk = Talk()
    talk.say(C, -1, flags=SYN)
    talk.say(S, -1, flags=RST | ACK)

    talk.open()

    assert talk.reassembler.ends(2) == ENDS


# The same addresses again


def test_a_syn_with_another_number_is_a_new_connection(talk: Talk) -> None:
    talk.say(C, 0, b"hello")
    again = Talk(talk.reassembler, numbers=(99_000, 77_000))

    assert again.open() == ["closed nobody reset: its end was not captured, a new connection followed", OPENED]
    assert again.say(C, 0, b"hello again") == ["client b'hello again'"]
    assert talk.reassembler.ends(1) == ""


def test_a_new_connection_tells_what_waited_in_the_old_one(talk: Talk) -> None:
    talk.say(C, 1, b"ello")
    again = Talk(talk.reassembler, numbers=(99_000, 77_000))

    assert again.say(C, -1, flags=SYN)[:2] == ["gap client 1 byte was not captured", "client b'ello'"]


def test_a_new_connection_behind_a_half_closed_one_says_that_that_was_closed(talk: Talk) -> None:
    talk.say(S, 0, flags=FIN | ACK)
    again = Talk(talk.reassembler, numbers=(99_000, 77_000))

    assert again.open()[0] == "closed nobody fin: its end was not captured, a new connection followed"


def test_a_new_connection_may_end_the_old_one_by_its_last_fin(talk: Talk) -> None:
    talk.say(S, 0, flags=FIN | ACK)
    talk.say(C, 3, flags=FIN | ACK)
    again = Talk(talk.reassembler, numbers=(99_000, 77_000))

    assert again.open() == ["gap client 3 bytes were not captured", "closed server fin", OPENED]


def test_a_retransmitted_syn_is_the_same_connection(talk: Talk) -> None:
    assert talk.say(C, -1, flags=SYN) == []
    assert talk.say(S, -1, flags=SYN | ACK) == []
    assert talk.say(C, 0, b"hello") == ["client b'hello'"]


def test_a_new_connection_behind_a_closed_one_is_another_one(talk: Talk) -> None:
    talk.say(C, 0, flags=RST)

    again = Talk(talk.reassembler, numbers=(99_000, 77_000))

    assert again.open() == [OPENED]
    assert talk.reassembler.feed(0.0, again.segment(C, 0, b"two")) == [Chunk(0.0, 2, C, b"two")]


# Which connections


def test_only_connections_of_the_given_ports_are_followed() -> None:
    reassembler = Reassembler(ports=[8789])

    assert Talk(reassembler).open() == [OPENED]
    assert Talk(reassembler, server=(SERVER[0], 8788)).open() == []


def test_only_connections_of_the_given_hosts_are_followed() -> None:
    reassembler = Reassembler(hosts=["10.0.0.1", "::1"])

    assert Talk(reassembler).open() == []
    assert Talk(reassembler, server=(b"\x0a\x00\x00\x01", 1)).open() == ["opened client 127.0.0.1:40000 to 10.0.0.1:1"]


def test_a_host_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'example\.org'"):
        Reassembler(hosts=["example.org"])


# What is held is bounded


def test_more_early_bytes_than_may_wait_are_a_gap(monkeypatch: pytest.MonkeyPatch, talk: Talk) -> None:
    monkeypatch.setattr(tcp, "_HELD", 2000)
    monkeypatch.setattr(tcp, "_PIECE", 0)

    assert talk.say(C, 10, bytes(1500)) == []
    assert talk.say(C, 1510, bytes(400)) == []
    found = talk.say(C, 1910, bytes(101))

    assert found[0] == "gap client 10 bytes were not captured"
    assert len(found) == 4
    assert talk.say(C, 2011, b"on") == ["client b'on'"]
    assert talk.say(C, 2014, bytes(1500)) == []


def test_each_early_piece_counts_for_more_than_its_bytes(monkeypatch: pytest.MonkeyPatch, talk: Talk) -> None:
    monkeypatch.setattr(tcp, "_HELD", 3 * tcp._PIECE)

    assert [len(talk.say(C, place, b"x")) for place in (2, 4, 6)] == [0, 0, 6]


def test_all_connections_together_hold_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch, talk: Talk) -> None:
    monkeypatch.setattr(tcp, "_HELD_BY_ALL", 3000)
    monkeypatch.setattr(tcp, "_PIECE", 0)
    other = Talk(talk.reassembler, client=(CLIENT[0], 40001))
    other.open()

    assert talk.say(C, 10, bytes(2000)) == []
    assert other.say(C, 10, bytes(2000))[0] == "gap client 10 bytes were not captured"
    assert other.say(C, 2011, bytes(900)) == []
    assert talk.say(C, 0, bytes(10))[0].startswith("client")
    assert other.say(C, 3000, bytes(2000)) == []


def test_what_a_closed_connection_held_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_HELD_BY_ALL", 3000)
    monkeypatch.setattr(tcp, "_PIECE", 0)
    reassembler = Reassembler()
    for number in range(5):
        talk = Talk(reassembler, numbers=(number * 100_000, 0))
        talk.open()
        assert talk.say(C, 10, bytes(2000)) == []
        if number % 2:
            talk.say(S, 0, flags=RST)
    for _ in range(5):
        # Nor does one keep room that was refused before it opened.
        talk = Talk(reassembler, client=(CLIENT[0], 40001))
        talk.say(C, -1, bytes(900), flags=SYN)
        talk.say(S, -1, flags=RST)
    last = Talk(reassembler, client=(CLIENT[0], 40002))
    last.open()

    assert last.say(C, 10, bytes(900)) == []


def test_the_connection_that_was_idle_longest_is_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp, "_OPEN", 2)
    reassembler = Reassembler()
    first, second, third = (Talk(reassembler, client=(CLIENT[0], 40001 + number)) for number in range(3))
    first.open()
    second.open()
    first.say(C, 0, b"I live")
    second.say(S, 1, b"late")
    first.say(C, 6, b" still")

    assert third.open() == [
        "gap server 1 byte was not captured",
        "server b'late'",
        "closed nobody timeout: forgotten while idle, as 2 others were open",
        "opened client 127.0.0.1:40003 to 127.0.0.1:8789",
    ]
    assert first.say(C, 12, b"!") == ["client b'!'"]
    # It is joined again, so it takes the place of the third, which has been idle since.
    assert second.say(S, 5, b"more") == [
        "closed nobody timeout: forgotten while idle, as 2 others were open",
        "server b'more'",
    ]
    assert reassembler.ends(4) == "127.0.0.1:40002 to 127.0.0.1:8789"


def test_connections_that_are_over_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_OVER", 1)
    reassembler = Reassembler()
    first, second = (Talk(reassembler, client=(CLIENT[0], 40001 + number)) for number in range(2))
    for talk in (first, second):
        talk.open()
        talk.say(C, 0, flags=RST)

    assert second.say(C, 0, b"late") == []
    assert first.say(C, 0, b"late") == ["client b'late'"]


# Stalls


def test_bytes_sent_twice_in_vain_are_a_stall(talk: Talk) -> None:
    talk.say(C, 0, b"x" * 2000, at=1.0)
    talk.say(C, 2000, b"y" * 500, at=1.1)

    assert talk.say(C, 0, b"x" * 2000, at=1.3) == []
    assert talk.say(C, 0, b"x" * 2000, at=2.0) == ["stalled server 2,500 bytes unacknowledged for 1.0 s, sent 3 times"]
    assert talk.say(S, 0, acked=2500, at=3.0) == ["resumed server acknowledged after 2.0 s"]


def test_a_stall_is_told_again_when_it_has_doubled(talk: Talk) -> None:
    talk.say(S, 0, b"x")
    told = [talk.say(S, 0, b"x", at=0.2 * 2**time) for time in range(13)]

    assert [len(each) for each in told] == [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]
    assert told[10] == ["stalled client 1 byte unacknowledged for 204.8 s, sent 12 times"]


def test_a_second_stall_is_told_as_the_first(talk: Talk) -> None:
    for begin, at in ((0, 0.0), (1, 10.0)):
        assert talk.say(C, begin, b"x", at=at) == ["client b'x'"]
        assert talk.say(C, begin, b"x", at=at + 1) == []
        assert talk.say(C, begin, b"x", at=at + 2) == ["stalled server 1 byte unacknowledged for 2.0 s, sent 3 times"]
        assert talk.say(S, 0, acked=begin + 1, at=at + 3) == ["resumed server acknowledged after 3.0 s"]


def test_bytes_acknowledged_in_time_are_no_stall(talk: Talk) -> None:
    talk.say(C, 0, b"hello", at=1.0)
    talk.say(C, 0, b"hello", at=1.3)
    talk.say(S, 0, acked=5, at=1.4)

    assert talk.say(C, 0, b"hello", at=2.0) == []
    assert talk.say(C, 0, b"hello", at=3.0) == []


def test_different_bytes_sent_again_are_no_stall(talk: Talk) -> None:
    """Many were lost at once, and are sent again one by one."""
    for place in range(0, 50, 10):
        talk.say(C, place, b"x" * 10)

    assert [talk.say(C, place, b"x" * 10, at=1.0 + place) for place in range(0, 50, 10)] == [[]] * 5


def test_a_packet_that_was_captured_on_two_interfaces_is_no_retransmission(talk: Talk) -> None:
    for at in (1.0, 1.0001, 1.3, 1.3001):
        assert talk.say(C, 0, b"x", at=at) == (["client b'x'"] if at == 1.0 else [])

    assert talk.say(C, 0, b"x", at=1.9) == ["stalled server 1 byte unacknowledged for 0.9 s, sent 3 times"]


def test_a_stall_counts_from_the_last_progress(talk: Talk) -> None:
    talk.say(C, 0, b"x" * 10, at=1.0)
    talk.say(S, 0, acked=4, at=5.0)
    talk.say(C, 4, b"x" * 6, at=6.0)

    assert talk.say(C, 4, b"x" * 6, at=7.0) == ["stalled server 6 bytes unacknowledged for 2.0 s, sent 3 times"]


def test_an_unanswered_syn_is_a_stall() -> None:
    talk = Talk()
    talk.say(C, -1, flags=SYN)
    talk.say(C, -1, flags=SYN, at=1.0)

    assert talk.say(C, -1, flags=SYN, at=3.0) == ["stalled server the handshake unacknowledged for 3.0 s, sent 3 times"]
    assert talk.say(S, -1, flags=SYN | ACK, at=4.0) == [OPENED, "resumed server acknowledged after 4.0 s"]


def test_an_unanswered_fin_is_a_stall(talk: Talk) -> None:
    talk.say(C, 0, b"bye", FIN | ACK)
    talk.say(S, 0, acked=3)
    talk.say(C, 3, flags=FIN | ACK, at=1.0)

    assert talk.say(C, 3, flags=FIN | ACK, at=2.0) == [
        "stalled server the end of the stream unacknowledged for 2.0 s, sent 3 times"
    ]


def test_the_fin_is_no_byte(talk: Talk) -> None:
    for at in (0.0, 1.0):
        talk.say(C, 0, b"bye", FIN | ACK, at=at)

    assert talk.say(C, 0, b"bye", FIN | ACK, at=2.0) == [
        "stalled server 3 bytes unacknowledged for 2.0 s, sent 3 times"
    ]


def test_a_connection_that_was_joined_in_a_stall_shows_it() -> None:
    talk = Talk()

    assert talk.say(C, 70, b"hello", at=1.0) == ["client b'hello'"]
    assert talk.say(C, 70, b"hello", at=2.0) == []
    assert talk.say(C, 70, b"hello", at=4.0) == ["stalled server 5 bytes unacknowledged for 3.0 s, sent 3 times"]


def test_a_closed_window_is_a_stall(talk: Talk) -> None:
    assert talk.say(S, 0, window=0, at=1.0) == ["stalled server its receive window is closed"]
    assert talk.say(S, 0, window=0, at=1.2) == []
    assert talk.say(S, 0, window=0, at=1.9) == []
    assert talk.say(S, 0, window=0, at=2.5) == ["stalled server its receive window is closed for 1.5 s"]
    assert talk.say(S, 0, window=0, at=3.5) == []
    assert talk.say(S, 0, window=0, at=4.5) == ["stalled server its receive window is closed for 3.5 s"]
    assert talk.say(S, 0, window=9, at=5.0) == ["resumed server its receive window is open again after 4.0 s"]
    assert talk.say(S, 0, window=9, at=5.0) == []


def test_a_window_that_closes_often_and_briefly_is_told_once(talk: Talk) -> None:
    talk.say(S, 0, window=0, at=1.0)
    talk.say(S, 0, window=9, at=1.1)

    assert talk.say(S, 0, window=0, at=2.0) == []
    assert talk.say(S, 0, window=9, at=2.1) == []
    assert talk.say(S, 0, window=0, at=3.0) == []
    assert talk.say(S, 0, window=0, at=3.5) == ["stalled server its receive window is closed for 0.5 s"]
    assert talk.say(S, 0, window=9, at=3.6) == ["resumed server its receive window is open again after 0.6 s"]
    assert talk.say(S, 0, window=0, at=20.0) == ["stalled server its receive window is closed"]


def test_bytes_that_meet_a_closed_window_are_one_stall(talk: Talk) -> None:
    talk.say(S, 0, window=0)
    talk.say(C, 0, b"x")

    assert [talk.say(C, 0, b"x", at=at) for at in (1.0, 2.0, 3.0)] == [[], [], []]
    assert talk.say(S, 0, window=9, acked=1, at=4.0) == ["resumed server its receive window is open again after 4.0 s"]


@pytest.fixture
def stalled(talk: Talk) -> Talk:
    """A connection whose server neither acknowledges nor has room."""
    for at in (0.0, 1.0, 2.0):
        talk.say(C, 0, b"x", at=at)
    assert talk.say(S, 0, window=0, at=3.0) == ["stalled server its receive window is closed"]
    return talk


def test_a_stall_of_both_kinds_is_not_over_by_an_acknowledgement(stalled: Talk) -> None:
    assert stalled.say(S, 0, acked=1, window=0, at=3.5) == []
    assert stalled.say(S, 0, acked=1, window=9, at=5.0) == [
        "resumed server its receive window is open again after 2.0 s"
    ]


def test_a_stall_of_both_kinds_is_not_over_by_an_open_window(stalled: Talk) -> None:
    assert stalled.say(S, 0, window=9, at=4.0) == []
    assert stalled.say(S, 0, acked=1, at=5.0) == ["resumed server acknowledged after 5.0 s"]


# Anything at all

#: side, place, data, flags, place that is acknowledged, window, bytes that were cut off
Step: TypeAlias = tuple[Side, int, bytes, int, int, int, int]

STEPS: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from([C, S]),
    st.integers(-20, 60),
    st.binary(max_size=20),
    st.sampled_from([ACK, ACK, ACK, SYN, SYN | ACK, FIN | ACK, FIN, RST, 0, SYN | FIN]),
    st.integers(-5, 70),
    st.integers(0, 3),
    st.integers(0, 5),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_comes_each_connection_opens_once_and_closes_last(steps: list[Step]) -> None:
    talk = Talk()
    pieces = []
    for number, (side, place, data, flags, acked, window, more) in enumerate(steps):
        segment = talk.segment(side, place, data, flags, acked=acked, window=window, size=len(data) + more)
        pieces += talk.reassembler.feed(number / 4, segment)
    assert talk.reassembler._held == sum(each.held for each in talk.reassembler._open.values())
    pieces += talk.reassembler.finish(len(steps))

    for connection in {piece.connection for piece in pieces}:
        told = [piece for piece in pieces if piece.connection == connection]
        assert [piece.at for piece in told] == sorted(piece.at for piece in told)
        kinds = [piece.kind for piece in told if isinstance(piece, LinkEvent)]
        assert kinds.count("opened") <= 1
        assert kinds.count("half_closed") <= 1
        assert "closed" not in kinds or (isinstance(told[-1], LinkEvent) and told[-1].kind == "closed")
        assert kinds.count("closed") <= 1
        chunks = [piece for piece in told if isinstance(piece, Chunk)]
        assert all(chunk.data for chunk in chunks)
