"""Captures as files: what is written comes back, no secret does, and only CaptureError comes out of any file."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import json
import os
import random
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell import __version__
from pbshell.errors import CaptureError, UsageError
from pbshell.trace import Dissector, Undecodable, Unseen
from pbshell.trace.capture import Capture, CaptureWriter, open_capture, read_capture
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from tests.trace.recordings import NAMES, byte_by_byte, chunks

C, S = Side.CLIENT, Side.SERVER
BEGAN = datetime(2026, 11, 20, 8, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))
HEADER = '{"pbt": 1, "began": "2026-11-20T08:30:00.250000+01:00", "clock": 5.0, "redaction": "off", "by": "me"}\n'
OPENED = LinkEvent(5.1, 1, "opened", C, "tcp:127.0.0.1:40000 to tcp:127.0.0.1:8789")
CLOSED = LinkEvent(9.0, 1, "closed", S, "fin")
SEED = Seed(
    5.5,
    2,
    b"pb",
    (C, S),
    (Seeded(S, 3, 2, "demo.Thing"), Seeded(C, 1.5, 1, "", cache=True), Seeded(S, b"a\xff", 1)),
    (Awaited(C, 7, "echo"), Awaited(S, b"\x00", "prínt"), Awaited(C, 0.1)),
)


def write(path: Path, pieces: list[Piece], **options: Any) -> bytes:
    with CaptureWriter(path, **{"began": BEGAN, "clock": 5.0, "redaction": "off", **options}) as writer:
        for piece in pieces:
            writer.write(piece)
    assert not writer.problem
    return path.read_bytes()


def read(data: bytes) -> list[Piece]:
    return list(read_capture(io.BytesIO(data)))


def lines(*records: str) -> bytes:
    return (HEADER + "".join(record + "\n" for record in records)).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.pbt"


# Round trips


def halves(pieces: list[Chunk]) -> list[Chunk]:
    return [
        Chunk(piece.at + offset, piece.connection, piece.sender, data)
        for piece in pieces
        for offset, data in ((0.0, piece.data[: len(piece.data) // 2]), (0.0001, piece.data[len(piece.data) // 2 :]))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_comes_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    whole = [chunk for chunk in chunks(name) if len(chunk.data) < 10_000]
    for number, form in enumerate((chunks(name), halves(whole), byte_by_byte(whole))):
        pieces: list[Piece] = [OPENED, *form, CLOSED]
        assert read(write(tmp_path / f"{number}.pbt", pieces)) == pieces


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_with_its_secrets_covered_explains_identically(name: str, tmp_path: Path) -> None:
    def explained(pieces: list[Piece]) -> list[Any]:
        dissector = Dissector(redact="strict")
        found = [each for piece in pieces for each in dissector.feed(piece)]
        return [(each.sender, each.what, each.size, each.offset) for each in found]

    whole = [chunk for chunk in chunks(name) if len(chunk.data) < 5_000]
    for number, form in enumerate((chunks(name), halves(chunks(name)), byte_by_byte(whole))):
        pieces: list[Piece] = [OPENED, *form, CLOSED]
        for redaction in ("strict", "auth"):
            found = read(write(tmp_path / f"{number}{redaction}.pbt", pieces, redaction=redaction))
            assert explained(found) == explained(pieces)


def test_every_piece_comes_back(path: Path) -> None:
    pieces: list[Piece] = [
        OPENED,
        SEED,
        Seed(5.6, 3, None),
        *(LinkEvent(6.0, 1, kind, by, "détail\n\x1b") for kind in ("stalled", "resumed", "gap") for by in (None, S)),
        Chunk(-1.25, 1, S, b""),
        Chunk(1e9 / 3, 1, C, bytes(range(256))),
        LinkEvent(7.0, 1, "half_closed", C),
        CLOSED,
    ]

    data = write(path, pieces)

    assert read(data) == pieces
    assert data.isascii()


def test_a_long_chunk_is_written_in_more_than_one_line(path: Path) -> None:
    data = random.Random(1).randbytes(2_500_000)

    found = read(write(path, [Chunk(6.0, 1, C, data)]))

    assert b"".join(piece.data for piece in found if isinstance(piece, Chunk)) == data
    assert [len(piece.data) for piece in found if isinstance(piece, Chunk)] == [1 << 20, 1 << 20, 402_848]


def test_the_header_says_when_and_how(path: Path) -> None:
    data = write(path, [], redaction="strict")
    header = read_capture(io.BytesIO(data)).header

    assert json.loads(data) == {
        "pbt": 1,
        "began": "2026-11-20T08:30:00.250000+01:00",
        "clock": 5.0,
        "redaction": "strict",
        "by": f"pbshell {__version__}",
    }
    assert (header.began, header.clock, header.redaction) == (BEGAN, 5.0, "strict")
    assert header.wall(6.5) == BEGAN + timedelta(seconds=1.5)
    assert read_capture(io.BytesIO(data)).began == BEGAN.timestamp() - 5.0


def test_a_time_without_a_zone_is_local_time(path: Path) -> None:
    local = datetime(2026, 11, 20, 8, 30)  # noqa: DTZ001 - that is the point

    assert read_capture(io.BytesIO(write(path, [], began=local))).header.began == local.astimezone(UTC)


def test_what_is_said_for_people_is_made_of_covered_pieces_and_not_read(path: Path) -> None:
    name = "login_chat"
    pieces: Sequence[Piece] = chunks(name)
    seen: list[Piece] = []

    def says(piece: Piece) -> str:
        seen.append(piece)
        return 'a "piece"\n'

    data = write(path, [OPENED, *pieces, SEED], redaction="auth", says=says)

    assert seen == read(data)
    assert seen != [OPENED, *pieces, SEED]
    assert [json.loads(line)["says"] for line in data.splitlines()[1:]] == ['a "piece"\n'] * len(seen)


# Whoever writes


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        write(path, [])
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "symlink", "dangling", "folder"])
def test_a_capture_replaces_nothing_and_follows_no_symlink(path: Path, kind: str) -> None:
    target = path.with_name("target")
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(target)
        if kind == "symlink":
            target.write_text("mine")

    with pytest.raises(UsageError, match=r"x\.pbt exists, and a capture never replaces a file: give another name"):
        write(path, [])

    assert target.exists() == (kind == "symlink")


@pytest.mark.parametrize(("name", "why"), [("no/x.pbt", "No such file or directory"), ("a\0b", "null")])
def test_a_file_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"cannot be made \(.*{why}.*\)$"):
        write(tmp_path / name, [])


def test_a_redaction_that_does_not_exist_makes_no_file(path: Path) -> None:
    with pytest.raises(UsageError, match="no redaction 'all'"):
        write(path, [], redaction="all")

    assert not path.exists()


def test_slow_pieces_reach_the_disk_at_once_and_quick_ones_together(path: Path) -> None:
    with CaptureWriter(path, began=BEGAN, clock=5.0, redaction="off") as writer:

        def lines_there() -> int:
            return path.read_bytes().count(b"\n")

        assert lines_there() == 1
        writer.write(Chunk(6.0, 1, C, b"a"))
        assert lines_there() == 2
        for _ in range(255):
            writer.write(Chunk(6.1, 1, C, b"b"))
        assert lines_there() == 2
        writer.write(Chunk(6.1, 1, C, b"b"))
        assert lines_there() == 258
        writer.write(Chunk(6.1, 1, C, b"c" * 40_000))
        assert lines_there() == 259
        writer.write(Chunk(6.1, 1, C, b"d"))
        writer.flush()
        assert lines_there() == 260
        writer.write(Chunk(6.1, 1, C, b"e"))
        assert writer.size > path.stat().st_size
    assert writer.size == path.stat().st_size


def test_what_is_incomplete_is_written_at_the_end_and_covered(path: Path) -> None:
    name = chunks("login_chat")
    half = Chunk(6.0, 1, C, name[3].data[:40])
    with CaptureWriter(path, began=BEGAN, clock=5.0) as writer:
        begun: list[Piece] = [OPENED, *name[:3], half]
        for piece in begun:
            writer.write(piece)
        writer.flush()
        before = len(read(path.read_bytes()))

    *_, last = read(path.read_bytes())
    assert before == 4
    assert isinstance(last, Chunk)
    assert len(last.data) == len(half.data)
    assert last.data != half.data


@pytest.mark.parametrize("limit", [0, 500, 1000, 5000])
def test_at_its_size_limit_a_capture_stops_and_says_so(path: Path, limit: int) -> None:
    with CaptureWriter(path, began=BEGAN, clock=5.0, redaction="off", size_limit=limit) as writer:
        assert not writer.full
        for _ in range(100):
            writer.write(Chunk(6.0, 1, C, b"hello" * 10))
        assert writer.full

    capture = read_capture(io.BytesIO(path.read_bytes()))
    found = list(capture)
    assert capture.truncated == f"the capture was stopped: the size limit of {limit:,} bytes was reached"
    assert len(found) == {0: 0, 500: 1, 1000: 4, 5000: 32}[limit]
    assert path.stat().st_size <= max(limit, 300)


def test_a_long_chunk_that_does_not_fit_is_kept_as_far_as_it_does(path: Path) -> None:
    data = bytes(4 << 20)

    found = read(write(path, [Chunk(6.0, 1, C, data)], size_limit=5 << 20))

    assert [len(piece.data) for piece in found if isinstance(piece, Chunk)] == [1 << 20, 1 << 20]


class Disk(io.FileIO):
    """A file on a disk that has room for *room* more bytes."""

    room = 0

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = super().write(bytes(data[: self.room]))
        self.room -= size
        return size


def test_a_full_disk_ends_the_capture_with_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.trace.capture.io.FileIO", Disk)
    monkeypatch.setattr(Disk, "room", 1000)
    with CaptureWriter(path, began=BEGAN, clock=5.0, redaction="off") as writer:
        for number in range(50):
            writer.write(Chunk(6.0 + number, 1, C, b"hello" * 10))

    assert writer.problem == (
        f"the capture ends here, {path} cannot be written (No space left on device): "
        "make room, or capture with a size limit"
    )
    capture = read_capture(io.BytesIO(path.read_bytes()))
    assert len(list(capture)) == 5
    assert capture.truncated == "the file is cut off in line 7; all before it has been read"


def test_a_disk_that_is_full_from_the_beginning_refuses_the_capture(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbshell.trace.capture.io.FileIO", Disk)

    with pytest.raises(UsageError, match="No space left on device"):
        write(path, [])


def test_a_file_that_was_closed_ends_the_capture_with_a_sentence(path: Path) -> None:
    writer = CaptureWriter(path, began=BEGAN, clock=5.0)
    assert writer._file is not None
    writer._file.close()
    writer.write(OPENED)
    writer.flush()

    assert writer.problem == f"the capture ends here, {path} cannot be written (I/O operation on closed file)"
    writer.write(CLOSED)
    writer.close()


def test_a_close_that_fails_is_told_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Remote(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(errno.EDQUOT, "Quota exceeded")

    monkeypatch.setattr("pbshell.trace.capture.io.FileIO", Remote)
    writer = CaptureWriter(path, began=BEGAN, clock=5.0)
    writer.close()

    assert writer.problem == f"the capture may be incomplete, {path} cannot be closed (Quota exceeded)"


def test_what_is_written_after_the_end_is_dropped(path: Path) -> None:
    writer = CaptureWriter(path, began=BEGAN, clock=5.0)
    writer.close()
    writer.write(OPENED)
    writer.close()

    assert read(path.read_bytes()) == []
    assert not writer.problem


# Whoever reads


def test_a_capture_that_is_cut_anywhere_is_read_up_to_its_last_whole_line(path: Path) -> None:
    pieces: list[Piece] = [OPENED, *chunks("echo_root")[:6], SEED, CLOSED]
    data = write(path, pieces)
    ends = [at for at, byte in enumerate(data) if byte == ord("\n")]

    for size in range(len(data)):
        cut = data[:size]
        # A line may lack its end alone.
        whole = sum(end <= size for end in ends) - 1
        if whole < 0:
            with pytest.raises(CaptureError, match="line 1: "):
                read(cut)
            continue
        capture = read_capture(io.BytesIO(cut))
        assert list(capture) == pieces[:whole]
        assert bool(capture.truncated) == (size not in ends and size - 1 not in ends)


def test_reading_needs_no_more_than_is_there() -> None:
    """A reader may follow a file that grows."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, os.fdopen(writing, "wb", buffering=0) as end:
        end.write(lines('{"at": 5, "c": 1, "by": "client", "hex": "00"}'))
        with open_capture(file) as capture:
            pieces = iter(capture)
            assert next(pieces) == Chunk(5.0, 1, C, b"\0")
            end.write(b'{"at": 6, "c": 1, "by": "server", "hex": "01"}\n')
            assert next(pieces) == Chunk(6.0, 1, S, b"\1")


