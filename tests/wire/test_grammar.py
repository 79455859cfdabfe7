"""Every loan in a value, in wire order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.wire.grammar import Loan, loans
from tests.strategies import expressions

REMOTE, LOCAL, CACHED, LCACHE = b"remote", b"local", b"cached", b"lcache"


def lent(value: Any) -> list[tuple[bytes, Any]]:
    return [(loan.kind, loan.luid) for loan in loans(value)]


@pytest.mark.parametrize("kind", [REMOTE, LOCAL, CACHED, LCACHE])
@pytest.mark.parametrize("luid", [0, 5, -1, 2.5, b"root"])
def test_a_loan_is_a_kind_and_a_luid(kind: bytes, luid: Any) -> None:
    assert list(loans([kind, luid])) == [Loan(kind, luid)]


@pytest.mark.parametrize(
    "expression",
    [
        [b"list", 1, [REMOTE, 1], [b"list", [REMOTE, 2]], [LOCAL, 3]],
        [b"tuple", [b"set", [REMOTE, 1]], [b"frozenset", [REMOTE, 2]], [LOCAL, 3]],
        [b"dictionary", [[REMOTE, 1], [REMOTE, 2]], [b"key", [LOCAL, 3]]],
        [b"reference", 7, [b"list", [REMOTE, 1], [b"dereference", 7], [REMOTE, 2], [LOCAL, 3]]],
        [b"mod.Copy", [b"list", [REMOTE, 1], [b"mod.Deep", [REMOTE, 2]], [LOCAL, 3]]],
        [b"instance", [b"class", b"mod.Old"], [b"list", [REMOTE, 1], [REMOTE, 2], [LOCAL, 3]]],
    ],
)
def test_loans_are_found_in_every_container_in_wire_order(expression: Any) -> None:
    assert lent(expression) == [(REMOTE, 1), (REMOTE, 2), (LOCAL, 3)]


def test_a_cacheable_is_lent_before_what_its_state_lends() -> None:
    state = [b"dictionary", [[b"unicode", b"view"], [REMOTE, 6]]]

    assert list(loans([b"mod.Pond", 5, state])) == [Loan(CACHED, 5, first=True), Loan(REMOTE, 6)]
    assert list(loans([b"list", [b"mod.Pond", 5, state], [CACHED, 5]])) == [
        Loan(CACHED, 5, first=True),
        Loan(REMOTE, 6),
        Loan(CACHED, 5),
    ]


def test_a_pair_of_a_dictionary_is_no_loan() -> None:
    """Pairs carry no tag: this is a key and its value."""
    assert lent([b"dictionary", [REMOTE, 5], [CACHED, [REMOTE, 6]]]) == [(REMOTE, 6)]


@pytest.mark.parametrize(
    "expression",
    [
        5,
        b"remote",
        [],
        [b"list"],
        [[], [REMOTE]],
        [REMOTE],
        [REMOTE, 1, 2],
        [REMOTE, [1]],
        [REMOTE, 2**70],
        [b"unicode", [REMOTE, 1]],
        [b"None", [REMOTE, 1]],
        [b"unpersistable", [REMOTE, 1]],
        [b"dictionary", 5, b"remote"],
        [b"mod.Class"],
        [b"mod.Own", [b"list"], [REMOTE, 1]],
        [b"mod.Own", 1, 2, [REMOTE, 1]],
        [5, [REMOTE, 1]],
        [b"reference"],
    ],
)
def test_what_is_no_jelly_lends_nothing(expression: Any) -> None:
    assert lent(expression) == []


def test_a_value_of_any_depth_is_walked() -> None:
    value: Any = [REMOTE, 1]
    for _ in range(100_000):
        value = [b"list", value]

    assert lent(value) == [(REMOTE, 1)]
    while isinstance(value, list) and len(value) > 1:  # taken apart from outside: no deep recursion when it dies
        value = value[1]


@given(expressions())
def test_nothing_is_raised_whatever_comes(expression: Any) -> None:
    assert all(loan.kind in (REMOTE, LOCAL, CACHED, LCACHE) for loan in loans(expression))


@given(st.lists(st.tuples(st.sampled_from([REMOTE, LOCAL, CACHED, LCACHE]), st.integers(1, 9))), st.data())
def test_each_loan_is_found_once_wherever_it_stands(expected: list[tuple[bytes, int]], data: st.DataObject) -> None:
    """A list of loans, wrapped at random, lends the same in the same order."""
    items: list[Any] = [list(loan) for loan in expected]
    for _ in range(data.draw(st.integers(0, 6))):
        start = data.draw(st.integers(0, len(items)))
        stop = data.draw(st.integers(start, len(items)))
        inside = items[start:stop]
        wrap = data.draw(st.sampled_from(["list", "dictionary", "reference", "copy"]))
        if wrap == "list":
            wrapped: Any = [b"list", *inside]
        elif wrap == "dictionary":
            wrapped = [b"dictionary", *([[b"unicode", b"k"], each] for each in inside)]
        elif wrap == "reference":
            wrapped = [b"reference", 1, [b"tuple", *inside]]
        else:
            wrapped = [b"mod.Copy", [b"list", *inside]]
        items[start:stop] = [wrapped]

    assert lent([b"list", *items]) == expected
