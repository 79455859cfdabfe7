"""Our calls: how they are numbered and sent, and what comes back for them."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from pbshell.broker.caller import Caller
from pbshell.broker.flavors import Cacheable, Copyable, Referenceable
from pbshell.broker.references import Observers, RemoteCopy, RemoteReference
from pbshell.defer import CancelledError, Deferred
from pbshell.errors import (
    CannotEncode,
    DeadReferenceError,
    Error,
    PBConnectionLost,
    ProtocolError,
    RefusedClass,
    RemoteError,
    UsageError,
)
from pbshell.wire.banana import encode
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from tests.broker.wire import Wire, accepting, books_of, copied, dictionary, message, outcome, text


def client(**settings: Any) -> tuple[Wire, RemoteReference]:
    wire = Wire(Side.CLIENT, **settings)
    return wire, wire.broker.root_reference()


# ------------------------------------------------------------------------------------------- sending


def test_calls_are_numbered_from_1_whether_they_want_an_answer_or_not() -> None:
    wire, root = client()
    root.callRemote("one")
    silent = root.callRemote("two", pbanswer=False)
    root.callRemote("three", pbanswer=True)

    assert wire.said() == [
        message(1, b"root", b"one"),
        message(2, b"root", b"two", answer=0),
        message(3, b"root", b"three"),
    ]
    assert silent.called
    assert outcome(silent) is None
    assert books_of(wire.broker)["calls"] == [1, 3]


@pytest.mark.parametrize("name", ["add", b"add", "é", "list", ""])
def test_a_method_is_named_in_utf8_and_may_be_any_text(name: str | bytes) -> None:
    wire, root = client()
    root.callRemote(name)

    assert wire.said() == [message(1, b"root", name.encode() if isinstance(name, str) else name)]


def test_a_method_name_that_no_utf8_can_say_comes_through_the_deferred() -> None:
    wire, root = client()

    assert isinstance(outcome(root.callRemote("\ud800")), Exception)
    assert isinstance(outcome(root.callRemote("\ud800", [])), Exception)
    assert wire.said() == []
    assert books_of(wire.broker)["calls"] == []


def test_arguments_are_a_tuple_and_a_dictionary_with_text_for_keys() -> None:
    wire, root = client()
    root.callRemote("x", 1, [2], a=b"3", name="4")

    assert wire.said() == [message(1, b"root", b"x", 1, [b"list", 2], a=b"3", name=text("4"))]


@pytest.mark.parametrize("word", ["pbcallback", "pberrback"])
def test_old_words_of_pb_are_refused_with_what_would_be_right(word: str) -> None:
    wire, root = client()
    error = outcome(root.callRemote("x", **{word: print}))

    assert isinstance(error, UsageError)
    assert str(error) == f"{word} is gone from PB: add a callback to what callRemote returns"
    assert wire.said() == []


def test_a_call_before_the_handshake_is_not_sent() -> None:
    wire = Wire(Side.CLIENT, handshake=False)
    for args in ((), ([],)):  # type: ignore[var-annotated]
        error = outcome(wire.broker.root_reference().callRemote("x", *args))
        assert isinstance(error, UsageError)
        assert "the handshake is not over yet" in str(error)

    assert wire.broker.data_to_send() == b""


def test_a_call_on_a_dead_connection_raises_at_once() -> None:
    wire, root = client()
    wire.lose(ConnectionResetError("by peer"))
    with pytest.raises(DeadReferenceError, match="the connection to the owner of this reference is gone: by peer"):
        root.callRemote("x")


def test_more_calls_than_the_limit_are_refused_and_nothing_is_lent() -> None:
    wire, root = client(limits=Limits(pending=2))
    first = root.callRemote("x")
    root.callRemote("x")
    wire.said()
    error = outcome(root.callRemote("x", Referenceable()))

    assert isinstance(error, CannotEncode)
    assert str(error) == "2 calls wait for an answer, and Limits(pending=2) grants no more"
    assert (error.limit, error.size, error.value) == ("pending", 3, 2)
    assert wire.said() == []
    assert books_of(wire.broker)["exports"] == {}
    wire.hears([b"answer", 1, 5])
    assert outcome(first) == 5
    root.callRemote("x")
    assert wire.said() == [message(3, b"root", b"x")]


@pytest.mark.parametrize("argument", [b"x" * 1_000, [b"x" * 1_000], ["x" * 1_000, Referenceable()]])
def test_a_call_longer_than_an_expression_may_be_is_refused_and_nothing_is_lent(argument: Any) -> None:
    wire, root = client(limits=Limits(expression=1_000))
    error = outcome(root.callRemote("x", argument))

    assert isinstance(error, CannotEncode)
    assert error.limit == "expression"
    assert wire.said() == []
    assert not any(books_of(wire.broker).values())


def test_a_deadline_is_put_on_each_call_that_waits() -> None:
    wire, root = client()
    waiting: list[Deferred[Any]] = []
    wire.broker.deadline = waiting.append
    call = root.callRemote("x")
    root.callRemote("x", pbanswer=False)
    root.callRemote("x", object()).addErrback(lambda _: None)

    assert waiting == [call]


def test_a_pending_call_shows_what_was_called_and_when() -> None:
    wire, root = client()
    wire.now = 1.5
    root.callRemote("add", 1)
    (call,) = wire.broker.ours.pending.values()

    assert (call.request, call.verb, call.luid, call.method, call.since) == (1, b"message", b"root", "add", 1.5)


# ------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("result", "value"), [(5, 5), (b"x", b"x"), ([b"None"], None), (text("x"), "x"), ([b"list", [b"tuple", 1]], [(1,)])]
)
def test_an_answer_is_the_result(result: Any, value: Any) -> None:
    wire, root = client()
    call = root.callRemote("x")

    assert wire.said()
    assert wire.hears([b"answer", 1, result]) == []
    assert outcome(call) == value
    assert books_of(wire.broker)["calls"] == []


def test_answers_may_come_in_any_order_and_numbers_may_be_floats() -> None:
    wire, root = client()
    calls = [root.callRemote("x") for _ in range(3)]
    wire.hears([b"answer", 3, 3], [b"answer", 1.0, 1], [b"answer", 2, 2])

    assert [outcome(call) for call in calls] == [1, 2, 3]


def test_an_error_answer_fails_the_call() -> None:
    wire, root = client()
    call = root.callRemote("x")
    wire.hears([b"error", 1, copied(b"app.Bad", "so bad")])
    error = outcome(call)

    assert isinstance(error, RemoteError)
    assert (error.remoteType, str(error)) == ("app.Bad", "so bad")


@pytest.mark.parametrize("verb", [b"answer", b"error"])
@pytest.mark.parametrize("request_id", [0, 2, -1, b"x", 2.5, 2**100])
def test_an_answer_that_nobody_waits_for_is_odd_and_its_loans_go_home(verb: bytes, request_id: Any) -> None:
    wire, root = client()
    root.callRemote("x")
    wire.said()

    assert wire.hears([verb, request_id, [b"list", [b"remote", 7], [b"cached", 8]]]) == [
        [b"decref", 7],
        [b"decache", 8],
    ]
    assert wire.broker.oddities == 1
    assert books_of(wire.broker)["calls"] == [1]


def test_an_answer_comes_once() -> None:
    wire, root = client()
    call = root.callRemote("x")
    wire.hears([b"answer", 1, 5], [b"answer", 1, 6], [b"error", 1, copied()])

    assert outcome(call) == 5
    assert wire.broker.oddities == 2


@pytest.mark.parametrize("verb", [b"answer", b"error"])
@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ([b"mod.X", [b"remote", 7]], RefusedClass),
        ([], ProtocolError),
        ([b"list", [b"remote", 7], [b"boolean", 5]], ProtocolError),
        ([b"cached", 5], ProtocolError),
        ([b"test.Bad", [b"list", [b"remote", 7]]], ZeroDivisionError),
    ],
)
def test_an_answer_that_cannot_be_read_fails_the_call_and_the_connection_goes_on(
    verb: bytes, payload: Any, kind: type[BaseException]
) -> None:
    """Twisted forgets the call and drops the connection."""

    class Bad(RemoteCopy):
        def setCopyableState(self, state: Any) -> None:
            _ = 1 / 0

    wire, root = client(security=accepting(Bad=Bad))
    call = root.callRemote("x")
    wire.said()
    said = wire.hears([verb, 1, payload])
    error = outcome(call)
    assert isinstance(error, kind)
    del error, call
    gc.collect()
    said += wire.said()

    assert [each[0] for each in said] in ([b"decref"], [b"decache"], [])
    assert books_of(wire.broker)["imports"] == books_of(wire.broker)["copies"] == {}
    again = root.callRemote("x")
    wire.hears([b"answer", 2, 5])
    assert outcome(again) == 5


@pytest.mark.parametrize(("verb", "path"), [(b"answer", "the answer"), (b"error", "the error")])
def test_a_refused_class_in_an_answer_is_found_by_its_path(verb: bytes, path: str) -> None:
    wire, root = client()
    call = root.callRemote("x")
    wire.hears([verb, 1, dictionary(a=[b"list", [b"mod.X", 1]])])

    assert str(outcome(call)).startswith(f"{path}['a'][0] is of class mod.X, which is not registered here")


def test_what_an_answer_leaves_to_a_hook_goes_home() -> None:
    wire, root = client(security=accepting(Read=lambda unjellier, expression: "read"))
    call = root.callRemote("x")
    wire.said()

    assert wire.hears([b"answer", 1, [b"test.Read", [b"remote", 7]]]) == [[b"decref", 7]]
    assert outcome(call) == "read"


@pytest.mark.parametrize(
    ("payload", "kind", "shown"),
    [
        (b"oops", "builtins.bytes", "oops"),
        (text("oops\x1b"), "builtins.str", "oops\\x1b"),
        ([b"None"], "builtins.NoneType", "NoneType"),
        (5, "builtins.int", "int"),
        ([b"list", 1], "builtins.list", "list"),
        (text("x" * 5_000), "builtins.str", "x... (5,000 characters)"),
    ],
)
def test_an_error_that_is_no_failure_is_one_all_the_same(payload: Any, kind: str, shown: str) -> None:
    wire, root = client()
    call = root.callRemote("x")
    wire.hears([b"error", 1, payload])
    error = outcome(call)

    assert isinstance(error, RemoteError)
    assert error.remoteType == kind
    assert shown in str(error)
    assert error.parents == (kind,)


def test_an_exception_that_was_copied_is_the_error() -> None:
    class Spill(RemoteCopy, Error):
        where: str

    wire, root = client(security=accepting(Spill=Spill))
    call = root.callRemote("x")
    wire.hears([b"error", 1, [b"test.Spill", dictionary(where=text("floor"))]])
    error = outcome(call)

    assert isinstance(error, Spill)
    assert error.where == "floor"


def test_a_copy_in_place_of_an_error_is_never_asked_for_its_text() -> None:
    """Its attributes are the peer's, so its __repr__ may raise."""

    class Card(RemoteCopy):
        def __repr__(self) -> str:
            return self.missing  # type: ignore[attr-defined, no-any-return]

    wire, root = client(security=accepting(Card=Card))
    call = root.callRemote("x")
    wire.hears([b"error", 1, [b"test.Card", dictionary()]])

    assert isinstance(outcome(call), RemoteError)


