"""Runs the Twisted program beside this file, and pbshell itself, as processes of their own. Knows pipes and ports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("twisted_pond.py")
#: of alice, who has the only account
PASSWORD = "wonderland"
#: what the program calls so: see there
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\r\nspoof\x9b2J\u202e\u2066[red]gone[/red]"


@dataclass(frozen=True)
class Pond:
    """A Twisted server that is running: the targets of its plain *root*, and of its *gate*, which wants a login."""

    root: str
    gate: str


@contextmanager
def running_pond() -> Iterator[Pond]:
    """Start the Twisted server, and end it."""
    command = [sys.executable, "-u", str(PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        root, gate = process.stdout.readline().split()
        yield Pond(f"127.0.0.1:{root}", f"127.0.0.1:{gate}")
        # Leaving closes stdin, at which the program ends.


@dataclass(frozen=True)
class Outcome:
    """How pbshell ended: exit *code*, and what it wrote."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """That of this process without what the user has set for a screen."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "TERM")}
    return {**kept, **more}


def pbshell(*words: str, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Outcome:
    """Run the command line *words* to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "pbshell", *words],
        input=stdin,
        env=environment(**(env or {})),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def is_harmless(text: str) -> bool:
    """Whether there is nothing in *text* that a terminal would obey but the ends of lines."""
    return all(line.isprintable() for line in text.split("\n"))
