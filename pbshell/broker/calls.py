"""What a call is while it lasts, on both sides. Knows names, times and who waits; sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pbshell.defer import Deferred
from pbshell.wire.banana import Expression
from pbshell.wire.verbs import Luid, Request

__all__ = ["Call", "Running"]


@dataclass(slots=True)
class Call:
    """One of our calls: the answer to *request* goes to *deferred*. *since* is the link's time, in seconds."""

    request: int
    verb: bytes
    luid: Luid
    method: str | bytes
    deferred: Deferred[Any]
    perspective: Any
    since: float


@dataclass(slots=True)
class Running:
    """One of the peer's calls that runs here. *since* is the link's time, in seconds."""

    request: Request
    verb: bytes
    luid: Expression
    method: str
    since: float
