"""One PingOne environment: a request and the weather in, a response out. No I/O.

What the edge does before any application is reached (limits, errors, maintenance) is the weather's; what an
application does is here. The lists of response modes and of challenge methods in the metadata are the
vendor's; endpoints that the simulator does not serve are named all the same, since a client reads the
document as a whole.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, Response

from exporter.outcome import DAVINCI
from exporter.simulator.accounts import Accounts
from exporter.simulator.authorize_endpoint import (
    CHALLENGE_METHODS,
    MAX_FIELDS,
    RESPONSE_MODES,
    AuthorizeRequest,
    read_authorize,
)
from exporter.simulator.environments import UUID_PATTERN, Application, Environment, IdentityProvider, Urls
from exporter.simulator.error_answers import (
    NOT_FOUND,
    TOO_LONG,
    WRONG_MEDIA_TYPE,
    RefusedError,
    invalid_request,
    redirect,
)
from exporter.simulator.flow import (
    COMPLETED,
    EXTERNAL,
    LIFETIME_SECONDS,
    LOGIN_REQUIRED,
    SESSION_SECONDS,
    Flow,
    Recent,
    act,
    davinci_document,
    failed_document,
    first_status,
    flow_document,
    session_cookie,
    session_tokens,
    with_query,
)
from exporter.simulator.other_provider import OTHER_PROVIDER, answer_of_other
from exporter.simulator.relying_party import RelyingParty, Source
from exporter.simulator.token_endpoint import TokenEndpoint
from exporter.simulator.tokens import KeyRing
from exporter.simulator.weather import (
    ClientDeleted,
    ClockSkewed,
    FlowFailed,
    KeysInvalid,
    MetadataInvalid,
    ProviderMissing,
    RedirectUriRemoved,
    StateLost,
    Weather,
)

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY_BYTES = 64 * 1024
SDK = "ping-sdk"
"""What the vendor's SDKs send as X-Requested-With."""

DETAILED_LINKS = ((), ("self",))
"""Both were recorded for a DaVinci flow without that header."""

_ENDPOINTS: Mapping[str, str] = {
    "/as/authorize": "authorize",
    "/rp/authenticate": "initiate",
    "/rp/callback/openid_connect": "callback",
    "/as/resume": "resume",
    "/as/jwks": "keys",
    "/as/token": "token",
    "/as/.well-known/openid-configuration": "metadata",
    "/signon/": "sign_on_page",
}
_FLOW_PATH = re.compile(rf"/flows/{UUID_PATTERN}")
_PATH_WITH_ID = re.compile(rf"/({UUID_PATTERN})(/.*)")

_SIGN_ON_HTML = (
    "<!DOCTYPE html><html lang=en><title>Sign On</title><h1>Sign On</h1><p>A simulated page.</p></html>"
)


