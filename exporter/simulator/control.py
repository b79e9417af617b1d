"""The control API: weather and the status page over HTTP, on a port of its own that no weather reaches.

GET /weather                      all environments
GET /weather/<name or id>         one
PUT /weather/<name or id>         {"weather": "slow", "ms": 800}
GET /api/v2/summary.json          the vendor's status page
PUT /status-page                  {"status": "partial_outage"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.simulator.environments import TLSRequiredError
from exporter.simulator.error_answers import RefusedError
from exporter.simulator.provider import read_body
from exporter.simulator.simulated_environment import SimulatedEnvironment
from exporter.simulator.simulated_status_page import COMPONENT, IMPACTS, SimulatedStatusPage
from exporter.simulator.weather import EXAMPLE, KINDS, WeatherError, parameters, parse_weather

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY_BYTES = 4096
"""Weather takes less than a hundred."""

DEFAULT_ERRORS = {
    404: "not found; use /, /weather, /weather/<environment>, /status-page or /api/v2/summary.json",
    405: "wrong method; use GET, or PUT for one environment",
}


def control_app(
    environments: Mapping[str, SimulatedEnvironment], status_page: SimulatedStatusPage
) -> Starlette:
    """Return the control API of these environments, which are given by name, and of the status page."""

    def find(request: Request) -> SimulatedEnvironment:
        wanted = request.path_params["environment"].lower()
        for name, environment in environments.items():
            if wanted in {name, environment.environment.id}:
                return environment
        raise HTTPException(404, f"no environment has this name or id; there are {', '.join(environments)}")

    async def explain(_: Request) -> Response:
        return PlainTextResponse(_explanation(environments))

    async def list_all(_: Request) -> Response:
        return JSONResponse({"environments": [each.as_json() for each in environments.values()]})

    async def one(request: Request) -> Response:
        environment = find(request)
        if request.method == "PUT":
            await _change(environment, request)
        return JSONResponse(environment.as_json())

    async def summary(_: Request) -> Response:
        return JSONResponse(status_page.summary())

    async def switch(request: Request) -> Response:
        if request.method == "PUT":
            await _switch(status_page, request)
        return JSONResponse({"component": COMPONENT, "status": status_page.status})

    return Starlette(
        routes=[
            Route("/", explain),
            Route("/weather", list_all),
            Route("/weather/{environment}", one, methods=["GET", "PUT"]),
            Route("/api/v2/summary.json", summary),
            Route("/status-page", switch, methods=["GET", "PUT"]),
        ],
        exception_handlers={HTTPException: _error},
    )


async def _change(environment: SimulatedEnvironment, request: Request) -> None:
    body = await _body(request)
    try:
        await environment.set_weather(parse_weather(json.loads(body)))
    except WeatherError as error:
        raise HTTPException(400, str(error)) from error
    except TLSRequiredError as error:
        raise HTTPException(409, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body must be JSON such as {EXAMPLE}") from error
    except OSError as error:
        text = f"its port could not be opened or closed: {error.strerror or error}"
        raise HTTPException(503, text) from error


async def _switch(status_page: SimulatedStatusPage, request: Request) -> None:
    body = await _body(request)
    try:
        status_page.switch(json.loads(body)["status"])
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        text = 'the body must be JSON such as {"status": "partial_outage"}, with one of '
        raise HTTPException(400, f"{text}{', '.join(IMPACTS)}") from error


async def _body(request: Request) -> bytes:
    try:
        return await read_body(request, MAX_BODY_BYTES)
    except RefusedError as error:
        raise HTTPException(413, f"the body must be at most {MAX_BODY_BYTES} bytes long") from error


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  the only exception that it is registered for
    default = error.detail == HTTPStatus(error.status_code).phrase
    text = DEFAULT_ERRORS.get(error.status_code, error.detail) if default else error.detail
    return JSONResponse({"error": text}, error.status_code, error.headers)


def _explanation(environments: Mapping[str, SimulatedEnvironment]) -> str:
    kinds = []
    for name, kind in KINDS.items():
        described = "; ".join(f"{parameter}: {values}" for parameter, values, _ in parameters(kind))
        kinds.append(f"  {name:<22}{described}".rstrip())
    listed = [f"  {name:<22}{environment.urls.root}" for name, environment in environments.items()]
    return "\n".join([
        "A simulated PingOne; this is the control API of its weather.",
        "",
        "  GET /weather                  all environments",
        "  GET /weather/<environment>    one, by name or id",
        "  PUT /weather/<environment>    change it, for example:",
        f"    curl -X PUT -d '{EXAMPLE}' URL/weather/{next(iter(environments))}",
        "  GET /api/v2/summary.json      the vendor's status page",
        "  PUT /status-page              change what it shows, for example:",
        "    curl -X PUT -d '{\"status\": \"partial_outage\"}' URL/status-page",
        "",
        "Environments:",
        *listed,
        "",
        "Weather and its parameters:",
        *kinds,
        "",
    ])  # fmt: skip
