"""Ctrl-C while a statement runs. Knows signals and one task; knows no terminal.

A signal is not an exception in a loop: what is awaited is cancelled, and only Python of the user's that holds the
loop is interrupted where it stands.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import pbshell
from pbshell.workbench.evaluation import Python
from pbshell.workbench.problems import STATEMENT, Interrupted

__all__ = ["Interrupts"]

# With the separator, because the paths of pbshell_plugins begin alike.
_OURS = str(Path(pbshell.__file__).parent / "_")[:-1]


class Interrupts:
    """Runs one statement at a time, each in a task of its own. As a context manager it takes SIGINT for that task.

    *idle* is called, in the loop, when it comes while none is running.
    """

    def __init__(self, idle: Callable[[], object] | None = None) -> None:
        self._idle = idle
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: Any = None  # what was installed: a function, an int or None

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    async def run(self, statement: Coroutine[Any, Any, Any]) -> Any:
        """What *statement* gives. Raises what it raises, and Interrupted when `interrupt` was called."""
        task = self._task = asyncio.ensure_future(statement)
        try:
            # wait() tells the two cancellations apart: ours ends the task, and that of the shell ends the waiting.
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            self._task = None
        if task.cancelled():
            raise Interrupted("cancelled; a method that was called may still be running at the server")
        return task.result()

    def interrupt(self) -> bool:
        """Cancel the statement that runs; whether there was one."""
        if self._task is None or self._loop is None:
            return False
        # At once, so that a statement whose turn is still to come does not begin.
        self._task.cancel()
        # A signal does not wake a loop that waits for bytes; this does.
        self._loop.call_soon_threadsafe(lambda: None)
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if _is_users(frame):
            raise KeyboardInterrupt
        if not self.interrupt() and self._idle is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._idle)


def _is_users(frame: FrameType | None) -> bool:
    """Whether what *frame* runs is Python of the statement's: no callback of an earlier one, and nothing of ours.

    In the middle of a message that is being written, an exception from nowhere could leave the books half kept.
    """
    while frame is not None and not frame.f_code.co_filename.startswith(STATEMENT):
        if frame.f_code.co_filename.startswith(_OURS):
            return False
        frame = frame.f_back
    while frame is not None and frame.f_code is not Python.run.__code__:
        frame = frame.f_back
    return frame is not None
