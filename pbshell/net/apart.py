"""relay_apart(): a relay in a process of its own, so that looking at the traffic does not hold it up.

Knows that process and what is sent to and fro; how bytes are passed on, `relay` knows, and it is what runs there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from pbshell.errors import UsageError
from pbshell.net.backlog import MOST, Backlog
from pbshell.net.endpoints import (
    ConnectEndpoint,
    ListenEndpoint,
    ListenUnix,
    parse_connect,
    parse_listen,
)
from pbshell.net.relay import relay
from pbshell.net.starting import Starting
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side, Tap
from pbshell.wire.text import visible

__all__ = ["ApartRelay", "RelayingApart", "relay_apart"]

log = logging.getLogger("pbshell.net")

#: Seconds after which the tap lets others of its loop have a turn.
_TURN = 0.005

#: Seconds that the process may take to begin, and to end beyond what its connections may take.
_START, _END = 30.0, 5.0

#: What the process says: pieces or words, and how many bytes of them; a piece: whose it is, connection, time, bytes.
_HEAD, _PIECES, _WORDS = struct.Struct("<BI"), 0, 1
_PIECE, _SIDES, _EVENT = struct.Struct("<BQdI"), tuple(Side), len(Side)


def relay_apart(
    listen: str | ListenEndpoint,
    to: str | ConnectEndpoint,
    *,
    tap: Tap | None = None,
    tell: Callable[[str], None] | None = None,
    max_connections: int | None = None,
    close_timeout: float = 5,
    open_timeout: float | None = 10,
    keepalive: float | None = 60,
    most: int = MOST,
) -> RelayingApart:
    """What `relay` does, in a process of its own: *tap* may take its time, and is called within a second or so.

    When *most* bytes wait for the tap, what comes is left out and told as gaps: what is relayed never waits for it.

    Raises what `relay` raises.
    """
    place = parse_listen(listen) if isinstance(listen, str) else listen
    target = parse_connect(to) if isinstance(to, str) else to
    order = {
        "listen": str(place),
        "to": str(target),
        "most": most,
        "max_connections": max_connections,
        "close_timeout": close_timeout,
        "open_timeout": open_timeout,
        "keepalive": keepalive,
    }
    return RelayingApart(order, target, tap, tell or _log)


class RelayingApart(Starting["ApartRelay"]):
    """A relay that is to be started: what `relay_apart` gives."""

    def __init__(
        self, order: dict[str, Any], target: ConnectEndpoint, tap: Tap | None, tell: Callable[[str], None]
    ) -> None:
        self._order = order
        self._target = target
        self._tap = tap
        self._tell = tell
        super().__init__(self._start)

    async def _start(self) -> ApartRelay:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from pbshell.net.apart import main; main()"),
            stdin=PIPE,
            stdout=PIPE,
            # It finds what we find; and a Ctrl-C is for us, who will tell it.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        started = ApartRelay(process, self._order["close_timeout"], self._target, self._tap, self._tell)
        try:
            async with asyncio.timeout(_START):
                await started._begin(self._order)
        except BaseException:
            started.close()
            await started.wait_closed()
            raise
        return started


class ApartRelay:
    """A relay that runs in a process of its own, until it is closed."""

    def __init__(
        self,
        process: Process,
        close_timeout: float,
        target: ConnectEndpoint,
        tap: Tap | None,
        tell: Callable[[str], None],
    ) -> None:
        self.target = target
        #: what is listened on, with the port that was chosen
        self.endpoints: tuple[ListenEndpoint, ...] = ()
        self._process = process
        self._close_timeout = close_timeout
        self._tap = tap
        self._tell = tell
        self._closing = False
        self._reading: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None

    @property
    def port(self) -> int | None:
        """The port of the first endpoint that has one."""
        return next((each.port for each in self.endpoints if not isinstance(each, ListenUnix)), None)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process relays: not before it has begun, and not when it has ended, however that came."""
        return self._reading is not None and not self._reading.done()

    def set_tap(self, tap: Tap | None) -> None:
        """From now on hand every chunk and link event to *tap*; None ends that."""
        self._tap = tap

    async def serve_forever(self) -> None:
        """Wait until the relay has ended; to cancel this is to close it."""
        try:
            if self._reading is not None:
                await asyncio.shield(self._reading)
        finally:
            self.close()
            await self.wait_closed()

    def close(self) -> None:
        """Stop listening, and close all connections; what they said until then is still handed to the tap."""
        if self._end is None:
            self._closing = True
            self._end = asyncio.get_running_loop().create_task(self._finish())

    async def wait_closed(self) -> None:
        """Wait until a relay that was closed has ended."""
        if self._end is not None:
            await asyncio.shield(self._end)

    # ------------------------------------------------------------------------------------ how it is done

    async def _begin(self, order: dict[str, Any]) -> None:
        """Have the process listen. Raises what that raised."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order).encode() + b"\n")
        try:
            kind, *words = await _receive(stdout)
        except EOFError:
            raise OSError("the process of the relay ended before it began") from None
        if kind == "usage":
            raise UsageError(words[0])
        if kind == "failed":
            raise OSError(*words)
        self.endpoints = tuple(map(parse_listen, words))
        self._reading = asyncio.get_running_loop().create_task(self._read(stdout))

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        """Hand on what comes, until the process ends."""
        with contextlib.suppress(EOFError):
            while True:
                said = await _receive(stdout)
                if isinstance(said, bytes):
                    await self._hand_on(_unpacked(said))
                else:
                    self._tell(said[1])
        if not self._closing:
            self._tell("the process of the relay has ended: its connections are gone")

    async def _hand_on(self, pieces: Iterable[Piece]) -> None:
        loop = asyncio.get_running_loop()
        turn = loop.time()
        for piece in pieces:
            tap = self._tap
            if tap is None:
                return
            try:
                tap(piece)
            except Exception as error:
                self._tap = None
                log.exception("the tap raised and is removed; the relay lives")
                self._tell(f"watching has ended: {type(error).__name__}: {visible(str(error), 200)}; the relay goes on")
            if loop.time() - turn > _TURN:
                await asyncio.sleep(0)
                turn = loop.time()

    async def _finish(self) -> None:
        process = self._process
        assert process.stdin is not None
        process.stdin.close()  # it ends when nobody talks to it any more
        try:
            async with asyncio.timeout(3 * self._close_timeout + _END):
                if self._reading is not None:
                    await self._reading
                await process.wait()
        except TimeoutError:
            log.error("the process of the relay does not end, and is killed")
            process.kill()
            await process.wait()


async def _receive(stdout: asyncio.StreamReader) -> Any:
    """What the process says next: pieces, packed, or a list of words. Raises EOFError when it has ended."""
    kind, length = _HEAD.unpack(await stdout.readexactly(_HEAD.size))
    data = await stdout.readexactly(length)
    return data if kind == _PIECES else json.loads(data)


def _log(line: str) -> None:
    log.warning("%s", line)


def _packed(piece: Piece) -> bytes:
    """*piece* as bytes, for `_unpacked`."""
    if isinstance(piece, Chunk):
        side, data = _SIDES.index(piece.sender), piece.data
    else:
        assert isinstance(piece, LinkEvent)  # a relay knows nothing that a seed could be made of
        side = _EVENT
        data = json.dumps([piece.kind, piece.by and piece.by.value, piece.detail]).encode()
    return _PIECE.pack(side, piece.connection, piece.at, len(data)) + data


def _unpacked(data: bytes) -> Iterator[Piece]:
    """The pieces that were packed into *data*."""
    position = 0
    while position < len(data):
        side, connection, at, length = _PIECE.unpack_from(data, position)
        position += _PIECE.size
        content = data[position : position + length]
        position += length
        if side == _EVENT:
            kind, by, detail = json.loads(content)
            yield LinkEvent(at, connection, kind, by and Side(by), detail)
        else:
            yield Chunk(at, connection, _SIDES[side], content)


# ---------------------------------------------------------------------------------------- there


def main() -> None:
    """Be the process: read the order from stdin, relay until that is closed, and say on stdout what happens."""
    asyncio.run(_main())


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    order = json.loads(await reader.readline() or b"null")
    if order is None:
        return
    speaker = _Speaker()
    await loop.connect_write_pipe(lambda: speaker, sys.stdout)
    backlog = speaker.backlog = Backlog(speaker.deliver, most=order.pop("most"), tell=speaker.tell)
    listen, to = order.pop("listen"), order.pop("to")
    try:
        running = await relay(listen, to, tap=backlog, tell=speaker.tell, **order)
    except UsageError as error:
        speaker.say("usage", str(error))
    except OSError as error:
        speaker.say("failed", *(each for each in (error.errno, error.strerror or str(error), error.filename) if each))
    else:
        speaker.say("listening", *map(str, running.endpoints))
        await reader.read()
        running.close()
        await running.wait_closed()
        backlog.flush()
    speaker.transport.close()
    await speaker.over.wait()


class _Speaker(asyncio.BaseProtocol):
    """Says things on a pipe. While that is full, the backlog has to wait."""

    transport: asyncio.WriteTransport
    backlog: Backlog

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def pause_writing(self) -> None:
        self.backlog.hold()

    def resume_writing(self) -> None:
        self.backlog.go()

    def connection_lost(self, error: BaseException | None) -> None:
        self.over.set()

    def say(self, *words: Any) -> None:
        if self.over.is_set():
            return  # nobody listens any more
        data = json.dumps(words).encode()
        self.transport.write(_HEAD.pack(_WORDS, len(data)) + data)

    def tell(self, line: str) -> None:
        self.say("tell", line)

    def deliver(self, pieces: list[Piece]) -> None:
        if self.over.is_set():
            return
        data = b"".join(map(_packed, pieces))
        self.transport.write(_HEAD.pack(_PIECES, len(data)) + data)
