"""Our banana against Twisted's: every recorded value, both ways, in whatever pieces the bytes arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from pbshell.errors import BananaError, CannotEncode, DialectError, LimitExceeded, PeerError
from pbshell.wire.banana import DIALECTS, NONE, PB, WORDS, Decoder, Dialect, encode
from tests.conformance.values import shape, untyped, vectors

VALUES = vectors("banana")
TOLERATED = vectors("banana_decode_only")
INVALID = [item for item in vectors("banana_invalid") if item["direction"] == "decode"]
REFUSED = [item for item in vectors("banana_invalid") if item["direction"] == "encode"]

#: encodings longer than this are split at 200 places instead of everywhere
SHORT = 400


def dialect_of(item: dict[str, Any]) -> Dialect:
    return DIALECTS[item["dialect"].encode()]


def each(items: Iterable[dict[str, Any]]) -> pytest.MarkDecorator:
    """Parametrize over vectors, under their names."""
    chosen = list(items)
    return pytest.mark.parametrize("item", chosen, ids=[f"{item['name']}-{item['dialect']}" for item in chosen])


def decoded(dialect: Dialect, *pieces: bytes) -> list[Any]:
    decoder = Decoder(dialect)
    out: list[Any] = []
    for piece in pieces:
        decoder.feed(piece)
        out.extend(decoder)
    return out


def splits(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """*data* in two pieces: everywhere, or at 200 places when it is long."""
    places = range(len(data) + 1)
    for place in places if len(data) <= SHORT else [*places[:100], *places[-100:]]:
        yield data[:place], data[place:]


def as_sent(value: Any) -> Any:
    """What arrives when *value* is sent as banana: tuples as lists, bools as ints."""
    if isinstance(value, (list, tuple)):
        return [as_sent(item) for item in value]
    return int(value) if isinstance(value, bool) else value


@each(VALUES)
def test_a_value_is_encoded_as_twisted_encodes_it(item: dict[str, Any]) -> None:
    assert encode(untyped(item["value"]), dialect_of(item)).hex() == item["hex"]


@each(VALUES)
def test_the_bytes_give_the_value_back(item: dict[str, Any]) -> None:
    value = as_sent(untyped(item["value"]))
    assert [shape(each) for each in decoded(dialect_of(item), bytes.fromhex(item["hex"]))] == [shape(value)]


@each(VALUES)
def test_the_value_is_the_same_byte_by_byte_and_split_anywhere(item: dict[str, Any]) -> None:
    data, dialect = bytes.fromhex(item["hex"]), dialect_of(item)
    expected = [shape(as_sent(untyped(item["value"])))]
    if len(data) <= 20_000:
        assert [shape(each) for each in decoded(dialect, *(data[i : i + 1] for i in range(len(data))))] == expected
    for pieces in splits(data):
        assert [shape(each) for each in decoded(dialect, *pieces)] == expected


@each(VALUES)
def test_a_value_is_delivered_with_its_last_byte_and_not_before(item: dict[str, Any]) -> None:
    data = bytes.fromhex(item["hex"])
    decoder = Decoder(dialect_of(item))
    decoder.feed(data[:-1])
    assert list(decoder) == []
    assert decoder.rest == data[:-1]
    assert decoder.offset == 0
    decoder.feed(data[-1:] + b"\x05")
    assert len(list(decoder)) == 1
    assert decoder.rest == b"\x05"
    assert decoder.offset == len(data)


@each(TOLERATED)
def test_what_twisted_tolerates_is_tolerated(item: dict[str, Any]) -> None:
    data, dialect = bytes.fromhex(item["hex"]), dialect_of(item)
    expected = [shape(untyped(value)) for value in item["decoded"]]
    assert [shape(value) for value in decoded(dialect, data)] == expected
    assert [shape(value) for value in decoded(dialect, *(data[i : i + 1] for i in range(len(data))))] == expected
    for pieces in splits(data):
        assert [shape(value) for value in decoded(dialect, *pieces)] == expected


@each(item for item in TOLERATED if item["incomplete"])
def test_what_is_not_complete_is_kept(item: dict[str, Any]) -> None:
    decoder = Decoder(dialect_of(item))
    decoder.feed(bytes.fromhex(item["hex"]))
    assert list(decoder) == []
    assert decoder.rest.hex() == item["hex"]


def refusal(dialect: Dialect, *pieces: bytes) -> tuple[list[Any], PeerError | None]:
    """What came out before the refusal, and the refusal."""
    decoder = Decoder(dialect)
    out: list[Any] = []
    try:
        for piece in pieces:
            decoder.feed(piece)
            out.extend(decoder)
    except PeerError as error:
        # The stream is lost: nothing that follows may be read as if nothing had happened.
        with pytest.raises(type(error)):
            next(decoder)
        return out, error
    return out, None


@each(INVALID)
def test_malformed_input_is_a_violation_however_it_is_cut(item: dict[str, Any]) -> None:
    data, dialect = bytes.fromhex(item["hex"]), dialect_of(item)
    before = [shape(untyped(value)) for value in item["decoded_before_error"]]
    for pieces in [(data,), tuple(data[i : i + 1] for i in range(len(data))), *splits(data)]:
        values, error = refusal(dialect, *pieces)
        assert isinstance(error, BananaError | LimitExceeded | DialectError), pieces
        assert [shape(value) for value in values] == before
        assert error.offset is not None
        assert 0 <= error.offset <= len(data)


@each(item for item in INVALID if item["message"].startswith("Security precaution"))
def test_a_limit_is_named_when_it_is_exceeded(item: dict[str, Any]) -> None:
    error = refusal(dialect_of(item), bytes.fromhex(item["hex"]))[1]
    assert isinstance(error, LimitExceeded)
    assert error.limit in ("prefix", "string", "list")
    assert f"Limits({error.limit}={error.value})" in str(error)


UNENCODABLE: dict[str, Any] = {
    "str": "text",
    "none": None,
    "dict": {},
    "bytearray": bytearray(b"x"),
    "complex": 1j,
    "int_2**448": 2**448,
    "int_-(2**448)": -(2**448),
    "bytes_655361": b"x" * 655_361,
    "list_655361": [0] * 655_361,
    "nested_str_in_list": [1, [b"y", ["x"]]],
}


def test_every_recorded_refusal_is_tried() -> None:
    assert set(UNENCODABLE) == {item["value"] for item in REFUSED}


@each(REFUSED)
def test_a_value_that_twisted_refuses_is_refused(item: dict[str, Any]) -> None:
    for dialect in (PB, NONE):
        with pytest.raises(CannotEncode):
            encode(UNENCODABLE[item["value"]], dialect)


def test_the_words_are_twisteds_in_twisteds_order() -> None:
    recorded = sorted(item for item in (entry["name"] for entry in VALUES) if item.startswith("word_"))
    by_number = {int(name[5:7], 16): name[8:].partition("/")[0].encode() for name in recorded}
    assert dict(enumerate(WORDS, 1)) == by_number
