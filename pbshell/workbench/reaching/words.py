"""The words of a command that has options: read like those of the command line, and refused in one sentence.

Knows how they are written. Repeats no value of an option that it does not know: it may be a password.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import NoReturn

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = ["Words", "named"]

#: what somebody writes who wants to type a password
_SECRETS = ("--pas", "--pw", "-p")


class Words(argparse.ArgumentParser):
    """Reads the words of the command *name*. Prints nothing and ends nothing."""

    def __init__(self, name: str) -> None:
        # It measures the terminal unless it is told how it is used.
        super().__init__(prog=f":{name}", usage=f":{name}", add_help=False, allow_abbrev=False)
        self._help = f":help {name} says how it is written"

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """What they say. Raises UsageError."""
        try:
            options, unknown = self.parse_known_args(list(map(str, words)))
        except SystemExit:
            # An action of a stranger's that wants to end the program.
            raise UsageError(self._help) from None
        if unknown:
            raise UsageError(self._told(unknown[0]))
        return options

    def _print_message(self, message: str, file: object = None) -> None:
        """Options of strangers print: their version, or a help of their own."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        before, ignored, _ = message.partition("ignored explicit argument")
        told = f"{before}it takes no value" if ignored else message
        raise UsageError(f"{visible(told, 300)}; {self._help}")

    def _told(self, word: str) -> str:
        option = word.partition("=")[0] if word.startswith("--") else word[:2]
        if option.startswith(_SECRETS):
            return "a password is never typed in the line: it is asked for, or say --password-env or --password-file"
        if not option.startswith("-"):
            return f"there is a word too many; {self._help}"
        near = difflib.get_close_matches(option, self._option_string_actions, 1)
        instead = f"did you mean {near[0]}?" if near else self._help
        return f"there is no option {visible(option, 40)}; {instead}"


def named(words: Iterable[str]) -> tuple[list[str], str]:
    """*words* without ``as NAME``, which stands behind the first of them or at their end; and that name, or nothing."""
    rest = list(map(str, words))
    for place in (1, len(rest) - 2):
        if 0 < place < len(rest) - 1 and rest[place] == "as":
            return rest[:place] + rest[place + 2 :], rest[place + 1]
    if rest[1:] and rest[-1] == "as":
        raise UsageError("behind as stands a name")
    return rest, ""
