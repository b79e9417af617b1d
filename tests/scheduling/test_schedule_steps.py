"""Setting the wall clock neither stalls the schedule nor causes a burst."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduling.stage import Act, Stage, due_slots, make_target, play

TARGETS = [make_target(f"t{n}", host=f"h{n}", interval=5.0 + n, timeout=2.0) for n in range(6)]
SPAN = 120.0
EXACT = 2e-6
"""Seconds. Run times are kept in microseconds."""


def assert_undisturbed(stage: Stage) -> None:
    """Assert that each run was started once, at its time, and nothing was skipped."""
    for target in TARGETS:
        due, starts = due_slots(target, SPAN), stage.starts(target.name)
        assert len(starts) == len(due)
        assert all(abs(start - slot) < EXACT for start, slot in zip(starts, due, strict=True))
    assert stage.skips == []
    assert 0.0 <= min(stage.lags) <= max(stage.lags) < EXACT


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 5.0, -5.0, 0.5, -0.5, 86_400.0 * 365])
@pytest.mark.parametrize("at", [0.001, 17.3, 60.0])
def test_a_step_changes_nothing_about_which_probes_are_done(at: float, seconds: float) -> None:
    assert_undisturbed(play(TARGETS, SPAN, cues=[(at, lambda time: time.set_wall(seconds))]))


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_neither_does_one_that_is_taken_back_later(seconds: float) -> None:
    there_and_back = [
        (20.05, lambda time: time.set_wall(seconds)),
        (70.05, lambda time: time.set_wall(0.0)),
    ]
    assert_undisturbed(play(TARGETS, SPAN, cues=there_and_back))


@given(st.lists(st.tuples(st.floats(0.001, SPAN - 1.0), st.floats(-1e5, 1e5)), max_size=8))
@settings(max_examples=40)
def test_neither_does_any_number_of_steps(steps: list[tuple[float, float]]) -> None:
    cues = [(at, lambda time, step=step: time.set_wall(step)) for at, step in sorted(steps)]
    assert_undisturbed(play(TARGETS, SPAN, cues=cues))


@pytest.mark.parametrize("slew", [1e-6, 5e-4])
def test_neither_does_a_wall_clock_that_creeps_away(slew: float) -> None:
    """Half a millisecond a second is the most that an NTP client slews by."""
    cues = [(at / 10, lambda time, at=at: time.set_wall(slew * at / 10)) for at in range(1, int(SPAN) * 10)]
    assert_undisturbed(play(TARGETS, SPAN, cues=cues, script=lambda *_: Act(lasts=0.5)))
