"""Commands about the shell itself: ``:help`` and ``:quit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from pbshell.workbench.commands.command import COMMANDS, Leave, command, find
from pbshell.workbench.rows import Rows

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench


@dataclass(frozen=True, slots=True)
class HelpRow:
    """A *command* as it is written, and *what* it does."""

    command: str
    what: str


@command("help", "[COMMAND]", "this list")
def list_commands(bench: Workbench, name: str = "") -> Rows[HelpRow]:
    """All commands, or the one called *name*."""
    chosen = [find(name.removeprefix(":"))] if name else COMMANDS.values()
    return Rows(HelpRow, [HelpRow(f":{each.name} {each.usage}".rstrip(), each.summary) for each in chosen])


@command("quit", "", "leave; so does Ctrl-D")
def leave(bench: Workbench) -> NoReturn:
    """Leave the shell. Raises Leave."""
    raise Leave
