"""The ledger of a connection in three numbers: what was lent, given back, and is held; and whether it adds up.

Two books are compared: the Broker's own, and the tracer's shadow of them. Knows counts; knows no object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.trace.values import identity

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker
    from pbshell.trace import Conversation

__all__ = ["LedgerRow", "ledger_of"]

#: objects that are named where two books disagree
_NAMED = 3


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What *side* (ours, theirs) lends over *connection*, in receipts: *lent* since it opened, *returned*, and *held*.

    *wrong* says where the books disagree, with each other or with the traffic; it is empty if they do not.
    """

    connection: str
    side: str
    lent: int
    returned: int
    held: int
    wrong: tuple[str, ...]

    @property
    def expected(self) -> int:
        """How many receipts must be held."""
        return self.lent - self.returned


def ledger_of(name: str, side: str, broker: Broker, conversation: Conversation | None) -> LedgerRow:
    """The ledger of what *side* lends over the connection *name*. *conversation* is what the tracer has seen of it."""
    owner = broker.side if side == "ours" else broker.side.other
    table = (broker.ours if side == "ours" else broker.theirs).exports
    held = sum(entry.count for entry in table.values())
    wrong: list[str] = []
    if held != table.lent - table.returned:
        wrong.append(f"{held:,} receipts are held and {table.lent - table.returned:,} must be")
    # What is on its way is in one of the two books only; and who has come late knows half of them.
    at_rest = broker.outbox.empty and not broker.behind and not broker.rest
    if conversation is not None and not conversation.partial and at_rest:
        live, seen = table.counts(), conversation.ledgers[owner].exports.counts()
        differing = (
            [luid for luid in {**live, **seen} if live.get(luid, 0) != seen.get(luid, 0)] if live != seen else []
        )
        for luid in differing[:_NAMED]:
            counts = f"{seen.get(luid, 0):,} times in the traffic and {live.get(luid, 0):,} times in the books"
            wrong.append(f"{identity(owner, luid)} is lent {counts}")
        if len(differing) > _NAMED:
            wrong.append(f"so it is with {len(differing) - _NAMED:,} more")
    return LedgerRow(name, side, table.lent, table.returned, held, tuple(wrong))
