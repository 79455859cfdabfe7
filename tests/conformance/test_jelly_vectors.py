"""Our jelly against Twisted's: every recorded object, both ways, and every expression that is refused or odd."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from pbshell import pb
from pbshell.broker.jelly import jelly
from pbshell.broker.registry import Registry
from pbshell.broker.security import SecurityOptions
from pbshell.broker.unjelly import unjelly
from pbshell.errors import CannotEncode, CannotJelly, InsecureJelly, PeerError, UsageError
from pbshell.wire.banana import DIALECTS, Decoder, Dialect, encode
from pbshell.wire.chunk import Side
from tests.conformance.ends import End
from tests.conformance.values import expression, shape, untyped, vectors

VALUES = vectors("jelly")
INVALID = vectors("jelly_invalid")


# ---------------------------------------------------------------- the classes that the vectors name


def vecmod(cls: Any) -> Any:
    """Give *cls* the name under which the vectors know it."""
    cls.__module__ = "vecmod"
    cls.__qualname__ = cls.__name__
    CLASSES[f"vecmod.{cls.__name__}"] = cls
    return cls


CLASSES: dict[str, type] = {"builtins.int": int, "builtins.type": type}


@vecmod
class Plain:
    """An instance without anything."""


@vecmod
class Point:
    """An instance with two attributes."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


@vecmod
class WithState:
    """An instance that chooses its state."""

    def __getstate__(self) -> list[Any]:
        return [1, "two"]

    def __setstate__(self, state: Any) -> None:
        self.got = state


@vecmod
class Thing(pb.Copyable):
    """A Copyable."""

    me: Any


@vecmod
class ThingCopy(pb.RemoteCopy):
    """What becomes of it."""


@vecmod
class Renamed(pb.Copyable):
    """A Copyable with a short tag."""

    def getTypeToCopy(self) -> bytes:
        return b"short-tag"


@vecmod
class Pond(pb.Cacheable):
    """A Cacheable."""

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> dict[str, int]:
        return {"count": 3}


@vecmod
class Ref(pb.Referenceable):
    """A Referenceable."""


@vecmod
class View(pb.Viewable):
    """A Viewable."""


# ---------------------------------------------------------------- values


def open_security() -> SecurityOptions:
    """Whatever Twisted allows with everything allowed, as far as we allow it at all."""
    security = SecurityOptions(registry=Registry())
    security.allowInstancesOf(Plain, Point, WithState, Thing, int, type)
    security.allowTypes("class", "module", "function", "method", "instance")
    return security


def default_security() -> SecurityOptions:
    registry = Registry()
    registry.setUnjellyableForClass("vecmod.Thing", ThingCopy)
    return SecurityOptions(registry=registry)


SECURITY = {"open": open_security, "default": default_security}


def each(items: Iterable[dict[str, Any]]) -> pytest.MarkDecorator:
    """Parametrize over vectors, under their names."""
    chosen = list(items)
    return pytest.mark.parametrize("item", chosen, ids=[item["name"] for item in chosen])


def dialect_of(item: dict[str, Any]) -> Dialect:
    return DIALECTS[item.get("dialect", "pb").encode()]


def value_of(item: dict[str, Any]) -> Any:
    return untyped(item["value"], CLASSES.__getitem__)


def from_bytes(item: dict[str, Any]) -> Any:
    decoder = Decoder(dialect_of(item))
    decoder.feed(bytes.fromhex(item["hex"]))
    (value,) = decoder
    return value


def cases(wanted: Callable[[dict[str, Any], str], bool]) -> pytest.MarkDecorator:
    """Parametrize over vectors and the security settings for which they hold."""
    chosen = [(item, name) for item in VALUES for name in item["security"] if name != "broker" and wanted(item, name)]
    return pytest.mark.parametrize(
        ("item", "security"), chosen, ids=[f"{item['name']}-{security}" for item, security in chosen]
    )


def unsendable(item: dict[str, Any], security: str = "default") -> bool:
    """Whether Twisted sends a placeholder in place of this object. We refuse to send it at all."""
    return b"unpersistable" in bytes.fromhex(item["hex"]) or "unpersistable" in str(item["sexp"])


