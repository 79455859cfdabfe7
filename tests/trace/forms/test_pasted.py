"""Bytes that somebody pasted are explained as far as they go."""

from __future__ import annotations

import pickle
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.broker.jelly import jelly
from pbshell.trace.forms.pasted import explain_bytes
from pbshell.wire.banana import NONE, PB, Dialect, encode
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from tests.strategies import expressions
from tests.trace.recordings import NAMES, chunks

OFFER = encode([b"pb", b"none"])
ECHO = [b"message", 1, b"root", b"echo", 1, [b"tuple", 5], [b"dictionary"]]
BUILD = [b"message", 2, 3, b"build", 1, [b"tuple", [b"remote", 4]], [b"dictionary"]]


def explained(data: bytes) -> list[str]:
    """All that is said of *data*, each a harmless line."""
    lines = list(explain_bytes(data))
    assert all(line.isprintable() and len(line) < 5_000 for line in lines)
    assert len(lines) <= 4_001
    return lines


def heads(data: bytes) -> list[str]:
    """Of each expression, its first line."""
    return [line for line in explained(data) if not line.startswith(" ")]


@pytest.mark.parametrize("dialect", [PB, NONE])
def test_a_frame_is_explained_whatever_its_dialect(dialect: Dialect) -> None:
    data = encode(ECHO, dialect)

    assert explained(data) == [
        f"at byte 0, {len(data)} B: message",
        "  request: 1  (int)",
        "  object: root  (lent by the receiver)",
        "  method: echo",
        "  wants_answer: 1  (int)",
        "  args: a tuple, 1 item",
        "    0: 5  (int)",
        "  kwargs: a dict, in order of insertion, 0 pairs",
    ]


def test_without_a_handshake_nobody_knows_who_is_who() -> None:
    lines = explained(encode(BUILD, PB))

    assert "  object: receiver's 3  (lent by the receiver)" in lines
    assert "    0: sender's 4  (an object of the sender, lent once more)" in lines


@pytest.mark.parametrize(
    ("begin", "words", "names"),
    [
        (OFFER, "at byte 0, 12 B: the server offers the dialects pb, none", ["c3", "s4"]),
        (encode(b"pb"), "at byte 0, 4 B: the client chooses the dialect pb", ["s3", "c4"]),
        (encode(b"none"), "at byte 0, 6 B: the client chooses the dialect none", ["s3", "c4"]),
    ],
)
def test_a_word_of_the_handshake_tells_who_is_who(begin: bytes, words: str, names: list[str]) -> None:
    lines = explained(begin + encode(BUILD, PB))

    assert lines[0] == words
    assert f"  object: {names[0]}  (lent by the receiver)" in lines
    assert f"    0: {names[1]}  (an object of the sender, lent once more)" in lines


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (jelly({"a": 1}), "no verb: PB has no verb 'dictionary'"),
        (5, "no verb: an int came where a verb was due: a verb is a list"),
        ([b"pb\x1b[2J"], "no verb: PB has no verb 'pb\\\\x1b[2J'"),
        ([5], "no verb: a list came that begins with an int: a verb begins with its word"),
        ([b"decref"], "no verb: decref has 0 fields instead of 1 (object)"),
        (b"something", "no verb: a string came where a verb was due: a verb is a list"),
    ],
)
def test_what_is_no_verb_is_shown_as_jelly(value: Any, words: str) -> None:
    data = encode(value, PB)

    assert heads(data) == [f"at byte 0, {len(data)} B: {words}"]
    assert explained(data)[1].startswith("  value: ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", Side)
def test_a_recorded_stream_is_explained_to_its_end(name: str, side: Side) -> None:
    data = b"".join(piece.data for piece in chunks(name) if piece.sender is side)
    lines = heads(data)

    if lines[-1].startswith("... and more"):
        lines = lines[:-1]
    else:
        assert sum(int(line.split()[3].replace(",", "")) for line in lines) == len(data)
    places = [int(line.split()[2].removesuffix(",").replace(",", "")) for line in lines]
    assert places[0] == 0
    assert all(before < after for before, after in pairwise(places))
    assert not [line for line in lines if "no verb" in line or "cannot" in line]


# What is left


def test_of_a_frame_that_is_cut_it_is_said_how_many_bytes_are_missing() -> None:
    data = encode([b"answer", 1, b"x" * 100], PB)

    assert heads(encode([b"version", 6], PB) + data[:-30])[1] == (
        f"at byte 6, {len(data) - 30} B: an expression begins that is not complete, at least 30 bytes are missing"
    )
    for cut in range(1, len(data)):
        assert "not complete" in heads(data[:cut])[0]
    assert explained(data[:1])[1] == f"  000000  {'03':<47}  |.|"


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"\x05\x80", "at least 5 bytes"),
        (b"\x84", "at least 8 bytes"),
        (b"\x02\x80\x84\x40", "at least 8 bytes"),
        (b"\x05\x82ab", "at least 3 bytes"),
        (b"\x01", "at least 1 bytes"),
        (b"\x00\x00\x10\x82", "at least 262,144 bytes"),
        (b"\x00\x00\x00\x01\x82", "over 1,048,576 bytes"),
    ],
)
def test_missing_bytes_are_counted(data: bytes, missing: str) -> None:
    assert heads(data)[0].endswith(f"not complete, {missing} are missing")


