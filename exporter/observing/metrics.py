"""All Prometheus metrics: an observer of outcomes and a listener of the schedule.

Metrics about the exporter are collected here, those about a target in `target_metrics.py`.
"""

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from prometheus_client import PlatformCollector, ProcessCollector

from exporter import __version__
from exporter.internal_errors import Part
from exporter.observing.event_loop import Yielder
from exporter.observing.exposition import (
    EOF,
    BucketCounts,
    Values,
    join_targets,
    render_collector,
    render_families,
)
from exporter.observing.families import EXPORTER_FAMILIES, LISTING_FAMILIES, PAGE_FAMILIES
from exporter.observing.target_metrics import TargetMetrics
from exporter.outcome import Outcome, SkipCause, TransportStats
from exporter.status import (
    COMPONENT_STATUSES,
    INCIDENT_IMPACTS,
    MAINTENANCE_STATES,
    LiveFacts,
    StatusPageReport,
)
from exporter.target import Journey, Target

_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

MAX_RENDERING_SECONDS = 2.0
"""A scraper waits 10 s by default, and on an overloaded loop each await of the response takes long."""

_MIN_INTERVAL_AHEAD = 10.0  # Seconds. A target probed more often changes several times between two scrapes.


class Metrics:
    """All metrics of the exporter.

    Args:
        targets: what is probed; their series exist from the start.
        buckets: upper bounds of the duration histogram, in seconds.
        federation_buckets: the same for the journey `federation`; empty for the same as `buckets`.
        live: what other parts know.
        wall: seconds since the epoch.
        clock: monotonic seconds, for work that yields.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        buckets: Sequence[float],
        federation_buckets: Sequence[float] = (),
        live: LiveFacts | None = None,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.transport = TransportStats()
        """Updated by the prober."""
        self._live = live or LiveFacts()
        self.errors = self._live.errors
        self._wall = wall
        self._clock = clock
        self._buckets = dict.fromkeys(Journey, buckets) | {Journey.FEDERATION: federation_buckets or buckets}
        self._targets = {
            (target.name, journey): TargetMetrics(target, journey, self._buckets[journey])
            for target in targets
            for journey in target.journeys
        }
        self._others = (ProcessCollector(registry=None), PlatformCollector(registry=None))
        self._in_flight = 0
        self._stalled = 0
        self._schedule_lag = BucketCounts(_LAG_BUCKETS)
        self._event_loop_lag = BucketCounts(_LAG_BUCKETS)
        self._config_good = True
        self._config_loaded_at = wall()

    async def render(self, openmetrics: bool) -> Iterable[bytes]:  # noqa: FBT001  the one thing there is to choose
        """Return all metrics in OpenMetrics 1.0.0 or text 0.0.4, in pieces that any thread may read, once.

        Rendering takes 0.2 ms a target, so only those that changed are rendered; each is from one moment.
        On an overloaded loop, or if it cannot be rendered because of a bug, a target is as of an earlier
        scrape, or absent if it was never rendered: alerts on its age then fire, and none resolves.
        """
        targets, yielder = tuple(self._targets.values()), Yielder(self._clock)
        for (name, journey), metrics in self._targets.items():
            with self.errors.catching(Part.METRICS, "cannot read the state of a target", target=name):
                suspended = self._live.suspended(metrics.target) is not None
                backoff_until = self._live.backoff_until(metrics.target, journey)
                metrics.set_pauses(suspended=suspended, backoff_until=backoff_until)
            await yielder.yield_if_due()
        yielder = Yielder(self._clock)
        # The oldest text is the first to be replaced.
        outdated = [target for target in targets if target.rendered_version != target.version]
        for target in sorted(outdated, key=lambda target: target.rendered_at):
            self._render_target(target)
            await yielder.yield_if_due()
            if yielder.elapsed > MAX_RENDERING_SECONDS:
                break
        rendered = [target for target in targets if target.rendered]
        for target in rendered:
            target.scraped = True
        lines = join_targets([target.rendered for target in rendered], openmetrics=openmetrics)
        return chain(lines, [*self._exporter_text(openmetrics), EOF if openmetrics else b""])

    def _render_target(self, target: TargetMetrics) -> None:
        name = target.target.name
        with self.errors.catching(Part.METRICS, "cannot render the metrics of a target", target=name):
            target.rendered = tuple(target.collect())
            target.rendered_version, target.rendered_at = target.version, self._clock()
            target.scraped = False

    def _exporter_text(self, openmetrics: bool) -> Iterator[bytes]:  # noqa: FBT001  as above
        """Yield the text of all families that are not about a target, except those of a part that fails."""
        render = partial(render_families, openmetrics=openmetrics)
        parts: tuple[Callable[[], bytes], ...] = (
            lambda: render(EXPORTER_FAMILIES, self._own_values()),
            lambda: render(PAGE_FAMILIES, _status_page_values(self._live.status_page())),
            lambda: render(LISTING_FAMILIES, self._destination_values()),
            *(partial(render_collector, each, openmetrics=openmetrics) for each in self._others),
        )
        for part in parts:
            with self.errors.catching(Part.METRICS, "cannot collect metrics of the exporter"):
                yield part()
        counts: Values = {(part.value,): count for part, count in self.errors.counts.items()}
        yield render(EXPORTER_FAMILIES, {"internal_errors_total": counts})

    def _own_values(self) -> dict[str, Values]:
        (index, count), egress = self._live.shard(), self._live.egress()
        known = {
            "kernel_timestamps": self.transport.kernel_timestamps,
            "egress_up": None if egress is None else egress.up,
        }
        return {
            "build_info": {(__version__, platform.python_version()): 1},
            "shards": {(str(index),): count},
            "probes_in_flight": {(): self._in_flight},
            "schedule_lag_seconds": self._schedule_lag.values(),
            "event_loop_lag_seconds": self._event_loop_lag.values(),
            "probes_stalled_total": {(): self._stalled},
            "loop_timed_exchanges_total": {(): self.transport.loop_timed_exchanges},
            "config_last_reload_successful": {(): self._config_good},
            "config_last_reload_success_timestamp_seconds": {(): self._config_loaded_at},
            **{name: {(): value} for name, value in known.items() if value is not None},
        }

    def _destination_values(self) -> dict[str, Values]:
        """Return the values about destinations; what was not observed yet is absent."""
        destinations, (shard, _) = self._live.destinations(), self._live.shard()
        listed = [(each, each.last_success) for each in destinations if each.last_success is not None]
        counted = listed if shard == 0 else ()  # every shard lists them all, and finds the same providers
        return {
            "providers": {(each.name, state): n for each, _ in counted for state, n in each.counts.items()},
            "refresh_success": {(e.name,): e.refresh_ok for e in destinations if e.refresh_ok is not None},
            "last_refresh_success_timestamp_seconds": {(each.name,): at for each, at in listed},
        }

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
        if target.scraped and target.target.timing(outcome.journey).interval >= _MIN_INTERVAL_AHEAD:
            self._render_target(target)  # ahead of the next scrape: it will probably not change again by then

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

    def loop_lag(self, seconds: float, /) -> None:
        """Count one sample of the event loop's lag."""
        self._event_loop_lag.observe(seconds)

    def config_loaded(self, *, good: bool) -> None:
        """Show whether the last load of the configuration succeeded, and when the last good one was."""
        self._config_good = good
        if good:
            self._config_loaded_at = self._wall()


def _status_page_values(report: StatusPageReport | None) -> dict[str, Values]:
    """Return what was last read of the vendor's status page; what was never read is absent."""
    if report is None:
        return {}
    page, read, components = report.page, report.last_success is not None, report.components
    impacts = Counter(incident.impact for incident in report.incidents)
    states = Counter(maintenance.state for maintenance in report.maintenances)
    known = {
        "page_updated_timestamp_seconds": report.updated,
        "fetch_success": report.fetched_ok,
        "last_success_timestamp_seconds": report.last_success,
    }
    return {
        "component": {(page, c.name, is_): c.status == is_ for c in components for is_ in COMPONENT_STATUSES},
        "incidents": {(page, impact): impacts[impact] for impact in INCIDENT_IMPACTS if read},
        "maintenances": {(page, state): states[state] for state in MAINTENANCE_STATES if read},
        **{name: {} if value is None else {(page,): value} for name, value in known.items()},
    }