def test_spaces_unknown_keys_and_unknown_kinds_are_left_out() -> None:
    capture = read_capture(
        io.BytesIO(
            lines(
                "",
                '{"at": 5, "c": 1, "by": "client", "hex": "00 ff", "says": ["what"], "more": {"x": 1}}',
                '{"at": 5, "c": 1, "kind": "mark", "detail": "here"}',
                "   ",
                '{"at": 5, "c": 1, "kind": "mark"}',
                '{"at": 5, "c": 1, "kind": "gap"}',
            )
        )
    )

    assert list(capture) == [Chunk(5.0, 1, C, b"\0\xff"), LinkEvent(5.0, 1, "gap")]
    assert capture.notes == ["lines of a kind that this version does not know were left out: 2"]
    assert not capture.truncated


def test_half_a_character_becomes_a_question_mark() -> None:
    (seed,) = read(
        lines(r'{"at": 5, "c": 1, "kind": "seed", "awaited": [{"by": "client", "request": "i1", "method": "\ud800"}]}')
    )

    assert isinstance(seed, Seed)
    assert seed.awaited == (Awaited(C, 1, "?"),)


def test_what_cannot_be_an_id_is_left_out_of_a_seed() -> None:
    lent = [{"by": "client", "luid": each, "count": 1} for each in ("i" + "9" * 100, "b" + "00" * 2000, "f1e999", "i3")]
    awaited = [{"by": "client", "request": "i" + "9" * 100}]
    record = json.dumps({"at": 5, "c": 1, "kind": "seed", "lent": lent, "awaited": awaited})

    assert read(lines(record)) == [Seed(5.0, 1, None, (), (Seeded(C, float("inf"), 1), Seeded(C, 3, 1)))]


