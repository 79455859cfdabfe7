"""The commands that look back: `:frames`, `:show`, `:follow`, `:seq`, `:diff`, `:stats` and `:why`."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell.errors import ConnectionGone, RemoteError, UsageError
from pbshell.trace.filters import BadFilter
from pbshell.wire.verbs import Answer, Decref, ErrorAnswer, Message
from pbshell.workbench.forms import jsons
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected, portal

BUILD = Path(__file__).parent.parent.parent / "captures" / "buildbot-build.pbt"


def kinds(value: Any) -> list[str]:
    return [type(dissection.what).__name__ for dissection, _ in value.frames]


def numbers(value: Any) -> list[int]:
    return [dissection.number for dissection, _ in value.frames]


async def talk(bench: Workbench) -> None:
    """c#1 echoes 1, c#2 gives s1, c#3 asks s1 for its name, c#4 fails."""
    await bench.evaluate("await root.callRemote('echo', 1)")
    await bench.evaluate("thing = await root.callRemote('thing')")
    await bench.evaluate("await thing.callRemote('name')")
    with pytest.raises(RemoteError):
        await bench.evaluate("await root.callRemote('fail', 'no')")


async def waits(bench: Workbench) -> None:
    """One more call, that waits, and one that is answered."""
    await bench.evaluate("call = root.callRemote('never')")
    await bench.evaluate("await root.callRemote('echo', 'behind it')")


# --------------------------------------------------------------------------------------- frames


async def test_the_last_frames_come_last() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        every = await bench.evaluate(":frames 999")

        assert numbers(every) == list(range(1, len(every.frames) + 1))
        assert kinds(await bench.evaluate(":frames 2")) == ["Message", "ErrorAnswer"]
        assert numbers(await bench.evaluate(":frames 3-5")) == [3, 4, 5]
        assert numbers(await bench.evaluate(":frames #3-#5")) == [3, 4, 5]
        assert numbers(await bench.evaluate(":frames")) == numbers(every)[-20:]
        assert bench.namespace["sh"].frames("2").frames == every.frames[-2:]
        assert bench.namespace["sh"].frames(2).frames == every.frames[-2:]


async def test_a_filter_selects_frames_and_a_number_counts_those() -> None:
    async with connected() as (bench, _):
        await talk(bench)

        assert kinds(await bench.evaluate(":frames ~e")) == ["ErrorAnswer"]
        assert kinds(await bench.evaluate(":frames 1 ~k answer")) == ["Answer"]
        assert kinds(await bench.evaluate(":frames 1-999 thing | name")) == ["Message", "Answer"] * 2
        nothing = await bench.evaluate(":frames ~u nobody")
        assert (nothing.frames, nothing.empty) == ((), "no frame is like that")
        with pytest.raises(BadFilter):
            await bench.evaluate(":frames 3 ~q")
    assert (await Workbench().evaluate(":frames")).empty == "nothing was said yet"


async def test_frames_are_objects_of_the_json_of_traces() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        first, second = map(json.loads, jsons.lines(await bench.evaluate(":frames 2")))

        assert (first["v"], first["kind"], first["method"], first["conn"]) == (1, "message", "fail", second["conn"])
        assert (second["kind"], second["call"], second["error"]["text"]) == ("error", first["n"], "no")
        assert "wall" in first


# --------------------------------------------------------------------------------------- one frame


async def test_a_frame_is_shown_by_its_number_and_a_call_by_its_id() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        shown = await bench.evaluate(":show c#3")
        dissection, _ = shown.frame

        assert isinstance(dissection.what, Message)
        assert dissection.what.method == b"name"
        for word in (dissection.number, str(dissection.number), f"#{dissection.number}"):
            assert bench.namespace["sh"].show(word).frame[0] is dissection
        assert bench.namespace["sh"].show("c#3", "tree").form == "tree"


async def test_the_bytes_of_a_frame_are_those_of_the_wire() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 'find me')")
        shown = await bench.evaluate(":show c#1 hex")

        assert shown.data is not None
        assert len(shown.data) == shown.frame[0].size
        assert b"find me" in shown.data
        (row,) = map(json.loads, jsons.lines(shown))
        assert row["hex"] == shown.data.hex()
        # Also where what came before it is forgotten.
        await bench.evaluate(":trace clear")
        await bench.evaluate("await root.callRemote('echo', 'and me')")
        assert b"and me" in (await bench.evaluate(":show c#2 hex")).data


