"""Signing keys and ID tokens (OpenID Connect Core, 3.1.3.7). No I/O.

joserfc, which verifies the signature, is imported when the first token arrives: most targets have none.
"""

from __future__ import annotations

import base64
import binascii
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeGuard

from exporter.probing.clock_skew import http_date
from exporter.probing.detail import Detail, Template
from exporter.probing.errors import codes_in_document
from exporter.probing.judge import judge_json
from exporter.probing.messages import Answer, Verdict
from exporter.reasons import Fault, Reason

ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA", "Ed25519"}),
}
"""Signature algorithms by key type; none that a shared secret could sign with."""

MIN_RSA_BITS = 2048
MAX_KEYS = 100
MAX_TOKEN_CHARACTERS = 64 * 1024
DATE_LEEWAY_SECONDS = 5.0
"""A token may be a little younger than the provider's `Date`, which has a resolution of one second."""

CLOCK_LEEWAY_SECONDS = 60.0
"""Without a `Date` our own clock counts, which may differ from the provider's."""

MAX_TIMESTAMP = 1e15
"""Integers of JSON may be too large to calculate with."""

_CURVES = {"EC": frozenset({"P-256", "P-384", "P-521"}), "OKP": frozenset({"Ed25519"})}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
KEY_MEMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}


@dataclass(frozen=True, slots=True)
class TokenExpectation:
    """What an ID token must be.

    Args:
        issuers: issuers of the destination's environment; one with a custom domain has several.
        client_id: of the destination's application.
        nonce: that was sent to `destination_authorize`.
        keys: usable signing keys of the destination, as JWK.
    """

    issuers: tuple[str, ...]
    client_id: str
    nonce: str = field(repr=False)
    keys: tuple[Mapping[str, Any], ...] = field(repr=False)


def judge_keys(answer: Answer) -> Verdict:
    """Judge the destination's key set; good if it has a usable signing key."""
    verdict = judge_json(answer)
    if verdict.reason is not Reason.OK:
        return verdict
    if not usable_keys(verdict.flow):
        keys = verdict.flow.get("keys")
        return no_keys(keys if isinstance(keys, list) else (), error_codes=codes_in_document(verdict.flow))
    return verdict


def no_keys(
    published: Sequence[object], cause: Template = Template.NO_USABLE_KEY, error_codes: tuple[str, ...] = ()
) -> Verdict:
    """Return the verdict on a key set that no signature can be verified with."""
    detail = Detail(cause if published else Template.NO_KEYS, {"count": len(published)})
    return Verdict(Reason.KEYS_INVALID, Fault.PROVIDER, error_codes=error_codes, detail=detail)


