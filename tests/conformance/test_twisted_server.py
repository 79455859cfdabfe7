"""Our client against Twisted's server, in its own process: every verb, every flavor, every way to fail."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pbshell import cred, defer, pb
from pbshell.errors import (
    CannotJelly,
    DeadReferenceError,
    InsecureJelly,
    NoSuchMethod,
    PBConnectionLost,
    RefusedClass,
    RemoteError,
    Unauthorized,
    UnauthorizedLogin,
    UnhandledCredentials,
)
from tests.conformance import lab
from tests.conformance.peers.processes import Peer
from tests.conformance.scenarios import CLIENTS
from tests.conformance.values import sessions
from tests.conformance.worlds import Notes, settled

both_dialects = pytest.mark.parametrize("dialect", ["pb", "none"])


@asynccontextmanager
async def connected(twisted: Peer, what: str = "lab", dialect: str = "pb", **settings: Any) -> AsyncIterator[Any]:
    """A connection to one of Twisted's servers."""
    port = twisted.port(what, dialect)
    settings.setdefault("security", lab.known_classes(Spill=lab.SpillCopy))
    async with pb.connect(f"127.0.0.1:{port}", **settings) as connection:
        yield connection


@asynccontextmanager
async def laboratory(twisted: Peer, dialect: str) -> AsyncIterator[Any]:
    """The root of Twisted's laboratory. At the end its books and ours agree that nothing is left."""
    async with connected(twisted, dialect=dialect) as connection:
        assert connection.broker.dialect.name == dialect.encode()
        yield await connection.getRootObject()


def name_and_password(name: str, password: str) -> cred.UsernamePassword:
    return cred.UsernamePassword(name.encode(), password.encode())


# ---------------------------------------------------------------- values and calls


@both_dialects
async def test_every_value_comes_back_as_it_went(twisted: Peer, dialect: str) -> None:
    values: list[Any] = [
        *(None, True, False, 0, -(2**31), 2**31, 2**447, -0.5, b"\x00\xff", b"message", "smörgås 🍞", "list"),
        [1, (2.5, "x"), {"k": [b"v"], 3: None, (1, 2): set()}],
        {7},
        frozenset([b"x"]),
    ]
    async with laboratory(twisted, dialect) as root:
        for value in values:
            for how in ("echo", "echoLater"):
                back = await root.callRemote(how, value)
                assert back == value
                assert type(back) is type(value)


@both_dialects
async def test_shared_and_circular_values_stay_what_they_are(twisted: Peer, dialect: str) -> None:
    shared: list[Any] = [1]
    circle: list[Any] = []
    circle.append(circle)
    async with laboratory(twisted, dialect) as root:
        assert await root.callRemote("identity", [shared, shared, circle]) == [True, True]
        back = await root.callRemote("echo", [shared, shared, circle])
        assert back[0] is back[1]
        assert back[2][0] is back[2]


