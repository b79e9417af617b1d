"""Certificates that strict verification accepts, apart from the one thing that is wrong with each."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from exporter.simulator.certificates import Authority, _leaf, new_authority, present, server_contexts
from exporter.simulator.weather import Kind

NOW = datetime(2026, 4, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def verify(authority: Authority, leaf: bytes, name: str, when: datetime) -> None:
    """Verify as the web's rules want it, which is stricter than most clients."""
    store = Store([authority.certificate])
    verifier = (
        PolicyBuilder().store(store).time(when.replace(tzinfo=None)).build_server_verifier(x509.DNSName(name))
    )
    verifier.verify(x509.load_pem_x509_certificate(leaf), [])


def test_a_leaf_is_valid_for_its_names_within_its_time() -> None:
    authority = new_authority(NOW)
    leaf = _leaf(authority, ("sim.example", "127.0.0.1"), NOW - DAY, NOW + DAY)
    verify(authority, leaf, "sim.example", NOW)
    for name, when in (("other.example", NOW), ("sim.example", NOW + 2 * DAY)):
        with pytest.raises(VerificationError):
            verify(authority, leaf, name, when)


def test_each_authority_is_trusted_for_its_own_leaves_only() -> None:
    leaf = _leaf(new_authority(NOW), ("sim.example",), NOW - DAY, NOW + DAY)
    with pytest.raises(VerificationError):
        verify(new_authority(NOW), leaf, "sim.example", NOW)


def test_a_context_is_made_for_each_certificate_and_speaks_no_old_tls() -> None:
    now = present()
    contexts = server_contexts(new_authority(now), ["127.0.0.1", "127.0.0.1", "localhost"], now)
    assert set(contexts) == {Kind.HEALTHY, Kind.TLS_EXPIRED, Kind.TLS_WRONG_NAME}
    assert {context.minimum_version for context in contexts.values()} == {ssl.TLSVersion.TLSv1_2}


def test_a_private_key_is_in_no_repr() -> None:
    assert "key" not in repr(new_authority(NOW))
