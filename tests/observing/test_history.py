"""What is kept of outcomes for pages and API."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given
from observing.examples import START, a_certificate, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes

from exporter.observing import History
from exporter.outcome import Outcome, Phase, TlsFacts
from exporter.reasons import Fault, Reason
from exporter.status import LiveFacts, TargetHistory, TargetStatus
from exporter.target import Journey

QUOTA = Reason.RATE_LIMITED, Fault.QUOTA
EXPORTER = Reason.INTERNAL, Fault.EXPORTER
inconclusive = pytest.mark.parametrize("result", [QUOTA, EXPORTER])


def observed(*outcomes: Outcome) -> History:
    history = History([a_target(), a_target(name="apac")])
    for outcome in outcomes:
        history.observe(outcome)
    return history


def status_of(history: History, target: str = "emea") -> TargetStatus:
    return history_of(history, target).status


def history_of(history: History, target: str = "emea") -> TargetHistory:
    (found,) = history.histories(target)
    return found


def status(*outcomes: Outcome) -> TargetStatus:
    return status_of(observed(*outcomes))


def at(second: int) -> Outcome:
    return a_success(ended_at=START + second)


def test_before_the_first_outcome_only_the_schedules_facts_are_known() -> None:
    target = a_target()
    live = LiveFacts(next_run=lambda *_: START + 5, backoff_until=lambda *_: START + 9)
    history = History([target], live)
    (found,) = history.statuses()
    assert found == TargetStatus(
        target=target, journey=Journey.AUTHORIZE, next_run=START + 5, backoff_until=START + 9
    )
    assert history.histories("emea") == (TargetHistory(status=found, recent=(), failures=()),)


def test_the_last_fifty_are_kept_newest_first_and_a_point_of_the_last_sixty() -> None:
    outcomes = [at(second) for second in range(61)]
    history = observed(*outcomes)
    assert history_of(history).recent == tuple(reversed(outcomes[11:]))
    assert status_of(history).last is outcomes[-1]
    assert len(status_of(history).points) == 60


def test_failures_outlive_the_successes_after_them() -> None:
    failures = [a_failure(ended_at=START + second) for second in range(51)]
    known = history_of(observed(*failures, *(at(second) for second in range(100, 150))))
    assert known.failures == tuple(reversed(failures[1:]))
    assert all(outcome.success for outcome in known.recent)


def test_a_point_has_its_duration_and_its_fault() -> None:
    outcomes = a_success(duration=0.25), a_failure(Reason.TLS, Fault.PROVIDER, duration=0.5)
    assert status(*outcomes).points == ((0.25, "none"), (0.5, "provider"))


def test_the_garbage_collector_visits_no_point() -> None:
    """A page of 5,000 targets has 300,000: visiting them stalls the event loop."""
    points = status(*(a_failure(Reason.TLS, Fault.PROVIDER, duration=second) for second in range(60))).points
    gc.collect()
    assert not any(map(gc.is_tracked, points))


def test_a_point_of_a_stalled_probe_has_no_duration() -> None:
    assert status(a_success(stalled=True)).points == ((None, "none"),)


@inconclusive
def test_an_inconclusive_outcome_is_the_last_but_not_the_decisive_one(result: tuple[Reason, Fault]) -> None:
    failure, other = a_failure(), a_failure(*result)
    history = observed(failure, other)
    assert status_of(history).decisive is failure
    assert status_of(history).last is other
    assert history_of(history).failures == (other, failure)


def state(*outcomes: Outcome) -> tuple[bool | None, float | None, int]:
    found = status(*outcomes)
    return found.failing, found.since, found.consecutive


def test_a_run_of_failures_starts_at_the_end_of_its_first_probe() -> None:
    first, second = a_failure(ended_at=START), a_failure(Reason.DNS, ended_at=START + 60)
    assert state() == (None, None, 0)
    assert state(first, second) == (True, START, 2)
    assert state(first, second, a_success(ended_at=START + 120)) == (False, START + 120, 1)


@inconclusive
def test_an_inconclusive_outcome_neither_ends_a_run_nor_belongs_to_it(result: tuple[Reason, Fault]) -> None:
    other = a_failure(*result, ended_at=START + 60)
    assert state(other) == (None, None, 0)
    assert state(a_success(ended_at=START), other, a_success(ended_at=START + 120)) == (False, START, 2)
    assert state(a_failure(ended_at=START), other, a_failure(ended_at=START + 120)) == (True, START, 2)


def test_an_incomplete_probe_says_nothing_of_what_comes_after() -> None:
    early = a_success(ended_at=START + 60, incomplete=True)
    assert state(early) == (None, None, 0)
    assert state(a_failure(ended_at=START), early, a_failure(ended_at=START + 120)) == (True, START, 2)
    assert len(status(early, a_success()).points) == 1
    assert status(early).last is early


def test_only_the_first_run_may_have_begun_earlier() -> None:
    assert status(a_failure(), a_failure()).since_or_earlier
    assert not status(a_success(), a_failure()).since_or_earlier


def refused(expiry: float | None = None, **changes: float) -> Outcome:
    tls = None if expiry is None else a_certificate(expiry)
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=tls)
    return a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(step,), **changes)


def seen(expiry: float) -> Outcome:
    return a_success(steps=(a_step(tls=a_certificate(expiry)),))


@pytest.mark.parametrize(
    ("outcomes", "expiry"),
    [
        ((refused(START - 1), refused(), refused()), START - 1),
        ((seen(START + 60), refused(ended_at=START + 61), refused(ended_at=START + 62)), START + 60),
        ((seen(START + 9000), refused()), START + 9000),
        ((seen(START + 9000), refused(START - 1), refused()), START - 1),
        ((refused(START + 9000), refused()), START + 9000),
        ((seen(START + 9000), a_failure()), START + 9000),
    ],
    ids=[
        "a refused one stays known to probes that did not fetch it",
        "one that expired since it was seen stays known",
        "a good one stays known while a refused one is not seen",
        "until that is seen",
        "a refused one that has not expired stays known",
        "a failure of another kind changes nothing",
    ],
)
def test_the_expiry_is_that_of_the_certificate_seen_last(
    outcomes: tuple[Outcome, ...], expiry: float | None
) -> None:
    assert status(*outcomes).certificate_expiry == expiry


def test_targets_are_kept_apart() -> None:
    emea, apac = a_success(), a_failure(target="apac")
    history = observed(emea, apac)
    assert history_of(history).recent == (emea,)
    assert history_of(history, "apac").recent == (apac,)


def test_a_forgotten_target_starts_over() -> None:
    history = observed(a_failure(), a_failure(target="apac"))
    targets = a_target(), a_target(name="apac")
    for _ in range(2):
        history.reconfigure(targets[1:])
    assert history.histories("emea") == ()
    assert status_of(history, "apac").last is not None
    history.reconfigure(targets)
    assert status_of(history).last is None
    success = a_success()
    history.observe(success)
    known = history_of(history)
    assert (known.recent, known.failures, known.status.consecutive) == ((success,), (), 1)


def test_a_certificate_is_forgotten_if_the_host_changes_and_the_rest_is_kept() -> None:
    """Else the page would warn of a host's certificate that was never seen there."""
    history, emea = observed(seen(START)), a_target(interval=30.0)
    history.reconfigure([emea])
    assert status_of(history).certificate_expiry == START
    history.reconfigure([a_target(source_url="https://other.example/x")])
    assert status_of(history).certificate_expiry is None
    assert status_of(history).consecutive == 1