@both_dialects
async def test_positional_and_keyword_arguments_arrive(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        assert await root.callRemote("everything", 1, "two", alpha=3, name=b"four") == [
            [1, "two"],
            {"alpha": 3, "name": b"four"},
        ]
        assert await root.callRemote("everything") == [[], {}]


@both_dialects
async def test_a_call_without_an_answer_is_made_and_not_waited_for(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        assert await root.callRemote("push", "first", pbanswer=False) is None
        assert root.broker.ours.pending == {}
        await root.callRemote("push", "second")
        assert await root.callRemote("pushed") == ["first", "second"]


@both_dialects
async def test_a_hundred_kibibytes_go_both_ways(twisted: Peer, dialect: str) -> None:
    data = lab.blob(102_400)
    async with laboratory(twisted, dialect) as root:
        assert await root.callRemote("weigh", data) == lab.weigh(data)
        assert await root.callRemote("blob", 102_400) == data
        assert await root.callRemote("echo", data) == data
        assert await root.callRemote("echo", "ä" * 51_200) == "ä" * 51_200
        assert await root.callRemote("weigh", b"x" * 655_360) == lab.weigh(b"x" * 655_360)


@both_dialects
async def test_a_thousand_calls_in_flight_each_get_their_own_answer(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        now = [root.callRemote("echo", number) for number in range(1000)]
        later = [root.callRemote("echoLater", number) for number in range(1000)]
        assert len(root.broker.ours.pending) == 2000
        assert await defer.gatherResults(now) == list(range(1000))
        assert await asyncio.gather(*later) == list(range(1000))
        assert root.broker.ours.pending == {}


# ---------------------------------------------------------------- failures


async def failure_of(deferred: Any) -> Any:
    failure = await settled(deferred)
    assert isinstance(failure, defer.Failure)
    return failure


@both_dialects
@pytest.mark.parametrize("when", ["", "deferred ", "later ", "async "], ids=["now", "deferred", "later", "async"])
async def test_a_failure_has_its_name_its_text_and_its_parents(twisted: Peer, when: str, dialect: str) -> None:
    kinds = {
        "pb.Error": ("twisted.spread.pb.Error", "a quiet text", pb.Error),
        "Quiet": ("lab.Quiet", "a quiet text", lab.Quiet),
        "Quieter": ("lab.Quieter", "a quiet text", lab.Quiet),
        "ValueError": ("builtins.ValueError", "a loud text", ValueError),
        "KeyError": ("builtins.KeyError", "'key'", LookupError),
        "textless": ("builtins.RuntimeError", "", RuntimeError),
    }
    async with laboratory(twisted, dialect) as root:
        for kind, (name, text, parent) in kinds.items():
            failure = await failure_of(root.callRemote("fail", when + kind))
            assert isinstance(failure.value, RemoteError)
            assert failure.type == failure.value.remoteType == name
            assert str(failure.value) == failure.value.remoteValue == text
            assert failure.value.remoteTraceback == "Traceback unavailable\n"
            assert failure.check(parent) is parent
            assert failure.check(name, OSError) == name
            assert failure.check(OSError) is None
            assert bool(failure.check(pb.Error)) == ("uiet" in text)


@both_dialects
async def test_a_failure_is_raised_where_it_is_awaited(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        with pytest.raises(RemoteError, match=r"^a loud text$") as raised:
            await root.callRemote("fail", "ValueError")
        assert raised.value.check(ValueError) is ValueError
        with pytest.raises(pb.Error, match=r"^a quiet text$"):
            await root.callRemote("fail", "Quieter")


@both_dialects
async def test_an_exception_that_is_copyable_arrives_as_its_copy(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        for how in ("Spill", "deferred Spill", "later Spill"):
            with pytest.raises(lab.SpillCopy) as raised:
                await root.callRemote("fail", how)
            assert raised.value.where == "on the floor"


async def test_tracebacks_are_shown_by_a_server_that_means_to(twisted: Peer) -> None:
    async with connected(twisted, "lab/unsafe") as connection:
        root = await connection.getRootObject()
        with pytest.raises(RemoteError) as raised:
            await root.callRemote("fail", "ValueError")
        assert raised.value.remoteTraceback.endswith("builtins.ValueError: a loud text\n")
        assert "twisted_lab.py" in raised.value.remoteTraceback


@both_dialects
async def test_an_unknown_method_is_no_such_method(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        with pytest.raises(NoSuchMethod, match="remote_missing"):
            await root.callRemote("missing")
        with pytest.raises(AttributeError):
            await root.callRemote("missing")
        with pytest.raises(RemoteError) as raised:
            await root.callRemote("pushed", "too many")
        assert raised.value.check(TypeError) is TypeError


@both_dialects
async def test_what_twisted_does_not_accept_is_told_to_the_caller(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        with pytest.raises(InsecureJelly, match=r"lab\.Secret"):
            await root.callRemote("echo", lab.Secret())
        with pytest.raises(InsecureJelly):
            await root.callRemote("echo", int)
        with pytest.raises(CannotJelly, match=r"args\[0\]\['x'\]"):
            await root.callRemote("echo", {"x": object()})
        assert await root.callRemote("echo", 1) == 1


@both_dialects
async def test_a_class_that_is_not_registered_fails_its_call_only(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        with pytest.raises(RefusedClass, match=r"setUnjellyableForClass\('lab\.Secret'"):
            await root.callRemote("unregistered")
        assert await root.callRemote("echo", 1) == 1


@both_dialects
async def test_twisted_traps_what_our_objects_raise(twisted: Peer, dialect: str) -> None:
    """`trap(pb.Error)` in Twisted, on an exception of ours that went there."""
    async with laboratory(twisted, dialect) as root:
        thing = lab.Thing("mine")
        assert await root.callRemote("trap", thing, "pb.Error") == [
            *("Error", "twisted.spread.pb.Error", "a quiet text", False)
        ]
        assert await root.callRemote("trap", thing, "Quieter") == ["Error", "lab.Quieter", "a quiet text", False]
        assert await root.callRemote("trap", thing, "async Quiet") == ["Error", "lab.Quiet", "a quiet text", False]
        assert await root.callRemote("trap", thing, "ValueError") == [None, "builtins.ValueError", "a loud text", True]
        name, parents = await root.callRemote("callMissing", thing)
        assert name == "twisted.spread.flavors.NoSuchMethod"
        assert parents[:2] == ["twisted.spread.flavors.NoSuchMethod", "builtins.AttributeError"]


@both_dialects
async def test_a_client_has_no_root(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        with pytest.raises(pb.Error, match="Invalid Object ID"):
            await root.callRemote("root")


# ---------------------------------------------------------------- references


@both_dialects
async def test_references_are_called_compared_and_sent_home(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        thing = await root.callRemote("lend")
        assert await thing.callRemote("name") == "the thing"
        assert await thing.callRemote("double", 21) == 42
        assert await root.callRemote("isThing", thing) is True
        assert await root.callRemote("isLab", root) is True
        one, other = await root.callRemote("lendTwice")
        assert one == other == thing
        assert hash(one) == hash(other)
        assert one != root
        assert one != 5


@both_dialects
async def test_each_receipt_of_a_reference_is_given_back_once(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        books = root.broker.theirs.exports
        one = await root.callRemote("lend")
        luid = one.luid
        two, three = await root.callRemote("lendTwice")
        assert books.counts() == {luid: 3}
        del one, two
        gc.collect(0)
        assert await three.callRemote("name") == "the thing"
        assert books.counts() == {luid: 1}
        pb.release(three)
        with pytest.raises(DeadReferenceError):
            three.callRemote("name")
        again = await root.callRemote("lend")
        assert again.luid != luid
        assert books.counts() == {again.luid: 1}


@both_dialects
async def test_our_object_is_called_kept_and_given_back_there(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        mine = lab.Thing("mine")
        ours = root.broker.ours.exports
        assert await root.callRemote("call", mine, "double", 4) == 8
        assert await root.callRemote("call", mine, "name") == "mine"
        await root.callRemote("keep", mine)
        assert list(ours.counts().values()) == [1]
        assert await root.callRemote("kept") is mine
        assert await root.callRemote("equal", mine, mine) == [False, True]
        await root.callRemote("drop")
        await root.callRemote("echo", 1)
        assert ours.counts() == {}
        with pytest.raises(pb.Error, match="a quiet text"):
            await root.callRemote("call", mine, "fail", "Quieter")


@both_dialects
async def test_our_object_comes_home_when_it_is_echoed(twisted: Peer, dialect: str) -> None:
    """Twisted gives it back before it answers; its own client gets None."""
    async with laboratory(twisted, dialect) as root:
        mine = lab.Thing("mine")
        for how in ("echo", "echoLater"):
            assert await root.callRemote(how, mine) is mine
            one, other = await root.callRemote(how, [mine, {"k": mine}])
            assert one is mine
            assert other["k"] is mine
        assert root.broker.ours.exports.counts() == {}


@both_dialects
async def test_a_hundred_references_are_a_hundred_objects(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        many = await root.callRemote("lendNew", 100)
        names = await defer.gatherResults([each.callRemote("name") for each in many])
        assert names == [str(number) for number in range(100)]
        assert len(root.broker.theirs.exports) == 100
        del many, names
        gc.collect(0)
        await root.callRemote("echo", 1)
        assert len(root.broker.theirs.exports) == 0


# ---------------------------------------------------------------- copies and caches


@both_dialects
async def test_copies_arrive_with_their_state(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        parcel = await root.callRemote("parcel")
        assert type(parcel) is lab.ParcelCopy
        assert vars(parcel) == {"label": "fragile", "weight": 3, "inside": [1, (2, b"3"), None]}
        crate = await root.callRemote("crate")
        assert type(crate) is lab.CrateCopy
        assert vars(crate) == {"content": ["straw", b"\x00\x01"], "perspective": "NoneType"}
        twice = await root.callRemote("twice")
        assert twice[0] is twice[1] is twice[2]["again"]


@both_dialects
async def test_copies_of_ours_arrive_there(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        parcel = lab.Parcel()
        parcel.label, parcel.inside = "mine", ["x", (1, b"y")]
        assert await root.callRemote("unpack", parcel) == ["ParcelCopy", {"label": "mine", "inside": ["x", (1, b"y")]}]
        crate = lab.Crate()
        crate.content = "straw"
        assert await root.callRemote("unpack", crate) == [
            "CrateCopy",
            {"content": "straw", "perspective": "NoneType"},
        ]


@both_dialects
async def test_a_cached_copy_keeps_step_with_its_owner(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        pond = await root.callRemote("pond")
        assert pond.ducks == ["one duck", "two duck"]
        # The update is there when the answer is.
        assert await root.callRemote("addDuck", "ugly duckling") == [3]
        assert pond.ducks == ["one duck", "two duck", "ugly duckling"]
        again = await root.callRemote("pond")
        assert again.ducks is pond.ducks
        assert again == pond
        assert await root.callRemote("isPond", pond) is True
        assert await root.callRemote("observers") == 1
        with pytest.raises(RemoteError, match="the pond is dry"):
            await root.callRemote("spoilPond")
        unobserved = twisted.count("unobserved, 0 left")
        del again, pond
        gc.collect(0)
        assert await root.callRemote("observers") == 0
        await twisted.ask_meanwhile("wait", text="unobserved, 0 left", count=unobserved + 1)
        fresh = await root.callRemote("pond")
        assert fresh.ducks[-1] == "ugly duckling"


@both_dialects
async def test_a_cacheable_of_ours_is_observed_there(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        mine = lab.Pond()
        assert await root.callRemote("ducks", mine) == ["one duck", "two duck"]
        assert await mine.add("a third") == [3]
        assert await root.callRemote("kept") is mine
        assert await root.callRemote("sameDucks", mine, mine) is True
        await root.callRemote("drop")
        await root.callRemote("echo", 1)
        assert mine.observers == []
        assert root.broker.ours.caches.counts() == {}


@both_dialects
async def test_a_viewable_without_a_login_has_no_perspective(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        board = await root.callRemote("board")
        assert await board.callRemote("who", 1, key="value") == [None, [1], {"key": "value"}]
        with pytest.raises(RemoteError) as raised:
            await board.callRemote("missing")
        assert raised.value.check(AttributeError) is AttributeError


# ---------------------------------------------------------------- login


@both_dialects
async def test_a_password_opens_an_avatar_with_its_mind(twisted: Peer, dialect: str) -> None:
    events = {text: twisted.count(text) for text in ("logout ada", "logout bob")}
    async with connected(twisted, "gate/both", dialect) as connection:
        mind = lab.Mind()
        ada = await connection.login(name_and_password("ada", "lovelace"), mind)
        assert await ada.callRemote("whoami") == "ada"
        assert await ada.callRemote("echo", 1, b"two", three=3) == [[1, b"two"], {"three": 3}]
        assert await ada.callRemote("tell", "a word") == "heard"
        assert mind.heard == [["a word"]]
        board = await ada.callRemote("board")
        assert await board.callRemote("who") == ["ada", [], {}]
        assert await ada.callRemote("isBoard", board) == ["ViewPoint", True, True]
        crate = await ada.callRemote("crate")
        assert crate.perspective == "User"
        with pytest.raises(RemoteError) as raised:
            await ada.callRemote("missing")
        assert raised.value.check(AttributeError) is AttributeError

        bob = await connection.login(name_and_password("bob", "builder"))
        assert await bob.callRemote("hasMind") is False
        assert await bob.callRemote("whoami") == "bob"
        del ada
        gc.collect(0)
        assert await bob.callRemote("whoami") == "bob"
        await twisted.ask_meanwhile("wait", text="logout ada", count=events["logout ada"] + 1)
        del bob
    await twisted.ask_meanwhile("wait", text="logout bob", count=events["logout bob"] + 1)


async def test_text_and_bytes_name_the_same_user(twisted: Peer) -> None:
    async with connected(twisted, "gate/passwords") as connection:
        for credentials in (cred.UsernamePassword("ada", "lovelace"), cred.UsernamePassword(b"ada", b"lovelace")):
            avatar = await connection.login(credentials)
            assert await avatar.callRemote("whoami") == "ada"


@both_dialects
async def test_a_wrong_name_cannot_be_told_from_a_wrong_password(twisted: Peer, dialect: str) -> None:
    async with connected(twisted, "gate/passwords", dialect) as connection:
        failures = [
            await failure_of(connection.login(name_and_password(name, password)))
            for name, password in (("ada", "byron"), ("eve", "lovelace"))
        ]
        for failure in failures:
            assert isinstance(failure.value, UnauthorizedLogin)
            assert isinstance(failure.value, Unauthorized)
            assert failure.type == "twisted.cred.error.UnauthorizedLogin"
        assert str(failures[0].value) == str(failures[1].value)
        ada = await connection.login(name_and_password("ada", "lovelace"))
        assert await ada.callRemote("whoami") == "ada"


@both_dialects
async def test_a_guest_needs_no_name_where_guests_are_let_in(twisted: Peer, dialect: str) -> None:
    async with connected(twisted, "gate/both", dialect) as connection:
        mind = lab.Mind()
        guest = await connection.login(cred.Anonymous(), mind)
        assert await guest.callRemote("whoami") == "anonymous"
        assert await guest.callRemote("tell", 1) == "heard"
        ada = await connection.login(name_and_password("ada", "lovelace"))
        assert await ada.callRemote("whoami") == "ada"
    async with connected(twisted, "gate/anonymous", dialect) as connection:
        guest = await connection.login(cred.Anonymous())
        assert await guest.callRemote("hasMind") is False


@both_dialects
async def test_credentials_that_nobody_checks_are_named(twisted: Peer, dialect: str) -> None:
    async with connected(twisted, "gate/passwords", dialect) as connection:
        with pytest.raises(UnhandledCredentials, match=r"No checker for twisted\.cred\.credentials\.IAnonymous"):
            await connection.login(cred.Anonymous())
    async with connected(twisted, "gate/anonymous", dialect) as connection:
        with pytest.raises(UnhandledCredentials, match="No checker"):
            await connection.login(name_and_password("ada", "lovelace"))


# ---------------------------------------------------------------- pages


@both_dialects
async def test_pages_come_in_order_and_whole(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        for size, chunk, sizes in (
            (100, 32, [32, 32, 32, 4]),
            (64, 32, [32, 32]),
            (0, 32, [0]),
            (102_400, 8192, [8192] * 12 + [4096]),
        ):
            pages = await pb.getAllPages(root, "pages", size, chunk)
            assert [len(page) for page in pages] == sizes
            assert b"".join(pages) == lab.blob(size)


@both_dialects
async def test_a_file_comes_in_blocks(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        for size, sizes in ((0, []), (16_384, [16_384]), (40_000, [16_384, 16_384, 7232])):
            pages = await pb.getAllPages(root, "filePages", size)
            assert [len(page) for page in pages] == sizes
            assert b"".join(pages) == lab.blob(size)


@both_dialects
async def test_our_pages_are_collected_there(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        assert await root.callRemote("collect", lab.Thing("feeder"), 5500) == lab.weigh(lab.blob(5500))


async def test_a_paging_call_that_fails_is_told_to_the_caller(twisted: Peer) -> None:
    """In Twisted the error of the call is lost, and whoever waits for the pages waits for ever."""
    async with laboratory(twisted, "pb") as root:
        with pytest.raises(NoSuchMethod):
            await pb.getAllPages(root, "missing")


# ---------------------------------------------------------------- the end


@both_dialects
@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_server_that_leaves_in_mid_call_fails_what_waits(twisted: Peer, how: str, dialect: str) -> None:
    async with connected(twisted, dialect=dialect) as connection:
        root = await connection.getRootObject()
        gone: list[Any] = []
        root.notifyOnDisconnect(gone.append)
        connection.notifyOnDisconnect(lambda: gone.append("connection"))
        waiting = [root.callRemote("never"), root.callRemote("never")]
        leaving = await settled(root.callRemote("leave", how))
        assert leaving == "goodbye" if how == "close" else isinstance(leaving.value, PBConnectionLost)
        for each in waiting:
            failure = await failure_of(each)
            assert isinstance(failure.value, PBConnectionLost)
        assert gone == [root, "connection"]
        with pytest.raises(DeadReferenceError):
            root.callRemote("echo", 1)
        await connection.wait_closed()


@both_dialects
async def test_leaving_in_mid_call_fails_what_waits_here(twisted: Peer, dialect: str) -> None:
    lost = twisted.count("connection lost")
    async with connected(twisted, dialect=dialect) as connection:
        root = await connection.getRootObject()
        waiting = root.callRemote("never")
        await root.callRemote("echo", 1)
        twisted.ask("log")
        connection.close()
        with pytest.raises(PBConnectionLost):
            await waiting
    await twisted.ask_meanwhile("wait", text="connection lost", count=lost + 1)
    assert twisted.ask("log") == []


@both_dialects
async def test_a_call_that_is_cancelled_gives_back_what_its_answer_lends(twisted: Peer, dialect: str) -> None:
    async with laboratory(twisted, dialect) as root:
        call = root.callRemote("lend")
        call.cancel()
        assert (await failure_of(call)).check(asyncio.CancelledError)
        await root.callRemote("echo", 1)
        gc.collect(0)
        await root.callRemote("echo", 1)
        assert root.broker.theirs.exports.counts() == {}
        assert root.broker.ours.pending == {}


async def test_another_connection_cannot_carry_a_reference(twisted: Peer) -> None:
    async with laboratory(twisted, "pb") as one, laboratory(twisted, "pb") as other:
        thing = await one.callRemote("lend")
        with pytest.raises(pb.ForeignReference, match=r"args\[0\]"):
            await other.callRemote("echo", thing)
        assert await other.callRemote("echo", 1) == 1


async def test_a_sign_of_life_is_no_news_to_twisted(twisted: Peer) -> None:
    async with laboratory(twisted, "pb") as root:
        for _ in range(3):
            root.broker.keepalive()
        assert await root.callRemote("echo", "alive") == "alive"


# ---------------------------------------------------------------- the recordings, live


class LiveNotes(Notes):
    """The notes of a client on a real connection."""

    def __init__(self, connection: Any) -> None:
        super().__init__()
        self.connection = connection

    def root(self) -> Any:
        return self.connection.getRootObject()

    def login(self, credentials: Any, mind: Any = None) -> Any:
        return self.connection.login(credentials, mind)


SESSIONS = sessions()
#: Steps at which our client sees more than Twisted's did, or says it otherwise.
OTHERWISE = {
    "no_answer": ["no answer wanted", "no answer wanted, 0", "no answer wanted, raises there"],
    "copyable": ["circular: attribute .me type", "circular: attribute .me is self"],
    "cacheable": [
        "second get: same object / same state object / equal",
        "second get: same state object",
        "fetched afresh",
    ],
    "lost_pending": ["pending 1", "pending 2", "call on dead reference"],
    "exceptions_safe": ["jellyable", "await raises"],
}


@both_dialects
@pytest.mark.parametrize("name", SESSIONS)
async def test_our_client_sees_what_twisteds_client_saw(twisted: Peer, name: str, dialect: str) -> None:
    """The recorded scenarios, with Twisted's server and our client."""
    async with connected(twisted, f"recorded/{name}", dialect, security=None) as connection:
        notes = LiveNotes(connection)
        await CLIENTS[name](notes)
    otherwise = OTHERWISE.get(name, [])
    expected = [step for step in SESSIONS[name]["notes"]["client_observed"] if step["step"] not in otherwise]
    assert [step for step in notes.steps if step["step"] not in otherwise] == expected
