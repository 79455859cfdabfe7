"""Starts the Twisted programs and talks to them. Knows pipes and lines; knows nothing of PB."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import select
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Self

HERE = Path(__file__).parent
#: seconds after which a silent program counts as hung; its own deadline is shorter
PATIENCE = 25.0


class TwistedFailed(AssertionError):
    """The Twisted program itself crashed, hung or ended: its own words follow."""


class Program:
    """One of the programs beside this file, from ``with`` to the end of ``with``."""

    def __init__(self, name: str) -> None:
        self.path = HERE / f"{name}.py"
        self._errors: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-u", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # the programs end when nobody talks to them any more
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        assert self._errors is not None
        self._errors.close()

    def _write(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise TwistedFailed(self._last_words()) from None

    def _pipe(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _read(self, done: bytes | int) -> bytes:
        """Bytes up to the ending *done*, or exactly so many."""
        pipe = self._pipe()
        data = b""
        deadline = time.monotonic() + PATIENCE
        while len(data) < done if isinstance(done, int) else not data.endswith(done):
            if not select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TwistedFailed(f"{self.path.name} has been silent for {PATIENCE} s\n{self._last_words()}")
            piece = os.read(pipe, done - len(data) if isinstance(done, int) else 65536)
            if not piece:
                raise TwistedFailed(self._last_words())
            data += piece
        return data

    def _last_words(self) -> str:
        assert self._errors is not None
        self._errors.seek(0)
        return f"{self.path.name} said:\n{self._errors.read().decode(errors='replace')}"


class Codec(Program):
    """Twisted's jelly and banana in a process of their own, so that a test never imports Twisted."""

    def __init__(self) -> None:
        super().__init__("twisted_codec")

    def ask(self, what: str, dialect: str, value: Any) -> Any:
        """*what* is banana, unbanana, jelly or unjelly. Raises ValueError with Twisted's words if it refuses."""
        request = pickle.dumps((what, dialect, value))
        self._write(struct.pack(">I", len(request)) + request)
        reply = self._read(struct.unpack(">I", self._read(4))[0])
        good, result = pickle.loads(reply)
        if not good:
            raise ValueError(result)
        return result


class Peer(Program):
    """A Twisted reactor that serves and connects on request."""

    def __init__(self) -> None:
        super().__init__("twisted_peer")
        self._ports: dict[tuple[str, str], int] = {}

    def ask(self, do: str, **arguments: Any) -> Any:
        """One command, one reply; see twisted_peer.py for the commands."""
        self._write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        return self._result(self._read(b"\n"))

    async def ask_meanwhile(self, do: str, **arguments: Any) -> Any:
        """The same from a running loop, which goes on serving."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        pipe = self._pipe()
        loop.add_reader(pipe, readable.set)
        try:
            self._write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            # The program answers with one line and then waits: what can be read now is the line's beginning.
            await asyncio.wait_for(readable.wait(), PATIENCE)
        finally:
            loop.remove_reader(pipe)
        return self._result(self._read(b"\n"))

    def _result(self, line: bytes) -> Any:
        reply = json.loads(line)
        if "crash" in reply:
            raise TwistedFailed(reply["crash"])
        return reply["result"]

    def port(self, what: str, dialect: str = "pb") -> int:
        """The port on 127.0.0.1 where the Twisted server *what* listens; it is started if need be."""
        if (what, dialect) not in self._ports:
            self._ports[what, dialect] = self.ask("serve", what=what, dialect=dialect)
        return self._ports[what, dialect]

    def count(self, event: str) -> int:
        """How often *event* has been noted there so far."""
        return list(self.ask("events")).count(event)
