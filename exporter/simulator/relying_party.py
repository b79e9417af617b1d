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
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, quote_plus

from joserfc.jws import extract_compact

from exporter.outcome import COMPLETED
from exporter.simulator.environments import Environment, IdentityProvider, Urls
from exporter.simulator.error_answers import RefusedError, invalid_data, not_found, redirect, refused
from exporter.simulator.flow import LIFETIME_SECONDS, Flow, Recent, with_query
from exporter.simulator.other_provider import authorize_url
from exporter.simulator.token_endpoint import challenge_of
from exporter.simulator.weather import Weather
from exporter.target import ProviderKind

if TYPE_CHECKING:
    from starlette.responses import Response


class Source(Protocol):
    """What environments need of each other."""

    environment: Environment
    urls: Urls
    weather: Weather

    async def redeem(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """Return the tokens for a code; raises `RefusedError`."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A user who was sent to an identity provider."""

    flow_id: str
    provider: IdentityProvider
    verifier: str


class RelyingParty:
    """The federations of one destination; `sources` are the simulator's environments by name."""

    def __init__(self, urls: Urls, sources: Mapping[str, Source], clock: Callable[[], float]) -> None:
        self._urls, self._sources = urls, sources
        self._sent: Recent[_Sent] = Recent(clock, LIFETIME_SECONDS)

    def initiate(self, flow: Flow, provider_id: str, weather: Weather) -> Response:
        """Lead the user of a flow to one of its identity providers; raises `RefusedError`."""
        provider = next((each for each in flow.providers if each.id == provider_id), None)
        if provider is None:
            raise not_found()
        if weather.kind == "provider_disabled":
            raise refused(400, "REQUEST_FAILED", "The identity provider is disabled.").for_browser()
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        self._sent.put(state, _Sent(flow.id, provider, verifier))
        parameters = {
            "client_id": provider.client_id,
            "scope": "openid profile email",
            "redirect_uri": self._urls.callback,
            "response_type": "code",
            "state": state,
            "nonce": secrets.token_urlsafe(32),
            "code_challenge": challenge_of(verifier, "S256"),
            "code_challenge_method": "S256",
        }
        if provider.kind is not ProviderKind.PINGONE:
            return redirect(authorize_url(self._urls, provider, parameters))
        return redirect(with_query(f"{self._sources[provider.source].urls.issuer}/authorize", parameters))

    async def come_back(
        self, query: Mapping[str, str], weather: Weather, find: Callable[[str], Flow]
    ) -> Flow:
        """Return the flow, by its id, with what the identity provider's answer made of it.

        Raises:
            RefusedError: the state is not known, or the answer is rejected.
        """
        sent = self._sent.pop(query.get("state", ""))
        if sent is None:
            raise invalid_data("state", "The state is unknown or expired.").for_browser()
        flow = find(sent.flow_id)
        subject, cause = await self._redeem(sent, query, weather)
        if not cause:
            flow.subject = subject
            flow.status = "ACCOUNT_LINKING_REQUIRED" if weather.kind == "linking_required" else COMPLETED
            return flow
        failure = "REQUEST_FAILED", f"The identity provider's response was rejected: {cause}"
        match weather.answer if weather.kind == "secret_expired" else "redirect":
            case "redirect":
                raise refused(400, *failure).for_browser()
            case "json":
                raise refused(400, *failure)
        flow.fail(*failure)
        return flow

    async def _redeem(self, sent: _Sent, query: Mapping[str, str], weather: Weather) -> tuple[str, str]:
        """Return the user, or why there is none: an ID token is invalid if its issuer's weather says so."""
        if "code" not in query:
            return "", f"error {quote(query.get('error', 'without a code'))}"
        provider, source = sent.provider, self._sources[sent.provider.source]
        secret = "expired" if weather.kind == "secret_expired" else provider.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": self._urls.callback,
            "code_verifier": sent.verifier,
        }
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        try:
            tokens = await source.redeem(form, f"Basic {base64.b64encode(pair.encode()).decode()}")
        except RefusedError as error:
            return "", f"the token endpoint answered {error.status} {error.document.get('error', '')}".strip()
        if source.weather.at("token").kind == "id_token_invalid":
            return "", "the ID token is invalid"
        return str(json.loads(extract_compact(tokens["id_token"].encode()).payload)["sub"]), ""
