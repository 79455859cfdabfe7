"""`pbshell diff`: 0 for the same, 7 for what differs, 8 for what is no capture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pond.running import pbshell
from tests.trace.talking import FOLDER

BUILD = str(FOLDER / "buildbot-build.pbt")


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The same capture, but a word of an answer and of an argument is another one."""
    path = tmp_path / "other.pbt"
    path.write_text(Path(BUILD).read_text().replace(b"compiling".hex(), b"compoling".hex()))
    return str(path)


def test_the_same_capture_is_no_difference() -> None:
    outcome = pbshell("diff", BUILD, BUILD)

    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "pbshell: no difference between 65 calls and 65 calls\n"


def test_what_differs_is_told(other: str) -> None:
    outcome = pbshell("diff", BUILD, other)

    assert outcome.code == 7
    assert outcome.out.splitlines() == [
        "connection 1",
        "another result  (A #41  B #41)",
        "  > FileReader 'Makefile'.read(16384)",
        "  - = b'all:\\n\\t@echo compiling; echo done'... (85 bytes)",
        "  + = b'all:\\n\\t@echo compoling; echo done'... (85 bytes)",
        "other arguments  (A #61  B #61)",
        "  - RemoteCommand 1 shell 'make'.update([[{'stdout': 'compiling\\n'}, 0]])",
        "  + RemoteCommand 1 shell 'make'.update([[{'stdout': 'compoling\\n'}, 0]])",
        "    args[0][0][0]['stdout']: 'compiling\\n' -> 'compoling\\n'",
    ]
    assert outcome.err == "pbshell: 2 differences between 65 calls and 65 calls\n"


def test_programs_get_an_object_to_a_line(other: str) -> None:
    outcome = pbshell("diff", BUILD, other, "--json")

    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.code == 7
    assert outcome.out.isascii()
    keys = "v kind connection sender call before after where frame_a frame_b"
    assert all(list(row) == keys.split() for row in rows)
    assert [(row["v"], row["kind"], row["sender"]) for row in rows] == [
        (1, "result", "client"),
        (1, "arguments", "client"),
    ]


def test_times_count_for_whoever_wants_them(tmp_path: Path) -> None:
    lines = Path(BUILD).read_text().splitlines(keepends=True)
    slow = [line.replace('"at": 0.92952,', '"at": 0.99,') if '"at": 0.92952,' in line else line for line in lines]
    (tmp_path / "slow.pbt").write_text("".join(slow))

    assert pbshell("diff", BUILD, "slow.pbt", cwd=tmp_path).code == 0
    outcome = pbshell("diff", BUILD, "slow.pbt", "--ignore", "req,luid", cwd=tmp_path)
    assert outcome.code == 7
    assert outcome.out.splitlines()[1:3] == ["another time  (A #7  B #7)", "  > login(b'w17')"]


def test_only_what_can_be_ignored_is_ignored() -> None:
    outcome = pbshell("diff", BUILD, BUILD, "--ignore", "time,color")

    assert outcome.code == 2
    assert "'color' cannot be ignored: it is one of time, req, luid" in outcome.err
    assert pbshell("diff", BUILD, BUILD, "--ignore", "").code == 0


def test_what_is_no_capture_or_damaged_is_code_8(tmp_path: Path) -> None:
    (tmp_path / "x.pbt").write_text("".join(Path(BUILD).read_text().splitlines(keepends=True)[:20]) + "{}\n")

    for words in (("nothing", BUILD), (BUILD, "x.pbt")):
        outcome = pbshell("diff", *words, cwd=tmp_path)
        assert (outcome.code, outcome.out) == (8, "")
        assert outcome.err.count("\n") == 1


def test_two_captures_do_not_come_through_one_pipe() -> None:
    outcome = pbshell("diff", "-", "-")

    assert (outcome.code, outcome.err) == (2, "pbshell: only one of the two captures can come from stdin\n")
