"""The recorded dialogues on a raw socket, played with our Broker in Twisted's place.

Where Twisted goes on, we say what Twisted says. Where Twisted drops the connection, OURS tells what we do instead:
drop it too, with an error that has a name, or go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pbshell import pb
from pbshell.defer import Deferred
from pbshell.errors import BananaError, DialectError, InsecureJelly, LimitExceeded, PBConnectionLost, ProtocolError
from tests.conformance.accidents import essence, failure_fields
from tests.conformance.ends import End
from tests.conformance.values import read_all, vectors

PROBES = {probe["name"]: probe for probe in vectors("probes")}
LARGE = bytes.fromhex("07801a8701810482726f6f7404826b696e64018102800b8700002882") + b"x" * 655_360 + b"\x01\x80\x05\x87"


class R(pb.Root):
    """The root object that the probes were recorded with."""

    def __init__(self) -> None:
        self.thing = pb.Referenceable()
        self.waiting: list[Deferred[Any]] = []

    def remote_id(self, value: Any) -> Any:
        return value

    def remote_echo(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    def remote_kind(self, value: Any) -> list[Any]:
        return [type(value).__name__, repr(getattr(value, "luid", None))]

    def remote_ref(self) -> Any:
        return self.thing

    def remote_big(self) -> int:
        return 2**600

    def remote_dbig(self) -> Any:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def remote_func(self) -> Any:
        return play

    def remote_perr(self) -> None:
        raise pb.Error("perr")


def data_of(step: dict[str, Any]) -> bytes:
    sent = step["send"]
    return bytes.fromhex(sent) if isinstance(sent, str) else LARGE


def play(probe: dict[str, Any]) -> tuple[End, list[Any], list[list[Any]]]:
    """Play a dialogue: our end, what its client's application saw, and what it sent after each step."""
    root = R()
    server = probe["twisted_is"] == "server"
    end = End.server(root=root) if server else End.client()
    saw: list[Any] = []
    if not server:
        end.broker.ready.addCallbacks(
            lambda broker: broker.root_reference().callRemote("x", 1).addBoth(saw.append), saw.append
        )
    replies: list[list[Any]] = []
    said = end.sent()
    for step in probe["steps"]:
        if "send" in step:
            data = data_of(step)
            if "one_byte" in probe["name"]:
                said += b"".join(end.feed(data[i : i + 1]) for i in range(len(data)))
            else:
                said += end.feed(data)
            # What was to come later comes now.
            while root.waiting:
                root.waiting.pop().callback(2**600)
            said += end.sent()
        else:
            replies.append(read_all(said))
            said = b""
    return end, saw, replies


def recorded(probe: dict[str, Any]) -> list[list[Any]]:
    """What Twisted sent after each step; the first reply of a server is its offer."""
    return [read_all(bytes.fromhex(step["recv"])) for step in probe["steps"] if "recv" in step]


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", list(names))


