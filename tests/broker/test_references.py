"""What we hold: references, copies, cached copies; and whom to tell the changes of our own."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from pbshell.broker.flavors import Cacheable, Copyable, Referenceable
from pbshell.broker.jelly import jelly
from pbshell.broker.references import (
    LocalReference,
    Observers,
    RemoteCache,
    RemoteCacheObserver,
    RemoteCopy,
    release,
)
from pbshell.broker.security import SecurityOptions
from pbshell.defer import Deferred
from pbshell.errors import (
    CannotJelly,
    DeadReferenceError,
    ForeignReference,
    NoSuchMethod,
    PBConnectionLost,
    UsageError,
)
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from tests.broker.wire import Board, Wire, accepting, books_of, dictionary, failed, message, outcome, text, tuple_of


class Card(RemoteCopy):
    """A copy."""


class Copy(RemoteCache):
    """A cached copy that counts what it is told."""

    ducks: Any

    def observe_grow(self, ducks: Any = 1) -> Any:
        self.ducks += ducks
        return self.ducks


class Pond(Cacheable):
    """What is cached: it tells its observers."""

    def __init__(self, ducks: int = 2) -> None:
        self.ducks = ducks
        self.observers = Observers()
        self.stopped: list[Any] = []

    def getTypeToCopy(self) -> str:
        return "test.Pond"

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: RemoteCacheObserver) -> Any:
        self.observers.add(observer)
        return {"ducks": self.ducks}

    def stoppedObserving(self, perspective: Any, observer: RemoteCacheObserver) -> None:
        self.stopped.append(observer)
        self.observers.discard(observer)


POND = [b"test.Pond", 5, dictionary(ducks=2)]


def holder(**classes: Any) -> tuple[Wire, Board]:
    """A wire whose root keeps what it is given, and which knows Pond."""
    board = Board(release=lambda: release(board.kept.pop()))
    return Wire(root=board, security=accepting(Pond=Copy, **classes)), board


def caller() -> Wire:
    return Wire(Side.CLIENT)


# ------------------------------------------------------------------------------------------- RemoteReference


def test_each_receipt_is_a_reference_of_its_own_and_all_are_equal() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", 7], [b"remote", 7], [b"remote", 8]))
    first, second, other = board.kept

    assert first is not second
    assert first == second != other
    assert hash(first) == hash(second)
    assert len({first, second, other}) == 2
    assert first != 7
    assert (first == None) is False  # noqa: E711 - a comparison that raises in Twisted
    assert books_of(wire.broker)["imports"] == {7: 2, 8: 1}


def test_references_of_two_connections_are_different() -> None:
    (one, ours), (two, theirs) = holder(), holder()
    for wire in (one, two):
        wire.hears(message(1, b"root", b"keep", [b"remote", 7]))

    assert ours.kept != theirs.kept
    assert hash(one.broker.root_reference()) == hash(one.broker.root_reference())
    assert one.broker.root_reference() == one.broker.root_reference() != two.broker.root_reference()


def test_each_reference_that_dies_sends_one_decref() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", 7], [b"remote", 7]))

    board.kept.pop()
    assert wire.said() == [[b"decref", 7]]
    board.kept.pop()
    assert wire.said() == [[b"decref", 7]]
    assert books_of(wire.broker)["imports"] == {}


def test_a_reference_that_nobody_kept_goes_back_with_the_answer() -> None:
    wire = Wire(root=Board(look=repr))

    assert wire.hears(message(1, b"root", b"look", [b"remote", 7])) == [
        [b"answer", 1, text("<RemoteReference c7, alive>")],
        [b"decref", 7],
    ]


def test_the_root_is_not_lent_and_never_given_back() -> None:
    wire = caller()
    root = wire.broker.root_reference()
    assert repr(root) == "<RemoteReference root, alive>"
    root.broker.describe = lambda luid: f"born {luid!r}"
    assert root.broker.name_of(7) == "s7 born 7"
    assert repr(root) == "<RemoteReference root, alive>"
    root.broker.describe = None

    del root
    assert wire.said() == []


def test_a_call_on_a_reference_goes_to_its_object() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", 7]))
    (reference,) = board.kept
    added = reference.callRemote("add", 1, b=2)

    assert wire.said() == [message(1, 7, b"add", 1, b=2)]
    wire.hears([b"answer", 1, 3])
    assert outcome(added) == 3


def test_a_remote_method_is_a_reference_with_a_name() -> None:
    wire = caller()
    root = wire.broker.root_reference()
    add = root.remoteMethod("add")
    add(1, 2)

    assert wire.said() == [message(1, b"root", b"add", 1, 2)]
    assert add == root.remoteMethod("add") != root.remoteMethod("subtract")
    assert hash(add) == hash(root.remoteMethod("add"))
    assert add != "add"
    assert repr(root.remoteMethod("a\x1bb")) == "<remote method a\\x1bb of <RemoteReference root, alive>>"


def test_a_released_reference_goes_back_at_once_and_only_once() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", 7]))
    (reference,) = board.kept
    release(reference)
    release(reference)
    assert wire.said() == [[b"decref", 7]]

    assert repr(reference) == "<RemoteReference c7, released>"
    with pytest.raises(DeadReferenceError, match="cannot be called any more"):
        reference.callRemote("x")
    error = outcome(wire.broker.root_reference().callRemote("take", reference))
    assert isinstance(error, UsageError)
    assert "cannot be sent any more" in str(error)
    board.kept.clear()
    del reference
    assert wire.said() == []


def test_a_released_root_cannot_be_used_and_nothing_is_sent() -> None:
    wire = caller()
    root = wire.broker.root_reference()
    release(root)

    assert wire.said() == []
    with pytest.raises(DeadReferenceError):
        root.callRemote("x")


def test_a_reference_goes_home_as_local() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", b"a name"]))
    wire.broker.root_reference().callRemote("take", board.kept[0], wire.broker.root_reference())

    assert wire.said() == [message(1, b"root", b"take", [b"local", b"a name"], [b"local", b"root"])]


def test_a_reference_travels_on_its_own_connection_only() -> None:
    foreign = caller().broker.root_reference()
    wire = caller()
    error = outcome(wire.broker.root_reference().callRemote("take", 1, {"it": foreign}))

    assert isinstance(error, ForeignReference)
    assert str(error).startswith("args[1]['it'] is a remote reference that belongs to another connection: ")
    assert wire.said() == []
    with pytest.raises(CannotJelly, match="a reference travels on its own connection only"):
        jelly(foreign)


def test_a_reference_is_dead_when_its_connection_is() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", 7]))
    (reference,) = board.kept
    wire.lose()

    assert repr(reference) == "<RemoteReference c7, dead>"
    with pytest.raises(DeadReferenceError, match="cut"):
        reference.callRemote("x")
    board.kept.clear()
    del reference
    assert wire.said() == []


def test_a_reference_tells_of_the_end_of_its_connection() -> None:
    wire = caller()
    root = wire.broker.root_reference()
    told: list[Any] = []
    root.notifyOnDisconnect(told.append)
    root.notifyOnDisconnect(told.append)
    root.dontNotifyOnDisconnect(told.append)
    root.dontNotifyOnDisconnect(print)
    wire.lose()

    assert told == [root]


@pytest.mark.parametrize(("luid", "name"), [(7, "c7"), (2.5, "c2.5"), (b"ro\x1bot", "ro\\x1bot")])
def test_a_reference_is_shown_by_its_owner_and_number(luid: Any, name: str) -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", luid]))

    assert repr(board.kept[0]) == f"<RemoteReference {name}, alive>"
    assert Wire(Side.CLIENT).broker.name_of(7) == "s7"


# ------------------------------------------------------------------------------------------- LocalReference


class Adder:
    def remote_add(self, a: int, b: int) -> int:
        return a + b

    def remote_fail(self) -> None:
        raise ValueError("bad")

    def remote_later(self) -> Deferred[int]:
        return Deferred()


def test_a_local_object_can_be_called_like_a_remote_one() -> None:
    local = LocalReference(Adder())

    assert outcome(local.callRemote("add", 1, b=2)) == 3
    assert outcome(local.remoteMethod("add")(1, 2, pbanswer=False)) == 3
    assert isinstance(outcome(local.callRemote("fail")), ValueError)
    assert isinstance(outcome(local.callRemote("nothing")), NoSuchMethod)
    assert not local.callRemote("later").called


# ------------------------------------------------------------------------------------------- RemoteCopy


def unjellied(state: Any) -> Any:
    board = Board()
    wire = Wire(root=board, security=accepting(Card=Card))
    (answer,) = wire.hears(message(1, b"root", b"keep", [b"test.Card", state]))
    return board.kept[0] if board.kept else failed(answer)


@pytest.mark.parametrize("state", [dictionary(), [b"None"], 0, b""])
def test_a_copy_without_a_state_has_no_attributes(state: Any) -> None:
    assert vars(unjellied(state)) == {}


def test_the_state_of_a_copy_becomes_its_attributes() -> None:
    assert vars(unjellied(dictionary(suit=text("hearts"), rank=5))) == {"suit": "hearts", "rank": 5}


def test_attribute_names_may_be_bytes_as_python_2_sends_them() -> None:
    state = [b"dictionary", [b"suit", 1], [text("suit"), 2], [b"\xff", 3]]

    assert vars(unjellied(state)) == {"suit": 2, "\ufffd": 3}


def test_a_state_that_is_no_dictionary_is_refused_with_the_hook_to_define() -> None:
    fields = unjellied(5)

    assert fields["value"].endswith(
        "test_references.Card got a state that is no dictionary: define setCopyableState to take it"
    )


def test_a_copy_may_take_its_state_as_it_likes() -> None:
    class Own(RemoteCopy):
        def setCopyableState(self, state: Any) -> None:
            self.taken = state

    board = Board()
    wire = Wire(root=board, security=accepting(Own=Own))
    wire.hears(message(1, b"root", b"keep", [b"test.Own", 5]))

    assert board.kept[0].taken == 5


# ------------------------------------------------------------------------------------------- RemoteCache


def test_a_cached_copy_is_one_object_as_long_as_it_lives() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND, [b"cached", 5]), message(2, b"root", b"keep", [b"cached", 5]))
    first, second, third = board.kept

    assert first is second is third
    assert books_of(wire.broker)["copies"] == {5: 3}


def test_a_cached_copy_that_died_owes_all_its_receipts() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND, [b"cached", 5]))
    board.kept.clear()

    assert wire.said() == [[b"decache", 5], [b"decache", 5]]
    assert wire.hears([b"uncache", 5]) == []
    assert wire.broker.oddities == 0
    assert wire.broker.books.copies == {}


def test_a_copy_that_comes_again_before_the_owner_agrees_has_the_same_state() -> None:
    """The owner sent `[cached 5]` before it read our decache."""
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND))
    board.kept[0].ducks = 9
    board.kept.clear()
    wire.hears(message(2, b"root", b"keep", [b"cached", 5]))

    assert board.kept[0].ducks == 9
    assert books_of(wire.broker)["copies"] == {5: 1}


def test_a_cached_copy_is_told_what_changes() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND))

    assert wire.hears(message(2, 5, b"grow", 3, verb=b"cachemessage")) == [[b"answer", 2, 5]]
    assert board.kept[0].ducks == 5
    assert failed(wire.hears(message(3, 5, b"shrink", verb=b"cachemessage"))[0])["type"] == b"builtins.AttributeError"


def test_a_change_is_told_even_between_the_last_handle_and_the_owners_word() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND))
    board.kept.clear()

    assert wire.hears(message(2, 5, b"grow", verb=b"cachemessage")) == [[b"decache", 5], [b"answer", 2, 3]]


def test_a_cached_copy_is_made_with_init_and_no_argument_of_the_peer() -> None:
    class Counted(Copy):
        made = 0

        def __init__(self) -> None:
            type(self).made += 1
            self.from_init = True

    wire, board = holder(Counted=Counted)
    wire.hears(message(1, b"root", b"keep", [b"test.Counted", 5, dictionary(ducks=2)]))

    assert Counted.made == 1
    assert vars(board.kept[0]) == {"ducks": 2}


def test_cached_copies_are_equal_when_they_stand_for_the_same_thing() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND, [b"test.Pond", 6, dictionary(ducks=2)]))
    five, six = board.kept
    board.kept.clear()
    release(five)
    wire.hears(message(2, b"root", b"keep", [b"cached", 5]))
    (again,) = board.kept

    assert again is not five
    assert again == five != six
    assert hash(again) == hash(five)
    assert again != 5
    stranger = Copy()
    assert stranger == stranger != five
    assert stranger != Copy()
    assert len({stranger, five, again}) == 2


def test_a_cached_copy_goes_home_as_lcache() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND))
    wire.broker.root_reference().callRemote("take", board.kept[0])

    assert wire.said()[-1] == message(1, b"root", b"take", [b"lcache", 5])


def test_a_cached_copy_travels_home_only() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND))
    other = caller().broker.root_reference()

    error = outcome(other.callRemote("take", board.kept[0]))
    assert isinstance(error, ForeignReference)
    assert str(error).startswith("args[0] is a cached copy that belongs to another connection")
    assert isinstance(outcome(other.callRemote("take", Copy())), CannotJelly)
    with pytest.raises(CannotJelly, match="a cached copy travels only home to its owner"):
        jelly(board.kept[0])


def test_a_released_copy_goes_back_at_once_and_travels_no_more() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND, [b"cached", 5]))
    copy = board.kept[0]
    board.kept.clear()
    release(copy)
    assert wire.said() == [[b"decache", 5], [b"decache", 5]]

    error = outcome(wire.broker.root_reference().callRemote("take", copy))
    assert isinstance(error, UsageError)
    assert str(error).endswith("Copy cannot be sent any more")


def test_what_comes_behind_a_release_is_a_new_receipt() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", POND))
    released = board.kept.pop()
    release(released)
    wire.hears(message(2, b"root", b"keep", [b"cached", 5]))
    assert books_of(wire.broker)["copies"] == {5: 1}

    board.kept.clear()
    assert wire.said() == [[b"decache", 5]]
    assert released.ducks == 2
    assert books_of(wire.broker)["copies"] == {}


def test_a_cached_copy_is_made_by_the_unjellier_only() -> None:
    with pytest.raises(NotImplementedError):
        Copy().unjellyFor(None, [])  # type: ignore[arg-type]
    assert Copy().perspectiveFor() is None


# ------------------------------------------------------------------------------------------- observers


def cached(pond: Pond, **settings: Any) -> Wire:
    """A wire whose peer has cached *pond*."""
    wire = Wire(root=Board(pond=lambda: pond), **settings)
    assert wire.hears(message(1, b"root", b"pond")) == [[b"answer", 1, [b"test.Pond", 1, dictionary(ducks=2)]]]
    return wire


def test_an_observer_tells_the_peers_copy() -> None:
    pond = Pond()
    wire = cached(pond)
    (observer,) = pond.observers
    grown, also = observer.callRemote("grow", 3), observer.remoteMethod("grow")(by=1)

    assert wire.said() == [
        message(1, 1, b"grow", 3, verb=b"cachemessage"),
        message(2, 1, b"grow", by=1, verb=b"cachemessage"),
    ]
    wire.hears([b"answer", 1, 5], [b"answer", 2, 6])
    assert (outcome(grown), outcome(also)) == (5, 6)


def test_observers_are_equal_for_the_same_copy_and_different_for_any_other() -> None:
    pond, other = Pond(), Pond()
    wire = cached(pond)
    (observer,) = pond.observers

    same = RemoteCacheObserver(wire.broker, pond, None)
    assert observer == same
    assert hash(observer) == hash(same)
    for different in (
        RemoteCacheObserver(wire.broker, other, None),
        RemoteCacheObserver(wire.broker, pond, "somebody"),
        RemoteCacheObserver(caller().broker, pond, None),
    ):
        assert observer != different
    assert observer != "observer"
    assert repr(observer).endswith("test_references.Pond at the wire>")


def test_an_observer_whose_last_copy_was_dropped_says_so() -> None:
    pond = Pond()
    wire = cached(pond)
    (observer,) = pond.observers
    wire.hears([b"decache", 1])
    error = outcome(observer.callRemote("grow"))

    assert isinstance(error, UsageError)
    assert "nobody observes this" in str(error)
    assert wire.said() == []
    assert pond.stopped == [observer]


def test_many_observers_are_told_together_and_the_update_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pond = Pond()
    wires = [cached(pond) for _ in range(5)]
    counted: list[Any] = []
    from pbshell.broker.caller import Caller

    plain_tail = Caller.plain_tail
    monkeypatch.setattr(Caller, "plain_tail", lambda *args: counted.append(args) or plain_tail(*args))  # type: ignore[func-returns-value]
    told = pond.observers.callRemote("grow", ["some", {"structured": "data"}], by=1)

    assert len(counted) == 1
    expected = message(
        1, 1, b"grow", [b"list", text("some"), dictionary(structured=text("data"))], by=1, verb=b"cachemessage"
    )
    for number, wire in enumerate(wires):
        assert wire.said() == [expected]
        wire.hears([b"answer", 1, number])
    assert outcome(told) == [(True, 0), (True, 1), (True, 2), (True, 3), (True, 4)]


def test_observers_that_speak_otherwise_are_told_otherwise() -> None:
    pond = Pond()
    wires = [cached(pond), cached(pond, dialect=b"none"), cached(pond, limits=Limits(string=200))]
    told = pond.observers.callRemote("list", "x" * 300)

    assert [len(wire.said()) for wire in wires] == [1, 1, 0]
    for wire in wires[:2]:
        wire.hears([b"answer", 1, 5])
    (first, second, (success, reason)) = outcome(told)
    assert first == second == (True, 5)
    assert not success
    assert "exceeds 200" in str(reason.value)


def test_observers_whose_connection_is_gone_drop_out() -> None:
    pond = Pond()
    wires = [cached(pond) for _ in range(3)]
    first = next(iter(pond.observers))
    pond.stoppedObserving = lambda perspective, observer: None  # type: ignore[method-assign]
    wires[0].lose()
    assert len(pond.observers) == 3
    pond.observers.callRemote("grow")

    assert len(pond.observers) == 2
    assert first not in pond.observers
    assert [len(wire.said()) for wire in wires] == [0, 1, 1]


def test_an_update_may_lose_a_connection_and_the_others_are_told() -> None:
    pond = Pond()
    wires = [cached(pond) for _ in range(3)]

    class Fatal(Copyable):
        def getStateToCopyFor(self, perspective: Any) -> Any:
            wires[0].lose()
            return {}

    told = pond.observers.callRemote("grow", Fatal())
    assert [len(wire.said()) for wire in wires] == [0, 1, 1]
    for wire in wires[1:]:
        wire.hears([b"answer", 1, 5])
    ((success, reason), *others) = outcome(told)
    assert not success
    assert isinstance(reason.value, PBConnectionLost)
    assert others == [(True, 5), (True, 5)]


def test_what_is_written_for_each_observer_is_not_shared() -> None:
    """References have another number on each connection, copies another state for each perspective."""

    class Sealed(Copyable):
        secret = "for nobody"

        def getTypeToCopyFor(self, perspective: Any) -> str:
            return "test.Sealed"

        def getStateToCopyFor(self, perspective: Any) -> Any:
            return {"shown": 1}

    pond, thing = Pond(), Referenceable()
    one, two = cached(pond), cached(pond)
    one.broker.books.lend(Referenceable())
    pond.observers.callRemote("grow", thing, Sealed())

    state = [b"test.Sealed", dictionary(shown=1)]
    assert one.said() == [message(1, 1, b"grow", [b"remote", 3], state, verb=b"cachemessage")]
    assert two.said() == [message(1, 1, b"grow", [b"remote", 2], state, verb=b"cachemessage")]


def test_what_one_connection_may_send_another_may_not() -> None:
    class Plain:
        pass

    open_to = SecurityOptions()
    open_to.allowInstancesOf(Plain)
    pond = Pond()
    trusted, stranger = cached(pond, security=open_to), cached(pond)
    told = pond.observers.callRemote("grow", Plain())

    assert len(trusted.said()) == 1
    assert stranger.said() == []
    trusted.hears([b"answer", 1, 5])
    assert [success for success, _ in outcome(told)] == [True, False]


@pytest.mark.parametrize("word", ["pbanswer", "pbcallback"])
def test_the_words_of_a_call_mean_the_same_for_all_observers(word: str) -> None:
    pond = Pond()
    wire = cached(pond)
    told = pond.observers.callRemote("grow", **{word: False})

    if word == "pbanswer":
        assert wire.said() == [message(1, 1, b"grow", answer=0, verb=b"cachemessage")]
        assert outcome(told) == [(True, None)]
    else:
        assert wire.said() == []
        assert isinstance(outcome(told)[0][1].value, UsageError)


def test_whatever_an_objects_own_code_raises_comes_through_the_deferred() -> None:
    class Bad:
        def __getstate__(self) -> Any:
            raise ValueError("no state")

    open_to = SecurityOptions()
    open_to.allowInstancesOf(Bad)
    pond = Pond()
    wire = cached(pond, security=open_to)
    ((success, reason),) = outcome(pond.observers.callRemote("grow", Bad()))

    assert (success, str(reason.value)) == (False, "no state")
    assert wire.said() == []


def test_in_a_foreign_thread_nobody_is_told() -> None:
    pond = Pond()
    wire = cached(pond)
    wire.foreign = True
    with pytest.raises(UsageError):
        pond.observers.callRemote("grow")
    wire.foreign = False

    assert wire.said() == []
    assert books_of(wire.broker)["calls"] == []


def test_an_update_as_long_as_the_limit_allows_is_sent_and_a_longer_one_is_not() -> None:
    """The number of the call and the luid count as well."""
    limits = Limits(expression=1_000)
    ours: list[Any] = []
    for size in range(900, 1_000):
        pond = Pond()
        wire = cached(pond, limits=limits)
        told = pond.observers.callRemote("grow", b"x" * size)
        sent = wire.broker.data_to_send()
        assert len(sent) <= 1_000
        assert bool(sent) != told.called
        ours.append(len(sent))
        told.addErrback(lambda _: None)

    assert max(ours) == 1_000
    assert ours[-1] == 0


def test_a_set_of_observers_is_a_set() -> None:
    pond = Pond()
    wire = cached(pond)
    (observer,) = pond.observers
    observers = Observers()
    observers.add(observer)
    observers.add(RemoteCacheObserver(wire.broker, pond, None))

    assert len(observers) == 1
    assert observer in observers
    assert list(observers) == [observer]
    observers.discard(observer)
    observers.discard(observer)
    assert list(observers) == []
    assert outcome(observers.callRemote("grow")) == []


def test_a_reference_holds_its_broker_and_nothing_else_does() -> None:
    wire, board = holder()
    wire.hears(message(1, b"root", b"keep", [b"remote", 7]))
    assert board.kept[0].broker is wire.broker
    assert tuple_of() == [b"tuple"]
    board.kept.clear()
    gc.collect()
    assert wire.said() == [[b"decref", 7]]


def test_who_asks_for_it_hears_of_each_call_with_what_was_given() -> None:
    wire = Wire(Side.CLIENT)
    heard: list[Any] = []
    wire.broker.called = lambda *call: heard.append(call)
    reference = wire.broker.root_reference()

    deferred = reference.callRemote("swim", 5, pbanswer=False)

    assert heard == [(reference, "swim", (5,), {"pbanswer": False}, deferred)]
    assert wire.said() == [message(1, b"root", b"swim", 5, answer=0)]


def test_who_asks_for_it_hears_of_each_update_of_an_observer() -> None:
    wire = Wire()
    heard: list[Any] = []
    observer = RemoteCacheObserver(wire.broker, Pond(), None)
    wire.broker.called = lambda *call: heard.append(call)

    deferred = observer.callRemote("grow", ducks=3)

    assert heard == [(observer, "grow", (), {"ducks": 3}, deferred)]
    assert isinstance(outcome(deferred), UsageError)
