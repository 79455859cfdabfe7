"""Calls: those that wait and why, those that have ended, and those that were made at the prompt."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell.defer import Deferred
from pbshell.errors import DeadReferenceError, RemoteError, UsageError
from pbshell.trace.filters import BadFilter
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.problems import Interrupted
from pbshell.workbench.typed.advice import problem_at
from pbshell.workbench.typed.calls import LISTED, Calls
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected, portal


def states(bench: Workbench, which: str = "") -> list[tuple[str, str]]:
    """The ids of `:calls` and their states."""
    return [(row.id, row.state) for row in bench.part(Calls).rows(which)]


def wait_for(bench: Workbench, seconds: float) -> None:
    """So many seconds pass on the clock that `:calls` reads."""
    now = asyncio.get_running_loop().time() + seconds
    bench.part(Calls).clock = lambda: now


async def turns() -> None:
    """Let what has been decided happen."""
    for _ in range(5):
        await asyncio.sleep(0)


class Deep(pb.Root):
    """Never answers."""

    def remote_never(self, deep: int) -> Any:
        return Deferred()


async def test_a_call_that_waits_says_what_it_is_and_who_waits() -> None:
    async with connected(Deep()) as (bench, _):
        await bench.evaluate("ducks = root.callRemote('never', deep=2)")
        await turns()

        (row,) = await bench.evaluate(":calls")

        assert (row.id, row.connection, row.direction, row.state) == ("c#1", "main", ">", "waiting")
        assert row.call == "root.never(deep=2)"
        assert row.waits == "ducks"
        assert row.verdict == ""


async def test_calls_that_have_ended_stand_behind_those_that_wait_the_last_one_first() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("root.callRemote('never');")
        await bench.evaluate("root.callRemote('never');")
        await bench.evaluate("root.callRemote('echo', 'hi')")
        with pytest.raises(RemoteError):
            await bench.evaluate("root.callRemote('fail', 'no such step')")

        rows = await bench.evaluate(":calls")

        assert [row.id for row in rows] == ["c#1", "c#2", "c#4", "c#3"]
        assert (rows[2].state, rows[2].result) == ("error", "ValueError: no such step")
        assert (rows[3].state, rows[3].result) == ("done", "'hi'")
        assert states(bench, "done") == [("c#4", "error"), ("c#3", "done")]
        assert states(bench, "err") == [("c#4", "error")]
        assert [row.id for row in await bench.evaluate(":calls echo")] == ["c#3"]
        assert [row.id for row in await bench.evaluate(":calls done ~e")] == ["c#4"]
        assert [row.id for row in bench.namespace["sh"].calls("stuck")] == []


async def test_only_the_last_ones_are_listed_unasked() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("for n in range(12): await root.callRemote('echo', n)")

        assert len(await bench.evaluate(":calls")) == LISTED
        assert len(await bench.evaluate(":calls done")) == 12


async def test_a_call_that_waits_for_too_long_is_stuck_and_why() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("d = root.callRemote('never')")
        await turns()
        wait_for(bench, 6)

        (row,) = await bench.evaluate(":calls stuck")

        assert (row.id, row.state) == ("c#1", "stuck")
        assert row.verdict.startswith("c#1 never() has waited 6.0 s for the server")


async def test_what_is_called_here_by_the_peer_is_listed_too() -> None:
    class Caller(pb.Root):
        def remote_use(self, busy: Any) -> Any:
            return busy.callRemote("work")

    async with connected(Caller()) as (bench, _):
        called = asyncio.Event()
        bench.namespace |= {"Deferred": Deferred, "called": called}
        await bench.evaluate(
            "class Busy(pb.Referenceable):\n  def remote_work(self):\n    called.set()\n    return Deferred()"
        )
        await bench.evaluate("d = root.callRemote('use', Busy())")
        await called.wait()

        row = next(row for row in await bench.evaluate(":calls") if row.id == "s#1")

        assert (row.direction, row.waits, row.state) == ("<", "server", "waiting")
        assert row.call.endswith(".work()")
        with pytest.raises(UsageError, match="s#1 is a call of the peer's"):
            await bench.evaluate(":cancel s#1")


async def test_a_call_can_be_given_up_and_its_answer_is_dropped() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("d = root.callRemote('never')")
        await turns()

        assert "c#1 is given up: root.never() may still be running at the peer" in str(
            await bench.evaluate(":cancel 1")
        )
        assert bench.namespace["d"].called
        assert states(bench) == [("c#1", "cancelled")]
        for line, words in (
            (":cancel c#1", "nobody waits for c#1 any more"),
            (":cancel c#7", "no call c#7 waits"),
            (":cancel d1", "no call d1 waits"),
        ):
            with pytest.raises(UsageError, match=words):
                await bench.evaluate(line)


async def test_calls_that_the_end_of_the_connection_left_unanswered_are_lost() -> None:
    async with connected() as (bench, _):
        with pytest.raises(ConnectionError):
            await bench.evaluate("root.callRemote('leave')")

        (row,) = bench.part(Calls).rows()
        assert (row.id, row.state, row.result, row.connection) == ("c#1", "lost", "the connection ended", "main")
        assert states(bench, "err") == [("c#1", "lost")]


async def test_large_values_are_not_kept() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 'x' * 100_000)")

        (over,) = bench.part(Calls)._over
        assert "x" * 200 not in repr(over)
        (row,) = await bench.evaluate(":calls echo")
        assert row.call.startswith("root.echo('xxx")
        assert row.result.startswith("'xxx")


async def test_a_filter_that_is_none_is_told() -> None:
    async with connected() as (bench, _):
        with pytest.raises(BadFilter):
            await bench.evaluate(":calls ~q")


# The journal


async def test_a_call_made_at_the_prompt_can_be_repeated() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 'one')")
        await bench.evaluate("await root.callRemote('echo', 'two')")

        call = bench.namespace["_call"]
        assert repr(call).startswith("<call c#2 root.echo('two'), done in ")
        assert (call.method, call.args, call.kwargs, call.state) == ("echo", ("two",), {}, "done")
        assert await call.again() == "two"
        assert await bench.evaluate(":again 1") == "one"
        assert await bench.evaluate(":again") == "one"
        assert await bench.evaluate("sh.again(2)") == "two"
        rows = await bench.evaluate(":calls mine")
        assert [(row.number, row.call, row.state) for row in rows[:2]] == [
            (1, "root.echo('one')", "done"),
            (2, "root.echo('two')", "done"),
        ]


async def test_what_no_statement_has_called_is_not_in_the_journal() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await connection.getRootObject()")
        await bench.connections["main"].root.callRemote("echo", 1)

        assert list(bench.part(Calls).journal) == []
        with pytest.raises(UsageError, match="nothing was called at the prompt"):
            await bench.evaluate(":again")


async def test_the_secrets_of_a_login_are_not_in_the_journal() -> None:
    async with connected(portal()) as (bench, _):
        bench.namespace["who"] = UsernamePassword("alice", "wonderland")
        await bench.evaluate("avatar = await connection.login(who)")

        assert list(bench.part(Calls).journal) == []


@pytest.mark.parametrize(("line", "words"), [(":again 7", "there is no call 7"), (":again x", "'?x'? is no number")])
async def test_a_call_that_is_not_there_cannot_be_repeated(line: str, words: str) -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 1)")
        with pytest.raises(UsageError, match=words):
            await bench.evaluate(line)


async def test_the_journal_keeps_no_object_of_the_peer_alive() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await bench.evaluate("thing.callRemote('name')")
        await bench.evaluate("del thing")
        gc.collect()
        await turns()

        assert not [luid for luid in bench.connections["main"].connection.broker.theirs.exports if luid != b"root"]
        with pytest.raises(DeadReferenceError, match=r"s1:thing\(\) was given back: fetch it again"):
            await bench.evaluate(":again")


async def test_a_call_of_a_connection_that_has_ended_says_how_to_get_another() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await bench.evaluate("thing.callRemote('name')")
        connection = bench.connections["main"].connection
        connection.close()
        await connection.wait_closed()

        with pytest.raises(DeadReferenceError, match="has ended: :reconnect main, then fetch it again"):
            await bench.evaluate(":again")


async def test_a_call_of_the_root_is_repeated_on_the_root_of_the_new_connection() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 1)")
        opened = bench.connections["main"]
        opened.connection.close()
        await opened.connection.wait_closed()
        await turns()
        await bench.open(opened.plan, "main")

        assert await bench.evaluate(":again") == 1


# The background


async def test_a_statement_runs_in_the_background_and_says_when_it_is_done() -> None:
    async with connected() as (bench, notes):
        notice = await bench.evaluate(":bg await root.callRemote('echo', 'ducks')")
        assert str(notice).startswith("d1 runs in the background: await root.callRemote('echo', 'ducks')")
        job = bench.namespace["d1"]
        assert not job.done
        with pytest.raises(UsageError, match="d1 has no result yet"):
            _ = job.result

        assert await bench.evaluate("d1") == "ducks"

        assert (job.done, job.result) == (True, "ducks")
        assert repr(job) == "<d1, done: await root.callRemote('echo', 'ducks')>"
        assert notes.told == ["d1 is done: 'ducks'   (await root.callRemote('echo', 'ducks'))"]
        assert "_call" not in bench.namespace


async def test_the_result_of_a_job_does_not_become_the_last_one() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("'mine'")
        await bench.evaluate(":bg 'its own'")
        await bench.evaluate("x = await d1")

        assert bench.namespace["_"] == "mine"


async def test_jobs_are_listed_and_so_is_who_waits_for_a_call() -> None:
    async with connected() as (bench, _):
        await bench.evaluate(":bg await root.callRemote('never')")
        await turns()

        rows = await bench.evaluate(":calls")

        assert [(row.id, row.state, row.waits) for row in rows] == [("c#1", "waiting", "d1"), ("d1", "background", "")]
        assert rows[1].call == "await root.callRemote('never')"


async def test_a_job_is_cancelled_with_its_call() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(":bg await root.callRemote('never')")
        await turns()
        await bench.evaluate(":cancel d1")
        with pytest.raises(Interrupted, match="d1 was cancelled"):
            await bench.evaluate("await d1")

        assert notes.told == ["d1 was cancelled   (await root.callRemote('never'))"]
        assert states(bench) == [("c#1", "cancelled")]
        with pytest.raises(UsageError, match="d1 is over: cancelled"):
            await bench.evaluate(":cancel d1")


async def test_who_gives_up_waiting_for_a_job_does_not_end_it() -> None:
    async with connected() as (bench, _):
        await bench.evaluate(":bg await root.callRemote('never')")
        waiting = asyncio.ensure_future(bench.evaluate("await d1"))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert not bench.namespace["d1"].done


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1/0", "d1 failed: ZeroDivisionError: division by zero"),
        (":quit", "d1 failed: it wanted to leave the shell: Ctrl-D leaves"),
        ("raise GeneratorExit", "d1 failed: GeneratorExit"),
    ],
)
async def test_a_job_that_fails_says_so_and_nothing_else_does(source: str, words: str) -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(f":bg {source}")
        await turns()

        assert notes.told == [f"{words}   ({source})"]
        assert "_err" not in bench.namespace


async def test_a_name_that_is_taken_is_left_alone() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("d1 = 'mine'")
        await bench.evaluate(":bg 5")
        await bench.evaluate("await d2")

        assert bench.namespace["d1"] == "mine"


async def test_a_connection_that_is_lost_is_told_while_a_job_runs() -> None:
    async with connected() as (bench, notes):
        await bench.evaluate(":bg await asyncio.Event().wait()")
        await turns()
        assert not bench.part(Statements).running
        connection = bench.connections["main"].connection
        connection.close()
        await connection.wait_closed()
        await turns()

        assert any("has ended" in line for line in notes.told)


async def test_without_a_statement_there_is_nothing_to_run_in_the_background() -> None:
    with pytest.raises(UsageError, match=":bg await"):
        await Workbench().evaluate(":bg")


# Asked for


class Typist:
    """Types these lines when it is asked; EOFError for None, and what else is an exception."""

    def __init__(self, *lines: Any) -> None:
        self._lines = list(lines)
        self.asked: list[str] = []

    async def __call__(self, words: str, *, secret: bool = True) -> str:
        assert not secret
        self.asked.append(words)
        line = self._lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return str(line)


async def test_a_call_is_made_of_arguments_that_are_asked_for() -> None:
    async with connected() as (bench, _):
        bench.ask = typist = Typist("[1, 2]", "")

        with pytest.raises(IndexError):
            await bench.evaluate(":call root echo")
        assert typist.asked == ["argument 1: ", "argument 2: ", "name=value: "]

        bench.ask = Typist("'no", "nope", "[1, 2]", EOFError(), "")
        assert await bench.evaluate(":call root echo") == [1, 2]


async def test_arguments_by_name_end_those_by_position() -> None:
    async with connected() as (bench, notes):
        bench.ask = typist = Typist("value=await root.callRemote('echo', 5)", "what", EOFError())

        assert await bench.evaluate(":call root echo") == 5
        assert typist.asked == ["argument 1: ", "name=value: ", "name=value: "]
        assert notes.told[-1] == "write name=value, or an empty line to call"


async def test_who_gives_up_has_called_nothing() -> None:
    async with connected() as (bench, _):
        bench.ask = Typist("5", KeyboardInterrupt())

        with pytest.raises(Interrupted, match="given up: echo was not called"):
            await bench.evaluate(":call root echo")
        assert states(bench) == []


async def test_where_nobody_can_be_asked_it_is_python() -> None:
    async with connected() as (bench, _):
        with pytest.raises(UsageError, match=r"in Python: root.callRemote\('echo', ...\)"):
            await bench.evaluate(":call root echo")


async def test_what_is_called_may_be_an_id() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("things = [await root.callRemote('thing')]")
        bench.ask = Typist("", "")

        for word in ("s1", "1"):
            bench.ask = Typist("", "")
            assert await bench.evaluate(f":call {word} name") == "a thing"
        exports = bench.connections["main"].connection.broker.theirs.exports
        assert exports[1].count == 1


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("s7", "the peer lends no s7 on main"),
        ("c1", "c1 is an object of ours"),
        ("nothing", "there is no nothing"),
        ("pb", "pb is no reference: it is of class module"),
    ],
)
async def test_what_cannot_be_called_is_told(word: str, words: str) -> None:
    async with connected() as (bench, _):
        bench.ask = Typist()
        with pytest.raises(UsageError, match=words):
            await bench.evaluate(f":call {word} name")


async def test_an_object_that_only_the_books_know_cannot_be_called() -> None:
    async with connected() as (bench, _):
        broker = bench.connections["main"].connection.broker
        broker.books.receive(9)
        bench.ask = Typist()
        with pytest.raises(UsageError, match="s9 is lent to us, but no reference to it is alive here"):
            await bench.evaluate(":call s9 name")


# Sugar


async def test_methods_may_be_written_as_methods() -> None:
    async with connected() as (bench, _):
        assert await bench.evaluate("R(root).echo(5)") == 5
        assert await bench.evaluate("await R(root).echo(value=6)") == 6
        assert repr(await bench.evaluate("R(root)")) == "R(<RemoteReference root, alive>)"
        assert dir(bench.namespace["R"](bench.namespace["root"])) == []
        with pytest.raises(UsageError, match="5 has none"):
            await bench.evaluate("R(5)")
        with pytest.raises(AttributeError):
            await bench.evaluate("R(root).__fspath__")


# What to type next


async def problem_of(bench: Workbench, line: str) -> Any:
    try:
        await bench.evaluate(line)
    except Exception as error:
        return problem_at(bench, error)
    raise AssertionError("nothing went wrong")


async def test_an_error_of_the_server_says_where_to_look() -> None:
    async with connected() as (bench, _):
        problem = await problem_of(bench, "root.callRemote('fail', 'no such step')")
        answer = bench.namespace["_call"].answer()

        assert problem.text == "RemoteError: builtins.ValueError: no such step"
        assert problem.hint.startswith("its traceback is in the server's log; try  ")
        assert problem.hint.endswith(":again")
        assert (f":show {answer.number} " in problem.hint) == ("show" in COMMANDS)


async def test_a_method_that_is_not_there_is_compared_with_those_that_are_known() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("root.callRemote('echo', 5)")

        assert (await problem_of(bench, "root.callRemote('ecoh', 5)")).hint == "did you mean echo?"
        assert (await problem_of(bench, "root.callRemote('ecoh', 5)")).hint == "did you mean echo?"
        assert "look for remote_" in (await problem_of(bench, "root.callRemote('zzz')")).hint


async def test_a_dead_reference_says_which_connection_and_how_to_get_another() -> None:
    async with connected() as (bench, _):
        connection = bench.connections["main"].connection
        connection.close()
        await connection.wait_closed()

        problem = await problem_of(bench, "root.callRemote('echo', 5)")

        assert problem.text.startswith("the connection main has ended")
        assert problem.hint == ":reconnect main, then fetch the object again"


async def test_a_call_that_was_cancelled_is_named() -> None:
    async with connected() as (bench, _):
        waiting = asyncio.ensure_future(bench.evaluate("await root.callRemote('never')"))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        problem = problem_at(bench, Interrupted("cancelled; a method that was called may still be running"))
        assert problem.hint == "c#1 root.never(): its answer will be dropped"
