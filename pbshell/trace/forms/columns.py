"""Text in columns: how wide it is, and how it is cut to fit. Knows Unicode's widths; knows no terminal."""

from __future__ import annotations

import itertools
import unicodedata

__all__ = ["columns", "cut", "cut_middle", "pad"]

_DOTS = "..."


def columns(text: str) -> int:
    """How many columns *text* takes: wide characters (CJK, emoji) take two, what combines with others none."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def pad(text: str, width: int) -> str:
    """*text* with blanks behind it, up to *width* columns."""
    return text + " " * (width - columns(text))


def cut(text: str, width: int) -> str:
    """*text* in at most *width* columns; its end is left out, and three dots say so."""
    if columns(text) <= width:
        return text
    dots = _DOTS[: max(width, 0)]
    return _beginning(text, width - len(dots)) + dots


def cut_middle(text: str, width: int) -> str:
    """*text* in at most *width* columns; its middle is left out, and three dots say so."""
    if columns(text) <= width:
        return text
    if width < len(_DOTS) + 2:
        return cut(text, width)
    room = width - len(_DOTS)
    begin = _beginning(text, room - room // 2)
    end = _beginning(text[::-1], room // 2)[::-1]
    return f"{begin}{_DOTS}{end}"


def _beginning(text: str, width: int) -> str:
    """As much of *text* as fits in *width* columns."""
    if text.isascii():
        return text[: max(width, 0)]
    return text[: sum(end <= width for end in itertools.accumulate(map(_width, text)))]
