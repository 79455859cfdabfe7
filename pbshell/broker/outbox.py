"""The way out: give back, jelly, encode, append, so that the order of the books is that of the wire.

Knows what waits to be sent and what finalizers owe; does not know what a call is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pbshell.broker.jelly import Jellier
from pbshell.errors import CannotEncode
from pbshell.wire.banana import NONE, Expression, encode
from pbshell.wire.grammar import loans
from pbshell.wire.verbs import Luid

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker

__all__ = ["Outbox"]


class Outbox:
    """What one Broker has to say, encoded, in order."""

    __slots__ = ("_behind", "_broker", "_jellying", "_owed", "_ready", "size")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._ready: list[bytes] = []
        #: bytes that are ready
        self.size = 0
        # Finalizers append, on any thread; a list drained by slice and del is safe for that.
        self._owed: list[tuple[bytes, Luid]] = []
        self._jellying = False
        self._behind: list[Callable[[], None]] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send and nothing to give back."""
        return not (self._ready or self._owed)

    def take(self) -> bytes:
        """All that is ready, each byte once."""
        self.pay()
        ready, self._ready, self.size = self._ready, [], 0
        return b"".join(ready)

    def clear(self) -> None:
        """Forget everything: there is nobody to tell."""
        self._ready.clear()
        self.size = 0
        self._owed.clear()

    # ------------------------------------------------------------------------------------ what goes out

    def encode(self, expression: Expression) -> bytes:
        """*expression* in the dialect agreed upon. Raises CannotEncode."""
        broker = self._broker
        return encode(expression, broker.dialect or NONE, broker.limits)

    def append(self, data: bytes) -> None:
        """*data*, a message, is ready behind the others."""
        self._ready.append(data)
        self.size += len(data)

    def say(self, *expression: Expression) -> None:
        """Append a message without objects."""
        self.append(self.encode(expression))

    def message(self, perspective: Any, write: Callable[[Jellier], list[Expression]]) -> bytes:
        """Encode what *write* jellies; whoever calls appends it at once.

        If a hook, jelly or encode fails, every entry of the run is undone, newest first. Raises what failed.
        """
        self.pay()
        jellier = Jellier(self._broker, perspective)
        self._jellying = True
        try:
            return self.encode(write(jellier))
        except BaseException as error:
            for undo in reversed(jellier.undo):
                undo()
            if isinstance(error, RecursionError):
                raise CannotEncode("the value is nested too deeply for Python's stack") from None
            raise
        finally:
            self._jellying = False

    def in_order(self, send: Callable[[], None]) -> None:
        """Call *send*, unless a message is being jellied: then it goes out right behind that message.

        State hooks may call the peer, and what they say must not overtake the state.
        """
        if self._jellying or self._behind:
            self._behind.append(send)
        else:
            send()
        while self._behind and not self._jellying:
            self._behind.pop(0)()

    # ------------------------------------------------------------------------------------ what goes back

    def owe(self, verb: bytes, luid: Luid) -> None:
        """One receipt is to be given back, by *verb*. Safe on any thread."""
        self._owed.append((verb, luid))

    def pay(self) -> None:
        """Give back what is owed."""
        # Never between jellying and appending: a decref must not overtake the reference that is just going home.
        if not self._owed or self._jellying or self._broker.dialect is None:
            return
        count = len(self._owed)
        owed = self._owed[:count]
        del self._owed[:count]
        for verb, luid in owed:
            if self._broker.books.gave_back(verb, luid):
                self.say(verb, luid)

    def refund(self, claimed: Iterable[tuple[bytes, Luid]], *expressions: Expression) -> None:
        """A refused message is still a receipt: give back what *expressions* lent and nobody here has claimed."""
        left = Counter(claimed)
        books = self._broker.books
        for expression in expressions:
            for loan in loans(expression):
                if left[loan.kind, loan.luid]:
                    left[loan.kind, loan.luid] -= 1
                elif loan.kind == b"remote":
                    books.theirs.exports.lend(loan.luid, None)
                    self.owe(b"decref", loan.luid)
                elif loan.kind == b"cached":
                    books.theirs.caches.lend(loan.luid, None)
                    self.owe(b"decache", loan.luid)
