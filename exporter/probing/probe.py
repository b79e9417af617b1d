"""A probe: run the journey of a target, one exchange at a time, and return its outcome."""

from __future__ import annotations

import logging
import re
import secrets
import ssl
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from exporter import __version__
from exporter.outcome import KNOWN_STATUSES, UNKNOWN, Outcome, Phase, StepRecord, TlsFacts, TransportStats
from exporter.probing.certificate import CertificateFetcher
from exporter.probing.clock_skew import (
    ClockEvidence,
    ClockSkew,
    clock_skew,
    date_timestamp,
    retry_after_seconds,
)
from exporter.probing.failure import (
    is_not_yet_valid,
    is_refused_certificate,
    own_shortage,
    read_failure,
)
from exporter.probing.journeys import JOURNEYS
from exporter.probing.judge import judge
from exporter.probing.messages import Answer, Step, Steps, Verdict
from exporter.probing.resolver import Resolve, Resolver
from exporter.probing.timing import Deadline, keep_timestamping_on
from exporter.probing.transport import Exchange, Network, ProbeTransport, Stalls, StallsSince, split_url
from exporter.reasons import Fault, Reason
from exporter.target import Journey, Target

_log = logging.getLogger(__name__)

MAX_LOST_SHARE = 0.1
"""Of the timeout. Stalls that cost more explain that an answer did not come in time."""

MAX_OWN_DELAY_SECONDS = 1.0
"""A peer that we kept waiting for longer may hang up because of that."""

CLOCK_WARNING_INTERVAL_SECONDS = 3600.0

_OUR_BUG = Verdict(Reason.INTERNAL, Fault.EXPORTER)


