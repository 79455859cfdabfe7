"""S-expressions to objects: every tag, circles of every kind, and what no peer may do to us."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbshell.broker.references import RemoteCache, RemoteCopy, RemoteReference
from pbshell.broker.registry import Registry, Unjellyable
from pbshell.broker.security import SecurityOptions
from pbshell.broker.unjelly import Unjellier, unjelly
from pbshell.errors import LimitExceeded, PeerError, ProtocolError, RefusedClass
from pbshell.wire.grammar import loans
from pbshell.wire.limits import Limits
from tests.broker.wire import Board, Wire, accepting, books_of, copied, dictionary, failed, message, text
from tests.strategies import expressions

BACK = [b"dereference", 1]


class Card(RemoteCopy):
    """A copy."""

    other: Any
    me: Any


class Deck(RemoteCache):
    """A cached copy."""

    me: Any
    card: Any


class Made:
    """What the factory makes: it keeps the state as it got it."""

    def __init__(self, state: Any) -> None:
        self.state = state


class Plain:
    """An instance that travels only if its class is allowed."""

    me: Any


def factory(state: Any) -> Made:
    return Made(state)


def trusting(**more: Any) -> SecurityOptions:
    security = accepting(Card=Card, Deck=Deck, **more)
    security.registry.setUnjellyableFactoryForClass("test.Made", factory)
    security.allowInstancesOf(Plain)
    return security


PLAIN = f"{__name__}.Plain".encode()


def received(*args: Any, security: SecurityOptions | None = None, limits: Limits = Limits()) -> Any:  # noqa: B008
    """What a method gets; or the fields of the error that the peer gets instead."""
    board = Board()
    wire = Wire(root=board, security=security or trusting(), limits=limits)
    said = wire.hears(message(1, b"root", b"keep", *args))
    if said[-1][0] == b"error":
        return failed(said[-1])
    return board.kept[0] if len(args) == 1 else board.kept


# ------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (5, 5),
        (2.5, 2.5),
        (b"bytes", b"bytes"),
        ([b"list"], []),
        ([b"list", 1, [b"tuple", b"x"]], [1, (b"x",)]),
        ([b"set", 1, [b"tuple", 2], 1], {1, (2,)}),
        ([b"frozenset", [b"frozenset"]], frozenset({frozenset()})),
        ([b"dictionary", [1, 2], [1, 3], [text("k"), [b"list"]]], {1: 3, "k": []}),
    ],
    ids=repr,
)
def test_an_expression_and_its_value(expression: Any, value: Any) -> None:
    found = unjelly(expression)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ([], "an empty list is no jelly"),
        ([5, 1], "jelly begins with a tag, not with 5"),
        ([1.5], "jelly begins with a tag, not with 1.5"),
        ([[b"list"]], "jelly begins with a tag, not with"),
        ([b"dictionary", 5], "a dictionary consists of pairs, key and value"),
        ([b"dictionary", [1]], "a dictionary consists of pairs"),
        ([b"dictionary", [1, 2, 3]], "a dictionary consists of pairs"),
        ([b"dictionary", [[b"list"], 1]], "a list cannot be a key of a dictionary or an item of a set"),
        ([b"dictionary", [[b"list"], [b"dereference", 1]], [1, [b"reference", 1, 5]]], "a list cannot be a key"),
        ([b"set", 1, [b"dictionary"]], "a dict cannot be a key of a dictionary or an item of a set"),
        ([b"frozenset", [b"set"]], "a set cannot be a key"),
        ([b"set", [b"tuple", [b"list"]]], "a tuple cannot be a key"),
        ([b"reference", b"x", [b"list"]], "references are numbered by ints of 60 bits, not by b'x'"),
        ([b"reference", 2**60, [b"list"]], "references are numbered by ints of 60 bits"),
        ([b"reference", 1], "reference needs 2 items"),
        ([b"reference", 1, 2, 3], "reference has 3 items instead of 2"),
        ([b"dereference", b"x"], "references are numbered by ints of 60 bits, not by b'x'"),
        ([b"dereference", -(2**60)], "references are numbered by ints of 60 bits"),
        ([b"dereference", 1, 2], "dereference has 2 items instead of 1"),
        ([b"list", [b"dereference", 9]], "dereference 9 has no reference"),
        ([b"list", [b"reference", 1, [b"list"]], [b"reference", 1, [b"list"]]], "reference 1 is defined twice"),
        ([b"list", [b"reference", 1, 5], [b"reference", 1, 6]], "reference 1 is defined twice"),
        ([b"tuple", [b"reference", 1, [b"tuple", BACK]]], "dereference 1 has no reference"),
        ([b"reference", 1, BACK], "dereference 1 has no reference"),
        ([b"remote", 1], "a reference means nothing without a connection"),
        ([b"local", 1], "a reference means nothing without a connection"),
        ([b"cached", 1], "a cached copy means nothing without a connection"),
        ([b"lcache", 1], "a cached copy means nothing without a connection"),
        ([b"remote", 1, 2], "remote has 2 items instead of 1"),
        ([b"instance", 5, [b"dictionary"]], "is of class instance"),
    ],
    ids=repr,
)
def test_what_is_no_jelly_is_refused_in_words(expression: Any, complaint: str) -> None:
    with pytest.raises(PeerError) as caught:
        unjelly(expression)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    for around in (
        [b"list", expression],
        [b"dictionary", [text("k"), expression]],
        [b"reference", 99, [b"list", expression]],
    ):
        with pytest.raises(PeerError):
            unjelly(around)


# ------------------------------------------------------------------------------------------- circles


def same(found: Any, *path: Any) -> bool:
    """Whether *path* (attributes and items) leads from *found* back to it."""
    there = found
    for step in path:
        there = getattr(there, step) if isinstance(step, str) and not isinstance(there, dict) else there[step]
    return there is found


CIRCLES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "list": ([b"reference", 1, [b"list", 5, BACK]], (1,)),
    "list in list": ([b"reference", 1, [b"list", [b"list", BACK]]], (0, 0)),
    "dict value": ([b"reference", 1, dictionary(me=BACK)], ("me",)),
    "deep dict value": ([b"reference", 1, dictionary(a=[b"list", dictionary(me=BACK)])], ("a", 0, "me")),
    "list in tuple": ([b"reference", 1, [b"list", [b"tuple", BACK]]], (0, 0)),
    "tuple in list": ([b"reference", 1, [b"tuple", [b"list", BACK]]], (0, 0)),
    "tuple of tuples": ([b"reference", 1, [b"tuple", 5, [b"tuple", [b"list", BACK]], 6]], (1, 0, 0)),
    "copy": ([b"reference", 1, [b"test.Card", dictionary(me=BACK)]], ("me",)),
    "copy in list": ([b"reference", 1, [b"test.Card", dictionary(me=[b"list", BACK])]], ("me", 0)),
    "copy in tuple": ([b"reference", 1, [b"test.Card", dictionary(me=[b"tuple", BACK])]], ("me", 0)),
    "two copies": (
        [b"reference", 1, [b"test.Card", dictionary(other=[b"test.Card", dictionary(other=BACK)])]],
        ("other", "other"),
    ),
    "cache": ([b"reference", 1, [b"test.Deck", 5, dictionary(me=BACK)]], ("me",)),
    "cache and copy": (
        [b"reference", 1, [b"test.Deck", 5, dictionary(card=[b"test.Card", dictionary(other=BACK)])]],
        ("card", "other"),
    ),
    "factory": ([b"reference", 1, [b"test.Made", dictionary(me=BACK)]], ("state", "me")),
    "factory and list": ([b"reference", 1, [b"list", [b"test.Made", [b"list", BACK]]]], (0, "state", 0)),
    "factory in copy": (
        [b"reference", 1, [b"test.Card", dictionary(me=[b"test.Made", dictionary(me=BACK)])]],
        ("me", "state", "me"),
    ),
    "copy in factory": (
        [b"reference", 1, [b"test.Made", dictionary(me=[b"test.Card", dictionary(me=BACK)])]],
        ("state", "me", "me"),
    ),
    "instance": ([b"reference", 1, [PLAIN, dictionary(me=BACK)]], ("me",)),
    "old instance": ([b"reference", 1, [b"instance", [b"class", PLAIN], dictionary(me=BACK)]], ("me",)),
    "the same reference twice": ([b"reference", 1, [b"reference", 2, [b"list", BACK, [b"dereference", 2]]]], (1,)),
}


@pytest.mark.parametrize("kind", CIRCLES)
def test_a_circle_closes(kind: str) -> None:
    expression, path = CIRCLES[kind]
    found = received(expression)

    assert same(found, *path), found


@pytest.mark.parametrize("kind", CIRCLES)
def test_what_is_read_leaves_no_garbage_but_the_circle(kind: str) -> None:
    """Each circle is met again from outside, before and behind it."""
    expression, path = CIRCLES[kind]
    before, found, behind = received([b"dereference", 1], expression, [b"dereference", 1])

    assert before is found is behind
    assert same(found, *path), found


def test_a_circle_through_a_set_closes() -> None:
    (me,) = received([b"reference", 1, [b"test.Card", dictionary(me=[b"set", BACK])]]).me
    assert same(me, "me") is False
    found = received([b"reference", 1, [b"test.Card", dictionary(me=[b"set", 5, BACK])]])
    assert found.me == {5, found}
    found = received([b"reference", 1, [b"test.Card", dictionary(me=[b"frozenset", 5, BACK])]])
    assert found.me == frozenset({5, found})


def test_a_circle_through_a_key_closes() -> None:
    found = received([b"reference", 1, [b"test.Card", dictionary(me=[b"dictionary", [BACK, 5]])]])
    assert found.me == {found: 5}
    found = received([b"reference", 1, [b"test.Card", dictionary(me=[b"dictionary", [[b"tuple", BACK], BACK]])]])
    assert found.me == {(found,): found}


FORWARD = [b"dereference", 9]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ([b"list", FORWARD, [b"reference", 9, [b"list", 5]]], [[5], [5]]),
        ([b"list", FORWARD, FORWARD, [b"reference", 9, 5]], [5, 5, 5]),
        ([b"list", [b"tuple", FORWARD, FORWARD], [b"reference", 9, b"x"]], [(b"x", b"x"), b"x"]),
        ([b"tuple", FORWARD, [b"reference", 9, [b"None"]]], (None, None)),
        ([b"list", [b"set", 1, FORWARD], [b"reference", 9, 5]], [{1, 5}, 5]),
        ([b"list", [b"set", FORWARD, FORWARD], [b"reference", 9, 5]], [{5}, 5]),
        ([b"list", [b"frozenset", 1, [b"tuple", FORWARD]], [b"reference", 9, 5]], [frozenset({1, (5,)}), 5]),
        ([b"list", [b"dictionary", [FORWARD, 1]], [b"reference", 9, 5]], [{5: 1}, 5]),
        ([b"list", [b"dictionary", [FORWARD, FORWARD]], [b"reference", 9, 5]], [{5: 5}, 5]),
        ([b"list", [b"dictionary", [[b"tuple", FORWARD], 1], [2, FORWARD]], [b"reference", 9, 5]], [{(5,): 1, 2: 5}, 5]),  # noqa: E501 - a row of a table
        ([b"list", [b"tuple", [b"dereference", 8]], [b"reference", 8, [b"tuple", FORWARD]], [b"reference", 9, 5]], [((5,),), (5,), 5]),  # noqa: E501 - a row of a table
        ([b"list", [b"reference", 1, [b"tuple", FORWARD]], BACK, [b"reference", 9, 5]], [(5,), (5,), 5]),
        ([b"list", [b"reference", 1, [b"reference", 2, [b"tuple", FORWARD]]], BACK, [b"reference", 9, 5]], [(5,), (5,), 5]),  # noqa: E501 - a row of a table
    ],
    ids=repr,
)  # fmt: skip
def test_a_dereference_may_come_before_its_reference(expression: Any, value: Any) -> None:
    assert unjelly(expression) == value


def test_a_copy_waits_for_what_its_state_waits_for() -> None:
    """SetCopyableState sees a state that is complete, however late a part of it comes."""

    class Exact(RemoteCopy):
        def setCopyableState(self, state: Any) -> None:
            self.seen = repr(state)

    security = trusting(Exact=Exact)
    exact = [b"test.Exact", [b"list", FORWARD, [b"tuple", FORWARD]]]
    first, outer, _ = received(
        exact, [b"test.Card", dictionary(other=exact)], [b"reference", 9, text("late")], security=security
    )

    assert first.seen == outer.other.seen == "['late', ('late',)]"


def test_a_state_may_itself_come_late() -> None:
    card, made, plain, _ = received(
        [b"test.Card", FORWARD], [b"test.Made", FORWARD], [PLAIN, FORWARD], [b"reference", 9, dictionary(me=5)]
    )

    assert card.me == made.state["me"] == plain.me == 5


def test_a_factory_that_waits_can_be_waited_for() -> None:
    made, again, held, _ = received(
        [b"reference", 1, [b"test.Made", [b"list", FORWARD]]], BACK, [b"tuple", BACK], [b"reference", 9, 5]
    )

    assert made.state == [5]
    assert made is again is held[0]


def test_a_failure_may_be_met_again() -> None:
    first, second = received([b"reference", 1, copied()], BACK)

    assert first is second
    assert first.value.remoteType == "builtins.ValueError"


# ------------------------------------------------------------------------------------------- classes


def test_a_copy_is_made_without_init() -> None:
    class Careful(RemoteCopy):
        def __init__(self) -> None:
            raise AssertionError("no peer may call this")

    assert vars(received([b"test.Careful", dictionary(x=1)], security=trusting(Careful=Careful))) == {"x": 1}


def test_a_factory_gets_the_state_and_makes_what_it_likes() -> None:
    assert received([b"test.Made", [b"list", 1]]).state == [1]
    assert received([b"test.Made", 5]).state == 5


def test_a_function_gets_the_unjellier_and_the_whole_expression() -> None:
    def read(unjellier: Unjellier, expression: list[Any]) -> Any:
        holder: dict[str, Any] = {}
        unjellier.unjellyInto(holder, "into", expression[2])
        return [expression[1], unjellier.unjelly(expression[2]), holder, unjellier.unjelly(7)]

    security = trusting(Own=read)
    found = received([b"test.Own", [b"raw"], [b"remote", 5]], security=security)
    assert found[:2] == [[b"raw"], found[2]["into"]]
    assert found[3] == 7
    found, _ = received([b"test.Own", b"raw", FORWARD], [b"reference", 9, 5], security=security)
    assert found[2] == {"into": 5}


def test_a_class_may_unjelly_itself() -> None:
    class Own(Unjellyable):
        def unjellyFor(self, unjellier: Unjellier, expression: list[Any]) -> Any:
            return ("stands for it", self, unjellier.unjelly(expression[-1]))

    first, again = received([b"reference", 1, [b"test.Own", 1, 2, text("x")]], BACK, security=trusting(Own=Own))

    assert first is again
    assert first[::2] == ("stands for it", "x")


@pytest.mark.parametrize("registered", [Card, "factory", "plain"])
def test_a_copy_has_a_state_and_nothing_else(registered: Any) -> None:
    tag = (
        {"factory": b"test.Made", "plain": PLAIN}.get(registered, b"test.Card")
        if isinstance(registered, str)
        else b"test.Card"
    )

    assert "came with 2 items instead of its state alone" in received([tag, [b"list"], 1])["value"]
    assert received([tag, 5, dictionary()])["value"].endswith("a Cacheable, which needs a RemoteCache here")
    if registered == "plain":
        assert vars(received([tag])) == {}
    else:
        assert "came with 0 items" in received([tag])["value"]


def test_what_is_refused_because_it_is_a_cacheable_goes_back() -> None:
    wire = Wire(root=Board(), security=trusting())

    assert wire.hears(message(1, b"root", b"keep", [b"test.Card", 5, dictionary()]))[0] == [b"decache", 5]
    assert books_of(wire.broker)["copies"] == {}


def test_what_a_hook_reads_itself_is_not_given_back_as_a_cached_copy() -> None:
    """`[test.Own 5 ...]` has the length of a Cacheable, and is none: the class here says so."""

    class Own(Unjellyable):
        def unjellyFor(self, unjellier: Unjellier, expression: list[Any]) -> Any:
            return self

    security = trusting(Own=Own, Read=lambda unjellier, expression: expression[1])
    wire = Wire(root=Board(), security=security)

    for tag in (b"test.Own", b"test.Read"):
        assert wire.hears(message(1, b"root", b"keep", [tag, 5, dictionary()])) == [[b"answer", 1, [b"None"]]]


def test_what_a_hook_leaves_unread_goes_back() -> None:
    wire = Wire(root=Board(), security=trusting(Read=lambda unjellier, expression: None))
    said = wire.hears(
        message(1, b"root", b"keep", [b"test.Read", [b"list", [b"remote", 7], [b"cached", 8]]], [b"remote", 7])
    )

    assert said == [[b"decache", 8], [b"decref", 7], [b"answer", 1, [b"None"]]]
    assert books_of(wire.broker)["imports"] == {7: 1}


def test_an_instance_of_an_allowed_class_takes_its_state_as_it_likes() -> None:
    class Own:
        def __setstate__(self, state: Any) -> None:
            self.taken = state

    class Bad(ValueError):
        code: int

    Own.__module__ = Own.__qualname__ = Bad.__module__ = Bad.__qualname__ = "test"
    security = SecurityOptions(registry=Registry())
    security.allowInstancesOf(Own, Plain, Bad)

    assert received([b"test.Own", [b"list", 1]], security=security).taken == [1]
    assert vars(received([PLAIN, [b"list", 1]], security=security)) == {}
    assert vars(received([PLAIN, [b"None"]], security=security)) == {}
    bad = received([b"test.Bad", dictionary(code=5)], security=security)
    assert (type(bad), bad.code) == (Bad, 5)


def test_a_class_is_sent_as_itself_where_it_is_allowed() -> None:
    assert received([b"class", PLAIN]) is Plain
    assert received([b"class", b"builtins.int"])["value"] == "b'class'"
    assert received([b"class", 5])["value"] == "b'class'"
    assert received([b"instance", [b"None"], [b"dictionary"]])["value"] == "an instance begins with its class"


def test_post_unjelly_is_called_when_everything_is_there() -> None:
    order: list[Any] = []

    class Card(RemoteCopy):
        other: Any

        def postUnjelly(self) -> None:
            order.append(vars(self).get("other"))

    class Post(Made):
        def postUnjelly(self) -> None:
            order.append(self.state)

    security = accepting(Card=Card)
    security.registry.setUnjellyableFactoryForClass("test.Post", Post)
    security.registry.setUnjellyableForClass("test.Mine", Card)
    received(
        [b"reference", 1, [b"test.Card", dictionary(other=[b"list", [b"test.Card", dictionary(other=BACK)]])]],
        [b"test.Post", 5],
        [b"test.Post", FORWARD],
        [b"reference", 9, 6],
        security=security,
    )

    assert len(order) == 4
    assert order[2:] == [5, 6]
    assert isinstance(order[0], Card)
    assert isinstance(order[1], list)


@pytest.mark.parametrize("name", ["postUnjelly", "__class__", "addCallbacks", "__await__", "jellyFor", "callRemote"])
@pytest.mark.parametrize("value", [5, [b"class", PLAIN]])
def test_an_attribute_that_the_peer_chose_is_never_called(name: str, value: Any) -> None:
    wire = Wire(root=Board(), security=trusting())
    (answer,) = wire.hears(message(1, b"root", b"echo", [b"test.Card", dictionary(**{name: value})]))

    # It arrives; that a RemoteCopy has no flavor to go back with, is another matter.
    assert "no flavor" in failed(answer)["value"]


@pytest.mark.parametrize("where", ["args", "kwargs"])
@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ([b"mod.X", 1], ""),
        ([b"list", 0, [b"mod.X", 1]], "[1]"),
        ([b"tuple", [b"set", [b"mod.X", 1]]], "[0][0]"),
        (dictionary(when=[b"list", [b"mod.X", 1]]), "['when'][0]"),
        ([b"dictionary", [5, [b"mod.X", 1]]], "[5]"),
        ([b"dictionary", [[b"tuple", 1], [b"mod.X", 1]]], "[a tuple]"),
        ([b"dictionary", [[b"test.Card", dictionary()], [b"mod.X", 1]]], "[a Card]"),
        ([b"test.Card", dictionary(suit=[b"mod.X", 1])], ".suit"),
        ([b"test.Card", [b"dictionary", [text("not a name"), [b"mod.X", 1]]]], "['not a name']"),
        ([b"test.Card", [b"dictionary", [5, [b"mod.X", 1]]]], "[5]"),
        (
            [b"test.Card", dictionary(other=[b"test.Card", dictionary(cards=[b"list", [b"mod.X", 1]])])],
            ".other.cards[0]",
        ),
        ([b"reference", 1, [b"list", [b"mod.X", 1]]], "[0]"),
    ],
)
def test_a_refused_class_is_found_by_its_path(
    where: str, expression: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(root=Board(), security=trusting())
    call = message(1, b"root", b"keep", expression) if where == "args" else message(1, b"root", b"keep", x=expression)
    wire.hears(call)
    begin = "args[0]" if where == "args" else "kwargs['x']"

    assert f"{begin}{path} is of class mod.X, which is not registered here" in caplog.text


# ------------------------------------------------------------------------------------------- references


def test_a_reference_of_our_own_comes_home_as_the_object() -> None:
    board = Board()
    wire = Wire(root=board)
    wire.hears(
        message(1, b"root", b"keep", [b"local", b"root"], [b"local", 77], [b"local", b"nothing"], [b"local", 2.5])
    )

    assert board.kept == [board, None, None, None]


@pytest.mark.parametrize("tag", [b"remote", b"local", b"cached", b"lcache"])
@pytest.mark.parametrize("luid", [[], [1], 2**60, 2**61 - 1])
def test_a_luid_that_makes_tables_slow_is_refused(tag: bytes, luid: Any) -> None:
    assert "a luid is a string or a number of 60 bits, not " in received([tag, luid])["value"]
    assert "a luid is a string" in received([b"test.Deck", luid, dictionary()])["value"] or luid in ([], [1])


def test_a_number_without_a_state_is_refused_and_given_back() -> None:
    wire = Wire(root=Board(), security=trusting())
    back, answer = wire.hears(message(1, b"root", b"keep", [b"cached", 5]))

    assert back == [b"decache", 5]
    assert failed(answer)["value"] == "cached object 5 came by number, and its state never did"
    assert "none of that number is out" in received([b"lcache", 5])["value"]


def test_a_cacheable_comes_as_class_luid_and_state() -> None:
    assert "a Cacheable comes as class, luid and state" in received([b"test.Deck", dictionary()])["value"]
    assert received([b"test.Deck", 5, dictionary(card=1)]).card == 1


def test_a_state_that_cannot_be_read_leaves_no_copy_behind() -> None:
    wire = Wire(root=Board(), security=trusting())
    said = wire.hears(message(1, b"root", b"keep", [b"test.Deck", 5, dictionary(x=[b"mod.X", 1])]))
    gc.collect()

    assert [*said, *wire.said()].count([b"decache", 5]) == 1
    assert wire.broker.books.copies == {}
    assert books_of(wire.broker)["copies"] == {}


def test_a_state_comes_only_once() -> None:
    class Other(RemoteCache):
        """Of another class."""

    board = Board()
    wire = Wire(root=board, security=trusting(Other=Other))
    wire.hears(message(1, b"root", b"keep", [b"test.Deck", 5, dictionary(card=1)]))
    said = wire.hears(message(2, b"root", b"keep", [b"test.Other", 5, dictionary(card=2)]))

    assert said[0] == [b"decache", 5]
    assert failed(said[1])["value"] == "the state of cached object 5 came a second time"
    assert vars(board.kept[0]) == {"card": 1}
    assert books_of(wire.broker)["copies"] == {5: 1}


# ------------------------------------------------------------------------------------------- a refused message


MANY_LOANS = [
    [b"remote", 7],
    [b"list", [b"remote", 7], [b"remote", 8]],
    [b"test.Deck", 5, dictionary(x=[b"remote", 9])],
    [b"cached", 5],
]


@pytest.mark.parametrize("at", range(len(MANY_LOANS) + 1))
@pytest.mark.parametrize("bad", [[b"mod.X", [b"remote", 10]], [b"nonsense"], [b"boolean", 5], [b"dereference", 3]])
@pytest.mark.parametrize("named", [False, True])
def test_a_refused_message_is_still_a_receipt(at: int, bad: Any, named: bool) -> None:
    """Wherever it stops: everything that it lent goes back, once."""
    args = [*MANY_LOANS[:at], bad, *MANY_LOANS[at:]]
    call = (
        message(1, b"root", b"keep", **{f"k{n}": arg for n, arg in enumerate(args)})
        if named
        else message(1, b"root", b"keep", *args)
    )
    wire = Wire(root=Board(), security=trusting())
    said = wire.hears(call)
    gc.collect(1)
    said += wire.said()
    said += wire.hears([b"uncache", 5])  # what the state of a copy holds goes back when the owner agrees

    lent = sorted((b"decref" if loan.kind == b"remote" else b"decache", loan.luid) for loan in loans(call[5 + named]))
    assert sorted((word, luid) for word, luid, *_ in said if word != b"error") == lent
    assert books_of(wire.broker)["imports"] == books_of(wire.broker)["copies"] == {}


# ------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("limits", "loan", "field"), [(Limits(imports=3), b"remote", "imports"), (Limits(caches=3), b"deck", "caches")]
)
def test_more_loans_than_the_limit_grants_are_refused_and_go_back(limits: Limits, loan: bytes, field: str) -> None:
    board = Board()
    wire = Wire(root=board, security=trusting(), limits=limits)
    things = [[b"remote", n] if loan == b"remote" else [b"test.Deck", n, dictionary()] for n in range(1, 6)]
    assert wire.hears(message(1, b"root", b"keep", *things[:3])) == [[b"answer", 1, [b"None"]]]
    said = wire.hears(message(2, b"root", b"keep", *things[3:]))
    gc.collect()
    said += wire.said()

    (answer,) = [each for each in said if each[0] == b"error"]
    assert failed(answer)["value"] == f"the peer lent 4 objects at the same time: Limits({field}=3) here"
    back = b"decref" if loan == b"remote" else b"decache"
    assert sorted(each for each in said if each[0] == back) == [[back, 4], [back, 5]]
    wire.hears([b"uncache", 4], [b"uncache", 5])
    # The same ones again are no more objects.
    again = [b"remote", 1] if loan == b"remote" else [b"cached", 1]
    assert wire.hears(message(3, b"root", b"keep", again)) == [[b"answer", 3, [b"None"]]]


P = 2**61 - 1  # the modulus of Python's hash of numbers


@pytest.mark.parametrize(
    "kind", ["keys", "late keys", "late tuples", "items", "late items", "tuples", "frozen", "decimals"]
)
def test_many_keys_of_one_hash_are_refused(kind: str) -> None:
    """Each alone is harmless; a dictionary of 100,000 such keys takes hours."""
    count = 100
    numbers = [P * n for n in range(1, count)]
    expression = {
        "keys": [b"dictionary", *([n, 0] for n in numbers)],
        "late keys": [b"dictionary", *([[b"dereference", n], 0] for n in range(1, count))],
        "late tuples": [b"dictionary", *([[b"tuple", [b"dereference", 1], n], 0] for n in numbers)],
        "items": [b"set", *numbers],
        "late items": [b"set", *([b"tuple", [b"dereference", 1], n] for n in numbers)],
        "tuples": [b"set", *([b"tuple", n, 0] for n in numbers)],
        "frozen": [b"frozenset", *numbers],
        "decimals": [b"set", *([b"decimal", n, 0] for n in numbers)],
    }[kind]
    with pytest.raises(ProtocolError, match="keys share one hash, which makes a dictionary as slow as a list"):
        unjelly([b"list", expression, *([b"reference", i, n] for i, n in enumerate(numbers, 1))])


@pytest.mark.parametrize("tag", [b"dictionary", b"set", b"frozenset"])
def test_many_keys_of_many_hashes_are_welcome(tag: bytes) -> None:
    items = range(-1_000, 1_000)
    expression = [tag, *([n, n] if tag == b"dictionary" else n for n in items)]

    assert sorted(unjelly(expression)) == list(items)
    late = [
        b"list",
        [b"dereference", 9],
        [tag, *([[b"tuple", n, [b"dereference", 9]], n] if tag == b"dictionary" else n for n in items)],
        [b"reference", 9, 5],
    ]
    assert len(unjelly(late)[1]) == 2_000


def shared_tuples(count: int, width: int) -> list[Any]:
    """Tuples of *width* times the one before, each in a few bytes."""
    first = [b"reference", 0, [b"tuple", 5]]
    return [first, *([b"reference", n, [b"tuple", *[[b"dereference", n - 1]] * width]] for n in range(1, count))]


@pytest.mark.parametrize("key", [b"set", b"frozenset", b"dictionary", b"late"])
def test_a_tuple_that_takes_for_ever_to_hash_is_refused(key: bytes) -> None:
    """A tuple of two tuples of two tuples ...: 100 short lines, 2 ** 100 items to look at."""
    last = [b"dereference", 99]
    expression = {
        b"dictionary": [b"dictionary", [last, 1]],
        b"late": [b"dictionary", [[b"tuple", last, [b"dereference", 100]], 1]],
    }.get(key, [key, last])
    with pytest.raises(
        LimitExceeded, match=r"a tuple of [0-9,]+ items, shared ones counted each time: Limits\(items=2000000\)"
    ):
        unjelly([b"list", *shared_tuples(100, 2), expression, [b"reference", 100, 5]])


def test_a_large_key_may_be_used_as_often_as_a_message_could_carry_it() -> None:
    large = [b"reference", 1, [b"tuple", *range(1_000)]]
    keys = [[[b"tuple", BACK, n], 0] for n in range(10)]
    limits = Limits(items=10_100)

    assert len(received([b"list", large, [b"dictionary", *keys]], limits=limits)[1]) == 10
    assert (
        "keys of more than 10,100 items"
        in received([b"list", large, [b"dictionary", *keys, [BACK, 0]]], limits=limits)["value"]
    )


@settings(max_examples=30)
@given(st.data())
def test_what_shares_nothing_is_never_too_much_to_hash(data: st.DataObject) -> None:
    keys = st.recursive(st.integers(0, 3), lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=30)
    found: dict[Any, int] = data.draw(st.dictionaries(keys, st.integers(0, 3), max_size=8))

    def jellied(value: Any) -> Any:
        return [b"tuple", *map(jellied, value)] if isinstance(value, tuple) else value

    def items(value: Any) -> int:
        return len(value) + sum(map(items, value)) if isinstance(value, list) else 0

    expression = [b"dictionary", *([jellied(key), value] for key, value in found.items())]
    assert received(expression, limits=Limits(items=items(expression) + 20)) == found


@pytest.mark.parametrize("forward", [False, True])
def test_tuples_nested_through_references_go_no_deeper_than_lists(forward: bool) -> None:
    """Python's hash of a tuple recurses in C: 200,000 of them, one in the other, end the process."""
    chain = shared_tuples(1_000, 1)
    if forward:
        chain.reverse()
    with pytest.raises(PeerError, match=r"tuples nested 129 deep: Limits\(depth=128\) here|too deeply"):
        unjelly([b"list", *chain])
    assert unjelly([b"list", *shared_tuples(128, 1)])


