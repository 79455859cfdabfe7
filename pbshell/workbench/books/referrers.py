"""Who holds an object, by a walk through memory from the object to somebody with a name. For one that asks for it.

Knows how Python's objects hold each other; runs no code of theirs.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from types import AsyncGeneratorType, CellType, CoroutineType, FrameType, FunctionType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RemoteReference
from pbshell.wire.text import visible
from pbshell.workbench.books.holders import subscript
from pbshell.workbench.books.spelling import own_attributes

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker
    from pbshell.wire.verbs import Luid

__all__ = ["paths_to", "standing_for"]

#: steps from an object to a name, objects that are followed at one step, paths that are told, and characters of one
_STEPS, _WIDE, _PATHS, _PATH = 6, 200, 12, 150
_SUSPENDED = {CoroutineType: "cr_frame", GeneratorType: "gi_frame", AsyncGeneratorType: "ag_frame"}
_FIRST_KEY = re.compile(r"\['(\w+)'\]")


def standing_for(broker: Broker, luid: Luid) -> list[Any]:
    """The objects here that stand for the peer's *luid*: its references, or its cached copy. Walks through memory."""
    handle = broker.books.handle(luid)
    if handle is not None:
        return [handle]
    found = gc.get_referrers(broker)
    return [each for each in found if issubclass(type(each), RemoteReference) and each.luid == luid]


def paths_to(things: Iterable[Any], namespace: Mapping[str, Any], ignored: Iterable[Any] = ()) -> list[str]:
    """How each of *things* is reached from a name: ``things[2]``, ``module.users['alice'].mind``, ``b in f()``.

    *namespace* is where names need no module. *ignored* hold them as well, and are not told. At most six steps and a
    dozen paths; where no name is found in so many, the class of the last holder stands for it.
    """
    walk = _Walk(namespace)
    level = [(thing, "") for thing in things]
    walk.seen.update(id(each) for each in (things, *ignored))
    last = level
    for _ in range(_STEPS):
        if not level or len(walk.found) >= _PATHS:
            break
        last, level = level, walk.up(level)
    if not walk.found:
        # Whoever runs at this moment cannot be looked into.
        walk.found |= {f"{type(top).__name__}{path}, which something without a name holds": None for top, path in last}
    return [visible(path, _PATH) for path in list(walk.found)[:_PATHS]]


class _Walk:
    """One walk. *seen* are the ids of those that need no second look; *found* has the paths that begin with a name."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.seen: set[int] = set()
        self.found: dict[str, None] = {}

    def up(self, level: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
        """Those who hold what is in *level*, with their paths; who has a name goes into *found*."""
        paths: dict[int, list[str]] = {}
        for target, path in level:
            paths.setdefault(id(target), []).append(path)
        targets = list({id(target): target for target, _ in level}.values())
        self.seen |= paths.keys() | {id(targets), id(level)} | {id(pair) for pair in level}
        holders = gc.get_referrers(*targets)
        above: list[tuple[Any, str]] = []
        for holder in holders:
            # Frames are those of functions that are running, and so of this walk.
            if id(holder) in self.seen or isinstance(holder, FrameType):
                continue
            found = list(_paths(holder, paths))
            if self._are_named(holder, found):
                continue
            self.seen.add(id(holder))
            above += [(holder, path) for path in found[:_PATHS]]
            if len(above) >= _WIDE:
                break
        return above

    def _are_named(self, holder: Any, paths: list[str]) -> bool:
        """Whether *holder* is a place with a name; then what it holds on *paths* is found."""
        kind = type(holder)
        if holder is self.namespace:
            self.found |= dict.fromkeys(map(_unquoted, paths))
        elif isinstance(holder, ModuleType):
            self.found |= {f"{holder.__name__}{path}": None for path in paths}
        elif kind in _SUSPENDED:
            self.found |= {f"{path} in {holder.__qualname__}()": None for path in paths or ["something"]}
        elif kind is dict and type(module := sys.modules.get(str(holder.get("__name__")))) is ModuleType:
            if vars(module) is not holder:
                return False
            self.found |= {f"{module.__name__}.{_unquoted(path)}": None for path in paths}
        else:
            return False
        return True


def _paths(holder: Any, paths: Mapping[int, list[str]]) -> Iterator[str]:
    """The paths of what *holder* itself holds of those in *paths*, one step longer."""
    for step, item in _steps(holder, paths):
        for path in paths[id(item)]:
            # The dictionary of an object stands for the object.
            yield f".{_unquoted(path)}" if step is None else f"{step}{path}"


def _steps(holder: Any, wanted: Container[int]) -> Iterator[tuple[str | None, Any]]:
    """What *holder* itself holds of that whose ids are *wanted*, and how; None where it is its own dictionary."""
    kind = type(holder)
    names = {} if kind in (list, tuple, dict) else own_attributes(holder)
    if kind is tuple and any(isinstance(item, CellType) for item in holder):
        # What a function holds its cells by.
        yield from (("", item) for item in holder if id(item) in wanted)
    elif kind in (list, tuple):
        yield from ((f"[{at}]", item) for at, item in enumerate(holder) if id(item) in wanted)
    elif kind is dict:
        yield from ((subscript(key), item) for key, item in holder.items() if id(item) in wanted)
    elif kind in _SUSPENDED:
        frame = getattr(holder, _SUSPENDED[kind])
        local = {} if frame is None else frame.f_locals
        yield from ((name, item) for name, item in local.items() if id(item) in wanted)
    elif id(names) in wanted:
        yield None, names
    elif any(id(item) in wanted for item in names.values()):
        yield from ((f".{name}", item) for name, item in names.items() if id(item) in wanted)
    else:
        yield from ((_step(holder), item) for item in gc.get_referents(holder) if id(item) in wanted)


def _step(holder: Any) -> str:
    """How something holds that has no names for what it holds."""
    if isinstance(holder, CellType):
        return ""
    if isinstance(holder, FunctionType):
        return f" (closure of {holder.__qualname__})"
    return f" (in a {type(holder).__name__})"


def _unquoted(path: str) -> str:
    """``['name'].rest`` as ``name.rest``."""
    return _FIRST_KEY.sub(r"\1", path, count=1)
