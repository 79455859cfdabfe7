"""The traffic of any number of connections: recorded, explained, selected, and handed on as lines.

Knows the order of the steps and the bounds; opens nothing, and does not know where lines and words go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pbshell.trace import Conversation, Dissection, Dissector
from pbshell.trace.explain import Frames
from pbshell.trace.explainers import Explainers
from pbshell.trace.filters import Filter, parse
from pbshell.trace.forms.wording import counted
from pbshell.trace.verdict import SEVERITIES, Verdict
from pbshell.wire.chunk import LinkEvent, Piece, Side
from pbshell.wire.verbs import Answer, Message
from pbshell.workbench.traffic.verdicts import Verdicts

if TYPE_CHECKING:
    from pbshell.trace.diagnosis import Doctor

__all__ = ["Bounds", "Formatter", "Nothing", "Tracer"]

#: methods, and verdicts, that are remembered; and those of a login, which nobody calls by hand
_REMEMBERED = 1000
_LOGIN = ("login", "loginAnonymous", "respond")
#: lines that are kept while it is paused
_KEPT = 10_000
#: seconds of the link's clock after which it is looked for what has become due
_TICK = 0.25


class Formatter(Protocol):
    """Makes lines of dissections; each method gives those that are complete with it. It does not know the time."""

    def header(self) -> str:
        """What stands above the lines; empty if nothing does."""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """Lines for *dissection*."""

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """Lines that have become due at *now* (seconds)."""

    def finish(self, now: float) -> list[str]:
        """Lines that only the end completes."""


class Nothing:
    """A formatter that shows nothing, whatever it is given."""

    def __init__(self, *settings: object) -> None:
        pass

    def header(self) -> str:
        """Nothing."""
        return ""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """Nothing."""
        return []

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """Nothing."""
        return []

    def finish(self, now: float) -> list[str]:
        """Nothing."""
        return []


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the showing stops: after *lines*, or *seconds*; above *rate* lines in a second some are left out.

    None is no bound. The seconds are those of the link's clock, from the first piece or tick on.
    """

    lines: int | None = None
    seconds: float | None = None
    rate: int | None = None


