"""`-o json`: everything, in JSON that any program reads, whatever the peers have said."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace import SECRET, Dissection, Dissector, Undecodable, Unseen
from pbshell.trace.forms.jsonlines import Json, to_json
from pbshell.trace.notes import Cached, Decached, Ended, Exported, Large, Lent, Odd, Released, Uncached
from pbshell.trace.tables import Held
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.verbs import Answer, CacheMessage, Decref, DidNotUnderstand, ErrorAnswer, Message, Uncache, Version
from tests.strategies import expressions
from tests.trace.recordings import NAMES, chunks, dissect, lines

PAGE = Path(__file__).parents[3] / "docs/reference/trace-json.md"
KW: list[Any] = [b"dictionary"]


def refused(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose names are all different."""
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def read(line: str) -> Any:
    """What a strict reader makes of *line*."""
    assert line.isascii()
    assert line.isprintable()
    return json.loads(line, object_pairs_hook=refused, parse_constant=no_constant)


def value(jelly: Any, sender: Side = Side.SERVER) -> Any:
    return read(to_json(jelly, sender))


def one(what: Any, sender: Side | None = Side.CLIENT, zero: float | None = None, **more: Any) -> dict[str, Any]:
    dissector = Dissector()
    dissector.feed(LinkEvent(0, 1, "resumed"))
    dissection = Dissection(12, more.pop("at", 1.5), 1, sender, what, **more)
    (line,) = Json(zero=zero).see(dissection, dissector.connections[1])
    found = read(line)
    assert isinstance(found, dict)
    return found


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("jelly", "expected"),
    [
        (5, 5),
        (2**53 - 1, 2**53 - 1),
        (2**53, {"int": "9007199254740992"}),
        (-(2**53), {"int": "-9007199254740992"}),
        (1 << 5000, {"int": hex(1 << 5000)}),
        (2.5, 2.5),
        (float("nan"), {"float": "nan"}),
        (float("-inf"), {"float": "-inf"}),
        (b"a\xff", {"bytes": "61ff"}),
        ([b"unicode", "日\x7f\n".encode()], "日\x7f\n"),
        ([b"unicode", b"\xed\xa0\x80"], {"unicode": "eda080"}),  # a lone surrogate
        ([b"unicode", 5], {"raw": [{"bytes": "756e69636f6465"}, 5]}),
        ([b"unicode"], {"raw": [{"bytes": "756e69636f6465"}]}),
        ([b"None"], None),
        ([b"None", 1], {"raw": [{"bytes": "4e6f6e65"}, 1]}),
        ([b"boolean", b"true"], True),
        ([b"boolean", b"false"], False),
        ([b"boolean", b"maybe"], {"raw": [{"bytes": "626f6f6c65616e"}, {"bytes": "6d61796265"}]}),
        ([b"list", 1, [b"list"]], [1, []]),
        ([b"tuple", 1, [b"tuple"]], {"tuple": [1, {"tuple": []}]}),
        ([b"set", 1], {"set": [1]}),
        ([b"frozenset"], {"frozenset": []}),
        ([b"dictionary"], {"dict": {}}),
        ([b"dictionary", [[b"unicode", b"a"], 1], [[b"unicode", b"b"], [b"None"]]], {"dict": {"a": 1, "b": None}}),
        ([b"dictionary", [[b"unicode", b""], 1]], {"dict": {"": 1}}),
        ([b"dictionary", [b"a", 1], [2, 3]], {"pairs": [[{"bytes": "61"}, 1], [2, 3]]}),
        (
            [b"dictionary", [[b"unicode", b"a"], 1], [[b"unicode", b"a"], 2]],
            {"pairs": [["a", 1], ["a", 2]]},
        ),
        ([b"dictionary", 5], {"raw": [{"bytes": "64696374696f6e617279"}, 5]}),
        ([b"remote", 3], {"ref": "s3"}),
        ([b"local", 3], {"ref": "c3"}),
        ([b"local", b"root"], {"ref": "root"}),
        ([b"cached", 3], {"cache": "s3"}),
        ([b"lcache", b"x" * 99], {"cache": f"cb'{'x' * 99}'"}),
        ([b"remote", [1]], {"raw": [{"bytes": "72656d6f7465"}, [1]]}),
        ([b"remote"], {"raw": [{"bytes": "72656d6f7465"}]}),
        ([b"app.Pan", KW], {"class": "app.Pan", "state": {"dict": {}}}),
        ([b"app.Pond", 4, KW], {"cache": "s4", "class": "app.Pond", "state": {"dict": {}}}),
        ([b"app.Odd", 1, 2, 3], {"raw": [{"bytes": "6170702e4f6464"}, 1, 2, 3]}),
        ([b"reference", 1, [b"list", [b"dereference", 1]]], {"share": 1, "value": [{"shared": 1}]}),
        ([b"reference", 1], {"raw": [{"bytes": "7265666572656e6365"}, 1]}),
        ([b"dereference"], {"raw": [{"bytes": "6465726566" + b"erence".hex()}]}),
        ([b"datetime", b"2026 11 21"], {"datetime": ["2026 11 21"]}),
        ([b"decimal", 12, -1], {"decimal": [12, -1]}),
        ([b"class", b"app.Pan"], {"class": ["app.Pan"]}),
        ([b"module"], {"module": []}),
        (
            [b"instance", [b"class", b"app.Pan"], KW],
            {"instance": [[{"bytes": "636c617373"}, {"bytes": "6170702e50616e"}], {"dict": {}}]},
        ),
        ([b"instance"], {"instance": []}),
        ([], {"raw": []}),
        ([[b"list"], SECRET], {"raw": [[{"bytes": "6c697374"}], {"secret": "***"}]}),
        (SECRET, {"secret": "***"}),
    ],
)
def test_a_value_is_written_so_that_nothing_of_it_is_lost(jelly: Any, expected: Any) -> None:
    assert value(jelly) == expected


