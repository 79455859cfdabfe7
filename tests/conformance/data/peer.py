"""One side (server or client) of a recorded scenario, on real Twisted.

usage: peer.py server SCENARIO PARAMS.json LOGFILE        (prints the port)
       peer.py client SCENARIO PARAMS.json RELAYPORT      (prints one JSON object)
Names and values all come from PARAMS so that a second data set gives sessions
of the same shape with other data. Imported, it gives the tables SRV and CLI, after a call of configure().
"""

import gc
import hashlib
import json
import os
import pathlib
import sys
import tempfile

from twisted.cred import checkers, credentials, portal
from twisted.internet import defer, reactor, task
from twisted.python import failure, log
from twisted.spread import pb, util
from zope.interface import implementer

import common

NAME, P, MOD = "", {}, ""
SRV, CLI = {}, {}


def configure(name, params):
    """Choose the scenario that is played next, and its names and values."""
    global NAME, P, MOD
    NAME, P, MOD = name, params[name], params["_module"]


def server(fn):
    SRV[fn.__name__[2:]] = fn
    return fn


def client(fn):
    CLI[fn.__name__[2:]] = fn
    return fn


def untype(j):
    t = j["t"]
    if t == "none":
        return None
    if t in ("bool", "str"):
        return j["v"]
    if t == "int":
        return int(j["v"])
    if t == "float":
        return float(j["v"])
    if t == "bytes":
        return bytes.fromhex(j["hex"])
    if t in ("list", "tuple", "set", "frozenset"):
        return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[t](untype(i) for i in j["items"])
    if t == "dict":
        return {untype(a): untype(b) for a, b in j["items"]}
    raise ValueError(t)


def mk(name, bases, **ns):
    ns["__module__"] = MOD
    return type(name, bases, ns)


def tag(name):
    return MOD + "." + name


def describe(v):
    if isinstance(v, failure.Failure):
        d = {
            "failure_class": type(v).__name__,
            "type": common.typed(v.type)
            if isinstance(v.type, (bytes, str))
            else "class " + v.type.__module__ + "." + v.type.__name__,
        }
        if isinstance(v, pb.CopiedFailure):
            d["value"] = common.typed(v.value)
            d["parents"] = v.parents
            d["traceback"] = v.traceback if len(v.traceback) < 60 else f"({len(v.traceback)} characters)"
        else:
            d["value"] = str(v.value)
        return {"error": d}
    if isinstance(v, pb.RemoteReference):
        return {"t": "remote_reference", "luid": common.sexp_json(v.luid)}
    if isinstance(v, (pb.RemoteCache, pb.RemoteCopy)):
        return {
            "t": type(v).__mro__[1].__name__,
            "class": type(v).__name__,
            "state": {k: describe(x) for k, x in vars(v).items() if k != "broker"},
        }
    if isinstance(v, (list, tuple)):
        return {"t": type(v).__name__, "items": [describe(x) for x in v]}
    if isinstance(v, (pb.Referenceable, pb.Cacheable)):
        return {"t": "own_object", "class": type(v).__name__}
    if type(v).__name__ == "Unpersistable":
        return {"t": "Unpersistable", "reason": v.reason}
    return common.typed(v)


class H:
    """Client-side recorder."""

    def __init__(self, factory, connector):
        self.factory, self.connector, self.steps = factory, connector, []

    async def step(self, label, d):
        try:
            if callable(d):
                d = d()
            f = []
            d2 = defer.Deferred()
            if d is None:
                self.steps.append({"step": label, "result": {"t": "no_deferred"}})
                return None
            d.addBoth(lambda r: (f.append(r), d2.callback(None))[0] and None)
            await d2
            r = f.pop()
            self.steps.append({"step": label, "result": describe(r)})
            return r
        except Exception as e:
            self.steps.append(
                {"step": label, "raised": type(e).__module__ + "." + type(e).__name__, "message": str(e)[:200]}
            )

    def note(self, label, v):
        self.steps.append(
            {"step": label, "observed": v if isinstance(v, (str, int, list, dict, bool, type(None))) else describe(v)}
        )

    PAUSE = 0.06  # seconds: time for what the last step set free to reach the relay

    async def pause(self):
        gc.collect()
        await task.deferLater(reactor, self.PAUSE, lambda: None)
        gc.collect()


