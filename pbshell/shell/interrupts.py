"""Ctrl-C and Ctrl-Z while a statement runs. Knows signals and one task; knows no terminal.

A signal is not an exception in a loop: what is awaited is cancelled, and only Python of the user's that holds the
loop is interrupted where it stands.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import pbshell
from pbshell.shell.render import Renderer
from pbshell.workbench.problems import STATEMENT, Interrupted
from pbshell.workbench.typed.evaluation import Python

__all__ = ["Interrupts"]

# With the separator, because the paths of pbshell_plugins begin alike.
_OURS = str(Path(pbshell.__file__).parent / "_")[:-1]

#: where the user's Python is run, and where it may run once more: a result's repr() is anybody's
_RUNS_OTHERS = (Python.run.__code__, Renderer.value.__code__)


class Interrupts:
    """Runs one statement at a time, each in a task of its own. As a context manager it takes SIGINT for that task.

    *idle* is called, in the loop, when it comes while none is running. *adopt* takes the task of a statement that is
    detached, and gives what is shown in place of a result; with it, SIGTSTP detaches. While none is running, that
    stops the process, as it always has.
    """

    def __init__(
        self, idle: Callable[[], object] | None = None, adopt: Callable[[asyncio.Task[Any]], Any] | None = None
    ) -> None:
        self._idle = idle
        self._adopt = adopt
        self._interrupted = 0  # so many times, of the statement that runs
        self._letting_go: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # What was installed, by signal: a function, an int or None.
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_signal)
            if self._adopt is not None and hasattr(signal, "SIGTSTP"):
                self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    async def run(self, statement: Coroutine[Any, Any, Any]) -> Any:
        """What *statement* gives, or what stands for it once it is detached.

        Raises what it raises, and Interrupted when `interrupt` was called.
        """
        task = self._task = asyncio.ensure_future(statement)
        self._interrupted = 0
        letting_go = self._letting_go = asyncio.get_running_loop().create_future()
        try:
            # wait() tells the two cancellations apart: ours ends the task, and that of the shell ends the waiting.
            await asyncio.wait({task, letting_go}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            outer = asyncio.current_task()
            has_cancelled_all = task.cancelling() > self._interrupted
            task.cancel()
            await asyncio.wait({task})
            if not has_cancelled_all or outer is None:
                raise
            # Whoever ends the shell does not cancel the statement: that has cancelled every task there is.
            outer.uncancel()
        finally:
            self._task = self._letting_go = None
        if not task.done():
            assert self._adopt is not None
            return self._adopt(task)
        if task.cancelled():
            raise Interrupted("cancelled; a method that was called may still be running at the server")
        return task.result()

    def interrupt(self) -> bool:
        """Cancel the statement that runs; whether there was one."""
        if self._task is None or self._loop is None:
            return False
        # At once, so that a statement whose turn is still to come does not begin.
        self._interrupted += 1
        self._task.cancel()
        # A signal does not wake a loop that waits for bytes; this does.
        self._loop.call_soon_threadsafe(lambda: None)
        return True

    def detach(self) -> bool:
        """Let the statement that runs go on in the background; whether there was one. To be called in the loop."""
        if self._letting_go is None or self._adopt is None:
            return False
        if not self._letting_go.done():
            self._letting_go.set_result(None)
        return True

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        if self._task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self.detach)
            return
        # What would have happened without us; we are back here when somebody has us go on.
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._on_stop)

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
    while frame is not None and frame.f_code not in _RUNS_OTHERS:
        frame = frame.f_back
    return frame is not None
