"""Outcomes folded into the state of one target and journey."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, STATUS, a_certificate, a_failure, a_series, a_step, a_success
from observing.strategies import sequences

from exporter.observing.series import CODES_FROM_THE_START, OTHER_CODE, Histogram, Trace
from exporter.outcome import KNOWN_STATUSES, UNKNOWN, Outcome, Phase, SkipCause
from exporter.probing.errors import KNOWN_CODES, codes_in_document
from exporter.reasons import FAULTS, Fault, Reason

QUOTA = (Reason.RATE_LIMITED, Fault.QUOTA)
EXPORTER = (Reason.INTERNAL, Fault.EXPORTER)


# Results


@given(sequences)
def test_every_outcome_is_counted_once_under_its_reason_and_fault(outcomes: list[Outcome]) -> None:
    series = a_series(*outcomes)
    assert sum(series.probes.values()) == len(outcomes)
    for pair, count in series.probes.items():
        assert count == sum((outcome.reason, outcome.fault) == pair for outcome in outcomes)


@given(sequences)
def test_only_successes_that_we_saw_in_time_are_in_the_histogram(outcomes: list[Outcome]) -> None:
    durations = [outcome.duration for outcome in outcomes if outcome.success and not outcome.stalled]
    series = a_series(*outcomes)
    assert sum(series.durations.counts) == len(durations)
    assert series.durations.sum == pytest.approx(sum(durations))


@pytest.mark.parametrize(("duration", "slow"), [(1.999, 0), (2.0, 0), (2.001, 1)])
def test_a_success_is_slow_above_the_objective_not_at_it(duration: float, slow: int) -> None:
    assert a_series(a_success(duration=duration), objective=2.0).slow == slow


def test_a_failure_is_never_slow() -> None:
    assert a_series(a_failure(duration=9.0), objective=2.0).slow == 0


def test_the_last_success_stays_told_when_probes_fail() -> None:
    series = a_series(a_success(ended_at=START + 1), a_failure(ended_at=START + 2))
    assert series.last_success_at == START + 1


# State


def test_failures_are_counted_from_the_last_success_on() -> None:
    series, counts = a_series(), []
    for outcome in (a_failure(), a_failure(), a_success(), a_success(), a_failure()):
        series.observe(outcome)
        counts.append(series.consecutive_failures)
    assert counts == [1, 2, 0, 0, 1]


def test_the_state_changed_when_it_began_to_fail_and_when_it_began_to_succeed() -> None:
    series, since = a_series(), []
    for second, outcome in enumerate([a_success, a_success, a_failure, a_failure, a_success]):
        series.observe(outcome(ended_at=START + second))
        since.append(series.state_changed_at)
    assert since == [START, START, START + 2, START + 2, START + 4]


def test_a_first_failure_is_a_state_since_then() -> None:
    series = a_series(a_failure(ended_at=START), a_failure(ended_at=START + 1))
    assert (series.consecutive_failures, series.state_changed_at) == (2, START)


def test_another_reason_to_fail_is_no_other_state() -> None:
    tls = a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, ended_at=START + 1)
    assert a_series(a_failure(ended_at=START), tls).state_changed_at == START


@pytest.mark.parametrize(("reason", "fault"), [QUOTA, EXPORTER])
@pytest.mark.parametrize("before", [a_success, a_failure])
def test_rate_limits_and_our_own_faults_leave_the_state_as_it_is(
    reason: Reason, fault: Fault, before: Callable[..., Outcome]
) -> None:
    series = a_series(before(ended_at=START))
    state = series.consecutive_failures, series.state_changed_at
    series.observe(a_failure(reason, fault, ended_at=START + 1))
    assert (series.consecutive_failures, series.state_changed_at) == state
    assert series.last is not None
    assert series.last.reason is reason


@pytest.mark.parametrize(("reason", "fault"), [QUOTA, EXPORTER])
def test_rate_limits_and_our_own_faults_say_nothing_when_they_are_all_there_was(
    reason: Reason, fault: Fault
) -> None:
    series = a_series(a_failure(reason, fault))
    assert (series.consecutive_failures, series.state_changed_at) == (None, None)
    series.observe(a_failure(ended_at=START + 9))
    assert (series.consecutive_failures, series.state_changed_at) == (1, START + 9)


# Steps


def test_completed_phases_of_all_probes_are_added_up() -> None:
    series = a_series(a_success(), a_failure(phase=Phase.TLS))
    (connect, connects), (tls, handshakes) = (
        series.phase_seconds["authorize", phase] for phase in (Phase.CONNECT, Phase.TLS)
    )
    assert (connects, handshakes) == (2, 1)
    assert connect == pytest.approx(0.04)
    assert tls == pytest.approx(0.03)


def test_codes_beyond_twenty_are_counted_as_other_and_the_first_twenty_go_on() -> None:
    series = a_series(*(a_success(steps=(a_step(http_status_code=code),)) for code in range(100, 1000)))
    series.observe(a_success(steps=(a_step(http_status_code=100),)))
    codes = [code for _, code in series.responses]
    assert len(codes) == 20 + 1
    assert set(codes) > {*CODES_FROM_THE_START, OTHER_CODE}
    assert series.responses["authorize", "100"] == 2
    assert sum(series.responses.values()) == 901


def test_a_known_status_is_itself_an_expected_one_too_and_any_other_unknown() -> None:
    series = a_series(expected=("OF_OUR_OWN",))
    assert series.status_label("OF_OUR_OWN") == "OF_OUR_OWN"
    assert series.status_label("OTP_REQUIRED") == "OTP_REQUIRED"
    assert series.status_label("DAVINCI") == "DAVINCI"
    assert series.status_label("otp_required") == UNKNOWN
    assert series.status_label("INVENTED_TODAY") == UNKNOWN


def test_thousands_of_new_statuses_are_one_series() -> None:
    series = a_series(*(a_success(steps=(a_step(flow_status=f"STATUS_{n}"),)) for n in range(3000)))
    assert series.statuses["authorize", UNKNOWN] == 3000
    assert {status for _, status in series.statuses} == {STATUS, "FAILED", UNKNOWN}


@given(sequences)
def test_state_is_bounded_whatever_comes_back(outcomes: list[Outcome]) -> None:
    series = a_series(*outcomes, expected=("OF_OUR_OWN",))
    assert len(series.probes) == 23 == sum(map(len, FAULTS.values()))
    assert {phase for _, phase in series.phase_seconds} <= set(Phase)
    assert len(series.responses) <= 20 + 1
    assert {status for _, status in series.statuses} <= {*KNOWN_STATUSES, "OF_OUR_OWN", UNKNOWN}
    assert {step for step, _ in (*series.phase_seconds, *series.responses, *series.statuses)} == {"authorize"}


@given(sequences)
def test_phases_are_those_of_probes_during_which_the_loop_did_not_stand_still(
    outcomes: list[Outcome],
) -> None:
    records = [record for outcome in outcomes if not outcome.stalled for record in outcome.steps]
    series = a_series(*outcomes)
    assert sum(count for _, count in series.phase_seconds.values()) == sum(len(r.phases) for r in records)


def test_error_codes_are_counted_from_their_first_occurrence() -> None:
    refused = a_failure(steps=(a_step(error_codes=("INVALID_DATA", "OTHER")),))
    again = a_failure(steps=(a_step(error_codes=("OTHER",)),))
    assert a_series(a_success()).error_codes == {}
    assert a_series(refused, a_success(), again).error_codes == {
        ("authorize", "INVALID_DATA"): 1,
        ("authorize", "OTHER"): 2,
    }


@given(st.lists(st.text(max_size=40), max_size=30))
def test_error_codes_are_bounded_whatever_a_provider_calls_its_errors(words: list[str]) -> None:
    series = a_series()
    for word in words:
        found = codes_in_document({"error": word, "code": word, "details": [{"code": word}]})
        series.observe(a_failure(steps=(a_step(error_codes=found),)))
    assert {code for _, code in series.error_codes} <= {*KNOWN_CODES, "OTHER"}


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        ([START + 9], START + 9),
        ([START + 9, START + 99], START + 99),
        ([START + 99, START + 9], START + 9),
        ([START + 9, None], START + 9),
        ([None], None),
    ],
)
def test_a_certificates_end_is_kept_as_last_seen(seen: list[float | None], kept: float | None) -> None:
    """None is a certificate that could not be read; a probe in the clear, or cut short, has no TLS at all."""
    series = a_series(*(a_success(steps=(a_step(tls=a_certificate(end)),)) for end in seen))
    series.observe(a_failure())
    assert series.expiry.get("authorize") == kept


# Stalls


def test_a_stalled_success_is_a_success_without_a_duration() -> None:
    series = a_series(a_success(stalled=True, duration=9.0), objective=2.0)
    assert series.probes[Reason.OK, Fault.NONE] == 1
    assert (series.consecutive_failures, series.state_changed_at) == (0, START + 0.3)
    assert series.last_success_at == START + 0.3
    assert (sum(series.durations.counts), series.durations.sum, series.slow) == (0, 0.0, 0)
    assert series.phase_seconds == {}


def test_what_a_stalled_probe_was_told_counts_like_any_other_answer() -> None:
    series = a_series(a_success(stalled=True, steps=(a_step(error_codes=("OTHER",), tls=a_certificate(1)),)))
    assert series.responses["authorize", "200"] == 1
    assert series.statuses["authorize", STATUS] == 1
    assert series.error_codes == {("authorize", "OTHER"): 1}
    assert series.expiry == {"authorize": 1}


@pytest.mark.parametrize(
    ("reason", "fault", "failures"),
    [(Reason.SERVER_ERROR, Fault.PROVIDER, 1), (Reason.INTERNAL, Fault.EXPORTER, 0)],
)
def test_a_stalled_failure_counts_as_its_reason_says(reason: Reason, fault: Fault, failures: int) -> None:
    series = a_series(a_success(), a_failure(reason, fault, stalled=True))
    assert series.probes[reason, fault] == 1
    assert series.consecutive_failures == failures


# Schedule


def test_skipped_runs_are_added_up_by_cause() -> None:
    series = a_series()
    series.skip(SkipCause.MISSED, 3)
    series.skip(SkipCause.MISSED, 2)
    assert series.skipped == {
        SkipCause.OVERRUN: 0,
        SkipCause.MISSED: 5,
        SkipCause.BACKOFF: 0,
        SkipCause.CANCELLED: 0,
    }


@pytest.mark.parametrize(("now", "held"), [(START - 1, START), (START, None), (START + 1, None)])
def test_a_hold_lasts_until_its_end(now: float, held: float | None) -> None:
    series = a_series()
    series.hold_back(START)
    series.release_at(now)
    assert series.held_until == held


def test_every_change_changes_the_version_and_nothing_else_does() -> None:
    series = a_series()
    changes: tuple[Callable[[], None], ...] = (
        lambda: series.observe(a_success()),
        lambda: series.skip(SkipCause.OVERRUN, 1),
        lambda: series.hold_back(START),
        lambda: series.release_at(START),
    )
    versions = [series.version]
    for change in changes:
        change()
        versions.append(series.version)
    assert len(set(versions)) == len(versions)
    series.release_at(START + 1)
    assert series.version == versions[-1]


# Histogram


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.1, 0), (0.1001, 1), (0.5, 1), (0.6, 2)])
def test_a_bucket_holds_values_up_to_and_at_its_bound(value: float, bucket: int) -> None:
    histogram = Histogram((0.1, 0.5))
    histogram.observe(Trace("tx-1", value, START))
    assert histogram.counts.index(1) == bucket
    assert (sum(histogram.counts), histogram.sum) == (1, value)
    assert [index for index, trace in enumerate(histogram.traces) if trace is not None] == [bucket]


def test_each_bucket_keeps_the_last_that_fell_into_it() -> None:
    histogram = Histogram((0.1, 0.5))
    traces = [Trace(f"tx-{n}", value, START + n) for n, value in enumerate((0.05, 0.4, 0.3, 7.0))]
    for trace in traces:
        histogram.observe(trace)
    assert histogram.traces == [traces[0], traces[2], traces[3]]
