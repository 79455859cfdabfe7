"""What a command is, and the table of all there are. Knows words and signatures; does not know what commands do."""

from __future__ import annotations

import difflib
import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pbshell.errors import UsageError
from pbshell.wire.text import visible

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

__all__ = ["COMMANDS", "Command", "Leave", "Sh", "command", "find", "perform"]

F = TypeVar("F", bound=Callable[..., Any])


class Leave(Exception):
    """Somebody wants to leave the shell, with this exit *code*."""

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its *name*, what may stand behind it, what it does in a line, and the function that does it.

    The *function* takes the workbench and words, or, if the command is *raw*, the rest of the line as it was typed: a
    filter or Python has quotes of its own. It gives data, or an awaitable of data. *first* are those that a person
    needs before all others.

    In the *usage*, a word in capitals is a kind (FILE, TARGET, CONN, SERVER, REF, FRAME, FILTER, COMMAND, ...), any
    other stands for itself, ``|`` is between alternatives, and what may be left out is in brackets.
    """

    name: str
    usage: str
    summary: str
    function: Callable[..., Any]
    raw: bool = False
    first: bool = False

    def call(self, bench: Workbench, words: tuple[Any, ...]) -> Any:
        """What the command gives for *words*. Raises UsageError when it does not take so many."""
        if self.raw:
            return self.function(bench, " ".join(map(str, words)))
        try:
            inspect.signature(self.function).bind(bench, *words)
        except TypeError:
            raise UsageError(f"write :{self.name} {self.usage}".rstrip()) from None
        return self.function(bench, *words)


#: All commands by name, in the order in which `:help` lists them.
COMMANDS: dict[str, Command] = {}


def command(name: str, usage: str, summary: str, *, raw: bool = False, first: bool = False) -> Callable[[F], F]:
    """A decorator: makes a command of a function, see `Command`."""

    def register(function: F) -> F:
        COMMANDS[name] = Command(name, usage, summary, function, raw, first)
        return function

    return register


def find(name: str) -> Command:
    """The command *name*. Raises UsageError, with the one that was perhaps meant."""
    if name in COMMANDS:
        return COMMANDS[name]
    near = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
    instead = f"did you mean :{near[0]}?" if near else ":help lists them"
    raise UsageError(f"there is no command :{visible(name, 30)}; {instead}")


async def perform(bench: Workbench, line: str) -> Any:
    """What the command in *line* (without its colon) gives. Raises UsageError for words it does not take."""
    name, _, rest = line.strip().partition(" ")
    if not name:
        raise UsageError("a colon begins a command; :help lists them")
    chosen = find(name)
    value = chosen.call(bench, (rest.strip(),) if chosen.raw else _words(line)[1:])
    return await value if inspect.isawaitable(value) else value


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise UsageError(f":{visible(line, 60)}: {error}") from None


class Sh:
    """The commands as functions: ``sh.refs("theirs")`` gives what ``:refs theirs`` shows."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in COMMANDS:
            raise AttributeError(f"sh has no command {name!r}; it has {', '.join(COMMANDS)}")
        return lambda *words: COMMANDS[name].call(self._bench, words)

    def __dir__(self) -> list[str]:
        return list(COMMANDS)

    def __repr__(self) -> str:
        return f"<the commands as functions: {', '.join(f'sh.{name}' for name in COMMANDS)}>"
