"""The PB manual on Cacheable and RemoteCache: state once, changes afterwards."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from pbshell import cred, pb
from pbshell.cred.login import PortalRoot
from pbshell.cred.login import login as log_in
from pbshell.defer import Deferred
from pbshell.testing import Loopback, loopback
from pbshell.wire.chunk import Side
from tests.manual.talk import failure, outcome, result, said


class MasterDuckPond(pb.Cacheable):
    """The owner's pond. Remembers what it was asked about observers."""

    def __init__(self, *ducks: str) -> None:
        self.observers: list[pb.RemoteCacheObserver] = []
        self.ducks = list(ducks)
        self.asked: list[tuple[Any, pb.RemoteCacheObserver]] = []
        self.stopped: list[tuple[Any, pb.RemoteCacheObserver]] = []

    def count(self) -> str:
        return f"I have [{len(self.ducks)}] ducks"

    def addDuck(self, duck: str) -> list[Deferred[Any]]:
        self.ducks.append(duck)
        return [each.callRemote("addDuck", duck) for each in self.observers]

    def removeDuck(self, duck: str) -> list[Deferred[Any]]:
        self.ducks.remove(duck)
        return [each.callRemote("removeDuck", duck) for each in self.observers]

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
        self.observers.append(observer)
        self.asked.append((perspective, observer))
        return self.ducks  # the observers are no part of it

    def stoppedObserving(self, perspective: Any, observer: pb.RemoteCacheObserver) -> None:
        self.observers.remove(observer)
        self.stopped.append((perspective, observer))


class SlaveDuckPond(pb.RemoteCache):
    """The copy."""

    ducks: list[str]

    def setCopyableState(self, state: Any) -> None:
        self.ducks = state
        self.heard: list[str] = []

    def observe_addDuck(self, duck: str) -> int:
        self.heard.append(duck)
        self.ducks.append(duck)
        return len(self.ducks)

    def observe_removeDuck(self, duck: str) -> int:
        self.ducks.remove(duck)
        return len(self.ducks)


class Receiver(pb.Root):
    def __init__(self) -> None:
        self.ponds: list[Any] = []

    def remote_takePond(self, pond: Any) -> None:
        self.ponds.append(pond)

    def remote_checkDucks(self) -> tuple[int, list[str]]:
        return len(self.ponds[-1].ducks), list(self.ponds[-1].ducks)

    def remote_ignorePond(self) -> None:
        self.ponds.clear()

    def remote_givePond(self) -> Any:
        return self.ponds[-1]

    def remote_never(self) -> Deferred[None]:
        return Deferred()


def security() -> pb.SecurityOptions:
    registry = pb.Registry()
    registry.setUnjellyableForClass(MasterDuckPond, SlaveDuckPond)
    return pb.SecurityOptions(registry=registry)


def met() -> tuple[Loopback, Receiver]:
    receiver = Receiver()
    return loopback(receiver, security=security(), client_security=security()), receiver


def ponds_sent(loop: Loopback) -> list[Any]:
    """How the pond was written in each takePond."""
    messages = [each for each in said(loop, Side.CLIENT)[1:] if each[0] == b"message" and each[3] == b"takePond"]
    return [message[5][1] for message in messages]


def test_the_state_is_sent_the_first_time_and_a_number_afterwards() -> None:
    """B118."""
    loop, _ = met()
    master = MasterDuckPond("one duck")
    for _ in range(2):
        result(loop, loop.root.callRemote("takePond", master))

    first, second = ponds_sent(loop)
    assert first == [f"{__name__}.MasterDuckPond".encode(), 1, [b"list", [b"unicode", b"one duck"]]]
    assert second == [b"cached", 1]


def test_one_hook_registers_the_observer_and_gives_the_state() -> None:
    """B119: nothing can change in between, so every observer may be told the same."""
    loop, receiver = met()
    master = MasterDuckPond("one duck")
    result(loop, loop.root.callRemote("takePond", master))
    assert receiver.ponds[0].ducks == ["one duck"]

    master.addDuck("two duck")
    loop.run()
    assert receiver.ponds[0].ducks == master.ducks == ["one duck", "two duck"]


def test_it_is_asked_once_for_each_connection_that_holds_a_copy() -> None:
    """B120."""
    master = MasterDuckPond()
    (loop, receiver), (another, _) = met(), met()
    for each in (loop, loop, another, another):
        result(each, each.root.callRemote("takePond", master))
    assert len(master.asked) == 2

    receiver.ponds.clear()
    gc.collect()
    loop.run()
    result(loop, loop.root.callRemote("takePond", master))
    assert len(master.asked) == 3


