"""The judge: an answer and an expectation in, a verdict out. No I/O, and total over any bytes.

Decided in this order: signs of an edge in front, the status class, the body of any 2xx.
"""

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from exporter.outcome import DAVINCI, FAILED, KNOWN_STATUSES, UNKNOWN
from exporter.probing.contract import check_contract, is_of_environment, parse_timestamp
from exporter.probing.detail import Detail, Template
from exporter.probing.errors import (
    PROVIDER_FAILED,
    REQUEST_LIMITED,
    codes_in_document,
    codes_in_location,
    parameters_in_location,
    parse_object,
)
from exporter.probing.messages import Answer, Expectation, Verdict, failed
from exporter.reasons import Fault, Reason
from exporter.target import ANY_REQUIRED

MIN_FINAL_CODE, MAX_CODE = 200, 599
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_API_GATEWAY_FORBIDDEN = {"message": "Forbidden"}


def judge(answer: Answer, expectation: Expectation) -> Verdict:
    """Judge the answer that must be a flow. Never raises, whatever the provider sent."""
    verdict = judge_json(answer)
    return verdict if verdict.reason is not Reason.OK else judge_flow(verdict.flow, expectation)


def judge_json(answer: Answer) -> Verdict:
    """Judge the answer that must be a 2xx with a JSON object, which is then the verdict's `flow`."""
    code = answer.status_code
    if not MIN_FINAL_CODE <= code <= MAX_CODE:
        return failed(Reason.PROTOCOL, Fault.PROVIDER, Template.CODE_INVALID, code=code)
    document = None if answer.too_large else parse_object(answer.body)
    edge = _edge(answer, document)
    if edge is not None:
        return failed(Reason.BLOCKED, Fault.NETWORK, edge, code=code)
    if code >= HTTPStatus.MULTIPLE_CHOICES:
        return _judge_refusal(answer, document)
    if answer.too_large:
        return Verdict(Reason.TOO_LARGE, Fault.PROVIDER)
    if document is None:
        return failed(Reason.NOT_JSON, Fault.PROVIDER, _content(answer.body), code=code)
    return Verdict(Reason.OK, Fault.NONE, flow=document)


def _content(body: bytes) -> Template:
    """Return the template that describes a body which is not a JSON object."""
    text = body.strip()
    if not text:
        return Template.EMPTY
    return Template.MARKUP if text.startswith(b"<") else Template.NOT_JSON


def _judge_refusal(answer: Answer, document: Mapping[str, Any] | None) -> Verdict:
    """Judge any 3xx, 4xx or 5xx: the first row that applies counts."""
    code, location = answer.status_code, answer.headers.get("location")
    codes = tuple(dict.fromkeys((*codes_in_location(location), *codes_in_document(document or {}))))
    is_3xx, is_5xx = code < HTTPStatus.BAD_REQUEST, code >= HTTPStatus.INTERNAL_SERVER_ERROR
    is_limited = code == HTTPStatus.TOO_MANY_REQUESTS or (REQUEST_LIMITED in codes and not is_5xx)
    has_failed = is_5xx or code == HTTPStatus.REQUEST_TIMEOUT or not PROVIDER_FAILED.isdisjoint(codes)
    rows = (
        (is_limited, Reason.RATE_LIMITED, Fault.QUOTA),
        (has_failed, Reason.SERVER_ERROR, Fault.PROVIDER),
        (bool(codes), Reason.OAUTH_ERROR, Fault.CONFIGURATION),
        # pi.flow was not honored
        (is_3xx and leads_to_sign_on_page(location), Reason.REDIRECTED, Fault.CONFIGURATION),
        (is_3xx, Reason.REDIRECTED, Fault.PROVIDER),
        (code in _REFUSALS and document is None, Reason.BLOCKED, Fault.NETWORK),
        (True, Reason.CLIENT_ERROR, Fault.CONFIGURATION),
    )
    reason, fault = next((reason, fault) for applies, reason, fault in rows if applies)
    if reason is Reason.BLOCKED:
        return failed(reason, fault, Template.REFUSED_WITHOUT_JSON, code=code)
    return Verdict(reason, fault, error_codes=codes)


