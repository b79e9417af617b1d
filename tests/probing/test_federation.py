"""The journey `federation` on the wire: every request byte for byte, how far it goes, and what may vary."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from probing.examples import DESTINATION, FLOW, SOURCE
from probing.federation import (
    APP_URI,
    CLIENT_SECRET,
    CODE,
    DESTINATION_CLIENT,
    DESTINATION_CODE,
    DESTINATION_FLOW,
    NONCE,
    PASSWORD,
    PROVIDER,
    STATE,
    STEPS,
    USERNAME,
    Federation,
    Heard,
    Play,
    Response,
    basic,
    probe,
)

from exporter import __version__
from exporter.probing.journeys.authorize import s256
from exporter.target import ANY_REQUIRED, ClientAuth, SourceKind

FULL = [step for step in STEPS if step != "destination_lookup"]
TO_SOURCE = ["destination_authorize", "initiate", "source_authorize"]
WITHOUT_SOURCE: dict[str, Any] = {
    "source_url": "",
    "source_environment_id": "",
    "client_id": "",
    "user": None,
}


def query(heard: Heard) -> list[tuple[str, str]]:
    return parse_qsl(heard.target.partition("?")[2], keep_blank_values=True, strict_parsing=True)


def closes_kept_connections(step: str) -> dict[str, Response | Play]:
    """Close a connection instead of answering its second request, from a step on."""

    def play(federation: Federation, heard: Heard) -> Response:
        earlier = [each for each in federation.heard[:-1] if each.connection == heard.connection]
        return Response(raw=b"hang up") if earlier else federation.good(heard)

    return dict.fromkeys(STEPS[STEPS.index(step) :], play)


@pytest.fixture
def _slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection that ends while a request is on its way end late."""
    monkeypatch.setattr("exporter.probing.transport.MAX_CROSSING_SECONDS", 60.0)


@pytest.mark.usefixtures("_slow_machine")
def test_a_request_that_must_not_be_sent_twice_gets_a_new_connection_once_a_server_closed_a_kept_one() -> (
    None
):
    probed = probe(closes_kept_connections("initiate"))
    assert probed.finding == ("token", "ok", "none")
    for step in ("sign_on", "source_resume", "callback", "destination_resume", "token"):
        number = probed.federation.only(step).connection
        first = next(each for each in probed.federation.heard if each.connection == number)
        assert first.step == step


@pytest.mark.usefixtures("_slow_machine")
@pytest.mark.parametrize("step", ["sign_on", "source_resume", "callback", "destination_resume", "token"])
def test_such_a_request_fails_once_at_most_and_the_next_probe_knows_better(step: str) -> None:
    first = probe(closes_kept_connections(step))
    assert first.finding == (step, "protocol", "provider")
    assert first.federation.steps().count(step) == 1
    second = probe(closes_kept_connections(step), probes=2, one_shot=False)
    assert second.finding == ("token", "ok", "none")


# Every request


def test_a_federation_that_works_is_probed_to_its_token() -> None:
    probed = probe()
    assert probed.finding == ("token", "ok", "none")
    assert probed.steps == FULL == probed.federation.steps()
    assert probed.outcome.kind == "pingone"


