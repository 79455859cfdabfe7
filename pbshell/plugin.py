"""Plugins: the servers that ``pbshell serve`` knows by name.

Knows where they are and what they promise; does not know what they serve, and runs none of them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import pkgutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pbshell.errors import UsageError

__all__ = ["Found", "ServerPlugin", "discover", "load"]

#: the package whose modules are the bundled plugins, and the entry points of everybody else's
BUNDLED = "pbshell_plugins"
GROUP = "pbshell.plugins"


class ServerPlugin(Protocol):
    """What can be served by name. Subclass it, and give your module an instance named ``plugin``."""

    #: one line for ``pbshell plugins``
    description: str = ""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that this server takes on the command line to *parser*; none by default."""
        return

    # Any: a root object, a Portal, or an awaitable of one of them.
    def make(self, options: argparse.Namespace) -> Any:
        """What to serve: a root object or a Portal, or an awaitable of it. Called once, in the running loop."""

    def banner(self) -> str:
        """What its user should know when it has started, in one line; nothing by default. Called behind `make`."""
        return ""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that is there: its *name*, who brings it along, and where it is. It has not been imported."""

    name: str
    origin: str
    target: str

    def load(self) -> ServerPlugin:
        """Import it. Raises UsageError when that fails, whatever the reason."""
        return load(self.target)


def discover() -> list[Found]:
    """The plugins that are installed, by name. None of them is imported, so a broken one is in the list too."""
    found = {each.name: each for each in _others()}
    # A stranger's plugin must not take the place of a bundled one without a word.
    found |= {each.name: each for each in _bundled()}
    return sorted(found.values(), key=lambda each: each.name)


def _bundled() -> list[Found]:
    spec = importlib.util.find_spec(BUNDLED)
    places = spec.submodule_search_locations if spec else None
    names = [module.name for module in pkgutil.iter_modules(places or []) if not module.name.startswith("_")]
    return [Found(name, "bundled", f"{BUNDLED}.{name}:plugin") for name in names]


def _others() -> list[Found]:
    # 20 ms, and only those who look for plugins by name need it.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return [
        Found(point.name, point.dist.name if point.dist else "unknown", point.value)
        for point in entry_points(group=GROUP)
    ]


def load(target: str) -> ServerPlugin:
    """The plugin that *target*, ``module:name``, stands for.

    The name may be one of a ServerPlugin, of a root object or a Portal, or of a class or function that makes one
    when it is called without arguments. Raises UsageError, with the reason in its text, when there is none.
    """
    module_name, colon, name = target.partition(":")
    if not colon or not module_name or not name:
        raise UsageError(f"{target!r} names no server: write MODULE:NAME, for instance my_package.quotes:QuoteRoot")
    try:
        value: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        if module_name.endswith(".py"):
            raise UsageError(f"a module is named without its .py: write {module_name[:-3]}:{name}") from None
        told = f"{type(error).__name__}: {error}{_place(error)}"
        raise UsageError(f"{module_name} cannot be imported: {told}") from error
    for part in name.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise UsageError(f"{module_name} has no {name!r}") from None
    return _as_plugin(value)


def _place(error: BaseException) -> str:
    """Where in the imported code *error* was raised; nothing if it was not there, or says so itself."""
    every = traceback.extract_tb(error.__traceback__)
    machinery = ("<frozen importlib", __file__, importlib.__file__)
    places = [frame for frame in every if not frame.filename.startswith(machinery)]
    return f" ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else ""


def _as_plugin(value: Any) -> ServerPlugin:
    if isinstance(value, type) and ServerPlugin in value.__mro__:
        value = value()
    if ServerPlugin in type(value).__mro__:
        return value  # type: ignore[no-any-return]  # it is one, by its class
    # A root object may be callable for reasons of its own, so only what is certainly a function is called.
    return _Plain(value if isinstance(value, type) or hasattr(value, "__code__") else lambda: value)


class _Plain(ServerPlugin):
    """Something that was not written as a plugin: a class or function that makes a root object or a Portal."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def make(self, options: argparse.Namespace) -> Any:
        return self._make()
