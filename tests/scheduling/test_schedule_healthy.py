"""Healthy means that due slots are started, or rightly refused, not too long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from scheduling.stage import Act, due_slots, make_target, perform

from exporter.outcome import SkipCause
from exporter.reasons import Reason
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.stage import Stage
    from scheduling.virtual_time import VirtualTime


def health(
    targets: list[Target],
    seconds: int,
    *,
    script: Callable[[str, int], Act] = lambda *_: Act(),
    limit: int = 100,
) -> tuple[Stage, list[bool]]:
    """Ask each second whether a schedule is healthy."""
    answers: list[bool] = []

    async def scene(stage: Stage, _: VirtualTime) -> None:
        schedule = stage.schedule(targets, limit=limit)
        schedule.start()
        for _second in range(seconds):
            await asyncio.sleep(1.0)
            answers.append(schedule.healthy)
        await schedule.stop(grace=0.0)

    return perform(scene, script), answers


def test_it_is_healthy_while_probes_are_started() -> None:
    assert all(health([make_target("t")], 600)[1])


def test_a_schedule_of_no_targets_stays_healthy() -> None:
    """A shard may have got none; a kubelet would otherwise restart it for ever."""
    assert all(health([], 600)[1])


def test_it_is_healthy_while_everything_is_refused_since_the_last_probe_still_runs() -> None:
    stage, answers = health([make_target("t", interval=10.0)], 600, script=lambda *_: Act(lasts=1e4))
    assert len(stage.begun) == 1
    assert stage.skipped_count(SkipCause.OVERRUN) > 50
    assert all(answers)


def test_it_is_healthy_while_everything_is_held_back() -> None:
    refusal = Act(reason=Reason.RATE_LIMITED, retry_after=300.0)
    stage, answers = health([make_target("t", interval=10.0)], 300, script=lambda *_: refusal)
    assert stage.skipped_count(SkipCause.BACKOFF) > 25
    assert all(answers)


def test_what_waits_in_vain_for_a_place_is_no_progress() -> None:
    """One probe that never ends has the only place; its own next slot is an hour away."""
    hog = make_target("hog", host="a", interval=86_400.0)
    stage, answers = health(
        [hog, make_target("t", host="b", interval=4.0)],
        60,
        limit=1,
        script=lambda name, _: Act(lasts=1e5 if name == "hog" else 0.1),
    )
    assert [note.target for note in stage.begun] == ["hog"]
    assert stage.skipped_count(SkipCause.MISSED, "t") > 10
    assert answers == [second <= 30 for second in range(1, 61)]


@pytest.mark.parametrize(("interval", "within"), [(1.0, 30.0), (10.0, 30.0), (20.0, 60.0), (60.0, 180.0)])
def test_it_is_unhealthy_after_three_of_the_shortest_interval_but_at_least_30_s_without_progress(
    interval: float, within: float
) -> None:
    async def scene(stage: Stage, time: VirtualTime) -> None:
        targets = [make_target("short", interval=interval, timeout=0.5), make_target("long", interval=500.0)]
        schedule = stage.schedule(targets)
        schedule.start()
        await asyncio.sleep(200.0)
        progress = max(note.at for note in stage.begun)
        time.loop.stall(progress + within - 0.01 - time())
        answers = [schedule.healthy]
        time.loop.stall(0.02)
        answers.append(schedule.healthy)
        assert answers == [True, False]
        await schedule.stop(grace=0.0)

    perform(scene)


def test_it_is_unhealthy_when_all_is_missed_and_healthy_again_when_probes_are_started() -> None:
    target = make_target("t", interval=10.0)
    due = due_slots(target, 100.0)

    async def scene(stage: Stage, time: VirtualTime) -> None:
        schedule = stage.schedule([target])
        schedule.start()
        for slot in due[1:7]:
            await asyncio.sleep(slot - 0.5 - time())
            time.loop.stall(6.0)  # the slot was good for 5 s
        await asyncio.sleep(0.1)
        assert stage.skipped_count(SkipCause.MISSED) == 6
        assert len(stage.begun) == 1
        answers = [schedule.healthy]
        await asyncio.sleep(due[7] + 0.1 - time())
        assert len(stage.begun) == 2
        answers.append(schedule.healthy)
        assert answers == [False, True]
        await schedule.stop(grace=0.0)

    perform(scene)


def test_it_is_healthy_before_its_first_probe_could_be_due() -> None:
    async def scene(stage: Stage, _: VirtualTime) -> None:
        assert stage.schedule([make_target("t")]).healthy

    perform(scene)
