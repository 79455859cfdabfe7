"""The two ends of the recorded connections, on pbshell. Knows what peer.py in data/ does; knows no transport.

``s_<scenario>(world)`` gives the root object, or the portal, of the server; ``c_<scenario>(h)`` is the client. They
mirror the functions of the same names in data/peer.py line for line, their names and values come from PARAMS, and
where a text on the wire holds the name of a function, the function here has that name too.
"""

from __future__ import annotations

import gc
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from pbshell import cred, defer, pb
from tests.conformance.values import PARAMS, untyped

MODULE = PARAMS["_module"]

Server = Callable[["World"], Any]
Client = Callable[["Recorder"], Coroutine[Any, Any, None]]
SERVERS: dict[str, Server] = {}
CLIENTS: dict[str, Client] = {}


class World(Protocol):
    """What a server needs from whoever runs it."""

    log: list[str]

    def later(self, delay: float, result: Callable[[], Any]) -> Any:
        """A Deferred that fires with *result()* after *delay* seconds of the world's clock."""

    def hang_up(self, broker: Any) -> None:
        """Close the connection of *broker* once everything is written."""


class Recorder(Protocol):
    """What a client needs: its connection, and a place to note what it saw."""

    steps: list[dict[str, Any]]

    def root(self) -> Awaitable[Any]: ...
    def login(self, credentials: Any, mind: Any = None) -> Any: ...
    async def step(self, label: str, deferred: Any) -> Any: ...
    def note(self, label: str, value: Any) -> None: ...
    async def pause(self) -> None: ...


def server(function: Server) -> Server:
    SERVERS[function.__name__[2:]] = function
    return function


def client(function: Client) -> Client:
    CLIENTS[function.__name__[2:]] = function
    return function


def named(name: str, bases: tuple[type, ...], **attributes: Any) -> Any:
    """A class of the recordings' module."""
    return type(name, bases, {"__module__": MODULE, **attributes})


def tag(name: str) -> str:
    return f"{MODULE}.{name}"


# ---------------------------------------------------------------- echo
@server
def s_echo_root(world: World) -> Any:
    p = PARAMS["echo_root"]
    return named("EchoRoot", (pb.Root,), **{"remote_" + p["method"]: lambda self, x: x})()


@client
async def c_echo_root(h: Recorder) -> None:
    p = PARAMS["echo_root"]
    root = await h.step("getRootObject", h.root())
    for number, value in enumerate(p["values"]):
        await h.step(f"echo {number}", root.callRemote(p["method"], untyped(value)))


# ---------------------------------------------------------------- references
@server
def s_two_three(world: World) -> Any:
    p = PARAMS["two_three"]

    def three(self: Any, arg: Any) -> Any:
        world.log.append(f"three called with {arg!r}")
        return arg * p["factor"]

    two = named("Two", (pb.Referenceable,), **{"remote_" + p["inner"]: three})()
    return named("One", (pb.Root,), **{"remote_" + p["getter"]: lambda self: two})()


@client
async def c_two_three(h: Recorder) -> None:
    p = PARAMS["two_three"]
    root = await h.root()
    two = await h.step("get", root.callRemote(p["getter"]))
    await h.step("call", two.callRemote(p["inner"], p["arg"]))
    del two
    await h.pause()


@server
def s_reference_back(world: World) -> Any:
    p = PARAMS["reference_back"]
    two = named("Two", (pb.Referenceable,), remote_noop=lambda self: None)()
    return named(
        "One",
        (pb.Root,),
        **{
            "remote_" + p["getter"]: lambda self: two,
            "remote_" + p["checker"]: lambda self, x: [x is two, type(x).__name__],
            "remote_inside": lambda self, d: d["key"] is two,
        },
    )()


@client
async def c_reference_back(h: Recorder) -> None:
    p = PARAMS["reference_back"]
    root = await h.root()
    two = await h.step("get", root.callRemote(p["getter"]))
    await h.step("check same reference", root.callRemote(p["checker"], two))
    await h.step("check root reference", root.callRemote(p["checker"], root))
    await h.step("reference inside dict", root.callRemote("inside", {"key": two}))
    two2 = await h.step("get again", root.callRemote(p["getter"]))
    h.note("two references equal", two == two2)
    h.note("two references identical", two is two2)
    del two, two2
    await h.pause()


