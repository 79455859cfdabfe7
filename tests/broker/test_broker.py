"""The Broker as a whole: the handshake, what it shows, how it ends, and whatever may come."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbshell.broker import Broker, current_connection
from pbshell.broker.flavors import Avatar, Cacheable, Copyable, Referenceable, Root, Viewable, ViewPoint
from pbshell.broker.references import RemoteCache, RemoteCopy
from pbshell.defer import Deferred
from pbshell.errors import (
    BananaError,
    ConnectionGone,
    DeadReferenceError,
    DialectError,
    LimitExceeded,
    PeerError,
    ProtocolError,
)
from pbshell.wire.banana import NONE, PB, Dialect, encode
from pbshell.wire.chunk import Awaited, Seed, Seeded, Side
from pbshell.wire.limits import Limits
from tests.broker.wire import Board, Wire, accepting, books_of, copied, dictionary, message, outcome, text

OFFER = b"\x02\x80\x02\x82pb\x04\x82none"
VERSION = b"\x02\x80\x13\x87\x06\x81"
SPELLED_VERSION = b"\x02\x80\x07\x82version\x06\x81"


def pieces_of(data: bytes) -> list[list[bytes]]:
    """All at once, byte by byte, and in two at every position."""
    return [
        [data],
        [data[at : at + 1] for at in range(len(data))],
        *([data[:at], data[at:]] for at in range(1, len(data))),
    ]


# ------------------------------------------------------------------------------------------- handshake


def test_the_server_speaks_first_and_the_client_waits() -> None:
    assert Wire(Side.SERVER, handshake=False).broker.data_to_send() == OFFER
    assert Wire(Side.CLIENT, handshake=False).broker.data_to_send() == b""


@pytest.mark.parametrize(
    ("offer", "choice", "dialect"),
    [
        (OFFER, b"\x02\x82pb" + VERSION, PB),
        (b"\x02\x80\x04\x82none\x02\x82pb", b"\x04\x82none" + SPELLED_VERSION, NONE),
        (b"\x01\x80\x04\x82none", b"\x04\x82none" + SPELLED_VERSION, NONE),
        (encode([b"zip", b"pb", b"none"]), b"\x02\x82pb" + VERSION, PB),
        (encode([5, [b"pb"], 2.5, b"pb"]), b"\x02\x82pb" + VERSION, PB),
        (encode([b"pb", b"pb"]), b"\x02\x82pb" + VERSION, PB),
    ],
)
def test_the_client_takes_the_first_dialect_of_the_servers_list_that_it_knows(
    offer: bytes, choice: bytes, dialect: Dialect
) -> None:
    for pieces in pieces_of(offer):
        wire = Wire(Side.CLIENT, handshake=False)
        for piece in pieces:
            assert wire.broker.data_to_send() == b""
            wire.broker.receive_data(piece)
        assert wire.broker.data_to_send() == choice
        assert wire.broker.dialect is dialect


@pytest.mark.parametrize(
    ("offer", "spoken"),
    [
        ([], "nothing"),
        ([b"zip", b"7z"], "zip, 7z"),
        ([b"\x1b[31m"], "\\x1b[31m"),
        ([b"x"] * 9, "x, x, x, x, x"),
        (b"pb", "pb"),
        (5, "5"),
        (2.5, "2.5"),
        ([[b"pb"], 5], "a list, 5"),
    ],
)
def test_an_offer_without_a_dialect_that_we_know_is_refused(offer: Any, spoken: str) -> None:
    data = encode(offer)
    for pieces in pieces_of(data):
        wire = Wire(Side.CLIENT, handshake=False)
        with pytest.raises(DialectError) as caught:
            feed(wire, pieces)
        assert str(caught.value) == f"the server offers {spoken}, and this end speaks pb and none (at byte 0)"
        assert wire.broker.data_to_send() == b""


@pytest.mark.parametrize(("name", "version"), [(b"pb", VERSION), (b"none", SPELLED_VERSION)])
def test_the_client_may_call_in_the_segment_of_its_choice(name: bytes, version: bytes) -> None:
    dialect = PB if name == b"pb" else NONE
    data = encode(name) + version + encode(message(1, b"root", b"echo", 5), dialect)
    for pieces in pieces_of(data):
        wire = Wire(Side.SERVER, handshake=False, root=Board())
        wire.broker.data_to_send()
        for piece in pieces:
            wire.broker.receive_data(piece)
        assert wire.broker.data_to_send() == version + encode([b"answer", 1, 5], dialect)


@pytest.mark.parametrize(
    ("choice", "spoken"),
    [
        (b"zip", "zip"),
        (b"PB", "PB"),
        (5, "5"),
        ([b"pb"], "pb"),
        ([], "nothing"),
        (b"", ""),
        ([b"version", 6], "version, 6"),
    ],
)
def test_a_choice_that_was_not_offered_is_refused_and_nothing_behind_it_is_read(choice: Any, spoken: str) -> None:
    wire = Wire(Side.SERVER, handshake=False, root=Board())
    wire.broker.data_to_send()
    with pytest.raises(DialectError) as caught:
        wire.broker.receive_data(encode(choice) + encode(b"pb") + VERSION)
    assert str(caught.value) == f"the client chose {spoken or 'nothing'}, and pb and none were offered (at byte 0)"
    assert wire.broker.data_to_send() == b""


def test_a_word_of_dialect_pb_before_the_choice_is_refused() -> None:
    with pytest.raises(DialectError, match="the dialect agreed upon has no words"):
        Wire(Side.SERVER, handshake=False).broker.receive_data(VERSION)


def test_a_stranger_cannot_send_much_before_the_handshake_is_over() -> None:
    for side in Side:
        wire = Wire(side, handshake=False)
        with pytest.raises(LimitExceeded):
            wire.broker.receive_data(b"\x00\x40\x82" + b"x" * 5_000)


@pytest.mark.parametrize("version", [6, 6.0])
def test_any_six_is_the_right_version_and_may_be_said_often(version: float) -> None:
    wire = Wire(root=Board())

    assert wire.hears([b"version", version], [b"version", version], message(1, b"root", b"echo", 5)) == [
        [b"answer", 1, 5]
    ]


@pytest.mark.parametrize(
    ("version", "spoken"), [(5, "5"), (7, "7"), (6.5, "6.5"), (b"6", "b'6'"), ([6], "a list"), (2**100, str(2**100))]
)
def test_another_version_is_refused(version: Any, spoken: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        Wire().hears([b"version", version])
    assert str(caught.value).startswith(f"the peer speaks version {spoken} of PB, and this end version 6")


def test_no_version_at_all_is_no_error() -> None:
    wire = Wire(Side.SERVER, handshake=False, root=Board())
    wire.broker.receive_data(encode(b"pb") + encode(message(1, b"root", b"echo", 5), PB))

    assert wire.said(first=1)[-1] == [b"answer", 1, 5]


def test_ready_fires_when_the_dialect_is_chosen() -> None:
    wire = Wire(Side.CLIENT, handshake=False)
    before, also = wire.broker.ready, wire.broker.ready
    assert not before.called
    wire.broker.receive_data(OFFER)

    assert outcome(before) is outcome(also) is outcome(wire.broker.ready) is wire.broker


def test_ready_fails_when_the_connection_ends_before() -> None:
    wire = Wire(Side.CLIENT, handshake=False)
    before = wire.broker.ready
    reason = ConnectionResetError("by peer")
    wire.lose(reason)

    assert outcome(before) is reason
    assert outcome(wire.broker.ready) is reason


def test_what_waits_for_ready_may_call_at_once() -> None:
    wire = Wire(Side.CLIENT, handshake=False)
    wire.broker.ready.addCallback(lambda broker: broker.root_reference().callRemote("x") and None)  # type: ignore[call-overload]
    wire.broker.receive_data(OFFER)

    assert wire.said(first=1) == [b"pb", [b"version", 6], message(1, b"root", b"x")]


# ------------------------------------------------------------------------------------------- what is no PB

NO_VERBS: list[tuple[bytes, type[PeerError], str]] = [
    (b"\xff", BananaError, "type byte 0xff does not exist in banana (at byte 9)"),
    (b"\x05\x81", ProtocolError, "an int came where a verb was due: a verb is a list (at byte 9)"),
    (b"\x00\x80", ProtocolError, "an empty list came where a verb was due (at byte 9)"),
    (b"\x01\x80\x05\x81", ProtocolError, "begins with an int"),
    (encode([b"answer", 1], PB), ProtocolError, "answer has 1 fields instead of 2 (request, result) (at byte 9)"),
    (encode([b"decref", []], PB), ProtocolError, "decref: object is a list instead of"),
    (encode([b"x" * 1_001], PB), ProtocolError, "a verb of 1,001 bytes came"),
]


@pytest.mark.parametrize(("data", "kind", "complaint"), NO_VERBS, ids=[each[2] for each in NO_VERBS])
def test_what_is_no_verb_is_refused_and_the_byte_is_named(data: bytes, kind: type[PeerError], complaint: str) -> None:
    """What came before it has been answered, and what comes behind it is not looked at."""
    good = encode(message(1, b"root", b"echo", 5), PB)
    shift = len(good)
    for pieces in pieces_of(good + data + good):
        wire = Wire(root=Board())
        # The choice and the version were 4 + 6 bytes.
        with pytest.raises(kind) as caught:
            feed(wire, pieces)
        assert caught.value.offset == 10 + shift
        assert complaint.split(" (at byte", maxsplit=1)[0] in caught.value.message
        assert wire.said() == [[b"answer", 1, 5]]


def test_an_unknown_verb_is_told_so_and_the_connection_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(root=Board())

    assert wire.hears([b"frob\x1b", 1, 2], message(1, b"root", b"echo", 5)) == [
        [b"didNotUnderstand", b"frob\x1b"],
        [b"answer", 1, 5],
    ]
    assert "the wire: verb frob\\x1b is none of PB's, and the peer has been told" in caplog.text


@pytest.mark.parametrize("word", [b"frobnicate", 5, [b"list"]])
def test_a_peer_that_did_not_understand_is_odd_and_harmless(word: Any, caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(root=Board())

    assert wire.hears([b"didNotUnderstand", word], message(1, b"root", b"echo", 5)) == [[b"answer", 1, 5]]
    assert "the peer did not understand" in caplog.text


def test_oddities_are_told_three_times_and_counted_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    wire.hears(*([b"didNotUnderstand", n] for n in range(100)))

    assert wire.broker.oddities == 100
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3


# ------------------------------------------------------------------------------------------- limits


def test_a_stranger_may_send_less_until_he_is_trusted() -> None:
    class Hall(Root):
        def rootObject(self, broker: Broker) -> Any:
            return Board(login=broker.trusted, size=len)

    limits = Limits(expression_before_login=1_000)
    long = message(2, b"root", b"size", b"x" * 2_000)
    with pytest.raises(LimitExceeded, match=r"Limits\(expression=1000\) here"):
        Wire(root=Hall(), limits=limits, untrusted=True).hears(long)

    wire = Wire(root=Hall(), limits=limits, untrusted=True)
    assert wire.hears(message(1, b"root", b"login"), long) == [[b"answer", 1, [b"None"]], [b"answer", 2, 2_000]]
    assert Wire(root=Hall(), limits=limits).hears(long) == [[b"answer", 2, 2_000]]


def test_short_calls_with_long_answers_wait_until_what_is_ready_has_been_taken() -> None:
    wire = Wire(root=Board(long=lambda: b"x" * 1_000), limits=Limits(send_buffer=2_500))
    wire.broker.receive_data(b"".join(encode(message(n, b"root", b"long"), PB) for n in range(1, 8)))
    numbers: list[list[int]] = []
    while True:
        numbers.append([each[1] for each in wire.said()])
        if not wire.broker.behind:
            break
        wire.broker.receive_data(b"")

    assert numbers == [[1, 2, 3], [4, 5, 6], [7]]


def test_what_arrives_while_short_calls_wait_is_not_acted_upon_either() -> None:
    wire = Wire(root=Board(long=lambda: b"x" * 1_000), limits=Limits(send_buffer=500))
    for number in range(1, 30):
        wire.broker.receive_data(encode(message(number, b"root", b"long"), PB))
    numbers: list[int] = []
    while not numbers or wire.broker.behind:
        (answer,) = wire.said()
        numbers.append(answer[1])
        wire.broker.receive_data(b"")

    assert numbers == list(range(1, 29))
    assert [each[1] for each in wire.said()] == [29]


@pytest.mark.parametrize("end", ["lose", "close"])
def test_nothing_is_behind_any_more_when_the_connection_ends(end: str) -> None:
    wire = Wire(root=Board(long=lambda: b"x" * 1_000), limits=Limits(send_buffer=500))
    wire.broker.receive_data(b"".join(encode(message(n, b"root", b"long"), PB) for n in range(1, 8)))
    assert wire.broker.behind
    if end == "lose":
        wire.lose()
    else:
        wire.broker.close(ConnectionGone("enough"))
    wire.broker.receive_data(b"")

    assert not wire.broker.behind


def test_a_million_lists_in_each_other_end_the_connection_at_the_129th() -> None:
    wire = Wire(root=Board())
    with pytest.raises(LimitExceeded) as caught:
        wire.broker.receive_data(b"\x01\x80" * 1_000_000)

    assert str(caught.value) == "an expression of 129 lists deep exceeds 128 (at byte 266): Limits(depth=128) here"
    assert wire.said() == []


# ------------------------------------------------------------------------------------------- keepalive


def test_a_sign_of_life_is_the_version_once_more() -> None:
    wire = Wire()
    wire.broker.keepalive()
    wire.broker.keepalive()

    assert wire.said() == [[b"version", 6], [b"version", 6]]


def test_before_and_after_the_connection_there_is_no_sign_of_life() -> None:
    early = Wire(Side.CLIENT, handshake=False)
    early.broker.keepalive()
    late = Wire()
    late.lose()
    late.broker.keepalive()

    assert early.broker.data_to_send() == late.broker.data_to_send() == b""
    assert early.wakes == 0


# ------------------------------------------------------------------------------------------- the end


def test_close_sends_what_is_ready_and_receives_nothing_more() -> None:
    reason = ConnectionGone("enough")
    board = Board(end=lambda: wire.broker.close(reason) or wire.broker.close(ConnectionGone("which is too late")))  # type: ignore[func-returns-value]
    wire = Wire(root=board)
    said = wire.hears(message(1, b"root", b"end"), message(2, b"root", b"keep", 5))

    assert said == [[b"answer", 1, [b"None"]]]
    assert wire.broker.closing is reason
    assert wire.hears(message(3, b"root", b"keep", 5), message(4, b"root", b"keep", 5)) == []
    assert board.kept == []


def test_after_the_loss_nothing_is_received() -> None:
    board = Board()
    wire = Wire(root=board)
    wire.lose()

    assert wire.hears(message(1, b"root", b"keep", 5), [b"version", 7]) == []
    assert board.kept == []
    assert not any(books_of(wire.broker).values())


def test_the_end_is_told_in_order_calls_first_then_observers_then_who_asked() -> None:
    order: list[str] = []

    class Pond(Cacheable):
        def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
            return {}

        def stoppedObserving(self, perspective: Any, observer: Any) -> None:
            order.append("stoppedObserving")

    thing = Referenceable()
    wire = Wire(root=Board(both=lambda: [Pond(), thing]))
    wire.broker.notifyOnDisconnect(order.append, "first")
    wire.broker.notifyOnDisconnect(order.append, "taken back")
    wire.broker.notifyOnDisconnect(order.append, "second")
    wire.broker.dontNotifyOnDisconnect(order.append, "taken back")
    wire.broker.dontNotifyOnDisconnect(order.append, "taken back")
    wire.broker.whenFreed(thing, lambda: order.append("freed"))
    wire.hears(message(1, b"root", b"both"))
    wire.broker.root_reference().callRemote("x").addErrback(lambda _: order.append("call"))
    wire.lose()
    wire.lose()

    assert order == ["call", "stoppedObserving", "freed", "first", "second"]


def test_who_raises_when_told_of_the_end_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    told: list[int] = []
    wire.broker.notifyOnDisconnect(lambda: 1 / 0)
    wire.broker.notifyOnDisconnect(told.append, 5)
    wire.lose()

    assert told == [5]
    assert "a callback for the end of the connection raised" in caplog.text


def test_who_wants_to_end_the_program_when_told_of_the_end_leaves_nothing_behind() -> None:
    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    wire, board = busy()
    wire.broker.root_reference().callRemote("x").addErrback(stop)
    with pytest.raises(KeyboardInterrupt):
        wire.lose()

    board.kept.clear()
    assert not any(books_of(wire.broker).values())


def test_who_asks_too_late_is_told_so() -> None:
    wire = Wire()
    wire.lose(ConnectionResetError("by peer"))
    with pytest.raises(DeadReferenceError, match="the connection is gone already: by peer"):
        wire.broker.notifyOnDisconnect(print)


# ------------------------------------------------------------------------------------------- what it shows


class Cards(RemoteCache):
    """A cached copy."""


def busy() -> tuple[Wire, Board]:
    """A wire with something in every table."""
    board = Board(thing=Referenceable, wait=Deferred)
    wire = Wire(root=board, security=accepting(Cards=Cards))
    wire.broker.root_reference().callRemote("x")
    wire.hears(
        message(1, b"root", b"thing"),
        message(2, b"root", b"wait"),
        message(3, b"root", b"keep", [b"remote", 5], [b"test.Cards", 6, dictionary()]),
    )
    return wire, board


def test_a_snapshot_has_both_ledgers_as_they_are() -> None:
    wire, board = busy()
    wire.broker.receive_data(b"\x02\x80\x1d")

    seed = wire.broker.snapshot(1.5, 7)

    assert seed == Seed(
        1.5,
        7,
        b"pb",
        tuple(Side),
        (
            Seeded(Side.SERVER, 1, 1, "pbshell.broker.flavors.Referenceable"),
            Seeded(Side.CLIENT, 5, 1),
            Seeded(Side.CLIENT, 6, 1, f"{__name__}.Cards", cache=True),
        ),
        (Awaited(Side.SERVER, 1, "x"), Awaited(Side.CLIENT, 2, "wait")),
    )
    assert wire.broker.rest == b"\x02\x80\x1d"
    board.kept.clear()
    wire.broker.data_to_send()
    assert [each.luid for each in seed.lent] == [1, 5, 6]
    assert [each.luid for each in wire.broker.snapshot(2.0, 7).lent] == [1]


def test_a_snapshot_names_what_is_cached_and_what_a_view_is_of() -> None:
    view = Viewable()
    wire = Wire(root=Board(things=lambda: [Pond(), ViewPoint(Avatar(), view)]))
    wire.hears(message(1, b"root", b"things"))

    lent = wire.broker.snapshot(0.0, 1).lent

    assert {(each.what.rpartition(".")[2], each.cache) for each in lent} == {("Pond", True), ("Viewable", False)}


def test_a_snapshot_in_the_handshake_says_who_has_spoken() -> None:
    assert Wire(handshake=False).broker.snapshot(0.0, 1) == Seed(0.0, 1, None, (Side.SERVER,))
    assert Wire(Side.CLIENT, handshake=False).broker.snapshot(0.0, 1) == Seed(0.0, 1, None)


def test_inside_a_method_the_rest_is_what_is_still_to_come() -> None:
    seen: list[bytes] = []
    wire = Wire(root=Board(look=lambda: seen.append(wire.broker.rest)))
    second = encode(message(2, b"root", b"echo", 5), PB)
    wire.broker.receive_data(encode(message(1, b"root", b"look"), PB) + second + b"\x07")

    assert seen == [second + b"\x07"]


def test_a_broker_is_quiet_when_nothing_waits_on_its_side() -> None:
    wire = Wire(root=Board(wait=Deferred))
    assert wire.broker.quiet
    wire.broker.root_reference().callRemote("x")
    assert not wire.broker.quiet
    wire.said()
    assert not wire.broker.quiet
    wire.hears([b"answer", 1, 5])
    assert wire.broker.quiet
    wire.hears(message(1, b"root", b"wait"))
    assert not wire.broker.quiet


def test_outside_of_a_call_there_is_no_current_connection() -> None:
    assert current_connection() is None


def test_an_idle_broker_has_no_attribute_that_nobody_declared() -> None:
    wire = Wire()
    with pytest.raises(AttributeError):
        wire.broker.typo = 5  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------- whatever comes


class Card(RemoteCopy):
    """A copy."""


class Sent(Copyable):
    """What we send of our own."""


class Pond(Cacheable):
    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
        return {"perspective": perspective}


def subject() -> Wire:
    """A server with something of everything, in the middle of a conversation."""
    waiting = Deferred[Any]()
    pond, thing = Pond(), Board()
    board = Board(
        pond=lambda: pond,
        thing=lambda: thing,
        wait=lambda: waiting,
        bad=lambda: 1 / 0,
        copy=Sent,
        fire=lambda: waiting.called or waiting.callback(pond),  # type: ignore[func-returns-value]
    )
    wire = Wire(root=board, security=accepting(Card=Card, Cards=Cards))
    wire.broker.root_reference().callRemote("x").addErrback(lambda _: None)
    wire.said()
    return wire


DIALOGUE: list[Any] = [
    message(1, b"root", b"echo", [b"list", 1, text("two"), [b"None"], [b"boolean", b"true"]], k=[b"tuple", 2.5]),
    message(2, b"root", b"thing"),
    message(3, 1, b"keep", [b"remote", 7], [b"local", 1], k=[b"remote", 7]),
    message(4, b"root", b"pond"),
    message(5, b"root", b"keep", [b"lcache", 2], [b"test.Cards", 8, dictionary(a=1)], [b"cached", 8]),
    message(6, 8, b"grow", verb=b"cachemessage"),
    message(7, b"root", b"wait"),
    message(8, b"root", b"bad"),
    message(9, b"root", b"copy", answer=0),
    message(10, b"root", b"echo", [b"reference", 1, [b"test.Card", dictionary(me=[b"dereference", 1])]]),
    [b"answer", 1, [b"dictionary", [text("k"), [b"remote", 9]]]],
    [b"error", 1, copied()],
    message(11, b"root", b"fire"),
    [b"decref", 1],
    [b"decache", 2],
    [b"uncache", 8],
    [b"version", 6],
    [b"didNotUnderstand", b"that"],
    message(
        12, b"root", b"echo", [b"datetime", b"2000 1 1 0 0 0 0"], [b"decimal", 5, -1], [b"set", 1], [b"frozenset", 2]
    ),
]


def test_the_dialogue_that_is_mutated_is_a_good_one() -> None:
    wire = subject()
    said = wire.hears(*DIALOGUE)

    assert [each[1] for each in said if each[0] in (b"answer", b"error")] == [1, 2, 3, 4, 5, 6, 8, 10, 7, 11, 12]


def feed(wire: Wire, pieces: list[bytes]) -> None:
    for piece in pieces:
        wire.broker.receive_data(piece)


def survives(wire: Wire, pieces: list[bytes]) -> None:
    """Feed *pieces*: only documented errors come out, and at the end nothing is left."""
    documented = True
    try:
        for piece in pieces:
            wire.broker.receive_data(piece)
            wire.broker.data_to_send()
    except PeerError as error:
        documented = bool(str(error)) and error.offset is not None
        wire.broker.data_to_send()
    assert documented
    for table in (wire.broker.ours, wire.broker.theirs):
        for entries in (table.exports, table.caches):
            assert all(entry.pinned or entry.count > 0 for entry in entries.values())
    wire.lose()
    assert not any(books_of(wire.broker).values())


STREAM = b"".join(encode(each, PB) for each in DIALOGUE)


@settings(max_examples=300)
@given(st.data())
def test_whatever_bytes_of_a_good_dialogue_are_changed_only_documented_errors_come_out(data: st.DataObject) -> None:
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(stream)))
        kind = data.draw(st.sampled_from(["flip", "insert", "delete", "double"]))
        if kind == "flip" and at < len(stream):
            stream[at] = data.draw(st.one_of(st.integers(0, 255), st.integers(0x80, 0x88)))
        elif kind == "insert":
            stream[at:at] = data.draw(st.binary(max_size=4))
        elif kind == "delete":
            del stream[at : at + data.draw(st.integers(1, 8))]
        else:
            stream[at:at] = stream[at : at + data.draw(st.integers(1, 60))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [bytes(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    survives(subject(), pieces)


def nodes(expression: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The places in *expression*."""
    found = [path]
    if isinstance(expression, list):
        for number, item in enumerate(expression):
            found += nodes(item, (*path, number))
    return found


