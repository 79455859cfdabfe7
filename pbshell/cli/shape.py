"""What the command line consists of, read from the parsers: for the man page and for completion. Runs nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from pbshell.cli.main import COMMANDS, parser_of

__all__ = ["Argument", "Form", "Option", "forms"]

#: what a value is that completion can find, by how it is called in the help
_KINDS = {
    "A": "file",
    "B": "file",
    "BYTES": "file",
    "ENDPOINT": "endpoint",
    "FILE": "file",
    "HEX|FILE|-": "file",
    "HTML": "file",
    "PROFILE": "profile",
    "TARGET": "target",
    "WHAT": "target",
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option with all its *names*. *value* is empty for a switch, and *kind* what completes it, or empty."""

    names: tuple[str, ...]
    value: str
    kind: str
    choices: tuple[str, ...]
    help: str
    required: bool
    repeatable: bool

    @property
    def short(self) -> str:
        """The name that is sooner typed."""
        return min(self.names, key=len)


@dataclass(frozen=True, slots=True)
class Argument:
    """What stands by its place: *name*, as in the help; *many* of it if more than one may stand there."""

    name: str
    kind: str
    choices: tuple[str, ...]
    help: str
    many: bool


@dataclass(frozen=True, slots=True)
class Form:
    """A command, or one way of a command that has several: its *words*, and what may stand behind them.

    Of the options in one of the *exclusive* groups only one may be given.
    """

    words: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    exclusive: tuple[tuple[Option, ...], ...]


def forms() -> Iterator[Form]:
    """All there are, in the order of the help. A plugin's own options are not among them."""
    for name, does in COMMANDS.items():
        parser = parser_of(name)
        ways = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        if not ways:
            yield _form((name,), does, parser)
        for way in ways:
            helps = {each.dest: each.help or "" for each in way._choices_actions}
            for word, below in way.choices.items():
                yield _form((name, word), helps.get(word, ""), below)


def _form(words: tuple[str, ...], does: str, parser: argparse.ArgumentParser) -> Form:
    made = {
        action.dest: _option(action)
        for action in parser._actions
        if action.option_strings and not isinstance(action, argparse._HelpAction)
    }
    arguments = tuple(_argument(words, action) for action in parser._actions if not action.option_strings)
    groups = [tuple(made[each.dest] for each in group._group_actions) for group in parser._mutually_exclusive_groups]
    return Form(words, does, tuple(made.values()), arguments, tuple(groups))


def _option(action: argparse.Action) -> Option:
    choices = tuple(map(str, action.choices or ()))
    value = "" if action.nargs == 0 else str(action.metavar or "|".join(choices) or action.dest.upper())
    repeatable = isinstance(action, argparse._AppendAction)
    return Option(
        tuple(action.option_strings),
        value,
        _KINDS.get(value, ""),
        choices,
        action.help or "",
        action.required,
        repeatable,
    )


def _argument(words: tuple[str, ...], action: argparse.Action) -> Argument:
    name = str(action.metavar or action.dest.upper())
    kind = "plugin" if words == ("serve",) else _KINDS.get(name, "")
    return Argument(name, kind, tuple(map(str, action.choices or ())), action.help or "", action.nargs == "*")
