"""The authorize request, checked as strictly as the provider checks it. No I/O.

    duplicates → client_id → redirect_uri → response_type → response_mode → scope → PKCE → prompt, max_age

An unknown client_id is reported to the browser, by a 302 to the sign-on page, whatever the response mode: so
the vendor describes it. Other errors are reported as JSON with pi.flow and by the same redirect without; that
redirect, and status 400 for a redirect_uri that is not registered, are inferred. That the scope is required
and must contain openid is OIDC's rule (Core, 3.1.2.1), and so are those for prompt and max_age.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from exporter.simulator.environments import Application
from exporter.simulator.error_answers import RefusedError, invalid_data, invalid_request, required_value

PI_FLOW = "pi.flow"
RESPONSE_MODES = (PI_FLOW, "query", "fragment", "form_post")
PROMPTS = ("none", "login", "consent", "select_account")

MAX_FIELDS = 50
_CHALLENGES: Mapping[str, re.Pattern[str]] = {
    "plain": re.compile(r"[A-Za-z0-9._~-]{43,128}"),
    "S256": re.compile(r"[A-Za-z0-9_-]{43}"),
}
"""RFC 7636, 4.1 and 4.2: the verifier itself, or the base64url of its SHA-256."""

CHALLENGE_METHODS = tuple(_CHALLENGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """A valid authorize request; `challenge` is the code challenge and its method."""

    application: Application
    redirect_uri: str
    pi_flow: bool  # whether the client reads JSON
    prompts: frozenset[str]
    state: str | None = field(repr=False)
    nonce: str | None = field(repr=False)
    challenge: tuple[str, str] | None = field(repr=False)


def read_authorize(query: str, applications: Iterable[Application]) -> AuthorizeRequest:
    """Check a query against the applications of an environment; raises `RefusedError`."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # broken UTF-8, or too many fields
        raise invalid_request("query", "The query could not be decoded.") from None
    pi_flow = [value for name, value in pairs if name == "response_mode"] == [PI_FLOW]
    try:
        return _check(_once_each(pairs), applications, pi_flow=pi_flow)
    except RefusedError as error:
        if not pi_flow:
            error.for_browser()
        raise


def _check(
    given: Mapping[str, str], applications: Iterable[Application], *, pi_flow: bool
) -> AuthorizeRequest:
    client_id = _required(given, "client_id")
    application = next((each for each in applications if each.client_id == client_id), None)
    if application is None:
        message = "There is no application with this client_id in the environment."
        raise invalid_data("client_id", message).for_browser()
    redirect_uri = _required(given, "redirect_uri")
    _demand(redirect_uri in application.redirect_uris, "redirect_uri", "Redirect URI mismatch")
    is_code = _required(given, "response_type") == "code"
    _demand(is_code, "response_type", "The application does not allow this response type.")
    _demand_one_of(given.get("response_mode", "query"), "response_mode", RESPONSE_MODES)
    _demand("openid" in _required(given, "scope").split(" "), "scope", "Must contain openid.")
    challenge = _check_pkce(given, application)
    whole = re.fullmatch(r"[0-9]{1,10}", given.get("max_age", "0")) is not None
    _demand(whole, "max_age", "Must be a whole number of seconds.")
    prompts = frozenset(given.get("prompt", "").split())
    for prompt in prompts:
        _demand_one_of(prompt, "prompt", PROMPTS)
    _demand("none" not in prompts or len(prompts) == 1, "prompt", "none excludes all others.")
    return AuthorizeRequest(
        application=application,
        redirect_uri=redirect_uri,
        pi_flow=pi_flow,
        prompts=prompts,
        state=given.get("state"),
        nonce=given.get("nonce"),
        challenge=challenge,
    )


def _once_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    # RFC 6749, 3.1: no parameter more than once; one without a value counts as omitted.
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise invalid_request(name, "The parameter is included more than once.")
        given[name] = value
    return {name: value for name, value in given.items() if value}


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise required_value(name)
    return given[name]


def _demand(valid: bool, target: str, message: str) -> None:  # noqa: FBT001  reads like an assertion
    if not valid:
        raise invalid_data(target, message)


def _demand_one_of(value: str, target: str, allowed: Iterable[str]) -> None:
    _demand(value in set(allowed), target, f"Must be one of {', '.join(allowed)}.")


def _check_pkce(given: Mapping[str, str], application: Application) -> tuple[str, str] | None:
    if "code_challenge" not in given:
        if "code_challenge_method" in given or application.pkce_required:
            raise required_value("code_challenge")
        return None
    challenge, method = given["code_challenge"], given.get("code_challenge_method", "plain")
    _demand_one_of(method, "code_challenge_method", _CHALLENGES)
    valid = _CHALLENGES[method].fullmatch(challenge) is not None
    _demand(valid, "code_challenge", "Does not have the form that its method prescribes.")
    return challenge, method
