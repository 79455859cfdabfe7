"""The workbench: connecting, a line at a time, and what happens when the other side goes away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from pbshell import pb
from pbshell.cred import Anonymous, UsernamePassword
from pbshell.defer import Deferred
from pbshell.errors import UsageError
from pbshell.workbench.commands import Leave
from pbshell.workbench.problems import Interrupted
from pbshell.workbench.typed.evaluation import is_complete
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected, portal

ALICE = UsernamePassword("alice", "wonderland")


async def test_an_expression_gives_its_value_and_is_the_last_result() -> None:
    async with connected() as (bench, _):
        assert await bench.evaluate("await root.callRemote('echo', 41) + 1") == 42
        assert await bench.evaluate("_ * 2") == 84


async def test_a_statement_gives_nothing_and_its_names_stay() -> None:
    async with connected() as (bench, _):
        assert await bench.evaluate("x = await root.callRemote('echo', 5)") is None
        assert await bench.evaluate("x") == 5


async def test_nothing_as_a_result_leaves_the_last_result_alone() -> None:
    bench = Workbench()
    await bench.evaluate("5")

    assert await bench.evaluate("None") is None
    assert await bench.evaluate("_") == 5


@pytest.mark.parametrize(
    "line",
    [
        "root.callRemote('echo', 5)",
        "asyncio.sleep(0, 5)",
        "asyncio.get_running_loop().create_task(asyncio.sleep(0, 5))",
    ],
)
async def test_a_bare_awaitable_is_awaited(line: str) -> None:
    async with connected() as (bench, _):
        bench.namespace["asyncio"] = asyncio

        assert await bench.evaluate(line) == 5


async def test_a_block_may_await() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("found = []\nfor n in range(3):\n    found.append(await root.callRemote('echo', n))\n")

        assert await bench.evaluate("found") == [0, 1, 2]


async def test_a_function_of_ones_own_can_be_called_remotely() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("class Mine(pb.Referenceable):\n    def remote_name(self):\n        return 'mine'\n")

        assert await bench.evaluate("mine = Mine()") is None
        assert await bench.evaluate("await root.callRemote('echo', mine) is mine") is True


async def test_annotations_are_not_those_of_our_own_future_imports() -> None:
    bench = Workbench()
    await bench.evaluate("def f(x: int): pass")

    assert await bench.evaluate("f.__annotations__") == {"x": int}


@pytest.mark.parametrize("line", ["1 +", "def", "x = = 1", "await", "return 5"])
async def test_what_is_no_python_is_a_syntax_error_without_another_behind_it(line: str) -> None:
    with pytest.raises(SyntaxError) as caught:
        await Workbench().evaluate(line)

    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("line", "code"),
    [("exit()", 0), ("exit(3)", 3), ("exit", 0), ("quit", 0), ("raise SystemExit('why')", 1), (":quit", 0)],
)
async def test_there_is_more_than_one_way_to_leave(line: str, code: int) -> None:
    with pytest.raises(Leave) as caught:
        await Workbench().evaluate(line)

    assert caught.value.code == code


async def test_who_leaves_with_words_has_them_told() -> None:
    told: list[str] = []
    with pytest.raises(Leave):
        await Workbench(told.append).evaluate("raise SystemExit('bye')")

    assert told == ["bye"]


async def test_the_methods_that_have_answered_are_remembered() -> None:
    async with connected(portal(), credentials=ALICE, user="alice") as (bench, _):
        assert bench.logged_in
        for line in ("await root.callRemote('tell', 'print')", "await root.callRemote('nosuch')"):
            with suppress(pb.PBError):
                await bench.evaluate(line)

        assert list(bench.tracer.methods) == ["tell"]


async def test_a_keyboard_interrupt_in_python_does_not_reach_the_loop() -> None:
    with pytest.raises(Interrupted, match="interrupted"):
        await Workbench().evaluate("raise KeyboardInterrupt")


async def test_a_login_gives_the_avatar_and_a_mind_that_hears() -> None:
    async with connected(portal(), credentials=ALICE, user="alice") as (bench, notes):
        assert bench.connections["alice"].user == "alice"
        assert await bench.evaluate("await root.callRemote('tell', 'print', 'hi', loud=True)") is None

        (heard,) = await bench.evaluate("list(mind.heard)")
        assert (heard.method, heard.args, heard.kwargs) == ("print", ("hi",), {"loud": True})
        assert notes.told == ["mind.print('hi', loud=True)"]


@pytest.mark.parametrize("credentials", [UsernamePassword("alice", "x"), UsernamePassword("eve", "x"), Anonymous()])
async def test_a_login_that_is_refused_leaves_no_connection(credentials: Any) -> None:
    bench = Workbench()
    async with pb.serve(portal(), "tcp:0") as server:
        with pytest.raises(pb.PBError):
            await bench.connect(f"127.0.0.1:{server.port}", credentials=credentials)

        assert bench.connections == {}
        assert "root" not in bench.namespace


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError, match="said nothing within"):
            await Workbench().connect(f"127.0.0.1:{port}", timeout=0.05)


async def test_a_login_that_is_not_answered_is_given_up_in_time() -> None:
    class Deaf(pb.Root):
        def remote_loginAnonymous(self, mind: Any) -> Deferred[None]:
            return Deferred()

    async with pb.serve(Deaf(), "tcp:0") as server:
        with pytest.raises(TimeoutError, match="did not answer the login within"):
            await Workbench().connect(f"127.0.0.1:{server.port}", credentials=Anonymous(), timeout=0.05)


async def test_a_name_is_taken_once() -> None:
    async with connected() as (bench, _):
        with pytest.raises(UsageError, match="there is a connection 'main' already"):
            await bench.connect("127.0.0.1:1", name="main")


async def test_without_a_name_the_first_free_one_is_taken() -> None:
    async with connected() as (bench, _):
        opened = await bench.connect(bench.connections["main"].target)

        assert opened.name == "main2"
        assert bench.namespace["root"] is opened.root
        assert bench.use("main").root is bench.namespace["root"]


async def test_two_connections_have_two_names() -> None:
    async with connected() as (bench, _), pb.serve(portal(), "tcp:0") as server:
        await bench.connect(f"127.0.0.1:{server.port}", name="gate", credentials=ALICE)

        assert list(bench.connections) == ["main", "gate"]
        assert {row.connection for row in bench.namespace["sh"].refs()} == {"gate"}


async def test_a_connection_that_is_lost_is_told_when_nobody_asked() -> None:
    async with connected() as (bench, notes):
        opened = bench.connections["main"]
        opened.connection.abort()
        await opened.connection.wait_closed()

        assert notes.told == [
            f"the connection to {opened.target} has ended: aborted on this side; :reconnect makes a new one"
        ]
        assert bench.connections == {}
        assert bench.label == "main (ended)"
        assert bench.namespace["root"] is opened.root


async def test_a_connection_that_is_lost_in_a_call_is_told_once() -> None:
    async with connected() as (bench, notes):
        with pytest.raises(pb.PBConnectionLost):
            await bench.evaluate("await root.callRemote('leave')")

        assert notes.told == []


async def test_a_connection_that_is_lost_beside_a_statement_is_told_behind_it() -> None:
    async with connected() as (bench, notes):
        assert await bench.evaluate("connection.abort(); await connection.wait_closed(); print()") is None

        assert len(notes.told) == 1


async def test_what_is_closed_by_us_is_no_news() -> None:
    async with connected() as (bench, notes):
        await bench.close()

        assert notes.told == []


async def test_without_anybody_to_tell_nothing_is_told() -> None:
    bench = Workbench()
    bench.say("to nobody")


@pytest.mark.parametrize(
    ("source", "complete"),
    [("1", True), ("x = [1,", False), ("for x in y:", False), ("for x in y:\n  pass", True), ("await x", True)],
)
def test_half_a_statement_is_told_from_a_whole_one(source: str, complete: bool) -> None:
    assert is_complete(source) is complete


def test_a_statement_that_nothing_mends_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        is_complete("x = = 1")
