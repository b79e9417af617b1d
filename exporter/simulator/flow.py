"""Flows: what an authorize request makes, how it is written, and how long it is kept.

The body of an ordinary flow has exactly the members of the documented answer. A flow of a DaVinci policy
has `interactionId` and `_links.next` and no status (the vendor's own SDK reads it so). That identifier
first leads to SIGN_ON_REQUIRED is inferred. A flow idles out after 15 minutes and is then 404; the
simulator counts them from its creation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from exporter.outcome import DAVINCI, FAILED
from exporter.simulator.urls import Urls
from exporter.simulator.weather import Kind, Weather
from exporter.simulator.world import Application, SignOnPolicy

LIFETIME = 15 * 60.0
"""Seconds until a flow is gone."""

COMPLETED = "COMPLETED"
LOGIN_REQUIRED = "login_required"

FIRST_STATUS: Mapping[SignOnPolicy, str] = {
    SignOnPolicy.LOGIN: "USERNAME_PASSWORD_REQUIRED",
    SignOnPolicy.IDENTIFIER_FIRST: "SIGN_ON_REQUIRED",
    SignOnPolicy.DAVINCI: DAVINCI,
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
"""The links by which a flow of that status goes on, beside those that every flow has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A sign-on that was begun.

    Args:
        id: its UUID.
        application: for whom.
        status: where it stands; `DAVINCI` for one that has none.
        created_at: by the simulator's clock, seconds since the epoch.
        shown_at: the same by the clock that the provider believes in.
        redirect_uri: where its end is reported to.
        state: the client's, returned to it.
        pi_flow: whether the client reads JSON.
    """

    application: Application
    status: str
    created_at: float
    shown_at: float
    redirect_uri: str
    state: str | None = field(default=None, repr=False)
    pi_flow: bool = True
    id: str = field(default_factory=lambda: str(uuid4()))


def first_status(application: Application, weather: Weather, *, signed_on: bool) -> str:
    """Say what a new flow of `application` asks for.

    A user with a session completes at once, which is one of the two things the vendor describes.
    """
    usual = FIRST_STATUS[application.sign_on_policy]
    if weather.kind is Kind.POLICY_CHANGED:
        other = (
            "SIGN_ON_REQUIRED"
            if application.sign_on_policy is SignOnPolicy.LOGIN
            else FIRST_STATUS[SignOnPolicy.LOGIN]
        )
        return str(weather.parameters["status"]) or other
    return COMPLETED if signed_on and usual != DAVINCI else usual


def flow_document(flow: Flow, urls: Urls) -> dict[str, Any]:
    """Write a flow as the provider does."""
    if flow.status == DAVINCI:
        return {"_links": {"next": {"href": urls.davinci(flow.id)}}, "interactionId": flow.id}
    href = {"href": urls.flow(flow.id)}
    links = dict.fromkeys((*ACTIONS.get(flow.status, ()), "self"), href)
    return {
        "_links": {**links, "signOnPage": {"href": f"{urls.sign_on_page}?flowId={flow.id}"}},
        "_embedded": {"application": {"name": flow.application.name}},
        "id": flow.id,
        "environment": {"id": urls.environment_id},
        "resumeUrl": urls.resume(flow.id),
        "status": flow.status,
        "createdAt": _milliseconds(flow.shown_at),
        "expiresAt": _milliseconds(flow.shown_at + LIFETIME),
    }


def failed_document(urls: Urls, code: str, message: str) -> dict[str, Any]:
    """Write the failure that comes with a 200."""
    return {
        "environment": {"id": urls.environment_id},
        "status": FAILED,
        "error": {"code": code, "message": message},
    }


def _milliseconds(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Flows:
    """The flows of one environment; the oldest makes room when there are too many.

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, Flow] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are kept, expired ones that were not yet asked for among them."""
        return len(self._kept)

    def keep(self, flow: Flow) -> None:
        """Keep a new flow, or a known one's new state."""
        self._kept[flow.id] = flow
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def find(self, identifier: str, now: float) -> Flow | None:
        """Return the flow, unless it is unknown or its lifetime has passed by `now`."""
        flow = self._kept.get(identifier)
        if flow is not None and now >= flow.created_at + LIFETIME:
            del self._kept[identifier]
            return None
        return flow
