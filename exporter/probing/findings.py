"""Turn an exchange into a verdict, a sentence with the exact cause, and a record. No I/O.

No secret of the probe gets into any of them.
"""

import re
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from exporter.outcome import KNOWN_STATUSES, UNKNOWN, Phase, StepRecord, TlsFacts
from exporter.probing.certificate import RefusedCertificate
from exporter.probing.clock_skew import clock_skew, date_timestamp
from exporter.probing.detail import Detail, Template, contains_any, origin_of, sentence
from exporter.probing.failure import STALLED, certificate_detail, read_failure
from exporter.probing.judge import leads_to_sign_on_page
from exporter.probing.links import Link, parse_link
from exporter.probing.messages import Answer, Step, Verdict, failed
from exporter.probing.transport import Exchange
from exporter.reasons import Fault, Reason
from exporter.target import Journey

MAX_OWN_DELAY_SECONDS = 1.0
"""A peer that we kept waiting for longer may hang up because of that."""

_KEPT_WAITING = failed(Reason.INTERNAL, Fault.EXPORTER, Template.KEPT_WAITING)
OWN_DELAYS = (STALLED, _KEPT_WAITING)


def evaluate(exchange: Exchange, step: Step) -> Verdict:
    """Return the verdict on an exchange: on its failure, or else on its answer."""
    answer, error = exchange.answer, exchange.error
    if error is None and answer is not None:
        if exchange.proxied and answer.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return failed(Reason.PROXY, Fault.NETWORK, Template.AUTHENTICATION)
        return step.judge(answer)
    if answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # The head alone is enough: it also has Retry-After, and further probes would make it worse.
        return step.judge(answer)
    kept_waiting = exchange.closed_by_peer and exchange.own_delay > MAX_OWN_DELAY_SECONDS
    if kept_waiting and not isinstance(error, ssl.SSLCertVerificationError):
        return _KEPT_WAITING
    return read_failure(exchange)


def step_record(
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    wall_offset: float,
    tls: TlsFacts | None,
    own_secrets: Collection[str],
    detail: str | None = None,
) -> StepRecord:
    """Return what is kept of a step; `own_secrets` must never leave the probe.

    `wall_offset` is our wall clock minus the event loop's clock, in seconds, when the probe began. `tls` is
    the connection's, or what was fetched of a refused certificate.
    """
    answer = exchange.answer
    headers: Mapping[str, str] = {} if answer is None else answer.headers
    skew, skew_error = _clock_skew(exchange, step, verdict, wall_offset)
    return StepRecord(
        step=step.name,
        reason=verdict.reason,
        phase=exchange.phase,
        phases=exchange.phases,
        host=_shown_host(exchange.link, step, own_secrets),
        detail=detail,
        http_status_code=None if answer is None else answer.status_code,
        flow_status=sanitize_status(verdict.flow_status, step.statuses, own_secrets),
        error_codes=verdict.error_codes,
        correlation_id=sanitize_id(headers.get("correlation-id"), own_secrets),
        address=exchange.address,
        checks=verdict.checks,
        lifetime=verdict.lifetime,
        clock_skew=skew,
        clock_skew_error=skew_error,
        tls=tls,
        addresses_tried=exchange.addresses_tried if len(exchange.addresses_tried) > 1 else (),
    )


def _clock_skew(
    exchange: Exchange, step: Step, verdict: Verdict, wall_offset: float
) -> tuple[float, float] | tuple[None, None]:
    """Return the provider's clock minus ours and the bound of the error, if the answer is a healthy flow."""
    answer, sent, received = exchange.answer, exchange.sent, exchange.received
    # An answer of `discovery` may come from a cache, together with its time.
    is_healthy = bool(verdict.checks) and step.name not in Journey.DISCOVERY.steps
    if not is_healthy or answer is None or sent is None or received is None:
        return None, None
    is_new = "/flows/" not in step.request.url.partition("?")[0]  # or an earlier step created the flow
    timestamps = verdict.created if is_new else None, date_timestamp(answer.headers.get("date"))
    skew = clock_skew(timestamps, sent=sent + wall_offset, received=max(sent, received) + wall_offset)
    return (None, None) if skew is None else skew


