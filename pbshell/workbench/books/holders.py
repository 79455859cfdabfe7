"""Who holds what a peer has lent, as far as a name tells it: linear, and quick enough for a table.

Knows where a program keeps things; runs no code of the things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import AsReferenceable, ViewPoint
from pbshell.broker.references import RemoteCache, RemoteReference
from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import own_attributes

if TYPE_CHECKING:
    from pbshell.wire.verbs import Luid
    from pbshell.workbench.workbench import Workbench

__all__ = ["Held", "held_by_name", "subscript", "unwrapped"]

#: What is held: the Broker's id and the luid.
Held = tuple[int, "Luid"]

#: values that are looked at for names, and items of one container
_LOOKED_AT, _ITEMS = 20_000, 2_000
#: characters of a name
_NAME = 60
_HISTORY = re.compile(r"_\d*|_err|_call")


def unwrapped(thing: Any) -> Any:
    """The object of the program behind what the books have lent."""
    return thing.object if isinstance(thing, (ViewPoint, AsReferenceable)) else thing


def held_by_name(bench: Workbench) -> dict[Held, str]:
    """By what name each reference and each copy is held: in the namespace, or one step inside what is there.

    Also in the objects that we lend, as in ``User.mind``. Linear in what it looks at, which is bounded.
    """
    found: dict[Held, str] = {}
    history: dict[Held, str] = {}
    inner: list[tuple[str, Any]] = []
    for name, value in list(bench.namespace.items()):
        if name.startswith("__"):
            continue
        is_history = _HISTORY.fullmatch(name) is not None
        key = _key(value)
        if key is None:
            inner.append((name, value))
        elif is_history:
            history[key] = f"{name} (history)"
        else:
            found.setdefault(key, visible(name, _NAME))
    for opened in bench.connections.values():
        key = _key(opened.root)
        if key is not None and key not in found:
            found[key] = "root" if opened.name == bench.current else f"root of {visible(opened.name, _NAME)}"
    budget = _LOOKED_AT
    for name, value in (*inner, *_lent_by_us(bench)):
        for path, item in _inside(visible(name, _NAME), value):
            budget -= 1
            key = _key(item)
            if key is not None:
                found.setdefault(key, path)
        if budget <= 0:
            break
    return {**history, **found}


def _key(value: Any) -> Held | None:
    kind = type(value)
    if issubclass(kind, (RemoteReference, RemoteCache)):
        broker = getattr(value, "broker", None)
        return None if broker is None else (id(broker), value.luid)
    return None


def _lent_by_us(bench: Workbench) -> Iterator[tuple[str, Any]]:
    for line in bench.lines():
        broker = line.connection.broker
        for entry in list(broker.ours.exports.values()):
            thing = unwrapped(entry.thing)
            yield type(thing).__name__, thing


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What lies one step inside *value*, and containers one more, with how it is called."""
    if type(value) is ModuleType or isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        return
    if type(value) in (list, tuple, set, frozenset, dict):
        yield from _items(name, value)
        return
    for attribute, item in list(own_attributes(value).items())[:_ITEMS]:
        path = f"{name}.{visible(str(attribute), _NAME)}" if type(attribute) is str else name
        yield path, item
        yield from _items(path, item)


def _items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind in (list, tuple):
        for position, item in enumerate(value[:_ITEMS]):
            yield f"{name}[{position}]", item
    elif kind in (set, frozenset):
        for item in list(value)[:_ITEMS]:
            yield f"{name} (a set)", item
    elif kind is dict:
        for key, item in list(value.items())[:_ITEMS]:
            yield f"{name}{subscript(key)}", item


def subscript(key: Any) -> str:
    """How an item is called that a dictionary has under *key*."""
    return f"[{visible(repr(key), _NAME)}]" if type(key) in (str, int, bytes, bool, type(None)) else "[..]"
