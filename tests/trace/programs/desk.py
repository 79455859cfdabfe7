"""A Twisted reactor that serves or visits on request. Knows pipes and ports; what, and who, it imports.

Run as a program. Each line on stdin is a command, an object with a key ``do``; each gets one line on stdout, either
``{"result": ...}`` or ``{"crash": traceback}``. The program ends when stdin does.

    serve what          -> the port on 127.0.0.1
    visit what port     -> null, when the client *what* has seen its connection end
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent)]

import services  # noqa: E402
import visits  # noqa: E402
from twisted.internet import defer, reactor, stdio  # noqa: E402
from twisted.protocols.basic import LineReceiver  # noqa: E402

DEADLINE = 20.0  # seconds for one command


async def visit(what: str, port: int) -> None:
    gone: defer.Deferred[None] = defer.Deferred()
    scenario = getattr(visits, what)
    factory = getattr(scenario, "factory", visits.Factory)()
    factory.when_gone = gone
    reactor.connectTCP("127.0.0.1", port, factory)
    running = defer.ensureDeferred(scenario(factory))
    # What fails with the connection is what the incident is about.
    running.addErrback(lambda failure: None)
    await gone


class Commands(LineReceiver):
    """Reads commands and runs them, each as soon as it comes."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def lineReceived(self, line: bytes) -> None:
        command = json.loads(line)
        done = defer.ensureDeferred(self.perform(command.pop("do"), command))
        done.addTimeout(DEADLINE, reactor)
        done.addCallbacks(lambda result: {"result": result}, lambda failure: {"crash": failure.getTraceback()})
        done.addCallback(lambda reply: self.sendLine(json.dumps(reply).encode()))

    async def perform(self, do: str, arguments: dict[str, Any]) -> Any:
        if do == "serve":
            factory = getattr(services, arguments["what"])()
            return reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port
        if do == "visit":
            return await visit(**arguments)
        raise ValueError(do)

    def connectionLost(self, reason: Any = None) -> None:
        if reactor.running:
            reactor.stop()


if __name__ == "__main__":
    stdio.StandardIO(Commands())
    reactor.run()
