"""What the manual's behaviours are shown with: two brokers in memory, where a call's outcome is there at once."""

from __future__ import annotations

from typing import Any

from pbshell.defer import Deferred, Failure
from pbshell.testing import Loopback
from pbshell.wire.banana import NONE, PB, Decoder
from pbshell.wire.chunk import Side

__all__ = ["failure", "outcome", "result", "said"]


def outcome(loop: Loopback, deferred: Deferred[Any]) -> Any:
    """What *deferred* comes to when everything has been delivered: a value or a Failure."""
    loop.run()
    got: list[Any] = []
    deferred.addBoth(got.append)
    assert got, "the call has no outcome yet"
    return got[0]


def result(loop: Loopback, deferred: Deferred[Any]) -> Any:
    """The value of *deferred*. Raises what it failed with."""
    got = outcome(loop, deferred)
    if isinstance(got, Failure):
        got.raiseException()
    return got


def failure(loop: Loopback, deferred: Deferred[Any]) -> Failure:
    """The Failure of *deferred*."""
    got = outcome(loop, deferred)
    assert isinstance(got, Failure), f"succeeded with {got!r}"
    return got


def said(loop: Loopback, side: Side) -> list[Any]:
    """The expressions that *side* has sent so far, its part of the handshake included."""
    decoder = Decoder(NONE)
    decoder.feed(loop.sent[side])
    expressions = []
    for expression in decoder:
        expressions.append(expression)
        decoder.dialect = PB
    return expressions
