"""The text of the metrics: lines that are kept per target, and joined by family on scrape.

    # HELP pingone_flow_probe_success …          one header per family
    # TYPE pingone_flow_probe_success gauge
    pingone_flow_probe_success{target="a",…} 1.0   kept text of target a
    pingone_flow_probe_success{target="b",…} 1.0   kept text of target b

What is kept is OpenMetrics 1.0.0; text 0.0.4 has other headers and no exemplars.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain, repeat
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.observing.families import JOURNEY_FAMILIES, SUFFIXED, TARGET_FAMILIES, TARGET_INFO, Family

LabelValues: TypeAlias = tuple[str, ...]

Values: TypeAlias = Mapping[LabelValues, float]
"""Values of the further labels -> value of the series. For a histogram or a summary, the suffix of the name
comes first."""


class TracedProbe(NamedTuple):
    """The probe behind a sample, for an exemplar that leads to PingOne's audit log."""

    transaction_id: str
    value: float
    ended_at: float


EOF = b"# EOF\n"
"""The end of OpenMetrics."""

_FAMILIES = (*JOURNEY_FAMILIES.values(), TARGET_INFO, *TARGET_FAMILIES.values())  # as collected
_EXEMPLAR = re.compile(rb' # \{transaction_id="[^"]*"\} \S+ \S+$', re.MULTILINE)
_ANY_TARGET = "\0"  # in place of the target's name, which cannot contain it

_decimal: Callable[[float], str] = floatToGoString
_count = lru_cache(maxsize=4096)(_decimal)  # remembered: most samples are small counts


def join_targets(kept: Sequence[Sequence[bytes]], *, openmetrics: bool) -> Iterable[bytes]:
    """Return the metrics of targets, in pieces, to be read once; `kept` has the lines of each, by family."""
    headers = [_header(family, openmetrics=openmetrics) for family in _FAMILIES]
    by_family = zip(headers, zip(*kept, strict=True) if kept else repeat(()), strict=False)
    pieces = chain.from_iterable((header, *lines) for header, lines in by_family)
    plain = (_EXEMPLAR.sub(b"", each) if b" # {" in each else each for each in pieces)
    return pieces if openmetrics else plain


def render_families(
    declared: Mapping[str, Family], values: Mapping[str, Values], *, openmetrics: bool
) -> bytes:
    """Return families that are not about a target; `values` are by the same names as `declared`."""
    families = [(declared[name], of_family) for name, of_family in values.items()]
    return b"".join([_header(one, openmetrics=openmetrics) + sample_lines(one, own) for one, own in families])


def render_collector(collector: Collector, *, openmetrics: bool) -> bytes:
    """Return what a collector of prometheus-client collects."""
    if not openmetrics:
        return generate_text(collector)
    page: bytes = generate_openmetrics(collector)  # type: ignore[no-untyped-call]
    return page.removesuffix(EOF)


def _header(family: Family, *, openmetrics: bool) -> bytes:
    name = family.name.removesuffix("_total") if openmetrics else family.name
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode()


def sample_lines(
    family: Family,
    values: Values,
    key: LabelValues = (),
    probes: Mapping[LabelValues, TracedProbe] = MappingProxyType({}),
) -> bytes:
    """Return the lines of a family like prometheus-client, but many times faster.

    That checks every name and escapes every value; our names are valid, and few values need escaping.

    Args:
        family: its name and labels.
        values: the value of each series.
        key: values of the labels that all series of a target share, its name first; empty for its own labels.
        probes: the probe behind a series, by the keys of `values`.
    """
    if not key:  # a target's own labels, or not about a target: not worth remembering
        return "".join(
            [f"{_name(family, key, own)} {_decimal(value)}\n" for own, value in values.items()]
        ).encode()
    if not values:
        return b""
    target, *shared = key
    lines = _lines(family, tuple(shared), tuple(values))
    numbers = [_count(value) if type(value) is int else _decimal(value) for value in values.values()]
    if probes:
        for index, own in enumerate(values):
            if own in probes:
                trace, traced_value, ended_at = probes[own]
                numbers[index] += f' # {{transaction_id="{trace}"}} {_decimal(traced_value)} {ended_at}'
    return (lines % tuple(numbers)).replace(_ANY_TARGET, _escape(target)).encode()


@lru_cache(maxsize=4096)
def _lines(family: Family, shared: LabelValues, values: tuple[LabelValues, ...]) -> str:
    """Return the lines of these series, with a placeholder for each value and for the target.

    Nearly all targets have the same series, so they share what is remembered. `shared` is the key without
    the target, `values` are the keys of the values.
    """
    key = (_ANY_TARGET, *shared)
    return "".join([f"{_name(family, key, own)} ".replace("%", "%%") + "%s\n" for own in values])


def _name(family: Family, key: LabelValues, own: LabelValues) -> str:
    """Return name and labels of a series."""
    name = family.name
    if family.kind in SUFFIXED:
        name, own = name + own[0], own[1:]
    # The last label of a count or sum has no value.
    labels = sorted(zip(family.labels, (*key, *own), strict=False))
    pairs = ",".join([f'{label}="{_escape(value)}"' for label, value in labels])
    return f"{name}{{{pairs}}}" if pairs else name


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


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
