"""Faults of the journey `federation`: two scripted environments, and what each step may answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from faults.stage import html
from harness.http_messages import Answer, json_answer
from harness.http_server import HttpServer
from harness.seed import seed_flow
from harness.variables import DESTINATION, SOURCE, target_variables
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason
from exporter.target import Journey

if TYPE_CHECKING:
    import asyncio

    from harness.certificates import Authority
    from harness.http_messages import Request

CLIENT = "9f0c1f9e-6d0f-4e3a-8c55-0a4b1d2c3e4f"
PROVIDER = "5b0f7a52-8d6c-4a3e-9f10-2c3d4e5f6a7b"
FLOW = "1c2f0a5e-5c3c-4f4e-9b1a-7d5c9d0e1f22"
APP_URI = "https://app.example/callback"
USERNAME, PASSWORD, CLIENT_SECRET = "planted-user", "planted+pass/word", "planted+client/secret"
STATE, NONCE, CODE, APP_CODE = (f"planted-{word}" for word in ("state", "nonce", "code", "app-code"))
COOKIE, ACCESS_TOKEN = "planted-cookie", "planted-access-token"
PLANTED = (USERNAME, PASSWORD, CLIENT_SECRET, STATE, NONCE, CODE, APP_CODE, COOKIE, ACCESS_TOKEN)

STEPS = tuple(step for step in Journey.FEDERATION.steps if step != "destination_lookup")
SILENT = Answer(raw=b"", delay=3600)
TIMEOUT = {"federation_timeout": "10s", "federation_interval": "30s"}
"""For what only a deadline ends: the steps before fit in, and the stalls of a hundred probes explain none."""


@dataclass(slots=True)
class World:
    """The two environments of one case.

    Args:
        url: what the URLs of both start with.
        query: of the destination's authorize request.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return f"{self.url}/{SOURCE}"

    @property
    def destination(self) -> str:
        return f"{self.url}/{DESTINATION}"

    @property
    def callback(self) -> str:
        return f"{self.destination}/rp/callback/openid_connect"

    def source_flow(self, status: str = "USERNAME_PASSWORD_REQUIRED", **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
        return seed_flow(SOURCE, base_url=self.url, flow_id=FLOW, status=status) | fields

    def flow(self, status: str = "USERNAME_PASSWORD_REQUIRED", **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
        return seed_flow(DESTINATION, base_url=self.url, flow_id=FLOW, status=status) | fields

    def offer(self, link: str | None = None) -> dict[str, Any]:
        href = link or f"{self.destination}/rp/authenticate?providerId={PROVIDER}&flowId={FLOW}"
        entry = {"id": PROVIDER, "name": "Partners", "_links": {"authenticate": {"href": href}}}
        return self.flow(_embedded={"socialProviders": [entry]})

    def authorize_url(self, **changes: str) -> str:
        parameters = {
            "client_id": "source-client",
            "scope": "openid",
            "redirect_uri": self.callback,
            "response_type": "code",
            "state": STATE,
            "nonce": NONCE,
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
        }
        return f"{self.source}/as/authorize?{urlencode({**parameters, **changes})}"

    def claims(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  any claim
        now = int(time.time())
        good = {"iss": f"{self.destination}/as", "aud": CLIENT, "sub": "user", "iat": now, "exp": now + 3600}
        return {**good, "nonce": self.query["nonce"], **changes}


Play = Callable[[World], Answer]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row: what one step answers and what must be reported; all other steps are good.

    Args:
        step: the step.
        says: what the environment does, in one line.
        play: its answer.
        reason: and
        fault: of the probe.
        phase: where it ends.
        fields: further settings of the target; None is not set.
        others: answers of other steps, and of paths at a provider that is not PingOne.
        listed: whether the target is discovered at the destination, instead of configured.
    """

    step: str
    says: str
    play: Play
    reason: Reason
    fault: Fault
    phase: Phase = Phase.TRANSFER
    fields: Mapping[str, str | None] = field(default_factory=dict)
    others: Mapping[str, Play] = field(default_factory=dict)
    listed: bool = False


@cache
def key() -> RSAKey:
    """Return the destination's signing key."""
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "one"}, private=True)


@cache
def other_key() -> RSAKey:
    """Return a key that is not published."""
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "two"}, private=True)


