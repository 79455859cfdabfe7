"""What a capture file is, whether it is whole, what is wrong in it, and how to go on."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pbshell.errors import CaptureError
from pbshell.workbench.doctor.capture import examine_capture
from pbshell.workbench.exitcodes import ExitCode
from tests.trace.talking import FOLDER

TROUBLE = FOLDER / "buildbot-trouble.pbt"


def test_a_capture_with_trouble_in_it() -> None:
    found = examine_capture(str(TROUBLE))

    assert (found.kind, found.notes, found.damage, found.code) == ("a capture of pbshell", (), "", ExitCode.OK)
    assert (found.frames, len(found.connections)) == (101, 5)
    assert found.verdicts[0].severity == "error"
    second = found.connections[1]
    assert (second.user, second.calls, second.unanswered, second.severity) == ("w17", 19, 4, "error")
    assert second.ended == "server closed the connection"
    commands = [each.command for each in found.commands]
    assert commands[0] == f"pbshell trace read {shlex.quote(str(TROUBLE))} --why"
    assert any("-F '~f " in command for command in commands)
    assert any(command.endswith("-F '~n'") for command in commands)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("half-open.pcap", "packets of tcpdump (pcap)"), ("twisted-two-three.pcapng", "packets of Wireshark (pcapng)")],
)
def test_packets_are_told_from_captures_of_ours(name: str, kind: str) -> None:
    found = examine_capture(str(FOLDER / name))

    assert found.kind == kind
    assert found.connections[0].client


def test_a_capture_that_is_damaged_is_told_up_to_the_damage(tmp_path: Path) -> None:
    lines = TROUBLE.read_text().splitlines(keepends=True)
    (tmp_path / "x.pbt").write_text("".join(lines[:20]) + "{}\n")

    found = examine_capture(str(tmp_path / "x.pbt"))

    assert found.code == ExitCode.BAD_FILE
    assert "line 21" in found.damage
    assert found.connections


def test_the_name_of_a_file_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "my capture.pbt"
    path.write_bytes(TROUBLE.read_bytes())

    assert examine_capture(str(path)).commands[0].command == f"pbshell trace read '{path}' --why"


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    with pytest.raises(CaptureError, match="is no capture"):
        examine_capture(str(tmp_path / "x"))


def test_what_is_found_is_data_for_a_program() -> None:
    objects = list(examine_capture(str(TROUBLE)).objects())

    assert objects[0]["kind"] == "capture"
    assert objects[0]["complete"] is True
    kinds = [each["kind"] for each in objects]
    assert [kinds.count(kind) for kind in ("connection", "next")] == [5, 6]
    verdict = next(each for each in objects if each["kind"] == "verdict")
    assert verdict["about"]
    assert verdict["severity"] == "error"
