"""The traps of the protocol, one after the other: what surprises whoever implements it from its written description.

Their numbers are those of docs/reference/wire.md#traps.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from pbshell import cred, defer, pb
from pbshell.broker.registry import Registry
from pbshell.cred.login import PortalRoot, login
from pbshell.errors import (
    CannotEncode,
    CannotJelly,
    DeadReferenceError,
    LimitExceeded,
    PBConnectionLost,
    PeerError,
    ProtocolError,
    RefusedClass,
)
from pbshell.testing.loopback import Loopback, loopback
from pbshell.wire.banana import DIALECTS, PB, Decoder, encode
from pbshell.wire.limits import Limits
from tests.conformance import lab
from tests.conformance.accidents import failure_fields
from tests.conformance.ends import OFFER, End


def message(request: Any, name: bytes, *args: Any, luid: Any = b"root", answer: Any = 1) -> list[Any]:
    return [b"message", request, luid, name, answer, [b"tuple", *args], [b"dictionary"]]


def outcome(deferred: Any) -> list[Any]:
    """Where the result or the failure of *deferred* will be."""
    out: list[Any] = []
    deferred.addBoth(out.append)
    return out


def text(value: str) -> list[bytes]:
    return [b"unicode", value.encode()]


class Shelf(pb.Root):
    """A root for the most part of what follows."""

    def __init__(self) -> None:
        self.thing = lab.Thing("the thing")
        self.kept: list[Any] = []
        self.waiting: list[defer.Deferred[Any]] = []

    def remote_echo(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if len(args) == 1 and not kwargs else [list(args), kwargs]

    def remote_later(self) -> Any:
        self.waiting.append(defer.Deferred())
        return self.waiting[-1]

    def remote_lend(self) -> Any:
        return self.thing

    def remote_keep(self, value: Any) -> None:
        self.kept.append(value)

    def remote_do(self, function: Callable[[], Any]) -> Any:
        return function()

    def remote_call(self, reference: Any, name: str, *args: Any) -> Any:
        return reference.callRemote(name, *args)


def shelf(**settings: Any) -> tuple[Shelf, End]:
    root = Shelf()
    return root, End.server(root=root, **settings).open()


def client() -> tuple[Any, End]:
    """A client's reference to the root, and its end."""
    end = End.client().open()
    return end.broker.root_reference(), end


def joined(root: Any = None, **settings: Any) -> Loopback:
    return loopback(root or Shelf(), **settings)


def ask(pair: Loopback, name: str, *args: Any, **kwargs: Any) -> Any:
    out = outcome(pair.root.callRemote(name, *args, **kwargs))
    pair.run()
    return out[0]


def knowing(**classes: type) -> pb.SecurityOptions:
    """Security with these classes of module lab registered."""
    registry = Registry()
    for name, cls in classes.items():
        registry.setUnjellyableForClass(f"lab.{name}", cls)
    return pb.SecurityOptions(registry=registry)


PONDS = {"client_security": knowing(Pond=lab.PondCopy), "security": knowing(Pond=lab.PondCopy)}


# ---------------------------------------------------------------- banana


def test_trap_01_the_number_of_a_word_comes_before_its_type_byte() -> None:
    assert encode([b"version", 6], PB).hex() == "028013870681"
    decoder = Decoder(PB)
    decoder.feed(bytes.fromhex("8713"))
    with pytest.raises(PeerError, match="before"):
        next(decoder)


def test_trap_02_words_are_replaced_in_user_data_too() -> None:
    assert encode([b"unicode", b"list"], PB).endswith(b"\x08\x87")
    assert encode(b"list ", PB) == b"\x05\x82list "
    pair = joined()
    for value in (b"list", "message", {"remote": b"local"}):
        assert ask(pair, "echo", value) == value
    # A method may be called as a word is, too.
    assert str(ask(pair, "list").value) == "No such method: remote_list"


def test_trap_32_the_limits_of_an_int_are_not_symmetrical() -> None:
    assert encode(2**31)[-1] == 0x85
    assert encode(-(2**31))[-1] == 0x83
    assert encode(2**31 - 1)[-1] == 0x81
    assert encode(-(2**31) - 1)[-1] == 0x86


