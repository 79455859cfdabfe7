"""The PB manual on banana: how values become bytes, and how a session begins."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from pbshell import pb
from pbshell.defer import Deferred
from pbshell.testing import loopback
from pbshell.wire.banana import DIALECTS, NONE, PB, WORDS, Decoder, encode
from pbshell.wire.chunk import Side
from tests.manual.talk import result, said

#: The worked examples of the specification: a value and its bytes.
EXAMPLES: list[tuple[Any, str]] = [
    (1, "01 81"),
    (-1, "01 83"),
    (1.5, "84 3f f8 00 00 00 00 00 00"),
    (b"hello", "05 82 68 65 6c 6c 6f"),
    ([], "00 80"),
    ([1, 23], "02 80 01 81 17 81"),
    (123456789123456789, "15 3e 41 66 3a 69 26 5b 01 85"),
    ([1, [b"hello"]], "02 80 01 81 01 80 05 82 68 65 6c 6c 6f"),
]


def decoded(data: bytes, dialect: Any = NONE) -> list[Any]:
    decoder = Decoder(dialect)
    decoder.feed(data)
    return list(decoder)


def test_a_length_is_written_in_base_128_with_the_least_significant_digit_first() -> None:
    """B1."""
    assert encode(b"x" * 4674).startswith(bytes.fromhex("42 24 82"))
    assert 0x42 + 0x24 * 128 == 4674


@pytest.mark.parametrize("value", [0, 127, 128, 2**31, -(2**40), b"x" * 300, [1] * 300, [[b"a", -5], 2.5]])
def test_only_delimiters_have_the_high_bit_set(value: Any) -> None:
    """B2."""
    data = encode(value)
    for payload in (b"x" * 300, struct.pack(">d", 2.5)):
        data = data.replace(payload, b"")

    assert {byte for byte in data if byte >= 0x80} <= set(range(0x80, 0x87))


def test_a_list_counts_its_direct_elements_and_a_nested_list_as_one() -> None:
    """B3."""
    assert encode([1, [2, 3, 4]])[:2] == bytes((2, 0x80))


@pytest.mark.parametrize(
    ("number", "data"), [(0, "00 81"), (1, "01 81"), (128, "00 01 81"), (2147483647, "7f 7f 7f 7f 07 81")]
)
def test_an_integer_is_its_own_prefix(number: int, data: str) -> None:
    """B4."""
    assert encode(number) == bytes.fromhex(data)
    assert decoded(bytes.fromhex(data)) == [number]


def test_a_string_is_followed_by_exactly_as_many_bytes_as_it_is_long() -> None:
    """B5."""
    assert encode(b"abc") == b"\x03\x82abc"
    assert decoded(b"\x03\x82abc\x01\x81") == [b"abc", 1]
    assert decoded(b"\x03\x82ab") == []


@pytest.mark.parametrize(("number", "data"), [(-1, "01 83"), (-2147483648, "00 00 00 00 08 83")])
def test_a_negative_integer_is_written_as_its_opposite(number: int, data: str) -> None:
    """B6."""
    assert encode(number) == bytes.fromhex(data)
    assert decoded(bytes.fromhex(data)) == [number]


def test_a_float_is_eight_bytes_big_endian_without_a_length() -> None:
    """B7."""
    assert encode(1.5) == b"\x84" + struct.pack(">d", 1.5)


@pytest.mark.parametrize(("number", "delimiter"), [(2**31, 0x85), (2**447, 0x85), (-(2**31) - 1, 0x86)])
def test_beyond_32_bits_an_integer_is_a_large_one(number: int, delimiter: int) -> None:
    """B8."""
    data = encode(number)

    assert data[-1] == delimiter
    assert decoded(data) == [number]


def test_large_integers_are_limited_to_64_digits_as_with_twisted_and_the_limit_is_settable() -> None:
    """B9."""
    largest = 2**448 - 1
    assert decoded(encode(largest)) == [largest]
    with pytest.raises(pb.CannotEncode, match=r"Limits\(prefix=\.\.\.\)"):
        encode(2**448)

    wide = pb.Limits(prefix=100)
    decoder = Decoder(NONE, wide)
    decoder.feed(encode(2**448, NONE, wide))
    assert list(decoder) == [2**448]


@pytest.mark.parametrize(("value", "data"), EXAMPLES)
def test_the_worked_examples_encode_as_they_stand_in_the_specification(value: Any, data: str) -> None:
    """B10."""
    assert encode(value) == bytes.fromhex(data)


@pytest.mark.parametrize(("value", "data"), EXAMPLES)
def test_the_worked_examples_decode_however_they_are_cut(value: Any, data: str) -> None:
    """B11."""
    whole = bytes.fromhex(data)
    for cut in range(len(whole) + 1):
        decoder = Decoder()
        decoder.feed(whole[:cut])
        before = list(decoder)
        decoder.feed(whole[cut:])
        assert before + list(decoder) == [value]

    decoder = Decoder()
    got: list[Any] = []
    for byte in whole:
        decoder.feed(bytes((byte,)))
        got += decoder
    assert got == [value]


def test_strings_are_bytes_and_text_is_refused() -> None:
    """B12."""
    assert decoded(encode(b"hello")) == [b"hello"]
    with pytest.raises(pb.CannotEncode, match=r"builtins\.str"):
        encode("hello")


def test_two_profiles_are_defined_each_with_a_name_of_its_own() -> None:
    """B13."""
    assert list(DIALECTS) == [b"pb", b"none"]
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {b"pb": b"pb", b"none": b"none"}


def test_profile_none_is_the_element_types_and_nothing_else_and_both_ends_speak_it() -> None:
    """B14."""

    class Echoer(pb.Root):
        def remote_echo(self, value: object) -> object:
            return value

    loop = loopback(Echoer(), handshake=False)
    loop.client.receive_data(encode([b"none"]))
    loop.server.data_to_send()
    loop.run()

    assert result(loop, loop.root.callRemote("echo", [b"list", 1, 2.5, {"a": None}])) == [b"list", 1, 2.5, {"a": None}]
    assert loop.client.dialect is loop.server.dialect is NONE
    assert b"\x87" not in loop.sent[Side.CLIENT] + loop.sent[Side.SERVER]


def test_profile_pb_gives_each_of_31_words_one_byte() -> None:
    """B15."""
    assert len(WORDS) == 31
    assert (WORDS[0], WORDS[0x12], WORDS[0x1E]) == (b"None", b"version", b"uncache")
    for number, word in enumerate(WORDS, 1):
        assert encode(word, PB) == bytes((number, 0x87))
        assert decoded(bytes((number, 0x87)), PB) == [word]
    assert encode(b"hello", PB) == encode(b"hello", NONE)


def test_the_code_of_a_word_stands_before_0x87_as_real_peers_write_it() -> None:
    """B16."""
    assert encode([b"version", 6], PB) == bytes.fromhex("02 80 13 87 06 81")
    with pytest.raises(pb.BananaError, match="the number comes before 0x87"):
        decoded(bytes.fromhex("87 13"), PB)


def test_the_server_speaks_first_and_offers_its_profiles() -> None:
    """B17."""
    loop = loopback(pb.Root(), handshake=False)

    assert loop.client.data_to_send() == b""
    assert decoded(loop.server.data_to_send()) == [[b"pb", b"none"]]


def test_the_client_answers_with_one_of_them_and_the_whole_session_uses_it() -> None:
    """B18."""
    loop = loopback(pb.Root())

    assert said(loop, Side.CLIENT) == [b"pb", [b"version", 6]]
    assert loop.client.dialect is loop.server.dialect is PB


def test_a_word_by_number_in_a_none_session_is_illegal_and_ends_it() -> None:
    """B19."""
    loop = loopback(pb.Root(), handshake=False)
    loop.server.receive_data(encode(b"none"))

    with pytest.raises(pb.DialectError, match="has no words"):
        loop.server.receive_data(bytes.fromhex("02 80 13 87 06 81"))


def test_one_message_does_not_depend_on_another() -> None:
    """B20."""
    messages = [1, b"two", [3.0, [b"four"]], -5, []]
    assert decoded(b"".join(map(encode, messages))) == messages
    assert decoded(b"".join(map(encode, reversed(messages)))) == messages[::-1]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x04\x82what", id="a profile that was not offered"),
        pytest.param(b"\x02\x82pb\x02\x80\x13\x87\x06\x81\x01\x99", id="a type byte that does not exist"),
        pytest.param(b"\x02\x82pb\x05\x81", id="banana that is no message of PB"),
    ],
)
async def test_what_is_illegal_closes_the_connection(data: bytes) -> None:
    """B21."""
    async with pb.serve(pb.Root(), "tcp:0") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.readexactly(12) == encode([b"pb", b"none"])
        writer.write(data)
        await reader.read()  # until the server closes

        writer.close()
        await writer.wait_closed()


def test_after_the_negotiation_both_ends_are_the_same() -> None:
    """B22."""

    class Peer(pb.Root):
        def __init__(self, value: object) -> None:
            self.value = value
            self.friend: Any = None

        def remote_meet(self, friend: pb.RemoteReference) -> None:
            self.friend = friend

        def remote_value(self) -> object:
            return self.value

        def remote_ask(self) -> Deferred[Any]:
            answer: Deferred[Any] = self.friend.callRemote("value")
            return answer

    loop = loopback(Peer("the server's"))
    result(loop, loop.root.callRemote("meet", Peer("the client's")))

    assert result(loop, loop.root.callRemote("ask")) == "the client's"
    assert [word for word, *_ in said(loop, Side.CLIENT)[1:]] == [b"version", b"message", b"message", b"answer"]
