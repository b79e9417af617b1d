"""The metrics of a target: what each shows, and what is absent because it was not observed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from harness.samples import Samples
from hypothesis import given
from hypothesis import strategies as st
from metrics_reference import FAMILIES
from observing.examples import (
    BUCKETS,
    DESTINATION,
    KEY,
    PHASES,
    SOURCE,
    START,
    STATUS,
    STEP,
    a_certificate,
    a_checked_step,
    a_failure,
    a_step,
    a_success,
    a_target,
    observed,
    page,
    shown,
    text_of,
)
from observing.strategies import sequences

from exporter.observing import History, Metrics
from exporter.outcome import CHECKS, KNOWN_STATUSES, UNKNOWN, Outcome, Phase, SkipCause
from exporter.probing.errors import KNOWN_CODES, codes_in_document
from exporter.reasons import Fault, Reason, pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

OF_A_FLOW = ("contract_check", "lifetime_seconds", "clock_skew_seconds", "clock_skew_error_seconds")
EXPIRY = "tls_certificate_expiry_timestamp_seconds"
QUOTA = (Reason.RATE_LIMITED, Fault.QUOTA)
EXPORTER = (Reason.INTERNAL, Fault.EXPORTER)

checked = a_success(steps=(a_checked_step(),))


def after(outcomes: list[Outcome], family: str) -> list[float]:
    """Return the value of a family's one sample after each of these outcomes."""
    metrics, values = observed(), []
    for outcome in outcomes:
        metrics.observe(outcome)
        ((_, value),) = shown(metrics, family)
        values.append(value)
    return values


def by(metrics: Metrics, family: str, label: str) -> dict[str, float]:
    """Return the values of a family's samples by one label."""
    return {labels[label]: value for labels, value in shown(metrics, family)}


# Before the first outcome


def test_before_the_first_outcome_there_are_settings_and_counters() -> None:
    found = {
        family.name.removeprefix("pingone_flow_")
        for family in page(observed()).families
        if any("target" in sample.labels for sample in family.samples)
    }
    assert found == {
        "probes",
        "probe_duration_seconds",
        "probes_slow",
        "http_responses",
        "statuses",
        "target_info",
        "target_last_step_info",
        "target_interval_seconds",
        "target_timeout_seconds",
        "target_latency_objective_seconds",
        "exporter_probes_skipped",
    }


def test_counters_over_closed_sets_start_at_0() -> None:
    metrics = observed(expected=("A", "FAILED"))
    pairs = pairs_of(Journey.AUTHORIZE)
    assert len(pairs) == 24
    assert shown(metrics, "probes_total") == [
        ({**KEY, "reason": reason, "fault": fault}, 0) for reason, fault in pairs
    ]
    assert shown(metrics, "http_responses_total") == [
        ({**STEP, "code": code}, 0)
        for code in ("200", "302", "400", "401", "403", "404", "429", "500", "502", "503", "504")
    ]
    assert shown(metrics, "statuses_total") == [
        ({**STEP, "status": status}, 0) for status in ("A", "FAILED", "UNKNOWN")
    ]
    assert shown(metrics, "exporter_probes_skipped_total") == [
        ({**KEY, "cause": cause}, 0) for cause in ("overrun", "missed", "backoff", "cancelled")
    ]
    assert shown(metrics, "probes_slow_total") == [(KEY, 0)]


def buckets(metrics: Metrics) -> list[tuple[str, str | None, float]]:
    family = page(metrics).family("pingone_flow_probe_duration_seconds")
    assert family is not None
    return [(s.name.rsplit("_", 1)[1], s.labels.get("le"), s.value) for s in family.samples]


def test_buckets_start_at_0_and_are_cumulative() -> None:
    assert buckets(observed()) == [
        *[("bucket", bound, 0) for bound in ("0.1", "0.5", "1.0", "5.0", "+Inf")],
        ("count", None, 0),
        ("sum", None, 0),
    ]
    metrics = observed(*(a_success(duration=seconds) for seconds in (0.1, 0.4, 0.5, 7.0)))
    assert [value for *_, value in buckets(metrics)] == [1, 3, 3, 3, 4, 4, pytest.approx(8.0)]


