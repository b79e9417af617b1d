"""One PingOne environment: a request and the weather in, a reply out. No socket, no task, no global clock.

What the edge does before any application is reached (limits, errors, maintenance) is in `climate`; what
an application does is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlencode
from uuid import uuid4

from exporter.simulator.authorize import Asked, read_authorize
from exporter.simulator.flow import (
    COMPLETED,
    LOGIN_REQUIRED,
    Flow,
    Flows,
    failed_document,
    first_status,
    flow_document,
)
from exporter.simulator.message import Reply, Request, json_reply, redirect, text_reply
from exporter.simulator.metadata import discovery_document
from exporter.simulator.problem import NOT_FOUND, RefusedError, unrouted
from exporter.simulator.signon import Sessions, act, resumed
from exporter.simulator.urls import Place, Route, Urls
from exporter.simulator.weather import Kind, Weather
from exporter.simulator.world import Environment

_SIGN_ON_HTML = (
    "<!DOCTYPE html><html lang=en><title>Sign On</title><h1>Sign On</h1><p>A simulated page.</p></html>"
)

_METHODS: dict[Route, frozenset[str]] = {
    Route.AUTHORIZE: frozenset({"GET"}),
    Route.RESUME: frozenset({"GET"}),
    Route.DISCOVERY: frozenset({"GET", "HEAD"}),
    Route.JWKS: frozenset({"GET", "HEAD"}),
    Route.FLOW: frozenset({"GET", "POST"}),
    Route.SIGN_ON_PAGE: frozenset({"GET", "HEAD"}),
}


class Provider:
    """Answers for one environment.

    Args:
        environment: its applications and users.
        urls: where it is.
        key: the JWK its tokens would be signed with.
        clock: seconds since the epoch.
        flows: where its flows are kept.
    """

    def __init__(
        self,
        environment: Environment,
        urls: Urls,
        key: Mapping[str, str],
        clock: Callable[[], float],
        flows: Flows | None = None,
    ) -> None:
        self._environment = environment
        self._urls = urls
        self._key = key
        self._clock = clock
        self._flows = Flows() if flows is None else flows
        self._sessions = Sessions()

    def answer(self, request: Request, weather: Weather) -> Reply:
        """Answer a request that came through to the application; each reply has a `Correlation-Id`."""
        if not request.whole:
            return json_reply(413, {"message": "Request Too Long"})
        try:
            reply = self._routed(self._urls.place(request.path), request, weather)
        except RefusedError as refused:
            reply = (
                refused.problem.as_redirect(self._urls.sign_on_page)
                if refused.to_browser
                else refused.problem.as_json()
            )
        return reply.with_headers(("Correlation-Id", str(uuid4())), ("Cache-Control", "no-store"))

    def _routed(self, place: Place, request: Request, weather: Weather) -> Reply:
        # A wrong method is told like a wrong path, as an API gateway does; inferred.
        if request.method not in _METHODS.get(place.route, frozenset()):
            return unrouted()
        if place.environment_id not in {None, self._environment.id}:
            raise RefusedError(NOT_FOUND)
        match place.route:
            case Route.AUTHORIZE:
                return self._authorize(request, weather)
            case Route.FLOW:
                return self._flow(place.flow_id or "", request)
            case Route.RESUME:
                return self._resume(request)
            case Route.DISCOVERY:
                return json_reply(200, discovery_document(self._urls))
            case Route.JWKS:
                return json_reply(200, {"keys": [dict(self._key)]})
            case _:
                return text_reply(200, _SIGN_ON_HTML, kind="html")

    def _authorize(self, request: Request, weather: Weather) -> Reply:
        asked = read_authorize(request.query, _under(weather, self._environment))
        if weather.kind is Kind.FLOW_FAILED:
            return self._failed(asked, "server_error", "The flow could not be started.")
        now = self._clock()
        signed_on = "login" not in asked.prompts and self._sessions.of(request, now)
        if "none" in asked.prompts and not signed_on:
            return self._failed(asked, LOGIN_REQUIRED, "There is no session and the user must not be asked.")
        flow = Flow(
            application=asked.application,
            status=first_status(asked.application, weather, signed_on=signed_on),
            created_at=now,
            shown_at=now + skew(weather),
            redirect_uri=asked.redirect_uri,
            state=asked.state,
            pi_flow=asked.pi_flow,
        )
        self._flows.keep(flow)
        if not asked.pi_flow:
            return redirect(f"{self._urls.sign_on_page}?flowId={flow.id}")
        return json_reply(200, flow_document(flow, self._urls))

    def _failed(self, asked: Asked, code: str, message: str) -> Reply:
        if asked.pi_flow:
            return json_reply(200, failed_document(self._urls, code, message))
        # OIDC Core, 3.1.2.6: without pi.flow the client is told at its redirect_uri.
        told = {"error": code, "error_description": message}
        state = {} if asked.state is None else {"state": asked.state}
        separator = "&" if "?" in asked.redirect_uri else "?"
        return redirect(f"{asked.redirect_uri}{separator}{urlencode({**told, **state})}")

    def _flow(self, identifier: str, request: Request) -> Reply:
        flow = self._known(identifier)
        if request.method == "GET":
            return json_reply(200, flow_document(flow, self._urls))
        flow = act(flow, request, self._environment.users)
        self._flows.keep(flow)
        cookie = [self._sessions.begin(self._urls, self._clock())] if flow.status == COMPLETED else []
        return json_reply(200, flow_document(flow, self._urls), *cookie)

    def _resume(self, request: Request) -> Reply:
        identifiers = parse_qs(request.query).get("flowId", [])
        flow = self._known(identifiers[0] if len(identifiers) == 1 else "")
        return resumed(flow, self._urls, signed_on=self._sessions.of(request, self._clock()))

    def _known(self, identifier: str) -> Flow:
        flow = self._flows.find(identifier, self._clock())
        if flow is None:
            raise RefusedError(NOT_FOUND)
        return flow


def skew(weather: Weather) -> float:
    """Seconds by which the provider's clock is ahead in such weather."""
    return weather.number("seconds") if weather.kind is Kind.CLOCK_SKEWED else 0.0


def _under(weather: Weather, environment: Environment) -> Environment:
    match weather.kind:
        case Kind.CLIENT_DELETED:
            return replace(environment, applications=())
        case Kind.REDIRECT_URI_REMOVED:
            stripped = tuple(
                replace(application, redirect_uris=()) for application in environment.applications
            )
            return replace(environment, applications=stripped)
        case _:
            return environment
