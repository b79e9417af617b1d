"""What goes wrong at each step of `federation`: its reason and fault, and that the probe ends there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from probing.examples import DESTINATION, FLOW, SOURCE
from probing.federation import (
    APP_URI,
    CODE,
    DESTINATION_FLOW,
    STATE,
    STEPS,
    Federation,
    Heard,
    Play,
    Response,
    probe,
)

from exporter.reasons import Fault, Reason, pairs_of
from exporter.target import Journey

HTML = b"<html><body>Sorry</body></html>"
FULL = [step for step in STEPS if step != "destination_lookup"]
Redirect = Callable[[Federation], str]


def leads(location: Redirect, status: int = 302) -> Play:
    return lambda played, _: Response(status, location=location(played))


def error(code: str, status: int = 400, *details: Mapping[str, Any]) -> Response:
    return Response(status, document={"id": "x", "code": code, "details": list(details)})


def detail(code: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"code": code} | fields


def failed(code: str, **fields: Any) -> Response:  # noqa: ANN401
    return Response(document={"status": "FAILED", "error": {"code": code} | fields})


def source(status: str) -> Play:
    return lambda played, _: Response(document=played.flow(status=status))


def destination(status: str) -> Play:
    return lambda played, _: Response(document=played.destination_flow(status))


def link(href: object) -> Play:
    """Return a destination's flow with another link to start the provider by."""

    def offer(played: Federation, _: Heard) -> Response:
        text = href.format(url=played.url, destination=played.destination) if isinstance(href, str) else href
        entry = played.provider() | {"_links": {"authenticate": {"href": text}}}
        flow = played.destination_flow("USERNAME_PASSWORD_REQUIRED")
        return Response(document=flow | {"_embedded": {"socialProviders": [entry]}})

    return offer


EVIL_CALLBACK = "https%3A%2F%2Fevil.example%2Frp%2Fcallback%2Fx"
URL_ENCODED_ERROR = "%7B%22code%22%3A%22INVALID_DATA%22%7D"

Case = tuple[str, Response | Play, Reason, Fault]
R = Reason
CONF, PROV, ACCT, QUOTA = Fault.CONFIGURATION, Fault.PROVIDER, Fault.ACCOUNT, Fault.QUOTA

