"""Streams that are met in their middle: every cut of every recording, gaps, and what only looks like a beginning."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pbshell.trace import Dissection, Dissector, Undecodable, Unseen
from pbshell.trace.joining import Joining
from pbshell.wire.banana import NONE, PB, Dialect, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from pbshell.wire.limits import Limits
from tests.trace.recordings import NAMES, byte_by_byte, chunks, dissect

VERSION = [b"version", 6]
ECHO = [b"message", 1, b"root", b"echo", 1, [b"tuple", 5], [b"dictionary"]]


def cut(pieces: list[Chunk], at: int) -> list[Chunk]:
    """*pieces* without their first *at* bytes."""
    left = []
    for piece in pieces:
        if at < len(piece.data):
            left.append(Chunk(piece.at, piece.connection, piece.sender, piece.data[at:]))
        at = max(at - len(piece.data), 0)
    return left


def sent(pieces: Iterable[Piece], side: Side) -> int:
    return sum(len(piece.data) for piece in pieces if isinstance(piece, Chunk) and piece.sender is side)


def whole(pieces: list[Chunk]) -> tuple[Dissector, list[Dissection]]:
    dissector = Dissector()
    return dissector, [*dissect(pieces, dissector), *dissector.finish(9.0)]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_joined_rightly_at_every_byte(name: str) -> None:
    """What is found behind a cut is what was found without it, and bytes that are left out are told."""
    pieces = chunks(name)
    places = {(each.sender, each.offset): each.size for each in dissect(pieces)}
    total = sum(len(piece.data) for piece in pieces)
    # Each byte of what is said, and some of the long payloads that a few recordings have.
    for at in (*range(min(total, 3_000)), *range(3_000, total, max(997, total // 20))):
        left = some(cut(pieces, at))
        found = dissect([*left, LinkEvent(9.0, 1, "closed")])
        gone = {side: sent(pieces, side) - sent(cut(pieces, at), side) for side in Side}
        for side in Side:
            said = [each for each in found if each.sender is side]
            assert sum(each.size for each in said) == sent(left, side), f"{at}: bytes are lost"
            for each in said:
                if not isinstance(each.what, Unseen | Undecodable):
                    assert places.get((side, each.offset + gone[side])) == each.size, f"{at}: joined at a wrong place"


def some(pieces: list[Chunk]) -> list[Piece]:
    """As much of *pieces* as it takes to join both streams, or all."""
    taken: list[Piece] = []
    sizes = dict.fromkeys(Side, 0)
    for piece in pieces:
        taken.append(piece)
        sizes[piece.sender] += len(piece.data)
        if min(sizes.values()) > 250:
            break
    return taken


@pytest.mark.parametrize("name", ["login_chat", "cacheable", "pipelined_50"])
def test_where_a_stream_is_joined_does_not_depend_on_the_pieces(name: str) -> None:
    pieces = chunks(name)
    for at in range(0, sum(len(piece.data) for piece in pieces), 37):
        left = cut(pieces, at)
        assert [(each.sender, each.offset, each.size) for each in whole(byte_by_byte(left))[1]] == [
            (each.sender, each.offset, each.size) for each in whole(left)[1]
        ]


@pytest.mark.parametrize("dialect", [PB, NONE])
def test_the_dialect_is_that_of_the_first_verb(dialect: Dialect) -> None:
    stream = encode(ECHO, dialect) + encode([b"decref", 3], dialect) + encode(VERSION, dialect)
    dissector, found = whole([Chunk(0, 1, Side.CLIENT, b"rest of something" + stream)])

    assert [type(each.what).__name__ for each in found] == ["Unseen", "Message", "Decref", "Version"]
    assert dissector.connections[1].dialect == dialect.name
    assert dissector.connections[1].partial


def test_the_last_verb_needs_no_other_behind_it() -> None:
    for behind in (b"", b"\x07", b"\x07\x80"):
        joining = Joining(Limits())
        assert joining.feed(b"xx" + encode(ECHO, PB) + behind) is None
        joined = joining.finish()
        assert joined is not None
        assert (joined.skipped, joined.expression, joined.decoder.rest) == (2, ECHO, behind)


@pytest.mark.parametrize(
    "decoy",
    [
        encode([b"version", 6], PB) + b"and then something else",  # no verb behind it
        encode([b"answer", [1], 2], PB),  # a wrong field
        b"\x07\x80\x1a\x87\x05\x89",  # no banana
        b"\x07\x80\x1a\x87\xff\xff\xff",
    ],
)
def test_what_only_looks_like_a_verb_is_passed_over(decoy: bytes) -> None:
    stream = encode(ECHO, PB) + encode(VERSION, PB)
    for pieces in ([decoy + stream], [bytes([byte]) for byte in decoy + stream]):
        joining = Joining(Limits())
        joined = next(filter(None, map(joining.feed, pieces)), None)
        assert joined is not None
        assert (joined.skipped, joined.expression) == (len(decoy), ECHO)


def test_what_is_never_readable_is_one_note_that_shows_how_it_began() -> None:
    page = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + b"." * 200
    _, found = whole([Chunk(0, 1, Side.SERVER, page[:50]), Chunk(1, 1, Side.SERVER, page[50:])])

    (note,) = found
    assert note.what == Unseen("the capture begins in their middle", page[:64])
    assert (note.size, note.at) == (len(page), 9.0)


def test_a_candidate_that_is_not_complete_at_the_end_is_unseen() -> None:
    _, (note,) = whole([Chunk(0, 1, Side.CLIENT, b"xx" + encode(ECHO, PB)[:-1])])

    assert isinstance(note.what, Unseen)
    assert note.what.data == b""


def test_behind_a_gap_the_stream_is_joined_again() -> None:
    shake = [Chunk(0, 1, Side.SERVER, encode([b"pb", b"none"])), Chunk(0, 1, Side.CLIENT, encode(b"pb"))]
    gap = LinkEvent(1, 1, "gap", Side.CLIENT, "12 bytes were not captured")
    last: list[Piece] = [Chunk(2, 1, Side.CLIENT, b"rest" + encode([b"decref", 5], PB) + encode(VERSION, PB))]
    dissector = Dissector()
    found = dissect([*shake, Chunk(0, 1, Side.CLIENT, encode(ECHO, PB) + b"\x07\x80"), gap, *last], dissector)

    assert [type(each.what).__name__ for each in found[2:]] == [
        "Message",
        "Unseen",
        "LinkEvent",
        "Unseen",
        "Decref",
        "Version",
    ]
    assert [each.what.why for each in found if isinstance(each.what, Unseen)] == [
        "the rest of it is in a gap",
        "their beginning is in a gap",
    ]
    assert [(each.size, each.offset) for each in found if isinstance(each.what, Unseen)] == [(2, 34), (4, 36)]
    # Nobody knows what was said in between.
    assert found[-2].notes == ()
    assert dissector.connections[1].gaps == 1


def test_a_gap_in_a_gap_and_one_of_nobody_knows_whom_are_gaps_too() -> None:
    dissector = Dissector()
    pieces: list[Piece] = [
        Chunk(0, 1, Side.CLIENT, b"xyz"),
        LinkEvent(1, 1, "gap", Side.CLIENT),
        LinkEvent(1, 1, "gap", Side.CLIENT),
        Chunk(2, 1, Side.CLIENT, b"more that is nothing"),
        LinkEvent(3, 1, "gap"),
        Chunk(4, 1, Side.CLIENT, encode(VERSION, PB) + encode(VERSION, PB)),
    ]
    found = dissect(pieces, dissector)

    assert [(type(each.what).__name__, each.size, each.offset) for each in found] == [
        ("Unseen", 3, 0),
        ("LinkEvent", 0, 0),
        ("LinkEvent", 0, 0),
        ("Unseen", 20, 3),
        ("LinkEvent", 0, 0),
        ("Version", 6, 23),
        ("Version", 6, 29),
    ]


@pytest.mark.parametrize(("inside", "is_found"), [(100, True), (100_000, False)])
def test_candidates_inside_one_another_are_not_each_read_to_the_end(inside: int, is_found: bool) -> None:
    head = encode([b"decref", 1], PB)[:-2]
    decoys = head * 190 + encode([1] * inside, PB, Limits(list=inside))
    joining = Joining(Limits(list=inside))

    assert (joining.feed(decoys + b"\xff" + encode(VERSION, PB) * 2) is not None) is is_found
