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
            """Do it. Returns the exit code. Raises UsageError for what is wrong with the options."""


__all__ = ["main"]

#: name of the command, which is that of its module, and what it does
COMMANDS = {
    "connect": "a prompt on a PB server; `pbshell TARGET` is short for it",
    "call": "call one method of a PB server, and show what it gives",
    "serve": "run a PB server",
    "trace": "what two programs say to each other: between them, or out of a capture",
    "doctor": "why a server cannot be reached, who hangs at a port, what is wrong in a capture",
    "decode": "explain pasted bytes",
    "stats": "how many calls there are in a capture, and how long they take",
    "diff": "whether two captures have the same calls and the same answers",
    "report": "a capture as one page, to be attached to a bug report",
    "plugins": "list the servers that `serve` knows by name",
    "demo": "a small server in this process, and a prompt on it",
    "profile": "what is said once about a server, and then meant by @NAME",
    "completion": "what makes Tab complete all this in bash, zsh or fish",
    "man": "the man page",
}

#: what one sees who has written nothing but the program's name
DOORS = """\
tcpdump and telnet for Perspective Broker.

Try it, with a server in this process:
  pbshell demo
A prompt on a server, or one call of it:
  pbshell localhost:8789
  pbshell call localhost:8789 echo hello
A server:
  pbshell serve echo --listen tcp:8789
What two programs say to each other:
  pbshell trace proxy --listen tcp:9990 --to localhost:8789
Why it does not connect, or hangs:
  pbshell doctor localhost:8789

pbshell --help lists all commands.
"""


class BadWords(Exception):
    """What *program* was given cannot be understood; the text says why, and repeats nothing that may be a secret."""

    def __init__(self, program: str, text: str) -> None:
        super().__init__(text)
        self.program = program


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line *words*, by default the process's own. Returns the exit code."""
    words = sys.argv[1:] if words is None else words
    if not words:
        return _doors()
    first = words[0]
    if first in COMMANDS:
        return _run(first, words[1:])
    if first in ("-h", "--help", "--version"):
        parser().parse_args([first])
    if ":" not in first and not first.startswith(("-", "@")):
        return _refused("pbshell", _no_command(first), words)
    # A target, perhaps behind its options.
    return _run("connect", words)


def _doors() -> int:
    if sys.stdout is not None:
        sys.stdout.write(DOORS)
    return 0


def _run(name: str, words: Sequence[str]) -> int:
    try:
        command: _Command = import_module(f"pbshell.cli.{name}")
        options = _parsed(name, command, words)
    except BadWords as error:
        return _refused(error.program, str(error), words)
    from pbshell.cli.output import Unwritable, error_line, say, show
    from pbshell.errors import UsageError
    from pbshell.workbench.exitcodes import ExitCode

    json = getattr(options, "json", False)
    try:
        try:
            return _flushed(int(command.run(options)))
        except UsageError as error:
            from pbshell.wire.text import visible

            return _refused("pbshell", visible(str(error), 1000), words)
        except KeyboardInterrupt:
            if json:
                show(error_line(ExitCode.INTERRUPTED, "interrupted"))
            elif sys.stderr is not None and sys.stderr.isatty():
                say("")  # behind the ^C
            return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough.
        _drop_stdout()
        return ExitCode.OK
    except Unwritable as error:
        say(f"pbshell: stdout cannot be written: {error}")
        _drop_stdout()
        return ExitCode.RAISED


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


# ------------------------------------------------------------------------------------------------ words


class Parser(argparse.ArgumentParser):
    """Raises BadWords, and repeats no value that it was given where none belongs: it may be a password."""

    def error(self, message: str) -> NoReturn:
        before, ignored, _ = message.partition("ignored explicit argument")
        raise BadWords(self.prog, f"{before}it takes no value" if ignored else message)


def parser_of(name: str, words: Sequence[str] = ()) -> Parser:
    """What reads the words behind the command *name*; *words* for options that depend on others."""
    made = Parser(prog=f"pbshell {name}", description=COMMANDS[name], allow_abbrev=False)
    import_module(f"pbshell.cli.{name}").add_arguments(made, words)
    return made


def _parsed(name: str, command: object, words: Sequence[str]) -> argparse.Namespace:
    """The options. Raises BadWords, and SystemExit behind the help."""
    made = parser_of(name, words)
    # Options may stand among the arguments of a call.
    intermixed = getattr(command, "INTERMIXED", False)
    read = made.parse_known_intermixed_args if intermixed else made.parse_known_args
    options, unknown = read(words)
    if unknown:
        near = _options_of(made, words)
        raise BadWords(made.prog, _told(unknown[0], near, logs_in=name in ("connect", "call", "profile")))
    return options


def _options_of(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """All long options, also those of the way among the *words* if the command has several."""
    found = []
    for action in parser._actions:
        found += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            for way in set(words).intersection(action.choices):
                found += _options_of(action.choices[way], words)
    return found


def _told(word: str, options: list[str], *, logs_in: bool) -> str:
    """What is wrong with a *word* that nobody knows. Of an option the name is told, and of anything else nothing."""
    option = word.partition("=")[0] if word.startswith("--") else word[:2]
    if logs_in and option.startswith(("--pass", "--pw", "-p")):
        return "a password is never written on the command line: use --ask, --password-env or --password-file"
    if option.startswith("-"):
        import difflib

        near = difflib.get_close_matches(option, options, 1, 0.7)
        return f"unrecognized arguments: {ascii(option)[1:-1][:60]}{f'; did you mean {near[0]}?' if near else ''}"
    return "there is a word too many; one that contains blanks stands in quotes"


def parser() -> argparse.ArgumentParser:
    """What reads the words where there is no command."""
    width = max(map(len, COMMANDS))
    made = argparse.ArgumentParser(
        prog="pbshell",
        usage="pbshell COMMAND [options]\n       pbshell TARGET [connect options]",
        description="tcpdump and telnet for Perspective Broker.",
        epilog="commands:\n"
        + "".join(f"  {name:{width}}   {does}\n" for name, does in COMMANDS.items())
        + "\nA TARGET is HOST:PORT, tls:HOST:PORT, unix:PATH or @PROFILE.\n`pbshell COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"pbshell {__version__}")
    return made


def _no_command(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, COMMANDS, 1)
    instead = f"did you mean `pbshell {near[0]}`?" if near else "a target is HOST:PORT; see `pbshell --help`"
    return f"there is no command {word!a}; {instead}"


def _refused(program: str, text: str, words: Sequence[str]) -> int:
    """Say what is wrong with the *words*, as they ask for it. Returns the exit code."""
    from pbshell.workbench.exitcodes import ExitCode

    if "--json" in words:
        from pbshell.cli.output import error_line, show

        show(error_line(ExitCode.USAGE, text))
    elif sys.stderr is not None:
        more = f"\n  `{program} --help` says more" if program != "pbshell" else ""
        sys.stderr.write(f"{program}: {text}{more}\n")
    return ExitCode.USAGE
