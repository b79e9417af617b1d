"""Signing keys and the tokens that they sign: RS256 alone, as at PingOne. No I/O.

The tokens are made by hand: a fault of the library that the exporter verifies them with must not be hidden by
the same fault here. Which claims there are is the vendor's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

RSA_BITS = 2048
MAX_KEYS = 3
"""Keys that are published: the one that signs and the ones before it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key and its public half as a JWK."""

    private: rsa.RSAPrivateKey = field(repr=False)
    jwk: Mapping[str, str]


def signing_key() -> SigningKey:
    """Make a fresh RSA key; takes some tens of milliseconds."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    numbers = private.public_key().public_numbers()
    public = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    # RFC 7638, 3: the thumbprint of the required members, in this order and without spaces.
    thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
    return SigningKey(private, {**public, "use": "sig", "alg": "RS256", "kid": base64url(thumbprint)})


@dataclass(slots=True)
class KeyRing:
    """An environment's signing keys, the one that signs first; without any, it is made when it is needed."""

    keys: list[SigningKey] = field(default_factory=list)

    def rotate(self) -> None:
        """Sign by a fresh key from now on; the last ones stay published."""
        self.keys = [signing_key(), *self.keys][:MAX_KEYS]

    def published(self) -> list[dict[str, str]]:
        """Return the JWKs of all keys."""
        self._make_first()
        return [dict(key.jwk) for key in self.keys]

    def sign(self, claims: Mapping[str, Any], fault: str | None = None) -> str:
        """Return a signed JWT.

        The fault `kid` names a key that is not published; `signature` signs other content.
        """
        self._make_first()
        key = self.keys[0]
        header = {"alg": "RS256", "kid": str(uuid4()) if fault == "kid" else key.jwk["kid"]}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        content = signed.encode() + (b"." if fault == "signature" else b"")
        return f"{signed}.{base64url(key.private.sign(content, padding.PKCS1v15(), SHA256()))}"

    def _make_first(self) -> None:
        if not self.keys:
            self.rotate()


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token of our own, which is not verified."""
    text = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return claims


def challenge_of(verifier: str, method: str) -> str:
    """Return the code challenge of a code verifier (RFC 7636, 4.2)."""
    return verifier if method == "plain" else base64url(hashlib.sha256(verifier.encode()).digest())


def half_hash(token: str) -> str:
    """Return `at_hash` of an access token (OIDC Core, 3.1.3.6)."""
    return base64url(hashlib.sha256(token.encode()).digest()[:16])


def base64url(data: bytes) -> str:
    """Encode without padding, as JWS does."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
