"""The order of what goes out: give back, jelly, encode, enter, append."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from pbshell.broker.flavors import Cacheable, Copyable, Referenceable
from pbshell.broker.references import RemoteCache, RemoteReference, release
from pbshell.defer import Deferred
from pbshell.errors import CannotJelly
from pbshell.wire.chunk import Side
from tests.broker.wire import Board, Wire, accepting, books_of, dictionary, failed, message, outcome, text


class Hook(Copyable):
    """A Copyable that does something while it is written."""

    def __init__(self, deed: Any) -> None:
        self.deed = deed

    def getTypeToCopy(self) -> str:
        return "test.Hook"

    def getStateToCopy(self) -> Any:
        return self.deed() or {}


class Pond(Cacheable):
    """A Cacheable that does something while its state is given."""

    def __init__(self, deed: Any = lambda pond, observer: None) -> None:
        self.deed = deed

    def getTypeToCopy(self) -> str:
        return "test.Pond"

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
        self.deed(self, observer)
        return {}


HOOK = [b"test.Hook", dictionary()]
POND = [b"test.Pond", 1, dictionary()]


# ------------------------------------------------------------------------------------------- giving back


def test_what_is_owed_goes_back_before_what_is_sent_next() -> None:
    board = Board()
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"keep", [b"remote", 7], [b"remote", 8]))
    first, second = board.kept
    board.kept.clear()
    del first
    wire.broker.root_reference().callRemote("plain", 5)
    del second
    wire.broker.root_reference().callRemote("jellied", [])

    assert wire.said() == [
        [b"decref", 7],
        message(1, b"root", b"plain", 5),
        [b"decref", 8],
        message(2, b"root", b"jellied", [b"list"]),
    ]


def test_nothing_goes_back_between_jellying_and_appending() -> None:
    """A `[decref 5]` in front of the `[local 5]` just jellied would send the peer a number without an object."""
    board = Board(back=lambda: [board.kept[0], Hook(let_go)])
    early: list[bytes] = []

    def let_go() -> None:
        release(board.kept.pop())
        early.append(wire.broker.data_to_send())

    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"keep", [b"remote", 5]))

    assert wire.hears(message(2, b"root", b"back")) == [[b"answer", 2, [b"list", [b"local", 5], HOOK]], [b"decref", 5]]
    assert early == [b""]


def test_a_reference_dropped_by_a_hook_goes_back_behind_its_own_return() -> None:
    board = Board(back=lambda: [board.kept[0], Hook(board.kept.clear)])
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"keep", [b"remote", 5]))

    assert wire.hears(message(2, b"root", b"back")) == [[b"answer", 2, [b"list", [b"local", 5], HOOK]], [b"decref", 5]]


def test_each_byte_is_sent_once() -> None:
    wire = Wire(Side.CLIENT)
    wire.broker.root_reference().callRemote("x")

    assert wire.broker.data_to_send() != b""
    assert wire.broker.data_to_send() == b""


def test_what_is_given_back_during_the_handshake_waits_for_its_end() -> None:
    wire = Wire(Side.CLIENT, handshake=False)
    wire.broker.theirs.exports.lend(7, None)
    wire.broker.give_back(b"decref", 7)

    assert wire.broker.data_to_send() == b""
    wire.broker.receive_data(b"\x01\x80\x02\x82pb")
    assert wire.broker.data_to_send() == b"\x02\x82pb\x02\x80\x13\x87\x06\x81\x02\x80\x1d\x87\x07\x81"


def test_what_was_never_lent_is_not_given_back() -> None:
    wire = Wire(Side.CLIENT)
    wire.broker.give_back(b"decref", 7)
    wire.broker.give_back(b"decache", 7)

    assert wire.said() == []


def test_finalizers_may_run_on_any_thread() -> None:
    board = Board()
    wire = Wire(root=board, security=accepting(Copy=type("Copy", (RemoteCache,), {})))
    wire.hears(message(1, b"root", b"keep", *([b"remote", n] for n in range(100)), [b"test.Copy", 200, dictionary()]))
    wire.foreign = True
    before = wire.wakes
    thread = threading.Thread(target=board.kept.clear)
    thread.start()
    thread.join()
    wire.foreign = False

    assert wire.wakes - before == 101
    assert sorted(wire.said()) == sorted([*([b"decref", n] for n in range(100)), [b"decache", 200]])
    assert books_of(wire.broker)["imports"] == books_of(wire.broker)["copies"] == {}


def test_many_threads_may_give_back_while_another_sends() -> None:
    """A list drained by slice and del loses nothing."""
    board = Board()
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"keep", *([b"remote", n] for n in range(2_000))))
    shares = [board.kept[n::4] for n in range(4)]
    board.kept.clear()
    threads = [threading.Thread(target=share.clear) for share in shares]
    for thread in threads:
        thread.start()
    said: list[Any] = []
    while any(thread.is_alive() for thread in threads):
        said += wire.said()
    for thread in threads:
        thread.join()
    said += wire.said()

    assert sorted(luid for _, luid in said) == list(range(2_000))


def test_after_the_end_nothing_goes_back_and_nobody_is_woken() -> None:
    board = Board()
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"keep", [b"remote", 7]))
    wire.lose()
    before = wire.wakes
    board.kept.clear()
    gc.collect()

    assert wire.wakes == before
    assert wire.said() == []


# ------------------------------------------------------------------------------------------- behind a message


def test_a_call_made_by_a_state_hook_goes_right_behind_that_message() -> None:
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    root.callRemote("first", Hook(lambda: root.callRemote("from the hook").addErrback(print) and None))
    root.callRemote("second")

    assert wire.said() == [
        message(1, b"root", b"first", HOOK),
        message(2, b"root", b"from the hook"),
        message(3, b"root", b"second"),
    ]


def test_what_a_state_hook_says_of_its_object_does_not_overtake_the_state() -> None:
    """`[cached 1]` before the state of 1 is a number that the peer has never heard of."""
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    calls: list[Deferred[Any]] = []

    def deed(pond: Pond, observer: Any) -> None:
        calls.extend((root.callRemote("look", pond), observer.callRemote("grow")))

    root.callRemote("take", Pond(deed))

    assert wire.said() == [
        message(1, b"root", b"take", POND),
        message(2, b"root", b"look", [b"cached", 1]),
        message(3, 1, b"grow", verb=b"cachemessage"),
    ]
    assert [call.called for call in calls] == [False, False]


def test_what_hooks_of_hooks_say_goes_out_in_the_order_of_saying() -> None:
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()

    def say(name: str, *then: str) -> Any:
        return lambda: root.callRemote(name, *(Hook(say(each)) for each in then)) and None

    root.callRemote("one", Hook(say("two", "four")), Hook(say("three", "five")))

    assert [sent[3] for sent in wire.said()] == [b"one", b"two", b"three", b"four", b"five"]


def test_an_answer_that_a_state_hook_fires_goes_right_behind_that_message() -> None:
    waiting: Deferred[Any] = Deferred()
    board = Board(wait=lambda: waiting, now=lambda: [Hook(lambda: waiting.callback("late"))])
    wire = Wire(root=board)

    assert wire.hears(message(1, b"root", b"wait"), message(2, b"root", b"now")) == [
        [b"answer", 2, [b"list", HOOK]],
        [b"answer", 1, text("late")],
    ]


def test_an_error_that_a_state_hook_fires_goes_right_behind_that_message() -> None:
    waiting: Deferred[Any] = Deferred()
    board = Board(wait=lambda: waiting, now=lambda: [Hook(lambda: waiting.errback(ValueError("late")))])
    wire = Wire(root=board)
    answer, error = wire.hears(message(1, b"root", b"wait"), message(2, b"root", b"now"))

    assert answer == [b"answer", 2, [b"list", HOOK]]
    assert failed(error)["value"] == "late"


def test_what_the_hook_of_a_failed_message_said_is_said() -> None:
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    failed_call = root.callRemote("first", Hook(lambda: root.callRemote("from the hook") and None), object())

    assert isinstance(outcome(failed_call), CannotJelly)
    assert wire.said() == [message(1, b"root", b"from the hook")]


def test_a_hook_that_fails_once_does_not_hold_up_what_follows() -> None:
    wire = Wire(root=Board(bad=lambda: Hook(lambda: 1 / 0), good=lambda: Hook(lambda: None)))
    error, answer = wire.hears(message(1, b"root", b"bad"), message(2, b"root", b"good"))

    assert failed(error)["type"] == b"builtins.ZeroDivisionError"
    assert answer == [b"answer", 2, HOOK]


def test_a_hook_that_is_interrupted_leaves_the_broker_usable() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    thing = Referenceable()
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    with pytest.raises(KeyboardInterrupt):
        root.callRemote("x", thing, Hook(interrupt))
    root.callRemote("y")

    assert wire.said() == [message(1, b"root", b"y")]
    assert books_of(wire.broker)["exports"] == {}


# ------------------------------------------------------------------------------------------- wake first


def test_a_call_from_a_foreign_thread_has_changed_nothing() -> None:
    """Not the arguments' state, not a table, not a number."""
    written: list[str] = []
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    wire.foreign = True
    for deed in (
        lambda: root.callRemote("x", Referenceable(), Hook(lambda: written.append("state")), Pond()),
        lambda: root.callRemote("x", pbanswer=False),
        lambda: wire.broker.close(ConnectionError("x")),
        wire.broker.keepalive,
    ):
        with pytest.raises(Exception, match="a foreign thread"):
            deed()
    wire.foreign = False

    assert written == []
    assert not any(books_of(wire.broker).values())
    assert wire.broker.closing is None
    assert wire.said() == []
    root.callRemote("x")
    assert wire.said() == [message(1, b"root", b"x")]


def test_the_link_is_woken_before_anything_is_ready() -> None:
    wire = Wire(Side.CLIENT)
    seen: list[bytes] = []
    wire.wake = lambda: seen.append(wire.broker.data_to_send())  # type: ignore[method-assign]
    wire.broker.root_reference().callRemote("x")
    wire.broker.keepalive()

    assert seen[0] == b""
    assert len(wire.said()) == 1


def test_a_reference_is_not_sent_by_those_who_hold_none() -> None:
    wire = Wire(Side.CLIENT)
    reference = RemoteReference(None, wire.broker, 7, owed=0)
    del reference

    assert wire.said() == []
