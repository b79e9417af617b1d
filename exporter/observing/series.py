"""The series of a metric family, and the state of a histogram."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from prometheus_client.utils import floatToGoString

from exporter.observing.families import Family

LabelValues: TypeAlias = tuple[str, ...]

Values: TypeAlias = Mapping[LabelValues, float]
"""Values of the further labels -> value of the series. For a histogram or a summary, the suffix of the name
comes first."""


class TracedProbe(NamedTuple):
    """The probe behind a sample, for an exemplar that leads to PingOne's audit log."""

    transaction_id: str
    value: float
    ended_at: float


class Series(NamedTuple):
    """The series of one target in a family."""

    family: Family
    values: Values  # the value of each
    # Values of the labels that all series of a target share, its name first; empty for its own labels.
    key: LabelValues = ()
    # By the keys of `values`: the probe behind the series.
    probes: Mapping[LabelValues, TracedProbe] = {}


def known_value(value: float | None) -> Values:
    """Return the one value of a family without further labels; none if it is unknown."""
    return {} if value is None else {(): value}


class BucketCounts:
    """The state of a histogram with these upper bounds, increasing, without +Inf.

    `probes` has the last probe in each bucket, by the bucket's key among `values`.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self.probes: dict[LabelValues, TracedProbe] = {}

    def observe(self, value: float, probe: TracedProbe | None = None) -> None:
        """Count a value into the first bucket with a bound that is not below it."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        if probe is not None:
            self.probes[_keys(self._bounds)[bucket]] = probe
        self._sum += value

    def values(self) -> Values:
        """Return the buckets, cumulative, then count and sum."""
        values: dict[LabelValues, float] = dict(
            zip(_keys(self._bounds), accumulate(self._counts), strict=True)
        )
        return values | {("_count",): sum(self._counts), ("_sum",): self._sum}


@lru_cache
def _keys(bounds: tuple[float, ...]) -> tuple[LabelValues, ...]:
    """Return the keys of the buckets, which all histograms with these bounds share."""
    return tuple(("_bucket", bound) for bound in (*map(floatToGoString, bounds), "+Inf"))
