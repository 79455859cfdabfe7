"""Objects of unknown classes: inert, named, and watched; whoever is known stays what he is."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell import pb
from pbshell.broker.registry import GLOBAL
from pbshell.errors import CannotJelly, LimitExceeded, RefusedClass, RemoteError
from pbshell.workbench.known import placeholders
from pbshell.workbench.known.placeholders import (
    CopyPlaceholder,
    Lenient,
    Observation,
    Placeholder,
    Placeholders,
    observations,
)
from pbshell.workbench.workbench import Workbench
from tests.pond.running import HOSTILE, is_harmless, running_pond
from tests.workbench.bench import connected


class Leaf(pb.Copyable):
    """Nobody registers it."""

    def __init__(self, state: Any = None) -> None:
        self.state = state

    def getStateToCopy(self) -> Any:
        return self.state


class Vane(pb.Cacheable):
    """Neither this."""

    def __init__(self) -> None:
        self.observers = pb.Observers()

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
        self.observers.add(observer)
        return {"wind": "north", "__class__": "x", "methodFor": 3}

    def stoppedObserving(self, perspective: Any, observer: pb.RemoteCacheObserver) -> None:
        self.observers.discard(observer)


class Tree(pb.Root):
    """Gives what nobody knows, and takes what comes."""

    def __init__(self) -> None:
        self.vane = Vane()
        self.got: list[Any] = []

    def remote_leaf(self, state: Any) -> Leaf:
        return Leaf(state)

    def remote_vane(self) -> Vane:
        return self.vane

    def remote_take(self, value: Any) -> bool:
        self.got.append(value)
        return value is self.vane

    async def remote_turn(self, *args: Any, **kwargs: Any) -> Any:
        return await self.vane.observers.callRemote(*args, **kwargs)

    def remote_fail(self) -> None:
        raise pb.Error("no leaves")


NAME = f"{__name__}.Leaf"


async def test_an_unknown_copy_is_its_name_and_its_state() -> None:
    async with connected(Tree()) as (bench, _):
        leaf = await bench.evaluate("await root.callRemote('leaf', {'colour': 'red', b'veins': 3})")

        assert isinstance(leaf, CopyPlaceholder)
        assert repr(leaf) == f"<copy of {NAME}: colour='red', veins=3>"
        assert (leaf.colour, leaf.veins) == ("red", 3)  # type: ignore[attr-defined]  # the state's
        assert {"colour", "veins"} <= set(dir(leaf))
        assert observations(leaf) == []


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (None, ""),
        ({}, ""),
        ([1, 2], ": state=[1, 2]"),
        ({1: "a"}, ": 1='a'"),
        ({f"a{number}": "x" * 30 for number in range(9)}, f": a0='{'x' * 30}', a1='{'x' * 30}', a2='{'x' * 30}', ..."),
    ],
)
async def test_any_state_will_do_and_a_long_one_is_cut(state: Any, shown: str) -> None:
    async with connected(Tree()) as (bench, _):
        bench.namespace["state"] = state
        leaf = await bench.evaluate("await root.callRemote('leaf', state)")

        assert repr(leaf) == f"<copy of {NAME}{shown}>"


async def test_an_unknown_copy_that_holds_itself_arrives() -> None:
    async with connected(Tree()) as (bench, _):
        itself: list[Any] = []
        itself.append(itself)
        bench.namespace["state"] = {"a": itself}
        leaf: Any = await bench.evaluate("await root.callRemote('leaf', state)")

        assert leaf.a[0] is leaf.a


async def test_a_hostile_state_is_shown_harmlessly() -> None:
    async with connected(Tree()) as (bench, _):
        bench.namespace["state"] = {HOSTILE: HOSTILE, "__class__": "x", "__dict__": "y"}
        leaf = await bench.evaluate("await root.callRemote('leaf', state)")

        assert is_harmless(repr(leaf))


async def test_an_unknown_copy_does_not_travel_on() -> None:
    async with connected(Tree()) as (bench, _):
        await bench.evaluate("leaf = await root.callRemote('leaf', None)")
        with pytest.raises(CannotJelly) as caught:
            await bench.evaluate("await root.callRemote('take', [leaf])")

        assert "args[0][0] is of type" in str(caught.value)
        assert "stands for a copy whose class is not known here" in str(caught.value)


async def test_an_unknown_cached_copy_remembers_what_it_was_told_and_goes_home_as_itself() -> None:
    tree = Tree()
    async with connected(tree) as (bench, _):
        vane = await bench.evaluate("vane = await root.callRemote('vane')") or bench.namespace["vane"]
        assert repr(vane).startswith(f"<cached copy of {__name__}.Vane: wind='north', __class___='x', methodFor_=3>")

        await bench.evaluate("await root.callRemote('turn', 'turn', 'south', by=7)")
        told = await bench.evaluate(f"await root.callRemote('turn', {'gust' + chr(27)!r}, {HOSTILE!r})")

        assert told == [(True, None)]
        first, second = observations(vane)
        assert first == Observation(1, "turn", "'south', by=7")
        assert str(first) == "turn('south', by=7)"
        assert second.method == "gust\\x1b"
        assert is_harmless(repr(vane))
        assert "; 2 updates, last gust" in repr(vane)
        assert vane.wind == "north"
        again = await bench.evaluate("await root.callRemote('vane')")
        assert again is vane
        assert await bench.evaluate("await root.callRemote('take', vane)") is True
        (row,) = await bench.evaluate(":cached theirs")
        assert row.what == f"{__name__}.Vane"
        bench.namespace.clear()


async def test_the_history_of_a_cached_copy_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placeholders, "_UPDATES", 3)
    async with connected(Tree()) as (bench, _):
        await bench.evaluate("vane = await root.callRemote('vane')")
        await bench.evaluate("for n in range(5): await root.callRemote('turn', 'turn', n)")

        assert [each.number for each in observations(bench.namespace["vane"])] == [3, 4, 5]
        bench.namespace.clear()


async def test_a_copy_outlives_its_connection_with_all_that_it_was_told() -> None:
    async with connected(Tree()) as (bench, _):
        vane = await bench.evaluate("await root.callRemote('vane')")
        await bench.evaluate("await root.callRemote('turn', 'turn', 1)")
        await bench.evaluate(":close")

        assert repr(vane).endswith("1 update, last turn(1)>")
        bench.namespace.clear()


async def test_what_is_registered_wins_also_when_that_comes_later() -> None:
    class Known(pb.RemoteCopy):
        pass

    async with connected(Tree()) as (bench, _):
        await bench.evaluate("await root.callRemote('leaf', None)")
        bench.namespace["Known"] = Known
        try:
            await bench.evaluate(f"pb.setUnjellyableForClass({NAME!r}, Known)")
            assert type(await bench.evaluate("await root.callRemote('leaf', None)")) is Known
        finally:
            GLOBAL._unjellyables.pop(NAME.encode())


async def test_a_factory_that_is_registered_wins() -> None:
    parent = pb.Registry()
    parent.setUnjellyableFactoryForClass("mod.Leaf", dict)
    security = Lenient()
    security.registry = Placeholders(parent)

    assert pb.unjelly([b"mod.Leaf", [b"dictionary", [b"a", 1]]], security) == {b"a": 1}
    assert isinstance(pb.unjelly([b"mod.Other", [b"dictionary"]], security), Placeholder)


@pytest.mark.parametrize(
    "tag", [b"frobnicate", b"class", b"a..b", b".a", b"a.", b"a.b c", b"a.1", b"\xff.b", b"x." * 200 + b"y", b"a.b()"]
)
def test_what_is_no_name_of_a_class_is_refused(tag: bytes) -> None:
    with pytest.raises((RefusedClass, pb.ProtocolError)):
        pb.unjelly([tag, [b"dictionary"]], Lenient())


def test_a_class_inside_of_a_function_is_one() -> None:
    leaf = pb.unjelly([b"mod.make.<locals>.Leaf", [b"dictionary"]], Lenient())

    assert repr(leaf) == "<copy of mod.make.<locals>.Leaf>"


async def test_failures_are_what_they_were() -> None:
    async with connected(Tree()) as (bench, _):
        with pytest.raises((RemoteError, pb.Error), match="no leaves"):
            await bench.evaluate("await root.callRemote('fail')")


async def test_limits_hold() -> None:
    async with connected(Tree(), limits=pb.Limits(depth=20)) as (bench, _):
        with pytest.raises((LimitExceeded, pb.PBError)):
            await bench.evaluate(f"await root.callRemote('leaf', {'[' * 30}{']' * 30})")


def test_a_library_without_it_refuses_as_ever() -> None:
    with pytest.raises(RefusedClass):
        pb.unjelly([b"mod.Leaf", [b"dictionary"]])


def test_what_somebody_allows_he_allows_here_too() -> None:
    class Plain:
        pass

    security = Lenient()
    assert not security.isClassAllowed(Plain)
    assert security.allowed_class(b"mod.Plain") is None
    assert security.isTypeAllowed(b"list")
    assert not security.isTypeAllowed(b"function")


def test_classes_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placeholders, "_CLASSES", 2)
    known = Placeholders()
    first = known.unknown(b"m.A", cached=False)
    assert known.unknown(b"m.A", cached=False) is first
    for name in (b"m.B", b"m.C"):
        known.unknown(name, cached=False)
    assert known.unknown(b"m.A", cached=False) is not first
    assert known.unknown(b"m.A", cached=True) is not known.unknown(b"m.A", cached=False)


async def test_a_twisted_server_and_its_unknown_classes() -> None:
    with running_pond() as pond:
        bench = Workbench()
        await bench.connect(pond.root)
        feather = await bench.evaluate("await root.callRemote('feather')")
        await bench.evaluate("pond = await root.callRemote('pond')")
        await bench.evaluate("await root.callRemote('add', 'three duck')")

        assert is_harmless(repr(feather))
        assert repr(feather).startswith("<copy of __main__.Feather: colour='\\x1b]0;owned")
        copy = bench.namespace["pond"]
        assert repr(copy) == (
            "<cached copy of __main__.Pond: ducks=['one duck', 'two duck']; 1 update, last add('three duck')>"
        )
        assert await bench.evaluate("await root.callRemote('echo', pond) is pond") is True
        await bench.close()
