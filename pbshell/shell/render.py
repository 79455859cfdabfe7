"""Data as text for a screen or a pipe. The only place that knows colours; decides nothing, and prints nothing.

What came from a peer passes through `visible` here whatever it is, and never through rich's markup.
"""

from __future__ import annotations

import dataclasses
import os
import textwrap
from io import StringIO
from typing import TYPE_CHECKING, TextIO

from pbshell.shell.views import view_of
from pbshell.wire.text import visible
from pbshell.workbench.forms.rows import Notice, Rows, is_endless, shown
from pbshell.workbench.problems import Problem

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Renderer", "has_colours"]

#: columns of a pipe
WIDTH = 100
#: of one container, and of one string, that are shown on a screen
ITEMS, CHARACTERS = 1000, 10_000
#: what tells the direction in a line of the trace, and the colour (as a terminal is told) of the line from there on
_ARROWS = {">": 36, "<": 32, ">~": 36, "<~": 32, "x": 33}


def has_colours(stream: TextIO) -> bool:
    """Whether *stream* is a terminal that may be coloured. The one answer for rich and for the prompt."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Renderer:
    """Makes text of *width* columns: for a *screen*, where nobody reads more than is good for him, or for a pipe.

    With *colours* it is for a screen that has them. *plain* is for somebody to whom a screen is read aloud: no boxes,
    rows with numbers, and words in front of what went wrong.
    """

    def __init__(self, *, width: int = WIDTH, colours: bool = False, screen: bool = False, plain: bool = False) -> None:
        self.width = width
        self.colours = colours
        self.screen = screen or colours
        self.plain = plain

    def value(self, value: object) -> str:
        """A result: its own view if its kind has one, a table for rows, a notice's sentence, else its ``repr()``."""
        view = view_of(value)
        if view is not None:
            return view(value, self)
        if isinstance(value, Rows):
            return self.rows(value)
        if isinstance(value, Notice):
            return self.prose(visible(str(value)), "  ")
        if not self.screen or is_endless(value):
            return shown(value)
        # Half of rich comes with it, and most that is shown needs none of it.
        from rich.pretty import pretty_repr  # noqa: PLC0415

        try:
            # One line where it fits, else one for each item; on a screen nobody reads more than that.
            text = pretty_repr(value, max_width=self.width, max_length=ITEMS, max_string=CHARACTERS)
        except BaseException:  # noqa: BLE001 (it looks into objects whose attributes a peer has named)
            text = shown(value)
        return "\n".join(visible(line) for line in text.split("\n"))

    def rows(self, rows: Rows[object]) -> str:
        """A table with a head; a word when it has no rows."""
        if not rows:
            return rows.empty
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        fields = [field.name for field in dataclasses.fields(rows.kind)]  # type: ignore[arg-type]  # a dataclass
        table = Table(box=None, pad_edge=False, header_style="bold")
        if self.plain:
            table.add_column("#", justify="right")
        for name in fields:
            numeric = any(isinstance(getattr(row, name), int) for row in rows)
            table.add_column(Text(name.upper()), justify="right" if numeric else "left", overflow="fold")
        for number, row in enumerate(rows, 1):
            cells = [Text(_cell(getattr(row, name))) for name in fields]
            table.add_row(*([Text(str(number)), *cells] if self.plain else cells))
        return "\n".join(line.rstrip() for line in self._written(table).split("\n"))

    def problem(self, problem: Problem, prefix: str = "") -> str:
        """The sentence, its details, and the next step."""
        if self.plain and not prefix:
            prefix = "error: "
        text = self._coloured(self.prose(prefix + visible(problem.text)), "1;31")
        if problem.details:
            text += "\n" + self._coloured("\n".join(f"    {visible(line)}" for line in problem.details), "31")
        if problem.hint:
            text += "\n" + self.prose(f"  {visible(problem.hint)}", "  ")
        return text

    def prose(self, text: str, indent: str = "") -> str:
        """The line *text*, for a screen broken between words, where the lines behind the first have this *indent*."""
        if not self.screen:
            return text
        return textwrap.fill(
            text, max(self.width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )

    def frame(self, line: str) -> str:
        """A line of the trace. The arrow is coloured, and so is what stands behind it."""
        # Ten thousand in a second: by hand, and not by rich.
        if self.colours:
            # number, seconds, connection, arrow: the rest may hold anything.
            words = line.split(None, 4)
            if len(words) > 3 and words[3] in _ARROWS:
                start = line.index(words[3], line.index(words[1]) + len(words[1]))
                return visible(line[:start]) + self._coloured(visible(line[start:]), str(_ARROWS[words[3]]))
        return visible(line)

    def _coloured(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colours else text

    def _written(self, renderable: RenderableType) -> str:
        from rich.console import Console  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

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
