"""A line that a command asks for while it runs: an argument, or a secret. Knows the terminal; keeps nothing."""

from __future__ import annotations

from typing import Protocol

from prompt_toolkit.input import Input
from prompt_toolkit.output import ColorDepth, Output

from pbshell.shell.above import Above
from pbshell.workbench.workbench import Ask

__all__ = ["asker"]


class _Terminal(Protocol):
    """Where a prompt is drawn, and where its keys come from."""

    input: Input
    output: Output


def asker(above: Above, terminal: _Terminal, *, colours: bool) -> Ask:
    """What asks at *terminal*; lines of the trace come above the question. What is answered is in no history."""

    async def ask(words: str, *, secret: bool = True) -> str:
        from prompt_toolkit.shortcuts import PromptSession  # noqa: PLC0415 (few commands ask)

        session: PromptSession[str] = PromptSession(
            is_password=secret,
            input=terminal.input,
            output=terminal.output,
            color_depth=None if colours else ColorDepth.DEPTH_1_BIT,
            enable_history_search=False,
        )
        above.flush()
        with above.through(session.app):
            return await session.prompt_async(words, handle_sigint=False, set_exception_handler=False)

    return ask
