"""The recent outcomes of each target and journey, for pages and API.

    recent    … ok ok tls tls tls ok ok      the last 50 outcomes
    failures  … dns … tls tls tls            the last 50 failures, however long ago

Failures are kept apart so that an hour of successes does not erase what happened tonight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from exporter.observing.packing import pack, unpack
from exporter.observing.state import State
from exporter.outcome import Outcome
from exporter.reasons import Reason
from exporter.status import Point, TargetHistory, TargetStatus
from exporter.target import Journey, Target

MAX_POINTS = 60
MAX_OUTCOMES = 50
"""Kept of the recent outcomes, and of the failures."""


class History:
    """Keeps recent outcomes, bounded by the number of targets.

    The caller must `forget` a target that is no longer probed, and must not pass outcomes of it afterwards.
    """

    def __init__(self) -> None:
        self._records: dict[tuple[str, Journey], _Record] = {}

    def observe(self, outcome: Outcome, /) -> None:
        """Keep an outcome."""
        key = outcome.target, outcome.journey
        if key not in self._records:
            self._records[key] = _Record()
        self._records[key].observe(outcome)

    def forget(self, target: str, journey: Journey) -> None:
        """Forget a target that is no longer probed."""
        self._records.pop((target, journey), None)

    def status(
        self,
        target: Target,
        journey: Journey,
        *,
        next_run: float | None = None,
        backoff_until: float | None = None,
    ) -> TargetStatus:
        """Return the status of a target: what is kept of its outcomes, with what the schedule knows.

        Args:
            target: the target.
            journey: one of its journeys.
            next_run: when the next probe is due, seconds since the epoch.
            backoff_until: end of the pause after a rate limit, seconds since the epoch.
        """
        record = self._records.get((target.name, journey), _EMPTY)
        return TargetStatus(
            target=target,
            journey=journey,
            failing=record.state.failing,
            since=record.state.since,
            consecutive=record.state.in_a_row,
            last=record.last,
            decisive=record.decisive,
            certificate_expiry=record.certificate_expiry,
            points=tuple(record.points),
            next_run=next_run,
            backoff_until=backoff_until,
        )

    def history(self, status: TargetStatus) -> TargetHistory:
        """Return the recent outcomes and failures of a target, newest first, with its status."""
        key = status.target.name, status.journey
        record = self._records.get(key, _EMPTY)

        def newest_first(kept: Iterable[bytes]) -> tuple[Outcome, ...]:
            return tuple([unpack(*key, packed) for packed in kept])[::-1]

        return TargetHistory(
            status=status, recent=newest_first(record.recent), failures=newest_first(record.failures)
        )


class _Record:
    """What is kept of one target and journey."""

    __slots__ = ("certificate_expiry", "decisive", "failures", "last", "points", "recent", "state")

    def __init__(self) -> None:
        self.points: deque[Point] = deque(maxlen=MAX_POINTS)
        self.recent: deque[bytes] = deque(maxlen=MAX_OUTCOMES)
        self.failures: deque[bytes] = deque(maxlen=MAX_OUTCOMES)
        self.last: Outcome | None = None
        self.decisive: Outcome | None = None
        self.certificate_expiry: float | None = None
        self.state = State()

    def observe(self, outcome: Outcome) -> None:
        packed = pack(outcome)  # one object, even if both deques hold it
        self.recent.append(packed)
        self.points.append((None if outcome.stalled else outcome.duration, outcome.fault.value))
        if not outcome.success:
            self.failures.append(packed)
        self._observe_certificate(outcome)
        self.last = outcome
        if outcome.counts:
            self.decisive = outcome
        self.state.fold(outcome)

    def _observe_certificate(self, outcome: Outcome) -> None:
        """Keep the expiry of the certificate seen last; a refused one is fetched only once an hour."""
        seen = [step.tls.not_after for step in outcome.steps if step.tls and step.tls.not_after is not None]
        known, first = self.certificate_expiry, not (self.last and self.last.reason is Reason.TLS)
        if seen:
            self.certificate_expiry = seen[-1]
        elif outcome.reason is Reason.TLS and first and known is not None and known > outcome.ended_at:
            # The certificate that was good is not the one refused now, unless it has expired meanwhile.
            self.certificate_expiry = None


_EMPTY = _Record()
"""Of a target without outcomes. Never changed."""
