"""The recent outcomes of each target and journey, for pages and API.

    recent    … ok ok tls tls tls ok ok      the last 50 outcomes
    failures  … dns … tls tls tls            the last 50 failures, however long ago

Failures are kept apart so that an hour of successes does not erase what happened tonight.

Outcomes are kept as compressed JSON: a garbage collection of so many objects would stall the event loop.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from exporter.outcome import Outcome
from exporter.status import LiveFacts, Point, TargetHistory, TargetStatus
from exporter.target import Journey, Target

MAX_POINTS = 60
MAX_OUTCOMES = 50  # kept of the recent outcomes, and of the failures


class History:
    """Keeps recent outcomes of these targets; outcomes of others are ignored."""

    def __init__(self, targets: Iterable[Target], live: LiveFacts | None = None) -> None:
        self._live = live or LiveFacts()
        self._records: dict[tuple[str, Journey], _Record] = {}
        self.reconfigure(targets)

    def observe(self, outcome: Outcome, /) -> None:
        """Keep an outcome."""
        if (record := self._records.get((outcome.target, outcome.journey))) is not None:
            record.observe(outcome)

    def reconfigure(self, targets: Iterable[Target]) -> None:
        """Keep the records of these targets only."""
        records = {}
        for target in targets:
            for journey in target.journeys:
                key = target.name, journey
                record = self._records.get(key) or _Record(TargetStatus(target=target, journey=journey))
                record.status.adopt(target)
                records[key] = record
        self._records = records

    def statuses(self) -> Iterator[TargetStatus]:
        """Yield the status of each target and journey, made as it is read."""
        return map(self._status, self._records.values())

    def histories(self, name: str) -> tuple[TargetHistory, ...]:
        """Return the recent outcomes and failures of each journey of a target; empty if it is unknown."""
        return tuple(
            TargetHistory(
                status=self._status(record),
                recent=record.outcomes(record.recent),
                failures=record.outcomes(record.failures or ()),
            )
            for (target, _), record in self._records.items()
            if target == name
        )

    def _status(self, record: _Record) -> TargetStatus:
        probe = record.status.target, record.status.journey
        return replace(
            record.status,
            points=record.points(),
            next_run=self._live.next_run(*probe),
            backoff_until=self._live.backoff_until(*probe),
        )


@dataclass(slots=True)
class _Record:
    """What is kept of one target and journey."""

    status: TargetStatus  # without points, and without what the schedule knows
    dictionaries: list[bytes] = field(default_factory=lambda: [b"", b""])
    """The first failure and the first success: zlib stores only how others differ from them."""
    recent: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_OUTCOMES))
    failures: deque[bytes] | None = None  # even an empty one takes 760 bytes
    durations: array[float] = field(default_factory=lambda: array("d"))
    """Of the last probes, in seconds; not a number where the exporter stalled."""
    faults: list[str] = field(default_factory=list)
    """Of the same probes."""

    def observe(self, outcome: Outcome) -> None:
        kind = outcome.success and not outcome.incomplete
        text = _OUTCOME.dump_json(outcome)
        self.dictionaries[kind] = self.dictionaries[kind] or text
        # With these arguments it takes a third less time than with zlib's own, for the same size.
        settings = (6, zlib.DEFLATED, _WINDOW_BITS, 5, zlib.Z_DEFAULT_STRATEGY)
        compressor = zlib.compressobj(*settings, self.dictionaries[kind])
        # One object, even if both deques hold it.
        data = bytes([kind]) + compressor.compress(text) + compressor.flush()
        self.recent.append(data)
        if not outcome.success:
            if self.failures is None:
                self.failures = deque(maxlen=MAX_OUTCOMES)
            self.failures.append(data)
        if not outcome.incomplete:
            if len(self.durations) == MAX_POINTS:
                del self.durations[0], self.faults[0]
            self.durations.append(math.nan if outcome.stalled else outcome.duration)
            self.faults.append(outcome.fault.value)
        self.status.observe(outcome)

    def outcomes(self, kept: Iterable[bytes]) -> tuple[Outcome, ...]:
        """Return outcomes, newest first."""
        texts = [
            zlib.decompressobj(_WINDOW_BITS, self.dictionaries[data[0]]).decompress(data[1:]) for data in kept
        ]
        return tuple([_OUTCOME.validate_json(text) for text in reversed(texts)])

    def points(self) -> tuple[Point, ...]:
        seconds = [None if math.isnan(duration) else duration for duration in self.durations]
        return tuple(zip(seconds, self.faults, strict=True))


_WINDOW_BITS = -13  # without a header, 8 kB: the longest probe is 6 kB of JSON
_OUTCOME = TypeAdapter(Outcome)  # takes a third of pickle's time
