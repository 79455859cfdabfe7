"""Which frame, call, object or connection somebody means among those that are looked at.

``12`` and ``#12`` are frames, ``c#7`` is a call of the client, ``s3`` an object of the server; in front of these two a
connection may stand, as in ``alice:c#7``. Knows words; shows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pbshell.errors import UsageError
from pbshell.trace import Conversation, Dissection
from pbshell.trace.notes import Cached, Decached, Exported, Lent, Released, Uncached
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import CacheMessage, Luid, Message
from pbshell.workbench.books.finding import find
from pbshell.workbench.traffic.memory import Frame

if TYPE_CHECKING:
    from pbshell.workbench.traffic.sources import Source
    from pbshell.workbench.workbench import Workbench

__all__ = ["Pointer", "is_call", "is_object", "lent_in", "touches"]

T = TypeVar("T")

_CALL = re.compile(r"(?:(?P<conn>.+):)?(?P<side>[cs])#(?P<number>\d{1,18})")
_OBJECT = re.compile(r"(?:(?P<conn>.+):)?(?P<side>[cs])(?P<luid>\d{1,18})")
_FRAME = re.compile(r"#?(?P<number>\d{1,18})")
_RANGE = re.compile(r"#?(\d{1,18})-#?(\d{1,18})")


def is_call(word: object) -> bool:
    """Whether *word* is written as the id of a call."""
    return _CALL.fullmatch(str(word)) is not None


def is_object(word: object) -> bool:
    """Whether *word* is written as the id of an object."""
    return _OBJECT.fullmatch(str(word)) is not None


class Pointer:
    """Finds what is meant in *source*. In our own connections of *bench* the one in use comes first."""

    def __init__(self, bench: Workbench, source: Source) -> None:
        self._bench = bench
        self._source = source

    def range(self, word: str) -> tuple[int, int] | None:
        """The first and the last number of ``A-B``; None for what is no range. Raises UsageError."""
        match = _RANGE.fullmatch(word)
        if match is None:
            return None
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise UsageError(f"{word}: the first frame comes behind the second, write {last}-{first}")
        return first, last

    def frame(self, word: Any) -> Frame:
        """The frame of a number, or that of a call. Raises UsageError."""
        if is_call(word):
            return self.call(word)
        match = _FRAME.fullmatch(str(word))
        if match is None:
            raise UsageError(f"{visible(str(word), 40)!r} is no frame: write its number, or a call such as c#7")
        found = self._source.past.get(int(match["number"]))
        if found is None:
            raise UsageError(self._not_there(int(match["number"])))
        return found

    def call(self, word: Any) -> Frame:
        """The call that *word* means: by its id, its own frame, or that of its answer. Raises UsageError."""
        match = _CALL.fullmatch(str(word))
        if match is None:
            dissection, conversation = self.frame(word)
            call = dissection.call or dissection
            if not isinstance(call.what, (Message, CacheMessage)):
                raise UsageError(f"frame {dissection.number} is no call, and no answer to one")
            return call, conversation
        side, number = _side(match["side"]), int(match["number"])
        found = {each.connection: (each, conversation) for each, conversation in self._calls(side, number)}
        return self._one(found, match["conn"], f"call {match['side']}#{number}")

    def object(self, word: Any) -> tuple[Lent, Conversation]:
        """The object that is or was lent as *word*, or what the variable of that name stands for. Raises UsageError."""
        match = _OBJECT.fullmatch(str(word))
        if match is not None:
            side, luid = _side(match["side"]), int(match["luid"])
            found = {}
            for each in self._source.conversations():
                lent = lent_in(each, side, luid)
                if lent is not None:
                    found[each.number] = lent, each
            return self._one(found, match["conn"], f"object {match['side']}{luid}")
        if self._source.name:
            raise UsageError(f"{visible(str(word), 40)!r} is no object of {self._source.name}: write an id such as s3")
        target = find(self._bench, word)
        conversation = target.line.conversation
        lent = None if conversation is None else lent_in(conversation, target.owner, target.entry.luid)
        if conversation is None or lent is None:
            raise UsageError(f"nothing was seen of {target.id}")
        return lent, conversation

    def connection(self, word: Any) -> Conversation | None:
        """The connection of that name or number; None if there is none."""
        name = str(word)
        for each in reversed(self._source.conversations()):
            if name in (each.name, str(each.number)):
                return each
        return None

    # ------------------------------------------------------------------------------------ inside

    def _one(self, found: dict[int, T], name: str | None, what: str) -> T:
        """That of the connection called *name*, else of the one in use, else the only one."""
        if name is not None:
            conversation = self.connection(name)
            found = {} if conversation is None else {k: v for k, v in found.items() if k == conversation.number}
        opened = self._bench.connections.get(self._bench.current)
        if not self._source.name and opened is not None and opened.connection.number in found:
            return found[opened.connection.number]
        if not found:
            past = self._source.past
            there = f"frames {past.first:,} to {past.latest:,} are remembered" if len(past) else "nothing was seen yet"
            raise UsageError(f"no {what} is known{f' on {visible(name, 40)}' if name else ''}; {there}")
        if len(found) > 1:
            id_ = what.rpartition(" ")[2]
            names = [str(number) for number in found]
            raise UsageError(
                f"{len(found)} connections have a {what}: write it with one of them, such as {names[-1]}:{id_}"
            )
        return next(iter(found.values()))

    def _calls(self, side: Side, number: int) -> Iterator[Frame]:
        """Calls with this request number: those that wait, and those that are remembered."""
        for conversation in self._source.alive():
            call = conversation.ledgers[side].pending.get(number)
            if call is not None and call.number:
                yield call, conversation
        for dissection, conversation in self._source.past.frames():
            call = dissection.call or dissection
            what = call.what
            if isinstance(what, (Message, CacheMessage)) and call.sender is side and what.request == number:
                yield call, conversation

    def _not_there(self, number: int) -> str:
        past = self._source.past
        if not len(past):
            return f"frame {number} is not remembered: nothing is"
        which = f"frames {past.first:,} to {past.latest:,} are"
        return (
            f"there is no frame {number:,} yet: {which}"
            if number > past.latest
            else (f"frame {number:,} is not remembered: {which}")
        )


def _side(letter: str) -> Side:
    return Side.CLIENT if letter == "c" else Side.SERVER


def lent_in(conversation: Conversation, owner: Side, luid: Luid) -> Lent | None:
    """What *owner* lends, or has lent, under *luid*."""
    tomb = conversation.tombs[owner].get(luid)
    return conversation.lent(owner, luid) or (None if tomb is None else tomb.lent)


def touches(dissection: Dissection, lent: Lent) -> bool:
    """Whether *dissection* lends, calls or gives back what *lent* is, or answers a call of it."""
    if dissection.target is lent or (dissection.call is not None and dissection.call.target is lent):
        return True
    for note in dissection.notes:
        if isinstance(note, (Exported, Cached, Released, Decached, Uncached)) and note.lent is lent:
            return True
    return False
