"""Failure: an exception that travels instead of being raised.

Knows exceptions, ours and a peer's, and the names they go by; does not know Deferreds, the wire or who will look.
"""

from __future__ import annotations

import sys
import traceback as tracebacks
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, NoReturn, TextIO, TypeVar

from pbshell.errors import WIRE_NAMES, RemoteError, UsageError, dotted_name

__all__ = ["Failure", "as_failure", "caught", "harmless"]

#: A class of exceptions, or the dotted name of one.
Wanted = TypeVar("Wanted", bound=type[BaseException] | str | bytes)

#: Characters of an exception's text that repr, str and a log line's first line show.
_SHOWN = 200


class Failure:
    """An exception, kept for whoever is to handle it; to make one costs little, texts are made when asked for.

    *value* is the exception; without one it is the exception being handled at this moment.
    *traceback* is where it had come from when the Failure was made, or None if it was never raised.
    *quiet* is true if nobody need be told when no one handles it, as for a cancellation asked for on this side.

    Raises UsageError if there is no exception, TypeError if *value* is something else.
    """

    __slots__ = ("__weakref__", "quiet", "traceback", "value")

    value: BaseException
    traceback: TracebackType | None
    quiet: bool

    def __init__(self, value: BaseException | None = None) -> None:
        if value is None:
            value = sys.exc_info()[1]
            if value is None:
                raise UsageError("no exception is being handled here: Failure() needs one, as in Failure(ValueError())")
        elif not isinstance(value, BaseException):
            raise TypeError(f"a Failure holds an exception, and {_type_name(value)} is none")
        self.value = value
        self.traceback = value.__traceback__
        self.quiet = False

    @property
    def type(self) -> str:
        """The dotted name of the exception's class; for an exception of the peer's, of its class there."""
        value = self.value
        return value.remoteType if isinstance(value, RemoteError) else _type_name(value)

    @property
    def parents(self) -> list[str]:
        """The dotted names of the exception's class and all its bases; for one of the peer's, as the peer sent them."""
        value = self.value
        return list(value.parents) if isinstance(value, RemoteError) else _own_parents(value)

    def check(self, *wanted: Wanted) -> Wanted | None:
        """The first of *wanted*, classes or dotted names, that the exception is an instance of; else None.

        An exception of the peer's is known by the names the peer sent, and one of ours also by those it has there.
        Raises TypeError for anything that is neither a class nor a name.
        """
        value = self.value
        for each in wanted:
            if isinstance(each, str | bytes):
                found = (each.decode("utf-8", "replace") if isinstance(each, bytes) else each) in _names(value)
            else:
                found = isinstance(value, each)
            if found or (isinstance(value, RemoteError) and value.check(each) is not None):
                return each
        return None

    def trap(self, *wanted: Wanted) -> Wanted:
        """The first of *wanted* that the exception is an instance of.

        Raises the exception itself if it is none of them, so that the next errback sees it.
        """
        found = self.check(*wanted)
        if found is None:
            self.raiseException()
        return found

    def raiseException(self) -> NoReturn:
        """Raise the exception, with the traceback it came with."""
        try:
            raise self.value.with_traceback(self.traceback)
        finally:
            # The new traceback holds this frame: without this, exception and Failure would hold each other for ever.
            del self

    def throwExceptionIntoGenerator(self, generator: Generator[Any, Any, Any] | Coroutine[Any, Any, Any]) -> Any:
        """Raise the exception where *generator* waits; what it yields next, whatever that is."""
        return generator.throw(self.value.with_traceback(self.traceback))

    def getErrorMessage(self) -> str:
        """The text of the exception, as it is: of any length, with any characters. Never raises."""
        try:
            return str(self.value)
        except Exception as error:  # noqa: BLE001 - the class is the application's, or made of what a peer sent
            return f"<{_type_name(self.value)}, whose text cannot be had: {_type_name(error)}>"

    def getTraceback(self) -> str:
        """The traceback as Python prints it; for an exception of the peer's what the peer chose to show of its own."""
        value = self.value
        if not isinstance(value, RemoteError):
            return "".join(tracebacks.format_exception(type(value), value, self.traceback))
        shown = value.remoteTraceback.rstrip("\n")
        text = "Traceback of the peer:\n" + (f"{shown}\n" if shown else "")
        last = f"{value.remoteType}: {value.remoteValue}"
        return text if shown.endswith(last) else f"{text}{last}\n"

    def getBriefTraceback(self) -> str:
        """The exception, then one line ``file:line:function`` for each call that led to it, outermost first."""
        codes = [(frame.f_code, line) for frame, line in tracebacks.walk_tb(self.traceback)]
        return f"{self}\n" + "".join(f"{code.co_filename}:{line}:{code.co_name}\n" for code, line in codes)

    def printTraceback(self, file: TextIO | None = None) -> None:
        """Write the traceback to *file* (standard error), with control characters spelled out."""
        (file or sys.stderr).write(harmless(self.getTraceback()))

    def __str__(self) -> str:
        """The class and the text of the exception: one short line, with control characters spelled out."""
        text = self.getErrorMessage()
        line = f"{self.type}: {text}" if text else self.type
        if len(line) > _SHOWN:
            line = f"{line[:_SHOWN]}... ({len(line):,} characters)"
        return harmless(line).replace("\n", "\\n")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def as_failure(reason: object = None) -> Failure:
    """*reason* as a Failure: it may be one, an exception, Twisted's Failure, or nothing (the exception being handled).

    Raises UsageError if there is no exception to be had, TypeError if *reason* is something else.
    """
    if isinstance(reason, Failure):
        return reason
    # Twisted's Failure is itself a BaseException, and its value need not be one.
    if hasattr(reason, "trap") and hasattr(reason, "value"):
        return Failure(_exception_of(reason))
    return Failure(reason)  # type: ignore[arg-type]  # Failure itself says what is wrong with anything else


def caught(error: BaseException) -> Failure:
    """A Failure of *error*, just caught, whose traceback begins below the frame that caught it."""
    trace = error.__traceback__
    return Failure(error if trace is None else error.with_traceback(trace.tb_next))


def harmless(text: str) -> str:
    """*text* with every control character spelled out, but line ends: what a peer wrote must not move a cursor."""
    if text.isprintable():
        return text
    return "\n".join(line if line.isprintable() else repr(line)[1:-1] for line in text.split("\n"))


def _exception_of(foreign: Any) -> BaseException:
    """The exception in a Failure of another library; its class is a name there if it came over a wire."""
    value = foreign.value
    if isinstance(value, BaseException):
        return value
    return RemoteError(_text(foreign.type), _text(value), _text(foreign.getTraceback()), [*map(_text, foreign.parents)])


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _type_name(value: object) -> str:
    return dotted_name(type(value))


def _own_parents(value: BaseException) -> list[str]:
    return [dotted_name(each) for each in type(value).__mro__]


def _names(value: BaseException) -> set[str]:
    """Every name *value* answers to on this side: its classes' own, and what they are called at a Twisted peer."""
    names = set(_own_parents(value))
    for each in type(value).__mro__:
        names.update(WIRE_NAMES.get(each, ()))
    return names
