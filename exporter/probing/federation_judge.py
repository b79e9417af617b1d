"""Judges of the journey `federation`, one per step. No I/O; total over any bytes.

Shapes that PingOne does not document are taken in every plausible form: an error as JSON, as a redirect with
`error` in query or fragment, as a FAILED flow, as an HTML page.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from exporter.outcome import COMPLETED, DAVINCI
from exporter.probing.contract import is_of_environment
from exporter.probing.detail import Detail, Template, origin_of
from exporter.probing.errors import (
    codes_in_document,
    codes_in_location,
    parameters_in_location,
    parse_object,
    value_at,
)
from exporter.probing.judge import flow_status, is_plain_refusal, judge, judge_flow, judge_json
from exporter.probing.links import FLOW_ID, Endpoints, Link, parse_link
from exporter.probing.messages import Answer, Expectation, Judge, Verdict, failed
from exporter.reasons import Fault, Reason

REDIRECTS = frozenset({HTTPStatus.FOUND, HTTPStatus.SEE_OTHER})

MAX_PROVIDERS_READ = 10_000  # more than a body of 2 MiB holds, with a link each
MAX_DETAILS_READ = 20
MAX_UNLOCK_SECONDS = 30 * 86_400.0

_PROVIDER_ID = re.compile(r"[?&]providerId=([^&#]+)")
_CODE_LIKE = re.compile(r"[\w.~+/=-]{8,}")
_MFA = ("OTP_", "DEVICE_", "PUSH_", "ASSERTION_")
_PASSWORD_EXPIRED = frozenset({"PASSWORD_EXPIRED", "MUST_CHANGE_PASSWORD"})
_LINKING = frozenset({"ACCOUNT_LINKING_REQUIRED", "ACCOUNT_CONFIRMATION_REQUIRED"})
_REFUSED_EXCHANGE = frozenset({
    Reason.OAUTH_ERROR, Reason.CLIENT_ERROR, Reason.NOT_JSON, Reason.TOO_LARGE, Reason.REDIRECTED,
})  # fmt: skip

_POSSIBLE_ACCOUNT_REASONS = frozenset({
    Reason.OAUTH_ERROR, Reason.CLIENT_ERROR, Reason.FLOW_FAILED, Reason.UNEXPECTED_STATUS,
})  # fmt: skip
"""Reasons of an answer to `sign_on` for which the account may be the cause."""

NOT_ALLOWED = Verdict(Reason.LOCATION_INVALID, Fault.CONFIGURATION)
MALFORMED = Verdict(Reason.LOCATION_INVALID, Fault.PROVIDER)
_NO_CODE = failed(Reason.LOCATION_INVALID, Fault.CONFIGURATION, Template.MEMBER_MISSING, member="code")


def is_redirect(answer: Answer) -> bool:
    """Return True for the redirects that PingOne uses."""
    return answer.status_code in REDIRECTS and "location" in answer.headers


# destination_authorize, destination_lookup


def judge_destination_flow(answer: Answer, *, destination: Endpoints) -> Verdict:
    """Judge a flow of the destination: any status is good, but not a DaVinci flow."""
    verdict = judge_json(answer)
    if verdict.reason is not Reason.OK:
        return verdict
    status = flow_status(verdict.flow)
    statuses = () if status in {None, DAVINCI} else (status,)
    verdict = judge_flow(verdict.flow, Expectation(destination, statuses))
    if verdict.reason is Reason.UNEXPECTED_STATUS:
        return replace(verdict, detail=Detail(Template.DAVINCI))
    return _with_flow_id(verdict)


def judge_offer(answer: Answer, *, destination: Endpoints, provider: str | None) -> Verdict:
    """Judge a flow of the destination that must offer the identity provider, or just one if that is None.

    Returns:
        if good, with the provider's own link as `location`.
    """
    verdict = judge_destination_flow(answer, destination=destination)
    if verdict.reason is not Reason.OK:
        return verdict
    listed = list(providers_in(verdict.flow))
    offered = [entry for entry in listed if _is_named(entry, provider)]
    if len(offered) != 1:
        others = Template.OTHER_PROVIDERS if listed else Template.NO_PROVIDER
        cause, count = Template.SEVERAL_PROVIDERS if offered else others, len(offered or listed)
        return verdict.with_finding(Reason.PROVIDER_MISSING, Fault.CONFIGURATION, cause, count=count)
    href = provider_link(offered[0])
    return with_location(verdict, "authenticate link", href, destination.url, destination, "/rp/")


def with_location(
    verdict: Verdict, member: str, href: object, url: str | None, environment: Endpoints, path: str
) -> Verdict:
    """Return a good verdict with the URL of a link as `location`, if that leads where it must."""
    link = parse_link(href, url)
    if link is not None and environment.has(link, path):
        return replace(verdict, location=link.url)
    fault = Fault.CONFIGURATION
    if href is None:
        cause = Template.MEMBER_MISSING
    elif link is None:
        cause, fault = Template.MEMBER_MALFORMED, Fault.PROVIDER
    else:
        cause = Template.MEMBER_OTHER_PATH if environment.is_at(link) else Template.MEMBER_ELSEWHERE
    return verdict.with_finding(Reason.LOCATION_INVALID, fault, cause, member=member, origin=origin_of(link))


def providers_in(flow: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the identity providers that a flow offers."""
    listed = value_at(flow, "_embedded", "socialProviders")
    entries = listed[:MAX_PROVIDERS_READ] if isinstance(listed, list) else []
    seen: set[str] = set()
    for entry in (*entries, value_at(flow, "_embedded", "identityProvider")):
        if isinstance(entry, dict) and (identity := provider_id(entry) or repr(entry)) not in seen:
            seen.add(identity)
            yield entry


