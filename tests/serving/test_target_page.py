"""The page of one target as a document."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_checked_step, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import HOSTILE, NOW, a_history, a_status, bad, good, slow, unstable
from serving.examples import target_page as page

from exporter.outcome import CHECKS, DiscoveryFacts, Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.serving import health, runbooks
from exporter.serving.expiry import Expiring
from exporter.status import CONFIRMED_FAILURES, EgressStatus, TargetHistory, TargetStatus
from exporter.target import Journey, ListedProvider

DAY = 86_400.0
CHART = Path(__file__).resolve().parents[2] / "helm" / "pingone-flow-exporter"


def text_of(*outcomes: Outcome) -> str:
    return page(a_history(*outcomes)).text


# The head


def test_a_certificate_expires_or_has_expired() -> None:
    assert (
        "Certificate expired 14:03 UTC"
        in page(a_history(a_success(), leaf_expiries=(("authorize", NOW - 60),))).text
    )
    assert (
        "Certificate expires 14:05 UTC"
        in page(a_history(a_success(), leaf_expiries=(("authorize", NOW + 60),))).text
    )


def test_the_head_shows_name_status_and_likely_cause() -> None:
    document = page(a_history(a_failure(), a_failure()))
    assert document.texts[0] == "failing: emea · pingone-flow-exporter"
    assert (
        "All federations emea failing since 14:00 UTC (3 min ago), 2 probes: "
        "connection failed: refused by 192.0.2.7. Likely cause: network."
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
    sections = ("last", "incidents", "recent", "facts")
    assert [heading["id"] for heading in document.all("h2") if "id" in heading] == [
        *(f"{section}1" for section in sections),
        *(f"{section}2" for section in sections),
    ]
    assert document.open == []


def test_links_lead_to_other_programs() -> None:
    links = {"Grafana": "https://g.example/d/x?var-target={target}", "Prometheus": None}
    document = page(a_history(a_success()), links=lambda: links)
    assert {"href": "https://g.example/d/x?var-target=emea", "rel": "noreferrer"} in document.all("a")
    assert "Prometheus" not in document.text


def test_the_facts_of_a_listed_provider_and_of_discovery_are_shown() -> None:
    listed = ListedProvider(destination="hub", name=HOSTILE, slug="old_one")
    facts = DiscoveryFacts(signing_keys=2, signing_keys_hash=1, metadata_hash=1, certificate_expiry=NOW + 60)
    chain = (("jwks", NOW + 120),)
    target = a_target(listed=listed, provider_id="3f2a")
    status = a_status(a_success(), target=target, discovery=facts, chain_expiries=chain)
    document = page(TargetHistory(status=status, recent=(), failures=()))
    for fact in (
        "Listed by destination hub",
        "Provider ID 3f2a",
        "Signing keys 2",
        "Last signing key's certificate expires 14:05 UTC",
        "Certificate chain expires 14:06 UTC",
    ):
        assert fact in document.text
    assert HOSTILE in document.texts


# Its probes


def test_the_last_probe_is_open_and_the_others_are_collapsed() -> None:
    success, failure = a_success(transaction_id="tx-1"), a_failure(transaction_id="tx-2", ended_at=START + 60)
    document = page(a_history(failure, success, a_success(transaction_id="tx-3")))
    details = [details["id"] for details in document.all("details")]
    assert details == [f"i-authorize-{START + 60:.0f}", "f-tx-2", "probes1", "p-tx-1", "p-tx-2"]
    assert not [details for details in document.all("details") if "open" in details]
    assert (
        "Last probe 14:00:00 UTC 3 min ago ok 200 USERNAME_PASSWORD_REQUIRED 300 ms Step 1" in document.text
    )


def test_ids_can_be_copied() -> None:
    names = {dd["data-copy"] for dd in page(a_history(a_success())).all("dd") if "data-copy" in dd}
    assert names == {
        "Correlation ID",
        "Transaction ID (for PingOne's audit log)",
        "Source environment",
        "Destination environment",
        "Client ID",
    }


def test_the_exact_cause_and_the_host_of_a_step_are_shown() -> None:
    step = a_step(reason=Reason.CONNECT, detail="refused by 192.0.2.7", host="a.example:443")
    text = text_of(a_failure(steps=(step,)))
    assert "1 probe: connection failed: refused by 192.0.2.7. Likely cause" in text
    assert "Step 1: authorize - failed here refused by 192.0.2.7 " in text
    assert "Host a.example:443" in text


def test_a_probe_shows_time_result_response_and_latency() -> None:
    assert "14:00:00 UTC 3 min ago ok 200 USERNAME_PASSWORD_REQUIRED 300 ms" in text_of(a_success())
    assert "14:00:00 UTC 3 min ago network connection failed: refused by 192.0.2.7 300 ms" in text_of(
        a_failure()
    )


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
    assert document.all("link") == [
        {"rel": "icon", "href": "../favicon.ico?ok"},
        {"rel": "canonical", "href": "https://exporter.example/targets/emea"},
    ]
    assert {str(link["href"])[:3] for link in document.all("a")} == {"#ma", "../"}


@settings(max_examples=30)
@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_make_a_page_of_nested_elements(history: list[Outcome]) -> None:
    assert page(a_history(*history)).open == []


# The bars of a step


def bars(*outcomes_: Outcome) -> list[tuple[str, float, float]]:
    """Return class, position and width of every bar of the last probes."""
    document = page(TargetHistory(status=a_status(*outcomes_), recent=outcomes_[-1:], failures=()))
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
    steps = [
        record for record in outcome.steps if outcome.fault is not Fault.ACCOUNT or record.http_status_code
    ]
    assert len(found) >= sum(len({*record.phases, record.phase}) for record in steps)
    assert all(0 <= position < 100 and width > 0 for _, position, width in found)


def test_an_incomplete_probe_is_neither_ok_nor_in_the_picture() -> None:
    early = a_success(journey=Journey.FEDERATION, incomplete=True)
    document = page(a_history(early, journey=Journey.FEDERATION))
    assert "incomplete ended before sign_on: lock-out protection withheld the password" in document.text
    assert not document.all("figure")
    document = page(a_history(early, a_success(journey=Journey.FEDERATION), journey=Journey.FEDERATION))
    assert "Last probe: 1 ok (at most 300 ms)" in document.text
    failed = a_failure(journey=Journey.FEDERATION, transaction_id="tx-0", ended_at=START - 60)
    document = page(a_history(failed, early, journey=Journey.FEDERATION, consecutive=3))
    assert " until now " in document.text, "it does not end the incident"


# Runbooks


def certified(expires: float) -> TargetStatus:
    return a_status(a_success(), leaf_expiries=(("authorize", expires),))


@pytest.mark.parametrize(
    ("status", "alerts"),
    [
        (good(), []),
        (bad(), [("PingOneFederationDown", "fires after 3 consecutive failures, 1 so far")]),
        (replace(bad(), consecutive=3), [("PingOneFederationDown", "3 consecutive failures")]),
        (
            replace(bad(), consecutive=3, since=NOW - 2 * DAY),
            [("PingOneFederationNoSuccess", "no success for more than a day")],
        ),
        (unstable(), [("PingOneErrorBudgetBurnFast", "4 of the last 10 probes failed")]),
        (good(backoff_until=NOW + 9), [("PingOneRateLimited", "the provider rate-limits the probes")]),
        (slow(), [("PingOneSignOnSlow", "the last probe took longer than the latency objective")]),
        (certified(NOW + 90 * DAY), []),
        (certified(NOW + 9 * DAY), [("PingOneCertificateExpiresSoon", "certificate expires in 9 d")]),
        (certified(NOW + 2 * DAY), [("PingOneCertificateExpiresNow", "certificate expires in 2 d")]),
        (certified(NOW - 2 * DAY), [("PingOneCertificateExpiresNow", "certificate expired 2 d ago")]),
        (
            a_status(
                a_success(),
                leaf_expiries=(("authorize", NOW + 90 * DAY), ("source_authorize", NOW + 20 * DAY)),
                chain_expiries=(("authorize", NOW + 29 * DAY), ("source_authorize", NOW + 20 * DAY)),
            ),
            [
                ("PingOneCertificateExpiresSoon", "certificate expires in 20 d"),
                ("PingOneCertificateChainExpiresSoon", "certificate chain expires in 29 d"),
            ],
        ),
        (
            a_status(
                a_success(),
                leaf_expiries=(("authorize", NOW + 22 * DAY),),
                chain_expiries=(("authorize", NOW + 6 * DAY),),
            ),
            [("PingOneCertificateChainExpiresNow", "certificate chain expires in 6 d")],
        ),
        (
            a_status(a_success(steps=(a_step(checks={"id": True, "lifetime": False}),))),
            [("PingOneContractCheckFailing", "failed contract checks: lifetime")],
        ),
        (
            a_status(
                a_success(
                    journey=Journey.FEDERATION,
                    steps=(a_step(step="initiate", checks={"pkce": False}),),
                ),
                journey=Journey.FEDERATION,
            ),
            [("PingOneContractCheckFailing", "failed contract checks: pkce (initiate)")],
        ),
        (
            a_status(
                a_success(
                    journey=Journey.DISCOVERY,
                    steps=(a_step(step="jwks", checks={"key_ids": True, "key_overlap": False}),),
                ),
                journey=Journey.DISCOVERY,
            ),
            [("PingOneSigningKeysChanged", "failed contract checks: key_overlap (jwks)")],
        ),
    ],
)
def test_runbooks_are_linked_when_they_help(status: TargetStatus, alerts: list[tuple[str, str]]) -> None:
    document = page(TargetHistory(status=status, recent=(), failures=()))
    links = [str(link["href"]) for link in document.all("a")]
    found = [link.removeprefix("../runbooks/") for link in links if "runbooks/P" in link]
    assert set(found) <= set(runbooks.runbooks())
    assert found == [name for name, _ in alerts]
    for name, why in alerts:
        assert f"Runbook {name}: {why}" in document.text


def test_the_start_of_a_probe_has_seconds() -> None:
    assert "Started 14:00:00 UTC" in text_of(a_success(started_at=START))


def test_the_page_warns_when_the_alerts_do() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["rules"]["thresholds"]
    day = 86_400
    assert {kind: kind.soon_seconds / day for kind in Expiring} == {
        Expiring.CLIENT_SECRET: values["secret_days"],
        Expiring.CERTIFICATE: values["certificate_days"],
        Expiring.CHAIN: values["expiry_days"],
        Expiring.SIGNING_KEY: values["expiry_days"],
    }
    for last in ("certificate_last_days", "secret_last_days", "expiry_last_days"):
        assert values[last] * day == health.EXPIRES_NOW_SECONDS
    assert values["down_failures"] == CONFIRMED_FAILURES


# Incidents


def minutes(letters: str) -> tuple[Outcome, ...]:
    """Return a probe a minute: `.` is a success, a digit a kind of failure, `q` a rate limit."""
    found = []
    for number, letter in enumerate(letters):
        at = START + 60 * number
        facts: dict[str, Any] = {"started_at": at - 0.3, "ended_at": at, "transaction_id": f"tx-{number}"}
        if letter == ".":
            found.append(a_success(**facts))
        elif letter == "q":
            found.append(a_failure(Reason.RATE_LIMITED, Fault.QUOTA, **facts))
        else:
            found.append(a_failure((Reason.CONNECT, Reason.DNS)[int(letter)], **facts))
    return tuple(found)


def incidents_of(letters: str, recent: int = 50, **changes: Any) -> list[str]:  # noqa: ANN401  any field of a status
    """Return the incidents as the page lists them."""
    history = a_history(*minutes(letters), **changes)
    return incidents_in(replace(history, recent=history.recent[:recent]))


def incidents_in(history: TargetHistory) -> list[str]:
    """Return the incidents of a history as the page lists them."""
    text = page(history).text
    listed = text.partition(" Incidents ")[2].partition(" Earlier probes ")[0]
    return re.findall(r"\d\d:\d\d UTC (?:to|until)(?:(?! \d+ probe).)*? \d+ probes?", listed)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("....", []),
        (
            "000",
            ["14:00 UTC until now 4 min network connection failed: refused by 192.0.2.7 3 probes"],
        ),
        (
            ".00.",
            ["14:01 UTC to 14:03 UTC 2 min network connection failed: refused by 192.0.2.7 2 probes"],
        ),
        (
            "0..1.",
            [
                "14:03 UTC to 14:04 UTC 1 min network host name did not resolve 1 probe",
                "14:00 UTC to 14:01 UTC 1 min network connection failed: refused by 192.0.2.7 1 probe",
            ],
        ),
        (
            ".0010.",
            [
                (
                    "14:01 UTC to 14:05 UTC 4 min network connection failed: refused by 192.0.2.7 (3); "
                    "host name did not resolve (1) 4 probes"
                )
            ],
        ),
        (
            ".0q0.",
            ["14:01 UTC to 14:04 UTC 3 min network connection failed: refused by 192.0.2.7 2 probes"],
        ),
        (".q.", ["14:01 UTC to 14:02 UTC 1 min quota rate-limited 1 probe"]),
        (
            ".qq00.",
            ["14:03 UTC to 14:05 UTC 2 min network connection failed: refused by 192.0.2.7 2 probes"],
        ),
    ],
)
def test_failures_in_a_row_are_one_incident(letters: str, expected: list[str]) -> None:
    assert incidents_of(letters) == expected


def test_old_failures_are_apart_if_the_successes_between_them_are_forgotten() -> None:
    assert incidents_of("0......00..", recent=2) == [
        "14:07 UTC to 14:09 UTC 2 min network connection failed: refused by 192.0.2.7 2 probes",
        "14:00 UTC to 14:00 UTC 0 s network connection failed: refused by 192.0.2.7 1 probe",
    ]


def test_an_old_incident_does_not_last_until_the_first_success_that_is_still_known() -> None:
    assert incidents_of("00......", recent=2) == [
        "14:00 UTC to 14:01 UTC 1 min network connection failed: refused by 192.0.2.7 2 probes"
    ]


def test_a_pause_after_a_rate_limit_does_not_end_an_incident() -> None:
    *before, after = minutes("0q0")
    late = replace(after, started_at=after.started_at + 300, ended_at=after.ended_at + 300)
    assert incidents_in(a_history(*before, late)) == [
        "14:00 UTC until now 4 min network connection failed: refused by 192.0.2.7 2 probes"
    ]


def test_an_incident_that_is_over_stays_over_when_the_clock_is_set_back() -> None:
    *before, after = minutes("00.")
    early = replace(after, started_at=after.started_at - 3600, ended_at=after.ended_at - 3600)
    (incident,) = incidents_in(a_history(*before, early))
    assert incident.startswith("14:00 UTC to 13:02 UTC 0 s ")


def test_a_long_incident_began_when_the_status_says() -> None:
    (incident,) = incidents_of("000", since=START - 3600, consecutive=63)
    assert incident.startswith("13:00 UTC until now 64 min")
    assert incident.endswith("63 probes")


# The strip


def test_the_strip_has_a_bar_for_each_probe_with_its_values() -> None:
    document = page(a_history(*minutes("....0q" * 3)))
    titles = [text for text in document.texts if re.match(r"14:\d\d:00 UTC: ", text)]
    assert len(titles) == 18
    assert titles[0] == "14:00:00 UTC: ok, 200 USERNAME_PASSWORD_REQUIRED, 300 ms"
    assert titles[4] == "14:04:00 UTC: connection failed: refused by 192.0.2.7, 300 ms"
    bars = [path for path in document.all("path") if path["class"] not in {"slot", "objective"}]
    heights = {str(bar["class"]): float(str(bar["d"]).rpartition("v")[2].rstrip("z")) for bar in bars}
    assert heights == {"none": 15, "network": 20, "quota": 10}


def test_the_strip_has_a_time_axis_and_a_legend() -> None:
    text = page(a_history(*minutes("....0q" * 3))).text
    assert (
        "14:00 UTC 14:09 UTC 14:17 UTC ok; height shows the duration, up to 300 ms failed: network "
        "inconclusive: rate limit Last probe"
    ) in text


@pytest.mark.parametrize(
    ("every", "axis"),
    [(40, "14:00:00 UTC 14:04:40 UTC 14:09:20 UTC"), (43, "14:00 UTC 14:05 UTC 14:10 UTC")],
)
def test_the_time_axis_of_less_than_ten_minutes_has_seconds(every: int, axis: str) -> None:
    times = [START + every * number for number in range(15)]
    text = page(a_history(*[a_success(started_at=at - 0.3, ended_at=at) for at in times])).text
    assert f" {axis} ok; height shows the duration" in text


def test_the_latency_objective_is_drawn_if_it_is_near() -> None:
    near = a_target(latency_objective=0.35)
    text = page(a_history(*minutes("...."), target=near)).text
    assert "up to 300 ms latency objective 350ms" in text
    assert "latency objective 2s" not in page(a_history(*minutes("...."))).text
