"""The command about what of the traffic is shown, remembered and saved: ``:trace``."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbshell.errors import UsageError
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.rows import Notice
from pbshell.workbench.traffic.memory import Memory
from pbshell.workbench.traffic.showing import FORMS, Showing
from pbshell.workbench.traffic.sources import Sources

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

_USAGE = (
    "[on [calls|frames|full|json]|off|pause|resume [drop]|mark TEXT|clear|filter FILTER|filter off|"
    "save FILE [strict|auth|off]|load FILE|load off]"
)
_WORDS = ("on", "off", "pause", "resume", "mark", "clear", "filter", "save", "load")
_LEVELS = ("strict", "auth", "off")


@dataclass(frozen=True, slots=True)
class TraceState(Notice):
    """Whether the traffic is shown, in which *form*, and what of it: *filter* is empty for everything.

    *paused* is whether lines are kept back, so many are *waiting*. So many *frames* are remembered, and so many
    *forgotten*. *loaded* is the file that is looked at instead, if there is one.
    """

    on: bool
    form: str
    filter: str
    paused: bool
    waiting: int
    redact: str
    frames: int
    forgotten: int
    loaded: str

    def __str__(self) -> str:
        said = [self._shown()]
        if self.paused:
            said.append(f"paused, {counted(self.waiting, 'line')} kept back: :trace resume shows them")
        gone = f" (the first {self.forgotten:,} are not any more)" if self.forgotten else ""
        said.append(f"{counted(self.frames, 'frame')} remembered{gone}")
        if self.loaded:
            said.append(f":frames, :show, :why and :stats look at {visible(self.loaded, 100)}")
        return "; ".join(said)

    def _shown(self) -> str:
        if not self.on:
            return "trace off"
        only = f", only {visible(self.filter, 100)}" if self.filter else ""
        return f"trace on (redact={self.redact}), a line for each {_EACH[self.form]}{only}"


#: what has a line of its own
_EACH = {"calls": "call", "frames": "frame", "full": "frame and what is in it", "json": "frame, as JSON"}


@dataclass(frozen=True, slots=True)
class TurnedOn(Notice):
    """The traffic is shown from now on, in this *form*, what *filter* selects; the secrets of *redact* are covered."""

    form: str
    filter: str
    redact: str

    def __str__(self) -> str:
        only = f", only {visible(self.filter, 100)}" if self.filter else ""
        return f"trace on (redact={self.redact}{only}).  :trace filter EXPR, :trace save FILE"


@dataclass(frozen=True, slots=True)
class Told(Notice):
    """What was done, as a sentence."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Saved(Notice):
    """*frames* are in *file* now, which has so many *bytes*, with the secrets of *redact* covered.

    So many are *missing*, because they were not remembered any more.
    """

    file: str
    frames: int
    bytes: int
    redact: str
    missing: int

    def __str__(self) -> str:
        text = f"saved {counted(self.frames, 'frame')} to {visible(self.file, 200)}, {self.bytes:,} bytes, "
        text += f"redact={self.redact}"
        if self.missing:
            text += f"; the {counted(self.missing, 'frame')} before them had been forgotten"
        return text


@command(
    "trace",
    _USAGE,
    "the traffic, a line for each call: show it, save it, load a capture in its place",
    raw=True,
    first=True,
)
def trace(bench: Workbench, line: str = "") -> Notice | Awaitable[Notice] | None:
    """Show the traffic, or no more; without a word, whether it is shown and what is remembered of it.

    Raises UsageError.
    """
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if not word:
        return _state(bench)
    done = _ACTIONS.get(word)
    if done is None:
        raise UsageError(f"there is no :trace {visible(word, 30)}: write {', '.join(_WORDS[:-1])} or {_WORDS[-1]}")
    if rest and word in ("off", "pause", "clear"):
        raise UsageError(f":trace {word} takes nothing behind it, and not {visible(rest, 30)!r}")
    told: Notice | Awaitable[Notice] | None = done(bench, rest)
    return told


def _state(bench: Workbench) -> TraceState:
    tracer, memory, loaded = bench.tracer, bench.part(Memory), bench.part(Sources).loaded
    showing = bench.part(Showing)
    return TraceState(
        on=tracer.on,
        form=showing.form or "calls",
        filter=showing.filter,
        paused=tracer.paused,
        waiting=tracer.waiting,
        redact=tracer.dissector.redact,
        frames=len(memory),
        forgotten=memory.forgotten.frames,
        loaded="" if loaded is None else loaded.name,
    )


def _on(bench: Workbench, form: str) -> Notice:
    if form not in ("", *FORMS):
        raise UsageError(f"there is no form {visible(form, 30)!r}: it is calls, frames, full or json")
    showing = bench.part(Showing)
    showing.turn_on(form)
    return TurnedOn(showing.form, showing.filter, bench.tracer.dissector.redact)


