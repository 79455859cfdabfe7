"""What is said of calls without an answer, of silence and of rhythms that stopped: of Twisted's conversations first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.net import pairs
from pbshell.pb import connect
from pbshell.trace.diagnosis import RULES
from pbshell.trace.pcap import Packets
from pbshell.trace.rules import rhythms
from pbshell.trace.rules.growth import Growth
from pbshell.trace.rules.hangs import Hangs
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Side
from tests.trace.talking import FOLDER, captured
from tests.trace.waiting import (
    Said,
    Waits,
    diagnosed,
    guest,
    last_call,
    paced,
    recorded,
    sentences,
    until,
    visited,
    works,
)

__all__ = ["guest", "works"]

CLIENT, SERVER = Side.CLIENT, Side.SERVER

NO_TCP = "whether its system still acknowledges what it is sent: a capture of packets tells"
DEAD = "its process is stopped or blocked, or the link is half-open"
RUNS = "its method still runs, or waits for what never comes"


def hangs(pieces: list[Piece], later: float = 14.0) -> list[Verdict]:
    return diagnosed(pieces, Hangs(), later)


def said(pieces: list[Piece], later: float = 14.0) -> list[str]:
    """What is said, where the pace was the machine's own."""
    return sentences(hangs(pieces, later), "TIME")


def texts(verdicts: list[Verdict]) -> str:
    return "\n".join(verdict.line() for verdict in verdicts)


# ------------------------------------------------------------------------------------------------ the server lives


async def test_call_that_hangs_on_a_server_that_answers_others_is_its_method(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "asks_what_hangs", Answer=1) as pieces:
        (verdict,) = hangs(pieces)
    assert verdict.line() == (
        "note: connection 1: c#1 hang() has waited 14.0 s for the server, which has answered c#2 echo since (#8): "
        f"{RUNS}"
    )
    assert (verdict.kind, verdict.frames) == ("slow c#1", (5,))
    assert verdict.evidence == ("c#1 hang() (#5) has waited 14.0 s", "the server's last bytes came 14.0 s ago")


async def test_call_that_has_not_waited_for_long_is_not_told(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "asks_what_hangs", Answer=1) as pieces:
        assert hangs(pieces, 4.9) == []


async def test_call_that_hangs_is_named_with_the_birth_of_what_is_called(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "asks_builder", Answer=2) as pieces:
        (verdict,) = hangs(pieces)
    begin = (
        "c#2 s1:getBuilder('linux').ping() has waited 14.0 s for the server, which has answered c#3 name since (#10): "
    )
    assert verdict.text == begin + RUNS


async def test_method_that_used_to_answer_is_told_with_what_is_usual(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "works_until_it_hangs", Answer=5) as pieces:
        assert said(pieces) == [
            (
                "warning: connection 1: c#5 work(4) has waited TIME for the server, which has answered c#6 echo since "
                f"(#16): {RUNS} (usually TIME, 4 times)"
            )
        ]


async def test_method_that_answered_with_long_strings_may_have_returned_too_much(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "gets_blobs", Answer=3) as pieces:
        (verdict,) = hangs(pieces)
        assert sentences([verdict], "TIME") == [
            (
                "warning: connection 1: c#3 blob(655361) has waited TIME for the server, which has answered c#4 echo "
                "since (#12): its method still runs, or has returned more than 655,360 bytes in one string, which "
                "Twisted drops with no more than a line in its log (banana.SIZE_LIMIT) (usually "
                "TIME, 2 times)"
            )
        ]
        assert verdict.evidence[-1] == "an answer to this method had a string of 640,000 bytes"


async def test_of_many_calls_that_hang_the_rest_is_told_together(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "asks_many_that_hang", Answer=1) as pieces:
        *each, rest = hangs(pieces)
    assert len(each) == 8
    assert rest.line() == "note: connection 1: 2 more calls wait for the server, the oldest for 14.0 s"
    assert rest.frames == (13, 14)


