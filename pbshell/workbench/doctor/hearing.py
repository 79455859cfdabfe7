"""What a server says in PB's handshake, and when. Knows the traffic by its tap; says nothing itself."""

from __future__ import annotations

import asyncio

from pbshell.trace.dissector import Dissector, Offer
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from pbshell.wire.verbs import Version

__all__ = ["Heard", "is_offer"]

#: bytes of a server's first words that are kept
_WORDS = 256
#: what a PB server's first words begin with: the length of a short list, and that it is one
_LIST, _SHORT = 0x80, 16


class Heard:
    """When which side said what: times are in seconds on the link's clock, None for what was not said.

    *opened* is the connection (with TLS, when that is there), *offered* the server's *dialects*, *chosen* our answer,
    *answered* the server's *version*. *words* is how the server began, *news* is set when there is an answer, or the
    end.
    """

    def __init__(self) -> None:
        self._dissector = Dissector()
        self.opened: float | None = None
        self.offered: float | None = None
        self.chosen: float | None = None
        self.answered: float | None = None
        self.dialects: tuple[bytes, ...] = ()
        self.version: float | None = None
        self.words = b""
        self.news = asyncio.Event()

    def tap(self, piece: Piece) -> None:
        """Take a piece of the traffic."""
        if isinstance(piece, Chunk) and piece.sender is Side.SERVER:
            self.words = (self.words + piece.data)[:_WORDS]
        for each in self._dissector.feed(piece):
            what = each.what
            if isinstance(what, LinkEvent) and what.kind == "opened":
                self.opened = each.at
            elif isinstance(what, LinkEvent) and what.kind == "closed":
                self.news.set()
            elif isinstance(what, Offer):
                self.offered, self.dialects = each.at, what.dialects
            elif isinstance(what, Version) and each.sender is Side.SERVER:
                if self.answered is None:
                    self.answered, self.version = each.at, what.number
                self.news.set()
            elif isinstance(what, Version) and self.chosen is None:
                self.chosen = each.at


def is_offer(words: bytes) -> bool:
    """Whether a server that begins so offers dialects of PB: with a short list."""
    return len(words) > 1 and words[1] == _LIST and words[0] < _SHORT
