"""What is started by waiting for it, or for as long as an ``async with`` lasts. Knows nothing of what is started."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Starting"]


class _Closable(Protocol):
    def close(self) -> None:
        """Begin the end."""

    async def wait_closed(self) -> None:
        """Wait for the end."""


T = TypeVar("T", bound=_Closable)


class Starting(Generic[T]):
    """What *start* gives: ``await`` it, or use it with ``async with`` to have that closed at the end."""

    def __init__(self, start: Callable[[], Awaitable[T]]) -> None:
        self._start_it = start
        self._started: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._start_it().__await__()

    async def __aenter__(self) -> T:
        self._started = await self._start_it()
        return self._started

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._started is not None:
            self._started.close()
            await self._started.wait_closed()
