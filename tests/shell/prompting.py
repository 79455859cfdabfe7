"""A prompt without a terminal, as the tests of the shell use it: keys through a pipe, the screen in a string."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completion
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from pbshell.shell.render import Renderer
from pbshell.shell.repl import PBRepl
from pbshell.workbench.workbench import Workbench


class Screen:
    """A prompt that is running, what was typed into it, and what it has drawn."""

    def __init__(self, repl: PBRepl, pipe: PipeInput, drawn: StringIO) -> None:
        self.repl = repl
        self.pipe = pipe
        self._drawn = drawn
        self._done = asyncio.Event()
        self._perform = repl.perform
        repl.perform = self._tell  # type: ignore[method-assign]  # to know when a line is done
        self.running = asyncio.ensure_future(repl.run_until_left())

    async def _tell(self, text: str) -> None:
        try:
            await self._perform(text)
        finally:
            self._done.set()

    async def type(self, text: str) -> str:
        """Type *text* and Enter; what is on the screen when it is done."""
        self._done.clear()
        self.pipe.send_text(f"{text}\r")
        await self._done.wait()
        return self.text

    @property
    def text(self) -> str:
        """All that was drawn, without the escape sequences of drawing."""
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()=>].?)", "", self._drawn.getvalue())

    @property
    def drawn(self) -> str:
        """The same with all its escape sequences."""
        return self._drawn.getvalue()


@asynccontextmanager
async def prompt(
    bench: Workbench | None = None,
    *,
    colours: bool = False,
    plain: bool = False,
    screen_columns: int = 100,
    **options: Any,
) -> AsyncIterator[Screen]:
    """A prompt on *bench* on a screen of so many columns; *options* are those of PBRepl.

    It is left at the end with Ctrl-D if it has not been left before.
    """
    drawn = StringIO()
    with create_pipe_input() as pipe:
        output = Vt100_Output(drawn, lambda: Size(rows=30, columns=screen_columns), term="xterm", enable_cpr=False)
        with create_app_session(input=pipe, output=output):
            renderer = Renderer(colours=colours, screen=True, plain=plain)
            repl = PBRepl(bench or Workbench(), renderer=renderer, input=pipe, output=output, **options)
            screen = Screen(repl, pipe, drawn)
            try:
                yield screen
            finally:
                if not screen.running.done():
                    pipe.send_text("\x03\x04")
                await screen.running


async def until(there: Callable[[], bool]) -> None:
    """Let the loop go on until *there*: the prompt tells nobody what it has drawn."""
    while not there():  # noqa: ASYNC110
        await asyncio.sleep(0)


def offered(repl: PBRepl, text: str) -> list[Completion]:
    """What Tab offers behind *text*."""
    document = Document(text, len(text))
    return list(repl.completer.get_completions(document, CompleteEvent(completion_requested=True)))
