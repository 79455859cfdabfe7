"""A verdict: in one sentence, what is wrong or stands out on a connection. Knows words, not how one is reached."""

from __future__ import annotations

from dataclasses import dataclass

from pbshell.wire.text import visible

__all__ = ["SEVERITIES", "Verdict"]

#: How much a verdict matters, the worst first.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say about *connection*.

    *kind* is a word or two for programs, *severity* one of SEVERITIES, and *text* one sentence with the cause, the
    side that it lies with and, where there is one, the setting that changes it. *evidence* are the facts it rests on,
    a line each, *unseen* is what could not be seen and might change it, and *frames* are numbers of dissections.
    """

    connection: int
    kind: str
    severity: str
    text: str
    evidence: tuple[str, ...] = ()
    unseen: str = ""
    frames: tuple[int, ...] = ()

    def line(self) -> str:
        """All but the evidence in one line that a terminal shows as it is."""
        unseen = f" (not seen: {self.unseen})" if self.unseen else ""
        return visible(f"{self.severity}: connection {self.connection}: {self.text}{unseen}")
