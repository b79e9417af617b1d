"""The whole sign-on across two environments: what each step yields, what it refuses, and every fault."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from harness.simulated import Simulated
from harness.waiting import PATIENCE
from simulator.conftest import Client
from simulator.examples import NOW, FakeClock, emea, other_id

from exporter.simulator import (
    Application,
    Environment,
    IdentityProvider,
    SignOnPolicy,
    parse_weather_text,
)
from exporter.target import ClientAuth, Side

APP = "0d9ff6b8-45f1-4b7e-9d0f-0000000000aa"
FIRST_APP = "0d9ff6b8-45f1-4b7e-9d0f-0000000000ab"
DIRECT_APP = "0d9ff6b8-45f1-4b7e-9d0f-0000000000ac"
POST_APP = "0d9ff6b8-45f1-4b7e-9d0f-0000000000ad"
PUBLIC_APP = "0d9ff6b8-45f1-4b7e-9d0f-0000000000ae"
S_APP = "0d9ff6b8-45f1-4b7e-9d0f-0000000000af"
PROVIDER = "0d9ff6b8-45f1-4b7e-9d0f-0000000000b0"
BACK = "https://app.example/back"
SECRET = "a+b/c d:e"
ADA = {"username": "ada", "password": "lovelace"}
CHECK = "usernamePassword.check"


def application(client_id: str, **changes: Any) -> Application:  # noqa: ANN401  any field
    return Application(client_id=client_id, redirect_uris=(BACK,), client_secret=SECRET, **changes)


def destination() -> Environment:
    provider = IdentityProvider(
        id=PROVIDER, source="emea", client_id=S_APP, client_secret=SECRET, name="Emea"
    )
    return emea(
        name="hub",
        id=other_id(7),
        https=True,
        providers=(provider,),
        applications=(
            application(APP),
            application(FIRST_APP, sign_on_policy=SignOnPolicy.IDENTIFIER_FIRST),
            application(DIRECT_APP, sign_on_policy=SignOnPolicy.IDENTITY_PROVIDER),
            application(POST_APP, client_auth=ClientAuth.POST),
            application(PUBLIC_APP, client_auth=ClientAuth.NONE, pkce_required=True),
        ),
    )


SOURCE = emea(https=True, applications=(application(S_APP, pkce_required=True),))


class User(httpx.Client):
    """A browser with cookies, which follows no redirect, and knows both environments."""

    def __init__(self, simulated: Simulated) -> None:
        self.source, self.destination = Client(simulated, "emea"), Client(simulated, "hub")
        super().__init__(verify=self.source._trust, trust_env=False, timeout=PATIENCE)  # noqa: SLF001  the same trust
        self.verifier = secrets.token_urlsafe(48)
        self.nonce, self.state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.steps: dict[str, httpx.Response] = {}

    def put_weather(self, side: Side, text: str) -> None:
        environment = self.source if side is Side.SOURCE else self.destination
        document = parse_weather_text(text).as_json()
        environment.put_weather(document.pop("weather"), **document)

    def act(self, flow: Mapping[str, Any], action: str, body: object = ADA) -> httpx.Response:
        headers = {"content-type": f"application/vnd.pingidentity.{action}+json"}
        return self.post(flow["_links"]["self"]["href"], content=json.dumps(body), headers=headers)

    def begin(self, client_id: str = APP, **changes: str) -> httpx.Response:
        self.cookies.clear()  # a session would complete the flow at once
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        parameters = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": BACK,
            "scope": "openid",
            "nonce": self.nonce,
            "state": self.state,
            "response_mode": "pi.flow",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return self.get(f"{self.destination.root}/as/authorize?{urlencode(parameters)}")

    def sign_on(self, href: str) -> str:
        """Go through the source and return the callback's URL."""
        initiated = self.note("initiate", self.get(href))
        location = initiated.headers["location"]
        flow = self.note("source_authorize", self.get(f"{location}&response_mode=pi.flow")).json()
        completed = self.note("sign_on", self.act(flow, CHECK)).json()
        answer = self.note("source_resume", self.get(completed["resumeUrl"])).json()["authorizeResponse"]
        sent = parse_qs(urlsplit(location).query)
        return f"{sent['redirect_uri'][0]}?{urlencode(answer)}"

    def finish(self, callback: str) -> str:
        """Return to the destination and return its code."""
        back = self.note("callback", self.get(callback)).headers["location"]
        flow_id = parse_qs(urlsplit(back).query)["flowId"][0]
        flow = self.note("destination_flow", self.get(f"{self.destination.root}/flows/{flow_id}")).json()
        result = self.note("destination_resume", self.get(flow["resumeUrl"])).json()["authorizeResponse"]
        assert result["state"] == self.state
        return str(result["code"])

    def code(self, client_id: str = APP) -> str:
        flow = self.note("destination_authorize", self.begin(client_id)).json()
        return self.finish(self.sign_on(offered(flow)))

    def redeem(self, code: str, auth: Any = (APP, SECRET), **changes: str) -> httpx.Response:  # noqa: ANN401  httpx's
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": self.verifier,
            **changes,
        }
        if isinstance(auth, tuple):
            auth = (auth[0], urlencode({"": auth[1]})[1:])
        return self.post(f"{self.destination.root}/as/token", data=form, auth=auth)

    def note(self, step: str, response: httpx.Response) -> httpx.Response:
        self.steps[step] = response
        return response