@pytest.mark.parametrize("tag", [[b"list"], [b"tuple"], [b"reference", 1], [b"app.Pan"], [b"odd", 1, 2], [[], 1]])
def test_nobody_is_too_deep(tag: list[Any]) -> None:
    jelly: Any = 5
    for _ in range(200):
        jelly = [*tag, jelly]

    text = to_json(jelly, Side.CLIENT)

    assert "5" in text
    assert text.count("[") + text.count("{") <= 3 * 200 + 3


def test_nothing_is_cut() -> None:
    many = [b"list", *range(5000)]
    assert value(many) == list(range(5000))
    assert value(b"x" * 100_000) == {"bytes": "78" * 100_000}


@given(expressions(), st.sampled_from(Side))
def test_every_value_is_json(jelly: Any, sender: Side) -> None:
    value(jelly, sender)


# ------------------------------------------------------------------------------------------------ objects


def test_a_call_and_its_answer() -> None:
    pieces: list[Piece] = [
        Chunk(0.0, 1, Side.SERVER, encode([b"pb", b"none"])),
        Chunk(0.0, 1, Side.CLIENT, encode(b"pb")),
        Chunk(
            1.0,
            1,
            Side.CLIENT,
            encode([b"message", 1, b"root", b"get", 1, [b"tuple", 5], [b"dictionary", [b"a", 6]]], PB),
        ),
        Chunk(1.3, 1, Side.SERVER, encode([b"answer", 1, [b"remote", 3]], PB)),
    ]

    assert [read(line) for line in lines(pieces, Json(zero=1795269731.0))][2:] == [
        {
            "v": 1,
            "n": 3,
            "at": 1.0,
            "wall": "2026-11-21T14:02:12.000000+00:00",
            "conn": 1,
            "by": "client",
            "kind": "message",
            "size": 36,
            "offset": 4,
            "request": 1,
            "target": {"id": "root", "name": "root"},
            "method": "get",
            "wants_answer": True,
            "args": [5],
            "kwargs": {"a": 6},
        },
        {
            "v": 1,
            "n": 4,
            "at": 1.3,
            "wall": "2026-11-21T14:02:12.300000+00:00",
            "conn": 1,
            "by": "server",
            "kind": "answer",
            "size": 12,
            "offset": 12,
            "request": 1,
            "call": 3,
            "took": 0.3,
            "method": "get",
            "result": {"ref": "s3"},
            "notes": [{"note": "lent", "id": "s3", "name": "get(5, a=6)", "count": 1}],
        },
    ]


def test_arguments_that_are_none_are_written_as_they_came() -> None:
    found = one(Message(1, [9], b"\xff", 0, 5, [b"dictionary", [b"a", 1], [b"a", 2]]))

    assert found["target"] == {"raw": {"raw": [9]}}
    assert (found["method"], found["wants_answer"], found["raw_args"]) == ("\\xff", False, 5)
    assert found["raw_kwargs"] == {"pairs": [[{"bytes": "61"}, 1], [{"bytes": "61"}, 2]]}
    for kwargs in (7, [b"dictionary", 5], [b"dictionary", [5, 5]]):
        assert "raw_kwargs" in one(CacheMessage(1, 1, b"x", 0, [b"list"], kwargs))


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ([b"x", [b"dictionary", [b"type", b"a.B"], [[b"unicode", b"value"], [b"unicode", b"c\n"]], 5]], ("a.B", "c\n")),
        ([b"x", [b"dictionary", [b"type", b"a.B"], [b"value", 5]]], None),
        ([b"x", 5], None),
        (5, None),
    ],
)
def test_an_error_is_its_type_and_text_or_whatever_came(failure: Any, error: tuple[str, str] | None) -> None:
    found = one(ErrorAnswer(1, failure))["error"]

    assert found == ({"raw": value(failure, Side.CLIENT)} if error is None else {"type": error[0], "text": error[1]})


