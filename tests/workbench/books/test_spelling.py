"""Values as short text, for which no code of anybody is run."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.workbench.books.spelling import attributes_of, own_attributes, spelled, without_arguments


class Loud:
    """Whoever asks it anything is heard."""

    def __init__(self) -> None:
        self.name = "x"
        self._hidden = 1

    def __repr__(self) -> str:
        raise AssertionError("asked")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")

    @property
    def loud(self) -> str:
        raise AssertionError("asked")


class Slotted:
    """Has no dictionary."""

    __slots__ = ("name",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, 2.5, None, True], "[1, 2.5, None, True]"),
        ((1,), "(1,)"),
        ({"a": {1}}, "{'a': {1}}"),
        (b"x\x1b", "b'x\\x1b'"),
        ("x" * 100, f"'{'x' * 80}'... (100 characters)"),
        (b"x" * 100, f"b'{'x' * 80}'... (100 bytes)"),
        (1 << 5000, "<int of 5,001 bits>"),
        (list(range(1000)), "... (1,000 items)]"),
        ([[[[[[["deep"]]]]]]], "[[[[[[...]]]]]]"),
    ],
)
def test_a_value_is_a_short_line(value: Any, text: str) -> None:
    found = spelled(value)

    assert found.endswith(text)
    assert found.isprintable()
    assert len(found) < 320


def test_an_object_is_its_class() -> None:
    assert spelled(Loud()).endswith("Loud>")
    assert spelled([Loud()]).endswith("Loud>]")


def test_attributes_are_those_that_show_no_underscore_and_are_no_code() -> None:
    assert attributes_of(Loud()) == {"name": "'x'"}
    assert attributes_of(Slotted()) == {}
    many = Loud()
    many.__dict__.update({f"a{number}": number for number in range(100)})
    assert len(attributes_of(many)) == 50


def test_a_dictionary_that_is_made_up_is_none() -> None:
    class Liar:
        __dict__ = 3  # type: ignore[assignment]  # that is the lie

    assert own_attributes(Liar()) == {}


@pytest.mark.parametrize(
    ("birth", "name"),
    [
        ("alice", "alice"),
        ("alice.getBuilder('linux').step(f(1)) args[0]", "alice.getBuilder(..).step(..) args[0]"),
        ("broken(", "broken("),
    ],
)
def test_a_birth_without_arguments_is_the_same_for_its_like(birth: str, name: str) -> None:
    assert without_arguments(birth) == name