def test_calling_the_observer_runs_the_observe_method_of_the_copy() -> None:
    """B121."""
    loop, receiver = met()
    result(loop, loop.root.callRemote("takePond", master := MasterDuckPond()))
    result(loop, master.observers[0].callRemote("addDuck", "a duck"))

    assert receiver.ponds[0].heard == ["a duck"]
    assert failure(loop, master.observers[0].callRemote("setCopyableState", [])).check(AttributeError)


def test_the_observers_call_gives_what_the_observe_method_returned() -> None:
    """B122."""
    loop, _ = met()
    result(loop, loop.root.callRemote("takePond", master := MasterDuckPond("one duck")))
    (update,) = master.addDuck("two duck")

    assert isinstance(update, Deferred)
    assert result(loop, update) == 2


def test_every_observer_gets_every_change_in_order() -> None:
    """B123."""
    master = MasterDuckPond()
    pairs = [met() for _ in range(3)]
    for loop, _ in pairs:
        result(loop, loop.root.callRemote("takePond", master))
    names = [f"duck {number}" for number in range(20)]
    for name in names:
        master.addDuck(name)

    for loop, receiver in pairs:
        loop.run()
        assert receiver.ponds[0].heard == names


def test_when_the_last_copy_is_dropped_the_owner_is_told_with_the_same_pair() -> None:
    """B124."""
    loop, receiver = met()
    result(loop, loop.root.callRemote("takePond", master := MasterDuckPond()))
    assert master.stopped == []

    result(loop, loop.root.callRemote("ignorePond"))
    gc.collect()
    loop.run()
    assert receiver.ponds == []
    assert master.stopped == master.asked
    assert master.observers == []


def test_after_that_the_observer_cannot_be_called() -> None:
    """B125."""
    loop, _ = met()
    result(loop, loop.root.callRemote("takePond", master := MasterDuckPond()))
    result(loop, loop.root.callRemote("ignorePond"))
    gc.collect()
    loop.run()

    ((_, observer),) = master.stopped
    sent = len(loop.sent[Side.CLIENT])
    assert failure(loop, observer.callRemote("addDuck", "too late")).check(pb.UsageError)
    assert len(loop.sent[Side.CLIENT]) == sent


def test_between_the_loss_and_stoppedObserving_a_call_raises_as_on_any_dead_reference() -> None:
    """B126: so an errback on the call cannot swallow it; `Observers` does."""
    loop, _ = met()
    result(loop, loop.root.callRemote("takePond", master := MasterDuckPond()))
    observers = pb.Observers()
    observers.add(master.observers[0])
    seen: list[Any] = []

    def in_between(_: object) -> None:
        seen.append(list(master.stopped))
        with pytest.raises(pb.DeadReferenceError):
            master.addDuck("nobody sees it")
        seen.append(observers.callRemote("addDuck", "nobody sees it").result)

    loop.root.callRemote("never").addErrback(in_between)
    loop.run()
    loop.lose()

    assert seen == [[], []]
    assert master.stopped == master.asked


def test_when_the_connection_is_lost_everything_it_cached_is_told_so() -> None:
    """B127."""
    loop, _ = met()
    masters = [MasterDuckPond(), MasterDuckPond()]
    for master in masters:
        result(loop, loop.root.callRemote("takePond", master))
    loop.lose()

    for master in masters:
        assert master.stopped == master.asked
        assert master.observers == []


def test_two_references_in_one_program_are_one_observer() -> None:
    """B128."""
    loop, receiver = met()
    master = MasterDuckPond()
    for _ in range(2):
        result(loop, loop.root.callRemote("takePond", master))
    master.addDuck("a duck")
    loop.run()

    assert len(master.observers) == 1
    first, second = receiver.ponds
    assert first is second
    assert first.heard == ["a duck"]


def test_the_state_need_not_be_a_dictionary() -> None:
    """B129."""
    loop, receiver = met()
    result(loop, loop.root.callRemote("takePond", MasterDuckPond("one duck", "two duck")))

    assert receiver.ponds[0].ducks == ["one duck", "two duck"]


