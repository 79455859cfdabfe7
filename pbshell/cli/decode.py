"""``pbshell decode``: bytes that somebody has pasted, explained. Knows how bytes are written down."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

#: what may stand between the digits of pasted bytes, and before them
_FILLING = re.compile(rb"0x|\\x|[\s:,;\"'-]|^b(?=['\"])")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+")


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `decode`."""
    parser.add_argument(
        "bytes",
        metavar="HEX|FILE|-",
        nargs="+",
        help="hexadecimal digits, a file, or - for stdin; no secret is covered",
    )


def run(options: argparse.Namespace) -> int:
    """Explain them, expression by expression."""
    from pbshell.cli.output import say, show
    from pbshell.trace.forms.pasted import explain_bytes
    from pbshell.wire.text import visible

    words = options.bytes
    data = digits("".join(words).encode("utf-8", "surrogateescape"))
    if data is None:
        if len(words) > 1:
            say("pbshell: several words were given, and they are no hexadecimal digits")
            return 2
        try:
            raw = _content(words[0])
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            say(f"pbshell: {visible(words[0], 60)} is neither hexadecimal nor a file to read: {visible(str(reason))}")
            return 8
        data = digits(raw) or raw
    if not data:
        say("pbshell: there are no bytes")
        return 8
    for line in explain_bytes(data):
        show(line)
    return 0


def digits(text: bytes) -> bytes | None:
    """The bytes that *text* writes down in hexadecimal, as Python, tcpdump or Wireshark do; None if it does not."""
    bare = _FILLING.sub(b"", text)
    return bytes.fromhex(bare.decode()) if _HEX.fullmatch(bare) else None


def _content(name: str) -> bytes:
    if name == "-":
        if sys.stdin is None:
            raise OSError(0, "stdin is closed")
        return sys.stdin.buffer.read()
    with open(name, "rb") as file:  # noqa: PTH123 (a path may hold any bytes)
        return file.read()