def fresh_token() -> str:
    """Return 256 unguessable bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


class Prober:
    """Probes targets.

    Args:
        tls: the TLS context for a target.
        resolve: starts to resolve a name; raises ResolutionError.
        wall: seconds since the epoch; for timestamps only.
        token: makes nonces, states and verifiers.
        stalls: start and end of each stall of our event loop since a time of its clock.
        stats: counts exchanges that the event loop timed.
    """

    def __init__(
        self,
        tls: Callable[[Target], ssl.SSLContext],
        *,
        resolve: Resolve | None = None,
        wall: Callable[[], float] = time.time,
        token: Callable[[], str] = fresh_token,
        stalls: StallsSince = lambda _since: (),
        stats: TransportStats | None = None,
    ) -> None:
        self._tls = tls
        self._wall = wall
        self._token = token
        self._network = Network(resolve or Resolver(), stats or TransportStats(), stalls)
        self._certificates = CertificateFetcher()
        self._clock_evidence = ClockEvidence()
        self._clock_warned_at = 0.0
        keep_timestamping_on()

    async def __call__(self, target: Target, journey: Journey) -> Outcome:
        """Run `journey` once. Whatever happens becomes an outcome; only cancellation is raised."""
        run = _Run(
            transaction_id=str(uuid.uuid4()),
            started_at=self._wall(),
            deadline=Deadline(target.timing(journey).timeout),
        )
        try:
            await self._run(target, journey, run)
        except Exception:  # noqa: BLE001  a bug of ours must not end the daemon
            _log.exception("probe failed because of a bug", extra={"target": target.name})
            run.verdict = _OUR_BUG
        finally:
            run.deadline.close()
        last = run.records[-1] if run.records else None
        return Outcome(
            target=target.name,
            journey=journey,
            reason=run.verdict.reason,
            fault=run.verdict.fault,
            step=last.step if last else journey.steps[0],
            phase=last.phase if last else Phase.RESOLVE,
            started_at=run.started_at,
            ended_at=self._wall(),
            duration=run.duration,
            transaction_id=run.transaction_id,
            steps=tuple(run.records),
            retry_after=run.retry_after,
            stalled=run.stalled,
        )

    def forget(self, target: str, _journey: Journey, /) -> None:
        """Forget a target that is no longer probed."""
        self._certificates.forget(target)

    async def _run(self, target: Target, journey: Journey, run: _Run) -> None:
        headers = request_headers(run.transaction_id)
        transport = ProbeTransport(
            self._network,
            run.deadline,
            self._tls(target),
            target.ip_family,
            target.proxy_url,
            absolute_host=target.absolute_host,
        )
        try:
            with closing(JOURNEYS[journey](target, self._token)) as steps:
                step: Step | None = next(steps)
                while step is not None:
                    request = replace(step.request, headers=headers + step.request.headers)
                    exchange = await transport.exchange(request)
                    run.duration = run.deadline.elapsed()
                    run.stalled |= exchange.stalled
                    run.verdict = self._verdict(target, step, exchange, run.started)
                    tls = exchange.tls or await self._refused_certificate(target, step, exchange, run)
                    run.records.append(step_record(exchange, step, run.verdict, run.wall_offset, tls))
                    self._check_our_clock(target.auth_host, exchange, run.started_at)
                    if run.verdict.reason is Reason.RATE_LIMITED:
                        run.retry_after = self._retry_after(exchange.answer)
                    step = _next(steps, run.verdict)
        finally:
            await transport.aclose()

    def _verdict(self, target: Target, step: Step, exchange: Exchange, started: float) -> Verdict:
        verdict = evaluate(exchange, step, proxied=target.proxy_url is not None)
        if verdict.reason is Reason.TIMEOUT and (exchange.uncertain or exchange.phase is Phase.RESOLVE):
            stalls = self._network.stalls(started)
            if explains_timeout(stalls, deadline=started + target.timeout, timeout=target.timeout):
                return _OUR_BUG  # an answer may have come in time
        return verdict

    async def _refused_certificate(
        self, target: Target, step: Step, exchange: Exchange, run: _Run
    ) -> TlsFacts | None:
        """Fetch a certificate that was refused; through a proxy it is not seen."""
        if target.proxy_url is not None or exchange.address is None:
            return None
        if not is_refused_certificate(exchange.error):
            return None
        origin, _ = split_url(step.request.url)
        return await self._certificates.fetch(
            target.name, exchange.address, (origin.host, origin.port), run.deadline
        )

    def _check_our_clock(self, host: str, exchange: Exchange, now: float) -> None:
        """Warn, once an hour, if several hosts agree that our own clock is behind."""
        if exchange.answer is not None:
            self._clock_evidence.date_seen(host, exchange.answer.headers.get("date"), now)
            return
        suspected = is_not_yet_valid(exchange.error) and self._clock_evidence.not_yet_valid(host, now)
        if suspected and abs(now - self._clock_warned_at) > CLOCK_WARNING_INTERVAL_SECONDS:
            self._clock_warned_at = now
            _log.warning("this machine's clock may be wrong", extra={"host": host})

    def _retry_after(self, answer: Answer | None) -> float | None:
        if answer is None:
            return None
        value, date = answer.headers.get("retry-after"), answer.headers.get("date")
        return retry_after_seconds(value, date=date, now=self._wall())


@dataclass(slots=True)
class _Run:
    """What is known of a probe while it runs."""

    transaction_id: str
    started_at: float
    deadline: Deadline
    verdict: Verdict = _OUR_BUG
    duration: float = 0.0
    retry_after: float | None = None
    stalled: bool = False
    records: list[StepRecord] = field(default_factory=list)

    @property
    def started(self) -> float:
        return self.deadline.started

    @property
    def wall_offset(self) -> float:
        """Our wall clock minus the event loop's clock when the probe began."""
        return self.started_at - self.started


def _next(steps: Steps, verdict: Verdict) -> Step | None:
    """Return the next step; None when the last one failed or the journey is at its end."""
    if verdict.reason is not Reason.OK:
        return None
    try:
        return steps.send(verdict)
    except StopIteration:
        return None


