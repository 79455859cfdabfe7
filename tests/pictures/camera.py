"""A picture of what stands on a terminal's screen, as SVG. Knows cells and colours; knows no program."""

from __future__ import annotations

import re
from io import StringIO
from itertools import groupby

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

#: pyte's names of the sixteen colours that are not rich's
_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow"}
# The template fetches a font from elsewhere, and says who made it; a picture in a repository stands alone.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(screen: pyte.Screen, title: str) -> str:
    """The lines of *screen* down to the last that is not empty, in a window called *title*."""
    console = Console(record=True, width=screen.columns, file=StringIO(), force_terminal=True, color_system="truecolor")
    rows = [_row(screen, number) for number in range(screen.lines)]
    while rows and not rows[-1].plain.strip():
        rows.pop()
    for row in rows:
        console.print(row, no_wrap=True, overflow="crop")
    return console.export_svg(title=title, code_format=_FORMAT, unique_id="pbshell")


def _row(screen: pyte.Screen, number: int) -> Text:
    text = Text()
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    # In runs, so that words stay words for whoever searches the picture; some viewers lose the blanks in front of one.
    for style, run in groupby(cells, _style):
        words = "".join(cell.data for cell in run)
        text.append(words[: len(words) - len(words.lstrip())], style)
        text.append(words.lstrip(), style)
    return text


def _style(cell: pyte.screens.Char) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        reverse=cell.reverse,
        underline=cell.underscore,
    )


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return _COLOURS.get(name) or re.sub("^bright", "bright_", name)
