"""``pbshell man``: the manual page. Knows its prose; takes commands, options and codes from where they are.

docs/reference/man-page.md is the same page, written by the same hand.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

__all__ = ["markdown", "roff"]

#: columns of the synopsis, which stands 11 from the margin
_WIDTH = 68


@dataclass(frozen=True, slots=True)
class Heading:
    """A part of the page, or with *level* 2 a part of a part."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph, a sentence to a line, with `code`, **bold** and [links](page.md)."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines that stay as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a term and what it means, below two *heads*."""

    heads: tuple[str, str]
    rows: tuple[tuple[str, str], ...]


Block = Heading | Prose | Listing | Table


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """No options."""
    parser.epilog = "to read it: pbshell man | man -l -"


def run(options: argparse.Namespace) -> int:
    """Show the page as roff."""
    from pbshell.cli.output import show

    show(roff(_page()).rstrip("\n"))
    return 0


# ------------------------------------------------------------------------------------------------ what it says


def _page() -> Iterator[Block]:
    from pbshell.cli.main import COMMANDS
    from pbshell.workbench.exitcodes import ExitCode

    yield Heading("NAME")
    yield Prose("pbshell - tcpdump and telnet for Perspective Broker")
    yield Heading("SYNOPSIS")
    yield Listing("\n".join(_synopsis()))
    yield Heading("DESCRIPTION")
    yield Prose(_DESCRIPTION)
    yield Prose(_STREAMS)
    yield Heading("COMMANDS")
    yield Table(("Command", "What it does"), tuple((f"**{name}**", _sentence(does)) for name, does in COMMANDS.items()))
    yield Heading("OPTIONS")
    yield Prose(_VALUES)
    yield from _options()
    yield Heading("FILES")
    yield Table(("File", "What it is"), _FILES)
    yield Heading("ENVIRONMENT")
    yield Table(("Variable", "What it does"), _ENVIRONMENT)
    yield Heading("EXIT STATUS")
    yield Table(("Code", "Meaning"), tuple((str(int(code)), code.meaning) for code in ExitCode))
    yield Heading("EXAMPLES")
    for words, lines in _EXAMPLES:
        yield Prose(words)
        yield Listing(lines)
    yield Heading("SEE ALSO")
    yield Prose(_SEE)


def _synopsis() -> Iterator[str]:
    from pbshell.cli.shape import Form, forms

    def line(form: Form) -> str:
        words = ["pbshell", *form.words]
        words += [f"[{each.name}]..." if each.many else each.name for each in form.arguments]
        grouped = {option for group in form.exclusive for option in group}
        for option in form.options:
            group = next((group for group in form.exclusive if option in group), None)
            if group is not None and option is group[0]:
                words.append(f"[{' | '.join(_written(each) for each in group)}]")
            elif option not in grouped:
                text = _written(option) if option.required else f"[{_written(option)}]"
                words.append(f"{text}..." if option.repeatable else text)
        if form.words == ("serve",):
            words.append("[options of NAME]")
        # A bracket is not broken.
        kept = [word.replace(" ", "\0") for word in words]
        wrapped = textwrap.wrap(" ".join(kept), _WIDTH, subsequent_indent=" " * 8, break_on_hyphens=False)
        return "\n".join(wrapped).replace("\0", " ")

    yield "pbshell TARGET [options of connect]"
    for form in forms():
        yield line(form)
    yield "pbshell COMMAND --help"
    yield "pbshell --version"


def _written(option: object) -> str:
    from pbshell.cli.shape import Option

    assert isinstance(option, Option)
    return f"{option.short} {option.value}".rstrip()


def _options() -> Iterator[Block]:
    """A table for each command; an option that only some of its ways have is told with them."""
    from pbshell.cli.shape import forms

    for name, ways in groupby(forms(), key=lambda form: form.words[0]):
        every = list(ways)
        yield Heading(name, 2)
        found: dict[tuple[str, str], list[str]] = {}
        for form in every:
            for option in form.options:
                term = ", ".join(f"`{each}` {option.value}".rstrip() for each in option.names)
                found.setdefault((term, _sentence(option.help)), []).append(form.words[-1])
        rows = [
            (term, does if len(where) == len(every) else f"({', '.join(where)}) {does}")
            for (term, does), where in found.items()
        ]
        yield Table(("Option", "What it does"), tuple(rows)) if rows else Prose("No options.")


def _sentence(text: str) -> str:
    """A line of the help as a sentence."""
    text = text[0].upper() + text[1:] if text[:1].islower() and not text.startswith("pbshell") else text
    return text if text.endswith((".", "?")) else f"{text}."


_DESCRIPTION = (
    "**pbshell** speaks Perspective Broker, the remote objects of Twisted (`twisted.spread.pb`), and shows what others "
    "say in it.\n"
    "It connects to a server and opens a Python prompt on it, serves objects, stands between two programs that know "
    "nothing of it, and explains captures of its own, of tcpdump and of Wireshark."
)

_STREAMS = """\
Data goes to stdout, and words for people go to stderr.
Whatever a peer sends is shown and not obeyed: control characters are spelled out."""

_VALUES = (
    "A TARGET is `HOST:PORT`, `tls:HOST:PORT[:ca=FILE][:cert=FILE][:key=FILE]`, `unix:PATH` or `@PROFILE`.\n"
    "An ENDPOINT is `tcp:PORT[:interface=ADDRESS]`, `ssl:PORT:privateKey=FILE:certKey=FILE` or `unix:PATH`; without an "
    "address it is on 127.0.0.1.\n"
    "A TIME is `10s`, `500ms` or `2m`, a SIZE `500k`, `10M` or `1G`."
)

_FILES = (
    ("`*.pbt`", "A capture: JSON lines, mode 0600, never written over."),
    ("`*.pcap`, `*.pcapng`", "Captures of tcpdump and Wireshark, which are read and not written."),
    (
        "`$XDG_CONFIG_HOME/pbshell/profiles.toml`, else `~/.config/pbshell/profiles.toml`",
        "The [profiles](profiles.md); no passwords.",
    ),
    (
        "`$XDG_STATE_HOME/pbshell/history/`, else `~/.local/state/pbshell/history/`",
        "What was typed at the prompt: a file for each profile, mode 0600.",
    ),
    (
        "`$XDG_STATE_HOME/pbshell/demo.auth`, else `~/.local/state/pbshell/demo.auth`",
        "Accounts of `pbshell serve demo`.",
    ),
)

_ENVIRONMENT = (
    ("`NO_COLOR`", "If it is set to anything, there are no colours."),
    ("`TERM`", "`dumb`: no editor and no colours."),
    ("`COLUMNS`", "The width where there is no terminal."),
    ("`TZ`", "The time zone in which times of day are told."),
)

_EXAMPLES = (
    (
        "A prompt on a server, and one call without a prompt:",
        "pbshell localhost:8789 --user alice --ask\npbshell call localhost:8789 echo 41",
    ),
    (
        "Give a server a name, and use it:",
        "pbshell profile add prod pb.example.org:8789 --user alice --password-file ~/.alice\npbshell @prod",
    ),
    (
        "Stand between a worker and its master, and save what they say:",
        "pbshell trace proxy --listen tcp:9990 --to master.example.org:9989 -w trouble.pbt",
    ),
    (
        "Why did it end, which calls failed, which took long, and who holds what:",
        (
            "pbshell trace read trouble.pbt --why\n"
            "pbshell trace read trouble.pbt -F '~e | ~t >1s'\n"
            "pbshell stats trouble.pbt\n"
            "pbshell trace read trouble.pbt --refs '#100..#2000'"
        ),
    ),
    (
        "From a machine that has tcpdump and nothing else:",
        "ssh server sudo tcpdump -i any -s 0 -U -w - \"'tcp port 9989'\" | pbshell trace read -",
    ),
)

_SEE = (
    "tcpdump(8), wireshark(1), [the command line](command-line.md), [profiles](profiles.md), [filters](filters.md), "
    "[what a trace looks like](trace-output.md), [diagnosis](diagnosis.md), [the capture format](capture-format.md)."
)


# ------------------------------------------------------------------------------------------------ how it is written


def markdown(page: Iterable[Block] | None = None) -> str:
    """The *page* as docs/reference/man-page.md has it."""
    parts = ["# PBSHELL(1)"]
    for block in _page() if page is None else page:
        match block:
            case Heading(text, level):
                parts.append(f"{'#' * (level + 1)} {text}")
            case Prose(text):
                parts.append(text)
            case Listing(text):
                parts.append(f"```text\n{text}\n```")
            case Table(heads, rows):
                lines = [f"| {' | '.join(heads)} |", "|---|---|"]
                # A bar would end the cell.
                cells = ((term.replace("|", r"\|"), does.replace("|", r"\|")) for term, does in rows)
                parts.append("\n".join([*lines, *(f"| {term} | {does} |" for term, does in cells)]))
    return "\n\n".join(parts) + "\n"


def roff(page: Iterable[Block] | None = None) -> str:
    """The *page* for man(1)."""
    from pbshell import __version__

    lines = [f'.TH PBSHELL 1 "" "pbshell {__version__}" "User Commands"']
    for block in _page() if page is None else page:
        match block:
            case Heading(text, level):
                lines.append(f"{'.SH' if level == 1 else '.SS'} {_escaped(text)}")
            case Prose(text):
                lines += [".PP", *map(_inline, text.split("\n"))]
            case Listing(text):
                lines += [".PP", ".nf", ".RS 4", *map(_line, text.split("\n")), ".RE", ".fi"]
            case Table(_, rows):
                for term, does in rows:
                    lines += [".TP", _inline(term), _inline(does)]
    return "\n".join(lines) + "\n"


def _inline(text: str) -> str:
    """A line with its marks as roff's: what is `code` or **bold** is bold, and of a link its words stay."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", text)
    return _line("".join(parts), marked=parts)


def _line(text: str, marked: Sequence[str] | None = None) -> str:
    """A line that roff does not take for a request."""
    if marked is None:
        written = _escaped(text)
    else:
        written = "".join(
            rf"\fB{_escaped(part.strip('`*'))}\fR" if part.startswith(("`", "**")) else _escaped(part)
            for part in marked
        )
    return rf"\&{written}" if written.startswith((".", "'")) else written


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")
