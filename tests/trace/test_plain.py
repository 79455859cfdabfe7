"""What plain makes of jelly: Python's own data, and nothing of what a peer would like to be made."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.trace.plain import Reference, plain
from pbshell.trace.redact import SECRET
from pbshell.wire.chunk import Side


@pytest.mark.parametrize(
    ("jelly", "data"),
    [
        (7, 7),
        (1.5, 1.5),
        (b"bytes", b"bytes"),
        ([b"unicode", b"caf\xc3\xa9"], "café"),
        ([b"unicode", b"\xff"], "\\xff"),
        ([b"None"], None),
        ([b"boolean", b"true"], True),
        ([b"boolean", b"false"], False),
        ([b"tuple", 1, [b"list", 2]], (1, [2])),
        ([b"dictionary", [[b"unicode", b"rc"], 0], [1, [b"tuple"]]], {"rc": 0, 1: ()}),
        ([b"remote", 5], Reference(Side.CLIENT, 5)),
        ([b"local", 5], Reference(Side.SERVER, 5)),
        ([b"list", [b"reference", 1, [b"list", 3]], [b"dereference", 1]], [[3], [3]]),
        ([b"dereference", 9], None),
    ],
)
def test_values_of_pythons_own_types_are_what_they_were(jelly: Any, data: Any) -> None:
    assert plain(jelly, Side.CLIENT) == data


@pytest.mark.parametrize(
    "jelly",
    [
        [],
        [1, 2],
        SECRET,
        [b"unicode"],
        [b"unicode", 5],
        [b"remote"],
        [b"remote", [1]],
        [b"dereference", b"x"],
        [b"app.Status", [b"dictionary"]],
        [b"instance", b"os.system", [b"dictionary"]],
        [b"class", b"os.system"],
    ],
)
def test_everything_else_is_none(jelly: Any) -> None:
    assert plain(jelly, Side.CLIENT) is None


def test_pairs_that_no_dict_can_have_are_left_out() -> None:
    jelly = [b"dictionary", [[b"list"], 1], [[b"tuple", [b"list"]], 2], b"no pair", [3], [4, 5]]

    assert plain(jelly, Side.CLIENT) == {4: 5}


def test_what_is_too_deep_is_left_out() -> None:
    jelly: Any = 1
    for _ in range(200):
        jelly = [b"list", jelly]

    data, depth = plain(jelly, Side.CLIENT), 0
    while data:
        (data,), depth = data, depth + 1
    assert depth == 50
