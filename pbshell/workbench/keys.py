"""The keys of the prompt as plain data: what each is called, where it lies, and which command does the same.

Knows how keys are written; presses none, and knows no terminal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = ["KEYS", "Key", "placed", "written"]


@dataclass(frozen=True, slots=True)
class Key:
    """What a key does: its *name* in the settings, the key it is by *default*, and a *help* line.

    *command* is what one would type for the same; empty for what only a line that is being typed can need.
    """

    name: str
    default: str
    command: str
    help: str


#: All that have a name, in the order in which `:keys` lists them.
KEYS = {
    each.name: each
    for each in (
        Key("help", "f1", ":help WORD", "help on the word under the cursor: a command, a name, a remote method"),
        Key("refs", "f5", ":refs", "the objects that are lent"),
        Key("trace", "f7", ":trace on", "show the traffic, or stop it"),
        Key("pause", "f8", ":trace pause", "hold the lines of the trace, and go on"),
        Key("next", "f9", ":use CONN", "work on the next connection"),
        Key("top", "f10", ":top", "what happens at this moment, as a full screen"),
        Key("await", "alt-a", "", "insert `await ` in front of the line, or take it away"),
        Key("again", "alt-r", ":again", "the last call once more"),
        Key("cancel", "c-c", "", "drop the line; while a call is running, cancel it"),
        Key("detach", "c-z", "", "while a call is running, let it go on behind the prompt"),
        Key("leave", "c-d", ":quit", "leave, on an empty line"),
        Key("sidebar", "f2", "", "settings of the editor"),
        Key("history", "f3", "", "choose from all that was typed"),
        Key("editing", "f4", "", "vi keys, or emacs keys again"),
        Key("paste", "f6", "", "paste mode: nothing is indented by itself"),
        Key("search", "c-r", "", "search what was typed before"),
        Key("newline", "alt-enter", "", "a new line, or run what stands there if it is a block"),
        Key("clear", "c-l", "", "clear the screen"),
        Key("editor", "c-x c-e", "", "edit the line in $EDITOR"),
    )
}

_FORM = re.compile(r"f([1-9]|1[0-9]|2[0-4])|(c|alt)-[a-z]|alt-enter|(s-)?tab|insert|pause")
_RIGHT = "write f1 to f24, c-a for Ctrl-A, alt-a, alt-enter, or two of them as in c-x c-e; none for no key"
#: what nobody could type any more: Tab, Enter, Escape and Backspace are Ctrl-I, -M, -[ and -H to a terminal
_TAKEN = {"c-i": "Tab", "c-m": "Enter", "c-j": "Enter", "c-h": "Backspace", "tab": "Tab"}


def placed(changed: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The keys to press for each name, where *changed* has others than the default; without any if it has none.

    Raises UsageError: for a name or a key that does not exist, and for one key with two meanings.
    """
    for name in changed:
        if name not in KEYS:
            raise UsageError(f"no key is called {visible(name, 30)!r}; there are {', '.join(KEYS)}")
    found = {name: _parts(changed.get(name, key.default)) for name, key in KEYS.items()}
    owners: dict[tuple[str, ...], str] = {}
    for name, parts in found.items():
        other = owners.setdefault(parts, name) if parts else name
        if other != name:
            raise UsageError(f"{' '.join(parts)} cannot be {other} and {name}: give one of them another key")
    return found


def written(parts: tuple[str, ...]) -> str:
    """Keys as one reads them: ``Ctrl-X Ctrl-E``, ``F5``, ``Alt-Enter``."""
    return " ".join(_written(part) for part in parts) or "none"


def _written(part: str) -> str:
    head, _, last = part.rpartition("-")
    prefix = {"c": "Ctrl-", "alt": "Alt-", "s": "Shift-"}.get(head, "")
    return prefix + (last.upper() if head == "c" or part[0] == "f" else last if len(last) == 1 else last.capitalize())


def _parts(text: str) -> tuple[str, ...]:
    """The keys in *text*, one or several in a row. Raises UsageError."""
    parts = tuple(text.lower().split())
    if parts in ((), ("none",)):
        return ()
    for part in parts:
        if _FORM.fullmatch(part) is None:
            raise UsageError(f"there is no key {visible(text, 30)!r}: {_RIGHT}")
        if part in _TAKEN:
            raise UsageError(f"{part} is {_TAKEN[part]} to a terminal: give {visible(text, 30)!r} another key")
    return parts
