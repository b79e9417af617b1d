"""How late our own event loop is: the one lie that every latency of ours could tell."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

BEAT = 0.01
"""Seconds between two samples."""

STILL = 0.05
"""Seconds. A loop held for longer stood still: what it measured meanwhile cannot be believed."""

_REMEMBERED = 256


class LoopWatch:
    """Samples how late the loop wakes us, and remembers when it stood still.

    Args:
        clock: monotonic seconds, the event loop's clock.
        report: is told of each sample, in seconds.
    """

    def __init__(self, clock: Callable[[], float], report: Callable[[float], None]) -> None:
        self._clock = clock
        self._report = report
        self._beat = clock()
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    async def run(self) -> None:
        """Sample until cancelled."""
        self._beat = self._clock()
        while True:
            await asyncio.sleep(BEAT)
            now = self._clock()
            late = self._late(now)
            if late > STILL:
                self._stalls.append((self._beat, now))
            self._beat = now
            self._report(max(0.0, late))

    def stalls(self, since: float) -> list[tuple[float, float]]:
        """Return begin and end of each time that the loop stood still for more than 50 ms after `since`."""
        now = self._clock()
        # Whoever asks may have been woken before we were; to be told what it will be told a turn later.
        under_way = [(self._beat, now)] if self._late(now) > STILL else []
        clipped = ((max(begun, since), ended) for begun, ended in (*self._stalls, *under_way))
        return [(begun, ended) for begun, ended in clipped if ended - begun > STILL]

    def _late(self, now: float) -> float:
        return now - self._beat - BEAT