# ------------------------------------------------------------------------------------------------ the server is silent


async def test_server_that_is_stopped_is_silent_as_its_quick_methods_show(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "stops_server", Message=5) as pieces:
        (verdict,) = hangs(pieces)
    assert verdict.line() == (
        "error: connection 1: nothing has come from the server for 14.0 s, though it owes 2 answers, the oldest one to "
        f"c#4 stop(), called 14.0 s ago: {DEAD} (not seen: {NO_TCP})"
    )
    assert (verdict.kind, verdict.frames) == ("silent server", (12, 13))


async def test_one_unknown_method_may_as_well_run_for_long(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "only_stops_server", Message=2) as pieces:
        (verdict,) = hangs(pieces)
    assert verdict.line() == (
        "note: connection 1: nothing has come from the server for 14.0 s, though it owes the answer to c#2 stop(), "
        f"called 14.0 s ago: the method still runs, {DEAD} (not seen: {NO_TCP})"
    )
    assert [verdict.severity for verdict in hangs(pieces, 31.0)] == ["warning"]


async def test_server_that_answers_others_is_not_silent(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "asks_what_hangs", Answer=1) as pieces:
        assert "nothing has come" not in texts(hangs(pieces))


async def test_server_that_takes_nothing_is_not_asked_for_answers(
    works: Waits, guest: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "STALL", 0.02)
    async with visited(works, guest, "sends_much_to_who_is_stopped", stalled=1) as pieces:
        (verdict,) = hangs(pieces)
    assert verdict.kind == "unread server"
    assert verdict.text.startswith("the server has not taken what it is sent for 14.0 s, and ")
    assert verdict.text.endswith(f" calls wait: {DEAD}")
    assert verdict.unseen == NO_TCP
    assert "bytes wait to be sent" in verdict.evidence[0]


def packets(name: str, until: float) -> list[Piece]:
    with (FOLDER / f"{name}.pcap").open("rb") as file:
        return [piece for piece in Packets(file) if piece.at <= until]


def test_link_that_loses_all_is_silently_half_open() -> None:
    pieces = packets("half-open", 25.0)
    (verdict,) = hangs(pieces, 32.131 - pieces[-1].at)
    assert verdict.line() == (
        "error: connection 1: the link is silently half-open: 24 bytes from the client unacknowledged for 31.0 s, and "
        "2 calls wait: the server's machine, or the way to it or back, is gone, and the client's system may take a "
        "quarter of an hour to give up (net.ipv4.tcp_retries2 of Linux, or TCP_USER_TIMEOUT of the socket)"
    )
    assert verdict.kind == "half-open server"
    assert verdict.evidence[2].startswith("c#8 s1:getBuilder('linux').ping() (#19) has waited 31.0 s, usually 0.")


def test_link_that_lost_something_and_recovered_is_in_order() -> None:
    assert hangs(packets("twisted-stalled", 3.3285)) == []


def test_server_whose_window_is_closed_does_not_read() -> None:
    pieces = packets("reads-nothing", 9.0)
    (verdict,) = hangs(pieces, 4.0)
    assert verdict.line() == (
        "error: connection 1: the server reads nothing: its receive window has been closed for 10.7 s, and 3 calls "
        "wait: its system is alive, and its process is stopped or blocked"
    )


# ------------------------------------------------------------------------------------------------ circles


async def test_call_back_that_waits_for_the_lock_of_its_caller_is_a_circle(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "waits_in_a_circle", Message=3) as pieces:
        (verdict,) = hangs(pieces)
    assert verdict.line() == (
        "warning: connection 1: c#2 ask(c1) probably waits for s#1 c1:ask() args[0].question(), which the server "
        "called back and the client has not answered for 14.0 s: if the client answers it only after c#2, both wait "
        "for ever (a lock, or a call that blocks)"
    )
    assert (verdict.kind, verdict.frames) == ("circle c#2", (9, 8))
    assert verdict.evidence[-1] == "the client's last bytes came 14.0 s ago, before it was called back"


