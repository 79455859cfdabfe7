"""The PB manual on Copyable and RemoteCopy."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell import cred, pb
from pbshell.cred.login import PortalRoot
from pbshell.cred.login import login as log_in
from pbshell.testing import Loopback, loopback
from pbshell.wire.chunk import Side
from tests.manual.talk import failure, result, said


class FrogPond(pb.Copyable):
    """Counts its animals; the receiver shall only learn the sum. Its password is nobody's business."""

    def __init__(self, frogs: int, toads: int) -> None:
        self.frogs = frogs
        self.toads = toads
        self.password = "ribbit"

    def getStateToCopy(self) -> dict[str, Any]:
        return {"frogsAndToads": self.frogs + self.toads}


class ReceiverPond(pb.RemoteCopy):
    """Shares no code with FrogPond."""

    def setCopyableState(self, state: Any) -> None:
        self.arrived = state
        self.total = state["frogsAndToads"]

    def count(self) -> int:
        total: int = self.total
        return total


class Plain(pb.Copyable):
    """All defaults."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class RemotePlain(pb.RemoteCopy):
    def __init__(self, must: object) -> None:
        raise AssertionError("a copy is made without calling __init__")


class Both(pb.Copyable, pb.RemoteCopy):
    """Travels both ways."""

    def __init__(self, words: str) -> None:
        self.words = words


class Receiver(pb.Root):
    def __init__(self, *, gives: Any = None) -> None:
        self.taken: list[Any] = []
        self.gives = gives

    def remote_take(self, thing: Any) -> None:
        self.taken.append(thing)

    def remote_give(self) -> Any:
        return self.gives

    def remote_echo(self, thing: Any) -> Any:
        return thing


def security() -> pb.SecurityOptions:
    registry = pb.Registry()
    registry.setUnjellyableForClass(FrogPond, ReceiverPond)
    registry.setUnjellyableForClass(Plain, RemotePlain)
    registry.setUnjellyableForClass(Both, Both)
    return pb.SecurityOptions(registry=registry)


def pair(root: Any) -> Loopback:
    return loopback(root, security=security(), client_security=security())


def state_of(loop: Loopback) -> Any:
    """The state in the call that the client sent last."""
    return said(loop, Side.CLIENT)[-1][5][1][1]


def test_a_copy_is_made_anew_each_time_it_crosses() -> None:
    """B103."""
    loop = pair(receiver := Receiver())
    thing = Plain(size=1)
    result(loop, loop.root.callRemote("take", thing))
    thing.size = 2  # type: ignore[attr-defined]
    result(loop, loop.root.callRemote("take", thing))

    first, second = receiver.taken
    assert first is not second
    assert (first.size, second.size) == (1, 2)


def test_the_state_may_be_made_for_the_viewer_and_is_all_attributes_by_default() -> None:
    """B104."""
    calls: list[str] = []

    class Chain(pb.Copyable):
        def getStateToCopyFor(self, perspective: Any) -> Any:
            calls.append("for")
            return super().getStateToCopyFor(perspective)

        def getStateToCopy(self) -> Any:
            calls.append("plain")
            return super().getStateToCopy()

    chain = Chain()
    chain.a, chain.b = 1, "two"  # type: ignore[attr-defined]
    loop = pair(Receiver())
    failure(loop, loop.root.callRemote("take", chain))

    assert calls == ["for", "plain"]
    assert state_of(loop) == pb.jelly({"a": 1, "b": "two"})


def test_the_perspective_is_that_of_whoever_passes_or_asks() -> None:
    """B105."""
    viewers: list[Any] = []

    class Secret(Plain):
        def getTypeToCopy(self) -> str:
            return f"{__name__}.Plain"

        def getStateToCopyFor(self, perspective: Any) -> Any:
            viewers.append(perspective)
            return {"for": getattr(perspective, "name", None)}

    class User(pb.Avatar):
        def __init__(self, name: str) -> None:
            self.name = name

        def perspective_secret(self) -> Any:
            return Secret()

        async def perspective_tell(self, listener: pb.RemoteReference) -> None:
            await listener.callRemote("take", Secret())

    users = {"ada": User("ada"), "bob": User("bob")}
    portal = cred.Portal(
        cred.realm(lambda name, mind: users[name or ""]),
        [cred.InMemoryUsernamePasswordDatabaseDontUse(ada="1", bob="2")],
    )
    loop = pair(PortalRoot(portal))
    for name, password in (("ada", "1"), ("bob", "2")):
        avatar = result(loop, log_in(loop.root, cred.UsernamePassword(name, password)))
        assert vars(result(loop, avatar.callRemote("secret"))) == {"for": name}
        result(loop, avatar.callRemote("tell", listener := Receiver()))
        assert vars(listener.taken[0]) == {"for": name}

    assert viewers == [users["ada"], users["ada"], users["bob"], users["bob"]]


def test_setCopyableState_gets_what_getStateToCopy_gave_and_fills_the_attributes_by_default() -> None:
    """B106."""
    loop = pair(receiver := Receiver())
    result(loop, loop.root.callRemote("take", FrogPond(3, 4)))
    result(loop, loop.root.callRemote("take", Plain(a=1, b=[2])))

    pond, plain = receiver.taken
    assert pond.arrived == {"frogsAndToads": 7}
    assert vars(plain) == {"a": 1, "b": [2]}


def test_attributes_can_stay_at_home() -> None:
    """B107."""
    loop = pair(Receiver())
    result(loop, loop.root.callRemote("take", FrogPond(3, 4)))

    assert b"password" not in loop.sent[Side.CLIENT]
    assert b"ribbit" not in loop.sent[Side.CLIENT]


def test_the_state_can_be_reduced_before_it_is_sent() -> None:
    """B108."""
    loop = pair(receiver := Receiver())
    result(loop, loop.root.callRemote("take", FrogPond(3, 4)))

    assert receiver.taken[0].count() == 7
    assert state_of(loop) == pb.jelly({"frogsAndToads": 7})


def test_the_classes_of_sender_and_receiver_need_not_be_related() -> None:
    """B109."""
    loop = pair(receiver := Receiver())
    result(loop, loop.root.callRemote("take", FrogPond(1, 1)))

    assert type(receiver.taken[0]) is ReceiverPond
    assert not issubclass(ReceiverPond, FrogPond)


def test_one_class_may_travel_both_ways() -> None:
    """B110."""
    loop = pair(receiver := Receiver(gives=Both("answer")))
    result(loop, loop.root.callRemote("take", Both("question")))
    back = result(loop, loop.root.callRemote("give"))

    assert (type(back), back.words) == (Both, "answer")
    assert (type(receiver.taken[0]), receiver.taken[0].words) == (Both, "question")


def test_what_is_sent_must_be_copyable_and_what_receives_a_remote_copy() -> None:
    """B111."""

    class Neither:
        pass

    loop = pair(Receiver())
    assert failure(loop, loop.root.callRemote("take", Neither())).check(pb.CannotJelly)
    with pytest.raises(pb.UsageError, match="RemoteCopy"):
        pb.Registry().setUnjellyableForClass(FrogPond, Neither)  # type: ignore[arg-type]


def test_a_copy_is_made_without_calling_its_constructor() -> None:
    """B112."""
    loop = pair(receiver := Receiver())
    result(loop, loop.root.callRemote("take", Plain(a=1)))

    assert type(receiver.taken[0]) is RemotePlain


def test_the_hooks_of_pickle_have_no_say() -> None:
    """B113."""

    class Pickled(Plain):
        def getTypeToCopy(self) -> str:
            return f"{__name__}.Plain"

        def __getstate__(self) -> object:
            raise AssertionError("that is for pickles")

    class Unpickled(pb.RemoteCopy):
        def __setstate__(self, state: object) -> None:
            raise AssertionError("that is for pickles")

    registry = pb.Registry()
    registry.setUnjellyableForClass(Plain, Unpickled)
    loop = loopback(receiver := Receiver(), security=pb.SecurityOptions(registry=registry))
    result(loop, loop.root.callRemote("take", Pickled(a=1)))

    assert vars(receiver.taken[0]) == {"a": 1}


def test_getstate_can_be_made_the_source_of_the_state() -> None:
    """B114: by one line; without a connection, where nobody views, jelly takes it by itself."""

    class Pickled(Plain):
        def getTypeToCopy(self) -> str:
            return f"{__name__}.Plain"

        def __getstate__(self) -> dict[str, Any]:
            return {"from": "__getstate__"}

    class Chosen(Pickled):
        getStateToCopy = Pickled.__getstate__

    loop = pair(Receiver())
    result(loop, loop.root.callRemote("take", Chosen(a=1)))
    assert state_of(loop) == pb.jelly({"from": "__getstate__"})
    assert pb.jelly(Pickled(a=1))[1] == pb.jelly({"from": "__getstate__"})


def test_copies_travel_inside_containers() -> None:
    """B115."""
    loop = pair(receiver := Receiver())
    result(loop, loop.root.callRemote("take", {"ponds": [FrogPond(1, 2), (FrogPond(3, 4),)]}))

    (taken,) = receiver.taken
    assert [taken["ponds"][0].count(), taken["ponds"][1][0].count()] == [3, 7]


def test_a_round_trip_gives_an_equal_copy_and_only_what_is_lent_comes_home_as_itself() -> None:
    """B116: the manual promises that a Copyable returns unchanged; that is true of its state, not of its identity."""
    loop = pair(Receiver())
    copyable, referenceable = Both("there and back"), pb.Referenceable()

    back = result(loop, loop.root.callRemote("echo", copyable))
    assert back is not copyable
    assert vars(back) == vars(copyable)
    assert result(loop, loop.root.callRemote("echo", referenceable)) is referenceable


def test_a_referenceable_shows_no_attributes_and_a_copyable_those_you_choose() -> None:
    """B117."""

    class Guarded(pb.Referenceable):
        secret = "hidden"

    loop = pair(receiver := Receiver())
    result(loop, loop.root.callRemote("take", Guarded()))
    result(loop, loop.root.callRemote("take", Plain(shown="visible")))

    reference, copy = receiver.taken
    assert not hasattr(reference, "secret")
    assert b"hidden" not in loop.sent[Side.CLIENT]
    assert copy.shown == "visible"
