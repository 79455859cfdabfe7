"""What the commands about frames look at: what our connections have said, or a capture that somebody has loaded.

Knows how a capture is read without holding up the connections; shows nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbshell.errors import CaptureError, UsageError
from pbshell.trace import Conversation
from pbshell.trace.explainers import Explainers
from pbshell.wire.text import visible
from pbshell.workbench.books.inspection import clock
from pbshell.workbench.traffic.memory import Memory, Past
from pbshell.workbench.traffic.showing import zero
from pbshell.workbench.traffic.tracer import Tracer

if TYPE_CHECKING:
    from pbshell.trace.verdict import Verdict
    from pbshell.workbench.workbench import Workbench

__all__ = ["Source", "Sources"]

#: what is kept of a file: frames, bytes of frames, and bytes of pieces
_FRAMES, _SAID, _BYTES = 200_000, 64 << 20, 64 << 20
#: seconds that are spent on a file before the connections have their turn
_TURN = 0.02
#: seconds since 1970 until the year 3000: what packets tell of later times is no time that could be written
_AGES = 32_503_680_000


@dataclass(slots=True)
class Source:
    """Frames that can be looked at: those in *past*, which *tracer* explains.

    *name* is that of a file, empty for our own connections. *began* is when their clock was 0, in seconds since 1970,
    None where nobody knows. *ended* is when a capture ends (seconds), None for what goes on. *notes* are sentences
    about what is missing in a file.
    """

    name: str
    tracer: Tracer
    past: Past
    began: float | None = None
    ended: float | None = None
    notes: tuple[str, ...] = field(default=())

    def alive(self) -> list[Conversation]:
        """The connections that have not ended."""
        tracer = self.tracer
        return [each for number, each in tracer.dissector.connections.items() if number in tracer.open]

    def conversations(self) -> list[Conversation]:
        """All connections that are known, in the order of their numbers."""
        found = {id(each): each for _, each in self.past.frames()}
        found |= {id(each): each for each in self.alive()}
        return sorted(found.values(), key=lambda each: each.number)

    def why(self, now: float) -> list[Verdict]:
        """What is wrong at *now* (seconds), or was at the end of a capture; the worst first."""
        return self.tracer.why(self.ended if self.ended is not None else now)

    @property
    def missing(self) -> str:
        """What is not remembered any more, a sentence; empty if all is."""
        gone = self.past.forgotten.frames
        frames = "frame is" if gone == 1 else "frames are"
        return f"the first {gone:,} {frames} not remembered any more" if gone else ""


class Sources:
    """What the commands of *bench* look at."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        #: the capture that was loaded
        self.loaded: Source | None = None

    @property
    def live(self) -> Source:
        """What our own connections have said."""
        return Source("", self._bench.tracer, self._bench.part(Memory), zero())

    @property
    def current(self) -> Source:
        """What is looked at."""
        return self.loaded or self.live

    @property
    def now(self) -> float:
        """The present on the clock of what is looked at (seconds)."""
        if self.loaded is not None and self.loaded.ended is not None:
            return self.loaded.ended
        return clock(self._bench)

    async def load(self, path: str) -> Source:
        """Look at the capture at *path* from now on. Raises UsageError."""
        from pbshell.workbench.traffic.captures import name_of, opened, told  # noqa: PLC0415 (nobody else needs it)

        redact = self._bench.tracer.dissector.redact
        tracer = Tracer(redact=redact, explainers=Explainers.load(tell=self._bench.say))
        past = Past(tracer, frames=_FRAMES, said=_SAID, size=_BYTES)
        notes: list[str] = []
        loop = asyncio.get_running_loop()
        try:
            with opened(path) as capture:
                turn = loop.time() + _TURN
                try:
                    for piece in capture:
                        tracer.tap(piece)
                        if loop.time() > turn:
                            await asyncio.sleep(0)
                            turn = loop.time() + _TURN
                except CaptureError as error:
                    notes.append(told(error, name_of(path)))
                began = capture.began if 0 < capture.began < _AGES else None
                notes += [visible(note, 300) for note in (*capture.notes, capture.truncated) if note]
        except CaptureError as error:
            raise UsageError(str(error)) from None
        tracer.finish()
        if not len(past):
            raise UsageError(f"there is nothing in {name_of(path)} that could be explained")
        self.loaded = Source(name_of(path), tracer, past, began, tracer.now, tuple(notes))
        return self.loaded
