"""A capture file that was named on the command line: read with a bar for long ones, and one sentence if it is none."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pbshell.cli.tracing import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from pbshell.trace.verdict import Verdict
    from pbshell.workbench.traffic.captures import Each, Reading

__all__ = ["add_capture_options", "columns", "read"]


def add_capture_options(parser: argparse.ArgumentParser) -> None:
    """Which connections of a file are read, and what is covered in them."""
    parser.add_argument(
        "--port",
        metavar="N",
        type=count,
        action="append",
        default=[],
        help="of a file of tcpdump or Wireshark, only connections with this port at one end; repeatable",
    )


def columns(given: int | None) -> int:
    """The width of what is shown: what is *given*, else what the terminal has."""
    from pbshell.cli.output import width

    return given or width()


def read(
    path: str,
    each: Each,
    *,
    redact: str,
    ports: list[int] | None = None,
    judged: Callable[[Verdict], object] | None = None,
) -> Reading | None:
    """Read the capture at *path*, ``-`` for stdin, and say what is missing in it; None if it is no capture.

    The reading has its `damage` told, too: what was read before is right, and the exit code is 8.
    """
    from pbshell.cli.output import say
    from pbshell.errors import CaptureError
    from pbshell.shell.progress import progress
    from pbshell.trace.explainers import Explainers
    from pbshell.workbench.traffic import captures

    if path == "-" and sys.stdin is None:
        say("pbshell: stdin is closed: there is no capture to read")
        return None
    source = sys.stdin.buffer if path == "-" else path
    try:
        with progress(path, sys.stderr) as told:
            reading = captures.read(
                source,
                each,
                redact=redact,
                ports=ports or (),
                judged=judged,
                explainers=Explainers.load(tell=lambda text: say(f"pbshell: {text}")),
                progress=told,
            )
    except CaptureError as error:
        say(f"pbshell: {error}")
        return None
    for note in reading.notes:
        say(f"pbshell: {reading.name}: {note}")
    if reading.damage:
        say(f"pbshell: {reading.damage}")
    return reading
