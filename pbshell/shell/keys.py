"""What the keys of the prompt do. Knows the editor and which command a key stands for; does no command's work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.completion import display_completions_like_readline
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name
from prompt_toolkit.search import SearchDirection, start_search

from pbshell.shell.about import about
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.keys import KEYS, placed

if TYPE_CHECKING:
    from pbshell.shell.repl import PBRepl

__all__ = ["is_command", "key_bindings"]

_AWAIT = "await "


def is_command(text: str) -> bool:
    """Whether a line is a command, and no Python."""
    return text.lstrip().startswith(":")


def key_bindings(repl: PBRepl, keys: Mapping[str, tuple[str, ...]]) -> KeyBindings:
    """The bindings of *repl*, where each name of KEYS lies on those *keys*. They go before ptpython's own."""
    bindings = KeyBindings()

    @Condition
    def typing() -> bool:
        # Which it does not have yet while it is made.
        return has_focus(repl.default_buffer)()

    used = set(keys.values())
    for parts in placed({}).values():
        # What ptpython has there must be gone as well.
        if parts not in used:
            bindings.add(*_spelled(parts), filter=typing)(_nothing)
    actions = _actions(repl)
    for name, parts in keys.items():
        if parts:
            bindings.add(*_spelled(parts), filter=typing)(_calling(actions[name]))
    _add_enter_and_tab(repl, bindings, typing)
    return bindings


def _spelled(parts: tuple[str, ...]) -> tuple[str, ...]:
    """As prompt_toolkit has them: Alt is Escape in front."""
    found: list[str] = []
    for part in parts:
        found += ["escape", part.removeprefix("alt-")] if part.startswith("alt-") else [part]
    return tuple(found)


def _calling(action: Callable[[KeyPressEvent], object]) -> Callable[[KeyPressEvent], None]:
    def handler(event: KeyPressEvent) -> None:
        action(event)

    return handler


def _nothing(event: KeyPressEvent) -> None:
    """A key that has been given away."""


def _actions(repl: PBRepl) -> dict[str, Callable[[KeyPressEvent], object]]:
    bench = repl.bench

    def commanding(command: str) -> Callable[[KeyPressEvent], None]:
        return lambda event: repl.press(command)

    def next_connection() -> None:
        names = list(bench.connections)
        place = names.index(bench.current) + 1 if bench.current in names else 0
        if not names:
            repl.above.show("there is no open connection; :connect TARGET opens one")
        else:
            repl.press(f":use {names[place % len(names)]}")

    found = {name: commanding(key.command) for name, key in KEYS.items() if key.command}
    return found | {
        "help": lambda event: _help(repl),
        "trace": lambda event: repl.press(":trace off" if bench.tracer.on else ":trace on"),
        "pause": lambda event: repl.press(":trace resume" if bench.tracer.paused else ":trace pause"),
        "next": lambda event: next_connection(),
        "await": _await,
        "cancel": lambda event: event.app.exit(exception=KeyboardInterrupt, style="class:aborting"),
        # Pressed while a call runs, the terminal makes a signal of it, which does the work.
        "detach": _nothing,
        "leave": _leave,
        "sidebar": lambda event: _sidebar(repl),
        "history": lambda event: None if repl.plain else repl.enter_history(),
        "editing": lambda event: _toggle_vi(repl),
        "paste": lambda event: setattr(repl, "paste_mode", not repl.paste_mode),
        "search": lambda event: start_search(direction=SearchDirection.BACKWARD),
        "newline": _newline,
        "clear": lambda event: event.app.renderer.clear(),
        "editor": lambda event: event.current_buffer.open_in_editor(),
    }


def _help(repl: PBRepl) -> None:
    document = repl.default_buffer.document
    if is_command(document.text):
        word = document.text.lstrip()[1:].split(" ")[0]
        repl.press(f":help {word}" if word in COMMANDS else ":help")
    else:
        text = about(repl.bench, document)
        if text:
            repl.show_text(text)
        else:
            repl.press(":help")


def _sidebar(repl: PBRepl) -> None:
    if not repl.plain:
        repl.show_sidebar = True
        repl.app.layout.focus(repl.ptpython_layout.sidebar)


def _toggle_vi(repl: PBRepl) -> None:
    is_vi = repl.app.editing_mode == EditingMode.VI
    repl.app.editing_mode = EditingMode.EMACS if is_vi else EditingMode.VI


def _await(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    text, position = buffer.text, buffer.cursor_position
    if is_command(text):
        return
    if text.startswith(_AWAIT):
        buffer.document = Document(text[len(_AWAIT) :], max(0, position - len(_AWAIT)))
    else:
        buffer.document = Document(_AWAIT + text, position + len(_AWAIT))


def _leave(event: KeyPressEvent) -> None:
    if event.current_buffer.text:
        get_by_name("delete-char").handler(event)
    else:
        event.app.exit(exception=EOFError)


def _newline(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if "\n" in buffer.text:
        buffer.validate_and_handle()
    else:
        buffer.insert_text("\n")


def _add_enter_and_tab(repl: PBRepl, bindings: KeyBindings, typing: Condition) -> None:
    @Condition
    def in_command() -> bool:
        return is_command(get_app().current_buffer.text)

    @bindings.add("enter", filter=typing & in_command)
    def _(event: KeyPressEvent) -> None:
        # A colon or a bracket at the end of a command opens no block.
        event.current_buffer.validate_and_handle()

    @bindings.add("tab", filter=typing & Condition(lambda: repl.plain))
    def _(event: KeyPressEvent) -> None:
        before = event.current_buffer.document.current_line_before_cursor
        if event.current_buffer.text and not before.strip():
            event.current_buffer.insert_text("    ")
        else:
            display_completions_like_readline(event)
