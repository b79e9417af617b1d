"""The control API: weather and status page over HTTP, on a port of its own that no weather reaches.

GET /weather                      all environments
GET /weather/<name or id>         one
PUT /weather/<name or id>         {"weather": "slow", "ms": 800}
GET /api/v2/summary.json          the vendor's status page
PUT /status-page/<status>         what it shows from now on
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
    404: "not found; use /, /weather, /weather/<environment> or /status-page/<status>",
    405: "wrong method; use GET, or PUT for one environment",
}


def control_app(environments: Mapping[str, SimulatedEnvironment], page: SimulatedStatusPage) -> Starlette:
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

    async def status_page(request: Request) -> Response:
        if request.method == "PUT" and request.path_params["status"] not in IMPACTS:
            raise HTTPException(400, f"unknown status; use {', '.join(IMPACTS)}")
        if request.method == "PUT":
            page.switch(request.path_params["status"])
        return JSONResponse(page.summary)

    return Starlette(
        routes=[
            Route("/", explain),
            Route("/weather", list_all),
            Route("/weather/{environment}", one, methods=["GET", "PUT"]),
            Route("/api/v2/summary.json", status_page),
            Route("/status-page/{status}", status_page, methods=["PUT"]),
        ],
        exception_handlers={HTTPException: _error},
    )


async def _change(environment: SimulatedEnvironment, request: Request) -> None:
    try:
        body = await read_body(request, MAX_BODY_BYTES)
        await environment.set_weather(parse_weather(json.loads(body)))
    except RefusedError as error:
        raise HTTPException(413, f"the body must be at most {MAX_BODY_BYTES} bytes long") from error
    except WeatherError as error:
        raise HTTPException(400, str(error)) from error
    except TLSRequiredError as error:
        raise HTTPException(409, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body must be JSON such as {EXAMPLE}") from error
    except OSError as error:
        text = f"its port could not be opened or closed: {error.strerror or error}"
        raise HTTPException(503, text) from error


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
        f"  PUT /status-page/<status>     what {COMPONENT} is: {', '.join(IMPACTS)}",
        "",
        "Environments:",
        *listed,
        "",
        "Weather and its parameters:",
        *kinds,
        "",
    ])  # fmt: skip
