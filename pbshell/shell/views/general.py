"""How help, settings and what came out of a pipe look. Knows indents and columns; looks nothing up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pbshell.trace.forms.columns import columns, cut, pad
from pbshell.trace.forms.wording import duration
from pbshell.wire.text import visible
from pbshell.workbench.commands.general import KeyRow
from pbshell.workbench.commands.settings import SettingRow
from pbshell.workbench.forms.pipes import Text
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.helping import HelpPage, HelpRow
from pbshell.workbench.known.knowledge import Known

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["keys", "methods", "page", "rows", "settings", "text"]

#: columns of what stands in front of an explanation, and of all where nobody minds
_USAGE, _WIDE = 34, 10_000
#: columns below which what is said least is left out, and that prose needs
_NARROW, _PROSE = 70, 20
#: words that somebody may want to copy stay whole
_WHOLE: Any = {"break_on_hyphens": False, "break_long_words": False}
_MORE = (
    ":help COMMAND, :help ~t and :help NAME tell more of one, :help all explains each.",
    "Behind any stand | grep RE, | sort KEY, | json, > FILE.",
)


def _width(renderer: Renderer) -> int:
    return max(renderer.width, 30) if renderer.screen else 100


def rows(value: Rows[HelpRow], renderer: Renderer) -> str:
    """The commands: those that come first, then their groups; or each in its line."""
    if not value:
        return value.empty
    brief = getattr(value, "brief", False) and any(row.first for row in value) and len(value) > len(_first(value))
    lines: list[str] = []
    if brief:
        # How each is written takes a line of its own, and comes with :help COMMAND.
        lines += _explained(((row.command.split()[0], row.what) for row in _first(value)), renderer, usage=12)
        lines += ["", *_names(value, renderer), ""]
        lines += [_filled(sentence, renderer) for sentence in _MORE]
        return "\n".join(lines)
    group = None
    for row in sorted(value, key=lambda row: _order(value, row)):
        if row.group != group and len(value) > 1:
            lines += ([""] if lines else []) + [row.group]
        group = row.group
        lines += _explained([(row.command, row.what)], renderer)
    return "\n".join(lines)


def _first(value: Rows[HelpRow]) -> list[HelpRow]:
    return [row for row in value if row.first]


def _order(value: Rows[HelpRow], row: HelpRow) -> int:
    """Where the group of *row* begins."""
    return [each.group for each in value].index(row.group)


def _names(value: Rows[HelpRow], renderer: Renderer) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for row in value:
        if not row.first:
            # The first words of a long name tell which it is.
            groups.setdefault(row.group.partition(",")[0], []).append(row.command.split()[0])
    width = max(map(len, groups))
    return _explained(((group, "  ".join(names)) for group, names in groups.items()), renderer, usage=width + 4)


def _explained(pairs: Iterable[tuple[str, str]], renderer: Renderer, usage: int = _USAGE) -> Iterator[str]:
    """Each pair as a line; what does not fit beside what stands in front goes below it."""
    width = _width(renderer)
    usage = min(usage, width * 2 // 5)
    for word, what in pairs:
        head = f"  {visible(word)}"
        if len(head) + 2 > usage:
            yield _filled(head.strip(), renderer, "  ")
            head = ""
        yield _wrapped(visible(what), width, head.ljust(usage), " " * usage)


def _wrapped(line: str, width: int, first: str = "", others: str = "") -> str:
    return textwrap.fill(line, width, initial_indent=first, subsequent_indent=others, **_WHOLE)


def _filled(line: str, renderer: Renderer, indent: str = "") -> str:
    return _wrapped(line, _width(renderer), indent, indent)


def page(value: HelpPage, renderer: Renderer) -> str:
    """All about one word."""
    lines = [_filled(visible(value.usage), renderer)]
    if value.summary:
        lines.append(_filled(visible(value.summary), renderer, "  "))
    for paragraph in value.text.split("\n\n"):
        if paragraph.strip():
            whole = " ".join(visible(line.strip()) for line in paragraph.split("\n"))
            lines += ["", _filled(whole, renderer, "  ")]
    facts = [("example" if not place else "", each) for place, each in enumerate(value.examples)]
    facts += [("function", value.function)] if value.function else []
    facts += [("docs", value.docs)] if value.docs else []
    lines += [""] if facts else []
    for name, fact in facts:
        lines.append(_wrapped(visible(fact), _width(renderer), f"  {name.ljust(10)}", " " * 12))
    if value.methods:
        lines += ["", methods(Rows(Known, value.methods), renderer)]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------ tables


def methods(value: Rows[Known], renderer: Renderer) -> str:
    """What can be called, with signatures; those that were never called have no numbers."""
    if not value:
        return value.empty
    table: list[tuple[str, ...]] = [("METHOD", "SEEN", "ERRORS", "P50", "KNOWN FROM", "WHAT IT DOES")]
    for each in value:
        numbers = (f"{each.seen:,}", f"{each.errors:,}") if each.seen else ("-", "-")
        p50 = "-" if each.p50 is None else duration(each.p50)
        table.append((visible(f"{each.name}{each.signature}"), *numbers, p50, visible(each.source), visible(each.doc)))
    if _width(renderer) < _NARROW:
        table = [(row[0], row[1], row[4]) for row in table]
    return "\n".join(_tabled(table, renderer, wrap=False))


def settings(value: Rows[SettingRow], renderer: Renderer) -> str:
    """Name, value, where it was set, and what it is for."""
    table = [("NAME", "VALUE", "SET BY", "WHAT IT IS FOR")]
    table += [(row.name, visible(row.value), row.where, row.help) for row in value]
    return "\n".join(_tabled(table, renderer)) if value else value.empty


def keys(value: Rows[KeyRow], renderer: Renderer) -> str:
    """Key, name, the command for it, and what it does."""
    table: list[tuple[str, ...]] = [("KEY", "NAME", "COMMAND", "WHAT IT DOES")]
    table += [(row.key, row.name, row.command or "-", row.what) for row in value]
    if _width(renderer) < _NARROW:
        table = [(row[0], row[2], row[3]) for row in table]
    return "\n".join(_tabled(table, renderer)) if value else value.empty


def _tabled(table: Sequence[Sequence[str]], renderer: Renderer, *, wrap: bool = True) -> Iterator[str]:
    """Columns as wide as they need, and the last one in the rest: prose, which goes on below, or is cut."""
    widths = [max(columns(row[place]) for row in table) for place in range(len(table[0]) - 1)]
    width = _width(renderer) if renderer.screen else _WIDE
    # A signature may be of any length; what it is called stands at its beginning.
    widths[0] = min(widths[0], max(width - sum(widths[1:]) - 2 * len(widths) - _PROSE, _PROSE))
    for row in table:
        head = "".join(pad(cut(cell, room), room) + "  " for cell, room in zip(row, widths, strict=False))
        if wrap and width - columns(head) >= _PROSE:
            yield _wrapped(row[-1], width, head, " " * columns(head)).rstrip()
        else:
            yield cut(f"{head}{row[-1]}".rstrip(), width)


def text(value: Text, renderer: Renderer) -> str:
    """The lines as they are."""
    return "\n".join(map(visible, value.lines))
