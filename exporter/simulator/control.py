"""The control API: weather and a vendor's status page, on a port of its own that no weather reaches."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.simulator.error_answers import RefusedError
from exporter.simulator.provider import read_body
from exporter.simulator.simulated_environment import SimulatedEnvironment
from exporter.simulator.weather import EXAMPLE, WeatherError, parse_weather

MAX_BODY_BYTES = 4096  # weather takes less than a hundred
STARLETTE_ERRORS = {
    "Not Found": "not found; use /weather, /weather/<environment> or /status-page/<status>",
    "Method Not Allowed": "wrong method; use GET, or PUT for one environment",
}

GROUP, NAME = "Simulated Europe", "SSO"
COMPONENT = f"{GROUP} / {NAME}"

IMPACTS = {
    "operational": None,
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
    "under_maintenance": "maintenance",
}
"""Status of the component -> impact of the open incident, if there is one."""


class SimulatedStatusPage:
    """A status page with made-up names; as with a real one, no weather changes its `summary`."""

    def __init__(self) -> None:
        self.switch("operational")

    def switch(self, status: str) -> None:
        """Change the status of its component; KeyError if there is no such status."""
        impact, now = IMPACTS[status], datetime.now(UTC).isoformat(timespec="milliseconds")
        event = {"name": "Sign-on is impaired", "status": "identified", "impact": impact, "started_at": now}
        group = {"id": "simulatedgrp", "name": GROUP, "status": "operational", "updated_at": now}
        component = {"id": "simulatedsso", "name": NAME, "status": status, "updated_at": now}
        self.summary: dict[str, Any] = {
            "page": {"name": "Simulated status", "updated_at": now},
            "components": [group, component | {"group_id": group["id"]}],
            "incidents": [] if impact is None else [event],
            "scheduled_maintenances": [],
        }


def control_app(environments: Mapping[str, SimulatedEnvironment], page: SimulatedStatusPage) -> Starlette:
    """Return the control API of these environments, which are given by name, and of the status page."""
    known = {each.environment.id: each for each in environments.values()} | dict(environments)

    async def list_all(_: Request) -> Response:
        return JSONResponse({"environments": [each.as_json() for each in environments.values()]})

    async def one(request: Request) -> Response:
        if (environment := known.get(request.path_params["environment"].lower())) is None:
            names = ", ".join(environments)
            raise HTTPException(404, f"no environment has this name or id; there are {names}")
        if request.method == "PUT":
            await _change(environment, request)
        return JSONResponse(environment.as_json())

    async def status_page(request: Request) -> Response:
        if request.method == "PUT":
            if request.path_params["status"] not in IMPACTS:
                raise HTTPException(400, f"unknown status; use {', '.join(IMPACTS)}")
            page.switch(request.path_params["status"])
        return JSONResponse(page.summary)

    return Starlette(
        routes=[
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
        environment.is_scripted = False
    except RefusedError as error:
        raise HTTPException(413, f"the body must be at most {MAX_BODY_BYTES} bytes long") from error
    except WeatherError as error:
        raise HTTPException(400, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body must be JSON such as {EXAMPLE}") from error
    except OSError as error:
        raise HTTPException(503, f"its port could not be opened: {error.strerror or error}") from error


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  the only exception that it is registered for
    text = STARLETTE_ERRORS.get(error.detail, error.detail)
    return JSONResponse({"error": text}, error.status_code, error.headers)
