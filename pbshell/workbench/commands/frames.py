"""Commands about what was said: ``:frames``, ``:show``, ``:follow``, ``:seq``, ``:diff``, ``:stats``, ``:why``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbshell.errors import CaptureError, UsageError
from pbshell.trace.filters import parse
from pbshell.trace.forms.naming import labelled, request_of
from pbshell.trace.studies.stats import BY
from pbshell.trace.studies.stats import Statistics as Counter
from pbshell.wire.text import visible
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.traffic.frames import (
    CallDifference,
    Chart,
    FileDifferences,
    Frames,
    Shown,
    Statistics,
    bytes_of,
    chart,
    compare_calls,
    compare_files,
)
from pbshell.workbench.traffic.memory import Frame
from pbshell.workbench.traffic.pointing import Pointer, is_call, is_object, touches
from pbshell.workbench.traffic.sources import Source, Sources
from pbshell.workbench.traffic.whys import Why, why

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

#: frames that are listed, and that are charted, if nobody says how many
_LISTED, _CHARTED = 20, 60
_FORMS = ("full", "hex", "tree")


def _source(bench: Workbench) -> Source:
    return bench.part(Sources).current


@command("frames", "[NUMBER|A-B] [FILTER]", "what was said last, frame by frame, or frames A to B", raw=True)
def frames(bench: Workbench, line: str = "") -> Frames:
    """The last 20 frames, or so many, or those from A to B, that a filter selects. Raises UsageError."""
    source = _source(bench)
    word, _, rest = line.strip().partition(" ")
    ends = Pointer(bench, source).range(word)
    if ends is None and not word.isdecimal():
        word, rest = "", line
    select = parse(rest.strip())
    past = source.past
    if ends is not None:
        found = [frame for frame in past.between(*ends) if select(*frame)]
        if ends[0] < past.first and not found:
            raise UsageError(f"frames {word} are not remembered: {past.first:,} to {past.latest:,} are")
    else:
        last = islice((frame for frame in past.backwards() if select(*frame)), int(word or _LISTED))
        found = list(last)[::-1]
    # Those who ask for the last ones do not miss the first.
    is_cut = bool(found) and past.forgotten.frames and (ends is None and len(found) < int(word or _LISTED))
    empty = "no frame is like that" if len(past) else "nothing was said yet"
    return Frames(tuple(found), source.began, source.missing if is_cut else "", empty)


@command("show", "FRAME|CALL [full|hex|tree]", "one frame with all that is in it, or its bytes")
def show(bench: Workbench, which: Any, form: str = "full") -> Shown:
    """The frame of a number, or of a call such as c#7. Raises UsageError."""
    if form not in _FORMS:
        raise UsageError(f"a frame is shown as {', '.join(_FORMS[:-1])} or {_FORMS[-1]}, not as {visible(form, 30)!r}")
    source = _source(bench)
    frame = Pointer(bench, source).frame(which)
    data = None
    if form == "hex":
        data = bytes_of(source, frame)
        if data is None:
            raise UsageError(f"frame {frame[0].number} has no bytes, or they are not remembered")
    return Shown(frame, form, source.began, data)


@command("follow", "CALL|REF|FRAME", "all frames of one call, or of one object from its birth to its end")
def follow(bench: Workbench, which: Any) -> Frames:
    """All that is remembered of one call (c#7, or a frame of it), or of one object (s3, a name). Raises UsageError."""
    source = _source(bench)
    pointer = Pointer(bench, source)
    if is_call(which) or (not is_object(which) and str(which).lstrip("#").isdecimal()):
        call, conversation = pointer.call(which)
        found = [each for each in source.past.frames() if each[0] is call or each[0].call is call]
        if not found:
            found = [(call, conversation)]
        is_open = all(each[0].call is not call for each in found) and call.number
        about = f"{request_of(call)}: no answer is remembered" if is_open else ""
        return Frames(tuple(found), source.began, about)
    lent, conversation = pointer.object(which)
    found = [each for each in source.past.frames() if each[1] is conversation and touches(each[0], lent)]
    tomb = conversation.tombs[lent.owner].get(lent.luid)
    state = f"lent no more: {tomb.reason} (#{tomb.number})" if tomb is not None and tomb.lent is lent else ""
    if not state:
        is_open = any(each is conversation for each in source.alive())
        state = f"called {lent.used:,}x" if is_open else "dropped when its connection ended"
    if lent.born and lent.born < source.past.first:
        state += f"; its birth in #{lent.born} is not remembered any more"
    return Frames(tuple(found), source.began, f"{labelled(lent)}: {state}")


