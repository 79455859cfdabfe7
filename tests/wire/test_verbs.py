"""The verbs of PB as values, and what is none."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from hypothesis import given

from pbshell.errors import ProtocolError
from pbshell.wire import verbs
from pbshell.wire.verbs import VERBS, Verb, form_of, is_luid, parse
from tests.strategies import expressions

SPOKEN: list[tuple[list[Any], Verb]] = [
    ([b"version", 6], verbs.Version(6)),
    ([b"message", 1, b"root", b"getTwo", 1, [b"tuple"], [b"dictionary"]],
     verbs.Message(1, b"root", b"getTwo", 1, [b"tuple"], [b"dictionary"])),
    ([b"cachemessage", 1, 2, b"grow", 0, [b"tuple"], [b"dictionary"]],
     verbs.CacheMessage(1, 2, b"grow", 0, [b"tuple"], [b"dictionary"])),
    ([b"answer", 1, [b"None"]], verbs.Answer(1, [b"None"])),
    ([b"error", 1, b"oops"], verbs.ErrorAnswer(1, b"oops")),
    ([b"decref", 1], verbs.Decref(1)),
    ([b"decache", 1], verbs.Decache(1)),
    ([b"uncache", 1], verbs.Uncache(1)),
    ([b"didNotUnderstand", b"what"], verbs.DidNotUnderstand(b"what")),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "verb"), SPOKEN, ids=lambda value: type(value).__name__)
def test_each_verb_is_read_into_its_fields(expression: list[Any], verb: Verb) -> None:
    assert parse(expression) == verb


def test_the_table_holds_every_verb_and_nothing_else() -> None:
    assert {form.make for form in VERBS.values()} == set(get_args(Verb))
    assert all(form.fields == form.make.__match_args__ for form in VERBS.values())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("expression", "verb"), SPOKEN, ids=lambda value: type(value).__name__)
def test_a_field_too_few_or_too_many_is_refused(expression: list[Any], verb: Verb) -> None:
    word = expression[0].decode()
    with pytest.raises(ProtocolError, match=rf"{word} has {len(expression) - 2} fields instead of"):
        parse(expression[:-1])
    with pytest.raises(
        ProtocolError, match=rf"{word} has {len(expression)} fields instead of .*\({VERBS[expression[0]].fields[0]}"
    ):
        parse([*expression, 1])


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ([b"message", 1, 1, 5, 1, [], []], "method is an int instead of a string"),
        ([b"message", 1, 1, [b"unicode", b"m"], 1, [], []], "method is a list instead of a string"),
        ([b"cachemessage", 1, 1, 2.5, 1, [], []], "method is a float instead of a string"),
        ([b"answer", [1], 1], "request is a list instead of"),
        ([b"error", [], 1], "request is a list instead of"),
        ([b"decref", []], "decref: object is a list instead of an int or a float or a string"),
        ([b"decache", [1]], "decache: cache is a list"),
        ([b"uncache", [1]], "uncache: cache is a list"),
    ],
)
def test_a_field_of_a_wrong_type_is_refused_and_named(expression: list[Any], complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        parse(expression)


@pytest.mark.parametrize("request_id", [0, -5, 2.5, b"bytes", [1, [b"list"]]])
def test_any_value_may_be_the_id_of_a_call(request_id: Any) -> None:
    assert parse([b"message", request_id, 1, b"m", 1, [], []]).request == request_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        (5, "an int came where a verb was due"),
        (5.0, "a float came where a verb was due"),
        (b"message", "a string came where a verb was due"),
        ([], "an empty list came where a verb was due"),
        ([5, 1], "begins with an int"),
        ([[b"message"]], "begins with a list"),
        ([math.nan], "begins with a float"),
    ],
)
def test_what_is_no_verb_is_refused(expression: Any, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        form_of(expression)


def test_an_unknown_verb_has_no_form_and_no_value() -> None:
    assert form_of([b"frobnicate", 1]) is None
    with pytest.raises(ProtocolError, match=r"PB has no verb 'frob[^\x1b]+nicate'"):
        parse([b"frob\x1bnicate", 1])


@given(expressions())
def test_whatever_comes_is_a_verb_or_a_protocol_error(expression: Any) -> None:
    try:
        verb = parse(expression)
    except ProtocolError:
        return
    assert isinstance(verb, get_args(Verb))


@pytest.mark.parametrize("value", [0, 1, -7, 2**60 - 1, -(2**60) + 1, 1.5, 2.0**900, math.nan, b"", b"root"])
def test_a_luid_is_a_number_or_a_string(value: Any) -> None:
    assert is_luid(value)


@pytest.mark.parametrize("value", [[], [1], 2**60, -(2**60), 2**61 - 1, (2**61 - 1) * 5])
def test_what_makes_a_table_slow_is_no_luid(value: Any) -> None:
    """Ints from 2 ** 61 - 1 on share their hashes with smaller ones, as a peer likes."""
    assert not is_luid(value)
