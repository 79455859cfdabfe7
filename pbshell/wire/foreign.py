"""What other protocols look like in their first bytes. Knows how they begin; does not know how they go on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pbshell.wire.text import visible

__all__ = ["Foreign", "recognise"]


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another protocol: its *name*, the *line* it began with (harmless; empty if that was no text), what to do.

    Written out it can stand behind "is": ``an HTTP request (GET / HTTP/1.1)``. *advice* is a sentence of its own,
    without a full stop.
    """

    name: str
    line: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name} ({self.line})" if self.line else self.name


_FOOLSCAP = "foolscap is a protocol of its own that grew out of PB: a Tub has to be spoken to by a Tub"
_WEB_SERVER = "a web server answers there: connect to the port of the PB server"
_WEB_CLIENT = "a browser, a health check or a scanner asks there: PB cannot answer it, send it to another port"
_ENCRYPTED = "the bytes are encrypted: trace at one of the two ends, or between a proxy that ends TLS and the server"
_PROXY = "a load balancer announces the client's address: turn that off for this port, PB does not read it"
_PICKLE = "a program that sends pickles connects to the wrong port; nothing was loaded from it"
_MAIL = "a mail server answers there: connect to the port of the PB server"
_OTHER_RPC = "it is another kind of remote call: connect its two sides to each other"

#: How a protocol begins, its name, and what to do. The first that fits counts: the particular stands before the
#: general. An honest PB server begins with a list (0x02 0x80), an honest PB client with a short string (0x02 0x82).
_BEGINNINGS: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), name, advice)
    for pattern, name, advice in (
        # foolscap opens with an HTTP request that names a tub and asks for an upgrade; inside TLS it goes on in words.
        (rb"GET /id/\w*", "foolscap's negotiation", _FOOLSCAP),
        (rb"HTTP/1\.1 101 [^\r]*\r\n(?:[^\r]*\r\n)*?Upgrade: TLS/1\.0, PB/", "foolscap's negotiation", _FOOLSCAP),
        (rb"banana-(?:negotiation-range|decision-version): ", "foolscap's negotiation", _FOOLSCAP),
        (rb"HTTP/\d\.\d 101 Switching Protocols", "foolscap's negotiation, or a web socket", _WEB_SERVER),
        (rb"PRI \* HTTP/2", "an HTTP/2 request", _WEB_CLIENT),
        (rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) [!-~]", "an HTTP request", _WEB_CLIENT),
        (rb"HTTP/\d\.\d \d\d\d", "an HTTP response", _WEB_SERVER),
        # What a web server says to bytes that are no request, if it takes them for those of HTTP/0.9.
        (rb"\s*<(?:![Dd][Oo][Cc][Tt][Yy][Pp][Ee] )?[Hh][Tt][Mm][Ll]\b", "a page of HTML", _WEB_SERVER),
        (rb"SSH-\d", "an SSH banner", "SSH speaks there: if PB is to go through it, forward a port with ssh -L"),
        # Record type handshake, version 3.x, two bytes of length, then the type client hello or server hello.
        (
            rb"\x16\x03[\x00-\x04]..\x01",
            "a TLS client hello",
            "the client expects TLS: serve on ssl:PORT:privateKey=FILE:certKey=FILE, or connect with tcp:",
        ),
        (rb"\x16\x03[\x00-\x04]", "a TLS handshake", _ENCRYPTED),
        (
            rb"\x15\x03[\x00-\x04]\x00\x02",
            "a TLS alert",
            "the other side expects TLS, or does not trust this side's certificate: connect with tls:HOST:PORT",
        ),
        (rb"\x17\x03[\x00-\x04]", "TLS data", _ENCRYPTED),
        (rb"PROXY (?:TCP4|TCP6|UNKNOWN)", "a PROXY header", _PROXY),
        (rb"\r\n\r\n\x00\r\nQUIT\n", "a PROXY header, version 2", _PROXY),
        # A frame length, then a pickle of protocol 2 or later; carbon, Pyro and multiprocessing speak so.
        (rb"(?:\x00\x00..)?\x80[\x02-\x05][^\x80-\x87]", "a Python pickle", _PICKLE),
        (rb"[(\]}]?(?:lp|dp|c[A-Za-z_][\w.]*\n|\(lp|\(dp)[\w.]*\n", "a Python pickle", _PICKLE),
        (rb"220[ -][ -~]*\r?\n", "the greeting of a mail or FTP server", _MAIL),
        (rb"\* OK ", "the greeting of an IMAP server", _MAIL),
        (rb"\+OK[ \r]", "the greeting of a POP3 server", _MAIL),
        (rb"(?:EHLO|HELO) ", "a mail client's greeting", "a mail client is set to the wrong port"),
        (rb"\xff[\xfb-\xfe]", "a telnet negotiation", "PB is no text protocol: pbshell connect speaks it"),
        (rb"\*\d{1,4}\r\n\$\d+\r\n", "a Redis command", "a Redis client is set to the wrong port"),
        # A length of two bytes, then one of the three keys that AMP sorts to the front.
        (rb"\x00[\x04-\x0e]_(?:ask|answer|command|error)", "Twisted's AMP", _OTHER_RPC),
        # A list of four: the type request, a number, a method, its arguments.
        (rb"\x94\x00[\x00-\x7f\xcc-\xcf]", "a MessagePack-RPC request", _OTHER_RPC),
        (rb"\s*\{\s*\"", "JSON", _OTHER_RPC),
    )
)

#: Bytes looked at: the longest beginning above, and enough of a request line to be worth showing.
_LOOK_AT = 256
_SHOW = 60


def recognise(first_bytes: bytes) -> Foreign | None:
    """What a peer speaks whose stream begins with *first_bytes*, when that is certainly not Perspective Broker.

    None means that nothing is known, not that it is PB; more bytes may tell.
    """
    head = first_bytes[:_LOOK_AT]
    for beginning, name, advice in _BEGINNINGS:
        if beginning.match(head):
            line = head.split(b"\n", 1)[0].rstrip(b"\r")
            shown = visible(line, _SHOW) if line.isascii() and all(byte >= 0x20 for byte in line) else ""
            return Foreign(name, shown, advice)
    return None
