"""What is said of what only grows: references, caches and calls that wait; of Twisted's own conversations first."""

from __future__ import annotations

import re

import pytest

from pbshell.trace.diagnosis import Doctor
from pbshell.trace.dissector import Dissector
from pbshell.trace.rules import growth
from pbshell.trace.rules.growth import Growth
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Awaited, Piece, Seed, Seeded, Side
from tests.trace.waiting import Said, Waits, diagnosed, guest, paced, sentences, visited, works

__all__ = ["guest", "works"]

CLIENT, SERVER = Side.CLIENT, Side.SERVER
STOCK = "that a stock Twisted server lends at most (twisted.spread.pb.MAX_BROKER_REFS)"


def grown(pieces: list[Piece], later: float = 1.0) -> list[Verdict]:
    return diagnosed(pieces, Growth(), later)


# ------------------------------------------------------------------------------------------------ Twisted


async def test_references_that_are_never_given_back_are_a_leak_before_they_are_too_many(
    works: Waits, guest: Waits
) -> None:
    async with visited(works, guest, "keeps_builders", Answer=812) as pieces:
        (verdict,) = grown(paced(pieces, 30 / 14))
    assert re.sub(r"15 m \d\d s", "15 m 08 s", verdict.line()) == (
        f"warning: connection 1: the server lends 812 of the 1,024 objects {STOCK}, 14 more a minute, full in 15 m 08 "
        "s: 791 of them were born of getBuilder(..), of which the client has given back none"
    )
    assert verdict.kind == "references server"
    assert verdict.evidence[1:] == ("they were called 0 times", "21 were born of getWorker(..)")


async def test_references_that_are_given_back_are_no_leak(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "drops_builders", Answer=401) as pieces:
        assert grown(paced(pieces, 1.0)) == []


