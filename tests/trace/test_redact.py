"""The secrets of a login, and what is named like a secret: covered wherever they could show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pbshell.errors import UsageError
from pbshell.trace import SECRET, Dissector, Redactor, explain
from pbshell.trace.redact import is_secret_name
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, Side
from pbshell.wire.verbs import Answer, CacheMessage, Decref, ErrorAnswer, Message, Verb, Version
from tests.trace.recordings import FOLDER, byte_by_byte, chunks, dissect

CHALLENGE, RESPONSE = b"\xc1" * 16, b"\x1e" * 16
LOGIN = Message(1, b"root", b"login", 1, [b"tuple", b"alice"], [b"dictionary"])
CHALLENGED = Answer(1, [b"tuple", CHALLENGE, [b"remote", 3]])
RESPOND = Message(2, 3, b"respond", 1, [b"tuple", RESPONSE, [b"remote", 1]], [b"dictionary"])


@pytest.mark.parametrize("name", ["login_chat", "login_failed"])
def test_a_recorded_login_shows_the_user_and_no_secret(name: str) -> None:
    pieces = chunks(name)
    secrets = [bytes.fromhex(each) for each in json.loads((FOLDER / f"{name}.json").read_text())["challenges_hex"]]
    assert secrets

    for form in (pieces, byte_by_byte(pieces)):
        found = dissect(form)
        text = "\n".join(map(explain, found)) + repr(found)

        assert "root.login(b'alice')" in text
        assert "respond(***" in text
        for secret in secrets:
            assert repr(secret)[2:-1] not in text
            assert secret.hex() not in text


def test_all_of_it_can_be_seen_when_asked_for() -> None:
    text = repr(dissect(chunks("login_chat"), Dissector(redact="off")))

    assert "***" not in text


def test_the_challenge_is_covered_and_the_reference_is_not() -> None:
    covered = Redactor().cover(Side.SERVER, CHALLENGED, LOGIN)

    assert covered == Answer(1, [b"tuple", SECRET, [b"remote", 3]])


def test_the_response_is_covered_and_the_mind_is_not() -> None:
    redactor = Redactor()
    redactor.cover(Side.SERVER, CHALLENGED, LOGIN)

    assert redactor.cover(Side.CLIENT, RESPOND) == Message(
        2, 3, b"respond", 1, [b"tuple", SECRET, [b"remote", 1]], [b"dictionary"]
    )


@pytest.mark.parametrize("args", [RESPONSE, [], [b"reference", 1, [b"tuple", RESPONSE]], [[b"tuple", RESPONSE]]])
def test_a_response_that_is_wrapped_is_covered_as_a_whole(args: Any) -> None:
    redactor = Redactor()
    redactor.cover(Side.SERVER, CHALLENGED, LOGIN)

    covered = redactor.cover(Side.CLIENT, Message(2, 3, b"respond", 1, args, RESPONSE))

    assert covered == Message(2, 3, b"respond", 1, SECRET, SECRET)


@pytest.mark.parametrize("method", [b"respond", b"answer"])
def test_whatever_is_called_on_a_challenger_is_covered(method: bytes) -> None:
    redactor = Redactor()
    redactor.cover(Side.SERVER, CHALLENGED, LOGIN)
    named = [b"dictionary", [[b"unicode", b"response"], b"short"], b"odd"]

    covered = redactor.cover(Side.CLIENT, Message(2, 3, method, 1, [b"tuple", b"short"], named))

    assert covered == Message(
        2, 3, method, 1, [b"tuple", SECRET], [b"dictionary", [[b"unicode", b"response"], SECRET], SECRET]
    )


@pytest.mark.parametrize(
    ("result", "covered"),
    [
        (
            [b"reference", 1, [b"tuple", CHALLENGE, [b"remote", 3]]],
            [b"reference", 1, [b"tuple", SECRET, [b"remote", 3]]],
        ),
        ([b"tuple", [b"list", CHALLENGE]], [b"tuple", SECRET]),
        ([b"list", [b"reference", 1, CHALLENGE], [b"remote", 3]], [b"list", SECRET, [b"remote", 3]]),
        ([b"remote", 3], [b"remote", 3]),
        (CHALLENGE, SECRET),
        ([], SECRET),
    ],
)
def test_a_challenge_in_another_shape_is_covered_too(result: Any, covered: Any) -> None:
    assert Redactor().cover(Side.SERVER, Answer(1, result), LOGIN) == Answer(1, covered)


def test_what_a_login_of_ones_own_takes_beside_the_name_is_covered() -> None:
    login = Message(1, b"root", b"login", 1, [b"tuple", b"alice", b"password"], [b"dictionary", [b"pin", 1234]])

    covered = Redactor().cover(Side.CLIENT, login)

    assert covered == Message(1, b"root", b"login", 1, [b"tuple", b"alice", SECRET], [b"dictionary", [b"pin", SECRET]])


def test_a_login_whose_beginning_was_not_seen_is_covered_by_its_looks() -> None:
    redactor = Redactor()

    assert redactor.cover(Side.CLIENT, RESPOND) != RESPOND
    assert redactor.cover(Side.SERVER, CHALLENGED, None) != CHALLENGED


@pytest.mark.parametrize(
    "verb",
    [
        Message(1, b"root", b"echo", 1, [b"tuple", CHALLENGE], [b"dictionary"]),
        Message(1, 3, b"respond", 1, [b"tuple", b"yes, please"], [b"dictionary"]),
        Message(1, 3, b"respond", 1, [b"tuple"], [b"dictionary"]),
        Answer(1, [b"tuple", CHALLENGE, [b"remote", 3]]),
        Answer(1, 5),
    ],
)
def test_what_only_resembles_a_login_is_left_alone(verb: Message | Answer) -> None:
    echo = Message(1, b"root", b"echo", 1, [b"tuple"], [b"dictionary"])

    assert Redactor().cover(Side.SERVER, verb, echo) == verb


def test_an_answer_to_respond_does_not_bring_the_response_back() -> None:
    pieces = [
        Chunk(0, 1, Side.SERVER, encode([b"pb", b"none"])),
        Chunk(0, 1, Side.CLIENT, encode(b"pb")),
        Chunk(0, 1, Side.CLIENT, encode([b"message", 1, b"root", b"login", 1, *_tail(b"alice")], PB)),
        Chunk(0, 1, Side.SERVER, encode([b"answer", 1, CHALLENGED.result], PB)),
        Chunk(0, 1, Side.CLIENT, encode([b"message", 2, 3, b"respond", 1, *_tail(RESPONSE)], PB)),
        Chunk(0, 1, Side.SERVER, encode([b"answer", 2, [b"remote", 4]], PB)),
    ]

    answer = dissect(pieces)[-1]

    assert answer.call is not None
    assert repr(RESPONSE)[2:-1] not in repr(answer)


def _tail(argument: bytes) -> list[Any]:
    return [[b"tuple", argument], [b"dictionary"]]


# What a login is not


def test_an_avatar_that_is_given_at_once_is_no_challenger() -> None:
    redactor = Redactor()
    redactor.cover(Side.SERVER, Answer(1, [b"remote", 3]), LOGIN)
    call = Message(2, 3, b"add", 1, [b"tuple", b"item"], [b"dictionary"])

    assert redactor.cover(Side.CLIENT, call) == call


def test_a_challenger_that_was_given_back_is_none_any_more() -> None:
    redactor = Redactor()
    call = Message(2, 3, b"add", 1, [b"tuple", b"item"], [b"dictionary"])
    for lent in range(2):
        redactor.cover(Side.SERVER, CHALLENGED, LOGIN)
        assert redactor.cover(Side.CLIENT, call) != call, lent

    redactor.cover(Side.CLIENT, Decref(3))
    assert redactor.cover(Side.CLIENT, call) != call
    redactor.cover(Side.SERVER, Decref(3))  # of the other side
    redactor.cover(Side.CLIENT, Decref(4))
    redactor.cover(Side.CLIENT, Decref(3))
    redactor.cover(Side.CLIENT, Decref(3))
    assert redactor.cover(Side.CLIENT, call) == call


def test_the_challengers_that_are_remembered_have_a_bound() -> None:
    redactor = Redactor()
    for luid in range(1100):
        redactor.cover(Side.SERVER, Answer(1, [b"tuple", CHALLENGE, [b"remote", luid], [b"local", 1]]), LOGIN)

    def covers(luid: int) -> bool:
        call = Message(2, luid, b"add", 1, [b"tuple", b"item"], [b"dictionary"])
        return redactor.cover(Side.CLIENT, call) != call

    assert [luid for luid in range(1100) if covers(luid)] == list(range(76, 1100))


@pytest.mark.parametrize("target", [[], [b"list"], b"x" * 2000, 2**80])
def test_what_cannot_be_an_object_is_no_challenger_either(target: Any) -> None:
    redactor = Redactor()
    redactor.cover(Side.SERVER, CHALLENGED, LOGIN)
    call = Message(2, target, b"add", 1, [b"tuple", b"item"], [b"dictionary"])

    assert redactor.cover(Side.CLIENT, call) == call


@pytest.mark.parametrize("keyword", [b"username", [b"unicode", b"user"]])
def test_the_name_of_a_user_is_no_secret_by_keyword_either(keyword: Any) -> None:
    login = Message(1, b"root", b"login", 1, [b"tuple"], [b"dictionary", [keyword, b"alice"], [b"code", 5]])

    covered = Redactor().cover(Side.CLIENT, login)

    assert covered == Message(
        1, b"root", b"login", 1, [b"tuple"], [b"dictionary", [keyword, b"alice"], [b"code", SECRET]]
    )


# What is named like a secret

NAMES = """
    password passwords passwd passphrase PASSWORD userPassword user_password password2 passWord PassWd newpassword pass
    secret client_secret clientSecret secrets token accessToken access-token tokenValue checkToken HTTPToken
    observe_token api_key apiKey apikey APIKey X-API-Key credential credentials creds private_key privateKey
    ssh_private_key cookie cookies Set-Cookie session_key sessionKey sessionid session_id authorization auth pwd jwt otp
    passcode
