"""A sequence chart as SVG: two lifelines, and an arrow for each message. Knows lengths; knows no messages of PB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from pbshell.trace.forms.columns import columns, cut, cut_middle
from pbshell.wire.text import visible

__all__ = ["Arrow", "chart"]

#: the whole width, where the two lifelines stand, and the height of the head and of a row, in units of the picture
_WIDTH, _LEFT, _RIGHT, _HEAD, _ROW = 960, 96, 872, 40, 30
#: units that a character takes, and characters between the lifelines and in a head
_CHARACTER, _TEXT, _NAME = 7.3, 100, 30


@dataclass(frozen=True, slots=True)
class Arrow:
    """One row: *text*, from left to right (*direction* 1), back (-1), or over both lifelines (0).

    *before* stands on the left of it and *behind* on the right; *kind* is a class for the style, *link* the place that
    the row leads to, if there is one. *is_marked* is whether it stands out.
    """

    text: str
    direction: int
    before: str = ""
    behind: str = ""
    kind: str = "call"
    link: str = ""
    is_marked: bool = False


def chart(left: str, right: str, arrows: Sequence[Arrow], label: str) -> str:
    """The chart of *arrows* between *left* and *right* as an element of HTML. *label* says in words what it is.

    All texts may come from anybody. Its parts have the classes chart, line, head, text, arrow, tip, mark, note, aside,
    and the kinds.
    """
    height = _HEAD + _ROW * len(arrows) + 12
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{_safe(label)}">']
    parts += [f'<line class="line" x1="{x}" y1="{_HEAD - 8}" x2="{x}" y2="{height}"/>' for x in (_LEFT, _RIGHT)]
    parts += [_head(left, _LEFT, "start"), _head(right, _RIGHT, "end")]
    for number, arrow in enumerate(arrows):
        parts += _row(arrow, _HEAD + _ROW * number)
    return "".join([*parts, "</svg>"])


def _head(name: str, x: int, anchor: str) -> str:
    name = cut_middle(visible(name), _NAME)
    width = columns(name) * _CHARACTER + 16
    begin = x - 12 if anchor == "start" else x + 12 - width
    middle = begin + width / 2
    return (
        f'<rect class="head" x="{begin:.0f}" y="4" width="{width:.0f}" height="24" rx="4"/>'
        f'<text class="text" x="{middle:.0f}" y="20" text-anchor="middle">{_safe(name)}</text>'
    )


def _row(arrow: Arrow, top: int) -> Iterator[str]:
    line = top + 20
    if arrow.is_marked:
        yield f'<rect class="mark" x="0" y="{top}" width="{_WIDTH}" height="{_ROW - 2}" rx="3"/>'
    yield f'<text class="aside" x="{_LEFT - 8}" y="{line + 4}" text-anchor="end">{_safe(arrow.before)}</text>'
    yield f'<text class="aside" x="{_RIGHT + 8}" y="{line + 4}">{_safe(arrow.behind)}</text>'
    text = f'<text class="text {_safe(arrow.kind)}" x="{(_LEFT + _RIGHT) // 2}" y="{line - 6}" text-anchor="middle">'
    if not arrow.direction:
        text = text.replace(f'y="{line - 6}"', f'y="{line + 1}"')
        width = min(columns(arrow.text), _TEXT) * _CHARACTER + 16
        begin = (_LEFT + _RIGHT - width) / 2
        yield f'<rect class="note" x="{begin:.0f}" y="{line - 13}" width="{width:.0f}" height="20" rx="10"/>'
    else:
        yield from _line(arrow, line)
    text += f"{_safe(cut(visible(arrow.text), _TEXT))}</text>"
    yield f'<a href="#{_safe(arrow.link)}">{text}</a>' if arrow.link else text


def _line(arrow: Arrow, y: int) -> Iterable[str]:
    kind = _safe(arrow.kind)
    here, there = (_LEFT, _RIGHT) if arrow.direction > 0 else (_RIGHT, _LEFT)
    back = -8 * arrow.direction
    yield f'<line class="arrow {kind}" x1="{here}" y1="{y}" x2="{there + back}" y2="{y}"/>'
    yield f'<path class="tip {kind}" d="M{there} {y}l{back} -4v8z"/>'


def _safe(text: str) -> str:
    return escape(visible(text))
