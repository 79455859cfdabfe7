"""A capture file read to its end: dissected, explained, judged. Knows the order of the steps; shows nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from pbshell.errors import CaptureError
from pbshell.trace.capture import Capture, open_capture
from pbshell.trace.dissector import Conversation, Dissection, Dissector
from pbshell.trace.explainers import Explainers
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Piece
from pbshell.wire.text import visible
from pbshell.workbench.traffic.verdicts import Verdicts

if TYPE_CHECKING:
    from pbshell.trace.pcap import Packets

__all__ = ["Each", "Progress", "Reading", "name_of", "opened", "read", "told"]

#: What is done with each dissection.
Each: TypeAlias = Callable[[Dissection, Conversation], object]
#: Told how many bytes of the file have been read, and how many it has.
Progress: TypeAlias = Callable[[int, int], object]

#: verdicts that are remembered
_VERDICTS = 10_000
#: what `open_capture` calls a file whose path it does not know
_NAMELESS = "what was given "


@dataclass(frozen=True, slots=True)
class Reading:
    """A capture that was read.

    *began* is its time zero in seconds since 1970 (0.0: not known), *first* and *last* are the times of its first and
    its last piece in seconds from there. *open* are the connections that had not ended. *notes* are sentences about
    what is missing in the file, and *damage* is one about why it could not be read on, empty if it could.
    """

    name: str
    began: float = 0.0
    first: float = 0.0
    last: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    open: tuple[Conversation, ...] = ()
    notes: tuple[str, ...] = ()
    damage: str = ""


def read(
    path: str | os.PathLike[str] | BinaryIO,
    each: Each,
    *,
    redact: str = "auth",
    ports: Collection[int] = (),
    hosts: Collection[str] = (),
    judged: Callable[[Verdict], object] | None = None,
    explainers: Explainers | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Read the capture at *path*, or an open file, to its end, and call *each* with all that is dissected.

    *judged* is called with each verdict that is certain, when *each* has seen what it rests on. *explainers* are all
    that are installed, if the caller brings none. Raises CaptureError for what is no capture; its text names the file.
    """
    name = name_of(path)
    reader = _Reader(each, redact, judged, explainers if explainers is not None else Explainers.load())
    damage = ""
    with opened(path, ports=ports, hosts=hosts, progress=progress) as capture:
        try:
            for piece in capture:
                reader.take(piece)
        except CaptureError as error:
            damage = told(error, name)
        return Reading(
            name=name,
            began=capture.began,
            first=reader.first if reader.first is not None else 0.0,
            last=reader.now,
            verdicts=tuple(reader.finish()),
            open=tuple(reader.alive()),
            notes=tuple(visible(note, 300) for note in (*capture.notes, capture.truncated) if note),
            damage=damage,
        )


class _Reader:
    """The dissector, and who judges behind it."""

    def __init__(
        self, each: Each, redact: str, judged: Callable[[Verdict], object] | None, explainers: Explainers
    ) -> None:
        self.first: float | None = None
        self.now = 0.0
        self._each = each
        self._judged = judged
        self._dissector = Dissector(redact=redact)
        self._verdicts = Verdicts(explainers, _VERDICTS)

    def take(self, piece: Piece) -> None:
        if self.first is None:
            self.first = self.now = piece.at
        self.now = max(self.now, piece.at)
        for dissection in self._dissector.feed(piece):
            self._see(dissection)

    def finish(self) -> list[Verdict]:
        """All verdicts, as it stands at the end."""
        for dissection in self._dissector.finish(self.now):
            self._see(dissection)
        return self._verdicts.at(self.now, self.alive())

    def alive(self) -> list[Conversation]:
        return list(self._dissector.connections.values())

    def _see(self, dissection: Dissection) -> None:
        conversation = self._dissector.connections[dissection.connection]
        found = self._verdicts.see(dissection, conversation)
        self._each(dissection, conversation)
        if self._judged is not None:
            for verdict in found:
                self._judged(verdict)


@contextmanager
def opened(
    path: str | os.PathLike[str] | BinaryIO,
    *,
    ports: Collection[int] = (),
    hosts: Collection[str] = (),
    progress: Progress | None = None,
) -> Iterator[Capture | Packets]:
    """The capture at *path*, or in an open file. Raises CaptureError, whose text names the file.

    *progress* is called now and then while it is read, if it is a file whose size is known.
    """
    name = name_of(path)
    with ExitStack() as stack:
        file: Any = path
        if isinstance(path, str | os.PathLike):
            file = stack.enter_context(_file(path, name))
            size = os.fstat(file.fileno()).st_size
            if progress is not None and size:
                file = _Watched(file, size, progress)
        try:
            capture = stack.enter_context(open_capture(file, ports=ports, hosts=hosts))
        except CaptureError as error:
            raise CaptureError(told(error, name)) from None
        yield capture


def _file(path: str | os.PathLike[str], name: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CaptureError(f"{name} cannot be opened: {visible(why)}") from None


class _Watched(BufferedIOBase):
    """*file*, and somebody who is told how far it has been read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._done = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._counted(self._file.read(-1 if size is None else size))

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)

    def _counted(self, data: bytes) -> bytes:
        self._done += len(data)
        self._progress(self._done, self._size)
        return data


def name_of(path: str | os.PathLike[str] | BinaryIO) -> str:
    """What a file is called in a sentence."""
    return visible(os.fspath(path), 200) if isinstance(path, str | os.PathLike) else "stdin"


def told(error: CaptureError, name: str) -> str:
    """What is wrong with the file called *name*, in one sentence."""
    text = visible(str(error), 500)
    return f"{name} {text.removeprefix(_NAMELESS)}" if text.startswith(_NAMELESS) else f"{name}, {text}"
