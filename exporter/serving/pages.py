"""The routes of the pages for people, and of the same facts as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.serving.api import target_as_json, targets_as_json
from exporter.serving.compression import answer
from exporter.serving.document import CONTENT_SECURITY_POLICY, warm
from exporter.serving.overview import Overview, worst_first
from exporter.serving.runbook import runbooks
from exporter.serving.target_page import target_page
from exporter.serving.watched import Views

Endpoint = Callable[[Request], Awaitable[Response]]

_HTML = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
}
_JSON = {"Content-Type": "application/json"}
_UNKNOWN = 404


def pages(views: Views) -> list[Route]:
    """Return the routes of the overview, the targets, the API and the runbooks.

    Args:
        views: where what they show is taken from.
    """
    warm()
    overview = Overview(views)

    async def everything(request: Request) -> Response:
        return await answer(request, await overview.page(), _HTML)

    async def one(request: Request) -> Response:
        pasts = views.past(request.path_params["name"])
        if not pasts:
            raise HTTPException(_UNKNOWN)
        return await answer(request, await target_page(pasts, views), _HTML)

    async def everything_as_json(request: Request) -> Response:
        now, breath = views.now(), views.slices()
        watched = await worst_first(views, now, breath)
        body = await targets_as_json(watched, now, views.external_url(), breath, egress=views.egress())
        return await answer(request, body, _JSON)

    async def one_as_json(request: Request) -> Response:
        pasts = views.past(request.path_params["name"])
        if not pasts:
            return JSONResponse({"error": "no such target; api/v1/targets has them all"}, _UNKNOWN)
        body = await target_as_json(
            pasts, views.now(), views.external_url(), views.slices(), egress=views.egress()
        )
        return await answer(request, body, _JSON)

    return [
        Route("/", everything),
        Route("/targets/{name}", one),
        Route("/api/v1/targets", everything_as_json),
        Route("/api/v1/targets/{name}", one_as_json),
        *(Route(f"/runbooks/{alert}", _fixed(page.encode())) for alert, page in runbooks().items()),
    ]


def _fixed(page: bytes) -> Endpoint:
    async def runbook(request: Request) -> Response:
        return await answer(request, page, _HTML)

    return runbook
