"""Ctrl-Z: what runs goes on in the background, in a real terminal and without one."""

from __future__ import annotations

import asyncio
import os
import signal

from pbshell.defer import Deferred
from pbshell.shell.interrupts import Interrupts
from pbshell.workbench.typed.statements import Detached, Statements
from pbshell.workbench.workbench import Workbench
from tests.pond.running import Pond
from tests.shell.terminal import terminal


def stop() -> None:
    """What a terminal does at Ctrl-Z."""
    os.kill(os.getpid(), signal.SIGTSTP)


async def test_a_statement_that_waits_goes_on_in_the_background() -> None:
    bench = Workbench()
    told: list[str] = []
    bench.tell = told.append
    waiting: Deferred[str] = Deferred()
    bench.namespace |= {"waiting": waiting, "soon": asyncio.get_running_loop().call_soon, "stop": stop}

    with Interrupts(adopt=bench.part(Statements).detach) as interrupts:
        value = await interrupts.run(bench.evaluate("soon(stop)\nx = await waiting"))
        assert isinstance(value, Detached)
        assert not bench.namespace["d1"].done

        # Ctrl-C is for what runs now, and not for it.
        assert interrupts.interrupt() is False
        waiting.callback("ducks")
        assert await interrupts.run(bench.evaluate("await d1")) is None

    assert bench.namespace["x"] == "ducks"
    assert told == ["d1 is done: None   (soon(stop) x = await waiting)"]


async def test_without_somebody_who_takes_it_nothing_is_detached() -> None:
    before = signal.getsignal(signal.SIGTSTP)
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGTSTP) == before
        running = asyncio.ensure_future(interrupts.run(asyncio.sleep(0, "done")))
        await asyncio.sleep(0)
        assert interrupts.detach() is False
        assert await running == "done"


async def test_the_handler_that_was_there_before_is_there_again() -> None:
    before = signal.getsignal(signal.SIGTSTP)
    with Interrupts(adopt=Workbench().part(Statements).detach) as interrupts:
        assert signal.getsignal(signal.SIGTSTP) != before
        assert interrupts.detach() is False

    assert signal.getsignal(signal.SIGTSTP) == before


def test_ctrl_z_at_a_call_that_is_never_answered(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        screen.send("print('one'); await root.callRemote('never')\r")
        screen.wait("\none")
        screen.send("\x1a")
        screen.wait("d1 runs in the background: print('one'); await root.callRemote('never')")
        screen.wait_for_prompt()

        screen.type("await root.callRemote('echo', 41) + 1", "42")
        screen.type(":calls", "root.never()")
        screen.type(":cancel d1", "d1 was cancelled")

        screen.send("print('two'); await root.callRemote('never')\r")
        screen.wait("\ntwo")
        screen.send("\x1a")
        screen.wait("d2 runs in the background")
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.end() == 0
        assert "Unhandled" not in screen.text
        assert "never retrieved" not in screen.text


def test_ctrl_z_without_an_editor(pond: Pond) -> None:
    with terminal(pond.root, TERM="dumb") as screen:
        screen.wait_for_prompt()
        screen.send("for n in [1]:\r")
        screen.wait("\n...")
        screen.send("  print(n + 1)\r")
        screen.wait("\n...", behind="n + 1)")
        screen.send("\r")
        screen.wait("\n2\npb>")
        screen.send("print('three'); await root.callRemote('never')\r")
        screen.wait("\nthree")
        screen.send("\x1a")
        screen.wait("d1 runs in the background")
        screen.type("await root.callRemote('echo', 5)", "5")
        screen.send("d = root.callRemote('never')\r")
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.end() == 0
        assert "Unhandled" not in screen.text
