"""The table of statistics: it fits, says what is left out, and its bars are no more than a help for the eye."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from pbshell.shell.statistics import has_blocks, table
from pbshell.trace.forms.columns import columns
from pbshell.trace.studies.stats import Row

ROW = Row("start", 10, 1, 2, 2.0, 0.001, 0.002, 0.003, 1.5, 12_345, 4, exact=True)
SHORT = replace(ROW, key="stop", total=0.5, errors=0, unanswered=0, references=0)
NEVER = Row("never", 3, 0, 3, 0.0, None, None, None, None, 60, 0, exact=True)


def test_a_wide_table_has_all_columns_and_their_units() -> None:
    assert table([ROW, SHORT, NEVER], "method", 140) == (
        "METHOD  CALLS  ERRORS  NO ANSWER   TOTAL                   P50     P90     P99    MAX     BYTES  LENT\n"
        "start      10       1          2   2.0 s  ############  1.0 ms  2.0 ms  3.0 ms  1.5 s  12,345 B     4\n"
        "stop       10       -          -  500 ms  ###           1.0 ms  2.0 ms  3.0 ms  1.5 s  12,345 B     -\n"
        "never       3       -          3       -                     -       -       -      -      60 B     -\n"
        "\n"
        "23 calls, 1 error, 5 without an answer"
    )


@pytest.mark.parametrize("width", range(20, 130, 7))
@pytest.mark.parametrize("key", ["start", "x" * 100, "\u6f22" * 60])
def test_a_table_fits_and_tells_what_it_hides(width: int, key: str) -> None:
    lines = table([replace(ROW, key=key), SHORT], "object", width).split("\n")

    assert all(columns(line) <= width for line in lines[:3])
    shown = len(lines[0].split()) - ("NO ANSWER" in lines[0]) + ("#" in lines[1])
    hidden = 12 - shown
    assert ("hidden" in lines[-1]) == (hidden > 0)
    if "hidden" in lines[-1]:
        wide = int(lines[-1].partition("--width ")[2].split()[0])
        assert "hidden" not in table([replace(ROW, key=key), SHORT], "object", wide)


def test_at_60_columns_there_is_a_time_beside_each_bar() -> None:
    lines = table([ROW, SHORT], "method", 60).split("\n")

    assert lines[1].split()[-3:] == ["2.0", "s", "############"]
    assert lines[-1] == "6 columns hidden, --width 101 or --json"


def test_blocks_are_drawn_where_they_can_be() -> None:
    lines = table([ROW, replace(ROW, total=0.26), replace(ROW, total=0.0001)], "method", 140, blocks=True).split("\n")

    assert [line[42:54].strip() for line in lines[1:4]] == ["████████████", "█▌", "▏"]


def test_where_no_time_is_known_bars_show_counts() -> None:
    lines = table([replace(NEVER, count=4), NEVER, replace(NEVER, count=0)], "user", 140).split("\n")

    assert [line.count("#") for line in lines[1:4]] == [12, 9, 0]


def test_quantiles_that_are_not_exact_are_told() -> None:
    assert "P50, P90 and P99 of more than 1,024 calls are within 1 percent" in table(
        [replace(ROW, exact=False)], "method", 140
    )


def test_what_there_is_none_of_is_not_told() -> None:
    assert table([replace(SHORT, count=1)], "method", 140).endswith("\n\n1 call, 0 errors")


def test_no_rows_are_a_word() -> None:
    assert table([], "method", 80) == "no calls"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("encoding", "blocks"), [("utf-8", True), ("ascii", False)])
def test_only_a_terminal_that_can_is_given_blocks(encoding: str, blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    assert has_blocks(Terminal(io.BytesIO(), encoding=encoding)) is blocks
    assert not has_blocks(io.TextIOWrapper(io.BytesIO(), encoding=encoding))
