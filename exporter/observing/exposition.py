"""The text of the page: rendered by prometheus-client, kept per series and family, joined by us.

    # HELP pingone_flow_probe_success …          one header per family
    # TYPE pingone_flow_probe_success gauge
    pingone_flow_probe_success{target="a",…} 1.0   the kept text of series a
    pingone_flow_probe_success{target="b",…} 1.0   the kept text of series b

Rendering costs some 6 µs a line, and the event loop that renders is the one that takes the times of
probes. So what has not changed since the last scrape is not rendered again, and the rest is done in
slices with a breath between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from prometheus_client.exposition import generate_latest as render_text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as render_openmetrics
from prometheus_client.registry import Collector

from exporter.observing.catalogue import FLOW, Family
from exporter.observing.samples import samples
from exporter.observing.series import Series
from exporter.observing.slices import Yielder

if TYPE_CHECKING:
    from prometheus_client.samples import Sample


_PIECE = 200
"""Series that are joined at a time: few enough to take no time, and to leave few pieces."""

_EOF = b"# EOF\n"


class Page:
    """Makes pages of series, in one format.

    Args:
        openmetrics: OpenMetrics 1.0.0; else text 0.0.4.
    """

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._headers = {family.name: self._render(family, ()) for family in FLOW}
        self._kept: dict[Series, tuple[int, tuple[bytes, ...]]] = {}

    async def render(self, series: Sequence[Series], daemon: Collector) -> bytes:
        """Return the whole page; each series is as it was at one moment."""
        slices = Yielder()
        texts = [await self._text(one, slices) for one in series]
        parts = []
        for column, header in enumerate(self._headers.values()):
            parts.append(header)
            for first in range(0, len(texts), _PIECE):
                parts.append(b"".join([text[column] for text in texts[first : first + _PIECE]]))
                await slices.yield_if_due()
        parts.append(self._whole(daemon))
        if self._openmetrics:
            parts.append(_EOF)
        # Copying megabytes takes milliseconds; b"".join lets go of the GIL meanwhile.
        return await asyncio.to_thread(b"".join, parts)

    def forget(self, series: Series) -> None:
        """Drop what is kept of a series that is no more."""
        self._kept.pop(series, None)

    async def _text(self, series: Series, slices: Yielder) -> tuple[bytes, ...]:
        version, text = self._kept.get(series, (-1, ()))
        if version != series.version:
            # The samples are taken at once, so that they belong together; only their text is not.
            version, found = series.version, samples(series)
            await slices.yield_if_due()
            texts = []
            for family in FLOW:
                rendered = self._render(family, found.get(family.name, ()))
                texts.append(rendered[len(self._headers[family.name]) :])
                await slices.yield_if_due()
            text = tuple(texts)
            if not series.gone:  # or it would be kept for ever, had it gone while it was rendered
                self._kept[series] = (version, text)
        return text

    def _render(self, family: Family, of_family: Iterable[Sample]) -> bytes:
        metric = Metric(family.name.removesuffix("_total"), family.help, family.kind)
        metric.samples.extend(of_family)
        return self._whole(_One(metric))

    def _whole(self, collector: Collector) -> bytes:
        if not self._openmetrics:
            return render_text(collector)
        page: bytes = render_openmetrics(collector, version="1.0.0")  # type: ignore[no-untyped-call]
        return page.removesuffix(_EOF)


class _One(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)
