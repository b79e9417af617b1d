"""The judge: an answer and an expectation in, a verdict out. Pure, and total over any bytes.

Decided in this order: the status class, then the body of any 2xx.

    below 200, above 599        protocol
    429, REQUEST_LIMITED        rate_limited
    5xx, 408, an error that     server_error
      blames the provider
    3xx  with an error          oauth_error
         to the sign-on page    redirected (configuration): pi.flow was not honoured
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

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from exporter.outcome import DAVINCI, FAILED
from exporter.probing.contract import check_contract, lifetime_seconds, parse_timestamp
from exporter.probing.errors import (
    PROVIDER_FAILED,
    REQUEST_LIMITED,
    codes_in_document,
    codes_in_location,
    parse_object,
)
from exporter.probing.messages import Answer, Expectation, Verdict
from exporter.reasons import Fault, Reason

_LOWEST_FINAL, _HIGHEST = 200, 599


def judge(answer: Answer, expectation: Expectation) -> Verdict:
    """Judge one answer. Never raises, whatever the provider sent."""
    code = answer.status_code
    if not _LOWEST_FINAL <= code <= _HIGHEST:
        return Verdict(Reason.PROTOCOL, Fault.PROVIDER)
    document = None if answer.too_large else parse_object(answer.body)
    if code < HTTPStatus.MULTIPLE_CHOICES:
        return _judge_success(answer, document, expectation)
    codes = tuple(
        dict.fromkeys(
            (*codes_in_location(answer.headers.get("location")), *codes_in_document(document or {}))
        ),
    )
    reason, fault = _judge_refusal(answer, codes, is_json=document is not None)
    return Verdict(reason, fault, error_codes=codes)


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
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and not is_json:
        return Reason.BLOCKED, Fault.NETWORK
    return Reason.CLIENT_ERROR, Fault.CONFIGURATION


def leads_to_sign_on_page(location: str | None) -> bool:
    """Whether a redirect leads to PingOne's sign-on page, `…/signon/?flowId=…`."""
    if location is None:
        return False
    path = location.partition("#")[0].partition("?")[0]
    return path.rstrip("/").rpartition("/")[2] == "signon"


def _judge_success(answer: Answer, document: dict[str, Any] | None, expectation: Expectation) -> Verdict:
    """Judge any 2xx by its body."""
    if answer.too_large:
        return Verdict(Reason.TOO_LARGE, Fault.PROVIDER)
    if document is None:
        return Verdict(Reason.NOT_JSON, Fault.PROVIDER)
    status = flow_status(document)
    codes = codes_in_document(document)
    # A flow with a status of its own may one day have a field `code`; a DaVinci body has it for errors.
    if status == FAILED or (codes and (status in {None, DAVINCI} or document.get("error"))):
        return Verdict(Reason.FLOW_FAILED, Fault.PROVIDER, status, codes)
    if status is None or not _is_of_environment(document, expectation.environment_id):
        return Verdict(Reason.NOT_A_FLOW, Fault.PROVIDER, status)
    if status in expectation.statuses:
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
    )


def flow_status(document: Mapping[str, Any]) -> str | None:
    """Return a flow's status, `DAVINCI` for the body of a DaVinci flow, None for anything else."""
    status = document.get("status")
    if isinstance(status, str) and status:
        return status
    interaction = document.get("interactionId")
    if status is None and isinstance(interaction, str) and interaction:
        return DAVINCI
    return None


def _is_of_environment(document: Mapping[str, Any], environment_id: str) -> bool:
    """Whether a flow is of the environment. Every field of a flow is optional: absence is tolerated."""
    environment = document.get("environment")
    if environment is None:
        return True
    if not isinstance(environment, dict):
        return False
    identifier = environment.get("id")
    return identifier is None or (isinstance(identifier, str) and identifier.lower() == environment_id)
