"""The only module that knows APScheduler: wakes a schedule's entries when a slot is due.

APScheduler follows wall time. It sleeps on the monotonic clock until the next job, but then compares
wall times: an hour back, and nothing is due for an hour; an hour forth, and everything is. So here
it is told wall times that are made from steady ones, and told anew as soon as the two diverge.
What is due, missed or refused is not its business: it only wakes.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apscheduler.job import Job

    from exporter.scheduling.clock import SteadyClock
    from exporter.scheduling.slots import Slots

_WATCH_EVERY = 0.25
"""Seconds between two looks at the wall clock; well below the shortest grace of 1 s."""

_DIVERGED = 0.01
"""Seconds. Slewing moves both clocks alike, so that any divergence is a step."""


class Timer:
    """Calls back when slots are due.

    Args:
        clock: the steady clock that slots are kept in.
    """

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self._jobs: list[tuple[Job, Slots]] = []
        self._watch: asyncio.Task[None] | None = None
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": AsyncIOExecutor()},
            # A wake that comes late still wakes, and one is enough for all slots that are due.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self, wakes: Mapping[str, tuple[Slots, Callable[[], None]]]) -> None:
        """Begin to wake; must be called in the running event loop.

        Args:
            wakes: name -> the slots, and what to call when one of them is due.
        """
        self._scheduler.start(paused=True)
        for name, (slots, wake) in wakes.items():
            trigger = SlotTrigger(slots, self._clock)
            job = self._scheduler.add_job(_awaitable(wake), trigger, id=name, name=name)
            self._jobs.append((job, slots))
        self._scheduler.resume()
        self._watch = asyncio.get_running_loop().create_task(self._watch_wall_clock())

    def pause(self) -> None:
        """Wake nobody any more."""
        self._scheduler.pause()

    async def stop(self) -> None:
        """End; nothing is left behind in the event loop."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # APScheduler ends itself in a callback

    async def _watch_wall_clock(self) -> None:
        planned = self._clock.step()
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            step = self._clock.step()
            if abs(step - planned) > _DIVERGED:
                planned = step
                self._plan_anew()

    def _plan_anew(self) -> None:
        self._scheduler.pause()  # one wake-up for all changes, not one for each
        for job, slots in self._jobs:
            job.modify(next_run_time=_wall_time(slots.upcoming, self._clock))
        self._scheduler.resume()


class SlotTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 ships no types
    """Fires when a slot is due, in whatever wall time that is now."""

    __slots__ = ("_clock", "_slots")

    def __init__(self, slots: Slots, clock: SteadyClock) -> None:
        self._slots = slots
        self._clock = clock

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:  # noqa: ARG002  APScheduler's signature
        """Return the wall time of the next slot; always after now, or APScheduler would ask on and on."""
        slots = self._slots
        due = slots.upcoming if previous_fire_time is None else slots.after(self._clock())
        return _wall_time(due, self._clock)


def _wall_time(steady: float, clock: SteadyClock) -> datetime:
    return datetime.fromtimestamp(steady + clock.step(), UTC)


def _awaitable(wake: Callable[[], None]) -> Callable[[], object]:
    async def job() -> None:
        wake()

    return job