def test_trap_33_the_limit_of_a_text_counts_its_bytes() -> None:
    root, end = client()
    assert outcome(root.callRemote("take", "x" * 655_360)) == []
    assert len(end.sent()) > 655_360
    (failure,) = outcome(root.callRemote("take", "ä" * 327_681))
    assert (failure.value.size, failure.value.limit) == (655_362, "string")
    _, server = shelf()
    server.feed(encode(message(1, b"echo", [b"unicode"]), PB)[:-4] + b"\x01\x00\x28\x82")
    assert isinstance(server.closed, LimitExceeded)


def test_trap_34_the_limit_of_a_list_counts_its_tag() -> None:
    root, end = client()
    (failure,) = outcome(root.callRemote("take", [0] * 655_360))
    assert (failure.value.size, failure.value.limit) == (655_361, "list")
    assert outcome(root.callRemote("take", [0] * 655_359)) == []
    assert end.sent() != b""


# ---------------------------------------------------------------- violations


def test_trap_03_answers_in_front_of_a_violation_are_not_lost() -> None:
    _, end = shelf()
    data = end.feed(encode(message(1, b"echo", 5), PB) + b"\x01\x88")
    assert data == encode([b"answer", 1, 5], PB)
    assert end.closed is not None


@pytest.mark.parametrize("verb", [b"answer", b"error"])
def test_trap_04_an_answer_that_cannot_be_read_fails_its_call_once(verb: bytes) -> None:
    root, end = client()
    bad, good = outcome(root.callRemote("a")), outcome(root.callRemote("b"))
    end.sent()
    end.feed_expression([verb, 1, [b"no.Such", [b"dictionary"]]])
    assert isinstance(bad[0].value, RefusedClass)
    assert end.closed is None
    end.feed_expression([b"answer", 2, 7])
    assert good == [7]
    end.lose(ConnectionResetError())
    assert len(bad) == 1


def test_trap_05_an_unknown_command_is_answered_and_not_punished() -> None:
    _, end = shelf()
    assert end.feed_expression([b"frobnicate", 1, 2]) == [[b"didNotUnderstand", b"frobnicate"]]
    assert end.feed_expression([b"didNotUnderstand", b"x"]) == []
    assert end.closed is None


@pytest.mark.parametrize(
    "value", [2**600, b"x" * 700_000, "\ud800", pytest, object()], ids=lambda value: type(value).__name__
)
def test_trap_06_a_result_that_cannot_be_sent_is_an_error_at_once_and_later(value: Any) -> None:
    root, end = shelf()
    root.remote_now = lambda: value  # type: ignore[attr-defined]
    (answer,) = end.feed_expression(message(1, b"now"))
    assert answer[:2] == [b"error", 1]
    assert end.feed_expression(message(2, b"later")) == []
    root.waiting[0].callback(value)
    (answer,) = end.expressions()
    assert answer[:2] == [b"error", 2]
    assert end.broker.theirs.pending == {}


def test_trap_07_arguments_that_cannot_be_sent_fail_through_the_deferred_and_use_no_request_id() -> None:
    root, end = client()
    for value, kind in (
        (2**600, CannotEncode),
        (test_trap_01_the_number_of_a_word_comes_before_its_type_byte, CannotJelly),
    ):
        (failure,) = outcome(root.callRemote("take", value))
        assert isinstance(failure.value, kind)
    root.callRemote("take", 1)
    assert [each[1] for each in end.expressions()] == [1]


def test_trap_08_a_call_on_a_dead_reference_raises_at_once() -> None:
    root, end = client()
    end.lose(ConnectionResetError("gone"))
    with pytest.raises(DeadReferenceError, match="gone"):
        root.callRemote("anything")


@pytest.mark.parametrize(
    "code", [joined, pytest, Shelf().remote_lend, len], ids=["function", "module", "method", "builtin"]
)
def test_trap_09_code_cannot_be_sent_and_is_not_received(code: Any) -> None:
    root, end = client()
    (failure,) = outcome(root.callRemote("take", code))
    assert isinstance(failure.value, CannotJelly)
    assert end.sent() == b""
    _, server = shelf()
    for tag in (b"function", b"module", b"method", b"class", b"instance"):
        (answer,) = server.feed_expression(message(1, b"echo", [tag, b"os.system", b"x", b"y"]))
        assert failure_fields(answer[2])["type"] == b"twisted.spread.jelly.InsecureJelly"


