"""The text of the metrics, rendered by prometheus-client, kept per target and joined on scrape.

    # HELP pingone_flow_probe_success …          one header per family
    # TYPE pingone_flow_probe_success gauge
    pingone_flow_probe_success{target="a",…} 1.0   kept text of target a
    pingone_flow_probe_success{target="b",…} 1.0   kept text of target b

Rendering takes 0.2 ms a target, so a scrape renders only the targets that changed. It yields to the event
loop meanwhile, and on an overloaded loop stops in time to answer with older text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

from exporter.observing.event_loop import Yielder
from exporter.observing.series import SeriesFamily
from exporter.observing.target_metrics import TargetMetrics
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector
    from prometheus_client.samples import Exemplar

MAX_RENDERING_SECONDS = 2.0
"""A scraper waits 10 s by default, and on an overloaded loop each await of the response takes long."""

_MIN_INTERVAL_AHEAD = 10.0
"""Seconds. A target probed more often changes several times between two scrapes."""

_EOF = b"# EOF\n"

_number: Callable[[float], str] = lru_cache(maxsize=4096)(floatToGoString)
"""Remembered: most samples are small counts."""


@dataclass(slots=True)
class _Text:
    version: int
    rendered_at: float
    families: tuple[bytes, ...]
    scraped: bool = False


class Exposition:
    """Renders metrics in one format.

    Args:
        openmetrics: whether it is OpenMetrics 1.0.0; else text 0.0.4.
        clock: monotonic seconds.
    """

    def __init__(self, *, openmetrics: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        self._openmetrics = openmetrics
        self._clock = clock
        self._headers = [header for header, _ in self._split(self._generate(_any_target()))]
        # Weak, so that the text of a removed target goes with it, even if a scrape is under way.
        self._texts: WeakKeyDictionary[TargetMetrics, _Text] = WeakKeyDictionary()

    async def render(self, targets: Sequence[TargetMetrics], exporter: Collector) -> bytes:
        """Return the metrics of all targets and of the exporter; each target is from one moment.

        On an overloaded loop a target may be as of the previous scrape, or absent if it was never rendered.
        """
        yielder = Yielder(self._clock)
        for target in sorted(filter(self._is_outdated, targets), key=self._rendered_at):
            self._update(target)
            await yielder.yield_if_due()
            if yielder.elapsed > MAX_RENDERING_SECONDS:
                break
        texts = [text for target in targets if (text := self._texts.get(target)) is not None]
        parts = []
        for number, header in enumerate(self._headers):
            parts.append(header)
            parts.extend([text.families[number] for text in texts])
        for text in texts:
            text.scraped = True
        parts.append(self._generate(exporter))
        if self._openmetrics:
            parts.append(_EOF)
        return b"".join(parts)

    def render_ahead(self, target: TargetMetrics) -> None:
        """Render a target that changed before the next scrape does, unless that is probably in vain."""
        text = self._texts.get(target)
        if text is not None and text.scraped and target.interval >= _MIN_INTERVAL_AHEAD:
            self._update(target)

    def _is_outdated(self, target: TargetMetrics) -> bool:
        text = self._texts.get(target)
        return text is None or text.version != target.version

    def _rendered_at(self, target: TargetMetrics) -> float:
        """Return when a target was rendered: the oldest text is the first to be replaced."""
        text = self._texts.get(target)
        return float("-inf") if text is None else text.rendered_at

    def _update(self, target: TargetMetrics) -> None:
        families = tuple([sample_lines(family, exemplars=self._openmetrics) for family in target.collect()])
        self._texts[target] = _Text(target.version, self._clock(), families)

    def _generate(self, collector: Collector) -> bytes:
        if not self._openmetrics:
            return generate_text(collector)
        # Our names need no escaping, so the text is the same; to escape them costs half of the time.
        page: bytes = generate_openmetrics(collector, escaping=ALLOWUTF8, version="1.0.0")  # type: ignore[no-untyped-call]
        return page.removesuffix(_EOF)

    @staticmethod
    def _split(page: bytes) -> list[tuple[bytes, bytes]]:
        """Return the header and the samples of each family; only a header has a line that begins so."""
        families = [b"# HELP " + family + b"\n" for family in page[7:-1].split(b"\n# HELP ")]
        heads = [family.index(b"\n", family.index(b"\n") + 1) + 1 for family in families]
        return [(family[:head], family[head:]) for family, head in zip(families, heads, strict=True)]


def sample_lines(family: Metric, *, exemplars: bool) -> bytes:
    """Return the lines of a family's samples, as prometheus-client does in three times the time.

    It checks every name and escapes every value of every line; our names are valid, and few values need it.
    """
    if isinstance(family, SeriesFamily):
        return _series_lines(family, exemplars=exemplars)
    lines = []
    for name, labels, value, _, exemplar, *_ in family.samples:
        first, *others = labels.values()
        before, after = _around_first_value(name, tuple(labels), tuple(others))
        text = _exemplar_text(exemplar) if exemplar is not None and exemplars else ""
        lines.append(f"{before}{_escape(first)}{after}{_number(value)}{text}\n")
    return "".join(lines).encode()


def _series_lines(family: SeriesFamily, *, exemplars: bool) -> bytes:
    name, labels, (target, *shared) = family.series_name, family.labels, family.key
    target, traced = _escape(target), family.exemplars if exemplars else {}
    lines = []
    for further, value in family.values.items():
        before, after = _around_first_value(name, labels, (*shared, *further))
        text = _exemplar_text(traced[further]) if traced and further in traced else ""
        lines.append(f"{before}{target}{after}{_number(value)}{text}\n")
    return "".join(lines).encode()


def _exemplar_text(exemplar: Exemplar) -> str:
    labels = ",".join([f'{label}="{_escape(value)}"' for label, value in exemplar.labels.items()])
    return f" # {{{labels}}} {_number(exemplar.value)} {exemplar.timestamp}"


@lru_cache(maxsize=4096)
def _around_first_value(name: str, labels: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, str]:
    """Return a sample's line up to its value, without the value of its first label.

    That is the target, so that all targets share what is remembered.

    Args:
        name: of the sample.
        labels: names, the first label's included.
        others: values of all labels but the first.
    """
    texts = {label: f'{label}="{_escape(value)}"' for label, value in zip(labels[1:], others, strict=True)}
    first = f'{labels[0]}="'
    before = [f"{texts[label]}," for label in sorted(texts) if label < labels[0]]
    after = [f",{texts[label]}" for label in sorted(texts) if label > labels[0]]
    return f"{name}{{{''.join(before)}{first}", f'"{"".join(after)}}} '


@lru_cache(maxsize=4096)
def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _any_target() -> TargetMetrics:
    target = Target(
        name="",
        source_environment_id="",
        destination_environment_id="",
        client_id="",
        source_url="https://localhost",
        redirect_uri="",
    )
    return TargetMetrics(target, Journey.AUTHORIZE, ())
