"""The same pieces with their secrets overwritten: the structure stays, whatever the bytes are, and no secret does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.errors import UsageError
from pbshell.trace import Dissection, Dissector
from pbshell.trace.masking import Masker
from pbshell.trace.overwriting import blot, overwrite
from pbshell.wire.banana import NONE, PB, Decoder, Dialect, encode
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Side
from pbshell.wire.limits import Limits
from tests.strategies import expressions
from tests.trace.recordings import NAMES, byte_by_byte, chunks

C, S = Side.CLIENT, Side.SERVER
OPENED = LinkEvent(0.0, 1, "opened", C, "a to b")
OFFER = Chunk(0.0, 1, S, encode([b"pb", b"none"]))
CHOICE = Chunk(0.0, 1, C, encode(b"pb"))
BEGUN: list[Piece] = [OPENED, OFFER, CHOICE]
CLOSED = LinkEvent(9.0, 1, "closed", C, "fin")
TUPLE, DICT = [b"tuple"], [b"dictionary"]


def said(sender: Side, *expressions: Any, at: float = 1.0, dialect: Dialect = PB) -> Chunk:
    return Chunk(at, 1, sender, b"".join(encode(each, dialect) for each in expressions))


def call(request: int, target: Any, method: bytes, args: Any = TUPLE, kwargs: Any = DICT) -> list[Any]:
    return [b"message", request, target, method, 1, args, kwargs]


def masked(pieces: Iterable[Piece], masker: Masker | None = None) -> list[Piece]:
    masker = masker or Masker()
    return [each for piece in pieces for each in masker.feed(piece)] + masker.finish()


def stream(pieces: Iterable[Piece], side: Side) -> bytes:
    return b"".join(piece.data for piece in pieces if isinstance(piece, Chunk) and piece.sender is side)


def structure(pieces: Iterable[Piece]) -> list[tuple[Any, ...]]:
    """All that a dissector shows of *pieces*, when all secrets are covered on the screen too."""
    dissector = Dissector(redact="strict")
    found: list[Dissection] = [each for piece in pieces for each in dissector.feed(piece)]
    found += dissector.finish(9.0)
    return [(each.sender, each.what, each.size, each.offset, [*map(type, each.notes)]) for each in found]


def cut(pieces: Iterable[Piece], seed: int) -> list[Piece]:
    """The same bytes, cut anywhere."""
    dice = random.Random(seed)
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Chunk):
            places = sorted(dice.sample(range(len(piece.data) + 1), min(3, len(piece.data))))
            edges = [0, *places, len(piece.data)]
            found += [
                Chunk(piece.at, piece.connection, piece.sender, piece.data[first:last])
                for first, last in itertools.pairwise(edges)
            ]
        else:
            found.append(piece)
    return found


def same(pieces: Iterable[Piece]) -> list[Piece]:
    """*pieces* masked; the structure and the length of both streams are what they were."""
    pieces = list(pieces)
    found = masked(pieces)
    assert structure(found) == structure(pieces)
    for side in Side:
        assert len(stream(found, side)) == len(stream(pieces, side))
    return found


# Whole conversations


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("opened", [[], [OPENED]], ids=["met", "opened"])
def test_a_recorded_conversation_explains_identically(name: str, opened: list[Piece]) -> None:
    whole: Sequence[Piece] = chunks(name)

    same([*opened, *whole, CLOSED])
    same([*opened, *byte_by_byte([chunk for chunk in chunks(name) if len(chunk.data) < 5_000]), CLOSED])
    for seed in range(3):
        same([*opened, *cut(whole, seed), CLOSED])


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("login_")])
def test_what_has_no_secret_comes_out_as_it_went_in(name: str) -> None:
    pieces: list[Piece] = [OPENED, *chunks(name), CLOSED]

    assert masked(pieces) == pieces


def test_off_covers_nothing_and_waits_for_nothing() -> None:
    pieces: list[Piece] = [OPENED, *byte_by_byte(chunks("login_chat")), CLOSED]
    masker = Masker("off")

    assert [masker.feed(piece) for piece in pieces] == [[piece] for piece in pieces]
    assert masker.finish() == []


def test_a_level_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="no redaction 'some'"):
        Masker("some")


def planted(dice: random.Random, count: int) -> tuple[list[Piece], list[bytes]]:
    """A conversation with *count* secrets, each in one of the places where secrets are."""
    secrets: list[bytes] = []
    pieces = list(BEGUN)

    def secret() -> bytes:
        secrets.append(dice.randbytes(16).replace(b"*", b"+"))
        return secrets[-1]

    def text() -> list[Any]:
        secrets.append(dice.randbytes(12).hex().encode())
        return [b"unicode", secrets[-1]]

    request = 0
    while len(secrets) < count:
        request += 1
        kind = dice.randrange(8)
        if kind == 0:
            pieces.append(said(C, call(request, b"root", b"login", [b"tuple", b"alice"])))
            pieces.append(said(S, [b"answer", request, [b"tuple", secret(), [b"remote", request]]]))
            request += 1
            pieces.append(said(C, call(request, request - 1, b"respond", [b"tuple", secret(), [b"remote", 1]])))
            pieces.append(said(S, [b"answer", request, [b"remote", 10_000]]))
        elif kind == 1:
            args = [b"tuple", b"alice", text()]
            pieces.append(said(C, call(request, b"root", b"login", args)))
        elif kind == 2:
            pieces.append(said(C, call(request, 5, b"setPassword", [b"tuple", text(), secret()])))
        elif kind == 3:
            kwargs = [b"dictionary", [[b"unicode", b"apiKey"], text()], [b"author", b"me"]]
            pieces.append(said(C, call(request, 5, b"use", TUPLE, kwargs)))
        elif kind == 4:
            pieces.append(said(C, call(request, 5, b"state")))
            state = [b"dictionary", [b"name", b"x"], [b"client_secret", [b"list", secret(), text()]]]
            pieces.append(said(S, [b"answer", request, [b"demo.Thing", state]]))
        elif kind == 5:
            pieces.append(said(C, call(request, 5, b"getToken")))
            pieces.append(said(S, [b"answer", request, [b"tuple", text(), 5]]))
        elif kind == 6:
            pieces.append(said(S, [b"cachemessage", request, 7, b"observe_token", 1, [b"tuple", text()], DICT]))
        else:
            pieces.append(said(C, [b"credentials", text(), [secret()]]))
    pieces.append(Chunk(2.0, 1, C, encode(call(9999, b"root", b"login", [b"tuple", b"bob", secret()]), PB)[:-3]))
    return [*pieces, CLOSED], secrets


@pytest.mark.parametrize("how", ["whole", "bytes", "cut"])
def test_none_of_200_planted_secrets_is_left(how: str) -> None:
    pieces, secrets = planted(random.Random(1), 200)
    if how == "bytes":
        pieces = [each for piece in pieces for each in (byte_by_byte([piece]) if isinstance(piece, Chunk) else [piece])]
    elif how == "cut":
        pieces = cut(pieces, 5)

    found = same(pieces)

    left = stream(found, C) + stream(found, S)
    assert len(secrets) >= 200
    assert not [each for each in secrets if each in left]
    assert b"alice" in left
    assert b"author" in left


def test_a_login_is_covered_at_auth_and_the_rest_is_not() -> None:
    pieces = [
        *BEGUN,
        said(C, call(1, b"root", b"login", [b"tuple", b"alice"])),
        said(S, [b"answer", 1, [b"tuple", b"c" * 16, [b"remote", 3]]]),
        said(C, call(2, 3, b"respond", [b"tuple", b"r" * 16, [b"remote", 1]])),
        said(C, call(3, 4, b"setPassword", [b"tuple", b"1234"])),
    ]

    found = masked(pieces, Masker("auth"))

    assert found[:4] == pieces[:4]
    assert found[4:] == [
        said(S, [b"answer", 1, [b"tuple", b"*" * 16, [b"remote", 3]]]),
        said(C, call(2, 3, b"respond", [b"tuple", b"*" * 16, [b"remote", 1]])),
        pieces[6],
    ]


# What waits


def test_the_beginning_of_an_expression_waits_for_its_end_and_nothing_else_does() -> None:
    masker = Masker()
    for piece in BEGUN:
        masker.feed(piece)
    first, second = encode([b"version", 6], PB), encode(call(1, b"root", b"f"), PB)
    chunk = Chunk(1.0, 1, C, first + second[:5])
    other = said(S, [b"version", 6], at=2.0)
    rest = Chunk(3.0, 1, C, second[5:])

    assert masker.feed(chunk) == [Chunk(1.0, 1, C, first)]
    assert masker.feed(other) == [other]
    assert masker.feed(LinkEvent(2.5, 1, "stalled", C)) == [LinkEvent(2.5, 1, "stalled", C)]
    assert masker.feed(rest) == [Chunk(1.0, 1, C, second[:5]), rest]
    assert masker.finish() == []


def test_what_is_incomplete_at_the_end_is_covered() -> None:
    whole = encode(call(1, b"root", b"login", [b"tuple", b"alice", b"password", 5]), PB)
    for size in range(1, len(whole)):
        for last in ([], [CLOSED]):
            pieces = [*BEGUN, Chunk(1.0, 1, C, whole[:size]), *last]
            found = same(pieces)
            assert b"passw" not in stream(found, C)
            assert b"alice" not in stream(found, C)
            assert found[: len(BEGUN)] == BEGUN


def test_the_servers_words_behind_its_offer_wait_for_the_choice() -> None:
    masker = Masker()
    words = said(S, [b"version", 6])
    masker.feed(OPENED)

    assert masker.feed(OFFER) == [OFFER]
    assert masker.feed(words) == []
    assert masker.feed(CHOICE) == [CHOICE, words]
    same([OPENED, OFFER, words, CLOSED])


def test_the_servers_words_that_waited_come_right_behind_the_choice() -> None:
    version, words = encode([b"version", 6], PB), said(S, [b"version", 6])

    found = same([OPENED, OFFER, words, Chunk(1.0, 1, C, CHOICE.data + version), CLOSED])

    assert found[2:5] == [Chunk(1.0, 1, C, CHOICE.data), words, Chunk(1.0, 1, C, version)]


def test_a_chunk_without_bytes_is_kept() -> None:
    pieces = [*BEGUN, Chunk(1.0, 1, C, b"")]

    assert masked(pieces) == pieces


def test_connections_are_told_apart_and_forgotten_when_they_close() -> None:
    def of(number: int, piece: Piece) -> Piece:
        return replace(piece, connection=number)

    login = said(C, call(1, b"root", b"login", [b"tuple", b"alice"]))
    answer = said(S, [b"answer", 1, [b"tuple", b"c" * 20, [b"remote", 3]]])
    pieces = [*BEGUN, login, *(of(2, piece) for piece in BEGUN), of(2, answer), answer, CLOSED, *BEGUN, answer]

    found = masked(pieces, Masker("auth"))

    assert b"c" * 20 in stream(found[7:8], S)
    assert b"*" * 20 in stream(found[8:9], S)
    assert b"c" * 20 in stream(found[-1:], S)


def test_calls_that_nobody_answers_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.trace.masking._PENDING", 2)
    asked = [call(number, 5, b"get") for number in range(1, 4)]
    odd = [b"message", [1], 5, b"get", 1, TUPLE, DICT]
    silent = [b"message", 7, 5, b"get", 0, TUPLE, DICT]
    answers = [[b"answer", number, b"result"] for number in (1, 2, 3, 7)]

    found = masked([*BEGUN, said(C, *asked, odd, silent), said(S, *answers)])

    # What answers nothing that is known may be anything.
    covered = [b"*" * 6, b"result", b"result", b"*" * 6]
    assert found[-1] == said(S, *([b"answer", *each] for each in zip((1, 2, 3, 7), covered, strict=True)))


# What is met in its middle


@pytest.mark.parametrize("dialect", [b"pb", b"none"])
def test_a_seed_says_what_is_waited_for(dialect: bytes) -> None:
    speak = PB if dialect == b"pb" else NONE
    seed = Seed(
        0.0,
        1,
        dialect,
        (C, S),
        (),
        (Awaited(C, 1, "login"), Awaited(C, 2, "getToken"), Awaited(S, 3, "getToken"), Awaited(C, 4, "get")),
    )
    pieces: list[Piece] = [
        seed,
        said(
            S,
            [b"answer", 1, [b"tuple", b"c" * 20, [b"remote", 3]]],
            [b"answer", 2, b"s" * 20],
            [b"answer", 4, b"k" * 20],
            dialect=speak,
        ),
        said(C, [b"answer", 3, b"t" * 20], dialect=speak),
    ]

    found = masked(pieces)

    assert found[0] == seed
    left = stream(found, S) + stream(found, C)
    assert b"k" * 20 in left
    assert b"cc" not in left
    assert b"ss" not in left
    assert b"tt" not in left


def test_a_seed_in_the_handshake_says_who_has_begun() -> None:
    seed = Seed(0.0, 1, None, (S,))
    words = said(S, [b"version", 6])

    assert masked([seed, words, CHOICE]) == [seed, CHOICE, words]


def test_a_seed_ends_what_was_known_of_a_connection() -> None:
    half = Chunk(1.0, 1, C, encode(call(1, b"root", b"f", [b"tuple", b"hello"]), PB)[:-4])
    seed = Seed(2.0, 1, b"pb", (C, S))
    words = said(C, [b"version", 6])

    found = masked([*BEGUN, half, seed, words])

    assert found[4:] == [seed, words]
    assert b"hello" not in stream(found, C)


def middle() -> list[Piece]:
    """A conversation whose beginning was not captured, in the middle of a password."""
    return [
        Chunk(1.0, 1, C, encode(call(1, b"root", b"set", [b"tuple", b"password"]), PB)[-12:]),
        said(C, call(2, b"root", b"f"), call(3, 5, b"getToken"), at=2.0),
        said(S, [b"answer", 2, [b"tuple", b"c" * 16, [b"remote", 3]]], [b"answer", 3, b"hunter2"], at=3.0),
        said(S, [b"version", 6], at=3.0),
    ]


@pytest.mark.parametrize("ends", [[], [CLOSED]])
def test_a_stream_that_is_met_in_its_middle_is_read_from_where_it_can_be(ends: list[Piece]) -> None:
    for pieces in (middle(), cut(middle(), 3), cut(middle(), 4)):
        found = same([*pieces, *ends])

        assert b"ssword" not in stream(found, C)
        assert b"hunter2" not in stream(found, S)


def test_a_stream_that_is_read_at_its_end_only_is_covered_then() -> None:
    pieces: list[Piece] = [
        Chunk(1.0, 1, C, b"x" * 20 + encode(call(2, b"root", b"setToken", [b"tuple", b"hunter2"]), PB)),
        CLOSED,
    ]

    found = same(pieces)

    assert b"hunter2" not in stream(found, C)
    assert b"setToken" in stream(found, C)


def test_a_beginning_that_may_still_be_a_handshake_is_covered_at_the_end() -> None:
    found = same([Chunk(1.0, 1, C, b"\x02"), Chunk(1.0, 1, S, OFFER.data[:4]), CLOSED])

    assert stream(found, C) + stream(found, S) == b"*****"


def test_both_sides_of_what_is_met_in_its_middle_are_looked_for() -> None:
    pieces: list[Piece] = [
        Chunk(1.0, 1, S, b"\x05\x83hunter2" + encode([b"version", 6], PB)),
        Chunk(2.0, 1, C, b"\x05\x83hunter2" + encode([b"version", 6], PB) * 2),
        said(S, [b"version", 6], at=3.0),
        CLOSED,
    ]

    found = same(pieces)

    assert stream(found, S) == b"*" * 9 + encode([b"version", 6], PB) * 2


def test_a_stream_that_is_never_read_is_covered() -> None:
    found = same([Chunk(1.0, 1, C, b"\x05\x83hunter2 and so on"), Chunk(1.0, 1, C, b"more"), CLOSED])

    assert stream(found, C) == b"*" * 23


@pytest.mark.parametrize("by", [None, C])
def test_behind_a_gap_a_stream_is_found_again(by: Side | None) -> None:
    half = encode(call(4, b"root", b"login", [b"tuple", b"alice", b"hunter2"]), PB)
    pieces = [
        *BEGUN,
        said(C, [b"version", 6]),
        Chunk(1.0, 1, C, half[:-6]),
        LinkEvent(2.0, 1, "gap", by),
        Chunk(3.0, 1, C, b"hunter3" + encode(call(5, 3, b"setToken", [b"tuple", b"hunter4"]), PB)),
        said(C, [b"version", 6], at=3.0),
        said(S, [b"version", 6], [b"version", 6], at=3.0),
        LinkEvent(4.0, 1, "gap", by),
        Chunk(5.0, 1, C, b"hunter5"),
        LinkEvent(6.0, 1, "gap", by),
        CLOSED,
    ]

    found = same(pieces)

    assert b"hunt" not in stream(found, C)
    assert b"setToken" in stream(found, C)


# What is no PB


@pytest.mark.parametrize(
    ("beginning", "kept"),
    [
        (b"GET /?password=hunter2 HTTP/1.1\r\nAuthorization: hunter2\r\n\r\n" + b"x" * 80, b"GET /"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hunter2" + b"x" * 80, b"\x16\x03\x01\x02\x00\x01"),
        (b"\x05\x99hunter2" + b"x" * 80, b"\x05\x99hunter"),
        (b'{"password": "hunter2"}' + b"x" * 80, b'{"'),
        (b"GET", b"GET"),
    ],
)
def test_of_what_never_was_pb_is_kept_what_tells_the_protocol(beginning: bytes, kept: bytes) -> None:
    for side in Side:
        pieces: list[Piece] = [OPENED, Chunk(1.0, 1, side, beginning), Chunk(2.0, 1, side, b"hunter2\x80\x81"), CLOSED]
        found = masked(pieces)

        assert b"hunter2" not in stream(found, side)
        assert stream(found, side).startswith(kept)
        assert len(stream(found, side)) == len(beginning) + 9
        assert [what for what, *_ in map(type_of, structure(found))] == [
            what for what, *_ in map(type_of, structure(pieces))
        ]


def type_of(found: tuple[Any, ...]) -> tuple[Any, ...]:
    return (type(found[1]), found[0], found[2:])


@pytest.mark.parametrize(
    "broken",
    [
        b"\x90hunter2",
        b"\x02\x80\x03\x82abc" + b"\x07\x82hunter2\x05\x81\x84\x00\x00\x00\x00\x00\x00\x00\x00\x90hunter3\x87",
        b"\x02\x80\x1a\x87hunter2\x90",
        b"\x02\x80\x1a\x87hunter2\x82",
        b"\x02\x80\x1a\x87\x63\x87hunter2",
        b"\x02\x80\x1a\x87" + b"hunter2" * 12 + b"\x81",
        b"\x03\x80\x1a\x87\x01\x81\x14\x87" + b"\x05" * 80,
        b"\x03\x80\x05\x81\x07\x82hunter2\x99",
    ],
)
def test_of_what_stops_to_decode_the_strings_are_covered_and_what_is_wrong_stays_wrong(broken: bytes) -> None:
    for size in range(1, len(broken) + 1):
        pieces = [*BEGUN, Chunk(1.0, 1, C, broken[:size]), Chunk(2.0, 1, C, b"hunter4"), CLOSED]
        found = masked(pieces)
        assert b"hunter" not in stream(found, C)
        assert [type_of(each) for each in structure(found)] == [type_of(each) for each in structure(pieces)]
        assert len(stream(found, C)) == len(stream(pieces, C))


@pytest.mark.parametrize(
    ("expression", "covered"),
    [
        ([b"logni", b"alice", [b"hunter2", 5, 1.5], b"None"], [b"logni", b"*****", [b"*******", 0, 0.0], b"None"]),
        ([b"message", 1, b"hunter2"], [b"message", 0, b"*******"]),
        ([b"message", 1, b"root", 5, 1, b"x", []], [b"message", 0, b"****", 0, 0, b"*", []]),
        ([5, b"hunter2"], [0, b"*******"]),
        ([b"list", [b"tuple", b"a"], [b"remote", 7]], [b"list", [b"tuple", b"*"], [b"remote", 0]]),
        ([], []),
        (b"hunter2", b"*******"),
        (5, 0),
    ],
)
def test_what_is_no_verb_is_covered_behind_its_word(expression: Any, covered: Any) -> None:
    pieces = [*BEGUN, said(C, expression), said(C, [b"version", 6])]

    assert masked(pieces) == [*BEGUN, said(C, covered), pieces[-1]]


@pytest.mark.parametrize(
    ("offer", "choice", "covered"),
    [
        ([b"other", b"pb"], b"other", None),
        ([b"pb", 5], b"pb", ([b"pb", 0], b"pb")),
        (b"hello", 5, (b"*****", 0)),
        ([b"pb"], b"x" * 65, ([b"pb"], b"*" * 65)),
    ],
)
def test_a_strange_handshake_is_covered_unless_it_names_dialects(offer: Any, choice: Any, covered: Any) -> None:
    def begin(offer: Any, choice: Any) -> list[Piece]:
        return [OPENED, said(S, offer, dialect=NONE), said(C, choice, dialect=NONE)]

    assert masked(begin(offer, choice)) == begin(*(covered or (offer, choice)))


def test_an_expression_beyond_the_limits_ends_its_stream() -> None:
    masker = Masker(limits=Limits(string=10))
    pieces = [*BEGUN, said(C, [b"version", 6], call(1, b"root", b"set", [b"tuple", b"hunter2" * 3])), said(C, [b"a"])]

    found = masked(pieces, masker)

    assert stream(found, C).startswith(CHOICE.data + encode([b"version", 6], PB) + b"\x07\x80\x1a\x87")
    assert b"hunter" not in stream(found, C)


# Overwriting


def roundabout(value: Any, dice: random.Random) -> bytes:
    """*value* as banana, with prefixes that are longer than they must be."""
    data = encode(value, PB)
    found = bytearray()
    position = 0
    while position < len(data):
        start = position
        while data[position] < 0x80:
            position += 1
        kind, digits = data[position], data[start:position]
        number = sum(digit << 7 * place for place, digit in enumerate(digits))
        size = number if kind == 0x82 else 8 if kind == 0x84 else 0
        more = dice.randrange(3) if 0 < len(digits) < 60 else 0
        found += digits + bytes(more) + data[position : position + 1 + size]
        position += 1 + size
    return bytes(found)


def shape(value: Any) -> Any:
    """What must stay of *value* when it is covered."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    # A word of the dialect becomes the first one, None.
    return (bytes, 4 if value in PB.codes else len(value)) if isinstance(value, bytes) else type(value)