def test_trap_10_a_plain_instance_does_not_leave_and_a_placeholder_is_visible() -> None:
    root, end = client()
    (failure,) = outcome(root.callRemote("take", [{"x": object()}]))
    assert failure.value.path == "args[0][0]['x']"
    assert end.sent() == b""
    call = outcome(root.callRemote("get"))
    end.feed_expression([b"answer", 1, [b"unpersistable", b"why"]])
    assert call[0].reason == "Unpersistable data: b'why'"


# ---------------------------------------------------------------- failures


def fails(**more: Any) -> dict[str, Any]:
    """What a peer is told of a failure."""
    _, end = shelf(**more)
    (answer,) = end.feed_expression(message(1, b"missing"))
    return failure_fields(answer[2])


def test_trap_11_the_type_of_a_failure_is_bytes_and_all_else_is_text() -> None:
    fields = fails()
    assert {name for name, value in fields.items() if isinstance(value, bytes)} == {"type"}
    assert fields["parents"] == [
        *("twisted.spread.flavors.NoSuchMethod", "builtins.AttributeError", "builtins.Exception"),
        *("builtins.BaseException", "builtins.object"),
    ]
    # Received, both will do, and nothing has to be there.
    root, end = client()
    for name in (b"a.B", text("a.B")):
        call = outcome(root.callRemote("x"))
        (sent,) = end.expressions()
        state = [b"dictionary", [text("type"), name]]
        end.feed_expression([b"error", sent[1], [b"twisted.spread.pb.CopyableFailure", state]])
        assert call[0].type == "a.B"
        assert call[0].parents == ["a.B"]


def test_trap_12_no_file_names_are_told_and_frames_with_shared_tuples_are_read() -> None:
    root, end = shelf()
    end.feed_expression(message(1, b"later"))

    def raising() -> None:
        raise ValueError("text")

    defer.maybeDeferred(raising).chainDeferred(root.waiting[0])
    data = end.sent()
    assert b"builtins.ValueError" in data
    assert b".py" not in data
    reference, other = client()
    call = outcome(reference.callRemote("x"))
    empty: Any = [b"reference", 1, [b"tuple"]]
    frame = [b"tuple", text("f"), text("file.py"), 5, empty, [b"dereference", 1]]
    state = [b"dictionary", [text("type"), b"a.B"], [text("_frames"), [b"list", frame]], [text("value"), text("why")]]
    other.feed_expression([b"error", 1, [b"twisted.spread.pb.CopyableFailure", state]])
    assert str(call[0].value) == "why"


@pytest.mark.parametrize("unsafe", [False, True])
def test_trap_13_a_failure_that_was_received_can_be_passed_on(unsafe: bool) -> None:
    pair = joined(unsafeTracebacks=unsafe)
    failure = ask(pair, "call", lab.Thing("mine"), "fail", "ValueError")
    assert failure.type == "builtins.ValueError"
    assert str(failure.value) == "a loud text"
    assert failure.check(ValueError) is ValueError


def test_trap_14_an_application_s_own_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    root, end = shelf()

    def quiet() -> None:
        raise lab.Quieter("nobody's business")

    root.remote_quiet = quiet  # type: ignore[attr-defined]
    (answer,) = end.feed_expression(message(1, b"quiet"))
    assert failure_fields(answer[2])["type"] == b"lab.Quieter"
    assert end.feed_expression(message(2, b"quiet", answer=0)) == []
    assert caplog.records == []
    end.feed_expression(message(3, b"do", 5))
    assert "TypeError" in caplog.text


def test_trap_15_an_exception_that_is_copyable_fails_the_call_even_unregistered() -> None:
    class Raising(Shelf):
        def remote_spill(self) -> None:
            spill = lab.Spill("not sent")
            spill.where = "on the floor"
            raise spill

    unregistered = ask(joined(Raising()), "spill")
    assert isinstance(unregistered.value, RefusedClass)
    pair = joined(Raising(), client_security=knowing(Spill=lab.SpillCopy))
    registered = ask(pair, "spill")
    assert isinstance(registered.value, lab.SpillCopy)
    assert registered.value.where == "on the floor"


class Sulking(lab.Pond):
    """A Cacheable whose state cannot be had the first time."""

    tries = 0

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
        self.tries += 1
        if self.tries == 1:
            raise ValueError("not now")
        state = super().getStateToCacheAndObserveFor(perspective, observer)
        return {**state, "too large": 2**600} if self.tries == 2 else state


Sulking.__module__, Sulking.__name__ = "lab", "Pond"


