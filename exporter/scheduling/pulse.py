"""Whether a schedule is alive: a due slot was started, or rightly skipped, not too long ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_INTERVALS = 3
_SECONDS = 30.0


class Pulse:
    """Remembers the last sign of life.

    Args:
        clock: steady seconds.
        intervals: of the targets.
    """

    def __init__(self, clock: Callable[[], float], intervals: Iterable[float]) -> None:
        self._clock = clock
        self._at = clock()
        self._within: float | None = None
        self.expect(intervals)

    def beat(self) -> None:
        """Note a sign of life."""
        self._at = self._clock()

    def expect(self, intervals: Iterable[float]) -> None:
        """Expect signs of targets with these intervals from now on; of none, if there are none."""
        before, shortest = self._within, min(intervals, default=None)
        self._within = None if shortest is None else max(_SECONDS, _INTERVALS * shortest)
        if before is None or (self._within is not None and self._within < before):
            self.beat()  # by what was expected so far, nothing was late

    @property
    def healthy(self) -> bool:
        """Whether the last sign is recent enough; where nothing is due, nothing is late."""
        return self._within is None or self._clock() - self._at <= self._within
