"""Arguments that several commands take. Knows how they are written."""

from __future__ import annotations

import argparse

from pbshell.workbench.forms.durations import seconds_of

__all__ = [
    "add_common",
    "add_credentials",
    "add_login",
    "add_screen",
    "add_target",
    "add_tls",
    "columns",
    "duration",
]


def duration(text: str) -> float:
    """Seconds: ``10s``, ``500ms``, ``2m``, or a bare number of seconds. Raises ArgumentTypeError."""
    seconds = seconds_of(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 10s, 500ms or 2m")
    return seconds


def columns(text: str) -> int:
    """A width, in columns. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 20 <= int(text) < 10**6:
        raise argparse.ArgumentTypeError(f"{text[:20]!a} is no width: write a number of columns from 20 on")
    return int(text)


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every command that has connections takes."""
    parser.add_argument("--trace", action="store_true", help="show the calls of both sides, a line each")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more; twice for everything")
    parser.add_argument("--log", metavar="FILE", help="log into this file, for its owner alone, and not to stderr")


def add_target(parser: argparse.ArgumentParser) -> None:
    """What every command takes that connects to a server."""
    parser.add_argument("target", metavar="TARGET", help="HOST:PORT, tls:HOST:PORT, unix:PATH or @PROFILE")
    add_login(parser)
    parser.add_argument(
        "--retry", action="store_true", help="while there is no connection, try again, with growing pauses"
    )


def add_login(parser: argparse.ArgumentParser) -> None:
    """What can be said of a server beside where it is."""
    login = add_credentials(parser, "login")
    login.add_argument(
        "--mind", metavar="EXPR", help="what the server may call: Python that gives a pb.Referenceable, or MODULE:NAME"
    )
    add_tls(parser)
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=duration,
        help="for connection and login (10s), and for each statement that is not typed at the prompt (no limit)",
    )


def add_credentials(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Who logs in, and where the password is, as a group with this *title*; it is given back."""
    login = parser.add_argument_group(title)
    who = login.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="NAME", help="log in by this name")
    who.add_argument("--anonymous", action="store_true", help="log in without a name")
    secret = login.add_mutually_exclusive_group()
    secret.add_argument("--password-env", metavar="VARIABLE", help="the password is in this environment variable")
    secret.add_argument(
        "--password-file",
        metavar="FILE",
        help="the password is the first line of this file, which nobody else may read",
    )
    secret.add_argument("--ask", action="store_true", help="ask for the password (so it is done at a terminal)")
    return login


def add_tls(parser: argparse.ArgumentParser) -> None:
    """Who may sign the server's certificate, and what is shown to it."""
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--tls-ca", metavar="FILE", help="who may sign the server's certificate")
    tls.add_argument("--tls-cert", metavar="FILE", help="a certificate to show to the server")
    tls.add_argument("--tls-key", metavar="FILE", help="its private key")
    tls.add_argument("--tls-name", metavar="HOST", help="the name that the server's certificate must have")


def add_screen(parser: argparse.ArgumentParser) -> None:
    """How results are written."""
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--json", action="store_true", help="each result as an object on a line of its own; errors too")
    shown.add_argument(
        "--plain", action="store_true", help="no frames and no full screens: lines that can be read aloud"
    )
    shown.add_argument("--no-color", action="store_true", help="no colours, also at a terminal")
    shown.add_argument("--width", metavar="N", type=columns, help="columns; by default those of the terminal")
