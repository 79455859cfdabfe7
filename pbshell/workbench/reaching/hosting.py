"""A plugin, or a class of one's own, as a server. Knows how it is found and started; says nothing to anybody."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from typing import Any

from pbshell import pb
from pbshell.broker.security import SecurityOptions
from pbshell.errors import UsageError
from pbshell.net.server import Server
from pbshell.plugin import ServerPlugin, discover, load
from pbshell.wire.chunk import Tap
from pbshell.wire.text import visible

__all__ = ["ANYWHERE", "find", "place_of", "start"]

#: where a server listens of which nothing else is said: a free port, for this machine alone
ANYWHERE = ("tcp:0",)


def find(name: str) -> ServerPlugin:
    """The plugin called *name*, or what ``MODULE:NAME`` stands for. Raises UsageError for none and a broken one."""
    # A module beside us is what one writes first; an installed program does not look there by itself.
    if "" not in sys.path:
        sys.path.insert(0, "")
    if ":" in name:
        return load(name)
    found = {each.name: each for each in discover()}
    if name in found:
        return found[name].load()
    module = name.removesuffix(".py")
    if module.isidentifier() and importlib.util.find_spec(module) is not None:
        raise UsageError(f"{name} is a module: write {module}:CLASS, with the name of what it shall serve")
    names = ", ".join(found)
    raise UsageError(f"there is no plugin {visible(name, 40)!r}; there are {names}, or write MODULE:CLASS")


async def start(
    plugin: ServerPlugin,
    options: argparse.Namespace,
    targets: Sequence[str],
    tap: Tap | None,
    security: SecurityOptions | None = None,
) -> Server:
    """Make what *plugin* serves, and serve it at *targets*. Raises what the plugin raises, OSError, UsageError."""
    made: Any = plugin.make(options)
    root = await made if inspect.isawaitable(made) else made
    return await pb.serve(root, *(targets or ANYWHERE), tap=tap, security=security)


def place_of(endpoint: object) -> str:
    """How an *endpoint* that is listened on is told."""
    loopback = getattr(endpoint, "interface", "").startswith(("127.", "::1"))
    return f"{endpoint}{'   (this machine only)' if loopback else ''}"
