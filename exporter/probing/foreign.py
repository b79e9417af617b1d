"""Judges of identity providers that are not PingOne (`SOURCE_KIND=oidc`). No I/O.

`prompt_none` (OpenID Connect Core, 3.1.2.1): without a session a conforming provider redirects to the
registered redirect URI with `login_required` (Keycloak, oidc-provider), or also `interaction_required` or
`consent_required` (Google, Auth0, Azure B2C). That shows that client and redirect URI are accepted. Entra ID
shows an error of these on a page with status 200. The redirect is never followed.

`login_page`: redirects within the provider's hosts, and Shibboleth's form that sends itself, are followed as
by a browser, to a page with a login form. An error comes back to the redirect URI in a query, a fragment, a
form that posts itself, or inside a JWT (JARM); or it is a page of its own, whatever its status.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus

from exporter.probing.detail import Detail, Template, origin_of
from exporter.probing.errors import PROVIDER_FAILED, codes_in_document, codes_in_location, parse_object
from exporter.probing.federation_judge import MALFORMED, NOT_ALLOWED, leads_to, wrong_state
from exporter.probing.judge import judge_json
from exporter.probing.links import Link, is_safe_scheme, parse_link, with_parameter
from exporter.probing.login_page import Page, read_page
from exporter.probing.messages import Answer, ProviderRequest, Verdict
from exporter.probing.signing_keys import decoded_member
from exporter.reasons import Fault, Reason

MAX_REDIRECTS = 5
"""Redirects that are followed to a login page."""

MAX_PAGE_BYTES = 1024 * 1024

AS_BROWSER = (("Accept", "text/html, application/json;q=0.9, */*;q=0.5"),)
"""Some providers answer JSON instead of their page to a client that prefers it."""

READY = frozenset({
    "login_required", "interaction_required", "consent_required", "account_selection_required",
})  # fmt: skip
"""Errors that mean: the user has no session and would have to be prompted."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})
_DECIDED = frozenset({Reason.PROTOCOL, Reason.RATE_LIMITED})
_PAGE = frozenset({Reason.NOT_JSON, Reason.TOO_LARGE})
"""Verdicts of `judge_json` on a 2xx with a page."""
_ERROR_PAGE = frozenset({Reason.CLIENT_ERROR, Reason.BLOCKED})
"""Its verdicts on a 4xx with an error page; a 401 or 403 without JSON may come from an edge."""
_RETURNED = frozenset({"error", "response", "code"})
_CLIENT_STORAGE = "shib_idp_ls_supported"  # in the form that Shibboleth's first page sends by itself
_OK = Verdict(Reason.OK, Fault.NONE)


def prompt_none_url(request: ProviderRequest) -> str:
    """Return the authorize URL that is requested; nothing can be added to one with a request object."""
    url = request.link.url
    return url if request.has_request_object else with_parameter(url, "prompt", "none")


def judge_prompt_none(answer: Answer, *, request: ProviderRequest) -> Verdict:
    """Judge the answer to an authorize request with `prompt=none`.

    With a request object the prompt could not be forbidden: a redirect without an error is good then.
    """
    verdict, link, page, returned = _read(answer, request, request.link.url)
    if verdict.reason in _DECIDED or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return verdict
    codes = _codes(answer, returned)
    if not codes:
        if request.has_request_object and verdict.reason is Reason.REDIRECTED:
            return _OK
        return _judge_page(answer, verdict, page, frozenset({Reason.BLOCKED}), Template.NO_REDIRECT)
    if not READY.intersection(codes):
        return _refused(codes)
    if returned is None:
        return replace(MALFORMED if link is None else NOT_ALLOWED, error_codes=codes)
    if request.state is not None and returned.get("state") != request.state:
        detail = Detail(wrong_state(returned.get("state")))
        return Verdict(Reason.STATE_MISMATCH, Fault.PROVIDER, error_codes=codes, detail=detail)
    return replace(_OK, error_codes=codes)


