"""The errors of PingOne's authorize endpoint, in bodies and redirects, and the JSON they are in.

    body      {"error": "invalid_request", "error_description": …}          OAuth, RFC 6749 5.2
    body      {"id": …, "code": "INVALID_DATA", "details": [{"code": …}]}   PingOne
    body      {"status": "FAILED", "error": {"code": "login_required"}}     PingOne, also in a 200
    Location  …/signon/?error=<URL-encoded PingOne error, or a plain word>  PingOne
    Location  …?error=access_denied, …#error=…                              OAuth, RFC 6749 4.1.2.1

Only codes of a closed list leave this module: a description may name a user or echo a request.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

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
    error, codes = document.get("error"), _codes_of_object(document)
    if isinstance(error, dict) and error:
        codes = [*(_codes_of_object(error) or [OTHER]), *codes]
    elif error:
        codes = [_known(error) if isinstance(error, str) else OTHER, *codes]
    return tuple(dict.fromkeys(codes))


def codes_in_location(location: str | None) -> tuple[str, ...]:
    """Return the codes of the error in a redirect's query or fragment; empty when there is none."""
    found: dict[str, None] = {}
    for error in parameters_in_location(location, "error"):
        # JSON of an unknown shape is still an error.
        found |= dict.fromkeys(codes_in_document(parse_object(error) or {}) or (_known(error),))
    return tuple(found)


def parameters_in_location(location: str | None, name: str) -> tuple[str, ...]:
    """Return the first value of a parameter in a redirect's query, and in its fragment; any text is read."""
    address, _, fragment = (location or "").partition("#")
    # In a fragment the parameters may follow a path of the page's own.
    path, _, behind = fragment.partition("?")
    parts = address.partition("?")[2], fragment if "=" in path else behind
    found = (dict(reversed(parse_qsl(part))).get(name) for part in parts)  # the first of a name counts
    return tuple(value for value in found if value is not None)


def _codes_of_object(document: Mapping[str, Any]) -> list[str]:
    """Return `code` and `details[0].code`, or nothing without the first; a code is a word or a number."""
    details = document.get("details")
    first = details[0] if isinstance(details, list) and details else None
    code, detail = document.get("code"), value_at(first, "code")
    return [_known(str(each)) for each in (code, detail) if _is_code(each)] if _is_code(code) else []


def _is_code(value: object) -> bool:
    if isinstance(value, str):
        return bool(value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _known(code: str) -> str:
    return code if code in KNOWN_CODES else OTHER


def value_at(document: object, *path: str) -> object:
    """Return a value by its path in a JSON document; None if it is not there."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


_HIGH, _LOW = (rf"\\u[dD][{digits}][0-9a-fA-F]{{2}}" for digits in ("89abAB", "c-fC-F"))
_LONE_SURROGATE = re.compile(rf"{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}")

MAX_INTEGER_DIGITS = 400
"""Python refuses to convert more than 4,300, and is slow long before."""


def parse_object(body: bytes | str) -> dict[str, Any] | None:
    """Return the JSON object that `body` is, or None for anything else.

    UTF-8 with or without a byte order mark (RFC 8259, section 8.1). NaN and infinities are not JSON, nor is
    nesting beyond what the parser takes. Of duplicate keys the last one counts. A lone surrogate, which no
    output can encode, is read as U+FFFD.
    """
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        if "\\ud" in text or "\\uD" in text:
            text = _LONE_SURROGATE.sub("\ufffd", text.replace(r"\\", r"\u005c"))
        document = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else float(digits)
