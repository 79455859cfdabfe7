"""Banana, fed whole, byte by byte, and cut in two at every position."""

from __future__ import annotations

import math
import struct
import tracemalloc
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbshell.errors import BananaError, CannotEncode, DialectError, LimitExceeded, PeerError
from pbshell.wire.banana import DIALECTS, NONE, PB, WORDS, Decoder, Dialect, encode
from pbshell.wire.limits import Limits
from tests.strategies import expressions

OFFER = b"\x02\x80\x02\x82pb\x04\x82none"
VERSION = b"\x02\x80\x13\x87\x06\x81"
EDGE = 2**448


class Outcome(NamedTuple):
    """What a decoder made of some bytes."""

    expressions: list[Any]
    error: tuple[Any, ...] | None
    offset: int
    rest: bytes


def read(pieces: Iterable[bytes], dialect: Dialect = NONE, limits: Limits = Limits()) -> Outcome:  # noqa: B008
    """Feed *pieces*, one after the other, to a new decoder."""
    decoder = Decoder(dialect, limits)
    found: list[Any] = []
    error = None
    for piece in pieces:
        decoder.feed(piece)
        try:
            found += decoder
        except PeerError as refused:
            # How large it will be, nobody knows before it is there; that it is too large, everybody does.
            message = str(refused) if getattr(refused, "limit", "") not in ("expression", "items") else ""
            error = type(refused), message, refused.offset
    return Outcome(found, error, decoder.offset, decoder.rest)


