"""The text of the metrics, kept per target and joined on scrape.

    # HELP pingone_flow_probe_success …          one header per family
    # TYPE pingone_flow_probe_success gauge
    pingone_flow_probe_success{target="a",…} 1.0   kept text of target a
    pingone_flow_probe_success{target="b",…} 1.0   kept text of target b

Rendering takes 0.2 ms a target, so a scrape renders only the targets that changed. It yields to the event
loop meanwhile, and on an overloaded loop stops in time to answer with older text.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from operator import itemgetter
from weakref import WeakKeyDictionary

from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.internal_errors import InternalErrors, Part
from exporter.observing.event_loop import Yielder
from exporter.observing.families import JOURNEY_FAMILIES, SUFFIXED, TARGET_FAMILIES, TARGET_INFO, Family
from exporter.observing.series import LabelValues, Series, Values
from exporter.observing.target_metrics import TargetMetrics

MAX_RENDERING_SECONDS = 2.0
"""A scraper waits 10 s by default, and on an overloaded loop each await of the response takes long."""

_MIN_INTERVAL_AHEAD = 10.0  # Seconds. A target probed more often changes several times between two scrapes.

_EOF = b"# EOF\n"

_ANY_TARGET = "\0"  # in place of the target's name, which cannot contain it

_decimal: Callable[[float], str] = floatToGoString
_count = lru_cache(maxsize=4096)(_decimal)  # remembered: most samples are small counts


@dataclass(slots=True)
class _Text:
    version: int
    rendered_at: float
    families: tuple[bytes, ...] = ()
    scraped: bool = False


_NEVER = _Text(version=-1, rendered_at=float("-inf"))  # the text of a target that was never rendered


class Exposition:
    """Renders metrics in one format: OpenMetrics 1.0.0 or text 0.0.4."""

    def __init__(self, *, openmetrics: bool, clock: Callable[[], float], errors: InternalErrors) -> None:
        self._errors = errors
        self._openmetrics = openmetrics
        self._clock = clock
        self.requested_at = clock()  # when it was last rendered
        self.end = _EOF if openmetrics else b""  # what follows all metrics
        families = (*JOURNEY_FAMILIES.values(), TARGET_INFO, *TARGET_FAMILIES.values())  # as collected
        self._headers = [self._header(family) for family in families]
        # Weak, so that the text of a removed target goes with it, even if a scrape is under way.
        self._texts: WeakKeyDictionary[TargetMetrics, _Text] = WeakKeyDictionary()

    async def render(self, targets: Sequence[TargetMetrics]) -> Iterable[bytes]:
        """Return the metrics of all targets, in pieces, to be read once; each target is from one moment.

        On an overloaded loop, or if it cannot be rendered because of a bug, a target is as of an earlier
        scrape, or absent if it was never rendered: alerts on its age then fire, and none resolves.
        """
        self.requested_at = self._clock()
        yielder = Yielder(self._clock)
        known = [(self._texts.get(target, _NEVER), target) for target in targets]
        outdated = [(text.rendered_at, target) for text, target in known if text.version != target.version]
        for _, target in sorted(outdated, key=itemgetter(0)):  # the oldest text is the first to be replaced
            self._update(target)
            await yielder.yield_if_due()
            if yielder.elapsed > MAX_RENDERING_SECONDS:
                break
        texts = [text for target in targets if (text := self._texts.get(target)) is not None]
        for text in texts:
            text.scraped = True
        by_family = zip(*[text.families for text in texts], strict=True) if texts else repeat(())
        families = zip(self._headers, by_family, strict=False)
        return chain.from_iterable((header, *of_targets) for header, of_targets in families)

    def render_ahead(self, target: TargetMetrics) -> None:
        """Render a changed target before the next scrape, unless it will probably change again by then."""
        if self._texts.get(target, _NEVER).scraped and target.timing.interval >= _MIN_INTERVAL_AHEAD:
            self._update(target)

    def render_families(self, declared: Mapping[str, Family], values: Mapping[str, Values]) -> bytes:
        """Return families that are not about a target; `values` are by the same names as `declared`."""
        series = [Series(declared[name], of_family) for name, of_family in values.items()]
        return b"".join([self._header(each.family) + sample_lines(each, exemplars=False) for each in series])

    def render_collector(self, collector: Collector) -> bytes:
        """Return what a collector of prometheus-client collects."""
        if not self._openmetrics:
            return generate_text(collector)
        page: bytes = generate_openmetrics(collector)  # type: ignore[no-untyped-call]
        return page.removesuffix(_EOF)

    def _update(self, target: TargetMetrics) -> None:
        exemplars, name = self._openmetrics, target.target.name
        with self._errors.catching(Part.METRICS, "cannot render the metrics of a target", target=name):
            families = tuple([sample_lines(series, exemplars=exemplars) for series in target.collect()])
            self._texts[target] = _Text(target.version, self._clock(), families)

    def _header(self, family: Family) -> bytes:
        name = family.name.removesuffix("_total") if self._openmetrics else family.name
        return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode()


def sample_lines(series: Series, *, exemplars: bool) -> bytes:
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
    if exemplars and probes:
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