def test_trap_16_a_state_that_cannot_be_had_or_sent_leaves_no_trace() -> None:
    pond = Sulking()
    root = Shelf()
    root.remote_pond = lambda: pond  # type: ignore[attr-defined]
    pair = joined(root, **PONDS)
    assert ask(pair, "pond").check(ValueError)
    assert pair.server.ours.caches.counts() == {}
    assert "exceeds 64" in str(ask(pair, "pond").value)
    assert pair.server.ours.caches.counts() == {}
    assert pond.observers == []
    copy = ask(pair, "pond")
    assert copy.ducks == ["one duck", "two duck"]
    assert len(pond.observers) == 1


# ---------------------------------------------------------------- numbers


def test_trap_17_request_ids_are_used_up_by_calls_without_an_answer_and_both_sides_count_alone() -> None:
    root, end = client()
    root.callRemote("a", pbanswer=False)
    root.callRemote("b", lab.Thing("mine"))
    sent = end.expressions()
    assert [(each[1], each[4]) for each in sent] == [(1, 0), (2, 1)]
    assert sent[1][5] == [b"tuple", [b"remote", 1]]
    # The server's own 1 has nothing to do with ours, neither as a request nor as an object.
    end.feed_expression([b"answer", 2, [b"remote", 1]])
    (answer, *_) = end.feed_expression(message(1, b"name", luid=1))
    assert answer == [b"answer", 1, text("mine")]


def test_trap_18_a_copy_that_holds_itself_is_complete() -> None:
    root, end = shelf(security=knowing(Parcel=lab.ParcelCopy))
    inside = [
        b"lab.Parcel",
        [b"dictionary", [text("me"), [b"dereference", 1]], [text("box"), [b"list", [b"dereference", 1]]]],
    ]
    end.feed_expression(message(1, b"keep", [b"reference", 1, inside]))
    (copy,) = root.kept
    assert copy.me is copy
    assert copy.box[0] is copy


def test_trap_19_an_object_that_is_not_here_any_more_comes_home_as_none() -> None:
    root, end = shelf()
    end.feed_expression(message(1, b"keep", [b"local", 77]))
    assert root.kept == [None]


def test_trap_20_a_viewable_comes_back_as_the_view_of_its_perspective() -> None:
    board = lab.Board()
    root = Shelf()
    root.remote_board = lambda: board  # type: ignore[attr-defined]
    pair = joined(root)
    ask(pair, "keep", ask(pair, "board"))
    (view,) = root.kept
    assert type(view) is pb.ViewPoint
    assert view.object is board
    assert view.perspective is None


def test_trap_21_each_receipt_is_given_back_by_itself_and_a_surplus_is_harmless() -> None:
    _, end = shelf()
    end.feed_expression(message(1, b"lend"), message(2, b"lend"))
    assert end.broker.ours.exports.counts() == {1: 2}
    end.feed_expression([b"decref", 1])
    assert end.broker.ours.exports.counts() == {1: 1}
    end.feed_expression([b"decref", 1], [b"decref", 1], [b"decref", b"root"])
    assert end.broker.ours.exports.counts() == {}
    assert end.feed_expression(message(3, b"echo", 1)) == [[b"answer", 3, 1]]
    assert end.broker.oddities == 2
    reference, other = client()
    pair = outcome(reference.callRemote("x"))
    other.feed_expression([b"answer", 1, [b"list", [b"remote", 4], [b"remote", 4]]])
    del pair[0][0]
    other.sent()
    pair.clear()
    gc.collect(0)
    assert other.expressions() == [[b"decref", 4]]


def test_trap_22_an_object_that_is_lent_again_has_a_new_number() -> None:
    root, end = shelf()
    assert end.feed_expression(message(1, b"lend")) == [[b"answer", 1, [b"remote", 1]]]
    end.feed_expression([b"decref", 1])
    assert end.feed_expression(message(2, b"lend")) == [[b"answer", 2, [b"remote", 2]]]
    # What was under way under the old number is still recognised.
    end.feed_expression(message(3, b"keep", [b"local", 1]))
    assert root.kept == [root.thing]


def test_trap_23_a_decref_may_come_before_the_answer() -> None:
    root, end = client()
    mine = lab.Thing("mine")
    call = outcome(root.callRemote("take", mine))
    end.feed_expression([b"decref", 1], [b"answer", 1, 5])
    assert call == [5]
    assert end.broker.ours.exports.counts() == {}