def test_a_failure_as_a_result_is_a_failure() -> None:
    wire, root = client()
    call = root.callRemote("x")
    wire.hears([b"answer", 1, copied(b"app.Bad", "bad")])

    assert isinstance(outcome(call), RemoteError)


# ------------------------------------------------------------------------------------------- cancelling


def test_a_cancelled_call_is_still_awaited_and_its_late_answer_gives_its_loans_home() -> None:
    wire, root = client()
    call = root.callRemote("x")
    call.cancel()
    assert isinstance(outcome(call), CancelledError)
    assert books_of(wire.broker)["calls"] == [1]
    wire.said()

    assert wire.hears([b"answer", 1, [b"list", [b"remote", 7], [b"remote", 7]]]) == [[b"decref", 7], [b"decref", 7]]
    assert wire.broker.oddities == 0
    assert not any(books_of(wire.broker).values())


@pytest.mark.parametrize("late", [[b"error", 1, copied()], [b"answer", 1, [b"nonsense"]], [b"error", 1, []]])
def test_whatever_comes_for_a_cancelled_call_is_dropped(late: Any) -> None:
    wire, root = client()
    call = root.callRemote("x")
    call.cancel()
    outcome(call)

    assert wire.hears(late)[1:] == []
    assert wire.broker.oddities == 0


