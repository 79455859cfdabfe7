"""The commands: data for those who ask by words, and the same for those who call."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from pbshell.cred import UsernamePassword
from pbshell.errors import UsageError
from pbshell.workbench.commands import COMMANDS, perform
from pbshell.workbench.commands.general import HelpRow
from pbshell.workbench.commands.tracing import TraceState
from pbshell.workbench.inspection import CacheRow, ReferenceRow
from pbshell.workbench.rows import Rows
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected, portal

ALICE = UsernamePassword("alice", "wonderland")


async def test_refs_are_theirs_and_ours_with_their_counts() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("things = [await root.callRemote('thing'), await root.callRemote('thing')]")
        await bench.evaluate("class Mine(pb.Referenceable): pass")
        await bench.evaluate("mine = Mine()")
        await bench.evaluate("await root.callRemote('keep', [mine, mine])")

        assert await bench.evaluate(":refs") == [
            ReferenceRow("main", "ours", "c1", 2, "__pbshell__.Mine"),
            ReferenceRow("main", "theirs", "s1", 1, ""),
            ReferenceRow("main", "theirs", "s2", 1, ""),
        ]
        assert [row.id for row in await bench.evaluate(":refs ours")] == ["c1"]
        assert [row.id for row in await bench.evaluate("sh.refs('theirs')")] == ["s1", "s2"]


async def test_what_is_dropped_is_no_reference_any_more() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await bench.evaluate("del thing")
        gc.collect()
        # One call more, in front of which the decref is sent.
        await bench.evaluate("await root.callRemote('echo', None)")

        assert await bench.evaluate(":refs") == []


async def test_a_mind_is_a_reference_of_ours() -> None:
    async with connected(portal(), credentials=ALICE) as (bench, _):
        rows = await perform(bench, "refs")

        assert [(row.side, row.id, row.what) for row in rows] == [
            ("ours", "c1", "pbshell.workbench.mind.Mind"),
            ("theirs", "s2", ""),
        ]


async def test_cached_shows_the_state_as_it_is_now() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("pond = await root.callRemote('pond')")
        await bench.evaluate("await root.callRemote('add', 'ugly duckling')")

        assert await bench.evaluate(":cached") == [
            CacheRow(
                "main", "theirs", "s1", 1, "tests.workbench.bench.PondCopy", "{'ducks': ['one duck', 'ugly duckling']}"
            )
        ]
        assert await bench.evaluate(":cached ours") == []


async def test_cached_knows_what_the_server_caches_of_ours() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("from tests.workbench.bench import Pond")
        await bench.evaluate("mine = Pond()")
        await bench.evaluate("await root.callRemote('keep', mine)")

        (row,) = await bench.evaluate(":cached")
        assert (row.side, row.id, row.count, row.what) == ("ours", "c1", 1, "tests.workbench.bench.Pond")


async def test_an_unknown_side_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="there is no side 'mine': write ours or theirs"):
        await Workbench().evaluate(":refs mine")


async def test_trace_shows_what_goes_by_while_it_is_on() -> None:
    async with connected() as (bench, notes):
        assert await bench.evaluate(":trace") == TraceState(on=False)
        await bench.evaluate("await root.callRemote('echo', 'before')")
        assert await bench.evaluate(":trace on") == TraceState(on=True)
        await bench.evaluate("await root.callRemote('echo', 'during')")
        assert await bench.evaluate(":trace off") == TraceState(on=False)
        await bench.evaluate("await root.callRemote('echo', 'after')")

        call, answer = notes.traffic
        assert "> message  c#2  root.echo('during')" in call
        assert "< answer   c#2  = 'during'  (echo #" in answer


async def test_a_login_that_is_traced_shows_no_secret() -> None:
    bench = Workbench()
    bench.tracer.on = True
    lines: list[str] = []
    bench.tracer.show = lines.append
    from pbshell import pb

    async with pb.serve(portal(), "tcp:0") as server:
        await bench.connect(f"127.0.0.1:{server.port}", credentials=ALICE)
        await bench.close()

    text = "\n".join(lines)
    assert "root.login(b'alice')" in text
    assert "= (***, s1)" in text
    assert "s1.respond(***, c1)" in text


@pytest.mark.parametrize(("state", "text"), [(True, "trace on; the secrets"), (False, "trace off")])
def test_a_trace_state_says_itself(state: bool, text: str) -> None:
    assert str(TraceState(state)).startswith(text)


async def test_the_trace_is_on_or_off() -> None:
    with pytest.raises(UsageError, match="trace cannot be 'loud': write on or off"):
        await perform(Workbench(), "trace loud")


async def test_help_lists_every_command() -> None:
    rows = await perform(Workbench(), "help")

    assert [row.command.split()[0] for row in rows] == [f":{name}" for name in COMMANDS]
    assert all(row.what for row in rows)


@pytest.mark.parametrize("word", ["refs", ":refs"])
async def test_help_tells_of_one_command(word: str) -> None:
    (row,) = await perform(Workbench(), f"help {word}")

    assert row == HelpRow(":refs [ours|theirs]", "the objects that are lent, by us and by the server")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("ref", "there is no command :ref; did you mean :refs?"),
        ("frobnicate", "there is no command :frobnicate; :help lists them"),
        ("\x1b[31m", "there is no command :\\x1b[31m; :help lists them"),
        ("", "a colon begins a command; :help lists them"),
        ("refs a b", "write :refs [ours|theirs]"),
        ("quit now", "write :quit"),
        ("refs 'ours", ":refs 'ours: No closing quotation"),
    ],
)
async def test_a_wrong_command_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await perform(Workbench(), line)

    assert str(caught.value) == sentence


async def test_the_commands_are_functions_of_sh() -> None:
    sh: Any = Workbench().namespace["sh"]

    assert sh.help() == await perform(Workbench(), "help")
    assert dir(sh) == sorted(COMMANDS)
    assert "sh.refs" in repr(sh)
    with pytest.raises(AttributeError, match="sh has no command 'ref'; it has refs"):
        sh.ref()
    with pytest.raises(UsageError, match="write :trace"):
        sh.trace("on", "off")


async def test_no_rows_still_know_their_kind() -> None:
    rows = await perform(Workbench(), "refs")

    assert isinstance(rows, Rows)
    assert (rows, rows.kind, rows.empty) == ([], ReferenceRow, "no references")


async def test_a_server_sees_its_own_side_of_the_books() -> None:
    """Rows are made for either end: on a server's the root stands too, and what is lent has its class."""
    from pbshell import pb
    from pbshell.workbench.inspection import caches, references
    from tests.workbench.bench import Server

    async with (
        pb.serve(Server(), "tcp:0") as server,
        pb.connect(f"127.0.0.1:{server.port}") as connection,
    ):
        root = await connection.getRootObject()
        kept = [await root.callRemote(name) for name in ("thing", "board", "pond")]
        (theirs,) = server.connections

        rows = [(row.id, row.count, row.what) for row in references("main", theirs.broker)]
        assert rows == [
            ("root", None, "tests.workbench.bench.Server"),
            ("s1", 1, "tests.workbench.bench.Thing"),
            ("s2", 1, "tests.workbench.bench.Board as builtins.NoneType sees it"),
        ]
        (cache,) = caches("main", theirs.broker)
        assert (cache.side, cache.what) == ("ours", "tests.workbench.bench.Pond")
        del kept