def test_why_a_capture_was_stopped_need_not_be_told() -> None:
    capture = read_capture(io.BytesIO(lines('{"kind": "stopped"}')))

    assert list(capture) == []
    assert capture.truncated == "the capture was stopped: nobody says why"


PIECE = {"at": 5, "c": 1, "by": "client", "hex": "00"}
SEEDED = {"by": "client", "luid": "i1", "count": 1}


def but(record: dict[str, Any], **changes: Any) -> str:
    changed = {**record, **changes}
    return json.dumps({key: value for key, value in changed.items() if value is not ...})


def seed_of(**changes: Any) -> str:
    return but({"at": 5, "c": 1, "kind": "seed"}, **changes)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", r"this is no JSON object \(Expecting property name"),
        ("[1]", r"this is no JSON object \(it is something else\)"),
        ('{"at": NaN}', r"this is no JSON object \(NaN is no number\)"),
        ('{"at": -Infinity}', r"this is no JSON object \(-Infinity is no number\)"),
        ('{"x": ' + "[" * 100_000 + "}", r"this is no JSON object \(it is nested too deeply\)"),
        ('{"at": ' + "9" * 5000 + "}", r"this is no JSON object \(Exceeds the limit"),
        ("\udcff", r"this is no JSON object \(it is not UTF-8\)"),
        (but(PIECE, at=...), '"at" is missing instead of seconds'),
        (but(PIECE, at=None), '"at" is None instead of seconds'),
        (but(PIECE, at=True), '"at" is True instead of seconds'),
        (but(PIECE, at="5"), "\"at\" is '5' instead of seconds"),
        ('{"at": 1e999}', '"at" is inf instead of seconds'),
        (but(PIECE, at=10**400), '"at" is 1000'),
        (but(PIECE, at=-4e10), '"at" is -40000000000.0 instead of seconds'),
        (but(PIECE, c=...), '"c" is missing instead of a whole number below'),
        (but(PIECE, c=-1), '"c" is -1 instead of a whole number'),
        (but(PIECE, c=1.0), '"c" is 1.0 instead of a whole number'),
        (but(PIECE, c=True), '"c" is True instead of a whole number'),
        (but(PIECE, c=1 << 53), '"c" is 9007199254740992 instead of a whole number'),
        (but(PIECE, by=...), '"by" is missing instead of client or server'),
        (but(PIECE, by="me"), "\"by\" is 'me' instead of client or server"),
        (but(PIECE, by=["client"]), '"by" is a list instead of a text'),
        (but(PIECE, hex="0g"), "\"hex\" is '0g' instead of bytes"),
        (but(PIECE, hex="000"), "\"hex\" is '000' instead of bytes"),
        (but(PIECE, hex=5), '"hex" is 5 instead of bytes'),
        (but(PIECE, hex=...), 'no piece of a capture: it has neither "hex" nor "kind"'),
        (but(PIECE, hex=..., kind="gap", by="me"), "instead of client or server"),
        (but(PIECE, hex=..., kind="gap", detail={}), '"detail" is a dict instead of a text'),
        (seed_of(begun="client"), "\"begun\" is 'client' instead of a list"),
        (seed_of(begun=[1]), '"begun" is 1 instead of a text'),
        (seed_of(lent=[5]), "5 stands where an object is due"),
        (seed_of(lent=[{**SEEDED, "luid": "x1"}]), "\"luid\" is 'x1' instead of i, f or b"),
        (seed_of(lent=[{**SEEDED, "luid": "i"}]), "\"luid\" is 'i' instead of i, f or b"),
        (seed_of(lent=[{**SEEDED, "luid": "bx"}]), "\"luid\" is 'bx' instead of i, f or b"),
        (seed_of(lent=[{**SEEDED, "count": 1.5}]), '"count" is 1.5 instead of a whole number'),
        (seed_of(awaited=[{"by": "client", "request": 5}]), '"request" is 5 instead of a text'),
        (seed_of(dialect=5), '"dialect" is 5 instead of a text'),
        ('{"kind": "stopped", "detail": 5}', '"detail" is 5 instead of a text'),
    ],
)
def test_a_line_that_is_wrong_is_named_and_all_before_it_has_been_read(line: str, why: str) -> None:
    data = lines(but(PIECE)) + line.encode("utf-8", "surrogateescape") + b"\n" + lines(but(PIECE))
    pieces = read_capture(io.BytesIO(data))
    found: list[Piece] = []

    with pytest.raises(CaptureError, match=f"^line 3: .*{why}") as caught:
        found.extend(pieces)
    assert caught.value.line == 3
    assert found == [Chunk(5.0, 1, C, b"\0")]
    assert len(str(caught.value)) < 200


