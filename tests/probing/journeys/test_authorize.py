"""The request this project exists for, byte for byte.

From PingOne's Platform API documentation, workflow "external identity provider sign-on", step 3: *Send
external authorization request to the IdP*.
"""

from __future__ import annotations

import gc
import json
import re
import weakref
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import CLIENT, DESTINATION, SOURCE, STATUS, a_flow, a_target

from exporter.probing.journeys import JOURNEYS
from exporter.probing.journeys.authorize import authorize, s256
from exporter.probing.messages import Answer, Step, Verdict
from exporter.probing.probe import fresh_token
from exporter.reasons import Fault, Reason
from exporter.target import Journey, SyntheticUser, Target

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def first_step(target: Target, *tokens: str) -> Step:
    return next(authorize(target, iter(tokens or ("NONCE", "STATE", VERIFIER)).__next__))


def flow_answer(flow: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(flow).encode())


def parameters(step: Step) -> list[tuple[str, str]]:
    query = urlsplit(step.request.url).query
    return parse_qsl(query, keep_blank_values=True, strict_parsing=True)


def test_the_request_is_the_documented_one_byte_for_byte() -> None:
    step = first_step(a_target(), "the-nonce", "the-state")
    assert step.request.method == "GET"
    assert step.request.url == (
        f"https://auth.pingone.com/{SOURCE}/as/authorize"
        "?response_type=code"
        f"&redirect_uri=https%3A%2F%2Fauth.pingone.com%2F{DESTINATION}%2Frp%2Fcallback%2Fopenid_connect"
        "&scope=openid"
        f"&client_id={CLIENT}"
        "&nonce=the-nonce"
        "&state=the-state"
        "&response_mode=pi.flow"
    )
    assert step.name == "authorize"
    assert step.judge(flow_answer(a_flow())).reason is Reason.OK
    assert step.judge(flow_answer(a_flow(environment={"id": DESTINATION}))).reason is Reason.NOT_A_FLOW
    assert step.judge(flow_answer(a_flow(status="SIGN_ON_REQUIRED"))).reason is Reason.UNEXPECTED_STATUS


def test_a_custom_domain_has_no_environment_in_its_path() -> None:
    step = first_step(a_target(source_url="https://id.example.com"))
    assert step.request.url.startswith("https://id.example.com/as/authorize?response_type=code&")


def test_what_the_operator_adds_comes_after_the_documented_parameters() -> None:
    target = a_target(
        scope="openid profile email",
        prompt="login",
        acr_values="Single_Factor Multi_Factor",
        login_hint="jane+doe@example.com",
        max_age=0,
    )
    assert parameters(first_step(target, "n", "s")) == [
        ("response_type", "code"),
        ("redirect_uri", target.redirect_uri),
        ("scope", "openid profile email"),
        ("client_id", CLIENT),
        ("nonce", "n"),
        ("state", "s"),
        ("response_mode", "pi.flow"),
        ("prompt", "login"),
        ("acr_values", "Single_Factor Multi_Factor"),
        ("login_hint", "jane+doe@example.com"),
        ("max_age", "0"),
    ]


def test_spaces_are_sent_as_percent_20_which_every_server_reads() -> None:
    url = first_step(a_target(scope="openid profile")).request.url
    assert "&scope=openid%20profile&" in url
    assert "+" not in url


def test_pkce_sends_the_challenge_and_keeps_the_verifier() -> None:
    step = first_step(a_target(pkce=True), "n", "s", VERIFIER)
    assert parameters(step)[-2:] == [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]
    assert VERIFIER not in step.request.url
    assert VERIFIER in step.secrets


def test_without_pkce_nothing_of_it_is_sent() -> None:
    assert "code_challenge" not in first_step(a_target()).request.url


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    assert s256(VERIFIER) == CHALLENGE


