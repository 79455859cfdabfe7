"""Echo calls over loopback, both ends ours against both ends Twisted's, in one interleaved run.

Run as a program it is one end: ``echo.py ours|twisted server`` prints its port, ``echo.py ours|twisted client PORT``
makes as many calls as each line on its input asks for and prints the seconds they took.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any


class End:
    """One end in its own process."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.line()

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def pair(who: str) -> Iterator[End]:
    """A client of *who*, connected to a server of the same."""
    with contextlib.ExitStack() as ends:
        server = End(who, "server")
        ends.callback(server.end)
        client = End(who, "client", server.line())
        ends.callback(client.end)
        yield client


def _seconds(client: End, method: str, calls: int, in_flight: int) -> float:
    return float(client.ask(f"{method} {calls} {in_flight}"))


def _against_twisted(calls: int, in_flight: int, rounds: int) -> float:
    with pair("ours") as ours, pair("twisted") as twisted:
        for client in (ours, twisted):
            _seconds(client, "echo", 200, in_flight)  # the first calls pay for what is made once
        return median(
            _seconds(twisted, "echo", calls, in_flight) / _seconds(ours, "echo", calls, in_flight)
            for _ in range(rounds)
        )


def echo_100_in_flight(rounds: int) -> float:
    return _against_twisted(4_000, 100, rounds)


def echo_1000_in_flight(rounds: int) -> float:
    return _against_twisted(4_000, 1_000, rounds)


def echo_one_by_one(rounds: int) -> float:
    return _against_twisted(1_000, 1, rounds)


def an_async_method(rounds: int) -> float:
    """Calls of an ``async def`` method by calls of a plain one, in the same time."""
    with pair("ours") as ours:
        _seconds(ours, "echo_async", 200, 100)
        return median(
            _seconds(ours, "echo", 4_000, 100) / _seconds(ours, "echo_async", 4_000, 100) for _ in range(rounds)
        )


# ---------------------------------------------------------------------------------------- the ends


def _drive(call: Callable[[str, int], Any], done: Callable[[str], None], order: str) -> None:
    """Make the calls of *order*, so many at a time, and tell *done* how long they took. *call* gives a Deferred."""
    method, calls_text, in_flight_text = order.split()
    calls, in_flight = int(calls_text), int(in_flight_text)
    sent = answered = 0
    start = time.perf_counter()

    def one_more(_: object = None) -> None:
        nonlocal sent
        if sent < calls:
            sent += 1
            call(method, sent).addCallback(one_is_back)

    def one_is_back(_: object) -> None:
        nonlocal answered
        answered += 1
        if answered == calls:
            done(f"{time.perf_counter() - start:.6f}")
        else:
            one_more()

    for _ in range(in_flight):
        one_more()


def _ours_server() -> None:
    import asyncio

    from pbshell import pb

    class Echo(pb.Root):
        def remote_echo(self, value: object) -> object:
            return value

        async def remote_echo_async(self, value: object) -> object:
            return value

    async def main() -> None:
        async with pb.serve(Echo(), "tcp:0") as server:
            print(server.port, flush=True)
            await server.serve_forever()

    asyncio.run(main())


def _ours_client(port: str) -> None:
    import asyncio

    from pbshell import pb

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with pb.connect(f"127.0.0.1:{port}") as connection:
            root = await connection.getRootObject()
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                finished = asyncio.Event()

                def done(seconds: str, finished: asyncio.Event = finished) -> None:
                    print(seconds, flush=True)
                    finished.set()

                _drive(root.callRemote, done, line)
                await finished.wait()

    asyncio.run(main())


def _twisted_server() -> None:
    from twisted.internet import reactor as installed
    from twisted.spread import pb as untyped

    reactor: Any = installed
    pb: Any = untyped

    class Echo(pb.Root):  # type: ignore[misc]  # Twisted is untyped
        def remote_echo(self, value: object) -> object:
            return value

    port = reactor.listenTCP(0, pb.PBServerFactory(Echo()), interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


def _twisted_client(port: str) -> None:
    from twisted.internet import reactor as installed
    from twisted.internet import threads
    from twisted.spread import pb as untyped

    reactor: Any = installed
    pb: Any = untyped
    factory = pb.PBClientFactory()
    reactor.connectTCP("127.0.0.1", int(port), factory)

    def read(root: Any) -> None:
        def order(line: str) -> None:
            if not line:
                reactor.stop()
                return

            def done(seconds: str) -> None:
                print(seconds, flush=True)
                read(root)

            _drive(root.callRemote, done, line)

        threads.deferToThread(sys.stdin.readline).addCallback(order)

    factory.getRootObject().addCallback(read)
    reactor.run()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    ENDS: dict[tuple[str, ...], Callable[..., None]] = {
        ("ours", "server"): _ours_server,
        ("ours", "client"): _ours_client,
        ("twisted", "server"): _twisted_server,
        ("twisted", "client"): _twisted_client,
    }
    ENDS[tuple(sys.argv[1:3])](*sys.argv[3:])