"""
OTHERS = """
    author tokenizer tokenize passenger compass bypass passed passes secretary cookiecutter authorize authors key keys
    monkey keyboard user username name session keyword passTo credentialed echo digest turkey public_key x
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_of_a_secret_is_known_as_one(name: str) -> None:
    assert is_secret_name(name.encode())


@pytest.mark.parametrize("name", OTHERS.split())
def test_a_name_that_only_contains_one_is_not(name: str) -> None:
    assert not is_secret_name(name.encode())


def test_only_the_beginning_of_a_name_is_looked_at() -> None:
    assert is_secret_name(b"password_" + b"x" * 10_000)
    assert not is_secret_name(b"x_" * 10_000 + b"password")


def strict(verb: Verb, call: Verb | None = None, sender: Side = Side.CLIENT) -> Verb:
    """*verb* as it is shown when all secrets are covered; and nothing of it is covered otherwise."""
    assert Redactor("auth").cover(sender, verb, call or LOGIN_LIKE) == verb
    assert Redactor("off").cover(sender, verb, call) == verb
    return Redactor("strict").cover(sender, verb, call or LOGIN_LIKE)


LOGIN_LIKE = Message(1, 3, b"echo", 1, [b"tuple"], [b"dictionary"])


def call(method: bytes, args: Any = None, kwargs: Any = None) -> Message:
    return Message(1, 3, method, 1, args or [b"tuple"], kwargs or [b"dictionary"])


