"""What somebody waits for: until the prompt is there, for the lines of a trace above it, for a table. By the clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from statistics import median

import pexpect
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from pbshell import pb
from pbshell.shell.render import Renderer
from pbshell.shell.repl import PBRepl
from pbshell.workbench.workbench import Workbench

_PBSHELL = [sys.executable, "-m", "pbshell"]
#: lines of a trace, in pieces as they come from the network, and references that are lent
_LINES, _PIECE, _REFERENCES = 20_000, 50, 1_000
_LINE = "  12 14:02:11.033 1 >  s2:alice.getBuilder('linux')                         = s3             0.3 ms    47 B"


@contextmanager
def _server() -> Iterator[str]:
    """`pbshell serve echo` in a process of its own: its address."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "port"
        process = subprocess.Popen(
            [*_PBSHELL, "serve", "echo", "--port-file", str(file)], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        try:
            process.stderr.readline()
            while not file.exists():
                time.sleep(0.01)
            yield f"127.0.0.1:{file.read_text().strip()}"
        finally:
            process.terminate()
            process.communicate()


def until_the_prompt_in_milliseconds(rounds: int) -> float:
    """From the start of the process until the prompt of a connection stands on a real terminal."""
    with _server() as target, tempfile.TemporaryDirectory() as home:
        return median(_until_the_prompt(target, home) for _ in range(rounds))


def _until_the_prompt(target: str, home: str) -> float:
    environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "HOME": home, "LANG": "C.UTF-8"}
    begin = time.perf_counter()
    child = pexpect.spawn(_PBSHELL[0], [*_PBSHELL[1:], target], env=environment, dimensions=(30, 100), timeout=30)
    child.delaybeforesend = None
    try:
        while child.expect_exact([b"pb>", b"\x1b[6n"]) == 1:
            child.send(b"\x1b[1;1R")  # where the cursor is, which it asks the terminal
        taken = time.perf_counter() - begin
        child.send(b"\x04")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    return 1_000 * taken


def lines_above_in_a_second(rounds: int) -> float:
    """Lines of a trace printed above a prompt in a second, while what is typed meanwhile is taken."""
    return median(asyncio.run(_lines_above()) for _ in range(rounds))


async def _lines_above() -> float:
    drawn = StringIO()
    with create_pipe_input() as pipe:
        output = Vt100_Output(drawn, lambda: Size(rows=30, columns=100), term="xterm", enable_cpr=False)
        with create_app_session(input=pipe, output=output):
            bench = Workbench()
            repl = PBRepl(bench, renderer=Renderer(colours=True), input=pipe, output=output)
            running = asyncio.ensure_future(repl.run_until_left())
            while not repl.app.is_running:  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0)
            show = bench.tracer.show
            assert show is not None
            begin = time.perf_counter()
            for number in range(0, _LINES, _PIECE):
                for each in range(_PIECE):
                    show(f"{number + each:5}{_LINE}")
                await asyncio.sleep(0)
                # More than it can print would be left out, and nothing must be.
                while len(repl.above._lines) > _LINES // 4:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            pipe.send_text("live")
            last = f"{_LINES - 1:5}  12"
            while last not in drawn.getvalue()[-50_000:] or repl.default_buffer.text != "live":  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            taken = time.perf_counter() - begin
            assert "left out" not in drawn.getvalue()
            pipe.send_text("\x03\x04")
            await running
    return _LINES / taken


class _Lender(pb.Root):
    def remote_lend(self, count: int) -> list[pb.Referenceable]:
        return [pb.Referenceable() for _ in range(count)]


def references_in_milliseconds(rounds: int) -> float:
    """`:refs` with 1,000 references, as text for a screen."""
    return asyncio.run(_references(rounds))


async def _references(rounds: int) -> float:
    bench, renderer = Workbench(), Renderer(screen=True)
    taken = []
    async with pb.serve(_Lender(), "tcp:0") as server:
        await bench.connect(f"127.0.0.1:{server.port}")
        await bench.evaluate(f"things = await root.callRemote('lend', {_REFERENCES})")
        for _ in range(2 * rounds + 1):
            begin = time.perf_counter()
            text = renderer.value(await bench.evaluate(":refs all"))
            taken.append(1_000 * (time.perf_counter() - begin))
            assert text.count("\n") >= _REFERENCES
        await bench.close()
    return median(taken)
