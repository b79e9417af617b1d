"""A chore: something done again and again beside the probes, on the same machinery, counted nowhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from exporter.scheduling.slots import Slots

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """What to do, and how often.

    Args:
        name: unlike any other chore's.
        interval: seconds.
        do: does it once; must end by itself before long.
    """

    name: str
    interval: float
    do: Callable[[], Awaitable[None]]


class ChoreRunner:
    """Does a chore when it is due, one at a time.

    Args:
        chore: what to do.
        slots: when.
        clock: what slots are kept in.
    """

    def __init__(self, chore: PeriodicJob, slots: Slots, clock: Callable[[], float]) -> None:
        self.slots = slots
        self._chore = chore
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def tick(self) -> None:
        """Do it if it is due and the last time is over."""
        if self.slots.take(self._clock()).slots and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._chore.do()
        except Exception:  # noqa: BLE001  a bug of ours must not end the daemon
            _log.exception("chore failed by our own fault", extra={"chore": self._chore.name})
