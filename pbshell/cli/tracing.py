"""What all commands that show traffic have in common: their options, and the way from there to a Tracer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TextIO

from pbshell.cli.arguments import duration

if TYPE_CHECKING:
    from datetime import datetime

    from pbshell.trace.capture import CaptureWriter
    from pbshell.trace.filters import Filter
    from pbshell.trace.verdict import Verdict
    from pbshell.workbench.traffic.tracer import Formatter, Tracer

__all__ = [
    "NoCapture",
    "add_display_options",
    "add_file_options",
    "bounds_of",
    "coloured",
    "count",
    "ended",
    "formatter_of",
    "is_screen",
    "json_of",
    "rate",
    "recorded",
    "select",
    "show_verdicts",
    "size",
    "tell",
    "tell_verdicts",
    "traced",
    "watch",
    "words_width",
    "writer_of",
]


class NoCapture(Exception):
    """The file of -w cannot be made: the text says why."""


#: seconds between two looks at what is due
_LOOK = 0.25
#: facts that are told of each verdict where nobody asked for verdicts, and verdicts that are told there
_FACTS, _TOLD = 3, 10

#: what makes the lines of each form, and where that is
_FORMS = {
    "calls": ("pbshell.trace.forms.calls", "Calls"),
    "frames": ("pbshell.trace.explain", "Frames"),
    "full": ("pbshell.trace.forms.tree", "Full"),
    "json": ("pbshell.trace.forms.jsonlines", "Json"),
    "seq": ("pbshell.trace.forms.sequence", "Sequence"),
    "none": ("pbshell.workbench.traffic.tracer", "Nothing"),
}


def add_display_options(parser: argparse.ArgumentParser) -> None:
    """What is shown of a trace, and how."""
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "-F",
        "--filter",
        metavar="FILTER",
        type=select,
        help="only what this selects: a method, or ~m ~o ~a ~e ~t ... with & | ! ( ); see the reference of filters",
    )
    shown.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        choices=tuple(_FORMS),
        default="calls",
        help="calls (a line for each, the default), frames, full, json, seq (a mermaid chart) or none",
    )
    shown.add_argument("-n", metavar="COUNT", type=count, dest="lines", help="stop showing after so many lines")
    shown.add_argument("--for", metavar="TIME", type=duration, dest="seconds", help="stop showing after so long: 60s")
    shown.add_argument("--rate", metavar="N/s", type=rate, help="show no more lines in a second, and count the rest")
    shown.add_argument("--time", choices=("clock", "delta", "rel"), default="clock", help="how times are told")
    shown.add_argument("--width", metavar="N", type=count, help="columns; by default those of the terminal")
    shown.add_argument("--no-color", action="store_true", help="no colours, also at a terminal")


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Where a trace is saved, and what is covered in it and on the screen."""
    saved = parser.add_argument_group("what is saved")
    saved.add_argument("-w", "--write", metavar="FILE", help="save all of it as a capture; the file must not exist")
    saved.add_argument("--size", metavar="SIZE", type=size, help="stop saving when the file has grown to this: 1G")
    saved.add_argument(
        "--redact",
        choices=("strict", "auth", "off"),
        help="which secrets are covered, on the screen and in the file: those of logins (auth), also what is named "
        "like one (strict), or none; if not said, auth on the screen and strict in the file",
    )


def select(text: str) -> Filter:
    """The filter *text*. Raises ArgumentTypeError, with a caret under what is wrong."""
    from pbshell.trace.filters import BadFilter, parse

    try:
        return parse(text)
    except BadFilter as error:
        raise argparse.ArgumentTypeError(f"\n{error.caret()}") from None


