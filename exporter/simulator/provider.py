"""One PingOne environment: a request and the weather in, a response out. No I/O.

What the edge does before any application is reached (limits, errors, maintenance) is the weather's; what an
application does is here. The lists of response modes and of challenge methods in the metadata are the
vendor's; endpoints that the simulator does not serve are named all the same, since a client reads the
document as a whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.outcome import DAVINCI
from exporter.simulator.authorize_endpoint import (
    CHALLENGE_METHODS,
    RESPONSE_MODES,
    AuthorizeRequest,
    read_authorize,
)
from exporter.simulator.environments import Application, Endpoint, EndpointMatch, Environment, Urls
from exporter.simulator.error_answers import NOT_FOUND, UNROUTED, RefusedError
from exporter.simulator.flow import (
    COMPLETED,
    LOGIN_REQUIRED,
    Flow,
    Flows,
    Sessions,
    act,
    davinci_document,
    failed_document,
    first_status,
    flow_document,
    resume,
    with_query,
)
from exporter.simulator.http import HttpRequest, HttpResponse, json_response, redirect, text_response
from exporter.simulator.weather import ClientDeleted, ClockSkewed, FlowFailed, RedirectUriRemoved, Weather

RSA_BITS = 2048
SDK = "ping-sdk"
"""What the vendor's SDKs send as X-Requested-With."""

DETAILED_LINKS = ((), ("self",))
"""Both were recorded for a DaVinci flow without that header."""

_SIGN_ON_HTML = (
    "<!DOCTYPE html><html lang=en><title>Sign On</title><h1>Sign On</h1><p>A simulated page.</p></html>"
)

_METHODS: Mapping[Endpoint, frozenset[str]] = {
    Endpoint.AUTHORIZE: frozenset({"GET"}),
    Endpoint.RESUME: frozenset({"GET"}),
    Endpoint.DISCOVERY: frozenset({"GET", "HEAD"}),
    Endpoint.JWKS: frozenset({"GET", "HEAD"}),
    Endpoint.FLOW: frozenset({"GET", "POST"}),
    Endpoint.SIGN_ON_PAGE: frozenset({"GET", "HEAD"}),
}


