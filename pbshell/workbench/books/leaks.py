"""Who is probably leaked: objects that are lent again and again, or more and more of one birth, and never called.

Knows counts and births; cannot know what an object is for, so it says "suspect".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pbshell.trace.diagnosis import Doctor
    from pbshell.trace.notes import Lent
    from pbshell.workbench.books.histories import Receipts

__all__ = ["RECEIPTS", "suspicion"]

#: receipts of one object, and objects of one birth in how many messages, from which on there is a suspicion: fewer
#: than the diagnosis wants, because whoever looks at a table has asked, and is told "?"
RECEIPTS = 4
_LIVE, _MESSAGES = 20, 10


def suspicion(lent: Lent, count: int, receipts: Receipts | None, doctor: Doctor, number: int, now: float | None) -> str:
    """Why *lent*, of which *count* receipts are out on connection *number*, may be leaked; empty if it may not.

    *receipts* is how its count went, and *now* is in seconds on the link's clock.
    """
    if lent.used:
        return ""
    if count >= RECEIPTS and (receipts is None or not receipts.returned):
        return "never called, only grows"
    birth = doctor.birth(number, lent)
    if birth is None or birth.returned:
        return ""
    grows = birth.live >= _LIVE and birth.messages >= _MESSAGES and not birth.used
    if grows or (now is not None and birth.is_leak(now)):
        return f"never called, {birth.live:,} alike"
    return ""