def test_every_request_is_the_documented_one_byte_for_byte() -> None:
    tokens = iter(["the-nonce", "the-state", "v" * 43])
    probed = probe(token=tokens.__next__)
    heard = {request.step: request for request in probed.federation.heard}
    quoted = probed.federation.redirect_uri.replace(":", "%3A").replace("/", "%2F")
    lines = {step: request.head.decode().split(" HTTP/1.1\r\n")[0] for step, request in heard.items()}
    assert lines == {
        "destination_authorize": (
            f"GET /{DESTINATION}/as/authorize?response_type=code"
            "&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&scope=openid"
            f"&client_id={DESTINATION_CLIENT}&nonce=the-nonce&state=the-state&response_mode=pi.flow"
            f"&code_challenge={s256('v' * 43)}&code_challenge_method=S256"
        ),
        "initiate": f"GET /{DESTINATION}/rp/authenticate?providerId={PROVIDER}&flowId={DESTINATION_FLOW}",
        "source_authorize": (
            f"GET /{SOURCE}/as/authorize?client_id=source-client&scope=openid&redirect_uri={quoted}"
            f"&response_type=code&state={STATE}&nonce={NONCE}&code_challenge=challenge"
            "&code_challenge_method=S256&response_mode=pi.flow"
        ),
        "sign_on": f"POST /{SOURCE}/flows/{FLOW}",
        "source_resume": f"GET /{SOURCE}/as/resume?flowId={FLOW}",
        "callback": (
            f"GET /{DESTINATION}/rp/callback/openid_connect?code={CODE}&state={STATE}"
            "&iss=https%3A%2F%2Fsource.example%2Fas"
        ),
        "destination_flow": f"GET /{DESTINATION}/flows/{DESTINATION_FLOW}",
        "destination_resume": f"GET /{DESTINATION}/as/resume?flowId={DESTINATION_FLOW}",
        "destination_keys": f"GET /{DESTINATION}/as/jwks",
        "token": f"POST /{DESTINATION}/as/token",
    }
    for step, request in heard.items():
        names = [line.partition(":")[0] for line in request.head.decode().split("\r\n")[1:-2]]
        assert names[:5] == [
            "Host",
            "User-Agent",
            "Accept",
            "Accept-Encoding",
            "X-Ping-External-Transaction-Id",
        ], step
        assert request.headers["user-agent"] == f"pingone-flow-exporter/{__version__}"
        assert request.headers["accept"] == "application/json"
        assert "referer" not in request.headers
    assert {request.headers["x-ping-external-transaction-id"] for request in heard.values()} == {
        probed.outcome.transaction_id
    }


def test_user_name_and_password_are_posted_as_the_documented_media_type() -> None:
    sign_on = probe().federation.only("sign_on")
    assert sign_on.headers["content-type"] == "application/vnd.pingidentity.usernamePassword.check+json"
    assert json.loads(sign_on.body) == {"username": USERNAME, "password": PASSWORD}


@pytest.mark.parametrize("auth", ClientAuth)
def test_the_code_is_redeemed_as_the_application_authenticates(auth: ClientAuth) -> None:
    secret = None if auth is ClientAuth.NONE else CLIENT_SECRET
    probed = probe(application={"client_auth": auth, "client_secret": secret})
    assert probed.finding == ("token", "ok", "none")
    token = probed.federation.only("token")
    assert token.headers["content-type"] == "application/x-www-form-urlencoded"
    form = dict(parse_qsl(token.body.decode(), strict_parsing=True))
    verifier = form.pop("code_verifier")
    challenge = probed.federation.only("destination_authorize").query["code_challenge"]
    assert s256(verifier) == challenge
    expected = {"grant_type": "authorization_code", "code": DESTINATION_CODE, "redirect_uri": APP_URI}
    authorization = token.headers.get("authorization")
    if auth is ClientAuth.BASIC:
        assert authorization == basic(DESTINATION_CLIENT, CLIENT_SECRET)
    else:
        assert authorization is None
        expected["client_id"] = DESTINATION_CLIENT
    if auth is ClientAuth.POST:
        expected["client_secret"] = CLIENT_SECRET
    assert form == expected


def test_what_the_operator_adds_is_sent_to_the_destination() -> None:
    changes = {"scope": "openid profile", "acr_values": "Single", "login_hint": "jane+doe@example.com"}
    sent = dict(query(probe(application=changes).federation.only("destination_authorize")))
    assert {name: sent[name] for name in changes} == changes


def test_nonce_state_and_challenge_are_fresh_in_every_probe() -> None:
    seen = set()
    for _ in range(3):
        sent = probe(without=("user",)).federation.only("destination_authorize").query
        seen |= {sent["nonce"], sent["state"], sent["code_challenge"]}
    assert len(seen) == 9
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in seen)


def test_the_requests_of_a_probe_share_one_connection() -> None:
    assert {heard.connection for heard in probe().federation.heard} == {0}


