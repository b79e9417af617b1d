"""The clock that schedules run by: wall time as it was at the start, carried on by the monotonic clock.

An operator, or a virtual machine that wakes up, may set the wall clock an hour either way. Neither
makes a probe due, nor stops one. Slots are kept in this clock; only the timer below, which knows
nothing but wall time, is told of the difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """Seconds since the epoch that never jump.

    Args:
        monotonic: seconds that never jump, of an unknown beginning.
        wall: seconds since the epoch, which may.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._origin = wall() - monotonic()

    def __call__(self) -> float:
        """Return the steady time."""
        return self._origin + self._monotonic()

    def step(self) -> float:
        """Return by how much the wall clock has been set since the start, in seconds."""
        return self._wall() - self()
