"""Python at the prompt: what is awaited and what is not, what keeps a name, and what must not end the shell."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from pbshell.defer import Deferred, Failure
from pbshell.workbench.problems import Interrupted, Leave, Untimely, what_happened
from pbshell.workbench.typed.evaluation import Python
from pbshell.workbench.typed.statements import KEPT
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected


class Other:
    """The Deferred of another library, which has fired."""

    def addCallbacks(self, callback: Any, errback: Any) -> None:
        callback("theirs")

    def __await__(self) -> Any:
        yield self


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize("line", ["later(5)", "await later(5)", "asyncio.ensure_future(later(5))", "five()"])
async def test_what_can_be_awaited_is(line: str) -> None:
    bench = Workbench()
    deferred: Deferred[int] = Deferred()
    deferred.callback(5)
    bench.namespace |= {"later": later, "five": lambda: deferred}

    assert await bench.evaluate(line) == 5


async def test_the_deferred_of_another_library_is_awaited_too() -> None:
    bench = Workbench()
    bench.namespace["Other"] = Other

    assert await bench.evaluate("Other()") == "theirs"


@pytest.mark.parametrize("line", ["d;", "d ; ", "d;  # and on", "(d\n);"])
async def test_behind_a_semicolon_nothing_is_awaited(line: str) -> None:
    bench = Workbench()
    deferred = bench.namespace["d"] = Deferred[None]()

    assert await bench.evaluate(line) is deferred
    assert bench.namespace["_"] is deferred


@pytest.mark.parametrize(
    ("line", "value"),
    [("';'", ";"), ("5  # a;", 5), ("'''\n;'''", "\n;"), ("5; 6", None), ("x = 5;", None), (";", SyntaxError)],
)
async def test_another_semicolon_means_what_python_means(line: str, value: Any) -> None:
    if isinstance(value, type):
        with pytest.raises(value):
            await Python({}).run(line)
    else:
        assert await Python({}).run(line) == value


async def test_without_autoawait_a_value_stays_what_it_is() -> None:
    python = Python({"d": Deferred()})
    python.autoawait = False

    assert isinstance(await python.run("d"), Deferred)


async def test_results_have_numbers_and_none_has_not() -> None:
    bench = Workbench()
    for line in ("'first'", "None", "x = 5", "'second'"):
        await bench.evaluate(line)

    assert [bench.namespace[name] for name in ("_", "_1", "_2")] == ["second", "first", "second"]
    assert "_3" not in bench.namespace


async def test_the_last_hundred_results_are_kept_and_no_more() -> None:
    bench = Workbench()
    for number in range(1, KEPT + 2):
        await bench.evaluate(str(number))

    assert "_1" not in bench.namespace
    assert (bench.namespace["_2"], bench.namespace[f"_{KEPT + 1}"]) == (2, KEPT + 1)


async def test_the_last_exception_has_a_name() -> None:
    bench = Workbench()
    with pytest.raises(ZeroDivisionError) as caught:
        await bench.evaluate("1/0")
    with pytest.raises(Leave):
        await bench.evaluate("exit()")

    assert bench.namespace["_err"] is caught.value


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("raise GeneratorExit('now')", "GeneratorExit: now"),
        ("class Worse(BaseException): pass\nraise Worse('of all')", "__pbshell__.Worse: of all"),
        ("raise BaseExceptionGroup('two', [GeneratorExit()])", "BaseExceptionGroup: two (1 sub-exception)"),
        ("import optparse; optparse.OptionParser().exit(3)", "SystemExit: 3"),
        ("async def stop(): raise GeneratorExit\nawait stop()", "GeneratorExit"),
    ],
)
async def test_what_would_end_more_than_a_statement_ends_the_statement(line: str, text: str) -> None:
    with pytest.raises(Untimely) as caught:
        await Workbench().evaluate(line)

    assert what_happened(caught.value).text == text


@pytest.mark.parametrize("line", ["exit()", "import sys; sys.exit()", "raise SystemExit", "def f(): exit()\nf()"])
async def test_who_types_that_he_leaves_leaves(line: str) -> None:
    with pytest.raises(Leave):
        await Workbench().evaluate(line)


async def test_an_interrupt_that_was_raised_by_hand_ends_the_statement() -> None:
    with pytest.raises(Interrupted):
        await Workbench().evaluate("raise KeyboardInterrupt")


async def test_recursion_without_an_end_is_told_in_a_few_lines() -> None:
    bench = Workbench()
    # A finalizer that the collector runs down there would have no room either.
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(RecursionError) as caught:
            await bench.evaluate("def deep(): deep()\ndeep()")
    finally:
        gc.enable()

    problem = what_happened(caught.value)
    assert problem.text.startswith("RecursionError: maximum recursion depth exceeded")
    assert len(problem.details) == 11
    assert "more" in problem.details[5]


async def test_memory_that_is_not_there_is_an_error_like_others() -> None:
    with pytest.raises(MemoryError) as caught:
        await Workbench().evaluate("bytearray(1 << 62)")

    assert what_happened(caught.value).text == "MemoryError"


class Mute(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise SystemExit(3)


ODD_NAME: Any = []


@pytest.mark.parametrize("error", [Mute(), NameError("x", name=ODD_NAME), TimeoutError(Mute())])
def test_an_exception_that_cannot_be_told_is_told(error: Exception) -> None:
    assert type(error).__name__ in what_happened(error).text or "cannot be had" in what_happened(error).text


async def test_a_coroutine_that_is_collected_unfinished_says_nothing() -> None:
    """As at the end of a loop: nobody has raised the GeneratorExit that it gets."""
    done = asyncio.get_running_loop().create_future()
    waiting = Python({"d": Deferred()}).run("await d")
    waiting.send(None)

    def collect() -> None:
        # In no task, as the collector of an ended loop.
        waiting.close()
        done.set_result("said nothing")

    asyncio.get_running_loop().call_soon(collect)
    assert await done == "said nothing"


async def test_leaving_with_a_call_that_nobody_answers_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as (bench, _):
        await bench.evaluate("d = root.callRemote('never')")
        await bench.evaluate("t = asyncio.ensure_future(root.callRemote('never'))")
        await bench.evaluate(":bg await root.callRemote('never')")
        deferred = bench.namespace["d"]

    assert isinstance(deferred.result, Failure)
    del deferred, bench
    gc.collect()
    assert caplog.records == []
