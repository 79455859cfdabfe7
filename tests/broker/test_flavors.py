"""What we lend: which method a name means, for whom, and how each flavor is written."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.broker.flavors import (
    AsReferenceable,
    Avatar,
    Cacheable,
    Copyable,
    Jellyable,
    Referenceable,
    Root,
    Viewable,
    ViewPoint,
)
from pbshell.broker.jelly import Jellier
from pbshell.errors import CannotJelly, NoSuchMethod
from tests.broker.wire import Board, Wire, dictionary, failed, message, text


class Thing(Referenceable):
    def remote_add(self, a: int, b: int) -> int:
        return a + b

    def view_secret(self) -> None:
        raise AssertionError("nobody may call this")

    plain_attribute = "plain"


class Table(Viewable):
    def view_look(self, perspective: Any, *what: Any) -> list[Any]:
        return [perspective.name, *what]


class Player(Avatar):
    def __init__(self, name: str) -> None:
        self.name = name

    def perspective_greet(self, whom: str) -> str:
        return f"{self.name} greets {whom}"

    def perspective_me(self) -> Any:
        return Table()


# ------------------------------------------------------------------------------------------- Referenceable


@pytest.mark.parametrize("name", ["add", "nothing", "_add", "plain_attribute", "", "__class__", "secret"])
def test_a_peer_reaches_remote_methods_and_nothing_else(name: str) -> None:
    thing = Thing()
    if name == "add":
        assert thing.methodFor(name) == (thing.remote_add, ())
        return
    with pytest.raises(NoSuchMethod, match=f"No such method: remote_{name}"):
        thing.methodFor(name)


def test_a_missing_method_is_an_attribute_error_to_those_who_expect_one() -> None:
    with pytest.raises(AttributeError):
        Thing().methodFor("nothing")


def test_a_referenceable_is_lent_under_one_luid_and_counted() -> None:
    thing = Thing()
    wire = Wire(root=Board(thing=lambda: thing, both=lambda: [thing, thing], fresh=Thing))

    assert wire.hears(message(1, b"root", b"thing")) == [[b"answer", 1, [b"remote", 1]]]
    assert wire.hears(message(2, b"root", b"both")) == [[b"answer", 2, [b"list", [b"remote", 1], [b"remote", 1]]]]
    assert wire.hears(message(3, b"root", b"fresh")) == [[b"answer", 3, [b"remote", 2]]]
    assert wire.broker.ours.exports.counts() == {1: 3, 2: 1}
    assert wire.hears(message(4, 1, b"add", 2, 3)) == [[b"answer", 4, 5]]


def test_two_objects_with_one_process_unique_id_are_one_object() -> None:
    class Face(Referenceable):
        def processUniqueID(self) -> str:
            return "the same"

    wire = Wire(root=Board(faces=lambda: [Face(), Face()]))

    assert wire.hears(message(1, b"root", b"faces")) == [[b"answer", 1, [b"list", [b"remote", 1], [b"remote", 1]]]]


def test_the_results_of_a_referenceable_are_written_for_its_perspective() -> None:
    table = Table()
    thing = Board(table=lambda: table)
    thing.perspective = Player("ada")
    wire = Wire(root=thing)
    wire.hears(message(1, b"root", b"table"))

    assert wire.hears(message(2, 1, b"look", 5)) == [[b"answer", 2, [b"list", text("ada"), 5]]]


# ------------------------------------------------------------------------------------------- Root


def test_the_root_may_be_another_object_for_each_connection() -> None:
    class Hall(Root):
        def rootObject(self, broker: Any) -> Any:
            return Board(whose=lambda: str(broker.link))

    assert Wire(root=Hall()).hears(message(1, b"root", b"whose")) == [[b"answer", 1, text("the wire")]]


def test_a_root_is_the_root_of_every_connection() -> None:
    root = Root()
    assert root.rootObject(None) is root


# ------------------------------------------------------------------------------------------- Viewable


def test_a_view_is_bound_to_the_perspective_it_was_sent_through() -> None:
    ada, bob, table = Player("ada"), Player("bob"), Table()
    views = Board(views=lambda: [ViewPoint(ada, table), ViewPoint(bob, table), ViewPoint(ada, table)])
    wire = Wire(root=views)
    (answer,) = wire.hears(message(1, b"root", b"views"))

    assert answer[2] == [b"list", [b"remote", 1], [b"remote", 2], [b"remote", 1]]
    assert wire.hears(message(2, 1, b"look")) == [[b"answer", 2, [b"list", text("ada")]]]
    assert wire.hears(message(3, 2, b"look", 7)) == [[b"answer", 3, [b"list", text("bob"), 7]]]


def test_a_view_has_only_its_view_methods() -> None:
    wire = Wire(root=Board(view=lambda: ViewPoint(None, Table())))
    wire.hears(message(1, b"root", b"view"))
    (answer,) = wire.hears(message(2, 1, b"remote_look"))

    assert failed(answer)["type"] == b"builtins.AttributeError"


def test_a_view_that_comes_home_is_the_view_point() -> None:
    board = Board(view=lambda: ViewPoint(None, Table()))
    wire = Wire(root=board)
    wire.hears(message(1, b"root", b"view"), message(2, b"root", b"keep", [b"local", 1]))

    assert type(board.kept[0]) is ViewPoint


def test_each_viewable_is_one_of_its_own() -> None:
    assert Table().processUniqueID() != (table := Table()).processUniqueID()
    assert table.processUniqueID() == table.processUniqueID()


# ------------------------------------------------------------------------------------------- Avatar


def test_an_avatar_is_lent_as_its_own_perspective() -> None:
    ada = Player("ada")
    wire = Wire(root=Board(login=lambda: AsReferenceable(ada, "perspective")))
    wire.hears(message(1, b"root", b"login"))

    assert wire.hears(message(2, 1, b"greet", text("bob"))) == [[b"answer", 2, text("ada greets bob")]]
    assert wire.hears(message(3, 1, b"me"), message(4, 2, b"look")) == [
        [b"answer", 3, [b"remote", 2]],
        [b"answer", 4, [b"list", text("ada")]],
    ]


def test_an_avatar_stands_for_itself() -> None:
    ada = Player("ada")

    assert ada.perspectiveFor() is ada
    assert ada.methodFor("greet") == (ada.perspective_greet, ())
    with pytest.raises(AttributeError):
        ada.methodFor("login")


def test_any_object_may_be_lent_by_its_methods_of_one_kind() -> None:
    class Plain:
        def hello_world(self) -> str:
            return "hello"

        def remote_not(self) -> None:
            raise AssertionError("nobody may call this")

    wire = Wire(root=Board(plain=lambda: AsReferenceable(Plain(), "hello"), other=lambda: AsReferenceable(Thing())))
    wire.hears(message(1, b"root", b"plain"), message(2, b"root", b"other"))

    assert wire.hears(message(3, 1, b"world")) == [[b"answer", 3, text("hello")]]
    assert failed(wire.hears(message(4, 1, b"not"))[0])["type"] == b"builtins.AttributeError"
    assert wire.hears(message(5, 2, b"add", 1, 2)) == [[b"answer", 5, 3]]
    assert AsReferenceable(Plain(), "hello").perspectiveFor() is None


# ------------------------------------------------------------------------------------------- Copyable


class Card(Copyable):
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


class Sealed(Card):
    """What each perspective sees of it is another thing."""

    def getTypeToCopyFor(self, perspective: Any) -> bytes:
        return b"test.Sealed"

    def getStateToCopyFor(self, perspective: Any) -> Any:
        return {"for": None if perspective is None else perspective.name}


def test_a_copyable_is_sent_with_its_class_name_and_all_attributes() -> None:
    wire = Wire(root=Board(card=lambda: Card(suit="hearts"), blank=Card))
    name = f"{__name__}.Card".encode()

    assert wire.hears(message(1, b"root", b"card")) == [[b"answer", 1, [name, dictionary(suit=text("hearts"))]]]
    assert wire.hears(message(2, b"root", b"blank")) == [[b"answer", 2, [name, dictionary()]]]


def test_class_name_and_state_may_depend_on_who_gets_them() -> None:
    board = Board(sealed=Sealed)
    wire = Wire(root=board)
    assert wire.hears(message(1, b"root", b"sealed")) == [
        [b"answer", 1, [b"test.Sealed", [b"dictionary", [text("for"), [b"None"]]]]]
    ]

    board.perspective = Player("ada")
    assert wire.hears(message(2, b"root", b"sealed"))[0][2] == [
        b"test.Sealed",
        [b"dictionary", [text("for"), text("ada")]],
    ]


# ------------------------------------------------------------------------------------------- Cacheable


def test_a_cacheable_has_to_say_what_its_state_is() -> None:
    wire = Wire(root=Board(pond=Cacheable))
    (answer,) = wire.hears(message(1, b"root", b"pond"))

    assert failed(answer)["type"] == b"builtins.NotImplementedError"
    assert failed(answer)["value"] == "pbshell.broker.flavors.Cacheable does not define getStateToCacheAndObserveFor"
    assert wire.broker.ours.caches == {}


def test_a_cacheable_need_not_care_when_nobody_observes_it_any_more() -> None:
    class Pond(Cacheable):
        def getTypeToCopy(self) -> str:
            return "test.Pond"

        def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
            return {}

    wire = Wire(root=Board(pond=Pond))

    assert wire.hears(message(1, b"root", b"pond")) == [[b"answer", 1, [b"test.Pond", 1, dictionary()]]]
    assert wire.hears([b"decache", 1]) == [[b"uncache", 1]]


# ------------------------------------------------------------------------------------------- flavors of one's own


def test_a_flavor_of_ones_own_writes_itself() -> None:
    class Money(Jellyable):
        def jellyFor(self, jellier: Jellier) -> Any:
            return [b"test.Money", jellier.jelly(["EUR", 5])]

    money = Money()
    wire = Wire(root=Board(twice=lambda: [money, money]))
    written = [b"test.Money", [b"list", text("EUR"), 5]]

    assert wire.hears(message(1, b"root", b"twice")) == [[b"answer", 1, [b"list", written, written]]]


@pytest.mark.parametrize("written", [[b"test.Money", 5], b"an atom", 7])
def test_a_flavor_of_ones_own_may_share_its_identity_if_it_is_a_list(written: Any) -> None:
    class Money(Jellyable):
        sharesIdentity = True

        def jellyFor(self, jellier: Jellier) -> Any:
            return written

    money = Money()
    wire = Wire(root=Board(twice=lambda: [money, money]))
    expected = [written, written]
    if isinstance(written, list):
        expected = [[b"reference", 1, written], [b"dereference", 1]]

    assert wire.hears(message(1, b"root", b"twice")) == [[b"answer", 1, [b"list", *expected]]]


def test_a_flavor_that_does_not_say_how_is_no_flavor() -> None:
    wire = Wire(root=Board(thing=Jellyable))

    assert failed(wire.hears(message(1, b"root", b"thing"))[0])["type"] == b"builtins.NotImplementedError"


def test_what_has_no_flavor_is_refused_with_a_hint() -> None:
    wire = Wire(root=Board(thing=object))
    (answer,) = wire.hears(message(1, b"root", b"thing"))

    assert failed(answer)["value"] == (
        "the result is of type builtins.object, and PB has no flavor for it: "
        "subclass Copyable or Referenceable, or send its data."
    )
    assert failed(answer)["type"] == b"twisted.spread.jelly.InsecureJelly"
    assert CannotJelly("x", "y").hint.startswith("subclass Copyable")
