"""The one line below the prompt: where we are, what is going on, which keys there are. Knows words and a width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pbshell.wire.text import visible
from pbshell.workbench.keys import written
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.workbench import Workbench

__all__ = ["NARROW", "toolbar"]

#: columns below which there is no such line
NARROW = 60
#: the keys that are told, with their short names, the most useful first
_TOLD = (("help", "help"), ("refs", "refs"), ("trace", "trace"), ("next", "next"), ("top", "top"))


def toolbar(bench: Workbench, keys: Mapping[str, tuple[str, ...]], width: int) -> str:
    """The line for a screen of *width* columns; what does not fit is left out, keys first."""
    line = ""
    for part in _parts(bench, keys):
        longer = f"{line}   {part}" if line else f" {part}"
        if len(longer) >= width:
            break
        line = longer
    return line


def _parts(bench: Workbench, keys: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    opened = bench.connections.get(bench.current)
    yield "not connected" if opened is None else visible(opened.target, 40)
    if len(bench.connections) > 1:
        yield f"{len(bench.connections)} connections"
    if bench.tracer.on:
        yield f"trace paused, {bench.tracer.waiting:,} kept back" if bench.tracer.paused else "trace on"
    jobs = sum(not job.done for job in bench.part(Statements).jobs.values())
    if jobs:
        yield f"{jobs} in the background"
    for name, told in _TOLD:
        if keys[name] and (name != "next" or len(bench.connections) > 1):
            yield f"{written(keys[name])} {told}"
