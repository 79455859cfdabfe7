"""The words for what happens: calls and results, what changes in the books, what the link does.

Knows what an object is called; knows no lines and no columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbshell.trace.dissector import Undecodable
from pbshell.trace.forms.naming import request_of
from pbshell.trace.notes import (
    Cached,
    Decached,
    Ended,
    Exported,
    Large,
    Note,
    Odd,
    Released,
    Uncached,
)
from pbshell.trace.values import identity
from pbshell.wire.chunk import LinkEvent, Seed
from pbshell.wire.foreign import recognise
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.text import visible

__all__ = [
    "amount",
    "changes",
    "counted",
    "duration",
    "ended",
    "glimpse",
    "happened",
    "left",
    "oddities",
    "seeded",
    "unread",
]

#: changes of the books, and unanswered calls, that are listed one by one
_LISTED = 5
#: characters of a detail
_DETAIL = 200
#: bytes of an unknown protocol that are shown
_GLIMPSE = 16


# ------------------------------------------------------------------------------------------------ numbers


def duration(seconds: float) -> str:
    """*seconds* in the unit a person would choose."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 119.5:
        return f"{seconds:.1f} s"
    if seconds < 3_599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} m {rest:02} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {rest:02} m"


def amount(size: int) -> str:
    """*size* bytes in at most eight columns: ``402 B``, ``12,345 B``, ``700 kB``, ``12 MB``."""
    if size < 100_000:
        return f"{size:,} B"
    return f"{size / 1e3:,.0f} kB" if size < 9_999_500 else f"{size / 1e6:,.0f} MB"


def counted(count: int, what: str) -> str:
    """*count* with the word for it: ``1 call``, ``2 calls``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


# ------------------------------------------------------------------------------------------------ the books


def changes(notes: Iterable[Note]) -> Iterator[str]:
    """What *notes* say of the books, a few words each; of many alike the first ones and how many follow."""
    lent = [note for note in notes if isinstance(note, (Exported, Cached))]
    for note in lent[:_LISTED]:
        cache = "cache " if isinstance(note, Cached) else ""
        yield f"{cache}{identity(note.lent.owner, note.lent.luid)} lent, count {note.count}"
    if len(lent) > _LISTED:
        yield f"{len(lent) - _LISTED:,} more lent"
    for each in notes:
        if isinstance(each, (Released, Decached)) and (rest := left(each)):
            yield f"count {each.count + 1} -> {each.count}{', free' if rest == 'free' else ''}"
        elif isinstance(each, Uncached):
            yield left(each)
        elif isinstance(each, Ended) and (words := ended(each)):
            yield words


def left(note: Released | Decached | Uncached) -> str:
    """What is lent after a receipt came back, if that is known: an object may have been met in the middle."""
    if isinstance(note, Uncached):
        return "free"
    if note.count:
        return f"{note.count:,} left"
    if not note.lent.born:
        return ""
    return "free" if isinstance(note, Released) else "none left"


def oddities(notes: Iterable[Note]) -> str:
    """What is odd, in one line; nothing if nothing is."""
    odd = [visible(note.text, _DETAIL) for note in notes if isinstance(note, Odd)]
    large = [note.string for note in notes if isinstance(note, Large) and note.string > DEFAULT_LIMITS.string]
    odd += [f"a string of {size:,} bytes, and a stock peer takes {DEFAULT_LIMITS.string:,}" for size in large]
    return f"odd: {'; '.join(odd)}" if odd else ""


def ended(note: Ended, listed: int = _LISTED) -> str:
    """What a connection leaves behind: ``1 call unanswered (c#8), 1 reference and 1 cache dropped``.

    Fewer calls than five are *listed* where there is little room, and less is said in all.
    """
    parts = []
    count, short = len(note.unanswered), listed < _LISTED
    if count:
        calls = [request_of(call) for call in note.unanswered[:listed]]
        calls += [f"{count - listed:,} more"] if listed < count else []
        which = f" ({', '.join(calls)})" if listed else ""
        parts.append(f"{f'{count:,}' if short else counted(count, 'call')} unanswered{which}")
    kinds = ((note.references, "reference"), (note.caches, "cache"))
    dropped = " and ".join(counted(count, what) for count, what in kinds if count)
    if dropped:
        parts.append(f"{note.references + note.caches:,} dropped" if short else f"{dropped} dropped")
    return ", ".join(parts)


# ------------------------------------------------------------------------------------------------ the link


def happened(event: LinkEvent) -> str:
    """What the link did, as a sentence without its full stop."""
    detail = visible(event.detail, _DETAIL)
    who = "" if event.by is None else event.by.value
    if event.kind == "closed":
        return _closed(who, detail)
    if event.kind == "opened":
        return f"opened: {detail}" if detail else "opened"
    if event.kind in _EVENTS:
        by_whom, by_nobody = _EVENTS[event.kind]
        said = by_whom.format(who) if who else by_nobody
    else:
        said = visible(event.kind, 20) + (f" by the {who}" if who else "")
    return f"{said}: {detail}" if detail else said


#: what a side did, and what happened where nobody knows which side it was
_EVENTS = {
    "half_closed": ("{} will say no more", "one side will say no more"),
    "stalled": ("{} takes no more bytes", "one side takes no more bytes"),
    "resumed": ("{} takes bytes again", "bytes are taken again"),
    "gap": ("bytes of the {} are missing", "bytes are missing"),
}


def _closed(who: str, detail: str) -> str:
    how, _, reason = detail.partition(":")
    reason = reason.strip()
    if how in ("fin", "reset"):
        done = "closed" if how == "fin" else "reset"
        return f"{who} {done} the connection" if who else f"the connection was {done}"
    if how == "timeout":
        return f"{who or 'the other side'} did not answer in time{_because(reason)}"
    return f"{f'{who} closed the connection' if who else 'the connection was closed'}{_because(reason or detail)}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


# ------------------------------------------------------------------------------------------------ neither


def seeded(seed: Seed) -> str:
    """What was known when the capture met a connection that was under way."""
    return f"{counted(len(seed.lent), 'object')} lent, {counted(len(seed.awaited), 'call')} waiting"


def unread(what: Undecodable) -> str:
    """Why bytes were not understood, and which limit of a stock peer they are beyond."""
    reason = visible(what.reason, _DETAIL)
    return reason if not what.exceeds or what.exceeds in what.reason else f"{reason}; {visible(what.exceeds, _DETAIL)}"


def glimpse(data: bytes) -> str:
    """What *data* is the beginning of, or else how it begins, behind two blanks, if it is anything."""
    if not data:
        return ""
    foreign = recognise(data)
    return f"  this is {foreign}" if foreign is not None else f"  {visible(repr(data[:_GLIMPSE]))}"
