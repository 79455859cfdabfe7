"""What tcpdump and Wireshark write, as the pieces of a capture. Knows the way from a file to them; knows no PB."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import BinaryIO

from pbshell.errors import CaptureError
from pbshell.trace.packets.frames import Cut, frames, is_pcap
from pbshell.trace.packets.headers import Headers
from pbshell.trace.packets.tcp import Reassembler
from pbshell.wire.chunk import Piece

__all__ = ["Packets", "is_pcap"]

_SECOND = 1_000_000_000


class Packets:
    """The TCP connections in *file*, each piece as soon as the packet that completes it is there.

    *file* is pcap or pcapng and is read from where it stands to its end; it may be a pipe. With *ports* or *hosts*
    (addresses), only connections are read of which one end is among them. Iterating raises CaptureError where the
    file is damaged, behind all that comes before. Times count from the first packet.
    """

    def __init__(self, file: BinaryIO, *, ports: Collection[int] = (), hosts: Collection[str] = ()) -> None:
        #: The time of zero in seconds since 1970; 0.0 until a packet has told it.
        self.began = 0.0
        #: Where the file is cut off, a sentence; empty if it is whole.
        self.truncated = ""
        #: What is left out or wrong, a sentence each.
        self.notes: list[str] = []
        self._connections = Reassembler(ports=ports, hosts=hosts)
        self._zero: int | None = None
        self._at = 0.0
        self._pieces = self._read(file)

    def __iter__(self) -> Iterator[Piece]:
        return self._pieces

    def ends(self, connection: int) -> str:
        """``CLIENT to SERVER`` of a connection that is open, also of one whose opening was not captured; else empty."""
        return self._connections.ends(connection)

    def _read(self, file: BinaryIO) -> Iterator[Piece]:
        damage: CaptureError | None = None
        try:
            headers = Headers(self.notes)
            for time, link, size, data in frames(file, self.notes):
                if time is not None:
                    self._set_clock(time)
                segment = headers.segment(link, data, size)
                if segment is not None:
                    yield from self._connections.feed(self._at, segment)
        except Cut as cut:
            self.truncated = str(cut)
        except CaptureError as error:
            damage = error
        yield from self._connections.finish(self._at)
        if damage is not None:
            raise damage

    def _set_clock(self, time: int) -> None:
        if not 0 <= time < _LATEST:
            if _STRANGE not in self.notes:
                self.notes.append(_STRANGE)
            return
        if self._zero is None:
            self._zero = time
            self.began = time / _SECOND
        at = (time - self._zero) / _SECOND
        if at >= self._at:
            self._at = at
        elif at < self._at - 1 and _BACK not in self.notes:
            # Below a second, packets of several interfaces stand a little out of order.
            self.notes.append(_BACK)


#: the year 3000, in nanoseconds since 1970
_LATEST = 32_503_680_000 * _SECOND
_STRANGE = "some packets tell a time that cannot be, and have that of the packet before"
_BACK = "the clock was set back during the capture, so some of its times are wrong"
