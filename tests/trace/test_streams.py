"""Both streams of a connection as stretches: every byte is in one of them, whatever the bytes are."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from pbshell.trace.streams import TRACE_LIMITS, Choice, Offer, Streams, Stretch, Unseen
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, Side
from tests.trace.recordings import NAMES, byte_by_byte, chunks

C, S = Side.CLIENT, Side.SERVER
CALL = encode([b"message", 1, b"root", b"get", 1, [b"tuple"], [b"dictionary"]], PB)


def read(pieces: Iterable[Chunk], gaps: Iterable[int] = ()) -> list[Stretch]:
    """All stretches of *pieces*; behind those whose positions are in *gaps* is one."""
    streams = Streams(TRACE_LIMITS)
    found: list[Stretch] = []
    for position, piece in enumerate(pieces):
        found += streams.take(piece.sender, piece.data)
        if position in gaps:
            found += streams.gap(None)
    return [*found, *streams.finish(), *streams.leftovers()]


def lengths(stretches: Iterable[Stretch]) -> dict[Side, int]:
    """Bytes of both sides, none of which is in two stretches or in none."""
    ends = {C: 0, S: 0}
    for stretch in stretches:
        side = stretch.stream.side
        assert stretch.offset == ends[side]
        ends[side] += stretch.size
    return ends


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_is_in_one_stretch_wherever_gaps_are(name: str) -> None:
    whole = chunks(name)
    sent = {side: sum(len(piece.data) for piece in whole if piece.sender is side) for side in Side}

    assert lengths(read(whole)) == sent
    for seed in range(5):
        dice = random.Random(seed)
        pieces = byte_by_byte(whole) if sent[C] + sent[S] < 5_000 else whole
        gaps = {dice.randrange(len(pieces)) for _ in range(3)}
        assert lengths(read(pieces, gaps)) == sent


def test_a_stretch_without_an_expression_says_what_it_is() -> None:
    offer, choice, call, *rest = read(
        [Chunk(0.0, 1, S, encode([b"pb"])), Chunk(0.0, 1, C, encode(b"pb") + CALL + CALL[:5])], gaps=[1]
    )

    assert [offer.what, choice.what] == [Offer((b"pb",)), Choice(b"pb")]
    assert (call.what, call.size) == (None, len(CALL))
    assert [(each.expression, each.size) for each in rest if each.size] == [(None, 5)]


def test_bytes_are_counted_on_behind_what_was_never_found() -> None:
    streams = Streams(TRACE_LIMITS)
    found: list[Stretch] = []
    for _ in range(2):
        found += [*streams.take(C, b"nothing that PB says"), *streams.finish(), *streams.gap(C)]

    assert [(each.offset, each.size) for each in found if isinstance(each.what, Unseen) and each.size] == [
        (0, 20),
        (20, 20),
    ]
