"""Live equals shadow: what the dissector books behind a relay is what two real Twisted brokers have in their tables."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pbshell.net.relay import relay
from pbshell.trace import Dissection, Dissector, Undecodable, Unseen
from pbshell.trace.notes import Ended, Odd
from pbshell.wire.chunk import LinkEvent, Piece, Side

PROGRAM = Path(__file__).parent / "programs" / "shadowed.py"

#: What the client does, one after the other: each is a quiet moment at which all books must agree.
STORY = """
    login echo lend echo lend again home drop echo keep forget keep fail nosuch unsendable refused pond grow pond grow
    drop echo pond grow back back drop lend again wait home wait drop echo
"""


class Program:
    """A Twisted end that does what it is told, a word at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout

    async def line(self) -> Any:
        return json.loads(await self.stdout.readline())

    async def do(self, word: str) -> Any:
        self.stdin.write(f"{word}\n".encode())
        return await self.line()


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(PROGRAM), *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    one = Program(process)
    try:
        yield one
    finally:
        one.stdin.close()
        await process.wait()


class Shadow:
    """The dissector behind the relay, and all that it has found."""

    def __init__(self) -> None:
        self.dissector = Dissector()
        self.found: list[Dissection] = []
        self.closed = asyncio.Event()

    def tap(self, piece: Piece) -> None:
        self.found += self.dissector.feed(piece)
        if isinstance(piece, LinkEvent) and piece.kind == "closed":
            self.closed.set()

    def tables(self, side: Side) -> Any:
        ledger = self.dissector.connections[1].ledgers[side]
        return {
            "exports": {str(luid): count for luid, count in ledger.exports.counts().items()},
            "caches": {str(luid): count for luid, count in ledger.caches.counts().items()},
            "pending": sorted(ledger.pending),
        }


@asynccontextmanager
async def conversation() -> AsyncIterator[tuple[Program, Program, Shadow]]:
    shadow = Shadow()
    async with (
        program("server") as server,
        relay("tcp:0", f"127.0.0.1:{await server.line()}", tap=shadow.tap) as between,
        program("client", str(between.port)) as client,
    ):
        yield server, client, shadow


async def settle(server: Program, client: Program) -> tuple[Any, Any]:
    """Both ends' tables when nothing is on its way any more: what each drops now has been told by a round trip."""
    for _ in range(2):
        await server.do("tables")
        await client.do("tables")
        await client.do("echo")
    return await server.do("tables"), await client.do("tables")


async def test_the_shadow_of_two_twisted_ends_has_what_their_tables_have() -> None:
    async with conversation() as (server, client, shadow):
        for number, word in enumerate(STORY.split()):
            await client.do(word)
            theirs, ours = await settle(server, client)
            where = f"behind {number} {word}"
            for side, table, holder in ((Side.SERVER, theirs, ours), (Side.CLIENT, ours, theirs)):
                cached = table.pop("held caches")
                assert shadow.tables(side) == table, f"{where}, {side.value}"
                table["held caches"] = cached
                lent = shadow.dissector.connections[1].ledgers[side].caches
                assert sorted(lent) == holder["held caches"], f"{where}, held of the {side.value}'s"
        assert theirs["exports"]
        await client.do("leave")
        await shadow.closed.wait()
    ended = shadow.found[-1].notes[-1]
    assert isinstance(ended, Ended)
    assert [call.what.method for call in ended.unanswered] == [b"wait", b"wait"]  # type: ignore[union-attr]
    assert ended.references == len(theirs["exports"]) + len(ours["exports"])
    assert not [each for each in shadow.found if isinstance(each.what, Undecodable | Unseen)]


async def test_a_correct_peer_does_nothing_odd_but_leave_out_what_it_could_not_send() -> None:
    """Twisted counts a call that banana refuses, and never sends it; its caller waits for ever."""
    async with conversation() as (server, client, shadow):
        for word in [*STORY.split(), "huge"]:
            await client.do(word)
        await settle(server, client)
        sent = shadow.dissector.connections[1].ledgers[Side.CLIENT].pending
        waiting = (await client.do("tables"))["pending"]
    odd = [note for each in shadow.found for note in each.notes if isinstance(note, Odd)]
    (never_sent,) = set(waiting) - set(sent)
    assert odd == [Odd("request never sent", f"request {never_sent} was never sent")]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("lend", "ada.lend()[0]"),
        ("again", "ada.again()['new']"),
        ("keep", "ada.keep() args[0]"),
        ("pond", "ada.pond()"),
        ("login", "ada.mind"),
        ("login", "ada"),
    ],
)
async def test_what_is_lent_is_named_by_its_birth(word: str, name: str) -> None:
    async with conversation() as (server, client, shadow):
        await client.do("login")
        if word != "login":
            await client.do(word)
        await settle(server, client)
        ledgers = shadow.dissector.connections[1].ledgers.values()
        tables = [table for ledger in ledgers for table in (ledger.exports, ledger.caches)]
        assert name in {entry.thing.name for table in tables for entry in table.values()}