async def test_call_of_what_another_call_has_lent_is_no_circle(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "is_called_in_between", Answer=3) as pieces:
        verdicts = hangs(pieces)
    assert sorted(verdict.kind for verdict in verdicts) == ["slow c#2", "slow s#1"]
    assert "probably" not in texts(verdicts)


# ------------------------------------------------------------------------------------------------ rhythms


async def test_keepalive_that_stops_while_its_side_speaks_on_is_told(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_alive", Answer=16) as pieces:
        (verdict,) = hangs(paced(pieces, 1.5))
    assert verdict.line() == (
        "warning: connection 1: keepalive() came from the client every 3.0 s, 6 times, and not for 45.5 s, while it "
        "goes on to say other things: its timer has probably stopped"
    )
    assert verdict.kind == "keepalive root.keepalive"


async def test_loop_that_ended_with_an_error_is_told_with_it(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_alive_in_a_loop", Answer=21) as pieces:
        assert sentences(hangs(paced(pieces, 1.5))) == [
            (
                "warning: connection 1: keepalive() came from the client every 3.0 s, 12 times, and not for 45.5 s, "
                "while it goes on to say other things: the last one was answered with builtins.ValueError: no more, "
                "which has probably ended it (a LoopingCall of Twisted stops at the first failure)"
            )
        ]


async def test_keepalive_that_goes_on_is_in_order(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_alive", Answer=6) as pieces:
        until_now = [piece for piece in paced(pieces, 1.5) if piece.at <= 20.0]
    assert hangs(until_now, 3.0) == []


async def test_client_that_is_stopped_is_missed_by_its_keepalive(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "keeps_alive_and_stops", Answer=6) as pieces:
        assert sentences(hangs(paced(pieces, 1.5))) == [
            (
                "warning: connection 1: nothing has come from the client for 15.5 s, though keepalive() came from it "
                f"every 3.0 s: it has ended that, {DEAD} (not seen: {NO_TCP})"
            )
        ]


async def test_pbshell_that_is_silent_is_missed_by_its_sign_of_life(works: Waits) -> None:
    async with recorded(works) as (port, pieces):
        async with connect(f"127.0.0.1:{port}", keepalive=0.01):
            await until(pieces, Version=7)
        # The two versions of the handshake are no sign of life.
        pace = [piece for piece in pieces if not isinstance(piece, LinkEvent) or piece.kind == "opened"]
    assert sentences(hangs(paced(pace, 60.0), 181.0)) == [
        (
            "warning: connection 1: nothing has come from the client for 3 m 01 s, though [version 6] came from it "
            f"every 60.0 s: {DEAD} (not seen: {NO_TCP})"
        )
    ]
    assert hangs(paced(pace, 60.0), 179.0) == []


async def test_callback_that_falls_silent_has_probably_lost_its_caller(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "subscribes", Answer=173) as pieces:
        paces = paced(pieces, 0.25)
    now = last_call(paces, b"tick") + 14.0
    (verdict,) = hangs([piece for piece in paces if piece.at <= now], 0.0)
    assert verdict.line() == (
        "warning: connection 1: c1:subscribe() args[0] was called by the server every 500 ms, 112 times, and not for "
        "14.0 s while the link lives: the server has probably lost its observer (an error in what calls it, or a timer "
        "that has stopped)"
    )
    assert verdict.kind == "callback c1"


async def test_callback_that_failed_was_probably_dropped_for_that(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "subscribes_and_fails", Answer=80) as pieces:
        (verdict,) = hangs(paced(pieces, 0.25), 1.0)
    assert verdict.text.endswith(
        "while the link lives: the last one was answered with builtins.ValueError: nope, which has probably ended it "
        "(a LoopingCall of Twisted stops at the first failure)"
    )


async def test_callback_that_is_called_on_is_in_order(works: Waits, guest: Waits) -> None:
    async with visited(works, guest, "subscribes", Answer=173) as pieces:
        paces = paced(pieces, 0.25)
    now = last_call(paces, b"tick")
    assert hangs([piece for piece in paces if piece.at <= now], 4.9) == []


def test_buildbots_keepalives_show_a_worker_that_is_gone() -> None:
    pieces: list[Piece] = [piece for piece in captured("buildbot-trouble") if piece.connection == 2 and piece.at < 18]
    (verdict,) = diagnosed(pieces, Hangs(), 1.0, connection=2)
    assert verdict.text == (
        "nothing has come from the client for 9.0 s, though it owes 2 answers, the oldest one to s#12 c1:mind.print("
        f"message='master got a duplicate connection'), called 7.9 s ago: {DEAD}"
    )


# ------------------------------------------------------------------------------------------------ what others do


def test_the_doctor_asks_these_rules() -> None:
    assert {Hangs, Growth} <= set(RULES)


ATOMS = st.one_of(st.integers(-1, 3), st.binary(max_size=3), st.floats(), st.just(b"root"), st.just([b"remote", 1]))
VALUES = st.recursive(ATOMS, lambda items: st.lists(items, max_size=3), max_leaves=4)
ARGS = st.one_of(VALUES, st.builds(lambda items: [b"tuple", *items], st.lists(VALUES, max_size=2)))
VERBS = st.one_of(
    st.builds(lambda *fields: [b"message", *fields], VALUES, VALUES, st.binary(max_size=2), VALUES, ARGS, ARGS),
    st.builds(lambda *fields: [b"cachemessage", *fields], VALUES, VALUES, st.binary(max_size=2), VALUES, ARGS, ARGS),
    st.builds(lambda *fields: [b"answer", *fields], VALUES, VALUES),
    st.builds(lambda *fields: [b"error", *fields], VALUES, VALUES),
    st.builds(lambda luid: [b"decref", luid], VALUES),
    st.builds(lambda luid: [b"decache", luid], VALUES),
    st.just([b"version", 6]),
)


@given(st.lists(st.tuples(st.sampled_from(Side), VERBS), max_size=12))
def test_whatever_is_said_nothing_is_raised_and_each_verdict_is_one_line(verbs: list[tuple[Side, Any]]) -> None:
    talk = Said()
    for number, (side, verb) in enumerate(verbs):
        talk.say(side, verb, at=number * 3.0)
    for rule in (Hangs(), Growth()):
        for verdict in diagnosed(talk.pieces, rule):
            assert verdict.text == verdict.text.strip()
            assert all(line.isprintable() for line in (verdict.text, verdict.kind, verdict.unseen, *verdict.evidence))


def test_side_that_lives_is_said_to_have_been_heard() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.call(SERVER, 1, b"tick", at=14.0)
    talk.answer(CLIENT, at=14.1)
    assert sentences(hangs(talk.pieces, 1.0))[0] == (
        "note: connection 1: c#1 hang() has waited 14.1 s for the server, which lives and has said other things since, "
        f"the last one 1.1 s ago: {RUNS}"
    )


def test_later_answers_of_an_earlier_call_prove_nothing() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.call(CLIENT, b"root", b"quick", at=1.0)
    talk.answer(SERVER, at=1.1)
    talk.say(SERVER, [b"answer", 1, [b"None"]], at=1.2)
    talk.say(CLIENT, [b"message", 3, b"root", b"hang", 1, [b"tuple"], [b"dictionary"]], at=1.3)
    talk.call(SERVER, 1, b"tick", at=1.4)
    talk.answer(CLIENT, at=1.5)
    (verdict,) = hangs(talk.pieces, 10.0)
    assert "which has been asked nothing since it was heard last, 10.1 s ago" in verdict.text
    assert verdict.unseen == "whether the server is still alive"


def test_call_from_before_the_capture_has_waited_for_at_least_so_long() -> None:
    seed = Seed(5.0, 1, b"pb", tuple(Side), (), (Awaited(SERVER, 7, "ping"),))
    (verdict,) = hangs([seed, Chunk(6.0, 1, SERVER, b"\x02\x80\x07\x87\x06\x81")], 14.0)
    assert verdict.text == (
        "nothing has come from the client for 15.0 s, though it owes the answer to s#7 ping(), called at least 15.0 s "
        f"ago: the method still runs, {DEAD}"
    )
    assert verdict.frames == ()
    assert verdict.unseen.startswith("what was said before the capture began; ")


def test_answer_that_may_be_in_a_gap_is_no_warning() -> None:
    talk = Said()
    for _ in range(3):
        talk.call(CLIENT, b"root", b"quick", at=1.0)
        talk.answer(SERVER, at=1.1)
    talk.call(CLIENT, b"root", b"quick", at=2.0)
    talk.happened("gap", SERVER, "24 bytes were not captured", at=4.0)
    (verdict,) = hangs(talk.pieces)
    assert verdict.severity == "note"
    assert verdict.unseen == "what is in 1 gap of the capture"


def test_gap_that_no_side_is_named_for_is_one_of_both() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"quick", at=1.0)
    talk.happened("gap", at=9.0)
    assert hangs(talk.pieces, 1.0)[0].kind == "slow c#1"


def test_side_that_has_said_its_last_byte_cannot_answer() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.happened("half_closed", SERVER, at=2.0)
    (verdict,) = hangs(talk.pieces, 12.0)
    assert verdict.line() == (
        "error: connection 1: 1 call waits in vain for the server, which closed its direction of the connection 12.0 s "
        "ago: no answer can come, and it is for the client to close the rest"
    )


def test_side_that_has_said_its_last_byte_and_owes_nothing_is_in_order() -> None:
    talk = Said()
    talk.happened("half_closed", SERVER, at=2.0)
    assert hangs(talk.pieces) == []


def test_nothing_is_said_of_answers_that_cannot_be_read() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.feed([Chunk(2.0, 1, SERVER, b"\x01" * 70)])
    assert hangs(talk.pieces) == []


def test_unknown_verb_leaves_the_rest_readable() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.say(SERVER, [b"frobnicate"], at=3.0)
    assert [verdict.kind for verdict in hangs(talk.pieces)] == ["slow c#1"]


def test_expression_that_is_no_verb_is_forgotten_behind_the_next() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.say(SERVER, 7, at=3.0)
    assert hangs(talk.pieces) == []
    talk.say(SERVER, [b"version", 6], at=4.0)
    assert [verdict.kind for verdict in hangs(talk.pieces)] == ["slow c#1"]


def stalled(detail: str, *, speaks: bool = False, waits: bool = True) -> list[Verdict]:
    talk = Said()
    if waits:
        talk.call(CLIENT, b"root", b"hang", at=1.0)
    talk.happened("stalled", SERVER, detail, at=2.0)
    if speaks:
        talk.say(SERVER, [b"version", 6], at=9.0)
    return hangs(talk.pieces, 10.0)


GONE = (
    "and the client's system may take a quarter of an hour to give up (net.ipv4.tcp_retries2 of Linux, or "
    "TCP_USER_TIMEOUT of the socket)"
)


@pytest.mark.parametrize(
    ("detail", "speaks", "text"),
    [
        (
            "1 byte unacknowledged for 0.5 s, sent 3 times",
            True,
            (
                "the link is silently half-open: 1 byte from the client unacknowledged for 17.5 s, and 1 call waits: "
                f"what is sent to the server is lost on its way, though its own bytes still come, {GONE}"
            ),
        ),
        (
            "the end of the stream unacknowledged for 1.0 s, sent 3 times",
            False,
            (
                "the link is silently half-open: the end of the stream from the client unacknowledged for 11.0 s, and "
                f"1 call waits: the server's machine, or the way to it or back, is gone, {GONE}"
            ),
        ),
        (
            "its receive window is closed",
            True,
            (
                "the server reads nothing: its receive window has been closed for 17.0 s, and 1 call waits: its system "
                "is alive, and its process has stopped reading"
            ),
        ),
        (
            "2 bytes wait to be sent",
            True,
            (
                "the server has not taken what it is sent for 17.0 s, and 1 call waits: it has stopped reading, though "
                "its own bytes still come"
            ),
        ),
        ("", False, f"the server has not taken what it is sent for 10.0 s, and 1 call waits: {DEAD}"),
    ],
)
def test_stall_is_told_as_its_source_tells_it(detail: str, speaks: bool, text: str) -> None:
    assert [verdict.text for verdict in stalled(detail, speaks=speaks)] == [text]


@pytest.mark.parametrize(
    "detail",
    [
        "9 bytes unacknowledged for 1.2.3 s",
        "9 bytes unacknowledged for , s",
        ",, bytes unacknowledged for 5.0 s",
        f"{'9' * 5_000} bytes unacknowledged for {'9' * 5_000} s",
        "its receive window is closed for . s",
    ],
)
def test_stall_whose_numbers_are_none_is_told_all_the_same(detail: str) -> None:
    assert [verdict.severity for verdict in stalled(detail)] == ["error"]


def test_stall_is_told_even_if_nothing_waits() -> None:
    (verdict,) = stalled("9 bytes wait to be sent", waits=False)
    assert verdict.text == f"the server has not taken what it is sent for 10.0 s: {DEAD}"


def test_side_that_was_never_heard_has_no_last_bytes() -> None:
    pieces = [LinkEvent(0.0, 1, "opened", CLIENT), LinkEvent(1.0, 1, "stalled", None, "9 bytes wait to be sent")]
    assert [verdict.evidence for verdict in hangs(list(pieces), 9.0)] == [("#2 said: 9 bytes wait to be sent",)] * 2


def test_brief_stall_is_not_told() -> None:
    talk = Said()
    talk.happened("stalled", SERVER, "9 bytes wait to be sent", at=2.0)
    assert hangs(talk.pieces, 4.0) == []


def test_stall_that_is_over_is_not_told() -> None:
    talk = Said()
    talk.happened("stalled", SERVER, "9 bytes wait to be sent", at=2.0)
    talk.happened("resumed", SERVER, at=20.0)
    assert hangs(talk.pieces) == []


def test_answer_to_a_call_that_was_not_seen_is_no_answer_of_a_method() -> None:
    talk = Said()
    talk.say(SERVER, [b"answer", 9, [b"None"]], at=2.0)
    assert hangs(talk.pieces) == []


def test_other_events_of_the_link_change_nothing() -> None:
    talk = Said()
    talk.happened("rerouted", SERVER, at=2.0)
    assert hangs(talk.pieces) == []


def test_more_methods_than_are_remembered_begin_anew() -> None:
    talk = Said()
    for number in range(258):
        talk.call(CLIENT, b"root", b"method %d" % number, at=number / 10)
        talk.answer(SERVER, at=number / 10 + 0.01)
    for method in (b"method 0", b"method 257"):
        talk.call(CLIENT, b"root", method, at=27.0)
    (verdict,) = hangs(talk.pieces)
    assert verdict.evidence[0] == "c#259 method 0() (#520) has waited 14.0 s"
    assert verdict.evidence[1] == "c#260 method 257() (#521) has waited 14.0 s, usually 10.0 ms, 1 time"


def test_slow_method_gets_twenty_times_what_is_usual() -> None:
    talk = Said()
    for number in range(3):
        talk.call(CLIENT, b"root", b"build", at=number * 10.0)
        talk.answer(SERVER, at=number * 10.0 + 2.0)
    talk.call(CLIENT, b"root", b"build", at=30.0)
    assert hangs(talk.pieces, 39.0) == []
    assert [verdict.severity for verdict in hangs(talk.pieces, 41.0)] == ["error"]


def test_nothing_is_known_of_a_connection_that_was_not_seen_or_has_ended() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"hang", at=1.0)
    conversation = talk.dissector.connections[1]
    rule = Hangs()
    assert list(rule.verdicts(20.0, conversation)) == []
    for found in talk.dissections:
        if type(found.what) in rule.of:
            assert list(rule.see(found, conversation)) == []
    assert [verdict.kind for verdict in rule.verdicts(20.0, conversation)] == ["silent server"]
    rule.forget(1)
    assert list(rule.verdicts(20.0, conversation)) == []


def test_chain_of_calls_back_is_told_from_its_end() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"work", [b"remote", 1], at=1.0)
    talk.call(SERVER, 1, b"ask", [b"remote", 1], at=2.0)
    talk.call(CLIENT, 1, b"tell", at=3.0)
    talk.say(CLIENT, [b"version", 6], at=4.0)
    talk.say(SERVER, [b"version", 6], at=4.0)
    (verdict,) = hangs(talk.pieces)
    assert verdict.text.startswith("s#1 c1:work() args[0].ask(s1) probably waits for c#2 s1:ask() args[0].tell(), ")
    assert verdict.frames == (6, 5, 4)
    assert verdict.evidence[-1] == "the server's last bytes came 14.0 s ago, after it was called back"


