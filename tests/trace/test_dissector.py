"""The dissector: what it finds in real conversations, in broken ones, and in anything at all."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace import Choice, Dissection, Dissector, Offer, Undecodable, explain
from pbshell.wire.banana import NONE, PB, Dialect, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.limits import Limits
from pbshell.wire.verbs import Answer, ErrorAnswer, Message, Version
from tests.trace.recordings import NAMES, byte_by_byte, chunks, dissect

OFFER = encode([b"pb", b"none"])
ECHO = [b"message", 1, b"root", b"echo", 1, [b"tuple", 5], [b"dictionary"]]


def client(data: bytes, at: float = 0.0) -> Chunk:
    return Chunk(at, 1, Side.CLIENT, data)


def server(data: bytes, at: float = 0.0) -> Chunk:
    return Chunk(at, 1, Side.SERVER, data)


OPENED = LinkEvent(0.0, 1, "opened", Side.CLIENT, "127.0.0.1:1 to 127.0.0.1:2")


def handshake(dialect: Dialect = PB) -> list[Chunk]:
    return [server(OFFER), client(encode(dialect.name))]


def kinds(found: list[Dissection]) -> list[str]:
    return [type(each.what).__name__ for each in found]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_understood_to_the_last_byte(name: str) -> None:
    pieces = chunks(name)

    found = dissect(pieces)

    assert not [each for each in found if isinstance(each.what, Undecodable)]
    for side in Side:
        size = sum(len(piece.data) for piece in pieces if piece.sender is side)
        assert sum(each.size for each in found if each.sender is side) == size


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_explained_the_same_in_single_bytes(name: str) -> None:
    pieces = chunks(name)

    assert dissect(byte_by_byte(pieces)) == dissect(pieces)


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_of_a_recording_has_its_call(name: str) -> None:
    for each in dissect(chunks(name)):
        if isinstance(each.what, Answer | ErrorAnswer):
            assert each.call is not None
            assert isinstance(each.call.what.request, int)  # type: ignore[union-attr]  # calls have one
            assert each.call.sender is not each.sender
            assert each.elapsed == each.at - each.call.at


def test_dissections_are_numbered_over_all_connections() -> None:
    dissector = Dissector()
    dissector.feed(Chunk(0, 7, Side.SERVER, OFFER))

    found = dissector.feed(Chunk(1, 8, Side.SERVER, OFFER))

    assert [(each.number, each.connection) for each in found] == [(2, 8)]


@pytest.mark.parametrize("dialect", [PB, NONE])
def test_both_dialects_are_read(dialect: Dialect) -> None:
    pieces = [*handshake(dialect), client(encode(ECHO, dialect), 1.0), server(encode([b"answer", 1, 5], dialect), 1.5)]

    offer, choice, call, answer = dissect(pieces)

    assert (offer.what, choice.what) == (Offer((b"pb", b"none")), Choice(dialect.name))
    assert call.what == Message(1, b"root", b"echo", 1, [b"tuple", 5], [b"dictionary"])
    assert (answer.what, answer.call, answer.elapsed) == (Answer(1, 5), call, 0.5)


def test_offsets_count_what_the_sender_has_sent_before() -> None:
    version = encode([b"version", 6], PB)

    found = dissect([*handshake(), client(version + version)])

    assert [(each.offset, each.size) for each in found] == [(0, 12), (0, 4), (4, 6), (10, 6)]


def test_a_server_that_was_heard_too_early_waits_for_the_choice() -> None:
    """Two directions that were recorded apart may come in any order."""
    found = dissect([server(OFFER + encode([b"version", 6], PB)), client(encode(b"pb"))])

    assert [each.what for each in found] == [Offer((b"pb", b"none")), Choice(b"pb"), Version(6)]


def test_an_answer_whose_call_was_not_seen_stands_alone() -> None:
    (answer,) = dissect([*handshake(), server(encode([b"answer", 99, 5], PB))])[2:]

    assert (answer.call, answer.elapsed) == (None, None)


def test_a_call_that_wants_no_answer_waits_for_none() -> None:
    quiet = [*ECHO[:4], 0, *ECHO[5:]]

    *_, answer = dissect([*handshake(), client(encode(quiet, PB)), server(encode([b"answer", 1, 5], PB))])

    assert answer.call is None


def test_a_request_id_that_is_a_list_cannot_be_answered() -> None:
    odd = [b"message", [1], *ECHO[2:]]

    assert kinds(dissect([*handshake(), client(encode(odd, PB))])) == ["Offer", "Choice", "Message"]


def test_each_side_has_request_ids_of_its_own() -> None:
    back = [b"message", 1, 1, b"three", 1, [b"tuple"], [b"dictionary"]]
    pieces = [*handshake(), client(encode(ECHO, PB)), server(encode(back, PB)), client(encode([b"answer", 1, 3], PB))]

    *_, answer = dissect(pieces)

    assert answer.call is not None
    assert answer.call.what == Message(1, 1, b"three", 1, [b"tuple"], [b"dictionary"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n" + b"x: y\r\n" * 20, "prefix"),
        (b"\x16\x03\x01\x02\x00\x99", "type byte"),
        (encode(5), "did not begin with the name of a dialect"),
    ],
)
def test_a_stream_that_is_no_pb_is_one_note(data: bytes, reason: str) -> None:
    note = dissect([OPENED, client(data), client(data)])[1]

    assert isinstance(note.what, Undecodable)
    assert reason in note.what.reason


def test_a_foreign_stream_shows_how_it_begins_and_is_not_read_on() -> None:
    _, first, *more = dissect([OPENED, client(b"\x16\x03\x01\x02\x00\xff"), client(encode(b"pb"))])

    assert first.what == Undecodable(first.what.reason, b"\x16\x03\x01\x02\x00\xff")  # type: ignore[union-attr]
    assert more == []


def test_nothing_is_kept_of_a_stream_that_cannot_be_read() -> None:
    dissector = Dissector()
    dissect([OPENED, server(b"HTTP/1.0 200 OK\r\n")], dissector)
    data = bytes(1000)
    before = sys.getrefcount(data)

    dissector.feed(server(data))

    assert sys.getrefcount(data) == before


def test_bytes_that_nobody_read_count_behind_a_gap() -> None:
    pieces: list[Piece] = [
        OPENED,
        *handshake(),
        server(b"\xff\xff"),
        server(b"\xff"),
        LinkEvent(0.0, 1, "gap", Side.SERVER),
        server(encode([b"version", 6], PB) * 2),
    ]

    assert [each.offset for each in dissect(pieces) if isinstance(each.what, Version)] == [
        len(OFFER) + 3,
        len(OFFER) + 3 + len(encode([b"version", 6], PB)),
    ]


def test_what_a_seed_calls_an_object_is_made_visible() -> None:
    dissector = Dissector()

    dissector.feed(Seed(0.0, 1, b"pb", lent=(Seeded(Side.SERVER, 1, 1, "pets.\x1b[2J\u202e"),)))

    lent = dissector.connections[1].lent(Side.SERVER, 1)
    assert lent is not None
    assert (lent.type, lent.label) == ("pets.\\x1b[2J\\u202e", "\\x1b[2J\\u202e")


def test_a_server_that_offers_no_list_is_a_note() -> None:
    _, note = dissect([OPENED, server(encode([b"pb", 5]))])

    assert isinstance(note.what, Undecodable)
    assert "list of dialects" in note.what.reason


def test_an_unknown_dialect_is_read_as_none() -> None:
    found = dissect([server(OFFER), client(encode(b"klingon") + encode([b"version", 6]))])

    assert [each.what for each in found[1:]] == [Choice(b"klingon"), Version(6)]


def test_what_is_no_verb_is_a_note_and_the_next_is_read() -> None:
    found = dissect([*handshake(), client(encode([b"frobnicate", 1], PB) + encode([b"version", 6], PB))])

    assert kinds(found[2:]) == ["Undecodable", "Version"]
    assert found[2].size == len(encode([b"frobnicate", 1], PB))


def test_bytes_behind_the_handshake_are_not_shown() -> None:
    """They may be those of a login."""
    (note,) = dissect([*handshake(), client(b"secret\xff")])[2:]

    assert isinstance(note.what, Undecodable)
    assert note.what.data == b""


def test_the_limits_are_those_of_the_connection() -> None:
    _, note = dissect([OPENED, server(encode([b"x" * 100]))], Dissector(Limits(string=50)))

    assert isinstance(note.what, Undecodable)
    assert "a string of 100 bytes exceeds 50" in note.what.reason


def test_link_events_are_dissections_too() -> None:
    events = [LinkEvent(1.0, 1, "opened", Side.CLIENT), LinkEvent(2.0, 1, "closed", Side.SERVER, "reset")]

    found = dissect(events)

    assert [(each.what, each.sender, each.size) for each in found] == [
        (events[0], Side.CLIENT, 0),
        (events[1], Side.SERVER, 0),
    ]


def test_what_is_half_said_at_the_end_is_a_note() -> None:
    half = encode(ECHO, PB)[:-3]

    note, closed = dissect([*handshake(), client(half), LinkEvent(1.0, 1, "closed")])[2:]

    assert isinstance(note.what, Undecodable)
    assert f"{len(half)} bytes" in note.what.reason
    assert isinstance(closed.what, LinkEvent)


def test_a_connection_that_is_closed_is_forgotten() -> None:
    dissector = Dissector()
    dissect([*handshake(), client(encode(ECHO, PB)), LinkEvent(1.0, 1, "closed")], dissector)

    # Should the number come again it is another connection, with a handshake of its own.
    assert kinds(dissector.feed(server(OFFER))) == ["Offer"]


@given(st.lists(st.tuples(st.sampled_from(Side), st.binary(max_size=100)), max_size=10))
def test_no_bytes_make_it_raise(pieces: list[tuple[Side, bytes]]) -> None:
    found = dissect([*(Chunk(0, 1, side, data) for side, data in pieces), LinkEvent(0, 1, "closed")])

    assert all(explain(each).isprintable() for each in found)


@given(st.sampled_from(NAMES), st.data())
def test_no_mutation_of_a_recording_makes_it_raise(name: str, data: Any) -> None:
    pieces = chunks(name)
    which = data.draw(st.integers(0, len(pieces) - 1))
    old = pieces[which]
    at = data.draw(st.integers(0, len(old.data) - 1))
    byte = data.draw(st.integers(0, 255))
    pieces[which] = Chunk(old.at, 1, old.sender, old.data[:at] + bytes([byte]) + old.data[at + 1 :])

    found = dissect([*pieces, LinkEvent(9, 1, "closed")])

    assert all(explain(each).isprintable() for each in found)


# --------------------------------------------------------------------------------------- beginning anew


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_that_begins_with_what_a_conversation_is_at_the_moment_goes_on_like_it(name: str) -> None:
    pieces: list[Piece] = [OPENED, *byte_by_byte(chunks(name))[:400], *chunks(name)[400:], LinkEvent(9.0, 1, "closed")]
    whole = dissect(pieces)
    live = Dissector()
    seeded = 0
    for position, piece in enumerate(pieces[:-1], 1):
        said = live.feed(piece)
        begin = live.connections[1].resumed(piece.at)
        if not said or not begin:
            continue
        seeded += 1
        behind = said[-1].number
        events = sum(not isinstance(each, Chunk) for each in begin)
        again = dissect([*begin, *pieces[position:]], Dissector(first=behind + 1 - events))

        assert [each.number for each in again[events:]] == [each.number for each in whole[behind:]]
        assert [(each.what, each.size) for each in again[events:]] == [
            (each.what, each.size) for each in whole[behind:]
        ]
    assert seeded


def test_what_a_conversation_is_at_the_moment_has_what_is_lent_and_waited_for_and_half_said() -> None:
    dissector = Dissector()
    lends = [b"message", 1, b"root", b"keep", 1, [b"tuple", [b"remote", 4]], [b"dictionary"]]
    half = encode(ECHO, PB)[:5]
    dissect([*handshake(), client(encode(lends, PB) + half)], dissector)
    conversation = dissector.connections[1]

    seed, rest = conversation.resumed(7.0)

    assert rest == Chunk(7.0, 1, Side.CLIENT, half)
    assert isinstance(seed, Seed)
    assert [(each.owner, each.luid, each.count, each.what) for each in seed.lent] == [
        (Side.CLIENT, 4, 1, conversation.lent(Side.CLIENT, 4).name)  # type: ignore[union-attr]  # it is lent
    ]
    assert [(each.caller, each.request, each.method) for each in seed.awaited] == [(Side.CLIENT, 1, "keep")]


def test_objects_whose_birth_was_not_seen_are_lent_once_as_far_as_anybody_knows() -> None:
    dissector = Dissector()
    calls = b"".join(encode([b"message", n, 3, b"x", 1, [b"tuple"], [b"dictionary"]], PB) for n in (8, 9))
    dissect([client(calls)], dissector)

    (seed,) = dissector.connections[1].resumed(1.0)

    assert isinstance(seed, Seed)
    assert [(each.owner, each.luid, each.count) for each in seed.lent] == [(Side.SERVER, 3, 1)]


def test_a_stream_that_cannot_be_read_is_not_resumed() -> None:
    dissector = Dissector()
    dissect([server(OFFER)], dissector)
    assert dissector.connections[1].resumed(0.0) == ()
    dissect([client(encode(b"pb")), client(b"\xff" * 80)], dissector)

    assert dissector.connections[1].resumed(0.0) == ()
