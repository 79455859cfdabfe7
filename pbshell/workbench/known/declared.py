"""The methods that a class offers to a peer, read from the class: names, signatures, places. Runs none of its code.

Knows functions and their text; does not know which object is of which class.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import spelled

__all__ = ["PREFIXES", "Declared", "classes_in", "is_root", "methods_of", "modules_in", "signature_of"]

#: what a peer can call begins with one of these
PREFIXES = ("remote", "perspective", "view")
#: methods of one class that are read, and characters of a default and of a line of help
_METHODS, _DEFAULT, _DOC = 1000, 30, 200
#: decorators around one function
_WRAPPERS = 20
#: the attributes of a class, past whatever a metaclass would put in their place
_class_dict: Any = type.__dict__["__dict__"].__get__
_mro: Any = type.__dict__["__mro__"].__get__

_cache: WeakKeyDictionary[type, Mapping[tuple[str, str], Declared]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Declared:
    """The method that a peer calls *name*: its *signature* without what it does not give, *source* and *doc*.

    *source* is ``file.py:41``, *doc* the first line of its docstring. *returns* are the classes that it says it
    returns, as far as that is known: by its annotation, or because it makes one in a ``return``.
    """

    name: str
    signature: str
    source: str
    doc: str
    returns: tuple[type, ...] = ()


def methods_of(cls: type) -> Mapping[tuple[str, str], Declared]:
    """What a peer can call of an instance of *cls*, by prefix (remote, perspective, view) and name."""
    if cls not in _cache:
        _cache[cls] = MappingProxyType(dict(_methods(cls)))
    return _cache[cls]


def is_root(cls: type) -> bool:
    """Whether *cls* is what a server offers first: one of pbshell's or of Twisted's Root."""
    return any("rootObject" in _class_dict(each) for each in _mro(cls))


def classes_in(namespace: Mapping[str, Any], module: str | None = None) -> Iterator[type]:
    """The classes in *namespace* of whose instances a peer can call something; of *module* only, if it is given."""
    for value in list(namespace.values()):
        if type in _mro(type(value)) and module in (None, _class_dict(value).get("__module__")) and methods_of(value):
            yield value


def _methods(cls: type) -> Iterator[tuple[tuple[str, str], Declared]]:
    seen: set[str] = set()
    for each in _mro(cls):
        for attribute, function in list(_class_dict(each).items()):
            prefix, _, name = attribute.partition("_") if type(attribute) is str else ("", "", "")
            if prefix not in PREFIXES or not name or attribute in seen or len(seen) >= _METHODS:
                continue
            seen.add(attribute)
            plain = _unwrapped(function)
            if plain is not None:
                yield (prefix, name), _declared(name, plain, 2 if prefix == "view" else 1)


def _unwrapped(function: Any) -> FunctionType | None:
    """The function that decorators have wrapped, if they say so."""
    for _ in range(_WRAPPERS):
        if type(function) is not FunctionType:
            return None
        if "__wrapped__" not in function.__dict__:
            return function
        function = function.__dict__["__wrapped__"]
    return None


def _declared(name: str, function: FunctionType, given: int) -> Declared:
    """*given* arguments, the first ones, do not come from the peer."""
    code = function.__code__
    doc = function.__doc__ if type(function.__doc__) is str else ""
    first = doc.strip().partition("\n")[0]
    source = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    returns = tuple(_returned(function))
    return Declared(name, signature_of(function, given), visible(source, 80), visible(first, _DOC), returns)


def signature_of(function: Any, given: int = 0) -> str:
    """The parameters of a Python *function* without the first ones, which are *given*, and without annotations.

    Not by `inspect.signature`, which runs what it finds.
    """
    code = function.__code__
    names = code.co_varnames
    positional, total = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    defaults = function.__defaults__ or ()
    parts = []
    for place, name in enumerate(names[:positional]):
        if place >= given:
            at = place - (positional - len(defaults))
            parts.append(f"{name}={spelled(defaults[at], _DEFAULT)}" if at >= 0 else name)
        if place + 1 == code.co_posonlyargcount and place >= given:
            parts.append("/")
    if code.co_flags & inspect.CO_VARARGS:
        parts.append(f"*{names[total]}")
    elif code.co_kwonlyargcount:
        parts.append("*")
    words = function.__kwdefaults__ or {}
    named = names[positional:total]
    parts += [f"{name}={spelled(words[name], _DEFAULT)}" if name in words else name for name in named]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        parts.append(f"**{names[total + bool(code.co_flags & inspect.CO_VARARGS)]}")
    return f"({', '.join(parts)})"


# ------------------------------------------------------------------------------------------------ what comes back


def _returned(function: FunctionType) -> Iterator[type]:
    """The classes that *function* returns instances of, if it says so."""
    annotation = function.__annotations__.get("return") if type(function.__annotations__) is dict else None
    words = [annotation.__name__] if type(annotation) is type else re.findall(r"\w+", str(annotation or ""))
    names = dict.fromkeys([*words, *_made(function.__code__)])
    for name in names:
        found = function.__globals__.get(name)
        # What it needs not be asked of itself again: a method may return its own class.
        if type(found) is type and any(_offers(each) for each in _mro(found)):
            yield found


def _offers(cls: type) -> bool:
    return any(type(name) is str and name.partition("_")[0] in PREFIXES and "_" in name for name in _class_dict(cls))


def _made(code: CodeType) -> Iterable[str]:
    """The names that are called in a ``return`` of the source of *code*."""
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getblock(lines))) if lines else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    returned = [each.value for each in ast.walk(tree) if isinstance(each, ast.Return)]
    called = [each.func for each in returned if isinstance(each, ast.Call)]
    return [each.id for each in called if isinstance(each, ast.Name)]


def modules_in(namespace: Mapping[str, Any]) -> Iterator[ModuleType]:
    """The modules in *namespace* that are neither Python's nor pbshell's own."""
    for value in list(namespace.values()):
        if type(value) is ModuleType:
            top = value.__name__.partition(".")[0]
            if top != "pbshell" and top not in sys.stdlib_module_names:
                yield value