_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Only upper-case words: tokens and identifiers have digits or lower-case letters.
_STATUS = re.compile(r"(?=.{1,64}\Z)[A-Z]+(?:_[A-Z]+)+")


def sanitize_id(correlation_id: str | None, own_secrets: Collection[str]) -> str | None:
    """Return a `Correlation-Id` if it has the shape of one and contains none of the probe's secrets.

    A provider, or something in between, can echo anything anywhere, such as a nonce as a correlation id.
    """
    if correlation_id is None or not _CORRELATION_ID.fullmatch(correlation_id):
        return None
    return None if contains_any(correlation_id, own_secrets) else correlation_id


def sanitize_status(
    status: str | None, expected: Collection[str], own_secrets: Collection[str] = ()
) -> str | None:
    """Return a flow status that is known, expected or at least looks like one; else `UNKNOWN`.

    The list of statuses is open, and an operator who adds one to `EXPECTED_STATUSES` needs its name.
    """
    if status is None or status in KNOWN_STATUSES or status in expected:
        return status
    return status if _STATUS.fullmatch(status) and not contains_any(status, own_secrets) else UNKNOWN


def describe(
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    secrets: Collection[str],
    refused: RefusedCertificate | None,
    *,
    within: str,
    at: float,
) -> str:
    """Return the exact cause of a failed step that had to end `within` a time; `at` is that of the probe."""
    detail = verdict.detail or _answer_detail(exchange.answer, step, verdict)
    if refused is not None:
        detail = certificate_detail(exchange.error, refused, datetime.fromtimestamp(at, UTC)) or detail
    host = _shown_host(exchange.link, step, secrets)
    known = {"seconds": within, **detail.parameters}
    text = sentence(Detail(detail.cause, known if host else {**known, "name": ""}), host, secrets)
    of_proxy = verdict.reason is Reason.PROXY or exchange.phase in {Phase.RESOLVE, Phase.CONNECT}
    return f"proxy: {text}" if exchange.proxied and of_proxy else text


def _shown_host(link: Link | None, step: Step, secrets: Collection[str]) -> str | None:
    """Return host and port of a request; None if it has none, or a provider put a secret into it."""
    if link is None or (step.foreign and contains_any(link.endpoint, secrets)):
        return None
    return link.endpoint


def _answer_detail(answer: Answer | None, step: Step, verdict: Verdict) -> Detail:
    if answer is None:
        return Detail(Template.BUG)  # a failure without an answer has a cause
    location, codes = answer.headers.get("location"), verdict.error_codes
    link = parse_link(location, step.request.url)
    status = verdict.flow_status if verdict.flow_status in KNOWN_STATUSES else UNKNOWN
    known: dict[str, object] = {"code": answer.status_code, "codes": codes, "status": status}
    known |= {"size": step.request.max_body_bytes // 1024, "origin": origin_of(link)}
    is_redirect = 300 <= answer.status_code < 400  # noqa: PLR2004  of RFC 9110
    leads, has_status = is_redirect and link is not None, verdict.flow_status is not None
    rows = (
        (verdict.reason is Reason.TOO_LARGE, Template.TOO_LARGE),
        (leads and codes, Template.REDIRECT_WITH_ERROR),
        (leads and verdict.reason is Reason.LOCATION_INVALID, Template.LOCATION_ELSEWHERE),
        (leads and leads_to_sign_on_page(location), Template.REDIRECT_TO_SIGN_ON),
        (leads, Template.REDIRECT),
        (is_redirect and not codes and location is None, Template.NO_LOCATION),
        (is_redirect and not codes, Template.LOCATION_MALFORMED),
        (has_status and codes, Template.STATUS_AND_ERROR),
        (has_status, Template.STATUS),
        (codes, Template.ERROR),
        (True, Template.RESPONDED),
    )
    cause = next(cause for applies, cause in rows if applies)
    return Detail(cause, known)
