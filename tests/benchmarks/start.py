"""How long the command line takes to say something: whole processes, by the clock on the wall."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

#: The program as it is installed beside the Python that runs this, or what comes closest to it.
_PROGRAM = Path(sys.executable).with_name("pbshell")
_COMMAND = [str(_PROGRAM)] if _PROGRAM.exists() else [sys.executable, "-m", "pbshell"]


def _milliseconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([*_COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)
    return 1_000 * (time.perf_counter() - start)


def help_in_milliseconds(rounds: int) -> float:
    return median(_milliseconds("--help") for _ in range(2 * rounds + 1))
