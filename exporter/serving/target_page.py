"""The page of one target: how it stands, its last probes and last failures with their steps. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from exporter.outcome import Outcome, Phase, StepRecord
from exporter.serving.document import render
from exporter.serving.headline import reaches_nobody
from exporter.serving.overview import next_run, took
from exporter.serving.sparkline import said, sparkline
from exporter.serving.standing import CONFIRMED, Standing, Verdict, standing, told, verdict
from exporter.serving.times import clock, relative
from exporter.serving.watched import Egress, Past, Views, Watched
from exporter.serving.words import CULPRITS, finding, status

if TYPE_CHECKING:
    from markupsafe import Markup


WIDTH = 100
"""Of a step's bars, whatever they are drawn in."""
_THINNEST = 0.5
_SOON = 14 * 86_400.0
_NOW = 3 * 86_400.0


class Bar(NamedTuple):
    """A phase of a step: where its bar begins, how wide it is, its seconds, and whether it completed."""

    phase: Phase
    begin: float
    width: float
    seconds: float
    completed: bool


class Step(NamedTuple):
    """A step as it is shown."""

    record: StepRecord
    bars: tuple[Bar, ...]


class Probe(NamedTuple):
    """A probe as it is shown."""

    anchor: str
    outcome: Outcome
    finding: str
    status: str
    steps: tuple[Step, ...]


class Advice(NamedTuple):
    """A runbook that helps, and why."""

    alert: str
    why: str


class Walk(NamedTuple):
    """A journey of the target, as it is shown."""

    watched: Watched
    standing: Standing
    fault: str
    verdict: Verdict
    told: str
    last: str
    took: str
    next: str
    sparkline: Markup
    said: str
    advice: tuple[Advice, ...]
    recent: Iterator[Probe]
    recent_count: int
    failures: Iterator[Probe]
    failures_count: int


async def target_page(pasts: Sequence[Past], views: Views) -> bytes:
    """Return the page of a target.

    Args:
        pasts: its journeys, at least one.
        views: where else what it shows is taken from.
    """
    now, target = views.now(), pasts[0].watched.target
    url = views.external_url()
    return await render(
        "target.html",
        views.slices(),
        title=f"{target.name} · pingone-flow-exporter",
        canonical=None if url is None else f"{url}/targets/{target.name}",
        root="../",
        api=f"/{target.name}",
        version=views.version,
        now=now,
        target=target,
        walks=[_walk(past, now, views.egress()) for past in pasts],
        width=WIDTH,
    )


def bars(record: StepRecord, left: float) -> tuple[Bar, ...]:
    """Return a step's phases, each behind the one before, in the proportions of their times.

    Args:
        record: the step's.
        left: seconds of the probe that belong to no completed phase: those of the phase it ended in.
    """
    times = [(phase, record.phases[phase], True) for phase in Phase if phase in record.phases]
    if record.phase not in record.phases:
        times.append((record.phase, max(left, 0.0), False))
    total = sum(seconds for _, seconds, _ in times) or 1.0
    found, begin = [], 0.0
    for phase, seconds, completed in times:
        # However short, it is to be seen; then the last one must not begin at the very edge.
        width = max(seconds / total * WIDTH, _THINNEST)
        found.append(Bar(phase, round(min(begin, WIDTH - _THINNEST), 2), round(width, 2), seconds, completed))
        begin += seconds / total * WIDTH
    return tuple(found)


def advice(watched: Watched, now: float) -> tuple[Advice, ...]:
    """Return the runbooks that belong to how a target stands."""
    found = []
    if watched.failing and watched.in_a_row >= CONFIRMED:
        found.append(Advice("PingOneFederationDown", f"{watched.in_a_row} probes in a row failed"))
    if standing(watched, now) is Standing.HELD or watched.held_until is not None:
        found.append(Advice("PingOneRateLimited", "the provider limits our rate"))
    if watched.slow:
        found.append(Advice("PingOneSignOnSlow", "the last probe took longer than its objective"))
    expiry = watched.expiry
    if expiry is not None and expiry - now < _SOON:
        name = "PingOneCertificateExpiresNow" if expiry - now < _NOW else "PingOneCertificateExpiresSoon"
        verb = "expired" if expiry <= now else "expires"
        found.append(Advice(name, f"the certificate {verb} {relative(expiry, now)}"))
    records = watched.last.steps if watched.last else ()
    failed = [check for record in records for check, passed in record.checks.items() if not passed]
    if failed:
        found.append(Advice("PingOneContractCheckFailing", f"not as documented: {', '.join(failed)}"))
    return tuple(found)


def _walk(past: Past, now: float, egress: Egress | None) -> Walk:
    watched = past.watched
    last = watched.last
    return Walk(
        watched=watched,
        standing=standing(watched, now),
        fault=_looks_like(watched, now, egress),
        verdict=verdict(watched, now),
        told=told(watched, now),
        last=f"{status(last)}, {relative(last.ended_at, now)}" if last else "none yet",
        took=took(watched),
        next=next_run(watched, now),
        sparkline=sparkline(watched.points),
        said=said(watched.points),
        advice=advice(watched, now),
        recent=(_probe("p", outcome) for outcome in past.recent),
        recent_count=len(past.recent),
        failures=(_probe("f", outcome) for outcome in past.failures),
        failures_count=len(past.failures),
    )


def _looks_like(watched: Watched, now: float, egress: Egress | None) -> str:
    if not (watched.failing and watched.decisive):
        return ""
    if egress is not None and reaches_nobody([watched], egress):
        return f"our own network: the egress check gets no answer either since {clock(egress.since, now)}"
    return CULPRITS[watched.decisive.fault]


def _probe(prefix: str, outcome: Outcome) -> Probe:
    left = outcome.duration - sum(seconds for record in outcome.steps for seconds in record.phases.values())
    return Probe(
        anchor=f"{prefix}-{outcome.transaction_id}",
        outcome=outcome,
        finding=finding(outcome),
        status=status(outcome),
        steps=tuple(Step(record, bars(record, left)) for record in outcome.steps),
    )
