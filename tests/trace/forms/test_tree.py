"""A tree shows all of a dissection, with what it means, and never more than somebody reads."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pbshell.broker.jelly import jelly
from pbshell.trace import Dissection, Undecodable, explain
from pbshell.trace.dissector import Unseen
from pbshell.trace.forms.tree import Full, dump, tree, value_tree, verb_tree
from pbshell.trace.redact import SECRET
from pbshell.trace.values import identity
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.verbs import Answer, CacheMessage, Decache, Decref, Message, Uncache, Verb, Version, parse
from tests.strategies import expressions
from tests.trace.recordings import NAMES, chunks, dissect, lines


def of_client(value: Any) -> list[str]:
    """The tree of *value*, without its first column."""
    return [line.removeprefix("  ") for line in value_tree(value, Side.CLIENT)]


def dissection(what: Any, sender: Side | None = Side.CLIENT) -> Dissection:
    return Dissection(1, 0.0, 1, sender, what)


def harmless(lines: Iterable[str], most: int = 1_500) -> list[str]:
    """All of *lines*, each of which is one line and not endless."""
    found = list(lines)
    assert all(line.isprintable() and len(line) < most for line in found)
    return found


ONE = ["  1: no jelly, 1 item", "    0: 1  (int)"]
DECIMAL = ["  1: b'1'  (bytes, 1 B)", "  2: 2  (int)"]
REST = ["  1: 1  (int)", "  2: 2  (int)", "  3: 3  (int)"]


# One value


def test_each_value_stands_in_a_line_with_what_it_means() -> None:
    value = {"text": "smörgås", "more": [1, 2.5, b"raw", None, True, (), {}], b"key": ("a",)}

    assert of_client(jelly(value)) == [
        "value: a dict, in order of insertion, 3 pairs",
        "  'text': 'smörgås'  (text, as UTF-8)",
        "  'more': a list, 7 items",
        "    0: 1  (int)",
        "    1: 2.5  (float)",
        "    2: b'raw'  (bytes, 3 B)",
        "    3: None",
        "    4: True  (True or False, spelled true and false)",
        "    5: a tuple, 0 items",
        "    6: a dict, in order of insertion, 0 pairs",
        "  b'key': a tuple, 1 item",
        "    0: 'a'  (text, as UTF-8)",
    ]


def test_an_object_has_its_attributes_one_a_line() -> None:
    copy = [b"mod.Copy", [b"dictionary", [[b"unicode", b"name"], b"x"], [b"no name", 1], [[b"list"], 2], b"odd"]]

    assert of_client(copy) == [
        "value: mod.Copy  (a Copyable: its state)",
        "  .name: b'x'  (bytes, 1 B)",
        "  b'no name': 1  (int)",
        "  []: 2  (int)",
        "  no pair: b'odd'  (bytes, 3 B)",
    ]
    assert of_client([b"mod.Copy", 5]) == ["value: mod.Copy  (a Copyable: its state)", "  state: 5  (int)"]
    assert of_client([b"mod.Pond", 4, [b"dictionary", [b"ducks", 2]]]) == [
        "value: cache c4 mod.Pond  (a Cacheable, lent for the first time: luid, state)",
        "  .ducks: 2  (int)",
    ]
    assert of_client([b"instance", [b"class", b"mod.Old"], [b"dictionary"]]) == [
        "value: an instance as old peers write it: class, state",
        "  0: <class b'mod.Old'>  (a class, by its dotted name)",
        "  1: a dict, in order of insertion, 0 pairs",
    ]


def test_a_shared_value_has_a_number_and_is_met_again_under_it() -> None:
    value: list[Any] = [[1], b"x"]
    value += [value[0], value]

    assert of_client(jelly(value)) == [
        "value: &2 = a list, 4 items",
        "  0: &1 = a list, 1 item",
        "    0: 1  (int)",
        "  1: b'x'  (bytes, 1 B)",
        "  2: *1  (the value of that number)",
        "  3: *2  (the value of that number)",
    ]
    assert of_client([b"reference", 7, b"leaf"]) == ["value: &7 = b'leaf'  (bytes, 4 B)"]
    assert of_client([b"reference", 1, [b"reference", 2, 3]])[1:] == ["  0: 2  (int)", "  1: 3  (int)"]
    assert of_client([b"reference", 2**5000, 3])[1:] == ["  0: <int of 5,001 bits>  (int)", "  1: 3  (int)"]


def test_references_are_named() -> None:
    def names(owner: Side, luid: object) -> str:
        return f"{identity(owner, luid)}:\x1blabel"  # type: ignore[arg-type]

    value = [b"list", [b"remote", 3], [b"mod.Pond", 4, 5]]

    assert [line.strip() for line in value_tree(value, Side.SERVER, names=names)][1:] == [
        "0: s3:\\x1blabel  (an object of the sender, lent once more)",
        "1: cache s4:\\x1blabel mod.Pond  (a Cacheable, lent for the first time: luid, state)",
        "state: 5  (int)",
    ]
    assert "object: c5:\\x1blabel  (lent by the receiver)" in "".join(verb_tree(Decref(5), Side.SERVER, names=names))


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ([], ["value: no jelly, 0 items"]),
        ([5, b"x"], ["value: no jelly, 2 items", "  0: 5  (int)", "  1: b'x'  (bytes, 1 B)"]),
        ([b"dereference"], ["value: no jelly, 1 item", "  0: b'dereference'  (bytes, 11 B)"]),
        ([b"remote", [1]], ["value: no jelly, 2 items", "  0: b'remote'  (bytes, 6 B)", *ONE]),
        ([b"decimal", b"1", 2], ["value: no jelly, 3 items", "  0: b'decimal'  (bytes, 7 B)", *DECIMAL]),
        ([b"unicode", 5], ["value: no jelly, 2 items", "  0: b'unicode'  (bytes, 7 B)", "  1: 5  (int)"]),
        ([b"remote", 1, 2, 3], ["value: no jelly, 4 items", "  0: b'remote'  (bytes, 6 B)", *REST]),
        ([b"None", 7], ["value: None", "  0: 7  (int)"]),
        ([b"odd"], ["value: odd  (an object that writes itself)"]),
        (
            [b"odd", 1, 2, 3],
            ["value: odd  (an object that writes itself)", "  0: 1  (int)", "  1: 2  (int)", "  2: 3  (int)"],
        ),
        (SECRET, ["value: ***  (a secret, covered)"]),
    ],
)
def test_what_is_no_jelly_is_shown_as_it_came(value: Any, lines: list[str]) -> None:
    assert of_client(value) == lines


# Long values


def test_a_long_byte_string_is_dumped() -> None:
    lines = of_client(bytes(range(256)) + b"tail")

    assert lines[0] == "value: bytes, 260 B"
    assert lines[1] == "  000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|"
    assert lines[5] == "  000040  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|"
    assert lines[17:] == ["  ... 4 more bytes"]


def test_a_dump_begins_at_an_offset_and_pads_its_last_row() -> None:
    assert list(dump(b"pb\x7f\xff", 0x1234)) == [f"001234  {'70 62 7f ff':<47}  |pb..|"]
    assert list(dump(b"")) == []


def test_a_long_text_is_shown_line_by_line() -> None:
    lines = of_client([b"unicode", b"Traceback:\n  \x1b[2J\n" + b"x" * 150 + b"\n"])

    assert lines == [
        "value: 169 characters  (text, as UTF-8)",
        "  | Traceback:",
        "  |   \\x1b[2J",
        f"  | {'x' * 100}",
        f"  | {'x' * 50}",
    ]
    assert of_client([b"unicode", b"x" * 10_000])[-1] == "  ... 6,000 more characters"


def test_a_pickle_is_disassembled_and_never_loaded(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "canary"), "w")

    data = pickle.dumps([Canary()], 4)
    for value, head in ((data, "value: <pickle, protocol 4"), (zlib.compress(data), "value: <zlib, ")):
        lines = of_client(value)
        assert lines[0].startswith(head)
        assert lines[0].endswith("B: list, calls io.open>") or lines[0].endswith("B: list, calls _io.open>")
        assert lines[-1].endswith(" STOP")
    assert list(tmp_path.iterdir()) == []


def test_of_a_long_pickle_100_opcodes_are_shown() -> None:
    lines = of_client(pickle.dumps([*range(1000)], 2))

    assert len(lines) == 102
    assert lines[-1].endswith("more bytes")


def test_what_zlib_has_packed_is_dumped() -> None:
    assert of_client(zlib.compress(b"plain text")) == [
        "value: <zlib, 18 B, 10 B inflated: b'plain text'>",
        f"  000000  {b'plain text'.hex(' '):<47}  |plain text|",
    ]


def test_a_long_tree_is_cut_and_tells_how_much_is_left() -> None:
    lines = of_client([b"list", *([b"tuple", number, number] for number in range(1000))])

    assert len(lines) == 401
    # 399 lines show 133 tuples; of each of the others, the tag and two numbers are left.
    assert lines[-1] == "... 2,601 more items"
    assert of_client([b"list", *range(100_000)])[-1] == "... over 10,000 more items"


def test_a_tree_is_not_longer_because_of_what_is_below_its_last_line() -> None:
    for number in range(375, 400):
        lines = of_client([b"list", *range(number), bytes(1000), 1])
        assert len(lines) <= 401


def test_a_deep_tree_is_cut() -> None:
    value: Any = 5
    for _ in range(190):
        value = [b"list", value, 1]
    lines = of_client(value)

    assert len(lines) == 32 + 1 + 31
    assert lines[32] == " " * 64 + "...: 318 items deeper inside"
    empty: Any = [b"list"]
    for _ in range(31):
        empty = [b"list", empty]
    assert of_client(empty)[-1].endswith("0: a list, 0 items")


# A whole dissection


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_shown_in_full(name: str) -> None:
    for each in dissect(chunks(name)):
        lines = harmless(tree(each, 0.5))
        assert lines[0] == explain(each, 0.5)
        assert len(lines) <= 402
        assert not [line for line in lines if "no jelly" in line]


def test_the_fields_of_a_call_stand_below_its_line() -> None:
    call = Message(1, b"root", b"echo", 1, [b"tuple", 5], [b"dictionary"])

    assert list(tree(dissection(call)))[1:] == [
        "  request: 1  (int)",
        "  object: root  (lent by the receiver)",
        "  method: echo",
        "  wants_answer: 1  (int)",
        "  args: a tuple, 1 item",
        "    0: 5  (int)",
        "  kwargs: a dict, in order of insertion, 0 pairs",
    ]


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        (Message(1, 3, b"m", 1, 5, 5), "  object: s3  (lent by the receiver)"),
        (Message(1, [b"no", b"luid"], b"m", 1, 5, 5), "  object: no  (a Copyable: its state)"),
        (CacheMessage(1, 3, b"m", 1, 5, 5), "  cache: c3  (lent by the sender)"),
        (Decref(3), "  object: s3  (lent by the receiver)"),
        (Decache(3), "  cache: s3  (lent by the receiver)"),
        (Uncache(3), "  cache: c3  (lent by the sender)"),
        (Version(6), "  number: 6  (int)"),
        (Answer(1, [b"None"]), "  result: None"),
        (Answer(1, SECRET), "  result: ***  (a secret, covered)"),
    ],
)
def test_an_object_is_named_after_its_owner(verb: Verb, line: str) -> None:
    assert line in list(verb_tree(verb, Side.CLIENT))


def test_another_protocol_is_named_and_its_beginning_dumped() -> None:
    lines = list(tree(dissection(Undecodable("type byte 0x45 does not exist", b"GET / HTTP/1.1\r\n"))))

    assert lines[1].startswith("  this is an HTTP request (GET / HTTP/1.1): a browser, ")
    assert lines[2:] == ["  000000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|"]
    assert len(list(tree(dissection(Undecodable("broken", b"\x99"))))) == 2


def test_bytes_whose_beginning_was_not_seen_are_dumped() -> None:
    lines = list(tree(dissection(Unseen("the stream is met in its middle", b"SSH-2.0-x\r\n"))))

    assert lines[1].startswith("  this is an SSH banner (SSH-2.0-x): ")
    assert lines[2].endswith("|SSH-2.0-x..|")


def test_what_the_link_did_is_one_line() -> None:
    event = LinkEvent(0.0, 1, "closed", Side.SERVER, "fin")

    assert list(tree(dissection(event, Side.SERVER))) == [explain(dissection(event, Side.SERVER))]


# Whatever a peer sends


HOSTILE = ["\x1b]52;c;aGk=\x07", "\x9b31m", "evil\u202egnp", "\x1b]8;;http://x\x07", "\r\n\x00\x7f\x85", "x" * 300_000]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_spelled_out_wherever_it_stands(text: str) -> None:
    data = text.encode() + b"\xed\xa0\x80"
    value = [b"list", data, [b"unicode", data], [data, [b"dictionary", [data, data], data]], [data, 3, data], [data]]
    value += [[b"remote", data], [b"class", data], [b"dictionary", [[b"unicode", data], data]], [b"date", data]]

    harmless(value_tree(value, Side.CLIENT))
    harmless(tree(dissection(Message(data, data, data, data, value, value))))
    harmless(tree(dissection(Undecodable(text, data[:64]))))


@given(expressions())
def test_any_expression_has_a_tree(value: Any) -> None:
    assert len(harmless(value_tree(value, Side.CLIENT), 3_000)) <= 401


@given(expressions(), expressions())
def test_any_call_has_a_tree(first: Any, second: Any) -> None:
    verb = parse([b"message", first, 1, b"method", second, first, second])

    assert len(harmless(tree(dissection(verb)), 10_000)) <= 402


def test_the_full_form_is_the_tree_of_each_with_the_names_of_what_is_lent() -> None:
    form = Full()

    said = lines(chunks("login_chat"), form)

    assert form.header() == ""
    assert form.tick(1.0, []) == form.finish(1.0) == []
    assert any("s3:joinGroup('lookingForFourth')" in line or "c1:mind" in line for line in said)
    first, *_ = dissect(chunks("login_chat"))
    assert said[: len(list(tree(first)))] == list(tree(first))


def test_the_full_form_tells_the_time_as_it_is_asked_to() -> None:
    clock = lines(chunks("login_chat"), Full(None, "clock", 0.0))
    rel = lines(chunks("login_chat"), Full())

    heads = [(one, other) for one, other in zip(clock, rel, strict=True) if one != other]
    assert len(heads) == len(dissect(chunks("login_chat")))
    for one, other in heads:
        assert one.split()[1].count(":") == 2
        assert one.split()[2:] == other.split()[2:]
