"""Backlog: what it is handed arrives in order, when there is little else to do, and what does not fit is told."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.net.backlog import BYTES, PATIENCE, PIECES, QUIET, Backlog
from pbshell.wire.chunk import Chunk, LinkEvent, Side
from tests.net.clock import Clock

CLIENT, SERVER = Side.CLIENT, Side.SERVER


class Taker:
    """Takes what a backlog delivers."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.lists: list[list[Any]] = []
        self.lines: list[str] = []
        self.backlog = Backlog(self.lists.append, tell=self.lines.append, **settings)
        self.count = 0

    def chunk(self, size: int = 10, side: Side = CLIENT, connection: int = 1) -> Chunk:
        self.count += 1
        chunk = Chunk(self.clock.now, connection, side, self.count.to_bytes(4, "big").ljust(size, b"."))
        self.backlog(chunk)
        return chunk

    def event(self, kind: str, connection: int = 1) -> LinkEvent:
        event = LinkEvent(self.clock.now, connection, kind)
        self.backlog(event)
        return event

    @property
    def all(self) -> list[Any]:
        return [piece for pieces in self.lists for piece in pieces]


async def test_pieces_are_delivered_together_when_the_traffic_pauses() -> None:
    it = Taker()
    came = [it.event("opened"), it.chunk(), it.chunk(side=SERVER)]
    await it.clock.advance(QUIET)
    assert it.lists == []
    await it.clock.advance(QUIET)
    assert it.lists == [came]
    another = it.chunk()
    await it.clock.advance(2 * QUIET)
    assert it.lists == [came, [another]]


async def test_traffic_that_does_not_pause_is_delivered_all_the_same() -> None:
    it = Taker()
    came = []
    while not it.lists:
        came.append(it.chunk())
        await it.clock.advance(QUIET / 2)
    assert it.clock.now - came[0].at == pytest.approx(PATIENCE, abs=2 * QUIET)
    assert it.all == came


async def test_one_delivery_holds_few_pieces_and_all_come() -> None:
    it = Taker()
    came = [it.chunk() for _ in range(PIECES * 2 + 1)] + [it.chunk(BYTES // 2) for _ in range(4)]
    for _ in range(2):
        await it.clock.advance(2 * QUIET)
    assert it.all == came
    assert max(map(len, it.lists)) == PIECES
    assert max(sum(len(piece.data) for piece in pieces) for pieces in it.lists) < 2 * BYTES


async def test_while_it_is_held_nothing_is_delivered() -> None:
    it = Taker()
    it.backlog.hold()
    came = [it.chunk()]
    await it.clock.advance(1)
    assert it.lists == []
    it.backlog.go()
    await it.clock.advance(2 * QUIET)
    assert it.all == came
    it.backlog.go()
    came.append(it.chunk())
    it.backlog.hold()
    await it.clock.advance(1)
    assert len(it.all) == 1
    it.backlog.go()
    await it.clock.advance(1)
    assert it.all == came


async def test_it_can_be_emptied_at_once() -> None:
    it = Taker()
    it.backlog.hold()
    came = [it.chunk() for _ in range(PIECES + 1)]
    it.backlog.flush()
    assert it.all == came
    await it.clock.advance(1)
    assert it.all == came
    it.backlog.flush()


async def test_what_does_not_fit_is_left_out_and_told_as_a_gap() -> None:
    it = Taker(most=10_000)
    it.backlog.hold()
    kept = [it.chunk(5_000), it.chunk(6_000)]
    assert len(it.lines) == 1
    assert it.lines[0].endswith("bytes wait to be recorded: what comes is left out until half of it is")
    for _ in range(3):
        it.chunk(700)
        it.chunk(50, SERVER)
        it.chunk(1_000, connection=2)
    event = it.event("stalled")
    closed = it.event("closed", connection=2)
    it.backlog.go()
    await it.clock.advance(1)
    after = it.chunk()
    later = it.chunk(connection=3)
    server = it.chunk(side=SERVER)
    again = it.chunk()
    await it.clock.advance(1)
    words = "bytes were not recorded, as too many waited"
    assert it.all == [
        *kept,
        event,
        LinkEvent(closed.at, 2, "gap", CLIENT, f"3,000 {words}"),
        closed,
        LinkEvent(after.at, 1, "gap", CLIENT, f"2,100 {words}"),
        after,
        later,
        LinkEvent(server.at, 1, "gap", SERVER, f"150 {words}"),
        server,
        again,
    ]
    assert len(it.lines) == 1
    it.backlog.hold()
    it.chunk(20_000)
    assert len(it.lines) == 2


async def test_that_something_is_left_out_may_be_told_to_nobody() -> None:
    clock = Clock()
    got: list[Any] = []
    backlog = Backlog(got.extend, most=100)
    for _ in range(2):
        backlog(Chunk(clock.now, 1, CLIENT, b"x"))
    backlog.flush()
    assert len(got) == 1


async def test_what_a_chunk_is_made_of_is_as_good_as_the_chunk() -> None:
    it = Taker(most=1_000)
    it.backlog.hold()
    it.backlog.carried(1.0, 1, CLIENT, b"a" * 900)
    assert it.lines == [f"{1_100:,} bytes wait to be recorded: what comes is left out until half of it is"]
    it.backlog.carried(2.0, 1, CLIENT, b"left out")
    it.backlog.go()
    await it.clock.advance(1)
    it.backlog.carried(3.0, 1, CLIENT, b"b")
    it.backlog.carried(4.0, 1, SERVER, b"c")
    await it.clock.advance(2 * QUIET)
    await it.clock.advance(2 * QUIET)
    assert it.all == [
        Chunk(1.0, 1, CLIENT, b"a" * 900),
        LinkEvent(3.0, 1, "gap", CLIENT, "8 bytes were not recorded, as too many waited"),
        Chunk(3.0, 1, CLIENT, b"b"),
        Chunk(4.0, 1, SERVER, b"c"),
    ]