def ways_to_cut(data: bytes) -> Iterator[list[bytes]]:
    """All at once, byte by byte, and in two at every position."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(len(data) + 1):
        yield [data[:at], data[at:]]


def read_in_every_way(data: bytes, dialect: Dialect = NONE, limits: Limits = Limits()) -> Outcome:  # noqa: B008
    """What comes of *data*, which has to be the same however it is cut."""
    whole = read([data], dialect, limits)
    for pieces in ways_to_cut(data):
        assert repr(read(pieces, dialect, limits)) == repr(whole), pieces
    return whole


def refused(data: bytes, dialect: Dialect = NONE, limits: Limits = Limits()) -> Outcome:  # noqa: B008
    outcome = read_in_every_way(data, dialect, limits)
    assert outcome.error is not None
    return outcome


# ------------------------------------------------------------------------------------------- values and bytes

BOTH_WAYS: list[tuple[Any, bytes]] = [
    (0, b"\x00\x81"),
    (1, b"\x01\x81"),
    (127, b"\x7f\x81"),
    (128, b"\x00\x01\x81"),
    (2**14 - 1, b"\x7f\x7f\x81"),
    (2**14, b"\x00\x00\x01\x81"),
    (2**31 - 1, b"\x7f\x7f\x7f\x7f\x07\x81"),
    (2**31, b"\x00\x00\x00\x00\x08\x85"),
    (-1, b"\x01\x83"),
    (-(2**31), b"\x00\x00\x00\x00\x08\x83"),
    (-(2**31) - 1, b"\x01\x00\x00\x00\x08\x86"),
    (EDGE - 1, b"\x7f" * 64 + b"\x85"),
    (1 - EDGE, b"\x7f" * 64 + b"\x86"),
    (1.0, b"\x84" + struct.pack(">d", 1.0)),
    (-0.0, b"\x84" + struct.pack(">d", -0.0)),
    (math.inf, b"\x84" + struct.pack(">d", math.inf)),
    (b"", b"\x00\x82"),
    (b"getTwo", b"\x06\x82getTwo"),
    (b"x" * 127, b"\x7f\x82" + b"x" * 127),
    (b"x" * 128, b"\x00\x01\x82" + b"x" * 128),
    ([], b"\x00\x80"),
    ([b"pb", b"none"], OFFER),
    ([1, [2.0, [b"three", []]], 4], b"\x03\x80\x01\x81\x02\x80\x84" + struct.pack(">d", 2) + b"\x02\x80\x05\x82three\x00\x80\x04\x81"),  # noqa: E501 - a row of a table
    ([b"unicode", b"short"], b"\x02\x80\x07\x82unicode\x05\x82short"),
    ([b"unicode", b""], b"\x02\x80\x07\x82unicode\x00\x82"),
    ([b"unicode", b"x" * 200], b"\x02\x80\x07\x82unicode\x48\x01\x82" + b"x" * 200),
    ([b"unicode", 5], b"\x02\x80\x07\x82unicode\x05\x81"),
    ([b"unicode", [b"unicode", b"in a text"]], b"\x02\x80\x07\x82unicode\x02\x80\x07\x82unicode\x09\x82in a text"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "data"), BOTH_WAYS, ids=lambda each: repr(each)[:40])
def test_a_value_and_its_bytes(value: Any, data: bytes) -> None:
    assert encode(value) == data
    outcome = read_in_every_way(data)
    assert repr(outcome.expressions) == repr([value])
    assert outcome == Outcome(outcome.expressions, None, len(data), b"")


def test_a_list_of_127_items_and_one_of_128() -> None:
    assert encode([0] * 127).startswith(b"\x7f\x80\x00\x81")
    assert encode([0] * 128).startswith(b"\x00\x01\x80\x00\x81")
    assert read_in_every_way(encode([0] * 128)).expressions == [[0] * 128]


def test_not_a_number_is_a_number_to_banana() -> None:
    (number,) = read_in_every_way(encode(math.nan)).expressions
    assert math.isnan(number)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x81", 0),
        (b"\x82", b""),
        (b"\x80", []),
        (b"\x05\x00\x00\x81", 5),
        (b"\x00\x83", 0),
        (b"\x05\x85", 5),
        (b"\x05\x86", -5),
        (b"\x7f" * 10 + b"\x81", 2**70 - 1),
        (b"\x7f" * 10 + b"\x83", 1 - 2**70),
        (b"\x05\x84" + struct.pack(">d", 1.5), 1.5),
        (b"\x00" * 64 + b"\x84" + struct.pack(">d", 1.5), 1.5),
        (b"\x01\x00" + b"\x82" + b"x", b"x"),
        (b"\x02\x00\x80\x81\x81", [0, 0]),
    ],
)
def test_what_no_encoder_would_send_is_read_all_the_same(data: bytes, value: Any) -> None:
    assert read_in_every_way(data) == Outcome([value], None, len(data), b"")


@given(st.lists(expressions(), max_size=4), st.sampled_from([PB, NONE]), st.data())
def test_what_is_encoded_is_decoded_however_it_is_cut(values: list[Any], dialect: Dialect, data: st.DataObject) -> None:
    stream = b"".join(encode(value, dialect) for value in values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert repr(read(pieces, dialect)) == repr(Outcome(values, None, len(stream), b""))


@given(st.binary(max_size=40), st.sampled_from([PB, NONE]))
@example(b"\x02\x80\x07\x82unicode\x05\x82shor", PB)
@example(b"\x02\x80\x07\x82unicode\x80", NONE)
def test_whatever_the_bytes_they_read_alike_however_they_are_cut(data: bytes, dialect: Dialect) -> None:
    outcome = read_in_every_way(data, dialect)

    assert data[outcome.offset :] == outcome.rest
    assert outcome.error is None or issubclass(outcome.error[0], PeerError)


# ------------------------------------------------------------------------------------------- words


def test_dialect_pb_has_31_words_numbered_from_1() -> None:
    assert len(WORDS) == 31
    for number, word in enumerate(WORDS, 1):
        data = bytes((number, 0x87))
        assert encode(word, PB) == data
        assert read_in_every_way(data, PB).expressions == [word]
        assert encode(word, NONE) == bytes((len(word), 0x82)) + word


def test_a_word_is_replaced_wherever_it_stands_and_only_when_it_is_exact() -> None:
    assert encode([b"unicode", b"list"], PB) == b"\x02\x80\x07\x82unicode\x08\x87"
    assert encode(b"List", PB) == b"\x04\x82List"
    assert encode(b"lists", PB) == b"\x05\x82lists"


def test_a_word_that_is_spelled_out_is_that_word() -> None:
    assert read_in_every_way(b"\x07\x82message", PB).expressions == [b"message"]
    assert read_in_every_way(b"\x1a\x00\x87", PB).expressions == [b"message"]


def test_the_delimiter_comes_behind_the_number_of_a_word() -> None:
    """The written specification has it the other way round."""
    outcome = refused(b"\x87\x13", PB)

    assert outcome.error == (
        BananaError,
        "dialect pb has no word 0; the number comes before 0x87, not behind it (at byte 0)",
        0,
    )


def test_a_word_beyond_31_does_not_exist() -> None:
    assert refused(b"\x01\x81\x20\x87", PB).error == (BananaError, "dialect pb has no word 32 (at byte 2)", 2)


def test_dialect_none_has_no_words() -> None:
    outcome = refused(b"\x01\x87", NONE)

    assert outcome.error == (DialectError, "word 1 came, and the dialect agreed upon has no words (at byte 0)", 0)


def test_a_dialect_is_shown_by_its_name() -> None:
    assert [repr(dialect) for dialect in DIALECTS.values()] == ["<dialect pb>", "<dialect none>"]


def test_the_dialect_may_change_between_two_expressions() -> None:
    """The server's version follows its offer in dialect pb; the decoder has not looked at it yet."""
    decoder = Decoder(NONE)
    decoder.feed(OFFER + VERSION)

    assert next(decoder) == [b"pb", b"none"]
    decoder.dialect = PB
    assert next(decoder) == [b"version", 6]


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("byte", [0x88, 0x90, 0xFF])
def test_a_byte_that_is_no_delimiter_is_refused(byte: int) -> None:
    outcome = refused(b"\x01\x81" + bytes((byte,)))

    assert outcome.expressions == [1]
    assert outcome.error == (BananaError, f"type byte 0x{byte:02x} does not exist in banana (at byte 2)", 2)


