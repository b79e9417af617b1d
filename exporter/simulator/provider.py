"""One PingOne environment: a request and the weather in, a response out. No I/O.

What the edge does before any application is reached (limits, errors, maintenance) is the weather's; what an
application does is here. The lists of response modes and of challenge methods in the metadata are the
vendor's; the metadata names only endpoints that the simulator serves.
"""

import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Match, Route

from exporter.outcome import COMPLETED, DAVINCI, FAILED
from exporter.simulator.authorize_endpoint import CHALLENGES, RESPONSE_MODES, read_authorize
from exporter.simulator.environments import CALLBACK_PATH, Application, Environment, SignOnPolicy, Urls
from exporter.simulator.error_answers import (
    NOT_FOUND,
    TOO_LONG,
    WRONG_MEDIA_TYPE,
    RefusedError,
    invalid_request,
    redirect,
    refused,
)
from exporter.simulator.flow import (
    LIFETIME_SECONDS,
    ExpiringStore,
    Flow,
    act,
    davinci_document,
    first_status,
    flow_document,
    with_query,
)
from exporter.simulator.relying_party import RelyingParty, Source, foreign_login_page, start_at_foreign
from exporter.simulator.token_endpoint import KeyRing, TokenEndpoint
from exporter.simulator.weather import Weather
from exporter.target import UUID

MAX_BODY_BYTES = 64 * 1024
SESSION_SECONDS = 86_400.0  # the vendor's default depends on the policy

Handler = Callable[[Request, Weather], Awaitable[Response]]


