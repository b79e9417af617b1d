"""TLS, users, headers and rate limit of the web port, as configured now; a reload replaces them in place.

TLS applies to the next connection, the rest to the next request.
"""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.serving.auth import BasicAuth, TokenBucket, TooManyLoginsError
from exporter.tls import TlsServer, WebSecurity

HEALTH_PATHS = frozenset({"/-/healthy", "/-/ready"})
"""Open without authentication: a kubelet has no password."""

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="pingone-flow-exporter", charset="UTF-8"'}


class PortSecurity:
    """What protects the port, and the headers of every response; None stands for an open port."""

    def __init__(self, security: WebSecurity | None = None, *, auth: BasicAuth | None = None) -> None:
        self.auth = auth or BasicAuth()
        self.headers: tuple[tuple[str, str], ...] = ()
        self.rate_limit: TokenBucket | None = None
        self.tls: TlsServer | None = None
        """For the next connection; None for plain HTTP."""
        self.on_tls_change: Callable[[], None] | None = None
        """Closes the connections that were made with another certificate or without TLS."""
        self.apply(security)

    def apply(self, security: WebSecurity | None) -> None:
        """Put another configuration in force."""
        security = security or WebSecurity()
        self.headers = security.headers
        self.auth.set_users(security.users)
        limit = security.rate_limit
        if limit != (self.rate_limit and self.rate_limit.limit):
            self.rate_limit = None if limit is None else TokenBucket(limit)
        if security.tls != self.tls:
            self.tls = security.tls
            if self.on_tls_change is not None:
                self.on_tls_change()


def with_headers(app: ASGIApp, security: PortSecurity) -> ASGIApp:
    """Wrap an application: headers of every response, the operator's own ones last, so that they win."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers["Cache-Control"] = "no-store"  # every response describes one moment
                headers["X-Content-Type-Options"] = "nosniff"
                for name, value in security.headers:
                    headers[name] = value
            await send(message)

        await app(scope, receive, send_with_headers)

    return answer


def with_auth(app: ASGIApp, security: PortSecurity) -> ASGIApp:
    """Wrap an application: rate limit and authentication for every path except health."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["path"] in HEALTH_PATHS else await _refusal(scope, security)
        await (refusal or app)(scope, receive, send)

    return answer


async def _refusal(scope: Scope, security: PortSecurity) -> PlainTextResponse | None:
    if security.rate_limit is not None and not security.rate_limit.take():
        return PlainTextResponse("too many requests", status_code=429)
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    client = scope["client"][0] if scope.get("client") else ""
    try:
        accepted = await security.auth.accepts(headers, client)
    except TooManyLoginsError:
        retry = {"Retry-After": "1"}
        return PlainTextResponse("too many logins in progress", status_code=503, headers=retry)
    return None if accepted else PlainTextResponse("unauthorized", status_code=401, headers=_CHALLENGE)


def only_health(app: ASGIApp) -> ASGIApp:
    """Wrap an application: only its health paths."""
    not_found = PlainTextResponse("not found", status_code=404)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["path"] in HEALTH_PATHS else not_found)(scope, receive, send)

    return answer
