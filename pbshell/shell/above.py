"""Lines above the prompt while somebody types. Knows batches; does not know what the lines say."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.shortcuts import print_formatted_text

__all__ = ["Above"]

#: seconds for which lines are collected: each printing redraws the prompt
DELAY = 0.05


class Above:
    """Prints through *app*, which draws the prompt, or below it when it does not run."""

    def __init__(self, app: Application[str]) -> None:
        self._app = app
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        # prompt_toolkit finds the terminal by the context, and what calls us comes from anywhere.
        self._context: Context = copy_context()

    def add(self, text: str) -> None:
        """Print *text*, which may be coloured, soon."""
        self._lines.append(text)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(DELAY, self.flush, context=self._context)

    def flush(self) -> None:
        """Print what is waiting, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        text = ANSI("\n".join(self._lines))
        self._lines.clear()
        if self._app.is_running:
            run_in_terminal(lambda: print_formatted_text(text, output=self._app.output))
        else:
            print_formatted_text(text, output=self._app.output)

    def show(self, text: str) -> None:
        """Print *text* now, behind what is waiting."""
        self._lines.append(text)
        self.flush()
