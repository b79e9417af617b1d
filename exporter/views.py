"""What the pages show, joined of what the schedule plans and what history remembers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from exporter import __version__
from exporter.observing import History, Yielder
from exporter.scheduling import Schedule, ScheduledProbe
from exporter.serving import Egress, Past, Views, Watched

SHOWN = 50
"""Outcomes of a target's page, and failures."""


def views(
    schedule: Schedule,
    history: History,
    external_url: Callable[[], str | None],
    *,
    egress: Callable[[], Egress | None],
) -> Views:
    """Return views of what is watched at the moment of each look."""

    def watched() -> Iterator[Watched]:
        return (_watched(plan, history) for plan in schedule.plans())

    def past(name: str) -> tuple[Past, ...]:
        return tuple(_past(plan, history) for plan in schedule.plans(name))

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
    known = history.of(plan.target.name, plan.journey)
    planned = Watched(
        target=plan.target, journey=plan.journey, next_run=plan.next_run, held_until=plan.held_until
    )
    if known is None:  # not probed yet
        return planned
    return replace(
        planned,
        failing=known.state.failing,
        since=known.state.since,
        in_a_row=known.state.in_a_row,
        last=known.last,
        decisive=known.decisive,
        expiry=known.expiry,
        points=known.points,
    )


def _past(plan: ScheduledProbe, history: History) -> Past:
    known = history.of(plan.target.name, plan.journey)
    return Past(
        watched=_watched(plan, history),
        recent=known.recent[: -SHOWN - 1 : -1] if known else (),
        failures=known.failures[: -SHOWN - 1 : -1] if known else (),
    )
