"""The routes: metrics, health, pages. What they show is handed in as callables.

Every answer, errors included, carries `nosniff` and is not to be stored: each describes one moment.
A failure is answered with a bare 500. It is logged with the way it took, but without the exception's
own text, which may hold what must not be in a log.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.serving.compression import Packed, joined, pack, packed, wants_small
from exporter.serving.cross_site import is_cross_site
from exporter.serving.door import Door
from exporter.serving.gate import Gate
from exporter.serving.negotiation import Format, choose
from exporter.serving.pages import pages
from exporter.serving.turns import Turns
from exporter.serving.watched import Views

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


Endpoint = Callable[[Request], Awaitable[Response]]

WebApp: TypeAlias = Starlette
"""What serves the routes; whoever only hands it on need not know of what it is made."""


_log = logging.getLogger("exporter.serving")


def site(
    *,
    exposition: Callable[[bool], Awaitable[bytes]],
    healthy: Callable[[], bool],
    ready: Callable[[], bool],
    views: Views,
    reload: Callable[[], Awaitable[tuple[bool, str]]],
    door: Door | None = None,
) -> Starlette:
    """Build the web application.

    Args:
        exposition: renders the metrics; called with True for OpenMetrics 1.0.0, False for text 0.0.4.
        healthy: whether due probes are being started.
        ready: whether the schedule runs.
        views: where the pages and the API have what they show.
        reload: reads the configuration anew; returns whether it is in force, and what there is to say.
        door: who may see it, and what every answer carries; without one, everybody, and nothing more.
    """
    door = door or Door()
    app = Starlette(
        routes=[
            Route("/metrics", _metrics(exposition)),
            Route("/-/healthy", _check(healthy, "healthy", "not healthy: due probes are not being started")),
            Route("/-/ready", _check(ready, "ready", "not ready: the schedule is not running")),
            Route("/-/reload", _reload(reload), methods=["POST"]),
            *pages(views),
        ],
        middleware=[Middleware(_Frame, door), Middleware(Gate, door)],
        exception_handlers={HTTPException: _refusal},
    )
    app.router.redirect_slashes = False
    return app


def _metrics(exposition: Callable[[bool], Awaitable[bytes]]) -> Endpoint:
    async def make(form: Format, small: bool) -> Packed:  # noqa: FBT001  a key of the table below
        return await pack(await exposition(form is Format.OPENMETRICS), small=small)

    bodies = {key: Turns(partial(make, *key)) for key in product(Format, (False, True))}

    async def metrics(request: Request) -> Response:
        form = choose(joined(request, "accept"))
        body = await bodies[form, wants_small(request)]()
        return packed(body, {"Content-Type": form.content_type, "Vary": "Accept"})

    return metrics


def _check(holds: Callable[[], bool], good: str, bad: str) -> Endpoint:
    async def check(_: Request) -> Response:
        return PlainTextResponse(good) if holds() else PlainTextResponse(bad, status_code=503)

    return check


def _reload(reload: Callable[[], Awaitable[tuple[bool, str]]]) -> Endpoint:
    async def reloaded(request: Request) -> Response:
        if is_cross_site(request.headers):
            return PlainTextResponse("refused: a page of another site asks for it", status_code=403)
        good, text = await reload()
        # Ended by a line break, or the shell of whoever asked would prompt behind the last mistake.
        return PlainTextResponse(f"{text}\n", status_code=200 if good else 500)

    return reloaded


async def _refusal(_: Request, error: Exception) -> Response:
    """Answer what has no route (404) or not this method (405)."""
    if not isinstance(error, HTTPException):  # pragma: no cover  starlette's signature is wider than its use
        raise error
    headers = dict(error.headers or {})
    if "Allow" in headers:
        # starlette joins a set, whose order changes with every start
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return PlainTextResponse(error.detail.lower(), status_code=error.status_code, headers=headers)


class _Frame:
    """What is common to all answers: their headers, and what happens when there is none.

    It stands inside starlette's own error middleware, which would raise again what it has answered,
    for the server to log with the exception's text.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message["headers"])
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
                for name, value in self._door.headers:  # last: what the operator asked for wins
                    headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except asyncio.CancelledError:
            # shutdown cancels requests that outlast the grace
            _log.warning("cut short: %s %s", scope["method"], scope["path"])
            if started:
                raise
            await PlainTextResponse("shutting down", status_code=503)(scope, receive, framed)
        except Exception as error:  # noqa: BLE001  whatever a callable raises, the daemon goes on
            # the path is one of the routes': nothing else gets as far as failing
            _log.error("cannot answer %s %s: %s", scope["method"], scope["path"], _way(error))
            if not started:
                await PlainTextResponse("internal error", status_code=500)(scope, receive, framed)


def _way(error: BaseException) -> str:
    """Describe an exception and what caused it by types and frames alone, innermost frame last."""
    frames = (
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    )
    way = f"{type(error).__name__} at {' > '.join(frames)}"
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return way if earlier is None else f"{way}; after {_way(earlier)}"
