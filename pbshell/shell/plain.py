"""The shell without a terminal: statements from a pipe or the command line, results to stdout, words to stderr.

Knows lines; echoes nothing, shows no banner, and stops at the first error.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable

from pbshell.shell.interrupts import Interrupts
from pbshell.shell.render import Renderer
from pbshell.wire.text import visible
from pbshell.workbench.commands import Leave
from pbshell.workbench.forms.rows import Notice
from pbshell.workbench.problems import ExitCode, Problem, what_happened
from pbshell.workbench.typed.advice import problem_at
from pbshell.workbench.typed.evaluation import is_complete
from pbshell.workbench.workbench import Workbench

__all__ = ["Plain", "Typing", "each", "lines_of", "statements"]

#: what the first line of a block begins with, and what goes on with it at the margin
_BLOCKS = ("async ", "class ", "def ", "for ", "if ", "match ", "try:", "while ", "with ", "@")
_GOES_ON = ("elif ", "else:", "except", "finally:")
#: bytes of one line
_LONGEST = 16 * 1024 * 1024


class Plain:
    """Runs statements on *bench*, each within *timeout* seconds (None: as long as it takes).

    *show* takes what is data, *say* what is words; each a text without its newline. *at_prompt* says that somebody
    types them: he is told what to type next.
    """

    def __init__(
        self,
        bench: Workbench,
        show: Callable[[str], None],
        say: Callable[[str], None],
        *,
        renderer: Renderer | None = None,
        timeout: float | None = None,
        interrupts: Interrupts | None = None,
        at_prompt: bool = False,
    ) -> None:
        self._bench = bench
        self._show = show
        self._say = say
        self._renderer = renderer or Renderer()
        bench.render = lambda value, width: Renderer(width=width).value(value)
        self._timeout = timeout
        self._interrupts = interrupts or Interrupts()
        self.at_prompt = at_prompt

    async def run(self, statements: AsyncIterator[str], *, go_on: bool = False) -> int:
        """Run all *statements*, up to the first that fails, or with *go_on* up to the end.

        Returns the exit code: that of the first failure, or what somebody left with.
        """
        code = int(ExitCode.OK)
        try:
            async for statement in statements:
                problem = await self.perform(statement)
                if problem is not None:
                    self._say(self._renderer.problem(problem))
                    code = code or int(problem.code)
                    if not go_on:
                        break
        except Leave as leave:
            return leave.code
        return code

    async def perform(self, statement: str) -> Problem | None:
        """Run one statement and show what it gives. Returns what went wrong, if anything. Raises Leave."""
        try:
            async with asyncio.timeout(self._timeout) as limit:
                value = await self._interrupts.run(self._bench.evaluate(statement))
        except (Leave, BrokenPipeError):
            # Who reads no more has seen enough, whether it was we who wrote or the statement.
            raise
        except TimeoutError as error:
            if not limit.expired():
                return what_happened(error)
            what = visible(statement.strip(), 200)
            return what_happened(TimeoutError(f"{what} was not done within {self._timeout:g} s"))
        except Exception as error:  # noqa: BLE001 (the one place where a statement's exceptions end)
            if self.at_prompt:
                return problem_at(self._bench, error)
            return what_happened(error, logged_in=self._bench.logged_in)
        if value is not None:
            # By its type: of a value's own attributes nobody knows what they do.
            (self._say if issubclass(type(value), Notice) else self._show)(self._renderer.value(value))
        return None


async def each(given: Iterable[str]) -> AsyncIterator[str]:
    """The statements that were *given* all at once."""
    for statement in given:
        yield statement


class Typing:
    """What stands in front of the lines that somebody types: *ask* writes it, *label* says what a statement's is.

    A line that goes on with a statement has ``... `` there.
    """

    def __init__(self, ask: Callable[[str], None], label: Callable[[], str] = lambda: "pb> ") -> None:
        self._ask = ask
        self._label = label
        #: the lines of the statement that is not whole yet
        self.block: list[str] = []

    def prompt(self) -> None:
        """Ask for a line."""
        self._ask("... " if self.block else self._label())

    def drop(self) -> None:
        """Forget what was typed of a statement, and ask for another."""
        self.block.clear()
        self._ask(f"\n{self._label()}")


async def statements(lines: AsyncIterator[str], typing: Typing | None = None) -> AsyncIterator[str]:
    """Whole statements out of *lines*. A block ends where the next line begins at the margin, or with the lines.

    Where somebody is *typing* them, an empty line ends it too.
    """
    block: list[str] = [] if typing is None else typing.block
    async for line in lines:
        if block and _is_whole(block) and (_begins_anew(line) or (typing is not None and not line.strip())):
            yield _taken(block)
        if not block and not line.strip():
            continue
        block.append(line)
        if line.startswith(":") or (not block[0].startswith(_BLOCKS) and _is_whole(block)):
            yield _taken(block)
    if block:
        yield _taken(block)


def _taken(block: list[str]) -> str:
    """The statement of all lines in *block*, which is empty then: it is asked for the next one meanwhile."""
    text = "\n".join(block)
    block.clear()
    return text


def _begins_anew(line: str) -> bool:
    return bool(line.strip()) and not line[0].isspace() and not line.startswith(_GOES_ON)


def _is_whole(block: list[str]) -> bool:
    try:
        return is_complete("\n".join(block))
    except (SyntaxError, ValueError, OverflowError):
        # Nothing behind it will mend it: it is run, and tells what is wrong.
        return True


async def lines_of(descriptor: int, prompt: Callable[[], None] | None = None) -> AsyncIterator[str]:
    """The lines that come from a file *descriptor*, without their newlines, while the loop goes on.

    *prompt* is called before each of them is waited for.

    By a thread, because a loop cannot wait for a file; a daemon, because it may wait for ever. Raises ValueError for
    a line above 16 MiB.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST)

    def read() -> None:
        data = b"?"
        while data:
            try:
                # Not by sys.stdin: its lock would hold up the end of the process.
                data = os.read(descriptor, 65536)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(*((reader.feed_data, data) if data else (reader.feed_eof,)))
            except RuntimeError:  # the loop has ended
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        if prompt is not None:
            prompt()
        line = await reader.readline()
        if not line:
            return
        yield line.decode("utf-8", "replace").rstrip("\r\n")
