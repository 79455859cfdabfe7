"""Captures as files: pieces to lines of JSON and back. Knows the format; knows nothing of what the bytes mean.

What is read is hostile: only CaptureError comes out. Source: docs/reference/capture-format.md.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Self

from pbshell import __version__
from pbshell.errors import CaptureError, UsageError
from pbshell.trace.masking import Masker
from pbshell.trace.redact import LEVELS
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import is_luid

if TYPE_CHECKING:
    from pbshell.trace.pcap import Packets

__all__ = ["FORMAT", "Capture", "CaptureWriter", "Header", "open_capture", "read_capture"]

#: The version of the format.
FORMAT = 1

#: bytes of a line, beyond which a file is none of ours, and bytes of a chunk that are written in one line
_LINE, _CHUNK = 16 * 1024 * 1024, 1024 * 1024
#: what waits at most to be written: lines, bytes, and seconds between two pieces
_LINES, _WAITING, _SECONDS = 256, 64 * 1024, 0.2
#: seconds from a capture's clock zero, about a thousand years, within which every time can be written as a date
_AGES = 30_000_000_000
_YEARS = range(1970, 3000)
_CONNECTIONS = 1 << 53
_KINDS = frozenset(("opened", "half_closed", "closed", "stalled", "resumed", "gap"))
_SIDES = {side.value: side for side in Side}
_GZIP = b"\x1f\x8b"


# ------------------------------------------------------------------------------------------------ writing


class CaptureWriter:
    """Writes pieces to a new file at *path*, which only its owner may read, with the secrets of *redaction* covered.

    *began* is the wall time of *clock* (seconds), the present time of the pieces' own clock. *says* explains a piece,
    as it is written, to people who look into the file. Whoever writes need not fear: when the file has grown to
    *size_limit* bytes `full` becomes true, when it cannot be written any more `problem` becomes a sentence, and what
    is written after that is dropped.
    Raises UsageError when there is something at *path* already, or no file can be made there.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        began: datetime,
        clock: float,
        redaction: str = "strict",
        size_limit: int | None = None,
        says: Callable[[Piece], str] | None = None,
    ) -> None:
        self._masker = Masker(redaction)
        self.path = fspath(path)
        #: whether the size limit was reached
        self.full = False
        #: why nothing can be written any more, a sentence; empty while all is well
        self.problem = ""
        #: bytes of the file, with what waits to be written
        self.size = 0
        self._limit = size_limit
        self._says = says
        self._lines: list[str] = []
        self._waiting = 0
        self._at = clock
        self._file: io.FileIO | None = _create(self.path)
        zoned = began if began.tzinfo is not None else began.astimezone()
        header = {"pbt": FORMAT, "began": zoned.isoformat(), "clock": float(clock), "redaction": redaction}
        self._put(json.dumps({**header, "by": f"pbshell {__version__}"}) + "\n")
        self.flush()
        if self.problem:
            raise UsageError(self.problem)

    def write(self, piece: Piece) -> None:
        """Keep *piece*; with its secrets covered that may be later, when its expressions are complete."""
        if self._file is None or self.full:
            return
        for each in self._masker.feed(piece):
            self._add(each)
        if len(self._lines) >= _LINES or self._waiting >= _WAITING or not 0 <= piece.at - self._at < _SECONDS:
            self._at = piece.at
            self.flush()

    def flush(self) -> None:
        """Hand all lines to the system, so that whoever reads along sees them."""
        data = "".join(self._lines).encode("ascii")
        self._lines.clear()
        self._waiting = 0
        try:
            while data and self._file is not None:
                data = data[self._file.write(data) :]
        except (OSError, ValueError) as error:
            self.problem = f"the capture ends here, {_reason(self.path, error, 'written')}"
            self._shut()

    def close(self) -> None:
        """Write what is incomplete, covered, and close the file."""
        if self._file is not None and not self.full:
            for each in self._masker.finish():
                self._add(each)
        self.flush()
        self._shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, piece: Piece) -> None:
        if type(piece) is Chunk and len(piece.data) > _CHUNK:
            for start in range(0, len(piece.data), _CHUNK):
                self._add(replace(piece, data=piece.data[start : start + _CHUNK]))
        elif not self.full:
            says = "" if self._says is None else f', "says": {json.dumps(self._says(piece))}'
            line = f"{_spelled(piece)}{says}}}\n"
            if self._limit is not None and self.size + len(line) > self._limit - _LAST:
                self.full = True
                detail = f"the size limit of {self._limit:,} bytes was reached"
                line = f'{{"at": {float(piece.at)!r}, "c": 0, "kind": "stopped", "detail": {json.dumps(detail)}}}\n'
            self._put(line)

    def _put(self, line: str) -> None:
        self._lines.append(line)
        self._waiting += len(line)
        self.size += len(line)

    def _shut(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self.problem = f"the capture may be incomplete, {_reason(self.path, error, 'closed')}"


#: bytes that the last line may take, which says that the file is full
_LAST = 160


def _create(path: str) -> io.FileIO:
    # Exclusive creation follows no symlink either, whatever it points to.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        return io.FileIO(os.open(path, flags, 0o600), "w")
    except FileExistsError:
        raise UsageError(
            f"{visible(path)} exists, and a capture never replaces a file: give another name, or remove that first"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(_reason(path, error, "made")) from None


def _reason(path: str, error: OSError | ValueError, done: str) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = ": make room, or capture with a size limit" if getattr(error, "errno", None) == errno.ENOSPC else ""
    return f"{visible(path)} cannot be {done} ({visible(why)}){hint}"


def _spelled(piece: Piece) -> str:
    """*piece* as an object of JSON, but for its last brace."""
    begin = f'{{"at": {float(piece.at)!r}, "c": {piece.connection}, '
    if type(piece) is Chunk:
        return f'{begin}"by": "{piece.sender.value}", "hex": "{piece.data.hex()}"'
    if type(piece) is LinkEvent:
        by = "null" if piece.by is None else f'"{piece.by.value}"'
        return f'{begin}"kind": {json.dumps(piece.kind)}, "by": {by}, "detail": {json.dumps(piece.detail)}'
    assert type(piece) is Seed
    rest = {
        "kind": "seed",
        "dialect": None if piece.dialect is None else piece.dialect.decode("latin-1"),
        "begun": [side.value for side in piece.begun],
        "lent": [
            {
                "by": each.owner.value,
                "luid": _spell_id(each.luid),
                "count": each.count,
                "what": each.what,
                "cache": each.cache,
            }
            for each in piece.lent
        ],
        "awaited": [
            {"by": each.caller.value, "request": _spell_id(each.request), "method": each.method}
            for each in piece.awaited
        ],
    }
    return begin + json.dumps(rest)[1:-1]


def _spell_id(value: float | bytes) -> str:
    """A luid or a request as text: one letter for what it is, and the value."""
    if type(value) is bytes:
        return f"b{value.hex()}"
    return f"{'i' if type(value) is int else 'f'}{value!r}"


# ------------------------------------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line of a capture says.

    *began* is the wall time of *clock* (seconds), *redaction* what is covered, one of off, auth and strict, and *by*
    the program that has written it.
    """

    began: datetime
    clock: float
    redaction: str
    by: str = ""

    def wall(self, at: float) -> datetime:
        """The wall time of *at* (seconds), which is a time in the same capture."""
        return self.began + timedelta(seconds=at - self.clock)


class Capture:
    """The pieces in a file of ours, one at a time, as the file is read from where it stands; it may be a pipe.

    Iterating raises CaptureError, with the line, at the first line that is not as it should be.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._lines = _lines(file)
        self.header = _header(self._lines)
        #: The time of zero in seconds since 1970.
        self.began = self.header.began.timestamp() - self.header.clock
        #: Where and why the capture ends before its time, a sentence; empty if it does not, or not yet.
        self.truncated = ""
        #: What is left out, a sentence each.
        self.notes: list[str] = []
        self._pieces = self._read()

    def __iter__(self) -> Iterator[Piece]:
        return self._pieces

    def _read(self) -> Iterator[Piece]:
        strange = 0
        for number, line in self._lines:
            if line.isspace():
                continue
            try:
                record = _object(line)
            except ValueError as error:
                if not line.endswith(b"\n"):
                    self.truncated = f"the file is cut off in line {number:,}; all before it has been read"
                    break
                raise CaptureError(f"this is no JSON object ({error})", line=number) from None
            try:
                if record.get("kind") == "stopped":
                    why = visible(_text(record, "detail"), 200)
                    self.truncated = f"the capture was stopped: {why or 'nobody says why'}"
                    continue
                piece = _piece(record, self.header.clock)
            except ValueError as error:
                raise CaptureError(str(error), line=number) from None
            if piece is None:
                strange += 1
                self.notes[:] = [f"lines of a kind that this version does not know were left out: {strange:,}"]
            else:
                yield piece


def read_capture(file: BinaryIO) -> Capture:
    """The capture in *file*, whose first line is read at once.

    Raises CaptureError when it is none, or of another version.
    """
    return Capture(file)


@contextmanager
def open_capture(
    source: str | PathLike[str] | BinaryIO, *, ports: Collection[int] = (), hosts: Collection[str] = ()
) -> Iterator[Capture | Packets]:
    """The capture in a file, ours or one of tcpdump or Wireshark, closed at the end if *source* is its path.

    *ports* and *hosts* (addresses) choose connections of the latter. Raises CaptureError for a file that cannot be
    opened or is neither.
    """
    if not isinstance(source, str | PathLike):
        yield _sniffed(source, "what was given", ports, hosts)
        return
    path = fspath(source)
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - what the caller's own code raises is not ours to explain
    except (OSError, ValueError) as error:
        raise CaptureError(_reason(path, error, "opened")) from None
    with file:
        yield _sniffed(file, visible(path), ports, hosts)


def _sniffed(file: BinaryIO, name: str, ports: Collection[int], hosts: Collection[str]) -> Capture | Packets:
    from pbshell.trace.pcap import Packets, is_pcap  # noqa: PLC0415 - nobody else needs it

    try:
        # From a pipe they may come one by one.
        head = file.read(1)
        head += file.read(3) if head not in (b"", b"{") else b""
    except (OSError, ValueError) as error:
        raise CaptureError(_reason(name, error, "read")) from None
    whole: Any = io.BufferedReader(_Joined(head, file))
    if head == b"{":
        return Capture(whole)
    if is_pcap(head):
        return Packets(whole, ports=ports, hosts=hosts)
    if not head:
        raise CaptureError(f"{name} is empty: nothing was captured, or nothing has been written yet")
    if head.startswith(_GZIP):
        raise CaptureError(f"{name} is compressed: read it as `gunzip -c FILE | pbshell trace read -`")
    raise CaptureError(
        f"{name} is no capture: it begins with {brief(head)}, and a capture of pbshell begins with '{{\"pbt\"', "
        "one of tcpdump or Wireshark with the mark of pcap or pcapng"
    )


class _Joined(io.RawIOBase):
    """*head*, then the rest of *file*: what has been read from a pipe cannot be put back."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            # What is there, without waiting for more.
            read: Callable[[int], bytes] = getattr(self._file, "read1", self._file.read)
            data = read(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, the last one perhaps without its end."""
    number = 1
    while True:
        try:
            line = file.readline(_LINE + 1)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CaptureError(f"the file cannot be read on ({visible(why)})", line=number) from None
        if not line:
            return
        if len(line) > _LINE:
            raise CaptureError(f"longer than {_LINE:,} bytes, which no line of a capture is", line=number)
        yield number, line
        number += 1


def _header(lines: Iterator[tuple[int, bytes]]) -> Header:
    number, line = next(lines, (1, b""))
    try:
        record = _object(line)
    except ValueError as error:
        if not line.endswith(b"\n"):
            why = "the file ends in its first line: nothing has been captured, or nothing has been written yet"
            raise CaptureError(why, line=number) from None
        raise CaptureError(f"no capture of pbshell: its first line is no JSON object ({error})", line=number) from None
    version = record.get("pbt")
    if type(version) is not int or version < 1:
        raise CaptureError('no capture of pbshell: its first line has no version under "pbt"', line=number)
    if version > FORMAT:
        raise CaptureError(
            f"the capture is of version {brief(version)}, and this pbshell ({__version__}) reads version {FORMAT}: "
            "take a newer pbshell",
            line=number,
        )
    try:
        began = datetime.fromisoformat(_text(record, "began"))
        if began.tzinfo is None or began.year not in _YEARS:
            raise ValueError
    except ValueError:
        wanted = "a date and time with its zone, as 2026-01-31T12:00:00+00:00"
        raise CaptureError(f'"began" is {brief(record.get("began"))} instead of {wanted}', line=number) from None
    try:
        clock = _number(record, "clock", 0.0)
        redaction = _text(record, "redaction")
        if redaction not in LEVELS:
            _wrong(record, "redaction", f"one of {', '.join(LEVELS)}")
        return Header(began, clock, redaction, _text(record, "by"))
    except ValueError as error:
        raise CaptureError(str(error), line=number) from None


# From here on what is wrong is a ValueError, whose text says it.


def _object(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode(), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.removesuffix(' at')} at column {error.colno:,}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if type(record) is not dict:
        raise ValueError("it is something else")
    return record


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _piece(record: dict[str, Any], clock: float) -> Piece | None:
    """The piece that *record* is; None for a kind that another version may know."""
    at = _number(record, "at", clock)
    connection = _count(record, "c", _CONNECTIONS)
    if "hex" in record:
        sender = _side(record, "by")
        try:
            return Chunk(at, connection, sender, bytes.fromhex(_text(record, "hex")))
        except ValueError:
            _wrong(record, "hex", "bytes, two hexadecimal digits each")
    kind = _text(record, "kind")
    if kind == "seed":
        return _seed(record, at, connection)
    if kind in _KINDS:
        by = None if record.get("by") is None else _side(record, "by")
        return LinkEvent(at, connection, kind, by, _text(record, "detail"))
    if not kind:
        raise ValueError('this is no piece of a capture: it has neither "hex" nor "kind"')
    return None


def _seed(record: dict[str, Any], at: float, connection: int) -> Seed:
    dialect = None if record.get("dialect") is None else _text(record, "dialect").encode("latin-1", "replace")
    begun = tuple(_side({"begun": name}, "begun") for name in _list(record, "begun"))
    lent = tuple(
        Seeded(
            _side(each, "by"),
            _id(each, "luid"),
            _count(each, "count", _CONNECTIONS),
            _text(each, "what"),
            each.get("cache") is True,
        )
        for each in map(_record, _list(record, "lent"))
        if is_luid(_id(each, "luid"))
    )
    awaited = tuple(
        Awaited(_side(each, "by"), _id(each, "request"), _text(each, "method"))
        for each in map(_record, _list(record, "awaited"))
        if is_luid(_id(each, "request"))
    )
    return Seed(at, connection, dialect, begun, lent, awaited)


def _wrong(record: dict[str, Any], key: str, wanted: str) -> NoReturn:
    found = brief(record[key]) if key in record else "missing"
    raise ValueError(f'"{key}" is {found} instead of {wanted}')


def _number(record: dict[str, Any], key: str, clock: float) -> float:
    """The time under *key*, which is not too far from *clock*."""
    value = record.get(key)
    # The first comparison keeps integers away that no float can hold.
    if (type(value) is int or type(value) is float) and abs(value) <= 2 * _AGES and abs(value - clock) <= _AGES:
        return float(value)
    _wrong(record, key, "seconds")


def _count(record: dict[str, Any], key: str, most: int) -> int:
    value = record.get(key)
    if type(value) is int and 0 <= value < most:
        return value
    _wrong(record, key, f"a whole number below {most:,}")


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key, "")
    if type(value) is not str:
        _wrong(record, key, "a text")
    # JSON can spell half a character, which nobody can encode.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _side(record: dict[str, Any], key: str) -> Side:
    side = _SIDES.get(_text(record, key))
    if side is None:
        _wrong(record, key, "client or server")
    return side


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key, [])
    if type(value) is list:
        return value
    _wrong(record, key, "a list")


def _record(value: object) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise ValueError(f"{brief(value)} stands where an object is due")


def _id(record: dict[str, Any], key: str) -> int | float | bytes:
    text = _text(record, key)
    try:
        return _IDS[text[:1]](text[1:])
    except (KeyError, ValueError):
        _wrong(record, key, "i, f or b and a whole number, a number or hexadecimal bytes")


_IDS: dict[str, Callable[[str], int | float | bytes]] = {"i": int, "f": float, "b": bytes.fromhex}
