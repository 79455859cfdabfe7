"""The books of one side: what it lends, and which answers it awaits. Knows counts; frees nothing, sends nothing.

One generic class, used for the live tables of a Broker (ours and theirs) and for the shadows that a dissector keeps.
When the wire is quiet, owner's, holder's and shadow's books are equal.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pbshell.wire.verbs import Luid

__all__ = ["Entry", "Ledger", "Table"]

T = TypeVar("T")
C = TypeVar("C")


@dataclass(slots=True)
class Entry(Generic[T]):
    """*thing* is lent under *luid*; *count* receipts of it have not been given back.

    A *pinned* entry (root) is never lent and never given back: it has a name instead of a number.
    """

    luid: Luid
    thing: T
    count: int = 1
    pinned: bool = False


class Table(dict[Luid, Entry[T]]):
    """Entries by luid. *lent* and *returned* count receipts since the connection opened."""

    __slots__ = ("lent", "returned")

    def __init__(self) -> None:
        super().__init__()
        self.lent = 0
        self.returned = 0

    def lend(self, luid: Luid, thing: T) -> Entry[T]:
        """Book one more receipt of *luid*; *thing* is kept if this is the first."""
        entry = self.get(luid)
        if entry is None:
            entry = self[luid] = Entry(luid, thing)
        else:
            entry.count += 1
        self.lent += 1
        return entry

    def give_back(self, luid: Luid) -> Entry[T] | None:
        """Book that one receipt of *luid* came back. At count 0 the entry is gone from the table.

        Returns the entry, or None when nothing was lent under *luid*: a surplus, which changes nothing.
        """
        entry = self.get(luid)
        if entry is None or entry.pinned:
            return None
        self.returned += 1
        entry.count -= 1
        if not entry.count:
            del self[luid]
        return entry

    def pin(self, luid: Luid, thing: T) -> Entry[T]:
        """Enter *thing* under a name: it is there without having been lent."""
        entry = self[luid] = Entry(luid, thing, count=0, pinned=True)
        return entry

    def counts(self) -> dict[Luid, int]:
        """Count by luid, without what is pinned: what two pairs of books are compared by."""
        return {luid: entry.count for luid, entry in self.items() if not entry.pinned}


class Ledger(Generic[T, C]):
    """What one side lends (*exports*, *caches*) and which answers it awaits (*pending*, calls by request id)."""

    __slots__ = ("caches", "exports", "pending")

    def __init__(self) -> None:
        self.exports: Table[T] = Table()
        self.caches: Table[T] = Table()
        self.pending: dict[Hashable, C] = {}
