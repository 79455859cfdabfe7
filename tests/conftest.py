"""How tests are run: coroutines on a loop of their own, and nothing left behind. Knows nothing of what they test."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background makes them deaf to Ctrl-C, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Seconds that an asynchronous test may take.
LIMIT = 30

#: Turns of the loop granted to what a test has told to end: a cancelled task, a closed transport.
TURNS = 20

settings.register_profile("default", deadline=None)
# The same examples on every machine, and none refused because the machine was busy.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Neither what the user has set and typed before plays a part in a test, nor is anything added to it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for what in ("config", "state", "data", "cache"):
            patch.setenv(f"XDG_{what.upper()}_HOME", str(folder / what))
        yield folder


# Asynchronous tests


def run(test: Callable[..., Coroutine[Any, Any, object]], *args: Any, **kwargs: Any) -> None:
    """Run an asynchronous test on a new loop.

    Raises what the test raises; AssertionError when it takes longer than LIMIT seconds, leaves a task behind, or
    when the loop had to report an exception that nobody awaited.
    """
    reported: list[dict[str, Any]] = []

    async def watched() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        try:
            async with asyncio.timeout(LIMIT) as limit:
                await test(*args, **kwargs)
        except TimeoutError:
            if limit.expired():
                raise AssertionError(f"the test took longer than {LIMIT} s") from None
            raise
        left = await tasks_left()
        # A task that nobody awaited tells of its exception when it is collected; it is young, so this is quick.
        gc.collect(1)
        return left

    with asyncio.Runner() as runner:
        left = runner.run(watched())
    assert not left, "the test left tasks behind: " + "; ".join(left)
    if reported:
        raise_reported(reported)


async def tasks_left() -> list[str]:
    """The tasks, but for this one, that are still running after TURNS turns of the loop."""
    for _ in range(TURNS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        # One more turn after the last task, for the callbacks of what was closed.
        await asyncio.sleep(0)
        if not others:
            return []
    return sorted(map(repr, asyncio.all_tasks() - {asyncio.current_task()}))


def raise_reported(reported: list[dict[str, Any]]) -> None:
    """Fail with what the loop reported, and with the exceptions themselves as causes."""
    words = "; ".join(str(context.get("message")) for context in reported)
    causes = [context["exception"] for context in reported if isinstance(context.get("exception"), Exception)]
    failure = AssertionError(f"the loop reported: {words}")
    raise failure from (ExceptionGroup("reported", causes) if causes else None)


def in_plain_clothes(test: Callable[..., Coroutine[Any, Any, object]]) -> Callable[..., None]:
    """An asynchronous test as a plain function, which hypothesis calls once for each example: each on a new loop."""

    @functools.wraps(test)
    def plain(*args: Any, **kwargs: Any) -> None:
        run(test, *args, **kwargs)

    return plain


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run every `async def test_...`, alone or under hypothesis's @given."""
    test = pyfuncitem.obj
    given = getattr(test, "hypothesis", None)
    if given is not None and inspect.iscoroutinefunction(given.inner_test):
        given.inner_test = in_plain_clothes(given.inner_test)
        return None
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    run(test, **arguments)
    return True


# Nothing is left behind


def children_of_thread(path: Path) -> list[int]:
    """Process ids; none for a thread that has ended since it was listed."""
    try:
        return [int(pid) for pid in path.read_text().split()]
    except OSError:
        return []


def children() -> dict[int, str]:
    """The processes that this one has started and not yet waited for: process ids and their commands."""
    lists = list(Path("/proc/self/task").glob("*/children"))
    if lists:
        return {pid: command_of(pid) for each in lists for pid in children_of_thread(each)}
    ours = str(os.getpid())
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,comm="], stdout=subprocess.PIPE, text=True) as ps:
        rows = [line.split(None, 2) for line in ps.communicate()[0].splitlines()]
    return {int(row[0]): row[-1] for row in rows if row[1] == ours and int(row[0]) != ps.pid}


def command_of(pid: int) -> str:
    """The command line of a process under /proc, or what stands for it when it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return b" ".join(words).decode("utf-8", "replace").strip() or "just begun, or ended and not waited for"


def listening() -> dict[int, str]:
    """The listening sockets of this process: their inodes and addresses."""
    found = {}
    for each in Path("/dev/fd").iterdir():
        try:
            status = os.fstat(int(each.name))
            if not stat.S_ISSOCK(status.st_mode):
                continue
            borrowed = socket.socket(fileno=int(each.name))
        except OSError:
            # The listing's own descriptor, or one of another thread, closed by now.
            continue
        try:
            if borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found[status.st_ino] = str(borrowed.getsockname())
        except OSError:
            continue
        finally:
            borrowed.detach()
    return found


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fail a test that leaves a process or a listening socket behind, and end the process.

    What a fixture of a wider scope started stands before the test, and so it may stand after it.
    """
    before = children(), listening()
    yield
    left = {pid: command for pid, command in children().items() if pid not in before[0]}
    for pid in left:
        # Ours and not waited for, so the number cannot have become another process's.
        os.kill(pid, signal.SIGKILL)
    sockets = [address for inode, address in listening().items() if inode not in before[1]]
    assert not left, f"the test left processes behind: {left}"
    assert not sockets, f"the test left listening sockets behind: {sockets}"
