"""``pbshell stats``: how many calls there are in a capture, how long they take, and which are the slow ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pbshell.cli.reading import add_capture_options, columns, read
from pbshell.cli.tracing import count, select

BY = ("method", "peer", "object", "user")


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `stats`."""
    parser.add_argument("file", metavar="FILE", help="a capture of pbshell, tcpdump or Wireshark; - for stdin")
    parser.add_argument("--by", choices=BY, default="method", help="a row for each method (the default), peer, ...")
    parser.add_argument("-F", "--filter", metavar="FILTER", type=select, help="only calls that this selects")
    parser.add_argument("--json", action="store_true", help="one object to a line")
    parser.add_argument("--width", metavar="N", type=count, help="columns; by default those of the terminal")
    parser.add_argument("--ascii", action="store_true", help="bars of # also at a terminal that has better ones")
    add_capture_options(parser)


def run(options: argparse.Namespace) -> int:
    """Count, and show the rows. What a damaged file has before the damage is counted."""
    import dataclasses
    import json
    import sys

    from pbshell.cli.output import show
    from pbshell.shell.statistics import has_blocks, table
    from pbshell.trace.studies.stats import Statistics

    statistics = Statistics(options.by, options.filter)
    reading = read(options.file, statistics.see, redact="auth", ports=options.port)
    if reading is None:
        return 8
    rows = statistics.rows(reading.open)
    if not options.json:
        blocks = sys.stdout is not None and has_blocks(sys.stdout) and not options.ascii
        show(table(rows, options.by, columns(options.width), blocks=blocks))
    for row in rows if options.json else ():
        show(json.dumps({"v": 1, "by": options.by, **dataclasses.asdict(row)}))
    return 8 if reading.damage else 0