@server
def s_client_reference(world: World) -> Any:
    p = PARAMS["client_reference"]
    kept: list[Any] = []

    def take(self: Any, ref: Any) -> Any:
        return ref.callRemote(p["callback"], p["arg"])

    def keep(self: Any, ref: Any) -> None:
        kept.append(ref)

    def drop(self: Any) -> None:
        kept.clear()
        gc.collect()

    def same(self: Any, a: Any, b: Any) -> list[bool]:
        return [a is b, a == b]

    return named(
        "Taker",
        (pb.Root,),
        remote_take=take,
        remote_keep=keep,
        remote_drop=drop,
        remote_same=same,
        remote_giveback=lambda self: kept[0],
    )()


@client
async def c_client_reference(h: Recorder) -> None:
    p = PARAMS["client_reference"]
    calls: list[Any] = []

    def three(self: Any, x: Any) -> Any:
        calls.append(x)
        return p["reply"]

    obj = named("Mine", (pb.Referenceable,), **{"remote_" + p["callback"]: three})()
    root = await h.root()
    await h.step("take", root.callRemote("take", obj))
    h.note("calls received", list(calls))
    await h.step("keep", root.callRemote("keep", obj))
    back = await h.step("giveback", root.callRemote("giveback"))
    h.note("giveback is my object", back is obj)
    await h.step("same object twice in one call", root.callRemote("same", obj, obj))
    await h.step("drop", root.callRemote("drop"))
    await h.pause()


@server
def s_repeated_references(world: World) -> Any:
    p = PARAMS["repeated_references"]
    thing = named("T", (pb.Referenceable,), remote_id=lambda self: p["id"])()
    return named(
        "Rp",
        (pb.Root,),
        remote_get=lambda self: thing,
        remote_pair=lambda self: [thing, thing],
        remote_nothing=lambda self: None,
    )()


@client
async def c_repeated_references(h: Recorder) -> None:
    root = await h.root()
    a = await h.step("get", root.callRemote("get"))
    b = await h.step("get", root.callRemote("get"))
    c = await h.step("pair", root.callRemote("pair"))
    h.note("all same luid", [a.luid, b.luid, c[0].luid, c[1].luid])
    del a
    await h.pause()
    h.note("dropped one", "one decref")
    await h.step("separator", root.callRemote("nothing"))
    del b, c
    await h.pause()
    h.note("dropped three", "three decrefs")
    await h.step("separator", root.callRemote("nothing"))
    a = await h.step("get again: new luid", root.callRemote("get"))
    h.note("new luid", a.luid)
    await h.step("use", a.callRemote("id"))
    del a
    await h.pause()


# ---------------------------------------------------------------- errors
@server
def s_exceptions_safe(world: World) -> Any:
    p = PARAMS["exceptions_safe"]
    Err = named(p["err"], (pb.Error,))
    Sub = named(p["sub"], (Err,))
    Bad = named(p["bad"], (ValueError,))
    JErr = named(p["jerr"], (pb.Error, pb.Copyable))

    def raiser(cls: Any) -> Any:
        def m(self: Any) -> Any:
            raise cls(p["text"])

        return m

    def deferred(cls: Any) -> Any:
        def m(self: Any) -> Any:
            def inner() -> Any:
                raise cls(p["text"])

            return defer.maybeDeferred(inner)

        return m

    def later(cls: Any) -> Any:
        def m(self: Any) -> Any:
            return world.later(0.01, lambda: defer.fail(cls(p["text"])))

        return m

    return named(
        "Exc",
        (pb.Root,),
        remote_pberror=raiser(Err),
        remote_pbsub=raiser(Sub),
        remote_other=raiser(Bad),
        remote_deferred_pberror=deferred(Err),
        remote_deferred_other=deferred(Bad),
        remote_later_other=later(Bad),
        remote_jellyable=raiser(JErr),
        remote_empty=lambda self: (_ for _ in ()).throw(KeyError()),
        remote_relay=lambda self, ref: ref.callRemote("boom"),
    )()