#: Failures that we name and word ourselves, where Twisted lets Python speak: the first words of ours.
WORDED = {
    "object_id_list": "",
    "args_raw_int": "a call carries a tuple and a dictionary",
    "kwargs_not_dict": "a call carries a tuple and a dictionary",
    "kwargs_int_key": "a keyword is text, not 3",
    "arg_lcache_unknown": "cached object 77 came home",
    "arg_cached_unknown": "cached object 77 came by number",
    "cachemessage_unknown": "Invalid Object ID",
}
#: Dialogues in which Twisted only fails the call, or never answers it, and we answer.
ANSWERED = ("kwargs_mixed_keys", "answer_not_encodable_deferred")
#: Dialogues after which we close as Twisted does, and why.
CLOSED: dict[str, type[Exception]] = {
    "dialect_none_but_vocab": DialectError,
    "dialect_unknown": DialectError,
    "dialect_unknown_then_pb": DialectError,
    "dialect_as_list": DialectError,
    "version_before_dialect": DialectError,
    "version_5": ProtocolError,
    "version_text": ProtocolError,
    "good_call_then_version_5_same_segment": ProtocolError,
    "good_call_then_garbage_same_segment": BananaError,
    "empty_list_expression": ProtocolError,
    "bytes_expression": ProtocolError,
    "int_expression": ProtocolError,
    "float_expression": ProtocolError,
    "command_is_int": ProtocolError,
    "command_is_list": ProtocolError,
    "message_too_few_fields": ProtocolError,
    "message_too_many_fields": ProtocolError,
    "method_name_not_utf8": ProtocolError,
    "method_name_is_int": ProtocolError,
    "method_name_is_unicode_jelly": ProtocolError,
    "decref_with_count": ProtocolError,
    "string_over_limit": LimitExceeded,
    "offer_unknown_only": DialectError,
    "offer_bytes": DialectError,
    "version_7": ProtocolError,
}
#: What is said before the close. Twisted would discard it when it has not been written.
SAVED = {
    "good_call_then_version_5_same_segment": [[b"answer", 1, 5]],
    "good_call_then_garbage_same_segment": [[b"answer", 1, 5]],
    "decref_with_count": [[b"answer", 1, [b"remote", 1]]],
}
#: Dialogues that Twisted ends by dropping the connection, and we by going on: what we say to the last that was sent.
MILDER: dict[str, list[Any]] = {
    "unknown_command": [[b"didNotUnderstand", b"frobnicate"]],
    # More is given back than was lent, or answered than was asked: nothing happens, and it is counted as an oddity.
    "decref_unknown": [],
    "decref_twice": [],
    "decref_root": [],
    "decache_unknown": [],
    "uncache_unknown": [],
    "answer_unknown": [],
    "error_unknown": [],
    "answer_twice": [],
    # What cannot be sent is an error; here the texts.
    "answer_not_encodable_sync": [(1, "an integer of 86 digits of 7 bits exceeds 64")],
    "answer_not_encodable_after_good": [[b"answer", 1, 5], (2, "an integer of 86 digits of 7 bits exceeds 64")],
    "answer_function_object": [(1, "the result is of type builtins.function")],
    # What cannot be read fails the call that waits for it, and no other; see CALLS.
    "answer_insecure": [],
    "answer_bad_jelly": [],
    "error_without_parents": [],
    "error_python2_style_bytes": [],
    "error_None": [],
}
#: What the client's call comes to where Twisted's never ends: type and first words.
CALLS: dict[str, tuple[type[Exception] | str, str]] = {
    "answer_insecure": (InsecureJelly, "the answer is of class no.Such, which is not registered here"),
    "answer_bad_jelly": (ProtocolError, "a text is not UTF-8"),
    "error_without_parents": ("a.B", "why"),
    "error_python2_style_bytes": ("exceptions.ValueError", "bad"),
    "error_None": ("builtins.NoneType", ""),
}


def test_every_dialogue_that_twisted_ends_is_in_one_table() -> None:
    ended = {name for name, probe in PROBES.items() if probe["closed_by_twisted"]}
    assert set(CLOSED) | set(MILDER) == ended
    assert not set(CLOSED) & set(MILDER)


def apart(reply: list[Any]) -> tuple[list[Any], list[Any]]:
    """What was said, and what was given back: the moment of that is the garbage collector's."""
    freely = (b"decref", b"decache")
    given_back = [each for each in reply if isinstance(each, list) and each and each[0] in freely]
    return [essence(each) for each in reply if each not in given_back], sorted(given_back, key=repr)


def said(end: End, reply: list[Any]) -> list[Any]:
    """A reply, its failures as (request, text)."""
    return [(each[1], failure_fields(each[2])["value"]) if each[0] == b"error" else each for each in reply]


@each(name for name in PROBES if not {name} & {*CLOSED, *MILDER, *WORDED, *ANSWERED})
def test_we_say_what_twisted_says(name: str) -> None:
    probe = PROBES[name]
    end, _, replies = play(probe)
    assert [apart(reply) for reply in replies] == [apart(reply) for reply in recorded(probe)]
    assert end.closed is None


