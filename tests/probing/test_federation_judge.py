"""The judges of a federation's steps: the cause of what they refuse, and what they hand to the next step."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from probing.examples import DESTINATION, FLOW, SOURCE

from exporter.probing.detail import Detail, Template
from exporter.probing.federation_judge import (
    judge_callback,
    judge_code,
    judge_completion,
    judge_flow_redirect,
    judge_flow_to_act_on,
    judge_offer,
    judge_sign_on,
)
from exporter.probing.journeys.federation import MAX_FLOW_BYTES
from exporter.probing.links import endpoints
from exporter.probing.messages import Answer, Expectation, Verdict
from exporter.reasons import Fault, Reason

BASE = "https://auth.pingone.com"
TO, FROM = endpoints(f"{BASE}/{DESTINATION}", DESTINATION), endpoints(f"{BASE}/{SOURCE}", SOURCE)
URL, FLOW_URL = f"{TO.url}/as/authorize", f"{FROM.url}/flows/{FLOW}"
CALLBACK = f"{TO.url}/rp/callback/openid_connect"
HREF = f"{TO.url}/rp/authenticate?providerId=p1&flowId={FLOW}"
P1: dict[str, Any] = {"id": "p1", "name": "Partner", "_links": {"authenticate": {"href": HREF}}}


def said(number: int = 200, location: str | None = None, /, **document: Any) -> Answer:  # noqa: ANN401  any JSON
    return Answer(
        number,
        json.dumps(document).encode() if document else b"",
        {} if location is None else {"location": location},
    )


def found(verdict: Verdict) -> tuple[Reason, Fault]:
    return verdict.reason, verdict.fault


# The offer


def offer(
    *listed: dict[str, Any], forced: dict[str, Any] | None = None, provider: str | None = "p1"
) -> Verdict:
    embedded = {"socialProviders": list(listed), "identityProvider": forced}
    answer = said(id=FLOW, status="USERNAME_PASSWORD_REQUIRED", _embedded=embedded)
    return judge_offer(answer, destination=TO, provider=provider)


@pytest.mark.parametrize("provider", ["p1", "P1", "Partner", None])
def test_a_provider_is_chosen_by_its_id_in_any_case_or_its_name_or_as_the_only_one(
    provider: str | None,
) -> None:
    verdict = offer(P1, provider=provider)
    assert (verdict.reason, verdict.location) == (Reason.OK, HREF)
    assert (
        offer(forced={"_links": P1["_links"]}, provider=provider if provider != "Partner" else "p1").location
        == HREF
    )


@pytest.mark.parametrize(
    ("listed", "provider", "cause", "count"),
    [
        ([], "p1", Template.NO_PROVIDER, 0),
        ([P1, {"id": "p3"}], "p2", Template.OTHER_PROVIDERS, 2),
        ([P1], "partner", Template.OTHER_PROVIDERS, 1),
        ([P1, {**P1, "id": "p2"}, {"id": "p3"}], "Partner", Template.SEVERAL_PROVIDERS, 2),
        ([P1, {"id": "p2"}], None, Template.SEVERAL_PROVIDERS, 2),
    ],
)
def test_a_provider_that_is_not_offered_once_is_missing_and_the_count_says_why(
    listed: list[dict[str, Any]], provider: str | None, cause: Template, count: int
) -> None:
    verdict = offer(*listed, provider=provider)
    assert found(verdict) == (Reason.PROVIDER_MISSING, Fault.CONFIGURATION)
    assert verdict.detail == Detail(cause, {"count": count})


def test_a_provider_that_is_listed_twice_is_one() -> None:
    assert offer(P1, P1, forced=P1).reason is Reason.OK


def test_a_provider_is_found_behind_as_many_others_as_fit_into_a_body() -> None:
    href = {"href": f"{TO.url}/rp/authenticate?providerId={SOURCE}&flowId={FLOW}"}
    entry = {"id": SOURCE, "name": "x", "_links": {"authenticate": href}}
    count = MAX_FLOW_BYTES // len(json.dumps(entry))
    others = [{**entry, "id": f"{number:036}"} for number in range(count)]
    assert count > 1000
    assert offer(*others, P1).reason is Reason.OK
    missing = Detail(Template.OTHER_PROVIDERS, {"count": count})
    assert offer(*others).detail == missing


@pytest.mark.parametrize(
    ("href", "cause", "origin", "fault"),
    [
        (None, Template.MEMBER_MISSING, "", Fault.CONFIGURATION),
        ("", Template.MEMBER_MISSING, "", Fault.CONFIGURATION),
        ("http://[", Template.MEMBER_MALFORMED, "", Fault.PROVIDER),
        (7, Template.MEMBER_MALFORMED, "", Fault.PROVIDER),
        (
            "https://other.example/rp/x",
            Template.MEMBER_ELSEWHERE,
            "https://other.example",
            Fault.CONFIGURATION,
        ),
        (f"{TO.url}/as/x", Template.MEMBER_OTHER_PATH, BASE, Fault.CONFIGURATION),
    ],
)
def test_a_link_that_does_not_lead_to_the_destination_is_refused(
    href: object, cause: Template, origin: str, fault: Fault
) -> None:
    verdict = offer({"id": "p1", "_links": {"authenticate": {"href": href}}})
    assert found(verdict) == (Reason.LOCATION_INVALID, fault)
    assert verdict.detail == Detail(cause, {"member": "authenticate link", "origin": origin})


@pytest.mark.parametrize("identifier", [None, 7, "", "a/b", "../x"])
def test_a_flow_without_a_valid_id_cannot_be_acted_on(identifier: object) -> None:
    expectation = Expectation(FROM, ("USERNAME_PASSWORD_REQUIRED",))
    answer = said(id=identifier, status="USERNAME_PASSWORD_REQUIRED")
    verdict = judge_flow_to_act_on(answer, expectation=expectation)
    assert found(verdict) == (Reason.NOT_A_FLOW, Fault.PROVIDER)
    assert verdict.detail == Detail(Template.NO_FLOW_ID)


# Sign-on


def sign_on(answer: Answer) -> Verdict:
    return judge_sign_on(answer, source=FROM, url=FLOW_URL)


@pytest.mark.parametrize(
    ("href", "location"),
    [
        (None, f"{FROM.url}/as/resume?flowId={FLOW}"),
        (f"/{SOURCE}/as/resume?x=1", f"{FROM.url}/as/resume?x=1"),
    ],
)
def test_a_completed_flow_goes_on_at_its_resume_url_which_may_be_left_out(
    href: str | None, location: str
) -> None:
    verdict = sign_on(said(status="COMPLETED", resumeUrl=href))
    assert (verdict.reason, verdict.location, verdict.checks) == (Reason.OK, location, {})


@pytest.mark.parametrize(
    ("href", "cause", "origin", "fault"),
    [
        (7, Template.MEMBER_MALFORMED, "", Fault.PROVIDER),
        (f"{TO.url}/as/resume", Template.MEMBER_OTHER_PATH, BASE, Fault.CONFIGURATION),
        (f"{FROM.url}/as/resume/x", Template.MEMBER_OTHER_PATH, BASE, Fault.CONFIGURATION),
        (
            "https://other.example/as/resume",
            Template.MEMBER_ELSEWHERE,
            "https://other.example",
            Fault.CONFIGURATION,
        ),
    ],
)
def test_a_resume_url_elsewhere_is_refused(href: object, cause: Template, origin: str, fault: Fault) -> None:
    verdict = sign_on(said(status="COMPLETED", resumeUrl=href))
    assert found(verdict) == (Reason.LOCATION_INVALID, fault)
    assert verdict.detail == Detail(cause, {"member": "resumeUrl", "origin": origin})


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"code": "PASSWORD_LOCKED_OUT"}, Reason.ACCOUNT_LOCKED),
        (
            {"details": [{"code": "INVALID_CREDENTIALS"}, {"code": "PASSWORD_LOCKED_OUT"}]},
            Reason.ACCOUNT_LOCKED,
        ),
        ({"error": {"details": ["x", {"code": "PASSWORD_LOCKED_OUT"}]}}, Reason.ACCOUNT_LOCKED),
        ({"code": "INVALID_DATA", "details": [{"code": "ACCOUNT_NOT_USABLE"}]}, Reason.ACCOUNT_LOCKED),
        ({"status": "FAILED", "error": {"code": "ACCOUNT_NOT_USABLE"}}, Reason.ACCOUNT_LOCKED),
        ({"code": "INVALID_DATA", "details": [{"code": "NO_PASSWORD"}]}, Reason.CREDENTIALS_REJECTED),
        ({"code": "INVALID_CREDENTIALS"}, Reason.CREDENTIALS_REJECTED),
        ({"details": [{"code": "INVALID_VALUE", "target": "password"}]}, Reason.CREDENTIALS_REJECTED),
        (
            {"code": "INVALID_DATA", "details": [{"code": "INVALID_VALUE", "target": "username"}]},
            Reason.OAUTH_ERROR,
        ),
        ({"details": [{"code": "NO_USABLE_DEVICES"}]}, Reason.MFA_REQUIRED),
        ({"code": "X", "details": [{"code": "PASSWORD_EXPIRED"}]}, Reason.PASSWORD_EXPIRED),
        ({"code": "X", "details": [{"code": "MUST_CHANGE_PASSWORD"}]}, Reason.PASSWORD_EXPIRED),
        ({"details": [{"code": "x"}] * 20 + [{"code": "INVALID_CREDENTIALS"}]}, Reason.CLIENT_ERROR),
    ],
)
def test_a_refused_sign_on_is_the_accounts_if_a_code_says_so(
    document: dict[str, Any], reason: Reason
) -> None:
    verdict = sign_on(said(400, **document))
    fault = Fault.CONFIGURATION if reason in {Reason.OAUTH_ERROR, Reason.CLIENT_ERROR} else Fault.ACCOUNT
    assert found(verdict) == (reason, fault)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("PASSWORD_EXPIRED", Reason.PASSWORD_EXPIRED),
        ("MUST_CHANGE_PASSWORD", Reason.PASSWORD_EXPIRED),
        ("OTP_REQUIRED", Reason.MFA_REQUIRED),
        ("DEVICE_SELECTION_REQUIRED", Reason.MFA_REQUIRED),
        ("PUSH_CONFIRMATION_REQUIRED", Reason.MFA_REQUIRED),
        ("ASSERTION_REQUIRED", Reason.MFA_REQUIRED),
        ("AGREEMENT_REQUIRED", Reason.FURTHER_ACTION_REQUIRED),
    ],
)
def test_a_sign_on_that_goes_on_is_the_accounts(status: str, reason: Reason) -> None:
    assert found(sign_on(said(status=status))) == (reason, Fault.ACCOUNT)
    assert found(sign_on(said(status="OTHER"))) == (Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"innerError": {"secondsUntilUnlock": 60}}, 60.0),
        ({"secondsUntilUnlock": 0}, 0.0),
        ({"details": [{"innerError": {"secondsUntilUnlock": 7.5}}]}, 7.5),
        ({"innerError": {"secondsUntilUnlock": 1}, "secondsUntilUnlock": 2}, 1.0),
        ({"secondsUntilUnlock": 1e12}, 30 * 86_400.0),
        ({"secondsUntilUnlock": 10**350}, 30 * 86_400.0),
        ({"details": [{"secondsUntilUnlock": 3}]}, 3.0),
        ({"secondsUntilUnlock": -1}, None),
        ({"secondsUntilUnlock": True}, None),
        ({"secondsUntilUnlock": "60"}, None),
    ],
)
def test_how_long_an_account_stays_locked_is_read_where_it_is_a_number(
    error: dict[str, Any], seconds: float
) -> None:
    verdict = sign_on(said(400, code="PASSWORD_LOCKED_OUT", **error))
    assert (verdict.reason, verdict.seconds_until_unlock) == (Reason.ACCOUNT_LOCKED, seconds)


# The code


def code(answer: Answer, *, state: str | None = "s", redirect_uri: str | None = CALLBACK) -> Verdict:
    url = f"{FROM.url}/as/resume"
    return judge_code(answer, at=FROM, url=url, state=state, redirect_uri=redirect_uri or TO)


@pytest.mark.parametrize("status", [302, 303])
@pytest.mark.parametrize("redirect_uri", [CALLBACK, None])
def test_a_code_in_a_redirect_is_handed_on_with_all_parameters(status: int, redirect_uri: str | None) -> None:
    location = f"{CALLBACK}?code=c&state=s&iss=i"
    verdict = code(said(status, location), redirect_uri=redirect_uri)
    assert found(verdict) == (Reason.OK, Fault.NONE)
    assert verdict.location == location
    assert verdict.parameters == (("code", "c"), ("state", "s"), ("iss", "i"))
    assert set(verdict.secrets) == {"c", "s"}


@pytest.mark.parametrize("again", ["code=", "code=other", "state=other"])
def test_of_a_parameter_that_is_repeated_the_first_counts(again: str) -> None:
    verdict = code(said(302, f"{CALLBACK}?code=c&state=s&{again}"))
    assert (verdict.reason, dict(verdict.parameters)) == (Reason.OK, {"code": "c", "state": "s"})
    assert verdict.location == f"{CALLBACK}?code=c&state=s&{again}"


def test_what_looks_like_a_code_beside_one_is_a_secret_as_well() -> None:
    tokens = {"access_token": "planted.token-1", "session_state": "planted_session+/=="}
    others = {"iss": "https://sso.example", "token_type": "Bearer", "scope": "openid profile"}
    verdict = code(said(authorizeResponse={"code": "c", "state": "s", **tokens, **others}))
    assert set(verdict.secrets) == {"c", "s", *tokens.values()}


@pytest.mark.parametrize("redirect_uri", [CALLBACK, None])
def test_a_code_in_a_fragment_is_handed_on_in_the_query_since_a_fragment_is_not_sent(
    redirect_uri: str | None,
) -> None:
    verdict = code(said(302, f"{CALLBACK}?a=%2F#code=c&state=s"), redirect_uri=redirect_uri)
    assert (verdict.reason, verdict.location) == (Reason.OK, f"{CALLBACK}?a=%2F&code=c&state=s")
    assert verdict.parameters == (("a", "/"), ("code", "c"), ("state", "s"))


@pytest.mark.parametrize("separator", ["?", "#"])
def test_a_code_at_the_scheme_of_a_native_app_is_handed_on(separator: str) -> None:
    uri = "com.example.app:/callback"
    verdict = code(said(302, f"{uri}{separator}code=c&state=s"), redirect_uri=uri)
    assert (verdict.reason, dict(verdict.parameters)) == (Reason.OK, {"code": "c", "state": "s"})
    for other in (f"{uri}x?code=c", uri, "com.example.other:/callback?code=c"):
        assert code(said(302, other), redirect_uri=uri).reason in {Reason.REDIRECTED, Reason.LOCATION_INVALID}


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (said(302, "http://[?code=c"), (Reason.LOCATION_INVALID, Fault.PROVIDER)),
        (said(302, "https://other.example/?code=c&state=s"), (Reason.LOCATION_INVALID, Fault.CONFIGURATION)),
        (said(302, f"{CALLBACK}/x?code=c&state=s"), (Reason.LOCATION_INVALID, Fault.CONFIGURATION)),
        (said(302, f"{CALLBACK}?state=s"), (Reason.LOCATION_INVALID, Fault.CONFIGURATION)),
        (said(302, "https://other.example/?state=s"), (Reason.REDIRECTED, Fault.PROVIDER)),
        (said(302, f"{CALLBACK}?error=access_denied"), (Reason.OAUTH_ERROR, Fault.CONFIGURATION)),
        (said(307, f"{CALLBACK}?code=c&state=s"), (Reason.REDIRECTED, Fault.PROVIDER)),
        (said(status="FAILED"), (Reason.FLOW_FAILED, Fault.PROVIDER)),
        (said(code="NOT_FOUND"), (Reason.FLOW_FAILED, Fault.PROVIDER)),
        (said(status="X", code="NOT_FOUND", error="x"), (Reason.FLOW_FAILED, Fault.PROVIDER)),
        (said(authorizeResponse={"error": "access_denied"}), (Reason.FLOW_FAILED, Fault.PROVIDER)),
        (
            said(environment={"id": DESTINATION}, authorizeResponse={"code": "c", "state": "s"}),
            (Reason.NOT_A_FLOW, Fault.PROVIDER),
        ),
    ],
)
def test_anything_but_a_code_at_the_redirect_uri_is_refused(
    answer: Answer, finding: tuple[Reason, Fault]
) -> None:
    assert found(code(answer)) == finding


def test_a_code_at_another_callback_is_refused_where_the_redirect_uri_is_not_known() -> None:
    assert (
        code(said(302, f"{FROM.url}/rp/callback/x?code=c"), redirect_uri=None).reason
        is Reason.LOCATION_INVALID
    )


def test_a_code_in_json_is_handed_on_with_the_texts_beside_it() -> None:
    response = {"code": "c", "state": "s", "number": 7}
    verdict = code(said(status="COMPLETED", authorizeResponse=response))
    assert (verdict.reason, verdict.flow_status) == (Reason.OK, "COMPLETED")
    assert verdict.parameters == (("code", "c"), ("state", "s"))
    # A status of its own may stand beside a code.
    assert code(said(status="X", code="NOT_FOUND", authorizeResponse=response)).reason is Reason.OK


@pytest.mark.parametrize(
    ("document", "reason", "detail"),
    [
        ({"x": 1}, Reason.NOT_A_FLOW, Detail(Template.MEMBER_MISSING, {"member": "code"})),
        ({"status": "COMPLETED"}, Reason.NOT_A_FLOW, Detail(Template.MEMBER_MISSING, {"member": "code"})),
        (
            {"authorizeResponse": {"code": "c"}, "environment": {"id": FLOW}},
            Reason.NOT_A_FLOW,
            Detail(Template.OTHER_ENVIRONMENT, {"member": "code"}),
        ),
        (
            {"status": "OTP_REQUIRED"},
            Reason.UNEXPECTED_STATUS,
            Detail(Template.UNEXPECTED, {"status": "OTP_REQUIRED", "statuses": ("COMPLETED",)}),
        ),
    ],
)
def test_json_without_a_code_is_named_by_what_it_has_instead(
    document: dict[str, Any], reason: Reason, detail: Detail
) -> None:
    verdict = code(said(**document))
    assert (verdict.reason, verdict.detail) == (reason, detail)
    assert verdict.fault is (Fault.PROVIDER if reason is Reason.NOT_A_FLOW else Fault.CONFIGURATION)


@pytest.mark.parametrize(("returned", "cause"), [("", Template.NO_STATE), ("&state=t", Template.OTHER_STATE)])
def test_another_state_is_refused_unless_any_will_do(returned: str, cause: Template) -> None:
    answer = said(302, f"{CALLBACK}?code=c{returned}")
    verdict = code(answer)
    assert found(verdict) == (Reason.STATE_MISMATCH, Fault.PROVIDER)
    assert verdict.detail == Detail(cause)
    assert "c" in verdict.secrets
    assert verdict.parameters == ()
    assert code(answer, state=None).reason is Reason.OK
    state = {"state": "t"} if returned else {}
    in_json = code(said(authorizeResponse={"code": "c", **state}))
    assert (found(in_json), in_json.detail) == (found(verdict), verdict.detail)


# After the callback


def test_the_callback_leads_on_with_the_id_of_the_destinations_flow() -> None:
    for where in (
        f"https://app.example/signon/?flowId={FLOW}",
        f"/x#flowId={FLOW}",
        f"#/signon?a=b&flowId={FLOW}",
        # What is never fetched need not be a URL that every client reads alike.
        f"com.example.app://signon?environmentId=x&flowId={FLOW}",
        f"https://app.example/signon?app=My App&flowId={FLOW}",
        f"https://app.example/signon?app=Z\xfcrich&flowId={FLOW}",
        f"https://app.example/a|b/../{{c}}?x=%zz&flowId=&flowId={FLOW}",
        f"https://user@login.z\xfcrich.example/?flowId={FLOW}",
        f"http://[x/?flowId={FLOW}",
    ):
        verdict = judge_callback(said(302, where), url=CALLBACK)
        assert (verdict.reason, verdict.fault, verdict.parameters) == (
            Reason.OK,
            Fault.NONE,
            (("flowId", FLOW),),
        )


@pytest.mark.parametrize(
    ("answer", "finding", "detail"),
    [
        (said(302, "/x?error=access_denied"), (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION), None),
        (
            said(302, "/x?flowId=a/b"),
            (Reason.LOCATION_INVALID, Fault.PROVIDER),
            Detail(Template.MEMBER_MALFORMED, {"member": "flowId"}),
        ),
        (said(302, "http://["), (Reason.LOCATION_INVALID, Fault.PROVIDER), None),
        (
            said(302, "https://app.example/x"),
            (Reason.LOCATION_INVALID, Fault.CONFIGURATION),
            Detail(
                Template.LOCATION_WITHOUT, {"code": 302, "origin": "https://app.example", "member": "flowId"}
            ),
        ),
        (said(200, status="X"), (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION), None),
        (said(400, code="NOT_FOUND"), (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION), None),
        (said(404), (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION), None),
        (said(200), (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION), None),
        (
            Answer(200, too_large=True),
            (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION),
            None,
        ),
        (said(301, "/x"), (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION), None),
        (said(429), (Reason.RATE_LIMITED, Fault.QUOTA), None),
        (said(503), (Reason.SERVER_ERROR, Fault.PROVIDER), None),
    ],
)
def test_a_callback_that_does_not_lead_on_is_a_refused_exchange_or_what_it_is(
    answer: Answer, finding: tuple[Reason, Fault], detail: Detail | None
) -> None:
    verdict = judge_callback(answer, url=CALLBACK)
    assert found(verdict) == finding
    assert verdict.detail == detail


def test_a_refused_exchange_has_the_codes_and_the_status_of_the_answer() -> None:
    verdict = judge_callback(said(200, status="FAILED", error={"code": "invalid_client"}), url=CALLBACK)
    assert (verdict.flow_status, verdict.error_codes) == ("FAILED", ("invalid_client",))
    assert judge_callback(said(302, "/x?error=invalid_client"), url=CALLBACK).error_codes == (
        "invalid_client",
    )
    assert judge_callback(said(400, error="invalid_client"), url=CALLBACK).error_codes == ("invalid_client",)


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("COMPLETED", (Reason.OK, Fault.NONE)),
        ("FAILED", (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION)),
        ("ACCOUNT_LINKING_REQUIRED", (Reason.ACCOUNT_LINKING_REQUIRED, Fault.CONFIGURATION)),
        ("ACCOUNT_CONFIRMATION_REQUIRED", (Reason.ACCOUNT_LINKING_REQUIRED, Fault.CONFIGURATION)),
        ("OTP_REQUIRED", (Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION)),
    ],
)
def test_the_destinations_flow_must_be_completed(status: str, finding: tuple[Reason, Fault]) -> None:
    verdict = judge_completion(said(status=status), destination=TO)
    assert found(verdict) == finding
    assert not verdict.checks, "they are for a flow that begins"


@pytest.mark.parametrize(
    ("answer", "finding", "codes"),
    [
        (said(302, f"/signon/?flowId={FLOW}"), (Reason.OK, Fault.NONE), ()),
        (said(302, f"/signon/?flowId={FLOW}&error=access_denied"), (Reason.OAUTH_ERROR, Fault.CONFIGURATION),
         ("access_denied",)),
        (said(302, "/signon/"), (Reason.REDIRECTED, Fault.CONFIGURATION), ()),
        (said(200, code="NOT_FOUND"), (Reason.FLOW_FAILED, Fault.PROVIDER), ("NOT_FOUND",)),
        (said(200, id=FLOW, status="OTP_REQUIRED"), (Reason.OK, Fault.NONE), ()),
        (said(200, id=FLOW, status="COMPLETED"), (Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION), ()),
        (said(200, name="x"), (Reason.NOT_A_FLOW, Fault.PROVIDER), ()),
        (said(500), (Reason.SERVER_ERROR, Fault.PROVIDER), ()),
    ],
)  # fmt: skip
def test_a_flow_that_begins_with_a_redirect_has_its_id_there_and_another_is_judged_itself(
    answer: Answer, finding: tuple[Reason, Fault], codes: tuple[str, ...]
) -> None:
    expectation = Expectation(FROM, ("OTP_REQUIRED",))
    judge_other = partial(judge_flow_to_act_on, expectation=expectation)
    verdict = judge_flow_redirect(answer, url=URL, judge_other=judge_other)
    assert found(verdict) == finding
    assert verdict.error_codes == codes