# ---------------------------------------------------------------- 1 echo root
@server
def s_echo_root():
    return pb.PBServerFactory(mk("EchoRoot", (pb.Root,), **{"remote_" + P["method"]: lambda self, x: x})())


@client
async def c_echo_root(h):
    root = await h.step("getRootObject", h.factory.getRootObject())
    for i, v in enumerate(P["values"]):
        await h.step(f"echo {i}", root.callRemote(P["method"], untype(v)))


# -------------------------------------------------------------- 2 two.three
@server
def s_two_three():
    def three(self, arg):
        log.msg(f"three called with {arg!r}")
        return arg * P["factor"]

    Two = mk("Two", (pb.Referenceable,), **{"remote_" + P["inner"]: three})
    two = Two()
    return pb.PBServerFactory(mk("One", (pb.Root,), **{"remote_" + P["getter"]: lambda self: two})())


@client
async def c_two_three(h):
    root = await h.factory.getRootObject()
    two = await h.step("get", root.callRemote(P["getter"]))
    await h.step("call", two.callRemote(P["inner"], P["arg"]))
    del two
    await h.pause()


# --------------------------------------------------- 3 reference comes back
@server
def s_reference_back():
    Two = mk("Two", (pb.Referenceable,), remote_noop=lambda self: None)
    two = Two()
    return pb.PBServerFactory(
        mk(
            "One",
            (pb.Root,),
            **{
                "remote_" + P["getter"]: lambda self: two,
                "remote_" + P["checker"]: lambda self, x: [x is two, type(x).__name__],
                "remote_inside": lambda self, d: d["key"] is two,
            },
        )()
    )


@client
async def c_reference_back(h):
    root = await h.factory.getRootObject()
    two = await h.step("get", root.callRemote(P["getter"]))
    await h.step("check same reference", root.callRemote(P["checker"], two))
    await h.step("check root reference", root.callRemote(P["checker"], root))
    await h.step("reference inside dict", root.callRemote("inside", {"key": two}))
    two2 = await h.step("get again", root.callRemote(P["getter"]))
    h.note("two references equal", two == two2)
    h.note("two references identical", two is two2)
    del two, two2
    h.steps[-1:] = h.steps[-1:]
    await h.pause()


# ------------------------------------------- 4 client side Referenceable
@server
def s_client_reference():
    kept = []

    def take(self, ref):
        return ref.callRemote(P["callback"], P["arg"])

    def keep(self, ref):
        kept.append(ref)

    def drop(self):
        del kept[:]
        gc.collect()

    def same(self, a, b):
        return [a is b, a == b]

    return pb.PBServerFactory(
        mk(
            "Taker",
            (pb.Root,),
            remote_take=take,
            remote_keep=keep,
            remote_drop=drop,
            remote_same=same,
            remote_giveback=lambda self: kept[0],
        )()
    )


@client
async def c_client_reference(h):
    calls = []
    obj = mk(
        "Mine", (pb.Referenceable,), **{"remote_" + P["callback"]: lambda self, x: (calls.append(x), P["reply"])[1]}
    )()
    root = await h.factory.getRootObject()
    await h.step("take", root.callRemote("take", obj))
    h.note("calls received", list(calls))
    await h.step("keep", root.callRemote("keep", obj))
    r = await h.step("giveback", root.callRemote("giveback"))
    h.note("giveback is my object", r is obj)
    await h.step("same object twice in one call", root.callRemote("same", obj, obj))
    await h.step("drop", root.callRemote("drop"))
    await h.pause()


# --------------------------------------------------------- 5 exceptions
def _exc_server(unsafe):
    Err = mk(P["err"], (pb.Error,))
    Sub = mk(P["sub"], (Err,))
    Bad = mk(P["bad"], (ValueError,))
    JErr = mk(P["jerr"], (pb.Error, pb.Copyable))

    def raiser(cls):
        def m(self):
            raise cls(P["text"])

        return m

    def deferred(cls):
        def m(self):
            def inner():
                raise cls(P["text"])

            return defer.maybeDeferred(inner)

        return m

    def later(cls):
        def m(self):
            return task.deferLater(reactor, 0.01, defer.fail, cls(P["text"]))

        return m

    return pb.PBServerFactory(
        mk(
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
        )(),
        unsafeTracebacks=unsafe,
    )


