"""What is remembered of outcomes for people: the last ones of each target and journey, and its last failures.

    recent    … ok ok tls tls tls ok ok      the last 60, whatever they were
    failures  … dns … tls tls tls            the last 50 failures, however long ago

Failures are kept apart, or an hour of successes would wipe out what happened tonight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from exporter.observing.packing import pack, unpack
from exporter.observing.state import State
from exporter.outcome import Outcome
from exporter.reasons import Reason
from exporter.target import Journey

Point = tuple[float | None, str]
"""Seconds, if they can be believed, and fault. Plain, so that no garbage collection looks into it."""

RECENT = 60
FAILURES = 50


class Past:
    """What is remembered of one target and journey."""

    __slots__ = (
        "_failures",
        "_journey",
        "_points",
        "_recent",
        "_target",
        "decisive",
        "expiry",
        "last",
        "state",
    )

    def __init__(self, target: str, journey: Journey) -> None:
        self._target = target
        self._journey = journey
        self._points: deque[Point] = deque(maxlen=RECENT)
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._failures: deque[bytes] = deque(maxlen=FAILURES)
        self.last: Outcome | None = None
        self.decisive: Outcome | None = None
        """The last one that says anything of the target, and so the reason of its state."""
        self.expiry: float | None = None
        """When the certificate expires that was seen last; a refused one is looked at once an hour only."""
        self.state = State()

    @property
    def points(self) -> tuple[Point, ...]:
        """Seconds and fault of the last 60, oldest first; no seconds where our own stall spoilt them."""
        return tuple(self._points)

    @property
    def recent(self) -> tuple[Outcome, ...]:
        """The last 60, oldest first."""
        return self._unpacked(self._recent)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The last 50 that were no success, oldest first."""
        return self._unpacked(self._failures)

    def observe(self, outcome: Outcome) -> None:
        """Remember an outcome; what there is no room for is forgotten, the oldest first."""
        packed = pack(outcome)  # once: an outcome that is in both is there one time only
        self._recent.append(packed)
        self._points.append((None if outcome.stalled else outcome.duration, outcome.fault.value))
        if not outcome.success:
            self._failures.append(packed)
        self._note_expiry(outcome)
        self.last = outcome
        if outcome.counts:
            self.decisive = outcome
        self.state.fold(outcome)

    def _note_expiry(self, outcome: Outcome) -> None:
        seen = [step.tls.not_after for step in outcome.steps if step.tls and step.tls.not_after is not None]
        known, first = self.expiry, not (self.last and self.last.reason is Reason.TLS)
        if seen:
            self.expiry = seen[-1]
        elif outcome.reason is Reason.TLS and first and known is not None and known > outcome.ended_at:
            # What was seen while it was good says nothing of what is refused now, unless it has expired.
            self.expiry = None

    def _unpacked(self, kept: Iterable[bytes]) -> tuple[Outcome, ...]:
        return tuple([unpack(self._target, self._journey, packed) for packed in kept])


class History:
    """Remembers outcomes; bounded by the number of targets.

    Whoever stops probing a target says so; of a probe then under way the schedule hands on no outcome.
    """

    def __init__(self) -> None:
        self._pasts: dict[tuple[str, Journey], Past] = {}

    def observe(self, outcome: Outcome, /) -> None:
        """Remember an outcome."""
        key = outcome.target, outcome.journey
        if key not in self._pasts:
            self._pasts[key] = Past(*key)
        self._pasts[key].observe(outcome)

    def forget(self, target: str, journey: Journey) -> None:
        """Forget a target that is no longer probed."""
        self._pasts.pop((target, journey), None)

    def of(self, target: str, journey: Journey) -> Past | None:
        """Return what is remembered, or None before the first outcome."""
        return self._pasts.get((target, journey))
