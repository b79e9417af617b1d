"""The judge: an answer and an expectation in, a verdict out. No I/O, and total over any bytes.

Decided in this order: signs of an edge in front, the status class, the body of any 2xx.

    below 200, above 599        protocol
    an edge answered            blocked
    429, REQUEST_LIMITED        rate_limited
    5xx, 408, an error that     server_error
      blames the provider
    3xx  with an error          oauth_error
         to a sign-on page      redirected (configuration): pi.flow was not honored
         anything else          redirected (provider)
    4xx  with an error          oauth_error
         401, 403, no JSON      blocked
         anything else          client_error
    2xx  too large, not JSON    too_large, not_json
         FAILED or an error     flow_failed
         no status, another     not_a_flow
           environment
         status not expected    unexpected_status
         otherwise              ok
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from exporter.outcome import DAVINCI, FAILED, KNOWN_STATUSES, UNKNOWN
from exporter.probing.contract import check_contract, lifetime_seconds, parse_timestamp
from exporter.probing.detail import Detail, Template
from exporter.probing.errors import (
    PROVIDER_FAILED,
    REQUEST_LIMITED,
    codes_in_document,
    codes_in_location,
    parse_object,
)
from exporter.probing.messages import Answer, Expectation, Verdict
from exporter.reasons import Fault, Reason
from exporter.target import ANY_REQUIRED

MIN_FINAL_CODE, MAX_CODE = 200, 599
_NETWORK_AUTHENTICATION_REQUIRED = 511
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_API_GATEWAY_FORBIDDEN = {"message": "Forbidden"}
_FLOW_ID = re.compile(r"(?:^|[?&])flowId=[^&]")


def judge(answer: Answer, expectation: Expectation) -> Verdict:
    """Judge the answer that must be a flow. Never raises, whatever the provider sent."""
    verdict = judge_json(answer)
    return verdict if verdict.reason is not Reason.OK else judge_flow(verdict.flow, expectation)


def judge_json(answer: Answer) -> Verdict:
    """Judge the answer that must be a 2xx with a JSON object, which is then the verdict's `flow`."""
    code = answer.status_code
    if not MIN_FINAL_CODE <= code <= MAX_CODE:
        return _failed(Reason.PROTOCOL, Fault.PROVIDER, Template.CODE_INVALID, answer)
    document = None if answer.too_large else parse_object(answer.body)
    edge = _edge(answer, document)
    if edge is not None:
        return _failed(Reason.BLOCKED, Fault.NETWORK, edge, answer)
    if code < HTTPStatus.MULTIPLE_CHOICES:
        if answer.too_large:
            return Verdict(Reason.TOO_LARGE, Fault.PROVIDER)
        if document is None:
            return _failed(Reason.NOT_JSON, Fault.PROVIDER, _content(answer.body), answer)
        return Verdict(Reason.OK, Fault.NONE, flow=document)
    codes = tuple(
        dict.fromkeys(
            (*codes_in_location(answer.headers.get("location")), *codes_in_document(document or {}))
        ),
    )
    reason, fault = _judge_refusal(answer, codes, is_json=document is not None)
    if reason is Reason.BLOCKED:
        return _failed(reason, fault, Template.REFUSED_WITHOUT_JSON, answer)
    return Verdict(reason, fault, error_codes=codes)


def _failed(reason: Reason, fault: Fault, cause: Template, answer: Answer) -> Verdict:
    return Verdict(reason, fault, detail=Detail(cause, {"code": answer.status_code}))


def _content(body: bytes) -> Template:
    """Return what a body is that is not a JSON object."""
    text = body.strip()
    if not text:
        return Template.EMPTY
    return Template.MARKUP if text.startswith(b"<") else Template.NOT_JSON


def _judge_refusal(answer: Answer, codes: tuple[str, ...], *, is_json: bool) -> tuple[Reason, Fault]:
    """Judge any 3xx, 4xx or 5xx."""
    code = answer.status_code
    is_5xx = code >= HTTPStatus.INTERNAL_SERVER_ERROR
    if code == HTTPStatus.TOO_MANY_REQUESTS or (REQUEST_LIMITED in codes and not is_5xx):
        return Reason.RATE_LIMITED, Fault.QUOTA
    if is_5xx or code == HTTPStatus.REQUEST_TIMEOUT or not PROVIDER_FAILED.isdisjoint(codes):
        return Reason.SERVER_ERROR, Fault.PROVIDER
    if codes:
        return Reason.OAUTH_ERROR, Fault.CONFIGURATION
    if code < HTTPStatus.BAD_REQUEST:
        lost = leads_to_sign_on_page(answer.headers.get("location"))
        return Reason.REDIRECTED, Fault.CONFIGURATION if lost else Fault.PROVIDER
    if code in _REFUSALS and not is_json:
        return Reason.BLOCKED, Fault.NETWORK
    return Reason.CLIENT_ERROR, Fault.CONFIGURATION


