"""The page of one target: its status, its last probe, its incidents and earlier probes with their steps."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exporter.outcome import Outcome
from exporter.reasons import Fault
from exporter.serving.headline import has_no_network
from exporter.serving.health import Health, advice, announce, health
from exporter.serving.html import TITLE, render
from exporter.serving.overview import StatusSource
from exporter.serving.texts import clock, describe_outcome, describe_points
from exporter.status import EgressStatus, TargetHistory, TargetStatus
from exporter.target import Journey, side_of

BAR_WIDTH = 100
_MIN_BAR_WIDTH = 0.5
_LEGEND = tuple(dict.fromkeys((Fault.NONE, Fault.PROVIDER, *Fault)))
_SEPARATE_AFTER_INTERVALS = 2.5
"""Failures further apart belong to two incidents: the successes between them are no longer kept."""


async def target_page(histories: Sequence[TargetHistory], source: StatusSource) -> bytes:
    """Return the page of a target; `histories` are its journeys, at least one."""
    now, target = source.now(), histories[0].status.target
    yield_if_due, journeys = source.start_work(), []
    for history in histories:
        journeys.append(_journey(history, now, source))
        await yield_if_due()
    worst = min((health(history.status, now) for history in histories), key=list(Health).index)
    return await render(
        "target.html",
        yield_if_due,
        external_url=source.external_url(),
        path=f"targets/{target.name}",
        title=f"{worst.badge}: {target.name} · {TITLE}",
        page="target",
        badge=worst.badge,
        api=f"/{target.name}",
        now=now,
        target=target,
        journeys=journeys,
        links={name: link.replace("{target}", target.name) for name, link in source.links().items() if link},
        width=BAR_WIDTH,
        spread=spread,
        step_times=step_times,
        unfinished=unfinished,
        side_of=side_of,
        zip=zip,
        legend=_LEGEND,
    )


def spread(times: Iterable[float], total: float = 0.0) -> Iterator[tuple[float, float]]:
    """Yield start and width of a bar for each time, one after the other, in proportion to the total.

    The total takes the whole width; 0 stands for the sum of the times.
    """
    times = list(times)
    start, total = 0.0, total or sum(times) or 1.0
    for seconds in times:
        # Every bar is wide enough to be seen, and none starts at the very edge.
        left = min(start / total * BAR_WIDTH, BAR_WIDTH - _MIN_BAR_WIDTH)
        yield round(left, 2), round(max(seconds / total * BAR_WIDTH, _MIN_BAR_WIDTH), 2)
        start += seconds


def _journey(history: TargetHistory, now: float, source: StatusSource) -> dict[str, object]:
    """Return what the template shows of a journey."""
    status = history.status
    suspended = source.suspended(status.target) if status.journey is Journey.FEDERATION else None
    shown = [one for one in history.recent[::-1] if not one.incomplete]
    points = [(None if one.stalled else one.duration, one.fault) for one in shown]
    return {
        "status": status,
        "health": health(status, now),
        "cause": _likely_cause(status, now, source.egress()),
        "announcement": announce(status, now),
        "probes": shown,
        "points": describe_points(points, status.timing.interval),
        "advice": tuple(advice(status, now, suspended)),
        "incidents": [_incident(run, end, status) for run, end in _runs(history)],
        "last": history.recent[0] if history.recent else None,
        "earlier": history.recent[1:],
    }


def _likely_cause(status: TargetStatus, now: float, egress: EgressStatus | None) -> str:
    if not (status.failing and status.decisive):
        return ""
    if egress is not None and has_no_network([status], egress):
        since = clock(egress.since, now)
        return f"the exporter's own network (its egress check has been failing since {since})"
    return status.decisive.fault.label


def step_times(outcome: Outcome) -> list[float]:
    """Return the seconds of each step; that of the failure has the time outside completed phases."""
    left = unfinished(outcome)
    return [
        sum(record.phases.values()) + (0.0 if record.phase in record.phases else left)
        for record in outcome.steps
    ]


def unfinished(outcome: Outcome) -> float:
    """Return the seconds of a probe outside completed phases: those of the phase in which it failed."""
    completed = sum(seconds for record in outcome.steps for seconds in record.phases.values())
    return max(outcome.duration - completed, 0.0)


class Cause(NamedTuple):
    """One way in which probes of an incident failed, and how many did."""

    fault: Fault
    text: str
    probes: int


class Incident(NamedTuple):
    """A run of failed probes; times are seconds since the epoch."""

    start: float
    """End of its first failed probe; of those that say something about the target, if there are any."""
    end: float | None
    """End of the next success, or of its last failed probe if that is forgotten; None if it goes on."""
    probes: int
    """Failed probes, at least; without those that say nothing about the target, if there are others."""
    causes: tuple[Cause, ...]
    """Of these probes, the most frequent first."""
    outcomes: tuple[Outcome, ...]
    """Newest first."""


def _runs(history: TargetHistory) -> Iterator[tuple[list[Outcome], float | None]]:
    """Yield failed probes that belong together, newest first, and the end of their incident."""
    max_pause = _SEPARATE_AFTER_INTERVALS * history.status.timing.interval
    known = {outcome.transaction_id: outcome for outcome in (*history.recent, *history.failures)}
    run: list[Outcome] = []
    end: float | None = None
    later: Outcome | None = None
    # Not by time, since the clock may have been set. No probe is forgotten between two recent ones.
    for number, outcome in enumerate(known.values()):
        if outcome.incomplete:
            continue  # it neither belongs to an incident nor ends one
        apart = later and number >= len(history.recent) and later.started_at - outcome.ended_at > max_pause
        if run and (outcome.success or apart):
            yield run, end
            run = []
        if outcome.success or apart:
            end = outcome.ended_at
        if not outcome.success:
            run.append(outcome)
        later = outcome
    if run:
        yield run, end


def _incident(run: Sequence[Outcome], end: float | None, status: TargetStatus) -> Incident:
    conclusive = [outcome for outcome in run if outcome.conclusive]
    found = Counter((outcome.fault, describe_outcome(outcome)) for outcome in conclusive or run)
    start, probes = (conclusive or run)[-1].ended_at, len(conclusive or run)
    if end is None and conclusive and status.failing:
        # The history may have forgotten the first probes of a long incident.
        start, probes = min(start, status.since or start), max(probes, status.consecutive)
    causes = tuple(Cause(fault, text, number) for (fault, text), number in found.most_common())
    return Incident(start, end, probes, causes, tuple(run))