def test_change_of_a_cache_that_lends_its_own_number_is_no_call_back() -> None:
    talk = Said()
    change = [b"cachemessage", 1, 1, b"observe_x", 1, [b"tuple", [b"remote", 1]], [b"dictionary"]]
    talk.say(SERVER, change, at=1.0)
    talk.say(SERVER, [*change[:1], 2, *change[2:]], at=1.0)
    assert [verdict.kind for verdict in hangs(talk.pieces)] == ["silent client"]


def test_call_back_whose_occasion_is_answered_is_no_circle() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"work", [b"remote", 1], at=1.0)
    talk.call(SERVER, 1, b"ask", at=2.0)
    talk.answer(SERVER, at=2.1)
    assert [verdict.kind for verdict in hangs(talk.pieces)] == ["silent client"]


def test_call_back_that_has_not_waited_for_long_is_no_circle() -> None:
    talk = Said()
    talk.call(CLIENT, b"root", b"work", [b"remote", 1], at=1.0)
    talk.call(SERVER, 1, b"ask", at=20.0)
    assert "circle" not in texts(hangs(talk.pieces, 1.0))


def test_call_that_is_numbered_by_a_list_is_no_occasion() -> None:
    talk = Said()
    talk.say(CLIENT, [b"message", [1], b"root", b"work", 1, [b"tuple", [b"remote", 1]], [b"dictionary"]], at=1.0)
    talk.call(SERVER, 1, b"ask", at=2.0)
    assert [verdict.kind for verdict in hangs(talk.pieces)] == ["silent client"]


