"""What the pages show, joined of what the schedule plans and what history remembers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from exporter import __version__
from exporter.observing import History, Yielder
from exporter.scheduling import Schedule, ScheduledProbe
from exporter.serving import StatusSource
from exporter.status import EgressStatus, TargetHistory, TargetStatus


def status_source(
    schedule: Schedule,
    history: History,
    external_url: Callable[[], str | None],
    *,
    egress: Callable[[], EgressStatus | None],
) -> StatusSource:
    """Return the status of every target at the moment of each request."""

    def status(probe: ScheduledProbe) -> TargetStatus:
        return history.status(
            probe.target, probe.journey, next_run=probe.next_run, backoff_until=probe.backoff_until
        )

    def statuses() -> Iterator[TargetStatus]:
        return (status(probe) for probe in schedule.scheduled())

    def histories(name: str) -> tuple[TargetHistory, ...]:
        return tuple(history.history(status(probe)) for probe in schedule.scheduled(name))

    return StatusSource(
        version=__version__,
        statuses=statuses,
        history=histories,
        now=time.time,
        start_work=lambda: Yielder().yield_if_due,
        external_url=external_url,
        egress=egress,
    )
