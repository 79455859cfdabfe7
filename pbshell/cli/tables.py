"""The tables of ``pbshell trace read``: what was lent at a moment of a capture, or what changed between two."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pbshell.cli.tracing import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pbshell.trace.tables import Moment
    from pbshell.wire.chunk import Piece
    from pbshell.workbench.forms.rows import Rows

__all__ = ["moment_of", "show_table"]

#: columns that give way, with what they keep, and then those that are left out: of a moment, and of two
_HELD: tuple[dict[str, int], tuple[str, ...]] = (
    {"birth": 20, "last": 14, "conn": 8},
    ("side", "used", "conn", "last", "count"),
)
_CHANGED: tuple[dict[str, int], tuple[str, ...]] = {"name": 16, "what": 20, "connection": 10}, ("side", "connection")


def moment_of(options: argparse.Namespace) -> str | None:
    """The moment whose table is asked for, if any is. Raises UsageError for what a table has no use for."""
    from pbshell.errors import UsageError

    if options.refs is not None and options.cached is not None:
        raise UsageError("--refs and --cached are two tables: ask for one of them")
    text: str | None = options.refs if options.refs is not None else options.cached
    for option, is_given in (("-w", options.write), ("--size", options.size), ("--why", options.why)):
        if text is not None and is_given:
            raise UsageError(f"{option} is for the trace: ask for the table without it")
    return text


def show_table(options: argparse.Namespace, pieces: Iterable[Piece], began: float | None) -> int:
    """Show it. The capture began at *began* (seconds since 1970), if that is known. Raises UsageError, CaptureError."""
    import dataclasses
    import json
    from datetime import datetime
    from functools import partial

    from pbshell.cli.output import show
    from pbshell.trace.explainers import Explainers
    from pbshell.trace.tables import caches, difference, moments, references
    from pbshell.workbench.books.moments import tables_at

    zone = None if began is None else datetime.fromtimestamp(began).astimezone()
    wanted = moments(moment_of(options) or "", zone)
    _check_order(wanted)
    table = references if options.refs is not None else caches
    if options.filter is not None:
        table = partial(table, select=options.filter.for_rows())
    explainers = Explainers.load(tell=tell)
    found, is_reached = tables_at(pieces, wanted, table, explainers, redact=options.redact or "auth")
    if not is_reached:
        tell("the capture ends before that: this is how it ends")
    rows: Sequence[Any] = difference(*found) if len(found) > 1 else found[0]
    if options.output == "json":
        for row in rows:
            show(json.dumps({"v": 1, **dataclasses.asdict(row)}))
    else:
        show(_text(options, rows, is_difference=len(found) > 1))
    return 0


def _check_order(wanted: Sequence[Moment]) -> None:
    """Raise UsageError for moments in the wrong order. A frame and a time cannot be compared."""
    from pbshell.errors import UsageError

    first, second = wanted[0], wanted[-1]
    numbers, times = (first.number, second.number), (first.at, second.at)
    for one, other in (numbers, times):
        if one is not None and other is not None and one > other:
            raise UsageError("the first moment lies behind the second: write them the other way round")


def _text(options: argparse.Namespace, rows: Sequence[Any], *, is_difference: bool) -> str:
    from pbshell.cli.output import width
    from pbshell.shell.fitting import fitted
    from pbshell.trace.tables import Changed
    from pbshell.workbench.books.tables import shown_rows
    from pbshell.workbench.forms.rows import Rows

    shown: Rows[Any]
    long, least = _CHANGED if is_difference else _HELD
    if is_difference:
        shown = Rows(Changed, rows, "nothing has changed")
    else:
        empty = "nothing is lent" if options.refs is not None else "nothing is cached"
        shown = shown_rows(rows, empty)
    return fitted(shown, options.width or width(), long=long, least=least)