def ticking(times: int, **more: Any) -> Said:
    """A client that subscribes, and is called every second by the server."""
    talk = Said()
    talk.call(CLIENT, b"root", b"subscribe", [b"remote", 1], at=0.0)
    talk.answer(SERVER, at=0.0)
    for number in range(times):
        talk.call(SERVER, 1, b"tick", at=number + 1.0)
        talk.answer(CLIENT, at=number + 1.1)
    return talk


def test_callback_that_was_given_back_is_not_missed() -> None:
    talk = ticking(6)
    talk.decref(SERVER, 1, at=6.5)
    talk.say(SERVER, [b"version", 6], at=30.0)
    assert hangs(talk.pieces, 1.0) == []


def test_callback_that_was_never_called_may_be_given_back() -> None:
    talk = ticking(0)
    talk.decref(SERVER, 1, at=6.5)
    assert hangs(talk.pieces) == []


def test_one_of_two_receipts_that_comes_back_leaves_the_callback() -> None:
    talk = ticking(6)
    talk.call(CLIENT, b"root", b"subscribe", [b"remote", 1], at=6.2)
    talk.answer(SERVER, at=6.2)
    talk.decref(SERVER, 1, at=6.5)
    talk.say(SERVER, [b"version", 6], at=30.0)
    assert [verdict.kind for verdict in hangs(talk.pieces, 1.0)] == ["callback c1"]


