"""Every row of the table of reasons that is about a 2xx."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from probing.examples import EXPECTATION, SOURCE, SOURCE_AT, STATUS, a_flow

from exporter.probing.errors import OTHER
from exporter.probing.judge import judge
from exporter.probing.messages import Answer, Expectation
from exporter.reasons import Fault, Reason

HTML = b"<!doctype html><title>Request blocked</title>"
OTHER_ENVIRONMENT = "00000000-0000-4000-8000-000000000000"
DAVINCI_BODY = {"interactionId": "0dd9d5b1", "_links": {"next": {"href": "https://auth.pingone.com/"}}}
LIMITED = {"id": "1", "code": "REQUEST_LIMITED", "message": "Too many requests."}
UNEXPECTED_ERROR = {"id": "1", "code": "UNEXPECTED_ERROR", "message": "An unexpected error occurred."}
BAD_REDIRECT_URI = {
    "code": "INVALID_DATA",
    "details": [{"code": "INVALID_VALUE", "target": "redirect_uri", "message": "Redirect URI mismatch"}],
}

OK = (Reason.OK, Fault.NONE)


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


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
def test_optional_and_additional_fields_do_not_make_a_flow_bad(body: bytes) -> None:
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


def test_where_the_settings_name_no_environment_a_flow_of_any_is_ok() -> None:
    answer = Answer(200, encoded(a_flow(environment={"id": OTHER_ENVIRONMENT})))
    assert (
        judge(answer, replace(EXPECTATION, endpoints=replace(SOURCE_AT, environment_id=""))).reason
        is Reason.OK
    )


@pytest.mark.parametrize("status", [None, "", 0, 200, 1.5, True, False, [], [STATUS], {}, {"a": STATUS}])
def test_an_invalid_status_is_not_a_status(status: object) -> None:
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
    verdict = judge(Answer(200, encoded(a_flow(status="FAILED"))), Expectation(SOURCE_AT, ("FAILED",)))
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
    expectation = Expectation(SOURCE_AT, ("SIGN_ON_REQUIRED", STATUS, "BRAND_NEW_REQUIRED"))
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
    verdict = judge(Answer(200, encoded(body)), Expectation(SOURCE_AT, expected))
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
    verdict = judge(Answer(200, encoded(document)), Expectation(SOURCE_AT, (STATUS, "DAVINCI")))
    assert (verdict.reason, verdict.fault) == (Reason.NOT_A_FLOW, Fault.PROVIDER)


@pytest.mark.parametrize(
    "body",
    [
        b"", HTML, b"null", b"true", b"7", b'"text"', b"[]", encoded([a_flow()]), b"{", b'{"status": NaN}',
        encoded(a_flow())[:-1], encoded(a_flow()) + b"x", b"\xff\xfe", json.dumps(a_flow()).encode("utf-16"),
        b'{"a":' * 100_000, b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_2xx_without_a_json_object_is_not_json(body: bytes) -> None:
    verdict = judge(Answer(200, body), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.NOT_JSON, Fault.PROVIDER)


def test_a_2xx_without_content_is_not_json() -> None:
    assert judge(Answer(204), EXPECTATION).reason is Reason.NOT_JSON


def test_a_2xx_over_the_limit_is_too_large_even_when_what_was_read_is_a_good_flow() -> None:
    verdict = judge(Answer(200, encoded(a_flow()), too_large=True), EXPECTATION)
    assert (verdict.reason, verdict.fault) == (Reason.TOO_LARGE, Fault.PROVIDER)
    assert verdict.flow == {}


def test_a_davinci_body_that_carries_an_error_code_is_a_failure_though_davinci_is_expected() -> None:
    body = {"interactionId": "i", "code": "requestTimedOut", "message": "…"}
    verdict = judge(Answer(200, encoded(body)), Expectation(SOURCE_AT, ("DAVINCI",)))
    assert (verdict.reason, verdict.error_codes) == (Reason.FLOW_FAILED, ("requestTimedOut",))


@pytest.mark.parametrize(
    ("document", "prompt_none", "fault"),
    [
        ({"status": "FAILED", "error": {"code": "login_required"}}, True, Fault.CONFIGURATION),
        ({"error": {"code": "login_required"}}, True, Fault.CONFIGURATION),
        ({"status": "FAILED", "error": {"code": "login_required"}}, False, Fault.PROVIDER),
        ({"status": "FAILED", "error": {"code": "server_error"}}, True, Fault.PROVIDER),
        ({"status": "FAILED"}, True, Fault.PROVIDER),
    ],
)
def test_a_prompt_that_we_forbade_is_our_own_setting(
    document: dict[str, Any],
    prompt_none: bool,  # noqa: FBT001  a table's column
    fault: Fault,
) -> None:
    expectation = Expectation(SOURCE_AT, (STATUS,), prompt_none)
    verdict = judge(Answer(200, encoded(document)), expectation)
    assert (verdict.reason, verdict.fault) == (Reason.FLOW_FAILED, fault)


@pytest.mark.parametrize(
    ("company", "reason"),
    [(SOURCE, Reason.OK), (SOURCE.upper(), Reason.OK), (None, Reason.OK),
     (OTHER_ENVIRONMENT, Reason.NOT_A_FLOW), ("", Reason.NOT_A_FLOW), (7, Reason.NOT_A_FLOW)],
)  # fmt: skip
def test_a_davinci_flow_of_another_company_is_not_our_flow(company: object, reason: Reason) -> None:
    body = encoded(DAVINCI_BODY | {"companyId": company})
    verdict = judge(Answer(200, body), Expectation(SOURCE_AT, ("DAVINCI",)))
    assert verdict.reason is reason