CASES: list[Case] = [
    # those of tests/faults/federation.py are played to the installed command
    # destination_authorize: as for the source's authorize request
    ("destination_authorize", Response(302, location=f"https://apps.pingone.com/x/signon/?flowId={FLOW}"),
     R.REDIRECTED, CONF),
    ("destination_authorize", failed("server_error"), R.FLOW_FAILED, PROV),
    ("destination_authorize", Response(document={"interactionId": "x", "companyId": DESTINATION}),
     R.UNEXPECTED_STATUS, CONF),
    ("destination_authorize", source("USERNAME_PASSWORD_REQUIRED"), R.NOT_A_FLOW, PROV),
    ("destination_authorize", lambda p, _: Response(document=p.offer() | {"id": "../x"}),
     R.NOT_A_FLOW, PROV),
    ("destination_authorize", lambda p, _: Response(document=p.offer() | {"_embedded": [1]}),
     R.PROVIDER_MISSING, CONF),
    ("destination_authorize", link(None), R.LOCATION_INVALID, CONF),
    ("destination_authorize", link("https://[x"), R.LOCATION_INVALID, PROV),
    ("destination_authorize", link("{destination}/flows/x"), R.LOCATION_INVALID, CONF),
    ("destination_authorize", link(f"{{url}}/{SOURCE}/rp/authenticate"),
     R.LOCATION_INVALID, CONF),
    # initiate
    ("initiate", leads(lambda _: f"https://evil.example/?error={URL_ENCODED_ERROR}"),
     R.OAUTH_ERROR, CONF),
    ("initiate", leads(lambda _: "https://evil.example/#error=access_denied"),
     R.OAUTH_ERROR, CONF),
    ("initiate", leads(lambda p: p.authorize_url(client_id=None)), R.LOCATION_INVALID, CONF),
    ("initiate", leads(lambda p: p.authorize_url(redirect_uri=None)), R.LOCATION_INVALID, CONF),
    ("initiate", leads(lambda p: p.authorize_url(redirect_uri=EVIL_CALLBACK)),
     R.LOCATION_INVALID, CONF),
    ("initiate", leads(lambda p: p.authorize_url(state=None)), R.LOCATION_INVALID, CONF),
    # A fragment is not sent: its parameters would not arrive.
    ("initiate", leads(lambda p: p.authorize_url().replace("?", "#")), R.LOCATION_INVALID, CONF),
    ("initiate", leads(lambda p: p.authorize_url().replace("&redirect", "#&redirect")),
     R.LOCATION_INVALID, CONF),
    ("initiate", leads(lambda p: p.authorize_url(), 307), R.REDIRECTED, PROV),
    ("initiate", Response(404, raw=HTML), R.CLIENT_ERROR, CONF),
    ("initiate", Response(200, raw=HTML), R.NOT_JSON, PROV),
    ("initiate", failed("x"), R.FLOW_FAILED, PROV),
    ("initiate", destination("USERNAME_PASSWORD_REQUIRED"), R.UNEXPECTED_STATUS, CONF),
    # source_authorize: as the journey `authorize`
    ("source_authorize", lambda p, _: Response(document=p.flow() | {"id": "x/../../y"}),
     R.NOT_A_FLOW, PROV),
    ("source_authorize", destination("USERNAME_PASSWORD_REQUIRED"), R.NOT_A_FLOW, PROV),
    # sign_on
    ("sign_on", error("INVALID_DATA", 400, detail("INVALID_VALUE", target="username")),
     R.OAUTH_ERROR, CONF),
    ("sign_on", source("DEVICE_SELECTION_REQUIRED"), R.MFA_REQUIRED, ACCT),
    ("sign_on", source("PUSH_CONFIRMATION_REQUIRED"), R.MFA_REQUIRED, ACCT),
    ("sign_on", source("ASSERTION_REQUIRED"), R.MFA_REQUIRED, ACCT),
    ("sign_on", source("EXTERNAL_AUTHENTICATION_REQUIRED"), R.FURTHER_ACTION_REQUIRED, ACCT),
    ("sign_on", source("BRAND_NEW_REQUIRED"), R.FURTHER_ACTION_REQUIRED, ACCT),
    ("sign_on", source("WAITING"), R.UNEXPECTED_STATUS, CONF),
    ("sign_on", error("NOT_FOUND", 404), R.OAUTH_ERROR, CONF),
    ("sign_on", error("INVALID_REQUEST", 415), R.OAUTH_ERROR, CONF),
    ("sign_on", lambda p, _: Response(document=p.flow(status="COMPLETED") | {"resumeUrl": 7}),
     R.LOCATION_INVALID, PROV),
    # source_resume
    ("source_resume", leads(lambda p: f"{p.redirect_uri}?code={CODE}&state=other"), R.STATE_MISMATCH, PROV),
    ("source_resume", leads(lambda p: f"{p.redirect_uri}?code={CODE}"), R.STATE_MISMATCH, PROV),
    ("source_resume", leads(lambda p: f"{p.redirect_uri}#error={URL_ENCODED_ERROR}"),
     R.OAUTH_ERROR, CONF),
    ("source_resume", leads(lambda _: f"https://apps.pingone.com/x/signon/?flowId={FLOW}"),
     R.REDIRECTED, CONF),
    ("source_resume", Response(document={"status": "COMPLETED", "authorizeResponse": {"state": STATE}}),
     R.NOT_A_FLOW, PROV),
    ("source_resume", failed("access_denied"), R.FLOW_FAILED, PROV),
    ("source_resume", Response(document={"authorizeResponse": {"error": "access_denied"}}),
     R.FLOW_FAILED, PROV),
    ("source_resume", Response(document={"status": "AGREEMENT_CONSENT_REQUIRED"}), R.UNEXPECTED_STATUS, CONF),
    ("source_resume", error("ACCESS_FAILED", 401), R.OAUTH_ERROR, CONF),
    # callback
    ("callback", leads(lambda _: f"https://x.example/?flowId={DESTINATION_FLOW}&error={URL_ENCODED_ERROR}"),
     R.EXCHANGE_REJECTED, CONF),
    ("callback", error("ACCESS_FAILED", 403), R.EXCHANGE_REJECTED, CONF),
    ("callback", Response(404), R.EXCHANGE_REJECTED, CONF),
    ("callback", failed("x"), R.EXCHANGE_REJECTED, CONF),
    ("callback", destination("ACCOUNT_LINKING_REQUIRED"), R.EXCHANGE_REJECTED, CONF),
    ("callback", Response(500, raw=HTML), R.SERVER_ERROR, PROV),
    ("callback", Response(502, document={"code": "UNEXPECTED_ERROR"}), R.SERVER_ERROR, PROV),
    ("callback", leads(lambda _: "https://x.example/?flowId=..%2F..%2Fother"), R.LOCATION_INVALID, PROV),
    ("callback", leads(lambda _: "http://[x/?flow=1"), R.LOCATION_INVALID, PROV),
    # destination_flow
    ("destination_flow", source("COMPLETED"), R.NOT_A_FLOW, PROV),
    # destination_resume
    ("destination_resume", leads(lambda _: f"{APP_URI}?code=x&state=other"), R.STATE_MISMATCH, PROV),
    ("destination_resume", leads(lambda _: "https://evil.example/?code=x"), R.LOCATION_INVALID, CONF),
    ("destination_resume", failed("x"), R.FLOW_FAILED, PROV),
    # destination_keys
    ("destination_keys", Response(document={"keys": [{"kty": "oct", "k": "eA"}]}), R.KEYS_INVALID, PROV),
    # token
    ("token", Response(404), R.TOKEN_REFUSED, ACCT),
    ("token", Response(document={"error": "invalid_grant"}), R.TOKEN_REFUSED, ACCT),
    ("token", Response(302, location="/"), R.REDIRECTED, PROV),
]  # fmt: skip