def test_several_steps_and_a_retry_after_are_kept() -> None:
    steps = a_step(), a_step(step="callback", phases={Phase.RESOLVE: 0.5}, checks={"id": False})
    outcome = a_success(steps=steps, retry_after=30.0)
    (kept,) = history_of(observed(outcome)).recent
    assert kept == outcome
    assert kept.reason is Reason.OK
    assert {type(phase) for phase in kept.steps[0].phases} == {Phase}


@given(outcome=outcomes())
def test_what_is_kept_is_what_was_observed(outcome: Outcome) -> None:
    (kept,) = history_of(observed(outcome)).recent
    assert kept == outcome
    assert repr(kept) == repr(outcome)  # with the types of all members


def test_a_full_history_adds_few_objects_for_the_garbage_collector() -> None:
    history = History([a_target()])
    gc.collect()
    before = len(gc.get_objects())
    for second in range(120):
        history.observe(a_failure(ended_at=START + second))
    gc.collect()
    # Only the last outcome is kept as it is; 100 of them would be hundreds of objects.
    assert len(gc.get_objects()) - before < 20


def test_the_longest_probe_is_compressed_with_all_of_the_first_one() -> None:
    """Eleven steps are 6 kB of JSON: a window of 4 kB would make each kept probe half as large again."""
    tls = TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", not_after=START, chain_not_after=START)

    def probe(second: int) -> Outcome:
        steps = [
            a_step(
                step=step,
                host=f"{step.replace('_', '-')}.example:443",
                phases=dict.fromkeys(Phase, (second * 7919 + number * 104729) % 99991 / 1000000.0),
                address="192.0.2.7",
                correlation_id=f"{step}-{second}",
                clock_skew=0.25,
                clock_skew_error=0.5,
                tls=tls,
            )
            for number, step in enumerate(Journey.FEDERATION.steps)
        ]
        return a_success(journey=Journey.FEDERATION, steps=tuple(steps), ended_at=START + second)

    first, *others = map(probe, range(50))
    history = observed(first)
    tracemalloc.start()
    try:
        for other in others:
            history.observe(other)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / len(others) < 500
