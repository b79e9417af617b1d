"""The journey `authorize`: the one request of PingOne's external sign-on workflow.

PingOne Platform API, workflow "external identity provider sign-on", step 3: *Send external authorization
request to the IdP*. `response_mode=pi.flow` asks for the flow resource as JSON instead of a redirect to the
sign-on page.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from exporter.outcome import DAVINCI
from exporter.probing.judge import judge
from exporter.probing.links import endpoints
from exporter.probing.messages import Expectation, Judge, Request, Step, Steps
from exporter.target import Target

SDK_HEADERS = (("X-Requested-With", "ping-sdk"),)
"""Sent by the vendor's SDKs; a DaVinci flow has its links only then."""


def authorize(target: Target, token: Callable[[], str]) -> Steps:
    """Ask the source environment to begin a sign-on.

    Args:
        target: the federation.
        token: makes a fresh unguessable value of at least 128 bits, 43 URL-safe characters.
    """
    fixed = _known.get(target)
    if fixed is None:
        fixed = _known[target] = _fixed_parts(target)
    nonce, state = token(), token()
    verifier = token() if target.pkce else None
    challenge = "" if verifier is None else f"&code_challenge={s256(verifier)}&code_challenge_method=S256"
    url = f"{fixed.before}&nonce={nonce}&state={state}{fixed.after}{challenge}"
    yield Step(
        name="authorize",
        request=Request("GET", url, fixed.headers),
        judge=fixed.judge,
        secrets=tuple(filter(None, (nonce, state, verifier, target.login_hint))),
        statuses=target.expected_statuses,
    )


class _FixedParts(NamedTuple):
    """What is the same in every probe of a target; nonce and state are between `before` and `after`."""

    before: str
    after: str
    headers: tuple[tuple[str, str], ...]
    judge: Judge


_known: WeakKeyDictionary[Target, _FixedParts] = WeakKeyDictionary()
"""Of the targets that there are: one that a reload has changed or removed must not stay, with its secrets."""


def _fixed_parts(target: Target) -> _FixedParts:
    before = {
        "response_type": "code",
        "redirect_uri": target.redirect_uri,
        "scope": target.scope,
        "client_id": target.client_id or "",
    }
    after = {
        "response_mode": "pi.flow",
        "prompt": target.prompt,
        "acr_values": target.acr_values,
        "login_hint": target.login_hint,
        "max_age": None if target.max_age is None else str(target.max_age),
    }
    expectation = Expectation(
        endpoints(target.source_url or "", target.source_environment_id or ""),
        statuses=target.expected_statuses,
        prompt_none="none" in (target.prompt or "").split(),
    )
    return _FixedParts(
        before=f"{target.source_url}/as/authorize?{encode(before.items())}",
        after=f"&{encode(after.items())}",
        headers=SDK_HEADERS if DAVINCI in target.expected_statuses else (),
        judge=partial(judge, expectation=expectation),
    )


def encode(parameters: Iterable[tuple[str, str | None]]) -> str:
    """Return a query, percent-encoded; what is None is left out."""
    given = [(name, value) for name, value in parameters if value is not None]
    return urlencode(given, quote_via=quote, safe="")


def s256(verifier: str) -> str:
    """Return the PKCE code challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
