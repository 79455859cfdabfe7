"""How full each limit of a connection is: now, and at its fullest; and which setting changes it.

Knows the limits of ours, and those that a stock Twisted peer has; measures nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.workbench.books.histories import Histories

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Line, Workbench

__all__ = ["LimitRow", "fills"]

#: what a stock Twisted program has for it: objects that it lends, and what one string and one list may be
_REFS = "twisted.spread.pb.MAX_BROKER_REFS"
_SIZE = "twisted.spread.banana.SIZE_LIMIT"


@dataclass(frozen=True, slots=True)
class LimitRow:
    """How full one *limit* of *connection* is: *now*, at its fullest (*peak*), and *most*; None is what nobody knows.

    *what* is counted, in words. *limit* is the field of `pb.Limits` that changes it. *stock* is what a stock Twisted
    peer has for the same, None if it has no limit there, and *stock_setting* where that is changed.
    """

    connection: str
    what: str
    now: int | None
    peak: int | None
    most: int
    limit: str
    stock: int | None
    stock_setting: str


def fills(bench: Workbench, line: Line) -> Iterator[LimitRow]:
    """All limits of *line*: tables first, then what one message may be."""
    broker, number = line.connection.broker, line.connection.number
    ours, theirs, limits = broker.side, broker.side.other, broker.limits
    histories = bench.part(Histories)
    stock = DEFAULT_LIMITS

    def peak(side: object, what: str, now: int) -> int:
        return max(histories.peak(number, side, what), now)  # type: ignore[arg-type]  # a Side

    def row(
        what: str, limit: str, now: int | None, most_ever: int | None, its: int | None = None, where: str = ""
    ) -> LimitRow:
        return LimitRow(line.name, what, now, most_ever, getattr(limits, limit), limit, its, where)

    lent = sum(not entry.pinned for entry in broker.ours.exports.values())
    held = len(broker.theirs.exports)
    yield row("lent by us", "exports", lent, peak(ours, "exports", lent))
    yield row("lent by the peer", "imports", held, peak(theirs, "exports", held), stock.exports, _REFS)
    for what, side, ledger in (
        ("ours, cached by the peer", ours, broker.ours),
        ("theirs, cached by us", theirs, broker.theirs),
    ):
        now = len(ledger.caches)
        where = _REFS if side is theirs else ""
        yield row(what, "caches", now, peak(side, "caches", now), stock.exports if where else None, where)
    for what, side, ledger in (
        ("our calls that wait", ours, broker.ours),
        ("their calls that run here", theirs, broker.theirs),
    ):
        now = len(ledger.pending)
        yield row(what, "pending", now, peak(side, "pending", now))
    yield row("bytes to be sent", "send_buffer", line.connection.unsent, None)
    longest = max(histories.peak(number, ours, "expression"), histories.peak(number, theirs, "expression"))
    yield row("bytes of a message", "expression", None, longest or None)
    yield row("bytes of a string", "string", None, None, stock.string, _SIZE)
    yield row("items of a list", "list", None, None, stock.list, _SIZE)
    yield row("lists inside lists", "depth", None, None)
    yield row("items of a message", "items", None, None)
    yield row("digits of a prefix", "prefix", None, None, stock.prefix, "")
    yield row("failed logins", "logins", None, None)
