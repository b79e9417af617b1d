"""The schedule: each due run starts a probe, or is skipped and counted with its cause.

due ──> missed      too late to start
    ──> overrun     the last probe of this target and journey still runs (APScheduler's max_instances)
    ──> backoff     the provider asked to back off
    ──> waits for one of max_concurrent_probes ──> missed
    ──> probe ──> outcome ──> observers
(cancelled: waiting or probing when the daemon stopped, or a reload removed or changed the target)
"""

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import ParamSpec, Protocol

from anyio import CapacityLimiter, WouldBlock
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from exporter.internal_errors import InternalErrors, Part
from exporter.outcome import Observer, Outcome, SkipCause, internal_outcome
from exporter.reasons import Reason
from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.job import (
    FIRST_PROBE_SPACING,
    MIN_GRACE_SECONDS,
    Backoff,
    OffsetTrigger,
    PeriodicJob,
    ProbeJob,
    job_changes,
    job_id,
    new_jobs,
)
from exporter.target import Journey, Target

P = ParamSpec("P")

_log = logging.getLogger(__name__)

_MAX_LOOP_LAG = 0.25
"""Seconds. A turn of an overloaded event loop takes as long as there are probes that run."""

_MIN_CONCURRENT_PROBES = 10

_SILENT_INTERVALS = 3
"""If no run was started or rightly skipped for this many of the shortest interval, the schedule is stuck."""

_MIN_SILENCE_SECONDS = 30.0

_CANCEL_SECONDS = 1.0  # for a cancelled probe to end; it only closes its connection


class ScheduleListener(Protocol):
    """Is notified of what the schedule does; must not block."""

    def probe_started(self, lag: float, /) -> None:
        """Note that a probe started `lag` seconds after it was due."""

    def probe_ended(self) -> None:
        """Note that a probe that had started has ended, with or without an outcome."""

    def run_skipped(self, target: str, journey: Journey, cause: SkipCause, count: int, /) -> None:
        """Note that `count` due runs were skipped."""