class Provider:
    """Answers for one environment; `random` chooses between the two detailed forms of a DaVinci flow."""

    def __init__(
        self,
        environment: Environment,
        urls: Urls,
        sources: Mapping[str, Source],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._environment, self._urls, self._sources = environment, urls, sources
        self.keys = KeyRing()
        self._relying_party = RelyingParty(urls, sources, clock)
        self._token_endpoint = TokenEndpoint(environment, urls, self.keys, clock)
        self.redeem = self._token_endpoint.redeem
        self._clock, self._random = clock, random
        self._flows: ExpiringStore[Flow] = ExpiringStore(clock, LIFETIME_SECONDS)
        self._sessions: ExpiringStore[bool] = ExpiringStore(clock, SESSION_SECONDS)
        self._routes = [
            Route(f"{urls.path}{path}", handler, name=name, methods=[method])
            for method, path, name, handler in (
                ("GET", "/as/authorize", "authorize", self._authorize),
                ("GET", "/flows/{id:uuid}", "flow", self._show),
                ("POST", "/flows/{id:uuid}", "sign_on", self._act),
                ("GET", "/as/resume", "resume", self._resume),
                ("POST", "/as/token", "token", self._token),
                ("GET", "/as/jwks", "keys", self._show_keys),
                ("GET", "/as/.well-known/openid-configuration", None, self._metadata),
                ("GET", "/rp/authenticate", "initiate", self._initiate),
                ("GET", CALLBACK_PATH, "callback", self._callback),
                ("GET", "/idp/{id:uuid}/authorize", None, start_at_foreign),
                ("GET", "/idp/{id:uuid}/sso", None, start_at_foreign),
                ("GET", "/idp/{id:uuid}/login/{interaction}", None, foreign_login_page),
            )
        ]

    def route(self, request: Request) -> tuple[str | None, Handler]:
        """Return what a request asks for, by the name that weather uses, and what answers it."""
        for route in self._routes:
            match, found = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(found)
                return route.name, route.endpoint
        return None, self._refuse

    async def answer(self, request: Request, handler: Handler, weather: Weather) -> Response:
        """Answer a request that reached the application; each response has a `Correlation-Id`."""
        try:
            response = await handler(request, weather)
        except RefusedError as error:
            response = error.response(self._urls.sign_on_page)
        response.headers.update({"Correlation-Id": str(uuid4()), "Cache-Control": "no-store"})
        return response

    async def _refuse(self, request: Request, _weather: Weather) -> Response:
        first = request.url.path[1:].partition("/")[0]
        if UUID.fullmatch(first) and first != self._environment.id and not self._environment.custom_domain:
            raise refused(*NOT_FOUND)
        # The edge's answer to a path that does not exist; that a wrong method gets it too is inferred.
        return JSONResponse({"message": "Missing Authentication Token"}, 403)

    async def _authorize(self, request: Request, weather: Weather) -> Response:
        application, given = read_authorize(request.query_params, self._applications(weather))
        prompts = given.get("prompt", "").split()
        signed_on = "login" not in prompts and self._signed_on(request)
        providers = self._environment.providers
        if weather.kind == "provider_missing":
            providers = tuple(each for each in providers if weather.name not in {None, each.name})
        flow = Flow(
            application=application,
            given=given,
            status=first_status(application, weather, signed_on=signed_on),
            created_at=self._clock() + weather.clock_skew,
            providers=providers,
        )
        if weather.kind == "flow_failed":
            return self._failed("server_error", "The flow could not be started.")
        if "none" in prompts and not signed_on:
            message = "There is no session and the user must not be asked."
            return self._failed("login_required", message)
        self._flows.put(flow.id, flow)
        if flow.pi_flow:
            return JSONResponse(self._document(flow, request))
        if flow.status == SignOnPolicy.IDENTITY_PROVIDER and flow.providers:
            return redirect(self._urls.authenticate(flow.providers[0].id, flow.id))
        return redirect(f"{self._urls.sign_on_page}?flowId={flow.id}")

    def _failed(self, code: str, message: str) -> Response:
        """Return a flow that failed at once, as JSON, whatever the response mode."""
        error = {"code": code, "message": message}
        environment = {"id": self._environment.id}
        return JSONResponse({"environment": environment, "status": FAILED, "error": error})

    async def _show(self, request: Request, _weather: Weather) -> Response:
        return JSONResponse(self._document(self._flow(str(request.path_params["id"])), request))

    async def _act(self, request: Request, weather: Weather) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        flow = self._flow(str(request.path_params["id"]))
        act(flow, self._environment.users, media_type(request), body, weather)
        return self._with_session(JSONResponse(flow_document(flow, self._urls)), flow)

    async def _initiate(self, request: Request, weather: Weather) -> Response:
        query = request.query_params
        flow = self._flow(query.get("flowId", ""))
        return self._relying_party.initiate(flow, query.get("providerId", ""), weather)

    async def _callback(self, request: Request, weather: Weather) -> Response:
        flow = await self._relying_party.handle_callback(request.query_params, weather)
        return self._with_session(redirect(f"{self._urls.sign_on_page}?flowId={flow.id}"), flow)

    async def _token(self, request: Request, weather: Weather) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        if media_type(request) != "application/x-www-form-urlencoded":
            raise refused(*WRONG_MEDIA_TYPE)
        form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        return JSONResponse(self.redeem(form, request.headers.get("authorization", ""), weather))

    def _with_session(self, response: Response, flow: Flow) -> Response:
        """Return a response with the cookie of a session, if the flow is completed."""
        if flow.status == COMPLETED:
            token = secrets.token_urlsafe(32)
            self._sessions.put(token, True)  # noqa: FBT003  its key counts
            path = self._urls.path or "/"
            response.headers["Set-Cookie"] = f"ST={token}; Path={path}; Secure; HttpOnly; SameSite=None"
        return response

    def _signed_on(self, request: Request) -> bool:
        return self._sessions.get(request.cookies.get("ST", "")) is not None

    def _document(self, flow: Flow, request: Request) -> dict[str, Any]:
        if flow.status != DAVINCI:
            return flow_document(flow, self._urls)
        # The vendor's SDKs send this; without it, both of the other forms were recorded.
        sdk = request.headers.get("x-requested-with") == "ping-sdk"
        links = ("next",) if sdk else self._random.choice([(), ("self",)])
        return davinci_document(flow, self._urls, links)

    async def _resume(self, request: Request, weather: Weather) -> Response:
        flow = self._flow(request.query_params.get("flowId", ""))
        if flow.status != COMPLETED or not self._signed_on(request):
            raise invalid_request("flowId", "The flow is not completed in this session.")
        result = {"code": self._token_endpoint.grant(flow)}
        if (state := flow.given.get("state")) is not None:
            result["state"] = str(uuid4()) if weather.kind == "state_lost" else state
        if flow.pi_flow:
            return JSONResponse({**flow_document(flow, self._urls), "authorizeResponse": result})
        return redirect(with_query(flow.given["redirect_uri"], result))

    async def _metadata(self, _request: Request, weather: Weather) -> Response:
        """Show the OIDC metadata (OIDC Discovery, 3)."""
        issuer, wrong = self._urls.issuer, weather.wrong if weather.kind == "metadata_invalid" else None
        if wrong == "json":
            return HTMLResponse("<!doctype html><title>Maintenance</title>")
        document = {
            "issuer": f"{issuer}/" if wrong == "issuer" else issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": list(RESPONSE_MODES),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": list(CHALLENGES),
        }
        if wrong == "member":
            del document["token_endpoint"]
        return JSONResponse(document)

    async def _show_keys(self, _request: Request, weather: Weather) -> Response:
        """Show the keys; a private member that is published is not the real one."""
        published = self.keys.published()
        match weather.wrong if weather.kind == "keys_invalid" else None:
            case "missing":
                published = []
            case "weak":
                published = [{**key, "n": key["n"][:171]} for key in published]  # of 342 characters
            case "private":
                published = [{**key, "d": key["n"]} for key in published]
        return JSONResponse({"keys": published})

    def _flow(self, flow_id: str) -> Flow:
        flow = self._flows.get(flow_id)
        if flow is None:
            raise refused(*NOT_FOUND)
        return flow

    def _applications(self, weather: Weather) -> list[Application]:
        """Return the applications, each with the callbacks of the destinations that it signs users on for."""
        if weather.kind == "client_deleted":
            return []
        if weather.kind == "redirect_uri_removed":
            return [replace(each, redirect_uris=()) for each in self._environment.applications]
        callbacks: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        for destination in self._sources.values():
            for provider in destination.environment.providers:
                if provider.source == self._environment.name:
                    callbacks[provider.client_id] += (destination.urls.callback,)
        return [
            replace(each, redirect_uris=each.redirect_uris + callbacks[each.client_id])
            for each in self._environment.applications
        ]


def media_type(request: Request) -> str:
    """Return the media type of a request's body, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body; raises `RefusedError` as soon as it is longer than `limit` bytes."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise refused(*TOO_LONG)
    return body
