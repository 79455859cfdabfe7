"""A clock that stands still until a test moves it. Knows the running loop; knows nothing of what is timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Clock:
    """The time of the running loop, in seconds. Timers fire when `advance` passes them, and at no other time."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        # So long ago that the timers set before, such as the test's own limit, stay where they are.
        self.now = loop.time() - 1_000_000
        loop.time = lambda: self.now  # type: ignore[method-assign]

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass, and whatever that causes happen."""
        self.now += seconds
        await turns()


async def turns(number: int = 20) -> None:
    """Let the loop turn: what is ready runs, and what was sent over loopback arrives."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until *condition* holds; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - a condition of any kind has no event
        await asyncio.sleep(0)