def test_nonce_and_state_are_fresh_for_every_probe_and_differ() -> None:
    seen: set[str] = set()
    for _ in range(50):
        sent = dict(parameters(next(authorize(a_target(pkce=True), fresh_token))))
        seen |= {sent["nonce"], sent["state"], sent["code_challenge"]}
    assert len(seen) == 150


def test_a_fresh_token_has_256_bits_in_43_url_safe_characters() -> None:
    # RFC 7636 wants 43 to 128 characters of a verifier; 128 bits of a nonce need 22.
    tokens = {fresh_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


@pytest.mark.parametrize(("pkce", "secrets"), [(False, ("n", "s")), (True, ("n", "s", VERIFIER))])
@pytest.mark.parametrize("hint", [(), ("jane@example.com",)])
def test_what_was_made_for_a_step_is_named_as_its_secrets_and_so_is_a_login_hint(
    *, pkce: bool, secrets: tuple[str, ...], hint: tuple[str, ...]
) -> None:
    target = a_target(pkce=pkce, login_hint=next(iter(hint), None))
    assert first_step(target, "n", "s", VERIFIER).secrets == secrets + hint


def test_the_journey_has_one_step_and_ends_when_it_was_judged_good() -> None:
    walk = JOURNEYS[Journey.AUTHORIZE](a_target(), fresh_token)
    next(walk)
    with pytest.raises(StopIteration):
        walk.send(Verdict(Reason.OK, Fault.NONE, STATUS, flow=a_flow()))


@pytest.mark.parametrize(
    ("statuses", "headers"),
    [
        ((STATUS,), ()),
        (("DAVINCI",), (("X-Requested-With", "ping-sdk"),)),
        ((STATUS, "DAVINCI"), (("X-Requested-With", "ping-sdk"),)),
    ],
)
def test_if_davinci_is_expected_the_sdk_form_is_requested(
    statuses: tuple[str, ...], headers: tuple[tuple[str, str], ...]
) -> None:
    assert first_step(a_target(expected_statuses=statuses), "n", "s").request.headers == headers


@pytest.mark.parametrize(
    ("prompt", "forbidden"), [(None, False), ("login", False), ("none", True), ("login none", True)]
)
def test_the_judge_knows_that_prompts_are_forbidden(prompt: str | None, *, forbidden: bool) -> None:
    answer = flow_answer({"status": "FAILED", "error": {"code": "login_required"}})
    verdict = first_step(a_target(prompt=prompt), "n", "s").judge(answer)
    assert verdict.fault is (Fault.CONFIGURATION if forbidden else Fault.PROVIDER)


def test_a_target_that_is_gone_leaves_nothing() -> None:
    target = a_target(user=SyntheticUser(username="demo", password="of-a-removed-target"))
    first_step(target, "nonce", "state")
    gone = weakref.ref(target)
    del target
    gc.collect()
    assert gone() is None


def test_every_journey_can_be_run() -> None:
    assert set(JOURNEYS) >= set(Journey) - {Journey.DISCOVERY}


WRITTEN = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


@given(
    scope=WRITTEN,
    login_hint=WRITTEN,
    acr_values=WRITTEN,
    prompt=WRITTEN,
    redirect_uri=WRITTEN,
    client_id=WRITTEN,
)
def test_whatever_the_operator_writes_arrives_unchanged(
    scope: str, login_hint: str, acr_values: str, prompt: str, redirect_uri: str, client_id: str
) -> None:
    target = a_target(
        scope=scope,
        login_hint=login_hint,
        acr_values=acr_values,
        prompt=prompt,
        redirect_uri=redirect_uri,
        client_id=client_id,
    )
    step = first_step(target, "n", "s")
    sent = dict(parameters(step))
    assert sent == {
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": scope,
        "client_id": client_id,
        "nonce": "n",
        "state": "s",
        "response_mode": "pi.flow",
        "prompt": prompt,
        "acr_values": acr_values,
        "login_hint": login_hint,
    }
    # What httpx makes of an URL is what goes over the wire.
    assert step.request.url.endswith(httpx.URL(step.request.url).raw_path.decode("ascii"))
