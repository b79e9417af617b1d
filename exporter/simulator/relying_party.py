"""A destination: how it leads users to an identity provider, and what it does when they come back. No I/O.

    GET /rp/authenticate              302 to the source's authorize URL with state, nonce and PKCE
    GET /rp/callback/openid_connect   state → code redeemed at the source → ID token → 302 with the flow's id

What the destination does inside the callback is the vendor's. Inferred are: how it reports that this failed
(a redirect to the sign-on page with the error in its query, PingOne's JSON error, or a flow that is FAILED),
the errors of the first request, and the cookie of the second one.

An identity provider that is not PingOne answers at its destination's port:

    GET /idp/{id}/authorize      `prompt=none`: 303 to the redirect URI with `login_required`; else to a page
    GET /idp/{id}/sso            303 to the page, for a SAML request
    GET /idp/{id}/login/{uid}    the login form; without the cookie, which is for this path, an error

As npm's oidc-provider does it. SAML and what the weather does are inferred from what is known of others.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, quote_plus

from joserfc.jws import extract_compact
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from exporter.outcome import COMPLETED
from exporter.simulator.environments import Environment, IdentityProvider, SignOnPolicy, Urls
from exporter.simulator.error_answers import NOT_FOUND, RefusedError, invalid_data, redirect, refused
from exporter.simulator.flow import LIFETIME_SECONDS, ExpiringStore, Flow, with_query
from exporter.simulator.token_endpoint import challenge_of
from exporter.simulator.weather import Weather
from exporter.target import ProviderKind

ELSEWHERE = "https://login.example/"  # a reserved name, which never resolves

_TITLE = "<!DOCTYPE html><html lang=en><title>Sign in</title>"
_FORM = '<form method="post"><input name="login"><input name="password" type="password"></form>'
_ERROR = '<script>$Config={"pgid":"ConvergedError","strServiceExceptionMessage":"AADSTS700016"}</script>'
_NO_CLIENT = "<h1>oops! something went wrong</h1><pre>error: invalid_client</pre>"


class Source(Protocol):
    """What environments need of each other."""

    environment: Environment
    urls: Urls
    weather: Weather

    async def redeem(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """Return the tokens for a code; raises `RefusedError`."""


class RelyingParty:
    """The federations of one destination; `sources` are the simulator's environments by name."""

    def __init__(self, urls: Urls, sources: Mapping[str, Source], clock: Callable[[], float]) -> None:
        self._urls, self._sources = urls, sources
        # Users sent to an identity provider, by state: their flow, the provider, the code verifier.
        self._sent: ExpiringStore[tuple[Flow, IdentityProvider, str]] = ExpiringStore(clock, LIFETIME_SECONDS)

    def initiate(self, flow: Flow, provider_id: str, weather: Weather) -> Response:
        """Lead the user of a flow to one of its identity providers; raises `RefusedError`."""
        provider = next((each for each in flow.providers if each.id == provider_id), None)
        if provider is None or flow.status not in {SignOnPolicy.IDENTITY_PROVIDER, SignOnPolicy.LOGIN}:
            raise refused(*NOT_FOUND)
        if weather.kind == "provider_disabled":
            raise refused(400, "REQUEST_FAILED", "The identity provider is disabled.").for_browser()
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        self._sent.put(state, (flow, provider, verifier))
        parameters = {
            "client_id": provider.client_id,
            "scope": "openid profile email",
            "redirect_uri": self._urls.callback,
            "response_type": "code",
            "state": state,
            "nonce": secrets.token_urlsafe(32),
            "code_challenge": challenge_of(verifier, "S256"),
            "code_challenge_method": "S256",
        }
        other = f"{self._urls.root}/idp/{provider.id}"
        if provider.kind is ProviderKind.SAML:
            saml = {"SAMLRequest": secrets.token_urlsafe(96), "RelayState": state}
            return redirect(with_query(f"{other}/sso", saml))
        is_pingone = provider.kind is ProviderKind.PINGONE
        issuer = self._sources[provider.source].urls.issuer if is_pingone else other
        return redirect(with_query(f"{issuer}/authorize", parameters))

    async def handle_callback(self, query: Mapping[str, str], weather: Weather) -> Flow:
        """Apply the identity provider's answer to its flow and return that; raises `RefusedError`."""
        sent = self._sent.pop(query.get("state", ""))
        if sent is None:
            raise invalid_data("state", "The state is unknown or expired.").for_browser()
        flow, provider, verifier = sent
        subject, cause = await self._redeem(provider, verifier, query, weather)
        if not cause:
            flow.subject = subject
            flow.status = "ACCOUNT_LINKING_REQUIRED" if weather.kind == "linking_required" else COMPLETED
            return flow
        failure = "REQUEST_FAILED", f"The identity provider's response was rejected: {cause}"
        answer = weather.answer if weather.kind == "secret_expired" else "redirect"
        if answer == "flow":
            flow.fail(*failure)
            return flow
        error = refused(400, *failure)
        raise error if answer == "json" else error.for_browser()

    async def _redeem(
        self, provider: IdentityProvider, verifier: str, query: Mapping[str, str], weather: Weather
    ) -> tuple[str, str]:
        """Return the user, or why there is none: an ID token is invalid if its issuer's weather says so."""
        if "code" not in query:
            return "", f"error {quote(query.get('error', 'without a code'))}"
        source = self._sources[provider.source]
        secret = "expired" if weather.kind == "secret_expired" else provider.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": self._urls.callback,
            "code_verifier": verifier,
        }
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        try:
            tokens = await source.redeem(form, f"Basic {base64.b64encode(pair.encode()).decode()}")
        except RefusedError as error:
            return "", f"the token endpoint answered {error.status} {error.document.get('error', '')}".strip()
        if source.weather.at("token").kind == "id_token_invalid":
            return "", "the ID token is invalid"
        return str(json.loads(extract_compact(tokens["id_token"].encode()).payload)["sub"]), ""


async def start_at_foreign(request: Request, weather: Weather) -> Response:
    """Answer the request that leads to a provider that is not PingOne."""
    query, wrong = request.query_params, weather.wrong if weather.kind == "login_page_error" else ""
    if wrong in {"error", "client"}:
        return HTMLResponse(_TITLE + _ERROR) if wrong == "error" else HTMLResponse(_TITLE + _NO_CLIENT, 400)
    if query.get("prompt") == "none":
        error = {"error": "login_required", "state": query.get("state", "")}
        headers = {"Location": with_query(query.get("redirect_uri", ""), error)}
    else:
        uid = secrets.token_urlsafe(32)
        page = f"{request.url.path.rpartition('/')[0]}/login/{uid}"
        cookie = f"_interaction={uid}; path={page}; samesite=lax; httponly"
        headers = {"Location": ELSEWHERE if wrong == "host" else page, "Set-Cookie": cookie}
    return Response(status_code=303, headers=headers)


async def foreign_login_page(request: Request, weather: Weather) -> Response:
    """Show the login form of a provider that is not PingOne, to a browser that it redirected there."""
    if request.cookies.get("_interaction") != request.path_params["interaction"]:
        return JSONResponse({"error": "invalid_request"}, 400)
    has_form = weather.kind != "login_page_error" or weather.wrong != "form"
    return HTMLResponse(_TITLE + (_FORM if has_form else "We will be back soon."))
