"""connect(): a connection, with what can go wrong named; one after another; over TLS and unix sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from pbshell.errors import ConnectionGone, DialectError, PeerError, ProtocolError, UsageError
from pbshell.net.client import connect
from pbshell.net.connection import Connection
from pbshell.net.endpoints import ConnectTCP
from pbshell.net.server import serve
from pbshell.wire.banana import encode
from pbshell.wire.chunk import Side
from tests.net.clock import Clock, turns, until
from tests.net.ends import CHOICE, OFFER, Echo, Peer, Recorder, free_port, listening, warnings_of


async def echo(connection: Connection, value: Any = "x") -> Any:
    root = await connection.getRootObject()
    return await root.callRemote("echo", value)


# Ways to have one


async def test_it_can_be_awaited() -> None:
    async with serve(Echo(), "tcp:0") as server:
        connection = await connect(f"127.0.0.1:{server.port}")
        assert connection.ready
        assert await echo(connection) == "x"
        connection.close()
        await connection.wait_closed()


async def test_a_context_closes_it_at_the_end_whatever_the_end_is() -> None:
    async with serve(Echo(), "tcp:0") as server:
        async with connect(ConnectTCP("127.0.0.1", server.port or 0)) as connection:
            assert await echo(connection) == "x"
        assert connection.closed
        with pytest.raises(RuntimeError):
            async with connect(f"127.0.0.1:{server.port}") as connection:
                raise RuntimeError
        assert connection.closed


async def test_a_context_does_not_mind_a_connection_that_has_gone() -> None:
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        (there,) = server.connections
        there.abort()
        await connection.wait_closed()


async def test_a_name_with_several_addresses_is_tried_at_each() -> None:
    """`localhost` is ::1 and 127.0.0.1, and the server listens on one of them."""
    async with serve(Echo(), "tcp:0") as server, connect(f"localhost:{server.port}") as connection:
        assert connection.peer == f"127.0.0.1:{server.port}"
        assert await echo(connection) == "x"


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
async def test_ipv6() -> None:
    async with serve(Echo(), "tcp:0:interface=[::1]") as server, connect(f"[::1]:{server.port}") as connection:
        assert connection.peer == f"[::1]:{server.port}"
        assert await echo(connection) == "x"


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    async with serve(Echo(), f"unix:{path}"), connect(f"unix:{path}") as connection:
        assert connection.peer == f"unix:{path}"
        assert await echo(connection) == "x"


async def test_a_socket_that_is_connected_already() -> None:
    async with serve(Echo(), "tcp:0") as server:
        sock = socket.create_connection(("127.0.0.1", server.port or 0))
        async with connect(None, sock=sock) as connection:
            assert await echo(connection) == "x"


async def test_the_tap_sees_the_handshake() -> None:
    tap = Recorder()
    async with serve(Echo(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}", tap=tap) as connection:
        description = f"{connection.local} to {connection.peer}"
    assert tap.said(Side.SERVER).startswith(OFFER)
    assert tap.said(Side.CLIENT).startswith(CHOICE)
    assert (tap.events[0].kind, tap.events[0].by, tap.events[0].detail) == ("opened", Side.CLIENT, description)


# What can go wrong


@pytest.mark.parametrize("target", ["127.0.0.1:{}", "localhost:{}", "tcp:127.0.0.1:{}"])
async def test_a_refused_port_is_a_connection_refused(target: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect(target.format(free_port()))


async def test_an_unknown_host_is_told_as_the_system_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror, match="Name or service not known"):
        await connect("host.invalid:8787")


async def test_a_path_where_nothing_is() -> None:
    with pytest.raises(FileNotFoundError):
        await connect("unix:/nowhere/at/all.sock")


async def test_a_host_that_is_no_name() -> None:
    with pytest.raises(socket.gaierror, match="is no address"):
        await connect(f"{'a' * 100}.invalid:8787")


@pytest.mark.parametrize("target", [None, "nonsense", "", "tcp:8789"])
def test_a_target_that_is_none_is_refused_before_anything_is_done(target: str | None) -> None:
    with pytest.raises(UsageError):
        connect(target)


@pytest.mark.parametrize("name", ["open_timeout", "call_timeout", "keepalive"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_that_cannot_pass_is_refused_before_anything_is_done(name: str, seconds: float) -> None:
    times: dict[str, Any] = {name: seconds}
    with pytest.raises(UsageError, match=f"{name}={seconds!r}: seconds above 0, or None for no limit"):
        connect("localhost:1", **times)


def test_contradictions_are_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match=r"tls:h:1 says TLS and tls=False says none"):
        connect("tls:h:1", tls=False)
    with pytest.raises(UsageError, match="needs tls_name="):
        connect("unix:/a", tls=True)


async def test_a_server_that_hangs_up_in_the_handshake() -> None:
    async def hang_up(peer: Peer) -> None:
        peer.send(OFFER[:3])

    async with listening(hang_up) as port:
        with pytest.raises(ConnectionGone, match="before the handshake was over") as raised:
            await connect(f"127.0.0.1:{port}")
    assert isinstance(raised.value, ConnectionError)


async def test_a_server_that_says_nothing_is_told_from_one_that_is_slow() -> None:
    async def silent(peer: Peer) -> None:
        await peer.end()

    async def half(peer: Peer) -> None:
        peer.send(OFFER[:3])
        await peer.end()

    clock = Clock()
    for behaviour, sentence in (
        (
            silent,
            "accepted the connection and said nothing within 10 seconds: is it a PB server, and does it not expect",
        ),
        (half, "accepted the connection, and the handshake was not over within 10 seconds"),
    ):
        async with listening(behaviour) as port:
            tap = Recorder()
            connecting = asyncio.ensure_future(connect(f"127.0.0.1:{port}", tap=tap))
            await until(lambda tap=tap: len(tap.items) > 0)  # type: ignore[misc]
            await turns()
            await clock.advance(10.1)
            with pytest.raises(TimeoutError, match=sentence):
                await connecting
            await until(lambda tap=tap: tap.events[-1].kind == "closed")  # type: ignore[misc]


async def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*args: Any, **kwargs: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    connecting = asyncio.ensure_future(connect("192.0.2.1:8787", open_timeout=3))
    await turns()
    await clock.advance(3.1)
    with pytest.raises(TimeoutError, match=r"no connection to tcp:192.0.2.1:8787 within 3 seconds"):
        await connecting


async def test_a_timeout_of_the_system_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_late(*args: Any, **kwargs: Any) -> Any:
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", too_late)
    with pytest.raises(TimeoutError, match="Connection timed out"):
        await connect("192.0.2.1:8787")


@pytest.mark.parametrize(
    ("said", "error", "sentence"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", DialectError, "SSH"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", DialectError, "an HTTP response"),
        (b"220 mail.example.org ESMTP\r\n", DialectError, "mail or FTP"),
        (encode([b"pc"]), DialectError, "pc"),
        (encode(7), PeerError, "the server offers 7"),
        (b"\x99", PeerError, "0x99"),
    ],
    ids=["ssh", "http", "smtp", "no dialect", "an int", "no banana"],
)
async def test_a_server_that_does_not_speak_pb(said: bytes, error: type[Exception], sentence: str) -> None:
    async def speak(peer: Peer) -> None:
        peer.send(said)
        await peer.end()

    async with listening(speak) as port:
        with pytest.raises(error, match=sentence):
            await connect(f"127.0.0.1:{port}")


async def test_to_cancel_leaves_nothing_behind() -> None:
    gone = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.end()
        gone.set()

    async with listening(silent) as port:
        tap = Recorder()
        connecting = asyncio.ensure_future(connect(f"127.0.0.1:{port}", tap=tap))
        await until(lambda: tap.items)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await gone.wait()


# One after another


class Sleeper:
    """Stands for asyncio.sleep: remembers how long it should have been, and does something meanwhile."""

    def __init__(self, *happenings: Any) -> None:
        self.slept: list[float] = []
        self._happenings = list(happenings)

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._happenings:
            happening = self._happenings.pop(0)
            if happening is not None:
                await happening()


async def test_a_new_connection_each_time_the_last_has_gone() -> None:
    async with serve(Echo(), "tcp:0") as server:
        connecting = connect(f"127.0.0.1:{server.port}")
        connecting.sleep = sleeper = Sleeper()
        seen: list[Connection] = []
        async for connection in connecting:
            assert all(each.closed for each in seen)
            seen.append(connection)
            assert await echo(connection, len(seen)) == len(seen)
            if len(seen) == 3:
                break
            next(iter(server.connections)).abort()
            await connection.wait_closed()
        assert len(sleeper.slept) == 2


async def test_pauses_grow_while_the_server_cannot_be_reached(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    servers: list[Any] = []

    async def begin() -> None:
        servers.append(await serve(Echo(), f"tcp:{port}"))

    connecting = connect(f"127.0.0.1:{port}")
    connecting.sleep = sleeper = Sleeper(*[None] * 8, begin)
    async for connection in connecting:
        assert await echo(connection) == "x"
        break
    for number, pause in enumerate(sleeper.slept):
        longest = min(2.0**number, 60.0)
        assert longest / 2 <= pause <= longest
    lines = warnings_of(caplog)
    assert len(lines) == 9
    assert all(line.startswith(f"tcp:127.0.0.1:{port}: ") and "Refused" in line for line in lines)
    servers[0].close()
    await servers[0].wait_closed()


async def test_a_connection_that_lasted_begins_anew_with_short_pauses() -> None:
    clock = Clock()
    async with serve(Echo(), "tcp:0") as server:
        connecting = connect(f"127.0.0.1:{server.port}", keepalive=None)
        connecting.sleep = sleeper = Sleeper()
        count = 0
        async for connection in connecting:
            count += 1
            if count == 5:
                break
            if count == 4:
                await clock.advance(60)
            connection.abort()
        first, second, third, fourth = sleeper.slept
        assert 0.5 <= first <= 1 <= second <= 2 <= third <= 4
        assert 0.5 <= fourth <= 1


async def test_who_does_not_speak_pb_is_not_asked_again() -> None:
    async def banner(peer: Peer) -> None:
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        await peer.end()

    async with listening(banner) as port:
        with pytest.raises(DialectError):
            await anext(aiter(connect(f"127.0.0.1:{port}")))


async def test_what_the_body_raises_ends_it_all_and_closes_the_connection() -> None:
    async with serve(Echo(), "tcp:0") as server:
        last: list[Connection] = []

        async def run() -> None:
            async for connection in connect(f"127.0.0.1:{server.port}"):
                last.append(connection)
                raise ProtocolError("of the application")

        with pytest.raises(ProtocolError):
            await run()
        await until(lambda: last[0].closed)


async def test_a_socket_serves_for_one_connection_only() -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(UsageError, match="without sock= there can be one after another"):
        await anext(aiter(connect(None, sock=one)))


# TLS


class Papers:
    """Files of an authority, and of those it has signed."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.folder = folder
        self.ca = self._write("ca.pem", authority.cert_pem)
        for name in ("localhost", "client"):
            issued = authority.issue_cert(name)
            self._write(f"{name}.key", issued.private_key_pem)
            self._write(f"{name}.crt", *issued.cert_chain_pems)
        self.stranger = self._write("stranger.pem", trustme.CA().cert_pem)
        self.listen = f"ssl:0:privateKey={folder}/localhost.key:certKey={folder}/localhost.crt"

    def _write(self, name: str, *blobs: trustme.Blob) -> Path:
        path = self.folder / name
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return path


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


