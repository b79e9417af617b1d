"""Each due run is a probe, or skipped with one cause, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scheduling.recorder import Probe, Recorder, due_runs, make_target, simulate

from exporter.outcome import Observer, Outcome
from exporter.reasons import Reason
from exporter.scheduling import first_delays
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


NAMES = ("a", "b", "c", "d", "e")
SPAN = 60.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A schedule, and everything that happens to it.

    Args:
        targets: what is probed.
        limit: the bound on all probes.
        probes: what the n-th probe of a target does, taken round by round.
        failing: which observations fail, taken round by round.
        stalls: when the loop stalls, and for how long.
        steps: when the wall clock is set, and how far away.
        grace: of the stop at the end.
    """

    targets: list[Target]
    limit: int
    probes: dict[str, list[Probe]]
    failing: list[bool]
    stalls: list[tuple[float, float]]
    steps: list[tuple[float, float]]
    grace: float

    def probe(self, name: str, number: int) -> Probe:
        probes = self.probes[name]
        return probes[number % len(probes)]


probes = st.builds(
    Probe,
    lasts=st.floats(0.0, 30.0),
    blocks=st.sampled_from([0.0, 0.0, 0.0, 0.5, 4.0]),
    reason=st.sampled_from([Reason.OK, Reason.OK, Reason.TIMEOUT, Reason.RATE_LIMITED]),
    retry_after=st.one_of(st.none(), st.floats(0.0, 40.0)),
    error=st.sampled_from([None, None, None, ValueError("a bug")]),
)
moments = st.floats(0.0, SPAN)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    intervals = [draw(st.floats(1.0, 40.0)) for _ in names]
    return Scenario(
        targets=[
            make_target(
                name,
                host=draw(st.sampled_from(["h", "i"])),
                environment=draw(st.sampled_from(["e", "f"])),
                interval=interval,
                timeout=draw(st.floats(0.05, 0.95)) * interval,
            )
            for name, interval in zip(names, intervals, strict=True)
        ],
        limit=draw(st.integers(1, 4)),
        probes={name: draw(st.lists(probes, min_size=1, max_size=4)) for name in names},
        failing=draw(st.lists(st.booleans(), min_size=1, max_size=4)),
        stalls=draw(st.lists(st.tuples(moments, st.floats(0.0, 50.0)), max_size=3)),
        steps=draw(st.lists(st.tuples(moments, st.floats(-4000.0, 4000.0)), max_size=3)),
        grace=draw(st.floats(0.0, 20.0)),
    )


class Failing:
    """An observer that sometimes fails."""

    def __init__(self, failing: list[bool]) -> None:
        self._failing = failing
        self._count = 0

    def observe(self, _: Outcome, /) -> None:
        self._count += 1
        if self._failing[self._count % len(self._failing)]:
            raise ValueError("a bug")


def simulate_scenario(scenario: Scenario) -> tuple[Recorder, float]:
    """Perform it; return what was noted and when it was stopped."""
    stopped_at = 0.0

    async def run(record: Recorder, time: VirtualTime) -> None:
        nonlocal stopped_at
        observers: list[Observer] = [Failing(scenario.failing), record]
        schedule = record.schedule(scenario.targets, limit=scenario.limit, observers=observers)
        schedule.start()
        for at, seconds in scenario.stalls:
            time.loop.call_at(at, time.loop.stall, seconds)
        for at, seconds in scenario.steps:
            time.loop.call_at(at, time.set_wall, seconds)
        await asyncio.sleep(SPAN)
        stopped_at = time()
        await schedule.stop(scenario.grace)

    logging.disable()  # each planned bug would write a traceback
    try:
        return simulate(run, scenario.probe), stopped_at
    finally:
        logging.disable(logging.NOTSET)


@given(scenarios())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_each_due_run_is_one_probe_or_skipped_with_one_cause_within_all_bounds(scenario: Scenario) -> None:
    record, stopped_at = simulate_scenario(scenario)
    delays = first_delays(target.auth_host for target in scenario.targets)
    for target, delay in zip(scenario.targets, delays, strict=True):
        runs = due_runs(target, stopped_at + 1.0, first=delay)
        # Within a millisecond of the stop it may be due or not.
        assume(not any(abs(run - stopped_at) < 0.002 for run in runs))
        due = sum(run <= stopped_at for run in runs)
        observed = sum(outcome.target == target.name for _, outcome in record.outcomes)
        skipped = sum(skip.count for skip in record.skips if skip.target == target.name)
        assert due == observed + skipped
    assert record.max_in_flight <= scenario.limit
    assert record.twice_at_once == []
    assert record.in_flight == 0
    for note, lag in zip(record.begun, record.lags, strict=True):
        grace = next(
            max(1.0, target.authorize.interval / 2)
            for target in scenario.targets
            if target.name == note.target
        )
        assert 0.0 <= lag <= grace + 0.001