async def test_table_that_is_full_is_an_error(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_until_full", Answer=1_024) as pieces:
        paces = paced(pieces, 1.0)
    assert sentences(grown(paces)) == [
        (
            f"error: connection 1: the server lends all of the 1,024 objects {STOCK}, so it can lend no other: 1,024 "
            "of them were born of getBuilder(..), of which the client has given back none"
        )
    ]
    # What no longer grows is full all the same.
    assert sentences(grown(paces, 10_000.0)) == sentences(grown(paces))


async def test_cached_objects_have_a_limit_of_their_own(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_copies", Answer=120) as pieces:
        (verdict,) = grown(paced(pieces, 1.0))
    assert verdict.text.startswith(f"the server lends 120 of the 1,025 cached objects {STOCK}, ")
    assert verdict.text.endswith("120 of them were born of getCopy(..), of which the client has given back none")


async def test_client_that_lends_its_own_leaks_as_well(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "lends_leaves", Answer=110) as pieces:
        (verdict,) = grown(paced(pieces, 1.0))
    assert verdict.text.startswith(
        "the client lends 110 of the 1,025 objects that a stock Twisted client lends at most "
    )
    assert "110 of them were born of hold(..), as arguments, of which the server has given back none" in verdict.text


async def test_object_that_is_lent_again_and_again_is_kept_as_often(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_the_same", Answer=120) as pieces:
        (verdict,) = grown(paced(pieces, 1.0))
    assert sentences([verdict]) == [
        (
            "note: connection 1: s1:getStatus() was lent 120 times in 3 m 59 s, never called and never given back: the "
            "client keeps a reference of its own for each time"
        )
    ]


async def test_calls_that_come_faster_than_answers_pile_up(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "calls_faster_than_it_is_answered", Answer=400) as pieces:
        (verdict,) = grown(paced(pieces, 0.05))
    assert re.sub(r"\d[\d,.]*", "N", verdict.text) == (
        "the client calls faster than the server answers, N a second against N a second: N calls wait, N more than N s "
        "ago, and nothing in PB limits them"
    )
    assert verdict.evidence[0] == "200 of the first 200 are calls of owe"


async def test_calls_in_one_go_that_are_answered_do_not_pile_up(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "calls_in_one_go", Answer=500) as pieces:
        assert grown(paced(pieces, 0.5)) == []


# ------------------------------------------------------------------------------------------------ what others do


def lending(count: int, gap: float = 1.0, **more: object) -> Said:
    """A server that lends one object in each answer."""
    talk = Said()
    for number in range(count):
        talk.call(CLIENT, b"root", b"get", [b"unicode", b"x"], at=number * gap)
        talk.answer(SERVER, [b"remote", number + 1], at=number * gap)
    return talk


def text(talk: Said, later: float = 1.0) -> str:
    return "\n".join(sentences(grown(talk.pieces, later)))


def test_growth_that_has_ended_is_no_leak() -> None:
    talk = lending(150)
    assert "full in 14 m 48 s" in text(talk)
    assert text(talk, 59.0) != ""
    assert text(talk, 61.0) == ""


def test_many_objects_of_one_message_are_no_leak() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"getAll", at=1.0)
    talk.answer(SERVER, [b"list", *([b"remote", luid] for luid in range(1, 501))], at=1.0)
    assert text(talk) == ""


def test_table_that_is_nearly_full_is_told_even_if_it_does_not_grow() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"getAll", at=1.0)
    talk.answer(SERVER, [b"list", *([b"remote", luid] for luid in range(1, 821))], at=1.0)
    assert f"the server lends 820 of the 1,024 objects {STOCK}: 820 of them were born of getAll(..), " in text(talk)


def test_of_some_that_came_back_the_number_is_told() -> None:
    talk = lending(860)
    for luid in range(1, 31):
        talk.decref(CLIENT, luid, at=860.0)
    assert "830 of them were born of get(..), of which the client has given back 30 others" in text(talk)


def test_limit_that_was_raised_is_seen() -> None:
    said = text(lending(1_100))
    assert (
        "the server lends 1,100 objects, 59 more a minute; its limit is not the 1,024 of a stock Twisted peer: " in said
    )
    assert said.startswith("warning")


def test_slow_growth_is_told_by_the_hour() -> None:
    assert ", 14.4 more an hour, full in 60 h 42 m: " in text(lending(150, 250.0))


def test_fast_growth_is_told_by_the_second() -> None:
    assert ", 10 more a second, full in " in text(lending(150, 0.1), 0.0)


def test_the_rate_of_each_side_can_be_asked_for() -> None:
    doctor, dissector = Doctor(), Dissector()
    for piece in lending(150, 0.5).pieces:
        for dissection in dissector.feed(piece):
            doctor.see(dissection, dissector.connections[1])
    conversation = dissector.connections[1]

    assert round(doctor.rate(conversation, SERVER, 75.0)) == 2
    assert doctor.rate(conversation, SERVER, 1_000.0) == 0.0  # it has stopped
    assert doctor.rate(conversation, CLIENT, 75.0) == 0.0
    assert Growth().rate(conversation, SERVER, 75.0) == 0.0  # one that has seen nothing


def test_those_that_were_born_with_an_object_can_be_asked_for() -> None:
    doctor, dissector = Doctor(), Dissector()
    for piece in lending(30, 0.5).pieces:
        for dissection in dissector.feed(piece):
            doctor.see(dissection, dissector.connections[1])
    conversation = dissector.connections[1]
    lent = conversation.ledgers[SERVER].exports[7].thing

    birth = doctor.birth(1, lent)
    assert birth is not None
    assert (birth.live, birth.returned, birth.used) == (30, 0, 0)
    assert doctor.birth(2, lent) is None
    assert doctor.birth(1, conversation.ledgers[SERVER].exports[b"root"].thing) is None
    assert Doctor([]).birth(1, lent) is None


def test_what_grows_again_after_a_release_is_measured_anew() -> None:
    talk = lending(300)
    for luid in range(1, 300):
        talk.decref(CLIENT, luid, at=300.0)
    assert text(talk) == ""


def test_births_are_named_by_the_birth_of_what_is_called() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"getBuilder", [b"unicode", b"linux"], at=0.0)
    talk.answer(SERVER, [b"remote", 1], at=0.0)
    for number in range(120):
        talk.call(CLIENT, 1, b"getStep", number, at=number + 1.0)
        talk.answer(SERVER, [b"remote", number + 2], at=number + 1.0)
        talk.call(CLIENT, number + 2, b"name", at=number + 1.0)
        talk.answer(SERVER, at=number + 1.0)
    (verdict,) = grown(talk.pieces)
    assert (
        "120 of them were born of getBuilder(..).getStep(..), of which the client has given back none" in verdict.text
    )
    assert verdict.evidence[1] == "they were called 120 times"


def test_births_are_named_by_who_has_logged_in() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"login", [b"unicode", b"alice"], at=0.0)
    talk.answer(SERVER, [b"tuple", b"x", [b"remote", 1]], at=0.0)
    talk.call(CLIENT, 1, b"respond", b"y", [b"remote", 1], at=0.0)
    talk.answer(SERVER, [b"remote", 2], at=0.0)
    talk.decref(CLIENT, 1, at=0.0)
    for number in range(120):
        talk.call(CLIENT, 2, b"getBuilder", at=number + 1.0)
        talk.answer(SERVER, [b"remote", number + 3], at=number + 1.0)
    assert "120 of them were born of alice.getBuilder(..), of which the client has given back none" in text(talk)


def test_births_of_what_was_not_seen_are_told_as_such() -> None:
    talk = Said()
    for number in range(120):
        talk.say(SERVER, [b"answer", number + 1, [b"remote", number + 1]], at=number + 1.0)
    assert "120 of them were born of calls that were not seen, " in text(talk)


def test_seed_lends_without_a_birth() -> None:
    lent = tuple(Seeded(SERVER, luid, 1) for luid in range(1, 801))
    talk = Said(opened=False)
    talk.feed([Seed(0.0, 1, b"pb", tuple(Side), lent)])
    assert text(talk) == ""
    for number in range(100):
        talk.call(CLIENT, 7, b"getStep", at=number + 1.0)
        talk.answer(SERVER, [b"remote", number + 1_001], at=number + 1.0)
    talk.decref(CLIENT, 7, at=100.0)
    (verdict,) = grown(talk.pieces)
    assert "the server lends 899 of the 1,024 objects" in verdict.text
    assert "100 of them were born of s7.getStep(..)" in verdict.text
    assert verdict.unseen == "what was said before the capture began"


