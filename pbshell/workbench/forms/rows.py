"""What commands give: rows of one kind, and notices that say themselves. Knows values; knows no screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import spelled

__all__ = ["Notice", "Rows", "is_endless", "shown"]

#: values in a value, each counted as often as it stands there, above which nobody asks it for its ``repr()``
_VALUES = 200_000
#: characters of what is shown of such a value
_SPELLED = 10_000

T = TypeVar("T")


class Rows(list[T], Generic[T]):
    """A list of frozen dataclasses of one *kind*, known also when there are none; *empty* is the word for that."""

    def __init__(self, kind: type[T], rows: Iterable[T] = (), empty: str = "nothing") -> None:
        super().__init__(rows)
        self.kind = kind
        self.empty = empty


class Notice:
    """Base of a dataclass that says itself in one sentence, by ``str()``; it is words and not data."""

    __slots__ = ()


def is_endless(value: object) -> bool:
    """Whether *value* has too much in it: a peer can send one thing once, and have it stand there 2 ** 40 times."""
    left = _VALUES
    waiting: list[Any] = [value]
    while waiting and left > 0:
        each = waiting.pop()
        kind = type(each)
        if kind is str or kind is bytes:
            left -= len(each) // 64
        elif kind is dict:
            left -= 2 * len(each)
            waiting += (*each, *each.values())
        elif kind in (list, tuple, set, frozenset):
            left -= len(each)
            waiting += each
    return left <= 0


def shown(value: object, limit: int | None = None) -> str:
    """``repr(value)`` as one harmless line. Its class may be anybody's: what its ``repr()`` raises is told instead."""
    if is_endless(value):
        return spelled(value, limit or _SPELLED)
    try:
        text = repr(value)
    except BaseException as error:  # noqa: BLE001 (code of others, and this is where its exceptions end)
        text = f"<{type(value).__name__}, whose repr() raised {type(error).__name__}>"
    return visible(text, limit)