@pytest.mark.parametrize("delimiter", [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87])
def test_64_digits_are_read_and_65_are_not(delimiter: int) -> None:
    outcome = refused(b"\x01" * 65 + bytes((delimiter,)))

    assert outcome.error == (
        LimitExceeded,
        "a prefix of 65 digits exceeds 64 (at byte 0): Limits(prefix=64) here",
        0,
    )
    assert read_in_every_way(b"\x00" * 64 + b"\x81").expressions == [0]


def test_65_digits_are_refused_before_any_delimiter_comes() -> None:
    assert read_in_every_way(b"\x01" * 64).error is None
    assert refused(b"\x01" * 65).error is not None


OVER: list[tuple[str, bytes, Limits, str]] = [
    ("string", b"\x05\x82xxxxx", Limits(string=4), "a string of 5 bytes exceeds 4 (at byte 0): Limits(string=4) here"),
    ("the string's head", b"\x05\x82", Limits(string=4), "a string of 5 bytes exceeds 4"),
    ("text", b"\x02\x80\x07\x82unicode\x09\x82", Limits(string=8), "a string of 9 bytes exceeds 8 (at byte 11)"),
    ("list", b"\x05\x80\x81\x81\x81\x81\x81", Limits(list=4), "a list of 5 items exceeds 4 (at byte 0): Limits(list=4) here"),  # noqa: E501 - a row of a table
    ("the list's head", b"\x05\x80", Limits(list=4), "a list of 5 items exceeds 4"),
    ("depth", b"\x01\x80" * 4, Limits(depth=3), "an expression of 4 lists deep exceeds 3 (at byte 6): Limits(depth=3) here"),  # noqa: E501 - a row of a table
    ("depth of a text", b"\x01\x80" * 3 + b"\x02\x80\x07\x82unicode\x01\x82x", Limits(depth=3), "4 lists deep exceeds 3 (at byte 6)"),  # noqa: E501 - a row of a table
]  # fmt: skip


@pytest.mark.parametrize(("data", "limits", "message"), [each[1:] for each in OVER], ids=[each[0] for each in OVER])
def test_what_exceeds_a_limit_is_refused_as_soon_as_it_is_announced(data: bytes, limits: Limits, message: str) -> None:
    kind, text, _ = refused(data, limits=limits).error or ()

    assert kind is LimitExceeded
    assert message in text


EXACT: list[tuple[bytes, Limits]] = [
    (b"\x05\x82xxxxx", Limits(string=5)),
    (b"\x02\x80\x07\x82unicode\x09\x82123456789", Limits(string=9)),
    (b"\x05\x80\x81\x81\x81\x81\x81", Limits(list=5)),
    (b"\x01\x80" * 3 + b"\x80", Limits(depth=3)),
    (b"\x01\x80" * 2 + b"\x02\x80\x07\x82unicode\x01\x82x", Limits(depth=3)),
    (b"\x02\x80\x02\x80\x81\x81\x80", Limits(items=4)),
    (b"\x03\x80" + b"\x02\x80\x07\x82unicode\x01\x82x" * 3, Limits(items=9)),
    (b"\x02\x80\x05\x82xxxxx\x81", Limits(expression=10)),
]


@pytest.mark.parametrize(("data", "limits"), EXACT, ids=repr)
def test_what_reaches_a_limit_is_read_each_time(data: bytes, limits: Limits) -> None:
    """The budget of one expression is not charged for the one before, nor twice where it is cut."""
    outcome = read_in_every_way(data * 3, limits=limits)

    assert outcome.error is None
    assert len(outcome.expressions) == 3


