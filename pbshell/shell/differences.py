"""Differences between two captures as text for people. Knows lines and widths; compares nothing, and prints nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbshell.trace.forms.columns import cut, cut_middle
from pbshell.trace.studies.diff import Difference
from pbshell.wire.chunk import Side

__all__ = ["lines"]

_WORDS = {
    "arguments": "other arguments",
    "result": "another result",
    "error": "another error",
    "time": "another time",
    "req": "another request number",
}


def lines(differences: Iterable[Difference], width: int) -> Iterator[str]:
    """*differences* in at most *width* columns: the call, ``-`` before, ``+`` after, and where these differ first."""
    connection = 0
    for each in differences:
        if each.connection != connection:
            yield f"connection {each.connection}" if not connection else f"\nconnection {each.connection}"
            connection = each.connection
        yield from _one(each, width)


def _one(each: Difference, width: int) -> Iterator[str]:
    arrow = ">" if each.sender is Side.CLIENT else "<"
    frames = "  ".join(f"{name} #{frame}" for name, frame in (("A", each.frame_a), ("B", each.frame_b)) if frame)
    yield cut(f"{_WORDS.get(each.kind, each.kind)}  ({frames})", width)
    if each.kind != "arguments":
        yield f"  {arrow} {cut_middle(each.call, max(width - 4, 1))}"
    for sign, text in (("-", each.before), ("+", each.after)):
        if text:
            yield f"  {sign} {_cut(text, each, max(width - 4, 1))}"
    if each.where:
        yield cut(f"    {each.where}", width)


def _cut(text: str, each: Difference, room: int) -> str:
    """*text* in *room* columns, so that the first character that differs in both is among them."""
    pairs = enumerate(zip(each.before, each.after, strict=False))
    position = next((number for number, (one, other) in pairs if one != other), 0)
    if position > room * 2 // 3:
        text = f"{text[:2]}...{text[position - room // 3 :]}"
    return cut(text, room)
