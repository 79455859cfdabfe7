"""``pbshell doctor``: which step to a server fails and why, who hangs at a port, what is wrong in a capture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pbshell.cli.arguments import add_credentials, add_tls, columns, duration

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer
    from pbshell.workbench.doctor.steps import Step


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `doctor`."""
    parser.add_argument(
        "target",
        metavar="WHAT",
        nargs="?",
        default="",
        help="a server (HOST:PORT, tls:HOST:PORT, unix:PATH, @PROFILE), a port of this machine (:PORT), or a capture; "
        "without one, this machine",
    )
    add_credentials(parser, "login, which is tried only if asked for")
    add_tls(parser)
    parser.add_argument("--timeout", metavar="TIME", type=duration, help="for each step to a server (10s)")
    parser.add_argument("--all", action="store_true", help="show the peers of a port that are well, too")
    parser.add_argument("--json", action="store_true", help="one object to a line")
    parser.add_argument("--width", metavar="N", type=columns, help="columns; by default those of the terminal")


def run(options: argparse.Namespace) -> int:
    """Examine it, and show what was found. Raises UsageError."""
    from pbshell.workbench.doctor import meaning

    if not options.target:
        from pbshell.workbench.doctor.machine import examine_machine

        return _shown(examine_machine(), options)
    meant = meaning.meaning_of(options.target)
    if meant.kind == meaning.PORT:
        return _port(meant.port, options)
    if meant.kind == meaning.FILE:
        return _file(meant.word, options)
    return _target(meant.word, options)


def _shown(value: Any, options: argparse.Namespace) -> int:
    """Show *value*, whatever kind of finding it is. Returns its exit code."""
    from pbshell.cli.output import show

    if options.json:
        for told in value.objects():
            show(_json(told))
    else:
        show(_renderer(options).value(value))
    return int(value.code)


def _json(told: dict[str, Any]) -> str:
    import json

    # DEL is the one character that json leaves as it is and a terminal does not.
    return json.dumps({"v": 1, **told}).replace("\x7f", "\\u007f")


def _renderer(options: argparse.Namespace) -> Renderer:
    import sys

    from pbshell.cli.output import width
    from pbshell.shell.render import Renderer

    # A width that was asked for is meant to be kept to.
    screen = options.width is not None or (sys.stdout is not None and sys.stdout.isatty())
    return Renderer(width=options.width or width(), screen=screen)


# ------------------------------------------------------------------------------------------------ a server


def _target(word: str, options: argparse.Namespace) -> int:
    import asyncio
    import logging

    from pbshell.cli.output import log_to_stderr

    # What goes wrong is what this is about: the log would say it twice.
    log_to_stderr(0, logging.CRITICAL)
    return asyncio.run(_examined(word, options))


async def _examined(word: str, options: argparse.Namespace) -> int:
    from pbshell.cli.output import show
    from pbshell.cli.passwords import asker
    from pbshell.shell.views.doctor import conclusion, step
    from pbshell.workbench.doctor.target import examine
    from pbshell.workbench.reaching.targets import PATIENCE, asked, profile_of

    renderer = _renderer(options)

    def tell(done: Step) -> None:
        text = _json(done.object()) if options.json else step(done, renderer)
        if text:
            show(text)

    profile = profile_of(word, vars(options))
    endpoint = profile.endpoint()
    # A profile knows who logs in; whether somebody does, is said here.
    wanted = (options.user, options.anonymous, options.ask, options.password_env, options.password_file)
    checkup = await examine(
        endpoint,
        credentials=await asked(profile, asker()) if any(wanted) else None,
        user=profile.user or "anonymous",
        timeout=profile.timeout or PATIENCE,
        tls_name=profile.tls_name,
        told=tell,
    )
    show(_json(checkup.conclusion()) if options.json else conclusion(checkup, renderer))
    return int(checkup.code)


# ------------------------------------------------------------------------------------------------ a port, a file


def _port(port: int, options: argparse.Namespace) -> int:
    import asyncio

    from pbshell.cli.output import show
    from pbshell.errors import UsageError
    from pbshell.net.socket_tables import NoTables
    from pbshell.shell.views import doctor
    from pbshell.workbench.doctor.port import examine_port, no_tables

    try:
        report = asyncio.run(examine_port(port))
    except NoTables as error:
        raise UsageError(no_tables(error, port)) from None
    if options.json or not options.all:
        return _shown(report, options)
    show(doctor.port(report, _renderer(options), every=True))
    return int(report.code)


def _file(path: str, options: argparse.Namespace) -> int:
    import sys

    from pbshell.cli.output import say
    from pbshell.errors import CaptureError
    from pbshell.shell.progress import progress
    from pbshell.trace.explainers import Explainers
    from pbshell.workbench.doctor.capture import examine_capture

    explainers = Explainers.load(tell=lambda text: say(f"pbshell: {text}"))
    try:
        with progress(path, sys.stderr) as told:
            report = examine_capture(path, explainers=explainers, progress=told)
    except CaptureError as error:
        say(f"pbshell: {error}")
        return 8
    return _shown(report, options)