def test_the_loss_of_the_connection_does_not_fail_a_cancelled_call_twice() -> None:
    wire, root = client()
    call = root.callRemote("x")
    call.cancel()
    errors: list[Any] = []
    call.addErrback(errors.append)
    wire.lose()

    assert len(errors) == 1


# ------------------------------------------------------------------------------------------- loss


def test_every_call_fails_once_in_order_when_the_connection_is_lost() -> None:
    wire, root = client()
    failed: list[tuple[int, Any]] = []
    for number in range(3):
        root.callRemote("x").addErrback(lambda reason, number=number: failed.append((number, reason.value)))  # type: ignore[call-overload]
    reason = ConnectionResetError("by peer")
    wire.lose(reason)
    wire.lose(ValueError("which is too late"))

    assert [number for number, _ in failed] == [0, 1, 2]
    for _, error in failed:
        assert isinstance(error, PBConnectionLost)
        assert (error.reason, error.pending) == (reason, 3)
        assert str(error) == "the connection was lost with 3 calls unanswered: by peer"


def test_who_is_told_of_the_loss_cannot_call_any_more() -> None:
    wire, root = client()
    raised: list[Any] = []

    def again(_: Any) -> None:
        try:
            root.callRemote("again")
        except DeadReferenceError as error:
            raised.append(error)

    root.callRemote("x").addErrback(again)
    wire.lose()

    assert len(raised) == 1
    assert not any(books_of(wire.broker).values())


