"""What stands beside the bytes in a capture file, for whoever opens it in an editor. Knows nothing of files."""

from __future__ import annotations

from pbshell.trace.dissector import Dissector
from pbshell.trace.explain import says
from pbshell.wire.chunk import Piece

__all__ = ["Sayer"]

#: characters of one explanation
_MOST = 400


class Sayer:
    """Explains pieces, whose secrets are covered already, in the order in which they are written."""

    def __init__(self) -> None:
        self._dissector = Dissector(redact="off")

    def says(self, piece: Piece) -> str:
        """What *piece* completes, in a line."""
        text = "; ".join(says(each) for each in self._dissector.feed(piece))
        return text if len(text) <= _MOST else f"{text[:_MOST]}..."
