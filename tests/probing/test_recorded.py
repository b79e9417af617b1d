"""What is made of the recorded answers of providers that are not PingOne."""

from __future__ import annotations

import pytest
from probing.recorded import RECORDED, RU, STATE, URL, Recorded, jarm, posts, redirect

from exporter.probing.foreign import judge_login_page, judge_prompt_none
from exporter.probing.links import parse_link
from exporter.probing.messages import Answer, ProviderRequest, Verdict
from exporter.reasons import pairs_of
from exporter.target import Journey, ProviderKind


def a_request() -> ProviderRequest:
    link = parse_link(URL)
    assert link is not None
    return ProviderRequest(link, ProviderKind.OIDC, redirect_uri=RU, state=STATE)


def login_page(answer: Answer, **changes: object) -> Verdict:
    settings: dict[str, object] = {"url": URL, "hosts": (), "may_follow": True}
    return judge_login_page(answer, request=a_request(), **settings | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row.name)
def test_a_recorded_answer_is_judged(row: Recorded) -> None:
    asked = judge_prompt_none(row.answer, request=a_request())
    shown = login_page(row.answer)
    assert asked.reason == row.prompt_none
    assert ("next" if shown.location else shown.reason.value) == row.login_page
    assert (shown.reason, shown.fault) in pairs_of(Journey.FEDERATION)
    for verdict in (asked, shown):
        assert verdict.error_codes == (() if verdict.reason == "client_error" else row.codes)


@pytest.mark.parametrize(
    "answer",
    [
        redirect(f"{RU}?error=login_required&state=other"),
        redirect(f"{RU}?error=login_required"),
        jarm(error="login_required", state="other"),
        Answer(200, posts("login_required").body.replace(STATE.encode(), b"other")),
    ],
)
def test_ready_means_with_our_own_state(answer: Answer) -> None:
    assert judge_prompt_none(answer, request=a_request()).reason == "state_mismatch"


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/dest/rp/callback/openid_connect?error=login_required",
        "https://rp.example/dest/rp/callback/other?error=login_required",
        "https://rp.example.evil.example/dest/rp/callback/openid_connect#error=login_required",
    ],
)
def test_ready_means_at_the_registered_redirect_uri(location: str) -> None:
    verdict = judge_prompt_none(redirect(f"{location}&state={STATE}"), request=a_request())
    assert (verdict.reason, verdict.fault) == ("location_invalid", "configuration")


def test_a_form_that_posts_elsewhere_is_a_page() -> None:
    body = posts("login_required").body.replace(RU.encode(), b"https://elsewhere.example/")
    assert judge_prompt_none(Answer(200, body), request=a_request()).reason == "login_page_error"


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "a.e30.c", "a.W10.c", "..", "a." + "A" * 9999 + ".c", "a.%.c"]
)
def test_a_token_that_says_nothing_is_a_redirect(token: str) -> None:
    answer = redirect(f"{RU}?response={token}")
    assert judge_prompt_none(answer, request=a_request()).reason == "redirected"
    assert login_page(answer).reason == "redirected"


@pytest.mark.parametrize(
    ("location", "hosts", "led"),
    [
        ("/login", (), "https://idp.example/login"),
        ("login?a=b#c", (), "https://idp.example/login?a=b"),
        ("//idp.example:443/x", (), "https://idp.example:443/x"),
        ("https://IDP.example./x", (), "https://IDP.example./x"),
        ("https://login.example/x", ("login.example",), "https://login.example/x"),
        ("https://login.example./x", ("login.example",), "https://login.example./x"),
        ("https://login.example:8443/x", ("login.example",), "https://login.example:8443/x"),
    ],
)
def test_redirects_within_the_allowed_hosts_are_followed(
    location: str, hosts: tuple[str, ...], led: str
) -> None:
    assert login_page(redirect(location), hosts=hosts).location == led


@pytest.mark.parametrize(
    ("location", "fault"),
    [
        ("https://elsewhere.example/", "configuration"),
        ("https://login.example.evil.example/", "configuration"),
        ("https://sub.login.example/", "configuration"),
        ("https://idp.example:8443/", "configuration"),
        ("http://idp.example/", "configuration"),
        ("http://login.example/", "configuration"),
        ("https://10.0.0.1/", "configuration"),
        ("https://rp.example/dest/as/authorize", "configuration"),
        ("https://user@idp.example/", "provider"),
        ("https://idp.example\\@elsewhere.example/", "provider"),
        ("javascript:alert(1)", "provider"),
        ("https://idp.example/a/../b", "provider"),
    ],
)
def test_redirects_elsewhere_are_not_followed(location: str, fault: str) -> None:
    verdict = login_page(redirect(location), hosts=("login.example",))
    assert (verdict.reason, verdict.fault, verdict.location) == ("location_invalid", fault, None)


def test_one_redirect_too_many_is_the_providers() -> None:
    verdict = login_page(redirect("/signon/?flowId=x"), may_follow=False)
    assert (verdict.reason, verdict.fault) == ("redirected", "provider")
