"""Which targets back off because their provider limits the rate of requests.

A rate limit counts for one environment on one host, so that all its targets back off together: for as long
as the provider asks, else for two intervals of the target that was limited. Their due runs are skipped
meanwhile, and afterwards they go on in their phase.

    probe: 429, Retry-After: 45 ──> runs due within 45 s are skipped (backoff) ──> next regular run
"""

from __future__ import annotations

from collections.abc import Callable

from exporter.target import Target

MAX_BACKOFF_SECONDS = 300.0
"""A provider that asks for an hour would leave its users without a watch for that long."""

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

    def start(self, target: Target, retry_after: float | None) -> float:
        """Back off since `target` was rate-limited, and return until when.

        A backoff that ends later is not shortened: both probes may have been on their way at the same time.

        Args:
            target: the target that was limited.
            retry_after: the seconds that the provider asked for; None if it did not.
        """
        wanted = DEFAULT_BACKOFF_INTERVALS * target.interval if retry_after is None else retry_after
        until = self._clock() + min(wanted, MAX_BACKOFF_SECONDS)
        until = max(until, self._until.get(target.rate_scope, until))
        self._until[target.rate_scope] = until
        return until

    def includes(self, target: Target) -> bool:
        """Return whether `target` is backing off."""
        return self.until(target) is not None

    def until(self, target: Target) -> float | None:
        """Return when the backoff of `target` ends; None if it is not backing off."""
        until = self._until.get(target.rate_scope)
        return until if until is not None and self._clock() < until else None

    def drop_expired(self) -> None:
        """Drop what is over: many reloads may leave many former targets."""
        now = self._clock()
        self._until = {scope: until for scope, until in self._until.items() if now < until}