def gate() -> tuple[Loopback, Any]:
    """A server that asks for a login, and its realm, without a loop."""

    class Realm:
        def __init__(self) -> None:
            self.board = lab.Board()
            self.texts: list[str] = []

        def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
            self.texts.append(f"login {avatarId.decode()}")
            user = lab.User(avatarId.decode(), mind, self.board)
            return pb.IPerspective, user, lambda: self.texts.append(f"logout {avatarId.decode()}")

    realm = Realm()
    return loopback(PortalRoot(cred.Portal(realm, [lab.passwords()]))), realm


def test_trap_24_the_challenger_lives_until_it_has_answered() -> None:
    pair, realm = gate()
    asked = outcome(pair.root.callRemote("login", b"ada"))
    pair.run()
    challenge, challenger = asked.pop()
    digest = hashlib.md5(hashlib.md5(b"lovelace").digest() + challenge).digest()
    entered = outcome(challenger.callRemote("respond", digest, None))
    pb.release(challenger)
    del challenger
    pair.run()
    assert isinstance(entered[0], pb.RemoteReference)
    assert realm.texts == ["login ada"]


def test_trap_25_dropping_the_avatar_logs_out_once() -> None:
    pair, realm = gate()
    entered = outcome(login(pair.root, cred.UsernamePassword(b"ada", b"lovelace")))
    pair.run()
    assert realm.texts == ["login ada"]
    entered.clear()
    gc.collect(0)
    pair.run()
    assert realm.texts == ["login ada", "logout ada"]
    pair.lose()
    assert realm.texts == ["login ada", "logout ada"]


# ---------------------------------------------------------------- what a call looks like


def test_trap_26_keywords_are_text_names_are_bytes_and_any_truth_value_asks_for_an_answer() -> None:
    root, end = client()
    root.callRemote("x", key=1)
    (sent,) = end.expressions()
    assert sent[2:5] == [b"root", b"x", 1]
    assert sent[6] == [b"dictionary", [text("key"), 1]]
    _, server = shelf()
    for answer, expected in (([b"None"], 1), (2, 1), (b"x", 1), (b"", 0), (0, 0), ([], 0)):
        assert len(server.feed_expression(message(1, b"echo", 5, answer=answer))) == expected
    for keys in ([b"key", 1], [text("key"), 1]):
        call = message(1, b"echo")
        call[6] = [b"dictionary", keys]
        assert server.feed_expression(call) == [[b"answer", 1, [b"list", [b"list"], [b"dictionary", [text("key"), 1]]]]]


def test_trap_27_none_is_a_list_and_never_a_bare_word() -> None:
    _, end = shelf()
    assert end.feed_expression(message(1, b"keep", 5)) == [[b"answer", 1, [b"None"]]]
    root, other = client()
    call = outcome(root.callRemote("x"))
    other.feed_expression([b"answer", 1, b"None"])
    assert call == [b"None"]


def test_trap_28_arguments_may_come_as_a_list() -> None:
    _, end = shelf()
    call = message(1, b"echo", 1)
    call[5] = [b"list", 1]
    assert end.feed_expression(call) == [[b"answer", 1, 1]]


def test_trap_29_what_is_shared_by_two_kinds_of_arguments_is_sent_twice() -> None:
    root, end = client()
    shared: list[Any] = [1]
    root.callRemote("x", shared, shared, key=[shared, shared])
    (sent,) = end.expressions()
    twice = [b"reference", 1, [b"list", 1]], [b"dereference", 1]
    assert sent[5] == [b"tuple", *twice]
    assert sent[6] == [b"dictionary", [text("key"), [b"list", *twice]]]


def test_trap_30_the_one_empty_tuple_may_be_shared() -> None:
    root, end = shelf()
    shared = [b"tuple", [b"reference", 1, [b"tuple"]], [b"dereference", 1]]
    end.feed_expression(message(1, b"keep", shared))
    assert root.kept == [((), ())]
    assert ask(joined(), "echo", ((), ())) == ((), ())


def test_trap_31_a_dict_keeps_its_order_and_a_set_has_none() -> None:
    root, end = client()
    root.callRemote("x", {"z": 1, "a": 2, "m": 3})
    (sent,) = end.expressions()
    assert [key for key, _ in sent[5][1][1:]] == [text("z"), text("a"), text("m")]
    pair = joined()
    assert list(ask(pair, "echo", {"z": 1, "a": 2, "m": 3})) == ["z", "a", "m"]
    assert ask(pair, "echo", {1, 2, 3}) == {1, 2, 3}


