"""Times: of day in the zone of the process, since the line before, since the beginning."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pbshell.trace.forms.clock import TIMES, Clock

#: 2026-11-21, 14:02:11.031 in UTC
NOON = 1795269731.031


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that lives five and a half hours before Greenwich."""
    monkeypatch.setenv("TZ", "XXX-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_a_clock_shows_the_time_of_day_in_the_zone_of_the_process() -> None:
    clock = Clock("clock", NOON - 5)

    assert [clock.text(at) for at in (5, 5.0004, 5.9689, 5.9691, 4.0)] == [
        "19:32:11.031",
        "19:32:11.031",
        "19:32:12.000",
        "19:32:12.000",
        "19:32:10.031",
    ]
    assert clock.width == len("19:32:11.031")


def test_delta_counts_from_the_line_before() -> None:
    clock = Clock("delta", NOON)

    assert [clock.text(at) for at in (5, 5.25, 5.25, 7)] == ["+0.000", "+0.250", "+0.000", "+1.750"]


def test_rel_counts_from_the_beginning() -> None:
    clock = Clock("rel", NOON, began=4)
    clock.begin(3)

    assert [clock.text(at) for at in (5, 5.25, 3604)] == ["+1.000", "+1.250", "+3600.000"]
    assert clock.width >= len("+3600.000")


def test_the_beginning_is_told_once_or_is_the_first_line() -> None:
    clock = Clock("rel")
    clock.begin(4)
    clock.begin(5)

    assert clock.text(6) == "+2.000"
    assert Clock("rel").text(6) == "+0.000"


def test_without_the_time_of_day_seconds_are_shown() -> None:
    clock = Clock("clock")

    assert [clock.text(at) for at in (5, 7)] == ["+0.000", "+2.000"]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize(
    ("at", "short"),
    [
        (0.04, "+0.0s"),
        (1.25, "+1.2s"),
        (-1, "-1.0s"),
        (999.9, "+999.9s"),
        (1000, "+1000s"),
        (9998, "+9998s"),
        (36_000, "+10.0h"),
        (3_600_000, "+1000h"),
        (86_400 * 1000, "+1000d"),
    ],
)
def test_a_short_time_has_at_most_seven_columns(times: str, at: float, short: str) -> None:
    clock = Clock(times, NOON, began=0)

    assert clock.short(at) == short
    assert len(short) <= 7