def test_a_keyword_that_names_a_secret_covers_its_value() -> None:
    kwargs = [
        b"dictionary",
        [b"password", b"x"],
        [[b"unicode", b"apiKey"], [b"unicode", b"y"]],
        [b"author", b"z"],
        b"o",
    ]

    assert strict(call(b"set", [b"tuple", b"a"], kwargs)) == call(
        b"set",
        [b"tuple", b"a"],
        [b"dictionary", [b"password", SECRET], [[b"unicode", b"apiKey"], SECRET], [b"author", b"z"], b"o"],
    )


def test_keys_and_attributes_that_name_secrets_cover_their_values_wherever_they_are() -> None:
    inner = [b"dictionary", [b"token", 5], [[b"tuple", [b"dictionary", [b"secret", 1]]], b"kept"]]
    covered = [b"dictionary", [b"token", SECRET], [[b"tuple", [b"dictionary", [b"secret", SECRET]]], b"kept"]]

    for wrap in (
        lambda value: [b"list", b"a", value],
        lambda value: [b"tuple", [b"set", value], []],
        lambda value: [b"demo.Thing", value],
        lambda value: [b"demo.Cache", 7, value],
        lambda value: [b"reference", 1, value],
        lambda value: [b"instance", [b"class", b"demo.Thing"], value],
        lambda value: [b"dictionary", [b"k", value], [b"password"], [b"p", b"q", b"r"]],
    ):
        assert strict(call(b"set", [b"tuple", wrap(inner)])) == call(b"set", [b"tuple", wrap(covered)])
        assert strict(Answer(1, wrap(inner))) == Answer(1, wrap(covered))
        assert strict(ErrorAnswer(1, wrap(inner))) == ErrorAnswer(1, wrap(covered))
        update = CacheMessage(1, 7, b"observe_state", 1, [b"tuple", wrap(inner)], [b"dictionary"])
        assert strict(update) == CacheMessage(1, 7, b"observe_state", 1, [b"tuple", wrap(covered)], [b"dictionary"])


@pytest.mark.parametrize(
    "value", [[b"password", b"x"], [b"list", [b"password", b"x"]], [b"unicode", b"password"], [], 5]
)
def test_what_is_no_pair_of_a_dictionary_has_no_name(value: Any) -> None:
    verb = call(b"set", [b"tuple", value], [b"reference", 1, value])

    assert strict(verb) == verb


