"""The doctor for this machine: Python, what is installed, where files lie, the terminal. Changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from pbshell import __version__
from pbshell.wire.text import visible
from pbshell.workbench.doctor.steps import OK, WARNING, Checkup, Step

__all__ = ["EXTRAS", "examine_machine"]

#: by the name of an extra: the module it brings, and what it is for
EXTRAS = {
    "keyring": ("keyring", "passwords of profiles in the system's keyring"),
    "pcap": ("dpkt", "captures of tcpdump and Wireshark"),
}
#: columns below which tables leave much out
_NARROW = 80


def examine_machine(out: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> Checkup:
    """What this machine has; *out* is what is written to, by default stdout."""
    steps = [
        Step("pbshell", OK, f"{__version__}, in {visible(str(Path(__file__).parents[2]), 200)}"),
        _python(),
        *(_extra(name) for name in EXTRAS),
        *_folders(),
        *_terminal(sys.stdout if out is None else out, environ),
        *_kernel(),
    ]
    lacking = [step for step in steps if step.state != OK]
    if not lacking:
        text = "this machine has all that pbshell can use"
    else:
        text = f"pbshell works here; what could be better: {', '.join(step.name for step in lacking)}"
    return Checkup("this machine", tuple(steps), text, "pbshell doctor HOST:PORT examines the way to a server")


def _python() -> Step:
    where = visible(sys.executable or "an unknown place", 200)
    name = platform.python_implementation()
    return Step("python", OK, f"{name} {platform.python_version()} on {platform.system()}, {where}")


def _extra(name: str) -> Step:
    module, purpose = EXTRAS[name]
    if find_spec(module) is not None:
        return Step(name, OK, f"there: {purpose}")
    return Step(name, WARNING, f"missing: {purpose}", hint=f"pip install 'pbshell[{name}]'")


def _folders() -> list[Step]:
    import platformdirs

    places = {"config": platformdirs.user_config_path("pbshell"), "state": platformdirs.user_state_path("pbshell")}
    return [_folder(name, path) for name, path in places.items()]


def _folder(name: str, path: Path) -> Step:
    shown = visible(str(path), 200)
    try:
        found = path.stat()
    except FileNotFoundError:
        return Step(name, OK, f"{shown}, which will be made when it is needed")
    except OSError as error:
        return Step(name, WARNING, f"{shown} cannot be looked at: {error.strerror}", hint="its files cannot be kept")
    if not os.access(path, os.W_OK | os.X_OK):
        return Step(name, WARNING, f"{shown} cannot be written", hint=f"chmod u+rwx {shown}")
    if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        return Step(name, WARNING, f"{shown} can be written by others", hint=f"chmod go-w {shown}")
    return Step(name, OK, shown)


def _terminal(out: TextIO | None, environ: Mapping[str, str]) -> list[Step]:
    encoding = (getattr(out, "encoding", "") or "none").lower()
    if encoding.replace("-", "") == "utf8":
        letters = Step("letters", OK, "utf-8")
    else:
        hint = "letters it lacks are shown by their numbers: export LANG=C.UTF-8"
        letters = Step("letters", WARNING, encoding, hint=hint)
    if out is None or not out.isatty():
        return [Step("terminal", OK, "none: what is written goes to a file or a pipe, without colours"), letters]
    columns = shutil.get_terminal_size().columns
    kind = visible(environ.get("TERM", ""), 40) or "of no kind (TERM is not set)"
    if environ.get("TERM") == "dumb":
        return [Step("terminal", WARNING, "dumb: lines without an editor", hint="set TERM if it can do more"), letters]
    colours = "no colours (NO_COLOR)" if environ.get("NO_COLOR") else "colours"
    text = f"{kind}, {columns} columns, {colours}"
    if columns < _NARROW:
        return [Step("terminal", WARNING, text, hint="from 80 columns on, tables show more"), letters]
    return [Step("terminal", OK, text), letters]


def _kernel() -> list[Step]:
    if not Path("/proc/net/tcp").exists():
        text = "no /proc/net/tcp: `pbshell doctor :PORT` cannot look into this kernel"
        return [Step("sockets", WARNING, text, hint="netstat -an -p tcp, and lsof -nP -iTCP:PORT, show the same")]
    if shutil.which("ss") is None:
        text = "/proc/net/tcp is there, ss is not: round trips and times of peers are not known"
        return [Step("sockets", WARNING, text, hint="it comes with iproute2")]
    return [Step("sockets", OK, "/proc/net/tcp and ss are there, for `pbshell doctor :PORT`")]
