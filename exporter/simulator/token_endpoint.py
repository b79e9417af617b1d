"""The token endpoint: a code and the client's authentication in, tokens out. No I/O.

    authenticate the client → grant_type → code (once, in time, this client's) → redirect_uri → code_verifier

Errors have the form of RFC 6749, 5.2. That a wrong way to authenticate is `invalid_client` with its text is
known from third parties; how long a code may be redeemed (ten minutes, the RFC's limit) is inferred, and so
is an access token that is not a JWT.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus
from uuid import NAMESPACE_URL, uuid4, uuid5

from exporter.simulator.environments import Application, Environment, Urls
from exporter.simulator.flow import Flow, Recent
from exporter.simulator.tokens import KeyRing, challenge_of, half_hash
from exporter.simulator.weather import IdTokenInvalid, TokenRefused, Weather
from exporter.target import ClientAuth

CODE_SECONDS = 600.0
TOKEN_SECONDS = 3600
UNSUPPORTED = "Request denied: Unsupported authentication method"


class _RefusedTokenError(Exception):
    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(error)
        self.status = status
        self.document = {"error": error, "error_description": description}


@dataclass(slots=True)
class TokenEndpoint:
    """The codes of one environment and the tokens they are redeemed for."""

    environment: Environment
    urls: Urls
    keys: KeyRing
    _granted: Recent[Flow] = field(default_factory=Recent)

    def grant(self, flow: Flow, now: float) -> str:
        """Return a code for a flow that is completed."""
        code = secrets.token_urlsafe(24)
        self._granted.put(code, flow, now + CODE_SECONDS)
        return code

    def answer(
        self, form: Mapping[str, str], authorization: str, weather: Weather, now: float, shown: float
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body; `shown` is `now` by the provider's clock, which may be wrong."""
        try:
            application = self._authenticate(form, authorization, weather)
            flow = self._redeem(form, application, now)
        except _RefusedTokenError as refused:
            return refused.status, refused.document
        access_token = secrets.token_urlsafe(32)
        wrong = weather.wrong if isinstance(weather, IdTokenInvalid) else None
        claims = self._claims(flow, access_token, int(shown))
        if wrong in claims:
            claims[wrong] = claims["iat"] - TOKEN_SECONDS if wrong == "exp" else str(uuid4())
        return 200, {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": "openid",
            "id_token": self.keys.sign(claims, wrong),
        }

    def _authenticate(self, form: Mapping[str, str], authorization: str, weather: Weather) -> Application:
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            used, (client_id, secret) = ClientAuth.BASIC, _basic(credentials)
        elif authorization:
            raise _RefusedTokenError(401, "invalid_client", UNSUPPORTED)
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
            used = ClientAuth.POST if secret else ClientAuth.NONE
        known = (each for each in self.environment.applications if each.client_id == client_id)
        application = next(known, None)
        if application is None or isinstance(weather, TokenRefused):
            raise _RefusedTokenError(401, "invalid_client", "Request denied: Invalid client credentials")
        if used is not application.client_auth:
            raise _RefusedTokenError(401, "invalid_client", UNSUPPORTED)
        if used is not ClientAuth.NONE and not hmac.compare_digest(
            application.client_secret.encode(), secret.encode("utf-8", "surrogatepass")
        ):
            raise _RefusedTokenError(401, "invalid_client", "Request denied: Invalid client credentials")
        return application

    def _redeem(self, form: Mapping[str, str], application: Application, now: float) -> Flow:
        if form.get("grant_type") != "authorization_code":
            raise _RefusedTokenError(400, "unsupported_grant_type", "The grant type is not supported.")
        # A second use fails, whatever becomes of the first.
        flow = self._granted.pop(form.get("code", ""), now)
        if flow is None or flow.application.client_id != application.client_id:
            raise _RefusedTokenError(400, "invalid_grant", "The code is unknown, used or expired.")
        if form.get("redirect_uri") != flow.redirect_uri:
            raise _RefusedTokenError(400, "invalid_grant", "The redirect_uri is not that of the code.")
        if flow.challenge is not None:
            challenge, method = flow.challenge
            verifier = form.get("code_verifier", "")
            if not hmac.compare_digest(challenge.encode(), challenge_of(verifier, method).encode()):
                raise _RefusedTokenError(400, "invalid_grant", "The code_verifier does not match.")
        return flow

    def _claims(self, flow: Flow, access_token: str, now: int) -> dict[str, Any]:
        claims = {
            "iss": self.urls.issuer,
            "sub": str(uuid5(NAMESPACE_URL, f"{self.environment.id}/{flow.subject}")),
            "aud": flow.application.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "auth_time": now,
            "acr": "Single_Factor",
            "amr": ["pwd"],
            "at_hash": half_hash(access_token),
            "sid": str(uuid4()),
            "env": self.environment.id,
            "org": str(uuid5(NAMESPACE_URL, "organization")),
            "p1.region": "NA",
        }
        return claims if flow.nonce is None else {**claims, "nonce": flow.nonce}


def _basic(credentials: str) -> tuple[str, str]:
    """Return client_id and secret, each form-encoded within (RFC 6749, 2.3.1)."""
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return "", ""
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