async def _exc_client(h):
    mk2 = mk("J", (pb.RemoteCopy, pb.Error))
    pb.setUnjellyableForClass(tag(P["jerr"]), mk2)
    Err = mk(P["err"], (pb.Error,))

    class Mine(pb.Referenceable):
        def remote_boom(self):
            raise ZeroDivisionError(P["text"])

    root = await h.factory.getRootObject()
    for m in ("pberror", "pbsub", "other", "deferred_pberror", "deferred_other", "later_other", "jellyable", "empty"):
        r = await h.step(m, root.callRemote(m))
        h.note(
            m + ": check() against class and dotted name",
            [
                bool(r.check(Err)),
                bool(r.check(tag(P["err"]))),
                bool(r.check(pb.Error)),
                bool(r.check(ValueError)),
                bool(r.check("builtins.Exception")),
            ],
        )
    d = root.callRemote("relay", Mine())
    if NAME.endswith("_unsafe"):
        d.addTimeout(0.4, reactor)  # real Twisted never answers this one
    await h.step("error raised in my object, relayed by the server", d)
    try:
        await root.callRemote("other")
    except Exception as e:
        h.note(
            "await raises",
            [
                type(e).__name__,
                common.typed(getattr(e, "remoteType", None)),
                str(e),
                len(e.remoteTraceback) > 60 if hasattr(e, "remoteTraceback") else None,
            ],
        )
    await h.pause()


@server
def s_exceptions_safe():
    return _exc_server(False)


@server
def s_exceptions_unsafe():
    return _exc_server(True)


CLI["exceptions_safe"] = CLI["exceptions_unsafe"] = _exc_client


# ---------------------------------------------------- 6 unknown method
@server
def s_unknown_method():
    v = mk("V", (pb.Viewable,), view_known=lambda self, persp: 1)()
    return pb.PBServerFactory(mk("Few", (pb.Root,), remote_one=lambda self, a: a, remote_view=lambda self: v)())


@client
async def c_unknown_method(h):
    root = await h.factory.getRootObject()
    await h.step("unknown on Referenceable", root.callRemote(P["missing"]))
    await h.step("too many arguments", root.callRemote("one", 1, 2))
    await h.step("unknown keyword", root.callRemote("one", **{P["kw"]: 1}))
    v = await h.step("get viewable", root.callRemote("view"))
    await h.step("unknown on ViewPoint", v.callRemote(P["missing"]))
    await h.step("known on ViewPoint", v.callRemote("known"))
    bogus = pb.RemoteReference(None, root.broker, 4242, 0)
    await h.step("invalid object id", bogus.callRemote("one", 1))
    bogus = pb.RemoteReference(None, root.broker, P["missing"].encode(), 0)
    await h.step("invalid object name", bogus.callRemote("one", 1))
    del v
    await h.pause()


# ---------------------------------------------------- 7 insecure argument
@server
def s_insecure_argument():
    return pb.PBServerFactory(
        mk("Sec", (pb.Root,), remote_take=lambda self, x: [type(x).__name__, getattr(x, "reason", None)])()
    )


@client
async def c_insecure_argument(h):
    C = mk(P["cls"], (pb.Copyable,))
    c = C()
    c.n = P["n"]
    plain = mk(P["plain"], (object,))()
    root = await h.factory.getRootObject()
    await h.step("unregistered Copyable", root.callRemote("take", c))
    await h.step("unregistered Copyable in list", root.callRemote("take", [1, c]))
    await h.step("class object", root.callRemote("take", C))
    await h.step("plain instance", root.callRemote("take", plain))
    await h.step("still usable", root.callRemote("take", 1))


# ---------------------------------------------------- 8 copyable
@server
def s_copyable():
    A = mk(P["a"], (pb.Copyable,))
    B = mk(
        P["b"],
        (pb.Copyable,),
        getTypeToCopy=lambda self: P["btag"].encode(),
        getStateToCopy=lambda self: {"visible": self.visible, b"raw": b"\x00\x01"},
    )
    In = mk("In", (pb.RemoteCopy,))
    pb.setUnjellyableForClass(tag(P["c"]), In)

    def geta(self):
        a = A()
        a.__dict__.update({"name": P["name"], "num": P["num"], "none": None, "flag": True, "items": [1, (2, b"3")]})
        return a

    def getb(self):
        b = B()
        b.visible, b.hidden = P["name"], "not sent"
        return b

    def shared(self):
        a = geta(self)
        return [a, a, {"again": a}]

    def circular(self):
        a = A()
        a.me, a.boxed = a, [a]
        return a

    return pb.PBServerFactory(
        mk(
            "Cp",
            (pb.Root,),
            remote_geta=geta,
            remote_getb=getb,
            remote_shared=shared,
            remote_circular=circular,
            remote_empty=lambda self: A(),
            remote_take=lambda self, x: [type(x).__name__, vars(x)],
        )()
    )


