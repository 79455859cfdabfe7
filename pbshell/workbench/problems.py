"""What went wrong, in one sentence, with one thing to do about it. Knows exceptions; shows nothing and logs nothing."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import traceback
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

import pbshell
from pbshell.broker.references import RemoteReference
from pbshell.errors import (
    ConnectionGone,
    DeadReferenceError,
    Error,
    LoginDenied,
    LoginFailed,
    NoSuchMethod,
    PeerError,
    RefusedClass,
    RemoteError,
    UnhandledCredentials,
    UsageError,
    dotted_name,
)
from pbshell.trace.filters import BadFilter
from pbshell.wire.text import visible
from pbshell.workbench.exitcodes import ExitCode

__all__ = [
    "ExitCode",
    "Interrupted",
    "Leave",
    "Problem",
    "Told",
    "Untimely",
    "cannot_be_made",
    "cannot_connect",
    "cannot_serve",
    "lacking",
    "reason_of",
    "what_happened",
]

#: the module names that a statement of the prompt is compiled under begin so
STATEMENT = "<pb:"
#: characters of a text that a peer chose
_TEXT = 500
#: frames that are shown of the beginning, and of the end, of a long traceback
_PLACES = 5
#: how the paths of our own files begin; with the separator, because those of pbshell_plugins begin alike
_HERE = str(Path(pbshell.__file__).parent / "_")[:-1]


class Leave(Exception):
    """Somebody wants to leave the shell, with this exit *code*."""

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


class Interrupted(Exception):
    """A statement was stopped before it was done."""


class Untimely(Exception):
    """A statement has raised *error*, which is no Exception: it would have ended more than the statement."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Told(Exception):
    """Something of which it is known already how it is told: *problem*."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Problem:
    """*text* is the sentence, *hint* the next step or empty, *details* are further lines, outermost first."""

    code: ExitCode
    text: str
    hint: str = ""
    details: tuple[str, ...] = ()


def cannot_connect(error: BaseException, target: str) -> Problem:
    """Why there is no connection to *target*, or no login there."""
    target = visible(target, 100)
    if isinstance(error, LoginFailed):
        return _no_login(error)
    if isinstance(error, NoSuchMethod):
        return Problem(ExitCode.NO_LOGIN, f"{target} has no login", "connect without --user and --anonymous")
    if isinstance(error, UsageError):
        return Problem(ExitCode.USAGE, visible(str(error), _TEXT))
    return Problem(ExitCode.NO_CONNECTION, *_no_connection(error, target))


def _no_connection(error: BaseException, target: str) -> tuple[str, str]:
    """The sentence and the hint."""
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {target}: the connection was refused", "is the server up, and is that its port?"
    if isinstance(error, socket.gaierror):
        return f"there is no such host: {target}", "the name cannot be looked up; an address would do"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = visible(error.verify_message, _TEXT)
        return f"{target} shows a certificate that is not trusted: {reason}", "name who signed it: --tls-ca FILE"
    if isinstance(error, ssl.SSLError):
        reason = visible(str(getattr(error, "reason", None) or error), _TEXT)
        return f"there is no TLS with {target}: {reason}", "does the port speak TLS?"
    if isinstance(error, FileNotFoundError):
        return f"there is no such file: {visible(str(error.filename or target), 200)}", ""
    if isinstance(error, PermissionError):
        return f"{target} may not be opened by this user", ""
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) == errno.ETIMEDOUT:
        told = str(error) if isinstance(error, TimeoutError) and error.errno is None else ""
        if told.endswith("?"):
            return _silent(told, target)
        return visible(told, _TEXT) or f"{target} did not answer in time", "wait longer: --timeout 60s"
    if isinstance(error, PeerError | ConnectionGone):
        return f"{target} hung up or speaks something else: {reason_of(error)}", ""
    if isinstance(error, OSError) and error.errno:
        return f"{target} cannot be reached: {os.strerror(error.errno)}", ""
    return f"{target} cannot be reached: {reason_of(error)}", ""


def _silent(told: str, target: str) -> tuple[str, str]:
    """It asks whether it is TLS that is expected; the hint says how to find out."""
    place = target.removeprefix("tcp:")
    hint = "" if place.startswith("unix:") else f"if it expects TLS: pbshell tls:{place}"
    return visible(told.replace(f"tcp:{place}", place), _TEXT), hint


def cannot_serve(error: OSError, name: str) -> Problem:
    """Why nothing can be served as *name*."""
    hint = ""
    if error.errno == errno.EADDRINUSE:
        hint = "another program listens there: --listen tcp:PORT takes another port, and tcp:0 a free one"
    return Problem(ExitCode.NO_CONNECTION, f"{visible(name, 60)} cannot be served: {reason_of(error)}", hint)


def cannot_be_made(error: BaseException, name: str) -> Problem:
    """Why what is to be served as *name* does not come about: code of the user's has raised *error*."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_HERE)]
    text = f"{visible(name, 60)} cannot be made: {_named(error)}"
    return Problem(ExitCode.USAGE, text, "", tuple(map(_place, frames)))


