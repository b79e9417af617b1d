"""A stop starts nothing more, lets finish what runs within the grace, and accounts for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from scheduling.recorder import EXACT, Probe, due_runs, make_target, simulate

from exporter.outcome import SkipCause
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.recorder import Recorder
    from scheduling.virtual_time import VirtualTime


INTERVAL = 20.0


def targets(*names: str) -> list[Target]:
    """Return targets that all probe for the first time at 0."""
    return [make_target(name, host=name, interval=INTERVAL, timeout=9.0) for name in names]


def stopped(
    *names: str, after: float, grace: float, script: Callable[[str, int], Probe], limit: int = 100
) -> tuple[Recorder, float]:
    """Run a schedule, stop it after so long, wait a while longer; return how long the stop took, too."""
    took = 0.0

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        nonlocal took
        schedule = record.schedule(targets(*names), limit=limit)
        schedule.start()
        await asyncio.sleep(after)
        began = time()
        await schedule.stop(grace)
        took = time() - began
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(3 * INTERVAL)

    return simulate(scenario, script), took


def test_a_running_probe_may_end_within_the_grace_and_is_observed() -> None:
    record, took = stopped("t", after=1.0, grace=15.0, script=lambda *_: Probe(lasts=5.0))
    assert took == pytest.approx(4.0, abs=EXACT)
    assert [at for at, _ in record.outcomes] == pytest.approx([5.0], abs=EXACT)
    assert record.skips == []
    assert record.in_flight == 0


def test_a_probe_that_does_not_end_within_the_grace_is_cancelled_and_counted_once() -> None:
    lasting = {"brief": 2.0, "long": 9.0}
    record, took = stopped(
        "brief", "long", after=1.0, grace=3.0, script=lambda name, _: Probe(lasts=lasting[name])
    )
    assert took == pytest.approx(3.0, abs=EXACT)
    assert [outcome.target for _, outcome in record.outcomes] == ["brief"]
    assert [(skip.target, skip.cause, skip.count) for skip in record.skips] == [
        ("long", SkipCause.CANCELLED, 1)
    ]
    assert record.in_flight == 0


def test_probes_that_the_stop_cancels_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    lasting = {"brief": 2.0, "long": 9.0, "longer": 99.0}
    stopped(*lasting, after=1.0, grace=3.0, script=lambda name, _: Probe(lasts=lasting[name]))
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "WARNING",
        "probes cancelled: still running after the grace period",
    )
    assert vars(record)["targets"] == "long,longer"


def test_without_grace_all_probes_are_cancelled_at_once() -> None:
    record, took = stopped("a", "b", after=1.0, grace=0.0, script=lambda *_: Probe(lasts=5.0))
    assert took == pytest.approx(0.0, abs=EXACT)
    assert record.outcomes == []
    assert sorted(skip.target for skip in record.skips if skip.cause is SkipCause.CANCELLED) == ["a", "b"]


def test_nothing_starts_while_it_drains_or_afterwards() -> None:
    lasting = {"draining": 8.0, "brief": 0.1}
    record, _ = stopped(
        "draining", "brief", after=1.0, grace=15.0, script=lambda name, _: Probe(lasts=lasting[name])
    )
    assert sorted(note.target for note in record.begun) == ["brief", "draining"]
    assert record.skips == []


def test_waiting_runs_are_cancelled_at_once() -> None:
    record, took = stopped("a", "b", "c", after=1.0, grace=15.0, limit=1, script=lambda *_: Probe(lasts=5.0))
    assert took == pytest.approx(4.0, abs=EXACT)
    assert [note.target for note in record.begun] == ["a"]
    assert [outcome.target for _, outcome in record.outcomes] == ["a"]
    cancelled = [(skip.target, skip.cause, skip.count) for skip in record.skips]
    assert sorted(cancelled) == [("b", SkipCause.CANCELLED, 1), ("c", SkipCause.CANCELLED, 1)]
    assert [skip.at for skip in record.skips] == pytest.approx([1.0, 1.0], abs=EXACT)


@pytest.mark.parametrize("turns", range(12))
def test_a_due_run_is_accounted_for_however_soon_the_stop_comes(turns: int) -> None:
    """From the wake-up to the first step take several turns of the loop; a stop may come after each."""
    target = targets("t")[0]
    second = due_runs(target, 100.0)[1]

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule([target])
        schedule.start()
        await asyncio.sleep(second - 0.5)
        time.loop.stall(0.6)
        for _ in range(turns):
            await asyncio.sleep(0)
        await schedule.stop(grace=15.0)

    record = simulate(scenario)
    assert len(record.begun) + record.skipped_count(SkipCause.CANCELLED) == 2
    assert len(record.outcomes) == len(record.begun)
    assert len(record.skips) == record.skipped_count(SkipCause.CANCELLED)


def test_runs_that_were_due_while_the_loop_stalled_before_the_stop_are_accounted_for() -> None:
    target = targets("t")[0]
    due = due_runs(target, 200.0)

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule([target])
        schedule.start()
        await asyncio.sleep(due[3] - 1.0)
        time.loop.stall(due[6] - due[3] + 2.0)
        await schedule.stop(grace=15.0)

    record = simulate(scenario)
    assert len(record.begun) == 3
    assert record.skipped_count(SkipCause.MISSED) == 3
    assert record.skipped_count(SkipCause.CANCELLED) == 1


def test_a_run_that_was_due_during_a_stall_while_its_probe_runs_is_an_overrun_not_cancelled() -> None:
    target = targets("t")[0]
    due = due_runs(target, 200.0)

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule([target])
        schedule.start()
        await asyncio.sleep(due[3] + 1.0)
        time.loop.stall(due[4] - due[3])
        await schedule.stop(grace=100.0)

    record = simulate(scenario, lambda _, number: Probe(lasts=50.0 if number == 3 else 0.1))
    assert len(record.outcomes) == 4
    assert [(skip.cause, skip.count) for skip in record.skips] == [(SkipCause.OVERRUN, 1)]


def test_a_second_stop_is_harmless() -> None:
    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule(targets("a", "b"), limit=1)
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.stop(grace=1.0)
        await asyncio.sleep(3 * INTERVAL)
        await schedule.stop(grace=1.0)
        await asyncio.sleep(3 * INTERVAL)

    record = simulate(scenario, lambda *_: Probe(lasts=9.0))
    assert [note.target for note in record.begun] == ["a"]
    assert sorted((skip.target, skip.count) for skip in record.skips) == [("a", 1), ("b", 1)]


def test_a_second_stop_with_less_grace_cuts_the_first_one_short() -> None:
    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule(targets("a"))
        schedule.start()
        await asyncio.sleep(1.0)
        first = asyncio.create_task(schedule.stop(grace=15.0))
        await asyncio.sleep(1.0)
        await schedule.stop(grace=0.0)
        await first
        assert time() == pytest.approx(2.0, abs=EXACT)

    record = simulate(scenario, lambda *_: Probe(lasts=9.0))
    assert [(skip.target, skip.cause, skip.count) for skip in record.skips] == [("a", SkipCause.CANCELLED, 1)]


def test_a_schedule_that_was_never_started_may_be_stopped() -> None:
    async def scenario(record: Recorder, _: VirtualTime) -> None:
        await record.schedule(targets("a")).stop(grace=15.0)

    assert simulate(scenario).skips == []


def test_it_is_ready_from_its_start_until_it_is_asked_to_stop() -> None:
    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule(targets("a"))
        ready = [schedule.ready]
        schedule.start()
        ready.append(schedule.ready)
        await asyncio.sleep(1.0)
        stopping = asyncio.create_task(schedule.stop(grace=15.0))
        await asyncio.sleep(1.0)
        ready.append(schedule.ready)
        await stopping
        assert ready == [False, True, False]

    simulate(scenario, lambda *_: Probe(lasts=9.0))
