"""Where a password comes from: an environment variable, a file, or somebody at the terminal; never the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["NoPassword", "credentials_of"]


class NoPassword(Exception):
    """There is no password where it was said to be."""


def credentials_of(options: argparse.Namespace) -> Any:
    """The credentials that *options* name, or None for no login. Raises NoPassword."""
    from pbshell.cred import Anonymous, UsernamePassword

    if options.anonymous:
        return Anonymous()
    if options.user is None:
        if options.ask or options.password_env or options.password_file:
            raise NoPassword("a password is for --user NAME")
        return None
    return UsernamePassword(options.user, _password(options))


def _password(options: argparse.Namespace) -> str:
    if options.password_env is not None:
        password = os.environ.get(options.password_env)
        if password is None:
            # Its name is not repeated: who writes $PW for PW has given the password itself.
            raise NoPassword("the environment variable of --password-env is not set: give its name, without a $")
        return password
    if options.password_file is not None:
        try:
            with Path(options.password_file).open(encoding="utf-8") as file:
                return file.readline().rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise NoPassword(f"the file of --password-file cannot be read: {reason}") from None
    if not sys.stdin.isatty():
        raise NoPassword("there is no terminal to ask for the password at: use --password-env or --password-file")
    from getpass import getpass

    try:
        return getpass("Password: ")
    except EOFError:
        raise NoPassword("no password was given") from None
