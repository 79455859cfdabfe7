"""Every figure that the project is measured by, with its goal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks import capture, codec, echo, prompt, relay, start


@dataclass(frozen=True, slots=True)
class Figure:
    """*measure* takes how many interleaved rounds to run, and gives the median, in *unit*.

    The figure is good from *goal* upwards, or, where it is a time, up to *goal*. All but ratios are printed and never
    asserted: they are about the machine as well.
    """

    name: str
    goal: float
    measure: Callable[[int], float]
    unit: str = "x"

    @property
    def absolute(self) -> bool:
        return self.unit != "x"

    def good(self, value: float) -> bool:
        return value <= self.goal if self.unit == " ms" else value >= self.goal

    def spoken(self, value: float) -> str:
        return f"{value:,.0f}{self.unit}" if self.absolute else f"{value:.2f}x"


FIGURES = [
    Figure("decode a call of 118 bytes, by Twisted's", 5, codec.decode_a_call),
    Figure("decode 10,000 ints, by Twisted's", 8, codec.decode_ints),
    Figure("decode 1,000 records, by Twisted's", 9, codec.decode_records),
    Figure("decode calls in reads of 1,400 bytes, by Twisted's", 5, codec.decode_a_stream),
    Figure("a token in reads of 2 MB, by one in reads of 2 kB", 0.9, codec.token_in_large_reads),
    Figure("encode a call of 118 bytes, by Twisted's", 2, codec.encode_a_call),
    Figure("encode 10,000 ints, by Twisted's", 1.3, codec.encode_ints),
    Figure("encode 1,000 records, by Twisted's", 1.3, codec.encode_records),
    Figure("echo calls, 100 in flight, by Twisted's pair", 3, echo.echo_100_in_flight),
    Figure("echo calls, 1,000 in flight, by Twisted's pair", 3, echo.echo_1000_in_flight),
    Figure("echo calls one by one, by Twisted's pair", 1, echo.echo_one_by_one),
    Figure("calls of an async method, by calls of a plain one", 0.5, echo.an_async_method),
    Figure("calls through a traced relay, by a dumb one's", 0.95, relay.traced_one_by_one),
    Figure("100 in flight through a traced relay, by a dumb one's", 0.95, relay.traced_100_in_flight),
    Figure("read and pair a capture, by Twisted's bare decoder", 3.3, capture.read_and_paired),
    Figure("200 MB, by the memory for a capture of 46 MB", 1, capture.memory),
    Figure("pbshell --help, the whole process", 40, start.help_in_milliseconds, " ms"),
    Figure("until the prompt is there, the whole process", 500, prompt.until_the_prompt_in_milliseconds, " ms"),
    Figure("lines of a trace above a live prompt", 10_000, prompt.lines_above_in_a_second, "/s"),
    Figure(":refs with 1,000 references", 50, prompt.references_in_milliseconds, " ms"),
]
