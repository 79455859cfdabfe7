"""What the doctor finds, step by step, and what follows from it. Knows words; examines nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from pbshell.workbench.exitcodes import ExitCode

__all__ = ["FAILED", "OK", "SKIPPED", "WARNING", "Checkup", "Step", "Told"]

#: how a step ended
OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """The step *name* ended in this *state*: ok, warning, failed or skipped. *text* is what was found.

    *seconds* is how long it took, None where that says nothing. *hint* is what to do, or empty.
    """

    name: str
    state: str
    text: str
    seconds: float | None = None
    hint: str = ""

    def object(self) -> dict[str, Any]:
        """The step for a program."""
        return {"kind": "step", **asdict(self)}


#: Told each step when it is done.
Told: TypeAlias = Callable[[Step], object]


@dataclass(frozen=True, slots=True)
class Checkup:
    """All *steps* with what *about* they were made, and what follows: *text*, with the next thing to do as *hint*."""

    about: str
    steps: tuple[Step, ...]
    text: str
    hint: str = ""
    code: ExitCode = ExitCode.OK
    #: names of values that are worth a field of their own for a program
    facts: dict[str, Any] = field(default_factory=dict)

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each step, then the conclusion."""
        yield from (step.object() for step in self.steps)
        yield self.conclusion()

    def conclusion(self) -> dict[str, Any]:
        """The conclusion for a program."""
        told = {"kind": "conclusion", "about": self.about, "code": int(self.code), "text": self.text, "hint": self.hint}
        return {**told, **self.facts}