# ---------------------------------------------------------------- caches


def pond_root() -> tuple[Shelf, lab.Pond]:
    root, pond = Shelf(), lab.Pond()
    root.remote_pond = lambda: pond  # type: ignore[attr-defined]
    root.remote_ponds = lambda: [root.thing, pond, lab.Thing("another")]  # type: ignore[attr-defined]
    return root, pond


def test_trap_35_references_and_caches_share_their_numbers_but_not_their_verbs() -> None:
    root, _ = pond_root()
    end = End.server(root=root).open()
    ((_, _, sent),) = end.feed_expression(message(1, b"ponds"))
    assert [sent[1][1], sent[2][1], sent[3][1]] == [1, 2, 3]
    (answer,) = end.feed_expression(message(2, b"anything", luid=2))
    assert failure_fields(answer[2])["value"] == "Invalid Object ID"
    (answer,) = end.feed_expression([b"cachemessage", 3, 1, b"added", 1, [b"tuple"], [b"dictionary"]])
    assert answer[0] == b"error"


def test_trap_36_the_shared_state_is_kept_until_the_owner_agrees() -> None:
    reference, end = client()
    end.broker.security = knowing(Pond=lab.PondCopy)
    first, second = outcome(reference.callRemote("a")), outcome(reference.callRemote("b"))
    end.sent()
    end.feed_expression([b"answer", 1, [b"lab.Pond", 5, [b"dictionary", [text("ducks"), [b"list", 1]]]]])
    first.clear()
    gc.collect(0)
    assert end.expressions() == [[b"decache", 5]]
    # The owner sent it again before it knew: the number alone, because the state is still here.
    end.feed_expression([b"answer", 2, [b"cached", 5]])
    assert second[0].ducks == [1]
    second.clear()
    gc.collect(0)
    assert end.expressions() == [[b"decache", 5]]
    assert end.feed_expression([b"uncache", 5]) == []
    third = outcome(reference.callRemote("c"))
    end.sent()
    end.feed_expression([b"answer", 3, [b"cached", 5]])
    assert isinstance(third[0].value, ProtocolError)
    # And as the owner: uncache when the last is back, after stoppedObserving.
    root, pond = pond_root()
    owner = End.server(root=root).open()
    owner.feed_expression(message(1, b"pond"), message(2, b"pond"))
    assert owner.feed_expression([b"decache", 1]) == []
    assert len(pond.observers) == 1
    assert owner.feed_expression([b"decache", 1]) == [[b"uncache", 1]]
    assert pond.observers == []


def test_trap_37_an_update_asks_for_an_answer_and_gets_one() -> None:
    root, pond = pond_root()
    pair = joined(root, **PONDS)
    copy = ask(pair, "pond")
    told = outcome(pond.add("a third"))
    pair.run()
    assert told == [[3]]
    assert copy.ducks[-1] == "a third"
    assert pair.server.ours.pending == {}
    quiet = outcome(pond.observers[0].callRemote("added", "a fourth", pbanswer=False))
    pair.run()
    assert quiet == [None]
    assert copy.ducks[-1] == "a fourth"


def test_trap_38_two_receipts_of_a_cached_object_are_equal() -> None:
    root, _ = pond_root()
    pair = joined(root, **PONDS)
    one, other = ask(pair, "pond"), ask(pair, "pond")
    assert one == other
    assert hash(one) == hash(other)
    assert one.ducks is other.ducks


def test_trap_39_the_perspective_of_the_first_transmission_sticks() -> None:
    seen: list[Any] = []

    class Seen(lab.Pond):
        def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
            seen.append(("began", perspective))
            return super().getStateToCacheAndObserveFor(perspective, observer)

        def stoppedObserving(self, perspective: Any, observer: Any) -> None:
            seen.append(("ended", perspective))
            super().stoppedObserving(perspective, observer)

    pond = Seen()
    root, end = shelf()
    for name in ("first", "second"):
        viewer = lab.Thing(name)
        viewer.perspective = name
        viewer.remote_pond = lambda: pond  # type: ignore[attr-defined]
        root.kept.append(viewer)
    root.remote_viewers = lambda: root.kept  # type: ignore[attr-defined]
    end.feed_expression(message(1, b"viewers"))
    end.feed_expression(message(2, b"pond", luid=1), message(3, b"pond", luid=2))
    end.feed_expression([b"decache", 3], [b"decache", 3])
    assert seen == [("began", "first"), ("ended", "first")]


