"""Commands that look into the books: ``:refs`` and ``:cached``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench import inspection
from pbshell.workbench.commands.command import command
from pbshell.workbench.inspection import CacheRow, ReferenceRow
from pbshell.workbench.rows import Rows

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

_Row = TypeVar("_Row", ReferenceRow, CacheRow)


@command("refs", "[ours|theirs]", "the objects that are lent, by us and by the server")
def refs(bench: Workbench, side: str = "") -> Rows[ReferenceRow]:
    """The objects that are lent over the open connections; *side* is ours, theirs, or empty for both."""
    rows = _selected(bench, inspection.references, side)
    return Rows(ReferenceRow, rows, "no references")


@command("cached", "[ours|theirs]", "the copies that are kept in step, and their state")
def cached(bench: Workbench, side: str = "") -> Rows[CacheRow]:
    """The cached copies over the open connections; *side* is ours, theirs, or empty for both."""
    rows = _selected(bench, inspection.caches, side)
    return Rows(CacheRow, rows, "no cached copies")


def _selected(bench: Workbench, look: Callable[[str, Any], Iterable[_Row]], side: str) -> list[_Row]:
    if side not in ("", "ours", "theirs"):
        raise UsageError(f"there is no side {visible(side, 30)!r}: write ours or theirs")
    opened = ((name, each.connection.broker) for name, each in bench.connections.items())
    return [row for name, broker in opened for row in look(name, broker) if side in ("", row.side)]
