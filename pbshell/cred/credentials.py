"""Credentials: what someone shows to prove who they are.

Knows names, passwords and challenges; does not know who may come in.

The interfaces are tokens: a class of credentials names in `provides` the ones it stands for, a checker names in
`credentialInterfaces` the ones it takes, and the portal brings the two together. Any class can serve as a token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, ClassVar, Protocol

from pbshell.errors import dotted_name

__all__ = [
    "Anonymous",
    "ChallengeResponse",
    "IAnonymous",
    "ICredentials",
    "IUsernameHashedPassword",
    "IUsernameMD5Password",
    "IUsernamePassword",
    "UsernamePassword",
]

#: bytes of a challenge and of a response
DIGEST_SIZE = 16


class ICredentials(Protocol):
    """What every kind of credentials has."""

    @property
    def provides(self) -> tuple[type, ...]:
        """The interfaces it stands for. A plain attribute of the class will do."""


class IAnonymous(ICredentials, Protocol):
    """Someone who shows nothing."""


class IUsernamePassword(ICredentials, Protocol):
    """A user name with the password itself."""

    @property
    def username(self) -> bytes: ...

    @property
    def password(self) -> bytes: ...

    def checkPassword(self, password: bytes) -> Any:
        """Whether *password* is the one shown: a bool, or a Deferred or awaitable of it."""


class IUsernameHashedPassword(ICredentials, Protocol):
    """A user name with proof that the password is known; whoever checks it holds the password in plain."""

    @property
    def username(self) -> bytes: ...

    def checkPassword(self, password: bytes) -> Any:
        """Whether the proof was made of *password*: a bool, or a Deferred or awaitable of it."""


class IUsernameMD5Password(ICredentials, Protocol):
    """A user name with proof that the password is known; whoever checks it holds the password's MD5 digest."""

    @property
    def username(self) -> bytes: ...

    def checkMD5Password(self, digest: bytes) -> Any:
        """Whether the proof was made of the password of this MD5 *digest* (16 bytes): a bool, or a Deferred of it."""


class _IJellyable:
    """That the credentials can cross by themselves.

    Nobody checks it, but in Twisted the credentials of a PB login are a PB object, and a refusal says so: no client
    shall tell us from Twisted by that.
    """


#: The names that Twisted's interfaces of the same meaning have, and that a failed login tells the client.
_DOTTED_NAMES: dict[type, str] = {
    ICredentials: "twisted.cred.credentials.ICredentials",
    IAnonymous: "twisted.cred.credentials.IAnonymous",
    IUsernamePassword: "twisted.cred.credentials.IUsernamePassword",
    IUsernameHashedPassword: "twisted.cred.credentials.IUsernameHashedPassword",
    IUsernameMD5Password: "twisted.spread.pb.IUsernameMD5Password",
    _IJellyable: "twisted.spread.interfaces.IJellyable",
}


def interface_name(interface: type) -> str:
    """The dotted name under which *interface* is told to a peer."""
    return _DOTTED_NAMES.get(interface) or dotted_name(interface)


def provided_by(credentials: object) -> tuple[type, ...]:
    """The interfaces that *credentials* names in `provides`; none for an object that is no credentials."""
    return tuple(getattr(credentials, "provides", ()))


def as_bytes(value: object, what: str) -> bytes:
    """A name or password as bytes: text becomes UTF-8, because that is what checkers hold.

    *what* names the value in the TypeError for anything else; the value itself is never shown.
    """
    if isinstance(value, str):
        # A lone surrogate in a peer's text must not become an error of its own: it is one more unknown user.
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    raise TypeError(f"{what} is text or bytes, not {type(value).__name__}")


class Anonymous:
    """The credentials of someone who shows nothing."""

    __slots__ = ()
    provides: ClassVar[tuple[type, ...]] = (IAnonymous,)

    def __repr__(self) -> str:
        return "Anonymous()"


class UsernamePassword:
    """A user name and a password. Text becomes UTF-8 bytes."""

    __slots__ = ("password", "username")
    provides: ClassVar[tuple[type, ...]] = (IUsernamePassword,)

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self.username = as_bytes(username, "a user name")
        self.password = as_bytes(password, "a password")

    def __repr__(self) -> str:
        return f"UsernamePassword({self.username!r}, '***')"

    def checkPassword(self, password: str | bytes) -> bool:
        """Whether *password* is the one shown. The time taken does not tell how much of it was right."""
        return hmac.compare_digest(as_bytes(password, "a password"), self.password)


class ChallengeResponse:
    """What a PB login shows: a user name, the challenge we sent, and the response that came.

    All are bytes, challenge and response 16 of them; a response of another length is a wrong one.
    Source: docs/reference/wire.md#login.
    """

    __slots__ = ("challenge", "response", "username")
    provides: ClassVar[tuple[type, ...]] = (IUsernameHashedPassword, IUsernameMD5Password, _IJellyable)

    def __init__(self, username: bytes, challenge: bytes, response: bytes) -> None:
        self.username = username
        self.challenge = challenge
        self.response = response

    def __repr__(self) -> str:
        return f"ChallengeResponse({self.username!r}, '***', '***')"

    def checkPassword(self, password: str | bytes) -> bool:
        """Whether the response was made of *password*."""
        return self.checkMD5Password(_md5(as_bytes(password, "a password")))

    def checkMD5Password(self, digest: bytes) -> bool:
        """Whether the response was made of the password of this MD5 *digest* (16 bytes)."""
        return hmac.compare_digest(_md5(digest + self.challenge), self.response)


def new_challenge() -> bytes:
    """A challenge that nobody can guess: 16 bytes, the MD5 digest of 256 random bits."""
    return _md5(secrets.token_bytes(32))


def response_to(challenge: bytes, password: bytes) -> bytes:
    """The right response to *challenge*: 16 bytes, ``md5(md5(password) + challenge)``.

    Source: docs/reference/wire.md#login.
    """
    return _md5(_md5(password) + challenge)


def _md5(data: bytes) -> bytes:
    # PB's login is MD5 by protocol, so there is no choice; the flag lets it run where a policy bans MD5.
    return hashlib.md5(data, usedforsecurity=False).digest()
