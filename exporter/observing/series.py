"""What is remembered of one target and journey: plain state that outcomes are folded into.

Bounded by configuration, whatever a provider sends: steps, phases, reasons and statuses are closed
sets, and HTTP codes are cut off.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from exporter.observing.state import State
from exporter.outcome import (
    FAILED,
    KNOWN_STATUSES,
    UNKNOWN,
    Outcome,
    Phase,
    SkipCause,
    StepRecord,
)
from exporter.reasons import FAULTS, Fault, Reason
from exporter.target import Journey, Target

CODES_FROM_THE_START = ("200", "302", "400", "401", "403", "404", "429", "500", "502", "503", "504")
"""A counter first seen at 1 has an increase() of 0, so those that alerts ask for are there at 0."""

_MOST_CODES = 20
OTHER_CODE = "other"


class Trace(NamedTuple):
    """The probe behind a number, for an exemplar: a point in a graph leads to PingOne's audit log."""

    transaction_id: str
    value: float
    at: float


class Histogram:
    """Counts per bucket, the last one is +Inf, and the last probe that fell into each.

    Args:
        bounds: upper bounds, increasing, without +Inf.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.traces: list[Trace | None] = [None] * len(self.counts)
        self.sum = 0.0

    def observe(self, trace: Trace) -> None:
        """Count a value into the first bucket whose bound is not below it."""
        bucket = bisect_left(self.bounds, trace.value)
        self.counts[bucket] += 1
        self.traces[bucket] = trace
        self.sum += trace.value


class Series:
    """The state of one target and journey.

    Args:
        target: what is probed.
        journey: what is walked.
        buckets: upper bounds of the duration histogram, in seconds.
    """

    def __init__(self, target: Target, journey: Journey, buckets: Sequence[float]) -> None:
        self.target = target
        self.journey = journey
        self.version = 0
        """Changes whenever anything here does."""
        self.gone = False
        """Whether its target is no longer probed, and nothing more is kept of it."""
        self.last: Outcome | None = None
        self.probes: dict[tuple[Reason, Fault], int] = {
            (reason, fault): 0 for reason, faults in FAULTS.items() for fault in faults
        }
        self.failures: dict[tuple[Reason, Fault], Trace] = {}
        self.durations = Histogram(buckets)
        self.slow = 0
        self.state = State()
        self.last_success_at: float | None = None
        self.phase_seconds: dict[tuple[str, Phase], tuple[float, int]] = {}
        self.responses: dict[tuple[str, str], int] = {
            (step, code): 0 for step in journey.steps for code in CODES_FROM_THE_START
        }
        self.statuses: dict[tuple[str, str], int] = {
            (step, status): 0
            for step in journey.steps
            for status in dict.fromkeys((*target.expected_statuses, FAILED, UNKNOWN))
        }
        self.error_codes: Counter[tuple[str, str]] = Counter()
        self.expiry: dict[str, float] = {}
        self.skipped: Counter[SkipCause] = Counter(dict.fromkeys(SkipCause, 0))
        self.held_until: float | None = None

    @property
    def consecutive_failures(self) -> int | None:
        """How many probes in a row failed; None before the first that says anything."""
        if self.state.failing is None:
            return None
        return self.state.in_a_row if self.state.failing else 0

    @property
    def state_changed_at(self) -> float | None:
        """Since when it succeeds or fails; wall clock."""
        return self.state.since

    def adopt(self, target: Target) -> None:
        """Go on with the target as it is written now; counters and state stay."""
        before, self.target = self.target, target
        if before == target:
            return
        self.version += 1
        if before.rate_scope != target.rate_scope:
            self.held_until = None  # it was another one that asked for it
        if before.auth_host != target.auth_host:
            self.expiry.clear()  # nobody has seen this one's certificate
        expected = dict.fromkeys((*target.expected_statuses, FAILED, UNKNOWN))
        # In the order of the start, and without what was expected in vain, or many changes would add up.
        none = {(step, status): 0 for step in self.journey.steps for status in expected}
        seen = {key: count for key, count in self.statuses.items() if count}
        self.statuses = none | seen

    def observe(self, outcome: Outcome) -> None:
        """Fold a finished probe in."""
        self.version += 1
        self.last = outcome
        self.probes[outcome.reason, outcome.fault] += 1
        if outcome.success:
            self._fold_success(outcome)
        else:
            self.failures[outcome.reason, outcome.fault] = Trace(outcome.transaction_id, 1, outcome.ended_at)
        self.state.fold(outcome)
        for record in outcome.steps:
            self._fold_step(record, stalled=outcome.stalled)

    def skip(self, cause: SkipCause, count: int) -> None:
        """Count due runs that were not done."""
        self.version += 1
        self.skipped[cause] += count

    def hold_back(self, until: float) -> None:
        """Remember until when it is held back; wall clock."""
        self.version += 1
        self.held_until = until

    def release_at(self, now: float) -> None:
        """Forget a hold that is over."""
        if self.held_until is not None and self.held_until <= now:
            self.version += 1
            self.held_until = None

    def status_label(self, status: str) -> str:
        """Return a flow status as a label value: itself if known or expected, else UNKNOWN."""
        return status if status in KNOWN_STATUSES or status in self.target.expected_statuses else UNKNOWN

    def _fold_success(self, outcome: Outcome) -> None:
        self.last_success_at = outcome.ended_at
        if not outcome.stalled:
            self.durations.observe(Trace(outcome.transaction_id, outcome.duration, outcome.ended_at))
            self.slow += outcome.duration > self.target.latency_objective

    def _fold_step(self, record: StepRecord, *, stalled: bool) -> None:
        for phase, seconds in () if stalled else record.phases.items():
            total, count = self.phase_seconds.get((record.step, phase), (0.0, 0))
            self.phase_seconds[record.step, phase] = (total + seconds, count + 1)
        if record.http_status_code is not None:
            self._count_response(record.step, str(record.http_status_code))
        if record.flow_status is not None:
            key = record.step, self.status_label(record.flow_status)
            self.statuses[key] = self.statuses.get(key, 0) + 1
        self.error_codes.update((record.step, code) for code in record.error_codes)
        if record.tls is not None and record.tls.not_after is not None:
            self.expiry[record.step] = record.tls.not_after

    def _count_response(self, step: str, code: str) -> None:
        if (step, code) not in self.responses:
            known = sum(1 for of_step, _ in self.responses if of_step == step)
            if known >= _MOST_CODES:
                code = OTHER_CODE
        self.responses[step, code] = self.responses.get((step, code), 0) + 1