# ---------------------------------------------------------------- pages


def test_trap_40_pages_may_come_before_the_answer_of_the_call_that_began_them() -> None:
    reference, end = client()
    pages = outcome(pb.getAllPages(reference, "pages"))
    ((_, _, _, _, _, (_, (_, luid)), _),) = end.expressions()
    end.feed_expression(message(1, b"gotPage", b"one", luid=luid, answer=0))
    end.feed_expression(message(2, b"gotPage", b"two", luid=luid, answer=0))
    end.feed_expression(message(3, b"endedPaging", luid=luid, answer=0))
    end.feed_expression([b"answer", 1, [b"None"]])
    assert pages == [[b"one", b"two"]]


def test_trap_41_an_error_of_the_paging_call_reaches_the_caller() -> None:
    pages = outcome(pb.getAllPages(joined_reference := (pair := joined()).root, "missing"))
    del joined_reference
    pair.run()
    assert str(pages[0].value) == "No such method: remote_missing"


# ---------------------------------------------------------------- hostile texts and objects


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [Mute(), ValueError("x" * 700_000), ValueError("\ud800"), ValueError("\x00\x1b")],
    ids=["mute", "long", "surrogate", "control"],
)
def test_trap_42_the_text_of_an_exception_cannot_end_a_connection(error: Exception) -> None:
    root, end = shelf()

    def failing() -> None:
        raise error

    root.remote_fail = failing  # type: ignore[attr-defined]
    (answer,) = end.feed_expression(message(1, b"fail"))
    fields = failure_fields(answer[2])
    assert fields["type"].endswith(type(error).__name__.encode())
    assert len(fields["value"]) < 100_000
    assert end.closed is None


def test_trap_43_references_and_observers_are_compared_without_an_accident() -> None:
    root, pond = pond_root()
    pair, other = joined(root, **PONDS), joined(root, **PONDS)
    ask(pair, "pond"), ask(other, "pond")
    thing = ask(pair, "lend")
    for each in (pair.root, thing, pond.observers[0] if pond.observers else thing):
        assert each != None  # noqa: E711 (the comparison is the point)
        assert each != "text"
        assert hash(each) == hash(each)
    assert pair.root != other.root
    assert pair.root == pair.client.root_reference()
    assert thing.remoteMethod("name") == thing.remoteMethod("name")
    called = outcome(thing.remoteMethod("name")())
    pair.run()
    assert called == ["the thing"]


def test_trap_43_observers_of_two_connections_differ() -> None:
    root, pond = pond_root()
    pairs = [joined(root, **PONDS) for _ in range(2)]
    copies = [ask(pair, "pond") for pair in pairs]
    one, other = pond.observers
    assert one != other
    assert len({one, other}) == 2
    pond.observers.remove(other)
    assert pond.observers == [one]
    pond.observers.append(other)
    del copies


def test_trap_44_there_is_no_goodbye_and_the_sign_of_life_is_the_version_once_more() -> None:
    _, end = shelf()
    end.broker.keepalive()
    assert end.expressions() == [[b"version", 6]]
    end.broker.close(ConnectionError("enough"))
    assert end.sent() == b""
    assert end.closed is not None


def test_trap_45_a_method_name_is_utf8() -> None:
    _, end = shelf()
    end.feed_expression(message(1, b"\xff\xfe"))
    assert isinstance(end.closed, ProtocolError)
    root, sender = client()
    root.callRemote("größe")
    (sent,) = sender.expressions()
    assert sent[3] == "größe".encode()


def test_trap_46_a_security_of_one_s_own_still_takes_all_data() -> None:
    """Twisted's knows neither lists nor references unless told, and then no call gets through."""
    root, end = shelf(security=pb.SecurityOptions(registry=Registry()))
    end.feed_expression(message(1, b"keep", [b"list", [b"tuple", 1], [b"dictionary", [1, [b"local", b"root"]]]]))
    assert root.kept == [[(1,), {1: root}]]


# ---------------------------------------------------------------- handshake and books


def call_into(broker: Any, calls: list[Any]) -> None:
    calls.append(broker.root_reference().callRemote("x"))


