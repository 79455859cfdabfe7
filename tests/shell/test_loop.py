"""The loop of a shell: it ends with what it runs, and with nothing else."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pbshell.shell.loop import run


async def result() -> int:
    await asyncio.sleep(0)
    return 5


def test_it_gives_what_its_coroutine_gives() -> None:
    assert run(result()) == 5


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("end", "name"), [(sys.exit, "SystemExit"), (interrupt, "KeyboardInterrupt")])
def test_a_callback_that_wants_to_end_the_process_is_reported(end: Callable[[], Any], name: str) -> None:
    told: list[str] = []

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        loop.call_soon(end)
        return await result()

    assert run(main()) == 5
    assert told == [f"{name} in the background, which would have ended the shell: Ctrl-D leaves"]


def test_a_task_that_wants_to_end_the_process_is_reported_and_has_failed() -> None:
    async def leave() -> None:
        sys.exit(3)

    async def main() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        task = asyncio.ensure_future(leave())
        await asyncio.wait({task})
        assert isinstance(task.exception(), SystemExit)
        return await result()

    assert run(main()) == 5


def test_a_loop_that_was_stopped_goes_on() -> None:
    async def main() -> int:
        asyncio.get_running_loop().stop()
        return await result()

    assert run(main()) == 5


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), RuntimeError("its own"), ValueError()])
def test_what_the_coroutine_itself_raises_is_raised(error: BaseException) -> None:
    async def main() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run(main())
    assert caught.value is error


def test_a_second_ctrl_c_ends_what_the_first_one_does_not() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.sleep(0)
            went_on.append(await asyncio.sleep(0, True))

    went_on: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        run(main())
    assert went_on == []


def test_ctrl_c_cancels_it_as_it_would_without() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        run(main())
