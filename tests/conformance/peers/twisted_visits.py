"""What a Twisted client does when it visits the laboratory. Knows the laboratory's methods; judges nothing.

Each visit is given a recorder: ``await h.step(label, deferred)`` notes the result or the failure and returns it,
``h.note(label, value)`` notes a plain value. The test reads the notes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine
from typing import Any

import twisted_lab
from twisted.cred import credentials
from twisted.internet import defer
from twisted.python import failure
from twisted.spread import pb, util

VISITS: dict[str, Callable[[Any], Coroutine[Any, Any, None]]] = {}

VALUES: dict[str, Any] = {
    "None": None,
    "True": True,
    "int": -(2**31),
    "long": 2**447,
    "float": -0.5,
    "bytes": b"\x00\xff list",
    "word": b"message",
    "str": "smörgås 🍞",
    "word str": "list",
    "nested": [1, (2.5, "x"), {"k": [b"v"], 3: None, (1, 2): set()}],
    "set": {7},
    "frozenset": frozenset([b"x"]),
}


def visit(scenario: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Coroutine[Any, Any, None]]:
    VISITS[scenario.__name__] = scenario
    return scenario


def trap(result: Any, *wanted: Any) -> str | None:
    """The name of what Twisted's own trap caught, or None."""
    if not isinstance(result, failure.Failure):
        return None
    try:
        caught = result.trap(*wanted)
    except Exception:
        return None
    return caught if isinstance(caught, str) else caught.__name__


