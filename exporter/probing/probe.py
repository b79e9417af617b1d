"""A probe: walks a target's journey, one exchange at a time, and says what it found."""

from __future__ import annotations

import logging
import secrets
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.outcome import Fault, Outcome, Phase, Reason, StepRecord
from exporter.probing import timeline
from exporter.probing.answer import Verdict
from exporter.probing.exchange import Exchanger
from exporter.probing.failure import read_failure
from exporter.probing.journeys import JOURNEYS
from exporter.probing.judge import judge
from exporter.probing.redaction import presentable_id, presentable_status
from exporter.probing.resolver import Resolver
from exporter.probing.retry_after import retry_after_seconds

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from exporter.probing.exchange import Exchange
    from exporter.probing.step import Step, Walk
    from exporter.target import Journey, Target

_log = logging.getLogger(__name__)


def fresh_token() -> str:
    """Return 256 unguessable bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


class Prober:
    """Probes targets.

    Args:
        tls: the TLS context for a target.
        resolve: name to addresses; raises ResolutionError.
        clock: monotonic seconds, the event loop's clock.
        wall: seconds since the epoch; for timestamps only.
        token: makes nonces, states and verifiers.
    """

    def __init__(
        self,
        tls: Callable[[Target], ssl.SSLContext],
        *,
        resolve: Callable[[str], Awaitable[tuple[str, ...]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        token: Callable[[], str] = fresh_token,
    ) -> None:
        self._tls = tls
        self._clock = clock
        self._wall = wall
        self._token = token
        self._exchange = Exchanger(resolve or Resolver(), clock)

    async def __call__(self, target: Target, journey: Journey) -> Outcome:
        """Walk `journey` once. Whatever happens becomes an outcome; only cancellation is raised."""
        started_at, started = self._wall(), self._clock()
        notes = _Notes(transaction_id=str(uuid.uuid4()), ended=started)
        try:
            await self._walk(target, journey, notes, deadline=started + target.timeout)
        except Exception:  # noqa: BLE001  a bug of ours must not end the daemon
            _log.exception("probe failed by our own fault", extra={"target": target.name})
            notes.verdict, notes.ended = _OUR_BUG, self._clock()
        last = notes.records[-1] if notes.records else None
        return Outcome(
            target=target.name,
            journey=journey,
            reason=notes.verdict.reason,
            fault=notes.verdict.fault,
            step=last.step if last else journey.value,
            phase=last.phase if last else Phase.RESOLVE,
            started_at=started_at,
            ended_at=self._wall(),
            duration=max(0.0, notes.ended - started),
            transaction_id=notes.transaction_id,
            steps=tuple(notes.records),
            retry_after=notes.retry_after,
        )

    async def _walk(self, target: Target, journey: Journey, notes: _Notes, *, deadline: float) -> None:
        headers = request_headers(notes.transaction_id)
        with closing(JOURNEYS[journey](target, self._token)) as walk:
            step: Step | None = next(walk)
            while step is not None:
                tls = self._tls(target)
                exchange = await self._exchange(step.request, headers, tls=tls, deadline=deadline)
                notes.ended = exchange.ended
                notes.verdict = find(exchange, step)
                notes.records.append(record(exchange, step, notes.verdict))
                if notes.verdict.reason is Reason.RATE_LIMITED:
                    notes.retry_after = self._retry_after(exchange)
                step = _next(walk, notes.verdict)

    def _retry_after(self, exchange: Exchange) -> float | None:
        if exchange.answer is None:
            return None
        answer = exchange.answer
        return retry_after_seconds(answer.retry_after, date=answer.date, now=self._wall())


_OUR_BUG = Verdict(Reason.INTERNAL, Fault.EXPORTER)


@dataclass(slots=True)
class _Notes:
    """What is known of a probe while it runs."""

    transaction_id: str
    ended: float
    verdict: Verdict = _OUR_BUG
    retry_after: float | None = None
    records: list[StepRecord] = field(default_factory=list)


def _next(walk: Walk, verdict: Verdict) -> Step | None:
    """Return the next step; None when the last one failed or the journey is at its end."""
    if verdict.reason is not Reason.OK:
        return None
    try:
        return walk.send(verdict)
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


def find(exchange: Exchange, step: Step) -> Verdict:
    """Return the verdict on an exchange: its failure read, or else its answer judged."""
    if exchange.error is None and exchange.answer is not None:
        return judge(exchange.answer, step.expectation)
    error = exchange.error or RuntimeError("an exchange without an answer has an error")
    reason, fault = read_failure(error, timeline.reached(exchange.marks))
    if reason is Reason.INTERNAL:
        _log.error("exchange failed by our own fault", exc_info=error, extra={"step": step.name})
    return Verdict(reason, fault)


def record(exchange: Exchange, step: Step, verdict: Verdict) -> StepRecord:
    """Return what is kept of a step."""
    answer = exchange.answer
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
    )