def usable_keys(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the public keys of a key set that may verify a signature (RFC 7517)."""
    keys = document.get("keys")
    found = keys[:MAX_KEYS] if isinstance(keys, list) else []
    # Some providers write members that a key does not have as null.
    given = [_without_nulls(key) for key in found if isinstance(key, dict)]
    return tuple(key for key in given if _is_usable(key))


def _without_nulls(key: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in key.items() if value is not None}


def has_private_member(key: Mapping[str, Any]) -> bool:
    """Return True for a key with a member that only its owner may know."""
    return any(key.get(name) is not None for name in _PRIVATE_MEMBERS)


def _is_usable(key: Mapping[str, Any]) -> bool:
    kind, operations = key.get("kty"), key.get("key_ops")
    if not isinstance(kind, str) or kind not in ALGORITHMS or has_private_member(key):
        return False
    if key.get("use", "sig") != "sig" or not isinstance(key.get("kid", ""), str):
        return False
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return False
    algorithm = key.get("alg")
    if algorithm is not None and not (isinstance(algorithm, str) and algorithm in ALGORITHMS[kind]):
        return False
    numbers = [decoded_member(key.get(name)) for name in KEY_MEMBERS[kind]]
    if not all(numbers):
        return False
    if kind == "RSA":
        return int.from_bytes(numbers[0] or b"").bit_length() >= MIN_RSA_BITS
    curve = key.get("crv")
    return isinstance(curve, str) and curve in _CURVES[kind]


def decoded_member(value: object) -> bytes | None:
    """Return the bytes of a base64url value, None for anything else."""
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None


def judge_token(answer: Answer, *, expectation: TokenExpectation) -> Verdict:
    """Judge the answer of the token endpoint; good if its ID token verifies.

    A refusal is the test application's: its client secret or its grant, not the federation.
    """
    verdict = judge_json(answer)
    if verdict.reason in {Reason.OAUTH_ERROR, Reason.CLIENT_ERROR}:
        refused = answer.status_code >= HTTPStatus.BAD_REQUEST
        reason, fault = (Reason.TOKEN_REFUSED, Fault.ACCOUNT) if refused else (verdict.reason, verdict.fault)
        return Verdict(reason, fault, error_codes=verdict.error_codes)
    if verdict.reason is not Reason.OK:
        return verdict
    codes = codes_in_document(verdict.flow)
    secrets = tuple(
        value
        for name in ("id_token", "access_token", "refresh_token")
        if isinstance(value := verdict.flow.get(name), str) and value
    )
    if "id_token" not in verdict.flow and codes:
        return Verdict(Reason.TOKEN_REFUSED, Fault.ACCOUNT, error_codes=codes, secrets=secrets)
    claims = verified_claims(verdict.flow.get("id_token"), expectation, *valid_between(answer))
    if isinstance(claims, str):
        detail = Detail(Template.TOKEN, {"claim": claims})
        return Verdict(Reason.ID_TOKEN_INVALID, Fault.PROVIDER, secrets=secrets, detail=detail)
    return Verdict(Reason.OK, Fault.NONE, secrets=secrets, subject=claims["sub"])


def valid_between(answer: Answer) -> tuple[float, float]:
    """Return until when a token must be valid at least, and when it must have been issued at the latest.

    Both are by the provider's own clock, as its `Date` header shows it, so that the clock skew cancels out.
    """
    date = answer.headers.get("date")
    written = None if date is None else http_date(date)
    if written is None:
        return answer.received_at - CLOCK_LEEWAY_SECONDS, answer.received_at + CLOCK_LEEWAY_SECONDS
    return written, written + DATE_LEEWAY_SECONDS


def verified_claims(
    token: object, expectation: TokenExpectation, earliest: float, latest: float
) -> Mapping[str, Any] | str:
    """Return the claims of an ID token; if it does not verify, one of `CLAIMS`: what is wrong with it.

    It must expire after `earliest` and have been issued before `latest`, both in seconds since the epoch.
    """
    if not isinstance(token, str) or not token.isascii() or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        return "no ID token"
    claims = _signed_claims(token, expectation.keys)
    if claims is None:
        return "not signed by a published key"
    wrong = _wrong_party(claims, expectation)
    if wrong is not None:
        return wrong
    expires, issued = claims.get("exp"), claims.get("iat")
    if not _is_number(expires):
        return "exp"
    if not _is_number(issued) or issued > latest:
        return "iat"
    not_before = claims.get("nbf", issued)
    if not _is_number(not_before) or not_before > latest:
        return "nbf"
    return claims if expires > max(earliest, issued) else "exp"


def _wrong_party(claims: Mapping[str, Any], expectation: TokenExpectation) -> str | None:
    """Return the first of issuer, audience, nonce and subject that is wrong; None if all are right."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") not in expectation.issuers:
        return "iss"
    if not isinstance(audiences, list) or expectation.client_id not in audiences:
        return "aud"
    if claims.get("azp", expectation.client_id if len(audiences) == 1 else None) != expectation.client_id:
        return "azp"
    if claims.get("nonce") != expectation.nonce:
        return "nonce"
    subject = claims.get("sub")
    return None if isinstance(subject, str) and subject else "sub"


def _is_number(value: object) -> TypeGuard[float]:
    """Return True for a time as RFC 7519 writes it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_TIMESTAMP


def _signed_claims(token: str, keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the claims of a token that one of `keys` signed."""
    from joserfc import jws, jwt  # noqa: PLC0415  most targets have no token to verify
    from joserfc.errors import JoseError, SecurityWarning  # noqa: PLC0415
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415

    try:
        # It warns of algorithms with a newer name, which providers still use.
        with warnings.catch_warnings(action="ignore", category=SecurityWarning):
            lenient = jws.JWSRegistry(strict_check_header=False)
            key = _key_of(jws.extract_compact(token.encode("ascii"), None, lenient).headers(), keys)
            if key is None:
                return None
            kind = key["kty"]
            algorithms = [name for name in ALGORITHMS[kind] if key.get("alg", name) == name]
            registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
            public = {name: key[name] for name in ("kty", "crv", *KEY_MEMBERS[kind]) if name in key}
            return jwt.decode(token, JWKRegistry.import_key(public), algorithms, registry).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None


def _key_of(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the only key that a token's header names; without a `kid` there must be one key in all."""
    kid, algorithm = header.get("kid"), header.get("alg")
    named = [key for key in keys if kid is None or key.get("kid") == kid]
    fitting = [
        key
        for key in named
        if isinstance(algorithm, str)
        and algorithm in ALGORITHMS[key["kty"]]
        and key.get("alg", algorithm) == algorithm
    ]
    return fitting[0] if len(fitting) == 1 else None
