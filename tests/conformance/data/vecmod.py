"""Classes named inside the jelly vectors (tags are "vecmod.<Name>")."""

from twisted.spread import pb


class Plain:
    pass


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


class WithState:
    def __getstate__(self):
        return [1, "two"]

    def __setstate__(self, s):
        self.got = s


class Slotted:
    __slots__ = ("a",)


class Thing(pb.Copyable):
    pass


class ThingCopy(pb.RemoteCopy):
    pass


class Renamed(pb.Copyable):
    def getTypeToCopy(self):
        return b"short-tag"


class Pond(pb.Cacheable):
    def getStateToCacheAndObserveFor(self, perspective, observer):
        return {"count": 3}


class PondCache(pb.RemoteCache):
    pass


class Ref(pb.Referenceable):
    pass


class View(pb.Viewable):
    pass


def function():
    pass
