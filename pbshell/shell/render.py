"""Data as text for a screen or a pipe. The only place that knows colours; decides nothing, and prints nothing.

What came from a peer passes through `visible` here whatever it is, and never through rich's markup.
"""

from __future__ import annotations

import dataclasses
import os
import textwrap
from io import StringIO
from typing import TextIO

from rich.console import Console, RenderableType
from rich.pretty import pretty_repr
from rich.table import Table
from rich.text import Text

from pbshell.shell.views import view_of
from pbshell.wire.text import visible
from pbshell.workbench.problems import Problem
from pbshell.workbench.rows import Notice, Rows, shown

__all__ = ["Renderer", "has_colours"]

#: columns of a pipe
WIDTH = 100
#: of one container, and of one string, that are shown on a screen
ITEMS, CHARACTERS = 1000, 10_000
_ARROWS = {">": "cyan", "<": "green", "x": "yellow"}


def has_colours(stream: TextIO) -> bool:
    """Whether *stream* is a terminal that may be coloured. The one answer for rich and for the prompt."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Renderer:
    """Makes text of *width* columns: for a *screen*, where nobody reads more than is good for him, or for a pipe.

    With *colours* it is for a screen that has them.
    """

    def __init__(self, *, width: int = WIDTH, colours: bool = False, screen: bool = False) -> None:
        self.width = width
        self.colours = colours
        self.screen = screen or colours

    def value(self, value: object) -> str:
        """A result: its own view if its kind has one, a table for rows, a notice's sentence, else its ``repr()``."""
        view = view_of(value)
        if view is not None:
            return view(value, self)
        if isinstance(value, Rows):
            return self.rows(value)
        if isinstance(value, Notice):
            return visible(str(value))
        if not self.screen:
            return shown(value)
        try:
            # One line where it fits, else one for each item; on a screen nobody reads more than that.
            text = pretty_repr(value, max_width=self.width, max_length=ITEMS, max_string=CHARACTERS)
        except Exception:  # noqa: BLE001 (it looks into objects whose attributes a peer has named)
            text = shown(value)
        return "\n".join(visible(line) for line in text.split("\n"))

    def rows(self, rows: Rows[object]) -> str:
        """A table with a head; a word when it has no rows."""
        if not rows:
            return rows.empty
        fields = [field.name for field in dataclasses.fields(rows.kind)]  # type: ignore[arg-type]  # a dataclass
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in fields:
            numeric = any(isinstance(getattr(row, name), int) for row in rows)
            table.add_column(Text(name.upper()), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(getattr(row, name))) for name in fields))
        return "\n".join(line.rstrip() for line in self._written(table).split("\n"))

    def problem(self, problem: Problem, prefix: str = "") -> str:
        """The sentence, its details, and the next step."""
        text = Text(self.prose(prefix + visible(problem.text)), "bold red" if self.colours else "")
        for line in problem.details:
            text.append(f"\n    {visible(line)}", "not bold")
        if problem.hint:
            text.append("\n" + self.prose(f"  {visible(problem.hint)}", "  "), "not bold default")
        return self._written(text)

    def prose(self, text: str, indent: str = "") -> str:
        """The line *text*, for a screen broken between words, where the lines behind the first have this *indent*."""
        if not self.screen:
            return text
        return textwrap.fill(
            text, max(self.width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )

    def frame(self, line: str) -> str:
        """A line of the trace. The arrow is coloured, and so is an error."""
        text = Text(visible(line))
        if self.colours:
            # number, seconds, connection, arrow: the rest may hold anything.
            words = line.split(None, 4)
            if len(words) > 3 and words[3] in _ARROWS:
                start = line.index(words[3], line.index(words[1]) + len(words[1]))
                text.stylize(_ARROWS[words[3]], start)
        return self._written(text)

    def _written(self, renderable: RenderableType) -> str:
        file = StringIO()
        console = Console(
            file=file,
            width=self.width,
            force_terminal=self.colours,
            color_system="standard" if self.colours else None,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=not isinstance(renderable, Table),
        )
        console.print(renderable)
        return file.getvalue().rstrip("\n")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return visible(value) if isinstance(value, str) else shown(value)
