"""What a command is, and the table of all there are. Knows words and signatures; does not know what commands do."""

from __future__ import annotations

import difflib
import inspect
import keyword
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench.forms.pipes import Pipe, check, piped, split
from pbshell.workbench.problems import Leave
from pbshell.workbench.settings import Settings

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

__all__ = ["COMMANDS", "Command", "Leave", "Sh", "command", "find", "perform", "usage_of"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its *name*, what may stand behind it, what it does in a line, and the function that does it.

    The *function* takes the workbench and words, or, if the command is *raw*, the rest of the line as it was typed: a
    filter or Python has quotes of its own. It gives data, or an awaitable of data. *first* are those that a person
    needs before all others.

    In the *usage*, a word in capitals is a kind (FILE, TARGET, CONN, SERVER, REF, FRAME, FILTER, COMMAND, ...), any
    other stands for itself, ``|`` is between alternatives, and what may be left out is in brackets. What stands behind
    a STATEMENT is the statement's, pipes included.
    """

    name: str
    usage: str
    summary: str
    function: Callable[..., Any]
    raw: bool = False
    first: bool = False

    @property
    def has_pipes(self) -> bool:
        """Whether a ``|`` behind it may be a pipe of this command."""
        return "STATEMENT" not in self.usage

    def call(self, bench: Workbench, words: tuple[Any, ...], named: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """What the command gives for *words*, and in a program for *named* ones. Raises UsageError for wrong ones."""
        if self.raw and not named:
            return self.function(bench, " ".join(map(str, words)))
        try:
            inspect.signature(self.function).bind(bench, *words, **named)
        except TypeError:
            raise UsageError(f"write {usage_of(self)}") from None
        return self.function(bench, *words, **named)


#: All commands by name, in the order in which `:help` lists them.
COMMANDS: dict[str, Command] = {}


def command(name: str, usage: str, summary: str, *, raw: bool = False, first: bool = False) -> Callable[[F], F]:
    """A decorator: makes a command of a function, see `Command`."""

    def register(function: F) -> F:
        COMMANDS[name] = Command(name, usage, summary, function, raw, first)
        return function

    return register


def find(name: str, aliases: Iterable[str] = ()) -> Command:
    """The command *name*. Raises UsageError, with the one, or one of the *aliases*, that was perhaps meant."""
    if name in COMMANDS:
        return COMMANDS[name]
    near = difflib.get_close_matches(name, [*COMMANDS, *aliases], 1, 0.5)
    instead = f"did you mean :{near[0]}?" if near else ":help lists them"
    raise UsageError(f"there is no command :{visible(name, 30)}; {instead}")


async def perform(bench: Workbench, line: str) -> Any:
    """What the command in *line* (without its colon) gives, behind its pipes.

    Raises UsageError for words that it does not take.
    """
    settings = bench.part(Settings)
    name, rest = _named(settings.unaliased(line.strip(), COMMANDS))
    if not name:
        raise UsageError("a colon begins a command; :help lists them")
    chosen = find(name, settings.aliases)
    following: list[Pipe] = []
    if chosen.has_pipes:
        rest, following = split(rest, has_filter=chosen.raw or "FILTER" in chosen.usage)
        # Before the command does anything that is then not shown.
        check(following)
    value = chosen.call(bench, (rest,) if chosen.raw else _words(f"{name} {rest}")[1:])
    value = await value if inspect.isawaitable(value) else value
    return piped(value, following, bench.render)


def _named(line: str) -> tuple[str, str]:
    """The name in front, and the rest; a pipe may stand close behind the name."""
    match = re.match(r"[^\s|>]*", line)
    assert match is not None
    name, rest = match[0], line[match.end() :]
    return name, rest.strip()


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise UsageError(f":{visible(line, 60)}: {error}") from None


class Sh:
    """The commands as functions: ``sh.refs("theirs")`` gives what ``:refs theirs`` shows.

    One whose name is a word of Python's has an underscore behind it: ``sh.import_("iface", "ci.toml")``.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def __getattr__(self, name: str) -> Callable[..., Any]:
        chosen = COMMANDS.get(name.removesuffix("_"))
        if chosen is None:
            raise AttributeError(f"sh has no command {name!r}; it has {', '.join(dir(self))}")
        return _function(self._bench, chosen, name)

    def __dir__(self) -> list[str]:
        return [f"{name}_" if keyword.iskeyword(name) else name for name in COMMANDS]

    def __repr__(self) -> str:
        return f"<the commands as functions: {', '.join(f'sh.{name}' for name in dir(self))}>"


def _function(bench: Workbench, chosen: Command, name: str) -> Callable[..., Any]:
    """*chosen* as a function, with a signature and a docstring for ``help(sh.refs)``."""

    def function(*words: Any, **named: Any) -> Any:
        return chosen.call(bench, words, named)

    own = inspect.signature(chosen.function)
    _, *parameters = own.parameters.values()
    function.__name__, function.__qualname__, function.__module__ = name, f"sh.{name}", "sh"
    function.__doc__ = f"{inspect.cleandoc(chosen.function.__doc__ or chosen.summary)}\n\n{usage_of(chosen)}"
    function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # inspect looks for it
    return function


def usage_of(chosen: Command) -> str:
    """How *chosen* is written: ``:refs [ours|theirs]``."""
    return f":{chosen.name} {chosen.usage}".rstrip()
