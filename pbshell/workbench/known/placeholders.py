"""Objects of classes that nobody has registered, as inert placeholders: a name, a state, and what was observed.

Knows which class names it does not know; runs no code for them. Only a shell wants this: a program that gets what it
did not expect should be told.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import Jellyable, Method
from pbshell.broker.references import RemoteCache, RemoteCopy
from pbshell.broker.registry import GLOBAL, Registry, Unjellyable
from pbshell.broker.security import SecurityOptions, globalSecurity
from pbshell.errors import CannotJelly, dotted_name
from pbshell.wire.banana import Expression
from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import own_attributes, spelled

if TYPE_CHECKING:
    from pbshell.broker.jelly import Jellier
    from pbshell.workbench.workbench import Workbench

__all__ = [
    "CachePlaceholder",
    "CopyPlaceholder",
    "Lenient",
    "Observation",
    "Placeholder",
    "Placeholders",
    "observations",
]

#: classes that are remembered by their names, and characters of such a name
_CLASSES, _NAME = 1000, 200
#: updates of one copy that are remembered, characters of one, and of a state that is shown
_UPDATES, _ARGUMENTS, _STATE = 100, 200, 120
#: a module and a class, perhaps one inside of a function
_CLASS_NAME = re.compile(r"[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*\.[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Observation:
    """The owner told its copies *method*: *number* counts from 1, *args* are its arguments as text."""

    number: int
    method: str
    args: str

    def __str__(self) -> str:
        return f"{self.method}({self.args})"


class _Key(str):
    """A name among the attributes of a copy that no peer can send, for it is equal to itself alone."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


#: what a copy needs itself
_METHODS = frozenset(dir(RemoteCache))
#: where a cached copy keeps what it has observed: its attributes are all that its handles share
_OBSERVED = _Key("_observed")


class Placeholder(Jellyable):
    """Base of both kinds. Its class has the name of the class that was sent; its attributes are the state."""

    __slots__ = ()
    _what = "copy"

    def __dir__(self) -> list[str]:
        return [*type.__dir__(type(self)), *(name for name in own_attributes(self) if type(name) is str)]

    def __repr__(self) -> str:
        state, room = [], _STATE
        for name, value in own_attributes(self).items():
            if isinstance(name, _Key):
                continue
            text = f"{visible(name, 40) if type(name) is str else spelled(name, 40)}={spelled(value, 40)}"
            room -= len(text)
            if room < 0:
                state.append("...")
                break
            state.append(text)
        return f"<{self._what} of {dotted_name(type(self))}{': ' if state else ''}{', '.join(state)}>"


def _take_state(copy: Any, state: Any) -> None:
    """Whatever was sent becomes attributes; what is no dictionary, the attribute ``state``."""
    attributes = own_attributes(copy)
    observed = attributes.get(_OBSERVED)
    attributes.clear()
    if observed is not None:
        attributes[_OBSERVED] = observed
    given = {} if state is None else state if type(state) is dict else {"state": state}
    for key, value in given.items():
        name = key.decode("utf-8", "replace") if type(key) is bytes else key
        # An attribute stands before a method of the same name, and what was sent must not.
        attributes[f"{name}_" if type(name) is str and name in _METHODS else name] = value


class CopyPlaceholder(Placeholder, RemoteCopy):
    """Stands for a copy of a Copyable."""

    def setCopyableState(self, state: Any) -> None:
        _take_state(self, state)

    def jellyFor(self, jellier: Jellier) -> Expression:
        raise CannotJelly(
            dotted_name(type(self)), "", "it stands for a copy whose class is not known here, and cannot be sent on"
        )


class CachePlaceholder(Placeholder, RemoteCache):
    """Stands for a copy of a Cacheable, and remembers what its owner tells it; the copy itself stays as it came."""

    __slots__ = ()
    _what = "cached copy"

    def __init__(self) -> None:
        own_attributes(self)[_OBSERVED] = deque(maxlen=_UPDATES)

    def setCopyableState(self, state: Any) -> None:
        _take_state(self, state)

    def methodFor(self, name: str) -> Method:
        return partial(_observe, own_attributes(self)[_OBSERVED], name), ()

    def jellyFor(self, jellier: Jellier) -> Expression:
        return RemoteCache.jellyFor(self, jellier)

    __eq__ = RemoteCache.__eq__
    __hash__ = RemoteCache.__hash__

    def __repr__(self) -> str:
        count = _count(observations(self))
        return f"{Placeholder.__repr__(self)[:-1]}; {count}>" if count else Placeholder.__repr__(self)


def _observe(observed: deque[Observation], name: str, /, *args: Any, **kwargs: Any) -> None:
    words = [spelled(each, _ARGUMENTS) for each in args]
    words += [f"{visible(key, 40)}={spelled(each, _ARGUMENTS)}" for key, each in kwargs.items()]
    number = observed[-1].number + 1 if observed else 1
    observed.append(Observation(number, visible(name, 60), visible(", ".join(words), _ARGUMENTS)))


def observations(copy: Any) -> list[Observation]:
    """What the owner has told *copy*, the last hundred; nothing for what is no placeholder of a cached object."""
    found = own_attributes(copy).get(_OBSERVED)
    return list(found) if type(found) is deque else []


def _count(observed: list[Observation]) -> str:
    if not observed:
        return ""
    number = observed[-1].number
    return f"{number:,} update{'s' if number > 1 else ''}, last {visible(str(observed[-1]), 60)}"


# ------------------------------------------------------------------------------------------------ in their place


class Placeholders(Registry):
    """What *parent* knows, and placeholders for all other names of classes."""

    def __init__(self, parent: Registry = GLOBAL) -> None:
        super().__init__(parent)
        self._made: OrderedDict[tuple[bytes, bool], type[Placeholder]] = OrderedDict()

    def unknown(self, name: bytes, *, cached: bool) -> type[Unjellyable] | None:
        """A class that is called as *name* says; None for what is no dotted name of a class."""
        text = name.decode("utf-8", "replace")
        if len(text) > _NAME or not _CLASS_NAME.fullmatch(text):
            return None
        made = self._made.get((name, cached))
        if made is None:
            made = self._made[name, cached] = _placeholder(text, CachePlaceholder if cached else CopyPlaceholder)
            if len(self._made) > _CLASSES:
                self._made.popitem(last=False)
        return made  # type: ignore[return-value]  # both kinds are a RemoteCopy as well


def _placeholder(name: str, base: type[Placeholder]) -> type[Placeholder]:
    module, _, own = name.rpartition(".")
    return type(own, (base,), {"__module__": module, "__slots__": (), "__qualname__": own})


class Lenient(SecurityOptions):
    """What the connections of a shell accept: what those of a program do, and placeholders."""

    def __init__(self, bench: Workbench | None = None) -> None:
        super().__init__(registry=Placeholders(globalSecurity.registry))

    # What somebody allows at the prompt he allows everywhere.

    def isTypeAllowed(self, tag: bytes) -> bool:
        return super().isTypeAllowed(tag) or globalSecurity.isTypeAllowed(tag)

    def isClassAllowed(self, cls: type) -> bool:
        return globalSecurity.isClassAllowed(cls)

    def allowed_class(self, name: bytes) -> type | None:
        return globalSecurity.allowed_class(name)
