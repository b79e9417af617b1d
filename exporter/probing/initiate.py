"""The step `initiate`: where the destination sends a user, and what that shows about the provider. No I/O."""

from collections.abc import Mapping
from dataclasses import replace

from exporter.probing.contract import is_uuid
from exporter.probing.detail import Detail, Template, origin_of
from exporter.probing.errors import codes_in_location
from exporter.probing.federation_judge import MALFORMED, NOT_ALLOWED, is_redirect, with_location
from exporter.probing.judge import judge, judge_json
from exporter.probing.links import Endpoints, Link, endpoints, is_pingone, is_safe_scheme, parse_link
from exporter.probing.login_page import read_page
from exporter.probing.messages import Answer, Expectation, ProviderRequest, Verdict, failed
from exporter.reasons import Fault, Reason
from exporter.target import ProviderKind, ReadyBy, SourceKind, Target

_AUTHORIZE_PATH = "/as/authorize"
_CALLBACK = "/rp/callback/"
_OAUTH_1 = "oauth_token"
_REQUEST_OBJECT = frozenset({"request", "request_uri"})
_SECRETS = frozenset({"state", "nonce", _OAUTH_1})
_SAML_REQUEST = "SAMLRequest"
_SAML_OK = Verdict(Reason.OK, Fault.NONE, kind=ProviderKind.SAML)
_SAML_NOT_ALLOWED = replace(NOT_ALLOWED, kind=ProviderKind.SAML)


def judge_initiate(answer: Answer, *, target: Target, destination: Endpoints, url: str) -> Verdict:
    """Judge where the destination sends a user; good is an allowed authorize URL that is complete.

    Returns:
        with what it shows the provider to be as `kind`; if good, with the `request` that it makes of the
        provider, unless nothing but the link can be checked.
    """
    verdict = judge_json(answer)
    if verdict.reason is Reason.NOT_JSON:
        forms = (form for form in read_page(answer.body).forms if _SAML_REQUEST in dict(form.fields))
        if (form := next(forms, None)) is not None:
            return _judge_saml(target, answer, parse_link(form.action, url), form.fields)
    if not is_redirect(answer) or codes_in_location(answer.headers.get("location")):
        return replace(judge(answer, Expectation(destination, ())), checks={})
    if verdict.reason is Reason.BLOCKED:
        return verdict
    link = parse_link(answer.headers["location"].partition("#")[0], url)  # a fragment is never sent
    if link is None:
        return MALFORMED
    if _SAML_REQUEST in dict(link.parameters()):
        return _judge_saml(target, answer, link, ())
    known = {"code": answer.status_code, "origin": origin_of(link)}
    request = _read_request(target, destination, link)
    if request is None:
        source = endpoints(target.source_url or "", target.source_environment_id or "")
        cause = Template.LOCATION_OTHER_PATH if source.is_at(link) else Template.LOCATION_ELSEWHERE
        return failed(Reason.LOCATION_INVALID, Fault.CONFIGURATION, cause, **known)
    secrets = tuple(value for name, value in link.parameters() if name in _SECRETS and value)
    found = Verdict(Reason.OK, Fault.NONE, kind=request.kind, secrets=secrets)
    if request.kind is ProviderKind.OAUTH and target.listed is not None and not _is_followed(target):
        return found
    if (member := _invalid_member(request, destination)) is not None:
        if member == "redirect_uri" and request.redirect_uri is not None:
            return with_location(found, member, request.redirect_uri, None, destination, _CALLBACK)
        cause = Template.LOCATION_WITHOUT
        return found.with_finding(Reason.LOCATION_INVALID, Fault.CONFIGURATION, cause, member=member, **known)
    found = replace(found, request=request)
    if request.source is not None and not request.has_request_object:
        return replace(found, checks={"pkce": link.parameter("code_challenge_method") == "S256"})
    return found


def _is_followed(target: Target) -> bool:
    """Return True if the settings ask for the login page, whatever kind of provider that is."""
    is_other = target.source_kind is not SourceKind.PINGONE and target.user is None
    return is_other and target.ready_by is ReadyBy.LOGIN_PAGE