class Schedule:
    """Probes targets when they are due.

    Args:
        targets: what to probe, in the order of the first probes.
        probe: probes once; raises nothing but CancelledError.
        observers: receive each outcome, in this order.
        listener: is notified of starts and skips.
        max_concurrent_probes: how many probes may run at once; waiting for one to end is lag.
        jobs: what else to do periodically.
    """

    def __init__(  # noqa: PLR0913  time, probe and observers are arguments
        self,
        targets: Sequence[Target],
        probe: Callable[[Target, Journey], Awaitable[Outcome]],
        *,
        observers: Sequence[Observer],
        listener: ScheduleListener,
        max_concurrent_probes: int,
        jobs: Sequence[PeriodicJob] = (),
        clock: SteadyClock | None = None,
        errors: InternalErrors | None = None,
    ) -> None:
        self._errors = errors or InternalErrors()
        self._probe = probe
        self._observers = observers
        self._listener = listener
        self._limiter = CapacityLimiter(max_concurrent_probes)
        self._max_concurrent_probes = max_concurrent_probes
        self._clock = clock or SteadyClock()
        self._scheduler = AsyncIOScheduler(
            timezone=self._clock,
            # APScheduler would measure a misfire in whole seconds of wall time; `_account` measures it.
            job_defaults={"coalesce": False, "max_instances": 1, "misfire_grace_time": None},
        )
        # It warns of each overrun, which is counted.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._scheduler.add_listener(self._on_submission, EVENT_JOB_SUBMITTED | EVENT_JOB_MAX_INSTANCES)
        self._jobs: dict[str, ProbeJob] = {}
        self._periodic_jobs = {job.name: job for job in jobs}
        self._periodic_tasks: set[asyncio.Task[None] | None] = set()
        self._backoff = Backoff(self._clock)
        self._running = False
        self._max_silence, self._progress_at = math.inf, self._clock()
        self._set_targets(targets)

    def adapt(self, loop_lag: float) -> None:
        """Run fewer probes at once while the event loop lags, so that the web port still answers.

        Probes that therefore wait too long are skipped as missed.
        """
        limit, running = self._limiter.total_tokens, self._limiter.borrowed_tokens
        if loop_lag > _MAX_LOOP_LAG:
            limit = max(_MIN_CONCURRENT_PROBES, int(0.75 * min(limit, running)))
        else:
            limit += 1
        self._limiter.total_tokens = min(limit, self._max_concurrent_probes)

    @property
    def ready(self) -> bool:
        """Whether due probes are started."""
        return self._running

    @property
    def healthy(self) -> bool:
        """Whether due probes have recently been started or rightly skipped; always without targets."""
        return self._clock() - self._progress_at <= self._max_silence

    def start(self) -> None:
        """Start all jobs; must be called in the running event loop."""
        self._running = True
        self._scheduler.start(paused=True)  # until all jobs are added
        now = self._progress_at = self._clock()
        for job in self._periodic_jobs.values():
            self._add_periodic(job)
        _, _, added = job_changes({}, self._targets)
        for probe_job in new_jobs(added, now):
            self._add(probe_job)
        self._scheduler.resume()

    async def reconfigure(self, targets: Sequence[Target], *, max_concurrent_probes: int) -> None:
        """Probe other targets from now on; unchanged ones keep their offset and running probes.

        Yields to the event loop often. Must not be called while another call runs, nor after `stop`.
        """
        self._set_targets(targets)
        kept, removed, added = job_changes(self._jobs, targets)
        for job, target in kept:
            job.target = target
        self._limiter.total_tokens = self._max_concurrent_probes = max_concurrent_probes
        for job in removed:
            job.removed = True  # at once: the observers know the new targets already
        cancelled = []
        for job in removed:
            if self._running:
                self._remove(job)
                cancelled += [job.task] if job.task is not None else []
            await asyncio.sleep(0)
        if cancelled:
            # Waited for, so that no target is probed twice at once.
            await asyncio.wait(cancelled, timeout=_CANCEL_SECONDS)
        for job in new_jobs(added, self._clock()):
            if self._running:
                self._add(job)
            await asyncio.sleep(0)

    def _set_targets(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._late_starts: defaultdict[str, float] = defaultdict(float)  # of each host: the last one
        intervals = (target.timing(journey).interval for target in targets for journey in target.journeys)
        before, shortest = self._max_silence, min(intervals, default=math.inf)
        self._max_silence = max(_MIN_SILENCE_SECONDS, _SILENT_INTERVALS * shortest)
        if self._max_silence < before:  # by what was expected so far, nothing is late
            self._progress_at = self._clock()

    def replace_jobs(self, jobs: Sequence[PeriodicJob]) -> None:
        """Do other things periodically from now on; a job of the same name and interval keeps its times.

        A call that runs is not interrupted.
        """
        before, self._periodic_jobs = self._periodic_jobs, {job.name: job for job in jobs}
        if not self._running:
            return
        times = {name: job.interval for name, job in before.items()}
        kept = {job.name for job in jobs if times.get(job.name) == job.interval}
        for name in before.keys() - kept:
            self._scheduler.remove_job(f"periodic {name}")
        for job in jobs:
            if job.name not in kept:
                self._add_periodic(job)

    async def stop(self, grace: float) -> None:
        """Start no more probes, let running ones end within `grace` seconds, cancel the others.

        Harmless before the start, and a second time: less grace then cuts the first call short.
        """
        if self._running:
            self._running = False
            self._scheduler.pause()
            for job in self._jobs.values():
                self._close(job)
        running = [job.task for job in self._jobs.values() if job.task is not None]
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            if late:
                names = sorted(job.target.name for job in self._jobs.values() if job.task in late)
                extra = {"targets": ",".join(names)}
                _log.warning("probes cancelled: still running after the grace period", extra=extra)
            for task in late:
                task.cancel()
            await asyncio.wait(running)
        periodic = {task for task in self._periodic_tasks if task is not None}
        for task in periodic:
            task.cancel()
        if periodic:
            await asyncio.wait(periodic)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # AsyncIOScheduler shuts down in a callback

    def next_run(self, target: Target, journey: Journey) -> float | None:
        """Return when a target is probed next by a journey; None if that is not scheduled.

        By the wall clock, in seconds since the epoch.
        """
        job = self._jobs.get(job_id(target, journey))  # none yet for a target that a reload is adding
        if job is None or not self._running:
            return None
        due: float = self._scheduler.get_job(job.id).next_run_time.timestamp()
        until = self._backoff.until(target, journey)
        if until is not None and due <= until:
            due = job.first_run_after(until)
        return due + self._clock.wall_shift()

    def _add(self, job: ProbeJob) -> None:
        self._jobs[job.id] = job
        trigger = OffsetTrigger(job.interval, self._clock.moment(job.start))
        first = self._clock.moment(job.first)
        self._scheduler.add_job(self._run, trigger, [job], id=job.id, next_run_time=first)

    def _add_periodic(self, job: PeriodicJob) -> None:
        first = self._clock.moment(self._clock() + job.first_after)
        trigger, name = OffsetTrigger(job.interval, first), f"periodic {job.name}"
        self._scheduler.add_job(
            self._run_periodic, trigger, [job.name], id=name, next_run_time=first, coalesce=True
        )

    def _remove(self, job: ProbeJob) -> None:
        self._close(job)
        del self._jobs[job.id]
        self._scheduler.remove_job(job.id)
        if job.task is not None:
            job.task.cancel()

    def _on_submission(self, event: JobSubmissionEvent) -> None:
        """Note runs that APScheduler has submitted to `_run`, or skipped because the last one still runs."""
        job = self._jobs.get(event.job_id)
        if job is not None:  # not a periodic job
            self._account(job, event.scheduled_run_times, submitted=event.code == EVENT_JOB_SUBMITTED)

    def _account(self, job: ProbeJob, due: Sequence[datetime], *, submitted: bool) -> None:
        """Skip what is too late, mark one run as due if it was submitted, skip all others."""
        runs = [moment.timestamp() for moment in due]
        in_time = [run for run in runs if self._clock() <= run + job.grace]
        self._skip(job, SkipCause.MISSED, len(runs) - len(in_time))
        if submitted and in_time:
            job.due = in_time.pop(0)
        self._skip(job, SkipCause.OVERRUN, len(in_time))

    def _close(self, job: ProbeJob) -> None:
        """Account for everything that is due by now, submitted or not, and start no more of it."""
        scheduled, now = self._scheduler.get_job(job.id), self._clock.moment(self._clock())
        due, moment = [], scheduled.next_run_time
        while moment <= now:
            due.append(moment)
            moment = scheduled.trigger.get_next_fire_time(moment, now)
        self._account(job, due, submitted=job.due is None and job.task is None)
        if job.due is not None:
            job.due = None
            self._skip(job, SkipCause.CANCELLED)
        elif job.task is not None and not job.probing:
            job.task.cancel()

    async def _run(self, job: ProbeJob) -> None:
        """Start the due probe, or skip it. APScheduler calls this for each run that it has submitted."""
        if job.due is None or job.removed:  # accounted for, or `_close` does it
            return
        run, job.due = job.due, None
        job.task = asyncio.current_task()
        try:
            await self._probe_or_skip(job, run)
        except asyncio.CancelledError:  # by a stop or a reload; APScheduler would log it as an error
            self._skip(job, SkipCause.CANCELLED)
        finally:
            job.task, job.probing = None, False

    async def _probe_or_skip(self, job: ProbeJob, run: float) -> None:
        if self.backoff_until(job.target, job.journey) is not None:
            self._skip(job, SkipCause.BACKOFF)
            return
        if not await self._acquire_limiter(job, run):
            self._skip(job, SkipCause.MISSED)
            return
        try:
            if self._clock() > run + job.grace:  # the event loop stalled
                self._skip(job, SkipCause.MISSED)
                return
            # Another target may have been rate-limited meanwhile.
            if self.backoff_until(job.target, job.journey) is not None:
                self._skip(job, SkipCause.BACKOFF)
                return
            outcome = await self._probe_now(job, run)
        finally:
            self._limiter.release()
        self._observe(job, outcome)

    async def _acquire_limiter(self, job: ProbeJob, run: float) -> bool:
        """Wait until one more probe may run; return False if that takes longer than the run's grace."""
        if (now := self._clock()) > run + MIN_GRACE_SECONDS:  # this process stood still: many runs are late
            host = job.target.first_host(job.journey)
            start = max(now, self._late_starts[host] + FIRST_PROBE_SPACING)
            if start > run + job.grace:
                return False
            self._late_starts[host] = start
            await asyncio.sleep(start - now)
        try:
            self._limiter.acquire_nowait()
        except WouldBlock:
            try:
                async with asyncio.timeout(run + job.grace - self._clock()):
                    await self._limiter.acquire()
            except TimeoutError:
                return False
        return True

    async def _probe_now(self, job: ProbeJob, run: float) -> Outcome:
        job.probing = True
        self._progress_at = self._clock()
        self._notify(job, self._listener.probe_started, max(0.0, self._clock() - run))
        began = self._clock()
        try:
            with self._errors.catching(Part.PROBE, "probe run failed", target=job.target.name):
                return await self._probe(job.target, job.journey)
            ended_at, duration = self._clock() + self._clock.wall_shift(), self._clock() - began
            return internal_outcome(job.target.name, job.journey, ended_at=ended_at, duration=duration)
        finally:
            self._notify(job, self._listener.probe_ended)

    def _observe(self, job: ProbeJob, outcome: Outcome) -> None:
        if job.removed:  # it was cancelled, and ended all the same
            self._skip(job, SkipCause.CANCELLED)
            return
        self._notify(job, self.back_off, job.target, job.journey, outcome)
        for observer in self._observers:
            self._notify(job, observer.observe, outcome)

    def _notify(self, job: ProbeJob, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Notify an observer; a bug in it must affect neither the others nor the probe."""
        with self._errors.catching(Part.OBSERVER, "observer failed", target=job.target.name):
            call(*args, **kwargs)

    def backoff_until(self, target: Target, journey: Journey) -> float | None:
        """Return when the pause of a journey's requests after a rate limit ends; None if they are not paused.

        By the wall clock, in seconds since the epoch. Rounded to milliseconds, or it would change with
        each reading of the two clocks.
        """
        until = self._backoff.until(target, journey)
        return None if until is None else round(until + self._clock.wall_shift(), 3)

    def back_off(self, target: Target, journey: Journey, outcome: Outcome) -> None:
        """Pause all probes of the environment that has limited the rate of requests, if one has.

        The schedule does so after each of its probes; call it after other requests of a journey.
        """
        if outcome.reason is Reason.RATE_LIMITED:
            self._backoff.start(target, journey, outcome.side, outcome.retry_after)

    def _skip(self, job: ProbeJob, cause: SkipCause, count: int = 1) -> None:
        if not count:
            return
        if cause in {SkipCause.OVERRUN, SkipCause.BACKOFF}:
            self._progress_at = self._clock()
        self._notify(job, self._listener.run_skipped, job.target.name, job.journey, cause, count)

    async def _run_periodic(self, name: str) -> None:
        job = self._periodic_jobs.get(name)
        if job is None or not self._running:
            return
        task = asyncio.current_task()
        self._periodic_tasks.add(task)
        try:
            with self._errors.catching(Part.JOB, "periodic job failed", job=name):
                await job.run()
        except asyncio.CancelledError:  # by `stop`; APScheduler would log it as an error
            return
        finally:
            self._periodic_tasks.discard(task)
