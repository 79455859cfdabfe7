"""What is wrong on the connections of one capture or trace: all verdicts, each of them once, within a bound.

Knows who judges, and what says the same anew; reaches no verdict itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable
from typing import Any, TypeAlias

from pbshell.trace.diagnosis import Doctor
from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.explainers import Explainers
from pbshell.trace.verdict import Verdict

__all__ = ["Verdicts", "as_object"]

_Key: TypeAlias = tuple[Hashable, ...]


class Verdicts:
    """Shows all that is said to the *explainers* and to a doctor, and keeps what they find, the last *most* of it."""

    def __init__(self, explainers: Explainers, most: int = 1_000) -> None:
        self.explainers = explainers
        self.doctor = Doctor()
        self._most = most
        self._kept: dict[_Key, Verdict] = {}

    def see(self, dissection: Dissection, conversation: Conversation) -> list[Verdict]:
        """What is certain with *dissection*, which is part of *conversation*. The explainers write their names."""
        explained = self.explainers.see(dissection, conversation)
        diagnosed = self.doctor.see(dissection, conversation)
        if diagnosed or explained:
            _keep(self._kept, diagnosed, explained)
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        return [*diagnosed, *explained]

    def at(self, now: float, alive: Iterable[Conversation]) -> list[Verdict]:
        """All that was found, and how it stands at *now* (seconds) with those that are *alive*. Changes nothing."""
        alive = list(alive)
        found = dict(self._kept)
        diagnosed = self.doctor.verdicts(now, alive)
        _keep(found, diagnosed, [said for each in alive for said in self.explainers.now(each, now)])
        return list(found.values())

    def clear(self) -> None:
        """Forget what was found so far."""
        self._kept.clear()


def as_object(verdict: Verdict) -> dict[str, Any]:
    """*verdict* as an object of JSON, see docs/reference/trace-json.md."""
    facts = dataclasses.asdict(verdict)
    # A dissection has a kind and a connection too, by these names.
    return {"kind": "verdict", "conn": facts.pop("connection"), "about": facts.pop("kind"), **facts}


def _keep(into: dict[_Key, Verdict], diagnosed: Iterable[Verdict], explained: Iterable[Verdict]) -> None:
    # What the doctor says of the same kind it says anew; an explainer has one of each command, say.
    for each in diagnosed:
        into[each.connection, each.kind] = each
    for each in explained:
        into[each.connection, each.kind, each.text] = each
