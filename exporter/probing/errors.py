"""The errors of PingOne's authorize endpoint, in bodies and redirects, and the JSON they are in.

    body      {"error": "invalid_request", "error_description": …}          OAuth, RFC 6749 5.2
    body      {"id": …, "code": "INVALID_DATA", "details": [{"code": …}]}   PingOne
    body      {"status": "FAILED", "error": {"code": "login_required"}}     PingOne, also in a 200
    Location  …/signon/?error=<URL-encoded PingOne error, or a plain word>  PingOne
    Location  …?error=access_denied, …#error=…                              OAuth, RFC 6749 4.1.2.1

Only codes of a closed list leave this module: a description may name a user or echo a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote_plus

OTHER = "OTHER"

REQUEST_LIMITED = "REQUEST_LIMITED"

PROVIDER_FAILED = frozenset(
    {"server_error", "temporarily_unavailable", "UNEXPECTED_ERROR", "requestTimedOut"}
)
"""Codes that blame the provider, not the request."""

KNOWN_CODES = frozenset({
    # RFC 6749, sections 4.1.2.1 and 5.2
    "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope",
    "server_error", "temporarily_unavailable", "invalid_client", "invalid_grant", "unsupported_grant_type",
    # OAuth 2.0 Multiple Response Types, RFC 6750, 7009, 7591, 8628, 9396, 9449
    "unsupported_response_mode", "invalid_token", "insufficient_scope", "unsupported_token_type",
    "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement",
    "unapproved_software_statement", "authorization_pending", "slow_down", "expired_token",
    "invalid_authorization_details", "invalid_dpop_proof", "use_dpop_nonce",
    # OpenID Connect Core 3.1.2.6 and unmet_authentication_requirements, RFC 8707, 9101, 9470
    "interaction_required", "login_required", "account_selection_required", "consent_required",
    "invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported",
    "registration_not_supported", "invalid_target", "insufficient_user_authentication",
    "unmet_authentication_requirements",
    # PingOne, top level
    "INVALID_DATA", "INVALID_REQUEST", "REQUEST_FAILED", "ACCESS_FAILED", "NOT_FOUND", REQUEST_LIMITED,
    "UNEXPECTED_ERROR", "requestTimedOut", "1999",
    # PingOne, details
    "ACCOUNT_NOT_USABLE", "CONSTRAINT_VIOLATION", "EMPTY_VALUE", "INVALID_FILTER", "INVALID_OTP",
    "INVALID_PARAMETER", "INVALID_VALUE", "NO_PASSWORD", "OUT_OF_RANGE", "REQUIRED_VALUE",
    "SIZE_LIMIT_EXCEEDED", "UNIQUENESS_VIOLATION", "INSUFFICIENT_PERMISSIONS", "INVALID_TOKEN",
    "LICENSE_EXCEEDED", "LIMIT_EXCEEDED", "QUOTA_EXCEEDED", "PASSWORD_LOCKED_OUT", "INVALID_CREDENTIALS",
    "NO_USABLE_DEVICES", "AuthenticationFailed",
})  # fmt: skip


def codes_in_document(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the codes of the error that `document` carries; empty when it carries none."""
    return tuple(dict.fromkeys(_codes(document)))


def codes_in_location(location: str | None) -> tuple[str, ...]:
    """Return the codes of the error in a redirect's query or fragment; empty when there is none."""
    if location is None:
        return ()
    address, _, fragment = location.partition("#")
    _, _, query = address.partition("?")
    found: dict[str, None] = {}
    for part in (query, fragment):
        for value in _error_parameters(part):
            document = parse_object(value)
            codes = codes_in_document(document) if document is not None else ()
            # JSON of an unknown shape is still an error.
            found |= dict.fromkeys(codes or (_known(value),))
    return tuple(found)


def _error_parameters(part: str) -> list[str]:
    """Return the first `error` of a query or fragment, decoded; no text may raise an exception."""
    for field in part.split("&"):
        name, _, value = field.partition("=")
        if value and unquote_plus(name) == "error":
            return [unquote_plus(value)]
    return []


def _codes(document: Mapping[str, Any]) -> Iterator[str]:
    error = document.get("error")
    if isinstance(error, dict) and error:
        yield from list(_codes_of_object(error)) or [OTHER]
    elif error:
        yield _known(error) if isinstance(error, str) else OTHER
    yield from _codes_of_object(document)


def _codes_of_object(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield `code` and `details[0].code`; a code is a word or a number."""
    if (code := _code(document)) is None:
        return
    yield code
    details = document.get("details")
    if isinstance(details, list) and details and isinstance(details[0], dict):
        detail = _code(details[0])
        if detail is not None:
            yield detail


def _code(document: Mapping[str, Any]) -> str | None:
    code = document.get("code")
    if isinstance(code, str) and code:
        return _known(code)
    if isinstance(code, int | float) and not isinstance(code, bool):
        return _known(str(code))
    return None


def _known(code: str) -> str:
    return code if code in KNOWN_CODES else OTHER


MAX_INTEGER_DIGITS = 400
"""Python refuses to convert more than 4,300, and is slow long before."""


def parse_object(body: bytes | str) -> dict[str, Any] | None:
    """Return the JSON object that `body` is, or None for anything else.

    UTF-8 with or without a byte order mark (RFC 8259, section 8.1). NaN and infinities are not JSON, nor is
    nesting beyond what the parser takes. Of duplicate keys the last one counts.
    """
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        document = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else float(digits)
