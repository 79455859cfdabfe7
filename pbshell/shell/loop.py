"""The loop of a shell: what is typed can start tasks and callbacks, and none of them ends it. Knows asyncio only."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["run"]

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, but what ends the loop before *main* is done is reported, and the loop goes on.

    A callback that raises SystemExit or KeyboardInterrupt does, and ``loop.stop()``.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        # The Runner asks its loop for this, and its own way with Ctrl-C stays as it is.
        loop.run_until_complete = functools.partial(_insist, loop, loop.run_until_complete)  # type: ignore[method-assign]
        return runner.run(main)


def _insist(loop: asyncio.AbstractEventLoop, run_until_complete: Callable[[Any], Any], future: Any) -> Any:
    future = asyncio.ensure_future(future, loop=loop)
    while True:
        try:
            return run_until_complete(future)
        except (SystemExit, KeyboardInterrupt) as error:
            # The second Ctrl-C in a row is meant, whatever the first one has not ended.
            if future.done() or future.cancelling():
                raise
            what = f"{type(error).__name__} in the background, which would have ended the shell: Ctrl-D leaves"
            loop.call_exception_handler({"message": what})
        except RuntimeError:
            # Which is how it tells that somebody has stopped it.
            if future.done() or loop.is_closed() or loop.is_running():
                raise