def test_a_connection_that_the_server_closes_is_replaced() -> None:
    answers = {"initiate": lambda played, _: Response(302, location=played.authorize_url(), headers=CLOSE)}
    probed = probe(answers)
    assert probed.finding == ("token", "ok", "none")
    assert {heard.connection for heard in probed.federation.heard} == {0, 1}


CLOSE = ("Connection: close",)


def test_the_duration_of_a_probe_is_the_sum_of_its_phases() -> None:
    outcome = probe().outcome
    assert outcome.duration == pytest.approx(
        sum(seconds for record in outcome.steps for seconds in record.phases.values()), abs=1e-9
    )


def test_cookies_go_back_to_the_environment_that_set_them_and_to_no_other() -> None:
    cookies = {heard.step: heard.headers.get("cookie") for heard in probe().federation.heard}
    assert cookies == {
        "destination_authorize": None,
        "initiate": "DST=d",
        "source_authorize": None,
        "sign_on": None,
        "source_resume": "ST=planted-cookie",
        "callback": "DST=d",
        "destination_flow": "DST=d",
        "destination_resume": "DST=d",
        "destination_keys": "DST=d",
        "token": "DST=d",
    }


def test_no_cookie_outlives_its_probe() -> None:
    heard = probe(probes=2).federation.heard
    assert heard[0].step == "destination_authorize"
    assert "cookie" not in heard[0].headers


# How far it goes


@pytest.mark.parametrize("without", ["user", "user and source"])
def test_without_a_user_it_ends_after_source_authorize(without: str) -> None:
    changes = {"user": None} if without == "user" else WITHOUT_SOURCE | {"source_kind": SourceKind.AUTO}
    probed = probe(**changes)
    assert probed.finding == ("source_authorize", "ok", "none")
    assert probed.steps == TO_SOURCE == probed.federation.steps()
    assert probed.outcome.kind == "pingone"


def test_without_a_way_to_redeem_the_code_it_ends_after_destination_resume() -> None:
    probed = probe(application={"client_secret": None})
    assert probed.finding == ("destination_resume", "ok", "none")
    assert probed.steps == FULL[:-2]


def test_identifier_first_looks_the_user_up_without_a_password() -> None:
    answers = {
        "destination_authorize": lambda played, _: Response(
            document=played.destination_flow("SIGN_ON_REQUIRED")
        )
    }
    probed = probe(answers, application={"lookup_username": "jane"})
    assert probed.finding == ("token", "ok", "none")
    assert probed.steps == list(STEPS)
    lookup = probed.federation.only("destination_lookup")
    assert lookup.target == f"/{DESTINATION}/flows/{DESTINATION_FLOW}"
    assert lookup.headers["content-type"] == "application/vnd.pingidentity.user.lookup+json"
    assert json.loads(lookup.body) == {"username": "jane"}


# Which provider


def forced(played: Federation, _: Heard) -> Response:
    entry = played.provider()
    del entry["id"]
    flow = played.destination_flow("EXTERNAL_AUTHENTICATION_REQUIRED")
    return Response(document=flow | {"_embedded": {"identityProvider": entry}})


def three(played: Federation, _: Heard) -> Response:
    entries = [
        played.provider(name, f"{PROVIDER[:-1]}{n}") for n, name in enumerate(("one", "partner", "three"))
    ]
    flow = played.destination_flow("USERNAME_PASSWORD_REQUIRED")
    return Response(document=flow | {"_embedded": {"socialProviders": [*entries, None, 7]}})


def two_of_one_name(played: Federation, _: Heard) -> Response:
    entries = [played.provider("same", f"{PROVIDER[:-1]}{n}") for n in range(2)]
    flow = played.destination_flow("USERNAME_PASSWORD_REQUIRED")
    return Response(document=flow | {"_embedded": {"socialProviders": entries}})


