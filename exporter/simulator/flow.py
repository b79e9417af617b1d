"""Flows: what an authorize request creates, and its documents. No I/O.

An ordinary flow has exactly the members of the documented response. A flow of a DaVinci policy has no status:
with `X-Requested-With: ping-sdk` it has `_links.next`, as in the vendor's SDKs; without, it was recorded with
`_links.self` alone or without `_links`. That identifier first leads to SIGN_ON_REQUIRED, the members of an
identity provider in a flow other than its name and its link, and that an identity provider's policy answers
an authorize request with EXTERNAL_AUTHENTICATION_REQUIRED, are inferred. A flow expires after 15 minutes and
is then 404; the simulator counts them from its creation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from exporter.outcome import COMPLETED, DAVINCI, FAILED, rfc3339
from exporter.simulator.authorize_endpoint import AuthorizeRequest
from exporter.simulator.environments import Application, IdentityProvider, SignOnPolicy, Urls
from exporter.simulator.weather import Weather

T = TypeVar("T")

LIFETIME_SECONDS = 15 * 60.0
MAX_KEPT = 10_000

EXTERNAL = "EXTERNAL_AUTHENTICATION_REQUIRED"

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


@dataclass(slots=True, kw_only=True)
class Flow:
    """A sign-on that was started.

    Args:
        status: its status; `DAVINCI` for one that has none.
        created_at: by the provider's clock, which may be wrong; seconds since the epoch.
        subject: the user who signed on; empty before that.
        error: code and message of one that is FAILED.
    """

    request: AuthorizeRequest
    status: str
    created_at: float
    providers: tuple[IdentityProvider, ...]
    subject: str = ""
    error: Mapping[str, str] | None = None
    id: str = field(default_factory=lambda: str(uuid4()))

    def fail(self, code: str, message: str) -> None:
        """End it with an error."""
        self.status, self.error = FAILED, {"code": code, "message": message}


def first_status(application: Application, weather: Weather, *, signed_on: bool) -> str:
    """Return the status of a new flow of `application`.

    A user with a session completes at once, which is one of the two things that the vendor describes.
    """
    usual = FIRST_STATUS[application.sign_on_policy]
    if weather.kind == "policy_changed":
        login = application.sign_on_policy is SignOnPolicy.LOGIN
        return weather.status or FIRST_STATUS[SignOnPolicy.IDENTIFIER_FIRST if login else SignOnPolicy.LOGIN]
    return COMPLETED if signed_on and usual != DAVINCI else usual


def flow_document(flow: Flow, urls: Urls) -> dict[str, Any]:
    """Return a flow as the provider writes it."""
    href = {"href": f"{urls.root}/flows/{flow.id}"}
    links = dict.fromkeys((*ACTIONS.get(flow.status, ()), "self"), href)
    return {
        "_links": {**links, "signOnPage": {"href": f"{urls.sign_on_page}?flowId={flow.id}"}},
        "_embedded": {"application": {"name": flow.request.application.name}, **_offered(flow, urls)},
        "id": flow.id,
        "environment": {"id": urls.environment_id},
        "resumeUrl": f"{urls.root}/as/resume?flowId={flow.id}",
        "status": flow.status,
        "createdAt": rfc3339(flow.created_at),
        "expiresAt": rfc3339(flow.created_at + LIFETIME_SECONDS),
        **({} if flow.error is None else {"error": flow.error}),
    }


def _offered(flow: Flow, urls: Urls) -> dict[str, Any]:
    """Return the identity providers in `_embedded`: all of them beside a login, else the first."""
    listed = [
        {
            "id": provider.id,
            "name": provider.name,
            "type": "OPENID_CONNECT",
            "_links": {"authenticate": {"href": authenticate_url(urls, provider, flow)}},
        }
        for provider in flow.providers
    ]
    if not listed or flow.status not in {EXTERNAL, FIRST_STATUS[SignOnPolicy.LOGIN]}:
        return {}
    return {"identityProvider": listed[0]} if flow.status == EXTERNAL else {"socialProviders": listed}


def authenticate_url(urls: Urls, provider: IdentityProvider, flow: Flow) -> str:
    """Return the link to an identity provider in a flow."""
    return f"{urls.root}/rp/authenticate?providerId={provider.id}&flowId={flow.id}"


def davinci_document(flow: Flow, urls: Urls, links: Iterable[str]) -> dict[str, Any]:
    """Return a DaVinci flow with `links`, each to where it continues; the simulator does not serve that."""
    href = f"{urls.root}/davinci/connections/{DAVINCI_CONNECTION}/capabilities/customHTMLTemplate"
    found = {name: {"href": href} for name in links}
    return {
        **({"_links": found} if found else {}),
        "interactionId": flow.id,
        "companyId": urls.environment_id,
        "connectionId": DAVINCI_CONNECTION,
        "capabilityName": "customHTMLTemplate",
        "eventName": "continue",
    }


class Recent(Generic[T]):
    """Values by key, for so many seconds; the oldest is dropped when there are too many."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._values: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T) -> None:
        """Keep a value, or replace it."""
        self._values[key] = self._clock() + self._seconds, value
        while len(self._values) > MAX_KEPT:
            self._values.popitem(last=False)

    def get(self, key: str) -> T | None:
        """Return the value, unless it is unknown or has expired."""
        expires_at, value = self._values.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

    def pop(self, key: str) -> T | None:
        """Return the value as `get` does, and forget it."""
        value = self.get(key)
        self._values.pop(key, None)
        return value


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return `url` with more parameters; its own query is kept."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
