"""Exceptions to what travels, and back. Knows names and texts; logs nothing and sends nothing.

Source: docs/reference/wire.md#errors.
"""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Iterable
from typing import Any

from pbshell.defer import Failure
from pbshell.errors import (
    WIRE_NAMES,
    ConnectionGone,
    PeerError,
    RemoteError,
    dotted_name,
)
from pbshell.wire.banana import Expression

__all__ = ["COPYABLE_FAILURE", "CopiedFailure", "failure_expression", "parents_of"]

COPYABLE_FAILURE = b"twisted.spread.pb.CopyableFailure"
#: Characters of a text that a peer is told; more would come close to the limit of a string.
_LONGEST = 60_000
#: Characters of a class name, and names of classes: those of a failure that is passed on are another peer's choice.
_LONGEST_NAME = 500
_MOST_NAMES = 100
_BUILTINS = ("builtins.Exception", "builtins.BaseException", "builtins.object")
_counter = itertools.count(1)


def parents_of(cls: type[BaseException]) -> list[str]:
    """The names of *cls* and its bases as a Twisted peer knows them; the first is the type."""
    names: list[str] = []
    known = [base for base in cls.__mro__ if base in WIRE_NAMES]
    for base in cls.__mro__:
        if any(issubclass(each, base) and each is not base for each in known):
            continue  # Twisted's own list says what is above
        if base in WIRE_NAMES:
            names += WIRE_NAMES[base]
        elif not (known and base.__module__.startswith("pbshell.")):
            names.append(dotted_name(base))
    return list(dict.fromkeys([*(name for name in names if name not in _BUILTINS), *_BUILTINS]))


def failure_expression(failure: Failure, *, unsafeTracebacks: bool = False, told: str | None = None) -> Expression:
    """*failure* as a CopyableFailure.

    A peer is told the type, its parents and the text of the exception; *told* replaces the text. Frames and file
    names are told with *unsafeTracebacks* only.
    """
    value = failure.value
    if isinstance(value, RemoteError):
        parents = [each[:_LONGEST_NAME] for each in value.parents[:_MOST_NAMES]]
        name = value.remoteType[:_LONGEST_NAME]
    else:
        parents = parents_of(type(value))
        name = parents[0]
    text = _text(value) if told is None else told
    trace = "Traceback unavailable\n"
    if unsafeTracebacks:
        trace = "".join(traceback.format_exception(value))[:_LONGEST]
    state: list[tuple[str, Expression]] = [
        ("count", next(_counter) & 0x7FFFFFFF),
        ("type", name.encode("utf-8", "backslashreplace")),
        ("value", _unicode(text)),
        ("captureVars", [b"boolean", b"false"]),
        ("tb", [b"None"]),
        ("unsafeTracebacks", [b"boolean", b"true" if unsafeTracebacks else b"false"]),
    ]
    origin: list[tuple[str, Expression]] = [
        ("parents", [b"list", *map(_unicode, parents)]),
        ("frames", [b"list"]),
        ("stack", [b"list"]),
    ]
    last = ("traceback", _unicode(trace))
    # What was received from another peer keeps its order there, and so goes on as Twisted would pass it on.
    state += [last, *origin] if isinstance(value, RemoteError) else [*origin, last]
    return [COPYABLE_FAILURE, [b"dictionary", *([_unicode(key), item] for key, item in state)]]


def _unicode(text: str) -> Expression:
    return [b"unicode", text.encode("utf-8", "backslashreplace")]


def _text(value: BaseException) -> str:
    """What a peer is told of *value*: its text, however hostile to being made."""
    if isinstance(value, PeerError) and value.told is not None:
        return value.told
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001 - str() of an exception is the application's code
        text = f"<unprintable {type(value).__name__}: str() raised {type(error).__name__}>"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text):,} characters)"
    return text


class CopiedFailure(Failure):
    """A failure that happened at the peer; its value is a RemoteError, and also what the peer's class is here."""

    __slots__ = ()

    @classmethod
    def from_state(cls, state: Any) -> CopiedFailure:
        """From the state of a CopyableFailure. What is missing or odd is replaced: the call has failed either way."""
        fields = {_as_text(key): value for key, value in state.items()} if isinstance(state, dict) else {}
        name = _as_text(fields.get("type") or "unknown")
        parents = fields.get("parents")
        names = [_as_text(each) for each in parents] if isinstance(parents, (list, tuple)) else [name]
        if name not in names:
            names.insert(0, name)
        return cls(
            remote_error(name, _as_text(fields.get("value", "")), _as_text(fields.get("traceback") or ""), names)
        )


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if type(value) in (int, float, bool, type(None)):
        return repr(value)
    # To write it out may run code of a class that a peer has filled, or take for ever where it holds itself twice.
    return f"a {type(value).__name__}"


def remote_error(name: str, value: str, trace: str, parents: Iterable[str]) -> RemoteError:
    """The exception for a failure at the peer.

    A class that exists here (pb.Error, NoSuchMethod, the login errors) is one of its bases, so that ``except
    pb.Unauthorized`` works across the wire as well.
    """
    parents = list(parents)
    kind = RemoteError
    for each in parents:
        if each in _LOCAL:
            kind = _LOCAL[each]
            break
    return kind(name, value, trace, parents)


# The peer's lost connection is not ours: those classes are found by name only, with check and trap.
_LOCAL: dict[str, type[RemoteError]] = {
    names[0]: type(f"Remote{cls.__name__}", (RemoteError, cls), {"__module__": __name__, "__doc__": cls.__doc__})
    for cls, names in WIRE_NAMES.items()
    if not issubclass(cls, (ConnectionGone, PeerError))
}
