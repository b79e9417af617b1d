"""A discovery to vary in tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from observing.examples import START, a_certificate, a_step, a_success

from exporter.outcome import DiscoveryFacts, Outcome
from exporter.target import Journey

DISCOVERY_CHECKS = ("pkce_advertised", "key_ids", "key_overlap", "certificates_match", "certificates_valid")
"""The contract checks of the journey: the first of `metadata`, the others of `jwks`."""

FACTS = DiscoveryFacts(
    signing_keys=2, signing_keys_hash=2**48 - 1, metadata_hash=2**47 + 1, certificate_expiry=START + 86_400
)


def a_discovery(**changes: Any) -> Outcome:  # noqa: ANN401  any field of an outcome
    """Return a good probe; its steps passed every check."""
    chain = replace(a_certificate(START + 90 * 86_400), chain_not_after=START + 20 * 86_400)
    steps = tuple(
        a_step(step=step, checks=dict.fromkeys(DISCOVERY_CHECKS, True), flow_status=None, tls=chain)
        for step in Journey.DISCOVERY.steps
    )
    known = {"journey": Journey.DISCOVERY, "step": "jwks", "steps": steps, "discovery": FACTS}
    return a_success(**known | changes)
