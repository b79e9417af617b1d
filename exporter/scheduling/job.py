"""The jobs of the schedule: the probes of each target, and other periodic jobs.

    first        regular runs: offset + n * interval
      |     x  |        |        |
      +---timeout---+              no regular run is due this soon after the first probe

The offset is a hash of target and journey, not chance: it spreads the load over the interval and is the same
after a restart, so that a graph does not jump and two replicas do not drift onto one another.
Times are seconds since the epoch by the steady clock.
"""

import asyncio
import hashlib
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from apscheduler.triggers.base import BaseTrigger

from exporter.status import MAX_BACKOFF_SECONDS
from exporter.target import Journey, Side, Target

FIRST_PROBE_SPACING = 0.05
"""Seconds between the first probes of one auth host: a restart must not look like an attack."""

MIN_GRACE_SECONDS = 1.0

DEFAULT_BACKOFF_INTERVALS = 2  # when the provider does not say how long


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """Something other than a probe to do every `interval` seconds."""

    name: str  # unique among periodic jobs
    interval: float
    run: Callable[[], Awaitable[object]]  # does it once; skipped while the last call still runs
    first_after: float = 0.0  # seconds from the start to the first call


@dataclass(slots=True, eq=False)
class ProbeJob:
    """The probes of one target and journey."""

    target: Target  # the target; a reload may replace it by one that is probed alike
    journey: Journey
    first: float  # when the first probe is due
    start: float  # when the first regular run is due
    grace: float  # seconds within which a run must start
    due: float | None = None  # the run that APScheduler has submitted and that has not begun
    task: asyncio.Task[None] | None = None  # waits for a slot, or probes
    probing: bool = False  # whether the probe has begun
    removed: bool = False  # whether a reload has removed it

    @property
    def id(self) -> str:
        """The job's id in APScheduler."""
        return job_id(self.target, self.journey)

    @property
    def interval(self) -> float:
        """Seconds between two regular runs."""
        return self.target.timing(self.journey).interval

    def first_run_after(self, moment: float) -> float:
        """Return the first regular run after `moment`."""
        periods = math.floor((moment - self.start) / self.interval) + 1
        return self.start + max(0, periods) * self.interval


def job_id(target: Target, journey: Journey) -> str:
    """Return the id of a target's job for a journey."""
    return f"{journey} {target.name}"


class Backoff:
    """Keeps track of the probes that back off after a rate limit.

    A rate limit counts for one environment on one host: all probes that send requests there back off
    together, a probe of `federation` if either of its environments limits it. Due runs are skipped meanwhile;
    afterwards they run at their usual times.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}

    def start(self, target: Target, journey: Journey, side: Side, retry_after: float | None) -> None:
        """Back off because one of a target's environments rate-limited a probe.

        A backoff that ends later is not shortened: both probes may have been on their way at the same time.
        `retry_after` is what the provider asked for, in seconds; None for two intervals of the probe.
        """
        interval, scope = target.timing(journey).interval, target.rate_scope(side)
        wanted = DEFAULT_BACKOFF_INTERVALS * interval if retry_after is None else retry_after
        now = self._clock()
        # What is over is dropped: many reloads may leave many former targets.
        self._until = {scope: until for scope, until in self._until.items() if now < until}
        until = now + min(wanted, MAX_BACKOFF_SECONDS)
        self._until[scope] = max(until, self._until.get(scope, until))

    def until(self, target: Target, journey: Journey) -> float | None:
        """Return when the backoff of a target's probes of a journey ends; None if there is none."""
        if not self._until:
            return None
        until = max(self._until.get(target.rate_scope(side), 0.0) for side in journey.sides)
        return until if self._clock() < until else None


class OffsetTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 ships no types
    """Fires at `start` and every `interval` seconds after it, whenever the first run was.

    APScheduler's IntervalTrigger would count all others from the first run.
    """

    def __init__(self, interval: float, start: datetime) -> None:
        self._interval = timedelta(seconds=interval)
        self._start = start

    def get_next_fire_time(self, previous: datetime | None, _now: datetime) -> datetime:
        """Return the next run."""
        return self._start if previous is None or previous < self._start else previous + self._interval


def interval_offset(target: str, journey: Journey, interval: float) -> float:
    """Return the fixed shift of a target's runs within the interval, in seconds, `0 <= shift < interval`."""
    digest = hashlib.sha256(f"{journey.value}/{target}".encode()).digest()
    # 53 bits are what a float holds exactly: the share stays below 1, the rounded product below the interval.
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53) * interval


def first_delays(hosts: Iterable[str]) -> list[float]:
    """Return the delay of each first probe after the start, given the probes' first hosts in order."""
    numbers: defaultdict[str, Iterator[int]] = defaultdict(count)
    return [next(numbers[host]) * FIRST_PROBE_SPACING for host in hosts]


def new_jobs(planned: Sequence[tuple[Target, Journey]], now: float) -> list[ProbeJob]:
    """Create jobs with first probes from `now` on, spaced per auth host."""
    delays = first_delays(target.first_host(journey) for target, journey in planned)
    jobs = []
    for (target, journey), delay in zip(planned, delays, strict=True):
        timing, first = target.timing(journey), now + delay
        interval = timing.interval
        offset = interval_offset(target.name, journey, interval)
        start = offset + math.ceil((first + timing.timeout - offset) / interval) * interval
        jobs.append(ProbeJob(target, journey, first, start, grace=max(MIN_GRACE_SECONDS, interval / 2)))
    return jobs


def job_changes(
    jobs: Mapping[str, ProbeJob], targets: Iterable[Target]
) -> tuple[list[tuple[ProbeJob, Target]], list[ProbeJob], list[tuple[Target, Journey]]]:
    """Compare the jobs, by id, with the targets that are to be probed.

    Returns:
        jobs that go on, each with its target's new value; jobs to remove, since their targets are gone or
        are probed differently; targets and journeys that need a new job, in this order.
    """
    kept, added, remaining = [], [], dict(jobs)
    for target in targets:
        for journey in target.journeys:
            job = remaining.get(job_id(target, journey))
            if job is not None and _probed_alike(job.target, target):
                kept.append((job, target))
                del remaining[job.id]
            else:
                added.append((target, journey))
    return kept, list(remaining.values()), added


def _probed_alike(before: Target, after: Target) -> bool:
    """Return whether the two differ at most in what does not matter to a probe."""
    comparable = replace(
        after,
        journeys=before.journeys,
        labels=before.labels,
        secret_expires=before.secret_expires,
        # What a listing says of the same provider: its name, or that it is missing.
        listed=before.listed if before.listed and after.listed else after.listed,
        authorize=replace(after.authorize, latency_objective=before.authorize.latency_objective),
        federation=replace(after.federation, latency_objective=before.federation.latency_objective),
        discovery=replace(after.discovery, latency_objective=before.discovery.latency_objective),
    )
    return before == comparable
