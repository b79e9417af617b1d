"""The authorize request, checked as strictly as the provider checks it. No I/O.

    duplicates → client_id → redirect_uri → response_type → response_mode → scope → PKCE → prompt, max_age

An unknown client_id is reported to the browser, by a 302 to the sign-on page, whatever the response mode: so
the vendor describes it. Other errors are reported as JSON with pi.flow and by the same redirect without; that
redirect, and status 400 for a redirect_uri that is not registered, are inferred. That the scope is required
and must contain openid is OIDC's rule (Core, 3.1.2.1), and so are those for prompt and max_age.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from exporter.simulator.environments import Application
from exporter.simulator.error_answers import (
    UNKNOWN_CLIENT,
    RefusedError,
    invalid_request,
    invalid_value,
    required_value,
)

PI_FLOW = "pi.flow"
RESPONSE_MODES = (PI_FLOW, "query", "fragment", "form_post")
CHALLENGE_METHODS = ("plain", "S256")
PROMPTS = frozenset({"none", "login", "consent", "select_account"})

MAX_FIELDS = 50
_CHALLENGES: Mapping[str, re.Pattern[str]] = {
    "plain": re.compile(r"[A-Za-z0-9._~-]{43,128}"),
    "S256": re.compile(r"[A-Za-z0-9_-]{43}"),
}
"""RFC 7636, 4.1 and 4.2: the verifier itself, or the base64url of its SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """A valid authorize request.

    Args:
        application: the application of the client_id.
        redirect_uri: where the result goes in the end.
        pi_flow: whether the client wants the flow as JSON.
        prompts: the words of `prompt`.
        state: the client's own.
    """

    application: Application
    redirect_uri: str
    pi_flow: bool
    prompts: frozenset[str] = frozenset()
    state: str | None = field(default=None, repr=False)


def read_authorize(query: str, applications: Iterable[Application]) -> AuthorizeRequest:
    """Check a query against the applications of an environment; raises `RefusedError`."""
    pairs = _pairs(query)
    modes = [value for name, value in pairs if name == "response_mode"]
    pi_flow = modes == [PI_FLOW]
    try:
        given = _once_each(pairs)
        application = _application(given, applications)
        redirect_uri = _redirect_uri(given, application)
        _check_response(given)
        _check_scope(given)
        _check_pkce(given, application)
        _check_max_age(given)
        prompts = _prompts(given)
    except RefusedError as refused:
        raise RefusedError(refused.answer, to_browser=refused.to_browser or not pi_flow) from None
    return AuthorizeRequest(
        application=application,
        redirect_uri=redirect_uri,
        pi_flow=pi_flow,
        prompts=prompts,
        state=given.get("state"),
    )


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # broken UTF-8, or too many fields
        raise RefusedError(invalid_request("query", "The query could not be decoded.")) from None


def _once_each(pairs: list[tuple[str, str]]) -> dict[str, str]:
    # RFC 6749, 3.1: no parameter more than once; one without a value counts as omitted.
    given: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen:
            raise RefusedError(invalid_request(name, "The parameter is included more than once."))
        seen.add(name)
        if value:
            given[name] = value
    return given


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise RefusedError(required_value(name))
    return given[name]


def _application(given: Mapping[str, str], applications: Iterable[Application]) -> Application:
    client_id = _required(given, "client_id")
    for application in applications:
        if application.client_id == client_id:
            return application
    raise RefusedError(UNKNOWN_CLIENT, to_browser=True)


def _redirect_uri(given: Mapping[str, str], application: Application) -> str:
    redirect_uri = _required(given, "redirect_uri")
    if redirect_uri not in application.redirect_uris:
        raise RefusedError(invalid_value("redirect_uri", "Redirect URI mismatch"))
    return redirect_uri


def _check_response(given: Mapping[str, str]) -> None:
    if _required(given, "response_type") != "code":
        raise RefusedError(
            invalid_value("response_type", "The application does not allow this response type.")
        )
    if given.get("response_mode", "query") not in RESPONSE_MODES:
        raise RefusedError(invalid_value("response_mode", f"Must be one of {', '.join(RESPONSE_MODES)}."))


def _check_scope(given: Mapping[str, str]) -> None:
    if "openid" not in _required(given, "scope").split(" "):
        raise RefusedError(invalid_value("scope", "Must contain openid."))


def _check_pkce(given: Mapping[str, str], application: Application) -> None:
    challenge = given.get("code_challenge")
    method = given.get("code_challenge_method")
    if challenge is None:
        if method is not None or application.pkce_required:
            raise RefusedError(required_value("code_challenge"))
        return
    shape = _CHALLENGES.get(method or "plain")
    if shape is None:
        allowed = ", ".join(CHALLENGE_METHODS)
        raise RefusedError(invalid_value("code_challenge_method", f"Must be one of {allowed}."))
    if shape.fullmatch(challenge) is None:
        raise RefusedError(
            invalid_value("code_challenge", "Does not have the form that its method prescribes.")
        )


def _check_max_age(given: Mapping[str, str]) -> None:
    if "max_age" in given and re.fullmatch(r"[0-9]{1,10}", given["max_age"]) is None:
        raise RefusedError(invalid_value("max_age", "Must be a whole number of seconds."))


def _prompts(given: Mapping[str, str]) -> frozenset[str]:
    prompts = frozenset(given.get("prompt", "").split())
    if not prompts <= PROMPTS:
        raise RefusedError(invalid_value("prompt", f"Must be one of {', '.join(sorted(PROMPTS))}."))
    if "none" in prompts and len(prompts) > 1:
        raise RefusedError(invalid_value("prompt", "none excludes all others."))
    return prompts
