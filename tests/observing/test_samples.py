"""What of a series' state is shown, and what is not there because nobody observed it."""

from __future__ import annotations

import pytest
from observing.examples import (
    BUCKETS,
    DESTINATION,
    PHASES,
    SOURCE,
    START,
    STATUS,
    a_failure,
    a_series,
    a_step,
    a_success,
    a_target,
)
from observing.reading import KEY, STEP, shown

from exporter.observing.samples import samples
from exporter.observing.series import Series
from exporter.outcome import Phase
from exporter.reasons import FAULTS, Fault, Reason
from exporter.target import Journey

# Before the first outcome


def test_before_the_first_outcome_there_is_what_is_configured_and_what_counts_from_0() -> None:
    assert samples(a_series()).keys() == {
        "pingone_flow_probes_total",
        "pingone_flow_probe_duration_seconds",
        "pingone_flow_probes_slow_total",
        "pingone_flow_http_responses_total",
        "pingone_flow_statuses_total",
        "pingone_flow_target_info",
        "pingone_flow_target_interval_seconds",
        "pingone_flow_target_timeout_seconds",
        "pingone_flow_target_latency_objective_seconds",
        "pingone_flow_exporter_probes_skipped_total",
    }


def test_all_pairs_of_reason_and_fault_count_from_0() -> None:
    pairs = [
        {**KEY, "reason": reason, "fault": fault} for reason, faults in FAULTS.items() for fault in faults
    ]
    assert len(pairs) == 23
    assert shown(a_series(), "probes_total") == [(labels, 0) for labels in pairs]


def test_codes_that_alerts_ask_for_count_from_0() -> None:
    assert shown(a_series(), "http_responses_total") == [
        ({**STEP, "code": code}, 0)
        for code in ("200", "302", "400", "401", "403", "404", "429", "500", "502", "503", "504")
    ]


def test_expected_statuses_failed_and_unknown_count_from_0() -> None:
    assert shown(a_series(expected=("A", "FAILED")), "statuses_total") == [
        ({**STEP, "status": status}, 0) for status in ("A", "FAILED", "UNKNOWN")
    ]


def test_skipped_runs_and_slow_probes_count_from_0() -> None:
    assert shown(a_series(), "exporter_probes_skipped_total") == [
        ({**KEY, "cause": cause}, 0) for cause in ("overrun", "missed", "backoff", "cancelled")
    ]
    assert shown(a_series(), "probes_slow_total") == [(KEY, 0)]


def test_buckets_count_from_0() -> None:
    family = "pingone_flow_probe_duration_seconds"
    assert [
        (sample.name.removeprefix(family), sample.labels.get("le"), sample.value)
        for sample in samples(a_series())[family]
    ] == [
        ("_bucket", "0.1", 0),
        ("_bucket", "0.5", 0),
        ("_bucket", "1.0", 0),
        ("_bucket", "5.0", 0),
        ("_bucket", "+Inf", 0),
        ("_count", None, 0),
        ("_sum", None, 0),
    ]


def test_the_target_is_told_with_its_own_labels() -> None:
    target = a_target(
        source_url="https://sso.example.com:8443", labels=(("owner", "identity"), ("tier", "1")), timeout=7.5
    )
    series = Series(target, Journey.AUTHORIZE, BUCKETS)
    assert shown(series, "target_info") == [
        (
            {
                "target": "emea",
                "source_environment_id": SOURCE,
                "destination_environment_id": DESTINATION,
                "auth_host": "sso.example.com:8443",
                "owner": "identity",
                "tier": "1",
            },
            1,
        )
    ]
    assert shown(series, "target_interval_seconds") == [(KEY, 60)]
    assert shown(series, "target_timeout_seconds") == [(KEY, 7.5)]
    assert shown(series, "target_latency_objective_seconds") == [(KEY, 2)]


# The last probe


