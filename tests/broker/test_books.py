"""The two live ledgers: luids, undoing, giving back, what has departed."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import pytest

from pbshell.broker.books import DEPARTED
from pbshell.broker.flavors import Cacheable, Copyable, Referenceable, ViewPoint
from pbshell.broker.references import RemoteCache, RemoteCacheObserver
from pbshell.errors import CannotEncode, PBConnectionLost
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from tests.broker.wire import Board, Wire, accepting, books_of, dictionary, failed, message, outcome


class Pond(Cacheable):
    """A Cacheable that may do something when nobody observes it any more."""

    def __init__(self, parting: Any = None) -> None:
        self.observers: list[Any] = []
        self.stopped: list[Any] = []
        self.parting = parting

    def getTypeToCopy(self) -> str:
        return "test.Pond"

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
        self.observers.append(observer)
        return {}

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.stopped.append((perspective, observer))
        if self.parting is not None:
            self.parting(self, observer)


def lending(**things: Any) -> Wire:
    """A wire whose root gives each of *things* by its name, and keeps what it is given."""
    return Wire(root=Board(**{name: (lambda thing=thing: thing) for name, thing in things.items()}))


# ------------------------------------------------------------------------------------------- luids


def test_references_and_caches_are_numbered_from_one_counter() -> None:
    wire = lending(all=[Referenceable(), Pond(), Referenceable()])
    (answer,) = wire.hears(message(1, b"root", b"all"))

    assert answer[2] == [b"list", [b"remote", 1], [b"test.Pond", 2, dictionary()], [b"remote", 3]]


def test_a_luid_is_never_used_twice() -> None:
    wire = lending(thing=Referenceable())
    for luid in range(1, 5):
        assert wire.hears(message(1, b"root", b"thing"), [b"decref", luid]) == [[b"answer", 1, [b"remote", luid]]]
    assert books_of(wire.broker)["exports"] == {}


def test_what_is_lent_is_kept_alive_and_what_is_given_back_is_not() -> None:
    thing: Any = Referenceable()
    dead = weakref.ref(thing)
    kept = [thing]
    board = Board(take=kept.pop)
    del thing
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"take"))
    gc.collect()
    assert dead() is not None

    wire.hears([b"decref", 1])
    gc.collect()
    assert dead() is None


@pytest.mark.parametrize("raises", [False, True])
def test_an_object_is_freed_even_when_its_unique_id_has_changed(raises: bool) -> None:
    class Fickle(Referenceable):
        key: Any = 1

        def processUniqueID(self) -> Any:
            if self.key is None:
                raise ValueError("no id")
            return self.key

    thing = Fickle()
    wire = lending(thing=thing)
    wire.hears(message(1, b"root", b"thing"))
    thing.key = None if raises else 2

    assert wire.hears([b"decref", 1]) == []
    assert wire.broker.oddities == 0
    assert books_of(wire.broker)["exports"] == {}
    view = ViewPoint(None, thing)
    wire = lending(view=view)
    wire.hears(message(1, b"root", b"view"))
    view.perspective = "another"
    assert wire.hears([b"decref", 1]) == []


# ------------------------------------------------------------------------------------------- limits


def test_more_exports_than_the_limit_are_refused_and_root_does_not_count() -> None:
    things = [Referenceable() for _ in range(3)]
    wire = Wire(root=Board(lend=lambda n: things[:n]), limits=Limits(exports=2))
    assert wire.hears(message(1, b"root", b"lend", 2))[0][0] == b"answer"

    fields = failed(wire.hears(message(2, b"root", b"lend", 3))[0])
    assert fields["value"] == (
        "2 objects are lent on this connection, and Limits(exports=2) grants no more (4 since it opened): "
        "drop references on the other side, or raise the limit"
    )
    assert books_of(wire.broker)["exports"] == {1: 1, 2: 1}
    assert wire.hears(message(3, b"root", b"lend", 2))[0][0] == b"answer"  # the same ones again are no more


def test_more_caches_than_the_limit_are_refused() -> None:
    ponds = [Pond() for _ in range(3)]
    wire = Wire(root=Board(lend=lambda n: ponds[:n]), limits=Limits(caches=2))
    wire.hears(message(1, b"root", b"lend", 2))

    assert (
        "2 objects are cached on this connection, and Limits(caches=2) grants no more"
        in failed(wire.hears(message(2, b"root", b"lend", 3))[0])["value"]
    )
    assert books_of(wire.broker)["caches"] == {1: 1, 2: 1}
    assert [len(pond.stopped) for pond in ponds] == [0, 0, 0]


def test_the_error_at_a_limit_has_its_numbers() -> None:
    wire = Wire(Side.CLIENT, limits=Limits(exports=1))
    root = wire.broker.root_reference()
    error = outcome(root.callRemote("x", Referenceable(), Referenceable()))

    assert isinstance(error, CannotEncode)
    assert (error.limit, error.size, error.value) == ("exports", 2, 1)


# ------------------------------------------------------------------------------------------- coming home


def test_a_luid_just_given_back_can_still_come_home() -> None:
    """Twisted sends its decref before its own answer `[local 1]`."""
    thing = Referenceable()
    wire = Wire(Side.CLIENT)
    echoed = wire.broker.root_reference().callRemote("echo", thing)
    wire.hears([b"decref", 1], [b"answer", 1, [b"local", 1]])

    assert outcome(echoed) is thing


def test_what_has_died_since_comes_home_as_nothing() -> None:
    wire = Wire(Side.CLIENT)
    echoed = wire.broker.root_reference().callRemote("echo", Referenceable())
    wire.hears([b"decref", 1])
    gc.collect()
    wire.hears([b"answer", 1, [b"local", 1]])

    assert echoed.called
    assert outcome(echoed) is None


def test_the_last_64_luids_can_come_home_and_no_more() -> None:
    things = [Referenceable() for _ in range(DEPARTED + 1)]
    board = Board(all=lambda: things)
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"all"), *([b"decref", luid] for luid in range(1, DEPARTED + 2)))
    wire.hears(message(2, b"root", b"keep", *([b"local", luid] for luid in range(1, DEPARTED + 2))))

    assert board.kept == [None, *things[1:]]


def test_what_cannot_be_referred_to_weakly_departs_for_good() -> None:
    class Tight(Referenceable):
        __slots__ = ()

    class Face:
        __slots__ = ("face",)

        def processUniqueID(self) -> int:
            return 1

    wire = Wire(root=Board())
    wire.broker.books.lend(Face())  # type: ignore[arg-type]

    assert wire.hears([b"decref", 1]) == []
    assert wire.broker.books.home(1) is None
    wire.broker.books.lend(Tight())
    assert wire.broker.books.home(2) is not None


# ------------------------------------------------------------------------------------------- whenFreed


def test_when_freed_is_called_once_with_the_last_decref() -> None:
    thing = Referenceable()
    wire = lending(both=[thing, thing])
    freed: list[str] = []
    wire.broker.whenFreed(thing, lambda: freed.append("one"))
    wire.broker.whenFreed(thing, lambda: freed.append("two"))
    wire.hears(message(1, b"root", b"both"), [b"decref", 1])
    assert freed == []

    wire.hears([b"decref", 1])
    assert freed == ["one", "two"]
    wire.hears(message(2, b"root", b"both"), [b"decref", 2], [b"decref", 2])
    wire.lose()
    assert freed == ["one", "two"]


def test_when_freed_is_called_once_when_the_connection_is_lost() -> None:
    lent, never = Referenceable(), Referenceable()
    wire = lending(thing=lent)
    freed: list[str] = []
    wire.broker.whenFreed(lent, lambda: freed.append("lent"))
    wire.broker.whenFreed(never, lambda: freed.append("never lent"))
    wire.hears(message(1, b"root", b"thing"))
    wire.lose()
    wire.lose()

    assert freed == ["lent", "never lent"]


def test_when_freed_is_called_at_once_when_the_connection_is_gone_already() -> None:
    """A realm that thinks for long hands out its avatar to nobody."""
    wire = lending()
    wire.lose()
    freed: list[str] = []
    wire.broker.whenFreed(Referenceable(), lambda: freed.append("now"))

    assert freed == ["now"]


def test_when_freed_is_called_for_what_never_reached_the_peer() -> None:
    thing = Referenceable()
    wire = lending(unsendable=[thing, object()])
    freed: list[str] = []
    wire.broker.whenFreed(thing, lambda: freed.append("undone"))
    wire.hears(message(1, b"root", b"unsendable"))

    assert freed == ["undone"]


def test_a_callback_that_raises_is_logged_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
    thing = Referenceable()
    wire = lending(thing=thing)
    freed: list[str] = []
    wire.broker.whenFreed(thing, lambda: 1 / 0)
    wire.broker.whenFreed(thing, lambda: freed.append("called"))
    wire.hears(message(1, b"root", b"thing"), [b"decref", 1])

    assert freed == ["called"]
    assert "a callback for an object that was freed raised" in caplog.text


# ------------------------------------------------------------------------------------------- what the peer gives back


def test_root_survives_any_number_of_decrefs(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(root=Board())
    wire.hears(*([b"decref", b"root"] for _ in range(1_000)))

    assert wire.broker.oddities == 1_000
    assert len(caplog.records) == 3
    assert caplog.records[2].getMessage().endswith("(more of its kind will only be counted)")
    assert wire.hears(message(1, b"root", b"echo", 5)) == [[b"answer", 1, 5]]


@pytest.mark.parametrize("verb", [b"decref", b"decache", b"uncache"])
@pytest.mark.parametrize("luid", [1, -1, 2.5, b"x", 2**100, b"root"])
def test_a_surplus_is_odd_and_harmless(verb: bytes, luid: Any) -> None:
    wire = Wire(root=Board())

    assert wire.hears([verb, luid]) == []
    assert wire.broker.oddities == 1
    assert wire.hears(message(1, b"root", b"echo", 5)) == [[b"answer", 1, 5]]


def test_one_decref_too_many_changes_nothing() -> None:
    wire = lending(thing=Referenceable())
    wire.hears(message(1, b"root", b"thing"), [b"decref", 1], [b"decref", 1])

    assert wire.broker.oddities == 1
    assert wire.broker.ours.exports.counts() == {}


# ------------------------------------------------------------------------------------------- what is cached of ours


def test_the_last_decache_stops_the_observing_and_is_agreed_to() -> None:
    pond = Pond()
    wire = lending(both=[pond], again=pond)
    wire.hears(message(1, b"root", b"both"), message(2, b"root", b"again"))
    assert books_of(wire.broker)["caches"] == {1: 2}

    assert wire.hears([b"decache", 1]) == []
    assert pond.stopped == []
    assert wire.hears([b"decache", 1]) == [[b"uncache", 1]]
    assert pond.stopped == [(None, pond.observers[0])]
    assert wire.hears(message(3, b"root", b"again")) == [[b"answer", 3, [b"test.Pond", 2, dictionary()]]]


def test_the_perspective_of_the_first_transmission_sticks() -> None:
    pond = Pond()
    board = Board(pond=lambda: pond)
    wire = Wire(root=board)
    board.perspective = "ada"
    wire.hears(message(1, b"root", b"pond"))
    board.perspective = "bob"
    wire.hears(message(2, b"root", b"pond"), [b"decache", 1], [b"decache", 1])

    assert [perspective for perspective, _ in pond.stopped] == ["ada"]


def test_what_stopped_observing_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    wire = lending(pond=Pond(parting=lambda *_: 1 / 0))
    wire.hears(message(1, b"root", b"pond"))

    assert wire.hears([b"decache", 1]) == [[b"uncache", 1]]
    assert "Pond raised" in caplog.text
    assert books_of(wire.broker)["caches"] == {}


def test_a_last_word_reaches_the_copy_before_it_is_dropped() -> None:
    wire = lending(pond=Pond(parting=lambda pond, observer: observer.callRemote("goodbye")))
    wire.hears(message(1, b"root", b"pond"))

    assert wire.hears([b"decache", 1]) == [message(1, 1, b"goodbye", verb=b"cachemessage"), [b"uncache", 1]]


def test_what_lends_itself_again_while_it_is_given_up_is_lent_anew() -> None:
    def lend_again(pond: Pond, _: Any) -> None:
        pond.parting = None
        wire.broker.root_reference().callRemote("take", pond)

    pond = Pond(parting=lend_again)
    wire = lending(pond=pond)
    wire.hears(message(1, b"root", b"pond"))

    assert wire.hears([b"decache", 1]) == [
        message(1, b"root", b"take", [b"test.Pond", 2, dictionary()]),
        [b"uncache", 1],
    ]
    assert books_of(wire.broker)["caches"] == {2: 1}
    assert wire.broker.books.luid_of_cache(pond) == 2
    assert wire.hears([b"decache", 2]) == [[b"uncache", 2]]
    assert books_of(wire.broker)["caches"] == {}


def test_a_cached_object_comes_home_as_the_original() -> None:
    pond = Pond()
    board = Board(pond=lambda: pond)
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"pond"), message(2, b"root", b"keep", [b"lcache", 1]))

    assert board.kept == [pond]


# ------------------------------------------------------------------------------------------- the end


def test_nothing_is_left_when_the_connection_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Copy(RemoteCache):
        pass

    caplog.set_level(logging.CRITICAL, "pbshell.broker")  # a record would keep the wire
    pond, thing = Pond(), Referenceable()
    board = Board(both=lambda: [pond, thing], never=lambda: wire.broker.root_reference().callRemote("never"))  # noqa: F821
    wire = Wire(root=board, security=accepting(Copy=Copy))
    wire.hears(
        message(1, b"root", b"both"),
        message(2, b"root", b"never"),
        message(3, b"root", b"keep", [b"remote", 5], [b"test.Copy", 6, dictionary()]),
    )
    assert all(books_of(wire.broker).values())
    wire.lose()

    assert not any(books_of(wire.broker).values())
    assert wire.broker.ours.exports == {}
    assert wire.broker.books.copies == {}
    assert wire.broker.books.home(2) is None
    assert [observer for _, observer in pond.stopped] == pond.observers
    dead = weakref.ref(wire.broker)
    board.kept.clear()
    pond.observers.clear()
    pond.stopped.clear()
    del wire, board
    gc.collect()
    assert dead() is None


def test_what_is_jellied_when_the_connection_is_gone_is_not_lent() -> None:
    """A state hook may end the connection; what follows it in the message is no loan any more."""
    pond, thing = Pond(), Referenceable()

    class Fatal(Copyable):
        def getStateToCopy(self) -> Any:
            wire.lose()
            return {}

    for late in (thing, pond):
        wire = Wire(Side.CLIENT)
        early = Pond()
        error = outcome(wire.broker.root_reference().callRemote("x", early, Referenceable(), Fatal(), late))
        assert isinstance(error, PBConnectionLost)
        assert not any(books_of(wire.broker).values())
        assert early.stopped == [(None, early.observers[0])]
        assert (wire.broker.ours.exports.lent, wire.broker.ours.exports.returned) == (1, 0)
    assert pond.observers == []


def test_the_observer_of_an_end_equals_that_of_the_beginning() -> None:
    pond = Pond()
    wire = lending(pond=pond)
    wire.hears(message(1, b"root", b"pond"))

    assert pond.observers == [RemoteCacheObserver(wire.broker, pond, None)]
