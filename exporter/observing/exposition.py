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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

from exporter.internal_errors import InternalErrors, Part
from exporter.observing.event_loop import Yielder
from exporter.observing.histogram import LabelValues, TracedProbe
from exporter.observing.series import SeriesFamily
from exporter.observing.target_metrics import TargetMetrics
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

MAX_RENDERING_SECONDS = 2.0
"""A scraper waits 10 s by default, and on an overloaded loop each await of the response takes long."""

_MIN_INTERVAL_AHEAD = 10.0
"""Seconds. A target probed more often changes several times between two scrapes."""

_EOF = b"# EOF\n"

_ANY_TARGET = "\0"
"""In place of the target's name, which cannot contain it."""

_decimal: Callable[[float], str] = floatToGoString
_count = lru_cache(maxsize=4096)(_decimal)
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
        errors: counts and logs our own bugs.

    Attributes:
        asked_for_at: when it was last rendered.
    """

    def __init__(
        self,
        *,
        openmetrics: bool,
        clock: Callable[[], float] = time.perf_counter,
        errors: InternalErrors | None = None,
    ) -> None:
        self._errors = errors or InternalErrors()
        self._openmetrics = openmetrics
        self._clock = clock
        self.asked_for_at = clock()
        self._headers = [header for header, _ in self._split(self._generate(_any_target()))]
        # Weak, so that the text of a removed target goes with it, even if a scrape is under way.
        self._texts: WeakKeyDictionary[TargetMetrics, _Text] = WeakKeyDictionary()

    async def render(self, targets: Sequence[TargetMetrics], exporter: Collector) -> bytes:
        """Return the metrics of all targets and of the exporter; each target is from one moment.

        On an overloaded loop, or if it cannot be rendered because of a bug, a target is as of an earlier
        scrape, or absent if it was never rendered: alerts on its age then fire, and none resolves.
        """
        self.asked_for_at = self._clock()
        yielder = Yielder(self._clock)
        for target in sorted(filter(self._is_outdated, targets), key=self._rendered_at):
            self._update(target)
            await yielder.yield_if_due()
            if yielder.elapsed > MAX_RENDERING_SECONDS:
                break
        texts = [text for target in targets if (text := self._texts.get(target)) is not None]
        parts = []
        columns = zip(*[text.families for text in texts], strict=True) if texts else repeat(())
        for header, column in zip(self._headers, columns, strict=False):
            parts.append(header)
            parts.extend(column)
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
        exemplars = self._openmetrics
        try:
            families = tuple([sample_lines(family, exemplars=exemplars) for family in target.collect()])
        except Exception as error:  # noqa: BLE001  a bug that one target shows must not cost the others theirs
            message = "cannot render the metrics of a target"
            self._errors.report(Part.METRICS, message, error, target=target.target.name)
            return
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
    """Return the lines of a family's samples, as prometheus-client does in many times the time.

    It checks every name and escapes every value of every line; our names are valid, and few values need it.
    """
    if not isinstance(family, SeriesFamily):
        return "".join(
            [f"{_series(name, labels)} {_decimal(value)}\n" for name, labels, value, *_ in family.samples]
        ).encode()
    values = family.values
    if not values:
        return b""
    target, *shared = family.key
    lines = _lines(family.series_name, family.type, family.labels, tuple(shared), tuple(values))
    numbers = [_count(value) if type(value) is int else _decimal(value) for value in values.values()]
    if exemplars and family.exemplars:
        for index, key in enumerate(values):
            if key in family.exemplars:
                numbers[index] += _exemplar_text(family.exemplars[key])
    return (lines % tuple(numbers)).replace(_ANY_TARGET, _escape(target)).encode()


def _exemplar_text(probe: TracedProbe) -> str:
    return f' # {{transaction_id="{probe.transaction_id}"}} {_decimal(probe.value)} {probe.ended_at}'


@lru_cache(maxsize=4096)
def _lines(
    name: str, kind: str, labels: tuple[str, ...], shared: LabelValues, keys: tuple[LabelValues, ...]
) -> str:
    """Return the lines of these series, with a placeholder for each value and for the target.

    Nearly all targets have the same series, so they share what is remembered. Arguments: of `SeriesFamily`;
    `shared` is its key without the target, `keys` are those of its values.
    """
    family = SeriesFamily(name, "", kind, labels, (_ANY_TARGET, *shared), {})
    return "".join([f"{_series(*family.describe(key))} ".replace("%", "%%") + "%s\n" for key in keys])


def _series(name: str, labels: Mapping[str, str]) -> str:
    pairs = ",".join([f'{label}="{_escape(value)}"' for label, value in sorted(labels.items())])
    return f"{name}{{{pairs}}}"


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