def test_the_target_is_shown_with_its_settings_and_its_own_labels() -> None:
    target = a_target(
        source_url="https://sso.example.com:8443", labels=(("owner", "identity"), ("tier", "1")), timeout=7.5
    )
    metrics = Metrics([target], buckets=BUCKETS)
    info = {
        "target": "emea",
        "source_environment_id": SOURCE,
        "destination_environment_id": DESTINATION,
        "auth_host": "sso.example.com:8443",
        "owner": "identity",
        "tier": "1",
    }
    assert shown(metrics, "target_info") == [(info, 1)]
    assert shown(metrics, "target_interval_seconds") == [(KEY, 60)]
    assert shown(metrics, "target_timeout_seconds") == [(KEY, 7.5)]
    assert shown(metrics, "target_latency_objective_seconds") == [(KEY, 2)]


# The last probe


def test_a_success_is_shown_whole() -> None:
    metrics = observed(a_success())
    assert shown(metrics, "probe_success") == [(KEY, 1)]
    assert shown(metrics, "probe_last_run_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(metrics, "probe_last_success_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(metrics, "probe_state_change_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(metrics, "probe_consecutive_failures") == [(KEY, 0)]
    assert shown(metrics, "probe_last_result_info") == [
        ({**STEP, "phase": "transfer", "reason": "ok", "fault": "none", "side": "source"}, 1)
    ]
    assert shown(metrics, "http_status_code") == [(STEP, 200)]
    assert shown(metrics, "step_last_duration_seconds") == [
        ({**STEP, "phase": phase.value}, seconds) for phase, seconds in PHASES.items()
    ]
    assert shown(metrics, "status") == [({**STEP, "status": STATUS}, 1)]


def test_a_failure_replaces_the_success_before_it() -> None:
    metrics = observed(a_success(ended_at=START), a_failure(ended_at=START + 60))
    assert shown(metrics, "probe_success") == [(KEY, 0)]
    assert shown(metrics, "probe_last_run_timestamp_seconds") == [(KEY, START + 60)]
    assert shown(metrics, "probe_last_success_timestamp_seconds") == [(KEY, START)]
    assert shown(metrics, "probe_last_result_info") == [
        ({**STEP, "phase": "connect", "reason": "connect", "fault": "network", "side": "source"}, 1)
    ]


def test_what_the_last_probe_did_not_reach_is_absent() -> None:
    metrics = observed(a_success(), a_failure(phase=Phase.TLS))
    assert list(by(metrics, "step_last_duration_seconds", "phase")) == ["resolve", "connect"]
    assert shown(metrics, "http_status_code") == []
    metrics.observe(a_failure(*EXPORTER, Phase.RESOLVE, steps=()))
    assert shown(metrics, "step_last_duration_seconds") == []
    assert shown(metrics, "status") == [({**STEP, "status": STATUS}, 0)]
    assert shown(observed(a_failure()), "probe_last_success_timestamp_seconds") == []


# State


def test_an_incomplete_probe_is_counted_but_is_no_sign_that_users_can_sign_on() -> None:
    metrics = observed(a_failure(), a_success(incomplete=True, ended_at=START + 60))
    assert shown(metrics, "probe_last_success_timestamp_seconds") == []
    assert shown(metrics, "probe_consecutive_failures") == [(KEY, 1)]
    assert shown(metrics, "probe_last_run_timestamp_seconds") == [(KEY, START + 60)]
    assert by(metrics, "probes_total", "reason")["ok"] == 1
    assert buckets(metrics)[-2][-1] == 0


def test_failures_are_counted_since_the_last_success() -> None:
    outcomes = [a_failure(), a_failure(), a_success(), a_success(), a_failure()]
    assert after(outcomes, "probe_consecutive_failures") == [1, 2, 0, 0, 1]


def test_the_state_changes_only_between_succeeding_and_failing() -> None:
    kinds = (a_success, a_success, a_failure, a_failure, a_success)
    outcomes = [kind(ended_at=START + second) for second, kind in enumerate(kinds)]
    outcomes.insert(3, a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, ended_at=START + 2.5))
    changes = after(outcomes, "probe_state_change_timestamp_seconds")
    assert changes == [START, START, START + 2, START + 2, START + 2, START + 4]


@pytest.mark.parametrize("result", [QUOTA, EXPORTER])
@pytest.mark.parametrize("before", [a_success, a_failure])
def test_an_inconclusive_probe_leaves_the_state_as_it_is(
    result: tuple[Reason, Fault], before: Callable[..., Outcome]
) -> None:
    states = ("probe_consecutive_failures", "probe_state_change_timestamp_seconds")
    metrics = observed(before(ended_at=START))
    expected = [shown(metrics, family) for family in states]
    metrics.observe(a_failure(*result, ended_at=START + 1))
    assert [shown(metrics, family) for family in states] == expected
    assert list(by(metrics, "probe_last_result_info", "reason")) == [result[0]]


@pytest.mark.parametrize("result", [QUOTA, EXPORTER])
def test_after_only_inconclusive_probes_there_is_no_state(result: tuple[Reason, Fault]) -> None:
    metrics = observed(a_failure(*result))
    assert shown(metrics, "probe_success") == [(KEY, 0)]
    assert shown(metrics, "probe_consecutive_failures") == []
    assert shown(metrics, "probe_state_change_timestamp_seconds") == []


@given(sequences)
def test_metrics_and_pages_agree_on_the_state(outcomes: list[Outcome]) -> None:
    history = History([a_target()])
    for outcome in outcomes:
        history.observe(outcome)
    (status,), metrics = history.statuses(), page(observed(*outcomes))
    assert metrics.value("pingone_flow_probe_state_change_timestamp_seconds") == status.since
    failures = metrics.value("pingone_flow_probe_consecutive_failures")
    assert failures == (None if status.failing is None else status.consecutive * status.failing)


# Totals


@given(sequences)
def test_every_outcome_is_counted_once(outcomes: list[Outcome]) -> None:
    metrics = observed(*outcomes)
    expected = Counter((outcome.reason.value, outcome.fault.value) for outcome in outcomes)
    counts = {(labels["reason"], labels["fault"]): value for labels, value in shown(metrics, "probes_total")}
    assert {pair: count for pair, count in counts.items() if count} == expected
    durations = [outcome.duration for outcome in outcomes if outcome.success and not outcome.stalled]
    (_, _, count), (_, _, total) = buckets(metrics)[-2:]
    assert count == len(durations)
    assert total == pytest.approx(sum(durations))
    phases = sum(len(r.phases) for outcome in outcomes if not outcome.stalled for r in outcome.steps)
    assert page(metrics).total("pingone_flow_step_duration_seconds_count") == phases


@pytest.mark.parametrize(("duration", "slow"), [(1.999, 0), (2.0, 0), (2.001, 1)])
def test_a_success_is_slow_above_the_objective(duration: float, slow: int) -> None:
    metrics = observed(a_success(duration=duration), a_failure(duration=9.0), objective=2.0)
    assert shown(metrics, "probes_slow_total") == [(KEY, slow)]


def test_completed_phases_of_all_probes_are_summed_and_counted() -> None:
    metrics = page(observed(a_success(), a_failure(phase=Phase.TLS)))
    name = "pingone_flow_step_duration_seconds"
    assert metrics.value(f"{name}_count", phase="connect") == 2
    assert metrics.value(f"{name}_sum", phase="connect") == pytest.approx(0.04)
    assert metrics.value(f"{name}_count", phase="tls") == 1


def test_codes_beyond_twenty_count_as_other() -> None:
    metrics = observed(*(a_success(steps=(a_step(http_status_code=code),)) for code in range(100, 1000)))
    metrics.observe(a_success(steps=(a_step(http_status_code=100),)))
    codes = by(metrics, "http_responses_total", "code")
    assert len(codes) == 20 + 1
    assert (codes["100"], codes["504"], sum(codes.values())) == (2, 1, 901)
    assert codes["other"] == 901 - 21


def test_error_codes_appear_with_their_first_occurrence_and_stay() -> None:
    refused = a_failure(steps=(a_step(error_codes=("INVALID_DATA", "OTHER")),))
    again = a_failure(steps=(a_step(error_codes=("OTHER",)),))
    assert shown(observed(checked), "error_codes_total") == []
    assert shown(observed(refused, checked, again), "error_codes_total") == [
        ({**STEP, "code": "INVALID_DATA"}, 1),
        ({**STEP, "code": "OTHER"}, 2),
    ]


# Flow


@pytest.mark.parametrize(
    ("status", "label"),
    [
        ("OF_OUR_OWN", "OF_OUR_OWN"),
        ("OTP_REQUIRED", "OTP_REQUIRED"),
        ("DAVINCI", "DAVINCI"),
        ("otp_required", UNKNOWN),
        ("INVENTED_TODAY", UNKNOWN),
    ],
)
def test_a_status_that_is_neither_known_nor_expected_is_unknown(status: str, label: str) -> None:
    metrics = observed(a_success(steps=(a_step(flow_status=status),)), expected=("OF_OUR_OWN",))
    assert by(metrics, "status", "status")[label] == 1
    assert by(metrics, "statuses_total", "status")[label] == 1


def test_of_the_statuses_expected_or_seen_the_last_one_is_1() -> None:
    statuses = ("OTP_REQUIRED", "NEVER_HEARD_OF", "A")
    outcomes = [a_success(steps=(a_step(flow_status=status),)) for status in statuses]
    metrics = observed(*outcomes, expected=("A", "B"))
    assert by(metrics, "status", "status") == {"A": 1, "B": 0, "OTP_REQUIRED": 0, "UNKNOWN": 0}
    metrics.observe(a_failure())
    assert set(by(metrics, "status", "status").values()) == {0}


def test_each_contract_check_is_1_or_0_and_fails_no_probe() -> None:
    failed = {"resume_url", "lifetime"}
    step = a_checked_step(checks={check: check not in failed for check in CHECKS})
    metrics = observed(a_success(steps=(step,)))
    assert by(metrics, "contract_check", "check") == {check: check not in failed for check in CHECKS}
    assert shown(metrics, "probe_success") == [(KEY, 1)]


@pytest.mark.parametrize("facts", [(900.0, -0.25, 0.125), (600.0, 3.5, 0.5), (0.0, 0.0, 0.0)])
def test_lifetime_and_clock_skew_are_those_of_the_last_flow(facts: tuple[float, float, float]) -> None:
    lifetime, skew, error = facts
    step = a_checked_step(lifetime=lifetime, clock_skew=skew, clock_skew_error=error)
    metrics = observed(checked, a_success(steps=(step,)))
    assert [shown(metrics, family) for family in OF_A_FLOW[1:]] == [[(STEP, fact)] for fact in facts]


@pytest.mark.parametrize(
    "last",
    [
        a_failure(),
        a_failure(*QUOTA, Phase.TRANSFER, steps=(a_step(flow_status=None),)),
        a_failure(*EXPORTER, Phase.RESOLVE, steps=()),
    ],
    ids=["no response", "no flow", "no step"],
)
def test_without_a_flow_its_facts_are_absent(last: Outcome) -> None:
    metrics = observed(checked, last)
    assert [shown(metrics, family) for family in OF_A_FLOW] == [[]] * 4
    assert shown(metrics, "status") == [({**STEP, "status": STATUS}, 0)]


def test_a_flow_without_timestamps_has_checks_but_neither_lifetime_nor_skew() -> None:
    step = a_checked_step(lifetime=None, clock_skew=None, clock_skew_error=None)
    metrics = observed(checked, a_success(steps=(step,)))
    assert len(shown(metrics, "contract_check")) == len(CHECKS)
    assert [shown(metrics, family) for family in OF_A_FLOW[1:]] == [[]] * 3


# Certificates


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
def test_the_expiry_of_the_certificate_seen_last_stays(seen: list[float | None], kept: float | None) -> None:
    """None is a certificate that could not be read; a probe over plain HTTP, or cut short, has no TLS."""
    metrics = observed(*(a_success(steps=(a_step(tls=a_certificate(end)),)) for end in seen))
    for outcome in (a_failure(), a_failure(*EXPORTER, steps=())):
        metrics.observe(outcome)
        assert shown(metrics, EXPIRY) == ([] if kept is None else [(STEP, kept)])


def test_the_expiry_of_a_rejected_certificate_is_shown_too() -> None:
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=a_certificate(START - 60))
    refused = a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(step,))
    assert shown(observed(checked, refused), EXPIRY) == [(STEP, START - 60)]