def test_a_hook_that_ends_the_connection_fails_its_call_and_those_behind_it() -> None:
    class Fatal(Copyable):
        def getStateToCopy(self) -> Any:
            behind.append(root.callRemote("behind", Referenceable()))
            wire.lose()
            return {}

    for args in ((Fatal(),), (Fatal(), Referenceable())):
        wire, root = client()
        behind: list[Deferred[Any]] = []
        call = root.callRemote("x", *args)

        assert isinstance(outcome(call), PBConnectionLost)
        assert isinstance(outcome(behind[0]), PBConnectionLost)
        assert wire.said() == []
        assert not any(books_of(wire.broker).values())


# ------------------------------------------------------------------------------------------- one update for many


def test_what_is_the_same_for_everybody_is_encoded_without_a_number() -> None:
    wire, _ = client()
    caller = Caller(wire.broker)
    tail = caller.plain_tail("grow", (1, ["x"]), {"by": 2})

    assert tail == encode(message(1, 1, b"grow", 1, [b"list", text("x")], by=2)[3:], wire.dialect)[2:]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((Referenceable(),), {}),
        ((Copyable(),), {}),
        ((), {"k": Cacheable()}),
        ((object(),), {}),
        ((2**448,), {}),
        ((), {"pbanswer": False}),
        ((), {"pbcallback": print}),
    ],
)
def test_what_is_not_the_same_for_everybody_is_not_encoded_for_them(args: Any, kwargs: Any) -> None:
    wire, _ = client()

    assert Caller(wire.broker).plain_tail("grow", args, kwargs) is None


def test_before_the_handshake_there_is_nobody_to_encode_for() -> None:
    wire = Wire(Side.CLIENT, handshake=False)

    assert Caller(wire.broker).plain_tail("grow", (), {}) is None
    assert list(Observers()) == []