def test_trap_47_the_server_s_order_decides_and_nobody_waits_for_the_version() -> None:
    for offer, chosen in (
        ([b"none", b"pb"], b"none"),
        ([b"zz", b"pb", b"none"], b"pb"),
        ([b"pb", 5, [b"x"], b"none"], b"pb"),
    ):
        end = End.client()
        calls: list[Any] = []
        end.broker.ready.addCallback(call_into, calls)
        data = end.feed(encode(offer))
        assert data.startswith(encode(chosen) + encode([b"version", 6], DIALECTS[chosen]))
        assert len(calls) == 1
    server = End.server(root=Shelf())
    assert server.sent() == OFFER
    assert server.feed(encode(b"pb") + encode(message(1, b"echo", 5), PB)).endswith(encode([b"answer", 1, 5], PB))


@pytest.mark.parametrize("luid", [b"abc", -5, 2**59, 1.5, b"", b"root"])
def test_trap_48_a_peer_numbers_its_objects_as_it_likes(luid: Any) -> None:
    root, end = shelf()
    end.feed_expression(message(1, b"keep", [b"remote", luid]))
    (reference,) = root.kept
    reference.callRemote("x", reference)
    (sent,) = end.expressions()
    assert sent[2] == luid
    assert sent[5] == [b"tuple", [b"local", luid]]
    root.kept.clear()
    del reference
    gc.collect(0)
    assert end.expressions() == [[b"decref", luid]]


@pytest.mark.parametrize("luid", [2**70, [b"list"]], ids=["71 bits", "a list"])
def test_trap_48_a_number_that_no_table_should_hold_fails_its_call(luid: Any) -> None:
    _, end = shelf()
    (answer,) = end.feed_expression(message(1, b"keep", [b"remote", luid]))
    assert "luid" in failure_fields(answer[2])["value"]
    assert end.closed is None


def test_trap_49_too_many_exports_fail_the_call_and_leave_none_behind() -> None:
    root, end = shelf(limits=Limits(exports=3))
    root.remote_many = lambda count: [lab.Thing("x") for _ in range(count)]  # type: ignore[attr-defined]
    assert [b"remote", 3] in end.feed_expression(message(1, b"many", 3))[0][2]
    for request in range(2, 10):
        (answer,) = end.feed_expression(message(request, b"many", 1))
        assert "Limits(exports=3)" in failure_fields(answer[2])["value"]
    end.feed_expression([b"decref", 1], [b"decref", 2])
    (answer,) = end.feed_expression(message(10, b"many", 3))
    assert answer[0] == b"error"
    (answer,) = end.feed_expression(message(11, b"many", 2))
    assert answer[0] == b"answer"
    assert len(end.broker.ours.exports.counts()) == 3


def test_trap_49_as_many_as_twisted_sends_are_sent_by_default() -> None:
    root, end = shelf()
    root.remote_many = lambda count: [lab.Thing("x") for _ in range(count)]  # type: ignore[attr-defined]
    (answer,) = end.feed_expression(message(1, b"many", 1024))
    assert len(answer[2]) == 1025
    (answer,) = end.feed_expression(message(2, b"many", 1))
    assert answer[0] == b"error"
    assert end.closed is None


def test_trap_50_what_waits_fails_in_order_before_anyone_is_notified() -> None:
    root, end = client()
    events: list[Any] = []
    end.broker.notifyOnDisconnect(lambda: events.append("broker"))
    root.notifyOnDisconnect(lambda reference: events.append(reference is root))
    for number in range(3):
        root.callRemote("x").addErrback(lambda failure, number=number: events.append((number, type(failure.value))))
    end.lose(ConnectionResetError())
    assert events == [*((number, PBConnectionLost) for number in range(3)), "broker", True]


def test_trap_51_a_reference_that_is_echoed_comes_home() -> None:
    pair = joined()
    mine = lab.Thing("mine")
    assert ask(pair, "echo", mine) is mine
    assert pair.client.ours.exports.counts() == {}
    # Twisted gives it back before it answers.
    root, end = client()
    call = outcome(root.callRemote("echo", mine))
    end.feed_expression([b"decref", 1], [b"answer", 1, [b"local", 1]])
    assert call == [mine]
    # And as the one who echoes we do not.
    _, server = shelf()
    said = server.feed_expression(message(1, b"echo", [b"remote", 5]))
    assert said[0] == [b"answer", 1, [b"local", 5]]


def test_every_trap_has_a_test() -> None:
    numbers = {int(name[10:12]) for name in globals() if name.startswith("test_trap_")}
    assert numbers == set(range(1, 52))
