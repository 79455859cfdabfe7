"""The desk with Twisted programs that hang, fall silent or leak. Each service and each visit has its name here.

Run as a program, with the commands of desk.py. Nothing here waits for a time: what happens is one thing after another,
and a test says how much time has passed between.
"""

from __future__ import annotations

import os
import signal
import sys

import desk
from twisted.internet import defer, reactor, stdio, task
from twisted.spread import pb
from visits import Factory

__all__ = ["Factory"]

# ------------------------------------------------------------------------------------------------ what is served


class Builder(pb.Referenceable):
    def remote_ping(self):
        return defer.Deferred()

    def remote_name(self):
        return "linux"


class Status(pb.Cacheable):
    def getStateToCacheAndObserveFor(self, perspective, observer):
        return {}

    def stoppedObserving(self, perspective, observer):
        pass


class StatusCopy(pb.RemoteCache):
    pass


pb.setUnjellyableForClass(Status, StatusCopy)


class Works(pb.Root):
    """Serves what does not come to an end."""

    def __init__(self):
        self.debts = []
        self.held = []
        self.served = 0
        self.status = Builder()

    def rootObject(self, broker):
        return Works()

    def remote_hold(self, them):
        self.held.append(them)

    def remote_echo(self, value):
        return value

    def remote_hang(self):
        return defer.Deferred()

    def remote_stop(self):
        """Stop the process as a debugger does; whoever started it lets it go on."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def remote_work(self, times):
        """Answer so many times, and then no more."""
        self.served += 1
        return "done" if self.served <= times else defer.Deferred()

    def remote_blob(self, size):
        done = defer.Deferred()
        reactor.callLater(0, done.callback, b"x" * size)
        return done

    def remote_ask(self, them):
        return them.callRemote("question")

    def remote_keep(self, them):
        self.them = them

    def remote_ask_kept(self):
        return self.them.callRemote("question")

    def remote_ask_later(self):
        self.them.callRemote("question").addErrback(lambda failure: None)

    def remote_keepalive(self):
        self.served += 1
        if self.served == 12:
            raise ValueError("no more")

    def remote_subscribe(self, observer, times):
        """Call *observer* so many times, and then lose it, as a loop does that fails."""
        self.left = times

        def tick():
            self.left -= 1
            if self.left < 0:
                raise ValueError("what is called has gone wrong")
            return observer.callRemote("tick")

        self.loop = task.LoopingCall(tick)
        self.kept = observer
        self.loop.start(0).addErrback(lambda failure: None)

    def remote_getBuilder(self, name):
        return Builder()

    def remote_getWorker(self):
        return Builder()

    def remote_getStatus(self):
        return self.status

    def remote_getCopy(self):
        return Status()

    def remote_owe(self):
        self.debts.append(defer.Deferred())
        return self.debts[-1]

    def remote_pay(self):
        self.debts.pop(0).callback("paid")

    def remote_take(self, data):
        return len(data)


def works():
    return pb.PBServerFactory(Works())


# ------------------------------------------------------------------------------------------------ who visits


class Leaf(pb.Referenceable):
    def __init__(self, *, fail_at=0):
        self.lock = defer.DeferredLock()
        self.ticks = 0
        self.fail_at = fail_at
        self.last = defer.Deferred()

    def remote_question(self):
        """Answer as soon as nobody holds the lock."""
        return self.lock.run(lambda: "answer")

    def remote_tick(self):
        self.ticks += 1
        if self.ticks in (112, self.fail_at):
            reactor.callLater(0, self.last.callback, None)
        if self.ticks == self.fail_at:
            raise ValueError("nope")


def lose(call):
    """Make *call* without waiting for it."""
    call.addErrback(lambda failure: None)


async def forever():
    await defer.Deferred()


async def asks_what_hangs(factory):
    root = await factory.getRootObject()
    lose(root.callRemote("hang"))
    await root.callRemote("echo", 1)
    await forever()


async def asks_many_that_hang(factory):
    root = await factory.getRootObject()
    for _ in range(10):
        lose(root.callRemote("hang"))
    await root.callRemote("echo", 1)
    await forever()


async def asks_only_what_hangs(factory):
    root = await factory.getRootObject()
    await root.callRemote("echo", 1)
    await root.callRemote("hang")


async def asks_builder(factory):
    root = await factory.getRootObject()
    builder = await root.callRemote("getBuilder", "linux")
    lose(builder.callRemote("ping"))
    await builder.callRemote("name")
    await forever()


async def works_until_it_hangs(factory):
    root = await factory.getRootObject()
    for _ in range(4):
        await root.callRemote("work", 4)
    lose(root.callRemote("work", 4))
    await root.callRemote("echo", 1)
    await forever()


async def gets_blobs(factory):
    root = await factory.getRootObject()
    for size in (100_000, 640_000):
        await root.callRemote("blob", size)
    lose(root.callRemote("blob", 655_361))
    await root.callRemote("echo", 1)
    await forever()


async def stops_server(factory):
    root = await factory.getRootObject()
    for _ in range(3):
        await root.callRemote("echo", 1)
    lose(root.callRemote("stop"))
    await root.callRemote("echo", 2)


async def only_stops_server(factory):
    root = await factory.getRootObject()
    await root.callRemote("echo", 1)
    await root.callRemote("stop")


async def sends_much_to_who_is_stopped(factory):
    root = await factory.getRootObject()
    lose(root.callRemote("stop"))
    for _ in range(40):
        lose(root.callRemote("take", b"x" * 600_000))
    await forever()


async def waits_in_a_circle(factory):
    root = await factory.getRootObject()
    leaf = Leaf()
    await root.callRemote("echo", 1)
    await leaf.lock.run(root.callRemote, "ask", leaf)


async def is_called_in_between(factory):
    """Lend first, and be called later, while something else waits."""
    root = await factory.getRootObject()
    leaf = Leaf()
    await root.callRemote("keep", leaf)
    lose(leaf.lock.run(defer.Deferred))
    lose(root.callRemote("hang"))
    await root.callRemote("ask_later")
    await root.callRemote("echo", 1)
    await forever()


async def keeps_alive(factory):
    """Beat six times, and then go on without."""
    root = await factory.getRootObject()
    for _ in range(6):
        await root.callRemote("keepalive")
    for _ in range(10):
        await root.callRemote("echo", 1)
    await forever()


async def keeps_alive_in_a_loop(factory):
    """Beat until it fails, which ends a LoopingCall."""
    root = await factory.getRootObject()
    await task.LoopingCall(root.callRemote, "keepalive").start(0).addErrback(lambda failure: None)
    for _ in range(10):
        await root.callRemote("echo", 1)
    await forever()


async def keeps_alive_and_stops(factory):
    root = await factory.getRootObject()
    for _ in range(6):
        await root.callRemote("keepalive")
    os.kill(os.getpid(), signal.SIGSTOP)
    await forever()


async def subscribes(factory):
    root = await factory.getRootObject()
    leaf = Leaf()
    await root.callRemote("subscribe", leaf, 112)
    await leaf.last
    for _ in range(60):
        await root.callRemote("echo", 1)
    await forever()


async def subscribes_and_fails(factory):
    root = await factory.getRootObject()
    leaf = Leaf(fail_at=20)
    await root.callRemote("subscribe", leaf, 112)
    await leaf.last
    for _ in range(60):
        await root.callRemote("echo", 1)
    await forever()


async def keeps_builders(factory):
    root = await factory.getRootObject()
    kept = []
    for number in range(812):
        if number % 37 == 36:
            kept.append(await root.callRemote("getWorker"))
        else:
            kept.append(await root.callRemote("getBuilder", f"builder {number}"))
    await forever()
    return kept


async def drops_builders(factory):
    root = await factory.getRootObject()
    for number in range(400):
        await root.callRemote("getBuilder", f"builder {number}")
    await root.callRemote("echo", 1)
    await forever()


async def keeps_until_full(factory):
    root = await factory.getRootObject()
    kept = [await root.callRemote("getBuilder", f"builder {number}") for number in range(1_024)]
    await forever()
    return kept


async def keeps_copies(factory):
    root = await factory.getRootObject()
    kept = [await root.callRemote("getCopy") for _ in range(120)]
    await forever()
    return kept


async def lends_leaves(factory):
    root = await factory.getRootObject()
    for _ in range(110):
        await root.callRemote("hold", Leaf())
    await forever()


async def keeps_the_same(factory):
    root = await factory.getRootObject()
    kept = [await root.callRemote("getStatus") for _ in range(120)]
    await forever()
    return kept


async def calls_faster_than_it_is_answered(factory):
    root = await factory.getRootObject()
    for _ in range(200):
        lose(root.callRemote("owe"))
        lose(root.callRemote("owe"))
        await root.callRemote("pay")
    await forever()


async def calls_in_one_go(factory):
    root = await factory.getRootObject()
    await defer.gatherResults([root.callRemote("echo", number) for number in range(500)])
    await forever()


if __name__ == "__main__":
    desk.services = desk.visits = sys.modules["__main__"]
    stdio.StandardIO(desk.Commands())
    reactor.run()