def test_a_line_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.trace.capture._LINE", 1000)
    with pytest.raises(CaptureError, match="line 2: longer than 1,000 bytes, which no line of a capture is"):
        read(lines(but(PIECE, hex="00" * 1000)))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"", "the file ends in its first line"),
        (b'{"pbt": 1', "the file ends in its first line: nothing has been captured"),
        (b"GET / HTTP/1.0\n", "no capture of pbshell: its first line is no JSON object"),
        (b"{}\n", "no capture of pbshell: its first line has no version"),
        (b'{"pbt": "1"}\n', "no capture of pbshell: its first line has no version"),
        (b'{"pbt": 0}\n', "no capture of pbshell: its first line has no version"),
        (
            b'{"pbt": 2, "what": "ever"}\n',
            r"of version 2, and this pbshell \(.*\) reads version 1: take a newer pbshell",
        ),
        (
            HEADER.replace("2026-11-20T08:30:00.250000+01:00", "today").encode(),
            "\"began\" is 'today' instead of a date",
        ),
        (HEADER.replace("+01:00", "").encode(), "\"began\" is '2026-11-20T08:30:00.250000' instead of a date"),
        (HEADER.replace("2026", "9999").encode(), '"began" is'),
        (HEADER.replace('"began"', '"begun"').encode(), '"began" is None'),
        (HEADER.replace("5.0", "1e300").encode(), '"clock" is 1e\\+300 instead of seconds'),
        (HEADER.replace("off", "some").encode(), "\"redaction\" is 'some' instead of one of off, auth, strict"),
        (HEADER.replace('"me"', "5").encode(), '"by" is 5 instead of a text'),
    ],
)
def test_a_first_line_that_is_wrong_is_told_in_a_sentence(header: bytes, why: str) -> None:
    with pytest.raises(CaptureError, match=f"^line 1: .*{why}"):
        read(header)


