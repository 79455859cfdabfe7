"""Perspective Broker for asyncio, and the shell and tracer for it.

Knows which modules are public; imports none of them before it is asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; typing itself would cost `pbshell --help` a tenth of its time
if TYPE_CHECKING:
    from types import ModuleType

    from pbshell import broker, cred, defer, errors, pb, plugin, testing, trace, wire

__all__ = ["__version__", "broker", "cred", "defer", "errors", "pb", "plugin", "testing", "trace", "wire"]

__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> ModuleType:
    """Import the public module *name* when it is first asked for.

    Raises AttributeError for every other name.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - `pbshell --help` needs none of it

    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
