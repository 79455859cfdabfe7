"""A capture that is read and paired, against Twisted's bare decoder on the same bytes, in one interleaved run.

Run as a program it is a process of its own, whose memory is measured: ``capture.py write FILE`` makes the capture,
``capture.py read FILE`` reads it and prints how many messages it has and the most memory that this took (MB).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from pbshell.trace.capture import CaptureWriter, read_capture
from pbshell.trace.dissector import Dissector
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, Side

#: messages of the whole capture, about 46 MB of them; a call and its answer are two
MESSAGES = 187_000
#: bytes of one read
READ = 65_536
#: what the repeated rounds take of the whole, so that they do not take minutes
PART = 10
#: megabytes that reading the whole may take
MOST = 200.0

_TEXT = b"a line of a log, as a builder writes it: module %06d of many"


def _record(number: int) -> list[object]:
    pairs = ((b"name", b"step %06d" % number), (b"state", b"running"), (b"text", _TEXT % number))
    return [b"dictionary", *([[b"unicode", key], [b"unicode", value]] for key, value in pairs), [b"n", number]]


def _call(number: int) -> bytes:
    args = [b"tuple", [b"unicode", _TEXT % number], _record(number)]
    return encode([b"message", number, 5, b"stepChanged", 1, args, [b"dictionary"]], PB)


def _answer(number: int) -> bytes:
    return encode([b"answer", number, _record(number)], PB)


def chunks(messages: int) -> Iterator[Chunk]:
    """A conversation of so many messages in reads of 64 KiB: calls with a string and a record, and their answers.

    Between two reads of the client's calls comes what answers them.
    """
    yield Chunk(0.0, 1, Side.SERVER, encode([b"pb", b"none"], PB))
    yield Chunk(0.0, 1, Side.CLIENT, encode(b"pb", PB))
    waiting = {Side.CLIENT: bytearray(), Side.SERVER: bytearray()}
    for number in range(1, messages // 2 + 1):
        waiting[Side.CLIENT] += _call(number)
        waiting[Side.SERVER] += _answer(number)
        if len(waiting[Side.CLIENT]) >= READ or number == messages // 2:
            for side, data in waiting.items():
                for start in range(0, len(data), READ):
                    yield Chunk(number / 1000, 1, side, bytes(data[start : start + READ]))
                data.clear()


def read_with_ours(pieces: list[Chunk]) -> int:
    """How many answers are paired with their calls."""
    dissector = Dissector()
    return sum(found.call is not None for piece in pieces for found in dissector.feed(piece))


def read_with_twisted(streams: list[list[bytes]]) -> int:
    """How many expressions the two *streams* have: no more is done with them."""
    from tests.benchmarks.codec import banana

    count = 0

    def received(expression: object) -> None:
        nonlocal count
        count += 1

    for stream in streams:
        peer = banana()
        peer.expressionReceived = received
        for data in stream:
            peer.dataReceived(data)
    return count


def read_and_paired(rounds: int) -> float:
    """How many times as long Twisted takes to decode it: the median over interleaved rounds."""
    from tests.benchmarks.codec import seconds

    messages = MESSAGES // PART
    pieces = list(chunks(messages))
    # Twisted's peer has its handshake behind it.
    streams = [[piece.data for piece in pieces[2:] if piece.sender is side] for side in Side]
    assert read_with_ours(pieces) == messages // 2
    assert read_with_twisted(streams) == messages // 2 * 2
    return median(
        seconds(lambda: read_with_twisted(streams), 1) / seconds(lambda: read_with_ours(pieces), 1)
        for _ in range(rounds)
    )


def memory(rounds: int) -> float:
    """How often the memory that reading the whole takes goes into what it may take."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "it.pbt")
        _run("write", path)
        messages, megabytes = _run("read", path).split()
        assert int(messages) >= MESSAGES // 2 * 2
        return MOST / float(megabytes)


def _run(what: str, path: str) -> str:
    done = subprocess.run([sys.executable, __file__, what, path], check=True, capture_output=True, text=True)
    return done.stdout


# ---------------------------------------------------------------------------------------- in a process of its own


def _write(path: str) -> None:
    from datetime import UTC, datetime

    # Nothing is covered, as nothing is read here that is to be measured.
    with CaptureWriter(path, began=datetime.now(UTC), clock=0.0, redaction="off") as writer:
        for piece in chunks(MESSAGES):
            writer.write(piece)


def _read(path: str) -> None:
    dissector = Dissector()
    count = 0
    with open(path, "rb") as file:  # noqa: PTH123 (as it is opened elsewhere)
        for piece in read_capture(file):
            for _ in dissector.walk(piece):
                count += 1
    # Of Linux not less than what the process had that started this one.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(count, most / (1_000_000 if sys.platform == "darwin" else 1_000))


if __name__ == "__main__":
    {"write": _write, "read": _read}[sys.argv[1]](sys.argv[2])
