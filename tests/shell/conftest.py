"""A Twisted server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pond.running import Pond, running_pond


@pytest.fixture(scope="package")
def pond() -> Iterator[Pond]:
    with running_pond() as pond:
        yield pond
