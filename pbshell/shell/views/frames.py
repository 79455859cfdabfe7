"""How frames look: lists, one in full, charts, differences, statistics, and why things are as they are.

Knows lines and widths; the words are those of `pbshell.trace.forms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.shell import differences, statistics
from pbshell.shell.fitting import fitted
from pbshell.trace.explain import Frames as Form
from pbshell.trace.forms.naming import names
from pbshell.trace.forms.tree import contents, dump
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.traffic.frames import CallDifference, Chart, FileDifferences, Frames, Shown, Statistics
from pbshell.workbench.traffic.whys import Why

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["calls", "chart", "files", "frames", "shown", "stats", "why"]

#: columns of whatever has no screen, and bytes of one frame that are shown
_ENDLESS, _DUMP = 10_000, 65_536
_COLOURS = {"error": "1;31", "warning": "33"}


def frames(value: Frames, renderer: Renderer) -> str:
    """`:frames` and `:follow`: a line for each."""
    form = Form(_width(renderer), "clock", value.zero)
    lines = [renderer.frame(line) for frame in value.frames for line in form.see(*frame)]
    if not lines:
        lines = [value.empty]
    if value.about:
        lines.append(renderer.prose(visible(value.about)))
    return "\n".join(lines)


def shown(value: Shown, renderer: Renderer) -> str:
    """`:show`."""
    dissection, conversation = value.frame
    form = Form(_width(renderer), "clock", value.zero)
    head = [renderer.frame(line) for line in form.see(dissection, conversation)]
    if value.data is not None:
        return "\n".join([*head, *(f"  {row}" for row in dump(value.data, dissection.offset, _DUMP))])
    inside = list(contents(dissection, names=names(conversation, dissection.number)))
    lines = inside if value.form == "tree" and inside else [*head, *inside]
    if value.form == "full" and dissection.call is not None and dissection.call.number:
        lines.append(f"  the call is frame #{dissection.call.number}")
    return "\n".join(visible(line) if line in inside else line for line in lines)


def chart(value: Chart, renderer: Renderer) -> str:
    """`:seq`: as it is, for somebody who pastes it."""
    return "\n".join(map(visible, value.lines))


@dataclass(frozen=True, slots=True)
class _Difference:
    """A row of two calls as it is shown."""

    what: str
    a: str
    b: str
    first_difference: str


def calls(value: Rows[CallDifference], renderer: Renderer) -> str:
    """`:diff` of two calls."""
    if not value:
        return value.empty
    rows = Rows(_Difference, (_Difference(row.what, row.a, row.b, row.where) for row in value))
    width = _width(renderer)
    text = fitted(rows, width, long={"b": 10, "a": 10, "first_difference": 12}, least=("first_difference",))
    return text.replace("FIRST_DIFFERENCE", "FIRST DIFFERENCE", 1)


def files(value: FileDifferences, renderer: Renderer) -> str:
    """`:diff` of two captures."""
    found = value.differences
    between = " and ".join(counted(each, "call") for each in value.calls)
    said = f"{counted(len(found), 'difference') if found else 'no difference'} between {between}"
    return "\n".join([*differences.lines(found, _width(renderer)), said])


def stats(value: Statistics, renderer: Renderer) -> str:
    """`:stats`."""
    text = statistics.table(value.rows, value.by, _width(renderer), blocks=renderer.colours)
    return f"{text}\n{value.missing}" if value.missing and value.rows else text


def why(value: Why, renderer: Renderer) -> str:
    """`:why`: the facts, then what is wrong, each with all that it rests on."""
    return "\n".join([*(renderer.prose(visible(fact), "  ") for fact in value.facts), *_verdicts(value, renderer)])


def _verdicts(value: Why, renderer: Renderer) -> Iterator[str]:
    for verdict in value.verdicts:
        line = renderer.prose(verdict.line(), "  ")
        colour = _COLOURS.get(verdict.severity) if renderer.colours else None
        yield f"\x1b[{colour}m{line}\x1b[0m" if colour else line
        for fact in verdict.evidence:
            yield renderer.prose(f"    {visible(fact)}", " " * 8)


def _width(renderer: Renderer) -> int:
    return renderer.width if renderer.screen else _ENDLESS
