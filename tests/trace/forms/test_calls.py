"""`-o calls`: one line for each call, at the moment of its answer, in the columns that there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace import Dissector
from pbshell.trace.explain import Frames
from pbshell.trace.forms.calls import Calls
from pbshell.trace.forms.columns import columns
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from tests.strategies import expressions
from tests.trace.recordings import NAMES, chunks, lines

TUPLE: list[Any] = [b"tuple"]
KW: list[Any] = [b"dictionary"]
OPENED = LinkEvent(0.0, 1, "opened", Side.CLIENT, "127.0.0.1:51234 to 127.0.0.1:8787")


def client(*verbs: Any, at: float = 1.0, connection: int = 1) -> Chunk:
    return Chunk(at, connection, Side.CLIENT, b"".join(encode(verb, PB) for verb in verbs))


def server(*verbs: Any, at: float = 1.0, connection: int = 1) -> Chunk:
    return Chunk(at, connection, Side.SERVER, b"".join(encode(verb, PB) for verb in verbs))


OFFER = Chunk(0.0, 1, Side.SERVER, encode([b"pb", b"none"]))
HELLO: list[Piece] = [OFFER, client(b"pb", [b"version", 6], at=0.0), server([b"version", 6], at=0.0)]


def call(request: Any, target: Any, method: bytes, *args: Any, wants: int = 1) -> list[Any]:
    return [b"message", request, target, method, wants, [b"tuple", *args], KW]


def text(value: str) -> list[Any]:
    return [b"unicode", value.encode()]


def error(kind: bytes, value: str) -> list[Any]:
    return [b"x.CopyableFailure", [b"dictionary", [[b"unicode", b"type"], kind], [text("value"), text(value)]]]


def shown(pieces: Iterable[Piece], width: int | None = None, times: str = "rel") -> list[str]:
    """The lines without their header."""
    return lines(pieces, Calls(width, times))[1:]


def said(*pieces: Piece, width: int | None = None) -> list[str]:
    """What follows the handshake, in single blanks, without number and time, duration and size."""
    return plain(shown([*HELLO, *pieces], width)[1:])


def plain(found: list[str]) -> list[str]:
    return [re.sub(r"( [\d.]+ m?s)?( [\d,]+ B)?$", "", " ".join(line.split()[2:])) for line in found]


# ------------------------------------------------------------------------------------------------ lines


def test_a_call_has_one_line_when_it_is_answered() -> None:
    pieces = [*HELLO, client(call(1, b"root", b"get", 5)), server([b"answer", 1, [b"remote", 3]], at=1.25)]

    assert lines(pieces, Calls(90, "rel")) == [
        "   #       time conn what                                result               took    size",
        "   1     +0.000 1 x  handshake: PB 6, dialect pb                            0.0 ms    22 B",
        "   5     +1.250 1 >  root.get(5)                         = s3               250 ms    41 B",
    ]


def test_an_object_is_called_by_its_id_and_its_birth() -> None:
    get, ping = call(1, b"root", b"get", text("linux")), call(2, 3, b"ping", [b"local", 3])

    assert said(
        client(get), server([b"answer", 1, [b"remote", 3]]), client(ping), server([b"answer", 2, [b"remote", 3]])
    ) == [
        "1 > root.get('linux') = s3",
        "1 > s3:get('linux').ping(s3:get('linux')) = s3:get('linux')",
    ]


def test_a_label_that_is_gone_meanwhile_is_still_known() -> None:
    """Also where the answer came in one piece with the loss of the object."""
    pieces = [
        client(call(1, b"root", b"get")),
        server([b"answer", 1, [b"remote", 3]]),
        client(call(2, b"root", b"take", [b"local", 3]), [b"decref", 3]),
        server([b"answer", 2, [b"None"]]),
    ]

    assert said(*pieces)[1:] == ["1 - decref s3:get() free", "1 > root.take(s3:get()) = None"]


def test_errors_lose_their_module_and_never_their_text() -> None:
    failures = [error(b"builtins.ValueError", "no"), error(b"x y.Z", ""), [b"None"]]
    pieces = [
        piece
        for number, failure in enumerate(failures, 1)
        for piece in (client(call(number, b"root", b"x")), server([b"error", number, failure]))
    ]

    assert [line.split(" ! ")[1].rsplit("0.0 ms")[0].strip() for line in said(*pieces)] == [
        "ValueError: no",
        "x y.Z",
        "None",
    ]


def test_a_cached_object_is_shown_by_its_class_and_its_updates_by_a_tilde() -> None:
    state = [b"app.State", 4, [b"dictionary", [text("v"), 1]]]
    update = [b"cachemessage", 1, 4, b"set", 1, [b"tuple", 2], KW]

    assert said(
        client(call(1, b"root", b"state")),
        server([b"answer", 1, state], update),
        client([b"answer", 1, [b"None"]], [b"decache", 4]),
        server([b"uncache", 4]),
    ) == [
        "1 > root.state() = cache s4 State",
        "1 <~ s4:State.set(2) = None",
        "1 - decache s4:State none left",
        "1 - uncache s4:State free",
    ]


def test_a_call_that_wants_no_answer_has_its_line_at_once() -> None:
    assert said(client(call(1, b"root", b"note", wants=0))) == ["1 > root.note() no answer wanted"]


def test_an_answer_without_its_call_says_so() -> None:
    assert said(server([b"answer", 7, 5])) == ["1 > answer to c#7, not seen = 5 odd: no call 7 waits for an answer"]


def test_what_is_odd_stands_at_the_end() -> None:
    odd = "odd: s9 is not lent"

    assert said(client(call(1, 9, b"x")), server([b"answer", 1, 5]), at_end := client([b"decref", 9])) == [
        f"1 > s9.x() = 5 {odd}",
        "1 - decref s9 odd: decref of s9, which is not lent",
    ]
    assert at_end.sender is Side.CLIENT


def test_an_error_comes_before_what_is_odd() -> None:
    assert said(client(call(1, 9, b"x")), server([b"error", 1, error(b"a.B", "c")])) == [
        "1 > s9.x() ! B: c odd: s9 is not lent"
    ]


def test_what_cannot_be_read_is_an_error_too() -> None:
    found = said(
        server([b"didNotUnderstand", b"frob"]), client([b"frob", 1]), Chunk(1, 1, Side.CLIENT, b"\x00\x00\xff")
    )

    assert found[:2] == [
        "1 < did not understand ! no verb b'frob'",
        "1 > not understood ! PB has no verb 'frob'",
    ]
    assert found[2].startswith("1 > not understood ! ")


def test_bytes_that_were_not_captured_are_told() -> None:
    pieces: list[Piece] = [
        Chunk(0, 1, Side.CLIENT, b"\x05\x87 half of it"),
        LinkEvent(1, 1, "gap", Side.CLIENT, "9 bytes were not captured"),
        Seed(2, 2, b"pb", lent=(Seeded(Side.SERVER, 3, 1, "app.Builder"),), awaited=(Awaited(Side.CLIENT, 1, "go"),)),
        server([b"answer", 1, 5], at=3.5, connection=2),
        client(call(2, 3, b"x"), at=4, connection=2),
        client([b"decref", 3], at=4, connection=2),
    ]

    assert plain(shown(pieces)) == [
        "1 > their beginning is in a gap: 13 B not seen",
        "1 x bytes of the client are missing: 9 bytes were not captured",
        "2 x traced from here on: 1 object lent, 1 call waiting",
        "2 > go(..), called before = 5",
        "2 - decref s3:Builder",
        "2 > s3:Builder.x() ... ? waiting 0.0 ms, c#2",
    ]


# ------------------------------------------------------------------------------------------------ what waits


def test_a_call_that_waits_for_a_second_is_shown_and_once_more_when_it_is_answered() -> None:
    pieces: list[Piece] = [
        *HELLO,
        client(call(1, b"root", b"go")),
        LinkEvent(2.2, 1, "resumed"),
        server([b"answer", 1, 5], at=9.0),
    ]

    assert [" ".join(line.split()) for line in shown(pieces)[1:]] == [
        "5 +2.000 1 > root.go() ... ? waiting 1.0 s, c#1 26 B",
        "6 +2.200 1 x bytes are taken again",
        "5 +9.000 1 > root.go() = 5 8.0 s 34 B",
    ]


def test_times_never_go_backwards() -> None:
    """A tick may be late."""
    formatter, dissector = Calls(None, "rel", began=0.0), Dissector()
    shown = []
    pieces: list[Piece] = [*HELLO, client(call(1, b"root", b"go")), LinkEvent(2.125, 1, "resumed")]
    for piece in pieces:
        for each in dissector.feed(piece):
            shown += formatter.see(each, dissector.connections[1])

    assert shown[-1].split()[1] == "+2.125"
    (late,) = formatter.tick(2.25, dissector.connections.values())
    assert late.split()[1] == "+2.125"
    assert "waiting 1.1 s" in late
    assert formatter.tick(9.0, dissector.connections.values()) == []


def test_a_request_id_that_is_a_list_waits_for_ever() -> None:
    assert said(client(call([1], b"root", b"go")), LinkEvent(5, 1, "resumed"))[0].startswith(
        "1 > root.go() ... ? waiting"
    )


@pytest.mark.parametrize("how", ["answered", "gone"])
def test_of_a_call_whose_end_was_not_for_our_eyes_nothing_is_claimed(how: str) -> None:
    """A filter may hide an answer, or the end of a connection."""
    formatter, dissector = Calls(None, "rel"), Dissector()
    end = server([b"answer", 1, 5]) if how == "answered" else LinkEvent(1, 1, "closed")
    for piece in [*HELLO, client(call(1, b"root", b"go")), end, LinkEvent(1.5, 2, "opened")]:
        for each in dissector.feed(piece):
            if piece is not end:
                formatter.see(each, dissector.connections[piece.connection])

    (line, *_) = formatter.tick(2.75, dissector.connections.values())

    assert line.split()[4:] == ["root.go()", "...", "26", "B"]


def test_at_the_end_of_a_connection_every_call_has_its_line() -> None:
    pieces: list[Piece] = [
        client(call(1, b"root", b"old")),
        client(call(2, b"root", b"new"), at=2.5),
        LinkEvent(2.75, 1, "half_closed", Side.SERVER),
        LinkEvent(2.75, 2, "opened"),
        LinkEvent(3, 1, "closed", Side.SERVER, "reset"),
    ]

    assert said(*pieces) == [
        "1 > root.old() ... ? waiting 1.0 s, c#1",
        "1 > root.new() ... ? never answered, c#2",
        "1 x server reset the connection 2 calls unanswered (c#1, c#2)",
        "2 x opened: not a word of PB yet",
    ]


def test_half_an_end_is_told_if_the_whole_does_not_follow() -> None:
    assert said(LinkEvent(1, 1, "half_closed", Side.SERVER), LinkEvent(2.5, 1, "resumed"))[0] == (
        "1 x server will say no more"
    )


# ------------------------------------------------------------------------------------------------ handshakes


def test_a_handshake_is_one_line() -> None:
    pieces = [OPENED, *HELLO, client([b"version", 6])]

    assert plain(shown(pieces)) == ["1 x opened: 127.0.0.1:51234 to 127.0.0.1:8787, PB 6, dialect pb"]


def test_a_handshake_that_is_not_as_it_should_be_says_what_is_wrong() -> None:
    words: list[tuple[Side, Any]] = [
        (Side.CLIENT, b"klingon"),
        (Side.CLIENT, [b"version", 5]),
        (Side.SERVER, [b"version", 7]),
    ]
    pieces = [OFFER, *(Chunk(0.0, 1, side, encode(word)) for side, word in words)]

    assert plain(shown(pieces)) == [
        "1 x handshake: PB 5, dialect klingon ! never heard of that dialect, only version 6 exists",
        "1 < version 7 ! only 6 exists",
    ]


def test_a_connection_on_which_nothing_is_said_is_shown_after_a_second() -> None:
    late = [client(b"pb", at=5), client([b"version", 6], at=5.0)]

    assert [" ".join(line.split()) for line in shown([OPENED, LinkEvent(1.5, 2, "gap"), *late])] == [
        "1 +1.000 1 x opened: 127.0.0.1:51234 to 127.0.0.1:8787, not a word of PB yet",
        "2 +1.500 2 x bytes are missing",
        "1 +5.000 1 x handshake: 127.0.0.1:51234 to 127.0.0.1:8787, PB 6, dialect pb 5.0 s 10 B",
    ]


@pytest.mark.parametrize("late", [0.5, 5.0])
def test_a_connection_that_ends_in_its_handshake_is_told_with_what_is_known(late: float) -> None:
    assert plain(shown([OPENED, OFFER, LinkEvent(late, 1, "closed", None, "fin")])) == [
        "1 x opened: 127.0.0.1:51234 to 127.0.0.1:8787, not a word of PB yet",
        "1 x the connection was closed",
    ]


@pytest.mark.parametrize(("late", "told"), [(0.5, "opened"), (5.0, "opened")])
def test_who_speaks_before_the_handshake_is_over_does_not_wait_for_it(late: float, told: str) -> None:
    x = client(b"pb", call(1, b"root", b"x"), at=late)

    assert plain(shown([OPENED, OFFER, x, server([b"answer", 1, 5], at=late)]))[-2:] == [
        f"1 x {told}: 127.0.0.1:51234 to 127.0.0.1:8787, dialect pb",
        "1 > root.x() = 5",
    ]


def test_the_handshake_of_a_connection_that_is_gone_is_forgotten() -> None:
    """A filter may hide its end."""
    formatter, dissector = Calls(), Dissector()
    for each in dissector.feed(OPENED):
        formatter.see(each, dissector.connections[1])

    assert formatter.tick(5.0, []) == []
    assert formatter.finish(6.0) == []


# ------------------------------------------------------------------------------------------------ columns

LONG = [
    client(call(1, b"root", b"getBuilder", text("linux-x86_64-debug"))),
    server([b"answer", 1, [b"remote", 3]]),
    client(call(2, 3, b"start", [b"dictionary", [text("rev"), text("abcdef0123456789")]])),
    server([b"answer", 2, text("queued behind 17 others, have patience")]),
    client(call(3, 3, b"explode", *range(30))),
    server([b"error", 3, error(b"builtins.ValueError", "there is no such step, and there never was one, whatever")]),
]


@pytest.mark.parametrize(
    ("width", "start", "explode"),
    [
        (
            100,
            "   7     +1.000 1 >  s3:ge...g').start({'rev': '...)  = 'queued behind 17 others,...  0.0 ms   133 B",
            "   9     +1.000 1 >  s3.explode  ! ValueError: there is no such step, and there never was on... (68)",
        ),
        (
            80,
            "   7     +1.000 1 >  s3.start({'rev': ...)  = 'queued behind ...  0.0 ms   133 B",
            "   9     +1.000 1 >  s3.explode  ! ValueError: there is no such step, an... (68)",
        ),
        (
            60,
            "   7   +1.0s 1 >  s3.start({'...)  = 'queued behi...  0.0 ms",
            "   9   +1.0s 1 >  s3.explode  ! ValueError: there is... (68)",
        ),
        (40, "   7   +1.0s 1 >  s3.start  = 'queu...", "   9   +1.0s 1 >  s3.explode  ! Value..."),
        (30, "1 >  s3.start(..)  = 'queue...", "1 >  s3.explode  ! ValueErr..."),
    ],
)
def test_a_narrow_line_loses_size_then_time_then_names_and_its_error_last(width: int, start: str, explode: str) -> None:
    found = shown([*HELLO, *LONG], width)

    assert found[2:] == [start, explode]
    assert all(columns(line) <= width for line in found)


def test_a_result_that_is_cut_tells_how_much_there_is() -> None:
    pieces = [client(call(1, b"root", b"all")), server([b"answer", 1, [b"list", *range(500)]])]

    assert "= [0, 1, 2," in said(*pieces, width=150)[0]
    assert "(500 items)]" in said(*pieces, width=150)[0]


def test_a_very_long_error_tells_how_long_it_is() -> None:
    pieces = [client(call(1, b"root", b"x")), server([b"error", 1, error(b"a.B", "y" * 5000)])]

    (line,) = said(*pieces, width=100)
    assert line.endswith("... (5,000)")


def test_wide_characters_take_two_columns() -> None:
    pieces = [*HELLO, client(call(1, b"root", b"x", text("日本語" * 9))), server([b"answer", 1, text("語" * 30)])]

    (line,) = shown(pieces, 80)[1:]
    assert columns(line) == 80


def test_a_result_beside_something_odd_gives_way_first() -> None:
    pieces = [client(call(1, 9, b"x" * 20)), server([b"answer", 1, text("abcdefghijklmnopqrstuvw")])]

    assert said(*pieces, width=72) == [f"1 > s9.{'x' * 20}() odd: s9 is not lent"]
    assert said(*pieces, width=80) == [f"1 > s9.{'x' * 20}() = 'abcde... odd: s9 is not lent"]


@pytest.mark.parametrize("width", [None, 118, 100, 80, 72, 60, 48, 33, 10])
def test_the_header_names_the_columns_in_the_same_room(width: int | None) -> None:
    header = Calls(width, "clock", 0.0).header()

    assert width is None or columns(header) <= width
    assert ("size" in header) == (width is None or width >= 80)
    assert ("took" in header) == (width is None or width >= 50)


HOSTILE = b"\x1b]0;owned\x07\r\n\xc2\x9b2J\xe2\x80\xae\xe6\x97\xa5"
ANYTHING = expressions() | st.just(HOSTILE) | st.just([b"unicode", HOSTILE])
VERBS = st.one_of(
    st.tuples(
        st.sampled_from([b"message", b"cachemessage"]), st.integers(1, 3), ANYTHING, st.binary() | st.just(HOSTILE)
    ).flatmap(lambda head: st.tuples(*map(st.just, head), st.integers(0, 1), ANYTHING, ANYTHING)),
    st.tuples(st.sampled_from([b"answer", b"error"]), st.integers(1, 3), ANYTHING),
    st.tuples(st.sampled_from([b"decref", b"decache", b"uncache"]), st.integers(1, 3) | st.binary(max_size=9)),
    st.tuples(st.sampled_from([b"version", b"didNotUnderstand", b"frob"]), ANYTHING),
)


@pytest.mark.parametrize("form", [Calls, Frames])
@given(talk=st.lists(st.tuples(st.sampled_from(Side), VERBS), max_size=6), width=st.integers(1, 130))
def test_whatever_is_said_fits_and_is_obeyed_by_no_terminal(
    form: type[Calls | Frames], talk: list[tuple[Side, Any]], width: int
) -> None:
    pieces = [Chunk(1.0 + n, 1, side, encode(list(verb), PB)) for n, (side, verb) in enumerate(talk)]
    closed = LinkEvent(99, 1, "closed", None, HOSTILE.decode())

    for line in lines([OPENED, *HELLO, *pieces, closed], form(width, "rel")):
        assert line.isprintable()
        assert columns(line) <= width


@given(st.sampled_from(NAMES), st.data())
def test_no_mutation_of_a_recording_makes_it_raise(name: str, data: Any) -> None:
    pieces = chunks(name)
    which = data.draw(st.integers(0, len(pieces) - 1))
    old = pieces[which]
    at = data.draw(st.integers(0, len(old.data) - 1))
    pieces[which] = Chunk(old.at, 1, old.sender, old.data[:at] + data.draw(st.binary(max_size=2)) + old.data[at + 1 :])

    assert all(line.isprintable() for line in lines([*pieces, LinkEvent(9, 1, "closed")], Calls(100, "rel")))


@pytest.mark.parametrize("form", [Calls, Frames])
def test_a_line_has_the_width_that_there_is_when_it_is_made(form: Any) -> None:
    whole, resized = form(100, "rel"), form(40, "rel")
    dissector = Dissector()
    for piece in chunks("login_chat"):
        for found in dissector.feed(piece):
            conversation = dissector.connections[1]
            expected = whole.see(found, conversation)
            resized.resize(100)

            assert resized.see(found, conversation) == expected
            resized.resize(100)
