"""Other protocols are named by their first bytes, and Perspective Broker never is."""

from __future__ import annotations

import http.client
import io
import pickle
import ssl

import pytest

from pbshell.wire.banana import NONE, PB, encode
from pbshell.wire.chunk import Side
from pbshell.wire.foreign import recognise
from tests.trace.recordings import NAMES, chunks


def http_request() -> bytes:
    """What Python's own client sends."""

    class Recorder(http.client.HTTPConnection):
        sent = b""

        def connect(self) -> None:
            pass

        def send(self, data: object) -> None:
            assert isinstance(data, bytes)
            self.sent += data

    recorder = Recorder("example.org")
    recorder.request("POST", "/hooks/1", body=b"{}")
    return recorder.sent


def tls_hello() -> bytes:
    """What OpenSSL says first."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="example.org")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


#: The first words of foolscap 24.9.0, as its two tubs exchange them.
FOOLSCAP = (
    b"GET /id/5tsl3yzstnhh46dzj7zvwqv3qdrhwyq2 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: TLS/1.0\r\n"
    b"Connection: Upgrade\r\n\r\n"
)
FOOLSCAP_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\nConnection: Upgrade\r\n\r\n"
    b"\x16\x03\x03\x04\xba\x02"
)
WEB_SOCKET = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (http_request(), "an HTTP request (POST /hooks/1 HTTP/1.1)"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request (GET / HTTP/1.1)"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP/2 request (PRI * HTTP/2.0)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP response (HTTP/1.1 400 Bad Request)"),
        (b'<!DOCTYPE HTML>\n<html lang="en">\n', "a page of HTML (<!DOCTYPE HTML>)"),
        (tls_hello(), "a TLS client hello"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "a TLS alert"),
        (b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n", "an SSH banner (SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13)"),
        (b"\x16\x03\x03\x00\x5d\x02\x00\x00\x59", "a TLS handshake"),
        (b"\x17\x03\x03\x00\x41\xd7\x35", "TLS data"),
        (FOOLSCAP, "foolscap's negotiation (GET /id/5tsl3yzstnhh46dzj7zvwqv3qdrhwyq2 HTTP/1.1)"),
        (FOOLSCAP_ANSWER, "foolscap's negotiation (HTTP/1.1 101 Switching Protocols)"),
        (b"banana-negotiation-range: 3 3\r\nmy-tub-id: 5tsl3\r\n\r\n", "foolscap's negotiation (banana-negotiation-r"),
        (WEB_SOCKET, "foolscap's negotiation, or a web socket (HTTP/1.1 101 Switching Protocols)"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 8787\r\n", "a PROXY header (PROXY TCP4 192.0.2.1 192.0.2.2 4711 8787)"),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", "a PROXY header, version 2"),
        (b"220 mail.example.org ESMTP Postfix\r\n", "the greeting of a mail or FTP server"),
        (b"EHLO example.org\r\n", "a mail client's greeting"),
        (b"+OK POP3 ready\r\n", "the greeting of a POP3 server"),
        (b"* OK IMAP4rev1 ready\r\n", "the greeting of an IMAP server"),
        (b"\xff\xfd\x18\xff\xfd\x20", "a telnet negotiation"),
        (b"*1\r\n$4\r\nPING\r\n", "a Redis command (*1)"),
        (b"\x00\x04_ask\x00\x011\x00\x08_command\x00\x03Sum\x00\x01a\x00\x011\x00\x00", "Twisted's AMP"),
        (b"\x94\x00\x01\xa4ping\x90", "a MessagePack-RPC request"),
        (b'{"jsonrpc": "2.0", "method": "ping"}', "JSON"),
    ],
)
def test_it_is_named(said: bytes, name: str) -> None:
    assert str(recognise(said)).startswith(name)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (tls_hello(), "serve on ssl:"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "connect with tls:"),
        (b"SSH-2.0-OpenSSH_9.6p1\r\n", "ssh -L"),
        (b"GET / HTTP/1.1\r\n\r\n", "a health check"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server answers there"),
        (FOOLSCAP, "a Tub has to be spoken to by a Tub"),
        (pickle.dumps({}), "nothing was loaded"),
    ],
)
def test_it_is_said_what_to_do(said: bytes, advice: str) -> None:
    found = recognise(said)

    assert found is not None
    assert advice in found.advice


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [{"a": 1}, ["a", 1], ("call", [1]), io.StringIO, 2.5], ids=repr)
def test_a_pickle_is_named_if_it_cannot_be_anything_else(protocol: int, value: object) -> None:
    said = pickle.dumps(value, protocol)
    found = str(recognise(said))
    if protocol >= 2:
        assert found == "a Python pickle"
    else:
        assert found == "None" or found.startswith("a Python pickle")


def test_a_pickle_behind_its_length_is_named() -> None:
    """As carbon and multiprocessing send it."""
    said = pickle.dumps([("servers.one.load", (1792000000, 0.5))], 2)
    assert str(recognise(len(said).to_bytes(4, "big") + said)) == "a Python pickle"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        encode([b"pb", b"none"]),
        encode([b"none"]),
        encode([b"pb", b"none", b"another dialect of which nobody has heard"]),
        encode(b"pb") + encode([b"version", 6], PB),
        encode(b"none") + encode([b"version", 6], NONE),
        b"\x82pb",
    ],
)
def test_perspective_broker_is_not_named_however_it_is_cut(said: bytes) -> None:
    for end in range(len(said) + 1):
        assert recognise(said[:end]) is None


def test_a_name_is_one_harmless_line_whatever_was_sent() -> None:
    found = recognise(b"GET /\x1b[2J" + b"x" * 500 + b" HTTP/1.1\r\nEvil: yes\r\n")
    assert str(found).startswith("an HTTP request")
    assert str(found).isprintable()
    assert len(str(found)) < 120
    assert "Evil" not in str(found)


def test_bytes_that_are_not_text_are_not_shown() -> None:
    assert str(recognise(b"GET /\xff\xfe HTTP/1.1\r\n")) == "an HTTP request"


@pytest.mark.parametrize("name", NAMES)
def test_no_stream_of_a_recording_is_taken_for_another_protocol(name: str) -> None:
    for side in Side:
        assert recognise(b"".join(piece.data for piece in chunks(name) if piece.sender is side)) is None
