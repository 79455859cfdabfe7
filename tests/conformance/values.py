"""Reads what is recorded in data/: typed values, s-expressions.

Knows the notation of data/README.md; knows nothing of the library.
"""

from __future__ import annotations

import datetime
import importlib
import json
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

# The programs in data/ carry no types.
_common: Any = importlib.import_module("tests.conformance.data.common")
#: The names and values of the recorded scenarios.
PARAMS: dict[str, Any] = importlib.import_module("tests.conformance.data.params_public").PARAMS


def read_one(data: bytes, start: int) -> tuple[Any, int]:
    """The banana element at *start* and the place behind it, read by the recordings' own decoder."""
    value, end = _common.read_one(data, start)
    return value, int(end)


def read_all(data: bytes) -> list[Any]:
    """The banana elements of which *data* consists, read by the recordings' own decoder."""
    values, rest = _common.read_all(data)
    assert rest == b""
    return list(values)


def typed(value: Any) -> dict[str, Any]:
    """*value* in the notation of data/README.md."""
    return dict(_common.typed(value))


def written(expression: Any) -> Any:
    """An s-expression in the notation of data/README.md."""
    return _common.sexp_json(expression)


_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_DATES: dict[str, Callable[..., Any]] = {
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
}


def vectors(name: str) -> list[dict[str, Any]]:
    """The items of a vector file."""
    items: list[dict[str, Any]] = json.loads((DATA / "vectors" / f"{name}.json").read_text())
    return items


def sessions() -> dict[str, dict[str, Any]]:
    """The recorded sessions by scenario."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((DATA / "sessions").glob("*.json"))}


class _Later:
    """Stands where a container will be that is still being read."""

    def __init__(self, number: int) -> None:
        self.number = number


def untyped(described: dict[str, Any], class_named: Callable[[str], type] | None = None) -> Any:
    """The Python value that is *described*, shared and circular parts included.

    *class_named* gives the class for a dotted name. Raises KeyError for a notation that describes no value.
    """
    made: dict[int, Any] = {}
    patches: list[tuple[Any, Any, int]] = []

    def put(container: Any, place: Any, value: Any) -> None:
        if isinstance(value, _Later):
            patches.append((container, place, value.number))
        container[place] = value

    def read(item: dict[str, Any]) -> Any:
        kind = item["t"]
        if kind == "none":
            return None
        if kind in ("bool", "str"):
            return item["v"]
        if kind == "int":
            return int(item["v"])
        if kind == "float":
            return struct.unpack(">d", bytes.fromhex(item["bits"]))[0] if "bits" in item else float(item["v"])
        if kind == "bytes":
            if "repeat_hex" in item:
                return bytes.fromhex(item["repeat_hex"]) * int(item["len"])
            return bytes.fromhex(item["hex"])
        if kind in _DATES:
            return _DATES[kind](*item["v"])
        if kind == "decimal":
            return Decimal(item["v"])
        if kind == "same":
            return made.get(item["id"]) if item["id"] in made else _Later(item["id"])
        if kind == "class":
            assert class_named is not None
            return class_named(item["v"])
        return read_container(item)

    def read_container(item: dict[str, Any]) -> Any:
        kind = item["t"]
        number = item.get("id", 0)
        if kind == "list":
            made_list = made[number] = [None] * len(item["items"])
            for place, each in enumerate(item["items"]):
                put(made_list, place, read(each))
            return made_list
        if kind == "dict":
            made_dict: dict[Any, Any] = {}
            made[number] = made_dict
            for key, each in item["items"]:
                put(made_dict, read(key), read(each))
            return made_dict
        if kind == "instance":
            assert class_named is not None
            cls: Any = class_named(item["class"])
            instance = made[number] = cls.__new__(cls)
            for key, each in item["state"]:
                put(instance.__dict__, read(key), read(each))
            return instance
        made[number] = _CONTAINERS[kind]([read(each) for each in item["items"]])
        return made[number]

    value = read(described)
    for container, place, number in patches:
        container[place] = made[number]
    return value


def shape(value: Any) -> Any:
    """*value* as nested tuples that are equal if, and only if, two values are alike in every respect.

    Floats compare by their bits, True is not 1, and what is one object in one must be one object in the other.
    """
    seen: dict[int, int] = {}
    keep: list[Any] = []

    def walk(item: Any) -> Any:
        kind = type(item)
        if kind is float:
            return ("float", struct.pack(">d", item).hex())
        if kind is Decimal:
            return ("Decimal", str(item))
        if item is None or kind in (bool, int, bytes, str) or kind in _DATES.values() or isinstance(item, type):
            return (kind.__name__, item)
        if kind in (tuple, frozenset) and not item:
            return (kind.__name__,)  # the one and only empty one
        if id(item) in seen:
            return ("same", seen[id(item)])
        seen[id(item)] = len(seen)
        keep.append(item)
        if kind in (list, tuple):
            return (kind.__name__, *map(walk, item))
        if kind is dict:
            return ("dict", *((walk(key), walk(each)) for key, each in item.items()))
        if kind in (set, frozenset):
            return (kind.__name__, *sorted(map(walk, item), key=repr))
        state = {name: each for name, each in vars(item).items() if name != "broker"}
        return (f"{kind.__module__}.{kind.__qualname__}", *((name, walk(each)) for name, each in state.items()))

    return walk(value)


def expression(described: Any) -> Any:
    """The s-expression that is *described*. Raises ValueError for one that was abbreviated."""
    if isinstance(described, list):
        return [expression(item) for item in described]
    if isinstance(described, str):
        return described.encode("ascii")
    if isinstance(described, dict):
        if "i" in described:
            return int(described["i"])
        if "f" in described:
            return struct.unpack(">d", bytes.fromhex(described["bits"]))[0]
        if "x" in described:
            return bytes.fromhex(described["x"])
        raise ValueError(f"{described} was abbreviated")
    return described