def reason_of(error: BaseException) -> str:
    """What *error* says, without the number that only the system knows it by."""
    return visible(re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__, _TEXT)


def _no_login(error: LoginFailed) -> Problem:
    told = visible(str(error), _TEXT)
    if isinstance(error, UnhandledCredentials):
        # Twisted names the interface: all that tells here what was tried.
        instead = "log in by name: --user NAME" if "anonymous" in told.lower() else "try --anonymous"
        return Problem(ExitCode.NO_LOGIN, f"the server takes no such login: {told}", instead)
    if isinstance(error, LoginDenied):
        return Problem(ExitCode.NO_LOGIN, f"the server knows the user and refuses the login: {told}")
    which = "wrong user name or wrong password; a server does not tell which"
    return Problem(ExitCode.NO_LOGIN, f"the login was refused: {told or which}", which if told else "")


def what_happened(error: BaseException, *, logged_in: bool = True) -> Problem:
    """Why a statement or a command has failed; *logged_in* is whether that was done in front of it."""
    try:
        return _what_happened(error, logged_in=logged_in)
    except BaseException:  # noqa: BLE001 (the class of the error is anybody's, and this is where its exceptions end)
        return Problem(ExitCode.RAISED, _named(error))


def _what_happened(error: BaseException, *, logged_in: bool) -> Problem:
    if isinstance(error, Told):
        return error.problem
    if isinstance(error, LoginFailed):
        return _no_login(error)
    if isinstance(error, RemoteError):
        return _remote(error, logged_in=logged_in)
    if isinstance(error, DeadReferenceError):
        hint = ":reconnect makes a new connection; what it referred to may be another object there"
        return Problem(ExitCode.LOST, visible(str(error), _TEXT) or "the connection is gone", hint)
    if isinstance(error, ConnectionGone):
        return Problem(ExitCode.LOST, reason_of(error), "connect again; whether the method has run cannot be known")
    if isinstance(error, TimeoutError):
        return Problem(ExitCode.TIMEOUT, _text_of(error) or "no answer came in time")
    if isinstance(error, RefusedClass):
        # Its own text ends with the line to paste, which is found sooner if it is the next step.
        text = f"{error.path} is of class {error.type_name}, which is not registered here"
        return Problem(ExitCode.RAISED, visible(text, _TEXT), f"to accept it: {visible(error.hint, _TEXT)}")
    if isinstance(error, BadFilter):
        return Problem(ExitCode.RAISED, visible(error.reason, _TEXT), "", tuple(error.caret().split("\n")[:2]))
    if isinstance(error, UsageError | PeerError):
        return Problem(ExitCode.RAISED, visible(str(error), _TEXT))
    if isinstance(error, Interrupted):
        return Problem(ExitCode.INTERRUPTED, _text_of(error))
    if isinstance(error, Untimely):
        return _untimely(error.error)
    if isinstance(error, SyntaxError):
        return _syntax(error)
    return _local(error)


