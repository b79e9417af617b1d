"""The web application and its routes; what they show comes from callables that are passed in.

A failure is answered with a bare 500. It is logged with the types and frames of the exceptions, but without
their texts, which may hold what must not be in a log.
"""

import asyncio
import gzip
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.internal_errors import InternalErrors, Part
from exporter.serving.api import target_as_json, targets_as_json
from exporter.serving.html import CONTENT_SECURITY_POLICY, icon, render_document, warm_up_templates
from exporter.serving.negotiation import Format, accepts_gzip, choose_format
from exporter.serving.overview import StatusSource, overview_page
from exporter.serving.port_security import PortSecurity, with_auth, with_headers
from exporter.serving.runbooks import runbooks
from exporter.serving.target_filter import MAX_QUERY_LENGTH
from exporter.serving.target_page import target_page
from exporter.single_flight import SingleFlight

Endpoint = Callable[[Request], Awaitable[Response]]

MIN_COMPRESSED_BYTES = 1024
MIN_THREADED_COMPRESSION_BYTES = 64 * 1024
COMPRESSION_LEVEL = 1
"""Metrics shrink about tenfold; level 9 costs five times as much for little more."""

_HTML = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
}
_JSON = {"Content-Type": "application/json"}
_OWN_SITE = frozenset({"same-origin", "none"})
_PORT = re.compile(r":\d*$")
_FIXED = re.compile(r"localhost|[\d.]+|\[[\da-f:.]+\]")
"""Hosts that no name server resolves."""
_REBOUND = (
    "a web page may reload under this host name only if FLOW_EXPORTER_WEB__EXTERNAL_URL has it;"
    " from elsewhere use curl, SIGHUP, or the IP address"
)

_log = logging.getLogger("exporter.serving")


def create_app(
    *,
    metrics: Callable[[bool], Awaitable[Iterable[bytes]]],
    healthy: Callable[[], bool],
    ready: Callable[[], bool],
    statuses: StatusSource,
    reload: Callable[[], Awaitable[tuple[bool, str]]],
    security: PortSecurity | None = None,
) -> Starlette:
    """Build the web application.

    Args:
        metrics: renders OpenMetrics 1.0.0 for True, text 0.0.4 for False; a thread joins the pieces.
        healthy: whether due probes are being started.
        ready: whether the schedule runs.
        statuses: what the pages and the API show, and where our own bugs are counted.
        reload: reads the configuration again; returns whether it is in force, and a text for the client.
        security: users, rate limit and headers; None for an open port.
    """
    security = security or PortSecurity()
    routes = [
        Route("/metrics", _metrics(metrics)),
        Route("/-/healthy", _check(healthy, "healthy", "not healthy: due probes are not being started")),
        Route("/-/ready", _check(ready, "ready", "not ready: the schedule is not running")),
        Route("/-/reload", _reload(reload, statuses.external_url), methods=["POST"]),
        *_pages(statuses),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(with_headers, security),
            Middleware(with_error_responses, statuses.errors),
            Middleware(with_prefix, routes, statuses.external_url),
            Middleware(with_auth, security),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


def _metrics(metrics: Callable[[bool], Awaitable[Iterable[bytes]]]) -> Endpoint:
    """Return the endpoint of /metrics; scrapers that ask at the same moment share one compressed body."""

    def body(pieces: Iterable[bytes], compressed: bool) -> bytes:  # noqa: FBT001  as below
        joined = b"".join(pieces)
        return _compress(joined) if compressed else joined

    async def render(form: Format, compressed: bool) -> bytes:  # noqa: FBT001  a key of the table below
        pieces = await metrics(form is Format.OPENMETRICS)
        try:
            return await asyncio.to_thread(body, pieces, compressed)
        except RuntimeError:  # no thread can be started; a busy one may take the call, and read the pieces
            return body(await metrics(form is Format.OPENMETRICS), compressed)

    bodies = {key: SingleFlight(partial(render, *key)) for key in product(Format, (False, True))}

    async def endpoint(request: Request) -> Response:
        form = choose_format(", ".join(request.headers.getlist("accept")))
        compressed = _accepts_gzip(request)
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        headers |= {"Content-Encoding": "gzip"} if compressed else {}
        return Response(await bodies[form, compressed](), headers=headers)

    return endpoint


async def _page(request: Request, body: bytes, headers: Mapping[str, str] = _HTML) -> Response:
    """Return a page, compressed if the client accepts it; then only that body stays in memory."""
    encoded = {**headers, "Vary": "Accept-Encoding"}
    if len(body) >= MIN_COMPRESSED_BYTES and _accepts_gzip(request):
        encoded["Content-Encoding"] = "gzip"
        large = len(body) >= MIN_THREADED_COMPRESSION_BYTES
        body = await asyncio.to_thread(_compress, body) if large else _compress(body)
    return Response(body, headers=encoded)


def _accepts_gzip(request: Request) -> bool:
    return accepts_gzip(", ".join(request.headers.getlist("accept-encoding")))


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, COMPRESSION_LEVEL, mtime=0)


def _check(holds: Callable[[], bool], good: str, bad: str) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse(good) if holds() else PlainTextResponse(bad, status_code=503)

    return endpoint


def _reload(
    reload: Callable[[], Awaitable[tuple[bool, str]]], external_url: Callable[[], str | None]
) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if refusal := _reload_refusal(request.headers, external_url()):
            return PlainTextResponse(f"refused: {refusal}", status_code=403)
        good, text = await reload()
        return PlainTextResponse(f"{text}\n", status_code=200 if good else 500)

    return endpoint


