"""The only module that knows APScheduler: wakes a schedule's entries when a slot is due.

APScheduler follows wall time. It sleeps on the monotonic clock until the next job, but then compares
wall times: an hour back, and nothing is due for an hour; an hour forth, and everything is. So here
it is told wall times that are made from steady ones, and told anew as soon as the two diverge.
What is due, missed or refused is not its business: it only wakes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.slots import Slots

if TYPE_CHECKING:
    from apscheduler.job import Job


Wake = tuple[Slots, Callable[[], None]]

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
        self._plan = WallPlan(clock)
        self._numbers = count()
        self._jobs: dict[str, tuple[Job, Slots]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": AsyncIOExecutor()},
            # A wake that comes late still wakes, and one is enough for all slots that are due.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self, wakes: Mapping[str, Wake]) -> None:
        """Begin to wake; must be called in the running event loop.

        Args:
            wakes: name -> the slots, and what to call when one of them is due.
        """
        self._scheduler.start(paused=True)
        self.add(wakes)
        self._watch = asyncio.get_running_loop().create_task(self._watch_wall_clock())

    def add(self, wakes: Mapping[str, Wake]) -> None:
        """Wake others too; not once it is paused."""
        self._scheduler.pause()  # one wake-up for all of them, not one for each
        for name, (slots, wake) in wakes.items():
            trigger = SlotTrigger(slots, self._clock, self._plan)
            # Of two jobs with one id the second is not run while a wake of the first, removed or not, is
            # under way; hence the number. Of those due at the same time ids are the order.
            identity = f"{name} {next(self._numbers)}"
            job = self._scheduler.add_job(_awaitable(wake), trigger, id=identity, name=name)
            self._jobs[name] = (job, slots)
        self._scheduler.resume()

    def remove(self, name: str) -> None:
        """Wake one no more; a wake that is under way may still reach it."""
        job, _ = self._jobs.pop(name)
        job.remove()

    def pause(self) -> None:
        """Wake nobody any more. Harmless before the start and after the end."""
        if self._watch is not None:
            self._watch.cancel()  # it would resume
            self._scheduler.pause()

    async def stop(self) -> None:
        """End; nothing is left behind in the event loop. Harmless before the start and after the end."""
        self.pause()
        watch, self._watch = self._watch, None
        if watch is not None:
            await asyncio.wait([watch])
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # APScheduler ends itself in a callback

    async def _watch_wall_clock(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            if self._plan.is_stale():
                self._plan_anew()
            else:
                # It may have read a wall clock that was set and put right since, and sleep for an hour.
                self._scheduler.wakeup()

    def _plan_anew(self) -> None:
        self._plan.forget()
        self._scheduler.pause()  # one wake-up for all changes, not one for each
        for job, slots in self._jobs.values():
            job.modify(next_run_time=self._plan.wall_time(slots.upcoming))
        self._scheduler.resume()


class WallPlan:
    """Turns steady times into wall times, and knows whether those are still right.

    Args:
        clock: knows by how much the wall clock has been set.
    """

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew; no wall time handed out so far is in use."""
        self._least, self._most = math.inf, -math.inf

    def wall_time(self, steady: float) -> datetime:
        """Return what the wall clock shows at a steady time, unless it is set before then."""
        step = self._clock.step()
        self._least, self._most = min(step, self._least), max(step, self._most)
        return datetime.fromtimestamp(steady + step, UTC)

    def doubt(self) -> None:
        """Note that a wall time in use is wrong."""
        self._most = math.inf

    def is_stale(self) -> bool:
        """Whether the wall clock has been set since any of the wall times in use was made."""
        step = self._clock.step()
        return max(self._most - step, step - self._least) > _DIVERGED


class SlotTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 ships no types
    """Fires when a slot is due, in whatever wall time that is now."""

    __slots__ = ("_clock", "_plan", "_slots")

    def __init__(self, slots: Slots, clock: SteadyClock, plan: WallPlan) -> None:
        self._slots = slots
        self._clock = clock
        self._plan = plan

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the wall time of the next slot; always after now, or APScheduler would ask on and on."""
        if previous_fire_time is None:
            return self._plan.wall_time(self._slots.upcoming)
        fires = self._plan.wall_time(self._slots.after(self._clock()))
        if fires > now:
            return fires
        # The clock was set back since APScheduler read `now`, and would not reach it in an hour.
        self._plan.doubt()
        return now + datetime.resolution


def _awaitable(wake: Callable[[], None]) -> Callable[[], object]:
    async def job() -> None:
        wake()

    return job
