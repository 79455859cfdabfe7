"""What commands give: it can always be shown, whoever wrote its repr()."""

from __future__ import annotations

from pbshell.shell.render import Renderer
from pbshell.workbench.forms.rows import Rows, shown
from pbshell.workbench.typed.mind import Heard, Mind


class Broken:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Loud:
    """Wants to clear the screen."""

    def __repr__(self) -> str:
        return "<\x1b[2J>"


def test_a_repr_that_raises_is_told() -> None:
    assert shown(Broken()) == "<Broken, whose repr() raised RuntimeError>"


def test_a_repr_is_made_harmless_and_cut() -> None:
    assert shown(Loud()) == "<\\x1b[2J>"
    assert shown("x" * 100, 5) == "'xxxx... (102 characters)"


def test_rows_are_a_list() -> None:
    assert Rows(int, [1, 2]) == [1, 2]


def test_a_mind_answers_every_call_with_none_and_remembers_it() -> None:
    mind = Mind()
    method, leading = mind.methodFor("anything")

    assert method(*leading, 1, k=2) is None
    assert list(mind.heard) == [Heard("anything", (1,), {"k": 2})]
    assert repr(mind) == "<mind, called 1 time>"


def test_what_a_mind_heard_is_one_harmless_line() -> None:
    assert str(Heard("pr\x1bint", ("\n", Broken()), {"k\r": 1})) == (
        "mind.pr\\x1bint('\\n', <Broken, whose repr() raised RuntimeError>, k\\r=1)"
    )


def test_what_stands_in_itself_a_billion_times_is_shown_at_once() -> None:
    value: list[object] = []
    for _ in range(40):
        value = [value, value]

    assert len(shown(value)) < 20_000
    assert len(shown({"k": value}, 40)) < 100
    assert len(str(Heard("x", (value,), {}))) < 1_000
    assert len(Renderer(width=80, screen=True).value(value)) < 20_000
