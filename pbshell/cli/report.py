"""``pbshell report``: a capture as one page of HTML, to be attached to a bug report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pbshell.cli.reading import add_capture_options, read


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `report`."""
    parser.add_argument("file", metavar="FILE", help="a capture of pbshell, tcpdump or Wireshark; - for stdin")
    parser.add_argument(
        "-o", "--output", metavar="HTML", required=True, help="the page, which must not exist yet; - for stdout"
    )
    parser.add_argument(
        "--redact",
        choices=("strict", "auth", "off"),
        default="strict",
        help="which secrets are covered: what is named like one, too (strict, the default), those of logins only "
        "(auth), or none (off)",
    )
    add_capture_options(parser)


def run(options: argparse.Namespace) -> int:
    """Read it, and write the page. What a damaged file has before the damage is in it."""
    from pbshell.cli.output import say, show
    from pbshell.wire.text import visible

    if options.output == "-":
        code, text = _made(options)
        if text is not None:
            show(text.removesuffix("\n"))
        return code
    try:
        # Before the work is done that it is for.
        file = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    except (OSError, ValueError) as error:
        say(f"pbshell: {_reason(options.output, error)}")
        return 2
    done = False
    try:
        with os.fdopen(file, "w", encoding="utf-8", newline="\n") as page:
            code, text = _made(options)
            if text is not None:
                page.write(text)
        done = text is not None
    except OSError as error:
        say(f"pbshell: {visible(options.output, 200)} cannot be written: {visible(error.strerror or str(error))}")
        code = 1
    finally:
        # Nobody shall take an empty page, or half of one, for a report.
        if not done:
            Path(options.output).unlink(missing_ok=True)
    if done:
        say(f"pbshell: the report is in {visible(options.output, 200)}: read it before you send it to anybody")
    return code


def _reason(path: str, error: OSError | ValueError) -> str:
    """Why there can be no page at *path*."""
    from pbshell.wire.text import visible

    if isinstance(error, FileExistsError):
        return f"{visible(path, 200)} exists, and a report never replaces a file: give another name, or remove it first"
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{visible(path, 200)} cannot be made: {visible(why)}"


def _made(options: argparse.Namespace) -> tuple[int, str | None]:
    """The exit code, and the page if there is one."""
    from pbshell.trace.studies.page import page
    from pbshell.trace.studies.report import Report

    report = Report()
    reading = read(options.file, report.see, redact=options.redact, ports=options.port, judged=report.judged)
    if reading is None:
        return 8, None
    facts = report.facts(reading.verdicts, reading.open, reading.last)
    text = page(
        facts,
        name=Path(reading.name).name,
        began=reading.began and reading.began + reading.first,
        seconds=reading.last - reading.first,
        redaction=options.redact,
        notes=[*reading.notes, *([reading.damage] if reading.damage else [])],
    )
    return (8 if reading.damage else 0), text
