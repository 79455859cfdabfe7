"""What a rule of the diagnosis is. Knows how one is asked; knows no condition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.verdict import Verdict

__all__ = ["Rule"]


class Rule:
    """Recognises one condition, or a few that have the same cause. One instance sees all connections of a capture.

    It knows no time but what it is told, and keeps a bounded state for each connection, which leaves with `forget`.
    """

    #: The types of `Dissection.what` that it sees.
    of: ClassVar[tuple[type, ...]] = ()

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        """What is certain with *dissection*. It is said once: what lasts is said again by `verdicts`."""
        return ()

    def verdicts(self, now: float, conversation: Conversation) -> Iterable[Verdict]:
        """What there is to say of *conversation*, which is open, at *now* (seconds). Changes nothing."""
        return ()

    def overall(self, now: float) -> Iterable[Verdict]:
        """What there is to say at *now* of connections that have ended, taken together. Changes nothing."""
        return ()

    def forget(self, number: int) -> None:
        """The connection *number* has ended, and all was said."""
