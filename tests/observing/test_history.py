"""What is remembered of outcomes for people."""

from __future__ import annotations

import gc

import pytest
from observing.examples import START, a_certificate, a_failure, a_step, a_success

from exporter.observing.history import FAILURES, RECENT, History, Past
from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.target import Journey


def remembered(*outcomes: Outcome) -> Past:
    history = History()
    for outcome in outcomes:
        history.observe(outcome)
    return past_of(history)


def past_of(history: History, target: str = "emea") -> Past:
    past = history.of(target, Journey.AUTHORIZE)
    assert past is not None
    return past


def at(second: int) -> Outcome:
    return a_success(ended_at=START + second)


def test_before_the_first_outcome_there_is_nothing() -> None:
    assert History().of("emea", Journey.AUTHORIZE) is None


def test_the_last_sixty_are_remembered_and_those_before_them_forgotten() -> None:
    outcomes = [at(second) for second in range(RECENT + 1)]
    past = remembered(*outcomes)
    assert past.recent == tuple(outcomes[1:])
    assert past.last is outcomes[-1]
    assert len(past.points) == RECENT


def test_failures_outlive_the_successes_that_come_after_them() -> None:
    failures = [a_failure(ended_at=START + second) for second in range(FAILURES + 1)]
    past = remembered(*failures, *(at(second) for second in range(100, 100 + RECENT)))
    assert past.failures == tuple(failures[1:])
    assert all(outcome.success for outcome in past.recent)


def test_a_point_has_its_seconds_and_its_fault() -> None:
    past = remembered(a_success(duration=0.25), a_failure(Reason.TLS, Fault.PROVIDER, duration=0.5))
    assert past.points == ((0.25, "none"), (0.5, "provider"))


def test_a_point_that_our_own_stall_spoilt_has_no_seconds() -> None:
    assert remembered(a_success(stalled=True)).points == ((None, "none"),)


@pytest.mark.parametrize("result", [(Reason.RATE_LIMITED, Fault.QUOTA), (Reason.INTERNAL, Fault.EXPORTER)])
def test_what_says_nothing_of_the_target_is_the_last_but_not_the_decisive_one(
    result: tuple[Reason, Fault],
) -> None:
    failure, silent = a_failure(), a_failure(*result)
    past = remembered(failure, silent)
    assert past.decisive is failure
    assert past.last is silent
    assert past.failures == (failure, silent)


def refused(expiry: float | None = None, **changes: float) -> Outcome:
    tls = None if expiry is None else a_certificate(expiry)
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=tls)
    return a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(step,), **changes)


def seen(expiry: float) -> Outcome:
    return a_success(steps=(a_step(tls=a_certificate(expiry)),))


def test_the_expiry_of_a_refused_certificate_is_known_to_the_probes_that_did_not_look() -> None:
    assert remembered(refused(START - 1), refused(), refused()).expiry == START - 1


def test_a_certificate_that_expired_since_it_was_seen_is_known_to_have() -> None:
    past = remembered(seen(START + 60), refused(ended_at=START + 61), refused(ended_at=START + 62))
    assert past.expiry == START + 60


def test_what_was_seen_of_a_good_certificate_says_nothing_of_one_that_is_refused() -> None:
    assert remembered(seen(START + 9000), refused()).expiry is None
    assert remembered(seen(START + 9000), refused(START - 1), refused()).expiry == START - 1
    assert remembered(refused(START + 9000), refused()).expiry == START + 9000


def test_a_failure_of_another_kind_leaves_the_expiry_known() -> None:
    assert remembered(seen(START + 9000), a_failure()).expiry == START + 9000


def test_targets_are_remembered_apart() -> None:
    history = History()
    emea, apac = a_success(), a_failure(target="apac")
    history.observe(emea)
    history.observe(apac)
    assert past_of(history).recent == (emea,)
    assert past_of(history, "apac").recent == (apac,)


def test_a_target_that_is_forgotten_is_as_if_it_had_never_been() -> None:
    history = History()
    history.observe(a_failure())
    history.observe(a_failure(target="apac"))
    history.forget("emea", Journey.AUTHORIZE)
    assert history.of("emea", Journey.AUTHORIZE) is None
    assert history.of("apac", Journey.AUTHORIZE) is not None
    success = a_success()
    history.observe(success)
    past = past_of(history)
    assert (past.recent, past.failures, past.state.in_a_row) == ((success,), (), 1)


def test_to_forget_what_is_not_known_is_no_mistake() -> None:
    History().forget("emea", Journey.AUTHORIZE)


def test_a_full_history_is_no_burden_for_the_garbage_collector() -> None:
    history = History()
    gc.collect()
    before = len(gc.get_objects())
    for second in range(RECENT + FAILURES):
        history.observe(a_failure(ended_at=START + second))
    gc.collect()
    # The last outcome is kept as it is; 110 of them would be hundreds of objects.
    assert len(gc.get_objects()) - before < 20
