"""Backlog: a tap that keeps its pieces while there is traffic, and delivers them when there is less. Knows their size.

Whoever looks at what a relay carries competes with it, and with the two programs, for the processors. What is kept
until they pause costs the traffic next to nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side

__all__ = ["MOST", "Backlog"]

#: Bytes that may wait before what comes is left out.
MOST = 64 * 1024 * 1024

#: Seconds between two looks; without a new piece in between, the traffic pauses.
QUIET = 0.02

#: Seconds that a piece waits at most for that pause.
PATIENCE = 0.25

#: Pieces and bytes of one delivery: few enough that it does not hold up the loop.
PIECES, BYTES = 256, 256 * 1024

#: Bytes that a piece takes beyond its data.
_OVERHEAD = 200

#: What a chunk is made of.
_Bare: TypeAlias = tuple[float, int, Side, bytes]


class Backlog:
    """Give it to a relay as its tap: *deliver* gets what comes, in order, in lists.

    When more than *most* bytes wait, because they are not taken, chunks are left out and told as gaps, until half of
    that is taken; *tell* is called with one line about it. Link events are never left out.
    """

    def __init__(
        self,
        deliver: Callable[[list[Piece]], None],
        *,
        most: int = MOST,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._deliver = deliver
        self._most = most
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[Piece | _Bare] = deque()
        self._size = 0
        self._came = 0  # pieces, so far
        self._seen = 0  # of these, at the last look
        self._since = 0.0  # when the first of those that wait came
        self._scheduled = False
        self._held = False
        self._full = False
        self._missing: dict[tuple[int, Side], int] = {}  # bytes that were left out

    def __call__(self, piece: Piece) -> None:
        """Keep *piece*, for a moment."""
        if self._full or self._missing:
            self._make_do(piece)
        else:
            self._keep(piece)

    def carried(self, at: float, connection: int, sender: Side, data: bytes) -> None:
        """The same for the Chunk of these, which is made later."""
        if self._full or self._missing:
            self._make_do(Chunk(at, connection, sender, data))
        else:
            self._pieces.append((at, connection, sender, data))
            self._came += 1
            self._size += len(data) + _OVERHEAD
            if self._size > self._most:
                self._fill()
            if not self._scheduled:
                self._schedule()

    def hold(self) -> None:
        """Deliver nothing until `go`: whoever takes it is busy."""
        self._held = True

    def go(self) -> None:
        """Deliver again."""
        self._held = False
        self._schedule()

    def flush(self) -> None:
        """Deliver all that waits, now."""
        while self._pieces:
            self._deliver_some()

    # ------------------------------------------------------------------------------------ in

    def _keep(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._came += 1
        self._size += _size(piece)
        if self._size > self._most:
            self._fill()
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and not self._held and self._pieces:
            self._scheduled = True
            self._seen = self._came
            self._since = self._loop.time()
            self._loop.call_later(QUIET, self._look)

    def _fill(self) -> None:
        if not self._full:
            self._full = True
            if self._tell is not None:
                self._tell(f"{self._size:,} bytes wait to be recorded: what comes is left out until half of it is")

    def _make_do(self, piece: Piece) -> None:
        """Leave *piece* out, or say first what was left out."""
        number = piece.connection
        if isinstance(piece, Chunk):
            if self._full:
                key = number, piece.sender
                self._missing[key] = self._missing.get(key, 0) + len(piece.data)
                return
            self._confess(piece.at, number, piece.sender)
        elif isinstance(piece, LinkEvent) and piece.kind == "closed":
            for side in Side:
                self._confess(piece.at, number, side)
        self._keep(piece)

    def _confess(self, at: float, number: int, side: Side) -> None:
        missing = self._missing.pop((number, side), 0)
        if missing:
            self._keep(LinkEvent(at, number, "gap", side, f"{missing:,} bytes were not recorded, as too many waited"))

    # ------------------------------------------------------------------------------------ out

    def _look(self) -> None:
        """Deliver if there is nothing else to do, or if it is late."""
        if self._came != self._seen and self._loop.time() - self._since < PATIENCE:
            self._seen = self._came
            self._loop.call_later(QUIET, self._look)
        else:
            self._go_on(self._came)

    def _go_on(self, upto: int) -> None:
        """Deliver what had come up to the piece number *upto*, a little in each turn of the loop."""
        if not self._held:
            self._deliver_some()
        if not self._held and self._came - len(self._pieces) < upto:
            self._loop.call_soon(self._go_on, upto)
        else:
            self._scheduled = False
            self._schedule()

    def _deliver_some(self) -> None:
        some: list[Piece] = []
        size = 0
        while self._pieces and len(some) < PIECES and size < BYTES:
            bare = self._pieces.popleft()
            piece = Chunk(*bare) if isinstance(bare, tuple) else bare
            size += _size(piece)
            some.append(piece)
        self._size -= size
        if self._size <= self._most // 2:
            self._full = False
        if some:
            self._deliver(some)


def _size(piece: Piece) -> int:
    return len(piece.data) + _OVERHEAD if isinstance(piece, Chunk) else _OVERHEAD
