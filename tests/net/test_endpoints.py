"""Endpoint strings: what they mean, how they are written back, and the one sentence when they mean nothing."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.errors import UsageError
from pbshell.net.endpoints import (
    ConnectTCP,
    ConnectTLS,
    ConnectUnix,
    ListenSSL,
    ListenTCP,
    ListenUnix,
    parse_connect,
    parse_listen,
)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:8789", ListenTCP(8789, "127.0.0.1")),
        ("tcp:0", ListenTCP(0)),
        ("tcp:8789:interface=0.0.0.0", ListenTCP(8789, "0.0.0.0")),
        (r"tcp:8789:interface=\:\:1", ListenTCP(8789, "::1")),
        ("tcp:8789:interface=[::1]", ListenTCP(8789, "::1")),
        (
            "ssl:8790:privateKey=server.pem:certKey=cert.pem",
            ListenSSL(8790, "server.pem", "cert.pem"),
        ),
        (
            "ssl:0:certKey=c:privateKey=k:caCertsDir=/etc/ca:interface=10.0.0.1",
            ListenSSL(0, "k", "c", "/etc/ca", "10.0.0.1"),
        ),
        ("unix:/run/echo.sock", ListenUnix("/run/echo.sock", 0o600)),
        ("unix:/run/echo.sock:mode=666", ListenUnix("/run/echo.sock", 0o666)),
        (r"unix:/tmp/a\:b\=c\\d", ListenUnix(r"/tmp/a:b=c\d")),
        ("unix:echo.sock", ListenUnix("echo.sock")),
    ],
)
def test_a_place_to_listen(text: str, endpoint: object) -> None:
    assert parse_listen(text) == endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:localhost:8789", ConnectTCP("localhost", 8789)),
        ("localhost:8789", ConnectTCP("localhost", 8789)),
        ("[::1]:8789", ConnectTCP("::1", 8789)),
        ("[fe80::1%eth0]:8789", ConnectTCP("fe80::1%eth0", 8789)),
        ("tcp:[::1]:8789", ConnectTCP("::1", 8789)),
        (r"tcp:\:\:1:8789", ConnectTCP("::1", 8789)),
        ("192.0.2.1:1", ConnectTCP("192.0.2.1", 1)),
        ("tls:example.org:8790", ConnectTLS("example.org", 8790)),
        ("tls:h:1:ca=a.pem:cert=c.pem:key=k=1.pem", ConnectTLS("h", 1, "a.pem", "c.pem", "k=1.pem")),
        ("unix:/run/echo.sock", ConnectUnix("/run/echo.sock")),
    ],
)
def test_a_place_to_connect_to(text: str, endpoint: object) -> None:
    assert parse_connect(text) == endpoint


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "endpoint '': there is no kind of endpoint '' to listen on; write tcp:PORT[:interface=ADDR], ssl:PORT:"),
        ("8789", "endpoint '8789': there is no kind of endpoint; write tcp:8789"),
        ("udp:53", "there is no kind of endpoint 'udp' to listen on; write tcp:PORT"),
        ("tls:8790", "tls is for connecting; write ssl:PORT:privateKey=FILE:certKey=FILE"),
        ("tcp:", "the port is a number from 0 to 65535, not ''; write tcp:PORT[:interface=ADDR]"),
        ("tcp:http", "the port is a number from 0 to 65535, not 'http'"),
        ("tcp:65536", "the port is a number from 0 to 65535, not '65536'"),
        ("tcp:-1", "the port is a number from 0 to 65535, not '-1'"),
        ("tcp:٣", "the port is a number from 0 to 65535"),
        ("tcp:1:2", "'2' is too much (a colon inside a name is written \\:)"),
        ("tcp:::1", "is too much"),
        ("tcp", "something is missing; write tcp:PORT[:interface=ADDR]"),
        ("tcp:1:interfaces=x", "there is no setting interfaces="),
        ("tcp:1:interface=", "interface= has no value"),
        ("tcp:1:interface=a:interface=b", "interface= is there twice"),
        ("tcp:1:interface=[::1", "the bracket [ is not closed"),
        ("ssl:1:certKey=c", "privateKey= is missing; write ssl:PORT:privateKey=FILE"),
        ("unix:", "the path is missing; write unix:PATH[:mode=600]"),
        ("unix:/a:mode=888", "mode= is octal, as chmod takes it, not '888'"),
        ("unix:/a:mode=7777", "mode= is octal"),
        ("unix:/a=b", "something is missing"),
        ("unix:/a\0b", "a path has no NUL byte"),
        ("unix:/a\\", "the backslash at the end has nothing to stand before"),
    ],
)
def test_what_is_no_place_to_listen_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_listen(text)
    assert sentence in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "endpoint '': there is no port; write HOST:PORT"),
        ("localhost", "endpoint 'localhost': there is no port; write localhost:PORT"),
        (":8789", "the host is missing; write tcp:HOST:PORT"),
        ("localhost:0", "the port is a number from 1 to 65535, not '0'"),
        ("localhost:http", "the port is a number from 1 to 65535, not 'http'"),
        ("tcp:8789", "something is missing; write tcp:HOST:PORT"),
        ("::1:8789", "there is no kind of endpoint '' to connect to; write HOST:PORT, [ADDRESS]:PORT"),
        ("ssl:h:1", "ssl is for listening; write tls:HOST:PORT"),
        ("tls:h:1:ca", "'ca' is too much"),
        ("tls:h:1:cert=c", "cert= and key= go together"),
        ("tls:h:1:cafile=c", "there is no setting cafile="),
        ("http://example.org:80/", "there is no kind of endpoint 'http' to connect to"),
        ("\x1b[2J:80:x", "there is no kind of endpoint '\\\\x1b[2J' to connect to"),
    ],
)
def test_what_is_no_place_to_connect_to_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_connect(text)
    assert sentence in str(raised.value)
    assert str(raised.value).isprintable()


words = st.text(min_size=1).filter(lambda text: "\0" not in text)
ports = st.integers(1, 65535)


@given(
    st.one_of(
        st.builds(ListenTCP, ports, words),
        st.builds(ListenSSL, ports, words, words, st.none() | words, words),
        st.builds(ListenUnix, words, st.integers(0, 0o777)),
    )
)
def test_a_place_to_listen_is_written_as_it_is_read(endpoint: object) -> None:
    assert parse_listen(str(endpoint)) == endpoint


@given(
    st.one_of(
        st.builds(ConnectTCP, words, ports),
        st.builds(ConnectTLS, words, ports, st.none() | words),
        st.builds(ConnectTLS, words, ports, st.none(), words, words),
        st.builds(ConnectUnix, words),
    )
)
def test_a_place_to_connect_to_is_written_as_it_is_read(endpoint: object) -> None:
    assert parse_connect(str(endpoint)) == endpoint


@given(st.text())
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for parse in (parse_listen, parse_connect):
        with contextlib.suppress(UsageError):
            parse(text)
