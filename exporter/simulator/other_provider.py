"""An identity provider that is not PingOne, at its destination's port. No I/O.

    GET /idp/{id}/authorize      `prompt=none`: 303 to the redirect URI with `login_required`; else to a page
    GET /idp/{id}/sso            303 to the page, for a SAML request
    GET /idp/{id}/login/{uid}    the login form; without the cookie, which is for this path, an error

As npm's oidc-provider does it. SAML and what the weather does are inferred from what is known of others.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, Response

from exporter.simulator.environments import UUID_PATTERN, IdentityProvider, Urls
from exporter.simulator.flow import with_query
from exporter.simulator.weather import Weather
from exporter.target import ProviderKind

if TYPE_CHECKING:
    from starlette.requests import Request

OTHER_PROVIDER = re.compile(rf"/idp/({UUID_PATTERN})/(authorize|sso|login/[A-Za-z0-9_-]{{1,64}})")
ELSEWHERE = "https://login.example/"
"""A reserved name, which never resolves."""

_TITLE = "<!DOCTYPE html><html lang=en><title>Sign in</title>"
_FORM = '<form method="post"><input name="login"><input name="password" type="password"></form>'
_ERROR = '<script>$Config={"pgid":"ConvergedError","strServiceExceptionMessage":"AADSTS700016"}</script>'
_NO_CLIENT = "<h1>oops! something went wrong</h1><pre>error: invalid_client</pre>"


def authorize_url(urls: Urls, provider: IdentityProvider, parameters: Mapping[str, str]) -> str:
    """Return where the destination at `urls` leads a user to sign on at a provider that is not PingOne."""
    base = f"{urls.root}/idp/{provider.id}"
    if provider.kind is ProviderKind.SAML:
        request = {"SAMLRequest": secrets.token_urlsafe(96), "RelayState": parameters["state"]}
        return with_query(f"{base}/sso", request)
    return with_query(f"{base}/authorize", parameters)


async def answer_of_other(request: Request, weather: Weather) -> Response:
    """Answer a request to a provider that is not PingOne."""
    query, (kind, _, uid) = request.query_params, request.url.path.rpartition("/idp/")[2][37:].partition("/")
    wrong = weather.wrong if weather.kind == "login_page_error" else ""
    if kind == "login" and request.cookies.get("_interaction") != uid:
        return JSONResponse({"error": "invalid_request"}, 400)
    if kind == "login":
        return HTMLResponse(_TITLE + ("We will be back soon." if wrong == "form" else _FORM))
    if wrong in {"error", "client"}:
        return HTMLResponse(_TITLE + _ERROR) if wrong == "error" else HTMLResponse(_TITLE + _NO_CLIENT, 400)
    if query.get("prompt") == "none":
        error = {"error": "login_required", "state": query.get("state", "")}
        location = with_query(query.get("redirect_uri", ""), error)
        return Response(status_code=303, headers={"Location": location})
    uid = secrets.token_urlsafe(32)
    page = f"{request.url.path.rpartition('/')[0]}/login/{uid}"
    location = ELSEWHERE if wrong == "host" else page
    cookie = f"_interaction={uid}; path={page}; samesite=lax; httponly"
    return Response(status_code=303, headers={"Location": location, "Set-Cookie": cookie})
