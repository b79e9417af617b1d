"""A schedule on a record: probes follow a script, and whatever happens is noted with its time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.targets import changed
from scheduling.virtual_time import EPOCH, virtual_time

from exporter.outcome import Observer, Outcome, Phase, SkipCause
from exporter.reasons import FAULTS, Reason
from exporter.scheduling import Schedule, interval_offset
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


EXACT = 1e-4
"""Seconds. Wall times are kept in microseconds, and floats of the epoch's size are no finer."""


def make_target(
    name: str,
    *,
    host: str = "auth.example",
    environment: str = "a",
    interval: float = 60.0,
    timeout: float = 10.0,
) -> Target:
    """Return a target; what the schedule does not look at is the same for all."""
    target = Target(
        name=name,
        source_environment_id=environment,
        destination_environment_id="d",
        client_id="c",
        source_url=f"https://{host}/{environment}",
        redirect_uri="https://destination.example/callback",
    )
    return changed(target, interval=interval, timeout=timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one probe does.

    Args:
        lasts: seconds.
        blocks: seconds for which it backoffs up the whole loop first.
        reason: how it ends.
        step: the step in which it ends.
        retry_after: what the provider asks for.
        error: raised in place of an outcome.
    """

    lasts: float = 0.1
    blocks: float = 0.0
    reason: Reason = Reason.OK
    step: str = "authorize"
    retry_after: float | None = None
    error: Exception | None = None


QUICK = Probe()


@dataclass(frozen=True, slots=True)
class Note:
    """Something happened to a target at a time since the beginning."""

    at: float
    target: str


@dataclass(frozen=True, slots=True)
class Skip(Note):
    """Due runs were skipped."""

    cause: SkipCause
    count: int


@dataclass(slots=True)
class Recorder:
    """Is a schedule's listener, its probe and one of its observers, and records what happens.

    Args:
        time: the time to scenario in.
        script: what the n-th probe of a target does, by name and n, from 0.
    """

    time: VirtualTime
    script: Callable[[str, int], Probe] = lambda _name, _number: QUICK
    begun: list[Note] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    outcomes: list[tuple[float, Outcome]] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0
    twice_at_once: list[str] = field(default_factory=list)
    _running: set[str] = field(default_factory=set)
    _numbers: Counter[str] = field(default_factory=Counter)

    def probe_started(self, lag: float, /) -> None:
        self.lags.append(lag)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def probe_ended(self) -> None:
        self.in_flight -= 1

    def run_skipped(self, target: str, _journey: Journey, cause: SkipCause, count: int, /) -> None:
        assert count > 0
        self.skips.append(Skip(self.time(), target, cause, count))

    def observe(self, outcome: Outcome, /) -> None:
        self.outcomes.append((self.time(), outcome))

    async def probe(self, target: Target, journey: Journey) -> Outcome:
        """Probe the next probe of `target`."""
        act = self.script(target.name, self._numbers[target.name])
        self._numbers[target.name] += 1
        self.begun.append(Note(self.time(), target.name))
        if target.name in self._running:
            self.twice_at_once.append(target.name)
        self._running.add(target.name)
        try:
            self.time.loop.stall(act.blocks)
            await asyncio.sleep(act.lasts)
        finally:
            self._running.discard(target.name)
        if act.error is not None:
            raise act.error
        return make_outcome(target.name, journey, act)

    def schedule(
        self,
        targets: Sequence[Target],
        *,
        limit: int = 100,
        observers: Sequence[Observer] | None = None,
        probe: Callable[[Target, Journey], Awaitable[Outcome]] | None = None,
    ) -> Schedule:
        """Return a schedule that follows the script; nothing runs yet."""
        return Schedule(
            targets,
            probe or self.probe,
            observers=[self] if observers is None else observers,
            listener=self,
            max_concurrent_probes=limit,
            clock=self.time.clock(),
        )

    def starts(self, target: str) -> list[float]:
        """Return when the probes of `target` began."""
        return [note.at for note in self.begun if note.target == target]

    def skipped_count(self, cause: SkipCause, target: str | None = None) -> int:
        """Return how many due runs were skipped with this cause."""
        return sum(s.count for s in self.skips if s.cause is cause and target in {None, s.target})


def make_outcome(name: str, journey: Journey, act: Probe) -> Outcome:
    """Return the outcome of a probe that did `act`."""
    return Outcome(
        target=name,
        journey=journey,
        reason=act.reason,
        fault=FAULTS[act.reason][0],
        step=act.step,
        phase=Phase.TRANSFER,
        started_at=0.0,
        ended_at=0.0,
        duration=act.lasts,
        transaction_id="t",
        steps=(),
        retry_after=act.retry_after,
    )


def simulate(
    scenario: Callable[[Recorder, VirtualTime], Awaitable[None]],
    script: Callable[[str, int], Probe] = lambda _name, _number: QUICK,
) -> Recorder:
    """Scenario a scenario in a virtual time of its own; return what was noted."""
    with virtual_time() as time:
        record = Recorder(time, script)

        async def main() -> None:
            await scenario(record, time)

        time.run(main())
        return record


def run_schedule(
    targets: Sequence[Target],
    seconds: float,
    *,
    script: Callable[[str, int], Probe] = lambda _name, _number: QUICK,
    limit: int = 100,
    events: Iterable[tuple[float, Callable[[VirtualTime], None]]] = (),
    observers: Callable[[Recorder], Sequence[Observer]] = lambda record: [record],
) -> Recorder:
    """Run a schedule for so many seconds, while `events` happen to the time; let what runs then end."""

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule(targets, limit=limit, observers=observers(record))
        schedule.start()
        for at, event in events:
            time.loop.call_at(at, event, time)
        await asyncio.sleep(seconds)
        await schedule.stop(grace=1e6)

    return simulate(scenario, script)


def reloaded(
    before: Sequence[Target],
    *reloads: tuple[float, Sequence[Target]],
    until: float,
    script: Callable[[str, int], Probe] = lambda _name, _number: QUICK,
    limit: int = 100,
    new_limit: int | None = None,
) -> Recorder:
    """Run a schedule that is given other targets at those times; let what runs then end."""

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule(before, limit=limit)
        schedule.start()
        for at, targets in reloads:
            await asyncio.sleep(at - time())
            await schedule.reconfigure(targets, max_concurrent_probes=new_limit or limit)
        await asyncio.sleep(until - time())
        await schedule.stop(grace=1e6)

    return simulate(scenario, script)


def due_runs(target: Target, until: float, *, first: float = 0.0) -> list[float]:
    """Return when runs of `target` are due within `until` seconds, one by one."""
    interval, timeout = target.authorize.interval, target.authorize.timeout
    run = interval_offset(target.name, Journey.AUTHORIZE, interval) - EPOCH % interval
    due = [first]
    while run < until:
        if run >= first + timeout:
            due.append(run)
        run += interval
    return due
