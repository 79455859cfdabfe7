"""Checkers: who credentials belong to.

Knows accounts, and says "no" in the same words and the same time to a wrong name and a wrong password;
does not know what the user gets.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

from pbshell.cred.credentials import IAnonymous, IUsernameHashedPassword, IUsernamePassword, as_bytes
from pbshell.defer import Deferred, maybeDeferred
from pbshell.errors import UnauthorizedLogin

__all__ = [
    "ANONYMOUS",
    "AllowAnonymousAccess",
    "AvatarId",
    "FilePasswordDB",
    "ICredentialsChecker",
    "InMemoryUsernamePasswordDatabaseDontUse",
]

log = logging.getLogger(__name__)

#: What a realm gets as the avatar id of a user who showed nothing. Neither None nor an empty name, because both
#: come about by mistake: a forgotten ``return``, a line in a password file that begins with a colon.
ANONYMOUS: tuple[()] = ()

AvatarId: TypeAlias = bytes | tuple[()]

# bytes of the password that stands in for an unknown user's
_STAND_IN_SIZE = 16

# A file that changed less than this many nanoseconds before it was read may change again under the same date.
_SETTLED = 2_000_000_000


class ICredentialsChecker(Protocol):
    """What a portal asks who credentials belong to."""

    @property
    def credentialInterfaces(self) -> Sequence[type]:
        """The interfaces of the credentials it can check."""

    # Any: a checker gets only credentials that provide one of its interfaces, and may answer now or later.
    def requestAvatarId(self, credentials: Any) -> Any:
        """The name of the user as bytes, or ANONYMOUS; or a Deferred or awaitable of it.

        Raises UnauthorizedLogin when the credentials are wrong, whatever is wrong with them.
        """


class AllowAnonymousAccess:
    """Lets in everyone who shows nothing, as ANONYMOUS."""

    credentialInterfaces: ClassVar[tuple[type, ...]] = (IAnonymous,)

    def requestAvatarId(self, credentials: object) -> AvatarId:
        """Always ANONYMOUS."""
        return ANONYMOUS


class InMemoryUsernamePasswordDatabaseDontUse:
    """Accounts in a dictionary, ``users``: name to password, both bytes. For tests and examples."""

    credentialInterfaces: ClassVar[tuple[type, ...]] = (IUsernamePassword, IUsernameHashedPassword)

    def __init__(self, **users: str | bytes) -> None:
        self.users: dict[bytes, bytes] = {}
        self._stand_in = secrets.token_bytes(_STAND_IN_SIZE)
        for name, password in users.items():
            self.addUser(name, password)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.users)} users>"

    def addUser(self, username: str | bytes, password: str | bytes) -> None:
        """Make an account, or change its password. Text becomes UTF-8 bytes."""
        self.users[as_bytes(username, "a user name")] = as_bytes(password, "a password")

    def requestAvatarId(self, credentials: IUsernamePassword | IUsernameHashedPassword) -> Deferred[AvatarId]:
        """The user's name. Fails with UnauthorizedLogin."""
        name = as_bytes(credentials.username, "a user name")
        # An unknown user costs the same work, so that the time taken does not tell which names exist.
        stored = self.users.get(name, self._stand_in)
        checked = maybeDeferred(credentials.checkPassword, stored)
        return checked.addCallback(_admit, name, name in self.users)


