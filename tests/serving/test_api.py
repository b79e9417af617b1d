"""The same facts as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_history, a_source, a_status, ask, bad, good, unstable, web_app
from serving.examples import api as all_of

from exporter.destinations import ProviderState
from exporter.outcome import DiscoveryFacts, Outcome, Phase, as_json
from exporter.reasons import FAULTS, Fault, Reason, reason_text
from exporter.status import (
    DestinationStatus,
    EgressStatus,
    StatusComponent,
    StatusIncident,
    StatusMaintenance,
    StatusPageReport,
    TargetHistory,
)
from exporter.target import Journey, JourneyTiming, ListedProvider, ProviderKind


def one(*histories: TargetHistory, **facts: Any) -> dict[str, Any]:  # noqa: ANN401  arguments of a_source
    document: dict[str, Any] = ask(
        web_app(a_source(histories=histories, **facts)), "/api/v1/targets/emea"
    ).json()
    return document


def test_the_api_is_json() -> None:
    for path in ("/api/v1/targets", "/api/v1/targets/emea"):
        response = ask(web_app(a_source(histories=[a_history()])), path)
        assert response.headers["Content-Type"] == "application/json"
        assert response.json()["generated_at"] == "2025-11-22T14:04:00.000Z"


def test_all_targets_come_with_the_headline_and_the_time() -> None:
    document = all_of(bad("a"), good("b"))
    assert document["generated_at"] == "2025-11-22T14:04:00.000Z"
    assert document["headline"].startswith("1 of 2 federations failing since ")
    assert [target["target"] for target in document["targets"]] == ["a", "b"]


def test_the_headline_agrees_with_the_egress_check_that_is_shown_even_if_that_changes_meanwhile() -> None:
    found = iter([EgressStatus(up=False, since=START), *[EgressStatus(up=True, since=NOW)] * 9])
    source = replace(a_source(bad()), egress=lambda: next(found))
    document = ask(web_app(source), "/api/v1/targets?q=emea").json()
    assert document["egress"]["up"] is ("egress check" not in document["headline"])


def test_a_target_has_everything_that_the_page_shows_and_its_last_outcome() -> None:
    last = a_failure(Reason.DNS, ended_at=START)
    target = a_target(labels=(("owner", "identity"),))
    (found,) = all_of(
        a_status(
            last, target=target, backoff_until=NOW + 60, consecutive=3, leaf_expiries=(("a", NOW + 86_400),)
        ),
        external_url="https://exporter.example",
    )["targets"]
    assert found == {
        "target": "emea",
        "journey": "authorize",
        "url": "https://exporter.example/targets/emea",
        "source_environment_id": target.source_environment_id,
        "destination_environment_id": target.destination_environment_id,
        "client_id": target.client_id,
        "auth_host": "auth.pingone.eu",
        "labels": {"owner": "identity"},
        "interval_seconds": 60.0,
        "timeout_seconds": 10.0,
        "latency_objective_seconds": 2.0,
        "expected_statuses": ["USERNAME_PASSWORD_REQUIRED"],
        "standing": "failing",
        "state": "failing",
        "since": "2025-11-22T14:00:00.000Z",
        "in_a_row": 3,
        "reason": "dns",
        "fault": "network",
        "finding": "host name did not resolve",
        "next_run": "2025-11-22T14:04:12.000Z",
        "held_until": "2025-11-22T14:05:00.000Z",
        "certificate_not_after": "2025-11-23T14:04:00.000Z",
        "last": as_json(last),
    }


def test_lifetime_and_clock_skew_of_the_last_flow_are_included() -> None:
    step = a_step(lifetime=900.0, clock_skew=-0.25, clock_skew_error=0.125)
    found = all_of(a_status(a_success(steps=(step,))))["targets"][0]
    assert (found["lifetime_seconds"], found["clock_skew_seconds"]) == (900.0, -0.25)
    assert found["clock_skew_error_seconds"] == 0.125


def test_an_unstable_target_has_its_own_standing() -> None:
    (found,) = all_of(unstable())["targets"]
    assert (found["standing"], found["state"], found["unstable"]) == ("unstable", "succeeding", True)


def test_a_listed_provider_has_its_destination_and_what_it_is() -> None:
    listed = ListedProvider(destination="hub", name="Old-One", slug="old_one")
    status = a_status(a_success(kind=ProviderKind.SAML), target=a_target(listed=listed, provider_id="3f2a"))
    (found,) = all_of(status)["targets"]
    assert (found["destination"], found["provider"], found["provider_id"]) == ("hub", "Old-One", "3f2a")
    assert found["kind"] == "saml"


def test_what_discovery_found_and_what_expires_is_included() -> None:
    facts = DiscoveryFacts(signing_keys=2, signing_keys_hash=255, metadata_hash=1, certificate_expiry=START)
    status = a_status(
        a_success(),
        target=a_target(secret_expires=NOW),
        discovery=facts,
        chain_expiries=(("authorize", NOW),),
        leaf_expiries=(("authorize", NOW + 60),),
    )
    document = all_of(status)
    (found,) = document["targets"]
    assert found["discovery"] == {
        "signing_keys": 2,
        "signing_keys_hash": 255,
        "metadata_hash": 1,
        "certificate_expiry": "2025-11-22T14:00:00.000Z",
    }
    assert found["chain_not_after"] == found["secret_expires"] == "2025-11-22T14:04:00.000Z"
    source = {"target": "emea", "host": "auth.pingone.eu", "others": 0}
    assert document["expires_next"] == [
        {**source, "what": "signing_key", "step": "jwks", "at": "2025-11-22T14:00:00.000Z"},
        {**source, "what": "chain", "step": "authorize", "at": "2025-11-22T14:04:00.000Z"},
        {**source, "what": "client_secret", "host": "", "at": "2025-11-22T14:04:00.000Z"},
        {**source, "what": "certificate", "step": "authorize", "at": "2025-11-22T14:05:00.000Z"},
    ]


def test_destinations_and_the_vendor_s_status_page_are_included() -> None:
    hub = DestinationStatus(
        name="hub",
        auth_host="auth.pingone.eu",
        counts={ProviderState.WATCHED: 12},
        refresh_ok=False,
        missing=("a",),
        failure="dns: no such host",
    )
    report = StatusPageReport(
        page="status.example",
        fetched_ok=True,
        last_success=NOW,
        components=(StatusComponent(name="PingOne EU", status="operational"),),
        incidents=(StatusIncident(name="Errors", impact="minor", since=NOW),),
        maintenances=(StatusMaintenance(name="Upgrade", state="scheduled", since=NOW),),
    )
    document = all_of(good(), destinations=lambda: (hub,), status_page=lambda: report)
    assert document["destinations"] == [
        {
            "name": "hub",
            "auth_host": "auth.pingone.eu",
            "counts": {"watched": 12},
            "refresh_ok": False,
            "failure": "dns: no such host",
            "missing": ["a"],
        }
    ]
    now = "2025-11-22T14:04:00.000Z"
    assert document["status_page"] == {
        "page": "status.example",
        "fetched_ok": True,
        "last_success": now,
        "components": [{"name": "PingOne EU", "status": "operational"}],
        "incidents": [{"name": "Errors", "impact": "minor", "since": now}],
        "maintenances": [{"name": "Upgrade", "state": "scheduled", "since": now}],
        "findings": [],
    }
    assert "status_page" not in all_of(good())


def test_what_is_unknown_is_absent() -> None:
    (found,) = all_of(a_status(next_run=None))["targets"]
    assert set(found) == {
        "target",
        "journey",
        "source_environment_id",
        "destination_environment_id",
        "client_id",
        "auth_host",
        "interval_seconds",
        "timeout_seconds",
        "latency_objective_seconds",
        "expected_statuses",
        "standing",
    }


def test_a_federation_has_its_own_times_and_no_source_that_is_unknown() -> None:
    timing = JourneyTiming(interval=300.0, timeout=30.0, latency_objective=10.0)
    target = replace(
        a_target(journeys=(Journey.FEDERATION,), federation=timing, destination_url="https://d.example/d"),
        source_environment_id=None,
        source_url=None,
        client_id=None,
    )
    (found,) = all_of(good(target=target, journey=Journey.FEDERATION))["targets"]
    assert found.keys().isdisjoint({"source_environment_id", "client_id", "auth_host"})
    assert found["interval_seconds"] == 300.0
    assert found["timeout_seconds"] == 30.0
    assert found["latency_objective_seconds"] == 10.0


def test_without_targets_the_list_is_empty() -> None:
    assert all_of()["targets"] == []


def test_one_target_has_its_last_outcomes_and_failures_newest_first() -> None:
    failure, success = a_failure(transaction_id="1"), a_success(transaction_id="2")
    document = one(a_history(failure, success))
    assert document["target"] == "emea"
    (journey,) = document["journeys"]
    assert journey["recent"] == [as_json(success), as_json(failure)]
    assert journey["failures"] == [as_json(failure)]
    assert journey["state"] == "succeeding"


def test_journeys_follow_each_other() -> None:
    first, second = one(a_history(a_success()), a_history())["journeys"]
    assert len(first["recent"]) == 1
    assert (second["recent"], second["failures"]) == ([], [])


def test_a_rate_limit_leaves_the_state_and_is_the_last_outcome() -> None:
    refused = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
    (found,) = all_of(a_status(a_success(), refused))["targets"]
    assert found["state"] == "succeeding"
    assert found["last"]["reason"] == "rate_limited"


def test_the_reason_of_a_failing_target_survives_an_inconclusive_probe() -> None:
    refused = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
    (found,) = all_of(a_status(a_failure(Reason.DNS), refused))["targets"]
    assert (found["standing"], found["reason"], found["fault"]) == ("failing", "dns", "network")
    assert found["last"]["reason"] == "rate_limited"


def test_the_result_of_the_egress_check_is_included() -> None:
    down = EgressStatus(up=False, since=START)
    everything, only = all_of(a_status(a_failure()), egress=down), one(a_history(a_failure()), egress=down)
    assert everything["headline"].startswith("The exporter has no network access: ")
    assert everything["egress"] == only["egress"] == {"up": False, "since": "2025-11-22T14:00:00.000Z"}
    assert "egress" not in all_of(a_status(a_failure()))


def test_login_hint_and_proxy_credentials_are_absent() -> None:
    target = a_target(login_hint="jane@example.com", proxy_url="http://user:secret@proxy:3128")
    text = json.dumps(all_of(a_status(a_success(), target=target)))
    assert "jane" not in text
    assert "secret" not in text


PAIRS = [(reason, fault) for reason, faults in FAULTS.items() for fault in faults if reason is not Reason.OK]


def finding(
    reason: Reason,
    fault: Fault,
    phase: Phase = Phase.TRANSFER,
    **facts: Any,  # noqa: ANN401  any field of a record
) -> str:
    step = a_step(**{"reason": reason, "phase": phase, "http_status_code": None, "flow_status": None} | facts)
    outcome = a_failure(reason, fault, phase, steps=(step,))
    status = a_status(outcome, failing=True, decisive=outcome)
    (target,) = all_of(status)["targets"]
    return str(target["finding"])


@pytest.mark.parametrize(("reason", "fault"), PAIRS)
def test_a_finding_starts_with_the_text_of_its_reason(reason: Reason, fault: Fault) -> None:
    assert finding(reason, fault).startswith(reason_text(reason, fault))


def test_a_finding_adds_the_exact_cause() -> None:
    exact = finding(Reason.CONNECT, Fault.NETWORK, detail="connection refused by 192.0.2.7:443")
    assert exact == "connection failed: connection refused by 192.0.2.7:443"


@settings(max_examples=30)
@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_are_valid_json(history: list[Outcome]) -> None:
    (journey,) = one(a_history(*history))["journeys"]
    assert len(journey["recent"]) == len(history)
