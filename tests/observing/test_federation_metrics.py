"""The metrics of the journey `federation`: steps that were reached, sides, and a bounded number of series."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from observing.examples import (
    BUCKETS,
    DESTINATION,
    PHASES,
    SOURCE,
    START,
    a_certificate,
    page,
    shown,
)
from observing.federation import STEPS, a_federation, a_federation_step, a_sign_on

from exporter.observing import History, Metrics
from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason, pairs_of
from exporter.status import LiveFacts
from exporter.target import (
    ANY_REQUIRED,
    DestinationApplication,
    Journey,
    JourneyTiming,
    ListedProvider,
    ProviderKind,
)

FEDERATION_BUCKETS = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
KEY = {"target": "emea", "journey": "federation"}


def observed(*outcomes: Outcome, **changes: object) -> Metrics:
    """Return the metrics of one federation, which is paused, after these outcomes."""
    metrics = Metrics(
        [a_federation(**changes)],
        buckets=BUCKETS,
        federation_buckets=FEDERATION_BUCKETS,
        live=LiveFacts(backoff_until=lambda *_: START + 60),
    )
    for outcome in outcomes:
        metrics.observe(outcome)
    return metrics


def steps_of(metrics: Metrics, family: str) -> set[str]:
    return {labels["step"] for labels, _ in shown(metrics, family)}


def steps_of_phase(metrics: Metrics, family: str, phase: str) -> set[str]:
    return {labels["step"] for labels, _ in shown(metrics, family) if labels["phase"] == phase}


def test_a_full_federation_has_at_most_250_series() -> None:
    failures = [
        a_sign_on(7, reason=reason, fault=fault, step="callback")
        for reason, fault in (
            (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION),
            (Reason.TIMEOUT, Fault.PROVIDER),
        )
    ]
    metrics = observed(*failures, a_sign_on())
    series = [s for family in page(metrics).families for s in family.samples if "target" in s.labels]
    assert steps_of(metrics, "http_status_code") == set(STEPS)
    assert len(series) <= 250
    assert len({(s.name, *sorted(s.labels.items())) for s in series}) == len(series)


def test_a_side_that_closes_its_connections_adds_no_more_series_than_that() -> None:
    steps = [step for step in STEPS if step != "destination_lookup"]
    records = tuple(a_federation_step(step, phases=PHASES) for step in steps)
    metrics = observed(a_sign_on(steps=records, step="token"))
    assert sum("target" in s.labels for family in page(metrics).families for s in family.samples) <= 250
    assert steps_of_phase(metrics, "step_last_duration_seconds", "tls") == set(steps)
    assert steps_of_phase(metrics, "step_duration_seconds", "tls") == {
        "destination_authorize",
        "source_authorize",
    }
    assert steps_of_phase(metrics, "step_duration_seconds", "processing") == set(steps)


def test_the_closed_sets_of_a_step_appear_once_it_was_reached() -> None:
    metrics = observed()
    assert steps_of(metrics, "http_responses_total") == {"destination_authorize"}
    metrics.observe(a_sign_on(4))
    assert steps_of(metrics, "http_responses_total") == {*STEPS[:4]}
    assert steps_of(metrics, "statuses_total") == {
        "destination_authorize",
        "destination_lookup",
        "source_authorize",
    }
    statuses = [
        labels["status"] for labels, _ in shown(metrics, "statuses_total") if labels["step"] == STEPS[3]
    ]
    assert statuses == ["USERNAME_PASSWORD_REQUIRED", "FAILED", "UNKNOWN"]
    metrics.observe(a_sign_on(1))
    assert steps_of(metrics, "http_responses_total") == {*STEPS[:4]}, "counters stay"


def test_reasons_and_buckets_are_those_of_the_journey() -> None:
    metrics = observed(a_sign_on())
    found = [(labels["reason"], labels["fault"]) for labels, _ in shown(metrics, "probes_total")]
    assert found == [(reason.value, fault.value) for reason, fault in pairs_of(Journey.FEDERATION)]
    bounds = [labels["le"] for labels, _ in shown(metrics, "probe_duration_seconds") if "le" in labels]
    assert bounds == [*(str(float(bound)) for bound in FEDERATION_BUCKETS), "+Inf"]


def test_the_last_result_names_step_and_side() -> None:
    metrics = observed(a_sign_on(5, reason=Reason.ACCOUNT_LOCKED, fault=Fault.ACCOUNT))
    result = {"phase": "transfer", "reason": "account_locked", "fault": "account"}
    expected = {**KEY, "step": "sign_on", **result, "side": "source"}
    assert shown(metrics, "probe_last_result_info") == [(expected, 1)]
    metrics.observe(a_sign_on(7, reason=Reason.EXCHANGE_REJECTED, fault=Fault.CONFIGURATION))
    ((labels, _),) = shown(metrics, "probe_last_result_info")
    assert (labels["step"], labels["side"]) == ("callback", "destination")


def test_an_account_fault_leaves_consecutive_failures_alone() -> None:
    metrics = observed(a_sign_on(), a_sign_on(5, reason=Reason.MFA_REQUIRED, fault=Fault.ACCOUNT))
    assert shown(metrics, "probe_success") == [(KEY, 0)]
    assert shown(metrics, "probe_consecutive_failures") == [(KEY, 0)]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, "token"),
        ({"user": None}, "source_authorize"),
        (
            {"application": DestinationApplication(client_id="app", redirect_uri="https://x")},
            "destination_resume",
        ),
    ],
)
def test_how_far_the_settings_ask_is_shown(changes: dict[str, object], step: str) -> None:
    assert shown(observed(**changes), "target_last_step_info") == [({**KEY, "step": step}, 1)]


def test_each_journey_has_its_own_timing() -> None:
    metrics = observed(
        a_sign_on(),
        journeys=(Journey.AUTHORIZE, Journey.FEDERATION),
        authorize=JourneyTiming(interval=30, timeout=10, latency_objective=2),
        federation=JourneyTiming(interval=300, timeout=25, latency_objective=2),
    )
    for family, values in (("interval", [30, 300]), ("timeout", [10, 25]), ("latency_objective", [2, 2])):
        assert [value for _, value in shown(metrics, f"target_{family}_seconds")] == values
    assert [value for _, value in shown(metrics, "probes_slow_total")] == [0, 1]


def test_target_info_has_what_is_known_of_destination_and_provider() -> None:
    info = {
        "target": "emea",
        "source_environment_id": SOURCE,
        "destination_environment_id": DESTINATION,
        "auth_host": "auth.pingone.eu",
        "destination_auth_host": "sso.example.com:8443",
        "provider_id": "emea-idp",
    }
    metrics = observed(journeys=(Journey.AUTHORIZE, Journey.FEDERATION), provider_id="emea-idp")
    assert shown(metrics, "target_info") == [(info, 1)]
    metrics.observe(a_sign_on())
    assert shown(metrics, "target_info") == [({**info, "kind": "pingone"}, 1)]
    metrics.observe(a_sign_on(1, kind=None))
    assert shown(metrics, "target_info") == [({**info, "kind": "pingone"}, 1)], "the kind stays"


def test_target_info_of_a_discovered_target_names_destination_and_provider() -> None:
    listed = ListedProvider(destination="hub", name="Old-One", slug="old_one")
    metrics = observed(listed=listed, provider_id="3f2a", source_url="", source_environment_id="")
    ((labels, _),) = shown(metrics, "target_info")
    assert (labels["destination"], labels["provider"], labels["provider_id"]) == ("hub", "old_one", "3f2a")
    assert not {"auth_host", "source_environment_id", "kind"} & set(labels)


def test_target_info_names_the_host_where_a_source_that_is_not_configured_answered_last() -> None:
    """One outage of a host is one page, also for the discovered targets on it."""
    metrics = observed(source_url="", source_environment_id="")

    def shown_host(*hosts: str | None, reason: Reason = Reason.OK) -> str | None:
        steps = [a_federation_step("initiate", host="sso.example.com:8443")]
        steps += [a_federation_step("source_authorize", host=host, reason=reason) for host in hosts]
        metrics.observe(a_sign_on(steps=tuple(steps)))
        ((labels, _),) = shown(metrics, "target_info")
        return labels.get("auth_host")

    assert shown_host() is None
    assert shown_host("auth.pingone.com:443", "login.example:443") == "auth.pingone.com"
    assert shown_host(reason=Reason.TIMEOUT) == "auth.pingone.com"
    assert shown_host(None, "idp.example:9031") == "idp.example:9031"
    metrics = observed(a_sign_on(steps=(a_federation_step("source_authorize", host="other.example:443"),)))
    ((labels, _),) = shown(metrics, "target_info")
    assert labels["auth_host"] == "auth.pingone.eu", "the settings know better"


def test_a_suspended_sign_on_is_shown_as_soon_as_it_is_and_as_long() -> None:
    suspended: dict[str, Reason] = {}
    metrics = Metrics(
        [a_federation(), a_federation(name="apac", user=None)],
        buckets=BUCKETS,
        live=LiveFacts(suspended=lambda target: suspended.get(target.name)),
    )
    assert shown(metrics, "sign_on_suspended") == [({"target": "emea"}, 0)]
    suspended["emea"] = Reason.CREDENTIALS_REJECTED
    assert shown(metrics, "sign_on_suspended") == [({"target": "emea"}, 1)]
    suspended.clear()
    assert shown(metrics, "sign_on_suspended") == [({"target": "emea"}, 0)]


def test_the_expiry_of_the_client_secret_is_shown_once_per_target() -> None:
    both = (Journey.AUTHORIZE, Journey.FEDERATION)
    family = "secret_expiry_timestamp_seconds"
    assert shown(observed(journeys=both), family) == [({"target": "emea"}, START + 90 * 86_400)]
    assert shown(observed(secret_expires=None), family) == []


def test_each_side_shows_the_certificates_of_the_last_probe_only() -> None:
    """Otherwise a step that seldom connects would show a certificate that was renewed long ago."""
    family = "tls_certificate_expiry_timestamp_seconds"
    old = a_federation_step("callback", tls=a_certificate(START + 5))
    metrics = observed(a_sign_on(7, steps=(a_federation_step("source_authorize"), old)))
    assert steps_of(metrics, family) == {"source_authorize", "callback"}
    metrics.observe(a_sign_on(1))
    assert steps_of(metrics, family) == {"source_authorize", "destination_authorize"}


def test_a_step_of_several_connections_shows_the_certificate_that_expires_first() -> None:
    """The redirects to a login page are one step; each host has a certificate of its own."""
    hops = [
        a_federation_step("source_authorize", tls=replace(a_certificate(leaf), chain_not_after=chain))
        for leaf, chain in ((START + 3, START + 30), (START + 9, START + 20), (START + 6, START + 25))
    ]
    outcome = a_sign_on(4, steps=tuple(hops))
    metrics, history = observed(outcome), History([a_federation()])
    history.observe(outcome)
    (status,) = history.statuses()
    assert [at for _, at in shown(metrics, "tls_certificate_expiry_timestamp_seconds")] == [START + 3]
    assert [at for _, at in shown(metrics, "tls_chain_expiry_timestamp_seconds")] == [START + 20]
    assert status.leaf_expiries == (("source_authorize", START + 3),)
    assert status.chain_expiries == (("source_authorize", START + 20),)


def test_a_step_of_several_exchanges_shows_its_whole_time_and_the_last_response() -> None:
    """The redirects to a login page are one step, of which the last request may get no response."""
    first = a_federation_step("source_authorize", http_status_code=302)
    last = a_federation_step(
        "source_authorize", phases={Phase.RESOLVE: 0.5, Phase.CONNECT: 0.25}, http_status_code=None
    )
    metrics = observed(a_sign_on(4, steps=(first, first, last)))
    phases = {labels["phase"]: at for labels, at in shown(metrics, "step_last_duration_seconds")}
    assert phases == pytest.approx(
        {
            **{phase.value: 2 * seconds for phase, seconds in PHASES.items()},
            "resolve": 2 * PHASES[Phase.RESOLVE] + 0.5,
            "connect": 2 * PHASES[Phase.CONNECT] + 0.25,
        }
    )
    assert shown(metrics, "http_status_code") == []
    samples, name = page(metrics), "pingone_flow_step_duration_seconds"
    assert samples.value(f"{name}_count", step="source_authorize", phase="tls") == 1
    assert samples.value(f"{name}_sum", step="source_authorize", phase="resolve") == phases["resolve"]
    metrics.observe(a_sign_on(4, steps=(last, first)))
    assert [code for _, code in shown(metrics, "http_status_code")] == [302]


def test_history_keeps_whole_federations_and_the_certificate_that_expires_first() -> None:
    history, outcome = History([a_federation()]), a_sign_on()
    history.observe(outcome)
    (status,) = history.statuses()
    assert [each.recent for each in history.histories("emea")] == [(outcome,)]
    assert status.certificate_expiry == START + 50 * 86_400
    assert not status.slow


def test_a_discovered_target_has_at_most_100_series() -> None:
    listed = ListedProvider(destination="hub", name="Partner", slug="partner", expected=True)
    steps = tuple(map(a_federation_step, ("destination_authorize", "initiate", "source_authorize")))
    metrics = observed(
        a_sign_on(1, reason=Reason.TIMEOUT, fault=Fault.PROVIDER, steps=steps[:1]),
        a_sign_on(4, steps=steps),
        listed=listed,
        provider_id="p",
        user=None,
        source_url=None,
        source_environment_id=None,
        client_id=None,
        expected_statuses=(ANY_REQUIRED,),
    )
    series = [s for family in page(metrics).families for s in family.samples if "target" in s.labels]
    assert {s.labels["step"] for s in series if "step" in s.labels} == {step.step for step in steps}
    assert "*_REQUIRED" not in {s.labels.get("status") for s in series}
    assert len(series) <= 100


def test_a_discovered_target_that_is_configured_under_its_name_shows_all_that_a_configured_one_does() -> None:
    listed = ListedProvider(destination="hub", name="Partner", slug="partner", expected=True)
    metrics = observed(listed=listed, provider_id="p", user=None)
    assert not page(metrics).has("pingone_flow_step_duration_seconds_count")
    asyncio.run(metrics.reconfigure([a_federation(provider_id="p", user=None)]))
    metrics.observe(a_sign_on(4))
    assert page(metrics).has("pingone_flow_step_duration_seconds_count", step="source_authorize")
    asyncio.run(metrics.reconfigure([a_federation(listed=listed, provider_id="p", user=None)]))
    assert not page(metrics).has("pingone_flow_step_duration_seconds_count")


def test_the_kind_of_another_provider_is_forgotten() -> None:
    metrics = observed(a_sign_on(4, kind=ProviderKind.OIDC), provider_id="p")
    assert page(metrics).has("pingone_flow_target_info", kind="oidc")
    asyncio.run(metrics.reconfigure([a_federation(provider_id="q")]))
    assert not page(metrics).has("pingone_flow_target_info", kind="oidc")
