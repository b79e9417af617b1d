"""A periodic job runs again and again beside the probes, one call at a time, and ends with the schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from scheduling.recorder import EXACT, Probe, Recorder, due_runs, make_target, simulate

from exporter.scheduling import PeriodicJob, Schedule
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime

EVERY = 15.0


@dataclass(slots=True)
class Work:
    """What a periodic job does, and when it began and ended.

    Args:
        time: seconds since the beginning.
        lasts: seconds that the n-th call takes, from 0.
        fails: whether the n-th call raises.
    """

    time: Callable[[], float]
    lasts: Callable[[int], float] = lambda _: 0.1
    fails: Callable[[int], bool] = lambda _: False
    begun: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    async def __call__(self) -> None:
        number = len(self.begun)
        self.begun.append(self.time())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.lasts(number))
        finally:
            self.running -= 1
        if self.fails(number):
            raise ValueError("a bug")
        self.done.append(self.time())


def schedule_of(record: Recorder, *work: Work, targets: tuple[Target, ...] = ()) -> Schedule:
    """Return a schedule with periodic jobs beside the probes of `targets`."""
    return Schedule(
        targets,
        record.probe,
        observers=[record],
        listener=record,
        max_concurrent_probes=1,
        jobs=[PeriodicJob(f"work {n}", EVERY, each) for n, each in enumerate(work)],
        clock=record.time.clock(),
    )


def worked(
    seconds: float,
    *,
    lasts: Callable[[int], float] = lambda _: 0.1,
    fails: Callable[[int], bool] = lambda _: False,
    event: tuple[float, Callable[[VirtualTime], None]] | None = None,
) -> Work:
    """Run one periodic job, without any target, for so many seconds."""
    work: list[Work] = []

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        work.append(Work(time, lasts, fails))
        schedule = schedule_of(record, *work)
        schedule.start()
        if event is not None:
            at, act = event
            time.loop.call_at(at, act, time)
        await asyncio.sleep(seconds)
        await schedule.stop(grace=0.0)
        await asyncio.sleep(3 * EVERY)

    simulate(scenario)
    return work[0]


def test_it_runs_at_once_and_then_every_interval() -> None:
    assert worked(50.0).begun == pytest.approx([0.0, 15.0, 30.0, 45.0], abs=EXACT)


def test_a_call_that_takes_longer_than_the_interval_is_not_joined_by_another() -> None:
    work = worked(70.0, lasts=lambda number: 20.0 if number == 1 else 0.1)
    assert work.begun == pytest.approx([0.0, 15.0, 45.0, 60.0], abs=EXACT)
    assert work.most_running == 1


def test_runs_due_during_a_stall_are_done_once() -> None:
    work = worked(100.0, event=(29.0, lambda time: time.loop.stall(50.0)))
    assert work.begun == pytest.approx([0.0, 15.0, 79.0, 90.0], abs=EXACT)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_setting_the_wall_clock_changes_nothing(step: float) -> None:
    work = worked(50.0, event=(20.0, lambda time: time.set_wall(step)))
    assert work.begun == pytest.approx([0.0, 15.0, 30.0, 45.0], abs=EXACT)


def test_one_that_fails_is_logged_with_its_name_and_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    work = worked(40.0, fails=lambda number: number < 2)
    assert work.done == pytest.approx([30.1], abs=EXACT)
    logged = [(record.getMessage(), record.__dict__["job"]) for record in caplog.records]
    assert logged == [("periodic job failed: a bug in the exporter", "work 0")]
    assert all(record.exc_info and record.exc_info[0] is ValueError for record in caplog.records)


def test_one_that_hangs_or_fails_does_not_keep_others_from_running() -> None:
    async def scenario(record: Recorder, time: VirtualTime) -> None:
        hangs, fails, works = Work(time, lambda _: 1e6), Work(time, fails=lambda _: True), Work(time)
        schedule = schedule_of(record, hangs, fails, works)
        schedule.start()
        await asyncio.sleep(50.0)
        await schedule.stop(grace=0.0)
        assert len(hangs.begun) == 1
        assert len(works.begun) == len(fails.begun) == 4

    simulate(scenario)


def test_it_is_not_counted_as_a_probe_and_does_not_wait_for_one() -> None:
    target = make_target("t", interval=20.0, timeout=9.0)

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = schedule_of(record, Work(time, lambda _: 100.0), targets=(target,))
        schedule.start()
        await asyncio.sleep(60.0)
        await schedule.stop(grace=1e3)

    record = simulate(scenario, lambda *_: Probe(lasts=5.0))
    assert record.starts("t") == pytest.approx(due_runs(target, 60.0), abs=EXACT)
    assert len(record.lags) == len(record.outcomes) == len(record.begun)
    assert record.skips == []


def test_a_schedule_that_runs_jobs_but_no_probes_is_unhealthy() -> None:
    targets = (make_target("hog", host="a", interval=86_400.0), make_target("t", host="b", interval=4.0))

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        work = Work(time)
        schedule = schedule_of(record, work, targets=targets)
        schedule.start()
        await asyncio.sleep(100.0)
        assert not schedule.healthy
        assert len(work.done) == 7
        await schedule.stop(grace=0.0)

    simulate(scenario, lambda name, _: Probe(lasts=1e5 if name == "hog" else 0.1))


def test_one_that_runs_is_cancelled_by_the_stop_once_the_probes_have_ended() -> None:
    target = make_target("t", interval=100.0, timeout=9.0)

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        work = Work(time, lambda _: 40.0)
        schedule = schedule_of(record, work, targets=(target,))
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.stop(grace=20.0)
        assert time() == pytest.approx(8.0, abs=EXACT)
        assert (work.running, work.done) == (0, [])
        await asyncio.sleep(3 * EVERY)
        assert len(work.begun) == 1

    simulate(scenario, lambda *_: Probe(lasts=8.0))


def test_the_stop_waits_until_one_that_it_cancels_has_cleaned_up() -> None:
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        try:
            await asyncio.sleep(40.0)
        finally:
            await asyncio.sleep(0.5)
            cleaned = True

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = Schedule(
            [],
            record.probe,
            observers=[],
            listener=record,
            max_concurrent_probes=1,
            jobs=[PeriodicJob("work", EVERY, work)],
            clock=time.clock(),
        )
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.stop(grace=0.0)
        assert cleaned

    simulate(scenario)


@pytest.mark.parametrize("turns", range(8))
def test_none_begins_after_the_stop_however_soon_it_comes(turns: int) -> None:
    """From the wake-up to the first step take several turns of the loop; a stop may come after each."""

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        work = Work(time, lambda number: 0.1 if number == 0 else 50.0)
        schedule = schedule_of(record, work)
        schedule.start()
        await asyncio.sleep(EVERY - 0.5)
        time.loop.stall(0.6)
        for _ in range(turns):
            await asyncio.sleep(0)
        await schedule.stop(grace=15.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert work.running == 0
        begun = len(work.begun)
        await asyncio.sleep(3 * EVERY)
        assert len(work.begun) == begun <= 2

    simulate(scenario)


def test_other_jobs_replace_those_of_before_and_one_of_the_same_interval_keeps_its_phase() -> None:
    async def scenario(record: Recorder, time: VirtualTime) -> None:
        stays, renewed, goes, slower, comes = (Work(time) for _ in range(5))
        schedule = schedule_of(record, stays, goes, slower)
        schedule.start()
        await asyncio.sleep(20.0)
        schedule.replace_jobs([
            PeriodicJob("work 0", EVERY, renewed),
            PeriodicJob("work 2", 2 * EVERY, slower),
            PeriodicJob("work 3", EVERY, comes, first_after=1.0),
        ])  # fmt: skip
        await asyncio.sleep(20.0)
        await schedule.stop(grace=0.0)
        assert stays.begun == pytest.approx([0.0, 15.0], abs=EXACT)
        assert renewed.begun == pytest.approx([30.0], abs=EXACT)
        assert goes.begun == pytest.approx([0.0, 15.0], abs=EXACT)
        assert slower.begun == pytest.approx([0.0, 15.0, 20.0], abs=EXACT)
        assert comes.begun == pytest.approx([21.0, 36.0], abs=EXACT)

    simulate(scenario)
