"""The authorize request is checked parameter by parameter, each error in the provider's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from simulator.examples import REDIRECT_URI, STRICT_CLIENT_ID, query

if TYPE_CHECKING:
    import httpx
    from simulator.conftest import Client

S256 = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B
UNKNOWN_CLIENT = "00000000-0000-4000-8000-000000000000"


def refusal(response: httpx.Response) -> tuple[str, str, str]:
    """Return code, detail code and target of an error that is reported as JSON."""
    assert response.status_code == 400
    return parts(response.json())


def browser_refusal(response: httpx.Response) -> tuple[str, str, str]:
    """Return the same of an error that is reported by a redirect to the sign-on page."""
    assert response.status_code == 302
    location = urlsplit(response.headers["location"])
    assert location.path.endswith("/signon/")
    assert location.query.startswith("error=%7B")
    return parts(json.loads(parse_qs(location.query)["error"][0]))


def parts(error: dict[str, Any]) -> tuple[str, str, str]:
    assert error["id"]
    assert error["message"]
    (detail,) = error["details"]
    assert detail["message"]
    return error["code"], detail["code"], detail["target"]


@pytest.mark.parametrize("name", ["response_type", "client_id", "redirect_uri", "scope"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_parameter_is_required(client: Client, name: str, value: str | None) -> None:
    assert refusal(client.authorize(query(**{name: value}))) == ("INVALID_DATA", "REQUIRED_VALUE", name)


@pytest.mark.parametrize("name", ["response_type", "client_id", "redirect_uri", "scope", "state", "unknown"])
def test_a_duplicate_parameter_makes_the_request_invalid(client: Client, name: str) -> None:
    response = client.authorize(f"{query(**{name: 'a'})}&{name}=a")
    assert refusal(response) == ("INVALID_REQUEST", "INVALID_PARAMETER", name)


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"redirect_uri": REDIRECT_URI + "/"}, "redirect_uri"),
        ({"redirect_uri": REDIRECT_URI.replace("https", "http")}, "redirect_uri"),
        ({"response_type": "token"}, "response_type"),
        ({"response_type": "code id_token"}, "response_type"),
        ({"scope": "profile"}, "scope"),
        ({"scope": "openidx"}, "scope"),
        ({"max_age": "-1"}, "max_age"),
        ({"max_age": "1.5"}, "max_age"),
        ({"prompt": "always"}, "prompt"),
        ({"prompt": "none login"}, "prompt"),
        ({"code_challenge": S256, "code_challenge_method": "S512"}, "code_challenge_method"),
        ({"code_challenge": S256 + "=", "code_challenge_method": "S256"}, "code_challenge"),
        ({"code_challenge": S256[:-1], "code_challenge_method": "S256"}, "code_challenge"),
        ({"code_challenge": "~" * 43, "code_challenge_method": "S256"}, "code_challenge"),
        ({"code_challenge": "a" * 42, "code_challenge_method": "plain"}, "code_challenge"),
        ({"code_challenge": "a" * 129}, "code_challenge"),
        ({"code_challenge": "a" * 43 + "\n"}, "code_challenge"),
    ],
)
def test_a_wrong_value_is_reported_with_its_parameter(
    client: Client, changes: dict[str, str], target: str
) -> None:
    assert refusal(client.authorize(**changes)) == ("INVALID_DATA", "INVALID_VALUE", target)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"state": None, "nonce": None},
        {"scope": "profile openid email"},
        {"max_age": "0"},
        {"prompt": "login"},
        {"prompt": "login consent"},
        {"code_challenge": S256, "code_challenge_method": "S256"},
        {"code_challenge": "~" * 43},
        {"code_challenge": "a" * 128, "code_challenge_method": "plain"},
        {"acr_values": "Single_Factor", "login_hint": "ada"},
    ],
)
def test_a_valid_request_creates_a_flow(client: Client, changes: dict[str, str]) -> None:
    response = client.authorize(**changes)
    assert (response.status_code, response.json()["status"]) == (200, "USERNAME_PASSWORD_REQUIRED")
    assert "set-cookie" not in response.headers


def test_pkce_may_be_required_and_a_method_needs_a_challenge(client: Client) -> None:
    required = ("INVALID_DATA", "REQUIRED_VALUE", "code_challenge")
    assert refusal(client.authorize(client_id=STRICT_CLIENT_ID)) == required
    assert refusal(client.authorize(code_challenge_method="S256")) == required
    assert client.authorize(client_id=STRICT_CLIENT_ID, code_challenge="a" * 43).status_code == 200


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (query(client_id=UNKNOWN_CLIENT), "client_id"),
        (query(client_id="x&y=1"), "client_id"),
        (query(response_mode=None, scope="profile"), "scope"),
        (query(response_mode="form_post", redirect_uri="https://x.example/"), "redirect_uri"),
        (query(response_mode="pi.flows"), "response_mode"),
        (f"{query()}&response_mode=pi.flow", "response_mode"),
    ],
)
def test_an_unknown_client_and_every_error_without_pi_flow_go_to_the_browser(
    client: Client, text: str, target: str
) -> None:
    assert browser_refusal(client.authorize(text))[2] == target


def test_without_pi_flow_the_browser_is_sent_to_the_sign_on_page_of_a_new_flow(client: Client) -> None:
    response = client.authorize(response_mode=None)
    location = response.headers["location"]
    flow_id = parse_qs(urlsplit(location).query)["flowId"][0]
    assert (response.status_code, location) == (302, f"{client.root}/signon/?flowId={flow_id}")
    assert client.get(f"/flows/{flow_id}").json()["status"] == "USERNAME_PASSWORD_REQUIRED"


def test_prompt_none_without_a_session_fails_with_200(client: Client) -> None:
    response = client.authorize(prompt="none")
    document = response.json()
    assert response.status_code == 200
    assert set(document) == {"environment", "status", "error"}
    assert (document["environment"]["id"], document["status"]) == (
        client.environment.environment.id,
        "FAILED",
    )
    assert document["error"]["code"] == "login_required"