async def test_tls(papers: Papers) -> None:
    tap = Recorder()
    async with (
        serve(Echo(), papers.listen) as server,
        connect(f"tls:localhost:{server.port}:ca={papers.ca}", tap=tap) as connection,
    ):
        values = [bytes([number]) * 600_000 for number in range(5)]
        root = await connection.getRootObject()
        assert await asyncio.gather(*(root.callRemote("echo", value) for value in values)) == values
    assert tap.events[0].detail.endswith(", tls")
    assert tap.said(Side.CLIENT).startswith(CHOICE)


async def test_a_certificate_of_nobody_known_is_refused(papers: Papers) -> None:
    async with serve(Echo(), papers.listen) as server:
        for target in (f"tls:localhost:{server.port}", f"tls:localhost:{server.port}:ca={papers.stranger}"):
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(target)


async def test_a_certificate_must_have_the_name_asked_for(papers: Papers) -> None:
    async with serve(Echo(), papers.listen) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"tls:127.0.0.1:{server.port}:ca={papers.ca}")
        async with connect(f"tls:127.0.0.1:{server.port}:ca={papers.ca}", tls_name="localhost") as connection:
            assert await echo(connection) == "x"


async def test_a_context_of_ones_own(papers: Papers, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=papers.ca)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(papers.folder / "localhost.crt", papers.folder / "localhost.key")
    unix = f"unix:{tmp_path}/s"
    async with serve(Echo(), "tcp:0", unix, tls=ours) as server:
        async with connect(f"localhost:{server.port}", tls=context) as connection:
            assert await echo(connection) == "x"
        async with connect(unix, tls=context, tls_name="localhost") as connection:
            assert await echo(connection) == "x"


