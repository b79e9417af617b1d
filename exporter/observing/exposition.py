"""The text of the metrics: lines that are kept per target, and joined by family on scrape.

    # HELP pingone_flow_probe_success …          one header per family
    # TYPE pingone_flow_probe_success gauge
    pingone_flow_probe_success{target="a",…} 1.0   kept text of target a
    pingone_flow_probe_success{target="b",…} 1.0   kept text of target b

What is kept is OpenMetrics 1.0.0; text 0.0.4 has other headers and no exemplars.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat

from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.observing.families import JOURNEY_FAMILIES, SUFFIXED, TARGET_FAMILIES, TARGET_INFO, Family
from exporter.observing.series import LabelValues, Series, Values

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
    series = [Series(declared[name], of_family) for name, of_family in values.items()]
    return b"".join([_header(each.family, openmetrics=openmetrics) + sample_lines(each) for each in series])


def render_collector(collector: Collector, *, openmetrics: bool) -> bytes:
    """Return what a collector of prometheus-client collects."""
    if not openmetrics:
        return generate_text(collector)
    page: bytes = generate_openmetrics(collector)  # type: ignore[no-untyped-call]
    return page.removesuffix(EOF)


def _header(family: Family, *, openmetrics: bool) -> bytes:
    name = family.name.removesuffix("_total") if openmetrics else family.name
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode()


def sample_lines(series: Series) -> bytes:
    """Return the lines of a family like prometheus-client, but many times faster.

    That checks every name and escapes every value; our names are valid, and few values need escaping.
    """
    family, values, key, probes = series
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

    Nearly all targets have the same series, so they share what is remembered. `shared` is the key of `Series`
    without the target, `values` are the keys of its values.
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
