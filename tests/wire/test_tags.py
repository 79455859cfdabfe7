"""Jelly's tags: how much stands behind each, and where values are."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.wire.tags import TAGS, Values, shape_of


def test_the_table_has_every_tag_that_jelly_has() -> None:
    tags = """
        None boolean unicode decimal datetime date time timedelta list tuple set frozenset
        dictionary reference dereference class module function method instance unpersistable
        persistent remote local cached lcache
    """
    assert {tag.decode() for tag in TAGS} == set(tags.split())


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_has_room_for_what_it_needs(tag: bytes) -> None:
    shape = TAGS[tag]

    assert shape.most is None or shape.fewest <= shape.most
    assert shape.means
    assert shape_of([tag, 1, 2, 3]) is shape


@pytest.mark.parametrize(
    ("expression", "values", "means"),
    [
        ([b"mod.Class", [b"dictionary"]], Values.LAST, "a Copyable"),
        ([b"mod.Class", 5], Values.LAST, "a Copyable"),
        ([b"mod.Class", 5, [b"dictionary"]], Values.LAST, "a Cacheable"),
        ([b"mod.Class", b"luid", [b"dictionary"]], Values.LAST, "a Cacheable"),
        ([b"mod.Class", [b"no luid"], [b"dictionary"]], Values.NONE, "an object that writes itself"),
        ([b"mod.Class", 2**70, [b"dictionary"]], Values.NONE, "an object that writes itself"),
        ([b"mod.Class"], Values.NONE, "an object that writes itself"),
        ([b"mod.Class", 1, 2, 3], Values.NONE, "an object that writes itself"),
        ([5, [b"remote", 1]], Values.NONE, "an object that writes itself"),
        ([[b"list"], 1], Values.NONE, "an object that writes itself"),
    ],
)
def test_what_has_another_tag_is_known_by_its_length(expression: list[Any], values: Values, means: str) -> None:
    shape = shape_of(expression)

    assert shape.values is values
    assert shape.means.startswith(means)
