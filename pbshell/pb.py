"""The library's public face: all that the Perspective Broker manual calls ``pb.X``, and `connect`, `serve`, `relay`.

async with pb.serve(Echoer(), "tcp:8789"):
    async with pb.connect("localhost:8789") as connection:
        root = await connection.getRootObject()
        print(await root.callRemote("echo", "hello network"))
"""

from pbshell.broker.atoms import Unpersistable
from pbshell.broker.broker import Broker, Link, current_connection
from pbshell.broker.failures import CopiedFailure
from pbshell.broker.flavors import (
    AsReferenceable,
    Avatar,
    Cacheable,
    Copyable,
    IPerspective,
    Jellyable,
    Referenceable,
    Root,
    Viewable,
    ViewPoint,
)
from pbshell.broker.jelly import Jellier, jelly
from pbshell.broker.references import (
    LocalReference,
    Observers,
    RemoteCache,
    RemoteCacheObserver,
    RemoteCopy,
    RemoteReference,
    release,
)
from pbshell.broker.registry import (
    Registry,
    Unjellyable,
    setUnjellyableFactoryForClass,
    setUnjellyableForClass,
    setUnjellyableForClassTree,
)
from pbshell.broker.security import SecurityOptions, globalSecurity
from pbshell.broker.unjelly import Unjellier, unjelly
from pbshell.errors import (
    BananaError,
    CannotEncode,
    CannotJelly,
    ConnectionGone,
    DeadReferenceError,
    DialectError,
    Error,
    ForeignReference,
    InsecureJelly,
    LimitExceeded,
    NoSuchMethod,
    PBConnectionLost,
    PBError,
    PeerError,
    ProtocolError,
    RefusedClass,
    RemoteError,
    UsageError,
)
from pbshell.net.client import Connecting, connect
from pbshell.net.connection import Connection
from pbshell.net.factories import PBClientFactory, PBServerFactory, connectTCP
from pbshell.net.paging import CallbackPageCollector, FilePager, Pager, StringPager, getAllPages
from pbshell.net.relay import Relay, relay
from pbshell.net.server import Server, serve
from pbshell.wire.limits import Limits

__all__ = [
    "AsReferenceable",
    "Avatar",
    "BananaError",
    "Broker",
    "Cacheable",
    "CallbackPageCollector",
    "CannotEncode",
    "CannotJelly",
    "Connecting",
    "Connection",
    "ConnectionGone",
    "CopiedFailure",
    "Copyable",
    "DeadReferenceError",
    "DialectError",
    "Error",
    "FilePager",
    "ForeignReference",
    "IPerspective",
    "InsecureJelly",
    "Jellier",
    "Jellyable",
    "LimitExceeded",
    "Limits",
    "Link",
    "LocalReference",
    "NoSuchMethod",
    "Observers",
    "PBClientFactory",
    "PBConnectionLost",
    "PBError",
    "PBServerFactory",
    "Pager",
    "PeerError",
    "ProtocolError",
    "Referenceable",
    "RefusedClass",
    "Registry",
    "Relay",
    "RemoteCache",
    "RemoteCacheObserver",
    "RemoteCopy",
    "RemoteError",
    "RemoteReference",
    "Root",
    "SecurityOptions",
    "Server",
    "StringPager",
    "Unjellier",
    "Unjellyable",
    "Unpersistable",
    "UsageError",
    "ViewPoint",
    "Viewable",
    "connect",
    "connectTCP",
    "current_connection",
    "getAllPages",
    "globalSecurity",
    "jelly",
    "relay",
    "release",
    "serve",
    "setCopierForClass",
    "setCopierForClassTree",
    "setUnjellyableFactoryForClass",
    "setUnjellyableForClass",
    "setUnjellyableForClassTree",
    "unjelly",
]

# The manual's older names of the same two registrations.
setCopierForClass = setUnjellyableForClass
setCopierForClassTree = setUnjellyableForClassTree
