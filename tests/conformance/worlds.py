"""Where the scenarios are played: on a loop, or in memory on a clock of one's own. Knows time and recording only."""

from __future__ import annotations

import asyncio
import gc
import heapq
from collections.abc import Callable
from typing import Any

from pbshell import defer, pb
from tests.conformance.values import typed, written


class MemoryWorld:
    """No loop: time passes when it is told to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.now = 0.0
        self._due: list[tuple[float, int, defer.Deferred[Any]]] = []

    def later(self, delay: float, result: Callable[[], Any]) -> defer.Deferred[Any]:
        deferred: defer.Deferred[Any] = defer.Deferred()
        deferred.addCallback(lambda _: result())
        heapq.heappush(self._due, (self.now + delay, len(self._due), deferred))
        return deferred

    def hang_up(self, broker: Any) -> None:
        broker.close(ConnectionError("hung up"))

    def pass_time(self) -> None:
        """Let everything happen that was put off."""
        while self._due:
            self.now, _, deferred = heapq.heappop(self._due)
            deferred.callback(None)


class LoopWorld:
    """The running loop, in its own time."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def later(self, delay: float, result: Callable[[], Any]) -> defer.Deferred[Any]:
        deferred: defer.Deferred[Any] = defer.Deferred()
        deferred.addCallback(lambda _: result())
        asyncio.get_running_loop().call_later(delay, deferred.callback, None)
        return deferred

    def hang_up(self, broker: Any) -> None:
        broker.link.close()


def described(value: Any) -> Any:
    """*value* as data/peer.py describes it."""
    if isinstance(value, defer.Failure):
        return {"error": described_failure(value)}
    if isinstance(value, pb.RemoteReference):
        return {"t": "remote_reference", "luid": written(value.luid)}
    if isinstance(value, pb.RemoteCache | pb.RemoteCopy):
        kind = "RemoteCache" if isinstance(value, pb.RemoteCache) else "RemoteCopy"
        state = {name: described(each) for name, each in vars(value).items() if name != "broker"}
        return {"t": kind, "class": type(value).__name__, "state": state}
    if isinstance(value, list | tuple):
        return {"t": type(value).__name__, "items": [described(each) for each in value]}
    if isinstance(value, pb.Referenceable | pb.Cacheable):
        return {"t": "own_object", "class": type(value).__name__}
    if type(value).__name__ == "Unpersistable":
        return {"t": "Unpersistable", "reason": value.reason}
    return typed(value)


def described_failure(failure: defer.Failure) -> dict[str, Any]:
    """A failure as data/peer.py describes it, with the type in bytes, as Twisted has it."""
    told: dict[str, Any] = {"failure_class": type(failure).__name__}
    if isinstance(failure, pb.CopiedFailure):
        remote: Any = failure.value
        told |= {
            "type": typed(failure.type.encode()),
            "value": typed(str(remote)),
            "parents": list(failure.parents),
            "traceback": remote.remoteTraceback
            if len(remote.remoteTraceback) < 60
            else f"({len(remote.remoteTraceback)} characters)",
        }
    else:
        told |= {"type": f"class {failure.type}", "value": str(failure.value)}
    return told


class Notes:
    """What a client saw, step by step. The subclass knows its connection."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []

    async def step(self, label: str, deferred: Any) -> Any:
        """Wait for *deferred* (or for what it gives when called), note what comes, and return it."""
        try:
            if callable(deferred) and not isinstance(deferred, defer.Deferred):
                deferred = deferred()
            result = await settled(deferred)
        except Exception as error:
            name = f"{type(error).__module__}.{type(error).__name__}"
            self.steps.append({"step": label, "raised": name, "message": str(error)[:200]})
            return None
        self.steps.append({"step": label, "result": described(result)})
        return result

    def note(self, label: str, value: Any) -> None:
        plain = isinstance(value, str | int | list | dict | bool | None)
        self.steps.append({"step": label, "observed": value if plain else described(value)})

    async def pause(self) -> None:
        """Let go of what was dropped."""
        gc.collect(0)
        await asyncio.sleep(0)


async def settled(deferred: Any) -> Any:
    """What *deferred* comes to: its result, or its Failure, which then counts as handled."""
    if not isinstance(deferred, defer.Deferred):
        deferred = defer.ensureDeferred(deferred)
    arrived = asyncio.get_running_loop().create_future()

    def keep(result: Any) -> None:
        if not arrived.done():
            arrived.set_result(result)

    deferred.addBoth(keep)
    return await arrived
