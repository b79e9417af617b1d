"""The judge of ID tokens (OpenID Connect Core, 3.1.3.7). No I/O.

joserfc, which verifies the signature, is imported when the first token arrives: most targets have none.
"""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeGuard

from exporter.probing.clock_skew import http_date
from exporter.probing.detail import Detail, Template
from exporter.probing.errors import codes_in_document
from exporter.probing.judge import is_plain_refusal, judge_json
from exporter.probing.messages import Answer, Verdict
from exporter.probing.signing_keys import algorithms_of, public_members
from exporter.reasons import Fault, Reason

MAX_TOKEN_CHARACTERS = 64 * 1024
DATE_LEEWAY_SECONDS = 5.0
"""A token may be a little younger than the provider's `Date`, which has a resolution of one second."""

CLOCK_LEEWAY_SECONDS = 60.0
"""Without a `Date` our own clock counts, which may differ from the provider's."""

MAX_KEYS_TRIED = 4
"""Keys with the `kid` of a token that are tried: one signature takes up to 5 ms to verify."""

MAX_TIMESTAMP = 1e15
"""Integers of JSON may be too large to calculate with."""


@dataclass(frozen=True, slots=True)
class TokenExpectation:
    """What an ID token must be."""

    issuers: tuple[str, ...]  # issuers of the destination's environment; one with a custom domain has several
    client_id: str  # of the destination's application
    nonce: str = field(repr=False)  # that was sent to `destination_authorize`
    keys: tuple[Mapping[str, Any], ...] = field(repr=False)  # usable signing keys of the destination, as JWK


def judge_token(answer: Answer, *, expectation: TokenExpectation) -> Verdict:
    """Judge the answer of the token endpoint; good if its ID token verifies.

    A refusal is the test application's: its client secret or its grant, not the federation.
    """
    verdict = judge_json(answer)
    is_4xx = answer.status_code >= HTTPStatus.BAD_REQUEST
    is_refused = verdict.reason in {Reason.OAUTH_ERROR, Reason.CLIENT_ERROR}
    if is_4xx and (is_refused or is_plain_refusal(answer, verdict)):
        return verdict.with_finding(Reason.TOKEN_REFUSED, Fault.ACCOUNT)
    if verdict.reason is not Reason.OK:
        return verdict
    codes = codes_in_document(verdict.flow)
    tokens = map(verdict.flow.get, ("id_token", "access_token", "refresh_token"))
    secrets = tuple(token for token in tokens if isinstance(token, str) and token)
    if "id_token" not in verdict.flow and codes:
        return Verdict(Reason.TOKEN_REFUSED, Fault.ACCOUNT, error_codes=codes, secrets=secrets)
    claims = verified_claims(verdict.flow.get("id_token"), expectation, *valid_between(answer))
    if isinstance(claims, str):
        detail = Detail(Template.TOKEN, {"claim": claims})
        return Verdict(Reason.ID_TOKEN_INVALID, Fault.PROVIDER, secrets=secrets, detail=detail)
    recurring = "subject", frozenset({claims["sub"]})
    return Verdict(Reason.OK, Fault.NONE, secrets=secrets, recurring=recurring)


def valid_between(answer: Answer) -> tuple[float, float]:
    """Return the earliest expiry and the latest time of issue that a token may have.

    Both are by the provider's own clock, as its `Date` header shows it, so that the clock skew cancels out.
    """
    written = http_date(answer.headers.get("date"))
    if written is None:
        return answer.received_at - CLOCK_LEEWAY_SECONDS, answer.received_at + CLOCK_LEEWAY_SECONDS
    return written, written + DATE_LEEWAY_SECONDS


def verified_claims(
    token: object, expectation: TokenExpectation, earliest: float, latest: float
) -> Mapping[str, Any] | str:
    """Return the claims of an ID token; if it does not verify, what is wrong with it.

    It must expire after `earliest` and have been issued before `latest`, both in seconds since the epoch.
    """
    if not isinstance(token, str) or not token.isascii() or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        return "no ID token"
    claims = _signed_claims(token, expectation.keys)
    if claims is None:
        return "not signed by a published key"
    client, audience, subject = expectation.client_id, claims.get("aud"), claims.get("sub")
    audiences = audience if isinstance(audience, list) else [audience]
    expires, issued = claims.get("exp"), claims.get("iat")
    not_before = claims.get("nbf", issued)
    rows = (
        ("iss", claims.get("iss") in expectation.issuers),
        ("aud", client in audiences),
        ("azp", claims.get("azp", client if len(audiences) == 1 else None) == client),
        ("nonce", claims.get("nonce") == expectation.nonce),
        ("sub", isinstance(subject, str) and bool(subject)),
        ("exp", _is_number(expires)),
        ("iat", _is_number(issued) and issued <= latest),
        ("nbf", _is_number(not_before) and not_before <= latest),
        ("exp", _is_number(expires) and _is_number(issued) and expires > max(earliest, issued)),
    )
    return next((claim for claim, is_right in rows if not is_right), claims)


def _is_number(value: object) -> TypeGuard[float]:
    """Return True for a NumericDate (RFC 7519, section 2)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_TIMESTAMP


def _signed_claims(token: str, keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the claims of a token that one of `keys` signed."""
    from joserfc import jws, jwt  # noqa: PLC0415  most targets have no token to verify
    from joserfc.errors import JoseError, SecurityWarning  # noqa: PLC0415
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415

    refused = JoseError, ValueError, TypeError, KeyError, RecursionError, OverflowError
    # It warns of algorithms with a newer name, which providers still use.
    with warnings.catch_warnings(action="ignore", category=SecurityWarning):
        lenient = jws.JWSRegistry(strict_check_header=False)
        try:
            header = dict(jws.extract_compact(token.encode("ascii"), None, lenient).headers())
        except refused:
            return None
        kid, algorithm = header.get("kid"), str(header.get("alg"))
        named = [key for key in keys if kid is None or kid == key.get("kid")]
        fitting = [key for key in named if algorithm in algorithms_of(key)]
        if kid is None and len(fitting) > 1:
            return None  # a token must name one of several keys
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        for key in fitting[:MAX_KEYS_TRIED]:
            with suppress(*refused):
                public = JWKRegistry.import_key(public_members(key))
                return jwt.decode(token, public, [algorithm], registry).claims
    return None
