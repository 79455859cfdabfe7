"""Every exception pbshell raises, and the names they travel under.

Knows what to say about a failure; does not know what failed: attributes come in, sentences go out.

::

    PBError
    ├── UsageError             we asked for what PB cannot do; nothing was sent, the connection is unharmed
    │   ├── CannotEncode         no type byte for the value, or beyond our limits
    │   ├── CannotJelly          an object without a flavor                        (also an InsecureJelly)
    │   └── ForeignReference     a reference that belongs to another connection
    ├── PeerError              the peer broke a rule; .offset counts bytes since the connection opened
    │   ├── BananaError          bytes that are not banana
    │   ├── LimitExceeded        more than our limits grant
    │   ├── DialectError         the handshake found no common dialect
    │   ├── ProtocolError        banana that is not PB
    │   └── RefusedClass         a class that is not registered                    (also an InsecureJelly)
    ├── InsecureJelly          what both of the above are to someone who traps it
    ├── ConnectionGone         (also a ConnectionError)
    │   ├── PBConnectionLost     the call will never be answered
    │   └── DeadReferenceError   a reference whose connection is gone; raised at once
    ├── RemoteError            the peer's method raised
    ├── NoSuchMethod           (also an AttributeError)
    ├── Unauthorized
    │   └── LoginFailed
    │       ├── UnauthorizedLogin
    │       ├── UnhandledCredentials
    │       └── LoginDenied
    └── CaptureError           a capture file that cannot be read
    Error                      base for an application's own quiet exceptions (pb.Error)

`Error` stands beside the tree, so that ``except PBError`` does not swallow an application's own exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "BananaError",
    "CannotEncode",
    "CannotJelly",
    "CaptureError",
    "ConnectionGone",
    "DeadReferenceError",
    "DialectError",
    "Error",
    "ForeignReference",
    "InsecureJelly",
    "LimitExceeded",
    "LoginDenied",
    "LoginFailed",
    "NoSuchMethod",
    "PBConnectionLost",
    "PBError",
    "PeerError",
    "ProtocolError",
    "RefusedClass",
    "RemoteError",
    "Unauthorized",
    "UnauthorizedLogin",
    "UnhandledCredentials",
    "UsageError",
]


class Error(Exception):
    """Base of an application's own exceptions: they reach the caller and are not logged where they are raised."""


class PBError(Exception):
    """Base of everything that pbshell itself raises."""


class UsageError(PBError):
    """We asked for what PB cannot do. Nothing was sent, and the connection is unharmed."""


class CannotEncode(UsageError):
    """A value has no type byte, or is beyond our limits.

    In the second case *size* is what it would take, *limit* the field of Limits, and *value* what that allows.
    """

    def __init__(
        self, message: str, *, size: int | None = None, limit: str | None = None, value: int | None = None
    ) -> None:
        self.size = size
        self.limit = limit
        self.value = value
        super().__init__(message)


class InsecureJelly(PBError):
    """An object may not cross: ours has no flavor, or the peer's class is not registered here."""


class CannotJelly(UsageError, InsecureJelly):
    """An object without a flavor is among the arguments or in the result.

    *path* says where, as Python would write it: ``args[1]['when']``.
    """

    def __init__(self, type_name: str, path: str, hint: str = "") -> None:
        self.type_name = type_name
        self.path = path
        self.hint = hint or "subclass Copyable or Referenceable, or send its data"
        super().__init__(type_name, path, self.hint)

    def __str__(self) -> str:
        return f"{self.path} is of type {self.type_name}, and PB has no flavor for it: {self.hint}."


class ForeignReference(UsageError):
    """A reference that belongs to another connection; only its owner's connection can carry it home."""

    def __init__(self, path: str, what: str = "a remote reference") -> None:
        self.path = path
        self.what = what
        super().__init__(path, what)

    def __str__(self) -> str:
        return (
            f"{self.path} is {self.what} that belongs to another connection: "
            "wrap it in a Referenceable of your own to pass it on."
        )


class PeerError(PBError):
    """The peer broke a rule. *offset* counts bytes received since the connection opened, or is None.

    *told* is what the peer is told of it, where that is not the message itself: ours may name our own code.
    """

    told: str | None = None

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        self.message = message
        self.offset = offset
        super().__init__(message)

    def __str__(self) -> str:
        return self.message if self.offset is None else f"{self.message} (at byte {self.offset})"


class BananaError(PeerError):
    """The bytes are not banana."""


class LimitExceeded(PeerError):
    """The peer sent more than our limits grant: *limit* is the field of Limits, *value* what it allows."""

    def __init__(self, message: str, *, limit: str, value: int, offset: int | None = None) -> None:
        self.limit = limit
        self.value = value
        super().__init__(message, offset=offset)

    def __str__(self) -> str:
        return f"{super().__str__()}: Limits({self.limit}={self.value}) here"


class DialectError(PeerError):
    """The handshake found no common dialect, or a word came that the dialect does not have."""


class ProtocolError(PeerError):
    """The bytes are banana, but no PB verb, or one with a wrong field."""


