"""Every row of the table of reasons that is about a 3xx, 4xx or 5xx, or about no HTTP at all."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from probing.examples import EXPECTATION, FLOW, SOURCE, a_flow

from exporter.probing.detail import Detail, Template
from exporter.probing.errors import OTHER
from exporter.probing.judge import judge, leads_to_sign_on_page
from exporter.probing.messages import Answer
from exporter.reasons import Fault, Reason

HTML = b"<!doctype html><title>Request blocked</title>"
SIGN_ON = f"https://apps.pingone.com/{SOURCE}/signon/"

LIMITED = {"id": "1", "code": "REQUEST_LIMITED", "message": "Too many requests."}
UNEXPECTED_ERROR = {"id": "1", "code": "UNEXPECTED_ERROR", "message": "An unexpected error occurred."}
BAD_REDIRECT_URI = {
    "code": "INVALID_DATA",
    "details": [{"code": "INVALID_VALUE", "target": "redirect_uri", "message": "Redirect URI mismatch"}],
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def leading(location: str, code: int = 302, body: bytes = b"") -> Answer:
    """Return a redirect."""
    return Answer(code, body, {"location": location})


def in_location(document: object) -> str:
    return f"{SIGN_ON}?error={quote(json.dumps(document))}"


RATE_LIMITED = (Reason.RATE_LIMITED, Fault.QUOTA)
SERVER_ERROR = (Reason.SERVER_ERROR, Fault.PROVIDER)
OAUTH_ERROR = (Reason.OAUTH_ERROR, Fault.CONFIGURATION)
LOST = (Reason.REDIRECTED, Fault.CONFIGURATION)
REDIRECTED = (Reason.REDIRECTED, Fault.PROVIDER)
BLOCKED = (Reason.BLOCKED, Fault.NETWORK)
CLIENT_ERROR = (Reason.CLIENT_ERROR, Fault.CONFIGURATION)
PROTOCOL = (Reason.PROTOCOL, Fault.PROVIDER)


@pytest.mark.parametrize("code", [0, 99, 100, 101, 103, 199, 600, 601, 999])
def test_a_code_outside_http_is_a_protocol_error_whatever_the_body_says(code: int) -> None:
    verdict = judge(Answer(code, encoded(a_flow())), EXPECTATION)
    assert (verdict.reason, verdict.fault) == PROTOCOL


@pytest.mark.parametrize(
    ("answer", "finding", "codes"),
    [
        # 429, and REQUEST_LIMITED in a 3xx or 4xx
        (Answer(429), RATE_LIMITED, ()),
        (Answer(429, HTML), RATE_LIMITED, ()),
        (Answer(429, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(429, encoded(UNEXPECTED_ERROR)), RATE_LIMITED, ("UNEXPECTED_ERROR",)),
        (Answer(400, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(403, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(408, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (leading(in_location(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (
            leading(f"{SIGN_ON}?error=REQUEST_LIMITED"),
            RATE_LIMITED,
            ("REQUEST_LIMITED",),
        ),
        (
            Answer(400, encoded({"code": "ACCESS_FAILED", "details": [{"code": "REQUEST_LIMITED"}]})),
            RATE_LIMITED,
            ("ACCESS_FAILED", "REQUEST_LIMITED"),
        ),
        (
            leading(in_location(LIMITED), 302, encoded(UNEXPECTED_ERROR)),
            RATE_LIMITED,
            ("REQUEST_LIMITED", "UNEXPECTED_ERROR"),
        ),
        # 5xx, 408, and errors that blame the provider
        (Answer(500), SERVER_ERROR, ()),
        (Answer(500, encoded(UNEXPECTED_ERROR)), SERVER_ERROR, ("UNEXPECTED_ERROR",)),
        (Answer(502, HTML), SERVER_ERROR, ()),
        (Answer(503, encoded(LIMITED)), SERVER_ERROR, ("REQUEST_LIMITED",)),
        (Answer(503, encoded(a_flow())), SERVER_ERROR, ()),
        (Answer(504), SERVER_ERROR, ()),
        (Answer(599), SERVER_ERROR, ()),
        (Answer(408), SERVER_ERROR, ()),
        (Answer(408, encoded({"error": "invalid_request"})), SERVER_ERROR, ("invalid_request",)),
        (Answer(400, encoded({"error": "server_error"})), SERVER_ERROR, ("server_error",)),
        (
            Answer(400, encoded({"error": "temporarily_unavailable"})),
            SERVER_ERROR,
            ("temporarily_unavailable",),
        ),
        (Answer(400, encoded(UNEXPECTED_ERROR)), SERVER_ERROR, ("UNEXPECTED_ERROR",)),
        (Answer(403, encoded(UNEXPECTED_ERROR)), SERVER_ERROR, ("UNEXPECTED_ERROR",)),
        (
            leading(in_location(UNEXPECTED_ERROR)),
            SERVER_ERROR,
            ("UNEXPECTED_ERROR",),
        ),
        (
            Answer(303, headers={"location": "https://rp.example/cb?error=server_error&state=1"}),
            SERVER_ERROR,
            ("server_error",),
        ),
        (
            leading("https://rp.example/cb#error=temporarily_unavailable"),
            SERVER_ERROR,
            ("temporarily_unavailable",),
        ),
        # 3xx
        (
            leading(f"{SIGN_ON}?error=access_denied"),
            OAUTH_ERROR,
            ("access_denied",),
        ),
        (leading(f"{SIGN_ON}?error=whatever"), OAUTH_ERROR, (OTHER,)),
        (leading(in_location({"code": "NOT_FOUND"})), OAUTH_ERROR, ("NOT_FOUND",)),
        (
            leading(in_location(BAD_REDIRECT_URI)),
            OAUTH_ERROR,
            ("INVALID_DATA", "INVALID_VALUE"),
        ),
        (
            Answer(
                302, encoded({"error": "invalid_client"}), headers={"location": f"{SIGN_ON}?flowId={FLOW}"}
            ),
            OAUTH_ERROR,
            ("invalid_client",),
        ),
        (leading(f"{SIGN_ON}?flowId={FLOW}"), LOST, ()),
        (leading(f"/signon/?flowId={FLOW}"), LOST, ()),
        (
            Answer(302, encoded(a_flow()), headers={"location": "https://maintenance.example/"}),
            REDIRECTED,
            (),
        ),
        (Answer(301, headers={"location": "http://[::1"}), REDIRECTED, ()),
        (Answer(302), REDIRECTED, ()),
        (Answer(300), REDIRECTED, ()),
        (Answer(304), REDIRECTED, ()),
        (Answer(399, headers={"location": ""}), REDIRECTED, ()),
        # 4xx
        (Answer(400, encoded({"error": "invalid_request"})), OAUTH_ERROR, ("invalid_request",)),
        (Answer(400, encoded(BAD_REDIRECT_URI)), OAUTH_ERROR, ("INVALID_DATA", "INVALID_VALUE")),
        (Answer(401, encoded({"code": "ACCESS_FAILED"})), OAUTH_ERROR, ("ACCESS_FAILED",)),
        (Answer(403, encoded({"code": "ACCESS_FAILED"})), OAUTH_ERROR, ("ACCESS_FAILED",)),
        (Answer(404, encoded({"code": "NOT_FOUND"})), OAUTH_ERROR, ("NOT_FOUND",)),
        (Answer(415, encoded({"code": "INVALID_REQUEST"})), OAUTH_ERROR, ("INVALID_REQUEST",)),
        (Answer(400, encoded({"code": 1999})), OAUTH_ERROR, ("1999",)),
        (Answer(400, encoded({"code": "requestTimedOut"})), SERVER_ERROR, ("requestTimedOut",)),
        (Answer(404, encoded({"code": "requestTimedOut"})), SERVER_ERROR, ("requestTimedOut",)),
        (
            leading(f"{SIGN_ON}?error=access_denied", 403, HTML),
            OAUTH_ERROR,
            ("access_denied",),
        ),
        (Answer(401, HTML), BLOCKED, ()),
        (Answer(403, HTML), BLOCKED, ()),
        (Answer(403), BLOCKED, ()),
        (Answer(403, b"[]"), BLOCKED, ()),
        (Answer(403, encoded({"code": "ACCESS_FAILED"}), too_large=True), BLOCKED, ()),
        (Answer(403, encoded({"message": "Missing Authentication Token"})), CLIENT_ERROR, ()),
        (Answer(401, b"{}"), CLIENT_ERROR, ()),
        (Answer(400, HTML), CLIENT_ERROR, ()),
        (Answer(404), CLIENT_ERROR, ()),
        (Answer(404, encoded(a_flow())), CLIENT_ERROR, ()),
        (Answer(418), CLIENT_ERROR, ()),
        (Answer(499), CLIENT_ERROR, ()),
    ],
)
def test_a_refusal_is_judged_by_its_class_and_then_by_the_error_it_carries(
    answer: Answer, finding: tuple[Reason, Fault], codes: tuple[str, ...]
) -> None:
    verdict = judge(answer, EXPECTATION)
    assert (verdict.reason, verdict.fault) == finding
    assert verdict.error_codes == codes
    assert verdict.flow_status is None
    assert verdict.flow == {}


@pytest.mark.parametrize(
    ("location", "answer"),
    [
        (SIGN_ON, True),
        (f"{SIGN_ON}?flowId={FLOW}", True),
        (f"{SIGN_ON.rstrip('/')}?flowId={FLOW}", True),
        (f"https://id.example.com/signon/?flowId={FLOW}#x", True),
        ("signon", True),
        (f"https://login.customer.example/?environmentId={SOURCE}&flowId={FLOW}", True),
        (f"https://login.customer.example/#environmentId={SOURCE}&flowId={FLOW}", True),
        (f"https://login.customer.example/#/login?flowId={FLOW}", True),
        (f"https://login.customer.example?flowId={FLOW}", True),
        ("https://login.customer.example/?flowId=", False),
        ("https://login.customer.example/?flowId", False),
        (f"https://login.customer.example/?otherflowId={FLOW}", False),
        (f"https://login.customer.example/flowId={FLOW}", False),
        ("https://rp.example/?next=/signon/", False),
        ("https://rp.example/#/signon/", False),
        ("https://rp.example/signon/done", False),
        ("https://rp.example/designon/", False),
        ("https://signon.example/", False),
        ("", False),
        (None, False),
    ],
)
def test_the_sign_on_page_is_known_by_the_last_part_of_its_path(location: str | None, answer: bool) -> None:  # noqa: FBT001  a column of the table
    assert leads_to_sign_on_page(location) is answer


@pytest.mark.parametrize(
    ("cause", "code", "body", "headers"),
    [
        (Template.FIREWALL, 202, b"", {"x-amzn-waf-action": "challenge"}),
        (Template.FIREWALL, 405, HTML, {"x-amzn-waf-action": "captcha"}),
        (Template.FIREWALL, 200, encoded(a_flow()), {"x-amzn-waf-action": "challenge"}),
        (Template.FIREWALL, 429, b"", {"x-amzn-waf-action": "challenge"}),
        (Template.CHALLENGE, 403, HTML, {"cf-mitigated": "challenge"}),
        (Template.CHALLENGE, 503, HTML, {"cf-mitigated": "Challenge"}),
        (
            Template.CHALLENGE,
            302,
            b"",
            {"cf-mitigated": "challenge", "location": f"{SIGN_ON}?error=server_error"},
        ),
        (Template.PORTAL, 511, HTML, {}),
        (Template.PORTAL, 511, encoded({"error": "invalid_request"}), {}),
        (Template.GATEWAY, 403, encoded({"message": "Forbidden"}), {}),
        (Template.GATEWAY, 401, encoded({"message": "Forbidden"}), {}),
        (Template.GATEWAY, 403, encoded({"message": "no"}), {"x-amzn-errortype": "ForbiddenException"}),
        (
            Template.GATEWAY,
            403,
            encoded({"message": "no"}),
            {"x-amzn-errortype": "ForbiddenException:http://internal/"},
        ),
    ],
)
def test_what_an_edge_answers_is_blocked_whatever_the_code_and_the_cause_names_the_edge(
    cause: Template, code: int, body: bytes, headers: dict[str, str]
) -> None:
    verdict = judge(Answer(code, body, headers), EXPECTATION)
    assert (verdict.reason, verdict.fault) == BLOCKED
    assert verdict.error_codes == ()
    assert verdict.detail == Detail(cause, {"code": code})


@pytest.mark.parametrize(
    ("code", "body", "headers"),
    [
        (403, encoded({"message": "Missing Authentication Token"}), {}),
        (403, encoded({"message": "Missing"}), {"x-amzn-errortype": "MissingAuthenticationTokenException"}),
        (403, encoded({"message": "Forbidden", "id": "1"}), {}),
        (404, encoded({"message": "Forbidden"}), {"x-amzn-errortype": "ForbiddenException"}),
        (404, HTML, {"cf-mitigated": "none"}),
    ],
)
def test_what_only_looks_like_an_edge_is_a_client_error(
    code: int, body: bytes, headers: dict[str, str]
) -> None:
    verdict = judge(Answer(code, body, headers), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.CLIENT_ERROR, Fault.CONFIGURATION)
