"""``pbshell plugins``: the servers that can be started by name, and which of them are broken."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `plugins`."""
    parser.add_argument("--names", action="store_true", help="nothing but their names")
    parser.add_argument("--json", action="store_true", help="one object to a line")


def run(options: argparse.Namespace) -> int:
    """List them. A broken plugin is one line more, and no failure: the others are there."""
    import json

    from pbshell.cli.output import say, show
    from pbshell.errors import UsageError
    from pbshell.plugin import discover
    from pbshell.wire.text import visible

    found = discover()
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        if options.names:
            show(visible(each.name, 40))
            continue
        row = {"v": 1, "name": each.name, "origin": each.origin, "target": each.target}
        try:
            row["description"] = each.load().description
        except UsageError as error:
            row["error"] = str(error)
        if options.json:
            show(json.dumps(row))
        elif "error" in row:
            say(f"pbshell: {visible(each.name, 40)} is broken: {visible(str(row['error']), 300)}")
        else:
            words = visible(str(row["description"]), 100)
            show(f"{visible(each.name, 40):{width}}   {words}   ({visible(each.origin, 40)})")
    return 0
