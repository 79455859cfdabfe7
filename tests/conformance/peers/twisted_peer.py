"""A Twisted reactor that serves and connects on request. Knows pipes, ports and deadlines; knows no scenario.

Run as a program. Each line on stdin is a command, an object with a key ``do``; each gets one line on stdout, either
``{"result": ...}`` or ``{"crash": traceback}``. The program ends when stdin does.

    serve what dialect           -> the port on 127.0.0.1; dialect "none" offers nothing else
    visit what port dialect      -> the steps the Twisted client *what* saw; dialect "none" knows nothing else
    events                       -> the texts of the events that have been noted so far
    wait text count              -> null, as soon as an event of that text has been noted so many times
    log                          -> the log since the last time, as [{isError, text}]
    connections                  -> how many connections the servers have now
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "data")]

import params_public
import peer
import twisted_lab
import twisted_visits
from twisted.internet import defer, reactor, stdio
from twisted.protocols.basic import LineReceiver
from twisted.python import log
from twisted.spread import pb

DEADLINE = 20.0  # seconds for one command
peer.H.PAUSE = 0  # what the last step set free leaves before the next step's call: the stream keeps the order

LOG: list[dict[str, Any]] = []
CONNECTIONS: set[pb.Broker] = set()


class Broker(pb.Broker):
    """Counts itself while it is connected."""

    def connectionMade(self) -> None:
        CONNECTIONS.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Any) -> None:
        CONNECTIONS.discard(self)
        super().connectionLost(reason)
        twisted_lab.EVENTS.note("connection lost")


class NoneBroker(Broker):
    """Offers, and knows, dialect none only."""

    knownDialects = [b"none"]  # noqa: RUF012 (Twisted's own attribute)


BROKERS = {"pb": Broker, "none": NoneBroker}


def server_factory(what: str) -> pb.PBServerFactory:
    kind, _, name = what.partition("/")
    if kind == "recorded":
        peer.configure(name, params_public.PARAMS)
        return peer.SRV[name]()
    return twisted_lab.SERVERS[what]()


def serve(what: str, dialect: str) -> int:
    factory = server_factory(what)
    factory.protocol = BROKERS[dialect]
    return reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port


async def visit(what: str, port: int, dialect: str) -> list[dict[str, Any]]:
    kind, _, name = what.partition("/")
    factory = pb.PBClientFactory()
    factory.protocol = BROKERS[dialect]
    if kind == "recorded":
        peer.configure(name, params_public.PARAMS)
        scenario = peer.CLI[name]
    else:
        scenario = twisted_visits.VISITS[what]
    gone: defer.Deferred[None] = defer.Deferred()
    factory.clientConnectionLost = lambda *args, **kwargs: (
        pb.PBClientFactory.clientConnectionLost(factory, *args, **kwargs),
        gone.callback(None),
    )
    steps = peer.H(factory, reactor.connectTCP("127.0.0.1", port, factory))
    await factory.getRootObject()
    await scenario(steps)
    factory.disconnect()
    await gone
    return steps.steps


class Commands(LineReceiver):
    """Reads commands and runs them one after the other."""

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
            return serve(**arguments)
        if do == "visit":
            return await visit(**arguments)
        if do == "wait":
            return await twisted_lab.EVENTS.when(**arguments)
        if do == "events":
            return list(twisted_lab.EVENTS.texts)
        if do == "log":
            lines = LOG[:]
            LOG.clear()
            return lines
        if do == "connections":
            return len(CONNECTIONS)
        raise ValueError(do)

    def connectionLost(self, reason: Any = None) -> None:
        if reactor.running:
            reactor.stop()


def observe(event: dict[str, Any]) -> None:
    line = peer.readable(event)
    if line is not None:
        LOG.append(line)


if __name__ == "__main__":
    log.addObserver(observe)
    stdio.StandardIO(Commands())
    reactor.run()
