"""Who visits in the incidents, each a coroutine by the name that a test asks for. Knows nothing of who serves."""

from __future__ import annotations

import contextlib

import ponds
from twisted.cred.credentials import Anonymous, UsernamePassword
from twisted.internet import defer, reactor
from twisted.spread import banana, jelly, pb

STOCK = banana.SIZE_LIMIT


class Factory(pb.PBClientFactory):
    """Tells when its connection has ended, and forgets what a visit has set."""

    when_gone: defer.Deferred

    def clientConnectionLost(self, connector, reason, reconnecting=0):
        super().clientConnectionLost(connector, reason, reconnecting)
        banana.SIZE_LIMIT = STOCK
        self.when_gone.callback(None)


def pause(seconds=0.0):
    done = defer.Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done


async def _failing(call):
    try:
        return await call
    except Exception as error:
        return error


async def good(factory):
    root = await factory.getRootObject()
    await root.callRemote("echo", "hello")
    factory.disconnect()


async def idle(factory):
    root = await factory.getRootObject()
    await root.callRemote("hang")


async def leaves_early(factory):
    root = await factory.getRootObject()
    root.callRemote("hang").addErrback(lambda failure: None)
    await root.callRemote("echo", 1)
    factory.disconnect()


async def is_closed(factory):
    root = await factory.getRootObject()
    root.callRemote("hang").addErrback(lambda failure: None)
    await root.callRemote("close")


async def is_aborted(factory):
    root = await factory.getRootObject()
    await root.callRemote("abort")


async def sends_much(factory):
    banana.SIZE_LIMIT = 10 * 1024 * 1024
    root = await factory.getRootObject()
    await root.callRemote("echo", 1)
    await root.callRemote("build", b"x" * 720_896)
    factory.disconnect()


async def sends_much_text_by_name(factory):
    banana.SIZE_LIMIT = 10 * 1024 * 1024
    root = await factory.getRootObject()
    await root.callRemote("build", patch="x" * 720_896)


async def sends_many(factory):
    banana.SIZE_LIMIT = 10 * 1024 * 1024
    root = await factory.getRootObject()
    await root.callRemote("build", [1] * 700_000)


async def sends_nearly(factory):
    root = await factory.getRootObject()
    await root.callRemote("build", b"x" * 600_000)
    factory.disconnect()


async def sends_just(factory):
    root = await factory.getRootObject()
    await root.callRemote("build", b"x" * 655_360)
    factory.disconnect()


async def cannot_send(factory):
    root = await factory.getRootObject()
    await root.callRemote("echo", 1)
    with contextlib.suppress(banana.BananaError):
        root.callRemote("build", b"x" * 720_896)
    await root.callRemote("echo", 2)
    factory.disconnect()


async def asks_for_much(factory):
    root = await factory.getRootObject()
    root.callRemote("hang").addErrback(lambda failure: None)
    await root.callRemote("blob", 720_896)


async def asks_for_much_later(factory):
    root = await factory.getRootObject()
    root.callRemote("later", 720_896).addErrback(lambda failure: None)
    await root.callRemote("echo", 1)
    await pause(0.05)
    await root.callRemote("echo", 2)
    factory.disconnect()


async def gets_pond(factory):
    root = await factory.getRootObject()
    await root.callRemote("pond")


async def gets_pond_while_waiting(factory):
    root = await factory.getRootObject()
    root.callRemote("hang").addErrback(lambda failure: None)
    await root.callRemote("pond")


async def gets_known_pond(factory):
    pb.setUnjellyableForClass("ponds.Pond", ponds.ReceivedPond)
    try:
        root = await factory.getRootObject()
        await root.callRemote("pond")
        await root.callRemote("echo", 1)
        await root.callRemote("pond")
    finally:
        jelly.unjellyableRegistry.pop(b"ponds.Pond")
    factory.disconnect()


async def gets_drought(factory):
    root = await factory.getRootObject()
    await root.callRemote("dry")


async def gets_poison(factory):
    root = await factory.getRootObject()
    await _failing(root.callRemote("cached"))
    await root.callRemote("cached")


async def gives_pond(factory):
    root = await factory.getRootObject()
    for _ in range(3):
        await _failing(root.callRemote("build", ponds.Pond()))
    await root.callRemote("echo", 1)
    factory.disconnect()


async def gives_class(factory):
    root = await factory.getRootObject()
    await _failing(root.callRemote("build", ponds.Pond))
    factory.disconnect()


async def lends(factory):
    root = await factory.getRootObject()
    await root.callRemote("call", ponds.Leaf(), "pond")


async def borrows(factory):
    root = await factory.getRootObject()
    kept = await root.callRemote("lend", 1000)
    for _ in range(3):
        await _failing(root.callRemote("lend", 25))
    await root.callRemote("echo", len(kept))
    factory.disconnect()


async def borrows_on(factory):
    root = await factory.getRootObject()
    kept = await root.callRemote("lend", 1000)
    for _ in range(4):
        await _failing(root.callRemote("lend", 25))
    await root.callRemote("echo", len(kept))


async def fails(factory):
    root = await factory.getRootObject()
    await _failing(root.callRemote("fail"))
    factory.disconnect()


async def fails_and_is_closed(factory):
    root = await factory.getRootObject()
    await root.callRemote("fail_and_close")


async def logs_in(factory):
    await factory.login(UsernamePassword(b"alice", b"sesame"))
    factory.disconnect()


async def guesses(factory):
    for number in range(17):
        name = (b"alice", b"bob", b"carol")[number % 3]
        await _failing(factory.login(UsernamePassword(name, b"guess %d" % number)))
    factory.disconnect()


async def guesses_once(factory):
    await _failing(factory.login(UsernamePassword(b"bob", b"guess")))
    factory.disconnect()


async def errs_then_logs_in(factory):
    await _failing(factory.login(UsernamePassword(b"alice", b"guess")))
    await factory.login(UsernamePassword(b"alice", b"sesame"))
    factory.disconnect()


async def begins_to_log_in(factory):
    root = await factory.getRootObject()
    await root.callRemote("login", b"alice")
    factory.disconnect()


async def waits_for_login(factory):
    factory.login(UsernamePassword(b"alice", b"sesame")).addErrback(lambda failure: None)
    await pause(0.1)
    factory.disconnect()


async def comes_anonymous(factory):
    await _failing(factory.login(Anonymous()))
    factory.disconnect()


async def just_connects(factory):
    await factory.getRootObject()


class NewBroker(pb.Broker):
    knownDialects = [b"pb"]  # noqa: RUF012 (Twisted's own attribute)


class NewFactory(Factory):
    protocol = NewBroker


async def speaks_pb_only(factory):
    await factory.getRootObject()


speaks_pb_only.factory = NewFactory
