"""Values without luids: births are equal in two runs, and the first difference is where it is said to be."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.trace.notes import Cached, Exported, Lent
from pbshell.trace.redact import SECRET
from pbshell.trace.studies import births
from pbshell.trace.studies.births import Births, Born, digest, first_difference, inside, shown
from pbshell.wire.chunk import Side

CLIENT, SERVER = Side
CALL = Born("getBuilder('linux')", b"1" * 16)


def text(value: str) -> list[Any]:
    return [b"unicode", value.encode()]


def test_an_object_is_called_by_the_call_and_the_place_that_lent_it() -> None:
    known = Births()
    lent = Lent(SERVER, 3, name="getBuilder(c9)", label="getBuilder(c9)")
    known.lend([Exported(lent, 1)], [([b"tuple", 1, [b"remote", 3]], "")], SERVER, CALL)

    assert known.of(SERVER, 3).text == "getBuilder('linux')[1]"
    assert shown(known.settled([b"local", 3], CLIENT), CLIENT, 80) == "getBuilder('linux')[1]"


def test_births_are_equal_in_two_runs_though_luids_are_not() -> None:
    one, other = Births(), Births()
    for each, luid in ((one, 3), (other, 8)):
        each.lend([Exported(Lent(SERVER, luid), 1)], [([b"remote", luid], "")], SERVER, CALL)

    assert digest(one.settled([b"remote", 3], SERVER)) == digest(other.settled([b"remote", 8], SERVER))
    assert digest(one.settled([b"remote", 3], SERVER)) != digest(other.settled([b"remote", 3], SERVER))


def test_luids_count_for_whoever_asks_for_them() -> None:
    one, other = Births(luids=True), Births(luids=True)
    for each, luid in ((one, 3), (other, 8)):
        each.lend([Exported(Lent(SERVER, luid), 1)], [([b"remote", luid], "")], SERVER, CALL)

    assert digest(one.of(SERVER, 3)) != digest(other.of(SERVER, 8))
    assert digest(one.of(SERVER, 4)) != digest(one.of(SERVER, 5))


def test_users_and_what_explainers_have_named_keep_their_names() -> None:
    known = Births()
    avatar, builder = Lent(SERVER, 2, name="alice", label="alice"), Lent(SERVER, 3, name="f(..)", label="builder linux")
    known.lend(
        [Exported(avatar, 1), Exported(builder, 1)], [([b"tuple", [b"remote", 2], [b"remote", 3]], "")], SERVER, CALL
    )

    assert [known.of(SERVER, luid).text for luid in (2, 3)] == ["alice", "builder linux"]


def test_what_is_lent_once_more_keeps_its_birth() -> None:
    known = Births()
    lent = Lent(SERVER, 3)
    known.lend([Exported(lent, 1)], [([b"remote", 3], "")], SERVER, CALL)
    known.lend([Exported(lent, 2)], [([b"remote", 3], "")], SERVER, Born("again()", b"2" * 16))

    assert known.of(SERVER, 3).text == "getBuilder('linux')"


def test_what_comes_home_is_not_lent() -> None:
    known = Births()
    value = [b"tuple", [b"local", 3], [b"remote", 3], [b"remote", 4], [b"lcache", 5]]
    known.lend([Exported(Lent(SERVER, 3), 1)], [(value, " args")], SERVER, CALL)

    assert known.of(SERVER, 3).text == "getBuilder('linux') args[1]"
    assert known.of(CLIENT, 3).text == "c3"


def test_a_cached_object_has_its_state_and_its_birth() -> None:
    known = Births()
    value = [b"app.State", 4, [b"dictionary", [text("level"), 1]]]
    known.lend([Cached(Lent(SERVER, 4, label="State"), 1, first=True)], [(value, "")], SERVER, CALL)

    assert shown(known.settled(value, SERVER), SERVER, 80) == "cache State <app.State {'level': 1}>"


def test_strangers_are_all_alike_but_for_the_root() -> None:
    known = Births()

    assert digest(known.of(SERVER, 7)) == digest(known.of(SERVER, 8)) != digest(known.of(CLIENT, 7))
    assert digest(known.of(SERVER, b"root")) != digest(known.of(SERVER, 7))
    assert repr(known.of(SERVER, [b"odd"])) == known.of(SERVER, [b"odd"]).text


def test_births_are_bounded_and_not_longer_than_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "_BORN", 2)
    known = Births()
    for luid in (1, 2, 3):
        call = Born("x" * 500, bytes([luid]) * 16)
        known.lend([Exported(Lent(SERVER, luid), 1)], [([b"remote", luid], "")], SERVER, call)

    assert known.of(SERVER, 1).text == "s1"
    assert len(known.of(SERVER, 3).text) == 120


def test_a_value_without_loans_is_not_copied() -> None:
    value = [b"list", 1, text("a")]

    assert Births().settled(value, CLIENT) is value


def test_arguments_are_shown_as_between_parentheses() -> None:
    settled = Births().settled([b"list", [b"tuple", [b"remote", 3]], [b"dictionary", [text("k"), 1]]], CLIENT)

    assert inside(settled[1], settled[2], CLIENT, 80) == "c3, k=1"
    assert inside([b"tuple", [b"remote", 3]], [b"dictionary"], CLIENT, 80) == "c3"


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, b"1"), ([1, [2]], [[1], 2]), ([b"ab"], [b"a", b"b"]), (SECRET, b"*"), (-1, 1), (0.0, -0.0)],
)
def test_other_values_have_other_digests(one: Any, other: Any) -> None:
    assert digest(one) == digest(one) != digest(other)


def test_no_integer_is_too_large_for_a_digest() -> None:
    assert digest(1 << 100_000) != digest(-(1 << 100_000))


# The first difference


A, B = text("a"), text("b")
LONG = "x" * 100


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1, 2, "1 -> 2"),
        (A, 1, "'a' -> 1"),
        ([b"None"], A, "None -> 'a'"),
        ([b"list", 1, 2], [b"list", 1, 3], "[1]: 2 -> 3"),
        ([b"list", 1, 2], [b"tuple", 1, 2], "[1, 2] -> (1, 2)"),
        ([b"list", 1], [b"list", 1, 2], "1 items -> 2 items"),
        ([b"list", [b"tuple", 1, A]], [b"list", [b"tuple", 1, B]], "[0][1]: 'a' -> 'b'"),
        ([b"dictionary", [A, 1]], [b"dictionary", [A, 2]], "['a']: 1 -> 2"),
        ([b"dictionary", [A, 1]], [b"dictionary", [B, 1]], "{'a': 1} -> {'b': 1}"),
        ([b"dictionary", 5], [b"dictionary", 6], "{5} -> {6}"),
        ([b"a.B", [b"dictionary", [A, 1]]], [b"a.B", [b"dictionary", [A, 2]]], "['a']: 1 -> 2"),
        ([b"a.B", 1], [b"a.B", 2], ".state: 1 -> 2"),
        ([b"a.B", Born("x", b"x"), 1], [b"a.B", Born("y", b"y"), 1], "cache x <a.B 1> -> cache y <a.B 1>"),
        ([b"reference", 1, [b"list", 1]], [b"reference", 1, [b"list", 2]], "[0]: 1 -> 2"),
        ([b"remote", Born("x", b"x")], [b"remote", Born("y", b"y")], "x -> y"),
        ([], [b"list"], "<no jelly: []> -> []"),
        (
            text(LONG + "1" + LONG),
            text(LONG + "2"),
            f"...'{'x' * 30}1{'x' * 29}'... (at byte 100 of 201) -> ...'{'x' * 30}2' (at byte 100 of 101)",
        ),
        (
            text(LONG),
            text(LONG + "1"),
            f"...'{'x' * 30}' (at byte 100 of 100) -> ...'{'x' * 30}1' (at byte 100 of 101)",
        ),
        (text("1" + LONG), text("2"), f"'1{'x' * 79}'... (101 characters) -> '2'"),
    ],
)
def test_the_first_difference_is_pointed_at(before: Any, after: Any, told: str) -> None:
    assert first_difference(before, after, SERVER) == told


def test_a_place_stands_before_a_difference() -> None:
    assert first_difference([b"list", 1], [b"list", 2], SERVER, "args") == "args[0]: 1 -> 2"
