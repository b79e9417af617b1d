"""Signing on to a flow, the session that follows, and where it leads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from simulator.desk import APPLICATION, ENVIRONMENT_ID, NOW, REDIRECT_URI, Desk, emea, header, query

from exporter.simulator import SignOnPolicy
from exporter.simulator.message import Request
from exporter.simulator.signon import Sessions
from exporter.simulator.urls import Urls

CHECK = "usernamePassword.check"
ADA = b'{"username": "ada", "password": "lovelace"}'
URLS = Urls("https://auth.pingone.com", ENVIRONMENT_ID)


def begin(desk: Desk, **changes: str | None) -> str:
    """Begin a flow and return the path of its self link."""
    href: str = json.loads(desk.authorize(query(**changes)).body)["_links"]["self"]["href"]
    return urlsplit(href).path


def sign_on(desk: Desk, path: str) -> str:
    """Sign ada on and return the cookie."""
    return (header(desk.post(path, ADA, CHECK), "set-cookie") or "").partition(";")[0]


def error(desk: Desk, path: str, body: bytes, action: str = CHECK) -> tuple[int, Any]:
    reply = desk.post(path, body, action)
    assert header(reply, "set-cookie") is None
    return reply.status, json.loads(reply.body)


def test_the_right_password_completes_the_flow_and_sets_the_cookie() -> None:
    desk = Desk()
    path = begin(desk)
    reply = desk.post(path, ADA, CHECK)
    assert (reply.status, json.loads(reply.body)["status"]) == (200, "COMPLETED")
    name, *attributes = (header(reply, "set-cookie") or "").split("; ")
    assert name.startswith("ST=")
    assert attributes == [f"Path=/{ENVIRONMENT_ID}", "Secure", "HttpOnly", "SameSite=None"]
    assert json.loads(desk.get(path).body)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    "body",
    [
        b'{"username": "ada", "password": "byron"}',
        b'{"username": "bob", "password": "lovelace"}',
        b'{"username": "bob", "password": ""}',
        b'{"username": "ada", "password": "\\ud800"}',
    ],
)
def test_a_wrong_password_and_an_unknown_user_are_told_alike(body: bytes) -> None:
    desk = Desk()
    path = begin(desk)
    status, document = error(desk, path, body)
    assert (status, document["code"]) == (400, "INVALID_DATA")
    assert (document["details"][0]["code"], document["details"][0]["target"]) == ("INVALID_VALUE", "password")
    assert json.loads(desk.get(path).body)["status"] == "USERNAME_PASSWORD_REQUIRED"


@pytest.mark.parametrize(
    ("body", "code", "target"),
    [
        (b"", "INVALID_PARAMETER", "body"),
        (b"[1]", "INVALID_PARAMETER", "body"),
        (b"[" * 50_000, "INVALID_PARAMETER", "body"),
        (b'{"password": "x"}', "REQUIRED_VALUE", "username"),
        (b'{"username": "ada"}', "REQUIRED_VALUE", "password"),
        (b'{"username": "ada", "password": 1}', "INVALID_VALUE", "password"),
    ],
)
def test_credentials_of_the_wrong_form_are_told_apart(body: bytes, code: str, target: str) -> None:
    desk = Desk()
    status, document = error(desk, begin(desk), body)
    assert (status, document["details"][0]["code"], document["details"][0]["target"]) == (400, code, target)


@pytest.mark.parametrize("action", ["otp.check", "user.lookup", "password.forgot", "usernamePassword"])
def test_an_action_that_the_flow_does_not_offer_is_the_wrong_media_type(action: str) -> None:
    desk = Desk()
    status, document = error(desk, begin(desk), ADA, action)
    assert (status, document["code"]) == (415, "INVALID_REQUEST")


def test_identifier_first_asks_for_the_user_and_then_for_the_password() -> None:
    application = replace(APPLICATION, sign_on_policy=SignOnPolicy.IDENTIFIER_FIRST)
    desk = Desk(emea(applications=(application,)))
    path = begin(desk)
    assert error(desk, path, ADA)[0] == 415
    looked_up = desk.post(path, b'{"username": "ada"}', "user.lookup")
    assert json.loads(looked_up.body)["status"] == "USERNAME_PASSWORD_REQUIRED"
    assert sign_on(desk, path).startswith("ST=")


def test_a_session_completes_the_next_flow_at_once_unless_a_login_is_asked_for() -> None:
    desk = Desk()
    cookie = sign_on(desk, begin(desk))
    statuses = [
        json.loads(desk.authorize(query(prompt=prompt), cookie=cookie).body)["status"]
        for prompt in (None, "none", "login")
    ]
    assert statuses == ["COMPLETED", "COMPLETED", "USERNAME_PASSWORD_REQUIRED"]


@pytest.mark.parametrize("cookie", ["ST=made-up", "ST", "other=1", "a\x00=\x00;;ST==", "ST="])
def test_a_cookie_that_was_never_set_is_no_session(cookie: str) -> None:
    desk = Desk()
    sign_on(desk, begin(desk))
    assert json.loads(desk.authorize(query(), cookie=cookie).body)["status"] == "USERNAME_PASSWORD_REQUIRED"


def test_a_cookie_of_an_odd_name_beside_it_does_not_hide_the_session() -> None:
    desk = Desk()
    cookie = sign_on(desk, begin(desk))
    reply = desk.authorize(query(), cookie=f"a@b=1; {cookie}; c")
    assert json.loads(reply.body)["status"] == "COMPLETED"


def test_a_session_ends_after_its_lifetime_and_the_oldest_makes_room() -> None:
    sessions = Sessions(limit=2, lifetime=60)
    cookies = [sessions.begin(URLS, NOW)[1].partition(";")[0] for _ in range(3)]
    requests = [Request(method="GET", path="/", headers=(("cookie", cookie),)) for cookie in cookies]
    assert [sessions.of(request, NOW + 59) for request in requests] == [False, True, True]
    assert not any(sessions.of(request, NOW + 60) for request in requests)
    assert cookies[2].partition("=")[2] not in repr(sessions)


def test_on_a_custom_domain_the_cookie_is_for_all_paths() -> None:
    assert (
        "; Path=/; "
        in Sessions().begin(Urls("https://login.example.com", ENVIRONMENT_ID, custom_domain=True), NOW)[1]
    )


def test_a_completed_flow_yields_code_and_state_as_json_with_pi_flow() -> None:
    desk = Desk()
    path = begin(desk)
    cookie = sign_on(desk, path)
    document = json.loads(desk.get(path).body)
    reply = desk.get(f"/{ENVIRONMENT_ID}/as/resume", urlsplit(document["resumeUrl"]).query, cookie=cookie)
    answer = json.loads(reply.body)["authorizeResponse"]
    assert (reply.status, answer["state"], len(answer["code"])) == (200, "a-state", 32)


def test_a_completed_flow_leads_a_browser_back_to_the_client() -> None:
    desk = Desk()
    location = header(desk.authorize(query(response_mode=None, state=None)), "location") or ""
    flow_id = parse_qs(urlsplit(location).query)["flowId"][0]
    cookie = sign_on(desk, f"/{ENVIRONMENT_ID}/flows/{flow_id}")
    reply = desk.get(f"/{ENVIRONMENT_ID}/as/resume", f"flowId={flow_id}", cookie=cookie)
    back = header(reply, "location") or ""
    assert (reply.status, back.partition("?")[0]) == (302, REDIRECT_URI)
    assert set(parse_qs(urlsplit(back).query)) == {"code"}


def test_a_flow_is_resumed_only_when_completed_and_in_its_session() -> None:
    desk = Desk()
    first, second = begin(desk), begin(desk)
    cookie = sign_on(desk, first)
    resume = f"/{ENVIRONMENT_ID}/as/resume"
    not_completed = desk.get(resume, f"flowId={second.rpartition('/')[2]}", cookie=cookie)
    no_session = desk.get(resume, f"flowId={first.rpartition('/')[2]}")
    assert [not_completed.status, no_session.status] == [400, 400]
    assert [desk.get(resume, text).status for text in ("", "flowId=none", "flowId=a&flowId=b")] == [404] * 3