@cases(lambda item, security: not unsendable(item))
def test_an_object_is_jellied_as_twisted_jellies_it(item: dict[str, Any], security: str) -> None:
    written = jelly(value_of(item), SECURITY[security]())
    assert shape(written) == shape(expression(item["sexp"]))
    assert encode(written, dialect_of(item)).hex() == item["hex"]


@cases(
    lambda item, security: item["decoded"] == "same" and not (security == "default" and item["name"].startswith("c"))
)
def test_an_object_comes_back_from_its_bytes(item: dict[str, Any], security: str) -> None:
    assert shape(unjelly(from_bytes(item), SECURITY[security]())) == shape(value_of(item))


@cases(lambda item, security: isinstance(item["decoded"], dict) and not unsendable(item))
def test_an_object_that_comes_back_otherwise_does_so_here_too(item: dict[str, Any], security: str) -> None:
    expected = untyped(item["decoded"], CLASSES.__getitem__)
    assert shape(unjelly(from_bytes(item), SECURITY[security]())) == shape(expected)


@each(item for item in VALUES if item["name"].startswith("class"))
def test_a_class_is_refused_unless_it_is_allowed(item: dict[str, Any]) -> None:
    with pytest.raises(InsecureJelly):
        unjelly(from_bytes(item), default_security())


def test_a_copyable_comes_back_as_the_class_registered_for_it() -> None:
    (item,) = [item for item in VALUES if item["name"] == "copyable_without_broker"]
    copy = unjelly(from_bytes(item), default_security())
    assert type(copy) is ThingCopy
    assert vars(copy) == {"n": 1}


UNSENDABLE: dict[str, Callable[[], Any]] = {
    "unpersistable_bytearray": lambda: bytearray(b"x"),
    "unpersistable_complex": lambda: 1j,
    "unpersistable_range": lambda: range(3),
    "unpersistable_ellipsis": lambda: ...,
    "unpersistable_builtin_function": lambda: len,
}


@each(item for item in VALUES if unsendable(item) and "broker" not in item["security"])
def test_what_twisted_would_send_as_a_placeholder_is_refused_by_name(item: dict[str, Any]) -> None:
    """Design: a plain instance never leaves silently; the sender is told which object it was, and where."""
    make = UNSENDABLE.get(item["name"]) or (lambda: value_of(item))
    with pytest.raises(CannotJelly) as refused:
        jelly(["other", make()], default_security())
    assert refused.value.path.startswith("[1]")
    assert refused.value.type_name in item["hex"] or refused.value.type_name.encode() in bytes.fromhex(item["hex"])


@each(item for item in VALUES if unsendable(item))
def test_a_placeholder_from_a_peer_arrives_visibly(item: dict[str, Any]) -> None:
    found = unjelly(from_bytes(item), default_security())
    first = found[0] if isinstance(found, list) else found
    assert "deemed insecure" in first.reason
    if isinstance(found, list):
        assert found[1] is first


# ---------------------------------------------------------------- with a broker


def jellied(*calls: tuple[tuple[Any, ...], dict[str, Any]]) -> list[Any]:
    """What a fresh server's broker sends for the arguments of each of these calls, args and kwargs."""
    end = End.server(root=pb.Root())
    end.open()
    reference = pb.RemoteReference(None, end.broker, 1, False)
    for args, kwargs in calls:
        reference.callRemote("x", *args, **kwargs).addErrback(lambda failure: None)
    return [message[5:] for message in end.expressions() if message[0] == b"message"]


def one(make: Callable[[Any], Any]) -> Callable[[], Any]:
    """The jelly of one argument; *make* is given the broker."""

    def made() -> Any:
        end = End.server(root=pb.Root())
        end.open()
        pb.RemoteReference(None, end.broker, 1, False).callRemote("x", make(end.broker)).addErrback(
            lambda failure: None
        )
        return end.expressions()[-1][5][1]

    return made


def again(thing: Any) -> Callable[[], Any]:
    return lambda: jellied(((thing,), {}), ((thing,), {}))[1][0][1]


