"""What Tab offers: names of commands and of the namespace, words by the kinds of a usage, remote methods."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from pbshell.shell.completion import LineCompleter
from pbshell.shell.completion.names import names_behind
from pbshell.shell.completion.remote import arguments_at, keywords, method_at, methods
from pbshell.shell.completion.usage import next_words
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.known.knowledge import Known
from pbshell.workbench.workbench import Workbench
from tests.shell.prompting import offered, prompt, until
from tests.workbench.bench import connected


def words(repl: object, text: str) -> list[str]:
    return [each.text for each in offered(repl, text)]  # type: ignore[arg-type]  # a PBRepl


PYTHON: dict[str, list[str]] = {
    "pb.Roo": ["Root"],
    "x = pb.Copyable.getStateToCopyF": ["getStateToCopyFor"],
    "sh.refs.": [],
    "awai": ["await"],
    "unkno": [],
    "unknown.x": [],
    "f().r": [],
    "5.r": [],
    "'text'.r": [],
    "": [],
    "root.callRe": ["callRemote"],
    "root.luid.bit_l": ["bit_length"],
    "await root.callRemote('ech": ["echo"],
    'd = root.callRemote("ech': ["echo"],
    "R(root).ech": ["echo"],
    "await something().callRemote('ech": ["echo"],
    ":nosuch x": [],
    ":quit ": [],
    ":": [f"{each} " if COMMANDS[each].usage else each for each in COMMANDS],
    ":trac": ["trace "],
    ":help trac": ["trace"],
    "sh.": sorted(COMMANDS),
}


async def test_tab_offers_names_and_methods() -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await screen.type("await root.callRemote('echo', 1)")
        await screen.type("thing = await root.callRemote('thing')")
        bench.namespace["root"] = bench.namespace["thing"]
        assert words(screen.repl, "root.luid.bit_l") == ["bit_length"]
        bench.use("main")

        assert {text: words(screen.repl, text) for text in PYTHON if "luid" not in text} == {
            text: expected for text, expected in PYTHON.items() if "luid" not in text
        }


async def test_tab_offers_what_a_command_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.pbt").touch()
    (tmp_path / "two words").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "pbshell").mkdir()
    (tmp_path / "pbshell" / "profiles.toml").write_text('[staging]\ntarget = "127.0.0.1:1"\n')
    async with connected() as (bench, _), prompt(bench) as screen:
        await screen.type("thing = await root.callRemote('thing')")
        await screen.type("await thing.callRemote('name')")
        target = bench.connections["main"].target

        def offers(text: str) -> list[str]:
            return words(screen.repl, text)

        assert offers(":use ") == ["main"]
        assert offers(":ref s") == ["s1"]
        assert offers(":call s") == ["s1"]
        assert offers(":call s1 na") == ["name"]
        assert offers(":call nosuch ") == []
        assert offers(":connect ") == ["@staging", target, "tcp:", "tls:", "unix:"]
        assert offers(":connect @") == ["@staging"]
        assert offers(":connect unix:on") == ["e.pbt"]
        assert offers(":doctor on") == ["e.pbt"]
        assert offers(":refs > on") == ["e.pbt"]
        assert offers(":refs ~t >") == []
        assert offers(":refs | s") == ["sort"]
        assert offers(":refs our") == ["ours"]
        assert "~m" in offers(":refs ours ~")
        assert offers(":refs ~k decr") == ["decref"]
        assert offers(":refs ~d ") == ["c", "s"]
        assert offers(":refs ~l s") == ["s1"]
        assert offers(":refs ~c ") == [str(bench.connections["main"].connection.number)]
        assert offers(":refs ~m ") == []
        assert offers(":refs (~") == offers(":refs ~")
        about = {each.text: each.display_meta_text for each in offered(screen.repl, ":refs ~")}
        assert about["~m"].split() == ["RE", *["Calls", "of", "this", "method.", "~m", "^get"]]
        assert {each.text: each.display_meta_text for each in offered(screen.repl, ":ref ")}["s1"] == (
            "theirs  thing()"
        )


async def test_the_methods_that_are_known_are_told_with_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (bench, _), prompt(bench) as screen:
        await screen.type("await root.callRemote('echo', 1)")
        await screen.type("await root.callRemote('echo', 2)")
        bench.part(_knowledge()).use(sys.modules["tests.workbench.bench"])

        told = {each.text: each.display_meta_text for each in offered(screen.repl, "root.callRemote('")}

    assert told["echo"].startswith("seen 2x  (value)")
    assert "bench.py:" in told["echo"]
    assert "bench.py:" in told["pond"]


def _knowledge() -> type:
    from pbshell.workbench.known.knowledge import Knowledge

    return Knowledge


def test_what_is_known_of_methods_stands_in_columns() -> None:
    known = [Known("get", "(name)", "demo.py:41", 3), Known("getAll", "()", "demo.py:5"), Known("put", "", "traffic")]

    found = {each.text: each.display_meta_text for each in methods("get", known)}

    assert found == {"get": "seen 3x  (name)  demo.py:41", "getAll": "seen 0x  ()      demo.py:5"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root.callRemote('ge", ("root", "ge")),
        ('await a.b.callRemote("', ("a.b", "")),
        ("R( root ).ge", ("root", "ge")),
        ("f(x).callRemote('ge", ("", "ge")),
        ("root.callRemote(ge", None),
        ("root.callRemote('get', 'a", None),
    ],
)
def test_a_remote_method_is_seen_in_the_line(text: str, expected: tuple[str, str] | None) -> None:
    assert method_at(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root.callRemote('get', ", ("root", "get", "")),
        ("root.callRemote('get', 1, fo", ("root", "get", "fo")),
        ("R(root).get(fo", ("root", "get", "fo")),
        ("R(root).get(1, ", ("root", "get", "")),
        ("root.callRemote('get', x.fo", None),
        ("root.callRemote('get', force=fo", None),
        ("root.callRemote('get'", None),
    ],
)
def test_a_keyword_of_a_remote_method_is_seen_in_the_line(text: str, expected: tuple[str, str, str] | None) -> None:
    assert arguments_at(text) == expected


def test_the_keywords_of_a_method_are_offered() -> None:
    known = [Known("get", "(name: str, force=False, *args, **more)", "demo.py:41"), Known("put", "(fork)", "")]

    assert [each.text for each in keywords("fo", "get", known)] == ["force="]
    assert [each.text for each in keywords("", "get", known)] == ["name=", "force="]


@pytest.mark.parametrize(
    ("usage", "typed", "expected"),
    [
        ("", "", []),
        ("[ours|theirs]", "", ["ours", "theirs"]),
        ("[ours|theirs]", "ours", []),
        ("on|off|mark TEXT|clear", "", ["on", "off", "mark", "clear"]),
        ("on|off|mark TEXT|clear", "mark", ["TEXT"]),
        ("on|off|mark TEXT|clear", "nonsense", []),
        ("TARGET [as NAME]", "there", ["as"]),
        ("TARGET [as NAME]", "there as", ["NAME"]),
        ("[ours|theirs] [FILTER] [at MOMENT]", "", ["ours", "theirs", "FILTER", "at"]),
        ("[ours|theirs] [FILTER] [at MOMENT]", "ours ~m get", ["FILTER", "at"]),
        ("[ours|theirs] [at MOMENT], or REF [diff]", "s1", ["diff"]),
        ("NAME [--listen EP] [--OPTION VALUE]...", "x", ["--listen", "--OPTION"]),
        ("NAME [--OPTION VALUE]...", "x --a 1 --b 2", ["--OPTION"]),
        ("REF METHOD [ARG|k=ARG ...]", "s1 get", ["ARG", "k=ARG"]),
        ("[[[", "", []),
    ],
)
def test_the_words_that_may_come_next(usage: str, typed: str, expected: list[str]) -> None:
    assert next_words(usage, typed.split()) == expected


def test_the_usages_of_all_commands_can_be_read() -> None:
    for each in COMMANDS.values():
        assert bool(next_words(each.usage, [])) == bool(each.usage)


async def test_completion_asks_jedi_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jedi", None)
    async with prompt() as screen:
        screen.pipe.send_text("prin\t")
        await until(lambda: "print" in screen.repl.default_buffer.text)
        await screen.type("(6 * 7)")


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
        thing = screen.repl.bench.namespace["thing"] = Trap()
        Trap.asked.clear()

        assert words(screen.repl, "thing.tr") == ["trap"]
        assert words(screen.repl, "thing.ow") == ["own"]
        assert words(screen.repl, "thing.own.app") == ["append"]
        assert words(screen.repl, "thing.slot.upp") == ["upper"]
        assert words(screen.repl, "thing.function.__nam") == ["__name__"]
        assert words(screen.repl, "thing.callRemote('ec") == []
        assert words(screen.repl, "R(thing).ec") == []
        for text in ("thing.trap.", "thing.empty.", "thing.__class__.", "thing.nosuch.", "thing.trap.x."):
            assert words(screen.repl, text) == []

    assert Trap.asked == []
    del thing


class Name(str):
    """A name that does something when it is looked at."""

    __slots__ = ()

    def __lt__(self, other: object) -> bool:
        raise AssertionError(other)

    def startswith(self, *args: object) -> bool:
        raise AssertionError(args)


def test_names_that_are_none_are_not_looked_at() -> None:
    class Strange:
        pass

    strange = Strange()
    vars(strange).update(cast(Any, {5: 1, Name("trap"): 1, "with blank": 1, "fine": 1}))

    assert "fine" in names_behind({"strange": strange}, "strange.")
    assert {"with blank", "trap"}.isdisjoint(names_behind({"strange": strange}, "strange."))
    assert "fine" in names_behind(cast(Any, {5: 1, Name("trap"): 1, "fine": 1}), "")


def test_what_goes_wrong_in_a_completion_is_no_completion() -> None:
    class Meta(type):
        def mro(cls) -> list[type]:
            return [cls, object]

    bench = Workbench()
    bench.namespace["x"] = Meta("\u202e", (), {"__slots__": ()})
    bench.connections = None  # type: ignore[assignment]  # as broken as can be
    completer = LineCompleter(bench)

    assert list(completer.get_completions(Document(":use "), CompleteEvent())) == []
    assert list(completer.get_completions(Document("x.mr"), CompleteEvent())) == []


def test_a_method_of_a_hostile_name_is_not_offered() -> None:
    bench = Workbench()
    bench.tracer.methods.update(dict.fromkeys(["fine", "a'b", "a\u202eb", "a\\b"]))

    assert [each.text for each in methods("", _known(bench))] == ["fine"]


def _known(bench: Workbench) -> list[Known]:
    from pbshell.shell.completion.remote import known_of

    return known_of(bench, "")


async def test_a_line_of_a_megabyte_is_completed_at_once() -> None:
    async with prompt() as screen:
        assert words(screen.repl, "x = [" + "1, " * 350_000 + "pb.Roo") == ["Root"]
        await asyncio.sleep(0)
