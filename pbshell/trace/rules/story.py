"""What is remembered of one connection until it ends, so that its end can be explained. Knows no verdict.

It stays small however long the connection lives: last words, first sins, and counts.
"""

from __future__ import annotations

from collections import deque

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.notes import Cached, Odd
from pbshell.trace.rules.logins import Logins
from pbshell.trace.rules.phrases import is_cut_off
from pbshell.wire.chunk import Side
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.verbs import PB_VERSION, Answer, CacheMessage, ErrorAnswer, Message, Version

__all__ = ["SOON", "Sayings", "Story"]

#: Seconds within which a peer that cannot take what it is sent closes the connection; whoever says something later has
#: taken it. What comes earlier may have been on its way.
SOON = 1.0

#: What a correct peer does not do, and Twisted closes the connection for.
_SINS = frozenset(("answer without call", "surplus decref", "surplus decache", "surplus uncache", "unknown verb"))
#: sins that are remembered of one side, answers that may be its last, and methods that it has answered
_MOST_SINS, _MOST_ANSWERS, _MOST_METHODS = 8, 4, 1_024
#: A message of fewer bytes is beyond no stock peer's limit, however it is made.
_LARGE = min(DEFAULT_LIMITS.string, DEFAULT_LIMITS.list)


class Sayings:
    """What one *side* has said: its *last* words, how often it called, its *sins* and its last *answers*.

    *read* is the number of the other side's last call that it has answered: it has taken all that came before.
    *firsts* has, by method, the number of its first answer, and *errors* that of its first error.
    """

    __slots__ = ("answers", "called", "calls", "errors", "firsts", "last", "read", "side", "sins")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.calls = 0
        self.read = 0
        self.last: Dissection | None = None
        self.called: Dissection | None = None
        self.sins: deque[Dissection] = deque()
        self.answers: deque[Dissection] = deque(maxlen=_MOST_ANSWERS)
        self.firsts: dict[bytes, int] = {}
        self.errors: dict[bytes, int] = {}

    def has_taken(self, said: Dissection) -> bool:
        """Whether this side has shown that it lives on with what the other side *said*."""
        last = self.last
        return self.read > said.number or (last is not None and last.at > said.at + SOON)

    def is_first(self, answer: Dissection) -> bool:
        """Whether *answer* is this side's first to the method that it answers: its kind has not been taken before."""
        call = answer.call
        if call is None:
            return False
        assert isinstance(call.what, (Message, CacheMessage))
        firsts = self.firsts if isinstance(answer.what, Answer) else self.errors
        return firsts.get(call.what.method) == answer.number


class Story:
    """One connection so far. *half_said* is what its end cut off.

    *strange* are the first bytes of it that are no PB, and *stranger* the first such bytes of the other side.
    """

    __slots__ = ("choice", "client", "half_said", "logins", "offer", "server", "strange", "stranger")

    def __init__(self) -> None:
        self.client = Sayings(Side.CLIENT)
        self.server = Sayings(Side.SERVER)
        self.logins = Logins()
        self.offer: Dissection | None = None
        self.choice: Dissection | None = None
        self.strange: Dissection | None = None
        self.stranger: Dissection | None = None
        self.half_said: list[Dissection] = []

    def of(self, side: Side) -> Sayings:
        """What *side* has said."""
        return self.client if side is Side.CLIENT else self.server

    def add(self, dissection: Dissection, conversation: Conversation) -> None:
        """What is said next. This runs for every message: nothing here looks into one."""
        what = dissection.what
        kind = type(what)
        own = self.client if dissection.sender is Side.CLIENT else self.server
        if kind is not Undecodable:
            own.last = dissection
        if kind is Message or kind is CacheMessage:
            own.calls += 1
            own.called = dissection
        elif kind is Answer or kind is ErrorAnswer:
            self._answered(own, dissection, what)  # type: ignore[arg-type]
        else:
            self._else(own, dissection)
        if dissection.size > _LARGE and kind is not Undecodable:
            self._sinned(own, dissection)
        if dissection.notes:
            self._noted(own, dissection, conversation)

    def _answered(self, own: Sayings, dissection: Dissection, what: Answer | ErrorAnswer) -> None:
        call = dissection.call
        if call is not None:
            own.read = max(own.read, call.number)
            asked = call.what
            assert isinstance(asked, (Message, CacheMessage))
            firsts = own.firsts if type(what) is Answer else own.errors
            if len(firsts) < _MOST_METHODS:
                firsts.setdefault(asked.method, dissection.number)
            self.logins.answered(dissection, call, asked)
        value = what.result if type(what) is Answer else what.failure  # type: ignore[union-attr]
        if type(value) is list:
            own.answers.append(dissection)

    def _else(self, own: Sayings, dissection: Dissection) -> None:
        """What is no call and no answer."""
        what = dissection.what
        if isinstance(what, Offer):
            self.offer = dissection
        elif isinstance(what, Choice):
            self.choice = dissection
        elif isinstance(what, Version) and what.number != PB_VERSION:
            self._sinned(own, dissection)
        elif isinstance(what, (Undecodable, Unseen)):
            if what.data and self.strange is None:
                self.strange = dissection
            elif what.data and self.stranger is None and dissection.sender is not self.strange.sender:  # type: ignore[union-attr]
                self.stranger = dissection
            if isinstance(what, Undecodable) and is_cut_off(what):
                self.half_said.append(dissection)
            elif isinstance(what, Undecodable):
                self._sinned(own, dissection)

    def _noted(self, own: Sayings, dissection: Dissection, conversation: Conversation) -> None:
        for note in dissection.notes:
            if type(note) is Odd:
                is_sin = note.kind in _SINS
            else:
                # In arguments it would be answered with an error.
                is_sin = type(note) is Cached and not note.first and note.count == 1 and _is_answer(dissection)
                is_sin = is_sin and not conversation.partial
            if is_sin:
                self._sinned(own, dissection)

    def _sinned(self, own: Sayings, dissection: Dissection) -> None:
        """Remember what may end the connection; the first of it is what does."""
        sins, other = own.sins, self.of(own.side.other)
        while sins and other.has_taken(sins[0]):
            sins.popleft()
        if len(sins) < _MOST_SINS and (not sins or sins[-1].number != dissection.number):
            sins.append(dissection)


def _is_answer(dissection: Dissection) -> bool:
    return type(dissection.what) is Answer
