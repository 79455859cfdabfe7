"""Where a password comes from: somebody at the terminal, an environment variable, a file, or the system's keyring.

Knows the sources and what may be wrong with them. Repeats nothing that may be the password itself.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = ["SOURCES", "NoPassword", "is_source", "password_from", "service_of"]

#: how a source is written
SOURCES = "ask, env:VARIABLE, file:PATH or keyring"
#: who beside its owner may do what with a file
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NoPassword(UsageError):
    """There is no password where it was said to be."""


def is_source(text: str) -> bool:
    """Whether *text* is written as a source."""
    kind, colon, rest = text.partition(":")
    return bool(rest) if kind in ("env", "file") else kind in ("ask", "keyring") and not colon


def service_of(profile: str) -> str:
    """What a *profile* is called in the keyring."""
    return f"pbshell/{profile}"


def password_from(source: str, ask: Callable[[], str] | None, *, user: str = "", profile: str = "") -> str:
    """The password that *source* names. *ask* gets it from somebody, and is None where there is nobody.

    In the keyring it is that of *user*, of the service ``pbshell/PROFILE``. Raises NoPassword.
    """
    kind, _, rest = source.partition(":")
    if kind == "env":
        return _of_environment(rest)
    if kind == "file":
        return _of_file(Path(rest))
    if kind == "keyring":
        return _of_keyring(service_of(profile), user)
    if ask is None:
        raise NoPassword("there is no terminal to ask for the password at: use --password-env or --password-file")
    return ask()


def _of_environment(variable: str) -> str:
    password = os.environ.get(variable)
    if password is None:
        # Its name is not repeated: who writes $PW for PW has given the password itself.
        raise NoPassword("the environment variable for the password is not set: give its name, without a $")
    return password


def _of_file(path: Path) -> str:
    """The first line. A file that others may read is refused; a pipe has no such others."""
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & _OTHERS:
                mend = f"chmod 600 {shlex.quote(str(path.expanduser()))}"
                raise NoPassword(f"others may read the password's file: {visible(mend, 300)}")
            return file.readline().rstrip("\r\n")
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        # Nor is this: it may be the password, given in the wrong place.
        raise NoPassword(f"the password's file cannot be read: {reason}") from None


def _of_keyring(service: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise NoPassword("the profile's password is in the keyring: pip install 'pbshell[keyring]'") from None
    try:
        password = keyring.get_password(service, user)
    except KeyringError as error:
        raise NoPassword(f"the keyring cannot be read: {visible(str(error) or type(error).__name__, 200)}") from None
    if password is None:
        put = f"keyring set {service} {shlex.quote(user)}"
        raise NoPassword(f"the keyring has no password for it: {visible(put, 200)}")
    return password
