"""What the two programs tell each other about. The server's program registers none of these classes."""

from __future__ import annotations

from twisted.spread import pb


class Pond(pb.Copyable):
    """Ducks, copied."""

    def __init__(self) -> None:
        self.ducks = 2


class SenderPond(pb.Cacheable):
    """Ducks, kept in step, the first time in vain."""

    def getStateToCacheAndObserveFor(self, perspective, observer):
        raise ValueError("no ducks today")

    def stoppedObserving(self, perspective, observer):
        pass


class Drought(pb.Copyable, pb.Error):
    """An error that is copied."""


class ReceivedPond(pb.RemoteCopy):
    """What a pond is to who receives it."""


class Leaf(pb.Referenceable):
    """Something to lend."""

    def remote_echo(self, value):
        return value

    def remote_blob(self, size):
        return b"x" * size

    def remote_pond(self):
        return Pond()