def provider_id(entry: Mapping[str, Any]) -> str | None:
    """Return the id of an identity provider in a flow; a forced provider has it in its link only."""
    identifier = entry.get("id")
    if isinstance(identifier, str) and identifier:
        return identifier
    found = _PROVIDER_ID.search(str(provider_link(entry)))
    return None if found is None else found[1]


def provider_link(entry: Mapping[str, Any]) -> object:
    """Return the link that starts the sign-on at an identity provider, if it has one; not checked yet."""
    return value_at(entry, "_links", "authenticate", "href") or None


def _is_named(entry: Mapping[str, Any], provider: str | None) -> bool:
    if provider is None or entry.get("name") == provider:
        return True
    return (provider_id(entry) or "").lower() == provider.lower()


def judge_flow_to_act_on(answer: Answer, *, expectation: Expectation) -> Verdict:
    """Judge a flow that the next step acts on: it needs an expected status and an id."""
    return _with_flow_id(judge(answer, expectation))


def _with_flow_id(verdict: Verdict) -> Verdict:
    """Refuse a good flow without an id, or with one that would lead elsewhere when it is part of a URL."""
    identifier = verdict.flow.get("id")
    if verdict.reason is not Reason.OK or (isinstance(identifier, str) and FLOW_ID.fullmatch(identifier)):
        return verdict
    return verdict.with_finding(Reason.NOT_A_FLOW, Fault.PROVIDER, Template.NO_FLOW_ID)


# sign_on


def judge_sign_on(answer: Answer, *, source: Endpoints, url: str) -> Verdict:
    """Judge the answer to user name and password; good is a COMPLETED flow with a URL to continue at."""
    verdict = replace(judge(answer, Expectation(source, (COMPLETED,))), checks={})
    if verdict.reason is Reason.OK:
        href = verdict.flow.get("resumeUrl")
        if href is not None:
            return with_location(verdict, "resumeUrl", href, url, source, "/as/resume")
        # Every field of a flow is optional.
        return replace(verdict, location=f"{source.url}/as/resume?flowId={url.rpartition('/')[2]}")
    if verdict.reason not in _POSSIBLE_ACCOUNT_REASONS:
        return verdict
    document = parse_object(answer.body) or {}
    reason = _account_problem(verdict.flow_status or "", document)
    if reason is None:
        return verdict
    verdict = verdict.with_finding(reason, Fault.ACCOUNT)
    return replace(verdict, seconds_until_unlock=_seconds_until_unlock(document))