def test_too_many_items_in_all_lists_of_an_expression_are_refused() -> None:
    data = b"\x03\x80\x80\x80\x02\x80\x81\x81"
    assert read_in_every_way(data, limits=Limits(items=5)).expressions == [[[], [], [0, 0]]]
    assert refused(data, limits=Limits(items=4)).error == (LimitExceeded, "", 4)

    decoder = Decoder(limits=Limits(items=4))
    decoder.feed(data)
    with pytest.raises(
        LimitExceeded, match=r"an expression of 5 items exceeds 4 \(at byte 4\): Limits\(items=4\) here"
    ):
        next(decoder)


@pytest.mark.parametrize("size", [9, 4])
def test_too_many_bytes_in_an_expression_are_refused_before_they_have_all_come(size: int) -> None:
    data = b"\x01\x81" + b"\x02\x80\x05\x82xxxxx\x81"
    outcome = refused(data, limits=Limits(expression=size))

    assert outcome.expressions == [1]
    assert outcome.error == (LimitExceeded, "", 2)

    decoder = Decoder(limits=Limits(expression=4))
    decoder.feed(b"\x64\x82x")
    with pytest.raises(
        LimitExceeded, match=r"an expression of 102 bytes exceeds 4 \(at byte 0\): Limits\(expression=4\) here"
    ):
        next(decoder)


def test_what_is_refused_once_is_refused_for_ever() -> None:
    decoder = Decoder()
    decoder.feed(b"\x01\x81\xff")

    assert next(decoder) == 1
    for _ in range(2):
        with pytest.raises(BananaError, match="0xff"):
            next(decoder)
        decoder.feed(b"\x01\x81")
    assert decoder.rest == b"\xff\x01\x81\x01\x81"


def test_limits_may_change_between_two_expressions() -> None:
    decoder = Decoder(limits=Limits(string=2, items=2))
    decoder.feed(b"\x02\x82ok\x03\x80\x05\x82xxxxx\x81\x81")

    assert next(decoder) == b"ok"
    decoder.limits = Limits(string=5, items=3)
    assert decoder.limits == Limits(string=5, items=3)
    assert next(decoder) == [b"xxxxx", 0, 0]


def test_the_rest_is_exactly_what_was_not_acted_upon() -> None:
    stream = OFFER + b"\x02\x80\x05\x82hello\x02\x80\x01\x81"
    decoder = Decoder()
    for at in range(len(stream)):
        decoder.feed(stream[at : at + 1])
        list(decoder)
        assert decoder.offset == (len(OFFER) if at >= len(OFFER) - 1 else 0)
        assert decoder.rest == stream[decoder.offset : at + 1]


def test_an_empty_piece_changes_nothing() -> None:
    assert read([b"", OFFER[:5], b"", b"", OFFER[5:], b""]).expressions == [[b"pb", b"none"]]


def test_expressions_are_read_only_when_they_are_asked_for() -> None:
    decoder = Decoder()
    decoder.feed(b"\x01\x81\xff")

    assert next(decoder) == 1  # what is wrong comes behind it


# ------------------------------------------------------------------------------------------- what it costs


def test_a_million_lists_in_each_other_are_refused_at_the_129th() -> None:
    outcome = read([b"\x01\x80" * 1_000_000])

    assert outcome.error == (
        LimitExceeded,
        "an expression of 129 lists deep exceeds 128 (at byte 256): Limits(depth=128) here",
        256,
    )


def test_nothing_is_allocated_from_a_length_that_has_not_arrived() -> None:
    tracemalloc.start()
    try:
        for head in (b"\x00\x00\x28\x82", b"\x00\x00\x28\x80"):
            decoder = Decoder()
            decoder.feed(head + b"\x01\x81" * 10)
            assert next(decoder, None) is None
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


class Stingy(bytes):
    """Bytes that count how often they are cut: what is read twice is cut twice."""

    cuts = 0

    def __getitem__(self, key: Any) -> Any:
        Stingy.cuts += 1
        return super().__getitem__(key)


def test_a_stream_in_small_pieces_is_not_read_again_for_each_of_them() -> None:
    """A list of 20,000 items in pieces of 10 bytes: quadratic reading would take 200 million looks."""
    data = encode([b"12345678"] * 20_000)
    Stingy.cuts = 0
    decoder = Decoder()
    found: list[Any] = []
    for at in range(0, len(data), 10):
        decoder.feed(Stingy(data[at : at + 10]))
        found += decoder

    assert found == [[b"12345678"] * 20_000]
    assert Stingy.cuts < 10 * 20_000


# ------------------------------------------------------------------------------------------- what cannot be sent


@pytest.mark.parametrize("value", ["text", None, {}, set(), bytearray(b"x"), 1j, object(), range(3), memoryview(b"x")])
def test_what_has_no_type_byte_is_refused_and_named(value: Any) -> None:
    name = type(value).__name__
    with pytest.raises(
        CannotEncode, match=f"banana has no type byte for builtins.{name}: send int, float, bytes or a list"
    ):
        encode([1, [value]])