def _off(bench: Workbench, rest: str) -> Notice:
    dropped = bench.part(Showing).turn_off()
    return Told(f"trace off; {counted(dropped, 'line')} kept back and not shown" if dropped else "trace off")


def _pause(bench: Workbench, rest: str) -> Notice:
    if not bench.tracer.on:
        raise UsageError("the trace is off: there is nothing to pause, and :trace on shows the traffic")
    bench.tracer.pause()
    return Told("trace paused: lines are kept back.  :trace resume shows them, :trace resume drop does not")


def _resume(bench: Workbench, rest: str) -> Notice:
    if rest not in ("", "drop"):
        raise UsageError(f"write :trace resume, or :trace resume drop, and not {visible(rest, 30)!r}")
    tracer = bench.tracer
    if not tracer.paused:
        raise UsageError("the trace is not paused")
    # What is shown here comes before the notice does.
    missed, count = tracer.missed, tracer.resume(drop=bool(rest))
    lines = f"{counted(count, 'line')} {'dropped' if rest else 'shown'}"
    return Told(f"trace goes on, {lines}{f', {missed:,} before them were too many' if missed else ''}")


def _mark(bench: Workbench, text: str) -> None:
    if not text:
        raise UsageError("write what the line is to say: :trace mark TEXT")
    # The line is the answer.
    if not bench.part(Showing).mark(text):
        raise UsageError("nobody looks at the trace here")


def _clear(bench: Workbench, rest: str) -> Notice:
    memory = bench.part(Memory)
    frames = len(memory)
    memory.clear()
    return Told(f"forgot {counted(frames, 'frame')}; what is lent and which calls wait stays known")


def _filter(bench: Workbench, text: str) -> Notice:
    showing = bench.part(Showing)
    if not text:
        is_set = f"only {visible(showing.filter, 200)} is shown" if showing.filter else "everything is shown"
        return Told(f"{is_set}; :trace filter FILTER changes that, :trace filter off ends it")
    showing.choose("" if text == "off" else text)
    return Told("everything is shown" if text == "off" else f"only {visible(text, 200)} is shown")


# ------------------------------------------------------------------------------------------------ files


def _save(bench: Workbench, text: str) -> Notice:
    from pbshell.trace.capture import CaptureWriter  # noqa: PLC0415 (few sessions need it)
    from pbshell.workbench.traffic.sayer import Sayer  # noqa: PLC0415

    words = _words(text)
    if not words or len(words) > 2 or (len(words) == 2 and words[1] not in _LEVELS):
        raise UsageError("write :trace save FILE, and behind it which secrets are covered: strict, auth or off")
    path, level = _path(words[0]), words[1] if len(words) == 2 else "strict"
    memory = bench.part(Memory)
    pieces = list(memory.pieces())
    if not pieces:
        raise UsageError("nothing is remembered yet: there is nothing to save")
    at = pieces[0].at
    began = datetime.fromtimestamp(_wall(bench) + at, UTC)
    with CaptureWriter(path, began=began, clock=at, redaction=level, says=Sayer().says) as writer:
        for piece in pieces:
            writer.write(piece)
    if writer.problem:
        raise UsageError(writer.problem)
    first = memory.numbered
    return Saved(path, memory.latest - max(first, 1) + 1, writer.size, level, max(first - 1, 0))


def _wall(bench: Workbench) -> float:
    began = bench.part(Sources).live.began
    return 0.0 if began is None else began


async def _load(bench: Workbench, text: str) -> Notice:
    sources, words = bench.part(Sources), _words(text)
    if len(words) != 1:
        raise UsageError("write :trace load FILE, or :trace load off to look at the connections again")
    if words[0] == "off":
        if sources.loaded is None:
            raise UsageError("no file is loaded: what is looked at are the connections")
        sources.loaded = None
        return Told(":frames, :show, :why and :stats look at the connections again")
    source = await sources.load(_path(words[0]))
    count = len(source.conversations())
    said = [f"{source.name}: {counted(len(source.past), 'frame')} of {counted(count, 'connection')}"]
    said += filter(None, (source.missing, *source.notes))
    return Told(f"{'; '.join(said)}.  :frames, :why, :stats look at it, until :trace load off")


def _path(word: str) -> str:
    try:
        return str(Path(word).expanduser())
    except RuntimeError:  # somebody who has no home
        return word


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{visible(text, 60)}: {error}") from None


_ACTIONS: dict[str, Callable[[Workbench, str], Any]] = {
    "on": _on,
    "off": _off,
    "pause": _pause,
    "resume": _resume,
    "mark": _mark,
    "clear": _clear,
    "filter": _filter,
    "save": _save,
    "load": _load,
}