async def test_a_server_may_ask_its_clients_for_a_certificate(papers: Papers, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(papers.ca.read_bytes())
    folder = papers.folder
    async with serve(Echo(), f"{papers.listen}:caCertsDir={tmp_path}") as server:
        target = f"tls:localhost:{server.port}:ca={papers.ca}"
        async with connect(f"{target}:cert={folder}/client.crt:key={folder}/client.key") as connection:
            assert await echo(connection) == "x"
        with pytest.raises(OSError):  # noqa: PT011 - TLS 1.3 tells it in one of several ways
            await connect(target)


@pytest.mark.parametrize("missing", ["ca=/nowhere.pem", "cert=/nowhere.pem:key=/nowhere.pem"])
async def test_a_file_that_is_not_there_is_named(missing: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"/nowhere\.pem"):
        await connect(f"tls:localhost:{free_port()}:{missing}")


async def test_without_tls_at_a_tls_port_the_hint_says_so(papers: Papers) -> None:
    clock = Clock()
    async with serve(Echo(), papers.listen, open_timeout=60) as server:
        tap = Recorder()
        connecting = asyncio.ensure_future(connect(f"127.0.0.1:{server.port}", tap=tap))
        await until(lambda: tap.items)
        await clock.advance(11)
        with pytest.raises(TimeoutError, match="does it not expect TLS"):
            await connecting


async def test_tls_at_a_plain_port_is_refused_and_named_there(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Echo(), "tcp:0") as server:
        with pytest.raises(OSError):  # noqa: PT011 - OpenSSL's words differ
            await connect(f"tls:localhost:{server.port}")
    assert "this is a TLS client hello" in caplog.text
