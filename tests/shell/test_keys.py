"""What the keys of the prompt do, and what F1 tells. Through a pipe."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from prompt_toolkit.document import Document

from pbshell.errors import UsageError
from pbshell.shell.about import about
from pbshell.workbench.keys import KEYS
from pbshell.workbench.workbench import Workbench
from tests.shell.prompting import Screen, prompt, until
from tests.workbench.bench import connected

F1, F2, F5, F7, F9, F10 = "\x1bOP", "\x1bOQ", "\x1b[15~", "\x1b[18~", "\x1b[20~", "\x1b[21~"
ALT_A, ALT_ENTER, CTRL_L, CTRL_Z = "\x1ba", "\x1b\r", "\x0c", "\x1a"


async def press(screen: Screen, keys: str, words: str) -> None:
    """Press *keys*, and wait until *words* are drawn that were not there before."""
    before = screen.text.count(words)
    screen.pipe.send_text(keys)
    await until(lambda: screen.text.count(words) > before)


async def test_a_key_performs_its_command_and_what_was_being_typed_is_there_again() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        screen.pipe.send_text("half a line\x1b[D\x1b[D")
        await until(lambda: screen.repl.default_buffer.cursor_position == 9)

        await press(screen, F5, "no references")

        assert "pb> :refs\r\n" in screen.text
        assert screen.repl.default_buffer.document == Document("half a line", 9)
        assert screen.repl.history.get_strings() == []


async def test_one_key_switches_the_trace_on_and_off() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await press(screen, F7, "trace on (redact=auth).")
        assert bench.tracer.on
        await press(screen, F7, ":trace off")
        await until(lambda: not bench.tracer.on)


async def test_one_key_goes_from_connection_to_connection() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await bench.connect(bench.connections["main"].target, name="other")
        assert bench.current == "other"

        await press(screen, F9, "pb:other> :use main")
        await until(lambda: bench.current == "main")
        await press(screen, F9, ":use other")
        await until(lambda: bench.current == "other")


async def test_without_a_connection_the_key_says_so() -> None:
    async with prompt() as screen:
        await press(screen, F9, "there is no open connection; :connect TARGET opens one")


async def test_await_goes_in_front_of_the_line_and_away_again() -> None:
    async with prompt() as screen:
        buffer = screen.repl.default_buffer
        screen.pipe.send_text(f"work(){ALT_A}")
        await until(lambda: buffer.document == Document("await work()", 12))
        screen.pipe.send_text(ALT_A)
        await until(lambda: buffer.document == Document("work()", 6))
        screen.pipe.send_text(f"\x15:refs{ALT_A} x")
        await until(lambda: buffer.text == ":refs x")


async def test_a_new_line_and_the_end_of_a_block() -> None:
    async with prompt() as screen:
        screen.pipe.send_text(f"x = 1{ALT_ENTER}")
        await until(lambda: screen.repl.default_buffer.text == "x = 1\n")
        screen.pipe.send_text(f"y = 2{ALT_ENTER}")
        await until(lambda: screen.repl.bench.namespace.get("y") == 2)


async def test_keys_that_only_look() -> None:
    async with prompt() as screen:
        screen.pipe.send_text(f"x{CTRL_L}{CTRL_Z}y")
        await until(lambda: screen.repl.default_buffer.text == "xy")
        screen.pipe.send_text(F2)
        await until(lambda: screen.repl.show_sidebar)
        screen.pipe.send_text(F2)
        await until(lambda: not screen.repl.show_sidebar)
        screen.pipe.send_text("\x1bOS")
        await until(lambda: screen.repl.vi_mode)
        screen.pipe.send_text("\x1bOS")
        await until(lambda: not screen.repl.vi_mode)
        screen.pipe.send_text("\x1b[17~")
        await until(lambda: screen.repl.paste_mode)
        screen.pipe.send_text("\x1b[17~\x01\x04")
        await until(lambda: screen.repl.default_buffer.text == "y")


async def test_the_full_screen_comes_and_goes() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        screen.pipe.send_text("half")
        await press(screen, F10, "1 connection ")
        assert screen.drawn.count("\x1b[?1049h") == 1
        # What is told meanwhile waits: the screen is not ours.
        bench.say("something has happened")
        screen.repl.above.flush()
        assert "something has happened" not in screen.text
        screen.pipe.send_text("q")
        await until(lambda: "something has happened" in screen.text and screen.repl.app.is_running)

        assert screen.drawn.count("\x1b[?1049l") == 1
        assert screen.repl.default_buffer.text == "half"


async def test_plain_there_is_no_full_screen_and_no_sidebar() -> None:
    async with connected() as (bench, _), prompt(bench, plain=True) as screen:
        await press(screen, F10, "1 connection ")
        screen.pipe.send_text(f"{F2}\x1bORpb.Roo")
        await until(lambda: screen.repl.default_buffer.text == "pb.Roo")

        assert not screen.repl.show_sidebar
        assert "\x1b[?1049h" not in screen.drawn


async def test_keys_can_lie_elsewhere_and_then_the_old_ones_do_nothing() -> None:
    async with connected() as (bench, _), prompt(bench, keys={"trace": "f5", "refs": "none", "paste": "f12"}) as screen:
        await press(screen, F5, "trace on")
        screen.pipe.send_text(f"{F7}\x1b[17~x")
        await until(lambda: screen.repl.default_buffer.text == "x")

        assert bench.tracer.on
        assert not screen.repl.paste_mode
        assert "F5 trace" in screen.text


def test_a_key_that_cannot_be_is_told_at_once() -> None:
    from pbshell.shell.render import Renderer
    from pbshell.shell.repl import PBRepl

    with pytest.raises(UsageError, match="there is no key"):
        PBRepl(Workbench(), renderer=Renderer(), keys={"refs": "x"})


async def test_f1_tells_about_the_word_under_the_cursor() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await press(screen, f":refs our{F1}", ":help refs")
        await press(screen, f"\x15x = pb.getObjectA{F1}", ":help")
        await press(screen, f"\x15x = len{F1}", "len(obj, /)")
        await press(screen, f"\x15root.callRemote('nosuch{F1}", "nothing is known of a remote method 'nosuch'")


class Marked:
    """Something with a docstring."""

    asked: ClassVar[list[str]] = []

    def __init__(self, size: int = 5, *, other: object = None) -> None:
        pass

    def method(self, name: str, trap: object = 5) -> None:
        """Does nothing."""

    @property
    def trap(self) -> None:
        Marked.asked.append("trap")

    def __repr__(self) -> str:
        Marked.asked.append("repr")
        return "marked"

    def undocumented(self, default: object = asked) -> None: ...


ABOUT = {
    "thing": ["thing   an object of tests.shell.test_keys.Marked", "    Something with a docstring."],
    "thing.method": ["thing.method(name: str, trap: object = 5)", "    Does nothing."],
    "thing.method(1, ": [""],
    "x = thing.method(": ["thing.method(name: str, trap: object = 5)", "    Does nothing."],
    "Marked": ["Marked(size: int = 5, *, other: object = None)", "    Something with a docstring."],
    "Marked.method": ["Marked.method(self, name: str, trap: object = 5)", "    Does nothing."],
    "thing.trap": [""],
    "thing.undocumented": ["thing.undocumented(default: object = [])"],
    "nosuch": [""],
    "": [""],
    "5 + ": [""],
    "dict": ["dict", "    dict() -> new empty dictionary"],
    "number": ["number   an object of int", "    int([x]) -> integer"],
}


def test_what_is_told_of_names() -> None:
    bench = Workbench()
    bench.namespace |= {"thing": Marked(), "Marked": Marked, "number": 5}

    assert {text: about(bench, Document(text)).split("\n")[:2] for text in ABOUT} == ABOUT
    # The rest of the word counts, wherever the cursor stands in it.
    assert about(bench, Document("thing.method()", 8)).startswith("thing.method(name")
    assert Marked.asked == []


def test_of_a_long_docstring_the_beginning_is_told() -> None:
    bench = Workbench()
    bench.namespace["long"] = type("Long", (), {"__doc__": "\n".join(f"line {n}\x1b[2J" for n in range(30))})

    lines = about(bench, Document("long")).split("\n")

    assert len(lines) == 22
    assert lines[1] == r"    line 0\x1b[2J"
    assert lines[-1] == "    ... (10 more lines)"


async def test_what_is_told_of_references_and_their_methods() -> None:
    async with connected() as (bench, _):
        assert about(bench, Document("root")) == "root   a reference to an object of the peer's"
        await bench.evaluate("root.callRemote('echo', 1)")

        assert about(bench, Document("root.callRemote('echo'", 18)) == "echo(int)   called 1 time here   (traffic)"
        assert about(bench, Document("root")).split("\n") == [
            "root   a reference to an object of the peer's, of which these methods are known:",
            "    echo(int)   traffic",
        ]
        await asyncio.sleep(0)


def test_every_key_has_something_to_do() -> None:
    from pbshell.shell.render import Renderer
    from pbshell.shell.repl import PBRepl

    repl = PBRepl(Workbench(), renderer=Renderer())

    assert set(repl._keys) == set(KEYS)
