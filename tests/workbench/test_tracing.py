"""`:trace`: what is shown while it comes, kept back, marked, selected; saved, and loaded in place of it."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from pbshell import pb
from pbshell.errors import UsageError
from pbshell.trace.capture import open_capture
from pbshell.trace.filters import BadFilter
from pbshell.workbench.commands.tracing import Saved, TraceState, TurnedOn
from pbshell.workbench.traffic import showing
from pbshell.workbench.traffic.memory import Memory
from pbshell.workbench.traffic.showing import Showing
from pbshell.workbench.traffic.sources import Sources
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import Server, connected, portal

TROUBLE = Path(__file__).parent.parent / "captures" / "buildbot-build.pbt"


def plain(lines: list[str]) -> list[str]:
    """*lines* without number, time and connection, duration and size."""
    cut = [re.sub(r"( +[\d.]+ m?s)? +[\d,]+ B$", "", line) for line in lines]
    return [" ".join(line.split()[3:]) if re.match(r" *\d+ ", line) else line for line in cut]


async def test_the_trace_has_a_line_for_each_call_while_it_is_on() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate("await root.callRemote('echo', 'before')")
        said = await bench.evaluate(":trace on")
        await bench.evaluate("await root.callRemote('echo', 'during')")
        await bench.evaluate(":trace off")
        await bench.evaluate("await root.callRemote('echo', 'after')")

        assert said == TurnedOn("calls", "", "auth")
        assert str(said) == "trace on (redact=auth).  :trace filter EXPR, :trace save FILE"
        assert plain(notes.traffic) == ["> root.echo('during') = 'during'"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("calls", "> root.echo(5) = 5"),
        ("frames", "> message c#1 root.echo(5)"),
        ("full", "> message c#1 root.echo(5)"),
        ("json", '{"v": 1, "n": '),
    ],
)
async def test_the_trace_has_the_form_that_is_asked_for(form: str, expected: str) -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(f":trace on {form}")
        await bench.evaluate("await root.callRemote('echo', 5)")

        assert expected in " ".join(plain(notes.traffic))
        assert ("  method: echo" in notes.traffic) == (form == "full")
        state = await bench.evaluate(":trace")
        assert isinstance(state, TraceState)
        assert (state.on, state.form) == (True, form)
        assert str(state).startswith("trace on (redact=auth), a line for each ")


async def test_a_form_stays_when_the_trace_is_switched_off_and_on() -> None:
    async with connected() as (bench, notes):
        call = "await root.callRemote('echo', 5)"
        for line in (call, ":trace on frames", ":trace off", ":trace on", call):
            await bench.evaluate(line)

        assert len(notes.traffic) == 2


async def test_lines_fit_the_screen_also_when_it_changes_and_a_header_stands_above_them() -> None:
    async with connected() as (bench, notes):
        columns = [60]
        bench.part(Showing).fit(lambda: columns[0])
        await bench.evaluate(":trace on")
        await bench.evaluate("await root.callRemote('echo', 'x' * 200)")
        columns[0] = 90
        await bench.evaluate("await root.callRemote('echo', 'x' * 200)")

        head, short, long = notes.traffic
        assert head.split()[:3] == ["#", "time", "conn"]
        assert 50 < len(short) <= 60 < len(long) <= 90


async def test_a_trace_that_is_on_already_fits_the_screen_too() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate("await root.callRemote('echo', 5)")
        bench.tracer.on = True
        bench.part(Showing).fit(lambda: 50)
        await bench.evaluate("await root.callRemote('echo', 'x' * 200)")

        assert len(notes.traffic) == 2
        assert all(len(line) <= 50 for line in notes.traffic)


async def test_a_call_without_an_answer_has_a_line_after_a_second_without_traffic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(showing, "_LOOK", 0.0)
    async with connected() as (bench, notes):
        loop, shown = asyncio.get_running_loop(), asyncio.Event()
        bench.part(Showing).clock = lambda: loop.time() + 5.0

        def show(line: str) -> None:
            notes.traffic.append(line)
            shown.set()

        bench.tracer.show = show
        await bench.evaluate(":trace on")
        await bench.evaluate("call = root.callRemote('never')")
        await shown.wait()

        (line,) = plain(notes.traffic)
        assert line.startswith("> root.never() ... ? waiting 1.0 s, c#1")


async def test_paused_lines_are_kept_back_and_shown_behind_each_other() -> None:
    async with connected() as (bench, notes):
        for line in (":trace on", ":trace pause", ":trace pause"):
            await bench.evaluate(line)
        for number in range(3):
            await bench.evaluate(f"await root.callRemote('echo', {number})")
        state = await bench.evaluate(":trace")
        assert notes.traffic == []
        assert (state.paused, state.waiting) == (True, 3)
        assert "paused, 3 lines kept back" in str(state)

        assert str(await bench.evaluate(":trace resume")) == "trace goes on, 3 lines shown"
        assert plain(notes.traffic) == [f"> root.echo({number}) = {number}" for number in range(3)]
        with pytest.raises(UsageError, match="the trace is not paused"):
            await bench.evaluate(":trace resume")


async def test_paused_lines_may_be_dropped() -> None:
    async with connected() as (bench, notes):
        for line in (":trace on", ":trace pause", "await root.callRemote('echo', 1)"):
            await bench.evaluate(line)
        assert str(await bench.evaluate(":trace resume drop")) == "trace goes on, 1 line dropped"
        for line in (":trace pause", "await root.callRemote('echo', 2)"):
            await bench.evaluate(line)
        assert str(await bench.evaluate(":trace off")) == "trace off; 1 line kept back and not shown"

        assert notes.traffic == []
        assert not bench.tracer.paused


async def test_more_lines_than_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.workbench.traffic.tracer._KEPT", 2)
    async with connected() as (bench, notes):
        for line in (":trace on", ":trace pause"):
            await bench.evaluate(line)
        for number in range(5):
            await bench.evaluate(f"await root.callRemote('echo', {number})")

        assert str(await bench.evaluate(":trace resume")) == "trace goes on, 2 lines shown, 3 before them were too many"
        assert plain(notes.traffic) == ["> root.echo(3) = 3", "> root.echo(4) = 4"]


async def test_a_mark_is_a_line_between_the_others_and_shown_as_it_is() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(":trace on")
        await bench.evaluate("await root.callRemote('echo', 1)")
        assert await bench.evaluate(":trace mark before the storm\x1b[2J") is None
        await bench.evaluate(":trace pause")
        await bench.evaluate("await root.callRemote('echo', 2)")
        await bench.evaluate(":trace mark kept back too")
        await bench.evaluate(":trace resume")

        first, second, third, fourth = plain(notes.traffic)
        assert (first, third) == ("> root.echo(1) = 1", "> root.echo(2) = 2")
        assert second == "---- before the storm\\x1b[2J ----"
        assert fourth == "---- kept back too ----"


async def test_a_filter_selects_what_is_shown() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(":trace on")
        assert str(await bench.evaluate(":trace filter ~e | thing")) == "only ~e | thing is shown"
        for line in ("await root.callRemote('echo', 1)", "x = await root.callRemote('thing')"):
            await bench.evaluate(line)
        assert plain(notes.traffic) == ["> root.thing() = s1"]
        assert "only ~e | thing" in str(await bench.evaluate(":trace"))
        assert "only ~e | thing" in str(await bench.evaluate(":trace on"))
        assert str(await bench.evaluate(":trace filter")).startswith("only ~e | thing is shown; ")

        with pytest.raises(BadFilter) as caught:
            await bench.evaluate(":trace filter ~e & (")
        assert caught.value.caret().split("\n")[:2] == ["~e & (", "     ^"]
        assert str(await bench.evaluate(":trace filter off")) == "everything is shown"
        assert str(await bench.evaluate(":trace filter")).startswith("everything is shown; ")


async def test_what_is_cleared_is_not_remembered() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 5)")
        frames = len(bench.part(Memory))
        assert str(await bench.evaluate(":trace clear")).startswith(f"forgot {frames} frames; ")
        assert len(bench.part(Memory)) == 0
        assert f"0 frames remembered (the first {frames} are not any more)" in str(await bench.evaluate(":trace"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("frob", "there is no :trace frob: write on, off, pause, resume, mark, clear, filter, save or load"),
        ("on loudly", "there is no form 'loudly': it is calls, frames, full or json"),
        ("off now", ":trace off takes nothing behind it, and not 'now'"),
        ("pause", "the trace is off: there is nothing to pause"),
        ("resume gently", "write :trace resume, or :trace resume drop, and not 'gently'"),
        ("mark", "write what the line is to say: :trace mark TEXT"),
        ("mark x", "nobody looks at the trace here"),
        ("save", "write :trace save FILE, and behind it which secrets are covered: strict, auth or off"),
        ("save x.pbt loose", "write :trace save FILE"),
        ("save x.pbt", "nothing is remembered yet: there is nothing to save"),
        ("save 'x", "'x: No closing quotation"),
        ("load", "write :trace load FILE, or :trace load off"),
        ("load off", "no file is loaded: what is looked at are the connections"),
        ("load /nonexistent/x.pbt", "/nonexistent/x.pbt cannot be opened: No such file or directory"),
    ],
)
async def test_wrong_words_are_told_in_a_sentence(line: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        await Workbench().evaluate(f":trace {line}")

    assert str(caught.value).startswith(told)


# --------------------------------------------------------------------------------------- files


async def saved(path: Path, *words: str) -> Any:
    async with pb.serve(portal(), "tcp:0") as server:
        bench = Workbench()
        from pbshell.cred import UsernamePassword

        await bench.connect(f"127.0.0.1:{server.port}", credentials=UsernamePassword("alice", "wonderland"))
        told = await bench.evaluate(" ".join((":trace save", str(path), *words)))
        frames = len(bench.part(Memory))
        await bench.close()
        return told, frames


async def test_what_is_remembered_is_saved_for_its_owner_alone_with_its_secrets_covered(tmp_path: Path) -> None:
    path = tmp_path / "x.pbt"
    told, frames = await saved(path)

    assert told == Saved(str(path), frames, path.stat().st_size, "strict", 0)
    assert str(told) == f"saved {frames} frames to {path}, {path.stat().st_size:,} bytes, redact=strict"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "root.login(b'alice')" in path.read_text()
    assert "respond(b'****************', c1)" in path.read_text()
    with open_capture(path) as capture:
        assert capture.header.redaction == "strict"  # type: ignore[union-attr]  # it is one of ours
        assert len(list(capture)) > 3
    with pytest.raises(UsageError, match="exists, and a capture never replaces a file"):
        await saved(path)


async def test_less_may_be_covered_if_somebody_says_so(tmp_path: Path) -> None:
    told, _ = await saved(tmp_path / "x.pbt", "off")

    assert told.redact == "off"
    assert "****" not in (tmp_path / "x.pbt").read_text()


async def test_what_had_been_forgotten_is_told(tmp_path: Path) -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 6)")
        gone = len(bench.part(Memory))
        await bench.evaluate(":trace clear")
        await bench.evaluate("await root.callRemote('echo', 7)")
        told = await bench.evaluate(f":trace save {tmp_path}/x.pbt")
        await bench.evaluate(f":trace load '{tmp_path}/x.pbt'")
        frames = await bench.evaluate(":frames 2")

    assert told.missing in (gone - 1, gone - 2)
    assert str(told).endswith(f"; the {told.missing} frames before them had been forgotten")
    assert [dissection.what.request for dissection, _ in frames.frames] == [2, 2]


async def test_a_capture_is_looked_at_until_somebody_has_enough() -> None:
    async with connected() as (bench, _):
        assert bench.label == ""
        await bench.evaluate("await root.callRemote('echo', 5)")
        live = len((await bench.evaluate(":frames 1000")).frames)
        told = str(await bench.evaluate(f":trace load '{TROUBLE}'"))
        assert re.search(r"buildbot-build\.pbt: \d+ frames of \d+ connections?\b", told)
        assert bench.label == "[buildbot-build.pbt]"
        assert "look at" in str(await bench.evaluate(":trace"))
        loaded = await bench.evaluate(":frames 1000")
        assert len(loaded.frames) > live
        assert (await bench.evaluate(":why")).verdicts
        # What is typed meanwhile goes to the connection all the same.
        assert await bench.evaluate("await root.callRemote('echo', 5)") == 5
        assert len((await bench.evaluate(":frames 1000")).frames) == len(loaded.frames)

        await bench.evaluate(":trace load off")
        assert bench.label == ""
        assert len((await bench.evaluate(":frames 1000")).frames) == live + 2


async def test_a_capture_that_is_cut_off_says_so_and_one_with_nothing_in_it_is_none(tmp_path: Path) -> None:
    bench = Workbench()
    cut, empty = tmp_path / "cut.pbt", tmp_path / "empty.pbt"
    cut.write_bytes(TROUBLE.read_bytes()[:5_000])
    empty.write_bytes(TROUBLE.read_bytes().splitlines(keepends=True)[0])

    assert "cut off" in str(await bench.evaluate(f":trace load '{cut}'"))
    with pytest.raises(UsageError, match=r"there is nothing in .*empty\.pbt that could be explained"):
        await bench.evaluate(f":trace load '{empty}'")
    # The one before is still there.
    assert bench.part(Sources).loaded is not None
    damaged = tmp_path / "damaged.pbt"
    damaged.write_bytes(b"".join(TROUBLE.read_bytes().splitlines(keepends=True)[:10]) + b'{"at": 1}\n')
    assert "damaged.pbt, line 11: " in str(await bench.evaluate(f":trace load '{damaged}'"))


async def test_a_file_of_tcpdump_is_loaded_too() -> None:
    bench = Workbench()
    await bench.evaluate(f":trace load '{TROUBLE.parent / 'twisted-login.pcap'}'")

    assert (await bench.evaluate(":frames")).frames


@pytest.mark.skipif(os.name != "posix", reason="others have no such files")
async def test_a_file_that_cannot_be_written_to_its_end_is_told() -> None:
    async with connected(Server()) as (bench, _):
        with pytest.raises(UsageError):
            await bench.evaluate(":trace save /nonexistent/x.pbt")
