"""The tables of a moment, the difference of two, and how a moment is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pbshell.errors import UsageError
from pbshell.trace import Dissector
from pbshell.trace.filters import parse
from pbshell.trace.tables import Changed, Held, Moment, caches, difference, moments, references
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, Side
from tests.trace.recordings import chunks, dissect

GROUP = "alice.joinGroup('lookingForFourth')"
WALL = datetime(2026, 11, 21, 23, 59, 50, tzinfo=UTC)


def read(name: str, until: int) -> Dissector:
    dissector = Dissector()
    for piece in chunks(name)[:until]:
        dissector.feed(piece)
    return dissector


def test_a_table_says_who_lends_what_since_when_and_how_it_was_used() -> None:
    conversation = read("login_chat", 12).connections[1]

    rows = [replace(row, age=round(row.age, 3), idle=round(row.idle or 0, 3)) for row in references(conversation, 10.0)]
    assert rows == [
        Held("1", "client", "c1", 1, "alice.mind", 7, 9.997, 1, "print", 9.992),
        Held("1", "server", "s2", 1, "alice", 9, 9.996, 2, "whatis", 9.989),
        Held("1", "server", "s3", 1, GROUP, 11, 9.994, 2, "whoami", 9.991),
    ]


def test_the_cached_copies_are_a_table_of_their_own() -> None:
    dissector = Dissector()
    dissect(chunks("cacheable")[:4], dissector)

    (row, *_) = caches(dissector.connections[1], 1.0)
    assert (row.side, row.id, row.name) == ("server", "s1", "kitchen.MasterDuckPond get()")


def test_what_was_met_in_the_middle_has_no_count() -> None:
    dissector = Dissector()
    call = encode([b"message", 5, 3, b"ping", 1, [b"tuple"], [b"dictionary"]], PB)
    update = encode([b"cachemessage", 5, 4, b"set", 1, [b"tuple"], [b"dictionary"]], PB)
    for side, data in ((Side.CLIENT, call * 2), (Side.SERVER, update * 2)):
        dissector.feed(Chunk(1.0, 1, side, data))
    conversation = dissector.connections[1]
    conversation.name = "worker w1"

    assert list(references(conversation, 3.0)) == [Held("worker w1", "server", "s3", None, "", 0, 2.0, 2, "ping", 2.0)]
    assert list(caches(conversation, 3.0)) == [Held("worker w1", "server", "s4", None, "", 0, 2.0, 2, "set", 2.0)]


def held(luid: str, count: int | None = 1, used: int = 0, born: int = 1) -> Held:
    return Held("1", "server", luid, count, f"get('{luid}')", born, 0.0, used, "ping" if used else "", None)


def test_the_difference_tells_what_was_lent_what_is_gone_and_what_has_changed() -> None:
    before = [held("s1"), held("s2"), held("s3", 1, 2), held("s4", None), held("s5", born=1)]
    after = [held("s1"), held("s3", 4, 5), held("s4", None, 1), held("s5", born=9), held("s6")]

    assert [(each.id, each.what) for each in difference(before, after)] == [
        ("s2", "gone"),
        ("s5", "gone"),
        ("s3", "count 1 -> 4, used 3x, last ping"),
        ("s4", "used 1x, last ping"),
        ("s5", "lent"),
        ("s6", "lent"),
    ]
    assert difference([], [held("s1")]) == [Changed("1", "server", "s1", "get('s1')", "lent")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#12", (Moment(number=12),)),
        ("12.5", (Moment(at=12.5),)),
        ("+12.5s", (Moment(at=12.5),)),
        ("#3..#90", (Moment(number=3), Moment(number=90))),
        ("1 .. 2", (Moment(at=1.0), Moment(at=2.0))),
        ("23:59:51.5", (Moment(at=1.5),)),
        ("00:00", (Moment(at=10.0),)),
    ],
)
def test_a_moment_is_a_frame_seconds_or_a_time_of_day(text: str, expected: tuple[Moment, ...]) -> None:
    assert moments(text, WALL) == expected


@pytest.mark.parametrize("text", ["", "soon", "#x", "nan", "inf", "1:2:x", "a:b", "1..2..3", "..", "\x1b[2J"])
def test_what_is_no_moment_is_one_clear_sentence(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        moments(text, WALL)
    assert str(caught.value).isprintable()
    assert "write" in str(caught.value)


def test_a_time_of_day_needs_a_capture_that_has_one() -> None:
    with pytest.raises(UsageError, match="does not tell the time of day"):
        moments("14:02:31")


def test_a_moment_is_behind_a_frame_or_before_what_comes_later() -> None:
    assert [Moment(number=2).is_at(number) for number in (1, 2, 3)] == [False, True, True]
    assert [Moment(at=1.5).lies_before(seconds) for seconds in (1.0, 1.5, 1.6)] == [False, False, True]
    assert not Moment(number=2).lies_before(9.0)
    assert not Moment(at=1.5).is_at(9)


def test_a_table_has_what_a_filter_takes() -> None:
    conversation = read("login_chat", 12).connections[1]
    select = parse("~l s3").for_rows()

    assert [row.id for row in references(conversation, 10.0, select)] == ["s3"]
    assert list(caches(conversation, 10.0, select)) == []