def decoded(data: bytes) -> list[Any]:
    decoder = Decoder(PB)
    decoder.feed(data)
    return list(decoder)


@given(expressions(), st.randoms(use_true_random=False))
def test_whatever_is_covered_keeps_its_length_and_shape(value: Any, dice: random.Random) -> None:
    raw = roundabout([b"head", value, b"kept"], dice)

    covered = overwrite(raw, [b"head", value, b"kept"], [(1,)])

    assert len(covered) == len(raw)
    (found,) = decoded(covered)
    assert found[0] == b"head"
    assert found[2] == b"kept"
    assert shape(found[1]) == shape(value)
    assert overwrite(raw, [b"head", value, b"kept"], []) == raw


@pytest.mark.parametrize(
    ("value", "covered"),
    [
        ([b"unicode", b"x"], [b"unicode", b"*"]),
        ([b"password", b"x"], [b"None", b"*"]),
        ([b"dictionary", [[b"unicode", b"k"], b"v"], b"o"], [b"dictionary", [[b"unicode", b"*"], b"*"], b"*"]),
        ([b"set", [b"None"], [b"boolean", b"true"]], [b"set", [b"None"], [b"boolean", b"****"]]),
        ([b"demo.Thing", [b"dictionary", [b"k", 5]]], [b"demo.Thing", [b"dictionary", [b"*", 0]]]),
        ([b"hunter2", b"x"], [b"*******", b"*"]),
        ([b"instance", b"demo.Thing", [b"dictionary"]], [b"instance", b"*" * 10, [b"dictionary"]]),
        ([b"reference", 3, [b"tuple", 4]], [b"reference", 3, [b"tuple", 0]]),
        ([b"reference", b"x"], [b"reference", b"*"]),
        ([b"dereference", 3], [b"dereference", 3]),
        ([b"dereference", 3, 4], [b"dereference", 0, 0]),
        ([b"reference"], [b"reference"]),
        ([b"a", b"b", b"c", [b"d"]], [b"*", b"*", b"*", [b"*"]]),
        ([[b"a"], -5, 2**31, -(2**40)], [[b"*"], 0, 0, 0]),
        ([], []),
    ],
)
def test_tags_and_classes_stay_and_all_else_is_covered(value: Any, covered: Any) -> None:
    raw = encode([value], PB)

    assert decoded(overwrite(raw, [value], [(0,)])) == [[covered]]