@client
async def c_exceptions_safe(h: Recorder) -> None:
    p = PARAMS["exceptions_safe"]
    pb.setUnjellyableForClass(tag(p["jerr"]), named("J", (pb.RemoteCopy, pb.Error)))
    Err = named(p["err"], (pb.Error,))

    class Mine(pb.Referenceable):
        def remote_boom(self) -> Any:
            raise ZeroDivisionError(p["text"])

    root = await h.root()
    methods = ("pberror", "pbsub", "other", "deferred_pberror", "deferred_other", "later_other", "jellyable", "empty")
    for name in methods:
        failed = await h.step(name, root.callRemote(name))
        h.note(
            f"{name}: check() against class and dotted name",
            [
                bool(failed.check(Err)),
                bool(failed.check(tag(p["err"]))),
                bool(failed.check(pb.Error)),
                bool(failed.check(ValueError)),
                bool(failed.check("builtins.Exception")),
            ],
        )
    await h.step("error raised in my object, relayed by the server", root.callRemote("relay", Mine()))
    try:
        await root.callRemote("other")
    except pb.RemoteError as error:
        h.note("await raises", [type(error).__name__, error.remoteType, str(error), len(error.remoteTraceback) > 60])
    await h.pause()


@server
def s_unknown_method(world: World) -> Any:
    v = named("V", (pb.Viewable,), view_known=lambda self, persp: 1)()
    return named("Few", (pb.Root,), remote_one=lambda self, a: a, remote_view=lambda self: v)()


@client
async def c_unknown_method(h: Recorder) -> None:
    p = PARAMS["unknown_method"]
    root = await h.root()
    await h.step("unknown on Referenceable", root.callRemote(p["missing"]))
    await h.step("too many arguments", root.callRemote("one", 1, 2))
    await h.step("unknown keyword", root.callRemote("one", **{p["kw"]: 1}))
    v = await h.step("get viewable", root.callRemote("view"))
    await h.step("unknown on ViewPoint", v.callRemote(p["missing"]))
    await h.step("known on ViewPoint", v.callRemote("known"))
    for label, luid in (("invalid object id", 4242), ("invalid object name", p["missing"].encode())):
        await h.step(label, call_luid(root.broker, luid, "one", 1))
    del v
    await h.pause()


def call_luid(broker: Any, luid: Any, name: str, *args: Any) -> Any:
    """Call an object by a luid that nobody lent us."""
    return pb.RemoteReference(None, broker, luid, False).callRemote(name, *args)


@server
def s_insecure_argument(world: World) -> Any:
    return named("Sec", (pb.Root,), remote_take=lambda self, x: [type(x).__name__, getattr(x, "reason", None)])()


class Unsendable(pb.Jellyable):
    """Writes what Twisted writes for an instance that it may not send; a plain instance never leaves our side."""

    def __init__(self, name: str) -> None:
        self.name = name

    def jellyFor(self, jellier: Any) -> Any:
        return [b"unpersistable", f"instance of class {self.name} deemed insecure".encode()]


@client
async def c_insecure_argument(h: Recorder) -> None:
    p = PARAMS["insecure_argument"]
    C = named(p["cls"], (pb.Copyable,))
    c = C()
    c.n = p["n"]
    root = await h.root()
    await h.step("unregistered Copyable", root.callRemote("take", c))
    await h.step("unregistered Copyable in list", root.callRemote("take", [1, c]))
    await h.step("class object", root.callRemote("take", C))
    await h.step("plain instance", root.callRemote("take", Unsendable(tag(p["plain"]))))
    await h.step("still usable", root.callRemote("take", 1))