class FilePasswordDB:
    """Accounts in a text file, one to a line: ``name:password``.

    The file is read at the first login, and again when it has changed. Blank lines and lines that begin with ``#``
    are skipped. A line that makes no account, and a file that cannot be read, is one sentence in the log; then
    nobody gets in by that line or that file. `complaints` says the same to the one who starts the server.

    *path* is the file. *delim* stands between the fields, *usernameField* and *passwordField* count them from 0.
    *caseSensitive* is about names only; a user whose name may be written in any case is known by the small letters.
    *hash* is for files that do not hold the passwords themselves: it is called with the user name, the password
    shown and the stored bytes, and gives what these bytes should be, now or as a Deferred or awaitable. PB's own
    login never sends a password, so it cannot be checked against such a file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        delim: str | bytes = b":",
        usernameField: int = 0,
        passwordField: int = 1,
        caseSensitive: bool = True,
        hash: Callable[[bytes, bytes, bytes], Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.delim = as_bytes(delim, "a delimiter")
        if not self.delim:
            raise ValueError("the delimiter of a password file cannot be empty")
        self.usernameField = usernameField
        self.passwordField = passwordField
        self.caseSensitive = caseSensitive
        self.hash = hash
        self._accounts: dict[bytes, bytes] = {}
        self._complaints: tuple[str, ...] = ()
        self._version: tuple[int, int, int] | None = None
        self._stand_in = secrets.token_bytes(_STAND_IN_SIZE)

    def __repr__(self) -> str:
        return f"FilePasswordDB({str(self.path)!r})"

    @property
    def credentialInterfaces(self) -> tuple[type, ...]:
        """With *hash*, only credentials that hold the password can be checked."""
        return (IUsernamePassword, IUsernameHashedPassword) if self.hash is None else (IUsernamePassword,)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong with the file as it is now, one sentence each; empty when nothing is."""
        self._refresh()
        return self._complaints

    def requestAvatarId(self, credentials: IUsernamePassword | IUsernameHashedPassword) -> Deferred[AvatarId]:
        """The user's name, in small letters if case does not matter. Fails with UnauthorizedLogin."""
        self._refresh()
        name = self._canonical(as_bytes(credentials.username, "a user name"))
        known = name in self._accounts
        # Another user's entry stands in for an unknown user's: the same work, in the form that *hash* expects.
        stored = self._accounts[name] if known else next(iter(self._accounts.values()), self._stand_in)
        return self._matches(credentials, stored).addCallback(_admit, name, known)

    # Any: with *hash* the credentials are IUsernamePassword, which the portal has seen to.
    def _matches(self, credentials: Any, stored: bytes) -> Deferred[bool]:
        if self.hash is None:
            return maybeDeferred(credentials.checkPassword, stored)
        hashed = maybeDeferred(self.hash, credentials.username, credentials.password, stored)
        return hashed.addCallback(_same, stored)

    def _canonical(self, name: bytes) -> bytes:
        return name if self.caseSensitive else name.lower()

    def _refresh(self) -> None:
        """Read the file if it is not the one we know; log complaints that are new."""
        try:
            version, accounts, complaints = self._read()
        except OSError as error:
            sentence = f"{self.path}: {error.strerror}; nobody can log in by this password file"
            version, accounts, complaints = None, {}, (sentence,)
        for complaint in complaints:
            if complaint not in self._complaints:
                log.error("%s", complaint)
        self._version, self._accounts, self._complaints = version, accounts, complaints

    def _read(self) -> tuple[tuple[int, int, int] | None, dict[bytes, bytes], tuple[str, ...]]:
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            if version == self._version:
                return self._version, self._accounts, self._complaints
            accounts: dict[bytes, bytes] = {}
            complaints = tuple(self._parse(file.read(), accounts))
        settled = time.time_ns() - status.st_mtime_ns > _SETTLED
        return version if settled else None, accounts, complaints

    def _parse(self, data: bytes, accounts: dict[bytes, bytes]) -> Iterator[str]:
        """Fill *accounts* from the lines of *data*; the complaints are given one by one."""
        for number, line in enumerate(data.splitlines(), 1):
            if not line.strip() or line.startswith(b"#"):
                continue
            fields = line.rstrip().split(self.delim)
            wanted = max(self.usernameField, self.passwordField) + 1
            if len(fields) < wanted:
                yield f"{self.path}, line {number}: {len(fields)} of {wanted} fields, the line makes no account"
                continue
            name = self._canonical(fields[self.usernameField])
            password = fields[self.passwordField]
            if not name or not password:
                yield f"{self.path}, line {number}: an empty name or password, the line makes no account"
            elif name in accounts:
                yield f"{self.path}, line {number}: this user has a line already, the first one counts"
            else:
                accounts[name] = password


def _admit(matched: object, name: bytes, known: bool) -> AvatarId:
    if matched and known:
        return name
    raise UnauthorizedLogin


def _same(hashed: str | bytes, stored: bytes) -> bool:
    return hmac.compare_digest(as_bytes(hashed, "a hashed password"), stored)
