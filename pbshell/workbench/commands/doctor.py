"""The command ``:doctor``: what is wrong with a connection, a server, a port of this machine, or a capture."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pbshell.errors import CaptureError, UsageError
from pbshell.net.socket_tables import NoTables
from pbshell.wire.text import visible
from pbshell.workbench.commands.command import command
from pbshell.workbench.doctor.capture import CaptureReport, examine_capture
from pbshell.workbench.doctor.link import examine_line
from pbshell.workbench.doctor.meaning import FILE, PORT, meaning_of
from pbshell.workbench.doctor.port import PortReport, examine_port, no_tables
from pbshell.workbench.doctor.steps import Checkup
from pbshell.workbench.doctor.target import examine
from pbshell.workbench.reaching.profiles import load

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench


@command("doctor", "[CONN|TARGET|:PORT|FILE]", "what is wrong with a connection, a server, a port, or a capture")
async def doctor(bench: Workbench, word: str = "") -> Checkup | PortReport | CaptureReport:
    """Examine what *word* names, by default the connection in use. Nothing is called on a server.

    Raises UsageError when there is no such thing.
    """
    name = word or bench.current
    lines = {line.name: line for line in bench.lines()}
    if name in lines:
        return examine_line(bench, lines[name])
    if not word or word in bench.ended:
        shown = f"the connection {visible(name, 40)} has ended" if name else "there is no connection"
        raise UsageError(f"{shown}: write :doctor HOST:PORT, :doctor :PORT, or :doctor FILE")
    meant = meaning_of(word)
    if meant.kind == PORT:
        return await _port(meant.port)
    if meant.kind == FILE:
        return await _file(meant.word)
    return await _target(meant.word)


async def _port(port: int) -> PortReport:
    try:
        return await examine_port(port)
    except NoTables as error:
        raise UsageError(no_tables(error, port)) from None


async def _file(path: str) -> CaptureReport:
    try:
        return await asyncio.get_running_loop().run_in_executor(None, examine_capture, path)
    except CaptureError as error:
        raise UsageError(str(error)) from None


async def _target(word: str) -> Checkup:
    if not word.startswith("@"):
        return await examine(word)
    profile = load(word)
    # Nobody has asked for a login here, and a profile's password is not fetched for this.
    return await examine(profile.endpoint(), tls_name=profile.tls_name)
