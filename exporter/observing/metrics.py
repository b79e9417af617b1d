"""Prometheus metrics of what was observed: an observer of outcomes and a watcher of the schedule."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from exporter import __version__
from exporter.observing.catalogue import (
    BUILD_INFO,
    EGRESS_UP,
    EVENT_LOOP_LAG,
    PROBES_IN_FLIGHT,
    PROBES_STALLED,
    RELOAD_SUCCESS_TIMESTAMP,
    RELOAD_SUCCESSFUL,
    SCHEDULE_LAG,
    SHARDS,
)
from exporter.observing.exposition import Page
from exporter.observing.series import Series
from exporter.outcome import Outcome, SkipCause
from exporter.target import Journey, Target

_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_SLICE = 20
"""Series that are made at a time; each takes some 20 µs."""


class Metrics:
    """All metrics of this daemon.

    Args:
        targets: what is probed; their series are there from the start.
        buckets: upper bounds of the duration histogram, in seconds.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        buckets: Sequence[float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        self._buckets = buckets
        self._series: dict[tuple[str, Journey], Series] = {
            (target.name, journey): Series(target, journey, buckets)
            for target in targets
            for journey in target.journeys
        }
        self._pages: dict[bool, Page] = {}
        disable_created_metrics()  # type: ignore[no-untyped-call]  # another series for every counter, which nobody asks for
        self._registry = registry = CollectorRegistry()
        build = Gauge(BUILD_INFO.name, BUILD_INFO.help, BUILD_INFO.labels, registry=registry)
        build.labels(__version__, platform.python_version()).set(1)
        self._shards = Gauge(SHARDS.name, SHARDS.help, SHARDS.labels, registry=registry)
        self.set_shard(0, 1)
        self._in_flight = Gauge(PROBES_IN_FLIGHT.name, PROBES_IN_FLIGHT.help, registry=registry)
        self._schedule_lag = Histogram(
            SCHEDULE_LAG.name, SCHEDULE_LAG.help, registry=registry, buckets=_LAG_BUCKETS,
        )  # fmt: skip
        self._event_loop_lag = Histogram(
            EVENT_LOOP_LAG.name, EVENT_LOOP_LAG.help, registry=registry, buckets=_LAG_BUCKETS,
        )  # fmt: skip
        self._stalled = Counter(PROBES_STALLED.name, PROBES_STALLED.help, registry=registry)
        self._reload_good = Gauge(RELOAD_SUCCESSFUL.name, RELOAD_SUCCESSFUL.help, registry=registry)
        self._reload_at = Gauge(
            RELOAD_SUCCESS_TIMESTAMP.name, RELOAD_SUCCESS_TIMESTAMP.help, registry=registry
        )
        self.config_loaded(good=True)
        self._egress: Gauge | None = None
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    async def render(self, openmetrics: bool) -> bytes:  # noqa: FBT001  the one thing there is to choose
        """Return all metrics in OpenMetrics 1.0.0 or in text 0.0.4."""
        series = tuple(self._series.values())
        now = self._wall()
        for one in series:
            one.release_at(now)
        # A format that nobody asks for is never rendered.
        if openmetrics not in self._pages:
            self._pages[openmetrics] = Page(openmetrics=openmetrics)
        return await self._pages[openmetrics].render(series, self._registry)

    async def reconfigure(self, targets: Sequence[Target]) -> None:
        """Show other targets from now on, all at once; what is told of one that is gone is not shown.

        A target that was there before keeps its counters and its state.

        Args:
            targets: what is probed; the series of new ones are there from the start.
        """
        new: dict[tuple[str, Journey], Series] = {}
        for target in targets:
            for journey in target.journeys:
                series = self._series.get((target.name, journey))
                if series is None:
                    series = Series(target, journey, self._buckets)
                    if len(new) % _SLICE == 0:
                        await asyncio.sleep(0)
                new[target.name, journey] = series
        # From here on in one go: a scrape sees all of it, or nothing.
        before, self._series = self._series, new
        for target in targets:
            for journey in target.journeys:
                new[target.name, journey].adopt(target)
        for key in before.keys() - new.keys():
            before[key].gone = True
            for page in self._pages.values():
                page.forget(before[key])

    def observe(self, outcome: Outcome, /) -> None:
        """Fold a finished probe in."""
        series = self._series.get((outcome.target, outcome.journey))
        if series is None:
            return
        series.observe(outcome)
        if outcome.stalled:
            self._stalled.inc()

    def probe_started(self, lag: float, /) -> None:
        """Count a started probe and its lag in seconds."""
        self._in_flight.inc()
        self._schedule_lag.observe(lag)

    def probe_ended(self) -> None:
        """Count a probe that ended."""
        self._in_flight.dec()

    def run_skipped(self, target: str, journey: Journey, cause: SkipCause, count: int, /) -> None:
        """Count skipped runs."""
        if (series := self._series.get((target, journey))) is not None:
            series.skip(cause, count)

    def backoff_until(self, target: str, journey: Journey, timestamp: float, /) -> None:
        """Show until when probes of a target are paused; seconds since the epoch."""
        if (series := self._series.get((target, journey))) is not None:
            series.hold_back(timestamp)

    def egress(self, up: bool | None, /) -> None:  # noqa: FBT001  the one thing there is to say
        """Show the result of the own egress check; None if there is no such check."""
        if self._egress is not None:
            self._registry.unregister(self._egress)
            self._egress = None
        if up is not None:
            self._egress = Gauge(EGRESS_UP.name, EGRESS_UP.help, registry=self._registry)
            self._egress.set(up)

    def set_shard(self, index: int, count: int, /) -> None:
        """Show this exporter's index, from 0, and the number of shards."""
        self._shards.clear()
        self._shards.labels(str(index)).set(count)

    def config_loaded(self, *, good: bool) -> None:
        """Show whether the last load of the configuration succeeded, and when the last good one was."""
        self._reload_good.set(good)
        if good:
            self._reload_at.set(self._wall())

    def loop_lag(self, seconds: float, /) -> None:
        """Count one sample of the event loop's lag."""
        self._event_loop_lag.observe(seconds)
