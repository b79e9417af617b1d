"""What a probe finds out: an exchange into a verdict and a record, without any secret. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus

from exporter.outcome import KNOWN_STATUSES, UNKNOWN, StepRecord, TlsFacts
from exporter.probing.causes import shown_host
from exporter.probing.clock_skew import ClockSkew, clock_skew, date_timestamp
from exporter.probing.detail import Detail, Template, contains_any
from exporter.probing.failure import is_refused_certificate, read_failure
from exporter.probing.messages import Step, Verdict
from exporter.probing.timing import OwnDelayError
from exporter.probing.transport import Exchange
from exporter.reasons import Fault, Reason
from exporter.target import Journey

MAX_OWN_DELAY_SECONDS = 1.0
"""A peer that we kept waiting for longer may hang up because of that."""

OUR_BUG = Verdict(Reason.INTERNAL, Fault.EXPORTER)
STALLED = Verdict(Reason.INTERNAL, Fault.EXPORTER, detail=Detail(Template.STALLED))
_KEPT_WAITING = Verdict(Reason.INTERNAL, Fault.EXPORTER, detail=Detail(Template.KEPT_WAITING))


def evaluate(exchange: Exchange, step: Step, *, proxied: bool = False) -> Verdict:
    """Return the verdict on an exchange: on its failure, or else on its answer."""
    answer, error = exchange.answer, exchange.error
    if error is None and answer is not None:
        if proxied and answer.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Verdict(Reason.PROXY, Fault.NETWORK, detail=Detail(Template.AUTHENTICATION))
        return step.judge(answer)
    if answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # The head alone is enough: it also has Retry-After, and further probes would make it worse.
        return step.judge(answer)
    error = error or RuntimeError("an exchange without an answer has an error")
    if isinstance(error, OwnDelayError):
        return STALLED  # not a bug: this machine is overloaded
    if exchange.hung_up and exchange.own_delay > MAX_OWN_DELAY_SECONDS and not is_refused_certificate(error):
        return _KEPT_WAITING
    unacknowledged = exchange.unacknowledged
    return Verdict(*read_failure(error, exchange.phase, proxied=proxied, unacknowledged=unacknowledged))


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
    skew = _clock_skew(exchange, step, verdict, wall_offset)
    return StepRecord(
        step=step.name,
        reason=verdict.reason,
        phase=exchange.phase,
        phases=exchange.phases,
        host=shown_host(exchange.origin, step, own_secrets),
        detail=detail,
        http_status_code=None if answer is None else answer.status_code,
        flow_status=sanitize_status(verdict.flow_status, step.statuses, own_secrets),
        error_codes=verdict.error_codes,
        correlation_id=sanitize_id(headers.get("correlation-id"), own_secrets),
        address=exchange.address,
        checks=verdict.checks,
        lifetime=verdict.lifetime,
        clock_skew=None if skew is None else skew.seconds,
        clock_skew_error=None if skew is None else skew.error,
        tls=tls,
        addresses_tried=exchange.addresses_tried if len(exchange.addresses_tried) > 1 else (),
    )


def _clock_skew(exchange: Exchange, step: Step, verdict: Verdict, wall_offset: float) -> ClockSkew | None:
    """Return the provider's clock against ours, if the answer is a healthy flow with a time."""
    if step.name in Journey.DISCOVERY.steps:
        return None  # the answer may come from a cache, together with its time
    if not verdict.checks or exchange.answer is None or exchange.sent is None or exchange.received is None:
        return None
    return clock_skew(
        (verdict.created, date_timestamp(exchange.answer.headers.get("date"))),
        sent=exchange.sent + wall_offset,
        received=max(exchange.sent, exchange.received) + wall_offset,
    )


_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Capital words alone: tokens and identifiers have digits or small letters.
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