# ---------------------------------------------------------------- copies and caches
@server
def s_copyable(world: World) -> Any:
    p = PARAMS["copyable"]
    A = named(p["a"], (pb.Copyable,))
    B = named(
        p["b"],
        (pb.Copyable,),
        getTypeToCopy=lambda self: p["btag"].encode(),
        getStateToCopy=lambda self: {"visible": self.visible, b"raw": b"\x00\x01"},
    )
    pb.setUnjellyableForClass(tag(p["c"]), named("In", (pb.RemoteCopy,)))

    def geta(self: Any) -> Any:
        a = A()
        a.__dict__.update({"name": p["name"], "num": p["num"], "none": None, "flag": True, "items": [1, (2, b"3")]})
        return a

    def getb(self: Any) -> Any:
        b = B()
        b.visible, b.hidden = p["name"], "not sent"
        return b

    def shared(self: Any) -> Any:
        a = geta(self)
        return [a, a, {"again": a}]

    def circular(self: Any) -> Any:
        a = A()
        a.me, a.boxed = a, [a]
        return a

    return named(
        "Cp",
        (pb.Root,),
        remote_geta=geta,
        remote_getb=getb,
        remote_shared=shared,
        remote_circular=circular,
        remote_empty=lambda self: A(),
        remote_take=lambda self, x: [type(x).__name__, vars(x)],
    )()


@client
async def c_copyable(h: Recorder) -> None:
    p = PARAMS["copyable"]
    pb.setUnjellyableForClass(tag(p["a"]), named("RA", (pb.RemoteCopy,)))
    made: list[list[str]] = []

    def fact(state: Any) -> Any:
        r = named("RB", (pb.RemoteCopy,))()
        r.setCopyableState(state)
        made.append(sorted(map(repr, state)))
        return r

    pb.setUnjellyableFactoryForClass(p["btag"], fact)
    root = await h.root()
    await h.step("geta", root.callRemote("geta"))
    await h.step("getb", root.callRemote("getb"))
    h.note("factory saw keys", made)
    r = await root.callRemote("shared")
    h.note("shared copies identical", [r[0] is r[1], r[0] is r[2]["again"]])
    r = await root.callRemote("circular")
    h.note("circular: attribute .me is self", r.me is r)
    h.note("circular: .boxed[0] is self", r.boxed[0] is r)
    await h.step("empty", root.callRemote("empty"))
    c = named(p["c"], (pb.Copyable,))()
    c.x = p["num"]
    await h.step("send copy", root.callRemote("take", c))


@server
def s_cacheable(world: World) -> Any:
    p = PARAMS["cacheable"]

    class Pond(pb.Cacheable):
        def __init__(self, items: list[str]) -> None:
            self.items = items
            self.observers: list[Any] = []

        def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
            self.observers.append(observer)
            world.log.append(f"observing, perspective {perspective!r}")
            return {"items": self.items}

        def stoppedObserving(self, perspective: Any, observer: Any) -> None:
            world.log.append(f"stoppedObserving, known observer: {observer in self.observers!r}")
            self.observers.remove(observer)

        def add(self, x: str) -> None:
            self.items.append(x)
            for observer in self.observers:
                observer.callRemote(p["add"], x)

        def remove(self, x: str) -> None:
            self.items.remove(x)
            for observer in self.observers:
                observer.callRemote(p["remove"], x)

    Pond.__name__ = p["cls"]
    Pond.__module__ = MODULE
    pond = Pond(list(p["items"]))
    return named(
        "PondRoot",
        (pb.Root,),
        remote_get=lambda self: pond,
        remote_add=lambda self, x: pond.add(x),
        remote_remove=lambda self, x: pond.remove(x),
        remote_same=lambda self, x: x is pond,
        remote_observers=lambda self: len(pond.observers),
    )()


@client
async def c_cacheable(h: Recorder) -> None:
    p = PARAMS["cacheable"]
    seen: list[Any] = []

    class RemotePond(pb.RemoteCache):
        def setCopyableState(self, state: Any) -> None:
            self.items = state["items"]

    def add(self: Any, x: str) -> None:
        self.items.append(x)
        seen.append(["add", x])

    def remove(self: Any, x: str) -> None:
        self.items.remove(x)
        seen.append(["remove", x])

    setattr(RemotePond, "observe_" + p["add"], add)
    setattr(RemotePond, "observe_" + p["remove"], remove)
    pb.setUnjellyableForClass(tag(p["cls"]), RemotePond)
    root = await h.root()
    pond = await root.callRemote("get")
    h.note("initial", list(pond.items))
    await h.step("add", root.callRemote("add", p["new"]))
    await h.step("remove", root.callRemote("remove", p["items"][0]))
    h.note("after", [list(pond.items), list(seen)])
    pond2 = await root.callRemote("get")
    h.note("second get: same state object", pond.items is pond2.items)
    await h.step("send it back", root.callRemote("same", pond))
    del pond2
    await h.pause()
    h.note("after dropping one of two", "see decache in the stream, no uncache yet")
    await h.step("observers still", root.callRemote("observers"))
    del pond
    await h.pause()
    await h.step("observers now", root.callRemote("observers"))
    pond = await root.callRemote("get")
    h.note("fetched afresh", list(pond.items))
    del pond
    await h.pause()