def test_more_births_than_are_told_apart_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_BIRTHS", 2)
    talk = Said()
    for number in range(120):
        talk.call(CLIENT, b"root", b"get%d" % number, at=number + 1.0)
        talk.answer(SERVER, [b"remote", number + 1], at=number + 1.0)
    assert "118 of them were born of others, " in text(talk)


def test_objects_beyond_those_whose_birth_is_remembered_are_not_forgotten_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growth, "_OBJECTS", 10)
    talk = lending(130)
    talk.decref(CLIENT, 120, at=131.0)
    assert "129 of the 1,024 objects" in text(talk)


def test_objects_and_copies_of_one_message_are_counted_apart() -> None:
    talk = Said()
    for number in range(0, 240, 2):
        talk.call(CLIENT, b"root", b"get", at=number + 1.0)
        copy = [b"mod.Copy", number + 2, [b"dictionary"]]
        talk.answer(SERVER, [b"tuple", [b"remote", number + 1], [b"cached", number + 2], copy], at=number + 1.0)
    assert [verdict.kind for verdict in grown(talk.pieces, 1.0)] == ["references server", "caches server"]


def test_receipts_of_which_one_came_back_are_not_told() -> None:
    talk = Said()
    for luid in (1, 1, 2):
        for number in range(60 if luid == 1 else 130):
            talk.call(CLIENT, b"root", b"getStatus", at=number + 1.0)
            talk.answer(SERVER, [b"remote", luid], at=number + 1.0)
    talk.decref(CLIENT, 1, at=200.0)
    (verdict,) = grown(talk.pieces)
    assert verdict.text.startswith("s2:getStatus() was lent 130 times in ")
    assert len(verdict.evidence) == 1


def test_of_several_with_many_receipts_the_most_lent_is_told() -> None:
    talk = Said()
    for number in range(220):
        talk.call(CLIENT, b"root", b"getStatus", at=number + 1.0)
        talk.answer(SERVER, [b"remote", 1 if number % 2 else 2], at=number + 1.0)
    (verdict,) = grown(talk.pieces)
    assert verdict.evidence[1] == "so it is with 1 other object"


def test_call_of_what_nobody_lends_is_no_use_of_it() -> None:
    talk = lending(150)
    talk.call(CLIENT, 999, b"name", at=150.0)
    (verdict,) = grown(talk.pieces)
    assert verdict.evidence[1] == "they were called 0 times"


def test_receipt_of_what_has_no_birth_may_come_back() -> None:
    talk = Said(opened=False)
    talk.feed([Seed(0.0, 1, b"pb", tuple(Side), (Seeded(SERVER, 1, 200),))])
    talk.decref(CLIENT, 1, at=1.0)
    assert grown(talk.pieces) == []


def test_calls_that_are_not_answered_at_all_pile_up() -> None:
    talk = Said()
    for number in range(240):
        talk.call(CLIENT, b"root", b"hang", at=number * 0.1)
    (verdict,) = grown(talk.pieces, 0.0)
    assert verdict.text == (
        "the client calls faster than the server answers, 10 a second against none: 240 calls wait, 240 more than 23.9 "
        "s ago, and nothing in PB limits them"
    )
    assert verdict.frames == (4,)


def test_calls_from_before_the_capture_pile_up_as_well() -> None:
    talk = Said(opened=False)
    waiting = tuple(Awaited(CLIENT, number, "old") for number in range(1, 60))
    talk.feed([Seed(0.0, 1, b"pb", tuple(Side), (), waiting)])
    for number in range(60, 200):
        message = [b"message", number, b"root", b"hang", 1, [b"tuple"], [b"dictionary"]]
        talk.say(CLIENT, message, at=number * 0.1)
    (verdict,) = grown(talk.pieces, 0.0)
    assert verdict.frames == ()


def test_calls_that_waited_before_and_become_no_more_do_not_pile_up() -> None:
    talk = Said()
    for _ in range(150):
        talk.call(CLIENT, b"root", b"hang", at=0.5)
    for number in range(40):
        talk.call(CLIENT, b"root", b"quick", at=2.0 + number)
        talk.answer(SERVER, at=2.0 + number)
    assert grown(talk.pieces) == []


def test_nothing_is_known_of_a_connection_that_was_not_seen_or_has_ended() -> None:
    talk = lending(150)
    conversation = talk.dissector.connections[1]
    rule = Growth()
    assert list(rule.verdicts(20.0, conversation)) == []
    for found in talk.dissections:
        if type(found.what) in rule.of:
            assert list(rule.see(found, conversation)) == []
    assert [verdict.kind for verdict in rule.verdicts(150.0, conversation)] == ["references server"]
    rule.forget(1)
    assert list(rule.verdicts(150.0, conversation)) == []
