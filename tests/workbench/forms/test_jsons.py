"""Data as JSON: one object for each row, nothing that is no JSON, and nothing that a terminal obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pbshell.broker.references import RemoteCopy
from pbshell.workbench.forms import jsons
from pbshell.workbench.forms.rows import Notice, Rows
from tests.pond.running import HOSTILE
from tests.workbench.bench import connected


@dataclass(frozen=True, slots=True)
class LampRow:
    """A lamp."""

    name: str
    watts: float | None


@dataclass(frozen=True, slots=True)
class Kind:
    """Has a kind of its own."""

    kind: str


@dataclass(frozen=True, slots=True)
class Lit(Notice):
    """The *lamp* is lit."""

    lamp: str

    def __str__(self) -> str:
        return f"{self.lamp} is lit"


class Report:
    """Says itself what it is."""

    def objects(self) -> Iterator[dict[str, Any]]:
        yield {"kind": "part", "data": b"\xff"}
        yield {"kind": "sum", "parts": 1}


def test_each_row_is_an_object_that_says_what_it_is() -> None:
    rows = Rows(LampRow, [LampRow("a", 60.0), LampRow("b", None)])

    assert list(jsons.objects(rows)) == [
        {"kind": "lamp", "name": "a", "watts": 60.0},
        {"kind": "lamp", "name": "b", "watts": None},
    ]
    assert list(jsons.objects(rows[0])) == [{"kind": "lamp", "name": "a", "watts": 60.0}]
    assert list(jsons.objects(Rows(LampRow))) == []


def test_the_kind_of_a_row_is_not_that_of_the_object() -> None:
    assert list(jsons.objects(Kind("full"))) == [{"kind": "kind", "about": "full"}]


def test_a_notice_is_its_sentence_and_its_fields() -> None:
    assert list(jsons.objects(Lit("a"))) == [{"kind": "notice", "text": "a is lit", "lamp": "a"}]


def test_what_has_objects_writes_itself() -> None:
    assert list(jsons.objects(Report())) == [
        {"kind": "part", "data": {"bytes": "ff"}},
        {"kind": "sum", "parts": 1},
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (2**53 - 1, 2**53 - 1),
        (2**53, {"int": "9007199254740992"}),
        (-(2**5000), {"int": hex(-(2**5000))}),
        (2.5, 2.5),
        (float("inf"), {"float": "inf"}),
        (b"\x00a", {"bytes": "0061"}),
        ((1, [2]), [1, [2]]),
        ({1}, {"set": [1]}),
        ({"a": {"b": None}}, {"a": {"b": None}}),
        ({1: "a"}, {"pairs": [[1, "a"]]}),
        ({"row": LampRow("a", 1.0)}, {"row": {"name": "a", "watts": 1.0}}),
    ],
)
def test_a_value_is_what_json_has_or_says_what_it_is(value: object, written: object) -> None:
    assert list(jsons.objects(value)) == [{"kind": "value", "value": written}]
    (line,) = jsons.lines(value)
    assert json.loads(line) == {"v": 1, "kind": "value", "value": written}


def test_an_object_of_another_class_is_its_repr() -> None:
    class Raises:
        def __repr__(self) -> str:
            raise ValueError

    (told,) = jsons.objects(Raises())
    assert told["value"]["class"].endswith("Raises")
    assert "repr() raised ValueError" in told["value"]["text"]


def test_what_contains_itself_or_is_deep_or_large_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    itself: list[Any] = []
    itself.append(itself)
    assert jsons.plain(itself) == [{"cut": "it contains itself"}]

    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    assert "nested too deeply" in json.dumps(jsons.plain(deep))

    monkeypatch.setattr(jsons, "_VALUES", 10)
    shared = [1, 2]
    assert "more than 10 values" in json.dumps(jsons.plain([shared] * 20))


def test_a_value_met_twice_is_no_cycle() -> None:
    shared = [1]
    assert jsons.plain([shared, shared]) == [[1], [1]]


def test_a_line_is_ascii_and_harmless() -> None:
    (line,) = jsons.lines({HOSTILE + "\x7f\ud800": [HOSTILE, b"\x1b"]})

    assert line.isascii()
    assert line.isprintable()
    (key,) = json.loads(line)["value"]
    assert key == HOSTILE + "\x7f\ud800"


async def test_references_and_copies_are_written_without_their_code() -> None:
    async with connected() as (bench, _):
        thing = await bench.evaluate("await root.callRemote('thing')")
        pond = await bench.evaluate("await root.callRemote('pond')")

        assert jsons.plain(thing)["ref"].startswith("s")
        assert jsons.plain(pond) == {"class": "tests.workbench.bench.PondCopy", "state": {"ducks": ["one duck"]}}
        bench.namespace.pop("_", None)


def test_a_long_text_that_stands_in_many_places_is_cut() -> None:
    (line,) = jsons.lines(["x" * 600_000] * 20_000)

    assert len(line) < 100_000_000
    assert '"cut": ' in line


def test_a_copy_may_have_attributes_without_a_name() -> None:
    class Copy(RemoteCopy):
        pass

    copy = Copy()
    copy.__dict__ |= {5: 1, "_hidden": 2, "seen": 3}  # type: ignore[dict-item]  # what a peer can do

    assert jsons.public(copy) == {5: 1, "seen": 3}