async def test_every_frame_of_a_capture_has_its_bytes() -> None:
    bench = Workbench()
    await bench.evaluate(f":trace load '{BUILD}'")
    sh = bench.namespace["sh"]
    for dissection, _ in sh.frames("1-60").frames:
        if dissection.size:
            assert len(sh.show(dissection.number, "hex").data) == dissection.size


async def test_the_bytes_of_a_login_are_covered() -> None:
    async with pb.serve(portal(), "tcp:0") as server:
        bench = Workbench()
        await bench.connect(f"127.0.0.1:{server.port}", credentials=UsernamePassword("alice", "wonderland"))
        try:
            respond = await bench.evaluate(":show c#2 hex")
            assert b"respond" in respond.data or respond.frame[0].what.method == b"respond"
            assert b"*" * 16 in respond.data
        finally:
            await bench.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":show 999", "there is no frame 999 yet: frames 1 to "),
        (":show x", "'x' is no frame: write its number, or a call such as c#7"),
        (":show 1 loud", "a frame is shown as full, hex or tree, not as 'loud'"),
        (":show 1 hex", "frame 1 has no bytes, or they are not remembered"),
        (":show c#99", "no call c#99 is known; frames 1 to "),
        (":show nobody:c#1", "no call c#1 is known on nobody; "),
        (":frames 5-3", "5-3: the first frame comes behind the second, write 3-5"),
        (":follow s99", "no object s99 is known; frames 1 to "),
        (":follow 1", "frame 1 is no call, and no answer to one"),
        (":follow nothing", "nothing is lent as 'nothing' here"),
        (":seq 7", "'7' is no range of frames: write the first and the last, as 40-61"),
        (":seq 900-901", "nothing of that is remembered: :frames lists what is"),
        (":diff /nonexistent/a /nonexistent/b", "/nonexistent/a cannot be opened"),
        (":stats by colour", "calls are counted by method, peer, object or user, not by 'colour'"),
        (":why zzz", "'zzz' is no call (c#7), no connection, no object (s3), and no name of Python here"),
        (":why c#99", "no call c#99 is known; frames 1 to "),
    ],
)
async def test_what_is_not_there_is_told_in_a_sentence(line: str, told: str) -> None:
    async with connected() as (bench, _):
        await talk(bench)
        with pytest.raises(UsageError) as caught:
            await bench.evaluate(line)

        assert str(caught.value).startswith(told)


async def test_what_is_forgotten_is_told() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        await bench.evaluate(":trace clear")
        for line in (":show 3", ":follow #3"):
            with pytest.raises(UsageError, match="frame 3 is not remembered: nothing is"):
                await bench.evaluate(line)
        await bench.evaluate("await root.callRemote('echo', 1)")
        with pytest.raises(UsageError, match=r"frame 3 is not remembered: frames \d+ to \d+ are"):
            await bench.evaluate(":show 3")
        with pytest.raises(UsageError, match=r"frames 1-3 are not remembered: \d+ to \d+ are"):
            await bench.evaluate(":frames 1-3")
        assert (await bench.evaluate(":frames")).about.endswith("frames are not remembered any more")
        assert (await bench.evaluate(":stats")).missing.endswith("frames are not remembered any more")


# --------------------------------------------------------------------------------------- following


async def test_a_call_is_followed_to_its_answer() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        await waits(bench)
        by_id = await bench.evaluate(":follow c#3")
        answer = by_id.frames[-1][0].number

        assert kinds(by_id) == ["Message", "Answer"]
        assert numbers(await bench.evaluate(f":follow {answer}")) == numbers(by_id)
        waiting = await bench.evaluate(":follow c#5")
        assert (kinds(waiting), waiting.about) == (["Message"], "c#5: no answer is remembered")


async def test_an_object_is_followed_from_its_birth_to_its_end() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        before = await bench.evaluate(":follow thing")
        assert kinds(before) == ["Answer", "Message", "Answer"]
        assert before.about == "s1:thing(): called 1x"
        del bench.namespace["thing"]
        bench.namespace.pop("_", None)
        gc.collect()
        await bench.evaluate("await root.callRemote('echo', 1)")
        after = await bench.evaluate(":follow s1")

        assert kinds(after) == ["Answer", "Message", "Answer", "Decref"]
        assert isinstance(after.frames[-1][0].what, Decref)
        assert after.about == f"s1:thing(): lent no more: its holder dropped it (#{numbers(after)[-1]})"


