"""The event loop: measure how late it runs, and let long work yield to it.

A stall of the loop delays what the exporter measures, so stalls are measured and reported.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from exporter.internal_errors import InternalErrors, Part

SAMPLE_INTERVAL = 0.01  # seconds between two samples of the lag
MIN_STALL = 0.05  # Seconds. Durations measured while the loop was held for longer are unreliable.

_MAX_STALLS = 256

_MAX_HOLD = 0.005
_MAX_HOLD_BUSY = 0.02
"""Seconds after which long work yields to the loop; more on a busy loop, where each iteration is slow."""

_BUSY_AFTER = 1.0  # seconds since the work began after which the loop counts as busy


class LoopWatch:
    """Samples the lag of the event loop by its clock, and remembers when it stalled.

    `report` receives each sample, in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        report: Callable[[float], None],
        errors: InternalErrors | None = None,
    ) -> None:
        self._errors = errors or InternalErrors()
        self._clock = clock
        self._report = report
        self._sampled_at = clock()
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_MAX_STALLS)

    async def run(self) -> None:
        """Sample until cancelled."""
        self._sampled_at = self._clock()
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL)
            now = self._clock()
            lag = self._lag(now)
            if lag > MIN_STALL:
                self._stalls.append((self._sampled_at, now))
            self._sampled_at = now
            # Without samples, every timeout would look like a stall of the exporter.
            with self._errors.catching(Part.OBSERVER, "loop watch failed"):
                self._report(max(0.0, lag))

    def stalls(self, since: float) -> list[tuple[float, float]]:
        """Return start and end of each stall of more than 50 ms after `since`."""
        now = self._clock()
        # The caller may have been woken before the next sample, which will see the same stall.
        current = [(self._sampled_at, now)] if self._lag(now) > MIN_STALL else []
        clipped = ((max(start, since), end) for start, end in (*self._stalls, *current))
        return [(start, end) for start, end in clipped if end - start > MIN_STALL]

    def _lag(self, now: float) -> float:
        return now - self._sampled_at - SAMPLE_INTERVAL


class Yielder:
    """Lets a long piece of work yield to the event loop whenever it has held it long enough."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = self._resumed = clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock() - self._started

    async def yield_if_due(self) -> None:
        """Let other tasks run, if it is time."""
        now = self._clock()
        max_hold = _MAX_HOLD_BUSY if now - self._started > _BUSY_AFTER else _MAX_HOLD
        if now - self._resumed > max_hold:
            await asyncio.sleep(0)
            self._resumed = self._clock()