@client
async def c_copyable(h):
    pb.setUnjellyableForClass(tag(P["a"]), mk("RA", (pb.RemoteCopy,)))
    made = []

    def fact(state):
        r = mk("RB", (pb.RemoteCopy,))()
        r.setCopyableState(state)
        made.append(sorted(map(repr, state)))
        return r

    pb.setUnjellyableFactoryForClass(P["btag"], fact)
    root = await h.factory.getRootObject()
    await h.step("geta", root.callRemote("geta"))
    await h.step("getb", root.callRemote("getb"))
    h.note("factory saw keys", made)
    r = await root.callRemote("shared")
    h.note("shared copies identical", [r[0] is r[1], r[0] is r[2]["again"]])
    r = await root.callRemote("circular")
    h.note("circular: attribute .me type", type(r.me).__name__)
    h.note("circular: .boxed[0] is self", r.boxed[0] is r)
    await h.step("empty", root.callRemote("empty"))
    c = mk(P["c"], (pb.Copyable,))()
    c.x = P["num"]
    await h.step("send copy", root.callRemote("take", c))


# ---------------------------------------------------- 9 cacheable
@server
def s_cacheable():
    class Pond(pb.Cacheable):
        def __init__(self, items):
            self.items, self.observers = items, []

        def getStateToCacheAndObserveFor(self, perspective, observer):
            self.observers.append(observer)
            log.msg(f"observing, perspective {perspective!r}")
            return {"items": self.items}

        def stoppedObserving(self, perspective, observer):
            log.msg(f"stoppedObserving, known observer: {observer in self.observers!r}")
            self.observers.remove(observer)

        def add(self, x):
            self.items.append(x)
            for o in self.observers:
                o.callRemote(P["add"], x)

        def remove(self, x):
            self.items.remove(x)
            for o in self.observers:
                o.callRemote(P["remove"], x)

    Pond.__name__ = P["cls"]
    Pond.__module__ = MOD
    pond = Pond(list(P["items"]))
    return pb.PBServerFactory(
        mk(
            "PondRoot",
            (pb.Root,),
            remote_get=lambda self: pond,
            remote_add=lambda self, x: pond.add(x),
            remote_remove=lambda self, x: pond.remove(x),
            remote_same=lambda self, x: x is pond,
            remote_observers=lambda self: len(pond.observers),
        )()
    )


@client
async def c_cacheable(h):
    seen = []

    class RemotePond(pb.RemoteCache):
        def setCopyableState(self, s):
            self.items = s["items"]

        def observe_noop(self):
            pass

    setattr(RemotePond, "observe_" + P["add"], lambda self, x: (self.items.append(x), seen.append(["add", x]))[0])
    setattr(RemotePond, "observe_" + P["remove"], lambda self, x: (self.items.remove(x), seen.append(["remove", x]))[0])
    pb.setUnjellyableForClass(tag(P["cls"]), RemotePond)
    root = await h.factory.getRootObject()
    pond = await root.callRemote("get")
    h.note("initial", list(pond.items))
    await h.step("add", root.callRemote("add", P["new"]))
    await h.step("remove", root.callRemote("remove", P["items"][0]))
    h.note("after", [list(pond.items), list(seen)])
    pond2 = await root.callRemote("get")
    h.note(
        "second get: same object / same state object / equal", [pond is pond2, pond.items is pond2.items, pond == pond2]
    )
    await h.step("send it back", root.callRemote("same", pond))
    del pond2
    await h.pause()
    h.note("after dropping one of two", "see decache in the stream, no uncache yet")
    await h.step("observers still", root.callRemote("observers"))
    del pond
    await h.pause()
    await h.step("observers now", root.callRemote("observers"))
    pond = await root.callRemote("get")
    h.note("fetched afresh", [list(pond.items), pond.luid])
    del pond
    await h.pause()


