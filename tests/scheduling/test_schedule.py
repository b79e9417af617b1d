"""Each due run starts once, at its time, one at a time per target; outcomes reach all observers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from scheduling.recorder import EXACT, Probe, Recorder, due_runs, make_target, run_schedule, simulate
from scheduling.virtual_time import EPOCH

from exporter.internal_errors import InternalErrors, Part
from exporter.outcome import Observer, Outcome, SkipCause
from exporter.reasons import Reason
from exporter.scheduling import FIRST_PROBE_SPACING, PeriodicJob, Schedule

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


def stall(seconds: float) -> Callable[[VirtualTime], None]:
    """Return an event that stalls the whole loop for so long."""
    return lambda time: time.loop.stall(seconds)


def test_first_probes_begin_at_once_across_hosts_and_50_ms_apart_on_one() -> None:
    hosts = {"a": "one", "b": "two", "c": "one", "d": "one", "e": "two", "f": "three"}
    record = run_schedule([make_target(name, host=host) for name, host in hosts.items()], 1.0)
    assert {note.target: note.at for note in record.begun} == pytest.approx(
        {"a": 0.0, "b": 0.0, "c": 0.05, "d": 0.1, "e": 0.05, "f": 0.0}, abs=EXACT
    )


def test_after_its_first_probe_a_target_keeps_its_phase() -> None:
    targets = [make_target(f"t{n}", interval=10.0 + n, timeout=3.0) for n in range(8)]
    record = run_schedule(targets, 300.0)
    for number, target in enumerate(targets):
        due = due_runs(target, 300.0, first=0.05 * number)
        assert record.starts(target.name) == pytest.approx(due, abs=EXACT)
        assert len(due) > 15
    assert record.skips == []


def test_the_phase_is_that_of_wall_time_whenever_the_daemon_is_started() -> None:
    """Two replicas, or one that is restarted, probe at the same moments of the day."""
    target = make_target("workforce", interval=30.0)

    async def late(record: Recorder, _: VirtualTime) -> None:
        await asyncio.sleep(17.0)
        schedule = record.schedule([target])
        schedule.start()
        await asyncio.sleep(200.0)
        await schedule.stop(grace=0.0)

    early, restarted = run_schedule([target], 217.0), simulate(late)
    shared = [at for at in early.starts("workforce") if at > 27.0]
    assert [at for at in restarted.starts("workforce") if at > 27.0] == pytest.approx(shared, abs=EXACT)


def test_the_lag_is_start_minus_due() -> None:
    target = make_target("t", interval=10.0)
    second = due_runs(target, 40.0)[1]
    record = run_schedule([target], 40.0, events=[(second - 1.0, stall(1.5))])
    assert record.lags[0] == pytest.approx(0.0, abs=EXACT)
    assert record.lags[1] == pytest.approx(0.5, abs=EXACT)
    assert record.lags[2:] == pytest.approx([0.0] * len(record.lags[2:]), abs=EXACT)
    assert min(record.lags) >= 0.0


def test_a_run_is_skipped_once_while_the_last_probe_of_its_target_still_runs() -> None:
    target = make_target("slow", interval=10.0, timeout=5.0)
    due = due_runs(target, 80.0)
    record = run_schedule(
        [target, make_target("other", interval=10.0, timeout=5.0)],
        80.0,
        script=lambda name, number: Probe(
            lasts=due[5] - due[1] + 1.0 if (name, number) == ("slow", 1) else 0.1
        ),
    )
    assert record.starts("slow") == pytest.approx([*due[:2], *due[6:]], abs=EXACT)
    assert [(skip.target, skip.cause, skip.count) for skip in record.skips] == [
        ("slow", SkipCause.OVERRUN, 1)
    ] * 4
    assert [skip.at for skip in record.skips] == pytest.approx(due[2:6], abs=EXACT)


def test_runs_that_were_due_while_the_loop_stalled_are_missed_and_the_latest_one_is_late() -> None:
    target = make_target("t", interval=10.0)
    due = due_runs(target, 200.0)
    record = run_schedule([target], 200.0, events=[(due[3] - 1.0, stall(due[7] - due[3] + 3.0))])
    assert record.starts("t") == pytest.approx([*due[:3], due[7] + 2.0, *due[8:]], abs=EXACT)
    assert record.skipped_count(SkipCause.MISSED) == 4
    assert record.skipped_count(SkipCause.OVERRUN) == 0


def test_runs_that_are_late_together_start_one_by_one_on_each_host() -> None:
    """A process that was stopped must not look like an attack when it goes on."""
    hosts = [[make_target(f"{host}{number}", host=host) for number in range(50)] for host in "ab"]
    due = {
        target.name: due_runs(target, 400.0, first=FIRST_PROBE_SPACING * number)
        for targets in hosts
        for number, target in enumerate(targets)
    }
    record = run_schedule([*hosts[0], *hosts[1]], 400.0, events=[(200.0, stall(100.0))])
    for targets in hosts:
        late = sorted(
            start
            for target in targets
            for start in record.starts(target.name)
            if start >= 300.0 and start > max(run for run in due[target.name] if run <= start + EXACT) + 1.0
        )
        assert len(late) > 10
        assert late[0] == pytest.approx(300.0, abs=EXACT)
        assert all(after - before > FIRST_PROBE_SPACING - EXACT for before, after in pairwise(late))
    for name, runs in due.items():
        assert len(record.starts(name)) + record.skipped_count(SkipCause.MISSED, name) == len(runs)


def test_late_runs_that_cannot_start_in_time_take_no_time_from_others_of_their_host() -> None:
    """A host with more than 20 probes a second: half an interval is too short to make up for all of them."""
    targets = [make_target(f"t{number}", interval=12.0, timeout=2.0) for number in range(400)]
    record = run_schedule(targets, 80.0, limit=1000, events=[(40.0, stall(20.0))])
    late = sum(lag > 1.0 for lag in record.lags)
    assert 90 < late <= 6.0 / FIRST_PROBE_SPACING


def test_a_run_that_is_too_late_is_missed_rather_than_started_out_of_phase() -> None:
    target = make_target("t", interval=10.0)
    due = due_runs(target, 100.0)
    record = run_schedule([target], 100.0, events=[(due[3] - 0.5, stall(0.5 + 5.1))])
    assert record.starts("t") == pytest.approx([*due[:3], *due[4:]], abs=EXACT)
    assert [(skip.cause, skip.count) for skip in record.skips] == [(SkipCause.MISSED, 1)]


def test_a_run_that_is_delayed_after_it_was_submitted_is_missed_too() -> None:
    """The loop may stall after the submission as well as before it."""
    targets = [make_target(name, host=name, interval=10.0) for name in ("blocking", "late")]
    record = run_schedule(
        targets, 8.0, script=lambda name, _: Probe(blocks=5.1 if name == "blocking" else 0.0)
    )
    assert record.starts("blocking")[0] == pytest.approx(0.0, abs=EXACT)
    assert record.skipped_count(SkipCause.MISSED, "late") == 1
    assert all(lag <= 5.0 for lag in record.lags)


def test_an_observer_that_fails_affects_neither_other_observers_nor_later_probes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing:
        def observe(self, _: Outcome, /) -> None:
            raise ValueError("a bug")

    def observers(record: Recorder) -> Sequence[Observer]:
        return [Failing(), record, Failing(), second]

    second = Collecting()
    target = make_target("t", interval=10.0)
    with caplog.at_level(logging.ERROR):
        record = run_schedule([target], 100.0, observers=observers)
    assert len(record.outcomes) == len(due_runs(target, 100.0))
    assert second.outcomes == [outcome for _, outcome in record.outcomes]
    assert len(record.outcomes) > 5
    (line,) = caplog.records  # though two fail with every outcome, at one place
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], ValueError)


class Collecting:
    """Keeps what it observes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def observe(self, outcome: Outcome, /) -> None:
        self.outcomes.append(outcome)


