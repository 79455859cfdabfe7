"""Banana against Twisted's: the same data, encoded and decoded by both in one interleaved run."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from twisted.spread import banana as theirs

from pbshell.wire.banana import PB, Decoder, encode

CALL = [
    *(b"message", 1, 5, b"getInfo", 1),
    [b"tuple", [b"unicode", b"hello world, this is text"]],
    [b"dictionary", [[b"unicode", b"name"], [b"unicode", b"value"]], [[b"unicode", b"n"], 12345]],
]
INTS = list(range(10_000))
RECORDS = [
    b"list",
    *(
        [b"tuple", [b"unicode", b"record %d" % number], number, number / 3, bytes([number & 0xFF]) * 32]
        for number in range(1_000)
    ),
]


class _Wire:
    """What Twisted's Banana writes to."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.write = self.parts.append


def banana() -> Any:
    """Twisted's decoder behind its handshake."""
    peer: Any = theirs.Banana(isClient=0)  # type: ignore[no-untyped-call]
    peer.setPrefixLimit(64)
    peer.currentDialect = b"pb"
    peer.transport = _Wire()
    return peer


def decode_with_twisted(data: bytes, read: int) -> list[Any]:
    found: list[Any] = []
    peer = banana()
    peer.expressionReceived = found.append
    for start in range(0, len(data), read):
        peer.dataReceived(data[start : start + read])
    return found


def decode_with_ours(data: bytes, read: int) -> list[Any]:
    found: list[Any] = []
    decoder = Decoder(PB)
    for start in range(0, len(data), read):
        decoder.feed(data[start : start + read])
        found += decoder
    return found


def _decoding(value: Any, times: int = 1, read: int = 65_536) -> tuple[Callable[[], Any], Callable[[], Any]]:
    data = encode(value, PB) * times
    assert decode_with_ours(data, read) == decode_with_twisted(data, read) == [value] * times
    return lambda: decode_with_ours(data, read), lambda: decode_with_twisted(data, read)


def _encoding(value: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    peer = banana()
    peer.sendEncoded(value)
    assert b"".join(peer.transport.parts) == encode(value, PB)

    def with_twisted() -> None:
        peer.transport.parts.clear()
        peer.sendEncoded(value)

    return lambda: encode(value, PB), with_twisted


def seconds(work: Callable[[], Any], times: int) -> float:
    """CPU seconds for one *work*: what else the machine does matters less to it than to the clock on the wall."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def _ratio(ours: Callable[[], Any], twisted: Callable[[], Any], rounds: int) -> float:
    """How many times as long Twisted takes: the median over interleaved rounds."""
    times = max(1, round(0.02 / seconds(twisted, 1)))
    return median(seconds(twisted, times) / seconds(ours, times) for _ in range(rounds))


def decode_a_call(rounds: int) -> float:
    return _ratio(*_decoding(CALL), rounds)


def decode_ints(rounds: int) -> float:
    return _ratio(*_decoding(INTS), rounds)


def decode_records(rounds: int) -> float:
    return _ratio(*_decoding(RECORDS), rounds)


def decode_a_stream(rounds: int) -> float:
    return _ratio(*_decoding(CALL, times=500, read=1_400), rounds)


def encode_a_call(rounds: int) -> float:
    return _ratio(*_encoding(CALL), rounds)


def encode_ints(rounds: int) -> float:
    return _ratio(*_encoding(INTS), rounds)


def encode_records(rounds: int) -> float:
    return _ratio(*_encoding(RECORDS), rounds)


def token_in_large_reads(rounds: int) -> float:
    """Cost per token of 2 kB reads by that of 2 MB reads; 1 is flat."""
    data = encode(CALL, PB) * (4_000_000 // 118)
    return median(
        seconds(lambda: decode_with_ours(data, 2_000), 1) / seconds(lambda: decode_with_ours(data, 2_000_000), 1)
        for _ in range(rounds)
    )
