"""All Prometheus metrics: an observer of outcomes and a listener of the schedule.

The exporter's own families are collected here, those of a target in `target_metrics`.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.internal_errors import InternalErrors, Part
from exporter.observing.event_loop import Yielder
from exporter.observing.exposition import Exposition
from exporter.observing.histogram import BucketCounts
from exporter.observing.target_metrics import TargetMetrics
from exporter.outcome import Outcome, SkipCause, TransportStats
from exporter.reasons import Reason
from exporter.status import (
    COMPONENT_STATUSES,
    INCIDENT_IMPACTS,
    MAINTENANCE_STATES,
    DestinationStatus,
    StatusPageReport,
)
from exporter.target import Journey, Target

_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_STATUS_PAGE: Mapping[str, tuple[str, ...]] = {
    "component": (
        "Whether a component has this status on the vendor's status page: 1 or 0; unknown if not found.",
        *("component", "status"),
    ),
    "incidents": ("Open incidents on the vendor's status page, by impact.", "impact"),
    "maintenances": ("Scheduled and current maintenances on the vendor's status page, by state.", "state"),
    "page_updated_timestamp_seconds": ("Unix time at which the vendor's status page last changed.",),
    "fetch_success": ("Whether the last request for the status page returned a summary: 1 or 0.",),
    "last_success_timestamp_seconds": ("Unix time at which the vendor's status page was last read.",),
}
"""Name -> HELP and further labels. One-hot over closed sets, so that no text of the page is a label."""

MAX_UNUSED_SECONDS = 600.0
"""The text of a format that was not asked for since is dropped: it takes 12 kB a target."""


class Metrics(Collector):
    """All metrics of the exporter; collects those that are not about a target.

    Args:
        targets: what is probed; their series exist from the start.
        buckets: upper bounds of the duration histogram, in seconds.
        federation_buckets: the same for the journey `federation`; empty for the same as `buckets`.
        suspended: returns why sign-on of a target is suspended, None if it is not.
        destinations: returns what is known of the destinations that this exporter reports.
        wall: seconds since the epoch.
        clock: monotonic seconds, for work that yields.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        buckets: Sequence[float],
        federation_buckets: Sequence[float] = (),
        suspended: Callable[[Target], Reason | None] = lambda _: None,
        destinations: Callable[[], Sequence[DestinationStatus]] = tuple,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.transport = TransportStats()
        """Updated by the prober."""
        self.errors = InternalErrors()
        """Reported by every part."""
        self._wall = wall
        self._clock = clock
        self._buckets = dict.fromkeys(Journey, buckets) | {Journey.FEDERATION: federation_buckets or buckets}
        self._suspended = suspended
        self._destinations = destinations
        self._targets = {
            (target.name, journey): TargetMetrics(target, journey, self._buckets[journey])
            for target in targets
            for journey in target.journeys
        }
        self._expositions: dict[bool, Exposition] = {}
        self._others = (ProcessCollector(registry=None), PlatformCollector(registry=None))
        self._shard = (0, 1)
        self._in_flight = 0
        self._stalled = 0
        self._schedule_lag = BucketCounts(_LAG_BUCKETS)
        self._event_loop_lag = BucketCounts(_LAG_BUCKETS)
        self._egress_up: bool | None = None
        self._status_page: StatusPageReport | None = None
        self._config_good = True
        self._config_loaded_at = wall()

    async def render(self, openmetrics: bool) -> bytes:  # noqa: FBT001  the one thing there is to choose
        """Return all metrics in OpenMetrics 1.0.0 or in text 0.0.4."""
        targets, now = tuple(self._targets.values()), self._wall()
        for metrics in targets:
            try:
                metrics.expire_backoff(now)
                if metrics.target.user is not None:
                    metrics.sign_on_suspended(self._suspended(metrics.target) is not None)
            except Exception as error:  # noqa: BLE001  its bug must not cost the other targets their metrics
                message = "cannot read the state of a target"
                self.errors.report(Part.METRICS, message, error, target=metrics.target.name)
        known, since = self._expositions, self._clock() - MAX_UNUSED_SECONDS
        # A format that is never asked for is never rendered.
        exposition = known.get(openmetrics) or Exposition(
            openmetrics=openmetrics, clock=self._clock, errors=self.errors
        )
        self._expositions = {form: other for form, other in known.items() if other.asked_for_at > since}
        self._expositions[openmetrics] = exposition
        return await exposition.render(targets, self)

    def collect(self) -> Iterator[Metric]:
        """Yield the families that are not about a target; those of a part that fails are absent."""
        parts: tuple[Callable[[], Iterable[Metric]], ...] = (
            self._own_families,
            lambda: () if self._status_page is None else _status_page_families(self._status_page),
            lambda: _destination_families(self._destinations()),
            *(collector.collect for collector in self._others),
        )
        for part in parts:
            try:
                families = list(part())
            except Exception as error:  # noqa: BLE001  a bug of ours must not cost the targets their metrics
                self.errors.report(Part.METRICS, "cannot collect metrics of the exporter", error)
            else:
                yield from families
        counted = CounterMetricFamily(
            "pingone_flow_exporter_internal_errors_total",
            "Bugs in the exporter, and lack of memory or threads, by the part that failed; see its log.",
            labels=("part",),
        )
        for where, count in self.errors.counts.items():
            counted.add_metric((where.value,), count)
        yield counted

    def _own_families(self) -> Iterator[Metric]:
        yield _gauge(
            "pingone_flow_exporter_build_info",
            "Version of the exporter and of Python; always 1.",
            1,
            {"version": __version__, "python_version": platform.python_version()},
        )
        index, count = self._shard
        yield _gauge(
            "pingone_flow_exporter_shards",
            "Number of shards; label shard is this exporter's index.",
            count,
            {"shard": str(index)},
        )
        yield _gauge("pingone_flow_exporter_probes_in_flight", "Probes running now.", self._in_flight)
        yield HistogramMetricFamily(
            "pingone_flow_exporter_schedule_lag_seconds",
            "Seconds from when a probe was due until it started.",
            buckets=self._schedule_lag.buckets(),
            sum_value=self._schedule_lag.sum,
        )
        yield HistogramMetricFamily(
            "pingone_flow_exporter_event_loop_lag_seconds",
            "Seconds by which the exporter's event loop was late, sampled 100 times per second.",
            buckets=self._event_loop_lag.buckets(),
            sum_value=self._event_loop_lag.sum,
        )
        yield CounterMetricFamily(
            "pingone_flow_exporter_probes_stalled_total",
            "Probes during which the exporter's event loop stalled for more than 50 ms.",
            self._stalled,
        )
        if self.transport.kernel_timestamps is not None:
            yield _gauge(
                "pingone_flow_exporter_kernel_timestamps",
                "Whether the kernel took the times of the last exchange: 1 or 0; absent before the first.",
                self.transport.kernel_timestamps,
            )
        yield CounterMetricFamily(
            "pingone_flow_exporter_loop_timed_exchanges_total",
            "Exchanges for which the event loop took a time instead of the kernel.",
            self.transport.loop_timed_exchanges,
        )
        yield _gauge(
            "pingone_flow_exporter_config_last_reload_successful",
            "Whether the last load of the configuration succeeded: 1 or 0.",
            self._config_good,
        )
        yield _gauge(
            "pingone_flow_exporter_config_last_reload_success_timestamp_seconds",
            "Unix time of the last successful load of the configuration.",
            self._config_loaded_at,
        )
        if self._egress_up is not None:
            yield _gauge(
                "pingone_flow_exporter_egress_up",
                "Whether the last egress check got a response: 1 or 0; absent if none is configured.",
                self._egress_up,
            )

    async def reconfigure(self, targets: Sequence[Target]) -> None:
        """Replace the targets, all at once; the series of new ones exist from now on.

        A target that was there before keeps its counters and its state.
        """
        yielder, kept = Yielder(self._clock), {}
        for target in targets:
            for journey in target.journeys:
                key = target.name, journey
                kept[key] = self._targets.get(key) or TargetMetrics(target, journey, self._buckets[journey])
                await yielder.yield_if_due()
        # No await from here on: a scrape sees all of it, or nothing.
        self._targets = kept
        for target in targets:
            for journey in target.journeys:
                kept[target.name, journey].adopt(target)

    def observe(self, outcome: Outcome, /) -> None:
        """Record a finished probe; ignored if its target is no longer probed."""
        target = self._targets.get((outcome.target, outcome.journey))
        if target is None:
            return
        target.observe(outcome)
        self._stalled += outcome.stalled
        for exposition in self._expositions.values():
            exposition.render_ahead(target)

    def probe_started(self, lag: float, /) -> None:
        """Count a started probe and its lag in seconds."""
        self._in_flight += 1
        self._schedule_lag.observe(lag)

    def probe_ended(self) -> None:
        """Count a probe that ended."""
        self._in_flight -= 1

    def run_skipped(self, target: str, journey: Journey, cause: SkipCause, count: int, /) -> None:
        """Count skipped runs."""
        if (known := self._targets.get((target, journey))) is not None:
            known.run_skipped(cause, count)

    def backoff_until(self, target: str, journey: Journey, timestamp: float, /) -> None:
        """Show until when probes of a target are paused; seconds since the epoch."""
        if (known := self._targets.get((target, journey))) is not None:
            known.backoff_until(timestamp)

    def loop_lag(self, seconds: float, /) -> None:
        """Count one sample of the event loop's lag."""
        self._event_loop_lag.observe(seconds)

    def egress(self, up: bool | None, /) -> None:  # noqa: FBT001  the one thing there is to say
        """Show the result of the egress check; None if there is no such check."""
        self._egress_up = up

    def status_page(self, report: StatusPageReport | None, /) -> None:
        """Show the vendor's status page; None if there is no such page."""
        self._status_page = report

    def set_shard(self, index: int, count: int, /) -> None:
        """Show this exporter's index, from 0, and the number of shards."""
        self._shard = (index, count)

    def config_loaded(self, *, good: bool) -> None:
        """Show whether the last load of the configuration succeeded, and when the last good one was."""
        self._config_good = good
        if good:
            self._config_loaded_at = self._wall()