def test_every_time_can_be_written_as_a_date() -> None:
    for year in ("1970", "2999"):
        for at in (-29_999_999_994.0, 30_000_000_004.0):
            capture = read_capture(io.BytesIO(HEADER.replace("2026", year).encode() + but(PIECE, at=at).encode()))
            (piece,) = capture
            assert capture.header.wall(piece.at).year > 1000
            assert datetime.fromtimestamp(capture.began + piece.at, UTC).year < 4000


def test_a_file_that_cannot_be_read_on_is_told_in_a_sentence() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().readline(size)

    capture = read_capture(Broken(lines(but(PIECE))))
    with pytest.raises(CaptureError, match=r"line 2: the file cannot be read on \(Input/output error\)"):
        list(capture)

    closed = io.BytesIO(lines())
    closed.close()
    with pytest.raises(CaptureError, match=r"the file cannot be read on \(I/O operation on closed file\.\)"):
        read_capture(closed)


@given(st.integers(0, 2**32), st.integers(0, 6))
def test_whatever_happens_to_a_file_only_capture_errors_come_out(seed: int, count: int) -> None:
    dice = random.Random(seed)
    data = bytearray(FILE)
    for _ in range(count):
        at = dice.randrange(len(data))
        piece = dice.choice(
            [b"", b"\n", b'"', b"}", b"[", b"9" * 30, b"-", b"null", b"\\ud800", b"\xff", b"1e5", b"NaN"]
        )
        kind = dice.randrange(3)
        if kind == 0:
            data[at] = dice.randrange(256)
        elif kind == 1:
            data[at : at + dice.randrange(40)] = piece
        else:
            start = dice.randrange(len(data))
            data[at:at] = data[start : start + dice.randrange(200)]
    dissector = Dissector()
    with contextlib.suppress(CaptureError):
        for found in read_capture(io.BytesIO(bytes(data))):
            dissector.feed(found)


