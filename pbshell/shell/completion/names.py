"""The names that a statement may go on with. Knows the namespace; runs nothing.

The objects of the namespace are looked at and not asked: no property, no ``__getattr__`` and no ``__dir__`` of theirs
is called, because a key that is pressed must not change or block anything.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
from collections.abc import Mapping
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from pbshell.workbench.commands import COMMANDS, Sh

__all__ = [
    "NOTHING",
    "attribute",
    "attributes_of_class",
    "classes_of",
    "is_class",
    "name_of",
    "names_behind",
    "value_of",
]

#: the class tuple and the attributes of anything, past whatever its own class would put in their place
_mro: Any = type.__dict__["__mro__"].__get__
_class_dict: Any = type.__dict__["__dict__"].__get__
_qualname: Any = type.__dict__["__qualname__"].__get__
#: what stands for a value that cannot be known
NOTHING = object()


def names_behind(namespace: dict[str, Any], prefix: str) -> list[str]:
    """The names that may stand behind *prefix*, which is empty or ends with a dot; none when it cannot be known."""
    if not prefix:
        # A dictionary may have anything for keys, and a class that says it is a text may do anything.
        return sorted({name for name in (*vars(builtins), *namespace, *keyword.kwlist) if type(name) is str})
    value = value_of(namespace, prefix.rstrip("."))
    return [] if value is NOTHING else sorted(_names(value))


def value_of(namespace: dict[str, Any], dotted: str) -> Any:
    """What the name *dotted* stands for, or NOTHING when that cannot be known without running something."""
    first, *rest = dotted.split(".")
    value = namespace[first] if first in namespace else vars(builtins).get(first, NOTHING)
    for name in rest:
        value = attribute(value, name)
    return value


def attribute(value: Any, name: str) -> Any:
    """The attribute, if it is there without anything being run for it; else NOTHING."""
    found = inspect.getattr_static(value, name, NOTHING)
    if type(found) in (MemberDescriptorType, GetSetDescriptorType) and not is_class(value):
        try:
            return found.__get__(value)
        except AttributeError:  # a slot that is empty
            return NOTHING
    if type(found) in (staticmethod, classmethod):
        return found.__func__
    if type(found) is not FunctionType and any("__get__" in _class_dict(each) for each in _mro(type(found))):
        return NOTHING
    return found


def classes_of(value: Any) -> tuple[type, ...]:
    """The class of *value* and those behind it; of a class, its own."""
    classes: tuple[type, ...] = _mro(value) if is_class(value) else _mro(type(value))
    return classes


def attributes_of_class(cls: type) -> Mapping[str, Any]:
    """What stands in the class *cls* itself."""
    found: Mapping[str, Any] = _class_dict(cls)
    return found


def name_of(cls: type) -> str:
    """What *cls* was called where it was written, with its module."""
    module = _class_dict(cls).get("__module__")
    return f"{module}.{_qualname(cls)}" if type(module) is str and module != "builtins" else _qualname(cls)


def is_class(value: Any) -> bool:
    """Whether *value* is one, whatever it says of itself."""
    # Not isinstance: that asks the object for its __class__.
    return type in _mro(type(value))


def _names(value: Any) -> set[str]:
    if type(value) is Sh:
        return set(COMMANDS)
    found = {name for each in classes_of(value) for name in list(_class_dict(each))}
    if not is_class(value):
        own = attribute(value, "__dict__")
        found |= set(own) if type(own) is dict else set()
    return {name for name in found if type(name) is str and name.isidentifier()}
