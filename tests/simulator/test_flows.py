"""Flows have the documented form, expire, and are signed on to; what they yield is bound to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from simulator.examples import ENVIRONMENT_ID, NOW, REDIRECT_URI, FakeClock, query

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from simulator.conftest import Client

CHECK = "usernamePassword.check"
ADA = {"username": "ada", "password": "lovelace"}
DAY = 86_400
SDK = {"X-Requested-With": "ping-sdk"}


def begin(client: Client) -> str:
    """Start a flow and return its self link."""
    href: str = client.authorize().json()["_links"]["self"]["href"]
    return href


def cookie_of(response: httpx.Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def status_of(client: Client, url: str) -> str:
    status: str = client.get(url).json()["status"]
    return status


def test_a_flow_is_the_documented_response_member_by_member_in_its_order(client: Client) -> None:
    response = client.authorize()
    flow_id = response.json()["id"]
    href = {"href": f"{client.base_url}/{ENVIRONMENT_ID}/flows/{flow_id}"}
    expected = {
        "_links": {
            "usernamePassword.check": href,
            "password.forgot": href,
            "self": href,
            "signOnPage": {"href": f"{client.root}/signon/?flowId={flow_id}"},
        },
        "_embedded": {"application": {"name": "SourceApp_1776714341"}},
        "id": flow_id,
        "environment": {"id": ENVIRONMENT_ID},
        "resumeUrl": f"{client.root}/as/resume?flowId={flow_id}",
        "status": "USERNAME_PASSWORD_REQUIRED",
        "createdAt": "2026-04-20T19:54:09.271Z",
        "expiresAt": "2026-04-20T20:09:09.271Z",
    }
    document = response.json()
    assert document == expected
    assert list(document) == list(expected)
    assert list(document["_links"]) == list(expected["_links"])
    assert response.headers["content-type"] == "application/json"
    assert client.authorize().json()["id"] != flow_id


def test_a_flow_is_found_until_its_fifteen_minutes_are_over(client: Client, clock: FakeClock) -> None:
    begun = client.authorize().json()
    href = begun["_links"]["self"]["href"]
    clock.now = NOW + 899.999
    assert client.get(href).json() == begun
    clock.now = NOW + 900
    gone = client.get(href)
    assert (gone.status_code, gone.json()["code"]) == (404, "NOT_FOUND")


def test_a_skewed_clock_shifts_what_is_shown_and_not_how_long_a_flow_lasts(
    client: Client, clock: FakeClock
) -> None:
    client.put_weather("clock_skewed")
    document = client.authorize().json()
    assert (document["createdAt"], document["expiresAt"]) == (
        "2026-04-20T19:59:09.271Z",
        "2026-04-20T20:14:09.271Z",
    )
    clock.now = NOW + 900
    assert client.get(document["_links"]["self"]["href"]).status_code == 404


@pytest.mark.parametrize(
    ("name", "usual"),
    [("emea", "USERNAME_PASSWORD_REQUIRED"), ("first", "SIGN_ON_REQUIRED"), ("davinci", None)],
)
def test_a_changed_policy_never_leads_to_the_status_of_before(
    client_of: Callable[[str], Client], name: str, usual: str | None
) -> None:
    client = client_of(name)
    assert client.authorize().json().get("status") == usual
    client.put_weather("policy_changed")
    assert client.authorize().json()["status"] in {"USERNAME_PASSWORD_REQUIRED", "SIGN_ON_REQUIRED"} - {usual}
    client.put_weather("policy_changed", status="OTP_REQUIRED")
    document = client.authorize().json()
    assert document["status"] == "OTP_REQUIRED"
    assert set(document["_links"]) == {"otp.check", "self", "signOnPage"}


def test_a_davinci_flow_has_a_next_link_for_the_sdk_and_the_detailed_form_for_others(
    client_of: Callable[[str], Client],
) -> None:
    client = client_of("davinci")
    requests = [client.request("GET", f"/as/authorize?{query()}", headers=SDK) for _ in range(3)]
    for document in (response.json() for response in requests):
        assert list(document["_links"]) == ["next"]
        assert document["_links"]["next"]["href"].startswith(f"{client.root}/davinci/")
        assert document["companyId"] == client.environment.environment.id
        assert document["interactionId"]
        assert "status" not in document
    detailed = [client.authorize().json() for _ in range(30)]
    assert {tuple(document.get("_links", ())) for document in detailed} == {(), ("self",)}
    assert {document["companyId"] for document in detailed} == {client.environment.environment.id}


def test_the_right_password_completes_the_flow_and_sets_the_cookie(client: Client) -> None:
    href = begin(client)
    response = client.post(href, ADA, CHECK)
    assert (response.status_code, response.json()["status"]) == (200, "COMPLETED")
    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith("ST=")
    assert attributes == [f"Path=/{ENVIRONMENT_ID}", "Secure", "HttpOnly", "SameSite=None"]
    assert status_of(client, href) == "COMPLETED"


@pytest.mark.parametrize(
    ("body", "code", "target"),
    [
        ({"username": "ada", "password": "byron"}, "INVALID_VALUE", "password"),
        ({"username": "bob", "password": "lovelace"}, "INVALID_VALUE", "password"),
        ({"username": "bob", "password": ""}, "INVALID_VALUE", "password"),
        (b'{"username": "ada", "password": "\\ud800"}', "INVALID_VALUE", "password"),
        (b"", "INVALID_PARAMETER", "body"),
        ([1], "INVALID_PARAMETER", "body"),
        (b"[" * 50_000, "INVALID_PARAMETER", "body"),
        ({"password": "x"}, "REQUIRED_VALUE", "username"),
        ({"username": "ada"}, "REQUIRED_VALUE", "password"),
        ({"username": "ada", "password": 1}, "INVALID_VALUE", "password"),
    ],
)
def test_wrong_credentials_are_rejected_and_the_flow_stays(
    client: Client, body: object, code: str, target: str
) -> None:
    href = begin(client)
    response = client.post(href, body, CHECK)
    (detail,) = response.json()["details"]
    assert (response.status_code, detail["code"], detail["target"]) == (400, code, target)
    assert "set-cookie" not in response.headers
    assert status_of(client, href) == "USERNAME_PASSWORD_REQUIRED"


@pytest.mark.parametrize("action", ["otp.check", "user.lookup", "password.forgot", "usernamePassword"])
def test_an_action_that_the_flow_does_not_offer_is_the_wrong_media_type(client: Client, action: str) -> None:
    response = client.post(begin(client), ADA, action)
    assert (response.status_code, response.json()["code"]) == (415, "INVALID_REQUEST")


def test_a_body_that_is_too_long_is_rejected(client: Client) -> None:
    assert client.post(begin(client), b" " * 70_000, CHECK).status_code == 413


def test_identifier_first_asks_for_the_user_and_then_for_the_password(
    client_of: Callable[[str], Client],
) -> None:
    client = client_of("first")
    href = begin(client)
    assert client.post(href, ADA, CHECK).status_code == 415
    assert client.post(href, ADA, "user.lookup").json()["status"] == "USERNAME_PASSWORD_REQUIRED"
    assert client.post(href, ADA, CHECK).json()["status"] == "COMPLETED"


def test_a_session_completes_the_next_flow_at_once_unless_a_login_is_requested(
    client: Client, clock: FakeClock
) -> None:
    cookie = cookie_of(client.post(begin(client), ADA, CHECK))
    statuses = [
        client.authorize(cookie=f"a@b=1; {cookie}; c", prompt=prompt).json()["status"]
        for prompt in (None, "none", "login")
    ]
    assert statuses == ["COMPLETED", "COMPLETED", "USERNAME_PASSWORD_REQUIRED"]
    clock.now = NOW + DAY
    assert client.authorize(cookie=cookie).json()["status"] == "USERNAME_PASSWORD_REQUIRED"


def test_the_oldest_flow_is_dropped_when_there_are_too_many(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.simulator.flow.MAX_KEPT", 2)
    flows = [begin(client) for _ in range(3)]
    assert [client.get(href).status_code for href in flows] == [404, 200, 200]


@pytest.mark.parametrize("cookie", ["ST=made-up", "ST", "other=1", "a=\x01;;ST==", "ST="])
def test_a_cookie_that_was_never_set_is_not_a_session(client: Client, cookie: str) -> None:
    client.post(begin(client), ADA, CHECK)
    assert client.authorize(cookie=cookie).json()["status"] == "USERNAME_PASSWORD_REQUIRED"


def test_a_completed_flow_yields_code_and_state_as_json_with_pi_flow(client: Client) -> None:
    response = client.post(begin(client), ADA, CHECK)
    resumed = client.get(response.json()["resumeUrl"], cookie_of(response))
    answer = resumed.json()["authorizeResponse"]
    assert (resumed.status_code, answer["state"], len(answer["code"])) == (200, "a-state", 32)


def test_a_completed_flow_leads_a_browser_back_to_the_client(client: Client) -> None:
    location = client.authorize(response_mode=None, state=None).headers["location"]
    (flow_id,) = parse_qs(urlsplit(location).query)["flowId"]
    cookie = cookie_of(client.post(f"/flows/{flow_id}", ADA, CHECK))
    back = client.get(f"/as/resume?flowId={flow_id}", cookie).headers["location"]
    assert back.partition("?")[0] == REDIRECT_URI
    assert set(parse_qs(urlsplit(back).query)) == {"code"}


def test_a_flow_is_resumed_only_when_completed_and_in_its_session(client: Client) -> None:
    completed, begun = client.post(begin(client), ADA, CHECK), client.authorize()
    assert client.get(begun.json()["resumeUrl"], cookie_of(completed)).status_code == 400
    assert client.get(completed.json()["resumeUrl"]).status_code == 400
    assert [
        client.get(f"/as/resume?{text}").status_code for text in ("", "flowId=none", "flowId=a&flowId=b")
    ] == [404] * 3
