"""A destination: how it leads users to an identity provider, and what it does when they come back. No I/O.

    GET /rp/authenticate              302 to the source's authorize URL with state, nonce and PKCE
    GET /rp/callback/openid_connect   state → code redeemed at the source → ID token → 302 with the flow's id

What the destination does inside the callback is the vendor's; how it reports that this failed is not
documented. The forms here (a redirect to the sign-on page with the error in its query, PingOne's JSON error,
and a flow that is FAILED) are inferred, and so are the errors of the first request and the cookie of the
second one.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, quote_plus

from exporter.outcome import FAILED
from exporter.simulator.environments import Environment, IdentityProvider, Urls
from exporter.simulator.error_answers import NOT_FOUND, ErrorAnswer, RefusedError, invalid_value, redirect
from exporter.simulator.flow import COMPLETED, LIFETIME_SECONDS, Flow, Recent, with_query
from exporter.simulator.other_provider import authorize_url
from exporter.simulator.tokens import challenge_of, claims_of
from exporter.simulator.weather import (
    IdTokenInvalid,
    LinkingRequired,
    ProviderDisabled,
    SecretExpired,
    Weather,
)
from exporter.target import ProviderKind

if TYPE_CHECKING:
    from starlette.responses import Response

SCOPE = "openid profile email"
LINKING = "ACCOUNT_LINKING_REQUIRED"
REJECTED = "The identity provider's response was rejected: {}"


class Source(Protocol):
    """What environments need of each other."""

    environment: Environment
    urls: Urls
    weather: Weather

    async def redeem(self, form: Mapping[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return status and body of a token request."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A user who was sent to an identity provider."""

    flow_id: str
    provider: IdentityProvider
    verifier: str


@dataclass(slots=True)
class RelyingParty:
    """The federations of one destination; `sources` are the simulator's environments by name."""

    urls: Urls
    sources: Mapping[str, Source]
    _sent: Recent[_Sent] = field(default_factory=Recent)

    def initiate(self, flow: Flow, provider_id: str, weather: Weather, now: float) -> Response:
        """Lead the user of a flow to one of its identity providers; raises `RefusedError`."""
        provider = next((each for each in flow.providers if each.id == provider_id), None)
        if provider is None:
            raise RefusedError(NOT_FOUND)
        if isinstance(weather, ProviderDisabled):
            disabled = ErrorAnswer(400, "REQUEST_FAILED", "The identity provider is disabled.")
            raise RefusedError(disabled, to_browser=True)
        state = secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        self._sent.put(state, _Sent(flow.id, provider, verifier), now + LIFETIME_SECONDS)
        parameters = {
            "client_id": provider.client_id,
            "scope": SCOPE,
            "redirect_uri": self.urls.callback,
            "response_type": "code",
            "state": state,
            "nonce": secrets.token_urlsafe(32),
            "code_challenge": challenge_of(verifier, "S256"),
            "code_challenge_method": "S256",
        }
        if provider.kind is not ProviderKind.PINGONE:
            return redirect(authorize_url(self.urls, provider, parameters))
        return redirect(with_query(f"{self.sources[provider.source].urls.issuer}/authorize", parameters))

    def returned(self, state: str, now: float) -> _Sent:
        """Return what a state was made for, once; raises `RefusedError`."""
        sent = self._sent.pop(state, now)
        if sent is None:
            raise RefusedError(invalid_value("state", "The state is unknown or expired."), to_browser=True)
        return sent

    async def exchange(self, flow: Flow, sent: _Sent, query: Mapping[str, str], weather: Weather) -> Flow:
        """Return the flow with what the identity provider's answer makes of it; raises `RefusedError`."""
        subject, cause = await self._redeem(sent, query, weather)
        if not cause:
            status = LINKING if isinstance(weather, LinkingRequired) else COMPLETED
            return replace(flow, status=status, subject=subject)
        answer = weather.answer if isinstance(weather, SecretExpired) else "redirect"
        if answer == "flow":
            return replace(flow, status=FAILED, error=("REQUEST_FAILED", REJECTED.format(cause)))
        failure = ErrorAnswer(400, "REQUEST_FAILED", REJECTED.format(cause))
        raise RefusedError(failure, to_browser=answer == "redirect")

    async def _redeem(self, sent: _Sent, query: Mapping[str, str], weather: Weather) -> tuple[str, str]:
        """Return the user, or why there is none: an ID token is invalid if its issuer's weather says so."""
        if "code" not in query:
            return "", f"error {quote(query.get('error', 'without a code'))}"
        provider, source = sent.provider, self.sources[sent.provider.source]
        secret = "expired" if isinstance(weather, SecretExpired) else provider.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": self.urls.callback,
            "code_verifier": sent.verifier,
        }
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        status, document = await source.redeem(form, f"Basic {base64.b64encode(pair.encode()).decode()}")
        if status != 200:  # noqa: PLR2004  ok
            return "", f"the token endpoint answered {status} {document.get('error', '')}".strip()
        if isinstance(source.weather.at("token"), IdTokenInvalid):
            return "", "the ID token is invalid"
        return str(claims_of(document["id_token"])["sub"]), ""
