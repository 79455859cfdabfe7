"""The way to a server, step by step: which step fails, why, and what is sent to whom on the way."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from pbshell import pb
from pbshell.cred import Anonymous, UsernamePassword
from pbshell.errors import UsageError
from pbshell.wire.banana import NONE, PB, Decoder, encode
from pbshell.workbench.doctor.steps import Checkup, Step
from pbshell.workbench.doctor.target import examine
from pbshell.workbench.exitcodes import ExitCode
from tests.workbench.bench import Server, portal

OFFER = encode([b"pb", b"none"])


def states(checkup: Checkup) -> dict[str, str]:
    return {step.name: step.state for step in checkup.steps}


def step(checkup: Checkup, name: str) -> Step:
    """The last step of that name."""
    return [each for each in checkup.steps if each.name == name][-1]


@asynccontextmanager
async def speaking(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that does *talk* with everybody; its target."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(words: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        await reader.read()

    return talk


# ------------------------------------------------------------------------------------------------ all is well


async def test_all_steps_to_a_server_that_is_well() -> None:
    told: list[Step] = []
    async with pb.serve(Server(), "tcp:0") as server:
        checkup = await examine(f"localhost:{server.port}", told=told.append)

    assert states(checkup) == {
        "dns": "ok",
        "tcp": "ok",
        "tls": "skipped",
        "dialect": "ok",
        "version": "ok",
        "round trip": "ok",
        "root": "ok",
        "login": "skipped",
    }
    assert checkup.steps == tuple(told)
    assert checkup.code == ExitCode.OK
    assert checkup.text == f"localhost:{server.port} speaks PB"
    assert "127.0.0.1" in step(checkup, "dns").text
    assert step(checkup, "dialect").text == "pb, of pb and none"


async def test_nothing_is_called_on_the_server_but_the_login_that_was_asked_for() -> None:
    heard: list[Any] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OFFER + encode([b"version", 6], PB))
        decoder = Decoder(NONE)
        while data := await reader.read(4096):
            heard.append(data)
        del decoder

    async with speaking(talk) as target:
        checkup = await examine(target)
        await asyncio.sleep(0)

    assert checkup.code == ExitCode.OK
    # The choice of a dialect, and the version: nothing else.
    assert b"".join(heard) == encode(b"pb", NONE) + encode([b"version", 6], PB)


async def test_a_login_is_tried_if_it_is_asked_for() -> None:
    async with pb.serve(portal(), "tcp:0") as server:
        target = f"127.0.0.1:{server.port}"
        good = await examine(target, credentials=UsernamePassword("alice", "wonderland"), user="alice")
        bad = await examine(target, credentials=UsernamePassword("alice", "looking-glass"), user="alice")
        nobody = await examine(target, credentials=Anonymous(), user="anonymous")

    assert step(good, "login").text == "alice is let in"
    assert good.text == f"{target} speaks PB and lets you in"
    assert (bad.code, step(bad, "login").state) == (ExitCode.NO_LOGIN, "failed")
    assert bad.text.startswith("the login was refused")
    assert (nobody.code, nobody.hint) == (ExitCode.NO_LOGIN, "log in by name: --user NAME")


async def test_a_server_without_accounts_is_told() -> None:
    async with pb.serve(Server(), "tcp:0") as server:
        checkup = await examine(f"127.0.0.1:{server.port}", credentials=Anonymous())

    assert (checkup.code, checkup.text) == (ExitCode.NO_LOGIN, f"127.0.0.1:{server.port} has no login")


async def test_a_login_that_is_not_answered_is_a_timeout() -> None:
    async with speaking(saying(OFFER + encode([b"version", 6], PB))) as target:
        checkup = await examine(target, credentials=Anonymous(), timeout=0.3)

    assert (checkup.code, step(checkup, "login").state) == (ExitCode.TIMEOUT, "failed")


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    async with pb.serve(Server(), f"unix:{path}"):
        checkup = await examine(f"unix:{path}")
    gone = await examine(f"unix:{path}")
    path.write_text("")
    plain = await examine(f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    dead = await examine(f"unix:{path}")

    assert checkup.code == ExitCode.OK
    assert "path" in states(checkup)
    assert "TCP" not in step(checkup, "round trip").text
    assert gone.text == f"there is no {path}"
    assert plain.text == f"{path} is no socket"
    assert dead.text == f"the socket {path} is left over: nobody listens on it any more"
    assert {gone.code, plain.code, dead.code} == {ExitCode.NO_CONNECTION}


# ------------------------------------------------------------------------------------------------ the way is cut


async def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    checkup = await examine(f"127.0.0.1:{port}")

    assert (checkup.code, step(checkup, "tcp").state) == (ExitCode.NO_CONNECTION, "failed")
    assert checkup.text.startswith(f"nothing listens at 127.0.0.1:{port}")
    assert f"pbshell doctor :{port}" in checkup.hint
    assert states(checkup)["login"] == "skipped"


async def test_a_name_that_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    checkup = await examine("nowhere.invalid:9989")

    assert (checkup.code, step(checkup, "dns").state) == (ExitCode.NO_CONNECTION, "failed")
    assert checkup.text == "the name nowhere.invalid cannot be looked up: Name or service not known"


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    checkup = await examine("slow.invalid:9989", timeout=0.05)

    assert (checkup.code, step(checkup, "dns").state) == (ExitCode.TIMEOUT, "failed")


async def test_every_address_is_tried_and_one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    async with pb.serve(Server(), "tcp:0") as server:

        async def lookup(*args: Any, **kwargs: Any) -> Any:
            places = ("127.0.0.2", "127.0.0.1", "127.0.0.3")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, server.port)) for host in places]

        async def connects(sock: socket.socket, address: Any) -> None:
            if address[0] == "127.0.0.3":
                await asyncio.Event().wait()  # as behind a firewall that drops
            await connect(sock, address)

        monkeypatch.setattr(loop, "getaddrinfo", lookup)
        monkeypatch.setattr(loop, "sock_connect", connects)
        checkup = await examine(f"many.invalid:{server.port}", timeout=5.0)

    found = step(checkup, "tcp")
    assert checkup.code == ExitCode.OK
    assert step(checkup, "dns").text == "many.invalid is 127.0.0.2 and 127.0.0.1 and 127.0.0.3"
    assert f"127.0.0.2:{server.port} refuses; 127.0.0.1:{server.port} is open; 127.0.0.3" in found.text
    assert found.state == "warning"
    assert "clients may try 127.0.0.3" in found.hint


async def test_an_address_that_does_not_answer_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connects(sock: socket.socket, address: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connects)
    checkup = await examine("127.0.0.1:9989", timeout=0.05)

    assert (checkup.code, step(checkup, "tcp").state) == (ExitCode.TIMEOUT, "failed")
    assert "a firewall drops it, or the machine is off" in checkup.text


async def test_a_network_without_a_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connects(sock: socket.socket, address: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connects)
    checkup = await examine("127.0.0.1:9989")

    assert checkup.code == ExitCode.NO_CONNECTION
    assert checkup.text == "there is no way to it: Network is unreachable"


async def test_what_is_no_target_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="endpoint"):
        await examine("quic:localhost:1")


# ------------------------------------------------------------------------------------------------ it is no PB


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak PB: this is an SSH banner (SSH-2.0-OpenSSH_9.6)"),
        (b"220 mail.example.org ESMTP\r\n", "does not speak PB: this is the greeting of a mail or FTP server"),
        (b"\xff" * 100, "does not speak PB"),
    ],
)
async def test_who_speaks_something_else_is_named(words: bytes, told: str) -> None:
    async with speaking(saying(words)) as target:
        checkup = await examine(target)

    assert (checkup.code, step(checkup, "dialect").state) == (ExitCode.NO_CONNECTION, "failed")
    assert told in checkup.text


async def test_a_web_server_is_found_by_a_hello_because_it_says_nothing_by_itself() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with speaking(talk) as target:
        checkup = await examine(target, patience=0.05)

    assert checkup.text == f"{target} does not speak PB: this is an HTTP response (HTTP/1.1 400 Bad Request)"


async def test_who_hangs_up_without_a_word_is_told() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    async with speaking(talk) as target:
        checkup = await examine(target)

    assert checkup.text.startswith(f"{target} has hung up without a word")


async def test_who_says_nothing_at_all_is_a_timeout() -> None:
    async with speaking(saying(b"")) as target:
        checkup = await examine(target, timeout=0.3, patience=0.01)

    assert (checkup.code, step(checkup, "dialect").state) == (ExitCode.TIMEOUT, "failed")
    assert checkup.text == f"{target} accepts connections and says nothing, not even to a TLS hello"
    assert "pbshell doctor :" in checkup.hint


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")
async def test_a_blocked_server_of_this_machine_gets_no_hello() -> None:
    with socket.create_server(("127.0.0.1", 0)) as blocked:
        target = f"127.0.0.1:{blocked.getsockname()[1]}"
        checkup = await examine(target, timeout=0.3, patience=0.01)

        accepted, _ = blocked.accept()
        with accepted:
            assert accepted.recv(100) == b""
        blocked.setblocking(False)
        with pytest.raises(BlockingIOError):
            blocked.accept()
    assert checkup.code == ExitCode.TIMEOUT
    assert "its event loop is blocked" in checkup.text
    assert checkup.hint.startswith("see what it does: py-spy dump --pid")


@pytest.mark.parametrize(
    ("words", "name", "told"),
    [
        (OFFER[:3], "dialect", "stopped in mid-handshake"),
        (OFFER, "version", "has offered its dialects and then said no more"),
    ],
)
async def test_a_server_that_stops_in_the_handshake(words: bytes, name: str, told: str) -> None:
    async with speaking(saying(words)) as target:
        checkup = await examine(target, timeout=0.3)

    assert (checkup.code, step(checkup, name).state) == (ExitCode.TIMEOUT, "failed")
    assert told in checkup.text


async def test_another_version_is_told() -> None:
    async with speaking(saying(OFFER + encode([b"version", 5], PB))) as target:
        checkup = await examine(target)

    assert step(checkup, "version").state == "failed"
    assert checkup.text == "the server speaks version 5 of PB, and pbshell 6"


# ------------------------------------------------------------------------------------------------ TLS


class Papers:
    """Certificates of one authority, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))

    def endpoint(self, name: str = "localhost", **options: Any) -> str:
        """To listen on, with a certificate for *name*."""
        leaf = self.authority.issue_cert(name, **options)
        key, cert = self.folder / "key.pem", self.folder / "cert.pem"
        leaf.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return f"ssl:0:privateKey={key}:certKey={cert}"


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path)


