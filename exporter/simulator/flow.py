"""Flows: what an authorize request creates, its documents, and what users post to it. No I/O.

    POST /flows/{id}   user.lookup             SIGN_ON_REQUIRED → USERNAME_PASSWORD_REQUIRED
                                               or, at a destination, → EXTERNAL_AUTHENTICATION_REQUIRED
    POST /flows/{id}   usernamePassword.check  …PASSWORD_REQUIRED → COMPLETED, and the cookie ST

An ordinary flow has exactly the members of the documented response. A flow of a DaVinci policy has no status:
with `X-Requested-With: ping-sdk` it has `_links.next`, as in the vendor's SDKs; without, it was recorded with
`_links.self` alone or without `_links`. Media types, `failuresRemaining`, `secondsUntilUnlock` and both forms
of a locked user are the vendor's; NO_USABLE_DEVICES in a 200 is known from third parties. Wrong passwords are
not counted: weather alone locks a user. Inferred are: that identifier first leads to SIGN_ON_REQUIRED, that
an action which the flow does not offer gets a 415, the members of an identity provider in a flow other than
its name and its link, and that an identity provider's policy answers an authorize request with
EXTERNAL_AUTHENTICATION_REQUIRED. A flow expires after 15 minutes, here from its creation, and is then 404.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from exporter.outcome import COMPLETED, FAILED, rfc3339
from exporter.simulator.authorize_endpoint import PI_FLOW
from exporter.simulator.environments import Application, IdentityProvider, SignOnPolicy, Urls, User
from exporter.simulator.error_answers import (
    WRONG_MEDIA_TYPE,
    invalid_data,
    invalid_request,
    refused,
    required_value,
)
from exporter.simulator.weather import Weather

T = TypeVar("T")

LIFETIME_SECONDS = 15 * 60.0
MAX_KEPT = 10_000

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

FAILURES_REMAINING = 4
LOCKED, LOCKED_SECONDS = "PASSWORD_LOCKED_OUT", 900
NO_DEVICES = "NO_USABLE_DEVICES"
MEDIA_TYPE = "application/vnd.pingidentity.{}+json"
DAVINCI_CONNECTION = "867ed4363b2bc21c860085ad2baa817d"


@dataclass(slots=True, kw_only=True)
class Flow:
    """A sign-on that was started."""

    application: Application
    given: Mapping[str, str] = field(repr=False)  # the parameters of its authorize request
    status: str  # `DAVINCI` for one that has none
    created_at: float  # by the provider's clock, which may be wrong; seconds since the epoch
    providers: tuple[IdentityProvider, ...]
    subject: str = ""  # the user who signed on; empty before that
    error: Mapping[str, str] | None = None  # code and message of one that is FAILED
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def pi_flow(self) -> bool:
        """Whether the client reads JSON."""
        return self.given.get("response_mode") == PI_FLOW

    def fail(self, code: str, message: str) -> None:
        """End it with an error."""
        self.status, self.error = FAILED, {"code": code, "message": message}


def first_status(application: Application, weather: Weather, *, signed_on: bool) -> str:
    """Return the status of a new flow of `application`.

    A user with a session completes at once, which is one of the two things that the vendor describes.
    """
    usual = application.sign_on_policy
    if weather.kind == "policy_changed":
        other = SignOnPolicy.IDENTIFIER_FIRST if usual is SignOnPolicy.LOGIN else SignOnPolicy.LOGIN
        return weather.status or other.value
    return COMPLETED if signed_on and usual is not SignOnPolicy.DAVINCI else usual.value


def flow_document(flow: Flow, urls: Urls) -> dict[str, Any]:
    """Return a flow as the provider writes it."""
    href = {"href": f"{urls.root}/flows/{flow.id}"}
    links = dict.fromkeys((*ACTIONS.get(flow.status, ()), "self"), href)
    return {
        "_links": {**links, "signOnPage": {"href": f"{urls.sign_on_page}?flowId={flow.id}"}},
        "_embedded": {"application": {"name": flow.application.name}, **_offered(flow, urls)},
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
            "_links": {"authenticate": {"href": urls.authenticate(provider.id, flow.id)}},
        }
        for provider in flow.providers
    ]
    if listed and flow.status == SignOnPolicy.IDENTITY_PROVIDER:
        return {"identityProvider": listed[0]}
    return {"socialProviders": listed} if listed and flow.status == SignOnPolicy.LOGIN else {}


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


class ExpiringStore(Generic[T]):
    """Keeps values by key for `seconds`; the oldest is dropped when there are too many."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._values: dict[str, tuple[float, T]] = {}

    def put(self, key: str, value: T) -> None:
        """Keep a value, or replace it."""
        self._values[key] = self._clock() + self._seconds, value
        while len(self._values) > MAX_KEPT:
            del self._values[next(iter(self._values))]

    def get(self, key: str) -> T | None:
        """Return the value, unless it is unknown or has expired."""
        expires_at, value = self._values.get(key, (0.0, None))
        return value if expires_at > self._clock() else None

    def pop(self, key: str) -> T | None:
        """Return the value as `get` does, and forget it."""
        value = self.get(key)
        self._values.pop(key, None)
        return value


def act(flow: Flow, users: Iterable[User], media_type: str, body: bytes, weather: Weather) -> None:
    """Apply an action to `flow`; the media type, in lower case, names it. Raises `RefusedError`."""
    offered = {MEDIA_TYPE.format(name).lower(): name for name in ACTIONS.get(flow.status, ())}
    match offered.get(media_type):
        case "user.lookup":
            _text(body, "username")
            following = SignOnPolicy.IDENTITY_PROVIDER if flow.providers else SignOnPolicy.LOGIN
            flow.status = following.value
        case "usernamePassword.check":
            user = User(username=_text(body, "username"), password=_text(body, "password"))
            _sign_on(flow, user, is_known=user in users, weather=weather)
        case _:
            raise refused(*WRONG_MEDIA_TYPE)


def _sign_on(flow: Flow, user: User, *, is_known: bool, weather: Weather) -> None:
    if weather.kind == "account_locked":
        if weather.answer == "flow":
            flow.fail(LOCKED, "The account is locked.")
            return
        message = "Too many unsuccessful sign-on attempts. Your account is locked."
        raise invalid_data("password", message, LOCKED, secondsUntilUnlock=LOCKED_SECONDS)
    # An unknown user gets the same answer as a wrong password.
    if not is_known or weather.kind == "password_changed":
        message = "The provided password did not match provisioned password"
        raise invalid_data("password", message, failuresRemaining=FAILURES_REMAINING)
    flow.subject, flow.status = user.username, COMPLETED
    if weather.kind in {"mfa_required", "password_expired", "further_action"}:
        flow.status = weather.status
    if weather.kind == "mfa_required" and weather.status == NO_DEVICES:
        flow.fail(NO_DEVICES, "No usable devices were found.")


def _text(body: bytes, name: str) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise invalid_request("body", "The body must be a JSON object.")
    value = document.get(name)
    if value is None:
        raise required_value(name)
    if not isinstance(value, str):
        raise invalid_data(name, "Must be a string.")
    return value


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return `url` with more parameters; its own query is kept."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
