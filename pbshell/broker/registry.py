"""Which local class stands for which class name on the wire. Knows names and classes; makes no objects.

There is one global registry, and any number of overlays: what an overlay does not know, its parent may.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from pbshell.errors import UsageError, dotted_name
from pbshell.wire.banana import Expression

__all__ = [
    "GLOBAL",
    "Registry",
    "Unjellyable",
    "setUnjellyableFactoryForClass",
    "setUnjellyableForClass",
    "setUnjellyableForClassTree",
]


class Unjellyable:
    """A class whose instances can be made from what a peer sends, once it is registered for a class name."""

    def unjellyFor(self, unjellier: Any, expression: list[Expression]) -> Any:
        """Fill this blank instance from ``[tag ...]`` and return it (or what shall stand for it).

        *unjellier* is the run's Unjellier. `__init__` has not been called: no peer chooses its arguments.
        """
        raise NotImplementedError


class UnjellyFunction(Protocol):
    """What may be registered instead of a class: it gets the unjellier and the whole tagged list."""

    def __call__(self, unjellier: Any, expression: list[Expression], /) -> Any: ...


#: Called with the decoded state, returns the object.
Factory = Callable[[Any], Any]


class Registry:
    """Class names, as bytes, and what makes the objects that arrive under them."""

    def __init__(self, parent: Registry | None = None) -> None:
        self.parent = parent
        self._unjellyables: dict[bytes, type[Unjellyable] | UnjellyFunction] = {}
        self._factories: dict[bytes, Factory] = {}

    def setUnjellyableForClass(
        self, name: type | str | bytes, unjellyable: type[Unjellyable] | UnjellyFunction
    ) -> None:
        """Accept class *name* (a class stands for its dotted name) and make *unjellyable* of it.

        *unjellyable* is a class such as a RemoteCopy or RemoteCache, or a function of (unjellier, expression).
        """
        if isinstance(unjellyable, type) and not issubclass(unjellyable, Unjellyable):
            raise UsageError(
                f"{dotted_name(unjellyable)} cannot be made from what a peer sends: subclass RemoteCopy or RemoteCache"
            )
        self._unjellyables[wire_name(name)] = unjellyable

    def setUnjellyableFactoryForClass(self, name: type | str | bytes, factory: Factory) -> None:
        """Accept class *name* and make the object by calling *factory* with the decoded state."""
        self._factories[wire_name(name)] = factory

    def setUnjellyableForClassTree(self, module: ModuleType, baseClass: type, prefix: str | None = None) -> None:
        """Register each class of *module* that inherits *baseClass*, as *prefix*.ClassName.

        *prefix* is the sender's module name, by default that of *module*.
        """
        prefix = module.__name__ if prefix is None else prefix
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and issubclass(value, baseClass) and issubclass(value, Unjellyable):
                self.setUnjellyableForClass(f"{prefix}.{name}" if prefix else name, value)

    def unjellyable(self, name: bytes) -> type[Unjellyable] | UnjellyFunction | None:
        """What is registered for *name*, here or, where nothing is known of it, in a parent."""
        found = self._unjellyables.get(name)
        if found is None and self.parent is not None and name not in self._factories:
            return self.parent.unjellyable(name)
        return found

    def factory(self, name: bytes) -> Factory | None:
        """The factory for *name*, here or in a parent."""
        found = self._factories.get(name)
        if found is None and self.parent is not None:
            return self.parent.factory(name)
        return found

    def unknown(self, name: bytes, *, cached: bool) -> type[Unjellyable] | None:
        """What shall stand for a class *name* of which nobody knows anything, a Cacheable's if it is *cached*.

        Nothing, so that it is refused. An inspector's registry may say something else.
        """
        return None


def wire_name(name: type | str | bytes) -> bytes:
    """*name* as it is on the wire; a class goes by module and name, as its sender writes it."""
    if isinstance(name, type):
        name = dotted_name(name)
    return name.encode() if isinstance(name, str) else name


#: What every connection knows unless its SecurityOptions say otherwise.
GLOBAL = Registry()
setUnjellyableForClass = GLOBAL.setUnjellyableForClass
setUnjellyableFactoryForClass = GLOBAL.setUnjellyableFactoryForClass
setUnjellyableForClassTree = GLOBAL.setUnjellyableForClassTree
