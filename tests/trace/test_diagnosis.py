"""The doctor: its rules and their order, what it keeps, and ends that no two programs bring about on loopback."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace.diagnosis import RULES, Doctor
from pbshell.trace.dissector import Conversation, Dissection, Dissector
from pbshell.trace.rules.rule import Rule
from pbshell.trace.verdict import SEVERITIES, Verdict
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.limits import Limits
from pbshell.wire.verbs import Message
from tests.trace.incidents import check, diagnosed
from tests.trace.recordings import NAMES, chunks

VAST = Limits(string=1 << 26, list=1 << 26, depth=200)
FAILURE = b"twisted.spread.pb.CopyableFailure"


class Talk:
    """One connection that a test makes up, a tenth of a second from piece to piece."""

    def __init__(self, number: int = 1, host: str = "10.0.0.1", at: float = 0.0) -> None:
        self.number = number
        self.at = at
        self.pieces: list[Piece] = []
        if host:
            self.event("opened", Side.CLIENT, f"{host}:5000 to 10.0.0.9:9989")

    def event(self, kind: str, by: Side | None = None, detail: str = "") -> Talk:
        self.pieces.append(LinkEvent(self._tick(), self.number, kind, by, detail))
        return self

    def raw(self, side: Side, data: bytes) -> Talk:
        self.pieces.append(Chunk(self._tick(), self.number, side, data))
        return self

    def client(self, *verbs: list[Any]) -> Talk:
        return self.raw(Side.CLIENT, b"".join(encode(verb, PB, VAST) for verb in verbs))

    def server(self, *verbs: list[Any]) -> Talk:
        return self.raw(Side.SERVER, b"".join(encode(verb, PB, VAST) for verb in verbs))

    def hello(self) -> Talk:
        self.raw(Side.SERVER, encode([b"pb", b"none"]))
        return self.raw(Side.CLIENT, encode(b"pb")).client([b"version", 6]).server([b"version", 6])

    def closed(self, by: Side | None, detail: str = "fin") -> list[Piece]:
        return self.event("closed", by, detail).pieces

    def wait(self, seconds: float) -> Talk:
        self.at += seconds
        return self

    def _tick(self) -> float:
        self.at = round(self.at + 0.1, 3)
        return self.at


def call(request: Any, target: Any = b"root", method: bytes = b"go", *args: Any, answer: int = 1) -> list[Any]:
    return [b"message", request, target, method, answer, [b"tuple", *args], [b"dictionary"]]


def failed(request: int, kind: bytes, text: bytes) -> list[Any]:
    pairs = [(b"type", kind), (b"value", [b"unicode", text]), (b"parents", [b"list"])]
    return [b"error", request, [FAILURE, [b"dictionary", *([[b"unicode", key], value] for key, value in pairs)]]]


def refused(request: int) -> list[Any]:
    return failed(request, b"twisted.cred.error.UnauthorizedLogin", b"")


# ------------------------------------------------------------------------------------ the doctor


class Eager(Rule):
    of = (Message,)
    severity = "note"

    def __init__(self) -> None:
        self.forgotten: list[int] = []

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        return [Verdict(conversation.number, "seen", self.severity, "seen")]

    def verdicts(self, now: float, conversation: Conversation) -> Iterator[Verdict]:
        yield Verdict(conversation.number, "open", self.severity, f"open at {now}")

    def overall(self, now: float) -> Iterator[Verdict]:
        yield Verdict(0, "all", "warning", "all")

    def forget(self, number: int) -> None:
        self.forgotten.append(number)


class Stern(Eager):
    severity = "error"


def test_what_the_rules_say_comes_worst_first_and_of_equals_in_their_order() -> None:
    doctor, dissector = Doctor([Eager, Stern, Rule]), Dissector()
    pieces = Talk().hello().client(call(1)).pieces

    said = [v for p in pieces for d in dissector.feed(p) for v in doctor.see(d, dissector.connections[1])]

    assert [(verdict.kind, verdict.severity) for verdict in said] == [("seen", "error"), ("seen", "note")]
    standing = doctor.verdicts(7.0, dissector.connections.values())
    assert [verdict.severity for verdict in standing] == ["error", "warning", "warning", "note"]
    assert standing[0].text == "open at 7.0"


def test_of_a_connection_that_has_ended_nothing_is_said_again_until_its_number_is_used_anew() -> None:
    rule = Eager()
    doctor, dissector = Doctor([lambda: rule]), Dissector()

    def tell(pieces: list[Piece]) -> None:
        for piece in pieces:
            for found in dissector.feed(piece):
                doctor.see(found, dissector.connections[1])

    tell(Talk().hello().closed(Side.CLIENT))
    assert [verdict.kind for verdict in doctor.verdicts(1.0, dissector.connections.values())] == ["all"]
    assert rule.forgotten == [1]
    tell(Talk(at=5).pieces)
    assert [verdict.kind for verdict in doctor.verdicts(6.0, dissector.connections.values())] == ["all", "open"]


def test_a_capture_of_many_connections_leaves_nothing_behind() -> None:
    doctor, dissector = Doctor(), Dissector()

    for number in range(1, 1001):
        talk = Talk(number, f"10.0.{number % 250}.{number % 7}", at=number)
        talk.hello().client(call(1, b"root", b"go", b"x" * 70_000)).server([b"answer", 1, 5]).client(call(2, 7))
        for piece in talk.server(failed(2, b"twisted.spread.jelly.InsecureJelly", b"b'class'")).closed(Side.CLIENT):
            for found in dissector.feed(piece):
                doctor.see(found, dissector.connections[number])

    for rule in doctor._rules:
        assert not any(value for value in vars(rule).values() if isinstance(value, (dict, set)))


@pytest.mark.parametrize("name", NAMES)
def test_the_end_of_each_recording_has_one_verdict_and_is_no_error_of_size_or_books(name: str) -> None:
    pieces = chunks(name)
    end = LinkEvent(pieces[-1].at + 5, 1, "closed", Side.CLIENT, "fin: done")

    last = diagnosed([*pieces, end])[-1:]

    assert [verdict.connection for verdict in last] == [1]
    assert last[0].kind in {"closed", "login refused", "login failed"}


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.binary(max_size=60)), max_size=6), st.booleans(), st.data())
def test_whatever_the_bytes_are_there_is_one_verdict_for_the_end(
    said: list[tuple[Side, bytes]], shaken: bool, data: st.DataObject
) -> None:
    talk = Talk(host=data.draw(st.sampled_from(["10.0.0.1", ""])))
    if shaken:
        talk.hello()
    for side, raw in said:
        talk.raw(side, raw)
    by = data.draw(st.sampled_from([*Side, None]))
    pieces = talk.closed(by, data.draw(st.sampled_from(["fin", "reset: why", "timeout", "us", "\x1b[2J"])))

    verdicts = diagnosed(pieces)

    assert [verdict.severity in SEVERITIES for verdict in verdicts]
    assert verdicts[-1].text.isprintable()
    assert all(line.isprintable() for verdict in verdicts for line in verdict.evidence)
    diagnosed(pieces[:-1], 10.0)


def test_watching_costs_a_few_microseconds_for_each_message() -> None:
    """Counted in calls of functions, which a busy machine does not change."""
    talk = Talk().hello()
    for request in range(1, 101):
        talk.client(call(request)).server([b"answer", request, [b"unicode", b"fine"]])
    doctor, dissector = Doctor(), Dissector()
    found = [each for piece in talk.pieces for each in dissector.feed(piece)]
    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        for each in found:
            doctor.see(each, dissector.connections[1])
    finally:
        sys.setprofile(None)

    assert calls / len(found) < 12


def test_a_rule_says_nothing_of_its_own_accord() -> None:
    dissector = Dissector()
    [found] = dissector.feed(Talk().pieces[0])

    assert not [*Rule().see(found, dissector.connections[1]), *Rule().verdicts(0.0, dissector.connections[1])]


def test_every_rule_is_made_anew_for_each_doctor() -> None:
    assert all(first is not second for first, second in zip(Doctor()._rules, Doctor()._rules, strict=True))
    assert len(Doctor()._rules) == len(RULES)


# ------------------------------------------------------------------------------------ ends that a test makes up

CLIENT, SERVER = Side.CLIENT, Side.SERVER
BIG = b"x" * 700_000
MADE_UP: dict[str, list[Piece]] = {
    "a timeout with nothing unanswered": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, 1])
    .closed(None, "timeout"),
    "a timeout with calls": Talk().hello().server(call(1), call(2)).wait(5).closed(CLIENT, "timeout: keepalive"),
    "a reset": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, 1])
    .closed(SERVER, "reset: Connection reset by peer"),
    "a reset with calls": Talk().hello().client(call(1)).wait(5).closed(SERVER, "reset"),
    "a reset by nobody knows whom": Talk().hello().client(call(1)).wait(5).closed(None, "reset"),
    "an end of an unknown kind": Talk().hello().client(call(1)).server([b"answer", 1, 1]).closed(None, "odd"),
    "closed by the relay": Talk().hello().client(call(1)).closed(None, "us"),
    "closed by a traced program": Talk().hello().closed(SERVER, "us: six logins failed"),
    "a message that breaks off": Talk()
    .hello()
    .raw(CLIENT, encode(call(1, b"root", b"go", BIG), PB, VAST)[:5000])
    .closed(CLIENT, "reset"),
    "an answer that breaks off": Talk()
    .hello()
    .client(call(1))
    .wait(5)
    .raw(SERVER, encode([b"answer", 1, b"x" * 9000], PB)[:5000])
    .closed(SERVER),
    "something that breaks off": Talk().hello().raw(SERVER, b"\x07\x80\x1a\x87").closed(SERVER),
    "something else that breaks off": Talk().hello().raw(SERVER, b"\x05\x80\x1a\x87").closed(None, "timeout"),
    "an answer to nothing that breaks off": Talk()
    .hello()
    .raw(SERVER, b"\x03\x80\x1b\x87\x05\x81\x05\x82")
    .closed(SERVER),
    "a call of an object that breaks off": Talk()
    .hello()
    .raw(CLIENT, encode(call(1, 7, b"go", BIG), PB, VAST)[:5000])
    .closed(CLIENT),
    "an answer whose number is beyond the limit": Talk()
    .hello()
    .raw(SERVER, b"\x03\x80\x1b\x87" + encode(BIG, PB, VAST)[:9000])
    .closed(CLIENT),
    "noise that breaks off": Talk().hello().raw(SERVER, b"\x03\x80\x1b\x87\x7f\x87").closed(SERVER),
    "an unfinished message of the other side": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, 1])
    .raw(SERVER, b"\x03\x80")
    .closed(CLIENT),
    "a silent server that the client leaves": Talk().closed(CLIENT),
    "a server without a word, ended by nobody knows whom": Talk().closed(None),
    "a handshake and no call": Talk().hello().closed(CLIENT),
    "a handshake and no call, ended by the server": Talk().hello().closed(SERVER),
    "an offer of nothing": Talk().raw(SERVER, encode([])).closed(CLIENT),
    "a large call, ended by nobody knows whom": Talk().hello().client(call(1, b"root", b"go", BIG)).closed(None),
    "a large cache message": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, [b"a.Pond", 4, [b"dictionary"]]])
    .server([b"cachemessage", 1, 4, b"set", 1, [b"tuple", BIG], [b"dictionary"]])
    .closed(CLIENT),
    "a large call that was taken": Talk()
    .hello()
    .client(call(1, b"root", b"go", BIG))
    .server([b"answer", 1, 1])
    .client(call(2))
    .server([b"answer", 2, 1])
    .closed(SERVER),
    "a large call that was taken without an answer": Talk()
    .hello()
    .client(call(1, b"root", b"go", BIG, answer=0))
    .wait(2)
    .server(call(1))
    .client([b"answer", 1, 1])
    .closed(SERVER),
    "nine large calls": Talk()
    .hello()
    .client(*(call(n, b"root", b"go%d" % n, BIG) for n in range(1, 10)))
    .closed(SERVER),
    "a large call among taken ones": Talk()
    .hello()
    .client(call(1, b"root", b"go", BIG))
    .server([b"answer", 1, 1])
    .client(call(2))
    .server([b"answer", 2, 1])
    .client(call(3, b"root", b"went", BIG))
    .closed(SERVER),
    "a message too deep for pbshell": Talk().hello().raw(CLIENT, b"\x01\x80" * 140).closed(SERVER, "reset"),
    "seven unanswered calls": Talk().hello().client(*(call(n) for n in range(1, 8))).wait(9).closed(SERVER),
    "a call that ends it, in the other direction": Talk().hello().server(call(1, 3, b"shutdown")).closed(CLIENT),
    "an end behind a gap": Talk()
    .hello()
    .client(call(1))
    .event("gap", SERVER)
    .server([b"answer", 1, 1])
    .server([b"answer", 5, 1])
    .wait(3)
    .closed(CLIENT),
    "an end of what was joined": Talk(host="").client(call(7), call(8)).closed(CLIENT),
    "a cached object that is lent again behind a gap": Talk()
    .hello()
    .event("gap", SERVER)
    .client(call(1))
    .server([b"answer", 1, [b"cached", 3]], [b"version", 6])
    .wait(3)
    .closed(CLIENT),
    "a copied error that is no failure": Talk().hello().client(call(1)).server([b"error", 1, b"oops"]).closed(CLIENT),
    "a failure without state": Talk().hello().client(call(1)).server([b"error", 1, [FAILURE, 5]]).closed(CLIENT),
    "an answer of a class to a call that was not seen": Talk(host="")
    .client(call(7), call(8))
    .server([b"answer", 2, [b"a.Pond", [b"dictionary"]]], [b"version", 6])
    .closed(CLIENT),
    "an answer of many classes": Talk()
    .hello()
    .client(call(1))
    .server(
        [
            b"answer",
            1,
            [
                b"list",
                [b"tuple", 5, [b"unicode", b"five"], []],
                [b"dictionary", [[b"a.Key", [b"dictionary"]], [b"b.Value", 4, [b"dictionary"]]], 5],
                [b"reference", 1, [b"c.Shared", [b"dictionary", [[b"unicode", b"of"], [b"d.Deep", [b"dictionary"]]]]]],
            ],
        ]
    )
    .closed(CLIENT),
    "an answer of a class that came before": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, [b"a.Pond", [b"list"]]])
    .client(call(2))
    .server([b"answer", 2, [b"a.Pond", [b"list"]]])
    .closed(CLIENT),
    "an answer of a class long before": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, [b"a.Pond", [b"list"]]])
    .wait(5)
    .closed(CLIENT),
    "a refused login without an address": Talk(host="")
    .hello()
    .client(call(1, b"root", b"loginAnonymous", [b"None"]))
    .server(refused(1))
    .closed(SERVER),
    "a login that the realm fails": Talk()
    .hello()
    .client(call(1, b"root", b"loginAnonymous", [b"None"]))
    .server(failed(1, b"builtins.KeyError", b"'alice'"))
    .closed(CLIENT),
    "what is no login": Talk()
    .hello()
    .client(call(1, 5, b"respond"), call(2, [b"x"], b"respond"), call(3, 5, b"login"), call(4, 6, b"loginAnonymous"))
    .server(*([b"answer", n, 1] for n in range(1, 5)))
    .closed(CLIENT),
    "a login without a name": Talk()
    .hello()
    .client(call(1, b"root", b"login"))
    .server([b"answer", 1, 5])
    .closed(SERVER),
    "a login in one step, granted": Talk()
    .hello()
    .client(call(1, b"root", b"loginAnonymous", [b"None"]))
    .server([b"answer", 1, [b"remote", 1]])
    .closed(CLIENT),
    "a goodbye to a server": Talk()
    .hello()
    .server(call(1, 3, b"lend"))
    .client(failed(1, b"twisted.spread.pb.Error", b"Maximum PB cache count exceeded.  Goodbye."))
    .closed(CLIENT),
    "a class that pbshell refuses": Talk()
    .hello()
    .client(call(1))
    .server(
        failed(
            1,
            b"pbshell.errors.RefusedClass",
            b"args[0] is of class a.Pond, which is not registered here; to accept it: x",
        )
    )
    .wait(3)
    .closed(CLIENT),
    "a class that is not allowed": Talk()
    .hello()
    .client(call(1))
    .server(failed(1, b"twisted.spread.jelly.InsecureJelly", b"Class a.Pond not allowed."))
    .wait(3)
    .closed(CLIENT),
    "a class with a short name": Talk()
    .hello()
    .client(call(1))
    .server(failed(1, b"twisted.spread.jelly.InsecureJelly", b"b'Pond'"))
    .wait(3)
    .closed(CLIENT),
    "a tag that is not allowed": Talk()
    .hello()
    .client(call(1))
    .server(failed(1, b"twisted.spread.jelly.InsecureJelly", b"b'remote'"))
    .wait(3)
    .closed(CLIENT),
    "another refusal": Talk()
    .hello()
    .client(call(1))
    .server(failed(1, b"twisted.spread.jelly.InsecureJelly", b"who knows"))
    .wait(3)
    .closed(CLIENT),
    "an error to nothing": Talk().hello().server(failed(7, b"a.B", b"c")).wait(3).closed(SERVER),
    "a call of a list": Talk().hello().client(call(1, [b"x"])).server([b"answer", 1, 1]).closed(CLIENT),
    "a request that is used twice": Talk().hello().client(call(1), call(1)).server([b"answer", 1, 1]).closed(CLIENT),
    "a cache message to what is not lent": Talk()
    .hello()
    .server([b"cachemessage", 1, 4, b"set", 0, [b"tuple"], [b"dictionary"]])
    .wait(3)
    .closed(CLIENT),
    "an offer that the client does not take": Talk().raw(SERVER, encode([b"pb", b"none"])).closed(SERVER),
    "a failure with odd pairs": Talk()
    .hello()
    .client(call(1))
    .server([b"error", 1, [FAILURE, [b"dictionary", [5], [b"type", b"a.B"], [b"value", b"odd"]]]])
    .wait(3)
    .closed(CLIENT),
    "a cache message that looks like a login": Talk()
    .hello()
    .client(call(1))
    .server([b"answer", 1, [b"a.Pond", 4, [b"dictionary"]]])
    .server([b"cachemessage", 1, 4, b"login", 1, [b"tuple"], [b"dictionary"]])
    .client([b"answer", 1, [b"None"]])
    .closed(CLIENT),
    "a login whose answer has a cached object": Talk()
    .hello()
    .client(call(1, b"root", b"login", b"alice"))
    .server([b"answer", 1, [b"a.Pond", 4, [b"dictionary"]]])
    .closed(CLIENT),
    "a large list": Talk().hello().client(call(1, b"root", b"go", [b"list", *[7] * 700_000])).closed(SERVER),
    "a large error": Talk().hello().client(call(1)).server([b"error", 1, BIG]).closed(CLIENT),
    "a large message that lends": Talk()
    .hello()
    .client(call(1, b"root", b"go", [b"remote", 1], *[b"x" * 400_000] * 2))
    .closed(SERVER),
    "a large message behind a gap in the numbers": Talk()
    .hello()
    .client(call(1), call(3, b"root", b"go", BIG))
    .closed(SERVER),
    "a large answer to a call that was not seen": Talk()
    .hello()
    .event("gap", CLIENT)
    .server([b"answer", 9, BIG])
    .closed(CLIENT),
    "a large word that was not understood": Talk().hello().server([b"didNotUnderstand", BIG]).closed(CLIENT),
    "a large decref behind a gap": Talk().hello().event("gap", SERVER).client([b"decref", BIG]).closed(SERVER),
    "a version of great length": Talk().hello().client([b"version", [BIG]]).closed(SERVER),
    "a cached object in an argument that was not lent": Talk()
    .hello()
    .client(call(1, b"root", b"go", [b"cached", 3]))
    .closed(SERVER),
    "calls of many methods": Talk()
    .hello()
    .client(*(call(n, b"root", b"m%d" % n) for n in range(1, 1031)))
    .server(*([b"answer", n, [b"a.Pond", [b"list"]]] for n in range(1, 1031)))
    .closed(CLIENT),
    "strings that grow": Talk()
    .hello()
    .client(call(1, b"root", b"go", b"x" * 300_000), call(2, b"root", b"go", b"x" * 200_000))
    .server([b"answer", 1, 1], [b"answer", 2, 1])
    .wait(60)
    .client(call(3, b"root", b"go", b"x" * 400_000))
    .wait(60)
    .client(call(4, b"root", b"go", b"x" * 530_000))
    .client(call(5, b"root", b"go", b"x" * 540_000))
    .server(*([b"answer", n, 1] for n in (3, 4, 5)))
    .closed(CLIENT),
}


@pytest.mark.parametrize("name", MADE_UP)
def test_a_made_up_end_is_told(name: str) -> None:
    check(name, diagnosed(MADE_UP[name]))


def test_a_capture_that_begins_with_a_seed_says_what_it_has_not_seen() -> None:
    seed = Seed(0.0, 1, b"pb", (CLIENT, SERVER), (), (Awaited(CLIENT, 7, "build"),))
    pieces: list[Piece] = [seed, LinkEvent(9.0, 1, "closed", SERVER, "fin")]

    [verdict] = diagnosed(pieces)

    check("an end behind a seed", [verdict])
    assert verdict.unseen.startswith("what was said before the capture began; ")


def test_a_gap_is_named_as_what_was_not_seen() -> None:
    [verdict] = diagnosed(MADE_UP["an end behind a gap"])

    assert verdict.unseen == "what is in 1 gap of the capture"


def test_at_most_so_many_reasons_are_told_of_one_connection() -> None:
    talk = Talk().hello().client(*(call(n, n + 100) for n in range(1, 51)))

    assert len(diagnosed(talk.pieces)) == 32


def test_refused_logins_of_a_host_are_counted_anew_after_an_hour_and_of_few_hosts_only() -> None:
    def visit(number: int, host: str, at: float) -> list[Piece]:
        talk = Talk(number, host, at).hello().client(call(1, b"root", b"loginAnonymous", [b"None"]))
        return talk.server(refused(1)).closed(CLIENT)

    pieces = [*visit(1, "10.0.0.1", 0), *visit(2, "10.0.0.1", 5000)]
    check("a refused login an hour after another", diagnosed(pieces))
    assert diagnosed(pieces, 5002.0) == []

    pieces = [piece for n in range(300) for piece in visit(n + 1, f"10.1.{n // 250}.{n % 250}", n)]
    assert len(diagnosed([*pieces, *visit(301, "10.1.0.0", 301)])) == 301


def test_a_flood_of_names_is_told_with_at_least_how_many_and_few_challengers_are_kept() -> None:
    talk = Talk().hello()
    for n in range(80):
        request = n * 2 + 1
        talk.client(call(request, b"root", b"login", b"user%d" % n))
        talk.server([b"answer", request, [b"tuple", b"c" * 16, [b"remote", n + 1]]])
        talk.client(call(request + 1, n + 1, b"respond", b"r" * 16, [b"None"])).server(refused(request + 1))
    for n in range(70):
        talk.client(call(200 + n, b"root", b"login", b"late")).server([b"answer", 200 + n, [b"remote", 500 + n]])
    check("a flood of names", diagnosed(talk.closed(CLIENT)))


@pytest.mark.parametrize("name", MADE_UP)
def test_each_kind_of_verdict_stands_in_the_reference(name: str) -> None:
    page = (Path(__file__).parent.parent.parent / "docs/reference/diagnosis.md").read_text(encoding="utf-8")

    assert {f"`{verdict.kind}`" for verdict in diagnosed(MADE_UP[name])} <= set(re.findall("`[a-z ]+`", page))


def test_what_was_counted_before_a_seed_does_not_belong_to_its_books() -> None:
    lends = [b"message", 1, b"root", b"take", 0, [b"tuple", [b"remote", 1]], [b"dictionary"]]
    talk = Talk().hello().client(lends)
    dissector, doctor = Dissector(), Doctor()
    seed = Seed(talk.at, 1, b"pb", lent=(Seeded(Side.CLIENT, 1, 1_000),))
    for piece in (*talk.pieces, seed):
        for found in dissector.feed(piece):
            doctor.see(found, dissector.connections[1])

    assert doctor.verdicts(talk.at, dissector.connections.values()) == []
