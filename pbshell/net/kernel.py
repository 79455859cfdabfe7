"""What the kernel knows of a socket of ours. Knows how Linux and macOS are asked; changes nothing."""

from __future__ import annotations

import socket
import struct
import sys
from importlib import import_module
from typing import Any

__all__ = ["unacknowledged"]

#: the names of the questions: SIOCOUTQ of Linux, SO_NWRITE of macOS
_SIOCOUTQ, _SO_NWRITE = 0x5411, 0x1024


def unacknowledged(sock: Any, system: str = sys.platform) -> int | None:
    """Bytes that were given to the system to be sent, and that the peer's system has not acknowledged.

    *sock* is a socket, or what asyncio gives for one. None for what is no TCP socket, where the *system* does not
    tell, and for a socket that is closed.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        if system == "linux":
            # By name, because not every system has it.
            ioctl = import_module("fcntl").ioctl
            size: int = struct.unpack("i", ioctl(sock.fileno(), _SIOCOUTQ, b"\0" * 4))[0]
            return size
        if system == "darwin":
            waiting: int = sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
            return waiting
    except (OSError, ValueError):
        return None
    return None
