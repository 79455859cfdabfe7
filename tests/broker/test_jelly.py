"""Objects to s-expressions: every type, shared and circular ones, and what cannot travel."""

from __future__ import annotations

import datetime
import math
from collections import OrderedDict, namedtuple
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given

from pbshell.broker.flavors import Cacheable, Copyable, Referenceable
from pbshell.broker.jelly import Jellier, jelly, plain, plain_tuple
from pbshell.broker.references import RemoteReference
from pbshell.broker.security import SecurityOptions
from pbshell.broker.unjelly import unjelly
from pbshell.defer import Deferred
from pbshell.errors import CannotEncode, CannotJelly, InsecureJelly, UsageError
from pbshell.wire.banana import Decoder, encode
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from tests.broker.wire import Board, Wire, books_of, dictionary, failed, message, outcome, text
from tests.strategies import graphs, values

UTC = datetime.UTC


class Plain:
    """An instance without a flavor."""

    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


class Card(Copyable):
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


PLAIN, CARD = f"{__name__}.Plain".encode(), f"{__name__}.Card".encode()

SCALARS: list[tuple[Any, Any]] = [
    (5, 5),
    (-(2**100), -(2**100)),
    (1.5, 1.5),
    (math.inf, math.inf),
    (b"bytes", b"bytes"),
    (None, [b"None"]),
    (True, [b"boolean", b"true"]),
    (False, [b"boolean", b"false"]),
    ("", text("")),
    ("é 漢 🍌", text("é 漢 🍌")),
    (datetime.datetime(2000, 1, 2, 3, 4, 5, 6), [b"datetime", b"2000 1 2 3 4 5 6"]),  # noqa: DTZ001
    (datetime.date(1, 12, 31), [b"date", b"1 12 31"]),
    (datetime.time(23, 59, 0, 999_999), [b"time", b"23 59 0 999999"]),
    (datetime.timedelta(days=-1, seconds=5), [b"timedelta", b"-1 5 0"]),
    (Decimal("-12.50"), [b"decimal", -1250, -2]),
    (Decimal("1E+5"), [b"decimal", 1, 5]),
    (Decimal("-0"), [b"decimal", 0, 0]),
]


@pytest.mark.parametrize(("value", "expression"), SCALARS, ids=repr)
def test_a_scalar_and_its_expression(value: Any, expression: Any) -> None:
    assert jelly(value) == expression
    assert plain(value) == expression
    assert plain_tuple((value, 5)) == [b"tuple", expression, 5]
    assert jelly([value]) == [b"list", expression]
    assert jelly({"key": value}) == dictionary(key=expression)
    assert jelly({value: 5} if value == value else {}) == [b"dictionary", [expression, 5]]


@pytest.mark.parametrize("value", [[], (), {}, Referenceable(), object(), Card()])
def test_what_is_no_scalar_needs_a_run_of_its_own(value: Any) -> None:
    assert plain(value) is None
    assert plain_tuple((1, value)) is None


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ([], [b"list"]),
        ((), [b"tuple"]),
        ({}, [b"dictionary"]),
        (set(), [b"set"]),
        (frozenset(), [b"frozenset"]),
        ([1, [b"x", ("y",)]], [b"list", 1, [b"list", b"x", [b"tuple", text("y")]]]),
        ({1}, [b"set", 1]),
        (frozenset({(1,)}), [b"frozenset", [b"tuple", 1]]),
        ({"b": 1, "a": [2], (3,): None}, [b"dictionary", [text("b"), 1], [text("a"), [b"list", 2]], [[b"tuple", 3], [b"None"]]]),  # noqa: E501 - a row of a table
    ],
    ids=repr,
)  # fmt: skip
def test_a_container_and_its_expression(value: Any, expression: Any) -> None:
    assert jelly(value) == expression


@pytest.mark.parametrize(
    ("cls", "name"), [(int, b"builtins.int"), (Plain, PLAIN), (Referenceable, b"pbshell.broker.flavors.Referenceable")]
)
def test_a_class_is_sent_by_its_name(cls: type, name: bytes) -> None:
    assert jelly(cls) == [b"class", name]


# ------------------------------------------------------------------------------------------- identity


