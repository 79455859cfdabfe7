"""Twisted's jelly and banana, on request. Knows values and bytes; knows no connection.

Run as a program. Each request and each reply is a length (4 bytes, big endian) and a pickle: a request is
``(what, dialect, value)``, a reply ``(True, result)`` or ``(False, text of the refusal)``. Pickle, because it keeps
what is shared and what is circular, and because both ends of this pipe are ours.
"""

from __future__ import annotations

import pickle
import struct
import sys
from io import BytesIO
from typing import Any

from twisted.spread import banana, jelly


class Codec(banana.Banana):
    """One banana stream that never had a handshake."""

    def __init__(self, dialect: str) -> None:
        super().__init__()
        self.setPrefixLimit(64)
        self.currentDialect = dialect.encode()
        self.expressions: list[Any] = []

    def expressionReceived(self, expression: Any) -> None:
        self.expressions.append(expression)

    def to_bytes(self, expression: Any) -> bytes:
        out = BytesIO()
        self._encode(expression, out.write)
        return out.getvalue()

    def to_expressions(self, data: bytes) -> list[Any]:
        self.dataReceived(data)
        return self.expressions


def perform(what: str, dialect: str, value: Any) -> Any:
    codec = Codec(dialect)
    if what == "banana":
        return codec.to_bytes(value)
    if what == "unbanana":
        return codec.to_expressions(value)
    if what == "jelly":
        return codec.to_bytes(jelly.jelly(value))
    if what == "unjelly":
        return [jelly.unjelly(expression) for expression in codec.to_expressions(value)]
    raise ValueError(what)


def main() -> None:
    sys.setrecursionlimit(10_000)
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    while header := requests.read(4):
        request = pickle.loads(requests.read(struct.unpack(">I", header)[0]))
        try:
            reply = pickle.dumps((True, perform(*request)))
        except Exception as error:
            reply = pickle.dumps((False, f"{type(error).__name__}: {error}"))
        replies.write(struct.pack(">I", len(reply)) + reply)
        replies.flush()


if __name__ == "__main__":
    main()
