"""The lines in docs/reference/trace-output.md are what the recordings look like.

After a change that is meant, write them anew and read the difference:

UPDATE_GOLDEN=1 python -m pytest tests/trace/test_trace_output.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pbshell.trace.explain import Frames
from pbshell.trace.forms.calls import Calls
from pbshell.trace.forms.sequence import Sequence
from tests.trace.recordings import chunks, lines

PAGE = Path(__file__).parent.parent.parent / "docs/reference/trace-output.md"
MARKED = re.compile(r"(<!-- trace: (\w+) (\w+) (\d+) -->\n```text\n)(.*?)(```\n)", re.DOTALL)
FORMS: dict[str, type[Calls | Frames | Sequence]] = {"calls": Calls, "frames": Frames, "seq": Sequence}


def shown(match: re.Match[str]) -> str:
    """What stands between the fences behind a mark."""
    name, form, width = match[2], FORMS[match[3]], int(match[4])
    return "".join(f"{line}\n" for line in lines(chunks(name), form(width, "rel")))


PLACES = list(MARKED.finditer(PAGE.read_text(encoding="utf-8")))


def test_every_mark_stands_before_lines() -> None:
    assert len(PLACES) == PAGE.read_text(encoding="utf-8").count("<!-- trace:") == 5


@pytest.mark.parametrize("place", PLACES, ids=[" ".join(match.groups()[1:4]) for match in PLACES])
def test_the_lines_of_the_page_are_real(place: re.Match[str]) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(MARKED.sub(lambda match: match[1] + shown(match) + match[6], text), encoding="utf-8")
        return

    assert place[5] == shown(place)
