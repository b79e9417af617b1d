"""The limit of concurrent probes: which runs wait, for how long, and in what order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from scheduling.recorder import EXACT, Probe, due_runs, make_target, run_schedule, simulate

from exporter.outcome import Observer, Outcome, SkipCause

if TYPE_CHECKING:
    from scheduling.recorder import Recorder
    from scheduling.virtual_time import VirtualTime


LONG = 40.0
"""Seconds of interval in these tests; a run is good for half of them."""


def names(count: int) -> list[str]:
    """Return as many names."""
    return [f"t{number:03d}" for number in range(count)]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_no_more_probes_run_at_once_than_the_limit(limit: int) -> None:
    targets = [make_target(name, host=name, interval=LONG) for name in names(20)]
    record = run_schedule(targets, 400.0, limit=limit, script=lambda *_: Probe(lasts=1.5))
    assert record.max_in_flight == limit
    assert len(record.begun) >= 20 * 9
    assert record.in_flight == 0


def test_waiting_runs_start_in_order_and_waiting_is_lag_not_duration() -> None:
    targets = [make_target(name, host=name, interval=LONG) for name in names(4)]
    record = run_schedule(targets, 4.0, limit=1, script=lambda *_: Probe(lasts=1.0))
    assert [note.target for note in record.begun] == names(4)
    assert [note.at for note in record.begun] == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=EXACT)
    assert record.lags == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=EXACT)


def test_a_run_that_waits_longer_than_the_grace_is_missed() -> None:
    targets = [make_target(name, host=name, interval=LONG, timeout=19.0) for name in names(3)]
    record = run_schedule(targets, 21.0, limit=1, script=lambda *_: Probe(lasts=15.0))
    assert [note.target for note in record.begun] == names(2)
    missed = [skip for skip in record.skips if skip.cause is SkipCause.MISSED and skip.target == "t002"]
    assert [skip.count for skip in missed] == [1]
    assert missed[0].at == pytest.approx(LONG / 2, abs=EXACT)


def test_a_run_that_waits_too_long_is_missed() -> None:
    """The loop may stall after the probe before has ended."""

    def blocking(record: Recorder) -> list[Observer]:
        return [record, Stalling(record.time, 10.0)]

    targets = [make_target(name, host=name, interval=LONG, timeout=19.0) for name in names(3)]
    record = run_schedule(targets, 25.0, limit=1, script=lambda *_: Probe(lasts=15.0), observers=blocking)
    assert [note.target for note in record.begun] == ["t000"]
    assert record.skipped_count(SkipCause.MISSED, "t001") == 1
    assert record.skipped_count(SkipCause.MISSED, "t002") == 1


class Stalling:
    """Stalls the whole loop once, when it observes for the first time."""

    def __init__(self, time: VirtualTime, seconds: float) -> None:
        self._time = time
        self._seconds = seconds

    def observe(self, _: Outcome, /) -> None:
        self._time.loop.stall(self._seconds)
        self._seconds = 0.0


def test_waiting_in_vain_affects_only_that_run() -> None:
    target, hog = make_target("t", host="a", interval=LONG), make_target("hog", host="b", interval=1e6)
    record = run_schedule(
        [hog, target], 300.0, limit=1, script=lambda name, _: Probe(lasts=100.0 if name == "hog" else 0.1)
    )
    due = due_runs(target, 300.0)
    served = [at for at in due if at + LONG / 2 >= 100.0]
    assert record.starts("t") == pytest.approx([max(at, 100.0) for at in served], abs=EXACT)
    assert record.skipped_count(SkipCause.MISSED, "t") == len(due) - len(served)


def test_a_run_that_was_submitted_late_waits_only_for_the_rest_of_its_grace() -> None:
    target, hog = make_target("t", host="a", interval=LONG), make_target("hog", host="b", interval=1e6)
    third = due_runs(target, 100.0)[2]
    record = run_schedule(
        [hog, target],
        100.0,
        limit=1,
        script=lambda name, _: Probe(lasts=200.0 if name == "hog" else 0.1),
        events=[(third - 1.0, lambda time: time.loop.stall(11.0))],
    )
    assert [skip.at for skip in record.skips][2] == pytest.approx(third + LONG / 2, abs=EXACT)


def test_an_outage_of_one_provider_delays_no_others_under_the_default_limit() -> None:
    """The formula of the default limit is repeated here for these 200 targets."""
    dark = [make_target(f"dark{n}", host="dark", interval=20.0, timeout=10.0) for n in range(160)]
    fine = [make_target(f"fine{n}", host="fine", interval=20.0, timeout=10.0) for n in range(40)]
    busy = sum(each.authorize.timeout / each.authorize.interval for each in (*dark, *fine))
    record = run_schedule(
        [*dark, *fine],
        200.0,
        limit=max(100, round(1.5 * busy)),
        script=lambda name, _: Probe(lasts=10.0 if name.startswith("dark") else 0.2),
    )
    for number, target in enumerate(fine):
        due = due_runs(target, 200.0, first=0.05 * number)
        assert record.starts(target.name) == pytest.approx(due, abs=EXACT)
    assert record.skipped_count(SkipCause.MISSED) == 0


def test_an_outage_beyond_the_limit_delays_others_but_does_not_stop_them() -> None:
    """The limit is lower than what the outage takes."""
    dark = [make_target(f"dark{n}", host="dark", interval=20.0, timeout=9.0) for n in range(10)]
    fine = make_target("fine", host="fine", interval=20.0)
    record = run_schedule(
        [*dark, fine],
        400.0,
        limit=4,
        script=lambda name, _: Probe(lasts=9.0 if name.startswith("dark") else 0.1),
    )
    assert len(record.starts("fine")) + record.skipped_count(SkipCause.MISSED, "fine") == len(
        due_runs(fine, 400.0)
    )
    assert len(record.starts("fine")) > 10


def test_one_lag_leaves_three_quarters_of_the_probes_that_run() -> None:
    targets = [make_target(name, host=name, interval=10.0) for name in names(60)]
    peaks = []

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule(targets, limit=40)
        schedule.start()
        await asyncio.sleep(1.0)
        for lag in (0.25, 0.3):
            schedule.adapt(lag)
            await asyncio.sleep(3.0)
            record.max_in_flight = record.in_flight
            await asyncio.sleep(17.0)
            peaks.append(record.max_in_flight)
        await schedule.stop(grace=1e6)

    simulate(scenario, lambda *_: Probe(lasts=6.0))
    assert peaks == [40, 30]


@pytest.mark.parametrize("limit", [4, 40])
def test_a_lagging_event_loop_has_fewer_concurrent_probes_until_it_has_recovered(limit: int) -> None:
    """However much it lags, some are started; and never more than the limit."""
    targets = [make_target(name, host=name, interval=10.0) for name in names(60)]
    peaks = []

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule(targets, limit=limit)
        schedule.start()
        for lag in (0.2, 5.0, 0.0):
            for _sample in range(100):
                schedule.adapt(lag)
            record.max_in_flight = 0
            await asyncio.sleep(20.0)
            peaks.append(record.max_in_flight)
        await schedule.stop(grace=1e6)

    simulate(scenario, lambda *_: Probe(lasts=3.0))
    assert peaks == [limit, min(limit, 10), limit]