ANYWHERE: list[tuple[Response, Reason, Fault]] = [
    (Response(429, headers=("Retry-After: 17",)), Reason.RATE_LIMITED, QUOTA),
    (error("REQUEST_LIMITED", 403), Reason.RATE_LIMITED, QUOTA),
    (Response(503, raw=HTML), Reason.SERVER_ERROR, PROV),
    (Response(408), Reason.SERVER_ERROR, PROV),
    (Response(403, raw=b"<h1>403 ERROR</h1><p>Request blocked.</p>"), Reason.BLOCKED, Fault.NETWORK),
    (Response(403, document={"message": "Forbidden"}), Reason.BLOCKED, Fault.NETWORK),
    (Response(202, headers=("x-amzn-waf-action: challenge",)), Reason.BLOCKED, Fault.NETWORK),
    (Response(raw=b"hang up"), Reason.PROTOCOL, PROV),
]


DAVINCI = (
    "the application runs a DaVinci flow, which does not list identity providers; "
    "use an application with a PingOne sign-on policy ({host})"
)
DETAILS: list[tuple[str, Response | Play, str]] = [
    ("destination_authorize", Response(document={"interactionId": "i"}),
     DAVINCI),
    ("initiate", leads(lambda p: p.authorize_url(redirect_uri="https://evil.example/rp/callback/x")),
     "redirect_uri leads to https://evil.example: URL not allowed at this step ({host})"),
    ("initiate", leads(lambda p: p.authorize_url(redirect_uri=f"{p.url}/{DESTINATION}/as/signoff")),
     "redirect_uri leads to another environment or path at http://{host} ({host})"),
    ("initiate", leads(lambda p: p.authorize_url(redirect_uri="x")),
     "redirect_uri malformed in the response ({host})"),
    ("initiate", leads(lambda p: p.authorize_url().replace(SOURCE, DESTINATION)),
     "302 to another environment or path at http://{host} ({host})"),
    ("initiate", leads(lambda p: p.authorize_url().replace("/as/authorize", "/davinci/authorize")),
     "302 to another environment or path at http://{host} ({host})"),
    ("source_resume", leads(lambda p: f"{p.redirect_uri}?state={STATE}"),
     "code missing in the response ({host})"),
    ("initiate", leads(lambda p: p.authorize_url().replace("?", "#/?")),
     "302 to http://{host} without client_id ({host})"),
    ("initiate", leads(lambda p: p.authorize_url(redirect_uri=None)),
     "302 to http://{host} without redirect_uri ({host})"),
    ("initiate", leads(lambda _: f"https://idp.example/saml?SAMLRequest=x&RelayState={STATE}"),
     "302 with a SAML request for https://idp.example, not OpenID Connect ({host})"),
    ("initiate", Response(raw=b'<form action="https://idp.example/saml"><input name=SAMLRequest value=x>'),
     "200 with a SAML request for https://idp.example, not OpenID Connect ({host})"),
    ("callback", leads(lambda _: "https://x.example/?flowId=..%2F..%2Fother"),
     "flowId malformed in the response ({host})"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "answer", "expected"), DETAILS)
