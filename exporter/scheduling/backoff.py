"""Which probes back off because a provider limits the rate of requests.

A rate limit counts for one environment on one host, so that all probes that send requests there back off
together: for as long as the provider asks, else for two intervals of the probe that was limited. A probe of
`federation` sends requests to two environments, and backs off if either limits it. Due runs are skipped
meanwhile, and afterwards they go on in their phase.

    probe: 429, Retry-After: 45 ──> runs due within 45 s are skipped (backoff) ──> next regular run
"""

from __future__ import annotations

from collections.abc import Callable

from exporter.status import MAX_BACKOFF_SECONDS
from exporter.target import Journey, Side, Target

DEFAULT_BACKOFF_INTERVALS = 2
"""When the provider does not say how long."""


class Backoff:
    """The current backoffs, at most one for each environment on a host.

    Args:
        clock: steady seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}

    def start(self, target: Target, journey: Journey, side: Side, retry_after: float | None) -> None:
        """Back off since a probe was rate-limited.

        A backoff that ends later is not shortened: both probes may have been on their way at the same time.

        Args:
            target: the target that was limited.
            journey: the journey that was limited.
            side: which of the target's environments limited it.
            retry_after: the seconds that the provider asked for; None if it did not.
        """
        interval, scope = target.timing(journey).interval, target.rate_scope(side)
        wanted = DEFAULT_BACKOFF_INTERVALS * interval if retry_after is None else retry_after
        until = self._clock() + min(wanted, MAX_BACKOFF_SECONDS)
        self._until[scope] = max(until, self._until.get(scope, until))

    def includes(self, target: Target, journey: Journey) -> bool:
        """Return whether a target's probes of a journey back off."""
        return self.until(target, journey) is not None

    def until(self, target: Target, journey: Journey) -> float | None:
        """Return when the backoff ends; None if there is none."""
        if not self._until:
            return None
        ends = (self._until.get(target.rate_scope(side), 0.0) for side in journey.sides)
        until = max(ends)
        return until if self._clock() < until else None

    def drop_expired(self) -> None:
        """Drop what is over: many reloads may leave many former targets."""
        now = self._clock()
        self._until = {scope: until for scope, until in self._until.items() if now < until}