def test_a_success_is_shown_whole() -> None:
    series = a_series(a_success())
    assert shown(series, "probe_success") == [(KEY, 1)]
    assert shown(series, "probe_last_run_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(series, "probe_last_success_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(series, "probe_state_change_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(series, "probe_consecutive_failures") == [(KEY, 0)]
    assert shown(series, "probe_last_result_info") == [
        ({**STEP, "phase": "transfer", "reason": "ok", "fault": "none"}, 1)
    ]
    assert shown(series, "http_status_code") == [(STEP, 200)]
    assert shown(series, "step_last_duration_seconds") == [
        ({**STEP, "phase": phase.value}, seconds) for phase, seconds in PHASES.items()
    ]
    assert shown(series, "status") == [({**STEP, "status": STATUS}, 1)]


def test_a_failure_takes_the_place_of_the_success_before_it() -> None:
    series = a_series(a_success(ended_at=START), a_failure(ended_at=START + 60))
    assert shown(series, "probe_success") == [(KEY, 0)]
    assert shown(series, "probe_last_run_timestamp_seconds") == [(KEY, START + 60)]
    assert shown(series, "probe_last_success_timestamp_seconds") == [(KEY, START)]
    assert shown(series, "probe_last_result_info") == [
        ({**STEP, "phase": "connect", "reason": "connect", "fault": "network"}, 1)
    ]


def test_what_the_last_probe_did_not_get_to_is_absent_though_one_before_did() -> None:
    series = a_series(a_success(), a_failure(phase=Phase.TLS))
    assert [labels["phase"] for labels, _ in shown(series, "step_last_duration_seconds")] == [
        "resolve",
        "connect",
    ]
    assert shown(series, "http_status_code") == []


def test_a_target_that_never_succeeded_has_no_last_success() -> None:
    assert shown(a_series(a_failure()), "probe_last_success_timestamp_seconds") == []


@pytest.mark.parametrize(
    ("reason", "fault"), [(Reason.RATE_LIMITED, Fault.QUOTA), (Reason.INTERNAL, Fault.EXPORTER)]
)
def test_of_a_target_of_which_nothing_is_known_no_state_is_shown(reason: Reason, fault: Fault) -> None:
    series = a_series(a_failure(reason, fault))
    assert shown(series, "probe_success") == [(KEY, 0)]
    assert shown(series, "probe_consecutive_failures") == []
    assert shown(series, "probe_state_change_timestamp_seconds") == []


def test_a_probe_that_took_no_step_shows_none() -> None:
    series = a_series(a_success(), a_failure(Reason.INTERNAL, Fault.EXPORTER, Phase.RESOLVE, steps=()))
    assert shown(series, "step_last_duration_seconds") == shown(series, "http_status_code") == []
    assert shown(series, "status") == [({**STEP, "status": STATUS}, 0)]


# Statuses


def test_of_the_statuses_expected_or_seen_the_last_one_is_1() -> None:
    answers = ("OTP_REQUIRED", "NEVER_HEARD_OF", "A")
    series = a_series(
        *(a_success(steps=(a_step(flow_status=status),)) for status in answers), expected=("A", "B")
    )
    assert {labels["status"]: value for labels, value in shown(series, "status")} == {
        "A": 1,
        "B": 0,
        "OTP_REQUIRED": 0,
        "UNKNOWN": 0,
    }


def test_a_status_nobody_knows_is_shown_as_unknown() -> None:
    series = a_series(a_success(steps=(a_step(flow_status="NEVER_HEARD_OF"),)))
    assert {labels["status"]: value for labels, value in shown(series, "status")} == {STATUS: 0, "UNKNOWN": 1}
    assert ({**STEP, "status": "UNKNOWN"}, 1) in shown(series, "statuses_total")


def test_all_statuses_are_0_when_the_last_probe_got_none() -> None:
    series = a_series(a_success(), a_failure())
    assert shown(series, "status") == [({**STEP, "status": STATUS}, 0)]


# Totals


def test_phases_of_all_probes_are_summed_and_counted() -> None:
    series = a_series(a_success(), a_failure(phase=Phase.TLS))
    found = {
        (sample.name.rsplit("_", 1)[1], sample.labels["phase"]): sample.value
        for sample in samples(series)["pingone_flow_step_duration_seconds"]
    }
    assert found["count", "connect"] == 2
    assert found["sum", "connect"] == pytest.approx(0.04)
    assert found["count", "tls"] == 1


def test_buckets_are_cumulative() -> None:
    series = a_series(*(a_success(duration=seconds) for seconds in (0.1, 0.4, 0.5, 7.0)))
    assert [value for _, value in shown(series, "probe_duration_seconds")] == [
        1,
        3,
        3,
        3,
        4,
        4,
        pytest.approx(8.0),
    ]


def test_a_hold_is_shown_while_it_lasts() -> None:
    series = a_series()
    series.hold_back(START + 120)
    assert shown(series, "backoff_until_timestamp_seconds") == [(KEY, START + 120)]
    series.release_at(START + 120)
    assert shown(series, "backoff_until_timestamp_seconds") == []