def _destination_families(destinations: Iterable[DestinationStatus]) -> Iterator[Metric]:
    """Yield the families about destinations; what was not observed yet is absent."""
    providers = GaugeMetricFamily(
        "pingone_flow_destination_providers",
        "Identity providers that the destination lists, by what the exporter does about them.",
        labels=("destination", "state"),
    )
    success = GaugeMetricFamily(
        "pingone_flow_destination_refresh_success",
        "Whether the last listing of the destination's identity providers succeeded: 1 or 0.",
        labels=("destination",),
    )
    last_success = GaugeMetricFamily(
        "pingone_flow_destination_last_refresh_success_timestamp_seconds",
        "Unix time of the last successful listing of the destination's identity providers.",
        labels=("destination",),
    )
    for destination in destinations:
        if destination.refresh_ok is not None:
            success.add_metric((destination.name,), destination.refresh_ok)
        if destination.last_success is not None:
            last_success.add_metric((destination.name,), destination.last_success)
            for state, count in destination.counts.items():
                providers.add_metric((destination.name, state.value), count)
    yield from (providers, success, last_success)


def _gauge(
    name: str, documentation: str, value: float, labels: Mapping[str, str] | None = None
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=tuple(labels or ()))
    family.add_metric(tuple((labels or {}).values()), value)
    return family


def _status_page_families(report: StatusPageReport) -> Iterator[Metric]:
    """Yield what was last read of the vendor's status page; what was never read is absent."""
    read, components = report.last_success is not None, report.components
    impacts = Counter(incident.impact for incident in report.incidents)
    states = Counter(maintenance.state for maintenance in report.maintenances)
    values: Mapping[str, Mapping[tuple[str, ...], float | None]] = {
        "component": {(one.name, is_): one.status == is_ for one in components for is_ in COMPONENT_STATUSES},
        "incidents": {(impact,): impacts[impact] for impact in INCIDENT_IMPACTS if read},
        "maintenances": {(state,): states[state] for state in MAINTENANCE_STATES if read},
        "page_updated_timestamp_seconds": {(): report.updated},
        "fetch_success": {(): report.fetched_ok},
        "last_success_timestamp_seconds": {(): report.last_success},
    }
    for name, (documentation, *labels) in _STATUS_PAGE.items():
        family = GaugeMetricFamily(f"pingone_status_{name}", documentation, labels=("page", *labels))
        for further, value in values[name].items():
            if value is not None:
                family.add_metric((report.page, *further), value)
        yield family