async def test_an_object_whose_birth_is_forgotten_says_so() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        await bench.evaluate(":trace clear")
        await bench.evaluate("await thing.callRemote('name')")

        assert "its birth in #" in (await bench.evaluate(":follow s1")).about


async def test_of_several_connections_the_one_in_use_is_meant_or_the_one_that_is_named() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 'first')")
        target = bench.connections["main"].target
        await bench.connect(target, name="other")
        await bench.evaluate("await root.callRemote('echo', 'second')")
        other, main = [await bench.evaluate(f":show {word}") for word in ("c#1", "main:c#1")]
        assert "second" in repr(other.frame[0].what.args)
        assert "first" in repr(main.frame[0].what.args)
        bench.current = ""
        with pytest.raises(
            UsageError, match=r"2 connections have a call c#1: write it with one of them, such as \d+:c#1"
        ):
            await bench.evaluate(":show c#1")


# --------------------------------------------------------------------------------------- charts, differences, numbers


async def test_a_chart_is_text_for_mermaid() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        chart = await bench.evaluate(":seq")
        last = (await bench.evaluate(":frames 1")).frames[0][0].number
        part = await bench.evaluate(f":seq {last - 1}-{last}")

        assert chart.lines[0] == "sequenceDiagram"
        assert any("root.echo(1)" in line for line in chart.lines)
        assert sum("->>" in line or "--x" in line for line in part.lines) == 2
        (row,) = jsons.objects(chart)
        assert row["text"].startswith("sequenceDiagram\n")


async def test_two_calls_differ_in_what_they_say() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        await bench.evaluate("await root.callRemote('echo', [1, 2])")
        rows = {row.what: row for row in await bench.evaluate(":diff c#1 c#5")}

        assert {"arguments", "result", "size"} <= set(rows) <= {"arguments", "result", "size", "took"}
        assert (rows["arguments"].a, rows["arguments"].b) == ("(1,)", "([1, 2],)")
        assert (rows["result"].a, rows["result"].b) == ("= 1", "= [1, 2]")
        assert rows["result"].where
        assert {row.what for row in await bench.evaluate(":diff c#1 c#4")} >= {"method", "arguments", "result"}
        assert list(await bench.evaluate(":diff c#1 c#1")) == []


async def test_two_captures_differ_in_their_calls(tmp_path: Path) -> None:
    async with connected() as (bench, _):
        await talk(bench)
        await bench.evaluate(f":trace save {tmp_path}/a.pbt")
        await bench.evaluate("await root.callRemote('echo', 'more')")
        await bench.evaluate(f":trace save {tmp_path}/b.pbt")
        found = await bench.evaluate(f":diff '{tmp_path}/a.pbt' '{tmp_path}/b.pbt'")

        assert found.calls == (4, 5)
        assert [each.kind for each in found.differences] == ["only in B"]
        (row,) = jsons.objects(found)
        assert (row["kind"], row["about"], row["sender"]) == ("difference", "only in B", "client")
        alike = await bench.evaluate(f":diff '{tmp_path}/a.pbt' '{tmp_path}/a.pbt'")
        assert alike.differences == ()


async def test_calls_are_counted_by_what_is_asked_for() -> None:
    async with connected() as (bench, _):
        await talk(bench)

        def keys(value: Any) -> Iterable[str]:
            return sorted(row.key for row in value.rows)

        assert keys(await bench.evaluate(":stats")) == ["echo", "fail", "name", "thing"]
        assert keys(await bench.evaluate(":stats by object")) == ["root", "thing()"]
        assert keys(await bench.evaluate(":stats by peer")) == ["127.0.0.1"]
        assert keys(await bench.evaluate(":stats by method ~e")) == ["fail"]
        assert keys(await bench.evaluate(":stats echo | name")) == ["echo", "name"]
        assert keys(bench.namespace["sh"].stats(by="user")) == ["(nobody)"]
        with pytest.raises(UsageError, match="not by 'x'"):
            bench.namespace["sh"].stats(by="x")
        rows = list(jsons.objects(await bench.evaluate(":stats ~e")))
        assert [(row["kind"], row["by"], row["key"], row["errors"]) for row in rows] == [
            ("statistics", "method", "fail", 1)
        ]