# ---------------------------------------------------------------- login
def realm(make: Callable[[Any, Any], tuple[Any, Callable[[], None]]]) -> Any:
    """A realm that asks *make* for the avatar and the logout function."""

    class Realm:
        def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
            assert pb.IPerspective in interfaces
            avatar, logout = make(avatarId, mind)
            return pb.IPerspective, avatar, logout

    return Realm()


def passwords(p: dict[str, Any]) -> Any:
    checker = cred.InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(p["user"].encode(), p["password"].encode())
    return checker


@server
def s_login_chat(world: World) -> Any:
    p = PARAMS["login_chat"]

    class Group(pb.Viewable):
        def __init__(self, name: str) -> None:
            self.name = name
            self.users: list[Any] = []

        def view_send(self, from_user: Any, message: str) -> int:
            for user in self.users:
                user.mind.callRemote("print", f"<{self.name}> {from_user.name}: {message}")
            return len(self.users)

        def view_whoami(self, from_user: Any, *args: Any, **kwargs: Any) -> list[Any]:
            return [from_user.name, type(from_user).__name__]

    groups: dict[str, Group] = {}

    class User(pb.Avatar):
        def __init__(self, name: str, mind: Any) -> None:
            self.name, self.mind = name, mind

        def perspective_joinGroup(self, name: str) -> Group:
            group = groups.setdefault(name, Group(name))
            group.users.append(self)
            return group

        def perspective_whatis(self, g: Any) -> list[Any]:
            mine = g.perspective is self if hasattr(g, "perspective") else None
            return [type(g).__name__, type(getattr(g, "object", None)).__name__, mine]

    def make(avatar_id: Any, mind: Any) -> tuple[Any, Callable[[], None]]:
        world.log.append(f"avatar requested for {avatar_id!r}, mind {type(mind).__name__}")
        return User(avatar_id.decode(), mind), lambda: world.log.append(f"logout {avatar_id!r}")

    return cred.Portal(realm(make), [passwords(p)])


@client
async def c_login_chat(h: Recorder) -> None:
    p = PARAMS["login_chat"]
    lines: list[str] = []

    class Mind(pb.Referenceable):
        def remote_print(self, text: str) -> None:
            lines.append(text)

    credentials = cred.UsernamePassword(p["user"].encode(), p["password"].encode())
    me = await h.step("login", h.login(credentials, Mind()))
    g = await h.step("joinGroup", me.callRemote("joinGroup", p["group"]))
    await h.step("send", g.callRemote("send", p["message"]))
    await h.pause()
    h.note("mind printed", list(lines))
    await h.step("whoami", g.callRemote("whoami"))
    await h.step("pass group back", me.callRemote("whatis", g))
    g2 = await h.step("join again", me.callRemote("joinGroup", p["group"]))
    h.note("same luid", g.luid == g2.luid)
    await h.step("unknown perspective method", me.callRemote(p["missing"]))
    del g, g2
    await h.pause()
    del me
    await h.pause()


@server
def s_login_failed(world: World) -> Any:
    return cred.Portal(realm(lambda avatar_id, mind: (pb.Avatar(), lambda: None)), [passwords(PARAMS["login_failed"])])


@client
async def c_login_failed(h: Recorder) -> None:
    p = PARAMS["login_failed"]
    user, password = p["user"].encode(), p["password"].encode()
    await h.step("wrong password", h.login(cred.UsernamePassword(user, p["wrong"].encode())))
    await h.step("unknown user", h.login(cred.UsernamePassword(p["nobody"].encode(), password)))
    await h.step("username as str", login_by_hand(await h.root(), p["user"], password))
    await h.step("anonymous not offered", h.login(cred.Anonymous()))
    await h.step("right password, same connection", h.login(cred.UsernamePassword(user, password)))
    h.steps[-1]["note"] = "login is still possible on the same connection"
    await h.pause()


