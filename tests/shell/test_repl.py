"""The prompt without a terminal: keys through a pipe, the screen in a string."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from pbshell.defer import Deferred
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.commands.command import command
from pbshell.workbench.workbench import Workbench
from tests.pond.running import HOSTILE
from tests.shell.prompting import Screen, prompt, until
from tests.workbench.bench import connected


async def test_a_line_is_performed_and_its_result_shown() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        assert "42" in await screen.type("await root.callRemote('echo', 41) + 1")
        assert "no references" in await screen.type(":refs")
        assert "pb> :refs" in screen.text


async def test_a_failure_is_a_sentence_and_the_next_line_is_read() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        assert "RemoteError: builtins.ValueError: no such step" in await screen.type(
            "root.callRemote('fail', 'no such step')"
        )
        assert "there is no command :reffs; did you mean :refs?" in await screen.type(":reffs")
        assert "Traceback (" not in screen.text
        assert "2" in await screen.type("1 + 1")


async def test_ctrl_c_cancels_what_waits_and_the_prompt_is_back() -> None:
    async with prompt() as screen:
        waiting: Deferred[None] = Deferred()
        screen.repl.bench.namespace["waiting"] = waiting
        typed = asyncio.ensure_future(screen.type("waiting"))
        await until(screen.repl._interrupts.interrupt)

        assert "cancelled; a method that was called may still be running" in await typed
        assert "5" in await screen.type("5")


async def test_ctrl_c_while_typing_drops_the_line() -> None:
    async with prompt() as screen:
        screen.pipe.send_text("half a li\x03")

        assert "half" not in screen.repl.default_buffer.text
        assert "5" in await screen.type("5")


@pytest.mark.parametrize("line", ["exit", "exit()", "quit()", ":quit"])
async def test_one_leaves_by_words(line: str) -> None:
    async with prompt() as screen:
        await screen.type(line)

        assert await screen.running == 0


async def test_one_leaves_with_a_code() -> None:
    async with prompt() as screen:
        await screen.type("exit(7)")

        assert await screen.running == 7


async def test_one_leaves_with_ctrl_d_and_is_not_asked_twice() -> None:
    async with prompt() as screen:
        screen.pipe.send_text("\x04")

        assert await screen.running == 0


@pytest.mark.parametrize("line", [":help x:", ":help (", ":help \\", ":help 'x"])
async def test_enter_takes_a_command_however_it_ends(line: str) -> None:
    async with prompt() as screen:
        await screen.type(line)

        assert screen.repl.current_statement_index == 2


async def test_a_block_is_typed_line_by_line() -> None:
    async with prompt() as screen:
        await screen.type("for n in range(3):\rx = n\r\r")

        assert screen.repl.bench.namespace["x"] == 2


async def test_a_bang_runs_nothing() -> None:
    async with prompt() as screen:
        screen.pipe.send_text("!echo owned > /dev/null\r")
        screen.pipe.send_text("\x03")
        await screen.type("5")

        assert screen.repl.current_statement_index == 2


async def test_the_namespace_is_the_benchs_and_nothing_else() -> None:
    async with prompt() as screen:
        await screen.type("5")

        assert set(screen.repl.bench.namespace) == {"__builtins__", "_", "_1", *Workbench().namespace}


async def test_trace_lines_and_notices_come_above_the_prompt() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await screen.type(":trace on")
        text = await screen.type("await root.callRemote('echo', 'traced')")
        assert text.index("root.echo('traced')") < text.rindex("'traced'")

        bench.say("something has happened")
        bench.connections["main"].connection.abort()
        await until(lambda: "has ended: aborted" in screen.text)

        assert "* something has happened" in screen.text
        assert "2" in await screen.type("1 + 1")


async def test_what_a_background_task_prints_is_shown_and_not_obeyed() -> None:
    async with prompt() as screen:
        await until(lambda: screen.repl.app.is_running)
        print("be\x1b[2Jhind")
        await until(lambda: "hind" in screen.text)

        assert "be?[2Jhind" in screen.text


@pytest.mark.parametrize("colours", [False, True])
async def test_hostile_text_reaches_no_screen(colours: bool) -> None:
    async with connected() as (bench, _), prompt(bench, colours=colours) as screen:
        bench.namespace["hostile"] = HOSTILE
        await screen.type(":trace on")
        await screen.type("await root.callRemote('echo', [hostile, hostile.encode()])")
        await screen.type("await root.callRemote('fail', hostile)")
        await screen.type("await root.callRemote(hostile)")
        bench.say("told")

        for sign in ("]0;owned", "\x9b", "\u202e", "\u2066"):
            assert f"\x1b{sign}" not in screen.drawn
        assert not {"\x07", "\x9b", "\u202e", "\u2066"} & set(screen.drawn)
        assert "[red]gone[/red]" in screen.text


async def test_without_colours_none_are_drawn() -> None:
    async with prompt() as screen:
        await screen.type("1/0")

        assert not re.search(r"\x1b\[[0-9;]*3[0-7]", screen.drawn)


async def test_the_prompt_tells_that_the_connection_has_ended() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        screen.pipe.send_text("half a line")
        await until(lambda: "half a line" in screen.text)
        bench.connections["main"].connection.abort()
        await until(lambda: "pb:main (ended)>" in screen.text)

        assert "* the connection to" in screen.text
        assert screen.repl.default_buffer.text == "half a line"
        assert "not connected" in screen.text


@pytest.mark.parametrize(("secret", "shown"), [(False, True), (True, False)])
async def test_a_command_can_ask_for_a_line(secret: bool, shown: bool) -> None:
    async with prompt() as screen:
        bench = screen.repl.bench
        await until(lambda: bench.ask is not None)
        bench.namespace |= {"ask": bench.ask, "secret": secret}
        screen.pipe.send_text("told = await ask('Whi' 'ch?', secret=secret)\r")
        await until(lambda: "Which?" in screen.text)
        bench.say("news")
        screen.pipe.send_text("wonderland\r")
        await until(lambda: bench.namespace.get("told") == "wonderland")

        assert ("wonderland" in screen.text) is shown
        assert "wonderland" not in screen.repl.history.get_strings()
        assert "* news" in await screen.type("5")


@pytest.mark.parametrize(("key", "words"), [("\x03", "interrupted"), ("\x04", "EOFError")])
async def test_who_is_asked_need_not_answer(key: str, words: str) -> None:
    async with prompt() as screen:
        bench = screen.repl.bench
        await until(lambda: bench.ask is not None)
        bench.namespace["ask"] = bench.ask
        typed = asyncio.ensure_future(screen.type("await ask('Whi' 'ch?')"))
        await until(lambda: "Which?" in screen.text)
        screen.pipe.send_text(key)

        assert words in await typed
        assert "5" in await screen.type("5")


async def test_in_plain_words_tell_what_signs_would() -> None:
    async with connected() as (bench, _), prompt(bench, plain=True) as screen:
        await until(lambda: screen.repl.app.is_running)
        bench.say("something")
        bench.connections["main"].connection.abort()
        await until(lambda: "lost: the connection to" in screen.text)

        assert "note: something" in screen.text
        assert "error: ZeroDivisionError" in await screen.type("1/0")
        assert "F1 help" not in screen.text


async def test_in_plain_tab_lists_below_the_line() -> None:
    async with prompt(plain=True) as screen:
        screen.pipe.send_text(":re\t")
        await until(lambda: "refs" in screen.text)

        assert screen.repl.default_buffer.complete_state is None


async def test_on_a_narrow_screen_there_is_no_line_below() -> None:
    async with prompt(screen_columns=59) as screen:
        await screen.type("5")
        assert "F1 help" not in screen.text


async def test_what_does_not_fit_in_the_line_below_is_left_out() -> None:
    from pbshell.shell.toolbar import toolbar
    from pbshell.workbench.keys import placed

    async with connected() as (bench, _):
        await bench.connect(bench.connections["main"].target, name="other")
        target = bench.connections["main"].target
        bench.tracer.on = True
        whole = f" {target}   2 connections   trace on   F1 help   F5 refs   F7 trace   F9 next   F10 top"

        assert toolbar(bench, placed({}), 200) == whole
        assert toolbar(bench, placed({}), len(whole)) == whole.removesuffix("   F10 top")
        assert toolbar(bench, placed({"help": "none"}), 200) == whole.replace("   F1 help", "")
        assert toolbar(bench, placed({}), 5) == ""


WIDE = "['" + "x" * 20 + "', '" + "y" * 20 + "', '" + "z" * 20 + "']"


@pytest.mark.parametrize(
    ("options", "environment", "is_wide"),
    [
        ({}, "", False),
        ({"columns": 200}, "", True),
        ({}, "200", True),
        ({}, "nonsense", False),
        ({"columns": 40}, "200", False),
    ],
)
async def test_the_width_is_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], environment: str, is_wide: bool
) -> None:
    monkeypatch.setenv("COLUMNS", environment)
    async with connected() as (bench, _), _narrow(bench, **options) as screen:
        assert (WIDE in await screen.type(f"list({WIDE.replace(', ', ',')})")) is is_wide


def _narrow(bench: Workbench, **options: Any) -> AbstractAsyncContextManager[Screen]:
    """A prompt whose terminal has 62 columns, and whose *options* are PBRepl's."""
    return prompt(bench, screen_columns=62, **options)