@each(WORDED)
def test_a_call_that_fails_there_fails_here_in_clearer_words(name: str) -> None:
    probe = PROBES[name]
    end, _, replies = play(probe)
    theirs = recorded(probe)
    failed = [index for index, reply in enumerate(theirs) if reply and reply[0][0] == b"error"]
    for index, (reply, recorded_reply) in enumerate(zip(replies, theirs, strict=True)):
        if index in failed:
            ((request, text),) = said(end, apart(reply)[0])
            assert request == recorded_reply[0][1]
            assert text.startswith(WORDED[name])
        else:
            assert apart(reply) == apart(recorded_reply)
    assert end.closed is None


def test_keywords_in_text_and_in_bytes_are_accepted_together() -> None:
    """Twisted fails to decode what is text already."""
    end, _, replies = play(PROBES["kwargs_mixed_keys"])
    assert replies[-1] == [
        [b"answer", 1, [b"list", [b"list"], [b"dictionary", *([[b"unicode", k], v] for k, v in KW)]]]
    ]
    assert end.closed is None


KW = ((b"k", 1), (b"j", 2))


def test_a_deferred_result_that_cannot_be_sent_is_an_error_and_not_silence() -> None:
    end, _, replies = play(PROBES["answer_not_encodable_deferred"])
    ((request, text),) = said(end, replies[2])
    assert request == 1
    assert "exceeds 64" in text
    assert replies[3] == [[b"answer", 2, 1]]
    assert end.closed is None


@each(CLOSED)
def test_where_twisted_closes_we_close_for_a_reason_that_has_a_name(name: str) -> None:
    end, saw, replies = play(PROBES[name])
    assert type(end.closed) is CLOSED[name]
    assert [reply for reply in replies[2:] if reply] == ([SAVED[name]] if name in SAVED else [])
    if PROBES[name]["twisted_is"] == "client":
        assert end.closed is not None
        end.lose(end.closed)
        (failure,) = saw
        assert isinstance(failure.value, PBConnectionLost | DialectError)
        assert str(end.closed) in str(failure.value)


@each(MILDER)
def test_where_twisted_closes_we_go_on(name: str) -> None:
    probe = PROBES[name]
    end, saw, replies = play(probe)
    assert end.closed is None
    spoken = said(end, replies[-1])
    assert len(spoken) == len(MILDER[name])
    for ours, expected in zip(spoken, MILDER[name], strict=True):
        if isinstance(expected, tuple):
            assert ours[0] == expected[0]
            assert ours[1].startswith(expected[1])
        else:
            assert ours == expected
    if probe["twisted_is"] == "server":
        assert end.feed_expression(CALL) == [[b"answer", 9, 9]]
    else:
        again: list[Any] = []
        end.broker.root_reference().callRemote("x", 2).addBoth(again.append)
        (call,) = end.expressions()
        assert end.feed_expression([b"answer", call[1], 9]) == []
        assert again == [9]
        assert len(saw) == 1
        if name in CALLS:
            kind, text = CALLS[name]
            if isinstance(kind, str):
                assert saw[0].type == kind
            else:
                assert isinstance(saw[0].value, kind)
            assert str(saw[0].value).startswith(text)


CALL = [b"message", 9, b"root", b"id", 1, [b"tuple", 9], [b"dictionary"]]


@each(name for name in MILDER if name.endswith(("_unknown", "_twice", "_root")) or name == "unknown_command")
def test_what_no_correct_peer_does_is_counted(name: str) -> None:
    end, _, _ = play(PROBES[name])
    assert end.broker.oddities == 1


@each(name for name, probe in PROBES.items() if probe["twisted_is"] == "client" and probe["closed_by_twisted"] is None)
def test_our_client_sees_what_twisteds_client_saw(name: str) -> None:
    seen = PROBES[name]["client_saw"]["call"]
    _, saw, _ = play(PROBES[name])
    if seen is None:
        assert saw == []
    elif isinstance(seen, str):
        assert [repr(each) for each in saw] == [seen]
    elif seen["failure"] == "CopiedFailure":
        (failure,) = saw
        assert type(failure).__name__ == "CopiedFailure"
        assert failure.type == "a.B"
        assert [str(failure.value), list(failure.parents)] == [seen["value"].strip("'"), seen["parents"]]
    else:
        (failure,) = saw
        assert str(failure.value) == "oops"