def login_by_hand(root: Any, user: str, password: bytes) -> Any:
    """A login whose user name travels as text. Ours would send bytes, which is what a stock checker holds."""

    def respond(challenged: Any) -> Any:
        challenge, challenger = challenged
        digest = hashlib.md5(hashlib.md5(password).digest() + challenge).digest()
        return challenger.callRemote("respond", digest, None)

    return root.callRemote("login", user).addCallback(respond)


@server
def s_login_anonymous(world: World) -> Any:
    p = PARAMS["login_anonymous"]

    class Anon(pb.Avatar):
        def perspective_hello(self, x: str) -> str:
            greeting: str = p["greeting"]
            return greeting + x

    def make(avatar_id: Any, mind: Any) -> tuple[Any, Callable[[], None]]:
        world.log.append(f"avatar id {avatar_id!r} mind {mind if mind is None else type(mind).__name__!r}")
        return Anon(), lambda: world.log.append("logout anonymous")

    return cred.Portal(realm(make), [cred.AllowAnonymousAccess()])


@client
async def c_login_anonymous(h: Recorder) -> None:
    p = PARAMS["login_anonymous"]
    me = await h.step("login", h.login(cred.Anonymous()))
    await h.step("hello", me.callRemote("hello", p["arg"]))
    mind = named("M", (pb.Referenceable,))()
    me2 = await h.step("login with mind", h.login(cred.Anonymous(), mind))
    await h.step("hello2", me2.callRemote("hello", p["arg"]))
    del me, me2
    await h.pause()


# ---------------------------------------------------------------- pages
@server
def s_string_pager(world: World) -> Any:
    p = PARAMS["string_pager"]

    def get(self: Any, collector: Any) -> None:
        world.log.append(f"paging to {type(collector).__name__}")
        data = bytes.fromhex(p["data"]) * p["times"]
        pb.StringPager(collector, data, p["chunk"], lambda *a: world.log.append(f"pager done {a!r}"), "cbarg")

    def empty(self: Any, collector: Any) -> None:
        pb.StringPager(collector, b"", p["chunk"])

    return named("Pg", (pb.Root,), remote_get=get, remote_empty=empty)()


@client
async def c_string_pager(h: Recorder) -> None:
    root = await h.root()
    pages = await h.step("getAllPages", pb.getAllPages(root, "get"))
    h.note("page sizes", [len(page) for page in pages])
    await h.step("empty", pb.getAllPages(root, "empty"))
    await h.pause()


@server
def s_file_pager(world: World) -> Any:
    p = PARAMS["file_pager"]

    def get(self: Any, collector: Any, n: int) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the pager closes it)
        file.write((bytes.fromhex(p["data"]) * n)[:n])
        file.seek(0)
        pb.FilePager(collector, file, lambda: world.log.append("file pager done"))

    return named("Fp", (pb.Root,), remote_get=get)()


@client
async def c_file_pager(h: Recorder) -> None:
    root = await h.root()
    for n in PARAMS["file_pager"]["sizes"]:
        pages = pb.getAllPages(root, "get", n)
        await h.step(f"file of {n}", pages.addCallback(lambda p: [len(x) for x in p]))
    await h.pause()


# ---------------------------------------------------------------- calls
@server
def s_kwargs(world: World) -> Any:
    return named("Kw", (pb.Root,), remote_kw=lambda self, *a, **k: [list(a), sorted(k.items())])()


@client
async def c_kwargs(h: Recorder) -> None:
    p = PARAMS["kwargs"]
    root = await h.root()
    await h.step("kwargs only", root.callRemote("kw", **p["kw"]))
    await h.step("mixed", root.callRemote("kw", *p["args"], **p["kw"]))
    await h.step("none at all", root.callRemote("kw"))
    await h.step("keyword called name", root.callRemote("kw", name=1, self_=2))