class Mind(pb.Referenceable):
    """What a client gives to its avatar."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def remote_hear(self, *args: Any) -> str:
        self.heard.append(list(args))
        return "heard"


async def root_of(h: Any) -> Any:
    return await h.factory.getRootObject()


@visit
async def values(h: Any) -> None:
    root = await root_of(h)
    for label, value in VALUES.items():
        echoed = await h.step(label, root.callRemote("echo", value))
        h.note(f"{label} came back", echoed == value and type(echoed) is type(value))
    later = await root.callRemote("echoLater", VALUES["nested"])
    h.note("later", later == VALUES["nested"])
    shared: list[Any] = [1]
    circle: list[Any] = []
    circle.append(circle)
    await h.step("identity", root.callRemote("identity", [shared, shared, circle]))
    back = await root.callRemote("echo", [shared, shared, circle])
    h.note("identity came back", [back[0] is back[1], back[2][0] is back[2]])


@visit
async def calls(h: Any) -> None:
    root = await root_of(h)
    await h.step("keywords", root.callRemote("everything", 1, "two", alpha=3, beta=b"four"))
    await h.step("nothing", root.callRemote("everything"))
    h.note("no answer", repr(root.callRemote("push", "first", pbanswer=False)))
    await h.step("with answer", root.callRemote("push", "second"))
    await h.step("pushed", root.callRemote("pushed"))
    await h.step("too many", root.callRemote("pushed", 1))
    missing = await h.step("missing", root.callRemote("missing"))
    h.note("trapped", [trap(missing, pb.NoSuchMethod), trap(missing, AttributeError)])
    invalid = await h.step("invalid id", pb.RemoteReference(None, root.broker, 4242, 0).callRemote("x"))
    h.note("trapped invalid id", trap(invalid, pb.Error))


@visit
async def failures(h: Any) -> None:
    pb.setUnjellyableForClass(twisted_lab.Spill, type("SpillCopy", (pb.RemoteCopy, pb.Error), {}))
    root = await root_of(h)
    for when in ("", "deferred ", "later ", "async "):
        for kind in ("pb.Error", "Quiet", "Quieter", "ValueError", "KeyError", "textless", "Spill"):
            how = when + kind
            result = await h.step(how, root.callRemote("fail", how))
            h.note(
                f"{how} trapped",
                [
                    trap(result, pb.Error),
                    trap(result, twisted_lab.Quiet),
                    trap(result, "builtins.ValueError"),
                    trap(result, LookupError),
                    trap(result, "builtins.Exception"),
                ],
            )
            if kind == "Spill" and isinstance(result, failure.Failure):
                h.note(f"{how} itself", [type(result.value).__name__, getattr(result.value, "where", None)])
    try:
        await root.callRemote("fail", "ValueError")
    except pb.RemoteError as error:
        h.note("awaited", [error.remoteType.decode(), str(error), error.remoteTraceback])
    await h.step("unregistered argument", root.callRemote("echo", twisted_lab.Secret()))
    await h.step("unpersistable argument", root.callRemote("unpack", object()))
    await h.step("class argument", root.callRemote("echo", int))
    await h.step("still there", root.callRemote("echo", 1))


@visit
async def references(h: Any) -> None:
    root = await root_of(h)
    thing = await h.step("lend", root.callRemote("lend"))
    await h.step("name", thing.callRemote("name"))
    await h.step("double", thing.callRemote("double", 21))
    await h.step("home", root.callRemote("isThing", thing))
    await h.step("root goes home", root.callRemote("isLab", root))
    twice = await h.step("twice", root.callRemote("lendTwice"))
    h.note("equal and identical", [twice[0] == twice[1], twice[0] is twice[1], twice[0] == thing])
    del twice
    gc.collect()
    await h.step("still lent", thing.callRemote("name"))
    luid = thing.luid
    del thing
    gc.collect()
    again = await h.step("lent again", root.callRemote("lend"))
    h.note("a new luid", again.luid != luid)

    mine = twisted_lab.Thing("mine")
    await h.step("call back", root.callRemote("call", mine, "double", 4))
    await h.step("call back fails", root.callRemote("call", mine, "fail", "Quieter"))
    await h.step("keep", root.callRemote("keep", mine))
    kept = await h.step("kept", root.callRemote("kept"))
    h.note("mine came home", kept is mine)
    await h.step("equal there", root.callRemote("equal", mine, mine))
    await h.step("drop", root.callRemote("drop"))
    h.note("what I lend", len(root.broker.luids))
    many = await root.callRemote("lendNew", 100)
    names = await defer.gatherResults([each.callRemote("name") for each in many])
    h.note("many", names == [str(number) for number in range(100)])


@visit
async def echo(h: Any) -> None:
    """A reference echoed by the peer comes home to its owner as the very object."""
    root = await root_of(h)
    mine = twisted_lab.Thing("mine")
    for how in ("echo", "echoLater"):
        h.note(how, await root.callRemote(how, mine) is mine)
        back = await root.callRemote(how, [mine, {"k": mine}])
        h.note(f"{how} inside", [back[0] is mine, back[1]["k"] is mine])
    await root.callRemote("echo", "whatever was to be given back has come")
    h.note("what I lend", len(root.broker.luids))


@visit
async def copies(h: Any) -> None:
    root = await root_of(h)
    await h.step("parcel", root.callRemote("parcel"))
    await h.step("crate", root.callRemote("crate"))
    twice = await root.callRemote("twice")
    h.note("shared", [twice[0] is twice[1], twice[0] is twice[2]["again"]])
    parcel = twisted_lab.Parcel()
    parcel.label, parcel.inside = "mine", ["x", (1, b"y")]
    await h.step("unpack", root.callRemote("unpack", parcel))
    crate = twisted_lab.Crate()
    crate.content = "straw"
    await h.step("unpack a crate", root.callRemote("unpack", crate))
    one, other = twisted_lab.Parcel(), twisted_lab.Parcel()
    one.other, other.other = other, one
    await h.step("circle", root.callRemote("isCircle", one))


@visit
async def caches(h: Any) -> None:
    root = await root_of(h)
    pond = await h.step("pond", root.callRemote("pond"))
    await h.step("add", root.callRemote("addDuck", "ugly duckling"))
    h.note("ducks", pond.ducks)
    again = await root.callRemote("pond")
    h.note("shared state", again.ducks is pond.ducks)
    await h.step("home", root.callRemote("isPond", pond))
    await h.step("spoil", root.callRemote("spoilPond"))
    await h.step("observers", root.callRemote("observers"))
    del again
    gc.collect()
    await h.step("observers after one is dropped", root.callRemote("observers"))
    del pond
    gc.collect()
    await h.step("observers after both are dropped", root.callRemote("observers"))
    fresh = await h.step("fresh", root.callRemote("pond"))
    h.note("fresh ducks", fresh.ducks)

    mine = twisted_lab.Pond()
    await h.step("my pond there", root.callRemote("ducks", mine))
    await h.step("my duck arrives", mine.add("a third"))
    kept = await h.step("my pond comes home", root.callRemote("kept"))
    h.note("my pond is mine", kept is mine)
    await h.step("my pond twice", root.callRemote("sameDucks", mine, mine))
    await h.step("drop", root.callRemote("drop"))
    await h.step("quiet", root.callRemote("echo", 1))
    h.note("my observers", len(mine.observers))


@visit
async def views(h: Any) -> None:
    root = await root_of(h)
    board = await h.step("board", root.callRemote("board"))
    await h.step("who", board.callRemote("who", 1, key="value"))
    missing = await h.step("missing", board.callRemote("missing"))
    h.note("trapped", trap(missing, AttributeError))
    await h.step("fail", board.callRemote("fail", "Quiet"))


@visit
async def password(h: Any) -> None:
    mind = Mind()
    me = await h.step("login", h.factory.login(credentials.UsernamePassword(b"ada", b"lovelace"), mind))
    await h.step("whoami", me.callRemote("whoami"))
    await h.step("echo", me.callRemote("echo", 1, b"two", three=3))
    await h.step("tell", me.callRemote("tell", "a word"))
    h.note("heard", list(mind.heard))
    board = await h.step("board", me.callRemote("board"))
    await h.step("who", board.callRemote("who"))
    await h.step("home", me.callRemote("isBoard", board))
    await h.step("crate", me.callRemote("crate"))
    missing = await h.step("missing", me.callRemote("missing"))
    h.note("trapped", trap(missing, AttributeError))
    await h.step("fail", me.callRemote("fail", "ValueError"))
    other = await h.step("second login", h.factory.login(credentials.UsernamePassword(b"bob", b"builder")))
    await h.step("no mind", other.callRemote("hasMind"))
    await h.step("second whoami", other.callRemote("whoami"))
    del me
    gc.collect()
    await h.step("after logout of the first", other.callRemote("whoami"))


@visit
async def refused(h: Any) -> None:
    for label, name, word in (
        ("wrong password", b"ada", b"byron"),
        ("unknown user", b"eve", b"lovelace"),
    ):
        result = await h.step(label, h.factory.login(credentials.UsernamePassword(name, word)))
        h.note(
            f"{label} trapped",
            [
                trap(result, f"twisted.cred.error.{kind}")
                for kind in ("UnauthorizedLogin", "LoginFailed", "Unauthorized")
            ],
        )
    result = await h.step("anonymous", h.factory.login(credentials.Anonymous()))
    h.note("anonymous trapped", trap(result, "twisted.cred.error.UnhandledCredentials"))
    me = await h.step("right after all", h.factory.login(credentials.UsernamePassword(b"ada", b"lovelace")))
    await h.step("whoami", me.callRemote("whoami"))


@visit
async def guessing(h: Any) -> None:
    """One wrong password after another, until the server has had enough."""
    for attempt in range(10):
        result = await h.step(
            f"attempt {attempt}", h.factory.login(credentials.UsernamePassword(b"ada", b"%d" % attempt))
        )
        if trap(result, "twisted.cred.error.UnauthorizedLogin") is None:
            break
    h.note("attempts", attempt)


@visit
async def anonymous(h: Any) -> None:
    me = await h.step("login", h.factory.login(credentials.Anonymous()))
    await h.step("whoami", me.callRemote("whoami"))
    mind = Mind()
    other = await h.step("with a mind", h.factory.login(credentials.Anonymous(), mind))
    await h.step("tell", other.callRemote("tell", 1))
    h.note("heard", list(mind.heard))


@visit
async def no_password(h: Any) -> None:
    result = await h.step("login", h.factory.login(credentials.UsernamePassword(b"ada", b"lovelace")))
    h.note("trapped", trap(result, "twisted.cred.error.UnhandledCredentials"))


@visit
async def pages(h: Any) -> None:
    root = await root_of(h)
    for size, chunk in ((100, 32), (64, 32), (0, 32), (102_400, 8192)):
        got = await util.getAllPages(root, "pages", size, chunk)
        h.note(f"{size} by {chunk}", [[len(page) for page in got], b"".join(got) == twisted_lab.blob(size)])
    for size in (0, 16_384, 40_000):
        got = await util.getAllPages(root, "filePages", size)
        h.note(f"file of {size}", [[len(page) for page in got], b"".join(got) == twisted_lab.blob(size)])
    collected = await root.callRemote("collect", twisted_lab.Thing("feeder"), 5500)
    h.note("collected there", collected == twisted_lab.weigh(twisted_lab.blob(5500)))


@visit
async def large(h: Any) -> None:
    root = await root_of(h)
    data = twisted_lab.blob(102_400)
    h.note("there", await root.callRemote("weigh", data) == twisted_lab.weigh(data))
    h.note("here", await root.callRemote("blob", 102_400) == data)
    h.note("both", await root.callRemote("echo", data) == data)
    text = "ä" * 51_200
    h.note("text", await root.callRemote("echo", text) == text)
    h.note("640 KiB", await root.callRemote("weigh", b"x" * 655_360) == twisted_lab.weigh(b"x" * 655_360))
    h.note("many items", len(await root.callRemote("echo", list(range(50_000)))))


@visit
async def flight(h: Any) -> None:
    root = await root_of(h)
    now = [root.callRemote("echo", number) for number in range(1000)]
    later = [root.callRemote("echoLater", number) for number in range(1000)]
    h.note("in flight", len(root.broker.waitingForAnswers))
    h.note("now", await defer.gatherResults(now) == list(range(1000)))
    h.note("later", await defer.gatherResults(later) == list(range(1000)))
    h.note("left", len(root.broker.waitingForAnswers))


@visit
async def left_alone(h: Any) -> None:
    """The server leaves in mid-call."""
    root = await root_of(h)
    gone: list[str] = []
    root.notifyOnDisconnect(lambda reference: gone.append("reference" if reference is root else "?"))
    waiting = root.callRemote("never")
    await h.step("goodbye", root.callRemote("leave", "close"))
    result = await h.step("in flight", waiting)
    h.note("trapped", trap(result, pb.PBConnectionLost))
    h.note("gone", gone)
    await h.step("afterwards", lambda: root.callRemote("echo", 1))


@visit
async def leaving(h: Any) -> None:
    """The client leaves in mid-call: the server's answer has nowhere to go."""
    root = await root_of(h)
    waiting = root.callRemote("never")
    await root.callRemote("echo", 1)
    h.factory.disconnect()
    result = await h.step("in flight", waiting)
    h.note("trapped", trap(result, pb.PBConnectionLost))


@visit
async def too_much(h: Any) -> None:
    """Results that banana cannot carry: Twisted's own server hangs, or drops the connection."""
    root = await root_of(h)
    for how in ("now", "later"):
        await h.step(how, root.callRemote("unencodable", how))
        await h.step(f"after {how}", root.callRemote("echo", how))


@visit
async def cycle_of_two(h: Any) -> None:
    """Two Copyables that point at each other, which Twisted itself cannot receive."""
    root = await root_of(h)
    one = await root.callRemote("circle")
    h.note("what came", type(one.other.other).__name__)


@visit
async def command_unknown(h: Any) -> None:
    """A command that no PB knows."""
    root = await root_of(h)
    waiting = root.callRemote("never")
    root.broker.sendCall(b"frobnicate", 1)
    await h.step("echo", root.callRemote("echo", 1))
    del waiting
