"""Chores are done again and again beside the probes, and leave no trace in their books."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from scheduling.stage import EXACT, perform

from exporter.scheduling import Chore, Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scheduling.stage import Stage
    from scheduling.virtual_time import VirtualTime

EVERY = 10.0


def scheduled(stage: Stage, do: Callable[[], Awaitable[None]]) -> Schedule:
    """Return a schedule of no targets and one chore."""
    chores = [Chore(name="chore", interval=EVERY, do=do)]
    return Schedule(
        [], stage.probe, observers=[stage], watcher=stage, places=1, chores=chores, clock=stage.time.clock()
    )


def done(seconds: float, *, lasts: float = 0.0, error: Exception | None = None) -> tuple[Stage, list[float]]:
    """Run a schedule with a chore for so long; return when it was begun."""
    begun: list[float] = []

    async def scene(stage: Stage, time: VirtualTime) -> None:
        async def do() -> None:
            begun.append(time())
            await asyncio.sleep(lasts)
            if error is not None:
                raise error

        schedule = scheduled(stage, do)
        schedule.start()
        await asyncio.sleep(seconds)
        await schedule.stop(grace=0.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    return perform(scene), begun


def test_a_chore_is_done_at_the_start_and_at_each_interval() -> None:
    stage, begun = done(45.0)
    assert begun == pytest.approx([0.0, 10.0, 20.0, 30.0, 40.0], abs=EXACT)
    assert (stage.begun, stage.skips, stage.lags) == ([], [], [])


def test_a_chore_that_still_runs_is_not_begun_a_second_time() -> None:
    assert done(60.0, lasts=24.0)[1] == pytest.approx([0.0, 30.0], abs=EXACT)


def test_a_chore_that_fails_is_logged_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        begun = done(25.0, error=ValueError("a bug"))[1]
    assert begun == pytest.approx([0.0, 10.0, 20.0], abs=EXACT)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a bug"] * 3


def test_a_chore_under_way_is_ended_by_the_stop() -> None:
    assert done(45.0, lasts=1e6)[1] == pytest.approx([0.0], abs=EXACT)


@pytest.mark.parametrize("turns", range(12))
def test_a_stop_leaves_no_chore_behind_however_soon_it_comes_after_the_wake(turns: int) -> None:
    async def scene(stage: Stage, time: VirtualTime) -> None:
        async def do() -> None:
            await asyncio.sleep(1.0)

        schedule = scheduled(stage, do)
        schedule.start()
        await asyncio.sleep(5.0)
        woken = asyncio.Event()
        time.on_wall_read = lambda _: woken.set() if time() > EVERY - 0.001 else None
        await woken.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        await schedule.stop(grace=0.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    perform(scene)