# ---------------------------------------------------- 10 login chat
class Realm:
    def __init__(self, make):
        self.make = make

    def requestAvatar(self, avatarId, mind, *interfaces):
        assert pb.IPerspective in interfaces
        a, out = self.make(avatarId, mind)
        return pb.IPerspective, a, out


Realm = implementer(portal.IRealm)(Realm)


@server
def s_login_chat():
    class Group(pb.Viewable):
        def __init__(self, name):
            self.name, self.users = name, []

        def view_send(self, from_user, message):
            for u in self.users:
                u.mind.callRemote("print", f"<{self.name}> {from_user.name}: {message}")
            return len(self.users)

        def view_whoami(self, from_user, *a, **k):
            return [from_user.name, type(from_user).__name__]

    groups = {}

    class User(pb.Avatar):
        def __init__(self, name, mind):
            self.name, self.mind = name, mind

        def perspective_joinGroup(self, name):
            g = groups.setdefault(name, Group(name))
            g.users.append(self)
            return g

        def perspective_whatis(self, g):
            return [
                type(g).__name__,
                type(getattr(g, "object", None)).__name__,
                g.perspective is self if hasattr(g, "perspective") else None,
            ]

    def make(aid, mind):
        u = User(aid.decode(), mind)
        log.msg(f"avatar requested for {aid!r}, mind {type(mind).__name__}")
        return u, lambda: log.msg(f"logout {aid!r}")

    c = checkers.InMemoryUsernamePasswordDatabaseDontUse()
    c.addUser(P["user"].encode(), P["password"].encode())
    return pb.PBServerFactory(portal.Portal(Realm(make), [c]))


@client
async def c_login_chat(h):
    lines = []

    class Mind(pb.Referenceable):
        def remote_print(self, t):
            lines.append(t)

    me = await h.step(
        "login", h.factory.login(credentials.UsernamePassword(P["user"].encode(), P["password"].encode()), Mind())
    )
    g = await h.step("joinGroup", me.callRemote("joinGroup", P["group"]))
    await h.step("send", g.callRemote("send", P["message"]))
    await h.pause()
    h.note("mind printed", list(lines))
    await h.step("whoami", g.callRemote("whoami"))
    await h.step("pass group back", me.callRemote("whatis", g))
    g2 = await h.step("join again", me.callRemote("joinGroup", P["group"]))
    h.note("same luid", g.luid == g2.luid)
    await h.step("unknown perspective method", me.callRemote(P["missing"]))
    del g, g2
    await h.pause()
    del me
    await h.pause()


# ---------------------------------------------------- 11 login failed
@server
def s_login_failed():
    c = checkers.InMemoryUsernamePasswordDatabaseDontUse()
    c.addUser(P["user"].encode(), P["password"].encode())
    return pb.PBServerFactory(portal.Portal(Realm(lambda a, m: (pb.Avatar(), lambda: None)), [c]))


@client
async def c_login_failed(h):
    UP = credentials.UsernamePassword
    await h.step("wrong password", h.factory.login(UP(P["user"].encode(), P["wrong"].encode())))
    await h.step("unknown user", h.factory.login(UP(P["nobody"].encode(), P["password"].encode())))
    await h.step("username as str", h.factory.login(UP(P["user"], P["password"].encode())))
    await h.step("anonymous not offered", h.factory.login(credentials.Anonymous()))
    await h.step("right password, same connection", h.factory.login(UP(P["user"].encode(), P["password"].encode())))
    h.steps[-1]["note"] = "login is still possible on the same connection"
    await h.pause()


# ---------------------------------------------------- 12 anonymous
@server
def s_login_anonymous():
    class Anon(pb.Avatar):
        def perspective_hello(self, x):
            return P["greeting"] + x

    def make(aid, mind):
        log.msg(f"avatar id {aid!r} mind {mind if mind is None else type(mind).__name__!r}")
        return Anon(), lambda: log.msg("logout anonymous")

    return pb.PBServerFactory(portal.Portal(Realm(make), [checkers.AllowAnonymousAccess()]))


@client
async def c_login_anonymous(h):
    me = await h.step("login", h.factory.login(credentials.Anonymous()))
    await h.step("hello", me.callRemote("hello", P["arg"]))
    mind = mk("M", (pb.Referenceable,))()
    me2 = await h.step("login with mind", h.factory.login(credentials.Anonymous(), mind))
    await h.step("hello2", me2.callRemote("hello", P["arg"]))
    del me, me2
    await h.pause()


