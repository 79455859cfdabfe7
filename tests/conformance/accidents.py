"""What differs from one run to the next in what a peer sends, taken away. Knows failures as they are written."""

from __future__ import annotations

from typing import Any

FAILURE = b"twisted.spread.pb.CopyableFailure"

#: What stands in the place of what is never the same twice.
ACCIDENTS: dict[str, Any] = {"count": b"count", "traceback": [b"unicode", b"..."]}
#: Twisted sends these two when a failure passed through a Deferred: a mark, and the file names of its frames. We tell
#: no peer our file names, so we send neither.
LEFT_OUT = ("pickled", "_frames")


def essence(expression: Any) -> Any:
    """*expression* with the accidents of its failures removed: the count, the frames, the text of a traceback."""
    if not isinstance(expression, list):
        return expression
    if len(expression) == 2 and expression[0] == FAILURE:
        pairs = []
        for (_, key), value in expression[1][1:]:
            name = key.decode()
            if name not in LEFT_OUT:
                pairs.append([[b"unicode", key], ACCIDENTS.get(name) or essence(value)])
        return [FAILURE, [b"dictionary", *pairs]]
    return [essence(item) for item in expression]


def failure_fields(payload: Any) -> dict[str, Any]:
    """The state of a failure, as Python values: texts as str, the type as bytes, lists of texts as lists."""
    assert payload[0] == FAILURE

    def plain(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if value[0] == b"unicode":
            return value[1].decode()
        if value[0] == b"boolean":
            return value[1] == b"true"
        if value[0] == b"list":
            return [plain(item) for item in value[1:]]
        return None

    return {key.decode(): plain(value) for (_, key), value in payload[1][1:]}
