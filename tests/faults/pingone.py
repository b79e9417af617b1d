"""Errors as PingOne gives them (see exporter/probing/errors.py for where they stand)."""

from __future__ import annotations

from typing import Any

from faults.case import STATUS, Case, configuration, failing, limited, provider, refused, source
from faults.stage import answers, flow, replies
from harness.http_messages import Answer, json_answer

from exporter.reasons import Reason


def error(code: str | int, *details: str) -> dict[str, Any]:
    """Return a PingOne error object."""
    document: dict[str, Any] = {"id": "1", "code": code, "message": "no"}
    if details:
        document["details"] = [
            {"code": detail, "target": "redirect_uri", "message": "no"} for detail in details
        ]
    return document


TOP_LEVEL = (
    (400, "INVALID_DATA"), (400, "INVALID_REQUEST"), (400, "REQUEST_FAILED"), (401, "ACCESS_FAILED"),
    (403, "ACCESS_FAILED"), (404, "NOT_FOUND"), (415, "INVALID_REQUEST"),
)  # fmt: skip
DETAILS = (
    "ACCOUNT_NOT_USABLE", "CONSTRAINT_VIOLATION", "EMPTY_VALUE", "INVALID_FILTER", "INVALID_OTP",
    "INVALID_PARAMETER", "INVALID_VALUE", "NO_PASSWORD", "OUT_OF_RANGE", "REQUIRED_VALUE",
    "SIZE_LIMIT_EXCEEDED", "UNIQUENESS_VIOLATION", "INSUFFICIENT_PERMISSIONS", "INVALID_TOKEN",
    "LICENSE_EXCEEDED", "LIMIT_EXCEEDED", "QUOTA_EXCEEDED", "PASSWORD_LOCKED_OUT", "INVALID_CREDENTIALS",
    "NO_USABLE_DEVICES",
)  # fmt: skip
OAUTH = (
    "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope",
    "invalid_client", "login_required", "interaction_required", "unsupported_response_mode",
    "invalid_redirect_uri",
)  # fmt: skip

