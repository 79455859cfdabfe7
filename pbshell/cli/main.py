"""Which command is meant. Knows their names; imports none before it is asked for, so that help is there at once."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from pbshell import __version__

TYPE_CHECKING = False  # typing's own would cost as much time as all the rest of the help
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    class _Command(Protocol):
        """What each of the modules has."""

        def add_arguments(self, parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
            """Add the options; *words* are those of the command line, for options that depend on others."""

        def run(self, options: argparse.Namespace) -> int:
            """Do it. Returns the exit code."""


__all__ = ["main"]

#: name of the command, which is that of its module, and what it does
COMMANDS = {
    "connect": "a prompt on a PB server; `pbshell TARGET` is short for it",
    "serve": "run a PB server",
    "trace": "what two programs say to each other: between them, or out of a capture",
    "decode": "explain pasted bytes",
    "stats": "how many calls there are in a capture, and how long they take",
    "diff": "whether two captures have the same calls and the same answers",
    "report": "a capture as one page, to be attached to a bug report",
    "plugins": "list the servers that `serve` knows by name",
    "demo": "a small server in this process, and a prompt on it",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line *words*, by default the process's own. Returns the exit code."""
    words = sys.argv[1:] if words is None else words
    first = words[0] if words else "--help"
    if first in COMMANDS:
        return _run(first, words[1:])
    if first in ("-h", "--help", "--version"):
        _parser().parse_args([first])
    if ":" not in first and not first.startswith("-"):
        return _no_command(first)
    # A target, perhaps behind its options.
    return _run("connect", words)


def _run(name: str, words: Sequence[str]) -> int:
    command: _Command = import_module(f"pbshell.cli.{name}")
    parser = _Parser(prog=f"pbshell {name}", description=COMMANDS[name], allow_abbrev=False)
    command.add_arguments(parser, words)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        parser.error(_told(unknown[0], logs_in=name == "connect"))
    from pbshell.cli.output import Unwritable, say

    try:
        return _flushed(int(command.run(options)))
    except KeyboardInterrupt:
        if sys.stderr is not None and sys.stderr.isatty():
            say("")  # behind the ^C
        return 130
    except BrokenPipeError:
        # Whoever read us has seen enough.
        _drop_stdout()
        return 0
    except Unwritable as error:
        say(f"pbshell: stdout cannot be written: {error}")
        _drop_stdout()
        return 1


def _flushed(code: int) -> int:
    """The exit *code*, once stdout is empty: at the very end nobody could say what went wrong. Raises as `show`."""
    from pbshell.cli.output import Unwritable

    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if not code:
            raise Unwritable(error.strerror) from None
        _drop_stdout()  # it has been told already
    return code


def _drop_stdout() -> None:
    """What is left in its buffer must not fail once more at the end."""
    if sys.stdout is not None:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Repeats no value that it was given where none belongs: it may be a password."""

    def error(self, message: str) -> NoReturn:
        before, ignored, _ = message.partition("ignored explicit argument")
        super().error(f"{before}it takes no value" if ignored else message)


def _told(word: str, *, logs_in: bool) -> str:
    """What is wrong with a *word* that nobody knows. Of an option the name is told, and of anything else nothing."""
    option = word.partition("=")[0] if word.startswith("--") else word[:2]
    if logs_in and option.startswith(("--pass", "--pw", "-p")):
        return "a password is never written on the command line: use --ask, --password-env or --password-file"
    if option.startswith("-"):
        return f"unrecognized arguments: {ascii(option)[1:-1][:60]}"
    return "there is a word too many; one that contains blanks stands in quotes"


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="pbshell",
        usage="pbshell COMMAND [options]\n       pbshell TARGET [connect options]",
        description="tcpdump and telnet for Perspective Broker.",
        epilog="commands:\n"
        + "".join(f"  {name:{width}}   {does}\n" for name, does in COMMANDS.items())
        + "\nA TARGET is HOST:PORT, tls:HOST:PORT or unix:PATH.\n`pbshell COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pbshell {__version__}")
    return parser


def _no_command(word: str) -> int:
    import difflib

    near = difflib.get_close_matches(word, COMMANDS, 1)
    instead = f"did you mean `pbshell {near[0]}`?" if near else "a target is HOST:PORT; see `pbshell --help`"
    sys.stderr.write(f"pbshell: there is no command {word!a}; {instead}\n")
    return 2
