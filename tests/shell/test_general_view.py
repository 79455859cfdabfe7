"""How help, settings, keys, methods and the output of pipes look: they fit, and nothing that one needs is cut."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.shell.plain import Plain, each
from pbshell.shell.render import Renderer
from pbshell.workbench.forms.pipes import Text
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.helping import HelpPage, list_of_commands
from pbshell.workbench.known.knowledge import Known
from pbshell.workbench.workbench import Workbench
from tests.pond.running import HOSTILE, is_harmless

WIDTHS = (40, 60, 80, 100, 140)

METHODS = Rows(
    Known,
    [
        Known("start", "(build, force=False)", "demo.py:41", 12, 1, 0.004, "Queue it, with all that " * 9),
        Known("getBuilder" * 8, "(name)", "traffic"),
    ],
    "none",
)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line", [":help", ":help all", ":help set", ":help refs", ":help ~t", ":set", ":keys"])
async def test_a_page_fits_its_screen(line: str, width: int) -> None:
    text = Renderer(width=width, screen=True).value(await Workbench().evaluate(line))

    # A word that is longer than the screen is not broken: somebody may want to copy it.
    whole = [row for row in text.split("\n") if max(map(len, row.split()), default=0) <= width - 12]
    assert [row for row in whole if len(row) > width] == []
    assert all(row == row.rstrip() for row in text.split("\n"))


async def test_help_begins_with_what_is_needed_first_and_names_the_rest_in_groups() -> None:
    text = Renderer(width=80, screen=True).value(await Workbench().evaluate(":help"))

    assert text.startswith("  :conns    every connection")
    assert "\n  Connections  " in text
    assert "  :connect  :use  :close" in text
    assert len(text.split("\n")) <= 24


async def test_help_all_explains_each_below_its_group() -> None:
    text = Renderer(width=100, screen=True).value(await Workbench().evaluate(":help all"))

    assert text.startswith("Connections\n  :conns ")
    assert "\n\nThe live view\n  :top " in text
    assert "\n\nSettings, aliases, help\n  :help" in text


async def test_help_that_was_searched_explains_what_it_found() -> None:
    text = Renderer(width=100, screen=True).value(await Workbench().evaluate(":help | grep 'holds an object'"))

    assert " ".join(text.split()) == ":who REF who holds an object on our side, and the ledger on theirs"
    nothing = Renderer().value(await Workbench().evaluate(":help | grep xyzzy"))
    assert nothing == "nothing matches xyzzy"


def test_a_page_shows_what_it_has() -> None:
    value = HelpPage(
        ":x",
        ":x [A]",
        "does",
        "More,\nin lines.\n\nMore.",
        (":x 1", ":x 2"),
        "sh.x(a='')",
        "docs/x",
        tuple(METHODS),
    )
    text = Renderer(width=60, screen=True).value(value)

    assert text.startswith(
        ":x [A]\n  does\n\n  More, in lines.\n\n  More.\n\n"
        "  example   :x 1\n            :x 2\n  function  sh.x(a='')\n  docs      docs/x\n\nMETHOD"
    )
    assert Renderer().value(HelpPage("x", "x", "")) == "x"


@pytest.mark.parametrize("width", WIDTHS)
def test_methods_fit_with_their_names_in_front(width: int) -> None:
    lines = Renderer(width=width, screen=True).value(METHODS).split("\n")

    assert all(len(line) <= width for line in lines)
    assert lines[1].startswith("start(build")
    assert len(lines) == 3


def test_methods_in_a_pipe_are_whole() -> None:
    text = Renderer().value(METHODS)

    assert "getBuilder" * 8 + "(name)" in text
    assert text.split("\n")[1].endswith("Queue it, with all that")
    assert Renderer().value(Rows(Known, [], "none")) == "none"


def test_lines_are_shown_as_they_are_and_harmlessly() -> None:
    assert Renderer(width=20, screen=True).value(Text(("a" * 50, "b"))) == "a" * 50 + "\nb"
    assert is_harmless(Renderer().value(Text((HOSTILE,))))


def test_what_a_peer_named_is_harmless_in_a_page() -> None:
    known = Known(HOSTILE, HOSTILE, HOSTILE, doc=HOSTILE)
    for screen in (True, False):
        renderer = Renderer(width=80, screen=screen)
        assert is_harmless(renderer.value(Rows(Known, [known])))
        assert is_harmless(renderer.value(HelpPage(HOSTILE, HOSTILE, HOSTILE, HOSTILE.replace("\n", ""), (HOSTILE,))))


async def test_without_a_terminal_a_file_gets_the_table_and_the_notice_is_words(tmp_path: Any) -> None:
    bench = Workbench()
    shown: list[str] = []
    said: list[str] = []
    plain = Plain(bench, shown.append, said.append)
    file = tmp_path / "settings.txt"

    assert await plain.run(each([f":set > {file}", ":set width | json"])) == 0

    assert said == [f"{len(file.read_text().splitlines())} lines written to {file}"]
    assert file.read_text().startswith("NAME       VALUE")
    (line,) = shown
    assert line.startswith('{"v": 1, "kind": "setting", "name": "width", "value": "none", "where": "default"')


def test_no_commands_are_no_help() -> None:
    rows = list_of_commands(brief=True)
    rows[:] = []
    assert Renderer().value(rows) == "nothing"