class RefusedClass(PeerError, InsecureJelly):
    """The peer sent an object whose class is not registered here."""

    def __init__(
        self, type_name: str, path: str, hint: str = "", *, told: str | None = None, offset: int | None = None
    ) -> None:
        self.type_name = type_name
        self.path = path
        self.hint = hint or f"pb.setUnjellyableForClass({type_name!r}, YourRemoteCopy)"
        self.told = told
        super().__init__("", offset=offset)

    @property
    def message(self) -> str:
        """Class, place, and the line that would accept it."""
        return f"{self.path} is of class {self.type_name}, which is not registered here; to accept it: {self.hint}"

    @message.setter
    def message(self, message: str) -> None:
        """Made from the attributes: the path grows while the error travels outwards."""


class ConnectionGone(PBError, ConnectionError):
    """The connection that carried this is gone."""


class PBConnectionLost(ConnectionGone):
    """The connection ended before the answer came. *reason* is why; *pending* counts the calls that died with it."""

    def __init__(self, reason: object = None, pending: int = 1) -> None:
        self.reason = reason
        self.pending = pending
        super().__init__(reason, pending)

    def __str__(self) -> str:
        calls = "1 call" if self.pending == 1 else f"{self.pending} calls"
        return f"the connection was lost with {calls} unanswered: {self.reason or 'no reason was given'}"


class DeadReferenceError(ConnectionGone):
    """A call on a reference whose connection is gone. Raised at once, before anything is done."""


class NoSuchMethod(PBError, AttributeError):
    """The object has no such remote method."""


class Unauthorized(PBError):
    """The peer, or this side, does not grant that."""


class LoginFailed(Unauthorized):
    """The login failed; which part of it was wrong is not told."""


class UnauthorizedLogin(LoginFailed):
    """Wrong user name or wrong password."""


class UnhandledCredentials(LoginFailed):
    """No checker of the portal takes credentials of this kind."""


class LoginDenied(LoginFailed):
    """The credentials were right, and the realm refuses the user all the same."""


class CaptureError(PBError):
    """A capture file cannot be read. *line* is the line, counted from 1, or None."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        self.message = message
        self.line = line
        super().__init__(message)

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


#: Our classes and the names they travel under: the dotted name, then Twisted's other parents up to Exception.
#: A Twisted peer's ``trap(pb.Error)`` looks into that list, and our `check` accepts our class for the name.
WIRE_NAMES: dict[type[BaseException], tuple[str, ...]] = {
    Error: ("twisted.spread.pb.Error",),
    NoSuchMethod: ("twisted.spread.flavors.NoSuchMethod", "builtins.AttributeError"),
    InsecureJelly: ("twisted.spread.jelly.InsecureJelly",),
    PBConnectionLost: ("twisted.spread.pb.PBConnectionLost",),
    DeadReferenceError: ("twisted.spread.pb.DeadReferenceError", "twisted.spread.pb.ProtocolError"),
    ProtocolError: ("twisted.spread.pb.ProtocolError",),
    BananaError: ("twisted.spread.banana.BananaError",),
    Unauthorized: ("twisted.cred.error.Unauthorized",),
    LoginFailed: ("twisted.cred.error.LoginFailed",),
    UnauthorizedLogin: (
        "twisted.cred.error.UnauthorizedLogin",
        "twisted.cred.error.LoginFailed",
        "twisted.cred.error.Unauthorized",
    ),
    UnhandledCredentials: ("twisted.cred.error.UnhandledCredentials", "twisted.cred.error.LoginFailed"),
    LoginDenied: ("twisted.cred.error.LoginDenied", "twisted.cred.error.LoginFailed"),
}


def dotted_name(cls: type) -> str:
    """The name of a class as it is told to a peer: ``builtins.ValueError``."""
    return f"{cls.__module__}.{cls.__name__}"


def names_of(wanted: type[BaseException] | str | bytes) -> tuple[str, ...]:
    """The names by which *wanted*, a class or a dotted name, may stand in a peer's list of parents."""
    if isinstance(wanted, bytes):
        return (wanted.decode("utf-8", "replace"),)
    if isinstance(wanted, str):
        return (wanted,)
    if wanted in WIRE_NAMES:
        return (WIRE_NAMES[wanted][0], dotted_name(wanted))
    return (dotted_name(wanted),)


class RemoteError(PBError):
    """The peer's method raised.

    *remoteType* is the dotted name of the class there, *remoteValue* the text of the exception, *remoteTraceback*
    what the peer chose to show of it, *parents* the dotted names of the class and all its bases.
    """

    def __init__(
        self, remoteType: str, remoteValue: str = "", remoteTraceback: str = "", parents: Sequence[str] = ()
    ) -> None:
        self.remoteType = remoteType
        self.remoteValue = remoteValue
        self.remoteTraceback = remoteTraceback
        self.parents = tuple(parents) or (remoteType,)
        Exception.__init__(self, remoteType, remoteValue, remoteTraceback, self.parents)

    def __str__(self) -> str:
        return self.remoteValue

    def __repr__(self) -> str:
        return f"RemoteError({self.remoteType!r}, {self.remoteValue!r})"

    def check(self, *wanted: type[BaseException] | str | bytes) -> type[BaseException] | str | bytes | None:
        """The first of *wanted* (classes or dotted names) that the remote exception is an instance of, or None."""
        for each in wanted:
            if any(name in self.parents for name in names_of(each)):
                return each
        return None
