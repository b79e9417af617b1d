"""Flows: what an authorize request creates, the actions that are posted to it, and its documents. No I/O.

    POST /flows/{id}   user.lookup             SIGN_ON_REQUIRED → USERNAME_PASSWORD_REQUIRED
                                               or, at a destination, → EXTERNAL_AUTHENTICATION_REQUIRED
    POST /flows/{id}   usernamePassword.check  …PASSWORD_REQUIRED → COMPLETED, and the cookie ST

An ordinary flow has exactly the members of the documented response. A flow of a DaVinci policy has no status:
with `X-Requested-With: ping-sdk` it has `_links.next`, as in the vendor's SDKs; without, it was recorded with
`_links.self` alone or without `_links`. Media types, the wrong password's error and the cookie's attributes
are the vendor's. That identifier first leads to SIGN_ON_REQUIRED, what an action gets that the flow does not
offer (415), a resume without the session (400), the members of an identity provider in a flow other than its
name and its link, and that an identity provider's policy answers an authorize request with
EXTERNAL_AUTHENTICATION_REQUIRED, are inferred. A flow expires after 15 minutes and is then 404; the simulator
counts them from its creation.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from exporter.outcome import DAVINCI, FAILED, rfc3339
from exporter.simulator.environments import Application, IdentityProvider, SignOnPolicy, Urls
from exporter.simulator.error_answers import (
    WRONG_MEDIA_TYPE,
    RefusedError,
    invalid_request,
    invalid_value,
    required_value,
)
from exporter.simulator.weather import PolicyChanged, Weather

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")

LIFETIME_SECONDS = 15 * 60.0
SESSION_SECONDS = 86_400.0
"""The vendor's default depends on the policy."""

MAX_KEPT = 10_000

COMPLETED = "COMPLETED"
EXTERNAL = "EXTERNAL_AUTHENTICATION_REQUIRED"
LOGIN_REQUIRED = "login_required"

FIRST_STATUS: Mapping[SignOnPolicy, str] = {
    SignOnPolicy.LOGIN: "USERNAME_PASSWORD_REQUIRED",
    SignOnPolicy.IDENTIFIER_FIRST: "SIGN_ON_REQUIRED",
    SignOnPolicy.DAVINCI: DAVINCI,
    SignOnPolicy.IDENTITY_PROVIDER: EXTERNAL,
}
"""What each policy asks of a user without a session."""

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "USERNAME_PASSWORD_REQUIRED": ("usernamePassword.check", "password.forgot"),
    "SIGN_ON_REQUIRED": ("user.lookup",),
    "PASSWORD_REQUIRED": ("usernamePassword.check", "password.forgot"),
    "OTP_REQUIRED": ("otp.check",),
    "DEVICE_SELECTION_REQUIRED": ("device.select",),
    "ASSERTION_REQUIRED": ("assertion.check",),
    "ACCOUNT_LINKING_REQUIRED": ("usernamePassword.check",),
    "AGREEMENT_CONSENT_REQUIRED": ("user.consent",),
    "PROFILE_DATA_REQUIRED": ("user.update",),
}
"""The links by which a flow of that status continues, besides those that every flow has."""