class Tracer:
    """Explains what its `tap` is given, and hands on the lines while it is *on*.

    It reads along when it is off too: an answer is only understood by whoever has seen the call, and the secrets of
    a login are only known to whoever has seen it begin.

    *show* takes one line of data, *say* one of words for people; neither may block. *record* takes each piece before
    it is explained. *stopped* is called once when a bound is reached, with a sentence.
    """

    def __init__(
        self,
        show: Callable[[str], None] | None = None,
        *,
        say: Callable[[str], None] | None = None,
        formatter: Formatter | None = None,
        select: Filter | None = None,
        redact: str = "auth",
        record: Callable[[Piece], object] | None = None,
        explainers: Explainers | None = None,
        bounds: Bounds = Bounds(),
        stopped: Callable[[str], None] | None = None,
    ) -> None:
        self.on = False
        self.show = show
        self.say = say
        self.formatter = formatter or Frames()
        self.select = select or parse("")
        self.record = record
        self.verdicts = Verdicts(explainers or Explainers(tell=self._say), _REMEMBERED)
        self.dissector = Dissector(redact=redact)
        self.bounds = bounds
        self.stopped = stopped
        #: called with each piece before it is explained, and with each dissection and its conversation, also when off
        self.tapped: list[Callable[[Piece], object]] = []
        self.watchers: list[Callable[[Dissection, Conversation], object]] = []
        #: the server's methods that were called and have answered, in the order of their first answers
        self.methods: dict[str, None] = {}
        #: when the last piece came (seconds on the link's clock)
        self.now = 0.0
        #: the connections that have not ended
        self.open: set[int] = set()
        #: messages that would have been shown if a bound had not been reached before
        self.unshown = 0
        #: lines that were left out while it was paused, because too many were kept already
        self.missed = 0
        self._kept: deque[str] | None = None
        self._began: float | None = None
        self._ticked = 0.0
        self._shown = 0
        self._second = (0, 0)  # the second that is being shown, and lines in it
        self._left_out = 0
        self._stopped = False

    @property
    def doctor(self) -> Doctor:
        """Who knows what grows."""
        return self.verdicts.doctor

    def tap(self, piece: Piece) -> None:
        """Take one piece of a capture: what `connect`, `serve` and `relay` call a tap."""
        if self._began is None:
            self._began = piece.at
        if self.record is not None:
            self.record(piece)
        for tell in self.tapped:
            tell(piece)
        if piece.at - self._ticked >= _TICK:
            self.tick(piece.at)
        self.now = max(self.now, piece.at)
        self._stop_at_time()
        for dissection in self.dissector.feed(piece):
            self._see(dissection)
        if isinstance(piece, LinkEvent) and piece.kind == "closed":
            self.open.discard(piece.connection)
        else:
            self.open.add(piece.connection)

    def tick(self, now: float) -> None:
        """Time has come to *now* (seconds on the link's clock): show what is due."""
        self._began = now if self._began is None else self._began
        self.now = max(self.now, now)
        self._ticked = now
        if self.on:
            self._show(self.formatter.tick(now, list(self.dissector.connections.values())))
        self._stop_at_time()

    def finish(self) -> None:
        """Nothing more comes: show what only the end completes."""
        for dissection in self.dissector.finish(self.now):
            self._see(dissection)
        if self.on:
            self._show(self.formatter.finish(self.now))
        self._tell_left_out()

    def stop(self, why: str) -> None:
        """Show no more, as at a bound: *why* is a sentence about it."""
        self.on = False
        self._stopped = True
        self._tell_left_out()
        if self.stopped is not None:
            self.stopped(why)

    @property
    def paused(self) -> bool:
        """Whether lines are kept back."""
        return self._kept is not None

    @property
    def waiting(self) -> int:
        """How many lines are kept back."""
        return len(self._kept or ())

    def pause(self) -> None:
        """Keep back what would be shown from here on, the last 10,000 lines of it."""
        if self._kept is None:
            self._kept = deque(maxlen=_KEPT)
            self.missed = 0

    def resume(self, *, drop: bool = False) -> int:
        """Show again, and first what was kept back, or *drop* it. Returns how many lines that are."""
        kept, self._kept = self._kept or (), None
        if not drop:
            self._show(kept)
        return len(kept)

    def insert(self, line: str) -> None:
        """Put *line* between the others, whether the traffic is shown or not."""
        if self._kept is not None:
            self._kept.append(line)
        elif self.show is not None:
            self.show(line)

    def why(self, now: float | None = None) -> list[Verdict]:
        """Why connections have ended and calls hang, as it stands at *now* (seconds), the worst first."""
        now = self.now if now is None else now
        # The dissector has the one that ended last still in its list.
        alive = [each for each in self.dissector.connections.values() if each.number in self.open]
        return sorted(self.verdicts.at(now, alive), key=lambda verdict: SEVERITIES.index(verdict.severity))

    def _see(self, dissection: Dissection) -> None:
        conversation = self.dissector.connections[dissection.connection]
        self._remember(dissection)
        self.verdicts.see(dissection, conversation)
        for tell in self.watchers:
            tell(dissection, conversation)
        if (self.on or self._stopped) and self.select(dissection, conversation):
            if self.on:
                self._show(self.formatter.see(dissection, conversation))
            else:
                self.unshown += 1

    def _remember(self, dissection: Dissection) -> None:
        call = dissection.call
        if call is None or call.sender is not Side.CLIENT or not isinstance(dissection.what, Answer):
            return
        if isinstance(call.what, Message) and len(self.methods) < _REMEMBERED:
            name = call.what.method.decode("utf-8", "replace")
            if name.isidentifier() and name not in _LOGIN:
                self.methods[name] = None

    # ------------------------------------------------------------------------------------ what is shown

    def _show(self, lines: Iterable[str]) -> None:
        if self.show is None:
            return
        for line in lines:
            if not self.on:
                return
            if self._kept is not None:
                self.missed += len(self._kept) == _KEPT
                self._kept.append(line)
            elif self._is_within_rate():
                self.show(line)
                self._shown += 1
                self._stop_at_line()

    def _is_within_rate(self) -> bool:
        rate = self.bounds.rate
        if rate is None:
            return True
        second, count = self._second
        if int(self.now) != second:
            self._tell_left_out()
            second, count = int(self.now), 0
        self._second = second, count + 1
        if count < rate:
            return True
        self._left_out += 1
        return False

    def _tell_left_out(self) -> None:
        if self._left_out:
            lines = "1 line is" if self._left_out == 1 else f"{self._left_out:,} lines are"
            self._say(f"{lines} left out: more than {self.bounds.rate} came in a second (--rate)")
            self._left_out = 0

    def _stop_at_line(self) -> None:
        lines = self.bounds.lines
        if lines is not None and self._shown >= lines:
            self.stop(f"{counted(lines, 'line')} {'has' if lines == 1 else 'have'} been shown (-n)")

    def _stop_at_time(self) -> None:
        seconds = self.bounds.seconds
        if self.on and seconds is not None and self._began is not None and self.now - self._began >= seconds:
            self.stop(f"{seconds:g} s have been shown (--for)")

    def _say(self, text: str) -> None:
        if self.say is not None:
            self.say(text)
