"""Tables of a capture as a person reads them: times with units, and one column less for what is seldom asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pbshell.trace.explain import duration
from pbshell.trace.tables import Held
from pbshell.workbench.forms.rows import Rows

__all__ = ["HeldRow", "shown_rows"]


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A `Held` for the eye: *last* is the last call and how long ago it was."""

    conn: str
    side: str
    id: str
    count: int | None
    birth: str
    age: str
    used: int
    last: str


def shown_rows(rows: Iterable[Held], empty: str) -> Rows[HeldRow]:
    """*rows* for the eye, and *empty* in their place if there are none."""
    return Rows(HeldRow, map(_shown, rows), empty)


def _shown(row: Held) -> HeldRow:
    last = f"{row.method} {duration(row.idle)} ago" if row.idle is not None else "never"
    name = row.name or ("not seen" if not row.born else "")
    return HeldRow(row.connection, row.side, row.id, row.count, name, duration(row.age), row.used, last)
