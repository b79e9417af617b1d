"""Every request passes the gate: for health always, for the rest with a login when there are users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from exporter.serving.door import Door
from exporter.serving.login import CrowdedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


HEALTH = frozenset({"/-/healthy", "/-/ready"})
"""A kubelet has no password, and what these tell is no secret."""

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="pingone-flow-exporter", charset="UTF-8"'}


def only_health(app: ASGIApp) -> ASGIApp:
    """Make an application of which only the health endpoints are there, for a port of their own."""

    async def small(scope: Scope, receive: Receive, send: Send) -> None:
        there = scope["path"] in HEALTH
        await (app if there else PlainTextResponse("not found", status_code=404))(scope, receive, send)

    return small


class Gate:
    """ASGI middleware that lets requests in by what the door says at that moment.

    Args:
        app: what is inside.
        door: who may come in.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or turn it away."""
        refusal = None if scope["path"] in HEALTH else await self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if not self._door.has_room():
            return PlainTextResponse("too many requests", status_code=429)
        headers = [value for name, value in scope["headers"] if name == b"authorization"]
        client = scope["client"][0] if scope.get("client") else ""
        try:
            admitted = await self._door.login.admits(headers, client)
        except CrowdedError:
            again = {"Retry-After": "1"}
            return PlainTextResponse("too many logins wait", status_code=503, headers=again)
        return None if admitted else PlainTextResponse("unauthorized", status_code=401, headers=_CHALLENGE)
