"""The page of one target: its status, its last probes and last failures with their steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from exporter.outcome import Outcome, Phase, StepRecord
from exporter.reasons import Fault, Reason
from exporter.serving.headline import has_no_network
from exporter.serving.html import render, sparkline
from exporter.serving.overview import StatusSource, root_path
from exporter.serving.texts import (
    CONFIRMED_FAILURES,
    FAULT_LABELS,
    Health,
    announce,
    clock,
    describe_outcome,
    describe_points,
    describe_response,
    health,
    relative,
)
from exporter.status import EgressStatus, TargetHistory, TargetStatus
from exporter.target import Journey, Side, side_of

if TYPE_CHECKING:
    from markupsafe import Markup

BAR_WIDTH = 100
_MIN_BAR_WIDTH = 0.5
_EXPIRES_SOON_SECONDS = 14 * 86_400.0
_EXPIRES_NOW_SECONDS = 3 * 86_400.0
_SECRET_EXPIRES_SOON_SECONDS = 30 * 86_400.0
_SECRET_EXPIRES_NOW_SECONDS = 7 * 86_400.0


class Bar(NamedTuple):
    """A phase of a step: start and width of its bar, seconds, whether it completed."""

    phase: Phase
    start: float
    width: float
    seconds: float
    completed: bool


class StepRow(NamedTuple):
    """A step as shown: its seconds, and where in the probe it starts and how wide it is."""

    record: StepRecord
    bars: tuple[Bar, ...]
    side: Side
    seconds: float
    start: float
    width: float


class Probe(NamedTuple):
    """A probe as shown."""

    anchor: str
    outcome: Outcome
    text: str
    steps: tuple[StepRow, ...]


class Advice(NamedTuple):
    """A runbook that helps, and why."""

    alert: str
    why: str


class JourneyView(NamedTuple):
    """One journey of the target as shown, besides its status."""

    status: TargetStatus
    cause: str
    announcement: str
    sparkline: Markup
    points: str
    advice: tuple[Advice, ...]
    recent: Iterator[Probe]
    recent_count: int
    failures: Iterator[Probe]
    failures_count: int


async def target_page(histories: Sequence[TargetHistory], source: StatusSource) -> bytes:
    """Return the page of a target.

    Args:
        histories: its journeys, at least one.
        source: everything else that the page shows.
    """
    now, target, url = source.now(), histories[0].status.target, source.external_url()
    return await render(
        "target.html",
        source.start_work(),
        title=f"{target.name} · pingone-flow-exporter",
        canonical=None if url is None else f"{url}/targets/{target.name}",
        root=root_path(url) or "../",
        is_overview=False,
        api=f"/{target.name}",
        version=source.version,
        now=now,
        target=target,
        journeys=[_journey(history, now, source) for history in histories],
        width=BAR_WIDTH,
    )


def bars(record: StepRecord, remaining: float) -> tuple[Bar, ...]:
    """Return the phases of a step as bars, one after the other, in proportion to their times.

    Args:
        record: the step.
        remaining: seconds of the probe outside completed phases: those of the phase in which it failed.
    """
    times = [(phase, record.phases[phase], True) for phase in Phase if phase in record.phases]
    if record.phase not in record.phases:
        times.append((record.phase, max(remaining, 0.0), False))
    total = sum(seconds for _, seconds, _ in times) or 1.0
    found, start = [], 0.0
    for phase, seconds, completed in times:
        # Every bar is wide enough to be seen, and none starts at the very edge.
        width = max(seconds / total * BAR_WIDTH, _MIN_BAR_WIDTH)
        left = min(start, BAR_WIDTH - _MIN_BAR_WIDTH)
        found.append(Bar(phase, round(left, 2), round(width, 2), seconds, completed))
        start += seconds / total * BAR_WIDTH
    return tuple(found)


def advice(status: TargetStatus, now: float, suspended: Reason | None = None) -> tuple[Advice, ...]:
    """Return the runbooks that belong to a target's status.

    Args:
        status: of a target and journey.
        now: seconds since the epoch.
        suspended: why sign-on is suspended, if it is.
    """
    found = []
    if suspended is not None:
        why = f"sign-on is suspended ({suspended}) so that the test account is not locked out"
        found.append(
            Advice("PingOneSignOnSuspended", f"{why}: fix the account, then change PASSWORD or reload")
        )
    elif status.last is not None and status.last.fault is Fault.ACCOUNT:
        found.append(
            Advice("PingOneTestAccountFailing", "the test account or test application does not work")
        )
    secret = status.target.secret_expires
    if secret is not None and secret - now < _SECRET_EXPIRES_SOON_SECONDS:
        soon = secret - now >= _SECRET_EXPIRES_NOW_SECONDS
        name = "PingOneClientSecretExpiresSoon" if soon else "PingOneClientSecretExpiresNow"
        verb = "expired" if secret <= now else "expires"
        found.append(Advice(name, f"the client secret {verb} {relative(secret, now)}"))
    if status.failing and status.consecutive >= CONFIRMED_FAILURES:
        found.append(Advice("PingOneFederationDown", f"{status.consecutive} consecutive failures"))
    if health(status, now) is Health.PAUSED or status.backoff_until is not None:
        found.append(Advice("PingOneRateLimited", "the provider rate-limits the probes"))
    if status.slow:
        found.append(Advice("PingOneSignOnSlow", "the last probe took longer than the latency objective"))
    expiry = status.certificate_expiry
    if expiry is not None and expiry - now < _EXPIRES_SOON_SECONDS:
        soon = expiry - now >= _EXPIRES_NOW_SECONDS
        name = "PingOneCertificateExpiresSoon" if soon else "PingOneCertificateExpiresNow"
        verb = "expired" if expiry <= now else "expires"
        found.append(Advice(name, f"the certificate {verb} {relative(expiry, now)}"))
    records = status.last.steps if status.last else ()
    failed = [check for record in records for check, passed in record.checks.items() if not passed]
    if failed:
        found.append(Advice("PingOneContractCheckFailing", f"failed contract checks: {', '.join(failed)}"))
    return tuple(found)


def _journey(history: TargetHistory, now: float, source: StatusSource) -> JourneyView:
    status, egress = history.status, source.egress()
    suspended = source.suspended(status.target) if status.journey is Journey.FEDERATION else None
    interval = status.timing.interval
    return JourneyView(
        status=status,
        cause=_likely_cause(status, now, egress),
        announcement=announce(status, now),
        sparkline=sparkline(status.points, interval),
        points=describe_points(status.points, interval),
        advice=advice(status, now, suspended),
        recent=(_probe("p", outcome, status) for outcome in history.recent),
        recent_count=len(history.recent),
        failures=(_probe("f", outcome, status) for outcome in history.failures),
        failures_count=len(history.failures),
    )


def _likely_cause(status: TargetStatus, now: float, egress: EgressStatus | None) -> str:
    if not (status.failing and status.decisive):
        return ""
    if egress is not None and has_no_network([status], egress):
        since = clock(egress.since, now)
        return f"the exporter's own network (its egress check has been failing since {since})"
    return FAULT_LABELS[status.decisive.fault]


def _probe(prefix: str, outcome: Outcome, status: TargetStatus) -> Probe:
    completed = sum(seconds for record in outcome.steps for seconds in record.phases.values())
    return Probe(
        anchor=f"{prefix}-{outcome.transaction_id}",
        outcome=outcome,
        text=describe_response(outcome)
        if outcome.success
        else describe_outcome(outcome, status.target.expected_statuses),
        steps=tuple(_steps(outcome, max(outcome.duration - completed, 0.0))),
    )


def _steps(outcome: Outcome, remaining: float) -> Iterator[StepRow]:
    """Yield the steps of a probe, one after the other, in proportion to their times."""
    start, total = 0.0, outcome.duration or 1.0
    for record in outcome.steps:
        seconds = sum(record.phases.values())
        if record.phase not in record.phases:
            seconds += remaining
        left = min(start / total * BAR_WIDTH, BAR_WIDTH - _MIN_BAR_WIDTH)
        width = max(seconds / total * BAR_WIDTH, _MIN_BAR_WIDTH)
        side = side_of(record.step)
        yield StepRow(record, bars(record, remaining), side, seconds, round(left, 2), round(width, 2))
        start += seconds