PINGONE = (
    *(
        Case(
            f"pingone_{status}_{code.lower()}",
            f"{status} {code}",
            replies(error(code), status),
            refused(status, code),
        )
        for status, code in TOP_LEVEL
    ),
    *(
        Case(
            f"pingone_detail_{detail.lower()}",
            f"400 INVALID_DATA, detail {detail}",
            replies(error("INVALID_DATA", detail), 400),
            refused(400, "INVALID_DATA", detail),
        )
        for detail in DETAILS
    ),
    *(
        Case(
            f"oauth_{code}",
            f"400 {code}",
            replies({"error": code, "error_description": "no"}, 400),
            refused(400, code),
        )
        for code in OAUTH
    ),
    *(
        Case(f"oauth_{code}", f"400 {code}", replies({"error": code}, 400), failing(400, code))
        for code in ("server_error", "temporarily_unavailable")
    ),
    Case(
        "pingone_unexpected_error",
        "500 UNEXPECTED_ERROR",
        replies(error("UNEXPECTED_ERROR"), 500),
        failing(500, "UNEXPECTED_ERROR"),
    ),
    Case(
        "pingone_unexpected_error_400",
        "400 UNEXPECTED_ERROR",
        replies(error("UNEXPECTED_ERROR"), 400),
        failing(400, "UNEXPECTED_ERROR"),
    ),
    Case(
        "pingone_limited_503",
        "503 REQUEST_LIMITED",
        replies(error("REQUEST_LIMITED"), 503),
        failing(503, "REQUEST_LIMITED"),
    ),
    Case(
        "pingone_limited_429",
        "429 REQUEST_LIMITED, for 2 s",
        answers(json_answer(error("REQUEST_LIMITED"), status=429, headers=(("Retry-After", "2"),))),
        limited(429, "REQUEST_LIMITED"),
        source(3),
    ),
    Case(
        "pingone_limited_400",
        "400 REQUEST_LIMITED",
        replies(error("REQUEST_LIMITED"), 400),
        limited(400, "REQUEST_LIMITED"),
        source(4),
    ),
    Case(
        "pingone_limited_strangely",
        "429 with a Retry-After that is none",
        answers(Answer(status=429, headers=(("Retry-After", "-1e999 soon"), ("Content-Length", "0")))),
        limited(429),
        source(5),
    ),
    Case(
        "pingone_code_is_a_number", "400 with the code 1999", replies(error(1999), 400), refused(400, "1999")
    ),
    Case(
        "pingone_timed_out",
        "400 requestTimedOut",
        replies(error("requestTimedOut"), 400),
        failing(400, "requestTimedOut"),
    ),
    Case(
        "pingone_timed_out_404",
        "404 requestTimedOut",
        replies(error("requestTimedOut"), 404),
        failing(404, "requestTimedOut"),
    ),
    Case(
        "pingone_code_unknown",
        "400 with an unknown code",
        replies(error("FLUX"), 400),
        refused(400, "OTHER"),
    ),
    Case(
        "pingone_detail_unknown",
        "400 with an unknown detail",
        replies(error("INVALID_DATA", "FLUX"), 400),
        refused(400, "INVALID_DATA", "OTHER"),
    ),
    Case(
        "pingone_second_detail",
        "400 with two details: the first one counts",
        replies(error("INVALID_DATA", "INVALID_VALUE", "EMPTY_VALUE"), 400),
        refused(400, "INVALID_DATA", "INVALID_VALUE"),
    ),
    Case(
        "unrouted",
        "403 Missing Authentication Token: no such path",
        replies({"message": "Missing Authentication Token"}, 403),
        configuration(Reason.CLIENT_ERROR, 403),
    ),
    Case(
        "message_alone",
        "400 with a message and no code",
        replies({"message": "no"}, 400),
        configuration(Reason.CLIENT_ERROR, 400),
    ),
    *(
        Case(
            f"error_is_{kind}",
            f"400 with {says} as `error`",
            replies({"error": value}, 400),
            refused(400, "OTHER"),
        )
        for kind, says, value in (
            ("a_number", "a number", 7),
            ("a_list", "a list", ["x"]),
            ("an_object", "an object", {"x": 1}),
        )
    ),
    *(
        Case(
            f"details_are_{kind}",
            f"400 with {says} as `details`",
            replies(error("INVALID_DATA") | {"details": value}, 400),
            refused(400, "INVALID_DATA"),
        )
        for kind, says, value in (
            ("empty", "empty", []),
            ("a_text", "a text", "x"),
            ("texts", "texts", ["x"]),
            ("an_object", "an object", {"code": "INVALID_VALUE"}),
        )
    ),
    *(
        Case(
            f"failed_by_{code}",
            f"200 with status FAILED and {code}",
            replies(
                {"environment": {"id": "b"}, "status": "FAILED", "error": {"code": code, "message": "no"}}
            ),
            provider(Reason.FLOW_FAILED, 200, "FAILED", code),
        )
        for code in ("login_required", "server_error")
    ),
    Case(
        "failed_by_our_own_prompt",
        "200 with status FAILED and login_required, which PROMPT=none asks for",
        replies({"status": "FAILED", "error": {"code": "login_required"}}),
        configuration(Reason.FLOW_FAILED, 200, "FAILED", "login_required"),
        {"prompt": "none"},
    ),
    Case(
        "error_in_200",
        "200 with an error and no status",
        replies({"error": {"code": "login_required"}}),
        provider(Reason.FLOW_FAILED, 200, None, "login_required"),
    ),
    Case(
        "error_word_in_200",
        "200 with an error that is a word",
        replies({"error": "server_error"}),
        provider(Reason.FLOW_FAILED, 200, None, "server_error"),
    ),
    Case(
        "pingone_error_in_200",
        "200 with a PingOne error",
        replies(error("NOT_FOUND")),
        provider(Reason.FLOW_FAILED, 200, None, "NOT_FOUND"),
    ),
    Case(
        "error_beside_a_status",
        "200 with an error beside a good status",
        replies(flow(error={"code": "login_required"})),
        provider(Reason.FLOW_FAILED, 200, STATUS, "login_required"),
    ),
)
