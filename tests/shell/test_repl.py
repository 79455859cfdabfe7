"""The prompt without a terminal: keys through a pipe, the screen in a string."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from typing import ClassVar

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from pbshell.defer import Deferred
from pbshell.shell.render import Renderer
from pbshell.shell.repl import PBRepl
from pbshell.workbench.workbench import Workbench
from tests.pond.running import HOSTILE
from tests.workbench.bench import connected


class Screen:
    """A prompt that is running, what was typed into it, and what it has drawn."""

    def __init__(self, repl: PBRepl, pipe: PipeInput, drawn: StringIO) -> None:
        self.repl = repl
        self.pipe = pipe
        self._drawn = drawn
        self._done = asyncio.Event()
        self._perform = repl.perform
        repl.perform = self._tell  # type: ignore[method-assign]  # to know when a line is done
        self.running = asyncio.ensure_future(repl.run_until_left())

    async def _tell(self, text: str) -> None:
        try:
            await self._perform(text)
        finally:
            self._done.set()

    async def type(self, text: str) -> str:
        """Type *text* and Enter; what is on the screen when it is done."""
        self._done.clear()
        self.pipe.send_text(f"{text}\r")
        await self._done.wait()
        return self.text

    @property
    def text(self) -> str:
        """All that was drawn, without the escape sequences of drawing."""
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()=>].?)", "", self._drawn.getvalue())

    @property
    def drawn(self) -> str:
        """The same with all its escape sequences."""
        return self._drawn.getvalue()


@asynccontextmanager
async def prompt(bench: Workbench | None = None, *, colours: bool = False) -> AsyncIterator[Screen]:
    """A prompt on *bench*; it is left at the end with Ctrl-D if it has not been left before."""
    drawn = StringIO()
    with create_pipe_input() as pipe:
        output = Vt100_Output(drawn, lambda: Size(rows=30, columns=100), term="xterm", enable_cpr=False)
        with create_app_session(input=pipe, output=output):
            repl = PBRepl(
                bench or Workbench(), renderer=Renderer(colours=colours), label="alice", input=pipe, output=output
            )
            screen = Screen(repl, pipe, drawn)
            try:
                yield screen
            finally:
                if not screen.running.done():
                    pipe.send_text("\x04")
                await screen.running


async def until(there: Callable[[], bool]) -> None:
    """Let the loop go on until *there*: the prompt tells nobody what it has drawn."""
    while not there():  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_a_line_is_performed_and_its_result_shown() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        assert "42" in await screen.type("await root.callRemote('echo', 41) + 1")
        assert "no references" in await screen.type(":refs")
        assert "pb:alice>" in screen.text


async def test_a_failure_is_a_sentence_and_the_next_line_is_read() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        assert "RemoteError: builtins.ValueError: no such step" in await screen.type(
            "root.callRemote('fail', 'no such step')"
        )
        assert "there is no command :ref; did you mean :refs?" in await screen.type(":ref")
        assert "Traceback (" not in screen.text
        assert "2" in await screen.type("1 + 1")


async def test_ctrl_c_cancels_what_waits_and_the_prompt_is_back() -> None:
    async with prompt() as screen:
        waiting: Deferred[None] = Deferred()
        screen.repl._bench.namespace["waiting"] = waiting
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

        assert screen.repl._bench.namespace["x"] == 2


async def test_a_bang_runs_nothing() -> None:
    async with prompt() as screen:
        screen.pipe.send_text("!echo owned > /dev/null\r")
        screen.pipe.send_text("\x03")
        await screen.type("5")

        assert screen.repl.current_statement_index == 2


async def test_the_namespace_is_the_benchs_and_nothing_else() -> None:
    async with prompt() as screen:
        await screen.type("5")

        assert set(screen.repl._bench.namespace) == {"__builtins__", "__name__", "_", "asyncio", "pb", "sh"}


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


COMPLETED: dict[str, list[str]] = {
    ":re": ["refs"],
    ":": ["refs", "cached", "trace", "help", "quit"],
    ":refs ": ["ours", "theirs"],
    ":trace o": ["on", "off"],
    ":help c": ["cached"],
    ":quit ": [],
    ":nosuch x": [],
    "pb.Roo": ["Root"],
    "x = pb.Copyable.getStateToCopyF": ["getStateToCopyFor"],
    "sh.": sorted(["refs", "cached", "trace", "help", "quit"]),
    "sh.refs.": [],
    "awai": ["await"],
    "unkno": [],
    "unknown.x": [],
    "f().r": [],
    "5.r": [],
    "'text'.r": [],
    "": [],
    "await root.callRemote('ec": ["echo"],
    'root.callRemote("t': ["thing"],
    "root.callRe": ["callRemote"],
    "root.luid.bit_l": ["bit_length"],
}


@pytest.mark.parametrize("text", COMPLETED)
async def test_tab_offers(text: str) -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await screen.type("await root.callRemote('echo', 1)")
        await screen.type("thing = await root.callRemote('thing')")
        bench.namespace["root"] = bench.namespace["thing"]

        assert completions(screen.repl, text) == COMPLETED[text]


async def test_completion_asks_jedi_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jedi", None)
    async with prompt() as screen:
        screen.pipe.send_text("prin\t")
        await until(lambda: "print" in screen.repl.default_buffer.text)
        await screen.type("(6 * 7)")


def completions(repl: PBRepl, text: str) -> list[str]:
    document = Document(text, len(text))
    return [each.text for each in repl.completer.get_completions(document, CompleteEvent(completion_requested=True))]


class Trap:
    """Tells of whatever is asked of it."""

    __slots__ = ("__dict__", "empty", "slot")
    asked: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.slot = "text"
        self.own = [1]

    @property
    def trap(self) -> Trap:
        self.asked.append("trap")
        return self

    @property  # type: ignore[misc]  # a class may say so
    def __class__(self) -> type:
        self.asked.append("class")
        return int

    def __getattribute__(self, name: str) -> object:
        Trap.asked.append(name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> object:
        return self

    def __dir__(self) -> list[str]:
        self.asked.append("dir")
        return []

    @staticmethod
    def function() -> None:
        """A function."""


async def test_completion_asks_no_object_anything() -> None:
    async with prompt() as screen:
        thing = screen.repl._bench.namespace["thing"] = Trap()
        Trap.asked.clear()

        assert completions(screen.repl, "thing.tr") == ["trap"]
        assert completions(screen.repl, "thing.ow") == ["own"]
        assert completions(screen.repl, "thing.own.app") == ["append"]
        assert completions(screen.repl, "thing.slot.upp") == ["upper"]
        assert completions(screen.repl, "thing.function.__nam") == ["__name__"]
        for text in ("thing.trap.", "thing.empty.", "thing.__class__.", "thing.nosuch.", "thing.trap.x."):
            assert completions(screen.repl, text) == []

    assert Trap.asked == []
    del thing


def test_the_names_of_ptpython_that_are_relied_upon_are_there() -> None:
    """They are no part of its documented surface."""
    from ptpython.python_input import PythonInput

    init = PythonInput.__init__.__code__.co_varnames
    assert {"_completer", "_validator", "_lexer", "extra_key_bindings", "color_depth"} <= set(init)
    assert callable(PythonInput._on_input_timeout)
