"""Signing on to a flow: its actions, the session that follows, and what a completed flow yields.

    POST /flows/{id}   user.lookup             SIGN_ON_REQUIRED → USERNAME_PASSWORD_REQUIRED
    POST /flows/{id}   usernamePassword.check  …PASSWORD_REQUIRED → COMPLETED, and the cookie ST
    GET  /as/resume                            → 302 with code and state, or 200 with authorizeResponse

Media types, the wrong password's error and the cookie's attributes are the vendor's. What an action gets
that the flow does not offer (415), and a resume without the session (400), are inferred.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from exporter.simulator.flow import ACTIONS, COMPLETED, Flow, flow_document
from exporter.simulator.message import Reply, Request, json_reply, read_json, redirect
from exporter.simulator.problem import (
    WRONG_MEDIA_TYPE,
    RefusedError,
    invalid_request,
    invalid_value,
    required_value,
)
from exporter.simulator.urls import Urls
from exporter.simulator.world import User

_MEDIA_TYPE = "application/vnd.pingidentity.{}+json"
_WRONG_PASSWORD = invalid_value("password", "The provided password did not match provisioned password")


@dataclass(slots=True)
class Sessions:
    """Who is signed on; the oldest makes room when there are too many.

    Args:
        limit: how many are kept.
        lifetime: seconds; a day, since the vendor's default depends on the policy.
    """

    limit: int = 10_000
    lifetime: float = 86_400.0
    _kept: OrderedDict[str, float] = field(default_factory=OrderedDict, repr=False)

    def begin(self, urls: Urls, now: float) -> tuple[str, str]:
        """Begin a session and return the header that sets its cookie."""
        token = secrets.token_urlsafe(32)
        self._kept[token] = now + self.lifetime
        while len(self._kept) > self.limit:
            self._kept.popitem(last=False)
        path = "/" if urls.custom_domain else f"/{urls.environment_id}"
        return ("Set-Cookie", f"ST={token}; Path={path}; Secure; HttpOnly; SameSite=None")

    def of(self, request: Request, now: float) -> bool:
        """Say whether the request carries the cookie of a session that lasts."""
        # By hand: http.cookies gives up on all cookies when one of them has an odd name.
        pairs = (pair.strip().partition("=") for pair in (request.header("cookie") or "").split(";"))
        return any(name == "ST" and now < self._kept.get(value, now) for name, _, value in pairs)


def act(flow: Flow, request: Request, users: Iterable[User]) -> Flow:
    """Do what was posted to `flow` and return its new state.

    Raises:
        RefusedError: the flow does not offer that, or the credentials are wrong.
    """
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    offered = {_MEDIA_TYPE.format(name).lower(): name for name in ACTIONS.get(flow.status, ())}
    action = offered.get(media_type)
    if action == "user.lookup":
        _text(request, "username")
        return replace(flow, status="USERNAME_PASSWORD_REQUIRED")
    if action == "usernamePassword.check":
        username, password = _text(request, "username"), _text(request, "password")
        known = {user.username: user.password for user in users}
        # An unknown user takes as long and gets the same text as a wrong password.
        right = hmac.compare_digest(_bytes(known.get(username, "")), _bytes(password))
        if not right or username not in known:
            raise RefusedError(_WRONG_PASSWORD)
        return replace(flow, status=COMPLETED)
    raise RefusedError(WRONG_MEDIA_TYPE)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can write half a surrogate pair


def _text(request: Request, name: str) -> str:
    try:
        document = read_json(request.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RefusedError(invalid_request("body", "The body must be a JSON object."))
    value = document.get(name)
    if value is None:
        raise RefusedError(required_value(name))
    if not isinstance(value, str):
        raise RefusedError(invalid_value(name, "Must be a string."))
    return value


def resumed(flow: Flow, urls: Urls, *, signed_on: bool) -> Reply:
    """Say where a flow has led to; raises `RefusedError` when it has led nowhere yet."""
    if flow.status != COMPLETED or not signed_on:
        raise RefusedError(invalid_request("flowId", "The flow is not completed in this session."))
    answer = {"code": secrets.token_urlsafe(24)} | ({} if flow.state is None else {"state": flow.state})
    if flow.pi_flow:
        return json_reply(200, {**flow_document(flow, urls), "authorizeResponse": answer})
    separator = "&" if "?" in flow.redirect_uri else "?"
    return redirect(f"{flow.redirect_uri}{separator}{urlencode(answer)}")
