"""What an environment publishes about itself: OIDC metadata and the key its tokens are signed with.

The lists of response modes and of challenge methods are the vendor's; the endpoints that the simulator
does not serve are named all the same, since a client reads the document as a whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.simulator.authorize import CHALLENGE_METHODS, RESPONSE_MODES
from exporter.simulator.urls import Urls

_BITS = 2048


def signing_key() -> dict[str, str]:
    """Make a fresh RSA key and return its public half as a JWK; takes some tens of milliseconds.

    The private half is not kept: nothing is signed yet.
    """
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=_BITS).public_key().public_numbers()
    public = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    # RFC 7638, 3: the thumbprint of the required members, in this order and without spaces.
    thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
    return {**public, "use": "sig", "alg": "RS256", "kid": _base64url(thumbprint)}


def discovery_document(urls: Urls) -> dict[str, Any]:
    """Return the OIDC metadata of an environment (OIDC Discovery, 3)."""
    issuer = f"{urls.root}/as"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/signoff",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "scopes_supported": ["openid", "profile", "email", "address", "phone"],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": list(CHALLENGE_METHODS),
    }


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
