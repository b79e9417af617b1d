"""A simulated environment that runs: its port, its provider and its weather."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from email.utils import formatdate
from random import Random
from typing import Any
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from exporter.simulator.environments import Environment, Urls, check_weather
from exporter.simulator.error_answers import REQUEST_LIMITED, UNEXPECTED, RefusedError, refused
from exporter.simulator.listener import Listener
from exporter.simulator.provider import Provider
from exporter.simulator.script import Clock
from exporter.simulator.weather import Weather

MAINTENANCE_URL = "https://maintenance.example/"  # a reserved name, which never resolves


class SimulatedEnvironment:
    """One environment on its port.

    Args:
        public_host: host in its URLs, in brackets if it is an IPv6 address.
        sources: the simulator's environments by name; one that it shares a port with is there already.
        certificates: TLS servers' contexts with the certificate that is shown in a weather, by its kind; most
            show that of `healthy`. Empty for http, and if it shares a port.
        random: decides about the share of `flaky` and the jitter of `slow`.

    Attributes:
        weather: what is wrong now; change it by `set_weather`.
        base_url: scheme, host and port, without a trailing slash.
        listener: its port, or the one that it shares; `port` is its number, also while that is closed.
        guests: the environments that share its port, by id.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        host: str,
        public_host: str,
        sources: Mapping[str, SimulatedEnvironment],
        certificates: Mapping[str, ssl.SSLContext],
        clock: Clock,
        random: Random,
    ) -> None:
        self.environment = environment
        self.weather: Weather = environment.weather
        self.is_scripted = True  # until the control port changes the weather: then a script leaves it alone
        self._certificates, self._clock, self._random = certificates, clock, random
        self.guests: dict[str, SimulatedEnvironment] = {}
        if not environment.port_of:
            if (tls := certificates.get("healthy")) is not None:
                tls.sni_callback = self._choose_certificate  # called for every handshake, also without SNI
            self.listener = Listener(host, 0, self, tls)
            scheme = "https" if tls else "http"
            self.base_url = f"{scheme}://{public_host}:{self.listener.port}"
        else:
            shared = sources[environment.port_of]
            self.listener, self.base_url = shared.listener, shared.base_url
            shared.guests[environment.id] = self
        self.port = self.listener.port
        self.urls = Urls(self.base_url, environment)
        self._provider = Provider(environment, self.urls, sources, clock.time, random)

    async def set_weather(self, weather: Weather) -> None:
        """Change the weather, for the next connection or request; its port is open from the first time on.

        Raises:
            WeatherError: such weather needs https and this environment has none.
            OSError: another program took its port while it was closed.
        """
        check_weather(self.environment, weather)
        if weather.kind == "refused":
            self.listener.close()
        elif not self.environment.port_of:
            await self.listener.open()
        if weather.kind == "keys_rotated":
            # In a thread: long enough to be felt by an exporter in the same loop.
            await asyncio.to_thread(self._provider.keys.rotate)
        changed, self.weather = weather.kind != self.weather.kind, weather
        if changed and self._certificates:
            self.listener.close_idle_connections()

    def _choose_certificate(self, handshake: ssl.SSLObject | ssl.SSLSocket, *_: object) -> None:
        handshake.context = self._certificates.get(self.weather.kind, self._certificates["healthy"])

    async def redeem(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """Answer a destination's token request, which needs no connection, in the current weather."""
        weather = self.weather.at("token")
        await self._delay(weather)
        response = intercept(weather, self._random)
        if response is not None or weather.needs_tls or weather.kind in {"refused", "reset", "silent"}:
            raise RefusedError(503 if response is None else response.status_code, {})
        return self._provider.redeem(form, authorization, weather)

    def as_json(self) -> dict[str, Any]:
        """Return name, id, URL and weather."""
        return {
            "environment": self.environment.name,
            "id": self.environment.id,
            "url": self.urls.root,
            **self.weather.as_json(),
        }

    async def _delay(self, weather: Weather) -> None:
        if weather.kind == "slow":
            await self._clock.sleep((weather.ms + self._random.random() * weather.jitter) / 1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or do to it what the weather does; the signature of ASGI."""
        request = Request(scope, receive)
        if (guest := self.guests.get(request.url.path[1:].partition("/")[0])) is not None:
            await guest(scope, receive, send)
            return
        endpoint, handler = self._provider.route(request)
        weather = self.weather.at(endpoint)
        try:
            await self._delay(weather)
            if weather.kind in {"reset", "silent"}:
                if weather.kind == "reset":
                    self.listener.reset(request)
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            response = intercept(weather, self._random)
            if response is None:
                response = await self._provider.answer(request, handler, weather)
        except (asyncio.CancelledError, ClientDisconnect):
            return  # the simulator stops, which uvicorn would log as an error; or the client left
        response.headers["Date"] = formatdate(self._clock.time() + weather.clock_skew, usegmt=True)
        await response(scope, receive, send)


def intercept(weather: Weather, random: Random) -> Response | None:
    """Return what the edge answers in such weather; None if the request reaches the application.

    What an HTML error of the edge looks like, and that it has no `Correlation-Id`, is inferred.
    """
    correlation_id = {"Correlation-Id": str(uuid4())}
    match weather.kind:
        case "flaky" if random.random() < weather.ratio:
            return refused(503, *UNEXPECTED).response(**correlation_id)
        case "rate_limited":
            retry_after = {"Retry-After": str(weather.retry_after)}
            return refused(*REQUEST_LIMITED).response(**correlation_id, **retry_after)
        case "error_json":
            return refused(weather.code, *UNEXPECTED).response(**correlation_id)
        case "error_html":
            title = f"{weather.code} ERROR"
            page = f"<title>{title}</title><h1>{title}</h1><p>The request could not be satisfied.</p>"
            html = f"<!DOCTYPE html><html lang=en>{page}</html>"
            return HTMLResponse(html, weather.code, {"Server": "CloudFront"})
        case "maintenance":
            return Response(status_code=302, headers={"Location": MAINTENANCE_URL, **correlation_id})
        case _:
            return None
