"""What is kept of an exchange: its verdict, and the record of its step. Pure."""

from __future__ import annotations

import logging
from http import HTTPStatus

from exporter.outcome import StepRecord, TlsFacts
from exporter.probing import timeline
from exporter.probing.answer import Verdict
from exporter.probing.exchange import Exchange
from exporter.probing.failure import read_failure
from exporter.probing.judge import judge
from exporter.probing.redaction import presentable_id, presentable_status
from exporter.probing.skew import Skew, clock_skew, date_stamp
from exporter.probing.step import Step
from exporter.reasons import Fault, Reason

_log = logging.getLogger(__name__)


def find(exchange: Exchange, step: Step, *, proxied: bool = False) -> Verdict:
    """Return the verdict on an exchange: its failure read, or else its answer judged."""
    answer = exchange.answer
    if exchange.error is None and answer is not None:
        if proxied and answer.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Verdict(Reason.PROXY, Fault.NETWORK)
        return judge(answer, step.expectation)
    if answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # The head alone says it, and says for how long; to go on probing would make it worse.
        return judge(answer, step.expectation)
    error = exchange.error or RuntimeError("an exchange without an answer has an error")
    reason, fault = read_failure(error, timeline.reached(exchange.marks), proxied=proxied)
    if reason is Reason.INTERNAL:
        _log.error("exchange failed by our own fault", exc_info=error, extra={"step": step.name})
    return Verdict(reason, fault)


def record(
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    *,
    wall_offset: float,
    tls: TlsFacts | None,
) -> StepRecord:
    """Return what is kept of a step.

    Args:
        exchange: what happened.
        step: what was wanted.
        verdict: what was found.
        wall_offset: our wall clock minus the monotonic one, in seconds, as the probe began.
        tls: the connection's, or what a second look at a refused certificate found.
    """
    answer = exchange.answer
    skew = _skew(exchange, verdict, wall_offset)
    return StepRecord(
        step=step.name,
        reason=verdict.reason,
        phase=timeline.reached(exchange.marks),
        phases=timeline.phases(exchange.marks),
        http_status_code=None if answer is None else answer.status_code,
        flow_status=presentable_status(verdict.flow_status, step.expectation.statuses),
        error_codes=verdict.error_codes,
        correlation_id=None if answer is None else presentable_id(answer.correlation_id, step.secrets),
        address=exchange.address,
        checks=verdict.checks,
        lifetime=verdict.lifetime,
        clock_skew=None if skew is None else skew.seconds,
        clock_skew_error=None if skew is None else skew.error,
        tls=tls,
    )


def _skew(exchange: Exchange, verdict: Verdict, wall_offset: float) -> Skew | None:
    """Return the provider's clock against ours, if a healthy flow tells it."""
    span = timeline.provider_span(exchange.marks)
    if not verdict.checks or exchange.answer is None or span is None:
        return None
    sent, received = span
    return clock_skew(
        (verdict.created, date_stamp(exchange.answer.date)),
        sent=sent + wall_offset,
        received=received + wall_offset,
    )