@server
def s_no_answer(world: World) -> Any:
    got: list[Any] = []

    def push(self: Any, x: Any) -> None:
        got.append(x)

    def bad(self: Any) -> None:
        raise RuntimeError("nobody hears this")

    return named(
        "Na",
        (pb.Root,),
        remote_push=push,
        remote_list=lambda self: got,
        remote_bad=bad,
        remote_none=lambda self: None,
    )()


@client
async def c_no_answer(h: Recorder) -> None:
    p = PARAMS["no_answer"]
    root = await h.root()
    await h.step("no answer wanted", lambda: root.callRemote("push", p["a"], pbanswer=False))
    await h.step("no answer wanted, 0", lambda: root.callRemote("push", p["b"], pbanswer=0))
    await h.step("no answer wanted, raises there", lambda: root.callRemote("bad", pbanswer=False))
    await h.step("answer None", root.callRemote("push", p["c"]))
    await h.step("list", root.callRemote("list"))
    await h.step("none", root.callRemote("none"))


def blob(seed: str, size: int) -> bytes:
    out = b""
    number = 0
    while len(out) < size:
        out += hashlib.sha256(b"%s:%d" % (seed.encode(), number)).digest()
        number += 1
    return out[:size]


@server
def s_large_c2s(world: World) -> Any:
    return named("Lg", (pb.Root,), remote_put=lambda self, b: [len(b), sum(b) % 65536])()


@client
async def c_large_c2s(h: Recorder) -> None:
    p = PARAMS["large_c2s"]
    root = await h.root()
    b = blob(p["seed"], p["n"])
    h.note("payload: sha256 counter stream", {"seed": p["seed"], "n": p["n"], "sum_mod_65536": sum(b) % 65536})
    await h.step("put", root.callRemote("put", b))


@server
def s_large_s2c(world: World) -> Any:
    p = PARAMS["large_s2c"]
    return named("Lg", (pb.Root,), remote_get=lambda self: blob(p["seed"], p["n"]))()


@client
async def c_large_s2c(h: Recorder) -> None:
    p = PARAMS["large_s2c"]
    root = await h.root()
    b = await root.callRemote("get")
    h.note("got", {"len": len(b), "ok": b == blob(p["seed"], p["n"])})


@server
def s_pipelined_50(world: World) -> Any:
    p = PARAMS["pipelined_50"]

    def work(self: Any, i: int, delay: float) -> Any:
        if delay:
            return world.later(delay, lambda: i * p["mul"])
        return i * p["mul"]

    return named("Pi", (pb.Root,), remote_work=work)()


@client
async def c_pipelined_50(h: Recorder) -> None:
    p = PARAMS["pipelined_50"]
    root = await h.root()
    order: list[int] = []

    def arrived(result: Any, number: int) -> Any:
        order.append(number)
        return result

    calls = []
    for i in range(50):
        call = root.callRemote("work", i, (0.30 - i * 0.005) if i % p["every"] == 0 else 0)
        calls.append(call.addCallback(arrived, i))
    h.note("results", await defer.gatherResults(calls))
    h.note("order in which answers arrived (call index)", order)


# ---------------------------------------------------------------- the end
@server
def s_lost_pending(world: World) -> Any:
    p = PARAMS["lost_pending"]

    class R(pb.Root):
        broker: Any = None

        def rootObject(self, broker: Any) -> Any:
            r = R()
            r.broker = broker
            return r

        def remote_hang(self) -> Any:
            return defer.Deferred()

        def remote_bye(self) -> str:
            world.hang_up(self.broker)
            last: str = p["last"]
            return last

    return R()


@client
async def c_lost_pending(h: Recorder) -> None:
    root = await h.root()
    lost: list[Any] = []
    root.notifyOnDisconnect(lambda r: lost.append(["reference callback", r is root]))
    root.broker.notifyOnDisconnect(lambda *a: lost.append(["broker callback", len(a)]))
    p1, p2 = root.callRemote("hang"), root.callRemote("hang")
    await h.step("bye", root.callRemote("bye"))
    await h.step("pending 1", p1)
    await h.step("pending 2", p2)
    await h.pause()
    h.note("callbacks", lost)
    await h.step("call on dead reference", lambda: root.callRemote("hang"))
