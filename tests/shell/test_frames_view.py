"""How `:frames`, `:show`, `:follow`, `:seq`, `:diff`, `:stats` and `:why` look, in any width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pbshell.shell.render import Renderer
from pbshell.trace.forms.columns import columns
from pbshell.workbench.workbench import Workbench

BUILD = Path(__file__).parent.parent / "captures" / "buildbot-build.pbt"


async def seen(line: str, width: int = 100, *, colours: bool = False, screen: bool = True) -> str:
    """What *line* shows of the capture, on a screen or in a pipe."""
    bench = Workbench()
    await bench.evaluate(f":trace load '{BUILD}'")
    value = await bench.evaluate(line)
    return Renderer(width=width, screen=screen, colours=colours).value(value)


LINES = [":frames 200", ":show 84", ":show 84 hex", ":follow s8", ":diff 84 96", ":stats", ":stats by object"]


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("line", [":frames 200", ":follow s8", ":diff 84 96", ":stats", ":why"])
async def test_nothing_is_wider_than_the_screen(line: str, width: int) -> None:
    text = await seen(line, width)

    words = max(len(word) for word in text.split())
    assert max(map(columns, text.split("\n"))) <= max(width, words + 8)


@pytest.mark.parametrize("line", LINES)
async def test_colours_repeat_what_is_said_without_them(line: str) -> None:
    plain = await seen(line)
    coloured = await seen(line, colours=True)

    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).replace("█", "#")[:40] == plain[:40]


async def test_frames_are_a_line_each() -> None:
    lines = (await seen(":frames 84-86")).split("\n")

    assert [line.split()[0] for line in lines] == ["84", "85", "86"]
    assert re.search(r"84 \d\d:\d\d:\d\d\.\d{3} 1 > message  c#\d+  s8\.write", lines[0])


async def test_a_frame_in_full_has_its_line_and_all_that_is_in_it() -> None:
    full, tree = (await seen(":show 84")).split("\n"), (await seen(":show 84 tree")).split("\n")

    assert full[0].split()[0] == "84"
    assert full[1:] == tree
    assert "  method: write" in tree
    assert (await seen(":show 85")).split("\n")[-1] == "  the call is frame #84"


async def test_a_frame_in_hexadecimal_has_its_line_and_its_bytes() -> None:
    lines = (await seen(":show 84 hex")).split("\n")

    assert lines[0].split()[0] == "84"
    assert re.fullmatch(r"  [0-9a-f]{6}  ([0-9a-f]{2} ){15}[0-9a-f]{2}  \|.{16}\|", lines[1])


async def test_what_is_followed_ends_with_what_became_of_it() -> None:
    assert (await seen(":follow s8")).split("\n")[-1].startswith("s8:")


async def test_a_diagram_is_shown_as_it_is() -> None:
    assert (await seen(":seq 84-97", 20)).startswith("sequenceDiagram\n    participant c1 as ")


async def test_two_calls_stand_side_by_side() -> None:
    head, *rows = (await seen(":diff 84 96")).split("\n")

    assert head.split() == ["WHAT", "A", "B", "FIRST", "DIFFERENCE"]
    assert any(row.startswith("method") for row in rows)
    assert await seen(":diff 84 84") == "the two calls are alike, in their answers and durations too"


async def test_two_captures_are_compared_to_their_end() -> None:
    text = await seen(f":diff '{BUILD}' '{BUILD}'")

    assert re.fullmatch(r"no difference between \d+ calls and \d+ calls", text)


async def test_statistics_have_a_table_and_a_sum() -> None:
    text = await seen(":stats by method write")

    assert text.split()[:2] == ["METHOD", "CALLS"]
    assert text.split("\n")[-1].endswith("errors")
    assert await seen(":stats nobodyCallsThis") == "no calls"


async def test_a_verdict_has_all_that_it_rests_on() -> None:
    text = await seen(":why")
    coloured = await seen(":why", colours=True)

    assert re.search(r"^error: connection 1: ", text, re.MULTILINE)
    assert re.search(r"^    #?\S", text, re.MULTILINE)
    assert "\x1b[1;31merror: connection 1" in coloured


async def test_a_pipe_has_whole_lines() -> None:
    lines = (await seen(":frames 200", 60, screen=False)).split("\n")

    assert max(map(len, lines)) > 100