def _remote(error: RemoteError, *, logged_in: bool) -> Problem:
    kind, told = visible(error.remoteType, 200), visible(error.remoteValue, _TEXT)
    text = f"{kind}: {told}" if told else kind
    missing = lacking(error)
    if isinstance(error, NoSuchMethod) or missing:
        what = missing or told.removeprefix("No such method: ") or kind
        hint = "PB cannot list methods: look for remote_, perspective_ and view_ in the server's source"
        if not logged_in:
            # The root of a server with accounts has a login and nothing else.
            hint = "look for remote_ in the server's source; if it has accounts, log in: --user NAME or --anonymous"
        return Problem(ExitCode.RAISED, f"the object at the server has no such method: {what}", hint)
    lines = tuple(visible(line, _TEXT) for line in error.remoteTraceback.splitlines())
    if len(lines) > 1:
        return Problem(ExitCode.RAISED, f"RemoteError: {text}", "", lines)
    # An Error is raised on purpose, to be read here; the server logs any other.
    hint = "" if error.check(Error) else "its traceback is in the server's log"
    return Problem(ExitCode.RAISED, f"RemoteError: {text}", hint)


def lacking(error: RemoteError) -> str:
    """The method that an avatar or a Viewable lacks. They have no error of their own for it: Python's text tells."""
    found = re.search(r"has no attribute '((?:perspective|view)_\w+)'", error.remoteValue)
    return found[1] if found and error.remoteType.endswith("AttributeError") else ""


def _syntax(error: SyntaxError) -> Problem:
    text = f"SyntaxError: {visible(error.msg, _TEXT)}"
    if not error.text or not error.offset:
        return Problem(ExitCode.RAISED, text)
    line = error.text.rstrip("\n")
    return Problem(ExitCode.RAISED, text, "", (visible(line), " " * (error.offset - 1) + "^"))


def _untimely(error: BaseException) -> Problem:
    hint = "code that was called wanted to end the program: Ctrl-D leaves, or exit()"
    return Problem(ExitCode.RAISED, _named(error), hint if isinstance(error, SystemExit) else "", _frames(error))


def _local(error: BaseException) -> Problem:
    return Problem(ExitCode.RAISED, _named(error), _meant(error), _frames(error))


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else dotted_name(kind)
    text = _text_of(error)
    return f"{name}: {text}" if text else name


def _text_of(error: BaseException) -> str:
    """What *error* says. Its class may be anybody's: what its ``__str__()`` raises is told instead."""
    try:
        return visible(str(error), _TEXT)
    except BaseException as another:  # noqa: BLE001 (code of others, and this is where its exceptions end)
        return f"<its text cannot be had: {type(another).__name__}>"


def _meant(error: BaseException) -> str:
    """What was perhaps meant: a command without its colon, or a method of the server's without callRemote."""
    from pbshell.workbench.commands import COMMANDS  # noqa: PLC0415 (what commands do may go wrong: they know us)

    if isinstance(error, NameError) and error.name in COMMANDS:
        return f"a command begins with a colon: :{error.name}"
    if isinstance(error, AttributeError) and type(error.obj) is RemoteReference:
        return f"a method of the server's is called so: callRemote({visible(repr(error.name), 60)}, ...)"
    return ""


def _frames(error: BaseException) -> tuple[str, ...]:
    """Where it was raised, if that is deeper than the statement itself. Frames of the shell tell a user nothing."""
    every = traceback.extract_tb(error.__traceback__)
    below = dropwhile(lambda frame: not frame.filename.startswith(STATEMENT), every)
    frames = [frame for frame in below if not frame.filename.startswith(_HERE)]
    if len(frames) < 2:
        return ()
    places = [_place(frame) for frame in frames]
    if len(places) > 2 * _PLACES:
        # Recursion without an end: its beginning and its end tell all.
        places[_PLACES:-_PLACES] = [f"... {len(places) - 2 * _PLACES:,} more ..."]
    return tuple(places)


def _place(frame: traceback.FrameSummary) -> str:
    name = frame.filename if frame.filename.startswith(STATEMENT) else Path(frame.filename).name
    return f"{name}, line {frame.lineno}, in {frame.name}"
