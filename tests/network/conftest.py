"""A wire for each test, where this machine can have one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.name_server import unable
from network.namespaces import missing
from network.wire import Wire
from network.wire import wire as make_wire

REASON = missing()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A network that the test controls."""
    if REASON is not None:
        unable(REASON)
    with make_wire() as made:
        yield made