# Stalls


def test_a_stalled_probe_adds_no_duration() -> None:
    families = ("probe_duration_seconds", "step_duration_seconds", "probes_slow_total")
    metrics = observed(a_success())
    before = [shown(metrics, family) for family in families]
    metrics.observe(a_success(stalled=True, duration=30.0))
    assert [shown(metrics, family) for family in families] == before
    assert shown(metrics, "step_last_duration_seconds") == []
    metrics.observe(a_success())
    assert len(shown(metrics, "step_last_duration_seconds")) == len(PHASES)


def test_everything_else_of_a_stalled_probe_counts() -> None:
    step = a_checked_step(error_codes=("OTHER",), tls=a_certificate(1))
    metrics = observed(a_success(stalled=True, steps=(step,)))
    assert shown(metrics, "probe_success") == [(KEY, 1)]
    assert shown(metrics, "probe_consecutive_failures") == [(KEY, 0)]
    assert shown(metrics, "probe_last_run_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(metrics, "probe_last_success_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(metrics, "http_status_code") == [(STEP, 200)]
    assert shown(metrics, "status") == [({**STEP, "status": STATUS}, 1)]
    assert all(shown(metrics, family) for family in OF_A_FLOW)
    assert ({**KEY, "reason": "ok", "fault": "none"}, 1) in shown(metrics, "probes_total")
    assert by(metrics, "http_responses_total", "code")["200"] == 1
    assert by(metrics, "statuses_total", "status")[STATUS] == 1
    assert by(metrics, "error_codes_total", "code") == {"OTHER": 1}
    assert shown(metrics, EXPIRY) == [(STEP, 1)]


@pytest.mark.parametrize(("result", "failures"), [((Reason.SERVER_ERROR, Fault.PROVIDER), 1), (EXPORTER, 0)])
def test_a_stalled_failure_counts_by_its_fault(result: tuple[Reason, Fault], failures: int) -> None:
    metrics = observed(a_success(), a_failure(*result, stalled=True))
    assert shown(metrics, "probe_consecutive_failures") == [(KEY, failures)]


# Bounds, whatever a provider sends


def samples_of_targets(metrics: Metrics) -> list[Sample]:
    lines = text_of(metrics).splitlines(keepends=True)
    of_targets = Samples("".join(line for line in lines if 'target="' in line and not line.startswith("#")))
    return [sample for family in of_targets.families for sample in family.samples]


@given(sequences)
def test_no_counter_ever_decreases_or_disappears(outcomes: list[Outcome]) -> None:
    gauges = {family.name for family in FAMILIES if family.kind == "gauge"}

    def counters(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for sample in samples_of_targets(metrics)
            if sample.name not in gauges
        }

    metrics = observed()
    before = counters(metrics)
    for outcome in outcomes:
        metrics.observe(outcome)
        now = counters(metrics)
        assert all(now[key] >= value for key, value in before.items())
        before = now


@given(sequences)
def test_the_number_of_series_is_bounded_by_the_configuration(outcomes: list[Outcome]) -> None:
    metrics = observed(*outcomes, expected=("A", "B"), paused_until=START + 60)
    samples = samples_of_targets(metrics)
    identities = Counter((sample.name, frozenset(sample.labels.items())) for sample in samples)
    assert set(identities.values()) == {1}, "a series occurs twice"
    statuses, codes, phases = len(KNOWN_STATUSES | {"A", "B", "UNKNOWN"}), 20 + 1, len(Phase)
    limits = {
        "probes_total": 24,
        "probe_duration_seconds_bucket": len(BUCKETS) + 1,
        "exporter_probes_skipped_total": len(SkipCause),
        "step_duration_seconds_sum": phases,
        "step_duration_seconds_count": phases,
        "step_last_duration_seconds": phases,
        "http_responses_total": codes,
        "statuses_total": statuses,
        "status": statuses,
        "error_codes_total": len(KNOWN_CODES) + 1,
        "contract_check": len(CHECKS),
    }
    for name, count in Counter(sample.name for sample in samples).items():
        assert count <= limits.get(name.removeprefix("pingone_flow_"), 1)


def test_thousands_of_new_statuses_are_one_series() -> None:
    metrics = observed(*(a_success(steps=(a_step(flow_status=f"STATUS_{n}"),)) for n in range(3000)))
    assert by(metrics, "statuses_total", "status") == {STATUS: 0, "FAILED": 0, UNKNOWN: 3000}


@given(st.lists(st.text(max_size=40), max_size=30))
def test_error_codes_are_a_closed_set_whatever_a_provider_calls_them(words: list[str]) -> None:
    metrics = observed()
    for word in words:
        found = codes_in_document({"error": word, "code": word, "details": [{"code": word}]})
        metrics.observe(a_failure(steps=(a_step(error_codes=found),)))
    assert by(metrics, "error_codes_total", "code").keys() <= {*KNOWN_CODES, "OTHER"}
