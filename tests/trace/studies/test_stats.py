"""Statistics of calls: what is counted, how exact times are, and how many groups there may be."""

from __future__ import annotations

import random

import pytest

from pbshell.trace import Dissector
from pbshell.trace.explainers import Explainers
from pbshell.trace.filters import parse
from pbshell.trace.studies.stats import BY, OTHERS, Durations, Row, Statistics
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Awaited, Piece, Seed, Side
from tests.trace.talking import Talk, captured

CLIENT, SERVER = Side


class Counted(Talk):
    """A conversation whose calls are counted by everything."""

    def __init__(self, select: str = "", most: int = 10_000, connection: int = 1, *, opened: bool = True) -> None:
        self.counts = {by: Statistics(by, parse(select) if select else None, most=most) for by in BY}
        super().__init__(Explainers(), connection, opened=opened)

    def feed(self, pieces: object) -> list:  # type: ignore[type-arg]
        for piece in pieces:  # type: ignore[attr-defined]
            for found in self.dissector.feed(piece):
                for each in self.counts.values():
                    each.see(found, self.dissector.connections[found.connection])
        return []

    def rows(self, by: str = "method") -> dict[str, Row]:
        return {row.key: row for row in self.counts[by].rows(self.dissector.connections.values())}


def test_an_answered_call_counts_with_its_time_and_the_bytes_of_both() -> None:
    talk = Counted()
    talk.call(CLIENT, b"root", b"add", 1, 2, at=1.0)
    talk.answer(SERVER, 3, at=1.25)

    row = talk.rows()["add"]

    assert (row.count, row.errors, row.unanswered, row.total, row.longest) == (1, 0, 0, 0.25, 0.25)
    assert (row.p50, row.p90, row.p99, row.exact, row.references) == (0.25, 0.25, 0.25, True, 0)
    call = [b"message", 1, b"root", b"add", 1, [b"tuple", 1, 2], [b"dictionary"]]
    assert row.bytes == len(encode(call, PB)) + len(encode([b"answer", 1, 3], PB))


def test_errors_and_calls_without_an_answer_are_told_apart() -> None:
    talk = Counted()
    talk.call(CLIENT, b"root", b"boom")
    talk.refuse(SERVER, b"ValueError", b"no")
    talk.call(CLIENT, b"root", b"boom")

    row = talk.rows()["boom"]

    assert (row.count, row.errors, row.unanswered) == (2, 1, 1)


def test_a_call_that_wants_no_answer_waits_for_none() -> None:
    talk = Counted()
    talk.say(CLIENT, [b"message", 1, b"root", b"tell", 0, [b"tuple"], [b"dictionary"]])

    row = talk.rows()["tell"]

    assert (row.count, row.unanswered, row.p50, row.longest, row.total) == (1, 0, None, None, 0.0)


def test_objects_that_were_not_lent_before_count_where_they_are_lent() -> None:
    talk = Counted()
    talk.call(CLIENT, b"root", b"register", [b"remote", 1])
    talk.answer(SERVER, [b"tuple", [b"remote", 7], [b"remote", 7], [b"some.Cache", 8, [b"dictionary"]]])
    talk.call(CLIENT, b"root", b"again")
    talk.answer(SERVER, [b"remote", 7])

    assert {key: row.references for key, row in talk.rows().items()} == {"register": 3, "again": 0}


def test_calls_are_grouped_by_method_peer_object_and_user() -> None:
    talk = Counted()
    talk.call(CLIENT, b"root", b"loginAnonymous", [b"remote", 1])
    talk.answer(SERVER, [b"remote", 2])
    talk.call(SERVER, 1, b"hello")
    talk.answer(CLIENT)
    talk.call(CLIENT, 2, b"hello")
    talk.answer(SERVER)

    assert talk.rows()["hello"].count == 2
    assert set(talk.rows("peer")) == {"127.0.0.1"}
    assert set(talk.rows("object")) == {"root", "anonymous", "loginAnonymous() args[0]"}
    assert {key: row.count for key, row in talk.rows("user").items()} == {"anonymous": 3}


def test_what_nobody_knows_has_a_name_too() -> None:
    talk = Counted(opened=False)
    for _ in range(2):
        talk.call(CLIENT, 5, b"hello")
        talk.answer(SERVER)
    talk.say(CLIENT, [b"message", 9, [b"odd"], b"hello", 0, [b"tuple"], [b"dictionary"]])

    assert set(talk.rows("peer")) == {"(unknown)"}
    assert set(talk.rows("object")) == {"s5", "(unknown)"}
    assert set(talk.rows("user")) == {"(nobody)"}


def test_a_unix_socket_is_its_own_peer() -> None:
    talk = Counted(opened=False)
    talk.happened("opened", CLIENT, "unix to unix:/run/pb")
    talk.say(SERVER, [b"pb"])
    talk.say(CLIENT, b"pb")
    talk.call(CLIENT, b"root", b"hello")

    assert set(talk.rows("peer")) == {"unix"}


def test_calls_that_the_end_leaves_unanswered_are_counted_once() -> None:
    talk = Counted()
    talk.call(CLIENT, b"root", b"slow", [b"remote", 1])
    before = talk.rows()["slow"]
    talk.happened("closed", SERVER, "fin")

    assert talk.rows()["slow"] == before
    assert (before.count, before.unanswered, before.references) == (1, 1, 1)


