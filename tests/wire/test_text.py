"""Remote text made harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.wire.text import brief, visible


@pytest.mark.parametrize("text", ["", "plain", "naïve café 漢字 🍌", "a\\b"])
def test_what_is_printable_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert visible(text.encode()) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("lone \ud800", "lone \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("no\xa0break", "no\\xa0break"),
    ],
)
def test_what_a_terminal_or_a_log_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_bytes_that_are_no_utf8_are_spelled_out() -> None:
    assert visible(b"caf\xc3\xa9 \xff\xfe") == "café \\xff\\xfe"


def test_a_long_text_is_cut_and_its_length_is_told() -> None:
    assert visible("x" * 5, 5) == "xxxxx"
    assert visible("x" * 6, 5) == "xxxxx... (6 characters)"
    assert visible("\n" * 2_000, 2) == "\\n\\n... (2,000 characters)"
    assert visible(b"\xff" * 3, 4) == "\\xff... (12 characters)"


@given(st.one_of(st.text(), st.binary()))
def test_the_result_is_one_printable_line(text: str | bytes) -> None:
    assert visible(text).isprintable()
    assert len(visible(text, 10).splitlines()) <= 1


@given(st.text(st.characters(codec="utf-8")))
def test_text_and_its_utf8_are_shown_alike(text: str) -> None:
    assert visible(text) == visible(text.encode())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        (-2.5, "-2.5"),
        (True, "True"),
        (None, "None"),
        ("a\x1bb", "'a\\x1bb'"),
        (b"\xff", "b'\\xff'"),
        ([1, 2], "a list"),
        ({}, "a dict"),
        (object(), "a object"),
    ],
)
def test_a_value_in_brief_is_a_number_a_string_or_its_type(value: object, shown: str) -> None:
    assert brief(value) == shown


@pytest.mark.parametrize("value", ["x" * 10**6, b"x" * 10**6, 10**1_000, [[]] * 10**6])
def test_a_value_in_brief_is_brief_however_large_it_is(value: object) -> None:
    assert len(brief(value)) < 80
    assert len(brief(value, 10)) < 50
