"""Plays the sessions of a page: what is typed there is typed here, and what is shown must be what stands below it.

Knows pages, the workbench and the shell without a terminal; knows no page by name.
"""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pbshell.shell.interrupts import Interrupts
from pbshell.shell.plain import Plain
from pbshell.shell.render import Renderer
from pbshell.workbench.commands import Leave
from pbshell.workbench.traffic.showing import Showing
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.workbench import Workbench

DOCS = Path(__file__).parent.parent.parent / "docs"
SESSION = re.compile(r"^<!-- session(?:, (\d+) s later)? -->\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^<!-- file: \w+\.py -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"pb(?::(\S+))?> (.*)")
MORE = re.compile(r" +\.\.\. ")
TRACE = re.compile(r" *\d+ [\d:.]{12} \S+ +[<>x~-]+ ")
#: what comes when it comes: a notice, a line of the trace
UNBIDDEN = re.compile(rf"\* |{TRACE.pattern}")

#: seconds for lines that the page has below a statement, and the statement itself has not shown
PATIENCE = 10.0
#: seconds by which the clock is behind until it is put forward: that brings no limit of a test nearer
BEHIND = 1000.0


@dataclass
class Session:
    """A block of a page: its *lines*, and how many *seconds* its reader has waited before."""

    lines: list[str]
    seconds: float = 0.0


def sessions_of(text: str) -> list[Session]:
    """The sessions of a page."""
    return [Session(lines.splitlines(), float(later or 0)) for later, lines in SESSION.findall(text)]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def server_of(text: str, port: str, folder: Path) -> Iterator[str]:
    """Run the Twisted program of a page as it stands there, but for its *port*; gives the port that it has."""
    match = FILE.search(text)
    assert match is not None
    free = str(free_port())
    path = folder / "program.py"
    path.write_text(match[1].replace(port, free).replace("reactor.run()", 'print("up", flush=True)\nreactor.run()'))
    command = [sys.executable, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            yield free
        finally:
            process.terminate()


def alike(line: str) -> str:
    """*line* without what differs from run to run: times, ports, numbers of connections, and so columns."""
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    line = re.sub(r"\b\d\d:\d\d:\d\d\.\d{3} \d+", "T N", line)
    line = re.sub(r"\b[\d.]+ ?m?s\b|\b\d+ ?m ?\d\d ?s", "N s", line)
    line = re.sub(r"(\w+)#\d+(?= )", r"\1#N", line) if "echo#" in line else line
    line = re.sub(r"connection \d+", "connection N", line)
    line = re.sub(r"[\d,]+ (B|bytes)\b", r"N \1", re.sub(r"[\d,]+ in, [\d,]+ out", "N in, N out", line))
    return re.sub(r" +", " ", line).strip()


def parted(lines: list[str]) -> tuple[list[str], list[str], list[str]]:
    """What statements show, the notices, and the trace by its numbers; without what differs from run to run.

    A notice comes when it comes, which may be behind the next result; and so does a line of the trace.
    """
    notices = [alike(line) for line in lines if line.startswith("* ")]
    trace = sorted(alike(line) for line in lines if TRACE.match(line))
    return [alike(line) for line in lines if not UNBIDDEN.match(line)], notices, trace


@dataclass
class Player:
    """A prompt without a terminal, of *width* columns, whose reader types what a page says.

    *ports* are those that the page names, and what they are in truth. As a context manager it has a clock that can be
    put forward.
    """

    width: int = 100
    ports: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: what was typed and shown
        self.lines: list[str] = []
        self._more = asyncio.Event()
        self.renderer = Renderer(width=self.width, screen=True)
        self.bench = Workbench(lambda text: self.show(self.renderer.prose(f"* {text}", "  ")))
        self.bench.tracer.show = lambda line: self.show(self.renderer.frame(line))
        self.bench.part(Showing).fit(lambda: self.width)
        self._interrupts = Interrupts(adopt=self.bench.part(Statements).detach)
        self._plain = Plain(
            self.bench, self.show, self.show, renderer=self.renderer, interrupts=self._interrupts, at_prompt=True
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._true = loop.time
        self._put(BEHIND)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.bench.close()
        self._put(0)

    def _put(self, behind: float) -> None:
        self._behind = behind
        loop = asyncio.get_running_loop()
        loop.time = lambda: self._true() - behind  # type: ignore[method-assign]  # all ask the loop

    def show(self, text: str) -> None:
        for name, port in self.ports.items():
            text = text.replace(f":{port}", f":{name}")
        self.lines += text.split("\n")
        self._more.set()

    async def play(self, session: Session) -> list[str]:
        """Type what is typed in *session*; gives all that was shown meanwhile."""
        self._put(self._behind - session.seconds)
        self.lines.clear()
        wanted = session.lines
        starts = [number for number, line in enumerate(wanted) if PROMPT.fullmatch(line)]
        for start, end in zip(starts, [*starts[1:], len(wanted)], strict=True):
            block = wanted[start:end]
            typed = [block[0].partition("> ")[2]]
            typed += [line.partition("... ")[2] for line in block[1:] if MORE.match(line)]
            prompt = f"pb{f':{self.bench.label}' if self.bench.label else ''}> "
            self.show(f"{prompt}{typed[0]}")
            self.lines += [f"{'... '.rjust(len(prompt))}{line}" for line in typed[1:]]
            if await self._leaves("\n".join(typed), stops="^Z" in block):
                break
            await self._until(end)
        return self.lines.copy()

    async def _leaves(self, text: str, *, stops: bool) -> bool:
        """Type *text*, and Ctrl-Z if it *stops*; whether that has ended the shell."""
        for name, port in self.ports.items():
            text = text.replace(f":{name}", f":{port}")
        performing = asyncio.ensure_future(self._plain.perform(text))
        if stops:
            for _ in range(10):  # turns, in which it begins
                await asyncio.sleep(0)
            self.show("^Z")
            self._interrupts.detach()
        try:
            problem = await performing
        except Leave:
            return True
        if problem is not None:
            self.show(self.renderer.problem(problem))
        return False

    async def _until(self, count: int) -> None:
        """Wait for as many lines; if they do not come, the comparison will tell."""
        try:
            async with asyncio.timeout(PATIENCE):
                while len(self.lines) < count:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            return
