"""The state of a histogram, with the last probe in each bucket for an exemplar."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

LabelValues: TypeAlias = tuple[str, ...]


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
        self.probes: dict[LabelValues, TracedProbe] = {}
        """The last probe in each bucket, by the bucket's key among `values`."""
        self.sum = 0.0

    def observe(self, value: float, probe: TracedProbe | None = None) -> None:
        """Count a value into the first bucket with a bound that is not below it."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        if probe is not None:
            self.probes[_keys(self._bounds)[bucket]] = probe
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return the buckets as HistogramMetricFamily wants them: bound, cumulative count."""
        bounds = [bound for _, bound in _keys(self._bounds)]
        return list(zip(bounds, accumulate(self._counts), strict=True))

    def values(self) -> dict[LabelValues, float]:
        """Return the series as SeriesFamily wants them: suffix and further labels -> value."""
        values: dict[LabelValues, float] = dict(
            zip(_keys(self._bounds), accumulate(self._counts), strict=True)
        )
        values["_count",] = sum(self._counts)
        values["_sum",] = self.sum
        return values


@lru_cache
def _keys(bounds: tuple[float, ...]) -> tuple[LabelValues, ...]:
    """Return the keys of the buckets, which all histograms with these bounds share."""
    return tuple(("_bucket", bound) for bound in (*map(floatToGoString, bounds), "+Inf"))
