"""Ctrl-C: what waits is cancelled, what runs is interrupted where it stands, and the shell lives on."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from pbshell.defer import Deferred, maybeDeferred
from pbshell.shell.interrupts import Interrupts
from pbshell.workbench.problems import Interrupted
from pbshell.workbench.workbench import Workbench


def interrupt() -> None:
    """What a terminal does at Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


async def test_a_call_that_waits_is_cancelled() -> None:
    bench = Workbench()
    waiting: Deferred[None] = Deferred()
    bench.namespace |= {"waiting": waiting, "soon": asyncio.get_running_loop().call_soon, "interrupt": interrupt}

    with Interrupts() as interrupts, pytest.raises(Interrupted, match="cancelled; a method that was called may still"):
        await interrupts.run(bench.evaluate("soon(interrupt)\nawait waiting"))

    assert waiting.called


async def test_a_statement_whose_turn_is_still_to_come_does_not_begin() -> None:
    bench = Workbench()

    with Interrupts() as interrupts:
        asyncio.get_running_loop().call_soon(interrupt)
        with pytest.raises(Interrupted):
            await interrupts.run(bench.evaluate("begun = True"))

    assert "begun" not in bench.namespace


async def test_python_that_holds_the_loop_is_interrupted() -> None:
    bench = Workbench()
    bench.namespace["interrupt"] = interrupt

    with Interrupts() as interrupts, pytest.raises(Interrupted, match="interrupted"):
        await interrupts.run(bench.evaluate("interrupt()\nwhile True: pass"))


async def test_our_own_code_is_not_interrupted_in_its_middle() -> None:
    bench = Workbench()
    bench.namespace |= {"call": maybeDeferred, "interrupt": interrupt}

    with Interrupts() as interrupts, pytest.raises(Interrupted, match="cancelled"):
        await interrupts.run(bench.evaluate("called = call(interrupt)\nawait call(int)"))

    assert bench.namespace["called"].called


async def test_a_callback_of_an_earlier_statement_does_not_bring_the_loop_down() -> None:
    bench = Workbench()
    bench.namespace |= {"soon": asyncio.get_running_loop().call_soon, "interrupt": interrupt}

    with Interrupts() as interrupts:
        await interrupts.run(bench.evaluate("def later():\n    interrupt()\n"))
        await interrupts.run(bench.evaluate("soon(later)"))
        await asyncio.sleep(0)

        assert await interrupts.run(bench.evaluate("5")) == 5


async def test_between_two_statements_it_does_nothing() -> None:
    with Interrupts() as interrupts:
        interrupt()
        assert interrupts.interrupt() is False
        assert await interrupts.run(Workbench().evaluate("5")) == 5


async def test_the_handler_that_was_there_before_is_there_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before

    assert signal.getsignal(signal.SIGINT) == before


async def test_the_end_of_the_shell_ends_the_statement() -> None:
    bench = Workbench()
    waiting: Deferred[None] = Deferred()
    bench.namespace["waiting"] = waiting
    running = asyncio.ensure_future(Interrupts().run(bench.evaluate("await waiting")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert waiting.called


async def test_a_statement_that_cancels_every_task_ends_itself_alone() -> None:
    bench = Workbench()

    with pytest.raises(Interrupted):
        await Interrupts().run(bench.evaluate("for task in asyncio.all_tasks(): task.cancel()\nawait asyncio.sleep(0)"))

    assert await Interrupts().run(bench.evaluate("5")) == 5


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[object] = []

    async def look() -> None:
        with Interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=lambda: asyncio.run(look()))
    thread.start()
    thread.join()

    assert found == [before]
