"""What F1 tells of the word under the cursor: a name of Python's, or a remote method. Looks, and runs nothing."""

from __future__ import annotations

import inspect
import re
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from prompt_toolkit.document import Document

from pbshell.shell.completion import names, remote
from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import spelled
from pbshell.workbench.workbench import Workbench

__all__ = ["about"]

#: lines of a docstring, and characters of each and of a signature
_LINES, _CHARACTERS = 20, 300
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
_BEFORE = re.compile(r"(?:[^\W\d]\w*\.)*\w*$")
_AFTER = re.compile(r"^\w*")


def about(bench: Workbench, document: Document) -> str:
    """Some lines about the word at the cursor; empty if nothing is known of it."""
    before, after = document.current_line_before_cursor[-1000:], document.current_line_after_cursor[:1000]
    end = _AFTER.match(after)
    whole = before + (end[0] if end else "")
    called = remote.method_at(whole)
    if called is not None:
        return _method(bench, *called)
    # With an open bracket behind it, it is still what one wants to know about.
    found = _BEFORE.search(whole.rstrip("("))
    dotted = found[0].strip(".") if found else ""
    value = names.value_of(bench.namespace, dotted) if dotted else names.NOTHING
    if value is names.NOTHING:
        return ""
    if remote.is_reference(value):
        return _reference(bench, dotted)
    owner = names.value_of(bench.namespace, dotted.rpartition(".")[0]) if "." in dotted else names.NOTHING
    is_bound = type(value) is FunctionType and type(owner) is not ModuleType and not names.is_class(owner)
    return _value(dotted, value, is_bound="." in dotted and is_bound)


def _reference(bench: Workbench, name: str) -> str:
    """What can be called of a reference, as far as it is known."""
    known = remote.known_of(bench, name)
    lines = [
        f"    {visible(each.name, 80)}{visible(each.signature, 120)}   {visible(each.source, 60)}" for each in known
    ]
    more = [f"    ... ({len(lines) - _LINES} more)"] if len(lines) > _LINES else []
    head = f"{name}   a reference to an object of the peer's" + (", of which these methods are known:" if lines else "")
    return "\n".join([head, *lines[:_LINES], *more])


def _method(bench: Workbench, reference: str, method: str) -> str:
    for known in remote.known_of(bench, reference):
        if known.name == method:
            seen = (
                f"called {known.seen:,} time{'' if known.seen == 1 else 's'} here"
                if known.seen
                else "never called here"
            )
            line = (
                f"{visible(method, 80)}{visible(known.signature, _CHARACTERS)}   {seen}   ({visible(known.source, 80)})"
            )
            return f"{line}\n    {visible(known.doc, _CHARACTERS)}" if known.doc else line
    return f"nothing is known of a remote method {visible(method, 80)!r}: PB cannot ask for it"


def _value(name: str, value: Any, *, is_bound: bool) -> str:
    head = f"{name}{_signature(value, is_bound=is_bound)}"
    if not names.is_class(value) and type(value) not in _FUNCTIONS:
        head = f"{name}   an object of {visible(names.name_of(type(value)), 100)}"
    return "\n".join([head, *_docstring(value)])


def _docstring(value: Any) -> list[str]:
    """The docstring, of an object that is no function that of its class."""
    if type(value) in _FUNCTIONS:
        text: Any = value.__doc__
    else:
        text = names.attributes_of_class(names.classes_of(value)[0]).get("__doc__")
    if type(text) is not str:
        return []
    lines = [f"    {visible(line, _CHARACTERS)}".rstrip() for line in inspect.cleandoc(text).split("\n")]
    more = len(lines) - _LINES
    return lines if more <= 0 else [*lines[:_LINES], f"    ... ({more} more lines)"]


def _signature(value: Any, *, is_bound: bool) -> str:
    function = value
    if names.is_class(value):
        function = names.attribute(value, "__init__")
    if type(function) not in _FUNCTIONS:
        return ""
    try:
        parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):  # written in C, and it does not say
        return "(...)"
    if is_bound or function is not value:
        parameters = parameters[1:]
    return visible(str(inspect.Signature([_harmless(each) for each in parameters])), _CHARACTERS)


class _Spelled:
    """A default value, as it is shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _harmless(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter without what would run code of others' when it is written down."""
    default, annotation = parameter.default, parameter.annotation
    if default is not parameter.empty:
        default = _Spelled(spelled(default, 60))
    return parameter.replace(
        default=default, annotation=parameter.empty if type(annotation) is not str else _Spelled(annotation)
    )
