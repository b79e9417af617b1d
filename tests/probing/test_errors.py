"""Where errors stand and which of their words may leave."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probing.errors import (
    KNOWN_CODES,
    OTHER,
    codes_in_document,
    codes_in_location,
    parameters_in_location,
)

PINGONE = {"id": "4f1c", "code": "INVALID_DATA", "message": "m", "details": [{"code": "INVALID_VALUE"}]}


@pytest.mark.parametrize(
    ("document", "codes"),
    [
        ({}, ()),
        ({"message": "Missing Authentication Token"}, ()),
        ({"error": "invalid_request", "error_description": "for user jane"}, ("invalid_request",)),
        ({"error": "jane.doe"}, (OTHER,)),
        ({"error": {"code": "login_required", "message": "m"}}, ("login_required",)),
        ({"error": {"message": "m"}}, (OTHER,)),
        ({"error": PINGONE}, ("INVALID_DATA", "INVALID_VALUE")),
        (PINGONE, ("INVALID_DATA", "INVALID_VALUE")),
        ({"error": "server_error", "code": "NOT_FOUND"}, ("server_error", "NOT_FOUND")),
        ({"error": {"code": "NOT_FOUND"}, "code": "NOT_FOUND"}, ("NOT_FOUND",)),
        ({"code": "INVALID_DATA", "details": [{"code": "INVALID_DATA"}]}, ("INVALID_DATA",)),
        ({"code": "A", "details": [{"code": "B"}]}, (OTHER,)),
        ({"code": 1999}, ("1999",)),
        ({"code": "1999"}, ("1999",)),
        ({"code": 2000}, (OTHER,)),
        ({"code": 10**399}, (OTHER,)),
        ({"code": float("inf")}, (OTHER,)),
        ({"code": "requestTimedOut"}, ("requestTimedOut",)),
        ({"code": "access_failed"}, (OTHER,)),
        ({"code": " ACCESS_FAILED"}, (OTHER,)),
        ({"code": ""}, ()),
        ({"code": None}, ()),
        ({"code": True}, ()),
        ({"code": ["NOT_FOUND"]}, ()),
        ({"code": {"code": "NOT_FOUND"}}, ()),
        ({"details": [{"code": "INVALID_VALUE"}]}, ()),
        ({"code": "NOT_FOUND", "details": []}, ("NOT_FOUND",)),
        ({"code": "NOT_FOUND", "details": ["x"]}, ("NOT_FOUND",)),
        ({"code": "NOT_FOUND", "details": {"code": "INVALID_VALUE"}}, ("NOT_FOUND",)),
        ({"code": "NOT_FOUND", "details": [{"message": "m"}]}, ("NOT_FOUND",)),
        ({"error": None}, ()),
        ({"error": ""}, ()),
        ({"error": False}, ()),
        ({"error": 0}, ()),
        ({"error": []}, ()),
        ({"error": {}}, ()),
        ({"error": True}, (OTHER,)),
        ({"error": 7}, (OTHER,)),
        ({"error": ["server_error"]}, (OTHER,)),
    ],
)
def test_an_error_in_a_body_is_reduced_to_its_codes(document: dict[str, Any], codes: tuple[str, ...]) -> None:
    assert codes_in_document(document) == codes


@pytest.mark.parametrize(
    ("location", "codes"),
    [
        (None, ()),
        ("", ()),
        ("https://rp.example/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz", ()),
        ("https://rp.example/cb?error=access_denied&state=xyz", ("access_denied",)),
        ("https://rp.example/cb#error=login_required&state=xyz", ("login_required",)),
        ("?error=access_denied", ("access_denied",)),
        (
            "https://rp.example/cb?error=access_denied#error=login_required",
            ("access_denied", "login_required"),
        ),
        ("https://rp.example/cb?error=access_denied#error=access_denied", ("access_denied",)),
        ("https://rp.example/cb?error=access_denied&error=server_error", ("access_denied",)),
        ("https://rp.example/cb?error=jane.doe", (OTHER,)),
        ("https://rp.example/cb?error=jane=doe", (OTHER,)),
        ("https://rp.example/cb?error=", ()),
        ("https://rp.example/cb?error", ()),
        ("https://rp.example/error=access_denied", ()),
        ("https://rp.example/cb?next=/x?error=access_denied", ()),
        ("https://rp.example/cb#next=/x?error=access_denied", ()),
        ("https://rp.example/cb#/signon?a=b&error=access_denied", ("access_denied",)),
        ("com.example.app://cb?a b=\xfc|&error=access_denied", ("access_denied",)),
        (f"/signon/?error={quote(json.dumps(PINGONE))}", ("INVALID_DATA", "INVALID_VALUE")),
        (f"/signon/?error={quote(json.dumps({'error': 'server_error'}))}", ("server_error",)),
        (f"/signon/?error={quote(json.dumps({'message': 'm'}))}", (OTHER,)),
        ("/signon/?error=%7B%7D", (OTHER,)),
        ("/signon/?error=%7B", (OTHER,)),
        ("/signon/?error=%22server_error%22", (OTHER,)),
        ("/signon/?error=%FF%FE", (OTHER,)),
        (
            "/signon/?" + "&".join(f"p{number}=1" for number in range(1000)) + "&error=access_denied",
            ("access_denied",),
        ),
    ],
)
def test_an_error_in_a_redirect_is_reduced_to_its_codes(location: str | None, codes: tuple[str, ...]) -> None:
    assert codes_in_location(location) == codes


@pytest.mark.parametrize(
    "codes",
    [
        """invalid_request unauthorized_client access_denied unsupported_response_type invalid_scope
        server_error temporarily_unavailable invalid_client invalid_grant unsupported_grant_type""",
        """unsupported_response_mode invalid_token insufficient_scope unsupported_token_type
        invalid_redirect_uri invalid_client_metadata invalid_software_statement unapproved_software_statement
        authorization_pending
        slow_down expired_token invalid_authorization_details invalid_dpop_proof use_dpop_nonce""",
        """interaction_required login_required account_selection_required consent_required invalid_request_uri
        invalid_request_object request_not_supported request_uri_not_supported registration_not_supported
        invalid_target insufficient_user_authentication unmet_authentication_requirements""",
        """INVALID_DATA INVALID_REQUEST REQUEST_FAILED ACCESS_FAILED NOT_FOUND REQUEST_LIMITED
        UNEXPECTED_ERROR requestTimedOut 1999""",
        """ACCOUNT_NOT_USABLE CONSTRAINT_VIOLATION EMPTY_VALUE INVALID_FILTER INVALID_OTP INVALID_PARAMETER
        INVALID_VALUE NO_PASSWORD OUT_OF_RANGE REQUIRED_VALUE SIZE_LIMIT_EXCEEDED UNIQUENESS_VIOLATION
        INSUFFICIENT_PERMISSIONS INVALID_TOKEN LICENSE_EXCEEDED LIMIT_EXCEEDED QUOTA_EXCEEDED
        PASSWORD_LOCKED_OUT INVALID_CREDENTIALS NO_USABLE_DEVICES AuthenticationFailed""",
    ],
    ids=["OAuth", "extensions of OAuth", "OpenID Connect", "PingOne", "PingOne's details"],
)
def test_each_code_of_a_specification_is_shown_by_its_name_since_dashboards_select_by_it(codes: str) -> None:
    assert [codes_in_document({"code": code}) for code in codes.split()] == [
        (code,) for code in codes.split()
    ]


@given(st.text(st.characters()))
def test_no_text_of_a_provider_leaves_as_a_code(text: str) -> None:
    allowed = KNOWN_CODES | {OTHER}
    assert set(codes_in_document({"error": text, "code": text, "details": [{"code": text}]})) <= allowed
    assert set(codes_in_location(f"https://rp.example/?error={text}#error={text}")) <= allowed
    assert parameters_in_location(text, "") == () or "=" in text
