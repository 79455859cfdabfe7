"""Columns: wide and combining characters count as a terminal shows them, and what is cut fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace.forms.columns import columns, cut, cut_middle, pad


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("日本", 4), ("\uff41", 2), ("🍞", 2), ("e\u0301", 1), ("⚙\ufe0f", 1), ("é", 1)],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, width: int) -> None:
    assert columns(text) == width
    assert pad(text, 6) == text + " " * (6 - width)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdefgh", 8, "abcdefgh"),
        ("abcdefgh", 7, "abcd..."),
        ("abcdefgh", 3, "..."),
        ("abcdefgh", 2, ".."),
        ("abcdefgh", 0, ""),
        ("abcdefgh", -1, ""),
        ("日本語日本語", 8, "日本..."),
        ("e\u0301" * 9, 5, "e\u0301e\u0301..."),
    ],
)
def test_what_is_cut_loses_its_end(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdefgh", 8, "abcdefgh"),
        ("abcdefgh", 7, "ab...gh"),
        ("abcdefgh", 5, "a...h"),
        ("abcdefgh", 4, "a..."),
        ("日本語日本語", 9, "日...語"),
        ("abcdefg日", 7, "ab...日"),
    ],
)
def test_what_is_cut_in_its_middle_keeps_both_ends(text: str, width: int, shown: str) -> None:
    assert cut_middle(text, width) == shown


@given(st.text(), st.integers(0, 40))
def test_what_is_cut_fits(text: str, width: int) -> None:
    assert columns(cut(text, width)) <= width
    assert columns(cut_middle(text, width)) <= width
