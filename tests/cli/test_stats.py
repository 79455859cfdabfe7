"""`pbshell stats`: a table for people, lines for programs, and one sentence for what is no capture."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.pond.running import pbshell
from tests.trace.talking import FOLDER

TROUBLE = str(FOLDER / "buildbot-trouble.pbt")


def test_calls_are_counted_by_method() -> None:
    outcome = pbshell("stats", TROUBLE, "--width", "120")

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("METHOD ")
    assert lines[1].split()[:5] == ["respond", "5", "2", "1", "6.7"]
    assert lines[-1] == "35 calls, 2 errors, 5 without an answer"


def test_what_does_not_fit_is_told() -> None:
    outcome = pbshell("stats", TROUBLE, env={"COLUMNS": "60"})

    assert all(len(line) <= 60 for line in outcome.out.splitlines())
    assert "columns hidden, --width 110 or --json" in outcome.out


@pytest.mark.parametrize("by", ["method", "peer", "object", "user"])
def test_programs_get_an_object_to_a_line(by: str) -> None:
    outcome = pbshell("stats", TROUBLE, "--by", by, "--json")

    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.out.isascii()
    assert sum(row["count"] for row in rows) == 35
    keys = "v by key count errors unanswered total p50 p90 p99 longest bytes references exact"
    assert all(list(row) == keys.split() for row in rows)
    assert {(row["v"], row["by"]) for row in rows} == {(1, by)}


def test_a_filter_selects_calls() -> None:
    outcome = pbshell("stats", TROUBLE, "-F", "~e", "--json")

    assert [json.loads(line)["key"] for line in outcome.out.splitlines()] == ["respond"]


def test_a_bad_filter_has_a_caret() -> None:
    outcome = pbshell("stats", TROUBLE, "-F", "~t fast")

    assert outcome.code == 2
    assert "   ^^^^\n" in outcome.err


def test_a_file_of_tcpdump_is_read_from_stdin() -> None:
    # The test's own stdin is text, and this is not.
    import subprocess
    import sys

    from tests.pond.running import environment

    command = [sys.executable, "-m", "pbshell", "stats", "-", "--json"]
    with (FOLDER / "twisted-two-three.pcapng").open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=True, env=environment())

    assert {json.loads(line)["key"] for line in done.stdout.splitlines()} == {"three", "getTwo"}


def test_a_port_selects_connections_of_such_a_file() -> None:
    outcome = pbshell("stats", str(FOLDER / "twisted-login.pcap"), "--port", "1")

    assert (outcome.code, outcome.out) == (0, "no calls\n")


def test_what_is_no_capture_is_one_sentence_and_code_8(tmp_path: Path) -> None:
    (tmp_path / "x.pbt").write_text("hello")

    for name in ("x.pbt", "nothing.pbt"):
        outcome = pbshell("stats", name, cwd=tmp_path)
        assert (outcome.code, outcome.out) == (8, "")
        assert outcome.err.startswith(f"pbshell: {name} ")
        assert outcome.err.count("\n") == 1


def test_what_comes_before_the_damage_is_counted(tmp_path: Path) -> None:
    lines = Path(TROUBLE).read_text().splitlines(keepends=True)
    (tmp_path / "x.pbt").write_text("".join(lines[:20]) + "{}\n")

    outcome = pbshell("stats", "x.pbt", cwd=tmp_path)

    assert outcome.code == 8
    assert outcome.out.startswith("METHOD ")
    assert outcome.err.startswith("pbshell: x.pbt, line 21: ")


def test_a_closed_stdin_is_told() -> None:
    import subprocess
    import sys

    from tests.pond.running import environment

    command = ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m pbshell stats - <&-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())

    assert (done.returncode, done.stderr) == (8, "pbshell: stdin is closed: there is no capture to read\n")
