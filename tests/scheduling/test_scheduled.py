"""What the schedule reports: when a target is probed next, and until when it backs off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pytest
from scheduling.recorder import EXACT, QUICK, Probe, due_runs, make_target, simulate
from scheduling.virtual_time import EPOCH

from exporter.reasons import Reason
from exporter.scheduling import Schedule
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from scheduling.recorder import Recorder
    from scheduling.virtual_time import VirtualTime


class Plan(NamedTuple):
    """What is planned for a target."""

    next_run: float | None
    backoff_until: float | None


def plan_of(schedule: Schedule, target: Target) -> Plan:
    probe = target, Journey.AUTHORIZE
    return Plan(schedule.next_run(*probe), schedule.backoff_until(*probe))


def plans_after(
    targets: Sequence[Target],
    seconds: float,
    *,
    script: Callable[[str, int], Probe] = lambda _name, _number: QUICK,
    stopped: bool = False,
    wall_step: float = 0.0,
) -> dict[str, Plan]:
    """Return what is planned so many seconds after the start."""
    found: dict[str, Plan] = {}

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule(targets)
        schedule.start()
        await asyncio.sleep(seconds)
        time.set_wall(wall_step)
        if stopped:
            await schedule.stop(grace=1e6)
        found.update({target.name: plan_of(schedule, target) for target in targets})
        await schedule.stop(grace=1e6)

    simulate(scenario, script)
    return found


def test_the_next_run_is_the_next_due_one() -> None:
    target = make_target("t", interval=60.0)
    plan = plans_after([target], 100.0)["t"]
    following = next(run for run in due_runs(target, 400.0) if run > 100.0)
    assert plan.next_run == pytest.approx(EPOCH + following, abs=EXACT)
    assert plan.backoff_until is None


def test_during_a_backoff_the_next_run_is_the_first_one_after_it() -> None:
    target = make_target("t", interval=10.0)
    refusal = Probe(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=45.0)
    plan = plans_after([target], 20.0, script=lambda _, number: QUICK if number else refusal)["t"]
    following = next(run for run in due_runs(target, 400.0) if run > 46.0)
    assert plan.backoff_until == pytest.approx(EPOCH + 46.0, abs=EXACT)
    assert plan.next_run == pytest.approx(EPOCH + following, abs=EXACT)


def test_a_new_target_begins_with_its_first_regular_run_if_its_environment_backs_off() -> None:
    found: list[Plan] = []
    refused, new, later = (make_target(name, interval=60.0) for name in ("refused", "new", "later"))

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule([refused])
        schedule.start()
        await asyncio.sleep(2.0)
        await schedule.reconfigure([refused, new, later], max_concurrent_probes=100)
        found.append(plan_of(schedule, later))  # its first probe is a moment away
        await schedule.stop(grace=1e6)

    simulate(scenario, lambda *_: Probe(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=5.0))
    (plan,) = found
    assert plan.backoff_until == pytest.approx(EPOCH + 6.0, abs=EXACT)
    assert plan.next_run is not None
    assert 6.0 < plan.next_run - EPOCH < 2.0 + later.authorize.timeout + later.authorize.interval + 1.0


def test_a_backoff_that_is_over_is_not_reported() -> None:
    refusal = Probe(reason=Reason.RATE_LIMITED, retry_after=5.0)
    script = lambda _name, number: QUICK if number else refusal  # noqa: E731  as short as it is used once
    assert plans_after([make_target("t")], 20.0, script=script)["t"].backoff_until is None


def test_times_are_by_the_wall_clock_even_if_it_was_set() -> None:
    target = make_target("t", interval=60.0)
    before = plans_after([target], 100.0)["t"].next_run
    after = plans_after([target], 100.0, wall_step=3600.0)["t"].next_run
    assert before is not None
    assert after == pytest.approx(before + 3600.0, abs=EXACT)


def test_an_unknown_target_has_no_next_run() -> None:
    found: list[Plan] = []

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule([make_target("a")])
        schedule.start()
        found.append(plan_of(schedule, make_target("unknown")))
        await schedule.stop(grace=1e6)

    simulate(scenario)
    assert found == [Plan(None, None)]


def test_a_stopped_schedule_reports_its_targets_without_a_next_run() -> None:
    plans = plans_after([make_target("a"), make_target("b")], 1.0, stopped=True)
    assert {name: plan.next_run for name, plan in plans.items()} == {"a": None, "b": None}
