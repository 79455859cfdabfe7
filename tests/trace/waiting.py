"""Connections of two Twisted programs that stay open while something waits; see programs/waits.py.

Knows how to bring them about, and how to tell what has happened at a pace of one's own; does not know what is said.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pbshell.net.relay import relay
from pbshell.trace.diagnosis import Doctor
from pbshell.trace.dissector import Dissector
from pbshell.trace.explainers import Explainers
from pbshell.trace.rules.rule import Rule
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import LinkEvent, Piece, Side
from pbshell.wire.verbs import Message
from tests.trace.incidents import PROGRAMS, Desk
from tests.trace.talking import Talk


class Waits(Desk):
    """A Twisted reactor for what hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.path = PROGRAMS / "waits.py"

    def go_on(self) -> None:
        """Let the program go on, if it has stopped itself."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def works() -> Iterator[Waits]:
    """The program that serves."""
    with Waits() as desk:
        yield desk


@pytest.fixture(scope="module")
def guest() -> Iterator[Waits]:
    """The program that visits."""
    with Waits() as desk:
        yield desk


@asynccontextmanager
async def recorded(works: Waits) -> AsyncIterator[tuple[int, list[Piece]]]:
    """A relay to what *works* serves: its port, and what it records."""
    pieces: list[Piece] = []
    target = f"tcp:127.0.0.1:{works.serve('works')}"
    async with relay("tcp:0:interface=127.0.0.1", target, tap=pieces.append) as running:
        assert running.port is not None
        yield running.port, pieces


@asynccontextmanager
async def visited(works: Waits, guest: Waits, who: str, **enough: int) -> AsyncIterator[list[Piece]]:
    """What is recorded while *who* visits, as soon as there are so many of each verb, or events of each kind."""
    async with recorded(works) as (port, pieces):
        visit = asyncio.ensure_future(guest.ask_meanwhile("visit", what=who, port=port))
        try:
            await until(pieces, **enough)
            yield list(pieces)
        finally:
            works.go_on()
            guest.go_on()
    await visit


async def until(pieces: Sequence[Piece], **enough: int) -> None:
    """Wait until so many of each verb, or events of each kind, are in *pieces*, which become more."""
    dissector, fed, found = Dissector(), 0, Counter[str]()
    while any(found[what] < count for what, count in enough.items()):
        for piece in pieces[fed:]:
            for each in dissector.feed(piece):
                what = each.what
                found[what.kind if isinstance(what, LinkEvent) else type(what).__name__] += 1
            fed += 1
        await asyncio.sleep(0.001)


class Said(Talk):
    """One connection on which both sides say what the test wants, as pieces."""

    def __init__(self, *, opened: bool = True) -> None:
        self.pieces: list[Piece] = []
        super().__init__(Explainers(), opened=opened)

    def feed(self, pieces: Iterable[Piece]) -> list[Verdict]:
        """Keep them, too."""
        some = list(pieces)
        self.pieces += some
        return super().feed(some)

    def decref(self, side: Side, luid: int, at: float = 0.0) -> None:
        """*side* gives back what it was lent."""
        self.say(side, [b"decref", luid], at)


def paced(pieces: Iterable[Piece], gap: float) -> list[Piece]:
    """*pieces* as if *gap* seconds were between two of them: who waits for an answer before it calls has a pace."""
    return [replace(piece, at=number * gap) for number, piece in enumerate(pieces)]


def last_call(pieces: Iterable[Piece], method: bytes) -> float:
    """When *method* was called last (seconds)."""
    dissector = Dissector()
    found = [each for piece in pieces for each in dissector.feed(piece)]
    return max(each.at for each in found if isinstance(each.what, Message) and each.what.method == method)


def diagnosed(pieces: Iterable[Piece], rule: Rule, later: float = 14.0, connection: int = 1) -> list[Verdict]:
    """What *rule* says of *connection* if nothing more happens for so many seconds; asking twice changes nothing."""
    dissector, doctor, at = Dissector(), Doctor([lambda: rule]), 0.0
    for piece in pieces:
        at = piece.at
        for found in dissector.feed(piece):
            assert doctor.see(found, dissector.connections[piece.connection]) == []
    conversations = [dissector.connections[connection]]
    verdicts = doctor.verdicts(at + later, conversations)
    assert verdicts == doctor.verdicts(at + later, conversations)
    return verdicts


def sentences(verdicts: Iterable[Verdict], number: str = "") -> list[str]:
    """Their lines; where the pace was the machine's own, each *number* with its unit stands for all."""
    lines = [verdict.line() for verdict in verdicts]
    return [re.sub(r"(?<!#)\b\d[\d,.]* (ms|s)\b", number, line) for line in lines] if number else lines
