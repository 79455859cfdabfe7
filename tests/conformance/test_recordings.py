"""The recorded connections, replayed against our ends in memory, byte for byte.

As a client we are fed what the server sent and make the same calls; as a server we are fed what the client sent. What
we send must be what was recorded, in the same order. Taken out are, as data/README.md says, challenges (the recorded
one is put in), the count, the frames and the traceback of failures, and the moments of decref and decache.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

import pytest

from pbshell import cred
from pbshell.cred.login import PortalRoot, login
from pbshell.defer import Deferred
from pbshell.wire.chunk import Side
from tests.conformance.accidents import essence
from tests.conformance.ends import End
from tests.conformance.scenarios import CLIENTS, SERVERS
from tests.conformance.values import read_one, sessions
from tests.conformance.worlds import MemoryWorld, Notes

SESSIONS = sessions()
each_session = pytest.mark.parametrize("name", SESSIONS)

#: Given back whenever the garbage collector pleases.
FREELY = (b"decref", b"decache")


def pieces(data: bytes) -> list[tuple[bytes, Any]]:
    """The expressions in *data*, each with its bytes."""
    found = []
    position = 0
    while position < len(data):
        value, end = read_one(data, position)
        found.append((data[position:end], value))
        position = end
    return found


def verb(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


class Stream:
    """What one side has sent: its expressions in order, and apart from them what it gave back."""

    def __init__(self) -> None:
        self.steady: list[tuple[bytes, Any]] = []
        self.given_back: list[bytes] = []

    def add(self, data: bytes) -> None:
        for raw, value in pieces(data):
            if verb(value) in FREELY:
                self.given_back.append(raw)
            else:
                self.steady.append((raw, value))

    def reached(self, other: Stream, *, given_back: bool = False) -> bool:
        """Whether as much was sent as in *other*."""
        enough = not given_back or len(self.given_back) >= len(other.given_back)
        return enough and len(self.steady) >= len(other.steady)


def compare(sent: Stream, recorded: Stream) -> None:
    """The same bytes; a failure may differ in its accidents."""
    for number, ((raw, value), (recorded_raw, recorded_value)) in enumerate(
        zip(sent.steady, recorded.steady, strict=False)
    ):
        if raw != recorded_raw:
            assert essence(value) == essence(recorded_value), f"expression {number}"
            assert essence(recorded_value) != recorded_value, f"expression {number}: same meaning, other bytes"
    assert len(sent.steady) == len(recorded.steady)


def side(session: dict[str, Any], direction: str) -> Stream:
    whole = Stream()
    whole.add(b"".join(bytes.fromhex(entry["hex"]) for entry in session["entries"] if entry["dir"] == direction))
    return whole


# ---------------------------------------------------------------- as the server


class ServerEnd(End):
    """Runs what takes turns, such as a pager, on the test's loop."""

    def __init__(self, side: Side, **settings: Any) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        super().__init__(side, **settings)

    def start(self, awaitable: Any, context: Context) -> Deferred[Any]:
        task = asyncio.get_running_loop().create_task(awaitable, context=context)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return Deferred.fromFuture(task)

    async def settle(self) -> None:
        """Give the loop its turns until nothing takes one any more."""
        while self.tasks:
            await asyncio.wait(self.tasks)


def server_end(name: str, world: MemoryWorld, challenges: list[bytes]) -> ServerEnd:
    offered = SERVERS[name](world)
    if isinstance(offered, cred.Portal):
        left = iter(challenges)
        offered = PortalRoot(offered, challenge=lambda: next(left))
    return ServerEnd.server(root=offered)


@each_session
@pytest.mark.parametrize("size", [1, 7, None], ids=["byte by byte", "seven at a time", "as recorded"])
async def test_our_server_sends_what_twisteds_server_sent(name: str, size: int | None) -> None:
    session = SESSIONS[name]
    world = MemoryWorld()
    end = server_end(name, world, [bytes.fromhex(each) for each in session.get("challenges_hex") or []])
    recorded, sent = side(session, "s2c"), Stream()
    sent.add(end.sent())
    for entry in session["entries"]:
        if entry["dir"] == "c2s":
            data = bytes.fromhex(entry["hex"])
            step = size if size and len(data) < 20_000 else len(data)
            for start in range(0, len(data), step):
                sent.add(end.feed(data[start : start + step]))
            await end.settle()
            world.pass_time()
            sent.add(end.sent())
    end.lose(ConnectionResetError("the client left"))
    compare(sent, recorded)
    assert sorted(sent.given_back) == sorted(recorded.given_back)
    assert end.closed is None or session["first_to_close"] == "s2c"


# ---------------------------------------------------------------- as the client


class ClientEnd(End):
    """Tells when there is something to send."""

    def __init__(self, side: Side, **settings: Any) -> None:
        self.woken = asyncio.Event()
        super().__init__(side, **settings)

    def wake(self) -> None:
        self.woken.set()

    def wake_threadsafe(self) -> None:
        self.wake()


class MemoryNotes(Notes):
    """The notes of a client in memory."""

    def __init__(self, end: End) -> None:
        super().__init__()
        self.end = end

    async def root(self) -> Any:
        await self.end.broker.ready
        return self.end.broker.root_reference()

    def login(self, credentials: Any, mind: Any = None) -> Deferred[Any]:
        return self.end.broker.ready.addCallback(lambda broker: login(broker.root_reference(), credentials, mind))


@each_session
async def test_our_client_sends_what_twisteds_client_sent(name: str) -> None:
    session = SESSIONS[name]
    end = ClientEnd.client()
    notes = MemoryNotes(end)
    recorded, sent, so_far = side(session, "c2s"), Stream(), Stream()

    async def play_the_server() -> None:
        for entry in session["entries"]:
            data = bytes.fromhex(entry["hex"])
            if entry["dir"] == "c2s":
                so_far.add(data)
                continue
            for raw, value in pieces(data):
                # uncache answers the last decache; everything else answers what was said in order.
                while not sent.reached(so_far, given_back=verb(value) == b"uncache"):
                    end.woken.clear()
                    sent.add(end.sent())
                    compare_so_far()
                    if not sent.reached(so_far, given_back=verb(value) == b"uncache"):
                        await end.woken.wait()
                sent.add(end.feed(raw))
        if session["first_to_close"] == "s2c":
            end.lose(ConnectionResetError("the server left"))

    def compare_so_far() -> None:
        for (raw, value), (recorded_raw, recorded_value) in zip(sent.steady, recorded.steady, strict=False):
            assert raw == recorded_raw or essence(value) == essence(recorded_value)

    async with asyncio.TaskGroup() as both:
        both.create_task(play_the_server())
        both.create_task(CLIENTS[name](notes))
    sent.add(end.sent())
    compare(sent, recorded)
    assert sorted(sent.given_back) == sorted(recorded.given_back)
    end.lose(ConnectionResetError("the end"))