def test_a_list_of_observers_in_the_state_is_refused() -> None:
    """B130: nothing of the message is sent, and the observer that was registered is told that it is none."""

    class Careless(MasterDuckPond):
        def getTypeToCopy(self) -> str:
            return f"{__name__}.MasterDuckPond"

        def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
            super().getStateToCacheAndObserveFor(perspective, observer)
            return self.__dict__

    loop, receiver = met()
    careless = Careless()
    reason = failure(loop, loop.root.callRemote("takePond", careless))

    assert reason.check(pb.CannotJelly)
    assert "observers" in reason.getErrorMessage()
    assert receiver.ponds == careless.observers == []
    assert careless.stopped == careless.asked


def test_a_cached_copy_that_goes_home_arrives_as_the_original() -> None:
    """B131."""
    loop, _ = met()
    result(loop, loop.root.callRemote("takePond", master := MasterDuckPond()))

    assert result(loop, loop.root.callRemote("givePond")) is master


def test_a_remote_cache_takes_its_state_as_a_remote_copy_does() -> None:
    """B132."""

    class Defaults(pb.RemoteCache):
        pass

    class Master(pb.Cacheable):
        def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
            return {"size": 7}

    registry = pb.Registry()
    registry.setUnjellyableForClass(Master, Defaults)
    loop = loopback(receiver := Receiver(), security=pb.SecurityOptions(registry=registry))
    result(loop, loop.root.callRemote("takePond", Master()))

    assert issubclass(pb.RemoteCache, pb.RemoteCopy)
    assert receiver.ponds[0].size == 7


def test_a_cacheable_is_a_copyable() -> None:
    """B133."""
    assert issubclass(pb.Cacheable, pb.Copyable)
    assert MasterDuckPond().getTypeToCopy() == f"{__name__}.MasterDuckPond"


def test_viewers_can_be_told_different_changes() -> None:
    """B134."""

    class Score(pb.Cacheable):
        def __init__(self) -> None:
            self.watchers: dict[str, pb.RemoteCacheObserver] = {}

        def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
            self.watchers[perspective.name] = observer
            return {"for": perspective.name}

        def stoppedObserving(self, perspective: Any, observer: pb.RemoteCacheObserver) -> None:
            del self.watchers[perspective.name]

    class RemoteScore(pb.RemoteCache):
        def observe_hint(self, words: str) -> None:
            self.hint = words

    class Player(pb.Avatar):
        def __init__(self, name: str) -> None:
            self.name = name

        def perspective_watch(self) -> Score:
            return score

    score = Score()
    registry = pb.Registry()
    registry.setUnjellyableForClass(Score, RemoteScore)
    portal = cred.Portal(
        cred.realm(lambda name, mind: Player(name or "")),
        [cred.InMemoryUsernamePasswordDatabaseDontUse(ada="1", bob="2")],
    )
    copies: dict[str, Any] = {}
    loops: list[Loopback] = []
    for name, password in (("ada", "1"), ("bob", "2")):
        loop = loopback(PortalRoot(portal), client_security=pb.SecurityOptions(registry=registry))
        loops.append(loop)
        avatar = result(loop, log_in(loop.root, cred.UsernamePassword(name, password)))
        copies[name] = result(loop, avatar.callRemote("watch"))
    for name, observer in score.watchers.items():
        observer.callRemote("hint", f"{name}, this is for you alone")
    for loop in loops:
        loop.run()

    assert {name: vars(copy) for name, copy in copies.items()} == {
        name: {"for": name, "hint": f"{name}, this is for you alone"} for name in ("ada", "bob")
    }
    for loop in loops:
        loop.lose()
    assert score.watchers == {}


def test_the_duck_ponds_of_the_manual_agree_at_every_step(caplog: pytest.LogCaptureFixture) -> None:
    """B135."""
    loop, receiver = met()
    master = MasterDuckPond("one duck", "two duck")
    counts: list[tuple[str, Any]] = []

    def check() -> None:
        counts.append((master.count(), result(loop, loop.root.callRemote("checkDucks"))))

    with caplog.at_level(logging.DEBUG):
        result(loop, loop.root.callRemote("takePond", master))
        check()
        master.addDuck("ugly duckling")
        check()
        master.removeDuck("one duck")
        check()
        outcome(loop, loop.root.callRemote("ignorePond"))
        gc.collect()
        loop.run()

    assert counts == [
        ("I have [2] ducks", (2, ["one duck", "two duck"])),
        ("I have [3] ducks", (3, ["one duck", "two duck", "ugly duckling"])),
        ("I have [2] ducks", (2, ["two duck", "ugly duckling"])),
    ]
    assert master.observers == receiver.ponds == []
    assert caplog.text == ""