def _judge_saml(
    target: Target, answer: Answer, link: Link | None, form: tuple[tuple[str, str], ...]
) -> Verdict:
    """Judge a SAML request, in a URL or in a form that posts itself; only for listed targets is it enough."""
    known = {"code": answer.status_code, "origin": origin_of(link), "member": "form action"}
    if not _is_followed(target):
        refused = replace(_SAML_NOT_ALLOWED, detail=Detail(Template.SAML, known))
        return _SAML_OK if target.listed is not None else refused
    if link is None:
        return replace(MALFORMED, kind=ProviderKind.SAML, detail=Detail(Template.MEMBER_MALFORMED, known))
    if not is_safe_scheme(link):
        return replace(_SAML_NOT_ALLOWED, detail=Detail(Template.LOCATION_ELSEWHERE, known))
    sent = dict(form or link.parameters())
    secrets = tuple(value for name, value in sent.items() if name in {_SAML_REQUEST, "RelayState"} and value)
    return replace(_SAML_OK, request=ProviderRequest(link, ProviderKind.SAML, form=form), secrets=secrets)


def _read_request(target: Target, destination: Endpoints, link: Link) -> ProviderRequest | None:
    """Return the request that an authorize URL makes of a provider; None if the URL is not allowed."""
    parameters = dict(reversed(link.parameters()))  # the first of a name counts
    has_object = not _REQUEST_OBJECT.isdisjoint(parameters)
    source = None if target.source_kind is SourceKind.OIDC else _source(target, destination, link)
    if source is not None:
        kind = ProviderKind.PINGONE
    elif target.source_kind is SourceKind.PINGONE or target.user is not None or not is_safe_scheme(link):
        return None
    elif target.source_kind is SourceKind.AUTO and _is_at_pingone(destination, link):
        return None  # another environment than the one of the settings
    else:
        scoped = "scope" not in parameters or "openid" in parameters["scope"].split()
        is_oidc = (scoped or has_object) and not _is_social(parameters, destination)
        kind = ProviderKind.OIDC if is_oidc else ProviderKind.OAUTH
    return ProviderRequest(
        link,
        kind,
        source,
        redirect_uri=parameters.get("redirect_uri") or None,
        state=parameters.get("state") or None,
        prompt_none="none" in parameters.get("prompt", "").split(),
        has_request_object=has_object,
    )


def _is_social(parameters: Mapping[str, str], destination: Endpoints) -> bool:
    """Return True for a consumer provider: PingOne has a callback for each (`google`), or it uses OAuth 1."""
    callback = parse_link(parameters.get("redirect_uri"))
    is_own = callback is not None and destination.has(callback, _CALLBACK)
    is_general = callback is not None and callback.path.endswith(f"{_CALLBACK}openid_connect")
    return _OAUTH_1 in parameters or (is_own and not is_general)


def _source(target: Target, destination: Endpoints, link: Link) -> Endpoints | None:
    """Return the PingOne environment that an authorize URL leads to, if it is the one of the settings."""
    if target.source_url:
        configured = endpoints(target.source_url, target.source_environment_id or "")
        return configured if configured.has(link, _AUTHORIZE_PATH) else None
    if target.user is not None:
        return None  # a password goes nowhere but to the source of the settings
    if not _is_at_pingone(destination, link):
        return None
    base = link.path.removesuffix(_AUTHORIZE_PATH)
    environment_id = base.rpartition("/")[2].lower()
    url = link.url.partition("?")[0].removesuffix(_AUTHORIZE_PATH)
    return endpoints(url, environment_id if is_uuid(environment_id) else "")


def _is_at_pingone(destination: Endpoints, link: Link) -> bool:
    """Return True for an authorize URL of PingOne, at its own host or at the destination's."""
    if not link.path.endswith(_AUTHORIZE_PATH):
        return False
    base = link.path.removesuffix(_AUTHORIZE_PATH)
    before, _, environment_id = base.rpartition("/")
    has_id = is_uuid(environment_id)
    if is_pingone(link):
        return has_id and not before
    own = parse_link(destination.url)
    if own is None or link.origin != own.origin:
        return False
    path = own.path.rstrip("/")
    shared = path.removesuffix(f"/{destination.environment_id}")
    return (has_id and before == shared) or base == path == shared


def _invalid_member(request: ProviderRequest, destination: Endpoints) -> str | None:
    """Return the first parameter that later steps need and that is missing or wrong, or None."""
    if request.link.parameter("client_id") is None:
        return "client_id"
    callback = parse_link(request.redirect_uri)
    is_known = callback is not None and destination.has(callback, _CALLBACK)
    if not is_known and (request.redirect_uri is not None or not request.has_request_object):
        return "redirect_uri"
    return None if request.state is not None or request.has_request_object else "state"
