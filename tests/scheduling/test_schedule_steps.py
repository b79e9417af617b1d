"""Setting the wall clock neither stalls the schedule nor causes a burst."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduling.recorder import Probe, Recorder, due_runs, make_target, run_schedule

TARGETS = [make_target(f"t{n}", host=f"h{n}", interval=5.0 + n, timeout=2.0) for n in range(6)]
SPAN = 120.0
EXACT = 2e-6
"""Seconds. Run times are kept in microseconds."""


def assert_undisturbed(record: Recorder) -> None:
    """Assert that each run was started once, at its time, and nothing was skipped."""
    for target in TARGETS:
        due, starts = due_runs(target, SPAN), record.starts(target.name)
        assert len(starts) == len(due)
        assert all(abs(start - run) < EXACT for start, run in zip(starts, due, strict=True))
    assert record.skips == []
    assert 0.0 <= min(record.lags) <= max(record.lags) < EXACT


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 5.0, -5.0, 0.5, -0.5, 86_400.0, 86_400.0 * 365])
@pytest.mark.parametrize("at", [0.001, 17.3, 60.0])
def test_a_step_changes_no_run(at: float, seconds: float) -> None:
    assert_undisturbed(run_schedule(TARGETS, SPAN, events=[(at, lambda time: time.set_wall(seconds))]))


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_step_that_is_reverted_changes_no_run(seconds: float) -> None:
    there_and_back = [
        (20.05, lambda time: time.set_wall(seconds)),
        (70.05, lambda time: time.set_wall(0.0)),
    ]
    assert_undisturbed(run_schedule(TARGETS, SPAN, events=there_and_back))


@given(st.lists(st.tuples(st.floats(0.001, SPAN - 1.0), st.floats(-1e5, 1e5)), max_size=8))
@settings(max_examples=40)
def test_any_number_of_steps_changes_no_run(steps: list[tuple[float, float]]) -> None:
    events = [(at, lambda time, step=step: time.set_wall(step)) for at, step in sorted(steps)]
    assert_undisturbed(run_schedule(TARGETS, SPAN, events=events))


@pytest.mark.parametrize("slew", [1e-6, 5e-4])
def test_a_wall_clock_that_drifts_changes_no_run(slew: float) -> None:
    """Half a millisecond a second is the most that an NTP client slews by."""
    events = [(at / 10, lambda time, at=at: time.set_wall(slew * at / 10)) for at in range(1, int(SPAN) * 10)]
    assert_undisturbed(run_schedule(TARGETS, SPAN, events=events, script=lambda *_: Probe(lasts=0.5)))