@command("seq", "[A-B]", "a sequence diagram for mermaid, of the last 60 frames or of frames A to B")
def seq(bench: Workbench, which: str = "") -> Chart:
    """The text of a diagram. Raises UsageError."""
    source = _source(bench)
    if not which:
        found: list[Frame] = source.past.last(_CHARTED)
    else:
        ends = Pointer(bench, source).range(which)
        if ends is None:
            raise UsageError(f"{visible(which, 30)!r} is no range of frames: write the first and the last, as 40-61")
        found = source.past.between(*ends)
    if not found:
        raise UsageError("nothing of that is remembered: :frames lists what is")
    return chart(found)


@command("diff", "CALL CALL|FRAME FRAME|FILE FILE", "what differs between two calls, or between two captures")
def diff(bench: Workbench, a: Any, b: Any) -> Rows[CallDifference] | Awaitable[FileDifferences]:
    """Two calls, by their ids or frames, or two files. Raises UsageError."""
    if _is_file(a) or _is_file(b):
        return _diff_files(_path(a), _path(b))
    source = _source(bench)
    pointer = Pointer(bench, source)
    rows = compare_calls(source, pointer.call(a), pointer.call(b))
    return Rows(CallDifference, rows, "the two calls are alike, in their answers and durations too")


def _is_file(word: Any) -> bool:
    return not (is_call(word) or str(word).lstrip("#").isdecimal()) or Path(str(word)).is_file()


def _path(word: Any) -> str:
    try:
        return str(Path(str(word)).expanduser())
    except RuntimeError:  # somebody who has no home
        return str(word)


async def _diff_files(a: str, b: str) -> FileDifferences:
    try:
        # Files are long, and the connections have to go on.
        return await asyncio.to_thread(compare_files, a, b)
    except CaptureError as error:
        raise UsageError(str(error)) from None


@command(
    "stats", "[by method|by peer|by object|by user] [FILTER]", "how many calls, how long they take, how large", raw=True
)
def stats(bench: Workbench, line: str = "", by: str = "") -> Statistics:
    """The calls that are remembered, by method, peer, object or user. Raises UsageError."""
    words = line.split(None, 2)
    if words[:1] == ["by"] and not by:
        by, line = words[1] if len(words) > 1 else "", words[2] if len(words) > 2 else ""
        if by not in BY:
            raise UsageError(f"calls are counted by {', '.join(BY[:-1])} or {BY[-1]}, not by {visible(by, 30)!r}")
    elif by and by not in BY:
        raise UsageError(f"calls are counted by {', '.join(BY[:-1])} or {BY[-1]}, not by {visible(by, 30)!r}")
    source = _source(bench)
    counter = Counter(by or "method", parse(line) if line.strip() else None)
    for frame in source.past.frames():
        counter.see(*frame)
    return Statistics(by or "method", tuple(counter.rows(source.alive())), source.missing)


@command("why", "[CALL|CONN|REF]", "why connections have ended, calls hang, and a reference is dead", first=True)
def why_(bench: Workbench, which: Any = "") -> Why:
    """What is wrong, with all connections or with one call, connection or object. Raises UsageError."""
    sources = bench.part(Sources)
    return why(bench, sources.current, which, sources.now)
