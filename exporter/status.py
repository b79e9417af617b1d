"""What is known of each target and of the exporter's own connectivity, for pages and API.

All times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from exporter.outcome import Outcome
from exporter.target import Journey, JourneyTiming, Side, Target

MAX_BACKOFF_SECONDS = 300.0
"""A provider that asks for an hour would leave its users without a watch for that long."""

Point: TypeAlias = tuple[float | None, str]
"""A probe in a sparkline: its duration in seconds, None if the exporter stalled meanwhile, and its fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """The current status of one target and journey.

    Args:
        target: what is probed.
        journey: the journey that is probed.
        failing: whether it is failing; None before the first conclusive outcome.
        since: end of the first probe of the current run of successes or failures.
        consecutive: conclusive probes in that run.
        last: the last outcome; None before the first.
        decisive: the last conclusive outcome, which explains `failing`.
        certificate_expiry: expiry of the last certificate seen; None if none was.
        points: the last 60 probes, oldest first.
        next_run: when the next probe is due; None if none is scheduled.
        backoff_until: end of the pause after a rate limit; None if not paused.
    """

    target: Target
    journey: Journey
    failing: bool | None = None
    since: float | None = None
    consecutive: int = 0
    last: Outcome | None = None
    decisive: Outcome | None = None
    certificate_expiry: float | None = None
    points: tuple[Point, ...] = ()
    next_run: float | None = None
    backoff_until: float | None = None

    @property
    def timing(self) -> JourneyTiming:
        """When the journey runs and how long it may take."""
        return self.target.timing(self.journey)

    @property
    def host(self) -> str:
        """Where the source answers, or the destination if the settings do not name the source."""
        return self.target.auth_host or self.target.destination_auth_host

    @property
    def relevant_host(self) -> str:
        """Host of the side that answers the failing step; if the target is not failing, `host`."""
        if self.failing and self.decisive is not None and self.decisive.side is Side.DESTINATION:
            return self.target.destination_auth_host or self.host
        return self.host

    @property
    def slow(self) -> bool:
        """Whether the last probe succeeded, but took longer than the latency objective."""
        last = self.last
        if last is None or not last.success or last.stalled:
            return False
        return last.duration > self.timing.latency_objective


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHistory:
    """The recent probes of one target and journey.

    Args:
        status: its current status.
        recent: the last outcomes, newest first.
        failures: the last failed outcomes, newest first; kept longer than `recent`.
    """

    status: TargetStatus
    recent: tuple[Outcome, ...]
    failures: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressStatus:
    """The result of the exporter's own egress check.

    Args:
        up: whether the last check got a response.
        since: when that last changed.
    """

    up: bool
    since: float