def test_a_call_from_before_the_capture_has_no_time() -> None:
    talk = Counted(opened=False)
    talk.feed([Seed(5.0, 1, b"pb", tuple(Side), (), (Awaited(CLIENT, 1, "old"),))])
    talk.say(SERVER, [b"answer", 1, 0], at=6.0)

    row = talk.rows()["old"]

    assert (row.count, row.unanswered, row.p50) == (1, 0, None)


@pytest.mark.parametrize(
    ("select", "counted"),
    [
        ("add", {"add": 1}),
        ("~e", {"boom": 1}),
        ("~d c & ~k message", {"add": 1, "boom": 1, "slow": 1}),
        ("~n", {"slow": 1}),
        ("~t >1s", {}),
    ],
)
def test_a_filter_counts_calls_of_which_it_is_true_for_the_call_or_the_answer(
    select: str, counted: dict[str, int]
) -> None:
    talk = Counted(select)
    talk.call(CLIENT, b"root", b"add")
    talk.answer(SERVER, at=0.1)
    talk.call(CLIENT, b"root", b"boom")
    talk.refuse(SERVER, b"ValueError", b"no")
    talk.call(CLIENT, b"root", b"slow")
    open_calls = {key: row.count for key, row in talk.rows().items()}
    talk.happened("closed", SERVER, "fin")

    assert open_calls == {key: row.count for key, row in talk.rows().items()} == counted


def test_a_filter_leaves_out_calls_that_want_no_answer() -> None:
    talk = Counted("other")
    talk.say(CLIENT, [b"message", 1, b"root", b"tell", 0, [b"tuple"], [b"dictionary"]])

    assert talk.rows() == {}


def test_groups_beyond_the_most_are_one_group() -> None:
    talk = Counted(most=2)
    for name in (b"a", b"b", b"c", b"d", b"a"):
        talk.call(CLIENT, b"root", name)
        talk.answer(SERVER)
    talk.call(CLIENT, b"root", b"e")

    assert {key: row.count for key, row in talk.rows().items()} == {"a": 2, "b": 1, OTHERS: 3}


def test_the_group_with_the_longest_total_time_is_first() -> None:
    talk = Counted()
    for name, took in ((b"short", 0.1), (b"long", 5.0), (b"short", 0.2), (b"never", None)):
        talk.call(CLIENT, b"root", name, at=10.0)
        if took is not None:
            talk.answer(SERVER, at=10.0 + took)

    assert list(talk.rows()) == ["long", "short", "never"]


def test_a_hostile_method_is_harmless() -> None:
    talk = Counted()
    talk.call(CLIENT, b"root", b"\x1b[2J" + b"x" * 500)

    key = next(iter(talk.rows()))

    assert key.isprintable()
    assert len(key) < 160


def test_a_real_master_and_its_workers_are_counted() -> None:
    pieces: list[Piece] = captured("buildbot-trouble")
    dissector, statistics = Dissector(), Statistics()
    for piece in pieces:
        for found in dissector.feed(piece):
            statistics.see(found, dissector.connections[found.connection])

    rows = {row.key: row for row in statistics.rows(dissector.connections.values())}

    assert (rows["print"].count, rows["print"].unanswered) == (15, 4)
    assert (rows["respond"].count, rows["respond"].errors, rows["respond"].unanswered) == (5, 2, 1)
    assert sum(row.count for row in rows.values()) == 35


# Quantiles


def test_quantiles_of_few_durations_are_those_of_the_durations() -> None:
    durations = Durations()
    for number in random.Random(1).sample(range(1, 101), 100):
        durations.add(number / 1000)

    assert durations.is_exact
    assert [durations.quantile(part) for part in (0.0, 0.5, 0.9, 0.99, 1.0)] == [0.001, 0.05, 0.09, 0.099, 0.1]


def test_there_is_no_quantile_of_nothing() -> None:
    assert Durations().quantile(0.5) is None


def test_quantiles_of_many_durations_are_within_one_percent() -> None:
    durations = Durations()
    chance = random.Random(2)
    values = [10 ** chance.uniform(-5, 3) for _ in range(5_000)]
    for value in values:
        durations.add(value)
    values.sort()

    assert not durations.is_exact
    for part in (0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0):
        exact = values[max(-(-int(part * 1000) * 5_000 // 1000), 1) - 1]
        assert durations.quantile(part) == pytest.approx(exact, rel=0.0101)
    assert durations.longest == values[-1]


def test_times_that_no_bucket_is_made_for_are_told_all_the_same() -> None:
    durations = Durations()
    for value in (-1.0, 0.0, 1e-9, 1e9):
        for _ in range(600):
            durations.add(value)

    assert durations.quantile(0.5) == 0.0
    assert durations.quantile(1.0) == pytest.approx(1e6, rel=0.05)
    assert durations.longest == 1e9


def test_memory_does_not_grow_with_the_durations() -> None:
    durations = Durations()
    for number in range(2_000):
        durations.add(number)
    held = len(durations._kept), len(durations._buckets or ())
    for number in range(2_000):
        durations.add(number * 1e5)

    assert (len(durations._kept), len(durations._buckets or ())) == held
