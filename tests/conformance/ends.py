"""One end of a connection in memory: a Broker, and a Link that keeps what it sends. Knows no peer and no loop.

What is sent is read by the recordings' own decoder, so that our decoder is not judge of our encoder.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import Context
from typing import Any, Self

from pbshell.broker import Broker
from pbshell.defer import Deferred, ensureDeferred
from pbshell.errors import PeerError
from pbshell.wire.banana import DIALECTS, NONE, Dialect, encode
from pbshell.wire.chunk import Side
from tests.conformance.values import read_all

OFFER = encode([b"pb", b"none"])


class End:
    """A Broker that was just connected. *settings* are the Broker's."""

    def __init__(self, side: Side, **settings: Any) -> None:
        #: why the connection was closed from here, or None
        self.closed: BaseException | None = None
        self.broker = Broker(side, self, **settings)
        self._unread = b""

    @classmethod
    def server(cls, **settings: Any) -> Self:
        return cls(Side.SERVER, **settings)

    @classmethod
    def client(cls, **settings: Any) -> Self:
        return cls(Side.CLIENT, **settings)

    # what a Link is asked for

    def wake(self) -> None:
        """Nothing to do: whoever plays the other end looks for itself."""

    def wake_threadsafe(self) -> None:
        """Nothing to do either."""

    def start(self, awaitable: Awaitable[Any], context: Context) -> Deferred[Any]:
        """Run *awaitable*; without a loop it can wait for Deferreds only."""
        return context.run(ensureDeferred, awaitable)

    def __str__(self) -> str:
        return "memory"

    # what a test asks for

    @property
    def open_still(self) -> bool:
        return self.closed is None

    @property
    def dialect(self) -> Dialect:
        return self.broker.dialect or NONE

    def open(self, dialect: bytes = b"pb") -> Self:
        """Have the handshake, and forget what was sent in it."""
        ours = encode([b"version", 6], DIALECTS[dialect])
        choice = encode(dialect)
        if self.broker.side is Side.SERVER:
            assert self.sent() == OFFER
            sent = self.feed(choice + ours)
            assert sent == ours
        else:
            sent = self.feed(encode([dialect]))
            assert sent == choice + ours
            assert self.feed(ours) == b""
        return self

    def feed(self, data: bytes) -> bytes:
        """Let *data* arrive, and return what is sent at once. After a close nothing arrives any more."""
        if self.closed is None:
            try:
                self.broker.receive_data(data)
            except PeerError as error:
                self.closed = error
        return self.sent()

    def feed_expression(self, *expressions: Any) -> list[Any]:
        """Let whole expressions arrive in one piece, and return the ones that are sent at once."""
        return read_all(self.feed(b"".join(encode(each, self.dialect) for each in expressions)))

    def _flush(self) -> None:
        self._unread += self.broker.data_to_send()
        if self.closed is None and self.broker.closing is not None:
            self.closed = self.broker.closing

    def sent(self) -> bytes:
        """The bytes that were sent since they were last asked for, up to the end of a close."""
        self._flush()
        data, self._unread = self._unread, b""
        return data

    def expressions(self) -> list[Any]:
        """The same as s-expressions."""
        return read_all(self.sent())

    def lose(self, reason: BaseException) -> None:
        """The connection is gone."""
        self.broker.connection_lost(reason)
