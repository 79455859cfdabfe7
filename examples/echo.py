"""A server that echoes, and a client that asks it: the smallest Perspective Broker.

Prints::

    hello network
    the server says: no echo of b'noise'
"""

from __future__ import annotations

import asyncio

from pbshell import pb


class Echoer(pb.Root):
    """What everybody gets who connects."""

    def remote_echo(self, st: object) -> object:
        if isinstance(st, bytes):
            # pb.Error is the base of exceptions that are meant for the caller.
            raise pb.Error(f"no echo of {st!r}")
        return st


async def main() -> None:
    async with pb.serve(Echoer(), "tcp:0") as server, pb.connect(f"localhost:{server.port}") as connection:
        root = await connection.getRootObject()
        print(await root.callRemote("echo", "hello network"))
        try:
            await root.callRemote("echo", b"noise")
        except pb.RemoteError as error:
            print("the server says:", error)


if __name__ == "__main__":
    asyncio.run(main())