DAVINCI_CONNECTION = "867ed4363b2bc21c860085ad2baa817d"
MEDIA_TYPE = "application/vnd.pingidentity.{}+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A sign-on that was started.

    Args:
        status: its status; `DAVINCI` for one that has none.
        created_at: by the simulator's clock, seconds since the epoch.
        shown_at: the same by the provider's clock, which may be wrong.
        challenge: code challenge and its method, if there is one.
        pi_flow: whether the client reads JSON.
        subject: the user who signed on; empty before that.
        error: code and message of one that is FAILED.
    """

    application: Application
    status: str
    created_at: float
    shown_at: float
    redirect_uri: str
    state: str | None = field(default=None, repr=False)
    nonce: str | None = field(default=None, repr=False)
    challenge: tuple[str, str] | None = field(default=None, repr=False)
    pi_flow: bool = True
    providers: tuple[IdentityProvider, ...] = ()
    subject: str = ""
    error: tuple[str, str] | None = None
    id: str = field(default_factory=lambda: str(uuid4()))


def first_status(application: Application, weather: Weather, *, signed_on: bool) -> str:
    """Return the status of a new flow of `application`.

    A user with a session completes at once, which is one of the two things that the vendor describes.
    """
    usual = FIRST_STATUS[application.sign_on_policy]
    if isinstance(weather, PolicyChanged):
        login = application.sign_on_policy is SignOnPolicy.LOGIN
        return weather.status or FIRST_STATUS[SignOnPolicy.IDENTIFIER_FIRST if login else SignOnPolicy.LOGIN]
    return COMPLETED if signed_on and usual != DAVINCI else usual


def flow_document(flow: Flow, urls: Urls) -> dict[str, Any]:
    """Return a flow as the provider writes it."""
    href = {"href": urls.flow(flow.id)}
    links = dict.fromkeys((*ACTIONS.get(flow.status, ()), "self"), href)
    return {
        "_links": {**links, "signOnPage": {"href": f"{urls.sign_on_page}?flowId={flow.id}"}},
        "_embedded": {"application": {"name": flow.application.name}, **_offered(flow, urls)},
        "id": flow.id,
        "environment": {"id": urls.environment_id},
        "resumeUrl": urls.resume(flow.id),
        "status": flow.status,
        "createdAt": rfc3339(flow.shown_at),
        "expiresAt": rfc3339(flow.shown_at + LIFETIME_SECONDS),
        **({} if flow.error is None else {"error": dict(zip(("code", "message"), flow.error, strict=True))}),
    }


def _offered(flow: Flow, urls: Urls) -> dict[str, Any]:
    """Return the identity providers in `_embedded`: all of them beside a login, else the first."""
    listed = [
        {
            "id": provider.id,
            "name": provider.name,
            "type": "OPENID_CONNECT",
            "_links": {"authenticate": {"href": urls.authenticate(provider.id, flow.id)}},
        }
        for provider in flow.providers
    ]
    if not listed or flow.status not in {EXTERNAL, FIRST_STATUS[SignOnPolicy.LOGIN]}:
        return {}
    return {"identityProvider": listed[0]} if flow.status == EXTERNAL else {"socialProviders": listed}


def davinci_document(flow: Flow, urls: Urls, links: Iterable[str]) -> dict[str, Any]:
    """Return a DaVinci flow with `links`, each to where it continues."""
    found = {name: {"href": urls.davinci(DAVINCI_CONNECTION)} for name in links}
    return {
        **({"_links": found} if found else {}),
        "interactionId": flow.id,
        "companyId": urls.environment_id,
        "connectionId": DAVINCI_CONNECTION,
        "capabilityName": "customHTMLTemplate",
        "eventName": "continue",
    }


def failed_document(urls: Urls, code: str, message: str) -> dict[str, Any]:
    """Return the failure that comes with a 200."""
    error = {"code": code, "message": message}
    return {"environment": {"id": urls.environment_id}, "status": FAILED, "error": error}


class Recent(Generic[T]):
    """Values by key until they expire; the oldest is dropped when there are too many."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T, expires_at: float) -> None:
        """Keep a value, or replace it."""
        self._values[key] = expires_at, value
        while len(self._values) > MAX_KEPT:
            self._values.popitem(last=False)

    def pop(self, key: str, now: float) -> T | None:
        """Return the value as `get` does, and forget it."""
        value = self.get(key, now)
        self._values.pop(key, None)
        return value

    def get(self, key: str, now: float) -> T | None:
        """Return the value, unless it is unknown or has expired by `now`."""
        expires_at, value = self._values.get(key, (now, None))
        if now >= expires_at:
            self._values.pop(key, None)
            return None
        return value


def session_cookie(token: str, urls: Urls) -> str:
    """Return the Set-Cookie header of a session."""
    path = "/" if urls.custom_domain else f"/{urls.environment_id}"
    return f"ST={token}; Path={path}; Secure; HttpOnly; SameSite=None"


def session_tokens(request: Request) -> list[str]:
    """Return the tokens of sessions in a request's cookies."""
    # By hand: http.cookies gives up on all cookies when one of them has an odd name.
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return [token for name, _, token in pairs if name == "ST"]


def act(flow: Flow, media_type: str, body: bytes, check: Callable[[Flow, str, str], Flow]) -> Flow:
    """Apply the action that was posted to `flow` and return its new state.

    The media type names the action; `check` signs a user on by name and password.

    Raises:
        RefusedError: the flow does not offer that action, or `check` refuses the user.
    """
    media_type = media_type.partition(";")[0].strip().lower()
    offered = {MEDIA_TYPE.format(name).lower(): name for name in ACTIONS.get(flow.status, ())}
    action = offered.get(media_type)
    if action == "user.lookup":
        _text(body, "username")
        return replace(flow, status=EXTERNAL if flow.providers else FIRST_STATUS[SignOnPolicy.LOGIN])
    if action == "usernamePassword.check":
        return check(flow, _text(body, "username"), _text(body, "password"))
    raise RefusedError(WRONG_MEDIA_TYPE)


def _text(body: bytes, name: str) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RefusedError(invalid_request("body", "The body must be a JSON object."))
    value = document.get(name)
    if value is None:
        raise RefusedError(required_value(name))
    if not isinstance(value, str):
        raise RefusedError(invalid_value(name, "Must be a string."))
    return value


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return `url` with more parameters; its own query is kept."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
