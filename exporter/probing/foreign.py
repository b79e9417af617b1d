"""Judges of identity providers that are not PingOne (`SOURCE_KIND=oidc`). No I/O.

`prompt=none` (OpenID Connect Core, 3.1.2.1): without a session a conforming provider redirects to the
registered redirect URI with `login_required` or the like. That shows that client and redirect URI are
accepted, without a page to judge. The redirect is never followed.

    Keycloak, oidc-provider     302, 303 with `error=login_required` and the state
    Google, Auth0, Azure B2C    likewise, or `interaction_required`, `consent_required`
    Entra ID                    an error of client or redirect URI is a page with status 200
"""

from __future__ import annotations

from dataclasses import replace

from exporter.probing.errors import codes_in_location
from exporter.probing.federation_judge import MALFORMED, NOT_ALLOWED, is_redirect, leads_to
from exporter.probing.initiate import ProviderRequest
from exporter.probing.judge import judge_json
from exporter.probing.links import parse_link, with_parameter
from exporter.probing.messages import Answer, Verdict
from exporter.reasons import Fault, Reason

READY = frozenset({
    "login_required", "interaction_required", "consent_required", "account_selection_required",
})  # fmt: skip
"""Errors that say: without a session, this user would have to be asked."""


def prompt_none_url(request: ProviderRequest) -> str:
    """Return the authorize URL that is requested; nothing can be added to one with a request object."""
    url = request.link.url
    return url if request.has_request_object else with_parameter(url, "prompt", "none")


def judge_prompt_none(answer: Answer, *, request: ProviderRequest) -> Verdict:
    """Judge the answer to an authorize request with `prompt=none`.

    With a request object the prompt could not be forbidden: a redirect without an error is good then.

    Args:
        answer: of `source_authorize`.
        request: that the destination makes of its provider.
    """
    verdict = judge_json(answer)
    if request.has_request_object and is_redirect(answer) and verdict.reason is Reason.REDIRECTED:
        return Verdict(Reason.OK, Fault.NONE)
    if verdict.reason in {Reason.OK, Reason.NOT_JSON, Reason.TOO_LARGE}:
        # A page although none may be shown: some providers show errors so, with status 200.
        return Verdict(Reason.LOGIN_PAGE_ERROR, Fault.CONFIGURATION, error_codes=verdict.error_codes)
    codes = codes_in_location(answer.headers.get("location"))
    if not is_redirect(answer) or verdict.reason is not Reason.OAUTH_ERROR or not READY.intersection(codes):
        return verdict
    link = parse_link(answer.headers.get("location"), request.link.url)
    if link is None:
        return replace(MALFORMED, error_codes=codes)
    if request.redirect_uri is not None and not leads_to(link, request.redirect_uri):
        return replace(NOT_ALLOWED, error_codes=codes)
    if request.state is not None and link.parameter("state") != request.state:
        return Verdict(Reason.STATE_MISMATCH, Fault.PROVIDER, error_codes=codes)
    return Verdict(Reason.OK, Fault.NONE, error_codes=codes)
