"""The recordings of real Twisted conversations, as chunks. Knows their files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from pbshell.trace import Conversation, Dissection, Dissector
from pbshell.wire.chunk import Chunk, Piece, Side

FOLDER = Path(__file__).parent.parent / "conformance" / "data" / "sessions"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
_SIDES = {"c2s": Side.CLIENT, "s2c": Side.SERVER}


class Formatter(Protocol):
    """What makes lines of a trace."""

    def header(self) -> str: ...
    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]: ...
    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]: ...
    def finish(self, now: float) -> list[str]: ...


def chunks(name: str) -> list[Chunk]:
    """The recording *name*, a millisecond between its entries."""
    entries = json.loads((FOLDER / f"{name}.json").read_text())["entries"]
    return [
        Chunk(number / 1000, 1, _SIDES[entry["dir"]], bytes.fromhex(entry["hex"]))
        for number, entry in enumerate(entries)
    ]


def byte_by_byte(pieces: list[Chunk]) -> list[Chunk]:
    """The same bytes, each in a chunk of its own."""
    return [Chunk(piece.at, piece.connection, piece.sender, bytes([byte])) for piece in pieces for byte in piece.data]


def dissect(pieces: Iterable[Piece], dissector: Dissector | None = None) -> list[Dissection]:
    """All that *pieces* say."""
    dissector = dissector or Dissector()
    return [found for piece in pieces for found in dissector.feed(piece)]


def lines(pieces: Iterable[Piece], formatter: Formatter, dissector: Dissector | None = None) -> list[str]:
    """What *formatter* makes of *pieces*: its header, if it has one, and its lines, as a trace shows them."""
    dissector = dissector or Dissector()
    shown = [formatter.header()] if formatter.header() else []
    at = 0.0
    for piece in pieces:
        at = piece.at
        shown += formatter.tick(at, list(dissector.connections.values()))
        for found in dissector.feed(piece):
            shown += formatter.see(found, dissector.connections[found.connection])
    for found in dissector.finish(at):
        shown += formatter.see(found, dissector.connections[found.connection])
    return shown + formatter.finish(at)
