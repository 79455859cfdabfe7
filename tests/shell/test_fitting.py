"""Tables that fit: a line for each row, what is long cut in its middle, and what is left out told."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.shell.fitting import fitted
from pbshell.trace.forms.columns import columns
from pbshell.workbench.forms.rows import Rows


@dataclass(frozen=True)
class Row:
    """A row."""

    id: str
    count: int | None
    birth: str
    last: str


ROWS = [Row("s3", 12, "alice.getBuilder('linux').getStep(3)", "ping 2 s ago"), Row("c1", None, "mind", "never")]
LONG, LEAST = {"birth": 12, "last": 8}, ("count", "last")


def table(width: int, rows: list[Row] | None = None) -> list[str]:
    return fitted(Rows(Row, ROWS if rows is None else rows, "no rows"), width, long=LONG, least=LEAST).split("\n")


def test_what_fits_is_shown_as_it_is() -> None:
    assert table(80) == [
        "ID  COUNT  BIRTH                                 LAST",
        "s3     12  alice.getBuilder('linux').getStep(3)  ping 2 s ago",
        "c1      -  mind                                  never",
    ]


def test_what_is_long_is_cut_in_its_middle_first() -> None:
    assert table(40) == [
        "ID  COUNT  BIRTH            LAST",
        "s3     12  alice....tep(3)  ping 2 s ago",
        "c1      -  mind             never",
    ]


def test_then_columns_are_left_out_and_their_place_is_used() -> None:
    assert table(30) == [
        "ID  BIRTH         LAST",
        "s3  alice...p(3)  ping 2 s ago",
        "c1  mind          never",
        "1 column hidden (count): --width 61 or -o json",
    ]
    assert table(18)[1:] == [
        "s3  alice....ep(3)",
        "c1  mind",
        "2 columns hidden (count, last): --width 61 or -o json",
    ]


def test_what_cannot_fit_is_cut() -> None:
    assert table(5)[:3] == ["ID...", "s3...", "c1..."]


def test_what_a_peer_has_said_is_harmless() -> None:
    assert "\\x1b[2J" in table(80, [Row("\x1b[2J", 1, "", "")])[1]


def test_no_rows_are_a_word() -> None:
    assert table(80, []) == ["no rows"]


@pytest.mark.parametrize("width", [1, 10, 20, 33, 100])
@given(birth=st.text(max_size=80), last=st.text(max_size=30))
def test_no_row_is_wider_than_the_width(width: int, birth: str, last: str) -> None:
    lines = table(width, [Row("s3", 1, birth, last)])

    assert all(columns(line) <= width for line in lines[:2])
