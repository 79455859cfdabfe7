"""A full screen that changes by itself: `:top`. Knows keys and lines; does not know what they say.

It is an application of its own on the terminal of the prompt, which does not run meanwhile. However it ends, by a key
or because its task was cancelled, the screen is as it was before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import Style

from pbshell.shell.views.top import detail, head, sections
from pbshell.trace.forms.columns import cut
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.traffic.pulse import Top, TopCall, TopConnection
from pbshell.workbench.workbench import Workbench

__all__ = ["Entry", "Live", "Page", "page_of", "show_top"]

#: seconds between two looks
REFRESH = 0.5
#: what each key does, as `?` tells
KEYS = (
    ("j, Down", "next line"),
    ("k, Up", "line before"),
    ("g, G", "first line, last line"),
    ("/", "show only what contains a text; Enter ends it, Escape shows all again"),
    ("Enter", "all about the line; once more goes back"),
    ("p", "stop the clock, or let it go on"),
    ("m", "remember the tables as they are now (:mark)"),
    ("?", "these keys"),
    ("q, Ctrl-C", "back to the prompt"),
)
_STYLE = Style.from_dict(
    {"head": "bold", "section": "bold underline", "selected": "reverse", "bar": "reverse", "warning": "bold"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the screen: *text*; one that can be chosen has *detail*, which gives all lines about it."""

    text: str
    detail: Callable[[], str] | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown at one moment: a *head* line and *entries*."""

    head: str
    entries: Sequence[Entry]


class Live:
    """Shows what *look* gives, a `Page` for a width in columns, again and again until somebody leaves.

    *mark* is what the key m does: it gives what is said about it. *colours* is whether the terminal has them.
    """

    def __init__(
        self,
        look: Callable[[int], Page],
        *,
        mark: Callable[[], str] | None = None,
        colours: bool = True,
        input: Input | None = None,
        output: Output | None = None,
        refresh: float = REFRESH,
    ) -> None:
        self._look = look
        self._mark = mark
        self._cursor = 0
        self._before = 0  # where the cursor was when a detail was opened
        self._filter = ""
        self._typing = False
        self._detail: list[str] | None = None
        self._said = ""
        self._page = Page("", ())
        self._paused = False
        body = Window(FormattedTextControl(self._body, focusable=True, get_cursor_position=self._at), wrap_lines=False)
        self.app: Application[None] = Application(
            layout=Layout(HSplit([Window(FormattedTextControl(self._head), height=1), body, self._bar()])),
            key_bindings=self._keys(),
            full_screen=True,
            refresh_interval=refresh,
            before_render=self._refresh,
            style=_STYLE,
            color_depth=None if colours else ColorDepth.DEPTH_1_BIT,
            input=input,
            output=output,
        )

    async def run(self) -> None:
        """Show it until a key ends it, or the task is cancelled."""
        await self.app.run_async(handle_sigint=False, set_exception_handler=False)

    # ------------------------------------------------------------------------------------ what is drawn

    def _bar(self) -> Window:
        return Window(FormattedTextControl(self._bottom), height=1, style="class:bar")

    def _width(self) -> int:
        return self.app.output.get_size().columns

    def _refresh(self, app: Application[None]) -> None:
        # Once for each drawing: head, lines and cursor must be of the same moment.
        if not self._paused:
            self._page = self._look(self._width())

    def _head(self) -> StyleAndTextTuples:
        paused = "   PAUSED" if self._paused else ""
        return [("class:head", cut(self._page.head + paused, self._width()))]

    def _entries(self) -> list[Entry]:
        if self._detail is not None:
            return [Entry(line) for line in self._detail]
        entries = list(self._page.entries)
        if not self._filter:
            return entries
        return [each for each in entries if each.detail is None or self._filter.lower() in each.text.lower()]

    def _choosable(self) -> list[int]:
        entries = self._entries()
        if self._detail is not None:
            return list(range(len(entries)))
        return [number for number, each in enumerate(entries) if each.detail is not None]

    def _row(self) -> int:
        """The line that is chosen; what there is may have become less since."""
        choosable = self._choosable()
        if not choosable:
            return 0
        self._cursor = max(0, min(self._cursor, len(choosable) - 1))
        return choosable[self._cursor]

    def _at(self) -> Point:
        return Point(0, self._row())

    def _body(self) -> StyleAndTextTuples:
        row, width = self._row(), self._width()
        found: StyleAndTextTuples = []
        for number, entry in enumerate(self._entries()):
            chosen = number == row and (entry.detail is not None or self._detail is not None)
            style = "class:selected" if chosen else entry.style
            found.append((style, cut(entry.text, width)))
            found.append(("", "\n"))
        return found[:-1]

    def _bottom(self) -> StyleAndTextTuples:
        if self._typing:
            return [("", f"/{self._filter}")]
        if self._said:
            return [("", cut(self._said, self._width()))]
        shown = f"   only: {self._filter}" if self._filter else ""
        return [("", cut(f"q back   / filter   Enter detail   p pause   m mark   ? keys{shown}", self._width()))]

    # ------------------------------------------------------------------------------------ keys

    def _keys(self) -> KeyBindings:
        bindings = KeyBindings()
        typing = Condition(lambda: self._typing)

        def on(*keys: str, do: Callable[[], None]) -> None:
            for key in keys:

                @bindings.add(key, filter=~typing)
                def _(event: KeyPressEvent) -> None:
                    self._said = ""
                    do()

        on("j", "down", do=lambda: self._move(1))
        on("k", "up", do=lambda: self._move(-1))
        on("pagedown", do=lambda: self._move(10))
        on("pageup", do=lambda: self._move(-10))
        on("g", "home", do=lambda: self._move(-(10**9)))
        on("G", "end", do=lambda: self._move(10**9))
        on("/", do=self._begin_filter)
        on("escape", do=self._back)
        on("enter", do=self._open)
        on("p", do=self._pause)
        on("m", do=self._do_mark)
        on("?", do=lambda: self._show([f"{key:10} {what}" for key, what in KEYS]))
        on("q", do=self._leave)

        @bindings.add("c-c")
        @bindings.add("c-d")
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        @bindings.add("enter", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._typing = False

        @bindings.add("escape", filter=typing, eager=True)
        def _(event: KeyPressEvent) -> None:
            self._typing, self._filter = False, ""

        @bindings.add("backspace", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._filter = self._filter[:-1]

        @bindings.add("<any>", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._filter += re.sub(r"[^ -~\u00a0-\uffff]", "", event.data)

        return bindings

    def _move(self, step: int) -> None:
        self._row()
        self._cursor = max(0, min(self._cursor + step, len(self._choosable()) - 1))

    def _begin_filter(self) -> None:
        self._typing, self._filter, self._detail = True, "", None

    def _open(self) -> None:
        if self._detail is not None:
            self._back()
            return
        entries, row = self._entries(), self._row()
        if entries and entries[row].detail is not None:
            detail = entries[row].detail
            assert detail is not None
            self._before = self._cursor
            self._show(detail().split("\n"))

    def _show(self, lines: list[str]) -> None:
        self._detail, self._cursor = lines, 0

    def _back(self) -> None:
        if self._detail is not None:
            self._detail, self._cursor = None, self._before
        else:
            self._filter = ""

    def _pause(self) -> None:
        self._paused = not self._paused

    def _do_mark(self) -> None:
        self._said = self._mark() if self._mark is not None else "nothing to mark here"

    def _leave(self) -> None:
        if self._detail is not None:
            self._back()
        else:
            self.app.exit()


async def show_top(
    bench: Workbench, *, colours: bool, input: Input | None = None, output: Output | None = None
) -> None:
    """`:top` as a full screen, until somebody leaves it."""

    def mark() -> str:
        return str(COMMANDS["mark"].call(bench, ()))

    look = COMMANDS["top"].call
    live = Live(lambda width: page_of(look(bench, ()), width), mark=mark, colours=colours, input=input, output=output)
    await live.run()


def page_of(value: Top, width: int) -> Page:
    """`:top` as a page of *width* columns."""
    entries: list[Entry] = []
    tables: tuple[Sequence[TopConnection | TopCall], ...] = (value.connections, value.waiting, value.slowest)
    for (name, lines), rows in zip(sections(value, width), tables, strict=True):
        if entries:
            entries.append(Entry(""))
        entries.append(Entry(name, style="class:section"))
        entries.append(Entry(lines[0], style="class:head" if rows else ""))
        entries += [Entry(line, partial(detail, row)) for line, row in zip(lines[1:], rows, strict=True)]
    return Page(head(value), entries)
