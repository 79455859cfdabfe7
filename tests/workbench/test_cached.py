"""Cached copies: rows, what each update has changed, and how far behind a peer is."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell import pb
from pbshell.defer import Deferred
from pbshell.errors import UsageError
from pbshell.workbench.books.histories import Change, Updates
from pbshell.workbench.books.stories import CacheStory
from pbshell.workbench.workbench import Hosted, Workbench
from tests.workbench.bench import Server, connected


class Gauge(pb.Cacheable):
    """Has a value, and tells those who watch it."""

    def __init__(self) -> None:
        self.value = 1
        self.observers = pb.Observers()

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: pb.RemoteCacheObserver) -> Any:
        self.observers.add(observer)
        return {"value": self.value, "_hidden": 1, "old": True}


class GaugeCopy(pb.RemoteCache):
    """What a Gauge becomes."""

    value: int
    waiting: list[Deferred[None]]

    def observe_set(self, value: int) -> None:
        self.value = value

    def observe_replace(self) -> None:
        self.__dict__.pop("old", None)
        self.__dict__["new"] = "x" * 500

    def observe_slowly(self) -> Deferred[None]:
        return Deferred()


pb.setUnjellyableForClass(Gauge, GaugeCopy)


class Gauges(Server):
    """Serves one gauge."""

    def __init__(self) -> None:
        super().__init__()
        self.gauge = Gauge()

    def remote_gauge(self) -> Gauge:
        return self.gauge

    async def remote_tell(self, *calls: Any) -> None:
        """Tell all at once, and wait for the answers."""
        told = [self.gauge.observers.callRemote(*call) for call in calls]
        for each in told:
            await each

    def remote_tell_only(self, *call: Any) -> None:
        self.gauge.observers.callRemote(*call)


async def test_cached_shows_the_state_as_it_is_now() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("pond = await root.callRemote('pond')")
        await bench.evaluate("await root.callRemote('add', 'ugly duckling')")

        (row,) = await bench.evaluate(":cached")
        assert (row.connection, row.side, row.id, row.what, row.handles) == (
            "main",
            "theirs",
            "s1",
            "tests.workbench.bench.Pond",
            1,
        )
        assert row.attributes == {"ducks": "['one duck', 'ugly duckling']"}
        assert (row.updates, row.last, row.unanswered) == (1, "add('ugly duckling')", 0)
        assert row.bytes > 20
        assert row.frame > 0
        assert row.idle <= row.age
        assert await bench.evaluate(":cached ours") == []
        assert len(await bench.evaluate("sh.cached('theirs')")) == 1


async def test_cached_knows_what_the_server_caches_of_ours() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("from tests.workbench.bench import Pond")
        await bench.evaluate("mine = Pond()")
        await bench.evaluate("await root.callRemote('keep', mine)")
        await bench.evaluate("await mine.observers.callRemote('add', 'a swan')")

        (row,) = await bench.evaluate(":cached")
        assert (row.side, row.id, row.handles, row.what) == ("ours", "c1", 1, "tests.workbench.bench.Pond")
        assert (row.updates, row.last) == (1, "add('a swan')")
        with pytest.raises(UsageError, match="c1 is ours, and its copy is at the peer"):
            await bench.evaluate(":cached c1 diff")
        story = await bench.evaluate(":cached c1")
        assert [(each.method, each.args, each.changes) for each in story.updates] == [("add", "'a swan'", None)]


async def test_each_update_tells_what_it_has_changed() -> None:
    async with connected(Gauges()) as (bench, _):
        await bench.evaluate("gauge = await root.callRemote('gauge')")
        empty = await bench.evaluate(":cached s1 diff")
        assert (list(empty), empty.empty) == ([], "no update has come since s1 was watched")
        await bench.evaluate("await root.callRemote('tell', ['set', 2])")
        await bench.evaluate("await root.callRemote('tell', ['replace'])")
        await bench.evaluate("await root.callRemote('tell', ['set', 2])")

        rows = await bench.evaluate(":cached s1 diff")
        assert [(row.attribute, row.before, row.after, row.method, row.updates) for row in rows] == [
            ("value", "1", "2", "set", 1),
            ("old", "True", None, "replace", 1),
            ("new", None, f"'{'x' * 80}'... (500 characters)", "replace", 1),
        ]
        assert rows[0].first == rows[0].last < rows[1].first
        story = await bench.evaluate(":cached gauge")
        assert isinstance(story, CacheStory)
        assert story.updates[0].changes == (Change("value", "1", "2"),)
        assert story.updates[2].changes == ()
        assert "_hidden" not in story.row.attributes


async def test_updates_that_arrive_together_are_one_change() -> None:
    async with connected(Gauges()) as (bench, _):
        await bench.evaluate("gauge = await root.callRemote('gauge')")
        await bench.evaluate("await root.callRemote('tell', ['set', 5], ['set', 6], ['set', 7])")

        (row,) = await bench.evaluate(":cached s1 diff")
        assert (row.before, row.after, row.updates, row.last - row.first) == ("1", "7", 3, 2)
        (table,) = await bench.evaluate(":cached")
        assert (table.updates, table.frame) == (3, row.last)


async def test_an_object_is_never_asked_how_it_looks() -> None:
    """A snapshot runs no code: a property and a repr() are code."""

    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("asked")

    async with connected(Gauges()) as (bench, _):
        gauge = await bench.evaluate("await root.callRemote('gauge')")
        gauge.value = Loud()
        await bench.evaluate("await root.callRemote('tell', ['set', 2])")

        (row,) = await bench.evaluate(":cached s1 diff")
        assert row.before.endswith(".Loud>")


async def test_updates_that_are_not_answered_are_counted_on_both_sides() -> None:
    bench, served = Workbench(), Gauges()
    async with pb.serve(served, "tcp:0", tap=bench.tracer.tap) as server:
        bench.servers["demo"] = Hosted("demo", "demo", server)
        await bench.connect(f"127.0.0.1:{server.port}", name="mine")
        try:
            await bench.evaluate("gauge = await root.callRemote('gauge')")
            for _ in range(2):
                await bench.evaluate("await root.callRemote('tell_only', 'slowly')")
            await bench.evaluate("await root.callRemote('echo', 1)")

            here, there = await bench.evaluate(":cached")
            assert (here.connection, here.side, here.unanswered) == ("mine", "theirs", 2)
            assert (there.side, there.unanswered) == ("ours", 2)
        finally:
            bench.servers.clear()
            await bench.close()


async def test_a_copy_that_is_given_up_is_forgotten() -> None:
    from pbshell.wire.chunk import Side
    from pbshell.workbench.books.histories import Histories

    async with connected(Gauges()) as (bench, _):
        await bench.evaluate("gauge = await root.callRemote('gauge')")
        await bench.evaluate("await root.callRemote('tell', ['set', 2])")
        number = bench.connections["main"].connection.number
        histories = bench.part(Histories)
        assert histories.updates(number, Side.SERVER, 1) is not None
        await bench.evaluate("pb.release(gauge)")
        await bench.evaluate("await root.callRemote('echo', 1)")

        assert histories.updates(number, Side.SERVER, 1) is None
        assert await bench.evaluate(":cached") == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (":cached mine", "nothing is lent as 'mine' here"),
        (":cached s1 s2", "write :cached [ours|theirs]"),
        (":cached ours s1", "write :cached"),
        (":cached s1", "s1 is a reference and no cached copy: :ref s1 tells of it"),
    ],
)
async def test_a_wrong_word_is_one_sentence(line: str, sentence: str) -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        with pytest.raises(UsageError) as caught:
            await bench.evaluate(line)

    assert sentence in str(caught.value)


def test_a_rate_is_that_of_the_last_minute() -> None:
    updates = Updates()
    for second in range(100):
        updates.times.append(float(second))

    assert updates.rate(99.0, 1000.0) == pytest.approx(1.0, abs=0.05)
    assert updates.rate(300.0, 1000.0) == 0.0
    young = Updates()
    young.times.extend((10.0, 11.0))
    assert young.rate(12.0, 4.0) == 0.5
