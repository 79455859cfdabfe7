"""Frames that are to be looked at: lists of them, one in full, a chart, two side by side. Data; draws nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbshell.errors import UsageError
from pbshell.trace import Dissection, Dissector
from pbshell.trace.explain import duration
from pbshell.trace.forms.jsonlines import Json
from pbshell.trace.forms.sequence import Sequence
from pbshell.trace.masking import Masker
from pbshell.trace.studies.births import first_difference
from pbshell.trace.studies.diff import Difference, Recorded, differences
from pbshell.trace.studies.stats import Row
from pbshell.trace.values import failure, spell
from pbshell.wire.chunk import Chunk, LinkEvent, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, CacheMessage, ErrorAnswer, Message

if TYPE_CHECKING:
    from pbshell.workbench.traffic.memory import Frame
    from pbshell.workbench.traffic.sources import Source

__all__ = [
    "CallDifference",
    "Chart",
    "FileDifferences",
    "Frames",
    "Shown",
    "Statistics",
    "bytes_of",
    "chart",
    "compare_calls",
    "compare_files",
]

#: characters of a value that is compared, and of a target with its method
_VALUE, _CALL = 400, 200


@dataclass(frozen=True, slots=True)
class Frames:
    """*frames*, the oldest first. *zero* is when their clock was 0, in seconds since 1970, if that is known.

    *about* is a sentence about what is missing, or about all of them; *empty* is the word for none.
    """

    frames: tuple[Frame, ...]
    zero: float | None
    about: str = ""
    empty: str = "no frames"

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each frame, see docs/reference/trace-json.md."""
        return (_object(frame, self.zero) for frame in self.frames)


@dataclass(frozen=True, slots=True)
class Shown:
    """One *frame*, as a *form* of full, hex or tree. *data* are its bytes, with secrets covered; None if forgotten."""

    frame: Frame
    form: str
    zero: float | None
    data: bytes | None = None

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object, see docs/reference/trace-json.md; with its bytes as ``hex`` if they were asked for."""
        found = _object(self.frame, self.zero)
        yield found if self.data is None else {**found, "hex": self.data.hex()}


@dataclass(frozen=True, slots=True)
class Chart:
    """A diagram for mermaid, a line each."""

    lines: tuple[str, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object with all of it."""
        yield {"kind": "seq", "text": "\n".join(self.lines)}


@dataclass(frozen=True, slots=True)
class CallDifference:
    """*what* differs between two calls: *a* in the first, *b* in the second; *where* is the first place in a value."""

    what: str
    a: str
    b: str
    where: str


@dataclass(frozen=True, slots=True)
class FileDifferences:
    """What differs between the calls of two captures; *calls* is how many each of them has."""

    differences: tuple[Difference, ...]
    calls: tuple[int, int]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each difference."""
        for each in self.differences:
            row = {name: getattr(each, name) for name in each.__slots__}
            yield {"kind": "difference", "about": row.pop("kind"), **row, "sender": each.sender.value}


@dataclass(frozen=True, slots=True)
class Statistics:
    """Calls *by* method, peer, object or user; *missing* is a sentence about those that are not counted."""

    by: str
    rows: tuple[Row, ...]
    missing: str = ""

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each row."""
        for row in self.rows:
            yield {"kind": "statistics", "by": self.by, **{name: getattr(row, name) for name in row.__slots__}}


def _object(frame: Frame, zero: float | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Json(None, "rel", zero).see(*frame)[0])
    return found


def chart(frames: list[Frame]) -> Chart:
    """*frames* as a diagram."""
    form = Sequence()
    for frame in frames:
        form.see(*frame)
    return Chart(tuple(form.finish(frames[-1][0].at)))


# ------------------------------------------------------------------------------------------------ bytes