def thing(**state: Any) -> Thing:
    made = Thing()
    made.__dict__.update(state)
    return made


def circular() -> Thing:
    made = thing()
    made.me = made
    return made


def twice(value: Any) -> list[Any]:
    return [value, value]


BROKER: dict[str, Callable[[], Any]] = {
    "broker_referenceable": one(lambda _: Ref()),
    "broker_referenceable_again": again(Ref()),
    "broker_same_ref_twice_in_list": one(lambda _: twice(Ref())),
    "broker_two_refs": one(lambda _: [Ref(), Ref()]),
    "broker_viewable": one(lambda _: View()),
    "broker_remote_reference_root": one(lambda broker: pb.RemoteReference(None, broker, b"root", False)),
    "broker_remote_reference_int": one(lambda broker: pb.RemoteReference(None, broker, 7, False)),
    "broker_copyable": one(lambda _: thing(n=1)),
    "broker_copyable_empty": one(lambda _: thing()),
    "broker_copyable_renamed": one(lambda _: Renamed()),
    "broker_copyable_shared": one(lambda _: twice(thing(n=2))),
    "broker_copyable_circular": one(lambda _: circular()),
    "broker_copyable_holding_ref": one(lambda _: thing(r=Ref())),
    "broker_cacheable_first": one(lambda _: Pond()),
    "broker_cacheable_again": again(Pond()),
    "broker_cacheable_twice_in_one": one(lambda _: twice(Pond())),
    "broker_ref_then_cacheable": one(lambda _: [Ref(), Pond(), Ref()]),
    "broker_call_args": lambda: jellied(((1, "x"), {}))[0][0],
    "broker_call_kwargs": lambda: jellied(((), {"name": b"v"}))[0][1],
}


@each(item for item in VALUES if "broker" in item["security"] and item["name"] != "broker_plain_instance")
def test_a_broker_jellies_as_twisteds_does(item: dict[str, Any]) -> None:
    assert shape(BROKER[item["name"]]()) == shape(expression(item["sexp"]))


def test_a_plain_instance_stays_here_and_the_call_fails() -> None:
    """Vector broker_plain_instance: where Twisted sends a placeholder, the caller is told."""
    end = End.server(root=pb.Root())
    end.open()
    failures: list[Any] = []
    pb.RemoteReference(None, end.broker, 1, False).callRemote("x", Point(1, 2)).addErrback(failures.append)
    assert isinstance(failures[0].value, CannotJelly)
    assert end.expressions() == []


# ---------------------------------------------------------------- what is refused


@each(item for item in INVALID if item["direction"] == "decode" and item["security"] == "default")
def test_an_expression_that_twisted_refuses_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        unjelly(from_bytes(item), default_security())


@each(item for item in INVALID if item["direction"] == "decode" and "InsecureJelly" in item["exception"])
def test_what_is_insecure_to_twisted_is_insecure_here(item: dict[str, Any]) -> None:
    modules = set(sys.modules)
    with pytest.raises(InsecureJelly):
        unjelly(from_bytes(item), default_security() if item["security"] == "default" else open_security())
    assert set(sys.modules) == modules


@each(item for item in INVALID if item["direction"] == "decode" and item["security"] == "open")
def test_what_twisted_refuses_with_everything_allowed_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        unjelly(from_bytes(item), open_security())


@each(item for item in INVALID if item["direction"] == "decode")
def test_a_refusal_inside_arguments_is_an_error_answer(item: dict[str, Any]) -> None:
    """The call fails; the connection does not."""
    end = End.server(root=pb.Root())
    end.open()
    # Nothing but the tag says where a value ends, so the vector is the one argument.
    said = end.feed_expression([b"message", 1, b"root", b"x", 1, [b"tuple", from_bytes(item)], [b"dictionary"]])
    # What the refused message lent, or what looked like it, goes back besides.
    (answer,) = (each for each in said if each[0] not in (b"decref", b"decache"))
    assert answer[:2] == [b"error", 1]
    assert end.open_still


# ---------------------------------------------------------------- what is odd