def test_all_arguments_of_a_method_that_names_a_secret_are_covered() -> None:
    verb = call(b"setPassword", [b"tuple", [b"unicode", b"a"], [b"remote", 1], 5], [b"dictionary", [b"old", b"x"]])

    assert strict(verb) == call(
        b"setPassword", [b"tuple", SECRET, [b"remote", 1], SECRET], [b"dictionary", [b"old", SECRET]]
    )
    update = CacheMessage(1, 7, b"observe_token", 1, [b"tuple", b"x"], [b"dictionary"])
    assert strict(update) == CacheMessage(1, 7, b"observe_token", 1, [b"tuple", SECRET], [b"dictionary"])
    assert strict(call(b"setPassword", 5, b"x")) == call(b"setPassword", SECRET, SECRET)


def test_no_reference_is_ever_covered() -> None:
    """The books are kept by what is shown."""
    value = [
        b"tuple",
        [b"list", b"a", [b"remote", 1], [b"tuple", b"b"]],
        [b"dictionary", [[b"local", 2], b"c"], b"odd", [b"remote", 4]],
        [b"demo.Cache", 7, [b"dictionary", [b"d", [b"cached", 5]], [b"e", b"f"]]],
        [b"reference", 1, [b"lcache", 6]],
        [b"remote", [b"g"]],
        [],
        [b"h"],
    ]

    assert strict(call(b"setSecret", value)) == call(
        b"setSecret",
        [
            b"tuple",
            [b"list", SECRET, [b"remote", 1], SECRET],
            [b"dictionary", [[b"local", 2], SECRET], SECRET, SECRET],
            [b"demo.Cache", 7, [b"dictionary", [SECRET, [b"cached", 5]], SECRET]],
            [b"reference", 1, [b"lcache", 6]],
            SECRET,
            SECRET,
            SECRET,
        ],
    )


@pytest.mark.parametrize(
    ("result", "covered"),
    [
        (b"x", SECRET),
        ([b"unicode", b"x"], SECRET),
        (5, 5),
        ([b"boolean", b"true"], [b"boolean", b"true"]),
        ([b"None"], [b"None"]),
        ([b"tuple", b"x", 5, [b"remote", 3]], [b"tuple", SECRET, 5, [b"remote", 3]]),
        ([b"dictionary", [b"a", b"x"], [b"pin", 5], b"o"], [b"dictionary", [SECRET, SECRET], [SECRET, 5], SECRET]),
        ([b"dictionary", [b"token", 5]], [b"dictionary", [b"token", SECRET]]),
        ([b"demo.Thing", [b"dictionary", [b"a", b"x"]]], [b"demo.Thing", [b"dictionary", [SECRET, SECRET]]]),
        ([b"demo.Thing", b"x", b"y", b"z"], SECRET),
        ([5, b"x"], SECRET),
        ([[b"x"], b"y"], SECRET),
        ([b"x"], SECRET),
        ([], []),
    ],
)
def test_the_strings_in_the_answer_of_a_method_that_names_a_secret_are_covered(result: Any, covered: Any) -> None:
    assert Redactor("strict").cover(Side.SERVER, Answer(1, result), call(b"getToken")) == Answer(1, covered)


def test_the_text_of_a_failure_is_not_covered() -> None:
    failure = [b"builtins.ValueError", [b"dictionary", [b"value", b"no such token: abc"]]]

    assert strict(ErrorAnswer(1, failure), call(b"checkToken")) == ErrorAnswer(1, failure)


def test_an_answer_without_its_call_may_be_a_secret() -> None:
    answer = Answer(1, [b"tuple", b"x", 5, [b"remote", 3]])

    assert Redactor("strict").cover(Side.SERVER, answer) == Answer(1, [b"tuple", SECRET, 5, [b"remote", 3]])
    assert Redactor("auth").cover(Side.SERVER, answer) == answer


def test_a_verb_without_arguments_has_no_secrets() -> None:
    assert Redactor("strict").cover(Side.CLIENT, Version(6)) == Version(6)


def test_what_was_covered_is_a_copy() -> None:
    verb = call(b"set", [b"tuple", [b"dictionary", [b"password", b"x"], [b"token", b"y"]]])

    strict(verb)

    assert verb.args == [b"tuple", [b"dictionary", [b"password", b"x"], [b"token", b"y"]]]


def test_there_are_three_levels() -> None:
    with pytest.raises(UsageError, match=r"there is no redaction 'all': it is one of off, auth, strict"):
        Redactor("all")
