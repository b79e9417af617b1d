"""Each due slot is started once, at its time, one in flight per target; outcomes reach all observers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from scheduling.stage import EXACT, Act, Stage, due_slots, make_target, perform, play

from exporter.outcome import Observer, Outcome, SkipCause
from exporter.reasons import Reason

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


def stall(seconds: float) -> Callable[[VirtualTime], None]:
    """Return the standing still of the whole loop for so long."""
    return lambda time: time.loop.stall(seconds)


def test_first_probes_begin_at_once_across_hosts_and_50_ms_apart_on_one() -> None:
    hosts = {"a": "one", "b": "two", "c": "one", "d": "one", "e": "two", "f": "three"}
    stage = play([make_target(name, host=host) for name, host in hosts.items()], 1.0)
    assert {note.target: note.at for note in stage.begun} == pytest.approx(
        {"a": 0.0, "b": 0.0, "c": 0.05, "d": 0.1, "e": 0.05, "f": 0.0}, abs=EXACT
    )


def test_after_the_first_probe_a_target_keeps_its_phase() -> None:
    targets = [make_target(f"t{n}", interval=10.0 + n, timeout=3.0) for n in range(8)]
    stage = play(targets, 300.0)
    for number, target in enumerate(targets):
        due = due_slots(target, 300.0, first=0.05 * number)
        assert stage.starts(target.name) == pytest.approx(due, abs=EXACT)
        assert len(due) > 15
    assert stage.skips == []


def test_the_phase_is_that_of_wall_time_whenever_the_daemon_is_started() -> None:
    """Two replicas, or one that is restarted, probe at the same moments of the day."""
    target = make_target("workforce", interval=30.0)

    async def late(stage: Stage, _: VirtualTime) -> None:
        await asyncio.sleep(17.0)
        schedule = stage.schedule([target])
        schedule.start()
        await asyncio.sleep(200.0)
        await schedule.stop(grace=0.0)

    early, restarted = play([target], 217.0), perform(late)
    shared = [at for at in early.starts("workforce") if at > 27.0]
    assert [at for at in restarted.starts("workforce") if at > 27.0] == pytest.approx(shared, abs=EXACT)


def test_the_lag_is_start_minus_due() -> None:
    target = make_target("t", interval=10.0)
    second = due_slots(target, 40.0)[1]
    stage = play([target], 40.0, cues=[(second - 1.0, stall(1.5))])
    assert stage.lags[0] == pytest.approx(0.0, abs=EXACT)
    assert stage.lags[1] == pytest.approx(0.5, abs=EXACT)
    assert stage.lags[2:] == pytest.approx([0.0] * len(stage.lags[2:]), abs=EXACT)
    assert min(stage.lags) >= 0.0


def test_a_slot_is_refused_once_while_the_last_probe_of_its_target_still_runs() -> None:
    target = make_target("slow", interval=10.0, timeout=5.0)
    due = due_slots(target, 80.0)
    stage = play(
        [target, make_target("other", interval=10.0, timeout=5.0)],
        80.0,
        script=lambda name, number: Act(
            lasts=due[5] - due[1] + 1.0 if (name, number) == ("slow", 1) else 0.1
        ),
    )
    assert stage.starts("slow") == pytest.approx([*due[:2], *due[6:]], abs=EXACT)
    assert [(skip.target, skip.cause, skip.count) for skip in stage.skips] == [
        ("slow", SkipCause.OVERRUN, 1)
    ] * 4
    assert [skip.at for skip in stage.skips] == pytest.approx(due[2:6], abs=EXACT)


def test_what_was_due_while_the_loop_stood_still_is_missed_and_the_latest_is_done_late() -> None:
    target = make_target("t", interval=10.0)
    due = due_slots(target, 200.0)
    stage = play([target], 200.0, cues=[(due[3] - 1.0, stall(due[7] - due[3] + 3.0))])
    assert stage.starts("t") == pytest.approx([*due[:3], due[7] + 2.0, *due[8:]], abs=EXACT)
    assert stage.skipped_count(SkipCause.MISSED) == 4
    assert stage.skipped_count(SkipCause.OVERRUN) == 0


def test_a_slot_that_is_too_late_is_missed_rather_than_done_out_of_its_phase() -> None:
    target = make_target("t", interval=10.0)
    due = due_slots(target, 100.0)
    stage = play([target], 100.0, cues=[(due[3] - 0.5, stall(0.5 + 5.1))])
    assert stage.starts("t") == pytest.approx([*due[:3], *due[4:]], abs=EXACT)
    assert [(skip.cause, skip.count) for skip in stage.skips] == [(SkipCause.MISSED, 1)]


def test_a_probe_that_something_delays_after_it_was_due_is_missed_too() -> None:
    """The loop may stand still between the wake and the probe as well as before the wake."""
    targets = [make_target(name, host=name, interval=10.0) for name in ("blocking", "late")]
    stage = play(targets, 8.0, script=lambda name, _: Act(blocks=5.1 if name == "blocking" else 0.0))
    assert stage.starts("blocking")[0] == pytest.approx(0.0, abs=EXACT)
    assert stage.skipped_count(SkipCause.MISSED, "late") == 1
    assert all(lag <= 5.0 for lag in stage.lags)


def test_an_observer_that_fails_costs_the_others_no_outcome_and_later_probes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing:
        def observe(self, _: Outcome, /) -> None:
            raise ValueError("a bug")

    def observers(stage: Stage) -> Sequence[Observer]:
        return [Failing(), stage, Failing(), second]

    second = Collecting()
    target = make_target("t", interval=10.0)
    with caplog.at_level(logging.ERROR):
        stage = play([target], 100.0, observers=observers)
    assert len(stage.outcomes) == len(due_slots(target, 100.0))
    assert second.outcomes == [outcome for _, outcome in stage.outcomes]
    assert len(caplog.records) == 2 * len(stage.outcomes)
    assert all(record.exc_info and isinstance(record.exc_info[1], ValueError) for record in caplog.records)


class Collecting:
    """Keeps what it observes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def observe(self, outcome: Outcome, /) -> None:
        self.outcomes.append(outcome)


def test_a_probe_that_raises_does_not_end_the_schedule_and_gives_its_place_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = make_target("t", interval=10.0)
    with caplog.at_level(logging.ERROR):
        stage = play(
            [target],
            100.0,
            limit=1,
            script=lambda _, number: Act(error=ValueError("a bug") if number < 3 else None),
        )
    due = due_slots(target, 100.0)
    assert stage.starts("t") == pytest.approx(due, abs=EXACT)
    assert len(stage.outcomes) == len(due) - 3
    assert stage.in_flight == 0
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a bug"] * 3


def test_outcomes_are_observed_in_the_order_in_which_probes_end() -> None:
    lasting = {"a": 3.0, "b": 1.0, "c": 2.0}
    stage = play(
        [make_target(name, host=name) for name in lasting],
        5.0,
        script=lambda name, _: Act(lasts=lasting[name]),
    )
    assert [outcome.target for _, outcome in stage.outcomes] == ["b", "c", "a"]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.RATE_LIMITED])
def test_nothing_but_a_rate_limit_holds_a_target_back(reason: Reason) -> None:
    target = make_target("t", interval=10.0)
    stage = play([target], 50.0, script=lambda *_: Act(reason=reason, retry_after=300.0))
    assert len(stage.begun) == len(due_slots(target, 50.0))
    assert stage.holds == []