def test_numbers_are_given_in_the_order_of_second_meetings() -> None:
    x: list[Any] = []
    y = [x, x]

    assert jelly([y, x, y]) == [
        b"list",
        [b"reference", 2, [b"list", [b"reference", 1, [b"list"]], [b"dereference", 1]]],
        [b"dereference", 1],
        [b"dereference", 2],
    ]


def circles() -> list[tuple[str, Any, Any]]:
    """A value of each kind that holds itself."""
    itself: list[Any] = []
    itself.append(itself)
    held: dict[Any, Any] = {}
    held["me"] = held
    inner: list[Any] = []
    around = (inner, 5)
    inner.append(around)
    card = Card()
    card.me = card  # type: ignore[attr-defined]
    one, two = Card(), Card()
    one.other, two.other = two, one  # type: ignore[attr-defined]
    back = [b"dereference", 1]
    return [
        ("list", itself, [b"reference", 1, [b"list", back]]),
        ("dict", held, [b"reference", 1, dictionary(me=back)]),
        ("tuple", around, [b"reference", 1, [b"tuple", [b"list", back], 5]]),
        ("copyable", card, [b"reference", 1, [CARD, dictionary(me=back)]]),
        ("two copyables", one, [b"reference", 1, [CARD, dictionary(other=[CARD, dictionary(other=back)])]]),
    ]


@pytest.mark.parametrize(("value", "expression"), [each[1:] for each in circles()], ids=[each[0] for each in circles()])
def test_what_holds_itself_is_a_reference_around_its_dereference(value: Any, expression: Any) -> None:
    assert jelly(value) == expression


SHARED: dict[str, Any] = {
    "list": [1],
    "tuple": (1, 2),
    "dict": {"a": 1},
    "set": {1},
    "frozenset": frozenset({1}),
    "copyable": Card(),
}


@pytest.mark.parametrize("kind", SHARED)
def test_what_is_met_twice_arrives_as_one(kind: str) -> None:
    thing = SHARED[kind]
    once = jelly(thing)

    assert jelly([thing, thing]) == [b"list", [b"reference", 1, once], [b"dereference", 1]]


@pytest.mark.parametrize(
    "value", [2**80, 1.5, b"x" * 50, "text" * 9, Decimal("1.5"), datetime.date(2000, 1, 1), int, None]
)
def test_what_cannot_change_is_written_each_time(value: Any) -> None:
    assert jelly([value, value]) == [b"list", jelly(value), jelly(value)]


def test_positional_and_keyword_arguments_share_nothing() -> None:
    """They are two runs: a list that is in both is sent twice."""
    wire = Wire(Side.CLIENT)
    shared = [1]
    wire.broker.root_reference().callRemote("x", shared, shared, k=shared, l=shared)
    expression = [b"reference", 1, [b"list", 1]]

    assert wire.said() == [
        message(1, b"root", b"x", expression, [b"dereference", 1], k=expression, l=[b"dereference", 1])
    ]


def test_what_was_met_is_kept_alive_until_the_run_ends() -> None:
    """Lists that are made on the way and dropped at once may not lend their ids to each other."""

    class Fickle(Copyable):
        def getStateToCopy(self) -> Any:
            return {"fresh": [len(tags)]}

        def getTypeToCopy(self) -> str:
            tags.append(len(tags))
            return "test.Fickle"

    tags: list[int] = []
    wire = Wire(Side.CLIENT)
    wire.broker.root_reference().callRemote("x", *(Fickle() for _ in range(50)))
    (sent,) = wire.said()

    assert sent[5][1:] == [[b"test.Fickle", dictionary(fresh=[b"list", number])] for number in range(1, 51)]


@given(values())
def test_what_is_jellied_is_unjellied_as_it_was(value: Any) -> None:
    decoder = Decoder()
    decoder.feed(encode(jelly(value)))
    back = unjelly(next(decoder))

    assert back == value
    assert jelly(back) == jelly(value)