def test_the_cause_names_what_is_wrong_and_where_it_leads(
    step: str, answer: Response | Play, expected: str
) -> None:
    probed = probe({step: answer})
    host = probed.federation.url.removeprefix("http://")
    assert probed.outcome.detail == expected.format(host=host)


@pytest.mark.parametrize(("step", "answer", "reason", "fault"), CASES)
def test_a_fault_is_found_at_its_step(
    step: str, answer: Response | Play, reason: Reason, fault: Fault
) -> None:
    probed = probe({step: answer})
    assert probed.finding == (step, reason, fault)
    assert (reason, fault) in pairs_of(Journey.FEDERATION)
    assert probed.federation.steps() == FULL[: FULL.index(step) + 1]
    assert all(record.reason is Reason.OK for record in probed.outcome.steps[:-1])


@pytest.mark.parametrize("step", FULL)
@pytest.mark.parametrize(("answer", "reason", "fault"), ANYWHERE)
def test_what_any_server_may_answer_is_judged_alike_at_every_step(
    step: str, answer: Response, reason: Reason, fault: Fault
) -> None:
    probed = probe({step: answer})
    assert probed.finding == (step, reason, fault)
    assert probed.federation.steps()[-1] == step
    assert probed.outcome.retry_after == (17.0 if answer.status == 429 else None)


REFUSED = {"callback": ("exchange_rejected", "configuration"), "token": ("token_refused", "account")}


@pytest.mark.parametrize("step", FULL)
@pytest.mark.parametrize(
    "answer", [Response(403, raw=HTML), Response(403), Response(401), Response(401, raw=HTML)]
)
def test_a_refusal_without_json_is_the_edges_but_for_a_401_where_one_is_expected(
    step: str, answer: Response
) -> None:
    """A token endpoint may refuse a client without JSON, and a destination may show a page."""
    probed = probe({step: answer})
    expected = REFUSED.get(step, ("blocked", "network")) if answer.status == 401 else ("blocked", "network")
    assert probed.finding == (step, *expected)


@pytest.mark.parametrize(
    ("step", "reason"),
    [("destination_authorize", "too_large"), ("token", "too_large"), ("callback", "exchange_rejected")],
)
def test_a_body_is_read_within_bounds(step: str, reason: str) -> None:
    probed = probe({step: Response(raw=b" " * (2 * 1024 * 1024 + 1))})
    assert probed.finding[:2] == (step, reason)


def test_the_side_of_a_failure_is_that_of_its_step() -> None:
    assert probe({"callback": Response(500)}).outcome.side == "destination"
    assert probe({"source_resume": Response(500)}).outcome.side == "source"
