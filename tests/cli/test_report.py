"""`pbshell report`: a page in a new file of one's own, or nothing and a sentence."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.pond.running import pbshell
from tests.trace.talking import FOLDER

TROUBLE = str(FOLDER / "buildbot-trouble.pbt")


def test_a_page_is_made_that_only_its_owner_may_read(tmp_path: Path) -> None:
    outcome = pbshell("report", TROUBLE, "-o", "x.html", cwd=tmp_path)

    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "pbshell: the report is in x.html: read it before you send it to anybody\n"
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</body></html>\n")
    assert "<b>buildbot-trouble.pbt</b>" in text
    assert stat.S_IMODE((tmp_path / "x.html").stat().st_mode) == 0o600


def test_the_page_goes_to_stdout_if_asked_to() -> None:
    outcome = pbshell("report", TROUBLE, "-o", "-")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("<!DOCTYPE html>")


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("mine")

    outcome = pbshell("report", TROUBLE, "-o", "x.html", cwd=tmp_path)

    assert outcome.code == 2
    assert outcome.err.startswith("pbshell: x.html exists, and a report never replaces a file")
    assert (tmp_path / "x.html").read_text() == "mine"


def test_a_page_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    outcome = pbshell("report", TROUBLE, "-o", "nowhere/x.html", cwd=tmp_path)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "pbshell: nowhere/x.html cannot be made: No such file or directory\n"


@pytest.mark.parametrize("output", ["x.html", "-"])
def test_of_what_is_no_capture_there_is_no_page(tmp_path: Path, output: str) -> None:
    (tmp_path / "x.pbt").write_text("hello")

    outcome = pbshell("report", "x.pbt", "-o", output, cwd=tmp_path)

    assert (outcome.code, outcome.out) == (8, "")
    assert outcome.err.startswith("pbshell: x.pbt is no capture")
    assert not (tmp_path / "x.html").exists()


def test_the_page_of_a_damaged_capture_says_that_it_is(tmp_path: Path) -> None:
    lines = Path(TROUBLE).read_text().splitlines(keepends=True)
    (tmp_path / "x.pbt").write_text("".join(lines[:20]) + "{}\n")

    outcome = pbshell("report", "x.pbt", "-o", "x.html", cwd=tmp_path)

    assert outcome.code == 8
    assert "x.pbt, line 21: " in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_what_is_covered_can_be_chosen(tmp_path: Path) -> None:
    for level in ("strict", "off"):
        outcome = pbshell("report", TROUBLE, "-o", f"{level}.html", "--redact", level, cwd=tmp_path)
        assert outcome.code == 0
    strict, off = ((tmp_path / f"{level}.html").read_text(encoding="utf-8") for level in ("strict", "off"))

    assert "what is named like a secret, are covered" in strict
    assert "nothing is covered" in off
    assert "respond(***" in strict
    assert "respond(***" not in off
