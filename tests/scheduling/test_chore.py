"""A chore is done again and again beside the probes, one at a time, and ends with the schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from scheduling.stage import EXACT, Act, Stage, due_slots, make_target, perform
from scheduling.virtual_time import EPOCH

from exporter.scheduling import PeriodicJob, Schedule
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


EVERY = 15.1
"""Seconds. No multiple of the quarter of a second at which the wall clock is looked at."""


@dataclass(slots=True)
class Labour:
    """What a chore does, told by its beginnings and ends.

    Args:
        time: seconds since the beginning.
        lasts: seconds that the n-th time takes, from 0.
        fails: whether the n-th time ends in an error.
    """

    time: Callable[[], float]
    lasts: Callable[[int], float] = lambda _: 0.1
    fails: Callable[[int], bool] = lambda _: False
    begun: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self) -> None:
        """Do it once."""
        number = len(self.begun)
        self.begun.append(self.time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.lasts(number))
        finally:
            self.at_once -= 1
        if self.fails(number):
            raise ValueError("a bug")
        self.done.append(self.time())


def with_chores(stage: Stage, *labours: Labour, targets: tuple[Target, ...] = ()) -> Schedule:
    """Return a schedule that does each labour again and again, beside the probes of `targets`."""
    return Schedule(
        targets,
        stage.probe,
        observers=[stage],
        watcher=stage,
        places=1,
        chores=[PeriodicJob(f"labour {n}", EVERY, labour) for n, labour in enumerate(labours)],
        clock=stage.time.clock(),
    )


def laboured(
    seconds: float,
    *,
    lasts: Callable[[int], float] = lambda _: 0.1,
    fails: Callable[[int], bool] = lambda _: False,
    cue: tuple[float, Callable[[VirtualTime], None]] | None = None,
) -> Labour:
    """Do one chore, without any target, for so many seconds; return what it told."""
    labours: list[Labour] = []

    async def scene(stage: Stage, time: VirtualTime) -> None:
        labours.append(Labour(time, lasts, fails))
        schedule = with_chores(stage, *labours)
        schedule.start()
        if cue is not None:
            at, act = cue
            time.loop.call_at(at, act, time)
        await asyncio.sleep(seconds)
        await schedule.stop(grace=0.0)
        await asyncio.sleep(3 * EVERY)

    perform(scene)
    return labours[0]


def slots(until: float) -> list[float]:
    """Return when a chore is due: at once, and then on each multiple of its interval in wall time."""
    first = EVERY - EPOCH % EVERY
    regular = [first + n * EVERY for n in range(int(until))]
    return [0.0, *(at for at in regular if EVERY / 2 <= at < until)]


def test_a_chore_is_done_at_once_and_then_every_interval() -> None:
    labour = laboured(100.0)
    assert labour.begun == pytest.approx(slots(100.0), abs=EXACT)
    assert len(labour.begun) >= 6


def test_a_chore_that_takes_longer_than_its_interval_is_never_done_twice_at_once() -> None:
    labour = laboured(100.0, lasts=lambda number: 20.0 if number == 1 else 0.1)
    due = slots(100.0)
    assert labour.most_at_once == 1
    assert labour.begun == pytest.approx([*due[:2], *due[3:]], abs=EXACT)


def test_what_was_due_while_the_loop_stood_still_is_done_once_not_made_up_for() -> None:
    due = slots(200.0)
    labour = laboured(200.0, cue=(due[2] - 1.0, lambda time: time.loop.stall(due[6] - due[2] + 2.0)))
    assert labour.begun == pytest.approx([*due[:2], due[6] + 1.0, *due[7:]], abs=EXACT)


def test_a_wall_clock_set_by_an_hour_neither_stops_nor_storms_a_chore() -> None:
    for step in (3600.0, -3600.0):
        labour = laboured(100.0, cue=(40.0, lambda time, step=step: time.set_wall(step)))  # type: ignore[misc]
        assert labour.begun == pytest.approx(slots(100.0), abs=0.3)


def test_a_chore_that_fails_is_logged_with_its_name_and_done_again_when_it_is_due(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    labour = laboured(50.0, fails=lambda number: number < 2)
    assert labour.begun == pytest.approx(slots(50.0), abs=EXACT)
    assert labour.done == pytest.approx([at + 0.1 for at in labour.begun[2:]], abs=EXACT)
    assert labour.done
    logged = [(record.getMessage(), record.__dict__["chore"], record.exc_info) for record in caplog.records]
    assert [(message, name) for message, name, _ in logged] == [
        ("chore failed by our own fault", "labour 0")
    ] * 2
    assert all(error is not None and error[0] is ValueError for _, _, error in logged)


def test_one_chore_that_hangs_or_fails_keeps_no_other_one_from_being_done() -> None:
    async def scene(stage: Stage, time: VirtualTime) -> None:
        hangs = Labour(time, lambda _: 1e6)
        fails = Labour(time, fails=lambda _: True)
        well = Labour(time)
        schedule = with_chores(stage, hangs, fails, well)
        schedule.start()
        await asyncio.sleep(100.0)
        await schedule.stop(grace=0.0)
        assert len(hangs.begun) == 1
        assert well.begun == fails.begun == pytest.approx(slots(100.0), abs=EXACT)

    perform(scene)


def test_a_chore_is_no_probe() -> None:
    """It takes nobody's place, is not counted, not skipped, and says nothing about health."""
    target = make_target("t", interval=20.0, timeout=9.0)

    async def scene(stage: Stage, time: VirtualTime) -> None:
        labour = Labour(time, lambda number: 100.0 if number == 0 else 0.1)
        schedule = with_chores(stage, labour, targets=(target,))
        schedule.start()
        await asyncio.sleep(60.0)
        await schedule.stop(grace=1e3)
        assert len(labour.begun) == 1

    stage = perform(scene, lambda *_: Act(lasts=5.0))
    assert stage.starts("t") == pytest.approx(due_slots(target, 60.0), abs=EXACT)
    assert len(stage.lags) == len(stage.outcomes) == len(stage.begun)
    assert stage.skips == []
    assert stage.most_in_flight == 1


