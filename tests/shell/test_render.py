"""What is shown: tables, sentences and values, with colours or without, and never what a peer would like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest

from pbshell.shell.render import Renderer, has_colours
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.problems import ExitCode, Problem
from pbshell.workbench.typed.statements import Detached

HOSTILE = "\x1b]0;owned\x07\r\nspoof\x9b2J\u202e[bold]x[/bold]:smile:"
PLAIN, COLOURED = Renderer(), Renderer(colours=True)


@dataclass(frozen=True)
class Lent:
    """A row as tables have them."""

    connection: str
    side: str
    id: str
    count: int | None
    what: str


REFERENCES = Rows(
    Lent,
    [Lent("main", "ours", "root", None, "mod.Root"), Lent("main", "theirs", "s12", 3, "")],
    "no references",
)


class Rude:
    """Its repr() is a terminal's command."""

    def __repr__(self) -> str:
        return HOSTILE


@dataclass(frozen=True)
class Row:
    """A row that holds anything."""

    name: str
    value: Any


def stripped(text: str) -> str:
    """*text* without the colours, which are all that may be left of escape sequences."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_rows_are_a_table() -> None:
    assert PLAIN.value(REFERENCES).split("\n") == [
        "CONNECTION  SIDE    ID    COUNT  WHAT",
        "main        ours    root      -  mod.Root",
        "main        theirs  s12       3",
    ]


def test_a_table_has_the_same_words_in_colour() -> None:
    lines = stripped(COLOURED.value(REFERENCES)).split("\n")

    assert [line.rstrip() for line in lines] == PLAIN.value(REFERENCES).split("\n")


def test_no_rows_are_a_word() -> None:
    assert PLAIN.value(Rows(Lent, [], "no references")) == "no references"


def test_a_narrow_table_folds_and_drops_nothing() -> None:
    rows = Rows(Lent, [Lent("main", "theirs", "s1", 1, "abcdefghij" * 10)])

    text = Renderer(width=60).value(rows)

    assert all(len(line) <= 60 for line in text.split("\n"))
    assert re.sub(r"\s", "", text).count("j") == 10


def test_a_notice_is_its_sentence() -> None:
    assert PLAIN.value(Detached("d1", "x")).startswith("d1 runs in the background: x")


def test_a_value_is_its_repr_on_one_line() -> None:
    assert PLAIN.value(list(range(100))) == repr(list(range(100)))


def test_on_a_screen_a_long_value_has_an_item_to_a_line() -> None:
    lines = stripped(Renderer(width=40, colours=True).value(["x" * 30, "y" * 30])).split("\n")

    assert lines == ["[", f"    '{'x' * 30}',", f"    '{'y' * 30}'", "]"]


def test_on_a_screen_a_huge_value_is_cut_and_tells_how_much_is_missing() -> None:
    assert "... +9000" in stripped(COLOURED.value(list(range(10_000))))
    assert stripped(COLOURED.value(b"x" * 50_000)).endswith("+40000")


def test_a_pipe_gets_all_of_it() -> None:
    assert PLAIN.value(list(range(10_000))) == repr(list(range(10_000)))


class Copied:
    """Has attributes that a peer has named."""

    def __init__(self, value: Any) -> None:
        self.__dict__ |= dict.fromkeys(("__rich_repr__", "_fields", "__attrs_attrs__", "__dataclass_fields__"), value)

    def __repr__(self) -> str:
        return "<a copy>"


@pytest.mark.parametrize("value", [5, "x", {"a": 1}, [HOSTILE]])
def test_an_attribute_that_a_peer_has_named_changes_nothing(value: Any) -> None:
    assert "<a copy>" in stripped(COLOURED.value([Copied(value)]))


class Richer:
    """Has a mistake where rich asks it how it looks."""

    def __rich_repr__(self) -> Any:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        return "<richer>"


def test_a_mistake_of_an_object_that_says_how_it_looks_is_no_mistake_of_ours() -> None:
    assert stripped(COLOURED.value(Richer())) == "<richer>"


def test_a_problem_is_sentence_details_and_hint() -> None:
    problem = Problem(ExitCode.RAISED, "it failed", "try again", ("line 1", "line 2"))

    assert PLAIN.problem(problem) == "it failed\n    line 1\n    line 2\n  try again"
    assert PLAIN.problem(problem, "pbshell: ").startswith("pbshell: it failed\n")
    assert stripped(COLOURED.problem(problem)) == PLAIN.problem(problem)
    assert PLAIN.problem(Problem(ExitCode.RAISED, "it failed")) == "it failed"


def test_on_a_screen_sentences_break_between_words() -> None:
    problem = Problem(ExitCode.RAISED, "it failed " * 10, "to mend it: do_this_and_that()", ("x" * 50,))

    lines = Renderer(width=30, screen=True).problem(problem).split("\n")

    assert all(len(line) <= 30 for line in lines if not line.strip().startswith("xx"))
    assert lines[-2:] == ["  to mend it:", "  do_this_and_that()"]
    assert f"    {'x' * 50}" in lines


def test_a_screen_without_colours_is_a_screen_all_the_same() -> None:
    text = Renderer(screen=True).value(list(range(10_000)))

    assert "... +9000" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("line", ["   1    +0.000 1 > message  c#1  root.x()", "odd", "   1    +0.000 1 x closed"])
def test_a_frame_has_the_same_words_in_colour(line: str) -> None:
    assert PLAIN.frame(line) == line
    assert stripped(COLOURED.frame(line)) == line


def test_the_arrow_of_a_frame_is_coloured_and_not_its_payload() -> None:
    text = COLOURED.frame("   1    +0.000 1 < message  c#1  root.x('> no')")

    assert stripped(text) != text
    assert text.index("\x1b") == text.index("< message") - len("\x1b[32m")


def test_a_long_frame_is_not_broken() -> None:
    assert PLAIN.frame("x" * 500) == "x" * 500


@pytest.mark.parametrize("renderer", [PLAIN, COLOURED])
@pytest.mark.parametrize(
    "value",
    [
        HOSTILE,
        HOSTILE.encode(),
        [HOSTILE, {HOSTILE: Rude()}],
        Rude(),
        Rows(Row, [Row(HOSTILE, HOSTILE), Row("x", Rude())]),
        Rows(Row, [Row(HOSTILE * 20, [Rude()] * 20)]),
    ],
)
def test_no_value_is_obeyed_by_a_terminal(renderer: Renderer, value: Any) -> None:
    text = renderer.value(value)

    assert all(line.isprintable() for line in stripped(text).split("\n"))
    assert "[bold]x[/bold]:smile:" in re.sub(r"\s", "", text)


@pytest.mark.parametrize("renderer", [PLAIN, COLOURED])
def test_no_problem_and_no_frame_is_obeyed_by_a_terminal(renderer: Renderer) -> None:
    for text in (renderer.problem(Problem(ExitCode.RAISED, HOSTILE, HOSTILE, (HOSTILE,))), renderer.frame(HOSTILE)):
        assert all(line.isprintable() for line in stripped(text).split("\n"))


class Terminal(StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "coloured"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    stream: StringIO, variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert has_colours(stream) is coloured