def test_callback_is_told_as_silent_with_its_side() -> None:
    talk = ticking(6)
    assert sentences(hangs(talk.pieces, 21.0)) == [
        (
            "note: connection 1: nothing has come from the server for 21.1 s, though c1:subscribe() args[0] was called "
            f"by it every 1.0 s: it has ended that, {DEAD} (not seen: {NO_TCP})"
        )
    ]


def test_callback_whose_last_call_waits_is_told_by_that_call() -> None:
    talk = ticking(6)
    talk.call(SERVER, 1, b"tick", at=7.0)
    talk.say(SERVER, [b"version", 6], at=30.0)
    assert [verdict.kind for verdict in hangs(talk.pieces, 1.0)] == ["silent client"]


def test_callback_that_wants_no_answer_is_missed_as_well() -> None:
    talk = ticking(0)
    for number in range(6):
        talk.say(SERVER, [b"message", number + 1, 1, b"tick", 0, [b"tuple"], [b"dictionary"]], at=number + 1.0)
    talk.say(SERVER, [b"version", 6], at=40.0)
    assert [verdict.kind for verdict in hangs(talk.pieces, 1.0)] == ["callback c1"]


def test_beats_out_of_step_begin_a_new_rhythm() -> None:
    talk = ticking(4)
    for number in range(4):
        talk.call(SERVER, 1, b"tick", at=10.0 + number)
        talk.answer(CLIENT, at=10.1 + number)
    talk.say(SERVER, [b"version", 6], at=60.0)
    assert hangs(talk.pieces, 1.0) == []


