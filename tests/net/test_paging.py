"""Pagers: what is too long for one message, page by page, byte for byte as Twisted sends it."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pbshell.broker.flavors import Root
from pbshell.errors import DeadReferenceError, PBConnectionLost, PeerError, RemoteError, UsageError
from pbshell.net.client import connect
from pbshell.net.paging import CallbackPageCollector, FilePager, Pager, StringPager, getAllPages
from pbshell.net.server import serve
from pbshell.wire.banana import NONE, PB, Decoder
from pbshell.wire.chunk import Side
from tests.net.clock import turns, until
from tests.net.ends import TIGHT, Recorder, link, warnings_of

SESSIONS = Path(__file__).parent.parent / "conformance" / "data" / "sessions"


class Library(Root):
    """Sends pages, in every way."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.files: list[io.BytesIO] = []
        self.pagers: list[Any] = []

    def remote_string(self, collector: Any, data: bytes, size: int) -> str:
        StringPager(collector, data, size, self.done.append, "all sent")
        return "ignored"

    def remote_file(self, collector: Any, data: bytes) -> None:
        self.files.append(io.BytesIO(data))
        FilePager(collector, self.files[-1], self.done.append, "all sent")

    def remote_kept(self, collector: Any) -> None:
        self.pagers.append(collector)

    def remote_fail(self, collector: Any) -> None:
        raise ValueError("no such book")

    def remote_forget(self, collector: Any) -> None:
        """Never sends anything."""

    async def remote_fail_later(self, collector: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("the book has burnt")


def replayed(name: str) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads((SESSIONS / f"{name}.json").read_text())["entries"]
    return entries


@pytest.mark.parametrize("name", ["string_pager", "file_pager"])
async def test_a_recorded_session_is_repeated(name: str) -> None:
    """Twisted's client as it was recorded, and our server in place of Twisted's."""

    class Recorded(Root):
        def remote_get(self, collector: Any, size: int | None = None) -> None:
            if name == "string_pager":
                StringPager(collector, b"0123456789" * 10, 32)
            else:
                FilePager(collector, io.BytesIO((b"abcdefg" * 3000)[:size]))

        def remote_empty(self, collector: Any) -> None:
            StringPager(collector, b"")

    expected, said = b"", b""
    async with link(Recorded()) as (_, peer):
        for entry in replayed(name):
            data = bytes.fromhex(entry["hex"])
            if entry["dir"] == "c2s":
                peer.send(data)
            else:
                expected += data
                said += await peer.reader.readexactly(len(data))
    # The moments of decrefs are the garbage collector's, in Twisted too.
    assert [each for each in decoded(said) if each[0] != b"decref"] == [
        each for each in decoded(expected) if each[0] != b"decref"
    ]
    assert sorted(map(repr, decoded(said))) == sorted(map(repr, decoded(expected)))


def decoded(data: bytes) -> list[Any]:
    """What a server said."""
    decoder = Decoder(NONE)
    decoder.feed(data)
    expressions = [next(decoder)]
    decoder.dialect = PB
    return expressions + list(decoder)


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        (b"", [b""]),
        (b"abc", [b"abc"]),
        (b"abcd", [b"abcd"]),
        (b"abcde", [b"abcd", b"e"]),
        (b"abcdefgh", [b"abcd", b"efgh"]),
    ],
)
async def test_the_pages_of_a_string(data: bytes, pages: list[bytes]) -> None:
    library = Library()
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        assert await getAllPages(root, "string", data, 4) == pages
        await until(lambda: library.done == ["all sent"])
        await until(lambda: not connection.exports)  # the collector came back


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 32768, 100_000])
async def test_the_pages_of_a_file(size: int) -> None:
    library = Library()
    data = bytes(number % 251 for number in range(size))
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        pages = await getAllPages(root, "file", data)
        assert b"".join(pages) == data
        assert [len(page) for page in pages] == [16384] * (size // 16384) + [size % 16384] * bool(size % 16384)
        assert library.done == ["all sent"]
        assert library.files[0].closed
        await until(lambda: not connection.exports)


async def test_pages_of_one_string_and_another_go_in_turn() -> None:
    order: list[str] = []

    class Named(CallbackPageCollector):
        def __init__(self, name: str) -> None:
            super().__init__(lambda pages: order.append(f"end of {name}"))
            self.name = name

        def remote_gotPage(self, page: Any) -> None:
            order.append(self.name)

    async with serve(Library(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        for name in "ab":
            root.callRemote("string", Named(name), bytes(3), 1)
        await until(lambda: len(order) == 8)
    assert order == ["a", "b", "a", "b", "a", "end of a", "b", "end of b"]


async def test_a_slow_reader_sets_the_pace() -> None:
    library = Library()
    size = 4_000_000
    tap = Recorder()
    async with link(library, small=True, limits=TIGHT, tap=tap) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(peer.call(1, b"kept", [b"remote", 1]))
        await until(lambda: library.pagers)
        StringPager(library.pagers.pop(), bytes(size), 8192, library.done.append, "all sent")
        await turns(500)
        assert connection.sent < 3 * TIGHT.send_buffer
        assert library.done == []
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        reading = asyncio.create_task(peer.end())
        await until(lambda: library.done)
        assert connection.sent > size
        connection.close()
        await reading


async def test_a_page_is_as_long_as_it_may_be_and_the_whole_is_not_limited() -> None:
    async with serve(Library(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        data = bytes(500_000)
        chunk = 100_000
        pages = await getAllPages(root, "string", data, chunk)
        assert [len(page) for page in pages] == [chunk] * 5


# When it goes wrong


@pytest.mark.parametrize(("method", "text"), [("fail", "no such book"), ("fail_later", "the book has burnt")])
async def test_an_error_of_the_call_reaches_the_caller(method: str, text: str) -> None:
    async with serve(Library(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        with pytest.raises(RemoteError, match=text):
            await getAllPages(await connection.getRootObject(), method)


async def test_arguments_that_cannot_be_sent_reach_the_caller() -> None:
    async with serve(Library(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        with pytest.raises(UsageError):
            await getAllPages(await connection.getRootObject(), "string", object(), 1)


async def test_a_method_that_forgets_the_collector_is_found_out() -> None:
    async with serve(Library(), "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        with pytest.raises(PeerError, match="the method forget gave the collector back before the last page"):
            await getAllPages(await connection.getRootObject(), "forget")


async def test_pages_that_are_missing_when_the_connection_goes_are_an_error() -> None:
    library = Library()
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        answered = getAllPages(root, "kept")
        await until(lambda: library.pagers and not connection.pending)
        unanswered = getAllPages(root, "kept")
        next(iter(server.connections)).abort()
        for pages in (answered, unanswered):
            with pytest.raises(PBConnectionLost):
                await pages
        with pytest.raises(DeadReferenceError):
            getAllPages(root, "kept")
        library.pagers.clear()


async def test_who_gives_up_gets_no_pages_and_disturbs_nobody() -> None:
    library = Library()
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        root = await connection.getRootObject()
        pages = getAllPages(root, "string", bytes(100), 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pages, 0)
        await until(lambda: library.done)
        assert await getAllPages(root, "string", b"ab", 1) == [b"a", b"b"]


async def test_a_pager_ends_with_its_connection_and_closes_its_file() -> None:
    library = Library()
    async with link(library, small=True, limits=TIGHT) as (connection, peer):
        await peer.shake_hands()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(peer.call(1, b"kept", [b"remote", 1]))
        await until(lambda: library.pagers)
        file = io.BytesIO(bytes(1_000_000))
        pager = FilePager(library.pagers.pop(), file, library.done.append, "all sent")
        assert pager.stillPaging()
        await turns()
        connection.abort()
        await until(lambda: file.closed)
        assert not pager.stillPaging()
    assert library.done == []


async def test_the_end_of_a_server_ends_its_pagers() -> None:
    library = Library()
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        await (await connection.getRootObject()).callRemote("kept", CallbackPageCollector(len))
        file = io.BytesIO(bytes(1_000_000))
        FilePager(library.pagers.pop(), file)
        server.close()
        await server.wait_closed()
        assert file.closed


async def test_a_pager_that_has_no_next_page_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Torn(Pager):
        def nextPage(self) -> bytes:
            raise OSError("disk failure")

    library = Library()
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        pages = getAllPages(await connection.getRootObject(), "kept")
        await until(lambda: library.pagers)
        Torn(library.pagers.pop())
        with pytest.raises(PeerError, match="before the last page"):
            await pages
    assert warnings_of(caplog) == ["paging ended early"]


async def test_a_pager_of_ones_own_sends_what_it_likes_until_it_stops() -> None:
    class Counting(Pager):
        number = 0

        def nextPage(self) -> int:
            self.number += 1
            if self.number == 3:
                self.stopPaging()
            return self.number

    library = Library()
    tap = Recorder()
    async with serve(library, "tcp:0", tap=tap) as server, connect(f"127.0.0.1:{server.port}") as connection:
        pages = getAllPages(await connection.getRootObject(), "kept")
        await until(lambda: library.pagers)
        Counting(library.pagers.pop())
        assert await pages == [1, 2, 3]
    assert tap.said(Side.SERVER)


async def test_a_pager_must_know_its_next_page() -> None:
    library = Library()
    async with serve(library, "tcp:0") as server, connect(f"127.0.0.1:{server.port}") as connection:
        await (await connection.getRootObject()).callRemote("kept", CallbackPageCollector(len))
        pager = object.__new__(Pager)
        with pytest.raises(NotImplementedError, match="Pager does not define nextPage"):
            pager.nextPage()
        with pytest.raises(UsageError, match="chunkSize=0 cannot be"):
            StringPager(library.pagers.pop(), b"x", 0)
