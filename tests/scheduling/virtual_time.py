"""An event loop with time that passes only when it is idle, and a wall clock that can be set.

No test sleeps: the loop jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from exporter.scheduling import SteadyClock

EPOCH = 1_700_000_000.0
"""Wall time at the virtual loop's time 0; of today's size, since that is where floats get coarse."""


class _Jumping(selectors.SelectSelector):
    """Never waits: when no file is ready, the time waited for has passed."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is due any more: the test would wait forever")
            self._pass_time(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that begins at time 0."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self.stall))

    def time(self) -> float:
        return self._now

    def planned(self) -> list[asyncio.TimerHandle]:
        """Return the timers that have not fired yet."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # asyncio's own
        return [timer for timer in timers if not timer.cancelled()]

    def stall(self, seconds: float) -> None:
        """Let time pass without doing anything, as if something had blocked the loop."""
        self._now += max(0.0, seconds)


class VirtualTime:
    """One time for the loop, the steady clock and the wall clock.

    Attributes:
        loop: the loop to run in.
        step: by how much the wall clock has been set, in seconds.
        failures: what the loop's exception handler was given.
    """

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.step = 0.0
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))

    def __call__(self) -> float:
        """Return the seconds since the beginning."""
        return self.loop.time()

    def wall(self) -> float:
        """Return what the wall clock shows."""
        return EPOCH + self.loop.time() + self.step

    def set_wall(self, step: float) -> None:
        """Set the wall clock `step` seconds away from where it would be."""
        self.step = step

    def clock(self) -> SteadyClock:
        """Return a steady clock that starts now."""
        return SteadyClock(monotonic=self.loop.time, wall=self.wall)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run `main` to its end; nothing may be left running or planned, nor have failed unseen."""
        self.loop.run_until_complete(main)
        assert not self.loop.planned()
        assert not asyncio.all_tasks(self.loop)
        assert not self.failures


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """Yield a virtual time."""
    time = VirtualTime()
    try:
        yield time
    finally:
        time.loop.close()