async def test_tls_tells_who_until_when_and_for_which_name(papers: Papers) -> None:
    async with pb.serve(Server(), papers.endpoint(not_after=datetime(2999, 1, 2, tzinfo=UTC))) as server:
        checkup = await examine(f"tls:localhost:{server.port}:ca={papers.ca}")

    found = step(checkup, "tls")
    assert (checkup.code, found.state) == (ExitCode.OK, "ok")
    assert found.text.startswith("TLSv1.3, certificate for localhost, signed by trustme")
    assert found.text.endswith("valid until 2999-01-02, trusted for localhost")
    assert checkup.text == f"tls:localhost:{server.port} speaks PB"


async def test_a_certificate_that_is_about_to_end_is_a_warning(papers: Papers) -> None:
    soon = datetime.now(UTC) + timedelta(days=5.5)
    async with pb.serve(Server(), papers.endpoint(not_after=soon)) as server:
        checkup = await examine(f"tls:localhost:{server.port}:ca={papers.ca}")

    assert (checkup.code, step(checkup, "tls").state) == (ExitCode.OK, "warning")
    assert checkup.text.endswith("speaks PB; but see tls")
    assert checkup.hint == "renew the certificate before it ends"


@pytest.mark.parametrize(
    ("name", "options", "trusted", "told", "hint"),
    [
        ("localhost", {}, False, "signed by somebody whom this machine does not know", "--tls-ca FILE"),
        ("localhost", {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, True, "the certificate has expired", "renew it"),
        ("example.org", {}, True, "is for example.org, and not for localhost", "--tls-name example.org"),
    ],
)
async def test_a_certificate_that_is_not_trusted_is_read_all_the_same(
    papers: Papers, name: str, options: dict[str, Any], trusted: bool, told: str, hint: str
) -> None:
    async with pb.serve(Server(), papers.endpoint(name, **options)) as server:
        ca = f":ca={papers.ca}" if trusted else ""
        checkup = await examine(f"tls:localhost:{server.port}{ca}")

    assert (checkup.code, step(checkup, "tls").state) == (ExitCode.NO_CONNECTION, "failed")
    assert f"certificate for {name}, signed by trustme" in step(checkup, "tls").text
    assert told in checkup.text
    assert hint in checkup.hint


async def test_the_name_of_the_certificate_may_be_said(papers: Papers) -> None:
    async with pb.serve(Server(), papers.endpoint("example.org")) as server:
        checkup = await examine(f"tls:localhost:{server.port}:ca={papers.ca}", tls_name="example.org")

    assert checkup.code == ExitCode.OK
    assert "trusted for example.org" in step(checkup, "tls").text


async def test_a_server_that_expects_tls_on_a_plain_port_is_found_out(papers: Papers) -> None:
    async with pb.serve(Server(), papers.endpoint()) as server:
        checkup = await examine(f"localhost:{server.port}", patience=0.05)

    assert (checkup.code, step(checkup, "tls").state) == (ExitCode.NO_CONNECTION, "failed")
    assert step(checkup, "tls").text.startswith("the port speaks TLSv1.3, certificate for localhost")
    assert checkup.hint == f"pbshell doctor tls:localhost:{server.port}"


async def test_a_server_without_tls_is_found_out() -> None:
    async with pb.serve(Server(), "tcp:0") as server:
        checkup = await examine(f"tls:localhost:{server.port}")

    assert checkup.text.startswith("there is a PB server, and it speaks no TLS")
    assert checkup.hint == f"pbshell doctor localhost:{server.port}"


async def test_a_web_server_in_place_of_tls_is_named() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with speaking(talk) as target:
        checkup = await examine(f"tls:{target}", timeout=2.0)

    assert "it begins with an HTTP response (HTTP/1.1 400 Bad Request)" in checkup.text


async def test_a_file_of_tls_that_is_not_there_is_named(papers: Papers, tmp_path: Path) -> None:
    async with pb.serve(Server(), papers.endpoint()) as server:
        checkup = await examine(f"tls:localhost:{server.port}:ca={tmp_path}/none.pem")

    assert (checkup.code, checkup.text) == (
        ExitCode.USAGE,
        f"there can be no TLS: {tmp_path}/none.pem: No such file or directory",
    )


async def test_a_server_that_wants_a_certificate_of_ours_is_told(papers: Papers) -> None:
    papers.endpoint()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(papers.folder / "cert.pem", papers.folder / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    papers.authority.configure_trust(context)
    async with pb.serve(Server(), "tcp:0", tls=context) as server:
        checkup = await examine(f"tls:localhost:{server.port}:ca={papers.ca}", timeout=3.0)

    assert checkup.code == ExitCode.NO_CONNECTION
    assert "--tls-cert FILE --tls-key FILE" in checkup.hint
