"""Healthy means that due slots are started, or rightly skipped, not too long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from scheduling.recorder import Probe, due_runs, make_target, simulate

from exporter.outcome import SkipCause
from exporter.reasons import Reason
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.recorder import Recorder
    from scheduling.virtual_time import VirtualTime


def health(
    targets: list[Target],
    seconds: int,
    *,
    script: Callable[[str, int], Probe] = lambda *_: Probe(),
    limit: int = 100,
) -> tuple[Recorder, list[bool]]:
    """Ask each second whether a schedule is healthy."""
    answers: list[bool] = []

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule(targets, limit=limit)
        schedule.start()
        for _second in range(seconds):
            await asyncio.sleep(1.0)
            answers.append(schedule.healthy)
        await schedule.stop(grace=0.0)

    return simulate(scenario, script), answers


def test_it_is_healthy_while_probes_are_started() -> None:
    assert all(health([make_target("t")], 600)[1])


def test_a_schedule_of_no_targets_stays_healthy() -> None:
    """A shard may have got none; a kubelet would otherwise restart it for ever."""
    assert all(health([], 600)[1])


def test_it_is_healthy_while_every_run_is_an_overrun() -> None:
    record, answers = health([make_target("t", interval=10.0)], 600, script=lambda *_: Probe(lasts=1e4))
    assert len(record.begun) == 1
    assert record.skipped_count(SkipCause.OVERRUN) > 50
    assert all(answers)


def test_it_is_healthy_while_everything_backs_off() -> None:
    refusal = Probe(reason=Reason.RATE_LIMITED, retry_after=300.0)
    record, answers = health([make_target("t", interval=10.0)], 300, script=lambda *_: refusal)
    assert record.skipped_count(SkipCause.BACKOFF) > 25
    assert all(answers)


def test_waiting_in_vain_is_not_progress() -> None:
    """One probe never ends, and the limit is one; its own next run is a day away."""
    hog = make_target("hog", host="a", interval=86_400.0)
    record, answers = health(
        [hog, make_target("t", host="b", interval=4.0)],
        60,
        limit=1,
        script=lambda name, _: Probe(lasts=1e5 if name == "hog" else 0.1),
    )
    assert [note.target for note in record.begun] == ["hog"]
    assert record.skipped_count(SkipCause.MISSED, "t") > 10
    assert answers == [second <= 30 for second in range(1, 61)]


@pytest.mark.parametrize(("interval", "within"), [(1.0, 30.0), (10.0, 30.0), (20.0, 60.0), (60.0, 180.0)])
def test_it_is_unhealthy_after_three_of_the_shortest_interval_but_at_least_30_s_without_progress(
    interval: float, within: float
) -> None:
    async def scenario(record: Recorder, time: VirtualTime) -> None:
        targets = [make_target("short", interval=interval, timeout=0.5), make_target("long", interval=500.0)]
        schedule = record.schedule(targets)
        schedule.start()
        await asyncio.sleep(200.0)
        progress = max(note.at for note in record.begun)
        time.loop.stall(progress + within - 0.01 - time())
        answers = [schedule.healthy]
        time.loop.stall(0.02)
        answers.append(schedule.healthy)
        assert answers == [True, False]
        await schedule.stop(grace=0.0)

    simulate(scenario)


def test_it_is_unhealthy_while_every_run_is_missed_and_healthy_when_probes_start_again() -> None:
    target = make_target("t", interval=10.0)
    due = due_runs(target, 100.0)

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule([target])
        schedule.start()
        for run in due[1:7]:
            await asyncio.sleep(run - 0.5 - time())
            time.loop.stall(6.0)  # the run was good for 5 s
        await asyncio.sleep(0.1)
        assert record.skipped_count(SkipCause.MISSED) == 6
        assert len(record.begun) == 1
        answers = [schedule.healthy]
        await asyncio.sleep(due[7] + 0.1 - time())
        assert len(record.begun) == 2
        answers.append(schedule.healthy)
        assert answers == [False, True]
        await schedule.stop(grace=0.0)

    simulate(scenario)


def test_it_is_healthy_before_its_first_probe_could_be_due() -> None:
    async def scenario(record: Recorder, _: VirtualTime) -> None:
        assert record.schedule([make_target("t")]).healthy

    simulate(scenario)
