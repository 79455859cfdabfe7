"""Random values for property tests. Knows what PB can carry; knows nothing of the code under test."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

__all__ = ["expressions", "graphs", "integers", "names", "values"]

#: The 31 words of dialect pb, some near misses, and words that mean something further up.
_WORDS = [
    b"None class dereference reference dictionary function instance list module persistent tuple unpersistable".split(),
    b"copy cache cached remote local lcache version login password challenge logged_in not_logged_in".split(),
    b"cachemessage message answer error decref decache uncache none NONE lists unicode boolean root pb".split(),
]
_EDGES = [0, 1, 127, 128, 2**14, 2**21, 2**31 - 1, 2**31, 2**31 + 1, 2**63, 2**64, 2**447, 2**448 - 1]


def integers() -> st.SearchStrategy[int]:
    """Integers that banana can carry, its edges more often than chance would."""
    edges = st.sampled_from([sign * (edge + near) for edge in _EDGES for near in (-1, 0) for sign in (1, -1)])
    return st.one_of(edges, st.integers(), st.integers(-(2**448) + 1, 2**448 - 1))


def strings() -> st.SearchStrategy[bytes]:
    """Byte strings, the words of the dialect more often than chance would."""
    return st.one_of(st.sampled_from([word for words in _WORDS for word in words]), st.binary(max_size=200))


def texts() -> st.SearchStrategy[str]:
    """Text that UTF-8 can carry, words of the dialect among it."""
    words = st.sampled_from([word.decode() for words in _WORDS for word in words])
    return st.one_of(words, st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


def expressions() -> st.SearchStrategy[Any]:
    """S-expressions: int, float, bytes and lists of them. Nan is left out, because it equals nothing."""
    leaves = st.one_of(integers(), st.floats(allow_nan=False), strings())
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=6), max_leaves=25)


def names() -> st.SearchStrategy[str]:
    """Names that a keyword or an attribute can have."""
    return st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


def decimals() -> st.SearchStrategy[Decimal]:
    """Decimals that jelly can carry: finite, and no negative zero, whose sign is lost."""
    finite = st.decimals(allow_nan=False, allow_infinity=False)
    return finite.filter(lambda number: number != 0 or not number.is_signed())


def _hashable() -> st.SearchStrategy[Any]:
    """Values that can be a key of a dict or a member of a set."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        integers(),
        st.floats(allow_nan=False),
        strings(),
        texts(),
        st.datetimes(),
        st.dates(),
        st.times(),
        st.timedeltas(),
        decimals(),
    )
    containers = st.recursive(
        leaves, lambda inner: st.one_of(st.tuples(inner), st.tuples(inner, inner), single(inner)), max_leaves=4
    )
    return containers.filter(_hashes)


def _hashes(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def single(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[frozenset[Any]]:
    """Frozensets of one member at most: with more, the order on the wire is chance."""
    return st.frozensets(inner, max_size=1)


def values() -> st.SearchStrategy[Any]:
    """Trees of everything that PB carries without a class of one's own: nothing shared, nothing circular.

    Sets have one member at most: with more, the order on the wire is chance.
    """
    return st.recursive(
        _hashable(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=5),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(_hashable(), inner, max_size=4),
            st.sets(_hashable(), max_size=1),
        ),
        max_leaves=25,
    )


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Lists, dicts and tuples that share parts and run in circles. Nothing that depends on itself is a key."""
    kinds: list[Any] = draw(st.lists(st.sampled_from([list, dict]), min_size=1, max_size=6))
    containers = [kind() for kind in kinds]
    parts: list[Any] = [*containers, 1, "text", b"list", None, datetime.date(2000, 1, 1)]
    for _ in range(draw(st.integers(0, 3))):
        picked = draw(st.lists(st.integers(0, len(parts) - 1), max_size=3))
        parts.append(tuple(parts[index] for index in picked))
    chosen = st.integers(0, len(parts) - 1)
    for container in containers:
        inside = [parts[index] for index in draw(st.lists(chosen, max_size=4))]
        if isinstance(container, list):
            container.extend(inside)
        else:
            container.update(enumerate(inside))
    return parts[draw(chosen)] if draw(st.booleans()) else [parts[draw(chosen)], containers]
