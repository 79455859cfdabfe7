"""What Tab offers: commands, names of the namespace, remote methods that were called. Knows text; runs nothing.

The objects of the namespace are looked at and not asked: no property, no ``__getattr__`` and no ``__dir__`` of theirs
is called, because a key that is pressed must not change or block anything.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections.abc import Iterable, Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from pbshell.workbench.commands import COMMANDS, Sh
from pbshell.workbench.workbench import Workbench

__all__ = ["LineCompleter"]

_REMOTE = re.compile(r"""\bcallRemote\(\s*["'](\w*)$""")
_DOTTED = re.compile(r"(?:^|[^\w.\"'])((?:[^\W\d]\w*\.)*)((?:[^\W\d]\w*)?)$")
#: the class tuple and the attributes of anything, past whatever its own class would put in their place
_mro: Any = type.__dict__["__mro__"].__get__
_class_dict: Any = type.__dict__["__dict__"].__get__
_NOTHING = object()


class LineCompleter(Completer):
    """Completes what is typed at the prompt of *bench*."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if text.lstrip().startswith(":"):
            return _command(text.lstrip()[1:])
        remote = _REMOTE.search(text)
        if remote is not None:
            return _matching(remote[1], self._bench.tracer.methods)
        dotted = _DOTTED.search(text)
        if dotted is None or not dotted[0]:
            return ()
        return _matching(dotted[2], names_behind(self._bench.namespace, dotted[1]))


def _command(text: str) -> Iterator[Completion]:
    """The names of commands; behind one, the words that it takes."""
    name, blank, begun = text.partition(" ")
    if not blank:
        for each in COMMANDS.values():
            if each.name.startswith(name):
                yield Completion(each.name, -len(name), display_meta=each.summary)
    elif name in COMMANDS:
        usage = COMMANDS[name].usage.strip("[]")
        yield from _matching(begun.lstrip(), COMMANDS if usage == "COMMAND" else usage.split("|") if usage else ())


def _matching(begun: str, names: Iterable[str]) -> Iterator[Completion]:
    return (Completion(name, -len(begun)) for name in names if name.startswith(begun))


def names_behind(namespace: dict[str, Any], prefix: str) -> list[str]:
    """The names that may stand behind *prefix*, which is empty or ends with a dot; none when it cannot be known."""
    known = {**vars(builtins), **namespace}
    if not prefix:
        return sorted({*known, *keyword.kwlist})
    first, *rest = prefix.rstrip(".").split(".")
    value = known.get(first, _NOTHING)
    for name in rest:
        value = _attribute(value, name)
    return [] if value is _NOTHING else sorted(_names(value))


def _attribute(value: Any, name: str) -> Any:
    """The attribute, if it is there without anything being run for it."""
    found = inspect.getattr_static(value, name, _NOTHING)
    if type(found) in (MemberDescriptorType, GetSetDescriptorType) and not _is_class(value):
        try:
            return found.__get__(value)
        except AttributeError:  # a slot that is empty
            return _NOTHING
    if type(found) in (staticmethod, classmethod):
        return found.__func__
    if type(found) is not FunctionType and any("__get__" in _class_dict(each) for each in _mro(type(found))):
        return _NOTHING
    return found


def _names(value: Any) -> set[str]:
    if type(value) is Sh:
        return set(COMMANDS)
    classes = _mro(value) if _is_class(value) else _mro(type(value))
    found = {name for each in classes for name in list(_class_dict(each))}
    if not _is_class(value):
        own = _attribute(value, "__dict__")
        found |= set(own) if type(own) is dict else set()
    return {name for name in found if type(name) is str and name.isidentifier()}


def _is_class(value: Any) -> bool:
    # Not isinstance: that asks the object for its __class__.
    return type in _mro(type(value))
