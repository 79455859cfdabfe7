"""A dissection as one plain line, and `-o frames`: a line for each. Knows words and columns; knows no colours.

Ids carry their owner: ``c3`` is lent by the client, ``s3`` by the server, and ``c#7`` is a call of the client.
``>`` is from client to server, ``<`` the other way, ``x`` the link itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.forms.clock import Clock
from pbshell.trace.forms.columns import columns, cut, pad
from pbshell.trace.forms.naming import request
from pbshell.trace.forms.wording import changes, duration, glimpse, oddities, seeded, unread
from pbshell.trace.values import arguments, failure, identity, spell
from pbshell.wire.banana import DIALECTS
from pbshell.wire.chunk import LinkEvent, Seed, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import (
    PB_VERSION,
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Message,
    Uncache,
    Version,
)

__all__ = ["Frames", "duration", "explain", "says"]

_CACHES = {Decache: "decache", Uncache: "uncache"}
#: characters of values, where no width says how many there is room for, and in a few words
_ROOM, _BRIEF = 160, 80
#: columns that the words of a line keep when the changes behind them leave less, and those that changes need
_WORDS, _STUB = 24, 8


class Frames:
    """`-o frames`: every dissection as a line of at most *width* columns (None: of any length), as `explain` has it.

    *times*, *zero* and *began* say how a line tells its time, see `Clock`.
    """

    def __init__(
        self, width: int | None = None, times: str = "rel", zero: float | None = None, *, began: float | None = None
    ) -> None:
        self._width = width
        self._clock = Clock(times, zero, began)

    def resize(self, width: int | None) -> None:
        """Lines have at most *width* columns from here on."""
        self._width = width

    def header(self) -> str:
        """What stands above the lines: nothing, each says itself what it is."""
        return ""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """The line of *dissection*."""
        self._clock.begin(conversation.first)
        time = self._clock.text(dissection.at).rjust(9)
        head = f"{dissection.number:>4} {time} {dissection.connection} {_arrow(dissection)} "
        if self._width is None:
            return [(head + _behind(dissection, _ROOM)).rstrip()]
        room = self._width - columns(head)
        line = _behind(dissection, room)
        if columns(line) > room:
            line = _shortened(dissection, room)
        return [cut(f"{head}{line}".rstrip(), self._width)]

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """Nothing becomes due: what is said is shown at once."""
        return []

    def finish(self, now: float) -> list[str]:
        """Nothing is kept back."""
        return []


def explain(dissection: Dissection, began: float = 0.0, room: int = _ROOM) -> str:
    """*dissection* as one line: number, seconds since *began*, connection, direction, verb, what it says, bytes.

    Between the words and the bytes stands what they changed in the books. Arguments and results are cut to about
    *room* characters, and tell their length then.
    """
    seconds = dissection.at - began
    head = f"{dissection.number:>4} {seconds:+9.3f} {dissection.connection} {_arrow(dissection)} "
    return (head + _behind(dissection, room)).rstrip()


def says(dissection: Dissection, room: int = _BRIEF) -> str:
    """*dissection* in a few words, for whoever reads a file: the line without number, time, connection and bytes."""
    word, words, link = _words(dissection, room)
    return visible(" ".join(filter(None, (word, *words.split("  "), _aside(link).strip()))))


def _arrow(dissection: Dissection) -> str:
    if dissection.sender is None or isinstance(dissection.what, LinkEvent):
        return "x"
    return ">" if dissection.sender is Side.CLIENT else "<"


def _behind(dissection: Dissection, room: int) -> str:
    """What stands behind the arrow, with values in about *room* characters."""
    word, words, link = _words(dissection, room)
    return f"{word:<8} {words}{_aside(link)}{_changes(dissection)}{_size(dissection)}"


def _shortened(dissection: Dissection, room: int) -> str:
    """The same in *room* columns. An error's text is cut last of all, any other words first, but not to a stub."""
    word, words, link = _words(dissection, room)
    room -= 9
    changed, size = _changes(dissection), _size(dissection)
    short = _aside(link if dissection.call is None else link[link.rindex("#") :])
    kept = columns(words) if isinstance(dissection.what, ErrorAnswer) else min(columns(words), _WORDS)
    for behind in (_aside(link) + changed + size, short + changed + size, short + changed, changed):
        if kept + columns(behind) <= room:
            break
    else:
        left = room - kept
        behind = cut(changed, left) if left >= _STUB else ""
    return f"{pad(word, 8)} {cut(words, room - columns(behind))}{behind}"