def test_a_chain_of_copies_as_deep_as_pythons_stack_is_refused_in_words() -> None:
    expression: Any = 0
    for _ in range(190):
        expression = [b"test.Own", expression]

    class Own(RemoteCopy):
        def setCopyableState(self, state: Any) -> None:
            pass

    found = received(expression, security=trusting(Own=Own), limits=Limits(depth=200))
    assert isinstance(found, Own) or found["value"] == "the value is nested too deeply for Python's stack"

    class Hog(RemoteCopy):
        def setCopyableState(self, state: Any) -> None:
            self.setCopyableState(state)

    found = received([b"test.Hog", dictionary()], security=trusting(Hog=Hog))
    assert found["value"] == "the value is nested too deeply for Python's stack"


def test_a_chain_of_factories_that_wait_is_no_recursion_error() -> None:
    chain = [[b"reference", n, [b"test.Made", [b"dereference", n + 1]]] for n in range(1_000)]
    found = received([b"list", *chain, [b"reference", 1_000, 5]])

    assert isinstance(found, list) or found["type"] != b"builtins.RecursionError"


def test_deep_input_is_read_as_deep_as_the_limit() -> None:
    expression: Any = 5
    for _ in range(198):
        expression = [b"list", expression]
    found = received(expression, limits=Limits(depth=200))
    for _ in range(198):
        (found,) = found

    assert found == 5


