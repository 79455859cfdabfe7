"""What a server says of its own accord, and what it says to a TLS hello. Knows sockets and TLS; asks for nothing else.

For servers that do not answer as PB: nothing that a program acts upon is sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass

from pbshell.net.certificates import BadCertificate, Certificate, parse

__all__ = ["Hello", "first_words", "hello"]

#: bytes that are read of what a server says
_WORDS = 4096


@dataclass(frozen=True, slots=True)
class Hello:
    """What a TLS hello was answered with: the *version* of TLS and the *certificate*, or *words* that are no TLS.

    *problem* is why there was no TLS, empty if there was or nothing was said.
    """

    version: str = ""
    certificate: Certificate | None = None
    words: bytes = b""
    problem: str = ""


async def first_words(sock: socket.socket, seconds: float) -> bytes:
    """What the server says first, within *seconds*; empty if it says nothing or hangs up. Closes *sock*."""
    loop = asyncio.get_running_loop()
    with sock:
        try:
            async with asyncio.timeout(seconds):
                return await loop.sock_recv(sock, _WORDS)
        except OSError:  # TimeoutError is one
            return b""


async def hello(sock: socket.socket, seconds: float, name: str = "") -> Hello:
    """Say hello as TLS does, for the host *name*, and hang up. Trusts whatever comes. Closes *sock*.

    The certificate is for reading: nothing is sent to a server that has not been verified.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaker = context.wrap_bio(incoming, outgoing, server_hostname=name or None)
    heard = b""
    loop = asyncio.get_running_loop()
    with sock:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        speaker.do_handshake()
                    except ssl.SSLWantReadError:
                        await loop.sock_sendall(sock, outgoing.read())
                        data = await loop.sock_recv(sock, 65_536)
                        heard = (heard + data)[:_WORDS]
                        if not data:
                            return Hello(words=heard, problem="it hung up")
                        incoming.write(data)
                        continue
                    return Hello(speaker.version() or "TLS", _certificate(speaker))
        except ssl.SSLError as error:
            return Hello(words=heard, problem=str(error.reason or error))
        except OSError as error:
            return Hello(words=heard, problem="" if isinstance(error, TimeoutError) else error.strerror or str(error))


def _certificate(speaker: ssl.SSLObject) -> Certificate | None:
    der = speaker.getpeercert(binary_form=True)
    try:
        return parse(der) if der else None
    except BadCertificate:
        return None
