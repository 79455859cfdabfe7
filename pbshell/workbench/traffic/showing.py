"""What of the traffic is shown while it comes: whether, in which form, of which width, by which clock.

Knows the forms and the loop's clock; makes no line, and does not know where lines go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from pbshell.trace import Conversation, Dissection
from pbshell.trace.filters import parse
from pbshell.wire.text import visible
from pbshell.workbench.settings import Settings
from pbshell.workbench.traffic.tracer import Formatter

if TYPE_CHECKING:
    from pbshell.trace.explain import Frames
    from pbshell.trace.forms.calls import Calls
    from pbshell.wire.chunk import Piece
    from pbshell.workbench.workbench import Workbench

__all__ = ["FORMS", "Showing", "form_of", "zero"]

#: what makes the lines of each form, and where that is
FORMS = {
    "calls": ("pbshell.trace.forms.calls", "Calls"),
    "frames": ("pbshell.trace.explain", "Frames"),
    "full": ("pbshell.trace.forms.tree", "Full"),
    "json": ("pbshell.trace.forms.jsonlines", "Json"),
}

#: seconds between two looks at what is due, and characters of a mark
_LOOK, _MARK = 0.25, 200


def form_of(name: str, width: int | None, zero: float | None) -> Formatter:
    """What makes lines of the form *name*. *zero* is when the link's clock was 0, in seconds since 1970, if known."""
    module, form = FORMS[name]
    make: Callable[[int | None, str, float | None], Formatter] = getattr(import_module(module), form)
    return make(width, "clock", zero)


def zero() -> float | None:
    """When the loop's clock was 0, in seconds since 1970; None without a loop."""
    try:
        return time.time() - asyncio.get_running_loop().time()
    except RuntimeError:
        return None


class _Fitted:
    """A *form* whose width may change from line to line. Its header stands above the first of them."""

    def __init__(self, form: Calls | Frames, columns: Callable[[], int | None]) -> None:
        self._form = form
        self._columns = columns
        self._is_first = True

    def header(self) -> str:
        return ""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        self._form.resize(self._columns())
        return self._headed(self._form.see(dissection, conversation))

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        self._form.resize(self._columns())
        return self._headed(self._form.tick(now, conversations))

    def finish(self, now: float) -> list[str]:
        return self._form.finish(now)

    def _headed(self, lines: list[str]) -> list[str]:
        header = self._form.header() if lines and self._is_first else ""
        self._is_first = self._is_first and not lines
        return [header, *lines] if header else lines


class Showing:
    """How the tracer of *bench* shows the traffic. While it does, what becomes due is shown without traffic too."""

    def __init__(self, bench: Workbench) -> None:
        self._tracer = bench.tracer
        self._say = bench.say
        #: the columns of the screen, asked for before each line; None where lines may be of any length
        self.columns: Callable[[], int | None] | None = None
        #: the loop's clock in seconds; None stands for that of the loop that runs
        self.clock: Callable[[], float] | None = None
        #: the form of what is shown, one of FORMS; empty until somebody has asked for one
        self.form = ""
        self._timer: asyncio.TimerHandle | None = None
        self._tracer.tapped.append(self._piece)
        settings = bench.part(Settings)
        settings.watch("form", self._prefer)
        settings.watch("rate", lambda rate: setattr(bench.tracer, "bounds", replace(bench.tracer.bounds, rate=rate)))
        settings.watch("redact", lambda level: setattr(bench.tracer.dissector, "redact", level))

    def fit(self, columns: Callable[[], int | None]) -> None:
        """Lines are for a screen of so many *columns*, asked for before each; also those of a trace that is on."""
        self.columns = columns
        if self._tracer.on:
            self.turn_on(self.form or "calls")

    @property
    def filter(self) -> str:
        """What is shown; empty for everything."""
        return self._tracer.select.text

    def turn_on(self, form: str = "") -> None:
        """Show the traffic from now on, in the *form* of that name, or of the last one, or calls."""
        tracer = self._tracer
        if form or not self.form:
            self.form = form or "calls"
        if not tracer.on or form:
            made = form_of(self.form, None, zero())
            if self.columns is not None and self.form in ("calls", "frames"):
                made = _Fitted(made, self.columns)  # type: ignore[arg-type]  # the two that can be resized
            tracer.formatter = made
            self._explain()
        tracer.on = True
        self._watch()

    def _prefer(self, form: str) -> None:
        """What the settings say: it holds at once, if anything is shown."""
        self.form = form
        if self._tracer.on:
            self.turn_on(form)

    def turn_off(self) -> int:
        """Show no more. Returns how many lines were kept back, and are dropped."""
        dropped = self._tracer.resume(drop=True)
        self._tracer.on = False
        return dropped

    def choose(self, text: str) -> None:
        """Show what the filter *text* selects, everything if it is empty. Raises BadFilter."""
        self._tracer.select = parse(text)

    def mark(self, text: str) -> bool:
        """A line with *text* between those of the trace. Whether there is anybody to see it."""
        tracer = self._tracer
        if tracer.show is None:
            return False
        tracer.insert(f"---- {visible(text, _MARK)} ----")
        return True

    # ------------------------------------------------------------------------------------ what becomes due

    def _piece(self, piece: Piece) -> None:
        if self._timer is None and self._tracer.on:
            self._watch()

    def _watch(self) -> None:
        if self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)
            except RuntimeError:
                # Without a loop there is no time that passes.
                return

    def _look(self) -> None:
        self._timer = None
        if self._tracer.on:
            clock = self.clock or asyncio.get_running_loop().time
            self._tracer.tick(clock())
            self._watch()

    def _explain(self) -> None:
        """Have the explainers look on, from the first time on that somebody does."""
        from pbshell.trace.explainers import Explainers  # noqa: PLC0415 (they are looked for, and that takes a while)

        verdicts = self._tracer.verdicts
        if not verdicts.explainers.names:
            verdicts.explainers = Explainers.load(tell=self._say)
