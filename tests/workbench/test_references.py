"""What is lent: rows for programs, suspects, who holds it, one object's story, what grows, and the limits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell.errors import UsageError
from pbshell.wire.chunk import Side
from pbshell.workbench.books.inspection import Look, ReferenceRow, References, references
from pbshell.workbench.books.ledgers import ledger_of
from pbshell.workbench.books.stories import ReferenceStory
from pbshell.workbench.commands import perform
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.workbench import Hosted, Workbench
from tests.workbench.bench import Server, connected, portal

ALICE = UsernamePassword("alice", "wonderland")


async def do(bench: Workbench, *lines: str) -> Any:
    """What the last of *lines* gives."""
    value: Any = None
    for line in lines:
        value = await bench.evaluate(line)
    return value


@asynccontextmanager
async def hosting(root: Any = None) -> AsyncIterator[tuple[Workbench, pb.Connection]]:
    """A workbench that serves *root*, and the connection of a client that is none of its own."""
    bench = Workbench()
    async with pb.serve(root or Server(), "tcp:0", tap=bench.tracer.tap) as server:
        bench.servers["demo"] = Hosted("demo", "demo", server)
        async with pb.connect(f"127.0.0.1:{server.port}") as connection:
            await connection.getRootObject()
            yield bench, connection


# Rows


async def test_refs_are_theirs_and_ours_with_counts_births_and_holders() -> None:
    async with connected() as (bench, _):
        rows = await do(
            bench,
            "things = [await root.callRemote('thing'), await root.callRemote('thing')]",
            "other = things[1]",
            "class Mine(pb.Referenceable): pass",
            "mine = Mine()",
            "await root.callRemote('keep', [mine, mine])",
            "await things[0].callRemote('name')",
            ":refs",
        )

        assert [
            (row.side, row.id, row.count, row.what, row.birth, row.used, row.method, row.held_by) for row in rows
        ] == [
            ("ours", "c1", 2, "__pbshell__.Mine", "keep() args[0][0]", 0, "", "peer"),
            ("theirs", "s1", 1, "", "thing()", 1, "name", "things[0]"),
            ("theirs", "s2", 1, "", "thing()", 0, "", "other"),
        ]
        assert all(row.connection == "main" and row.born and row.age >= 0 for row in rows)
        assert rows[1].idle <= rows[1].age
        assert rows[2].idle is None
        assert [row.id for row in await bench.evaluate(":refs ours")] == ["c1"]
        assert [row.id for row in await bench.evaluate("sh.refs('theirs')")] == ["s1", "s2"]


async def test_what_is_dropped_is_no_reference_any_more() -> None:
    async with connected() as (bench, _):
        await do(bench, "thing = await root.callRemote('thing')", "del thing")
        gc.collect()
        # One call more, in front of which the decref is sent.
        await bench.evaluate("await root.callRemote('echo', None)")

        rows = await bench.evaluate(":refs")
        assert rows == []
        (theirs,) = [each for each in rows.heads[0].ledgers if each.side == "theirs"]
        assert (theirs.lent, theirs.returned, theirs.held, theirs.wrong) == (1, 1, 0, ())


async def test_a_mind_is_a_reference_of_ours_and_the_avatar_is_held_as_root() -> None:
    async with connected(portal(), credentials=ALICE, user="alice") as (bench, _):
        rows = await perform(bench, "refs")

        assert [(row.side, row.id, row.what, row.birth, row.held_by) for row in rows] == [
            ("ours", "c1", "pbshell.workbench.typed.mind.Mind", "alice.mind", "peer"),
            ("theirs", "s2", "", "alice", "root"),
        ]
        assert (rows.heads[0].user, rows.heads[0].ours, rows.heads[0].theirs) == ("alice", 1, 1)


async def test_refs_without_a_connection_are_none() -> None:
    rows = await perform(Workbench(), "refs")

    assert isinstance(rows, Rows)
    assert (list(rows), rows.kind, rows.empty) == ([], ReferenceRow, "no references")


async def test_a_filter_selects_by_id_birth_and_class() -> None:
    async with connected() as (bench, _):
        await do(
            bench,
            "things = [await root.callRemote('thing') for _ in range(3)]",
            "board = await root.callRemote('board')",
            "class Mine(pb.Referenceable): pass",
            "await root.callRemote('keep', Mine())",
        )

        async def found(line: str) -> list[str]:
            return [row.id for row in await bench.evaluate(line)]

        assert await found(":refs ~l s2") == ["s2"]
        assert await found(":refs theirs board") == ["s4"]
        assert await found(":refs ~o Mine") == ["c1"]
        assert await found(":refs all !thing") == ["c1", "s4"]
        assert (await bench.evaluate(":refs leked")).empty.endswith("; did you mean leaked?")
        nothing = await bench.evaluate(":refs mine2")
        assert (list(nothing), nothing.empty) == ([], "no references that 'mine2' selects; a side is ours or theirs")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("refs ~m x", "~m asks about messages"),
        ("refs (", "never closed"),
        ("refs at", "at wants a moment"),
        ("refs leaked at #3", "what leaks is told of now only"),
        ("ref s99", "nothing is lent as 's99' here: :refs and :cached list what is"),
        ("ref \x1b[31m", "nothing is lent as "),
        ("ref", "write :ref REF"),
        ("who nobody", "nothing is lent as 'nobody' here"),
        ("growth", "there is no mark yet"),
        ("limits elsewhere", "there is no open connection 'elsewhere': none is open"),
    ],
)
async def test_a_wrong_word_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await perform(Workbench(), line)

    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()


# Accepted connections


async def test_an_accepted_connection_shows_our_root_and_our_classes() -> None:
    async with hosting() as (bench, connection):
        root = await connection.getRootObject()
        kept = [await root.callRemote(name) for name in ("thing", "board", "pond")]

        rows = await bench.evaluate(":refs")
        assert [(row.id, row.count, row.what, row.held_by) for row in rows] == [
            ("root", None, "tests.workbench.bench.Server", "the broker"),
            ("s1", 1, "tests.workbench.bench.Thing", "peer"),
            ("s2", 1, "tests.workbench.bench.Board as builtins.NoneType sees it", "peer"),
        ]
        (head,) = rows.heads
        assert (head.ours, head.theirs, head.connection[:5]) == (2, 0, "demo#")
        del kept


async def test_a_reference_that_an_object_of_ours_holds_says_where() -> None:
    class Keeper(pb.Root):
        mind: Any = None

        def remote_keep(self, mind: Any) -> None:
            self.mind = mind

    async with hosting(Keeper()) as (bench, connection):
        root = await connection.getRootObject()
        await root.callRemote("keep", Server())

        (row,) = await bench.evaluate(":refs theirs")
        assert (row.id, row.held_by) == ("c1", "Keeper.mind")


# Leaks


async def test_what_is_sent_again_and_again_and_never_called_is_suspect() -> None:
    async with connected() as (bench, _):
        await do(
            bench,
            "class Mine(pb.Referenceable):\n    def remote_ping(self): pass",
            "leaked, called, once = Mine(), Mine(), Mine()",
            "for _ in range(4): await root.callRemote('keep', [leaked, called])",
            "await root.callRemote('keep', once)",
        )
        server = bench.connections["main"]
        # The other end calls one of them.
        kept = await bench.evaluate("await root.callRemote('poke')")
        del server, kept

        rows = await bench.evaluate('sh.refs("leaked")')
        assert [(row.id, row.count, row.leak) for row in rows] == [("c1", 4, "never called, only grows")]
        assert all(row.age >= 0 for row in rows)
        assert (await bench.evaluate(":refs")).heads[0].leaks_ours == 1


async def test_what_comes_back_in_between_is_no_suspect() -> None:
    async with connected() as (bench, _):
        await do(
            bench,
            "class Mine(pb.Referenceable): pass",
            "mine = Mine()",
            "for _ in range(3): await root.callRemote('keep', mine)",
            "await root.callRemote('let_go', 1)",
            "for _ in range(4): await root.callRemote('keep', mine)",
        )

        (row,) = await bench.evaluate(":refs")
        assert (row.count, row.leak) == (6, "")
        assert await bench.evaluate(":refs leaked") == []


async def test_many_of_one_birth_that_only_become_more_are_suspect() -> None:
    async with connected() as (bench, _):
        await do(bench, "board = await root.callRemote('board')", "things = []")
        await bench.evaluate("for _ in range(19): things.append(await root.callRemote('thing'))")
        assert await bench.evaluate(":refs leaked") == []

        rows = await do(bench, "things.append(await root.callRemote('thing'))", ":refs leaked")
        assert len(rows) == 20
        assert rows[0].leak == "never called, 20 alike"
        assert rows.heads[0].leaks_theirs == 20

        await bench.evaluate("await things[3].callRemote('name')")
        assert await bench.evaluate(":refs leaked") == []


# The ledger


async def test_books_that_disagree_with_the_traffic_are_a_finding() -> None:
    async with connected() as (bench, _):
        await do(bench, "thing = await root.callRemote('thing')", "other = await root.callRemote('thing')")
        (line,) = bench.lines()
        broker = line.connection.broker
        assert ledger_of("main", "theirs", broker, line.conversation).wrong == ()

        broker.theirs.exports[2].count += 1
        wrong = ledger_of("main", "theirs", broker, line.conversation).wrong
        assert wrong == (
            "3 receipts are held and 2 must be",
            "s2 is lent 1 times in the traffic and 2 times in the books",
        )
        assert (await bench.evaluate(":refs")).heads[0].whole
        broker.theirs.exports[2].count -= 1


async def test_what_is_on_its_way_is_no_disagreement() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await asyncio.sleep(0)
        del bench.namespace["thing"]
        gc.collect()
        (line,) = bench.lines()
        # Nothing has been sent since: the decref waits for the next turn of the loop.
        assert not line.connection.broker.outbox.empty
        assert ledger_of("main", "theirs", line.connection.broker, line.conversation).wrong == ()


# One object


async def test_a_reference_tells_its_frames_and_how_its_count_went() -> None:
    async with connected() as (bench, _):
        story = await do(
            bench,
            "class Mine(pb.Referenceable): pass",
            "mine = Mine()",
            "for _ in range(3): await root.callRemote('keep', mine)",
            "await root.callRemote('let_go', 1)",
            ":ref c1",
        )

        assert isinstance(story, ReferenceStory)
        assert [step.count for step in story.steps] == [1, 2, 3, 2]
        assert story.returned == 1
        frames = [frame.number for frame in story.frames]
        assert frames == sorted(set(frames))
        assert {step.frame for step in story.steps} <= set(frames)
        assert story.row.born == frames[0]
        (one,) = story.objects()
        assert one["row"]["id"] == "c1"


@pytest.mark.parametrize("word", ["2", "s2", "main:s2", "b"])
async def test_an_object_is_found_by_its_id_its_name_and_itself(word: str) -> None:
    async with connected() as (bench, _):
        await do(bench, "a = await root.callRemote('thing')", "b = await root.callRemote('thing')")

        assert (await bench.evaluate(f":ref {word}")).row.id == "s2"
        assert (await bench.evaluate("sh.ref(b)")).row.id == "s2"
        assert (await bench.evaluate("sh.ref(2)")).row.id == "s2"


async def test_an_object_of_ours_is_found_by_itself() -> None:
    async with connected() as (bench, _):
        await do(bench, "class Mine(pb.Referenceable): pass", "mine = Mine()", "await root.callRemote('keep', mine)")

        assert (await bench.evaluate(":ref mine")).row.id == "c1"
        assert (await bench.evaluate("sh.who(mine)")).receipts == 1


async def test_of_an_object_that_is_gone_its_end_is_told() -> None:
    async with connected() as (bench, _):
        await do(bench, "thing = await root.callRemote('thing')", "del thing")
        gc.collect()
        await bench.evaluate("await root.callRemote('echo', None)")

        with pytest.raises(UsageError, match=r"s1 \(thing\(\)\) is lent no more: its holder dropped it \(#\d+\)"):
            await bench.evaluate(":ref s1")


async def test_an_id_that_several_connections_have_is_that_of_the_one_in_use() -> None:
    async with hosting() as (bench, connection), pb.serve(Server(), "tcp:0") as other:
        kept = await (await connection.getRootObject()).callRemote("thing")
        await bench.connect(f"127.0.0.1:{other.port}", name="mine")
        try:
            await bench.evaluate("thing = await root.callRemote('thing')")
            assert (await bench.evaluate(":ref s1")).row.connection == "mine"
            name = (await bench.evaluate(":refs ours ~l s1"))[0].connection
            assert (await bench.evaluate(f":ref {name}:s1")).row.connection == name
        finally:
            bench.servers.clear()
            await bench.close()
        del kept


# Who holds it


async def test_who_finds_names_attributes_closures_and_waiting_coroutines() -> None:
    async with connected() as (bench, _):
        holders = await do(
            bench,
            "b = await root.callRemote('thing')",
            "class User: pass",
            "user = User(); user.mind = b",
            "everybody = {'x': [b]}",
            "def make(inner):\n    return lambda: inner",
            "callback = make(b)",
            ":who b",
        )

        assert (holders.side, holders.id, holders.receipts, holders.standing) == ("theirs", "s1", 1, 1)
        assert holders.paths[0] == "b"
        assert {"user.mind", "everybody['x'][0]", "callback (closure of make.<locals>.<lambda>)"} <= set(holders.paths)

        await do(
            bench, "async def wait(it):\n    await asyncio.Event().wait()", "task = asyncio.ensure_future(wait(b))"
        )
        await asyncio.sleep(0)
        assert "it in wait()" in (await bench.evaluate(":who s1")).paths
        await do(bench, "task.cancel()")
        await asyncio.gather(bench.namespace["task"], return_exceptions=True)


async def test_of_what_nobody_here_names_the_holder_is_told_all_the_same() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("b = await root.callRemote('thing')")

        class Hidden:
            def __init__(self, it: Any) -> None:
                self.it = it

        await asyncio.sleep(0)
        hidden = Hidden(bench.namespace.pop("b"))
        assert (await bench.evaluate(":refs"))[0].held_by == "somebody here"
        assert (await bench.evaluate(":who s1")).paths == ("Hidden.it, which something without a name holds",)
        del hidden


async def test_who_holds_ours_is_the_peer_and_we() -> None:
    async with hosting() as (bench, connection):
        root = await connection.getRootObject()
        kept = [await root.callRemote("thing"), await root.callRemote("thing")]

        holders = await bench.evaluate(f":who demo#{next(iter(bench.lines())).connection.number}:s1")
        assert (holders.side, holders.receipts, holders.standing) == ("ours", 1, 0)
        assert holders.what == "Thing  thing()"
        del kept


# Marks


async def test_growth_is_told_by_class_and_birth_since_the_mark() -> None:
    async with connected() as (bench, _):
        await do(bench, "things = [await root.callRemote('thing')]", "board = await root.callRemote('board')")
        marked = await bench.evaluate(":mark")
        assert str(marked) == (
            "marked 2 references and 0 cached objects over 1 connection; :growth shows what grows from here"
        )
        nothing = await bench.evaluate(":growth")
        assert list(nothing) == []
        assert nothing.empty.startswith("nothing has grown since the mark, ")

        await do(
            bench,
            "for _ in range(3): things.append(await root.callRemote('thing'))",
            "class Mine(pb.Referenceable): pass",
            "mine = Mine()",
            "for _ in range(2): await root.callRemote('keep', mine)",
            "await things[0].callRemote('name')",
        )
        rows = await bench.evaluate(":growth")
        assert [
            (row.side, row.what, row.birth, row.before, row.now, row.more, row.receipts, row.used) for row in rows
        ] == [
            ("theirs", "", "thing(..)", 1, 4, 3, 3, 1),
            ("ours", "__pbshell__.Mine", "keep(..), as arguments", 0, 1, 1, 2, 0),
        ]


async def test_marks_have_names_and_stand_beside_each_other() -> None:
    async with connected() as (bench, _):
        await do(bench, ":mark early", "things = [await root.callRemote('thing')]", ":mark late")
        await bench.evaluate("things.append(await root.callRemote('thing'))")

        assert [row.more for row in await bench.evaluate(":growth early")] == [2]
        assert [row.more for row in await bench.evaluate("sh.growth('late')")] == [1]
        with pytest.raises(UsageError, match="there is no mark 'never'; there is early, late"):
            await bench.evaluate(":growth never")


# Limits


async def test_limits_have_fill_peak_setting_and_what_a_stock_peer_has() -> None:
    limits = pb.Limits(exports=5)
    async with connected(limits=limits) as (bench, _):
        await do(
            bench,
            "class Mine(pb.Referenceable): pass",
            "for _ in range(3): await root.callRemote('echo', Mine())",
            "thing = await root.callRemote('thing')",
        )
        rows = {row.what: row for row in await bench.evaluate(":limits")}

        ours, theirs = rows["lent by us"], rows["lent by the peer"]
        assert (ours.most, ours.limit, ours.stock) == (5, "exports", None)
        assert ours.peak >= 1
        assert (theirs.now, theirs.peak, theirs.most, theirs.limit) == (1, 1, 16_384, "imports")
        assert (theirs.stock, theirs.stock_setting) == (1_024, "twisted.spread.pb.MAX_BROKER_REFS")
        assert rows["our calls that wait"].peak == 1
        assert rows["bytes of a message"].peak > 20
        assert {row.limit for row in rows.values()} >= {"caches", "pending", "string", "list", "depth", "send_buffer"}


async def test_limits_are_those_of_the_connection_in_use_of_one_by_name_or_of_all() -> None:
    async with hosting() as (bench, _), pb.serve(Server(), "tcp:0") as other:
        (accepted,) = [line.name for line in bench.lines()]
        assert {row.connection for row in await bench.evaluate(":limits")} == {accepted}
        await bench.connect(f"127.0.0.1:{other.port}", name="mine")
        try:
            assert {row.connection for row in await bench.evaluate(":limits")} == {"mine"}
            assert {row.connection for row in await bench.evaluate(f":limits {accepted}")} == {accepted}
            assert {row.connection for row in await bench.evaluate(":limits all")} == {accepted, "mine"}
        finally:
            bench.servers.clear()
            await bench.close()


# Many


async def test_many_connections_are_looked_at_in_one_look() -> None:
    async with pb.serve(Server(), "tcp:0") as server:
        bench = Workbench()
        try:
            for number in range(5):
                await bench.connect(f"127.0.0.1:{server.port}", name=f"n{number}")
            await bench.evaluate("thing = await root.callRemote('thing')")
            rows = await bench.evaluate(":refs")
            assert isinstance(rows, References)
            assert [head.connection for head in rows.heads] == [f"n{number}" for number in range(5)]
            assert [head.connection for head in rows.heads if head.whole] == ["n4"]
            look = Look(bench)
            assert ids(row for line in bench.lines() for row in references(look, line)) == ["s1"]
        finally:
            await bench.close()


def ids(rows: Iterable[ReferenceRow]) -> list[str]:
    return [row.id for row in rows]


async def test_peaks_are_of_each_side() -> None:
    from pbshell.workbench.books.histories import Histories

    async with connected() as (bench, _):
        await do(bench, "thing = await root.callRemote('thing')", "del thing")
        gc.collect()
        await bench.evaluate("await root.callRemote('echo', 'x' * 5000)")
        number = bench.connections["main"].connection.number
        histories = bench.part(Histories)

        assert histories.peak(number, Side.SERVER, "exports") == 1
        assert histories.peak(number, Side.CLIENT, "exports") == 0
        assert histories.peak(number, Side.CLIENT, "expression") > 5000
        assert histories.peak(number + 1000, Side.CLIENT, "expression") == 0