def picture(value: Any, seen: dict[int, int] | None = None) -> Any:
    """*value* with each container that is met again shown by the number of its first meeting."""
    seen = {} if seen is None else seen
    if not isinstance(value, (list, dict, tuple)) or value == ():
        return value
    if id(value) in seen:
        return f"again {seen[id(value)]}"
    seen[id(value)] = len(seen)
    if isinstance(value, dict):
        return {key: picture(item, seen) for key, item in value.items()}
    return type(value)(picture(item, seen) for item in value)


@given(graphs())
def test_shared_parts_and_circles_arrive_as_they_were(value: Any) -> None:
    assert picture(unjelly(jelly(value))) == picture(value)


# ------------------------------------------------------------------------------------------- instances


def test_an_instance_travels_only_if_its_class_is_allowed() -> None:
    with pytest.raises(CannotJelly, match="subclass Copyable or Referenceable, or send its data"):
        jelly(Plain(x=1))

    open_to = SecurityOptions()
    open_to.allowInstancesOf(Plain)
    assert jelly(Plain(x=1), open_to) == [PLAIN, dictionary(x=1)]
    assert jelly(Plain(), open_to) == [PLAIN, [b"None"]]


def test_an_instance_may_choose_its_state() -> None:
    class Own:
        def __getstate__(self) -> Any:
            return [1, "two"]

    Own.__module__, Own.__qualname__ = "test", "Own"
    open_to = SecurityOptions()
    open_to.allowInstancesOf(Own)

    assert jelly(Own(), open_to) == [b"test.Own", [b"list", 1, text("two")]]


def test_without_a_connection_a_copyable_is_an_instance_like_any_other() -> None:
    assert jelly(Card()) == [CARD, [b"None"]]
    assert jelly(Card(x=1)) == [CARD, dictionary(x=1)]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Referenceable(), "a reference needs a connection to live in"),
        (Cacheable(), "a Cacheable needs a connection to be observed through"),
    ],
)
def test_without_a_connection_nothing_can_be_lent(value: Any, hint: str) -> None:
    with pytest.raises(CannotJelly, match=hint):
        jelly([value])


@pytest.mark.parametrize("value", [Card(), Referenceable(), Cacheable()])
def test_for_any_connection_nothing_is_written_that_writes_itself(value: Any) -> None:
    open_to = SecurityOptions()
    open_to.allowInstancesOf(Card)
    with pytest.raises(CannotJelly, match="it is another one to each connection"):
        Jellier(security=open_to).jelly([value])
    assert Jellier(security=open_to).jelly([1]) == [b"list", 1]


# ------------------------------------------------------------------------------------------- what cannot travel


class Colour(IntEnum):
    RED = 5


class Text(str):
    __slots__ = ()


Pair = namedtuple("Pair", "a b")  # noqa: PYI024

CODE = "code does not travel; lend a Referenceable with the method"


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Colour.RED, r"subclasses do not travel; send int\(...\) of it"),
        (Text("x"), r"send str\(...\) of it"),
        (OrderedDict(), r"send dict\(...\) of it"),
        (Pair(1, 2), r"send tuple\(...\) of it"),
        (type("Real", (float,), {})(1), r"send float\(...\) of it"),
        (type("Bytes", (bytes,), {})(b""), r"send bytes\(...\) of it"),
        (type("Pile", (list,), {})(), r"send list\(...\) of it"),
        (type("Bag", (set,), {})(), r"send set\(...\) of it"),
        (type("Fixed", (frozenset,), {})(), r"send frozenset\(...\) of it"),
        (picture, CODE),
        (len, CODE),
        (Plain().__init__, CODE),  # type: ignore[misc]
        (math, CODE),
        (bytearray(), "send its data"),
        (1j, "send its data"),
        (range(3), "send its data"),
        (..., "send its data"),
        (Deferred(), "send its data"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_flavor_is_refused_with_what_would_be_right(value: Any, hint: str) -> None:
    with pytest.raises(CannotJelly, match=hint) as caught:
        jelly(value)
    assert isinstance(caught.value, InsecureJelly)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (datetime.datetime(2000, 1, 1, tzinfo=UTC), "has a time zone"),
        (datetime.time(1, tzinfo=UTC), "has a time zone"),
        (Decimal("nan"), "NaN is no number that jelly can carry"),
        (Decimal("-Infinity"), "-Infinity is no number"),
        ("a \ud800", "has a lone surrogate"),
        ({"\udfff": 1}, "has a lone surrogate"),
    ],
)
def test_what_a_type_cannot_say_is_refused(value: Any, complaint: str) -> None:
    for each in (value, [value], {"key": value}):
        with pytest.raises(CannotEncode, match=complaint):
            jelly(each)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "args[0]"),
        ([0, object()], "args[0][1]"),
        ({"when": [object()]}, "args[0]['when'][0]"),
        ({5: (object(),)}, "args[0][5][0]"),
        ({object(): 1}, None),
        (Card(suit=object()), "args[0].suit"),
        (Card(cards=[Card(suit=object())]), "args[0].cards[0].suit"),
        ([{"x": Card(**{"not a name": object()})}], "args[0][0]['x']['not a name']"),
    ],
)
def test_the_error_says_where_it_is(value: Any, path: str | None) -> None:
    wire = Wire(Side.CLIENT)
    error = outcome(wire.broker.root_reference().callRemote("x", value))

    assert isinstance(error, CannotJelly)
    assert path is None or error.path == path
    assert wire.said() == []