class Provider:
    """Answers for one environment; `random` chooses between the two detailed forms of a DaVinci flow."""

    def __init__(
        self,
        environment: Environment,
        urls: Urls,
        keys: KeyRing,
        sources: Mapping[str, Source],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._environment = environment
        self._urls = urls
        self._keys = keys
        self._accounts = Accounts(environment.users)
        self._relying_party = RelyingParty(urls, sources)
        self._token_endpoint = TokenEndpoint(environment, urls, keys)
        self._sources = sources
        self._clock = clock
        self._random = random
        self._flows: Recent[Flow] = Recent()
        self._sessions: Recent[bool] = Recent()

    async def answer(self, request: Request, weather: Weather) -> Response:
        """Answer a request that reached the application; each response has a `Correlation-Id`."""
        try:
            response = await self._route(request, weather)
        except RefusedError as refused:
            if refused.to_browser:
                response = refused.answer.as_redirect(self._urls.sign_on_page)
            else:
                response = refused.answer.as_json()
        response.headers.update({"Correlation-Id": str(uuid4()), "Cache-Control": "no-store"})
        return response

    async def _route(self, request: Request, weather: Weather) -> Response:
        path, known = request.url.path, _PATH_WITH_ID.fullmatch(request.url.path)
        if not self._urls.custom_domain:
            if known is not None and known[1] != self._environment.id:
                raise RefusedError(NOT_FOUND)
            path = "" if known is None else known[2]
        method = "GET" if request.method == "HEAD" else request.method
        handlers: Mapping[tuple[str, str | None], Callable[[Request, Weather], Awaitable[Response]]] = {
            ("GET", "authorize"): self._authorize,
            ("GET", "initiate"): self._initiate,
            ("GET", "flow"): self._show,
            ("POST", "sign_on"): self._act,
            ("GET", "resume"): self._resume,
            ("GET", "callback"): self._callback,
            ("POST", "token"): self._token,
            ("GET", "metadata"): self._metadata,
            ("GET", "keys"): self._show_keys,
            ("GET", "sign_on_page"): self._sign_on_page,
            ("GET", "other_provider"): answer_of_other,
        }
        handler = handlers.get((method, _endpoint(method, path)))
        if handler is None:
            # The edge's answer to a path that does not exist; that a wrong method gets it too is inferred.
            return JSONResponse({"message": "Missing Authentication Token"}, 403)
        return await handler(request, weather)

    async def _authorize(self, request: Request, weather: Weather) -> Response:
        authorize = read_authorize(request.url.query, self._applications(weather))
        if isinstance(weather, FlowFailed):
            return self._failed(authorize, "server_error", "The flow could not be started.")
        now = self._clock()
        signed_on = "login" not in authorize.prompts and self._signed_on(request, now)
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
            nonce=authorize.nonce,
            challenge=authorize.challenge,
            pi_flow=authorize.pi_flow,
            providers=tuple(each for each in self._environment.providers if _is_offered(each, weather)),
        )
        self._keep(flow)
        if not authorize.pi_flow:
            if flow.status == EXTERNAL and flow.providers:
                return redirect(self._urls.authenticate(flow.providers[0].id, flow.id))
            return redirect(f"{self._urls.sign_on_page}?flowId={flow.id}")
        return JSONResponse(self._document(flow, request))

    def _failed(self, authorize: AuthorizeRequest, code: str, message: str) -> Response:
        if authorize.pi_flow:
            return JSONResponse(failed_document(self._urls, code, message))
        # OIDC Core, 3.1.2.6: without pi.flow the error goes to the client's redirect_uri.
        error = {"error": code, "error_description": message}
        state = {} if authorize.state is None else {"state": authorize.state}
        return redirect(with_query(authorize.redirect_uri, {**error, **state}))

    async def _show(self, request: Request, _weather: Weather) -> Response:
        return JSONResponse(self._document(self._flow_at(request), request))

    async def _act(self, request: Request, weather: Weather) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)

        def sign_on(flow: Flow, username: str, password: str) -> Flow:
            return self._accounts.sign_on(flow, username, password, weather, self._clock())

        flow = act(self._flow_at(request), request.headers.get("content-type", ""), body, sign_on)
        self._keep(flow)
        response = JSONResponse(flow_document(flow, self._urls))
        return self._with_session(response) if flow.status == COMPLETED else response

    async def _initiate(self, request: Request, weather: Weather) -> Response:
        flow = self._known_flow(request.query_params.get("flowId", ""))
        offered = flow.status in {EXTERNAL, "USERNAME_PASSWORD_REQUIRED"}
        provider_id = request.query_params.get("providerId", "") if offered else ""
        return self._relying_party.initiate(flow, provider_id, weather, self._clock())

    async def _callback(self, request: Request, weather: Weather) -> Response:
        query, now = request.query_params, self._clock()
        sent = self._relying_party.returned(query.get("state", ""), now)
        flow = await self._relying_party.exchange(self._known_flow(sent.flow_id), sent, query, weather)
        self._keep(flow)
        response = redirect(f"{self._urls.sign_on_page}?flowId={flow.id}")
        return self._with_session(response) if flow.status == COMPLETED else response

    async def _token(self, request: Request, weather: Weather) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/x-www-form-urlencoded":
            raise RefusedError(WRONG_MEDIA_TYPE)
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise RefusedError(invalid_request("body", "The body could not be decoded.")) from None
        status, document = self.redeem(dict(pairs), request.headers.get("authorization", ""), weather)
        return JSONResponse(document, status)

    def redeem(
        self, form: Mapping[str, str], authorization: str, weather: Weather
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body of a token request."""
        now = self._clock()
        return self._token_endpoint.answer(form, authorization, weather, now, now + clock_skew(weather))

    def _keep(self, flow: Flow) -> None:
        self._flows.put(flow.id, flow, flow.created_at + LIFETIME_SECONDS)

    def _with_session(self, response: Response) -> Response:
        token = secrets.token_urlsafe(32)
        self._sessions.put(token, True, self._clock() + SESSION_SECONDS)  # noqa: FBT003  its key counts
        response.headers["Set-Cookie"] = session_cookie(token, self._urls)
        return response

    def _signed_on(self, request: Request, now: float) -> bool:
        return any(self._sessions.get(token, now) for token in session_tokens(request))

    def _document(self, flow: Flow, request: Request) -> dict[str, Any]:
        if flow.status != DAVINCI:
            return flow_document(flow, self._urls)
        sdk = request.headers.get("x-requested-with") == SDK
        links = ("next",) if sdk else self._random.choice(DETAILED_LINKS)
        return davinci_document(flow, self._urls, links)

    async def _resume(self, request: Request, weather: Weather) -> Response:
        flow_ids = request.query_params.getlist("flowId")
        flow = self._known_flow(flow_ids[0] if len(flow_ids) == 1 else "")
        now = self._clock()
        if flow.status != COMPLETED or not self._signed_on(request, now):
            raise RefusedError(invalid_request("flowId", "The flow is not completed in this session."))
        result = {"code": self._token_endpoint.grant(flow, now)}
        if flow.state is not None:
            result["state"] = str(uuid4()) if isinstance(weather, StateLost) else flow.state
        if flow.pi_flow:
            return JSONResponse({**flow_document(flow, self._urls), "authorizeResponse": result})
        return redirect(with_query(flow.redirect_uri, result))

    async def _metadata(self, _request: Request, weather: Weather) -> Response:
        document = discovery_document(self._urls)
        if isinstance(weather, MetadataInvalid):
            match weather.wrong:
                case "json":
                    return HTMLResponse("<!doctype html><title>Maintenance</title>")
                case "issuer":
                    document["issuer"] += "/"
                case "member":
                    del document["token_endpoint"]
        return JSONResponse(document)

    async def _show_keys(self, _request: Request, weather: Weather) -> Response:
        """Show the keys; a private member that is published is not the real one."""
        published = self._keys.published()
        if isinstance(weather, KeysInvalid):
            match weather.wrong:
                case "missing":
                    published = []
                case "weak":
                    published = [{**key, "n": key["n"][:171]} for key in published]  # of 342 characters
                case "private":
                    published = [{**key, "d": key["n"]} for key in published]
        return JSONResponse({"keys": published})

    async def _sign_on_page(self, _request: Request, _weather: Weather) -> Response:
        return HTMLResponse(_SIGN_ON_HTML)

    def _flow_at(self, request: Request) -> Flow:
        return self._known_flow(request.url.path.rpartition("/")[2])

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
                return tuple(self._with_callbacks(each) for each in self._environment.applications)

    def _with_callbacks(self, application: Application) -> Application:
        """Return an application with the callbacks of the destinations that it signs users on for."""
        here = (self._environment.name, application.client_id)
        callbacks = (
            destination.urls.callback
            for destination in self._sources.values()
            if here in {(each.source, each.client_id) for each in destination.environment.providers}
        )
        return replace(application, redirect_uris=(*application.redirect_uris, *callbacks))


def _is_offered(provider: IdentityProvider, weather: Weather) -> bool:
    return not isinstance(weather, ProviderMissing) or weather.name not in {None, provider.name}


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body; raises `RefusedError` as soon as it is longer than `limit` bytes."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise RefusedError(TOO_LONG)
    return body


def clock_skew(weather: Weather) -> float:
    """Return the seconds by which the provider's clock is ahead."""
    return weather.seconds if isinstance(weather, ClockSkewed) else 0.0


def endpoint_of(method: str, path: str) -> str | None:
    """Return what a request asks for, by the name that weather uses; None is any other path."""
    known = _PATH_WITH_ID.fullmatch(path)
    return _endpoint(method, path if known is None else known[2])


def _endpoint(method: str, path: str) -> str | None:
    if _FLOW_PATH.fullmatch(path):
        return "sign_on" if method == "POST" else "flow"
    return "other_provider" if OTHER_PROVIDER.fullmatch(path) else _ENDPOINTS.get(path)


def discovery_document(urls: Urls) -> dict[str, Any]:
    """Return the OIDC metadata of an environment (OIDC Discovery, 3)."""
    issuer = urls.issuer
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
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": list(CHALLENGE_METHODS),
    }