# --------------------------------------------------------------------------------------- why


async def test_where_nothing_is_wrong_it_is_said_and_what_was_looked_at() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        everything = await bench.evaluate(":why")
        number = next(bench.lines()).connection.number

        frames = len((await bench.evaluate(":frames 999")).frames)
        assert everything.facts == (f"nothing is wrong; looked at: 1 connection, 0 waiting calls, {frames} frames",)
        for word in ("main", str(number)):
            facts = (await bench.evaluate(f":why {word}")).facts
            assert facts[0].startswith("main, 127.0.0.1:")
            assert facts[1] == f"nothing is wrong with it; looked at: {frames} frames, 0 waiting calls"


async def test_a_call_that_was_answered_says_how() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        done, failed = [(await bench.evaluate(f":why {word}")).facts for word in ("c#1", "c#4")]

        assert done[0].startswith("c#1  root.echo(1)  (frame #")
        assert done[1].startswith("it was answered after ")
        assert failed[1].split(": ", 1)[1].startswith("ValueError: no (#")
        assert isinstance((await bench.evaluate(":show c#4")).frame[0].what, Message)
        answer = (await bench.evaluate(":frames 1")).frames[0][0]
        assert isinstance(answer.what, ErrorAnswer)
        assert (await bench.evaluate(f":why #{answer.number}")).facts[0] == failed[0]


async def test_a_call_that_waits_says_for_how_long() -> None:
    async with connected() as (bench, _):
        await waits(bench)

        assert (await bench.evaluate(":why c#1")).facts[1].startswith("it has been waiting for its answer for ")


async def test_a_reference_says_where_it_lives_and_of_what_it_died() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        alive = await bench.evaluate(":why thing")
        assert alive.facts[0].startswith("s1:thing() is alive: it is lent over main, born in frame #")
        await bench.evaluate(":why s1")

        with pytest.raises(ConnectionGone):
            await bench.evaluate("await root.callRemote('leave')")
        for word in ("thing", "s1"):
            dead = await bench.evaluate(f":why {word}")
            assert dead.about == "s1"
            assert dead.facts[0].startswith("s1:thing() is dead: it was lent over main, born in frame #")
            assert " ended at " in dead.facts[1]
            assert "server closed the connection (#" in dead.facts[1]
            assert dead.verdicts
        call = await bench.evaluate(":why c#5")
        assert call.facts[1].startswith("it was never answered: ended at ")
        assert call.verdicts
        ended = list(jsons.objects(await bench.evaluate(":why main")))
        assert (ended[0]["kind"], ended[1]["kind"]) == ("why", "verdict")
        assert ended[1]["conn"] == call.verdicts[0].connection


async def test_a_reference_that_was_given_back_is_dead_on_a_connection_that_lives() -> None:
    async with connected() as (bench, _):
        await talk(bench)
        del bench.namespace["thing"]
        bench.namespace.pop("_", None)
        gc.collect()
        await bench.evaluate("await root.callRemote('echo', 1)")

        facts = (await bench.evaluate(":why s1")).facts
        assert facts[0].startswith("s1:thing() is dead: it was lent over main, born in frame #")
        assert "its holder dropped it (#" in facts[0]


async def test_a_capture_is_asked_as_a_connection_is() -> None:
    bench = Workbench()
    await bench.evaluate(f":trace load '{BUILD}'")
    everything = await bench.evaluate(":why")
    assert len(everything.verdicts) > 1
    one = await bench.evaluate(":why 1")
    assert {each.connection for each in one.verdicts} == {1}
    with pytest.raises(UsageError, match=r"'thing' is no call .*, no connection, no object"):
        await bench.evaluate(":why thing")
    with pytest.raises(UsageError, match=r"'thing' is no object of .*buildbot-build.pbt: write an id such as s3"):
        await bench.evaluate(":follow thing")
    followed = await bench.evaluate(":follow s8")
    assert followed.frames
    assert isinstance(followed.frames[0][0].what, Message | Answer)
