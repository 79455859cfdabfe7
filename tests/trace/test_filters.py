"""Filters: what each operator finds in recorded conversations, how they combine, and what is said of a bad one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pbshell.errors import UsageError
from pbshell.trace.dissector import Choice, Conversation, Dissection, Dissector, Offer, Undecodable, Unseen
from pbshell.trace.filters import KINDS, OPERATORS, BadFilter, Filter, parse
from pbshell.trace.notes import Large, Lent, Odd
from pbshell.trace.operators import DISSECTIONS, ROWS, WANTS
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.verbs import (
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Message,
    Uncache,
    Version,
)
from tests.trace.recordings import chunks

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/reference/filters.md"
CLIENT, SERVER = Side
KW: list[Any] = [b"dictionary"]
FAILURE = [b"x", [b"dictionary", [b"type", b"builtins.ValueError"], [b"value", b"no such step"]]]
OPENED = LinkEvent(0.0, 1, "opened", CLIENT, "127.0.0.1:51234 to [::1]:8789,tls")


def found(filter: str, pieces: str | list[Piece]) -> list[int]:
    """The numbers of what *filter* wants of a recording, each asked about when it comes."""
    wanted, dissector = parse(filter), Dissector()
    return [
        each.number
        for piece in (chunks(pieces) if isinstance(pieces, str) else pieces)
        for each in dissector.feed(piece)
        if wanted(each, dissector.connections[each.connection])
    ]


def conversation(*pieces: Piece) -> Conversation:
    dissector = Dissector()
    for piece in pieces or (OPENED,):
        dissector.feed(piece)
    return dissector.connections[1]


def is_wanted(
    filter: str, what: Any, sender: Side | None = CLIENT, known: Conversation | None = None, **more: Any
) -> bool:
    """Whether *filter* wants a dissection that is made by hand."""
    return parse(filter)(Dissection(12, 1.5, 1, sender, what, **more), known)


def message(method: bytes = b"start", *args: Any, **change: Any) -> Message:
    return replace(Message(1, 3, method, 1, [b"tuple", *args], KW), **change)


def call(*args: Any, **more: Any) -> Dissection:
    return Dissection(7, 1.0, 1, CLIENT, message(*args), **more)


def bad(text: str) -> BadFilter:
    with pytest.raises(BadFilter) as caught:
        parse(text)
    return caught.value


# --------------------------------------------------------------------------------------- operators


@pytest.mark.parametrize(
    ("filter", "recording", "numbers"),
    [
        ("joinGroup", "login_chat", [10, 11, 20, 21]),
        ("~m joinGroup", "login_chat", [10, 11, 20, 21]),
        ("~m JOIN", "login_chat", [10, 11, 20, 21]),
        ("~m ^addDuck$", "cacheable", [8, 10]),
        ("~o ^joinGroup", "login_chat", [12, 14, 16, 17, 24, 25]),
        ("~o alice\\.mind", "login_chat", [13, 15]),
        ("~o masterduckpond", "cacheable", [8, 10, 12, 14, 19, 22, 23, 28, 29]),
        ("~l s3", "login_chat", [11, 12, 14, 16, 17, 18, 19, 21, 24, 25]),
        ("~l S3", "login_chat", [11, 12, 14, 16, 17, 18, 19, 21, 24, 25]),
        ("~l c1", "login_chat", [7, 9, 13, 15]),
        ("~l 1", "login_chat", [6, 7, 8, 9, 13, 15]),
        ("~l root", "login_chat", [4, 6]),
        ("~l s1", "cacheable", [6, 8, 10, 12, 14, 16, 17, 18, 19, 22, 23]),
        ("~l \"sb'frobnicate'\"", "unknown_method", [19, 20]),
        ("~l s4242", "unknown_method", [17, 18]),
        ("~k decref", "login_chat", [8, 24, 25, 26]),
        ("~k version|choice", "login_chat", [2, 3, 5]),
        ("~k login", "login_chat", [4, 6, 7, 9]),
        ("~k login", "login_anonymous", [4, 6, 9, 11]),
        ("~k error", "login_chat", [23]),
        ("~d s ~k message|answer", "login_chat", [6, 9, 11, 13, 14, 17, 19, 21]),
        ("~d client ~k answer", "login_chat", [15]),
        ("~c 1 offer|~k offer", "login_chat", [1]),
        ("~c 2", "login_chat", []),
        ("~a lookingforfourth", "login_chat", [10, 11, 13, 15, 20, 21]),
        ("~a \"^'hi there'$\"", "login_chat", [12, 14]),
        ("~a zork=1", "unknown_method", [9, 10]),
        ("~r ^s3$", "login_chat", [11, 21]),
        ("~r 'alice.*User'", "login_chat", [17]),
        ("~r None", "login_chat", [15]),
        ("~e", "login_chat", [23]),
        ("~e attributeerror", "unknown_method", [14]),
        ("~e ~m ^one$", "unknown_method", [8, 10, 18, 20]),
        ("~n", "two_three", [4, 7]),
        ("~n", "no_answer", [7, 10, 12]),
        ("~t >2ms", "exceptions_safe", [25]),
        ("~t 2ms", "exceptions_safe", [25]),
        ("~t >500us ~t <0.9ms", "exceptions_safe", []),
        ("~z >500", "login_chat", [23]),
        ("~z <=4", "login_chat", [2]),
        ("~f 3", "login_chat", [3]),
        ("~f #3-#5", "login_chat", [3, 4, 5]),
        ("~f 25-", "login_chat", [25, 26]),
        ("~f -2", "login_chat", [1, 2]),
        ("~f -1|26", "login_chat", [1, 26]),
        ("~x", "unknown_method", [17, 19]),
        ("~x", "login_chat", []),
        ("~u ^alice$ ~f -12", "login_chat", [9, 10, 11, 12]),
        ("!~u .", "login_anonymous", [1, 2, 3, 4]),
    ],
)
def test_an_operator_finds_in_a_recording(filter: str, recording: str, numbers: list[int]) -> None:
    assert found(filter, recording) == numbers


OF_A_KIND: list[tuple[str, Any]] = [
    ("message", Message(1, 3, b"x", 1, [b"tuple"], KW)),
    ("answer", Answer(1, 5)),
    ("error", ErrorAnswer(1, FAILURE)),
    ("decref", Decref(3)),
    ("decache", Decache(3)),
    ("cachemessage", CacheMessage(1, 3, b"x", 1, [b"tuple"], KW)),
    ("uncache", Uncache(3)),
    ("version", Version(6)),
    ("didnotunderstand", DidNotUnderstand(b"frob")),
    ("offer", Offer((b"pb",))),
    ("choice", Choice(b"pb")),
    ("undecodable", Undecodable("no PB")),
    ("unseen", Unseen("the capture begins in their middle")),
    ("seed", Seed(0.0, 1, b"pb")),
    ("login", Message(1, b"root", b"loginAnonymous", 1, [b"tuple"], KW)),
    *((kind, LinkEvent(0.0, 1, kind)) for kind in ("opened", "half_closed", "closed", "stalled", "resumed", "gap")),
]


@pytest.mark.parametrize(("kind", "what"), OF_A_KIND)
def test_each_kind_is_of_its_kind_alone(kind: str, what: Any) -> None:
    kinds = [each for each in KINDS if is_wanted(f"~k {each}", what)]

    assert kinds == (["message", "login"] if kind == "login" else [kind])
    assert is_wanted(f"~k {kind.upper().replace('_', '-')}", what)


def test_every_kind_that_there_is_was_shown() -> None:
    assert sorted(kind for kind, _ in OF_A_KIND) == sorted(KINDS)


def test_a_link_event_was_sent_by_who_caused_it() -> None:
    event = LinkEvent(0.0, 1, "closed", SERVER)

    assert is_wanted("~d s", event, SERVER)
    assert not is_wanted("~d c|s", replace(event, by=None), None)


def test_an_answer_is_asked_about_its_call() -> None:
    lent = Lent(SERVER, 3, "alice.getBuilder('linux')", "getBuilder('linux')")
    calling = call(b"start", b"linux", target=lent, size=5_000)

    for text in ("start", "~o alice", "~l s3", "~a linux", "~z >4k", "~t >=500ms", "~t 499999us", "~t 0.4s"):
        assert is_wanted(text, Answer(1, 5), SERVER, call=calling, size=8), text
    for text in ("stop", "~o bob", "~l s4", "~l c3", "~a windows", "~z <4k", "~t >500ms", "~t <=0.4s", "~t 1m"):
        assert not is_wanted(text, Answer(1, 5), SERVER, call=calling, size=8), text


def test_an_answer_whose_call_was_not_seen_has_nothing_of_it() -> None:
    for text in ("~m ''", "~o ''", "~a ''", "~t >=0s", "~k login"):
        assert not is_wanted(text, Answer(1, 5), SERVER), text


def test_a_call_does_not_know_its_answer() -> None:
    for text in ("~r ''", "~e", "~e ''", "~t >=0s"):
        assert not is_wanted(text, message()), text


def test_an_error_has_an_error_and_no_result() -> None:
    assert is_wanted("~e 'ValueError: no such'", ErrorAnswer(1, FAILURE), SERVER)
    assert not is_wanted("~e TypeError", ErrorAnswer(1, FAILURE), SERVER)
    assert not is_wanted("~r ''", ErrorAnswer(1, FAILURE), SERVER)


def test_what_has_no_sender_has_nothing_to_spell() -> None:
    for what in (message(), Answer(1, 5), ErrorAnswer(1, FAILURE)):
        for text in ("~a ''", "~r ''", "~e ''", "~l 3"):
            assert not is_wanted(text, what, None), (text, what)


def test_objects_are_found_in_arguments_results_failures_and_seeds() -> None:
    lent = [b"list", [b"remote", 5], [b"local", 6]]

    for what in (
        Message(1, 3, b"x", 1, [b"tuple", lent], KW),
        Message(1, 3, b"x", 1, [b"tuple"], [b"dictionary", [b"key", lent]]),
        CacheMessage(1, 3, b"x", 1, [b"tuple", lent], KW),
        Answer(1, lent),
        ErrorAnswer(1, lent),
    ):
        assert is_wanted("~l s5", what, SERVER)
        assert is_wanted("~l c6", what, SERVER)
        assert not is_wanted("~l c5|s6", what, SERVER)
    seed = Seed(0.0, 1, b"pb", lent=(Seeded(SERVER, 5, 1),))
    assert is_wanted("~l s5", seed, None)
    assert not is_wanted("~l c5", seed, None)


@pytest.mark.parametrize(
    ("id", "luid"),
    [("s-3", -3), ("s1.5", 1.5), ("s1e+30", 1e30), ("s" + "7" * 30, int("7" * 30)), ("'sb\\'x y\\''", b"x y")],
)
def test_an_id_that_no_stock_peer_uses_is_found_too(id: str, luid: Any) -> None:
    assert is_wanted(f"~l {id}", Decref(luid))
    assert not is_wanted(f"~l {id}", Decref(3))
    assert not is_wanted(f"~l {id}", Message(1, [luid], b"x", 1, [], []))


def test_who_gives_back_names_an_object_of_the_other_side() -> None:
    assert is_wanted("~l s3", Decref(3), CLIENT)
    assert is_wanted("~l s3", Decache(3), CLIENT)
    assert is_wanted("~l c3", Uncache(3), CLIENT)


def test_a_connection_is_found_by_number_or_by_its_whole_name() -> None:
    known = conversation()
    known.name = "Builder 7"

    assert is_wanted("~c 1|2", message())
    assert is_wanted("~c 'builder 7'", message(), known=known)
    assert not is_wanted("~c builder", message(), known=known)
    assert not is_wanted("~c 'builder 7'", message())


@pytest.mark.parametrize("address", ["127.0.0.1", "51234", "[::1]:8789", "[::1]", "^\\[::1", "8789$", "0.0.[12]:"])
def test_a_peer_is_found_by_part_of_either_address(address: str) -> None:
    assert is_wanted(f"~p {address}", message(), known=conversation())


@pytest.mark.parametrize("address", ["10.0.0.1", "[::2]", "[1:]", "tls"])
def test_a_peer_with_other_addresses_is_not_found(address: str) -> None:
    assert not is_wanted(f"~p {address}", message(), known=conversation())


def test_of_a_connection_that_is_not_known_nothing_is_true() -> None:
    for text in ("~p ''", "~u ''", "~n"):
        assert not is_wanted(text, message()), text


def test_a_call_waits_until_its_answer_has_come() -> None:
    dissector = Dissector()
    pieces = chunks("two_three")
    begun = [each for piece in pieces[:2] for each in dissector.feed(piece)]
    known = dissector.connections[1]
    waiting = next(each for each in begun if isinstance(each.what, Message))
    assert parse("~n")(waiting, known)

    for piece in pieces[2:]:
        dissector.feed(piece)

    assert not parse("~n")(waiting, known)


def test_only_a_call_that_wants_an_answer_and_can_get_one_waits() -> None:
    known = conversation()
    quiet, unanswerable = message(wants_answer=0), message(request=[1])

    for what in (quiet, unanswerable, message(), Answer(1, 5), OPENED):
        assert not is_wanted("~n", what, known=known)


def test_a_request_number_that_is_used_again_does_not_wait_for_the_first_call() -> None:
    message = encode([b"message", 1, b"root", b"echo", 1, [b"tuple"], KW], PB)
    pieces: list[Piece] = [*chunks("two_three")[:2], Chunk(1.0, 1, CLIENT, message + message)]
    dissector = Dissector()
    calls = [each for piece in pieces for each in dissector.feed(piece) if isinstance(each.what, Message)][-2:]

    assert [parse("~n")(each, dissector.connections[1]) for each in calls] == [False, True]


def test_anomalies_are_what_is_odd_and_what_is_no_pb() -> None:
    assert is_wanted("~x", Undecodable("no PB"))
    assert is_wanted("~x", Decref(3), notes=(Large(70_000), Odd("surplus decref", "")))
    assert not is_wanted("~x", Decref(3), notes=(Large(70_000),))


@pytest.mark.parametrize(("size", "wanted"), [(">4k", 4_001), (">=4kB", 4_000), ("1.5M", 1_500_001), ("<100", 99)])
def test_a_size_is_in_bytes_or_thousands_or_millions(size: str, wanted: int) -> None:
    step = 1 if size.startswith("<") else -1

    assert is_wanted(f"~z {size}", Version(6), size=wanted)
    assert not is_wanted(f"~z {size}", Version(6), size=wanted + step)


def test_a_micro_is_written_with_u_or_with_either_letter() -> None:
    for unit in ("us", "US", "\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"):
        assert is_wanted(f"~t '> 499999 {unit}'", Answer(1, 5), call=call())


def test_an_expression_sees_what_is_shown_and_no_more_than_2000_characters_of_it() -> None:
    many = [b"tuple", *([b"a" * 30] * 1_000), b"needle"]

    assert is_wanted("~m x1b", message(method=b"\x1b"))
    assert is_wanted("~m a{2000}", message(method=b"a" * 3_000))
    assert not is_wanted("~m characters", message(method=b"a" * 3_000))
    assert is_wanted("~a aaa", message(args=many))
    assert not is_wanted("~a 'needle|items'", message(args=many))


# --------------------------------------------------------------------------------------- combinations


NAMES = ("a", "b", "c")


def wanted_methods(filter: str) -> str:
    """The methods that *filter* wants, of those that are some of the letters a, b and c."""
    methods = ["", "a", "b", "c", "ab", "ac", "bc", "abc"]
    return " ".join(each or "-" for each in methods if is_wanted(filter, message(each.encode())))


@pytest.mark.parametrize(
    ("filter", "methods"),
    [
        ("", "- a b c ab ac bc abc"),
        (" \n", "- a b c ab ac bc abc"),
        ("a", "a ab ac abc"),
        ("!a", "- b c bc"),
        ("! a", "- b c bc"),
        ("!!a", "a ab ac abc"),
        ("a & b", "ab abc"),
        ("a&b", "ab abc"),
        ("a b", "ab abc"),
        ("a b c", "abc"),
        ("a | b", "a b ab ac bc abc"),
        ("a|b", "a b ab ac bc abc"),
        ("a | b | c", "a b c ab ac bc abc"),
        ("a | b & c", "a ab ac bc abc"),
        ("a | b c", "a ab ac bc abc"),
        ("a|b c", "ac bc abc"),
        ("(a | b) & c", "ac bc abc"),
        ("(a|b)c", "ac bc abc"),
        ("!(a | b)", "- c"),
        ("!a !b", "- c"),
        ("a|!b", "- a c ab ac abc"),
        ("a|(b c)", "a ab ac bc abc"),
        ("a|~m b", "a b ab ac bc abc"),
        ("a|'b'", "a b ab ac bc abc"),
        ("a~m b", "ab abc"),
        ("~m(a)", None),
        ("((a))", "a ab ac abc"),
        ("'a|b' c", "ac bc abc"),
        ('"^a$"', "a"),
        ("~e | a", "a ab ac abc"),
        ("~e(a)|b", "b ab bc abc"),
    ],
)
def test_filters_are_combined(filter: str, methods: str | None) -> None:
    if methods is None:
        bad(filter)
    else:
        assert wanted_methods(filter) == methods


@pytest.mark.parametrize(
    ("filter", "method"),
    [
        (r"'it\'s'", b"it's"),
        (r'"say \"x\""', b'say "x"'),
        (r"'\d\\'", b"7\\"),
        (r'"it\'s"', b"it's"),
        ("'a b'", b"a b"),
        ("'~e'", b"~e"),
        (r"\d+", b"42"),
        ("a!b", b"a!b"),
    ],
)
def test_what_stands_in_quotes_is_one_word(filter: str, method: bytes) -> None:
    assert is_wanted(filter, message(method))
    assert not is_wanted(filter, message(b"other"))


def test_a_long_filter_is_no_deep_one() -> None:
    assert is_wanted("!" * 10_000 + "start", message())
    assert is_wanted(" | ".join(["stop"] * 10_000 + ["start"]), message())
    assert is_wanted(" ".join(["start"] * 10_000), message())
    assert is_wanted("(" * 50 + "start" + ")" * 50, message())


def test_a_filter_is_known_by_its_text() -> None:
    wanted = parse("~m start & !~e")

    assert wanted.text == "~m start & !~e"
    assert repr(wanted) == "Filter('~m start & !~e')"
    assert wanted == parse("~m start & !~e")
    assert wanted != parse("~m start")
    assert len({wanted, parse("~m start & !~e")}) == 1
    assert isinstance(wanted, Filter)


# --------------------------------------------------------------------------------------- rows


BUILDER = Lent(SERVER, 3, "alice.getBuilder('linux')", "getBuilder('linux')", born=8)
STATE = Lent(CLIENT, 4, "alice.mind.state()", "State", "duck.State", cache=True)


@pytest.mark.parametrize(
    ("filter", "builder", "state"),
    [
        ("", True, True),
        ("getbuilder", True, False),
        ("~o duck", False, True),
        ("~o alice", True, True),
        ("~l s3", True, False),
        ("~l 3|4", True, True),
        ("~l root", False, False),
        ("~c 1 & !duck", True, False),
        ("~c 2", False, False),
        ("~c main | ~c 2", True, True),
        ("~p 51234 duck", False, True),
        ("~u alice", True, True),
        ("~u bob", False, False),
    ],
)
def test_rows_of_tables_are_asked_what_objects_can_answer(filter: str, builder: bool, state: bool) -> None:
    known = conversation(OPENED, *chunks("login_chat"))
    known.name = "main"
    wanted = parse(filter).for_rows()

    assert (wanted(BUILDER, known), wanted(STATE, known)) == (builder, state)


def test_a_row_of_a_connection_that_is_not_known_has_none() -> None:
    for text in ("~c 1", "~c main", "~p ''", "~u ''"):
        assert not parse(text).for_rows()(BUILDER, None)


def test_an_object_whose_birth_was_not_seen_has_no_name() -> None:
    assert not parse("~o ''").for_rows()(Lent(SERVER, 3), None)


def test_rows_refuse_what_only_messages_can_answer() -> None:
    for operator in OPERATORS:
        if operator.symbol in ROWS:
            parse(operator.example).for_rows()
            continue
        wanted = parse(f"~l s3 & {operator.example}")
        with pytest.raises(BadFilter) as caught:
            wanted.for_rows()
        assert (caught.value.position, caught.value.length) == (8, 2)
        assert (
            str(caught.value)
            == f"{operator.symbol} asks about messages, and these are objects: they know ~o ~l ~c ~p ~u"
        )


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("filter", "marked", "reason"),
    [
        ("~m a & ~t fast", "fast", "~t wants a time such as >50ms, got 'fast'"),
        ("~t 50", "50", "~t wants a time such as >50ms, got '50'"),
        ("~t >50kg", ">50kg", "~t wants a time such as >50ms, got '>50kg'"),
        ("~t >1s|5", ">1s|5", "~t wants a time such as >50ms, got '5'"),
        ("~z big", "big", "~z wants a size such as >4k, got 'big'"),
        ("~z 4ms", "4ms", "~z wants a size such as >4k, got '4ms'"),
        ("~f x", "x", "~f wants frame numbers such as 10-20, 100-, -20 or 7, got 'x'"),
        ("~f -", "-", "~f wants frame numbers such as 10-20, 100-, -20 or 7, got '-'"),
        ("~f 9-3", "9-3", "~f wants the smaller number first, 3-9, got '9-3'"),
        ("~d x", "x", "~d wants c or s, for the client or the server, got 'x'"),
        ("~d 'c|s'", "'c|s'", "~d wants c or s, for the client or the server, got 'c|s'"),
        ("~l x3", "x3", "~l wants an id such as s3, c3, root or 3, got 'x3'"),
        ("~k mesage", "mesage", "~k knows no kind 'mesage': perhaps message or cachemessage"),
        ("~k z", "z", f"~k knows no kind 'z': there are {' '.join(KINDS)}"),
        ("~c", "~c", "~c wants the number or the name of a connection behind it"),
        ("~m & a", "~m", "~m wants a regular expression such as start behind it"),
        (
            "~m (a|b)",
            "~m",
            "~m wants a regular expression such as start behind it, in quotes if it has parentheses",
        ),
        ("a[", "a[", "'a[' is no regular expression: unterminated character set at position 1"),
        ("~e '('", "'('", "'(' is no regular expression: missing ), unterminated subpattern at position 0"),
        (
            "~u '(?<=a*)b'",
            "'(?<=a*)b'",
            "'(?<=a*)b' is no regular expression: look-behind requires fixed-width pattern",
        ),
        (
            "a{99999999999}",
            "a{99999999999}",
            "'a{99999999999}' is no regular expression: the repetition number is too large",
        ),
        ("a &", "&", "& wants a filter behind it, such as & ~e"),
        ("a | ) b", "|", "| wants a filter behind it, such as | ~e"),
        ("!", "!", "! wants a filter behind it, such as ! ~e"),
        ("& a", "&", "& stands between two filters, and there is none on its left"),
        ("a | | b", "|", "| stands between two filters, and there is none on its left"),
        ("a ( )", "(", "there is nothing between these parentheses"),
        ("(a | b", "(", "this ( is never closed: put a ) behind what belongs together"),
        ("a (", "(", "this ( is never closed: put a ) behind what belongs together"),
        (")", ")", "no ( is open that this ) could close: one in a regular expression stands in quotes"),
        ("a) b", ")", "no ( is open that this ) could close: one in a regular expression stands in quotes"),
        ("~m 'a b", "'", "this ' is never closed: put another one behind the text"),
        (
            "~o getBuilder('linux')",
            "(",
            'parentheses and quotes inside a word: put all of it in quotes, such as ~o "getBuilder.*linux"',
        ),
        ("~q a", "~q", f"there is no operator ~q: there are {' '.join(each.symbol for each in OPERATORS)}"),
        ("~ a", "~", f"there is no operator ~: there are {' '.join(each.symbol for each in OPERATORS)}"),
        ("~M a", "~M", "there is no operator ~M: perhaps ~m (method)"),
        ("~s", "~s", "there is no operator ~s: perhaps ~z (size)"),
        ("~i 3", "~i", "there is no operator ~i: perhaps ~l (id)"),
        ("~methd a", "~methd", "there is no operator ~methd: perhaps ~m (method)"),
        ("~dir c", "~dir", "there is no operator ~dir: perhaps ~d (direction)"),
        ("~t50ms", "~t50ms", "there is no operator ~t50ms: perhaps ~t (time)"),
    ],
)
def test_what_is_wrong_is_marked_and_said(filter: str, marked: str, reason: str) -> None:
    error = bad(filter)

    assert str(error) == error.reason == reason
    assert filter[error.position : error.position + error.length] == marked
    assert error.text == filter
    assert isinstance(error, UsageError)


def test_what_re_cannot_count_is_no_regular_expression() -> None:
    assert "is no regular expression" in str(bad("'" + "(" * 5_000 + "'"))
    assert "is no regular expression" in str(bad("a{" + "9" * 5_000 + "}"))


def test_what_may_mean_something_else_one_day_is_taken_as_it_is_today() -> None:
    assert is_wanted("[[a]", message(b"["))


def test_more_than_fifty_parentheses_inside_each_other_are_refused() -> None:
    error = bad("(" * 100_000)

    assert str(error) == "more than 50 parentheses stand inside each other"
    assert error.position == 50


def test_a_caret_stands_under_what_is_wrong() -> None:
    assert bad("~m start & ~t fast").caret().splitlines() == [
        "~m start & ~t fast",
        "              ^^^^",
        "~t wants a time such as >50ms, got 'fast'",
    ]


def test_a_caret_knows_wide_characters_and_shows_nothing_that_a_terminal_obeys() -> None:
    text, carets, _ = bad("\N{CJK UNIFIED IDEOGRAPH-9D28}e\N{COMBINING ACUTE ACCENT}\t\x1b ~q").caret().split("\n")

    assert text == "\N{CJK UNIFIED IDEOGRAPH-9D28}e\N{COMBINING ACUTE ACCENT} \N{REPLACEMENT CHARACTER} ~q"
    assert carets == "      ^^"


@pytest.mark.parametrize(
    ("before", "behind", "cut"),
    [
        (0, 0, ""),
        (10, 20, ""),
        (10, 60, "behind"),
        (60, 10, "before"),
        (60, 60, "before behind"),
        (500, 500, "before behind"),
    ],
)
def test_a_long_filter_is_cut_around_its_caret(before: int, behind: int, cut: str) -> None:
    text, carets, _ = bad("a " * before + "~q" + " b" * behind).caret().splitlines()

    assert len(text) <= 84
    assert text[carets.index("^") :][: carets.count("^")] == "~q"
    assert text.startswith("...") == ("before" in cut)
    assert text.endswith("...") == ("behind" in cut)


def test_a_caret_ends_where_the_text_is_cut() -> None:
    text, carets, _ = bad("~t " + "x" * 1_000).caret().splitlines()

    assert text == "~t " + "x" * 75 + "..."
    assert carets == "   " + "^" * 75


WORDS = [
    *(each.symbol for each in OPERATORS),
    *(each.example for each in OPERATORS),
    *(["&", "|", "!", "(", ")", "'", '"', "~", "\\", "[", "{", "?", "*", "a", "ab", "12", ">5ms", "s3", "c|s"]),
    " ",
]


def parsed(text: str) -> Filter | BadFilter:
    try:
        return parse(text)
    except BadFilter as error:
        return error


def texts() -> st.SearchStrategy[str]:
    parts = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=12)
    return st.one_of(st.text(), parts.map("".join), parts.map(" ".join))


@given(texts())
@example("a{4294967295}")
@example("(?L)a")
@example("(?P<a>x)(?P<a>y)")
@example("[a&&b]")
@example("\ud800")
def test_any_text_is_a_filter_or_a_bad_one_and_says_where(text: str) -> None:
    said = parsed(text)
    if isinstance(said, BadFilter):
        assert 0 <= said.position < said.position + said.length <= len(text)
        assert said.text == text
        shown, carets, reason = said.caret().split("\n")
        assert shown.isprintable()
        assert set(carets) <= {" ", "^"}
        assert "^" in carets
        assert reason == str(said)
        assert reason.isprintable()
    else:
        assert parse(said.text) == said
        for each in (call(), Dissection(8, 1.5, 1, SERVER, Answer(1, 5), call=call())):
            assert isinstance(said(each, None), bool)


def formulas() -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(NAMES)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("!"), inner),
            st.tuples(inner, st.sampled_from(["&", "|"]), inner),
        ),
        max_leaves=8,
    )


def written(formula: Any) -> str:
    if isinstance(formula, str):
        return formula
    return f"!{written(formula[1])}" if len(formula) == 2 else f"({' '.join(map(written_or_sign, formula))})"


def written_or_sign(part: Any) -> str:
    return part if part in ("&", "|") else written(part)


def judged(formula: Any, method: str) -> bool:
    if isinstance(formula, str):
        return formula in method
    if len(formula) == 2:
        return not judged(formula[1], method)
    left, sign, right = formula
    both = judged(left, method), judged(right, method)
    return all(both) if sign == "&" else any(both)


@given(formulas(), st.sampled_from(["", "a", "b", "c", "ab", "ac", "bc", "abc"]))
def test_signs_mean_what_they_mean_in_logic(formula: Any, method: str) -> None:
    assert is_wanted(written(formula), message(method.encode())) == judged(formula, method)


# --------------------------------------------------------------------------------------- the table of operators


def test_every_operator_has_a_test_and_an_example_that_parses() -> None:
    assert list(DISSECTIONS) == [each.symbol for each in OPERATORS]
    assert set(ROWS) < set(DISSECTIONS)
    assert {each.argument for each in OPERATORS} - {""} == set(WANTS)
    for operator in OPERATORS:
        symbol, _, argument = operator.example.partition(" ")
        assert symbol == operator.symbol
        assert bool(argument) == bool(operator.argument)
        parse(operator.example)


def section(heading: str) -> str:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")
    return re.split(r"\n##+ ", rest)[0]


def test_the_reference_lists_the_operators_of_the_table_and_no_others() -> None:
    rows = [line for line in section("## Operators").splitlines() if line.startswith("| `")]

    def row(each: Any) -> str:
        argument = f" [{each.argument}]" if each.optional else f" {each.argument}" if each.argument else ""
        return f"| `{each.symbol}` |{argument} | {each.help} | `{each.example}` |"

    assert rows == [row(each) for each in OPERATORS]


def test_the_reference_explains_every_argument_and_lists_every_kind() -> None:
    arguments = re.findall(r"^\| (\w+) \|", section("### Arguments"), re.MULTILINE)
    kinds = [kind for cell in re.findall(r"^\| (`.*?) \|", section("### Kinds"), re.MULTILINE) for kind in cell.split()]

    assert {"Argument", *WANTS} == set(arguments)
    assert sorted(kind.strip("`") for kind in kinds) == sorted(KINDS)


def test_the_filters_that_the_reference_shows_parse_and_its_error_is_the_real_one() -> None:
    shown = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for line in shown[0].splitlines():
        parse(line)
    assert shown[-1] == bad(shown[-1].splitlines()[0]).caret() + "\n"
    for symbol, rest in re.findall(r"(?<!`)`(~\w)( [^`]*)?`", PAGE.read_text(encoding="utf-8")):
        if rest:
            parse((symbol + rest).replace("\\|", "|"))
