"""The Twisted programs that a module's tests share. Each is ended with the module that needed it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.peers.processes import Codec, Peer


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    """Twisted's jelly and banana."""
    with Codec() as program:
        yield program


@pytest.fixture(scope="module")
def twisted() -> Iterator[Peer]:
    """A Twisted reactor, for its servers and its clients."""
    with Peer() as program:
        yield program
