"""What was traced last, to be looked at again: all that was said, and the bytes it came in, within bounds.

Knows wire values and numbers, and no live object; shows nothing, and reads and writes no file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from pbshell.trace import Conversation, Dissection
from pbshell.wire.chunk import Chunk, Piece

if TYPE_CHECKING:
    from pbshell.workbench.traffic.tracer import Tracer
    from pbshell.workbench.workbench import Workbench

__all__ = ["Forgotten", "Frame", "Memory", "Past"]

#: Something that was said, and its connection: the names of what was lent, who is logged in, what it is called.
Frame: TypeAlias = tuple[Dissection, Conversation]

#: what is remembered at most: frames, bytes of frames as they were on the wire, and bytes of pieces
FRAMES, SAID, BYTES = 20_000, 16 << 20, 16 << 20
#: pieces are forgotten in so many parts, and what a piece takes besides its bytes
_PARTS, _PIECE = 8, 100


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What is not remembered any more: so many *frames*, and so many *bytes* of the pieces that they came in."""

    frames: int
    bytes: int


@dataclass(slots=True)
class _Part:
    """Pieces in a row, behind *begin*, which says how the books stood. Its first piece comes before frame *first*."""

    first: int
    begin: tuple[Piece, ...]
    pieces: list[Piece] = field(default_factory=list)
    taken: int = 0
    bytes: int = 0


class Past:
    """Remembers what *tracer* is given, the last of it when it is more than the bounds allow.

    *frames* bounds what was said by its count, *said* by its bytes on the wire, *size* the bytes of the pieces.
    """

    def __init__(self, tracer: Tracer, *, frames: int = FRAMES, said: int = SAID, size: int = BYTES) -> None:
        self._tracer = tracer
        self._most, self._said, self._size = frames, said, size
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._parts: deque[_Part] = deque()
        self._taken = 0
        self._next = 1
        self._gone = [0, 0]
        tracer.tapped.append(self._piece)
        tracer.watchers.append(self._see)

    def __len__(self) -> int:
        """How many frames are remembered."""
        return len(self._frames)

    @property
    def first(self) -> int:
        """The number of the first frame that is remembered; 0 if there is none."""
        return self._frames[0][0].number if self._frames else 0

    @property
    def latest(self) -> int:
        """The number of the last frame that there was; 0 if there was none."""
        return self._next - 1

    @property
    def forgotten(self) -> Forgotten:
        """What was forgotten."""
        return Forgotten(*self._gone)

    def get(self, number: int) -> Frame | None:
        """The frame of this *number* and its connection; None if it is not remembered."""
        index = number - self.first
        return self._frames[index] if self._frames and 0 <= index < len(self._frames) else None

    def between(self, first: int, last: int) -> list[Frame]:
        """The frames from number *first* to *last*, both included, as far as they are remembered."""
        begin = max(first - self.first, 0)
        return list(islice(self._frames, begin, max(last - self.first + 1, begin)))

    def last(self, count: int) -> list[Frame]:
        """The last *count* frames, the oldest first."""
        return self.between(self.latest - count + 1, self.latest) if count > 0 else []

    def frames(self) -> Iterator[Frame]:
        """All that are remembered, the oldest first."""
        return iter(list(self._frames))

    def backwards(self) -> Iterator[Frame]:
        """All that are remembered, the latest first. To be used up before anything more is said."""
        return reversed(self._frames)

    @property
    def numbered(self) -> int:
        """The number of the first dissection of `pieces`: what a Dissector is to be told, so that it numbers alike."""
        if not self._parts:
            return self._next
        part = self._parts[0]
        return part.first - sum(not isinstance(piece, Chunk) for piece in part.begin)

    def pieces(self) -> Iterator[Piece]:
        """The pieces that are remembered. Where their beginning is forgotten, seeds say how the books stood then."""
        parts = list(self._parts)
        if parts:
            yield from parts[0].begin
        for part in parts:
            yield from list(part.pieces)

    def clear(self) -> None:
        """Forget everything."""
        self._gone[0] += len(self._frames)
        self._gone[1] += sum(part.bytes for part in self._parts)
        self._frames.clear()
        self._parts.clear()
        self._bytes = self._taken = 0

    # ------------------------------------------------------------------------------------ what the tracer tells

    def _see(self, dissection: Dissection, conversation: Conversation) -> None:
        frames = self._frames
        frames.append((dissection, conversation))
        self._next = dissection.number + 1
        self._bytes += dissection.size
        while len(frames) > self._most or (self._bytes > self._said and len(frames) > 1):
            self._bytes -= frames.popleft()[0].size
            self._gone[0] += 1

    def _piece(self, piece: Piece) -> None:
        parts = self._parts
        if not parts or parts[-1].taken > self._size // _PARTS:
            # All that came before is dissected, so that the books are as they were before this piece.
            open_ones = list(self._tracer.dissector.connections.items())
            begin = (each.resumed(piece.at) for number, each in open_ones if number in self._tracer.open)
            parts.append(_Part(self._next, tuple(piece for pieces in begin for piece in pieces)))
        part = parts[-1]
        part.pieces.append(piece)
        size = len(piece.data) if type(piece) is Chunk else 0
        part.bytes += size
        part.taken += size + _PIECE
        self._taken += size + _PIECE
        while self._taken > self._size and len(parts) > 1:
            old = parts.popleft()
            self._taken -= old.taken
            self._gone[1] += old.bytes


class Memory(Past):
    """What the tracer of *bench* has seen last."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench.tracer)
