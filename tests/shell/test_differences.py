"""Differences as text: the call, before and after, and where; in as many columns as there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbshell.shell.differences import lines
from pbshell.trace.forms.columns import columns
from pbshell.trace.studies.diff import Difference
from pbshell.wire.chunk import Side

RESULT = Difference("result", 1, Side.CLIENT, "alice.state()", "= 1", "= 2", "", 4, 5)


def test_a_difference_has_its_call_and_both_outcomes() -> None:
    found = [RESULT, Difference("only in B", 2, Side.SERVER, "mind.print('x')", "", "= None", frame_b=9)]

    assert list(lines(found, 80)) == [
        "connection 1",
        "another result  (A #4  B #5)",
        "  > alice.state()",
        "  - = 1",
        "  + = 2",
        "\nconnection 2",
        "only in B  (B #9)",
        "  < mind.print('x')",
        "  + = None",
    ]


def test_a_connection_is_told_once() -> None:
    assert [line for line in lines([RESULT, RESULT], 80) if "connection" in line] == ["connection 1"]


def test_other_arguments_are_the_calls_themselves() -> None:
    found = [replace(RESULT, kind="arguments", before="add(1)", after="add(2)", where="args[0]: 1 -> 2")]

    assert list(lines(found, 80))[1:] == [
        "other arguments  (A #4  B #5)",
        "  - add(1)",
        "  + add(2)",
        "    args[0]: 1 -> 2",
    ]


@pytest.mark.parametrize("width", [1, 10, 40, 80])
def test_what_is_long_is_cut_but_not_what_differs(width: int) -> None:
    long = replace(RESULT, call="c" * 200, before="= " + "x" * 150 + "1" * 200, after="= " + "x" * 150 + "2" * 200)

    shown = list(lines([replace(long, where="w" * 200)], width))[1:]

    assert all(columns(line) <= max(width, 5) for line in shown)
    if width >= 40:
        assert ("1" in shown[2], "2" in shown[3]) == (True, True)
