"""Lines above the prompt: batches, bounds, and a prompt that stays as it is."""

from __future__ import annotations

import asyncio

import pytest

from pbshell.shell import above as module
from pbshell.shell.above import BATCH, WAITING, Above
from tests.shell.prompting import Screen, prompt, until


async def running(screen: Screen) -> Above:
    await until(lambda: screen.repl.app.is_running and "pb>" in screen.text)
    return screen.repl.above


async def test_five_thousand_lines_while_somebody_types() -> None:
    async with prompt() as screen:
        above = await running(screen)
        for number in range(5000):
            above.add(f"line {number:05}")
            if number % 500 == 0:
                screen.pipe.send_text("x")
                await asyncio.sleep(0)
        await until(lambda: "line 04999" in screen.text)

        assert screen.repl.default_buffer.text == "x" * 10
        assert screen.text.count("line 0") == 5000
        assert "left out" not in screen.text
        # A batch is one drawing: far fewer than lines.
        assert screen.text.count("pb>") < 100


async def test_lines_that_come_at_once_are_printed_in_batches() -> None:
    async with prompt() as screen:
        above = await running(screen)
        for number in range(BATCH + 1):
            above.add(f"line {number:05}")
        await until(lambda: "line 00000" in screen.text)

        assert f"line {BATCH - 1:05}" in screen.text
        assert f"line {BATCH:05}" not in screen.text
        await until(lambda: f"line {BATCH:05}" in screen.text)


async def test_more_than_a_terminal_takes_is_left_out_and_counted() -> None:
    async with prompt() as screen:
        above = await running(screen)
        for number in range(WAITING + 1234):
            above.add(f"line {number:05}")
        await until(lambda: f"line {WAITING + 1233:05}" in screen.text)

        assert "... 1,234 lines left out: too many at once\r\nline 01234\r\n" in screen.text
        assert "line 01233" not in screen.text
        assert above.left_out == 0


async def test_a_slow_terminal_gets_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with prompt() as screen:
        above = await running(screen)
        loop = asyncio.get_running_loop()
        clock = [100.0]
        pauses: list[float] = []
        monkeypatch.setattr(loop, "time", lambda: clock[0])
        monkeypatch.setattr(above, "_wait", pauses.append)
        monkeypatch.setattr(above, "_print", lambda: clock.__setitem__(0, clock[0] + 0.7))
        above._lines.append("waits")

        above._due()

        assert pauses == [pytest.approx(0.7)]
        above._lines.clear()


async def test_nothing_is_printed_while_the_terminal_is_not_ours() -> None:
    async with prompt() as screen:
        above = await running(screen)
        with above.held(), above.held():
            above.show("told")
            assert "told" not in screen.text
        assert "told" in screen.text

        screen.repl.app._running_in_terminal = True
        above.show("later")
        assert "later" not in screen.text
        screen.repl.app._running_in_terminal = False
        await until(lambda: "later" in screen.text)


async def test_only_colours_are_obeyed() -> None:
    async with prompt() as screen:
        above = await running(screen)
        above.show("\x1b[31mred\x1b[0m \x1b[2Jclear \x1b]0;title\x07 \x9b2J \r\b over\x7f")

        assert "\x1b[31mred\x1b[0m ?[2Jclear ?]0;title? ?2J ?? over?\r\n" in screen.drawn


async def test_what_is_typed_stands_below_the_lines() -> None:
    async with prompt() as screen:
        above = await running(screen)
        screen.pipe.send_text("half")
        await until(lambda: "half" in screen.text)
        above.show("one\ntwo")

        assert screen.text.endswith(screen.text[screen.text.rindex("one\r\ntwo\r\npb> half") :])
        assert module.DELAY <= 0.1