@pytest.mark.parametrize(
    ("offer", "provider"),
    [
        (forced, None),
        (forced, "partner"),
        (forced, PROVIDER),
        (forced, PROVIDER.upper()),
        (three, "partner"),
        (three, f"{PROVIDER[:-1]}1"),
    ],
)
def test_the_provider_is_found_by_its_id_or_name_or_because_it_is_the_only_one(
    offer: Play, provider: str | None
) -> None:
    probed = probe({"destination_authorize": offer}, without=("user",), provider_id=provider)
    assert probed.finding == ("source_authorize", "ok", "none")


@pytest.mark.parametrize(
    ("offer", "provider"),
    [
        (three, None),
        (three, "unknown"),
        (three, "One"),
        (forced, "other"),
        (lambda played, _: Response(document=played.destination_flow("SIGN_ON_REQUIRED")), None),
        (lambda played, _: Response(document=played.destination_flow("COMPLETED")), None),
        (two_of_one_name, "same"),
        (two_of_one_name, None),
    ],
)
def test_a_provider_that_is_not_offered_is_missing(offer: Play, provider: str | None) -> None:
    probed = probe({"destination_authorize": offer}, provider_id=provider)
    assert probed.finding == ("destination_authorize", "provider_missing", "configuration")


def test_a_destination_may_offer_hundreds_of_providers() -> None:
    def many(played: Federation, _: Heard) -> Response:
        entries = [played.provider(f"partner {n}", f"{PROVIDER[:-4]}{n:04}") for n in range(900)]
        flow = played.destination_flow("USERNAME_PASSWORD_REQUIRED")
        return Response(document=flow | {"_embedded": {"socialProviders": entries}})

    answers: dict[str, Response | Play] = {"destination_authorize": many}
    probed = probe(answers, provider_id="partner 899", without=("user",))
    assert probed.finding == ("source_authorize", "ok", "none")


# What may vary in a good answer


@pytest.mark.parametrize(
    "location",
    [
        lambda played: f"/{SOURCE}/as/authorize?client_id=c&state={STATE}&redirect_uri={played.redirect_uri}",
        lambda played: played.authorize_url(response_mode="query"),
        lambda played: played.authorize_url() + "#fragment",
    ],
    ids=["relative", "another response mode", "fragment"],
)
def test_response_mode_is_added_to_the_url_of_initiate_or_replaced(
    location: Callable[[Federation], str],
) -> None:
    probed = probe({"initiate": lambda played, _: Response(303, location=location(played))})
    assert probed.finding == ("token", "ok", "none")
    sent = query(probed.federation.only("source_authorize"))
    assert sent[-1] == ("response_mode", "pi.flow")
    assert [name for name, _ in sent].count("response_mode") == 1


@pytest.mark.parametrize("name", ["request", "request_uri"])
def test_nothing_is_added_to_a_url_with_a_request_object(name: str) -> None:
    url: list[str] = []

    def initiate(played: Federation, _: Heard) -> Response:
        url[:] = [f"{played.source}/as/authorize?client_id=c&{name}=signed"]
        return Response(302, location=url[0])

    answers: dict[str, Response | Play] = {
        "initiate": initiate,
        "source_authorize": Response(
            302, location=f"https://apps.pingone.com/{SOURCE}/signon/?flowId={FLOW}"
        ),
        "source_flow": lambda played, _: Response(document=played.flow()),
        "source_resume": lambda played, _: Response(
            302, location=f"{played.redirect_uri}?code={CODE}&state={STATE}&extra=%2F"
        ),
    }
    probed = probe(answers)
    assert probed.finding == ("token", "ok", "none")
    assert f"{probed.federation.url}{probed.federation.only('source_authorize').target}" == url[0]
    assert probed.steps.count("source_authorize") == 2
    assert probed.federation.only("callback").target == (
        f"/{DESTINATION}/rp/callback/openid_connect?code={CODE}&state={STATE}&extra=%2F"
    )


