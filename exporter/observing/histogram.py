"""The state of a histogram, with an exemplar in each bucket."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString


class TracedProbe(NamedTuple):
    """The probe behind a sample, for an exemplar that leads to PingOne's audit log."""

    transaction_id: str
    value: float
    ended_at: float

    def exemplar(self) -> Exemplar:
        """Return it as prometheus-client wants it."""
        return Exemplar({"transaction_id": self.transaction_id}, self.value, self.ended_at)


class BucketCounts:
    """The state of a histogram: counts per bucket, and the last probe in each.

    Args:
        bounds: upper bounds, increasing, without +Inf.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._probes: list[TracedProbe | None] = [None] * len(self._counts)
        self.sum = 0.0

    def observe(self, value: float, probe: TracedProbe | None = None) -> None:
        """Count a value into the first bucket with a bound that is not below it."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._probes[bucket] = probe
        self.sum += value

    def buckets(self) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        """Return the buckets as HistogramMetricFamily wants them: bound, cumulative count, exemplar."""
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        return [
            (bound, count) if probe is None else (bound, count, probe.exemplar())
            for bound, count, probe in zip(bounds, accumulate(self._counts), self._probes, strict=True)
        ]
