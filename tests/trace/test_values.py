"""Values: jelly as a person would write it in Python, never more of it than there is room for."""

from __future__ import annotations

import datetime
import pickle
import zlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from pbshell.broker.jelly import jelly
from pbshell.trace.values import arguments, failure, identity, spell
from pbshell.wire.chunk import Side
from tests.strategies import expressions


def of_client(value: Any, room: int = 200) -> str:
    return spell(value, Side.CLIENT, room)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -5,
        2**400,
        2.5,
        b"raw\x00\xff",
        "smörgås",
        "it's",
        [],
        [1, [2]],
        (),
        (1,),
        (1, 2),
        {},
        {"k": 1, b"k": 2, 3: None},
        set(),
        {7},
        frozenset(),
        frozenset({7}),
        [(), ()],
    ],
)
def test_plain_values_are_written_as_python_writes_them(value: Any) -> None:
    if value == [(), ()]:
        assert of_client([b"list", [b"tuple"], [b"tuple"]]) == "[(), ()]"
    else:
        assert of_client(jelly(value)) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.23"), "Decimal('123E-2')"),
        (datetime.datetime(2026, 11, 21, 1, 2, 3, 4), "datetime(2026, 11, 21, 1, 2, 3, 4)"),  # noqa: DTZ001 (jelly has no zones)
        (datetime.date(2026, 11, 21), "date(2026, 11, 21)"),
        (datetime.time(1, 2, 3, 4), "time(1, 2, 3, 4)"),
        (datetime.timedelta(1, 2, 3), "timedelta(1, 2, 3)"),
    ],
)
def test_moments_and_decimals_can_be_read_back(value: Any, text: str) -> None:
    assert of_client(jelly(value)) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ([b"remote", 3], "c3"),
        ([b"local", 3], "s3"),
        ([b"local", b"root"], "root"),
        ([b"remote", b"name"], "cb'name'"),
        ([b"remote", -1.5], "c-1.5"),
        ([b"cached", 4], "cache c4"),
        ([b"lcache", 4], "cache s4"),
        ([b"mod.Pond", 4, [b"dictionary", [[b"unicode", b"ducks"], 2]]], "cache c4 <mod.Pond {'ducks': 2}>"),
        ([b"mod.Copy", [b"dictionary", [[b"unicode", b"x"], 1]]], "<mod.Copy {'x': 1}>"),
        ([b"reference", 1, [b"list", [b"dereference", 1]]], "&1=[*1]"),
        ([b"class", b"mod.Name"], "<class b'mod.Name'>"),
        ([b"unpersistable", b"a socket"], "<unpersistable b'a socket'>"),
        ([b"boolean", b"maybe"], "<boolean b'maybe'>"),
        ([b"None", b"more"], "None"),
    ],
)
def test_objects_are_named_by_their_owner_and_class(expression: Any, text: str) -> None:
    assert of_client(expression) == text


@pytest.mark.parametrize(
    "expression",
    [
        [],
        [1, 2],
        [[b"list"]],
        [b"unicode"],
        [b"unicode", 5],
        [b"remote"],
        [b"remote", [1]],
        [b"decimal", 1],
        [b"decimal", b"1", 2],
        [b"datetime", b"now"],
        [b"date", 5],
        [b"reference", b"x", 1],
        [b"dereference"],
        [b"something"],
        [b"something", [1], [2]],
        [b"a", 1, 2, 3],
    ],
)
def test_what_is_no_jelly_is_said_to_be_none(expression: Any) -> None:
    assert of_client(expression).startswith("<no jelly: [")


def test_a_long_text_is_cut_and_tells_its_length() -> None:
    assert of_client([b"unicode", b"x" * 100_000]) == f"'{'x' * 80}'... (100,000 characters)"
    assert of_client(b"x" * 100_000) == f"b'{'x' * 32}'... (100,000 bytes)"


def test_a_long_list_is_cut_and_tells_its_length() -> None:
    text = of_client([b"list", *range(100_000)], 20)

    assert text == "[0, 1, 2, 3, 4, 5, 6, ... (100,000 items)]"


def test_a_deep_value_is_cut() -> None:
    value: Any = 5
    for _ in range(200):
        value = [b"list", value]

    assert of_client(value) == "[" * 12 + "..." + "]" * 12


@pytest.mark.parametrize("number", [2**5000, -(2**5000)])
def test_an_integer_that_python_does_not_write_is_measured(number: int) -> None:
    assert of_client(number) == "<int of 5,001 bits>"
    assert identity(Side.SERVER, number) == "s<int of 5,001 bits>"
    assert of_client([b"reference", number, 1]).startswith("<no jelly")