@pytest.mark.parametrize(
    "resumed",
    [
        lambda _, __: Response(document={"authorizeResponse": {"code": CODE, "state": STATE}}),
        lambda played, _: Response(302, location=f"{played.redirect_uri}#code={CODE}&state={STATE}"),
    ],
    ids=["JSON", "fragment"],
)
def test_a_redirect_uri_inside_a_request_object_is_the_destinations_callback(resumed: Play) -> None:
    """A form of answer that cannot be asked for then is taken all the same."""
    signon = f"https://apps.pingone.com/{SOURCE}/signon/?flowId={FLOW}"
    answers: dict[str, Response | Play] = {
        "initiate": lambda played, _: Response(
            302, location=f"{played.source}/as/authorize?client_id=c&request_uri=pushed"
        ),
        "source_authorize": Response(302, location=signon),
        "source_flow": lambda played, _: Response(document=played.flow()),
        "source_resume": resumed,
    }
    probed = probe(answers)
    assert probed.finding == ("token", "ok", "none")
    callback = f"/{DESTINATION}/rp/callback/openid_connect?code={CODE}&state={STATE}"
    assert probed.federation.only("callback").target == callback


@pytest.mark.parametrize("name", ["request", "request_uri"])
@pytest.mark.parametrize(
    ("flow", "finding"),
    [
        ({}, ("token", "ok", "none")),
        ({"status": "OTP_REQUIRED"}, ("source_authorize", "unexpected_status", "configuration")),
        ({"status": "FAILED"}, ("source_authorize", "flow_failed", "provider")),
        ({"id": "../other"}, ("source_authorize", "not_a_flow", "provider")),
    ],
)
def test_a_request_object_may_ask_for_pi_flow_itself(
    name: str, flow: dict[str, Any], finding: tuple[str, str, str]
) -> None:
    answers: dict[str, Response | Play] = {
        "initiate": lambda played, _: Response(
            302, location=f"{played.source}/as/authorize?client_id=c&{name}=signed"
        ),
        "source_authorize": lambda played, _: Response(document=played.flow() | flow),
        "source_resume": Response(document={"authorizeResponse": {"code": CODE, "state": STATE}}),
    }
    probed = probe(answers)
    assert probed.finding == finding
    assert probed.steps.count("source_authorize") == 1


def resumed(suffix: str, status: int = 302) -> Play:
    return lambda played, _: Response(status, location=f"{played.redirect_uri}{suffix}")


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (resumed(f"?code={CODE}&state={STATE}"), f"code={CODE}&state={STATE}"),
        (
            resumed(f"?code={CODE}&state={STATE}&iss=x%3Ay&nonce=", 303),
            f"code={CODE}&state={STATE}&iss=x%3Ay&nonce=",
        ),
        (resumed(f"?state={STATE}&code={CODE}"), f"state={STATE}&code={CODE}"),
        (resumed(f"#code={CODE}&state={STATE}&iss=x%3Ay"), f"code={CODE}&state={STATE}&iss=x%3Ay"),
    ],
)
def test_the_callback_gets_every_parameter_that_the_source_returned_unchanged(
    answer: Play, sent: str
) -> None:
    probed = probe({"source_resume": answer})
    assert probed.finding == ("token", "ok", "none")
    assert probed.federation.only("callback").target.partition("?")[2] == sent


@pytest.mark.parametrize(
    "location",
    [
        f"https://apps.pingone.com/{DESTINATION}/signon/?flowId={DESTINATION_FLOW}",
        f"/signon/?flowId={DESTINATION_FLOW}",
        f"https://login.customer.example/?environmentId=x&flowId={DESTINATION_FLOW}",
        f"https://login.customer.example/#environmentId=x&flowId={DESTINATION_FLOW}",
        f"https://login.customer.example/#/login?flowId={DESTINATION_FLOW}",
        f"https://169.254.169.254/?flowId={DESTINATION_FLOW}",
    ],
)
@pytest.mark.parametrize("status", [302, 303])
def test_the_callback_leads_to_any_page_which_is_never_fetched(location: str, status: int) -> None:
    probed = probe({"callback": Response(status, location=location)})
    assert probed.finding == ("token", "ok", "none")
    assert probed.federation.steps() == FULL


