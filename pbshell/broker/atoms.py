"""Jelly's atoms: what is written in one list of bytes and numbers. Knows no containers and no objects of anybody."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pbshell.errors import ProtocolError
from pbshell.wire.banana import Expression
from pbshell.wire.tags import TAGS
from pbshell.wire.text import brief

__all__ = ["ATOMS", "Unpersistable"]


class Unpersistable:
    """What the sender could not send; *reason* is its explanation."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"Unpersistable({self.reason!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unpersistable) and self.reason == other.reason

    __hash__ = None  # type: ignore[assignment]  # equal by a text that may change


def _text(expression: list[Expression]) -> str:
    try:
        return str(expression[1], "utf-8")
    except (UnicodeDecodeError, TypeError):
        raise ProtocolError(f"a text is not UTF-8: {brief(expression[1], 60)}") from None


def _boolean(expression: list[Expression]) -> bool:
    if expression[1] not in (b"true", b"false"):
        raise ProtocolError(f"a boolean is true or false, not {brief(expression[1])}")
    return bool(expression[1] == b"true")


def _decimal(expression: list[Expression]) -> Decimal:
    number, exponent = expression[1:3]
    if type(number) is not int or type(exponent) is not int or abs(exponent) > 999_999:
        raise ProtocolError("a decimal is an integer and a power of ten")
    sign = "-" if number < 0 else ""
    return Decimal(f"{sign}{abs(number)}E{exponent}")


def _parts(make: Callable[..., Any], fewest: int, most: int) -> Callable[..., Any]:
    def read(expression: list[Expression]) -> Any:
        try:
            parts = [int(part) for part in expression[1].split()]
            if not fewest <= len(parts) <= most:
                raise ValueError
            return make(*parts)
        except (ValueError, OverflowError, AttributeError, TypeError):
            kind = expression[0].decode()
            raise ProtocolError(f"{brief(expression[1], 60)} is no {kind}: {TAGS[expression[0]].means}") from None

    return read


def _unpersistable(expression: list[Expression]) -> Unpersistable:
    return Unpersistable(f"Unpersistable data: {expression[1]!r}")


def _persistent(_: list[Expression]) -> Unpersistable:
    return Unpersistable("Persistent callback not found")


#: Tag to reader. A reader gets the tagged list, which has as many items as its shape demands; raises ProtocolError.
ATOMS: Mapping[bytes, Callable[[list[Expression]], Any]] = {
    b"None": lambda _: None,
    b"boolean": _boolean,
    b"unicode": _text,
    b"decimal": _decimal,
    b"datetime": _parts(datetime.datetime, 3, 7),
    b"date": _parts(datetime.date, 3, 3),
    b"time": _parts(datetime.time, 0, 4),
    b"timedelta": _parts(datetime.timedelta, 3, 3),
    b"unpersistable": _unpersistable,
    b"persistent": _persistent,
}