def signed(
    kid: str = "one",
    by: Callable[[], RSAKey | OctKey] = key,
    alg: str = "RS256",
    **changes: Any,  # noqa: ANN401  any claim
) -> Play:
    """Answer a token request with an ID token of which one thing is wrong."""

    def play(world: World) -> Answer:
        token = jwt.encode({"alg": alg, "kid": kid}, world.claims(**changes), by())
        return json_answer({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": token})

    return play


def redirects(location: Callable[[World], str]) -> Play:
    return lambda world: Answer(status=302, headers=(("Location", location(world)), ("Content-Length", "0")))


def says(document: Any, status: int = 200, **headers: str) -> Play:  # noqa: ANN401  any JSON
    extra = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _: json_answer(document, status=status, headers=extra)


def source(status: str) -> Play:
    return lambda world: json_answer(world.source_flow(status))


def destination(status: str) -> Play:
    return lambda world: json_answer(world.flow(status))


def wrong(code: str, **fields: Any) -> Play:  # noqa: ANN401  any JSON
    details = [{"code": code, "target": "password", "message": PASSWORD, **fields}]
    return says({"id": "x", "code": "INVALID_DATA", "message": USERNAME, "details": details}, 400)


def failed(code: str) -> Play:
    return says({"status": "FAILED", "error": {"code": code, "message": f"{USERNAME} {CODE}"}})


GOOD: Mapping[str, Play] = {
    "destination_authorize": lambda world: json_answer(world.offer()),
    "initiate": redirects(World.authorize_url),
    "source_authorize": source("USERNAME_PASSWORD_REQUIRED"),
    "sign_on": lambda world: json_answer(
        world.source_flow("COMPLETED"),
        headers=(("Set-Cookie", f"ST={COOKIE}; Path={urlsplit(world.source).path}; Secure; HttpOnly"),),
    ),
    "source_resume": lambda world: json_answer(
        world.source_flow("COMPLETED", authorizeResponse={"code": CODE, "state": STATE})
    ),
    "callback": redirects(lambda world: f"{world.destination}/signon/?flowId={FLOW}"),
    "destination_flow": destination("COMPLETED"),
    "destination_resume": lambda world: json_answer(
        world.flow("COMPLETED", authorizeResponse={"code": APP_CODE, "state": world.query["state"]})
    ),
    "destination_keys": lambda _: json_answer({"keys": [key().as_dict(private=False)]}),
    "token": signed(),
}

SIGN_ON_PAGE = "https://apps.pingone.com/x/signon/"
JSON_ERROR = urlencode({"error": json.dumps({"code": "INVALID_DATA", "message": CODE})})
R, CONF, PROV, ACCT = Reason, Fault.CONFIGURATION, Fault.PROVIDER, Fault.ACCOUNT

FAULTS = (
    Broken("destination_authorize", "offers no identity provider",
           lambda world: json_answer(world.flow()), R.PROVIDER_MISSING, CONF),
    Broken("destination_authorize", "offers another provider than PROVIDER_ID",
           GOOD["destination_authorize"], R.PROVIDER_MISSING, CONF, fields={"provider_id": FLOW}),
    Broken("destination_authorize", "its application is gone",
           redirects(lambda _: f"{SIGN_ON_PAGE}?error=NOT_FOUND"), R.OAUTH_ERROR, CONF),
    Broken("destination_authorize", "the provider's link leads to another host",
           lambda world: json_answer(world.offer("https://evil.example/rp/authenticate")),
           R.LOCATION_INVALID, CONF),
    Broken("initiate", "the provider is disabled: redirect with an error",
           redirects(lambda world: f"{world.destination}/signon/?{JSON_ERROR}"), R.OAUTH_ERROR, CONF),
    Broken("initiate", "the provider is disabled: error as JSON",
           says({"code": "NOT_FOUND", "message": STATE}, 404), R.OAUTH_ERROR, CONF),
    Broken("initiate", "leads to another host",
           redirects(lambda _: f"https://evil.example/as/authorize?state={STATE}"), R.LOCATION_INVALID, CONF),
    Broken("initiate", "leads to another environment of the same host",
           redirects(lambda world: world.authorize_url().replace(f"{SOURCE}/as", f"{CLIENT}/as")),
           R.LOCATION_INVALID, CONF),
    Broken("initiate", "a URL without a state",
           redirects(lambda world: world.authorize_url(state="")), R.LOCATION_INVALID, CONF),
    Broken("initiate", "a Location that is not a URL",
           redirects(lambda _: f"http://[{STATE}"), R.LOCATION_INVALID, PROV),
    Broken("source_authorize", "the callback is no longer registered",
           wrong("INVALID_VALUE", target="redirect_uri"), R.OAUTH_ERROR, CONF),
    Broken("source_authorize", "the application is gone",
           redirects(lambda _: f"{SIGN_ON_PAGE}?{JSON_ERROR}"), R.OAUTH_ERROR, CONF),
    Broken("source_authorize", "another sign-on policy",
           source("SIGN_ON_REQUIRED"), R.UNEXPECTED_STATUS, CONF),
    Broken("sign_on", "wrong password",
           wrong("INVALID_VALUE", innerError={"failuresRemaining": 4}), R.CREDENTIALS_REJECTED, ACCT),
    Broken("sign_on", "wrong password, the older form",
           wrong("INVALID_CREDENTIALS"), R.CREDENTIALS_REJECTED, ACCT),
    Broken("sign_on", "the user is locked: an error",
           wrong("PASSWORD_LOCKED_OUT", innerError={"secondsUntilUnlock": 900}), R.ACCOUNT_LOCKED, ACCT),
    Broken("sign_on", "the user is locked: a flow that is FAILED",
           failed("PASSWORD_LOCKED_OUT"), R.ACCOUNT_LOCKED, ACCT),
    Broken("sign_on", "the user is disabled: an error",
           wrong("ACCOUNT_NOT_USABLE", target="username"), R.ACCOUNT_LOCKED, ACCT),
    Broken("sign_on", "the user is disabled: a flow that is FAILED",
           failed("ACCOUNT_NOT_USABLE"), R.ACCOUNT_LOCKED, ACCT),
    Broken("sign_on", "the user has no password", wrong("NO_PASSWORD"), R.CREDENTIALS_REJECTED, ACCT),
    Broken("sign_on", "a second factor is asked for", source("OTP_REQUIRED"), R.MFA_REQUIRED, ACCT),
    Broken("sign_on", "a second factor, and the user has no device",
           failed("NO_USABLE_DEVICES"), R.MFA_REQUIRED, ACCT),
    Broken("sign_on", "the password expired", source("PASSWORD_EXPIRED"), R.PASSWORD_EXPIRED, ACCT),
    Broken("sign_on", "the password must be changed",
           source("MUST_CHANGE_PASSWORD"), R.PASSWORD_EXPIRED, ACCT),
    Broken("sign_on", "consent is asked for",
           source("AGREEMENT_CONSENT_REQUIRED"), R.FURTHER_ACTION_REQUIRED, ACCT),
    Broken("sign_on", "the flow fails for another cause", failed("access_denied"), R.FLOW_FAILED, PROV),
    Broken("sign_on", "a flow of 300 KB",
           lambda world: json_answer(world.source_flow("COMPLETED", padding="x" * 300_000)),
           R.TOO_LARGE, PROV),
    Broken("sign_on", "continues at another host",
           lambda world: json_answer(world.source_flow("COMPLETED", resumeUrl=f"https://evil.example/?{CODE}")),
           R.LOCATION_INVALID, CONF),
    Broken("source_resume", "another state",
           lambda world: json_answer(
               world.source_flow("COMPLETED", authorizeResponse={"code": CODE, "state": "other"})),
           R.STATE_MISMATCH, PROV),
    Broken("source_resume", "a code of another environment",
           lambda world: json_answer(
               world.flow("COMPLETED", authorizeResponse={"code": CODE, "state": STATE})),
           R.NOT_A_FLOW, PROV),
    Broken("source_resume", "redirects with an error",
           redirects(lambda world: f"{world.callback}?error=access_denied&state={STATE}"),
           R.OAUTH_ERROR, CONF),
    Broken("source_resume", "redirects to another host",
           redirects(lambda _: f"https://evil.example/?code={CODE}&state={STATE}"), R.LOCATION_INVALID, CONF),
    Broken("source_resume", "redirects to the callback without a code",
           redirects(lambda world: f"{world.callback}?state={STATE}"), R.LOCATION_INVALID, CONF),
    Broken("callback", "the client secret expired: redirect with an error",
           redirects(lambda _: f"{SIGN_ON_PAGE}?{JSON_ERROR}"), R.EXCHANGE_REJECTED, CONF),
    Broken("callback", "the same, with a flow and in the fragment",
           redirects(lambda _: f"https://page.example/#flowId={FLOW}&error=AuthenticationFailed"),
           R.EXCHANGE_REJECTED, CONF),
    Broken("callback", "the client secret expired: error as JSON",
           says({"code": "INVALID_DATA", "message": CODE}, 400), R.EXCHANGE_REJECTED, CONF),
    Broken("callback", "an HTML page with 400", lambda _: html(400), R.EXCHANGE_REJECTED, CONF),
    Broken("callback", "an HTML page with 401", lambda _: html(401), R.EXCHANGE_REJECTED, CONF),
    Broken("callback", "an HTML page with 403", lambda _: html(403), R.BLOCKED, Fault.NETWORK),
    Broken("callback", "an HTML page with 200", lambda _: html(200), R.EXCHANGE_REJECTED, CONF),
    Broken("callback", "a redirect without a flow",
           redirects(lambda _: f"https://page.example/?code={CODE}"), R.LOCATION_INVALID, CONF),
    Broken("destination_flow", "the exchange failed: the flow is FAILED",
           failed("REQUEST_FAILED"), R.EXCHANGE_REJECTED, CONF),
    Broken("destination_flow", "the user's link is gone",
           destination("ACCOUNT_LINKING_REQUIRED"), R.ACCOUNT_LINKING_REQUIRED, CONF),
    Broken("destination_flow", "the user's link must be confirmed",
           destination("ACCOUNT_CONFIRMATION_REQUIRED"), R.ACCOUNT_LINKING_REQUIRED, CONF),
    Broken("destination_flow", "profile data is asked for",
           destination("PROFILE_DATA_REQUIRED"), R.UNEXPECTED_STATUS, CONF),
    Broken("destination_flow", "the flow is unknown", says({"code": "NOT_FOUND"}, 404), R.OAUTH_ERROR, CONF),
    Broken("destination_resume", "another state",
           lambda world: json_answer(
               world.flow("COMPLETED", authorizeResponse={"code": APP_CODE, "state": "other"})),
           R.STATE_MISMATCH, PROV),
    Broken("destination_resume", "redirects with an error",
           redirects(lambda _: f"{APP_URI}?error=access_denied"), R.OAUTH_ERROR, CONF),
    Broken("destination_keys", "no key", says({"keys": []}), R.KEYS_INVALID, PROV),
    Broken("destination_keys", "an HTML page", lambda _: html(200), R.NOT_JSON, PROV),
    Broken("token", "the client is refused",
           says({"error": "invalid_client", "error_description": CLIENT_SECRET}, 401), R.TOKEN_REFUSED, ACCT),
    Broken("token", "the client is refused without JSON", lambda _: html(401), R.TOKEN_REFUSED, ACCT),
    Broken("token", "the code is refused",
           says({"error": "invalid_grant", "error_description": APP_CODE}, 400), R.TOKEN_REFUSED, ACCT),
    Broken("token", "no ID token", says({"access_token": ACCESS_TOKEN}), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "another audience", signed(aud=SOURCE), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "another issuer", signed(iss="https://evil.example/as"), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "another nonce", signed(nonce=NONCE), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "an ID token that expired", signed(exp=1_700_000_000), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "signed by another key under the same id",
           signed(by=other_key), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "signed by a key that is not published",
           signed("two", other_key), R.ID_TOKEN_INVALID, PROV),
    Broken("token", "signed by a shared secret",
           signed(by=lambda: OctKey.import_key(CLIENT_SECRET * 2), alg="HS256"), R.ID_TOKEN_INVALID, PROV),
    *(Broken(step, "503", says({"code": "UNEXPECTED_ERROR", "message": CODE}, 503), R.SERVER_ERROR, PROV)
      for step in STEPS),
    *(Broken(step, "429", says({"code": "REQUEST_LIMITED"}, 429, Retry_After="7"),
             R.RATE_LIMITED, Fault.QUOTA)
      for step in STEPS),
    *(Broken(step, "the request is never answered", lambda _: SILENT,
             R.TIMEOUT, PROV, Phase.PROCESSING, TIMEOUT)
      for step in ("sign_on", "callback", "token")),
    *(Broken(step, "the connection is closed instead of an answer",
             lambda _: Answer(raw=b"", close=True), R.PROTOCOL, PROV, Phase.PROCESSING)
      for step in ("sign_on", "callback", "token")),
)  # fmt: skip


PAGE_STATUS = 200
FORM = "<form method=post><input name=login><input type=password name=password></form>"
ENTRA_ERROR = '<script>$Config={"pgid":"ConvergedError","strServiceExceptionMessage":"AADSTS50011"}</script>'
POSTED = "<form method=post action={}><input type=hidden name=error value={}><input name=state value={}>"
OTHER = {"username": None, "password": None, "destination_client_secret": None, "source_kind": "auto"}
"""Settings for a provider that is not PingOne, which gets no credentials."""


SAML = redirects(lambda world: f"{world.url}/idp/authorize?SAMLRequest={CODE}&RelayState={STATE}")


def page(text: str, status: int = PAGE_STATUS) -> Play:
    return lambda _: html(status, f"<html><title>Sign in</title>{text}</html>".encode())


def back(parameters: str) -> Play:
    """Redirect to the destination's callback with these parameters."""
    return redirects(lambda world: f"{world.callback}{parameters}&state={STATE}")


def at_another(
    play: Play, says: str, reason: Reason, fault: Fault, *, login_page: bool = False, **others: Play
) -> Broken:
    """Return a row of a provider that is not PingOne: what it answers to the destination's request."""
    leads = redirects(lambda world: world.authorize_url().replace(f"{SOURCE}/as/authorize", "idp/authorize"))
    asked = "login page: " if login_page else "prompt=none: "
    return Broken("source_authorize", f"another provider, {asked}{says}", play, reason, fault,
                  fields=OTHER | ({"ready_by": "login_page"} if login_page else {}),
                  others={"initiate": leads, **others})  # fmt: skip


FAULTS += (
    at_another(back("?error=login_required"), "`login_required`: it is ready", R.OK, Fault.NONE),
    at_another(lambda world: html(400, POSTED.format(world.callback, "login_required", STATE).encode()),
               "`login_required` in a form that posts itself, as with form_post", R.OK, Fault.NONE),
    at_another(back("?error=unauthorized_client"), "it does not know the client: comes back as an error",
               R.OAUTH_ERROR, CONF),
    at_another(back("#error=temporarily_unavailable"), "unavailable: comes back in the fragment",
               R.SERVER_ERROR, PROV),
    at_another(page(ENTRA_ERROR), "an error as a page with 200, as Entra ID shows it",
               R.LOGIN_PAGE_ERROR, CONF),
    at_another(page(FORM), "a login page although none may be shown", R.LOGIN_PAGE_ERROR, CONF),
    at_another(page("Callback URL mismatch", 403), "an error as a page with 403, as Auth0 shows it",
               R.LOGIN_PAGE_ERROR, CONF),
    at_another(page("Sorry", 400), "an error page with 400", R.CLIENT_ERROR, CONF),
    at_another(redirects(lambda world: f"{world.callback}?error=login_required&state=other"),
               "another state", R.STATE_MISMATCH, PROV),
    at_another(redirects(lambda _: f"https://evil.example/?error=login_required&state={STATE}"),
               "`login_required` at another URL", R.LOCATION_INVALID, CONF),
    at_another(page(FORM), "a login form", R.OK, Fault.NONE, login_page=True),
    at_another(redirects(lambda _: "authorize/login?x=1"), "a login form after a relative redirect",
               R.OK, Fault.NONE, login_page=True, **{"/login": page(FORM)}),
    at_another(page(ENTRA_ERROR + FORM), "an error as a page with 200 that has a form",
               R.LOGIN_PAGE_ERROR, CONF, login_page=True),
    at_another(page("We are back soon"), "a page without a form", R.LOGIN_PAGE_ERROR, CONF, login_page=True),
    at_another(page("error: invalid_client", 400), "an error page with 400", R.LOGIN_PAGE_ERROR, CONF,
               login_page=True),
    at_another(page("Not found", 404), "a page that does not exist", R.CLIENT_ERROR, CONF, login_page=True),
    at_another(back("?error=unauthorized_client"), "it does not know the client: comes back as an error",
               R.OAUTH_ERROR, CONF, login_page=True),
    at_another(redirects(lambda _: f"https://evil.example/?{STATE}"), "redirects to another host",
               R.LOCATION_INVALID, CONF, login_page=True),
    at_another(redirects(lambda _: "authorize"), "redirects without end",
               R.REDIRECTED, PROV, login_page=True),
    at_another(page(FORM, 503), "503", R.SERVER_ERROR, PROV, login_page=True),
    at_another(page(FORM), "a login form, asked for by SAML",
               R.OK, Fault.NONE, login_page=True, initiate=SAML),
    Broken("initiate", "leads to a provider with SAML, which has no prompt=none",
           SAML, R.LOCATION_INVALID, CONF, fields=OTHER),
)  # fmt: skip


def linked(says: str, play: Play) -> Broken:
    """Return a row of a discovered target that succeeds with the link to its provider."""
    return Broken(
        "initiate", f"discovered, only the link is checked: {says}", play, R.OK, Fault.NONE, listed=True
    )


def of_social_login(kind: str, scope: str) -> Play:
    """Redirect to a provider of this kind, which has a callback of its own at PingOne."""

    def location(world: World) -> str:
        callback = world.callback.replace("openid_connect", kind)
        url = world.authorize_url(redirect_uri=callback, scope=scope)
        return url.replace(f"{world.source}/as", "https://social.example")

    return redirects(location)


FAULTS += (
    linked("a provider with SAML", SAML),
    linked("a form that posts a SAML request",
           page('<form method=post action="https://idp.example/"><input name=SAMLRequest value=x></form>')),
    linked("a social login, with `openid`: callback `/rp/callback/google`",
           of_social_login("google", "openid email")),
    linked("a social login, without `openid`", of_social_login("facebook", "email")),
    linked("OAuth without `openid`", of_social_login("openid_connect", "email")),
    linked("OAuth 1", redirects(lambda _: f"https://social.example/oauth?oauth_token={CODE}")),
)  # fmt: skip

DISCOVERED = f"_partners_{PROVIDER[:4]}"
"""What the name of a discovered target ends with, after that of its destination."""


def name_of(number: int) -> str:
    """Return the name of a row's target."""
    return f"{FAULTS[number].step}_{number}{DISCOVERED if FAULTS[number].listed else ''}"


def step_of(request: Request, path: str) -> str:
    """Return the step that a request belongs to; `path` starts with the environment's id, or with `idp`."""
    if path.startswith("idp/"):
        return "source_authorize" if path == "idp/authorize" else f"/{path.rpartition('/')[2]}"
    side = "source" if path.startswith(SOURCE) else "destination"
    rest = path.partition("/")[2]
    if rest.startswith("flows/"):
        return "sign_on" if request.method == "POST" else f"{side}_flow"
    known = {"rp/authenticate": "initiate", "as/jwks": "destination_keys", "as/token": "token"}
    return known.get(rest, "callback" if rest.startswith("rp/") else f"{side}_{rest.removeprefix('as/')}")


@contextmanager
def environments(authority: Authority, names: frozenset[str] | None = None) -> Iterator[dict[str, str]]:
    """Play all rows, or those of these names, and a healthy target; yields an exporter's variables."""
    worlds: dict[str, World] = {}
    plays = {name_of(number): {row.step: row.play, **row.others} for number, row in enumerate(FAULTS)}
    plays["healthy"] = {}

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        name, _, path = request.path.removeprefix("/").partition("/")
        step = step_of(request, path)
        if step == "destination_authorize":
            worlds[name].query = dict(request.query)
        if step == "source_resume" and request.header("Cookie") != f"ST={COOKIE}":
            await html(400)(request, writer)
            return
        play = plays[name].get(step) or GOOD[step]
        await play(worlds[name])(request, writer)

    with HttpServer(script, tls=authority.good().tls) as server:
        worlds |= {name: World(f"{server.base_url}/{name}") for name in plays}
        variables = {"FLOW_EXPORTER_DEFAULTS__CA_FILE": str(authority.ca_file)}
        rows = {name_of(number): row.fields for number, row in enumerate(FAULTS)} | {"healthy": {}}
        for name, fields in rows.items():
            if names is not None and name not in {*names, "healthy"}:
                continue
            settings = {**SETTINGS, "username": f"{USERNAME}-{name}", **fields}  # one password per user
            given = {field: value for field, value in settings.items() if value is not None}
            if name.endswith(DISCOVERED):
                variables |= destination_variables(name.removesuffix(DISCOVERED), worlds[name].url)
            else:
                variables |= target_variables(name, worlds[name].url, **given)
        yield variables


def destination_variables(name: str, url: str) -> dict[str, str]:
    """Return the variables of a destination that is listed."""
    settings = {
        "ENVIRONMENT_ID": DESTINATION, "CLIENT_ID": CLIENT, "REDIRECT_URI": APP_URI, "AUTH_URL": url,
    }  # fmt: skip
    return {f"FLOW_EXPORTER_DESTINATIONS__{name.upper()}__{key}": value for key, value in settings.items()}


SETTINGS = {
    "journeys": "federation",
    "federation_timeout": "29s",
    "destination_client_id": CLIENT,
    "destination_redirect_uri": APP_URI,
    "destination_client_secret": CLIENT_SECRET,
    "password": PASSWORD,
    "destination": DESTINATION,
}
