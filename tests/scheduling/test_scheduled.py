"""What the schedule tells of itself: when a target is probed next, and until when it is held back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from scheduling.stage import EXACT, QUICK, Act, due_slots, make_target, perform
from scheduling.virtual_time import EPOCH

from exporter.reasons import Reason
from exporter.scheduling import ScheduledProbe
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from scheduling.stage import Stage
    from scheduling.virtual_time import VirtualTime


def plans_after(
    targets: Sequence[Target],
    seconds: float,
    *,
    script: Callable[[str, int], Act] = lambda _name, _number: QUICK,
    stopped: bool = False,
    wall_step: float = 0.0,
) -> dict[str, ScheduledProbe]:
    """Return what is planned so many seconds after the start."""
    found: dict[str, ScheduledProbe] = {}

    async def scene(stage: Stage, time: VirtualTime) -> None:
        schedule = stage.schedule(targets)
        schedule.start()
        await asyncio.sleep(seconds)
        time.set_wall(wall_step)
        if stopped:
            await schedule.stop(grace=1e6)
        found.update({plan.target.name: plan for plan in schedule.scheduled()})
        await schedule.stop(grace=1e6)

    perform(scene, script)
    return found


def test_the_next_run_is_the_next_due_slot() -> None:
    target = make_target("t", interval=60.0)
    plan = plans_after([target], 100.0)["t"]
    following = next(slot for slot in due_slots(target, 400.0) if slot > 100.0)
    assert plan.next_run == pytest.approx(EPOCH + following, abs=EXACT)
    assert plan.backoff_until is None
    assert (plan.target, plan.journey) == (target, Journey.AUTHORIZE)


def test_while_it_is_held_back_the_next_run_is_the_first_one_after_that() -> None:
    target = make_target("t", interval=10.0)
    refusal = Act(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=45.0)
    plan = plans_after([target], 20.0, script=lambda _, number: QUICK if number else refusal)["t"]
    following = next(slot for slot in due_slots(target, 400.0) if slot > 46.0)
    assert plan.backoff_until == pytest.approx(EPOCH + 46.0, abs=EXACT)
    assert plan.next_run == pytest.approx(EPOCH + following, abs=EXACT)


def test_a_hold_that_is_over_is_not_told() -> None:
    refusal = Act(reason=Reason.RATE_LIMITED, retry_after=5.0)
    script = lambda _name, number: QUICK if number else refusal  # noqa: E731  as short as it is used once
    assert plans_after([make_target("t")], 20.0, script=script)["t"].backoff_until is None


def test_times_are_told_by_the_wall_clock_even_when_it_was_set() -> None:
    target = make_target("t", interval=60.0)
    before = plans_after([target], 100.0)["t"].next_run
    after = plans_after([target], 100.0, wall_step=3600.0)["t"].next_run
    assert before is not None
    assert after == pytest.approx(before + 3600.0, abs=EXACT)


def test_one_target_can_be_asked_for_by_its_name() -> None:
    found: list[str] = []

    async def scene(stage: Stage, _: VirtualTime) -> None:
        schedule = stage.schedule([make_target("a"), make_target("b")])
        schedule.start()
        for name in ("b", "nobody"):
            found.extend(plan.target.name for plan in schedule.scheduled(name))
        await schedule.stop(grace=1e6)

    perform(scene)
    assert found == ["b"]


def test_what_has_stopped_plans_nothing_more_but_still_tells_its_targets() -> None:
    plans = plans_after([make_target("a"), make_target("b")], 1.0, stopped=True)
    assert {name: plan.next_run for name, plan in plans.items()} == {"a": None, "b": None}
