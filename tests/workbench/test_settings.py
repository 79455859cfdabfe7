"""Settings, aliases and keys: what can be said, where it is said, and what is told of what is wrong."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from pbshell.errors import UsageError
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.commands.settings import Aliased, AliasRow, Configured, Set, SettingRow
from pbshell.workbench.forms.pipes import Text
from pbshell.workbench.known.knowledge import Knowledge
from pbshell.workbench.settings import SETTINGS, Setting, Settings, config_file, draft
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected


@pytest.fixture
def bench() -> Workbench:
    return Workbench()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of settings would be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return config_file()


def settings_of(bench: Workbench) -> Settings:
    return bench.part(Settings)


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("autoawait", "off", False),
        ("autoawait", "Yes", True),
        ("form", "JSON", "json"),
        ("rate", "50", 50),
        ("rate", "none", None),
        ("width", 120, 120),
        ("history", False, False),
    ],
)
async def test_a_setting_takes_what_it_wants(bench: Workbench, name: str, text: object, value: object) -> None:
    heard: list[Any] = []
    settings_of(bench).watch(name, heard.append)

    settings_of(bench).set(name, text)

    assert settings_of(bench)[name] == value
    assert settings_of(bench).where(name) == "here"
    assert heard == [value]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("set widht 3", "there is no setting 'widht'; did you mean width?"),
        ("set xyzzy", f"there is no setting 'xyzzy'; there are {', '.join(SETTINGS)}"),
        ("set width 3", "width is a number from 20 to 1,000, or none, and not '3'"),
        ("set width wide", "width is a number from 20 to 1,000, or none, and not 'wide'"),
        ("set autoawait maybe", "autoawait is on or off, and not 'maybe'"),
        ("set form jsn", "form is calls, frames, full or json, and not 'jsn'; did you mean json?"),
        ("set form \x1b[2J", "form is calls, frames, full or json, and not '\\\\x1b[2J'"),
    ],
)
async def test_a_wrong_value_is_one_sentence(bench: Workbench, line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await bench.evaluate(f":{line}")

    assert str(caught.value) == sentence


async def test_set_lists_shows_sets_and_puts_back(bench: Workbench) -> None:
    assert [row.name for row in await bench.evaluate(":set")] == list(SETTINGS)
    assert str(await bench.evaluate(":set width 90")) == "width is 90 in this session; :config edit keeps it"
    (row,) = await bench.evaluate(":set width")
    assert row == SettingRow("width", "90", "here", SETTINGS["width"].help)
    assert await bench.evaluate(":set width default") == Set("width", "none")
    (row,) = await bench.evaluate(":set width")
    assert (row.value, row.where) == ("none", "default")


async def test_who_watches_late_hears_of_what_was_set(bench: Workbench) -> None:
    heard: list[Any] = []
    settings_of(bench).watch("rate", heard.append)
    assert heard == []
    settings_of(bench).set("rate", "7")
    settings_of(bench).watch("rate", heard.append)
    assert heard == [7, 7]


async def test_autoawait_off_leaves_an_awaitable_alone(bench: Workbench) -> None:
    await bench.evaluate("async def two():\n    return 2")
    assert await bench.evaluate("two()") == 2
    await bench.evaluate(":set autoawait off")
    await bench.evaluate("_ = two()")
    left = await bench.evaluate("_")
    assert await left == 2


async def test_the_trace_is_as_the_settings_say() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(":set form json")
        await bench.evaluate(":set rate 1")
        await bench.evaluate(":trace on")
        assert (await bench.evaluate(":trace")).form == "json"
        await bench.evaluate(":set redact strict")
        assert bench.tracer.dissector.redact == "strict"
        assert bench.tracer.bounds.rate == 1
        await bench.evaluate("await root.callRemote('echo', 1)")
        assert notes.traffic[0].startswith('{"v": 1')
        await bench.evaluate(":set form frames")
        assert (await bench.evaluate(":trace")).form == "frames"


# ------------------------------------------------------------------------------------------------ aliases


async def test_an_alias_stands_for_its_command_and_what_is_typed_goes_before_its_pipes(bench: Workbench) -> None:
    assert str(await bench.evaluate(":alias s = :set | grep trace | sort -name")).startswith(":s is :set | grep trace")
    assert [row.name for row in await bench.evaluate(":s")] == ["redact", "rate", "form"]
    assert [row.name for row in await bench.evaluate(":s rate")] == ["rate"]
    assert [row.name for row in await bench.evaluate(":s | grep count")] == ["rate"]
    assert await bench.evaluate(":alias") == [AliasRow("s", ":set | grep trace | sort -name")]
    assert await bench.evaluate(":alias s") == await bench.evaluate(":alias")
    assert await bench.evaluate(":unalias s") == Aliased("s", "")
    with pytest.raises(UsageError, match="there is no command :s"):
        await bench.evaluate(":s")


async def test_an_alias_may_stand_behind_another_but_not_behind_itself(bench: Workbench) -> None:
    await bench.evaluate(":alias a = :b width")
    await bench.evaluate(":alias b = :set")
    assert [row.name for row in await bench.evaluate(":a")] == ["width"]
    await bench.evaluate(":alias b = :a")
    with pytest.raises(UsageError, match=r":[ab] leads to itself"):
        await bench.evaluate(":a")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("alias set = :refs", ":set is a command, and no alias can take its place"),
        ("alias a b = :refs", "'a b' is no name for an alias"),
        ("alias a = refs", "an alias is for a command: write :alias a = :refs theirs"),
        ("alias a = :", "an alias is for a command"),
        (f"alias a = :{'x' * 3000}", "an alias has 2,000 characters at most"),
        ("alias a", "there is no alias 'a'"),
        ("unalias a", "there is no alias 'a'; :alias lists them"),
    ],
)
async def test_a_wrong_alias_is_one_sentence(bench: Workbench, line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await bench.evaluate(f":{line}")

    assert str(caught.value).startswith(sentence)


async def test_a_command_that_is_misspelt_may_be_an_alias(bench: Workbench) -> None:
    await bench.evaluate(":alias leaky = :set")
    with pytest.raises(UsageError, match=r"did you mean :leaky\?"):
        await bench.evaluate(":leaki")


# ------------------------------------------------------------------------------------------------ the file


def test_the_file_is_heeded(bench: Workbench, tmp_path: Path) -> None:
    interface = tmp_path / "ci.toml"
    interface.write_text('[objects.root]\nbuild = "(rev)"\n')
    file = tmp_path / "config.toml"
    file.write_text(
        f'interfaces = ["{interface}"]\n[settings]\nwidth = 120\nautoawait = false\n'
        '[keys]\npaste = "none"\nrefs = "f6"\n[alias]\nlk = ":refs leaked"\n'
    )

    assert settings_of(bench).load(COMMANDS, file) == []
    assert settings_of(bench).keys == {"paste": "none", "refs": "f6"}
    assert settings_of(bench)["width"] == 120
    assert settings_of(bench).where("width") == "config"
    assert settings_of(bench)["autoawait"] is False
    assert settings_of(bench).aliases == {"lk": "refs leaked"}
    assert list(bench.part(Knowledge).interfaces) == ["ci"]


def test_what_is_wrong_is_told_with_its_line_and_the_rest_counts(bench: Workbench, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'intrefaces = []\ninterfaces = ["nowhere.toml"]\n'
        '[settings]\nwidth = "wide"\nrate = 50\nnonsense = 1\n'
        '[keys]\ntop = "f99"\nnone = "f1"\nhelp = 3\n'
        '[alias]\nset = ":refs"\nlk = ":refs leaked"\nl = 2\n'
        "[colours]\nred = 1\n"
    )

    wrong = settings_of(bench).load(COMMANDS, file)

    assert all(each.startswith(f"{file}, line ") for each in wrong)
    told = [each.removeprefix(f"{file}, line ") for each in wrong]
    starts = [
        "1: there is no 'intrefaces'; did you mean interfaces?",
        "2: the interface file nowhere.toml cannot be read",
        "4: width is a number",
        "6: there is no setting 'nonsense'",
        "8: there is no key 'f99'",
        "9: no key is called 'none'",
        "10: help is a text in quotes",
        "12: :set is a command",
        "14: l is a text in quotes",
        "15: there is no 'colours'",
    ]
    assert len(told) == len(starts)
    for each, start in zip(told, starts, strict=True):
        assert each.startswith(start)
    assert settings_of(bench)["rate"] == 50
    assert settings_of(bench).aliases == {"lk": "refs leaked"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"width = 3", "width stands below [settings]"),
        (b"settings = 3", "settings is a table: write [settings]"),
        (b'interfaces = "ci"', 'interfaces is a list of names or files: ["ci"]'),
        (b"[settings", "is no TOML, and nothing in it counts"),
        (b"\xff", "cannot be read: it is not UTF-8"),
        (b"#" * 2_000_000, "more than 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_one_sentence(
    bench: Workbench, tmp_path: Path, text: bytes, sentence: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(text)

    (told,) = settings_of(bench).load(COMMANDS, file)

    assert sentence in told


def test_no_file_is_no_problem(bench: Workbench, config: Path) -> None:
    assert settings_of(bench).load(COMMANDS) == []


def test_a_folder_in_place_of_the_file_is_told(bench: Workbench, tmp_path: Path) -> None:
    (told,) = settings_of(bench).load(COMMANDS, tmp_path)

    assert "cannot be read" in told


def test_the_draft_says_all_that_there_is_and_changes_nothing_even_without_its_signs(
    bench: Workbench, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(draft())
    assert settings_of(bench).load(COMMANDS, file) == []
    assert all(f"# {name} = " in draft() for name in SETTINGS)

    lines = [
        line.removeprefix("# ") if " = " in line and "interfaces" not in line else line for line in draft().split("\n")
    ]
    file.write_text("\n".join(lines))
    assert settings_of(bench).load(COMMANDS, file) == []
    assert {name: settings_of(bench)[name] for name in SETTINGS} == {e.name: e.default for e in SETTINGS.values()}
    assert settings_of(bench).aliases == {"lk": "refs leaked | sort -age"}


# ------------------------------------------------------------------------------------------------ :config


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def text_of(path: Path) -> str:
    return path.read_text()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_config_tells_where_the_file_is_and_what_is_in_it(bench: Workbench, config: Path) -> None:
    assert await bench.evaluate(":config path") == Text((str(config),))
    with pytest.raises(UsageError, match="is not there yet: :config edit makes it"):
        await bench.evaluate(":config")
    write(config, "# \x1b[31m\n[settings]\n")
    assert await bench.evaluate(":config show") == Text(("# \\x1b[31m", "[settings]"))


async def test_config_edit_begins_with_a_draft_and_reads_what_became_of_it(bench: Workbench, config: Path) -> None:
    with pytest.raises(UsageError, match="there is no terminal here for an editor"):
        await bench.evaluate(":config edit")

    async def edit(path: Path) -> int:
        # It is made when there is somebody to edit it.
        assert text_of(path) == draft()
        assert mode_of(path) == 0o600
        write(path, '[settings]\nwidth = 77\nrate = "x"\n')
        return 0

    settings_of(bench).edit = edit
    told = await bench.evaluate(":config edit")

    assert isinstance(told, Configured)
    assert str(told).startswith(f"{config}, line 3: rate is a number")
    assert settings_of(bench)["width"] == 77


async def test_an_editor_that_fails_changes_nothing(bench: Workbench, config: Path) -> None:
    settings_of(bench).edit = lambda path: 3
    with pytest.raises(UsageError, match="the editor ended with code 3, and nothing was read"):
        await bench.evaluate(":config edit")


async def test_config_edit_in_a_folder_that_cannot_be_made_is_one_sentence(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    settings_of(bench).edit = lambda path: 0
    with pytest.raises(UsageError, match="cannot be written"):
        await bench.evaluate(":config edit")
    with pytest.raises(UsageError, match="write :config show"):
        await bench.evaluate(":config shwo")


def test_a_setting_says_what_it_wants() -> None:
    assert Setting("x", 1, "", least=1, most=9).wanted == "a number from 1 to 9, or none"
    assert Setting("x", "a", "", ("a", "b", "c")).wanted == "a, b or c"
    assert Setting("x", True, "").wanted == "on or off"
