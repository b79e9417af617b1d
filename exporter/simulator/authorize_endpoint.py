"""The authorize request, checked as strictly as the provider checks it. No I/O.

An unknown client_id is reported to the browser, by a 302 to the sign-on page, whatever the response mode: so
the vendor describes it. Other errors are reported as JSON with pi.flow and by the same redirect without; that
redirect, and status 400 for a redirect_uri that is not registered, are inferred. That the scope is required
and must contain openid is OIDC's rule (Core, 3.1.2.1), and so are those for prompt and max_age.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from starlette.datastructures import QueryParams

from exporter.simulator.environments import Application
from exporter.simulator.error_answers import RefusedError, invalid_data, invalid_request, required_value

PI_FLOW = "pi.flow"
RESPONSE_MODES = (PI_FLOW, "query", "fragment", "form_post")
CHALLENGES = {"plain": r"[A-Za-z0-9._~-]{43,128}", "S256": r"[A-Za-z0-9_-]{43}"}
"""Code challenges by their method (RFC 7636, 4.1 and 4.2): the verifier, or the base64url of its SHA-256."""

_REQUIRED = ("client_id", "redirect_uri", "response_type", "scope")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})


def read_authorize(
    query: QueryParams, applications: Iterable[Application]
) -> tuple[Application, Mapping[str, str]]:
    """Return the application that a query is about, and its parameters; raises `RefusedError`."""
    # RFC 6749, 3.1: one without a value counts as omitted.
    given = {name: value for name, value in query.items() if value}
    counts = Counter(name for name, _ in query.multi_items())
    try:
        if repeated := [name for name, count in counts.items() if count > 1]:
            raise invalid_request(repeated[0], "The parameter is included more than once.")
        return _check(given, applications), given
    except RefusedError as error:
        if query.getlist("response_mode") != [PI_FLOW]:
            error.for_browser()
        raise


def _check(given: Mapping[str, str], applications: Iterable[Application]) -> Application:
    if missing := [name for name in _REQUIRED if name not in given]:
        raise required_value(missing[0])
    application = next((each for each in applications if each.client_id == given["client_id"]), None)
    if application is None:
        message = "There is no application with this client_id in the environment."
        raise invalid_data("client_id", message).for_browser()
    mode, max_age = given.get("response_mode", "query"), given.get("max_age", "0")
    prompts = given.get("prompt", "").split()
    prompts_fit = _PROMPTS.issuperset(prompts) and ("none" not in prompts or len(prompts) == 1)
    challenge, method = given.get("code_challenge"), given.get("code_challenge_method", "plain")
    well_formed = challenge is None or re.fullmatch(CHALLENGES.get(method, ""), challenge) is not None
    rules = {
        "redirect_uri": (given["redirect_uri"] in application.redirect_uris, "Redirect URI mismatch"),
        "response_type": (given["response_type"] == "code", "The application allows code alone."),
        "response_mode": (mode in RESPONSE_MODES, f"Use {', '.join(RESPONSE_MODES)}."),
        "scope": ("openid" in given["scope"].split(" "), "Must contain openid."),
        "code_challenge_method": (method in CHALLENGES, f"Use {' or '.join(CHALLENGES)}."),
        "code_challenge": (well_formed, "Does not have the form that its method prescribes."),
        "max_age": (re.fullmatch(r"[0-9]{1,10}", max_age), "Must be a whole number of seconds."),
        "prompt": (prompts_fit, "Use none alone, or any of login, consent, select_account."),
    }
    for name, (is_valid, message) in rules.items():
        if not is_valid:
            raise invalid_data(name, message)
    if challenge is None and (application.pkce_required or "code_challenge_method" in given):
        raise required_value("code_challenge")
    return application
