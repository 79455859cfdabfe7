"""Conversations for explainers: recorded ones, and ones that a test makes up. Knows how to say things, not what."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pbshell.trace import Dissection, Dissector
from pbshell.trace.capture import open_capture
from pbshell.trace.explainers import Explainers
from pbshell.trace.verdict import Verdict
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side

FOLDER = Path(__file__).parent.parent / "captures"


def captured(name: str) -> list[Piece]:
    """The pieces of tests/captures/NAME.pbt."""
    with open_capture(FOLDER / f"{name}.pbt") as capture:
        return list(capture)


class Watched:
    """A dissector and the explainers that look at what it finds."""

    def __init__(self, explainers: Explainers) -> None:
        self.dissector = Dissector()
        self.explainers = explainers
        self.verdicts: list[Verdict] = []
        self.dissections: list[Dissection] = []
        self.names: dict[int, str] = {}
        self.labels: dict[tuple[int, Side, Any], str] = {}

    def feed(self, pieces: Iterable[Piece]) -> list[Verdict]:
        """The verdicts on *pieces*."""
        before = len(self.verdicts)
        for piece in pieces:
            for found in self.dissector.feed(piece):
                self.dissections.append(found)
                self.verdicts += self.explainers.see(found, self.dissector.connections[found.connection])
                self._remember(found.connection)
        return self.verdicts[before:]

    def now(self, at: float, connection: int = 1) -> list[Verdict]:
        return self.explainers.now(self.dissector.connections[connection], at)

    def _remember(self, number: int) -> None:
        conversation = self.dissector.connections[number]
        self.names[number] = conversation.name
        for side, ledger in conversation.ledgers.items():
            lent = [entry.thing for entry in ledger.exports.values()]
            lent += [tomb.lent for tomb in conversation.tombs[side].values()]
            for each in lent:
                self.labels[number, side, each.luid] = each.label


class Talk(Watched):
    """One connection on which both sides say what the test wants."""

    def __init__(self, explainers: Explainers, connection: int = 1, *, opened: bool = True) -> None:
        super().__init__(explainers)
        self._connection = connection
        self._requests = dict.fromkeys(Side, 0)
        if opened:
            self.happened("opened", Side.CLIENT, "127.0.0.1:40000 to 127.0.0.1:9989")
            self.say(Side.SERVER, [b"pb", b"none"])
            self.say(Side.CLIENT, b"pb")

    def say(self, side: Side, expression: Any, at: float = 0.0) -> list[Verdict]:
        return self.feed([Chunk(at, self._connection, side, encode(expression, PB))])

    def happened(self, kind: str, by: Side | None = None, detail: str = "", at: float = 0.0) -> list[Verdict]:
        return self.feed([LinkEvent(at, self._connection, kind, by, detail)])

    def call(
        self, side: Side, target: Any, method: bytes, *args: Any, at: float = 0.0, raw: Any = None, **kwargs: Any
    ) -> list[Verdict]:
        """*side* calls a method; *raw* stands for the arguments if there is one."""
        self._requests[side] += 1
        named = [[[b"unicode", key.encode()], value] for key, value in kwargs.items()]
        given = [b"tuple", *args] if raw is None else raw
        return self.say(side, [b"message", self._requests[side], target, method, 1, given, [b"dictionary", *named]], at)

    def answer(self, side: Side, result: Any = None, at: float = 0.0) -> list[Verdict]:
        """*side* answers the last call of the other."""
        return self.say(side, [b"answer", self._requests[side.other], [b"None"] if result is None else result], at)

    def refuse(self, side: Side, kind: bytes, text: bytes, at: float = 0.0) -> list[Verdict]:
        """*side* answers the last call of the other with a failure."""
        failure = [b"twisted.spread.pb.CopyableFailure", [b"dictionary", [b"type", kind], [b"value", text]]]
        return self.say(side, [b"error", self._requests[side.other], failure], at)