class Hostile:
    """Does all that could go wrong when it is shown."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), RecursionError()]
)
async def test_what_cannot_be_shown_does_not_end_the_shell(error: BaseException) -> None:
    async with prompt() as screen:
        screen.repl.bench.namespace |= {"hostile": Hostile(error)}
        for line in ("hostile", "[hostile] * 3"):
            text = await screen.type(line)
            assert f"raised {type(error).__name__}" in text or "repr-error" in text
        assert "5" in await screen.type("5")


async def test_ctrl_c_at_a_repr_that_does_not_end() -> None:
    async with prompt() as screen:
        screen.repl.bench.namespace["interrupt"] = lambda: os.kill(os.getpid(), signal.SIGINT)
        await screen.type("class Endless:\rdef __repr__(self):\rinterrupt()\rwhile True: pass\r")

        assert "Interrupt" in await screen.type("Endless()")
        assert "5" in await screen.type("5")


@pytest.mark.parametrize(
    "line",
    [
        "raise GeneratorExit",
        "raise KeyboardInterrupt",
        "raise BaseException('x')",
        "raise BaseExceptionGroup('x', [KeyboardInterrupt()])",
        "raise asyncio.CancelledError",
        "raise EOFError",
        "raise BrokenPipeError",
        "-" * 20_000 + "1",
        "[" * 300,
        "x = '\udcff'",
        "'\x00'",
        ":refs 'unbalanced",
        ':connect "unbalanced',
        ":refs | sort | | >",
        ":refs ~m [ & ) |",
        ":" + "x" * 10_000,
        ": ",
        ":\u202e\u2066\U0001f600",
        ":help \x9b",
        "globals().clear()",
        "asyncio.get_running_loop().stop",
    ],
)
async def test_no_line_ends_the_shell(line: str) -> None:
    async with prompt() as screen:
        screen.pipe.send_bytes(b"\x1b[200~" + line.encode("utf-8", "surrogateescape") + b"\x1b[201~")
        # What does not compile stays in the editor: Ctrl-C drops it.
        screen.pipe.send_text("\r\r\x03")
        await screen.type("print(6 * 7)")

        assert not screen.running.done()


async def test_ctrl_c_at_a_question_of_a_command_cancels_the_command() -> None:
    @command("asking", "", "for this test alone")
    async def asking(bench: Workbench) -> str:
        assert bench.ask is not None
        return await bench.ask("Which? ", secret=False)

    try:
        async with prompt() as screen:
            typed = asyncio.ensure_future(screen.type(":asking"))
            await until(lambda: "Which?" in screen.text)
            screen.pipe.send_text("\x03")

            assert "cancelled" in await typed
    finally:
        del COMMANDS["asking"]


async def test_a_paste_of_two_hundred_lines_is_one_statement() -> None:
    async with prompt() as screen:
        lines = "\n".join(f"    x{n} = {n}" for n in range(200))
        screen.pipe.send_text(f"\x1b[200~if True:\n{lines}\n\x1b[201~")
        await until(lambda: screen.repl.default_buffer.document.line_count >= 200)
        await screen.type("")

        assert screen.repl.bench.namespace["x199"] == 199
        assert screen.repl.current_statement_index == 2


async def test_a_long_line_is_performed() -> None:
    async with prompt() as screen:
        line = "x = '" + "a" * 300_000 + "'"
        screen.repl.default_buffer.text = line
        await screen.type("")

        assert len(screen.repl.bench.namespace["x"]) == 300_000


async def test_a_line_that_cannot_be_drawn_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async with prompt() as screen:
        await until(lambda: screen.repl.app.is_running)
        run_async = screen.repl.app.run_async
        attempts: list[int] = []

        async def failing(**options: Any) -> str:
            attempts.append(1)
            if len(attempts) == 1:
                raise UnicodeError("cannot be drawn")
            return await run_async(**options)

        monkeypatch.setattr(screen.repl.app, "run_async", failing)
        await screen.type("1")
        assert "cannot be drawn" in await screen.type("2")