@pytest.mark.parametrize("number", [lambda n: P * n, lambda n: n << 40], ids=["one hash", "the same low bits"])
def test_the_numbers_of_a_peer_make_no_table_slow(number: Any) -> None:
    """What is as slow as a list takes minutes for these, and whatever time limit there is ends the test."""
    numbers = [number(n) for n in range(1, 20_000)]
    wire = Wire(root=Board(), security=trusting())
    for call in (
        message(1, 99, b"x", *([b"remote", n] for n in numbers)),
        message(2, b"root", b"keep", *([b"remote", n] for n in numbers)),
        message(3, b"root", b"keep", *([b"reference", n, 5] for n in numbers)),
        message(4, b"root", b"keep", [b"list", *([b"dereference", n] for n in numbers)]),
    ):
        assert [each[1] for each in wire.hears(call) if each[0] in (b"answer", b"error")] == [call[1]]


# ------------------------------------------------------------------------------------------- whatever comes


def jellies() -> st.SearchStrategy[Any]:
    """What looks like jelly, more or less."""
    tags = st.sampled_from(
        b"None boolean unicode decimal datetime list tuple set frozenset dictionary reference dereference class "
        b"instance method unpersistable persistent remote local cached lcache test.Card test.Deck test.Made mod.X "
        b"twisted.spread.pb.CopyableFailure".split()
    )
    atoms = st.one_of(st.integers(-1, 4), st.binary(max_size=3), st.sampled_from([P, 2.5, b"true", b"root", PLAIN]))
    pairs = st.deferred(lambda: st.lists(inner, min_size=2, max_size=2))
    inner: st.SearchStrategy[Any] = st.deferred(
        lambda: st.one_of(
            atoms,
            st.builds(lambda tag, items: [tag, *items], tags, st.lists(inner, max_size=4)),
            st.builds(lambda items: [b"dictionary", *items], st.lists(pairs, max_size=3)),
            st.builds(lambda number, item: [b"reference", number, item], st.integers(0, 2), inner),
            st.builds(lambda number: [b"dereference", number], st.integers(0, 2)),
        )
    )
    return inner


