"""What a dissection changes in the books of both sides, and what is odd about it. Knows no bytes and no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pbshell.wire.chunk import Side
from pbshell.wire.verbs import Luid

if TYPE_CHECKING:
    from pbshell.trace.dissector import Dissection

__all__ = [
    "Cached",
    "Decached",
    "Ended",
    "Exported",
    "Large",
    "Lent",
    "Note",
    "Odd",
    "Released",
    "Tombstone",
    "Uncached",
]

#: frames that are remembered to have touched an object
_TOUCHED = 32


@dataclass(slots=True)
class Lent:
    """An object that *owner* lends under *luid*: the record of it in the books, which changes as it is used.

    *name* is its birth, the call and the place that produced it, such as ``alice.getBuilder('linux')``, and *label*
    the last part of that; both are empty where the birth was not seen. *type* is the class of a *cache*, as it was
    sent. *born* is the number of the dissection that lent it first (0: not seen), *at* its time in seconds.
    *used* counts the calls of it, the last one of *method* at *used_at*. *touched* are the numbers of the last
    dissections that lent, returned or called it.
    """

    owner: Side
    luid: Luid
    name: str = ""
    label: str = ""
    type: str = ""
    cache: bool = False
    born: int = 0
    at: float = 0.0
    used: int = 0
    used_at: float | None = None
    method: str = ""
    touched: deque[int] = field(default_factory=lambda: deque(maxlen=_TOUCHED))


@dataclass(frozen=True, slots=True)
class Tombstone:
    """*lent* is lent no more since *at* (seconds), because of *reason*; *number* is the dissection that ended it."""

    lent: Lent
    at: float
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exported:
    """The sender lent *lent* once more; *count* receipts are out now (1: the first)."""

    lent: Lent
    count: int


@dataclass(frozen=True, slots=True)
class Released:
    """The sender gave back one receipt of *lent*; *count* are still out (0: it is free)."""

    lent: Lent
    count: int


@dataclass(frozen=True, slots=True)
class Cached:
    """The sender lent the cached object *lent* once more, with its state if it is the *first* time."""

    lent: Lent
    count: int
    first: bool


@dataclass(frozen=True, slots=True)
class Decached:
    """The sender gave back one receipt of the cached object *lent*; *count* are still out."""

    lent: Lent
    count: int


@dataclass(frozen=True, slots=True)
class Uncached:
    """The owner agrees that no copy of *lent* is left."""

    lent: Lent


@dataclass(frozen=True, slots=True)
class Odd:
    """What a correct peer does not do: *kind* is one of `Odd.KINDS`, *text* says it in a few words."""

    kind: str
    text: str

    KINDS = (
        "unknown luid",
        "answer without call",
        "surplus decref",
        "surplus decache",
        "surplus uncache",
        "unknown verb",
        "request never sent",
        "request used twice",
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection ended with *unanswered* calls, *references* and *caches* still lent, all dropped now."""

    unanswered: tuple[Dissection, ...]
    references: int
    caches: int


@dataclass(frozen=True, slots=True)
class Large:
    """The longest string of a long message has *string* bytes; a stock peer takes 655,360."""

    string: int


Note: TypeAlias = Exported | Released | Cached | Decached | Uncached | Odd | Ended | Large