def _edge(answer: Answer, document: Mapping[str, Any] | None) -> Template | None:
    """Return the sign that a firewall, a captive portal or an API gateway answered instead of PingOne."""
    headers, code = answer.headers, answer.status_code
    forbidden = headers.get("x-amzn-errortype", "").startswith("ForbiddenException")
    signs = {
        Template.PORTAL: code == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
        Template.FIREWALL: "x-amzn-waf-action" in headers,
        Template.CHALLENGE: headers.get("cf-mitigated", "").strip().lower() == "challenge",
        Template.GATEWAY: code in _REFUSALS and (forbidden or document == _API_GATEWAY_FORBIDDEN),
    }
    return next((sign for sign, is_there in signs.items() if is_there), None)


def is_plain_refusal(answer: Answer, verdict: Verdict) -> bool:
    """Return True for a 401 that only lacks JSON: a firewall refuses with 403."""
    cause = None if verdict.detail is None else verdict.detail.cause
    return cause is Template.REFUSED_WITHOUT_JSON and answer.status_code == HTTPStatus.UNAUTHORIZED


def leads_to_sign_on_page(location: str | None) -> bool:
    """Return True if a redirect leads to a sign-on page.

    PingOne's own is `…/signon/?flowId=…`; an application may have one of its own on any host, which gets the
    flow's id in the query or the fragment.
    """
    path = (location or "").partition("#")[0].partition("?")[0]
    is_own = path.rstrip("/").rpartition("/")[2] == "signon"
    return is_own or bool(parameters_in_location(location, "flowId"))


def judge_flow(document: Mapping[str, Any], expectation: Expectation) -> Verdict:
    """Judge the JSON object of a 2xx."""
    status = flow_status(document)
    codes = codes_in_document(document)
    # A flow with a status of its own may one day have a field `code`; a DaVinci body has it for errors.
    if status == FAILED or (codes and (status in {None, DAVINCI} or document.get("error"))):
        ours = expectation.prompt_none and "login_required" in codes
        return Verdict(Reason.FLOW_FAILED, Fault.CONFIGURATION if ours else Fault.PROVIDER, status, codes)
    if status is None or not is_of_environment(document, status, expectation.endpoints.environment_id):
        cause = Template.NO_STATUS if status is None else Template.OTHER_ENVIRONMENT
        return Verdict(Reason.NOT_A_FLOW, Fault.PROVIDER, status, detail=Detail(cause))
    created, expires = (parse_timestamp(document.get(name)) for name in ("createdAt", "expiresAt"))
    lifetime = None if created is None or expires is None else expires.at - created.at
    found = Verdict(
        Reason.OK,
        Fault.NONE,
        status,
        flow=document,
        checks=check_contract(document, status, expectation, lifetime),
        lifetime=lifetime,
        created=created,
    )
    if is_expected(status, expectation.statuses):
        return found
    known = {"status": status if status in KNOWN_STATUSES else UNKNOWN, "statuses": expectation.statuses}
    return found.with_finding(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, Template.UNEXPECTED, **known)


def flow_status(document: Mapping[str, Any]) -> str | None:
    """Return the status of a flow, `DAVINCI` for the body of a DaVinci flow, None for anything else."""
    status, interaction = document.get("status"), document.get("interactionId")
    if isinstance(status, str) and status:
        return status
    return DAVINCI if status is None and isinstance(interaction, str) and interaction else None


def is_expected(status: str, statuses: Collection[str]) -> bool:
    """Return True if a flow status is among those that are a success."""
    return status in statuses or (ANY_REQUIRED in statuses and status.endswith("_REQUIRED"))