def test_a_schedule_whose_chores_are_done_but_whose_probes_are_not_is_not_healthy() -> None:
    target = make_target("t", interval=1000.0, timeout=9.0)

    async def scene(stage: Stage, time: VirtualTime) -> None:
        labour = Labour(time)
        schedule = with_chores(stage, labour, targets=(target,))
        schedule.tick = lambda entry: None  # type: ignore[method-assign]  # noqa: ARG005  nobody is probed any more
        schedule.start()
        await asyncio.sleep(2990.0)
        healthy = [schedule.healthy]
        await asyncio.sleep(20.0)
        healthy.append(schedule.healthy)
        await schedule.stop(grace=0.0)
        assert healthy == [True, False]
        assert len(labour.done) > 100

    perform(scene)


def test_a_chore_under_way_is_cancelled_by_the_stop_once_the_probes_have_ended() -> None:
    target = make_target("t", interval=100.0, timeout=9.0)

    async def scene(stage: Stage, time: VirtualTime) -> None:
        labour = Labour(time, lambda _: 40.0)
        schedule = with_chores(stage, labour, targets=(target,))
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.stop(grace=20.0)
        assert time() == pytest.approx(8.0, abs=EXACT)
        assert labour.at_once == 0
        assert labour.done == []
        await schedule.stop(grace=20.0)
        await asyncio.sleep(3 * EVERY)
        assert len(labour.begun) == 1

    perform(scene, lambda *_: Act(lasts=8.0))


def test_a_schedule_that_is_stopped_before_anything_was_due_began_no_chore() -> None:
    async def scene(stage: Stage, time: VirtualTime) -> None:
        labour = Labour(time)
        schedule = with_chores(stage, labour)
        schedule.start()
        await schedule.stop(grace=15.0)
        await asyncio.sleep(3 * EVERY)
        assert labour.begun == []

    perform(scene)


@pytest.mark.parametrize("turns", range(12))
def test_no_chore_is_begun_after_the_stop_however_soon_it_comes(turns: int) -> None:
    """From the wake to the chore's first step take several turns of the loop; a stop may come after each."""
    second = slots(100.0)[1]

    async def scene(stage: Stage, time: VirtualTime) -> None:
        labour = Labour(time, lambda number: 0.1 if number == 0 else 50.0)
        schedule = with_chores(stage, labour)
        schedule.start()
        woken = asyncio.Event()
        # Whoever wakes the schedule asks the wall clock first whether it is time.
        time.on_wall_read = lambda _: woken.set() if time() > second - 0.001 else None
        await woken.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        await schedule.stop(grace=15.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert labour.at_once == 0
        begun = len(labour.begun)
        await asyncio.sleep(3 * EVERY)
        assert len(labour.begun) == begun <= 2

    perform(scene)
