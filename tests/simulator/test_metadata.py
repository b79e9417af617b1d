"""The published key is a real one, and the metadata speaks of one issuer only."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from simulator.desk import ENVIRONMENT_ID

from exporter.simulator.metadata import discovery_document, signing_key
from exporter.simulator.urls import Urls


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_key_is_a_fresh_public_rsa_key_of_2048_bits() -> None:
    first, second = signing_key(), signing_key()
    numbers = RSAPublicNumbers(int.from_bytes(decode(first["e"])), int.from_bytes(decode(first["n"])))
    assert numbers.public_key().key_size == 2048
    assert (first["kty"], first["alg"], first["use"]) == ("RSA", "RS256", "sig")
    assert set(first) == {"kty", "alg", "use", "kid", "e", "n"}
    assert first["n"] != second["n"]


def test_the_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    key = signing_key()
    canonical = json.dumps({"e": key["e"], "kty": key["kty"], "n": key["n"]}, separators=(",", ":"))
    assert decode(key["kid"]) == hashlib.sha256(canonical.encode()).digest()


def test_every_endpoint_is_below_the_issuer() -> None:
    document = discovery_document(Urls("https://auth.pingone.com", ENVIRONMENT_ID))
    endpoints = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 8
    assert all(endpoint.startswith(f"{document['issuer']}/") for endpoint in endpoints)