def identical(found: Any) -> bool:
    return found[0] is found[1] and isinstance(found[0], list)


ODD: dict[str, Callable[[Any], bool]] = {
    "none_extra_items_ignored": lambda found: found is None,
    "unicode_extra_items_ignored": lambda found: found == "x",
    "untagged_bytes_top": lambda found: found == b"x",
    "boolean_true_extra": lambda found: found is True,
    "dereference_before_reference": lambda found: identical(found) and found == [[5], [5]],
    "reference_ids_any_int": identical,
    # Twisted leaves its placeholder there.
    "reference_to_None": lambda found: found == [None, None],
    "reference_to_int": lambda found: found == [5, 5],
    "datetime_four_fields": lambda found: found == datetime.datetime(2000, 1, 2, 3, 0),  # noqa: DTZ001
    "datetime_extra_spaces": lambda found: found == datetime.datetime(2000, 1, 2, 0, 0),  # noqa: DTZ001
    "timedelta_unnormalised": lambda found: found == datetime.timedelta(days=1, seconds=3600),
    "decimal_negative_zero_value": lambda found: str(found) == "0.00" and isinstance(found, Decimal),
    "persistent_without_loader": lambda found: bool(found.reason == "Persistent callback not found"),
    "unpersistable": lambda found: bool(found.reason == "Unpersistable data: b'why'"),
    "list_in_frozenset_tuple_ok": lambda found: found == frozenset({(1,)}),
    "set_duplicates": lambda found: found == {1},
    "dict_duplicate_keys_last_wins": lambda found: found == {b"a": 2},
}
NEVER_DEFINED = "dereference_never_defined"


@each(item for item in INVALID if item["direction"].endswith("accepted") and item["name"] != NEVER_DEFINED)
def test_what_is_odd_is_accepted(item: dict[str, Any]) -> None:
    assert ODD[item["name"]](unjelly(from_bytes(item), default_security()))


def test_a_dereference_that_is_never_defined_is_refused() -> None:
    """Twisted leaves its placeholder in the value; nobody could do anything with it."""
    (item,) = [item for item in INVALID if item["name"] == NEVER_DEFINED]
    with pytest.raises(PeerError):
        unjelly(from_bytes(item), default_security())


# ---------------------------------------------------------------- what cannot be sent

UTC = datetime.UTC
REFUSED: dict[str, Callable[[], Any]] = {
    "function": lambda: test_what_is_odd_is_accepted,
    "module": lambda: sys,
    "bound_method": lambda: Ref().processUniqueID,
    "decimal_nan": lambda: Decimal("nan"),
    "decimal_infinity": lambda: Decimal("inf"),
    "datetime_with_tz": lambda: datetime.datetime(2000, 1, 1, tzinfo=UTC),
    "time_with_tz": lambda: datetime.time(1, tzinfo=UTC),
    "int_too_big": lambda: 2**448,
    "bytes_too_big": lambda: b"x" * 655_361,
    "str_too_big": lambda: "x" * 655_361,
    "list_too_big": lambda: [0] * 655_360,
    "lone_surrogate": lambda: "\ud800",
}


@each(item for item in INVALID if item["direction"] == "encode")
def test_what_twisted_cannot_send_is_refused_here(item: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        encode(jelly(REFUSED[item["value"]](), default_security()), dialect_of(item))
    assert isinstance(refused.value, CannotEncode | CannotJelly)


@each(item for item in INVALID if item["direction"] == "encode")
def test_what_cannot_be_sent_fails_the_call_and_nothing_else(item: dict[str, Any]) -> None:
    """Twisted raises half of these synchronously and keeps an entry for a call that never was."""
    end = End(Side.CLIENT)
    end.open()
    failures: list[Any] = []
    end.broker.root_reference().callRemote("x", REFUSED[item["value"]]()).addErrback(failures.append)
    assert isinstance(failures[0].value, UsageError)
    assert end.expressions() == []
    assert end.broker.ours.pending == {}
    end.broker.root_reference().callRemote("x", 1)
    assert [message[:4] for message in end.expressions()] == [[b"message", 1, b"root", b"x"]]
