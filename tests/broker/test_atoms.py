"""Jelly's atoms: every tag that holds bytes and numbers only, and what is none."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from pbshell.broker.atoms import ATOMS, Unpersistable
from pbshell.broker.unjelly import unjelly
from pbshell.errors import ProtocolError
from pbshell.wire.tags import TAGS, Values
from tests.broker.wire import text


def test_every_tag_that_holds_data_only_has_a_reader() -> None:
    code = {b"class", b"module", b"function", b"method"}
    loans = {b"remote", b"local", b"cached", b"lcache", b"dereference"}

    assert set(ATOMS) == {tag for tag, shape in TAGS.items() if shape.values is Values.NONE} - code - loans


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ([b"None"], None),
        ([b"None", 1, 2], None),
        ([b"boolean", b"true"], True),
        ([b"boolean", b"false", 5], False),
        (text("é 漢"), "é 漢"),
        ([b"unicode", b"x", 5], "x"),
        ([b"decimal", -1250, -2], Decimal("-12.50")),
        ([b"decimal", 0, -2], Decimal("0.00")),
        ([b"decimal", 5, 3], Decimal("5E+3")),
        ([b"datetime", b"2000 1 2 3 4 5 6"], datetime.datetime(2000, 1, 2, 3, 4, 5, 6)),  # noqa: DTZ001
        ([b"datetime", b" 2000  1 2 "], datetime.datetime(2000, 1, 2)),  # noqa: DTZ001
        ([b"date", b"2000 1 2"], datetime.date(2000, 1, 2)),
        ([b"time", b""], datetime.time()),
        ([b"time", b"1 2 3 4"], datetime.time(1, 2, 3, 4)),
        ([b"timedelta", b"0 90000 0"], datetime.timedelta(days=1, seconds=3600)),
        ([b"unpersistable", b"why"], Unpersistable("Unpersistable data: b'why'")),
        ([b"persistent", b"id"], Unpersistable("Persistent callback not found")),
    ],
    ids=repr,
)
def test_an_atom_and_its_value(expression: Any, value: Any) -> None:
    found = unjelly(expression)

    assert found == value
    assert type(found) is type(value)
    assert ATOMS[expression[0]](expression) == value


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ([b"boolean"], "boolean needs 1 items behind it: True or False"),
        ([b"boolean", b"maybe"], "a boolean is true or false, not b'maybe'"),
        ([b"boolean", 1], "a boolean is true or false, not 1"),
        ([b"unicode"], "unicode needs 1 items"),
        ([b"unicode", b"\xff"], r"a text is not UTF-8: b'\xff'"),
        ([b"unicode", 5], "a text is not UTF-8: 5"),
        ([b"unicode", [b"list"]], "a text is not UTF-8"),
        ([b"decimal", 5], "decimal needs 2 items"),
        ([b"decimal", b"5", 0], "a decimal is an integer and a power of ten"),
        ([b"decimal", 5, 1.5], "a decimal is an integer and a power of ten"),
        ([b"decimal", 5, 1_000_000], "a decimal is an integer and a power of ten"),
        ([b"decimal", 5, -1_000_000], "a decimal is an integer and a power of ten"),
        ([b"datetime", b"x"], "b'x' is no datetime: year month day hour"),
        ([b"datetime", b"2000 13 1 0 0 0 0"], "b'2000 13 1 0 0 0 0' is no datetime"),
        ([b"datetime", 5], "5 is no datetime"),
        ([b"datetime", [1]], "is no datetime"),
        ([b"date", b"2000 1"], "b'2000 1' is no date"),
        ([b"date", b"2000 1 1 1"], "is no date"),
        ([b"time", b"24"], "b'24' is no time"),
        ([b"timedelta", b"1 2"], "b'1 2' is no timedelta"),
        ([b"timedelta", b"9999999999 0 0"], "is no timedelta"),
        ([b"timedelta", b"9" * 5_000 + b" 0 0"], "is no timedelta"),
    ],
    ids=repr,
)
def test_what_is_no_atom_is_refused_in_words(expression: Any, complaint: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        unjelly(expression)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_what_could_not_be_sent_is_shown_and_equal_to_its_like() -> None:
    why = Unpersistable("why")

    assert repr(why) == "Unpersistable('why')"
    assert why == Unpersistable("why") != Unpersistable("why not")
    assert why != "why"
    with pytest.raises(TypeError):
        hash(why)
