"""Factories, Deferreds and callbacks: Perspective Broker as it was always written, on asyncio's own calls.

Prints::

    hello network
    error: No such method: remote_shout
"""

from __future__ import annotations

import asyncio

from pbshell import defer, pb


class Echoer(pb.Root):
    def remote_echo(self, st: object) -> object:
        return st


def converse(root: pb.RemoteReference) -> defer.Deferred[None]:
    """Two calls, one after the other; each Deferred takes its callbacks before its result is there."""
    d = root.callRemote("echo", "hello network")
    d.addCallback(print)
    d.addCallback(lambda _: root.callRemote("shout"))
    d.addCallbacks(print, lambda reason: print("error:", reason.getErrorMessage()))
    return d


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(pb.PBServerFactory(Echoer()), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    factory = pb.PBClientFactory()
    d = factory.getRootObject()
    d.addCallback(converse)
    transport, _ = await loop.create_connection(factory, "127.0.0.1", port)
    await d

    transport.close()
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
