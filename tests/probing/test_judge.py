"""Every row of the table of reasons, and that nothing a provider can send breaks the judge."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import EXPECTATION, FLOW, SOURCE, STATUS, a_flow

from exporter.outcome import FAULTS, Fault, Reason
from exporter.probing.answer import Answer
from exporter.probing.errors import KNOWN_CODES, OTHER
from exporter.probing.judge import judge, leads_to_sign_on_page
from exporter.probing.step import Expectation

HTML = b"<!doctype html><title>Request blocked</title>"
SIGN_ON = f"https://apps.pingone.com/{SOURCE}/signon/"
OTHER_ENVIRONMENT = "00000000-0000-4000-8000-000000000000"
DAVINCI_BODY = {"interactionId": "0dd9d5b1", "_links": {"next": {"href": "https://auth.pingone.com/"}}}

LIMITED = {"id": "1", "code": "REQUEST_LIMITED", "message": "Too many requests."}
UNEXPECTED_ERROR = {"id": "1", "code": "UNEXPECTED_ERROR", "message": "An unexpected error occurred."}
BAD_REDIRECT_URI = {
    "code": "INVALID_DATA",
    "details": [{"code": "INVALID_VALUE", "target": "redirect_uri", "message": "Redirect URI mismatch"}],
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def in_location(document: object) -> str:
    return f"{SIGN_ON}?error={quote(json.dumps(document))}"


OK = (Reason.OK, Fault.NONE)
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
        # 429, and whoever says REQUEST_LIMITED in a 3xx or 4xx
        (Answer(429), RATE_LIMITED, ()),
        (Answer(429, HTML), RATE_LIMITED, ()),
        (Answer(429, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(429, encoded(UNEXPECTED_ERROR)), RATE_LIMITED, ("UNEXPECTED_ERROR",)),
        (Answer(400, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(403, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(408, encoded(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(302, location=in_location(LIMITED)), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (Answer(302, location=f"{SIGN_ON}?error=REQUEST_LIMITED"), RATE_LIMITED, ("REQUEST_LIMITED",)),
        (
            Answer(400, encoded({"code": "ACCESS_FAILED", "details": [{"code": "REQUEST_LIMITED"}]})),
            RATE_LIMITED,
            ("ACCESS_FAILED", "REQUEST_LIMITED"),
        ),
        (
            Answer(302, encoded(UNEXPECTED_ERROR), location=in_location(LIMITED)),
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
        (Answer(302, location=in_location(UNEXPECTED_ERROR)), SERVER_ERROR, ("UNEXPECTED_ERROR",)),
        (
            Answer(303, location="https://rp.example/cb?error=server_error&state=1"),
            SERVER_ERROR,
            ("server_error",),
        ),
        (
            Answer(302, location="https://rp.example/cb#error=temporarily_unavailable"),
            SERVER_ERROR,
            ("temporarily_unavailable",),
        ),
        # 3xx
        (Answer(302, location=f"{SIGN_ON}?error=access_denied"), OAUTH_ERROR, ("access_denied",)),
        (Answer(302, location=f"{SIGN_ON}?error=whatever"), OAUTH_ERROR, (OTHER,)),
        (Answer(302, location=in_location({"code": "NOT_FOUND"})), OAUTH_ERROR, ("NOT_FOUND",)),
        (
            Answer(302, location=in_location(BAD_REDIRECT_URI)),
            OAUTH_ERROR,
            ("INVALID_DATA", "INVALID_VALUE"),
        ),
        (
            Answer(302, encoded({"error": "invalid_client"}), location=f"{SIGN_ON}?flowId={FLOW}"),
            OAUTH_ERROR,
            ("invalid_client",),
        ),
        (Answer(302, location=f"{SIGN_ON}?flowId={FLOW}"), LOST, ()),
        (Answer(302, location=f"/signon/?flowId={FLOW}"), LOST, ()),
        (Answer(302, encoded(a_flow()), location="https://maintenance.example/"), REDIRECTED, ()),
        (Answer(301, location="http://[::1"), REDIRECTED, ()),
        (Answer(302), REDIRECTED, ()),
        (Answer(300), REDIRECTED, ()),
        (Answer(304), REDIRECTED, ()),
        (Answer(399, location=""), REDIRECTED, ()),
        # 4xx
        (Answer(400, encoded({"error": "invalid_request"})), OAUTH_ERROR, ("invalid_request",)),
        (Answer(400, encoded(BAD_REDIRECT_URI)), OAUTH_ERROR, ("INVALID_DATA", "INVALID_VALUE")),
        (Answer(401, encoded({"code": "ACCESS_FAILED"})), OAUTH_ERROR, ("ACCESS_FAILED",)),
        (Answer(403, encoded({"code": "ACCESS_FAILED"})), OAUTH_ERROR, ("ACCESS_FAILED",)),
        (Answer(404, encoded({"code": "NOT_FOUND"})), OAUTH_ERROR, ("NOT_FOUND",)),
        (Answer(415, encoded({"code": "INVALID_REQUEST"})), OAUTH_ERROR, ("INVALID_REQUEST",)),
        (Answer(400, encoded({"code": 1999})), OAUTH_ERROR, ("1999",)),
        (Answer(400, encoded({"code": "requestTimedOut"})), OAUTH_ERROR, ("requestTimedOut",)),
        (Answer(403, HTML, location=f"{SIGN_ON}?error=access_denied"), OAUTH_ERROR, ("access_denied",)),
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


@pytest.mark.parametrize("code", [200, 201, 202, 299])
def test_a_flow_of_the_right_environment_and_status_is_ok_with_any_2xx(code: int) -> None:
    verdict = judge(Answer(code, encoded(a_flow())), EXPECTATION)
    assert (verdict.reason, verdict.fault) == OK
    assert verdict.flow_status == STATUS
    assert verdict.error_codes == ()
    assert verdict.flow == a_flow()


@pytest.mark.parametrize(
    "body",
    [
        encoded({"status": STATUS}),
        encoded(a_flow(environment=None)),
        encoded(a_flow(environment={})),
        encoded(a_flow(environment={"id": None})),
        encoded(a_flow(environment={"id": SOURCE.upper()})),
        encoded(a_flow(error=None)),
        encoded(a_flow(error={})),
        encoded(a_flow(code="1999")),
        b"\xef\xbb\xbf" + encoded(a_flow()),
    ],
)
def test_what_a_flow_may_lack_or_carry_beside_does_not_make_it_bad(body: bytes) -> None:
    verdict = judge(Answer(200, body), EXPECTATION)
    assert (verdict.reason, verdict.fault) == OK
    assert verdict.flow_status == STATUS


@pytest.mark.parametrize(
    "environment",
    [
        {"id": OTHER_ENVIRONMENT}, {"id": ""}, {"id": 7}, {"id": [SOURCE]}, {"id": {}}, {"id": False},
        SOURCE, "", [], [{"id": SOURCE}], 7, False,
    ],
)  # fmt: skip
def test_another_environment_is_not_our_flow(environment: object) -> None:
    verdict = judge(Answer(200, encoded(a_flow(environment=environment))), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.NOT_A_FLOW, Fault.PROVIDER)
    assert verdict.flow_status == STATUS


@pytest.mark.parametrize("status", [None, "", 0, 200, 1.5, True, False, [], [STATUS], {}, {"a": STATUS}])
def test_a_status_that_is_no_word_is_no_status(status: object) -> None:
    verdict = judge(Answer(200, encoded(a_flow(status=status))), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.NOT_A_FLOW, Fault.PROVIDER)
    assert verdict.flow_status is None


@pytest.mark.parametrize(
    ("document", "status", "codes"),
    [
        ({"environment": {"id": SOURCE}, "status": "FAILED"}, "FAILED", ()),
        (
            {"environment": {"id": SOURCE}, "status": "FAILED", "error": {"code": "login_required"}},
            "FAILED",
            ("login_required",),
        ),
        ({"status": "FAILED", "error": {"code": "server_error"}}, "FAILED", ("server_error",)),
        ({"status": "FAILED", "environment": {"id": OTHER_ENVIRONMENT}}, "FAILED", ()),
        ({"environment": {"id": SOURCE}, "error": {"code": "login_required"}}, None, ("login_required",)),
        ({"error": "invalid_request", "error_description": "…"}, None, ("invalid_request",)),
        ({"error": {"message": "no code"}}, None, (OTHER,)),
        ({"error": True}, None, (OTHER,)),
        ({"error": ["server_error"]}, None, (OTHER,)),
        (a_flow(error={"code": "server_error"}), STATUS, ("server_error",)),
        (a_flow(error="server_error", environment={"id": OTHER_ENVIRONMENT}), STATUS, ("server_error",)),
        (DAVINCI_BODY | {"error": {"code": "1999"}}, "DAVINCI", ("1999",)),
        (LIMITED, None, ("REQUEST_LIMITED",)),
        (BAD_REDIRECT_URI, None, ("INVALID_DATA", "INVALID_VALUE")),
        ({"code": 1999, "message": "…"}, None, ("1999",)),
    ],
)
def test_a_2xx_that_says_failed_or_carries_an_error_is_a_failed_flow(
    document: dict[str, Any], status: str | None, codes: tuple[str, ...]
) -> None:
    verdict = judge(Answer(200, encoded(document)), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.FLOW_FAILED, Fault.PROVIDER)
    assert verdict.flow_status == status
    assert verdict.error_codes == codes


def test_failed_is_a_failure_even_when_somebody_expects_it() -> None:
    verdict = judge(Answer(200, encoded(a_flow(status="FAILED"))), Expectation(SOURCE, ("FAILED",)))
    assert verdict.reason is Reason.FLOW_FAILED


@pytest.mark.parametrize(
    "status", ["SIGN_ON_REQUIRED", "COMPLETED", "BRAND_NEW_REQUIRED", "lower", STATUS + " "]
)
def test_a_status_that_this_target_does_not_expect_is_a_matter_of_configuration(status: str) -> None:
    verdict = judge(Answer(200, encoded(a_flow(status=status))), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION)
    assert verdict.flow_status == status


@pytest.mark.parametrize("status", ["SIGN_ON_REQUIRED", STATUS, "BRAND_NEW_REQUIRED"])
def test_any_of_the_expected_statuses_is_ok(status: str) -> None:
    expectation = Expectation(SOURCE, ("SIGN_ON_REQUIRED", STATUS, "BRAND_NEW_REQUIRED"))
    assert judge(Answer(200, encoded(a_flow(status=status))), expectation).reason is Reason.OK


@pytest.mark.parametrize("body", [DAVINCI_BODY, DAVINCI_BODY | {"status": None}])
@pytest.mark.parametrize(
    ("expected", "finding"),
    [
        (("DAVINCI",), OK),
        ((STATUS, "DAVINCI"), OK),
        ((STATUS,), (Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION)),
    ],
)
def test_the_body_of_a_davinci_flow_counts_as_status_davinci(
    body: dict[str, Any], expected: tuple[str, ...], finding: tuple[Reason, Fault]
) -> None:
    verdict = judge(Answer(200, encoded(body)), Expectation(SOURCE, expected))
    assert (verdict.reason, verdict.fault) == finding
    assert verdict.flow_status == "DAVINCI"


@pytest.mark.parametrize(
    "document",
    [
        {}, {"interactionId": ""}, {"interactionId": 7}, {"interactionId": None}, {"interactionId": ["x"]},
        {"interactionId": "x", "status": 7}, {"_links": {"next": {"href": "x"}}}, {"message": "hello"},
    ],
)  # fmt: skip
def test_json_without_a_flow_status_is_not_a_flow(document: dict[str, Any]) -> None:
    verdict = judge(Answer(200, encoded(document)), Expectation(SOURCE, (STATUS, "DAVINCI")))
    assert (verdict.reason, verdict.fault) == (Reason.NOT_A_FLOW, Fault.PROVIDER)


@pytest.mark.parametrize(
    "body",
    [
        b"", HTML, b"null", b"true", b"7", b'"text"', b"[]", encoded([a_flow()]), b"{", b'{"status": NaN}',
        encoded(a_flow())[:-1], encoded(a_flow()) + b"x", b"\xff\xfe", json.dumps(a_flow()).encode("utf-16"),
        b'{"a":' * 100_000, b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_2xx_whose_body_is_no_json_object_is_not_json(body: bytes) -> None:
    verdict = judge(Answer(200, body), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.NOT_JSON, Fault.PROVIDER)


def test_a_2xx_without_content_is_not_json() -> None:
    assert judge(Answer(204), EXPECTATION).reason is Reason.NOT_JSON


def test_a_2xx_over_the_limit_is_too_large_even_when_what_was_read_is_a_good_flow() -> None:
    verdict = judge(Answer(200, encoded(a_flow()), too_large=True), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.TOO_LARGE, Fault.PROVIDER)
    assert verdict.flow == {}


@pytest.mark.parametrize(
    ("location", "answer"),
    [
        (SIGN_ON, True),
        (f"{SIGN_ON}?flowId={FLOW}", True),
        (f"{SIGN_ON.rstrip('/')}?flowId={FLOW}", True),
        (f"https://id.example.com/signon/?flowId={FLOW}#x", True),
        ("signon", True),
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from([*sorted(KNOWN_CODES), "FAILED", STATUS, SOURCE, OTHER_ENVIRONMENT])
FIELDS = ("status", "environment", "error", "code", "details", "interactionId", "id", "_links")
ERRORS = st.fixed_dictionaries(
    {}, optional={"code": WORDS | JSON, "details": JSON | st.lists(st.dictionaries(st.just("code"), WORDS))}
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(FIELDS), JSON | WORDS | ERRORS | st.fixed_dictionaries({"id": WORDS})
)
# Surrogates included: that is how a header that is not UTF-8 may come to be decoded.
ANY_TEXT = st.text(st.characters())
LOCATIONS = (
    st.none() | ANY_TEXT | st.builds("{}?error={}".format, ANY_TEXT, ANY_TEXT | DOCUMENTS.map(json.dumps))
)
BODIES = st.binary() | DOCUMENTS.map(encoded) | JSON.map(encoded)


@given(
    code=st.integers(0, 999),
    body=BODIES,
    too_large=st.booleans(),
    location=LOCATIONS,
    expected=st.lists(WORDS | st.just("DAVINCI")).map(tuple),
)
def test_whatever_is_sent_is_judged_with_a_reason_and_fault_that_the_metrics_know(
    code: int,
    body: bytes,
    too_large: bool,  # noqa: FBT001  hypothesis passes by keyword
    location: str | None,
    expected: tuple[str, ...],
) -> None:
    answer = Answer(code, body, too_large=too_large, location=location)
    verdict = judge(answer, Expectation(SOURCE, expected))
    assert verdict.fault in FAULTS[verdict.reason]
    assert set(verdict.error_codes) <= KNOWN_CODES | {OTHER}
    assert len(set(verdict.error_codes)) == len(verdict.error_codes)
    assert (verdict.reason is Reason.OK) <= (200 <= code <= 299)


@given(extra=st.dictionaries(st.text() | st.sampled_from(["code", "details", "interactionId", "id"]), JSON))
def test_a_healthy_flow_stays_ok_whatever_else_the_vendor_adds_to_it(extra: dict[str, Any]) -> None:
    flow = a_flow() | {
        key: value for key, value in extra.items() if key not in {"status", "environment", "error"}
    }
    # allow_nan is what json.dumps does by default and what no JSON parser has to take
    body = json.dumps(flow).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0")
    verdict = judge(Answer(200, body.encode()), EXPECTATION)
    assert (verdict.reason, verdict.fault) == OK