def offered(flow: Mapping[str, Any]) -> str:
    (provider,) = flow["_embedded"]["socialProviders"]
    href: str = provider["_links"]["authenticate"]["href"]
    return href


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decoded(token.split(".")[1]))
    return claims


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def federation(clock: FakeClock) -> Iterator[Simulated]:
    with Simulated((SOURCE, destination()), clock=clock) as simulated:
        yield simulated


@pytest.fixture
def user(federation: Simulated) -> Iterator[User]:
    """A user of two healthy environments."""
    with User(federation) as user:
        for side in Side:
            user.put_weather(side, "healthy")
        yield user


def test_a_sign_on_across_both_environments_yields_a_token_for_this_client(user: User) -> None:
    code = user.code()
    document = user.redeem(code).json()
    claims = claims_of(document["id_token"])
    assert claims["iss"] == f"{user.destination.root}/as"
    assert (claims["aud"], claims["nonce"]) == (APP, user.nonce)
    assert claims["exp"] == claims["iat"] + 3600
    assert {step: response.status_code for step, response in user.steps.items()} == {
        "destination_authorize": 200,
        "initiate": 302,
        "source_authorize": 200,
        "sign_on": 200,
        "source_resume": 200,
        "callback": 302,
        "destination_flow": 200,
        "destination_resume": 200,
    }
    again = user.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_the_same_user_has_the_same_subject_each_time(user: User) -> None:
    subjects = {claims_of(user.redeem(user.code()).json()["id_token"])["sub"] for _ in range(2)}
    assert len(subjects) == 1


def test_the_token_is_signed_by_a_published_key_also_after_a_rotation(user: User) -> None:
    kids = []
    for _ in range(2):
        token = user.redeem(user.code()).json()["id_token"]
        published = {key["kid"]: key for key in user.get(f"{user.destination.root}/as/jwks").json()["keys"]}
        key = published[json.loads(decoded(token.split(".")[0]))["kid"]]
        numbers = (int.from_bytes(decoded(key[name]), "big") for name in ("e", "n"))
        signed, _, signature = token.rpartition(".")
        RSAPublicNumbers(*numbers).public_key().verify(
            decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256()
        )
        kids.append((key["kid"], set(published)))
        user.put_weather(Side.DESTINATION, "keys_rotated")
    assert kids[0][0] != kids[1][0]
    assert kids[0][0] in kids[1][1]


def test_the_link_leads_to_the_source_with_state_nonce_and_pkce(user: User) -> None:
    location = user.get(offered(user.begin().json())).headers["location"]
    base, _, query = location.partition("?")
    parameters = dict(parse_qsl(query))
    assert base == f"{user.source.root}/as/authorize"
    assert list(parameters) == [
        "client_id",
        "scope",
        "redirect_uri",
        "response_type",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    ]
    assert parameters["redirect_uri"] == f"{user.destination.root}/rp/callback/openid_connect"
    assert parameters["client_id"] == S_APP
    again = dict(parse_qsl(user.get(offered(user.begin().json())).headers["location"]))
    assert again["state"] != parameters["state"]


def test_identifier_first_names_the_provider_after_the_lookup(user: User) -> None:
    flow = user.begin(FIRST_APP).json()
    assert (flow["status"], set(flow["_embedded"])) == ("SIGN_ON_REQUIRED", {"application"})
    assert user.get(
        f"{user.destination.root}/rp/authenticate?providerId={PROVIDER}&flowId={flow['id']}"
    ).is_error
    found = user.act(flow, "user.lookup", {"username": "ada"}).json()
    assert found["status"] == "EXTERNAL_AUTHENTICATION_REQUIRED"
    assert found["_embedded"]["identityProvider"]["id"] == PROVIDER
    href = found["_embedded"]["identityProvider"]["_links"]["authenticate"]["href"]
    assert user.finish(user.sign_on(href))


def test_a_policy_without_a_page_leads_a_browser_to_the_provider(user: User) -> None:
    location = user.begin(DIRECT_APP, response_mode="query").headers["location"]
    assert f"/rp/authenticate?providerId={PROVIDER}&flowId=" in location
    assert user.get(user.sign_on(location)).status_code == 302


