"""The journey `authorize`: the one request of PingOne's external sign-on workflow.

    GET {source}/as/authorize?response_type=code&redirect_uri=…&scope=openid&client_id=…
        &nonce=…&state=…&response_mode=pi.flow

PingOne Platform API, workflow "external identity provider sign-on", step 3: *Send external
authorization request to the IdP*. No body, no authorization, no cookie. `response_mode=pi.flow` asks
for the flow resource as JSON instead of a redirect to the sign-on page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from urllib.parse import quote, urlencode

from exporter.probing.messages import Expectation, Request, Step, Steps
from exporter.target import Target


def authorize(target: Target, token: Callable[[], str]) -> Steps:
    """Ask the source environment to begin a sign-on.

    Args:
        target: whom to ask, and as whom.
        token: a fresh unguessable value of at least 128 bits and 43 URL-safe characters.
    """
    nonce, state = token(), token()
    verifier = token() if target.pkce else None
    parameters = {
        "response_type": "code",
        "redirect_uri": target.redirect_uri,
        "scope": target.scope,
        "client_id": target.client_id,
        "nonce": nonce,
        "state": state,
        "response_mode": "pi.flow",
        "prompt": target.prompt,
        "acr_values": target.acr_values,
        "login_hint": target.login_hint,
        "max_age": None if target.max_age is None else str(target.max_age),
    }
    if verifier is not None:
        parameters |= {"code_challenge": s256(verifier), "code_challenge_method": "S256"}
    given = {name: value for name, value in parameters.items() if value is not None}
    yield Step(
        name="authorize",
        request=Request(
            "GET", f"{target.source_url}/as/authorize?{urlencode(given, quote_via=quote, safe='')}"
        ),
        expectation=Expectation(target.source_environment_id, target.source_url, target.expected_statuses),
        secrets=(nonce, state) if verifier is None else (nonce, state, verifier),
    )


def s256(verifier: str) -> str:
    """Return the PKCE code challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
