"""The token endpoint, and the keys that sign its tokens: RS256 alone, as at PingOne. No I/O.

    authenticate the client → grant_type → code (once, in time, this client's) → redirect_uri → code_verifier

Errors have the form of RFC 6749, 5.2. That a wrong way to authenticate is `invalid_client` with its text is
known from third parties; an ID token has the claims that a relying party must verify. How long a code may
be redeemed (ten minutes, the RFC's limit) is inferred, and so is an access token that is not a JWT.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus
from uuid import NAMESPACE_URL, uuid4, uuid5

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from exporter.simulator.environments import Application, Environment, Urls
from exporter.simulator.error_answers import RefusedError
from exporter.simulator.flow import ExpiringStore, Flow
from exporter.simulator.weather import Weather
from exporter.target import ClientAuth

RSA_BITS = 2048
MAX_KEYS = 3  # published: the one that signs and the ones before it
CODE_SECONDS = 600.0
TOKEN_SECONDS = 3600


class KeyRing:
    """An environment's signing keys, of which there is always one."""

    def __init__(self) -> None:
        self._keys: list[RSAKey] = []
        self.rotate()

    def rotate(self) -> None:
        """Sign by a fresh key from now on; takes some tens of milliseconds. The last ones stay published."""
        fresh = RSAKey.generate_key(RSA_BITS, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self._keys = [fresh, *self._keys][:MAX_KEYS]

    def published(self) -> list[dict[str, Any]]:
        """Return the JWKs of all keys, the one that signs first."""
        return [dict(key.as_dict(private=False)) for key in self._keys]

    def sign(self, claims: Mapping[str, Any], fault: str | None = None) -> str:
        """Return a signed JWT.

        It is not made by the library that the exporter verifies it with: a bug there must not be hidden by
        the same bug here. The fault `kid` names an unpublished key; `signature` signs other content.
        """
        kid = self.published()[0]["kid"]
        header = {"alg": "RS256", "kid": str(uuid4()) if fault == "kid" else kid}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        content = signed.encode() + (b"." if fault == "signature" else b"")
        signature = self._keys[0].get_op_key("sign").sign(content, padding.PKCS1v15(), SHA256())
        return f"{signed}.{base64url(signature)}"


class TokenEndpoint:
    """The codes of one environment and the tokens they are redeemed for."""

    def __init__(
        self, environment: Environment, urls: Urls, keys: KeyRing, clock: Callable[[], float]
    ) -> None:
        self._environment, self._urls, self._keys, self._clock = environment, urls, keys, clock
        self._granted: ExpiringStore[Flow] = ExpiringStore(clock, CODE_SECONDS)

    def grant(self, flow: Flow) -> str:
        """Return a code for a flow that is completed."""
        code = secrets.token_urlsafe(24)
        self._granted.put(code, flow)
        return code

    def redeem(self, form: Mapping[str, str], authorization: str, weather: Weather) -> dict[str, Any]:
        """Return the tokens; raises `RefusedError`."""
        application = self._authenticate(form, authorization, weather)
        flow = self._flow_of(form, application)
        now = int(self._clock() + weather.clock_skew)
        claims: dict[str, Any] = {
            "iss": self._urls.issuer,
            "sub": str(uuid5(NAMESPACE_URL, f"{self._environment.id}/{flow.subject}")),
            "aud": application.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        if (nonce := flow.given.get("nonce")) is not None:
            claims["nonce"] = nonce
        wrong = weather.wrong if weather.kind == "id_token_invalid" else None
        if wrong in claims:
            claims[wrong] = now - TOKEN_SECONDS if wrong == "exp" else str(uuid4())
        return {
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": "openid",
            "id_token": self._keys.sign(claims, wrong),
        }

    def _authenticate(self, form: Mapping[str, str], authorization: str, weather: Weather) -> Application:
        scheme, _, credentials = authorization.partition(" ")
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        used = ClientAuth.POST if secret else ClientAuth.NONE
        if scheme.lower() == "basic":
            used, (client_id, secret) = ClientAuth.BASIC, _basic(credentials)
        known = (each for each in self._environment.applications if each.client_id == client_id)
        application = next(known, None)
        unsupported = _refused("invalid_client", "Request denied: Unsupported authentication method", 401)
        wrong = _refused("invalid_client", "Request denied: Invalid client credentials", 401)
        if authorization and used is not ClientAuth.BASIC:
            raise unsupported
        if application is None or weather.kind == "token_refused":
            raise wrong
        if used is not application.client_auth:
            raise unsupported
        if used is not ClientAuth.NONE and secret != application.client_secret:
            raise wrong
        return application

    def _flow_of(self, form: Mapping[str, str], application: Application) -> Flow:
        if form.get("grant_type") != "authorization_code":
            raise _refused("unsupported_grant_type", "The grant type is not supported.")
        # A second use fails, whatever becomes of the first.
        flow = self._granted.pop(form.get("code", ""))
        if flow is None or flow.application.client_id != application.client_id:
            raise _refused("invalid_grant", "The code is unknown, used or expired.")
        if form.get("redirect_uri") != flow.given["redirect_uri"]:
            raise _refused("invalid_grant", "The redirect_uri is not that of the code.")
        method = flow.given.get("code_challenge_method", "plain")
        challenge = challenge_of(form.get("code_verifier", ""), method)
        if flow.given.get("code_challenge", challenge) != challenge:
            raise _refused("invalid_grant", "The code_verifier does not match.")
        return flow


def _refused(error: str, description: str, status: int = 400) -> RefusedError:
    return RefusedError(status, {"error": error, "error_description": description})


def _basic(credentials: str) -> tuple[str, str]:
    """Return client_id and secret, each form-encoded within (RFC 6749, 2.3.1)."""
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return "", ""
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def challenge_of(verifier: str, method: str) -> str:
    """Return the code challenge of a code verifier (RFC 7636, 4.2)."""
    return verifier if method == "plain" else base64url(hashlib.sha256(verifier.encode()).digest())


def base64url(data: bytes) -> str:
    """Encode without padding, as JWS does."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
