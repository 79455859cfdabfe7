"""What a word behind `doctor` means: a port, a file, a profile, or a server. Examines nothing."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = ["FILE", "PORT", "TARGET", "Meaning", "meaning_of"]

PORT, FILE, TARGET = "port", "file", "target"
_KINDS = ("tcp:", "tls:", "unix:", "@")


@dataclass(frozen=True, slots=True)
class Meaning:
    """*kind* is port, file or target; *word* is its path or target, *port* its number."""

    kind: str
    word: str
    port: int = 0


def meaning_of(word: str) -> Meaning:
    """What *word* means. Raises UsageError for what can be none of them."""
    if word.startswith(":"):
        number = word[1:]
        if not (number.isascii() and number.isdigit()) or not 0 < int(number[:6]) < 65_536 or len(number) > 5:
            raise UsageError(f"{visible(word, 60)} is no port of this machine: write :9989, with a number up to 65535")
        return Meaning(PORT, word, int(number))
    if word.startswith(_KINDS):
        return Meaning(TARGET, word)
    try:
        mode = Path(word).stat().st_mode
    except (OSError, ValueError):
        return _no_file(word)
    if stat.S_ISSOCK(mode):
        return Meaning(TARGET, "unix:" + word.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\="))
    if stat.S_ISDIR(mode):
        raise UsageError(f"{visible(word, 100)} is a folder: name a capture in it")
    return Meaning(FILE, word)


def _no_file(word: str) -> Meaning:
    if "/" not in word and ":" in word:
        return Meaning(TARGET, word)
    if word.isdigit():
        raise UsageError(f"{visible(word, 20)} is no target: a port of this machine is written :{visible(word, 20)}")
    raise UsageError(
        f"there is no file {visible(word, 100)}; a server is written HOST:PORT, a port of this machine :PORT"
    )
