"""Which local class stands for which class name on the wire."""

from __future__ import annotations

import types
from typing import Any

import pytest

from pbshell.broker import registry
from pbshell.broker.references import RemoteCache, RemoteCopy
from pbshell.broker.registry import GLOBAL, Registry, Unjellyable, wire_name
from pbshell.broker.security import SecurityOptions
from pbshell.broker.unjelly import unjelly
from pbshell.errors import RefusedClass, UsageError


class Card(RemoteCopy):
    """A copy."""


class Deck(RemoteCache):
    """A cached copy."""


@pytest.mark.parametrize("name", [Card, f"{__name__}.Card", f"{__name__}.Card".encode()])
def test_a_class_is_found_by_its_name_however_it_was_given(name: type | str | bytes) -> None:
    known = Registry()
    known.setUnjellyableForClass(name, Card)
    known.setUnjellyableFactoryForClass(name, str)

    assert wire_name(name) == f"{__name__}.Card".encode()
    assert known.unjellyable(wire_name(Card)) is Card
    assert known.factory(wire_name(Card)) is str


def test_a_name_that_nobody_registered_means_nothing() -> None:
    assert Registry(Registry()).unjellyable(b"mod.Card") is None
    assert Registry(Registry()).factory(b"mod.Card") is None


def test_a_class_that_no_peer_can_fill_is_refused() -> None:
    with pytest.raises(UsageError, match=r"builtins\.dict cannot be made .*: subclass RemoteCopy or RemoteCache"):
        Registry().setUnjellyableForClass("mod.Card", dict)  # type: ignore[arg-type]


def test_a_function_may_stand_for_a_class() -> None:
    known = Registry()

    def make(unjellier: Any, expression: list[Any]) -> Any:
        raise NotImplementedError

    known.setUnjellyableForClass("mod.Card", make)
    assert known.unjellyable(b"mod.Card") is make


def test_what_an_overlay_does_not_know_its_parent_may() -> None:
    parent = Registry()
    overlay = Registry(parent)
    parent.setUnjellyableForClass("mod.Card", Card)
    parent.setUnjellyableFactoryForClass("mod.Made", str)

    assert overlay.unjellyable(b"mod.Card") is Card
    assert overlay.factory(b"mod.Made") is str


def test_what_an_overlay_knows_its_parent_does_not_see_and_cannot_change() -> None:
    parent = Registry()
    overlay = Registry(parent)
    parent.setUnjellyableForClass("mod.Card", Card)
    overlay.setUnjellyableForClass("mod.Card", Deck)
    overlay.setUnjellyableFactoryForClass("mod.Made", str)

    assert overlay.unjellyable(b"mod.Card") is Deck
    assert parent.unjellyable(b"mod.Card") is Card
    assert parent.factory(b"mod.Made") is None


def test_a_factory_of_an_overlay_comes_before_a_class_of_its_parent() -> None:
    parent = Registry()
    overlay = Registry(parent)
    parent.setUnjellyableForClass("mod.Card", Card)
    overlay.setUnjellyableFactoryForClass("mod.Card", str)

    assert overlay.unjellyable(b"mod.Card") is None
    assert overlay.factory(b"mod.Card") is str


@pytest.mark.parametrize(
    ("prefix", "name"), [(None, b"cards.Ace"), ("server.cards", b"server.cards.Ace"), ("", b"Ace")]
)
def test_a_module_is_registered_class_by_class(prefix: str | None, name: bytes) -> None:
    class Base:
        pass

    class Ace(Base, RemoteCopy):
        pass

    class NoCopy(Base):
        pass

    class OfAnother(RemoteCopy):
        pass

    module = types.ModuleType("cards")
    vars(module).update(Ace=Ace, NoCopy=NoCopy, OfAnother=OfAnother, Base=Base, number=5)
    known = Registry()
    known.setUnjellyableForClassTree(module, Base, prefix)

    assert known.unjellyable(name) is Ace
    assert [each for each in (b"NoCopy", b"OfAnother", b"Base") if known.unjellyable(name[:-3] + each)] == []


def test_the_functions_of_the_module_speak_to_the_global_registry() -> None:
    assert registry.setUnjellyableForClass.__self__ is GLOBAL  # type: ignore[attr-defined]
    assert registry.setUnjellyableFactoryForClass.__self__ is GLOBAL  # type: ignore[attr-defined]
    assert registry.setUnjellyableForClassTree.__self__ is GLOBAL  # type: ignore[attr-defined]


def test_an_unjellyable_has_to_say_how() -> None:
    with pytest.raises(NotImplementedError):
        Unjellyable().unjellyFor(None, [])


def test_a_registry_may_have_a_class_for_strangers() -> None:
    class Curious(Registry):
        """Takes copies that nobody knows, and no cached ones."""

        def unknown(self, name: bytes, *, cached: bool) -> type[Unjellyable] | None:
            return None if cached else Card

    known = Curious()
    known.setUnjellyableFactoryForClass("mod.Known", dict)
    security = SecurityOptions(registry=known)

    stranger = unjelly([b"mod.Card", [b"dictionary", [b"suit", b"hearts"]]], security)
    assert type(stranger) is Card
    assert vars(stranger) == {"suit": b"hearts"}
    assert type(unjelly([b"mod.Known", [b"dictionary"]], security)) is dict
    with pytest.raises(RefusedClass, match="YourRemoteCache"):
        unjelly([b"mod.Card", 1, [b"dictionary"]], security)
