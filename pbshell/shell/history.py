"""What was typed, kept in a file from one session to the next. Knows which lines are kept; knows no prompt.

A line that may hold a secret is not written, and neither is one that begins with a blank. In the session that typed it
every line can be called back.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from prompt_toolkit.history import History

__all__ = ["FileOfLines", "is_secret"]

#: characters of one entry, and bytes and entries of the file, which is cut to half of them at the start of a session
_ENTRY, _BYTES, _ENTRIES = 20_000, 2 * 1024 * 1024, 10_000
#: words that are said where a secret stands, in any case and also as a part of a name; and USER:PASSWORD@HOST
_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|api_?key|private_?key|://[^/\s:@]*:[^/\s@]*@", re.IGNORECASE
)


def is_secret(text: str) -> bool:
    """Whether *text* is kept out of the file: it has one of the words in it, or the form, of the rule above."""
    return _SECRET.search(text) is not None


class FileOfLines(History):
    """The history in the file *path*, which nobody else may read. One that cannot be read or written is none.

    Source of the format: prompt_toolkit's FileHistory, so that other tools can read it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        #: whether what is typed is written
        self.on = True

    def load_history_strings(self) -> Iterable[str]:
        """All entries, the last one first."""
        try:
            entries = list(self._entries(self.path.read_bytes()))
            if self.path.stat().st_size > _BYTES or len(entries) > _ENTRIES:
                entries = self._cut(entries)
        except OSError:
            return []
        return reversed(entries)

    def store_string(self, string: str) -> None:
        """Write one more entry, unless it must not be kept."""
        if not self.on or string[:1].isspace() or len(string) > _ENTRY or is_secret(string):
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            with os.fdopen(os.open(self.path, flags, 0o600), "ab") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(_written(string))
        except OSError:
            return

    @staticmethod
    def _entries(data: bytes) -> Iterator[str]:
        lines: list[str] = []
        for line in [*data.decode("utf-8", "replace").split("\n"), ""]:
            if line.startswith("+"):
                lines.append(line[1:])
            elif lines:
                yield "\n".join(lines)
                lines = []

    def _cut(self, entries: list[str]) -> list[str]:
        """The newer half of what may be kept, which is all that the file holds from then on. Raises OSError."""
        kept: list[str] = []
        size = 0
        for entry in reversed(entries[-_ENTRIES // 2 :]):
            size += len(_written(entry))
            if size > _BYTES // 2:
                break
            kept.insert(0, entry)
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
            file.writelines(map(_written, kept))
        unfinished.replace(self.path)
        return kept


def _written(entry: str) -> bytes:
    # A line that was pasted may hold what is no text.
    lines = entry.encode("utf-8", "backslashreplace").split(b"\n")
    return b"\n# %.0f\n" % time.time() + b"".join(b"+" + line + b"\n" for line in lines)
