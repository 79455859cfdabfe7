"""``pbshell diff``: whether two captures have the same calls, and which answers have changed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pbshell.cli.reading import add_capture_options, columns, read
from pbshell.cli.tracing import count

IGNORABLE = ("time", "req", "luid")


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `diff`."""
    parser.add_argument("a", metavar="A", help="a capture of pbshell, tcpdump or Wireshark; - for stdin")
    parser.add_argument("b", metavar="B", help="the other one")
    parser.add_argument(
        "--ignore",
        metavar="WHAT",
        type=_ignored,
        default=IGNORABLE,
        help="what does not count, with commas: time, req (the numbers of requests) and luid; all three if not said, "
        "none if empty",
    )
    parser.add_argument("--json", action="store_true", help="one object to a line")
    parser.add_argument("--width", metavar="N", type=count, help="columns; by default those of the terminal")
    add_capture_options(parser)


def _ignored(text: str) -> tuple[str, ...]:
    words = tuple(filter(None, (word.strip() for word in text.split(","))))
    for word in words:
        if word not in IGNORABLE:
            raise argparse.ArgumentTypeError(f"{word[:20]!a} cannot be ignored: it is one of {', '.join(IGNORABLE)}")
    return words


def run(options: argparse.Namespace) -> int:
    """Compare, and show what differs. Returns 7 if anything does."""
    import json

    from pbshell.cli.output import say, show
    from pbshell.shell.differences import lines
    from pbshell.trace.forms.wording import counted
    from pbshell.trace.studies.diff import Recorded, differences

    if options.a == options.b == "-":
        say("pbshell: only one of the two captures can come from stdin")
        return 2
    both = []
    for path in (options.a, options.b):
        recorded = Recorded(options.ignore)
        # Files that were saved with other secrets covered are alike where all of them are.
        reading = read(path, recorded.see, redact="strict", ports=options.port)
        if reading is None or reading.damage:
            return 8
        if recorded.left_out:
            behind = f"behind the first {recorded.count:,}"
            say(f"pbshell: {reading.name}: {counted(recorded.left_out, 'call')} left out, {behind}")
        both.append(recorded)
    found = list(differences(both[0], both[1], options.ignore))
    if options.json:
        for each in found:
            row = {name: getattr(each, name) for name in each.__slots__}
            show(json.dumps({"v": 1, **row, "sender": each.sender.value}))
    else:
        for line in lines(found, columns(options.width)):
            show(line)
    calls = " and ".join(counted(each.count, "call") for each in both)
    say(f"pbshell: {counted(len(found), 'difference') if found else 'no difference'} between {calls}")
    return 7 if found else 0
