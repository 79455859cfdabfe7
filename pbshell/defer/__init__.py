"""Deferred and Failure: results that come later, and exceptions that travel.

Knows the names of this floor; the modules know the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pbshell.defer.combine import (
    FAILURE,
    SUCCESS,
    DeferredList,
    FirstError,
    ensureDeferred,
    fail,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    succeed,
)
from pbshell.defer.deferred import AlreadyCalledError, Deferred, asyncio_module
from pbshell.defer.failure import Failure

if TYPE_CHECKING:
    from asyncio import CancelledError

__all__ = [
    "FAILURE",
    "SUCCESS",
    "AlreadyCalledError",
    "CancelledError",
    "Deferred",
    "DeferredList",
    "Failure",
    "FirstError",
    "ensureDeferred",
    "fail",
    "gatherResults",
    "inlineCallbacks",
    "maybeDeferred",
    "succeed",
]


def __getattr__(name: str) -> Any:
    # asyncio's own class, so that a task which awaits a cancelled Deferred is a cancelled task. Importing asyncio for
    # the name alone is left to whoever uses it.
    if name == "CancelledError":
        return asyncio_module().CancelledError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
