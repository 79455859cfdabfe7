"""What a byte string carries: a pickle, or zlib and gzip with anything in them. Knows their signs; inflates little."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from pbshell.trace import pickles

__all__ = ["Packed", "Payload", "recognise"]

#: bytes that are inflated at most, and bytes that are read for it
_INFLATED, _READ = 64 * 1024, 256 * 1024
#: bytes of what is inside that are said in one line
_SAID = 24
#: how both begin, and what zlib calls them
_ZLIB, _GZIP = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), b"\x1f\x8b\x08"
_WINDOWS = {"zlib": 15, "gzip": 31}


@dataclass(frozen=True, slots=True)
class Packed:
    """Bytes, packed by *packing* (zlib or gzip) into *size* bytes.

    *content* is what they inflate to, at most the first 64 KiB; *complete* tells whether that is all. *pickle* is what
    it is, if it is one.
    """

    packing: str
    size: int
    content: bytes
    complete: bool
    pickle: pickles.Pickle | None

    def __str__(self) -> str:
        """In one word: ``zlib, 1,204 B, 9,800 B inflated: pickle, protocol 2, 9,800 B: dict``."""
        inflated = f"{len(self.content):,} B" if self.complete else f"over {len(self.content):,} B"
        inside = self.pickle or repr(self.content[:_SAID]) + ("..." if len(self.content) > _SAID else "")
        return f"{self.packing}, {self.size:,} B, {inflated} inflated: {inside}"


Payload = pickles.Pickle | Packed


def recognise(data: bytes, most_opcodes: int = 1_000) -> Payload | None:
    """What *data* carries, if that is beyond doubt: it is written out as a few harmless words.

    At most *most_opcodes* of a pickle are read. Raises nothing, and takes no longer than a hundredth of a second.
    """
    packing = "zlib" if data[:2] in _ZLIB else "gzip" if data.startswith(_GZIP) else ""
    return _inflate(packing, data, most_opcodes) if packing else pickles.look(data, most_opcodes)


def _inflate(packing: str, data: bytes, most_opcodes: int) -> Packed | None:
    """What is in it, if all of it can be read up to its checksum, or 64 KiB of it."""
    reader = zlib.decompressobj(_WINDOWS[packing])
    try:
        content = reader.decompress(data[:_READ], _INFLATED + 1)
    except zlib.error:
        return None
    complete = reader.eof and len(content) <= _INFLATED
    if not complete and len(content) <= _INFLATED:
        return None
    content = content[:_INFLATED]
    return Packed(packing, len(data), content, complete, pickles.look(content, most_opcodes))
