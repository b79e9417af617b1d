"""The page of one target as a document."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_checked_step, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import HOSTILE, NOW, a_history, a_status, bad, good, slow
from serving.examples import target_page as page

from exporter.outcome import CHECKS, Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.status import EgressStatus, TargetHistory, TargetStatus
from exporter.target import Journey

DAY = 86_400.0


def text_of(*outcomes: Outcome) -> str:
    return page(a_history(*outcomes)).text


# The head


def test_a_certificate_expires_or_has_expired() -> None:
    assert "Certificate expired 14:03 UTC" in page(a_history(a_success(), certificate_expiry=NOW - 60)).text
    assert "Certificate expires 14:05 UTC" in page(a_history(a_success(), certificate_expiry=NOW + 60)).text


def test_the_head_shows_name_status_and_likely_cause() -> None:
    document = page(a_history(a_failure(), a_failure()))
    assert document.texts[0] == "emea · pingone-flow-exporter"
    assert (
        "All federations emea failing failing since 14:00 UTC (3 min ago), 2 probes: "
        "connection failed (192.0.2.7). Likely cause: network."
    ) in document.text


def test_without_network_access_no_provider_is_blamed() -> None:
    unanswered = a_failure(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)
    down = EgressStatus(up=False, since=START)
    assert (
        "Likely cause: the exporter's own network (its egress check has been failing since 14:00 UTC). As of"
    ) in page(a_history(unanswered), egress=down).text
    answered = a_failure(Reason.SERVER_ERROR, Fault.PROVIDER, steps=(a_step(http_status_code=503),))
    assert "Likely cause: provider. As of" in page(a_history(answered), egress=down).text


def test_it_shows_how_the_target_is_probed_and_its_labels() -> None:
    target = a_target(labels=(("owner", "identity"),), interval=90.0, timeout=10.0)
    text = page(a_history(a_success(), target=target)).text
    for fact in (
        "Next probe in 12 s",
        "Host auth.pingone.eu",
        "Interval, timeout 1m30s, 10s",
        "Latency objective 2s",
        f"Client ID {a_target().client_id}",
        "Expected status USERNAME_PASSWORD_REQUIRED",
        "Label owner identity",
    ):
        assert fact in text


def test_a_federation_is_shown_with_its_own_times_and_where_its_destination_is() -> None:
    target = replace(
        a_target(journeys=(Journey.FEDERATION,), destination_url="https://auth.pingone.ca/d"),
        source_environment_id=None,
        source_url=None,
        client_id=None,
    )
    text = page(a_history(target=target, journey=Journey.FEDERATION)).text
    for fact in ("Destination host auth.pingone.ca", "Interval, timeout 5m, 30s", "Latency objective 10s"):
        assert fact in text
    for unknown in ("Source environment", "Client ID"):
        assert unknown not in text


def test_login_hint_and_proxy_credentials_are_not_shown() -> None:
    target = a_target(login_hint="jane@example.com", proxy_url="http://user:pass@proxy:3128")
    text = page(a_history(a_success(), target=target)).text
    assert "jane" not in text
    assert "pass@" not in text


def test_a_target_without_probes() -> None:
    text = page(a_history()).text
    assert "not probed yet" in text
    assert "No probe has finished yet." in text
    assert "None since the exporter started." in text


def test_journeys_of_one_target_follow_each_other() -> None:
    first, second = a_history(a_success()), a_history(a_failure(transaction_id="tx-2"))
    document = page(first, second)
    assert [heading["id"] for heading in document.all("h2") if "id" in heading] == [
        "recent1", "failures1", "recent2", "failures2",
    ]  # fmt: skip
    assert document.open == []


# Its probes


def test_probes_and_failures_are_collapsed_at_first() -> None:
    success, failure = a_success(transaction_id="tx-1"), a_failure(transaction_id="tx-2")
    details = page(a_history(failure, success)).all("details")
    assert details == [{"id": "p-tx-1"}, {"id": "p-tx-2"}, {"id": "f-tx-2"}]


def test_a_probe_shows_time_result_response_and_latency() -> None:
    assert "14:00:00 UTC 3 min ago ok 200 USERNAME_PASSWORD_REQUIRED 300 ms" in text_of(a_success())
    assert "14:00:00 UTC 3 min ago network connection failed (192.0.2.7) 300 ms" in text_of(a_failure())


def test_a_step_shows_everything_that_is_known() -> None:
    step = a_checked_step(
        error_codes=("INVALID_VALUE", "OTHER"), checks=dict.fromkeys(CHECKS, True) | {"id": False}
    )
    text = text_of(a_success(steps=(step,), retry_after=30.0))
    for fact in (
        "Step 1: authorize",
        "resolve 10 ms connect 20 ms tls 30 ms processing 200 ms transfer 40 ms",
        "HTTP status 200",
        "Flow status USERNAME_PASSWORD_REQUIRED",
        "Error codes INVALID_VALUE, OTHER",
        "Remote address 192.0.2.7",
        "Correlation ID corr-1",
        "Flow lifetime 15m",
        "Provider's clock offset -0.250 s, ± 0.125 s",
        "TLS TLSv1.3",
        "Cipher TLS_AES_256_GCM_SHA384",
        "Certificate expires 20 Feb 2026 14:00 UTC",
        "id failed",
        "lifetime passed",
        "Transaction ID (for PingOne's audit log) tx-1",
        "Fault none",
        "Last step and phase authorize, transfer",
        "Retry after 30s",
    ):
        assert fact in text


def test_what_is_not_known_of_a_step_is_not_text_of() -> None:
    text = text_of(a_failure())
    assert "HTTP status no response" in text
    for name in ("Flow status", "Error codes", "Correlation ID", "TLS", "Cipher", "Certificate"):
        assert name not in text
    assert "passed" not in text


def test_a_probe_shows_all_its_steps() -> None:
    text = text_of(a_success(steps=(a_step(), a_step(step="callback"))))
    assert "Step 1: authorize" in text
    assert "Step 2: callback" in text


def test_a_probe_without_steps() -> None:
    assert "No step was started." in text_of(a_failure(steps=()))


def test_a_stalled_probe_has_a_warning_and_no_latency() -> None:
    text = text_of(a_success(stalled=True))
    assert "its durations are not reliable" in text
    assert "USERNAME_PASSWORD_REQUIRED stalled" in text


def test_hostile_values_stay_text() -> None:
    step = a_step(correlation_id=HOSTILE, address=HOSTILE, flow_status=HOSTILE, error_codes=(HOSTILE,))
    target = a_target(labels=((HOSTILE, HOSTILE),), expected_statuses=(HOSTILE,))
    document = page(a_history(a_success(steps=(step,), transaction_id=HOSTILE), target=target))
    assert len(document.all("script")) == 1
    assert document.texts.count(HOSTILE) >= 6


def test_only_the_canonical_link_is_absolute() -> None:
    document = page(a_history(a_success()), external_url="https://exporter.example")
    assert document.all("link") == [{"rel": "canonical", "href": "https://exporter.example/targets/emea"}]
    assert {str(link["href"])[:3] for link in document.all("a")} == {"#ma", "../"}


@settings(max_examples=30)
@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_make_a_page_of_nested_elements(history: list[Outcome]) -> None:
    assert page(a_history(*history)).open == []


# The bars of a step


def bars(*outcomes_: Outcome) -> list[tuple[str, float, float]]:
    """Return class, position and width of every bar of the last probes."""
    document = page(TargetHistory(status=a_status(*outcomes_), recent=outcomes_, failures=()))
    return [
        (str(bar["class"]), float(str(bar["x"])), float(str(bar["width"]))) for bar in document.all("rect")
    ]


def test_bars_follow_each_other_in_proportion_to_their_times() -> None:
    step = a_step(phases={Phase.RESOLVE: 0.1, Phase.PROCESSING: 0.3, Phase.TRANSFER: 0.1})
    assert bars(a_success(steps=(step,), duration=0.5)) == [
        ("resolve", 0, 20),
        ("processing", 20, 60),
        ("transfer", 80, 20),
    ]


def test_the_phase_of_the_failure_takes_the_rest_of_the_probe() -> None:
    step = a_step(phase=Phase.PROCESSING, phases={Phase.RESOLVE: 0.5})
    failure = a_failure(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING, steps=(step,), duration=2.0)
    assert bars(failure)[-1] == ("failed", 25, 75)
    text = text_of(a_failure(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING, duration=10.06))
    assert "processing 10.00 s - failed here" in text


@settings(max_examples=30)
@given(outcomes())
def test_every_bar_is_visible_within_the_picture(outcome: Outcome) -> None:
    found = bars(outcome)
    assert len(found) == sum(len({*record.phases, record.phase}) for record in outcome.steps)
    assert all(0 <= position < 100 and width > 0 for _, position, width in found)


# Runbooks


def certified(expires: float) -> TargetStatus:
    return a_status(a_success(), certificate_expiry=expires)


@pytest.mark.parametrize(
    ("status", "alerts"),
    [
        (good(), []),
        (bad(), []),
        (replace(bad(), consecutive=3), [("PingOneFederationDown", "3 consecutive failures")]),
        (good(backoff_until=NOW + 9), [("PingOneRateLimited", "the provider rate-limits the probes")]),
        (slow(), [("PingOneSignOnSlow", "the last probe took longer than the latency objective")]),
        (certified(NOW + 90 * DAY), []),
        (certified(NOW + 9 * DAY), [("PingOneCertificateExpiresSoon", "the certificate expires in 9 d")]),
        (certified(NOW + 2 * DAY), [("PingOneCertificateExpiresNow", "the certificate expires in 2 d")]),
        (certified(NOW - 2 * DAY), [("PingOneCertificateExpiresNow", "the certificate expired 2 d ago")]),
        (
            a_status(a_success(steps=(a_step(checks={"id": True, "lifetime": False}),))),
            [("PingOneContractCheckFailing", "failed contract checks: lifetime")],
        ),
    ],
)
def test_runbooks_are_linked_when_they_help(status: TargetStatus, alerts: list[tuple[str, str]]) -> None:
    document = page(TargetHistory(status=status, recent=(), failures=()))
    links = [str(link["href"]) for link in document.all("a")]
    found = [link.removeprefix("../runbooks/") for link in links if "runbooks" in link]
    assert found == [name for name, _ in alerts]
    for name, why in alerts:
        assert f"Runbook {name}: {why}" in document.text


def test_the_start_of_a_probe_has_seconds() -> None:
    assert "Started 14:00:00 UTC" in text_of(a_success(started_at=START))
