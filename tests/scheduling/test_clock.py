"""The clock that schedules run by."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.scheduling import SteadyClock

EPOCH = 1_700_000_000.0


@dataclass(slots=True)
class Clocks:
    """Both clocks of a machine, by hand."""

    monotonic: float = 1234.5
    wall: float = EPOCH


def test_it_begins_at_wall_time() -> None:
    clock = SteadyClock(monotonic=lambda: 1234.5, wall=lambda: EPOCH)
    assert clock() == EPOCH
    assert clock.wall_shift() == 0.0


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e5, 1e5)), max_size=20))
def test_it_passes_with_the_monotonic_clock_however_the_wall_is_set(moves: list[tuple[float, float]]) -> None:
    clocks = Clocks()
    clock = SteadyClock(monotonic=lambda: clocks.monotonic, wall=lambda: clocks.wall)
    passed = stepped = 0.0
    for seconds, step in moves:
        clocks.monotonic += seconds
        clocks.wall += seconds + step
        passed += seconds
        stepped += step
        assert clock() == pytest.approx(EPOCH + passed, abs=1e-4)
        assert clock.wall_shift() == pytest.approx(stepped, abs=1e-3)


def test_without_clocks_given_it_follows_the_machine() -> None:
    clock = SteadyClock()
    before = time.time()
    assert clock() == pytest.approx(before, abs=60.0)
    assert clock.wall_shift() == pytest.approx(0.0, abs=60.0)
