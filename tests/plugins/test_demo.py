"""The demo server: everything it promises, over a real connection."""

from __future__ import annotations

import argparse
import asyncio
import gc
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell_plugins import demo


class Mind(pb.Referenceable):
    """Hears what is printed."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def remote_print(self, text: str) -> None:
        self.heard.append(text)


@asynccontextmanager
async def logged_in(*names: str, tick: float = 0.001) -> AsyncIterator[list[tuple[Any, Mind]]]:
    """Avatar and mind of each of *names*, each over a connection of its own."""
    accounts = {"alice": "a", "bob": "b"}
    async with pb.serve(demo.make_portal(accounts, tick), "tcp:0") as server:
        people = []
        for name in names:
            connection = await pb.connect(f"127.0.0.1:{server.port}")
            mind = Mind()
            people.append((await connection.login(UsernamePassword(name, accounts[name]), client=mind), mind))
        yield people
        for avatar, _ in people:
            connection = avatar.broker.link
            connection.close()
            await connection.wait_closed()


async def test_a_user_is_told_who_he_is_and_gets_back_what_he_sends() -> None:
    async with logged_in("alice") as [(alice, _)]:
        assert await alice.callRemote("whoami") == "alice"
        assert await alice.callRemote("echo", [1, "two"]) == [1, "two"]


async def test_the_mind_is_called() -> None:
    async with logged_in("alice") as [(alice, mind)]:
        assert await alice.callRemote("callMe", "hello") is True
        assert mind.heard == ["hello"]


async def test_without_a_mind_nobody_is_called() -> None:
    person = demo.Office().enter(None, None)

    assert person.perspective_callMe("hello") is False
    assert person.perspective_whoami() == "somebody"


async def test_a_group_tells_everybody_who_speaks() -> None:
    async with logged_in("alice", "bob") as [(alice, hers), (bob, his)]:
        group = await alice.callRemote("joinGroup", "lobby")
        await bob.callRemote("joinGroup", "lobby")
        await bob.callRemote("joinGroup", "lobby")

        assert await group.callRemote("members") == ["alice", "bob"]
        assert await group.callRemote("send", "hi") == 2
        await asyncio.gather(alice.callRemote("whoami"), bob.callRemote("whoami"))
        assert hers.heard == his.heard == ["<lobby> alice: hi"]


async def test_who_leaves_is_in_no_group_any_more() -> None:
    office = demo.Office()
    alice, bob = office.enter("alice", None), office.enter("bob", None)
    group = alice.perspective_joinGroup("lobby")
    bob.perspective_joinGroup("elsewhere")

    alice.logout()

    assert group.view_members(bob) == []
    assert bob.perspective_getStatus().users == ["bob"]


def test_there_are_not_more_groups_than_enough() -> None:
    alice = demo.Office().enter("alice", None)
    for number in range(100):
        alice.perspective_joinGroup(str(number))

    with pytest.raises(pb.Error):
        alice.perspective_joinGroup("one more")
    assert alice.perspective_joinGroup("7").name == "7"


async def test_a_builder_is_a_reference_that_builds() -> None:
    async with logged_in("alice") as [(alice, _)]:
        builder = await alice.callRemote("getBuilder", "linux")

        assert isinstance(builder, pb.RemoteReference)
        assert await builder.callRemote("start", {"revision": "abc"}) == "queued"
        assert await builder.callRemote("started") == [{"revision": "abc"}]
        assert await builder.callRemote("slow", 0) == "built for linux in 0 s"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(builder.callRemote("never"), 0.01)


async def test_errors_come_as_what_they_are() -> None:
    async with logged_in("alice") as [(alice, _)]:
        builder = await alice.callRemote("getBuilder", "linux")

        with pytest.raises(pb.RemoteError) as caught:
            await builder.callRemote("explode")
        assert caught.value.check(ValueError)
        with pytest.raises(pb.Error):
            await alice.callRemote("refuse")


async def test_a_status_is_a_copy() -> None:
    async with logged_in("alice", "bob") as [(alice, _), _]:
        status = await alice.callRemote("getStatus")

        assert repr(status) == "<Status {'users': ['alice', 'bob'], 'ticks': 0}>"


async def test_the_clock_ticks_in_the_copy_as_long_as_there_is_one() -> None:
    async with logged_in("alice") as [(alice, _)]:
        clock = await alice.callRemote("getClock")
        first = await clock.next()

        assert await clock.next() == first + 1
        assert repr(clock) == f"<Clock at {clock.ticks} ticks>"

        del clock
        gc.collect()
        # The decache goes in front of this call, and stops the clock in front of its answer.
        await alice.callRemote("whoami")
        assert not [task for task in asyncio.all_tasks() if "Clock._run" in repr(task)]


def test_passwords_are_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "demo.auth"

    accounts = demo.read_accounts(path)

    assert accounts.keys() == {"alice", "bob"}
    assert min(map(len, accounts.values())) >= 12
    assert accounts["alice"] != accounts["bob"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert demo.read_accounts(path) == accounts


def test_accounts_of_ones_own_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.write_text("# mine\n\ncarol:with:colon\nnobody\n:x\n")

    assert demo.read_accounts(path) == {"carol": "with:colon"}


def test_the_banner_tells_where_the_passwords_are_and_not_what(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    plugin = demo.DemoPlugin()
    plugin.add_options(parser)
    path = tmp_path / "accounts"

    plugin.make(parser.parse_args(["--accounts", str(path), "--tick", "0.1"]))

    assert plugin.banner() == f"accounts and passwords in {path}"


def test_by_default_they_are_in_the_users_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    plugin = demo.DemoPlugin()

    plugin.make(argparse.Namespace(accounts=None, tick=1.0))

    assert [path.name for path in tmp_path.rglob("demo.auth")] == ["demo.auth"]
