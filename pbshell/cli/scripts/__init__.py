"""What makes Tab complete the command line, a module for each shell. Knows what they have in common."""

from __future__ import annotations

from pbshell.cli.shape import Form

__all__ = ["quoted", "ways_of"]


def quoted(text: str) -> str:
    """*text* as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def ways_of(every: list[Form]) -> dict[str, list[str]]:
    """The commands that have several ways, and these."""
    ways: dict[str, list[str]] = {}
    for form in every:
        if len(form.words) > 1:
            ways.setdefault(form.words[0], []).append(form.words[1])
    return ways
