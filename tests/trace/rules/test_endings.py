"""Why connections ended: real Twisted on one side at least, and what the doctor says of it. See sentences.txt."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbshell.trace.capture import open_capture
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import LinkEvent, Piece
from pbshell.wire.limits import Limits
from tests.trace.incidents import Desk, check, diagnosed, hosted, incident, played

CAPTURES = Path(__file__).parents[2] / "captures"

VAST = Limits(string=1 << 26, list=1 << 26)
HANDSHAKE = encode(b"pb") + encode([b"version", 6], PB)
WELCOME = encode([b"pb", b"none"]) + encode([b"version", 6], PB)
LEND = encode([b"message", 1, b"root", b"lend", 1, [b"tuple", 1], [b"dictionary"]], PB)


@pytest.fixture(scope="module")
def server() -> Iterator[Desk]:
    with Desk() as desk:
        yield desk


@pytest.fixture(scope="module")
def client() -> Iterator[Desk]:
    with Desk() as desk:
        yield desk


def still_open(pieces: list[Piece]) -> list[Piece]:
    """The same before anybody closed the connection."""
    return [piece for piece in pieces if not isinstance(piece, LinkEvent) or piece.kind == "opened"]


def echo(request: int, luid: int) -> bytes:
    return encode([b"message", request, luid, b"echo", 1, [b"tuple", 1], [b"dictionary"]], PB)


# ------------------------------------------------------------------------------------ Twisted on both sides

#: What is served, and who visits.
INCIDENTS = {
    "a good end": ("bench", "good"),
    "a good end in dialect none": ("old", "good"),
    "a good end after a login": ("portal", "logs_in"),
    "a login at the second try": ("portal", "errs_then_logs_in"),
    "an error behind which the client leaves": ("bench", "fails"),
    "an error behind which the server closes": ("bench", "fails_and_is_closed"),
    "a client that gives up its call": ("bench", "leaves_early"),
    "a server that closes": ("bench", "is_closed"),
    "a server that breaks off in a call": ("bench", "is_aborted"),
    "a string beyond the limit": ("bench", "sends_much"),
    "a text beyond the limit": ("bench", "sends_much_text_by_name"),
    "a list beyond the limit": ("bench", "sends_many"),
    "a string at the limit": ("bench", "sends_just"),
    "a string near the limit": ("bench", "sends_nearly"),
    "a call that the client cannot send": ("bench", "cannot_send"),
    "a result that the server cannot send": ("bench", "asks_for_much"),
    "a result that the server cannot send later": ("bench", "asks_for_much_later"),
    "an answer of an unknown class": ("bench", "gets_pond"),
    "an error of an unknown class": ("bench", "gets_drought"),
    "an answer of an unknown class while another call waits": ("bench", "gets_pond_while_waiting"),
    "an answer of an unknown class for the server": ("bench", "lends"),
    "an answer of a known class": ("bench", "gets_known_pond"),
    "a cached object whose state failed": ("bench", "gets_poison"),
    "an argument of an unknown class": ("bench", "gives_pond"),
    "a class as an argument": ("bench", "gives_class"),
    "a full table": ("bench", "borrows"),
    "a full table, once too often": ("bench", "borrows_on"),
    "a refused login": ("portal", "guesses_once"),
    "a flood of refused logins": ("portal", "guesses"),
    "a login that nobody finishes": ("portal", "begins_to_log_in"),
    "a login on which the server does not decide": ("patient", "waits_for_login"),
    "an anonymous login where there is none": ("portal", "comes_anonymous"),
    "a login without a checker": ("keys", "guesses_once"),
    "a server that closes at once": ("rude", "just_connects"),
    "no common dialect": ("old", "speaks_pb_only"),
}


@pytest.mark.parametrize("name", INCIDENTS)
async def test_an_incident_between_two_twisted_programs_is_told(name: str, server: Desk, client: Desk) -> None:
    what, who = INCIDENTS[name]

    check(name, diagnosed(await incident(server, client, what, who)))


async def test_a_string_beyond_the_limit_passes_where_both_have_raised_it(client: Desk) -> None:
    with Desk() as generous:
        pieces = await incident(generous, client, "generous", "sends_much")

    check("a string beyond the limit that passes", diagnosed(pieces))
    check("a string beyond the limit that has passed", diagnosed(still_open(pieces), pieces[-1].at))


async def test_a_flood_of_connections_is_folded_and_its_sum_is_there_when_asked(server: Desk, client: Desk) -> None:
    pieces = await incident(server, client, "portal", "guesses_once", times=12)

    check("a flood of connections with refused logins", diagnosed(pieces))
    check("a flood of connections with refused logins, in the end", diagnosed(pieces, pieces[-1].at))


async def test_refused_logins_are_told_while_the_connection_is_open(server: Desk, client: Desk) -> None:
    pieces = await incident(server, client, "portal", "guesses")

    check("a flood of refused logins", diagnosed(still_open(pieces), pieces[-1].at))


async def test_what_is_refused_is_told_with_how_often_while_the_connection_is_open(server: Desk, client: Desk) -> None:
    pieces = await incident(server, client, "bench", "gives_pond")

    verdicts = diagnosed(still_open(pieces), pieces[-1].at)

    check("an argument of an unknown class, so far", verdicts)
    assert verdicts[0].evidence[-1] == "this happened 3 times so far"


# ------------------------------------------------------------------------------------ a client of raw bytes

#: What a client sends to a Twisted server, in one piece, that closes the connection then.
SENT = {
    "another version": encode(b"pb") + encode([b"version", 5], PB),
    "an answer to nothing": HANDSHAKE + encode([b"answer", 5, 1], PB),
    "an object that was never lent": HANDSHAKE + encode([b"decref", 7], PB),
    "a cached object that was never lent": HANDSHAKE + encode([b"decache", 7], PB),
    "a cached object that is freed too often": HANDSHAKE + encode([b"uncache", 7], PB),
    "the root, given back": HANDSHAKE + encode([b"decref", b"root"], PB),
    "a verb of its own": HANDSHAKE + encode([b"shout", 1], PB),
    "noise": HANDSHAKE + b"\x01" * 65,
    "a dialect of its own": encode(b"klingon"),
    "an HTTP request": b"POST /hooks/deliver HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1024\r\n\r\n{}",
    "a TLS handshake": b"\x16\x03\x01\x00\xa0\x01\x00\x00\x9c\x03\x03" + b"\xff" * 160,
    "another protocol": b"\xf0nobody knows what this is",
}


@pytest.mark.parametrize("name", SENT)
async def test_what_ends_a_connection_to_a_twisted_server_is_told(name: str, server: Desk) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SENT[name])
        await reader.read()

    check(name, diagnosed(await played(server.serve("bench"), script)))


async def test_a_reference_that_is_given_back_twice_is_told_with_when_it_was_free(server: Desk) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HANDSHAKE + LEND)
        await reader.readuntil(encode([b"remote", 1], PB))
        writer.write(encode([b"decref", 1], PB) + encode([b"decref", 1], PB))
        await reader.read()

    check("an object that is given back twice", diagnosed(await played(server.serve("bench"), script)))


async def test_a_call_of_what_is_free_is_told_once_and_with_when_it_was_free(server: Desk) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HANDSHAKE + LEND)
        await reader.readuntil(encode([b"remote", 1], PB))
        writer.write(encode([b"decref", 1], PB) + echo(2, 1) + echo(3, 1) + echo(4, 9))
        for _ in range(3):
            await reader.readuntil(b"Invalid Object ID")

    verdicts = diagnosed(await played(server.serve("bench"), script))

    check("calls of what is not lent", verdicts[:2])
    assert [verdict.kind for verdict in verdicts] == ["unknown object", "unknown object", "closed"]


# ------------------------------------------------------------------------------------ a server of raw bytes

PYTHON_2 = [b"twisted.spread.pb.CopyableFailure", [b"dictionary", [b"type", b"exceptions.ValueError"]]]
#: What a server sends to a Twisted client that calls echo('hello'), and that closes the connection then.
SERVED = {
    "an HTTP response": b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n<html></html>",
    "an SSH banner": b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5\r\n",
    "an error from Python 2": WELCOME + encode([b"error", 1, PYTHON_2], PB),
    "an answer beyond the limit": WELCOME + encode([b"answer", 1, b"x" * 700_000], PB, VAST),
    "the beginning of an answer beyond it": WELCOME + encode([b"answer", 1, b"x" * 700_000], PB, VAST)[:70_000],
    "an error beyond the limit": WELCOME + encode([b"error", 1, b"x" * 700_000], PB, VAST),
}


@pytest.mark.parametrize("name", SERVED)
async def test_what_ends_a_connection_to_a_twisted_client_is_told(name: str, client: Desk) -> None:
    sent = SERVED[name]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent[:12])
        if sent.startswith(WELCOME):
            await reader.readuntil(b"hello")
        writer.write(sent[12:])
        if not sent.startswith(b"SSH"):
            await reader.read()

    check(name, diagnosed(await hosted(client, "good", script)))


async def test_a_client_that_waits_for_the_first_word_is_told_after_a_while(client: Desk) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""

    pieces = still_open(await hosted(client, "just_connects", script))

    check("a server that says nothing", diagnosed(pieces, pieces[0].at + 6))
    assert diagnosed(pieces, pieces[0].at + 4) == []


async def test_a_port_check_is_told(server: Desk) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"none")

    pieces = await played(server.serve("bench"), script)

    check("a port check", diagnosed(pieces))
    check("a client that says nothing", diagnosed(still_open(pieces), pieces[0].at + 6))


async def test_another_protocol_is_told_before_twisted_refuses_it(server: Desk) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"none")

    pieces = await played(server.serve("bench"), script)

    check("a short HTTP request", diagnosed(pieces))
    check("a short HTTP request", diagnosed(still_open(pieces), pieces[-1].at))


async def test_a_target_that_is_down_is_told() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]

    check("a target that is down", diagnosed(await played(port, script)))


def test_a_conversation_in_tls_is_named_as_such_and_says_where_it_can_be_read() -> None:
    with open_capture(CAPTURES / "twisted-tls.pcap") as capture:
        verdicts = diagnosed(list(capture))

    assert [verdict.text.partition(":")[0] for verdict in verdicts] == [
        "both sides speak TLS, and what they say cannot be read between them"
    ]