def _reload_refusal(headers: Headers, external_url: str | None) -> str | None:
    """Return why a request may not reload, because a page of another site may have made a browser send it.

    Browsers report the site in Sec-Fetch-Site (Fetch Metadata, W3C), older ones in Origin (RFC 6454); curl
    sends neither. Headers that cannot be understood count as cross-site.

    A page of a hostile site may also send it to that site's name at our address: its name server returns its
    own address first and ours later (DNS rebinding), which the browser cannot see. That is not possible with
    addresses, localhost, and the host of the external URL.
    """
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    hosts = [host.lower() for host in headers.getlist("host")]
    own_origins = {f"{scheme}://{hosts[0]}" for scheme in ("http", "https")} if len(hosts) == 1 else set()
    if not (_OWN_SITE.issuperset(sites) and own_origins.issuperset(map(str.lower, origins))):
        return "cross-site request"
    own, names = urlsplit(external_url or "").hostname, [_PORT.sub("", host) for host in hosts]
    is_from_page = bool(origins) or "same-origin" in sites
    is_safe = all(name == own or _FIXED.fullmatch(name) for name in names)
    return _REBOUND if is_from_page and not is_safe else None


def _pages(source: StatusSource) -> list[Route]:
    warm_up_templates()
    # A thousand targets are a megabyte: concurrent requests share one page, or wait for each other.
    whole_overview = SingleFlight(partial(overview_page, source))
    one_filter_at_a_time = asyncio.Lock()

    async def overview_html(request: Request) -> Response:
        if not (query := _query(request)):
            return await _page(request, await whole_overview())
        async with one_filter_at_a_time:
            body = await overview_page(source, query)
        return await _page(request, body)

    async def target_html(request: Request) -> Response:
        histories = source.history(request.path_params["name"])
        if not histories:
            raise HTTPException(404)
        return await _page(request, await target_page(histories, source))

    async def all_json(request: Request) -> Response:
        return await _page(request, await targets_as_json(source, _query(request)), _JSON)

    async def target_json(request: Request) -> Response:
        histories = source.history(request.path_params["name"])
        if not histories:
            return JSONResponse({"error": "unknown target; see api/v1/targets"}, status_code=404)
        return await _page(request, await target_as_json(histories, source), _JSON)

    async def icon_svg(request: Request) -> Response:
        return Response(icon(request.url.query), media_type="image/svg+xml")

    async def runbook(page: bytes, request: Request) -> Response:
        return await _page(request, page)

    return [
        Route("/", overview_html),
        Route("/favicon.ico", icon_svg),
        Route("/targets/{name}", target_html),
        Route("/api/v1/targets", all_json),
        Route("/api/v1/targets/{name}", target_json),
        *(Route(f"/runbooks/{name}", partial(runbook, page.encode())) for name, page in runbooks().items()),
    ]


def _query(request: Request) -> str:
    return request.query_params.get("q", "").strip()[:MAX_QUERY_LENGTH]


_HINTS = {404: "No page or target has this address. Targets that were removed are no longer shown."}


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer a request without a route (404) or with a wrong method (405)."""
    assert isinstance(error, HTTPException)  # noqa: S101  starlette's signature is wider than its use
    headers = dict(error.headers or {})
    if "Allow" in headers:  # starlette joins a set, in random order
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    if "text/html" in request.headers.get("accept", ""):
        # Relative, since a proxy may have stripped a part of the path.
        root = "../" * (request.scope["path"].count("/") - 1)
        body = Markup("<h1>{}</h1>\n<p>{}</p>").format(error.detail, _HINTS.get(error.status_code, ""))
        page = render_document(error.detail, body, root=root, page="error")
        return Response(page, status_code=error.status_code, headers=headers | _HTML)
    return PlainTextResponse(error.detail.lower(), status_code=error.status_code, headers=headers)


def with_prefix(app: ASGIApp, routes: Sequence[BaseRoute], external_url: Callable[[], str | None]) -> ASGIApp:
    """Wrap an application: serve below the path of the external URL too, for proxies that do not strip it.

    A path that one of the application's own routes matches is left as it is.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        prefix, path = urlsplit(external_url() or "").path.rstrip("/"), scope["path"]
        if prefix and f"{path}/".startswith(f"{prefix}/"):
            is_route = any(route.matches(scope)[0] is not Match.NONE for route in routes)
            scope = scope if is_route else {**scope, "path": path.removeprefix(prefix) or "/"}
        await app(scope, receive, send)

    return answer


def with_error_responses(app: ASGIApp, errors: InternalErrors) -> ASGIApp:
    """Wrap an application: answer with 500 if a route fails, and log it without the exception's text.

    It is inside starlette's own handler, which would re-raise the exception for the server to log.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            # At shutdown, requests are cancelled after the grace period.
            _log.warning("request cancelled by shutdown: %s %s", scope["method"], scope["path"])
            if started:
                raise
            await PlainTextResponse("shutting down", status_code=503)(scope, receive, send)
        except Exception as error:  # noqa: BLE001  the daemon goes on whatever a callable raises
            request = {"method": scope["method"], "path": scope["path"]}
            errors.report(Part.PAGE, "cannot answer a request", error, **request)
            if not started:
                await PlainTextResponse("internal error", status_code=500)(scope, receive, send)

    return answer