def test_a_policy_without_a_page_names_the_provider_at_once(user: User) -> None:
    flow = user.begin(DIRECT_APP).json()
    assert flow["status"] == "EXTERNAL_AUTHENTICATION_REQUIRED"
    assert flow["_embedded"]["identityProvider"]["name"] == "Emea"
    assert user.finish(user.sign_on(flow["_embedded"]["identityProvider"]["_links"]["authenticate"]["href"]))


def test_without_pi_flow_a_code_comes_by_redirect(user: User) -> None:
    signon = user.begin(response_mode="query").headers["location"]
    flow_id = parse_qs(urlsplit(signon).query)["flowId"][0]
    flow = user.get(f"{user.destination.root}/flows/{flow_id}").json()
    user.get(user.sign_on(offered(flow)))
    location = user.get(flow["resumeUrl"]).headers["location"]
    assert location.startswith(f"{BACK}?code=")
    assert parse_qs(urlsplit(location).query)["state"] == [user.state]


# What is refused


@pytest.mark.parametrize(
    ("client_id", "auth", "changes", "status", "error"),
    [
        (APP, (APP, "wrong"), {}, 401, "invalid_client"),
        (APP, None, {"client_id": APP, "client_secret": SECRET}, 401, "invalid_client"),
        (APP, None, {}, 401, "invalid_client"),
        (APP, (APP, SECRET), {"code": "other"}, 400, "invalid_grant"),
        (APP, (APP, SECRET), {"code_verifier": "x" * 43}, 400, "invalid_grant"),
        (APP, (APP, SECRET), {"redirect_uri": "https://app.example/"}, 400, "invalid_grant"),
        (APP, (APP, SECRET), {"grant_type": "password"}, 400, "unsupported_grant_type"),
        (APP, (FIRST_APP, SECRET), {}, 400, "invalid_grant"),
        (POST_APP, (POST_APP, SECRET), {}, 401, "invalid_client"),
        (POST_APP, None, {"client_id": POST_APP, "client_secret": SECRET}, 200, None),
        (PUBLIC_APP, None, {"client_id": PUBLIC_APP}, 200, None),
        (PUBLIC_APP, None, {"client_id": PUBLIC_APP, "code_verifier": ""}, 400, "invalid_grant"),
    ],
)
def test_a_code_is_redeemed_by_its_client_alone_in_its_own_way(
    user: User,
    client_id: str,
    auth: tuple[str, str] | None,
    changes: dict[str, str],
    status: int,
    error: str | None,
) -> None:
    code = user.code(client_id)
    response = user.redeem(auth=auth, **{"code": code, **changes})
    assert (response.status_code, response.json().get("error")) == (status, error)


def test_a_code_expires(user: User, clock: FakeClock) -> None:
    code = user.code()
    clock.now += 600
    assert user.redeem(code).json()["error"] == "invalid_grant"


def test_a_token_request_must_be_a_form(user: User) -> None:
    response = user.post(f"{user.destination.root}/as/token", json={"code": "x"})
    assert response.status_code == 415


def test_a_state_is_good_for_one_callback_within_fifteen_minutes(user: User, clock: FakeClock) -> None:
    callback = user.sign_on(offered(user.begin().json()))
    user.finish(callback)
    assert "?error=" in user.get(callback).headers["location"]
    late = user.sign_on(offered(user.begin().json()))
    clock.now += 900
    assert "?error=" in user.get(late).headers["location"]


@pytest.mark.parametrize(
    "change", [{"code": "other"}, {"state": "other"}, {"code": ""}, {"state": ""}, {"error": "access_denied"}]
)
def test_a_callback_with_another_code_or_state_is_refused(user: User, change: dict[str, str]) -> None:
    base, _, query = user.sign_on(offered(user.begin().json())).partition("?")
    parameters = {**dict(parse_qsl(query)), **change}
    if "error" in change:
        del parameters["code"]
    response = user.get(f"{base}?{urlencode(parameters)}")
    assert (response.status_code, "?error=" in response.headers["location"]) == (302, True)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("step", ["source_resume", "destination_resume"])
def test_a_flow_yields_nothing_without_the_cookie_of_its_environment(user: User, step: str) -> None:
    user.code()
    url = str(user.steps[step].url)
    other = next(cookie for cookie in user.cookies.jar if cookie.path not in urlsplit(url).path)
    header = {"cookie": f"{other.name}={other.value}"}
    trust = user.source._trust  # noqa: SLF001  the same
    with httpx.Client(verify=trust, trust_env=False, timeout=PATIENCE) as stranger:
        assert stranger.get(url).status_code == 400
        assert stranger.get(url, headers=header).status_code == 400
    assert [cookie.path for cookie in user.cookies.jar] == [
        f"/{each.environment.environment.id}" for each in (user.source, user.destination)
    ]