def _changes(dissection: Dissection) -> str:
    """What *dissection* changed in the books, and what is odd about it."""
    if not dissection.notes:
        return ""
    said = [*changes(dissection.notes), oddities(dissection.notes)]
    return "".join(f"  {words}" for words in said if words)


def _aside(link: str) -> str:
    return f"  ({link})" if link else ""


def _size(dissection: Dissection) -> str:
    return f"  {dissection.size:,} B" if dissection.size else ""


def _words(dissection: Dissection, room: int) -> tuple[str, str, str]:
    """The verb in at most eight characters, what it says, and an aside to that."""
    what = dissection.what
    if isinstance(what, LinkEvent):
        by = f"by the {what.by.value}" if what.by else ""
        return visible(what.kind, 20), "  ".join(filter(None, (by, visible(what.detail, room)))), ""
    if isinstance(what, Unseen):
        return "unseen", f"{visible(what.why, room)}{glimpse(what.data)}", ""
    if isinstance(what, Seed):
        return "seed", seeded(what), ""
    if isinstance(what, Undecodable):
        return "?", f"not understood: {unread(what)}{glimpse(what.data)}", ""
    if isinstance(what, Offer):
        return "offer", "dialects " + ", ".join(visible(name, 20) for name in what.dialects[:8]), ""
    if isinstance(what, Choice):
        return "choice", f"dialect {visible(what.dialect, 20)}", "" if what.dialect in DIALECTS else "never heard of it"
    if isinstance(what, Version):
        wrong = "" if what.number == PB_VERSION else f"only {PB_VERSION} exists"
        return "version", spell(what.number, Side.CLIENT, 20), wrong
    assert dissection.sender is not None
    return _verb(dissection, dissection.sender, room)


def _verb(dissection: Dissection, sender: Side, room: int) -> tuple[str, str, str]:
    what = dissection.what
    if isinstance(what, (Message, CacheMessage)):
        target = identity(sender.other, what.object) if isinstance(what, Message) else identity(sender, what.cache)
        call = f"{target}.{visible(what.method, 60)}({arguments(what.args, what.kwargs, sender, room)})"
        word = "message" if isinstance(what, Message) else "cachemsg"
        return word, f"{request(sender, what.request)}  {call}", "" if what.wants_answer else "wants no answer"
    if isinstance(what, Answer):
        result = f"{request(sender.other, what.request)}  = {spell(what.result, sender, room)}"
        return "answer", result, _answered(dissection)
    if isinstance(what, ErrorAnswer):
        error = f"{request(sender.other, what.request)}  ! {failure(what.failure, sender, room)}"
        return "error", error, _answered(dissection)
    if isinstance(what, Decref):
        return "decref", identity(sender.other, what.object), ""
    if isinstance(what, DidNotUnderstand):
        return "unknown", f"the verb {spell(what.word, sender, room)}", ""
    # A holder decaches what the other side lends; an owner uncaches what it lends itself.
    assert isinstance(what, (Decache, Uncache))
    return _CACHES[type(what)], identity(sender if isinstance(what, Uncache) else sender.other, what.cache), ""


def _answered(dissection: Dissection) -> str:
    """Which call this answers, and how long that took."""
    call = dissection.call
    if call is None or dissection.elapsed is None:
        return "its call was not seen"
    assert isinstance(call.what, (Message, CacheMessage))
    return f"{visible(call.what.method, 40)} #{call.number}, {duration(dissection.elapsed)}"
