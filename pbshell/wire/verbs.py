"""The verbs of PB: what an s-expression asks for. Knows shapes and types; calls nothing.

One class per verb, and one table, `VERBS`, of their words, fields and types. The Broker reads the table and dispatches
the bare s-expression; the dissector makes the values. Source: docs/reference/wire.md#verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pbshell.errors import ProtocolError
from pbshell.wire.banana import Expression
from pbshell.wire.text import visible

__all__ = [
    "PB_VERSION",
    "VERBS",
    "Answer",
    "CacheMessage",
    "Decache",
    "Decref",
    "DidNotUnderstand",
    "ErrorAnswer",
    "Form",
    "Luid",
    "Message",
    "Request",
    "Uncache",
    "Verb",
    "Version",
    "form_of",
    "is_luid",
    "parse",
]

#: The only version there is.
PB_VERSION = 6

#: A locally unique id. Twisted numbers from 1; a peer may choose any hashable banana value.
Luid: TypeAlias = int | float | bytes
#: What pairs an answer with its call; echoed unchanged, so that a caller may choose anything.
Request: TypeAlias = Any
#: Larger numbers share their hashes with smaller ones, and a table of such keys is as slow as a list.
_LUID_BITS = 60
_LUID_BYTES = 1_000


def is_luid(value: Expression) -> bool:
    """Whether *value* may be the key of a table: no list, and no number that was chosen to make the table slow."""
    kind = type(value)
    if kind is bytes:
        return len(value) <= _LUID_BYTES
    return kind is not list and (kind is not int or value.bit_length() <= _LUID_BITS)


@dataclass(frozen=True, slots=True)
class Version:
    """``[version 6]``: the sender speaks this version. Sent once by both sides, and again as a sign of life."""

    number: float


@dataclass(frozen=True, slots=True)
class Message:
    """``[message request object method wants_answer args kwargs]``: call *method* of an object the receiver lent."""

    request: Request
    object: Expression
    method: bytes
    wants_answer: Expression
    args: Expression
    kwargs: Expression


@dataclass(frozen=True, slots=True)
class CacheMessage:
    """``[cachemessage request cache method wants_answer args kwargs]``: tell a cached copy what has changed."""

    request: Request
    cache: Expression
    method: bytes
    wants_answer: Expression
    args: Expression
    kwargs: Expression


@dataclass(frozen=True, slots=True)
class Answer:
    """``[answer request result]``."""

    request: Request
    result: Expression


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """``[error request failure]``."""

    request: Request
    failure: Expression


@dataclass(frozen=True, slots=True)
class Decref:
    """``[decref object]``: one receipt of a reference has been dropped."""

    object: Luid


@dataclass(frozen=True, slots=True)
class Decache:
    """``[decache cache]``: one receipt of a cached copy has been dropped."""

    cache: Luid


@dataclass(frozen=True, slots=True)
class Uncache:
    """``[uncache cache]``: the owner agrees that no cached copy is left."""

    cache: Luid


@dataclass(frozen=True, slots=True)
class DidNotUnderstand:
    """``[didNotUnderstand word]``: the sender does not know that verb."""

    word: Expression


Verb: TypeAlias = (
    Version | Message | CacheMessage | Answer | ErrorAnswer | Decref | Decache | Uncache | DidNotUnderstand
)


@dataclass(frozen=True, slots=True)
class Form:
    """How a verb is written: its *fields* in order, and which positions of the s-expression have which *types*.

    Fields without types may be any banana value: a request id is echoed, a truth value is judged, jelly is the
    business of whoever unjellies it.
    """

    word: bytes
    make: Callable[..., Verb]
    fields: tuple[str, ...]
    types: tuple[tuple[int, tuple[type, ...]], ...]
    length: int

    def check(self, expression: list[Expression]) -> None:
        """Raises ProtocolError when *expression* does not have this form."""
        if len(expression) != self.length:
            raise ProtocolError(
                f"{self.word.decode()} has {len(expression) - 1} fields instead of {self.length - 1} "
                f"({', '.join(self.fields)})"
            )
        for position, types in self.types:
            if type(expression[position]) not in types:
                wanted = " or ".join(_SPOKEN[kind] for kind in types)
                raise ProtocolError(
                    f"{self.word.decode()}: {self.fields[position - 1]} is {_SPOKEN[type(expression[position])]} "
                    f"instead of {wanted}"
                )


_SPOKEN = {int: "an int", float: "a float", bytes: "a string", list: "a list"}
_NUMBER, _ID, _WORD = (int, float), (int, float, bytes), (bytes,)


def _form(word: str, make: Callable[..., Verb], /, **fields: tuple[type, ...] | None) -> Form:
    types = tuple((position, kinds) for position, kinds in enumerate(fields.values(), 1) if kinds)
    return Form(word.encode(), make, tuple(fields), types, len(fields) + 1)


#: The one table: verb word to form.
VERBS: Mapping[bytes, Form] = {
    form.word: form
    for form in (
        # Any banana value compares with the version; only 6 is equal to it.
        _form("version", Version, number=None),
        _form("message", Message, request=None, object=None, method=_WORD, wants_answer=None, args=None, kwargs=None),
        _form(
            "cachemessage",
            CacheMessage,
            request=None,
            cache=None,
            method=_WORD,
            wants_answer=None,
            args=None,
            kwargs=None,
        ),
        _form("answer", Answer, request=_ID, result=None),
        _form("error", ErrorAnswer, request=_ID, failure=None),
        _form("decref", Decref, object=_ID),
        _form("decache", Decache, cache=_ID),
        _form("uncache", Uncache, cache=_ID),
        _form("didNotUnderstand", DidNotUnderstand, word=None),
    )
}


def form_of(expression: Expression) -> Form | None:
    """The form that *expression* claims to have; None for a verb that PB does not know.

    Raises ProtocolError for what is no verb at all.
    """
    if type(expression) is not list:
        raise ProtocolError(f"{_SPOKEN[type(expression)]} came where a verb was due: a verb is a list")
    if not expression:
        raise ProtocolError("an empty list came where a verb was due")
    word = expression[0]
    if type(word) is not bytes:
        raise ProtocolError(f"a list came that begins with {_SPOKEN[type(word)]}: a verb begins with its word")
    return VERBS.get(word)


def parse(expression: Expression) -> Verb:
    """*expression* as a value. Raises ProtocolError when it is no verb of PB, or one with a wrong field."""
    form = form_of(expression)
    if form is None:
        raise ProtocolError(f"PB has no verb {visible(expression[0], 40)!r}")
    form.check(expression)
    return form.make(*expression[1:])
