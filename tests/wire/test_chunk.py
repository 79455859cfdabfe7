"""What a capture is made of."""

from __future__ import annotations

import dataclasses

import pytest

from pbshell.wire.chunk import Chunk, LinkEvent, Side


@pytest.mark.parametrize("side", Side)
def test_the_other_side_of_the_other_side_is_this_side(side: Side) -> None:
    assert side.other is not side
    assert side.other.other is side


def test_chunks_and_link_events_are_values() -> None:
    chunk = Chunk(1.5, 1, Side.CLIENT, b"\x01\x81")
    event = LinkEvent(2.0, 1, "closed")

    assert chunk == Chunk(1.5, 1, Side.CLIENT, b"\x01\x81")
    assert event == LinkEvent(2.0, 1, "closed", None, "")
    for value in (chunk, event):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.at = 0.0  # type: ignore[misc]