def test_arguments_stand_as_in_a_call() -> None:
    kwargs = [b"dictionary", [[b"unicode", b"alpha"], 1], [b"beta", [b"unicode", b"x"]]]

    assert arguments([b"tuple", 1, b"two"], kwargs, Side.CLIENT) == "1, b'two', alpha=1, beta='x'"
    assert arguments([b"tuple"], kwargs, Side.CLIENT) == "alpha=1, beta='x'"
    assert arguments([b"tuple"], [b"dictionary"], Side.CLIENT) == ""


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        (5, [b"dictionary"], "*5"),
        (5, [b"dictionary", [b"k", 1]], "*5, k=1"),
        ([b"tuple"], 5, "**5"),
        ([b"tuple", 1], 5, "1, **5"),
        ([b"tuple"], [b"dictionary", [5, 1]], "**{5: 1}"),
        ([b"tuple"], [b"dictionary", [[b"unicode", b"no name"], 1]], "**{'no name': 1}"),
        ([b"tuple"], [b"dictionary", 5], "**{5}"),
    ],
)
def test_arguments_in_odd_shapes_are_shown_all_the_same(args: Any, kwargs: Any, text: str) -> None:
    assert arguments(args, kwargs, Side.CLIENT) == text


def test_many_arguments_by_name_are_cut() -> None:
    kwargs = [b"dictionary", *([b"k%d" % number, number] for number in range(1000))]

    assert arguments([b"tuple"], kwargs, Side.CLIENT, 10).endswith(", ... (1,000 by name)")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ([[b"type", b"mod.Error"], [b"value", b"why"]], "mod.Error: why"),
        (
            [[[b"unicode", b"type"], [b"unicode", b"mod.Error"]], [[b"unicode", b"value"], [b"unicode", b""]]],
            "mod.Error",
        ),
        ([[b"type", b"mod.Error"], [b"value", 5], b"odd"], "mod.Error"),
        ([[b"nothing", 1]], "<tag {b'nothing': 1}>"),
    ],
)
def test_a_failure_is_its_type_and_text(state: Any, text: str) -> None:
    assert failure([b"tag", [b"dictionary", *state]], Side.CLIENT) == text


@pytest.mark.parametrize("value", [5, [b"unicode", b"oops"], [b"tag", 5]])
def test_what_came_in_place_of_a_failure_is_shown(value: Any) -> None:
    assert failure(value, Side.CLIENT) == of_client(value)


def test_a_reference_is_called_as_one_likes() -> None:
    def names(owner: Side, luid: object) -> str:
        return f"{identity(owner, luid)}:label\x1b[2J"  # type: ignore[arg-type]

    value = [b"list", [b"remote", 3], [b"lcache", 4], [b"mod.Pond", 5, [b"dictionary"]], [b"local", b"root"]]

    assert spell(value, Side.SERVER, names=names) == (
        "[s3:label\\x1b[2J, cache c4:label\\x1b[2J, cache s5:label\\x1b[2J <mod.Pond {}>, root:label\\x1b[2J]"
    )
    assert arguments([b"tuple", [b"remote", 1]], [b"dictionary"], Side.CLIENT, names=names) == "c1:label\\x1b[2J"
    assert failure([b"remote", 1], Side.CLIENT, names=names) == "c1:label\\x1b[2J"


def test_what_a_byte_string_carries_is_said_in_a_word() -> None:
    data = pickle.dumps({"key": "value"}, 2)

    assert of_client(data) == f"<pickle, protocol 2, {len(data)} B: dict>"
    assert of_client([b"list", zlib.compress(data), 5]) == (
        f"[<zlib, {len(zlib.compress(data))} B, {len(data)} B inflated: pickle, protocol 2, {len(data)} B: dict>, 5]"
    )
    assert of_client([b"unicode", b"(lp0\n."]) == "'(lp0\\n.'"


HOSTILE = [
    "\x1b[2J",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://example.org\x07here\x1b]8;;\x07",
    "\x9b31m",
    "evil\u202egnp.exe",
    "zero\u200bwidth",
    "line\u2028feed\x85",
    "\r\n\x00\x7f",
    "wide\uff21" * 50_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_spelled_out_wherever_it_stands(text: str) -> None:
    data = text.encode()
    for word in (data, b"\xed\xa0\x80" + data, data + b"\xff"):
        value = [b"list", word, [b"unicode", word], [word, [b"dictionary", [word, 1]]], [word, 3, word]]
        value += [[b"remote", word], [word], [b"boolean", word], [b"class", word], [b"datetime", word]]
        shown = [of_client(each, 400) for each in (value, *value)]
        shown += [arguments([b"tuple", word], [b"dictionary", [word, word]], Side.CLIENT), identity(Side.CLIENT, word)]
        shown.append(failure([word, [b"dictionary", [b"type", word], [b"value", word]]], Side.CLIENT))
        for line in shown:
            assert line.isprintable()
            assert len(line) < 6_000


@given(expressions())
def test_any_expression_is_one_printable_line_of_some_length(value: Any) -> None:
    text = of_client(value, 100)

    assert text.isprintable()
    assert len(text) < 3000
