"""The metrics of the journey `discovery`, and of the chain that a server sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from observing.discovery import FACTS, a_discovery
from observing.examples import BUCKETS, START, a_certificate, a_step, a_target, page, shown

from exporter.observing import Metrics
from exporter.outcome import Outcome
from exporter.reasons import Fault, Reason, pairs_of
from exporter.target import Journey

TARGET = {"target": "emea"}
FAMILIES = {
    "signing_keys": 2,
    "signing_keys_hash": 2**48 - 1,
    "metadata_hash": 2**47 + 1,
    "signing_key_certificate_expiry_timestamp_seconds": START + 86_400,
}


def metrics_after(*outcomes: Outcome) -> Metrics:
    metrics = Metrics([a_target(journeys=(Journey.DISCOVERY,))], buckets=BUCKETS)
    for outcome in outcomes:
        metrics.observe(outcome)
    return metrics


def test_good_keys_and_metadata_are_shown_by_target_with_every_bit_of_their_hashes() -> None:
    metrics = metrics_after(a_discovery())
    assert {name: shown(metrics, name) for name in FAMILIES} == {
        name: [(TARGET, value)] for name, value in FAMILIES.items()
    }


def test_keys_without_certificates_have_no_expiry() -> None:
    metrics = metrics_after(a_discovery(discovery=replace(FACTS, certificate_expiry=None)))
    assert shown(metrics, "signing_key_certificate_expiry_timestamp_seconds") == []


def test_a_failure_keeps_what_was_last_seen_and_nothing_is_shown_before() -> None:
    failure = a_discovery(
        reason=Reason.KEYS_INVALID, fault=Fault.PROVIDER, discovery=None, steps=(a_step(step="metadata"),)
    )
    assert shown(metrics_after(failure), "signing_keys") == []
    assert shown(metrics_after(a_discovery(), failure), "signing_keys") == [(TARGET, 2)]


def test_another_issuer_forgets_the_keys_of_the_last_one() -> None:
    metrics = metrics_after(a_discovery())
    asyncio.run(
        metrics.reconfigure([a_target(journeys=(Journey.DISCOVERY,), issuer="https://login.example")])
    )
    assert shown(metrics, "signing_keys") == []


def test_the_first_certificate_of_a_chain_to_expire_is_shown_once_for_a_connection_used_again() -> None:
    family = "tls_chain_expiry_timestamp_seconds"
    key = {"target": "emea", "journey": "discovery", "step": "metadata"}
    assert shown(metrics_after(a_discovery()), family) == [(key, START + 20 * 86_400)]
    unknown = a_step(step="metadata", tls=a_certificate(START + 90 * 86_400))
    assert shown(metrics_after(a_discovery(steps=(unknown,))), family) == []


def test_every_pair_of_the_journey_is_counted_from_the_start_within_120_series() -> None:
    metrics = metrics_after(a_discovery())
    pairs = {(key["reason"], key["fault"]) for key, _ in shown(metrics, "probes_total")}
    assert pairs == {(reason.value, fault.value) for reason, fault in pairs_of(Journey.DISCOVERY)}
    series = [s for family in page(metrics).families for s in family.samples if "target" in s.labels]
    assert len(series) <= 120
