"""How `:top` looks: sums, connections, calls that wait, the slowest calls. Knows columns; counts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbshell.trace.forms.columns import columns, cut, cut_middle, pad
from pbshell.trace.forms.wording import amount, counted, duration
from pbshell.wire.text import visible
from pbshell.workbench.traffic.pulse import Top, TopCall, TopConnection

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["detail", "head", "sections", "top"]

#: columns of a name, and from which on a screen has room for all columns of the connections
_NAME, _WIDE = 16, 90


def top(value: Top, renderer: Renderer) -> str:
    """All of it, for whoever does not see it change."""
    width = renderer.width if renderer.screen else 10_000
    parts = [head(value), ""]
    for name, lines in sections(value, width):
        parts += [name, *lines, ""]
    return "\n".join(cut(line.rstrip(), width) for line in parts[:-1])


def sections(value: Top, width: int) -> list[tuple[str, list[str]]]:
    """Each table with its name; the first line of each is its head, or the word for none."""
    return [
        ("connections", _connections(value.connections, width) or [value.connections.empty]),
        ("waiting", _calls(value.waiting, width) or [value.waiting.empty]),
        ("slowest in the last minute", _calls(value.slowest, width) or [value.slowest.empty]),
    ]


def head(value: Top) -> str:
    """The sums of all connections."""
    rows = value.connections
    waiting = sum(row.waiting for row in rows)
    parts = [
        counted(len(rows), "connection"),
        f"{_rate(sum(row.calls for row in rows))} calls/s",
        f"{_rate(sum(row.errors for row in rows))} errors/s",
        f"{amount(round(sum(row.bytes for row in rows)))}/s",
        f"{waiting:,} waiting",
    ]
    return "   ".join(parts)


def _connections(rows: Sequence[TopConnection], width: int) -> list[str]:
    """A head and a line for each of *rows*, in at most *width* columns; none for no rows."""
    if not rows:
        return []
    heads = ["NAME", "CALLS/S", "ERR/S", "BYTES/S", "WAITING", "OLDEST", "LENT"]
    table = [heads]
    for row in rows:
        oldest = "-" if row.oldest is None else duration(row.oldest)
        numbers = [_rate(row.calls), _rate(row.errors), amount(round(row.bytes)), f"{row.waiting:,}", oldest]
        table.append([cut_middle(visible(row.name), _NAME), *numbers, f"{row.lent:,}"])
    left_out = () if width >= _WIDE else (2, 3) if width < 70 else (2,)
    lines = _table(table, left_out)
    rest = ["VERDICT", *(visible(row.verdict) or "-" for row in rows)]
    return [cut(f"{line}  {text}", width) for line, text in zip(lines, rest, strict=True)]


def _calls(rows: Sequence[TopCall], width: int) -> list[str]:
    """The same for calls."""
    if not rows:
        return []
    table = [["TIME", "CONN", "ID"]]
    table += [[duration(row.seconds), cut_middle(visible(row.connection), _NAME), row.id] for row in rows]
    lines = _table(table, ())
    rest = ["CALL", *((f"! {each.what}" if each.state == "error" else each.what) for each in rows)]
    return [cut(f"{line}  {text}", width) for line, text in zip(lines, rest, strict=True)]


def detail(row: TopConnection | TopCall) -> str:
    """All about one line, a fact a line, and the command that tells more."""
    if isinstance(row, TopCall):
        state = {"waiting": "waits for its answer since", "done": "took", "error": "failed after"}[row.state]
        facts = [row.what, f"{row.id} on {visible(row.connection)}", f"{state} {duration(row.seconds)}"]
        return "\n".join(
            [*facts, "", f":follow {row.id} shows its frames, :why {row.id} says what is known of its end"]
        )
    facts = [
        f"{visible(row.name)}: {visible(row.peer)}{f', logged in as {visible(row.user)}' if row.user else ''}",
        f"up {duration(row.up)}",
        f"{_rate(row.calls)} calls/s, {_rate(row.errors)} errors/s, {amount(round(row.bytes))}/s",
        f"{counted(row.waiting, 'call')} waiting" + ("" if row.oldest is None else f", {duration(row.oldest)} at most"),
        f"{counted(row.lent, 'object')} lent",
        visible(row.verdict) or "the diagnosis has nothing to say of it",
    ]
    return "\n".join([*facts, "", f":conns {visible(row.name)} tells more"])


def _table(table: Sequence[Sequence[str]], left_out: Sequence[int]) -> list[str]:
    """Lines: the first column and the one that holds names stand left, numbers right."""
    kept = [column for column in range(len(table[0])) if column not in left_out]
    widths = {column: max(columns(row[column]) for row in table) for column in kept}
    left = {column for column in kept if table[0][column] in ("NAME", "CONN", "ID")}
    return [
        "  ".join(
            pad(row[column], widths[column])
            if column in left
            else " " * (widths[column] - columns(row[column])) + row[column]
            for column in kept
        )
        for row in table
    ]


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
