"""Commands about the shell itself: ``:help``, ``:keys`` and ``:quit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from pbshell.workbench.commands.command import Leave, command
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.helping import Help, HelpPage, list_of_commands, page
from pbshell.workbench.keys import KEYS, placed, written
from pbshell.workbench.settings import Settings

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The *key* that is called *name* in the settings does *what*; *command* does the same."""

    key: str
    name: str
    what: str
    command: str


@command("help", "[COMMAND|FILTER|NAME|all]", "the commands, or all about one word", first=True)
def help_(bench: Workbench, word: str = "") -> Help | HelpPage:
    """The commands that are needed first, and the names of the others; ``all`` tells what each of them does.

    About a word: a command, an operator of a filter such as ``~t``, a name of Python's, a method of a remote object, a
    setting, a key.
    """
    return list_of_commands(brief=not word) if word in ("", "all") else page(bench, word)


@command("keys", "", "the keys, and the commands that do the same")
def keys(bench: Workbench) -> Rows[KeyRow]:
    """One row for each key that has a name. ``[keys]`` in the file of ``:config edit`` gives it another place."""
    places = placed(bench.part(Settings).keys)
    rows = [KeyRow(written(places[each.name]), each.name, each.help, each.command) for each in KEYS.values()]
    return Rows(KeyRow, rows)


@command("quit", "", "leave; so does Ctrl-D")
def leave(bench: Workbench) -> NoReturn:
    """Close the connections and servers, and leave."""
    raise Leave
