"""The pictures of the documentation can be made anew, and show what they are called after."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pictures.camera import picture
from tests.pictures.scenes import SCENES

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
#: what can be read on each of them
WORDS = {
    "prompt": "getStatus",
    "trace": "ValueError",
    "refs": "ledger",
    "cached": "Clock",
    "conns": "echo",
    "top": "slowest in the last minute",
}


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_played_and_its_picture_shows_it(name: str) -> None:
    with SCENES[name]() as terminal:
        drawn = picture(terminal.screen, name)

    for svg in (drawn, (FOLDER / f"{name}.svg").read_text(encoding="utf-8")):
        text = re.sub("<[^>]*>", "", svg).replace("&#160;", " ")
        assert WORDS[name] in text
        # A picture stands alone: nothing is fetched for it.
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
