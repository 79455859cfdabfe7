"""The doctor: asks every rule what is wrong on a connection, and says the worst first. Knows the rules, no condition.

What each of them says, and when, is in docs/reference/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.notes import Lent
from pbshell.trace.rules.endings import Endings
from pbshell.trace.rules.growth import Birth, Growth
from pbshell.trace.rules.hangs import Hangs
from pbshell.trace.rules.refusals import Refusals
from pbshell.trace.rules.rule import Rule
from pbshell.trace.rules.sizes import Sizes
from pbshell.trace.verdict import SEVERITIES, Verdict
from pbshell.wire.chunk import LinkEvent, Seed, Side

__all__ = ["RULES", "Doctor"]

#: The rules, in the order in which those of one severity are said.
RULES: tuple[Callable[[], Rule], ...] = (Endings, Refusals, Sizes, Hangs, Growth)


class Doctor:
    """Diagnoses all connections of one capture, or of a live one: it is told each dissection, in order.

    A later verdict with the connection and the kind of an earlier one says the same anew, with newer numbers.
    """

    def __init__(self, rules: Iterable[Callable[[], Rule]] = RULES) -> None:
        self._rules = [make() for make in rules]
        self._by_type: dict[type, list[Rule]] = {}
        for rule in self._rules:
            for kind in rule.of:
                self._by_type.setdefault(kind, []).append(rule)
        self._ended: int | None = None

    def birth(self, number: int, lent: Lent) -> Birth | None:
        """Those that were born with *lent* on the connection *number*, if a rule counts them."""
        found = (rule.birth(number, lent) for rule in self._rules if isinstance(rule, Growth))
        return next(found, None)

    def rate(self, conversation: Conversation, side: Side, now: float) -> float:
        """How many objects more *side* lends each second, at *now* (seconds), while they become more; else 0."""
        return max(
            (each.rate(conversation, side, now) for each in self._rules if isinstance(each, Growth)), default=0.0
        )

    def see(self, dissection: Dissection, conversation: Conversation) -> list[Verdict]:
        """What is certain with *dissection*, which is part of *conversation*: of its end, why it ended."""
        what = dissection.what
        verdicts: list[Verdict] = []
        for rule in self._by_type.get(type(what), ()):
            verdicts.extend(rule.see(dissection, conversation))
        if type(what) is Seed:
            # The books begin anew, and what was counted before does not belong to them.
            for rule in self._rules:
                rule.forget(conversation.number)
        if type(what) is LinkEvent:
            self._ended = conversation.number if what.kind == "closed" else None
            if self._ended is not None:
                for rule in self._rules:
                    rule.forget(conversation.number)
        return _worst_first(verdicts)

    def verdicts(self, now: float, conversations: Iterable[Conversation]) -> list[Verdict]:
        """How it stands at *now* (seconds on the link's clock) with *conversations*. Asking changes nothing."""
        # The dissector has the one that ended last still in its list; of that one all was said.
        is_open = [each for each in conversations if each.number != self._ended]
        verdicts = [verdict for each in is_open for rule in self._rules for verdict in rule.verdicts(now, each)]
        verdicts += [verdict for rule in self._rules for verdict in rule.overall(now)]
        return _worst_first(verdicts)


def _worst_first(verdicts: list[Verdict]) -> list[Verdict]:
    verdicts.sort(key=lambda verdict: SEVERITIES.index(verdict.severity))
    return verdicts
