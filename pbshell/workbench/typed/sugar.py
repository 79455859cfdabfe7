"""Remote methods as if they were methods: ``R(root).x(1)`` for ``root.callRemote("x", 1)``. Knows no connection."""

from __future__ import annotations

from typing import Any

from pbshell.broker.references import RemoteMethod
from pbshell.errors import UsageError
from pbshell.workbench.forms.rows import shown

__all__ = ["R", "wrapped"]


class R:
    """Wraps a reference, or an observer: each attribute is the remote method of that name.

    It has nothing else: what is wrapped stays as it is, and is what one sends and keeps. Raises UsageError for what
    cannot be called remotely.
    """

    __slots__ = ("_wrapped",)

    def __init__(self, reference: Any) -> None:
        if not hasattr(type(reference), "callRemote"):
            raise UsageError(f"R(...) is for what has callRemote, and {shown(reference, 60)} has none")
        self._wrapped = reference

    def __getattr__(self, name: str) -> RemoteMethod:
        # What Python itself looks for is none of the peer's.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return RemoteMethod(self._wrapped, name)

    def __dir__(self) -> list[str]:
        return []

    def __repr__(self) -> str:
        return f"R({self._wrapped!r})"


def wrapped(value: Any) -> Any:
    """What *value* wraps, if it is an R; else itself."""
    return value._wrapped if isinstance(value, R) else value