def bytes_of(source: Source, frame: Frame) -> bytes | None:
    """The bytes of *frame*, with the secrets covered that its source covers; None where they are forgotten.

    All that is remembered of its connection is read again for that.
    """
    dissection, conversation = frame
    if isinstance(dissection.what, LinkEvent) or dissection.sender is None:
        return None
    number = dissection.connection
    behind = sum(each.number > dissection.number for each, other in source.past.frames() if other is conversation)
    masker = Masker(source.tracer.dissector.redact)
    dissector = Dissector(redact="off")
    streams = {side: bytearray() for side in Side}
    found: list[Dissection] = []
    pieces = [piece for piece in source.past.pieces() if piece.connection == number]
    covered = [each for piece in pieces for each in masker.feed(piece)] + masker.finish()
    for piece in covered:
        if isinstance(piece, Chunk):
            streams[piece.sender] += piece.data
        found += dissector.feed(piece)
    if source.ended is not None:
        found += dissector.finish(source.ended)
    # From the end, because the beginning may be forgotten.
    if len(found) <= behind:
        return None
    same = found[-1 - behind]
    if same.sender is not dissection.sender or same.size != dissection.size:
        return None
    return bytes(streams[dissection.sender][same.offset : same.offset + same.size])


# ------------------------------------------------------------------------------------------------ differences


def compare_calls(source: Source, one: Frame, other: Frame) -> list[CallDifference]:
    """What differs between two calls, and between their answers."""
    a, b = _facts(source, one), _facts(source, other)
    rows = []
    for what in a:
        if a[what][0] != b[what][0]:
            where = _where(what, a[what][1], b[what][1], one[0].sender or Side.CLIENT)
            rows.append(CallDifference(what, a[what][0] or "-", b[what][0] or "-", where))
    return rows


def _facts(source: Source, frame: Frame) -> dict[str, tuple[str, Any]]:
    """What a call says, by what it is: as text, and as the value where there is one to be looked into."""
    call, conversation = frame
    what = call.what
    assert isinstance(what, (Message, CacheMessage))
    assert call.sender is not None
    answer = _answer(source, call)
    target = "" if call.target is None else (call.target.name or call.target.type or call.target.label)
    said = None if answer is None else answer.what
    outcome, value = "? no answer", None
    if isinstance(said, Answer):
        outcome, value = f"= {spell(said.result, call.sender.other, _VALUE)}", said.result
    elif isinstance(said, ErrorAnswer):
        outcome = f"! {failure(said.failure, call.sender.other, _VALUE)}"
    return {
        "caller": (call.sender.value, None),
        "user": (conversation.user, None),
        "object": (visible(target, _CALL), None),
        "method": (visible(what.method, _CALL), None),
        "arguments": (spell(what.args, call.sender, _VALUE), what.args),
        "keywords": (spell(what.kwargs, call.sender, _VALUE), what.kwargs),
        "result": (visible(outcome), value),
        "took": ("" if answer is None or answer.elapsed is None else duration(answer.elapsed), None),
        "size": (f"{call.size + (0 if answer is None else answer.size):,} B", None),
    }


def _where(what: str, a: Any, b: Any, sender: Side) -> str:
    if a is None or b is None:
        return ""
    return first_difference(a, b, sender.other if what == "result" else sender)


def _answer(source: Source, call: Dissection) -> Dissection | None:
    return next((each for each, _ in source.past.frames() if each.call is call), None)


def compare_files(a: str, b: str) -> FileDifferences:
    """What differs between two captures. Raises UsageError, CaptureError."""
    from pbshell.workbench.traffic.captures import read  # noqa: PLC0415 (nobody else needs it)

    both = []
    for path in (a, b):
        recorded = Recorded()
        # Files that were saved with other secrets covered are alike where all of them are.
        reading = read(path, recorded.see, redact="strict")
        if reading.damage:
            raise UsageError(reading.damage)
        both.append(recorded)
    return FileDifferences(tuple(differences(both[0], both[1])), (both[0].count, both[1].count))