def test_rhythm_says_nothing_where_its_beat_may_be_in_a_gap() -> None:
    talk = ticking(6)
    talk.happened("gap", SERVER, at=20.0)
    talk.happened("half_closed", CLIENT, at=20.0)
    assert hangs(talk.pieces, 30.0) == []


def test_calls_that_are_no_sign_of_life_may_end_in_silence() -> None:
    talk = Said()
    for number in range(6):
        talk.call(CLIENT, b"root", b"poll", b"x", [b"unicode", b"all"], at=number * 1.0)
        talk.answer(SERVER, at=number + 0.1)
    assert hangs(talk.pieces, 60.0) == []
    talk.say(CLIENT, [b"version", 6], at=40.0)
    (verdict,) = hangs(talk.pieces)
    assert verdict.severity == "note"
    assert verdict.text.startswith("poll(b'x', 'all') came from the client every 1.0 s, 6 times, and not for 49.0 s, ")


def test_sign_of_life_is_told_by_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythms, "_PULSES", 3)
    talk = Said()
    for number in range(5):
        talk.call(CLIENT, b"root", b"print", message=[b"unicode", b"keepalive"], at=number * 2.0)
        talk.answer(SERVER, at=number * 2.0 + 0.1)
        talk.call(CLIENT, b"root", b"print", message=[b"unicode", b"%d" % number], at=number * 2.0 + 0.3)
        talk.answer(SERVER, at=number * 2.0 + 0.4)
    talk.say(CLIENT, [b"version", 6], at=40.0)
    (verdict,) = hangs(talk.pieces)
    assert verdict.text.startswith("print(message='keepalive') came from the client every 2.0 s, 5 times, and not for ")


def test_more_callbacks_than_are_remembered_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythms, "_CALLBACKS", 1)
    talk = ticking(6)
    for luid in (2, 3):
        talk.call(CLIENT, b"root", b"subscribe", [b"remote", luid], at=7.0)
        talk.answer(SERVER, at=7.0)
    talk.say(SERVER, [b"version", 6], at=60.0)
    assert hangs(talk.pieces, 1.0) == []