@pytest.mark.parametrize("status", [302, 303])
def test_the_destination_may_return_its_code_in_a_redirect(status: int) -> None:
    def resume(played: Federation, _: Heard) -> Response:
        state = played.only("destination_authorize").query["state"]
        return Response(status, location=f"{APP_URI}?code={DESTINATION_CODE}&state={state}")

    probed = probe({"destination_resume": resume})
    assert probed.finding == ("token", "ok", "none")


@pytest.mark.parametrize(
    ("app_uri", "separator"),
    [
        ("com.example.app:/callback", "?"),
        ("com.example.app://callback", "#"),
        ("com.example.app://callback?tenant=1", "&"),
    ],
)
def test_the_redirect_uri_of_a_native_app_may_have_a_scheme_of_its_own(app_uri: str, separator: str) -> None:
    def resume(played: Federation, _: Heard) -> Response:
        state = played.only("destination_authorize").query["state"]
        return Response(302, location=f"{app_uri}{separator}code={DESTINATION_CODE}&state={state}")

    changed = {"redirect_uri": app_uri}
    assert probe({"destination_resume": resume}, application=changed).finding == ("token", "ok", "none")


@pytest.mark.parametrize("location", ["com.example.apple:/?code=x", "com.example.app:/callback2?code=x"])
def test_a_code_for_another_native_app_is_refused(location: str) -> None:
    answers = {"destination_resume": Response(302, location=location)}
    probed = probe(answers, application={"redirect_uri": "com.example.app:/callback"})
    assert probed.finding == ("destination_resume", "location_invalid", "provider")


def test_a_flow_without_resume_url_is_resumed_by_its_id() -> None:
    def completed(played: Federation, _: Heard) -> Response:
        flow = played.flow(status="COMPLETED")
        del flow["resumeUrl"]
        return Response(document=flow)

    assert probe({"sign_on": completed}).finding == ("token", "ok", "none")


def test_discovered_targets_accept_any_status_that_requires_something() -> None:
    answers: dict[str, Response | Play] = {
        "source_authorize": lambda played, _: Response(document=played.flow(status="BRAND_NEW_REQUIRED"))
    }
    probed = probe(answers, without=("user",), expected_statuses=(ANY_REQUIRED,))
    assert probed.finding == ("source_authorize", "ok", "none")
    assert probed.record("source_authorize").flow_status == "BRAND_NEW_REQUIRED"


# Contract checks


@pytest.mark.parametrize(
    ("changes", "passed"),
    [({}, True), ({"code_challenge_method": None}, False), ({"code_challenge_method": "plain"}, False)],
)
def test_the_url_of_initiate_should_carry_s256(changes: dict[str, str | None], *, passed: bool) -> None:
    answers: dict[str, Response | Play] = {
        "initiate": lambda played, _: Response(302, location=played.authorize_url(**changes))
    }
    probed = probe(answers)
    assert probed.outcome.success
    assert probed.record("initiate").checks == {"pkce": passed}


@pytest.mark.parametrize("step", ["initiate", "sign_on", "destination_flow"])
def test_a_flow_that_does_not_begin_here_is_not_checked_when_it_fails_the_probe(step: str) -> None:
    def goes_on(played: Federation, _: Heard) -> Response:
        status = "ACCOUNT_LINKING_REQUIRED"
        return Response(
            document=played.flow(status=status) if step == "sign_on" else played.destination_flow(status)
        )

    probed = probe({step: goes_on})
    assert probed.outcome.step == step
    assert probed.record(step).checks == {}
    assert probed.record(step).clock_skew is None


def test_another_subject_than_last_time_fails_a_check_and_not_the_probe() -> None:
    found = []
    for count in (1, 2, 3):
        subjects = iter(["first", "first", "second"])
        answers: dict[str, Response | Play] = {
            "token": lambda played, _, found=subjects: Response(  # type: ignore[misc]
                document={"id_token": played.token(sub=next(found))}
            )
        }
        probed = probe(answers, probes=count, one_shot=False)
        assert probed.outcome.success
        found.append(probed.record("token").checks)
    assert found == [{}, {"subject": True}, {"subject": False}]
