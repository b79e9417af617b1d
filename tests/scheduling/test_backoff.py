"""Who is held back, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheduling.stage import make_target

from exporter.scheduling.backoff import LONGEST, Holds, Scope, hold_for, scope_of

HERE = Scope("auth.example", "a")
ELSEWHERE = Scope("auth.example", "b")


@pytest.mark.parametrize(
    ("interval", "retry_after", "expected"),
    [
        pytest.param(60.0, 7.0, 7.0, id="what the provider asks for"),
        pytest.param(60.0, 0.0, 0.0, id="nothing, when it asks for nothing"),
        pytest.param(60.0, None, 120.0, id="two intervals when it does not say"),
        pytest.param(5.0, None, 10.0, id="two of the refused target's own intervals"),
        pytest.param(60.0, 300.0, 300.0, id="five minutes"),
        pytest.param(60.0, 3600.0, 300.0, id="no longer than five minutes when asked for more"),
        pytest.param(200.0, None, 300.0, id="no longer than five minutes for long intervals"),
    ],
)
def test_a_refusal_holds_back_for(interval: float, retry_after: float | None, expected: float) -> None:
    assert hold_for(make_target("t", interval=interval), retry_after) == expected


def test_a_rate_limit_counts_for_one_source_environment_on_one_host_with_its_port() -> None:
    assert scope_of(make_target("one", host="h:8443", environment="e")) == Scope("h:8443", "e")


def test_nobody_is_held_back_at_first() -> None:
    assert not Holds().is_held(HERE, 0.0)


def test_a_hold_ends_when_it_was_said_to_end() -> None:
    holds = Holds()
    assert holds.hold(HERE, 10.0) == 10.0
    assert holds.is_held(HERE, 9.999)
    assert not holds.is_held(HERE, 10.0)


def test_a_hold_of_one_scope_is_none_of_another() -> None:
    holds = Holds()
    holds.hold(HERE, 10.0)
    assert not holds.is_held(ELSEWHERE, 5.0)


def test_a_later_refusal_lengthens_a_hold_and_never_shortens_it() -> None:
    holds = Holds()
    assert holds.hold(HERE, 10.0) == 10.0
    assert holds.hold(HERE, 5.0) == 10.0
    assert holds.is_held(HERE, 9.0)
    assert holds.hold(HERE, 15.0) == 15.0
    assert holds.is_held(HERE, 14.0)


asked_holds = st.lists(st.tuples(st.sampled_from([HERE, ELSEWHERE]), st.floats(0, LONGEST)), max_size=20)


@given(asked_holds, st.floats(0, 400))
def test_a_hold_lasts_until_the_latest_that_was_asked_for(
    asked: list[tuple[Scope, float]], now: float
) -> None:
    holds = Holds()
    for scope, until in asked:
        holds.hold(scope, until)
    for scope in (HERE, ELSEWHERE):
        assert holds.is_held(scope, now) == any(now < until for of, until in asked if of == scope)


def test_holds_that_are_over_are_forgotten_and_the_others_are_not() -> None:
    holds = Holds()
    holds.hold(HERE, 10.0)
    holds.hold(ELSEWHERE, 20.0)
    holds.forget(10.0)
    assert holds.until(HERE, 5.0) is None
    assert holds.until(ELSEWHERE, 10.0) == 20.0