def judge_login_page(
    answer: Answer, *, request: ProviderRequest, url: str, hosts: Collection[str], may_follow: bool
) -> Verdict:
    """Judge the answer that must be a login page, or lead to one.

    Args:
        answer: of a step `source_authorize`.
        request: the destination's request to its provider, with the form that this step posts.
        url: of this step.
        hosts: LOGIN_HOSTS, which are allowed besides the provider's own origin.
        may_follow: whether another redirect is followed.

    Returns:
        if good, with `location` and `parameters` of the next request; without them if this is the login page.
    """
    verdict, link, page, returned = _read(answer, request, url)
    if verdict.reason in _DECIDED or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return verdict
    if codes := _codes(answer, returned):
        return _refused(codes)
    form = request.form if answer.status_code in _KEEP_METHOD else ()
    if verdict.reason is not Reason.REDIRECTED:
        # Where Kerberos is offered first, the form is on the page of a 401.
        is_shown = verdict.reason in _PAGE or answer.status_code == HTTPStatus.UNAUTHORIZED
        is_good = is_shown and not page.has_error
        if is_good and page.has_login_form:
            return _OK
        forwards = (each for each in page.forms if _CLIENT_STORAGE in dict(each.fields))
        if not is_good or (forward := next(forwards, None)) is None:
            cause = Template.ERROR_PAGE if page.has_error else Template.NO_LOGIN_FORM
            return _judge_page(answer, verdict, page, _ERROR_PAGE, cause)
        link, form = parse_link(forward.action, url), forward.fields
    if link is None:
        return MALFORMED
    if returned:
        return verdict
    known = {"code": answer.status_code, "origin": origin_of(link)}
    if not is_safe_scheme(link) or not (link.origin == request.link.origin or link.host in hosts):
        return replace(NOT_ALLOWED, detail=Detail(Template.LOCATION_ELSEWHERE, known))
    if may_follow:
        return replace(_OK, location=link.url, parameters=form)
    return verdict.with_finding(Reason.REDIRECTED, Fault.PROVIDER, Template.TOO_MANY_REDIRECTS, **known)


def _judge_page(
    answer: Answer, verdict: Verdict, page: Page, inexact: Collection[Reason], cause: Template
) -> Verdict:
    """Return the verdict on an answer that is not good; an error on its page is more exact than `inexact`."""
    is_page = verdict.reason is Reason.OK or verdict.reason in _PAGE
    if not is_page and not (page.has_error and verdict.reason in inexact):
        return verdict
    codes = codes_in_document(verdict.flow) or page.error_codes
    detail = None if codes else Detail(cause, {"code": answer.status_code})
    return Verdict(Reason.LOGIN_PAGE_ERROR, Fault.CONFIGURATION, error_codes=codes, detail=detail)


def _refused(codes: tuple[str, ...]) -> Verdict:
    if PROVIDER_FAILED.isdisjoint(codes):
        return Verdict(Reason.OAUTH_ERROR, Fault.CONFIGURATION, error_codes=codes)
    return Verdict(Reason.SERVER_ERROR, Fault.PROVIDER, error_codes=codes)


def _read(
    answer: Answer, request: ProviderRequest, url: str
) -> tuple[Verdict, Link | None, Page, Mapping[str, str] | None]:
    """Return the verdict of the judge of JSON, where a redirect leads, and what the page shows.

    The last one is what the answer sends back to the destination, by name; None if it leads elsewhere.
    """
    redirects = answer.status_code in _REDIRECTS
    link = parse_link(answer.headers.get("location"), url) if redirects else None
    page = read_page(b"" if redirects else answer.body)
    posted = [(parse_link(form.action), form.fields) for form in page.forms]
    requests = posted if link is None else [(link, link.parameters())]  # that a browser would send next
    is_login = page.has_login_form  # which may have fields that are named like those of an answer
    pairs = next((sent for to, sent in requests if _leads_back(to, () if is_login else sent, request)), None)
    if pairs is None:
        return judge_json(answer), link, page, None
    found = {name: value for name, value in reversed(pairs) if value}  # the first of a name counts
    return judge_json(answer), link, page, found | _claims(found.get("response", ""))


def _leads_back(link: Link | None, sent: Iterable[tuple[str, str]], request: ProviderRequest) -> bool:
    if link is None:
        return False
    if request.redirect_uri is not None:
        return leads_to(link, request.redirect_uri)
    # It is inside a request object.
    return request.has_request_object and not _RETURNED.isdisjoint(name for name, value in sent if value)


def _claims(token: str) -> dict[str, str]:
    """Return the texts in the payload of a JWT (JARM, section 2.1), unverified."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004  header, payload, signature; encrypted ones have five
        return {}
    payload = parse_object(decoded_member(parts[1]) or b"") or {}
    return {name: value for name, value in payload.items() if isinstance(value, str)}


def _codes(answer: Answer, returned: Mapping[str, str] | None) -> tuple[str, ...]:
    codes = codes_in_document({"error": (returned or {}).get("error")})
    return codes or codes_in_location(answer.headers.get("location"))