def _account_problem(status: str, document: Mapping[str, Any]) -> Reason | None:
    """Return what keeps the user from signing on, if that is the account."""
    written = [(error.get("code"), error.get("target")) for error in _errors_in(document)]
    codes = {*codes_in_document(document), *(code for code, _ in written if isinstance(code, str))}
    is_locked = not codes.isdisjoint({"PASSWORD_LOCKED_OUT", "ACCOUNT_NOT_USABLE"})
    is_rejected = ("INVALID_VALUE", "password") in written or codes & {"INVALID_CREDENTIALS", "NO_PASSWORD"}
    is_expired = not _PASSWORD_EXPIRED.isdisjoint({status, *codes})
    rows = (
        (is_locked, Reason.ACCOUNT_LOCKED),
        (is_rejected, Reason.CREDENTIALS_REJECTED),
        ("NO_USABLE_DEVICES" in codes, Reason.MFA_REQUIRED),
        (is_expired, Reason.PASSWORD_EXPIRED),
        (status.startswith(_MFA), Reason.MFA_REQUIRED),
        (status.endswith("_REQUIRED"), Reason.FURTHER_ACTION_REQUIRED),
    )
    return next((reason for applies, reason in rows if applies), None)


def _errors_in(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the error of a document and its details; a 400 is one itself, a FAILED flow has it in `error`."""
    nested = document.get("error")
    for error in (document, nested if isinstance(nested, dict) else {}):
        yield error
        details = error.get("details")
        for detail in details[:MAX_DETAILS_READ] if isinstance(details, list) else []:
            if isinstance(detail, dict):
                yield detail


def _seconds_until_unlock(document: Mapping[str, Any]) -> float | None:
    for error in _errors_in(document):
        for path in (("innerError", "secondsUntilUnlock"), ("secondsUntilUnlock",)):
            seconds = value_at(error, *path)
            if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
                return float(min(seconds, MAX_UNLOCK_SECONDS))  # a whole number may be too large for a float
    return None


# source_resume, destination_resume


def judge_code(
    answer: Answer, *, at: Endpoints, url: str, state: str | None, redirect_uri: str | Endpoints
) -> Verdict:
    """Judge an answer of the environment `at` that must carry a code: in JSON, or in a redirect.

    The redirect is not followed. Without a `state`, any is good; if `redirect_uri` is an environment, any
    callback of that one is.

    Returns:
        if good, with all parameters, and if it was a redirect, with the URL that has them as `location`.
    """
    location = answer.headers.get("location")
    verdict = judge_json(answer)
    if is_redirect(answer) and verdict.reason is Reason.REDIRECTED:
        own = None if isinstance(redirect_uri, Endpoints) else _at_own_scheme(location, redirect_uri)
        link = own or parse_link(location, url)
        if link is None:
            return MALFORMED
        if isinstance(redirect_uri, Endpoints):
            is_right = redirect_uri.has(link, "/rp/callback/")
        else:
            is_right = own is not None or leads_to(link, redirect_uri)
        if link.parameter("code") is None:
            return _NO_CODE if is_right else verdict
        if not is_right:
            return NOT_ALLOWED
        returned, to = link.parameters(), link.url
        if link._replace(fragment="").parameter("code") is None:  # a fragment is not sent
            to = f"{to.partition('?')[0]}?{urlencode(returned)}"
        return _with_code(replace(verdict, location=to), returned, state)
    if verdict.reason is not Reason.OK:
        return verdict
    response = verdict.flow.get("authorizeResponse")
    fields = response if isinstance(response, dict) else {}
    parameters = tuple((name, value) for name, value in fields.items() if isinstance(value, str))
    flow = judge_flow(verdict.flow, Expectation(at, (COMPLETED,)))
    flow = replace(flow, checks={}, lifetime=None, created=None)
    if flow.reason is Reason.FLOW_FAILED:
        return flow
    is_own = is_of_environment(verdict.flow, flow.flow_status, at.environment_id)
    if is_own and dict(parameters).get("code"):
        return _with_code(replace(verdict, flow_status=flow.flow_status), parameters, state)
    if codes := codes_in_document({"error": fields.get("error")}):
        return Verdict(Reason.FLOW_FAILED, Fault.PROVIDER, flow.flow_status, codes)
    if flow.reason is Reason.UNEXPECTED_STATUS:
        return flow
    cause = Template.MEMBER_MISSING if is_own else Template.OTHER_ENVIRONMENT
    return flow.with_finding(Reason.NOT_A_FLOW, Fault.PROVIDER, cause, member="code")


def _with_code(verdict: Verdict, parameters: tuple[tuple[str, str], ...], state: str | None) -> Verdict:
    first = dict(reversed(parameters))  # of a name counts, for the state and for what is redeemed
    named = {first.get(name) for name in ("code", "state", "nonce")}
    secrets = tuple(each for each in first.values() if each and (each in named or _CODE_LIKE.fullmatch(each)))
    verdict = replace(verdict, secrets=secrets)
    if state is not None and first.get("state") != state:
        return verdict.with_finding(Reason.STATE_MISMATCH, Fault.PROVIDER, wrong_state(first.get("state")))
    return replace(verdict.with_finding(Reason.OK, Fault.NONE), parameters=tuple(reversed(first.items())))


def wrong_state(returned: str | None) -> Template:
    """Return why a state is wrong that is not the one that was sent."""
    return Template.OTHER_STATE if returned else Template.NO_STATE


def _at_own_scheme(location: str | None, redirect_uri: str) -> Link | None:
    """Return where a redirect leads if that is the redirect URI of a native app, `com.example.app:/callback`.

    The link has only its parameters; it is never followed.
    """
    if location is None or parse_link(redirect_uri) is not None:
        return None
    returned = location.removeprefix(redirect_uri)
    if returned == location or returned[:1] not in {"?", "&", "#"}:
        return None
    return parse_link(f"https://native-app.invalid/{'#' if returned[0] == '#' else '?'}{returned[1:]}")


def leads_to(link: Link, redirect_uri: str) -> bool:
    """Return True if a redirect leads to the redirect URI, ignoring parameters."""
    wanted = parse_link(redirect_uri)
    return wanted is not None and (link.origin, link.path) == (wanted.origin, wanted.path)


# callback, destination_flow


def judge_callback(answer: Answer, *, url: str) -> Verdict:
    """Judge the redirect with which the destination continues after redeeming the code.

    Returns:
        if good, with the id of the destination's flow as the parameter `flowId`.
    """
    verdict = judge_json(answer)
    if is_redirect(answer) and verdict.reason not in {Reason.BLOCKED, Reason.RATE_LIMITED}:
        codes = codes_in_location(answer.headers.get("location"))
        if codes:
            return Verdict(Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION, error_codes=codes)
        # Any host: an application may have a sign-on page of its own.
        return _judge_flow_id(answer, url, NOT_ALLOWED)
    is_refused = verdict.reason in _REFUSED_EXCHANGE or is_plain_refusal(answer, verdict)
    if verdict.reason is Reason.OK or is_refused:
        status, codes = flow_status(verdict.flow), codes_in_document(verdict.flow)
        return Verdict(Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION, status, verdict.error_codes or codes)
    return verdict


def _judge_flow_id(answer: Answer, url: str, without: Verdict) -> Verdict:
    """Judge a redirect that must carry the id of a flow; return `without` if it has none."""
    location = answer.headers.get("location")
    for flow_id in parameters_in_location(location, "flowId"):  # of any text: the page is never fetched
        if FLOW_ID.fullmatch(flow_id):
            return Verdict(Reason.OK, Fault.NONE, parameters=(("flowId", flow_id),))
        return failed(Reason.LOCATION_INVALID, Fault.PROVIDER, Template.MEMBER_MALFORMED, member="flowId")
    link = parse_link(location, url)
    if link is None:
        return MALFORMED
    known = {"code": answer.status_code, "origin": origin_of(link), "member": "flowId"}
    return replace(without, detail=Detail(Template.LOCATION_WITHOUT, known))


def judge_completion(answer: Answer, *, destination: Endpoints) -> Verdict:
    """Judge the destination's flow after the callback: it must be COMPLETED."""
    verdict = replace(judge(answer, Expectation(destination, (COMPLETED,))), checks={})
    if verdict.reason is Reason.FLOW_FAILED:
        return verdict.with_finding(Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION)
    if verdict.reason is Reason.UNEXPECTED_STATUS and verdict.flow_status in _LINKING:
        return verdict.with_finding(Reason.ACCOUNT_LINKING_REQUIRED, Fault.CONFIGURATION)
    return verdict


def judge_flow_redirect(answer: Answer, *, url: str, judge_other: Judge) -> Verdict:
    """Judge the answer to an authorize request to which pi.flow could not be added.

    A request object may ask for pi.flow itself: what is no such redirect is left to `judge_other`.

    Returns:
        if good, with the flow, or with the id of it that a redirect carries as the parameter `flowId`.
    """
    verdict = judge_json(answer)
    if is_redirect(answer) and verdict.reason is Reason.REDIRECTED:
        return _judge_flow_id(answer, url, verdict)
    return judge_other(answer)