def count(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{text[:20]!a} is no number from 1")
    return int(text)


def rate(text: str) -> int:
    """Lines in a second, ``200/s`` or ``200``. Raises ArgumentTypeError."""
    return count(text.removesuffix("/s"))


_SIZES = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def size(text: str) -> int:
    """Bytes: ``500k``, ``10M``, ``1G``, or a bare number. Raises ArgumentTypeError."""
    unit = _SIZES.get(text[-1:].lower(), 1)
    number = text[:-1] if unit > 1 else text
    if not number.isdecimal() or not 0 < int(number) < 10**12:
        raise argparse.ArgumentTypeError(f"{text[:20]!a} is no size: write 500k, 10M or 1G")
    return int(number) * unit


def formatter_of(options: argparse.Namespace, zero: float | None) -> Formatter:
    """What makes lines as *options* want them. *zero* is when the clock was 0, in seconds since 1970, if known."""
    from importlib import import_module

    from pbshell.cli.output import width

    # Each is a module of its own, and only one of them is needed.
    module, name = _FORMS[options.output]
    form: Callable[[int, str, float | None], Formatter] = getattr(import_module(module), name)
    return form(options.width or width(), options.time, zero)


def coloured(options: argparse.Namespace) -> Callable[[str], str]:
    """Makes a line look as it shall on stdout."""
    from pbshell.shell.render import Renderer, has_colours

    if options.no_color or options.output not in ("calls", "frames") or not has_colours(sys.stdout):
        return str
    return Renderer(width=10_000, colours=True).frame


def bounds_of(options: argparse.Namespace, *, live: bool) -> Any:
    """Where the showing stops. On a terminal nobody reads more than 200 lines in a second while they come *live*."""
    from pbshell.workbench.traffic.tracer import Bounds

    return Bounds(options.lines, options.seconds, options.rate or (200 if live and is_screen(sys.stdout) else None))


def is_screen(stream: TextIO | None) -> bool:
    """Whether somebody sits before *stream*."""
    return stream is not None and stream.isatty()


def writer_of(options: argparse.Namespace, began: datetime, clock: float) -> CaptureWriter | None:
    """What saves the trace, if *options* name a file. It began at *began*, when its clock showed *clock* (seconds).

    Raises UsageError when the file cannot be made.
    """
    from pbshell.errors import UsageError
    from pbshell.trace.capture import CaptureWriter
    from pbshell.workbench.traffic.sayer import Sayer

    if options.write is None:
        if options.size is not None:
            raise UsageError("--size is for what is saved: write -w FILE too")
        return None
    redaction = options.redact or "strict"
    return CaptureWriter(
        options.write, began=began, clock=clock, redaction=redaction, size_limit=options.size, says=Sayer().says
    )


def tell(text: str) -> None:
    """A sentence for people, on a screen broken between words."""
    from pbshell.cli.output import say

    say(_prose(f"pbshell: {text}", words_width(sys.stderr), "  "))


def words_width(stream: TextIO | None, given: int | None = None) -> int | None:
    """The columns for sentences on *stream*: what is *given*, else those of the screen; None where it is none."""
    from pbshell.cli.output import width

    return (given or width()) if is_screen(stream) else None


async def watch(tracer: Tracer, writer: CaptureWriter | None, is_over: Callable[[], bool] = lambda: False) -> None:
    """While the traffic pauses, have what is due shown, and what waits written; until *is_over*, or it is cancelled."""
    import asyncio

    loop = asyncio.get_running_loop()
    while not is_over():
        await asyncio.sleep(_LOOK)
        tracer.tick(loop.time())
        if writer is not None:
            writer.flush()


def traced(options: argparse.Namespace, show: Callable[[str], None]) -> Tracer:
    """What explains the traffic of our own connections, and shows it if *options* say so: by --dump frame by frame."""
    import asyncio
    import time

    from pbshell.trace.explain import Frames
    from pbshell.trace.explainers import Explainers
    from pbshell.trace.forms.calls import Calls
    from pbshell.workbench.traffic.tracer import Tracer

    is_on = options.trace or options.dump
    explainers = Explainers.load(tell=tell) if is_on else None
    zero = time.time() - asyncio.get_running_loop().time()
    formatter = Frames() if options.dump else Calls(words_width(sys.stderr), "clock", zero)
    tracer = Tracer(show, say=tell, formatter=formatter, redact=options.redact or "auth", explainers=explainers)
    tracer.on = is_on
    return tracer


@asynccontextmanager
async def recorded(options: argparse.Namespace, tracer: Tracer) -> AsyncIterator[None]:
    """While it lasts, *tracer* saves what it is given, if *options* name a file.

    At its end, if it is on, it says what is wrong. Raises NoCapture before it begins.
    """
    import asyncio
    from datetime import UTC, datetime

    from pbshell.errors import UsageError

    try:
        writer = writer_of(options, datetime.now(UTC), asyncio.get_running_loop().time())
    except UsageError as error:
        raise NoCapture(str(error)) from None
    tracer.record = writer.write if writer is not None else None
    watching = {asyncio.create_task(watch(tracer, writer))} if writer is not None or tracer.on else set()
    try:
        yield
    except BrokenPipeError:
        # Whoever read us has seen enough: it was we who hung up on the server, and that is no finding.
        tracer.on = False
        raise
    finally:
        for task in watching:
            task.cancel()
            await asyncio.wait({task})
        if tracer.on:
            tell_verdicts(tracer)
        ended(writer)


def ended(writer: CaptureWriter | None) -> None:
    """Close the file, and tell what has become of it."""
    from pbshell.wire.text import visible

    if writer is None:
        return
    writer.close()
    path = visible(writer.path, 100)
    if writer.problem:
        tell(writer.problem)
    elif writer.full:
        tell(f"{path} has grown to its --size, and nothing was saved from there on")
    else:
        tell(f"saved to {path}, {writer.size:,} bytes")


def tell_verdicts(tracer: Tracer, width: int | None = None) -> None:
    """The end of a trace: say what is wrong, and nothing if all was well; on a screen within *width* if given."""
    from pbshell.cli.output import say

    verdicts = [each for each in tracer.why() if each.severity != "note"]
    _write(verdicts[:_TOLD], say, words_width(sys.stderr, width), facts=_FACTS)
    if len(verdicts) > _TOLD:
        tell(f"... and {len(verdicts) - _TOLD:,} more: save the trace by -w, and read it with --why")


def show_verdicts(verdicts: Sequence[Verdict], write: Callable[[str], None], width: int | None = None) -> None:
    """Write each of *verdicts* with all it rests on; broken between words at *width* if given."""
    _write(verdicts, write, width)


def _write(
    verdicts: Sequence[Verdict], write: Callable[[str], None], width: int | None, facts: int | None = None
) -> None:
    for verdict in verdicts:
        write(_prose(verdict.line(), width, "  "))
        for fact in verdict.evidence[:facts]:
            write(_prose(f"    {fact}", width, " " * 8))
        more = 0 if facts is None else len(verdict.evidence) - facts
        if more > 0:
            write(f"    ... and {more} more, see `pbshell trace read FILE --why`")


def _prose(text: str, width: int | None, indent: str) -> str:
    """*text* for a screen of *width* columns, where a terminal would break it in the middle of a word."""
    import textwrap

    if width is None:
        return text
    return textwrap.fill(text, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def json_of(verdict: Verdict) -> str:
    """*verdict* as an object on a line."""
    import json

    from pbshell.workbench.traffic.verdicts import as_object

    return json.dumps({"v": 1, **as_object(verdict)})