def test_what_cannot_be_read_is_shown_with_what_is_around_it() -> None:
    data = encode([b"answer", 1, b"x" * 100], PB) + b"\x01\x99" + bytes(100)

    assert explained(data)[0] == "at byte 0, 108 B: answer"
    assert explained(data)[-8:] == [
        "at byte 108 it cannot be read: type byte 0x99 does not exist in banana",
        f"  000040  {' '.join(['78'] * 16)}  |xxxxxxxxxxxxxxxx|",
        f"  000050  {' '.join(['78'] * 16)}  |xxxxxxxxxxxxxxxx|",
        f"  000060  {' '.join(['78'] * 12)} 01 99 00 00  |xxxxxxxxxxxx....|",
        "  " + " " * 44 + "^^",
        f"  000070  {' '.join(['00'] * 16)}  |................|",
        f"  000080  {' '.join(['00'] * 12)}              |............|",
        "... 102 bytes from there on are not read",
    ]


@pytest.mark.parametrize("dialect", [PB, NONE])
def test_behind_what_cannot_be_read_the_next_verb_is_found(dialect: Dialect) -> None:
    frames = encode([b"version", 6], dialect) + encode(ECHO, dialect)
    data = encode([b"decref", 4], PB) + b"\x99garbage" + frames + encode([b"decref", 5], dialect)

    lines = heads(data)

    assert [line.rpartition(": ")[2] for line in lines[0:1] + lines[3:]] == ["decref", "version", "message", "decref"]
    assert lines[1] == "at byte 6 it cannot be read: type byte 0x99 does not exist in banana"
    assert lines[2] == "at byte 14 it can be read again, 8 bytes are passed over"


def test_a_stream_that_is_met_in_its_middle_is_read_from_the_first_verb_on() -> None:
    data = b"\x7f\x82the end of a text" + encode([b"version", 6], PB) + encode(ECHO, PB)
    lines = heads(data)

    assert lines[0] == "at byte 19 it can be read again, 19 bytes are passed over"
    assert [line.rpartition(": ")[2] for line in lines[1:]] == ["version", "message"]


def test_it_is_not_tried_for_ever() -> None:
    frame = encode([b"version", 6], PB)
    lines = heads((frame * 2 + b"\x99") * 20)

    assert len([line for line in lines if "read again" in line]) == 4
    assert lines[-1] == "... 208 bytes from there on are not read"


def test_limits_can_be_given() -> None:
    lines = list(explain_bytes(encode(b"x" * 100), Limits(string=50)))

    assert lines[0] == "at byte 0 it cannot be read: a string of 100 bytes exceeds 50"
    lines = list(explain_bytes(b"\x64\x80\x05\x81", Limits(expression=50)))
    assert lines[0].endswith("not complete, more bytes than an expression may have are missing")


def test_an_endless_stream_is_cut() -> None:
    lines = explained(encode(ECHO, PB) * 1_000)

    assert len(lines) == 4_001
    assert lines[-1] == "... and more: 30,000 bytes in all"


# What is no PB


def test_another_protocol_is_named_with_what_to_do() -> None:
    lines = explained(b"GET / HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n")

    assert lines[0].startswith("this is an HTTP request (GET / HTTP/1.1): a browser, ")
    assert lines[1].startswith("  000000  47 45 54")


def test_a_pickle_is_disassembled() -> None:
    data = pickle.dumps({"a": 1}, 2)

    assert explained(data)[0] == f"no PB, but this: pickle, protocol 2, {len(data)} B: dict"
    assert explained(data)[1] == "       0 PROTO 2"
    assert explained(zlib.compress(data))[-1].endswith("STOP")
    assert explained(zlib.compress(b"text"))[-1].endswith("|text|")
    assert explained(len(data).to_bytes(4, "big") + data)[0].startswith("this is a Python pickle: ")


def test_no_bytes_say_nothing() -> None:
    assert explained(b"") == ["there are no bytes"]


# Whatever it is


@given(st.binary(max_size=300))
def test_any_bytes_are_explained(data: bytes) -> None:
    assert explained(data)


@given(expressions(), st.integers(0, 20), st.binary(max_size=5))
def test_any_expression_is_explained_also_when_it_is_damaged(value: Any, cut: int, added: bytes) -> None:
    data = encode(value, PB)

    assert explained(encode([b"answer", 1, value], PB))[0].endswith("answer")
    assert explained(data[:cut] + added + data[cut:])


@pytest.mark.parametrize(
    "data",
    [
        b"\x07\x80\x1a\x87" * 20_000,
        b"\x02\x80\x13\x87\x06\x81\x99" * 10_000,
        b"\x7f" * 100_000,
        b"\x01\x80" * 50_000,
        b"\xff\xff\xff\x7f\x82" * 10,
        b"\x03\x80\x1b\x87\x01\x81\x7f\x7f\x7f\x7f\x82",
        encode([b"answer", 1, [b"list", *([b"unicode", b"\xc2\x9b31m\x1b]52;c;aGk=\x07"] for _ in range(20_000))]], PB),
    ],
)
def test_hostile_bytes_are_explained_before_long(data: bytes) -> None:
    assert explained(data)
