"""Arguments that several commands take. Knows how they are written."""

from __future__ import annotations

import argparse

__all__ = ["add_common", "duration"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def duration(text: str) -> float:
    """Seconds: ``10s``, ``500ms``, ``2m``, or a bare number of seconds. Raises ArgumentTypeError."""
    number, unit = text, "s"
    for each in _UNITS:
        if text.endswith(each):
            number, unit = text.removesuffix(each), each
            break
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 10s, 500ms or 2m")
    return seconds


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every command that has connections takes."""
    parser.add_argument("--trace", action="store_true", help="show every message of both sides, a line each")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more; twice for everything")
