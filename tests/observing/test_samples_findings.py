"""What an instrument tells of a flow, of the provider's clock and certificate, and of probes that stalled."""

from __future__ import annotations

import pytest
from observing.examples import (
    PHASES,
    START,
    STATUS,
    a_certificate,
    a_checked_step,
    a_failure,
    a_series,
    a_step,
    a_success,
)
from observing.reading import KEY, STEP, shown

from exporter.outcome import CHECKS, Outcome, Phase
from exporter.reasons import Fault, Reason

OF_A_FLOW = ("contract_check", "lifetime_seconds", "clock_skew_seconds", "clock_skew_error_seconds")
EXPIRY = "tls_certificate_expiry_timestamp_seconds"

checked = a_success(steps=(a_checked_step(),))


# Flows


def test_each_contract_check_is_1_or_0() -> None:
    failed = {"resume_url", "lifetime"}
    step = a_checked_step(checks={check: check not in failed for check in CHECKS})
    assert shown(a_series(a_success(steps=(step,))), "contract_check") == [
        ({**STEP, "check": check}, 0 if check in failed else 1)
        for check in (
            "id", "environment", "self_link", "status_link", "resume_url", "lifetime", "application_name",
        )
    ]  # fmt: skip


def test_a_failed_check_fails_no_probe() -> None:
    step = a_checked_step(checks=dict.fromkeys(CHECKS, False))
    assert shown(a_series(a_success(steps=(step,))), "probe_success") == [(KEY, 1)]


def test_lifetime_skew_and_its_error_are_those_of_the_last_flow() -> None:
    later = a_checked_step(lifetime=600.0, clock_skew=3.5, clock_skew_error=0.5)
    series = a_series(checked)
    assert [shown(series, family) for family in OF_A_FLOW[1:]] == [
        [(STEP, 900.0)], [(STEP, -0.25)], [(STEP, 0.125)],
    ]  # fmt: skip
    series.observe(a_success(steps=(later,)))
    assert [shown(series, family) for family in OF_A_FLOW[1:]] == [
        [(STEP, 600.0)], [(STEP, 3.5)], [(STEP, 0.5)],
    ]  # fmt: skip


def test_no_skew_and_a_lifetime_of_0_are_values_like_any_other() -> None:
    step = a_checked_step(lifetime=0.0, clock_skew=0.0, clock_skew_error=0.0)
    series = a_series(a_success(steps=(step,)))
    assert [shown(series, family) for family in OF_A_FLOW[1:]] == [[(STEP, 0.0)]] * 3


@pytest.mark.parametrize(
    "last",
    [
        a_failure(),
        a_failure(Reason.RATE_LIMITED, Fault.QUOTA, Phase.TRANSFER, steps=(a_step(flow_status=None),)),
        a_failure(Reason.INTERNAL, Fault.EXPORTER, Phase.RESOLVE, steps=()),
    ],
    ids=["no answer", "no flow", "no step"],
)
def test_what_is_told_of_a_flow_is_absent_when_the_last_probe_got_none(last: Outcome) -> None:
    series = a_series(checked, last)
    assert [shown(series, family) for family in OF_A_FLOW] == [[]] * 4
    assert shown(series, "status") == [({**STEP, "status": STATUS}, 0)]


def test_a_flow_without_readable_stamps_has_checks_and_neither_lifetime_nor_skew() -> None:
    step = a_checked_step(lifetime=None, clock_skew=None, clock_skew_error=None)
    series = a_series(checked, a_success(steps=(step,)))
    assert len(shown(series, "contract_check")) == len(CHECKS)
    assert [shown(series, family) for family in OF_A_FLOW[1:]] == [[]] * 3


# Error codes


def test_error_codes_are_there_from_their_first_occurrence_and_stay() -> None:
    refused = a_failure(steps=(a_step(error_codes=("INVALID_DATA", "INVALID_VALUE")),))
    series = a_series(checked)
    assert shown(series, "error_codes_total") == []
    for outcome in (refused, refused, checked):
        series.observe(outcome)
    assert shown(series, "error_codes_total") == [
        ({**STEP, "code": "INVALID_DATA"}, 2),
        ({**STEP, "code": "INVALID_VALUE"}, 2),
    ]


# Certificates


def test_a_certificates_end_stays_told_when_later_probes_see_none() -> None:
    series = a_series(a_failure())
    assert shown(series, EXPIRY) == []
    for outcome in (checked, a_failure(), a_failure(Reason.INTERNAL, Fault.EXPORTER, steps=())):
        series.observe(outcome)
        assert shown(series, EXPIRY) == [(STEP, START + 90 * 86_400)]


def test_a_renewed_certificate_takes_the_place_of_the_old_one() -> None:
    renewed = a_success(steps=(a_checked_step(tls=a_certificate(START + 365 * 86_400)),))
    assert shown(a_series(checked, renewed), EXPIRY) == [(STEP, START + 365 * 86_400)]


def test_the_end_of_a_certificate_that_was_refused_is_told_too() -> None:
    refused = a_failure(
        Reason.TLS,
        Fault.PROVIDER,
        Phase.TLS,
        steps=(a_step(reason=Reason.TLS, phase=Phase.TLS, tls=a_certificate(START - 60)),),
    )
    assert shown(a_series(checked, refused), EXPIRY) == [(STEP, START - 60)]


# Stalls


def test_the_durations_of_a_stalled_probe_are_not_shown_as_last_nor_are_those_before() -> None:
    series = a_series(a_success(), a_success(stalled=True))
    assert shown(series, "step_last_duration_seconds") == []
    series.observe(a_success())
    assert len(shown(series, "step_last_duration_seconds")) == len(PHASES)


def test_a_stalled_probe_moves_no_duration_and_is_never_slow() -> None:
    series = a_series(a_success())
    families = ("probe_duration_seconds", "step_duration_seconds", "probes_slow_total")
    before = [shown(series, family) for family in families]
    series.observe(a_success(stalled=True, duration=30.0))
    assert [shown(series, family) for family in families] == before


def test_what_a_stalled_probe_found_is_shown_as_of_any_other() -> None:
    series = a_series(a_success(stalled=True, steps=(a_checked_step(),)))
    assert shown(series, "probe_success") == [(KEY, 1)]
    assert shown(series, "probe_last_run_timestamp_seconds") == [(KEY, START + 0.3)]
    assert shown(series, "http_status_code") == [(STEP, 200)]
    assert shown(series, "status") == [({**STEP, "status": STATUS}, 1)]
    assert all(shown(series, family) for family in OF_A_FLOW)
    assert ({**KEY, "reason": "ok", "fault": "none"}, 1) in shown(series, "probes_total")
