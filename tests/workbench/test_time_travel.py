"""The tables of a moment, and what has changed between two, of connections that are open."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from pbshell.errors import UsageError
from pbshell.trace.tables import Changed, Held
from pbshell.workbench.traffic.memory import Memory
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected


async def lent(bench: Workbench) -> list[int]:
    """Lend three things, call one, and cache a pond; the frames behind which there was one thing more each time."""
    marks = []
    await bench.evaluate("things = []")
    for _ in range(3):
        await bench.evaluate("things.append(await root.callRemote('thing'))")
        marks.append(bench.part(Memory).latest)
    await bench.evaluate("pond = await root.callRemote('pond')")
    await bench.evaluate("await things[0].callRemote('name')")
    return marks


async def test_the_tables_of_a_frame_are_as_they_were_behind_it() -> None:
    async with connected() as (bench, _):
        first, second, _ = await lent(bench)

        rows = await bench.evaluate(f":refs at #{second}")
        assert rows.kind is Held
        assert [(row.connection, row.side, row.id, row.name, row.used) for row in rows] == [
            ("main", "theirs", "s1", "thing()", 0),
            ("main", "theirs", "s2", "thing()", 0),
        ]
        assert [row.id for row in await bench.evaluate(f":refs theirs ~l s2 at #{second}")] == ["s2"]
        nothing = await bench.evaluate(f":refs ours at #{second}")
        assert (list(nothing), nothing.empty) == ([], "nothing was lent")
        none = await bench.evaluate(f":cached at #{first}")
        assert (list(none), none.empty) == ([], "nothing was cached")
        assert [row.id for row in await bench.evaluate(f":cached at #{bench.part(Memory).latest}")] == ["s4"]


async def test_between_two_moments_what_has_changed_is_told() -> None:
    async with connected() as (bench, _):
        first, second, _ = await lent(bench)

        rows = await bench.evaluate(f":refs at #{first}..#{bench.part(Memory).latest}")
        assert rows.kind is Changed
        assert sorted((row.id, row.what) for row in rows) == [
            ("s1", "used 1x, last name"),
            ("s2", "lent"),
            ("s3", "lent"),
        ]
        nothing = await bench.evaluate(f":refs at #{second}..#{second}")
        assert (list(nothing), nothing.empty) == ([], "nothing has changed between these moments")


async def test_a_moment_is_also_a_time_since_the_beginning_or_of_the_day() -> None:
    async with connected() as (bench, _):
        await lent(bench)

        assert await bench.evaluate(":refs at +0") == []
        now = datetime.now().astimezone()
        assert [row.id for row in await bench.evaluate(f":refs at {now:%H:%M:%S.%f}")] == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("moment", "sentence"),
    [
        ("nonsense", "'nonsense' is no moment"),
        ("#1..#2..#3", "more than two moments"),
        ("#5..#4", "the first moment lies behind the second"),
        ("#99999", "#99999 is not remembered: frames #1 to #"),
        ("+99999", "that moment is not remembered, or has not come yet"),
    ],
)
async def test_a_moment_that_is_none_is_one_sentence(moment: str, sentence: str) -> None:
    async with connected() as (bench, _):
        await lent(bench)
        for table in ("refs", "cached"):
            with pytest.raises(UsageError, match=re.escape(sentence)):
                await bench.evaluate(f":{table} at {moment}")


async def test_without_any_traffic_there_is_no_moment() -> None:
    with pytest.raises(UsageError, match="nothing is remembered yet"):
        await Workbench().evaluate(":refs at #1")


async def test_of_a_connection_that_has_ended_the_number_is_its_name() -> None:
    async with connected() as (bench, _):
        marks = await lent(bench)
        number = bench.connections["main"].connection.number
        connection = bench.connections["main"].connection
        connection.close()
        await connection.wait_closed()

        rows = await bench.evaluate(f":refs at #{marks[0]}")
        assert [(row.connection, row.side) for row in rows] == [(str(number), "server")]


async def test_the_frames_of_an_object_say_what_they_were() -> None:
    async with connected() as (bench, _):
        await lent(bench)

        story = await bench.evaluate(":ref s1")
        assert ["name" in frame.what or "s1" in frame.what for frame in story.frames] == [True, True]
        assert all(frame.age is not None for frame in story.frames)
        bench.part(Memory).clear()
        story = await bench.evaluate(":ref s1")
        assert [(frame.age, frame.what) for frame in story.frames] == [(None, ""), (None, "")]
