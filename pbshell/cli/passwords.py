"""How a password is asked for at the terminal. Where else it comes from, `workbench.reaching.passwords` knows."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from pbshell.workbench.reaching.passwords import NoPassword

__all__ = ["asker"]


def asker() -> Callable[[str], Awaitable[str]] | None:
    """What asks for a password, None where there is no terminal to ask at."""
    return _ask if sys.stdin is not None and sys.stdin.isatty() else None


async def _ask(prompt: str) -> str:
    """Nothing goes on meanwhile, for there is no connection yet that could."""
    from getpass import getpass

    try:
        return getpass(prompt)
    except EOFError:
        raise NoPassword("no password was given") from None
