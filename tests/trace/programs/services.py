"""What Twisted serves in the incidents, each a factory by the name that a test asks for. Knows nothing of who comes."""

from __future__ import annotations

import ponds
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import ISSHPrivateKey
from twisted.cred.portal import Portal
from twisted.internet import defer, protocol, reactor
from twisted.spread import banana, pb


class Bench(pb.Root):
    """Does what it is asked for, on the connection that asks."""

    def __init__(self, broker=None):
        self.broker = broker
        self.kept = []

    def rootObject(self, broker):
        return Bench(broker)

    def remote_echo(self, value):
        return value

    def remote_build(self, *args, **kwargs):
        return "built"

    def remote_hang(self):
        return defer.Deferred()

    def remote_fail(self):
        raise ValueError("nope")

    def remote_fail_and_close(self):
        reactor.callLater(0, self.broker.transport.loseConnection)
        raise ValueError("nope")

    def remote_dry(self):
        raise ponds.Drought

    def remote_pond(self):
        return ponds.Pond()

    def remote_cached(self):
        self.kept = self.kept or [ponds.SenderPond()]
        return self.kept[0]

    def remote_blob(self, size):
        return b"x" * size

    def remote_later(self, size):
        done = defer.Deferred()
        reactor.callLater(0, done.callback, b"x" * size)
        return done

    def remote_lend(self, many):
        self.kept += [ponds.Leaf() for _ in range(many)]
        return self.kept[-many:]

    def remote_close(self):
        self.broker.transport.loseConnection()

    def remote_abort(self):
        reactor.callLater(0, self.broker.transport.abortConnection)
        return defer.Deferred()

    def remote_call(self, them, method, *args):
        return them.callRemote(method, *args)


class Realm:
    def requestAvatar(self, avatar, mind, *interfaces):
        return pb.IPerspective, pb.Avatar(), lambda: None


class PatientRealm:
    def requestAvatar(self, avatar, mind, *interfaces):
        return defer.Deferred()


class KeyChecker:
    credentialInterfaces = (ISSHPrivateKey,)


def bench():
    return pb.PBServerFactory(Bench())


def portal():
    return pb.PBServerFactory(Portal(Realm(), [InMemoryUsernamePasswordDatabaseDontUse(alice=b"sesame")]))


def patient():
    return pb.PBServerFactory(Portal(PatientRealm(), [InMemoryUsernamePasswordDatabaseDontUse(alice=b"sesame")]))


def keys():
    return pb.PBServerFactory(Portal(Realm(), [KeyChecker()]))


class Rude(protocol.Protocol):
    def connectionMade(self):
        self.transport.loseConnection()


def rude():
    return protocol.Factory.forProtocol(Rude)


class OldBroker(pb.Broker):
    knownDialects = [b"none"]  # noqa: RUF012 (Twisted's own attribute)


def old():
    factory = bench()
    factory.protocol = OldBroker
    return factory


def generous():
    """Takes 10 MiB, which its clients do not; the limit is one of the whole program, so other incidents see it too."""
    banana.SIZE_LIMIT = 10 * 1024 * 1024
    return bench()