def _edge(answer: Answer, document: Mapping[str, Any] | None) -> Template | None:
    """Return what shows that a firewall, a captive portal or an API gateway answered in place of PingOne."""
    headers, code = answer.headers, answer.status_code
    if code == _NETWORK_AUTHENTICATION_REQUIRED:
        return Template.PORTAL
    if "x-amzn-waf-action" in headers:
        return Template.FIREWALL
    if headers.get("cf-mitigated", "").strip().lower() == "challenge":
        return Template.CHALLENGE
    forbidden = headers.get("x-amzn-errortype", "").startswith("ForbiddenException")
    if code in _REFUSALS and (forbidden or document == _API_GATEWAY_FORBIDDEN):
        return Template.GATEWAY
    return None


def leads_to_sign_on_page(location: str | None) -> bool:
    """Return True if a redirect leads to a sign-on page.

    PingOne's own is `…/signon/?flowId=…`; an application may have one of its own on any host, which gets the
    flow's id in the query or the fragment.
    """
    if location is None:
        return False
    address, _, fragment = location.partition("#")
    path, _, query = address.partition("?")
    if path.rstrip("/").rpartition("/")[2] == "signon":
        return True
    # In a fragment the parameters may follow a path of the page's own.
    return any(_FLOW_ID.search(part) for part in (query, fragment))


def judge_flow(document: Mapping[str, Any], expectation: Expectation) -> Verdict:
    """Judge the JSON object of a 2xx."""
    status = flow_status(document)
    codes = codes_in_document(document)
    # A flow with a status of its own may one day have a field `code`; a DaVinci body has it for errors.
    if status == FAILED or (codes and (status in {None, DAVINCI} or document.get("error"))):
        ours = expectation.prompt_none and "login_required" in codes
        fault = Fault.CONFIGURATION if ours else Fault.PROVIDER
        return Verdict(Reason.FLOW_FAILED, fault, status, codes)
    if status is None or not _is_of_environment(document, status, expectation.environment_id):
        detail = Detail(Template.NO_STATUS if status is None else Template.OTHER_ENVIRONMENT)
        return Verdict(Reason.NOT_A_FLOW, Fault.PROVIDER, status, detail=detail)
    good = is_expected(status, expectation.statuses)
    if good:
        reason, fault = Reason.OK, Fault.NONE
    else:
        reason, fault = Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION
    return Verdict(
        reason,
        fault,
        status,
        flow=document,
        checks=check_contract(document, status, expectation),
        lifetime=lifetime_seconds(document),
        created=parse_timestamp(document.get("createdAt")),
        detail=None if good else unexpected(status, expectation.statuses),
    )


def unexpected(status: str, expected: Sequence[str]) -> Detail:
    """Return the cause of a failure by a flow status; one that is not known may be anything."""
    shown = status if status in KNOWN_STATUSES else UNKNOWN
    return Detail(Template.UNEXPECTED, {"status": shown, "statuses": tuple(expected)})


def flow_status(document: Mapping[str, Any]) -> str | None:
    """Return the status of a flow, `DAVINCI` for the body of a DaVinci flow, None for anything else."""
    status = document.get("status")
    if isinstance(status, str) and status:
        return status
    interaction = document.get("interactionId")
    if status is None and isinstance(interaction, str) and interaction:
        return DAVINCI
    return None


def is_expected(status: str, statuses: Collection[str]) -> bool:
    """Return True if a flow status is among those that are a success."""
    return status in statuses or (ANY_REQUIRED in statuses and status.endswith("_REQUIRED"))


def _is_of_environment(document: Mapping[str, Any], status: str, environment_id: str) -> bool:
    """Return True unless a flow names another environment. Every field is optional: absence is tolerated."""
    named = [document.get("companyId")] if status == DAVINCI else []
    environment = document.get("environment")
    if isinstance(environment, dict):
        named.append(environment.get("id"))
    elif environment is not None:
        return False
    return all(
        name is None or (isinstance(name, str) and environment_id in {name.lower(), ""}) for name in named
    )