def test_a_probe_that_raises_is_counted_as_internal_and_frees_its_slot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = make_target("t", interval=10.0)
    with caplog.at_level(logging.ERROR):
        record = run_schedule(
            [target],
            100.0,
            limit=1,
            script=lambda _, number: Probe(error=ValueError("a bug") if number < 3 else None),
        )
    due = due_runs(target, 100.0)
    assert record.starts("t") == pytest.approx(due, abs=EXACT)
    reasons = [outcome.reason for _, outcome in record.outcomes]
    assert reasons == [Reason.INTERNAL] * 3 + [Reason.OK] * (len(due) - 3)
    assert record.in_flight == 0
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a bug"]


def test_a_bug_is_counted_where_it_was_noticed_and_logged_with_its_target(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors, second, calls = InternalErrors(), Collecting(), 0

    class Failing:
        def observe(self, outcome: Outcome, /) -> None:
            second.observe(outcome)
            raise KeyError("a bug")

    async def job() -> None:
        nonlocal calls
        calls += 1
        raise TypeError("a bug")

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = Schedule(
            [make_target("t", interval=10.0)],
            record.probe,
            observers=[Failing()],
            listener=record,
            max_concurrent_probes=1,
            jobs=[PeriodicJob("work", 10.0, job)],
            clock=time.clock(),
            errors=errors,
        )
        schedule.start()
        time.set_wall(3600.0)
        await asyncio.sleep(100.0)
        await schedule.stop(grace=0.0)

    with caplog.at_level(logging.ERROR):
        simulate(scenario, lambda *_: Probe(error=ValueError("a bug"), lasts=0.5))
    count = len(second.outcomes)
    assert count > 5
    assert {part: number for part, number in errors.counts.items() if number} == {
        Part.PROBE: count,
        Part.OBSERVER: count,
        Part.JOB: calls,
    }
    about = {vars(line)["part"]: (vars(line).get("target"), vars(line).get("job")) for line in caplog.records}
    assert about == {"probe": ("t", None), "observer": ("t", None), "job": (None, "work")}
    assert second.outcomes[0].ended_at == pytest.approx(EPOCH + 3600.5, abs=EXACT)
    assert second.outcomes[0].duration == pytest.approx(0.5, abs=EXACT)


def test_outcomes_are_observed_in_the_order_in_which_probes_end() -> None:
    lasting = {"a": 3.0, "b": 1.0, "c": 2.0}
    record = run_schedule(
        [make_target(name, host=name) for name in lasting],
        5.0,
        script=lambda name, _: Probe(lasts=lasting[name]),
    )
    assert [outcome.target for _, outcome in record.outcomes] == ["b", "c", "a"]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.RATE_LIMITED])
def test_only_a_rate_limit_starts_a_backoff(reason: Reason) -> None:
    target = make_target("t", interval=10.0)
    record = run_schedule([target], 50.0, script=lambda *_: Probe(reason=reason, retry_after=300.0))
    assert len(record.begun) == len(due_runs(target, 50.0))