def test_an_unknown_provider_or_flow_is_not_found(user: User) -> None:
    flow = user.begin().json()
    for provider, flow_id in ((other_id(1), flow["id"]), (PROVIDER, other_id(2))):
        url = f"{user.destination.root}/rp/authenticate?providerId={provider}&flowId={flow_id}"
        assert user.get(url).status_code == 404


def test_a_wrong_password_and_a_locked_user_are_told_with_the_vendor_s_numbers(user: User) -> None:
    location = user.get(offered(user.begin().json())).headers["location"]
    flow = user.get(f"{location}&response_mode=pi.flow").json()
    details = [
        user.act(flow, CHECK, {"username": name, "password": "wrong"}).json()["details"][0]
        for name in ("ada", "unknown")
    ]
    user.put_weather(Side.SOURCE, "account_locked")
    details.append(user.act(flow, CHECK).json()["details"][0])
    assert [(detail["code"], detail["innerError"]) for detail in details] == [
        ("INVALID_VALUE", {"failuresRemaining": 4}),
        ("INVALID_VALUE", {"failuresRemaining": 4}),
        ("PASSWORD_LOCKED_OUT", {"secondsUntilUnlock": 900}),
    ]


# Weather


def last_answer(user: User) -> httpx.Response:
    """Walk as far as the answers allow and return the last one."""
    try:
        user.note("destination_keys", user.get(f"{user.destination.root}/as/jwks"))
        user.note("token", user.redeem(user.code()))
    except (KeyError, ValueError, AssertionError):
        pass
    return list(user.steps.values())[-1]


@pytest.mark.parametrize(
    ("text", "status", "codes"),
    [
        ("password_changed", None, ["INVALID_VALUE"]),
        ("account_locked", None, ["PASSWORD_LOCKED_OUT"]),
        ("account_locked,answer=flow", "FAILED", ["PASSWORD_LOCKED_OUT"]),
        ("mfa_required", "OTP_REQUIRED", []),
        ("mfa_required,status=NO_USABLE_DEVICES", "FAILED", ["NO_USABLE_DEVICES"]),
        ("password_expired", "PASSWORD_EXPIRED", []),
        ("password_expired,status=MUST_CHANGE_PASSWORD", "MUST_CHANGE_PASSWORD", []),
        ("further_action", "AGREEMENT_CONSENT_REQUIRED", []),
    ],
)
def test_a_user_who_cannot_sign_on_gets_no_session(
    user: User, text: str, status: str | None, codes: list[str]
) -> None:
    user.put_weather(Side.SOURCE, text)
    last_answer(user)
    document = user.steps["sign_on"].json()
    found = [detail["code"] for detail in document.get("details", [])]
    assert (document.get("status"), found + ([document["error"]["code"]] if "error" in document else [])) == (
        status,
        codes,
    )
    assert "set-cookie" not in user.steps["sign_on"].headers


@pytest.mark.parametrize(
    "text",
    [
        "token_refused",
        "error_json,endpoint=token",
        "rate_limited,endpoint=token",
        "reset,endpoint=token",
        *(f"id_token_invalid,wrong={wrong}" for wrong in ("iss", "aud", "nonce", "exp", "kid", "signature")),
    ],
)
def test_what_fails_at_the_source_s_token_endpoint_shows_at_the_callback(user: User, text: str) -> None:
    user.put_weather(Side.SOURCE, text)
    callback = user.sign_on(offered(user.begin().json()))
    assert "?error=" in user.get(callback).headers["location"]


@pytest.mark.parametrize("wrong", ["iss", "aud", "nonce", "exp"])
def test_one_claim_of_an_invalid_token_is_wrong(user: User, wrong: str) -> None:
    good = claims_of(user.redeem(user.code()).json()["id_token"])
    user.put_weather(Side.DESTINATION, f"id_token_invalid,wrong={wrong}")
    bad = claims_of(user.redeem(user.code()).json()["id_token"])
    assert {name for name in good if name != "iat" and good[name] != bad[name]} == {wrong}


def test_a_lost_state_is_another_one(user: User) -> None:
    user.put_weather(Side.DESTINATION, "state_lost")
    with pytest.raises(AssertionError):
        user.code()
    assert user.steps["destination_resume"].json()["authorizeResponse"]["code"]


def test_a_custom_domain_can_be_a_destination() -> None:
    hub = replace(destination(), custom_domain=True)
    with Simulated((SOURCE, hub), clock=FakeClock(NOW)) as simulated, User(simulated) as user:
        assert (
            claims_of(user.redeem(user.code()).json()["id_token"])["iss"] == f"{user.destination.base_url}/as"
        )
