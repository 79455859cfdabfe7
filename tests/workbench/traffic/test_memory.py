"""What is remembered of the traffic: the last of it, by its numbers, and so that it can be explained again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from pbshell.trace import Dissection, Dissector
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Seed, Side
from pbshell.workbench.traffic.memory import Forgotten, Memory, Past
from pbshell.workbench.traffic.tracer import Tracer
from tests.trace.recordings import chunks
from tests.trace.talking import captured
from tests.workbench.bench import connected

OPENED = LinkEvent(0.0, 1, "opened", Side.CLIENT, "127.0.0.1:1 to 127.0.0.1:2")
CHAT: list[Piece] = [OPENED, *chunks("login_chat")]


def past(pieces: Iterable[Piece], **bounds: int) -> Past:
    tracer = Tracer()
    made = Past(tracer, **bounds)
    for piece in pieces:
        tracer.tap(piece)
    return made


def numbers(frames: Iterable[tuple[Dissection, object]]) -> list[int]:
    return [dissection.number for dissection, _ in frames]


def test_frames_are_found_by_their_numbers() -> None:
    found = past(CHAT)
    every = len(found)

    assert (found.first, found.latest, found.forgotten) == (1, every, Forgotten(0, 0))
    assert [numbers([frame]) for number in (1, 7, every) if (frame := found.get(number))] == [[1], [7], [every]]
    assert found.get(0) is found.get(every + 1) is None
    assert numbers(found.between(3, 5)) == [3, 4, 5]
    assert numbers(found.between(-5, 2)) == [1, 2]
    assert numbers(found.between(every, 999)) == [every]
    assert found.between(5, 3) == found.between(999, 1000) == found.last(0) == []
    assert numbers(found.last(2)) == [every - 1, every]
    assert numbers(found.last(9999)) == numbers(found.frames()) == numbers(found.backwards())[::-1]


def test_nothing_is_remembered_of_nothing() -> None:
    found = past([])

    assert (found.first, found.latest, found.numbered, len(found)) == (0, 0, 1, 0)
    assert found.get(1) is None
    assert found.last(3) == found.between(1, 2) == []
    assert list(found.pieces()) == []


def test_the_first_frames_are_forgotten_and_that_is_known() -> None:
    whole, few = past(CHAT), past(CHAT, frames=5)

    assert numbers(few.frames()) == numbers(whole.last(5))
    assert few.forgotten.frames == len(whole) - 5
    assert few.get(1) is None
    assert few.get(few.first) is not None
    assert numbers(few.between(1, few.first)) == [few.first]


def test_large_frames_count_by_their_bytes() -> None:
    whole = past(CHAT)
    found = past(CHAT, said=100)

    sizes = [dissection.size for dissection, _ in found.frames()]
    assert 1 <= len(found) < len(whole)
    assert sum(sizes) <= 100


@pytest.mark.parametrize("name", ["buildbot-build", "trouble"])
def test_the_pieces_that_are_left_are_explained_as_they_were_when_they_came(name: str) -> None:
    pieces = captured(name) if name != "trouble" else [*CHAT, LinkEvent(9.0, 1, "closed")]
    small = sum(len(piece.data) if isinstance(piece, Chunk) else 0 for piece in pieces) // 3 + 100 * len(pieces) // 3
    live = past(pieces)
    found = past(pieces, size=small)

    again = Dissector(first=found.numbered)
    said = [each for piece in found.pieces() for each in again.feed(piece)]

    assert found.forgotten.bytes > 0
    begun = said[0].number
    assert begun == found.numbered > 1
    assert said[-1].number == live.latest
    seeds = [piece for piece in found.pieces() if isinstance(piece, Seed)]
    behind = [each for each in said if not isinstance(each.what, Seed | LinkEvent)]
    assert seeds
    assert behind
    for each in behind:
        frame = live.get(each.number)
        assert frame is not None
        assert (frame[0].what, frame[0].size) == (each.what, each.size)


def test_a_connection_that_has_ended_has_no_seed() -> None:
    ended = [*CHAT, LinkEvent(9.0, 1, "closed")]
    later = [replace(piece, connection=2) for piece in CHAT]
    found = past([*ended, *later], size=1)

    assert {piece.connection for piece in found.pieces()} == {2}


def test_what_is_cleared_is_forgotten_and_what_comes_behind_it_is_understood() -> None:
    tracer = Tracer()
    found = Past(tracer)
    half = len(CHAT) // 2
    for piece in CHAT[:half]:
        tracer.tap(piece)
    before, latest = len(found), found.latest
    found.clear()

    assert (len(found), found.latest, list(found.pieces())) == (0, latest, [])
    assert found.forgotten.frames == before
    for piece in CHAT[half:]:
        tracer.tap(piece)
    again = Dissector(first=found.numbered)
    said = [each for piece in found.pieces() for each in again.feed(piece)]
    assert said[-1].number == found.latest
    assert [each.what for each in said[-len(found) :]] == [dissection.what for dissection, _ in found.frames()]


async def test_a_workbench_remembers_from_its_first_byte_on() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 5)")
        memory = bench.part(Memory)

        first = memory.get(1)
        assert first is not None
        assert isinstance(first[0].what, LinkEvent)
        assert first[1] is bench.tracer.dissector.connections[first[0].connection]