class Colour(IntEnum):
    RED = 5


class Point(NamedTuple):
    x: int
    y: int


class Text(bytes):
    pass


class Real(float):
    pass


class Pile(list):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (True, b"\x01\x81"),
        (False, b"\x00\x81"),
        (Colour.RED, b"\x05\x81"),
        (Real(1.5), encode(1.5)),
        (Text(b"list"), b"\x08\x87"),
        ((1, 2), b"\x02\x80\x01\x81\x02\x81"),
        (Point(1, 2), b"\x02\x80\x01\x81\x02\x81"),
        (Pile([1, Pile()]), b"\x02\x80\x01\x81\x00\x80"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_travels_as_what_it_inherits_from(value: Any, data: bytes) -> None:
    assert encode(value, PB) == data


UNSENDABLE: list[tuple[Any, Limits, str, int, str]] = [
    (EDGE, Limits(), "prefix", 65, "an integer of 65 digits of 7 bits exceeds 64"),
    (-EDGE, Limits(), "prefix", 65, "an integer of 65 digits of 7 bits exceeds 64"),
    (2**21, Limits(prefix=3), "prefix", 4, "an integer of 4 digits"),
    (b"x" * 200, Limits(string=199), "string", 200, "a string of 200 bytes exceeds 199"),
    ([0] * 200, Limits(list=199), "list", 200, "a list of 200 items exceeds 199"),
    ([[[[5]]]], Limits(depth=3), "depth", 4, "a value of 4 lists deep exceeds 3"),
    (Pile([Pile([Pile([5])])]), Limits(depth=2), "depth", 3, "a value of 3 lists deep exceeds 2"),
    ([[0, 0], [0, 0]], Limits(items=5), "items", 6, "a message of 6 items exceeds 5"),
    ([b"xxxx", b"xxxx"], Limits(expression=13), "expression", 14, "a message of 14 bytes exceeds 13"),
]


@pytest.mark.parametrize(
    ("value", "limits", "limit", "size", "message"), UNSENDABLE, ids=[each[4] for each in UNSENDABLE]
)
def test_what_exceeds_a_limit_is_not_sent(value: Any, limits: Limits, limit: str, size: int, message: str) -> None:
    with pytest.raises(CannotEncode, match=message) as caught:
        encode(value, limits=limits)
    error = caught.value
    assert (error.limit, error.size, error.value) == (limit, size, getattr(limits, limit))
    assert f"or raise Limits({limit}=...) on both sides" in str(error)


def test_what_reaches_a_limit_is_sent() -> None:
    tight = Limits(prefix=3, string=5, list=5, depth=2, items=6, expression=25)
    value = [b"xxxxx", [0, 0, 2**14 - 1], b"xxxxx"]

    data = encode(value, limits=tight)
    assert len(data) == 25
    assert read_in_every_way(data, limits=tight).expressions == [value]


def test_a_value_of_any_depth_is_refused_without_recursion() -> None:
    value: Any = []
    for _ in range(100_000):
        value = Pile([value]) if isinstance(value, list) else [value]
    with pytest.raises(CannotEncode, match="a value of 129 lists deep exceeds 128"):
        encode(value)
    while value:  # taken apart from outside: no deep recursion when it dies
        value = value[0]


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CannotEncode, match="lists deep"):
        encode(value)


@settings(max_examples=50)
@given(expressions(), st.integers(1, 60))
def test_what_we_would_refuse_to_read_we_refuse_to_send(value: Any, size: int) -> None:
    """One Limits for both directions: what one end encodes, the other decodes."""
    for limits in (
        Limits(string=size),
        Limits(list=size),
        Limits(depth=size),
        Limits(items=size),
        Limits(expression=size),
    ):
        try:
            data = encode(value, PB, limits)
        except CannotEncode:
            assert read([encode(value, PB)], PB, limits).error is not None
        else:
            assert repr(read([data], PB, limits).expressions) == repr([value])


def test_what_one_expression_was_waiting_for_is_not_asked_of_the_next() -> None:
    """Whoever feeds twice before he reads gets all that is complete."""
    decoder = Decoder(PB)
    decoder.feed(encode(b"x" * 1_000, PB)[:10])
    assert next(decoder, None) is None
    decoder.feed(encode(b"x" * 1_000, PB)[10:])
    assert next(decoder, None) == b"x" * 1_000

    decoder.feed(b"\x05")
    decoder.feed(b"\x81")

    assert next(decoder, None) == 5