@settings(max_examples=200)
@given(st.lists(jellies(), max_size=4))
def test_whatever_is_sent_the_call_is_answered_and_the_books_agree(args: list[Any]) -> None:
    board = Board()
    wire = Wire(root=board, security=trusting())
    said = wire.hears(message(1, b"root", b"keep", *args))
    board.kept.clear()
    gc.collect(1)
    said += wire.said()
    said += wire.hears(*([b"uncache", each[1]] for each in said if each[0] == b"decache"))
    gc.collect(1)
    said += wire.said()

    assert [each[1] for each in said if each[0] in (b"answer", b"error")] == [1]
    back = sorted(repr((each[0], each[1])) for each in said if each[0] in (b"decref", b"decache"))
    lent = [loan for loan in loans(tuple_(args)) if loan.kind in (b"remote", b"cached")]
    assert back == sorted(repr((b"decref" if loan.kind == b"remote" else b"decache", loan.luid)) for loan in lent)
    assert books_of(wire.broker)["imports"] == books_of(wire.broker)["copies"] == {}


def tuple_(args: list[Any]) -> Any:
    return [b"tuple", *args]


@given(expressions())
def test_without_a_connection_only_documented_errors_are_raised(expression: Any) -> None:
    with contextlib.suppress(ProtocolError, RefusedClass, LimitExceeded):
        unjelly(expression)


def test_nothing_of_a_run_is_kept() -> None:
    """The arguments of a call die with it; a reference in a circle as soon as the circle is collected."""
    wire = Wire(root=Board(look=lambda *args: None), security=trusting())
    circle = [b"reference", 1, [b"list", BACK, [b"remote", 7], [b"test.Card", dictionary(me=BACK)]]]
    said = wire.hears(message(1, b"root", b"look", circle))
    gc.collect()

    assert [*said, *wire.said()] == [[b"answer", 1, [b"None"]], [b"decref", 7]]
    assert not any(isinstance(each, RemoteReference) and each.broker is wire.broker for each in gc.get_objects())
    assert sys.getrefcount(wire.broker) < 20
