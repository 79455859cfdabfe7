"""A relay between two programs that know nothing of it, which tells every call that takes more than 0.1 seconds.

Prints::

    slow: getBuilder('linux').build('docs')
    slow: getBuilder('linux').build('tests'), and it failed
    6 calls, 2 of them slow
"""

from __future__ import annotations

import asyncio
import contextlib

from pbshell import pb
from pbshell.trace import Dissection, Dissector, filters, plain
from pbshell.wire.chunk import Piece
from pbshell.wire.verbs import ErrorAnswer, Message


class Watcher:
    """Explains what passes, and prints the slow ones among the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.slow = 0
        self._dissector = Dissector()
        self._is_slow = filters.parse("~t >100ms")

    def tap(self, piece: Piece) -> None:
        """Take what has passed: bytes, or what the connection did."""
        for dissection in self._dissector.feed(piece):
            if isinstance(dissection.what, Message):
                self.calls += 1
            # Only an answer can be slow, and its call is known then.
            if self._is_slow(dissection, None) and dissection.call is not None:
                self.slow += 1
                failed = isinstance(dissection.what, ErrorAnswer)
                print(f"slow: {spoken(dissection.call)}{', and it failed' if failed else ''}")


def spoken(call: Dissection) -> str:
    """The *call* as one would write it; its object is called by the call that it was born of."""
    what = call.what
    if not isinstance(what, Message) or call.sender is None:
        return "a change of a cached object"
    arguments = plain(what.args, call.sender) or ()
    label = call.target.label if call.target is not None else "an unknown object"
    return f"{label}.{what.method.decode(errors='replace')}({', '.join(map(repr, arguments))})"


class Builder(pb.Referenceable):
    def __init__(self, platform: str) -> None:
        self._platform = platform

    def remote_ping(self) -> str:
        return "pong"

    async def remote_build(self, what: str) -> str:
        await asyncio.sleep(0.15)
        if what == "tests":
            raise pb.Error(f"{self._platform} has no tests")
        return f"{what} built for {self._platform}"


class Builders(pb.Root):
    def remote_getBuilder(self, platform: str) -> Builder:
        return Builder(platform)


async def client(port: int) -> None:
    """One of the two programs: it connects to *port*, and does not know who listens there."""
    async with pb.connect(f"localhost:{port}") as connection:
        root = await connection.getRootObject()
        builder = await root.callRemote("getBuilder", "linux")
        for _ in range(3):
            await builder.callRemote("ping")
        await builder.callRemote("build", "docs")
        with contextlib.suppress(pb.RemoteError):
            await builder.callRemote("build", "tests")


async def main() -> None:
    watcher = Watcher()
    async with (
        pb.serve(Builders(), "tcp:0") as server,
        pb.relay("tcp:0", f"localhost:{server.port}", tap=watcher.tap) as between,
    ):
        assert between.port is not None
        await client(between.port)
    print(f"{watcher.calls} calls, {watcher.slow} of them slow")


if __name__ == "__main__":
    asyncio.run(main())
