"""Echo calls through a relay that is watched, against the same calls through one that is not, in one interleaved run.

Run as a program it is a relay: ``relay.py HOW PORT`` prints where it listens, HOW being one of RELAYS.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.echo import End

#: Seconds without a call between two measurements: a person's pause, in which what was kept is looked at.
PAUSE = 0.4


class _Relay:
    """A relay in its own process."""

    def __init__(self, how: str, port: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, how, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()

    def end(self) -> None:
        # By its input, so that it can end the process that it has started.
        self._process.communicate("")


@contextlib.contextmanager
def _clients(who: str, *hows: str) -> Iterator[list[End]]:
    """Clients of *who*, each connected to the same server through a relay of its own; "none" is without one."""
    with contextlib.ExitStack() as ends:
        server = End(who, "server")
        ends.callback(server.end)
        port = server.line()
        clients = []
        for how in hows:
            relay_port = port
            if how != "none":
                relay = _Relay(how, port)
                ends.callback(relay.end)
                relay_port = relay.port
            clients.append(End(who, "client", relay_port))
            ends.callback(clients[-1].end)
        yield clients


def measure(who: str, hows: tuple[str, ...], calls: int, in_flight: int, rounds: int) -> list[float]:
    """How many calls go through each of *hows*, by those that go through the first, as medians."""

    def seconds(client: End, number: int) -> float:
        taken = float(client.ask(f"echo {number} {in_flight}"))
        time.sleep(PAUSE)
        return taken

    with _clients(who, *hows) as clients:
        for client in clients:
            seconds(client, 200)  # the first calls pay for what is made once
        # Each round in the other order, as what runs first finds the processors in another state.
        found: list[list[float]] = [[] for _ in clients]
        for number in range(rounds):
            order = list(enumerate(clients))
            for place, client in order if number % 2 else reversed(order):
                found[place].append(seconds(client, calls))
        return [median(found[0]) / median(each) for each in found]


def traced_one_by_one(rounds: int) -> float:
    return measure("twisted", ("dumb", "file"), 200, 1, 3 * rounds)[1]


def traced_100_in_flight(rounds: int) -> float:
    return measure("twisted", ("dumb", "file"), 1_000, 100, 3 * rounds)[1]


# ---------------------------------------------------------------------------------------- the relays


@asynccontextmanager
async def _dumb(target: str) -> AsyncIterator[Any]:
    """Nobody looks."""
    from pbshell.net.relay import relay

    async with relay("tcp:0", target) as running:
        yield running


@asynccontextmanager
async def _list(target: str) -> AsyncIterator[Any]:
    """What is told is kept, and nothing is done with it."""
    from pbshell.net.relay import relay

    kept: list[Any] = []
    async with relay("tcp:0", target, tap=kept.append) as running:
        yield running


@contextlib.contextmanager
def _tracer() -> Iterator[Callable[[Any], None]]:
    """A tap that explains what comes and writes it into a file, secrets covered."""
    import tempfile
    from datetime import UTC, datetime

    from pbshell.trace.capture import CaptureWriter
    from pbshell.trace.dissector import Dissector

    dissector = Dissector()
    with (
        tempfile.TemporaryDirectory() as folder,
        CaptureWriter(f"{folder}/it.pbt", began=datetime.now(UTC), clock=time.monotonic()) as writer,
    ):

        def tap(piece: Any) -> None:
            writer.write(piece)
            dissector.feed(piece)

        yield tap


@asynccontextmanager
async def _inline(target: str) -> AsyncIterator[Any]:
    """It is traced to a file by the relay itself, piece by piece."""
    from pbshell.net.relay import relay

    with _tracer() as tap:
        async with relay("tcp:0", target, tap=tap) as running:
            yield running


@asynccontextmanager
async def _pauses(target: str) -> AsyncIterator[Any]:
    """It is traced to a file by the relay itself, when the traffic pauses."""
    from pbshell.net.backlog import Backlog
    from pbshell.net.relay import relay

    with _tracer() as tap:

        def deliver(pieces: list[Any]) -> None:
            for piece in pieces:
                tap(piece)

        async with relay("tcp:0", target, tap=Backlog(deliver)) as running:
            yield running


@asynccontextmanager
async def _file(target: str) -> AsyncIterator[Any]:
    """It is traced to a file beside the relay, which has a process of its own: as ``pbshell trace proxy -w`` does."""
    from pbshell.net.apart import relay_apart

    with _tracer() as tap:
        async with relay_apart("tcp:0", target, tap=tap) as running:
            # The traffic goes first: the process that looks takes what is left of the processors.
            os.nice(NICE)
            yield running


#: How much the process that looks gives way to others.
NICE = 10

RELAYS = {"dumb": _dumb, "list": _list, "inline": _inline, "pauses": _pauses, "file": _file}


async def _main(how: str, port: str) -> None:
    import asyncio

    async with RELAYS[how](f"127.0.0.1:{port}") as running:
        print(running.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    import asyncio

    if sys.argv[1] == "compare":  # relay.py compare WHO ROUNDS: all of them, for people
        for calls, in_flight in ((400, 1), (2_000, 100)):
            hows = ("dumb", "none", *tuple(RELAYS)[1:])
            figures = measure(sys.argv[2], hows, calls, in_flight, int(sys.argv[3]))
            print(in_flight, dict(zip(hows, [round(figure, 3) for figure in figures], strict=True)), flush=True)
    else:
        asyncio.run(_main(*sys.argv[1:]))
