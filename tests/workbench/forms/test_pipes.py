"""What stands behind a command: which signs are pipes, and what each does with data and with text."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pbshell.errors import UsageError
from pbshell.workbench.forms.pipes import Json, Pipe, Text, Written, check, piped, split
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected

# ------------------------------------------------------------------------------------------------ reading a line


@pytest.mark.parametrize(
    ("rest", "head", "pipes"),
    [
        ("", "", []),
        ("theirs", "theirs", []),
        ("theirs | grep x", "theirs", [("grep", "x")]),
        ("| json", "", [("json", "")]),
        ("|json", "", [("json", "")]),
        ("theirs |json>f", "theirs", [("json>f", "")]),
        ("| sort -age | json > out.json", "", [("sort", "-age"), ("json", ""), (">", "out.json")]),
        (">> 'my file'", "", [(">>", "'my file'")]),
        (">out", "", [(">", "out")]),
        ("| grep a|b", "", [("grep", "a|b")]),
        ("| grep 'a | b' | json", "", [("grep", "'a | b'"), ("json", "")]),
        ("| grep (a | b)", "", [("grep", "(a | b)")]),
        ("| grep a\\ | json", "", [("grep", "a\\"), ("json", "")]),
    ],
)
def test_pipes_are_told_from_the_command(rest: str, head: str, pipes: list[tuple[str, str]]) -> None:
    if ("json>f", "") in pipes:
        with pytest.raises(UsageError, match=r"there is no \| json>f"):
            split(rest)
        return
    assert split(rest) == (head, [Pipe(*each) for each in pipes])


@pytest.mark.parametrize(
    "rest",
    [
        "~m a | b",
        "~m a|b",
        "~m start | ~e & ~t >50ms",
        "~t > 50ms",
        "~t >=50ms",
        "~z >4k | ~x",
        "(~m a | json)",
        "~a 'x | grep y'",
        '~a "it | sort > f"',
        "~m group | report",
        "call s3 f {1} | {2}",
        "echo(x > y)",
        "['a' | 'json', b'| json']",
    ],
)
def test_the_signs_of_filters_and_python_stay_theirs(rest: str) -> None:
    assert split(rest, has_filter=True) == (rest, [])


@pytest.mark.parametrize(
    ("rest", "head"),
    [
        ("~m a | b | json", "~m a | b"),
        ("~t >50ms | json", "~t >50ms"),
        ("(~m a | json) | json", "(~m a | json)"),
        ("mark don't stop | json", "mark don't stop"),
        ("~a b'a | b' | json", "~a b'a | b'"),
    ],
)
def test_a_pipe_stands_behind_a_filter(rest: str, head: str) -> None:
    assert split(rest, has_filter=True) == (head, [Pipe("json", "")])


@pytest.mark.parametrize(
    ("rest", "has_filter", "sentence"),
    [
        ("| gerp x", False, "there is no | gerp; did you mean | grep?"),
        ("| gerp x", True, "there is no | gerp; did you mean | grep?"),
        ("~m a | gerp x", True, "did you mean | grep?; a | of the filter stands in parentheses: (... | gerp)"),
        ("theirs | frob", False, "there is no | frob; there are | grep RE, | sort KEY, | json, and > FILE"),
        ("theirs | b", False, "there is no | b;"),
        ("| json | frob", True, "there is no | frob;"),
        ("theirs |", False, "nothing stands behind the last |"),
        ("| \x1b[31m", False, "there is no | \\x1b[31m;"),
    ],
)
def test_a_misspelt_verb_is_one_sentence(rest: str, has_filter: bool, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        split(rest, has_filter=has_filter)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("pipes", "sentence"),
    [
        ("| grep", "| grep wants a regular expression"),
        ("| grep (", "| grep (:"),
        ("| sort", "| sort wants a field"),
        ("| json x", "| json takes nothing behind it, and not 'x'"),
        ("| json | sort a", "| json makes lines of text"),
        (">", "> wants the name of a file behind it"),
        ("> a b", "> wants the name of a file, and nothing behind it: a b"),
        ("> 'a", "> 'a: No closing quotation"),
    ],
)
def test_what_is_wrong_with_a_pipe_is_found_before_the_command_runs(pipes: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(split(pipes)[1])

    assert sentence in str(caught.value)


# ------------------------------------------------------------------------------------------------ data


@dataclass(frozen=True, slots=True)
class Lamp:
    """A lamp."""

    id: str
    watts: int | None
    lit: float


LAMPS = Rows(Lamp, [Lamp("s10", 1234, 0.5), Lamp("s9", None, 252.0), Lamp("c1", 60, 0.001)], "no lamps")


def through(pipe: str, value: Any = LAMPS) -> Any:
    return piped(value, split(pipe)[1], lambda value, width: f"{width}\n" + "\n".join(each.id for each in value))


def ids(rows: Any) -> list[str]:
    return [row.id for row in rows]


@pytest.mark.parametrize(
    ("pipe", "found"),
    [
        ("| grep s", ["s10", "s9"]),
        ("| grep S1", ["s10"]),
        ("| grep 1,234", ["s10"]),
        ("| grep ^-$", ["s9"]),
        ("| grep 252|0.5", ["s10", "s9"]),
        ("| grep -v s", ["c1"]),
        ('| grep "^c"', ["c1"]),
        ("| grep nothing", []),
        ("| sort id", ["c1", "s9", "s10"]),
        ("| sort -id", ["s10", "s9", "c1"]),
        ("| sort ID desc", ["s10", "s9", "c1"]),
        ("| sort watts", ["c1", "s10", "s9"]),
        ("| sort -watts", ["s10", "c1", "s9"]),
        ("| sort lit asc | grep s", ["s10", "s9"]),
    ],
)
def test_rows_stay_rows_behind_grep_and_sort(pipe: str, found: list[str]) -> None:
    rows = through(pipe)

    assert isinstance(rows, Rows)
    assert rows.kind is Lamp
    assert ids(rows) == found
    assert ids(LAMPS) == ["s10", "s9", "c1"]


def test_no_match_has_a_word_of_its_own() -> None:
    assert through("| grep nothing").empty == "nothing matches nothing"
    assert piped(Rows(Lamp, [], "no lamps"), split("| grep x")[1], None).empty == "no lamps"


@pytest.mark.parametrize(
    ("pipe", "sentence"),
    [
        ("| sort wats", "there is no field 'wats' to sort by; did you mean watts? the rows have id, watts, lit"),
        ("| sort id up", "'up' is nothing"),
    ],
)
def test_a_wrong_key_names_those_that_there_are(pipe: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        through(pipe)

    assert sentence in str(caught.value)


def test_only_rows_are_sorted() -> None:
    with pytest.raises(UsageError, match="is for rows"):
        piped("text", split("| sort id")[1], None)


def test_other_data_is_searched_line_by_line() -> None:
    found = piped("a\nb", split("| grep b")[1], lambda value, width: str(value))

    assert found == Text(("b",))
    assert list(found.objects()) == [{"kind": "line", "text": "b"}]
    assert piped("x", split("| grep x")[1], None) == Text(("'x'",))


def test_json_is_a_line_for_each_row_and_can_be_searched() -> None:
    value = through("| json")

    assert isinstance(value, Json)
    assert [json.loads(line)["id"] for line in value.lines] == ids(LAMPS)
    assert list(value.objects()) == [{"kind": "lamp", **{n: getattr(e, n) for n in e.__slots__}} for e in LAMPS]
    assert len(through("| json | grep s9").lines) == 1


# ------------------------------------------------------------------------------------------------ files


def test_a_file_is_made_for_nobody_else_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "lamps.txt"
    written = through(f"> {path}")

    assert written == Written(4, str(path), appended=False)
    assert str(written) == f"4 lines written to {path}"
    assert path.read_text() == "100\ns10\ns9\nc1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="is there already: >> FILE appends to it"):
        through(f"> {path}")
    with pytest.raises(UsageError, match="is there already"):
        check(split(f"> {path}")[1])
    assert path.read_text() == "100\ns10\ns9\nc1\n"


def test_a_file_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "my lamps"
    through(f"| grep c1 | json >> '{path}'")
    assert str(through(f"| grep s9 | json >> '{path}'")) == f"1 line appended to {path}"

    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["c1", "s9"]


def test_what_gives_nothing_writes_nothing(tmp_path: Path) -> None:
    assert piped(None, split(f"> {tmp_path / 'x'}")[1], None).lines == 0


@pytest.mark.parametrize("name", ["nowhere/file", "'a\0b'"])
def test_a_file_that_cannot_be_written_is_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: "):
        piped("x", [Pipe(">", f"{tmp_path}/{name.strip(chr(39))}")], None)


# ------------------------------------------------------------------------------------------------ behind commands


async def test_a_command_is_followed_by_pipes_and_its_function_is_not() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        rows = await bench.evaluate(":refs theirs | grep thing | sort -id")

        assert [row.id for row in rows] == ["s1"]
        sh: Any = bench.namespace["sh"]
        assert len(sh.refs("theirs")) == len(await bench.evaluate(":refs|grep theirs"))
        bench.namespace.pop("thing")


async def test_a_wrong_pipe_stops_the_command_before_it_does_anything(tmp_path: Path) -> None:
    bench = Workbench()
    there = tmp_path / "there"
    there.write_text("kept")

    for line in (":trace on | gerp x", ":trace on | sort", f":trace on > {there}"):
        with pytest.raises(UsageError):
            await bench.evaluate(line)

    assert not bench.tracer.on
    assert there.read_text() == "kept"
