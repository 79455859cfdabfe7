"""What the pictures show: real sessions on a real server, up to the moment that is worth a picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.shell.terminal import Terminal, terminal

#: lines of a screen that shall be looked at as a whole
_LINES = 26


@contextmanager
def _at_demo(*words: str, lines: int = _LINES) -> Iterator[Terminal]:
    """Alice at the prompt of the demo server."""
    with terminal("demo", *words, lines=lines) as alice:
        alice.wait_for_prompt()
        yield alice


@contextmanager
def prompt() -> Iterator[Terminal]:
    """The prompt."""
    with _at_demo() as alice:
        alice.type("builder = await root.callRemote('getBuilder', 'linux')")
        alice.type("await builder.callRemote('start', {'revision': 'abc'})", "queued")
        alice.type("await builder.callRemote('explode')", "ValueError")
        alice.send("await root.callRemote('get\t")
        alice.wait("getStatus")
        yield alice


@contextmanager
def trace() -> Iterator[Terminal]:
    """A trace."""
    with _at_demo() as alice:
        alice.type(":trace on", "trace on")
        alice.type("builder = await root.callRemote('getBuilder', 'linux')", "getBuilder('linux')")
        alice.type("await builder.callRemote('start', {'revision': 'abc'})", "queued")
        alice.type("await builder.callRemote('explode')", "ValueError")
        alice.type("clock = await root.callRemote('getClock')", "cache")
        yield alice


@contextmanager
def refs() -> Iterator[Terminal]:
    """References."""
    with _at_demo() as alice:
        alice.type("builders = [await root.callRemote('getBuilder', each) for each in ('linux', 'mac')]")
        alice.type("await builders[0].callRemote('start', 1)", "queued")
        alice.type(":refs", "ledger")
        yield alice


@contextmanager
def cached() -> Iterator[Terminal]:
    """Cached copies."""
    with _at_demo() as alice:
        alice.type("clock = await root.callRemote('getClock')")
        alice.type("await clock.next(), await clock.next()")
        alice.type(":cached", "Clock")
        yield alice


@contextmanager
def conns() -> Iterator[Terminal]:
    """Connections."""
    with _server("echo") as echo, _at_demo() as alice:
        alice.type(f":connect {echo} as echo", "connected")
        alice.type("slow = root.callRemote('echo', 1)")
        alice.type(":conns", "echo")
        yield alice


@contextmanager
def top() -> Iterator[Terminal]:
    """The live view."""
    with _at_demo() as alice:
        alice.type("builder = await root.callRemote('getBuilder', 'linux')")
        alice.type("stuck = builder.callRemote('never')")
        alice.type("clock = await root.callRemote('getClock')")
        alice.type("[await root.callRemote('echo', n) for n in range(200)][-1]", "199")
        alice.send(":top\r")
        alice.wait("slowest in the last minute")
        yield alice
        alice.send("q")
        alice.wait_for_prompt()


#: by the name of the picture
SCENES: dict[str, Callable[[], AbstractContextManager[Terminal]]] = {
    each.__name__: each for each in (prompt, trace, refs, cached, conns, top)
}


@contextmanager
def _server(name: str) -> Iterator[str]:
    """A bundled server in a process of its own: its address."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "port"
        command = [sys.executable, "-m", "pbshell", "serve", name, "--port-file", str(file)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                # It says where it listens, and the port file is there right behind that.
                where = process.stderr.readline()
                yield f"127.0.0.1:{where.partition('tcp:')[2].split()[0].rpartition(':')[2]}"
            finally:
                process.terminate()
