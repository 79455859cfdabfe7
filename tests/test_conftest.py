"""The test kit's own promises, kept by running small suites under a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import asyncio, socket, subprocess, sys
import pytest
from hypothesis import given, strategies

ran = []

@pytest.fixture
def answer():
    return 42

async def test_a_coroutine_runs(answer):
    await asyncio.sleep(0)
    ran.append(answer)

@given(strategies.booleans())
async def test_a_property_may_be_asynchronous(truth):
    await asyncio.sleep(0)
    ran.append(truth)

def test_both_really_ran():
    assert ran[0] == 42 and {True, False} <= set(ran[1:])

async def test_a_failing_coroutine_fails():
    await asyncio.sleep(0)
    assert False, "as it should"

async def test_a_task_that_ends_in_time_is_no_leak():
    asyncio.create_task(asyncio.sleep(3600)).cancel()

async def test_a_timeout_of_its_own_is_an_ordinary_error():
    with pytest.raises(TimeoutError):
        raise TimeoutError

async def test_a_task_is_left():
    global kept
    kept = asyncio.create_task(asyncio.sleep(3600), name="forgotten")

async def test_an_exception_is_never_retrieved():
    async def broken():
        raise ValueError("nobody listens")
    asyncio.create_task(broken())

async def test_a_callback_raises():
    asyncio.get_running_loop().call_soon(int, "no number")

async def test_takes_for_ever():
    await asyncio.Event().wait()

def test_a_listening_socket_is_left():
    global listener
    listener = socket.create_server(("127.0.0.1", 0))

def test_a_child_is_left():
    global child
    program = "import time; print('up', flush=True); time.sleep(3600)"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"up\\n"

def test_the_child_was_ended():
    child.communicate()

def test_what_was_there_before_is_no_leak():
    assert listener.fileno() > 0
    listener.close()
"""


def test_async_tests_run_and_leaks_fail_the_test_that_made_them(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(source.replace("LIMIT = 30", "LIMIT = 0.5"))
    pytester.makepyfile(test_suite=SUITE)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Wide enough that the summary is not cut.
    monkeypatch.setenv("COLUMNS", "400")

    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", "-rfE")

    result.stdout.fnmatch_lines_random(
        [
            "FAILED *::test_a_failing_coroutine_fails - AssertionError: as it should*",
            "FAILED *::test_a_task_is_left - AssertionError: the test left tasks behind: *forgotten*",
            "FAILED *::test_an_exception_is_never_retrieved - AssertionError: the loop reported: Task exception was*",
            "FAILED *::test_a_callback_raises - AssertionError: the loop reported: Exception in callback*",
            "FAILED *::test_takes_for_ever - AssertionError: the test took longer than 0.5 s*",
            "ERROR *::test_a_listening_socket_is_left - AssertionError: the test left listening sockets behind: *",
            "ERROR *::test_a_child_is_left - AssertionError: the test left processes behind: *time.sleep(3600)*",
        ]
    )
    result.assert_outcomes(passed=9, failed=5, errors=2)
