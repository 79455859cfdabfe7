"""What the recordings look like, line by line.

After a change that is meant, write them anew and read the difference:

UPDATE_GOLDEN=1 python -m pytest tests/trace/test_golden.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pbshell.trace.explain import Frames
from pbshell.trace.forms.calls import Calls
from pbshell.trace.forms.columns import columns
from pbshell.wire.chunk import Chunk
from tests.trace.recordings import NAMES, byte_by_byte, chunks, lines

GOLDEN = Path(__file__).parent.parent / "captures" / "golden"
FORMS: dict[str, type[Calls | Frames]] = {"calls": Calls, "frames": Frames}
CASES = [(name, form) for name in NAMES for form in FORMS]


def shown(pieces: list[Chunk], form: str, width: int | None = 100) -> list[str]:
    """What *pieces* look like."""
    return lines(pieces, FORMS[form](width, "rel"))


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_recording_looks_as_it_did(name: str, form: str) -> None:
    path = GOLDEN / f"{name}.{form}"
    found = shown(chunks(name), form)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")

    assert found == path.read_text(encoding="utf-8").splitlines(), "meant? run it with UPDATE_GOLDEN=1"


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_recording_in_single_bytes_looks_the_same(name: str, form: str) -> None:
    assert shown(byte_by_byte(chunks(name)), form) == shown(chunks(name), form)


@pytest.mark.parametrize("width", [1, 20, 33, 49, 60, 72, 79, 80, 99, 100, 118, 200])
@pytest.mark.parametrize("form", FORMS)
def test_no_line_of_a_recording_is_wider_than_there_is_room(form: str, width: int) -> None:
    for name in NAMES:
        assert all(columns(line) <= width for line in shown(chunks(name), form, width))


def test_every_golden_file_is_of_a_recording() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(f"{name}.{form}" for name, form in CASES)