def test_a_long_or_hostile_key_is_shown_harmlessly() -> None:
    with pytest.raises(CannotJelly) as caught:
        jelly({"\x1b]0;evil" + "x" * 100: object()})
    assert caught.value.path.isprintable()
    assert len(caught.value.path) < 100


def test_the_path_of_a_keyword_argument_begins_with_kwargs() -> None:
    error = outcome(Wire(Side.CLIENT).broker.root_reference().callRemote("x", 1, key=[object()]))

    assert isinstance(error, CannotJelly)
    assert error.path == "kwargs['key'][0]"


def test_the_path_of_a_result_begins_with_the_result() -> None:
    wire = Wire(root=Board(x=lambda: {"a": object()}, y=object, z=lambda: [Wire(Side.CLIENT).broker.root_reference()]))

    assert failed(wire.hears(message(1, b"root", b"x"))[0])["value"].startswith("the result['a'] is of type")
    assert failed(wire.hears(message(2, b"root", b"y"))[0])["value"].startswith("the result is of type")
    assert failed(wire.hears(message(3, b"root", b"z"))[0])["value"].startswith("the result[0] is a remote reference")


# ------------------------------------------------------------------------------------------- depth


def nested(depth: int, kind: str) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value] if kind == "list" else (value,) if kind == "tuple" else {"k": value}
    return value


@pytest.mark.parametrize("kind", ["list", "tuple", "dict"])
def test_what_is_too_deep_is_refused_and_the_setting_is_named(kind: str) -> None:
    assert jelly(nested(128, kind))
    with pytest.raises(
        CannotEncode, match=r"the value is more than 128 lists deep: raise Limits\(depth=...\)"
    ) as caught:
        jelly(nested(129, kind))
    assert (caught.value.limit, caught.value.size, caught.value.value) == ("depth", 129, 128)


@pytest.mark.parametrize("kind", ["list", "tuple", "dict"])
def test_a_value_of_any_depth_is_refused_without_recursion(kind: str) -> None:
    value = nested(100_000, kind)
    with pytest.raises(CannotEncode, match="more than 128 lists deep"):
        jelly(value)
    while value:  # taken apart from outside: no deep recursion when it dies
        value = value["k"] if kind == "dict" else value[0]


def test_a_limit_of_200_works_both_ways() -> None:
    deep = Limits(depth=200)
    wire = Wire(root=Board(), limits=deep)
    client = Wire(Side.CLIENT, limits=deep)
    # Two lists are around it, the message and its arguments. A dict is two, and its innermost key another one.
    for value in (nested(198, "list"), nested(198, "tuple"), nested(98, "dict")):
        client.broker.root_reference().callRemote("echo", value)
        (sent,) = client.said()
        (answer,) = wire.hears(sent)
        assert answer[0] == b"answer"
        client.hears(answer)
        error = outcome(client.broker.root_reference().callRemote("echo", [[[value]]]))
        assert isinstance(error, CannotEncode)
        assert error.limit == "depth"