def replaced(expression: Any, path: tuple[int, ...], other: Any) -> Any:
    if not path:
        return other
    copy = list(expression)
    copy[path[0]] = replaced(copy[path[0]], path[1:], other)
    return copy


ODD_VALUES: list[Any] = [
    *(0, -1, 1, 2, 7, 8, 2.5, float("nan"), 2**100, b"", b"root", b"\xff", b"dictionary", b"tuple"),
    *([], [[]], [b"list"], [b"None"], [b"tuple"], [b"unicode", b"\xff"], [b"dictionary", [b"\xff", 1]]),
    *([b"remote", 7], [b"remote", 1], [b"local", 1], [b"cached", 8], [b"lcache", 2], [b"dereference", 1]),
    *([b"mod.X", 1], [b"test.Card", 5], copied()),
]


@settings(max_examples=300)
@given(st.data())
@example(None)
def test_whatever_fields_of_a_good_dialogue_are_changed_only_documented_errors_come_out(
    data: st.DataObject | None,
) -> None:
    expressions: list[Any] = list(DIALOGUE)
    if data is not None:
        for _ in range(data.draw(st.integers(1, 4))):
            number = data.draw(st.integers(0, len(expressions) - 1))
            path = data.draw(st.sampled_from(nodes(expressions[number])))
            expressions[number] = replaced(expressions[number], path, data.draw(st.sampled_from(ODD_VALUES)))
        expressions = data.draw(st.permutations(expressions)) if data.draw(st.booleans()) else expressions

    survives(subject(), [encode(each, PB) for each in expressions])


def test_nobody_keeps_a_broker_that_is_lost() -> None:
    import weakref

    wire, board = busy()
    dead = weakref.ref(wire.broker)
    wire.lose()
    board.kept.clear()
    del wire, board
    gc.collect()

    assert dead() is None
