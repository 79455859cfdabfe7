"""The keys as data: what they are called, and what may be made of them."""

from __future__ import annotations

import pytest

from pbshell.errors import UsageError
from pbshell.workbench.keys import KEYS, placed, written


def test_each_key_has_a_place_of_its_own() -> None:
    places = list(placed({}).values())

    assert len(set(places)) == len(places) == len(KEYS)
    assert all(key.help and (not key.command or key.command.startswith(":")) for key in KEYS.values())


def test_a_key_can_lie_elsewhere() -> None:
    changed = placed({"refs": "F9", "next": "c-x c-n", "top": "none", "again": "alt-enter", "newline": ""})

    assert changed["refs"] == ("f9",)
    assert changed["next"] == ("c-x", "c-n")
    assert changed["top"] == changed["newline"] == ()
    assert changed["trace"] == ("f7",)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reffs": "f9"}, "no key is called 'reffs'"),
        ({"refs": "a"}, "there is no key 'a': write f1"),
        ({"refs": "f25"}, "there is no key 'f25'"),
        ({"refs": "ctrl-x"}, "there is no key 'ctrl-x'"),
        ({"refs": "\x1b]0;"}, r"there is no key '\\x1b]0;'"),
        ({"refs": "c-m"}, "c-m is Enter to a terminal"),
        ({"refs": "f7"}, "f7 cannot be refs and trace"),
    ],
)
def test_a_key_that_cannot_be_is_refused(changed: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        placed(changed)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("f10",), "F10"),
        (("c-x", "c-e"), "Ctrl-X Ctrl-E"),
        (("alt-a",), "Alt-a"),
        (("alt-enter",), "Alt-Enter"),
        (("s-tab",), "Shift-Tab"),
        (("insert",), "Insert"),
        ((), "none"),
    ],
)
def test_a_key_is_written_as_one_reads_it(parts: tuple[str, ...], text: str) -> None:
    assert written(parts) == text
