"""How much one connection may ask of us."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from pbshell.errors import UsageError
from pbshell.wire.limits import DEFAULT_LIMITS, MAX_DEPTH, MAX_PREFIX, Limits

NAMES = [field.name for field in fields(Limits)]


def test_by_default_the_limits_are_what_a_stock_twisted_peer_sends() -> None:
    assert asdict(DEFAULT_LIMITS) == {
        "prefix": 64,
        "string": 655_360,
        "list": 655_360,
        "depth": 128,
        "expression": 16 * 2**20,
        "items": 2_000_000,
        "exports": 1_024,
        "imports": 16_384,
        "caches": 16_384,
        "pending": 65_536,
        "send_buffer": 4 * 2**20,
        "logins": 6,
        "expression_before_login": 2**20,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "9"])
def test_a_limit_is_a_whole_number_from_1(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"Limits\({name}="):
        Limits(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "prefix"])
def test_the_smallest_limit_is_1(name: str) -> None:
    assert getattr(Limits(**{name: 1}), name) == 1


def test_a_prefix_is_as_long_as_the_length_of_a_string() -> None:
    assert Limits(prefix=3).prefix == 3
    with pytest.raises(UsageError, match=r"Limits\(prefix=2\): the length of a string takes three digits"):
        Limits(prefix=2)


@pytest.mark.parametrize(("name", "most"), [("depth", MAX_DEPTH), ("prefix", MAX_PREFIX)])
def test_what_python_itself_bounds_is_bounded_here(name: str, most: int) -> None:
    assert getattr(Limits(**{name: most}), name) == most
    with pytest.raises(UsageError, match=rf"Limits\({name}={most + 1}\): {most} is the "):
        Limits(**{name: most + 1})


def test_the_longest_prefix_allowed_holds_a_number_that_python_can_write() -> None:
    assert repr(2 ** (7 * MAX_PREFIX) - 1)


def test_a_stranger_may_send_less_in_one_expression() -> None:
    assert Limits().before_login() == Limits(expression=2**20)
    assert Limits(expression=1_000).before_login().expression == 1_000
    assert Limits(expression_before_login=99).before_login().expression == 99
