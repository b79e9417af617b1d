"""A process that was stopped, by SIGSTOP or with its machine, accounts for each run and starts no burst."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from scheduling.recorder import due_runs, make_target, simulate

if TYPE_CHECKING:
    from scheduling.recorder import Recorder
    from scheduling.virtual_time import VirtualTime

TARGETS = [make_target(f"t{n}", host=f"h{n}", interval=5.0 + n, timeout=2.0) for n in range(10)]
STOPPED_AT = 60.2
SECOND = 1.0


@pytest.mark.parametrize("seconds", [1.0, 30.0, 600.0])
@pytest.mark.parametrize("clock_goes_on", [True, False], ids=["stopped", "suspended"])
def test_after_a_stop_each_run_is_accounted_for_and_none_is_repeated(
    seconds: float, *, clock_goes_on: bool
) -> None:
    """While a machine is suspended the monotonic clock stands still: afterwards the wall clock is ahead."""
    end = STOPPED_AT + (seconds if clock_goes_on else 0.0)
    healthy: list[bool] = []

    def stop(time: VirtualTime) -> None:
        if clock_goes_on:
            time.loop.stall(seconds)
        else:
            time.set_wall(seconds)

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule(TARGETS)
        schedule.start()
        time.loop.call_at(STOPPED_AT, stop, time)
        await asyncio.sleep(end + SECOND - time())
        healthy.append(schedule.healthy)
        await asyncio.sleep(60.0)
        await schedule.stop(grace=1e6)

    record = simulate(scenario)
    for target in TARGETS:
        due, starts = due_runs(target, end + SECOND + 60.0), record.starts(target.name)
        skipped = sum(skip.count for skip in record.skips if skip.target == target.name)
        assert len(starts) + skipped == len(due)
        assert sum(end <= start < end + SECOND for start in starts) <= 1, "no run is caught up on twice"
        assert starts[-1] == pytest.approx(due[-1], abs=1e-3), "it is at its usual times again"
    assert record.twice_at_once == []
    assert healthy == [True]
