"""How the process ends: the numbers that scripts rely on, and what each of them means. Knows nothing else."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """How the process ends; *meaning* says it in a sentence."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        """A number with its *meaning*."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning = meaning
        return code

    OK = 0, "All went well."
    RAISED = 1, "A statement raised an exception, here or at the server; or stdout cannot be written."
    USAGE = 2, "The command line or a profile is wrong, what is to be served cannot be made, or a file cannot be saved."
    NO_CONNECTION = 3, "There is no connection, or a server or the proxy could not listen or not write its port file."
    NO_LOGIN = 4, "The login was refused."
    TIMEOUT = 5, "A statement was not done in time."
    LOST = 6, "The connection was lost in a call, or a relay has come to an end by itself."
    DIFFERENT = 7, "Two captures are different."
    BAD_FILE = 8, "A file is no capture, or is damaged."
    INTERRUPTED = 130, "Interrupted by Ctrl-C."
