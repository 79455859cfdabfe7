"""What commands give: rows of one kind, and notices that say themselves. Knows values; knows no screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from pbshell.wire.text import visible

__all__ = ["Notice", "Rows", "shown"]

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


def shown(value: object, limit: int | None = None) -> str:
    """``repr(value)`` as one harmless line. Its class may be anybody's: what its ``repr()`` raises is told instead."""
    try:
        text = repr(value)
    except BaseException as error:  # noqa: BLE001 (code of others, and this is where its exceptions end)
        text = f"<{type(value).__name__}, whose repr() raised {type(error).__name__}>"
    return visible(text, limit)
