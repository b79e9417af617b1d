"""Since when a target succeeds or fails, and for how many probes: one rule for metrics and pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from observing.examples import BUCKETS, START, a_failure, a_success, a_target
from observing.strategies import sequences

from exporter.observing.history import History, Past
from exporter.observing.series import Series
from exporter.observing.state import State
from exporter.outcome import Outcome
from exporter.reasons import Fault, Reason
from exporter.target import Journey

QUOTA = Reason.RATE_LIMITED, Fault.QUOTA
EXPORTER = Reason.INTERNAL, Fault.EXPORTER


def folded(*outcomes: Outcome) -> tuple[bool | None, float | None, int]:
    state = State()
    for outcome in outcomes:
        state.fold(outcome)
    return state.failing, state.since, state.in_a_row


def test_before_the_first_outcome_there_is_no_state() -> None:
    assert folded() == (None, None, 0)


def test_a_row_is_counted_from_its_first_probe_on_and_begins_at_its_end() -> None:
    first, second = a_failure(ended_at=START), a_failure(Reason.DNS, ended_at=START + 60)
    assert folded(first, second) == (True, START, 2)
    assert folded(first, second, a_success(ended_at=START + 120)) == (False, START + 120, 1)


@pytest.mark.parametrize("result", [QUOTA, EXPORTER])
def test_what_says_nothing_of_the_target_neither_ends_a_row_nor_belongs_to_it(
    result: tuple[Reason, Fault],
) -> None:
    silent = a_failure(*result, ended_at=START + 60)
    assert folded(silent) == (None, None, 0)
    assert folded(a_success(ended_at=START), silent, a_success(ended_at=START + 120)) == (False, START, 2)
    assert folded(a_failure(ended_at=START), silent, a_failure(ended_at=START + 120)) == (True, START, 2)


@given(sequences)
def test_metrics_and_pages_say_the_same(outcomes: list[Outcome]) -> None:
    series, history = Series(a_target(), Journey.AUTHORIZE, BUCKETS), History()
    for outcome in outcomes:
        series.observe(outcome)
        history.observe(outcome)
    past = history.of("emea", Journey.AUTHORIZE) or Past("emea", Journey.AUTHORIZE)
    assert past.state.since == series.state_changed_at
    if past.state.failing is None:
        assert series.consecutive_failures is None
    else:
        assert series.consecutive_failures == past.state.in_a_row * past.state.failing