def request_headers(transaction_id: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of every request, `Host` apart.

    The transaction id is copied into PingOne's audit events, where the probe can be found by it.
    """
    return (
        ("User-Agent", f"pingone-flow-exporter/{__version__}"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip"),
        ("X-Ping-External-Transaction-Id", transaction_id),
    )


def explains_timeout(stalls: Stalls, *, deadline: float, timeout: float) -> bool:
    """Return True if stalls explain that an answer did not come in time.

    They do if the deadline passed within one, or if they cost more than a tenth of the timeout. Anything more
    generous would let a container that is throttled for 70 ms in each probe hide an outage for good.

    Args:
        stalls: begin and end of each stall during the probe; the event loop's clock.
        deadline: when the timeout passed; likewise.
        timeout: in seconds.
    """
    if any(begun <= deadline <= ended for begun, ended in stalls):
        return True
    return sum(ended - begun for begun, ended in stalls) >= MAX_LOST_SHARE * timeout


def evaluate(exchange: Exchange, step: Step, *, proxied: bool = False) -> Verdict:
    """Return the verdict on an exchange: on its failure, or else on its answer."""
    answer, error = exchange.answer, exchange.error
    if error is None and answer is not None:
        if proxied and answer.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Verdict(Reason.PROXY, Fault.NETWORK)
        return judge(answer, step.expectation)
    if answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # The head alone is enough: it also has Retry-After, and further probes would make it worse.
        return judge(answer, step.expectation)
    error = error or RuntimeError("an exchange without an answer has an error")
    reason, fault = read_failure(
        error, exchange.phase, proxied=proxied, unacknowledged=exchange.unacknowledged
    )
    if exchange.hung_up and exchange.own_delay > MAX_OWN_DELAY_SECONDS and not is_refused_certificate(error):
        return _OUR_BUG  # the peer may have hung up because we kept it waiting
    if reason is Reason.INTERNAL:
        _log_internal(error, step)
    return Verdict(reason, fault)


def _log_internal(error: Exception, step: Step) -> None:
    shortage = own_shortage(error)
    if shortage is None:
        _log.error("exchange failed because of a bug", exc_info=error, extra={"step": step.name})
    else:
        _log.error("exchange failed: resource exhausted", extra={"step": step.name, "errno": shortage})


def step_record(
    exchange: Exchange, step: Step, verdict: Verdict, wall_offset: float, tls: TlsFacts | None
) -> StepRecord:
    """Return what is kept of a step.

    Args:
        exchange: what happened.
        step: what was wanted.
        verdict: what was found.
        wall_offset: our wall clock minus the event loop's clock, in seconds, when the probe began.
        tls: the connection's, or what was fetched of a refused certificate.
    """
    answer = exchange.answer
    headers: Mapping[str, str] = {} if answer is None else answer.headers
    skew = _clock_skew(exchange, verdict, wall_offset)
    return StepRecord(
        step=step.name,
        reason=verdict.reason,
        phase=exchange.phase,
        phases=exchange.phases,
        http_status_code=None if answer is None else answer.status_code,
        flow_status=sanitize_status(verdict.flow_status, step.expectation.statuses),
        error_codes=verdict.error_codes,
        correlation_id=sanitize_id(headers.get("correlation-id"), step.secrets),
        address=exchange.address,
        checks=verdict.checks,
        lifetime=verdict.lifetime,
        clock_skew=None if skew is None else skew.seconds,
        clock_skew_error=None if skew is None else skew.error,
        tls=tls,
        addresses_tried=exchange.addresses_tried if len(exchange.addresses_tried) > 1 else (),
    )


def _clock_skew(exchange: Exchange, verdict: Verdict, wall_offset: float) -> ClockSkew | None:
    """Return the provider's clock against ours, if the answer is a healthy flow with a time."""
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
    return None if any(secret in correlation_id for secret in own_secrets) else correlation_id


def sanitize_status(status: str | None, expected: Collection[str]) -> str | None:
    """Return a flow status that is known, expected or at least looks like one; else `UNKNOWN`.

    The list of statuses is open, and an operator who adds one to `EXPECTED_STATUSES` needs its name.
    """
    if status is None or status in KNOWN_STATUSES or status in expected:
        return status
    return status if _STATUS.fullmatch(status) else UNKNOWN
