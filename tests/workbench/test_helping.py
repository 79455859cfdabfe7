"""`:help`: every command in its group, and a page about whatever has a name here."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from pbshell.errors import UsageError
from pbshell.trace.filters import OPERATORS
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.forms.pipes import split
from pbshell.workbench.helping import EXAMPLES, GROUPS, Help, HelpPage, HelpRow, group_of
from pbshell.workbench.keys import KEYS
from pbshell.workbench.settings import Settings
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import Server, connected

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")


async def page(word: str, bench: Workbench | None = None) -> HelpPage:
    found: HelpPage = await (bench or Workbench()).evaluate(f":help {word}")
    assert isinstance(found, HelpPage)
    return found


async def test_help_lists_every_command_those_that_are_needed_first_in_front() -> None:
    rows = await Workbench().evaluate(":help")

    assert {row.command.split()[0] for row in rows} == {f":{name}" for name in COMMANDS}
    assert all(row.what for row in rows)
    first = [row.command.split()[0] for row in rows if row.first]
    assert [row.first for row in rows] == [True] * len(first) + [False] * (len(rows) - len(first))
    assert set(first) <= {":conns", ":calls", ":refs", ":trace", ":why", ":help"}
    assert rows.brief


async def test_help_all_is_not_brief() -> None:
    rows = await Workbench().evaluate(":help all")
    assert isinstance(rows, Help)
    assert not rows.brief
    assert isinstance(await Workbench().evaluate(":help | grep lent"), Help)


def test_the_groups_are_the_sections_of_the_reference() -> None:
    assert re.findall(r"^## (.*)$", REFERENCE, re.MULTILINE)[-1] == "Settings, aliases, help"
    assert set(GROUPS) | {"The output of a command"} == set(re.findall(r"^## (.*)$", REFERENCE, re.MULTILINE))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_group_and_says_more_than_a_line(name: str) -> None:
    assert group_of(name) in GROUPS
    assert inspect.getdoc(COMMANDS[name].function)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_of_its_command_and_can_be_read(name: str) -> None:
    for example in EXAMPLES[name]:
        assert example.split()[0] == f":{name}"
        if name in COMMANDS and COMMANDS[name].has_pipes:
            split(example.partition(" ")[2], has_filter=True)


@pytest.mark.parametrize("word", ["set", ":set"])
async def test_the_page_of_a_command(word: str) -> None:
    assert await page(word) == HelpPage(
        ":set",
        ":set [SETTING] [VALUE]",
        "the settings, or another value for one",
        "All settings, the one called name, or a new value for it; default is the one it had first.\n\n"
        "What is set here holds until the shell is left; what stands in the file of :config edit holds for ever.",
        (":set", ":set width 140", ":set width default"),
        "sh.set(name='', value='')",
        "docs/reference/commands.md#settings-aliases-help",
    )


async def test_a_name_that_is_a_word_of_pythons_is_shown_as_it_is_called() -> None:
    assert (await page("import")).function == "sh.import_(what, file)"


async def test_the_page_of_an_alias() -> None:
    bench = Workbench()
    bench.part(Settings).alias("lk", ":refs leaked", COMMANDS)
    assert (await page(":lk", bench)).summary == "an alias of :refs leaked"


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda each: each.symbol)
async def test_the_page_of_an_operator(operator: Any) -> None:
    found = await page(operator.symbol)
    assert found.summary == operator.help
    assert operator.example in found.examples[0]
    assert (await page(f"'~{operator.name}'")).summary == operator.help


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
async def test_the_page_of_a_key(key: Any) -> None:
    found = await page(f"'{key.default}'")
    assert found.summary == key.help
    assert key.default in found.usage


async def test_the_page_of_a_setting() -> None:
    found = await page("rate")
    assert (found.usage, found.text) == (
        ":set rate VALUE",
        "It is a number from 1 to 100,000, or none; now it is none.",
    )


async def test_the_pages_of_pythons_names() -> None:
    bench = Workbench()
    await bench.evaluate("def add(a, b=2):\n    'Add \\x1b them.'\n    return a + b")
    assert await page("add", bench) == HelpPage("add", "add(a, b=2)", "", "Add \\x1b them.")
    assert (await page("len", bench)).usage == "len(...)"
    assert (await page("pb.connect", bench)).usage.startswith("pb.connect(")
    assert (await page("asyncio", bench)).summary == "the module asyncio"
    assert "Its one purpose is" in (await page("pb.RemoteReference", bench)).text
    assert (await page("sh.refs", bench)).usage.startswith("sh.refs(")
    await bench.evaluate("x = {'a': 1}")
    assert (await page("x", bench)).summary == "of class builtins.dict: {'a': 1}"


async def test_no_property_is_asked_for_its_page() -> None:
    bench = Workbench()

    class Trap:
        @property
        def door(self) -> None:
            raise AssertionError

        def __getattr__(self, name: str) -> None:
            raise AssertionError(name)

        def __repr__(self) -> str:
            raise AssertionError

    bench.namespace["trap"] = Trap()
    assert "Trap" in (await page("trap", bench)).summary
    assert "property" in (await page("trap.door", bench)).summary


async def test_the_pages_of_what_is_remote() -> None:
    async with connected() as (bench, _):
        bench.namespace["Server"] = Server
        found = await page("root", bench)
        assert {"echo", "thing"} <= {each.name for each in found.methods}
        echo = await page("echo", bench)
        assert echo.usage == "echo(value)"
        assert echo.examples == ('await root.callRemote("echo")',)
        bench.namespace.clear()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("rfes", "nothing here is called 'rfes'; did you mean :refs?"),
        ("asyncoi", "nothing here is called 'asyncoi'; did you mean asyncio?"),
        ("widht", "nothing here is called 'widht'; did you mean width?"),
        ("~q", "nothing here is called '~q'; :help lists the commands"),
        ("pb.nonesuch", "nothing here is called 'pb.nonesuch'"),
        ("'\x1b['", "nothing here is called '\\\\x1b['"),
    ],
)
async def test_what_has_no_page_is_one_sentence(word: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await Workbench().evaluate(f":help {word}")

    assert str(caught.value).startswith(sentence)


async def test_keys_are_told_where_they_are_now() -> None:
    bench = Workbench()
    bench.part(Settings).keys = {"refs": "f12", "paste": "none"}
    rows = {row.name: row for row in await bench.evaluate(":keys")}

    assert list(rows) == list(KEYS)
    assert (rows["refs"].key, rows["refs"].command) == ("F12", ":refs")
    assert rows["paste"].key == "none"


def test_the_rows_of_help_are_plain_data() -> None:
    row = HelpRow(":x", "does", "Calls", first=False)
    assert (row.command, row.what, row.group, row.first) == (":x", "does", "Calls", False)
