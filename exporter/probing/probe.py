"""A probe: walks a target's journey, one exchange at a time, and says what it found."""

from __future__ import annotations

import logging
import secrets
import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from exporter import __version__
from exporter.outcome import Outcome, Phase, StepRecord, TlsFacts
from exporter.probing.answer import Verdict
from exporter.probing.certificate import SecondLook
from exporter.probing.exchange import Exchange, Exchanger, Resolve
from exporter.probing.failure import is_refused_certificate
from exporter.probing.findings import find, record
from exporter.probing.journeys import JOURNEYS
from exporter.probing.resolver import Resolver
from exporter.probing.retry_after import retry_after_seconds
from exporter.probing.route import Route
from exporter.probing.stall import StallsSince, explains_timeout
from exporter.probing.step import Step, Walk
from exporter.reasons import Fault, Reason
from exporter.target import Journey, Target

_log = logging.getLogger(__name__)

_HTTPS_PORT = 443


def fresh_token() -> str:
    """Return 256 unguessable bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


class Prober:
    """Probes targets.

    Args:
        tls: the TLS context for a target.
        resolve: name and family to addresses; raises ResolutionError.
        clock: monotonic seconds, the event loop's clock.
        wall: seconds since the epoch; for timestamps only.
        token: makes nonces, states and verifiers.
        stalls: begin and end of each time that our own event loop stood still since a time of that clock.
    """

    def __init__(
        self,
        tls: Callable[[Target], ssl.SSLContext],
        *,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        token: Callable[[], str] = fresh_token,
        stalls: StallsSince = lambda _since: (),
    ) -> None:
        self._tls = tls
        self._clock = clock
        self._wall = wall
        self._token = token
        self._stalls = stalls
        self._exchange = Exchanger(resolve or Resolver(), clock)
        self._second_look = SecondLook(clock)

    async def __call__(self, target: Target, journey: Journey) -> Outcome:
        """Walk `journey` once. Whatever happens becomes an outcome; only cancellation is raised."""
        started_at, started = self._wall(), self._clock()
        notes = _Notes(
            transaction_id=str(uuid.uuid4()),
            deadline=started + target.timeout,
            wall_offset=started_at - started,
            ended=started,
        )
        try:
            await self._walk(target, journey, notes)
        except Exception:  # noqa: BLE001  a bug of ours must not end the daemon
            _log.exception("probe failed by our own fault", extra={"target": target.name})
            notes.verdict, notes.ended = _OUR_BUG, self._clock()
        last = notes.records[-1] if notes.records else None
        return Outcome(
            target=target.name,
            journey=journey,
            reason=notes.verdict.reason,
            fault=notes.verdict.fault,
            step=last.step if last else journey.steps[0],
            phase=last.phase if last else Phase.RESOLVE,
            started_at=started_at,
            ended_at=self._wall(),
            duration=max(0.0, notes.ended - started),
            transaction_id=notes.transaction_id,
            steps=tuple(notes.records),
            retry_after=notes.retry_after,
            stalled=bool(self._stalls(started)),
        )

    def forget(self, target: str, _journey: Journey, /) -> None:
        """Forget a target that is no longer probed."""
        self._second_look.forget(target)

    async def _walk(self, target: Target, journey: Journey, notes: _Notes) -> None:
        headers = request_headers(notes.transaction_id)
        route = Route(self._tls(target), target.ip_family, target.proxy_url)
        proxied = route.proxy_url is not None
        with closing(JOURNEYS[journey](target, self._token)) as walk:
            step: Step | None = next(walk)
            while step is not None:
                exchange = await self._exchange(step.request, headers, route=route, deadline=notes.deadline)
                notes.ended = exchange.ended
                verdict = find(exchange, step, proxied=proxied)
                if verdict.reason is Reason.TIMEOUT and self._was_ours(target, notes):
                    verdict = _OUR_BUG  # we were not there to see the answer
                notes.verdict = verdict
                tls = exchange.tls or await self._look_again(target, step, exchange, notes)
                notes.records.append(record(exchange, step, verdict, wall_offset=notes.wall_offset, tls=tls))
                if verdict.reason is Reason.RATE_LIMITED:
                    notes.retry_after = self._retry_after(exchange)
                step = _next(walk, verdict)

    def _was_ours(self, target: Target, notes: _Notes) -> bool:
        stalls = self._stalls(notes.deadline - target.timeout)
        return explains_timeout(stalls, deadline=notes.deadline, timeout=target.timeout)

    async def _look_again(
        self, target: Target, step: Step, exchange: Exchange, notes: _Notes
    ) -> TlsFacts | None:
        """Look at a refused certificate; through a proxy it is not seen."""
        if target.proxy_url is not None or exchange.address is None:
            return None
        if not is_refused_certificate(exchange.error):
            return None
        where = urlsplit(step.request.url)
        return await self._second_look(
            target.name,
            address=exchange.address,
            port=where.port or _HTTPS_PORT,
            server_name=where.hostname or exchange.address,
            deadline=notes.deadline,
        )

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
    deadline: float
    wall_offset: float
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
