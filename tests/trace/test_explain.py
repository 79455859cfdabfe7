"""The lines: one for each dissection, in words that a person reads from left to right."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pbshell.trace import Choice, Dissection, Dissector, Lent, Offer, Undecodable, Unseen, explain
from pbshell.trace.explain import Frames, says
from pbshell.trace.notes import Exported, Odd
from pbshell.wire.chunk import LinkEvent, Seed, Side
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
from tests.trace.recordings import chunks, dissect

KW: list[Any] = [b"dictionary"]
FAILURE = [
    b"twisted.spread.pb.CopyableFailure",
    [b"dictionary", [[b"unicode", b"type"], b"builtins.ValueError"], [b"value", [b"unicode", b"no such step"]]],
]


def line(what: Any, sender: Side | None = Side.CLIENT, **more: Any) -> str:
    """What *what* is explained as, without number, time and connection."""
    return explain(Dissection(12, 1.5, 1, sender, what, **more), began=1.0).split(None, 3)[3]


CALL = Dissection(12, 1.0, 1, Side.CLIENT, Message(3, 2, b"getBuilder", 1, [b"tuple"], KW))


def test_a_line_has_number_time_connection_direction_verb_words_and_size() -> None:
    call = Dissection(12, 2.355, 1, Side.CLIENT, Message(3, 2, b"getBuilder", 1, [b"tuple", 5], KW), size=1030)

    assert explain(call, began=1.0) == "  12    +1.355 1 > message  c#3  s2.getBuilder(5)  1,030 B"


@pytest.mark.parametrize(
    ("what", "sender", "words"),
    [
        (Offer((b"pb", b"none")), Side.SERVER, "< offer    dialects pb, none"),
        (Choice(b"pb"), Side.CLIENT, "> choice   dialect pb"),
        (Choice(b"klingon"), Side.CLIENT, "> choice   dialect klingon  (never heard of it)"),
        (Version(6), Side.CLIENT, "> version  6"),
        (Version(5), Side.CLIENT, "> version  5  (only 6 exists)"),
        (
            Message(1, b"root", b"echo", 0, [b"tuple", 1], KW),
            Side.CLIENT,
            "> message  c#1  root.echo(1)  (wants no answer)",
        ),
        (Message(1, 3, b"print", 1, [b"tuple"], KW), Side.SERVER, "< message  s#1  c3.print()"),
        (CacheMessage(2, 4, b"set", 1, [b"tuple", 2], KW), Side.SERVER, "< cachemsg s#2  s4.set(2)"),
        (Answer(3, [b"remote", 5]), Side.SERVER, "< answer   c#3  = s5  (its call was not seen)"),
        (
            ErrorAnswer(3, FAILURE),
            Side.CLIENT,
            "> error    s#3  ! builtins.ValueError: no such step  (its call was not seen)",
        ),
        (Decref(2), Side.CLIENT, "> decref   s2"),
        (Decache(4), Side.CLIENT, "> decache  s4"),
        (Uncache(4), Side.SERVER, "< uncache  s4"),
        (DidNotUnderstand(b"frob"), Side.SERVER, "< unknown  the verb b'frob'"),
        (Undecodable("no PB"), Side.CLIENT, "> ?        not understood: no PB"),
        (Undecodable("no PB", b"GET"), Side.CLIENT, "> ?        not understood: no PB  b'GET'"),
        (LinkEvent(0, 1, "closed", Side.SERVER, "reset"), Side.SERVER, "x closed   by the server  reset"),
        (LinkEvent(0, 1, "stalled"), None, "x stalled"),
    ],
)
def test_each_kind_has_its_words(what: Any, sender: Side | None, words: str) -> None:
    assert line(what, sender) == words


def test_an_answer_names_its_call_and_how_long_it_took() -> None:
    assert line(Answer(3, [b"None"]), Side.SERVER, call=CALL) == "< answer   c#3  = None  (getBuilder #12, 500 ms)"


def test_a_recorded_login_reads_like_a_story() -> None:
    story = [explain(each).split(None, 3)[3] for each in dissect(chunks("login_chat"))][:14]

    assert story == [
        "< offer    dialects pb, none  12 B",
        "> choice   dialect pb  4 B",
        "> version  6  6 B",
        "> message  c#1  root.login(b'alice')  31 B",
        "< version  6  6 B",
        "< answer   c#1  = (***, s1)  (login #4, 1.0 ms)  s1 lent, count 1  34 B",
        "> message  c#2  s1.respond(***, c1)  c1 lent, count 1  51 B",
        "> decref   s1  count 1 -> 0, free  6 B",
        "< answer   c#2  = s2  (respond #7, 1.0 ms)  s2 lent, count 1  12 B",
        "> message  c#3  s2.joinGroup('lookingForFourth')  58 B",
        "< answer   c#3  = s3  (joinGroup #10, 1.0 ms)  s3 lent, count 1  12 B",
        "> message  c#4  s3.send('hi there')  45 B",
        "< message  s#1  c1.print('<lookingForFourth> alice: hi there')  72 B",
        "< answer   c#4  = 1  (send #12, 1.0 ms)  8 B",
    ]


def test_what_is_odd_stands_behind_the_words() -> None:
    odd = Odd("surplus decref", "decref of s9, which is not lent")

    assert line(Decref(9), size=6, notes=(odd,)) == "> decref   s9  odd: decref of s9, which is not lent  6 B"


@pytest.mark.parametrize(
    ("what", "sender", "words"),
    [
        (Seed(0, 1, b"pb"), None, "x seed     0 objects lent, 0 calls waiting"),
        (Unseen("a gap"), Side.CLIENT, "> unseen   a gap"),
        (Unseen("a gap", b"GET"), Side.CLIENT, "> unseen   a gap  b'GET'"),
    ],
)
def test_what_was_not_seen_has_its_words_too(what: Any, sender: Side | None, words: str) -> None:
    assert line(what, sender) == words


@pytest.mark.parametrize(
    ("what", "more", "words"),
    [
        (Answer(3, [b"remote", 5]), {"call": CALL}, "answer c#3 = s5 (getBuilder #12, 500 ms)"),
        (Message(3, 2, b"go", 0, [b"tuple", 5], KW), {}, "message c#3 s2.go(5) (wants no answer)"),
        (LinkEvent(0, 1, "closed", Side.SERVER, "reset"), {}, "closed by the server reset"),
        (
            Message(3, 2, b"go", 1, [b"tuple", [b"unicode", b"x" * 99]], KW),
            {},
            f"message c#3 s2.go('{'x' * 80}'... (99 characters))",
        ),
    ],
)
def test_a_file_is_told_in_a_few_words(what: Any, more: dict[str, Any], words: str) -> None:
    sender = Side.SERVER if isinstance(what, Answer) else Side.CLIENT

    assert says(Dissection(12, 1.5, 1, sender, what, size=9, **more)) == words


def framed(what: Any, width: int | None, times: str = "rel", **more: Any) -> str:
    """The line of `-o frames`."""
    dissector = Dissector()
    dissector.feed(LinkEvent(0.5, 1, "resumed"))
    formatter = Frames(width, times, 1795269731.031)
    (shown,) = formatter.see(Dissection(12, 1.5, 1, Side.SERVER, what, **more), dissector.connections[1])
    assert (formatter.header(), formatter.tick(2.0, []), formatter.finish(3.0)) == ("", [], [])
    return shown


def test_the_lines_of_frames_are_those_of_explain_with_the_times_that_are_asked_for() -> None:
    assert framed(Decref(3), None, size=6) == "  12    +1.000 1 < decref   c3  6 B"
    assert framed(Decref(3), None, "clock", size=6)[:5] == "  12 "
    assert re.fullmatch(r"  12 \d\d:\d\d:12\.531 1 < decref   c3  6 B", framed(Decref(3), None, "clock", size=6))


LENT = Lent(Side.SERVER, 5, "getBuilder()", "getBuilder()")


@pytest.mark.parametrize(
    ("what", "width", "expected"),
    [
        (
            Answer(3, [b"list", *range(99)]),
            100,
            "  12    +1.000 1 < answer   c#3  = [0, 1, 2, 3, 4, 5, 6...  (#12, 500 ms)  s5 lent, count 1  1,234 B",
        ),
        (
            Answer(3, [b"list", *range(99)]),
            86,
            "  12    +1.000 1 < answer   c#3  = [0, 1, 2, 3, 4,...  (#12, 500 ms)  s5 lent, count 1",
        ),
        (
            Answer(3, [b"list", *range(99)]),
            72,
            "  12    +1.000 1 < answer   c#3  = [0, 1, 2, 3, 4, ...  s5 lent, count 1",
        ),
        (Answer(3, [b"list", *range(99)]), 60, "  12    +1.000 1 < answer   c#3  = [0, 1, 2, 3, 4...  s5 ..."),
        (Answer(3, [b"list", *range(99)]), 30, "  12    +1.000 1 < answer   .."),
        (
            ErrorAnswer(3, FAILURE),
            100,
            "  12    +1.000 1 < error    c#3  ! builtins.ValueError: no such step  s5 lent, count 1",
        ),
        (ErrorAnswer(3, FAILURE), 70, "  12    +1.000 1 < error    c#3  ! builtins.ValueError: no such step"),
        (ErrorAnswer(3, FAILURE), 60, "  12    +1.000 1 < error    c#3  ! builtins.ValueError: n..."),
    ],
)
def test_a_long_line_of_frames_loses_words_and_then_what_is_behind_them(what: Any, width: int, expected: str) -> None:
    found = framed(what, width, size=1234, call=CALL, notes=(Exported(LENT, 1),))

    assert found == expected
    assert len(found) <= width


HOSTILE = b"\x1b]0;owned\x07\r\n\xc2\x9b2J\xe2\x80\xae"


@pytest.mark.parametrize(
    "what",
    [
        Offer((HOSTILE,)),
        Choice(HOSTILE),
        Version(HOSTILE),  # type: ignore[arg-type]  # a peer may send anything
        Message(HOSTILE, HOSTILE, HOSTILE, 1, [b"tuple", HOSTILE], [b"dictionary", [HOSTILE, HOSTILE]]),
        Message(1, 1, b"x", 1, [b"tuple", [b"unicode", HOSTILE]], [b"dictionary", [[b"unicode", HOSTILE], 1]]),
        Message(1, 1, b"x", 1, [HOSTILE, [b"dictionary"]], HOSTILE),
        CacheMessage(1, HOSTILE, HOSTILE, 1, [], []),
        Answer(1, [HOSTILE]),
        Answer(1, [HOSTILE, 1, [b"unicode", HOSTILE]]),
        ErrorAnswer(1, [b"x", [b"dictionary", [b"type", HOSTILE], [b"value", [b"unicode", HOSTILE]]]]),
        Decref(HOSTILE),
        DidNotUnderstand([HOSTILE]),
        Undecodable(HOSTILE.decode(), HOSTILE),
        LinkEvent(0, 1, HOSTILE.decode(), Side.CLIENT, HOSTILE.decode()),
    ],
)
def test_nothing_that_a_peer_sends_is_obeyed_by_a_terminal(what: Any) -> None:
    assert explain(Dissection(1, 0, 1, Side.CLIENT, what)).isprintable()
