"""Random values through our encoders and Twisted's: the same bytes, and the same values back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbshell.broker.jelly import jelly
from pbshell.broker.unjelly import unjelly
from pbshell.wire.banana import DIALECTS, Decoder, encode
from tests.conformance.peers.processes import Codec
from tests.conformance.values import shape
from tests.strategies import expressions, graphs, values

DIALECT_NAMES = st.sampled_from(["pb", "none"])


def ours_from_bytes(dialect: str, data: bytes) -> list[Any]:
    decoder = Decoder(DIALECTS[dialect.encode()])
    decoder.feed(data)
    return list(decoder)


def ours_to_bytes(dialect: str, value: Any) -> bytes:
    return encode(jelly(value), DIALECTS[dialect.encode()])


@settings(max_examples=300)
@given(dialect=DIALECT_NAMES, tree=expressions())
def test_an_s_expression_is_the_same_bytes(codec: Codec, dialect: str, tree: Any) -> None:
    data = encode(tree, DIALECTS[dialect.encode()])
    assert data == codec.ask("banana", dialect, tree)
    assert shape(ours_from_bytes(dialect, data)) == shape(codec.ask("unbanana", dialect, data))


@settings(max_examples=300)
@given(dialect=DIALECT_NAMES, data=st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused_alike(codec: Codec, dialect: str, data: bytes) -> None:
    try:
        theirs = codec.ask("unbanana", dialect, data)
    except ValueError:
        theirs = None
    try:
        ours = ours_from_bytes(dialect, data)
    except Exception:
        ours = None
    assert shape(ours) == shape(theirs)


@settings(max_examples=400)
@given(dialect=DIALECT_NAMES, value=values())
def test_a_value_is_the_same_bytes_and_comes_back(codec: Codec, dialect: str, value: Any) -> None:
    data = ours_to_bytes(dialect, value)
    assert data == codec.ask("jelly", dialect, value)
    (back,) = ours_from_bytes(dialect, data)
    assert shape(unjelly(back)) == shape(value)
    assert shape(codec.ask("unjelly", dialect, data)) == shape([value])


@settings(max_examples=300)
@given(dialect=DIALECT_NAMES, graph=graphs())
def test_what_is_shared_or_circular_is_the_same_bytes_and_comes_back(codec: Codec, dialect: str, graph: Any) -> None:
    data = ours_to_bytes(dialect, graph)
    assert data == codec.ask("jelly", dialect, graph)
    (back,) = ours_from_bytes(dialect, data)
    assert shape(unjelly(back)) == shape(graph)


@settings(max_examples=100)
@given(value=st.sets(st.one_of(st.integers(), st.text(max_size=5), st.binary(max_size=5)), min_size=2, max_size=6))
def test_larger_sets_are_the_same_but_for_the_order(codec: Codec, value: set[Any]) -> None:
    theirs = codec.ask("jelly", "pb", value)
    (back,) = ours_from_bytes("pb", theirs)
    assert unjelly(back) == value
    assert codec.ask("unjelly", "pb", ours_to_bytes("pb", value)) == [value]
    assert len(theirs) == len(ours_to_bytes("pb", value))


LARGEST = {
    "bytes": b"x" * 655_360,
    "text": "x" * 655_360,
    "list": [0] * 655_359,
    "dict": {index: index for index in range(20_000)},
}


@pytest.mark.parametrize("kind", LARGEST)
def test_the_largest_that_twisted_sends_is_the_same_bytes(codec: Codec, kind: str) -> None:
    value = LARGEST[kind]
    data = ours_to_bytes("pb", value)
    assert data == codec.ask("jelly", "pb", value)
    assert unjelly(ours_from_bytes("pb", data)[0]) == value
