"""The names that `pbshell.trace` offers without loading what is behind them."""

from __future__ import annotations

import pytest

from pbshell import trace
from pbshell.trace import filters


def test_every_name_that_is_offered_is_there() -> None:
    for name in trace.__all__:
        assert getattr(trace, name) is not None


def test_the_filters_are_loaded_when_somebody_asks() -> None:
    # Somebody may have asked before, and then nobody is asked any more.
    assert trace.__getattr__("filters") is filters


def test_what_is_not_offered_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=r"'pbshell\.trace' has no attribute 'Nonsense'"):
        trace.Nonsense  # noqa: B018


def test_all_names_are_listed() -> None:
    assert set(trace.__all__) <= set(dir(trace))
