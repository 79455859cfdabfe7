"""A capture file that is read: all of it is dissected, explained and judged, and what is wrong names the file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from pbshell.errors import CaptureError
from pbshell.trace import Conversation, Dissection
from pbshell.trace.explainers import Explainer, Explainers
from pbshell.trace.verdict import Verdict
from pbshell.workbench.traffic import captures
from pbshell.workbench.traffic.captures import Reading, opened, read
from tests.trace.talking import FOLDER

BUILD, TROUBLE = FOLDER / "buildbot-build.pbt", FOLDER / "buildbot-trouble.pbt"


class Seen:
    """What was dissected, and what was judged when."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.judged: list[tuple[Verdict, int]] = []

    def see(self, dissection: Dissection, conversation: Conversation) -> None:
        assert dissection.connection == conversation.number
        self.numbers.append(dissection.number)

    def judge(self, verdict: Verdict) -> None:
        self.judged.append((verdict, self.numbers[-1]))


def test_all_of_a_capture_is_dissected_in_order() -> None:
    seen = Seen()

    reading = read(TROUBLE, seen.see)

    assert seen.numbers == list(range(1, 102))
    assert (reading.name, reading.damage, reading.notes) == (str(TROUBLE), "", ())
    assert 22 < reading.last - reading.first < 23
    assert reading.began > 1e9
    assert [each.number for each in reading.open] == [5]


def test_a_verdict_is_told_when_it_is_certain_and_all_of_them_at_the_end() -> None:
    seen = Seen()

    reading = read(TROUBLE, seen.see, judged=seen.judge)

    assert seen.judged
    assert all(number >= max(verdict.frames, default=0) for verdict, number in seen.judged)
    texts = {verdict.text for verdict in reading.verdicts}
    assert {verdict.text for verdict, _ in seen.judged if verdict.kind == "refused"} <= texts
    assert any("refused worker w17 as a duplicate" in text for text in texts)


class Repeating(Explainer):
    """Says of each dissection that it was there."""

    name = "repeating"

    def see(self, dissection: Dissection, conversation: Conversation) -> list[Verdict]:
        return [Verdict(conversation.number, "seen", "note", f"#{dissection.number}")]


def test_verdicts_of_one_kind_are_kept_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "_VERDICTS", 20)

    reading = read(TROUBLE, Seen().see, explainers=Explainers([Repeating()]))

    found = [verdict.text for verdict in reading.verdicts if verdict.kind == "seen"]
    assert 1 < len(found) <= 20
    assert found[-1] == "#101"


def test_secrets_are_covered_as_they_are_asked_to_be() -> None:
    texts: list[str] = []

    read(BUILD, lambda dissection, conversation: texts.append(repr(dissection.what)), redact="strict")

    assert any("***" in text for text in texts)


def test_files_of_other_programs_are_read_too() -> None:
    seen = Seen()

    read(FOLDER / "twisted-login.pcap", seen.see)
    every = len(seen.numbers)
    read(FOLDER / "twisted-login.pcap", seen.see, ports=[1])

    assert every
    assert len(seen.numbers) == every


@pytest.mark.parametrize("name", ["buildbot-build.pbt", "twisted-login.pcap"])
def test_a_file_that_is_open_is_read_from_where_it_stands(name: str) -> None:
    whole, piped = Seen(), Seen()
    read(FOLDER / name, whole.see)

    with (FOLDER / name).open("rb") as file:
        reading = read(file, piped.see)

    assert piped.numbers == whole.numbers
    assert reading.name == "stdin"


def test_what_cannot_be_opened_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"nothing\.pbt cannot be opened: No such file or directory\Z"):
        read(tmp_path / "nothing.pbt", Seen().see)
    with pytest.raises(CaptureError, match=r"cannot be opened: embedded null byte\Z"):
        read("a\0b", Seen().see)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "x.pbt is empty: nothing was captured, or nothing has been written yet"),
        (b"GIF89a", "x.pbt is no capture: it begins with b'GIF8'"),
        (b'{"pbt": 99}\n', "x.pbt, line 1: the capture is of version 99"),
    ],
)
def test_what_is_no_capture_is_told_with_its_name(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.pbt"
    path.write_bytes(content)

    with pytest.raises(CaptureError) as caught:
        read(path, Seen().see)
    assert told in str(caught.value)
    with pytest.raises(CaptureError, match=r"\Astdin"):
        read(cast(BinaryIO, io.BytesIO(content)), Seen().see)


def test_what_comes_before_the_damage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pbt"
    path.write_bytes(b"".join(BUILD.read_bytes().splitlines(keepends=True)[:10]) + b'{"at": 1}\n')
    seen = Seen()

    reading = read(path, seen.see)

    assert len(seen.numbers) > 10
    assert reading.damage.startswith(f"{path}, line 11: ")


def test_a_file_that_is_cut_off_is_a_note_and_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.pbt"
    path.write_bytes(BUILD.read_bytes()[:5_000])

    reading = read(path, Seen().see)

    assert reading.damage == ""
    assert len(reading.notes) == 1
    assert "cut off" in reading.notes[0]


def test_what_only_the_end_completes_is_dissected_too(tmp_path: Path) -> None:
    path = tmp_path / "x.pbt"
    head = BUILD.read_text().splitlines(keepends=True)[0]
    path.write_text(head + '{"at": 1.5, "c": 1, "by": "client", "hex": "474554202f"}\n')
    said: list[str] = []

    reading = read(path, lambda dissection, conversation: said.append(type(dissection.what).__name__))

    assert said == ["Unseen"]
    assert (reading.first, reading.last) == (1.5, 1.5)


def test_a_capture_of_nothing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pbt"
    path.write_bytes(BUILD.read_bytes().splitlines(keepends=True)[0])

    assert read(path, Seen().see) == Reading(str(path), began=read(path, Seen().see).began)


@pytest.mark.parametrize("name", ["buildbot-build.pbt", "twisted-login.pcap"])
def test_progress_goes_on_to_the_size_of_the_file(name: str) -> None:
    told: list[tuple[int, int]] = []

    read(FOLDER / name, Seen().see, progress=lambda done, size: told.append((done, size)))

    size = (FOLDER / name).stat().st_size
    assert told == sorted(told)
    assert told[-1] == (size, size)


def test_there_is_no_progress_in_what_has_no_size() -> None:
    def progress(done: int, size: int) -> None:
        raise AssertionError

    with BUILD.open("rb") as file:
        read(file, Seen().see, progress=progress)


def test_what_the_caller_raises_is_not_explained_away() -> None:
    with pytest.raises(CaptureError, match="mine"), opened(BUILD) as capture:
        raise CaptureError(f"mine {capture.notes}")
