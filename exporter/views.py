"""What the pages show, joined of what the schedule plans and what history remembers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from exporter import __version__
from exporter.observing import History, Yielder
from exporter.scheduling import Schedule, ScheduledProbe
from exporter.serving import Egress, Past, Views, Watched
from exporter.status import TargetStatus
from exporter.target import Journey, Target


def views(
    schedule: Schedule,
    history: History,
    external_url: Callable[[], str | None],
    *,
    egress: Callable[[], Egress | None],
) -> Views:
    """Return views of what is watched at the moment of each look."""

    def watched() -> Iterator[Watched]:
        return (_watched(plan, history) for plan in schedule.scheduled())

    def past(name: str) -> tuple[Past, ...]:
        return tuple(_past(plan, history) for plan in schedule.scheduled(name))

    return Views(
        version=__version__,
        watched=watched,
        past=past,
        now=time.time,
        slices=lambda: Yielder().yield_if_due,
        external_url=external_url,
        egress=egress,
    )


def _watched(plan: ScheduledProbe, history: History) -> Watched:
    return _shown(history.status(*_facts(plan), next_run=plan.next_run, backoff_until=plan.backoff_until))


def _past(plan: ScheduledProbe, history: History) -> Past:
    status = history.status(*_facts(plan), next_run=plan.next_run, backoff_until=plan.backoff_until)
    known = history.history(status)
    return Past(watched=_shown(status), recent=known.recent, failures=known.failures)


def _facts(plan: ScheduledProbe) -> tuple[Target, Journey]:
    return plan.target, plan.journey


def _shown(status: TargetStatus) -> Watched:
    return Watched(
        target=status.target,
        journey=status.journey,
        failing=status.failing,
        since=status.since,
        in_a_row=status.consecutive,
        last=status.last,
        decisive=status.decisive,
        expiry=status.certificate_expiry,
        points=status.points,
        next_run=status.next_run,
        held_until=status.backoff_until,
    )
