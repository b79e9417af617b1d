"""The authorize request is checked parameter by parameter, each mistake told in the provider's words."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator.desk import APPLICATION, REDIRECT_URI, emea, query

from exporter.simulator.authorize import read_authorize
from exporter.simulator.problem import RefusedError

S256 = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


def refusal(text: str, *, pkce: bool = False) -> RefusedError:
    environment = emea(applications=(replace(APPLICATION, pkce_required=pkce),))
    with pytest.raises(RefusedError) as caught:
        read_authorize(text, environment)
    return caught.value


def test_the_seeds_request_is_granted() -> None:
    asked = read_authorize(query(), emea())
    assert (asked.application, asked.redirect_uri, asked.state) == (APPLICATION, REDIRECT_URI, "a-state")
    assert asked.pi_flow
    assert asked.prompts == frozenset()


def test_neither_state_nor_nonce_is_required() -> None:
    assert read_authorize(query(state=None, nonce=None), emea()).state is None


@pytest.mark.parametrize("name", ["response_type", "client_id", "redirect_uri", "scope"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_parameter_that_is_missing_or_empty_is_required(name: str, value: str | None) -> None:
    refused = refusal(query(**{name: value}))
    assert (refused.problem.status, refused.problem.code) == (400, "INVALID_DATA")
    assert refused.problem.detail == ("REQUIRED_VALUE", name, f"{name} is required")
    assert not refused.to_browser


@pytest.mark.parametrize(
    "name", ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "unknown"]
)
def test_a_parameter_given_twice_makes_the_request_invalid(name: str) -> None:
    refused = refusal(f"{query(**{name: 'a'})}&{name}=a")
    assert (refused.problem.status, refused.problem.code) == (400, "INVALID_REQUEST")
    assert refused.problem.detail is not None
    assert refused.problem.detail[:2] == ("INVALID_PARAMETER", name)


def test_response_mode_given_twice_is_told_to_the_browser() -> None:
    assert refusal(f"{query()}&response_mode=pi.flow").to_browser


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
def test_a_wrong_value_is_invalid_data_about_its_parameter(changes: dict[str, str], target: str) -> None:
    refused = refusal(query(**changes))
    assert (refused.problem.status, refused.problem.code) == (400, "INVALID_DATA")
    assert refused.problem.detail is not None
    assert refused.problem.detail[:2] == ("INVALID_VALUE", target)
    assert not refused.to_browser


@pytest.mark.parametrize(
    "changes",
    [
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
def test_a_right_value_is_granted(changes: dict[str, str]) -> None:
    assert read_authorize(query(**changes), emea()).pi_flow


def test_an_application_that_requires_pkce_refuses_a_request_without_a_challenge() -> None:
    problem = refusal(query(), pkce=True).problem
    assert problem.detail == ("REQUIRED_VALUE", "code_challenge", "code_challenge is required")


def test_a_challenge_method_without_a_challenge_is_a_mistake_everywhere() -> None:
    problem = refusal(query(code_challenge_method="S256")).problem
    assert problem.detail is not None
    assert problem.detail[1] == "code_challenge"


def test_an_unknown_client_is_told_to_the_browser_even_with_pi_flow() -> None:
    refused = refusal(query(client_id="00000000-0000-4000-8000-000000000000"))
    assert refused.to_browser
    assert refused.problem.detail is not None
    assert refused.problem.detail[:2] == ("INVALID_VALUE", "client_id")


def test_without_pi_flow_every_mistake_is_told_to_the_browser() -> None:
    assert refusal(query(response_mode=None, scope=None)).to_browser
    assert refusal(query(response_mode="form_post", redirect_uri="https://x.example/")).to_browser


def test_a_response_mode_that_is_none_is_told_to_the_browser() -> None:
    refused = refusal(query(response_mode="pi.flows"))
    assert refused.to_browser
    assert refused.problem.detail == (
        "INVALID_VALUE",
        "response_mode",
        "Must be one of pi.flow, query, fragment, form_post.",
    )


@pytest.mark.parametrize("text", [query() + "&login_hint=%ff", "&".join(f"a{n}=1" for n in range(60))])
def test_a_query_that_cannot_be_decoded_is_invalid(text: str) -> None:
    refused = refusal(text)
    assert (refused.problem.status, refused.problem.code) == (400, "INVALID_REQUEST")


@given(st.text(max_size=200))
def test_any_query_is_granted_or_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        read_authorize(text, emea())


def test_the_error_of_a_redirect_is_a_json_object_in_one_parameter() -> None:
    reply = refusal(query(client_id="x&y=1")).problem.as_redirect("https://apps.example/e/signon/")
    location = dict(reply.headers)["Location"]
    assert location.startswith("https://apps.example/e/signon/?error=%7B")
    error = json.loads(parse_qs(urlsplit(location).query)["error"][0])
    assert (error["code"], error["details"][0]["target"]) == ("INVALID_DATA", "client_id")


def test_state_is_not_in_the_repr_of_what_was_asked() -> None:
    assert "a-state" not in repr(read_authorize(query(), emea()))