def test_an_answer_to_a_call_from_before_the_capture_has_no_number_of_it() -> None:
    call = Dissection(0, 1.0, 1, Side.CLIENT, Message(1, b"", b"go", 1, [b"tuple"], KW))

    found = one(Answer(1, 5), call=call)

    assert (found["method"], found["took"], "call" in found) == ("go", 0.5, False)


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 1e300])
def test_a_time_that_is_none_is_null(at: float) -> None:
    found = one(Version(6), zero=0.0, at=at)

    assert "wall" not in found
    assert found["at"] == (at if at == 1e300 else None)


def test_lines_are_all_there_is() -> None:
    formatter = Json(100, "clock")

    assert (formatter.header(), formatter.tick(1.0, []), formatter.finish(1.0)) == ("", [], [])


# ------------------------------------------------------------------------------------------------ the schema


def samples() -> Iterator[dict[str, Any]]:
    """Objects with everything that can be in one."""
    for name in NAMES:
        for line in lines(chunks(name), Json(zero=0.0)):
            yield read(line)
    lent = Lent(Side.SERVER, 3, "get()", "get()")
    notes = (
        Exported(lent, 1),
        Released(lent, 0),
        Cached(lent, 1, first=True),
        Decached(lent, 1),
        Uncached(lent),
        Large(70_000),
        Odd("unknown luid", "s9 is not lent"),
        Ended(tuple(dissect(chunks("two_three"))[3:4]), 1, 2),
    )
    yield one(Message(1, [9], b"x", 1, 5, 5), notes=notes)
    yield one(ErrorAnswer(1, 5))
    yield one(DidNotUnderstand(b"frob"))
    yield one(Decref(3))
    yield one(Uncache(3))
    yield one(Undecodable("odd", b"GET", "a list of 9"))
    yield one(Undecodable("odd"))
    yield one(Unseen("a gap", b"GET"))
    yield one(Unseen("a gap"))
    yield one(LinkEvent(0, 1, "closed", None, "fin"), None)
    yield one(Seed(0, 1, None), None)
    seed = Seed(
        0,
        1,
        b"pb",
        lent=(Seeded(Side.SERVER, 3, 1, "app.Pan"), Seeded(Side.CLIENT, 4, 1, "app.Pond", cache=True)),
        awaited=(Awaited(Side.CLIENT, 7, "go"),),
    )
    yield one(seed, None)
    dissector = Dissector()
    (each,) = dissector.feed(LinkEvent(0, 1, "resumed", Side.CLIENT))
    dissector.connections[1].name = "worker-1"
    yield read(Json().see(each, dissector.connections[1])[0])


#: Members of an object whose value is an object or a list of objects with members of its own.
INNER = ("target", "error", "notes", "odd", "lent", "awaited")


def members(found: dict[str, Any]) -> Iterator[str]:
    for name, inside in found.items():
        yield name
        if name in INNER:
            for each in inside if isinstance(inside, list) else [inside]:
                yield from (f"{name}.{inner}" for inner in each)


def documented_in(heading: str) -> list[str]:
    """The members in the tables below *heading*."""
    _, _, below = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")
    return re.findall(r"^\| `([\w.]+)` \|", below.partition("\n## ")[0], re.MULTILINE)


def test_the_members_of_a_row_of_a_table_are_documented() -> None:
    assert documented_in("## Tables") == ["v", *(field.name for field in dataclasses.fields(Held))]


def test_every_member_is_documented_and_every_documented_member_appears() -> None:
    documented = documented_in("## Members")

    assert len(documented) == len(set(documented))
    assert {name for sample in samples() for name in members(sample)} == set(documented)


def test_every_kind_of_value_is_documented_with_what_it_looks_like() -> None:
    rows = re.findall(r"^\| ([^`|]+) \| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    shown = {name.strip(): json.loads(example) for name, example in rows}

    jellies = {
        "an integer": 42,
        "a larger one": 2**64,
        "a float": 2.5,
        "one that JSON has no number for": float("nan"),
        "text": [b"unicode", b"abc"],
        "text that is no UTF-8": [b"unicode", b"\xff"],
        "bytes": b"abc",
        "None": [b"None"],
        "True": [b"boolean", b"true"],
        "a list": [b"list", 1, 2],
        "a tuple": [b"tuple", 1, 2],
        "a set": [b"set", 1],
        "a frozenset": [b"frozenset", 1],
        "a dict whose keys are different texts": [b"dictionary", [[b"unicode", b"a"], 1]],
        "any other dict": [b"dictionary", [1, 2]],
        "an object that is lent, or comes home": [b"remote", 3],
        "a cached object": [b"cached", 4],
        "a cached object, the first time": [b"app.State", 4, [b"dictionary", [[b"unicode", b"v"], 1]]],
        "a copy": [b"app.Point", [b"dictionary", [[b"unicode", b"x"], 1]]],
        "a value that is met again": [b"reference", 1, [b"list"]],
        "the value of that number": [b"dereference", 1],
        "another tag of jelly": [b"datetime", b"2026 11 21 14 2 11 0"],
        "a secret": SECRET,
        "no jelly": [b"frob", 1, 2, 3],
    }
    assert shown == {name: value(jelly) for name, jelly in jellies.items()}
