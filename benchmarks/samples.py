"""Read figures from a page of metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence


def total(text: str, name: str, **labels: str) -> float:
    """Return the sum of all samples of a name with these labels."""
    found = 0.0
    for line in text.splitlines():
        if line.startswith((f"{name} ", f"{name}{{")) and all(
            f'{key}="{value}"' in line for key, value in labels.items()
        ):
            found += float(line.partition(" # ")[0].rpartition(" ")[2])
    return found


def series(text: str) -> int:
    """Return the number of samples on the page."""
    return sum(not line.startswith("#") for line in text.splitlines())


def buckets(text: str, name: str) -> dict[float, float]:
    """Return a histogram without labels, upper bound -> count of values up to it."""
    found = re.findall(rf'^{name}_bucket{{le="(.*?)"}} (\S+)', text, re.MULTILINE)
    return {float(bound): float(count) for bound, count in found}


def quantile(before: Mapping[float, float], after: Mapping[float, float], share: float) -> float:
    """Return a quantile of what was observed between two pages, as Prometheus does; NaN without values."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    wanted = share * counts[math.inf]
    if not wanted:
        return math.nan
    lower, below = 0.0, 0.0
    for bound, count in counts.items():
        if count >= wanted and count > below:
            return (
                lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (count - below)
            )
        lower, below = bound, count
    return lower


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that this share of them does not exceed; NaN of none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan
