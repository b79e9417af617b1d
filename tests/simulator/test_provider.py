"""One environment as its clients see it, without a socket."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from simulator.desk import APPLICATION, ENVIRONMENT_ID, NOW, REDIRECT_URI, Desk, emea, header, query

from exporter.simulator import Weather
from exporter.simulator.message import Request

ROOT = f"/{ENVIRONMENT_ID}"
NOT_FOUND = "NOT_FOUND"


def test_an_authorize_request_with_pi_flow_begins_a_flow() -> None:
    reply = Desk().authorize(query())
    document = json.loads(reply.body)
    assert reply.status == 200
    assert header(reply, "content-type") == "application/json"
    assert (document["status"], document["createdAt"]) == (
        "USERNAME_PASSWORD_REQUIRED",
        "2026-04-20T19:54:09.271Z",
    )
    assert header(reply, "set-cookie") is None


def test_every_reply_has_a_correlation_id_of_its_own() -> None:
    desk = Desk()
    replies = [desk.authorize(query()), desk.authorize(""), desk.get("/nowhere"), desk.get(f"{ROOT}/as/jwks")]
    assert len({header(reply, "correlation-id") for reply in replies} - {None}) == 4


def test_a_flow_is_read_at_its_self_link_until_it_expires() -> None:
    desk = Desk()
    begun = json.loads(desk.authorize(query()).body)
    path = urlsplit(begun["_links"]["self"]["href"]).path
    desk.clock.now += 899
    assert json.loads(desk.get(path).body) == begun
    desk.clock.now += 1
    gone = desk.get(path)
    assert (gone.status, json.loads(gone.body)["code"]) == (404, NOT_FOUND)


def test_without_pi_flow_the_browser_is_sent_to_the_sign_on_page_of_a_new_flow() -> None:
    desk = Desk()
    reply = desk.authorize(query(response_mode=None))
    location = header(reply, "location") or ""
    flow_id = parse_qs(urlsplit(location).query)["flowId"][0]
    assert (reply.status, location) == (302, f"https://auth.pingone.com{ROOT}/signon/?flowId={flow_id}")
    assert desk.get(f"{ROOT}/flows/{flow_id}").status == 200
    page = desk.get(f"{ROOT}/signon/")
    assert (page.status, header(page, "content-type")) == (200, "text/html; charset=utf-8")


def test_an_unknown_client_is_sent_to_the_sign_on_page_with_the_error() -> None:
    reply = Desk().authorize(query(client_id="00000000-0000-4000-8000-000000000000"))
    location = header(reply, "location") or ""
    error = json.loads(parse_qs(urlsplit(location).query)["error"][0])
    assert (reply.status, urlsplit(location).path) == (302, f"{ROOT}/signon/")
    assert error["details"][0]["target"] == "client_id"


def test_a_redirect_uri_that_is_not_registered_is_told_as_json() -> None:
    reply = Desk().authorize(query(redirect_uri="https://auth.pingone.com/other"))
    document = json.loads(reply.body)
    assert (reply.status, document["code"]) == (400, "INVALID_DATA")
    assert document["message"]
    assert [(each["code"], each["target"]) for each in document["details"]] == [
        ("INVALID_VALUE", "redirect_uri")
    ]


def test_another_environment_is_not_found() -> None:
    reply = Desk().get("/0d9ff6b8-45f1-4b7e-9d0f-5c1cf3a2b7aa/as/authorize", query())
    assert (reply.status, json.loads(reply.body)["code"]) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/as/authorize"),
        ("GET", f"{ROOT}/as/token"),
        ("POST", f"{ROOT}/as/authorize"),
        ("DELETE", f"{ROOT}/as/jwks"),
    ],
)
def test_a_path_or_method_that_nobody_serves_is_refused_as_by_the_edge(method: str, path: str) -> None:
    reply = Desk().provider.answer(Request(method=method, path=path, query=query()), Weather())
    assert (reply.status, json.loads(reply.body)) == (403, {"message": "Missing Authentication Token"})


def test_a_body_that_is_too_long_is_refused() -> None:
    request = Request(method="POST", path=f"{ROOT}/flows/{ENVIRONMENT_ID}", whole=False)
    assert Desk().provider.answer(request, Weather()).status == 413


def test_a_prompt_of_none_without_a_session_fails_with_a_200() -> None:
    reply = Desk().authorize(query(prompt="none"))
    document = json.loads(reply.body)
    assert reply.status == 200
    assert set(document) == {"environment", "status", "error"}
    assert (document["environment"]["id"], document["status"]) == (ENVIRONMENT_ID, "FAILED")
    assert document["error"]["code"] == "login_required"


def test_a_prompt_of_none_without_pi_flow_is_told_to_the_client_with_its_state() -> None:
    location = header(Desk().authorize(query(prompt="none", response_mode=None)), "location") or ""
    assert location.startswith(f"{REDIRECT_URI}?")
    told = parse_qs(urlsplit(location).query)
    assert (told["error"], told["state"]) == (["login_required"], ["a-state"])


def test_a_redirect_uri_with_a_query_of_its_own_keeps_it() -> None:
    uri = "https://rp.example/callback?tenant=7"
    desk = Desk(emea(applications=(replace(APPLICATION, redirect_uris=(uri,)),)))
    reply = desk.authorize(query(prompt="none", response_mode=None, redirect_uri=uri, state=None))
    told = parse_qs(urlsplit(header(reply, "location") or "").query)
    assert (told["tenant"], told["error"], "state" in told) == (["7"], ["login_required"], False)


def test_flow_failed_is_a_server_error_in_a_200() -> None:
    document = json.loads(Desk().authorize(query(), weather="flow_failed").body)
    assert (document["status"], document["error"]["code"]) == ("FAILED", "server_error")


def test_a_deleted_client_is_an_unknown_one() -> None:
    reply = Desk().authorize(query(), weather="client_deleted")
    assert reply.status == 302
    assert "/signon/?error=" in (header(reply, "location") or "")


def test_a_removed_redirect_uri_is_no_longer_registered() -> None:
    reply = Desk().authorize(query(), weather="redirect_uri_removed")
    assert json.loads(reply.body)["details"][0]["target"] == "redirect_uri"


def test_a_skewed_clock_shifts_what_is_shown_and_not_how_long_a_flow_lasts() -> None:
    desk = Desk()
    document = json.loads(desk.authorize(query(), weather="clock_skewed").body)
    assert (document["createdAt"], document["expiresAt"]) == (
        "2026-04-20T19:59:09.271Z",
        "2026-04-20T20:14:09.271Z",
    )
    path = urlsplit(document["_links"]["self"]["href"]).path
    desk.clock.now = NOW + 899
    assert json.loads(desk.get(path).body) == document
    desk.clock.now = NOW + 900
    assert desk.get(path).status == 404


def test_an_environment_publishes_metadata_and_key_of_itself() -> None:
    desk = Desk()
    document = json.loads(desk.get(f"{ROOT}/as/.well-known/openid-configuration").body)
    assert document["issuer"] == f"https://auth.pingone.com{ROOT}/as"
    assert document["authorization_endpoint"] == f"https://auth.pingone.com{ROOT}/as/authorize"
    assert document["response_modes_supported"] == ["pi.flow", "query", "fragment", "form_post"]
    assert document["code_challenge_methods_supported"] == ["plain", "S256"]
    keys = desk.get(urlsplit(document["jwks_uri"]).path)
    assert json.loads(keys.body) == {"keys": [{"kid": "one"}]}


def test_on_a_custom_domain_the_same_is_served_without_the_id() -> None:
    desk = Desk(emea(https=True, custom_domain=True), base_url="https://login.example.com")
    document = json.loads(desk.get("/as/authorize", query()).body)
    assert document["resumeUrl"] == f"https://login.example.com/as/resume?flowId={document['id']}"
    assert desk.get(urlsplit(document["_links"]["self"]["href"]).path).status == 200
    assert desk.authorize(query()).status == 403
