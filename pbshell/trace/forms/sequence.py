"""`-o seq`: a sequence diagram for mermaid. Knows mermaid's syntax; draws nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.forms.columns import cut
from pbshell.trace.forms.naming import call_text, error_text, labelled, request, result_text
from pbshell.trace.forms.wording import amount, duration, ended, happened, oddities, seeded, unread
from pbshell.trace.notes import Ended
from pbshell.trace.values import identity, spell
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

__all__ = ["Sequence", "escaped"]

#: messages and notes in one diagram, and characters of all, beyond which people and mermaid give up; columns of one
_MOST, _SIZE, _ROOM = 500, 45_000, 80
#: what stands for itself in a text of mermaid, besides letters and digits
_PLAIN = frozenset(" _.,()='/*+!?-")


class Sequence:
    """`-o seq`: what both sides say, as a diagram. It is written when the trace ends, because names come late.

    After 500 messages, or 45,000 characters, the rest is counted. *width*, *times* and *zero* are those of the others:
    a diagram has none.
    """

    def __init__(
        self, width: int | None = None, times: str = "rel", zero: float | None = None, *, began: float | None = None
    ) -> None:
        self._lines: list[str] = []
        self._left_out = 0
        self._size = 0
        self._conversations: dict[int, Conversation] = {}
        self._last = 0

    def header(self) -> str:
        """What stands above the lines: nothing, they are a whole diagram."""
        return ""

    def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
        """Keep what *dissection* says, for the end."""
        if len(self._lines) >= _MOST or self._size >= _SIZE:
            self._left_out += _says_anything(dissection)
            return []
        line = _line(dissection, conversation)
        if line:
            self._lines.append(line)
            self._size += len(line) + 5
            self._conversations[dissection.connection] = conversation
            self._last = dissection.connection
        return []

    def tick(self, now: float, conversations: Iterable[Conversation]) -> list[str]:
        """Nothing becomes due before the end."""
        return []

    def finish(self, now: float) -> list[str]:
        """The diagram."""
        lines = ["sequenceDiagram", *self._participants(), *self._lines]
        if self._left_out:
            lines.append(f"Note over c{self._last},s{self._last}: {self._left_out} more are left out")
        return [lines[0], *(f"    {line}" for line in lines[1:])]

    def _participants(self) -> Iterator[str]:
        several = len(self._conversations) > 1
        for number, conversation in self._conversations.items():
            which = f" {number}" if several else ""
            names = (conversation.name or f"client{which}", f"server{which}")
            for letter, name, address in zip("cs", names, (conversation.client, conversation.server), strict=True):
                said = f"{name} {address}" if address else name
                yield f"participant {letter}{number} as {escaped(said)}"


def escaped(text: str, room: int = _ROOM) -> str:
    """*text* as mermaid shows it and does not obey it, in at most *room* columns of the diagram."""
    text = cut(visible(text), room)
    return "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in text) or "#32;"


def _says_anything(dissection: Dissection) -> bool:
    what = dissection.what
    return not isinstance(what, (Offer, Choice)) and (not isinstance(what, Version) or what.number != PB_VERSION)


def _line(dissection: Dissection, conversation: Conversation) -> str:
    """A message or a note; nothing for a handshake as it should be."""
    what = dissection.what
    number = dissection.connection
    if not _says_anything(dissection):
        return ""
    if dissection.sender is None or isinstance(what, (LinkEvent, Seed)):
        return f"Note over c{number},s{number}: {escaped(_noted(dissection), 2 * _ROOM)}"
    sender = dissection.sender
    here, there = (f"c{number}", f"s{number}") if sender is Side.CLIENT else (f"s{number}", f"c{number}")
    odd = oddities(dissection.notes)
    arrow, text = _message(dissection, conversation, sender)
    text = f"{text}  {odd}" if odd else text
    if not arrow:
        return f"Note over {here}: {escaped(text, 2 * _ROOM)}"
    return f"{here}{arrow}{there}: {escaped(text, 2 * _ROOM)}"


def _noted(dissection: Dissection) -> str:
    what = dissection.what
    if isinstance(what, Seed):
        return f"traced from here on: {seeded(what)}"
    assert isinstance(what, LinkEvent)
    rest = next((ended(note) for note in dissection.notes if isinstance(note, Ended)), "")
    return f"{happened(what)}; {rest}" if rest else happened(what)


def _message(dissection: Dissection, conversation: Conversation, sender: Side) -> tuple[str, str]:
    """The arrow (nothing: it is a note) and the words of what *sender* has sent."""
    what = dissection.what
    if isinstance(what, (Message, CacheMessage)):
        # Who wants no answer does not wait: an open arrow.
        return "->>" if what.wants_answer else "-)", call_text(dissection, conversation, _ROOM)
    if isinstance(what, Answer):
        return "-->>", f"= {result_text(dissection, conversation, _ROOM)}{_answered(dissection, what, sender)}"
    if isinstance(what, ErrorAnswer):
        return "--x", f"! {error_text(dissection, _ROOM)}{_answered(dissection, what, sender)}"
    if isinstance(what, Undecodable):
        return "", f"not understood: {unread(what)}"
    if isinstance(what, Unseen):
        return "", f"{what.why}: {amount(dissection.size)} not seen"
    if isinstance(what, (Decref, Decache, Uncache)):
        owner = sender if isinstance(what, Uncache) else sender.other
        luid = what.object if isinstance(what, Decref) else what.cache
        name = identity(owner, luid) if dissection.target is None else labelled(dissection.target)
        return "--)", f"{type(what).__name__.lower()} {name}"
    if isinstance(what, DidNotUnderstand):
        return "--x", f"no verb {spell(what.word, sender, 60)}"
    assert isinstance(what, Version)
    return "-)", f"version {spell(what.number, sender, 20)}, only {PB_VERSION} exists"


def _answered(answer: Dissection, what: Answer | ErrorAnswer, sender: Side) -> str:
    """How long it took, or which call it is that nobody has seen."""
    if answer.elapsed is None:
        return f" (to {request(sender.other, what.request)}, not seen)"
    return f" ({duration(answer.elapsed)})"
