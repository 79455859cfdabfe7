"""The shell without a terminal: statements out of lines, results apart from words, the code of the first failure."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable

import pytest

from pbshell.defer import Deferred
from pbshell.shell.plain import Plain, each, lines_of, statements
from pbshell.workbench.workbench import Workbench


class Session:
    """A Plain on an empty workbench, and what it showed and said."""

    def __init__(self, timeout: float | None = None) -> None:
        self.bench = Workbench()
        self.shown: list[str] = []
        self.said: list[str] = []
        self.plain = Plain(self.bench, self.shown.append, self.said.append, timeout=timeout)

    async def run(self, *commands: str, go_on: bool = False) -> int:
        return await self.plain.run(each(commands), go_on=go_on)


async def test_results_are_shown_and_statements_are_not() -> None:
    session = Session()

    assert await session.run("x = 5", "x", "None", "'text'") == 0
    assert (session.shown, session.said) == (["5", "'text'"], [])


async def test_rows_are_data_and_notices_are_words() -> None:
    session = Session()

    assert await session.run(":refs", ":trace on") == 0
    assert session.shown == ["no references"]
    assert session.said == ["trace on (redact=auth).  :trace filter EXPR, :trace save FILE"]


async def test_it_stops_at_the_first_failure_with_its_code() -> None:
    session = Session()

    assert await session.run("1", "1/0", "2") == 1
    assert (session.shown, session.said) == (["1"], ["ZeroDivisionError: division by zero"])


async def test_asked_to_it_goes_on_and_still_returns_the_first_code() -> None:
    session = Session()

    assert await session.run("1/0", "raise TimeoutError", "2", go_on=True) == 1
    assert session.shown == ["2"]


async def test_a_statement_has_its_time() -> None:
    session = Session(timeout=0.01)
    session.bench.namespace["never"] = Deferred

    assert await session.run("await never()") == 5
    assert session.said == ["await never() was not done within 0.01 s"]


async def test_a_timeout_of_ones_own_is_one_too() -> None:
    assert await Session().run("raise TimeoutError('mine')") == 5


@pytest.mark.parametrize(("line", "code"), [("exit(3)", 3), (":quit", 0), ("exit", 0)])
async def test_leaving_is_no_failure_and_ends_it(line: str, code: int) -> None:
    session = Session()

    assert await session.run(line, "2") == code
    assert session.shown == []


async def test_a_statement_that_writes_to_nobody_is_no_failure_of_the_statement() -> None:
    with pytest.raises(BrokenPipeError):
        await Session().run("raise BrokenPipeError")


async def test_a_cancelled_statement_is_a_failure_of_its_own() -> None:
    session = Session()
    session.bench.namespace["asyncio"] = asyncio

    assert await session.run("raise asyncio.CancelledError") == 130
    assert session.said[0].startswith("cancelled")


async def split(lines: Iterable[str]) -> list[str]:
    """The statements of *lines*."""

    async def given() -> AsyncIterator[str]:
        for line in lines:
            yield line

    return [statement async for statement in statements(given())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n2\n", ["1", "2"]),
        ("\n\n1\n\n", ["1"]),
        (":refs\n:trace on\n", [":refs", ":trace on"]),
        ("x = [1,\n     2]\nx\n", ["x = [1,\n     2]", "x"]),
        ("for x in y:\n    x\nz\n", ["for x in y:\n    x", "z"]),
        ("def f():\n    1\n\n    return 2\n\nf()\n", ["def f():\n    1\n\n    return 2\n", "f()"]),
        (
            "if x:\n    1\nelif y:\n    2\nelse:\n    3\n:refs\n",
            ["if x:\n    1\nelif y:\n    2\nelse:\n    3", ":refs"],
        ),
        ("try:\n    1\nexcept E:\n    2\nfinally:\n    3\n4", ["try:\n    1\nexcept E:\n    2\nfinally:\n    3", "4"]),
        ("@d\ndef f():\n    pass", ["@d\ndef f():\n    pass"]),
        ("async def f():\n    await x\nawait f()\n", ["async def f():\n    await x", "await f()"]),
        ("x = '''\nfor\n'''\n1", ["x = '''\nfor\n'''", "1"]),
        ("x = = 1\n2", ["x = = 1", "2"]),
        ("for x in y\n2", ["for x in y", "2"]),
        ("\0\n1", ["\0", "1"]),
    ],
)
async def test_lines_become_statements(text: str, expected: list[str]) -> None:
    assert await split(text.split("\n")) == expected


async def test_a_statement_is_run_before_the_next_line_is_there() -> None:
    """Who writes a line and waits for its result does not wait for ever."""
    asked: list[int] = []

    async def given() -> AsyncIterator[str]:
        for number in (1, 2):
            asked.append(number)
            yield str(number)

    async for statement in statements(given()):
        assert statement == str(asked[-1])


async def test_lines_come_from_a_pipe_while_the_loop_goes_on() -> None:
    reading, writing = os.pipe()
    prompts: list[int] = []
    try:
        lines = lines_of(reading, lambda: prompts.append(1))
        os.write(writing, b"one\r\ntwo\nthr\xff")
        assert [await anext(lines), await anext(lines)] == ["one", "two"]
        os.close(writing)
        assert [line async for line in lines] == ["thr\ufffd"]
        assert len(prompts) == 4
    finally:
        os.close(reading)


async def test_a_pipe_that_cannot_be_read_has_no_lines() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    os.close(reading)

    assert [line async for line in lines_of(reading)] == []