def test_a_number_that_is_too_long_for_a_luid_does_not_become_one() -> None:
    value = [b"demo.Thing", 2**70, [b"dictionary"]]
    (found,) = decoded(overwrite(encode(value, PB), value, [()]))

    assert found[1].bit_length() > 60


def test_a_path_covers_only_what_it_leads_to() -> None:
    value = [b"a", [b"b", b"c", [b"d", b"e"]], b"f"]

    covered = overwrite(encode(value, PB), value, [(1, 1), (1, 2, 0), (2,)])

    assert decoded(covered) == [[b"a", [b"b", b"*", [b"*", b"e"]], b"*"]]


@given(st.binary(max_size=200))
def test_whatever_does_not_decode_keeps_its_length(rest: bytes) -> None:
    for dialect in (PB, NONE):
        assert len(blot(rest, dialect)) == len(rest)


@given(st.lists(st.tuples(st.sampled_from(Side), st.binary(max_size=60)), max_size=8), st.booleans())
def test_whatever_the_bytes_are_nothing_is_lost_and_nothing_raised(said: list[tuple[Side, bytes]], begun: bool) -> None:
    pieces: list[Piece] = list(BEGUN) if begun else []
    pieces += [Chunk(1.0, 1, side, data) for side, data in said]

    found = masked([*pieces, CLOSED])

    for side in Side:
        assert len(stream(found, side)) == len(stream(pieces, side))


@given(st.integers(0, 2**32), st.sampled_from(NAMES))
def test_a_damaged_conversation_keeps_its_structure(seed: int, name: str) -> None:
    dice = random.Random(seed)
    pieces: list[Piece] = [OPENED]
    for chunk in chunks(name)[:6]:
        data = bytearray(chunk.data[:2000])
        for _ in range(dice.randrange(3)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        pieces.append(Chunk(chunk.at, 1, chunk.sender, bytes(data)))
    pieces.append(CLOSED)

    found = masked(pieces)

    assert [type_of(each)[:2] for each in structure(found)] == [type_of(each)[:2] for each in structure(pieces)]
