"""`:top` on a screen that is kept in memory: what it shows, what its keys do, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO

import pyte
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from pbshell.shell.live import Entry, Live, Page, page_of
from pbshell.shell.render import Renderer
from pbshell.workbench.traffic.pulse import Pulse
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected

COLUMNS, LINES = 80, 24


class Screen:
    """A Live that runs, and what a terminal shows of it."""

    def __init__(self, live: Live, pipe: PipeInput, drawn: StringIO) -> None:
        self.live = live
        self.pipe = pipe
        self._drawn = drawn
        self.task = asyncio.ensure_future(live.run())

    @property
    def raw(self) -> str:
        return self._drawn.getvalue()

    @property
    def text(self) -> str:
        screen = pyte.Screen(COLUMNS, LINES)
        pyte.Stream(screen).feed(self.raw.replace("\n", "\r\n"))
        return "\n".join(line.rstrip() for line in screen.display).rstrip()

    async def until(self, there: Callable[[str], bool]) -> None:
        while not there(self.text):
            assert not self.task.done(), self.task
            await asyncio.sleep(0)

    async def press(self, keys: str, there: Callable[[str], bool]) -> None:
        """Press *keys*, and wait until the screen is as it shall be."""
        self.pipe.send_text(keys)
        await self.until(there)


@asynccontextmanager
async def shown(look: Callable[[int], Page], mark: Callable[[], str] | None = None) -> AsyncIterator[Screen]:
    drawn = StringIO()
    with create_pipe_input() as pipe:
        size = Size(rows=LINES, columns=COLUMNS)
        output = Vt100_Output(drawn, lambda: size, term="xterm", enable_cpr=False)
        with create_app_session(input=pipe, output=output):
            screen = Screen(Live(look, mark=mark, input=pipe, output=output, refresh=0.02), pipe, drawn)
            try:
                yield screen
            finally:
                if not screen.task.done():
                    screen.task.cancel()
                    await asyncio.wait({screen.task})


def ducks(count: int) -> Callable[[int], Page]:
    entries = [Entry("ducks"), *(Entry(f"duck {n}", lambda n=n: f"all about duck {n}") for n in range(count))]  # type: ignore[misc]  # what lambda takes
    return lambda width: Page("a pond", entries)


async def test_top_shows_the_busiest_what_waits_and_what_was_slow() -> None:
    async with connected() as (bench, _):
        bench.part(Pulse)
        await bench.evaluate("[await root.callRemote('echo', n) for n in range(10)]")
        await bench.evaluate("waiting = root.callRemote('never'); waiting.addErrback(lambda _: None)")

        async with shown(lambda width: page_of(bench.part(Pulse).top(bench.tracer.now), width)) as screen:
            await screen.until(lambda text: "root.never()" in text)

            assert "1 connection   2.2 calls/s   0 errors/s" in screen.text
            assert "root.echo(" in screen.text


async def test_enter_tells_all_about_a_line_and_goes_back() -> None:
    async with shown(ducks(3)) as screen:
        await screen.until(lambda text: "duck 2" in text)
        await screen.press("j\r", lambda text: "all about duck 1" in text)
        assert "duck 2" not in screen.text
        await screen.press("q", lambda text: "duck 2" in text)
        # The cursor is where it was.
        await screen.press("\r", lambda text: "all about duck 1" in text)


async def test_a_filter_leaves_what_it_finds_and_the_heads() -> None:
    async with shown(ducks(3)) as screen:
        await screen.until(lambda text: "duck 2" in text)
        await screen.press("/duck 1\r", lambda text: "only: duck 1" in text and "duck 2" not in text)

        assert "ducks" in screen.text
        await screen.press("\x1b", lambda text: "duck 2" in text)


async def test_more_lines_than_the_screen_has_are_reached_by_the_keys() -> None:
    async with shown(ducks(200)) as screen:
        await screen.until(lambda text: "duck 3" in text)
        assert "duck 199" not in screen.text
        await screen.press("G", lambda text: "duck 199" in text)
        await screen.press("g", lambda text: "duck 0" in text and "duck 199" not in text)


async def test_it_changes_by_itself_and_stands_still_when_it_is_told() -> None:
    looks: list[int] = []

    def look(width: int) -> Page:
        looks.append(width)
        return Page(f"look {len(looks)}", [])

    async with shown(look) as screen:
        await screen.until(lambda text: "look 3" in text)
        await screen.press("p", lambda text: "PAUSED" in text)
        seen = len(looks)
        await screen.press("?", lambda text: "back to the prompt" in text)

        assert len(looks) == seen
        assert set(looks) == {COLUMNS}


async def test_the_key_for_a_mark_says_what_was_marked() -> None:
    async with shown(ducks(1), mark=lambda: "marked 5 references") as screen:
        await screen.press("m", lambda text: "marked 5 references" in text)


async def test_leaving_and_being_cancelled_restore_the_screen() -> None:
    async with shown(ducks(1)) as screen:
        await screen.until(lambda text: "duck 0" in text)
        assert "\x1b[?1049h" in screen.raw
        screen.pipe.send_text("q")
        await screen.task
        assert "\x1b[?1049l" in screen.raw

    async with shown(ducks(1)) as screen:
        await screen.until(lambda text: "duck 0" in text)
        screen.task.cancel()
        await asyncio.wait({screen.task})
        assert "\x1b[?1049l" in screen.raw


async def test_ctrl_c_leaves_it() -> None:
    async with shown(ducks(1)) as screen:
        await screen.until(lambda text: "duck 0" in text)
        screen.pipe.send_text("\x03")
        await screen.task


async def test_no_connection_is_told_in_a_word() -> None:
    bench = Workbench()
    async with shown(lambda width: page_of(bench.part(Pulse).top(0.0), width)) as screen:
        await screen.until(lambda text: "no connections" in text)

        assert "no calls wait" in screen.text


async def test_behind_a_pipe_it_is_the_state_of_the_moment() -> None:
    async with connected() as (bench, _):
        value = await bench.evaluate(":top")

        text = Renderer(width=60).value(value)
        assert text.startswith("1 connection   0 calls/s")
        assert [row["kind"] for row in value.objects()] == ["connection"]
