"""What the last probes of a target and journey saw of certificates and signing keys, for its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from exporter.observing.series import SeriesFamily, target_gauge
from exporter.outcome import DiscoveryFacts, Outcome
from exporter.target import Side, side_of

Expiries: TypeAlias = dict[tuple[str, ...], float]
"""Step -> when a certificate expires, seconds since the epoch."""


class CertificateFacts:
    """What was last seen of certificates and signing keys.

    Attributes:
        leaf: when the certificates of the servers expire.
        chain: when the first certificate of each chain that was sent expires.
        discovery: what the last good `discovery` found.
    """

    def __init__(self) -> None:
        self.leaf: Expiries = {}
        self.chain: Expiries = {}
        self.discovery: DiscoveryFacts | None = None

    def forget(self) -> None:
        """Forget everything: the target is at another provider."""
        self.leaf, self.chain, self.discovery = {}, {}, None

    def forget_valid(self, side: Side, now: float) -> None:
        """Forget a side's certificates that have not expired."""
        for expiries in self.leaf, self.chain:
            for key in [key for key, at in expiries.items() if side_of(key[0]) is side and at > now]:
                del expiries[key]

    def observe(self, outcome: Outcome) -> None:
        """Keep the certificates that the last probe saw on each side, once for a connection used again.

        A step that connects only now and then must not show a certificate that was renewed long ago.
        """
        self.discovery = outcome.discovery or self.discovery
        leaf: dict[tuple[Side, float], tuple[str, ...]] = {}
        chain: dict[tuple[Side, float], tuple[str, ...]] = {}
        for record in outcome.steps:
            if record.tls is None:
                continue
            side = side_of(record.step)
            if record.tls.not_after is not None:
                leaf.setdefault((side, record.tls.not_after), (record.step,))
            if record.tls.chain_not_after is not None:
                chain.setdefault((side, record.tls.chain_not_after), (record.step,))
        self.leaf, self.chain = _replaced(self.leaf, leaf), _replaced(self.chain, chain)


def _replaced(known: Expiries, seen: dict[tuple[Side, float], tuple[str, ...]]) -> Expiries:
    """Return the expiries with those of the sides that were seen replaced."""
    sides = {side for side, _ in seen}
    kept = {key: value for key, value in known.items() if side_of(key[0]) not in sides}
    return kept | {key: not_after for (_, not_after), key in seen.items()}


def signing_key_families(target: str, facts: DiscoveryFacts | None) -> Iterator[SeriesFamily]:
    """Yield what a target's last good `discovery` found; empty families for any other journey."""
    found: dict[str, float | None] = {}
    if facts is not None:
        found = {
            "signing_keys": facts.signing_keys,
            "signing_keys_hash": facts.signing_keys_hash,
            "metadata_hash": facts.metadata_hash,
            "signing_key_certificate_expiry_timestamp_seconds": facts.certificate_expiry,
        }
    for name, documentation in _SIGNING_KEYS.items():
        yield target_gauge(target, f"pingone_flow_{name}", documentation, found.get(name))


_SIGNING_KEYS = {
    "signing_keys": "Usable signing keys of the source, by the last good probe.",
    "signing_keys_hash": "Hash of the source's signing keys, 48 bits; changes with a key rotation.",
    "metadata_hash": "Hash of the source's issuer, authorization_endpoint, token_endpoint and jwks_uri, "
    "48 bits.",
    "signing_key_certificate_expiry_timestamp_seconds": "Unix time at which the last certificate of the "
    "source's signing keys expires; absent without one.",
}