def _file() -> bytes:
    seeds = [
        HEADER.strip(),
        but(PIECE, hex=chunks("echo_root")[0].data.hex(), says="the offer"),
        seed_of(
            dialect="pb",
            begun=["client", "server"],
            lent=[SEEDED, {**SEEDED, "luid": "b00", "cache": True, "what": "x"}],
            awaited=[{"by": "server", "request": "f0.5", "method": "echo"}],
        ),
        *(but(PIECE, by=piece.sender.value, hex=piece.data.hex()) for piece in chunks("echo_root")[1:5]),
        but(PIECE, hex=..., kind="closed", detail="fin"),
    ]
    return "\n".join(seeds).encode()


FILE = _file()


# Which file it is


def opened(data: bytes, tmp_path: Path) -> Iterator[AbstractContextManager[Any]]:
    """The same file by its path, as a file and from a pipe."""
    path = tmp_path / "a file"
    path.write_bytes(data)
    yield open_capture(path)
    yield open_capture(str(path))
    yield open_capture(io.BytesIO(data))
    with path.open("rb", buffering=0) as raw:
        yield open_capture(raw)


def test_a_file_of_ours_is_known_by_its_first_byte(tmp_path: Path) -> None:
    for way in opened(FILE, tmp_path):
        with way as capture:
            assert isinstance(capture, Capture)
            assert len(list(capture)) == 7


def test_a_file_of_tcpdump_is_known_by_its_mark(tmp_path: Path) -> None:
    from pbshell.trace.pcap import Packets

    header = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000")
    for way in opened(header, tmp_path):
        with way as capture:
            assert isinstance(capture, Packets)
            assert list(capture) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty: nothing was captured, or nothing has been written yet"),
        (gzip.compress(FILE), r"is compressed: read it as `gunzip -c FILE \| pbshell trace read -`"),
        (b"GET / HTTP", r"is no capture: it begins with b'GET ', and a capture of pbshell begins with"),
        (b"\x02", r"is no capture: it begins with b'\\x02'"),
    ],
)
def test_a_file_that_is_neither_is_told_in_a_sentence(data: bytes, why: str, tmp_path: Path) -> None:
    for way in opened(data, tmp_path):
        with pytest.raises(CaptureError, match=f"(a file|what was given) {why}"), way:
            pass


def test_a_file_that_cannot_be_opened_is_told_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(CaptureError, match=r"no cannot be opened \(No such file or directory\)"),
        open_capture(tmp_path / "no"),
    ):
        pass
    with pytest.raises(CaptureError, match=r"cannot be (opened|read) \(Is a directory\)"), open_capture(tmp_path):
        pass
    with pytest.raises(CaptureError, match=r"cannot be opened \(.*null"), open_capture("a\0b"):
        pass
    with (tmp_path / "x").open("wb") as file, pytest.raises(CaptureError, match="given cannot be read"):
        open_capture(file).__enter__()


def test_what_the_reader_itself_raises_is_not_explained(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(FILE)

    with pytest.raises(OSError, match="mine"), open_capture(tmp_path / "x"):
        raise OSError("mine")


# What is said of the format


def test_the_examples_in_the_reference_are_captures() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "capture-format.md"
    whole, seed = (part.partition("```")[0] for part in page.read_text().split("```json\n")[1:])

    capture = read_capture(io.BytesIO(whole.encode()))
    dissector = Dissector()
    said = [found.what for piece in capture for found in dissector.feed(piece)]
    assert not capture.truncated
    assert not [what for what in said if isinstance(what, Undecodable | Unseen)]
    assert read(lines(seed))[0] == Seed(61.25, 1, b"pb", (C, S), (Seeded(S, 3, 2),), (Awaited(C, 17, "getBuilder"),))
