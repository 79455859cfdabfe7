"""Sequences side by side: the longest common subsequence, and what is done where that would take too long."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace.studies.alignment import aligned, paired

FEW = st.lists(st.integers(0, 3), max_size=9)


def longest(before: list[int], after: list[int]) -> int:
    """The length of the longest common subsequence, by the book."""
    row = [0] * (len(after) + 1)
    for one in before:
        above, left = list(row), 0
        for position, other in enumerate(after):
            left = above[position] + 1 if one == other else max(above[position + 1], left)
            row[position + 1] = left
    return row[-1]


@given(FEW, FEW)
def test_what_is_equal_is_aligned_in_order_and_as_much_as_can_be(before: list[int], after: list[int]) -> None:
    found = aligned(before, after, 100)

    assert found is not None
    assert all(before[x] == after[y] for x, y in found)
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in itertools.pairwise(found))
    assert len(found) == longest(before, after)


def test_too_many_differences_are_not_looked_through() -> None:
    assert aligned("abcdef", "uvwxyz", 11) is None
    assert aligned("abcdef", "uvwxyz", 12) == []


def test_long_sequences_with_few_differences_are_quick() -> None:
    before = list(range(100_000))
    after = [*before[:50_000], -1, *before[50_001:], -2]

    found = aligned(before, after, 10)

    assert found is not None
    assert len(found) == 99_999


def test_without_order_equal_items_are_paired_as_they_come() -> None:
    assert paired("abac", "caada") == [(0, 1), (2, 2), (3, 0)]