class Provider:
    """Answers for one environment.

    Args:
        environment: its applications and users.
        urls: its URLs.
        key: the JWK its tokens would be signed with.
        clock: seconds since the epoch.
        random: chooses between the two detailed forms of a DaVinci flow.
    """

    def __init__(
        self,
        environment: Environment,
        urls: Urls,
        key: Mapping[str, str],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._environment = environment
        self._urls = urls
        self._key = key
        self._clock = clock
        self._random = random
        self._flows = Flows()
        self._sessions = Sessions()

    def answer(self, request: HttpRequest, weather: Weather) -> HttpResponse:
        """Answer a request that reached the application; each response has a `Correlation-Id`."""
        if not request.complete:
            return json_response(413, {"message": "Request Too Long"})
        try:
            response = self._route(self._urls.match(request.path), request, weather)
        except RefusedError as refused:
            if refused.to_browser:
                response = refused.answer.as_redirect(self._urls.sign_on_page)
            else:
                response = refused.answer.as_json()
        return response.with_headers(("Correlation-Id", str(uuid4())), ("Cache-Control", "no-store"))

    def _route(self, found: EndpointMatch, request: HttpRequest, weather: Weather) -> HttpResponse:
        # A wrong method gets the same answer as a wrong path, as from an API gateway; inferred.
        if request.method not in _METHODS.get(found.endpoint, frozenset()):
            return UNROUTED
        if found.environment_id not in {None, self._environment.id}:
            raise RefusedError(NOT_FOUND)
        match found.endpoint:
            case Endpoint.AUTHORIZE:
                return self._authorize(request, weather)
            case Endpoint.FLOW:
                return self._flow(found.flow_id or "", request)
            case Endpoint.RESUME:
                return self._resume(request)
            case Endpoint.DISCOVERY:
                return json_response(200, discovery_document(self._urls))
            case Endpoint.JWKS:
                return json_response(200, {"keys": [dict(self._key)]})
            case _:
                return text_response(200, _SIGN_ON_HTML, kind="html")

    def _authorize(self, request: HttpRequest, weather: Weather) -> HttpResponse:
        authorize = read_authorize(request.query, self._applications(weather))
        if isinstance(weather, FlowFailed):
            return self._failed(authorize, "server_error", "The flow could not be started.")
        now = self._clock()
        signed_on = "login" not in authorize.prompts and self._sessions.includes(request, now)
        if "none" in authorize.prompts and not signed_on:
            message = "There is no session and the user must not be asked."
            return self._failed(authorize, LOGIN_REQUIRED, message)
        flow = Flow(
            application=authorize.application,
            status=first_status(authorize.application, weather, signed_on=signed_on),
            created_at=now,
            shown_at=now + clock_skew(weather),
            redirect_uri=authorize.redirect_uri,
            state=authorize.state,
            pi_flow=authorize.pi_flow,
        )
        self._flows.put(flow)
        if not authorize.pi_flow:
            return redirect(f"{self._urls.sign_on_page}?flowId={flow.id}")
        return json_response(200, self._document(flow, request))

    def _failed(self, authorize: AuthorizeRequest, code: str, message: str) -> HttpResponse:
        if authorize.pi_flow:
            return json_response(200, failed_document(self._urls, code, message))
        # OIDC Core, 3.1.2.6: without pi.flow the error goes to the client's redirect_uri.
        error = {"error": code, "error_description": message}
        state = {} if authorize.state is None else {"state": authorize.state}
        return redirect(with_query(authorize.redirect_uri, {**error, **state}))

    def _flow(self, flow_id: str, request: HttpRequest) -> HttpResponse:
        flow = self._known_flow(flow_id)
        if request.method == "GET":
            return json_response(200, self._document(flow, request))
        flow = act(flow, request, self._environment.users)
        self._flows.put(flow)
        cookie = [self._sessions.start(self._urls, self._clock())] if flow.status == COMPLETED else []
        return json_response(200, flow_document(flow, self._urls), *cookie)

    def _document(self, flow: Flow, request: HttpRequest) -> dict[str, Any]:
        if flow.status != DAVINCI:
            return flow_document(flow, self._urls)
        sdk = request.header("x-requested-with") == SDK
        links = ("next",) if sdk else self._random.choice(DETAILED_LINKS)
        return davinci_document(flow, self._urls, links)

    def _resume(self, request: HttpRequest) -> HttpResponse:
        flow_ids = parse_qs(request.query).get("flowId", [])
        flow = self._known_flow(flow_ids[0] if len(flow_ids) == 1 else "")
        return resume(flow, self._urls, signed_on=self._sessions.includes(request, self._clock()))

    def _known_flow(self, flow_id: str) -> Flow:
        flow = self._flows.get(flow_id, self._clock())
        if flow is None:
            raise RefusedError(NOT_FOUND)
        return flow

    def _applications(self, weather: Weather) -> tuple[Application, ...]:
        match weather:
            case ClientDeleted():
                return ()
            case RedirectUriRemoved():
                removed = ("https://removed.example/",)
                return tuple(replace(each, redirect_uris=removed) for each in self._environment.applications)
            case _:
                return self._environment.applications


def clock_skew(weather: Weather) -> float:
    """Return the seconds by which the provider's clock is ahead."""
    return weather.seconds if isinstance(weather, ClockSkewed) else 0.0


def signing_key() -> dict[str, str]:
    """Make a fresh RSA key and return its public half as a JWK; takes some tens of milliseconds.

    The private half is not kept: nothing is signed yet.
    """
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS).public_key().public_numbers()
    public = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    # RFC 7638, 3: the thumbprint of the required members, in this order and without spaces.
    thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
    return {**public, "use": "sig", "alg": "RS256", "kid": _base64url(thumbprint)}


def discovery_document(urls: Urls) -> dict[str, Any]:
    """Return the OIDC metadata of an environment (OIDC Discovery, 3)."""
    issuer = f"{urls.root}/as"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/signoff",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "scopes_supported": ["openid", "profile", "email", "address", "phone"],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": list(CHALLENGE_METHODS),
    }


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