# ---------------------------------------------------- 13 pagers
@server
def s_string_pager():
    def get(self, collector):
        log.msg(f"paging to {type(collector).__name__}")
        util.StringPager(
            collector,
            bytes.fromhex(P["data"]) * P["times"],
            P["chunk"],
            lambda *a: log.msg(f"pager done {a!r}"),
            "cbarg",
        )

    def empty(self, collector):
        util.StringPager(collector, b"", P["chunk"])

    return pb.PBServerFactory(mk("Pg", (pb.Root,), remote_get=get, remote_empty=empty)())


@client
async def c_string_pager(h):
    root = await h.factory.getRootObject()
    pages = await h.step("getAllPages", util.getAllPages(root, "get"))
    h.note("page sizes", [len(p) for p in pages])
    await h.step("empty", util.getAllPages(root, "empty"))
    await h.pause()


@server
def s_file_pager():
    def get(self, collector, n):
        handle, path = tempfile.mkstemp()
        os.close(handle)
        pathlib.Path(path).write_bytes((bytes.fromhex(P["data"]) * n)[:n])
        fd = open(path, "rb")  # noqa: SIM115 (the pager closes it)
        os.unlink(path)
        util.FilePager(collector, fd, lambda: log.msg("file pager done"))

    return pb.PBServerFactory(mk("Fp", (pb.Root,), remote_get=get)())


@client
async def c_file_pager(h):
    root = await h.factory.getRootObject()
    for n in P["sizes"]:
        d = util.getAllPages(root, "get", n)
        await h.step(f"file of {n}", d.addCallback(lambda p: [len(x) for x in p]))
    await h.pause()


# ---------------------------------------------------- 14 kwargs
@server
def s_kwargs():
    return pb.PBServerFactory(mk("Kw", (pb.Root,), remote_kw=lambda self, *a, **k: [list(a), sorted(k.items())])())


@client
async def c_kwargs(h):
    root = await h.factory.getRootObject()
    await h.step("kwargs only", root.callRemote("kw", **P["kw"]))
    await h.step("mixed", root.callRemote("kw", *P["args"], **P["kw"]))
    await h.step("none at all", root.callRemote("kw"))
    await h.step("keyword called name", root.callRemote("kw", name=1, self_=2))


# ---------------------------------------------------- 15 no answer
@server
def s_no_answer():
    got = []

    def push(self, x):
        got.append(x)

    def bad(self):
        raise RuntimeError("nobody hears this")

    return pb.PBServerFactory(
        mk(
            "Na",
            (pb.Root,),
            remote_push=push,
            remote_list=lambda self: got,
            remote_bad=bad,
            remote_none=lambda self: None,
        )()
    )


@client
async def c_no_answer(h):
    root = await h.factory.getRootObject()
    await h.step("no answer wanted", lambda: root.callRemote("push", P["a"], pbanswer=False))
    await h.step("no answer wanted, 0", lambda: root.callRemote("push", P["b"], pbanswer=0))
    await h.step("no answer wanted, raises there", lambda: root.callRemote("bad", pbanswer=False))
    await h.step("answer None", root.callRemote("push", P["c"]))
    await h.step("list", root.callRemote("list"))
    await h.step("none", root.callRemote("none"))


# ---------------------------------------------------- 16 large
def _blob(seed, n):
    out = b""
    i = 0
    while len(out) < n:
        out += hashlib.sha256(b"%s:%d" % (seed.encode(), i)).digest()
        i += 1
    return out[:n]


@server
def s_large_c2s():
    return pb.PBServerFactory(mk("Lg", (pb.Root,), remote_put=lambda self, b: [len(b), sum(b) % 65536])())


@client
async def c_large_c2s(h):
    root = await h.factory.getRootObject()
    b = _blob(P["seed"], P["n"])
    h.note("payload: sha256 counter stream", {"seed": P["seed"], "n": P["n"], "sum_mod_65536": sum(b) % 65536})
    await h.step("put", root.callRemote("put", b))


@server
def s_large_s2c():
    return pb.PBServerFactory(mk("Lg", (pb.Root,), remote_get=lambda self: _blob(P["seed"], P["n"]))())