def test_a_chain_of_copies_as_deep_as_pythons_stack_is_refused_in_words() -> None:
    class Link(Copyable):
        def __init__(self, next: Any) -> None:
            self.next = next

        def getStateToCopy(self) -> Any:
            return self.next

        def getStateToCopyFor(self, perspective: Any) -> Any:
            return super().getStateToCopyFor(perspective)

    class Hog(Copyable):
        def getStateToCopy(self) -> Any:
            return self.getStateToCopy()

    chain: Any = None
    for _ in range(150):
        chain = Link(chain)
    wire = Wire(Side.CLIENT)
    for value in (chain, Hog()):
        error = outcome(wire.broker.root_reference().callRemote("x", value))
        assert isinstance(error, CannotEncode)
        assert "deep" in str(error)
    assert wire.said() == []


# ------------------------------------------------------------------------------------------- undoing


class Pond(Cacheable):
    """A Cacheable that writes down who observes it."""

    def __init__(self, state: Any = None) -> None:
        self.state = state
        self.events: list[Any] = []

    def getTypeToCopy(self) -> str:
        return "test.Pond"

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
        self.events.append(("observed", observer))
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.events.append(("stopped", observer))


UNSENDABLE = [object(), "\ud800", 2**448, b"x" * 655_361, Pond(ValueError("no state")), nested(127, "list")]


@pytest.mark.parametrize("unsendable", UNSENDABLE, ids=lambda value: type(value).__name__)
def test_a_run_that_fails_leaves_the_books_as_they_were(unsendable: Any) -> None:
    """Whether a hook, jelly or encode fails, and whether an object was lent before or not."""
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    old, new = Referenceable(), Referenceable()
    old_pond, new_pond = Pond(), Pond()
    root.callRemote("x", old, old_pond)
    wire.said()
    before = books_of(wire.broker)
    deferred = root.callRemote("x", old, new, old_pond, new_pond, new, new_pond, [unsendable], k=5)

    assert isinstance(outcome(deferred), Exception)
    assert wire.said() == []
    assert books_of(wire.broker) == before
    assert [event for event, _ in new_pond.events] == ["observed", "stopped"]
    assert new_pond.events[0][1] == new_pond.events[1][1]
    assert [event for event, _ in old_pond.events] == ["observed"]
    assert (wire.broker.ours.exports.lent, wire.broker.ours.exports.returned) == (1, 0)
    assert (wire.broker.ours.caches.lent, wire.broker.ours.caches.returned) == (1, 0)


def test_a_state_hook_that_raised_observes_nothing_and_is_told_nothing() -> None:
    pond = Pond(ValueError("no state"))
    wire = Wire(Side.CLIENT)
    error = outcome(wire.broker.root_reference().callRemote("x", pond))

    assert isinstance(error, ValueError)
    assert [event for event, _ in pond.events] == ["observed"]
    assert books_of(wire.broker)["caches"] == {}
    pond.state = None
    wire.broker.root_reference().callRemote("x", pond)
    assert wire.said()[0][5] == [b"tuple", [b"test.Pond", 2, [b"None"]]]


def test_what_is_undone_is_undone_backwards() -> None:
    order: list[str] = []

    class Noted(Pond):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def stoppedObserving(self, perspective: Any, observer: Any) -> None:
            order.append(self.name)
            raise ValueError("which is logged, and the rest is undone all the same")

    wire = Wire(Side.CLIENT)
    outcome(wire.broker.root_reference().callRemote("x", Noted("first"), Noted("second"), Noted("third"), object()))

    assert order == ["third", "second", "first"]
    assert books_of(wire.broker)["caches"] == {}


def test_the_number_of_a_call_is_taken_when_it_is_encoded() -> None:
    wire = Wire(Side.CLIENT)
    root = wire.broker.root_reference()
    for unsendable in UNSENDABLE:
        outcome(root.callRemote("x", unsendable))
    root.callRemote("x")

    assert wire.said() == [message(1, b"root", b"x")]


def test_a_reference_of_ones_own_connection_is_written_by_its_broker() -> None:
    wire = Wire(Side.CLIENT)
    reference = RemoteReference(None, wire.broker, 7, owed=0)

    assert Jellier(wire.broker).jelly([reference]) == [b"list", [b"local", 7]]