@client
async def c_large_s2c(h):
    root = await h.factory.getRootObject()
    b = await root.callRemote("get")
    h.note("got", {"len": len(b), "ok": b == _blob(P["seed"], P["n"])})


# ---------------------------------------------------- 17 pipelined
@server
def s_pipelined_50():
    def work(self, i, delay):
        if delay:
            return task.deferLater(reactor, delay, lambda: i * P["mul"])
        return i * P["mul"]

    return pb.PBServerFactory(mk("Pi", (pb.Root,), remote_work=work)())


@client
async def c_pipelined_50(h):
    root = await h.factory.getRootObject()
    order = []
    ds = []
    for i in range(50):
        d = root.callRemote("work", i, (0.30 - i * 0.005) if i % P["every"] == 0 else 0)
        d.addCallback(lambda r, i=i: (order.append(i), r)[1])
        ds.append(d)
    r = await defer.gatherResults(ds)
    h.note("results", r)
    h.note("order in which answers arrived (call index)", order)


# ---------------------------------------------------- 18 repeated references
@server
def s_repeated_references():
    t = mk("T", (pb.Referenceable,), remote_id=lambda self: P["id"])()
    return pb.PBServerFactory(
        mk(
            "Rp",
            (pb.Root,),
            remote_get=lambda self: t,
            remote_pair=lambda self: [t, t],
            remote_nothing=lambda self: None,
        )()
    )


@client
async def c_repeated_references(h):
    root = await h.factory.getRootObject()
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


# ---------------------------------------------------- 19 connection lost
@server
def s_lost_pending():
    class R(pb.Root):
        def rootObject(self, broker):
            r = R()
            r.broker = broker
            return r

        def remote_hang(self):
            return defer.Deferred()

        def remote_bye(self):
            self.broker.transport.loseConnection()
            return P["last"]

    return pb.PBServerFactory(R())


@client
async def c_lost_pending(h):
    root = await h.factory.getRootObject()
    lost = []
    root.notifyOnDisconnect(lambda r: lost.append(["reference callback", r is root]))
    root.broker.notifyOnDisconnect(lambda *a: lost.append(["broker callback", len(a)]))
    p1, p2 = root.callRemote("hang"), root.callRemote("hang")
    await h.step("bye", root.callRemote("bye"))
    await h.step("pending 1", p1)
    await h.step("pending 2", p2)
    await h.pause()
    h.note("callbacks", lost)
    await h.step("call on dead reference", lambda: root.callRemote("hang"))


def readable(event):
    """A log event as {isError, text}, or None for the reactor's own chatter."""
    if event.get("failure") is not None:
        kind = event["failure"].type
        name = kind if isinstance(kind, bytes) else kind.__name__
        text = f"FAILURE {name}: {event['failure'].getErrorMessage()}"
    else:
        text = log.textFromEventDict(event) or ""
        noise = ("Stopping factory", "starting on", "Starting factory")
        if not text or text.startswith("(TCP Port") or any(word in text for word in noise):
            return None
    return {"isError": bool(event.get("isError")), "text": text[:300]}


def main_server():
    def observe(event):
        line = readable(event)
        if line is not None:
            with pathlib.Path(sys.argv[4]).open("a") as log_file:
                log_file.write(json.dumps(line) + "\n")

    factory = SRV[NAME]()
    log.addObserver(observe)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


def main_client():
    factory = pb.PBClientFactory(unsafeTracebacks=NAME.endswith("_unsafe"))
    connector = reactor.connectTCP("127.0.0.1", int(sys.argv[4]), factory)
    h = H(factory, connector)

    async def go():
        await CLI[NAME](h)
        factory.disconnect()
        await task.deferLater(reactor, 0.1, lambda: None)

    def done(r):
        if isinstance(r, failure.Failure):
            h.steps.append({"step": "CRASH", "text": r.getTraceback()})
        reactor.stop()

    defer.ensureDeferred(go()).addBoth(done)
    reactor.callLater(20, lambda: reactor.running and reactor.stop())
    reactor.run()
    print(json.dumps({"steps": h.steps}))


if __name__ == "__main__":
    configure(sys.argv[2], json.loads(pathlib.Path(sys.argv[3]).read_text()))
    {"server": main_server, "client": main_client}[sys.argv[1]]()
